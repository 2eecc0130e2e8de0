//! Fields that cannot be changed: no reason code says so, so the texts matter.

use super::given::{DEPLOYMENT_A, MAP_A, deployment};
use crate::case::{Section, section};
use crate::client::MERGE_PATCH;
use crate::run::Run;
use anyhow::{Context, Result};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("immutable fields";
        the_selector_of_a_deployment_is_immutable,
        the_template_of_a_job_is_immutable,
        the_cluster_ip_of_a_service_may_not_change,
        most_of_the_spec_of_a_stateful_set_is_forbidden_to_change,
        an_immutable_config_map_stays,
        an_immutable_secret_stays,
        the_selector_of_a_daemon_set_is_immutable,
        the_spec_of_a_claim_is_forbidden_to_change,
        the_role_of_a_binding_cannot_change,
        name_and_uid_of_an_object_are_immutable,
        a_dry_run_shows_that_a_field_is_immutable,
    )
}

async fn the_selector_of_a_deployment_is_immutable(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let mut other = deployment();
    other["spec"]["selector"]["matchLabels"] = json!({"app": "b"});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    let refused = run.apply("first", DEPLOYMENT_A, other).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.selector",
                message: "Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
                reason: "FieldValueInvalid",
              },
            ],
            group: "apps",
            kind: "Deployment",
            name: "a",
          },
          kind: "Status",
          message: "Deployment.apps \"a\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

fn job(image: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": image}]}}}})
}

async fn the_template_of_a_job_is_immutable(run: &Run) -> Result<()> {
    let path = "/apis/batch/v1/namespaces/{ns}/jobs/a";
    run.apply("first", path, job("registry.example/c:1")).await?.is(201)?;
    let refused = run.apply("first", path, job("registry.example/c:2")).await?;
    let cause = &refused.json()["details"]["causes"][0];
    // Before its end the message prints the template in the syntax of Go.
    let end = cause["message"].as_str().unwrap_or_default().rsplit(": ").next().unwrap_or("");
    let seen = json!({"status": refused.status, "reason": refused.json()["reason"],
        "cause": cause["reason"], "field": cause["field"], "end": end});
    run.expect_value(
        &seen,
        expect![[r#"{cause: "FieldValueInvalid", end: "field is immutable", field: "spec.template", reason: "Invalid", status: 422}"#]],
    );
    Ok(())
}

async fn the_cluster_ip_of_a_service_may_not_change(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/services/a";
    let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"ports": [{"port": 80}]}});
    let made = run.apply("first", path, service.clone()).await?.is(201)?.json();
    let address = made["spec"]["clusterIP"].as_str().unwrap_or_default();
    let (network, last) = address.rsplit_once('.').context("an address")?;
    let other = format!("{network}.{}", if last == "7" { 8 } else { 7 });
    service["spec"]["clusterIP"] = json!(other);
    service["spec"]["clusterIPs"] = json!([other]);
    let refused = run.apply("first", path, service).await?;
    let shown = refused.json().to_string().replace(&other, "{ip}");
    run.expect_value(&serde_json::from_str(&shown)?, expect![[r#"
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.clusterIPs[0]",
                message: "Invalid value: [\"{ip}\"]: may not change once set",
                reason: "FieldValueInvalid",
              },
            ],
            kind: "Service",
            name: "a",
          },
          kind: "Status",
          message: "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"{ip}\"]: may not change once set",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn most_of_the_spec_of_a_stateful_set_is_forbidden_to_change(run: &Run) -> Result<()> {
    let path = "/apis/apps/v1/namespaces/{ns}/statefulsets/a";
    let mut body = deployment();
    body["kind"] = json!("StatefulSet");
    body["spec"]["serviceName"] = json!("a");
    run.apply("first", path, body.clone()).await?.is(201)?;
    body["spec"]["serviceName"] = json!("b");
    let refused = run.apply("first", path, body).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec",
                message: "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
                reason: "FieldValueForbidden",
              },
            ],
            group: "apps",
            kind: "StatefulSet",
            name: "a",
          },
          kind: "Status",
          message: "StatefulSet.apps \"a\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_immutable_config_map_stays(run: &Run) -> Result<()> {
    let map = |value: &str, immutable: bool| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
            "immutable": immutable, "data": {"x": value}})
    };
    run.apply("first", MAP_A, map("1", true)).await?.is(201)?;
    let refused = run.apply("first", MAP_A, map("2", true)).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "data",
                message: "Forbidden: field is immutable when `immutable` is set",
                reason: "FieldValueForbidden",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    let refused = run.apply("first", MAP_A, map("1", false)).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "immutable",
                message: "Forbidden: field is immutable when `immutable` is set",
                reason: "FieldValueForbidden",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: immutable: Forbidden: field is immutable when `immutable` is set",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_immutable_secret_stays(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/secrets/a";
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
            "immutable": true, "data": {"x": value}})
    };
    run.apply("first", path, secret("b25l")).await?.is(201)?;
    let refused = run.apply("first", path, secret("dHdv")).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "data",
                message: "Forbidden: field is immutable when `immutable` is set",
                reason: "FieldValueForbidden",
              },
            ],
            kind: "Secret",
            name: "a",
          },
          kind: "Status",
          message: "Secret \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn the_selector_of_a_daemon_set_is_immutable(run: &Run) -> Result<()> {
    let path = "/apis/apps/v1/namespaces/{ns}/daemonsets/a";
    let mut body = deployment();
    body["kind"] = json!("DaemonSet");
    body["spec"].as_object_mut().map(|spec| spec.remove("replicas"));
    body["spec"]["template"]["spec"]["nodeSelector"] = json!({"nowhere": "true"});
    run.apply("first", path, body.clone()).await?.is(201)?;
    body["spec"]["selector"]["matchLabels"] = json!({"app": "b"});
    body["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    let refused = run.apply("first", path, body).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.selector",
                message: "Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
                reason: "FieldValueInvalid",
              },
            ],
            group: "apps",
            kind: "DaemonSet",
            name: "a",
          },
          kind: "Status",
          message: "DaemonSet.apps \"a\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn the_spec_of_a_claim_is_forbidden_to_change(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/persistentvolumeclaims/a";
    let claim = |mode: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"},
            "spec": {"accessModes": [mode], "storageClassName": "",
                "resources": {"requests": {"storage": "1Gi"}}}})
    };
    run.apply("first", path, claim("ReadWriteOnce")).await?.is(201)?;
    let refused = run.apply("first", path, claim("ReadOnlyMany")).await?;
    let answer = refused.json();
    let message = answer["details"]["causes"][0]["message"].as_str().unwrap_or_default();
    // The message goes on with a difference in the syntax of Go.
    let first_line = message.lines().next().unwrap_or_default();
    let seen = json!({"status": refused.status, "reason": answer["details"]["causes"][0]["reason"],
        "field": answer["details"]["causes"][0]["field"], "message": first_line});
    run.expect_value(&seen, expect![[r#"
        {
          field: "spec",
          message: "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
          reason: "FieldValueForbidden",
          status: 422,
        }
    "#]]);
    Ok(())
}

async fn the_role_of_a_binding_cannot_change(run: &Run) -> Result<()> {
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/a";
    let binding = |role: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "a"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "{ns}"}]})
    };
    let made = run.apply("first", path, binding("one")).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "RoleBinding",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          roleRef: {apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "one"},
          subjects: [{kind: "ServiceAccount", name: "default", namespace: "{ns}"}],
        }
    "#]]);
    let refused = run.apply("first", path, binding("two")).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "roleRef",
                message: "Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"two\"}: cannot change roleRef",
                reason: "FieldValueInvalid",
              },
            ],
            group: "rbac.authorization.k8s.io",
            kind: "RoleBinding",
            name: "a",
          },
          kind: "Status",
          message: "RoleBinding.rbac.authorization.k8s.io \"a\" is invalid: roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"two\"}: cannot change roleRef",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn name_and_uid_of_an_object_are_immutable(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, super::given::map(json!({"x": "1"}))).await?.is(201)?;
    let renamed = run.patch(MAP_A, MERGE_PATCH, json!({"metadata": {"name": "b"}})).await?;
    run.expect(
        &renamed,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "the name of the object (b) does not match the name on the URL (a)",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    let uid = json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}});
    let refused = run.patch(MAP_A, MERGE_PATCH, uid).await?;
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

async fn a_dry_run_shows_that_a_field_is_immutable(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let mut other = deployment();
    other["spec"]["selector"]["matchLabels"] = json!({"app": "b"});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    let refused = run.apply("first", &format!("{DEPLOYMENT_A}?dryRun=All"), other).await?;
    run.expect_value(
        &refused.json()["details"]["causes"],
        expect![[r#"
        [
          {
            field: "spec.selector",
            message: "Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
            reason: "FieldValueInvalid",
          },
        ]
    "#]],
    );
    Ok(())
}
