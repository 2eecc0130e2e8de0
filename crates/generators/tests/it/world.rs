//! A small world in memory, and expansions as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use generators::{
    Expansion, Options, Providers, Refs, Repositories, SetExpansion, Unavailable, Verdict, World,
};
use model::application::Application;
use model::argo::Decisions;
use model::cluster::Cluster;
use model::document::{self, Resource};
use model::provider::{Answer, Request};
use model::set::ApplicationSet;
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};

/// Files by path; a directory is what a path goes through.
#[derive(Clone, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<String, String>);

impl FileTree for Files {
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let text = self.0.get(path.as_str());
        let text = text.ok_or_else(|| TreeError::NotFound { path: path.clone() })?;
        let bytes = text.len() as u64;
        if bytes > limit {
            return Err(TreeError::TooLarge { path: path.clone(), bytes, limit });
        }
        Ok(text.clone().into_bytes())
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let prefix = if path.is_root() { String::new() } else { format!("{path}/") };
        let mut entries = BTreeSet::new();
        for rest in self.0.keys().filter_map(|file| file.strip_prefix(&prefix)) {
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, EntryKind::Directory),
                None => (rest, EntryKind::File),
            };
            entries.insert(TreeEntry { name: name.to_owned(), kind });
        }
        if entries.is_empty() && !path.is_root() {
            return Err(TreeError::NotFound { path: path.clone() });
        }
        Ok(entries.into_iter().collect())
    }
}

/// The world of a test.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) repositories: BTreeMap<(String, String), Files>,
    pub(crate) options: Options,
    pub(crate) refs: BTreeMap<String, Arc<Refs>>,
    pub(crate) answers: BTreeMap<String, Arc<Answer>>,
    pub(crate) decisions: Decisions,
}

impl Repositories for Known {
    fn tree(&self, repo_url: &str, revision: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        match self.repositories.get(&(repo_url.to_owned(), revision.to_owned())) {
            Some(files) => Ok(Arc::new(files.clone())),
            None => Err(Unavailable { message: "connection refused".to_owned() }),
        }
    }

    fn refs(&self, repo_url: &str) -> Result<Arc<Refs>, Unavailable> {
        let refs = self.refs.get(repo_url).cloned();
        refs.ok_or_else(|| Unavailable { message: "connection refused".to_owned() })
    }
}

impl Providers for Known {
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable> {
        let answer = self.answers.get(&serde_json::to_string(request).unwrap()).cloned();
        answer.ok_or_else(|| Unavailable { message: "it was not asked yet".to_owned() })
    }
}

impl Known {
    /// What a service answers a request, which is written as JSON.
    pub(crate) fn with_answer(mut self, request: &serde_json::Value, answer: Answer) -> Self {
        let request: Request = serde_json::from_value(request.clone()).unwrap();
        self.answers.insert(serde_json::to_string(&request).unwrap(), Arc::new(answer));
        self
    }

    /// Branches and tags of a repository; the commit of each is made from its name.
    pub(crate) fn with_refs(mut self, url: &str, branches: &[&str], tags: &[&str]) -> Self {
        let refs = |names: &[&str]| {
            let sha = |name: &str| format!("{:040x}", name.len());
            names.iter().map(|name| ((*name).to_owned(), sha(name))).collect()
        };
        let refs = Refs { branches: refs(branches), tags: refs(tags) };
        self.refs.insert(url.to_owned(), Arc::new(refs));
        self
    }

    /// Clusters as `name label=value…`.
    pub(crate) fn with_clusters(mut self, clusters: &[&str]) -> Self {
        self.clusters.extend(clusters.iter().map(|text| cluster(text)));
        self
    }

    /// A repository at `main`, with files as `(path, content)`.
    pub(crate) fn with_repository(mut self, url: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        self.repositories.insert((url.to_owned(), "main".to_owned()), Files(files.collect()));
        self
    }

    pub(crate) fn world(&self) -> World<'_> {
        World {
            options: self.options,
            providers: self,
            decisions: &self.decisions,
            ..World::new(&self.clusters, self)
        }
    }
}

pub(crate) fn cluster(text: &str) -> Cluster {
    let mut words = text.split(' ');
    let name = words.next().unwrap();
    let labels: BTreeMap<_, _> = words.map(|word| word.split_once('=').unwrap()).collect();
    let value = serde_json::json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"server": format!("https://{name}.example")},
    });
    serde_json::from_value(value).unwrap()
}

/// Three clusters and a repository with directories and files.
pub(crate) fn fleet() -> Known {
    Known::default()
        .with_clusters(&[
            "us-1 env=prod region=us",
            "eu-1 env=prod region=eu tier=1",
            "dev env=dev region=eu",
        ])
        .with_repository(
            "https://git.example/fleet.git",
            &[
                ("apps/web/deployment.yaml", ""),
                ("apps/api/deployment.yaml", ""),
                ("apps/api/base/x.yaml", ""),
                ("envs/eu/prod.yaml", "region: eu\nreplicas: 3\naccount: 123456789012\n"),
                (
                    "envs/us/prod.yaml",
                    "- {region: us, replicas: 1}\n- {region: us2, replicas: 2}\n",
                ),
                ("envs/empty.json", ""),
            ],
        )
}

pub(crate) fn documents(text: &str) -> (Vec<ApplicationSet>, Vec<Application>) {
    let (resources, errors) = document::read(text.as_bytes());
    assert_eq!(errors, Vec::new());
    let (mut sets, mut applications) = (Vec::new(), Vec::new());
    for resource in resources {
        match serde_json::from_value(body(&resource)) {
            Ok(set) => sets.push(set),
            Err(_) => applications.push(serde_json::from_value(body(&resource)).unwrap()),
        }
    }
    (sets, applications)
}

fn body(resource: &Resource) -> serde_json::Value {
    let mut value = resource.to_value();
    let map = value.as_object_mut().unwrap();
    map.remove("apiVersion");
    map.remove("kind");
    value
}

/// A set with these generators and a template of these fields.
pub(crate) fn set(generators: &str, name: &str, cluster: &str, path: &str) -> ApplicationSet {
    let generators = generators.replace('\n', "\n    ");
    let text = format!(
        "apiVersion: muster.dev/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: set}}\nspec:\n  \
         generators:\n    {generators}\n  template:\n    metadata: {{name: '{name}'}}\n    spec:\n      \
         source: {{repoURL: r, path: '{path}'}}\n      destination: {{cluster: '{cluster}'}}\n"
    );
    documents(&text).0.remove(0)
}

pub(crate) fn show_set(expansion: &SetExpansion) -> String {
    let mut text = String::new();
    for element in &expansion.elements {
        let verdict = match &element.verdict {
            Verdict::Ok(application) => {
                let application = application.native().unwrap();
                let spec = &application.spec;
                format!(
                    "{} on {}: {}",
                    application.metadata.name, spec.destination.cluster, spec.source.path
                )
            }
            Verdict::Held { name: Some(name), .. } => format!("held {name}"),
            Verdict::Held { name: None, .. } => "held".to_owned(),
        };
        writeln!(text, "{} {}  →  {verdict}", element.generator, element.id).unwrap();
    }
    for problem in &expansion.problems {
        writeln!(text, "! {problem}").unwrap();
    }
    let missing: Vec<_> = expansion.missing.iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        writeln!(text, "missing: {}", missing.join(", ")).unwrap();
    }
    let complete = if expansion.complete { "complete" } else { "incomplete" };
    writeln!(text, "{complete}").unwrap();
    text
}

pub(crate) fn show(expansion: &Expansion) -> String {
    let mut text = String::new();
    for generated in &expansion.applications {
        let set = generated.set.as_ref().map_or_else(|| "by hand".to_owned(), ToString::to_string);
        writeln!(text, "{}  ←  {set} {}", generated.name(), generated.element).unwrap();
    }
    for (name, reason) in &expansion.held {
        writeln!(text, "held {name}: {reason}").unwrap();
    }
    for problem in &expansion.problems {
        writeln!(text, "! {problem}").unwrap();
    }
    text
}
