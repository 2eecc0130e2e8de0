//! Records as types: JSON bodies with a tag that says what they are and in which version.
//!
//! The structs that implement [`Stored`] live in the modules that own them, deny unknown fields
//! and are converted from and to the model there: what is stored is a format of its own.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Expected, Key, Prefix, Record, Revision, Store, StoreError, Transaction, Write};

/// A type that can be kept.
pub trait Stored: Serialize + DeserializeOwned {
    /// What it is and in which version, such as `cluster.v1`. Another shape is another tag.
    const TAG: &'static str;
}

/// A value and the revision that a condition quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    pub revision: Revision,
    pub value: T,
}

impl<T> Versioned<T> {
    /// The condition that nobody else has changed it.
    #[must_use]
    pub fn unchanged(&self) -> Expected {
        Expected::Unchanged(self.revision)
    }
}

/// The condition under which `read` is still what is stored.
#[must_use]
pub fn still<T>(read: Option<&Versioned<T>>) -> Expected {
    read.map_or(Expected::Absent, Versioned::unchanged)
}

/// # Panics
/// When the type cannot be expressed in JSON, which is a bug.
fn body<T: Stored>(value: &T) -> Bytes {
    serde_json::to_vec(value).expect("stored types are expressible in JSON").into()
}

#[must_use]
pub fn put<T: Stored>(key: Key, value: &T) -> Write {
    Write::Put { key, tag: T::TAG, body: body(value) }
}

#[must_use]
pub fn append<T: Stored>(prefix: Prefix, value: &T) -> Write {
    Write::Append { prefix, tag: T::TAG, body: body(value) }
}

/// A record as the type it must be.
pub fn read<T: Stored>(record: &Record) -> Result<Versioned<T>, StoreError> {
    if record.tag != T::TAG {
        let (key, found) = (record.key.clone(), record.tag.clone());
        return Err(StoreError::WrongType { key, expected: T::TAG, found });
    }
    let value = serde_json::from_slice(&record.body).map_err(|source| StoreError::Unreadable {
        key: record.key.clone(),
        source: Arc::new(source),
    })?;
    Ok(Versioned { revision: record.revision, value })
}

pub fn get<T: Stored>(store: &dyn Store, key: &Key) -> Result<Option<Versioned<T>>, StoreError> {
    store.get(key)?.as_ref().map(read).transpose()
}

/// All records below `prefix`, each as the type it must be.
pub fn list<T: Stored>(
    store: &dyn Store,
    prefix: &Prefix,
) -> Result<Vec<(Key, Versioned<T>)>, StoreError> {
    let records = store.range(prefix)?;
    records.iter().map(|record| Ok((record.key.clone(), read(record)?))).collect()
}

impl Transaction {
    /// Puts `value` under the condition that the record is still what was read.
    #[must_use]
    pub fn replace<T: Stored>(self, key: Key, read: Option<&Versioned<T>>, value: &T) -> Self {
        self.when(key.clone(), still(read)).write(put(key, value))
    }

    #[must_use]
    pub fn append<T: Stored>(self, prefix: Prefix, value: &T) -> Self {
        self.write(append(prefix, value))
    }
}
