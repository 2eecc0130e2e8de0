//! The story of the demo, step by step. Each step waits for what it tells, and fails when that does not come.

use super::access;
use super::repository::{self, BROKEN_TAG, SETS, WEB_DEPLOYMENT};
use super::show::{self, Done, Show};
use crate::live::Note;
use crate::stopwatch::Stopwatch;
use anyhow::{Context, Result, ensure};
use e2e::binaries::Binaries;
use e2e::control_plane::{ControlPlane, Options};
use e2e::fleet::{Fleet, FleetOptions};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// Enough for a machine that is busy with something else; an idle one needs a few seconds.
const LIMIT: Duration = Duration::from_secs(120);
/// The same, as `muster wait` reads it.
const WAIT_LIMIT: &str = "120s";
const CLUSTERS: usize = 3;
/// `web`, `billing` and `ledger` on each cluster.
const APPLICATIONS: usize = 3 * CLUSTERS;
/// Who edits by hand.
const INTRUDER: &str = "night-shift";
const EDITED_CLUSTER: &str = "eu-2";
const WEB: &str = "/apis/apps/v1/namespaces/web/deployments/web";
const WATCH_WEB: &str =
    "/apis/apps/v1/namespaces/web/deployments?watch=1&fieldSelector=metadata.name%3Dweb";

/// Tells all of it; the fleet stays up as long as the caller keeps it.
pub(crate) async fn tell(folder: &Path, binaries: &Binaries, show: &mut Show) -> Result<Fleet> {
    let fleet = show
        .step("Start three clusters, a Git server, the hub and three spokes", async |note| {
            start(folder, binaries, note).await
        })
        .await?;
    introduce(&fleet, binaries).await?;
    show.step("A commit reaches every cluster", async |note| first_commit(&fleet, note).await)
        .await?;
    show.step("An edit by hand is healed and attributed", async |note| {
        edit_by_hand(&fleet, note).await
    })
    .await?;
    let bad = show
        .step("A bad image is applied and seen as not healthy", async |note| {
            bad_image(&fleet, note).await
        })
        .await?;
    show.step("git revert makes every cluster healthy again", async |note| {
        revert(&fleet, &bad, note).await
    })
    .await?;
    Ok(fleet)
}

async fn start(folder: &Path, binaries: &Binaries, note: &Note) -> Result<Done<Fleet>> {
    let mut options = FleetOptions::clusters(CLUSTERS);
    options.control_plane = Options { nodes: 1, ..Options::default() };
    options.hub_settings.push(format!("fleetRepository.path={SETS}"));
    options.binaries = binaries.clone();
    let stopwatch = Stopwatch::start();
    let fleet = Fleet::start_telling(folder, &options, |what| {
        note.set(&format!("waiting for {what}"));
    })
    .await?;
    let found = format!("{CLUSTERS} clusters have joined and are connected");
    Ok(Done { found, took: stopwatch.elapsed(), value: fleet })
}

/// Where everything is.
async fn introduce(fleet: &Fleet, binaries: &Binaries) -> Result<()> {
    access::prepare_work_tree(fleet).await?;
    access::write(fleet, binaries)?;
    show::detail("Their kubeconfigs:");
    for line in access::clusters(fleet) {
        show::detail(&format!("  {line}"));
    }
    show::detail("To use kubectl and muster on them, in another terminal:");
    show::detail(&format!("  {}", access::source_line(fleet.folder())));
    show::detail("  kubectl --context eu-1 get pods -A");
    show::detail("  muster get applications");
    Ok(())
}

async fn first_commit(fleet: &Fleet, note: &Note) -> Result<Done<()>> {
    repository::write(&fleet.repository)?;
    let message = "web (plain), billing (Kustomize) and ledger (Helm)";
    let stopwatch = Stopwatch::start();
    let commit = fleet.repository.commit(message).await?;
    show::detail(&format!("commit {}: {message}", short(&commit)));
    let took = all_healthy(fleet, &commit, note, stopwatch).await?;
    let found =
        format!("{APPLICATIONS} applications are Synced and Healthy on {CLUSTERS} clusters");
    Ok(Done { found, took, value: () })
}

async fn edit_by_hand(fleet: &Fleet, note: &Note) -> Result<Done<()>> {
    let plane = plane(fleet, EDITED_CLUSTER)?;
    let mut edit = vec!["patch", "deployment", "web", "--namespace", "web", "--type", "merge"];
    edit.extend(["--field-manager", INTRUDER, "--patch", r#"{"spec":{"replicas":0}}"#]);
    show::detail(&format!("on {EDITED_CLUSTER}: kubectl -n web patch deployment web \\"));
    show::detail(&format!("  --field-manager {INTRUDER} -p '{{\"spec\":{{\"replicas\":0}}}}'"));
    note.set("waiting for the repair");
    let took = repaired(plane, &edit).await?;
    note.set("waiting for the report of the incident");
    let name = format!("web-{EDITED_CLUSTER}");
    let arguments = ["get", "applications", &name];
    let incident = fleet
        .wait_for("report of the incident", LIMIT, &arguments, |view| {
            let incidents = view["incidents"].as_array()?;
            incidents.iter().find(|one| one["outcome"] == "Healed").cloned()
        })
        .await?;
    let (fields, managers) = (words(&incident["fields"]), words(&incident["managers"]));
    ensure!(managers.contains(INTRUDER), "the incident names {managers}, not {INTRUDER}");
    show::detail(&format!("incident: {fields} of Deployment web was changed by {managers}"));
    Ok(Done { found: "put back, as a watch on the cluster saw it".to_owned(), took, value: () })
}

/// Runs kubectl, and returns the time from its edit to the repair, both as a watch sees them.
async fn repaired(plane: &ControlPlane, edit: &[&str]) -> Result<Duration> {
    let mut watch = plane.api().watch(WATCH_WEB).await?;
    let seen = async {
        let mut edited: Option<Stopwatch> = None;
        loop {
            let event = watch.next().await?;
            let replicas = &event["object"]["spec"]["replicas"];
            match edited {
                None if *replicas == 0 => edited = Some(Stopwatch::start()),
                Some(stopwatch) if *replicas == 2 => return anyhow::Ok(stopwatch.elapsed()),
                _ => {}
            }
        }
    };
    let both = async { tokio::try_join!(plane.kubectl_ok(edit), seen) };
    let (_, took) = tokio::time::timeout(LIMIT, both)
        .await
        .with_context(|| format!("the edit was not healed within {} s", LIMIT.as_secs()))??;
    Ok(took)
}

async fn bad_image(fleet: &Fleet, note: &Note) -> Result<Done<String>> {
    let message = format!("web: image tag `{BROKEN_TAG}`, which no kubelet can pull");
    repository_write(fleet, &repository::broken_deployment())?;
    let stopwatch = Stopwatch::start();
    let commit = fleet.repository.commit(&message).await?;
    show::detail(&format!("commit {}: {message}", short(&commit)));
    note.set("waiting until the hub has read it");
    fleet.refresh().await?;
    note.set("applied; waiting until the rollout is found to hang");
    let said = fleet
        .wait_for("verdict on the bad release", LIMIT, &["get", "applications"], |answer| {
            let web: Vec<&Value> = items(answer).filter(|view| is_web(view)).collect();
            let bad = |view: &&Value| {
                view["appliedRevision"] == commit.as_str() && view["health"] == "Degraded"
            };
            let all = web.len() == CLUSTERS && web.iter().all(bad);
            all.then(|| web[0]["message"].as_str().unwrap_or_default().to_owned())
        })
        .await?;
    let took = stopwatch.elapsed();
    note.set("looking at the clusters");
    show::detail(&format!("the spokes say: {said}"));
    for member in &fleet.members {
        let live = member.plane.api().get(WEB).await?.context("the Deployment web is gone")?;
        let available = &live["status"]["availableReplicas"];
        ensure!(*available == 2, "web on {} has {available} available replicas", member.name());
    }
    show::detail("the old release still serves: 2 of 2 replicas on every cluster");
    Ok(Done { found: format!("web is Degraded on {CLUSTERS} clusters"), took, value: commit })
}

async fn revert(fleet: &Fleet, bad: &str, note: &Note) -> Result<Done<()>> {
    let stopwatch = Stopwatch::start();
    let commit = fleet.repository.revert(bad).await?;
    show::detail(&format!("commit {}: reverts {}", short(&commit), short(bad)));
    let took = all_healthy(fleet, &commit, note, stopwatch).await?;
    let found =
        format!("{APPLICATIONS} applications are Synced and Healthy on {CLUSTERS} clusters");
    Ok(Done { found, took, value: () })
}

/// Makes the hub look, and waits until every application is Synced and Healthy at `commit`.
async fn all_healthy(
    fleet: &Fleet,
    commit: &str,
    note: &Note,
    stopwatch: Stopwatch,
) -> Result<Duration> {
    note.set("waiting until the hub has read it");
    fleet.refresh().await?;
    let wait = ["wait", "application", "--all", "--revision", commit, "--timeout", WAIT_LIMIT];
    // Both are cancel-safe: dropping a running `muster` only ends it.
    tokio::select! {
        outcome = fleet.muster_ok(&wait) => outcome.map(drop)?,
        outcome = count(fleet, commit, note) => outcome?,
    }
    let took = stopwatch.elapsed();
    let answer = fleet.muster_json(&["get", "applications"]).await?;
    let good = items(&answer).filter(|view| is_good(view, commit)).count();
    ensure!(good == APPLICATIONS, "{good} of {APPLICATIONS} applications are healthy: {answer:#}");
    Ok(took)
}

/// Keeps the note up to date, without asking so often that it would slow down what it shows.
async fn count(fleet: &Fleet, commit: &str, note: &Note) -> Result<()> {
    loop {
        note.set("waiting for the spokes");
        sleep(Duration::from_secs(2)).await;
        let answer = fleet.muster_json(&["get", "applications"]).await?;
        let good = items(&answer).filter(|view| is_good(view, commit)).count();
        note.set(&format!("{good} of {APPLICATIONS} applications are healthy"));
        sleep(Duration::from_secs(1)).await;
    }
}

fn is_good(view: &Value, commit: &str) -> bool {
    let live = view["source"] == "live" && view["appliedRevision"] == commit;
    live && view["sync"] == "Synced" && view["health"] == "Healthy"
}

fn is_web(view: &Value) -> bool {
    view["path"] == "apps/web"
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["items"].as_array().into_iter().flatten()
}

fn plane<'a>(fleet: &'a Fleet, name: &str) -> Result<&'a ControlPlane> {
    let found = fleet.members.iter().find(|member| member.name() == name);
    Ok(&found.with_context(|| format!("the fleet has no cluster {name}"))?.plane)
}

fn repository_write(fleet: &Fleet, text: &str) -> Result<()> {
    fleet.repository.write(WEB_DEPLOYMENT, text)
}

fn words(list: &Value) -> String {
    let words: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    words.join(", ")
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}
