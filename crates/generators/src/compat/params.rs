//! The parameters of one element, with what Go's types would make of them.
//!
//! Nearly all parameters come from YAML or JSON, where every number is a 64-bit float and every map
//! holds anything. Some come from Go code instead, as maps of strings or exact integers, and a
//! template can tell: [`Types`] says which.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use gotemplate::value::{IntType, Items};
use gotemplate::{Text, Value as Go};
use serde_json::{Map, Number, Value};

use crate::layers::Layers;

/// One element's parameters as the compat dialect has them.
///
/// It can be used as a map, which is made of several layers when it is first used so; to look a key
/// up and to join parameters, no map is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    layers: Layers,
    /// All layers in one map, or what became of it.
    map: OnceCell<Map<String, Value>>,
    pub(crate) types: Types,
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        **self == **other && self.types == other.types
    }
}

/// What a parameter is in Go when it is not what JSON would give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `map[string]string` or `[]string`.
    Strings,
    /// `[]map[string]interface {}`.
    Maps,
    /// `int64`.
    Int64,
    /// `int`.
    Int,
}

/// Which parameters are of another type than JSON would give.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Types(Option<Rc<Node>>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    kind: Option<Kind>,
    /// By key; `*` stands for every item of a list.
    children: BTreeMap<String, Self>,
}

impl Types {
    /// Each with the keys that lead to it; `*` leads to every item of a list.
    pub(crate) fn new(kinds: &[(&[&str], Kind)]) -> Self {
        let mut root = Node::default();
        for (path, kind) in kinds {
            let node = path
                .iter()
                .fold(&mut root, |node, key| node.children.entry((*key).to_owned()).or_default());
            node.kind = Some(*kind);
        }
        Self(Some(Rc::new(root)))
    }

    /// The types of two sides of a combination; where both know one, the first's.
    pub(crate) fn union(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(one), Some(two)) if one == two => self.clone(),
            (Some(one), Some(two)) => {
                let mut both = Node::clone(one);
                both.add(two);
                Self(Some(Rc::new(both)))
            }
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// Whether both are one, which generators make once for all of their rows.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(two)) => Rc::ptr_eq(one, two),
            _ => false,
        }
    }

    /// Every special parameter with the keys that lead to it.
    pub(crate) fn paths(&self) -> Vec<(Vec<String>, Kind)> {
        let mut paths = Vec::new();
        if let Some(root) = &self.0 {
            root.paths(&mut Vec::new(), &mut paths);
        }
        paths
    }

    /// What stands at a path, when it is special.
    pub(crate) fn kind(&self, path: &[&str]) -> Option<Kind> {
        let root = self.0.as_deref()?;
        path.iter().try_fold(root, |node, key| node.children.get(*key))?.kind
    }
}

impl Node {
    fn paths(&self, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, Kind)>) {
        out.extend(self.kind.map(|kind| (path.clone(), kind)));
        for (key, child) in &self.children {
            path.push(key.clone());
            child.paths(path, out);
            path.pop();
        }
    }

    fn add(&mut self, other: &Self) {
        self.kind = self.kind.or(other.kind);
        for (key, child) in &other.children {
            self.children.entry(key.clone()).or_default().add(child);
        }
    }
}

impl Params {
    pub(crate) fn new(entries: Map<String, Value>, types: Types) -> Self {
        Self::of(Layers::from(entries), types)
    }

    pub(crate) fn of(layers: Layers, types: Types) -> Self {
        Self { layers, map: OnceCell::new(), types }
    }

    pub(crate) fn into_map(self) -> Map<String, Value> {
        match self.map.into_inner() {
            Some(map) => map,
            None => self.layers.to_map(),
        }
    }

    /// Shared with other elements; `None` when it was changed since it was.
    pub(crate) fn layers(&self) -> Option<&Layers> {
        (!self.layers.is_empty() || self.map.get().is_none()).then_some(&self.layers)
    }

    pub(crate) fn into_layers(self) -> Layers {
        match self.layers() {
            Some(layers) => layers.clone(),
            None => self.into_map().into(),
        }
    }

    /// As that of the map, which is not made for it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        match self.map.get() {
            Some(map) => map.get(key),
            None => self.layers.get(key),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.get().map_or_else(|| self.layers.is_empty(), Map::is_empty)
    }

    /// A value of its own, that templates may change.
    pub(crate) fn to_go(&self) -> Go {
        map_to_go(self, self.types.0.as_deref())
    }

    /// What templates have made of a value.
    ///
    /// # Errors
    /// When it is too large or holds what JSON cannot, such as a time.
    pub(crate) fn from_go(value: &Go) -> Result<Self, String> {
        value.weigh(MAX_BYTES).map_err(|_too_large| {
            "the parameters that it leaves are larger than 16 MiB, or nested too deep".to_owned()
        })?;
        match from_go(value)? {
            (Value::Object(map), types) => Ok(Self::new(map, Types(Some(Rc::new(types))))),
            _ => Err("what it leaves are no parameters".to_owned()),
        }
    }
}

/// As much as one value of a template may be.
const MAX_BYTES: usize = 16 << 20;

/// A value with the types that JSON does not tell.
fn from_go(value: &Go) -> Result<(Value, Node), String> {
    let mut node = Node::default();
    let value = match value {
        Go::Missing | Go::Nil => Value::Null,
        Go::Bool(value) => Value::Bool(*value),
        Go::Int(value, kind) => {
            node.kind = match kind {
                IntType::Int => Some(Kind::Int),
                _ => Some(Kind::Int64),
            };
            Value::from(*value)
        }
        Go::Float(value) => number(*value),
        Go::String(text) => Value::String(text.text().into_owned()),
        Go::List(list) => {
            node.kind = kind_of(list.items);
            let mut items = Vec::with_capacity(list.values.len());
            for item in &list.values {
                let (item, types) = from_go(item)?;
                node.children.entry("*".to_owned()).or_default().add(&types);
                items.push(item);
            }
            Value::Array(items)
        }
        Go::Map(map) => {
            node.kind = kind_of(map.items);
            let mut entries = Map::new();
            for (key, value) in map.entries() {
                let key = key.text().into_owned();
                let (value, types) = from_go(&value)?;
                if types != Node::default() {
                    node.children.insert(key.clone(), types);
                }
                entries.insert(key, value);
            }
            Value::Object(entries)
        }
        other => {
            let kind = other.type_name();
            return Err(format!(
                "a parameter that is set to a {kind} cannot be kept; make it text"
            ));
        }
    };
    Ok((value, node))
}

/// A float as JSON would have brought it.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small enough to be exact")]
    match value.fract() == 0.0 && value.abs() < 9e15 {
        true => Value::from(value as i64),
        false => Number::from_f64(value).map_or(Value::Null, Value::Number),
    }
}

fn kind_of(items: Items) -> Option<Kind> {
    match items {
        Items::String => Some(Kind::Strings),
        Items::Maps => Some(Kind::Maps),
        _ => None,
    }
}

impl From<Map<String, Value>> for Params {
    fn from(entries: Map<String, Value>) -> Self {
        Self::new(entries, Types::default())
    }
}

impl FromIterator<(String, Value)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        Map::from_iter(entries).into()
    }
}

impl Deref for Params {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        match (self.map.get(), self.layers.single()) {
            (Some(map), _) => map,
            (None, Some(only)) => only,
            (None, None) => self.map.get_or_init(|| self.layers.to_map()),
        }
    }
}

impl DerefMut for Params {
    fn deref_mut(&mut self) -> &mut Self::Target {
        let layers = std::mem::take(&mut self.layers);
        self.map.get_or_init(|| layers.to_map());
        self.map.get_mut().expect("it was made just now")
    }
}

fn to_go(value: &Value, types: Option<&Node>) -> Go {
    let Some(types) = types else {
        return Go::from_json(value);
    };
    match (value, types.kind) {
        (Value::Object(entries), _) => map_to_go(entries, Some(types)),
        (Value::Array(items), kind) => {
            let of = match kind {
                Some(Kind::Strings) => Items::String,
                Some(Kind::Maps) => Items::Maps,
                _ => Items::Any,
            };
            let child = types.children.get("*");
            Go::list_of(of, items.iter().map(|item| to_go(item, child)).collect())
        }
        (Value::Number(number), Some(Kind::Int | Kind::Int64)) => match number.as_i64() {
            Some(exact) if types.kind == Some(Kind::Int) => Go::Int(exact, IntType::Int),
            Some(exact) => Go::int64(exact),
            None => Go::from_json(value),
        },
        _ => Go::from_json(value),
    }
}

fn map_to_go(entries: &Map<String, Value>, types: Option<&Node>) -> Go {
    let of = match types.and_then(|types| types.kind) {
        Some(Kind::Strings) => Items::String,
        Some(Kind::Maps) => Items::Maps,
        _ => Items::Any,
    };
    let entries: BTreeMap<Text, Go> = entries
        .iter()
        .map(|(key, value)| {
            let child = types.and_then(|types| types.children.get(key));
            (Text::from(key.as_str()), to_go(value, child))
        })
        .collect();
    Go::Map(gotemplate::Map::new(of, entries))
}
