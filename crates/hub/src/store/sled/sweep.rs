//! Reads the whole store at the start and compares it with its own account.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ::sled::{Db, IVec};
use serde::{Deserialize, Serialize};

use super::super::frame::{self, key_hash};
use super::super::{Revision, StoreError};
use super::{META_KEY, META_TAG, OnDamage, head, open};

/// Damaged records that a message lists; the report has all of them.
const LISTED: usize = 5;

/// The account that every batch brings up to date, in the same write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    /// The newest revision that was given out.
    pub(super) revision: u64,
    pub(super) records: u64,
    /// All keys with their revisions, mixed so that the order does not matter.
    pub(super) fingerprint: u64,
}

impl Meta {
    pub(super) fn add(&mut self, key: &[u8], revision: Revision) {
        self.records = self.records.wrapping_add(1);
        self.fingerprint = self.fingerprint.wrapping_add(mix(key, revision));
    }

    pub(super) fn remove(&mut self, key: &[u8], revision: Revision) {
        self.records = self.records.wrapping_sub(1);
        self.fingerprint = self.fingerprint.wrapping_sub(mix(key, revision));
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("three numbers are expressible in JSON");
        frame::encode(META_KEY, Revision(self.revision), META_TAG, &body)
    }

    fn decode(value: &[u8]) -> Result<Self, String> {
        let frame = frame::decode(META_KEY, value).map_err(|error| error.to_string())?;
        serde_json::from_slice(frame.body).map_err(|error| error.to_string())
    }
}

/// The finaliser of SplitMix64: sums of its values collide only by chance.
fn mix(key: &[u8], revision: Revision) -> u64 {
    let mut x = key_hash(key) ^ revision.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What a start found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Good records.
    pub records: u64,
    pub damaged: Vec<DamagedRecord>,
    /// How many records the account has, when what was found is something else.
    pub expected: Option<u64>,
    /// The newest revision that was acknowledged, when the store is older than that.
    pub acknowledged: Option<u64>,
    /// The file that the damaged records were moved to.
    pub quarantine: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRecord {
    pub key: String,
    pub reason: String,
}

impl SweepReport {
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.expected.is_none() && self.acknowledged.is_none()
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} good records", self.records)?;
        if let Some(expected) = self.expected {
            write!(f, " where its account has {expected}")?;
        }
        if let Some(revision) = self.acknowledged {
            write!(f, ", the newest transactions (up to revision {revision}) are missing")?;
        }
        if !self.damaged.is_empty() {
            write!(f, ", {} damaged", self.damaged.len())?;
        }
        for (index, record) in self.damaged.iter().take(LISTED).enumerate() {
            let before = if index == 0 { " (" } else { "; " };
            write!(f, "{before}{}: {}", record.key, record.reason)?;
        }
        match self.damaged.len() {
            0 => Ok(()),
            count if count > LISTED => f.write_str("; …)"),
            _ => f.write_str(")"),
        }
    }
}

/// Reads everything. With damage it refuses, or takes the damaged records out.
pub(super) fn sweep(
    dir: &Path,
    db: &Db,
    on_damage: OnDamage,
) -> Result<(Meta, SweepReport), StoreError> {
    let mut found = Meta::default();
    let mut report = SweepReport::default();
    let mut bad: Vec<(IVec, IVec)> = Vec::new();
    let mut meta = None;
    for entry in db.iter() {
        let (key, value) = entry.map_err(|error| open::read_error(dir, error))?;
        if &*key == META_KEY {
            meta = Some(Meta::decode(&value));
            continue;
        }
        match frame::decode(&key, &value) {
            Ok(frame) => {
                found.add(&key, frame.revision);
                found.revision = found.revision.max(frame.revision.0);
            }
            Err(error) => {
                let (name, reason) = (key.escape_ascii().to_string(), error.to_string());
                report.damaged.push(DamagedRecord { key: name, reason });
                bad.push((key, value));
            }
        }
    }
    report.records = found.records;
    let account = match meta {
        Some(Ok(meta)) => Some(meta),
        Some(Err(reason)) => {
            let key = "the store's account".to_owned();
            report.damaged.push(DamagedRecord { key, reason });
            None
        }
        None => {
            let (key, reason) = ("the store's account".to_owned(), "it is missing".to_owned());
            report.damaged.push(DamagedRecord { key, reason });
            None
        }
    };
    let same = |meta: &Meta| {
        meta.records == found.records
            && meta.fingerprint == found.fingerprint
            && meta.revision >= found.revision
    };
    report.expected = account.filter(|meta| !same(meta)).map(|meta| meta.records);
    report.acknowledged =
        head::read(dir).filter(|head| *head > account.map_or(0, |meta| meta.revision));
    if report.is_clean() {
        return Ok((account.unwrap_or(found), report));
    }
    if on_damage == OnDamage::Refuse {
        return Err(open::corrupt(dir, report.to_string()));
    }
    // Without its account the store does not know which revisions it has given out since.
    let newest = account.map_or(found.revision + (1 << 32), |meta| meta.revision);
    found.revision = found.revision.max(newest).max(report.acknowledged.unwrap_or_default());
    report.quarantine = Some(quarantine(dir, db, &bad, &found)?);
    Ok((found, report))
}

/// Moves the damaged records into a file: key and value, each after its length.
fn quarantine(
    dir: &Path,
    db: &Db,
    bad: &[(IVec, IVec)],
    meta: &Meta,
) -> Result<PathBuf, StoreError> {
    let path = dir.join(format!("damaged-{}", meta.revision));
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        for (key, value) in bad {
            for part in [key, value] {
                let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                file.write_all(&length.to_le_bytes())?;
                file.write_all(part)?;
            }
        }
        file.sync_all()
    };
    write().map_err(StoreError::io("write", &path))?;
    let mut batch = ::sled::Batch::default();
    bad.iter().for_each(|(key, _)| batch.remove(key.clone()));
    batch.insert(META_KEY, meta.encode());
    let apply = || -> Result<usize, ::sled::Error> {
        db.apply_batch(batch)?;
        db.flush()
    };
    apply().map_err(|error| open::read_error(dir, error))?;
    Ok(path)
}
