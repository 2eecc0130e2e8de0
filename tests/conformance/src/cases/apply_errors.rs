//! Server-side apply that is refused, and with what.

use super::given::{DEPLOYMENT_A, MAP_A, MAPS, deployment, map, map_with};
use crate::case::{Section, section};
use crate::client::{APPLY_PATCH, MERGE_PATCH, Request};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

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
        an_unknown_field_is_a_500,
        a_wrong_type_is_a_500,
        a_repeated_list_key_is_a_500,
        a_key_repeated_in_the_text_is_a_warning_or_with_strict_a_400,
        a_value_refused_by_validation_is_a_422,
        an_absent_namespace_is_a_404,
        an_apply_to_a_collection_is_a_405,
        only_yaml_is_a_content_type_of_apply,
        a_body_that_is_not_yaml_is_a_400,
        an_apply_to_the_status_of_an_absent_object_is_a_404,
        a_list_in_the_live_object_with_repeated_keys_is_a_conflict,
        ports_are_told_apart_by_protocol_even_when_it_is_a_default,
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

async fn an_unknown_field_is_a_500(run: &Run) -> Result<()> {
    let mut body = map(json!({"x": "1"}));
    body["bogus"] = json!(true);
    let refused = run.apply("first", MAP_A, body).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .bogus: field not declared in schema",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = json!("Always");
    let path = format!("{DEPLOYMENT_A}?fieldValidation=Ignore");
    let refused = run.apply("first", &path, body).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.template.spec.containers[name=\"c\"].imagePolicy: field not declared in schema",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_wrong_type_is_a_500(run: &Run) -> Result<()> {
    let refused = run.apply("first", MAP_A, map(json!({"x": 1}))).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .data.x: expected string, got &value.valueUnstructured{Value:1}",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    let mut body = deployment();
    body["spec"]["replicas"] = json!("three");
    let refused = run.apply("first", DEPLOYMENT_A, body).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_repeated_list_key_is_a_500(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
    let refused = run.apply("first", DEPLOYMENT_A, body).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.template.spec.containers[name=\"c\"].env: duplicate entries for key [name=\"A\"]",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_key_repeated_in_the_text_is_a_warning_or_with_strict_a_400(run: &Run) -> Result<()> {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '1'\n  x: '2'\n";
    let send = async |validation: &str| {
        let path = format!("{MAP_A}?fieldManager=first{validation}");
        run.send(Request::patch(&path, APPLY_PATCH, &Value::Null).text(APPLY_PATCH, yaml)).await
    };
    let strict = send("&fieldValidation=Strict").await?;
    run.expect(&strict, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key \"x\" already set in map",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    let warned = send("").await?;
    run.expect(&warned, expect![[r#"
        201
        Warning: 299 - "line 6: key \"x\" already set in map"
        {
          apiVersion: "v1",
          data: {x: "2"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    let ignored = send("&fieldValidation=Ignore").await?;
    run.expect(&ignored, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "2"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn a_value_refused_by_validation_is_a_422(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["replicas"] = json!(-1);
    body["spec"]["template"]["metadata"]["labels"]["app"] = json!("b");
    let refused = run.apply("first", DEPLOYMENT_A, body).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.replicas",
                message: "Invalid value: -1: must be greater than or equal to 0",
                reason: "FieldValueInvalid",
              },
              {
                field: "spec.template.metadata.labels",
                message: "Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
                reason: "FieldValueInvalid",
              },
            ],
            group: "apps",
            kind: "Deployment",
            name: "a",
          },
          kind: "Status",
          message: "Deployment.apps \"a\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`]",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
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

async fn a_body_that_is_not_yaml_is_a_400(run: &Run) -> Result<()> {
    let path = format!("{MAP_A}?fieldManager=first");
    let request = Request::patch(&path, APPLY_PATCH, &Value::Null).text(APPLY_PATCH, "a: [1");
    let refused = run.send(request).await?;
    // The message is that of a YAML library.
    run.expect_value(
        &json!([refused.status, refused.json()["reason"]]),
        expect![[r#"[400, "BadRequest"]"#]],
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

async fn a_list_in_the_live_object_with_repeated_keys_is_a_conflict(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
    let made = run.send(Request::post(super::given::DEPLOYMENTS, &body)).await?;
    let warning = json!([made.status, made.header("warning")]);
    run.expect_value(&warning, expect![[r#"
        [
          201,
          "299 - \"spec.template.spec.containers[0].env[1]: hides previous definition of \\\"A\\\", which may be dropped when using apply\"",
        ]
    "#]]);
    let mut applied = deployment();
    applied["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "3"}]);
    let refused = run.apply("first", DEPLOYMENT_A, applied).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [
              {
                field: ".spec.template.spec.containers[name=\"c\"].env[name=\"A\"]",
                message: "conflict with \"unknown\" using apps/v1",
                reason: "FieldManagerConflict",
              },
            ],
          },
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"unknown\" using apps/v1: .spec.template.spec.containers[name=\"c\"].env[name=\"A\"]",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn ports_are_told_apart_by_protocol_even_when_it_is_a_default(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/services/a";
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {
        "clusterIP": "None",
        "ports": [{"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53}],
    }});
    let made = run.apply("first", path, body).await?;
    run.expect_value(
        &made.json()["spec"]["ports"],
        expect![[r#"
        [
          {name: "udp", port: 53, protocol: "UDP", targetPort: 53},
          {name: "tcp", port: 53, protocol: "TCP", targetPort: 53},
        ]
    "#]],
    );
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply v1:
          spec.clusterIP
          spec.ports.k:{"port":53,"protocol":"TCP"}.
          spec.ports.k:{"port":53,"protocol":"TCP"}.name
          spec.ports.k:{"port":53,"protocol":"TCP"}.port
          spec.ports.k:{"port":53,"protocol":"UDP"}.
          spec.ports.k:{"port":53,"protocol":"UDP"}.name
          spec.ports.k:{"port":53,"protocol":"UDP"}.port
          spec.ports.k:{"port":53,"protocol":"UDP"}.protocol
    "#]],
    );
    Ok(())
}
