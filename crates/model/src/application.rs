//! An application: one source at one revision on one cluster, with the rules for keeping it there.
//!
//! The field names are those of Argo CD's `Application`, so that files and knowledge carry over.
//! A field that Muster does not act on is not here, and so is an error in a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::{ApplicationName, ClusterName};
use crate::selector::Labels;

/// An `Application` document: written by hand, or made by an application set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    pub metadata: ApplicationMetadata,
    pub spec: ApplicationSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationMetadata {
    pub name: ApplicationName,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSpec {
    /// The tenancy boundary; `default` when absent.
    #[serde(default = "default_project")]
    pub project: String,
    pub source: Source,
    pub destination: Destination,
    #[serde(default, skip_serializing_if = "SyncPolicy::is_default")]
    pub sync_policy: SyncPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifference>,
    /// Links and text for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

fn default_project() -> String {
    "default".to_owned()
}

/// Where the manifests come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// A branch, a tag, a semver range or a commit; absent means the default branch. The hub
    /// resolves it: a spoke never sees a floating name (law L7).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_revision: String,
    /// The directory in the repository; `.` is its root.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectorySource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<KustomizeSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm: Option<HelmSource>,
}

/// How a directory of plain manifests is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectorySource {
    /// Read the directories below as well.
    #[serde(default)]
    pub recurse: bool,
    /// Glob of the files to read, relative to `path`; `{a,b}` for several. Empty: every manifest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub include: String,
    /// Glob of the files to leave out; wins over `include`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub exclude: String,
}

/// Overrides laid over a kustomization, as a further kustomization would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KustomizeSource {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name_prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name_suffix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `name=newName:newTag`, `name:newTag` or `name@digest`, as Argo CD writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<KustomizeReplicas>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common_labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common_annotations: Labels,
    /// Patches as kustomize takes them: `patch` and an optional `target`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Value>,
    /// Components, relative to `path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KustomizeReplicas {
    pub name: String,
    pub count: u32,
}

/// Values and switches for a Helm chart in the repository. Later wins: chart values, `valueFiles`
/// in order, `values`, `valuesObject`, `parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmSource {
    /// The application's name when absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub release_name: String,
    /// Relative to `path`, or from the root of the repository with a leading `/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value_files: Vec<String>,
    /// Values as YAML text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub values: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_object: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<HelmParameter>,
    #[serde(default)]
    pub ignore_missing_value_files: bool,
    #[serde(default)]
    pub skip_crds: bool,
    /// Overrides the Kubernetes version that the chart sees; default: the cluster's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// Overrides the API versions that the chart sees; default: the cluster's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmParameter {
    pub name: String,
    pub value: String,
    #[serde(default)]
    pub force_string: bool,
}

/// Which cluster, and the namespace for namespaced objects that name none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    pub cluster: ClusterName,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncPolicy {
    /// Absent: the spoke compares and reports, and changes the cluster only on `muster sync`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<SyncOption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<NamespaceMetadata>,
}

impl SyncPolicy {
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn has(&self, option: SyncOption) -> bool {
        self.sync_options.contains(&option)
    }

    /// The automation in force: `None` when syncing is by hand.
    #[must_use]
    pub fn automation(&self) -> Option<&Automated> {
        self.automated.as_ref().filter(|automated| automated.enabled)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Automated {
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Remove what is no longer in Git.
    #[serde(default)]
    pub prune: bool,
    /// Undo changes that others make in the cluster.
    #[serde(default)]
    pub self_heal: bool,
    /// Allow a render without any object to prune everything.
    #[serde(default)]
    pub allow_empty: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

/// The sync options that Muster acts on, written `Name=true` or `Name=false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SyncOption {
    /// Create the destination namespace; it is never pruned.
    #[serde(rename = "CreateNamespace=true")]
    CreateNamespace,
    /// Accepted because Muster always applies server-side.
    #[serde(rename = "ServerSideApply=true")]
    ServerSideApply,
    /// Do not validate fields strictly.
    #[serde(rename = "Validate=false")]
    NoValidation,
    /// Never prune objects of this application.
    #[serde(rename = "Prune=false")]
    NoPrune,
    /// Accepted because Muster prunes last in any case.
    #[serde(rename = "PruneLast=true")]
    PruneLast,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceMetadata {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
}

/// Fields that Muster leaves to others: they are left out of what it applies, so it never owns them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreDifference {
    /// The API group; empty is the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// RFC 6901 pointers into the manifest.
    pub json_pointers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    pub name: String,
    pub value: String,
}
