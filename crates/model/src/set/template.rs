//! What is laid over a set's template: by generators before it is rendered, by patches after.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use super::SetSpec;
use crate::application::Application;

/// Patches in their order. Written as one tree, or as a list of `{when, patch}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct TemplatePatch(pub Vec<Patch>);

/// A JSON merge patch (RFC 7386) of an element's application, whose strings are templates: maps are
/// joined, null removes, anything else replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// A template that gives `true` or `false`; empty: always.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub when: String,
    pub patch: Value,
}

impl TemplatePatch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Value> for TemplatePatch {
    type Error = String;

    fn try_from(raw: Value) -> Result<Self, String> {
        let patches: Vec<Patch> = match raw {
            Value::Null => Vec::new(),
            patch @ Value::Object(_) => vec![Patch { when: String::new(), patch }],
            list @ Value::Array(_) => serde_path_to_error::deserialize(list).map_err(|error| {
                format!("{}: {}", error.path(), crate::suggest::hinted(&error.inner().to_string()))
            })?,
            Value::String(_) => {
                return Err(
                    "is text; here it is a tree whose strings are templates, or a list of \
                            {when, patch} (text belongs to argoproj.io sets)"
                        .to_owned(),
                );
            }
            other => return Err(format!("{other} is neither a map nor a list of {{when, patch}}")),
        };
        match patches.iter().position(|patch| !patch.patch.is_object()) {
            Some(index) => Err(format!("patch {index} is not a map of metadata and spec")),
            None => Ok(Self(patches)),
        }
    }
}

impl From<TemplatePatch> for Value {
    fn from(patches: TemplatePatch) -> Self {
        serde_json::to_value(patches.0).expect("patches are expressible in JSON")
    }
}

/// `over` laid over `base`: maps are joined key by key, anything else of `over` wins, whatever it is.
#[must_use]
pub fn overlaid(base: &Value, over: &Value) -> Value {
    let (Value::Object(base), Value::Object(over)) = (base, over) else { return over.clone() };
    let mut joined = base.clone();
    for (key, value) in over {
        let value = match base.get(key) {
            Some(below) => overlaid(below, value),
            None => value.clone(),
        };
        joined.insert(key.clone(), value);
    }
    Value::Object(joined)
}

/// Applies a JSON merge patch.
pub fn patch(target: &mut Value, with: Value) {
    let Value::Object(with) = with else {
        *target = with;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, value) in with {
        if value.is_null() {
            map.remove(&key);
        } else {
            patch(map.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// The most values of a template that are looked past for a field that is unknown.
const MAX_VALUES: usize = 200;

/// The first field of a template that no application has, and what is wrong with it.
///
/// Values cannot be judged yet, since a template may stand where a number will be: what is wrong with
/// one, or missing, is put out of the way and looked past.
#[must_use]
pub fn unknown_field(template: &Value) -> Option<(String, String)> {
    let mut tree = template.clone();
    for _ in 0..MAX_VALUES {
        let tried: Result<Application, _> = serde_path_to_error::deserialize(&tree);
        let error = tried.err()?;
        let message = error.inner().to_string();
        if message.starts_with("unknown field") {
            return Some((error.path().to_string(), message));
        }
        let missing =
            message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let target = at(&mut tree, error.path())?;
        match (missing, target) {
            (Some(field), Value::Object(map)) => {
                // What it must be is found by trying.
                if map.insert(field.to_owned(), "x".into()).is_some() {
                    return None;
                }
            }
            (None, target) if *target != Value::Null => *target = next_guess(target),
            _ => return None,
        }
    }
    None
}

/// Another value for a place where one was not wanted: a text that is a name, then a number, a truth,
/// a list, a map, and in the end null.
fn next_guess(refused: &Value) -> Value {
    match refused {
        Value::String(text) if text == "x" => 1.into(),
        Value::Number(number) if number.as_i64() == Some(1) => false.into(),
        Value::Bool(false) => Value::Array(Vec::new()),
        Value::Array(items) if items.is_empty() => Value::Object(Map::new()),
        Value::Object(map) if map.is_empty() => Value::Null,
        _ => "x".into(),
    }
}

fn at<'a>(tree: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.iter().try_fold(tree, |value, segment| match segment {
        Segment::Map { key } => value.get_mut(key),
        Segment::Seq { index } => value.get_mut(index),
        Segment::Enum { .. } | Segment::Unknown => Some(value),
    })
}

impl SetSpec {
    /// The template, and what each generator and each patch makes of it, with the field that is to
    /// blame for a mistake in it.
    pub fn templates(&self) -> impl Iterator<Item = (String, Value)> {
        let own = std::iter::once(("spec.template".to_owned(), self.template.clone()));
        let generators = self.generators.iter().enumerate().filter_map(|(index, generator)| {
            let over = generator.template.as_ref()?;
            let field = format!("spec.generators[{index}].{}.template", generator.kind.name());
            Some((field, overlaid(&self.template, over)))
        });
        let patches = self.template_patch.0.iter().map(|Patch { patch: with, .. }| {
            let mut template = self.template.clone();
            patch(&mut template, with.clone());
            ("spec.templatePatch".to_owned(), template)
        });
        own.chain(generators).chain(patches)
    }
}
