//! Secrets: two names for one value.

use crate::case::{Section, section};
use crate::client::{MERGE_PATCH, Request};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

const SECRETS: &str = "/api/v1/namespaces/{ns}/secrets";
const SECRET: &str = "/api/v1/namespaces/{ns}/secrets/a";

pub(super) fn section() -> Section {
    section!("secrets";
        string_data_lands_in_data_and_is_owned_as_string_data,
        a_key_dropped_from_string_data_stays_in_data,
        a_foreign_edit_of_string_data_is_no_conflict,
        the_type_of_a_secret_is_immutable,
        bad_base64_in_an_apply_is_a_500,
        bad_base64_in_a_create_is_a_400,
        a_secret_has_a_default_type,
        a_typed_secret_needs_its_keys,
        data_is_owned_key_by_key,
    )
}

fn secret(more: Value) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        secret[key] = value.clone();
    }
    secret
}

async fn string_data_lands_in_data_and_is_owned_as_string_data(run: &Run) -> Result<()> {
    let made = run.apply("first", SECRET, secret(json!({"stringData": {"x": "one"}}))).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "b25l"},
          kind: "Secret",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          type: "Opaque",
        }
    "#]]);
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply v1:
          stringData.x
    "#]],
    );
    Ok(())
}

async fn a_key_dropped_from_string_data_stays_in_data(run: &Run) -> Result<()> {
    let both = secret(json!({"stringData": {"x": "one", "y": "two"}}));
    run.apply("first", SECRET, both).await?.is(201)?;
    let less = run.apply("first", SECRET, secret(json!({"stringData": {"x": "one"}}))).await?;
    run.expect(&less, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "b25l", y: "dHdv"},
          kind: "Secret",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          type: "Opaque",
        }
    "#]]);
    run.expect_owners(
        &less.json(),
        expect![[r#"
        first Apply v1:
          stringData.x
    "#]],
    );
    Ok(())
}

async fn a_foreign_edit_of_string_data_is_no_conflict(run: &Run) -> Result<()> {
    let mine = secret(json!({"stringData": {"x": "one"}}));
    run.apply("first", SECRET, mine.clone()).await?.is(201)?;
    let edit = json!({"data": {"x": "dHdv"}});
    run.patch(&format!("{SECRET}?fieldManager=human"), MERGE_PATCH, edit).await?.is(200)?;
    let again = run.apply("first", SECRET, mine).await?;
    run.expect(&again, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "b25l"},
          kind: "Secret",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          type: "Opaque",
        }
    "#]]);
    run.expect_owners(
        &again.json(),
        expect![[r#"
        first Apply v1:
          stringData.x
        human Update v1:
          data.x
    "#]],
    );
    Ok(())
}

async fn the_type_of_a_secret_is_immutable(run: &Run) -> Result<()> {
    run.apply("first", SECRET, secret(json!({"type": "Opaque"}))).await?.is(201)?;
    let refused = run.apply("first", SECRET, secret(json!({"type": "example.com/other"}))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "type",
                message: "Invalid value: \"example.com/other\": field is immutable",
                reason: "FieldValueInvalid",
              },
            ],
            kind: "Secret",
            name: "a",
          },
          kind: "Status",
          message: "Secret \"a\" is invalid: type: Invalid value: \"example.com/other\": field is immutable",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn bad_base64_in_an_apply_is_a_500(run: &Run) -> Result<()> {
    let refused = run.apply("first", SECRET, secret(json!({"data": {"x": "one!"}}))).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to convert new object (/a; /v1, Kind=Secret) to proper version: unable to convert unstructured object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 3",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn bad_base64_in_a_create_is_a_400(run: &Run) -> Result<()> {
    let refused = run.post(SECRETS, secret(json!({"data": {"x": "one!"}}))).await?;
    run.expect(&refused, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 3",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_secret_has_a_default_type(run: &Run) -> Result<()> {
    let made = run.post(SECRETS, secret(json!({"data": {"x": "b25l"}}))).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "b25l"},
          kind: "Secret",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          type: "Opaque",
        }
    "#]]);
    Ok(())
}

async fn a_typed_secret_needs_its_keys(run: &Run) -> Result<()> {
    let refused =
        run.send(Request::post(SECRETS, &secret(json!({"type": "kubernetes.io/tls"})))).await?;
    run.expect(&refused, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {field: "data[tls.crt]", message: "Required value", reason: "FieldValueRequired"},
              {field: "data[tls.key]", message: "Required value", reason: "FieldValueRequired"},
            ],
            kind: "Secret",
            name: "a",
          },
          kind: "Status",
          message: "Secret \"a\" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn data_is_owned_key_by_key(run: &Run) -> Result<()> {
    run.apply("first", SECRET, secret(json!({"data": {"x": "b25l", "y": "b25l"}})))
        .await?
        .is(201)?;
    let edit = json!({"data": {"x": "dHdv"}});
    let path = format!("{SECRET}?fieldManager=human");
    let edited = run.patch(&path, MERGE_PATCH, edit).await?.is(200)?;
    run.expect_owners(
        &edited.json(),
        expect![[r#"
        first Apply v1:
          data.y
        human Update v1:
          data.x
    "#]],
    );
    let refused = run.apply("first", SECRET, secret(json!({"data": {"x": "b25l"}}))).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [{field: ".data.x", message: "conflict with \"human\" using v1", reason: "FieldManagerConflict"}],
          },
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"human\" using v1: .data.x",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}
