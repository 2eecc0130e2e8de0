//! Which cluster of Muster a destination names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::cluster::Cluster;
use model::name::ClusterName;
use model::problem::Reason;
use serde_json::Value;

use super::Untranslatable;

/// The address of a cluster that has none: sets write `destination.server: '{{server}}'`, and a
/// cluster of Muster needs no address, since its spoke calls the hub.
const SCHEME: &str = "muster://";
/// The cluster that Argo CD itself runs in, under its name and its address.
const IN_CLUSTER: (&str, &str) = ("in-cluster", "https://kubernetes.default.svc");

/// The address that the compat dialect sees of a cluster: its `spec.server`, or `muster://NAME`.
#[must_use]
pub fn address(cluster: &Cluster) -> Cow<'_, str> {
    match cluster.spec.server.as_str() {
        "" => Cow::Owned(format!("{SCHEME}{}", cluster.metadata.name)),
        server => Cow::Borrowed(server),
    }
}

/// The clusters by what documents call them.
#[derive(Debug, Default)]
pub struct Destinations<'a> {
    names: BTreeMap<&'a str, &'a ClusterName>,
    servers: BTreeMap<String, Vec<&'a ClusterName>>,
}

impl<'a> Destinations<'a> {
    #[must_use]
    pub fn new(clusters: &'a [Cluster]) -> Self {
        let mut destinations = Self::default();
        for cluster in clusters {
            let name = &cluster.metadata.name;
            destinations.names.insert(name.as_str(), name);
            let server = address(cluster).trim_end_matches('/').to_owned();
            destinations.servers.entry(server).or_default().push(name);
        }
        destinations
    }

    /// The cluster that a `destination` names by `name` or by `server`.
    pub(super) fn resolve(&self, destination: &Value) -> Result<ClusterName, Untranslatable> {
        let text = |field| destination.get(field).and_then(Value::as_str).unwrap_or_default();
        match (text("name"), text("server")) {
            ("", "") => Err(invalid("there is neither a name nor a server; write one of them")),
            ("", server) => self.by_server(server),
            (name, "") => self.by_name(name),
            _ => Err(invalid("there are a name and a server; write one of them")),
        }
    }

    fn by_name(&self, name: &str) -> Result<ClusterName, Untranslatable> {
        match self.names.get(name) {
            Some(cluster) => Ok((*cluster).clone()),
            None if name == IN_CLUSTER.0 => self.by_server(IN_CLUSTER.1),
            None => Err(unknown(format!("there is no cluster {name:?}"))),
        }
    }

    fn by_server(&self, server: &str) -> Result<ClusterName, Untranslatable> {
        let server = server.trim_end_matches('/');
        match self.servers.get(server).map(Vec::as_slice) {
            Some([cluster]) => Ok((*cluster).clone()),
            Some([first, second, ..]) => Err(unknown(format!(
                "{first} and {second} both have the server {server:?}; name the cluster instead"
            ))),
            _ if server == IN_CLUSTER.1 => match self.names.get(IN_CLUSTER.0) {
                Some(cluster) => Ok((*cluster).clone()),
                None => Err(unknown(format!(
                    "no cluster says that it is {server:?}, where Argo CD itself runs; give the \
                     Cluster document of the one that is meant this spec.server"
                ))),
            },
            _ => Err(unknown(format!(
                "no cluster has the server {server:?}; set spec.server in its Cluster document, or \
                 name the cluster in destination.name"
            ))),
        }
    }
}

fn invalid(message: &str) -> Untranslatable {
    let message = format!("spec.destination: {message}");
    Untranslatable { reason: Reason::InvalidApplication, message }
}

fn unknown(message: String) -> Untranslatable {
    let message = format!("spec.destination: {message}");
    Untranslatable { reason: Reason::UnknownCluster, message }
}
