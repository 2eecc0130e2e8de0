//! Text templates: strict Handlebars, compiled once, rendered for each element.
//!
//! A template sees parameters and nothing else: no file, no partial, no clock, no log. What a
//! parameter holds is never read as a template, so a value cannot reach further than its own
//! string. Most templates are a few names between plain text; they are rendered here directly, and
//! the rest by the library.

mod check;
mod compare;
mod functions;
mod helpers;
mod output;
mod place;
#[cfg(test)]
mod tests;
mod yaml;

use handlebars::template::{Parameter, Template, TemplateElement};
use handlebars::{
    Context, Handlebars, Path, PathSeg, RenderContext, RenderError, RenderErrorReason, Renderable,
};
use model::suggest;
use serde_json::{Map, Value};
use std::cell::OnceCell;
use std::sync::LazyLock;
use thiserror::Error;

use crate::layers::Layers;
use crate::parameters;
use output::BoundedOutput;
use place::Place;

pub(crate) use compare::lenient_version;
pub(crate) use functions::{normalize, regex_reason};
pub(crate) use output::Budget;

/// The names an error lists; more would hide the message.
const MAX_NAMES_SHOWN: usize = 24;

/// Why a template gave nothing for this element.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TemplateError {
    #[error("{place} is not a template: {message}")]
    Syntax { place: Place, message: String },
    #[error("{place} needs the parameter {parameter}, which is not there; {known}")]
    Missing { place: Place, parameter: String, known: String },
    #[error("{place} failed: {message}")]
    Failed { place: Place, message: String },
}

/// The parameters that a template sees.
///
/// Most texts look names up in the layers; what the library wants, one map, is made when a text needs
/// the library.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    layers: Layers,
    context: OnceCell<Box<Context>>,
}

impl Scope {
    pub(crate) fn new(parameters: Map<String, Value>) -> Self {
        Self::of(Layers::from(parameters))
    }

    pub(crate) fn of(layers: Layers) -> Self {
        Self { layers, context: OnceCell::new() }
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.layers
    }

    pub(crate) fn into_layers(self) -> Layers {
        self.layers
    }

    /// All parameters in one map, which is made when it is first asked for.
    pub(crate) fn map(&self) -> &Map<String, Value> {
        self.context().data().as_object().expect("a scope is made from a map")
    }

    fn context(&self) -> &Context {
        self.context.get_or_init(|| Box::new(Context::from(Value::Object(self.layers.to_map()))))
    }
}

/// One string of a document, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    source: String,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// No tag in it.
    Plain,
    /// Plain text and names only.
    Parts(Vec<Part>),
    /// Blocks and helpers.
    Full(Box<Template>),
    /// Nothing but `{{{json expr}}}`: the value itself.
    Typed(Box<Parameter>),
}

#[derive(Debug, Clone)]
enum Part {
    Raw(String),
    Name { segments: Vec<String>, written: String },
}

static REGISTRY: LazyLock<Handlebars<'static>> = LazyLock::new(helpers::registry);

impl Text {
    pub(crate) fn compile(source: &str) -> Result<Self, TemplateError> {
        if !source.contains("{{") {
            return Ok(Self { source: source.to_owned(), body: Body::Plain });
        }
        let template = check::compile(source).map_err(|refusal| {
            let place = match refusal.tag {
                Some((line, column)) => Place::of_tag(source, line, column),
                None => Place::of(source, refusal.at),
            };
            TemplateError::Syntax { place, message: refusal.message }
        })?;
        let body = match typed(&template) {
            Some(parameter) => Body::Typed(Box::new(parameter)),
            None => match parts(&template) {
                Some(parts) => Body::Parts(parts),
                None => Body::Full(Box::new(template)),
            },
        };
        Ok(Self { source: source.to_owned(), body })
    }

    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.body, Body::Plain)
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The value of this string: text, except for a typed expression.
    pub(crate) fn render(
        &self,
        scope: &Scope,
        budget: &mut Budget,
    ) -> Result<Value, TemplateError> {
        match &self.body {
            Body::Plain => Ok(Value::String(self.source.clone())),
            Body::Parts(parts) => self.join(parts, scope, budget).map(Value::String),
            Body::Full(template) => {
                let mut out = BoundedOutput::new(budget);
                let mut render = RenderContext::new(None);
                template
                    .render(&REGISTRY, scope.context(), &mut render, &mut out)
                    .map_err(|error| self.error(&error, scope))?;
                Ok(Value::String(out.into_string()))
            }
            Body::Typed(parameter) => {
                let mut render = RenderContext::new(None);
                let value = parameter
                    .expand(&REGISTRY, scope.context(), &mut render)
                    .map_err(|error| self.error(&error, scope))?;
                if value.is_value_missing() {
                    let name = value.relative_path().map_or("in it", String::as_str);
                    return Err(missing(Place::of_tag(&self.source, 1, 1), name, scope));
                }
                budget.spend(parameters::size(value.value())).map_err(|m| self.failed(m))?;
                Ok(value.value().clone())
            }
        }
    }

    /// As [`Text::render`], for a place where only text can stand.
    pub(crate) fn render_text(
        &self,
        scope: &Scope,
        budget: &mut Budget,
    ) -> Result<String, TemplateError> {
        match self.render(scope, budget)? {
            Value::String(text) => Ok(text),
            value => match functions::text(&value) {
                Ok(text) => Ok(text.into_owned()),
                Err(message) => Err(self.failed(message)),
            },
        }
    }

    fn join(
        &self,
        parts: &[Part],
        scope: &Scope,
        budget: &mut Budget,
    ) -> Result<String, TemplateError> {
        let mut joined = String::new();
        for part in parts {
            match part {
                Part::Raw(text) => joined.push_str(text),
                Part::Name { segments, written } => {
                    let value = parameters::lookup(&scope.layers, segments)
                        .ok_or_else(|| missing(self.name(written), written, scope))?;
                    let text = functions::text(value).map_err(|message| {
                        failed(self.name(written), format!("{written} {message}"))
                    })?;
                    joined.push_str(&text);
                }
            }
        }
        budget.spend(joined.len()).map_err(|message| self.failed(message))?;
        Ok(joined)
    }

    fn failed(&self, message: impl Into<String>) -> TemplateError {
        failed(Place::whole(&self.source), message)
    }

    fn name(&self, written: &str) -> Place {
        Place::of_name(&self.source, written)
    }

    fn error(&self, error: &RenderError, scope: &Scope) -> TemplateError {
        let place = match (error.line_no, error.column_no) {
            (Some(line), Some(column)) => Place::of_tag(&self.source, line, column),
            _ => Place::of_tag(&self.source, 1, 1),
        };
        match error.reason() {
            RenderErrorReason::MissingVariable(Some(name)) => missing(place, name, scope),
            RenderErrorReason::MissingVariable(None) => failed(place, "a value in it is not there"),
            RenderErrorReason::ParamNotFoundForIndex(helper, index) => {
                failed(place, format!("{helper} needs at least {} argument", index + 1))
            }
            RenderErrorReason::InvalidJsonIndex(key) => {
                failed(place, format!("a list is asked for the key {key}; its keys are numbers"))
            }
            // The budget speaks through the library's writer, which puts a word before it.
            reason => failed(place, reason.to_string().trim_start_matches("IO Error: ")),
        }
    }
}

fn failed(place: Place, message: impl Into<String>) -> TemplateError {
    TemplateError::Failed { place, message: message.into() }
}

fn missing(place: Place, parameter: &str, scope: &Scope) -> TemplateError {
    let known = known_names(parameter, scope.map());
    TemplateError::Missing { place, parameter: parameter.to_owned(), known }
}

/// The expression of a string that is only `{{{json expr}}}`.
fn typed(template: &Template) -> Option<Parameter> {
    let [TemplateElement::HtmlExpression(call)] = template.elements.as_slice() else {
        return None;
    };
    let is_json = call.name.as_name() == Some("json") && call.hash.is_empty();
    match call.params.as_slice() {
        [parameter] if is_json => Some(parameter.clone()),
        _ => None,
    }
}

/// The template as plain text and names, when it is no more than that.
fn parts(template: &Template) -> Option<Vec<Part>> {
    template.elements.iter().map(part).collect()
}

fn part(element: &TemplateElement) -> Option<Part> {
    let call = match element {
        TemplateElement::RawString(text) => return Some(Part::Raw(text.clone())),
        TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => call,
        _ => return None,
    };
    let [Parameter::Path(Path::Relative((segments, written)))] = call.params.as_slice() else {
        return None;
    };
    if call.name.as_name() != Some(check::PRINT) || segments.is_empty() {
        return None;
    }
    let named = |segment: &PathSeg| match segment {
        PathSeg::Named(name) => Some(name.clone()),
        _ => None,
    };
    let segments = segments.iter().map(named).collect::<Option<_>>()?;
    Some(Part::Name { segments, written: written.clone() })
}

/// "did you mean" and the parameters that are there.
fn known_names(wanted: &str, parameters: &Map<String, Value>) -> String {
    let names = parameters::names(parameters);
    if names.is_empty() {
        return "there are no parameters here (a generator sees some only inside a matrix)"
            .to_owned();
    }
    let wanted = wanted.trim_start_matches("@root.").trim_start_matches("this.");
    let hint = suggest::nearest(wanted, names.iter().take(1000).map(String::as_str));
    let hint = hint.map(|name| format!("did you mean {name}? ")).unwrap_or_default();
    let more = if names.len() > MAX_NAMES_SHOWN { ", …" } else { "" };
    let listed: Vec<&str> = names.iter().take(MAX_NAMES_SHOWN).map(String::as_str).collect();
    format!("{hint}there are: {}{more}", listed.join(", "))
}
