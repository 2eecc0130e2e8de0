//! Values that are refused: what validation says, field by field.

use super::given::{DEPLOYMENTS, MAP_A, MAPS, deployment, map, named};
use crate::case::{Section, section};
use crate::client::{JSON_PATCH, MERGE_PATCH};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::json;

pub(super) fn section() -> Section {
    section!("validation";
        a_create_without_a_name_is_a_422,
        a_name_that_is_no_dns_name_is_a_422,
        a_wrong_type_in_a_create_is_a_400,
        an_unknown_field_is_a_warning_or_with_strict_a_400,
        a_config_map_over_a_megabyte_is_a_422,
        annotations_over_the_limit_are_a_422,
        a_label_that_is_not_valid_is_a_422,
        a_selector_that_does_not_match_the_template_is_a_422,
        a_container_without_image_is_a_422,
        a_service_without_ports_is_a_422,
        a_json_patch_that_does_not_fit_is_a_422,
        a_malformed_json_patch_is_a_400,
    )
}

async fn a_create_without_a_name_is_a_422(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "1"}});
    run.expect(&run.post(MAPS, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.name",
                message: "Required value: name or generateName is required",
                reason: "FieldValueRequired",
              },
            ],
            kind: "ConfigMap",
          },
          kind: "Status",
          message: "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_name_that_is_no_dns_name_is_a_422(run: &Run) -> Result<()> {
    run.expect(&run.post(MAPS, named("Not_a_name", json!({}))).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.name",
                message: "Invalid value: \"Not_a_name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                reason: "FieldValueInvalid",
              },
            ],
            kind: "ConfigMap",
            name: "Not_a_name",
          },
          kind: "Status",
          message: "ConfigMap \"Not_a_name\" is invalid: metadata.name: Invalid value: \"Not_a_name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_wrong_type_in_a_create_is_a_400(run: &Run) -> Result<()> {
    run.expect(&run.post(MAPS, map(json!({"x": 1}))).await?, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_unknown_field_is_a_warning_or_with_strict_a_400(run: &Run) -> Result<()> {
    let mut body = map(json!({"x": "1"}));
    body["bogus"] = json!(true);
    let strict = run.post(&format!("{MAPS}?fieldValidation=Strict"), body.clone()).await?;
    run.expect(&strict, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"bogus\"",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    let warned = run.post(&format!("{MAPS}?fieldValidation=Warn&dryRun=All"), body.clone()).await?;
    run.expect(
        &warned,
        expect![[r#"
        201
        Warning: 299 - "unknown field \"bogus\""
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", uid: "{uid}"},
        }
    "#]],
    );
    let default = run.post(&format!("{MAPS}?dryRun=All"), body.clone()).await?;
    run.expect_text(default.header("warning"), expect![[r#"299 - "unknown field \"bogus\"""#]]);
    let ignored = run.post(&format!("{MAPS}?fieldValidation=Ignore"), body).await?;
    run.expect(&ignored, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    let patch = json!({"data": {"y": "1"}, "bogus": true});
    let path = format!("{MAP_A}?fieldValidation=Strict");
    let refused = run.patch(&path, MERGE_PATCH, patch).await?;
    let body = refused.json();
    // Before its end the message quotes the whole patched object.
    let end = body["message"].as_str().unwrap_or_default().rsplit("}\": ").next().unwrap_or("");
    let seen = json!({"status": refused.status, "reason": body["reason"], "end": end,
        "field": body["details"]["causes"][0]["field"]});
    run.expect_value(&seen, expect![[r#"{end: "strict decoding error: unknown field \"bogus\"", field: "patch", reason: "Invalid", status: 422}"#]]);
    Ok(())
}

async fn a_config_map_over_a_megabyte_is_a_422(run: &Run) -> Result<()> {
    let refused = run.apply("first", MAP_A, map(json!({"x": "x".repeat(1_100_000)}))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {field: "[]", message: "Too long: may not be more than 1048576 bytes", reason: "FieldValueTooLong"},
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn annotations_over_the_limit_are_a_422(run: &Run) -> Result<()> {
    let metadata = json!({"annotations": {"a": "x".repeat(300_000)}});
    let refused = run.apply("first", MAP_A, super::given::map_with(metadata)).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.annotations",
                message: "Too long: may not be more than 262144 bytes",
                reason: "FieldValueTooLong",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_label_that_is_not_valid_is_a_422(run: &Run) -> Result<()> {
    let metadata = json!({"labels": {"a": "not valid"}});
    run.expect(&run.post(MAPS, super::given::map_with(metadata)).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.labels",
                message: "Invalid value: \"not valid\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
                reason: "FieldValueInvalid",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"not valid\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_selector_that_does_not_match_the_template_is_a_422(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    run.expect(&run.post(DEPLOYMENTS, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
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
          message: "Deployment.apps \"a\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_container_without_image_is_a_422(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"] = json!([{"name": "c"}]);
    run.expect(&run.post(DEPLOYMENTS, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.template.spec.containers[0].image",
                message: "Required value",
                reason: "FieldValueRequired",
              },
            ],
            group: "apps",
            kind: "Deployment",
            name: "a",
          },
          kind: "Status",
          message: "Deployment.apps \"a\" is invalid: spec.template.spec.containers[0].image: Required value",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"] = json!([]);
    run.expect(&run.post(DEPLOYMENTS, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [{field: "spec.template.spec.containers", message: "Required value", reason: "FieldValueRequired"}],
            group: "apps",
            kind: "Deployment",
            name: "a",
          },
          kind: "Status",
          message: "Deployment.apps \"a\" is invalid: spec.template.spec.containers: Required value",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_service_without_ports_is_a_422(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"selector": {"app": "a"}}});
    run.expect(&run.post("/api/v1/namespaces/{ns}/services", body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [{field: "spec.ports", message: "Required value", reason: "FieldValueRequired"}],
            kind: "Service",
            name: "a",
          },
          kind: "Status",
          message: "Service \"a\" is invalid: spec.ports: Required value",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_json_patch_that_does_not_fit_is_a_422(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let test = json!([{"op": "test", "path": "/data/x", "value": "2"}]);
    run.expect(
        &run.patch(MAP_A, JSON_PATCH, test).await?,
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
    let remove = json!([{"op": "remove", "path": "/data/y"}]);
    run.expect(
        &run.patch(MAP_A, JSON_PATCH, remove).await?,
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

async fn a_malformed_json_patch_is_a_400(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let refused = run.patch(MAP_A, JSON_PATCH, json!({"op": "remove"})).await?;
    run.expect_value(
        &json!([refused.status, refused.json()["reason"]]),
        expect![[r#"[400, "BadRequest"]"#]],
    );
    let unknown = json!([{"op": "fold", "path": "/data/x"}]);
    let refused = run.patch(MAP_A, JSON_PATCH, unknown).await?;
    run.expect_value(
        &json!([refused.status, refused.json()["reason"]]),
        expect![[r#"[422, "Invalid"]"#]],
    );
    Ok(())
}
