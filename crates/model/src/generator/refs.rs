//! Branches or tags of a repository.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One element for each branch, or each tag, that all of the conditions pick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefsGenerator {
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Globs of which one must match; `*` stays within a component, `**` spans several. Empty: all.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
    /// Globs of which none may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// A regular expression that must match somewhere. Empty: any name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub regex: String,
    /// For tags: the name is a version, with or without a `v`, that meets this constraint.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub semver: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}
