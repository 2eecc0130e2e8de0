//! Lists in a patch: replaced, merged by value, shortened and put in order.

use model::argo::schema::Kind;
use serde_json::{Map, Value};

use super::{Merged, SET_ORDER, lookup};

/// The only list that merges: its values are those of both, each once.
const MERGED: &str = "finalizers";

/// The list that a directive such as `$setElementOrder/finalizers` is about.
pub(super) fn named_list(key: &str, directive: &str) -> Merged<String> {
    match key.split_once('/') {
        Some((prefix, list)) if prefix == directive => Ok(list.to_owned()),
        _ => Err(format!("{key:?} names no list; write {directive}/LIST")),
    }
}

pub(super) fn merge(
    key: &str,
    original: Vec<Value>,
    patch: Vec<Value>,
    kind: Kind,
    deletes: bool,
) -> Merged<Vec<Value>> {
    if !matches!(kind, Kind::List(_)) {
        return Err(format!("{key:?} is no list that could be merged"));
    }
    if deletes {
        return delete(key, original, &patch);
    }
    match key {
        MERGED => merge_values(key, original, patch),
        _ => Ok(patch),
    }
}

/// Text, numbers or booleans, all of one kind.
fn check_values<'a>(key: &str, values: impl Iterator<Item = &'a Value>) -> Merged<()> {
    let mut first = None;
    for value in values {
        if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
            return Err(format!("the values of {key:?} cannot be merged; write plain ones"));
        }
        let kind = std::mem::discriminant(value);
        if *first.get_or_insert(kind) != kind {
            return Err(format!("the values of {key:?} are not all of one kind"));
        }
    }
    Ok(())
}

fn delete(key: &str, mut original: Vec<Value>, patch: &[Value]) -> Merged<Vec<Value>> {
    check_values(key, original.iter().chain(patch))?;
    original.retain(|value| !patch.contains(value));
    Ok(original)
}

fn merge_values(key: &str, original: Vec<Value>, patch: Vec<Value>) -> Merged<Vec<Value>> {
    check_values(key, original.iter().chain(&patch))?;
    let mut all: Vec<Value> = Vec::new();
    for value in original.iter().chain(&patch) {
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    Ok(in_order(all, &patch, &original))
}

/// The values that an order names, in that order, and between them the others, as they stood among
/// the original ones.
fn in_order(all: Vec<Value>, order: &[Value], original: &[Value]) -> Vec<Value> {
    let index = |list: &[Value], value: &Value| list.iter().position(|other| other == value);
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|value| order.contains(value));
    named.sort_by_key(|value| index(order, value));
    others.sort_by_key(|value| index(original, value));
    let mut merged = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(name), Some(other)) = (named.peek(), others.peek()) {
        let before = match (index(original, other), index(original, name)) {
            (Some(other), Some(name)) => other < name,
            _ => false,
        };
        merged.extend(if before { others.next() } else { named.next() });
    }
    merged.extend(named);
    merged.extend(others);
    merged
}

/// `$setElementOrder/LIST`: the list is merged and put in this order at once.
pub(super) fn set_orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    kind: Option<Kind>,
) -> Merged<()> {
    let directives: Vec<String> =
        patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let Some(Value::Array(order)) = patch.remove(&directive) else {
            return Err(format!("{directive} is a list"));
        };
        let key = named_list(&directive, SET_ORDER)?;
        let list = |from: Option<&Value>| match from {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(_) => Err(format!("{directive} is for a list, and {key:?} is none")),
        };
        let (ours, theirs) = (list(original.get(&key))?, list(patch.get(&key))?);
        let kind = lookup(kind, &key)?;
        check_order(&directive, theirs.as_deref().unwrap_or_default(), &order)?;
        let before = ours.clone().unwrap_or_default();
        let merged = match (ours, theirs) {
            (None, None) => continue,
            (Some(ours), None) => ours,
            (None, Some(theirs)) => theirs,
            (Some(ours), Some(theirs)) => merge(&key, ours, theirs, kind, false)?,
        };
        check_values(&key, merged.iter())?;
        patch.remove(&key);
        original.insert(key, Value::Array(in_order(merged, &order, &before)));
    }
    Ok(())
}

/// The values of the patch stand in the order too, and in no other.
fn check_order(directive: &str, patch: &[Value], order: &[Value]) -> Merged<()> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut left = patch.iter().peekable();
    for value in order {
        left.next_if(|next| *next == value);
    }
    match left.next() {
        None => Ok(()),
        Some(value) => Err(format!("{value} is not where {directive} puts it")),
    }
}
