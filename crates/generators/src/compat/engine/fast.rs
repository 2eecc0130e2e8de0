//! `{{key}}`: what a set without `goTemplate` is written in.
//!
//! The rules are those of the library that Argo CD uses and of the pattern it puts before it: a text
//! counts as a template only if one of its lines holds `{{` and, behind it, `}}`. Then a tag goes
//! from any `{{` to the next `}}`, over lines too. A tag that names no text stays as it is written.

use super::{EXCERPT, Params, failed};
use crate::generator::Fault;

/// The longest text that a template may make.
const MAX_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Template {
    /// Text, and the tag behind it as it stands between the braces.
    parts: Vec<(Box<str>, Box<str>)>,
    rest: Box<str>,
}

impl Template {
    /// `None` for a text that is no template.
    pub(super) fn parse(source: &str) -> Result<Option<Self>, Fault> {
        if !source.split('\n').any(has_tag) {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, behind)) = rest.split_once("{{") {
            let Some((tag, behind)) = behind.split_once("}}") else {
                return Err(unclosed(source, source.len() - behind.len() - 2));
            };
            parts.push((text.into(), tag.into()));
            rest = behind;
        }
        Ok(Some(Self { parts, rest: rest.into() }))
    }

    pub(super) fn render_into(&self, parameters: &Params, out: &mut String) -> Result<(), Fault> {
        let most = out.len() + MAX_BYTES;
        for (text, tag) in &self.parts {
            out.push_str(text);
            match text_of(parameters, tag) {
                Some(value) => out.push_str(value),
                None => out.extend(["{{", tag.as_ref(), "}}"]),
            }
            if out.len() > most {
                let tag: String = tag.chars().take(EXCERPT).collect();
                return Err(failed(format!(
                    "at {{{{{tag}}}}}: the text is longer than {MAX_BYTES} bytes"
                )));
            }
        }
        out.push_str(&self.rest);
        Ok(())
    }
}

/// Only text is put in; a number or a list leaves the tag as it is.
fn text_of<'a>(parameters: &'a Params, tag: &str) -> Option<&'a str> {
    let key = tag.trim();
    if key.is_empty() {
        return None;
    }
    parameters.get(key)?.as_str()
}

fn has_tag(line: &str) -> bool {
    line.split_once("{{").is_some_and(|(_, behind)| behind.contains("}}"))
}

fn unclosed(source: &str, offset: usize) -> Fault {
    let before = &source[..offset];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[start..].chars().count() + 1;
    let expression: String = source[offset..].chars().take(EXCERPT).collect();
    failed(format!(
        "line {line}, column {column}, at <{expression}>: the tag is not closed; write }}}}"
    ))
}
