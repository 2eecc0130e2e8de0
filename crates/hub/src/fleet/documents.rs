//! The documents of the fleet: those of the fleet repository at a commit, and those that people
//! applied. Pure; a tree of files goes in, resources and problems come out.
//!
//! What cannot be read keeps its last good form (law L2), and while anything in a commit cannot be
//! told apart, no document counts as removed: a set that hides in a file with a syntax error must
//! not lose its applications. A commit without a single document is treated as unreadable.
//!
//! Documents of `muster.dev` and of `argoproj.io` are one fleet: a name is a set's or an
//! application's whatever its dialect. `argoproj.io` has many kinds that are none of ours (Rollout,
//! Workflow); only those that are near to ours in spelling are taken for a slip.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::argo::{self, Decisions};
use model::document::{self, DocumentError, Resource};
use model::id::CommitId;
use model::name::{ApplicationName, SetName};
use model::problem::{Problem, Reason};
use model::suggest;
use model::tree::{EntryKind, FileTree, RepoPath, TreeError};
use model::yaml;
use serde_json::Value;

use super::plan::{FLEET_REPOSITORY, Origin};
use super::state::{BY_HAND, Evidence, Subject};

mod decisions;
#[cfg(test)]
mod tests;

/// The most files that are read, and their bytes together. A fleet of 10,000 sets has a file for
/// each; more is a wrong path.
const MAX_FILES: usize = 20_000;
const MAX_BYTES: usize = 256 << 20;
/// The largest resource that can be kept.
pub const MAX_RESOURCE_BYTES: usize = crate::store::MAX_BLOB_BYTES;
/// What marks a document as meant for us, whatever its version.
const GROUPS: [&str; 2] = ["muster.dev/", ARGO];
const ARGO: &str = "argoproj.io/";
const ARGO_KINDS: [&str; 3] = ["ApplicationSet", "Application", "AppProject"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ApplicationSet,
    Application,
    Cluster,
    Project,
}

impl Kind {
    pub const ALL: [Self; 4] =
        [Self::ApplicationSet, Self::Application, Self::Cluster, Self::Project];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationSet => "ApplicationSet",
            Self::Application => "Application",
            Self::Cluster => "Cluster",
            Self::Project => "AppProject",
        }
    }

    /// As people write it: in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// One resource of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceKey {
    pub kind: Kind,
    pub name: String,
}

impl ResourceKey {
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        let kind = match resource {
            Resource::ApplicationSet(_) => Kind::ApplicationSet,
            Resource::Application(_) => Kind::Application,
            Resource::Cluster(_) => Kind::Cluster,
            Resource::Argo(resource) => match &**resource {
                argo::Resource::ApplicationSet(_) => Kind::ApplicationSet,
                argo::Resource::Application(_) => Kind::Application,
                argo::Resource::Project(_) => Kind::Project,
            },
        };
        Self { kind, name: resource.name().to_owned() }
    }

    /// What its removal takes away; a cluster's labels only change what sets give.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        match self.kind {
            Kind::ApplicationSet => SetName::new(&self.name).ok().map(Subject::Set),
            Kind::Application => ApplicationName::new(&self.name).ok().map(Subject::Application),
            Kind::Cluster | Kind::Project => None,
        }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// A document of the fleet repository, in its last good form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitDocument {
    pub file: String,
    pub resource: Resource,
}

/// Which repository and directory the documents of Git are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOrigin {
    pub url: String,
    pub path: String,
}

/// All documents; values are shared from one state to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    pub origin: Option<GitOrigin>,
    /// The newest commit that was read.
    pub commit: Option<CommitId>,
    pub git: BTreeMap<ResourceKey, Arc<GitDocument>>,
    /// Applied by people. One that is also in Git is not in force.
    pub stored: BTreeMap<ResourceKey, Arc<Resource>>,
    /// What `clusterDecisionResource` generators look at, from the newest commit that could be
    /// read whole. Not kept over a restart: until Git is read again such generators are held.
    pub decisions: Arc<Decisions>,
}

impl Documents {
    /// What is in force, and where from: Git wins.
    pub fn in_force(&self) -> impl Iterator<Item = (&ResourceKey, Origin, &Resource)> {
        let git = self.git.iter().map(|(key, one)| (key, Origin::Git, &one.resource));
        let stored = self.stored.iter().filter(|(key, _)| !self.git.contains_key(key));
        git.chain(stored.map(|(key, one)| (key, Origin::Api, &**one)))
    }

    /// Documents of a repository that is no longer the fleet repository go on as if a person had
    /// applied them: that another repository does not have them says nothing about them.
    pub fn adopt(&mut self, origin: Option<GitOrigin>) {
        if self.origin == origin {
            return;
        }
        self.origin = origin;
        self.commit = None;
        self.decisions = Arc::default();
        for (key, document) in std::mem::take(&mut self.git) {
            self.stored.insert(key, Arc::new(document.resource.clone()));
        }
    }

    /// Takes over what a commit says. Returns what it took away.
    pub fn advance(&mut self, commit: CommitId, reading: &Reading) -> BTreeMap<Subject, Evidence> {
        let mut gone = BTreeMap::new();
        if reading.unreadable.is_none() {
            self.decisions = Arc::clone(&reading.decisions);
            let absent = |key: &&ResourceKey| {
                !reading.found.contains_key(*key) && !reading.broken.contains(*key)
            };
            let absent: Vec<_> = self.git.keys().filter(absent).cloned().collect();
            for key in absent {
                let Some(document) = self.git.remove(&key) else { continue };
                let reason = format!("commit {} has no {key} in {}", commit.short(), document.file);
                let actor = FLEET_REPOSITORY.to_owned();
                let evidence = Evidence { actor, reason, commit: Some(commit) };
                // A stored one of the same name takes over.
                if let Some(subject) = key.subject().filter(|_| !self.stored.contains_key(&key)) {
                    gone.insert(subject, evidence);
                }
            }
        }
        for (key, document) in &reading.found {
            if self.git.get(key) != Some(document) {
                self.git.insert(key.clone(), Arc::clone(document));
            }
        }
        self.commit = Some(commit);
        gone
    }
}

/// What was found at a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    pub found: BTreeMap<ResourceKey, Arc<GitDocument>>,
    /// There, but not valid: the last good form stays.
    pub broken: BTreeSet<ResourceKey>,
    /// Why nothing of this commit may count as removed.
    pub unreadable: Option<String>,
    /// Documents of others that were passed over.
    pub ignored: usize,
    pub decisions: Arc<Decisions>,
    pub problems: Vec<Problem>,
}

/// Reads all documents below `path`. `known` is what was read before.
#[must_use]
pub fn read_tree(tree: &dyn FileTree, path: &str, known: &Documents) -> Reading {
    let mut reader = Reader::new(known);
    match RepoPath::parse(path) {
        Err(error) => reader.opaque("", error.to_string()),
        Ok(root) => match list_files(tree, &root) {
            Err(error) => reader.opaque(&root.to_string(), error),
            Ok(files) => reader.files(tree, &files),
        },
    }
    reader.finish(path)
}

/// All files that may hold documents, in the order of their paths.
fn list_files(tree: &dyn FileTree, root: &RepoPath) -> Result<Vec<RepoPath>, String> {
    let (mut files, mut directories) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = directories.pop() {
        for entry in tree.list(&directory).map_err(|error| error.to_string())? {
            let path = directory.join(&entry.name).map_err(|error| error.to_string())?;
            match entry.kind {
                EntryKind::Directory => directories.push(path),
                EntryKind::File | EntryKind::Symlink if is_document_file(&entry.name) => {
                    files.push(path);
                }
                EntryKind::File | EntryKind::Symlink | EntryKind::Submodule => {}
            }
            if files.len() + directories.len() > MAX_FILES {
                return Err(format!("more than {MAX_FILES} files; name a directory of their own"));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_document_file(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml" | "json")))
}

struct Reader<'a> {
    known: &'a Documents,
    /// The files that documents came from before.
    known_files: BTreeSet<&'a str>,
    /// The directories of Helm charts.
    charts: BTreeSet<String>,
    bytes: usize,
    decisions: decisions::Collector,
    reading: Reading,
}

impl<'a> Reader<'a> {
    fn new(known: &'a Documents) -> Self {
        let known_files = known.git.values().map(|document| document.file.as_str()).collect();
        let (charts, decisions) = Default::default();
        Self { known, known_files, charts, bytes: 0, decisions, reading: Reading::default() }
    }

    fn files(&mut self, tree: &dyn FileTree, files: &[RepoPath]) {
        let charts = files.iter().filter_map(|path| path.as_str().strip_suffix("/Chart.yaml"));
        self.charts = charts.map(str::to_owned).collect();
        for path in files {
            let limit = document::LIMITS.bytes.min(MAX_BYTES - self.bytes);
            match tree.read(path, u64::try_from(limit).unwrap_or(u64::MAX)) {
                Ok(text) => {
                    self.bytes += text.len();
                    self.file(path.as_str(), &text);
                }
                // A link to a directory.
                Err(TreeError::NotAFile { .. }) => {}
                Err(error) => self.opaque(path.as_str(), error.to_string()),
            }
        }
    }

    fn file(&mut self, file: &str, text: &[u8]) {
        match yaml::read(text, document::LIMITS) {
            Ok(documents) => {
                let documents = document::flatten(documents).into_iter().enumerate();
                documents.for_each(|(index, one)| self.document(file, index + 1, one));
            }
            // A Helm template is not YAML either, and none of our business.
            Err(_) if !self.is_ours(file, text) => self.reading.ignored += 1,
            Err(error) => self.opaque(file, error.to_string()),
        }
    }

    /// Whether a text that is no YAML may hold documents. The templates of a chart may make
    /// documents of ours, but are none.
    fn is_ours(&self, file: &str, text: &[u8]) -> bool {
        let mentions = |group: &str| text.windows(group.len()).any(|part| part == group.as_bytes());
        let in_chart = || {
            let mut parents = file.match_indices("/templates/");
            parents.any(|(end, _)| self.charts.contains(&file[..end]))
        };
        self.known_files.contains(file) || (GROUPS.into_iter().any(mentions) && !in_chart())
    }

    fn document(&mut self, file: &str, index: usize, document: Value) {
        let named = named(&document);
        let name = name_of(&document).map(str::to_owned);
        let group = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if !is_of_ours(group, &document) {
            self.foreign(file, index, named.as_ref());
            return self.decisions.consider(index, document);
        }
        match document::resource(index, document) {
            Ok(resource) => self.resource(file, resource),
            Err(error) => match (named, name) {
                (Some(key), _) => self.broken(file, key, &error),
                (None, Some(name)) => self.unknown_kind(file, &name, &error),
                (None, None) => self.opaque(file, error.to_string()),
            },
        }
    }

    /// Of a kind that is not known, so it may be any of that name that is.
    fn unknown_kind(&mut self, file: &str, name: &str, error: &DocumentError) {
        self.problem(file, error.to_string());
        let keys = Kind::ALL.map(|kind| ResourceKey { kind, name: name.to_owned() });
        let known = keys.into_iter().filter(|key| self.known.git.contains_key(key));
        self.reading.broken.extend(known);
    }

    /// A document of others, unless it was one of ours in this file before: then somebody has
    /// misspelt its apiVersion.
    fn foreign(&mut self, file: &str, index: usize, named: Option<&ResourceKey>) {
        let before = named
            .filter(|key| self.known.git.get(key).is_some_and(|document| document.file == file));
        match before {
            Some(key) => {
                let version = self
                    .known
                    .git
                    .get(key)
                    .map_or(document::API_VERSION, |document| document.resource.api_version());
                let message = format!("document {index}: {key} had apiVersion {version:?} before");
                self.problem(file, message);
                self.reading.broken.insert(key.clone());
            }
            None => self.reading.ignored += 1,
        }
    }

    fn resource(&mut self, file: &str, resource: Resource) {
        let key = ResourceKey::of(&resource);
        if let Some(first) = self.reading.found.get(&key) {
            let message = format!("{key} is already in {}; remove one of the two", first.file);
            return self.push(file, Reason::DuplicateName, message);
        }
        if let Err(message) = acceptable(&key, &resource) {
            self.problem(file, message);
            self.reading.broken.insert(key);
            return;
        }
        let document = GitDocument { file: file.to_owned(), resource };
        let shared = self.known.git.get(&key).filter(|known| ***known == document).cloned();
        self.reading.found.insert(key, shared.unwrap_or_else(|| Arc::new(document)));
    }

    fn broken(&mut self, file: &str, key: ResourceKey, error: &DocumentError) {
        self.problem(file, error.to_string());
        self.reading.broken.insert(key);
    }

    /// Something that cannot be read, so that it is not known what is in it.
    fn opaque(&mut self, file: &str, message: String) {
        self.reading.unreadable.get_or_insert_with(|| {
            if file.is_empty() { message.clone() } else { format!("{file}: {message}") }
        });
        self.problem(file, format!("{message}; no document counts as removed until it is mended"));
    }

    fn problem(&mut self, file: &str, message: String) {
        self.push(file, Reason::InvalidDocument, message);
    }

    fn push(&mut self, file: &str, reason: Reason, message: String) {
        let (set, element) = (file.to_owned(), String::new());
        self.reading.problems.push(Problem { set, element, reason, message });
    }

    fn finish(mut self, path: &str) -> Reading {
        let nothing = self.reading.found.is_empty() && self.reading.broken.is_empty();
        if nothing && !self.known.git.is_empty() && self.reading.unreadable.is_none() {
            let message =
                "there is no document of the fleet left, so all of them stay as they were";
            self.problem(path, message.to_owned());
            self.reading.unreadable = Some(message.to_owned());
        }
        let (decisions, problem) = std::mem::take(&mut self.decisions).finish();
        self.reading.decisions = Arc::new(decisions);
        if let Some(message) = problem {
            self.problem(path, message);
        }
        // One that is good in one file and broken in another is good.
        let found = &self.reading.found;
        self.reading.broken.retain(|key| !found.contains_key(key));
        self.reading
    }
}

/// Whether a document is meant for us.
fn is_of_ours(version: &str, document: &Value) -> bool {
    if version.starts_with(ARGO) {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
        return suggest::nearest(kind, ARGO_KINDS).is_some();
    }
    GROUPS.into_iter().any(|group| version.starts_with(group))
}

/// The kind and name of a document, when it has them, whatever else is wrong with it.
#[must_use]
pub fn named(document: &Value) -> Option<ResourceKey> {
    let kind = document.get("kind").and_then(Value::as_str)?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some(ResourceKey { kind, name: name_of(document)?.to_owned() })
}

fn name_of(document: &Value) -> Option<&str> {
    document.get("metadata")?.get("name")?.as_str()
}

/// Rules that the model does not know.
pub fn acceptable(key: &ResourceKey, resource: &Resource) -> Result<(), String> {
    if key.kind == Kind::ApplicationSet && key.name == BY_HAND {
        return Err(format!("{BY_HAND:?} stands for the applications without a set; rename it"));
    }
    let bytes = resource.to_value().to_string().len();
    if bytes > MAX_RESOURCE_BYTES {
        return Err(format!("{key} is {bytes} bytes; at most {MAX_RESOURCE_BYTES} are kept"));
    }
    Ok(())
}
