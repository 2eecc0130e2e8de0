//! A fleet repository with Argo CD's documents, as they are.

use super::*;

fn documents(url: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\n\
         kind: ApplicationSet\n\
         metadata: {{name: web, namespace: argocd}}\n\
         spec:\n\
         \x20 goTemplate: true\n\
         \x20 generators:\n\
         \x20 - clusters: {{selector: {{matchLabels: {{env: prod}}}}}}\n\
         \x20 template:\n\
         \x20   metadata: {{name: 'web-{{{{.name}}}}'}}\n\
         \x20   spec:\n\
         \x20     project: shop\n\
         \x20     source: {{repoURL: '{url}', targetRevision: main, path: apps/web}}\n\
         \x20     destination: {{server: '{{{{.server}}}}', namespace: shop}}\n\
         \x20     syncPolicy: {{automated: {{prune: true}}, retry: {{limit: 3}}}}\n\
         ---\n\
         apiVersion: argoproj.io/v1alpha1\n\
         kind: AppProject\n\
         metadata: {{name: shop, namespace: argocd}}\n\
         spec:\n\
         \x20 sourceRepos: ['*']\n\
         \x20 destinations: [{{name: '*', namespace: shop}}, {{name: '!us', namespace: '*'}}]\n\
         \x20 clusterResourceWhitelist: [{{group: '*', kind: '*'}}]\n\
         ---\n\
         apiVersion: argoproj.io/v1alpha1\n\
         kind: Application\n\
         metadata: {{name: chart}}\n\
         spec:\n\
         \x20 project: default\n\
         \x20 source: {{repoURL: 'https://charts.example', chart: nginx, targetRevision: 1.2.3}}\n\
         \x20 destination: {{name: lab}}\n\
         ---\n\
         apiVersion: argoproj.io/v1alpha1\n\
         kind: Application\n\
         metadata: {{name: hand}}\n\
         spec:\n\
         \x20 project: default\n\
         \x20 source: {{repoURL: '{url}', path: apps/api}}\n\
         \x20 destination: {{name: lab, namespace: api}}\n"
    )
}

#[tokio::test]
async fn argo_cd_documents_run_as_they_are() {
    let world = World::new();
    world.joined.label("eu", &[("env", "prod")]);
    world.joined.label("us", &[("env", "prod")]);
    world.joined.label("lab", &[]);
    let main = world.apps.commit(&TWO_APPS);
    world.fleet.commit(&[("argo.yaml", documents(&world.apps.url()).as_str())]);
    let hub = world.start("mirrors", 1).await;
    let refreshed = hub.handle.refresh().await.unwrap();
    assert_eq!((hub.wants("eu"), hub.wants("us")), ("web-eu".to_owned(), String::new()));
    assert_eq!(hub.wants("lab"), "hand");
    let told: Vec<_> = refreshed.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("Application chart: Unsupported: spec.source.chart: "), "{told:#?}");
    assert!(told[1].contains("does not permit namespace \"shop\" of cluster us"), "{told:#?}");
    let desired = hub.board.get(&cluster("eu"));
    let web = desired.applications.values().next().unwrap().application();
    assert_eq!(
        (web.revision, web.project.as_str(), web.namespace.as_str()),
        (main, "shop", "shop")
    );
    assert!(web.sync_policy.automation().is_some_and(|automated| automated.prune));
    // It has the finalizer that sets give, the one written by hand has none.
    let removed = world.fleet.commit(&[("eu.yaml", EU)]);
    hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), "-hand");
    let buried = |name: &str, application: &str| {
        let desired = hub.board.get(&cluster(name));
        let application = ApplicationName::new(application).unwrap();
        (desired.tombstones[&application].on_removal, desired.tombstones[&application].commit)
    };
    assert_eq!(buried("lab", "hand"), (OnRemoval::Orphan, Some(removed)));
    let plan = hub.parked("web").unwrap();
    hub.approve("web", &plan).await.unwrap();
    assert_eq!(buried("eu", "web-eu").0, OnRemoval::Prune);
    hub.stop().await;
}

const EU: &str = "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu}\n";

#[tokio::test]
async fn people_apply_and_delete_them_too() {
    let (world, hub) = prepared().await;
    let project = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: p}\n\
                   spec: {sourceRepos: ['*']}\n";
    let text = documents(&world.apps.url()).replace("name: hand", "name: other");
    assert_eq!(
        hub.apply(&format!("{text}---\n{project}")).await,
        [
            "ApplicationSet web created",
            "AppProject shop created",
            "Application chart created",
            "Application other created",
            "AppProject p created",
        ]
    );
    hub.until(|fleet| fleet.applications.iter().any(|one| one.cluster.as_str() == "eu")).await;
    assert_eq!(hub.apply(project).await, ["AppProject p unchanged"]);
    let refused = hub.apply(&project.replace("sourceRepos", "sourceRepo")).await;
    assert_eq!(refused, ["AppProject p refused"]);
    assert_eq!(hub.delete("appproject", "p").await.unwrap(), "AppProject p was deleted");
    // They are there after a restart.
    hub.stop().await;
    let again = world.start("mirrors", 2).await;
    again.handle.refresh().await.unwrap();
    assert_eq!(again.apply(&text).await[0], "ApplicationSet web unchanged");
    again.stop().await;
}

#[tokio::test]
async fn an_annotation_gives_a_set_another_deletion_budget() {
    let world = World::new();
    world.joined.label("lab", &[]);
    world.apps.commit(&TWO_APPS);
    let url = world.apps.url();
    let set = |budget: &str, count: usize| {
        let elements: Vec<_> = (0..count).map(|n| format!("{{id: 'a{n}'}}")).collect();
        format!(
            "apiVersion: argoproj.io/v1alpha1\n\
             kind: ApplicationSet\n\
             metadata: {{name: listed, annotations: {{muster.dev/deletion-budget: {budget}}}}}\n\
             spec:\n\
             \x20 generators: [{{list: {{elements: [{}]}}}}]\n\
             \x20 template:\n\
             \x20   metadata: {{name: '{{{{id}}}}'}}\n\
             \x20   spec:\n\
             \x20     project: default\n\
             \x20     source: {{repoURL: '{url}', targetRevision: main, path: .}}\n\
             \x20     destination: {{name: lab}}\n",
            elements.join(", ")
        )
    };
    world.fleet.commit(&[("set.yaml", set("25%", 8).as_str())]);
    let hub = world.start("mirrors", 1).await;
    assert_eq!(hub.handle.refresh().await.unwrap().problems, []);
    assert_eq!(hub.wants("lab"), "a0 a1 a2 a3 a4 a5 a6 a7");
    world.fleet.commit(&[("set.yaml", set("25%", 6).as_str())]);
    hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), "a0 a1 a2 a3 a4 a5 -a6 -a7");
    world.fleet.commit(&[("set.yaml", set("25%", 4).as_str())]);
    hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), "a0 a1 a2 a3 a4 a5 -a6 -a7");
    assert!(hub.parked("listed").is_some());
    hub.stop().await;
}
