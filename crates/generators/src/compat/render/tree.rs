//! A template as a tree of texts, along the fields that an Application has.

use std::rc::Rc;

use model::argo::schema::{Kind, Table};
use serde_json::{Map, Number, Value};

use crate::compat::engine::{Engine, Scope, Text};
use crate::generator::Fault;

/// Fields that tell "not set" from `false`, 0 or an empty text; of others such values are nothing.
const POINTERS: [&str; 7] =
    ["prune", "selfHeal", "allowEmpty", "enabled", "revisionHistoryLimit", "factor", "string"];
/// Fields that are written even when they are empty or 0.
const ALWAYS: [&str; 3] = ["project", "repoURL", COUNT];
/// The one number that is written even where nobody wrote it.
const COUNT: &str = "count";

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Nothing in it is a template.
    Fixed(Value),
    Text(Rc<Text>),
    List(Vec<Self>),
    /// Keys that people choose.
    Map(Vec<(Text, String, Self)>),
    Fields(Vec<(&'static str, Self)>),
}

/// A path is put before a message step by step, from the inside out; the message begins with `: `.
fn at(step: &str, fault: Fault) -> Fault {
    Fault { message: format!(".{step}{}", fault.message), ..fault }
}

fn at_index(index: usize, fault: Fault) -> Fault {
    Fault { message: format!("[{index}]{}", fault.message), ..fault }
}

fn here(fault: Fault) -> Fault {
    Fault { message: format!(": {}", fault.message), ..fault }
}

impl Node {
    pub(super) fn compile(
        engine: Engine,
        value: &Value,
        table: &'static Table,
    ) -> Result<Self, Fault> {
        Self::of(engine, value, Kind::Object(table))
    }

    fn of(engine: Engine, value: &Value, kind: Kind) -> Result<Self, Fault> {
        match (kind, value) {
            (Kind::Object(table) | Kind::Nested(table), Value::Object(entries)) => {
                Self::fields(engine, entries, table)
            }
            (Kind::Any, Value::Object(entries)) => Self::map(engine, entries, Kind::Any),
            (Kind::Map(kind), Value::Object(entries)) => Self::map(engine, entries, *kind),
            (Kind::List(kind), Value::Array(items)) => Self::list(engine, items, *kind),
            (Kind::Any, Value::Array(items)) => Self::list(engine, items, Kind::Any),
            (_, Value::String(text)) => match engine.compile(text).map_err(here)? {
                Text::Plain(_) => Ok(Self::Fixed(value.clone())),
                text => Ok(Self::Text(Rc::new(text))),
            },
            // What stands in an untyped tree goes through a 64-bit float there.
            (Kind::Any, Value::Number(number)) => Ok(Self::Fixed(through_float(number))),
            _ => Ok(Self::Fixed(value.clone())),
        }
    }

    fn fields(
        engine: Engine,
        entries: &Map<String, Value>,
        table: &'static Table,
    ) -> Result<Self, Fault> {
        let mut fields = Vec::new();
        for field in table.fields {
            if let Some(value) = entries.get(field.name) {
                let node = Self::of(engine, value, field.kind).map_err(|f| at(field.name, f))?;
                fields.push((field.name, node));
            } else if field.name == COUNT {
                fields.push((COUNT, Self::Fixed(0.into())));
            }
        }
        if fields.iter().all(|(_, node)| node.is_fixed()) {
            return Ok(Self::Fixed(of_fields(
                fields.into_iter().map(|(name, node)| (name, node.into_fixed())),
            )));
        }
        Ok(Self::Fields(fields))
    }

    fn map(engine: Engine, entries: &Map<String, Value>, kind: Kind) -> Result<Self, Fault> {
        let mut nodes = Vec::new();
        // A null in an untyped map is passed over there.
        for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
            let node = Self::of(engine, value, kind).map_err(|fault| at(key, fault))?;
            let text = engine.compile(key).map_err(|fault| at(key, here(fault)))?;
            nodes.push((text, key.clone(), node));
        }
        let fixed = |(text, _, node): &(Text, String, Self)| {
            matches!(text, Text::Plain(_)) && node.is_fixed()
        };
        if nodes.iter().all(fixed) {
            let entries = nodes.into_iter().map(|(_, key, node)| (key, node.into_fixed()));
            return Ok(Self::Fixed(Value::Object(entries.collect())));
        }
        Ok(Self::Map(nodes))
    }

    fn list(engine: Engine, items: &[Value], kind: Kind) -> Result<Self, Fault> {
        let node = |(index, item): (usize, &Value)| {
            Self::of(engine, item, kind).map_err(|fault| at_index(index, fault))
        };
        let nodes: Vec<Self> = items.iter().enumerate().map(node).collect::<Result<_, _>>()?;
        if nodes.iter().all(Self::is_fixed) {
            return Ok(Self::Fixed(nodes.into_iter().map(Self::into_fixed).collect()));
        }
        Ok(Self::List(nodes))
    }

    fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    fn into_fixed(self) -> Value {
        match self {
            Self::Fixed(value) => value,
            _ => Value::Null,
        }
    }

    /// The whole document; `name` is told as soon as it is known.
    pub(super) fn render_application(
        &self,
        scope: &Scope<'_>,
        name: &mut Option<String>,
    ) -> Result<Value, Fault> {
        let Self::Fields(fields) = self else {
            let document = self.render(scope)?;
            *name = document["metadata"]["name"].as_str().map(str::to_owned);
            return Ok(document);
        };
        let mut document = Map::new();
        for (field, node) in fields {
            let value = match node {
                Self::Fields(metadata) if *field == "metadata" => {
                    render_fields(metadata, scope, |field, value| {
                        if field == "name" {
                            *name = value.as_str().map(str::to_owned);
                        }
                    })
                }
                node => node.render(scope),
            };
            document.insert((*field).to_owned(), value.map_err(|fault| at(field, fault))?);
            if let (None, Some(metadata)) = (&name, document.get("metadata")) {
                *name = metadata["name"].as_str().map(str::to_owned);
            }
        }
        Ok(Value::Object(document))
    }

    fn render(&self, scope: &Scope<'_>) -> Result<Value, Fault> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Text(text) => text.render(scope).map(Value::String).map_err(here),
            Self::List(nodes) => {
                let item = |(index, node): (usize, &Self)| {
                    node.render(scope).map_err(|fault| at_index(index, fault))
                };
                nodes.iter().enumerate().map(item).collect()
            }
            Self::Map(nodes) => {
                let mut rendered = Map::new();
                for (text, key, node) in nodes {
                    let value = node.render(scope).map_err(|fault| at(key, fault))?;
                    let name = text.render(scope).map_err(|fault| at(key, here(fault)))?;
                    rendered.insert(name, value);
                }
                Ok(Value::Object(rendered))
            }
            Self::Fields(fields) => render_fields(fields, scope, |_, _| {}),
        }
    }

    pub(super) fn volatile(&self, found: &mut Vec<&'static str>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(text) => found.extend(text.volatile()),
            Self::List(nodes) => nodes.iter().for_each(|node| node.volatile(found)),
            Self::Map(nodes) => nodes.iter().for_each(|(key, _, node)| {
                found.extend(key.volatile());
                node.volatile(found);
            }),
            Self::Fields(fields) => fields.iter().for_each(|(_, node)| node.volatile(found)),
        }
    }
}

fn render_fields(
    fields: &[(&'static str, Node)],
    scope: &Scope<'_>,
    mut told: impl FnMut(&'static str, &Value),
) -> Result<Value, Fault> {
    let mut rendered = Vec::with_capacity(fields.len());
    for (name, node) in fields {
        let value = node.render(scope).map_err(|fault| at(name, fault))?;
        told(name, &value);
        rendered.push((*name, value));
    }
    Ok(of_fields(rendered.into_iter()))
}

/// The fields that say something.
fn of_fields(fields: impl Iterator<Item = (&'static str, Value)>) -> Value {
    let said = fields.filter(|(name, value)| says_something(name, value));
    Value::Object(said.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Whether Go's `omitempty` would write a field; an empty object is one that is set.
pub(super) fn says_something(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        // Bytes there, whatever they say.
        _ if name == "valuesObject" => true,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => {
            !entries.is_empty() || !matches!(name, "labels" | "annotations" | "jsonnet")
        }
        Value::String(text) => {
            !text.is_empty() || POINTERS.contains(&name) || ALWAYS.contains(&name)
        }
        Value::Bool(flag) => *flag || POINTERS.contains(&name),
        Value::Number(number) => {
            number.as_i64() != Some(0) || POINTERS.contains(&name) || ALWAYS.contains(&name)
        }
    }
}

/// Leaves out what Go's `omitempty` would.
pub(super) fn drop_zeros(value: &mut Value, table: &'static Table) {
    drop_zeros_of(value, Kind::Object(table));
}

fn drop_zeros_of(value: &mut Value, kind: Kind) {
    match (kind, value) {
        (Kind::Object(table) | Kind::Nested(table), Value::Object(entries)) => {
            for field in table.fields {
                if let Some(value) = entries.get_mut(field.name) {
                    drop_zeros_of(value, field.kind);
                } else if field.name == COUNT {
                    entries.insert(COUNT.to_owned(), 0.into());
                }
            }
            entries.retain(|name, value| says_something(name, value));
        }
        (Kind::List(kind), Value::Array(items)) => {
            items.iter_mut().for_each(|item| drop_zeros_of(item, *kind));
        }
        _ => {}
    }
}

/// As Go's JSON would have it after it was read into nothing in particular.
#[expect(clippy::cast_precision_loss, reason = "this is what happens there")]
fn through_float(number: &Number) -> Value {
    const EXACT: u64 = 1 << 53;
    let float = match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) if whole.unsigned_abs() > EXACT => whole as f64,
        (None, Some(whole)) => whole as f64,
        _ => return Value::Number(number.clone()),
    };
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}
