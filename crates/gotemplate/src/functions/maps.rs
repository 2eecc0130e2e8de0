//! sprig's functions on maps. `set`, `unset` and the merges change their first argument.

use super::Param::{Any, Map as MapParam, String as Str};
use super::{Answer, Call, Function, cast};
use crate::exec::Message;
use crate::value::{Items, Map, Text, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("dict", &[], dict).and_more(Any),
    Function::new("get", &[MapParam, Str], |call| {
        Ok(call.map(0).get(call.bytes(1)).unwrap_or_else(|| Value::string("")))
    })
    .light(),
    Function::new("set", &[MapParam, Str, Any], |call| {
        let map = call.map(0);
        if map.nil {
            return Err("assignment to entry in nil map".into());
        }
        if call.arguments[2].contains(map) {
            return Err("a map cannot contain itself".into());
        }
        map.insert(call.bytes(1).into(), call.arguments[2].clone());
        Ok(call.arguments[0].clone())
    }),
    Function::new("unset", &[MapParam, Str], |call| {
        call.map(0).remove(call.bytes(1));
        Ok(call.arguments[0].clone())
    })
    .light(),
    Function::new("hasKey", &[MapParam, Str], |call| {
        Ok(Value::Bool(call.map(0).get(call.bytes(1)).is_some()))
    })
    .light(),
    Function::new("pluck", &[Str], |call| {
        let maps = (1..call.arguments.len()).map(|i| call.map(i));
        Ok(Value::list(maps.filter_map(|map| map.get(call.bytes(0))).collect()))
    })
    .and_more(MapParam),
    Function::new("keys", &[], |call| {
        let maps = (0..call.arguments.len()).map(|i| call.map(i));
        let keys = maps.flat_map(Map::entries).map(|(key, _)| key);
        Ok(Value::strings(keys))
    })
    .and_more(MapParam),
    Function::new("values", &[MapParam], |call| {
        Ok(Value::list(call.map(0).entries().into_iter().map(|(_, value)| value).collect()))
    }),
    Function::new("pick", &[MapParam], |call| Ok(chosen(call, true))).and_more(Str),
    Function::new("omit", &[MapParam], |call| Ok(chosen(call, false))).and_more(Str),
    Function::new("merge", &[MapParam], |call| merged(call, fill)).and_more(MapParam),
    Function::new("mustMerge", &[MapParam], |call| merged(call, fill)).and_more(MapParam),
    Function::new("mergeOverwrite", &[MapParam], |call| merged(call, overwrite)).and_more(MapParam),
    Function::new("mustMergeOverwrite", &[MapParam], |call| merged(call, overwrite))
        .and_more(MapParam),
    Function::new("deepCopy", &[Any], deep_copy),
    Function::new("mustDeepCopy", &[Any], deep_copy),
    Function::new("dig", &[], dig).light().and_more(Any),
];

fn dict(call: &Call<'_>) -> Answer {
    let entry = |pair: &[Value]| {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::string(""));
        (Text::from(cast::text(&pair[0])), value)
    };
    Ok(Value::map(call.arguments.chunks(2).map(entry).collect()))
}

fn chosen(call: &Call<'_>, wanted: bool) -> Value {
    let named = |key: &Text| (1..call.arguments.len()).any(|i| call.bytes(i) == key.bytes());
    let entries = call.map(0).entries().into_iter();
    Value::map(entries.filter(|(key, _)| named(key) == wanted).collect())
}

fn merged(call: &Call<'_>, merge: fn(&Map, &Map)) -> Answer {
    let target = match call.map(0) {
        // Into nothing a map is merged all the same; nothing into nothing stays nothing.
        map if map.nil && (1..call.arguments.len()).any(|i| !call.map(i).is_empty()) => {
            Value::map(std::collections::BTreeMap::new())
        }
        _ => call.arguments[0].clone(),
    };
    let Value::Map(map) = &target else { return Ok(target) };
    for source in &call.arguments[1..] {
        // A map must not come to lie within itself, so what the two share is copied.
        let source = if source.shares(&target) { copy(source) } else { source.clone() };
        if let Value::Map(source) = source {
            merge(map, &source);
        }
    }
    Ok(target)
}

/// What the target lacks, or has empty, comes from the source; nulls never do.
fn fill(target: &Map, source: &Map) {
    for (key, value) in source.entries() {
        match (target.get(key.bytes()), &value) {
            (Some(Value::Map(inner)), Value::Map(other)) => fill(&inner, other),
            (Some(known), _) if known.is_true() => {}
            (_, Value::Nil | Value::Missing) => {}
            _ => target.insert(key, value),
        }
    }
}

/// What the source has wins, empty values too.
fn overwrite(target: &Map, source: &Map) {
    for (key, value) in source.entries() {
        match (target.get(key.bytes()), &value) {
            (Some(Value::Map(inner)), Value::Map(other)) => overwrite(&inner, other),
            _ => target.insert(key, value),
        }
    }
}

fn deep_copy(call: &Call<'_>) -> Answer {
    if call.arguments[0].is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    Ok(copy(&call.arguments[0]))
}

fn copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let entries = map.entries().into_iter().map(|(key, value)| (key, copy(&value)));
            Value::Map(Map::new(map.items, entries.collect()))
        }
        Value::List(list) => Value::list_of(list.items, list.values.iter().map(copy).collect()),
        other => other.clone(),
    }
}

fn dig(call: &Call<'_>) -> Answer {
    let [keys @ .., default, target] = call.arguments else {
        return Err("dig needs at least three arguments".into());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let mut value = target.clone();
    for key in keys {
        let map = any_map(&value)?;
        let Value::String(key) = key else {
            return Err(conversion(key, "string"));
        };
        match map.get(key.bytes()) {
            Some(found) => value = found,
            None => return Ok(default.clone()),
        }
    }
    Ok(value)
}

fn any_map(value: &Value) -> Result<Map, Message> {
    match value {
        Value::Map(map) if map.items == Items::Any => Ok(map.clone()),
        other => Err(conversion(other, "map[string]interface {}")),
    }
}

fn conversion(value: &Value, wanted: &str) -> Message {
    let found = if value.is_nil() { "nil".into() } else { value.type_name() };
    format!("interface conversion: interface {{}} is {found}, not {wanted}").into()
}
