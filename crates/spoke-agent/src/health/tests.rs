//! One line per rule: the object, reduced to what the rule looks at, and the verdict.

use model::status::Health;
use serde_json::{Value, json};

use super::assess;

#[track_caller]
fn check(group: &str, kind: &str, object: Value, expected: Health) {
    let verdict = assess(&object, group, kind).expect("the kind has a rule");
    assert_eq!(verdict.health, expected, "{object}: {}", verdict.message);
}

#[test]
fn deployments() {
    let check = |object, expected| check("apps", "Deployment", object, expected);
    let ready = json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3});
    let meta = json!({"name": "web", "generation": 3});
    check(json!({"metadata": meta, "spec": {"replicas": 2}, "status": ready}), Health::Healthy);
    check(
        json!({"metadata": meta, "spec": {"replicas": 2, "paused": true}, "status": ready}),
        Health::Suspended,
    );
    check(
        json!({"metadata": {"generation": 4}, "spec": {"replicas": 2}, "status": ready}),
        Health::Progressing,
    );
    check(
        json!({"metadata": meta, "spec": {"replicas": 2}, "status": {"observedGeneration": 3,
            "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}}),
        Health::Degraded,
    );
    check(json!({"metadata": meta, "spec": {"replicas": 3}, "status": ready}), Health::Progressing);
    check(
        json!({"metadata": meta, "spec": {"replicas": 2}, "status":
            {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}}),
        Health::Progressing,
    );
    check(
        json!({"metadata": meta, "spec": {"replicas": 2}, "status":
            {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1, "observedGeneration": 3}}),
        Health::Progressing,
    );
    check(
        json!({"metadata": meta, "spec": {"replicas": 0}, "status": {"observedGeneration": 3}}),
        Health::Healthy,
    );
    check(json!({"apiVersion": "apps/v1beta1", "metadata": meta}), Health::Unknown);
}

#[test]
fn stateful_and_daemon_and_replica_sets() {
    let set = |object, expected| check("apps", "StatefulSet", object, expected);
    set(json!({"metadata": {"generation": 1}, "spec": {"replicas": 0}}), Health::Progressing);
    let status = json!({"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 1,
        "updateRevision": "b", "currentRevision": "a"});
    let with = |strategy| {
        json!({"metadata": {"generation": 1}, "spec": {"replicas": 2, "updateStrategy": strategy},
            "status": status})
    };
    set(with(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}})), Health::Healthy);
    set(
        with(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
        Health::Progressing,
    );
    set(with(json!({"type": "RollingUpdate"})), Health::Progressing);
    set(with(json!({"type": "OnDelete"})), Health::Healthy);

    let daemon = |status, expected| {
        check("apps", "DaemonSet", json!({"spec": {}, "status": status}), expected);
    };
    daemon(json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 1}), Health::Progressing);
    daemon(
        json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}),
        Health::Progressing,
    );
    daemon(
        json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}),
        Health::Healthy,
    );

    let failed = json!({"spec": {"replicas": 1}, "status": {"conditions":
        [{"type": "ReplicaFailure", "status": "True", "message": "quota"}]}});
    check("apps", "ReplicaSet", failed, Health::Degraded);
}

#[test]
fn pods() {
    let pod = |spec, status, expected| {
        check("", "Pod", json!({"apiVersion": "v1", "spec": spec, "status": status}), expected);
    };
    let (always, never) = (json!({"restartPolicy": "Always"}), json!({"restartPolicy": "Never"}));
    let waiting = json!({"phase": "Pending", "containerStatuses":
        [{"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
    pod(&always, waiting.clone(), Health::Degraded);
    pod(&never, waiting, Health::Progressing);
    pod(
        &always,
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
        Health::Healthy,
    );
    pod(
        &always,
        json!({"phase": "Running", "containerStatuses": [{"name": "c", "lastState": {"terminated": {}}}]}),
        Health::Degraded,
    );
    pod(&always, json!({"phase": "Running"}), Health::Progressing);
    pod(&never, json!({"phase": "Running"}), Health::Progressing);
    pod(&never, json!({"phase": "Succeeded"}), Health::Healthy);
    pod(&never, json!({"phase": "Failed"}), Health::Degraded);
    pod(&never, json!({}), Health::Unknown);
}

#[test]
fn jobs_and_cron_jobs() {
    let job = |conditions, expected| {
        check("batch", "Job", json!({"status": {"conditions": conditions}}), expected);
    };
    job(
        json!([{"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}]),
        Health::Degraded,
    );
    job(json!([{"type": "Suspended", "status": "True"}]), Health::Suspended);
    job(json!([{"type": "Suspended", "status": "False"}]), Health::Healthy);
    job(json!([{"type": "Complete", "status": "True"}]), Health::Healthy);
    job(json!([]), Health::Progressing);

    let cron = |spec, status, expected| {
        check("batch", "CronJob", json!({"spec": spec, "status": status}), expected);
    };
    cron(json!({"suspend": true}), json!({}), Health::Suspended);
    cron(json!({}), json!({}), Health::Healthy);
    cron(json!({}), json!({"lastScheduleTime": "2026-01-01T00:01:00Z"}), Health::Healthy);
    let last_failed = json!({"lastScheduleTime": "2026-01-01T00:01:00Z",
        "lastSuccessfulTime": "2026-01-01T00:00:10Z"});
    cron(json!({}), last_failed, Health::Degraded);
}

#[test]
fn services_volumes_and_definitions() {
    check("", "Service", json!({"spec": {"type": "ClusterIP"}}), Health::Healthy);
    check("", "Service", json!({"spec": {"type": "LoadBalancer"}}), Health::Progressing);
    let address = json!({"spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}});
    check("", "Service", address, Health::Healthy);
    check("networking.k8s.io", "Ingress", json!({}), Health::Progressing);
    let claim = |phase| json!({"status": {"phase": phase}});
    check("", "PersistentVolumeClaim", claim("Lost"), Health::Degraded);
    check("", "PersistentVolumeClaim", claim("Pending"), Health::Progressing);
    check("", "PersistentVolumeClaim", claim("Bound"), Health::Healthy);
    check("", "PersistentVolumeClaim", claim("?"), Health::Unknown);

    let crd = |conditions, expected| {
        let object = json!({"status": {"conditions": conditions}});
        check("apiextensions.k8s.io", "CustomResourceDefinition", object, expected);
    };
    crd(json!([]), Health::Progressing);
    crd(json!([{"type": "Established", "status": "True"}]), Health::Healthy);
    crd(
        json!([{"type": "Established", "status": "False", "reason": "Installing"}]),
        Health::Progressing,
    );
    crd(
        json!([{"type": "Established", "status": "False", "reason": "NotAccepted"}]),
        Health::Degraded,
    );
    crd(
        json!([{"type": "NamesAccepted", "status": "False", "message": "taken"},
            {"type": "Established", "status": "True"}]),
        Health::Degraded,
    );
}

#[test]
fn autoscalers_budgets_and_api_services() {
    let hpa = |conditions, expected| {
        let object = json!({"apiVersion": "autoscaling/v2", "status": {"conditions": conditions}});
        check("autoscaling", "HorizontalPodAutoscaler", object, expected);
    };
    hpa(json!([]), Health::Progressing);
    hpa(
        json!([{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}]),
        Health::Healthy,
    );
    hpa(
        json!([{"type": "AbleToScale", "status": "True"},
            {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]),
        Health::Degraded,
    );
    let v1 = json!({"apiVersion": "autoscaling/v1", "metadata": {"annotations":
        {"autoscaling.alpha.kubernetes.io/conditions": "[{\"type\":\"AbleToScale\",\"status\":\"True\"}]"}}});
    check("autoscaling", "HorizontalPodAutoscaler", v1, Health::Healthy);
    let old = json!({"apiVersion": "autoscaling/v2beta2"});
    check("autoscaling", "HorizontalPodAutoscaler", old, Health::Unknown);

    let pdb = |status, expected| {
        check("policy", "PodDisruptionBudget", json!({"status": status}), expected);
    };
    pdb(json!({}), Health::Progressing);
    pdb(
        json!({"conditions": [{"status": "False", "reason": "InsufficientPods"}]}),
        Health::Healthy,
    );
    pdb(json!({"conditions": [{"status": "False", "reason": "SyncFailed"}]}), Health::Degraded);

    let api = |status, expected| {
        check("apiregistration.k8s.io", "APIService", json!({"status": status}), expected);
    };
    api(json!({}), Health::Progressing);
    api(json!({"conditions": [{"type": "Available", "status": "True"}]}), Health::Healthy);
    api(json!({"conditions": [{"type": "Available", "status": "False"}]}), Health::Progressing);
}

#[test]
fn a_kind_without_a_rule_has_no_health() {
    assert_eq!(assess(&json!({}), "", "ConfigMap"), None);
    assert_eq!(assess(&json!({}), "extensions", "Deployment"), None);
    assert_eq!(assess(&json!({}), "example.com", "Deployment"), None);
}
