//! Deletion: finalizers, preconditions, owners, collections, namespaces.

use super::given::{DEPLOYMENT_A, MAP_A, MAPS, deployment, map, map_with, named};
use crate::case::{Section, section};
use crate::client::{MERGE_PATCH, Request};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("deletion";
        a_deletion_answers_with_a_status,
        a_deletion_of_some_kinds_answers_with_the_object,
        a_deletion_as_metadata_answers_with_a_status,
        finalizers_hold_an_object_and_the_answer_is_the_object,
        a_second_deletion_of_a_held_object_changes_nothing,
        a_wrong_uid_in_the_preconditions_is_a_conflict,
        a_wrong_version_in_the_preconditions_is_a_conflict,
        right_preconditions_delete,
        an_apply_to_a_held_object_works,
        an_apply_that_adds_a_finalizer_to_a_held_object_is_a_422,
        an_apply_that_drops_the_last_finalizer_ends_the_object,
        dependents_go_in_the_background,
        dependents_can_be_orphaned,
        foreground_deletion_waits_for_dependents,
        a_dependent_of_an_owner_that_never_was_goes,
        a_collection_can_be_deleted_by_selector,
        an_unknown_propagation_policy_is_a_422,
        a_deployment_takes_its_replica_sets_along,
        a_namespace_ends_with_its_contents,
        a_terminating_namespace_takes_nothing_new,
        a_namespace_says_what_holds_it,
        a_delete_of_a_pod_without_a_node_is_at_once,
    )
}

async fn a_deletion_answers_with_a_status(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    run.expect(
        &run.delete(MAP_A).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          details: {kind: "configmaps", name: "a", uid: "{uid}"},
          kind: "Status",
          metadata: {},
          status: "Success",
        }
    "#]],
    );
    run.get(MAP_A).await?.is(404)?;
    run.post("/apis/apps/v1/namespaces/{ns}/deployments", deployment()).await?.is(201)?;
    run.expect(
        &run.delete(DEPLOYMENT_A).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          details: {group: "apps", kind: "deployments", name: "a", uid: "{uid}"},
          kind: "Status",
          metadata: {},
          status: "Success",
        }
    "#]],
    );
    Ok(())
}

async fn a_deletion_of_some_kinds_answers_with_the_object(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/serviceaccounts";
    let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}});
    run.post(path, body).await?.is(201)?;
    run.expect(&run.delete(&format!("{path}/a")).await?, expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    let path = "/api/v1/namespaces/{ns}/services";
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
    run.post(path, body).await?.is(201)?;
    let deleted = run.delete(&format!("{path}/a")).await?;
    run.expect_value(
        &json!([deleted.status, deleted.json()["kind"]]),
        expect![[r#"[200, "Service"]"#]],
    );
    Ok(())
}

async fn a_deletion_as_metadata_answers_with_a_status(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let request = Request::delete(MAP_A)
        .accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    run.expect(
        &run.send(request).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          details: {kind: "configmaps", name: "a", uid: "{uid}"},
          kind: "Status",
          metadata: {},
          status: "Success",
        }
    "#]],
    );
    Ok(())
}

/// The ConfigMap `a` with a finalizer of this manager.
async fn held(run: &Run) -> Result<()> {
    let body = map_with(json!({"finalizers": ["example.com/hold"]}));
    run.apply("first", MAP_A, body).await?.is(201)?;
    Ok(())
}

async fn finalizers_hold_an_object_and_the_answer_is_the_object(run: &Run) -> Result<()> {
    held(run).await?;
    run.expect(
        &run.delete(MAP_A).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            deletionGracePeriodSeconds: 0,
            deletionTimestamp: "{time}",
            finalizers: ["example.com/hold"],
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.get(MAP_A).await?.is(200)?;
    let free = json!({"metadata": {"finalizers": []}});
    run.expect(
        &run.patch(MAP_A, MERGE_PATCH, free).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            deletionGracePeriodSeconds: 0,
            deletionTimestamp: "{time}",
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.get(MAP_A).await?.is(404)?;
    Ok(())
}

async fn a_second_deletion_of_a_held_object_changes_nothing(run: &Run) -> Result<()> {
    held(run).await?;
    let first = run.delete(MAP_A).await?.is(200)?;
    let second = run.delete(MAP_A).await?.is(200)?;
    ensure!(first.json() == second.json(), "{} is not {}", first.json(), second.json());
    Ok(())
}

async fn a_wrong_uid_in_the_preconditions_is_a_conflict(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}});
    run.expect(&run.send(Request::delete_with(MAP_A, &options)).await?, expect![[r#"
        409
        {
          apiVersion: "v1",
          code: 409,
          details: {kind: "ConfigMap", name: "a"},
          kind: "Status",
          message: "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition ({uid}) does not match the UID in record ({uid}). The object might have been deleted and then recreated",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    run.get(MAP_A).await?.is(200)?;
    Ok(())
}

async fn a_wrong_version_in_the_preconditions_is_a_conflict(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let options = json!({"preconditions": {"resourceVersion": "1"}});
    let refused = run.send(Request::delete_with(MAP_A, &options)).await?;
    let mut body = refused.json();
    let message = body["message"].as_str().unwrap_or_default().to_owned();
    let digits = regex::Regex::new(r"record \(\d+\)")?;
    body["message"] = json!(digits.replace(&message, "record ({rv})"));
    run.expect_value(&body, expect![[r#"
        {
          apiVersion: "v1",
          code: 409,
          details: {kind: "ConfigMap", name: "a"},
          kind: "Status",
          message: "Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({rv}). The object might have been modified",
          metadata: {},
          reason: "Conflict",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn right_preconditions_delete(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let options = json!({"propagationPolicy": "Background",
        "preconditions": {"uid": made.uid(), "resourceVersion": made.resource_version()}});
    run.expect(
        &run.send(Request::delete_with(MAP_A, &options)).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          details: {kind: "configmaps", name: "a", uid: "{uid}"},
          kind: "Status",
          metadata: {},
          status: "Success",
        }
    "#]],
    );
    Ok(())
}

async fn an_apply_to_a_held_object_works(run: &Run) -> Result<()> {
    held(run).await?;
    run.delete(MAP_A).await?.is(200)?;
    let mut body = map(json!({"x": "1"}));
    body["metadata"]["finalizers"] = json!(["example.com/hold"]);
    run.expect(
        &run.apply("first", MAP_A, body).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            deletionGracePeriodSeconds: 0,
            deletionTimestamp: "{time}",
            finalizers: ["example.com/hold"],
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    Ok(())
}

async fn an_apply_that_adds_a_finalizer_to_a_held_object_is_a_422(run: &Run) -> Result<()> {
    held(run).await?;
    run.delete(MAP_A).await?.is(200)?;
    let body = map_with(json!({"finalizers": ["example.com/hold", "example.com/more"]}));
    run.expect(&run.apply("first", MAP_A, body).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "metadata.finalizers",
                message: "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/more\"}",
                reason: "FieldValueForbidden",
              },
              {
                field: "metadata.finalizers",
                message: "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/more\"}",
                reason: "FieldValueForbidden",
              },
            ],
            kind: "ConfigMap",
            name: "a",
          },
          kind: "Status",
          message: "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/more\"}",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn an_apply_that_drops_the_last_finalizer_ends_the_object(run: &Run) -> Result<()> {
    held(run).await?;
    run.delete(MAP_A).await?.is(200)?;
    let last = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?;
    run.expect(
        &last,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            deletionGracePeriodSeconds: 0,
            deletionTimestamp: "{time}",
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.get(MAP_A).await?.is(404)?;
    let anew = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    ensure!(anew.uid() != last.uid(), "the same uid");
    Ok(())
}

/// A ConfigMap `a` and its dependent `b`.
async fn family(run: &Run, block: bool) -> Result<()> {
    let owner = run.post(MAPS, map(json!({}))).await?.is(201)?;
    let mut body = named("b", json!({}));
    body["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap",
        "name": "a", "uid": owner.uid(), "blockOwnerDeletion": block}]);
    run.post(MAPS, body).await?.is(201)?;
    Ok(())
}

fn with_policy(policy: &str) -> Request {
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
    Request::delete_with(MAP_A, &options)
}

async fn dependents_go_in_the_background(run: &Run) -> Result<()> {
    family(run, false).await?;
    run.send(with_policy("Background")).await?.is(200)?;
    run.get(MAP_A).await?.is(404)?;
    run.until_gone(&format!("{MAPS}/b")).await
}

async fn dependents_can_be_orphaned(run: &Run) -> Result<()> {
    family(run, false).await?;
    let deleted = run.send(with_policy("Orphan")).await?;
    run.expect(
        &deleted,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            deletionGracePeriodSeconds: 0,
            deletionTimestamp: "{time}",
            finalizers: ["orphan"],
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.until_gone(MAP_A).await?;
    let orphan = run.get(&format!("{MAPS}/b")).await?.is(200)?;
    run.expect(&orphan, expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "b", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn foreground_deletion_waits_for_dependents(run: &Run) -> Result<()> {
    family(run, true).await?;
    let deleted = run.send(with_policy("Foreground")).await?;
    run.expect(
        &deleted,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            deletionGracePeriodSeconds: 0,
            deletionTimestamp: "{time}",
            finalizers: ["foregroundDeletion"],
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    run.until_gone(MAP_A).await?;
    run.get(&format!("{MAPS}/b")).await?.is(404)?;
    Ok(())
}

async fn a_dependent_of_an_owner_that_never_was_goes(run: &Run) -> Result<()> {
    let mut body = named("b", json!({}));
    body["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap",
        "name": "a", "uid": "00000000-0000-4000-8000-000000000000"}]);
    run.post(MAPS, body).await?.is(201)?;
    run.until_gone(&format!("{MAPS}/b")).await
}

async fn a_collection_can_be_deleted_by_selector(run: &Run) -> Result<()> {
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut body = named(name, json!({}));
        body["metadata"]["labels"] = json!({"app": label});
        run.post(MAPS, body).await?.is(201)?;
    }
    let deleted = run.delete(&format!("{MAPS}?labelSelector=app%3Dx")).await?.is(200)?.json();
    let names: Vec<&Value> =
        deleted["items"].as_array().into_iter().flatten().map(|i| &i["metadata"]["name"]).collect();
    run.expect_value(
        &json!([deleted["kind"], names]),
        expect![[r#"["ConfigMapList", ["a", "b"]]"#]],
    );
    run.get(MAP_A).await?.is(404)?;
    run.get(&format!("{MAPS}/c")).await?.is(200)?;
    Ok(())
}

async fn an_unknown_propagation_policy_is_a_422(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({}))).await?.is(201)?;
    run.expect(&run.send(with_policy("Sideways")).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "propagationPolicy",
                message: "Unsupported value: \"Sideways\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
                reason: "FieldValueNotSupported",
              },
            ],
            group: "meta.k8s.io",
            kind: "DeleteOptions",
          },
          kind: "Status",
          message: "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Sideways\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_deployment_takes_its_replica_sets_along(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let sets = "/apis/apps/v1/namespaces/{ns}/replicasets";
    let has = |count: usize| {
        move |list: &Value| list["items"].as_array().is_some_and(|items| items.len() == count)
    };
    run.until("replica set", sets, has(1)).await?;
    run.delete(DEPLOYMENT_A).await?.is(200)?;
    run.until("end of the replica set", sets, has(0)).await?;
    Ok(())
}

const OTHER: &str = "/api/v1/namespaces/{ns}-b";

async fn other_namespace(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}-b"}});
    run.post("/api/v1/namespaces", body).await?.is(201)?;
    Ok(())
}

async fn a_namespace_ends_with_its_contents(run: &Run) -> Result<()> {
    other_namespace(run).await?;
    let map_path = format!("{OTHER}/configmaps/a");
    run.apply("first", &map_path, map(json!({"x": "1"}))).await?.is(201)?;
    let deleted = run.delete(OTHER).await?;
    run.expect(
        &deleted,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: {
            creationTimestamp: "{time}",
            deletionTimestamp: "{time}",
            labels: {kubernetes.io/metadata.name: "{ns}-b"},
            name: "{ns}-b",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {finalizers: ["kubernetes"]},
          status: {phase: "Terminating"},
        }
    "#]],
    );
    run.until_gone(OTHER).await?;
    run.get(&map_path).await?.is(404)?;
    other_namespace(run).await
}

async fn a_terminating_namespace_takes_nothing_new(run: &Run) -> Result<()> {
    other_namespace(run).await?;
    let (old, new) = (format!("{OTHER}/configmaps/a"), format!("{OTHER}/configmaps/b"));
    let mut held = map(json!({"x": "1"}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    run.apply("first", &old, held).await?.is(201)?;
    run.delete(OTHER).await?.is(200)?;
    let refused = run.apply("first", &new, named("b", json!({}))).await?;
    run.expect(&refused, expect![[r#"
        403
        {
          apiVersion: "v1",
          code: 403,
          details: {
            causes: [
              {
                field: "metadata.namespace",
                message: "namespace {ns}-b is being terminated",
                reason: "NamespaceTerminating",
              },
            ],
            kind: "configmaps",
            name: "b",
          },
          kind: "Status",
          message: "configmaps \"b\" is forbidden: unable to create new content in namespace {ns}-b because it is being terminated",
          metadata: {},
          reason: "Forbidden",
          status: "Failure",
        }
    "#]]);
    let refused = run.post(&format!("{OTHER}/configmaps"), named("b", json!({}))).await?;
    ensure!(refused.status == 403, "{}", refused.status);
    // What is there can still be changed.
    let patch = json!({"data": {"x": "2"}});
    run.patch(&old, MERGE_PATCH, patch).await?.is(200)?;
    run.patch(&old, MERGE_PATCH, json!({"metadata": {"finalizers": null}})).await?.is(200)?;
    Ok(())
}

async fn a_namespace_says_what_holds_it(run: &Run) -> Result<()> {
    other_namespace(run).await?;
    let path = format!("{OTHER}/configmaps/a");
    let held = map_with(json!({"finalizers": ["example.com/hold"]}));
    run.apply("first", &path, held).await?.is(201)?;
    run.delete(OTHER).await?.is(200)?;
    let remaining = |namespace: &Value| {
        let conditions = namespace["status"]["conditions"].as_array();
        conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "NamespaceFinalizersRemaining" && one["status"] == "True")
        })
    };
    let namespace = run.until("remaining finalizers", OTHER, remaining).await?;
    run.expect_value(&namespace["status"], expect![[r#"
        {
          conditions: [
            {
              lastTransitionTime: "{time}",
              message: "All resources successfully discovered",
              reason: "ResourcesDiscovered",
              status: "False",
              type: "NamespaceDeletionDiscoveryFailure",
            },
            {
              lastTransitionTime: "{time}",
              message: "All legacy kube types successfully parsed",
              reason: "ParsedGroupVersions",
              status: "False",
              type: "NamespaceDeletionGroupVersionParsingFailure",
            },
            {
              lastTransitionTime: "{time}",
              message: "All content successfully deleted, may be waiting on finalization",
              reason: "ContentDeleted",
              status: "False",
              type: "NamespaceDeletionContentFailure",
            },
            {
              lastTransitionTime: "{time}",
              message: "Some resources are remaining: configmaps. has 1 resource instances",
              reason: "SomeResourcesRemain",
              status: "True",
              type: "NamespaceContentRemaining",
            },
            {
              lastTransitionTime: "{time}",
              message: "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
              reason: "SomeFinalizersRemain",
              status: "True",
              type: "NamespaceFinalizersRemaining",
            },
          ],
          phase: "Terminating",
        }
    "#]]);
    run.patch(&path, MERGE_PATCH, json!({"metadata": {"finalizers": null}})).await?.is(200)?;
    run.until_gone(OTHER).await
}

async fn a_delete_of_a_pod_without_a_node_is_at_once(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {
        "schedulerName": "nobody",
        "containers": [{"name": "c", "image": "registry.example/c:1"}]}});
    run.until("service account", "/api/v1/namespaces/{ns}/serviceaccounts/default", |_| true)
        .await?;
    run.post(path, pod).await?.is(201)?;
    let deleted = run.delete(&format!("{path}/a")).await?;
    run.expect_value(
        &json!([deleted.status, deleted.json()["kind"]]),
        expect![[r#"[200, "Pod"]"#]],
    );
    run.get(&format!("{path}/a")).await?.is(404)?;
    Ok(())
}
