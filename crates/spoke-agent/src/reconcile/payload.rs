//! From a rendered manifest to what is sent to the API server. Pure.
//!
//! The payload carries Muster's label and annotation, leaves out what only a server may write and
//! what the application leaves to others, and is in canonical form, so that its hash says whether
//! anything has to be sent at all.

use base64::Engine as _;
use bytes::Bytes;
use model::application::IgnoreDifference;
use model::canonical::{self, Digest};
use model::manifest::{Manifest, ObjectKey};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::kubernetes::fields::first_eight;
use crate::kubernetes::metadata::{APPLICATION_ANNOTATION, PART_OF_LABEL};

/// On a manifest: take an existing object over from whoever manages it.
const ADOPT_ANNOTATION: &str = "muster.dev/adopt";

/// Metadata that only the server writes; exported manifests often carry it along.
const SERVER_METADATA: [&str; 7] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "selfLink",
];

/// Why an object is in the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is in Git.
    Normal,
    /// The destination namespace that `CreateNamespace=true` asked for; never pruned.
    Implicit,
}

/// One object, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub key: ObjectKey,
    pub api_version: String,
    pub body: Bytes,
    /// Of the body.
    pub hash: u64,
    pub adopt: bool,
    pub class: Class,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PayloadError {
    #[error("{object}: {field} must be a mapping")]
    NotAMapping { object: ObjectKey, field: &'static str },
    #[error("{object}: stringData.{name} must be text; quote it")]
    NotText { object: ObjectKey, name: String },
}

/// What all payloads of one application have in common.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    pub application: &'a str,
    /// The agent's inventory id: the value of the label that the watches select by.
    pub part_of: &'a str,
    pub ignore: &'a [IgnoreDifference],
}

/// Prepares a manifest whose namespace is already decided.
///
/// # Errors
/// When the manifest's metadata or a Secret's `stringData` has a wrong type.
pub fn prepare(manifest: Manifest, marks: Marks<'_>) -> Result<Payload, PayloadError> {
    let key = manifest.key().clone();
    let api_version = manifest.api_version().to_owned();
    let adopt = manifest.annotation(ADOPT_ANNOTATION) == Some("true");
    let mut body = manifest.into_body();
    if key.group.is_empty() && key.kind == "Secret" {
        encode_string_data(&mut body, &key)?;
    }
    let mut body = Value::Object(body);
    for rule in marks.ignore.iter().filter(|rule| applies_to(rule, &key)) {
        for pointer in &rule.json_pointers {
            remove(&mut body, pointer);
        }
    }
    let metadata = mapping(&mut body, "metadata", &key, "metadata")?;
    for field in SERVER_METADATA {
        metadata.remove(field);
    }
    if key.namespace.is_empty() {
        // A chart may give every object a namespace; an object of the cluster has none.
        metadata.remove("namespace");
    }
    set(metadata, "labels", PART_OF_LABEL, marks.part_of, &key)?;
    set(metadata, "annotations", APPLICATION_ANNOTATION, marks.application, &key)?;
    Ok(finish(key, api_version, &body, adopt, Class::Normal))
}

/// The namespace that `CreateNamespace=true` asks for. It carries no application annotation:
/// several applications may want the same one.
#[must_use]
pub fn implicit_namespace(
    name: &str,
    metadata: Option<&model::application::NamespaceMetadata>,
    part_of: &str,
) -> Payload {
    let map = |pairs: &model::selector::Labels| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
    };
    let mut labels = metadata.map(|metadata| map(&metadata.labels)).unwrap_or_default();
    labels.insert(PART_OF_LABEL.to_owned(), Value::from(part_of));
    let mut body = serde_json::json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels}});
    let annotations = metadata.map(|metadata| map(&metadata.annotations)).unwrap_or_default();
    if !annotations.is_empty() {
        body["metadata"]["annotations"] = Value::Object(annotations);
    }
    let key = ObjectKey {
        group: String::new(),
        kind: "Namespace".to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
    };
    finish(key, "v1".to_owned(), &body, false, Class::Implicit)
}

fn finish(key: ObjectKey, api_version: String, body: &Value, adopt: bool, class: Class) -> Payload {
    let body = canonical::to_bytes(body);
    let hash = first_eight(Digest::of(&body).as_bytes());
    Payload { key, api_version, body: body.into(), hash, adopt, class }
}

/// `stringData` is owned as `stringData` by its manager, so that conflicts in `data` are never
/// seen and dropped keys never removed: it is sent as `data`.
fn encode_string_data(body: &mut Map<String, Value>, key: &ObjectKey) -> Result<(), PayloadError> {
    let string_data = match body.remove("stringData") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(map)) => map,
        Some(_) => {
            return Err(PayloadError::NotAMapping { object: key.clone(), field: "stringData" });
        }
    };
    let data = body.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Value::Object(data) = data else {
        return Err(PayloadError::NotAMapping { object: key.clone(), field: "data" });
    };
    for (name, value) in string_data {
        let text = match &value {
            Value::String(text) => text.as_str(),
            Value::Null => "",
            _ => return Err(PayloadError::NotText { object: key.clone(), name }),
        };
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        data.insert(name, Value::from(encoded));
    }
    Ok(())
}

fn applies_to(rule: &IgnoreDifference, key: &ObjectKey) -> bool {
    let matches = |wanted: &str, is: &str| wanted == "*" || wanted == is;
    matches(&rule.group, &key.group)
        && matches(&rule.kind, &key.kind)
        && (rule.name.is_empty() || matches(&rule.name, &key.name))
        && (rule.namespace.is_empty() || matches(&rule.namespace, &key.namespace))
}

/// Removes what an RFC 6901 pointer names; a pointer that names nothing changes nothing.
fn remove(body: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match body.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&last);
        }
        Some(Value::Array(items)) => {
            if let Some(index) = last.parse().ok().filter(|index: &usize| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn mapping<'a>(
    value: &'a mut Value,
    field: &str,
    object: &ObjectKey,
    path: &'static str,
) -> Result<&'a mut Map<String, Value>, PayloadError> {
    match value.get_mut(field) {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(PayloadError::NotAMapping { object: object.clone(), field: path }),
    }
}

fn set(
    metadata: &mut Map<String, Value>,
    field: &'static str,
    name: &str,
    value: &str,
    object: &ObjectKey,
) -> Result<(), PayloadError> {
    let entry = metadata.entry(field).or_insert(Value::Null);
    if entry.is_null() {
        *entry = Value::Object(Map::new());
    }
    let Value::Object(map) = entry else {
        return Err(PayloadError::NotAMapping { object: object.clone(), field });
    };
    map.insert(name.to_owned(), Value::from(value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MARKS: Marks<'_> = Marks { application: "web", part_of: "c1", ignore: &[] };

    fn body(value: Value, marks: Marks<'_>) -> Value {
        let payload = prepare(Manifest::new(value).unwrap(), marks).unwrap();
        serde_json::from_slice(&payload.body).unwrap()
    }

    #[test]
    fn a_payload_carries_our_marks_and_nothing_of_the_servers() {
        let body = body(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a",
                "labels": null, "uid": "x", "resourceVersion": "1", "creationTimestamp": null,
                "managedFields": []}}),
            MARKS,
        );
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a",
            "labels": {"muster.dev/part-of": "c1"},
            "annotations": {"muster.dev/application": "web"}}});
        assert_eq!(body, expected);
    }

    #[test]
    fn string_data_becomes_data_and_wins() {
        let body = body(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                "data": {"a": "b2xk", "b": "Yg=="}, "stringData": {"a": "new"}}),
            MARKS,
        );
        assert_eq!(body["data"], json!({"a": "bmV3", "b": "Yg=="}));
        assert_eq!(body.get("stringData"), None);
        let number = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "stringData": {"port": 80}});
        let error = prepare(Manifest::new(number).unwrap(), MARKS).unwrap_err();
        assert_eq!(error.to_string(), "Secret s: stringData.port must be text; quote it");
    }

    #[test]
    fn ignored_fields_are_left_to_others() {
        let ignore = [IgnoreDifference {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            name: String::new(),
            namespace: String::new(),
            json_pointers: vec!["/spec/replicas".to_owned(), "/metadata/labels/a~1b".to_owned()],
        }];
        let object = |api_version: &str| {
            json!({"apiVersion": api_version, "kind": "Deployment", "metadata":
                {"name": "a", "labels": {"a/b": "c"}}, "spec": {"replicas": 2, "paused": false}})
        };
        let marks = Marks { ignore: &ignore, ..MARKS };
        let stripped = body(object("apps/v1"), marks);
        assert_eq!(stripped["spec"], json!({"paused": false}));
        assert_eq!(stripped["metadata"]["labels"], json!({"muster.dev/part-of": "c1"}));
        assert_eq!(body(object("v1"), marks)["spec"], json!({"paused": false, "replicas": 2}));
    }

    #[test]
    fn the_same_meaning_has_the_same_hash() {
        let hash = |text: &str| {
            let manifest = Manifest::new(serde_json::from_str(text).unwrap()).unwrap();
            prepare(manifest, MARKS).unwrap().hash
        };
        let a = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"x":"1","y":"2"}}"#;
        let b = r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"y":"2","x":"1"},"metadata":{"name":"a"}}"#;
        assert_eq!(hash(a), hash(b));
        assert_ne!(hash(a), hash(&b.replace('2', "3")));
    }
}
