//! Server-side apply that succeeds: what is answered, what is written, what stays.

use super::given::{DEPLOYMENT_A, MAP_A, MAPS, deployment, map, map_with};
use crate::case::{Section, section};
use crate::client::{APPLY_PATCH, MERGE_PATCH, Request};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("server-side apply";
        an_apply_creates_with_201_and_changes_with_200,
        an_apply_is_read_as_yaml,
        an_apply_that_changes_nothing_writes_nothing,
        the_first_apply_of_equal_values_by_another_manager_is_a_write,
        equal_values_are_owned_by_both,
        force_takes_only_fields_with_other_values,
        fields_that_nobody_mentions_stay,
        a_field_that_its_only_owner_stops_sending_is_removed,
        a_field_that_another_still_owns_stays,
        an_apply_of_name_and_kind_lets_go_of_everything,
        a_resource_version_without_an_object_is_ignored,
        the_answer_can_be_metadata_only,
        values_are_normalised_and_a_repeated_apply_is_still_no_write,
        null_means_not_set_except_in_a_map,
        the_status_is_dropped_from_an_apply_of_the_main_resource,
        creation_timestamp_null_is_ignored,
    )
}

async fn an_apply_creates_with_201_and_changes_with_200(run: &Run) -> Result<()> {
    let created = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?;
    run.expect(&created, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    let changed = run.apply("first", MAP_A, map(json!({"x": "2"}))).await?;
    run.expect(&changed, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &changed.json(),
        expect![[r#"
        first Apply v1:
          data.x
    "#]],
    );
    ensure!(created.resource_version() != changed.resource_version(), "a change is a new version");
    Ok(())
}

async fn an_apply_is_read_as_yaml(run: &Run) -> Result<()> {
    let yaml =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: |\n    one\n    two\n";
    let request = Request::patch(&format!("{MAP_A}?fieldManager=first"), APPLY_PATCH, &Value::Null);
    let answer = run.send(request.text(APPLY_PATCH, yaml)).await?;
    run.expect(&answer, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "one\ntwo\n"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn an_apply_that_changes_nothing_writes_nothing(run: &Run) -> Result<()> {
    let first = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!("{MAPS}?watch=1&resourceVersion={}", first.resource_version());
    let mut watch = run.watch(&format!("{path}&fieldSelector=metadata.name%3Da")).await?;
    let second = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(200)?;
    ensure!(first.json() == second.json(), "{} is not {}", first.json(), second.json());
    // The next event is that of the next change: there was none before it.
    run.apply("first", MAP_A, map(json!({"x": "2"}))).await?.is(200)?;
    run.expect_value(&watch.event().await?["object"]["data"], expect![[r#"{x: "2"}"#]]);
    Ok(())
}

async fn the_first_apply_of_equal_values_by_another_manager_is_a_write(run: &Run) -> Result<()> {
    let first = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let second = run.apply("second", MAP_A, map(json!({"x": "1"}))).await?.is(200)?;
    ensure!(first.resource_version() != second.resource_version(), "no write");
    run.expect_owners(
        &second.json(),
        expect![[r#"
        first Apply v1:
          data.x
        second Apply v1 (no time):
          data.x
    "#]],
    );
    Ok(())
}

async fn equal_values_are_owned_by_both(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let both = run.apply("second", MAP_A, map(json!({"x": "1", "z": "1"}))).await?;
    run.expect(&both, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1", y: "1", z: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &both.json(),
        expect![[r#"
        first Apply v1:
          data.x
          data.y
        second Apply v1:
          data.x
          data.z
    "#]],
    );
    Ok(())
}

async fn force_takes_only_fields_with_other_values(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let forced = run
        .apply("second", &format!("{MAP_A}?force=true"), map(json!({"x": "2", "y": "1"})))
        .await?;
    run.expect(&forced, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2", y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &forced.json(),
        expect![[r#"
        first Apply v1:
          data.y
        second Apply v1:
          data.x
          data.y
    "#]],
    );
    Ok(())
}

async fn fields_that_nobody_mentions_stay(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let human = json!({"metadata": {"annotations": {"note": "mine"}}, "spec": {"paused": true}});
    run.patch(&format!("{DEPLOYMENT_A}?fieldManager=human"), MERGE_PATCH, human).await?.is(200)?;
    let mut changed = deployment();
    changed["spec"]["minReadySeconds"] = json!(5);
    let forced =
        run.apply("first", &format!("{DEPLOYMENT_A}?force=true"), changed).await?.is(200)?;
    let object = forced.json();
    let seen = json!({"annotations": object["metadata"]["annotations"]["note"],
        "paused": object["spec"]["paused"], "minReadySeconds": object["spec"]["minReadySeconds"]});
    run.expect_value(
        &seen,
        expect![[r#"{annotations: "mine", minReadySeconds: 5, paused: true}"#]],
    );
    Ok(())
}

async fn a_field_that_its_only_owner_stops_sending_is_removed(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let less = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?;
    run.expect(&less, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn a_field_that_another_still_owns_stays(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    run.apply("second", MAP_A, map(json!({"y": "1"}))).await?.is(200)?;
    let less = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?;
    run.expect(&less, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1", y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &less.json(),
        expect![[r#"
        first Apply v1:
          data.x
        second Apply v1 (no time):
          data.y
    "#]],
    );
    Ok(())
}

async fn an_apply_of_name_and_kind_lets_go_of_everything(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    run.apply("second", MAP_A, map(json!({"y": "1"}))).await?.is(200)?;
    let none = run.apply("first", MAP_A, map_with(json!({}))).await?;
    run.expect(&none, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &none.json(),
        expect![[r#"
        second Apply v1:
          data.y
    "#]],
    );
    Ok(())
}

async fn a_resource_version_without_an_object_is_ignored(run: &Run) -> Result<()> {
    let made = run.apply("first", MAP_A, map_with(json!({"resourceVersion": "1"}))).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn the_answer_can_be_metadata_only(run: &Run) -> Result<()> {
    let path = format!("{MAP_A}?fieldManager=first");
    let request = Request::patch(&path, APPLY_PATCH, &map(json!({"x": "1"})))
        .accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let answer = run.send(request).await?;
    run.expect(&answer, expect![[r#"
        201
        {
          apiVersion: "meta.k8s.io/v1",
          kind: "PartialObjectMetadata",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &answer.json(),
        expect![[r#"
        first Apply v1:
          data.x
    "#]],
    );
    Ok(())
}

async fn values_are_normalised_and_a_repeated_apply_is_still_no_write(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0] = json!({
        "name": "c", "image": "registry.example/c:1",
        "env": [{"name": "EMPTY", "value": ""}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}},
    });
    let first = run.apply("first", DEPLOYMENT_A, body.clone()).await?.is(201)?;
    let container = &first.json()["spec"]["template"]["spec"]["containers"][0];
    run.expect_value(
        container,
        expect![[r#"
        {
          env: [{name: "EMPTY"}],
          image: "registry.example/c:1",
          imagePullPolicy: "IfNotPresent",
          name: "c",
          resources: {limits: {cpu: "2"}, requests: {cpu: "1", memory: "1Gi"}},
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
        }
    "#]],
    );
    // With no replicas the Deployment's controller writes only once: the status.
    run.until("observed generation", DEPLOYMENT_A, |object| {
        object["status"]["observedGeneration"] == 1 && object["status"]["conditions"].is_array()
    })
    .await?;
    let before = run.get(DEPLOYMENT_A).await?.resource_version();
    let second = run.apply("first", DEPLOYMENT_A, body).await?.is(200)?;
    ensure!(second.resource_version() == before, "the second apply wrote");
    Ok(())
}

async fn null_means_not_set_except_in_a_map(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["replicas"] = Value::Null;
    body["spec"]["template"]["spec"]["containers"][0]["env"] = Value::Null;
    body["spec"]["paused"] = json!(true);
    let made = run.apply("first", DEPLOYMENT_A, body).await?.is(201)?.json();
    let seen = json!({"replicas": made["spec"]["replicas"],
        "container": made["spec"]["template"]["spec"]["containers"][0]});
    run.expect_value(
        &seen,
        expect![[r#"
        {
          container: {
            image: "registry.example/c:1",
            imagePullPolicy: "IfNotPresent",
            name: "c",
            resources: {},
            terminationMessagePath: "/dev/termination-log",
            terminationMessagePolicy: "File",
          },
          replicas: 1,
        }
    "#]],
    );
    let made = run.apply("first", MAP_A, map(json!({"a": null}))).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {a: ""},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply v1:
          data.a
    "#]],
    );
    let mut body = map(Value::Null);
    body["metadata"]["name"] = json!("b");
    let made = run.apply("first", &format!("{MAPS}/b"), body).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "b", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply v1:
          data
    "#]],
    );
    Ok(())
}

async fn the_status_is_dropped_from_an_apply_of_the_main_resource(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["paused"] = json!(true);
    body["status"] = json!({"replicas": 7});
    let made = run.apply("first", DEPLOYMENT_A, body).await?.is(201)?;
    run.expect_value(&made.json()["status"], expect!["{}"]);
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply apps/v1:
          spec.paused
          spec.replicas
          spec.selector
          spec.template.metadata.labels.app
          spec.template.spec.containers.k:{"name":"c"}.
          spec.template.spec.containers.k:{"name":"c"}.image
          spec.template.spec.containers.k:{"name":"c"}.name
    "#]],
    );
    Ok(())
}

async fn creation_timestamp_null_is_ignored(run: &Run) -> Result<()> {
    let made = run.apply("first", MAP_A, map_with(json!({"creationTimestamp": null}))).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(&made.json(), expect![[""]]);
    Ok(())
}
