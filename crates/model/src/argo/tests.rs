//! Documents as Argo CD has them: what is taken, what is refused and in which words.

use std::fmt::Write as _;

use serde_json::json;

use super::*;
use crate::document::{self, DocumentError, Resource as Any};

fn read(text: &str) -> (Vec<Any>, Vec<DocumentError>) {
    document::read(text.as_bytes())
}

fn good(text: &str) -> Resource {
    let (mut resources, errors) = read(text);
    assert_eq!(errors, [], "{text}");
    match resources.remove(0) {
        Any::Argo(resource) => *resource,
        other => panic!("{other:?}"),
    }
}

fn set(spec: &str) -> String {
    let spec: String = spec.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "  {line}");
        text
    });
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s}}\nspec:\n{spec}"
    )
}

/// The only error of a document.
fn error(text: &str) -> String {
    let (resources, errors) = read(text);
    assert_eq!((resources.len(), errors.len()), (0, 1), "{errors:?}");
    errors[0].to_string()
}

fn starts(text: &str, with: &str) {
    let error = error(text);
    assert!(error.starts_with(with), "{error}");
}

#[test]
fn a_document_from_a_server_is_accepted_unchanged() {
    let Resource::ApplicationSet(set) = good(
        "apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: guestbook
  generateName: guest
  uid: 3f1f5d6e
  resourceVersion: '812'
  generation: 3
  creationTimestamp: 2026-01-02T03:04:05Z
  labels: {tier: 1, live: yes}
  annotations: {note: null}
  finalizers: [resources-finalizer.argocd.argoproj.io]
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: y}]
  managedFields: [{manager: kubectl, fieldsV1: {f:spec: {}}}]
spec:
  goTemplate: true
  generators: [{list: {elements: [{a: 1}, null]}}, {clusters: }]
  template: {metadata: {name: x}, spec: {project: default}}
status: {conditions: [{type: ErrorOccurred}]}
",
    ) else {
        panic!("a set")
    };
    assert_eq!((set.name.as_str(), set.namespace.as_str()), ("guestbook", "argocd"));
    assert_eq!((set.labels["tier"].as_str(), set.labels["live"].as_str()), ("1", "true"));
    assert_eq!(set.annotations["note"], "");
    // An element is any tree and keeps its null; a generator that is null is none.
    assert_eq!(set.spec["generators"], json!([{"list": {"elements": [{"a": 1}, null]}}, {}]));
}

#[test]
fn text_is_text_whatever_yaml_makes_of_it() {
    let Resource::Application(application) = good(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: apps, uid: gone}
operation: {sync: {}}
spec:
  project: 5
  source: {REPOURL: u, path: p, targetRevision: 1.10, chart: 0.123456789, helm: {releaseName: 0.00001, version: 1234567.5, kubeVersion: 1e6, valuesObject: {m: 1e6}}}
  destination: {server: s, namespace: n}
  revisionHistoryLimit: 3.0
",
    ) else {
        panic!("an application")
    };
    assert_eq!(
        application.document.to_value(),
        json!({
            "metadata": {"name": "web", "namespace": "apps"},
            "spec": {
                "project": "5",
                "source": {
                    "repoURL": "u", "path": "p", "targetRevision": "1.1", "chart": "0.12345679",
                    "helm": {
                        "releaseName": "1e-05", "version": "1.2345675e+06",
                        "kubeVersion": "1e+06", "valuesObject": {"m": 1_000_000},
                    },
                },
                "destination": {"server": "s", "namespace": "false"},
                "revisionHistoryLimit": 3,
            },
        })
    );
}

#[test]
fn what_was_read_is_printed_and_read_again() {
    for text in [
        set("generators: [{git: {repoURL: u, revision: 1.0, files: [{path: '*'}]}}]"),
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: p}\nspec: {sourceRepos: ['*']}\n".to_owned(),
        "{\"apiVersion\":\"argoproj.io/v1alpha1\",\"kind\":\"Application\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"project\":\"p\"}}".to_owned(),
    ] {
        let first = Any::Argo(Box::new(good(&text)));
        assert_eq!(document::resource(1, first.to_value()), Ok(first));
    }
}

#[test]
fn lists_are_their_items() {
    let (resources, errors) = read(
        "apiVersion: v1
kind: List
items:
- {apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: a}, spec: {}}
- apiVersion: argoproj.io/v1alpha1
  kind: ApplicationSetList
  metadata: {resourceVersion: '4'}
  items:
  - {metadata: {name: b}, spec: {generators: []}}
- {apiVersion: muster.dev/v1alpha1, kind: Cluster, metadata: {name: c}}
---
apiVersion: v1
kind: List
items: []
",
    );
    assert_eq!(errors, []);
    let names: Vec<_> = resources.iter().map(|one| (one.kind(), one.name())).collect();
    assert_eq!(names, [("AppProject", "a"), ("ApplicationSet", "b"), ("Cluster", "c")]);
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest_known_one() {
    starts(
        &set("generators: [{clusers: {}}]"),
        "ApplicationSet s: spec.generators[0].clusers: unknown generator kind \"clusers\"; did you \
         mean \"clusters\"? known: list, clusters, git,",
    );
    starts(
        &set("generators: [{matrix: {generators: [{list: {}}, {gitt: {}}]}}]"),
        "ApplicationSet s: spec.generators[0].matrix.generators[1].gitt: unknown generator kind \
         \"gitt\"; did you mean \"git\"?",
    );
    starts(
        &set("template: {spec: {source: {repoUrl: u, targetRevison: x}}}"),
        "ApplicationSet s: spec.template.spec.source.targetRevison: unknown field \
         \"targetRevison\"; did you mean \"targetRevision\"?",
    );
    starts(
        &set("syncPolicy: {applicationsSync: create}"),
        "ApplicationSet s: spec.syncPolicy.applicationsSync: unknown policy \"create\"",
    );
    let kind = |kind: &str| {
        format!("apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: s}}")
    };
    starts(
        &kind("Applicationset"),
        "document 1: unknown kind of argoproj.io/v1alpha1 \"Applicationset\"; did you mean \
         \"ApplicationSet\"?",
    );
    starts(&kind("Application"), "Application s: spec: there is none");
    starts(
        &format!("{}\nspecs: {{}}", kind("AppProject")),
        "AppProject s: specs: unknown field \"specs\"; did you mean \"spec\"?",
    );
    starts(
        "apiVersion: argoproj.io/v1beta1\nkind: Application\nmetadata: {name: a}",
        "document 1: apiVersion \"argoproj.io/v1beta1\" is not known; known: muster.dev/v1alpha1, \
         argoproj.io/v1alpha1",
    );
}

#[test]
fn a_wrong_type_is_an_error_that_does_not_quote_the_value() {
    for (spec, message) in [
        ("goTemplate: 'true'", "spec.goTemplate: true or false belongs here, not text"),
        ("generators: {list: {}}", "spec.generators: a list belongs here, not a map"),
        ("generators: [list]", "spec.generators[0]: a map belongs here, not text"),
        (
            "generators: [{git: {requeueAfterSeconds: 1.5}}]",
            "spec.generators[0].git.requeueAfterSeconds: a whole number belongs here, not a number",
        ),
        (
            "template: {metadata: {labels: {a: [b]}}}",
            "spec.template.metadata.labels.a: text belongs here, not a list",
        ),
        (
            "generators: [{clusters: {values: [a]}}]",
            "spec.generators[0].clusters.values: a map belongs here, not a list",
        ),
        (
            "strategy: {rollingSync: {steps: [{maxUpdate: true}]}}",
            "spec.strategy.rollingSync.steps[0].maxUpdate: a whole number belongs here, not a bool",
        ),
        (
            "template: {spec: {project: a, Project: b}}",
            "spec.template.spec: \"project\" stands twice",
        ),
    ] {
        starts(&set(spec), &format!("ApplicationSet s: {message}"));
    }
}

#[test]
fn below_two_levels_the_tree_stays_as_it_is() {
    let nested = |inner: &str| {
        set(&format!(
            "generators: [{{matrix: {{generators: [{{merge: {inner}}}, {{list: {{}}}}]}}}}]"
        ))
    };
    let read = |inner: &str| match good(&nested(inner)) {
        Resource::ApplicationSet(set) => {
            set.spec.pointer("/generators/0/matrix/generators/0/merge").cloned()
        }
        other => panic!("{other:?}"),
    };
    let third = json!({"generators": [{"matrix": {"anything": 1}, "list": {"elements": []}}]});
    assert_eq!(read(&third.to_string()), Some(third));
    // JSON that is read later: what is no text is not taken for text.
    starts(
        &nested("{generators: [{clusters: {values: {a: 5}}}]}"),
        "ApplicationSet s: spec.generators[0].matrix.generators[0].merge.generators[0].clusters\
         .values.a: text belongs here, not a number; put it in quotes",
    );
}

#[test]
fn names_are_needed() {
    let project = |metadata: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {metadata}\nspec: {{}}"
        )
    };
    starts(&project("{}"), "AppProject (no name): metadata.name: there is none");
    starts(&project("{generateName: a-}"), "AppProject (no name): metadata.name: there is only a");
    starts(
        &project("{name: A_b}"),
        "AppProject A_b: metadata.name: \"A_b\" is not a valid project",
    );
}

#[test]
fn one_bad_document_hides_no_other() {
    let (resources, errors) = read(&format!("{}---\n{}", set("bogus: 1"), set("generators: []")));
    assert_eq!((resources.len(), errors.len()), (1, 1));
}

#[test]
fn a_cluster_secret_gives_its_name_address_and_project_only() {
    let (clusters, secrets, errors) = read_clusters(
        b"apiVersion: v1
kind: SecretList
items:
- metadata:
    name: c-1
    labels: {argocd.argoproj.io/secret-type: cluster, tier: 1}
  data: {name: ZXUtMQ==, server: 'aHR0cHM6Ly9ldS0x', config: bm90IGtlcHQ=}
- metadata: {name: repo, labels: {argocd.argoproj.io/secret-type: repository}}
  data: {url: '!!! not base64'}
- metadata:
    name: c-2
    labels: {argocd.argoproj.io/secret-type: cluster}
    annotations: {}
  data: {name: aWdub3JlZA==}
  stringData: {name: eu-2, server: 'https://eu-2', project: p, config: '{\"bearerToken\": \"hidden\"}'}
---
apiVersion: muster.dev/v1alpha1
kind: Cluster
metadata: {name: eu-3}
",
    );
    assert_eq!(errors, []);
    assert_eq!(clusters.len(), 1);
    let found = |secret: &ClusterSecret| {
        (secret.name.clone(), secret.server.clone(), secret.project.clone())
    };
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(found(&secrets[0]), text("eu-1", "https://eu-1", ""));
    assert_eq!(found(&secrets[1]), text("eu-2", "https://eu-2", "p"));
    assert_eq!(secrets[0].labels.as_ref().unwrap()["tier"], "1");
    assert_eq!(secrets[1].annotations, None);
    assert!(!format!("{secrets:?}").contains("hidden"));
}

#[test]
fn an_error_in_a_secret_quotes_nothing_of_it() {
    let secret = |data: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: c, labels: \
             {{argocd.argoproj.io/secret-type: cluster}}}}, {data}}}"
        );
        let (_, secrets, errors) = read_clusters(text.as_bytes());
        assert_eq!((secrets.len(), errors.len()), (0, 1));
        errors[0].to_string()
    };
    let message = secret("data: {name: 's3cret!'}");
    assert_eq!(
        message,
        "Secret c: data.name: the value is not base64 of text; plain text goes into stringData"
    );
    assert_eq!(
        secret("stringData: {name: [s3cret]}"),
        "Secret c: stringData.name: text belongs here, not a list"
    );
    assert_eq!(secret("stringData: {server: s}"), "Secret c: data.name: the cluster has no name");
    assert_eq!(
        secret("stringData: {name: n}"),
        "Secret c: data.server: the cluster has no address"
    );
    let long = "x".repeat(9000);
    let message = secret(&format!("stringData: {{name: {long}}}"));
    assert_eq!(message, "Secret c: stringData.name: the value is longer than 8192 bytes");
}

#[test]
fn decisions_are_objects_and_config_maps() {
    let (decisions, errors) = read_decisions(
        b"{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {matchKey: clusterName, x: 1}}
---
apiVersion: v1
kind: List
items:
- apiVersion: cluster.open-cluster-management.io/v1beta1
  kind: PlacementDecision
  metadata: {name: p}
  status: {decisions: [{clusterName: eu-1, weight: 12345678901}]}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}}
---
{kind: Thing, metadata: {name: s}}
---
{apiVersion: a/v1, kind: Thing}
",
    );
    assert_eq!(decisions.config_maps[0]["data"], json!({"matchKey": "clusterName", "x": "1"}));
    let decision = &decisions.objects[0]["status"]["decisions"][0];
    assert_eq!(decision, &json!({"clusterName": "eu-1", "weight": 12_345_678_901_i64}));
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "document 3: a Secret decides nothing; take it out of this file",
            "document 4 has no apiVersion",
            "document 5 has no metadata.name",
        ]
    );
}

#[test]
fn a_tree_of_any_shape_does_not_panic() {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}]{0,6}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "generators",
        "matrix",
        "merge",
        "list",
        "template",
        "spec",
        "source",
        "values",
        "Spec",
        "metadata",
        "name",
        "labels",
        "git",
        "kind",
        "items",
        "x",
    ]);
    let tree = leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    proptest!(ProptestConfig::with_cases(256), |(spec in tree)| {
        for kind in ["ApplicationSet", "Application", "AppProject"] {
            let document = json!({
                "apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "a"}, "spec": spec,
            });
            if let Ok(resource) = document::resource(1, document) {
                prop_assert_eq!(document::resource(1, resource.to_value()), Ok(resource));
            }
        }
    });
}

#[test]
fn annotations_say_what_argo_cd_has_no_field_for() {
    let annotated = |annotations: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n\
             metadata: {{name: s, annotations: {{{annotations}}}}}\nspec: {{generators: []}}"
        )
    };
    let safety = |annotations: &str| match good(&annotated(annotations)) {
        Resource::ApplicationSet(set) => set.safety.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(safety("muster.dev/other: x"), Safety::default());
    let all = safety("muster.dev/deletion-budget: 25%, muster.dev/max-elements: \"120000\"");
    assert_eq!(all.deletion_budget.to_string(), "25%");
    assert_eq!(all.max_elements.map(|limit| limit.get()), Some(120_000));
    assert_eq!(safety("muster.dev/deletion-budget: '7'").deletion_budget.to_string(), "7");
    starts(
        &annotated("muster.dev/deletion-budget: most"),
        "ApplicationSet s: metadata.annotations.muster.dev/deletion-budget: \"most\" is \
         not a deletion budget",
    );
    starts(
        &annotated("muster.dev/max-elements: '0'"),
        "ApplicationSet s: metadata.annotations.muster.dev/max-elements: 0 is not a limit",
    );
}
