//! What people and scripts see: tables, sheets, JSON and YAML, and the two streams they go to.
//!
//! Law L10 is kept here: a verdict that its spoke does not stand behind now is printed as
//! `Unknown`, with the age of the last one in parentheses. Only JSON and YAML carry the last known
//! verdict in its own field, beside `source`.

pub(crate) mod age;
pub(crate) mod applications;
pub(crate) mod clusters;
mod console;
mod output;
pub(crate) mod records;
pub(crate) mod sets;
mod sheet;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

pub(crate) use console::Console;
pub(crate) use output::{Format, parse_views, print_document, print_documents, print_items};
pub(crate) use sheet::Sheet;
pub(crate) use table::{Cell, Table, Tone, Widths};

use model::status::Timestamp;

/// Text from elsewhere on one line, without control characters: a message from a cluster must not
/// move the cursor or recolour the terminal.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `1 application`, `3 applications`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// How a table is to be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) wide: bool,
    pub(crate) colour: bool,
    /// The width of the terminal; `None` when the lines may be as long as they like.
    pub(crate) width: Option<usize>,
    pub(crate) now: Timestamp,
}
