//! A cluster as the fleet knows it: labels that people set, facts that the spoke reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::ClusterName;
use crate::selector::Labels;

/// A `Cluster` document. Its labels are for targeting and only people set them: a spoke that
/// could choose its own labels could attract other clusters' applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    pub metadata: ClusterMetadata,
    #[serde(default)]
    pub spec: ClusterSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterMetadata {
    pub name: ClusterName,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// The project the cluster belongs to; empty means none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The API server's address, for templates only: the hub never connects to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
}
