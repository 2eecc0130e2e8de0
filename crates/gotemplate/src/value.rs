//! The values that a template works on, with the parts of Go's type system that its answers show:
//! which integer type, a list of strings or of anything, a missing value or a nil one.
//!
//! Maps are shared and can be changed in place, because `set` and `unset` do so in sprig. A value
//! therefore belongs to one thread; the parsed template does not.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde_json::{Number, Value as Json};

/// A Go string: bytes that are usually, but not always, UTF-8 (`trunc` cuts between bytes).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Rc<[u8]>);

impl Text {
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As UTF-8, with U+FFFD for what is not.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        lossy(&self.0)
    }
}

/// As UTF-8, with U+FFFD for each byte that belongs to no character, as Go counts them.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text.into()
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

/// Which of Go's integer types a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntType {
    Int,
    Int32,
    Int64,
    Uint8,
    Uint64,
}

impl IntType {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
        }
    }
}

/// The type of the items of a list or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// `interface {}`.
    Any,
    String,
    Int,
    /// `[]interface {}`, as `chunk` makes.
    Lists,
    /// `map[string]interface {}`.
    Maps,
}

impl Items {
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::String => "string",
            Self::Int => "int",
            Self::Lists => "[]interface {}",
            Self::Maps => "map[string]interface {}",
        }
    }
}

#[derive(Debug)]
pub struct List {
    pub items: Items,
    pub values: Vec<Value>,
    /// Go's nil slice: it is empty, and `null` in JSON.
    pub nil: bool,
}

impl Drop for List {
    fn drop(&mut self) {
        dismantle(std::mem::take(&mut self.values));
    }
}

/// Drops values one after another: `set` can nest maps deeper than the stack could drop.
fn dismantle(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(list) => {
                if let Ok(mut list) = Rc::try_unwrap(list) {
                    values.append(&mut list.values);
                }
            }
            Value::Map(map) => {
                if let Ok(entries) = Rc::try_unwrap(map.entries) {
                    values.extend(entries.0.take().into_values());
                }
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Entries(RefCell<BTreeMap<Text, Value>>);

impl Drop for Entries {
    fn drop(&mut self) {
        dismantle(self.0.take().into_values().collect());
    }
}

/// A map that its clones share.
#[derive(Clone, Debug)]
pub struct Map {
    pub items: Items,
    /// Go's nil map: it is empty, `null` in JSON, and nothing can be set in it.
    pub nil: bool,
    entries: Rc<Entries>,
}

impl Map {
    #[must_use]
    pub fn new(items: Items, entries: BTreeMap<Text, Value>) -> Self {
        Self { items, nil: false, entries: Rc::new(Entries(RefCell::new(entries))) }
    }

    /// A nil map of anything.
    #[must_use]
    pub fn nil() -> Self {
        Self { nil: true, ..Self::new(Items::Any, BTreeMap::new()) }
    }

    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        // A Text is compared as its bytes, but BTreeMap cannot look up by an unsized [u8] without
        // Borrow, so the key is made; it is short.
        self.entries.0.borrow().get(&Text::from(key)).cloned()
    }

    pub fn insert(&self, key: Text, value: Value) {
        self.entries.0.borrow_mut().insert(key, value);
    }

    pub fn remove(&self, key: &[u8]) {
        self.entries.0.borrow_mut().remove(&Text::from(key));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.0.borrow().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in order of their keys, as they are now.
    #[must_use]
    pub fn entries(&self) -> Vec<(Text, Value)> {
        self.entries.0.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A map of its own with the same entries.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::new(self.items, self.entries.0.borrow().clone())
    }

    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

/// A moment with the zone it is shown in.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment(pub jiff::Zoned);

/// A certificate and its key, both in PEM: sprig's only struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub cert: Text,
    pub key: Text,
}

impl Certificate {
    /// The fields by the names that a template calls them by.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, Value); 2] {
        [("Cert", Value::String(self.cert.clone())), ("Key", Value::String(self.key.clone()))]
    }

    /// As JSON and YAML see it.
    #[must_use]
    pub fn as_map(&self) -> Value {
        Value::map(self.fields().into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

#[derive(Clone, Debug)]
pub enum Value {
    /// What a lookup of an absent key gives: Go's zero `reflect.Value`, printed as `<no value>`.
    Missing,
    /// A nil interface.
    Nil,
    Bool(bool),
    Int(i64, IntType),
    Float(f64),
    /// A `complex128`: only a constant such as `1i` makes one.
    Complex(f64, f64),
    String(Text),
    List(Rc<List>),
    Map(Map),
    Time(Rc<Moment>),
    /// A `time.Duration`, in nanoseconds.
    Duration(i64),
    /// A `*semver.Version`.
    Version(Rc<crate::functions::versions::Version>),
    Certificate(Rc<Certificate>),
}

/// How deep lists and maps may lie within each other: deeper than any parameter, shallower than the
/// stack of the functions that walk them.
pub(crate) const MAX_NESTING: usize = 150;

/// Why a value is not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLarge {
    Nested,
    Long,
}

/// Go's kinds, as `kindOf` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    Bool,
    Int(IntType),
    Float,
    Complex,
    String,
    List,
    Map,
    Struct,
    Pointer,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int(kind) => kind.name(),
            Self::Float => "float64",
            Self::Complex => "complex128",
            Self::String => "string",
            Self::List => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
        }
    }
}

impl Value {
    #[must_use]
    pub fn int(value: i64) -> Self {
        Self::Int(value, IntType::Int)
    }

    #[must_use]
    pub fn int64(value: i64) -> Self {
        Self::Int(value, IntType::Int64)
    }

    #[must_use]
    pub fn string(text: impl Into<Text>) -> Self {
        Self::String(text.into())
    }

    #[must_use]
    pub fn list(values: Vec<Self>) -> Self {
        Self::list_of(Items::Any, values)
    }

    #[must_use]
    pub fn list_of(items: Items, values: Vec<Self>) -> Self {
        Self::List(Rc::new(List { items, values, nil: false }))
    }

    /// An empty list that Go leaves nil.
    #[must_use]
    pub fn nil_list(items: Items) -> Self {
        Self::List(Rc::new(List { items, values: Vec::new(), nil: true }))
    }

    /// Whether it is null in JSON and YAML.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => true,
            Self::List(list) => list.nil,
            Self::Map(map) => map.nil,
            _ => false,
        }
    }

    #[must_use]
    pub fn strings<T: Into<Text>>(texts: impl IntoIterator<Item = T>) -> Self {
        let values = texts.into_iter().map(Self::string).collect();
        Self::list_of(Items::String, values)
    }

    #[must_use]
    pub fn map(entries: BTreeMap<Text, Self>) -> Self {
        Self::Map(Map::new(Items::Any, entries))
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_, kind) => Kind::Int(*kind),
            Self::Float(_) => Kind::Float,
            Self::Complex(..) => Kind::Complex,
            Self::String(_) => Kind::String,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Time(_) | Self::Certificate(_) => Kind::Struct,
            Self::Duration(_) => Kind::Int(IntType::Int64),
            Self::Version(_) => Kind::Pointer,
        }
    }

    /// As `%T` prints it.
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Self::Missing | Self::Nil => "<nil>".into(),
            Self::Bool(_) => "bool".into(),
            Self::Int(_, kind) => kind.name().into(),
            Self::Float(_) => "float64".into(),
            Self::Complex(..) => "complex128".into(),
            Self::String(_) => "string".into(),
            Self::List(list) => format!("[]{}", list.items.type_name()).into(),
            Self::Map(map) => format!("map[string]{}", map.items.type_name()).into(),
            Self::Time(_) => "time.Time".into(),
            Self::Duration(_) => "time.Duration".into(),
            Self::Version(_) => "*semver.Version".into(),
            Self::Certificate(_) => "sprig.certificate".into(),
        }
    }

    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Missing | Self::Nil)
    }

    /// Whether `if` takes it as true; the same rule as sprig's `empty`, but for structs.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value, _) | Self::Duration(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::String(text) => !text.bytes().is_empty(),
            Self::List(list) => !list.values.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) | Self::Version(_) | Self::Certificate(_) => true,
        }
    }

    /// `reflect.DeepEqual`: types count.
    #[must_use]
    pub fn deep_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing | Self::Nil, Self::Missing | Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a, s), Self::Int(b, t)) => a == b && s == t,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Complex(a, i), Self::Complex(b, j)) => a == b && i == j,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Version(a), Self::Version(b)) => a == b,
            (Self::Certificate(a), Self::Certificate(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.items == b.items
                    && a.nil == b.nil
                    && a.values.len() == b.values.len()
                    && a.values.iter().zip(&b.values).all(|(a, b)| a.deep_equal(b))
            }
            (Self::Map(a), Self::Map(b)) => {
                a.items == b.items
                    && a.nil == b.nil
                    && a.len() == b.len()
                    && (a.is_same(b)
                        || a.entries()
                            .into_iter()
                            .zip(b.entries())
                            .all(|((k, a), (l, b))| k == l && a.deep_equal(&b)))
            }
            _ => false,
        }
    }

    /// Whether `map` is this value or lies within it: what `set` must not make.
    #[must_use]
    pub fn contains(&self, map: &Map) -> bool {
        match self {
            Self::Map(own) => {
                own.is_same(map) || own.entries().iter().any(|(_, value)| value.contains(map))
            }
            Self::List(list) => list.values.iter().any(|value| value.contains(map)),
            _ => false,
        }
    }

    /// Whether a map of this value is also a map of the other.
    #[must_use]
    pub fn shares(&self, other: &Self) -> bool {
        match self {
            Self::Map(map) => {
                other.contains(map) || map.entries().iter().any(|(_, value)| value.shares(other))
            }
            Self::List(list) => list.values.iter().any(|value| value.shares(other)),
            _ => false,
        }
    }

    /// About how many bytes it takes to write the value, indented; what is shared counts each time
    /// it would be written.
    ///
    /// # Errors
    /// A value that is larger than `most` or nested deeper than anything may be.
    pub fn weigh(&self, most: usize) -> Result<usize, TooLarge> {
        let mut left = most;
        self.weigh_within(&mut left, 0)?;
        Ok(most - left)
    }

    fn weigh_within(&self, left: &mut usize, depth: usize) -> Result<(), TooLarge> {
        if depth > MAX_NESTING {
            return Err(TooLarge::Nested);
        }
        let own = match self {
            Self::String(text) => text.bytes().len(),
            Self::Certificate(pair) => pair.cert.bytes().len() + pair.key.bytes().len(),
            _ => 0,
        };
        let mut take = |bytes: usize| {
            *left = left.checked_sub(bytes).ok_or(TooLarge::Long)?;
            Ok(())
        };
        take(8 + 2 * depth + own)?;
        match self {
            Self::List(list) => {
                list.values.iter().try_for_each(|value| value.weigh_within(left, depth + 1))
            }
            Self::Map(map) => map.entries.0.borrow().iter().try_for_each(|(key, value)| {
                *left = left.checked_sub(key.bytes().len()).ok_or(TooLarge::Long)?;
                value.weigh_within(left, depth + 1)
            }),
            _ => Ok(()),
        }
    }

    /// Parameters as they come from YAML through JSON: every number is a float.
    #[must_use]
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::string(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => Self::map(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str().into(), Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    /// As Go's `encoding/json` would see it. `None` for a number that JSON cannot hold.
    #[must_use]
    pub fn to_json(&self) -> Option<Json> {
        Some(match self {
            Self::Missing | Self::Nil => Json::Null,
            Self::Complex(..) => return None,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value, _) | Self::Duration(value) => Json::from(*value),
            Self::Float(value) => whole(*value).map_or_else(
                || Number::from_f64(*value).map(Json::Number),
                |value| Some(Json::from(value)),
            )?,
            Self::String(text) => Json::String(text.text().into_owned()),
            Self::List(list) => {
                Json::Array(list.values.iter().map(Self::to_json).collect::<Option<_>>()?)
            }
            Self::Map(map) => Json::Object(
                map.entries()
                    .iter()
                    .map(|(key, value)| Some((key.text().into_owned(), value.to_json()?)))
                    .collect::<Option<_>>()?,
            ),
            Self::Time(time) => Json::String(crate::functions::dates::rfc3339(&time.0)),
            Self::Version(version) => Json::String(version.to_string()),
            Self::Certificate(pair) => pair.as_map().to_json()?,
        })
    }
}

/// A float that is a whole number within what a float holds exactly.
#[must_use]
pub fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (value.fract() == 0.0 && value.abs() <= EXACT && !(value == 0.0 && value.is_sign_negative()))
        .then_some(value as i64)
}
