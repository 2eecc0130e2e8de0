//! Entries of `spec.generators` with what they give, from the rules that Argo CD's code has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use gotemplate::MissingKey;
use model::argo::{ClusterSecret, Decisions, Unseen};
use model::provider::{Answer, Branch, Items, PullRequest, Repository, Request};
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};
use serde_json::json;

use super::*;
use crate::{Options, Providers, Repositories, Unavailable};

mod changes;

/// A world in which every repository has the same files and every service one answer.
#[derive(Default)]
struct Fake {
    secrets: Vec<ClusterSecret>,
    decisions: Decisions,
    files: BTreeMap<&'static str, &'static str>,
    answer: Option<Answer>,
    asked: Mutex<Vec<Request>>,
    max_elements: Option<usize>,
}

struct Files(BTreeMap<&'static str, &'static str>);

impl FileTree for Files {
    fn read(&self, path: &RepoPath, _: u64) -> Result<Vec<u8>, TreeError> {
        match self.0.get(path.as_str()) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(TreeError::NotFound { path: path.clone() }),
        }
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let prefix = if path.is_root() { String::new() } else { format!("{}/", path.as_str()) };
        let mut entries = BTreeSet::new();
        for rest in self.0.keys().filter_map(|file| file.strip_prefix(&prefix)) {
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, EntryKind::Directory),
                None => (rest, EntryKind::File),
            };
            entries.insert(TreeEntry { name: name.to_owned(), kind });
        }
        Ok(entries.into_iter().collect())
    }
}

impl Repositories for Fake {
    fn tree(&self, repo_url: &str, _: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        match repo_url {
            "https://gone.test" => Err(Unavailable { message: "no such host".to_owned() }),
            _ => Ok(Arc::new(Files(self.files.clone()))),
        }
    }
}

impl Providers for Fake {
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable> {
        self.asked.lock().unwrap().push(request.clone());
        let answer = self.answer.clone().map(Arc::new);
        answer.ok_or_else(|| Unavailable { message: "no service was asked".to_owned() })
    }
}

impl Fake {
    fn secret(mut self, name: &str, server: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.secrets.push(ClusterSecret {
            name: name.to_owned(),
            server: server.to_owned(),
            labels: Some(labels),
            ..ClusterSecret::default()
        });
        self
    }

    fn items(items: Items) -> Self {
        Self { answer: Some(Answer { items, partial: None }), ..Self::default() }
    }

    /// What an entry gives, in lines: rows, then faults.
    fn given(&self, engine: Engine, entry: &Value) -> String {
        let mut options = Options::default();
        options.max_elements = self.max_elements.unwrap_or(options.max_elements);
        let world = World {
            cluster_secrets: &self.secrets,
            decisions: &self.decisions,
            providers: self,
            options,
            ..World::new(&[], self)
        };
        let mut evaluator = Evaluator::new(&world, engine);
        evaluator.set = "set".to_owned();
        let mut out = String::new();
        match evaluator.evaluate(entry) {
            Ok(items) => {
                for Item { id, outcome, template } in items {
                    let template = template.map(|template| format!(" with {template}"));
                    let template = template.unwrap_or_default();
                    match outcome {
                        Ok(params) => {
                            let params = Value::Object(params.into_map());
                            _ = writeln!(out, "{id}: {params}{template}");
                        }
                        Err(fault) => _ = writeln!(out, "{id}: HELD {}", fault.message),
                    }
                }
            }
            Err(fault) => _ = writeln!(out, "FAULT {:?}: {}", fault.reason, fault.message),
        }
        for fault in &evaluator.partial {
            _ = writeln!(out, "PARTIAL {}", fault.message);
        }
        for missing in &evaluator.missing {
            _ = writeln!(out, "MISSING {missing}");
        }
        out
    }
}

const GO: Engine = Engine::Go(MissingKey::Default);

#[track_caller]
fn check(fake: &Fake, engine: Engine, entry: Value, expected: Expect) {
    expected.assert_eq(&fake.given(engine, &entry));
}

fn repositories() -> Fake {
    let branch = |name: &str| Branch {
        name: name.to_owned(),
        sha: "0123456789abcdef".to_owned(),
        ..Branch::default()
    };
    Fake::items(Items::Repositories(vec![Repository {
        organization: "harbour".to_owned(),
        repository: "crane".to_owned(),
        repository_id: json!(12_345_678),
        urls: BTreeMap::from([("ssh".to_owned(), "git@x".to_owned())]),
        labels: vec!["a".to_owned(), "b".to_owned()],
        branches: vec![branch("main"), branch("Fix/One")],
    }]))
}

#[test]
fn scm_provider_gives_branches() {
    let entry = json!({"scmProvider": {
        "github": {"organization": "harbour", "allBranches": true},
        "filters": [{"branchMatch": "^Fix"}],
        "values": {"v": "{{repository}}-{{repository_id}}"},
    }});
    let fake = repositories();
    check(
        &fake,
        Engine::Fast,
        entry,
        expect![[r#"
        scmProvider harbour/crane Fix/One: {"branch":"Fix/One","branchNormalized":"fix-one","labels":"a,b","organization":"harbour","repository":"crane","repository_id":12345678,"sha":"0123456789abcdef","short_sha":"01234567","short_sha_7":"0123456","url":"git@x","values.v":"crane-{{repository_id}}"}
    "#]],
    );
    let entry = json!({"scmProvider": {
        "github": {"organization": "harbour"},
        "filters": [{"branchMatch": "main"}],
        "values": {"v": "{{.repository_id}}"},
    }});
    check(
        &fake,
        GO,
        entry,
        expect![[r#"
        scmProvider harbour/crane main: {"branch":"main","branchNormalized":"main","labels":"a,b","organization":"harbour","repository":"crane","repository_id":12345678,"sha":"0123456789abcdef","short_sha":"01234567","short_sha_7":"0123456","url":"git@x","values":{"v":"12345678"}}
    "#]],
    );
    assert_eq!(fake.asked.lock().unwrap().len(), 2);
}

#[test]
fn what_was_not_answered_is_held() {
    let entry = json!({"scmProvider": {"github": {"organization": "harbour"}}});
    check(
        &Fake::default(),
        GO,
        entry.clone(),
        expect![[r#"
        FAULT SourceUnavailable: scmProvider: no service was asked
    "#]],
    );
    let mut fake = repositories();
    fake.answer.as_mut().unwrap().partial = Some("page 3 did not arrive".to_owned());
    let given = fake.given(GO, &entry);
    assert!(
        given.ends_with(
            "PARTIAL the answer of the service is not complete: page 3 did not arrive\n"
        ),
        "{given}"
    );
    let wrong = |provider: Value| fake.given(GO, &json!({"scmProvider": provider}));
    expect![[r#"
        FAULT GeneratorFailed: scmProvider: no provider is configured; write one of github, gitlab, gitea, bitbucketServer, azureDevOps, bitbucket, awsCodeCommit
    "#]].assert_eq(&wrong(json!({})));
    assert!(wrong(json!({"gitea": {"owner": "x"}})).contains("missing field `api`"));
    let protocol = wrong(json!({"github": {"organization": "x"}, "cloneProtocol": "htps"}));
    assert!(protocol.contains("HELD unknown cloneProtocol \"htps\""), "{protocol}");
    let regex = wrong(json!({"github": {"organization": "x"}, "filters": [{"labelMatch": "("}]}));
    assert!(regex.contains("filters[0].labelMatch: error parsing regexp"), "{regex}");
}

#[test]
fn pull_request_gives_labels_in_go_only() {
    let pull = PullRequest {
        number: 7,
        title: "Fix {{.branch}}".to_owned(),
        branch: "fix/a_b".to_owned(),
        target_branch: "main".to_owned(),
        head_sha: "0123456789".to_owned(),
        author: "ada".to_owned(),
        labels: vec!["x".to_owned()],
    };
    let fake = Fake::items(Items::PullRequests(vec![pull]));
    let entry = json!({"pullRequest": {
        "github": {"owner": "o", "repo": "r"},
        "filters": [{"titleMatch": "^Fix", "targetBranchMatch": "main"}],
        "values": {"v": "{{number}} {{title}}"},
    }});
    check(
        &fake,
        Engine::Fast,
        entry,
        expect![[r#"
        pullRequest 7: {"author":"ada","branch":"fix/a_b","branch_slug":"fix-a-b","head_sha":"0123456789","head_short_sha":"01234567","head_short_sha_7":"0123456","number":"7","target_branch":"main","target_branch_slug":"main","title":"Fix {{.branch}}","values.v":"7 Fix {{.branch}}"}
    "#]],
    );
    let entry = json!({"pullRequest": {
        "github": {"owner": "o", "repo": "r"},
        "values": {"v": "{{index .labels 0}} {{typeOf .labels}} {{.title}}"},
    }});
    check(
        &fake,
        GO,
        entry,
        expect![[r#"
        pullRequest 7: {"author":"ada","branch":"fix/a_b","branch_slug":"fix-a-b","head_sha":"0123456789","head_short_sha":"01234567","head_short_sha_7":"0123456","labels":["x"],"number":"7","target_branch":"main","target_branch_slug":"main","title":"Fix {{.branch}}","values":{"v":"x []string Fix {{.branch}}"}}
    "#]],
    );
    let entry = json!({"pullRequest": {
        "github": {"owner": "o", "repo": "r"}, "filters": [{"branchMatch": "^x"}],
    }});
    check(&fake, GO, entry, expect![""]);
}

#[test]
fn plugin_gives_back_its_input() {
    let object = json!({"k": {"n": 1_000_000, "l": ["a"]}, "generator": "taken"});
    let fake = Fake::items(Items::Plugin(vec![object.as_object().unwrap().clone()]));
    let entry = |value: &str| {
        json!({"plugin": {
            "configMapRef": {"name": "cm"},
            "input": {"parameters": {"b": 1, "a": {"x": "y"}}},
            "values": {"v": value},
        }})
    };
    check(
        &fake,
        Engine::Fast,
        entry("{{k.n}} {{k.l.0}}"),
        expect![[r#"
        plugin[0]: {"generator":{"input":{"parameters":{"a":{"x":"y"},"b":1}}},"k.l.0":"a","k.n":"1e+06","values.v":"1e+06 a"}
    "#]],
    );
    check(
        &fake,
        GO,
        entry("{{.generator.input.parameters.a.x}}"),
        expect![[r#"
        plugin[0]: {"generator":{"input":{"parameters":{"a":{"x":"y"},"b":1}}},"k":{"l":["a"],"n":1000000},"values":{"v":"y"}}
    "#]],
    );
    let asked = fake.asked.lock().unwrap();
    let Request::Plugin(request) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((request.config_map.as_str(), request.set.as_str()), ("cm", "set"));
    assert_eq!(request.parameters, r#"{"a":{"x":"y"},"b":1}"#);
}

#[test]
fn clusters_are_secrets_and_the_one_without() {
    let fake = Fake::default()
        .secret("Prod.EU", "https://eu.test", &[("env", "prod")])
        .secret("twin", "https://one.test", &[])
        .secret("twin", "https://two.test", &[]);
    let entry = json!({"clusters": {"values": {"v": "{{metadata.labels.env}} {{name}}"}}});
    check(
        &fake,
        Engine::Fast,
        entry,
        expect![[r#"
        clusters Prod.EU: {"metadata.labels.env":"prod","name":"Prod.EU","nameNormalized":"prod.eu","project":"","server":"https://eu.test","values.v":"prod Prod.EU"}
        clusters twin: HELD 2 clusters have the name "twin": https://one.test, https://two.test; rename all but one
        clusters in-cluster: {"name":"in-cluster","nameNormalized":"in-cluster","project":"","server":"https://kubernetes.default.svc","values.v":"{{metadata.labels.env}} in-cluster"}
    "#]],
    );
    let entry = json!({
        "clusters": {"selector": {"matchLabels": {"env": "prod"}}, "values": {"v": "{{index .metadata.labels \"x\"}}|"}},
        "selector": {"matchLabels": {"values.v": "|"}},
    });
    check(
        &fake,
        GO,
        entry,
        expect![[r#"
        clusters Prod.EU: {"metadata":{"labels":{"env":"prod"}},"name":"Prod.EU","nameNormalized":"prod.eu","project":"","server":"https://eu.test","values":{"v":"|"}}
    "#]],
    );
    let flat =
        json!({"clusters": {"flatList": true, "selector": {"matchLabels": {"env": "none"}}}});
    check(
        &fake,
        GO,
        flat,
        expect![[r#"
        clusters: {"clusters":[]}
    "#]],
    );
    let bad = json!({"clusters": {"selector": {"matchLabels": {"env": "https://x"}}}});
    assert!(fake.given(GO, &bad).contains("cannot be the value of a label"));
    let home = Fake::default().secret("home", "https://kubernetes.default.svc", &[]);
    let home = home.given(Engine::Fast, &json!({"clusters": {}}));
    assert!(!home.contains("in-cluster"), "{home}");
}

#[test]
fn values_of_a_second_child_are_rendered_early_or_not_at_all() {
    let fake = Fake::default().secret("eu", "https://eu.test", &[("env", "prod")]);
    let matrix = |value: &str| {
        json!({"matrix": {"generators": [
            {"list": {"elements": [{"deck": "low"}]}},
            {"clusters": {"selector": {"matchLabels": {"env": "prod"}}, "values": {"v": value}}},
        ]}})
    };
    let values = |engine: Engine, value: &str| {
        let given = fake.given(engine, &matrix(value));
        given.split_once("values").map_or(given.clone(), |(_, rest)| rest.trim().to_owned())
    };
    assert_eq!(values(GO, "{{.deck}}"), r#"":{"v":"low"}}"#);
    assert_eq!(values(GO, "{{.name}}"), r#"":{"v":"eu"}}"#);
    assert_eq!(values(GO, "{{.deck}}-{{.name}}"), r#"":{"v":"<no value>-eu"}}"#);
    assert_eq!(values(Engine::Fast, "{{deck}}-{{name}}"), r#".v":"low-eu"}"#);
    let failed = values(GO, "{{fail \"x\"}}");
    assert!(failed.ends_with("error calling fail: x"), "{failed}");
}

#[test]
fn a_row_that_fails_harms_no_other() {
    let fake = Fake { files: BTreeMap::from([("a/b.yaml", "k: 1")]), ..Fake::default() };
    let matrix = json!({"matrix": {"generators": [
        {"list": {"elements": [{"repo": "https://gone.test"}, {"repo": "https://here.test"}, {"repo": 5}]}},
        {"git": {"repoURL": "{{repo}}", "revision": "HEAD", "files": [{"path": "**"}]}},
    ]}});
    check(
        &fake,
        Engine::Fast,
        matrix,
        expect![[r#"
        list[0]: HELD git: https://gone.test at HEAD cannot be read: no such host
        list[1] × git a/b.yaml: {"k":"1","path":"a","path.basename":"a","path.basenameNormalized":"a","path.filename":"b.yaml","path.filenameNormalized":"b.yaml","path[0]":"a","repo":"https://here.test"}
        list[2]: HELD repo: 5 is not text; quote it, or set goTemplate: true
        MISSING https://gone.test at HEAD
    "#]],
    );
    let several =
        json!({"list": {"elements": [{"a": "b"}], "template": {"metadata": {}}}, "git": {}});
    check(
        &fake,
        Engine::Fast,
        several,
        expect![[r#"
        list[0]: {"a":"b"} with {"metadata":{}}
        PARTIAL git: the generator has neither directories nor files
    "#]],
    );
}

#[test]
fn a_merge_without_all_of_its_overlays_is_none() {
    let fake = Fake::default();
    let merge = |over: Value| {
        json!({"merge": {"mergeKeys": ["k"], "generators": [
            {"list": {"elements": [{"k": "1", "v": "base"}, {"k": "2", "v": "base"}]}},
            {"list": {"elements": over}},
        ]}})
    };
    check(
        &fake,
        Engine::Fast,
        merge(json!([{"k": "2", "v": "over"}, {"k": "3"}])),
        expect![[r#"
        list[0]: {"k":"1","v":"base"}
        list[1]: {"k":"2","v":"over"}
    "#]],
    );
    check(
        &fake,
        Engine::Fast,
        merge(json!([{"k": "2", "v": 5}])),
        expect![[r#"
        FAULT GeneratorFailed: merge.generators[1]: list[0]: v: 5 is not text; quote it, or set goTemplate: true
    "#]],
    );
    check(
        &fake,
        Engine::Fast,
        merge(json!([{"k": "2"}, {"k": "2"}])),
        expect![[r#"
        FAULT GeneratorFailed: merge.generators[1]: list[0] and list[1] are not unique by the mergeKeys: both have {"k":"2"}; add a key that tells them apart
    "#]],
    );
    check(
        &fake,
        GO,
        merge(json!([{"k": "2", "v": ""}])),
        expect![[r#"
        list[0]: {"k":"1","v":"base"}
        list[1]: {"k":"2","v":""}
    "#]],
    );
}

#[test]
fn what_an_overlay_makes_of_a_merge_key_changes_no_key() {
    let list = |yaml: &str| json!({"list": {"elementsYaml": yaml}});
    let merge = json!({"merge": {"mergeKeys": ["k"], "generators": [
        list("[{k: 1}, {k: 2}]"), list("[{k: 1, b: x}]"), list("[{k: 1, c: w}, {k: '1', c: z}]"),
    ]}});
    check(
        &Fake::default(),
        Engine::Fast,
        merge,
        expect![[r#"
        list[0]: {"b":"x","c":"w","k":"1"}
        list[1]: {"k":2}
    "#]],
    );
}

#[test]
fn decisions_that_cannot_be_seen_are_no_decisions() {
    let map = |name: &str, match_key: &str| {
        let data = json!({"apiVersion": "x.test/v1", "kind": "plans", "matchKey": match_key});
        json!({"kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    };
    let plan = |name: &str, status: Value| json!({"apiVersion": "x.test/v1", "kind": "Plan", "metadata": {"name": name, "labels": {"all": "yes"}}, "status": status});
    let list = json!({"clusters": [
        {"c": "eu", "n": 123_456_789_012_i64, "deep": {"a": 2_000_000}}, {"c": "sunk"}, {"n": 1}, 5, {"c": "in-cluster"},
    ]});
    let fake = Fake {
        decisions: Decisions {
            objects: vec![
                plan("one", list).into(),
                plan("draft", json!(null)).into(),
                plan("none", json!({"clusters": []})).into(),
            ],
            config_maps: vec![map("cm", "c"), map("keyless", "")],
            unseen: Vec::new(),
        },
        ..Fake::default()
    }
    .secret("eu", "https://eu.test/", &[]);
    let entry = |map: &str, name: &str| json!({"clusterDecisionResource": {"configMapRef": map, "name": name}});
    check(
        &fake,
        Engine::Fast,
        entry("cm", "one"),
        expect![[r#"
        clusterDecisionResource eu: {"c":"eu","deep":"map[a:2000000]","n":"123456789012","name":"eu","server":"https://eu.test"}
        clusterDecisionResource one.status.clusters[3]: HELD one.status.clusters[3] is not a map
        clusterDecisionResource in-cluster: {"c":"in-cluster","name":"in-cluster","server":"https://kubernetes.default.svc"}
    "#]],
    );
    check(&fake, Engine::Fast, entry("cm", "none"), expect![""]);
    check(
        &fake,
        Engine::Fast,
        entry("cm", "draft"),
        expect![[r#"
        PARTIAL clusterDecisionResource: draft has no status yet
    "#]],
    );
    check(
        &fake,
        Engine::Fast,
        entry("keyless", "one"),
        expect![[r#"
        FAULT GeneratorFailed: clusterDecisionResource: the ConfigMap keyless has no matchKey, so no decision can be matched; name the key of a decision that holds the name of the cluster
    "#]],
    );
    check(
        &fake,
        Engine::Fast,
        entry("cn", "one"),
        expect![[r#"
        FAULT SourceUnavailable: clusterDecisionResource: unknown ConfigMap "cn"; did you mean "cm"? known: cm, keyless; `muster expand` takes ConfigMaps with --decisions
    "#]],
    );
    check(
        &fake,
        Engine::Fast,
        entry("cm", "gone"),
        expect![[r#"
        FAULT SourceUnavailable: clusterDecisionResource: no plans of x.test/v1 was found; check the name or labelSelector
    "#]],
    );
    let unseen = |object: Option<Value>, reason: &str| Unseen {
        api_version: Some("x.test/v1".into()),
        object: object.map(Into::into),
        reason: reason.into(),
    };
    let mut away = fake;
    away.decisions.unseen = vec![
        unseen(Some(plan("none", json!(null))), "none has lost eu"),
        unseen(Some(plan("gone", json!(null))), "gone has lost itself"),
    ];
    check(
        &away,
        Engine::Fast,
        entry("cm", "none"),
        expect![[r#"
            PARTIAL clusterDecisionResource: none has lost eu; what is in force and not among these stays
        "#]],
    );
    check(
        &away,
        Engine::Fast,
        entry("cm", "gone"),
        expect![[r#"
            FAULT SourceUnavailable: clusterDecisionResource: no plans of x.test/v1 was found; gone has lost itself
        "#]],
    );
    let fake = Fake { decisions: Decisions { unseen: Vec::new(), ..away.decisions }, ..away };
    let values = json!({"clusterDecisionResource": {
        "configMapRef": "cm", "labelSelector": {"matchLabels": {"all": "yes"}}, "values": {"v": "{{.c}}"},
    }, "selector": {"matchLabels": {"n": "123456789012"}}});
    check(
        &fake,
        GO,
        values,
        expect![[r#"
        clusterDecisionResource eu: {"c":"eu","deep":"map[a:2000000]","n":"123456789012","name":"eu","server":"https://eu.test","values":{"v":"{{.c}}"}}
        clusterDecisionResource one.status.clusters[3]: HELD one.status.clusters[3] is not a map
        PARTIAL clusterDecisionResource: draft has no status yet
    "#]],
    );
}

#[test]
fn a_file_that_fails_harms_no_other() {
    let files = [
        ("a.yaml", "k: 1\nk: 2\n---\nk: 3"),
        ("b.json", "[{\"x\": null}, 5, null]"),
        ("c.yaml", "- ["),
        ("d.yaml", "# nothing"),
        ("e/f.yaml", "path: mine\nl: [{a: b}]"),
    ];
    let fake = Fake { files: BTreeMap::from(files), ..Fake::default() };
    let entry = json!({"git": {
        "repoURL": "r", "revision": "", "files": [{"path": "*"}], "pathParamPrefix": "p",
    }});
    check(
        &fake,
        Engine::Fast,
        entry,
        expect![[r#"
            git a.yaml: {"k":"2","p.path":".","p.path.basename":".","p.path.basenameNormalized":"","p.path.filename":"a.yaml","p.path.filenameNormalized":"a.yaml","p.path[0]":"."}
            git b.json[0]: {"p.path":".","p.path.basename":".","p.path.basenameNormalized":"","p.path.filename":"b.json","p.path.filenameNormalized":"b.json","p.path[0]":".","x":"<nil>"}
            git b.json[1]: HELD b.json: 5 is not a map of parameters, nor a list of maps
            git b.json[2]: {"p.path":".","p.path.basename":".","p.path.basenameNormalized":"","p.path.filename":"b.json","p.path.filenameNormalized":"b.json","p.path[0]":"."}
            git c.yaml: HELD c.yaml: line 1: a value is expected here, and there is none
            git d.yaml: {"p.path":".","p.path.basename":".","p.path.basenameNormalized":"","p.path.filename":"d.yaml","p.path.filenameNormalized":"d.yaml","p.path[0]":"."}
            git e/f.yaml: {"l.0.a":"b","p.path":"e","p.path.basename":"e","p.path.basenameNormalized":"e","p.path.filename":"f.yaml","p.path.filenameNormalized":"f.yaml","p.path[0]":"e","path":"mine"}
        "#]],
    );
    let entry = json!({"git": {
        "repoURL": "r", "revision": "",
        "directories": [{"path": "*"}, {"path": "x", "exclude": true}],
        "values": {"v": "{{typeOf .path.segments}}"},
    }});
    check(
        &fake,
        GO,
        entry,
        expect![[r#"
        git e: {"path":{"basename":"e","basenameNormalized":"e","path":"e","segments":["e"]},"values":{"v":"[]string"}}
    "#]],
    );
}

#[test]
fn too_many_rows_are_none() {
    let fake = Fake { max_elements: Some(50), ..Fake::default() };
    let list = |count: usize, key: &str| {
        let elements: Vec<_> = (0..count).map(|n| json!({key: n.to_string()})).collect();
        json!({"list": {"elements": elements}})
    };
    let matrix = json!({"matrix": {"generators": [list(10, "a"), list(10, "b")]}});
    expect![[r#"
        FAULT TooManyElements: matrix gives more than 50 elements; narrow it with a selector, divide the set, or allow more with the annotation muster.dev/max-elements
    "#]].assert_eq(&fake.given(Engine::Fast, &matrix));
    let given = fake.given(Engine::Fast, &list(51, "a"));
    assert!(given.starts_with("FAULT TooManyElements: list"), "{given}");
    assert_eq!(fake.given(Engine::Fast, &list(50, "a")).lines().count(), 50);
}
