//! Removals: what is named goes, what is too much waits for a person, what is only absent stays.

use anyhow::ensure;
use e2e::scenario::scenario;

use crate::fixture::{
    SET_FILE, WEB, all_healthy, application, commit, fleet, gone, list_set, matrix_set, parked, uid,
};

const NAMES: [&str; 3] = ["web-eu-1", "web-eu-2", "web-eu-3"];
const WEB_DEPLOYMENT: &str = "web deployment/web";

#[test]
fn an_element_that_goes_takes_its_application_and_no_other() {
    scenario("removal", async |folder| {
        let mut fleet = fleet(folder).await?;
        let set = list_set(&fleet, &["eu-1", "eu-2", "eu-3"]);
        let files = [WEB, &[(SET_FILE, &set)]].concat();
        let first = commit(&fleet, &files, "web everywhere").await?;
        all_healthy(&fleet, &NAMES, &first).await?;

        // One of three is within the budget, which always allows one.
        let set = list_set(&fleet, &["eu-1", "eu-3"]);
        let second = commit(&fleet, &[(SET_FILE, &set)], "eu-2 is retired").await?;
        gone(&mut fleet, "eu-2", WEB_DEPLOYMENT).await?;
        all_healthy(&fleet, &["web-eu-1", "web-eu-3"], &second).await?;
        for cluster in ["eu-1", "eu-3"] {
            ensure!(uid(&mut fleet, cluster, WEB_DEPLOYMENT).await?.is_some());
        }

        // All that is left is more than any budget: it waits, and the plan names exactly it.
        let set = list_set(&fleet, &[]);
        commit(&fleet, &[(SET_FILE, &set)], "nothing left").await?;
        let (plan, names) = parked(&fleet, "apps").await?;
        ensure!(names == ["web-eu-1", "web-eu-3"], "parked: {names:?}");
        for cluster in ["eu-1", "eu-3"] {
            ensure!(uid(&mut fleet, cluster, WEB_DEPLOYMENT).await?.is_some());
        }
        let wrong =
            fleet.muster(&["approve", "applicationset", "apps", "--plan", "0123456789ab"]).await?;
        ensure!(wrong.code == 1, "an approval of another plan was taken: {}", wrong.stdout);

        fleet.muster_ok(&["approve", "applicationset", "apps", "--plan", &plan]).await?;
        gone(&mut fleet, "eu-1", WEB_DEPLOYMENT).await?;
        gone(&mut fleet, "eu-3", WEB_DEPLOYMENT).await?;
        let history = fleet.muster_ok(&["history"]).await?;
        ensure!(history.contains("operator/admin"), "the approval is not in the ledger: {history}");
        fleet.stop().await
    });
}

#[test]
fn a_label_that_goes_from_every_cluster_removes_nothing() {
    scenario("labels", async |folder| {
        let mut fleet = fleet(folder).await?;
        let set = matrix_set(&fleet);
        let files = [WEB, &[(SET_FILE, &set)]].concat();
        let first = commit(&fleet, &files, "web everywhere").await?;
        all_healthy(&fleet, &NAMES, &first).await?;

        for cluster in ["eu-1", "eu-2", "eu-3"] {
            fleet.muster_ok(&["cluster", "label", cluster, "env-"]).await?;
        }
        let (_, names) = parked(&fleet, "apps").await?;
        ensure!(names.len() >= 2, "parked: {names:?}");
        let left = usize::from(names.len() < 3);
        // The first label took one application away, which the budget allows; the rest is parked.
        let mut standing = 0;
        for cluster in ["eu-1", "eu-2", "eu-3"] {
            standing += usize::from(uid(&mut fleet, cluster, WEB_DEPLOYMENT).await?.is_some());
        }
        ensure!(standing + left >= 2, "only {standing} of three are left");

        // The labels come back: nothing is parked any more, and nobody had to approve anything.
        for cluster in ["eu-1", "eu-2", "eu-3"] {
            fleet.muster_ok(&["cluster", "label", cluster, "env=prod"]).await?;
        }
        all_healthy(&fleet, &NAMES, &first).await?;
        let view = application(&fleet, "web-eu-1").await?;
        ensure!(view["removal"].is_null(), "{view}");
        fleet.stop().await
    });
}
