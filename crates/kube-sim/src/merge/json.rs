//! Patches that know no types: JSON merge patch and JSON patch.

use serde_json::{Map, Value};

use super::PatchError;

/// Merges a patch into a value: objects key by key, null removes, everything else replaces.
pub(super) fn merge_into(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        match (change, fields.get_mut(name)) {
            (Value::Null, _) => {
                fields.remove(name);
            }
            (change, Some(there)) => merge_into(there, change),
            (change, None) => {
                let mut new = Value::Null;
                merge_into(&mut new, change);
                fields.insert(name.clone(), new);
            }
        }
    }
}

/// More operations than this are refused with 413 by the real server.
const MAX_OPERATIONS: usize = 10_000;

pub(super) fn json_patch(live: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Array(operations) = patch else {
        return Err(PatchError::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {} into Go value of type \
             []handlers.jsonPatchOp",
            kind(patch)
        )));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut document = live.clone();
    for operation in operations {
        Operation::new(operation)?.run(&mut document).map_err(PatchError::Refused)?;
    }
    Ok(document)
}

/// What the real server says of a merge patch that is no object.
pub(super) fn not_an_object(patch: &Value) -> String {
    format!(
        "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
        kind(patch)
    )
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    }
}

struct Operation<'a> {
    name: &'a str,
    path: Option<&'a str>,
    from: Option<&'a str>,
    value: Option<&'a Value>,
}

const MISSING: &str = "missing value";

impl<'a> Operation<'a> {
    fn new(json: &'a Value) -> Result<Self, PatchError> {
        let Value::Object(fields) = json else {
            return Err(PatchError::Malformed(format!(
                "error decoding patch: json: cannot unmarshal {} into Go value of type \
                 handlers.jsonPatchOp",
                kind(json)
            )));
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        Ok(Self {
            name: text("op").unwrap_or("unknown"),
            path: text("path"),
            from: text("from"),
            value: fields.get("value"),
        })
    }

    fn run(&self, document: &mut Value) -> Result<(), String> {
        let name = self.name;
        let no_path = format!("{name} operation failed to decode path: {MISSING}");
        match name {
            "add" => self.put(document, self.path.ok_or(no_path)?, self.needed_value()?),
            "remove" => take(document, self.path.ok_or(no_path)?, name).map(drop),
            "replace" => self.replace(document, self.path.ok_or(no_path)?),
            "test" => self.test(document, self.path.ok_or(no_path)?),
            "move" | "copy" => {
                let no_from = format!("{name} operation failed to decode from: {MISSING}");
                let from = self.from.ok_or(no_from)?;
                let value = if name == "move" {
                    take(document, from, name)?
                } else {
                    let found = pointed(document, from);
                    found.cloned().ok_or_else(|| {
                        format!("copy operation does not apply: doc is missing from path: {from}: {MISSING}")
                    })?
                };
                self.put(document, self.path.ok_or(no_path)?, value)
            }
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn needed_value(&self) -> Result<Value, String> {
        Ok(self.value.cloned().unwrap_or(Value::Null))
    }

    fn put(&self, document: &mut Value, path: &str, value: Value) -> Result<(), String> {
        let name = self.name;
        if path.is_empty() {
            *document = value;
            return Ok(());
        }
        let missing =
            || format!("{name} operation does not apply: doc is missing path: {path:?}: {MISSING}");
        let (parent, key) = split(path).ok_or_else(missing)?;
        match pointed_mut(document, parent) {
            Some(Value::Object(fields)) => {
                fields.insert(unescape(key), value);
                Ok(())
            }
            Some(Value::Array(items)) => {
                let at = if key == "-" { Some(items.len()) } else { index(key, items.len() + 1) };
                let at = at.ok_or_else(|| {
                    format!("error in {name} for path: '{path}': Unable to access invalid index: {key}: invalid index referenced")
                })?;
                items.insert(at, value);
                Ok(())
            }
            _ => Err(missing()),
        }
    }

    fn replace(&self, document: &mut Value, path: &str) -> Result<(), String> {
        let value = self.needed_value()?;
        let parent = split(path).and_then(|(parent, _)| pointed(document, parent));
        let is_object = parent.is_some_and(Value::is_object);
        if !path.is_empty() && !is_object && !parent.is_some_and(Value::is_array) {
            return Err(format!(
                "replace operation does not apply: doc is missing path: {path}: {MISSING}"
            ));
        }
        if let Some(there) = pointed_mut(document, path) {
            *there = value;
            return Ok(());
        }
        // A missing key of an object is added, as the real server's library has it.
        if is_object {
            return self.put(document, path, value);
        }
        Err(format!("replace operation does not apply: doc is missing key: {path}: {MISSING}"))
    }

    fn test(&self, document: &Value, path: &str) -> Result<(), String> {
        let failed = Err(format!("testing value {path} failed: test failed"));
        let parent = split(path).and_then(|(parent, _)| pointed(document, parent));
        match pointed(document, path) {
            Some(found) if *found == *self.value.unwrap_or(&Value::Null) => Ok(()),
            Some(_) => failed,
            None if parent.is_none() => {
                Err(format!("test operation does not apply: is missing path: {path}: {MISSING}"))
            }
            None if self.value.is_none_or(Value::is_null) => Ok(()),
            None => failed,
        }
    }
}

/// Takes a value out of the document.
fn take(document: &mut Value, path: &str, name: &str) -> Result<Value, String> {
    let missing =
        || format!("{name} operation does not apply: doc is missing path: {path:?}: {MISSING}");
    let (parent, key) = split(path).ok_or_else(missing)?;
    match pointed_mut(document, parent) {
        Some(Value::Object(fields)) => fields.remove(&unescape(key)).ok_or_else(|| {
            format!("error in {name} for path: '{path}': Unable to remove nonexistent key: {key}: {MISSING}")
        }),
        Some(Value::Array(items)) => match index(key, items.len()) {
            Some(at) => Ok(items.remove(at)),
            None => Err(format!(
                "error in {name} for path: '{path}': Unable to access invalid index: {key}: invalid index referenced"
            )),
        },
        _ => Err(missing()),
    }
}

fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// A position below `length`; negative ones count from the end.
fn index(key: &str, length: usize) -> Option<usize> {
    let at: i64 = key.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    (0..length).contains(&at).then(|| usize::try_from(at).ok()).flatten()
}

fn pointed<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    keys(path)?.try_fold(document, |value, key| match value {
        Value::Object(fields) => fields.get(&unescape(key)),
        Value::Array(items) => items.get(index(key, items.len())?),
        _ => None,
    })
}

fn pointed_mut<'v>(document: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    keys(path)?.try_fold(document, |value, key| match value {
        Value::Object(fields) => fields.get_mut(&unescape(key)),
        Value::Array(items) => {
            let at = index(key, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    })
}

/// The keys of a path; the empty path has none and is the document itself.
fn keys(path: &str) -> Option<impl Iterator<Item = &str>> {
    if !path.is_empty() && !path.starts_with('/') {
        return None;
    }
    let mut keys = path.split('/');
    keys.next();
    Some(keys)
}
