//! Names of things: parsed once, then trusted everywhere.
//!
//! Every name is a Kubernetes DNS-1123 subdomain (RFC 1123 as Kubernetes narrows it): 1 to 253
//! characters of `a-z`, `0-9`, `-` and `.`, each dot-separated part beginning and ending with a
//! letter or digit. A name can therefore be used in a path, a URL, a label or a file name as it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name Kubernetes takes, in bytes.
pub const MAX_NAME_BYTES: usize = 253;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("the {kind} name is empty")]
    Empty { kind: &'static str },
    #[error("the {kind} name is {bytes} bytes long; at most {MAX_NAME_BYTES} are allowed")]
    TooLong { kind: &'static str, bytes: usize },
    #[error(
        "{name:?} is not a valid {kind} name: use lower-case letters, digits, '-' and '.', \
         and begin and end each part with a letter or digit"
    )]
    Characters { kind: &'static str, name: String },
}

fn check(kind: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { kind, bytes: text.len() });
    }
    let part_is_valid = |part: &str| {
        let bytes = part.as_bytes();
        let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !bytes.is_empty()
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
            && bytes.iter().all(|&b| edge(b) || b == b'-')
    };
    if !text.split('.').all(part_is_valid) {
        let name = text.chars().take(80).collect();
        return Err(NameError::Characters { kind, name });
    }
    Ok(())
}

/// Whether a text is a name.
pub(crate) fn is_name(text: &str) -> bool {
    check("", text).is_ok()
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// Parses a name; the rule is at the top of this module.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check($kind, text)?;
                Ok(Self(text.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.to_string()
            }
        }
    };
}

name_type!(
    /// The name of a cluster, and so of the spoke that runs in it.
    ClusterName,
    "cluster"
);
name_type!(
    /// The name of an application, unique in the fleet.
    ApplicationName,
    "application"
);
name_type!(
    /// The name of an application set.
    SetName,
    "application set"
);
name_type!(
    /// The name of a project.
    ProjectName,
    "project"
);

name_type!(
    /// The name of a fleet: the trust domain of every certificate in it.
    FleetName,
    "fleet"
);
name_type!(
    /// The name of a person or a script that may use the fleet API.
    OperatorName,
    "operator"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_subdomain() {
        for good in ["a", "eu-1", "10.example.com", "a--b"] {
            assert!(ClusterName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", "A", "a_b", "a/b", "é", "a b", ".", &"a".repeat(254)] {
            assert!(ClusterName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_the_thing_and_the_rule() {
        let error = ClusterName::new("EU 1").unwrap_err().to_string();
        assert!(error.contains("\"EU 1\" is not a valid cluster name"), "{error}");
    }
}
