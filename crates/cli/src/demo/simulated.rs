//! Simulated clusters: in memory for the spokes, and over HTTPS for kubectl.
//!
//! Tasks: `cluster NAME` for the controllers of each cluster, and those of `kube_sim::serve`. They
//! outlive the spokes, which must end first.

use std::path::{Path, PathBuf};

use kube_sim::controllers::Behaviour;
use kube_sim::serve::{Tls, serve};
use kube_sim::{Cluster as SimulatedCluster, Options, User};
use runtime::clock::Clock;
use runtime::error::chain;
use runtime::supervise::Supervisor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::access::write_private;
use super::cluster::Cluster;
use super::error::DemoError;
use super::fleet::namespace;
use super::repository::BROKEN_TAG;

/// Where a spoke keeps its state, as it is deployed.
pub(crate) const AGENT_NAMESPACE: &str = "muster-system";
const KUBECONFIG: &str = "kubeconfig";

pub(crate) struct Simulated {
    pub(crate) clusters: Vec<Cluster>,
    /// One context for each cluster.
    pub(crate) kubeconfig: PathBuf,
}

impl Simulated {
    /// Clusters `eu-1` and so on, each on a free port, with kubeconfigs in `folder`.
    pub(crate) async fn start(
        number: usize,
        folder: &Path,
        clock: &Clock,
        supervisor: &Supervisor,
    ) -> Result<Self, DemoError> {
        let unusable = |reason| DemoError::Setup { what: "no cluster can be served", reason };
        let tls = Tls::new(clock).map_err(|error| unusable(chain(&error)))?;
        let mut clusters = Vec::new();
        let mut configs = Vec::new();
        for number in 1..=number {
            let name = format!("eu-{number}");
            let simulated = SimulatedCluster::new(Options {
                // A number for each: two clusters must not have the same uids.
                seed: rand::random(),
                clock: clock.clone(),
                behaviour: behaviour(),
            });
            supervisor.spawn(format!("cluster {name}"), {
                let (simulated, shutdown) = (simulated.clone(), supervisor.token());
                async move {
                    shutdown.run_until_cancelled(simulated.drive()).await;
                }
            });
            let listener = TcpListener::bind(("127.0.0.1", 0))
                .await
                .map_err(|source| DemoError::Port { port: 0, source })?;
            let server = serve(&simulated, listener, &tls, supervisor)
                .map_err(|source| DemoError::Port { port: 0, source })?;
            let kubeconfig = server.kubeconfig(&name);
            write_private(&folder.join(format!("demo-{name}.kubeconfig")), &kubeconfig)?;
            configs.push(kubeconfig);
            // The spoke is in this process, and so is its cluster: no TLS between them.
            let client = kube::Client::new(simulated.service(User::admin()), "default");
            let cluster = Cluster { context: name.clone(), name, client };
            cluster.create("/api/v1/namespaces", &namespace(AGENT_NAMESPACE)).await?;
            clusters.push(cluster);
        }
        let kubeconfig = folder.join(KUBECONFIG);
        write_private(&kubeconfig, &merge(&configs))?;
        Ok(Self { clusters, kubeconfig })
    }
}

fn behaviour() -> Behaviour {
    Behaviour { bad_images: vec![format!(":{BROKEN_TAG}")], ..Behaviour::default() }
}

/// One kubeconfig with the contexts of all; the first is the current one.
fn merge(configs: &[String]) -> String {
    let configs: Vec<Value> =
        configs.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let all = |list: &str| -> Vec<&Value> {
        configs.iter().filter_map(|config| config[list].as_array()).flatten().collect()
    };
    let merged = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": configs.first().map(|config| &config["current-context"]),
        "clusters": all("clusters"),
        "users": all("users"),
        "contexts": all("contexts"),
    });
    format!("{merged:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kubeconfig_has_the_contexts_of_all() {
        let config = |name: &str| {
            json!({
                "current-context": name,
                "clusters": [{ "name": name }], "users": [{ "name": name }],
                "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
            })
            .to_string()
        };
        let merged: Value = serde_json::from_str(&merge(&[config("a"), config("b")])).unwrap();
        assert_eq!(merged["current-context"], "a");
        assert_eq!(merged["clusters"], json!([{ "name": "a" }, { "name": "b" }]));
        assert_eq!(merged["contexts"][1]["context"], json!({ "cluster": "b", "user": "b" }));
    }
}
