//! Whether an applied object fits its type, in the words of the real server.

use serde_json::Value;

use super::path::PathElement;
use super::shape::{Form, declared, form, item_element, list};
use crate::schema::{ListMerge, Node, Scalar, Table};

/// What does not fit: a path and a sentence each.
pub(super) type Misfits = Vec<(String, String)>;

/// Finds what does not fit. Items of sets and keyed lists must be named and unique.
pub(super) fn check(table: &Table, node: &Node, value: &Value) -> Misfits {
    let mut check = Check { table, path: String::new(), misfits: Vec::new() };
    check.value(node, value);
    check.misfits
}

/// All misfits as the real server prints them.
pub(super) fn print(misfits: &Misfits) -> String {
    let one = |(path, message): &(String, String)| match path.as_str() {
        "" => message.clone(),
        path => format!("{path}: {message}"),
    };
    match misfits.as_slice() {
        [misfit] => one(misfit),
        misfits => {
            let lines: Vec<String> =
                misfits.iter().map(|misfit| format!("  {}", one(misfit))).collect();
            format!("errors:\n{}", lines.join("\n"))
        }
    }
}

struct Check<'t> {
    table: &'t Table,
    path: String,
    misfits: Misfits,
}

impl Check<'_> {
    fn misfit(&mut self, message: String) {
        self.misfits.push((self.path.clone(), message));
    }

    fn value(&mut self, node: &Node, value: &Value) {
        if *node == Node::Any || value.is_null() {
            return;
        }
        match (form(node, Some(value)), value) {
            (Form::Scalar, value) => self.scalar(node, value),
            (Form::List, Value::Array(items)) => self.list(node, items),
            (Form::List, value) => self.misfit(format!("expected list, got &{{{}}}", plain(value))),
            (Form::Fields, Value::Object(fields)) => {
                // The real server looks at the fields of a map in a random order and stops at the
                // first that is not declared.
                for (name, value) in fields {
                    if !self.field(node, name, value) {
                        break;
                    }
                }
            }
            (Form::Fields, value) => {
                self.misfit(format!("expected map, got &{{{}}}", plain(value)));
            }
        }
    }

    fn scalar(&mut self, node: &Node, value: &Value) {
        let Node::Scalar(scalar) = node else { return };
        let message = match scalar {
            Scalar::Integer | Scalar::Int32 | Scalar::Number if !value.is_number() => {
                format!("expected numeric (int or float), got {}", type_name(value))
            }
            Scalar::String | Scalar::Bytes if !value.is_string() => {
                format!("expected string, got &value.valueUnstructured{{Value:{}}}", literal(value))
            }
            Scalar::Boolean if !value.is_boolean() => {
                format!("expected boolean, got &{{{}}}", plain(value))
            }
            Scalar::IntOrString | Scalar::Quantity | Scalar::Time | Scalar::MicroTime
                if value.is_array() || value.is_object() =>
            {
                format!("expected any scalar, got &{{{}}}", plain(value))
            }
            _ => return,
        };
        self.misfit(message);
    }

    /// Whether the field is declared.
    fn field(&mut self, node: &Node, name: &str, value: &Value) -> bool {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        let declared = declared(self.table, node, name);
        match declared {
            Some(child) => self.value(child.node, value),
            None => self.misfit("field not declared in schema".to_owned()),
        }
        self.path.truncate(length);
        declared.is_some()
    }

    fn list(&mut self, node: &Node, items: &[Value]) {
        let (item, merge) = list(self.table, node);
        let mut seen: Vec<PathElement> = Vec::with_capacity(items.len());
        for (at, value) in items.iter().enumerate() {
            let element = if *merge == ListMerge::Atomic {
                PathElement::Index(i64::try_from(at).expect("a list is shorter than 2^63"))
            } else {
                match item_element(self.table, item, merge, value) {
                    Ok(element) => element,
                    Err(message) => return self.misfit(format!("element {at}: {message}")),
                }
            };
            let length = self.path.len();
            if *merge != ListMerge::Atomic {
                match seen.binary_search(&element) {
                    Ok(_) => self.misfit(format!("duplicate entries for key {element}")),
                    Err(place) => seen.insert(place, element.clone()),
                }
            }
            self.path.push_str(&element.to_string());
            self.value(item, value);
            self.path.truncate(length);
        }
    }
}

/// The name of a value's type in Go, in which the real server's messages are written.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it by default (`%v`).
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", plain(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
        value => value.to_string(),
    }
}

/// A value as Go would write it in source (`%#v`).
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name:?}:{}", literal(value))).collect();
            fields.sort();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        value => value.to_string(),
    }
}
