//! Single values: whether they are of a type, and how a real server writes them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Value, json};

use super::quantity;
use super::table::Scalar;

/// Why a value is not of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is another kind of value. With what the decoder calls it, and the type it wants.
    Kind { found: String, wanted: &'static str },
    /// It is the right kind and yet cannot be read. The whole message.
    Content(String),
}

/// Checks a value that is not null.
pub(super) fn check(value: &Value, scalar: Scalar) -> Result<(), Wrong> {
    let kind = |wanted| Err(Wrong::Kind { found: found(value, wanted), wanted });
    match (scalar, value) {
        (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) => Ok(()),
        (Scalar::Number, Value::Number(_)) => Ok(()),
        (Scalar::Integer, Value::Number(number)) if number.is_i64() => Ok(()),
        (Scalar::Int32, Value::Number(number)) if is_int32(number) => Ok(()),
        (Scalar::IntOrString, Value::String(_)) => Ok(()),
        (Scalar::IntOrString, Value::Number(number)) if is_int32(number) => Ok(()),
        (Scalar::Quantity, Value::String(text)) => check_quantity(text),
        (Scalar::Quantity, Value::Number(number)) => check_quantity(&number.to_string()),
        (Scalar::Quantity, _) => Err(Wrong::Content(quantity::WRONG.to_owned())),
        (Scalar::Bytes, Value::String(text)) => check_base64(text),
        (Scalar::Time, Value::String(text)) => check_time(text, false),
        (Scalar::MicroTime, Value::String(text)) => check_time(text, true),
        (Scalar::String | Scalar::Time | Scalar::MicroTime, _) => kind("string"),
        (Scalar::Boolean, _) => kind("bool"),
        (Scalar::Number, _) => kind("float64"),
        (Scalar::Integer, _) => kind("int64"),
        (Scalar::Int32 | Scalar::IntOrString, _) => kind("int32"),
        (Scalar::Bytes, _) => kind("[]uint8"),
    }
}

/// The value as a server writes it; a value that is not of the type stays.
pub(super) fn normal(value: Value, scalar: Scalar) -> Value {
    let text = match &value {
        Value::String(text) => text.as_str(),
        Value::Number(number) if scalar == Scalar::Quantity => &number.to_string(),
        _ => return value,
    };
    let changed = match scalar {
        Scalar::Quantity => quantity::canonical(text),
        Scalar::Time => text.parse::<Timestamp>().ok().map(|time| show_time(time, 0)),
        Scalar::MicroTime => text.parse::<Timestamp>().ok().map(|time| show_time(time, 6)),
        Scalar::Bytes => Some(text.replace(['\r', '\n'], "")),
        _ => None,
    };
    changed.map_or(value, Value::String)
}

/// What an absent value of this type is in Go.
pub(super) fn zero(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => json!(""),
        Scalar::Integer | Scalar::Int32 | Scalar::Number | Scalar::IntOrString => json!(0),
        Scalar::Boolean => json!(false),
        Scalar::Quantity => json!("0"),
        Scalar::Bytes | Scalar::Time | Scalar::MicroTime => Value::Null,
    }
}

fn is_int32(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

/// What the decoder calls a value. It shows the digits only of a number that a number's type cannot hold.
fn found(value: &Value, wanted: &str) -> String {
    match value {
        Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
        other => kind_of(other).to_owned(),
    }
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_quantity(text: &str) -> Result<(), Wrong> {
    match quantity::canonical(text) {
        Some(_) => Ok(()),
        None => Err(Wrong::Content(quantity::WRONG.to_owned())),
    }
}

fn check_base64(text: &str) -> Result<(), Wrong> {
    let plain = text.replace(['\r', '\n'], "");
    if BASE64_STANDARD.decode(&plain).is_ok() {
        return Ok(());
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let place = text.find(|c: char| !is_part(c) && c != '\r' && c != '\n');
    let place = place.unwrap_or(text.len() / 4 * 4);
    Err(Wrong::Content(format!("illegal base64 data at input byte {place}")))
}

fn check_time(text: &str, micro: bool) -> Result<(), Wrong> {
    let layout =
        if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let wrong = |rest: &str, part: &str| {
        let message =
            format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}");
        Err(Wrong::Content(message))
    };
    if text.parse::<Timestamp>().is_err() || !text.contains('T') {
        return wrong(text, "2006");
    }
    let fraction = text.get(19..).unwrap_or_default();
    // Go wants the six digits that its layout shows, and reads more of them.
    if micro && !fraction.starts_with('.') {
        return wrong(fraction, ".000000");
    }
    Ok(())
}

fn show_time(time: Timestamp, digits: u8) -> String {
    DateTimePrinter::new().precision(Some(digits)).timestamp_to_string(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(value: &Value, scalar: Scalar) -> String {
        match check(value, scalar) {
            Ok(()) => String::new(),
            Err(Wrong::Kind { found, wanted }) => format!("{found} into {wanted}"),
            Err(Wrong::Content(message)) => message,
        }
    }

    #[test]
    fn a_wrong_value_is_called_what_the_real_decoder_calls_it() {
        for (value, scalar, expected) in [
            (json!("3"), Scalar::Int32, "string into int32"),
            (json!(1.5), Scalar::Int32, "number 1.5 into int32"),
            (json!(3_000_000_000_u64), Scalar::Int32, "number 3000000000 into int32"),
            (json!(3_000_000_000_u64), Scalar::Integer, ""),
            (json!(5), Scalar::String, "number into string"),
            (json!("yes"), Scalar::Boolean, "string into bool"),
            (json!(true), Scalar::IntOrString, "bool into int32"),
            (json!(true), Scalar::Quantity, quantity::WRONG),
            (json!(5), Scalar::Bytes, "number into []uint8"),
            (json!("!!"), Scalar::Bytes, "illegal base64 data at input byte 0"),
            (
                json!("abc"),
                Scalar::Time,
                r#"parsing time "abc" as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006""#,
            ),
        ] {
            assert_eq!(message(&value, scalar), expected, "{value} as {scalar:?}");
        }
    }

    #[test]
    fn times_are_written_in_utc_with_the_digits_of_their_type() {
        let time = |text: &str, scalar| normal(json!(text), scalar);
        assert_eq!(time("2020-01-01T02:00:00.5+02:00", Scalar::Time), "2020-01-01T00:00:00Z");
        let micro = time("2020-01-01T00:00:00.1234567Z", Scalar::MicroTime);
        assert_eq!(micro, "2020-01-01T00:00:00.123456Z");
    }
}
