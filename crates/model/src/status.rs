//! What a spoke reports: sync, health, resources and drift incidents.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::{self, Digest};
use crate::id::CommitId;
use crate::manifest::ObjectKey;
use crate::name::ApplicationName;

/// Milliseconds since 1970-01-01 UTC, for people to read; no decision depends on it (law L8).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

/// Whether the cluster holds what Git says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SyncStatus {
    Synced,
    OutOfSync,
    Unknown,
}

/// Ordered from best to worst, so that the worst of many is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Health {
    Healthy,
    Suspended,
    Progressing,
    Missing,
    Degraded,
    Unknown,
}

impl fmt::Display for SyncStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One application on one cluster, as its spoke sees it. The three levels of acknowledgement are
/// apart: `accepted` is stored by the spoke, `applied` is in the cluster, `health` is its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    pub name: ApplicationName,
    /// The version that the spoke has persisted.
    pub accepted: Digest,
    /// The version whose objects were all applied, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Digest>,
    /// The commit of `applied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<CommitId>,
    /// The digest of the inventory after `applied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Digest>,
    pub sync: SyncStatus,
    pub health: Health,
    /// Why it is not synced or not healthy; empty when all is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Held removals, drift without self-heal, a missing tool: things a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// When any of the above last changed, by the spoke's clock.
    pub changed_at: Timestamp,
}

/// The digest over the statuses of one cluster in the order of their names: a hub that has the
/// same need not be told again.
#[must_use]
pub fn digest<'a>(statuses: impl IntoIterator<Item = &'a ApplicationStatus>) -> Digest {
    let mut text = Vec::new();
    for status in statuses {
        text.extend_from_slice(&canonical::of(status));
        text.push(b'\n');
    }
    Digest::of(&text)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// A stable CamelCase word, such as `RenderFailed`, `PruneParked` or `SharedResource`.
    pub kind: String,
    pub message: String,
}

/// One object of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    pub object: ObjectKey,
    pub sync: SyncStatus,
    /// Absent for kinds that have no health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One drift from detection to repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Unique on its spoke: a report that is repeated is the same incident.
    pub id: u64,
    pub application: ApplicationName,
    pub object: ObjectKey,
    /// The fields that others changed, as the API server writes paths; never their values.
    pub fields: Vec<String>,
    /// The field managers that did it, with the subresource when they used one. Self-declared.
    pub managers: Vec<String>,
    pub detected_at: Timestamp,
    /// Absent while the drift stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_at: Option<Timestamp>,
    /// What was done, or why nothing was.
    pub outcome: IncidentOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IncidentOutcome {
    /// The spoke put its fields back.
    Healed,
    /// Self-heal is off or the application is paused.
    Reported,
    /// It came back too often; the spoke repairs it more slowly.
    Fighting,
    /// The repair was refused.
    Failed,
}
