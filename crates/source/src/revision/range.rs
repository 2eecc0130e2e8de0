//! Version ranges over tags, in the notation that Argo CD's users know (Masterminds/semver).
//!
//! `1.x`, `>=1.2 <2`, `>=1.2, <2`, `^1.2`, `~1.2.3`, `1.2 - 1.4`, `1.x || 3.x`, `!=1.3.0`, `*`.
//! A pre-release is only taken when the same alternative names one (`>=1.0.0-0`). A plain
//! `1.2.3` is a name and not a range.

use semver::{Prerelease, Version};

/// Longer texts are not ranges, and would only cost time.
const MAX_BYTES: usize = 256;

/// Alternatives, each a list of conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range(Vec<Vec<Condition>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// At least this version.
    low: Option<Version>,
    /// Below this version.
    high: Option<Version>,
    /// The condition holds outside of these bounds.
    negated: bool,
    names_prerelease: bool,
}

/// A version with parts left open: `1`, `1.2`, `1.x`, `*`.
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
}

/// The version in a tag name: with or without `v`, and with parts that may be left out.
pub(crate) fn version(tag: &str) -> Option<Version> {
    let partial = Partial::parse(tag)?;
    let version = Version {
        major: partial.major?,
        minor: partial.minor.unwrap_or(0),
        patch: partial.patch.unwrap_or(0),
        pre: partial.pre,
        build: semver::BuildMetadata::EMPTY,
    };
    // A wildcard is no version, but a part that is left out is one.
    (!tag.contains(['x', 'X', '*']) || Version::parse(tag.trim_start_matches('v')).is_ok())
        .then_some(version)
}

impl Range {
    /// `None` for what is not a range, which includes a plain version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let looks_like_one = text.contains(['<', '>', '=', '^', '~', '*', ' ', ',', '|', 'x', 'X']);
        if !looks_like_one || text.len() > MAX_BYTES || version(text).is_some() {
            return None;
        }
        text.split("||").map(alternative).collect::<Option<Vec<_>>>().map(Self)
    }

    pub(crate) fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|conditions| {
            let prerelease_allowed =
                version.pre.is_empty() || conditions.iter().any(|c| c.names_prerelease);
            prerelease_allowed && conditions.iter().all(|condition| condition.holds(version))
        })
    }
}

fn alternative(text: &str) -> Option<Vec<Condition>> {
    if let Some((low, high)) = text.split_once(" - ") {
        return Some(vec![
            condition(">=", &Partial::parse(low.trim())?)?,
            condition("<=", &Partial::parse(high.trim())?)?,
        ]);
    }
    let mut conditions = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while !rest.is_empty() {
        let operator_end = rest.find(|c| !"<>=!^~".contains(c))?;
        let (operator, after) = rest.split_at(operator_end);
        let after = after.trim_start_matches(' ');
        let version_end = after.find([' ', ',']).unwrap_or(after.len());
        let (version, after) = after.split_at(version_end);
        conditions.push(condition(operator, &Partial::parse(version)?)?);
        rest = after.trim_start_matches([' ', ',']);
    }
    (!conditions.is_empty()).then_some(conditions)
}

fn condition(operator: &str, partial: &Partial) -> Option<Condition> {
    let low = Some(partial.floor());
    let open = partial.major.is_none();
    let (low, high, negated) = match operator {
        "" | "=" | "==" => (low, partial.after(), false),
        "!=" => (low, partial.after(), true),
        ">" if open => return None,
        ">" => (partial.after(), None, false),
        ">=" | "=>" => (low, None, false),
        "<" if open => return None,
        "<" => (None, low, false),
        "<=" | "=<" => (None, partial.after(), false),
        "~" | "~>" => (low, partial.next_minor(), false),
        "^" => (low, partial.next_breaking(), false),
        _ => return None,
    };
    let low = if open { None } else { low };
    Some(Condition { low, high, negated, names_prerelease: !partial.pre.is_empty() })
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        let above = self.low.as_ref().is_none_or(|low| version >= low);
        let below = self.high.as_ref().is_none_or(|high| version < high);
        (above && below) != self.negated
    }
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        let parts: Vec<_> = numbers.split('.').map(part).collect::<Option<_>>()?;
        if parts.len() > 3 {
            return None;
        }
        // After an open part, all are open: `1.x.3` means `1.x`.
        let mut parts = parts.into_iter().map_while(|part| part);
        Some(Self {
            major: parts.next(),
            minor: parts.next(),
            patch: parts.next(),
            pre: Prerelease::new(pre).ok()?,
        })
    }

    fn floor(&self) -> Version {
        let number = |part: Option<u64>| part.unwrap_or(0);
        let mut floor = Version::new(number(self.major), number(self.minor), number(self.patch));
        floor.pre = self.pre.clone();
        floor
    }

    /// The first version after all that the partial one covers; none when it covers everything.
    fn after(&self) -> Option<Version> {
        let major = self.major?;
        let Some(minor) = self.minor else { return Some(before(major + 1, 0, 0)) };
        let Some(patch) = self.patch else { return Some(before(major, minor + 1, 0)) };
        if self.pre.is_empty() {
            return Some(before(major, minor, patch + 1));
        }
        // The lowest pre-release above `-a` is `-a.0`.
        let mut after = Version::new(major, minor, patch);
        after.pre = Prerelease::new(&format!("{}.0", self.pre)).ok()?;
        Some(after)
    }

    fn next_minor(&self) -> Option<Version> {
        let major = self.major?;
        Some(self.minor.map_or_else(|| before(major + 1, 0, 0), |m| before(major, m + 1, 0)))
    }

    fn next_breaking(&self) -> Option<Version> {
        Some(match (self.major?, self.minor, self.patch) {
            (0, None, _) => before(1, 0, 0),
            (0, Some(0), None) => before(0, 1, 0),
            (0, Some(0), Some(patch)) => before(0, 0, patch + 1),
            (0, Some(minor), _) => before(0, minor + 1, 0),
            (major, _, _) => before(major + 1, 0, 0),
        })
    }
}

/// The bound that leaves out a version and its pre-releases as well.
fn before(major: u64, minor: u64, patch: u64) -> Version {
    let mut version = Version::new(major, minor, patch);
    version.pre = Prerelease::new("0").expect("0 is a valid pre-release");
    version
}

/// `Some(None)` for a wildcard, `None` for what is neither a number nor a wildcard.
fn part(text: &str) -> Option<Option<u64>> {
    if matches!(text, "x" | "X" | "*") {
        return Some(None);
    }
    // Leaves room for adding one.
    let number: u32 = text.parse().ok().filter(|_| !text.starts_with('+'))?;
    Some(Some(u64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(range: &str) -> Vec<&'static str> {
        const TAGS: [&str; 12] = [
            "0.0.3",
            "0.2.3",
            "0.2.9",
            "1.0.0",
            "1.2.0",
            "1.2.7",
            "1.3.0",
            "1.10.0",
            "2.0.0-rc.1",
            "2.0.0",
            "2.1.0-beta",
            "v3",
        ];
        let range = Range::parse(range).expect(range);
        TAGS.into_iter().filter(|tag| range.contains(&version(tag).unwrap())).collect()
    }

    #[test]
    fn ranges() {
        let all = ["0.0.3", "0.2.3", "0.2.9", "1.0.0", "1.2.0", "1.2.7", "1.3.0", "1.10.0"];
        assert_eq!(matches("*")[..8], all);
        assert_eq!(matches("*")[8..], ["2.0.0", "v3"]);
        assert_eq!(matches("v1.x"), ["1.0.0", "1.2.0", "1.2.7", "1.3.0", "1.10.0"]);
        assert_eq!(matches("1.2.*"), ["1.2.0", "1.2.7"]);
        assert_eq!(matches("=1.2"), ["1.2.0", "1.2.7"]);
        assert_eq!(matches(">=1.2 <2"), ["1.2.0", "1.2.7", "1.3.0", "1.10.0"]);
        assert_eq!(matches(">= 1.2, < 1.3"), ["1.2.0", "1.2.7"]);
        assert_eq!(matches(">1.2"), ["1.3.0", "1.10.0", "2.0.0", "v3"]);
        assert_eq!(matches("<=1.2 >0.2.3"), ["0.2.9", "1.0.0", "1.2.0", "1.2.7"]);
        assert_eq!(matches("~1.2.3"), ["1.2.7"]);
        assert_eq!(matches("~1"), ["1.0.0", "1.2.0", "1.2.7", "1.3.0", "1.10.0"]);
        assert_eq!(matches("^1.2.1"), ["1.2.7", "1.3.0", "1.10.0"]);
        assert_eq!(matches("^0.2.4"), ["0.2.9"]);
        assert_eq!(matches("^0.0.3"), ["0.0.3"]);
        assert_eq!(matches("1.2 - 1.3"), ["1.2.0", "1.2.7", "1.3.0"]);
        assert_eq!(matches("1.0.x || ^3"), ["1.0.0", "v3"]);
        assert_eq!(matches("1.2.x !=1.2.0"), ["1.2.7"]);
    }

    #[test]
    fn pre_releases_only_when_named() {
        assert_eq!(matches(">1.10"), ["2.0.0", "v3"]);
        assert_eq!(matches(">=1.10.0-0"), ["1.10.0", "2.0.0-rc.1", "2.0.0", "2.1.0-beta", "v3"]);
        assert_eq!(matches("=2.0.0-rc.1"), ["2.0.0-rc.1"]);
        assert_eq!(matches(">=2.0.0-rc.1 <2.1"), ["2.0.0-rc.1", "2.0.0", "2.1.0-beta"]);
    }

    #[test]
    fn what_is_not_a_range_or_not_a_version() {
        for text in
            ["main", "1.2.3", "v1.2.3", "1.2", "max", "x1", "1.2.3.x", ">=a", ">*", "=", ">"]
        {
            assert_eq!(Range::parse(text), None, "{text}");
        }
        for tag in ["main", "v", "1.x", "1.2.3.4", "release-1.2", "1..2", "+1.2.3"] {
            assert_eq!(version(tag), None, "{tag}");
        }
        assert_eq!(version("v1.2.3-x.7+build"), Version::parse("1.2.3-x.7").ok());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[0-9xv.*<>=!^~ ,|+-]{0,24}") {
            if let Some(range) = Range::parse(&text) {
                range.contains(&Version::new(1, 2, 3));
            }
            drop(version(&text));
        }

        #[test]
        fn a_caret_range_holds_its_floor_and_not_the_next_major(
            major in 1u64..50, minor in 0u64..50, patch in 0u64..50
        ) {
            let range = Range::parse(&format!("^{major}.{minor}.{patch}")).unwrap();
            prop_assert!(range.contains(&Version::new(major, minor, patch)));
            prop_assert!(range.contains(&Version::new(major, minor + 1, 0)));
            prop_assert!(!range.contains(&Version::new(major + 1, 0, 0)));
        }
    }
}
