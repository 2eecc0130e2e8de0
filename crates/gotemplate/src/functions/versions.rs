//! Semantic versions and constraints as sprig's library reads them: `1.2` is a version, `~1.2 || >3`
//! a constraint, and a pre-release only satisfies a constraint that names one.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::Function;
use super::Param::String as Str;
use crate::exec::Message;
use crate::value::{IntType, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[Str], |call| {
        Ok(Value::Version(std::rc::Rc::new(Version::parse(&call.text(0))?)))
    }),
    Function::new("semverCompare", &[Str, Str], |call| {
        let constraint = Constraint::parse(&call.text(0))?;
        Ok(Value::Bool(constraint.takes(&Version::parse(&call.text(1))?)))
    }),
];

/// A version; the missing parts of `1.2` are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
    pub prerelease: String,
    pub metadata: String,
    original: String,
}

const NUMBERS: &str = r"([0-9]+|x|X|\*)(\.[0-9]+|\.x|\.X|\.\*)?(\.[0-9]+|\.x|\.X|\.\*)?";
const SUFFIXES: &str =
    r"(-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is fixed and tested")
}

static VERSION: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?{SUFFIXES}$")));
/// One comparison, such as `>= 1.2-rc.1`.
static COMPARISON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"(=|!=|>=|=>|<=|=<|>|<|~>|~|\^|)\s*(v?{NUMBERS}{SUFFIXES})"))
});
/// Comparisons with spaces or commas between.
static COMPARISONS: LazyLock<Regex> = LazyLock::new(|| {
    let one = format!(r"(?:=|!=|>=|=>|<=|=<|>|<|~>|~|\^|)\s*v?{NUMBERS}{SUFFIXES}");
    pattern(&format!(r"^\s*{one}\s*(?:(?:\s+|,\s*){one}\s*)*$"))
});
/// `1.2 - 3.4`.
static HYPHEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"\s*(v?{NUMBERS}{SUFFIXES})\s+-\s+(v?{NUMBERS}{SUFFIXES})\s*"))
});

impl Version {
    /// The fields as Go has them.
    pub(crate) fn fields(&self) -> [(&'static str, Value); 6] {
        let number =
            |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX), IntType::Uint64);
        [
            ("major", number(self.major)),
            ("minor", number(self.minor)),
            ("patch", number(self.patch)),
            ("pre", Value::string(self.prerelease.as_str())),
            ("metadata", Value::string(self.metadata.as_str())),
            ("original", Value::string(self.original.as_str())),
        ]
    }

    /// Reads a version, complete or not.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, Message> {
        let invalid = || Message::from("invalid semantic version");
        let parts = VERSION.captures(text).ok_or_else(invalid)?;
        let number = |i: usize| match parts.get(i) {
            None => Ok(0),
            Some(part) => part.as_str().trim_start_matches('.').parse().map_err(|_| invalid()),
        };
        let suffix = |i: usize| parts.get(i).map_or("", |part| part.as_str()).to_owned();
        let prerelease = suffix(5);
        let zero_led = |part: &str| {
            part.len() > 1
                && part.starts_with('0')
                && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if prerelease.split('.').any(zero_led) {
            return Err("version segment starts with 0".into());
        }
        let (major, minor, patch) = (number(1)?, number(2)?, number(3)?);
        Ok(Self { major, minor, patch, prerelease, metadata: suffix(7), original: text.to_owned() })
    }

    /// As it was written.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    fn numbers(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    /// By precedence: metadata does not count.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prereleases(&self.prerelease, &other.prerelease),
            }
        })
    }

    /// The next version: `major`, `minor` or `patch`. A pre-release's next patch is its release.
    #[must_use]
    pub fn increment(&self, part: &str) -> Self {
        let (major, minor, patch) = match part {
            "major" => (self.major + 1, 0, 0),
            "minor" => (self.major, self.minor + 1, 0),
            _ if self.prerelease.is_empty() => (self.major, self.minor, self.patch + 1),
            _ => self.numbers(),
        };
        let v = if self.original.starts_with('v') { "v" } else { "" };
        let original = format!("{v}{major}.{minor}.{patch}");
        let (prerelease, metadata) = (String::new(), String::new());
        Self { major, minor, patch, prerelease, metadata, original }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (mut ours, mut theirs) = (a.split('.'), b.split('.'));
    loop {
        let order = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// How much of the version in a comparison is given; the rest is a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Nothing,
    Major,
    Minor,
    All,
}

#[derive(Debug)]
struct Comparison {
    operator: String,
    version: Version,
    given: Given,
}

/// Alternatives of comparisons that must all hold.
#[derive(Debug)]
struct Constraint(Vec<Vec<Comparison>>);

impl Constraint {
    fn parse(text: &str) -> Result<Self, Message> {
        let text = HYPHEN.replace_all(text, |parts: &regex::Captures<'_>| {
            format!(">= {}, <= {} ", &parts[1], &parts[9])
        });
        let alternative = |part: &str| {
            if !COMPARISONS.is_match(part) {
                return Err(Message::from(format!("improper constraint: {part}")));
            }
            COMPARISON.captures_iter(part).map(|parts| Comparison::new(&parts)).collect()
        };
        Ok(Self(text.split("||").map(alternative).collect::<Result<_, _>>()?))
    }

    fn takes(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.takes(version)))
    }
}

impl Comparison {
    fn new(parts: &regex::Captures<'_>) -> Result<Self, Message> {
        let number = |i: usize| {
            let text = parts.get(i).map_or("", |part| part.as_str()).trim_start_matches('.');
            (!matches!(text, "" | "x" | "X" | "*")).then_some(text)
        };
        let prerelease = parts.get(6).map_or("", |part| part.as_str());
        let (given, numbers) = match (number(3), number(4), number(5)) {
            (None, ..) => (Given::Nothing, "0.0.0".to_owned()),
            (Some(major), None, _) => (Given::Major, format!("{major}.0.0")),
            (Some(major), Some(minor), None) => (Given::Minor, format!("{major}.{minor}.0")),
            (Some(major), Some(minor), Some(patch)) => {
                (Given::All, format!("{major}.{minor}.{patch}"))
            }
        };
        let metadata =
            if given == Given::All { parts.get(8).map_or("", |m| m.as_str()) } else { "" };
        let version = Version::parse(&format!("{numbers}{prerelease}{metadata}"))?;
        Ok(Self { operator: parts[1].to_owned(), version, given })
    }

    fn takes(&self, version: &Version) -> bool {
        let release_only = self.version.prerelease.is_empty() && !version.prerelease.is_empty();
        if release_only && !(self.operator == "!=" && self.given == Given::All) {
            return false;
        }
        let order = version.compare(&self.version);
        let same_major = version.major == self.version.major;
        let same_minor = same_major && version.minor == self.version.minor;
        match self.operator.as_str() {
            ">" => match self.given {
                Given::All => order == Ordering::Greater,
                Given::Nothing => false,
                Given::Major => version.major > self.version.major,
                Given::Minor => {
                    (version.major, version.minor) > (self.version.major, self.version.minor)
                }
            },
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" => match self.given {
                Given::All => order != Ordering::Greater,
                Given::Major => version.major <= self.version.major,
                Given::Nothing | Given::Minor => {
                    (version.major, version.minor) <= (self.version.major, self.version.minor)
                }
            },
            "!=" => match self.given {
                Given::All => order != Ordering::Equal,
                _ => !self.within(version, order, same_major, same_minor),
            },
            "^" => order != Ordering::Less && self.compatible(version, same_major, same_minor),
            "~" | "~>" => self.within(version, order, same_major, same_minor),
            _ if self.given == Given::All => order == Ordering::Equal,
            _ => self.within(version, order, same_major, same_minor),
        }
    }

    /// `~`: the parts that are given, up to the minor one, stay.
    fn within(&self, _: &Version, order: Ordering, same_major: bool, same_minor: bool) -> bool {
        let anything = self.version.numbers() == (0, 0, 0)
            && matches!(self.given, Given::Nothing | Given::All);
        order != Ordering::Less
            && (anything
                || match self.given {
                    Given::Major => same_major,
                    _ => same_minor,
                })
    }

    /// `^`: the first part that is not zero stays.
    fn compatible(&self, version: &Version, same_major: bool, same_minor: bool) -> bool {
        let (major, minor, patch) = self.version.numbers();
        if major > 0 || self.given == Given::Major {
            return same_major;
        }
        if minor > 0 || self.given == Given::Minor {
            return same_minor;
        }
        same_minor && patch == version.patch
    }
}
