//! Definitions of custom resources: from their creation to the end of what they define.

use super::crds::{CRD, CRDS, WIDGET, WIDGETS, definition, is_established, served, widget};
use crate::case::{Section, section};
use crate::client::JSON_PATCH;
use crate::run::Run;
use anyhow::Result;
use e2e::deadline;
use expect_test::expect;
use serde_json::json;
use std::time::Duration;

pub(super) fn section() -> Section {
    section!("definitions";
        a_definition_is_created_without_conditions,
        a_definition_becomes_established,
        a_custom_resource_is_a_404_before_its_definition,
        custom_resources_are_found_by_discovery,
        a_deleted_definition_takes_its_resources_along,
        a_definition_that_is_not_structural_is_refused,
        a_definition_of_another_name_is_refused,
        a_changed_definition_is_served_soon,
        a_cluster_scoped_custom_resource,
    )
}

async fn a_definition_is_created_without_conditions(run: &Run) -> Result<()> {
    let made = run.post(CRDS, definition()).await?.is(201)?.json();
    run.expect_value(
        &made["status"],
        expect![[
            r#"{acceptedNames: {kind: "", plural: ""}, conditions: null, storedVersions: ["v1"]}"#
        ]],
    );
    run.expect_value(
        &json!({"names": made["spec"]["names"],
        "conversion": made["spec"]["conversion"], "generation": made["metadata"]["generation"]}),
        expect![[r#"
            {
              conversion: {strategy: "None"},
              generation: 1,
              names: {
                categories: ["all"],
                kind: "Widget",
                listKind: "WidgetList",
                plural: "widgets",
                shortNames: ["wd"],
                singular: "widget",
              },
            }
        "#]],
    );
    Ok(())
}

async fn a_definition_becomes_established(run: &Run) -> Result<()> {
    run.post(CRDS, definition()).await?.is(201)?;
    let definition = run.until("established definition", CRD, is_established).await?;
    run.expect_value(
        &definition["status"],
        expect![[r#"
        {
          acceptedNames: {
            categories: ["all"],
            kind: "Widget",
            listKind: "WidgetList",
            plural: "widgets",
            shortNames: ["wd"],
            singular: "widget",
          },
          conditions: [
            {
              lastTransitionTime: "{time}",
              message: "no conflicts found",
              reason: "NoConflicts",
              status: "True",
              type: "NamesAccepted",
            },
            {
              lastTransitionTime: "{time}",
              message: "the initial names have been accepted",
              reason: "InitialNamesAccepted",
              status: "True",
              type: "Established",
            },
          ],
          storedVersions: ["v1"],
        }
    "#]],
    );
    Ok(())
}

async fn a_custom_resource_is_a_404_before_its_definition(run: &Run) -> Result<()> {
    run.expect(
        &run.apply("first", WIDGET, widget(json!({"size": 1}))).await?,
        expect![[r#"
        404 text/plain; charset=utf-8
        404 page not found
    "#]],
    );
    Ok(())
}

async fn custom_resources_are_found_by_discovery(run: &Run) -> Result<()> {
    served(run).await?;
    let version = run.until("version in discovery", "/apis/{ns}.example.com/v1", |_| true).await?;
    run.expect_value(&version, expect![[r#"
        {
          apiVersion: "v1",
          groupVersion: "{ns}.example.com/v1",
          kind: "APIResourceList",
          resources: [
            {
              categories: ["all"],
              kind: "Widget",
              name: "widgets",
              namespaced: true,
              shortNames: ["wd"],
              singularName: "widget",
              verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            },
            {
              kind: "Widget",
              name: "widgets/status",
              namespaced: true,
              singularName: "",
              verbs: ["get", "patch", "update"],
            },
            {
              group: "autoscaling",
              kind: "Scale",
              name: "widgets/scale",
              namespaced: true,
              singularName: "",
              verbs: ["get", "patch", "update"],
              version: "v1",
            },
          ],
        }
    "#]]);
    run.expect(
        &run.get("/apis/{ns}.example.com").await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "APIGroup",
          name: "{ns}.example.com",
          preferredVersion: {groupVersion: "{ns}.example.com/v1", version: "v1"},
          versions: [{groupVersion: "{ns}.example.com/v1", version: "v1"}],
        }
    "#]],
    );
    Ok(())
}

async fn a_deleted_definition_takes_its_resources_along(run: &Run) -> Result<()> {
    served(run).await?;
    run.post(WIDGETS, widget(json!({"size": 3}))).await?.is(201)?;
    let deleted = run.delete(CRD).await?;
    run.expect_value(
        &json!([deleted.status, deleted.json()["kind"]]),
        expect![[r#"[200, "CustomResourceDefinition"]"#]],
    );
    run.until_gone(CRD).await?;
    run.until_gone(WIDGETS).await?;
    served(run).await?;
    run.get(WIDGET).await?.is(404)?;
    Ok(())
}

async fn a_definition_that_is_not_structural_is_refused(run: &Run) -> Result<()> {
    let mut body = definition();
    body["spec"]["versions"][0]["schema"] = json!({});
    run.expect_value(&run.post(CRDS, body).await?.is(422)?.json()["details"]["causes"], expect![[r#"[{field: "spec.versions[0].schema.openAPIV3Schema", message: "Required value", reason: "FieldValueRequired"}]"#]]);
    Ok(())
}

async fn a_definition_of_another_name_is_refused(run: &Run) -> Result<()> {
    let mut body = definition();
    body["metadata"]["name"] = json!("gadgets.{ns}.example.com");
    run.expect(&run.post(CRDS, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.name",
                message: "Invalid value: \"gadgets.{ns}.example.com\": must be spec.names.plural+\".\"+spec.group",
                reason: "FieldValueInvalid",
              },
            ],
            group: "apiextensions.k8s.io",
            kind: "CustomResourceDefinition",
            name: "gadgets.{ns}.example.com",
          },
          kind: "Status",
          message: "CustomResourceDefinition.apiextensions.k8s.io \"gadgets.{ns}.example.com\" is invalid: metadata.name: Invalid value: \"gadgets.{ns}.example.com\": must be spec.names.plural+\".\"+spec.group",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_changed_definition_is_served_soon(run: &Run) -> Result<()> {
    served(run).await?;
    let patch = json!([{"op": "add", "value": {"type": "string"}, "path":
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/extra"}]);
    run.patch(CRD, JSON_PATCH, patch).await?.is(200)?;
    deadline::until("new field", Duration::from_secs(10), async || {
        let body = widget(json!({"size": 1, "extra": "x"}));
        Ok((run.apply("first", WIDGET, body).await?.status < 300).then_some(()))
    })
    .await?;
    run.expect_value(
        &run.get(WIDGET).await?.json()["spec"],
        expect![[r#"{extra: "x", mode: "slow", replicas: 1, size: 1}"#]],
    );
    Ok(())
}

async fn a_cluster_scoped_custom_resource(run: &Run) -> Result<()> {
    let mut body = definition();
    body["spec"]["scope"] = json!("Cluster");
    run.post(CRDS, body).await?.is(201)?;
    run.until("established definition", CRD, is_established).await?;
    let path = "/apis/{ns}.example.com/v1/widgets";
    deadline::until("served kind", Duration::from_secs(10), async || {
        Ok((run.get(path).await?.status == 200).then_some(()))
    })
    .await?;
    let made = run.apply("first", &format!("{path}/a"), widget(json!({"size": 1}))).await?;
    run.expect(&made, expect![[r#"
        201
        {
          apiVersion: "{ns}.example.com/v1",
          kind: "Widget",
          metadata: {creationTimestamp: "{time}", generation: 1, name: "a", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {mode: "slow", replicas: 1, size: 1},
        }
    "#]]);
    run.get(WIDGET).await?.is(404)?;
    Ok(())
}
