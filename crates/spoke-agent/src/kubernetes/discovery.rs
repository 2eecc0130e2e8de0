//! Which kinds the API server serves, under which path, and whether they live in namespaces.
//!
//! Two requests read everything (aggregated discovery); a group is read again by itself when a
//! definition has arrived in it. The table is shared and replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::manifest::ObjectKey;
use serde::Deserialize;
use tokio::sync::watch;

use super::answer::{Refusal, RefusalKind};
use super::client::{Cluster, percent_encode};

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// One kind in one version, as the server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub group: Arc<str>,
    pub version: Arc<str>,
    pub kind: Arc<str>,
    pub plural: Arc<str>,
    pub namespaced: bool,
}

impl Resource {
    #[must_use]
    pub fn api_version(&self) -> String {
        match &*self.group {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The path of all objects, or of those in a namespace.
    #[must_use]
    pub fn collection_path(&self, namespace: &str) -> String {
        let root = match &*self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            "" => format!("{root}/{}", self.plural),
            namespace => format!("{root}/namespaces/{namespace}/{}", self.plural),
        }
    }

    #[must_use]
    pub fn object_path(&self, key: &ObjectKey) -> String {
        let namespace = if self.namespaced { key.namespace.as_str() } else { "" };
        format!("{}/{}", self.collection_path(namespace), percent_encode(&key.name))
    }
}

/// The table of kinds: group → kind → versions, the server's preferred one first.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    groups: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<Resource>>>,
}

impl Kinds {
    /// A kind in exactly the version that a manifest names.
    #[must_use]
    pub fn find(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let versions = self.groups.get(group)?.get(kind)?;
        versions.iter().find(|resource| &*resource.version == version)
    }

    /// A kind in that version, or in another one that is still served.
    #[must_use]
    pub fn find_any(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.find(api_version, kind).or_else(|| self.groups.get(group)?.get(kind)?.first())
    }

    /// All `group/version` and `group/version/Kind` strings, as Helm's capabilities list them.
    #[must_use]
    pub fn api_versions(&self) -> Vec<String> {
        let mut all = Vec::new();
        for resource in self.groups.values().flat_map(BTreeMap::values).flatten() {
            let api_version = resource.api_version();
            all.push(format!("{api_version}/{}", resource.kind));
            all.push(api_version);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn insert(&mut self, resource: Resource) {
        let versions = self
            .groups
            .entry(Arc::clone(&resource.group))
            .or_default()
            .entry(Arc::clone(&resource.kind))
            .or_default();
        match versions.iter_mut().find(|known| known.version == resource.version) {
            Some(known) => *known = resource,
            None => versions.push(resource),
        }
    }
}

/// An empty list of Go's may be `null`.
pub(crate) fn or_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default, deserialize_with = "or_empty")]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Named,
    #[serde(default, deserialize_with = "or_empty")]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default, deserialize_with = "or_empty")]
    resources: Vec<DiscoveredResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiscoveredResource {
    resource: String,
    #[serde(default)]
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default, deserialize_with = "or_empty")]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    kind: String,
}

/// Reads one aggregated discovery document into the table.
fn add_aggregated(kinds: &mut Kinds, document: &[u8]) -> serde_json::Result<()> {
    let list: GroupList = serde_json::from_slice(document)?;
    for group in list.items {
        let name: Arc<str> = group.metadata.name.into();
        for version in group.versions {
            let version_name: Arc<str> = version.version.into();
            for resource in version.resources {
                let Some(kind) = resource.response_kind else { continue };
                // Without patch and get it cannot be applied (TokenReview and its like).
                if !resource.verbs.iter().any(|verb| verb == "patch") {
                    continue;
                }
                kinds.insert(Resource {
                    group: Arc::clone(&name),
                    version: Arc::clone(&version_name),
                    kind: kind.kind.into(),
                    plural: resource.resource.into(),
                    namespaced: resource.scope == "Namespaced",
                });
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceList {
    #[serde(default, deserialize_with = "or_empty")]
    resources: Vec<ListedResource>,
}

#[derive(Deserialize)]
struct ListedResource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default, deserialize_with = "or_empty")]
    verbs: Vec<String>,
}

/// Reads the resource list of one group and version, which every server has.
fn add_listed(kinds: &mut Kinds, api_version: &str, document: &[u8]) -> serde_json::Result<()> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let (group, version): (Arc<str>, Arc<str>) = (group.into(), version.into());
    let list: ResourceList = serde_json::from_slice(document)?;
    for resource in list.resources {
        if resource.name.contains('/') || !resource.verbs.iter().any(|verb| verb == "patch") {
            continue;
        }
        kinds.insert(Resource {
            group: Arc::clone(&group),
            version: Arc::clone(&version),
            kind: resource.kind.into(),
            plural: resource.name.into(),
            namespaced: resource.namespaced,
        });
    }
    Ok(())
}

/// The shared table and the means to renew it.
#[derive(Clone)]
pub struct Discovery {
    cluster: Cluster,
    kinds: Arc<watch::Sender<Arc<Kinds>>>,
}

impl Discovery {
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn start(cluster: Cluster) -> Result<Self, Refusal> {
        let kinds = Arc::new(read_all(&cluster).await?);
        Ok(Self { cluster, kinds: Arc::new(watch::Sender::new(kinds)) })
    }

    #[must_use]
    pub fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.kinds.borrow())
    }

    /// Reads everything anew.
    ///
    /// # Errors
    /// When the API server cannot be asked; the old table stays.
    pub async fn refresh(&self) -> Result<(), Refusal> {
        let kinds = Arc::new(read_all(&self.cluster).await?);
        self.kinds.send_replace(kinds);
        Ok(())
    }

    /// Looks for a kind that is not in the table: one request for its group and version.
    ///
    /// # Errors
    /// When the API server cannot be asked; a group that is not served is no error.
    pub async fn look_for(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Resource>, Refusal> {
        if let Some(resource) = self.kinds().find(api_version, kind) {
            return Ok(Some(resource.clone()));
        }
        let path = match api_version.contains('/') {
            true => format!("/apis/{api_version}"),
            false => format!("/api/{api_version}"),
        };
        let document = match self.cluster.get(&path, None).await {
            Ok(document) => document,
            Err(refusal) => match refusal.kind {
                RefusalKind::KindMissing | RefusalKind::NotFound => return Ok(None),
                _ => return Err(refusal),
            },
        };
        let mut added = Kinds::default();
        add_listed(&mut added, api_version, &document).map_err(|error| {
            Refusal::unreachable(&format!("discovery of {api_version}: {error}"))
        })?;
        let found = added.find(api_version, kind).cloned();
        self.kinds.send_modify(|kinds| {
            let kinds = Arc::make_mut(kinds);
            for resource in added.groups.into_values().flat_map(BTreeMap::into_values).flatten() {
                kinds.insert(resource);
            }
        });
        Ok(found)
    }

    /// The version of the server, such as `v1.36.3`.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn server_version(&self) -> Result<String, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ServerVersion {
            git_version: String,
        }
        let document = self.cluster.get("/version", None).await?;
        serde_json::from_slice::<ServerVersion>(&document)
            .map(|version| version.git_version)
            .map_err(|error| Refusal::unreachable(&format!("/version: {error}")))
    }
}

async fn read_all(cluster: &Cluster) -> Result<Kinds, Refusal> {
    let mut kinds = Kinds::default();
    for path in ["/api", "/apis"] {
        let document = cluster.get(path, Some(AGGREGATED)).await?;
        add_aggregated(&mut kinds, &document)
            .map_err(|error| Refusal::unreachable(&format!("discovery at {path}: {error}")))?;
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Kinds {
        let mut kinds = Kinds::default();
        let document = br#"{"items":[{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[
            {"resource":"deployments","responseKind":{"group":"apps","version":"v1","kind":"Deployment"},
             "scope":"Namespaced","verbs":["get","patch"]}]}]},
            {"metadata":{"name":"authentication.k8s.io"},"versions":[{"version":"v1","resources":[
            {"resource":"tokenreviews","responseKind":{"kind":"TokenReview"},"scope":"Cluster","verbs":["create"]}]}]}]}"#;
        add_aggregated(&mut kinds, document).unwrap();
        let core = br#"{"resources":[{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["patch"]},
            {"name":"namespaces","kind":"Namespace","namespaced":false,"verbs":["patch"]},
            {"name":"namespaces/status","kind":"Namespace","namespaced":false,"verbs":["patch"]}]}"#;
        add_listed(&mut kinds, "v1", core).unwrap();
        kinds
    }

    #[test]
    fn both_documents_fill_one_table() {
        let kinds = kinds();
        let deployment = kinds.find("apps/v1", "Deployment").unwrap();
        assert_eq!(deployment.collection_path("shop"), "/apis/apps/v1/namespaces/shop/deployments");
        let namespace = kinds.find("v1", "Namespace").unwrap();
        assert!(!namespace.namespaced);
        assert_eq!(&*namespace.plural, "namespaces");
        assert!(kinds.find("apps/v2", "Deployment").is_none());
        assert!(kinds.find_any("apps/v1beta1", "Deployment").is_some());
        assert!(kinds.find("authentication.k8s.io/v1", "TokenReview").is_none());
        assert!(kinds.api_versions().contains(&"apps/v1/Deployment".to_owned()));
    }

    #[test]
    fn a_cluster_object_has_no_namespace_in_its_path() {
        let kinds = kinds();
        let key = |kind: &str, namespace: &str| ObjectKey {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: "a".to_owned(),
        };
        let path = |kind: &str, namespace: &str| {
            kinds.find("v1", kind).unwrap().object_path(&key(kind, namespace))
        };
        assert_eq!(path("ConfigMap", "n"), "/api/v1/namespaces/n/configmaps/a");
        assert_eq!(path("Namespace", "n"), "/api/v1/namespaces/a");
    }
}
