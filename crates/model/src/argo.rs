//! Documents of `argoproj.io/v1alpha1`, accepted unchanged: ApplicationSet, Application, AppProject,
//! and the Secrets by which that field's tools know clusters.
//!
//! Their trees are checked against the fields that Argo CD 3.5 knows ([`schema`]) and kept as Argo CD
//! itself would hold them: names in its spelling, numbers as text where text belongs, `null` left
//! out. What they mean is the business of the compat dialect. What a server adds (`status`, `uid`,
//! `managedFields` and the like) is accepted and left out.

mod conform;
mod document;
mod read;
pub mod schema;
mod secret;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::name::{ApplicationName, ProjectName, SetName};
use crate::selector::Labels;
use crate::set::Safety;

pub use document::{Document, Entry, Skeleton, Texts};
pub(crate) use read::resource;
pub use secret::{
    ClusterDocument, DECISION_LIMITS, cluster_document, decision_document, read_clusters,
    read_decisions,
};

/// The only API version of these documents.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// The namespace of a document that names none.
pub const DEFAULT_NAMESPACE: &str = "argocd";
/// The annotation of a set with its deletion budget, as native sets have it in
/// `spec.safety.deletionBudget`: Argo CD has no field for it.
pub const DELETION_BUDGET: &str = "muster.dev/deletion-budget";
/// The same for `spec.safety.maxElements`.
pub const MAX_ELEMENTS: &str = "muster.dev/max-elements";

/// A document of `argoproj.io`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    ApplicationSet(Arc<ApplicationSet>),
    Application(Arc<Application>),
    Project(Project),
}

impl Resource {
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ApplicationSet(_) => "ApplicationSet",
            Self::Application(_) => "Application",
            Self::Project(_) => "AppProject",
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ApplicationSet(set) => set.name.as_str(),
            Self::Application(application) => application.name.as_str(),
            Self::Project(project) => project.name.as_str(),
        }
    }

    /// The document without `apiVersion` and `kind`.
    #[must_use]
    pub(crate) fn body(&self) -> Map<String, Value> {
        let (metadata, spec) = match self {
            Self::ApplicationSet(set) => {
                let mut metadata = metadata(set.name.as_str(), &set.namespace);
                for (field, labels) in [("labels", &set.labels), ("annotations", &set.annotations)]
                {
                    if !labels.is_empty() {
                        let labels = labels.iter().map(|(k, v)| (k.clone(), v.clone().into()));
                        metadata.insert(field.to_owned(), Value::Object(labels.collect()));
                    }
                }
                (metadata, &set.spec)
            }
            Self::Application(application) => {
                return match application.document.to_value() {
                    Value::Object(document) => document,
                    _ => Map::new(),
                };
            }
            Self::Project(project) => {
                (metadata(project.name.as_str(), &project.namespace), &project.spec)
            }
        };
        let parts = [("metadata", Value::Object(metadata)), ("spec", spec.clone())];
        parts.into_iter().map(|(field, part)| (field.to_owned(), part)).collect()
    }
}

fn metadata(name: &str, namespace: &str) -> Map<String, Value> {
    let fields = [("name", name), ("namespace", namespace)];
    fields.into_iter().map(|(field, text)| (field.to_owned(), text.into())).collect()
}

/// An ApplicationSet of the compat dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationSet {
    pub name: SetName,
    /// [`DEFAULT_NAMESPACE`] when the document names none.
    pub namespace: String,
    pub labels: Labels,
    pub annotations: Labels,
    /// What its annotations [`DELETION_BUDGET`] and [`MAX_ELEMENTS`] say; without them the defaults.
    /// What a removal does is the business of `spec` and of each application.
    pub safety: Safety,
    /// The whole `spec`, with known fields and right types only.
    pub spec: Value,
}

/// An Application of the compat dialect, written by hand or made by a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub name: ApplicationName,
    pub namespace: String,
    /// `metadata` (name, namespace, labels, annotations, finalizers) and `spec`.
    pub document: Document,
}

/// An AppProject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub name: ProjectName,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Objects of any kind: whole documents, or what was reported of them. Shared, so that a world
    /// with thousands of them costs nothing when they are the same ones.
    pub objects: Vec<Arc<Value>>,
    /// ConfigMaps, whole documents.
    pub config_maps: Vec<Value>,
    /// What may be there besides.
    pub unseen: Vec<Unseen>,
}

/// Decision objects that cannot be seen now, or that count as gone only if they stay away (law L2).
/// Generators that they concern give no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// `GROUP/VERSION` of the objects; `None` when it may be any.
    pub api_version: Option<String>,
    /// The object as it was; `None` when it may be any of that version.
    pub object: Option<Arc<Value>>,
    pub reason: String,
}
