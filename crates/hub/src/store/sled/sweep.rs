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
    let Found { account, mut meta, bad, mut report } = read_all(dir, db)?;
    let same = |account: &Meta| {
        account.records == meta.records
            && account.fingerprint == meta.fingerprint
            && account.revision >= meta.revision
    };
    report.expected = account.filter(|account| !same(account)).map(|account| account.records);
    let newest = account.map_or(0, |account| account.revision);
    report.acknowledged = head::read(dir).filter(|head| *head > newest);
    if let Some(account) = account.filter(|_| report.is_clean()) {
        return Ok((account, report));
    }
    if on_damage == OnDamage::Refuse {
        return Err(open::corrupt(dir, report.to_string()));
    }
    // Without its account the store does not know which revisions it has given out since.
    let newest = account.map_or(meta.revision + (1 << 32), |account| account.revision);
    meta.revision = meta.revision.max(newest).max(report.acknowledged.unwrap_or_default());
    report.quarantine = Some(quarantine(dir, db, &bad, &meta)?);
    Ok((meta, report))
}

/// What is in the database, before it is judged.
struct Found {
    /// The store's own account, when it can be read.
    account: Option<Meta>,
    /// An account of the good records.
    meta: Meta,
    bad: Vec<(IVec, IVec)>,
    report: SweepReport,
}

fn read_all(dir: &Path, db: &Db) -> Result<Found, StoreError> {
    let mut found = Found {
        account: None,
        meta: Meta::default(),
        bad: Vec::new(),
        report: SweepReport::default(),
    };
    let mut account = Err("it is missing".to_owned());
    for entry in db.iter() {
        let (key, value) = entry.map_err(|error| open::read_error(dir, error))?;
        if &*key == META_KEY {
            account = Meta::decode(&value);
        } else {
            found.note(key, value);
        }
    }
    match account {
        Ok(account) => found.account = Some(account),
        Err(reason) => {
            let key = "the store's account".to_owned();
            found.report.damaged.push(DamagedRecord { key, reason });
        }
    }
    found.report.records = found.meta.records;
    Ok(found)
}

impl Found {
    fn note(&mut self, key: IVec, value: IVec) {
        match frame::decode(&key, &value) {
            Ok(frame) => {
                self.meta.add(&key, frame.revision);
                self.meta.revision = self.meta.revision.max(frame.revision.0);
            }
            Err(error) => {
                let (name, reason) = (key.escape_ascii().to_string(), error.to_string());
                self.report.damaged.push(DamagedRecord { key: name, reason });
                self.bad.push((key, value));
            }
        }
    }
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
