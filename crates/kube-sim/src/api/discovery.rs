//! Which groups, versions and resources there are: `/api`, `/apis` and below, in the aggregated and
//! in the old form. Pure; the documents follow from the registry alone.

#[cfg(test)]
pub(super) mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::status::Status;
use crate::cluster::State;
use crate::schema::{Registry, Resource};

const JSON: &str = "application/json";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The answer to a GET of a discovery document; `None` when the path is none.
pub(crate) fn answer(state: &State, path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    respond(&state.registry, path, headers)
}

fn respond(registry: &Registry, path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let document = match parts[..] {
        ["api" | "apis"] => return Some(root(registry, parts[0] == "api", headers)),
        ["api", version] => resources(registry, "", version),
        ["apis", group] => return group_document(registry, group).map(whole),
        ["apis", group, version] => resources(registry, group, version),
        _ => return None,
    };
    if document.is_none() {
        // The version of a group that is served is a resource that does not exist; another group,
        // or that of custom resources, is a path that does not.
        let group = if parts[0] == "api" { "" } else { parts[1] };
        let builtin = registry.iter().any(|(id, all)| id.group() == group && !all[0].custom);
        return builtin.then(not_served);
    }
    document.map(whole)
}

/// `/api` or `/apis`, in the form that the client prefers.
fn root(registry: &Registry, core: bool, headers: &HeaderMap) -> Response<Bytes> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match preferred(accept.unwrap_or_default()) {
        Some(Form::Aggregated) => aggregated_answer(&aggregated(registry, core), headers),
        Some(Form::Old) if core => whole(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [
                {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:443"},
            ],
        })),
        Some(Form::Old) => {
            let groups = registry.groups();
            let groups = groups.iter().filter(|group| !group.name.is_empty());
            let groups: Vec<_> =
                groups.map(|group| shown_group(&group.name, &group.versions)).collect();
            whole(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        None => {
            let why = "only the following media types are accepted: application/json, \
                       application/yaml, application/vnd.kubernetes.protobuf";
            refused(&Status::new(406, "NotAcceptable", why))
        }
    }
}

enum Form {
    Aggregated,
    Old,
}

/// The first form in `accept` that there is.
fn preferred(accept: &str) -> Option<Form> {
    if accept.trim().is_empty() {
        return Some(Form::Old);
    }
    accept.split(',').find_map(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next()?;
        let of = |key: &str| {
            let mut pairs =
                clause.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        match (media, of("as"), of("g"), of("v")) {
            (JSON, Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => {
                Some(Form::Aggregated)
            }
            (JSON | "*/*" | "application/*" | "application/yaml", None, _, _) => Some(Form::Old),
            _ => None,
        }
    })
}

/// With an entity tag, by which clients keep it on disk between commands.
fn aggregated_answer(document: &Value, headers: &HeaderMap) -> Response<Bytes> {
    let body = document.to_string();
    let tag = format!("\"{}\"", fingerprint(body.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let mut response = Response::new(if known { Bytes::new() } else { Bytes::from(body) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let shown = response.headers_mut();
    shown.insert(header::CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    shown.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    shown.insert(header::VARY, HeaderValue::from_static("Accept"));
    shown.insert(header::ETAG, HeaderValue::from_str(&tag).expect("it is hexadecimal"));
    response
}

/// The hash of a document, in the form of a real server's.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes);
    digits.iter().fold(String::with_capacity(64), |text, byte| format!("{text}{byte:02X}"))
}

/// The resources of a version, by name.
pub(super) fn of_version<'a>(
    registry: &'a Registry,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    let all = registry.iter().filter(move |(id, _)| id.group() == group);
    all.flat_map(|(_, versions)| versions)
        .filter(move |resource| *resource.version == *version)
        .map(|resource| &**resource)
}

fn aggregated(registry: &Registry, core: bool) -> Value {
    let groups = registry.groups();
    let wanted = groups.iter().filter(|group| group.name.is_empty() == core);
    let items = wanted.map(|group| {
        let versions = group.versions.iter().map(|version| {
            let resources = of_version(registry, &group.name, version).map(aggregated_resource);
            let resources: Vec<_> = resources.collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        });
        let versions: Vec<_> = versions.collect();
        let metadata = if core { json!({}) } else { json!({"name": group.name}) };
        json!({"metadata": metadata, "versions": versions})
    });
    let items: Vec<_> = items.collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(resource: &Resource) -> Value {
    // A built-in kind of the same group is told without its group: as a real server does it.
    let kind = |group: &str, version: &str, kind: &str| {
        let own = group == resource.id.group() && version == &*resource.version;
        let (group, version) = if own && !resource.custom { ("", "") } else { (group, version) };
        json!({"group": group, "version": version, "kind": kind})
    };
    let mut shown = json!({
        "resource": resource.id.plural(),
        "responseKind": kind(resource.id.group(), &resource.version, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    add_names(&mut shown, resource);
    let subresources = resource.subresources.iter().map(|sub| {
        json!({
            "subresource": sub.name, "verbs": sub.verbs,
            "responseKind": kind(&sub.group, &sub.version, &sub.kind),
        })
    });
    let subresources: Vec<_> = subresources.collect();
    if !subresources.is_empty() {
        shown["subresources"] = json!(subresources);
    }
    shown
}

fn add_names(shown: &mut Value, resource: &Resource) {
    for (key, names) in
        [("shortNames", &resource.short_names), ("categories", &resource.categories)]
    {
        if !names.is_empty() {
            shown[key] = json!(names);
        }
    }
}

fn shown_group(name: &str, versions: &[Box<str>]) -> Value {
    let shown =
        |version: &str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let all: Vec<_> = versions.iter().map(|version| shown(version)).collect();
    json!({"name": name, "preferredVersion": all.first(), "versions": all})
}

fn group_document(registry: &Registry, name: &str) -> Option<Value> {
    let groups = registry.groups();
    let group = groups.iter().find(|group| *group.name == *name && !name.is_empty())?;
    let mut shown = shown_group(name, &group.versions);
    shown["kind"] = json!("APIGroup");
    shown["apiVersion"] = json!("v1");
    Some(shown)
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut shown = Vec::new();
    let mut group_version = None;
    for resource in of_version(registry, group, version) {
        group_version = Some(resource.api_version());
        let name = resource.id.plural();
        let mut entry = json!({
            "name": name, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs,
        });
        add_names(&mut entry, resource);
        shown.push(entry);
        for sub in &resource.subresources {
            let mut entry = json!({
                "name": format!("{name}/{}", sub.name), "singularName": "",
                "namespaced": resource.namespaced, "kind": sub.kind, "verbs": sub.verbs,
            });
            if *sub.group != *group || *sub.version != *version {
                entry["group"] = json!(sub.group);
                entry["version"] = json!(sub.version);
            }
            shown.push(entry);
        }
    }
    let group_version = group_version?;
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": shown,
    }))
}

fn whole(document: Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document.to_string()));
    let shown = response.headers_mut();
    shown.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    shown.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn not_served() -> Response<Bytes> {
    let why = "the server could not find the requested resource";
    refused(&Status::new(404, "NotFound", why))
}

fn refused(status: &Status) -> Response<Bytes> {
    let mut response = whole(status.to_json());
    *response.status_mut() = StatusCode::from_u16(status.code).expect("it is an error's code");
    response
}
