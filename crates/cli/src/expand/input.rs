//! Sets, applications, clusters and decisions from files, each with its problems.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use model::application::Application;
use model::argo::{self, ClusterDocument, ClusterSecret, DECISION_LIMITS, Decisions};
use model::cluster::{Cluster, ClusterMetadata, ClusterSpec};
use model::document::{self, Resource};
use model::name::ClusterName;
use model::problem::{Problem, Reason};
use model::set::ApplicationSet;
use model::view::ClusterView;
use model::yaml;
use serde::Deserialize as _;
use serde_json::Value;

use super::files::File;

/// What marks the documents that are ours, whatever their version.
const GROUPS: [&str; 2] = ["muster.dev/", "argoproj.io/"];
/// Kinds of other projects that share the group of Argo CD. They are listed, so that a slip in the
/// name of one of our kinds is not taken for one of theirs.
const FOREIGN_KINDS: [&str; 14] = [
    "AnalysisRun",
    "AnalysisTemplate",
    "ArgoCD",
    "ClusterAnalysisTemplate",
    "ClusterWorkflowTemplate",
    "CronWorkflow",
    "EventBus",
    "EventSource",
    "Experiment",
    "Rollout",
    "Sensor",
    "Workflow",
    "WorkflowEventBinding",
    "WorkflowTemplate",
];

/// What all files hold together.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) sets: Vec<ApplicationSet>,
    pub(super) applications: Vec<Application>,
    pub(super) argo_sets: Vec<argo::ApplicationSet>,
    pub(super) argo_applications: Vec<argo::Application>,
    pub(super) clusters: Vec<Cluster>,
    /// As they were written, also those whose names no native set can use.
    pub(super) secrets: Vec<ClusterSecret>,
    pub(super) decisions: Decisions,
    pub(super) problems: Vec<Problem>,
    /// The file in which a set or cluster was first met.
    first: BTreeMap<(&'static str, String), String>,
}

impl Input {
    /// Reads documents of any kind.
    pub(super) fn read(&mut self, file: &File) {
        let Some((name, text)) = self.text(&file.path, document::LIMITS) else { return };
        let documents = match yaml::read(&text, document::LIMITS) {
            Ok(documents) => documents,
            // A chart's template is not YAML either, and none of our business.
            Err(_) if file.is_found && !mentions_us(&text) => return,
            Err(error) => return self.problem(&name, error.to_string()),
        };
        for (index, document) in document::flatten(documents).into_iter().enumerate() {
            if file.is_found && is_foreign(&document) {
                continue;
            }
            match document::resource(index + 1, document) {
                Ok(resource) => self.add(&name, resource),
                Err(error) => self.problem(&name, error.to_string()),
            }
        }
    }

    /// Reads what `clusterDecisionResource` generators look at: objects of any kind, and the
    /// ConfigMaps that say how to read them.
    pub(super) fn read_decisions(&mut self, file: &File) {
        let Some((name, text)) = self.text(&file.path, DECISION_LIMITS) else { return };
        let (Decisions { objects, config_maps, unseen: _ }, errors) = argo::read_decisions(&text);
        self.decisions.objects.extend(objects);
        self.decisions.config_maps.extend(config_maps);
        errors.iter().for_each(|error| self.problem(&name, error.to_string()));
    }

    /// Reads clusters: documents, Argo CD's Secrets, or the list that the hub prints.
    pub(super) fn read_clusters(&mut self, file: &File) {
        let Some((file, text)) = self.text(&file.path, document::LIMITS) else { return };
        let documents = match yaml::read(&text, document::LIMITS) {
            Ok(documents) => documents,
            Err(error) => return self.problem(&file, error.to_string()),
        };
        for (index, document) in document::flatten(documents).into_iter().enumerate() {
            self.cluster_document(&file, index + 1, document);
        }
    }

    fn cluster_document(&mut self, file: &str, index: usize, mut document: Value) {
        let is_view = document.get("apiVersion").is_none();
        if let Some(Value::Array(items)) = document.get_mut("items").filter(|_| is_view) {
            let views = std::mem::take(items).into_iter().enumerate();
            return views
                .for_each(|(index, item)| self.view(file, &format!("items[{index}]"), item));
        }
        if is_view && document.get("labels").is_some() {
            return self.view(file, &format!("document {index}"), document);
        }
        match argo::cluster_document(index, document) {
            Ok(ClusterDocument::Cluster(cluster)) => self.add(file, Resource::Cluster(cluster)),
            Ok(ClusterDocument::Secret(secret)) => self.secret(secret),
            Ok(ClusterDocument::Other) => {}
            Err(error) => self.problem(file, error.to_string()),
        }
    }

    /// A cluster as `muster get` prints it.
    fn view(&mut self, file: &str, place: &str, item: Value) {
        match ClusterView::deserialize(item) {
            Ok(ClusterView { name, labels, annotations, .. }) => {
                let metadata = ClusterMetadata { name, labels, annotations };
                let cluster = Cluster { metadata, spec: ClusterSpec::default() };
                self.add(file, Resource::Cluster(cluster));
            }
            Err(error) => self.problem(file, format!("{place} is not a cluster: {error}")),
        }
    }

    /// Argo CD's cluster. Two of one name are for the compat dialect to judge, and so is a name that
    /// no spoke can have.
    fn secret(&mut self, secret: ClusterSecret) {
        self.secrets.push(secret);
    }

    /// The clusters of Secrets as native sets see them: those whose names a spoke can have.
    pub(super) fn clusters_of_secrets(&self) -> impl Iterator<Item = Cluster> + '_ {
        self.secrets.iter().filter_map(|secret| {
            let ClusterSecret { name, server, project, labels, annotations } = secret;
            let metadata = ClusterMetadata {
                name: ClusterName::new(name).ok()?,
                labels: labels.clone().unwrap_or_default(),
                annotations: annotations.clone().unwrap_or_default(),
            };
            let spec = ClusterSpec { project: project.clone(), server: server.clone() };
            Some(Cluster { metadata, spec })
        })
    }

    fn add(&mut self, file: &str, resource: Resource) {
        let key = (resource.kind(), resource.name().to_owned());
        match resource {
            // Two applications of one name are found with those that sets give.
            Resource::Application(application) => {
                self.applications.push(Arc::unwrap_or_clone(application));
            }
            Resource::ApplicationSet(set) => {
                if self.is_first(file, key) {
                    self.sets.push(Arc::unwrap_or_clone(set));
                }
            }
            Resource::Cluster(cluster) => {
                if self.is_first(file, key) {
                    self.clusters.push(cluster);
                }
            }
            Resource::Argo(resource) => match *resource {
                argo::Resource::Application(application) => {
                    self.argo_applications.push(Arc::unwrap_or_clone(application));
                }
                argo::Resource::ApplicationSet(set) => {
                    if self.is_first(file, key) {
                        self.argo_sets.push(Arc::unwrap_or_clone(set));
                    }
                }
                // Projects restrict where applications may go; they make none.
                argo::Resource::Project(_) => {}
            },
        }
    }

    fn is_first(&mut self, file: &str, key: (&'static str, String)) -> bool {
        if let Some(other) = self.first.get(&key) {
            let (kind, name) = key;
            let message =
                format!("{kind} {name} stands in {other} already; that one is used: remove one");
            self.problem(file, message);
            return false;
        }
        self.first.insert(key, file.to_owned());
        true
    }

    pub(super) fn file_of_set(&self, name: &str) -> Option<&str> {
        self.first.get(&("ApplicationSet", name.to_owned())).map(String::as_str)
    }

    /// The name and text of a file, unless it cannot be read.
    fn text(&mut self, path: &Path, limits: yaml::Limits) -> Option<(String, Vec<u8>)> {
        let is_stdin = path == Path::new("-");
        let file = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let opened = if is_stdin {
            read(io::stdin().lock(), limits)
        } else {
            fs::File::open(path).and_then(|file| read(file, limits))
        };
        match opened {
            Ok(text) => Some((file, text)),
            Err(error) => {
                self.problem(&file, unreadable(&error));
                None
            }
        }
    }

    pub(super) fn problem(&mut self, file: &str, message: String) {
        let reason = Reason::InvalidDocument;
        let (set, element) = (file.to_owned(), String::new());
        self.problems.push(Problem { set, element, reason, message });
    }
}

/// A little more than may be read, so that a file without an end is refused like a large one.
fn read(source: impl io::Read, limits: yaml::Limits) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(limits.bytes as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Documents of others lie in the folders of a repository too.
fn is_foreign(document: &Value) -> bool {
    let text = |key| document.get(key).and_then(Value::as_str).unwrap_or_default();
    !GROUPS.iter().any(|group| text("apiVersion").starts_with(group))
        || FOREIGN_KINDS.contains(&text("kind"))
}

fn mentions_us(text: &[u8]) -> bool {
    GROUPS.iter().any(|group| text.windows(group.len()).any(|part| part == group.as_bytes()))
}

pub(super) fn unreadable(error: &io::Error) -> String {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "correct its name, or make it",
        io::ErrorKind::PermissionDenied => "let yourself read it with chmod u+r",
        _ => "see that it can be read",
    };
    format!("the file cannot be read: {error}; {fix}")
}
