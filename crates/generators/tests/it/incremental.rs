//! An expansion that is kept up to date is the one that is made anew, after any history.

use std::collections::BTreeMap;
use std::sync::Arc;

use generators::{
    Expansion, Generated, GitFilesGlob, Incremental, Options, Providers, Refs, Repositories,
    SharedSources, Sources, Unavailable, World, expand,
};
use model::application::Application;
use model::argo::{self, ClusterSecret, Decisions};
use model::cluster::Cluster;
use model::name::SetName;
use model::provider::{Answer, Branch, Items, PullRequest, Repository, Request};
use model::set::{ApplicationSet, Safety};
use model::tree::FileTree;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::world::{Files, cluster};

const REPOSITORIES: [&str; 2] = ["https://git.example/a.git", "https://git.example/b.git"];

/// Everything that an expansion looks at, as it is at one moment.
#[derive(Clone, Default)]
struct Moment {
    sets: BTreeMap<usize, Arc<ApplicationSet>>,
    argo_sets: BTreeMap<usize, Arc<argo::ApplicationSet>>,
    applications: BTreeMap<String, Arc<Application>>,
    argo_applications: BTreeMap<String, Arc<argo::Application>>,
    clusters: Vec<Cluster>,
    hides_clusters: bool,
    secrets: Vec<ClusterSecret>,
    decisions: Decisions,
    files: BTreeMap<usize, BTreeMap<String, String>>,
    trees: BTreeMap<usize, Result<Arc<Files>, String>>,
    refs: BTreeMap<usize, Result<Arc<Refs>, String>>,
    answers: Service,
    options: Options,
}

/// What services answer, whatever the request is.
#[derive(Clone, Default)]
struct Service {
    branches: Vec<String>,
    pulls: Vec<i64>,
    plugin: Vec<String>,
    partial: Option<String>,
    failed: Option<String>,
}

impl Repositories for Moment {
    fn tree(&self, repo_url: &str, _: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        let index = REPOSITORIES.iter().position(|url| *url == repo_url);
        match index.and_then(|index| self.trees.get(&index)) {
            Some(Ok(files)) => Ok(Arc::clone(files) as Arc<dyn FileTree>),
            Some(Err(message)) => Err(Unavailable { message: message.clone() }),
            None => Err(Unavailable { message: "no such repository".to_owned() }),
        }
    }

    fn refs(&self, repo_url: &str) -> Result<Arc<Refs>, Unavailable> {
        let index = REPOSITORIES.iter().position(|url| *url == repo_url).unwrap_or_default();
        match self.refs.get(&index) {
            Some(Ok(refs)) => Ok(Arc::clone(refs)),
            Some(Err(message)) => Err(Unavailable { message: message.clone() }),
            None => Err(Unavailable { message: "not asked yet".to_owned() }),
        }
    }
}

impl Providers for Moment {
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable> {
        let Service { branches, pulls, plugin, partial, failed } = &self.answers;
        if let Some(message) = failed {
            return Err(Unavailable { message: message.clone() });
        }
        let branch = |name: &String| Branch {
            name: name.clone(),
            sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            ..Branch::default()
        };
        let pull = |number: &i64| PullRequest {
            number: *number,
            title: "t".to_owned(),
            branch: format!("b-{number}"),
            head_sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            ..PullRequest::default()
        };
        let items = match request {
            Request::Repositories(_) => Items::Repositories(vec![Repository {
                organization: "o".to_owned(),
                repository: "r".to_owned(),
                urls: BTreeMap::from([("https".to_owned(), "https://x/o/r".to_owned())]),
                branches: branches.iter().map(branch).collect(),
                ..Repository::default()
            }]),
            Request::PullRequests(_) => Items::PullRequests(pulls.iter().map(pull).collect()),
            Request::Plugin(_) => {
                let one = |name: &String| json!({"name": name}).as_object().unwrap().clone();
                Items::Plugin(plugin.iter().map(one).collect())
            }
        };
        Ok(Arc::new(Answer { items, partial: partial.clone() }))
    }
}

impl Moment {
    fn world(&self) -> World<'_> {
        World {
            clusters: (!self.hides_clusters).then_some(&self.clusters[..]),
            cluster_secrets: &self.secrets,
            decisions: &self.decisions,
            providers: self,
            options: self.options,
            ..World::without_clusters(self)
        }
    }

    fn full(&self) -> Expansion {
        let sets: Vec<_> = self.sets.values().map(|set| (**set).clone()).collect();
        let argo_sets: Vec<_> = self.argo_sets.values().map(|set| (**set).clone()).collect();
        let applications: Vec<_> = self.applications.values().map(|one| (**one).clone()).collect();
        let argo_applications: Vec<_> =
            self.argo_applications.values().map(|one| (**one).clone()).collect();
        let sources = Sources {
            sets: &sets,
            applications: &applications,
            argo_sets: &argo_sets,
            argo_applications: &argo_applications,
        };
        expand(&sources, &self.world())
    }

    fn update(&self, kept: &mut Incremental) {
        let sets: Vec<_> = self.sets.values().cloned().collect();
        let argo_sets: Vec<_> = self.argo_sets.values().cloned().collect();
        let applications: Vec<_> = self.applications.values().cloned().collect();
        let argo_applications: Vec<_> = self.argo_applications.values().cloned().collect();
        let sources = SharedSources {
            sets: &sets,
            applications: &applications,
            argo_sets: &argo_sets,
            argo_applications: &argo_applications,
        };
        kept.update(&sources, &self.world());
    }
}

#[derive(Debug, Clone)]
enum Change {
    Cluster(String),
    NoCluster(usize),
    Annotation(usize, String),
    HideClusters,
    ShuffleClusters(usize),
    Secret(usize, String),
    NoSecret(usize),
    Decisions(Vec<String>),
    File(usize, String, Option<String>),
    Unavailable(usize, String),
    Available(usize),
    SameTree(usize),
    Refs(usize, Result<Vec<String>, String>),
    Answers(Vec<String>, Vec<i64>, Vec<String>),
    Partial(Option<String>),
    Failed(Option<String>),
    Set(usize, Option<Value>),
    ArgoSet(usize, Option<Value>),
    Written(String, Option<String>),
    ArgoWritten(String, bool),
    Cap(usize),
    Glob(bool),
}

impl Moment {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Cluster(text) => {
                let new = cluster(&text);
                self.clusters.retain(|one| one.metadata.name != new.metadata.name);
                self.clusters.push(new);
            }
            Change::NoCluster(index) => drop(pick(&mut self.clusters, index)),
            Change::Annotation(index, value) => {
                let count = self.clusters.len().max(1);
                if let Some(one) = self.clusters.get_mut(index % count) {
                    one.metadata.annotations.insert("note".to_owned(), value);
                }
            }
            Change::HideClusters => self.hides_clusters = !self.hides_clusters,
            Change::ShuffleClusters(by) => {
                let count = self.clusters.len().max(1);
                self.clusters.rotate_left(by % count);
            }
            Change::Secret(index, env) => {
                let name = format!("secret-{index}");
                self.secrets.retain(|one| one.name != name);
                let labels = (env != "none").then(|| BTreeMap::from([("env".to_owned(), env)]));
                let server = format!("https://{name}");
                self.secrets.push(ClusterSecret {
                    name,
                    server,
                    labels,
                    ..ClusterSecret::default()
                });
            }
            Change::NoSecret(index) => drop(pick(&mut self.secrets, index)),
            Change::Decisions(names) => self.decisions = decisions(&names),
            Change::File(repository, path, content) => {
                let files = self.files.entry(repository).or_default();
                match content {
                    Some(content) => drop(files.insert(path, content)),
                    None => drop(files.remove(&path)),
                }
                self.publish(repository);
            }
            Change::Unavailable(repository, message) => {
                self.trees.insert(repository, Err(message));
            }
            Change::Available(repository) | Change::SameTree(repository) => {
                self.publish(repository);
            }
            Change::Refs(repository, names) => {
                let commit = |name: &String| (name.clone(), "0".repeat(40));
                let refs = names.map(|names| {
                    let branches = names.iter().map(commit).collect();
                    Arc::new(Refs { branches, tags: BTreeMap::new() })
                });
                self.refs.insert(repository, refs);
            }
            Change::Answers(branches, pulls, plugin) => {
                let Service { partial, failed, .. } = self.answers.clone();
                self.answers = Service { branches, pulls, plugin, partial, failed };
            }
            Change::Partial(partial) => self.answers.partial = partial,
            Change::Failed(failed) => self.answers.failed = failed,
            Change::Set(index, spec) => match spec {
                Some(spec) => {
                    // Two indices share a name now and then.
                    let name = format!("set-{}", index % 5);
                    let set = json!({"metadata": {"name": name}, "spec": spec});
                    let set = serde_json::from_value(set).unwrap();
                    self.sets.insert(index, Arc::new(set));
                }
                None => drop(self.sets.remove(&index)),
            },
            Change::ArgoSet(index, spec) => match spec {
                Some(spec) => {
                    let set = argo::ApplicationSet {
                        name: format!("set-{}", index % 5).parse().unwrap(),
                        namespace: "argocd".to_owned(),
                        labels: BTreeMap::new(),
                        annotations: BTreeMap::new(),
                        safety: Safety::default(),
                        spec,
                    };
                    self.argo_sets.insert(index, Arc::new(set));
                }
                None => drop(self.argo_sets.remove(&index)),
            },
            Change::Written(name, cluster) => match cluster {
                Some(cluster) => {
                    let value = json!({"metadata": {"name": name}, "spec": {
                        "source": {"repoURL": "r", "path": "p"}, "destination": {"cluster": cluster},
                    }});
                    let value = serde_json::from_value(value).unwrap();
                    self.applications.insert(name, Arc::new(value));
                }
                None => drop(self.applications.remove(&name)),
            },
            Change::ArgoWritten(name, is_there) => {
                if is_there {
                    let document = json!({"metadata": {"name": name}, "spec": {}});
                    let namespace = "argocd".to_owned();
                    let one = argo::Application {
                        name: name.parse().unwrap(),
                        namespace,
                        document: document.into(),
                    };
                    self.argo_applications.insert(name, Arc::new(one));
                } else {
                    self.argo_applications.remove(&name);
                }
            }
            Change::Cap(max_elements) => self.options.max_elements = max_elements,
            Change::Glob(doublestar) => {
                self.options.git_files_glob = match doublestar {
                    true => GitFilesGlob::Doublestar,
                    false => GitFilesGlob::Pathspec,
                };
            }
        }
    }

    fn publish(&mut self, repository: usize) {
        let files = self.files.entry(repository).or_default().clone();
        self.trees.insert(repository, Ok(Arc::new(Files(files))));
    }
}

fn pick<T>(all: &mut Vec<T>, index: usize) -> Option<T> {
    let count = all.len();
    (count > 0).then(|| all.remove(index % count))
}

fn decisions(names: &[String]) -> Decisions {
    let list: Vec<Value> = names.iter().map(|name| json!({"clusterName": name})).collect();
    Decisions {
        unseen: Vec::new(),
        objects: vec![
            json!({
                "apiVersion": "cluster.example/v1", "kind": "Placement",
                "metadata": {"name": "p", "namespace": "argocd", "labels": {"a": "b"}},
                "status": {"decisions": list},
            })
            .into(),
        ],
        config_maps: vec![json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "ducks", "namespace": "argocd"},
            "data": {"apiVersion": "cluster.example/v1", "kind": "placements",
                "statusListKey": "decisions", "matchKey": "clusterName"},
        })],
    }
}

fn env() -> impl Strategy<Value = String> + Clone {
    select(vec!["prod", "dev", "none"]).prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> + Clone {
    select(vec!["eu-1", "eu-2", "us-1", "web", "api", "x"]).prop_map(str::to_owned)
}

/// Generators that both dialects have, in a form that both read.
fn generator(open: &'static str) -> impl Strategy<Value = Value> {
    let list = proptest::collection::vec(name(), 0..3).prop_map(|names| {
        let elements: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"list": {"elements": elements}})
    });
    let clusters = proptest::option::of(env()).prop_map(|env| {
        let selector = env.map_or(json!({}), |env| json!({"matchLabels": {"env": env}}));
        json!({"clusters": {"selector": selector}})
    });
    let templated = Just(json!({"clusters": {"selector": {"matchLabels": {"env": open}}}}));
    let git = (select(REPOSITORIES.to_vec()), select(vec!["directories", "files"]), select(vec![
        "apps/*", "apps/*/config.yaml", "envs/**/*.yaml", "envs/*", "*",
    ]))
        .prop_map(|(url, field, pattern)| {
            json!({"git": {"repoURL": url, "revision": "main", field: [{"path": pattern}]}})
        });
    let scm = Just(json!({"scmProvider": {"github": {"organization": "o", "allBranches": true}}}));
    let pulls = Just(json!({"pullRequest": {"github": {"owner": "o", "repo": "r"}}}));
    let plugin = Just(json!({"plugin": {"configMapRef": {"name": "c"}}}));
    let leaf = prop_oneof![
        2 => list, 3 => clusters, 1 => templated, 4 => git, 1 => scm, 1 => pulls, 1 => plugin,
    ];
    let leaf = leaf.boxed();
    let pair = (leaf.clone(), leaf.clone());
    prop_oneof![
        4 => leaf,
        2 => pair.clone().prop_map(|(a, b)| json!({"matrix": {"generators": [a, b]}})),
        1 => pair.prop_map(|(a, b)| json!({"merge": {"mergeKeys": ["name"], "generators": [a, b]}})),
    ]
}

fn native() -> impl Strategy<Value = Value> {
    let names = vec![
        "{{name}}",
        "{{path.basename}}",
        "{{name}}-{{path.basename}}",
        "fixed",
        "p-{{number}}",
        "{{branch}}",
    ];
    let cluster = select(vec!["eu-1", "{{name}}", "us-1"]);
    let decisions =
        Just(json!({"clusterDecisionResource": {"configMapRef": "ducks", "name": "p"}}));
    let refs = (select(vec!["branches", "tags"]), select(REPOSITORIES.to_vec()));
    let refs = refs.prop_map(|(kind, url)| json!({kind: {"repoURL": url}}));
    let join = (generator("{{tier}}"), generator("{{tier}}")).prop_map(|(left, right)| {
        json!({"join": {"left": left, "right": right, "on": ["name"], "kind": "left"}})
    });
    let any = prop_oneof![8 => generator("{{tier}}"), 2 => decisions, 2 => refs, 1 => join];
    (proptest::collection::vec(any, 1..3), select(names), cluster).prop_filter_map(
        "the native dialect reads it",
        |(generators, name, cluster)| {
            let spec = json!({"generators": generators, "template": {
                "metadata": {"name": name, "labels": {"note": "{{default metadata.annotations.note \"-\"}}"}},
                "spec": {"source": {"repoURL": "r", "path": "{{default path \".\"}}"},
                    "destination": {"cluster": cluster}},
            }});
            let set = json!({"metadata": {"name": "x"}, "spec": spec});
            serde_json::from_value::<ApplicationSet>(set).is_ok().then_some(spec)
        },
    )
}

fn compat() -> impl Strategy<Value = Value> {
    let fast =
        vec!["{{name}}", "{{path.basename}}", "{{name}}-{{path[0]}}", "fixed", "p-{{number}}"];
    let go =
        vec!["{{.name}}", "{{.path.basename}}", "{{.name}}-{{index .path.segments 0}}", "fixed"];
    let decisions =
        Just(json!({"clusterDecisionResource": {"configMapRef": "ducks", "name": "p"}}));
    let generators = |open| {
        let any = prop_oneof![6 => generator(open), 1 => decisions.clone()];
        proptest::collection::vec(any, 1..3)
    };
    let spec = |generators: Vec<Value>, name: &str, go: bool| {
        json!({"goTemplate": go, "generators": generators, "template": {
            "metadata": {"name": name},
            "spec": {"project": "default", "source": {"repoURL": "r", "path": "."},
                "destination": {"server": "https://x", "namespace": "default"}},
        }})
    };
    prop_oneof![
        (generators("{{tier}}"), select(fast)).prop_map(move |(all, name)| spec(all, name, false)),
        (generators("{{.tier}}"), select(go)).prop_map(move |(all, name)| spec(all, name, true)),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let text = (name(), env(), env())
        .prop_map(|(name, env, tier)| format!("{name} env={env} tier={tier}"));
    let path = select(vec![
        "apps/web/config.yaml",
        "apps/api/config.yaml",
        "apps/x/main.yaml",
        "envs/a.yaml",
        "envs/eu/b.yaml",
        "docs/readme.md",
        "other/deep/file.yaml",
    ])
    .prop_map(str::to_owned);
    let content = prop_oneof![
        name().prop_map(|name| format!("name: {name}\n")),
        env().prop_map(|tier| format!("tier: {tier}\n")),
        Just("[".to_owned()),
        Just("- {name: x}\n- {name: web}\n".to_owned()),
    ];
    let content = proptest::option::weighted(0.8, content);
    let names = || proptest::collection::vec(name(), 0..3);
    let why = || select(vec!["refused", "timed out"]).prop_map(str::to_owned);
    prop_oneof![
        6 => text.prop_map(Change::Cluster),
        2 => (0_usize..9).prop_map(Change::NoCluster),
        2 => (0_usize..9, name()).prop_map(|(index, text)| Change::Annotation(index, text)),
        1 => Just(Change::HideClusters),
        1 => (0_usize..9).prop_map(Change::ShuffleClusters),
        2 => (0_usize..4, env()).prop_map(|(index, env)| Change::Secret(index, env)),
        1 => (0_usize..4).prop_map(Change::NoSecret),
        3 => names().prop_map(Change::Decisions),
        6 => (0_usize..2, path, content).prop_map(|(index, path, text)| Change::File(index, path, text)),
        1 => (0_usize..2, why()).prop_map(|(index, why)| Change::Unavailable(index, why)),
        2 => (0_usize..2).prop_map(Change::Available),
        1 => (0_usize..2).prop_map(Change::SameTree),
        3 => (0_usize..2, names()).prop_map(|(index, names)| Change::Refs(index, Ok(names))),
        1 => (0_usize..2, why()).prop_map(|(index, why)| Change::Refs(index, Err(why))),
        2 => (names(), proptest::collection::vec(0_i64..5, 0..3), names())
            .prop_map(|(branches, pulls, plugin)| Change::Answers(branches, pulls, plugin)),
        1 => proptest::option::of(why()).prop_map(Change::Partial),
        1 => proptest::option::of(why()).prop_map(Change::Failed),
        6 => (0_usize..8, proptest::option::weighted(0.8, native()))
            .prop_map(|(index, set)| Change::Set(index, set)),
        4 => (0_usize..8, proptest::option::weighted(0.8, compat()))
            .prop_map(|(index, set)| Change::ArgoSet(index, set)),
        2 => (name(), proptest::option::of(name())).prop_map(|(name, on)| Change::Written(name, on)),
        1 => (name(), any::<bool>()).prop_map(|(name, on)| Change::ArgoWritten(name, on)),
        1 => select(vec![1_usize, 3, 50]).prop_map(Change::Cap),
        1 => any::<bool>().prop_map(Change::Glob),
    ]
}

/// An expansion down to its last field.
fn text(expansion: &Expansion) -> String {
    format!("{expansion:#?}")
}

fn first_difference(kept: &str, full: &str) -> String {
    let mut pairs = kept.lines().zip(full.lines()).enumerate();
    match pairs.find(|(_, (a, b))| a != b) {
        Some((line, _)) => {
            let around = |text: &str| {
                let lines = text.lines().skip(line.saturating_sub(12)).take(20);
                lines.collect::<Vec<_>>().join("\n")
            };
            format!("line {line}\nkept:\n{}\nfull:\n{}", around(kept), around(full))
        }
        None => "one is longer".to_owned(),
    }
}

fn is_alone(all: &Expansion, name: &SetName) -> bool {
    all.sets.iter().filter(|set| set.set == *name).count() == 1
}

fn is_same(a: &Generated, b: &Generated) -> bool {
    match (a, b) {
        (Generated::Native(a), Generated::Native(b)) => Arc::ptr_eq(a, b),
        (Generated::Argo(a), Generated::Argo(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_would_be_made_anew(
        first in proptest::collection::vec(change(), 10..40),
        history in proptest::collection::vec(proptest::collection::vec(change(), 0..3), 1..16),
    ) {
        let mut moment = Moment::default();
        let mut kept = Incremental::new();
        for step in std::iter::once(first).chain(history) {
            let what = format!("{step:?}");
            step.into_iter().for_each(|change| moment.apply(change));
            let before = kept.expansion().clone();
            moment.update(&mut kept);
            let (now, full) = (text(kept.expansion()), text(&moment.full()));
            prop_assert!(now == full, "after {what}: {}", first_difference(&now, &full));
            // Sets of one name are told apart by their order only.
            let is_alone = |name| is_alone(&before, name) && is_alone(kept.expansion(), name);
            for old in &before.applications {
                let set = (&old.set, &old.element);
                let new = kept.expansion().applications.iter();
                let same = new.filter(|new| (&new.set, &new.element) == set && new.application == old.application);
                for new in same.filter(|new| new.set.as_ref().is_some_and(is_alone)) {
                    prop_assert!(is_same(&new.application, &old.application), "{} was made again", old.name());
                }
            }
        }
    }
}

fn named(index: usize, generator: &Value) -> Change {
    let name = format!("{{{{name}}}}-{index}");
    let spec = json!({"generators": [generator], "template": {
        "metadata": {"name": name},
        "spec": {"source": {"repoURL": "r", "path": "."}, "destination": {"cluster": "eu-1"}},
    }});
    Change::Set(index, Some(spec))
}

/// Which sets were evaluated after a change.
fn evaluated(moment: &mut Moment, kept: &mut Incremental, change: Change) -> String {
    moment.apply(change);
    moment.update(kept);
    assert_eq!(text(kept.expansion()), text(&moment.full()));
    let names: Vec<_> = kept.evaluated().iter().map(ToString::to_string).collect();
    names.join(" ")
}

#[test]
fn only_what_depends_on_a_change_is_evaluated() {
    let mut moment = Moment::default();
    let pick = |env: &str| json!({"clusters": {"selector": {"matchLabels": {"env": env}}}});
    let git = |pattern: &str| json!({"git": {"repoURL": REPOSITORIES[0], "revision": "main", "files": [{"path": pattern}]}});
    let of_file = json!({"matrix": {"generators": [
        git("envs/*.yaml"), {"clusters": {"selector": {"matchLabels": {"env": "{{tier}}"}}}},
    ]}});
    for change in [
        Change::Cluster("eu-1 env=prod".to_owned()),
        Change::Cluster("us-1 env=dev".to_owned()),
        Change::File(0, "envs/a.yaml".to_owned(), Some("tier: dev\n".to_owned())),
        Change::File(0, "apps/web/config.yaml".to_owned(), Some("name: web\n".to_owned())),
        named(0, &pick("prod")),
        named(1, &pick("dev")),
        named(2, &git("apps/*/config.yaml")),
        named(3, &of_file),
    ] {
        moment.apply(change);
    }
    let mut kept = Incremental::new();
    let mut after = |change| evaluated(&mut moment, &mut kept, change);
    assert_eq!(after(Change::SameTree(0)), "set-0 set-1 set-2 set-3");
    assert_eq!(after(Change::SameTree(0)), "", "another tree with the same files");
    assert_eq!(after(Change::ShuffleClusters(1)), "");
    assert_eq!(after(Change::Cluster("eu-1 env=prod tier=1".to_owned())), "set-0");
    assert_eq!(after(Change::Annotation(1, "x".to_owned())), "set-0");
    assert_eq!(after(Change::Cluster("us-1 env=prod".to_owned())), "set-0 set-1 set-3");
    assert_eq!(after(Change::Cluster("eu-2 env=none".to_owned())), "");
    let file = |path: &str, text: &str| Change::File(0, path.to_owned(), Some(text.to_owned()));
    assert_eq!(after(file("docs/readme.md", "")), "", "no pattern begins there");
    assert_eq!(after(file("apps/web/config.yaml", "name: www\n")), "set-2");
    assert_eq!(after(file("apps/web/other.yaml", "")), "set-2");
    assert_eq!(after(file("envs/a.yaml", "tier: prod\n")), "set-3");
    assert_eq!(after(Change::Unavailable(0, "refused".to_owned())), "set-2 set-3");
    assert_eq!(after(Change::Unavailable(0, "refused".to_owned())), "");
    assert_eq!(after(Change::Available(0)), "set-2 set-3");
    assert_eq!(after(Change::Decisions(vec!["eu-1".to_owned()])), "");
    assert_eq!(after(Change::Written("web-2".to_owned(), Some("eu-1".to_owned()))), "");
    assert_eq!(after(named(1, &pick("none"))), "set-1");
    assert_eq!(after(Change::Set(0, None)), "");
    assert_eq!(after(Change::Cap(3)), "set-1 set-2 set-3");
}

#[test]
fn names_refs_and_decisions_are_inputs_too() {
    let mut moment = Moment::default();
    let mut kept = Incremental::new();
    let decided = json!({"clusterDecisionResource": {"configMapRef": "ducks", "name": "p"}});
    let branches =
        json!({"branches": {"repoURL": REPOSITORIES[0], "values": {"name": "{{ref.name}}"}}});
    for change in [
        Change::Cluster("eu-1 env=prod".to_owned()),
        Change::Cluster("us-1 env=dev".to_owned()),
        Change::Decisions(vec!["us-1".to_owned()]),
        named(0, &decided),
        named(1, &branches),
        Change::Written("by-hand".to_owned(), Some("us-1".to_owned())),
    ] {
        moment.apply(change);
    }
    let mut after = |change| evaluated(&mut moment, &mut kept, change);
    assert_eq!(after(Change::Refs(1, Ok(Vec::new()))), "set-0 set-1");
    assert_eq!(after(Change::Cluster("eu-1 env=x".to_owned())), "", "it was not decided for");
    assert_eq!(after(Change::Cluster("us-1 env=x".to_owned())), "set-0");
    assert_eq!(after(Change::Decisions(vec!["us-1".to_owned(), "eu-2".to_owned()])), "set-0");
    assert_eq!(after(Change::Cluster("eu-2 env=x".to_owned())), "set-0", "it was decided for");
    assert_eq!(after(Change::Refs(0, Ok(vec!["main".to_owned()]))), "set-1");
    assert_eq!(after(Change::Refs(0, Ok(vec!["main".to_owned()]))), "", "the same names");
    assert_eq!(after(Change::Refs(0, Err("refused".to_owned()))), "set-1");
    assert_eq!(after(Change::Refs(0, Err("timed out".to_owned()))), "set-1");
    // Its destination goes, then a name that its refusals tell.
    assert_eq!(after(Change::NoCluster(0)), "set-0");
    assert_eq!(after(Change::NoCluster(0)), "set-0");
}
