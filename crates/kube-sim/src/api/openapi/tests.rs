//! The OpenAPI documents, as far as kubectl reads them.

use super::*;
use crate::api::discovery::tests::registry;

fn get(path: &str, query: &str) -> Option<(StatusCode, HeaderMap, Value)> {
    let (parts, body) = respond(&registry(), path, query, &HeaderMap::new())?.into_parts();
    Some((parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default()))
}

#[test]
fn the_index_leads_to_documents_that_may_be_kept_for_good() {
    let (_, _, index) = get("/openapi/v3", "").unwrap();
    for below in ["api/v1", "apis/apps/v1", "apis/example.com/v1"] {
        let url = index["paths"][below]["serverRelativeURL"].as_str().unwrap();
        let (path, query) = url.split_once('?').unwrap();
        let (code, headers, document) = get(path, query).unwrap();
        assert_eq!(
            (code, &headers["cache-control"]),
            (StatusCode::OK, &HeaderValue::from_static("public, immutable"))
        );
        assert_eq!(document["openapi"], "3.0.0");
        let (code, headers, _) = get(path, "hash=OLD").unwrap();
        assert_eq!(
            (code, headers["location"].to_str().unwrap()),
            (StatusCode::MOVED_PERMANENTLY, url)
        );
    }
    assert!(get("/openapi/v3/apis/nope/v1", "").is_none());
    assert!(get("/openapi/v2", "").is_none());
}

#[test]
fn a_patch_says_that_it_knows_field_validation() {
    let (_, _, apps) = get("/openapi/v3/apis/apps/v1", "").unwrap();
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    assert_eq!(patch["x-kubernetes-group-version-kind"], kind);
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"));
    let (_, _, core) = get("/openapi/v3/api/v1", "").unwrap();
    assert!(core["paths"]["/api/v1/namespaces/{name}"]["patch"].is_object());
}

#[test]
fn schemas_have_kinds_references_and_patch_strategies() {
    let (_, _, apps) = get("/openapi/v3/apis/apps/v1", "").unwrap();
    let schemas = &apps["components"]["schemas"];
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    let kind = json!([{"group": "apps", "version": "v1", "kind": "Deployment"}]);
    assert_eq!(deployment["x-kubernetes-group-version-kind"], kind);
    let spec = json!("#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec");
    assert_eq!(deployment["properties"]["spec"]["allOf"][0]["$ref"], spec);
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    // Every reference leads somewhere.
    let text = apps.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.get(name).is_some_and(Value::is_object), "{name}");
    }
}

#[test]
fn built_in_documents_are_made_once() {
    let one = document(&registry(), "apps", "v1").unwrap();
    let other = document(&Registry::builtin(), "apps", "v1").unwrap();
    assert!(Arc::ptr_eq(&one, &other));
}
