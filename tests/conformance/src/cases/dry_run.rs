//! Dry runs: everything is checked, nothing is stored.

use super::given::{DEPLOYMENT_A, MAP_A, MAPS, deployment, map, map_with};
use crate::case::{Section, section};
use crate::client::{MERGE_PATCH, Request};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::json;

pub(super) fn section() -> Section {
    section!("dry run";
        a_new_object_has_a_uid_and_no_resource_version,
        an_existing_object_keeps_its_resource_version,
        a_dry_run_makes_no_event_and_stores_nothing,
        a_dry_run_shows_defaults,
        a_dry_run_conflicts_as_a_real_one,
        a_dry_run_is_refused_as_a_real_one,
        a_deletion_can_be_dry,
        what_a_dry_run_creates_does_not_exist_for_the_next,
        a_dry_create_replace_and_patch_store_nothing,
        only_all_is_a_dry_run,
    )
}

async fn a_new_object_has_a_uid_and_no_resource_version(run: &Run) -> Result<()> {
    let path = format!("{MAP_A}?dryRun=All");
    let dry = run.apply("first", &path, map(json!({"x": "1"}))).await?;
    run.expect(
        &dry,
        expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", uid: "{uid}"},
        }
    "#]],
    );
    run.expect_owners(
        &dry.json(),
        expect![[r#"
        first Apply v1:
          data.x
    "#]],
    );
    run.get(MAP_A).await?.is(404)?;
    Ok(())
}

async fn an_existing_object_keeps_its_resource_version(run: &Run) -> Result<()> {
    let live = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let dry = run
        .apply("first", &format!("{MAP_A}?dryRun=All"), map(json!({"x": "2", "y": "1"})))
        .await?;
    run.expect(&dry, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2", y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &dry.json(),
        expect![[r#"
        first Apply v1:
          data.x
          data.y
    "#]],
    );
    ensure!(dry.resource_version() == live.resource_version(), "another version");
    ensure!(dry.uid() == live.uid(), "another uid");
    ensure!(run.get(MAP_A).await?.json() == live.json(), "the object has changed");
    Ok(())
}

async fn a_dry_run_makes_no_event_and_stores_nothing(run: &Run) -> Result<()> {
    let live = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let from = live.resource_version();
    let path = format!("{MAPS}?watch=1&resourceVersion={from}&fieldSelector=metadata.name%3Da");
    let mut watch = run.watch(&path).await?;
    run.apply("first", &format!("{MAP_A}?dryRun=All"), map(json!({"x": "2"}))).await?.is(200)?;
    run.apply("first", MAP_A, map(json!({"x": "3"}))).await?.is(200)?;
    run.expect_value(&watch.event().await?["object"]["data"], expect![[r#"{x: "3"}"#]]);
    Ok(())
}

async fn a_dry_run_shows_defaults(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["replicas"] = json!(null);
    let dry = run.apply("first", &format!("{DEPLOYMENT_A}?dryRun=All"), body).await?;
    run.expect(&dry, expect![[r#"
        201
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: {creationTimestamp: "{time}", generation: 1, name: "a", namespace: "{ns}", uid: "{uid}"},
          spec: {
            progressDeadlineSeconds: 600,
            replicas: 1,
            revisionHistoryLimit: 10,
            selector: {matchLabels: {app: "a"}},
            strategy: {rollingUpdate: {maxSurge: "25%", maxUnavailable: "25%"}, type: "RollingUpdate"},
            template: {
              metadata: {labels: {app: "a"}},
              spec: {
                containers: [
                  {
                    image: "registry.example/c:1",
                    imagePullPolicy: "IfNotPresent",
                    name: "c",
                    resources: {},
                    terminationMessagePath: "/dev/termination-log",
                    terminationMessagePolicy: "File",
                  },
                ],
                dnsPolicy: "ClusterFirst",
                restartPolicy: "Always",
                schedulerName: "default-scheduler",
                securityContext: {},
                terminationGracePeriodSeconds: 30,
              },
            },
          },
          status: {},
        }
    "#]]);
    Ok(())
}

async fn a_dry_run_conflicts_as_a_real_one(run: &Run) -> Result<()> {
    run.apply("second", MAP_A, map(json!({"x": "2"}))).await?.is(201)?;
    let path = format!("{MAP_A}?dryRun=All");
    let refused = run.apply("first", &path, map(json!({"x": "1"}))).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {causes: [{field: ".data.x", message: "conflict with \"second\"", reason: "FieldManagerConflict"}]},
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"second\": .data.x",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_dry_run_is_refused_as_a_real_one(run: &Run) -> Result<()> {
    let path = format!("{MAP_A}?dryRun=All");
    let refused = run.apply("first", &path, map(json!({"no/slash": "1"}))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "data[no/slash]",
                message: "Invalid value: \"no/slash\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                reason: "FieldValueInvalid",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: data[no/slash]: Invalid value: \"no/slash\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    let refused = run.apply("first", &path, map(json!({"x": 1}))).await?;
    ensure!(refused.status == 500, "{}", refused.status);
    Ok(())
}

async fn a_deletion_can_be_dry(run: &Run) -> Result<()> {
    let live = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let dry = run.delete(&format!("{MAP_A}?dryRun=All")).await?;
    run.expect(
        &dry,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          details: {kind: "configmaps", name: "a", uid: "{uid}"},
          kind: "Status",
          metadata: {},
          status: "Success",
        }
    "#]],
    );
    ensure!(run.get(MAP_A).await?.json() == live.json(), "the object has changed");
    Ok(())
}

async fn what_a_dry_run_creates_does_not_exist_for_the_next(run: &Run) -> Result<()> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}-b"}});
    run.apply("first", "/api/v1/namespaces/{ns}-b?dryRun=All", namespace).await?.is(201)?;
    let path = "/api/v1/namespaces/{ns}-b/configmaps/a?dryRun=All";
    let refused = run.apply("first", path, map(json!({"x": "1"}))).await?;
    run.expect(
        &refused,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "namespaces", name: "{ns}-b"},
          kind: "Status",
          message: "namespaces \"{ns}-b\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_dry_create_replace_and_patch_store_nothing(run: &Run) -> Result<()> {
    run.post(&format!("{MAPS}?dryRun=All"), map(json!({"x": "1"}))).await?.is(201)?;
    run.get(MAP_A).await?.is(404)?;
    let live = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!("{MAP_A}?dryRun=All");
    let replaced = run.put(&path, map(json!({"x": "2"}))).await?;
    run.expect(&replaced, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    let patched = run.patch(&path, MERGE_PATCH, json!({"data": {"x": "3"}})).await?;
    run.expect(&patched, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "3"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    ensure!(run.get(MAP_A).await?.json() == live.json(), "the object has changed");
    Ok(())
}

async fn only_all_is_a_dry_run(run: &Run) -> Result<()> {
    let request = Request::post(&format!("{MAPS}?dryRun=Some"), &map_with(json!({})));
    let refused = run.send(request).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "dryRun",
                message: "Unsupported value: [\"Some\"]: supported values: \"All\"",
                reason: "FieldValueNotSupported",
              },
            ],
            group: "meta.k8s.io",
            kind: "CreateOptions",
          },
          kind: "Status",
          message: "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}
