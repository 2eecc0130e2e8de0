//! Against what a real server answered to the same manifests.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::schema::Registry;

fn resource(kind: &str) -> Arc<Resource> {
    let registry = Registry::builtin();
    let found = registry.iter().find(|(_, versions)| *versions[0].kind == *kind);
    Arc::clone(&found.unwrap_or_else(|| panic!("no {kind}")).1[0])
}

fn defaulted(kind: &str, mut value: Value) -> Value {
    default(&resource(kind), &mut value);
    let once = value.clone();
    default(&resource(kind), &mut value);
    assert_eq!(value, once, "defaults of defaults");
    value
}

#[track_caller]
fn check_default(kind: &str, value: Value, expected: Expect) {
    expected.assert_eq(&format!("{:#}\n", defaulted(kind, value)));
}

/// What a server says to a new object, or to one in place of another.
#[track_caller]
fn check(kind: &str, live: Option<&Value>, new: &Value, expected: Expect) {
    let live = live.map(|live| defaulted(kind, live.clone()));
    let new = defaulted(kind, new.clone());
    let refused = validate(&resource(kind), live.as_ref(), &new, Part::Main);
    let text = refused.map_or_else(|status| status.message, |()| "ok".to_owned());
    expected.assert_eq(&text);
}

fn deployment(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bad"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "x"}]},
            },
        },
    });
    change(&mut value);
    value
}

fn containers(containers: Value) -> Value {
    deployment(|value| value["spec"]["template"]["spec"]["containers"] = containers)
}

#[test]
fn a_deployment_is_completed() {
    check_default(
        "Deployment",
        containers(json!([{
            "name": "c", "image": "nginx:1.2", "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}},
        }])),
        expect![[r#"
            {
              "apiVersion": "apps/v1",
              "kind": "Deployment",
              "metadata": {
                "name": "bad"
              },
              "spec": {
                "progressDeadlineSeconds": 600,
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "selector": {
                  "matchLabels": {
                    "a": "b"
                  }
                },
                "strategy": {
                  "rollingUpdate": {
                    "maxSurge": "25%",
                    "maxUnavailable": "25%"
                  },
                  "type": "RollingUpdate"
                },
                "template": {
                  "metadata": {
                    "labels": {
                      "a": "b"
                    }
                  },
                  "spec": {
                    "containers": [
                      {
                        "image": "nginx:1.2",
                        "imagePullPolicy": "IfNotPresent",
                        "name": "c",
                        "ports": [
                          {
                            "containerPort": 80,
                            "protocol": "TCP"
                          }
                        ],
                        "readinessProbe": {
                          "failureThreshold": 3,
                          "httpGet": {
                            "path": "/",
                            "port": 80,
                            "scheme": "HTTP"
                          },
                          "periodSeconds": 10,
                          "successThreshold": 1,
                          "timeoutSeconds": 1
                        },
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File"
                      }
                    ],
                    "dnsPolicy": "ClusterFirst",
                    "restartPolicy": "Always",
                    "schedulerName": "default-scheduler",
                    "securityContext": {},
                    "terminationGracePeriodSeconds": 30
                  }
                }
              },
              "status": {}
            }
        "#]],
    );
}

#[test]
fn an_image_without_a_version_is_always_pulled() {
    for (image, policy) in [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("host:5000/busybox", "Always"),
        ("host:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:00", "IfNotPresent"),
    ] {
        let value = defaulted("Deployment", containers(json!([{"name": "c", "image": image}])));
        let container = &value["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn a_secret_is_stored_as_data() {
    let value =
        defaulted("Secret", json!({"data": {"a": "eA=="}, "stringData": {"a": "b", "c": ""}}));
    assert_eq!(value, json!({"type": "Opaque", "data": {"a": "Yg==", "c": ""}}));
}

#[test]
fn a_services_fields_follow_its_type() {
    let of = |spec: Value| defaulted("Service", json!({"spec": spec}))["spec"].clone();
    assert_eq!(
        of(json!({"type": "NodePort", "sessionAffinity": "ClientIP", "ports": [{"port": 80}]})),
        json!({
            "type": "NodePort", "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10_800}},
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        })
    );
    assert_eq!(
        of(json!({"type": "ExternalName", "externalName": "a.example"})),
        json!({"type": "ExternalName", "externalName": "a.example", "sessionAffinity": "None"})
    );
}

#[test]
fn a_deployments_faults_are_named() {
    let new = |value: Value, expected: Expect| check("Deployment", None, &value, expected);
    new(deployment(|_| {}), expect!["ok"]);
    new(
        deployment(|d| d["spec"]["template"]["metadata"]["labels"] = json!({"a": "z"})),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.template.metadata.labels: Invalid value: {"a":"z"}: `selector` does not match template `labels`"#
        ]],
    );
    new(
        deployment(|d| d["spec"]["selector"] = Value::Null),
        expect![[
            r#"Deployment.apps "bad" is invalid: [spec.selector: Required value, spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`]"#
        ]],
    );
    new(
        deployment(|d| d["spec"]["selector"] = json!({})),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.selector: Invalid value: {}: empty selector is invalid for deployment"#
        ]],
    );
    new(
        deployment(|d| d["spec"]["replicas"] = json!(-1)),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#
        ]],
    );
    new(
        deployment(|d| {
            d["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}});
        }),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"#
        ]],
    );
    new(
        deployment(|d| d["spec"]["template"]["spec"]["restartPolicy"] = json!("Never")),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#
        ]],
    );
    new(
        deployment(|d| d["spec"]["progressDeadlineSeconds"] = json!(0)),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds"#
        ]],
    );
}

#[test]
fn a_pods_faults_are_named() {
    let new =
        |value: Value, expected: Expect| check("Deployment", None, &containers(value), expected);
    new(
        json!([]),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.template.spec.containers: Required value"#
        ]],
    );
    new(
        json!([{"name": "c"}, {"name": "c", "image": "y"}]),
        expect![[
            r#"Deployment.apps "bad" is invalid: [spec.template.spec.containers[0].image: Required value, spec.template.spec.containers[1].name: Duplicate value: "c"]"#
        ]],
    );
    new(
        json!([{"name": "c", "image": "x", "ports": [{"containerPort": 70_000}, {"name": "a_B", "containerPort": 7}]}]),
        expect![[
            r#"Deployment.apps "bad" is invalid: [spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive, spec.template.spec.containers[0].ports[1].name: Invalid value: "a_B": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)]"#
        ]],
    );
    new(
        json!([{"name": "c", "image": "x", "volumeMounts": [{"name": "v"}]}]),
        expect![[
            r#"Deployment.apps "bad" is invalid: [spec.template.spec.containers[0].volumeMounts[0].name: Not found: "v", spec.template.spec.containers[0].volumeMounts[0].mountPath: Required value]"#
        ]],
    );
    new(
        json!([{"name": "c", "image": "x", "livenessProbe": {"periodSeconds": -1}}]),
        expect![[
            r#"Deployment.apps "bad" is invalid: [spec.template.spec.containers[0].livenessProbe: Required value: must specify a handler type, spec.template.spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0]"#
        ]],
    );
    new(
        json!([{"name": "c", "image": "x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}]),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.template.spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#
        ]],
    );
}

#[test]
fn what_cannot_change_is_refused() {
    let live = deployment(|_| {});
    check(
        "Deployment",
        Some(&live),
        &deployment(|d| {
            d["spec"]["selector"]["matchLabels"]["a"] = json!("z");
            d["spec"]["template"]["metadata"]["labels"]["a"] = json!("z");
        }),
        expect![[
            r#"Deployment.apps "bad" is invalid: spec.selector: Invalid value: {"matchLabels":{"a":"z"}}: field is immutable"#
        ]],
    );
    let mut other = live.clone();
    other["spec"]["serviceName"] = json!("z");
    check(
        "StatefulSet",
        Some(&live),
        &other,
        expect![
            "StatefulSet.apps \"bad\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        ],
    );
    let map =
        |data: &str| json!({"metadata": {"name": "imm"}, "immutable": true, "data": {"a": data}});
    check(
        "ConfigMap",
        Some(&map("b")),
        &map("c"),
        expect![
            "ConfigMap \"imm\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
        ],
    );
    let secret = |kind: &str| json!({"metadata": {"name": "sec"}, "type": kind});
    check(
        "Secret",
        Some(&secret("Opaque")),
        &secret("x"),
        expect![[r#"Secret "sec" is invalid: type: Invalid value: "x": field is immutable"#]],
    );
    let service = |ip: &str| {
        json!({"metadata": {"name": "web"},
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80}]}})
    };
    check(
        "Service",
        Some(&service("10.96.0.2")),
        &service("10.96.0.3"),
        expect![[
            r#"Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.0.3"]: may not change once set"#
        ]],
    );
}

#[test]
fn other_kinds_name_their_faults() {
    let new = |kind: &str, spec: Value, expected: Expect| {
        let value = json!({"metadata": {"name": "bad"}, "spec": spec});
        check(kind, None, &value, expected);
    };
    new("Service", json!({}), expect![[r#"Service "bad" is invalid: spec.ports: Required value"#]]);
    new(
        "Service",
        json!({"ports": [{"port": 1}, {"port": 2}]}),
        expect![[
            r#"Service "bad" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]"#
        ]],
    );
    new(
        "Ingress",
        json!({}),
        expect![[
            r#"Ingress.networking.k8s.io "bad" is invalid: spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"#
        ]],
    );
    new(
        "PersistentVolumeClaim",
        json!({}),
        expect![[
            r#"PersistentVolumeClaim "bad" is invalid: [spec.accessModes: Required value: at least 1 access mode is required, spec.resources[storage]: Required value]"#
        ]],
    );
    let mut big = json!({"metadata": {"name": "bad"}, "data": {"a": "x".repeat(1_100_000)}});
    check(
        "ConfigMap",
        None,
        &big,
        expect![[
            r#"ConfigMap "bad" is invalid: []: Too long: may not be more than 1048576 bytes"#
        ]],
    );
    big["data"] = json!({"a b": "x"});
    check(
        "ConfigMap",
        None,
        &big,
        expect![[
            r#"ConfigMap "bad" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"#
        ]],
    );
}
