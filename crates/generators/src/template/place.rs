//! Where in a template something is wrong: the expression, its line and its column.

use std::fmt;

/// The characters of a template that an error shows.
const MAX_SHOWN: usize = 160;

/// An expression of a template, or the whole of it, and where it begins. Lines and columns count
/// from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    expression: String,
    at: Option<(usize, usize)>,
}

impl Place {
    /// The whole text.
    pub(super) fn whole(source: &str) -> Self {
        Self { expression: shown(source), at: None }
    }

    /// The whole text, and a place in it.
    pub(super) fn of(source: &str, at: Option<(usize, usize)>) -> Self {
        Self { at, ..Self::whole(source) }
    }

    /// The tag that begins at a line and column, as the library counts them.
    pub(super) fn of_tag(source: &str, line: usize, column: usize) -> Self {
        let start = source.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
        let rest = &source[start.min(source.len())..];
        let offset = rest.char_indices().nth(column - 1).map_or(rest.len(), |(offset, _)| offset);
        // The library counts the white space before some tags with them.
        let tag = rest[offset..]
            .find("{{")
            .filter(|skipped| rest[offset..][..*skipped].trim().is_empty());
        match tag {
            Some(skipped) => Self::at_offset(source, start + offset + skipped),
            None => Self::of(source, Some((line, column))),
        }
    }

    /// The first tag that is no more than this name.
    pub(super) fn of_name(source: &str, name: &str) -> Self {
        let is_it = |offset: &usize| {
            let tag = source[*offset..].trim_start_matches(['{', '~', '&']);
            let end = tag.find("}}").unwrap_or(tag.len());
            tag[..end].trim_end_matches('~').trim() == name
        };
        match source.match_indices("{{").map(|(offset, _)| offset).find(is_it) {
            Some(offset) => Self::at_offset(source, offset),
            None => Self::whole(source),
        }
    }

    fn at_offset(source: &str, offset: usize) -> Self {
        let (before, rest) = source.split_at(offset);
        let braces = rest.len() - rest.trim_start_matches('{').len();
        let close = "}".repeat(braces.clamp(2, 4));
        let end = rest.find(&close).map_or(rest.len(), |end| end + close.len());
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        Self { expression: shown(&rest[..end]), at: Some((line, column)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.expression)?;
        match self.at {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_SHOWN).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_by_place_and_by_name() {
        let source = "a: {{ x }}\nü: {{{json y}}} {{#if z}}{{~x~}}{{/if}}";
        let tag = |line, column| Place::of_tag(source, line, column).to_string();
        assert_eq!(tag(1, 4), "\"{{ x }}\" (line 1, column 4)");
        assert_eq!(tag(2, 4), "\"{{{json y}}}\" (line 2, column 4)");
        assert_eq!(tag(2, 16), "\"{{#if z}}\" (line 2, column 17)");
        assert_eq!(Place::of_tag("x", 9, 9).to_string(), "\"x\" (line 9, column 9)");
        assert_eq!(Place::of_name(source, "x").to_string(), "\"{{ x }}\" (line 1, column 4)");
        assert_eq!(Place::of_name("{{", "x").to_string(), "\"{{\"");
    }
}
