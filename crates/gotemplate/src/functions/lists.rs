//! sprig's functions on lists. Each makes a new list; none changes its argument.

use super::Param::{Any, Int};
use super::{Answer, Call, Function, cast, room_for_items};
use crate::exec::Message;
use crate::value::{Items, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("list", &[], |call| Ok(Value::list(call.arguments.to_vec()))).and_more(Any),
    Function::new("tuple", &[], |call| Ok(Value::list(call.arguments.to_vec()))).and_more(Any),
    Function::new("append", &[Any, Any], push),
    Function::new("mustAppend", &[Any, Any], push),
    Function::new("push", &[Any, Any], push),
    Function::new("mustPush", &[Any, Any], push),
    Function::new("prepend", &[Any, Any], prepend),
    Function::new("mustPrepend", &[Any, Any], prepend),
    Function::new("first", &[Any], first).light(),
    Function::new("mustFirst", &[Any], first).light(),
    Function::new("rest", &[Any], rest),
    Function::new("mustRest", &[Any], rest),
    Function::new("last", &[Any], last).light(),
    Function::new("mustLast", &[Any], last).light(),
    Function::new("initial", &[Any], initial),
    Function::new("mustInitial", &[Any], initial),
    Function::new("reverse", &[Any], reverse),
    Function::new("mustReverse", &[Any], reverse),
    Function::new("uniq", &[Any], uniq),
    Function::new("mustUniq", &[Any], uniq),
    Function::new("compact", &[Any], compact),
    Function::new("mustCompact", &[Any], compact),
    Function::new("without", &[Any], without).and_more(Any),
    Function::new("mustWithout", &[Any], without).and_more(Any),
    Function::new("has", &[Any, Any], has),
    Function::new("mustHas", &[Any, Any], has),
    Function::new("slice", &[Any], slice).and_more(Any),
    Function::new("mustSlice", &[Any], slice).and_more(Any),
    Function::new("chunk", &[Int, Any], chunk),
    Function::new("mustChunk", &[Int, Any], chunk),
    Function::new("concat", &[], concat).and_more(Any),
];

/// The items of a list; anything else is an error that names what was tried.
fn items<'a>(value: &'a Value, tried: &str) -> Result<&'a [Value], Message> {
    match value {
        Value::List(list) => Ok(&list.values),
        Value::Missing | Value::Nil => {
            Err("runtime error: invalid memory address or nil pointer dereference".into())
        }
        other => Err(format!("Cannot {tried} {}", other.kind().name()).into()),
    }
}

fn push(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "push on type")?;
    room_for_items(list.len() + 1)?;
    Ok(Value::list(list.iter().chain([&call.arguments[1]]).cloned().collect()))
}

fn prepend(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "prepend on type")?;
    room_for_items(list.len() + 1)?;
    Ok(Value::list([&call.arguments[1]].into_iter().chain(list).cloned().collect()))
}

fn first(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find first on type")?;
    Ok(list.first().cloned().unwrap_or(Value::Nil))
}

fn last(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find last on type")?;
    Ok(list.last().cloned().unwrap_or(Value::Nil))
}

fn rest(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find rest on type")?;
    if list.is_empty() {
        return Ok(Value::nil_list(Items::Any));
    }
    Ok(Value::list(list.iter().skip(1).cloned().collect()))
}

fn initial(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find initial on type")?;
    if list.is_empty() {
        return Ok(Value::nil_list(Items::Any));
    }
    Ok(Value::list(list[..list.len().saturating_sub(1)].to_vec()))
}

fn reverse(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find reverse on type")?;
    Ok(Value::list(list.iter().rev().cloned().collect()))
}

/// How many pairs `uniq` may compare: some thousand different items.
const MAX_COMPARISONS: usize = 20_000_000;

fn uniq(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find uniq on type")?;
    let mut kept: Vec<Value> = Vec::new();
    for (i, item) in list.iter().enumerate() {
        if i.saturating_mul(kept.len()) > MAX_COMPARISONS {
            return Err("the list has too many different items".into());
        }
        if !kept.iter().any(|known| known.deep_equal(item)) {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn compact(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "compact on type")?;
    Ok(Value::list(list.iter().filter(|item| item.is_true()).cloned().collect()))
}

fn without(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[0], "find without on type")?;
    let left_out = &call.arguments[1..];
    if list.len().saturating_mul(left_out.len()) > MAX_COMPARISONS {
        return Err("there is too much to compare".into());
    }
    let kept = list.iter().filter(|item| !left_out.iter().any(|other| other.deep_equal(item)));
    Ok(Value::list(kept.cloned().collect()))
}

fn has(call: &Call<'_>) -> Answer {
    if call.arguments[1].is_nil() {
        return Ok(Value::Bool(false));
    }
    let list = items(&call.arguments[1], "find has on type")?;
    Ok(Value::Bool(list.iter().any(|item| item.deep_equal(&call.arguments[0]))))
}

fn slice(call: &Call<'_>) -> Answer {
    let Value::List(list) = &call.arguments[0] else {
        let kind = call.arguments[0].kind().name();
        return Err(format!("list should be type of slice or array but {kind}").into());
    };
    let length = list.values.len();
    if length == 0 {
        return Ok(Value::Nil);
    }
    let bound = |i: usize, default: usize| match call.arguments.get(i) {
        None => Ok(default),
        Some(value) => usize::try_from(cast::int(value)).map_err(|_| OUT_OF_RANGE),
    };
    let (start, end) = (bound(1, 0)?, bound(2, length)?);
    let part = list.values.get(start..end).ok_or(OUT_OF_RANGE)?;
    Ok(Value::list_of(list.items, part.to_vec()))
}

const OUT_OF_RANGE: &str = "reflect.Value.Slice: slice index out of bounds";

fn chunk(call: &Call<'_>) -> Answer {
    let list = items(&call.arguments[1], "chunk type")?;
    let size = call.int(0);
    // There the number of chunks is computed before anything else: it may come out as none.
    let last = i64::try_from(list.len()).unwrap_or(i64::MAX) - 1;
    if size < 0 && last > 0 && last <= size.saturating_neg() {
        return Ok(Value::list_of(Items::Lists, Vec::new()));
    }
    let size = usize::try_from(size).ok().filter(|size| *size > 0);
    let size = size.ok_or("a chunk has at least one item")?;
    let values = list.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect();
    Ok(Value::list_of(Items::Lists, values))
}

fn concat(call: &Call<'_>) -> Answer {
    let mut all = Vec::new();
    for list in call.arguments {
        let Value::List(list) = list else {
            let kind = list.kind().name();
            return Err(format!("Cannot concat type {kind} as list").into());
        };
        room_for_items(all.len() + list.values.len())?;
        all.extend_from_slice(&list.values);
    }
    if all.is_empty() {
        return Ok(Value::nil_list(Items::Any));
    }
    Ok(Value::list(all))
}
