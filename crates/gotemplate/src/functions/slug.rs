//! Names made safe: `normalize` and `slugify` of the ApplicationSet controller.

use super::Param::{Any, String as Str};
use super::{Answer, Call, Function};
use crate::value::{IntType, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("normalize", &[Str], |call| Ok(Value::string(normalize(&call.text(0))))),
    Function::new("slugify", &[], slugify).and_more(Any),
];

/// Lower case; what is not a letter, digit, `-` or `.` becomes `-`; at most 253 bytes; no `-` or `.`
/// at the ends.
fn normalize(name: &str) -> String {
    // In Go this letter has one small letter, and elsewhere a dot behind it.
    let lower = name.replace('İ', "i").to_lowercase();
    let mut safe: String = lower
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    safe.truncate(253);
    safe.trim_matches(['-', '.']).to_owned()
}

const USAGE: &str = "slugify takes [max length] [smart] name";

/// `slugify [max=50] [smart=true] name`.
fn slugify(call: &Call<'_>) -> Answer {
    let (mut max, mut smart) = (50, true);
    // The last argument is the name, however many there are; what is between is not looked at.
    let (name, options) = match call.arguments.split_last() {
        None => return Ok(Value::string("")),
        Some((Value::String(name), options)) => (name, options),
        Some(_) => return Err(USAGE.into()),
    };
    match options.first() {
        None => {}
        Some(Value::Int(length, IntType::Int)) => max = *length,
        Some(_) => return Err(USAGE.into()),
    }
    match options.get(1) {
        None => {}
        Some(Value::Bool(cut_at_words)) => smart = *cut_at_words,
        Some(_) => return Err(USAGE.into()),
    }
    Ok(Value::string(slug(&normalize(&name.text()), max, smart)?))
}

fn slug(name: &str, max: i64, smart: bool) -> Result<String, &'static str> {
    let mut text = name.to_owned();
    let limit = usize::try_from(max);
    if !smart && i64::try_from(text.len()).is_ok_and(|length| length >= max) {
        text.truncate(limit.map_err(|_| "slice bounds out of range")?);
    }
    let dashed: String = text.chars().map(|c| if c == '.' { '-' } else { c }).collect();
    let parts: Vec<_> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let slug = parts.join("-");
    match limit {
        Ok(limit) if smart && limit > 0 && slug.len() > limit => {
            let end = slug[..=limit].rfind('-').unwrap_or(limit);
            Ok(slug[..end].to_owned())
        }
        _ => Ok(slug),
    }
}
