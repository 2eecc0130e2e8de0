//! Documents of `argoproj.io/v1alpha1`, accepted unchanged: ApplicationSet, Application, AppProject,
//! and the Secrets by which that field's tools know clusters.
//!
//! Their trees are kept as they were written, checked against the fields that Argo CD 3.5 knows. What
//! they mean is the business of the compat dialect.

use serde_json::Value;

use crate::name::{ApplicationName, SetName};
use crate::selector::Labels;

/// The only API version of these documents.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// The namespace of a document that names none.
pub const DEFAULT_NAMESPACE: &str = "argocd";

/// An ApplicationSet of the compat dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationSet {
    pub name: SetName,
    /// [`DEFAULT_NAMESPACE`] when the document names none.
    pub namespace: String,
    pub labels: Labels,
    pub annotations: Labels,
    /// The whole `spec`, with known fields and right types only.
    pub spec: Value,
}

/// An Application of the compat dialect, written by hand or made by a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    pub name: ApplicationName,
    pub namespace: String,
    /// `metadata` and `spec`.
    pub document: Value,
}

/// An AppProject.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub name: String,
    pub namespace: String,
    pub spec: Value,
}

/// A cluster as an Argo CD cluster Secret tells of it; its name is whatever people wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterSecret {
    pub name: String,
    pub server: String,
    pub project: String,
    /// `None` when the Secret has none at all, which the compat dialect can tell from an empty map.
    pub labels: Option<Labels>,
    pub annotations: Option<Labels>,
}

/// What `clusterDecisionResource` generators look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decisions {
    /// Objects of any kind, whole documents.
    pub objects: Vec<Value>,
    /// ConfigMaps, whole documents.
    pub config_maps: Vec<Value>,
}
