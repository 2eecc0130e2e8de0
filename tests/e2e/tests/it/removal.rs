//! Removals: what is named goes, what is too much waits for a person, what is only absent stays.

use anyhow::ensure;
use e2e::scenario::scenario;

use crate::fixture::{
    SET_FILE, WEB, all_healthy, application, commit, fleet, gone, list_set, matrix_set, parked,
    uid, uids,
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

/// The three clusters as documents of the fleet repository, with these labels.
fn cluster_documents(labels: &str) -> String {
    let document = |name: &str| {
        format!(
            "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
        )
    };
    ["eu-1", "eu-2", "eu-3"].map(document).join("---\n")
}

#[test]
fn a_label_that_goes_from_every_cluster_removes_nothing() {
    scenario("labels", async |folder| {
        let mut fleet = fleet(folder).await?;
        let set = matrix_set(&fleet).replace("env: prod", "tier: web");
        let labelled = cluster_documents("tier: web");
        let clusters = "muster/clusters.yaml";
        let files = [WEB, &[(SET_FILE, set.as_str()), (clusters, &labelled)]].concat();
        let first = commit(&fleet, &files, "web everywhere").await?;
        all_healthy(&fleet, &NAMES, &first).await?;
        let before = uids(&mut fleet).await?;

        let bare = cluster_documents("");
        commit(&fleet, &[(clusters, &bare)], "a slip of the pen").await?;
        let (_, names) = parked(&fleet, "apps").await?;
        ensure!(names == NAMES, "parked: {names:?}");
        ensure!(uids(&mut fleet).await? == before, "objects were removed or replaced");

        // The labels come back: nothing is parked any more, and nobody had to approve anything.
        let mended = commit(&fleet, &[(clusters, &labelled)], "mended").await?;
        all_healthy(&fleet, &NAMES, &mended).await?;
        for name in NAMES {
            let view = application(&fleet, name).await?;
            ensure!(view["removal"].is_null(), "{view}");
        }
        ensure!(uids(&mut fleet).await? == before, "objects were removed or replaced");
        fleet.stop().await
    });
}
