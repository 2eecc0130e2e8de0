//! Files beside the sets: clusters as Argo CD keeps them, in Secrets, and what
//! `clusterDecisionResource` generators look at.
//!
//! Of a Secret only the name, the address and the project are taken. Its `config` holds credentials:
//! it is neither decoded nor kept, and no message quotes a value of a Secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::conform::{self, Fault};
use super::{ClusterSecret, Decisions};
use crate::cluster::Cluster;
use crate::document::{self, DocumentError, Resource};
use crate::selector::Labels;
use crate::yaml;

/// By this label Argo CD tells clusters from other Secrets.
const SECRET_TYPE: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");
/// No name, address or project is longer.
const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most bytes of a file of decisions, and the most documents in it: an object lists all clusters
/// of the fleet in its status.
pub const DECISION_LIMITS: yaml::Limits = yaml::Limits::new(16 << 20, 10_000).with_floats();

/// What a document of a `--clusters` file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterDocument {
    Cluster(Cluster),
    Secret(ClusterSecret),
    /// A Secret that is none of a cluster, which the field passes over too.
    Other,
}

/// Reads clusters in either form: `Cluster` documents of `muster.dev` and Argo CD's Secrets, also
/// in `List`s. Secrets without the label of a cluster are passed over.
#[must_use]
pub fn read_clusters(text: &[u8]) -> (Vec<Cluster>, Vec<ClusterSecret>, Vec<DocumentError>) {
    let (mut clusters, mut secrets, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let documents = match yaml::read(text, document::LIMITS) {
        Ok(documents) => documents,
        Err(error) => return (clusters, secrets, vec![error.into()]),
    };
    for (index, document) in document::flatten(documents).into_iter().enumerate() {
        match cluster_document(index + 1, document) {
            Ok(ClusterDocument::Cluster(cluster)) => clusters.push(cluster),
            Ok(ClusterDocument::Secret(secret)) => secrets.push(secret),
            Ok(ClusterDocument::Other) => {}
            Err(error) => errors.push(error),
        }
    }
    (clusters, secrets, errors)
}

/// Reads one document of a `--clusters` file; `index` counts from 1 and is for messages.
///
/// # Errors
/// When it is neither, or not valid.
pub fn cluster_document(index: usize, document: Value) -> Result<ClusterDocument, DocumentError> {
    if is(&document, "v1", "Secret") {
        let secret = secret(&document).map_err(|fault| field("Secret", &document, fault))?;
        return Ok(secret.map_or(ClusterDocument::Other, ClusterDocument::Secret));
    }
    match document::resource(index, document)? {
        Resource::Cluster(cluster) => Ok(ClusterDocument::Cluster(cluster)),
        other => {
            let (kind, name) = (other.kind(), other.name());
            let message = format!("{kind} {name} is neither a Cluster nor a Secret of one");
            Err(DocumentError::Kind { index, message })
        }
    }
}

fn secret(document: &Value) -> Result<Option<ClusterSecret>, Fault> {
    let metadata = document.get("metadata").unwrap_or(&Value::Null);
    let labels = labels(metadata, "labels")?;
    let (label, cluster) = SECRET_TYPE;
    if labels.as_ref().and_then(|labels| labels.get(label)).is_none_or(|value| value != cluster) {
        return Ok(None);
    }
    let secret = ClusterSecret {
        name: value(document, "name")?,
        server: value(document, "server")?,
        project: value(document, "project")?,
        labels,
        annotations: self::labels(metadata, "annotations")?,
    };
    let missing = |path: &str, what: &str| {
        Err(Fault { path: path.to_owned(), message: format!("the cluster has no {what}") })
    };
    match (secret.name.as_str(), secret.server.as_str()) {
        ("", _) => missing("data.name", "name"),
        (_, "") => missing("data.server", "address"),
        _ => Ok(Some(secret)),
    }
}

/// A value of a Secret; `stringData` wins, as it does in the API server.
fn value(document: &Value, key: &str) -> Result<String, Fault> {
    let find = |part: &str| document.get(part).and_then(|part| part.get(key)).cloned();
    let path = |part: &str| format!("{part}.{key}");
    if let Some(text) = find("stringData") {
        let path = path("stringData");
        return bounded(conform::text(text, &path)?, path);
    }
    let path = path("data");
    let encoded = bounded(conform::text(find("data").unwrap_or_default(), &path)?, path.clone())?;
    // Line breaks may stand in base64, as Go has it.
    let encoded: String = encoded.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let text = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        let message = "the value is not base64 of text; plain text goes into stringData";
        Fault { path, message: message.to_owned() }
    })
}

fn bounded(text: String, path: String) -> Result<String, Fault> {
    if text.len() > MAX_VALUE_BYTES {
        let message = format!("the value is longer than {MAX_VALUE_BYTES} bytes");
        return Err(Fault { path, message });
    }
    Ok(text)
}

/// Labels or annotations; `None` when there are none.
fn labels(metadata: &Value, field: &str) -> Result<Option<Labels>, Fault> {
    let map = metadata.get(field).cloned().unwrap_or_default();
    let map = conform::texts(map, &format!("metadata.{field}"))?;
    Ok(Some(map).filter(|map| !map.is_empty()))
}

/// Reads what `clusterDecisionResource` generators look at: ConfigMaps, and objects of any kind.
#[must_use]
pub fn read_decisions(text: &[u8]) -> (Decisions, Vec<DocumentError>) {
    let (mut decisions, mut errors) = (Decisions::default(), Vec::new());
    let documents = match yaml::read(text, DECISION_LIMITS) {
        Ok(documents) => documents,
        Err(error) => return (decisions, vec![error.into()]),
    };
    for (index, document) in document::flatten(documents).into_iter().enumerate() {
        match decision_document(index + 1, document) {
            Ok(document) if is(&document, "v1", "ConfigMap") => {
                decisions.config_maps.push(document);
            }
            Ok(document) => decisions.objects.push(document.into()),
            Err(error) => errors.push(error),
        }
    }
    (decisions, errors)
}

/// Checks one document of a file of decisions; `index` counts from 1 and is for messages.
///
/// # Errors
/// When it is no object of Kubernetes, a Secret, or a ConfigMap whose data is not text.
pub fn decision_document(index: usize, mut document: Value) -> Result<Value, DocumentError> {
    let Some(object) = document.as_object() else {
        return Err(DocumentError::NotAMapping { index });
    };
    for required in ["apiVersion", "kind"] {
        if !matches!(object.get(required), Some(Value::String(text)) if !text.is_empty()) {
            return Err(DocumentError::Missing { index, field: required });
        }
    }
    if name_of(&document).is_none_or(str::is_empty) {
        return Err(DocumentError::Missing { index, field: "metadata.name" });
    }
    if is(&document, "v1", "Secret") {
        let message = "a Secret decides nothing; take it out of this file".to_owned();
        return Err(DocumentError::Kind { index, message });
    }
    if is(&document, "v1", "ConfigMap") {
        let data = document.get_mut("data").map(Value::take).unwrap_or_default();
        let data = conform::texts(data, "data");
        let data = data.map_err(|fault| field("ConfigMap", &document, fault))?;
        let data = data.into_iter().map(|(key, text)| (key, text.into())).collect();
        document["data"] = Value::Object(data);
    }
    Ok(yaml::without_floats(document))
}

fn is(document: &Value, version: &str, kind: &str) -> bool {
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    text("apiVersion") == Some(version) && text("kind") == Some(kind)
}

fn name_of(document: &Value) -> Option<&str> {
    document.get("metadata")?.get("name")?.as_str()
}

fn field(kind: &'static str, document: &Value, fault: Fault) -> DocumentError {
    let Fault { path, message } = fault;
    let name = name_of(document).unwrap_or("(no name)").to_owned();
    DocumentError::Field { kind, name, path, message }
}
