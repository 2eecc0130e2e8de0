//! What a project permits and refuses, and the problems of what it cannot enforce.

use model::name::ProjectName;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn project(spec: Value) -> Project {
    Project { name: ProjectName::new("p").unwrap(), namespace: "argocd".to_owned(), spec }
}

fn cluster(name: &str, server: &str, of: &str) -> Cluster {
    serde_json::from_value(json!({
        "metadata": {"name": name}, "spec": {"server": server, "project": of},
    }))
    .unwrap()
}

fn application(repository: &str, cluster: &str, namespace: &str) -> Application {
    serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "project": "p", "source": {"repoURL": repository, "path": "."},
            "destination": {"cluster": cluster, "namespace": namespace},
        },
    }))
    .unwrap()
}

fn permits_repository(patterns: Value, url: &str) -> bool {
    Rules::new(&json!({"sourceRepos": patterns})).permits_repository(url)
}

fn permits(destinations: Value, name: &str, namespace: &str) -> bool {
    let rules = Rules::new(&json!({"destinations": destinations}));
    rules.permits_destination(name, &format!("https://{name}.example"), namespace)
}

#[test]
fn repositories_are_globs_by_segment_and_spelling_does_not_matter() {
    let permits = permits_repository;
    assert!(permits(json!(["*"]), "https://git.example/a/b.git"));
    assert!(permits(json!(["https://git.example/team/*"]), "https://Git.example/team/a.git"));
    assert!(!permits(json!(["https://git.example/team/*"]), "https://git.example/team/a/b"));
    assert!(permits(json!(["https://git.example/**"]), "https://git.example/team/a/b"));
    assert!(permits(json!(["git@git.example:a/b.git"]), "ssh://git@git.example/a/b"));
    assert!(permits(json!(["https://{a,b}.example/x"]), "https://b.example/x/"));
    assert!(!permits(json!([]), "https://git.example/a"));
    assert!(!permits(json!(["*", "!https://git.example/secret"]), "https://git.example/secret"));
    assert!(permits(json!(["!https://git.example/secret"]), "https://git.example/open"));
}

#[test]
fn destinations_are_clusters_and_namespaces() {
    assert!(permits(json!([{"server": "*", "namespace": "*"}]), "eu-1", ""));
    assert!(permits(json!([{"name": "eu-*", "namespace": "team-*"}]), "eu-1", "team-a"));
    assert!(!permits(json!([{"name": "eu-*", "namespace": "team-*"}]), "us-1", "team-a"));
    assert!(!permits(json!([{"name": "eu-*", "namespace": "team-*"}]), "eu-1", "kube-system"));
    assert!(permits(json!([{"server": "https://eu-1.example", "namespace": "a"}]), "eu-1", "a"));
    assert!(!permits(json!([{"namespace": "*"}]), "eu-1", "a"), "neither name nor server");
    let but_kube = json!([
        {"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!kube-*"},
    ]);
    assert!(permits(but_kube.clone(), "eu-1", "web"));
    assert!(!permits(but_kube, "eu-1", "kube-system"));
    let but_prod = json!([{"name": "*", "namespace": "*"}, {"name": "!prod", "namespace": "*"}]);
    assert!(permits(but_prod.clone(), "eu-1", "a"));
    assert!(!permits(but_prod, "prod", "a"));
}

#[test]
fn an_application_is_held_with_the_rule_that_it_breaks() {
    let spec = json!({
        "sourceRepos": ["https://git.example/*"],
        "destinations": [{"name": "eu-*", "namespace": "web"}],
        "permitOnlyProjectScopedClusters": true,
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    });
    let projects = Projects::new([&project(spec)]);
    assert_eq!(projects.problems, []);
    let check = |repository: &str, to: &Cluster, namespace: &str| {
        let application = application(repository, to.metadata.name.as_str(), namespace);
        projects.check(&application, Some(to)).err().unwrap_or_default()
    };
    let (own, other) = (cluster("eu-1", "", "p"), cluster("eu-2", "", "q"));
    assert_eq!(check("https://git.example/a", &own, "web"), "");
    assert!(check("https://other/a", &own, "web").contains("add it to its sourceRepos"));
    assert!(
        check("https://git.example/a", &own, "db").contains("namespace \"db\" of cluster eu-1")
    );
    assert!(check("https://git.example/a", &other, "web").contains("clusters of its own only"));
    let mut elsewhere = application("https://other/a", "eu-1", "db");
    elsewhere.spec.project = "unknown".to_owned();
    assert_eq!(projects.check(&elsewhere, Some(&own)), Ok(()));
}

#[test]
fn what_is_not_enforced_is_said() {
    let told = |spec: Value| {
        Projects::new([&project(spec)]).problems.first().map(|one| one.message.clone())
    };
    let all = json!([{"group": "*", "kind": "*"}]);
    assert_eq!(told(json!({"clusterResourceWhitelist": all, "description": "x"})), None);
    let message = told(json!({
        "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
        "namespaceResourceWhitelist": all,
        "syncWindows": [{"kind": "deny"}],
        "roles": [],
    }));
    assert!(message.unwrap().contains("not: clusterResourceWhitelist, syncWindows;"));
    assert!(told(json!({})).unwrap().contains("clusterResourceWhitelist (none)"));
    assert!(
        told(json!({"clusterResourceWhitelist": all, "namespaceResourceWhitelist": []}))
            .unwrap()
            .contains("not: namespaceResourceWhitelist;")
    );
}

#[test]
fn a_pattern_that_cannot_be_read_permits_nothing() {
    for bad in ["{a", "[a", "a\\", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"] {
        assert!(!Pattern::free(bad).matches("a"), "{bad}");
        assert!(!Pattern::free(&format!("!{bad}")).matches("a"), "!{bad}");
    }
}

proptest! {
    #[test]
    fn any_pattern_ends(pattern in "[!*?a{},\\[\\]\\\\/-]{0,24}", text in "[a/]{0,24}") {
        Pattern::free(&pattern).matches(&text);
        Pattern::within_segments(&pattern).matches(&text);
    }

    #[test]
    fn a_text_matches_itself(text in "[a-z0-9./:-]{0,24}") {
        prop_assert!(Pattern::within_segments(&text).matches(&text));
    }
}
