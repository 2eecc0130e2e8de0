//! Decision objects as a spoke reports them: which kinds it watches, and what of an object is told.
//!
//! A placement controller chooses clusters in the status of objects in its own cluster;
//! `clusterDecisionResource` generators read them. Of such an object only its identity, its labels
//! and its status leave the cluster. Both sides of the wire make objects through this module, so
//! that one which does not have this form is refused at the border.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::canonical;
use crate::name::{MAX_NAME_BYTES, is_name};

/// The most resources that one spoke watches for decisions.
pub const MAX_RESOURCES: usize = 100;
/// The most objects of one report, and the bytes of their JSON together. A decision is about 100
/// bytes, so this is room for 100,000 of them; parsed they take some 100 MB.
pub const MAX_OBJECTS: usize = 10_000;
pub const MAX_BYTES: usize = 16 << 20;
/// The largest object, in bytes of JSON: what etcd takes by default, and well below a message.
pub const MAX_OBJECT_BYTES: usize = 3 << 19;
/// The longest reason why a list cannot be read; the rest of a longer one is cut off.
pub const MAX_REASON_BYTES: usize = 1_024;

/// The objects of one kind, of one namespace or of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "Written")]
pub struct DecisionResource {
    // GROUP/VERSION, a plural name, and the name of a namespace or nothing.
    api_version: Arc<str>,
    resource: Arc<str>,
    namespace: Arc<str>,
}

/// As it stands in a configuration file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    api_version: String,
    resource: String,
    #[serde(default)]
    namespace: String,
}

/// Why a text names no resource.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecisionResourceError {
    #[error("apiVersion is {0:?}; write GROUP/VERSION, as the definition of the resource has them")]
    ApiVersion(String),
    #[error("resource is {0:?}; write its plural name in lower case, such as placementdecisions")]
    Resource(String),
    #[error("namespace is {0:?}, which no namespace is called; leave it empty for all")]
    Namespace(String),
}

impl DecisionResource {
    /// # Errors
    /// When one of the parts is none. Resources of the core group, Secrets among them, decide
    /// nothing and are refused.
    pub fn new(
        api_version: &str,
        resource: &str,
        namespace: &str,
    ) -> Result<Self, DecisionResourceError> {
        let short = |text: &str| text.chars().take(80).collect::<String>();
        let parts = api_version.split_once('/');
        if !parts.is_some_and(|(group, version)| is_name(group) && is_word(version)) {
            return Err(DecisionResourceError::ApiVersion(short(api_version)));
        }
        if !is_word(resource) {
            return Err(DecisionResourceError::Resource(short(resource)));
        }
        if !namespace.is_empty() && !is_word(namespace) {
            return Err(DecisionResourceError::Namespace(short(namespace)));
        }
        Ok(Self {
            api_version: api_version.into(),
            resource: resource.into(),
            namespace: namespace.into(),
        })
    }

    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The plural name.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Empty for all.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether an object may belong to both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let all = self.namespace.is_empty() || other.namespace.is_empty();
        self.api_version == other.api_version
            && self.resource == other.resource
            && (all || self.namespace == other.namespace)
    }
}

/// One label of a DNS name.
fn is_word(text: &str) -> bool {
    is_name(text) && !text.contains('.')
}

impl TryFrom<Written> for DecisionResource {
    type Error = DecisionResourceError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::new(&written.api_version, &written.resource, &written.namespace)
    }
}

impl fmt::Display for DecisionResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.resource, self.api_version)?;
        match &*self.namespace {
            "" => Ok(()),
            namespace => write!(f, " in {namespace}"),
        }
    }
}

/// Why an object cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecisionObjectError {
    #[error("{field} is missing or not what it must be")]
    Field { field: &'static str },
    #[error("it has {bytes} bytes; at most {MAX_OBJECT_BYTES} can be reported")]
    TooLarge { bytes: usize },
    #[error("it is not JSON, or has more than its name, labels and status")]
    Form,
}

/// An object reduced to what generators look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionObject {
    namespace: Arc<str>,
    name: Arc<str>,
    /// Canonical JSON.
    body: Arc<[u8]>,
}

impl DecisionObject {
    /// Takes what is told of an object as the API server gives it.
    ///
    /// # Errors
    /// When it is none of this resource, or too large.
    pub fn reduce(
        resource: &DecisionResource,
        object: &Value,
    ) -> Result<Self, DecisionObjectError> {
        let (namespace, name, value) = reduced(resource, object)?;
        let body = canonical::to_bytes(&value);
        if body.len() > MAX_OBJECT_BYTES {
            return Err(DecisionObjectError::TooLarge { bytes: body.len() });
        }
        Ok(Self { namespace: namespace.into(), name: name.into(), body: body.into() })
    }

    /// Reads one that was told.
    ///
    /// # Errors
    /// When it is not exactly what [`DecisionObject::reduce`] makes.
    pub fn from_body(
        resource: &DecisionResource,
        body: Vec<u8>,
    ) -> Result<Self, DecisionObjectError> {
        if body.len() > MAX_OBJECT_BYTES {
            return Err(DecisionObjectError::TooLarge { bytes: body.len() });
        }
        let value: Value = serde_json::from_slice(&body).map_err(|_| DecisionObjectError::Form)?;
        let object = Self::reduce(resource, &value)?;
        if *object.body != *body { Err(DecisionObjectError::Form) } else { Ok(object) }
    }

    /// Empty for an object of the whole cluster.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body was made from JSON")
    }
}

fn reduced(
    resource: &DecisionResource,
    object: &Value,
) -> Result<(String, String, Value), DecisionObjectError> {
    let wrong = |field| DecisionObjectError::Field { field };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if object["apiVersion"] != *resource.api_version() {
        return Err(wrong("apiVersion"));
    }
    let kind = text(&object["kind"]).ok_or(wrong("kind"))?;
    let name = text(&object["metadata"]["name"]);
    let name = name.filter(|name| name.len() <= MAX_NAME_BYTES).ok_or(wrong("metadata.name"))?;
    let namespace = match &object["metadata"]["namespace"] {
        Value::Null => String::new(),
        namespace => text(namespace).ok_or(wrong("metadata.namespace"))?,
    };
    if !resource.namespace().is_empty() && resource.namespace() != namespace {
        return Err(wrong("metadata.namespace"));
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), name.as_str().into());
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), namespace.as_str().into());
    }
    match &object["metadata"]["labels"] {
        Value::Null => {}
        Value::Object(labels) if labels.values().all(Value::is_string) => {
            metadata.insert("labels".to_owned(), Value::Object(labels.clone()));
        }
        _ => return Err(wrong("metadata.labels")),
    }
    let mut value = Map::new();
    value.insert("apiVersion".to_owned(), resource.api_version().into());
    value.insert("kind".to_owned(), kind.into());
    value.insert("metadata".to_owned(), Value::Object(metadata));
    match &object["status"] {
        Value::Null => {}
        status @ Value::Object(_) => drop(value.insert("status".to_owned(), status.clone())),
        _ => return Err(wrong("status")),
    }
    Ok((namespace, name, Value::Object(value)))
}

/// What a spoke knows of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionList {
    /// All objects that there are.
    Whole(Vec<DecisionObject>),
    /// Why they cannot be listed now, which says nothing about what there is.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placements() -> DecisionResource {
        DecisionResource::new("cluster.example/v1beta1", "placementdecisions", "").unwrap()
    }

    #[test]
    fn a_resource_has_a_group_and_a_plural_name() {
        assert_eq!(placements().to_string(), "placementdecisions of cluster.example/v1beta1");
        for (version, resource, namespace) in [
            ("v1", "secrets", ""),
            ("cluster.example/", "things", ""),
            ("a/b/c", "things", ""),
            ("cluster.example/v1", "PlacementDecision", ""),
            ("cluster.example/v1", "things/status", ""),
            ("cluster.example/v1", "", ""),
            ("cluster.example/v1", "things", "../x"),
        ] {
            assert!(DecisionResource::new(version, resource, namespace).is_err(), "{resource}");
        }
        let one = DecisionResource::new("cluster.example/v1beta1", "placementdecisions", "a");
        assert!(placements().overlaps(&one.unwrap()));
    }

    #[test]
    fn only_identity_labels_and_status_are_told() {
        let object = json!({
            "apiVersion": "cluster.example/v1beta1", "kind": "PlacementDecision",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "managedFields": [{}],
                "labels": {"x": "y"}, "annotations": {"secret": "1"}},
            "spec": {"secret": "2"},
            "status": {"decisions": [{"clusterName": "eu-1"}]},
        });
        let told = DecisionObject::reduce(&placements(), &object).unwrap();
        assert_eq!(
            std::str::from_utf8(told.body()).unwrap(),
            r#"{"apiVersion":"cluster.example/v1beta1","kind":"PlacementDecision","metadata":{"labels":{"x":"y"},"name":"a","namespace":"n"},"status":{"decisions":[{"clusterName":"eu-1"}]}}"#
        );
        let read = DecisionObject::from_body(&placements(), told.body().to_vec()).unwrap();
        assert_eq!(read, told);
        let more = serde_json::to_vec(&object).unwrap();
        assert!(DecisionObject::from_body(&placements(), more).is_err());
    }

    #[test]
    fn an_object_of_another_kind_or_size_is_not_told() {
        let object = |version: &str, filler: usize| {
            json!({"apiVersion": version, "kind": "PlacementDecision", "metadata": {"name": "a"},
                "status": {"x": "y".repeat(filler)}})
        };
        let reduce = |object: &Value| DecisionObject::reduce(&placements(), object);
        assert!(reduce(&object("cluster.example/v1beta1", 1)).is_ok());
        assert!(reduce(&object("cluster.example/v1", 1)).is_err());
        let error = reduce(&object("cluster.example/v1beta1", MAX_OBJECT_BYTES)).unwrap_err();
        assert!(error.to_string().contains("at most"), "{error}");
        assert!(reduce(&Value::Null).is_err());
    }
}
