//! Go's regular expressions in the syntax of the library that runs them. Both are RE2's kind; in
//! Go `\d`, `\w`, `\s` and `\b` are ASCII, and brackets and braces are literal wherever they can be.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The most repetitions that Go accepts.
const MAX_REPEAT: u32 = 1_000;

/// What the last token was, for `**` and `*?`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Repeat,
    Lazy,
}

/// Translates an expression; what Go refuses and the library accepts is an error.
pub(super) fn translate(expression: &str) -> Result<String, String> {
    let mut out = String::with_capacity(expression.len() + 16);
    let mut chars = expression.chars().peekable();
    let mut last = Last::Nothing;
    while let Some(c) = chars.next() {
        let before = std::mem::replace(&mut last, Last::Nothing);
        match c {
            '\\' => escape(&mut out, &mut chars, false)?,
            '[' => class(&mut out, &mut chars),
            ']' | '}' => out.extend(['\\', c]),
            '(' => {
                out.push(c);
                flags(&mut out, &mut chars)?;
            }
            '*' | '+' | '?' => {
                last = repeated(before, c)?;
                out.push(c);
            }
            '{' => match counts(chars.clone()) {
                Some((text, most)) => {
                    if most > MAX_REPEAT {
                        return Err(format!("invalid repeat count: `{{{text}`"));
                    }
                    last = repeated(before, c)?;
                    out.push(c);
                    out.push_str(&text);
                    chars.nth(text.len() - 1);
                }
                None => out.push_str("\\{"),
            },
            c => out.push(c),
        }
    }
    Ok(out)
}

fn repeated(before: Last, c: char) -> Result<Last, String> {
    match (before, c) {
        (Last::Nothing, _) => Ok(Last::Repeat),
        (Last::Repeat, '?') => Ok(Last::Lazy),
        _ => Err(format!("invalid nested repetition operator: `{c}`")),
    }
}

/// The rest of `{2}`, `{2,}` or `{2,3}` and its largest number; anything else is a literal brace.
fn counts(chars: Peekable<Chars<'_>>) -> Option<(String, u32)> {
    // Ten digits would overflow, and are too many anyway.
    let text: String = chars.take(24).collect();
    let inside = &text[..text.find('}')?];
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let number = |digits: &str| {
        let digits_only = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits_only.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let least = number(least)?;
    let most = if most.is_empty() { least } else { number(most)? };
    Some((format!("{inside}}}"), least.max(most)))
}

/// After `(`: only Go's flags may be set.
fn flags(out: &mut String, chars: &mut Peekable<Chars<'_>>) -> Result<(), String> {
    if chars.peek() != Some(&'?') {
        return Ok(());
    }
    out.extend(chars.next());
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphabetic() || *c == '-') {
        if c == 'P' && chars.peek() == Some(&'<') {
            out.push(c);
            return Ok(());
        }
        if !matches!(c, 'i' | 'm' | 's' | 'U' | '-') {
            return Err(format!("invalid or unsupported Perl syntax: `(?{c}`"));
        }
        out.push(c);
    }
    Ok(())
}

const DIGITS: &str = "0-9";
const WORDS: &str = "0-9A-Za-z_";
const SPACES: &str = r"\t\n\x0C\r ";

fn escape(out: &mut String, chars: &mut Peekable<Chars<'_>>, in_class: bool) -> Result<(), String> {
    let Some(c) = chars.next() else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    let set = match c.to_ascii_lowercase() {
        'd' => Some(DIGITS),
        'w' => Some(WORDS),
        's' => Some(SPACES),
        _ => None,
    };
    match (set, c) {
        (Some(set), c) if c.is_ascii_lowercase() && in_class => out.push_str(set),
        (Some(set), c) if c.is_ascii_lowercase() => out.extend(["[", set, "]"]),
        (Some(set), _) => out.extend(["[^", set, "]"]),
        (None, 'b') if !in_class => out.push_str(r"(?-u:\b)"),
        (None, 'Q') if !in_class => quoted(out, chars),
        (None, '0'..='7') => octal(out, chars, c)?,
        (None, 'x' | 'p' | 'P') => {
            out.extend(['\\', c]);
            // What is in braces here is a number or a name.
            if chars.peek() == Some(&'{') {
                for c in chars.by_ref() {
                    out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
        }
        (None, 'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'A' | 'z' | 'B') => out.extend(['\\', c]),
        (None, '<' | '>') => out.push(c),
        (None, c) if c.is_ascii_punctuation() => out.extend(['\\', c]),
        (None, c) if c.is_ascii() && !c.is_ascii_alphanumeric() => out.push(c),
        (None, c) => return Err(format!("invalid escape sequence: `\\{c}`")),
    }
    Ok(())
}

/// `\Q...\E`.
fn quoted(out: &mut String, chars: &mut Peekable<Chars<'_>>) {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'E') {
            chars.next();
            break;
        }
        text.push(c);
    }
    out.push_str(&regex::escape(&text));
}

/// `\012`; a single digit but 0 would be a reference to a group, which neither has.
fn octal(out: &mut String, chars: &mut Peekable<Chars<'_>>, first: char) -> Result<(), String> {
    let digit = |c: &char| ('0'..='7').contains(c);
    if first != '0' && !chars.peek().is_some_and(digit) {
        return Err(format!("invalid escape sequence: `\\{first}`"));
    }
    let mut digits = String::from(first);
    while digits.len() < 3
        && let Some(c) = chars.next_if(digit)
    {
        digits.push(c);
    }
    let code = u32::from_str_radix(&digits, 8).expect("three octal digits");
    write!(out, r"\x{{{code:x}}}").expect("a String takes all");
    Ok(())
}

/// After `[`, up to the `]` that closes it. What is malformed is left to the library to refuse.
fn class(out: &mut String, chars: &mut Peekable<Chars<'_>>) {
    out.push('[');
    if let Some(c) = chars.next_if_eq(&'^') {
        out.push(c);
    }
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            ']' if first => out.push_str("\\]"),
            ']' => {
                out.push(c);
                return;
            }
            '[' if chars.peek() == Some(&':') => {
                out.push(c);
                while let Some(c) = chars.next() {
                    out.push(c);
                    if c == ':' && chars.peek() == Some(&']') {
                        out.extend(chars.next());
                        break;
                    }
                }
            }
            '[' | '&' | '~' => out.extend(['\\', c]),
            '-' if chars.peek() == Some(&'-') => out.push_str("\\-"),
            // A bad escape makes the class malformed.
            '\\' => {
                if escape(out, chars, true).is_err() {
                    out.push('\\');
                }
            }
            c => out.push(c),
        }
        first = false;
    }
}
