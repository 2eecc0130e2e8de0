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
        Value::Int(value, _) => *value,
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
        Value::Int(value, _) => *value as f64,
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
pub(crate) fn parse_int(text: &str) -> Option<i64> {
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

/// `strconv.ParseFloat`: decimal and hexadecimal, with underscores between digits.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let value = match lower.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => return (digits.len() == text.len()).then_some(f64::NAN),
        number => match number.strip_prefix("0x") {
            Some(number) => hexadecimal(number)?,
            None => decimal(number)?,
        },
    };
    // What does not fit is an error there.
    (value.is_finite() || lower.starts_with("inf")).then_some(if negative { -value } else { value })
}

fn without_underscores(text: &str, digit: fn(&u8) -> bool, first: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let legal = (0..bytes.len()).filter(|at| bytes[*at] == b'_').all(|at| {
        let before = at.checked_sub(1).map_or(first, |before| digit(&bytes[before]));
        before && bytes.get(at + 1).is_some_and(digit)
    });
    legal.then(|| text.replace('_', ""))
}

fn decimal(text: &str) -> Option<f64> {
    let text = without_underscores(text, u8::is_ascii_digit, false)?;
    let legal = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-');
    // The library would take `+` and `-` in front.
    let unsigned = !text.starts_with(['+', '-']);
    (unsigned && text.bytes().all(legal)).then(|| text.parse().ok()).flatten()
}

/// `1.8p3`, behind `0x`: the exponent must be there.
#[expect(clippy::cast_precision_loss, reason = "at most 52 bits of digits are taken as they are")]
fn hexadecimal(text: &str) -> Option<f64> {
    let text = without_underscores(text, u8::is_ascii_hexdigit, true)?;
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let unsigned = exponent.strip_prefix('-').unwrap_or(exponent);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 13 {
        return None;
    }
    let shift = exponent.checked_sub(4 * i32::try_from(part.len()).ok()?)?;
    let value = u64::from_str_radix(if significant.is_empty() { "0" } else { significant }, 16);
    Some(value.ok()? as f64 * 2f64.powi(shift))
}

/// sprig's `strslice`: the texts of a list's items, nils left out; one text of anything else.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.values.iter().filter(|item| !item.is_nil()).map(text).collect(),
        Value::Missing | Value::Nil => Vec::new(),
        other => vec![text(other)],
    }
}
