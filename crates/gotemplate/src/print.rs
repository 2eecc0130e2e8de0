//! How Go's `fmt` shows a value: `%v` for what a template prints. Pure.

use std::fmt::Write as _;

use crate::value::Value;

/// How deep a value may be nested before printing gives up: deeper than any parameter, shallower
/// than the stack.
const MAX_DEPTH: usize = 200;

/// As `%v`; at the top a missing value is `<no value>`, inside lists and maps `<nil>`.
#[must_use]
pub fn show(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Missing | Value::Nil => out.extend_from_slice(b"<no value>"),
        value => write_plain(&mut out, value, 0),
    }
    out
}

/// As `fmt.Sprint` of one value: nil is `<nil>`.
#[must_use]
pub fn sprint(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_plain(&mut out, value, 0);
    out
}

/// The same as text.
#[must_use]
pub fn text(value: &Value) -> String {
    crate::value::lossy(&sprint(value)).into_owned()
}

fn write_plain(out: &mut Vec<u8>, value: &Value, depth: usize) {
    if depth > MAX_DEPTH {
        out.extend_from_slice(b"...");
        return;
    }
    match value {
        Value::Missing | Value::Nil => out.extend_from_slice(b"<nil>"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(value, _) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Float(value) => out.extend_from_slice(float(*value, 'g', None).as_bytes()),
        Value::Complex(real, imaginary) => {
            out.extend_from_slice(complex(*real, *imaginary, 'g', None).as_bytes());
        }
        Value::String(text) => out.extend_from_slice(text.bytes()),
        Value::List(list) => {
            out.push(b'[');
            for (i, item) in list.values.iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                write_plain(out, item, depth + 1);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.extend_from_slice(b"map[");
            for (i, (key, item)) in map.entries().iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(key.bytes());
                out.push(b':');
                write_plain(out, item, depth + 1);
            }
            out.push(b']');
        }
        Value::Time(time) => {
            out.extend_from_slice(crate::functions::dates::go_string(&time.0).as_bytes());
        }
        Value::Duration(nanos) => {
            out.extend_from_slice(crate::functions::dates::duration_text(*nanos).as_bytes());
        }
        Value::Version(version) => out.extend_from_slice(version.to_string().as_bytes()),
        Value::Certificate(pair) => {
            let parts = [&b"{"[..], pair.cert.bytes(), b" ", pair.key.bytes(), b"}"];
            parts.iter().for_each(|part| out.extend_from_slice(part));
        }
    }
}

/// A string as `strconv.Quote` writes it.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    quote_with(text, '"', false)
}

/// The same with ASCII only, or in another kind of quotes.
#[must_use]
pub fn quote_with(text: &[u8], mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for chunk in text.utf8_chunks() {
        quote_chars(&mut out, chunk.valid(), mark, ascii);
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes all");
        }
    }
    out.push(mark);
    out
}

fn quote_chars(out: &mut String, text: &str, mark: char, ascii: bool) {
    for c in text.chars() {
        match c {
            c if c == mark || c == '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            c if !ascii && is_printable(c) => out.push(c),
            c if u32::from(c) < 0x80 => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("a String takes all");
            }
            c if u32::from(c) < 0x1_0000 => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all");
            }
            c => write!(out, "\\U{:08x}", u32::from(c)).expect("a String takes all"),
        }
    }
}

/// Go's `unicode.IsPrint` as far as the standard library can tell: not a control, and no space but
/// the ASCII one. Unassigned code points count as printable here, unlike there.
pub(crate) fn is_printable(c: char) -> bool {
    !(c.is_control()
        || c.is_whitespace()
        || matches!(u32::from(c), 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe000..=0xf8ff | 0xfffe | 0xffff))
}

/// A complex number: both of its parts as floats.
#[must_use]
pub fn complex(real: f64, imaginary: f64, verb: char, precision: Option<usize>) -> String {
    let imaginary = float(imaginary, verb, precision);
    let sign = if imaginary.starts_with(['+', '-']) { "" } else { "+" };
    let real = float(real, verb, precision);
    format!("({}{sign}{imaginary}i)", real.strip_prefix('+').unwrap_or(&real))
}

/// A float as `strconv.FormatFloat` writes it with this verb and precision (`None`: the fewest
/// digits that mean the same number).
#[must_use]
pub fn float(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match verb {
        'f' | 'F' => match precision {
            Some(digits) => format!("{value:.digits$}"),
            None => format!("{value}"),
        },
        'b' => binary(value),
        'x' => hexadecimal(value, precision),
        'X' => hexadecimal(value, precision).to_uppercase(),
        'e' | 'E' => {
            let plain = match precision {
                Some(digits) => format!("{value:.digits$e}"),
                None => format!("{value:e}"),
            };
            let text = two_digit_exponent(&plain);
            if verb == 'E' { text.replace('e', "E") } else { text }
        }
        _ => {
            let text = general(value, precision);
            if verb == 'G' { text.replace('e', "E") } else { text }
        }
    }
}

/// `4503599627370496p-51`: a whole number and the power of two that it is multiplied by.
fn binary(value: f64) -> String {
    /// Bits of the whole number but its first.
    const BITS: u32 = 52;
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let bits = value.abs().to_bits();
    let (power, rest) = (bits >> BITS, bits & ((1 << BITS) - 1));
    let whole = if power == 0 { rest } else { rest | 1 << BITS };
    let power = i64::try_from(power.max(1)).expect("eleven bits") - 1075;
    format!("{sign}{whole}p{power:+}")
}

/// `0x1.8p+01`: the first digit is 1, unless the number is zero.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    /// Bits of the digits after the point.
    const BITS: u32 = 52;
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let bits = value.abs().to_bits();
    let (mut exponent, mut mantissa) =
        (i64::try_from(bits >> BITS).expect("eleven bits") - 1023, bits & ((1 << BITS) - 1));
    match (exponent, mantissa) {
        (-1023, 0) => exponent = 0,
        (-1023, _) => {
            exponent = -1022;
            while mantissa >> BITS == 0 {
                mantissa <<= 1;
                exponent -= 1;
            }
        }
        _ => mantissa |= 1 << BITS,
    }
    if let Some(digits) = precision.and_then(|digits| u32::try_from(digits).ok())
        && digits < BITS / 4
    {
        let cut = BITS - 4 * digits;
        let (extra, half) = (mantissa & ((1 << cut) - 1), 1_u64 << (cut - 1));
        mantissa >>= cut;
        if extra > half || (extra == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
        mantissa <<= cut;
        if mantissa >> (BITS + 1) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << BITS) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) => format!("{digits:0<precision$.precision$}"),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let minus = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x{}{point}{digits}p{minus}{:02}", mantissa >> BITS, exponent.abs())
}

fn general(value: f64, precision: Option<usize>) -> String {
    let digits = precision.map(|digits| digits.max(1));
    let scientific = match digits {
        Some(digits) => format!("{value:.*e}", digits - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').expect("`e` formatting has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let limit = match digits {
        None => 6,
        Some(digits)
            if digits > significant && i32::try_from(significant).is_ok_and(|n| n > exponent) =>
        {
            significant
        }
        Some(digits) => digits,
    };
    if exponent < -4 || i64::from(exponent) >= i64::try_from(limit).expect("a precision is small") {
        return two_digit_exponent(&format!("{mantissa}e{exponent}"));
    }
    match digits {
        None => format!("{value}"),
        Some(digits) => {
            let after =
                i64::try_from(digits).expect("a precision is small") - 1 - i64::from(exponent);
            let text = format!("{value:.*}", usize::try_from(after.max(0)).expect("not negative"));
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
    }
}

/// Rust writes `1e6`, Go `1e+06`.
fn two_digit_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').expect("`e` formatting has an exponent");
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}
