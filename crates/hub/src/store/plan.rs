//! Decides on a transaction: which records it changes, or why it cannot be carried out. Pure.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    Expected, Key, MAX_KEY_BYTES, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES, MAX_WRITES, Revision,
    StoreError, Transaction, Write,
};

/// The longest tag; its length is one byte of a frame.
pub(super) const MAX_TAG_BYTES: usize = 64;

/// One record's next value; without one the record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) value: Option<(&'static str, Bytes)>,
}

/// The changes of a transaction that is to become `revision`.
pub(super) fn plan(
    transaction: Transaction,
    revision: Revision,
    current: impl Fn(&Key) -> Result<Option<Revision>, StoreError>,
) -> Result<Vec<Change>, StoreError> {
    for condition in &transaction.conditions {
        let actual = current(&condition.key)?;
        let holds = match condition.expected {
            Expected::Absent => actual.is_none(),
            Expected::Present => actual.is_some(),
            Expected::Unchanged(expected) => actual == Some(expected),
        };
        if !holds {
            let (key, expected) = (condition.key.clone(), condition.expected);
            return Err(StoreError::Conflict { key, expected, actual });
        }
    }
    let changes: Vec<_> = transaction
        .writes
        .into_iter()
        .enumerate()
        .map(|(index, write)| change(write, revision, index))
        .collect();
    check(&changes)?;
    Ok(changes)
}

fn change(write: Write, revision: Revision, index: usize) -> Change {
    match write {
        Write::Put { key, tag, body } => Change { key, value: Some((tag, body)) },
        Write::Delete { key } => Change { key, value: None },
        Write::Append { prefix, tag, body } => {
            let key = prefix.child(&format!("{:016x}.{index:04x}", revision.0));
            Change { key, value: Some((tag, body)) }
        }
    }
}

fn check(changes: &[Change]) -> Result<(), StoreError> {
    let invalid = |rule: String| Err(StoreError::Invalid { rule });
    if changes.len() > MAX_WRITES {
        return invalid(format!("{} writes; at most {MAX_WRITES} are allowed", changes.len()));
    }
    let (mut seen, mut total) = (BTreeSet::new(), 0);
    for Change { key, value } in changes {
        if key.as_str().is_empty() || key.as_str().len() > MAX_KEY_BYTES {
            return invalid(format!("a key has 1 to {MAX_KEY_BYTES} bytes: {key}"));
        }
        if !seen.insert(key) {
            return invalid(format!("it writes {key} twice"));
        }
        let Some((tag, body)) = value else { continue };
        if tag.is_empty() || tag.len() > MAX_TAG_BYTES {
            return invalid(format!("a tag has 1 to {MAX_TAG_BYTES} bytes: {tag}"));
        }
        within(|| key.to_string(), body.len(), MAX_VALUE_BYTES)?;
        total += body.len();
    }
    within(|| "the transaction".to_owned(), total, MAX_TRANSACTION_BYTES)
}

pub(super) fn within(
    what: impl FnOnce() -> String,
    bytes: usize,
    limit: usize,
) -> Result<(), StoreError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(StoreError::TooLarge { what: what(), bytes, limit })
}
