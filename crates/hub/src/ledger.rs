//! The ledger: every act that the hub orders or learns of, in the order in which it was stored.
//!
//! Append-only: nothing here changes or removes a record. A change of state that has a record puts
//! [`writes_for`] into its own transaction, so that neither is there without the other. The
//! sequence of a record is its place in the store (revision and place in the transaction): it
//! grows without contention, and has gaps.

use std::collections::VecDeque;
use std::sync::Arc;

use model::id::CommitId;
use model::name::{ApplicationName, ClusterName};
use model::status::Timestamp;
use model::view::Record;
use serde::{Deserialize, Serialize};

use crate::store::record::{self, Stored};
use crate::store::{Key, Prefix, Revision, Store, StoreError, Transaction, Write};

const PREFIX: [&str; 1] = ["ledger"];
/// The longest message and reason that are kept, in bytes: a value of the store has a limit, and
/// nobody reads more.
const MAX_TEXT_BYTES: usize = 4096;
/// The places that a sequence number leaves for one revision; a transaction has at most this many
/// writes.
const PLACES: u64 = 4096;
/// The revisions that the first step of a search looks at. Most transactions have a record.
const FIRST_WINDOW: u64 = 256;
/// The records read from the store at a time.
const PAGE: usize = 512;
/// The most records that one question reads: about a second of work.
const MAX_EXAMINED: usize = 200_000;
/// The records of one transaction of `append`, well below the store's limits.
const BATCH: usize = 500;

/// A record that has no place yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRecord {
    pub at: Timestamp,
    /// A person's identity, a cluster's, or `hub`.
    pub actor: String,
    /// A stable CamelCase word.
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    pub message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Stored for NewRecord {
    const TAG: &'static str = "record.v1";
}

/// Which records are asked for; all fields must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub application: Option<ApplicationName>,
    pub cluster: Option<ClusterName>,
}

impl Filter {
    fn admits(&self, record: &NewRecord) -> bool {
        let matches = |wanted: Option<&str>, found: Option<&str>| {
            wanted.is_none_or(|wanted| found == Some(wanted))
        };
        let application = record.application.as_ref().map(ApplicationName::as_str);
        let cluster = record.cluster.as_ref().map(ClusterName::as_str);
        matches(self.application.as_ref().map(ApplicationName::as_str), application)
            && matches(self.cluster.as_ref().map(ClusterName::as_str), cluster)
    }
}

/// The writes that keep these records, in their order, for a transaction of the caller's.
#[must_use]
pub fn writes_for(records: &[NewRecord]) -> Vec<Write> {
    records.iter().map(write_for).collect()
}

fn write_for(new: &NewRecord) -> Write {
    let mut kept = new.clone();
    shorten(&mut kept.message);
    shorten(&mut kept.reason);
    record::append(Prefix::new(PREFIX), &kept)
}

fn shorten(text: &mut String) {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
    }
}

/// The records of a store; clones share them.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
}

impl Ledger {
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Keeps records that belong to no change of state. They are durable when it returns.
    pub async fn append(&self, records: Vec<NewRecord>) -> Result<(), StoreError> {
        for batch in records.chunks(BATCH) {
            let writes = writes_for(batch);
            self.store.transact(Transaction { conditions: Vec::new(), writes }).await?;
        }
        Ok(())
    }

    /// At most `limit` records, the newest first. It reads backwards in growing steps and stops
    /// after a bounded number of records, so a rare application's old history may be cut off.
    pub fn recent(&self, filter: &Filter, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        let (mut newest, mut width) = (self.store.state().revision.0, FIRST_WINDOW);
        let mut examined = 0;
        while newest > 0 && found.len() < limit && examined < MAX_EXAMINED {
            let oldest = newest.saturating_sub(width);
            let missing = limit - found.len();
            let (window, read) = self.window(filter, oldest, newest, missing)?;
            found.extend(window.into_iter().rev());
            examined += read;
            newest = oldest;
            width = width.saturating_mul(4);
        }
        Ok(found)
    }

    /// The last `limit` records of the revisions after `oldest` up to `newest`, the oldest first,
    /// and how many were read to find them.
    fn window(
        &self,
        filter: &Filter,
        oldest: u64,
        newest: u64,
        limit: usize,
    ) -> Result<(VecDeque<Record>, usize), StoreError> {
        let prefix = Prefix::new(PREFIX);
        let mut after = Key::new([PREFIX[0], &format!("{oldest:016x}.ffff")]);
        let (mut found, mut read) = (VecDeque::new(), 0);
        loop {
            let page = self.store.page(&prefix, Some(&after), PAGE)?;
            let full = page.len() == PAGE;
            for stored in page {
                if stored.revision > Revision(newest) {
                    return Ok((found, read));
                }
                read += 1;
                let new = record::read::<NewRecord>(&stored)?.value;
                if filter.admits(&new) {
                    if found.len() == limit {
                        found.pop_front();
                    }
                    found.push_back(numbered(&stored.key, new)?);
                }
                after = stored.key;
            }
            if !full {
                return Ok((found, read));
            }
        }
    }
}

fn numbered(key: &Key, new: NewRecord) -> Result<Record, StoreError> {
    let sequence = sequence(&key.name()).ok_or_else(|| StoreError::Damaged {
        what: key.to_string(),
        reason: "its key has no place in the ledger".to_owned(),
    })?;
    let NewRecord { at, actor, action, application, cluster, commit, message, reason } = new;
    Ok(Record { sequence, at, actor, action, application, cluster, commit, message, reason })
}

/// From `revision.place`, as the store names what is appended.
fn sequence(name: &str) -> Option<u64> {
    let (revision, place) = name.split_once('.')?;
    let revision = u64::from_str_radix(revision, 16).ok()?;
    let place = u64::from_str_radix(place, 16).ok()?;
    revision.checked_mul(PLACES)?.checked_add(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn record(application: &str, number: usize) -> NewRecord {
        NewRecord {
            at: Timestamp(i64::try_from(number).unwrap()),
            actor: "hub".to_owned(),
            action: "Tested".to_owned(),
            application: Some(ApplicationName::new(application).unwrap()),
            cluster: Some(ClusterName::new("eu-1").unwrap()),
            commit: None,
            message: format!("number {number}"),
            reason: String::new(),
        }
    }

    fn ledger() -> Ledger {
        Ledger::new(Arc::new(MemoryStore::new()))
    }

    fn times(records: &[Record]) -> Vec<i64> {
        records.iter().map(|record| record.at.0).collect()
    }

    #[tokio::test]
    async fn the_newest_come_first_and_sequences_grow() {
        let ledger = ledger();
        for number in 0..1_500 {
            let name = if number == 3 { "rare" } else { "often" };
            ledger.append(vec![record(name, number)]).await.unwrap();
        }
        ledger
            .append((1_500..2_100).map(|number| record("often", number)).collect())
            .await
            .unwrap();
        let newest = ledger.recent(&Filter::default(), 3).unwrap();
        assert_eq!(times(&newest), [2_099, 2_098, 2_097]);
        let all = ledger.recent(&Filter::default(), usize::MAX).unwrap();
        assert_eq!(times(&all), (0..2_100).rev().collect::<Vec<_>>());
        assert!(all.windows(2).all(|pair| pair[0].sequence > pair[1].sequence));
        let application = Some(ApplicationName::new("rare").unwrap());
        let rare = ledger.recent(&Filter { application, cluster: None }, 10).unwrap();
        assert_eq!(times(&rare), [3]);
        let cluster = Some(ClusterName::new("us-1").unwrap());
        let none = ledger.recent(&Filter { application: None, cluster }, 10).unwrap();
        assert_eq!(none, []);
    }

    #[tokio::test]
    async fn a_long_message_is_cut_and_kept() {
        let ledger = ledger();
        let message = "é".repeat(100_000);
        ledger.append(vec![NewRecord { message, ..record("a", 1) }]).await.unwrap();
        let kept = ledger.recent(&Filter::default(), 1).unwrap();
        assert!(kept[0].message.len() <= MAX_TEXT_BYTES + '…'.len_utf8());
    }
}
