//! Times as people read them.

use model::status::Timestamp;
use model::view::StatusSource;

/// How long ago, in one unit: `42s`, `3m`, `5h`, `12d`. A time to come is `0s`: clocks differ.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    short((now.0 - then.0) / 1_000)
}

/// How long until, in one unit; `expired` when it is over. An hour that has just begun is `1h`, so it
/// is rounded, unlike an age.
pub(crate) fn remaining(then: Timestamp, now: Timestamp) -> String {
    if then.0 <= now.0 {
        return "expired".to_owned();
    }
    let seconds = (then.0 - now.0 + 999) / 1_000;
    let rounded = |unit: i64| (seconds + unit / 2) / unit * unit;
    let units = [(1, 60), (60, 3_600), (3_600, 86_400)];
    let unit = units.into_iter().find(|(unit, next)| rounded(*unit) < *next);
    short(rounded(unit.map_or(86_400, |(unit, _)| unit)))
}

fn short(seconds: i64) -> String {
    match seconds {
        ..0 => "0s".to_owned(),
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The age of a verdict, which tells its source too: `3m` is live, `(3m ago)` is the last word of a
/// spoke that is away, `never` is none at all.
pub(crate) fn of_verdict(
    source: StatusSource,
    reported: Option<Timestamp>,
    now: Timestamp,
) -> String {
    match (source, reported) {
        (StatusSource::NeverSeen, _) => "never".to_owned(),
        (StatusSource::Live, Some(then)) => age(then, now),
        (StatusSource::LastKnown, Some(then)) => format!("({} ago)", age(then, now)),
        (StatusSource::Live, None) => "-".to_owned(),
        (StatusSource::LastKnown, None) => "(unknown)".to_owned(),
    }
}

/// The instant in UTC, to the second.
pub(crate) fn utc(then: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(then.0) {
        Ok(instant) => instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// The instant and how long ago it was.
pub(crate) fn utc_and_age(then: Timestamp, now: Timestamp) -> String {
    format!("{} ({} ago)", utc(then), age(then, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit_and_is_never_negative() {
        let now = Timestamp(1_000_000_000);
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3_599, "59m"), (86_399, "23h"), (86_400, "1d")]
        {
            assert_eq!(age(Timestamp(now.0 - seconds * 1_000), now), text);
        }
        assert_eq!(age(Timestamp(now.0 + 5_000), now), "0s");
    }

    #[test]
    fn what_remains_is_rounded() {
        for (ms, text) in [
            (0, "expired"),
            (1, "1s"),
            (59_000, "59s"),
            (3_599_900, "1h"),
            (86_399_000, "1d"),
            (40 * 3_600_000, "2d"),
            (29 * 86_400_000 - 1, "29d"),
        ] {
            assert_eq!(remaining(Timestamp(ms), Timestamp(0)), text, "{ms}");
        }
    }

    #[test]
    fn the_source_of_a_verdict_shows_in_its_age() {
        let (then, now) = (Some(Timestamp(0)), Timestamp(180_000));
        assert_eq!(of_verdict(StatusSource::Live, then, now), "3m");
        assert_eq!(of_verdict(StatusSource::LastKnown, then, now), "(3m ago)");
        assert_eq!(of_verdict(StatusSource::NeverSeen, then, now), "never");
    }

    #[test]
    fn instants_are_utc() {
        assert_eq!(utc(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20Z");
        assert_eq!(utc(Timestamp(i64::MAX)), "-");
    }
}
