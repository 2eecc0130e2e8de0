//! Who gets in, and what bad input does: it is named, and its neighbours go on.

use anyhow::{Context, Result, ensure};
use e2e::fleet::{Fleet, FleetOptions};
use e2e::scenario::scenario;
use serde_json::Value;

use crate::fixture::{LIMIT, SET_FILE, WEB, application, commit, list_set, uid};

/// One cluster without nodes is enough here.
async fn small_fleet(folder: &std::path::Path) -> Result<Fleet> {
    let mut options = FleetOptions::clusters(1);
    options.hub_settings.push("fleetRepository.path=muster".to_owned());
    Fleet::start(folder, &options).await
}

#[test]
fn a_revoked_cluster_is_out_at_once_and_keeps_what_it_runs() {
    scenario("revoked", async |folder| {
        let mut fleet = small_fleet(folder).await?;
        // The configuration alone: Deployments would need nodes.
        let set = list_set(&fleet, &["eu-1"]);
        let files = [&WEB[1..], &[(SET_FILE, &set)]].concat();
        commit(&fleet, &files, "settings").await?;
        healthy(&fleet, "web-eu-1").await?;

        fleet.muster_ok(&["cluster", "revoke", "eu-1", "--reason", "a test"]).await?;
        fleet
            .wait_for("revoked cluster", LIMIT, &["get", "clusters", "eu-1"], |view| {
                (view["state"] == "Revoked" && view["source"] == "lastKnown").then_some(())
            })
            .await?;
        let token = ["cluster", "token", "create", "--name", "eu-1"];
        fleet.muster_json(&token).await.context("a revoked name can be enrolled anew")?;
        let taken =
            fleet.muster(&["cluster", "token", "create", "--name", "eu-1", "--ttl", "48h"]).await?;
        ensure!(taken.code != 0, "a token of two days was made");
        ensure!(uid(&mut fleet, "eu-1", "web configmap/settings").await?.is_some());
        let history = fleet.muster_json(&["history", "--cluster", "eu-1"]).await?.to_string();
        ensure!(history.contains("a test"), "the reason is not in the ledger: {history}");

        // Not even a hub that has forgotten everything takes it back.
        fleet.hub.kill()?;
        fleet.hub.delete_store()?;
        fleet.hub.restart().await?;
        let spoke = &mut fleet.member("eu-1")?.spoke;
        spoke.kill()?;
        spoke.restart()?;
        spoke.wait_for_line("Revoked", LIMIT).await?;
        let clusters = fleet.muster_json(&["get", "clusters"]).await?;
        ensure!(clusters["items"].as_array().is_some_and(Vec::is_empty), "{clusters}");
        fleet.stop().await
    });
}

async fn healthy(fleet: &Fleet, name: &str) -> Result<Value> {
    fleet
        .wait_for("healthy application", LIMIT, &["get", "applications", name], |view| {
            let good = view["sync"] == "Synced" && view["health"] == "Healthy";
            good.then(|| view.clone())
        })
        .await
}

#[test]
fn bad_input_is_named_and_its_neighbours_go_on() {
    scenario("bad-input", async |folder| {
        let mut fleet = small_fleet(folder).await?;
        let set = list_set(&fleet, &["eu-1"]);
        let typo = set.replace("name: apps", "name: typo").replace("generators:", "generatorz:");
        let missing = set
            .replace("name: apps", "name: missing")
            .replace("namespace: web}", "namespace: second}")
            .replace("elements: [", "elements: [{other: x}, ")
            .replace("web-{{cluster}}", "second-{{cluster}}");
        let widget =
            "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {size: 1}\n";
        let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong}\nbogus: true\n";
        let files = [
            &WEB[1..],
            &[
                (SET_FILE, &set),
                ("muster/typo.yaml", &typo),
                ("muster/missing.yaml", &missing),
                ("apps/web/widget.yaml", widget),
                ("apps/web/wrong.yaml", wrong),
            ],
        ]
        .concat();
        fleet.repository.commit_files(&files, "good and bad").await?;
        let said = fleet.muster(&["refresh"]).await?;
        let told = format!("{}{}", said.stdout, said.stderr);
        ensure!(told.contains("typo.yaml") && told.contains("generatorz"), "refresh said: {told}");
        ensure!(told.contains("cluster") && told.contains("missing"), "refresh said: {told}");

        // One object is refused and one waits for its kind; the others are there.
        let view = fleet
            .wait_for("named objects", LIMIT, &["get", "applications", "web-eu-1"], |view| {
                let text = view.to_string();
                let named = text.contains("WaitingForKind") && text.contains("bogus");
                named.then(|| view.clone())
            })
            .await?;
        ensure!(view["sync"] == "OutOfSync", "{view:#}");
        ensure!(uid(&mut fleet, "eu-1", "web configmap/settings").await?.is_some());

        // The neighbour of the element without a name, and the definition that was waited for.
        ensure!(application(&fleet, "second-eu-1").await?["cluster"] == "eu-1");
        fleet.repository.remove("apps/web/wrong.yaml")?;
        let definition = include_str!("fixture/widget-crd.yaml");
        fleet.member("eu-1")?.plane.apply_admin(definition).await?;
        fleet.repository.remove("muster/missing.yaml")?;
        fleet.repository.commit_files(&[("muster/typo.yaml", "# mended\n")], "mended").await?;
        fleet.muster(&["refresh"]).await?;
        healthy(&fleet, "web-eu-1").await?;
        ensure!(uid(&mut fleet, "eu-1", "web widget/one").await?.is_some());
        fleet.stop().await
    });
}
