//! Server-side apply: outcomes, conflicts and messages.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::Desk;

fn with_env(env: &Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "env": env}]}}}})
}

fn check_refused(mut desk: Desk, body: Value, expect: &Expect) {
    expect.assert_eq(&desk.refused("m", body));
}

#[test]
fn what_does_not_fit_the_type_is_named() {
    let map = Desk::config_map;
    let deployment = Desk::deployment;
    check_refused(
        map(),
        json!({"bogus": 1}),
        &expect![
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .bogus: field not declared in schema"
        ],
    );
    check_refused(
        map(),
        json!({"metadata": {"namespace": "ns"}, "data": {"a": 1}}),
        &expect![
            "failed to create typed patch object (ns/x; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:1}"
        ],
    );
    check_refused(
        map(),
        json!({"data": ["a", 1]}),
        &expect![
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .data: expected map, got &{[a 1]}"
        ],
    );
    check_refused(
        map(),
        json!({"immutable": "yes"}),
        &expect![
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .immutable: expected boolean, got &{yes}"
        ],
    );
    check_refused(
        map(),
        json!({"data": {"b": true, "c": {"x": 1}, "d": [1, "q"], "e": 1.5}}),
        &expect![[r#"
            failed to create typed patch object (/x; /v1, Kind=ConfigMap): errors:
              .data.b: expected string, got &value.valueUnstructured{Value:true}
              .data.c: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"x":1}}
              .data.d: expected string, got &value.valueUnstructured{Value:[]interface {}{1, "q"}}
              .data.e: expected string, got &value.valueUnstructured{Value:1.5}"#]],
    );
    check_refused(
        map(),
        json!({"metadata": {"finalizers": ["a", "a"]}}),
        &expect![[
            r#"failed to create typed patch object (/x; /v1, Kind=ConfigMap): .metadata.finalizers: duplicate entries for key [="a"]"#
        ]],
    );
    check_refused(
        map(),
        json!({"metadata": {"finalizers": [{}]}}),
        &expect![
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .metadata.finalizers: element 0: associative list without keys has an element that's a map type"
        ],
    );
    check_refused(
        map(),
        json!({"metadata": {"finalizers": [null]}}),
        &expect![
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .metadata.finalizers: element 0: associative list without keys has an element that's an explicit null"
        ],
    );
    check_refused(
        deployment(),
        json!({"spec": {"replicas": "x"}}),
        &expect![
            "failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string"
        ],
    );
    check_refused(
        deployment(),
        with_env(&json!([{"name": "a"}, {"name": "a"}])),
        &expect![[
            r#"failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="c"].env: duplicate entries for key [name="a"]"#
        ]],
    );
    check_refused(
        deployment(),
        with_env(&json!([null])),
        &expect![[
            r#"failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="c"].env: element 0: associative list with keys may not have a null element"#
        ]],
    );
    check_refused(
        deployment(),
        with_env(&json!(["x"])),
        &expect![[
            r#"failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="c"].env: element 0: associative list with keys may not have non-map elements"#
        ]],
    );
    check_refused(
        deployment(),
        with_env(&json!({"a": "b"})),
        &expect![[
            r#"failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="c"].env: expected list, got &{map[a:b]}"#
        ]],
    );
    let ports = json!([{"containerPort": 80}, {"containerPort": 80}]);
    let container = json!({"name": "c", "args": [1], "command": "sh", "ports": ports,
        "resources": {"limits": {"cpu": 1, "memory": {}}}});
    check_refused(
        deployment(),
        json!({"spec": {"template": {"spec": {"containers": [container]}}}}),
        &expect![[r#"
            failed to create typed patch object (/x; apps/v1, Kind=Deployment): errors:
              .spec.template.spec.containers[name="c"].args[0]: expected string, got &value.valueUnstructured{Value:1}
              .spec.template.spec.containers[name="c"].command: expected list, got &{sh}
              .spec.template.spec.containers[name="c"].ports: duplicate entries for key [containerPort=80,protocol="TCP"]
              .spec.template.spec.containers[name="c"].resources.limits.memory: expected any scalar, got &{map[]}"#]],
    );
    check_refused(
        map(),
        json!({"metadata": {"managedFields": []}}),
        &expect!["metadata.managedFields must be nil"],
    );
}

#[test]
fn a_repeated_apply_changes_nothing_and_another_manager_is_noted() {
    let mut desk = Desk::config_map();
    assert!(desk.apply("one", json!({"data": {"a": "1", "b": "2"}})));
    assert!(!desk.apply("one", json!({"data": {"a": "1", "b": "2"}})));
    // The first apply of the same values by another manager is a write without a time.
    assert!(desk.apply("two", json!({"data": {"a": "1"}})));
    assert!(!desk.apply("two", json!({"data": {"a": "1"}})));
    expect![[r#"
        Apply two never: .data.a
        Apply one 01: .data.a .data.b
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn conflicts_are_by_value_and_name_the_owner() {
    let mut desk = Desk::config_map();
    desk.apply("one", json!({"data": {"a": "1", "b": "1"}}));
    desk.apply("two", json!({"data": {"a": "1"}}));
    assert_eq!(desk.try_apply("three", json!({"data": {"a": "1"}}), false), Ok(true));
    expect![[r#"
        Apply failed with 4 conflicts: conflicts with "one":
        - .data.a
        - .data.b
        conflicts with "three":
        - .data.a
        conflicts with "two":
        - .data.a"#]]
    .assert_eq(&desk.refused("four", json!({"data": {"a": "2", "b": "2"}})));
    expect![[r#"Apply failed with 1 conflict: conflict with "one": .data.b"#]]
        .assert_eq(&desk.refused("four", json!({"data": {"b": "2"}})));
    desk.apply("four", json!({"data": {"a": "2"}}));
    expect![[r#"
        Apply one 01: .data.b
        Apply four 06: .data.a
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn conflicts_with_updates_say_version_and_subresource() {
    let mut desk = Desk::deployment();
    let containers = json!([{"name": "c", "image": "i:1"}]);
    let template = json!({"spec": {"containers": containers}});
    desk.apply("gitops", json!({"spec": {"replicas": 1, "template": template}}));
    desk.update("kubectl/scale", |live| live["spec"]["replicas"] = json!(3));
    desk.update("kubectl-set", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("i:2");
    });
    expect![[r#"
        Apply failed with 2 conflicts: conflicts with "kubectl" with subresource "scale" using apps/v1:
        - .spec.replicas
        conflicts with "kubectl-set" using apps/v1:
        - .spec.template.spec.containers[name="c"].image"#]]
        .assert_eq(&desk.refused("gitops", json!({"spec": {"replicas": 1, "template": template}})));
    expect![[r#"
        Apply gitops 01: .spec.template.spec.containers[name="c"] .spec.template.spec.containers[name="c"].name
        Update kubectl/scale never: .spec.replicas
        Update kubectl-set 03: .spec.template.spec.containers[name="c"].image
    "#]].assert_eq(&desk.owners());
}

#[test]
fn a_field_that_is_no_longer_sent_goes_when_nobody_else_owns_it() {
    let mut desk = Desk::config_map();
    desk.apply("one", json!({"data": {"a": "1", "b": "1", "c": "1"}}));
    desk.apply("two", json!({"data": {"b": "1"}}));
    desk.update("human", |live| live["data"]["h"] = json!("1"));
    desk.apply("one", json!({"data": {"a": "1"}}));
    expect![[r#"{"data":{"a":"1","b":"1","h":"1"}}"#]].assert_eq(&desk.shown());
    // An apply of nothing removes the manager, and leaves the object.
    desk.apply("one", json!({}));
    expect![[r#"{"data":{"b":"1","h":"1"}}"#]].assert_eq(&desk.shown());
    expect![[r#"
        Apply two never: .data.b
        Update human 03: .data.h
    "#]]
    .assert_eq(&desk.owners());
    assert!(!desk.apply("never", json!({})));
}

#[test]
fn a_list_item_goes_whole_and_keeps_what_others_own() {
    let env = |items: Value| {
        let containers = json!([{"name": "c", "image": "i", "env": items}]);
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    };
    let mut desk = Desk::deployment();
    desk.apply("one", env(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "1"}])));
    desk.apply("two", with_env(&json!([{"name": "C", "value": "1"}, {"name": "A", "value": "1"}])));
    let shown = |desk: &Desk| {
        let live = desk.live.as_ref().unwrap();
        live["spec"]["template"]["spec"]["containers"][0]["env"].to_string()
    };
    expect![[r#"[{"name":"C","value":"1"},{"name":"A","value":"1"},{"name":"B","value":"1"}]"#]]
        .assert_eq(&shown(&desk));
    desk.apply("one", env(json!([])));
    expect![[r#"[{"name":"C","value":"1"},{"name":"A","value":"1"}]"#]].assert_eq(&shown(&desk));
    desk.apply("two", with_env(&json!(null)));
    expect!["null"].assert_eq(&shown(&desk));
}

#[test]
fn ports_are_told_apart_by_the_default_of_their_protocol() {
    let ports = |ports: Value| json!({"spec": {"ports": ports}});
    let mut desk = Desk::service();
    let dns = json!([{"port": 53, "name": "t"}, {"port": 53, "name": "u", "protocol": "UDP"}]);
    desk.apply("one", ports(dns.clone()));
    assert!(!desk.apply("one", ports(dns)));
    expect![[r#"
        Apply one 01: .spec.ports[port=53,protocol="TCP"] .spec.ports[port=53,protocol="UDP"] .spec.ports[port=53,protocol="TCP"].name .spec.ports[port=53,protocol="TCP"].port .spec.ports[port=53,protocol="UDP"].name .spec.ports[port=53,protocol="UDP"].port .spec.ports[port=53,protocol="UDP"].protocol
    "#]].assert_eq(&desk.owners());
    expect![[r#"Apply failed with 1 conflict: conflict with "one": .spec.ports[port=53,protocol="TCP"].name"#]].assert_eq(&desk.refused("two", ports(json!([{"port": 53, "name": "z"}]))));
}

#[test]
fn nulls_are_not_set_but_owned() {
    let mut desk = Desk::config_map();
    desk.apply("one", json!({"data": {"a": null}}));
    expect![[r#"{"data":{"a":""}}"#]].assert_eq(&desk.shown());
    expect![[r#"
        Apply one 01: .data.a
    "#]]
    .assert_eq(&desk.owners());
    desk.apply("two", json!({"data": null, "metadata": {"labels": {}, "creationTimestamp": null}}));
    expect![[r#"
        Apply one 01: .data.a
        Apply two 02: .data .metadata.labels
    "#]]
    .assert_eq(&desk.owners());

    let mut desk = Desk::deployment();
    desk.apply("one", json!({"spec": {"paused": true, "replicas": 2}}));
    desk.apply("two", json!({"spec": {"replicas": null, "paused": null}}));
    expect![[r#"{"spec":{"selector":null,"strategy":{},"template":{"metadata":{},"spec":{"containers":null}}},"status":{}}"#]].assert_eq(&desk.shown());
}

#[test]
fn atomic_parts_are_owned_whole() {
    let mut desk = Desk::deployment();
    desk.apply("one", json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}));
    expect![[r#"Apply failed with 1 conflict: conflict with "one": .spec.selector"#]].assert_eq(
        &desk.refused("two", json!({"spec": {"selector": {"matchLabels": {"c": "d"}}}})),
    );
    desk.apply("two", json!({"spec": {"selector": {"matchLabels": {"c": "d"}}}}));
    expect![[r#"{"spec":{"selector":{"matchLabels":{"c":"d"}},"strategy":{},"template":{"metadata":{},"spec":{"containers":null}}},"status":{}}"#]].assert_eq(&desk.shown());
    expect![[r#"
        Apply two 03: .spec.selector
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn items_of_a_set_are_owned_one_by_one() {
    let finalizers = |items: &[&str]| json!({"metadata": {"finalizers": items}});
    let mut desk = Desk::config_map();
    desk.apply("one", finalizers(&["e.x/a", "e.x/b"]));
    desk.apply("two", finalizers(&["e.x/c", "e.x/b"]));
    expect![[r#"
        Apply one 01: .metadata.finalizers[="e.x/a"] .metadata.finalizers[="e.x/b"]
        Apply two 02: .metadata.finalizers[="e.x/b"] .metadata.finalizers[="e.x/c"]
    "#]]
    .assert_eq(&desk.owners());
    desk.apply("one", finalizers(&["e.x/a"]));
    desk.apply("two", finalizers(&[]));
    expect![[r#"{"metadata":{"finalizers":["e.x/a"]}}"#]].assert_eq(&desk.shown());
}

#[test]
fn the_status_is_not_owned_through_the_main_resource() {
    let mut desk = Desk::deployment();
    desk.apply("one", json!({"spec": {"paused": true}, "status": {"replicas": 3}}));
    expect![[r#"
        Apply one 01: .spec.paused
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn kubectl_takes_over_what_client_side_apply_left() {
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let last = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x"}, "data": {"a": "1", "b": "1"}});
    let mut desk = Desk::config_map();
    desk.update("kubectl-client-side-apply", |live| {
        live["data"] = last["data"].clone();
        live["metadata"]["annotations"] = json!({annotation: last.to_string()});
    });
    desk.update("human", |live| live["data"]["b"] = json!("2"));
    expect![[r#"Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a"#]].assert_eq(&desk.refused("other", json!({"data": {"a": "3"}})));
    // What a human changed since is a conflict for kubectl too.
    expect![[r#"Apply failed with 1 conflict: conflict with "human" using v1: .data.b"#]]
        .assert_eq(&desk.refused("kubectl", json!({"data": {"a": "3", "b": "3"}})));
    assert_eq!(desk.try_apply("kubectl", json!({"data": {"a": "3"}}), false), Ok(true));
    expect![[r#"{"data":{"a":"3","b":"2"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"data\":{\"a\":\"3\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"}}\n"}}}"#]].assert_eq(&desk.shown());
}
