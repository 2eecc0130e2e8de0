//! Regular expressions. What cannot be compiled is an error that shows the expression.

mod syntax;

use regex::{Regex, RegexBuilder};

use super::Param::{Int, String as Str};
use super::{Answer, Call, Function, room_for_items};
use crate::exec::Message;
use crate::value::Value;

/// To compile one takes as long as some hundred other calls.
const COST: u64 = 200;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", &[Str, Str], |call| {
        // A bad expression matches nothing.
        Ok(Value::Bool(compile(call).is_ok_and(|regex| regex.is_match(&call.text(1)))))
    })
    .costs(COST),
    Function::new("mustRegexMatch", &[Str, Str], |call| {
        Ok(Value::Bool(compile(call)?.is_match(&call.text(1))))
    })
    .costs(COST),
    Function::new("regexFind", &[Str, Str], find).costs(COST),
    Function::new("mustRegexFind", &[Str, Str], find).costs(COST),
    Function::new("regexFindAll", &[Str, Str, Int], find_all).costs(COST),
    Function::new("mustRegexFindAll", &[Str, Str, Int], find_all).costs(COST),
    Function::new("regexReplaceAll", &[Str, Str, Str], replace).costs(COST),
    Function::new("mustRegexReplaceAll", &[Str, Str, Str], replace).costs(COST),
    Function::new("regexReplaceAllLiteral", &[Str, Str, Str], replace_literal).costs(COST),
    Function::new("mustRegexReplaceAllLiteral", &[Str, Str, Str], replace_literal).costs(COST),
    Function::new("regexSplit", &[Str, Str, Int], split).costs(COST),
    Function::new("mustRegexSplit", &[Str, Str, Int], split).costs(COST),
    Function::new("regexQuoteMeta", &[Str], |call| {
        let special = |c: &char| r"\.+*?()|[]{}^$".contains(*c);
        let quoted = call.text(0).chars().fold(String::new(), |mut out, c| {
            if special(&c) {
                out.push('\\');
            }
            out.push(c);
            out
        });
        Ok(Value::string(quoted))
    }),
];

/// Bytes of a compiled expression; Go has a bound of its own (repetitions of 1000).
const MAX_PROGRAM: usize = 2 << 20;

fn compile(call: &Call<'_>) -> Result<Regex, Message> {
    expression(&call.text(0)).map_err(Message::from)
}

/// An expression in Go's syntax, compiled.
///
/// # Errors
/// What is wrong with it, with the expression.
pub fn expression(source: &str) -> Result<Regex, String> {
    let refused = |reason: String| format!("error parsing regexp: `{source}`: {reason}");
    let translated = syntax::translate(source).map_err(refused)?;
    let built = RegexBuilder::new(&translated).size_limit(MAX_PROGRAM).nest_limit(100).build();
    built.map_err(|error| refused(error.to_string().lines().last().unwrap_or_default().to_owned()))
}

fn find(call: &Call<'_>) -> Answer {
    let regex = compile(call)?;
    let text = call.text(1);
    Ok(Value::string(regex.find(&text).map_or("", |found| found.as_str())))
}

fn limit(call: &Call<'_>) -> usize {
    usize::try_from(call.int(2)).unwrap_or(usize::MAX)
}

fn find_all(call: &Call<'_>) -> Answer {
    let regex = compile(call)?;
    let text = call.text(1);
    let found: Vec<_> =
        regex.find_iter(&text).take(limit(call)).map(|found| found.as_str()).collect();
    room_for_items(found.len())?;
    if found.is_empty() {
        return Ok(Value::nil_list(crate::value::Items::String));
    }
    Ok(Value::strings(found))
}

fn replace(call: &Call<'_>) -> Answer {
    let regex = compile(call)?;
    let text = call.text(1);
    check_room(call, &regex, &text)?;
    Ok(Value::string(&*regex.replace_all(&text, &*call.text(2))))
}

fn replace_literal(call: &Call<'_>) -> Answer {
    let regex = compile(call)?;
    let text = call.text(1);
    check_room(call, &regex, &text)?;
    let replacement = call.text(2);
    Ok(Value::string(&*regex.replace_all(&text, regex::NoExpand(&replacement))))
}

/// A short text matched everywhere by nothing could be replaced by something long.
fn check_room(call: &Call<'_>, regex: &Regex, text: &str) -> Result<(), Message> {
    let replacement = call.text(2);
    // Each reference may bring in the whole match, and all matches together are the text.
    let references = replacement.matches('$').count() + 1;
    let matches = regex.find_iter(text).count();
    call.room(
        text.len()
            .saturating_mul(references)
            .saturating_add(matches.saturating_mul(replacement.len())),
    )
}

fn split(call: &Call<'_>) -> Answer {
    let regex = compile(call)?;
    let text = call.text(1);
    let limit = limit(call);
    if limit == 0 {
        return Ok(Value::nil_list(crate::value::Items::String));
    }
    if !call.bytes(0).is_empty() && text.is_empty() {
        return Ok(Value::strings([""]));
    }
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, 0);
    for found in regex.find_iter(&text).take(limit) {
        if parts.len() + 1 == limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[start..end]);
        }
        start = found.end();
    }
    if end != text.len() {
        parts.push(&text[start..]);
    }
    room_for_items(parts.len())?;
    Ok(Value::strings(parts))
}
