//! Merge patches, JSON patches and strategic merge patches, and what any write does to an object.

use super::given::{DEPLOYMENT_A, DEPLOYMENTS, MAP_A, MAPS, deployment, map, map_with, named};
use crate::case::{Section, section};
use crate::client::{JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH};
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("writes and patches";
        a_create_answers_201_with_the_object,
        a_generated_name_gets_a_suffix,
        what_the_server_sets_cannot_be_sent,
        generation_counts_changes_of_the_spec_only,
        a_replace_without_a_version_wins,
        a_replace_keeps_uid_and_creation_time,
        a_write_that_changes_nothing_writes_nothing,
        a_merge_patch_removes_by_null_and_replaces_lists,
        a_json_patch_adds_replaces_moves_copies_and_removes,
        a_strategic_patch_merges_containers_by_name,
        a_strategic_patch_merges_env_and_removes_by_directive,
        a_strategic_patch_replaces_what_it_says,
        a_strategic_patch_retains_the_keys_it_says,
        a_strategic_patch_orders_by_directive,
        a_strategic_patch_deletes_from_a_list_of_words,
        a_strategic_patch_merges_ports_of_a_service_by_port,
        a_patch_of_a_scale_changes_the_replicas,
        a_get_of_a_scale_shows_replicas_and_selector,
        a_status_write_leaves_the_spec_alone,
        a_write_of_the_main_resource_leaves_the_status_alone,
        a_body_can_be_yaml,
        an_answer_can_be_yaml,
    )
}

async fn a_create_answers_201_with_the_object(run: &Run) -> Result<()> {
    run.expect(&run.post(MAPS, map(json!({"x": "1"}))).await?, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    let secret = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"},
        "binaryData": {"x": "AAE="}});
    run.expect(&run.post(MAPS, secret).await?, expect![[r#"
        201
        {
          apiVersion: "v1",
          binaryData: {x: "AAE="},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "b", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn a_generated_name_gets_a_suffix(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}});
    let made = run.post(MAPS, body).await?.is(201)?.json();
    let name = made["metadata"]["name"].as_str().unwrap_or_default();
    ensure!(name.len() == 7 && name.starts_with("a-"), "{name}");
    ensure!(name[2..].chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
    run.expect_value(&made["metadata"]["generateName"], expect![[r#""a-""#]]);
    Ok(())
}

async fn what_the_server_sets_cannot_be_sent(run: &Run) -> Result<()> {
    let metadata = json!({"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7, "selfLink": "/mine", "deletionTimestamp": "2001-01-01T00:00:00Z"});
    let made = run.post(MAPS, map_with(metadata)).await?;
    run.expect(
        &made,
        expect![[r#"
        201
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            generation: 7,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
        }
    "#]],
    );
    ensure!(made.uid().len() == 36, "{}", made.uid());
    ensure!(!made.json()["metadata"]["creationTimestamp"].to_string().contains("2001"), "the time");
    let refused = run.post(MAPS, map_with(json!({"resourceVersion": "5"}))).await?;
    run.expect(
        &refused,
        expect![[r#"
        500
        {
          apiVersion: "v1",
          code: 500,
          kind: "Status",
          message: "resourceVersion should not be set on objects to be created",
          metadata: {},
          status: "Failure",
        }
    "#]],
    );
    Ok(())
}

async fn generation_counts_changes_of_the_spec_only(run: &Run) -> Result<()> {
    let generation =
        |answer: &crate::client::Answer| answer.json()["metadata"]["generation"].clone();
    let made = run.post(DEPLOYMENTS, deployment()).await?.is(201)?;
    let label = json!({"metadata": {"labels": {"a": "1"}}});
    let labelled = run.patch(DEPLOYMENT_A, MERGE_PATCH, label).await?.is(200)?;
    let pause = json!({"spec": {"paused": true}});
    let paused = run.patch(DEPLOYMENT_A, MERGE_PATCH, pause).await?.is(200)?;
    let scale = json!({"spec": {"replicas": 1}});
    run.patch(&format!("{DEPLOYMENT_A}/scale"), MERGE_PATCH, scale).await?.is(200)?;
    let scaled = run.get(DEPLOYMENT_A).await?;
    let map = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let all = [made, labelled, paused, scaled, map].map(|answer| generation(&answer));
    run.expect_value(&json!(all), expect!["[1, 1, 2, 3, null]"]);
    Ok(())
}

async fn a_replace_without_a_version_wins(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    run.expect(&run.put(MAP_A, map(json!({"y": "1"}))).await?, expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {y: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn a_replace_keeps_uid_and_creation_time(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let replaced = run.put(MAP_A, map(json!({"y": "1"}))).await?.is(200)?;
    ensure!(made.uid() == replaced.uid(), "another uid");
    let time =
        |answer: &crate::client::Answer| answer.json()["metadata"]["creationTimestamp"].clone();
    ensure!(time(&made) == time(&replaced), "another time");
    Ok(())
}

async fn a_write_that_changes_nothing_writes_nothing(run: &Run) -> Result<()> {
    let made = run.post(MAPS, map(json!({"x": "1"}))).await?.is(201)?;
    let replaced = run.put(MAP_A, made.json()).await?.is(200)?;
    let patched = run.patch(MAP_A, STRATEGIC_PATCH, json!({"data": {"x": "1"}})).await?.is(200)?;
    ensure!(made.json() == replaced.json(), "the PUT wrote {}", replaced.json());
    ensure!(made.json() == patched.json(), "the patch wrote {}", patched.json());
    Ok(())
}

async fn a_merge_patch_removes_by_null_and_replaces_lists(run: &Run) -> Result<()> {
    let metadata = json!({"labels": {"a": "1", "b": "1"}, "finalizers": ["example.com/one"]});
    run.post(MAPS, map_with(metadata)).await?.is(201)?;
    let patch = json!({"metadata": {"labels": {"a": null, "c": "1"},
        "finalizers": ["example.com/two"]}, "data": {"x": "1"}});
    run.expect(
        &run.patch(MAP_A, MERGE_PATCH, patch).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            finalizers: ["example.com/two"],
            labels: {b: "1", c: "1"},
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

async fn a_json_patch_adds_replaces_moves_copies_and_removes(run: &Run) -> Result<()> {
    run.post(MAPS, map(json!({"a": "1", "b": "2", "c": "3"}))).await?.is(201)?;
    let patch = json!([
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "add", "path": "/metadata/labels", "value": {"example.com/x": "1"}},
        {"op": "replace", "path": "/metadata/labels/example.com~1x", "value": "2"},
        {"op": "move", "from": "/data/a", "path": "/data/moved"},
        {"op": "copy", "from": "/data/b", "path": "/data/copied"},
        {"op": "remove", "path": "/data/c"},
    ]);
    run.expect(
        &run.patch(MAP_A, JSON_PATCH, patch).await?,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          data: {b: "2", copied: "2", moved: "1"},
          kind: "ConfigMap",
          metadata: {
            creationTimestamp: "{time}",
            labels: {example.com/x: "2"},
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

/// A Deployment with two containers, patched; its pod spec without what is defaulted.
async fn patched(run: &Run, patch: Value) -> Result<Value> {
    let mut body = deployment();
    body["spec"]["template"]["spec"] = json!({
        "containers": [
            {"name": "a", "image": "registry.example/a:1", "args": ["x", "y"],
                "env": [{"name": "ONE", "value": "1"}, {"name": "TWO", "value": "2"}]},
            {"name": "b", "image": "registry.example/b:1"},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [{"key": "one", "operator": "Exists"}],
    });
    run.post(DEPLOYMENTS, body).await?.is(201)?;
    let patch = json!({"spec": {"template": {"spec": patch}}});
    let after = run.patch(DEPLOYMENT_A, STRATEGIC_PATCH, patch).await?.is(200)?.json();
    let spec = &after["spec"]["template"]["spec"];
    let mut shown = json!({"containers": [], "volumes": spec["volumes"],
        "tolerations": spec["tolerations"]});
    for container in spec["containers"].as_array().into_iter().flatten() {
        let keys = ["name", "image", "args", "env"];
        let kept: serde_json::Map<_, _> = keys
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), container.get(*key)?.clone())))
            .collect();
        if let Some(list) = shown["containers"].as_array_mut() {
            list.push(Value::Object(kept));
        }
    }
    Ok(shown)
}

async fn a_strategic_patch_merges_containers_by_name(run: &Run) -> Result<()> {
    let patch = json!({"containers": [{"name": "b", "image": "registry.example/b:2"},
        {"name": "c", "image": "registry.example/c:1"}],
        "tolerations": [{"key": "two", "operator": "Exists"}]});
    run.expect_value(
        &patched(run, patch).await?,
        expect![[r#"
        {
          containers: [
            {
              args: ["x", "y"],
              env: [{name: "ONE", value: "1"}, {name: "TWO", value: "2"}],
              image: "registry.example/a:1",
              name: "a",
            },
            {image: "registry.example/b:2", name: "b"},
            {image: "registry.example/c:1", name: "c"},
          ],
          tolerations: [{key: "two", operator: "Exists"}],
          volumes: [{emptyDir: {}, name: "v"}],
        }
    "#]],
    );
    Ok(())
}

async fn a_strategic_patch_merges_env_and_removes_by_directive(run: &Run) -> Result<()> {
    let patch = json!({"containers": [
        {"name": "a", "args": ["z"], "env": [{"name": "ONE", "$patch": "delete"},
            {"name": "TWO", "value": "3"}, {"name": "NEW", "value": "4"}]},
        {"name": "b", "$patch": "delete"},
    ]});
    run.expect_value(
        &patched(run, patch).await?,
        expect![[r#"
        {
          containers: [
            {
              args: ["z"],
              env: [{name: "TWO", value: "3"}, {name: "NEW", value: "4"}],
              image: "registry.example/a:1",
              name: "a",
            },
          ],
          tolerations: [{key: "one", operator: "Exists"}],
          volumes: [{emptyDir: {}, name: "v"}],
        }
    "#]],
    );
    Ok(())
}

async fn a_strategic_patch_replaces_what_it_says(run: &Run) -> Result<()> {
    let patch = json!({"containers": [{"$patch": "replace"},
        {"name": "only", "image": "registry.example/o:1"}], "volumes": null});
    run.expect_value(
        &patched(run, patch).await?,
        expect![[r#"
        {
          containers: [{image: "registry.example/o:1", name: "only"}],
          tolerations: [{key: "one", operator: "Exists"}],
          volumes: null,
        }
    "#]],
    );
    Ok(())
}

async fn a_strategic_patch_retains_the_keys_it_says(run: &Run) -> Result<()> {
    let patch = json!({"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"],
        "configMap": {"name": "a"}}]});
    run.expect_value(
        &patched(run, patch).await?,
        expect![[r#"
        {
          containers: [
            {
              args: ["x", "y"],
              env: [{name: "ONE", value: "1"}, {name: "TWO", value: "2"}],
              image: "registry.example/a:1",
              name: "a",
            },
            {image: "registry.example/b:1", name: "b"},
          ],
          tolerations: [{key: "one", operator: "Exists"}],
          volumes: [{configMap: {defaultMode: 420, name: "a"}, name: "v"}],
        }
    "#]],
    );
    Ok(())
}

async fn a_strategic_patch_orders_by_directive(run: &Run) -> Result<()> {
    let patch = json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
        "containers": [{"name": "a", "image": "registry.example/a:2"}]});
    run.expect_value(
        &patched(run, patch).await?,
        expect![[r#"
        {
          containers: [
            {image: "registry.example/b:1", name: "b"},
            {
              args: ["x", "y"],
              env: [{name: "ONE", value: "1"}, {name: "TWO", value: "2"}],
              image: "registry.example/a:2",
              name: "a",
            },
          ],
          tolerations: [{key: "one", operator: "Exists"}],
          volumes: [{emptyDir: {}, name: "v"}],
        }
    "#]],
    );
    Ok(())
}

async fn a_strategic_patch_deletes_from_a_list_of_words(run: &Run) -> Result<()> {
    let metadata = json!({"finalizers": ["example.com/one", "example.com/two"]});
    run.post(MAPS, map_with(metadata)).await?.is(201)?;
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/one"],
        "finalizers": ["example.com/three"]}});
    let after = run.patch(MAP_A, STRATEGIC_PATCH, patch).await?.is(200)?.json();
    run.expect_value(
        &after["metadata"]["finalizers"],
        expect![[r#"["example.com/three", "example.com/two"]"#]],
    );
    Ok(())
}

async fn a_strategic_patch_merges_ports_of_a_service_by_port(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}/services";
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {
        "clusterIP": "None", "ports": [{"name": "http", "port": 80}]}});
    run.post(path, body).await?.is(201)?;
    let patch = json!({"spec": {"ports": [{"name": "metrics", "port": 9090},
        {"port": 80, "targetPort": 8080}]}});
    let after = run.patch(&format!("{path}/a"), STRATEGIC_PATCH, patch).await?.is(200)?.json();
    run.expect_value(
        &after["spec"]["ports"],
        expect![[r#"
        [
          {name: "metrics", port: 9090, protocol: "TCP", targetPort: 9090},
          {name: "http", port: 80, protocol: "TCP", targetPort: 8080},
        ]
    "#]],
    );
    Ok(())
}

async fn a_patch_of_a_scale_changes_the_replicas(run: &Run) -> Result<()> {
    run.post(DEPLOYMENTS, deployment()).await?.is(201)?;
    let path = format!("{DEPLOYMENT_A}/scale");
    let scaled = run.patch(&path, MERGE_PATCH, json!({"spec": {"replicas": 2}})).await?;
    run.expect(&scaled, expect![[r#"
        200
        {
          apiVersion: "autoscaling/v1",
          kind: "Scale",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {replicas: 2},
          status: {replicas: 0, selector: "app=a"},
        }
    "#]]);
    run.expect_value(&run.get(DEPLOYMENT_A).await?.json()["spec"]["replicas"], expect!["2"]);
    let body = json!({"apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "a", "namespace": "{ns}"}, "spec": {"replicas": 3}});
    run.put(&path, body).await?.is(200)?;
    run.expect_value(&run.get(DEPLOYMENT_A).await?.json()["spec"]["replicas"], expect!["3"]);
    let refused = run.patch(&path, MERGE_PATCH, json!({"spec": {"replicas": -1}})).await?;
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
            ],
            group: "autoscaling",
            kind: "Scale",
            name: "a",
          },
          kind: "Status",
          message: "Scale.autoscaling \"a\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
          metadata: {},
          reason: "Invalid",
          status: "Failure",
        }
    "#]]);
    Ok(())
}

async fn a_get_of_a_scale_shows_replicas_and_selector(run: &Run) -> Result<()> {
    run.post(DEPLOYMENTS, deployment()).await?.is(201)?;
    run.expect(&run.get(&format!("{DEPLOYMENT_A}/scale")).await?, expect![[r#"
        200
        {
          apiVersion: "autoscaling/v1",
          kind: "Scale",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {},
          status: {replicas: 0, selector: "app=a"},
        }
    "#]]);
    Ok(())
}

async fn a_status_write_leaves_the_spec_alone(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}";
    let patch = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"finalizers": []},
        "status": {"phase": "Active", "conditions": [{"type": "Mine", "status": "True"}]}});
    let written = run.patch(&format!("{path}/status"), MERGE_PATCH, patch).await?;
    run.expect(&written, expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: {
            creationTimestamp: "{time}",
            labels: {a: "1", kubernetes.io/metadata.name: "{ns}"},
            name: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {finalizers: ["kubernetes"]},
          status: {conditions: [{lastTransitionTime: null, status: "True", type: "Mine"}], phase: "Active"},
        }
    "#]]);
    Ok(())
}

async fn a_write_of_the_main_resource_leaves_the_status_alone(run: &Run) -> Result<()> {
    let path = "/api/v1/namespaces/{ns}";
    let patch = json!({"status": {"phase": "Terminating"}, "metadata": {"labels": {"a": "1"}}});
    let written = run.patch(path, MERGE_PATCH, patch).await?;
    run.expect(
        &written,
        expect![[r#"
        200
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: {
            creationTimestamp: "{time}",
            labels: {a: "1", kubernetes.io/metadata.name: "{ns}"},
            name: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {finalizers: ["kubernetes"]},
          status: {phase: "Active"},
        }
    "#]],
    );
    Ok(())
}

async fn a_body_can_be_yaml(run: &Run) -> Result<()> {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n";
    let request = crate::client::Request::post(MAPS, &Value::Null).text("application/yaml", yaml);
    run.expect(&run.send(request).await?, expect![[r#"
        201
        {
          apiVersion: "v1",
          data: {x: "1"},
          kind: "ConfigMap",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
        }
    "#]]);
    Ok(())
}

async fn an_answer_can_be_yaml(run: &Run) -> Result<()> {
    run.post(MAPS, named("a", json!({"x": "1"}))).await?.is(201)?;
    let answer = run.send(crate::client::Request::get(MAP_A).accept("application/yaml")).await?;
    let value: Value = serde_saphyr::from_slice(&answer.body)?;
    let seen = json!([answer.status, answer.header("content-type"), value["data"]]);
    run.expect_value(&seen, expect![[r#"[200, "application/yaml", {x: "1"}]"#]]);
    Ok(())
}
