//! Parameters: nested maps, looked up by path, joined without overwriting, and flattened for
//! selectors.

use model::selector::Labels;
use serde_json::{Map, Value};

use crate::layers::Layers;

/// One element's parameters.
pub(crate) type Parameters = Map<String, Value>;

/// The deepest map whose keys are listed in errors and seen by selectors.
const MAX_DEPTH: usize = 16;
/// The names that an error lists or searches at most.
const MAX_NAMES: usize = 1000;

/// Two sets of parameters give one key different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) key: String,
    pub(crate) left: String,
    pub(crate) right: String,
}

/// The value at a path of keys and list indices.
pub(crate) fn lookup<'a>(parameters: &'a Layers, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(parameters.get(first)?, |value, key| match value {
        Value::Object(map) => map.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The value as a key: numbers that are equal are one, `1.0` and `1`.
pub(crate) fn comparable(value: Value) -> Value {
    // Beyond 2^53 a float stands for more than one whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
            Some(float) if float.fract() == 0.0 && float.abs() <= EXACT => (float as i64).into(),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(comparable).collect(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, comparable(value))).collect())
        }
        other => other,
    }
}

/// The value as text sees it: the `path` map of a git generator stands for its own `path`.
pub(crate) fn plain(value: &Value) -> &Value {
    match value {
        Value::Object(map) if is_git_path(map) => &map["path"],
        other => other,
    }
}

fn is_git_path(map: &Parameters) -> bool {
    let has = |key: &str| map.contains_key(key);
    map.get("path").is_some_and(Value::is_string)
        && has("segments")
        && has("basename")
        && has("basenameNormalized")
}

/// Adds `more`, key by key. Maps that meet are joined; anything else that meets must be equal.
pub(crate) fn merge(into: &mut Parameters, more: Parameters) -> Result<(), Conflict> {
    merge_at(into, more, "")
}

fn merge_at(into: &mut Parameters, more: Parameters, at: &str) -> Result<(), Conflict> {
    for (key, value) in more {
        match (into.get_mut(&key), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(Value::Object(left)), Value::Object(right)) => {
                merge_at(left, right, &format!("{at}{key}."))?;
            }
            (Some(left), right) if *left == right => {}
            (Some(left), right) => {
                let (left, right) = (shown(left), shown(&right));
                return Err(Conflict { key: format!("{at}{key}"), left, right });
            }
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(60).chain(['…']).collect()
}

/// Dotted names and text values, for selectors. What has no text (null, an empty map or list) has
/// no name either.
pub(crate) fn flatten(parameters: &Parameters) -> Labels {
    let mut flat = Labels::new();
    for (key, value) in parameters {
        flatten_into(key, value, 0, &mut |name, value| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            flat.insert(name.to_owned(), text);
        });
    }
    flat
}

/// The dotted names that a template can write, sorted.
pub(crate) fn names(parameters: &Parameters) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in parameters {
        flatten_into(key, value, 0, &mut |name, _| {
            if names.len() < MAX_NAMES {
                names.push(name.to_owned());
            }
        });
    }
    names.sort_unstable();
    names
}

fn flatten_into(name: &str, value: &Value, depth: usize, found: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Null => {}
        Value::Object(_) | Value::Array(_) if depth == MAX_DEPTH => {}
        Value::Object(map) => {
            for (key, value) in map {
                flatten_into(&format!("{name}.{key}"), value, depth + 1, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                flatten_into(&format!("{name}.{index}"), value, depth + 1, found);
            }
        }
        scalar => found(name, scalar),
    }
}

/// About how many bytes a value takes as JSON.
pub(crate) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
        Value::Object(map) => {
            2 + map.iter().map(|(key, value)| key.len() + 4 + size(value)).sum::<usize>()
        }
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Parameters {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn maps_join_and_a_key_with_two_values_is_a_conflict() {
        let mut left = map(json!({"values": {"a": 1}, "name": "eu"}));
        assert_eq!(merge(&mut left, map(json!({"values": {"b": 2}, "name": "eu"}))), Ok(()));
        assert_eq!(left, map(json!({"values": {"a": 1, "b": 2}, "name": "eu"})));
        let conflict = merge(&mut left, map(json!({"values": {"a": [1]}}))).unwrap_err();
        assert_eq!((conflict.key.as_str(), conflict.left.as_str()), ("values.a", "1"));
    }

    #[test]
    fn selectors_see_dotted_names_and_text() {
        let flat =
            flatten(&map(json!({"a": {"b": 1000000, "c": null, "d": {}}, "l": [true, "x"]})));
        let flat: Vec<_> = flat.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(flat, ["a.b=1000000", "l.0=true", "l.1=x"]);
    }

    #[test]
    fn only_the_path_of_a_git_generator_stands_for_itself() {
        let path =
            json!({"path": "a/b", "segments": [], "basename": "b", "basenameNormalized": "b"});
        assert_eq!(plain(&path), "a/b");
        assert_eq!(plain(&json!({"path": "a/b"})), &json!({"path": "a/b"}));
    }
}
