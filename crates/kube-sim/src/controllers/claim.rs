//! PersistentVolumeClaims: each gets a volume of its own after a delay, whatever its class, and is
//! let go when no pod uses it any more. The volume lives as long as the claim.

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
    let spec = &claim.value["spec"];
    let named = spec["volumeName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let volume = named.unwrap_or_else(|| format!("pvc-{}", claim.uid()));
    make_volume(state, &claim, &volume);
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

fn make_volume(state: &mut State, claim: &Found, name: &str) {
    let spec = &claim.value["spec"];
    let mut volume = json!({
        "capacity": {"storage": spec["resources"]["requests"]["storage"]},
        "accessModes": spec["accessModes"], "volumeMode": spec["volumeMode"],
        "persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": format!("/var/lib/volumes/{name}")},
        "claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name(),
            "namespace": claim.namespace(), "uid": claim.uid(),
        },
    });
    if spec["storageClassName"].is_string() {
        volume["storageClassName"] = spec["storageClassName"].clone();
    }
    let made = state.make(&volumes(), json!({"metadata": {"name": name}, "spec": volume}));
    let found = made.and_then(|key| state.found(&volumes(), &key));
    if let Some(found) = found {
        let mut value = found.value.clone();
        value["status"] = json!({"phase": "Bound"});
        state.write_status(&found, value);
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
