//! The fleet that the stories are told with: three clusters, one set over them, three kinds of source.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::control_plane::Options;
use e2e::fleet::{Fleet, FleetOptions};
use serde_json::Value;

/// Enough on a machine that compiles at the same time; an idle one needs a few seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A Deployment, a Service and a ConfigMap as plain YAML.
pub(crate) const WEB: &[(&str, &str)] = &[
    ("apps/web/deployment.yaml", include_str!("fixture/web/deployment.yaml")),
    ("apps/web/config.yaml", include_str!("fixture/web/config.yaml")),
    ("apps/web/extra.yaml", include_str!("fixture/web/extra.yaml")),
];

pub(crate) const KUSTOMIZE: &[(&str, &str)] = &[
    ("apps/billing/kustomization.yaml", include_str!("fixture/billing/kustomization.yaml")),
    ("apps/billing/config.yaml", include_str!("fixture/billing/config.yaml")),
];

pub(crate) const HELM: &[(&str, &str)] = &[
    ("apps/ledger/Chart.yaml", include_str!("fixture/ledger/Chart.yaml")),
    ("apps/ledger/values.yaml", include_str!("fixture/ledger/values.yaml")),
    ("apps/ledger/templates/config.yaml", include_str!("fixture/ledger/templates/config.yaml")),
];

/// Where the set is written in the fleet repository.
pub(crate) const SET_FILE: &str = "muster/apps.yaml";

/// Every directory of `apps/` on every cluster with `env: prod`.
pub(crate) fn matrix_set(fleet: &Fleet) -> String {
    include_str!("fixture/matrix-set.yaml").replace("REPOSITORY", fleet.repository.url())
}

/// `web` on the clusters that the list names.
pub(crate) fn list_set(fleet: &Fleet, clusters: &[&str]) -> String {
    let elements: Vec<_> = clusters.iter().map(|name| format!("{{cluster: {name}}}")).collect();
    include_str!("fixture/list-set.yaml")
        .replace("ELEMENTS", &elements.join(", "))
        .replace("REPOSITORY", fleet.repository.url())
}

/// Three clusters with a node each, so that pods become ready.
pub(crate) async fn fleet(folder: &Path) -> Result<Fleet> {
    let mut options = FleetOptions::clusters(3);
    options.control_plane = Options { nodes: 1, ..Options::default() };
    options.hub_settings.push("fleetRepository.path=muster".to_owned());
    Fleet::start(folder, &options).await
}

/// Commits, makes the hub look, and returns the commit.
pub(crate) async fn commit(fleet: &Fleet, files: &[(&str, &str)], message: &str) -> Result<String> {
    let commit = fleet.repository.commit_files(files, message).await?;
    fleet.refresh().await?;
    Ok(commit)
}

/// Waits until exactly these applications exist and all are Synced and Healthy at `revision`.
pub(crate) async fn all_healthy(fleet: &Fleet, names: &[&str], revision: &str) -> Result<()> {
    let good = |view: &Value| {
        view["sync"] == "Synced"
            && view["health"] == "Healthy"
            && view["appliedRevision"] == revision
    };
    fleet
        .wait_for("healthy applications", LIMIT, &["get", "applications"], |answer| {
            let items = answer["items"].as_array()?;
            let found: Vec<_> = items.iter().filter_map(|view| view["name"].as_str()).collect();
            let complete =
                names.len() == found.len() && names.iter().all(|name| found.contains(name));
            (complete && items.iter().all(good)).then_some(())
        })
        .await
}

/// One application as the hub shows it.
pub(crate) async fn application(fleet: &Fleet, name: &str) -> Result<Value> {
    fleet.muster_json(&["get", "applications", name]).await
}

/// The UID of an object, or `None` when it is not there.
pub(crate) async fn uid(fleet: &mut Fleet, cluster: &str, object: &str) -> Result<Option<String>> {
    let (namespace, object) = object.split_once(' ').context("write NAMESPACE KIND/NAME")?;
    let arguments =
        ["get", object, "-n", namespace, "-o", "jsonpath={.metadata.uid}", "--ignore-not-found"];
    let uid = fleet.member(cluster)?.plane.kubectl_ok(&arguments).await?;
    Ok(Some(uid).filter(|uid| !uid.is_empty()))
}

/// The UIDs of `web`'s objects on all clusters: an object that was deleted and made again differs.
pub(crate) async fn uids(fleet: &mut Fleet) -> Result<Vec<String>> {
    let mut uids = Vec::new();
    for cluster in ["eu-1", "eu-2", "eu-3"] {
        for object in ["web deployment/web", "web configmap/settings", "web configmap/extra"] {
            let found = uid(fleet, cluster, object).await?;
            uids.push(found.with_context(|| format!("{object} is not on {cluster}"))?);
        }
    }
    Ok(uids)
}

/// Waits until an object is gone from a cluster.
pub(crate) async fn gone(fleet: &mut Fleet, cluster: &str, object: &str) -> Result<()> {
    let end = tokio::time::Instant::now() + LIMIT;
    while uid(fleet, cluster, object).await?.is_some() {
        ensure!(tokio::time::Instant::now() < end, "{object} is still on {cluster}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The set's parked removals: the plan to approve, and the names.
pub(crate) async fn parked(fleet: &Fleet, set: &str) -> Result<(String, Vec<String>)> {
    fleet
        .wait_for("parked removals", LIMIT, &["get", "applicationsets", set], |view| {
            let parked = view.get("parked")?;
            let names = parked["applications"].as_array()?;
            let names = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            Some((parked["plan"].as_str()?.to_owned(), names))
        })
        .await
}
