//! Times by Go's reference layout (`Mon Jan 2 15:04:05 MST 2006`) and durations as Go writes them.
//! The local zone is UTC everywhere, so that a template means the same on every machine.

use std::rc::Rc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};

use super::Param::{Any, String as Str, Time};
use super::{Answer, Call, Function};
use crate::exec::Message;
use crate::value::{IntType, Moment, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |_| Ok(moment(now()))).volatile(),
    Function::new("date", &[Str, Any], |call| {
        Ok(Value::string(format(&time_of(&call.arguments[1]), &call.text(0))))
    }),
    Function::new("dateInZone", &[Str, Any, Str], in_zone),
    Function::new("date_in_zone", &[Str, Any, Str], in_zone),
    Function::new("htmlDate", &[Any], |call| {
        Ok(Value::string(format(&time_of(&call.arguments[0]), "2006-01-02")))
    }),
    Function::new("htmlDateInZone", &[Any, Str], |call| {
        let time = time_of(&call.arguments[0]).with_time_zone(zone(&call.text(1)));
        Ok(Value::string(format(&time, "2006-01-02")))
    }),
    Function::new("dateModify", &[Str, Time], |call| {
        Ok(modify(call).unwrap_or(call.arguments[1].clone()))
    }),
    Function::new("date_modify", &[Str, Time], |call| {
        Ok(modify(call).unwrap_or(call.arguments[1].clone()))
    }),
    Function::new("mustDateModify", &[Str, Time], modify),
    Function::new("must_date_modify", &[Str, Time], modify),
    Function::new("ago", &[Any], |call| {
        let since = now().as_nanosecond() - time_of(&call.arguments[0]).timestamp().as_nanosecond();
        let seconds = i64::try_from(since.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        Ok(Value::string(duration_text(seconds.saturating_mul(1_000_000_000))))
    })
    .volatile(),
    Function::new("duration", &[Any], |call| {
        let seconds = match &call.arguments[0] {
            Value::String(text) => text.text().parse().unwrap_or(0),
            Value::Int(seconds, IntType::Int64) => *seconds,
            _ => 0,
        };
        Ok(Value::string(duration_text(seconds.wrapping_mul(1_000_000_000))))
    }),
    Function::new("durationRound", &[Any], round),
    Function::new("toDate", &[Str, Str], |call| {
        Ok(parse(&call.text(0), &call.text(1)).unwrap_or_else(|_| zero()))
    }),
    Function::new("mustToDate", &[Str, Str], |call| parse(&call.text(0), &call.text(1))),
    Function::new("unixEpoch", &[Time], |call| {
        Ok(Value::string(time_of(&call.arguments[0]).timestamp().as_second().to_string()))
    }),
];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The only look at a clock; the functions that take it are volatile.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

pub(super) fn moment(timestamp: Timestamp) -> Value {
    Value::Time(Rc::new(Moment(timestamp.to_zoned(TimeZone::UTC))))
}

/// Go's zero time: the first second of the year 1.
fn zero() -> Value {
    let first = civil::date(1, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC);
    Value::Time(Rc::new(Moment(first.expect("the year 1 is within the calendar"))))
}

/// A time, or seconds since 1970; anything else is now.
fn time_of(value: &Value) -> Zoned {
    match value {
        Value::Time(time) => time.0.with_time_zone(TimeZone::UTC),
        Value::Int(seconds, IntType::Int | IntType::Int32 | IntType::Int64) => {
            Timestamp::from_second(*seconds)
                .unwrap_or(if *seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
                .to_zoned(TimeZone::UTC)
        }
        _ => now().to_zoned(TimeZone::UTC),
    }
}

fn zone(name: &str) -> TimeZone {
    match name {
        "" | "UTC" | "Local" => TimeZone::UTC,
        name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
    }
}

fn in_zone(call: &Call<'_>) -> Answer {
    let time = time_of(&call.arguments[1]).with_time_zone(zone(&call.text(2)));
    Ok(Value::string(format(&time, &call.text(0))))
}

fn modify(call: &Call<'_>) -> Result<Value, Message> {
    let nanos = parse_duration(&call.text(0))?;
    let Value::Time(time) = &call.arguments[1] else { return Err("it takes a time".into()) };
    let time = &time.0;
    let moved = time.checked_add(jiff::SignedDuration::from_nanos(nanos));
    let moved = moved.map_err(|error| error.to_string())?;
    Ok(Value::Time(Rc::new(Moment(moved))))
}

fn round(call: &Call<'_>) -> Answer {
    let nanos = match &call.arguments[0] {
        Value::String(text) => parse_duration(&text.text()).unwrap_or(0),
        Value::Int(nanos, IntType::Int64) => *nanos,
        Value::Time(time) => {
            let since = now().as_nanosecond() - time.0.timestamp().as_nanosecond();
            i64::try_from(since).unwrap_or(i64::MAX)
        }
        _ => 0,
    };
    const HOUR: u64 = 3_600_000_000_000;
    let units = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let size = nanos.unsigned_abs();
    let found = units.into_iter().find(|(unit, _)| size > *unit);
    Ok(Value::string(
        found.map_or("0s".to_owned(), |(unit, name)| format!("{}{name}", size / unit)),
    ))
}

/// As `time.Duration` prints itself: `1h0m5s`, `1.5s`, `20ms`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let fraction = |value: u64, unit: u64, name: &str| {
        let (whole, part) = (value / unit, value % unit);
        let digits = unit.to_string().len() - 1;
        let part = format!("{part:0digits$}");
        let part = part.trim_end_matches('0');
        let point = if part.is_empty() || digits == 0 { "" } else { "." };
        let part = if digits == 0 { "" } else { part };
        format!("{whole}{point}{part}{name}")
    };
    match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => format!("{sign}{}", fraction(size, 1_000, "µs")),
        1_000_000..1_000_000_000 => format!("{sign}{}", fraction(size, 1_000_000, "ms")),
        _ => {
            let minutes = size / 60_000_000_000;
            let seconds = fraction(size % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// As `time.ParseDuration`.
fn parse_duration(text: &str) -> Result<i64, Message> {
    let invalid = || Message::from(format!("time: invalid duration {text:?}"));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| Message::from(format!("time: missing unit in duration {text:?}")))?;
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            unit => {
                return Err(format!("time: unknown unit {unit:?} in duration {text:?}").into());
            }
        };
        total += number * unit;
        rest = &rest[end..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    let nanos = (total < 9.2e18).then_some(total as i64).ok_or_else(invalid)?;
    Ok(if negative { -nanos } else { nanos })
}

/// Months and days that overflow go on into the next: 31 January and a month is 2 or 3 March.
pub(super) fn add_date(time: &Zoned, years: i64, months: i64, days: i64) -> Option<Zoned> {
    let months = i64::from(time.month()) - 1 + months;
    let year = i64::from(time.year()).checked_add(years)?.checked_add(months.div_euclid(12))?;
    let month = i8::try_from(months.rem_euclid(12)).ok()? + 1;
    let first = civil::Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
    let days = days.checked_add(i64::from(time.day()) - 1)?;
    let date = first.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    time.with().date(date).build().ok()
}

pub(crate) fn rfc3339(time: &Zoned) -> String {
    format(time, "2006-01-02T15:04:05.999999999Z07:00")
}

/// As `time.Time` prints itself.
pub(crate) fn go_string(time: &Zoned) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// As `%#v` prints it.
pub(crate) fn go_syntax(time: &Zoned) -> String {
    let month = MONTHS[usize::from(time.month().unsigned_abs()) - 1];
    let zone = match time.time_zone().iana_name() {
        None | Some("UTC") => "time.UTC".to_owned(),
        Some(name) => format!("time.Location({name:?})"),
    };
    format!(
        "time.Date({}, time.{month}, {}, {}, {}, {}, {}, {zone})",
        time.year(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond()
    )
}

/// The pieces of a layout, longest first where one begins another.
const PIECES: [&str; 33] = [
    "January",
    "Monday",
    "2006",
    "-07:00:00",
    "Z07:00:00",
    "-070000",
    "Z070000",
    "-07:00",
    "Z07:00",
    "-0700",
    "Z0700",
    "__2",
    "002",
    "Jan",
    "Mon",
    "MST",
    "-07",
    "Z07",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "_2",
    "15",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
];

/// The next piece of a layout: what stands before it, the piece, and what follows.
fn piece(layout: &str) -> (&str, &str, &str) {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        // A fraction of a second follows a point or comma, and no digit follows it.
        if rest.starts_with(['.', ',']) {
            let digits = rest[1..].find(|c| c != '0').unwrap_or(rest.len() - 1);
            let nines = rest[1..].find(|c| c != '9').unwrap_or(rest.len() - 1);
            let length = 1 + digits.max(nines);
            if length > 1 && !rest[length..].starts_with(|c: char| c.is_ascii_digit()) {
                return (&layout[..at], &rest[..length], &rest[length..]);
            }
        }
        // "_2006" is an underscore before a year, and "Jan" may begin a longer word.
        if let Some(after) = rest.strip_prefix("_2006") {
            return (&layout[..=at], "2006", after);
        }
        if let Some(found) = PIECES.iter().find(|piece| rest.starts_with(**piece)) {
            let word_goes_on = matches!(*found, "Jan" | "Mon")
                && rest[3..].starts_with(|c: char| c.is_ascii_lowercase());
            if !word_goes_on {
                return (&layout[..at], found, &rest[found.len()..]);
            }
        }
    }
    (layout, "", "")
}

/// A time by a Go layout.
pub(super) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut layout = layout;
    while !layout.is_empty() {
        let (before, found, rest) = piece(layout);
        out.push_str(before);
        layout = rest;
        if !found.is_empty() {
            out.push_str(&shown(time, found));
        }
    }
    out
}

fn shown(time: &Zoned, piece: &str) -> String {
    let month = MONTHS[usize::from(time.month().unsigned_abs()) - 1];
    let day = WEEKDAYS[usize::from(time.weekday().to_sunday_zero_offset().unsigned_abs())];
    let hour12 = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    match piece {
        "January" => month.to_owned(),
        "Jan" => month[..3].to_owned(),
        "Monday" => day.to_owned(),
        "Mon" => day[..3].to_owned(),
        "2006" => format!("{:04}", time.year()),
        "06" => format!("{:02}", time.year().rem_euclid(100)),
        "01" => format!("{:02}", time.month()),
        "1" => time.month().to_string(),
        "02" => format!("{:02}", time.day()),
        "_2" => format!("{:2}", time.day()),
        "2" => time.day().to_string(),
        "002" => format!("{:03}", time.day_of_year()),
        "__2" => format!("{:3}", time.day_of_year()),
        "15" => format!("{:02}", time.hour()),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", time.minute()),
        "4" => time.minute().to_string(),
        "05" => format!("{:02}", time.second()),
        "5" => time.second().to_string(),
        "PM" => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        "pm" => if time.hour() < 12 { "am" } else { "pm" }.to_owned(),
        "MST" => abbreviation(time),
        piece if piece.starts_with(['.', ',']) => fraction(time, piece),
        piece => offset(time, piece),
    }
}

fn abbreviation(time: &Zoned) -> String {
    let fixed = time.time_zone().to_fixed_offset().is_ok_and(|offset| offset.seconds() != 0);
    if fixed {
        // A zone without a name is shown by its offset.
        return offset(time, "-0700");
    }
    let info = time.time_zone().to_offset_info(time.timestamp());
    info.abbreviation().to_owned()
}

fn fraction(time: &Zoned, piece: &str) -> String {
    let digits = format!("{:09}", time.subsec_nanosecond());
    let digits = &digits[..(piece.len() - 1).min(9)];
    if piece.ends_with('9') {
        let digits = digits.trim_end_matches('0');
        return if digits.is_empty() { String::new() } else { format!("{}{digits}", &piece[..1]) };
    }
    format!("{}{digits}", &piece[..1])
}

fn offset(time: &Zoned, piece: &str) -> String {
    let seconds = time.offset().seconds();
    if piece.starts_with('Z') && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    match &piece[1..] {
        "07" => format!("{sign}{hours:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "070000" => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// What was read of a time so far.
struct Read {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    day_of_year: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

impl Read {
    /// The day; where it is told by its number in the year, the month and day that are told too
    /// must be those.
    fn date(&self) -> Option<civil::Date> {
        let Some(number) = self.day_of_year else {
            return civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
                .ok();
        };
        let first = civil::Date::new(self.year, 1, 1).ok()?;
        let date = first.with().day_of_year(number).build().ok()?;
        let is_same = self.month.is_none_or(|month| month == date.month())
            && self.day.is_none_or(|day| day == date.day());
        is_same.then_some(date)
    }
}

/// Reads a time by a Go layout; without a zone in it, in UTC.
pub(super) fn parse(layout: &str, text: &str) -> Result<Value, Message> {
    let fail = || Message::from(format!("parsing time {text:?} as {layout:?}: cannot parse"));
    let mut read = Read {
        year: 0,
        month: None,
        day: None,
        day_of_year: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        afternoon: None,
        offset: None,
    };
    let (mut layout_rest, mut rest) = (layout, text);
    while !layout_rest.is_empty() {
        let (before, found, after) = piece(layout_rest);
        rest = rest.strip_prefix(before).ok_or_else(fail)?;
        rest = take(&mut read, found, rest).ok_or_else(fail)?;
        // A fraction may follow the seconds without being in the layout.
        if matches!(found, "05" | "5") && !after.starts_with(['.', ',']) && rest.starts_with('.') {
            rest = take_fraction(&mut read, rest).ok_or_else(fail)?;
        }
        layout_rest = after;
    }
    if !rest.is_empty() {
        return Err(format!("parsing time {text:?}: extra text: {rest:?}").into());
    }
    let hour = match read.afternoon {
        Some(true) if read.hour < 12 => read.hour + 12,
        Some(false) if read.hour == 12 => 0,
        _ => read.hour,
    };
    let range = |_| Message::from(format!("parsing time {text:?}: out of range"));
    let time = civil::Time::new(hour, read.minute, read.second, read.nanos).map_err(range)?;
    let date = read.date().ok_or_else(|| format!("parsing time {text:?}: out of range"))?;
    let zone = match read.offset {
        None | Some(0) => TimeZone::UTC,
        Some(seconds) => TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).map_err(range)?),
    };
    let zoned = date.to_datetime(time).to_zoned(zone).map_err(range)?;
    Ok(Value::Time(Rc::new(Moment(zoned))))
}

/// Up to `most` digits, at least `least`.
fn number(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (end >= least).then(|| text[..end].parse().ok().map(|number| (number, &text[end..]))).flatten()
}

fn word<'a>(text: &'a str, words: &[&str], length: usize) -> Option<(i8, &'a str)> {
    let at = words.iter().position(|word| {
        let word = &word[..length.min(word.len())];
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    })?;
    let length = length.min(words[at].len());
    Some((i8::try_from(at).expect("at most twelve words"), &text[length..]))
}

fn take<'a>(read: &mut Read, piece: &str, text: &'a str) -> Option<&'a str> {
    let small = |number: i32| i8::try_from(number).ok();
    let (value, rest) = match piece {
        "" => return Some(text),
        "January" | "Jan" => {
            let (month, rest) = word(text, &MONTHS, if piece == "Jan" { 3 } else { 9 })?;
            read.month = Some(month + 1);
            return Some(rest);
        }
        "Monday" | "Mon" => {
            return word(text, &WEEKDAYS, if piece == "Mon" { 3 } else { 9 }).map(|(_, rest)| rest);
        }
        "PM" | "pm" => {
            let half = text.get(..2)?;
            read.afternoon = Some(match half {
                "PM" | "pm" => true,
                "AM" | "am" => false,
                _ => return None,
            });
            return Some(&text[2..]);
        }
        "MST" => {
            let end = text.bytes().take_while(u8::is_ascii_uppercase).count();
            if text.starts_with("UTC") {
                read.offset = Some(0);
            }
            return (3..=5).contains(&end).then(|| &text[end..]);
        }
        "2006" => number(text, 4, 4)?,
        "002" => number(text, 3, 3)?,
        "__2" => {
            let spaces = text.bytes().take(2).take_while(|byte| *byte == b' ').count();
            number(&text[spaces..], 1, 3)?
        }
        "01" | "02" | "03" | "04" | "05" | "06" => number(text, 2, 2)?,
        "1" | "2" | "3" | "4" | "5" | "15" => number(text, 1, 2)?,
        "_2" => number(text.strip_prefix(' ').unwrap_or(text), 1, 2)?,
        // Zeros want as many digits as they are; nines take what there is.
        piece if piece.starts_with(['.', ',']) && piece.ends_with('0') => {
            let digits = text.get(1..piece.len())?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            return all
                .then(|| take_fraction(read, &text[..piece.len()]))
                .flatten()
                .map(|_| &text[piece.len()..]);
        }
        piece if piece.starts_with(['.', ',']) => {
            return take_fraction(read, text).or_else(|| piece.ends_with('9').then_some(text));
        }
        piece => return take_offset(read, piece, text),
    };
    match piece {
        "2006" => read.year = i16::try_from(value).ok()?,
        "06" => {
            read.year =
                i16::try_from(if value >= 69 { 1900 + value } else { 2000 + value }).ok()?;
        }
        "002" | "__2" => read.day_of_year = Some(i16::try_from(value).ok()?),
        "01" | "1" => read.month = Some(small(value)?),
        "02" | "2" | "_2" => read.day = Some(small(value)?),
        "15" | "03" | "3" => read.hour = small(value)?,
        "04" | "4" => read.minute = small(value)?,
        _ => read.second = small(value)?,
    }
    Some(rest)
}

fn take_fraction<'a>(read: &mut Read, text: &'a str) -> Option<&'a str> {
    let digits = text.strip_prefix(['.', ','])?;
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return None;
    }
    let nine = format!("{:0<9}", &digits[..end.min(9)]);
    read.nanos = nine.parse().ok()?;
    Some(&digits[end..])
}

fn take_offset<'a>(read: &mut Read, piece: &str, text: &'a str) -> Option<&'a str> {
    if piece.starts_with('Z') && text.starts_with('Z') {
        read.offset = Some(0);
        return Some(&text[1..]);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = number(&text[1..], 2, 2)?;
    let mut seconds = hours * 3600;
    let colon = piece.contains(':');
    for unit in [60, 1].into_iter().take(match piece.len() {
        3 => 0,
        5 | 6 => 1,
        _ => 2,
    }) {
        if colon {
            rest = rest.strip_prefix(':')?;
        }
        let (value, after) = number(rest, 2, 2)?;
        seconds += value * unit;
        rest = after;
    }
    read.offset = Some(sign * seconds);
    Some(rest)
}
