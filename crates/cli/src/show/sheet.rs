//! One thing in full, for `describe`: labelled fields, then sections.

use std::fmt::Display;

use super::{Look, Table, one_line};

/// Labels are padded to this many characters; the longest has one less with its colon.
const LABEL: usize = 15;
const INDENT: &str = "  ";

/// Grows from top to bottom.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    lines: Vec<String>,
}

impl Sheet {
    /// A labelled value on one line; `-` when it is empty.
    pub(crate) fn field(&mut self, label: &str, value: impl Display) {
        self.painted(label, or_dash(&one_line(&value.to_string())));
    }

    /// As [`Sheet::field`], for a value that this program made and may have coloured.
    pub(crate) fn painted(&mut self, label: &str, value: &str) {
        let label = format!("{label}:");
        self.lines.push(format!("{label:<LABEL$}{value}"));
    }

    /// A heading over lines or a table.
    pub(crate) fn section(&mut self, label: &str) {
        self.lines.push(format!("{label}:"));
    }

    /// One line of a section.
    pub(crate) fn line(&mut self, value: impl Display) {
        self.lines.push(format!("{INDENT}{}", one_line(&value.to_string())));
    }

    /// As [`Sheet::line`], for text that this program made and may have coloured.
    pub(crate) fn painted_line(&mut self, value: &str) {
        self.lines.push(format!("{INDENT}{value}"));
    }

    /// A line that belongs to the one before.
    pub(crate) fn line_below(&mut self, value: impl Display) {
        self.lines.push(format!("{INDENT}{INDENT}{}", one_line(&value.to_string())));
    }

    /// A table under its heading; nothing when it has no rows. Nothing is cut: this is in full.
    pub(crate) fn table(&mut self, label: &str, table: &Table, look: Look) {
        if table.is_empty() {
            return;
        }
        self.section(label);
        let text = table.render(Look { width: None, ..look });
        self.lines.extend(text.lines().map(|line| format!("{INDENT}{line}")));
    }

    /// A command to copy, alone on its line.
    pub(crate) fn command(&mut self, purpose: &str, command: &str) {
        self.lines.push(format!("{INDENT}{purpose}:"));
        self.lines.push(format!("{INDENT}{INDENT}{command}"));
    }

    pub(crate) fn finish(self) -> String {
        self.lines.into_iter().map(|line| line + "\n").collect()
    }
}

fn or_dash(value: &str) -> &str {
    if value.is_empty() { "-" } else { value }
}
