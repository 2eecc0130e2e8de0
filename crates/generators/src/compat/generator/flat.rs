//! Nested parameters as flat ones: dotted names, and every value as Go's `%v` prints it.

use gotemplate::print;
use serde_json::{Map, Value};

use crate::compat::params::{Kind, Params};

/// A value as `%v` prints it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "<nil>".to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            print::text(&gotemplate::Value::from_json(value))
        }
    }
}

/// A top-level parameter as `%v` prints it; integers that Go has as such are exact.
pub(super) fn shown_at(parameters: &Params, key: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if is_integer(parameters.types.kind(&[key])) => number.to_string(),
        value => shown(value),
    }
}

/// All parameters as text, their names as they are.
pub(super) fn texts(parameters: &Params) -> Map<String, Value> {
    let texts = parameters.iter().map(|(key, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            value => shown_at(parameters, key, value),
        };
        (key.clone(), Value::String(text))
    });
    texts.collect()
}

/// A document's leaves by dotted name, as text. Empty maps and lists have no leaves.
pub(super) fn flattened(content: &Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    for (key, value) in content {
        add(&mut flat, key.clone(), value);
    }
    flat
}

fn add(flat: &mut Map<String, Value>, name: String, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                add(flat, format!("{name}.{key}"), value);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                add(flat, format!("{name}.{index}"), value);
            }
        }
        leaf => {
            flat.insert(name, Value::String(shown(leaf)));
        }
    }
}

/// The text that a flattened name has, without flattening the rest.
pub(super) fn lookup(parameters: &Params, name: &str) -> Option<String> {
    lookup_in(parameters, name, &mut Vec::new(), parameters)
}

fn lookup_in<'n>(
    map: &Map<String, Value>,
    name: &'n str,
    path: &mut Vec<&'n str>,
    parameters: &Params,
) -> Option<String> {
    if let Some(leaf) = map.get(name).and_then(|value| leaf(value, name, path, parameters)) {
        return Some(leaf);
    }
    // A key may have dots in it, so every one of them may be where a key ends.
    let mut splits = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
    splits.find_map(|(key, rest)| inner(map.get(key)?, key, rest, path, parameters))
}

fn inner<'n>(
    value: &Value,
    key: &'n str,
    name: &'n str,
    path: &mut Vec<&'n str>,
    parameters: &Params,
) -> Option<String> {
    path.push(key);
    let found = match value {
        Value::Object(map) => lookup_in(map, name, path, parameters),
        Value::Array(items) => {
            let (index, rest) = match name.split_once('.') {
                Some((index, rest)) => (index, Some(rest)),
                None => (name, None),
            };
            let at = index.parse().ok().filter(|at: &usize| at.to_string() == index);
            at.and_then(|at| items.get(at)).and_then(|item| match rest {
                None => leaf(item, index, path, parameters),
                Some(rest) => inner(item, index, rest, path, parameters),
            })
        }
        _ => None,
    };
    path.pop();
    found
}

fn leaf<'n>(
    value: &Value,
    key: &'n str,
    path: &mut Vec<&'n str>,
    parameters: &Params,
) -> Option<String> {
    match value {
        Value::Object(_) | Value::Array(_) => None,
        Value::Number(number) => {
            path.push(key);
            let exact = is_integer(parameters.types.kind(path));
            path.pop();
            Some(if exact { number.to_string() } else { shown(value) })
        }
        value => Some(shown(value)),
    }
}

fn is_integer(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Int | Kind::Int64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::params::Types;
    use serde_json::json;

    fn params(value: Value, types: Types) -> Params {
        match value {
            Value::Object(map) => Params::new(map, types),
            _ => panic!("an object"),
        }
    }

    #[test]
    fn leaves_have_dotted_names_and_go_text() {
        let content =
            json!({"a": {"b": [1, {"c": null}]}, "e": {}, "l": [], "n": 2_500_000, "t": true});
        let flat = flattened(content.as_object().unwrap());
        let expected = json!({"a.b.0": "1", "a.b.1.c": "<nil>", "n": "2.5e+06", "t": "true"});
        assert_eq!(Value::Object(flat), expected);
        assert_eq!(shown(&json!(-0.0)), "-0");
        let params = params(content, Types::default());
        let text = |name: &str| lookup(&params, name);
        assert_eq!(text("a.b.0").as_deref(), Some("1"));
        assert_eq!(text("a.b.1.c").as_deref(), Some("<nil>"));
        assert_eq!(text("n").as_deref(), Some("2.5e+06"));
        for absent in ["a", "a.b", "a.b.1", "a.b.00", "e", "l", "l.0", "x", "t.x"] {
            assert_eq!(text(absent), None, "{absent}");
        }
    }

    #[test]
    fn keys_with_dots_are_found_and_integers_are_exact() {
        let types = Types::new(&[(&["metadata", "labels"], Kind::Strings), (&["id"], Kind::Int64)]);
        let labels = json!({"env": "prod", "a.b/c": "d"});
        let content = json!({"metadata": {"labels": labels}, "x.y": "z", "id": 12_345_678});
        let params = params(content, types);
        assert_eq!(lookup(&params, "metadata.labels"), None);
        assert_eq!(lookup(&params, "metadata.labels.env").as_deref(), Some("prod"));
        assert_eq!(lookup(&params, "metadata.labels.a.b/c").as_deref(), Some("d"));
        assert_eq!(lookup(&params, "x.y").as_deref(), Some("z"));
        assert_eq!(lookup(&params, "id").as_deref(), Some("12345678"));
        assert_eq!(texts(&params)["id"], json!("12345678"));
    }
}
