//! `paths`: where the kinds are served and which query parameters a request takes. kubectl asks
//! only whether a PATCH of a kind knows `fieldValidation`, and which kind a path has.

use serde_json::{Value, json};

use super::schemas::kind_name;
use crate::schema::Resource;

/// What every write takes.
const WRITE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];
const DELETE: [&str; 4] = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];
const LIST: [&str; 9] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
];

pub(super) fn paths(resources: &[&Resource]) -> Value {
    let mut paths = json!({});
    for resource in resources {
        let (collection, all) = collections(resource);
        if let Some(all) = all {
            paths[all] = json!({"get": operation(resource, "list", &LIST)});
        }
        let item = format!("{collection}/{{name}}");
        for (path, verbs) in [
            (&collection, &["list", "create", "deletecollection"][..]),
            (&item, &["get", "update", "patch", "delete"][..]),
        ] {
            let mut operations = json!({});
            for verb in verbs.iter().filter(|verb| resource.verbs.iter().any(|v| **v == ***verb)) {
                let (method, parameters) = method(verb);
                operations[method] = operation(resource, verb, parameters);
            }
            if operations.as_object().is_some_and(|all| !all.is_empty()) {
                paths[path.as_str()] = operations;
            }
        }
    }
    paths
}

/// The path of a collection, and that of all namespaces together.
fn collections(resource: &Resource) -> (String, Option<String>) {
    let root = match resource.id.group() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    let plural = resource.id.plural();
    if !resource.namespaced {
        return (format!("{root}/{plural}"), None);
    }
    let listed = resource.verbs.iter().any(|verb| &**verb == "list");
    let all = listed.then(|| format!("{root}/{plural}"));
    (format!("{root}/namespaces/{{namespace}}/{plural}"), all)
}

fn method(verb: &str) -> (&'static str, &'static [&'static str]) {
    match verb {
        "list" => ("get", &LIST),
        "create" => ("post", &WRITE),
        "update" => ("put", &WRITE),
        "patch" => ("patch", &["dryRun", "fieldManager", "fieldValidation", "force"]),
        "get" => ("get", &["resourceVersion"]),
        _ => ("delete", &DELETE),
    }
}

fn operation(resource: &Resource, verb: &str, parameters: &[&str]) -> Value {
    let action = match verb {
        "create" => "post",
        "update" => "put",
        other => other,
    };
    let schema = json!({"$ref": format!("#/components/schemas/{}", kind_name(resource))});
    let parameters: Vec<_> = parameters.iter().map(|name| parameter(name)).collect();
    let mut shown = json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.id.group(), "version": resource.version, "kind": resource.kind,
        },
    });
    if verb != "list" && verb != "deletecollection" {
        shown["responses"]["200"]["content"] = json!({"application/json": {"schema": schema}});
    }
    if matches!(verb, "create" | "update") {
        let content = json!({"application/json": {"schema": schema}});
        shown["requestBody"] = json!({"content": content, "required": true});
    }
    shown
}

fn parameter(name: &str) -> Value {
    let ty = match name {
        "allowWatchBookmarks" | "force" | "orphanDependents" | "sendInitialEvents" => "boolean",
        "gracePeriodSeconds" | "limit" | "timeoutSeconds" => "integer",
        _ => "string",
    };
    json!({"name": name, "in": "query", "schema": {"type": ty, "uniqueItems": true}})
}
