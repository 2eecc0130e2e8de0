//! A Kubernetes object as it was rendered, its identity, and the order in which kinds are applied.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// The largest manifest in bytes of JSON: what etcd takes in one request (1.5 MiB).
pub const MAX_MANIFEST_BYTES: usize = 1_572_864;

/// Which object: independent of the API version it was written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectKey {
    /// The API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub kind: String,
    /// Empty for objects of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for ObjectKey {
    /// `Deployment.apps shop/web`, as kubectl names kinds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// One rendered object. Its body is an object with `apiVersion`, `kind` and `metadata.name`.
#[derive(Clone, PartialEq)]
pub struct Manifest {
    body: Map<String, Value>,
    api_version: String,
    key: ObjectKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    #[error("a manifest must be a mapping with apiVersion, kind and metadata.name")]
    NotAMapping,
    #[error("{what} has no {field}, or it is not text")]
    Missing { what: String, field: &'static str },
    #[error("{what} uses generateName, so it would be another object each time; give it a name")]
    GenerateName { what: String },
    #[error("{what}: {text:?} is not a valid {field}")]
    Invalid { what: String, field: &'static str, text: String },
}

impl Manifest {
    /// Takes a document that was parsed from YAML or JSON.
    ///
    /// # Errors
    /// When it is not an object of Kubernetes, or its name, namespace, kind or version could not
    /// stand in a URL.
    pub fn new(value: Value) -> Result<Self, ManifestError> {
        let Value::Object(body) = value else { return Err(ManifestError::NotAMapping) };
        let field = |map: &Map<String, Value>, name: &str| {
            map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let what = || field(&body, "kind").unwrap_or_else(|| "a manifest".to_owned());
        let missing = |field| ManifestError::Missing { what: what(), field };

        let api_version = field(&body, "apiVersion").ok_or_else(|| missing("apiVersion"))?;
        let kind = field(&body, "kind").ok_or_else(|| missing("kind"))?;
        let Some(Value::Object(metadata)) = body.get("metadata") else {
            return Err(missing("metadata"));
        };
        let Some(name) = field(metadata, "name") else {
            return Err(match metadata.contains_key("generateName") {
                true => ManifestError::GenerateName { what: what() },
                false => missing("metadata.name"),
            });
        };
        let namespace = field(metadata, "namespace").unwrap_or_default();
        for (label, text, extra) in [
            ("kind", &kind, ""),
            ("apiVersion", &api_version, "/.-"),
            ("metadata.namespace", &namespace, "-"),
            // RBAC names may hold colons and more; only what breaks a URL path is refused.
            ("metadata.name", &name, "-.:_@ ~+=,()[]"),
        ] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
            if !text.chars().all(allowed) || text.len() > 253 || text == "." || text == ".." {
                let text = text.chars().take(80).collect();
                return Err(ManifestError::Invalid { what: what(), field: label, text });
            }
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let key = ObjectKey { group, kind, namespace, name };
        Ok(Self { body, api_version, key })
    }

    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    #[must_use]
    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    #[must_use]
    pub fn into_body(self) -> Map<String, Value> {
        self.body
    }

    /// Puts the object into a namespace: for namespaced kinds that name none.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        if let Some(Value::Object(metadata)) = self.body.get_mut("metadata") {
            metadata.insert("namespace".to_owned(), Value::from(namespace));
        }
        namespace.clone_into(&mut self.key.namespace);
        self
    }

    /// An annotation of the object.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.body.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }
}

/// A Secret's values never reach a log through `{:?}`.
impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({} {})", self.api_version, self.key)
    }
}

/// Kinds in the order in which they are applied; the rest follows. It is Argo CD's order, which
/// users' charts are tuned to, with CRDs moved to the front: everything may need them.
const KIND_ORDER: [&str; 34] = [
    "CustomResourceDefinition",
    "Namespace",
    "PriorityClass",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
];

/// Where a kind stands in the apply order; unknown kinds come after all known ones, and webhook
/// configurations and API services last, since they can block everything that follows.
#[must_use]
pub fn apply_rank(key: &ObjectKey) -> usize {
    let known = KIND_ORDER.iter().position(|kind| *kind == key.kind);
    match key.kind.as_str() {
        "APIService" => KIND_ORDER.len() + 1,
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => KIND_ORDER.len() + 2,
        _ => known.unwrap_or(KIND_ORDER.len()),
    }
}

/// Sorts manifests into apply order: kind, then namespace and name. Removal goes the other way.
pub fn sort_for_apply(manifests: &mut [Manifest]) {
    manifests.sort_by_cached_key(|manifest| (apply_rank(&manifest.key), manifest.key.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(api_version: &str, kind: &str, name: &str) -> Manifest {
        let value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
        Manifest::new(value).unwrap()
    }

    #[test]
    fn definitions_and_namespaces_come_first_and_webhooks_last() {
        let mut manifests = [
            manifest("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "a"),
            manifest("example.com/v1", "Widget", "a"),
            manifest("apps/v1", "Deployment", "a"),
            manifest("v1", "Namespace", "a"),
            manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com"),
        ];
        sort_for_apply(&mut manifests);
        let kinds: Vec<_> = manifests.iter().map(|m| m.key().kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "CustomResourceDefinition",
                "Namespace",
                "Deployment",
                "Widget",
                "ValidatingWebhookConfiguration"
            ]
        );
    }

    #[test]
    fn what_could_leave_a_url_path_is_refused() {
        for name in ["a/b", "..", "a?b", "a%2fb"] {
            let value =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            assert!(Manifest::new(value).is_err(), "{name}");
        }
    }

    #[test]
    fn debug_output_holds_no_values() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"password": "aHVudGVyMg=="}});
        let text = format!("{:?}", Manifest::new(secret).unwrap());
        assert_eq!(text, "Manifest(v1 Secret s)");
    }
}
