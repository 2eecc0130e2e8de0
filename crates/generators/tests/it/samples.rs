//! Sets of the compat dialect against the answers of Argo CD's own code (see `samples/README.md`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use generators::{
    Expansion, Generated, GitFilesGlob, Options, Repositories, Sources, Unavailable, World, expand,
};
use model::argo::{self, ClusterSecret, Decisions};
use model::cluster::Cluster;
use model::document::{self, Resource};
use model::problem::Reason;
use model::tree::FileTree;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::world::Files;

/// How many failing cases are shown in full.
const SHOWN: usize = 25;
/// Where Argo CD would go on without a word, and remove what a generator that finds nothing by
/// mistake gave before, there is a problem here, beside the same applications.
const HELD: [&str; 8] = [
    "decision-007",
    "decision-047",
    "decision-057",
    "errors-007",
    "errors-012",
    "errors-037",
    "errors-052",
    "gitdir-glob-142",
];

#[derive(Deserialize)]
struct Case {
    id: String,
    fixture: String,
    #[serde(default)]
    glob: String,
    set: String,
    applications: Vec<Value>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Fixture {
    clusters: String,
    decisions: String,
    repositories: BTreeMap<String, String>,
}

/// A fixture, read.
struct Known {
    clusters: Vec<Cluster>,
    secrets: Vec<ClusterSecret>,
    decisions: Decisions,
    trees: BTreeMap<String, Files>,
}

impl Repositories for Known {
    fn tree(&self, repo_url: &str, _: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        match self.trees.get(repo_url) {
            Some(files) => Ok(Arc::new(files.clone())),
            None => Err(Unavailable { message: format!("{repo_url} is not known") }),
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn names(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

fn load<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn fixture(path: &Path) -> Known {
    let fixture: Fixture = load(path);
    let (clusters, secrets, errors) = argo::read_clusters(fixture.clusters.as_bytes());
    assert_eq!(errors, [], "{}", path.display());
    let (decisions, errors) = argo::read_decisions(fixture.decisions.as_bytes());
    assert_eq!(errors, [], "{}", path.display());
    let tree = |name: &str| Files(load(&folder().join(format!("trees/{name}.json"))));
    let trees = fixture.repositories.iter().map(|(url, name)| (url.clone(), tree(name))).collect();
    Known { clusters, secrets, decisions, trees }
}

/// What comes of a case: applications by name, and what is wrong.
struct Answer {
    applications: Vec<Value>,
    problems: Vec<(Option<Reason>, String)>,
}

fn answer(case: &Case, known: &Known) -> Answer {
    let (resources, errors) = document::read(case.set.as_bytes());
    let mut problems: Vec<(Option<Reason>, String)> =
        errors.iter().map(|error| (None, error.to_string())).collect();
    let mut sets = Vec::new();
    for resource in resources {
        match resource {
            Resource::Argo(resource) => match *resource {
                argo::Resource::ApplicationSet(set) => sets.push(Arc::unwrap_or_clone(set)),
                other => panic!("{}: a {}", case.id, other.kind()),
            },
            other => panic!("{}: a {}", case.id, other.kind()),
        }
    }
    let git_files_glob = match case.glob.as_str() {
        "doublestar" => GitFilesGlob::Doublestar,
        _ => GitFilesGlob::Pathspec,
    };
    let world = World {
        cluster_secrets: &known.secrets,
        decisions: &known.decisions,
        options: Options { git_files_glob, ..Options::default() },
        ..World::new(&known.clusters, known)
    };
    let expansion = expand(&Sources { argo_sets: &sets, ..Sources::default() }, &world);
    problems.extend(
        expansion.problems.iter().map(|problem| (Some(problem.reason), problem.to_string())),
    );
    Answer { applications: applications(&expansion), problems }
}

fn applications(expansion: &Expansion) -> Vec<Value> {
    let document = |generated: &Generated| match generated {
        Generated::Argo(application) => comparable(&application.document.value()),
        Generated::Native(application) => panic!("native: {}", application.metadata.name),
    };
    expansion.applications.iter().map(|generated| document(&generated.application)).collect()
}

/// A tree with what counts: nothing empty, and numbers by value.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let left_out = |key: &str| matches!(key, "apiVersion" | "kind" | "status");
            let top = entries.contains_key("metadata") && entries.contains_key("spec");
            let entries = entries.iter().filter(|(key, _)| !(top && left_out(key)));
            let entries = entries.map(|(key, value)| (key.clone(), comparable(value)));
            Value::Object(entries.filter(|(_, value)| !is_empty(value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap_or_default()
}

/// What differs, or nothing.
fn differences(case: &Case, answer: &Answer) -> String {
    let mut out = String::new();
    let mut want: Vec<Value> = case.applications.iter().map(comparable).collect();
    let mut got = answer.applications.clone();
    got.retain(|document| {
        let found = want.iter().position(|wanted| wanted == document);
        found.map(|at| want.remove(at)).is_none()
    });
    // A name that two claim, or that Kubernetes would not take, is a problem in its place.
    let mut excused = 0;
    want.retain(|wanted| {
        let name = name(wanted);
        let excuse = answer.problems.iter().any(|(reason, message)| match reason {
            Some(Reason::DuplicateName) => message.contains(name) || clusters_share_a_name(case),
            Some(Reason::InvalidApplication) => model::name::ApplicationName::new(name).is_err(),
            _ => false,
        });
        excused += usize::from(excuse);
        !excuse
    });
    for wanted in &want {
        match got.iter().position(|document| name(document) == name(wanted)) {
            Some(at) => {
                let found = got.remove(at);
                diff(&mut out, &format!("  {}", name(wanted)), wanted, &found);
            }
            None => _ = writeln!(out, "  {} is missing", name(wanted)),
        }
    }
    match (case.error.is_empty(), answer.problems.is_empty()) {
        (true, false)
            if excused == 0
                && !clusters_share_a_name(case)
                && !HELD.contains(&case.id.as_str()) =>
        {
            out.push_str("  a problem where there is none\n");
        }
        (false, true) => out.push_str("  no problem where there is one\n"),
        _ => {}
    }
    if case.error.is_empty() {
        got.iter().for_each(|found| _ = writeln!(out, "  {} is too much: {found}", name(found)));
    }
    if !out.is_empty() {
        if !case.error.is_empty() {
            _ = writeln!(out, "  there: {}", case.error);
        }
        answer.problems.iter().for_each(|(_, problem)| _ = writeln!(out, "  here: {problem}"));
    }
    out
}

/// There Argo CD lets one cluster win without a word; here it is a problem.
fn clusters_share_a_name(case: &Case) -> bool {
    matches!(case.fixture.as_str(), "twins" | "namesakes")
}

fn diff(out: &mut String, path: &str, want: &Value, got: &Value) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let keys = want.keys().chain(got.keys().filter(|key| !want.contains_key(*key)));
            for key in keys {
                let null = &Value::Null;
                let (want, got) = (want.get(key).unwrap_or(null), got.get(key).unwrap_or(null));
                diff(out, &format!("{path}.{key}"), want, got);
            }
        }
        (want, got) if want != got => _ = writeln!(out, "{path}: want {want}, got {got}"),
        _ => {}
    }
}

#[test]
fn applications_are_those_of_argo_cd() {
    let fixtures: BTreeMap<String, Known> = names(&folder().join("fixtures"), "json")
        .into_iter()
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fixture(&path)))
        .collect();
    let (mut table, mut shown, mut failed) = (String::new(), String::new(), 0);
    for path in names(&folder(), "jsonl") {
        let (mut passed, mut failing) = (0, Vec::new());
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let differs = differences(&case, &answer(&case, &fixtures[&case.fixture]));
            if differs.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            if failed <= SHOWN {
                _ = writeln!(shown, "{}\n{differs}", case.id);
            }
            failing.push(case.id);
        }
        let family = path.file_stem().unwrap().to_string_lossy();
        let count = passed + failing.len();
        _ = writeln!(table, "{family:12} {passed:4} of {count:4} {}", failing.join(" "));
    }
    assert_eq!(failed, 0, "cases differ:\n{shown}\n{table}");
}
