//! A release from its commit to every cluster, and back: apply, heal, prune, revert.

use anyhow::{Context, Result, ensure};
use e2e::fleet::Fleet;
use e2e::scenario::scenario;
use serde_json::Value;

use crate::fixture::{
    HELM, KUSTOMIZE, LIMIT, SET_FILE, WEB, all_healthy, application, commit, fleet, gone,
    matrix_set, uid,
};

const NAMES: [&str; 9] = [
    "billing-eu-1",
    "billing-eu-2",
    "billing-eu-3",
    "ledger-eu-1",
    "ledger-eu-2",
    "ledger-eu-3",
    "web-eu-1",
    "web-eu-2",
    "web-eu-3",
];

#[test]
fn a_commit_reaches_three_clusters_and_is_kept_there() {
    scenario("release", async |folder| {
        let mut fleet = fleet(folder).await?;
        let set = matrix_set(&fleet);
        let mut files = [WEB, KUSTOMIZE, HELM].concat();
        files.push((SET_FILE, &set));
        let first = commit(&fleet, &files, "three applications").await?;
        all_healthy(&fleet, &NAMES, &first).await?;

        let title = [
            "get",
            "configmap",
            "ledger-eu-2-config",
            "-n",
            "ledger",
            "-o",
            "jsonpath={.data.title}",
        ];
        ensure!(fleet.member("eu-2")?.plane.kubectl_ok(&title).await? == "books");
        ensure!(uid(&mut fleet, "eu-3", "billing configmap/billing-rates").await?.is_some());

        a_foreign_edit_is_healed_and_attributed(&mut fleet).await?;
        what_leaves_git_is_pruned(&mut fleet).await?;
        a_bad_release_is_undone_by_a_revert(&mut fleet).await?;
        fleet.stop().await
    });
}

async fn a_foreign_edit_is_healed_and_attributed(fleet: &mut Fleet) -> Result<()> {
    let plane = &fleet.member("eu-1")?.plane;
    let edit = [
        "patch",
        "configmap",
        "settings",
        "-n",
        "web",
        "--field-manager",
        "night-shift",
        "--type",
        "merge",
        "-p",
        r#"{"data":{"greeting":"goodbye"}}"#,
    ];
    plane.kubectl_ok(&edit).await?;
    let read = ["get", "configmap", "settings", "-n", "web", "-o", "jsonpath={.data.greeting}"];
    e2e::deadline::until("the healed greeting", LIMIT, async || {
        Ok((plane.kubectl_ok(&read).await? == "hello").then_some(()))
    })
    .await?;
    let incident = fleet
        .wait_for("the incident", LIMIT, &["get", "applications", "web-eu-1"], |view| {
            let incidents = view["incidents"].as_array()?;
            incidents.iter().find(|one| one["outcome"] == "Healed").cloned()
        })
        .await?;
    ensure!(incident["fields"] == serde_json::json!([".data.greeting"]), "{incident}");
    ensure!(incident["managers"] == serde_json::json!(["night-shift"]), "{incident}");
    let history = fleet.muster_ok(&["history", "web-eu-1"]).await?;
    ensure!(history.contains("night-shift"), "the ledger does not name who it was: {history}");
    Ok(())
}

async fn what_leaves_git_is_pruned(fleet: &mut Fleet) -> Result<()> {
    fleet.repository.remove("apps/web/extra.yaml")?;
    let commit = fleet.repository.commit("extra is not needed").await?;
    fleet.refresh().await?;
    for cluster in ["eu-1", "eu-2", "eu-3"] {
        gone(fleet, cluster, "web configmap/extra").await?;
        ensure!(uid(fleet, cluster, "web configmap/settings").await?.is_some());
    }
    all_healthy(fleet, &NAMES, &commit).await
}

async fn a_bad_release_is_undone_by_a_revert(fleet: &mut Fleet) -> Result<()> {
    // The fake kubelet cannot pull an image with this tag.
    let bad = include_str!("fixture/web/deployment.yaml").replace("web:1", "web:broken");
    let commit =
        commit(fleet, &[("apps/web/deployment.yaml", &bad)], "a typo in the image").await?;
    fleet
        .wait_for("the broken release", LIMIT, &["get", "applications", "web-eu-1"], |view| {
            let applied = view["appliedRevision"] == commit.as_str();
            (applied && view["health"] != "Healthy").then_some(())
        })
        .await?;
    let reverted = fleet.repository.revert(&commit).await?;
    fleet.refresh().await?;
    all_healthy(fleet, &NAMES, &reverted).await?;
    let view: Value = application(fleet, "web-eu-1").await?;
    let revision = view["revision"].as_str().context("no revision")?;
    ensure!(revision == reverted, "the hub wants {revision}");
    Ok(())
}
