//! A generator's own template over the one of the set.
//!
//! As the library `mergo` does it there, without override: what the generator says wins, where it
//! says something; `false`, 0, an empty text and an empty list say nothing.

use model::argo::schema::{APPLICATION, Kind, Table};
use serde_json::{Map, Value};

/// The template that a generator's elements are rendered with.
pub(in crate::compat) fn merge(own: &Value, base: &Value) -> Value {
    let mut own = own.clone();
    merge_kind(&mut own, base, Kind::Object(&APPLICATION));
    own
}

fn merge_kind(own: &mut Value, base: &Value, kind: Kind) {
    if base.is_null() {
        return;
    }
    if own.is_null() {
        *own = base.clone();
        return;
    }
    match (kind, &mut *own, base) {
        (Kind::Object(table) | Kind::Nested(table), Value::Object(own), Value::Object(base)) => {
            return merge_fields(own, base, table);
        }
        (Kind::Map(_), Value::Object(own), Value::Object(base)) => return merge_entries(own, base),
        // An untyped tree is bytes there: it wins whole.
        (Kind::Any, ..) => return,
        _ => {}
    }
    if is_zero(own) && !is_zero(base) {
        *own = base.clone();
    }
}

fn merge_fields(own: &mut Map<String, Value>, base: &Map<String, Value>, table: &'static Table) {
    for field in table.fields {
        if let Some(base) = base.get(field.name) {
            merge_kind(own.entry(field.name).or_insert(Value::Null), base, field.kind);
        }
    }
}

fn merge_entries(own: &mut Map<String, Value>, base: &Map<String, Value>) {
    for (key, base) in base {
        match own.get_mut(key) {
            Some(entry) if !is_zero(entry) => {}
            Some(entry) => *entry = base.clone(),
            None => {
                own.insert(key.clone(), base.clone());
            }
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => false,
    }
}
