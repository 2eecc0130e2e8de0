//! The helpers that test: comparison, logic and versions.

use std::cmp::Ordering;

use handlebars::JsonTruthy as _;
use semver::{Prerelease, Version, VersionReq};
use serde_json::{Number, Value};

use super::functions::text_of;
use super::helpers::Argument;
use crate::parameters;

type Outcome = Result<Option<Value>, String>;

fn answer(truth: bool) -> Outcome {
    Ok(Some(Value::Bool(truth)))
}

fn pair<'a>(arguments: &[Argument<'a>]) -> (&'a Value, &'a Value) {
    let value = |index: usize| arguments[index].value.map_or(&Value::Null, parameters::plain);
    (value(0), value(1))
}

/// Equal as JSON, with numbers by their value: 1 and 1.0 are equal, 1 and "1" are not.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Some(Ordering::Equal),
        _ => left == right,
    }
}

fn numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// The order of two numbers, or of two texts by their bytes. Text beside a number is read as a
/// number, since labels are always text.
fn order(arguments: &[Argument<'_>]) -> Result<Ordering, String> {
    let (left, right) = pair(arguments);
    let refuse =
        || format!("{left} and {right} cannot be ordered; compare two numbers or two texts");
    let number = |value: &Value| match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.trim().parse::<Number>().ok(),
        _ => None,
    };
    match (left, right) {
        (Value::String(a), Value::String(b)) => Ok(a.as_bytes().cmp(b.as_bytes())),
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => numbers(&a, &b).ok_or_else(refuse),
            _ => Err(refuse()),
        },
    }
}

pub(super) fn eq(arguments: &[Argument<'_>]) -> Outcome {
    let (left, right) = pair(arguments);
    answer(is_equal(left, right))
}

pub(super) fn ne(arguments: &[Argument<'_>]) -> Outcome {
    let (left, right) = pair(arguments);
    answer(!is_equal(left, right))
}

pub(super) fn lt(arguments: &[Argument<'_>]) -> Outcome {
    answer(order(arguments)?.is_lt())
}

pub(super) fn lte(arguments: &[Argument<'_>]) -> Outcome {
    answer(order(arguments)?.is_le())
}

pub(super) fn gt(arguments: &[Argument<'_>]) -> Outcome {
    answer(order(arguments)?.is_gt())
}

pub(super) fn gte(arguments: &[Argument<'_>]) -> Outcome {
    answer(order(arguments)?.is_ge())
}

/// As `if` sees it: false, 0, null, nothing and what is empty are not true.
fn is_true(argument: &Argument<'_>) -> bool {
    argument.value.is_some_and(|value| value.is_truthy(false))
}

pub(super) fn and(arguments: &[Argument<'_>]) -> Outcome {
    answer(arguments.iter().all(is_true))
}

pub(super) fn or(arguments: &[Argument<'_>]) -> Outcome {
    answer(arguments.iter().any(is_true))
}

pub(super) fn not(arguments: &[Argument<'_>]) -> Outcome {
    answer(!is_true(&arguments[0]))
}

/// Whether a list has an item, or a map a key.
pub(super) fn has(arguments: &[Argument<'_>]) -> Outcome {
    match arguments[0].value {
        Some(Value::Array(list)) => {
            let item = arguments[1].value.map_or(&Value::Null, parameters::plain);
            answer(list.iter().any(|candidate| is_equal(candidate, item)))
        }
        Some(Value::Object(map)) => answer(map.contains_key(text_of(arguments, 1)?.as_ref())),
        _ => Err("the first argument is neither a list nor a map".to_owned()),
    }
}

pub(super) fn starts_with(arguments: &[Argument<'_>]) -> Outcome {
    answer(text_of(arguments, 0)?.starts_with(text_of(arguments, 1)?.as_ref()))
}

pub(super) fn ends_with(arguments: &[Argument<'_>]) -> Outcome {
    answer(text_of(arguments, 0)?.ends_with(text_of(arguments, 1)?.as_ref()))
}

/// Whether a version meets a constraint such as `>=1.30, <2`.
///
/// Vendors append to the version of Kubernetes (`v1.31.2-gke.100`), which Semantic Versioning
/// would read as a pre-release and refuse. The appendix counts only when the constraint has one.
pub(super) fn semver_compare(arguments: &[Argument<'_>]) -> Outcome {
    let (constraint, version) = (text_of(arguments, 0)?, text_of(arguments, 1)?);
    let wanted = VersionReq::parse(&constraint)
        .map_err(|error| format!("{constraint:?} is not a version constraint: {error}"))?;
    let mut version = lenient_version(&version)
        .map_err(|error| format!("{version:?} is not a version: {error}"))?;
    if wanted.comparators.iter().all(|comparator| comparator.pre.is_empty()) {
        version.pre = Prerelease::EMPTY;
    }
    answer(wanted.matches(&version))
}

/// A version with an optional `v` before it; `1` and `1.30` are `1.0.0` and `1.30.0`.
pub(crate) fn lenient_version(text: &str) -> Result<Version, semver::Error> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (release, rest) = text.split_at(end);
    let missing = 2_usize.saturating_sub(release.matches('.').count());
    Version::parse(&format!("{release}{}{rest}", ".0".repeat(missing)))
}
