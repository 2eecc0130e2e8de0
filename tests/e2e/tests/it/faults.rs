//! What breaks, and what must not: a lost store, a killed spoke, a Git server that lies.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fleet::Fleet;
use e2e::git_server::Mode;
use e2e::scenario::scenario;

use crate::fixture::{LIMIT, SET_FILE, WEB, all_healthy, commit, fleet, matrix_set, uid, uids};

const NAMES: [&str; 3] = ["web-eu-1", "web-eu-2", "web-eu-3"];

async fn web_everywhere(fleet: &Fleet) -> Result<String> {
    let set = matrix_set(fleet);
    let files = [WEB, &[(SET_FILE, &set)]].concat();
    let first = commit(fleet, &files, "web everywhere").await?;
    all_healthy(fleet, &NAMES, &first).await?;
    Ok(first)
}

#[test]
fn a_hub_that_lost_its_store_harms_nothing_and_recovers() {
    scenario("lost-store", async |folder| {
        let mut fleet = fleet(folder).await?;
        let first = web_everywhere(&fleet).await?;
        let before = uids(&mut fleet).await?;

        fleet.hub.kill()?;
        fleet.hub.delete_store()?;
        fleet.hub.restart().await?;
        for cluster in ["eu-1", "eu-2", "eu-3"] {
            // Known again by their certificates and signed records, labels included; and on hold.
            fleet
                .wait_for("hold", LIMIT, &["get", "clusters", cluster], |view| {
                    let known = view["state"] == "Connected" && view["labels"]["env"] == "prod";
                    (known && view["hold"] == true).then_some(())
                })
                .await?;
        }
        all_healthy(&fleet, &NAMES, &first).await?;
        ensure!(uids(&mut fleet).await? == before, "objects were replaced");

        // On hold additions and updates go on. A removal waits for a person.
        let changed = include_str!("fixture/web/config.yaml").replace("hello", "good morning");
        let second = commit(&fleet, &[("apps/web/config.yaml", &changed)], "a greeting").await?;
        all_healthy(&fleet, &NAMES, &second).await?;
        fleet.muster_ok(&["cluster", "label", "eu-1", "env-"]).await?;
        fleet
            .wait_for("held removal", LIMIT, &["get", "clusters", "eu-1"], |view| {
                let held = view["heldRemovals"].as_array()?;
                (held.len() == 1 && held[0] == "web-eu-1").then_some(())
            })
            .await?;
        ensure!(uid(&mut fleet, "eu-1", "web deployment/web").await?.is_some());
        fleet.muster_ok(&["approve", "cluster", "eu-1"]).await?;
        crate::fixture::gone(&mut fleet, "eu-1", "web deployment/web").await?;
        ensure!(uid(&mut fleet, "eu-2", "web deployment/web").await?.is_some());
        fleet.stop().await
    });
}

#[test]
fn a_spoke_that_is_killed_while_it_applies_converges() {
    scenario("killed-spoke", async |folder| {
        let mut fleet = fleet(folder).await?;
        let set = matrix_set(&fleet);
        let mut files: Vec<(String, String)> =
            WEB.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        files.push((SET_FILE.to_owned(), set));
        // Enough objects that the kills fall into the middle of an apply.
        for number in 0..60 {
            let text =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: part-{number}}}\n");
            files.push((format!("apps/web/part-{number}.yaml"), text));
        }
        let files: Vec<_> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let commit = fleet.repository.commit_files(&files, "many parts").await?;
        fleet.refresh().await?;
        for pause in [50, 150, 300, 500] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let spoke = &mut fleet.member("eu-1")?.spoke;
            spoke.kill()?;
            spoke.restart()?;
        }
        all_healthy(&fleet, &NAMES, &commit).await?;
        let count = ["get", "configmaps", "-n", "web", "-l", "muster.dev/part-of", "-o", "name"];
        let found = fleet.member("eu-1")?.plane.kubectl_ok(&count).await?;
        ensure!(found.lines().count() == 62, "{} of 62 objects: {found}", found.lines().count());

        // It heals without a hub, also after its own restart.
        fleet.hub.kill()?;
        let member = fleet.member("eu-1")?;
        member.spoke.kill()?;
        member.spoke.restart()?;
        let delete = ["delete", "configmap", "settings", "-n", "web"];
        member.plane.kubectl_ok(&delete).await?;
        let plane = &member.plane;
        let read =
            ["get", "configmap", "settings", "-n", "web", "--ignore-not-found", "-o", "name"];
        e2e::deadline::until("the object that was deleted by hand", LIMIT, async || {
            Ok((!plane.kubectl_ok(&read).await?.is_empty()).then_some(()))
        })
        .await?;
        fleet.hub.restart().await?;
        all_healthy(&fleet, &NAMES, &commit).await?;
        fleet.stop().await
    });
}

#[test]
fn a_git_server_that_is_down_or_lies_changes_nothing() {
    scenario("git-faults", async |folder| {
        let mut fleet = fleet(folder).await?;
        let first = web_everywhere(&fleet).await?;
        let before = uids(&mut fleet).await?;
        for mode in [Mode::Down, Mode::Html, Mode::Error500] {
            fleet.git.set_mode(mode).await?;
            let said = fleet.muster(&["refresh"]).await?;
            let told = format!("{}{}", said.stdout, said.stderr);
            ensure!(told.contains("SourceUnavailable"), "{mode:?}: refresh said: {told}");
            all_healthy(&fleet, &NAMES, &first).await?;
        }
        // A hub and a spoke that start while Git is away keep what they had.
        fleet.hub.restart().await?;
        let spoke = &mut fleet.member("eu-2")?.spoke;
        spoke.kill()?;
        spoke.restart()?;
        for cluster in ["eu-1", "eu-2", "eu-3"] {
            fleet.wait_until_connected(cluster).await?;
        }
        all_healthy(&fleet, &NAMES, &first).await?;
        ensure!(uids(&mut fleet).await? == before, "objects were replaced");

        fleet.git.set_mode(Mode::Serving).await?;
        let changed = include_str!("fixture/web/config.yaml").replace("hello", "back again");
        let second = commit(&fleet, &[("apps/web/config.yaml", &changed)], "Git is back").await?;
        all_healthy(&fleet, &NAMES, &second).await?;
        fleet.stop().await
    });
}
