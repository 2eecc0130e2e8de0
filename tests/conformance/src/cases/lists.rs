//! Lists: pages, selectors, versions, and the forms in which they can be asked for.

use super::given::{DEPLOYMENTS, MAP_A, MAPS, deployment, map, map_with, named};
use crate::case::{Section, section};
use crate::client::{Answer, Request};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("lists";
        a_list_has_kind_version_and_items_without_kind,
        a_limit_gives_pages_that_are_together_the_list,
        a_limit_at_version_zero_is_ignored,
        a_selector_hides_the_count_of_what_remains,
        label_selectors_know_equality_sets_and_existence,
        a_malformed_label_selector_is_a_400,
        field_selectors_know_name_and_namespace,
        an_unknown_field_selector_is_a_400,
        a_list_over_all_namespaces_is_ordered_by_namespace_and_name,
        a_list_at_a_version_of_the_future_is_a_504,
        a_malformed_version_is_a_400,
        a_malformed_continue_token_is_a_400,
        metadata_only_lists_carry_managers,
        an_object_can_be_asked_for_as_metadata,
        a_table_of_config_maps,
        a_table_of_deployments,
        a_table_of_one_object,
        a_table_of_namespaces,
        a_table_can_carry_no_or_whole_objects,
        an_empty_list_has_an_empty_array,
        a_list_of_an_absent_namespace_is_empty,
        pods_can_be_selected_by_phase_and_node,
        secrets_can_be_selected_by_type,
        a_get_at_a_version_is_at_least_as_new,
        a_shard_selector_is_silently_ignored,
    )
}

async fn fill(run: &Run, names: &[&str]) -> Result<()> {
    for name in names {
        run.post(MAPS, named(name, json!({"x": "1"}))).await?.is(201)?;
    }
    Ok(())
}

/// Our own namespace has a ConfigMap of the controllers; these are not it.
fn names(list: &Answer) -> Value {
    let items = list.json()["items"].clone();
    let name = |item: &Value| item["metadata"]["name"].clone();
    items.as_array().into_iter().flatten().map(name).filter(|n| n != "kube-root-ca.crt").collect()
}

async fn a_list_has_kind_version_and_items_without_kind(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map_with(json!({"labels": {"a": "1"}}))).await?.is(201)?;
    let list = run.get(&format!("{MAPS}?labelSelector=a")).await?;
    run.expect(
        &list,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          items: [
            {
              metadata: {
                creationTimestamp: "{time}",
                labels: {a: "1"},
                name: "a",
                namespace: "{ns}",
                resourceVersion: "{rv}",
                uid: "{uid}",
              },
            },
          ],
          kind: "ConfigMapList",
          metadata: {resourceVersion: "{rv}"},
        }
    "#]],
    );
    let (list, object) = (list.resource_version(), made.resource_version());
    ensure!(list.parse::<u64>()? >= object.parse::<u64>()?, "{list} < {object}");
    Ok(())
}

async fn a_limit_gives_pages_that_are_together_the_list(run: &Run) -> Result<()> {
    fill(run, &["a", "b", "c", "d", "e"]).await?;
    let path = format!("{MAPS}?limit=2&fieldSelector=metadata.name!=kube-root-ca.crt");
    let first = run.get(&path).await?;
    let token = first.json()["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    ensure!(!token.is_empty(), "no token");
    // What comes between the pages is not in them.
    run.post(MAPS, named("cc", json!({}))).await?.is(201)?;
    let second = run.get(&format!("{path}&continue={token}")).await?;
    let token = second.json()["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    let third = run.get(&format!("{path}&continue={token}")).await?;
    run.expect_value(
        &json!([names(&first), names(&second), names(&third)]),
        expect![[r#"[["a", "b"], ["c", "d"], ["e"]]"#]],
    );
    let version = |page: &Answer| page.json()["metadata"]["resourceVersion"].clone();
    ensure!(version(&first) == version(&third), "pages of different versions");
    run.expect_value(&third.json()["metadata"]["continue"], expect!["null"]);
    let refused = run.get(&format!("{MAPS}?limit=2&continue={token}&resourceVersion=1")).await?;
    run.expect(
        &refused,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "specifying resource version is not allowed when using continue",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn a_limit_at_version_zero_is_ignored(run: &Run) -> Result<()> {
    fill(run, &["a", "b", "c"]).await?;
    let version = run.get(MAPS).await?.resource_version();
    // The watch cache answers, and it may be behind by a moment.
    let path = format!("{MAPS}?limit=1&resourceVersion={version}");
    run.get(&path).await?.is(200)?;
    let all = run.get(&format!("{MAPS}?limit=1&resourceVersion=0")).await?;
    run.expect_value(&names(&all), expect![[r#"["a", "b", "c"]"#]]);
    Ok(())
}

async fn a_selector_hides_the_count_of_what_remains(run: &Run) -> Result<()> {
    for name in ["a", "b", "c"] {
        let mut body = named(name, json!({}));
        body["metadata"]["labels"] = json!({"app": "x"});
        run.post(MAPS, body).await?.is(201)?;
    }
    let one = run.get(&format!("{MAPS}?limit=1&labelSelector=app%3Dx")).await?.json();
    ensure!(one["metadata"]["remainingItemCount"].is_null(), "{}", one["metadata"]);
    ensure!(one["metadata"]["continue"].is_string(), "{}", one["metadata"]);
    let path = "/apis/apps/v1/namespaces/{ns}/deployments";
    for name in ["a", "b", "c"] {
        let mut body = deployment();
        body["metadata"]["name"] = json!(name);
        run.post(path, body).await?.is(201)?;
    }
    let one = run.get(&format!("{path}?limit=1")).await?.json();
    run.expect_value(&one["metadata"]["remainingItemCount"], expect!["2"]);
    Ok(())
}

async fn label_selectors_know_equality_sets_and_existence(run: &Run) -> Result<()> {
    let labels = [
        ("a", json!({"app": "x", "tier": "web"})),
        ("b", json!({"app": "y"})),
        ("c", json!({"app": "z", "tier": "db"})),
        ("d", json!({})),
    ];
    for (name, labels) in labels {
        let mut body = named(name, json!({}));
        body["metadata"]["labels"] = labels;
        run.post(MAPS, body).await?.is(201)?;
    }
    let mut seen = serde_json::Map::new();
    for selector in [
        "app=x",
        "app==y",
        "app!=x",
        "app in (x, y)",
        "app notin (x,y)",
        "tier",
        "!tier",
        "app,tier!=web",
        "app in (x,z),tier=db",
        "app=nothing",
    ] {
        let encoded = selector.replace(' ', "%20").replace('=', "%3D").replace('!', "%21");
        let list = run.get(&format!("{MAPS}?labelSelector={encoded}")).await?.is(200)?;
        seen.insert(selector.to_owned(), names(&list));
    }
    run.expect_value(
        &Value::Object(seen),
        expect![[r#"
        {
          "!tier": ["b", "d"],
          "app in (x, y)": ["a", "b"],
          "app in (x,z),tier=db": ["c"],
          "app notin (x,y)": ["c", "d"],
          "app!=x": ["b", "c", "d"],
          "app,tier!=web": ["b", "c"],
          "app==y": ["b"],
          "app=nothing": [],
          "app=x": ["a"],
          tier: ["a", "c"],
        }
    "#]],
    );
    Ok(())
}

async fn a_malformed_label_selector_is_a_400(run: &Run) -> Result<()> {
    run.expect(
        &run.get(&format!("{MAPS}?labelSelector=a%3D%3D%3Db")).await?,
        expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "unable to parse requirement: found '=', expected: identifier",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn field_selectors_know_name_and_namespace(run: &Run) -> Result<()> {
    fill(run, &["a", "b"]).await?;
    let one = run.get(&format!("{MAPS}?fieldSelector=metadata.name%3Da")).await?;
    run.expect_value(&names(&one), expect![[r#"["a"]"#]]);
    let path = "/api/v1/configmaps?fieldSelector=metadata.namespace%3D{ns},metadata.name!%3Db";
    run.expect_value(&names(&run.get(path).await?), expect![[r#"["a"]"#]]);
    Ok(())
}

async fn an_unknown_field_selector_is_a_400(run: &Run) -> Result<()> {
    run.expect(&run.get(&format!("{MAPS}?fieldSelector=data.x%3D1")).await?, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_list_over_all_namespaces_is_ordered_by_namespace_and_name(run: &Run) -> Result<()> {
    for namespace in ["{ns}-b", "{ns}-a"] {
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        run.post("/api/v1/namespaces", body).await?.is(201)?;
        for name in ["z", "y"] {
            let mut body = named(name, json!({}));
            body["metadata"]["labels"] = json!({"case": "{ns}"});
            let path = format!("/api/v1/namespaces/{namespace}/configmaps");
            run.post(&path, body).await?.is(201)?;
        }
    }
    let all = run.get("/api/v1/configmaps?labelSelector=case%3D{ns}").await?.json();
    let items = all["items"].as_array().cloned().unwrap_or_default();
    let key = |item: &Value| json!([item["metadata"]["namespace"], item["metadata"]["name"]]);
    run.expect_value(
        &items.iter().map(key).collect(),
        expect![[r#"[["{ns}-a", "y"], ["{ns}-a", "z"], ["{ns}-b", "y"], ["{ns}-b", "z"]]"#]],
    );
    Ok(())
}

async fn a_list_at_a_version_of_the_future_is_a_504(run: &Run) -> Result<()> {
    let refused = run.get(&format!("{MAPS}?resourceVersion=99999999")).await?;
    let body = refused.json();
    let message = body["message"].as_str().unwrap_or_default();
    ensure!(
        message.starts_with("Timeout: Too large resource version: 99999999, current: "),
        "{message}"
    );
    let seen = json!({"status": refused.status, "reason": body["reason"],
        "causes": body["details"]["causes"], "wait": body["details"]["retryAfterSeconds"]});
    run.expect_value(
        &seen,
        expect![[r#"
        {
          causes: [{message: "Too large resource version", reason: "ResourceVersionTooLarge"}],
          reason: "Timeout",
          status: 504,
          wait: 1,
        }
    "#]],
    );
    Ok(())
}

async fn a_malformed_version_is_a_400(run: &Run) -> Result<()> {
    run.expect(&run.get(&format!("{MAPS}?resourceVersion=abc")).await?, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_malformed_continue_token_is_a_400(run: &Run) -> Result<()> {
    run.expect(&run.get(&format!("{MAPS}?limit=1&continue=abc")).await?, expect![[r#"
        400
        {
          apiVersion: "v1",
          code: 400,
          kind: "Status",
          message: "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value",
          metadata: {},
          reason: "BadRequest",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn metadata_only_lists_carry_managers(run: &Run) -> Result<()> {
    let body = map_with(json!({"labels": {"a": "1"}, "annotations": {"b": "2"}}));
    run.apply("first", MAP_A, body).await?.is(201)?;
    let request = Request::get(&format!("{MAPS}?labelSelector=a"))
        .accept("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    let list = run.send(request).await?;
    run.expect(
        &list,
        expect![[r#"
        200
        {
          apiVersion: "meta.k8s.io/v1",
          items: [
            {
              apiVersion: "meta.k8s.io/v1",
              kind: "PartialObjectMetadata",
              metadata: {
                annotations: {b: "2"},
                creationTimestamp: "{time}",
                labels: {a: "1"},
                name: "a",
                namespace: "{ns}",
                resourceVersion: "{rv}",
                uid: "{uid}",
              },
            },
          ],
          kind: "PartialObjectMetadataList",
          metadata: {resourceVersion: "{rv}"},
        }
    "#]],
    );
    run.expect_owners(
        &list.json()["items"][0],
        expect![[r#"
        first Apply v1:
          metadata.annotations.b
          metadata.labels.a
    "#]],
    );
    Ok(())
}

async fn an_object_can_be_asked_for_as_metadata(run: &Run) -> Result<()> {
    run.apply("first", MAP_A, map(json!({"x": "1"}))).await?.is(201)?;
    let request = Request::get(MAP_A)
        .accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json");
    let one = run.send(request).await?;
    run.expect(&one, expect![[r#"
        200
        {
          apiVersion: "meta.k8s.io/v1",
          kind: "PartialObjectMetadata",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    run.expect_owners(
        &one.json(),
        expect![[r#"
        first Apply v1:
          data.x
    "#]],
    );
    Ok(())
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A table without the texts that explain its columns; ages are masked.
fn table(answer: &Answer) -> Value {
    let mut table = answer.json();
    for column in table["columnDefinitions"].as_array_mut().into_iter().flatten() {
        if let Some(column) = column.as_object_mut() {
            column.remove("description");
        }
    }
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        for cell in row["cells"].as_array_mut().into_iter().flatten() {
            let age = cell.as_str().is_some_and(|text| {
                text.strip_suffix('s').is_some_and(|n| n.parse::<u32>().is_ok())
            });
            if age {
                *cell = json!("{age}");
            }
        }
        if let Some(metadata) = row["object"]["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    }
    table
}

async fn a_table_of_config_maps(run: &Run) -> Result<()> {
    let mut body = map(json!({"x": "1", "y": "2"}));
    body["metadata"]["labels"] = json!({"a": "1"});
    run.post(MAPS, body).await?.is(201)?;
    let request = Request::get(&format!("{MAPS}?labelSelector=a")).accept(TABLE);
    let answer = run.send(request).await?;
    run.expect_value(
        &table(&answer),
        expect![[r#"
        {
          apiVersion: "meta.k8s.io/v1",
          columnDefinitions: [
            {format: "name", name: "Name", priority: 0, type: "string"},
            {format: "", name: "Data", priority: 0, type: "string"},
            {format: "", name: "Age", priority: 0, type: "string"},
          ],
          kind: "Table",
          metadata: {resourceVersion: "{rv}"},
          rows: [
            {
              cells: ["a", 2, "{age}"],
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
            },
          ],
        }
    "#]],
    );
    Ok(())
}

async fn a_table_of_deployments(run: &Run) -> Result<()> {
    run.post(DEPLOYMENTS, deployment()).await?.is(201)?;
    let answer = run.send(Request::get(DEPLOYMENTS).accept(TABLE)).await?;
    run.expect_value(
        &table(&answer)["columnDefinitions"],
        expect![[r#"
        [
          {format: "name", name: "Name", priority: 0, type: "string"},
          {format: "", name: "Ready", priority: 0, type: "string"},
          {format: "", name: "Up-to-date", priority: 0, type: "string"},
          {format: "", name: "Available", priority: 0, type: "string"},
          {format: "", name: "Age", priority: 0, type: "string"},
          {format: "", name: "Containers", priority: 1, type: "string"},
          {format: "", name: "Images", priority: 1, type: "string"},
          {format: "", name: "Selector", priority: 1, type: "string"},
        ]
    "#]],
    );
    run.expect_value(
        &table(&answer)["rows"][0]["cells"],
        expect![[r#"["a", "0/0", 0, 0, "{age}", "c", "registry.example/c:1", "app=a"]"#]],
    );
    Ok(())
}

async fn a_table_of_one_object(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let answer = run.send(Request::get(MAP_A).accept(TABLE)).await?;
    run.expect_value(
        &table(&answer)["rows"],
        expect![[r#"
        [
          {
            cells: ["a", 1, "{age}"],
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
          },
        ]
    "#]],
    );
    Ok(())
}

async fn a_table_of_namespaces(run: &Run) -> Result<()> {
    let answer = run.send(Request::get("/api/v1/namespaces/{ns}").accept(TABLE)).await?;
    run.expect_value(
        &table(&answer),
        expect![[r#"
        {
          apiVersion: "meta.k8s.io/v1",
          columnDefinitions: [
            {format: "name", name: "Name", priority: 0, type: "string"},
            {format: "", name: "Status", priority: 0, type: "string"},
            {format: "", name: "Age", priority: 0, type: "string"},
          ],
          kind: "Table",
          metadata: {resourceVersion: "{rv}"},
          rows: [
            {
              cells: ["{ns}", "Active", "{age}"],
              object: {
                apiVersion: "meta.k8s.io/v1",
                kind: "PartialObjectMetadata",
                metadata: {
                  creationTimestamp: "{time}",
                  labels: {kubernetes.io/metadata.name: "{ns}"},
                  name: "{ns}",
                  resourceVersion: "{rv}",
                  uid: "{uid}",
                },
              },
            },
          ],
        }
    "#]],
    );
    Ok(())
}

async fn a_table_can_carry_no_or_whole_objects(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let none = run.send(Request::get(&format!("{MAP_A}?includeObject=None")).accept(TABLE)).await?;
    run.expect_value(
        &table(&none)["rows"],
        expect![[r#"[{cells: ["a", 1, "{age}"], object: {metadata: null}}]"#]],
    );
    let whole =
        run.send(Request::get(&format!("{MAP_A}?includeObject=Object")).accept(TABLE)).await?;
    run.expect_value(
        &table(&whole)["rows"],
        expect![[r#"
        [
          {
            cells: ["a", 1, "{age}"],
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
          },
        ]
    "#]],
    );
    Ok(())
}

async fn an_empty_list_has_an_empty_array(run: &Run) -> Result<()> {
    run.expect(&run.get(DEPLOYMENTS).await?, expect![[r#"
        200
        {apiVersion: "apps/v1", items: [], kind: "DeploymentList", metadata: {resourceVersion: "{rv}"}}
    "#]]);
    Ok(())
}

async fn a_list_of_an_absent_namespace_is_empty(run: &Run) -> Result<()> {
    run.expect(
        &run.get("/api/v1/namespaces/{ns}-nope/configmaps").await?,
        expect![[r#"
        200
        {apiVersion: "v1", items: [], kind: "ConfigMapList", metadata: {resourceVersion: "{rv}"}}
    "#]],
    );
    Ok(())
}

async fn pods_can_be_selected_by_phase_and_node(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {
        "schedulerName": "nobody",
        "containers": [{"name": "c", "image": "registry.example/c:1"}]}});
    run.until("service account", "/api/v1/namespaces/{ns}/serviceaccounts/default", |_| true)
        .await?;
    run.post(path, pod).await?.is(201)?;
    let mut seen = serde_json::Map::new();
    for selector in [
        "status.phase=Pending",
        "status.phase=Running",
        "spec.nodeName=",
        "spec.nodeName=node-0",
        "status.phase!=Running,metadata.name=a",
    ] {
        let encoded = selector.replace('=', "%3D").replace('!', "%21");
        let list = run.get(&format!("{path}?fieldSelector={encoded}")).await?.is(200)?;
        seen.insert(selector.to_owned(), names(&list));
    }
    run.expect_value(
        &Value::Object(seen),
        expect![[r#"
        {
          "spec.nodeName=": ["a"],
          "spec.nodeName=node-0": [],
          "status.phase!=Running,metadata.name=a": ["a"],
          "status.phase=Pending": ["a"],
          "status.phase=Running": [],
        }
    "#]],
    );
    Ok(())
}

async fn secrets_can_be_selected_by_type(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/secrets";
    for (name, kind) in [("a", "Opaque"), ("b", "example.com/other")] {
        let body =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind});
        run.post(path, body).await?.is(201)?;
    }
    let list = run.get(&format!("{path}?fieldSelector=type%3Dexample.com/other")).await?;
    run.expect_value(&names(&list), expect![[r#"["b"]"#]]);
    Ok(())
}

async fn a_get_at_a_version_is_at_least_as_new(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let path = format!("{MAP_A}?resourceVersion={}", made.resource_version());
    let seen = run.get(&path).await?.is(200)?;
    ensure!(seen.json()["data"] == json!({"x": "1"}), "{}", seen.json());
    Ok(())
}

async fn a_shard_selector_is_silently_ignored(run: &Run) -> Result<()> {
    fill(run, &["a", "b"]).await?;
    let shard = "shardRange(object.metadata.uid,'0x0000000000000000','0x0000000000000001')";
    let list = run.get(&format!("{MAPS}?shardSelector={shard}")).await?.is(200)?;
    run.expect_value(
        &json!([names(&list), list.json()["metadata"]["shardInfo"]]),
        expect![[r#"[["a", "b"], null]"#]],
    );
    Ok(())
}
