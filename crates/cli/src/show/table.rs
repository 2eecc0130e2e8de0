//! Tables without borders, as kubectl draws them.

use std::fmt::Display;

use super::{Look, one_line};

/// Between two columns.
const GAP: &str = "  ";
/// A last column is not cut to less than this, in characters: a stump tells nothing.
const LEAST_CUT: usize = 12;

/// What a cell means; becomes a colour on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Warning => Some("33"),
            Self::Bad => Some("31"),
            Self::Faint => Some("2"),
        }
    }

    /// `text` in the colour of this tone.
    pub(crate) fn paint(self, text: &str, colour: bool) -> String {
        match self.code().filter(|_| colour) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Display, tone: Tone) -> Self {
        Self { text: one_line(&text.to_string()), tone }
    }

    /// A cell without a meaning of its own; empty text becomes `-`, so that columns can be cut out.
    pub(crate) fn plain(text: impl Display) -> Self {
        let cell = Self::free(text);
        if cell.text.is_empty() { Self::free("-") } else { cell }
    }

    /// Free text at the end of a line, where nothing needs a placeholder.
    pub(crate) fn free(text: impl Display) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// A number that deserves a look unless it is zero.
    pub(crate) fn alarm(number: usize) -> Self {
        Self::new(number.to_string(), if number == 0 { Tone::Plain } else { Tone::Warning })
    }
}

/// The widths of the columns so far. Rows that come later, when watching, keep to them.
#[derive(Debug, Default)]
pub(crate) struct Widths(Vec<usize>);

#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// A row has a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The header and all rows.
    pub(crate) fn render(&self, look: Look) -> String {
        self.render_under(look, &mut Widths::default())
    }

    /// The rows, with the header when `widths` is new; `widths` only grows.
    pub(crate) fn render_under(&self, look: Look, widths: &mut Widths) -> String {
        let header = self.columns.iter().map(Cell::free).collect::<Vec<_>>();
        let begins = widths.0.is_empty();
        widths.0.resize(self.columns.len(), 0);
        for row in self.rows.iter().chain([&header]) {
            for (width, cell) in widths.0.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let rows = begins.then_some(&header).into_iter().chain(&self.rows);
        rows.map(|row| line(row, &widths.0, look)).collect()
    }
}

fn line(row: &[Cell], widths: &[usize], look: Look) -> String {
    let mut line = String::new();
    let (mut used, last) = (0, row.len().saturating_sub(1));
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        if index == last {
            let room = look.width.map_or(usize::MAX, |whole| whole.saturating_sub(used));
            line += &cell.tone.paint(&cut(&cell.text, room.max(LEAST_CUT)), look.colour);
            break;
        }
        line += &cell.tone.paint(&cell.text, look.colour);
        line.extend(std::iter::repeat_n(' ', width - cell.text.chars().count()));
        line += GAP;
        used += width + GAP.len();
    }
    // Empty free text leaves the gap before it.
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}
