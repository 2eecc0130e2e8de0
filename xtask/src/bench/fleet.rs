//! The fleet of the benchmarks: one cluster without nodes, and 200 applications of six objects from one repository.

use super::TALK;
use crate::live::{self, Note};
use crate::stopwatch::Stopwatch;
use anyhow::{Result, ensure};
use e2e::binaries::Binaries;
use e2e::control_plane::Options;
use e2e::fleet::{Fleet, FleetOptions};
use e2e::git_server::Repo;
use std::path::Path;
use std::time::Duration;

pub(crate) const APPLICATIONS: usize = 200;
pub(crate) const OBJECTS: usize = 6;
const KEYS: usize = 10;
const WAIT_LIMIT: &str = "10m";

/// The name of an application's directory and namespace.
pub(crate) fn namespace(number: usize) -> String {
    format!("app-{number:03}")
}

/// A spoke waits for 200 Deployments to be healthy, and the Deployment controller with its default
/// of 20 requests per second takes over half a minute to look at them, whoever applied them.
const CONTROLLER_FLAGS: [&str; 3] =
    ["--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-deployment-syncs=20"];

/// Starts it, with nothing to apply yet.
pub(crate) async fn start(
    folder: &Path,
    binaries: &Binaries,
    api_flags: Vec<String>,
) -> Result<Fleet> {
    let mut options = FleetOptions::clusters(1);
    let controller_flags = CONTROLLER_FLAGS.map(str::to_owned).to_vec();
    options.control_plane = Options { nodes: 0, api_flags, controller_flags };
    options.hub_settings.push("fleetRepository.path=muster".to_owned());
    options.binaries = binaries.clone();
    let note = Note::default();
    let tell = |what: &str| note.set(&format!("waiting for {what}"));
    live::during(TALK, &note, Fleet::start_telling(folder, &options, tell)).await
}

/// Commits all applications, and returns the commit. The hub has not looked yet.
pub(crate) async fn commit(fleet: &Fleet) -> Result<String> {
    write(&fleet.repository)?;
    fleet.repository.commit("200 applications").await
}

/// From the moment at which the hub is told to look until everything is Synced and Healthy at `commit`.
pub(crate) async fn apply(fleet: &Fleet, commit: &str) -> Result<Duration> {
    let note = Note::default();
    let work = async {
        let stopwatch = Stopwatch::start();
        note.set("the hub reads the commit");
        fleet.refresh().await?;
        note.set("the spoke applies it");
        let wait = ["wait", "application", "--all", "--revision", commit, "--timeout", WAIT_LIMIT];
        fleet.muster_ok(&wait).await?;
        anyhow::Ok(stopwatch.elapsed())
    };
    let took = live::during(TALK, &note, work).await?;
    check(fleet, commit).await?;
    Ok(took)
}

/// What was measured is what was meant: all applications, in all their objects.
async fn check(fleet: &Fleet, commit: &str) -> Result<()> {
    let answer = fleet.muster_json(&["get", "applications"]).await?;
    let good = answer["items"].as_array().into_iter().flatten().filter(|view| {
        let applied = view["appliedRevision"] == commit && view["source"] == "live";
        applied && view["sync"] == "Synced" && view["health"] == "Healthy"
    });
    let count = good.count();
    ensure!(count == APPLICATIONS, "{count} of {APPLICATIONS} applications are Synced and Healthy");
    let plane = &fleet.members[0].plane;
    let deployments = plane.api().get("/apis/apps/v1/deployments").await?;
    let live = deployments.and_then(|list| list["items"].as_array().map(Vec::len)).unwrap_or(0);
    ensure!(live == APPLICATIONS, "{live} of {APPLICATIONS} Deployments are in the cluster");
    Ok(())
}

fn write(repository: &Repo) -> Result<()> {
    for number in 0..APPLICATIONS {
        let name = namespace(number);
        for (kind, text) in objects(&name) {
            repository.write(&format!("apps/{name}/{kind}.yaml"), &text)?;
        }
    }
    repository.write("muster/apps.yaml", &set(repository.url()))
}

fn set(url: &str) -> String {
    format!(
        "apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {{name: apps}}
spec:
  generators:
    - git: {{repoURL: \"{url}\", directories: [{{path: apps/*}}]}}
  template:
    metadata: {{name: \"{{{{path.basename}}}}\"}}
    spec:
      source: {{repoURL: \"{url}\", path: \"{{{{path}}}}\"}}
      destination: {{cluster: eu-1, namespace: \"{{{{path.basename}}}}\"}}
      syncPolicy: {{automated: {{prune: true, selfHeal: true}}}}
"
    )
}

/// The six objects of an application, one file each.
fn objects(name: &str) -> [(&'static str, String); OBJECTS] {
    let head = |api: &str, kind: &str| {
        format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\n"
        )
    };
    let value =
        |key| format!("  key-{key}: value {key} of {name}, as long as settings often are\n");
    let data: String = (0..KEYS).map(value).collect();
    let deployment = format!(
        "spec:
  replicas: 0
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      serviceAccountName: {name}
      containers:
        - name: main
          image: registry.example/{name}:1.0
          ports: [{{name: http, containerPort: 8080}}]
          envFrom: [{{configMapRef: {{name: {name}}}}}, {{secretRef: {{name: {name}}}}}]
          resources: {{requests: {{cpu: 10m, memory: 32Mi}}}}
"
    );
    let service = format!(
        "spec:\n  selector: {{app: {name}}}\n  ports: [{{name: http, port: 80, targetPort: http}}]\n"
    );
    [
        ("namespace", head("v1", "Namespace")),
        ("serviceaccount", head("v1", "ServiceAccount")),
        ("configmap", head("v1", "ConfigMap") + "data:\n" + &data),
        ("secret", head("v1", "Secret") + "stringData: {password: not-a-real-one}\n"),
        ("service", head("v1", "Service") + &service),
        ("deployment", head("apps/v1", "Deployment") + &deployment),
    ]
}
