//! What a new cluster has before anyone asked for anything.

use serde_json::{Value, json};

use super::State;
use crate::api::rbac;
use crate::merge::Manager;
use crate::store::{ObjectKey, ResourceId};

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const NODES: [&str; 2] = ["node-1", "node-2"];

pub(super) fn fill(state: &mut State) {
    for name in NAMESPACES {
        create(state, &ResourceId::new("", "namespaces"), json!({"metadata": {"name": name}}));
    }
    for (id, value) in rbac::bootstrap() {
        create(state, &id, value);
    }
    let service = json!({
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]},
    });
    create(state, &ResourceId::new("", "services"), service);
    for name in NODES {
        let value = node(name, &state.now_text());
        create(state, &ResourceId::new("", "nodes"), value);
    }
}

/// A kube-system with a uid of its own, by which clients tell clusters apart.
pub(super) fn make_own(state: &mut State) {
    let (id, key) = (ResourceId::new("", "namespaces"), ObjectKey::new("", "kube-system"));
    let Some(live) = state.store.get(&id, &key).cloned() else { return };
    let mut value = live.value();
    value["metadata"]["uid"] = json!(state.uid());
    state.store.put(&id, key, value);
}

fn create(state: &mut State, id: &ResourceId, mut value: Value) {
    let versions = state.registry.versions(id).expect("what every cluster has is built in");
    let resource = versions[0].clone();
    let text = |key: &str| value["metadata"][key].as_str().unwrap_or_default().to_owned();
    let key = ObjectKey::new(&text("namespace"), &text("name"));
    let by = Manager {
        name: "kube-apiserver".to_owned(),
        subresource: String::new(),
        api_version: resource.api_version(),
        time: state.now_text(),
    };
    value["apiVersion"] = json!(resource.api_version());
    value["kind"] = json!(&*resource.kind);
    let created = state.create(&resource, key, value, &by);
    created.expect("what every cluster has is valid");
}

fn node(name: &str, now: &str) -> Value {
    let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady",
        "message": "kubelet is posting ready status", "lastHeartbeatTime": now,
        "lastTransitionTime": now});
    let room = json!({"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"});
    json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        }},
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "capacity": room, "allocatable": room, "conditions": [ready],
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": "v1.36.3+sim", "operatingSystem": "linux",
                "architecture": "amd64", "osImage": "simulated", "kernelVersion": "0",
                "containerRuntimeVersion": "simulated://0", "machineID": "", "systemUUID": "",
                "bootID": "", "kubeProxyVersion": ""},
        },
    })
}
