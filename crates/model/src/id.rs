//! Identifiers that order and fence the fleet: commits, epochs, terms, nonces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical::parse_hex;

/// A Git commit, named by its full SHA-1. Muster never acts on a shorter or floating name (law L7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId([u8; 20]);

/// A text that is not a full commit id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a commit id is 40 lower-case hexadecimal digits")]
pub struct CommitIdError;

impl CommitId {
    #[must_use]
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The first eight digits, enough for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CommitId {
    type Err = CommitIdError;
    fn from_str(text: &str) -> Result<Self, CommitIdError> {
        parse_hex::<20>(text).map(Self).ok_or(CommitIdError)
    }
}

impl TryFrom<String> for CommitId {
    type Error = CommitIdError;
    fn try_from(text: String) -> Result<Self, CommitIdError> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(commit: CommitId) -> Self {
        commit.to_string()
    }
}

/// Which life of the hub's store speaks (law L4).
///
/// `id` is random and made with the store; `counter` grows by one at each start of the hub on that
/// store. A spoke that meets another `id`, or the same `id` with a lower `counter`, is talking to
/// a hub that has lost or restored its store, and goes on hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    pub id: u64,
    pub counter: u64,
}

impl Epoch {
    /// Whether a hub in this epoch continues what a hub in `earlier` began.
    #[must_use]
    pub fn continues(self, earlier: Self) -> bool {
        self.id == earlier.id && self.counter >= earlier.counter
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.id, self.counter)
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
        )]
        pub struct $type(pub u64);

        impl $type {
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

counter!(
    /// The fencing number of a session: within an epoch the highest term of a cluster wins.
    Term
);
counter!(
    /// The number of one `Desired` response on one stream; an acknowledgement quotes it.
    Nonce
);
