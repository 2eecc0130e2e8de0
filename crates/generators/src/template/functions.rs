//! What the helpers do with text, lists and documents.

use std::borrow::Cow;

use model::canonical::{self, Digest};
use model::yaml as reader;
use regex::RegexBuilder;
use serde_json::Value;

use super::helpers::Argument;
use super::yaml;
use crate::parameters;

/// The most bytes that one helper gives. Calls can be nested, and some make text longer.
const MAX_BYTES: usize = 1 << 20;
/// The most memory of one compiled regular expression.
const MAX_REGEX_BYTES: usize = 1 << 20;
/// The length of a DNS label, which slugs usually become.
const SLUG_LENGTH: usize = 63;

type Outcome = Result<Option<Value>, String>;

/// The text that a value is printed as.
///
/// The `path` of a git generator is a map; where text is wanted it is its own `path`, so that
/// `{{path}}` and `{{path.basename}}` both work.
pub(crate) fn text(value: &Value) -> Result<Cow<'_, str>, String> {
    match parameters::plain(value) {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Ok(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null => {
            Err("is null, which is not text; give it a value, or use default".to_owned())
        }
        Value::Array(_) => Err("is a list, not text; use join, toYaml or json".to_owned()),
        Value::Object(_) => {
            Err("is a map, not text; name a key of it, or use toYaml or json".to_owned())
        }
    }
}

fn value<'a>(arguments: &[Argument<'a>], index: usize) -> &'a Value {
    arguments.get(index).and_then(|argument| argument.value).unwrap_or(&Value::Null)
}

pub(super) fn text_of<'a>(
    arguments: &[Argument<'a>],
    index: usize,
) -> Result<Cow<'a, str>, String> {
    let name = arguments.get(index).and_then(|argument| argument.name);
    text(value(arguments, index)).map_err(|message| match name {
        Some(name) => format!("{name} {message}"),
        None => format!("argument {} {message}", index + 1),
    })
}

fn length_of(arguments: &[Argument<'_>], index: usize) -> Result<i64, String> {
    let given = value(arguments, index);
    given.as_i64().ok_or_else(|| format!("{given} is not a whole number"))
}

fn done(text: impl Into<String>) -> Outcome {
    let text = text.into();
    if text.len() > MAX_BYTES {
        return Err(too_long());
    }
    Ok(Some(Value::String(text)))
}

fn too_long() -> String {
    format!("the result is longer than {MAX_BYTES} bytes")
}

fn push(text: &mut String, piece: &str) -> Result<(), String> {
    if text.len() + piece.len() > MAX_BYTES {
        return Err(too_long());
    }
    text.push_str(piece);
    Ok(())
}

/// The first of its arguments that is there and is neither null nor empty text.
pub(super) fn default(arguments: &[Argument<'_>]) -> Outcome {
    let mut values = arguments.iter().filter_map(|argument| argument.value);
    match values.find(|value| is_given(value)) {
        Some(value) => Ok(Some(value.clone())),
        // An empty fallback is a fallback.
        None => Ok(arguments.last().and_then(|argument| argument.value).cloned()),
    }
}

fn is_given(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

pub(super) fn required(arguments: &[Argument<'_>]) -> Outcome {
    match arguments[0].value.filter(|value| is_given(value)) {
        Some(value) => Ok(Some(value.clone())),
        None => Err(text_of(arguments, 1)?.into_owned()),
    }
}

pub(super) fn lower(arguments: &[Argument<'_>]) -> Outcome {
    done(text_of(arguments, 0)?.to_lowercase())
}

pub(super) fn upper(arguments: &[Argument<'_>]) -> Outcome {
    done(text_of(arguments, 0)?.to_uppercase())
}

pub(super) fn trim(arguments: &[Argument<'_>]) -> Outcome {
    done(text_of(arguments, 0)?.trim())
}

pub(super) fn replace(arguments: &[Argument<'_>]) -> Outcome {
    let (text, from, to) = (text_of(arguments, 0)?, text_of(arguments, 1)?, text_of(arguments, 2)?);
    if from.is_empty() {
        return Err("the text to replace is empty".to_owned());
    }
    let mut replaced = String::with_capacity(text.len());
    let mut pieces = text.split(from.as_ref());
    push(&mut replaced, pieces.next().unwrap_or_default())?;
    for piece in pieces {
        push(&mut replaced, &to)?;
        push(&mut replaced, piece)?;
    }
    done(replaced)
}

/// Why an expression is none. The lines before the last draw the place; the last one says what it is.
pub(crate) fn regex_reason(error: &regex::Error) -> String {
    let reason = error.to_string();
    reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Linear in the length of the text whatever the pattern; `$1` and `${name}` are its groups.
pub(super) fn regex_replace(arguments: &[Argument<'_>]) -> Outcome {
    let (text, pattern, to) =
        (text_of(arguments, 0)?, text_of(arguments, 1)?, text_of(arguments, 2)?);
    let regex =
        RegexBuilder::new(&pattern).size_limit(MAX_REGEX_BYTES).nest_limit(50).build().map_err(
            |error| format!("{pattern:?} is not a regular expression: {}", regex_reason(&error)),
        )?;
    let (mut replaced, mut end) = (String::with_capacity(text.len()), 0);
    for captures in regex.captures_iter(&text) {
        let whole = captures.get(0).expect("group 0 is the match");
        push(&mut replaced, &text[end..whole.start()])?;
        // A replacement names each group at most once per two bytes, so this stays in proportion.
        if to.len().saturating_mul(whole.len().max(1)) > MAX_BYTES {
            return Err(too_long());
        }
        captures.expand(&to, &mut replaced);
        push(&mut replaced, "")?;
        end = whole.end();
    }
    push(&mut replaced, &text[end..])?;
    done(replaced)
}

/// The first characters; the last ones when the length is negative.
pub(super) fn trunc(arguments: &[Argument<'_>]) -> Outcome {
    let (text, length) = (text_of(arguments, 0)?, length_of(arguments, 1)?);
    let count = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if length >= 0 {
        return done(text.chars().take(count).collect::<String>());
    }
    let skipped = text.chars().count().saturating_sub(count);
    done(text.chars().skip(skipped).collect::<String>())
}

/// White space before each line but the first, for text below a key of YAML.
pub(super) fn indent(arguments: &[Argument<'_>]) -> Outcome {
    let (text, width) = (text_of(arguments, 0)?, length_of(arguments, 1)?);
    let width = usize::try_from(width).ok().filter(|width| *width <= 64);
    let space = " ".repeat(width.ok_or("the width is between 0 and 64")?);
    let mut indented = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            push(&mut indented, "\n")?;
            push(&mut indented, if line.is_empty() { "" } else { &space })?;
        }
        push(&mut indented, line)?;
    }
    done(indented)
}

pub(super) fn slugify(arguments: &[Argument<'_>]) -> Outcome {
    let text = text_of(arguments, 0)?;
    let length = match arguments.len() {
        1 => SLUG_LENGTH,
        _ => usize::try_from(length_of(arguments, 1)?).map_err(|_| "the length is negative")?,
    };
    let mut slug = String::new();
    for character in text.chars().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' | '0'..='9' => slug.push(character),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
        if slug.len() > length {
            slug.truncate(length);
            break;
        }
    }
    done(slug.trim_end_matches('-'))
}

pub(super) fn normalize_helper(arguments: &[Argument<'_>]) -> Outcome {
    done(normalize(&text_of(arguments, 0)?))
}

/// Text as a Kubernetes name takes it: lower case, `-` for what is not allowed, at most 253 bytes,
/// no `-` or `.` at either end.
pub(crate) fn normalize(text: &str) -> String {
    let allowed = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '.') => c,
        _ => '-',
    };
    // In Go this letter has one small letter, and elsewhere a dot behind it.
    let text = text.replace('İ', "i");
    let mut name: String = text.to_lowercase().chars().map(allowed).collect();
    name.truncate(model::name::MAX_NAME_BYTES);
    name.trim_matches(['-', '.']).to_owned()
}

pub(super) fn sha256(arguments: &[Argument<'_>]) -> Outcome {
    done(Digest::of(text_of(arguments, 0)?.as_bytes()).to_string())
}

fn list_of<'a>(arguments: &[Argument<'a>], index: usize) -> Result<&'a Vec<Value>, String> {
    let list = value(arguments, index);
    list.as_array().ok_or_else(|| format!("argument {} is not a list", index + 1))
}

pub(super) fn join(arguments: &[Argument<'_>]) -> Outcome {
    let (list, separator) = (list_of(arguments, 0)?, text_of(arguments, 1)?);
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            push(&mut joined, &separator)?;
        }
        let item = text(item).map_err(|message| format!("item {index} {message}"))?;
        push(&mut joined, &item)?;
    }
    done(joined)
}

pub(super) fn split(arguments: &[Argument<'_>]) -> Outcome {
    let (text, separator) = (text_of(arguments, 0)?, text_of(arguments, 1)?);
    if separator.is_empty() {
        return Err("the separator is empty".to_owned());
    }
    Ok(Some(text.split(separator.as_ref()).map(Value::from).collect()))
}

pub(super) fn first(arguments: &[Argument<'_>]) -> Outcome {
    Ok(list_of(arguments, 0)?.first().cloned())
}

pub(super) fn last(arguments: &[Argument<'_>]) -> Outcome {
    Ok(list_of(arguments, 0)?.last().cloned())
}

pub(super) fn to_yaml(arguments: &[Argument<'_>]) -> Outcome {
    done(yaml::write(value(arguments, 0)))
}

/// JSON without white space and with sorted keys.
pub(super) fn to_json(arguments: &[Argument<'_>]) -> Outcome {
    let bytes = canonical::to_bytes(value(arguments, 0));
    done(String::from_utf8(bytes).map_err(|_| "the value is not text")?)
}

pub(super) fn from_yaml(arguments: &[Argument<'_>]) -> Outcome {
    let text = text_of(arguments, 0)?;
    reader::read_one(text.as_bytes(), MAX_BYTES).map(Some).map_err(|error| error.to_string())
}

/// An entry of a map by its key or of a list by its number; for keys that a path cannot spell.
pub(super) fn lookup(arguments: &[Argument<'_>]) -> Outcome {
    let found = match value(arguments, 0) {
        Value::Object(map) => map.get(text_of(arguments, 1)?.as_ref()),
        Value::Array(list) => {
            let index = usize::try_from(length_of(arguments, 1)?).ok();
            index.and_then(|index| list.get(index))
        }
        _ => return Err("the first argument is neither a map nor a list".to_owned()),
    };
    Ok(found.cloned())
}
