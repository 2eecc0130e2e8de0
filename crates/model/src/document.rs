//! Documents: from YAML or JSON text to resources, with errors that name file, field and fix.
//!
//! Two dialects: `muster.dev`, and `argoproj.io` as [`crate::argo`] has it. A `List` of any of them
//! counts as its items.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::application::Application;
use crate::argo;
use crate::cluster::Cluster;
use crate::set::{ApplicationSet, unknown_field};
use crate::suggest;
use crate::yaml;

/// The only API version of native documents.
pub const API_VERSION: &str = "muster.dev/v1alpha1";
/// What [`DocumentError::ApiVersion`] offers.
const API_VERSIONS: [&str; 2] = [API_VERSION, argo::API_VERSION];
const KINDS: [&str; 3] = ["ApplicationSet", "Application", "Cluster"];

/// The most bytes of one file of documents, and the most documents in it.
pub const LIMITS: yaml::Limits = yaml::Limits::new(4 << 20, 10_000).with_floats();

/// A resource of the fleet, read from a document. Sets and applications are shared: who keeps
/// results for them can tell by the pointer that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    ApplicationSet(Arc<ApplicationSet>),
    Application(Arc<Application>),
    Cluster(Cluster),
    Argo(Box<argo::Resource>),
}

impl Resource {
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ApplicationSet(_) => "ApplicationSet",
            Self::Application(_) => "Application",
            Self::Cluster(_) => "Cluster",
            Self::Argo(resource) => resource.kind(),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ApplicationSet(set) => set.metadata.name.as_str(),
            Self::Application(application) => application.metadata.name.as_str(),
            Self::Cluster(cluster) => cluster.metadata.name.as_str(),
            Self::Argo(resource) => resource.name(),
        }
    }

    #[must_use]
    pub fn api_version(&self) -> &'static str {
        match self {
            Self::ApplicationSet(_) | Self::Application(_) | Self::Cluster(_) => API_VERSION,
            Self::Argo(_) => argo::API_VERSION,
        }
    }

    /// The document again, with `apiVersion` and `kind`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let body = match self {
            Self::ApplicationSet(set) => serde_json::to_value(set),
            Self::Application(application) => serde_json::to_value(application),
            Self::Cluster(cluster) => serde_json::to_value(cluster),
            Self::Argo(resource) => Ok(Value::Object(resource.body())),
        };
        let mut document = Map::new();
        document.insert("apiVersion".to_owned(), self.api_version().into());
        document.insert("kind".to_owned(), self.kind().into());
        if let Value::Object(body) = body.expect("resources are expressible in JSON") {
            document.extend(body);
        }
        Value::Object(document)
    }
}

/// Why one document is not a resource.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    #[error(transparent)]
    Yaml(#[from] yaml::YamlError),
    #[error("document {index} is not a mapping")]
    NotAMapping { index: usize },
    #[error("document {index} has no {field}")]
    Missing { index: usize, field: &'static str },
    #[error(
        "document {index}: apiVersion {version:?} is not known; known: {}", API_VERSIONS.join(", ")
    )]
    ApiVersion { index: usize, version: String },
    #[error("document {index}: {message}")]
    Kind { index: usize, message: String },
    #[error("{kind} {name}: {path}: {message}")]
    Field { kind: &'static str, name: String, path: String, message: String },
}

/// Reads all documents of a file. One that is wrong hides none of the others.
#[must_use]
pub fn read(text: &[u8]) -> (Vec<Resource>, Vec<DocumentError>) {
    let documents = match yaml::read(text, LIMITS) {
        Ok(documents) => documents,
        Err(error) => return (Vec::new(), vec![error.into()]),
    };
    let (mut resources, mut errors) = (Vec::new(), Vec::new());
    for (index, document) in flatten(documents).into_iter().enumerate() {
        match resource(index + 1, document) {
            Ok(resource) => resources.push(resource),
            Err(error) => errors.push(error),
        }
    }
    (resources, errors)
}

/// Puts the items of each `List` in its place, also of lists in lists. Documents are counted in
/// this form, from 1.
///
/// A list of one kind, such as `ApplicationSetList`, gives its items its own version and the kind
/// when they have none: that is how an API server writes them. What only calls itself a list and
/// has no `items` stays as it is, for [`resource`] to judge.
#[must_use]
pub fn flatten(documents: Vec<Value>) -> Vec<Value> {
    let mut flat = Vec::with_capacity(documents.len());
    let mut stack: Vec<_> = documents.into_iter().rev().collect();
    while let Some(mut document) = stack.pop() {
        let Some(of) = list_of(&document) else {
            flat.push(document);
            continue;
        };
        let version = document.get("apiVersion").cloned().unwrap_or_default();
        let items = document.get_mut("items").map(Value::take);
        let Some(Value::Array(items)) = items else { continue };
        stack.extend(items.into_iter().rev().filter(|item| !item.is_null()).map(|mut item| {
            if let (Some(kind), Value::Object(item)) = (&of, &mut item) {
                item.entry("apiVersion").or_insert_with(|| version.clone());
                item.entry("kind").or_insert_with(|| kind.clone().into());
            }
            item
        }));
    }
    flat
}

/// The kind of a list's items, when it has one kind only; `None` when it is not a list.
#[expect(clippy::option_option, reason = "a list, and a list of one kind, are two questions")]
fn list_of(document: &Value) -> Option<Option<String>> {
    let kind = document.get("kind")?.as_str()?;
    let version = document.get("apiVersion")?.as_str()?;
    document.get("items")?.as_array()?;
    let known = version == "v1" || API_VERSIONS.contains(&version);
    let of = kind.strip_suffix("List").filter(|_| known)?;
    Some(Some(of.to_owned()).filter(|of| !of.is_empty()))
}

/// Reads one document; `index` counts from 1 and is for messages.
///
/// # Errors
/// When the kind or version is unknown, or any field is.
pub fn resource(index: usize, document: Value) -> Result<Resource, DocumentError> {
    let Value::Object(mut body) = document else {
        return Err(DocumentError::NotAMapping { index });
    };
    let mut take = |field| match body.remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(DocumentError::Missing { index, field }),
    };
    let version = take("apiVersion")?;
    let kind = take("kind")?;
    if version == argo::API_VERSION {
        return argo::resource(index, &kind, body).map(Box::new).map(Resource::Argo);
    }
    if version != API_VERSION {
        return Err(DocumentError::ApiVersion { index, version });
    }
    let body = body.into_iter().map(|(field, part)| (field, yaml::without_floats(part))).collect();
    match kind.as_str() {
        "ApplicationSet" => {
            let set: ApplicationSet = typed("ApplicationSet", body)?;
            check_template(&set)?;
            Ok(Resource::ApplicationSet(Arc::new(set)))
        }
        "Application" => typed("Application", body).map(Arc::new).map(Resource::Application),
        "Cluster" => typed("Cluster", body).map(Resource::Cluster),
        _ => {
            let message = suggest::unknown("kind", &kind, &KINDS);
            Err(DocumentError::Kind { index, message })
        }
    }
}

fn typed<T: DeserializeOwned>(
    kind: &'static str,
    body: Map<String, Value>,
) -> Result<T, DocumentError> {
    let name = body.get("metadata").and_then(|metadata| metadata.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or("(no name)").to_owned();
    serde_path_to_error::deserialize(Value::Object(body)).map_err(|error| DocumentError::Field {
        kind,
        name,
        path: error.path().to_string(),
        message: with_hint(&error.inner().to_string()),
    })
}

/// A field that no application has is an error of the set, not of each of its elements. Values
/// cannot be judged yet: a template may stand where a number will be.
fn check_template(set: &ApplicationSet) -> Result<(), DocumentError> {
    for (field, template) in set.spec.templates() {
        if let Some((path, message)) = unknown_field(&template) {
            return Err(DocumentError::Field {
                kind: "ApplicationSet",
                name: set.metadata.name.to_string(),
                path: format!("{field}.{path}"),
                message: with_hint(&message),
            });
        }
    }
    Ok(())
}

/// Adds "did you mean" to serde's message about an unknown field.
fn with_hint(message: &str) -> String {
    suggest::hinted(message)
}
