//! Go's `printf`: verbs, flags, widths, argument indexes, and what it prints when they do not fit.
//! Pure. A width or precision is bounded as Go bounds it, so no format makes gigabytes.

mod syntax;

use std::fmt::Write as _;

use crate::print::{float, is_printable, quote_with, sprint};
use crate::value::Value;

/// Go's own bound of a width or precision.
const MAX_WIDTH: i64 = 1_000_000;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a verb, each by itself")]
struct Spec {
    plus: bool,
    /// `%+v`: with the names of the fields of a struct.
    names: bool,
    /// `%#v`: as Go's source.
    syntax: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// Bytes after which the items of a list are not gone on with.
    room: usize,
}

/// Formats; nothing fails, what does not fit is told in the text as Go does. When the text comes to
/// be longer than `room`, it ends there.
#[must_use]
pub fn sprintf(format: &[u8], arguments: &[Value], room: usize) -> Vec<u8> {
    let mut printer =
        Printer { format, at: 0, arguments, next: 0, reordered: false, out: Vec::new(), room };
    printer.run();
    printer.out
}

struct Printer<'a> {
    format: &'a [u8],
    at: usize,
    arguments: &'a [Value],
    next: usize,
    reordered: bool,
    out: Vec<u8>,
    room: usize,
}

impl Printer<'_> {
    fn run(&mut self) {
        let mut after_index = false;
        while self.at < self.format.len() && self.out.len() <= self.room {
            let byte = self.format[self.at];
            self.at += 1;
            if byte != b'%' {
                self.out.push(byte);
                continue;
            }
            self.verb(&mut after_index);
        }
        if !self.reordered && self.next < self.arguments.len() {
            self.out.extend_from_slice(b"%!(EXTRA ");
            for (i, value) in self.arguments[self.next..].iter().enumerate() {
                if i > 0 {
                    self.out.extend_from_slice(b", ");
                }
                match value {
                    Value::Missing | Value::Nil => self.out.extend_from_slice(b"<nil>"),
                    value => {
                        self.out.extend_from_slice(value.type_name().as_bytes());
                        self.out.push(b'=');
                        self.out.extend(sprint(value));
                    }
                }
            }
            self.out.push(b')');
        }
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn verb(&mut self, after_index: &mut bool) {
        let mut spec = Spec { room: self.room, ..Spec::default() };
        *after_index = false;
        let mut good = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'+' => spec.plus = true,
                b'-' => (spec.minus, spec.zero) = (true, false),
                b'#' => spec.sharp = true,
                b' ' => spec.space = true,
                b'0' => spec.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        good &= self.index(after_index);
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) => {
                    spec.minus |= width < 0;
                    if width < 0 {
                        spec.zero = false;
                    }
                    spec.width = usize::try_from(width.abs()).ok();
                }
                None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            *after_index = false;
        } else {
            let width = self.number();
            if width.is_some() && *after_index {
                good = false;
            }
            spec.width = width;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if *after_index {
                good = false;
            }
            good &= self.index(after_index);
            if self.peek() == Some(b'*') {
                self.at += 1;
                match self.star() {
                    Some(precision) if precision >= 0 => {
                        spec.precision = usize::try_from(precision).ok();
                    }
                    _ => self.out.extend_from_slice(b"%!(BADPREC)"),
                }
                *after_index = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !*after_index {
            good &= self.index(after_index);
        }
        let Some(verb) = self.take_char() else {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return;
        };
        if verb == '%' {
            self.out.push(b'%');
        } else if !good {
            self.out.extend_from_slice(format!("%!{verb}(BADINDEX)").as_bytes());
        } else if let Some(value) = self.arguments.get(self.next) {
            self.next += 1;
            // These two flags mean something else to `%v`, and to `%w` which fails as it.
            if matches!(verb, 'v' | 'w') {
                (spec.names, spec.plus) = (spec.plus, false);
                (spec.syntax, spec.sharp) = (spec.sharp, false);
            }
            let shown = format_one(&spec, verb, value);
            self.out.extend(shown);
        } else {
            self.out.extend_from_slice(format!("%!{verb}(MISSING)").as_bytes());
        }
    }

    fn take_char(&mut self) -> Option<char> {
        let rest = &self.format[self.at..];
        let length = match *rest.first()? {
            0..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let bytes = rest.get(..length).unwrap_or(&rest[..1]);
        self.at += bytes.len();
        Some(String::from_utf8_lossy(bytes).chars().next().unwrap_or('\u{fffd}'))
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.format[start..self.at]).ok()?;
        if digits.is_empty() {
            return None;
        }
        match digits.parse::<i64>() {
            Ok(number) if number / 10 <= MAX_WIDTH => usize::try_from(number).ok(),
            // As in Go, the rest of the format is lost with a width that is too large.
            _ => {
                self.at = self.format.len();
                None
            }
        }
    }

    fn star(&mut self) -> Option<i64> {
        let value = self.arguments.get(self.next);
        self.next += usize::from(value.is_some());
        match value {
            Some(Value::Int(number, _)) if number.abs() <= MAX_WIDTH => Some(*number),
            _ => None,
        }
    }

    /// An explicit argument index, `[n]`; false when it is malformed or out of range.
    fn index(&mut self, after_index: &mut bool) -> bool {
        if self.peek() != Some(b'[') {
            return true;
        }
        self.reordered = true;
        let Some(close) = self.format[self.at..].iter().position(|byte| *byte == b']') else {
            self.at += 1;
            return false;
        };
        let digits = &self.format[self.at + 1..self.at + close];
        self.at += close + 1;
        let number =
            std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
        match number {
            Some(number) if number >= 1 && number <= self.arguments.len() => {
                self.next = number - 1;
                *after_index = true;
                true
            }
            _ => {
                *after_index = true;
                false
            }
        }
    }
}

/// The value is shown as `%v` does, under the flags of the verb that does not fit, and without its
/// own methods.
fn bad_verb(spec: &Spec, verb: char, value: &Value) -> Vec<u8> {
    if value.is_nil() {
        return format!("%!{verb}(<nil>)").into_bytes();
    }
    let mut out = format!("%!{verb}({}=", value.type_name()).into_bytes();
    out.extend(match value {
        Value::Duration(nanos) => integer(spec, 'v', *nanos, value),
        value => format_one(spec, 'v', value),
    });
    out.push(b')');
    out
}

fn format_one(spec: &Spec, verb: char, value: &Value) -> Vec<u8> {
    match (verb, value) {
        ('T', Value::Missing | Value::Nil) => pad(spec, b"<nil>".to_vec()),
        ('T', value) => pad(spec, cut(spec, value.type_name().as_bytes())),
        ('v', Value::Missing | Value::Nil) => pad(spec, b"<nil>".to_vec()),
        ('p' | 'w', value) => bad_verb(spec, verb, value),
        ('v', value) if spec.syntax => syntax::syntax(spec, value),
        ('v' | 's' | 'x' | 'X' | 'q', Value::Duration(_) | Value::Time(_) | Value::Version(_)) => {
            string(spec, verb, &sprint(value), value)
        }
        (_, Value::List(list)) => {
            let items = list.values.iter().map(|item| format_item(spec, verb, item));
            surround(b"[", items, b']', spec.room)
        }
        (_, Value::Map(map)) => {
            let items = map.entries().into_iter().map(|(key, item)| {
                let mut shown = format_one(spec, verb, &Value::String(key));
                shown.push(b':');
                shown.extend(format_item(spec, verb, &item));
                shown
            });
            surround(b"map[", items, b']', spec.room)
        }
        (_, Value::Certificate(pair)) => {
            let fields = pair.fields().into_iter().map(|(name, field)| {
                let mut shown = Vec::new();
                if spec.names {
                    shown.extend_from_slice(name.as_bytes());
                    shown.push(b':');
                }
                shown.extend(format_one(spec, verb, &field));
                shown
            });
            surround(b"{", fields, b'}', spec.room)
        }
        (_, Value::Bool(flag)) => match verb {
            't' | 'v' => pad(spec, flag.to_string().into_bytes()),
            _ => bad_verb(spec, verb, value),
        },
        (_, Value::Int(number, _)) => integer(spec, verb, *number, value),
        (_, Value::Float(number)) => floating(spec, verb, *number, value),
        (_, Value::Complex(real, imaginary)) => complex(spec, verb, (*real, *imaginary), value),
        (_, Value::String(text)) => string(spec, verb, text.bytes(), value),
        (_, Value::Duration(number)) => integer(spec, verb, *number, value),
        (_, Value::Version(version)) => {
            let fields = version.fields().into_iter();
            let fields = fields.map(|(_, field)| format_one(spec, verb, &field));
            surround(b"&{", fields, b'}', spec.room)
        }
        (_, Value::Time(_)) => bad_verb(spec, verb, value),
        (_, Value::Missing | Value::Nil) => bad_verb(spec, verb, value),
    }
}

/// An item of a list or map: a nil in it shows as `<nil>` under any verb.
fn format_item(spec: &Spec, verb: char, value: &Value) -> Vec<u8> {
    match value {
        Value::Missing | Value::Nil => b"<nil>".to_vec(),
        value => format_one(spec, verb, value),
    }
}

fn surround(open: &[u8], items: impl Iterator<Item = Vec<u8>>, close: u8, room: usize) -> Vec<u8> {
    let mut out = open.to_vec();
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend(item);
        if out.len() > room {
            break;
        }
    }
    out.push(close);
    out
}

fn integer(spec: &Spec, verb: char, number: i64, value: &Value) -> Vec<u8> {
    let magnitude = number.unsigned_abs();
    let (digits, prefix) = match verb {
        'v' | 'd' => (magnitude.to_string(), ""),
        'b' => (format!("{magnitude:b}"), "0b"),
        'o' | 'O' => (format!("{magnitude:o}"), "0"),
        'x' => (format!("{magnitude:x}"), "0x"),
        'X' => (format!("{magnitude:X}"), "0X"),
        'c' => {
            let c = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            return pad(spec, c.to_string().into_bytes());
        }
        'q' => {
            let c = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            return pad(spec, quote_with(c.to_string().as_bytes(), '\'', spec.plus).into_bytes());
        }
        'U' => {
            return pad(&Spec { zero: false, ..copy(spec) }, unicode(spec, number).into_bytes());
        }
        _ => return bad_verb(spec, verb, value),
    };
    let sign = match (number < 0, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let least = match spec.precision {
        // A precision of zero shows zero as nothing.
        Some(0) if number == 0 => return pad(&Spec { zero: false, ..copy(spec) }, Vec::new()),
        Some(digits) => digits,
        None if spec.zero && !spec.minus => spec.width.unwrap_or(0).saturating_sub(sign.len()),
        None => 0,
    };
    let digits = format!("{digits:0>least$}");
    // One zero in front is enough for an octal number.
    let has_prefix = spec.sharp && !(prefix == "0" && digits.starts_with('0'));
    let prefix = if has_prefix { prefix } else { "" };
    let octal = if verb == 'O' { "0o" } else { "" };
    let shown = format!("{sign}{octal}{prefix}{digits}");
    pad(&Spec { zero: false, ..copy(spec) }, shown.into_bytes())
}

/// `U+0041 'A'`: at least four digits, and the character only when it can be seen.
fn unicode(spec: &Spec, number: i64) -> String {
    let least = spec.precision.unwrap_or(0).max(4);
    let mut shown = format!("U+{:0least$X}", number.cast_unsigned());
    let c = u32::try_from(number).ok().and_then(char::from_u32);
    if let Some(c) = c.filter(|c| spec.sharp && is_printable(*c)) {
        write!(shown, " '{c}'").expect("a String takes all");
    }
    shown
}

fn copy(spec: &Spec) -> Spec {
    Spec { ..*spec }
}

fn floating(spec: &Spec, verb: char, number: f64, value: &Value) -> Vec<u8> {
    let (verb, precision) = match verb {
        'v' => ('g', spec.precision),
        'e' | 'E' | 'f' | 'F' => (verb, Some(spec.precision.unwrap_or(6))),
        'g' | 'G' | 'x' | 'X' | 'b' => (verb, spec.precision),
        _ => return bad_verb(spec, verb, value),
    };
    let shown = float(number, verb, precision);
    let shown = match spec.sharp && verb != 'b' && number.is_finite() {
        true => with_point(&shown, verb, precision),
        false => shown,
    };
    let shown = match shown.strip_prefix('+') {
        Some(rest) if !spec.plus => rest.to_owned(),
        _ => shown,
    };
    let shown = match shown.starts_with(['-', '+']) {
        true => shown,
        false if spec.plus => format!("+{shown}"),
        false if spec.space => format!(" {shown}"),
        false => shown,
    };
    // The sign comes before the zeros, and infinity has none.
    if spec.zero && !spec.minus && number.is_finite() {
        let (sign, digits) = match shown.strip_prefix(['-', '+', ' ']) {
            Some(digits) => (&shown[..1], digits),
            None => ("", shown.as_str()),
        };
        let width = spec.width.unwrap_or(0).saturating_sub(sign.len());
        return format!("{sign}{digits:0>width$}").into_bytes();
    }
    pad(&Spec { zero: false, ..copy(spec) }, shown.into_bytes())
}

/// With a decimal point and the zeros at its end, of six digits or as many as are asked for.
fn with_point(shown: &str, verb: char, precision: Option<usize>) -> String {
    let wanted = match verb {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let is_hexadecimal = matches!(verb, 'x' | 'X');
    let is_tail = |c: char| matches!(c, 'p' | 'P') || (!is_hexadecimal && matches!(c, 'e' | 'E'));
    let (number, tail) = shown.split_at(shown.find(is_tail).unwrap_or(shown.len()));
    let digits = number.trim_start_matches(['-', '+']);
    let point = if number.contains('.') { "" } else { "." };
    // All from the first that is not zero; a zero before the point counts when there is no more.
    let there = digits.chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count()
        + usize::from(digits == "0");
    format!("{number}{point}{}{tail}", "0".repeat(wanted.saturating_sub(there)))
}

/// Width and flags are those of each part.
fn complex(spec: &Spec, verb: char, (real, imaginary): (f64, f64), value: &Value) -> Vec<u8> {
    if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
        return bad_verb(spec, verb, value);
    }
    let mut out = b"(".to_vec();
    out.extend(floating(spec, verb, real, value));
    out.extend(floating(&Spec { plus: true, ..copy(spec) }, verb, imaginary, value));
    out.extend_from_slice(b"i)");
    out
}

fn string(spec: &Spec, verb: char, bytes: &[u8], value: &Value) -> Vec<u8> {
    match verb {
        'v' | 's' => pad(spec, cut(spec, bytes)),
        'q' => {
            let bytes = cut(spec, bytes);
            let text = crate::value::lossy(&bytes);
            let raw = spec.sharp
                && !text.contains(['`', '\u{7f}', '\u{feff}'])
                && text.chars().all(|c| c == '\t' || !c.is_control());
            let shown = if raw { format!("`{text}`") } else { quote_with(&bytes, '"', spec.plus) };
            pad(spec, shown.into_bytes())
        }
        'x' | 'X' => {
            let bytes = &bytes[..spec.precision.unwrap_or(bytes.len()).min(bytes.len())];
            let one = |byte: &u8| match verb {
                'x' => format!("{byte:02x}"),
                _ => format!("{byte:02X}"),
            };
            let prefix = match (spec.sharp, verb) {
                (false, _) => "",
                (true, 'x') => "0x",
                _ => "0X",
            };
            let shown = if spec.space {
                let parts: Vec<_> = bytes.iter().map(|b| format!("{prefix}{}", one(b))).collect();
                parts.join(" ")
            } else if bytes.is_empty() {
                String::new()
            } else {
                format!("{prefix}{}", bytes.iter().map(one).collect::<String>())
            };
            pad(spec, shown.into_bytes())
        }
        _ => bad_verb(spec, verb, value),
    }
}

/// A precision of a string counts characters.
fn cut(spec: &Spec, bytes: &[u8]) -> Vec<u8> {
    match spec.precision {
        None => bytes.to_vec(),
        Some(limit) => {
            let text = String::from_utf8_lossy(bytes);
            let end = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
            text[..end].as_bytes().to_vec()
        }
    }
}

fn pad(spec: &Spec, shown: Vec<u8>) -> Vec<u8> {
    let length = crate::value::lossy(&shown).chars().count();
    let missing = spec.width.unwrap_or(0).saturating_sub(length);
    if missing == 0 {
        return shown;
    }
    let filler = if spec.zero && !spec.minus { b'0' } else { b' ' };
    let filler = std::iter::repeat_n(filler, missing);
    if spec.minus {
        shown.into_iter().chain(filler).collect()
    } else {
        filler.chain(shown).collect()
    }
}
