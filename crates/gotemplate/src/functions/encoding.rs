//! Base 64 and 32, checksums and JSON, byte for byte as Go writes them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::Value as Json;

use super::Param::{Any, String as Str};
use super::{Call, Function};
use crate::exec::Message;
use crate::print;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("b64enc", &[Str], |call| Ok(Value::string(STANDARD.encode(call.bytes(0))))),
    Function::new("b64dec", &[Str], |call| Ok(Value::string(base64_decode(call.bytes(0))))),
    Function::new("b32enc", &[Str], |call| Ok(Value::string(base32_encode(call.bytes(0))))),
    Function::new("b32dec", &[Str], |call| Ok(Value::string(base32_decode(call.bytes(0))))),
    Function::new("sha1sum", &[Str], |call| {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, call.bytes(0));
        Ok(Value::string(hex(digest.as_ref())))
    }),
    Function::new("sha256sum", &[Str], |call| {
        Ok(Value::string(hex(ring::digest::digest(&ring::digest::SHA256, call.bytes(0)).as_ref())))
    }),
    Function::new("sha512sum", &[Str], |call| {
        Ok(Value::string(hex(ring::digest::digest(&ring::digest::SHA512, call.bytes(0)).as_ref())))
    }),
    Function::new("adler32sum", &[Str], |call| {
        Ok(Value::string(adler32(call.bytes(0)).to_string()))
    }),
    Function::new("fromJson", &[Str], |call| Ok(read_json(call).unwrap_or(Value::Nil))),
    Function::new("mustFromJson", &[Str], read_json),
    Function::new("toJson", &[Any], |call| Ok(Value::string(json(call, true).unwrap_or_default()))),
    Function::new("mustToJson", &[Any], |call| Ok(Value::string(json(call, true)?))),
    Function::new("toRawJson", &[Any], |call| Ok(Value::string(json(call, false)?))),
    Function::new("mustToRawJson", &[Any], |call| Ok(Value::string(json(call, false)?))),
    Function::new("toPrettyJson", &[Any], |call| {
        Ok(Value::string(pretty_json(call).unwrap_or_default()))
    }),
    Function::new("mustToPrettyJson", &[Any], |call| Ok(Value::string(pretty_json(call)?))),
];

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As Go decodes: bits that are left over need not be zero.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What base 64 text stands for; line ends are skipped.
pub(super) fn from_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let clean: Vec<u8> =
        bytes.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    LENIENT.decode(&clean).ok()
}

/// A mistake is answered by its message, not by an error.
fn base64_decode(bytes: &[u8]) -> Vec<u8> {
    match from_base64(bytes) {
        Some(decoded) => decoded,
        None => {
            let at = bad_base64(bytes).unwrap_or(bytes.len());
            format!("illegal base64 data at input byte {at}").into_bytes()
        }
    }
}

/// Where Go's decoder says that a text is wrong.
fn bad_base64(bytes: &[u8]) -> Option<usize> {
    let line_end = |at: &usize| matches!(bytes.get(*at), Some(b'\n' | b'\r'));
    let after = |from: usize| (from..).find(|at| !line_end(at)).unwrap_or(bytes.len());
    let (mut at, mut digits) = (0, 0);
    loop {
        at = after(at);
        match bytes.get(at) {
            None => return (digits > 0).then(|| bytes.len() - digits),
            Some(b'=') => break,
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => {
                digits = (digits + 1) % 4;
                at += 1;
            }
            Some(_) => return Some(at),
        }
    }
    at += 1;
    match digits {
        0 | 1 => return Some(at - 1),
        2 => {
            at = after(at);
            match bytes.get(at) {
                None => return Some(bytes.len()),
                Some(b'=') => at += 1,
                Some(_) => return Some(at - 1),
            }
        }
        _ => {}
    }
    let end = after(at);
    (end < bytes.len()).then_some(end)
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32_encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            if i < digits {
                let digit = (bits >> (35 - 5 * i)) & 31;
                out.push(char::from(BASE32[usize::try_from(digit).expect("five bits")]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn base32_decode(bytes: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> =
        bytes.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let end = clean.iter().position(|byte| *byte == b'=').unwrap_or(clean.len());
    let mut out = Vec::new();
    let (mut bits, mut held) = (0_u64, 0);
    for (i, byte) in clean[..end].iter().enumerate() {
        let Some(digit) = BASE32.iter().position(|known| known == byte) else {
            return format!("illegal base32 data at input byte {i}").into_bytes();
        };
        bits = (bits << 5) | u64::try_from(digit).expect("five bits");
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 0xff).expect("eight bits"));
        }
    }
    match bad_padding(&clean, end) {
        Some(at) => format!("illegal base32 data at input byte {at}").into_bytes(),
        None => out,
    }
}

/// Where Go's decoder says that the padding from `end` on, or its absence, is wrong.
fn bad_padding(clean: &[u8], end: usize) -> Option<usize> {
    let digits = end % 8;
    let rest = clean.get(end + 1..);
    let Some(rest) = rest.filter(|rest| digits >= 2 && rest.len() < 8) else {
        let whole = end == clean.len();
        return (!whole).then_some(end).or_else(|| (digits > 0).then(|| end - digits));
    };
    if rest.len() + digits < 7 {
        return Some(clean.len());
    }
    let wrong = rest.iter().take(7 - digits).position(|byte| *byte != b'=');
    if let Some(at) = wrong {
        return Some(end + at);
    }
    matches!(digits, 3 | 6).then_some(end)
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16) | a
}

fn read_json(call: &Call<'_>) -> Result<Value, Message> {
    let json: Json = serde_json::from_slice(call.bytes(0)).map_err(|error| error.to_string())?;
    Ok(Value::from_json(&json))
}

fn json(call: &Call<'_>, html: bool) -> Result<String, Message> {
    let mut out = String::new();
    write_json(&mut out, &call.arguments[0], html, None, 0)?;
    call.room(out.len())?;
    Ok(out)
}

fn pretty_json(call: &Call<'_>) -> Result<String, Message> {
    let mut out = String::new();
    write_json(&mut out, &call.arguments[0], true, Some("  "), 0)?;
    call.room(out.len())?;
    Ok(out)
}

/// As `encoding/json`: keys in order, `<`, `>` and `&` escaped unless told otherwise.
pub(super) fn write_json(
    out: &mut String,
    value: &Value,
    html: bool,
    indent: Option<&str>,
    depth: usize,
) -> Result<(), Message> {
    if depth > 200 {
        return Err("json: the value is nested deeper than 200".into());
    }
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(indent, depth));
        }
    };
    match value {
        value if value.is_null() => out.push_str("null"),
        Value::Float(number) => out.push_str(&json_float(*number)?),
        Value::String(text) => write_text(out, text.bytes(), html),
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                new_line(out, depth + 1);
                write_json(out, item, html, indent, depth + 1)?;
            }
            if !list.values.is_empty() {
                new_line(out, depth);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (i, (key, item)) in map.entries().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                new_line(out, depth + 1);
                write_text(out, key.bytes(), html);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write_json(out, item, html, indent, depth + 1)?;
            }
            if !map.is_empty() {
                new_line(out, depth);
            }
            out.push('}');
        }
        Value::Complex(..) => return Err("json: unsupported type: complex128".into()),
        Value::Time(time) => write_text(out, super::dates::rfc3339(&time.0).as_bytes(), html),
        Value::Version(version) => write_text(out, version.to_string().as_bytes(), html),
        Value::Certificate(pair) => write_json(out, &pair.as_map(), html, indent, depth)?,
        Value::Duration(nanos) => out.push_str(&nanos.to_string()),
        other => out.push_str(&print::text(other)),
    }
    Ok(())
}

fn json_float(number: f64) -> Result<String, Message> {
    if !number.is_finite() {
        return Err(format!("json: unsupported value: {}", print::float(number, 'g', None)).into());
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = print::float(number, 'e', None);
        // Go cleans `e-09` to `e-9`, but leaves `e+21`.
        return Ok(text.replace("e-0", "e-"));
    }
    Ok(print::float(number, 'f', None))
}

fn write_text(out: &mut String, text: &[u8], html: bool) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        write_chars(out, chunk.valid(), html);
        chunk.invalid().iter().for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
}

fn write_chars(out: &mut String, text: &str, html: bool) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if html => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all");
            }
            '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all");
            }
            c if u32::from(c) < 0x20 => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all");
            }
            c => out.push(c),
        }
    }
}
