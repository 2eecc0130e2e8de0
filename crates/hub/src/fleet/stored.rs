//! How the fleet is kept: one record for each thing that can change alone, written by difference.
//!
//! The only place that knows the stored form. Bodies beyond [`INLINE_BYTES`] are blobs, written
//! before the record that names them. A change that fits into one transaction is one; a larger one
//! is cut between applications, never inside of what belongs together (an application, its
//! tombstone and their records), and in an order in which a restart after any part finds a state
//! from which the same plan goes on.

mod load;
mod records;
mod save;

use std::collections::BTreeMap;

use generators::RepoReference;
use model::canonical::Digest;
use model::id::CommitId;
use model::name::ApplicationName;
use model::status::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::documents::{Documents, ResourceKey};
use super::state::{FleetState, Place};
use crate::store::record::Stored;
use crate::store::{Key, Prefix, StoreError};

pub(super) use load::load;
pub(super) use save::{
    Change, delete_pause, delete_stored, put_gone, put_pause, put_stored, transactions,
    unused_blobs,
};

#[cfg(test)]
mod tests;

const ROOT: &str = "fleet";
const APPLICATION: &str = "application";
const TOMBSTONE: &str = "tombstone";
const PARKED: &str = "parked";
const GONE: &str = "gone";
const GIT: &str = "git";
const STORED: &str = "stored";
const SOURCE: &str = "source";
const PAUSE: &str = "pause";
const REVISION: &str = "revision";

/// Larger bodies are blobs. A blob costs a file and three syncs, a large value makes its page of
/// the store large; nearly all specs are a few kilobytes.
const INLINE_BYTES: usize = 32 * 1024;

/// What was kept cannot be used.
#[derive(Debug, Clone, Error)]
pub enum FleetStoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored {what} cannot be used: {reason}")]
    Unusable { what: String, reason: String },
}

/// Everything of the fleet that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) state: FleetState,
    pub(super) documents: Documents,
    pub(super) pauses: BTreeMap<ApplicationName, Pause>,
    /// The last good commit of each revision.
    pub(super) revisions: BTreeMap<RepoReference, CommitId>,
}

/// Who stopped an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pause {
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

impl Stored for Pause {
    const TAG: &'static str = "fleet-pause.v1";
}

fn below(kind: &str) -> Prefix {
    Prefix::new([ROOT, kind])
}

fn source_key() -> Key {
    Key::new([ROOT, SOURCE])
}

fn place_key(kind: &str, place: &Place) -> Key {
    Key::new([ROOT, kind, place.name.as_str(), place.cluster.as_str()])
}

fn resource_key(kind: &str, key: &ResourceKey) -> Key {
    Key::new([ROOT, kind, key.kind.as_str(), &key.name])
}

/// A URL can be longer than a key.
fn revision_key(reference: &RepoReference) -> Key {
    let RepoReference { repo_url, revision } = reference;
    let digest = Digest::of(format!("{repo_url}\n{revision}").as_bytes());
    Key::new([ROOT, REVISION, &digest.to_string()])
}
