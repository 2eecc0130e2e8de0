//! The hub's memory: records under ordered keys, changed by atomic transactions.
//!
//! What every backend promises, tested by one suite (`conformance`):
//! - A transaction is all or nothing, and durable when it returns. Nobody sees a change before it
//!   is durable, so nothing can be sent to a spoke that a crash takes back.
//! - A condition names the revision that the caller has read; revisions are never used twice, so a
//!   record that was deleted and made again is another record.
//! - Ranges are in key order and of one moment.
//! - A watch misses nothing: it says "something changed, read again", however often it changed.
//! - What was damaged is an error, never an answer. After a failed write the store is read-only
//!   until the process starts again: a failed sync leaves nobody knowing what is on the disk. Reads
//!   go on as far as the backend still can.
//!
//! Reads block for microseconds and may be made anywhere. Values stay below [`MAX_VALUE_BYTES`];
//! larger bodies are content-addressed blobs, which are files and never part of a transaction:
//! write the blob first, then the record that names it. Store no heartbeats here.
//!
//! Tasks: the sled backend has one thread of its own, `store-writer`; transactions go in through a
//! bounded channel and each answer comes back through a oneshot.

mod blob;
pub mod export;
mod frame;
mod key;
pub mod memory;
mod plan;
pub mod record;
pub mod sled;
mod transaction;
mod watch;

#[cfg(test)]
mod conformance;

pub use key::{Key, Prefix};
pub use transaction::{Committed, Condition, Expected, Record, Revision, Transaction, Write};
pub use watch::Watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use model::canonical::Digest;
use thiserror::Error;

/// The largest value of a record. sled moves values beyond 128 KiB into files that it has been seen
/// to leak, and large values make every page that holds them large.
pub const MAX_VALUE_BYTES: usize = 64 * 1024 - 512;
/// The largest blob.
pub const MAX_BLOB_BYTES: usize = 1 << 20;
/// The longest key. The longest of ours is three names of 253 bytes and a word.
pub const MAX_KEY_BYTES: usize = 1024;
/// The most writes of one transaction, and the most bytes of their values together. A transaction
/// is held in memory three times while it is written; more is better done in several.
pub const MAX_WRITES: usize = 4_096;
pub const MAX_TRANSACTION_BYTES: usize = 8 << 20;

pub trait Store: Send + Sync {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// At most `limit` records below `prefix` in key order, beginning after `after`.
    fn page(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// All records below `prefix` in key order, as of one moment.
    fn range(&self, prefix: &Prefix) -> Result<Vec<Record>, StoreError> {
        self.page(prefix, None, usize::MAX)
    }

    /// Checks the conditions and writes, all or nothing. Durable and visible when it returns. A
    /// caller that stops waiting does not stop the transaction.
    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Committed, StoreError>>;

    /// Wakes after each change below `prefix` that is made from now on. Watch first, then read.
    fn watch(&self, prefix: &Prefix) -> Watch;

    /// Keeps a body under its digest; the same body is kept once. Blocks for a disk's sync.
    fn put_blob(&self, body: &[u8]) -> Result<Digest, StoreError>;

    fn blob(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError>;

    /// Forgets a blob; that it was not there is no error.
    fn remove_blob(&self, digest: &Digest) -> Result<(), StoreError>;

    /// All blobs, in order of their digests.
    fn blobs(&self) -> Result<Vec<Digest>, StoreError>;

    /// For the readiness check and the metrics.
    fn state(&self) -> StoreState;
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// The newest revision that is visible.
    pub revision: Revision,
    /// Why nothing can be written until the hub starts again.
    pub read_only: Option<String>,
    /// Bytes on the disk, without blobs; 0 in memory.
    pub size_on_disk: u64,
}

#[derive(Debug, Clone, Error)]
pub enum StoreError {
    #[error(
        "{key} was changed by someone else: expected {expected}, found {}",
        actual.map_or("nothing".to_owned(), |revision| format!("revision {revision}"))
    )]
    Conflict { key: Key, expected: Expected, actual: Option<Revision> },
    #[error("the transaction is not valid: {rule}")]
    Invalid { rule: String },
    #[error("{what} has {bytes} bytes; at most {limit} are allowed")]
    TooLarge { what: String, bytes: usize, limit: usize },
    #[error("{what} is damaged on the disk ({reason}) and is not used")]
    Damaged { what: String, reason: String },
    #[error("{key} holds a {found:?} record where {expected:?} belongs")]
    WrongType { key: Key, expected: &'static str, found: String },
    #[error("{key} holds a record that this build cannot read")]
    Unreadable { key: Key, source: Arc<serde_json::Error> },
    #[error("the store {path} is in use by {holder}; stop that process first", path = path.display())]
    Locked { path: PathBuf, holder: String },
    #[error(
        "the store {path} is corrupt and nothing in it was changed: {detail}. Keep the folder, and \
         either restore the newest export into an empty one, or start the hub on an empty one: it \
         rebuilds from Git, and spokes remove nothing meanwhile",
        path = path.display()
    )]
    Corrupt { path: PathBuf, detail: String },
    #[error("cannot {action} {path}", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
    #[error(
        "the store {path} cannot be written ({cause}) and is read-only now; make room or repair the \
         disk, then restart the hub",
        path = path.display()
    )]
    WriteFailed { path: PathBuf, cause: String, source: Arc<io::Error> },
    #[error("the store is read-only since an earlier write failed: {cause}; restart the hub")]
    ReadOnly { cause: String },
    #[error("the store has been closed")]
    Closed,
}

impl StoreError {
    /// Whether reading again and deciding anew may help.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: Arc::new(source) }
    }
}
