//! Server-side apply into lists, maps and sets: what a merge makes of two managers' wishes.

use super::given::{DEPLOYMENT_A, MAP_A, deployment, map_with};
use crate::case::{Section, section};
use crate::client::MERGE_PATCH;
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("merging applies";
        containers_of_two_managers_are_one_list,
        the_order_of_an_applied_list_is_kept,
        an_item_goes_when_its_owner_drops_it,
        env_of_two_managers_is_one_list,
        an_atomic_list_is_replaced_as_a_whole,
        a_selector_is_atomic,
        finalizers_are_a_set,
        labels_and_annotations_merge_by_key,
        owner_references_merge_by_uid,
        a_foreign_edit_moves_the_field_to_its_editor,
        an_applied_field_goes_back_by_force_and_the_editor_loses_it,
        an_object_without_managers_gets_before_first_apply,
    )
}

fn with_containers(containers: Value) -> Value {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"] = containers;
    body
}

fn template(object: &Value) -> Value {
    let keep = |container: &Value| {
        let mut shown = json!({"name": container["name"], "image": container["image"]});
        if container.get("env").is_some() {
            shown["env"] = container["env"].clone();
        }
        shown
    };
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    containers.into_iter().flatten().map(keep).collect()
}

async fn containers_of_two_managers_are_one_list(run: &Run) -> Result<()> {
    let main = with_containers(json!([{"name": "c", "image": "registry.example/c:1"}]));
    run.apply("first", DEPLOYMENT_A, main).await?.is(201)?;
    let sidecar = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"containers": [
            {"name": "sidecar", "image": "registry.example/s:1"}]}}}});
    let both = run.apply("second", DEPLOYMENT_A, sidecar).await?.is(200)?.json();
    run.expect_value(&template(&both), expect![[r#"[{image: "registry.example/c:1", name: "c"}, {image: "registry.example/s:1", name: "sidecar"}]"#]]);
    run.expect_owners(
        &owners_of(&both, &["first", "second"]),
        expect![[r#"
        first Apply apps/v1:
          spec.replicas
          spec.selector
          spec.template.metadata.labels.app
          spec.template.spec.containers.k:{"name":"c"}.
          spec.template.spec.containers.k:{"name":"c"}.image
          spec.template.spec.containers.k:{"name":"c"}.name
        second Apply apps/v1:
          spec.template.spec.containers.k:{"name":"sidecar"}.
          spec.template.spec.containers.k:{"name":"sidecar"}.image
          spec.template.spec.containers.k:{"name":"sidecar"}.name
    "#]],
    );
    Ok(())
}

/// The object with the entries of these managers only.
fn owners_of(object: &Value, managers: &[&str]) -> Value {
    let mut object = object.clone();
    if let Some(entries) = object["metadata"]["managedFields"].as_array_mut() {
        entries.retain(|entry| managers.iter().any(|manager| entry["manager"] == *manager));
    }
    object
}

async fn the_order_of_an_applied_list_is_kept(run: &Run) -> Result<()> {
    let image = "registry.example/c:1";
    let item = |name: &str| json!({"name": name, "image": image});
    let first = with_containers(json!([item("a"), item("b"), item("c")]));
    run.apply("first", DEPLOYMENT_A, first).await?.is(201)?;
    let turned = with_containers(json!([item("c"), item("d"), item("a"), item("b")]));
    let after = run.apply("first", DEPLOYMENT_A, turned).await?.is(200)?.json();
    let names: Vec<Value> =
        template(&after).as_array().unwrap_or(&vec![]).iter().map(|c| c["name"].clone()).collect();
    run.expect_value(&json!(names), expect![[r#"["c", "d", "a", "b"]"#]]);
    Ok(())
}

async fn an_item_goes_when_its_owner_drops_it(run: &Run) -> Result<()> {
    let item = |name: &str| json!({"name": name, "image": "registry.example/c:1"});
    run.apply("first", DEPLOYMENT_A, with_containers(json!([item("a"), item("b")])))
        .await?
        .is(201)?;
    let less =
        run.apply("first", DEPLOYMENT_A, with_containers(json!([item("b")]))).await?.is(200)?;
    run.expect_value(
        &template(&less.json()),
        expect![[r#"[{image: "registry.example/c:1", name: "b"}]"#]],
    );
    Ok(())
}

async fn env_of_two_managers_is_one_list(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]);
    run.apply("first", DEPLOYMENT_A, body.clone()).await?.is(201)?;
    let more = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"containers": [
            {"name": "c", "env": [{"name": "Z", "value": "2"}]}]}}}});
    let both = run.apply("second", DEPLOYMENT_A, more).await?.is(200)?.json();
    run.expect_value(
        &template(&both),
        expect![[r#"
        [
          {
            env: [{name: "A", value: "1"}, {name: "B", value: "1"}, {name: "Z", value: "2"}],
            image: "registry.example/c:1",
            name: "c",
          },
        ]
    "#]],
    );
    run.expect_owners(
        &owners_of(&both, &["second"]),
        expect![[r#"
        second Apply apps/v1:
          spec.template.spec.containers.k:{"name":"c"}.
          spec.template.spec.containers.k:{"name":"c"}.env.k:{"name":"Z"}.
          spec.template.spec.containers.k:{"name":"c"}.env.k:{"name":"Z"}.name
          spec.template.spec.containers.k:{"name":"c"}.env.k:{"name":"Z"}.value
          spec.template.spec.containers.k:{"name":"c"}.name
    "#]],
    );
    body["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "B", "value": "1"}]);
    let less = run.apply("first", DEPLOYMENT_A, body).await?.is(200)?.json();
    run.expect_value(&template(&less), expect![[r#"[{env: [{name: "B", value: "1"}, {name: "Z", value: "2"}], image: "registry.example/c:1", name: "c"}]"#]]);
    Ok(())
}

async fn an_atomic_list_is_replaced_as_a_whole(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["a", "b"]);
    run.apply("first", DEPLOYMENT_A, body.clone()).await?.is(201)?;
    body["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["c"]);
    let refused = run.apply("second", DEPLOYMENT_A, body.clone()).await?.is(409)?;
    run.expect_value(
        &refused.json()["details"]["causes"],
        expect![[r#"
        [
          {
            field: ".spec.template.spec.containers[name=\"c\"].args",
            message: "conflict with \"first\"",
            reason: "FieldManagerConflict",
          },
        ]
    "#]],
    );
    let path = format!("{DEPLOYMENT_A}?force=true");
    let after = run.apply("second", &path, body).await?.is(200)?.json();
    let args = &after["spec"]["template"]["spec"]["containers"][0]["args"];
    run.expect_value(args, expect![[r#"["c"]"#]]);
    Ok(())
}

async fn a_selector_is_atomic(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/services/a";
    let service = |selector: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {
            "clusterIP": "None", "ports": [{"port": 80}], "selector": selector}})
    };
    run.apply("first", path, service(json!({"app": "a"}))).await?.is(201)?;
    let refused = run.apply("second", path, service(json!({"tier": "web"}))).await?;
    run.expect_value(&refused.json()["details"]["causes"], expect![[r#"[{field: ".spec.selector", message: "conflict with \"first\"", reason: "FieldManagerConflict"}]"#]]);
    Ok(())
}

async fn finalizers_are_a_set(run: &Run) -> Result<()> {
    let hold = |names: &[&str]| map_with(json!({"finalizers": names}));
    run.apply("first", MAP_A, hold(&["example.com/one"])).await?.is(201)?;
    let both = run.apply("second", MAP_A, hold(&["example.com/two"])).await?.is(200)?.json();
    run.expect_value(
        &both["metadata"]["finalizers"],
        expect![[r#"["example.com/one", "example.com/two"]"#]],
    );
    run.expect_owners(
        &both,
        expect![[r#"
        first Apply v1:
          metadata.finalizers.v:"example.com/one"
        second Apply v1:
          metadata.finalizers.v:"example.com/two"
    "#]],
    );
    let less = run.apply("first", MAP_A, hold(&[])).await?.is(200)?.json();
    run.expect_value(&less["metadata"]["finalizers"], expect![[r#"["example.com/two"]"#]]);
    Ok(())
}

async fn labels_and_annotations_merge_by_key(run: &Run) -> Result<()> {
    let first = map_with(json!({"labels": {"a": "1"}, "annotations": {"a": "1"}}));
    let second = map_with(json!({"labels": {"b": "1"}, "annotations": {"a": "1", "b": "1"}}));
    run.apply("first", MAP_A, first).await?.is(201)?;
    let both = run.apply("second", MAP_A, second).await?;
    run.expect(
        &both,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            annotations: {a: "1", b: "1"},
            creationTimestamp: "{time}",
            labels: {a: "1", b: "1"},
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.expect_owners(
        &both.json(),
        expect![[r#"
        first Apply v1:
          metadata.annotations.a
          metadata.labels.a
        second Apply v1:
          metadata.annotations.a
          metadata.annotations.b
          metadata.labels.b
    "#]],
    );
    Ok(())
}

async fn owner_references_merge_by_uid(run: &Run) -> Result<()> {
    let owner = |uid: &str| {
        map_with(json!({"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid}]}))
    };
    // An apply of an owner that does not exist lives until the garbage collector sees it.
    let path = format!("{MAP_A}?dryRun=All");
    let made = run.apply("first", &path, owner("one")).await?;
    run.expect(
        &made,
        expect![[r#"
        201
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            name: "a",
            namespace: "{ns}",
            ownerReferences: [{apiVersion: "v1", kind: "ConfigMap", name: "one", uid: "one"}],
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply v1:
          metadata.ownerReferences.k:{"uid":"one"}
    "#]],
    );
    Ok(())
}

async fn a_foreign_edit_moves_the_field_to_its_editor(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, super::given::map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let edit = json!({"data": {"x": "2"}});
    let path = format!("{MAP_A}?fieldManager=kubectl-edit");
    let edited = run.patch(&path, MERGE_PATCH, edit).await?.is(200)?;
    run.expect_owners(
        &edited.json(),
        expect![[r#"
        first Apply v1:
          data.y
        kubectl-edit Update v1:
          data.x
    "#]],
    );
    Ok(())
}

async fn an_applied_field_goes_back_by_force_and_the_editor_loses_it(run: &Run) -> Result<()> {
    let mine = super::given::map(json!({"x": "1", "y": "1"}));
    run.apply("first", MAP_A, mine.clone()).await?.is(201)?;
    let edit = json!({"data": {"x": "2"}});
    run.patch(&format!("{MAP_A}?fieldManager=human"), MERGE_PATCH, edit).await?.is(200)?;
    run.apply("first", MAP_A, mine.clone()).await?.is(409)?;
    let healed = run.apply("first", &format!("{MAP_A}?force=true"), mine).await?;
    run.expect(&healed, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1", y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &healed.json(),
        expect![[r#"
        first Apply v1:
          data.x
          data.y
    "#]],
    );
    Ok(())
}

async fn an_object_without_managers_gets_before_first_apply(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, super::given::map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let wipe = json!({"metadata": {"managedFields": [{}]}});
    let wiped = run.patch(MAP_A, MERGE_PATCH, wipe).await?.is(200)?;
    run.expect_owners(&wiped.json(), expect![[""]]);
    let after = run.apply("first", MAP_A, super::given::map(json!({"x": "1"}))).await?;
    run.expect(&after, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1", y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &after.json(),
        expect![[r#"
        before-first-apply Update v1:
          data.
          data.x
          data.y
        first Apply v1 (no time):
          data.x
    "#]],
    );
    Ok(())
}
