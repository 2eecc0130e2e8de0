//! A placement controller's decisions in one cluster, reported by its spoke, steer the fleet.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fleet::{Fleet, FleetOptions};
use e2e::scenario::scenario;
use serde_json::Value;

use crate::fixture::{LIMIT, SET_FILE, all_healthy, gone, parked, uid};

const CRD: &str = include_str!("fixture/decision-crd.yaml");
const SET: &str = include_str!("fixture/decision-set.yaml");
const CONFIG: (&str, &str) = ("apps/web/config.yaml", include_str!("fixture/web/config.yaml"));
const RESOURCE: &str =
    "decisions.resources=[{apiVersion: cluster.example.com/v1beta1, resource: placementdecisions}]";
/// A minute in which what a list lacks may come back, and what everything else may need.
const CONFIRMED: Duration = Duration::from_secs(60 + 90);
const SETTINGS: &str = "web configmap/settings";

/// Two clusters whose agents watch the same resource; the hub believes the first.
async fn deciding_fleet(folder: &Path) -> Result<Fleet> {
    let mut options = FleetOptions::clusters(2);
    let settings = ["fleetRepository.path=muster", "decisions.cluster=eu-1"];
    options.hub_settings.extend(settings.map(str::to_owned));
    options.spoke_settings.push(RESOURCE.to_owned());
    Fleet::start(folder, &options).await
}

/// Writes an object in a cluster, and in its status the clusters that it chooses.
async fn decide(fleet: &mut Fleet, at: &str, name: &str, chosen: &[&str]) -> Result<()> {
    let plane = &fleet.member(at)?.plane;
    let object = format!(
        "apiVersion: cluster.example.com/v1beta1\nkind: PlacementDecision\n\
         metadata: {{name: {name}, namespace: default, labels: {{placement: web}}}}\n"
    );
    plane.apply_admin(&object).await?;
    let chosen: Vec<_> =
        chosen.iter().map(|name| serde_json::json!({"clusterName": name})).collect();
    let patch = serde_json::json!({"status": {"decisions": chosen}}).to_string();
    let patch =
        ["patch", "placementdecisions", name, "--subresource=status", "--type=merge", "-p", &patch];
    plane.kubectl_ok(&patch).await.map(drop)
}

/// Makes the hub look at Git; that there are problems is what these tests are about.
async fn look(fleet: &Fleet) -> Result<()> {
    let said = fleet.muster(&["refresh"]).await?;
    ensure!(said.stderr.contains("problem: "), "{}{}", said.stdout, said.stderr);
    Ok(())
}

/// Waits until the hub shows this of what the agent of a cluster reports.
async fn reported(fleet: &Fleet, shown: impl Fn(&Value) -> bool) -> Result<()> {
    fleet
        .wait_for("a report of decisions", LIMIT, &["get", "clusters", "eu-1"], |view| {
            shown(&view["decisions"]).then_some(())
        })
        .await
}

/// Waits until a problem of the set says this.
async fn problem(fleet: &Fleet, part: &str) -> Result<()> {
    fleet
        .wait_for(part, LIMIT, &["get", "applicationsets", "apps"], |view| {
            let problems = view["problems"].as_array()?;
            let says = |one: &Value| one.as_str().is_some_and(|text| text.contains(part));
            problems.iter().any(says).then_some(())
        })
        .await
}

#[test]
fn the_decisions_of_one_cluster_steer_the_fleet_and_its_absence_does_not() {
    scenario("decisions", async |folder| {
        let mut fleet = deciding_fleet(folder).await?;
        // Nothing is there yet, which is not the same as nothing being chosen.
        reported(&fleet, |view| view["problems"][0].as_str().is_some()).await?;
        let set = SET.replace("REPOSITORY", fleet.repository.url());
        let files = [CONFIG, (SET_FILE, &set)];
        let first = fleet.repository.commit_files(&files, "web where it is placed").await?;
        look(&fleet).await?;
        problem(&fleet, "no placementdecisions").await?;

        for cluster in ["eu-1", "eu-2"] {
            fleet.member(cluster)?.plane.apply_admin(CRD).await?;
        }
        decide(&mut fleet, "eu-1", "first", &["eu-1"]).await?;
        all_healthy(&fleet, &["web-eu-1"], &first).await?;
        reported(&fleet, |view| view["objects"] == 1 && view["problems"] == serde_json::json!([]))
            .await?;
        // Nobody asked this one. By the time of the next step it has been seen.
        decide(&mut fleet, "eu-2", "foreign", &["eu-2"]).await?;
        decide(&mut fleet, "eu-1", "second", &[]).await?;
        reported(&fleet, |view| view["objects"] == 2).await?;
        all_healthy(&fleet, &["web-eu-1"], &first).await?;
        decide(&mut fleet, "eu-1", "second", &["eu-2"]).await?;
        all_healthy(&fleet, &["web-eu-1", "web-eu-2"], &first).await?;

        let log = fleet.member("eu-2")?.spoke.log_text();
        ensure!(log.contains("does not take decision objects from this cluster"), "{log}");
        an_agent_that_is_away_takes_nothing_with_it(&mut fleet, &first).await?;
        what_stays_away_is_removed_within_the_budget(&mut fleet).await?;
        fleet.stop().await
    });
}

async fn an_agent_that_is_away_takes_nothing_with_it(fleet: &mut Fleet, first: &str) -> Result<()> {
    let member = fleet.member("eu-1")?;
    member.spoke.kill()?;
    member.plane.kubectl_ok(&["delete", "placementdecisions", "second"]).await?;
    problem(fleet, "eu-1 is disconnected since").await?;
    look(fleet).await?;
    fleet.member("eu-1")?.spoke.restart()?;
    problem(fleet, "second of the placementdecisions").await?;
    all_healthy(fleet, &["web-eu-1", "web-eu-2"], first).await
}

async fn what_stays_away_is_removed_within_the_budget(fleet: &mut Fleet) -> Result<()> {
    let names = |answer: &Value| -> Option<Vec<String>> {
        let items = answer["items"].as_array()?.iter();
        items.map(|view| view["name"].as_str().map(str::to_owned)).collect()
    };
    fleet
        .wait_for("the removal of web-eu-2", CONFIRMED, &["get", "applications"], |answer| {
            (names(answer)? == ["web-eu-1"]).then_some(())
        })
        .await?;
    gone(fleet, "eu-2", SETTINGS).await?;
    // All that is left is more than any budget.
    decide(fleet, "eu-1", "first", &[]).await?;
    problem(fleet, "first of the placementdecisions").await?;
    fleet
        .wait_for("a minute", CONFIRMED, &["get", "applicationsets", "apps"], |view| {
            view.get("parked").filter(|parked| !parked.is_null()).map(drop)
        })
        .await?;
    let (_, waiting) = parked(fleet, "apps").await?;
    ensure!(waiting == ["web-eu-1"], "parked: {waiting:?}");
    ensure!(uid(fleet, "eu-1", SETTINGS).await?.is_some());
    Ok(())
}
