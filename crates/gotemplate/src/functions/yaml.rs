//! YAML in and out, as `sigs.k8s.io/yaml` reads and writes it: through JSON, keys in order.

mod scalar;

use super::Function;
use super::Param::{Any, String as Str};
use crate::exec::Message;
use crate::print;
use crate::value::Value;
use scalar::{is_break, scalar};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toYaml", &[Any], |call| {
        let mut out = String::new();
        write(&mut out, &call.arguments[0], 0, Place::Top)?;
        call.room(out.len())?;
        Ok(Value::string(out))
    }),
    Function::new("fromYaml", &[Str], |call| match read(call.bytes(0))? {
        Value::Nil => Ok(Value::map(std::collections::BTreeMap::new())),
        map @ Value::Map(_) => Ok(map),
        other => Err(mismatch(&other, "map[string]interface {}")),
    }),
    Function::new("fromYamlArray", &[Str], |call| match read(call.bytes(0))? {
        Value::Nil => Ok(Value::list(Vec::new())),
        list @ Value::List(_) => Ok(list),
        other => Err(mismatch(&other, "[]interface {}")),
    }),
];

/// The longest text that a template may read, in bytes: far more than any parameter file.
const MAX_BYTES: usize = 10 << 20;

fn mismatch(value: &Value, wanted: &str) -> Message {
    let found = match value {
        Value::Map(_) => "object",
        Value::List(_) => "array",
        Value::Float(_) => "number",
        Value::Bool(_) => "bool",
        _ => "string",
    };
    format!(
        "error unmarshaling JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
    )
    .into()
}

fn read(bytes: &[u8]) -> Result<Value, Message> {
    let document = model::yaml::read_as_go(bytes, MAX_BYTES).map_err(|error| error.to_string())?;
    Ok(Value::from_json(&document))
}

/// Where a value stands: a block value begins on a new line in a map, on the same one in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Key,
    Item,
}

fn write(out: &mut String, value: &Value, indent: usize, place: Place) -> Result<(), Message> {
    match value {
        value if value.is_null() => out.push_str("null"),
        Value::List(list) if !list.values.is_empty() => {
            // Items of a list below a key stand under the key, not deeper.
            let indent = if place == Place::Key { indent.saturating_sub(2) } else { indent };
            for (i, item) in list.values.iter().enumerate() {
                if i > 0 || place != Place::Item {
                    new_line(out, indent);
                }
                out.push_str("- ");
                write(out, item, indent + 2, Place::Item)?;
            }
        }
        Value::Map(map) if !map.is_empty() => {
            for (i, (key, item)) in sorted(map).into_iter().enumerate() {
                if i > 0 || place != Place::Item {
                    new_line(out, indent);
                }
                write_entry(out, &key, &item, indent)?;
            }
        }
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
        Value::String(text) => scalar(out, &text.text(), indent, false),
        Value::Float(number) => {
            let mut json = String::new();
            super::encoding::write_json(&mut json, value, false, None, 0)?;
            // A whole number in JSON is an integer in YAML; what has an exponent is a float again.
            let float = json.contains(['.', 'e']);
            let whole = if json == "-0" { "0" } else { &json };
            out.push_str(&if float { print::float(*number, 'g', None) } else { whole.to_owned() });
        }
        Value::Complex(..) => {
            return Err("error marshaling into JSON: json: unsupported type: complex128".into());
        }
        Value::Time(_) | Value::Version(_) => {
            let mut json = String::new();
            super::encoding::write_json(&mut json, value, false, None, 0)?;
            scalar(out, json.trim_matches('"'), indent, false);
        }
        Value::Duration(nanos) => out.push_str(&nanos.to_string()),
        Value::Certificate(pair) => write(out, &pair.as_map(), indent, place)?,
        other => out.push_str(&print::text(other)),
    }
    Ok(())
}

fn write_entry(out: &mut String, key: &str, item: &Value, indent: usize) -> Result<(), Message> {
    // A key of several lines or of much length is written by itself.
    if key.len() > MAX_KEY || key.contains(is_break) {
        out.push_str("? ");
        scalar(out, key, indent + 2, false);
        new_line(out, indent);
        out.push_str(": ");
        return write(out, item, indent + 2, Place::Item);
    }
    scalar(out, key, indent, true);
    out.push(':');
    let block = match item {
        Value::List(list) => !list.values.is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::Certificate(_) => true,
        _ => false,
    };
    if !block {
        out.push(' ');
    }
    write(out, item, indent + 2, Place::Key)
}

/// Bytes of a key that stands on one line with its value.
const MAX_KEY: usize = 128;

fn new_line(out: &mut String, indent: usize) {
    if !out.is_empty() {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// Keys in natural order: letters after other characters, numbers by value.
fn sorted(map: &crate::value::Map) -> Vec<(String, Value)> {
    let mut entries: Vec<_> =
        map.entries().into_iter().map(|(key, value)| (key.text().into_owned(), value)).collect();
    entries.sort_by(|(a, _), (b, _)| natural(a, b));
    entries
}

fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let digits =
        |text: &[char], at: usize| text[at..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut at = 0;
    let mut in_digits = false;
    while at < a.len() && at < b.len() {
        if a[at] == b[at] {
            in_digits = a[at].is_ascii_digit();
            at += 1;
            continue;
        }
        let (al, bl) = (a[at].is_alphabetic(), b[at].is_alphabetic());
        if al && bl {
            return a[at].cmp(&b[at]);
        }
        if al || bl {
            // Within a number the letter ends it, and the shorter number is the smaller.
            return if in_digits { bl.cmp(&al).reverse() } else { al.cmp(&bl) };
        }
        let mut start = at;
        if a[at] == '0' || b[at] == '0' {
            while start > 0 && a[start - 1].is_ascii_digit() {
                start -= 1;
            }
        }
        let (na, nb) = (digits(&a, start), digits(&b, start));
        let number = |text: &[char], length: usize| {
            text[start..start + length].iter().collect::<String>().parse::<u128>().unwrap_or(0)
        };
        let (va, vb) = (number(&a, na), number(&b, nb));
        if va != vb {
            return va.cmp(&vb);
        }
        if na != nb {
            return na.cmp(&nb);
        }
        return a[at].cmp(&b[at]);
    }
    a.len().cmp(&b.len())
}

/// Words that the writer quotes, because some reader takes them for a boolean or a null.
const WORDS: [&str; 27] = [
    "", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off",
    "OFF", "true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL", "~",
];

/// Whether YAML 1.1 reads the bare text as something that is not a text.
pub(super) fn resolves_to_other(text: &str) -> bool {
    if WORDS.contains(&text) || is_base_60(text) || is_date(text) {
        return true;
    }
    // What begins like a number may be one; only then the reader is asked.
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let is_number = number
        && model::yaml::read_one(text.as_bytes(), MAX_BYTES).is_ok_and(|found| found.is_number());
    is_number || matches!(text.to_ascii_lowercase().trim_start_matches(['+', '-']), ".inf" | ".nan")
}

fn is_date(text: &str) -> bool {
    let layouts = [
        "2006-1-2T15:4:5.999999999Z07:00",
        "2006-1-2t15:4:5.999999999Z07:00",
        "2006-1-2 15:4:5.999999999",
        "2006-1-2",
    ];
    text.as_bytes().get(4) == Some(&b'-')
        && layouts.iter().any(|layout| super::dates::parse(layout, text).is_ok())
}

fn is_base_60(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let rest: Vec<_> = parts.collect();
    !rest.is_empty()
        && number(first)
        && rest.iter().all(|part| {
            let whole = part.split('.').next().unwrap_or_default();
            !whole.is_empty()
                && whole.len() <= 2
                && whole.bytes().all(|b| b.is_ascii_digit())
                && whole.parse::<u8>().is_ok_and(|n| n < 60)
        })
}
