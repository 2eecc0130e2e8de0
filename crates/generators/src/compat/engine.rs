//! The two template languages of the compat dialect behind one face.
//!
//! A text is compiled once per set ([`Engine::compile`]) and rendered for each element; what the
//! language needs of an element's parameters is made once per element ([`Scope`]). As in Argo CD
//! the texts of one application share their parameters: what `set` changes in one of them, those
//! after it see.

mod fast;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use gotemplate::{Limits, MissingKey, Piece, Template};
use model::problem::Reason;
use serde_json::{Map, Value};

pub(crate) use super::params::Params;
use crate::generator::Fault;

/// How much of a template a message shows.
const EXCERPT: usize = 80;

/// The template language of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// `{{key}}`, for sets without `goTemplate`.
    Fast,
    /// Go's text/template.
    Go(MissingKey),
}

impl Engine {
    /// The language that the `spec` of a set asks for.
    pub(crate) fn of_spec(spec: &Value) -> Result<Self, Fault> {
        if spec["goTemplate"] != Value::Bool(true) {
            return Ok(Self::Fast);
        }
        let mut missing_key = MissingKey::Default;
        for option in spec["goTemplateOptions"].as_array().into_iter().flatten() {
            missing_key = match option.as_str().unwrap_or_default() {
                "missingkey=default" | "missingkey=invalid" => MissingKey::Default,
                "missingkey=zero" => MissingKey::Zero,
                "missingkey=error" => MissingKey::Error,
                other => {
                    return Err(Fault::new(
                        Reason::InvalidDocument,
                        format!(
                            "goTemplateOptions: {other:?} is not an option; write \
                             missingkey=default, missingkey=zero or missingkey=error"
                        ),
                    ));
                }
            };
        }
        Ok(Self::Go(missing_key))
    }

    /// The same language where a missing key is an error.
    pub(crate) fn strict(self) -> Self {
        match self {
            Self::Fast => Self::Fast,
            Self::Go(_) => Self::Go(MissingKey::Error),
        }
    }

    /// One string, rendered once.
    #[cfg(test)]
    pub(crate) fn text(self, source: &str, parameters: &Params) -> Result<String, Fault> {
        Texts::new(self).render(source, &Scope::new(parameters))
    }

    pub(crate) fn compile(self, source: &str) -> Result<Text, Fault> {
        if !source.contains("{{") {
            return Ok(Text::Plain(source.into()));
        }
        match self {
            Self::Fast => fast::Template::parse(source).map(|template| match template {
                Some(template) => Text::Fast(template),
                None => Text::Plain(source.into()),
            }),
            Self::Go(missing_key) => match Template::parse(source, missing_key) {
                Ok(template) => {
                    let pieces = template.pieces().map(Vec::into_boxed_slice);
                    Ok(Text::Go { template: Box::new(template), pieces })
                }
                Err(error) => {
                    let at = excerpt(source, error.line);
                    Err(failed(format!("the template {at:?} does not parse: {error}")))
                }
            },
        }
    }
}

/// Texts that are rendered many times, each compiled once.
pub(crate) struct Texts {
    engine: Engine,
    known: RefCell<HashMap<Box<str>, Rc<Text>>>,
}

/// How many texts are kept compiled: more than any set is written with.
const MAX_TEXTS: usize = 10_000;

impl Texts {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, known: RefCell::default() }
    }

    /// One string, rendered.
    pub(crate) fn render(&self, source: &str, scope: &Scope<'_>) -> Result<String, Fault> {
        if !source.contains("{{") {
            return Ok(source.to_owned());
        }
        if let Some(text) = self.known.borrow().get(source) {
            return text.render(scope);
        }
        let text = Rc::new(self.engine.compile(source)?);
        let mut known = self.known.borrow_mut();
        if known.len() < MAX_TEXTS {
            known.insert(source.into(), Rc::clone(&text));
        }
        drop(known);
        text.render(scope)
    }

    /// Every string and every key of a tree, rendered: what a matrix does to its second child.
    pub(crate) fn tree(&self, value: &Value, scope: &Scope<'_>) -> Result<Value, Fault> {
        Ok(match value {
            Value::String(text) => Value::String(self.render(text, scope)?),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.tree(item, scope));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let mut rendered = Map::new();
                // A null in a map vanishes there too: it is a nil interface, which is passed over.
                for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                    let value = self.tree(value, scope)?;
                    rendered.insert(self.render(key, scope)?, value);
                }
                Value::Object(rendered)
            }
            other => other.clone(),
        })
    }
}

/// Whether a text failed because a parameter is not there, which some places forgive.
pub(crate) fn is_missing_key(fault: &Fault) -> bool {
    ["map has no entry for key", "can't evaluate field"]
        .iter()
        .any(|reason| fault.message.contains(reason))
}

/// A text, compiled.
#[derive(Debug)]
pub(crate) enum Text {
    Plain(Box<str>),
    Fast(fast::Template),
    Go {
        template: Box<Template>,
        /// What it is when it is only text and fields.
        pieces: Option<Box<[Piece]>>,
    },
}

impl Text {
    pub(crate) fn render(&self, scope: &Scope<'_>) -> Result<String, Fault> {
        let mut out = String::new();
        self.render_into(scope, &mut out)?;
        Ok(out)
    }

    /// Puts the text behind what is in `out`; a failure may leave a part of it there.
    pub(crate) fn render_into(&self, scope: &Scope<'_>, out: &mut String) -> Result<(), Fault> {
        match self {
            Self::Plain(text) => out.push_str(text),
            Self::Fast(template) => template.render_into(scope.parameters, out)?,
            Self::Go { template, pieces } => {
                let start = out.len();
                // As long as no text has needed Go's values, none can have changed them.
                let pieces = pieces.as_ref().filter(|_| scope.go.get().is_none());
                if pieces.and_then(|pieces| join(pieces, scope.parameters, out)).is_none() {
                    out.truncate(start);
                    let text = template.render(scope.go(), &Limits::default());
                    out.push_str(&text.map_err(|error| failed(error.to_string()))?);
                }
            }
        }
        Ok(())
    }

    /// The functions in use that answer differently each time.
    pub(crate) fn volatile(&self) -> &[&'static str] {
        match self {
            Self::Go { template, .. } => template.volatile(),
            _ => &[],
        }
    }
}

/// Text and fields, when all of the fields are strings; `None` is for the language itself to tell.
fn join(pieces: &[Piece], parameters: &Params, out: &mut String) -> Option<()> {
    let most = out.len() + Limits::default().bytes;
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Field(path) => {
                let (first, rest) = path.split_first()?;
                let value = rest.iter().try_fold(parameters.get(first)?, |value, name| {
                    value.as_object()?.get(name.as_ref())
                })?;
                out.push_str(value.as_str()?);
            }
        }
        if out.len() > most {
            return None;
        }
    }
    Some(())
}

/// The parameters of one element as its texts see them, one after the other.
pub(crate) struct Scope<'a> {
    parameters: &'a Params,
    go: OnceCell<gotemplate::Value>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(parameters: &'a Params) -> Self {
        Self { parameters, go: OnceCell::new() }
    }

    /// What its texts have made of the parameters; `None` when they are as they were.
    pub(crate) fn changed(&self) -> Result<Option<Params>, Fault> {
        self.go.get().map(Params::from_go).transpose().map_err(failed)
    }

    fn go(&self) -> &gotemplate::Value {
        self.go.get_or_init(|| self.parameters.to_go())
    }
}

/// Whether a text may change its parameters: `set`, `unset`, and `merge` in all its forms do.
pub(crate) fn may_change(source: &str) -> bool {
    source.contains("set") || source.contains("erge")
}

fn failed(message: impl Into<String>) -> Fault {
    Fault::new(Reason::TemplateFailed, message)
}

/// The beginning of a line of a template.
fn excerpt(source: &str, line: usize) -> String {
    let line = source.lines().nth(line.saturating_sub(1)).unwrap_or(source).trim();
    line.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests;
