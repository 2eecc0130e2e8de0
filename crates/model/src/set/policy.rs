//! What a set may do to its applications once they are in force.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a set's applications are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSyncPolicy {
    #[serde(default)]
    pub applications_sync: ApplicationsSync,
    /// As `safety.onRemoval: orphan`: objects stay in their clusters when an application goes.
    #[serde(default)]
    pub preserve_resources_on_deletion: bool,
}

impl SetSyncPolicy {
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a set does with applications: whether those that exist are changed, and whether those that
/// its generators no longer give are removed (within the deletion budget).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationsSync {
    /// All of it.
    #[default]
    Sync,
    /// New ones are added; existing ones stay as they are, and stay.
    CreateOnly,
    /// None is removed.
    CreateUpdate,
    /// None is changed.
    CreateDelete,
}

impl ApplicationsSync {
    /// Whether an application that exists follows a change of the set.
    #[must_use]
    pub fn updates(self) -> bool {
        matches!(self, Self::Sync | Self::CreateUpdate)
    }

    /// Whether an application that the set no longer gives is removed.
    #[must_use]
    pub fn deletes(self) -> bool {
        matches!(self, Self::Sync | Self::CreateDelete)
    }
}

/// Labels and annotations of generated applications that Argo CD keeps when others set them. Taken
/// so that a set can be written as there; here nothing but the set writes a generated application,
/// so there is nothing to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreservedFields {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<String>,
}

impl PreservedFields {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// Fields of generated applications that Argo CD leaves to others. Taken for the same reason as
/// [`PreservedFields`], and without effect for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreApplicationDifference {
    /// The one application that is meant; empty: all of the set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// RFC 6901 pointers into the application, such as `/spec/source/targetRevision`.
    pub json_pointers: Vec<String>,
}

/// The most elements that a set may give: at least 1, at most [`ElementLimit::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "u64")]
pub struct ElementLimit(u32);

impl ElementLimit {
    /// Every element is held in memory with its parameters and its application.
    pub const MOST: u32 = 1_000_000;

    #[must_use]
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ElementLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<Value> for ElementLimit {
    type Error = String;

    fn try_from(raw: Value) -> Result<Self, String> {
        let limit = raw.as_u64().and_then(|limit| u32::try_from(limit).ok());
        let limit = limit.filter(|limit| (1..=Self::MOST).contains(limit));
        let rule =
            || format!("{raw:.40} is not a limit; write a whole number from 1 to {}", Self::MOST);
        limit.map(Self).ok_or_else(rule)
    }
}

impl From<ElementLimit> for u64 {
    fn from(limit: ElementLimit) -> Self {
        Self::from(limit.0)
    }
}
