//! Watches: what is told, in which shape, and how they end.

use super::given::{MAP_A, MAPS, map, map_with, named};
use crate::case::{Section, section};
use crate::client::{MERGE_PATCH, Request, Watch};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("watches";
        a_watch_tells_of_changes_after_its_version,
        a_watch_without_a_version_begins_with_what_is_there,
        a_watch_tells_whole_objects,
        a_watch_can_tell_metadata_only,
        a_watch_can_tell_tables,
        an_object_that_leaves_the_selector_is_deleted,
        an_object_that_enters_the_selector_is_added,
        a_deletion_has_a_version_of_its_own,
        a_watch_by_field_is_of_one_object,
        initial_events_end_with_a_bookmark,
        initial_events_as_metadata_end_with_a_bookmark,
        initial_events_need_a_match,
        a_bookmark_comes_when_the_watch_ends_at_its_timeout,
        a_watch_over_all_namespaces_sees_this_one,
        the_watch_path_of_old_works,
        a_watch_of_one_object_by_name_tells_its_changes,
        a_deleted_object_with_finalizers_is_modified_first,
        a_watch_answer_is_a_stream_of_json,
    )
}

/// `ADDED a`, and so on. Bookmarks may come at any time.
async fn next(watch: &mut Watch) -> Result<String> {
    let mut event = watch.event().await?;
    while event["type"] == "BOOKMARK" {
        event = watch.event().await?;
    }
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    Ok(format!("{} {}\n", word(&event["type"]), word(&event["object"]["metadata"]["name"])))
}

async fn take(watch: &mut Watch, count: usize) -> Result<String> {
    let mut lines = String::new();
    for _ in 0..count {
        lines.push_str(&next(watch).await?);
    }
    Ok(lines)
}

/// A watch from now on, with a query that begins with `&` or is empty.
async fn from_now(run: &Run, query: &str) -> Result<Watch> {
    let version = run.get(MAPS).await?.resource_version();
    run.watch(&format!("{MAPS}?watch=1&resourceVersion={version}{query}")).await
}

/// Without the ConfigMap that controllers put into each namespace.
const OURS: &str = "&fieldSelector=metadata.name!%3Dkube-root-ca.crt";

async fn a_watch_tells_of_changes_after_its_version(run: &Run) -> Result<()> {
    let mut watch = from_now(run, OURS).await?;
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "2"}})).await?.is(200)?;
    run.post(MAPS, named("b", json!({}))).await?.is(201)?;
    run.delete(MAP_A).await?.is(200)?;
    run.expect_text(
        &take(&mut watch, 4).await?,
        expect![[r#"
        ADDED a
        MODIFIED a
        ADDED b
        DELETED a
    "#]],
    );
    Ok(())
}

async fn a_watch_without_a_version_begins_with_what_is_there(run: &Run) -> Result<()> {
    run.post(MAPS, named("b", json!({}))).await?.is(201)?;
    run.post(MAPS, named("a", json!({}))).await?.is(201)?;
    let mut watch = run.watch(&format!("{MAPS}?watch=true{OURS}")).await?;
    run.expect_text(
        &take(&mut watch, 2).await?,
        expect![[r#"
        ADDED a
        ADDED b
    "#]],
    );
    run.delete(MAP_A).await?.is(200)?;
    run.expect_text(
        &next(&mut watch).await?,
        expect![[r#"
        DELETED a
    "#]],
    );
    Ok(())
}

async fn a_watch_tells_whole_objects(run: &Run) -> Result<()> {
    let mut watch = from_now(run, OURS).await?;
    let made = run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?.json();
    let event = watch.event().await?;
    ensure!(event == json!({"type": "ADDED", "object": made}), "{event} is not of {made}");
    Ok(())
}

async fn a_watch_can_tell_metadata_only(run: &Run) -> Result<()> {
    let version = run.get(MAPS).await?.resource_version();
    let request = Request::get(&format!("{MAPS}?watch=1&resourceVersion={version}{OURS}"))
        .accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let mut watch = run.watch_with(request).await?;
    run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let event = watch.event().await?;
    run.expect_owners(
        &event["object"],
        expect![[r#"
        first Apply v1:
          data.x
    "#]],
    );
    run.expect_value(
        &without_managers(event),
        expect![[r#"
        {
          object: {
            apiVersion: "meta.k8s.io/v1",
            kind: "PartialObjectMetadata",
            metadata: {
              creationTimestamp: "{time}",
              name: "a",
              namespace: "{ns}",
              resourceVersion: "{rv}",
              uid: "{uid}",
            },
          },
          type: "ADDED",
        }
    "#]],
    );
    Ok(())
}

fn without_managers(mut event: Value) -> Value {
    if let Some(metadata) = event["object"]["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    event
}

async fn a_watch_can_tell_tables(run: &Run) -> Result<()> {
    let version = run.get(MAPS).await?.resource_version();
    let request = Request::get(&format!("{MAPS}?watch=1&resourceVersion={version}{OURS}"))
        .accept("application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    let mut watch = run.watch_with(request).await?;
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"y": "2"}})).await?.is(200)?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = watch.event().await?;
        let (table, row) = (&event["object"], &event["object"]["rows"][0]);
        seen.push(json!({"type": event["type"], "kind": table["kind"], "name": row["cells"][0],
            "columns": table["columnDefinitions"].as_array().map(Vec::len),
            "object": row["object"]["kind"]}));
    }
    run.expect_value(&json!(seen), expect![[r#"
        [
          {columns: 3, kind: "Table", name: "a", object: "PartialObjectMetadata", type: "ADDED"},
          {columns: null, kind: "Table", name: "a", object: "PartialObjectMetadata", type: "MODIFIED"},
        ]
    "#]]);
    Ok(())
}

async fn an_object_that_leaves_the_selector_is_deleted(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map_with(json!({"labels": {"app": "x"}}))).await?.is(201)?;
    let path =
        format!("{MAPS}?watch=1&labelSelector=app%3Dx&resourceVersion={}", made.resource_version());
    let mut watch = run.watch(&path).await?;
    let patch = json!({"metadata": {"labels": {"app": "y"}}, "data": {"x": "1"}});
    run.patch(MAP_A, MERGE_PATCH, patch).await?.is(200)?;
    let event = watch.event().await?;
    // The object as it was last in sight, at the version of the change.
    run.expect_value(
        &without_managers(event),
        expect![[r#"
        {
          object: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: {
              creationTimestamp: "{time}",
              labels: {app: "x"},
              name: "a",
              namespace: "{ns}",
              resourceVersion: "{rv}",
              uid: "{uid}",
            },
          },
          type: "DELETED",
        }
    "#]],
    );
    Ok(())
}

async fn an_object_that_enters_the_selector_is_added(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let mut watch = from_now(run, "&labelSelector=app%3Dx").await?;
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "2"}})).await?.is(200)?;
    let label = json!({"metadata": {"labels": {"app": "x"}}});
    run.patch(MAP_A, MERGE_PATCH, label).await?.is(200)?;
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "3"}})).await?.is(200)?;
    run.expect_text(
        &take(&mut watch, 2).await?,
        expect![[r#"
        ADDED a
        MODIFIED a
    "#]],
    );
    Ok(())
}

async fn a_deletion_has_a_version_of_its_own(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!("{MAPS}?watch=1&resourceVersion={}{OURS}", made.resource_version());
    let mut watch = run.watch(&path).await?;
    run.delete(MAP_A).await?.is(200)?;
    let event = watch.event().await?;
    run.expect_value(
        &without_managers(event.clone()),
        expect![[r#"
        {
          object: {
            apiVersion: "v1",
            data: {x: "1"},
            kind: "ConfigMap",
            metadata: {
              creationTimestamp: "{time}",
              name: "a",
              namespace: "{ns}",
              resourceVersion: "{rv}",
              uid: "{uid}",
            },
          },
          type: "DELETED",
        }
    "#]],
    );
    let version = event["object"]["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    ensure!(version.parse::<u64>()? > made.resource_version().parse()?, "{version}");
    Ok(())
}

async fn a_watch_by_field_is_of_one_object(run: &Run) -> Result<()> {
    let mut watch = from_now(run, "&fieldSelector=metadata.name%3Db").await?;
    run.post(MAPS, map(json!({}))).await?.is(201)?;
    run.post(MAPS, named("b", json!({}))).await?.is(201)?;
    run.expect_text(
        &next(&mut watch).await?,
        expect![[r#"
        ADDED b
    "#]],
    );
    Ok(())
}

const INITIAL: &str =
    "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

async fn initial_events_end_with_a_bookmark(run: &Run) -> Result<()> {
    run.post(MAPS, named("b", json!({}))).await?.is(201)?;
    run.post(MAPS, named("a", json!({}))).await?.is(201)?;
    let mut watch = run.watch(&format!("{MAPS}?watch=1{INITIAL}{OURS}")).await?;
    let mut first = [next(&mut watch).await?, next(&mut watch).await?];
    first.sort();
    run.expect_text(
        &first.concat(),
        expect![[r#"
        ADDED a
        ADDED b
    "#]],
    );
    run.expect_value(
        &watch.event().await?,
        expect![[r#"
        {
          object: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: {annotations: {k8s.io/initial-events-end: "true"}, resourceVersion: "{rv}"},
          },
          type: "BOOKMARK",
        }
    "#]],
    );
    run.delete(MAP_A).await?.is(200)?;
    run.expect_text(
        &next(&mut watch).await?,
        expect![[r#"
            DELETED a
        "#]],
    );
    Ok(())
}

async fn initial_events_as_metadata_end_with_a_bookmark(run: &Run) -> Result<()> {
    run.post(MAPS, map_with(json!({"labels": {"a": "1"}}))).await?.is(201)?;
    let request = Request::get(&format!("{MAPS}?watch=1&labelSelector=a{INITIAL}"))
        .accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let mut watch = run.watch_with(request).await?;
    run.expect_value(
        &without_managers(watch.event().await?),
        expect![[r#"
        {
          object: {
            apiVersion: "meta.k8s.io/v1",
            kind: "PartialObjectMetadata",
            metadata: {
              creationTimestamp: "{time}",
              labels: {a: "1"},
              name: "a",
              namespace: "{ns}",
              resourceVersion: "{rv}",
              uid: "{uid}",
            },
          },
          type: "ADDED",
        }
    "#]],
    );
    run.expect_value(
        &watch.event().await?,
        expect![[r#"
        {
          object: {
            apiVersion: "meta.k8s.io/v1",
            kind: "PartialObjectMetadata",
            metadata: {annotations: {k8s.io/initial-events-end: "true"}, resourceVersion: "{rv}"},
          },
          type: "BOOKMARK",
        }
    "#]],
    );
    Ok(())
}

async fn initial_events_need_a_match(run: &Run) -> Result<()> {
    let path = format!("{MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true");
    run.expect(&run.get(&path).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "resourceVersionMatch",
                message: "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                reason: "FieldValueForbidden",
              },
            ],
            group: "meta.k8s.io",
            kind: "ListOptions",
          },
          kind: "Status",
          message: "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    let path = format!("{MAPS}?sendInitialEvents=true");
    run.expect(&run.get(&path).await?, expect![[r#"
        422
        {
          apiVersion: "v1",
          code: 422,
          details: {
            causes: [
              {
                field: "sendInitialEvents",
                message: "Forbidden: sendInitialEvents is forbidden for list",
                reason: "FieldValueForbidden",
              },
            ],
            group: "meta.k8s.io",
            kind: "ListOptions",
          },
          kind: "Status",
          message: "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_bookmark_comes_when_the_watch_ends_at_its_timeout(run: &Run) -> Result<()> {
    let mut watch = from_now(run, "&allowWatchBookmarks=true&timeoutSeconds=3").await?;
    let mut bookmark = None;
    while let Some(event) = watch.next().await? {
        if event["type"] == "BOOKMARK" {
            bookmark = Some(event);
        }
    }
    run.expect_value(&bookmark.unwrap_or_default(), expect![[r#"{object: {apiVersion: "v1", kind: "ConfigMap", metadata: {resourceVersion: "{rv}"}}, type: "BOOKMARK"}"#]]);
    Ok(())
}

async fn a_watch_over_all_namespaces_sees_this_one(run: &Run) -> Result<()> {
    let version = run.get(MAPS).await?.resource_version();
    let path =
        format!("/api/v1/configmaps?watch=1&labelSelector=case%3D{{ns}}&resourceVersion={version}");
    let mut watch = run.watch(&path).await?;
    run.post(MAPS, map_with(json!({"labels": {"case": "{ns}"}}))).await?.is(201)?;
    let event = watch.event().await?;
    let metadata = &event["object"]["metadata"];
    run.expect_value(
        &json!([metadata["namespace"], metadata["name"]]),
        expect![[r#"["{ns}", "a"]"#]],
    );
    Ok(())
}

async fn the_watch_path_of_old_works(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({}))).await?.is(201)?;
    let mut watch =
        run.watch(&format!("/api/v1/watch/namespaces/{{ns}}/configmaps?{}", &OURS[1..])).await?;
    run.expect_text(
        &next(&mut watch).await?,
        expect![[r#"
        ADDED a
    "#]],
    );
    Ok(())
}

async fn a_watch_of_one_object_by_name_tells_its_changes(run: &Run) -> Result<()> {
    // What kubectl wait does.
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!(
        "{MAPS}?watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3Da&resourceVersion={}",
        made.resource_version()
    );
    let mut watch = run.watch(&path).await?;
    run.patch(MAP_A, MERGE_PATCH, json!({"data": {"x": "2"}})).await?.is(200)?;
    run.delete(MAP_A).await?.is(200)?;
    run.expect_text(
        &take(&mut watch, 2).await?,
        expect![[r#"
        MODIFIED a
        DELETED a
    "#]],
    );
    Ok(())
}

async fn a_deleted_object_with_finalizers_is_modified_first(run: &Run) -> Result<()> {
    let body = map_with(json!({"finalizers": ["example.com/hold"]}));
    let made = run.post(MAPS, body).await?.is(201)?;
    let path = format!("{MAPS}?watch=1&resourceVersion={}{OURS}", made.resource_version());
    let mut watch = run.watch(&path).await?;
    run.delete(MAP_A).await?.is(200)?;
    let patch = json!({"metadata": {"finalizers": null}});
    run.patch(MAP_A, MERGE_PATCH, patch).await?.is(200)?;
    // One event for both steps of the end: the removal of the last finalizer is the deletion.
    run.expect_text(
        &take(&mut watch, 2).await?,
        expect![[r#"
        MODIFIED a
        DELETED a
    "#]],
    );
    Ok(())
}

async fn a_watch_answer_is_a_stream_of_json(run: &Run) -> Result<()> {
    let answer = run.get(&format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0")).await?;
    run.expect_text(answer.header("content-type"), expect!["application/json"]);
    Ok(())
}
