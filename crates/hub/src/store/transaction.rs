//! What a transaction is made of, and what a record is.

use std::fmt;

use bytes::Bytes;

use super::{Key, Prefix};

/// The number of the transaction that wrote a record; grows for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Key,
    pub revision: Revision,
    /// What kind of record it is; see [`super::record::Stored`].
    pub tag: String,
    pub body: Bytes,
}

/// What must hold for a transaction to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub key: Key,
    pub expected: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Absent,
    /// There is a record, whatever its revision.
    Present,
    /// The record is still the one that was read.
    Unchanged(Revision),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Present => f.write_str("a record"),
            Self::Unchanged(revision) => write!(f, "revision {revision}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put {
        key: Key,
        tag: &'static str,
        body: Bytes,
    },
    /// That the record was not there is no error; use a condition where it matters.
    Delete {
        key: Key,
    },
    /// Puts a record under a new key below `prefix` that sorts after all earlier ones, without
    /// contention: for logs. Its name is the revision and the place in the transaction.
    Append {
        prefix: Prefix,
        tag: &'static str,
        body: Bytes,
    },
}

/// Conditions and writes that are carried out together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    pub conditions: Vec<Condition>,
    pub writes: Vec<Write>,
}

impl Transaction {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn when(mut self, key: Key, expected: Expected) -> Self {
        self.conditions.push(Condition { key, expected });
        self
    }

    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    #[must_use]
    pub fn delete(self, key: Key) -> Self {
        self.write(Write::Delete { key })
    }
}

/// What a transaction became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The revision of every record that it wrote.
    pub revision: Revision,
}
