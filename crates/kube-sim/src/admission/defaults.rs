//! The defaults that the real server's Go code sets, for the kinds that a fleet uses. Pure.
//!
//! A field counts as unset when it is absent or null; where the Go field is no pointer, also when it
//! is `""` or `0` ([`fill`]).

use serde_json::{Value, json};

use super::pod_defaults::{claim_spec, pod_spec};
use super::value::{ensure, fill, is_set, items, set, text};
use crate::schema::Resource;

/// Sets the defaults that do not depend on other objects.
pub(super) fn default(resource: &Resource, value: &mut Value) {
    match (resource.id.group(), resource.id.plural()) {
        ("apps", "deployments") => deployment(value),
        ("apps", "replicasets") => replica_set(value),
        ("apps", "statefulsets") => stateful_set(value),
        ("apps", "daemonsets") => daemon_set(value),
        ("batch", "jobs") => job(value),
        ("batch", "cronjobs") => cron_job(value),
        ("", "pods") => pod(value),
        ("", "services") => service(value),
        ("", "secrets") => secret(value),
        ("", "namespaces") => namespace(value),
        ("", "persistentvolumeclaims") => {
            claim_spec(ensure(value, "spec"));
            fill(ensure(value, "status"), "phase", || json!("Pending"));
        }
        ("", "persistentvolumes") => volume(value),
        ("", "limitranges") => limit_range(value),
        ("discovery.k8s.io", "endpointslices") => {
            for port in items(value, "ports") {
                set(port, "name", || json!(""));
                set(port, "protocol", || json!("TCP"));
            }
        }
        ("networking.k8s.io", "networkpolicies") => network_policy(value),
        ("networking.k8s.io", "ingresses") => {
            initial_status(value, || json!({"loadBalancer": {}}));
        }
        ("autoscaling", "horizontalpodautoscalers") => autoscaler(value),
        ("policy", "poddisruptionbudgets") => set(
            value,
            "status",
            || json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}),
        ),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => binding(value),
        ("storage.k8s.io", "storageclasses") => {
            set(value, "reclaimPolicy", || json!("Delete"));
            set(value, "volumeBindingMode", || json!("Immediate"));
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            set(value, "preemptionPolicy", || json!("PreemptLowerPriority"));
        }
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations") => {
            webhooks(value, false);
        }
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations") => webhooks(value, true),
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(value),
        _ => {}
    }
}

/// The status of an object that has none yet.
fn initial_status(value: &mut Value, status: impl FnOnce() -> Value) {
    if value["status"].as_object().is_none_or(serde_json::Map::is_empty) {
        value["status"] = status();
    }
}

fn deployment(value: &mut Value) {
    let spec = ensure(value, "spec");
    set(spec, "replicas", || json!(1));
    set(spec, "revisionHistoryLimit", || json!(10));
    set(spec, "progressDeadlineSeconds", || json!(600));
    let strategy = ensure(spec, "strategy");
    fill(strategy, "type", || json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        let rolling = ensure(strategy, "rollingUpdate");
        set(rolling, "maxSurge", || json!("25%"));
        set(rolling, "maxUnavailable", || json!("25%"));
    }
    template(spec);
    initial_status(value, || json!({}));
}

fn replica_set(value: &mut Value) {
    let spec = ensure(value, "spec");
    set(spec, "replicas", || json!(1));
    template(spec);
    initial_status(value, || json!({"replicas": 0}));
}

fn stateful_set(value: &mut Value) {
    let spec = ensure(value, "spec");
    fill(spec, "podManagementPolicy", || json!("OrderedReady"));
    let strategy = ensure(spec, "updateStrategy");
    fill(strategy, "type", || json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        set(ensure(strategy, "rollingUpdate"), "partition", || json!(0));
    }
    let retention = ensure(spec, "persistentVolumeClaimRetentionPolicy");
    fill(retention, "whenDeleted", || json!("Retain"));
    fill(retention, "whenScaled", || json!("Retain"));
    set(spec, "replicas", || json!(1));
    set(spec, "revisionHistoryLimit", || json!(10));
    template(spec);
    for claim in items(spec, "volumeClaimTemplates") {
        fill(claim, "apiVersion", || json!("v1"));
        fill(claim, "kind", || json!("PersistentVolumeClaim"));
        claim_spec(ensure(claim, "spec"));
        fill(ensure(claim, "status"), "phase", || json!("Pending"));
    }
    initial_status(value, || json!({"availableReplicas": 0, "replicas": 0}));
}

fn daemon_set(value: &mut Value) {
    let spec = ensure(value, "spec");
    let strategy = ensure(spec, "updateStrategy");
    fill(strategy, "type", || json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        let rolling = ensure(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", || json!(1));
        set(rolling, "maxSurge", || json!(0));
    }
    set(spec, "revisionHistoryLimit", || json!(10));
    template(spec);
    initial_status(value, || {
        json!({
            "currentNumberScheduled": 0, "desiredNumberScheduled": 0,
            "numberMisscheduled": 0, "numberReady": 0,
        })
    });
}

fn job(value: &mut Value) {
    let spec = ensure(value, "spec");
    if !is_set(&spec["completions"]) && !is_set(&spec["parallelism"]) {
        spec["completions"] = json!(1);
    }
    set(spec, "parallelism", || json!(1));
    set(spec, "backoffLimit", || json!(6));
    set(spec, "completionMode", || json!("NonIndexed"));
    set(spec, "manualSelector", || json!(false));
    set(spec, "suspend", || json!(false));
    let replacement =
        if is_set(&spec["podFailurePolicy"]) { "Failed" } else { "TerminatingOrFailed" };
    set(spec, "podReplacementPolicy", || json!(replacement));
    template(spec);
    initial_status(value, || json!({}));
}

fn cron_job(value: &mut Value) {
    let spec = ensure(value, "spec");
    fill(spec, "concurrencyPolicy", || json!("Allow"));
    set(spec, "suspend", || json!(false));
    set(spec, "successfulJobsHistoryLimit", || json!(3));
    set(spec, "failedJobsHistoryLimit", || json!(1));
    let job = ensure(spec, "jobTemplate");
    ensure(job, "metadata");
    template(ensure(job, "spec"));
    initial_status(value, || json!({}));
}

fn template(spec: &mut Value) {
    let template = ensure(spec, "template");
    ensure(template, "metadata");
    pod_spec(ensure(template, "spec"));
}

fn pod(value: &mut Value) {
    let spec = ensure(value, "spec");
    pod_spec(spec);
    set(spec, "enableServiceLinks", || json!(true));
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            requests_from_limits(container);
        }
    }
    let class = quality(&value["spec"]);
    initial_status(value, || json!({"phase": "Pending", "qosClass": class}));
}

fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    if limits.is_empty() {
        return;
    }
    let requests = ensure(&mut container["resources"], "requests");
    for (name, amount) in limits {
        set(requests, &name, || amount);
    }
}

/// The quality of service class. Requests that are written differently from equal limits (`1` and
/// `1000m`) count as unequal; the real server stores them in one form before it compares.
fn quality(spec: &Value) -> &'static str {
    let containers = || {
        ["initContainers", "containers"]
            .into_iter()
            .flat_map(|list| spec[list].as_array().into_iter().flatten())
    };
    let amount = |c: &Value, what: &str, of: &str| c["resources"][what].get(of).cloned();
    let any = containers().any(|c| {
        ["limits", "requests"]
            .iter()
            .any(|what| ["cpu", "memory"].iter().any(|of| amount(c, what, of).is_some()))
    });
    if !any {
        return "BestEffort";
    }
    let guaranteed = containers().all(|c| {
        ["cpu", "memory"].iter().all(|of| {
            let limit = amount(c, "limits", of);
            limit.is_some() && limit == amount(c, "requests", of)
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

fn service(value: &mut Value) {
    let spec = ensure(value, "spec");
    fill(spec, "sessionAffinity", || json!("None"));
    match text(&spec["sessionAffinity"]) {
        "None" => {
            if let Some(fields) = spec.as_object_mut() {
                fields.remove("sessionAffinityConfig");
            }
        }
        "ClientIP" => {
            let client = ensure(ensure(spec, "sessionAffinityConfig"), "clientIP");
            fill(client, "timeoutSeconds", || json!(10_800));
        }
        _ => {}
    }
    fill(spec, "type", || json!("ClusterIP"));
    for port in items(spec, "ports") {
        fill(port, "protocol", || json!("TCP"));
        let number = port["port"].clone();
        fill(port, "targetPort", || number);
    }
    let kind = text(&spec["type"]).to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        fill(spec, "externalTrafficPolicy", || json!("Cluster"));
    }
    if matches!(kind.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        set(spec, "internalTrafficPolicy", || json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", || json!(true));
    }
    initial_status(value, || json!({"loadBalancer": {}}));
}

/// `type`, and `stringData` moved into `data`, as it is stored.
fn secret(value: &mut Value) {
    use base64::Engine as _;
    fill(value, "type", || json!("Opaque"));
    let Some(plain) = value.as_object_mut().and_then(|fields| fields.remove("stringData")) else {
        return;
    };
    for (key, text) in plain.as_object().into_iter().flatten() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or(""));
        ensure(value, "data")[key] = json!(encoded);
    }
}

fn namespace(value: &mut Value) {
    if let Some(name) = value["metadata"]["name"].as_str().map(str::to_owned)
        && !name.is_empty()
    {
        ensure(ensure(value, "metadata"), "labels")["kubernetes.io/metadata.name"] = json!(name);
    }
    if value["metadata"].get("deletionTimestamp").is_none() {
        set(ensure(value, "spec"), "finalizers", || json!(["kubernetes"]));
    }
    fill(ensure(value, "status"), "phase", || json!("Active"));
}

fn volume(value: &mut Value) {
    let spec = ensure(value, "spec");
    fill(spec, "persistentVolumeReclaimPolicy", || json!("Retain"));
    set(spec, "volumeMode", || json!("Filesystem"));
    if let Some(path) = spec.get_mut("hostPath")
        && path.is_object()
    {
        set(path, "type", || json!(""));
    }
    fill(ensure(value, "status"), "phase", || json!("Pending"));
}

fn limit_range(value: &mut Value) {
    for limit in items(ensure(value, "spec"), "limits") {
        if limit["type"] != "Container" {
            continue;
        }
        for (from, to) in
            [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")]
        {
            for (name, amount) in limit[from].as_object().cloned().into_iter().flatten() {
                set(ensure(limit, to), &name, || amount);
            }
        }
    }
}

fn network_policy(value: &mut Value) {
    let spec = ensure(value, "spec");
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            for port in items(rule, "ports") {
                fill(port, "protocol", || json!("TCP"));
            }
        }
    }
    let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
    let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    set(spec, "policyTypes", || types);
}

fn autoscaler(value: &mut Value) {
    let v2 = value["apiVersion"] == "autoscaling/v2";
    let spec = ensure(value, "spec");
    set(spec, "minReplicas", || json!(1));
    if v2 {
        if spec["metrics"].as_array().is_none_or(Vec::is_empty) {
            spec["metrics"] = json!([{
                "type": "Resource",
                "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
                },
            }]);
        }
        if spec["behavior"].is_object() {
            scaling_behaviour(&mut spec["behavior"]);
        }
        initial_status(value, || json!({"currentMetrics": null, "desiredReplicas": 0}));
    }
}

fn scaling_behaviour(behaviour: &mut Value) {
    let up = ensure(behaviour, "scaleUp");
    set(up, "selectPolicy", || json!("Max"));
    set(up, "stabilizationWindowSeconds", || json!(0));
    set(up, "policies", || {
        json!([
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ])
    });
    let down = ensure(behaviour, "scaleDown");
    set(down, "selectPolicy", || json!("Max"));
    set(down, "policies", || json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
}

fn binding(value: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    fill(ensure(value, "roleRef"), "apiGroup", || json!(GROUP));
    for subject in items(value, "subjects") {
        if matches!(text(&subject["kind"]), "User" | "Group") {
            fill(subject, "apiGroup", || json!(GROUP));
        }
    }
}

fn webhooks(value: &mut Value, mutating: bool) {
    for hook in items(value, "webhooks") {
        set(hook, "failurePolicy", || json!("Fail"));
        set(hook, "matchPolicy", || json!("Equivalent"));
        set(hook, "namespaceSelector", || json!({}));
        set(hook, "objectSelector", || json!({}));
        set(hook, "timeoutSeconds", || json!(10));
        if mutating {
            set(hook, "reinvocationPolicy", || json!("Never"));
        }
        if hook["clientConfig"]["service"].is_object() {
            set(&mut hook["clientConfig"]["service"], "port", || json!(443));
        }
        for rule in items(hook, "rules") {
            set(rule, "scope", || json!("*"));
        }
    }
}

fn definition(value: &mut Value) {
    let spec = ensure(value, "spec");
    fill(ensure(spec, "conversion"), "strategy", || json!("None"));
    let names = ensure(spec, "names");
    let kind = text(&names["kind"]).to_owned();
    fill(names, "singular", || json!(kind.to_lowercase()));
    fill(names, "listKind", || json!(format!("{kind}List")));
    let stored: Vec<Value> = spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    let status = ensure(value, "status");
    set(status, "acceptedNames", || json!({"kind": "", "plural": ""}));
    set(status, "conditions", || Value::Null);
    set(status, "storedVersions", || json!(stored));
}
