//! Sets, applications and clusters from files, each with its problems.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use model::application::Application;
use model::argo;
use model::cluster::{Cluster, ClusterMetadata, ClusterSpec};
use model::document::{self, Resource};
use model::problem::{Problem, Reason};
use model::set::ApplicationSet;
use model::view::ClusterView;
use model::yaml;
use serde::Deserialize as _;
use serde_json::Value;

/// What all files hold together.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) sets: Vec<ApplicationSet>,
    pub(super) applications: Vec<Application>,
    pub(super) argo_sets: Vec<argo::ApplicationSet>,
    pub(super) argo_applications: Vec<argo::Application>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) problems: Vec<Problem>,
    /// The file in which a set or cluster was first met.
    first: BTreeMap<(&'static str, String), String>,
}

impl Input {
    /// Reads documents of any kind.
    pub(super) fn read(&mut self, path: &Path) {
        let Some((file, text)) = self.text(path) else { return };
        let (resources, errors) = document::read(&text);
        for error in errors {
            self.problem(&file, error.to_string());
        }
        for resource in resources {
            self.add(&file, resource);
        }
    }

    /// Reads clusters: documents, or the list that the hub prints of them.
    pub(super) fn read_clusters(&mut self, path: &Path) {
        let Some((file, text)) = self.text(path) else { return };
        let documents = match yaml::read(&text, document::LIMITS) {
            Ok(documents) => documents,
            Err(error) => return self.problem(&file, error.to_string()),
        };
        for (index, document) in documents.into_iter().enumerate() {
            self.cluster_document(&file, index + 1, document);
        }
    }

    fn cluster_document(&mut self, file: &str, index: usize, mut document: Value) {
        if let Some(Value::Array(items)) = document.get_mut("items").map(Value::take) {
            let views = items.into_iter().enumerate();
            return views
                .for_each(|(index, item)| self.view(file, &format!("items[{index}]"), item));
        }
        if document.get("apiVersion").is_none() && document.get("labels").is_some() {
            return self.view(file, &format!("document {index}"), document);
        }
        match document::resource(index, document) {
            Ok(resource @ Resource::Cluster(_)) => self.add(file, resource),
            Ok(other) => {
                let (kind, name) = (other.kind(), other.name());
                let message =
                    format!("{kind} {name} is not a Cluster; give its file without --clusters");
                self.problem(file, message);
            }
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

    fn add(&mut self, file: &str, resource: Resource) {
        let key = (resource.kind(), resource.name().to_owned());
        match resource {
            // Two applications of one name are found with those that sets give.
            Resource::Application(application) => self.applications.push(*application),
            Resource::ApplicationSet(set) => {
                if self.is_first(file, key) {
                    self.sets.push(set);
                }
            }
            Resource::Cluster(cluster) => {
                if self.is_first(file, key) {
                    self.clusters.push(cluster);
                }
            }
            Resource::Argo(resource) => match *resource {
                argo::Resource::Application(application) => {
                    self.argo_applications.push(application)
                }
                argo::Resource::ApplicationSet(set) => {
                    if self.is_first(file, key) {
                        self.argo_sets.push(set);
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

    /// The name and text of a file, unless it cannot be read.
    fn text(&mut self, path: &Path) -> Option<(String, Vec<u8>)> {
        let is_stdin = path == Path::new("-");
        let file = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        match if is_stdin { read(io::stdin().lock()) } else { open(path) } {
            Ok(text) => Some((file, text)),
            Err(error) => {
                self.problem(&file, unreadable(&error));
                None
            }
        }
    }

    fn problem(&mut self, file: &str, message: String) {
        let reason = Reason::InvalidDocument;
        let (set, element) = (file.to_owned(), String::new());
        self.problems.push(Problem { set, element, reason, message });
    }
}

fn open(path: &Path) -> io::Result<Vec<u8>> {
    read(fs::File::open(path)?)
}

/// A little more than may be read, so that a file without an end is refused like a large one.
fn read(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(document::LIMITS.bytes as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn unreadable(error: &io::Error) -> String {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "correct its name, or make it",
        io::ErrorKind::IsADirectory => "name the files in it, as in FOLDER/*.yaml",
        io::ErrorKind::PermissionDenied => "let yourself read it with chmod u+r",
        _ => "see that it can be read",
    };
    format!("the file cannot be read: {error}; {fix}")
}
