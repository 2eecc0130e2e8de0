//! sprig's functions on texts. Where Go counts bytes, so do these: a cut character stays cut.

use super::Param::{Any, Int, String as Str};
use super::{Answer, Call, Function, cast, room_for_items};
use crate::exec::Message;
use crate::print;
use crate::value::{Items, Map, Text, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("hello", &[], |_| Ok(Value::string("Hello!"))),
    Function::new("abbrev", &[Int, Str], |call| {
        Ok(Value::string(abbreviate(call.bytes(1), 0, call.int(0))))
    }),
    Function::new("abbrevboth", &[Int, Int, Str], |call| {
        let (offset, width) = (call.int(0), call.int(1));
        if width < 4 || (offset > 0 && width < 7) {
            return Ok(call.arguments[2].clone());
        }
        Ok(Value::string(abbreviate(call.bytes(2), offset, width)))
    }),
    Function::new("trunc", &[Int, Str], trunc),
    Function::new("substr", &[Int, Int, Str], substr),
    Function::new("trim", &[Str], |call| Ok(Value::string(call.text(0).trim_matches(is_space)))),
    Function::new("trimall", &[Str, Str], trim_all),
    Function::new("trimAll", &[Str, Str], trim_all),
    Function::new("trimSuffix", &[Str, Str], |call| {
        let (suffix, text) = (call.bytes(0), call.bytes(1));
        Ok(Value::string(text.strip_suffix(suffix).unwrap_or(text)))
    }),
    Function::new("trimPrefix", &[Str, Str], |call| {
        let (prefix, text) = (call.bytes(0), call.bytes(1));
        Ok(Value::string(text.strip_prefix(prefix).unwrap_or(text)))
    }),
    Function::new("upper", &[Str], |call| Ok(Value::string(each(&call.text(0), upper)))),
    Function::new("lower", &[Str], |call| Ok(Value::string(each(&call.text(0), lower)))),
    Function::new("title", &[Str], |call| Ok(Value::string(title(&call.text(0))))),
    Function::new("untitle", &[Str], |call| Ok(Value::string(untitle(&call.text(0))))),
    Function::new("swapcase", &[Str], |call| {
        let swap = |c: char| if c.is_uppercase() { lower(c) } else { upper(c) };
        Ok(Value::string(each(&call.text(0), swap)))
    }),
    Function::new("repeat", &[Int, Str], |call| {
        let count = usize::try_from(call.int(0)).map_err(|_| "strings: negative Repeat count")?;
        call.room(call.bytes(1).len().saturating_mul(count))?;
        Ok(Value::string(call.bytes(1).repeat(count)))
    }),
    Function::new("nospace", &[Str], |call| {
        // Bytes are taken for characters, as there.
        let bytes = call.bytes(0);
        if !bytes.iter().any(|byte| is_space(char::from(*byte))) {
            return Ok(call.arguments[0].clone());
        }
        let kept = bytes.iter().map(|byte| char::from(*byte)).filter(|c| !is_space(*c));
        Ok(Value::string(kept.collect::<String>()))
    }),
    Function::new("initials", &[Str], |call| {
        let mut gap = true;
        let first = call.bytes(0).iter().map(|byte| char::from(*byte)).filter(|c| {
            let space = is_space(*c);
            let taken = gap && !space;
            gap = space;
            taken
        });
        Ok(Value::string(first.collect::<String>()))
    }),
    Function::new("snakecase", &[Str], |call| Ok(Value::string(words::lower(&call.text(0), '_')))),
    Function::new("kebabcase", &[Str], |call| Ok(Value::string(words::lower(&call.text(0), '-')))),
    Function::new("camelcase", &[Str], |call| Ok(Value::string(words::pascal(&call.text(0))))),
    Function::new("wrap", &[Int, Str], |call| wrap(call, call.bytes(1), call.int(0), b"", false)),
    Function::new("wrapWith", &[Int, Str, Str], |call| {
        wrap(call, call.bytes(2), call.int(0), call.bytes(1), true)
    }),
    Function::new("contains", &[Str, Str], |call| {
        Ok(Value::Bool(find(call.bytes(1), call.bytes(0), 0).is_some()))
    }),
    Function::new("hasPrefix", &[Str, Str], |call| {
        Ok(Value::Bool(call.bytes(1).starts_with(call.bytes(0))))
    }),
    Function::new("hasSuffix", &[Str, Str], |call| {
        Ok(Value::Bool(call.bytes(1).ends_with(call.bytes(0))))
    }),
    Function::new("quote", &[], |call| {
        Ok(Value::string(joined(call, |value| print::quote(&print::sprint(value)))))
    })
    .and_more(Any),
    Function::new("squote", &[], |call| {
        Ok(Value::string(joined(call, |value| format!("'{}'", cast::text(value)))))
    })
    .and_more(Any),
    Function::new("cat", &[], |call| Ok(Value::string(joined(call, cast::text)))).and_more(Any),
    Function::new("indent", &[Int, Str], |call| Ok(Value::string(indent(call)?))),
    Function::new("nindent", &[Int, Str], |call| Ok(Value::string(format!("\n{}", indent(call)?)))),
    Function::new("replace", &[Str, Str, Str], |call| {
        let (old, new, text) = (call.text(0), call.text(1), call.text(2));
        let matches = text.matches(&*old).count();
        call.room(text.len().saturating_add(matches.saturating_mul(new.len())))?;
        Ok(Value::string(text.replace(&*old, &new)))
    }),
    Function::new("plural", &[Str, Str, Int], |call| {
        Ok(call.arguments[usize::from(call.int(2) != 1)].clone())
    }),
    Function::new("toString", &[Any], |call| Ok(Value::string(print::sprint(&call.arguments[0])))),
    Function::new("toStrings", &[Any], |call| Ok(Value::strings(cast::texts(&call.arguments[0])))),
    Function::new("join", &[Str, Any], |call| {
        let parts = cast::texts(&call.arguments[1]);
        let length: usize = parts.iter().map(|part| part.len() + call.bytes(0).len()).sum();
        call.room(length)?;
        Ok(Value::string(parts.join(&call.text(0))))
    }),
    Function::new("split", &[Str, Str], |call| {
        Ok(numbered(split(&call.text(1), &call.text(0), None)))
    }),
    Function::new("splitn", &[Str, Int, Str], |call| {
        Ok(numbered(split(&call.text(2), &call.text(0), Some(call.int(1)))))
    }),
    Function::new("splitList", &[Str, Str], |call| {
        let parts = split(&call.text(1), &call.text(0), None);
        room_for_items(parts.len())?;
        Ok(Value::strings(parts))
    }),
    Function::new("sortAlpha", &[Any], |call| {
        let mut texts = cast::texts(&call.arguments[0]);
        if call.arguments[0].is_nil() {
            texts.push("<nil>".to_owned());
        }
        texts.sort_unstable();
        Ok(Value::strings(texts))
    }),
    Function::new("fail", &[Str], |call| Err(call.text(0).into_owned().into())),
];

/// Go's `unicode.IsSpace`.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
        || (u32::from(c) > 0xff && c.is_whitespace())
}

/// Go maps character by character: one to one.
fn upper(c: char) -> char {
    let mut many = c.to_uppercase();
    match (many.next(), many.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn lower(c: char) -> char {
    let mut many = c.to_lowercase();
    match (many.next(), many.next()) {
        (Some(one), None) => one,
        // The one letter that Rust lowers to two characters is lowered to the first of them in Go.
        _ if c == 'İ' => 'i',
        _ => c,
    }
}

fn each(text: &str, change: impl Fn(char) -> char) -> String {
    text.chars().map(change).collect()
}

fn title(text: &str) -> String {
    let mut previous = ' ';
    let raise = |c: char| {
        let start = is_separator(previous);
        previous = c;
        if start { title_case(c) } else { c }
    };
    text.chars().map(raise).collect()
}

/// Only the letters that are two in one have a title case of their own.
fn title_case(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        c => upper(c),
    }
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        !(c.is_ascii_alphanumeric() || c == '_')
    } else {
        !c.is_alphanumeric() && is_space(c)
    }
}

fn untitle(text: &str) -> String {
    let mut start = true;
    let sink = |c: char| {
        let space = is_space(c);
        let first = start && !space;
        start = space;
        if first { lower(c) } else { c }
    };
    text.chars().map(sink).collect()
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn position(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

fn trunc(call: &Call<'_>) -> Answer {
    let (count, bytes) = (call.int(0), call.bytes(1));
    let length = length(bytes);
    Ok(if count < 0 && length + count > 0 {
        Value::string(&bytes[position(length + count)..])
    } else if count >= 0 && length > count {
        Value::string(&bytes[..position(count)])
    } else {
        call.arguments[1].clone()
    })
}

fn substr(call: &Call<'_>) -> Answer {
    let (start, end, bytes) = (call.int(0), call.int(1), call.bytes(2));
    let length = length(bytes);
    let range = if start < 0 {
        0..end
    } else if end < 0 || end > length {
        start..length
    } else {
        start..end
    };
    if range.start > range.end || range.end < 0 || range.end > length {
        return Err(format!("slice bounds out of range [{}:{}]", range.start, range.end).into());
    }
    Ok(Value::string(&bytes[position(range.start)..position(range.end)]))
}

fn trim_all(call: &Call<'_>) -> Answer {
    let (set, text) = (call.text(0), call.text(1));
    Ok(Value::string(text.trim_matches(|c| set.contains(c))))
}

fn abbreviate(bytes: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = length(bytes);
    if width < 4 || length <= width {
        return bytes.to_vec();
    }
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&bytes[..position(width - 3)], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        let rest = abbreviate(&bytes[position(offset)..], 0, width - 3);
        return [b"...", rest.as_slice()].concat();
    }
    [b"...", &bytes[position(length - (width - 3))..]].concat()
}

fn indent(call: &Call<'_>) -> Result<String, Message> {
    let spaces = usize::try_from(call.int(0)).map_err(|_| "strings: negative Repeat count")?;
    let text = call.text(1);
    let lines = text.matches('\n').count() + 1;
    call.room(text.len().saturating_add(lines.saturating_mul(spaces)))?;
    let pad = " ".repeat(spaces);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

/// What is not nil, shown and joined by spaces.
fn joined(call: &Call<'_>, show: impl Fn(&Value) -> String) -> String {
    let shown = call.arguments.iter().filter(|value| !value.is_nil()).map(show);
    shown.collect::<Vec<_>>().join(" ")
}

/// `strings.SplitN`; without a count, all. An empty separator splits into characters.
pub(super) fn split(text: &str, separator: &str, count: Option<i64>) -> Vec<String> {
    let limit = match count {
        Some(0) => return Vec::new(),
        Some(count) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    if !separator.is_empty() {
        return text.splitn(limit, separator).map(str::to_owned).collect();
    }
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if parts.len() + 1 == limit {
            parts.push(rest.to_owned());
            break;
        }
        parts.push(c.to_string());
        rest = &rest[c.len_utf8()..];
    }
    parts
}

fn numbered(parts: Vec<String>) -> Value {
    let entry = |(i, part): (usize, String)| (Text::from(format!("_{i}")), Value::string(part));
    Value::Map(Map::new(Items::String, parts.into_iter().enumerate().map(entry).collect()))
}

fn find(bytes: &[u8], part: &[u8], from: usize) -> Option<usize> {
    if part.is_empty() {
        return Some(from);
    }
    let found = bytes.get(from..)?.windows(part.len()).position(|window| window == part);
    found.map(|at| from + at)
}

fn wrap(call: &Call<'_>, bytes: &[u8], width: i64, separator: &[u8], long_words: bool) -> Answer {
    let separator = if separator.is_empty() { b"\n" } else { separator };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    call.room(
        bytes
            .len()
            .saturating_mul(separator.len() + 1)
            .min(bytes.len() + (bytes.len() / width + bytes.len()).saturating_mul(separator.len())),
    )?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while bytes.len() - at > width {
        if bytes[at] == b' ' {
            at += 1;
            continue;
        }
        let line = &bytes[at..=at + width];
        if let Some(space) = line.iter().rposition(|byte| *byte == b' ') {
            out.extend_from_slice(&bytes[at..at + space]);
            out.extend_from_slice(separator);
            at += space + 1;
        } else if long_words {
            out.extend_from_slice(&bytes[at..at + width]);
            out.extend_from_slice(separator);
            at += width;
        } else if let Some(space) = find(bytes, b" ", at + width) {
            out.extend_from_slice(&bytes[at..space]);
            out.extend_from_slice(separator);
            at = space + 1;
        } else {
            out.extend_from_slice(&bytes[at..]);
            at = bytes.len();
        }
    }
    out.extend_from_slice(&bytes[at..]);
    Ok(Value::string(out))
}

/// Snake, kebab and camel case: how a text falls into words of one kind of character.
mod words {
    use super::{is_space, lower as lower_char, upper};

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Kind {
        End,
        Number,
        Upper,
        Alphabet,
        Connector,
        Punctuation,
        Other,
    }

    fn is_connector(c: char) -> bool {
        c == '-' || c == '_' || is_space(c)
    }

    fn is_alphabet(c: char) -> bool {
        c.is_lowercase() || (c.is_alphabetic() && c.is_uppercase()) || c.is_ascii_alphabetic()
    }

    fn is_punctuation(c: char) -> bool {
        // Go's category P; symbols such as `+` or `$` are not in it.
        if c.is_ascii() {
            c.is_ascii_punctuation()
                && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
        } else {
            matches!(u32::from(c), 0xa1 | 0xa7 | 0xab | 0xb6 | 0xb7 | 0xbb | 0xbf | 0x2010..=0x2027 | 0x2030..=0x205e | 0x3001..=0x3003 | 0x3008..=0x3011)
        }
    }

    /// The next word, its kind, and what follows.
    fn next(text: &str) -> (Kind, &str, &str) {
        let Some(first) = text.chars().next() else { return (Kind::End, "", "") };
        let take = |test: &dyn Fn(char) -> bool| text.find(|c| !test(c)).unwrap_or(text.len());
        let (kind, end) = if is_connector(first) {
            (Kind::Connector, take(&is_connector))
        } else if is_punctuation(first) {
            (Kind::Punctuation, take(&is_punctuation))
        } else if first.is_uppercase() {
            (Kind::Upper, upper_word(text, first))
        } else if is_alphabet(first) {
            (Kind::Alphabet, take(&|c| is_alphabet(c) && !c.is_uppercase()))
        } else if first.is_numeric() {
            (Kind::Number, take(&char::is_numeric))
        } else {
            let other = |c: char| {
                !(is_connector(c) || is_alphabet(c) || c.is_numeric() || is_punctuation(c))
            };
            (Kind::Other, take(&other))
        };
        (kind, &text[..end], &text[end..])
    }

    /// `HTTPServer` is `HTTP` and `Server`; `Server` is one word.
    fn upper_word(text: &str, first: char) -> usize {
        let rest = &text[first.len_utf8()..];
        let capitals = rest.find(|c: char| !c.is_uppercase()).unwrap_or(rest.len());
        let after = rest[capitals..].chars().next();
        if capitals > 0 {
            let last = rest[..capitals].chars().next_back().map_or(0, char::len_utf8);
            let back = if after.is_some_and(is_alphabet) { last } else { 0 };
            return first.len_utf8() + capitals - back;
        }
        let small = rest.find(|c: char| !is_alphabet(c) || c.is_uppercase()).unwrap_or(rest.len());
        first.len_utf8() + small
    }

    fn write(out: &mut String, kind: Kind, word: &str, connector: char) {
        match kind {
            Kind::Upper => out.extend(word.chars().map(lower_char)),
            Kind::Connector => out.extend(word.chars().map(|_| connector)),
            _ => out.push_str(word),
        }
    }

    pub(super) fn lower(text: &str, connector: char) -> String {
        let mut out = String::new();
        let (mut kind, mut word, mut rest) = next(text);
        while !rest.is_empty() {
            if kind != Kind::Connector {
                write(&mut out, kind, word, connector);
            }
            let (before, last) = (kind, word);
            (kind, word, rest) = next(rest);
            match before {
                Kind::Number => {
                    while matches!(kind, Kind::Alphabet | Kind::Number) {
                        write(&mut out, kind, word, connector);
                        (kind, word, rest) = next(rest);
                    }
                    if !matches!(kind, Kind::End | Kind::Punctuation | Kind::Connector) {
                        out.push(connector);
                    }
                }
                Kind::Connector => write(&mut out, before, last, connector),
                Kind::Punctuation => {}
                _ if kind != Kind::Number => {
                    if !matches!(kind, Kind::Connector | Kind::Punctuation) {
                        out.push(connector);
                    }
                }
                _ if rest.is_empty() => {}
                _ => {
                    let number = word;
                    (kind, word, rest) = next(rest);
                    if kind != Kind::Alphabet {
                        write(&mut out, Kind::Number, number, connector);
                        if !matches!(kind, Kind::Connector | Kind::Punctuation) {
                            out.push(connector);
                        }
                        continue;
                    }
                    out.push(connector);
                    write(&mut out, Kind::Number, number, connector);
                    while matches!(kind, Kind::Alphabet | Kind::Number) {
                        write(&mut out, kind, word, connector);
                        (kind, word, rest) = next(rest);
                    }
                    if !matches!(kind, Kind::End | Kind::Connector | Kind::Punctuation) {
                        out.push(connector);
                    }
                }
            }
        }
        write(&mut out, kind, word, connector);
        out
    }

    pub(super) fn pascal(text: &str) -> String {
        let mut out = String::new();
        let mut chars = text.chars();
        let mut current = '\0';
        let mut was_upper = false;
        let mut found = false;
        for c in chars.by_ref() {
            current = c;
            if !is_connector(c) {
                was_upper = c.is_uppercase();
                current = upper(c);
                found = true;
                break;
            }
            out.push(c);
        }
        let mut rest = chars.peekable();
        if rest.peek().is_none() {
            // A text of connectors ends with its last one twice, as there.
            if !text.is_empty() {
                out.push(current);
            }
            let _ = found;
            return out;
        }
        for c in rest {
            let previous = current;
            current = c;
            if is_connector(current) && is_connector(previous) {
                out.push(previous);
                continue;
            }
            if is_connector(previous) {
                was_upper = current.is_uppercase();
                current = upper(current);
            } else {
                if was_upper {
                    if current.is_uppercase() {
                        current = lower_char(current);
                    } else {
                        was_upper = false;
                    }
                }
                out.push(previous);
            }
        }
        out.push(current);
        out
    }
}
