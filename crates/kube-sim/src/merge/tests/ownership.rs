//! Who owns what after creates, updates and patches, and how ownership is wiped and rewritten.

use expect_test::expect;
use serde_json::{Value, json};

use super::Desk;
use crate::merge::{FieldSet, Manager, track_update};

#[test]
fn a_creator_owns_everything_it_sent() {
    let mut desk = Desk::deployment();
    desk.update("creator", |new| {
        new["metadata"]["labels"] = json!({"l": "1"});
        let resources = json!({"limits": {"cpu": "1"}});
        let container = json!({"name": "c", "image": "i", "resources": resources});
        let template =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}});
        new["spec"] = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
    });
    expect![[r#"
        Update
        creator
        01:
        .metadata.labels
        .metadata.labels.l
        .spec.selector
        .spec.strategy.rollingUpdate
        .spec.strategy.type
        .spec.strategy.rollingUpdate.maxSurge
        .spec.template.metadata.labels
        .spec.template.metadata.labels.a
        .spec.template.spec.containers[name="c"]
        .spec.template.spec.containers[name="c"].image
        .spec.template.spec.containers[name="c"].name
        .spec.template.spec.containers[name="c"].resources
        .spec.template.spec.containers[name="c"].resources.limits
        .spec.template.spec.containers[name="c"].resources.limits.cpu
    "#]]
    .assert_eq(&desk.owners().replace(' ', "\n"));
}

#[test]
fn an_update_takes_what_it_changed_and_drops_what_it_removed() {
    let mut desk = Desk::config_map();
    desk.apply("gitops", json!({"data": {"a": "1", "b": "1", "c": "1"}}));
    desk.update("human", |live| {
        live["data"] = json!({"a": "2", "c": "1", "d": "1"});
    });
    expect![[r#"
        Apply gitops 01: .data.c
        Update human 02: .data.a .data.d
    "#]]
    .assert_eq(&desk.owners());
    assert!(!desk.update("nobody", |_| {}));
    // What the owner of an entry changes later joins it; a removal leaves its time alone.
    desk.update("human", |live| live["data"]["e"] = json!("1"));
    desk.update("other", |live| live["data"] = json!({"a": "2"}));
    expect![[r#"
        Update human 04: .data.a
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn a_write_through_scale_has_no_time() {
    let mut desk = Desk::deployment();
    desk.apply("gitops", json!({"spec": {"replicas": 1, "paused": true}}));
    desk.update("kubectl/scale", |live| live["spec"]["replicas"] = json!(3));
    expect![[r#"
        Apply gitops 01: .spec.paused
        Update kubectl/scale never: .spec.replicas
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn duplicates_are_owned_as_one_item() {
    let env = |live: &mut Value, items: Value| {
        live["spec"]["template"]["spec"]["containers"] = json!([{"name": "c", "env": items}]);
    };
    let mut desk = Desk::deployment();
    desk.update("one", |live| {
        env(live, json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]));
    });
    desk.update("two", |live| {
        env(live, json!([{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]));
    });
    expect![[r#"
        Update one 01: .spec.template.spec.containers[name="c"] .spec.template.spec.containers[name="c"].env .spec.template.spec.containers[name="c"].name .spec.template.spec.containers[name="c"].resources
        Update two 02: .spec.template.spec.containers[name="c"].env[name="A"]
    "#]].assert_eq(&desk.owners());
    let container = json!({"name": "c", "env": [{"name": "A", "value": "9"}]});
    let body = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    expect![[r#"Apply failed with 1 conflict: conflict with "two" using apps/v1: .spec.template.spec.containers[name="c"].env[name="A"]"#]].assert_eq(&desk.refused("three", body.clone()));
    desk.apply("three", body);
    expect![[r#"{"spec":{"selector":null,"strategy":{},"template":{"metadata":{},"spec":{"containers":[{"env":[{"name":"A","value":"9"}],"name":"c","resources":{}}]}}},"status":{}}"#]].assert_eq(&desk.shown());
    desk.update("four", |live| env(live, json!([{"name": "A", "value": "1"}])));
    expect![[r#"
        Apply three 04: .spec.template.spec.containers[name="c"] .spec.template.spec.containers[name="c"].name .spec.template.spec.containers[name="c"].env[name="A"] .spec.template.spec.containers[name="c"].env[name="A"].name
        Update one 01: .spec.template.spec.containers[name="c"] .spec.template.spec.containers[name="c"].env .spec.template.spec.containers[name="c"].name .spec.template.spec.containers[name="c"].resources
        Update four 05: .spec.template.spec.containers[name="c"].env[name="A"].value
    "#]].assert_eq(&desk.owners());
}

#[test]
fn wiped_ownership_is_credited_to_before_first_apply() {
    let run = |wiped: Value| {
        let mut desk = Desk::config_map();
        let labels = json!({"labels": {"l": "1"}});
        desk.apply("one", json!({"data": {"a": "1", "b": "1"}, "metadata": labels}));
        assert!(desk.update("human", |live| live["metadata"]["managedFields"] = wiped));
        assert_eq!(desk.owners(), "");
        // Nobody is recorded until the next apply.
        desk.update("human", |live| live["data"]["h"] = json!("1"));
        assert_eq!(desk.owners(), "");
        let refused = desk.refused("one", json!({"data": {"a": "2"}}));
        desk.apply("one", json!({"data": {"a": "1"}}));
        format!("{refused}\n{}", desk.owners())
    };
    expect![[r#"
        Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a
        Apply one never: .data.a
        Update before-first-apply 05: .data .data.a .data.b .data.h .metadata.labels .metadata.labels.l
    "#]].assert_eq(&run(json!([])));
    assert_eq!(run(json!([])), run(json!([{}])));
}

#[test]
fn ownership_may_be_rewritten_and_is_kept_when_it_is_left_out() {
    let mut desk = Desk::config_map();
    desk.apply("one", json!({"data": {"a": "1"}}));
    desk.update("human", |live| live["metadata"]["managedFields"][0]["manager"] = json!("renamed"));
    desk.update("human", |live| {
        live["metadata"].as_object_mut().unwrap().remove("managedFields");
        live["data"]["h"] = json!("1");
    });
    expect![[r#"
        Apply renamed 01: .data.a
        Update human 03: .data.h
    "#]]
    .assert_eq(&desk.owners());
    // What cannot be read is as if it were left out.
    assert!(!desk.update("human", |live| {
        live["metadata"]["managedFields"][0]["fieldsType"] = json!("V0");
    }));
}

#[test]
fn a_subresource_does_not_rewrite_ownership() {
    let mut desk = Desk::config_map();
    desk.apply("one", json!({"data": {"a": "1"}}));
    assert!(!desk.update("human/status", |live| live["metadata"]["managedFields"] = json!([])));
}

#[test]
fn old_updates_become_ancient_changes() {
    let mut desk = Desk::config_map();
    desk.apply("gitops", json!({"data": {"a": "1"}}));
    for number in 0..13 {
        let name = format!("u{number:02}");
        desk.update(&name, |live| live["data"][&name] = json!("1"));
    }
    expect![[r#"
        Apply gitops 01: .data.a
        Update ancient-changes 05: .data.u00 .data.u01 .data.u02 .data.u03
        Update u04 06: .data.u04
        Update u05 07: .data.u05
        Update u06 08: .data.u06
        Update u07 09: .data.u07
        Update u08 10: .data.u08
        Update u09 11: .data.u09
        Update u10 12: .data.u10
        Update u11 13: .data.u11
        Update u12 14: .data.u12
    "#]]
    .assert_eq(&desk.owners());
}

#[test]
fn fields_that_a_write_does_not_change_are_not_owned() {
    let desk = Desk::deployment();
    let manager = Manager {
        name: "controller".to_owned(),
        subresource: "status".to_owned(),
        api_version: "apps/v1".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
    };
    let new = desk.named(json!({"spec": {"paused": true}, "status": {"replicas": 1}}));
    let new = track_update(None, new, &manager, &desk.ty, &FieldSet::of(["spec"]));
    let owned = FieldSet::from_json(&new["metadata"]["managedFields"][0]["fieldsV1"]).unwrap();
    assert_eq!(owned.paths(), [".status.replicas"]);
}

#[test]
fn a_custom_resource_owns_its_containers() {
    use crate::schema::{Field, Node, Scalar, StructNode, Table, TypeHandle};

    // The containers of a custom resource are not there before they are sent.
    let mut table = Table::default();
    let text = table.add(Node::Scalar(Scalar::String));
    let field = |ty| Field { ty, ..Field::default() };
    let structure = |fields: &[(&str, Field)]| StructNode {
        fields: fields.iter().map(|(name, field)| ((*name).into(), field.clone())).collect(),
        ..StructNode::default()
    };
    let any = table.add(Node::Any);
    let inner = structure(&[("size", field(text)), ("free", field(any))]);
    let spec = table.add(Node::Struct(Box::new(inner)));
    let metadata = table.add(Node::Map { item: any, atomic: false });
    let fields = [
        ("apiVersion", field(text)),
        ("kind", field(text)),
        ("metadata", field(metadata)),
        ("spec", field(spec)),
    ];
    let root = table.add(Node::Struct(Box::new(structure(&fields))));
    for id in [spec, root] {
        table.set_custom(id, false);
    }
    let ty = TypeHandle { table: table.into(), id: root };
    let mut desk = Desk { ty, ..Desk::new("v1", "configmaps", "Widget") };
    desk.update("creator", |new| {
        new["spec"] = json!({"size": "1", "free": {"a": {"b": [1]}, "c": null}});
    });
    expect![[r#"
        Update creator 01: .spec .spec.free .spec.size .spec.free.a .spec.free.c .spec.free.a.b
    "#]]
    .assert_eq(&desk.owners());
    expect![[r#"Apply failed with 1 conflict: conflict with "creator" using v1: .spec.free.a.b"#]]
        .assert_eq(&desk.refused("two", json!({"spec": {"free": {"a": {"b": 2}}}})));
    desk.apply("two", json!({"spec": {"free": {"a": "text"}}}));
    expect![[r#"
        Apply two 03: .spec.free.a
        Update creator 01: .spec .spec.free .spec.size .spec.free.c
    "#]]
    .assert_eq(&desk.owners());
}
