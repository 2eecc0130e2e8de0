//! PersistentVolumeClaims: each is bound after a delay, to a volume that fits or, unless it forbids
//! that by an empty class, to one made for it; and it is let go when no pod uses it any more. A volume
//! that was made for a claim lives as long as the claim. Access modes and sizes of volumes that fit
//! are compared as they are written.

use serde_json::json;

use super::access::Found;
use super::garbage::without_finalizer;
use super::queue::Kind;
use super::replica_set::ended;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

const PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

fn volumes() -> ResourceId {
    ResourceId::new("", "persistentvolumes")
}

pub(super) fn changed(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(claim) = state.found(id, key) else {
        release(state, key);
        return;
    };
    if claim.deleting() {
        if !in_use(state, &claim) {
            without_finalizer(state, &claim, PROTECTION);
        }
    } else if claim.value["status"]["phase"] != "Bound" {
        // One that finds no volume is asked again when it is written.
        let wait = state.controllers.behaviour.ready_after;
        state.once_after(Kind::ClaimBound, &claim, wait);
    }
}

fn in_use(state: &State, claim: &Found) -> bool {
    let pods = ResourceId::new("", "pods");
    state.all(&pods, Some(claim.namespace())).iter().any(|pod| {
        let volumes = pod.value["spec"]["volumes"].as_array();
        !ended(&pod.value)
            && volumes
                .into_iter()
                .flatten()
                .any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim.name())
    })
}

pub(super) fn bind(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(claim) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    let Some(volume) = choose(state, &claim) else { return };
    let mut value = claim.value.clone();
    value["spec"]["volumeName"] = json!(volume);
    if !value["metadata"]["annotations"].is_object() {
        value["metadata"]["annotations"] = json!({});
    }
    for annotation in ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"] {
        value["metadata"]["annotations"][annotation] = json!("yes");
    }
    state.write_main(&claim, value);
    let Some(claim) = state.found(id, key) else { return };
    let mut value = claim.value.clone();
    value["status"] = json!({
        "phase": "Bound", "accessModes": value["spec"]["accessModes"],
        "capacity": {"storage": value["spec"]["resources"]["requests"]["storage"]},
    });
    state.write_status(&claim, value);
}

/// The volume of a claim: the one it names, one that fits, or a new one.
fn choose(state: &mut State, claim: &Found) -> Option<String> {
    let spec = &claim.value["spec"];
    if let Some(named) = spec["volumeName"].as_str().filter(|name| !name.is_empty()) {
        return Some(named.to_owned());
    }
    let fitting = state.all(&volumes(), None).into_iter().find(|volume| fits(volume, claim));
    if let Some(volume) = fitting {
        let mut value = volume.value.clone();
        value["spec"]["claimRef"] = reference(claim);
        state.write_main(&volume, value);
        mark_bound(state, volume.key());
        return Some(volume.name().to_owned());
    }
    if spec["storageClassName"] == "" {
        return None;
    }
    let name = format!("pvc-{}", claim.uid());
    make_volume(state, claim, &name);
    Some(name)
}

fn fits(volume: &Found, claim: &Found) -> bool {
    let (volume, spec) = (&volume.value["spec"], &claim.value["spec"]);
    let class =
        |spec: &serde_json::Value| spec["storageClassName"].as_str().unwrap_or("").to_owned();
    let of = &volume["claimRef"];
    let free = of.is_null() || (of["name"] == claim.name() && of["namespace"] == claim.namespace());
    let modes = spec["accessModes"].as_array().into_iter().flatten();
    let offered = volume["accessModes"].as_array().cloned().unwrap_or_default();
    free && spec["storageClassName"].is_string()
        && class(volume) == class(spec)
        && volume["capacity"]["storage"] == spec["resources"]["requests"]["storage"]
        && modes.into_iter().all(|mode| offered.contains(mode))
}

fn reference(claim: &Found) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name(),
        "namespace": claim.namespace(), "uid": claim.uid(),
    })
}

fn mark_bound(state: &mut State, volume: &ObjectKey) {
    if let Some(found) = state.found(&volumes(), volume) {
        let mut value = found.value.clone();
        value["status"]["phase"] = json!("Bound");
        state.write_status(&found, value);
    }
}

fn make_volume(state: &mut State, claim: &Found, name: &str) {
    let spec = &claim.value["spec"];
    let mut volume = json!({
        "capacity": {"storage": spec["resources"]["requests"]["storage"]},
        "accessModes": spec["accessModes"], "volumeMode": spec["volumeMode"],
        "persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": format!("/var/lib/volumes/{name}")},
        "claimRef": reference(claim),
    });
    if spec["storageClassName"].is_string() {
        volume["storageClassName"] = spec["storageClassName"].clone();
    }
    let made = state.make(&volumes(), json!({"metadata": {"name": name}, "spec": volume}));
    if let Some(key) = made {
        mark_bound(state, &key);
    }
}

/// The claim is gone, and its volume goes too, when the reclaim policy says so.
fn release(state: &mut State, claim: &ObjectKey) {
    for volume in state.all(&volumes(), None) {
        let of = &volume.value["spec"]["claimRef"];
        let its = of["name"] == *claim.name && of["namespace"] == *claim.namespace;
        if its && volume.value["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
            state.discard(&volume);
            without_finalizer(state, &volume, VOLUME_PROTECTION);
        }
    }
}
