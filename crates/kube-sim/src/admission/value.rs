//! Small steps on JSON that defaults and rules are made of. A path through what is not an object
//! never panics: a client may send anything.

use serde_json::{Map, Value};

/// Absent and null are both "not set" in a manifest.
pub(super) fn is_set(value: &Value) -> bool {
    !value.is_null()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The object under `key`, made when it is not set. Where the client sent something that is no
/// object, it is replaced: the schema has refused such a thing before.
pub(crate) fn ensure<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let child = &mut value[key];
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    child
}

/// Sets a field that is absent or null.
pub(super) fn set(value: &mut Value, key: &str, default: impl FnOnce() -> Value) {
    if let Some(fields) = value.as_object_mut()
        && fields.get(key).is_none_or(Value::is_null)
    {
        fields.insert(key.to_owned(), default());
    }
}

/// Sets a field that is absent, null, empty or zero: one that is no pointer in Go.
pub(super) fn fill(value: &mut Value, key: &str, default: impl FnOnce() -> Value) {
    if let Some(fields) = value.as_object_mut() {
        let unset = match fields.get(key) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Number(number)) => number.as_f64() == Some(0.0),
            Some(_) => false,
        };
        if unset {
            fields.insert(key.to_owned(), default());
        }
    }
}

/// The objects of a list; nothing when there is none.
pub(super) fn items<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = value.get_mut(key).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter(|item| item.is_object())
}
