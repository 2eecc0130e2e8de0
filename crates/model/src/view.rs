//! What the fleet API shows: clusters, applications, sets and history, each with its age and source.
//!
//! The hub makes these, the CLI prints them, scripts read them as JSON. Field names are stable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::Digest;
use crate::id::CommitId;
use crate::name::{ApplicationName, ClusterName, SetName};
use crate::selector::Labels;
use crate::status::{Condition, Health, Incident, ResourceStatus, SyncStatus, Timestamp};

/// Where a verdict comes from (law L10): stale is never shown as live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatusSource {
    /// The spoke is connected and reported it.
    Live,
    /// The spoke reported it once and is not connected now.
    LastKnown,
    NeverSeen,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    pub name: ClusterName,
    pub labels: Labels,
    pub annotations: Labels,
    /// `Connected`, `Disconnected`, `Pending`, `Revoked` or `NeverSeen`.
    pub state: String,
    pub source: StatusSource,
    /// When it was last heard of, by the hub's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// True while the spoke holds removals back because it does not know the hub's epoch.
    pub hold: bool,
    pub held_removals: Vec<ApplicationName>,
    pub kubernetes_version: String,
    pub agent_version: String,
    pub tools: BTreeMap<String, String>,
    pub applications: usize,
    pub synced: usize,
    pub healthy: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<Timestamp>,
    /// Only of the cluster whose decision objects are believed, once it has reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<DecisionsView>,
}

/// The decision objects that a cluster reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionsView {
    /// When the last report came, by the hub's clock.
    pub at: Timestamp,
    pub objects: usize,
    /// Why some of them could not be listed.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationView {
    pub name: ApplicationName,
    pub cluster: ClusterName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetName>,
    pub project: String,
    pub repo_url: String,
    pub path: String,
    pub target_revision: String,
    pub namespace: String,
    /// The commit that the hub wants.
    pub revision: CommitId,
    pub version: Digest,
    /// The version that the spoke has persisted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Digest>,
    /// The version and commit that are in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_revision: Option<CommitId>,
    /// As reported; `OutOfSync` while the applied version is not the wanted one.
    pub sync: SyncStatus,
    pub health: Health,
    pub message: String,
    pub conditions: Vec<Condition>,
    pub paused: bool,
    /// The removal that is under way, in words; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub removal: String,
    pub source: StatusSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
    /// Only with detail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// Only with detail; the newest ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetView {
    pub name: SetName,
    /// `git` or `api`.
    pub origin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    pub applications: usize,
    pub synced: usize,
    pub healthy: usize,
    /// Elements whose last good result stays in force, with the reason.
    pub held: Vec<HeldView>,
    /// Removals that wait for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<ParkedView>,
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldView {
    pub element: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedView {
    /// Names exactly these removals; an approval quotes it.
    pub plan: String,
    pub applications: Vec<ApplicationName>,
    pub reason: String,
}

/// One act, kept for ever: who did what to what, and from which commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    pub sequence: u64,
    pub at: Timestamp,
    /// A person's identity, a cluster's, or `hub`.
    pub actor: String,
    /// A stable CamelCase word, such as `Applied`, `Healed`, `RemovalParked`.
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// What happened, in words.
    pub message: String,
    /// The reason that the person gave.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// `Unused`, `Used`, `Expired` or `Revoked`.
    pub state: String,
    pub reusable: bool,
    pub manual_approval: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub uses: u32,
}
