//! What is wrong with a template or with its rendering, and where.

use thiserror::Error;

use crate::lex::{LEFT, Prepared};

/// A template that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
}

impl ParseError {
    /// A constructor for mistakes at this byte of the source.
    pub(crate) fn at(source: &str, offset: usize) -> impl FnOnce(String) -> Self {
        let (line, column) = position(source, offset);
        move |message| Self { line, column, message }
    }
}

/// An expression that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}, at <{expression}>: {message}")]
pub struct RenderError {
    pub line: usize,
    pub column: usize,
    /// The expression, shortened.
    pub expression: String,
    pub message: String,
}

/// Line and column of a byte offset, both from 1.
pub(crate) fn position(source: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = &source[..end];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// A mistake that the parser found in the prepared text.
pub(crate) fn parse(
    error: &gotmpl::TemplateError,
    source: &str,
    prepared: &Prepared,
) -> ParseError {
    use gotmpl::TemplateError::{Lex, Parse};
    let (offset, message) = match error {
        Parse { line, col, message, .. } | Lex { line, col, message, .. } => {
            (prepared.origin_of_line(*line, *col), message.to_string())
        }
        other => (0, other.to_string()),
    };
    ParseError::at(source, offset)(message.replace(LEFT, "{{"))
}
