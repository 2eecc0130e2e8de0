//! The types as OpenAPI v3 documents, as far as kubectl needs them: for the question whether the
//! server validates fields, for patches of kinds that kubectl does not know, and for `explain`.
//!
//! Descriptions of built-in types are left out: the table of types has none. Documents of built-in
//! groups are the same in every cluster; they are made at the first request and kept.

mod paths;
mod schemas;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::discovery::{fingerprint, of_version};
use crate::cluster::State;
use crate::schema::{Registry, Resource};

const ROOT: &str = "/openapi/v3";

/// The answer to a GET below `/openapi`; `None` when the path is none. `query` is the part after
/// the question mark, undecoded.
pub(crate) fn answer(
    state: &State,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Option<Response<Bytes>> {
    respond(&state.registry, path, query, headers)
}

fn respond(
    registry: &Registry,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Option<Response<Bytes>> {
    let below = path.strip_prefix(ROOT)?.trim_matches('/');
    if below.is_empty() {
        return Some(answered(index(registry).to_string().into(), "no-cache, private", None));
    }
    let (group, version) = match below.split('/').collect::<Vec<_>>()[..] {
        ["api", version] => ("", version),
        ["apis", group, version] => (group, version),
        _ => return None,
    };
    let document = document(registry, group, version)?;
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("hash="));
    if asked.is_some_and(|hash| hash != document.hash) {
        return Some(moved(below, &document.hash));
    }
    let tag = format!("\"{}\"", document.hash);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str()) {
        let mut response = answered(Bytes::new(), "public", Some(&tag));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    // With its hash in the address a document never changes, so clients keep it for good.
    let cache = if asked.is_some() { "public, immutable" } else { "no-cache, private" };
    Some(answered(document.body.clone(), cache, Some(&tag)))
}

fn answered(body: Bytes, cache: &'static str, tag: Option<&str>) -> Response<Bytes> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Some(tag) = tag {
        headers.insert(header::ETAG, HeaderValue::from_str(tag).expect("it is hexadecimal"));
    }
    if cache.ends_with("immutable") {
        // Go's disk cache wants a date. A year ahead needs no clock when it is the last there is.
        let never = HeaderValue::from_static("Fri, 31 Dec 9999 23:59:59 GMT");
        headers.insert(header::EXPIRES, never);
    }
    response
}

/// The document has changed since the client read the index.
fn moved(below: &str, hash: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let to = HeaderValue::from_str(&format!("{ROOT}/{below}?hash={hash}"));
    response.headers_mut().insert(header::LOCATION, to.expect("groups are DNS names"));
    response
}

fn index(registry: &Registry) -> Value {
    let mut paths = json!({});
    for group in registry.groups() {
        for version in &group.versions {
            let Some(document) = document(registry, &group.name, version) else { continue };
            let below = match &*group.name {
                "" => format!("api/{version}"),
                name => format!("apis/{name}/{version}"),
            };
            let url = format!("{ROOT}/{below}?hash={}", document.hash);
            paths[below] = json!({"serverRelativeURL": url});
        }
    }
    json!({"paths": paths})
}

/// One version of one group.
struct Document {
    body: Bytes,
    hash: String,
}

/// Of the built-in groups, which are the same in all clusters of a process.
static BUILTIN: LazyLock<Mutex<HashMap<String, Arc<Document>>>> = LazyLock::new(Mutex::default);

fn document(registry: &Registry, group: &str, version: &str) -> Option<Arc<Document>> {
    let resources: Vec<&Resource> = of_version(registry, group, version).collect();
    let first = resources.first()?;
    if resources.iter().any(|resource| resource.custom) {
        return Some(make(&resources));
    }
    // The lock is held while it is made, so that nobody makes it twice.
    let mut kept = BUILTIN.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.entry(first.api_version()).or_insert_with(|| make(&resources));
    Some(Arc::clone(kept))
}

fn make(resources: &[&Resource]) -> Arc<Document> {
    let document = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.3"},
        "paths": paths::paths(resources),
        "components": {"schemas": schemas::schemas(resources)},
    });
    let body = Bytes::from(document.to_string());
    Arc::new(Document { hash: fingerprint(&body), body })
}
