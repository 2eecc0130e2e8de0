//! `metadata.managedFields`: who is credited for what.

use super::given::{DEPLOYMENT_A, DEPLOYMENTS, MAP_A, MAPS, deployment, map, map_with};
use crate::case::{Section, section};
use crate::client::{JSON_PATCH, MERGE_PATCH, Request, STRATEGIC_PATCH};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("field managers";
        a_create_owns_what_it_sends_and_the_defaults,
        an_apply_owns_what_it_sends_only,
        the_user_agent_names_a_manager_that_names_itself_not,
        without_user_agent_and_field_manager_it_is_unknown,
        a_replace_owns_what_changed,
        patches_of_all_kinds_own_what_changed,
        an_update_that_changes_nothing_adds_no_manager,
        a_scale_is_an_entry_of_its_own,
        a_status_write_is_an_entry_of_its_own,
        a_removed_field_leaves_its_owners,
        apply_and_update_of_one_name_are_two_entries,
        an_adoption_leaves_equal_fields_to_the_former_manager,
        managed_fields_can_be_rewritten_by_a_json_patch,
        fields_v1_names_list_items_by_their_keys,
        a_manager_with_spaces_and_slashes_is_kept_as_it_is,
    )
}

async fn a_create_owns_what_it_sends_and_the_defaults(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["paused"] = json!(true);
    let made =
        run.post(&format!("{DEPLOYMENTS}?fieldManager=kubectl-create"), body).await?.is(201)?;
    run.expect_owners(
        &made.json(),
        expect![[r#"
        kubectl-create Update apps/v1:
          spec.paused
          spec.progressDeadlineSeconds
          spec.replicas
          spec.revisionHistoryLimit
          spec.selector
          spec.strategy.rollingUpdate.
          spec.strategy.rollingUpdate.maxSurge
          spec.strategy.rollingUpdate.maxUnavailable
          spec.strategy.type
          spec.template.metadata.labels.
          spec.template.metadata.labels.app
          spec.template.spec.containers.k:{"name":"c"}.
          spec.template.spec.containers.k:{"name":"c"}.image
          spec.template.spec.containers.k:{"name":"c"}.imagePullPolicy
          spec.template.spec.containers.k:{"name":"c"}.name
          spec.template.spec.containers.k:{"name":"c"}.resources
          spec.template.spec.containers.k:{"name":"c"}.terminationMessagePath
          spec.template.spec.containers.k:{"name":"c"}.terminationMessagePolicy
          spec.template.spec.dnsPolicy
          spec.template.spec.restartPolicy
          spec.template.spec.schedulerName
          spec.template.spec.securityContext
          spec.template.spec.terminationGracePeriodSeconds
    "#]],
    );
    Ok(())
}

async fn an_apply_owns_what_it_sends_only(run: &Run) -> Result<()> {
    let made = run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply apps/v1:
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

async fn the_user_agent_names_a_manager_that_names_itself_not(run: &Run) -> Result<()> {
    let request = Request::post(MAPS, &map(json!({"x": "1"})));
    let made = run.send(request.header("user-agent", "kubectl-extra/v1.2 (linux)")).await?;
    run.expect_owners(
        &made.is(201)?.json(),
        expect![[r#"
        kubectl-extra Update v1:
          data.
          data.x
    "#]],
    );
    Ok(())
}

async fn without_user_agent_and_field_manager_it_is_unknown(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    run.expect_owners(
        &made.json(),
        expect![[r#"
        unknown Update v1:
          data.
          data.x
    "#]],
    );
    Ok(())
}

async fn a_replace_owns_what_changed(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let path = format!("{MAP_A}?fieldManager=kubectl-replace");
    let replaced = run.put(&path, map(json!({"x": "2", "z": "1"}))).await?.is(200)?;
    run.expect(&replaced, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2", z: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &replaced.json(),
        expect![[r#"
        kubectl-replace Update v1:
          data.x
          data.z
    "#]],
    );
    Ok(())
}

async fn patches_of_all_kinds_own_what_changed(run: &Run) -> Result<()> {
    run.post(&format!("{MAPS}?fieldManager=creator"), map(json!({"x": "1"}))).await?.is(201)?;
    let patch = async |manager: &str, kind: &str, body: Value| {
        run.patch(&format!("{MAP_A}?fieldManager={manager}"), kind, body).await?.is(200)
    };
    patch("merge", MERGE_PATCH, json!({"data": {"m": "1"}})).await?;
    let add = json!([{"op": "add", "path": "/data/j", "value": "1"}]);
    patch("json", JSON_PATCH, add).await?;
    let last = patch("strategic", STRATEGIC_PATCH, json!({"data": {"s": "1"}})).await?;
    run.expect_owners(
        &last.json(),
        expect![[r#"
        creator Update v1:
          data.
          data.x
        json Update v1:
          data.j
        merge Update v1:
          data.m
        strategic Update v1:
          data.s
    "#]],
    );
    Ok(())
}

async fn an_update_that_changes_nothing_adds_no_manager(run: &Run) -> Result<()> {
    let first = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!("{MAP_A}?fieldManager=other");
    let merged = run.patch(&path, MERGE_PATCH, json!({"data": {"x": "1"}})).await?.is(200)?;
    ensure!(first.json() == merged.json(), "the merge patch changed {}", merged.json());
    let replaced = run.put(&path, map(json!({"x": "1"}))).await?.is(200)?;
    ensure!(first.json() == replaced.json(), "the PUT changed {}", replaced.json());
    Ok(())
}

async fn a_scale_is_an_entry_of_its_own(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["paused"] = json!(true);
    run.apply("first", DEPLOYMENT_A, body).await?.is(201)?;
    let scale = json!({"spec": {"replicas": 1}});
    let path = format!("{DEPLOYMENT_A}/scale?fieldManager=kubectl");
    let scaled = run.patch(&path, MERGE_PATCH, scale).await?;
    run.expect(&scaled, expect![[r#"
        200
        {
          apiVersion: "autoscaling/v1",
          kind: "Scale",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {replicas: 1},
          status: {replicas: 0, selector: "app=a"},
        }
    "#]]);
    let object = run.get(DEPLOYMENT_A).await?.json();
    let mut object = object;
    if let Some(entries) = object["metadata"]["managedFields"].as_array_mut() {
        entries.retain(|entry| entry["manager"] == "kubectl");
    }
    run.expect_owners(
        &object,
        expect![[r#"
        kubectl Update apps/v1 /scale (no time):
          spec.replicas
    "#]],
    );
    Ok(())
}

async fn a_status_write_is_an_entry_of_its_own(run: &Run) -> Result<()> {
    let namespace = "/api/v1/namespaces/{ns}";
    let status = json!({"status": {"conditions": [{"type": "Held", "status": "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let path = format!("{namespace}/status?fieldManager=holder");
    let written = run.patch(&path, MERGE_PATCH, status).await?;
    run.expect(&written, expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: {
            creationTimestamp: "{time}",
            labels: {kubernetes.io/metadata.name: "{ns}"},
            name: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {finalizers: ["kubernetes"]},
          status: {conditions: [{lastTransitionTime: "{time}", status: "True", type: "Held"}], phase: "Active"},
        }
    "#]]);
    run.expect_owners(
        &written.json(),
        expect![[r#"
        holder Update v1 /status:
          status.conditions.
          status.conditions.k:{"type":"Held"}.
          status.conditions.k:{"type":"Held"}.lastTransitionTime
          status.conditions.k:{"type":"Held"}.status
          status.conditions.k:{"type":"Held"}.type
        unknown Update v1:
          metadata.labels.
          metadata.labels.kubernetes.io/metadata.name
    "#]],
    );
    Ok(())
}

async fn a_removed_field_leaves_its_owners(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let path = format!("{MAP_A}?fieldManager=human");
    let removed = run.patch(&path, MERGE_PATCH, json!({"data": {"x": null}})).await?.is(200)?;
    run.expect_owners(
        &removed.json(),
        expect![[r#"
        first Apply v1:
          data.y
    "#]],
    );
    Ok(())
}

async fn apply_and_update_of_one_name_are_two_entries(run: &Run) -> Result<()> {
    run.apply("same", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!("{MAP_A}?fieldManager=same");
    let patched = run.patch(&path, MERGE_PATCH, json!({"data": {"y": "1"}})).await?.is(200)?;
    run.expect_owners(
        &patched.json(),
        expect![[r#"
        same Apply v1:
          data.x
        same Update v1:
          data.y
    "#]],
    );
    Ok(())
}

async fn an_adoption_leaves_equal_fields_to_the_former_manager(run: &Run) -> Result<()> {
    let path = format!("{MAPS}?fieldManager=kubectl-client-side-apply");
    run.post(&path, map(json!({"x": "1", "y": "1"}))).await?.is(201)?;
    let refused = run.apply("first", MAP_A, map(json!({"x": "2", "y": "1"}))).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [
              {
                field: ".data.x",
                message: "conflict with \"kubectl-client-side-apply\" using v1",
                reason: "FieldManagerConflict",
              },
            ],
          },
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.x",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    let path = format!("{MAP_A}?force=true");
    let forced = run.apply("first", &path, map(json!({"x": "2", "y": "1"}))).await?.is(200)?;
    run.expect_owners(
        &forced.json(),
        expect![[r#"
        first Apply v1:
          data.x
          data.y
        kubectl-client-side-apply Update v1:
          data.
          data.y
    "#]],
    );
    let dropped = run.apply("first", &path, map(json!({"x": "2"}))).await?;
    run.expect(&dropped, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2", y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn managed_fields_can_be_rewritten_by_a_json_patch(run: &Run) -> Result<()> {
    let path = format!("{MAPS}?fieldManager=kubectl-client-side-apply");
    let made = run.post(&path, map(json!({"x": "1"}))).await?.is(201)?.json();
    let mut entries = made["metadata"]["managedFields"].clone();
    entries[0]["manager"] = json!("first");
    entries[0]["operation"] = json!("Apply");
    let patch = json!([
        {"op": "test", "path": "/metadata/resourceVersion",
            "value": made["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
    ]);
    let path = format!("{MAP_A}?fieldManager=first");
    let rewritten = run.patch(&path, JSON_PATCH, patch.clone()).await?.is(200)?;
    run.expect_owners(
        &rewritten.json(),
        expect![[r#"
        first Apply v1:
          data.
          data.x
    "#]],
    );
    let raced = run.patch(&path, JSON_PATCH, patch).await?;
    run.expect(
        &raced,
        expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {},
          kind: "Status",
          message: "the server rejected our request due to an error in our request",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn fields_v1_names_list_items_by_their_keys(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["metadata"]["finalizers"] = json!(["example.com/hold"]);
    body["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 80, "name": "http"}]);
    let made = run.apply("first", DEPLOYMENT_A, body).await?.is(201)?.json();
    run.expect_value(&made["metadata"]["managedFields"][0]["fieldsV1"], expect![[r#"
        {
          f:metadata: {f:finalizers: {"v:\"example.com/hold\"": {}}},
          f:spec: {
            f:replicas: {},
            f:selector: {},
            f:template: {
              f:metadata: {f:labels: {f:app: {}}},
              f:spec: {
                f:containers: {
                  "k:{\"name\":\"c\"}": {
                    .: {},
                    f:image: {},
                    f:name: {},
                    f:ports: {
                      "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {.: {}, f:containerPort: {}, f:name: {}},
                    },
                  },
                },
              },
            },
          },
        }
    "#]]);
    Ok(())
}

async fn a_manager_with_spaces_and_slashes_is_kept_as_it_is(run: &Run) -> Result<()> {
    let made =
        run.apply("muster/shop%20web", MAP_A, map_with(json!({"labels": {"a": "1"}}))).await?;
    run.expect_owners(
        &made.is(201)?.json(),
        expect![[r#"
        muster/shop web Apply v1:
          metadata.labels.a
    "#]],
    );
    Ok(())
}
