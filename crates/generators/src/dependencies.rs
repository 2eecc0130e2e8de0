//! What an evaluation has looked at, so that it is known what may change it.
//!
//! A [`Record`] stands between the generators and a [`World`]: repositories and services are wrapped,
//! so every path that is listed or read and every request is noted without the generators' help.
//! Clusters and decisions are plain values in the world; who picks from them notes it with
//! [`World::note_clusters`] and [`World::note_decisions`].
//!
//! What is noted of a path is the path itself and a fingerprint of what was found there. A new
//! commit changes an evaluation only when one of its paths has another fingerprint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::canonical::Digest;
use model::provider::{Answer, Request};
use model::selector::LabelSelector;
use model::tree::{FileTree, RepoPath, TreeEntry, TreeError};

use crate::{Providers, Refs, RepoReference, Repositories, Unavailable, World};

/// The most selectors that one set is remembered with. A set with more, which only templates in a
/// matrix can make, is taken to depend on all clusters.
const MAX_SELECTORS: usize = 1000;

/// What one evaluation has looked at.
#[derive(Debug, Clone, Default)]
pub struct Dependencies {
    pub(crate) clusters: Clusters,
    pub(crate) decisions: bool,
    /// Also those of which no path was looked at: whether they can be read matters.
    pub(crate) trees: BTreeMap<RepoReference, BTreeMap<Look, Fingerprint>>,
    pub(crate) requests: BTreeSet<Request>,
    /// The URLs of the repositories whose branches or tags were asked for.
    pub(crate) refs: BTreeSet<String>,
    /// Clusters that are looked up by their names, known or not.
    pub(crate) names: BTreeSet<String>,
}

/// The clusters that matter, by their labels. An evaluation that was shown no cluster at all
/// depends on none.
#[derive(Debug, Clone)]
pub(crate) enum Clusters {
    All,
    /// By their text, so that each is there once.
    Selected(BTreeMap<String, LabelSelector>),
}

impl Default for Clusters {
    fn default() -> Self {
        Self::Selected(BTreeMap::new())
    }
}

impl Clusters {
    fn add(&mut self, selector: &LabelSelector) {
        let Self::Selected(selectors) = self else { return };
        if selectors.len() >= MAX_SELECTORS {
            *self = Self::All;
            return;
        }
        let key = serde_json::to_string(selector).expect("selectors are expressible in JSON");
        selectors.entry(key).or_insert_with(|| selector.clone());
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Selected(selectors) if selectors.is_empty())
    }
}

/// One look at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Look {
    List(RepoPath),
    Read(RepoPath, u64),
}

impl Look {
    pub(crate) fn path(&self) -> &RepoPath {
        match self {
            Self::List(path) | Self::Read(path, _) => path,
        }
    }

    /// What it would give now.
    pub(crate) fn take(&self, tree: &dyn FileTree) -> Fingerprint {
        if let Some(id) = tree.digest(self.path()) {
            return Fingerprint::Object(id);
        }
        match self {
            Self::List(path) => Fingerprint::of_list(&tree.list(path)),
            Self::Read(path, limit) => Fingerprint::of_read(&tree.read(path, *limit)),
        }
    }
}

/// What was found at a path. Two that differ may still mean the same content, never the reverse.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fingerprint {
    /// The tree knows an identity of what is there.
    Object(Digest),
    /// Made from the content, or from the error.
    Content(Digest),
    /// It could not be read this time, which says nothing about the next.
    Broken,
}

impl Fingerprint {
    /// Whether what it stands for can be taken as the same.
    pub(crate) fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Object(a), Self::Object(b)) | (Self::Content(a), Self::Content(b)) => a == b,
            _ => false,
        }
    }

    fn of_list(result: &Result<Vec<TreeEntry>, TreeError>) -> Self {
        match result {
            Ok(entries) => {
                // Debug forms of names are quoted, so no two lists have one text.
                Self::Content(Digest::of(format!("{entries:?}").as_bytes()))
            }
            Err(error) => Self::of_error(error),
        }
    }

    fn of_read(result: &Result<Vec<u8>, TreeError>) -> Self {
        match result {
            Ok(bytes) => Self::Content(Digest::of(bytes)),
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: &TreeError) -> Self {
        match error {
            TreeError::Broken { .. } => Self::Broken,
            error => Self::Content(Digest::of(format!("{error:?}").as_bytes())),
        }
    }
}

/// Takes notes for one evaluation.
#[derive(Debug, Clone, Default)]
pub struct Record {
    // Trees outlive the call that gave them, so they share the notes.
    noted: Arc<Mutex<Dependencies>>,
}

impl Record {
    fn noted(&self) -> MutexGuard<'_, Dependencies> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was noted.
    #[must_use]
    pub fn finish(&self) -> Dependencies {
        std::mem::take(&mut *self.noted())
    }
}

/// A world whose repositories and services note what they are asked.
pub(crate) struct Recorded<'a> {
    world: &'a World<'a>,
    record: &'a Record,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(world: &'a World<'a>, record: &'a Record) -> Self {
        Self { world, record }
    }

    pub(crate) fn world(&'a self) -> World<'a> {
        World { repositories: self, providers: self, record: Some(self.record), ..*self.world }
    }
}

impl Repositories for Recorded<'_> {
    fn tree(&self, repo_url: &str, revision: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        let tree = self.world.repositories.tree(repo_url, revision);
        let reference =
            RepoReference { repo_url: repo_url.to_owned(), revision: revision.to_owned() };
        self.record.noted().trees.entry(reference.clone()).or_default();
        let record = self.record.clone();
        tree.map(|tree| Arc::new(RecordedTree { tree, reference, record }) as Arc<dyn FileTree>)
    }

    fn refs(&self, repo_url: &str) -> Result<Arc<Refs>, Unavailable> {
        let refs = self.world.repositories.refs(repo_url);
        self.record.noted().refs.insert(repo_url.to_owned());
        refs
    }
}

impl Providers for Recorded<'_> {
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable> {
        let answer = self.world.providers.answer(request);
        self.record.noted().requests.insert(request.clone());
        answer
    }
}

struct RecordedTree {
    tree: Arc<dyn FileTree>,
    reference: RepoReference,
    record: Record,
}

impl RecordedTree {
    fn note(&self, look: Look, content: impl FnOnce() -> Fingerprint) {
        let mut noted = self.record.noted();
        let Some(looks) = noted.trees.get_mut(&self.reference) else { return };
        if looks.contains_key(&look) {
            return;
        }
        let fingerprint = match (content(), self.tree.digest(look.path())) {
            (Fingerprint::Broken, _) => Fingerprint::Broken,
            (_, Some(id)) => Fingerprint::Object(id),
            (content, None) => content,
        };
        looks.insert(look, fingerprint);
    }
}

impl FileTree for RecordedTree {
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let result = self.tree.read(path, limit);
        self.note(Look::Read(path.clone(), limit), || Fingerprint::of_read(&result));
        result
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let result = self.tree.list(path);
        self.note(Look::List(path.clone()), || Fingerprint::of_list(&result));
        result
    }

    fn digest(&self, path: &RepoPath) -> Option<Digest> {
        // Who asks for it alone depends on what is there.
        let digest = self.tree.digest(path);
        self.note(Look::List(path.clone()), || Fingerprint::of_list(&self.tree.list(path)));
        digest
    }
}

impl World<'_> {
    /// Says that the result depends on the clusters that a selector picks, and on their fields.
    /// Whoever goes through [`World::clusters`] or [`World::cluster_secrets`] must call it.
    pub fn note_clusters(&self, selector: &LabelSelector) {
        if let Some(record) = self.record {
            record.noted().clusters.add(selector);
        }
    }

    /// Says that the result depends on the cluster of a name, and on whether there is one.
    pub fn note_cluster(&self, name: &str) {
        if let Some(record) = self.record {
            record.noted().names.insert(name.to_owned());
        }
    }

    /// Says that the result depends on all clusters.
    pub fn note_all_clusters(&self) {
        if let Some(record) = self.record {
            record.noted().clusters = Clusters::All;
        }
    }

    /// Says that the result depends on [`World::decisions`].
    pub fn note_decisions(&self) {
        if let Some(record) = self.record {
            record.noted().decisions = true;
        }
    }
}

/// One thing that an element depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    AllClusters,
    /// The cluster of this name.
    Cluster(String),
    /// The clusters with such labels; an empty selector takes all.
    Clusters(LabelSelector),
    /// That a repository can be read at a revision.
    Repository(RepoReference),
    Directory {
        repository: RepoReference,
        path: RepoPath,
    },
    File {
        repository: RepoReference,
        path: RepoPath,
    },
    Request(Request),
    /// The branches and tags of a repository.
    Refs(String),
    /// The objects that `clusterDecisionResource` reads.
    Decisions,
}

impl Dependencies {
    /// Whether something could not be read in a way that says nothing about the next time.
    pub(crate) fn is_volatile(&self) -> bool {
        let mut fingerprints = self.trees.values().flat_map(BTreeMap::values);
        fingerprints.any(|fingerprint| matches!(fingerprint, Fingerprint::Broken))
    }

    /// As a list for people.
    #[must_use]
    pub fn list(&self) -> Vec<Dependency> {
        let mut list = Vec::new();
        match &self.clusters {
            Clusters::All => list.push(Dependency::AllClusters),
            Clusters::Selected(selectors) => {
                list.extend(selectors.values().cloned().map(Dependency::Clusters));
            }
        }
        list.extend(self.names.iter().cloned().map(Dependency::Cluster));
        for (repository, looks) in &self.trees {
            if looks.is_empty() {
                list.push(Dependency::Repository(repository.clone()));
            }
            list.extend(looks.keys().map(|look| {
                let (repository, path) = (repository.clone(), look.path().clone());
                match look {
                    Look::List(_) => Dependency::Directory { repository, path },
                    Look::Read(..) => Dependency::File { repository, path },
                }
            }));
        }
        list.extend(self.requests.iter().cloned().map(Dependency::Request));
        list.extend(self.refs.iter().cloned().map(Dependency::Refs));
        list.extend(self.decisions.then_some(Dependency::Decisions));
        list
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllClusters => f.write_str("all clusters"),
            Self::Cluster(name) => write!(f, "the cluster {name}"),
            Self::Clusters(selector) if selector.is_empty() => f.write_str("all clusters"),
            Self::Clusters(selector) => {
                let text = serde_json::to_string(selector).map_err(|_| fmt::Error)?;
                write!(f, "clusters that match {text}")
            }
            Self::Repository(repository) => write!(f, "{repository}"),
            Self::Directory { repository, path } => {
                write!(f, "the names in {path} of {repository}")
            }
            Self::File { repository, path } => write!(f, "{path} of {repository}"),
            Self::Request(request) => {
                let text = serde_json::to_string(request).map_err(|_| fmt::Error)?;
                write!(f, "the answer to {text}")
            }
            Self::Refs(url) => write!(f, "the branches and tags of {url}"),
            Self::Decisions => f.write_str("decision objects"),
        }
    }
}
