//! The one thread that writes: takes what waits, decides, applies it as one batch, syncs, answers.
//!
//! Under load the next group gathers while the disk syncs the last one, so the number of syncs
//! does not grow with the number of transactions.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use ::sled::{Batch, IVec};
use tokio::sync::{mpsc, oneshot};

use super::super::frame;
use super::super::plan::{Change, plan};
use super::super::{
    Committed, Key, MAX_TRANSACTION_BYTES, Revision, StoreError, Transaction, Write,
};
use super::head::Head;
use super::sweep::Meta;
use super::{META_KEY, Shadow, Shared, damaged};

/// The most transactions of one group: a full queue is four groups.
const MAX_GROUP: usize = 256;

pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) answer: oneshot::Sender<Result<Committed, StoreError>>,
}

struct Writer {
    shared: Arc<Shared>,
    data: File,
    head: Head,
    meta: Meta,
}

/// A group that was decided on and is not written yet.
#[derive(Default)]
struct Group {
    revision: Revision,
    /// The next value of each record that changes; none when it goes.
    next: BTreeMap<Key, Option<(Revision, Vec<u8>)>>,
    answers: Vec<Answer>,
}

type Answer = (oneshot::Sender<Result<Committed, StoreError>>, Result<Committed, StoreError>);

pub(super) fn start(
    shared: Arc<Shared>,
    (data, head): (File, Head),
    meta: Meta,
    mut queue: mpsc::Receiver<Job>,
) -> io::Result<JoinHandle<()>> {
    let mut writer = Writer { shared, data, head, meta };
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        while let Some(first) = queue.blocking_recv() {
            writer.write(gather(first, &mut queue));
        }
    })
}

fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = size(&first.transaction);
    let mut jobs = vec![first];
    while jobs.len() < MAX_GROUP && bytes < MAX_TRANSACTION_BYTES {
        let Ok(job) = queue.try_recv() else { break };
        bytes += size(&job.transaction);
        jobs.push(job);
    }
    jobs
}

fn size(transaction: &Transaction) -> usize {
    let bytes = |write: &Write| match write {
        Write::Put { body, .. } | Write::Append { body, .. } => body.len(),
        Write::Delete { .. } => 0,
    };
    transaction.writes.iter().map(bytes).sum()
}

impl Writer {
    fn write(&mut self, jobs: Vec<Job>) {
        let mut group = Group { revision: Revision(self.meta.revision), ..Group::default() };
        for Job { transaction, answer } in jobs {
            let decided = self.decide(transaction, &mut group);
            group.answers.push((answer, decided));
        }
        let written =
            if group.next.is_empty() { Ok(()) } else { self.commit(&group.next, group.revision) };
        for (answer, decided) in group.answers {
            // Who has stopped waiting needs no answer. A refusal may rest on what was not written.
            let _gone = answer.send(written.clone().and(decided));
        }
    }

    fn decide(&self, transaction: Transaction, group: &mut Group) -> Result<Committed, StoreError> {
        if let Some(cause) = self.shared.read_only.get() {
            return Err(StoreError::ReadOnly { cause: cause.clone() });
        }
        let revision = group.revision.next();
        let changes = plan(transaction, revision, |key| match group.next.get(key) {
            Some(next) => Ok(next.as_ref().map(|(revision, _)| *revision)),
            None => Ok(self.stored(key)?.map(|(revision, _)| revision)),
        })?;
        group.revision = revision;
        for Change { key, value } in changes {
            let next = value.map(|(tag, body)| {
                (revision, frame::encode(key.as_str().as_bytes(), revision, tag, &body))
            });
            group.next.insert(key, next);
        }
        Ok(Committed { revision })
    }

    /// What is in the database now: between two groups there is no shadow.
    ///
    /// sled writes in the background and while it reads, so a full disk may show here first.
    fn stored(&self, key: &Key) -> Result<Option<(Revision, IVec)>, StoreError> {
        let read = self.shared.stored(&Shadow::new(), key).map_err(|error| match error {
            StoreError::Io { source, .. } => self.fail(source),
            other => other,
        });
        let Some(value) = read? else { return Ok(None) };
        let bytes = key.as_str().as_bytes();
        let frame = frame::decode(bytes, &value);
        let revision = frame.map_err(|error| damaged(bytes, &error.to_string()))?.revision;
        Ok(Some((revision, value)))
    }

    fn commit(
        &mut self,
        next: &BTreeMap<Key, Option<(Revision, Vec<u8>)>>,
        revision: Revision,
    ) -> Result<(), StoreError> {
        let (batch, shadow, meta) = self.prepare(next, revision)?;
        let mut visible = self.shared.shadow.write().unwrap_or_else(PoisonError::into_inner);
        *visible = shadow;
        let applied = self.shared.db.apply_batch(batch);
        drop(visible);
        let durable = applied
            .and_then(|()| self.shared.db.flush())
            .map_err(write_error)
            .and_then(|_| self.data.sync_data())
            .and_then(|()| self.head.write(revision.0));
        if let Err(source) = durable {
            // The shadow stays: what may or may not be on the disk is never shown.
            return Err(self.fail(Arc::new(source)));
        }
        self.meta = meta;
        self.shared.shadow.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.revision.store(revision.0, Ordering::Release);
        self.shared.watchers.notify(next.keys(), revision);
        Ok(())
    }

    /// The batch, what its records are now, and the account after it.
    fn prepare(
        &self,
        next: &BTreeMap<Key, Option<(Revision, Vec<u8>)>>,
        revision: Revision,
    ) -> Result<(Batch, Shadow, Meta), StoreError> {
        let (mut batch, mut shadow) = (Batch::default(), Shadow::new());
        let mut meta = Meta { revision: revision.0, ..self.meta };
        for (key, value) in next {
            let bytes = key.as_str().as_bytes();
            let before = self.stored(key)?;
            if let Some((revision, _)) = &before {
                meta.remove(bytes, *revision);
            }
            match value {
                Some((revision, frame)) => {
                    meta.add(bytes, *revision);
                    batch.insert(bytes, frame.as_slice());
                }
                None => batch.remove(bytes),
            }
            shadow.insert(key.clone(), before.map(|(_, value)| value));
        }
        batch.insert(META_KEY, meta.encode());
        Ok((batch, shadow, meta))
    }

    fn fail(&self, source: Arc<io::Error>) -> StoreError {
        let cause = source.to_string();
        // Only this thread sets it, and only once: afterwards nothing is written.
        let _first = self.shared.read_only.set(cause.clone());
        tracing::error!(path = %self.shared.path.display(), %cause, "the store is read-only now");
        StoreError::WriteFailed { path: self.shared.path.clone(), cause, source }
    }
}

fn write_error(error: ::sled::Error) -> io::Error {
    match error {
        ::sled::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
