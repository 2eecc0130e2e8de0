//! The embedded store: sled on a local disk, used so that what is known to go wrong cannot.
//!
//! ```text
//! DIR/lock      held for as long as the store is open; names the holder
//! DIR/sled/     the database
//! DIR/head      the newest revision that was acknowledged
//! DIR/blobs/    content-addressed bodies
//! DIR/damaged-* what a start with `OnDamage::Quarantine` took out
//! ```
//! The rules (measured on sled 0.34.7, see the design notes on the store):
//! - Our own lock comes first, then leftovers of an interrupted open are removed: sled takes a
//!   half-written snapshot file for a good one and then refuses to open at all (`open`).
//! - sled is opened in a thread of its own, because it panics on some damaged files (`open`).
//! - A new database is closed and reopened once, because without a snapshot damage is found less
//!   often (`open`).
//! - All records are read at the start and compared with a count and a fingerprint that every
//!   transaction keeps up to date, because sled was seen to lose rows silently (`sweep`). A file
//!   that is damaged at its end opens as it was some transactions ago; `head` finds that out.
//! - One thread writes, groups what waits into one batch, and syncs before anyone is answered.
//!   sled itself only asks the kernel to write the range, which does not reach a disk's own cache
//!   nor the file's metadata, so the file is synced once more (`writer`).
//! - After a write or sync that failed nothing is written any more (`writer`).

mod head;
mod open;
mod restore;
mod sweep;
mod writer;

#[cfg(test)]
mod tests;

pub use restore::restore;
pub use sweep::{DamagedRecord, SweepReport};

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use ::sled::Db;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::canonical::Digest;
use tokio::sync::{mpsc, oneshot};

use self::writer::Job;
use super::blob::BlobFolder;
use super::frame;
use super::watch::Watchers;
use super::{
    Committed, Key, Prefix, Record, Revision, Store, StoreError, StoreState, Transaction, Watch,
};

/// Where the store keeps its own account: a key that [`Key::new`] cannot make.
const META_KEY: &[u8] = b"\0meta";
const META_TAG: &str = "store-meta.v1";
/// Transactions that wait for the writer. One is a few kilobytes as a rule; when it is full,
/// callers wait.
const QUEUE: usize = 1_024;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// sled's own default is a gigabyte.
    pub cache_bytes: u64,
    pub on_damage: OnDamage,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, on_damage: OnDamage::Refuse }
    }
}

/// What a start does about records that are damaged or missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// The store stays closed: a record that is left out might be read as one that was deleted.
    Refuse,
    /// Damaged records are moved into a file and the store opens without them. For an operator who
    /// has read the report.
    Quarantine,
}

pub struct SledStore {
    shared: Arc<Shared>,
    blobs: BlobFolder,
    /// Taken at the end, so that the writer sees no more jobs and ends.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    /// Last, so that it is released after everything else.
    _lock: File,
}

/// What readers and the writer share.
struct Shared {
    path: PathBuf,
    db: Db,
    /// What the records of the batch in flight were before it: readers see these until the batch is
    /// durable. Written to only by the writer.
    shadow: RwLock<Shadow>,
    revision: AtomicU64,
    /// Why nothing can be written, once that is so.
    read_only: OnceLock<String>,
    watchers: Watchers,
}

type Shadow = BTreeMap<Key, Option<::sled::IVec>>;

impl SledStore {
    /// Opens or makes the store in `dir`, and reads all of it once.
    pub fn open(dir: &Path, options: &SledOptions) -> Result<(Self, SweepReport), StoreError> {
        let lock = open::lock(dir)?;
        let opened = open::open(dir, options)?;
        let blobs = BlobFolder::open(dir.join("blobs"))?;
        let path = dir.to_owned();
        let data = open::data_file(&path)?;
        let head = head::Head::open(dir)?;
        let shared = Arc::new(Shared {
            path,
            db: opened.db,
            shadow: RwLock::default(),
            revision: AtomicU64::new(opened.meta.revision),
            read_only: OnceLock::new(),
            watchers: Watchers::default(),
        });
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = writer::start(Arc::clone(&shared), (data, head), opened.meta, queue)
            .map_err(StoreError::io("start the writer of", dir))?;
        let (jobs, writer) = (Some(jobs), Some(writer));
        Ok((Self { shared, blobs, jobs, writer, _lock: lock }, opened.report))
    }

    async fn submit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(Job { transaction, answer }).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.shared.path.display(), "the store's writer had panicked");
        }
        self.shared.watchers.close();
    }
}

impl Shared {
    fn stored(&self, shadow: &Shadow, key: &Key) -> Result<Option<::sled::IVec>, StoreError> {
        match shadow.get(key) {
            Some(before) => Ok(before.clone()),
            None => self.db.get(key.as_str()).map_err(|error| open::read_error(&self.path, error)),
        }
    }

    /// At most `limit` raw records in order, of one moment.
    fn stored_range(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, ::sled::IVec)>, StoreError> {
        // The writer needs the lock to apply its next batch, so nothing changes meanwhile.
        let shadow = self.shadow.read().unwrap_or_else(PoisonError::into_inner);
        let start = prefix.start(after);
        let before = shadow.range::<str, _>((start, Bound::Unbounded));
        let before = before.take_while(|(key, _)| prefix.covers(key));
        let mut found: BTreeMap<Key, ::sled::IVec> = before
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
            .take(limit)
            .collect();
        let start = match start {
            Bound::Included(text) => Bound::Included(text.as_bytes()),
            Bound::Excluded(text) => Bound::Excluded(text.as_bytes()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let mut taken = 0;
        for entry in self.db.range::<&[u8], _>((start, Bound::Unbounded)) {
            if taken >= limit {
                break;
            }
            let (key, value) = entry.map_err(|error| open::read_error(&self.path, error))?;
            if &*key == META_KEY {
                continue;
            }
            let key = Key::from_stored(&key).ok_or_else(|| damaged(&key, "the key is damaged"))?;
            if !prefix.covers(&key) {
                break;
            }
            if !shadow.contains_key(&key) {
                found.insert(key, value);
                taken += 1;
            }
        }
        Ok(found.into_iter().take(limit).collect())
    }
}

fn record(key: Key, value: &[u8]) -> Result<Record, StoreError> {
    match frame::decode(key.as_str().as_bytes(), value) {
        Ok(frame) => Ok(frame.to_record(key)),
        Err(error) => Err(damaged(key.as_str().as_bytes(), &error.to_string())),
    }
}

fn damaged(key: &[u8], reason: &str) -> StoreError {
    let what = format!("the record {}", key.escape_ascii());
    StoreError::Damaged { what, reason: reason.to_owned() }
}

impl Store for SledStore {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let shadow = self.shared.shadow.read().unwrap_or_else(PoisonError::into_inner);
        let value = self.shared.stored(&shadow, key)?;
        drop(shadow);
        value.map(|value| record(key.clone(), &value)).transpose()
    }

    fn page(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let found = self.shared.stored_range(prefix, after, limit)?;
        found.into_iter().map(|(key, value)| record(key, &value)).collect()
    }

    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Committed, StoreError>> {
        self.submit(transaction).boxed()
    }

    fn watch(&self, prefix: &Prefix) -> Watch {
        self.shared.watchers.subscribe(prefix)
    }

    fn put_blob(&self, body: &[u8]) -> Result<Digest, StoreError> {
        self.blobs.put(body)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.blobs.get(digest)
    }

    fn remove_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        self.blobs.remove(digest)
    }

    fn blobs(&self) -> Result<Vec<Digest>, StoreError> {
        self.blobs.list()
    }

    fn state(&self) -> StoreState {
        StoreState {
            revision: Revision(self.shared.revision.load(Ordering::Acquire)),
            read_only: self.shared.read_only.get().cloned(),
            size_on_disk: self.shared.db.size_on_disk().unwrap_or_default(),
        }
    }
}
