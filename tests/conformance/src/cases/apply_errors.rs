//! Server-side apply that is refused, and with what.

use super::given::{DEPLOYMENT_A, MAP_A, MAPS, deployment, map, map_with};
use crate::case::{Section, section};
use crate::client::{APPLY_PATCH, MERGE_PATCH};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::json;

pub(super) fn section() -> Section {
    section!("refused applies";
        another_value_of_an_owned_field_is_a_conflict,
        a_conflict_with_an_update_names_its_subresource_and_version,
        a_conflict_has_a_cause_for_each_field_and_manager,
        a_conflict_in_a_list_names_the_item_by_its_key,
        a_stale_resource_version_is_a_conflict_without_causes,
        a_uid_without_an_object_is_a_conflict_without_causes,
        the_uid_of_a_former_object_is_immutable,
        an_apply_needs_a_field_manager,
        a_field_manager_has_128_bytes_at_most,
        managed_fields_in_an_apply_are_refused,
        the_name_in_the_body_has_to_be_that_of_the_url,
        the_namespace_in_the_body_has_to_be_that_of_the_url,
        the_kind_in_the_body_has_to_be_that_of_the_url,
        a_body_without_kind_is_refused,
        an_absent_namespace_is_a_404,
        an_apply_to_a_collection_is_a_405,
        only_yaml_is_a_content_type_of_apply,
        an_apply_to_the_status_of_an_absent_object_is_a_404,
    )
}

async fn another_value_of_an_owned_field_is_a_conflict(run: &Run) -> Result<()> {
    run.apply("second", MAP_A, map(json!({"x": "2"}))).await?.is(201)?;
    let refused = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?;
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

async fn a_conflict_with_an_update_names_its_subresource_and_version(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let scale = json!({"spec": {"replicas": 1}});
    let path = format!("{DEPLOYMENT_A}/scale?fieldManager=kubectl");
    run.patch(&path, MERGE_PATCH, scale).await?.is(200)?;
    let refused = run.apply("first", DEPLOYMENT_A, deployment()).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [
              {
                field: ".spec.replicas",
                message: "conflict with \"kubectl\" with subresource \"scale\" using apps/v1",
                reason: "FieldManagerConflict",
              },
            ],
          },
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_conflict_has_a_cause_for_each_field_and_manager(run: &Run) -> Result<()> {
    run.apply("second", MAP_A, map(json!({"x": "2", "y": "2"}))).await?.is(201)?;
    run.apply("third", MAP_A, map(json!({"x": "2"}))).await?.is(200)?;
    let patch = json!({"data": {"z": "2"}});
    run.patch(&format!("{MAP_A}?fieldManager=human"), MERGE_PATCH, patch).await?.is(200)?;
    let refused = run.apply("first", MAP_A, map(json!({"x": "1", "y": "1", "z": "1"}))).await?;
    let mut body = refused.json();
    // The causes of one manager are together; the managers are in no order.
    if let Some(causes) = body["details"]["causes"].as_array_mut() {
        causes.sort_by_key(ToString::to_string);
    }
    run.expect_value(&body, expect![[r#"
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [
              {field: ".data.x", message: "conflict with \"second\"", reason: "FieldManagerConflict"},
              {field: ".data.x", message: "conflict with \"third\"", reason: "FieldManagerConflict"},
              {field: ".data.y", message: "conflict with \"second\"", reason: "FieldManagerConflict"},
              {field: ".data.z", message: "conflict with \"human\" using v1", reason: "FieldManagerConflict"},
            ],
          },
          kind: "Status",
          message: "Apply failed with 4 conflicts: conflicts with \"human\" using v1:\n- .data.z\nconflicts with \"second\":\n- .data.x\n- .data.y\nconflicts with \"third\":\n- .data.x",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_conflict_in_a_list_names_the_item_by_its_key(run: &Run) -> Result<()> {
    run.apply("second", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let mut other = deployment();
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/c:2");
    let refused = run.apply("first", DEPLOYMENT_A, other).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [
              {
                field: ".spec.template.spec.containers[name=\"c\"].image",
                message: "conflict with \"second\"",
                reason: "FieldManagerConflict",
              },
            ],
          },
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"second\": .spec.template.spec.containers[name=\"c\"].image",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_stale_resource_version_is_a_conflict_without_causes(run: &Run) -> Result<()> {
    let old = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.resource_version();
    run.apply("first", MAP_A, map(json!({"x": "2"}))).await?.is(200)?;
    let refused = run.apply("first", MAP_A, map_with(json!({"resourceVersion": old}))).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_uid_without_an_object_is_a_conflict_without_causes(run: &Run) -> Result<()> {
    let uid = "00000000-0000-4000-8000-000000000000";
    let refused = run.apply("first", MAP_A, map_with(json!({"uid": uid}))).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid {uid}, and no existing object was found",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn the_uid_of_a_former_object_is_immutable(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let uid = "00000000-0000-4000-8000-000000000000";
    let refused = run.apply("first", MAP_A, map_with(json!({"uid": uid}))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.uid",
                message: "Invalid value: \"{uid}\": field is immutable",
                reason: "FieldValueInvalid",
              },
              {
                field: "metadata.uid",
                message: "Invalid value: \"{uid}\": field is immutable",
                reason: "FieldValueInvalid",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"{uid}\": field is immutable",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_apply_needs_a_field_manager(run: &Run) -> Result<()> {
    let refused = run.patch(MAP_A, APPLY_PATCH, map(json!({"x": "1"}))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "fieldManager",
                message: "Required value: is required for apply patch",
                reason: "FieldValueRequired",
              },
            ],
            group: "meta.k8s.io",
            kind: "PatchOptions",
          },
          kind: "Status",
          message: "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_field_manager_has_128_bytes_at_most(run: &Run) -> Result<()> {
    run.apply(&"m".repeat(128), MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let refused = run.apply(&"m".repeat(129), MAP_A, map(json!({"x": "1"}))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {field: "fieldManager", message: "Too long: may not be more than 128 bytes", reason: "FieldValueTooLong"},
            ],
            group: "meta.k8s.io",
            kind: "PatchOptions",
          },
          kind: "Status",
          message: "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn managed_fields_in_an_apply_are_refused(run: &Run) -> Result<()> {
    let body = map_with(json!({"managedFields": [{"manager": "other"}]}));
    let refused = run.apply("first", MAP_A, body).await?;
    run.expect(
        &refused,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "metadata.managedFields must be nil",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn the_name_in_the_body_has_to_be_that_of_the_url(run: &Run) -> Result<()> {
    let refused = run.apply("first", &format!("{MAPS}/b"), map(json!({}))).await?;
    run.expect(
        &refused,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "the name of the object (a) does not match the name on the URL (b)",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn the_namespace_in_the_body_has_to_be_that_of_the_url(run: &Run) -> Result<()> {
    let refused = run.apply("first", MAP_A, map_with(json!({"namespace": "default"}))).await?;
    run.expect(&refused, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "the namespace of the provided object does not match the namespace sent on the request",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn the_kind_in_the_body_has_to_be_that_of_the_url(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    let refused = run.apply("first", MAP_A, body).await?;
    run.expect(
        &refused,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "invalid object type: /v1, Kind=Secret",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_body_without_kind_is_refused(run: &Run) -> Result<()> {
    let refused = run.apply("first", MAP_A, json!({"metadata": {"name": "a"}})).await?;
    run.expect(
        &refused,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "invalid object type: /, Kind=",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn an_absent_namespace_is_a_404(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}-nope/configmaps/a";
    let refused = run.apply("first", path, map(json!({"x": "1"}))).await?;
    run.expect(
        &refused,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "namespaces", name: "{ns}-nope"},
          kind: "Status",
          message: "namespaces \"{ns}-nope\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn an_apply_to_a_collection_is_a_405(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}});
    let refused = run.apply("first", MAPS, body).await?;
    run.expect(
        &refused,
        expect![[r#"
        405
        {
          apiVersion: "v1",
          code: 405,
          details: {},
          kind: "Status",
          message: "the server does not allow this method on the requested resource",
          metadata: {},
          reason: "MethodNotAllowed",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn only_yaml_is_a_content_type_of_apply(run: &Run) -> Result<()> {
    let path = format!("{MAP_A}?fieldManager=first");
    let refused = run.patch(&path, "application/apply-patch+json", map(json!({}))).await?;
    run.expect(
        &refused,
        expect![[r#"
        415
        {
          apiVersion: "v1",
          code: 415,
          details: {},
          kind: "Status",
          message: "415: Unsupported Media Type",
          metadata: {},
          reason: "UnsupportedMediaType",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn an_apply_to_the_status_of_an_absent_object_is_a_404(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "status": {"replicas": 1}});
    let refused = run.apply("first", &format!("{DEPLOYMENT_A}/status"), body).await?;
    run.expect(
        &refused,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {group: "apps", kind: "deployments", name: "a"},
          kind: "Status",
          message: "deployments.apps \"a\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}
