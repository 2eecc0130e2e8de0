//! From a document of `argoproj.io` to the resource it is.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::conform::{self, Fault};
use super::{
    API_VERSION, Application, ApplicationSet, DEFAULT_NAMESPACE, DELETION_BUDGET, MAX_ELEMENTS,
    Project, Resource, schema,
};
use crate::document::DocumentError;
use crate::name::{ApplicationName, NameError, ProjectName, SetName};
use crate::selector::Labels;
use crate::set::Safety;
use crate::suggest;

const KINDS: [&str; 3] = ["ApplicationSet", "Application", "AppProject"];
/// What an Application's own metadata is reduced to; the rest belongs to the server that wrote it.
const KEPT: [&str; 5] = ["name", "namespace", "labels", "annotations", "finalizers"];

/// Reads the body of a document, `apiVersion` and `kind` taken off.
pub(crate) fn resource(
    index: usize,
    kind: &str,
    body: Map<String, Value>,
) -> Result<Resource, DocumentError> {
    let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else {
        let message = suggest::unknown(&format!("kind of {API_VERSION}"), kind, &KINDS);
        return Err(DocumentError::Kind { index, message });
    };
    let name = body.get("metadata").and_then(|metadata| metadata.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or("(no name)").to_owned();
    let read = parts(kind, body).and_then(|(metadata, spec)| match kind {
        "ApplicationSet" => set(metadata, spec).map(Arc::new).map(Resource::ApplicationSet),
        "Application" => application(metadata, spec).map(Arc::new).map(Resource::Application),
        _ => project(metadata, spec).map(Resource::Project),
    });
    read.map_err(|Fault { path, message }| DocumentError::Field { kind, name, path, message })
}

/// `metadata` and `spec`, checked; whatever else there may be is checked for its name only.
fn parts(kind: &'static str, body: Map<String, Value>) -> Result<(Metadata, Value), Fault> {
    let (spec_table, others): (_, &[&str]) = match kind {
        "ApplicationSet" => (&schema::SET_SPEC, &["status"]),
        // An operation is a sync that somebody asked for, once; it is no part of what is wanted.
        "Application" => (&schema::APPLICATION_SPEC, &["status", "operation"]),
        _ => (&schema::PROJECT_SPEC, &["status"]),
    };
    let (mut metadata, mut spec) = (Value::Null, Value::Null);
    for (field, value) in body {
        match field.as_str() {
            "metadata" => metadata = value,
            "spec" => spec = value,
            other if others.contains(&other) => {}
            other => {
                let known: Vec<&str> =
                    ["metadata", "spec"].into_iter().chain(others.iter().copied()).collect();
                let message = suggest::unknown("field", other, &known);
                return Err(Fault { path: other.to_owned(), message });
            }
        }
    }
    if spec.is_null() {
        let message = "there is none; without it the document says nothing".to_owned();
        return Err(Fault { path: "spec".to_owned(), message });
    }
    let metadata = conform::object(metadata, &schema::METADATA, "metadata")?;
    let Value::Object(metadata) = metadata else {
        unreachable!("an object conforms to a table as an object")
    };
    Ok((Metadata(metadata), conform::object(spec, spec_table, "spec")?))
}

/// `metadata` with the right types.
struct Metadata(Map<String, Value>);

impl Metadata {
    fn name<T>(&self, parse: impl Fn(&str) -> Result<T, NameError>) -> Result<T, Fault> {
        let fault = |message: String| Fault { path: "metadata.name".to_owned(), message };
        match self.text("name") {
            "" if !self.text("generateName").is_empty() => Err(fault(
                "there is only a generateName, which a server makes a name of; write a name"
                    .to_owned(),
            )),
            "" => Err(fault("there is none".to_owned())),
            name => parse(name).map_err(|error| fault(error.to_string())),
        }
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn namespace(&self) -> String {
        let namespace = self.text("namespace");
        if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }.to_owned()
    }

    fn labels(&self, field: &str) -> Labels {
        let labels = self.0.get(field).and_then(Value::as_object).into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        labels.map(|(key, value)| (key.clone(), text(value))).collect()
    }
}

fn set(metadata: Metadata, spec: Value) -> Result<ApplicationSet, Fault> {
    check_policy(&spec)?;
    let annotations = metadata.labels("annotations");
    Ok(ApplicationSet {
        name: metadata.name(SetName::new)?,
        namespace: metadata.namespace(),
        labels: metadata.labels("labels"),
        safety: safety(&annotations)?,
        annotations,
        spec,
    })
}

/// A number or percentage that is none would be taken for the default.
fn safety(annotations: &Labels) -> Result<Safety, Fault> {
    Ok(Safety {
        deletion_budget: annotation(annotations, DELETION_BUDGET)?.unwrap_or_default(),
        max_elements: annotation(annotations, MAX_ELEMENTS)?,
        ..Safety::default()
    })
}

/// The value of an annotation as a field of a document would have it: digits are a number.
fn annotation<T>(annotations: &Labels, key: &str) -> Result<Option<T>, Fault>
where
    T: TryFrom<Value>,
    T::Error: std::fmt::Display,
{
    let Some(text) = annotations.get(key) else { return Ok(None) };
    let value = text.parse::<u64>().map_or_else(|_text| text.as_str().into(), Value::from);
    T::try_from(value).map(Some).map_err(|error| Fault {
        path: format!("metadata.annotations.{key}"),
        message: error.to_string(),
    })
}

/// An unknown policy would be taken for the one that deletes.
fn check_policy(spec: &Value) -> Result<(), Fault> {
    const POLICIES: [&str; 4] = ["sync", "create-only", "create-update", "create-delete"];
    let policy = spec.pointer("/syncPolicy/applicationsSync").and_then(Value::as_str);
    match policy {
        None | Some("") => Ok(()),
        Some(policy) if POLICIES.contains(&policy) => Ok(()),
        Some(policy) => Err(Fault {
            path: "spec.syncPolicy.applicationsSync".to_owned(),
            message: suggest::unknown("policy", policy, &POLICIES),
        }),
    }
}

fn application(mut metadata: Metadata, spec: Value) -> Result<Application, Fault> {
    let (name, namespace) = (metadata.name(ApplicationName::new)?, metadata.namespace());
    metadata.0.retain(|field, _| KEPT.contains(&field.as_str()));
    metadata.0.insert("namespace".to_owned(), namespace.clone().into());
    let parts = [("metadata", Value::Object(metadata.0)), ("spec", spec)];
    let document = parts.into_iter().map(|(field, part)| (field.to_owned(), part)).collect();
    Ok(Application { name, namespace, document: Value::Object(document).into() })
}

fn project(metadata: Metadata, spec: Value) -> Result<Project, Fault> {
    let name = metadata.name(ProjectName::new)?;
    Ok(Project { name, namespace: metadata.namespace(), spec })
}
