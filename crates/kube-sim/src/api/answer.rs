//! Answers: objects in the form that was asked for, and refusals. Pure but for the table's ages.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::accept::Form;
use super::body::Body;
use super::status::Status;
use super::table;
use crate::schema::Resource;

/// The JSON of an answer.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) json: String,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    pub(crate) fn ok(json: String) -> Self {
        Self { code: 200, json, warnings: Vec::new() }
    }

    pub(crate) fn into_response(self, yaml: bool) -> Response<Body> {
        let kind = if yaml { "application/yaml" } else { "application/json" };
        let mut response = with_type(self.code, kind, self.json);
        for warning in self.warnings {
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        response
    }
}

/// A body of this type.
pub(crate) fn with_type(code: u16, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let cache = HeaderValue::from_static("no-cache, private");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}

pub(crate) fn refusal(status: &Status) -> Response<Body> {
    let mut response = with_type(status.code, "application/json", status.to_json().to_string());
    if let Some(seconds) = status.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Draws objects of one resource in one form.
pub(crate) struct Painter<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) form: Form,
    /// What a table carries of each object: `None`, `Metadata` or `Object`.
    pub(crate) include: &'a str,
    pub(crate) now_ms: i64,
}

/// What a list says of itself.
#[derive(Default)]
pub(crate) struct ListMeta {
    pub(crate) revision: u64,
    pub(crate) more: String,
    pub(crate) remaining: Option<usize>,
}

impl ListMeta {
    fn json(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.revision.to_string()});
        if !self.more.is_empty() {
            meta["continue"] = json!(self.more);
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = json!(remaining);
        }
        meta
    }
}

impl Painter<'_> {
    /// One object, in the version that was asked for.
    pub(crate) fn object(&self, stored: &str) -> String {
        match self.form {
            Form::Whole => in_version(stored, self.resource),
            Form::Metadata => metadata_only(stored),
            Form::Table => {
                let revision = revision_of(stored);
                self.table(&[stored], &json!({"resourceVersion": revision}), true)
            }
        }
    }

    /// The object of one watch event; a table names its columns once.
    pub(crate) fn event(&self, stored: &str, first: bool) -> String {
        match self.form {
            Form::Table => {
                let revision = revision_of(stored);
                self.table(&[stored], &json!({"resourceVersion": revision}), first)
            }
            _ => self.object(stored),
        }
    }

    /// The object of a bookmark: only where a watch can go on.
    pub(crate) fn bookmark(&self, revision: u64, end_of_initial: bool) -> Value {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if end_of_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        match self.form {
            Form::Whole => json!({"kind": self.resource.kind,
                "apiVersion": self.resource.api_version(), "metadata": metadata}),
            Form::Metadata => json!({"kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1", "metadata": metadata}),
            Form::Table => json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata, "columnDefinitions": null, "rows": []}),
        }
    }

    pub(crate) fn list<'a>(
        &self,
        objects: impl Iterator<Item = &'a str>,
        meta: &ListMeta,
    ) -> String {
        let (kind, version) = match self.form {
            Form::Whole => (&*self.resource.list_kind, self.resource.api_version()),
            Form::Metadata => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
            Form::Table => {
                let objects: Vec<_> = objects.collect();
                return self.table(&objects, &meta.json(), true);
            }
        };
        let mut json = format!(
            "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
            json!(kind),
            json!(version),
            meta.json()
        );
        for (index, object) in objects.enumerate() {
            if index > 0 {
                json.push(',');
            }
            match self.form {
                // The list says what they are; only custom resources say it again.
                Form::Whole if !self.resource.custom => json.push_str(&without_type(object)),
                _ => json.push_str(&self.object(object)),
            }
        }
        json.push_str("]}");
        json
    }

    fn table(&self, objects: &[&str], meta: &Value, columns: bool) -> String {
        let row = |stored: &&str| {
            let object: Value = parsed(stored);
            let mut row = json!({"cells": table::cells(self.resource, &object, self.now_ms)});
            match self.include {
                "None" => {}
                "Object" => row["object"] = parsed(&in_version(stored, self.resource)),
                _ => row["object"] = parsed(&metadata_only(stored)),
            }
            row
        };
        let rows: Vec<_> = objects.iter().map(row).collect();
        let columns = if columns { table::columns(self.resource) } else { Value::Null };
        json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
            "columnDefinitions": columns, "rows": rows})
        .to_string()
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it was written by serde_json")
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

/// The metadata of an object as an object of its own; the rest is not even read.
pub(crate) fn metadata_only(stored: &str) -> String {
    let envelope: Envelope<'_> =
        serde_json::from_str(stored).expect("every stored object has metadata");
    format!(
        "{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{}}}",
        envelope.metadata.get()
    )
}

/// An object without its `apiVersion` and `kind`.
fn without_type(stored: &str) -> String {
    let mut members: BTreeMap<&str, &RawValue> =
        serde_json::from_str(stored).expect("it was written by serde_json");
    members.remove("apiVersion");
    members.remove("kind");
    serde_json::to_string(&members).expect("it was JSON before")
}

fn revision_of(stored: &str) -> String {
    let value: Value = parsed(stored);
    value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

/// The object as this version of the resource. Versions differ in name only.
pub(crate) fn in_version(stored: &str, resource: &Resource) -> String {
    let wanted = format!("{{\"apiVersion\":{},", json!(resource.api_version()));
    if stored.starts_with(&wanted) {
        return stored.to_owned();
    }
    let mut value = parsed(stored);
    value["apiVersion"] = json!(resource.api_version());
    value.to_string()
}
