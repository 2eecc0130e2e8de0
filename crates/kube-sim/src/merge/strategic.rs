//! The strategic merge patch: a merge patch that knows how the lists of built-in types merge, and
//! directives that say more. What kubectl sends for `edit`, `set`, `scale`, `label` and client-side
//! `apply`.

use serde_json::{Map, Value};

use super::PatchError;
use super::check::{plain, type_name};
use super::json::not_an_object;
use super::shape::child;
use crate::schema::{Node, Strategy, Table};

type Fields = Map<String, Value>;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

const BAD_RETAIN_KEYS: &str = "invalid patch format of retainKeys";

/// Merges a patch into an object.
pub(super) fn merge_fields(
    table: &Table,
    node: &Node,
    live: &mut Fields,
    patch: &Fields,
) -> Result<(), PatchError> {
    match patch.get(DIRECTIVE) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            *live = patch.clone();
            live.remove(DIRECTIVE);
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "delete" => {
            live.clear();
            return Ok(());
        }
        Some(other) => return Err(unknown_directive(other, patch)),
    }
    retain_keys(live, patch)?;
    for (name, change) in patch {
        if name == DIRECTIVE || name == RETAIN_KEYS || name.starts_with(SET_ORDER) {
            continue;
        }
        if let Some(name) = name.strip_prefix(DELETE_FROM_LIST) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (live.get_mut(name), change) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        merge_field(table, node, live, name, change, patch)?;
    }
    for (name, order) in patch {
        let Some(name) = name.strip_prefix(SET_ORDER) else { continue };
        let Value::Array(order) = order else {
            let kind = type_name(order);
            let message = format!("expected a []interface {{}}, but received a {kind}");
            return Err(PatchError::Failed(message));
        };
        let strategy = strategy(table, node, name);
        let sent = patch.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        check_order(sent, order, strategy.merge_key.as_deref())?;
        // A patched list was put in order when it was merged.
        if !patch.contains_key(name)
            && let Some(Value::Array(items)) = live.get_mut(name)
        {
            let before = items.clone();
            sort_items(items, order, &before, strategy.merge_key.as_deref())?;
        }
    }
    Ok(())
}

fn malformed(message: &str) -> PatchError {
    PatchError::Malformed(message.to_owned())
}

fn unknown_directive(directive: &Value, patch: &Fields) -> PatchError {
    let patch = plain(&Value::Object(patch.clone()));
    PatchError::Failed(format!("unknown patch type: {} in map: {patch}", plain(directive)))
}

/// How a field is patched. What is not declared has no strategy: maps merge and lists replace.
fn strategy(table: &Table, node: &Node, name: &str) -> Strategy {
    child(table, node, name).field.map(|field| field.strategy.clone()).unwrap_or_default()
}

/// `$retainKeys` says which fields stay; fields that the patch sets must be among them.
fn retain_keys(live: &mut Fields, patch: &Fields) -> Result<(), PatchError> {
    let Some(keys) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return Err(malformed(BAD_RETAIN_KEYS)) };
    let retained = |name: &str| keys.iter().any(|key| key.as_str() == Some(name));
    let is_directive = |name: &str| name.starts_with('$');
    if patch.iter().any(|(name, value)| !value.is_null() && !is_directive(name) && !retained(name))
    {
        return Err(malformed(BAD_RETAIN_KEYS));
    }
    live.retain(|name, _| retained(name));
    Ok(())
}

fn merge_field(
    table: &Table,
    node: &Node,
    live: &mut Fields,
    name: &str,
    change: &Value,
    patch: &Fields,
) -> Result<(), PatchError> {
    let strategy = strategy(table, node, name);
    let below = child(table, node, name).node;
    match (live.get_mut(name), change) {
        (_, Value::Null) => {
            live.remove(name);
        }
        (Some(Value::Object(there)), Value::Object(change)) => {
            merge_fields(table, below, there, change)?;
        }
        (Some(Value::Array(there)), Value::Array(change)) if strategy.merge => {
            let order = patch.get(&format!("{SET_ORDER}{name}")).and_then(Value::as_array);
            merge_items(table, below, there, change, order, strategy.merge_key.as_deref())?;
        }
        // The real server looks for no directives in a list that it replaces.
        (Some(Value::Array(there)), Value::Array(change)) => there.clone_from(change),
        _ => match without_directives(change) {
            Some(value) => {
                live.insert(name.to_owned(), value);
            }
            None => {
                live.remove(name);
            }
        },
    }
    Ok(())
}

/// A value as it is when nothing is there to merge it into: without nulls and directives. `None`
/// when it is itself a directive.
fn without_directives(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| {
                !value.is_null()
                    && *name != RETAIN_KEYS
                    && !name.starts_with(SET_ORDER)
                    && !name.starts_with(DELETE_FROM_LIST)
            });
            let kept =
                kept.filter_map(|(name, value)| Some((name.clone(), without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(items.iter().filter_map(without_directives).collect()),
        value => Some(value.clone()),
    }
}

fn merge_items(
    table: &Table,
    node: &Node,
    live: &mut Vec<Value>,
    patch: &[Value],
    order: Option<&Vec<Value>>,
    merge_key: Option<&str>,
) -> Result<(), PatchError> {
    let before = live.clone();
    let Some(first) = live.first().or_else(|| patch.first()) else { return Ok(()) };
    if first.is_array() {
        return Err(PatchError::Refused("lists of lists are not supported".to_owned()));
    }
    let is_object = first.is_object();
    if live.iter().chain(patch).any(|item| item.is_object() != is_object) {
        return Err(PatchError::Failed(format!(
            "list element types are not identical: [{} {}]",
            plain(&Value::Array(live.clone())),
            plain(&Value::Array(patch.to_vec()))
        )));
    }
    if is_object {
        let Some(key) = merge_key else {
            return Err(PatchError::Failed("cannot merge lists without merge key".to_owned()));
        };
        merge_objects(table, node, live, patch, key)?;
    } else {
        for item in patch {
            if !live.contains(item) {
                live.push(item.clone());
            }
        }
    }
    let sent: Vec<Value> =
        patch.iter().filter(|item| item.get(DIRECTIVE).is_none()).cloned().collect();
    sort_items(live, order.unwrap_or(&sent), &before, merge_key.filter(|_| is_object))
}

fn merge_objects(
    table: &Table,
    node: &Node,
    live: &mut Vec<Value>,
    patch: &[Value],
    key: &str,
) -> Result<(), PatchError> {
    let item_type = match node {
        Node::List { item, .. } => table.node(*item),
        other => other,
    };
    let mut replaces = false;
    for change in patch.iter().filter_map(Value::as_object) {
        match change.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
            None => {}
            Some("delete") => {
                let gone = change.get(key).ok_or_else(|| no_merge_key(change, key))?;
                live.retain(|item| item.get(key) != Some(gone));
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                let message = "merging lists cannot yet be specified in the patch";
                return Err(PatchError::Failed(message.to_owned()));
            }
            Some(_) => return Err(unknown_directive(&change[DIRECTIVE], change)),
        }
    }
    if replaces {
        live.clear();
    }
    for change in patch.iter().filter_map(Value::as_object) {
        if change.contains_key(DIRECTIVE) {
            continue;
        }
        let name = change.get(key).ok_or_else(|| no_merge_key(change, key))?;
        let there = live.iter_mut().find(|item| item.get(key) == Some(name));
        match there.and_then(Value::as_object_mut) {
            Some(there) => merge_fields(table, item_type, there, change)?,
            None => live.extend(without_directives(&Value::Object(change.clone()))),
        }
    }
    Ok(())
}

fn no_merge_key(item: &Fields, key: &str) -> PatchError {
    PatchError::Failed(format!(
        "map: {} does not contain declared merge key: {key}",
        plain(&Value::Object(item.clone()))
    ))
}

/// The items of a patch must stand in the order that the patch asks for.
fn check_order(sent: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    if sent.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for item in sent.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let name = name_of(item, key);
        if !wanted.any(|wanted| name_of(wanted, key) == name) {
            return Err(PatchError::Failed(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                plain(&Value::Array(sent.to_vec())),
                plain(&Value::Array(order.to_vec()))
            )));
        }
    }
    Ok(())
}

fn name_of<'v>(item: &'v Value, key: Option<&str>) -> Option<&'v Value> {
    match key {
        Some(key) => item.get(key),
        None => Some(item),
    }
}

/// Puts a merged list in order: the items of the patch as the patch has them, the others as they
/// were, and between the two the order of the live list where both were in it.
fn sort_items(
    items: &mut Vec<Value>,
    order: &[Value],
    before: &[Value],
    key: Option<&str>,
) -> Result<(), PatchError> {
    if let Some(key) = key
        && let Some(nameless) = items.iter().chain(order).find(|item| item.get(key).is_none())
    {
        let fields = nameless.as_object().cloned().unwrap_or_default();
        return Err(no_merge_key(&fields, key));
    }
    let place = |list: &[Value], item: &Value| {
        list.iter().position(|other| name_of(other, key) == name_of(item, key))
    };
    let (mut ours, mut others): (Vec<Value>, Vec<Value>) =
        std::mem::take(items).into_iter().partition(|item| place(order, item).is_some());
    ours.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(before, item));
    let mut others = others.into_iter().peekable();
    for item in ours {
        let at = place(before, &item);
        while let Some(other) = others.next_if(|other| match (place(before, other), at) {
            (Some(other), Some(at)) => other < at,
            _ => false,
        }) {
            items.push(other);
        }
        items.push(item);
    }
    items.extend(others);
    Ok(())
}

/// The object with the patch merged into it.
pub(super) fn strategic_merge_patch(
    table: &Table,
    node: &Node,
    live: &Value,
    patch: &Value,
) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        return Err(PatchError::Malformed(not_an_object(patch)));
    };
    let mut merged = live.as_object().cloned().unwrap_or_default();
    merge_fields(table, node, &mut merged, patch)?;
    Ok(Value::Object(merged))
}
