//! JSON patch, merge patch and strategic merge patch.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::Desk;
use crate::merge::{PatchError, json_merge_patch, json_patch, strategic_merge_patch};

fn shown(result: Result<Value, PatchError>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn a_merge_patch_replaces_lists_and_removes_by_null() {
    let live = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"});
    let patch = json!({"a": {"b": null, "c": [3], "n": {"x": null, "y": 1}}, "d": {"z": null}});
    expect![[r#"{"a":{"c":[3],"n":{"y":1}},"d":{}}"#]]
        .assert_eq(&shown(json_merge_patch(&live, &patch)));
    expect![[r#"Malformed("error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}")"#]].assert_eq(&shown(json_merge_patch(&live, &json!([1]))));
}

fn check_json(patch: Value, expect: &Expect) {
    let live = json!({"data": {"a": "1", "x/y~": "2"}, "list": [1, 2, 3]});
    expect.assert_eq(&shown(json_patch(&live, &patch)));
}

#[test]
fn a_json_patch_does_its_operations_or_none() {
    let op = |op: &str, path: &str| json!({"op": op, "path": path});
    let with = |name: &str, path: &str, key: &str, value: Value| json!({"op": name, "path": path, key: value});
    check_json(
        json!([
            with("test", "/data/a", "value", json!("1")),
            with("add", "/list/-", "value", json!(4)),
            with("add", "/list/0", "value", json!(0)),
            op("remove", "/data/x~1y~0"),
            with("move", "/moved", "from", json!("/data/a")),
            with("copy", "/data/c", "from", json!("/moved")),
            with("replace", "/list/-1", "value", json!(9)),
        ]),
        &expect![[r#"{"data":{"c":"1"},"list":[0,1,2,3,9],"moved":"1"}"#]],
    );
    // A missing key may be replaced, and is null in a test.
    check_json(
        json!([
            with("replace", "/data/new", "value", json!("n")),
            with("test", "/data/none", "value", json!(null)),
            with("replace", "", "value", json!({"whole": 1})),
        ]),
        &expect![[r#"{"whole":1}"#]],
    );
    check_json(
        json!([with("test", "/data/a", "value", json!("2"))]),
        &expect![[r#"Refused("testing value /data/a failed: test failed")"#]],
    );
    check_json(
        json!([with("test", "/no/a", "value", json!("2"))]),
        &expect![[
            r#"Refused("test operation does not apply: is missing path: /no/a: missing value")"#
        ]],
    );
    check_json(
        json!([op("remove", "/data/none")]),
        &expect![[
            r#"Refused("error in remove for path: '/data/none': Unable to remove nonexistent key: none: missing value")"#
        ]],
    );
    check_json(
        json!([op("remove", "/list/7")]),
        &expect![[
            r#"Refused("error in remove for path: '/list/7': Unable to access invalid index: 7: invalid index referenced")"#
        ]],
    );
    check_json(
        json!([with("add", "/q/z", "value", json!(1))]),
        &expect![[
            r#"Refused("add operation does not apply: doc is missing path: \"/q/z\": missing value")"#
        ]],
    );
    check_json(
        json!([with("add", "/list/9", "value", json!(1))]),
        &expect![[
            r#"Refused("error in add for path: '/list/9': Unable to access invalid index: 9: invalid index referenced")"#
        ]],
    );
    check_json(
        json!([with("replace", "/list/9", "value", json!(1))]),
        &expect![[
            r#"Refused("replace operation does not apply: doc is missing key: /list/9: missing value")"#
        ]],
    );
    check_json(
        json!([with("copy", "/c", "from", json!("/none"))]),
        &expect![[
            r#"Refused("copy operation does not apply: doc is missing from path: /none: missing value")"#
        ]],
    );
    check_json(json!([op("bogus", "/data")]), &expect![[r#"Refused("Unexpected kind: bogus")"#]]);
    check_json(
        json!([json!({"path": "/data"})]),
        &expect![[r#"Refused("Unexpected kind: unknown")"#]],
    );
    check_json(
        json!([json!({"op": "remove"})]),
        &expect![[r#"Refused("remove operation failed to decode path: missing value")"#]],
    );
    check_json(
        json!(["x"]),
        &expect![[
            r#"Malformed("error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp")"#
        ]],
    );
    check_json(
        json!({"op": "remove"}),
        &expect![[
            r#"Malformed("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")"#
        ]],
    );
}

fn live() -> Value {
    let env = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    let containers = json!([{"name": "c", "image": "i:1", "env": env, "args": ["x", "y"]}]);
    let volumes = json!([{"name": "v", "emptyDir": {}}]);
    json!({
        "metadata": {"labels": {"l": "1"}, "finalizers": ["e.x/a", "e.x/b"]},
        "spec": {
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {"spec": {"containers": containers, "volumes": volumes}},
        },
    })
}

/// Shows what the patch changed: the smallest part of the object that has all of it.
fn check(patch: Value, path: &str, expect: &Expect) {
    let desk = Desk::deployment();
    let patched = strategic_merge_patch(&live(), &patch, &desk.ty);
    let part = patched.map(|patched| patched.pointer(path).cloned().unwrap_or_default());
    expect.assert_eq(&shown(part));
}

fn in_pod(pod: Value) -> Value {
    json!({"spec": {"template": {"spec": pod}}})
}

fn in_container(fields: Value) -> Value {
    let mut container = json!({"name": "c"});
    container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    in_pod(json!({"containers": [container]}))
}

const CONTAINERS: &str = "/spec/template/spec/containers";
const ENV: &str = "/spec/template/spec/containers/0/env";

#[test]
fn lists_merge_by_their_key() {
    check(
        in_container(json!({"image": "i:2"})),
        CONTAINERS,
        &expect![[
            r#"[{"args":["x","y"],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"image":"i:2","name":"c"}]"#
        ]],
    );
    check(
        in_container(json!({"args": ["z"]})),
        CONTAINERS,
        &expect![[
            r#"[{"args":["z"],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"image":"i:1","name":"c"}]"#
        ]],
    );
    check(
        in_container(json!({"env": [{"name": "N", "value": null}, {"name": "B", "value": "9"}]})),
        ENV,
        &expect![[r#"[{"name":"N"},{"name":"A","value":"1"},{"name":"B","value":"9"}]"#]],
    );
    check(
        in_pod(json!({"containers": [{"name": "n"}]})),
        CONTAINERS,
        &expect![[
            r#"[{"name":"n"},{"args":["x","y"],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"image":"i:1","name":"c"}]"#
        ]],
    );
}

#[test]
fn what_kubectl_sends_for_a_changed_list() {
    let order = json!([{"name": "B"}, {"name": "N"}, {"name": "A"}]);
    let env = json!([{"name": "N", "value": "n"}]);
    check(
        in_container(json!({"$setElementOrder/env": order, "env": env})),
        ENV,
        &expect![[
            r#"[{"name":"B","value":"2"},{"name":"N","value":"n"},{"name":"A","value":"1"}]"#
        ]],
    );
    check(
        in_container(json!({"$setElementOrder/env": order})),
        ENV,
        &expect![[r#"[{"name":"B","value":"2"},{"name":"A","value":"1"}]"#]],
    );
    check(
        in_container(json!({"$setElementOrder/env": [{"name": "B"}],
            "env": [{"$patch": "delete", "name": "A"}]})),
        ENV,
        &expect![[r#"[{"name":"B","value":"2"}]"#]],
    );
    check(
        in_container(json!({"env": [{"$patch": "replace"}, {"name": "ONLY"}]})),
        ENV,
        &expect![[r#"[{"name":"ONLY"}]"#]],
    );
}

#[test]
fn primitive_lists_merge_and_lose_items() {
    let finalizers = |patch: Value, expect: &Expect| {
        check(json!({"metadata": patch}), "/metadata/finalizers", expect);
    };
    finalizers(
        json!({"finalizers": ["e.x/c", "e.x/a"]}),
        &expect![[r#"["e.x/c","e.x/a","e.x/b"]"#]],
    );
    finalizers(
        json!({"$deleteFromPrimitiveList/finalizers": ["e.x/a"],
            "$setElementOrder/finalizers": ["e.x/b"]}),
        &expect![[r#"["e.x/b"]"#]],
    );
    finalizers(
        json!({"$deleteFromPrimitiveList/finalizers": "e.x/a"}),
        &expect![[r#"["e.x/a","e.x/b"]"#]],
    );
    finalizers(json!({"finalizers": null}), &expect!["null"]);
}

#[test]
fn keys_are_retained_and_maps_replaced() {
    let strategy = |patch: Value, expect: &Expect| {
        check(json!({"spec": {"strategy": patch}}), "/spec/strategy", expect);
    };
    strategy(
        json!({"$retainKeys": ["type"], "type": "Recreate"}),
        &expect![[r#"{"type":"Recreate"}"#]],
    );
    strategy(
        json!({"$patch": "replace", "type": "Recreate"}),
        &expect![[r#"{"type":"Recreate"}"#]],
    );
    strategy(json!({"$patch": "delete"}), &expect!["{}"]);
    strategy(
        json!({"$retainKeys": ["x"], "type": "Recreate"}),
        &expect![[r#"Malformed("invalid patch format of retainKeys")"#]],
    );
    strategy(
        json!({"$retainKeys": "x"}),
        &expect![[r#"Malformed("invalid patch format of retainKeys")"#]],
    );
    strategy(
        json!({"$patch": "merge"}),
        &expect![[r#"Failed("unknown patch type: merge in map: map[$patch:merge]")"#]],
    );
    let volume =
        json!({"$retainKeys": ["name", "configMap"], "name": "v", "configMap": {"name": "q"}});
    check(
        in_pod(json!({"volumes": [volume]})),
        "/spec/template/spec/volumes",
        &expect![[r#"[{"configMap":{"name":"q"},"name":"v"}]"#]],
    );
}

#[test]
fn what_is_new_has_no_nulls_and_no_directives() {
    let annotations = json!({"a": null, "b": "1", "$patch": "replace"});
    check(
        json!({"metadata": {"annotations": {"a": null, "b": "1"}}}),
        "/metadata/annotations",
        &expect![[r#"{"b":"1"}"#]],
    );
    check(
        json!({"metadata": {"annotations": annotations}}),
        "/metadata/annotations",
        &expect!["null"],
    );
}

#[test]
fn malformed_directives_are_refused() {
    check(
        in_container(json!({"$patch": "bogus"})),
        "",
        &expect![[r#"Failed("unknown patch type: bogus in map: map[$patch:bogus name:c]")"#]],
    );
    check(
        in_pod(json!({"containers": [{"image": "i"}]})),
        "",
        &expect![[r#"Failed("map: map[image:i] does not contain declared merge key: name")"#]],
    );
    check(
        in_pod(json!({"$setElementOrder/containers": [{"name": "c"}],
            "containers": [{"name": "z", "image": "i"}]})),
        "",
        &expect![[
            r#"Failed("The order in patch list:\n[map[image:i name:z]]\n doesn't match $setElementOrder list:\n[map[name:c]]\n")"#
        ]],
    );
    check(
        in_pod(json!({"$setElementOrder/containers": {"name": "c"}})),
        "",
        &expect![[
            r#"Failed("expected a []interface {}, but received a map[string]interface {}")"#
        ]],
    );
    check(
        json!([1]),
        "",
        &expect![[
            r#"Malformed("json: cannot unmarshal array into Go value of type map[string]interface {}")"#
        ]],
    );
}
