//! Applications of Argo CD as a spoke runs them, and what holds those that it cannot run.

use model::cluster::Cluster;
use model::document::{self, Resource};
use serde_json::json;

use super::*;

fn clusters() -> Vec<Cluster> {
    let cluster = |name: &str, server: &str| {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"server": server}}))
            .unwrap()
    };
    vec![
        cluster("eu-1", "https://eu-1.example/"),
        cluster("eu-2", ""),
        cluster("twin-a", "https://twin"),
        cluster("twin-b", "https://twin"),
        cluster("hub", "https://kubernetes.default.svc"),
    ]
}

/// Reads the document first, so that no test relies on a tree that no document can have.
fn translated(spec: &Value) -> Result<Translation, Untranslatable> {
    with_metadata(&json!({"name": "web"}), spec)
}

fn with_metadata(metadata: &Value, spec: &Value) -> Result<Translation, Untranslatable> {
    let document = json!({
        "apiVersion": argo::API_VERSION, "kind": "Application", "metadata": metadata, "spec": spec,
    });
    let Ok(Resource::Argo(resource)) = document::resource(1, document) else { panic!("{spec}") };
    let argo::Resource::Application(application) = *resource else { panic!("an application") };
    translate(&application, &Destinations::new(&clusters()))
}

fn spec(source: Value) -> Value {
    json!({"project": "p", "source": source, "destination": {"name": "eu-1", "namespace": "n"}})
}

fn plain() -> Value {
    json!({"repoURL": "https://git.example/a.git", "path": "deploy"})
}

fn refusal(spec: &Value) -> String {
    translated(spec).unwrap_err().message
}

#[test]
fn everything_that_a_spoke_does_comes_across() {
    let document = json!({
        "project": "",
        "source": {
            "repoURL": "https://git.example/a.git", "path": "chart", "targetRevision": "v1",
            "name": "main", "ref": "values",
            "directory": {"recurse": false},
            "helm": {
                "releaseName": "r", "valueFiles": ["a.yaml", "/b.yaml"], "values": "not: used",
                "valuesObject": {"replicas": 2}, "version": "v3", "skipTests": true,
                "parameters": [{"name": "x", "value": "1", "forceString": true}],
                "ignoreMissingValueFiles": true, "skipCrds": true,
                "kubeVersion": "1.33", "apiVersions": ["a/v1"],
            },
        },
        "destination": {"server": "https://eu-1.example", "namespace": "apps"},
        "syncPolicy": {
            "automated": {"prune": true},
            "syncOptions": ["CreateNamespace=true", "PruneLast=true", "ApplyOutOfSyncOnly=true"],
            "retry": {"limit": 5},
            "managedNamespaceMetadata": {"labels": {"team": "a"}},
        },
        "ignoreDifferences": [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec"]}],
        "info": [{"name": "url", "value": "https://x"}],
        "revisionHistoryLimit": 3,
    });
    let metadata = json!({"name": "web", "labels": {"a": "b"}, "annotations": {"c": "d"},
        "finalizers": ["resources-finalizer.argocd.argoproj.io/background"]});
    let Translation { application, on_removal } = with_metadata(&metadata, &document).unwrap();
    assert_eq!(on_removal, OnRemoval::Prune);
    assert_eq!(
        serde_json::to_value(application).unwrap(),
        json!({
            "metadata": {"name": "web", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {
                "project": "default",
                "source": {
                    "repoURL": "https://git.example/a.git", "targetRevision": "v1",
                    "path": "chart",
                    "helm": {
                        "releaseName": "r", "valueFiles": ["a.yaml", "/b.yaml"],
                        "valuesObject": {"replicas": 2},
                        "parameters": [{"name": "x", "value": "1", "forceString": true}],
                        "ignoreMissingValueFiles": true, "skipCrds": true,
                        "kubeVersion": "1.33", "apiVersions": ["a/v1"],
                    },
                },
                "destination": {"cluster": "eu-1", "namespace": "apps"},
                "syncPolicy": {
                    "automated": {"prune": true, "selfHeal": false, "allowEmpty": false},
                    "syncOptions": ["CreateNamespace=true", "PruneLast=true"],
                    "managedNamespaceMetadata": {"labels": {"team": "a"}},
                },
                "ignoreDifferences": [
                    {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec"]},
                ],
                "info": [{"name": "url", "value": "https://x"}],
            },
        })
    );
}

#[test]
fn kustomize_comes_across_with_counts_as_numbers() {
    let mut source = plain();
    source["kustomize"] = json!({
        "namePrefix": "p-", "images": ["a:1"], "commonLabels": {"x": "y"}, "components": ["../c"],
        "replicas": [{"name": "web", "count": "3"}, {"name": "api", "count": 2}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": "[]"}],
        "forceCommonLabels": true,
    });
    let read = translated(&spec(source)).unwrap().application.spec.source.kustomize.unwrap();
    assert_eq!(
        serde_json::to_value(read).unwrap(),
        json!({
            "namePrefix": "p-", "images": ["a:1"], "commonLabels": {"x": "y"},
            "components": ["../c"],
            "replicas": [{"name": "web", "count": 3}, {"name": "api", "count": 2}],
            "patches": [{"target": {"kind": "Deployment"}, "patch": "[]"}],
        })
    );
}

#[test]
fn without_the_finalizer_the_objects_are_left_alone() {
    let spec = spec(plain());
    assert_eq!(translated(&spec).unwrap().on_removal, OnRemoval::Orphan);
    let metadata = json!({"name": "web", "finalizers": ["resources-finalizer.argocd.argoproj.io"]});
    assert_eq!(with_metadata(&metadata, &spec).unwrap().on_removal, OnRemoval::Prune);
    let mut kept = spec;
    kept["syncPolicy"] = json!({"syncOptions": ["Delete=false"]});
    assert_eq!(with_metadata(&metadata, &kept).unwrap().on_removal, OnRemoval::Orphan);
}

#[test]
fn one_entry_of_sources_is_the_source() {
    let document = json!({"project": "p", "sources": [plain()], "destination": {"name": "eu-1"}});
    assert_eq!(translated(&document).unwrap().application.spec.source.path, "deploy");
}

#[test]
fn what_a_spoke_does_not_do_is_refused_by_the_name_of_its_field() {
    let with = |field: &str, value: Value| {
        let mut source = plain();
        source[field] = value;
        spec(source)
    };
    let policy = |options: Value| {
        let mut spec = spec(plain());
        spec["syncPolicy"] = json!({"syncOptions": options});
        spec
    };
    let mut several = spec(plain());
    several["sources"] = json!([plain(), plain()]);
    let mut hydrated = spec(plain());
    hydrated["sourceHydrator"] = json!({"drySource": {"repoURL": "u"}});
    let mut paths = spec(plain());
    paths["ignoreDifferences"] =
        json!([{"kind": "*", "jqPathExpressions": [".a"]}, {"kind": "Deploy*"}]);
    let cases = [
        (several, "spec.sources: Muster runs one source"),
        (hydrated, "spec.sourceHydrator: "),
        (with("chart", json!("nginx")), "spec.source.chart: "),
        (with("repoURL", json!("oci://r/x")), "spec.source.repoURL: OCI"),
        (with("path", json!("")), "spec.source: a source needs repoURL and path"),
        (with("tagPrefix", json!("a/")), "spec.source.tagPrefix: "),
        (with("plugin", json!({"name": "x"})), "spec.source.plugin: "),
        (with("directory", json!({"jsonnet": {"libs": ["a"]}})), "spec.source.directory.jsonnet: "),
        (
            with("helm", json!({"fileParameters": [{"name": "a"}]})),
            "spec.source.helm.fileParameters: ",
        ),
        (with("helm", json!({"namespace": "x"})), "spec.source.helm.namespace: "),
        (with("helm", json!({"version": "v2"})), "spec.source.helm.version: "),
        (
            with("helm", json!({"valueFiles": ["$values/a.yaml"]})),
            "spec.source.helm.valueFiles[0]: ",
        ),
        (with("helm", json!({"valueFiles": ["a", "*.yaml"]})), "spec.source.helm.valueFiles[1]: "),
        (
            with("helm", json!({"parameters": [{"name": "a", "value": "$ARGOCD_APP_NAME"}]})),
            "spec.source.helm.parameters[0].value: Muster replaces no $VARIABLES",
        ),
        (with("kustomize", json!({"version": "v4"})), "spec.source.kustomize.version: "),
        (with("kustomize", json!({"labelWithoutSelector": true})), "spec.source.kustomize.labelW"),
        (
            with("kustomize", json!({"replicas": [{"name": "a", "count": "x"}]})),
            "spec.source.kustomize.replicas[0].count: a number belongs here",
        ),
        (policy(json!(["Replace=true"])), "spec.syncPolicy.syncOptions: Replace=true replaces"),
        (policy(json!(["Prune=confirm"])), "spec.syncPolicy.syncOptions: Prune=confirm is not"),
        (
            policy(json!(["CreateNamespaces=true"])),
            "spec.syncPolicy.syncOptions: unknown option \"CreateNamespaces=true\"; did you mean \
             \"CreateNamespace=true\"?",
        ),
        (
            paths,
            "spec.ignoreDifferences[0].jqPathExpressions: Muster leaves out what jsonPointers \
             name, and nothing else; spec.ignoreDifferences[1]: of patterns",
        ),
    ];
    for (spec, message) in cases {
        let Untranslatable { reason, message: told } = translated(&spec).unwrap_err();
        assert!(told.starts_with(message), "{told}");
        assert_eq!(reason, Reason::Unsupported);
    }
    let skipped = json!({"name": "web", "annotations": {SKIP: "true"}});
    let told = with_metadata(&skipped, &spec(plain())).unwrap_err().message;
    assert!(told.contains("muster pause"), "{told}");
}

#[test]
fn a_destination_is_a_cluster_by_name_or_by_server() {
    let to = |destination: Value| {
        let document = json!({"project": "p", "source": plain(), "destination": destination});
        translated(&document).map(|read| read.application.spec.destination.cluster.to_string())
    };
    let found = |destination: Value| to(destination).unwrap();
    assert_eq!(found(json!({"name": "eu-2"})), "eu-2");
    assert_eq!(found(json!({"server": "https://eu-1.example"})), "eu-1");
    assert_eq!(found(json!({"server": "muster://eu-2"})), "eu-2");
    assert_eq!(found(json!({"name": "in-cluster"})), "hub");
    assert_eq!(found(json!({"server": "https://kubernetes.default.svc/"})), "hub");
    for (destination, reason, message) in [
        (json!({}), Reason::InvalidApplication, "there is neither a name nor a server"),
        (
            json!({"name": "eu-1", "server": "https://eu-1.example"}),
            Reason::InvalidApplication,
            "there are a name and a server",
        ),
        (json!({"name": "eu-9"}), Reason::UnknownCluster, "there is no cluster \"eu-9\""),
        (json!({"server": "https://x"}), Reason::UnknownCluster, "no cluster has the server"),
        (json!({"server": "https://twin"}), Reason::UnknownCluster, "twin-a and twin-b both have"),
    ] {
        let untranslatable = to(destination).unwrap_err();
        assert_eq!(untranslatable.reason, reason);
        let told = untranslatable.message;
        assert!(told.starts_with(&format!("spec.destination: {message}")), "{told}");
    }
}

#[test]
fn nobody_is_in_cluster_until_a_cluster_says_so() {
    let clusters = vec![
        serde_json::from_value::<Cluster>(json!({"metadata": {"name": "eu-1"}, "spec": {}}))
            .unwrap(),
    ];
    let destinations = Destinations::new(&clusters);
    for destination in
        [json!({"name": "in-cluster"}), json!({"server": "https://kubernetes.default.svc"})]
    {
        let untranslatable = destinations.resolve(&destination).unwrap_err();
        assert_eq!(untranslatable.reason, Reason::UnknownCluster);
        assert!(untranslatable.message.contains("where Argo CD itself runs"));
    }
}

#[test]
fn all_that_stands_in_the_way_is_told_at_once() {
    let mut source = plain();
    source["chart"] = json!("nginx");
    source["plugin"] = json!({"name": "x"});
    assert_eq!(refusal(&spec(source)).matches("spec.source.").count(), 2);
}
