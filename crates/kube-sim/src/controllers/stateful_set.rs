//! StatefulSets: pods with numbers, in order, each with its claims.
//!
//! As in a real cluster, an ordered roll-out waits for ever at a pod that does not become ready, even
//! when the template is mended: someone has to delete that pod.

use serde_json::{Value, json};

use super::access::{Found, number};
use super::replica_set::{available_in, is_ready};
use super::{podless, replica_set, revisions};
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

const REVISION: &str = "controller-revision-hash";
const COMPONENT: &str = "statefulset-controller";

pub(super) fn sync(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(set) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if !state.controllers.behaviour.pods {
        podless::changed(state, &set);
        return;
    }
    let update = format!("{}-{}", set.name(), revisions::template_hash(&set));
    let current = set.value["status"]["currentRevision"].as_str().unwrap_or(&update).to_owned();
    let mut labels = set.value["spec"]["template"]["metadata"]["labels"].clone();
    labels["controller.kubernetes.io/hash"] = json!(revisions::template_hash(&set));
    revisions::keep(state, &set, &labels, &[&current]);
    move_on(state, &set, &update);
    report(state, &set, &update, &current);
}

fn ordinal(pod: &Found) -> Option<i64> {
    pod.name().rsplit_once('-')?.1.parse().ok()
}

fn pods(state: &State, set: &Found) -> Vec<Found> {
    let mut pods = replica_set::active_pods(state, set);
    pods.sort_by_key(ordinal);
    pods
}

/// The next pod made or deleted; in order one at a time, else all that may be.
fn move_on(state: &mut State, set: &Found, update: &str) {
    let spec = &set.value["spec"];
    let (first, wanted) = (number(&spec["ordinals"]["start"]), number(&spec["replicas"]));
    let parallel = spec["podManagementPolicy"] == "Parallel";
    let present = pods(state, set);
    for n in first..first + wanted {
        match present.iter().find(|pod| ordinal(pod) == Some(n)) {
            None => {
                create(state, set, n, update);
                if !parallel {
                    return;
                }
            }
            Some(pod) if !parallel && !is_ready(&pod.value) => return,
            Some(_) => {}
        }
    }
    let extra = present
        .iter()
        .rev()
        .filter(|pod| ordinal(pod).is_none_or(|n| n < first || n >= first + wanted));
    for pod in extra {
        remove(state, set, pod);
        if !parallel {
            return;
        }
    }
    roll(state, set, &present, update);
}

/// Replaces the last pod that is not of the newest template, when all after it are ready.
fn roll(state: &mut State, set: &Found, present: &[Found], update: &str) {
    let strategy = &set.value["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return;
    }
    let partition = number(&strategy["rollingUpdate"]["partition"]);
    for pod in present.iter().rev() {
        if ordinal(pod).is_some_and(|n| n < partition) {
            return;
        }
        if pod.value["metadata"]["labels"][REVISION] != update {
            remove(state, set, pod);
            return;
        }
        if !is_ready(&pod.value) {
            return;
        }
    }
}

fn create(state: &mut State, set: &Found, n: i64, update: &str) {
    let name = format!("{}-{n}", set.name());
    let template = &set.value["spec"]["volumeClaimTemplates"];
    let claims = template.as_array().cloned().unwrap_or_default();
    for claim in &claims {
        make_claim(state, set, claim, &name);
    }
    // Pods below the partition stay with the revision before; a new one is of the newest, which is
    // the same as long as the partition is not used.
    let service = set.value["spec"]["serviceName"].clone();
    let make = |pod: &mut Value| {
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["generateName"] = json!(format!("{}-", set.name()));
        let labels = &mut pod["metadata"]["labels"];
        labels["apps.kubernetes.io/pod-index"] = json!(n.to_string());
        labels[REVISION] = json!(update);
        labels["statefulset.kubernetes.io/pod-name"] = json!(name);
        pod["spec"]["hostname"] = json!(name);
        if service.as_str().is_some_and(|service| !service.is_empty()) {
            pod["spec"]["subdomain"] = service;
        }
        mount_claims(pod, &claims, &name);
    };
    replica_set::create_pod(state, set, COMPONENT, make);
}

fn claim_name(claim: &Value, pod: &str) -> String {
    format!("{}-{pod}", claim["metadata"]["name"].as_str().unwrap_or_default())
}

fn mount_claims(pod: &mut Value, claims: &[Value], name: &str) {
    if claims.is_empty() {
        return;
    }
    if !pod["spec"]["volumes"].is_array() {
        pod["spec"]["volumes"] = json!([]);
    }
    let volumes = pod["spec"]["volumes"].as_array_mut().expect("made above");
    for claim in claims {
        volumes.retain(|volume| volume["name"] != claim["metadata"]["name"]);
        volumes.push(json!({
            "name": claim["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": claim_name(claim, name)},
        }));
    }
}

fn make_claim(state: &mut State, set: &Found, claim: &Value, pod: &str) {
    let mut labels = claim["metadata"]["labels"].clone();
    for (key, text) in
        set.value["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten()
    {
        labels[key] = text.clone();
    }
    let name = claim_name(claim, pod);
    let made = state.make(
        &ResourceId::new("", "persistentvolumeclaims"),
        json!({
            "metadata": {
                "name": name, "namespace": set.namespace(), "labels": labels,
                "annotations": claim["metadata"]["annotations"],
            },
            "spec": claim["spec"],
        }),
    );
    if made.is_some() {
        let message =
            format!("Create Claim {name} Pod {pod} in StatefulSet {} success", set.name());
        state.tell(set, COMPONENT, "SuccessfulCreate", &message);
    }
}

fn remove(state: &mut State, set: &Found, pod: &Found) {
    state.discard(pod);
    let message = format!("delete Pod {} in StatefulSet {} successful", pod.name(), set.name());
    state.tell(set, COMPONENT, "SuccessfulDelete", &message);
}

fn report(state: &mut State, set: &Found, update: &str, current: &str) {
    let Some(live) = state.found(&set.resource.id, set.key()) else { return };
    let pods = pods(state, &live);
    let wanted = number(&live.value["spec"]["replicas"]);
    let count = |test: &dyn Fn(&Found) -> bool| pods.iter().filter(|pod| test(pod)).count();
    let of = |pod: &Found, revision: &str| pod.value["metadata"]["labels"][REVISION] == revision;
    let seconds = number(&live.value["spec"]["minReadySeconds"]);
    let ready = count(&|pod| is_ready(&pod.value));
    let updated = count(&|pod| of(pod, update));
    let all = usize::try_from(wanted).unwrap_or(0);
    // The newest revision becomes the current one when all pods are of it and ready.
    let current =
        if updated == all && ready == all && pods.len() == all { update } else { current };
    let waits: Vec<std::time::Duration> =
        pods.iter().filter_map(|pod| available_in(state, &pod.value, seconds)).collect();
    let mut status = json!({
        "observedGeneration": live.generation(), "collisionCount": 0, "replicas": pods.len(),
        "availableReplicas": waits.iter().filter(|wait| wait.is_zero()).count(),
        "currentRevision": current, "updateRevision": update,
    });
    for (field, count) in [
        ("readyReplicas", ready),
        ("currentReplicas", count(&|pod| of(pod, current))),
        ("updatedReplicas", updated),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let mut value = live.value.clone();
    value["status"] = status;
    state.write_status(&live, value);
    if let Some(wait) = waits.into_iter().filter(|wait| !wait.is_zero()).min() {
        state.after(super::queue::Kind::StatefulSet, &live, wait);
    }
}
