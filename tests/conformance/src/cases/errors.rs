//! What is refused whatever the verb: the shapes by which a client sorts an answer.

use super::given::{DEPLOYMENT_A, MAP_A, MAPS, deployment, map};
use crate::case::{Section, section};
use crate::client::{MERGE_PATCH, Request};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("errors";
        an_absent_object_is_a_404_with_its_name,
        an_absent_group_is_a_404_in_plain_text,
        an_absent_version_of_a_served_group_is_a_404_in_plain_text,
        an_absent_resource_of_a_served_version_is_a_404_without_details,
        an_unknown_path_is_a_404_in_plain_text,
        a_second_create_is_already_exists,
        a_create_in_an_absent_namespace_is_a_404,
        a_replace_with_a_stale_version_is_a_conflict,
        a_replace_of_an_absent_object_is_a_404_or_with_apply_none,
        a_patch_of_an_absent_object_is_a_404,
        a_merge_patch_with_a_stale_version_is_a_conflict,
        a_malformed_body_is_a_400,
        a_body_of_another_kind_is_a_400,
        an_unknown_content_type_is_a_415,
        an_unknown_accept_is_a_406,
        an_unknown_patch_type_is_a_415,
        a_verb_that_a_resource_lacks_is_a_405,
        a_body_over_the_limit_is_a_413,
        a_body_with_another_namespace_is_a_400,
        errors_can_be_asked_for_as_metadata_and_stay_a_status,
    )
}

async fn an_absent_object_is_a_404_with_its_name(run: &Run) -> Result<()> {
    run.expect(
        &run.get(MAP_A).await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    run.expect(
        &run.get(DEPLOYMENT_A).await?,
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
    run.expect(
        &run.delete(MAP_A).await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn an_absent_group_is_a_404_in_plain_text(run: &Run) -> Result<()> {
    let path = "/apis/nowhere.example.com/v1/namespaces/{ns}/things/a";
    run.expect(
        &run.get(path).await?,
        expect![[r#"
        404 text/plain; charset=utf-8
        404 page not found
    "#]],
    );
    run.expect(
        &run.apply("first", path, map(json!({}))).await?,
        expect![[r#"
        404 text/plain; charset=utf-8
        404 page not found
    "#]],
    );
    Ok(())
}

async fn an_absent_version_of_a_served_group_is_a_404_in_plain_text(run: &Run) -> Result<()> {
    run.expect(
        &run.get("/apis/apps/v9/namespaces/{ns}/deployments/a").await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {},
          kind: "Status",
          message: "the server could not find the requested resource",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn an_absent_resource_of_a_served_version_is_a_404_without_details(run: &Run) -> Result<()> {
    run.expect(
        &run.get("/apis/apps/v1/namespaces/{ns}/things/a").await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {},
          kind: "Status",
          message: "the server could not find the requested resource",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    run.expect(
        &run.get("/api/v1/namespaces/{ns}/things").await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {},
          kind: "Status",
          message: "the server could not find the requested resource",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn an_unknown_path_is_a_404_in_plain_text(run: &Run) -> Result<()> {
    run.expect(
        &run.get("/nowhere").await?,
        expect![[r#"
        404 text/plain; charset=utf-8
        404 page not found
    "#]],
    );
    Ok(())
}

async fn a_second_create_is_already_exists(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let refused = run.post(MAPS, map(json!({"x": "1"}))).await?;
    run.expect(
        &refused,
        expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" already exists",
          metadata: {},
          reason: "AlreadyExists",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_create_in_an_absent_namespace_is_a_404(run: &Run) -> Result<()> {
    let refused = run.post("/api/v1/namespaces/{ns}-nope/configmaps", map(json!({}))).await?;
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

async fn a_replace_with_a_stale_version_is_a_conflict(run: &Run) -> Result<()> {
    let mut old = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?.json();
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "2"}})).await?.is(200)?;
    old["data"]["x"] = json!("3");
    run.expect(&run.put(MAP_A, old).await?, expect![[r#"
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

async fn a_replace_of_an_absent_object_is_a_404_or_with_apply_none(run: &Run) -> Result<()> {
    run.expect(
        &run.put(MAP_A, map(json!({"x": "1"}))).await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_patch_of_an_absent_object_is_a_404(run: &Run) -> Result<()> {
    let refused = run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "2"}})).await?;
    run.expect(
        &refused,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_merge_patch_with_a_stale_version_is_a_conflict(run: &Run) -> Result<()> {
    let old = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?.resource_version();
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "2"}})).await?.is(200)?;
    let patch = json!({"metadata": {"resourceVersion": old}, "data": {"x": "3"}});
    run.expect(&run.patch(MAP_A, MERGE_PATCH, patch).await?, expect![[r#"
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

async fn a_malformed_body_is_a_400(run: &Run) -> Result<()> {
    let request = Request::post(MAPS, &Value::Null).text("application/json", "{\"kind\": ");
    let refused = run.send(request).await?;
    // The message is that of a JSON library.
    run.expect_value(
        &json!([refused.status, refused.json()["reason"]]),
        expect![[r#"[400, "BadRequest"]"#]],
    );
    Ok(())
}

async fn a_body_of_another_kind_is_a_400(run: &Run) -> Result<()> {
    run.expect(&run.post(MAPS, deployment()).await?, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "Deployment in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Deployment) to (core.ConfigMap): unknown conversion",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_unknown_content_type_is_a_415(run: &Run) -> Result<()> {
    let request = Request::post(MAPS, &Value::Null).text("text/plain", "hello");
    run.expect(&run.send(request).await?, expect![[r#"
        415
        {
          apiVersion: "v1",
          code: 415,
          kind: "Status",
          message: "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
          metadata: {},
          reason: "UnsupportedMediaType",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_unknown_accept_is_a_406(run: &Run) -> Result<()> {
    let request = Request::get(MAPS).accept("text/plain");
    run.expect(&run.send(request).await?, expect![[r#"
        406
        {
          apiVersion: "v1",
          code: 406,
          details: {},
          kind: "Status",
          message: "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
          metadata: {},
          reason: "NotAcceptable",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_unknown_patch_type_is_a_415(run: &Run) -> Result<()> {
    let refused = run.patch(MAP_A, "application/json", json!({})).await?;
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

async fn a_verb_that_a_resource_lacks_is_a_405(run: &Run) -> Result<()> {
    run.expect(
        &run.post(MAP_A, map(json!({}))).await?,
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
    run.expect(
        &run.put(MAPS, map(json!({}))).await?,
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

async fn a_body_over_the_limit_is_a_413(run: &Run) -> Result<()> {
    let body = map(json!({"x": "x".repeat(3 * 1024 * 1024)}));
    run.expect(
        &run.apply("first", MAP_A, body).await?,
        expect![[r#"
        413
        {
          apiVersion: "v1",
          code: 413,
          kind: "Status",
          message: "Request entity too large: limit is 3145728",
          metadata: {},
          reason: "RequestEntityTooLarge",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_body_with_another_namespace_is_a_400(run: &Run) -> Result<()> {
    let body = super::given::map_with(json!({"namespace": "default"}));
    run.expect(&run.post(MAPS, body).await?, expect![[r#"
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

async fn errors_can_be_asked_for_as_metadata_and_stay_a_status(run: &Run) -> Result<()> {
    let request =
        Request::get(MAP_A).accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    run.expect(
        &run.send(request).await?,
        expect![[r#"
        404
        {
          apiVersion: "v1",
          code: 404,
          details: {kind: "configmaps", name: "a"},
          kind: "Status",
          message: "configmaps \"a\" not found",
          metadata: {},
          reason: "NotFound",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}
