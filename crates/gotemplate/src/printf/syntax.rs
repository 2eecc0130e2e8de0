//! `%#v`: a value as Go's source would write it. Width and flags are those of each part.

use super::{Spec, complex, copy, cut, floating, integer, pad, string};
use crate::functions::dates;
use crate::value::{IntType, Items, Value};

pub(super) fn syntax(spec: &Spec, value: &Value) -> Vec<u8> {
    match value {
        Value::Missing | Value::Nil => pad(spec, b"<nil>".to_vec()),
        Value::Bool(flag) => pad(spec, flag.to_string().into_bytes()),
        Value::Int(number, IntType::Uint8 | IntType::Uint64) => {
            integer(&Spec { sharp: true, ..copy(spec) }, 'x', *number, value)
        }
        Value::Int(number, _) | Value::Duration(number) => integer(spec, 'd', *number, value),
        Value::Float(number) => floating(spec, 'v', *number, value),
        Value::Complex(real, imaginary) => complex(spec, 'v', (*real, *imaginary), value),
        Value::String(text) => string(spec, 'q', text.bytes(), value),
        Value::List(list) if list.nil => format!("{}(nil)", value.type_name()).into_bytes(),
        Value::Map(map) if map.nil => format!("{}(nil)", value.type_name()).into_bytes(),
        Value::List(list) => {
            let items = list.values.iter().map(|item| part(spec, item, list.items));
            composite(spec, &value.type_name(), items)
        }
        Value::Map(map) => {
            let items = map.entries().into_iter().map(|(key, item)| {
                let mut shown = syntax(spec, &Value::String(key));
                shown.push(b':');
                shown.extend(part(spec, &item, map.items));
                shown
            });
            composite(spec, &value.type_name(), items)
        }
        Value::Certificate(pair) => {
            let fields = pair.fields().into_iter();
            composite(spec, &value.type_name(), fields.map(|field| named(spec, field)))
        }
        Value::Version(version) => {
            let fields = version.fields().into_iter();
            composite(spec, "&semver.Version", fields.map(|field| named(spec, field)))
        }
        Value::Time(time) => pad(spec, cut(spec, dates::go_syntax(&time.0).as_bytes())),
    }
}

fn named(spec: &Spec, (name, value): (&str, Value)) -> Vec<u8> {
    let mut shown = format!("{name}:").into_bytes();
    shown.extend(syntax(spec, &value));
    shown
}

/// A nil that lies in an interface tells that type.
fn part(spec: &Spec, value: &Value, items: Items) -> Vec<u8> {
    match value {
        Value::Missing | Value::Nil if items == Items::Any => b"interface {}(nil)".to_vec(),
        value => syntax(spec, value),
    }
}

fn composite(spec: &Spec, name: &str, items: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = name.as_bytes().to_vec();
    out.push(b'{');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend(item);
        if out.len() > spec.room {
            break;
        }
    }
    out.push(b'}');
    out
}
