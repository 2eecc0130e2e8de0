//! How the accepted state is kept: one JSON document in Secrets of the agent's namespace.

use std::collections::{BTreeMap, VecDeque};

use model::desired::{BodyError, DesiredApplication, Tombstone, VersionedApplication};
use model::id::{Epoch, Term};
use model::name::ClusterName;
use proto::session::SignedRecord;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::machine::{Accepted, Removal};
use crate::secrets::{SecretError, SecretValue};

/// The only format there has been.
const FORMAT: u32 = 1;

#[derive(Debug, Error)]
pub enum StorageError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the accepted state is not in a format that this version reads")]
    Format(#[source] serde_json::Error),
    #[error("an accepted application cannot be read")]
    Application(#[from] BodyError),
    #[error("the accepted state is of cluster {found}, but this spoke is {expected}")]
    Cluster { found: ClusterName, expected: ClusterName },
}

/// Loads and saves [`Accepted`].
#[derive(Clone)]
pub struct Storage(SecretValue);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    format: u32,
    cluster: ClusterName,
    last_epoch: Option<Epoch>,
    last_term: Term,
    hold: bool,
    applications: Vec<DesiredApplication>,
    removals: Vec<StoredRemoval>,
    done_commands: VecDeque<String>,
    record: Vec<u8>,
    record_signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredRemoval {
    tombstone: Tombstone,
    released: bool,
    finished: Option<(u32, u32)>,
}

impl Storage {
    #[must_use]
    pub fn new(value: SecretValue) -> Self {
        Self(value)
    }

    /// The state of this cluster; a new one when nothing was stored yet.
    ///
    /// # Errors
    /// When it cannot be read: the spoke must not go on as if it had accepted nothing.
    pub async fn load(&self, cluster: &ClusterName) -> Result<Accepted, StorageError> {
        let Some(text) = self.0.load().await? else { return Ok(Accepted::new(cluster.clone())) };
        let accepted = decode(&text)?;
        if accepted.cluster != *cluster {
            let (found, expected) = (accepted.cluster, cluster.clone());
            return Err(StorageError::Cluster { found, expected });
        }
        Ok(accepted)
    }

    /// # Errors
    /// When the API server did not take it; nothing of it may then be acknowledged.
    pub async fn save(&self, accepted: &Accepted) -> Result<(), StorageError> {
        Ok(self.0.save(&encode(accepted)).await?)
    }
}

fn encode(accepted: &Accepted) -> Vec<u8> {
    let applications = accepted.applications.values();
    let removals = accepted.removals.values();
    let stored = Stored {
        format: FORMAT,
        cluster: accepted.cluster.clone(),
        last_epoch: accepted.last_epoch,
        last_term: accepted.last_term,
        hold: accepted.hold,
        applications: applications.map(|one| one.application().as_ref().clone()).collect(),
        removals: removals
            .map(|Removal { tombstone, released, finished }| StoredRemoval {
                tombstone: tombstone.clone(),
                released: *released,
                finished: *finished,
            })
            .collect(),
        done_commands: accepted.done_commands.clone(),
        record: accepted.record.record.clone(),
        record_signature: accepted.record.signature.clone(),
    };
    serde_json::to_vec(&stored).expect("the state is expressible in JSON")
}

fn decode(text: &[u8]) -> Result<Accepted, StorageError> {
    let stored: Stored = serde_json::from_slice(text).map_err(StorageError::Format)?;
    let mut applications = BTreeMap::new();
    for application in stored.applications {
        let application = VersionedApplication::new(application)?;
        applications.insert(application.name().clone(), application);
    }
    let removal = |StoredRemoval { tombstone, released, finished }| {
        (tombstone.name.clone(), Removal { tombstone, released, finished })
    };
    Ok(Accepted {
        cluster: stored.cluster,
        last_epoch: stored.last_epoch,
        last_term: stored.last_term,
        hold: stored.hold,
        applications,
        removals: stored.removals.into_iter().map(removal).collect(),
        done_commands: stored.done_commands,
        record: SignedRecord { record: stored.record, signature: stored.record_signature },
    })
}
