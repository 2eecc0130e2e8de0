//! What controllers make of workloads: what health is read from.

use super::given::{DEPLOYMENT_A, DEPLOYMENTS, deployment};
use crate::case::{Section, section};
use crate::client::MERGE_PATCH;
use crate::run::Run;
use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("workloads";
        a_deployment_becomes_available,
        a_deployment_has_a_replica_set_and_pods_of_its_own,
        a_deployment_is_observed_before_it_is_available,
        a_new_image_is_rolled_out,
        a_bad_image_never_becomes_available,
        a_deployment_without_replicas_is_available,
        a_scaled_deployment_follows,
        a_paused_deployment_says_so,
        a_stateful_set_becomes_ready_in_order,
        a_daemon_set_becomes_ready_on_every_node,
        a_job_completes,
        a_suspended_job_says_so,
        a_pod_becomes_ready,
        a_claim_is_bound_to_a_volume,
        a_claim_without_a_volume_stays_pending,
        a_service_of_type_cluster_ip_has_an_empty_status,
        endpoint_slices_follow_ready_pods,
    )
}

fn with_image(image: &str) -> Value {
    let mut body = deployment();
    body["spec"]["replicas"] = json!(2);
    body["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    body
}

fn available(count: u64) -> impl Fn(&Value) -> bool {
    move |object| {
        let status = &object["status"];
        status["observedGeneration"] == object["metadata"]["generation"]
            && status["availableReplicas"].as_u64().unwrap_or(0) == count
            && status["updatedReplicas"].as_u64().unwrap_or(0) == count
            && status["replicas"].as_u64().unwrap_or(0) == count
    }
}

/// A status with its conditions in the order of their types and without their messages, which name replica sets.
fn status(object: &Value) -> Value {
    let mut status = object["status"].clone();
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.sort_by_key(|condition| condition["type"].to_string());
        for condition in conditions {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("message");
            }
        }
    }
    status
}

fn progressed(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["reason"] == "NewReplicaSetAvailable"))
}

async fn a_deployment_becomes_available(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:1")).await?.is(201)?;
    let done = |object: &Value| available(2)(object) && progressed(object);
    let object = run.until("available deployment", DEPLOYMENT_A, done).await?;
    run.expect_value(
        &status(&object),
        expect![[r#"
        {
          availableReplicas: 2,
          conditions: [
            {
              lastTransitionTime: "{time}",
              lastUpdateTime: "{time}",
              reason: "MinimumReplicasAvailable",
              status: "True",
              type: "Available",
            },
            {
              lastTransitionTime: "{time}",
              lastUpdateTime: "{time}",
              reason: "NewReplicaSetAvailable",
              status: "True",
              type: "Progressing",
            },
          ],
          observedGeneration: 1,
          readyReplicas: 2,
          replicas: 2,
          terminatingReplicas: 0,
          updatedReplicas: 2,
        }
    "#]],
    );
    run.expect_value(
        &object["metadata"]["annotations"],
        expect![[r#"{deployment.kubernetes.io/revision: "1"}"#]],
    );
    run.expect_owners(
        &object,
        expect![[r#"
        first Apply apps/v1:
          spec.replicas
          spec.selector
          spec.template.metadata.labels.app
          spec.template.spec.containers.k:{"name":"c"}.
          spec.template.spec.containers.k:{"name":"c"}.image
          spec.template.spec.containers.k:{"name":"c"}.name
        kube-controller-manager Update apps/v1 /status:
          metadata.annotations.
          metadata.annotations.deployment.kubernetes.io/revision
          status.availableReplicas
          status.conditions.
          status.conditions.k:{"type":"Available"}.
          status.conditions.k:{"type":"Available"}.lastTransitionTime
          status.conditions.k:{"type":"Available"}.lastUpdateTime
          status.conditions.k:{"type":"Available"}.message
          status.conditions.k:{"type":"Available"}.reason
          status.conditions.k:{"type":"Available"}.status
          status.conditions.k:{"type":"Available"}.type
          status.conditions.k:{"type":"Progressing"}.
          status.conditions.k:{"type":"Progressing"}.lastTransitionTime
          status.conditions.k:{"type":"Progressing"}.lastUpdateTime
          status.conditions.k:{"type":"Progressing"}.message
          status.conditions.k:{"type":"Progressing"}.reason
          status.conditions.k:{"type":"Progressing"}.status
          status.conditions.k:{"type":"Progressing"}.type
          status.observedGeneration
          status.readyReplicas
          status.replicas
          status.terminatingReplicas
          status.updatedReplicas
    "#]],
    );
    Ok(())
}

async fn a_deployment_has_a_replica_set_and_pods_of_its_own(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:1")).await?.is(201)?;
    run.until("available deployment", DEPLOYMENT_A, available(2)).await?;
    let sets = run.get("/apis/apps/v1/namespaces/{ns}/replicasets").await?.json();
    let set = &sets["items"][0];
    let set_name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let hash = set["metadata"]["labels"]["pod-template-hash"].as_str().unwrap_or_default();
    ensure!(set_name == format!("a-{hash}"), "{set_name} has the hash {hash}");
    let seen = json!({"labels": set["metadata"]["labels"], "spec": set["spec"]["replicas"],
        "annotations": set["metadata"]["annotations"], "owners": set["metadata"]["ownerReferences"],
        "selector": set["spec"]["selector"]});
    run.expect_value(
        &seen,
        expect![[r#"
        {
          annotations: {
            deployment.kubernetes.io/desired-replicas: "2",
            deployment.kubernetes.io/max-replicas: "3",
            deployment.kubernetes.io/revision: "1",
          },
          labels: {app: "a", pod-template-hash: "{hash}"},
          owners: [
            {
              apiVersion: "apps/v1",
              blockOwnerDeletion: true,
              controller: true,
              kind: "Deployment",
              name: "a",
              uid: "{uid}",
            },
          ],
          selector: {matchLabels: {app: "a", pod-template-hash: "{hash}"}},
          spec: 2,
        }
    "#]],
    );
    let pods = run.get("/api/v1/namespaces/{ns}/pods?labelSelector=app%3Da").await?.json();
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    ensure!(pods.len() == 2, "{} pods", pods.len());
    for pod in &pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(name.starts_with(&format!("{set_name}-")), "{name} of {set_name}");
        let owner = &pod["metadata"]["ownerReferences"][0];
        ensure!(owner["kind"] == "ReplicaSet" && owner["controller"] == true, "{owner}");
        ensure!(pod["status"]["phase"] == "Running", "{}", pod["status"]);
    }
    Ok(())
}

async fn a_deployment_is_observed_before_it_is_available(run: &Run) -> Result<()> {
    let made =
        run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:1")).await?.is(201)?;
    run.expect_value(&made.json()["status"], expect!["{}"]);
    let version = made.resource_version();
    let path = format!("{DEPLOYMENTS}?watch=1&resourceVersion={version}");
    let mut watch = run.watch(&path).await?;
    let mut counts = Vec::new();
    loop {
        let event = watch.event().await?;
        let status = &event["object"]["status"];
        counts.push(status["availableReplicas"].as_u64().unwrap_or(0));
        ensure!(event["type"] == "MODIFIED", "{}", event["type"]);
        if available(2)(&event["object"]) {
            break;
        }
    }
    ensure!(counts.len() > 1 && counts.is_sorted() && counts[0] == 0, "{counts:?}");
    Ok(())
}

async fn a_new_image_is_rolled_out(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:1")).await?.is(201)?;
    run.until("available deployment", DEPLOYMENT_A, available(2)).await?;
    run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:2")).await?.is(200)?;
    let object = run.until("second version", DEPLOYMENT_A, available(2)).await?;
    run.expect_value(
        &object["metadata"]["annotations"],
        expect![[r#"{deployment.kubernetes.io/revision: "2"}"#]],
    );
    let sets = "/apis/apps/v1/namespaces/{ns}/replicasets";
    let old_is_empty = |list: &Value| {
        let counts: Vec<_> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|set| set["status"]["replicas"].as_u64().unwrap_or(0))
            .collect();
        counts.len() == 2 && counts.contains(&0) && counts.contains(&2)
    };
    run.until("empty old replica set", sets, old_is_empty).await?;
    Ok(())
}

/// This image is called so because both the simulator and the kubelets' stand-in know it as one that cannot be pulled.
const BAD_IMAGE: &str = "registry.example/nonexistent:broken";

async fn a_bad_image_never_becomes_available(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, with_image(BAD_IMAGE)).await?.is(201)?;
    let path = "/api/v1/namespaces/{ns}/pods?labelSelector=app%3Da";
    let waits = |list: &Value| {
        list["items"].as_array().is_some_and(|pods| {
            pods.len() == 2
                && pods.iter().all(|pod| {
                    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
                        == "ImagePullBackOff"
                })
        })
    };
    let pods = run.until("ImagePullBackOff", path, waits).await?;
    let pod = &pods["items"][0];
    run.expect_value(
        &json!([pod["status"]["phase"], pod["status"]["containerStatuses"][0]["ready"]]),
        expect![[r#"["Pending", false]"#]],
    );
    let unavailable = |object: &Value| {
        let status = &object["status"];
        status["unavailableReplicas"] == 2 && status["updatedReplicas"] == 2
    };
    let object = run.until("unavailable replicas", DEPLOYMENT_A, unavailable).await?;
    run.expect_value(
        &status(&object),
        expect![[r#"
            {
              conditions: [
                {
                  lastTransitionTime: "{time}",
                  lastUpdateTime: "{time}",
                  reason: "MinimumReplicasUnavailable",
                  status: "False",
                  type: "Available",
                },
                {
                  lastTransitionTime: "{time}",
                  lastUpdateTime: "{time}",
                  reason: "ReplicaSetUpdated",
                  status: "True",
                  type: "Progressing",
                },
              ],
              observedGeneration: 1,
              replicas: 2,
              terminatingReplicas: 0,
              unavailableReplicas: 2,
              updatedReplicas: 2,
            }
        "#]],
    );
    Ok(())
}

async fn a_deployment_without_replicas_is_available(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, deployment()).await?.is(201)?;
    let object = run.until("progress", DEPLOYMENT_A, progressed).await?;
    run.expect_value(
        &status(&object),
        expect![[r#"
        {
          conditions: [
            {
              lastTransitionTime: "{time}",
              lastUpdateTime: "{time}",
              reason: "MinimumReplicasAvailable",
              status: "True",
              type: "Available",
            },
            {
              lastTransitionTime: "{time}",
              lastUpdateTime: "{time}",
              reason: "NewReplicaSetAvailable",
              status: "True",
              type: "Progressing",
            },
          ],
          observedGeneration: 1,
          terminatingReplicas: 0,
        }
    "#]],
    );
    Ok(())
}

async fn a_scaled_deployment_follows(run: &Run) -> Result<()> {
    run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:1")).await?.is(201)?;
    run.until("available deployment", DEPLOYMENT_A, available(2)).await?;
    let scale = json!({"spec": {"replicas": 3}});
    run.patch(&format!("{DEPLOYMENT_A}/scale"), MERGE_PATCH, scale).await?.is(200)?;
    run.until("three replicas", DEPLOYMENT_A, available(3)).await?;
    let scale = run.get(&format!("{DEPLOYMENT_A}/scale")).await?.json();
    run.expect_value(
        &json!([scale["spec"], scale["status"]]),
        expect![[r#"[{replicas: 3}, {replicas: 3, selector: "app=a"}]"#]],
    );
    let down = json!({"spec": {"replicas": 1}});
    run.patch(DEPLOYMENT_A, MERGE_PATCH, down).await?.is(200)?;
    run.until("one replica", DEPLOYMENT_A, available(1)).await?;
    Ok(())
}

async fn a_paused_deployment_says_so(run: &Run) -> Result<()> {
    let mut body = with_image("registry.example/c:1");
    body["spec"]["paused"] = json!(true);
    run.apply("first", DEPLOYMENT_A, body).await?.is(201)?;
    let observed = |object: &Value| object["status"]["observedGeneration"] == 1;
    let object = run.until("observed generation", DEPLOYMENT_A, observed).await?;
    ensure!(object["status"]["availableReplicas"].is_null(), "{}", object["status"]);
    Ok(())
}

async fn a_stateful_set_becomes_ready_in_order(run: &Run) -> Result<()> {
    let path = "/apis/apps/v1/namespaces/{ns}/statefulsets/a";
    let mut body = with_image("registry.example/c:1");
    body["kind"] = json!("StatefulSet");
    body["spec"]["serviceName"] = json!("a");
    run.apply("first", path, body).await?.is(201)?;
    let done = |object: &Value| {
        object["status"]["readyReplicas"] == 2
            && object["status"]["updatedReplicas"] == 2
            && object["status"]["availableReplicas"] == 2
    };
    let object = run.until("ready stateful set", path, done).await?;
    let mut status = status(&object);
    for key in ["currentRevision", "updateRevision"] {
        ensure!(status[key].as_str().is_some_and(|text| text.starts_with("a-")), "{status}");
        status[key] = json!("a-{hash}");
    }
    run.expect_value(
        &status,
        expect![[r#"
        {
          availableReplicas: 2,
          collisionCount: 0,
          conditions: null,
          currentReplicas: 2,
          currentRevision: "a-{hash}",
          observedGeneration: 1,
          readyReplicas: 2,
          replicas: 2,
          updateRevision: "a-{hash}",
          updatedReplicas: 2,
        }
    "#]],
    );
    let pods = run.get("/api/v1/namespaces/{ns}/pods").await?.json();
    let names: Vec<&Value> =
        pods["items"].as_array().into_iter().flatten().map(|p| &p["metadata"]["name"]).collect();
    run.expect_value(&json!(names), expect![[r#"["a-0", "a-1"]"#]]);
    Ok(())
}

async fn a_daemon_set_becomes_ready_on_every_node(run: &Run) -> Result<()> {
    let path = "/apis/apps/v1/namespaces/{ns}/daemonsets/a";
    let mut body = deployment();
    body["kind"] = json!("DaemonSet");
    body["spec"].as_object_mut().map(|spec| spec.remove("replicas"));
    run.apply("first", path, body).await?.is(201)?;
    let done = |object: &Value| {
        object["status"]["numberAvailable"] == object["status"]["desiredNumberScheduled"]
            && object["status"]["observedGeneration"] == 1
            && object["status"]["updatedNumberScheduled"] == 2
    };
    let object = run.until("ready daemon set", path, done).await?;
    run.expect_value(
        &status(&object),
        expect![[r#"
            {
              conditions: null,
              currentNumberScheduled: 2,
              desiredNumberScheduled: 2,
              numberAvailable: 2,
              numberMisscheduled: 0,
              numberReady: 2,
              observedGeneration: 1,
              updatedNumberScheduled: 2,
            }
        "#]],
    );
    Ok(())
}

fn job(suspend: bool) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {
        "suspend": suspend, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "registry.example/c:1"}]}}}})
}

const JOB: &str = "/apis/batch/v1/namespaces/{ns}/jobs/a";

async fn a_job_completes(run: &Run) -> Result<()> {
    run.apply("first", JOB, job(false)).await?.is(201)?;
    let complete = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array();
        conditions
            .is_some_and(|all| all.iter().any(|c| c["type"] == "Complete" && c["status"] == "True"))
    };
    let object = run.until("completed job", JOB, complete).await?;
    run.expect_value(
        &status(&object),
        expect![[r#"
        {
          completionTime: "{time}",
          conditions: [
            {
              lastProbeTime: "{time}",
              lastTransitionTime: "{time}",
              reason: "CompletionsReached",
              status: "True",
              type: "Complete",
            },
            {
              lastProbeTime: "{time}",
              lastTransitionTime: "{time}",
              reason: "CompletionsReached",
              status: "True",
              type: "SuccessCriteriaMet",
            },
          ],
          ready: 0,
          startTime: "{time}",
          succeeded: 1,
          terminating: 0,
          uncountedTerminatedPods: {},
        }
    "#]],
    );
    let spec = &object["spec"];
    let seen =
        json!({"selector": spec["selector"], "labels": spec["template"]["metadata"]["labels"]});
    run.expect_value(
        &seen,
        expect![[r#"
        {
          labels: {
            batch.kubernetes.io/controller-uid: "{uid}",
            batch.kubernetes.io/job-name: "a",
            controller-uid: "{uid}",
            job-name: "a",
          },
          selector: {matchLabels: {batch.kubernetes.io/controller-uid: "{uid}"}},
        }
    "#]],
    );
    Ok(())
}

async fn a_suspended_job_says_so(run: &Run) -> Result<()> {
    run.apply("first", JOB, job(true)).await?.is(201)?;
    let says = |object: &Value| object["status"]["conditions"][0]["type"] == "Suspended";
    let object = run.until("suspended job", JOB, says).await?;
    run.expect_value(
        &status(&object),
        expect![[r#"
        {
          conditions: [
            {
              lastProbeTime: "{time}",
              lastTransitionTime: "{time}",
              reason: "JobSuspended",
              status: "True",
              type: "Suspended",
            },
          ],
          ready: 0,
          terminating: 0,
          uncountedTerminatedPods: {},
        }
    "#]],
    );
    Ok(())
}

async fn a_pod_becomes_ready(run: &Run) -> Result<()> {
    let account = "/api/v1/namespaces/{ns}/serviceaccounts/default";
    run.until("service account", account, |_| true).await?;
    let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]}});
    run.post("/api/v1/namespaces/{ns}/pods", body).await?.is(201)?;
    let running = |object: &Value| object["status"]["phase"] == "Running";
    let pod = run.until("running pod", "/api/v1/namespaces/{ns}/pods/a", running).await?;
    let mut conditions: Vec<Value> = pod["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|condition| condition["type"] == "Ready" || condition["type"] == "ContainersReady")
        .map(|condition| json!([condition["type"], condition["status"]]))
        .collect();
    conditions.sort_by_key(ToString::to_string);
    let container = &pod["status"]["containerStatuses"][0];
    let seen = json!({"conditions": conditions, "ready": container["ready"],
        "restarts": container["restartCount"], "has a node": pod["spec"]["nodeName"].is_string()});
    run.expect_value(&seen, expect![[r#"{conditions: [["ContainersReady", "True"], ["Ready", "True"]], "has a node": true, ready: true, restarts: 0}"#]]);
    Ok(())
}

async fn a_claim_is_bound_to_a_volume(run: &Run) -> Result<()> {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "{ns}"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "storageClassName": "{ns}", "hostPath": {"path": "/a"}}});
    run.post("/api/v1/persistentvolumes", volume).await?.is(201)?;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "{ns}",
            "resources": {"requests": {"storage": "1Gi"}}}});
    let path = "/api/v1/namespaces/{ns}/persistentvolumeclaims";
    run.post(path, claim).await?.is(201)?;
    let bound = |object: &Value| object["status"]["phase"] == "Bound";
    let claim = run.until("bound claim", &format!("{path}/a"), bound).await?;
    run.expect_value(&json!([claim["status"], claim["spec"]["volumeName"]]), expect![[r#"[{accessModes: ["ReadWriteOnce"], capacity: {storage: "1Gi"}, phase: "Bound"}, "{ns}"]"#]]);
    Ok(())
}

async fn a_claim_without_a_volume_stays_pending(run: &Run) -> Result<()> {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}}}});
    let path = "/api/v1/namespaces/{ns}/persistentvolumeclaims";
    let made = run.post(path, claim).await?.is(201)?.json();
    run.expect_value(&made["status"], expect![[r#"{phase: "Pending"}"#]]);
    Ok(())
}

async fn a_service_of_type_cluster_ip_has_an_empty_status(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}});
    let made = run.post("/api/v1/namespaces/{ns}/services", body).await?.is(201)?.json();
    run.expect_value(&made["status"], expect!["{loadBalancer: {}}"]);
    Ok(())
}

async fn endpoint_slices_follow_ready_pods(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}});
    run.post("/api/v1/namespaces/{ns}/services", body).await?.is(201)?;
    run.apply("first", DEPLOYMENT_A, with_image("registry.example/c:1")).await?.is(201)?;
    let path = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices\
        ?labelSelector=kubernetes.io/service-name%3Da";
    let ready = |list: &Value| {
        list["items"][0]["endpoints"].as_array().is_some_and(|all| {
            all.len() == 2 && all.iter().all(|one| one["conditions"]["ready"] == true)
        })
    };
    let slices = run.until("ready endpoints", path, ready).await?;
    run.expect_value(
        &slices["items"][0]["ports"],
        expect![[r#"[{name: "", port: 80, protocol: "TCP"}]"#]],
    );
    Ok(())
}
