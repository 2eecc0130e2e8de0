//! Custom resources, by the columns of their definition. The paths are the simple JSONPaths that a
//! definition may have: fields, indices, `[*]` and filters by equality.

use serde_json::{Value, json};

use super::column;
use super::text::{entries, list, since, time_ms};
use crate::schema::PrinterColumn;

pub(super) fn columns(columns: &[PrinterColumn]) -> Value {
    let name = column("Name", "string", "name", 0);
    if columns.is_empty() {
        return json!([name, column("Age", "date", "", 0)]);
    }
    let shown = columns.iter().map(|shown| {
        let mut column = column(&shown.name, &shown.ty, &shown.format, shown.priority);
        column["description"] = match &*shown.description {
            "" => json!(format!(
                "Custom resource definition column (in JSONPath format): {}",
                shown.json_path
            )),
            description => json!(description),
        };
        column
    });
    [name].into_iter().chain(shown).collect()
}

/// The cells after the name.
pub(super) fn cells(columns: &[PrinterColumn], object: &Value, now_ms: i64) -> Vec<Value> {
    if columns.is_empty() {
        return vec![super::text::age(object, now_ms)];
    }
    columns.iter().map(|column| cell(column, object, now_ms)).collect()
}

/// The first value that the path finds, as the column's type has it; null when there is none.
fn cell(column: &PrinterColumn, object: &Value, now_ms: i64) -> Value {
    let Some(value) = first(&column.json_path, object).filter(|value| !value.is_null()) else {
        return Value::Null;
    };
    match &*column.ty {
        "string" => json!(plain(value)),
        "integer" => match value.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "the server cuts it, too")]
            Some(number) => json!(value.as_i64().unwrap_or(number as i64)),
            None => Value::Null,
        },
        "number" if value.is_number() => value.clone(),
        "boolean" if value.is_boolean() => value.clone(),
        "date" if time_ms(value).is_some() => json!(since(value, now_ms)),
        "date" if value.is_string() => json!("<invalid>"),
        _ => Value::Null,
    }
}

/// A value as Go prints it: `[a b]` and `map[a:1 b:2]`.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        Value::Object(_) => {
            let pairs = entries(value).map(|(key, value)| format!("{key}:{}", plain(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// The first value at a path.
fn first<'a>(path: &str, object: &'a Value) -> Option<&'a Value> {
    let path = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    let mut found = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        let step;
        (step, rest) = next_step(rest)?;
        found = found.into_iter().flat_map(|value| step.of(value)).collect();
    }
    found.into_iter().next()
}

enum Step<'a> {
    Field(String),
    Index(i64),
    All,
    /// Items whose value at the path is this text, number or boolean.
    Filter(&'a str, Value),
}

impl Step<'_> {
    fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = list(value);
                let at = if *index < 0 { items.len() as i64 + index } else { *index };
                usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::All => match value {
                Value::Object(map) => map.values().collect(),
                other => list(other).iter().collect(),
            },
            Self::Filter(path, wanted) => {
                list(value).iter().filter(|item| first(path, item) == Some(wanted)).collect()
            }
        }
    }
}

/// The first step of a path and what follows it; `None` when it is not one that we know.
fn next_step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('[') {
        let end = closing(rest)?;
        return Some((bracket(&rest[..end])?, &rest[end + 1..]));
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.starts_with('[') {
        return next_step(path);
    }
    // A dot may be part of a name when a backslash stands before it, as in label keys.
    let mut name = String::new();
    let mut characters = path.char_indices();
    let mut end = path.len();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => {
                end = at;
                break;
            }
            other => name.push(other),
        }
    }
    let step = if name == "*" { Step::All } else { Step::Field(name) };
    Some((step, &path[end..]))
}

/// Where the bracket ends that was opened before the text; brackets in quotes do not count.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str) -> Option<Step<'_>> {
    if inside == "*" {
        return Some(Step::All);
    }
    if let Some(name) = unquoted(inside) {
        return Some(Step::Field(name.replace("\\.", ".")));
    }
    if let Some(condition) = inside.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (path, wanted) = condition.split_once("==")?;
        let path = path.trim().strip_prefix('@')?;
        let wanted = wanted.trim();
        let wanted = match unquoted(wanted) {
            Some(text) => json!(text),
            None => serde_json::from_str(wanted).ok()?,
        };
        return Some(Step::Filter(path, wanted));
    }
    inside.parse().ok().map(Step::Index)
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_what_a_definition_may_ask_for() {
        let object = json!({
            "spec": {"list": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "a.b/c": "dotted"},
        });
        let find = |path: &str| first(path, &object).cloned();
        assert_eq!(find(".spec.list[0].name"), Some(json!("a")));
        assert_eq!(find(".spec.list[-1].name"), Some(json!("b")));
        assert_eq!(find(".spec.list[*].n"), Some(json!(1)));
        assert_eq!(find(".spec.list[?(@.name==\"b\")].n"), Some(json!(2)));
        assert_eq!(find(".spec.list[?(@.n == 2)].name"), Some(json!("b")));
        assert_eq!(find(".spec['a.b/c']"), Some(json!("dotted")));
        assert_eq!(find(".spec.a\\.b/c"), Some(json!("dotted")));
        assert_eq!(find("{.spec.list[1].n}"), Some(json!(2)));
        assert_eq!(find(".spec.missing.deeper"), None);
        assert_eq!(find(".spec.list[?(@.name=="), None);
    }

    #[test]
    fn values_are_printed_as_go_does() {
        assert_eq!(plain(&json!({"a": [1, "x", null], "b": true})), "map[a:[1 x <nil>] b:true]");
    }
}
