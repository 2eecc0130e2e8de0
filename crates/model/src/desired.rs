//! What a cluster should run: versioned applications, tombstones and the digest of the whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::application::{IgnoreDifference, Source, SyncPolicy};
use crate::canonical::{self, Digest};
use crate::id::{CommitId, Epoch};
use crate::name::{ApplicationName, SetName};
use crate::set::OnRemoval;

/// The largest canonical form of one desired application, in bytes. A spec is a few kilobytes;
/// inline Helm values make the large ones. It stays well below gRPC's 4 MiB per message.
pub const MAX_DESIRED_BYTES: usize = 1 << 20;

/// One application as the hub sends it to the spoke of its cluster: nothing floating is left in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DesiredApplication {
    pub name: ApplicationName,
    pub project: String,
    /// The set that made it; absent for an application written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetName>,
    pub source: Source,
    /// What `source.targetRevision` was resolved to (law L7).
    pub revision: CommitId,
    /// The namespace for namespaced objects that name none; empty means `default`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(default)]
    pub sync_policy: SyncPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifference>,
    /// A person stopped it: the spoke reports, and changes nothing.
    #[serde(default)]
    pub paused: bool,
}

/// A desired application with its version: the digest of its canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedApplication {
    application: Arc<DesiredApplication>,
    version: Digest,
    body: Arc<[u8]>,
}

#[derive(Debug, Error)]
pub enum BodyError {
    #[error("the application is {bytes} bytes; at most {MAX_DESIRED_BYTES} are allowed")]
    TooLarge { bytes: usize },
    #[error("the bytes have digest {actual}, not the announced version {announced}")]
    Version { announced: Digest, actual: Digest },
    #[error("the application cannot be read: {0}")]
    Malformed(String),
}

impl VersionedApplication {
    /// # Errors
    /// When the canonical form is larger than [`MAX_DESIRED_BYTES`].
    pub fn new(application: DesiredApplication) -> Result<Self, BodyError> {
        let body: Arc<[u8]> = canonical::of(&application).into();
        if body.len() > MAX_DESIRED_BYTES {
            return Err(BodyError::TooLarge { bytes: body.len() });
        }
        Ok(Self { application: Arc::new(application), version: Digest::of(&body), body })
    }

    /// Reads what came over the wire or from a store: bounded, and equal to its announced version.
    ///
    /// # Errors
    /// When it is too large, its digest is another, or it has a field that is not known here.
    pub fn from_body(announced: Digest, body: &[u8]) -> Result<Self, BodyError> {
        if body.len() > MAX_DESIRED_BYTES {
            return Err(BodyError::TooLarge { bytes: body.len() });
        }
        let actual = Digest::of(body);
        if actual != announced {
            return Err(BodyError::Version { announced, actual });
        }
        let reader = &mut serde_json::Deserializer::from_slice(body);
        let application = serde_path_to_error::deserialize(reader).map_err(|error| {
            BodyError::Malformed(format!("{}: {}", error.path(), error.inner()))
        })?;
        Ok(Self { application: Arc::new(application), version: announced, body: body.into() })
    }

    #[must_use]
    pub fn application(&self) -> &Arc<DesiredApplication> {
        &self.application
    }

    #[must_use]
    pub fn name(&self) -> &ApplicationName {
        &self.application.name
    }

    #[must_use]
    pub fn version(&self) -> Digest {
        self.version
    }

    #[must_use]
    pub fn body(&self) -> &Arc<[u8]> {
        &self.body
    }
}

/// The only thing that removes an application from a cluster (law L1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tombstone {
    pub name: ApplicationName,
    /// The last version that the hub wanted; a spoke that holds another one removes it too.
    pub version: Digest,
    pub on_removal: OnRemoval,
    /// Who: a person's identity, or `fleet repository`.
    pub actor: String,
    /// Why, in words.
    pub reason: String,
    /// The commit of the fleet repository that took it away, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The epoch in which the hub decided it.
    pub epoch: Epoch,
}

/// The digest of a whole desired state, equal exactly when names and versions are (law L9).
#[must_use]
pub fn root_digest<'a>(
    versions: impl IntoIterator<Item = (&'a ApplicationName, &'a Digest)>,
) -> Digest {
    let sorted: BTreeMap<_, _> = versions.into_iter().collect();
    let mut text = Vec::with_capacity(sorted.len() * 96);
    for (name, version) in sorted {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b' ');
        text.extend_from_slice(version.as_bytes());
        text.push(b'\n');
    }
    Digest::of(&text)
}
