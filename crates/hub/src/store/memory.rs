//! A store that forgets: for tests and for trials.
//!
//! It keeps the contract to the letter and can be told to fail, so that callers can be tested
//! against a full disk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::canonical::Digest;

use super::plan::{plan, within};
use super::watch::Watchers;
use super::{
    Committed, Key, MAX_BLOB_BYTES, Prefix, Record, Revision, Store, StoreError, StoreState,
    Transaction, Watch,
};

#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    watchers: Watchers,
}

#[derive(Debug, Default)]
struct State {
    revision: Revision,
    records: BTreeMap<Key, Record>,
    blobs: BTreeMap<Digest, Bytes>,
    read_only: Option<String>,
}

impl MemoryStore {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another store with what is in this one now: a backup.
    #[must_use]
    pub fn backup(&self) -> Self {
        let state = self.lock();
        let copy = State {
            revision: state.revision,
            records: state.records.clone(),
            blobs: state.blobs.clone(),
            read_only: None,
        };
        Self { state: Mutex::new(copy), watchers: Watchers::default() }
    }

    /// From now on no write succeeds, as on a disk that is full.
    pub fn break_writes(&self, cause: &str) {
        self.lock().read_only = Some(cause.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let mut state = self.lock();
        let revision = state.revision.next();
        state.check_writable()?;
        let changes = plan(transaction, revision, |key| {
            Ok(state.records.get(key).map(|record| record.revision))
        })?;
        state.revision = revision;
        for change in &changes {
            let key = change.key.clone();
            match &change.value {
                Some((tag, body)) => {
                    let (tag, body) = ((*tag).to_owned(), body.clone());
                    let record = Record { key: key.clone(), revision, tag, body };
                    state.records.insert(key, record);
                }
                None => drop(state.records.remove(&key)),
            }
        }
        drop(state);
        self.watchers.notify(changes.iter().map(|change| &change.key), revision);
        Ok(Committed { revision })
    }
}

impl State {
    fn check_writable(&self) -> Result<(), StoreError> {
        match &self.read_only {
            Some(cause) => Err(StoreError::ReadOnly { cause: cause.clone() }),
            None => Ok(()),
        }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.watchers.close();
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.lock().records.get(key).cloned())
    }

    fn page(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let state = self.lock();
        let start = prefix.start(after);
        let records = state.records.range::<str, _>((start, Bound::Unbounded));
        let covered = records.take_while(|(key, _)| prefix.covers(key)).take(limit);
        Ok(covered.map(|(_, record)| record.clone()).collect())
    }

    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Committed, StoreError>> {
        async move { self.commit(transaction) }.boxed()
    }

    fn watch(&self, prefix: &Prefix) -> Watch {
        self.watchers.subscribe(prefix)
    }

    fn put_blob(&self, body: &[u8]) -> Result<Digest, StoreError> {
        within(|| "the blob".to_owned(), body.len(), MAX_BLOB_BYTES)?;
        let mut state = self.lock();
        state.check_writable()?;
        let digest = Digest::of(body);
        state.blobs.entry(digest).or_insert_with(|| Bytes::copy_from_slice(body));
        Ok(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.lock().blobs.get(digest).cloned())
    }

    fn remove_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        self.lock().blobs.remove(digest);
        Ok(())
    }

    fn blobs(&self) -> Result<Vec<Digest>, StoreError> {
        Ok(self.lock().blobs.keys().copied().collect())
    }

    fn state(&self) -> StoreState {
        let state = self.lock();
        StoreState { revision: state.revision, read_only: state.read_only.clone(), size_on_disk: 0 }
    }
}
