//! Writes a value as YAML that every reader takes for that value: 1.1 and 1.2, Go, Rust or Python.
//!
//! Keys are sorted. Text that some reader could take for anything else is quoted as JSON quotes it.

use std::fmt::Write as _;

use serde_json::Value;

/// Words that YAML 1.1 or 1.2 reads as a boolean or null; lower case.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// The value in block style, without a line break at the end.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Writes at the current position; further lines are indented by `indent`.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_bytes());
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    line(indent, out);
                }
                string(key, out);
                out.push(':');
                if is_nested(value) {
                    line(indent + 2, out);
                    block(value, indent + 2, out);
                } else {
                    out.push(' ');
                    scalar(value, out);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    line(indent, out);
                }
                out.push_str("- ");
                block(item, indent + 2, out);
            }
        }
        value => scalar(value, out),
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => string(text, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

fn string(text: &str, out: &mut String) {
    if is_safe(text) {
        out.push_str(text);
        return;
    }
    for character in Value::from(text).to_string().chars() {
        match character {
            // JSON leaves these as they are; YAML counts them as breaks or forbids them.
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("a string takes all text");
            }
            _ => out.push(character),
        }
    }
}

/// Whether the text can stand without quotes.
fn is_safe(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && text.bytes().all(plain)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}
