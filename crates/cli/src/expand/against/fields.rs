//! Where two documents differ: the paths of fields with both values.

use serde_json::{Map, Value, json};

/// The deepest field that is named; below it the whole value counts as one.
const MAX_DEPTH: usize = 64;

/// One field that differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// `spec.sources[0].path`, `metadata.labels["example.com/zone"]`.
    pub(super) path: String,
    /// `None` when it was not there.
    pub(super) before: Option<Value>,
    /// `None` when it is not there any more.
    pub(super) after: Option<Value>,
}

impl Field {
    pub(super) fn to_value(&self) -> Value {
        let mut value = json!({ "path": self.path });
        for (key, side) in [("before", &self.before), ("after", &self.after)] {
            if let Some(side) = side {
                value[key] = side.clone();
            }
        }
        value
    }
}

/// All fields that differ, in the order of their paths.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    compare("", Some(before), Some(after), 0, &mut fields);
    fields
}

fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    depth: usize,
    fields: &mut Vec<Field>,
) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) if depth < MAX_DEPTH => {
            for key in keys(before, after) {
                let path = join(path, key);
                compare(&path, before.get(key), after.get(key), depth + 1, fields);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if depth < MAX_DEPTH => {
            for index in 0..before.len().max(after.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, before.get(index), after.get(index), depth + 1, fields);
            }
        }
        (before, after) => {
            let (before, after) = (before.cloned(), after.cloned());
            fields.push(Field { path: path.to_owned(), before, after });
        }
    }
}

fn keys<'a>(
    before: &'a Map<String, Value>,
    after: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a String> {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
}

fn join(path: &str, key: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(is_word) {
        return format!("{path}[{}]", Value::from(key));
    }
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_named_once_and_equal_ones_never() {
        let before =
            json!({"metadata": {"labels": {"a.b/c": "1", "x": "y"}}, "l": [1, {"k": 2}, 3]});
        let after = json!({"metadata": {"labels": {"a.b/c": "2", "x": "y"}}, "l": [1, {"k": 4}],
                           "spec": {"new": {}}});
        let lines: Vec<String> = between(&before, &after)
            .iter()
            .map(|field| format!("{} {:?} {:?}", field.path, field.before, field.after))
            .collect();
        assert_eq!(
            lines,
            [
                "l[1].k Some(Number(2)) Some(Number(4))",
                "l[2] Some(Number(3)) None",
                "metadata.labels[\"a.b/c\"] Some(String(\"1\")) Some(String(\"2\"))",
                "spec None Some(Object {\"new\": Object {}})",
            ]
        );
    }
}
