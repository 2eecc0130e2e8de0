//! The expected values are a real server's answers to the same bodies.

use serde_json::json;

use super::*;
use crate::schema::Registry;

fn ty(group: &str, version: &str, plural: &str) -> TypeHandle {
    Registry::builtin().find(group, version, plural).expect("it is built in").ty.clone()
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    })
}

fn with(pointer: &str, name: &str, value: Value) -> Value {
    let mut object = deployment();
    object.pointer_mut(pointer).expect("the place is there")[name] = value;
    object
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

#[test]
fn a_wrong_type_is_told_by_its_go_field() {
    let field = |field: &str, found: &str, wanted: &str| {
        format!("json: cannot unmarshal {found} into Go struct field {field} of type {wanted}")
    };
    let containers = "spec.template.spec.containers";
    for (object, expected) in [
        (
            with("/spec", "replicas", json!("3")),
            field("DeploymentSpec.spec.replicas", "string", "int32"),
        ),
        (
            with("/spec", "paused", json!("yes")),
            field("DeploymentSpec.spec.paused", "string", "bool"),
        ),
        (
            with("/spec", "template", json!("x")),
            field("DeploymentSpec.spec.template", "string", "v1.PodTemplateSpec"),
        ),
        (
            with("/spec", "selector", json!([])),
            field("DeploymentSpec.spec.selector", "array", "v1.LabelSelector"),
        ),
        (
            with(CONTAINER, "ports", json!("x")),
            field(&format!("Container.{containers}.ports"), "string", "[]v1.ContainerPort"),
        ),
        (
            with(CONTAINER, "env", json!([{"name": "a", "value": 1}])),
            field(&format!("EnvVar.{containers}.env.value"), "number", "string"),
        ),
        (
            with(CONTAINER, "args", json!([1])),
            field(&format!("Container.{containers}.args"), "number", "string"),
        ),
        (
            with("/metadata", "labels", json!([])),
            field("ObjectMeta.metadata.labels", "array", "map[string]string"),
        ),
        (with("", "spec", json!(5)), field("Deployment.spec", "number", "v1.DeploymentSpec")),
        (
            with(CONTAINER, "resources", json!({"limits": {"cpu": "abc"}})),
            quantity::WRONG.to_owned(),
        ),
    ] {
        assert_eq!(check_types(&object, &ty("apps", "v1", "deployments")), Err(expected));
    }
    assert_eq!(check_types(&deployment(), &ty("apps", "v1", "deployments")), Ok(()));
    assert_eq!(
        check_types(&with("/spec", "replicas", Value::Null), &ty("apps", "v1", "deployments")),
        Ok(())
    );
}

#[test]
fn unknown_fields_go_and_are_named() {
    let mut object = with(CONTAINER, "ports", json!([{"containerPort": 80, "bogus": 1}]));
    object["spec"]["bogus"] = json!({"a": 1});
    object["metadata"]["labels"] = json!({"free": "text"});
    let dropped = prune(&mut object, &ty("apps", "v1", "deployments"));
    assert_eq!(dropped, ["spec.bogus", "spec.template.spec.containers[0].ports[0].bogus"]);
    assert_eq!(object.pointer("/spec/bogus"), None);
    assert_eq!(object.pointer("/metadata/labels/free"), Some(&json!("text")));
}

#[test]
fn what_go_leaves_out_goes_and_what_it_writes_comes() {
    let ty = ty("batch", "v1", "jobs");
    let mut object = json!({
        "metadata": {"name": "s", "labels": {}, "annotations": null, "finalizers": [], "creationTimestamp": null},
        "spec": {
            "suspend": false, "backoffLimit": 0, "parallelism": null,
            "template": {"spec": {
                "hostNetwork": false, "nodeSelector": {},
                "containers": [{
                    "name": "a", "image": "", "command": [], "ports": [], "stdin": false,
                    "env": [
                        {"name": "x", "value": ""},
                        {"name": "y", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                    ],
                    "resources": {"limits": {"cpu": "1000m", "memory": 1048576}},
                }],
                "volumes": [{"name": "e", "emptyDir": {}}, {"name": "f", "emptyDir": {"sizeLimit": "1024Mi"}}],
            }},
        },
    });
    normalise(&mut object, &ty);
    let expected = json!({
        "metadata": {"name": "s"},
        "spec": {
            "suspend": false, "backoffLimit": 0,
            "template": {"metadata": {}, "spec": {
                "containers": [{
                    "name": "a",
                    "env": [
                        {"name": "x"},
                        {"name": "y", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
                    ],
                    "resources": {"limits": {"cpu": "1", "memory": "1048576"}},
                }],
                "volumes": [{"name": "e", "emptyDir": {}}, {"name": "f", "emptyDir": {"sizeLimit": "1Gi"}}],
            }},
        },
        "status": {},
    });
    assert_eq!(object, expected);
    let mut again = object.clone();
    normalise(&mut again, &ty);
    assert_eq!(again, object);
}

#[test]
fn null_in_a_map_is_the_empty_value() {
    let mut object =
        json!({"metadata": {"name": "s"}, "data": {"a": null, "b": ""}, "binaryData": null});
    normalise(&mut object, &ty("", "v1", "configmaps"));
    assert_eq!(object, json!({"metadata": {"name": "s"}, "data": {"a": "", "b": ""}}));
    let mut object = json!({"data": {"a": null, "b": "", "c": "YQ==\n"}});
    normalise(&mut object, &ty("", "v1", "secrets"));
    assert_eq!(object["data"], json!({"a": "", "b": "", "c": "YQ=="}));
}

#[test]
fn lists_that_are_always_written_are_null_when_empty() {
    let ty = ty("rbac.authorization.k8s.io", "v1", "clusterroles");
    for mut object in [json!({}), json!({"rules": []}), json!({"rules": null})] {
        normalise(&mut object, &ty);
        assert_eq!(object["rules"], Value::Null);
    }
    let mut object = json!({"rules": [{"apiGroups": [], "resources": null, "verbs": ["get"]}]});
    normalise(&mut object, &ty);
    assert_eq!(object["rules"], json!([{"verbs": ["get"]}]));
}

#[test]
fn defaults_are_filled_in_where_the_field_is_absent() {
    let mut object = with(
        CONTAINER,
        "ports",
        json!([{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]),
    );
    default(&mut object, &ty("apps", "v1", "deployments"));
    let ports = object.pointer(&format!("{CONTAINER}/ports"));
    let expected = json!([
        {"containerPort": 80, "protocol": "TCP"},
        {"containerPort": 53, "protocol": "UDP"},
    ]);
    assert_eq!(ports, Some(&expected));
}

/// One object of each kind, as a real server answered it.
const RECORDED: &str = include_str!("recorded.jsonl");

#[test]
fn what_a_real_server_answers_stays_as_it_is() {
    let registry = Registry::builtin();
    let mut count = 0;
    for line in RECORDED.lines() {
        let object: Value = serde_json::from_str(line).expect("a line is an object");
        let version = object["apiVersion"].as_str().expect("it has a version");
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = object["kind"].as_str().expect("it has a kind");
        let ty = &registry.by_kind(group, version, kind).expect("its kind is served").ty;
        let mut decoded = object.clone();
        assert_eq!(check_types(&decoded, ty), Ok(()), "{kind}");
        assert_eq!(prune(&mut decoded, ty), [""; 0], "{kind}");
        normalise(&mut decoded, ty);
        default(&mut decoded, ty);
        assert_eq!(decoded, object, "{kind}");
        count += 1;
    }
    assert!(count > 30, "{count} kinds");
}
