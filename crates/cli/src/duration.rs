//! Durations as people write them: `90s`, `5m`, `1h30m`, `7d`.

use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a duration of at least one second, for clap.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write it like 30s, 5m, 1h30m or 7d");
    let (mut seconds, mut digits) = (0_u64, String::new());
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == letter).ok_or_else(wrong)?;
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(*unit).ok_or_else(wrong)?;
        seconds = seconds.checked_add(part).ok_or_else(wrong)?;
        digits.clear();
    }
    match (seconds, digits.is_empty()) {
        (0, true) if !text.is_empty() => Err("the duration must be at least 1s".to_owned()),
        (1.., true) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

/// The shortest text that [`parse`] reads as this duration.
pub(crate) fn text(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let part = |(name, unit): (char, u64)| {
        let number = rest / unit;
        rest %= unit;
        (number > 0).then(|| format!("{number}{name}"))
    };
    let text: String = UNITS.into_iter().filter_map(part).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_what_it_prints() {
        for (written, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5_400), ("7d", 604_800)] {
            assert_eq!(parse(written), Ok(Duration::from_secs(seconds)), "{written}");
        }
        assert_eq!(text(Duration::from_secs(90)), "1m30s");
        assert_eq!(text(Duration::from_secs(3_600)), "1h");
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for bad in ["", "5", "m", "5 m", "-5m", "1y", "0s", "99999999999999999999d", "5m3"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse("5").unwrap_err().contains("5m"));
    }
}
