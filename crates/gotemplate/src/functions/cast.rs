//! How sprig turns anything into a number or a text: what fails is zero.

use crate::print;
use crate::value::Value;

/// sprig's `strval`.
pub(super) fn text(value: &Value) -> String {
    print::text(value)
}

/// `cast.ToInt64`: text by Go's literal rules (`0x1f`, `017`, `0b1`, `1_000`), floats cut.
#[expect(clippy::cast_possible_truncation, reason = "as Go converts, but saturating")]
pub(super) fn int(value: &Value) -> i64 {
    match value {
        Value::Int(value, _) | Value::Duration(value) => *value,
        // What does not fit is the smallest integer, as the processor that most run it on has it.
        Value::Float(value) if *value >= 9_223_372_036_854_775_808.0 || value.is_nan() => i64::MIN,
        Value::Float(value) => *value as i64,
        Value::Bool(value) => i64::from(*value),
        Value::String(text) => parse_int(zero_decimal(&text.text())).unwrap_or(0),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
pub(super) fn float(value: &Value) -> f64 {
    match value {
        Value::Int(value, _) | Value::Duration(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::String(text) => parse_float(&text.text()).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// `12.00` counts as `12`.
fn zero_decimal(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => text,
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with('+')
        || digits.starts_with('-')
        || digits.ends_with('_')
        || digits.contains("__")
        || (radix == 10 && digits.starts_with('_'))
    {
        return None;
    }
    let digits = digits.replace('_', "");
    let magnitude = i128::from_str_radix(&digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// `strconv.ParseFloat`, without hexadecimal floats.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let known = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let legal = matches!(known.as_str(), "inf" | "infinity" | "nan")
        || known.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'));
    legal.then(|| text.parse().ok()).flatten()
}

/// sprig's `strslice`: the texts of a list's items, nils left out; one text of anything else.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.values.iter().filter(|item| !item.is_nil()).map(text).collect(),
        Value::Missing | Value::Nil => Vec::new(),
        other => vec![text(other)],
    }
}
