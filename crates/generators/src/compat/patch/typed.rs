//! A tree as Go's JSON reads it into Argo CD's types: the case of a field's name does not matter,
//! unknown fields are passed over, and nothing is taken for something else.

use model::argo::schema::{Kind, Table};
use serde_json::{Map, Value};

/// # Errors
/// The first value that does not fit, with its path.
pub(super) fn check(value: &Value, table: &'static Table) -> Result<(), String> {
    decode(value.clone(), table).map(|_| ())
}

/// The tree with the names of the table.
pub(super) fn decode(value: Value, table: &'static Table) -> Result<Value, String> {
    of_kind(value, Kind::Object(table)).map_err(|fault| fault.trim_start_matches('.').to_owned())
}

fn of_kind(value: Value, kind: Kind) -> Result<Value, String> {
    if value.is_null() {
        return Ok(value);
    }
    match (kind, value) {
        (Kind::Any, value) => Ok(value),
        (Kind::Text, value @ Value::String(_))
        | (Kind::IntegerOrText, value @ Value::String(_))
        | (Kind::Flag, value @ Value::Bool(_)) => Ok(value),
        (Kind::Integer, Value::Number(number)) if number.is_i64() => Ok(Value::Number(number)),
        (Kind::IntegerOrText, Value::Number(number))
            if number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok()) =>
        {
            Ok(Value::Number(number))
        }
        (Kind::List(kind), Value::Array(items)) => {
            let item = |(index, item): (usize, Value)| match (item, *kind) {
                (Value::Null, Kind::Text) => Ok(Value::String(String::new())),
                (Value::Null, Kind::Object(_)) => Ok(Value::Object(Map::new())),
                (item, kind) => of_kind(item, kind).map_err(|fault| format!("[{index}]{fault}")),
            };
            items.into_iter().enumerate().map(item).collect()
        }
        (Kind::Map(kind), Value::Object(entries)) => {
            let entry = |(key, value): (String, Value)| match (value, *kind) {
                (Value::Null, Kind::Text) => Ok((key, Value::String(String::new()))),
                (value, kind) => {
                    let value = of_kind(value, kind).map_err(|fault| format!(".{key}{fault}"))?;
                    Ok((key, value))
                }
            };
            entries.into_iter().map(entry).collect::<Result<_, _>>().map(Value::Object)
        }
        (Kind::Object(table) | Kind::Nested(table), Value::Object(entries)) => {
            fields(entries, table)
        }
        (kind, value) => Err(format!(": {} belongs here, not {}", wanted(kind), found(&value))),
    }
}

fn fields(entries: Map<String, Value>, table: &'static Table) -> Result<Value, String> {
    let mut fields = Map::new();
    for (key, value) in entries {
        let Some(field) = table.field(&key) else { continue };
        let value =
            of_kind(value, field.kind).map_err(|fault| format!(".{}{fault}", field.name))?;
        match fields.get_mut(field.name) {
            // `Spec` and `spec`: one after the other is read into the same place.
            Some(before) => read_over(before, value, field.kind),
            None => {
                fields.insert(field.name.to_owned(), value);
            }
        }
    }
    Ok(Value::Object(fields))
}

fn read_over(before: &mut Value, value: Value, kind: Kind) {
    match (kind, before, value) {
        (Kind::Text | Kind::Flag | Kind::Integer | Kind::Object(_), _, Value::Null) => {}
        (Kind::Object(table), Value::Object(before), Value::Object(entries)) => {
            for (key, value) in entries {
                let kind = table.field(&key).map_or(Kind::Any, |field| field.kind);
                match before.get_mut(&key) {
                    Some(before) => read_over(before, value, kind),
                    None => {
                        before.insert(key, value);
                    }
                }
            }
        }
        (Kind::Map(_), Value::Object(before), Value::Object(entries)) => before.extend(entries),
        (_, before, value) => *before = value,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Flag => "true or false",
        Kind::Integer => "a whole number",
        Kind::IntegerOrText => "a whole number or text",
        Kind::List(_) => "a list",
        Kind::Any | Kind::Map(_) | Kind::Object(_) | Kind::Nested(_) => "a map",
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
