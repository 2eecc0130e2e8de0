//! ReplicaSets: as many pods as wanted, and counts of them.

use std::cmp::Reverse;
use std::time::Duration;

use serde_json::{Value, json};

use super::access::{Found, number, wall_ms};
use super::conditions::{find, is_true};
use super::queue::Kind;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

pub(super) fn sync(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(set) = state.found(id, key) else { return };
    if set.deleting() || !state.controllers.behaviour.pods {
        return;
    }
    let pods = active_pods(state, &set);
    let wanted = usize::try_from(number(&set.value["spec"]["replicas"])).unwrap_or(0);
    if pods.len() < wanted {
        for _ in pods.len()..wanted {
            create_pod(state, &set, "replicaset-controller", |_| {});
        }
    } else {
        remove_extra(state, &set, pods, wanted);
    }
    report(state, &set);
}

/// The pods of a workload that are neither ended nor on their way out.
pub(super) fn active_pods(state: &State, owner: &Found) -> Vec<Found> {
    let mut pods = state.owned(owner, &ResourceId::new("", "pods"));
    pods.retain(|pod| !pod.deleting() && !ended(&pod.value));
    pods
}

pub(super) fn ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

pub(super) fn is_ready(pod: &Value) -> bool {
    is_true(&pod["status"], "Ready")
}

/// How long a ready pod has still to wait until it counts as available; nothing when it is not
/// ready.
pub(super) fn available_in(state: &State, pod: &Value, seconds: i64) -> Option<Duration> {
    let ready = find(&pod["status"], "Ready").filter(|ready| ready["status"] == "True")?;
    let since = wall_ms(&ready["lastTransitionTime"]).unwrap_or(0);
    let left = since + seconds * 1000 - state.clock.wall_ms();
    let left = if seconds == 0 { 0 } else { left };
    Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
}

/// Makes a pod from a workload's template; `change` gives it what the controller adds.
pub(super) fn create_pod(
    state: &mut State,
    owner: &Found,
    component: &str,
    change: impl FnOnce(&mut Value),
) -> Option<ObjectKey> {
    let template = &owner.value["spec"]["template"];
    let mut metadata = json!({
        "name": format!("{}-", owner.name()), "namespace": owner.namespace(),
        "ownerReferences": [owner.as_owner()],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if template["metadata"][field].is_object() || template["metadata"][field].is_array() {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    let mut pod = json!({"metadata": metadata, "spec": template["spec"]});
    change(&mut pod);
    let key = state.make(&ResourceId::new("", "pods"), pod)?;
    let message = format!("Created pod: {}", key.name);
    state.tell(owner, component, "SuccessfulCreate", &message);
    Some(key)
}

/// Deletes what is too much: first what is not ready, then what is young.
fn remove_extra(state: &mut State, set: &Found, mut pods: Vec<Found>, wanted: usize) {
    pods.sort_by_key(|pod| {
        let since = pod.value["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
        (is_ready(&pod.value), Reverse(since), pod.name().to_owned())
    });
    let extra = pods.len().saturating_sub(wanted);
    for pod in &pods[..extra] {
        state.discard(pod);
        let message = format!("Deleted pod: {}", pod.name());
        state.tell(set, "replicaset-controller", "SuccessfulDelete", &message);
    }
}

fn report(state: &mut State, set: &Found) {
    let Some(live) = state.found(&set.resource.id, set.key()) else { return };
    let pods = active_pods(state, &live);
    let labels = live.value["spec"]["template"]["metadata"]["labels"].as_object();
    let labelled = pods.iter().filter(|pod| {
        labels
            .into_iter()
            .flatten()
            .all(|(key, text)| pod.value["metadata"]["labels"][key] == *text)
    });
    let seconds = number(&live.value["spec"]["minReadySeconds"]);
    let waits: Vec<Duration> =
        pods.iter().filter_map(|pod| available_in(state, &pod.value, seconds)).collect();
    let mut status = json!({
        "replicas": pods.len(), "observedGeneration": live.generation(), "terminatingReplicas": 0,
    });
    for (field, count) in [
        ("fullyLabeledReplicas", labelled.count()),
        ("readyReplicas", pods.iter().filter(|pod| is_ready(&pod.value)).count()),
        ("availableReplicas", waits.iter().filter(|wait| wait.is_zero()).count()),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let mut value = live.value.clone();
    value["status"] = status;
    state.write_status(&live, value);
    if let Some(wait) = waits.into_iter().filter(|wait| !wait.is_zero()).min() {
        state.after(Kind::ReplicaSet, &live, wait);
    }
}
