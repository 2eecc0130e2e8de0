//! What a scalar means: YAML 1.1 as sigs.k8s.io/yaml resolves it, over Go's number syntax.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

const CORE: &str = "tag:yaml.org,2002:";

/// A scalar after resolution. Floats are kept apart from integers because as keys they print
/// in their own way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Text(String),
}

/// Resolves a scalar; the error says what is wrong, without the line.
pub(super) fn resolve(
    text: Cow<'_, str>,
    plain: bool,
    tag: Option<&str>,
) -> Result<Scalar, String> {
    let Some(tag) = tag else {
        return Ok(match plain {
            true => resolve_plain(&text).unwrap_or_else(|| Scalar::Text(text.into_owned())),
            false => Scalar::Text(text.into_owned()),
        });
    };
    let Some(kind) = tag.strip_prefix(CORE) else {
        // An application's own tag, or `!`: text as it stands.
        return Ok(Scalar::Text(text.into_owned()));
    };
    let resolved = resolve_plain(&text);
    match (kind, resolved) {
        ("str", _) => Ok(Scalar::Text(text.into_owned())),
        ("timestamp", _) if is_like_date(&text) => Ok(Scalar::Text(text.into_owned())),
        ("binary", _) => binary(&text),
        ("null", Some(Scalar::Null)) => Ok(Scalar::Null),
        ("bool", Some(value @ Scalar::Bool(_)))
        | ("int", Some(value @ (Scalar::Int(_) | Scalar::Uint(_))))
        | ("float", Some(value @ (Scalar::Float(_) | Scalar::Int(_)))) => Ok(value),
        ("null" | "bool" | "int" | "float" | "timestamp", _) => {
            let text: String = text.chars().take(40).collect();
            Err(format!("{text:?} is not a value for the tag !!{kind}"))
        }
        _ => Ok(Scalar::Text(text.into_owned())),
    }
}

/// A date, with or without a time; whether there is such a day is not looked at.
fn is_like_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let is_number = |part: Option<&str>, length: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| {
            length.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    is_number(parts.next(), 4..=4)
        && is_number(parts.next(), 1..=2)
        && parts.next().is_some_and(|day| day.starts_with(|first: char| first.is_ascii_digit()))
}

/// Whether `<<` is the key that merges, and not a name.
pub(super) fn is_merge(plain: bool, tag: Option<&str>) -> bool {
    match tag {
        None => plain,
        Some(tag) => tag == "!" || tag.strip_prefix(CORE) == Some("merge"),
    }
}

/// Bytes as JSON has them: each that is no part of UTF-8 becomes U+FFFD.
fn binary(text: &str) -> Result<Scalar, String> {
    let digits: String = text.chars().filter(|char| !matches!(char, '\r' | '\n')).collect();
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(digits);
    let bytes = bytes.map_err(|_| "what stands behind !!binary is not base64".to_owned())?;
    let mut decoded = String::new();
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(Scalar::Text(decoded))
}

/// The meaning of an unquoted scalar; `None` when it is text.
fn resolve_plain(text: &str) -> Option<Scalar> {
    let first = match text.as_bytes() {
        [] => return Some(Scalar::Null),
        [first, ..] => *first,
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match text {
            ".inf" | ".Inf" | ".INF" => Some(Scalar::Float(f64::INFINITY)),
            ".nan" | ".NaN" | ".NAN" => Some(Scalar::Float(f64::NAN)),
            // Here an underline must stand between digits, elsewhere anywhere.
            _ if text.contains('_') => {
                let digits = |part: &str, at: fn(&[u8]) -> Option<&u8>| {
                    at(part.as_bytes()).is_some_and(u8::is_ascii_digit)
                };
                let parts: Vec<&str> = text.split('_').collect();
                let between = parts
                    .windows(2)
                    .all(|two| digits(two[0], <[u8]>::last) && digits(two[1], <[u8]>::first));
                if between { float(&parts.concat()) } else { None }
            }
            _ => float(text),
        },
        b'+' | b'-' | b'0'..=b'9' => match text {
            "+.inf" | "+.Inf" | "+.INF" => Some(Scalar::Float(f64::INFINITY)),
            "-.inf" | "-.Inf" | "-.INF" => Some(Scalar::Float(f64::NEG_INFINITY)),
            _ => {
                let digits: Cow<'_, str> = match text.contains('_') {
                    true => text.replace('_', "").into(),
                    false => text.into(),
                };
                integer(&digits).or_else(|| float(&digits))
            }
        },
        _ => None,
    }
}

fn word(text: &str) -> Option<Scalar> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Scalar::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Scalar::Bool(false))
        }
        "~" | "null" | "Null" | "NULL" => Some(Scalar::Null),
        _ => None,
    }
}

/// As Go's `ParseInt` with base 0: `0x`, `0o`, `0b`, and a leading zero is octal.
fn integer(text: &str) -> Option<Scalar> {
    let (sign, rest) = match text.as_bytes() {
        [sign @ (b'+' | b'-'), ..] => (Some(*sign), &text[1..]),
        _ => (None, text),
    };
    let (digits, radix) = match rest.as_bytes() {
        [] => return None,
        [b'0'] => return Some(Scalar::Int(0)),
        [b'0', b'x' | b'X', _, ..] => (&rest[2..], 16),
        [b'0', b'o' | b'O', _, ..] => (&rest[2..], 8),
        [b'0', b'b' | b'B', _, ..] => (&rest[2..], 2),
        [b'0', ..] => (&rest[1..], 8),
        _ => (rest, 10),
    };
    // `from_str_radix` would take a second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match sign {
        Some(b'-') => 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int),
        _ => match (i64::try_from(magnitude), sign) {
            (Ok(small), _) => Some(Scalar::Int(small)),
            (Err(_), None) => Some(Scalar::Uint(magnitude)),
            (Err(_), Some(_)) => None,
        },
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and not too large for a double.
fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = match mantissa.split_once('.') {
        Some((whole, part)) => {
            digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => digits(mantissa) && !mantissa.is_empty(),
    };
    let exponent_well_formed = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        digits(exponent) && !exponent.is_empty()
    });
    if !well_formed || !exponent_well_formed {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Scalar::Float)
}

impl Scalar {
    /// A value that an alias brought to where a key stands.
    pub(super) fn of_value(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::String(text) => Self::Text(text),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), _, _) => Self::Int(number),
                (_, Some(number), _) => Self::Uint(number),
                (_, _, number) => Self::Float(number.unwrap_or_default()),
            },
            Value::Array(_) | Value::Object(_) => {
                return Err("a mapping or a list cannot be a key".to_owned());
            }
        })
    }

    /// `floats`: whether a whole float stays one.
    pub(super) fn into_value(self, floats: bool) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(number) => number.into(),
            Self::Uint(number) => number.into(),
            Self::Float(number) if floats && number.is_finite() => number.into(),
            // A zero has no sign here.
            Self::Float(number) => return number_value(number + 0.0),
            Self::Text(text) => text.into(),
        })
    }

    /// The key in JSON.
    pub(super) fn into_key(self) -> Result<String, String> {
        match self {
            Self::Null => Err("an empty or null key; quote it".to_owned()),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Int(number) => Ok(number.to_string()),
            Self::Uint(number) => {
                Err(format!("{number} is too large for a key that is a number; quote it"))
            }
            Self::Float(number) => Ok(float_key(number)),
            Self::Text(text) => Ok(text),
        }
    }
}

/// A float as it arrives at an API server. On the way it is printed without an exponent and read
/// again, so that whole numbers become integers: `1e3` is 1000.
pub(super) fn number_value(number: f64) -> Result<Value, String> {
    if !number.is_finite() {
        return Err("infinity and NaN do not exist in JSON; quote them".to_owned());
    }
    let is_signed_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() < 1e19 && !is_signed_zero {
        let digits = number.to_string();
        if let Ok(whole) = digits.parse::<i64>() {
            return Ok(whole.into());
        }
    }
    Ok(number.into())
}

/// A float as a key: infinity and NaN are written as YAML writes them.
fn float_key(number: f64) -> String {
    match float_text(number).as_str() {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        text => text.to_owned(),
    }
}

/// Go's `FormatFloat(number, 'g', -1, 32)`: in single precision, with the least number of digits and
/// with an exponent below 1e-4 and from 1e6 on.
#[expect(clippy::cast_possible_truncation, reason = "it is printed in single precision there")]
pub(crate) fn float_text(number: f64) -> String {
    let single = number as f32;
    if single.is_nan() {
        return "NaN".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return single.to_string();
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
