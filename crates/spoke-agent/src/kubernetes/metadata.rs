//! The part of an object that the engine looks at: read from its JSON, the rest is skipped.
//!
//! Nothing of a body is kept: an observation of a 4 kB Deployment is a few hundred bytes.

use model::manifest::ObjectKey;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::fields;
use crate::health::{self, Verdict};

/// Which application of Muster an object belongs to.
pub const APPLICATION_ANNOTATION: &str = "muster.dev/application";
/// Which agent's objects these are; the watches select by it.
pub const PART_OF_LABEL: &str = "muster.dev/part-of";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawObject<'a> {
    #[serde(borrow)]
    metadata: RawMetadata<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMetadata<'a> {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    deletion_timestamp: Option<String>,
    finalizers: Vec<String>,
    annotations: Option<Annotations>,
    #[serde(borrow)]
    managed_fields: Option<&'a RawValue>,
}

/// The annotations that Muster acts on; all others (the last-applied one is a whole manifest)
/// are skipped.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    #[serde(rename = "muster.dev/application")]
    pub application: Option<String>,
    #[serde(rename = "muster.dev/prune")]
    pub prune: Option<String>,
    #[serde(rename = "argocd.argoproj.io/sync-options")]
    pub sync_options: Option<String>,
    #[serde(rename = "helm.sh/resource-policy")]
    pub resource_policy: Option<String>,
}

/// The state of one live object at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub key: ObjectKey,
    pub uid: String,
    /// As a number, for "which is newer"; 0 when the server does not use numbers.
    pub resource_version: u64,
    /// The hash of each of Muster's own entries, with its manager.
    pub own: Vec<(String, u64)>,
    pub deleting: bool,
    pub finalizers: Vec<String>,
    pub annotations: Annotations,
    /// Only for kinds with a health rule, or an object that is being deleted.
    pub health: Option<Verdict>,
    /// The raw entries, so that a drift can be explained.
    pub managed_fields: Box<str>,
}

impl Observation {
    /// What `manager` owns of it, as a hash.
    #[must_use]
    pub fn own_hash(&self, manager: &str) -> Option<u64> {
        self.own.iter().find(|(name, _)| name == manager).map(|(_, hash)| *hash)
    }
}

/// Reads an object of a known kind. `full` says that the JSON has `spec` and `status`, not only
/// metadata.
///
/// # Errors
/// When it is not the JSON of an object.
pub fn observe(group: &str, kind: &str, json: &str, full: bool) -> serde_json::Result<Observation> {
    let RawObject { metadata } = serde_json::from_str(json)?;
    let managed_fields = metadata.managed_fields.map_or("[]", RawValue::get);
    let deleting = metadata.deletion_timestamp.is_some();
    let verdict = if deleting {
        Some(health::pending_deletion(&metadata.finalizers))
    } else if full {
        health::assess(&serde_json::from_str::<Value>(json)?, group, kind)
    } else {
        None
    };
    Ok(Observation {
        key: ObjectKey {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: metadata.namespace,
            name: metadata.name,
        },
        uid: metadata.uid,
        resource_version: metadata.resource_version.parse().unwrap_or(0),
        own: fields::muster_hashes(&fields::parse(managed_fields)),
        deleting,
        finalizers: metadata.finalizers,
        annotations: metadata.annotations.unwrap_or_default(),
        health: verdict,
        managed_fields: managed_fields.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::status::Health;

    #[test]
    fn an_object_is_reduced_to_what_matters() {
        let json = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"n",
            "uid":"u","resourceVersion":"42","annotations":{"muster.dev/application":"web","x":"y"},
            "managedFields":[{"manager":"muster:web","operation":"Apply","fieldsV1":{"f:data":{"f:a":{}}}}]},
            "data":{"a":"b"}}"#;
        let seen = observe("", "ConfigMap", json, false).unwrap();
        assert_eq!(seen.resource_version, 42);
        assert_eq!(seen.annotations.application.as_deref(), Some("web"));
        assert!(seen.own_hash("muster:web").is_some());
        assert_eq!(seen.own_hash("muster:other"), None);
        assert_eq!(seen.health, None);
    }

    #[test]
    fn what_is_being_deleted_is_progressing_whatever_its_kind() {
        let json = r#"{"metadata":{"name":"a","deletionTimestamp":"2026-01-01T00:00:00Z",
            "finalizers":["example.com/hold"]}}"#;
        let seen = observe("", "ConfigMap", json, false).unwrap();
        let verdict = seen.health.unwrap();
        assert_eq!(verdict.health, Health::Progressing);
        assert!(verdict.message.contains("example.com/hold"), "{}", verdict.message);
    }
}
