//! One tree of files: what its documents say, and what that comes to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use generators::{Destinations, Expansion, Options, Providers, Sources, World, expand};

use model::cluster::Cluster;
use serde_json::Value;

use super::files::{self, File};
use super::input::{Input, unreadable};
use super::repositories::{Folder, Folders};

/// How Argo CD names the cluster that it runs in itself.
const IN_CLUSTER: &str = "in-cluster";
const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";

/// Where everything is.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    pub(super) files: Vec<PathBuf>,
    /// Files that nobody named, in which documents of others are passed over.
    pub(super) found: Vec<PathBuf>,
    pub(super) clusters: Vec<PathBuf>,
    pub(super) decisions: Vec<PathBuf>,
    pub(super) repositories: Vec<Folder>,
}

/// What the files say.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) input: Input,
    folders: Folders,
    /// Those of documents and those of Secrets, as native sets see them.
    clusters: Vec<Cluster>,
    /// The same with those of Secrets whatever the sets are, for destinations.
    all_clusters: Vec<Cluster>,
    /// Whether it is known which clusters there are.
    pub(super) knows_clusters: bool,
}

impl Tree {
    pub(super) fn read(paths: Paths) -> Self {
        let Paths { files, found, clusters, decisions, repositories } = paths;
        let mut input = Input::default();
        read(&mut input, &files, Input::read);
        found.into_iter().for_each(|path| input.read(&File { path, is_found: true }));
        read(&mut input, &clusters, Input::read_clusters);
        read(&mut input, &decisions, Input::read_decisions);
        let knows_clusters = !clusters.is_empty() || !input.clusters.is_empty();
        let folders = Folders::new(repositories, input.sets.is_empty());
        let all_clusters = clusters_of(&input);
        let is_native = !input.sets.is_empty() || !input.applications.is_empty();
        let clusters = if is_native { all_clusters.clone() } else { input.clusters.clone() };
        Self { input, folders, clusters, all_clusters, knows_clusters }
    }

    pub(super) fn sources(&self) -> Sources<'_> {
        Sources {
            sets: &self.input.sets,
            applications: &self.input.applications,
            argo_sets: &self.input.argo_sets,
            argo_applications: &self.input.argo_applications,
        }
    }

    pub(super) fn world<'a>(&'a self, options: Options, providers: &'a dyn Providers) -> World<'a> {
        World {
            clusters: self.knows_clusters.then_some(&self.clusters[..]),
            cluster_secrets: &self.input.secrets,
            decisions: &self.input.decisions,
            providers,
            options,
            ..World::without_clusters(&self.folders)
        }
    }

    pub(super) fn destinations(&self) -> Destinations<'_> {
        Destinations::new(&self.all_clusters)
    }

    /// The cluster of an application: its name, where that can be told, or else its address.
    pub(super) fn cluster_of(&self, document: &Value) -> String {
        let destination = &document["spec"]["destination"];
        let text = |key: &str| destination[key].as_str().filter(|text| !text.is_empty());
        if let Some(name) = text("cluster").or_else(|| text("name")) {
            return name.to_owned();
        }
        let Some(server) = text("server") else { return "(none)".to_owned() };
        let mut secrets = self.input.secrets.iter();
        match secrets.find(|secret| secret.server == server) {
            Some(secret) => secret.name.clone(),
            None if server == IN_CLUSTER_SERVER => IN_CLUSTER.to_owned(),
            None => server.to_owned(),
        }
    }

    /// What it comes to, with the problems of documents among those of sets.
    pub(super) fn expand(&self, options: Options, providers: &dyn Providers) -> Expansion {
        let mut expansion = expand(&self.sources(), &self.world(options, providers));
        expansion.problems.extend(self.input.problems.iter().cloned());
        expansion.problems.sort();
        expansion
    }
}

/// Reads what the arguments stand for. A file that is named twice, or once more by its folder, is
/// read once.
fn read(input: &mut Input, arguments: &[PathBuf], read: fn(&mut Input, &File)) {
    let mut seen = BTreeSet::new();
    for argument in arguments {
        match files::list(argument) {
            Ok(mut files) => {
                files.retain(|file| {
                    let path = file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
                    seen.insert(path)
                });
                files.iter().for_each(|file| read(input, file));
            }
            Err(error) => input.problem(&argument.display().to_string(), unreadable(&error)),
        }
    }
}

/// The clusters as native sets see them. A Secret beside a document of the same name tells nothing
/// new, and neither does a second one. The compat dialect has the Secrets themselves.
fn clusters_of(input: &Input) -> Vec<Cluster> {
    let mut clusters = input.clusters.clone();
    let mut names: BTreeSet<_> =
        clusters.iter().map(|cluster| cluster.metadata.name.clone()).collect();
    let secrets = input.clusters_of_secrets();
    clusters.extend(secrets.filter(|cluster| names.insert(cluster.metadata.name.clone())));
    clusters
}
