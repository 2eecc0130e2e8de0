//! The stored form of each thing, with its tag. Another shape is another tag.

use model::canonical::Digest;
use model::desired::Tombstone;
use model::id::CommitId;
use model::name::{ApplicationName, ClusterName, SetName};
use model::set::OnRemoval;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::record::Stored;

/// A canonical body: in the record, or as a blob when it is large.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Body {
    Inline(Value),
    Blob(Digest),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApplicationRecord {
    pub(super) name: ApplicationName,
    pub(super) cluster: ClusterName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<SetName>,
    pub(super) element: String,
    pub(super) generator: usize,
    pub(super) on_removal: OnRemoval,
    pub(super) parked: bool,
    pub(super) version: Digest,
    pub(super) body: Body,
}

impl Stored for ApplicationRecord {
    const TAG: &'static str = "fleet-application.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TombstoneRecord {
    pub(super) cluster: ClusterName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<SetName>,
    pub(super) tombstone: Tombstone,
    pub(super) body: Body,
}

impl Stored for TombstoneRecord {
    const TAG: &'static str = "fleet-tombstone.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ParkedRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<SetName>,
    pub(super) plan: String,
    pub(super) reason: String,
}

impl Stored for ParkedRecord {
    const TAG: &'static str = "fleet-parked.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GoneRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<SetName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) application: Option<ApplicationName>,
    pub(super) actor: String,
    pub(super) reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<CommitId>,
}

impl Stored for GoneRecord {
    const TAG: &'static str = "fleet-gone.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DocumentRecord {
    /// Where it stands in the fleet repository; empty for one that a person applied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) file: String,
    pub(super) body: Body,
}

impl Stored for DocumentRecord {
    const TAG: &'static str = "fleet-document.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SourceRecord {
    pub(super) url: String,
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<CommitId>,
}

impl Stored for SourceRecord {
    const TAG: &'static str = "fleet-source.v1";
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RevisionRecord {
    pub(super) url: String,
    pub(super) revision: String,
    pub(super) commit: CommitId,
}

impl Stored for RevisionRecord {
    const TAG: &'static str = "fleet-revision.v1";
}
