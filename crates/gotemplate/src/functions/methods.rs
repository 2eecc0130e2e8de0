//! Methods of the values that have some: `(semver "1.2").Major`, `(now).Year`.

use std::rc::Rc;

use super::dates;
use super::versions::Version;
use crate::exec::Message;
use crate::value::{IntType, Moment, Value};

/// Calls a method; `None` when the value's type has none of that name.
pub(crate) fn call(
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Option<Result<Value, Message>> {
    let answer = match value {
        Value::Version(version) => of_version(version, name, arguments)?,
        Value::Time(time) => of_time(time, name, arguments)?,
        Value::Duration(nanos) => of_duration(*nanos, name)?,
        _ => return None,
    };
    Some(answer)
}

fn unsigned(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX), IntType::Uint64)
}

fn of_version(
    version: &Rc<Version>,
    name: &str,
    arguments: &[Value],
) -> Option<Result<Value, Message>> {
    let next = |part| Value::Version(Rc::new(version.increment(part)));
    Some(Ok(match name {
        "Major" => unsigned(version.major),
        "Minor" => unsigned(version.minor),
        "Patch" => unsigned(version.patch),
        "Prerelease" => Value::string(version.prerelease.as_str()),
        "Metadata" => Value::string(version.metadata.as_str()),
        "Original" => Value::string(version.original()),
        "String" => Value::string(version.to_string()),
        "IncMajor" => next("major"),
        "IncMinor" => next("minor"),
        "IncPatch" => next("patch"),
        "Compare" | "Equal" | "LessThan" | "GreaterThan" => {
            let [Value::Version(other)] = arguments else {
                return Some(Err(format!("{name} takes one version").into()));
            };
            let order = version.compare(other);
            match name {
                "Compare" => Value::int(order as i64),
                "Equal" => Value::Bool(order.is_eq()),
                "LessThan" => Value::Bool(order.is_lt()),
                _ => Value::Bool(order.is_gt()),
            }
        }
        _ => return None,
    }))
}

fn of_time(time: &Rc<Moment>, name: &str, arguments: &[Value]) -> Option<Result<Value, Message>> {
    let zoned = &time.0;
    Some(Ok(match name {
        "Year" => Value::int(zoned.year().into()),
        "Day" => Value::int(zoned.day().into()),
        "Hour" => Value::int(zoned.hour().into()),
        "Minute" => Value::int(zoned.minute().into()),
        "Second" => Value::int(zoned.second().into()),
        "Nanosecond" => Value::int(zoned.subsec_nanosecond().into()),
        "YearDay" => Value::int(zoned.day_of_year().into()),
        "Month" => Value::string(dates::MONTHS[usize::from(zoned.month().unsigned_abs()) - 1]),
        "Weekday" => {
            let day = zoned.weekday().to_sunday_zero_offset();
            Value::string(dates::WEEKDAYS[usize::from(day.unsigned_abs())])
        }
        "Unix" => Value::int64(zoned.timestamp().as_second()),
        "UnixMilli" => Value::int64(zoned.timestamp().as_millisecond()),
        "UTC" => dates::moment(zoned.timestamp()),
        "String" => Value::string(dates::go_string(zoned)),
        "IsZero" => Value::Bool(zoned.timestamp() == zoned_zero()),
        "Before" | "After" | "Equal" | "Sub" => {
            let [Value::Time(other)] = arguments else {
                return Some(Err(format!("{name} takes one time").into()));
            };
            let (own, other) = (zoned.timestamp(), other.0.timestamp());
            match name {
                "Before" => Value::Bool(own < other),
                "After" => Value::Bool(own > other),
                "Equal" => Value::Bool(own == other),
                _ => {
                    let nanos = own.as_nanosecond() - other.as_nanosecond();
                    let bounds = i128::from(i64::MIN)..=i128::from(i64::MAX);
                    let nanos = nanos.clamp(*bounds.start(), *bounds.end());
                    Value::Duration(i64::try_from(nanos).expect("clamped"))
                }
            }
        }
        "AddDate" => {
            let [Value::Int(years, _), Value::Int(months, _), Value::Int(days, _)] = arguments
            else {
                return Some(Err("AddDate takes years, months and days".into()));
            };
            match dates::add_date(zoned, *years, *months, *days) {
                Some(moved) => Value::Time(Rc::new(Moment(moved))),
                None => return Some(Err("the date is out of range".into())),
            }
        }
        "Format" => {
            let [Value::String(layout)] = arguments else {
                return Some(Err("Format takes one layout".into()));
            };
            Value::string(dates::format(zoned, &layout.text()))
        }
        _ => return None,
    }))
}

/// Go's zero time.
fn zoned_zero() -> jiff::Timestamp {
    jiff::Timestamp::from_second(-62_135_596_800).expect("the year 1 is within the calendar")
}

#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
fn of_duration(nanos: i64, name: &str) -> Option<Result<Value, Message>> {
    let seconds = nanos as f64 / 1e9;
    Some(Ok(match name {
        "Hours" => Value::Float(seconds / 3600.0),
        "Minutes" => Value::Float(seconds / 60.0),
        "Seconds" => Value::Float(seconds),
        "Milliseconds" => Value::int64(nanos / 1_000_000),
        "Nanoseconds" => Value::int64(nanos),
        "String" => Value::string(dates::duration_text(nanos)),
        _ => return None,
    }))
}
