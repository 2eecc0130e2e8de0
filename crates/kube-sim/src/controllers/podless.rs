//! Workloads that become ready without ReplicaSets and Pods (`Behaviour::pods == false`): the same
//! status at the same time, for fleets whose pods nobody looks at.

use serde_json::{Value, json};

use super::access::{Found, number};
use super::conditions::find;
use super::deployment::{
    Counts, Progress, REVISION, deadline_passed, revision, set_available, watch_deadline,
};
use super::queue::{Kind, Step};
use super::{any_image, rollout};
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

/// A workload was written. What changed in its spec is ready after `ready_after`, unless its images
/// are bad.
pub(super) fn changed(state: &mut State, workload: &Found) {
    let observed = number(&workload.value["status"]["observedGeneration"]);
    let new = observed != workload.generation();
    if new {
        write(state, workload, None);
        // What waited for the generation before starts anew.
        let step = Step {
            kind: Kind::Podless,
            resource: workload.resource.id.clone(),
            key: workload.key().clone(),
        };
        state.controllers.queue.remove(&step);
    }
    if new || unready(&workload.value) {
        let behaviour = &state.controllers.behaviour;
        if !fails(state, workload) {
            let wait = behaviour.ready_after;
            state.once_after(Kind::Podless, workload, wait);
        }
    }
    if is(workload, "deployments") {
        if deadline_passed(state, workload) {
            let live = state.found(&workload.resource.id, workload.key());
            if let Some(live) = live {
                write(state, &live, None);
            }
        }
        watch_deadline(state, workload);
    }
}

fn fails(state: &State, workload: &Found) -> bool {
    let spec = &workload.value["spec"]["template"]["spec"];
    let behaviour = &state.controllers.behaviour;
    any_image(spec, &behaviour.bad_images) || any_image(spec, &behaviour.crashing_images)
}

fn is(workload: &Found, plural: &str) -> bool {
    workload.resource.id.plural() == plural
}

/// Whether the status still says that something is on its way.
fn unready(value: &Value) -> bool {
    let status = &value["status"];
    match find(status, "Progressing") {
        Some(progressing) => !matches!(
            progressing["reason"].as_str(),
            Some("NewReplicaSetAvailable" | "ProgressDeadlineExceeded" | "DeploymentPaused")
        ),
        None => {
            let wanted = status.get("desiredNumberScheduled").unwrap_or(&value["spec"]["replicas"]);
            let ready = status.get("numberReady").unwrap_or(&status["readyReplicas"]);
            number(wanted) != number(ready)
        }
    }
}

/// The time has come: what the spec wants is there.
pub(super) fn ready(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(workload) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    let wanted = match id.plural() {
        "daemonsets" => nodes(state),
        _ => number(&workload.value["spec"]["replicas"]),
    };
    write(state, &workload, Some(wanted));
}

fn nodes(state: &State) -> i64 {
    let count = state.store.list(&ResourceId::new("", "nodes"), None, None).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes the status with so many pods that are ready, or as a change begins.
fn write(state: &mut State, workload: &Found, ready: Option<i64>) {
    let mut value = workload.value.clone();
    match workload.resource.id.plural() {
        "deployments" => deployment(state, workload, &mut value, ready),
        "statefulsets" => stateful_set(workload, &mut value, ready),
        _ => daemon_set(workload, &mut value, ready, nodes(state)),
    }
    state.write_status(workload, value);
}

fn deployment(state: &State, workload: &Found, value: &mut Value, ready: Option<i64>) {
    let limits = rollout::Limits::of(&workload.value["spec"]);
    let before = &workload.value["status"];
    let available = number(&before["availableReplicas"]).min(limits.desired);
    let stuck = if limits.desired == 0 { 0 } else { limits.surge.max(1) };
    let counts = match ready {
        Some(all) => {
            Counts { wanted: all, replicas: all, updated: all, ready: all, available: all }
        }
        None if limits.desired == 0 => {
            Counts { wanted: 0, replicas: 0, updated: 0, ready: 0, available: 0 }
        }
        None => Counts {
            wanted: available.max(limits.desired),
            replicas: available + stuck,
            updated: stuck,
            ready: available,
            available,
        },
    };
    let generation = workload.generation();
    let changed = number(&before["observedGeneration"]) != generation;
    if !value["metadata"]["annotations"].is_object() {
        value["metadata"]["annotations"] = json!({});
    }
    // Without ReplicaSets every change of the spec counts as a revision.
    if changed {
        let next = revision(value) + 1;
        value["metadata"]["annotations"][REVISION] = json!(next.to_string());
    }
    let template = workload.value["spec"]["template"].to_string();
    let hash = crate::admission::names::hash(super::access::hash(&template));
    let name = format!("{}-{hash}", workload.name());
    let time = crate::controllers::access::rfc3339(state.clock.wall_ms());
    let notice =
        changed.then(|| ("NewReplicaSetCreated", format!("Created new replica set \"{name}\"")));
    let mut status = counts.status(workload);
    status["conditions"] = before["conditions"].clone();
    let reported = Counts { wanted: 0, replicas: 0, updated: 0, ready: 0, available: 0 };
    set_available(&mut status, counts.available >= limits.desired - limits.unavailable, &time);
    Progress {
        counts: &counts,
        before: if ready.is_some() { &reported } else { &counts },
        desired: limits.desired,
        paused: workload.value["spec"]["paused"] == true,
        notice,
        new: Some(&name),
        deadline: deadline_passed(state, workload),
    }
    .set(&mut status, &time);
    value["status"] = status;
}

fn stateful_set(workload: &Found, value: &mut Value, ready: Option<i64>) {
    let template = workload.value["spec"]["template"].to_string();
    let hash = crate::admission::names::hash(super::access::hash(&template));
    let revision = format!("{}-{hash}", workload.name());
    let before = workload.value["status"].clone();
    let current = before["currentRevision"].as_str().unwrap_or(&revision).to_owned();
    let wanted = number(&workload.value["spec"]["replicas"]);
    let mut status = json!({
        "observedGeneration": workload.generation(), "collisionCount": 0,
        "updateRevision": revision,
    });
    match ready {
        Some(all) => {
            status["currentRevision"] = json!(revision);
            status["replicas"] = json!(all);
            status["availableReplicas"] = json!(all);
            for field in ["readyReplicas", "currentReplicas", "updatedReplicas"] {
                if all > 0 {
                    status[field] = json!(all);
                }
            }
        }
        None => {
            let left = number(&before["readyReplicas"]).min((wanted - 1).max(0));
            status["currentRevision"] = json!(current);
            status["replicas"] = json!(wanted.min(left + 1));
            status["availableReplicas"] = json!(left);
            if left > 0 {
                status["readyReplicas"] = json!(left);
                status["currentReplicas"] = json!(left);
            }
            if wanted > 0 {
                status["updatedReplicas"] = json!(1);
            }
        }
    }
    value["status"] = status;
}

fn daemon_set(workload: &Found, value: &mut Value, ready: Option<i64>, nodes: i64) {
    let mut status = json!({
        "observedGeneration": workload.generation(), "desiredNumberScheduled": nodes,
        "currentNumberScheduled": nodes, "numberMisscheduled": 0,
        "numberReady": ready.unwrap_or(0),
    });
    match ready {
        Some(all) if all > 0 => {
            status["numberAvailable"] = json!(all);
            status["updatedNumberScheduled"] = json!(all);
        }
        _ if nodes > 0 => status["numberUnavailable"] = json!(nodes),
        _ => {}
    }
    value["status"] = status;
}
