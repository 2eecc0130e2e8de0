//! What the server itself gives an object from the state of the cluster or from its uid: a
//! Service's addresses, a Job's selector, a pod's service account. Reads the state, writes nothing.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::value::{ensure, fill, items, set, text};
use crate::cluster::State;
use crate::schema::Resource;
use crate::store::ResourceId;

/// The addresses of Services, as a real cluster has them by default: 10.96.0.0/12, of which the
/// first 65,534 are given.
const SERVICE_RANGE: [u8; 2] = [10, 96];
const NODE_PORTS: std::ops::Range<u64> = 30_000..32_768;

pub(super) fn complete(
    state: &State,
    resource: &Resource,
    live: Option<&Value>,
    value: &mut Value,
) {
    match (resource.id.group(), resource.id.plural()) {
        ("", "services") => service(state, live, value),
        ("batch", "jobs") if live.is_none() => job(value),
        ("", "pods") if live.is_none() => pod(value),
        ("apps", "daemonsets") => template_generation(live, value),
        ("", "persistentvolumeclaims") if live.is_none() => {
            protect(value, "kubernetes.io/pvc-protection");
        }
        ("", "persistentvolumes") if live.is_none() => {
            protect(value, "kubernetes.io/pv-protection");
            let made = value["metadata"]["creationTimestamp"].clone();
            set(ensure(value, "status"), "lastPhaseTransitionTime", || made);
        }
        _ => {}
    }
}

/// Some bits that follow from the object's uid, so that a run can be repeated.
fn bits(value: &Value, salt: u64) -> u64 {
    let bytes = text(&value["metadata"]["uid"]).bytes().chain(salt.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn protect(value: &mut Value, finalizer: &str) {
    let metadata = ensure(value, "metadata");
    set(metadata, "finalizers", || json!([]));
    if let Some(list) = metadata["finalizers"].as_array_mut()
        && !list.iter().any(|held| held == finalizer)
    {
        list.push(json!(finalizer));
    }
}

fn service(state: &State, live: Option<&Value>, value: &mut Value) {
    let seed = bits(value, 0);
    let taken = |needle: &str| {
        state
            .store
            .list(&ResourceId::new("", "services"), None, None)
            .any(|stored| stored.json.contains(needle))
    };
    let spec = ensure(value, "spec");
    if spec["type"] == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            remove(spec, field);
        }
        return;
    }
    keep_addresses(live, spec);
    if text(&spec["clusterIP"]).is_empty() {
        spec["clusterIP"] = json!(free_address(seed, taken).to_string());
    }
    if spec["clusterIPs"].as_array().is_none_or(Vec::is_empty) {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
    // A headless Service that selects nothing may have endpoints of both families.
    let both = spec["clusterIP"] == "None"
        && spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
    let (families, policy) = if both {
        (json!(["IPv4", "IPv6"]), "RequireDualStack")
    } else {
        (json!(["IPv4"]), "SingleStack")
    };
    set(spec, "ipFamilies", || families);
    set(spec, "ipFamilyPolicy", || json!(policy));
    let wanted = match text(&spec["type"]) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    };
    if wanted {
        node_ports(seed, live, spec, taken);
    } else if live.is_some_and(|live| live["spec"]["type"] != spec["type"]) {
        // The ports that the old type was given go with it.
        for port in items(spec, "ports") {
            remove(port, "nodePort");
        }
    }
}

fn remove(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(field);
    }
}

/// An update that does not say the addresses keeps them; one that says only one of the two fields
/// means both.
fn keep_addresses(live: Option<&Value>, spec: &mut Value) {
    let before = live.map(|live| &live["spec"]);
    let said_one = !text(&spec["clusterIP"]).is_empty();
    let said_all = spec["clusterIPs"].as_array().is_some_and(|all| !all.is_empty());
    let same =
        |field: &str, spec: &Value| before.is_some_and(|before| before[field] == spec[field]);
    match (said_one, said_all) {
        (false, true) => spec["clusterIP"] = spec["clusterIPs"][0].clone(),
        (true, true) if !same("clusterIP", spec) && same("clusterIPs", spec) => {
            spec["clusterIPs"] = json!([spec["clusterIP"]]);
        }
        (false, false) => {
            for field in ["clusterIP", "clusterIPs"] {
                if let Some(kept) = before.map(|before| &before[field]).filter(|v| !v.is_null()) {
                    spec[field] = kept.clone();
                }
            }
        }
        _ => {}
    }
}

fn free_address(seed: u64, taken: impl Fn(&str) -> bool) -> Ipv4Addr {
    let [a, b] = SERVICE_RANGE;
    let candidates = (0..65_534u64).map(|step| {
        let host = u16::try_from((seed + step) % 65_534 + 1).expect("below 65,535");
        let [c, d] = host.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    });
    let free = |address: &Ipv4Addr| !taken(&format!("\"clusterIP\":\"{address}\""));
    // More Services than addresses do not fit in a test's memory either.
    candidates.into_iter().find(free).unwrap_or(Ipv4Addr::new(a, b, 0, 1))
}

fn node_ports(seed: u64, live: Option<&Value>, spec: &mut Value, taken: impl Fn(&str) -> bool) {
    let before = |port: &Value| {
        let old = live?["spec"]["ports"].as_array()?;
        let same = |p: &&Value| p["port"] == port["port"] && p["protocol"] == port["protocol"];
        old.iter().find(same).map(|p| p["nodePort"].clone()).filter(|n| !n.is_null())
    };
    let size = NODE_PORTS.end - NODE_PORTS.start;
    let mut next = seed;
    for port in items(spec, "ports") {
        let kept = before(port);
        fill(port, "nodePort", || {
            kept.unwrap_or_else(|| {
                let free = (0..size).find_map(|_| {
                    next = next.wrapping_add(1);
                    let number = NODE_PORTS.start + next % size;
                    (!taken(&format!("\"nodePort\":{number}"))).then_some(number)
                });
                json!(free.unwrap_or(NODE_PORTS.start))
            })
        });
    }
}

/// The labels and the selector by which a Job knows its pods.
fn job(value: &mut Value) {
    let (uid, name) = (value["metadata"]["uid"].clone(), value["metadata"]["name"].clone());
    let spec = ensure(value, "spec");
    if spec["manualSelector"] != true {
        let labels = ensure(ensure(ensure(spec, "template"), "metadata"), "labels");
        for (key, text) in [
            ("controller-uid", &uid),
            ("batch.kubernetes.io/controller-uid", &uid),
            ("job-name", &name),
            ("batch.kubernetes.io/job-name", &name),
        ] {
            labels[key] = text.clone();
        }
        let selector = ensure(ensure(spec, "selector"), "matchLabels");
        selector["batch.kubernetes.io/controller-uid"] = uid;
    }
    let labels = value["spec"]["template"]["metadata"]["labels"].clone();
    if value["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty)
        && labels.is_object()
    {
        value["metadata"]["labels"] = labels;
    }
}

/// The annotation in which a DaemonSet counts the versions of its template.
fn template_generation(live: Option<&Value>, value: &mut Value) {
    const KEY: &str = "deprecated.daemonset.template.generation";
    let before =
        live.map_or(0, |live| text(&live["metadata"]["annotations"][KEY]).parse().unwrap_or(1u64));
    let same = live.is_some_and(|live| live["spec"]["template"] == value["spec"]["template"]);
    let generation = if same { before } else { before + 1 };
    ensure(ensure(value, "metadata"), "annotations")[KEY] = json!(generation.to_string());
}

/// What admission gives every pod: its service account with a token, priority and tolerations.
fn pod(value: &mut Value) {
    let suffix = super::names::suffix(bits(value, 1));
    let spec = ensure(value, "spec");
    fill(spec, "serviceAccountName", || json!("default"));
    let account = spec["serviceAccountName"].clone();
    fill(spec, "serviceAccount", || account);
    set(spec, "priority", || json!(0));
    set(spec, "preemptionPolicy", || json!("PreemptLowerPriority"));
    tolerate(spec, "node.kubernetes.io/not-ready");
    tolerate(spec, "node.kubernetes.io/unreachable");
    if spec["automountServiceAccountToken"] != false {
        mount_token(spec, &format!("kube-api-access-{suffix}"));
    }
}

fn tolerate(spec: &mut Value, key: &str) {
    set(spec, "tolerations", || json!([]));
    if let Some(list) = spec["tolerations"].as_array_mut()
        && !list.iter().any(|t| t["key"] == key && t["effect"] == "NoExecute")
    {
        list.push(json!({
            "effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300,
        }));
    }
}

fn mount_token(spec: &mut Value, volume: &str) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            set(container, "volumeMounts", || json!([]));
            if let Some(mounts) = container["volumeMounts"].as_array_mut()
                && !mounts.iter().any(|mount| mount["mountPath"] == PATH)
            {
                mounts.push(json!({"mountPath": PATH, "name": volume, "readOnly": true}));
                used = true;
            }
        }
    }
    set(spec, "volumes", || json!([]));
    if let Some(volumes) = spec["volumes"].as_array_mut()
        && used
    {
        let namespace = json!({
            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
            "path": "namespace",
        });
        volumes.push(json!({
            "name": volume,
            "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {
                    "items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt",
                }},
                {"downwardAPI": {"items": [namespace]}},
            ]},
        }));
    }
}
