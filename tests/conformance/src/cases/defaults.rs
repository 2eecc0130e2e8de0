//! What the server makes of minimal workloads: their stored form, field by field.

use super::given::deployment;
use crate::case::{Section, section};
use crate::run::Run;
use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

pub(super) fn section() -> Section {
    section!("defaults of workloads";
        a_minimal_deployment,
        a_rolling_update_with_one_bound,
        a_deployment_that_recreates,
        a_minimal_stateful_set,
        a_stateful_set_with_claims,
        a_minimal_daemon_set,
        a_minimal_replica_set,
        a_minimal_job,
        a_minimal_cron_job,
        a_minimal_pod,
        probes_ports_and_volumes_of_a_pod,
        the_pull_policy_follows_the_tag,
        limits_become_requests,
        a_minimal_horizontal_autoscaler,
        a_minimal_disruption_budget,
    )
}

/// The stored form of a new object in the case's namespace, without what controllers write.
async fn stored(run: &Run, collection: &str, body: Value) -> Result<Value> {
    let (group, plural) = collection.rsplit_once('/').unwrap_or(("", collection));
    let mut made =
        run.post(&format!("/{group}/namespaces/{{ns}}/{plural}"), body).await?.is(201)?.json();
    if let Some(metadata) = made["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Ok(made)
}

fn template() -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]}})
}

async fn a_minimal_deployment(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"].as_object_mut().map(|spec| spec.remove("replicas"));
    body["spec"]["paused"] = json!(true);
    run.expect_value(&stored(run, "apis/apps/v1/deployments", body).await?, expect![[r#"
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            paused: true,
            progressDeadlineSeconds: 600,
            replicas: 1,
            revisionHistoryLimit: 10,
            selector: {matchLabels: {app: "a"}},
            strategy: {rollingUpdate: {maxSurge: "25%", maxUnavailable: "25%"}, type: "RollingUpdate"},
            template: {
              metadata: {labels: {app: "a"}},
              spec: {
                containers: [
                  {
                    image: "registry.example/c:1",
                    imagePullPolicy: "IfNotPresent",
                    name: "c",
                    resources: {},
                    terminationMessagePath: "/dev/termination-log",
                    terminationMessagePolicy: "File",
                  },
                ],
                dnsPolicy: "ClusterFirst",
                restartPolicy: "Always",
                schedulerName: "default-scheduler",
                securityContext: {},
                terminationGracePeriodSeconds: 30,
              },
            },
          },
          status: {},
        }
    "#]]);
    Ok(())
}

async fn a_rolling_update_with_one_bound(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 1}});
    let made = stored(run, "apis/apps/v1/deployments", body).await?;
    run.expect_value(
        &made["spec"]["strategy"],
        expect![[
            r#"{rollingUpdate: {maxSurge: 1, maxUnavailable: "25%"}, type: "RollingUpdate"}"#
        ]],
    );
    Ok(())
}

async fn a_deployment_that_recreates(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["spec"]["strategy"] = json!({"type": "Recreate"});
    let made = stored(run, "apis/apps/v1/deployments", body).await?;
    run.expect_value(&made["spec"]["strategy"], expect![[r#"{type: "Recreate"}"#]]);
    Ok(())
}

async fn a_minimal_stateful_set(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["kind"] = json!("StatefulSet");
    body["spec"].as_object_mut().map(|spec| spec.remove("replicas"));
    body["spec"]["template"]["spec"]["schedulerName"] = json!("nobody");
    run.expect_value(
        &stored(run, "apis/apps/v1/statefulsets", body).await?,
        expect![[r#"
        {
          apiVersion: "apps/v1",
          kind: "StatefulSet",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            persistentVolumeClaimRetentionPolicy: {whenDeleted: "Retain", whenScaled: "Retain"},
            podManagementPolicy: "OrderedReady",
            replicas: 1,
            revisionHistoryLimit: 10,
            selector: {matchLabels: {app: "a"}},
            serviceName: "",
            template: {
              metadata: {labels: {app: "a"}},
              spec: {
                containers: [
                  {
                    image: "registry.example/c:1",
                    imagePullPolicy: "IfNotPresent",
                    name: "c",
                    resources: {},
                    terminationMessagePath: "/dev/termination-log",
                    terminationMessagePolicy: "File",
                  },
                ],
                dnsPolicy: "ClusterFirst",
                restartPolicy: "Always",
                schedulerName: "nobody",
                securityContext: {},
                terminationGracePeriodSeconds: 30,
              },
            },
            updateStrategy: {rollingUpdate: {partition: 0}, type: "RollingUpdate"},
          },
          status: {availableReplicas: 0, replicas: 0},
        }
    "#]],
    );
    Ok(())
}

async fn a_stateful_set_with_claims(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["kind"] = json!("StatefulSet");
    body["spec"]["serviceName"] = json!("a");
    body["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    let made = stored(run, "apis/apps/v1/statefulsets", body).await?;
    run.expect_value(&made["spec"]["volumeClaimTemplates"], expect![[r#"
        [
          {
            apiVersion: "v1",
            kind: "PersistentVolumeClaim",
            metadata: {name: "data"},
            spec: {accessModes: ["ReadWriteOnce"], resources: {requests: {storage: "1Gi"}}, volumeMode: "Filesystem"},
            status: {phase: "Pending"},
          },
        ]
    "#]]);
    Ok(())
}

async fn a_minimal_daemon_set(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["kind"] = json!("DaemonSet");
    body["spec"].as_object_mut().map(|spec| spec.remove("replicas"));
    body["spec"]["template"]["spec"]["nodeSelector"] = json!({"nowhere": "true"});
    run.expect_value(&stored(run, "apis/apps/v1/daemonsets", body).await?, expect![[r#"
        {
          apiVersion: "apps/v1",
          kind: "DaemonSet",
          metadata: {
            annotations: {deprecated.daemonset.template.generation: "1"},
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            revisionHistoryLimit: 10,
            selector: {matchLabels: {app: "a"}},
            template: {
              metadata: {labels: {app: "a"}},
              spec: {
                containers: [
                  {
                    image: "registry.example/c:1",
                    imagePullPolicy: "IfNotPresent",
                    name: "c",
                    resources: {},
                    terminationMessagePath: "/dev/termination-log",
                    terminationMessagePolicy: "File",
                  },
                ],
                dnsPolicy: "ClusterFirst",
                nodeSelector: {nowhere: "true"},
                restartPolicy: "Always",
                schedulerName: "default-scheduler",
                securityContext: {},
                terminationGracePeriodSeconds: 30,
              },
            },
            updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}, type: "RollingUpdate"},
          },
          status: {currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0},
        }
    "#]]);
    Ok(())
}

async fn a_minimal_replica_set(run: &Run) -> Result<()> {
    let mut body = deployment();
    body["kind"] = json!("ReplicaSet");
    let made = stored(run, "apis/apps/v1/replicasets", body).await?;
    run.expect_value(
        &json!([made["metadata"]["generation"], made["status"]]),
        expect!["[1, {replicas: 0}]"],
    );
    Ok(())
}

async fn a_minimal_job(run: &Run) -> Result<()> {
    let mut body = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
        "spec": {"suspend": true, "template": template()}});
    body["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    run.expect_value(
        &stored(run, "apis/batch/v1/jobs", body).await?,
        expect![[r#"
        {
          apiVersion: "batch/v1",
          kind: "Job",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            labels: {
              batch.kubernetes.io/controller-uid: "{uid}",
              batch.kubernetes.io/job-name: "a",
              controller-uid: "{uid}",
              job-name: "a",
            },
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            backoffLimit: 6,
            completionMode: "NonIndexed",
            completions: 1,
            manualSelector: false,
            parallelism: 1,
            podReplacementPolicy: "TerminatingOrFailed",
            selector: {matchLabels: {batch.kubernetes.io/controller-uid: "{uid}"}},
            suspend: true,
            template: {
              metadata: {
                labels: {
                  batch.kubernetes.io/controller-uid: "{uid}",
                  batch.kubernetes.io/job-name: "a",
                  controller-uid: "{uid}",
                  job-name: "a",
                },
              },
              spec: {
                containers: [
                  {
                    image: "registry.example/c:1",
                    imagePullPolicy: "IfNotPresent",
                    name: "c",
                    resources: {},
                    terminationMessagePath: "/dev/termination-log",
                    terminationMessagePolicy: "File",
                  },
                ],
                dnsPolicy: "ClusterFirst",
                restartPolicy: "Never",
                schedulerName: "default-scheduler",
                securityContext: {},
                terminationGracePeriodSeconds: 30,
              },
            },
          },
          status: {},
        }
    "#]],
    );
    Ok(())
}

async fn a_minimal_cron_job(run: &Run) -> Result<()> {
    let mut body = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template()}}}});
    body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    run.expect_value(
        &stored(run, "apis/batch/v1/cronjobs", body).await?,
        expect![[r#"
        {
          apiVersion: "batch/v1",
          kind: "CronJob",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            concurrencyPolicy: "Allow",
            failedJobsHistoryLimit: 1,
            jobTemplate: {
              metadata: {},
              spec: {
                template: {
                  metadata: {},
                  spec: {
                    containers: [
                      {
                        image: "registry.example/c:1",
                        imagePullPolicy: "IfNotPresent",
                        name: "c",
                        resources: {},
                        terminationMessagePath: "/dev/termination-log",
                        terminationMessagePolicy: "File",
                      },
                    ],
                    dnsPolicy: "ClusterFirst",
                    restartPolicy: "OnFailure",
                    schedulerName: "default-scheduler",
                    securityContext: {},
                    terminationGracePeriodSeconds: 30,
                  },
                },
              },
            },
            schedule: "0 0 1 1 *",
            successfulJobsHistoryLimit: 3,
            suspend: false,
          },
          status: {},
        }
    "#]],
    );
    Ok(())
}

async fn pod(run: &Run, spec: Value) -> Result<Value> {
    let account = "/api/v1/namespaces/{ns}/serviceaccounts/default";
    run.until("service account", account, |_| true).await?;
    let mut body =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec});
    // Nobody schedules it, so that it stays as it was made.
    body["spec"]["schedulerName"] = json!("nobody");
    stored(run, "api/v1/pods", body).await
}

async fn a_minimal_pod(run: &Run) -> Result<()> {
    let mut made = pod(run, template()["spec"].clone()).await?;
    // Its random name is in two places.
    made["spec"]["volumes"][0]["name"] = json!("{token}");
    made["spec"]["containers"][0]["volumeMounts"][0]["name"] = json!("{token}");
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {
            containers: [
              {
                image: "registry.example/c:1",
                imagePullPolicy: "IfNotPresent",
                name: "c",
                resources: {},
                terminationMessagePath: "/dev/termination-log",
                terminationMessagePolicy: "File",
                volumeMounts: [
                  {mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", name: "{token}", readOnly: true},
                ],
              },
            ],
            dnsPolicy: "ClusterFirst",
            enableServiceLinks: true,
            preemptionPolicy: "PreemptLowerPriority",
            priority: 0,
            restartPolicy: "Always",
            schedulerName: "nobody",
            securityContext: {},
            serviceAccount: "default",
            serviceAccountName: "default",
            terminationGracePeriodSeconds: 30,
            tolerations: [
              {effect: "NoExecute", key: "node.kubernetes.io/not-ready", operator: "Exists", tolerationSeconds: 300},
              {effect: "NoExecute", key: "node.kubernetes.io/unreachable", operator: "Exists", tolerationSeconds: 300},
            ],
            volumes: [
              {
                name: "{token}",
                projected: {
                  defaultMode: 420,
                  sources: [
                    {serviceAccountToken: {expirationSeconds: 3607, path: "token"}},
                    {configMap: {items: [{key: "ca.crt", path: "ca.crt"}], name: "kube-root-ca.crt"}},
                    {
                      downwardAPI: {
                        items: [{fieldRef: {apiVersion: "v1", fieldPath: "metadata.namespace"}, path: "namespace"}],
                      },
                    },
                  ],
                },
              },
            ],
          },
          status: {phase: "Pending", qosClass: "BestEffort"},
        }
    "#]]);
    Ok(())
}

async fn probes_ports_and_volumes_of_a_pod(run: &Run) -> Result<()> {
    let spec = json!({
        "automountServiceAccountToken": false,
        "initContainers": [{"name": "i", "image": "registry.example/i"}],
        "containers": [{
            "name": "c", "image": "registry.example/c:1",
            "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}},
            "livenessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 3},
            "startupProbe": {"exec": {"command": ["true"]}},
            "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
        }],
        "volumes": [
            {"name": "map", "configMap": {"name": "a"}},
            {"name": "secret", "secret": {"secretName": "a"}},
            {"name": "empty", "emptyDir": {}},
            {"name": "host", "hostPath": {"path": "/a"}},
            {"name": "both", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}},
                {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}},
            {"name": "none"},
        ],
    });
    let made = pod(run, spec).await?;
    let spec = &made["spec"];
    let seen = json!({"initContainers": spec["initContainers"], "containers": spec["containers"],
        "volumes": spec["volumes"]});
    run.expect_value(&seen, expect![[r#"
        {
          containers: [
            {
              env: [{name: "IP", valueFrom: {fieldRef: {apiVersion: "v1", fieldPath: "status.podIP"}}}],
              image: "registry.example/c:1",
              imagePullPolicy: "IfNotPresent",
              lifecycle: {preStop: {httpGet: {path: "/", port: 80, scheme: "HTTP"}}},
              livenessProbe: {
                failureThreshold: 3,
                periodSeconds: 3,
                successThreshold: 1,
                tcpSocket: {port: 80},
                timeoutSeconds: 1,
              },
              name: "c",
              ports: [{containerPort: 80, protocol: "TCP"}],
              readinessProbe: {
                failureThreshold: 3,
                httpGet: {path: "/", port: 80, scheme: "HTTP"},
                periodSeconds: 10,
                successThreshold: 1,
                timeoutSeconds: 1,
              },
              resources: {},
              startupProbe: {
                exec: {command: ["true"]},
                failureThreshold: 3,
                periodSeconds: 10,
                successThreshold: 1,
                timeoutSeconds: 1,
              },
              terminationMessagePath: "/dev/termination-log",
              terminationMessagePolicy: "File",
            },
          ],
          initContainers: [
            {
              image: "registry.example/i",
              imagePullPolicy: "Always",
              name: "i",
              resources: {},
              terminationMessagePath: "/dev/termination-log",
              terminationMessagePolicy: "File",
            },
          ],
          volumes: [
            {configMap: {defaultMode: 420, name: "a"}, name: "map"},
            {name: "secret", secret: {defaultMode: 420, secretName: "a"}},
            {emptyDir: {}, name: "empty"},
            {hostPath: {path: "/a", type: ""}, name: "host"},
            {
              name: "both",
              projected: {
                defaultMode: 420,
                sources: [
                  {serviceAccountToken: {expirationSeconds: 3600, path: "t"}},
                  {downwardAPI: {items: [{fieldRef: {apiVersion: "v1", fieldPath: "metadata.labels"}, path: "l"}]}},
                ],
              },
            },
            {emptyDir: {}, name: "none"},
          ],
        }
    "#]]);
    Ok(())
}

async fn the_pull_policy_follows_the_tag(run: &Run) -> Result<()> {
    let images = [
        "a",
        "a:latest",
        "a:1",
        "a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "host:5000/a",
        "host:5000/a:1",
    ];
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(index, image)| json!({"name": format!("c{index}"), "image": image}))
        .collect();
    let made = pod(run, json!({"containers": containers})).await?;
    let policies: Vec<Value> = made["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| json!([container["image"], container["imagePullPolicy"]]))
        .collect();
    run.expect_value(&json!(policies), expect![[r#"
        [
          ["a", "Always"],
          ["a:latest", "Always"],
          ["a:1", "IfNotPresent"],
          ["a@sha256:0000000000000000000000000000000000000000000000000000000000000000", "IfNotPresent"],
          ["host:5000/a", "Always"],
          ["host:5000/a:1", "IfNotPresent"],
        ]
    "#]]);
    Ok(())
}

async fn limits_become_requests(run: &Run) -> Result<()> {
    let container = json!({"name": "c", "image": "registry.example/c:1",
        "resources": {"limits": {"cpu": "0.5", "memory": "64Mi"}, "requests": {"cpu": "100m"}}});
    let made = pod(run, json!({"containers": [container]})).await?;
    let seen = json!([made["spec"]["containers"][0]["resources"], made["status"]["qosClass"]]);
    run.expect_value(&seen, expect![[r#"[{limits: {cpu: "500m", memory: "64Mi"}, requests: {cpu: "100m", memory: "64Mi"}}, "Burstable"]"#]]);
    Ok(())
}

async fn a_minimal_horizontal_autoscaler(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"}, "spec": {"maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}}});
    let made = stored(run, "apis/autoscaling/v2/horizontalpodautoscalers", body).await?;
    run.expect_value(&made, expect![[r#"
        {
          apiVersion: "autoscaling/v2",
          kind: "HorizontalPodAutoscaler",
          metadata: {creationTimestamp: "{time}", name: "a", namespace: "{ns}", resourceVersion: "{rv}", uid: "{uid}"},
          spec: {
            maxReplicas: 3,
            metrics: [
              {resource: {name: "cpu", target: {averageUtilization: 80, type: "Utilization"}}, type: "Resource"},
            ],
            minReplicas: 1,
            scaleTargetRef: {apiVersion: "apps/v1", kind: "Deployment", name: "a"},
          },
          status: {currentMetrics: null, desiredReplicas: 0},
        }
    "#]]);
    Ok(())
}

async fn a_minimal_disruption_budget(run: &Run) -> Result<()> {
    let body = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "a"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}});
    let made = stored(run, "apis/policy/v1/poddisruptionbudgets", body).await?;
    run.expect_value(
        &made,
        expect![[r#"
        {
          apiVersion: "policy/v1",
          kind: "PodDisruptionBudget",
          metadata: {
            creationTimestamp: "{time}",
            generation: 1,
            name: "a",
            namespace: "{ns}",
            resourceVersion: "{rv}",
            uid: "{uid}",
          },
          spec: {minAvailable: 1, selector: {matchLabels: {app: "a"}}},
          status: {currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0},
        }
    "#]],
    );
    Ok(())
}
