//! Server-side apply and the schema: what does not fit is a 500, not a 400 or 422.

use super::given::{DEPLOYMENT_A, DEPLOYMENTS, MAP_A, deployment, map};
use crate::case::{Section, section};
use crate::client::{APPLY_PATCH, Request};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("applies and the schema";
        an_unknown_field_is_a_500,
        a_wrong_type_is_a_500,
        a_repeated_list_key_is_a_500,
        a_key_repeated_in_the_text_is_a_warning_or_with_strict_a_400,
        a_value_refused_by_validation_is_a_422,
        a_list_in_the_live_object_with_repeated_keys_is_a_conflict,
        ports_are_told_apart_by_protocol_even_when_it_is_a_default,
        a_body_that_is_not_yaml_is_a_400,
    )
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

async fn a_list_in_the_live_object_with_repeated_keys_is_a_conflict(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
    let made = run.send(Request::post(DEPLOYMENTS, &body)).await?;
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
