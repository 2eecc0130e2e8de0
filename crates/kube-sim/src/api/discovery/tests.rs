//! What discovery lists, in both of its forms.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::schema::{Node, Table, TypeHandle};
use crate::store::ResourceId;

/// What every cluster has, and `widgets.example.com` in two versions.
pub(in crate::api) fn registry() -> Registry {
    let mut table = Table::default();
    let id = table.add(Node::Any);
    let ty = TypeHandle { table: Arc::new(table), id };
    let widget = |version: &str| {
        Arc::new(Resource {
            id: ResourceId::new("example.com", "widgets"),
            version: version.into(),
            kind: "Widget".into(),
            list_kind: "WidgetList".into(),
            singular: "widget".into(),
            short_names: vec!["wd".into()],
            categories: Vec::new(),
            namespaced: true,
            verbs: ["delete", "get", "list", "patch"].map(Into::into).to_vec(),
            has_status: false,
            scale: None,
            subresources: Vec::new(),
            printer_columns: Vec::new(),
            ty: ty.clone(),
            custom: true,
        })
    };
    let mut registry = Registry::builtin();
    let id = ResourceId::new("example.com", "widgets");
    registry.set_custom(id, vec![widget("v1"), widget("v1beta1")]);
    registry
}

fn get(path: &str, headers: &[(&'static str, &str)]) -> Option<(u16, HeaderMap, Value)> {
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        sent.insert(*name, value.parse().unwrap());
    }
    let response = respond(&registry(), path, &sent)?;
    let (parts, body) = response.into_parts();
    let document = serde_json::from_slice(&body).unwrap_or_default();
    Some((parts.status.as_u16(), parts.headers, document))
}

fn find<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|entry| entry[key] == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

#[test]
fn the_aggregated_document_has_everything_and_a_tag() {
    let (code, headers, apis) = get("/apis", &[("accept", AGGREGATED)]).unwrap();
    assert_eq!((code, &headers["content-type"]), (200, &HeaderValue::from_static(AGGREGATED)));
    assert_eq!(headers["vary"], "Accept");
    let apps = apis["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps");
    let deployments = find(&apps.unwrap()["versions"][0]["resources"], "resource", "deployments");
    let expected = json!({
        "resource": "deployments",
        "responseKind": {"group": "", "version": "", "kind": "Deployment"},
        "scope": "Namespaced", "singularResource": "deployment", "categories": ["all"],
        "shortNames": ["deploy"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "subresources": [
            {"subresource": "scale", "verbs": ["get", "patch", "update"],
             "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}},
            {"subresource": "status", "verbs": ["get", "patch", "update"],
             "responseKind": {"group": "", "version": "", "kind": "Deployment"}},
        ],
    });
    assert_eq!(*deployments, expected);
    let last = apis["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["metadata"]["name"], "example.com");
    assert_eq!(last["versions"][1]["version"], "v1beta1");
    let kind = &last["versions"][0]["resources"][0]["responseKind"];
    assert_eq!(*kind, json!({"group": "example.com", "version": "v1", "kind": "Widget"}));

    let tag = headers["etag"].to_str().unwrap();
    let again = get("/apis/", &[("accept", AGGREGATED), ("if-none-match", tag)]).unwrap();
    assert_eq!((again.0, again.2), (304, Value::Null));
    let (_, _, core) = get("/api", &[("accept", AGGREGATED)]).unwrap();
    assert_eq!(core["items"][0]["metadata"], json!({}));
}

#[test]
fn the_form_is_the_first_that_exists() {
    let beta = AGGREGATED.replace("v=v2", "v=v2beta1");
    let kind = |accept: &str| get("/apis", &[("accept", accept)]).unwrap().2["kind"].clone();
    assert_eq!(kind(&format!("{AGGREGATED},{beta},{JSON}")), "APIGroupDiscoveryList");
    assert_eq!(kind(&format!("{beta},{JSON}")), "APIGroupList");
    assert_eq!(kind("*/*"), "APIGroupList");
    let (code, _, status) = get("/apis", &[("accept", &beta)]).unwrap();
    assert_eq!((code, &status["reason"]), (406, &json!("NotAcceptable")));
}

#[test]
fn the_old_documents_name_groups_versions_and_resources() {
    assert_eq!(get("/api", &[]).unwrap().2["versions"], json!(["v1"]));
    let (_, _, group) = get("/apis/example.com", &[]).unwrap();
    assert_eq!(
        group,
        json!({
            "kind": "APIGroup", "apiVersion": "v1", "name": "example.com",
            "versions": [
                {"groupVersion": "example.com/v1", "version": "v1"},
                {"groupVersion": "example.com/v1beta1", "version": "v1beta1"},
            ],
            "preferredVersion": {"groupVersion": "example.com/v1", "version": "v1"},
        })
    );
    let (_, _, apps) = get("/apis/apps/v1", &[]).unwrap();
    assert_eq!(apps["groupVersion"], "apps/v1");
    let scale = find(&apps["resources"], "name", "deployments/scale");
    assert_eq!((&scale["kind"], &scale["group"]), (&json!("Scale"), &json!("autoscaling")));
    let (_, _, core) = get("/api/v1", &[]).unwrap();
    assert_eq!(core["groupVersion"], "v1");
    assert_eq!(find(&core["resources"], "name", "pods")["shortNames"], json!(["po"]));
}

#[test]
fn what_is_not_served_is_a_status_in_a_group_that_is_and_no_document_elsewhere() {
    assert_eq!(get("/apis/apps/v9", &[]).unwrap().0, 404);
    assert_eq!(get("/api/v2", &[]).unwrap().0, 404);
    assert!(get("/apis/nope", &[]).is_none());
    assert!(get("/apis/example.com/v9", &[]).is_none());
    assert!(get("/apis/apps/v1/deployments", &[]).is_none());
    assert!(get("/version", &[]).is_none());
}
