//! DaemonSets: one pod on each node that suits the template.

use serde_json::json;

use super::access::{Found, number};
use super::queue::Kind;
use super::replica_set::{active_pods, available_in, create_pod, is_ready};
use super::{pod, podless, revisions, rollout};
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

const REVISION: &str = "controller-revision-hash";
const COMPONENT: &str = "daemonset-controller";

/// The nodes changed.
pub(super) fn sync_all(state: &mut State, id: &ResourceId) {
    let keys: Vec<ObjectKey> = state.store.list(id, None, None).map(|s| s.key.clone()).collect();
    for key in keys {
        if let Some(set) = state.found(id, &key) {
            state.after(Kind::DaemonSet, &set, std::time::Duration::ZERO);
        }
    }
}

pub(super) fn sync(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(set) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if !state.controllers.behaviour.pods {
        podless::changed(state, &set);
        return;
    }
    let hash = revisions::template_hash(&set);
    let mut labels = set.value["spec"]["template"]["metadata"]["labels"].clone();
    labels[REVISION] = json!(hash);
    revisions::keep(state, &set, &labels, &[]);
    let nodes = nodes(state, &set);
    place(state, &set, &nodes, &hash);
    roll(state, &set, &nodes, &hash);
    report(state, &set, &nodes, &hash);
}

fn nodes(state: &State, set: &Found) -> Vec<String> {
    let nodes = state.all(&ResourceId::new("", "nodes"), None);
    let template = &set.value["spec"]["template"];
    let suits = |node: &&Found| {
        // A daemon also runs on a node that is closed to others.
        let mut open = node.value.clone();
        if let Some(spec) = open["spec"].as_object_mut() {
            spec.remove("unschedulable");
        }
        pod::suits(template, &open)
    };
    nodes.iter().filter(suits).map(|node| node.name().to_owned()).collect()
}

fn node_of(pod: &Found) -> &str {
    pod.value["spec"]["nodeName"].as_str().unwrap_or_default()
}

/// Makes the pods that are missing and removes those that should not be.
fn place(state: &mut State, set: &Found, nodes: &[String], hash: &str) {
    let pods = active_pods(state, set);
    let missing: Vec<&String> =
        nodes.iter().filter(|node| !pods.iter().any(|pod| node_of(pod) == node.as_str())).collect();
    for node in missing {
        create_pod(state, set, COMPONENT, |pod| {
            pod["metadata"]["labels"][REVISION] = json!(hash);
            pod["metadata"]["labels"]["pod-template-generation"] = json!(
                set.value["metadata"]["annotations"]["deprecated.daemonset.template.generation"]
                    .as_str()
                    .unwrap_or("1")
            );
            pod["spec"]["nodeName"] = json!(node);
        });
    }
    for pod in &pods {
        if !nodes.iter().any(|node| node == node_of(pod)) {
            state.discard(pod);
        }
    }
}

/// Replaces pods of an older template, as many at a time as may be unavailable.
fn roll(state: &mut State, set: &Found, nodes: &[String], hash: &str) {
    let strategy = &set.value["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return;
    }
    let pods = active_pods(state, set);
    let all = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
    let allowed = rollout::share(&strategy["rollingUpdate"]["maxUnavailable"], all, true).max(1);
    let unavailable = pods.iter().filter(|pod| !is_ready(&pod.value)).count();
    let mut room = allowed - i64::try_from(unavailable).unwrap_or(i64::MAX);
    for pod in &pods {
        if pod.value["metadata"]["labels"][REVISION] == hash {
            continue;
        }
        let broken = !is_ready(&pod.value);
        if broken || room > 0 {
            state.discard(pod);
            let message = format!("Deleted pod: {}", pod.name());
            state.tell(set, COMPONENT, "SuccessfulDelete", &message);
        }
        if !broken {
            room -= 1;
        }
    }
}

fn report(state: &mut State, set: &Found, nodes: &[String], hash: &str) {
    let Some(live) = state.found(&set.resource.id, set.key()) else { return };
    let pods = active_pods(state, &live);
    let seconds = number(&live.value["spec"]["minReadySeconds"]);
    let waits: Vec<std::time::Duration> =
        pods.iter().filter_map(|pod| available_in(state, &pod.value, seconds)).collect();
    let available = waits.iter().filter(|wait| wait.is_zero()).count();
    let updated =
        pods.iter().filter(|pod| pod.value["metadata"]["labels"][REVISION] == hash).count();
    let mut status = json!({
        "observedGeneration": live.generation(), "desiredNumberScheduled": nodes.len(),
        "currentNumberScheduled": pods.len(), "numberMisscheduled": 0,
        "numberReady": pods.iter().filter(|pod| is_ready(&pod.value)).count(),
    });
    for (field, count) in [
        ("numberAvailable", available),
        ("numberUnavailable", nodes.len().saturating_sub(available)),
        ("updatedNumberScheduled", updated),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let mut value = live.value.clone();
    value["status"] = status;
    state.write_status(&live, value);
    if let Some(wait) = waits.into_iter().filter(|wait| !wait.is_zero()).min() {
        state.after(Kind::DaemonSet, &live, wait);
    }
}
