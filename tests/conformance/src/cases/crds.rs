//! Custom resources: their definitions, when they are served, and how their schemas bite.

use crate::case::{Section, section};
use crate::client::{JSON_PATCH, MERGE_PATCH, Request, STRATEGIC_PATCH};
use crate::run::Run;
use anyhow::{Result, ensure};
use e2e::deadline;
use expect_test::expect;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(super) const CRD: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{ns}.example.com";
pub(super) const WIDGETS: &str = "/apis/{ns}.example.com/v1/namespaces/{ns}/widgets";
pub(super) const WIDGET: &str = "/apis/{ns}.example.com/v1/namespaces/{ns}/widgets/a";

pub(super) fn section() -> Section {
    section!("custom resources";
        a_custom_resource_is_applied_and_owned,
        an_unknown_field_of_a_custom_resource_is_a_500_in_an_apply,
        an_unknown_field_of_a_custom_resource_is_pruned_in_a_create,
        a_wrong_type_in_a_custom_resource_is_refused,
        limits_of_a_schema_are_a_422,
        a_schema_gives_defaults,
        lists_of_a_custom_resource_merge_as_the_schema_says,
        a_field_that_preserves_unknown_fields_keeps_them,
        the_status_of_a_custom_resource_is_apart,
        the_scale_of_a_custom_resource,
        generation_of_a_custom_resource_counts_its_spec,
        a_custom_resource_has_no_strategic_patch,
        merge_and_json_patches_of_a_custom_resource,
        a_table_of_custom_resources_has_the_columns_of_the_definition,
        a_custom_resource_as_metadata,
        custom_resources_are_watched,
    )
}

/// The definition of widgets in a group of the case's own.
pub(super) fn definition() -> Value {
    let text = json!({"type": "string"});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.{ns}.example.com"},
        "spec": {
            "group": "{ns}.example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget",
                "shortNames": ["wd"], "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector"}},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Note", "type": "string", "jsonPath": ".spec.note", "priority": 1},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["size"], "properties": {
                        "size": {"type": "integer", "minimum": 1, "maximum": 9},
                        "replicas": {"type": "integer", "default": 1},
                        "note": {"type": "string", "pattern": "^[a-z]*$", "maxLength": 8},
                        "mode": {"type": "string", "enum": ["fast", "slow"], "default": "slow"},
                        "parts": {"type": "array", "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object",
                                "required": ["name"],
                                "properties": {"name": text, "value": text}}},
                        "words": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
                        "plain": {"type": "array", "items": text},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "port": {"x-kubernetes-int-or-string": true},
                    }},
                    "status": {"type": "object", "properties": {
                        "phase": text, "replicas": {"type": "integer"}, "selector": text}},
                }}},
            }],
        },
    })
}

pub(super) fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions
        .is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
}

/// Creates the definition and waits until its kind is served.
pub(super) async fn served(run: &Run) -> Result<()> {
    run.post(CRDS, definition()).await?.is(201)?;
    run.until("established definition", CRD, is_established).await?;
    deadline::until("served kind", Duration::from_secs(10), async || {
        Ok((run.get(WIDGETS).await?.status == 200).then_some(()))
    })
    .await
}

pub(super) fn widget(spec: Value) -> Value {
    json!({"apiVersion": "{ns}.example.com/v1", "kind": "Widget", "metadata": {"name": "a"},
        "spec": spec})
}

async fn a_custom_resource_is_applied_and_owned(run: &Run) -> Result<()> {
    served(run).await?;
    let made = run.apply("first", WIDGET, widget(json!({"size": 3, "port": "http"}))).await?;
    run.expect(
        &made,
        expect![[r#"
        201
        {
          apiVersion: "{ns}.example.com/v1",
          kind: "Widget",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {mode: "slow", port: "http", replicas: 1, size: 3},
        }
    "#]],
    );
    run.expect_owners(
        &made.json(),
        expect![[r#"
        first Apply {ns}.example.com/v1:
          spec.port
          spec.size
    "#]],
    );
    let before = made.resource_version();
    let again = run.apply("first", WIDGET, widget(json!({"size": 3, "port": "http"}))).await?;
    ensure!(again.resource_version() == before, "the second apply wrote");
    let refused = run.apply("second", WIDGET, widget(json!({"size": 4}))).await?;
    run.expect(&refused, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {
            causes: [{field: ".spec.size", message: "conflict with \"first\"", reason: "FieldManagerConflict"}],
          },
          kind: "Status",
          message: "Apply failed with 1 conflict: conflict with \"first\": .spec.size",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_unknown_field_of_a_custom_resource_is_a_500_in_an_apply(run: &Run) -> Result<()> {
    served(run).await?;
    let refused = run.apply("first", WIDGET, widget(json!({"size": 1, "bogus": 1}))).await?;
    run.expect(&refused, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; {ns}.example.com/v1, Kind=Widget): .spec.bogus: field not declared in schema",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_unknown_field_of_a_custom_resource_is_pruned_in_a_create(run: &Run) -> Result<()> {
    served(run).await?;
    let body = widget(json!({"size": 1, "bogus": 1}));
    let made = run.post(&format!("{WIDGETS}?dryRun=All"), body.clone()).await?;
    run.expect(&made, expect![[r#"
        201
        Warning: 299 - "unknown field \"spec.bogus\""
        {
          apiVersion: "{ns}.example.com/v1",
          kind: "Widget",
          metadata: {creationTimestamp: "{time}", generation: 1, name: "a", namespace: "{ns}", uid: "{uid}"},
          spec: {mode: "slow", replicas: 1, size: 1},
        }
    "#]]);
    let strict = run.post(&format!("{WIDGETS}?fieldValidation=Strict"), body).await?;
    run.expect(&strict, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.bogus\"",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_wrong_type_in_a_custom_resource_is_refused(run: &Run) -> Result<()> {
    served(run).await?;
    let body = widget(json!({"size": "big"}));
    run.expect(&run.apply("first", WIDGET, body.clone()).await?, expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "failed to create typed patch object (/a; {ns}.example.com/v1, Kind=Widget): .spec.size: expected numeric (int or float), got string",
          metadata: {},
          status: "Failure",
        }
    "#]]);
    run.expect(&run.post(WIDGETS, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.size",
                message: "Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
                reason: "FieldValueTypeInvalid",
              },
            ],
            group: "{ns}.example.com",
            kind: "Widget",
            name: "a",
          },
          kind: "Status",
          message: "Widget.{ns}.example.com \"a\" is invalid: spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn limits_of_a_schema_are_a_422(run: &Run) -> Result<()> {
    served(run).await?;
    let mut seen = Vec::new();
    for spec in [
        json!({"size": 0}),
        json!({"size": 10}),
        json!({}),
        json!({"size": 1, "note": "A"}),
        json!({"size": 1, "note": "much-too-long"}),
        json!({"size": 1, "mode": "odd"}),
        json!({"size": 1, "parts": [{"value": "x"}]}),
        json!({"size": 1, "words": ["x", "x"]}),
        json!({"size": 1, "parts": [{"name": "x"}, {"name": "x"}]}),
    ] {
        let refused = run.post(WIDGETS, widget(spec)).await?.is(422)?.json();
        seen.push(refused["details"]["causes"].clone());
    }
    run.expect_value(&json!(seen), expect![[r#"
        [
          [
            {
              field: "spec.size",
              message: "Invalid value: 0: spec.size in body should be greater than or equal to 1",
              reason: "FieldValueInvalid",
            },
          ],
          [
            {
              field: "spec.size",
              message: "Invalid value: 10: spec.size in body should be less than or equal to 9",
              reason: "FieldValueInvalid",
            },
          ],
          [{field: "spec.size", message: "Required value", reason: "FieldValueRequired"}],
          [
            {
              field: "spec.note",
              message: "Invalid value: \"A\": spec.note in body should match '^[a-z]*$'",
              reason: "FieldValueInvalid",
            },
          ],
          [{field: "spec.note", message: "Too long: may not be more than 8 bytes", reason: "FieldValueTooLong"}],
          [
            {
              field: "spec.mode",
              message: "Unsupported value: \"odd\": supported values: \"fast\", \"slow\"",
              reason: "FieldValueNotSupported",
            },
          ],
          [{field: "spec.parts[0].name", message: "Required value", reason: "FieldValueRequired"}],
          [{field: "spec.words[1]", message: "Duplicate value: \"x\"", reason: "FieldValueDuplicate"}],
          [{field: "spec.parts[1]", message: "Duplicate value: {\"name\":\"x\"}", reason: "FieldValueDuplicate"}],
        ]
    "#]]);
    let whole = run.apply("first", WIDGET, widget(json!({"size": 0}))).await?;
    run.expect(&whole, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "spec.size",
                message: "Invalid value: 0: spec.size in body should be greater than or equal to 1",
                reason: "FieldValueInvalid",
              },
            ],
            group: "{ns}.example.com",
            kind: "Widget",
            name: "a",
          },
          kind: "Status",
          message: "Widget.{ns}.example.com \"a\" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_schema_gives_defaults(run: &Run) -> Result<()> {
    served(run).await?;
    let made = run.post(WIDGETS, widget(json!({"size": 1}))).await?.is(201)?.json();
    run.expect_value(&made["spec"], expect![[r#"{mode: "slow", replicas: 1, size: 1}"#]]);
    run.expect_owners(
        &made,
        expect![[r#"
        unknown Update {ns}.example.com/v1:
          spec.
          spec.mode
          spec.replicas
          spec.size
    "#]],
    );
    Ok(())
}

async fn lists_of_a_custom_resource_merge_as_the_schema_says(run: &Run) -> Result<()> {
    served(run).await?;
    let one = json!({"size": 1, "parts": [{"name": "x", "value": "1"}], "words": ["a"],
        "plain": ["p"]});
    run.apply("first", WIDGET, widget(one)).await?.is(201)?;
    let two = json!({"size": 1, "parts": [{"name": "y", "value": "2"}], "words": ["b"]});
    let both = run.apply("second", WIDGET, widget(two)).await?.is(200)?.json();
    run.expect_value(
        &both["spec"],
        expect![[r#"
        {
          mode: "slow",
          parts: [{name: "x", value: "1"}, {name: "y", value: "2"}],
          plain: ["p"],
          replicas: 1,
          size: 1,
          words: ["a", "b"],
        }
    "#]],
    );
    run.expect_owners(
        &both,
        expect![[r#"
        first Apply {ns}.example.com/v1:
          spec.parts.k:{"name":"x"}.
          spec.parts.k:{"name":"x"}.name
          spec.parts.k:{"name":"x"}.value
          spec.plain
          spec.size
          spec.words.v:"a"
        second Apply {ns}.example.com/v1:
          spec.parts.k:{"name":"y"}.
          spec.parts.k:{"name":"y"}.name
          spec.parts.k:{"name":"y"}.value
          spec.size
          spec.words.v:"b"
    "#]],
    );
    let plain = widget(json!({"size": 1, "plain": ["q"]}));
    let refused = run.apply("second", WIDGET, plain).await?.is(409)?.json();
    run.expect_value(&refused["details"]["causes"], expect![[r#"[{field: ".spec.plain", message: "conflict with \"first\"", reason: "FieldManagerConflict"}]"#]]);
    Ok(())
}

async fn a_field_that_preserves_unknown_fields_keeps_them(run: &Run) -> Result<()> {
    served(run).await?;
    let spec = json!({"size": 1, "free": {"any": {"thing": [1, "two", null]}}});
    let made = run.apply("first", WIDGET, widget(spec)).await?.is(201)?.json();
    run.expect_value(&made["spec"]["free"], expect![[r#"{any: {thing: [1, "two", null]}}"#]]);
    run.expect_owners(
        &made,
        expect![[r#"
        first Apply {ns}.example.com/v1:
          spec.free.any.
          spec.free.any.thing
          spec.size
    "#]],
    );
    Ok(())
}

async fn the_status_of_a_custom_resource_is_apart(run: &Run) -> Result<()> {
    served(run).await?;
    let mut body = widget(json!({"size": 1}));
    body["status"] = json!({"phase": "Mine"});
    let made = run.post(WIDGETS, body).await?.is(201)?.json();
    run.expect_value(&made["status"], expect!["null"]);
    let patch = json!({"spec": {"size": 2}, "status": {"phase": "Ready"}});
    let path = format!("{WIDGET}/status?fieldManager=controller");
    let after = run.patch(&path, MERGE_PATCH, patch).await?;
    run.expect(
        &after,
        expect![[r#"
        200
        {
          apiVersion: "{ns}.example.com/v1",
          kind: "Widget",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {mode: "slow", replicas: 1, size: 1},
          status: {phase: "Ready"},
        }
    "#]],
    );
    run.expect_owners(
        &after.json(),
        expect![[r#"
        controller Update {ns}.example.com/v1 /status:
          status.
          status.phase
        unknown Update {ns}.example.com/v1:
          spec.
          spec.mode
          spec.replicas
          spec.size
    "#]],
    );
    let patch = json!({"spec": {"size": 3}, "status": {"phase": "Lost"}});
    let after = run.patch(WIDGET, MERGE_PATCH, patch).await?.is(200)?.json();
    run.expect_value(
        &json!([after["spec"]["size"], after["status"]]),
        expect![[r#"[3, {phase: "Ready"}]"#]],
    );
    Ok(())
}

async fn the_scale_of_a_custom_resource(run: &Run) -> Result<()> {
    served(run).await?;
    run.post(WIDGETS, widget(json!({"size": 1}))).await?.is(201)?;
    run.expect(&run.get(&format!("{WIDGET}/scale")).await?, expect![[r#"
        200
        {
          apiVersion: "autoscaling/v1",
          kind: "Scale",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {replicas: 1},
          status: {replicas: 0},
        }
    "#]]);
    let patch = json!({"spec": {"replicas": 4}});
    let path = format!("{WIDGET}/scale?fieldManager=kubectl");
    run.patch(&path, MERGE_PATCH, patch).await?.is(200)?;
    let after = run.get(WIDGET).await?.json();
    run.expect_value(&after["spec"]["replicas"], expect!["4"]);
    Ok(())
}

async fn generation_of_a_custom_resource_counts_its_spec(run: &Run) -> Result<()> {
    served(run).await?;
    let generation =
        |answer: &crate::client::Answer| answer.json()["metadata"]["generation"].clone();
    let made = run.post(WIDGETS, widget(json!({"size": 1}))).await?.is(201)?;
    let status = json!({"status": {"phase": "Ready"}});
    let status = run.patch(&format!("{WIDGET}/status"), MERGE_PATCH, status).await?.is(200)?;
    let label = json!({"metadata": {"labels": {"a": "1"}}});
    let label = run.patch(WIDGET, MERGE_PATCH, label).await?.is(200)?;
    let spec = run.patch(WIDGET, MERGE_PATCH, json!({"spec": {"size": 2}})).await?.is(200)?;
    let all = [made, status, label, spec].map(|answer| generation(&answer));
    run.expect_value(&json!(all), expect!["[1, 1, 1, 2]"]);
    Ok(())
}

async fn a_custom_resource_has_no_strategic_patch(run: &Run) -> Result<()> {
    served(run).await?;
    run.post(WIDGETS, widget(json!({"size": 1}))).await?.is(201)?;
    let refused = run.patch(WIDGET, STRATEGIC_PATCH, json!({"spec": {"size": 2}})).await?;
    run.expect(&refused, expect![[r#"
        415
        {
          apiVersion: "v1",
          code: 415,
          kind: "Status",
          message: "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
          metadata: {},
          reason: "UnsupportedMediaType",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn merge_and_json_patches_of_a_custom_resource(run: &Run) -> Result<()> {
    served(run).await?;
    run.post(WIDGETS, widget(json!({"size": 1, "plain": ["a"]}))).await?.is(201)?;
    let merged =
        run.patch(WIDGET, MERGE_PATCH, json!({"spec": {"note": "x", "plain": ["b"]}})).await?;
    run.expect_value(
        &merged.is(200)?.json()["spec"],
        expect![[r#"{mode: "slow", note: "x", plain: ["b"], replicas: 1, size: 1}"#]],
    );
    let patch = json!([{"op": "add", "path": "/spec/plain/-", "value": "c"},
        {"op": "remove", "path": "/spec/note"}]);
    let patched = run.patch(WIDGET, JSON_PATCH, patch).await?;
    run.expect_value(
        &patched.is(200)?.json()["spec"],
        expect![[r#"{mode: "slow", plain: ["b", "c"], replicas: 1, size: 1}"#]],
    );
    Ok(())
}

async fn a_table_of_custom_resources_has_the_columns_of_the_definition(run: &Run) -> Result<()> {
    served(run).await?;
    run.post(WIDGETS, widget(json!({"size": 3, "note": "hello"}))).await?.is(201)?;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let mut table = run.send(Request::get(WIDGETS).accept(accept)).await?.is(200)?.json();
    for column in table["columnDefinitions"].as_array_mut().into_iter().flatten() {
        if let Some(column) = column.as_object_mut() {
            column.remove("description");
        }
    }
    run.expect_value(
        &table["columnDefinitions"],
        expect![[r#"
        [
          {format: "name", name: "Name", priority: 0, type: "string"},
          {format: "", name: "Size", priority: 0, type: "integer"},
          {format: "", name: "Note", priority: 1, type: "string"},
          {format: "", name: "Age", priority: 0, type: "date"},
        ]
    "#]],
    );
    let cells = table["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
    run.expect_value(&json!(cells.get(..3)), expect![[r#"["a", 3, "hello"]"#]]);
    Ok(())
}

async fn a_custom_resource_as_metadata(run: &Run) -> Result<()> {
    served(run).await?;
    run.apply("first", WIDGET, widget(json!({"size": 3}))).await?.is(201)?;
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let one = run.send(Request::get(WIDGET).accept(accept)).await?;
    run.expect(
        &one,
        expect![[r#"
        200
        {
          apiVersion: "meta.k8s.io/v1",
          kind: "PartialObjectMetadata",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.expect_owners(
        &one.json(),
        expect![[r#"
        first Apply {ns}.example.com/v1:
          spec.size
    "#]],
    );
    Ok(())
}

async fn custom_resources_are_watched(run: &Run) -> Result<()> {
    served(run).await?;
    let version = run.get(WIDGETS).await?.resource_version();
    let mut watch = run.watch(&format!("{WIDGETS}?watch=1&resourceVersion={version}")).await?;
    run.post(WIDGETS, widget(json!({"size": 3}))).await?.is(201)?;
    run.delete(WIDGET).await?.is(200)?;
    let (added, deleted) = (watch.event().await?, watch.event().await?);
    let seen = json!([added["type"], deleted["type"], deleted["object"]["spec"]]);
    run.expect_value(
        &seen,
        expect![[r#"["ADDED", "DELETED", {mode: "slow", replicas: 1, size: 3}]"#]],
    );
    Ok(())
}
