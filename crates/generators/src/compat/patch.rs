//! `templatePatch`: a rendered text, laid over an Application.
//!
//! As Kubernetes' strategic merge patch works on Argo CD's types, oddities included: maps merge,
//! lists are replaced but for `metadata.finalizers`, `null` removes, directives (`$patch`,
//! `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`) do what they say.

mod lists;
mod typed;

use model::argo::schema::{APPLICATION_SPEC, Field, Kind, METADATA, OPERATION, Table};
use model::yaml;
use serde_json::{Map, Value};

use super::render::invalid;
use crate::generator::Fault;

/// The longest patch, in bytes: as much as a text of a template may have.
const MAX_BYTES: usize = 1 << 20;

/// A whole Application, as a patch may name its parts.
static PATCHED: Table = Table {
    noun: "field",
    fields: &[
        Field { name: "apiVersion", kind: Kind::Text },
        Field { name: "kind", kind: Kind::Text },
        Field { name: "metadata", kind: Kind::Object(&METADATA) },
        Field { name: "spec", kind: Kind::Object(&APPLICATION_SPEC) },
        Field { name: "status", kind: Kind::Any },
        Field { name: "operation", kind: Kind::Object(&OPERATION) },
    ],
};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// The document with the patch laid over it; its project stays.
pub(super) fn apply(document: Value, patch: &str) -> Result<Value, Fault> {
    let patch = match read(patch)? {
        Value::Null => return Ok(document),
        Value::Object(patch) => patch,
        _ => return Err(invalid("a patch is a map, as an Application is; this is none")),
    };
    typed::check(&Value::Object(patch.clone()), &PATCHED).map_err(invalid)?;
    let Value::Object(mut original) = document else {
        return Err(invalid("the template gives no map"));
    };
    // It is always there in Argo CD's type, so that directives in a patch for it count.
    let mut had_none = false;
    if let Some(Value::Object(spec)) = original.get_mut("spec") {
        had_none = !spec.contains_key("destination");
        spec.entry("destination").or_insert_with(|| Value::Object(Map::new()));
    }
    let project = original.get("spec").and_then(|spec| spec.get("project")).cloned();
    let merged = merge_map(original, patch, Some(Kind::Object(&PATCHED))).map_err(invalid)?;
    let mut document = typed::decode(Value::Object(merged), &PATCHED).map_err(invalid)?;
    if let Value::Object(fields) = &mut document {
        fields.retain(|field, _| matches!(field.as_str(), "metadata" | "spec" | "operation"));
        restore_project(fields, project);
        drop_unsaid(fields, had_none);
    }
    super::render::tidy(&mut document);
    Ok(document)
}

/// What begins with a brace is JSON there and nothing else; everything else is YAML.
fn read(text: &str) -> Result<Value, Fault> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            invalid(format!("the patch begins with '{{' and is not JSON: {error}"))
        });
    }
    yaml::read_as_go(text.as_bytes(), MAX_BYTES)
        .map_err(|error| invalid(format!("the patch is not YAML: {error}")))
}

fn restore_project(document: &mut Map<String, Value>, project: Option<Value>) {
    let spec = document.entry("spec").or_insert(Value::Null);
    if !spec.is_object() {
        *spec = Value::Object(Map::new());
    }
    if let Value::Object(spec) = spec {
        match project {
            Some(project) => spec.insert("project".to_owned(), project),
            None => spec.remove("project"),
        };
    }
}

/// What Argo CD's types do not write, beside what they write of no document.
fn drop_unsaid(document: &mut Map<String, Value>, destination: bool) {
    if destination
        && let Some(Value::Object(spec)) = document.get_mut("spec")
        && spec.get("destination").and_then(Value::as_object).is_some_and(Map::is_empty)
    {
        spec.remove("destination");
    }
    // Elsewhere `prune: false` is something else than no `prune`.
    let sync = document.get_mut("operation").and_then(|operation| operation.get_mut("sync"));
    if let Some(Value::Object(sync)) = sync
        && sync.get("prune") == Some(&Value::Bool(false))
    {
        sync.remove("prune");
    }
}

type Merged<T> = Result<T, String>;

/// The field of a map that is merged, and what its merging follows.
fn lookup(within: Option<Kind>, key: &str) -> Merged<Kind> {
    match within {
        Some(Kind::Object(table)) => table
            .field(key)
            .map(|field| field.kind)
            .ok_or_else(|| format!("no field {key:?} is known that could be merged")),
        _ => Err(format!(
            "{key:?} is a map or a list within an untyped map, and so is what it would be merged \
             with; Argo CD cannot merge these: replace the whole of it"
        )),
    }
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    kind: Option<Kind>,
) -> Merged<Map<String, Value>> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(format!("$patch is {directive}; write replace or delete")),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    lists::set_orders(&mut original, &mut patch, kind)?;
    for (key, value) in patch {
        let deletes = key.starts_with(DELETE_FROM);
        let key = if deletes { lists::named_list(&key, DELETE_FROM)? } else { key };
        if value.is_null() {
            original.remove(&key);
            continue;
        }
        merge_entry(&mut original, key, value, deletes, kind)?;
    }
    Ok(original)
}

fn merge_entry(
    original: &mut Map<String, Value>,
    key: String,
    patch: Value,
    deletes: bool,
    kind: Option<Kind>,
) -> Merged<()> {
    let merged = match (original.remove(&key), patch) {
        (Some(Value::Object(original)), Value::Object(patch)) => {
            let kind = lookup(kind, &key)?;
            Some(Value::Object(merge_map(original, patch, Some(kind))?))
        }
        (Some(Value::Array(original)), Value::Array(patch)) => {
            let kind = lookup(kind, &key)?;
            Some(Value::Array(lists::merge(&key, original, patch, kind, deletes)?))
        }
        (found, _) if deletes => found,
        (_, patch) => without_directives(without_nulls(patch)),
    };
    if let Some(merged) = merged {
        original.insert(key, merged);
    }
    Ok(())
}

/// `$retainKeys`: of the original only these keys stay.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Merged<()> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(keys) = keys else {
        return Err(format!("{RETAIN_KEYS} is a list of keys"));
    };
    let retained = |key: &str| keys.iter().any(|name| name.as_str() == Some(key));
    let directive = |key: &str| key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
    let stray =
        patch.iter().find(|(key, value)| !value.is_null() && !directive(key) && !retained(key));
    if let Some((key, _)) = stray {
        return Err(format!("the patch has {key:?}, which {RETAIN_KEYS} does not name"));
    }
    original.retain(|key, _| retained(key));
    Ok(())
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// `None` for a map that is a directive itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(entries) if entries.contains_key(PATCH) => None,
        Value::Object(entries) => {
            let kept = entries
                .into_iter()
                .filter_map(|(key, value)| without_directives(value).map(|value| (key, value)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests;
