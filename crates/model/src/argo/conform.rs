//! A tree against a table of fields: names as the table writes them, types as it wants them.
//!
//! As sigs.k8s.io/yaml reads a file into Go's types: a number or a boolean where text belongs is
//! its text, the case of a field's letters does not matter, `null` is as if it were not there. All
//! else that is not in the table is an error that names its path.

use std::fmt;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use super::schema::{Kind, Table};
use crate::selector::Labels;
use crate::{suggest, yaml};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: String,
    pub(super) message: String,
}

/// How strictly a part is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// From YAML into types.
    Typed,
    /// From JSON into types, later: unknown fields are passed over, text is text.
    Later,
}

/// The tree with the names and types of the table.
pub(super) fn object(value: Value, table: &'static Table, path: &str) -> Result<Value, Fault> {
    Conform { path: path.to_owned(), reading: Reading::Typed }.value(value, Kind::Object(table))
}

/// A text by itself.
pub(super) fn text(value: Value, path: &str) -> Result<String, Fault> {
    let mut conform = Conform { path: path.to_owned(), reading: Reading::Typed };
    match conform.value(value, Kind::Text)? {
        Value::String(text) => Ok(text),
        _ => unreachable!("a text conforms as text"),
    }
}

/// A map of texts by itself.
pub(super) fn texts(value: Value, path: &str) -> Result<Labels, Fault> {
    let mut conform = Conform { path: path.to_owned(), reading: Reading::Typed };
    let map = conform.value(value, Kind::Map(&Kind::Text))?;
    let entries = map.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(entries.map(|(key, value)| (key.clone(), text(value))).collect())
}

struct Conform {
    path: String,
    reading: Reading,
}

impl Conform {
    fn value(&mut self, value: Value, kind: Kind) -> Result<Value, Fault> {
        match kind {
            Kind::Any => Ok(yaml::without_floats(value)),
            Kind::Text => self.text(value),
            Kind::Flag => match value {
                Value::Null => Ok(Value::Bool(false)),
                Value::Bool(_) => Ok(value),
                other => Err(self.wrong(&other, "true or false")),
            },
            Kind::Integer => self.integer(value, i64::MIN, i64::MAX),
            Kind::IntegerOrText => match value {
                Value::String(_) => Ok(value),
                other => self.integer(other, i32::MIN.into(), i32::MAX.into()),
            },
            Kind::List(item) => self.list(value, *item),
            Kind::Map(entry) => self.map(value, *entry),
            Kind::Object(table) => self.fields(value, table),
            Kind::Nested(table) => {
                let before = std::mem::replace(&mut self.reading, Reading::Later);
                let read = self.fields(value, table);
                self.reading = before;
                read
            }
        }
    }

    fn text(&self, value: Value) -> Result<Value, Fault> {
        let text = match value {
            Value::Null => String::new(),
            Value::String(_) => return Ok(value),
            Value::Bool(flag) if self.reading == Reading::Typed => flag.to_string(),
            Value::Number(number) if self.reading == Reading::Typed => number_text(&number),
            other => return Err(self.wrong(&other, "text")),
        };
        Ok(Value::String(text))
    }

    fn integer(&self, value: Value, least: i64, most: i64) -> Result<Value, Fault> {
        let whole = match &value {
            Value::Null => Some(0),
            Value::Number(number) => whole(number),
            _ => None,
        };
        match whole.filter(|whole| (least..=most).contains(whole)) {
            Some(whole) => Ok(whole.into()),
            None => Err(self.wrong(&value, "a whole number")),
        }
    }

    fn list(&mut self, value: Value, kind: Kind) -> Result<Value, Fault> {
        let items = match value {
            Value::Null => Vec::new(),
            Value::Array(items) => items,
            other => return Err(self.wrong(&other, "a list")),
        };
        let item = |(index, item)| self.at(format_args!("[{index}]"), |me| me.value(item, kind));
        items.into_iter().enumerate().map(item).collect()
    }

    fn map(&mut self, value: Value, kind: Kind) -> Result<Value, Fault> {
        let entries = match value {
            Value::Null => Map::new(),
            Value::Object(entries) => entries,
            other => return Err(self.wrong(&other, "a map")),
        };
        let entry = |(key, entry): (String, Value)| {
            let entry = self.at(format_args!(".{key}"), |me| me.value(entry, kind))?;
            Ok((key, entry))
        };
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Value::Object)
    }

    fn fields(&mut self, value: Value, table: &'static Table) -> Result<Value, Fault> {
        let entries = match value {
            Value::Null => Map::new(),
            Value::Object(entries) => entries,
            other => return Err(self.wrong(&other, "a map")),
        };
        let mut fields = Map::new();
        for (key, value) in entries {
            match table.field(&key) {
                None if self.reading == Reading::Later => {
                    fields.insert(key, value);
                }
                None => return self.at(format_args!(".{key}"), |me| Err(me.unknown(&key, table))),
                // As if it were not there: an entry `clusters:` is no `clusters` generator.
                Some(_) if value.is_null() => {}
                Some(field) => {
                    let value =
                        self.at(format_args!(".{}", field.name), |me| me.value(value, field.kind))?;
                    if fields.insert(field.name.to_owned(), value).is_some() {
                        let message = format!("{:?} stands twice, as {key:?} too", field.name);
                        return Err(self.fault(message));
                    }
                }
            }
        }
        Ok(Value::Object(fields))
    }

    /// Does something one step further down.
    fn at<T>(&mut self, step: fmt::Arguments<'_>, then: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        // Writing to a string cannot fail.
        let _ = self.path.write_fmt(step);
        let done = then(self);
        self.path.truncate(before);
        done
    }

    fn fault(&self, message: String) -> Fault {
        Fault { path: self.path.clone(), message }
    }

    fn unknown(&self, key: &str, table: &Table) -> Fault {
        let known: Vec<&str> = table.fields.iter().map(|field| field.name).collect();
        self.fault(suggest::unknown(table.noun, key, &known))
    }

    /// Never quotes the value: it may be long, or a secret in the wrong place.
    fn wrong(&self, value: &Value, wanted: &str) -> Fault {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let hint = match (value, wanted) {
            (Value::String(_), "a whole number" | "true or false") => {
                "; write it without quotes (a template cannot stand here)"
            }
            (Value::Number(_) | Value::Bool(_), "text") => "; put it in quotes",
            _ => "",
        };
        self.fault(format!("{wanted} belongs here, not {found}{hint}"))
    }
}

/// A whole number, also one that is written as a float: `3.0` is 3 in YAML's JSON.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn whole(number: &Number) -> Option<i64> {
    // Beyond 2^53 a float may stand for another number than was written.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
    number.as_i64().or_else(|| float().map(|float| float as i64))
}

/// A number as Go's YAML library writes it where text is wanted: whole ones in full, others in single
/// precision, so that `1e6` is `1e+06` and `0.123456789` is `0.12345679`.
pub(super) fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => yaml::float_text(float),
        _ => number.to_string(),
    }
}
