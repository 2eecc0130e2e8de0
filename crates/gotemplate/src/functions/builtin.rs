//! Go's own functions: comparison, indexing, printing, escaping.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::Param::{Any, String as Str};
use super::{Answer, Call, Function};
use crate::exec::Message;
use crate::print;
use crate::printf::sprintf;
use crate::value::{IntType, Items, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    // The two are evaluated by the executor, which stops early.
    Function::new("and", &[Any], |call| Ok(call.arguments[0].clone())).and_more(Any),
    Function::new("or", &[Any], |call| Ok(call.arguments[0].clone())).and_more(Any),
    Function::new("not", &[Any], |call| Ok(Value::Bool(!call.arguments[0].is_true()))).light(),
    Function::new("call", &[Any], |call| {
        Err(format!("non-function of type {}", call.arguments[0].type_name()).into())
    })
    .and_more(Any),
    Function::new("len", &[Any], len).light(),
    Function::new("index", &[Any], index).light().and_more(Any),
    Function::new("eq", &[Any], eq).and_more(Any),
    Function::new("ne", &[Any, Any], |call| {
        Ok(Value::Bool(!equal(&call.arguments[0], &call.arguments[1])?))
    }),
    Function::new("lt", &[Any, Any], |call| order(call, |order| order == Ordering::Less)),
    Function::new("le", &[Any, Any], |call| order(call, |order| order != Ordering::Greater)),
    Function::new("gt", &[Any, Any], |call| order(call, |order| order == Ordering::Greater)),
    Function::new("ge", &[Any, Any], |call| order(call, |order| order != Ordering::Less)),
    Function::new("print", &[], |call| Ok(Value::string(sprint_all(call.arguments)))).and_more(Any),
    Function::new("println", &[], |call| {
        let mut out = call.arguments.iter().map(print::sprint).collect::<Vec<_>>().join(&b' ');
        out.push(b'\n');
        Ok(Value::string(out))
    })
    .and_more(Any),
    Function::new("printf", &[Str], |call| {
        let out = sprintf(call.bytes(0), &call.arguments[1..], call.limits.bytes);
        call.room(out.len())?;
        Ok(Value::string(out))
    })
    .and_more(Any),
    Function::new("html", &[], |call| Ok(Value::string(html(&joined(call))))).and_more(Any),
    Function::new("js", &[], |call| Ok(Value::string(js(&joined(call))))).and_more(Any),
    Function::new("urlquery", &[], |call| Ok(Value::string(query_escape(&joined(call)))))
        .and_more(Any),
];

/// `fmt.Sprint`: a space between two operands of which neither is a string.
fn sprint_all(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::String(_));
        if i > 0 && !is_text(value) && !is_text(&values[i - 1]) {
            out.push(b' ');
        }
        out.extend(print::sprint(value));
    }
    out
}

/// What an escaping function works on; a nil shows as it would by itself.
fn joined(call: &Call<'_>) -> String {
    let shown = |value: &Value| match value {
        Value::Missing | Value::Nil => Value::string("<no value>"),
        value => value.clone(),
    };
    let arguments: Vec<_> = call.arguments.iter().map(shown).collect();
    crate::value::lossy(&sprint_all(&arguments)).into_owned()
}

fn len(call: &Call<'_>) -> Answer {
    let length = match &call.arguments[0] {
        Value::String(text) => text.bytes().len(),
        Value::List(list) => list.values.len(),
        Value::Map(map) => map.len(),
        Value::Missing | Value::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.type_name()).into()),
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(call: &Call<'_>) -> Answer {
    let mut item = call.arguments[0].clone();
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    for key in &call.arguments[1..] {
        item = match (&item, key) {
            (Value::Map(map), Value::String(key)) => {
                map.get(key.bytes()).unwrap_or(match map.items {
                    Items::String => Value::string(""),
                    _ => Value::Nil,
                })
            }
            (Value::Map(_), Value::Nil | Value::Missing) => {
                return Err("value is nil; should be of type string".into());
            }
            (Value::Map(_), key) => {
                return Err(format!("value has type {}; should be string", key.type_name()).into());
            }
            (Value::List(list), key) => list.values[place(key, list.values.len())?].clone(),
            (Value::String(text), key) => {
                let byte = text.bytes()[place(key, text.bytes().len())?];
                Value::Int(byte.into(), IntType::Uint8)
            }
            (Value::Missing | Value::Nil, _) => return Err("index of nil pointer".into()),
            (other, _) => {
                return Err(format!("can't index item of type {}", other.type_name()).into());
            }
        };
    }
    Ok(item)
}

fn place(key: &Value, length: usize) -> Result<usize, Message> {
    match key {
        Value::Int(at, _) => usize::try_from(*at)
            .ok()
            .filter(|at| *at < length)
            .ok_or_else(|| format!("index out of range: {at}").into()),
        Value::Missing | Value::Nil => Err("cannot index slice/array with nil".into()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name()).into()),
    }
}

/// What can be compared with what.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    Bool,
    Int,
    Float,
    Complex,
    String,
    Other,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(..) | Value::Duration(_) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Complex(..) => Basic::Complex,
        Value::String(_) => Basic::String,
        _ => Basic::Other,
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(value, _) | Value::Duration(value) => *value,
        _ => 0,
    }
}

fn eq(call: &Call<'_>) -> Answer {
    let (first, others) = call.arguments.split_first().expect("it has one parameter");
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn equal(a: &Value, b: &Value) -> Result<bool, Message> {
    let (kind, other) = (basic(a), basic(b));
    if kind != other {
        if a.is_nil() || b.is_nil() {
            return Ok(false);
        }
        return Err("incompatible types for comparison".into());
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Complex(a, i), Value::Complex(b, j)) => Ok(a == b && i == j),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        _ if kind == Basic::Int => Ok(integer(a) == integer(b)),
        _ if (a.is_null() || b.is_null()) && (a.is_nil() || b.is_nil() || a.kind() == b.kind()) => {
            Ok(a.is_null() == b.is_null())
        }
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Version(a), Value::Version(b)) => Ok(std::rc::Rc::ptr_eq(a, b)),
        (Value::Certificate(a), Value::Certificate(b)) => Ok(a == b),
        // Structs of different types can be compared, and are never equal.
        (Value::Certificate(_), Value::Time(_)) | (Value::Time(_), Value::Certificate(_)) => {
            Ok(false)
        }
        _ => Err(format!(
            "non-comparable types {}: {}, {}: {}",
            print::text(a),
            a.type_name(),
            b.type_name(),
            print::text(b)
        )
        .into()),
    }
}

fn order(call: &Call<'_>, holds: fn(Ordering) -> bool) -> Answer {
    let (a, b) = (&call.arguments[0], &call.arguments[1]);
    let (kind, other) = (basic(a), basic(b));
    if kind == Basic::Other || other == Basic::Other {
        return Err("invalid type for comparison".into());
    }
    if kind != other {
        return Err("incompatible types for comparison".into());
    }
    let order = match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ if kind == Basic::Int => Some(integer(a).cmp(&integer(b))),
        _ => return Err("invalid type for comparison".into()),
    };
    // Nothing holds of NaN.
    Ok(Value::Bool(order.is_some_and(holds)))
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("a String takes all");
            }
            c if u32::from(c) < 0x20 => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("a String takes all");
            }
            c if !c.is_ascii() && !print::is_printable(c) => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("a String takes all");
            }
            c => out.push(c),
        }
    }
    out
}

/// `url.QueryEscape`.
pub(super) fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => write!(out, "%{byte:02X}").expect("a String takes all"),
        }
    }
    out
}
