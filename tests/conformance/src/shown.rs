//! How answers look in expectations: status line, what headers say, and the body as short lines. Pure.
//!
//! Objects are written with plain keys in alphabetical order, on one line while they fit, so that an expectation is
//! what a person would look at. `metadata.managedFields` is left out of bodies: it has a form of its own.

use crate::client::Answer;
use crate::mask;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longer objects and lists are broken.
const WIDTH: usize = 112;

/// `409`, other media types than JSON, warnings; then the body.
pub(crate) fn answer(answer: &Answer, namespace: &str) -> String {
    let mut text = answer.status.to_string();
    let media_type = answer.header("content-type");
    if media_type != "application/json" {
        text = format!("{text} {media_type}");
    }
    text.push('\n');
    for warning in answer.headers.get_all("warning") {
        let warning = mask::text(warning.to_str().unwrap_or("?"), namespace);
        text.extend(["Warning: ", &warning, "\n"]);
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut body) => {
            strip_owners(&mut body);
            text.push_str(&value(&mask::value(&body, namespace)));
        }
        Err(_) => text.push_str(&mask::text(&String::from_utf8_lossy(&answer.body), namespace)),
    }
    text
}

/// JSON as short lines.
pub(crate) fn value(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, 0);
    text
}

/// `manager Operation version /subresource: fields`, one line for each entry.
pub(crate) fn owners(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array();
    let lines: BTreeSet<String> = entries.into_iter().flatten().map(entry).collect();
    lines.into_iter().map(|line| line + "\n").collect()
}

fn entry(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    let subresource = match text("subresource") {
        "" => String::new(),
        subresource => format!(" /{subresource}"),
    };
    let mut fields = Vec::new();
    leaves(&entry["fieldsV1"], "", &mut fields);
    fields.sort();
    let (manager, operation) = (text("manager"), text("operation"));
    let at = if entry.get("time").is_some() { "" } else { " (no time)" };
    let head = format!("{manager} {operation} {}{subresource}{at}:", text("apiVersion"));
    fields.into_iter().fold(head, |line, field| line + "\n  " + &field)
}

/// The paths of a field set without their `f:`; a path that owns itself and more ends in a dot.
fn leaves(set: &Value, path: &str, found: &mut Vec<String>) {
    let Some(members) = set.as_object() else { return };
    if members.is_empty() {
        found.push(path.to_owned());
    }
    for (key, inner) in members {
        let name = key.strip_prefix("f:").unwrap_or(key);
        match (key.as_str(), path) {
            (".", _) => found.push(format!("{path}.")),
            (_, "") => leaves(inner, name, found),
            _ => leaves(inner, &format!("{path}.{name}"), found),
        }
    }
}

/// Removes managers from an object and from those in it: lists, events.
fn strip_owners(value: &mut Value) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    for items in ["items", "rows"] {
        for item in value.get_mut(items).and_then(Value::as_array_mut).into_iter().flatten() {
            strip_owners(item);
        }
    }
    if let Some(object) = value.get_mut("object") {
        strip_owners(object);
    }
}

/// `used` is what stands before the value on its line.
fn write(text: &mut String, value: &Value, indent: usize, used: usize) {
    let short = inline(value);
    let members = match value {
        Value::Object(members) => members.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if members == 0 || indent + used + short.len() <= WIDTH {
        text.push_str(&short);
        return;
    }
    let pad = " ".repeat(indent + 2);
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            text.push_str("{\n");
            for key in keys {
                let name = key_text(key);
                text.extend([&pad, &name, ": "]);
                write(text, &members[key], indent + 2, name.len() + 3);
                text.push_str(",\n");
            }
            text.push_str(&" ".repeat(indent));
            text.push('}');
        }
        Value::Array(items) => {
            text.push_str("[\n");
            for item in items {
                text.push_str(&pad);
                write(text, item, indent + 2, 1);
                text.push_str(",\n");
            }
            text.push_str(&" ".repeat(indent));
            text.push(']');
        }
        _ => (),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            let members: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}: {}", key_text(key), inline(&members[key])))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Keys stand plain unless they would be hard to read.
fn key_text(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => format!("{key:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_values_stay_on_a_line_and_long_ones_are_broken() {
        assert_eq!(value(&json!({"b": [1, "x"], "a": {}})), r#"{a: {}, b: [1, "x"]}"#);
        let long = value(&json!({"a": "x".repeat(60), "b": "y".repeat(60)}));
        assert_eq!(long.lines().count(), 4);
        assert!(long.starts_with("{\n  a: \"xxx"), "{long}");
    }

    #[test]
    fn owners_are_lines_of_paths() {
        let object = json!({"metadata": {"managedFields": [{
            "manager": "m", "operation": "Apply", "apiVersion": "v1", "time": "now",
            "fieldsV1": {"f:data": {".": {}, "f:x": {}}, "f:spec": {"k:{\"name\":\"c\"}": {}}},
        }]}});
        let lines = "m Apply v1:\n  data.\n  data.x\n  spec.k:{\"name\":\"c\"}\n";
        assert_eq!(owners(&object), lines);
    }
}
