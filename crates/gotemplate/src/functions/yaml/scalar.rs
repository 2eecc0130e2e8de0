//! How a text is written in YAML: which style its characters allow, and where its lines are folded.

use std::fmt::Write as _;

use super::resolves_to_other;

/// Lines are folded at the first space after so many columns.
const WIDTH: usize = 80;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What a text has in it.
struct Found {
    indicators: bool,
    special: bool,
    breaks: bool,
    /// A space or break at an end, which a plain text would lose.
    edge: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
}

/// Writes a text where `out` ends; lines after its first begin at `indent`. A key stays on one line.
pub(super) fn scalar(out: &mut String, text: &str, indent: usize, key: bool) {
    let indent = indent.max(2);
    match style(text, key) {
        Style::Plain => folded(out, text, (indent, !key), (0, usize::MAX), &plain_char),
        Style::Single => {
            out.push('\'');
            folded(out, text, (indent, !key), (1, text.len().saturating_sub(1)), &single_char);
            out.push('\'');
        }
        Style::Double => double(out, text, indent, !key),
        Style::Literal => literal(out, text, indent),
    }
}

fn style(text: &str, key: bool) -> Style {
    let found = find(text);
    // Written bare, a number or a word such as `on` would be read as something else.
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolves_to_other(text) {
        Style::Double
    } else {
        Style::Plain
    };
    let plain = !(found.indicators
        || found.special
        || found.breaks
        || found.edge
        || found.break_space
        || found.space_break);
    let single = !(found.special || found.break_space || found.space_break);
    let block = !(found.special || found.trailing_space || found.space_break || key);
    match wanted {
        _ if key && found.breaks => Style::Double,
        Style::Plain if plain => Style::Plain,
        Style::Plain if single => Style::Single,
        Style::Literal if block => Style::Literal,
        _ => Style::Double,
    }
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What the writer does not escape: neither a tab nor what lies outside the basic plane.
fn is_printable(c: char) -> bool {
    matches!(u32::from(c), 0x0a | 0x20..=0x7e | 0xa0..=0xd7ff | 0xe000..=0xfefe | 0xff00..=0xfffd)
}

fn is_blank_or_end(c: Option<char>) -> bool {
    c.is_none_or(|c| c == ' ' || c == '\t' || is_break(c))
}

fn find(text: &str) -> Found {
    let chars: Vec<char> = text.chars().collect();
    let last = chars.len().saturating_sub(1);
    let mut found = Found {
        indicators: text.starts_with("---") || text.starts_with("..."),
        special: false,
        breaks: false,
        edge: false,
        trailing_space: chars.last() == Some(&' '),
        break_space: false,
        space_break: false,
    };
    for (i, c) in chars.iter().copied().enumerate() {
        let before = i.checked_sub(1).map(|at| chars[at]);
        let blank_follows = is_blank_or_end(chars.get(i + 1).copied());
        found.indicators |= match c {
            '#' if i > 0 => is_blank_or_end(before),
            ':' => blank_follows,
            '?' | '-' => i == 0 && blank_follows,
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`' => i == 0,
            _ => false,
        };
        found.special |= !is_printable(c);
        let at_edge = i == 0 || i == last;
        if c == ' ' {
            found.edge |= at_edge;
            found.break_space |= before.is_some_and(is_break);
        } else if is_break(c) {
            found.breaks = true;
            found.edge |= at_edge;
            found.space_break |= before == Some(' ');
        }
    }
    found
}

fn column(out: &str) -> usize {
    let line = out.rfind('\n').map_or(0, |at| at + 1);
    out[line..].chars().count()
}

fn plain_char(out: &mut String, c: char) {
    out.push(c);
}

fn single_char(out: &mut String, c: char) {
    if c == '\'' {
        out.push('\'');
    }
    out.push(c);
}

/// Writes a text, a single space beyond the width as a new line where `within` allows one.
fn folded(
    out: &mut String,
    text: &str,
    (indent, may_fold): (usize, bool),
    (from, to): (usize, usize),
    write: &dyn Fn(&mut String, char),
) {
    let mut column = column(out);
    let mut after_space = false;
    for (at, c) in text.char_indices() {
        let single = c == ' ' && !after_space && !text[at + 1..].starts_with(' ');
        if single && may_fold && column > WIDTH && (from..to).contains(&at) {
            new_line(out, indent);
            column = indent;
        } else {
            let before = out.len();
            write(out, c);
            column += out[before..].chars().count();
        }
        after_space = c == ' ';
    }
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn literal(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    // Without a hint the reader would take the indent of the first line for that of all.
    if text.starts_with(|c: char| c == ' ' || is_break(c)) {
        out.push('2');
    }
    let body = text.trim_end_matches(is_break);
    out.push_str(match text.len() - body.len() {
        0 => "-",
        1 if !body.is_empty() => "",
        _ => "+",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if line.is_empty() {
            out.push('\n');
        } else {
            new_line(out, indent);
            out.push_str(line);
        }
    }
}

fn double(out: &mut String, text: &str, indent: usize, may_fold: bool) {
    out.push('"');
    let mut column = column(out);
    let mut after_space = false;
    for (at, c) in text.char_indices() {
        let inside = at > 0 && at + 1 < text.len();
        if c == ' ' && may_fold && !after_space && column > WIDTH && inside {
            new_line(out, indent);
            column = indent;
            // A line cannot begin with a space that counts, unless it is escaped.
            if text[at + 1..].starts_with(' ') {
                out.push('\\');
                column += 1;
            }
        } else {
            let before = out.len();
            double_char(out, c);
            column += out[before..].chars().count();
        }
        after_space = c == ' ';
    }
    out.push('"');
}

fn double_char(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\0' => out.push_str("\\0"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\u{1b}' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        c if is_printable(c) => out.push(c),
        c if u32::from(c) < 0x100 => {
            write!(out, "\\x{:02X}", u32::from(c)).expect("a String takes all");
        }
        c if u32::from(c) < 0x1_0000 => {
            write!(out, "\\u{:04X}", u32::from(c)).expect("a String takes all");
        }
        c => write!(out, "\\U{:08X}", u32::from(c)).expect("a String takes all"),
    }
}
