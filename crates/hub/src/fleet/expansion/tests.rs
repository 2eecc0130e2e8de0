//! The cost of a pass follows what changed (law L9).

use std::time::Duration;

use model::document;

use super::*;
use crate::fleet::documents::ResourceKey;
use crate::fleet::repositories::Repositories;

const SETS: &str = r#"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: dev}
spec:
  generators: [{clusters: {selector: {matchLabels: {env: dev}}}}]
  template:
    metadata: {name: "{{name}}-{{metadata.labels.env}}"}
    spec: {source: {repoURL: "https://git.example/a.git", path: a}, destination: {cluster: "{{name}}"}}
---
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: prod}
spec:
  generators: [{clusters: {selector: {matchLabels: {env: prod}}}}]
  template:
    metadata: {name: "{{name}}-{{metadata.labels.env}}"}
    spec: {source: {repoURL: "https://git.example/a.git", path: a}, destination: {cluster: "{{name}}"}}
---
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: files}
spec:
  generators: [{git: {repoURL: "https://git.example/fleet.git", revision: main, directories: [{path: "*"}]}}]
  template:
    metadata: {name: "{{path.basename}}"}
    spec: {source: {repoURL: "https://git.example/a.git", path: a}, destination: {cluster: eu-1}}
"#;

fn moment(documents: &Arc<Documents>, joined: &[(&str, &str)]) -> Moment {
    let cluster = |(name, env): &(&str, &str)| {
        let value = serde_json::json!({"metadata": {"name": name, "labels": {"env": env}}});
        serde_json::from_value(value).unwrap()
    };
    Moment {
        state: Arc::default(),
        documents: Arc::clone(documents),
        repository: None,
        reading: None,
        joined: joined.iter().map(cluster).collect(),
        answers: Answers::default(),
        believed: Believed::new(None),
        trees: Repositories::new(Duration::from_secs(60), 0).trees(),
        resolutions: BTreeMap::new(),
        unavailable: Vec::new(),
        paused: BTreeSet::new(),
        approvals: BTreeMap::new(),
        epoch: Epoch { id: 1, counter: 1 },
        now: Timestamp(0),
    }
}

#[test]
fn a_label_change_expands_only_the_sets_that_look_at_it() {
    let (resources, errors) = document::read(SETS.as_bytes());
    assert_eq!(errors, Vec::new());
    let mut documents = Documents::default();
    for resource in resources {
        documents.stored.insert(ResourceKey::of(&resource), Arc::new(resource));
    }
    let documents = Arc::new(documents);
    let mut kept = Incremental::new();
    let mut after = |joined: &[(&str, &str)]| {
        let outcome = work_out(moment(&documents, joined), &mut kept);
        let fresh = work_out(moment(&documents, joined), &mut Incremental::new());
        assert_eq!(outcome.snapshot, fresh.snapshot);
        assert_eq!(outcome.needed, fresh.needed);
        let names: Vec<_> = kept.evaluated().iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    assert_eq!(after(&[("eu-1", "prod"), ("us-1", "dev")]), "dev files prod");
    assert_eq!(after(&[("eu-1", "prod"), ("us-1", "dev")]), "");
    assert_eq!(after(&[("eu-1", "prod"), ("us-1", "dev"), ("us-2", "dev")]), "dev");
    assert_eq!(after(&[("eu-1", "prod"), ("us-1", "test"), ("us-2", "dev")]), "dev");
    assert_eq!(after(&[("eu-1", "prod"), ("us-1", "test"), ("us-2", "prod")]), "dev prod");
}
