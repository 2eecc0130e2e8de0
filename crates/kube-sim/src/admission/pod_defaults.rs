//! The defaults of a pod's spec, alone or in a template. Pure.

use serde_json::{Value, json};

use super::value::{ensure, fill, items, set, text};

pub(super) fn pod_spec(spec: &mut Value) {
    fill(spec, "restartPolicy", || json!("Always"));
    fill(spec, "dnsPolicy", || json!("ClusterFirst"));
    fill(spec, "schedulerName", || json!("default-scheduler"));
    set(spec, "terminationGracePeriodSeconds", || json!(30));
    set(spec, "securityContext", || json!({}));
    service_account(spec);
    for list in ["initContainers", "containers"] {
        for item in items(spec, list) {
            container(item);
        }
    }
    for item in items(spec, "volumes") {
        volume(item);
    }
}

/// The deprecated name and the new one always say the same.
fn service_account(spec: &mut Value) {
    for (from, to) in
        [("serviceAccount", "serviceAccountName"), ("serviceAccountName", "serviceAccount")]
    {
        let name = text(&spec[from]).to_owned();
        if !name.is_empty() {
            fill(spec, to, || json!(name));
        }
    }
}

fn container(container: &mut Value) {
    let policy = pull_policy(text(&container["image"]));
    fill(container, "imagePullPolicy", || json!(policy));
    fill(container, "terminationMessagePath", || json!("/dev/termination-log"));
    fill(container, "terminationMessagePolicy", || json!("File"));
    set(container, "resources", || json!({}));
    for port in items(container, "ports") {
        fill(port, "protocol", || json!("TCP"));
    }
    for variable in items(container, "env") {
        if let Some(source) = variable.get_mut("valueFrom") {
            field_reference(source);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get_mut(name).filter(|probe| probe.is_object()) {
            probe(found);
        }
    }
    for name in ["postStart", "preStop"] {
        let hook = container.get_mut("lifecycle").and_then(|hooks| hooks.get_mut(name));
        if let Some(get) = hook.and_then(|hook| hook.get_mut("httpGet")) {
            http_get(get);
        }
    }
}

/// `Always` when the image names no version: no digest, and no tag or the tag `latest`.
fn pull_policy(image: &str) -> &'static str {
    let named = image.contains('@');
    let last = image.rsplit('/').next().unwrap_or(image);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    if named || tag.is_some_and(|tag| tag != "latest") { "IfNotPresent" } else { "Always" }
}

fn probe(probe: &mut Value) {
    fill(probe, "timeoutSeconds", || json!(1));
    fill(probe, "periodSeconds", || json!(10));
    fill(probe, "successThreshold", || json!(1));
    fill(probe, "failureThreshold", || json!(3));
    if let Some(get) = probe.get_mut("httpGet") {
        http_get(get);
    }
    if let Some(call) = probe.get_mut("grpc") {
        set(call, "service", || json!(""));
    }
}

fn http_get(get: &mut Value) {
    fill(get, "path", || json!("/"));
    fill(get, "scheme", || json!("HTTP"));
}

fn field_reference(source: &mut Value) {
    if let Some(field) = source.get_mut("fieldRef") {
        fill(field, "apiVersion", || json!("v1"));
    }
}

/// What a volume can be, of the sources that have defaults.
fn volume(volume: &mut Value) {
    // A volume without a source is an empty directory.
    if volume.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("name")) {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(found) = volume.get_mut(source).filter(|found| found.is_object()) {
            set(found, "defaultMode", || json!(420));
            for item in items(found, "items") {
                field_reference(item);
            }
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        set(path, "type", || json!(""));
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items(projected, "sources") {
            projection(source);
        }
    }
    let ephemeral = volume.get_mut("ephemeral").and_then(|e| e.get_mut("volumeClaimTemplate"));
    if let Some(template) = ephemeral {
        claim_spec(ensure(template, "spec"));
    }
}

fn projection(source: &mut Value) {
    if let Some(token) = source.get_mut("serviceAccountToken") {
        set(token, "expirationSeconds", || json!(3600));
    }
    if let Some(downward) = source.get_mut("downwardAPI") {
        for item in items(downward, "items") {
            field_reference(item);
        }
    }
}

/// The spec of a claim, alone or in a template.
pub(super) fn claim_spec(spec: &mut Value) {
    set(spec, "volumeMode", || json!("Filesystem"));
}
