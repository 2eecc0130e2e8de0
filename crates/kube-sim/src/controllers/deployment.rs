//! Deployments: a ReplicaSet per template, moved from the old ones to the new one within the
//! strategy's limits, and the status that tells of it.
//!
//! Simplified: a scale in the middle of a roll-out is not spread in proportion over the ReplicaSets;
//! the next steps reach the same end.

use serde_json::{Value, json};

use super::access::{Found, hash, number, wall_ms};
use super::conditions::{Condition, find};
use super::{podless, queue::Kind, rollout};
use crate::admission::names;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";

pub(super) fn sync(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(deployment) = state.found(id, key) else { return };
    if deployment.deleting() {
        return;
    }
    if !state.controllers.behaviour.pods {
        podless::changed(state, &deployment);
        return;
    }
    let sets = replica_sets(state, &deployment);
    let new = new_set(&deployment, &sets);
    let paused = deployment.value["spec"]["paused"] == true;
    let mut notice = None;
    if paused {
        scale_paused(state, &deployment, &sets);
    } else if let Some(new) = new {
        let changed = renew_revision(state, &deployment, &sets[new], &sets);
        if !changed && !roll(state, &deployment, &sets, new) {
            remove_history(state, &deployment, &sets, new);
        }
        if find(&deployment.value["status"], "Progressing").is_none() {
            notice = Some((
                "FoundNewReplicaSet",
                format!("Found new replica set \"{}\"", sets[new].name()),
            ));
        }
    } else if let Some(name) = create_new(state, &deployment, &sets) {
        notice = Some(("NewReplicaSetCreated", format!("Created new replica set \"{name}\"")));
    }
    report(state, &deployment, notice);
}

pub(super) fn replica_sets(state: &State, deployment: &Found) -> Vec<Found> {
    let mut sets = state.owned(deployment, &ResourceId::new("apps", "replicasets"));
    sets.retain(|set| !set.deleting());
    sets.sort_by_key(|set| (revision(&set.value), set.name().to_owned()));
    sets
}

pub(super) fn revision(value: &Value) -> i64 {
    let text = value["metadata"]["annotations"][REVISION].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The ReplicaSet with the Deployment's template.
fn new_set(deployment: &Found, sets: &[Found]) -> Option<usize> {
    let wanted = &deployment.value["spec"]["template"];
    sets.iter().position(|set| {
        let mut template = set.value["spec"]["template"].clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        template == *wanted
    })
}

fn replicas(value: &Value) -> i64 {
    number(&value["spec"]["replicas"])
}

fn total(sets: &[Found]) -> i64 {
    sets.iter().map(|set| replicas(&set.value)).sum()
}

fn limits(deployment: &Found) -> rollout::Limits {
    rollout::Limits::of(&deployment.value["spec"])
}

/// Makes the ReplicaSet of the template; its name, or nothing when that was refused.
fn create_new(state: &mut State, deployment: &Found, sets: &[Found]) -> Option<String> {
    let spec = &deployment.value["spec"];
    let hash = names::hash(hash(&spec["template"].to_string()));
    let name = format!("{}-{hash}", deployment.name());
    let mut template = spec["template"].clone();
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = spec["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    let limits = limits(deployment);
    let recreate = spec["strategy"]["type"] == "Recreate";
    // A Recreate waits for the old pods; the new ReplicaSet is made when they are gone.
    if recreate && sets.iter().any(|set| number(&set.value["status"]["replicas"]) > 0) {
        for set in sets {
            scale(state, deployment, set, 0);
        }
        return None;
    }
    let count = if recreate { limits.desired } else { limits.scale_up(0, total(sets)) };
    let next = sets.iter().map(|set| revision(&set.value)).max().unwrap_or(0) + 1;
    let mut annotations = copied_annotations(deployment);
    annotations[REVISION] = json!(next.to_string());
    annotations[DESIRED] = json!(limits.desired.to_string());
    annotations[MAXIMUM] = json!((limits.desired + limits.surge).to_string());
    state.make(
        &ResourceId::new("apps", "replicasets"),
        json!({
            "metadata": {
                "name": name, "namespace": deployment.namespace(),
                "labels": template["metadata"]["labels"], "annotations": annotations,
                "ownerReferences": [deployment.as_owner()],
            },
            "spec": {
                "replicas": count, "selector": selector, "template": template,
                "minReadySeconds": number(&spec["minReadySeconds"]),
            },
        }),
    )?;
    if count > 0 {
        told_scaled(state, deployment, &name, 0, count);
    }
    Some(name)
}

fn copied_annotations(deployment: &Found) -> Value {
    let mut annotations = deployment.value["metadata"]["annotations"].clone();
    if !annotations.is_object() {
        annotations = json!({});
    }
    if let Some(fields) = annotations.as_object_mut() {
        fields.retain(|key, _| {
            key != "kubectl.kubernetes.io/last-applied-configuration"
                && !key.starts_with("deployment.kubernetes.io/")
        });
    }
    annotations
}

/// A ReplicaSet that becomes the new one again (a rollback) gets the next revision. Returns whether
/// something was written.
fn renew_revision(state: &mut State, deployment: &Found, new: &Found, sets: &[Found]) -> bool {
    let newest =
        sets.iter().filter(|set| set.uid() != new.uid()).map(|set| revision(&set.value)).max();
    let (own, wanted) = (revision(&new.value), newest.unwrap_or(0) + 1);
    let mut value = new.value.clone();
    if own < wanted {
        let annotations = &mut value["metadata"]["annotations"];
        let past = match annotations[HISTORY].as_str() {
            Some(past) if !past.is_empty() => format!("{past},{own}"),
            _ => own.to_string(),
        };
        annotations[HISTORY] = json!(past);
        annotations[REVISION] = json!(wanted.to_string());
    }
    note_size(deployment, &mut value);
    let changed = value != new.value;
    state.write_main(new, value);
    changed
}

fn note_size(deployment: &Found, set: &mut Value) {
    let limits = limits(deployment);
    set["metadata"]["annotations"][DESIRED] = json!(limits.desired.to_string());
    set["metadata"]["annotations"][MAXIMUM] = json!((limits.desired + limits.surge).to_string());
}

/// One step from the old ReplicaSets to the new one. Returns whether something was scaled.
fn roll(state: &mut State, deployment: &Found, sets: &[Found], new: usize) -> bool {
    let limits = limits(deployment);
    let old: Vec<&Found> =
        sets.iter().enumerate().filter(|(n, _)| *n != new).map(|(_, set)| set).collect();
    let size = |set: &Found| rollout::Size {
        wanted: replicas(&set.value),
        available: number(&set.value["status"]["availableReplicas"]),
    };
    if deployment.value["spec"]["strategy"]["type"] == "Recreate" {
        return recreate(state, deployment, &old, &sets[new], limits.desired);
    }
    let sizes: Vec<rollout::Size> = old.iter().map(|set| size(set)).collect();
    let plan = limits.plan(size(&sets[new]), &sizes);
    let mut scaled = scale(state, deployment, &sets[new], plan.new);
    for (set, wanted) in old.iter().zip(plan.old) {
        scaled |= scale(state, deployment, set, wanted);
    }
    scaled
}

fn recreate(
    state: &mut State,
    deployment: &Found,
    old: &[&Found],
    new: &Found,
    wanted: i64,
) -> bool {
    let mut scaled = false;
    for set in old {
        scaled |= scale(state, deployment, set, 0);
    }
    let remain = old.iter().any(|set| number(&set.value["status"]["replicas"]) > 0);
    if !scaled && !remain {
        scaled = scale(state, deployment, new, wanted);
    }
    scaled
}

fn scale(state: &mut State, deployment: &Found, set: &Found, wanted: i64) -> bool {
    let before = replicas(&set.value);
    if before == wanted {
        return false;
    }
    let mut value = set.value.clone();
    value["spec"]["replicas"] = json!(wanted);
    note_size(deployment, &mut value);
    state.write_main(set, value);
    told_scaled(state, deployment, set.name(), before, wanted);
    true
}

fn told_scaled(state: &mut State, deployment: &Found, set: &str, before: i64, after: i64) {
    let way = if after > before { "up" } else { "down" };
    let message = format!("Scaled {way} replica set {set} from {before} to {after}");
    state.tell(deployment, "deployment-controller", "ScalingReplicaSet", &message);
}

/// A paused Deployment makes no new ReplicaSet, but it can be scaled.
fn scale_paused(state: &mut State, deployment: &Found, sets: &[Found]) {
    let limits = limits(deployment);
    let mut active = sets.iter().filter(|set| replicas(&set.value) > 0);
    let only = match (active.next(), active.next()) {
        (Some(only), None) => Some(only),
        (None, _) => sets.last(),
        _ => None,
    };
    if let Some(only) = only {
        scale(state, deployment, only, limits.desired);
    }
}

fn remove_history(state: &mut State, deployment: &Found, sets: &[Found], new: usize) {
    let limit = deployment.value["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
    let idle: Vec<&Found> = sets
        .iter()
        .enumerate()
        .filter(|(n, set)| *n != new && replicas(&set.value) == 0)
        .filter(|(_, set)| number(&set.value["status"]["replicas"]) == 0)
        .map(|(_, set)| set)
        .collect();
    let extra = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for set in &idle[..extra] {
        state.discard(set);
    }
}

/// Writes the status as the ReplicaSets are now.
fn report(state: &mut State, deployment: &Found, notice: Option<(&str, String)>) {
    let Some(live) = state.found(&deployment.resource.id, deployment.key()) else { return };
    let sets = replica_sets(state, &live);
    let new = new_set(&live, &sets);
    let counts = Counts::of(&sets, new);
    let limits = limits(&live);
    let mut value = live.value.clone();
    let revision = new.map_or(0, |new| revision(&sets[new].value));
    if revision > 0 {
        if !value["metadata"]["annotations"].is_object() {
            value["metadata"]["annotations"] = json!({});
        }
        value["metadata"]["annotations"][REVISION] = json!(revision.to_string());
    }
    let time = state.time();
    let mut status = counts.status(&live);
    status["conditions"] = live.value["status"]["conditions"].clone();
    let name = new.map(|new| sets[new].name().to_owned());
    let paused = live.value["spec"]["paused"] == true;
    let before = Counts::reported(&live.value["status"]);
    // In this order, as the real controller lists them when both changed.
    set_available(&mut status, counts.available >= limits.desired - limits.unavailable, &time);
    let progress = Progress {
        counts: &counts,
        before: &before,
        desired: limits.desired,
        paused,
        notice,
        new: name.as_deref(),
        deadline: deadline_passed(state, &live),
    };
    progress.set(&mut status, &time);
    if status["conditions"].is_null()
        && let Some(fields) = status.as_object_mut()
    {
        fields.remove("conditions");
    }
    value["status"] = status;
    state.write_status(&live, value);
    watch_deadline(state, &live);
}

pub(super) struct Counts {
    pub(super) wanted: i64,
    pub(super) replicas: i64,
    pub(super) updated: i64,
    pub(super) ready: i64,
    pub(super) available: i64,
}

impl Counts {
    fn of(sets: &[Found], new: Option<usize>) -> Self {
        let sum = |field: &str| sets.iter().map(|set| number(&set.value["status"][field])).sum();
        Self {
            wanted: total(sets),
            replicas: sum("replicas"),
            updated: new.map_or(0, |new| number(&sets[new].value["status"]["replicas"])),
            ready: sum("readyReplicas"),
            available: sum("availableReplicas"),
        }
    }

    fn reported(status: &Value) -> Self {
        Self {
            wanted: 0,
            replicas: number(&status["replicas"]),
            updated: number(&status["updatedReplicas"]),
            ready: number(&status["readyReplicas"]),
            available: number(&status["availableReplicas"]),
        }
    }

    pub(super) fn status(&self, deployment: &Found) -> Value {
        let mut status = json!({
            "observedGeneration": deployment.generation(), "terminatingReplicas": 0,
        });
        let unavailable = (self.wanted - self.available).max(0);
        for (field, count) in [
            ("replicas", self.replicas),
            ("updatedReplicas", self.updated),
            ("readyReplicas", self.ready),
            ("availableReplicas", self.available),
            ("unavailableReplicas", unavailable),
        ] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        status
    }
}

pub(super) struct Progress<'a> {
    pub(super) counts: &'a Counts,
    pub(super) before: &'a Counts,
    pub(super) desired: i64,
    pub(super) paused: bool,
    pub(super) notice: Option<(&'a str, String)>,
    pub(super) new: Option<&'a str>,
    /// The deadline of the last progress has passed.
    pub(super) deadline: bool,
}

impl Progress<'_> {
    /// The `Progressing` condition.
    pub(super) fn set(self, status: &mut Value, time: &str) {
        let condition = find(status, "Progressing");
        let reason = condition.map(|c| c["reason"].as_str().unwrap_or_default().to_owned());
        if self.paused {
            set_progressing(status, "Unknown", "DeploymentPaused", "Deployment is paused", time);
            return;
        }
        if let Some((reason, message)) = &self.notice {
            set_progressing(status, "True", reason, message, time);
        }
        let Some(new) = self.new else { return };
        let (now, was) = (self.counts, self.before);
        // A scale of a finished roll-out is no new progress.
        let settled =
            now.replicas == now.updated && reason.as_deref() == Some("NewReplicaSetAvailable");
        let complete =
            [now.updated, now.replicas, now.available].iter().all(|count| *count == self.desired);
        let moved = now.updated > was.updated
            || now.replicas - now.updated < was.replicas - was.updated
            || now.ready > was.ready
            || now.available > was.available;
        let text = |what: &str| format!("ReplicaSet \"{new}\" {what}");
        if settled && self.notice.is_none() {
            return;
        }
        if complete {
            set_progressing(
                status,
                "True",
                "NewReplicaSetAvailable",
                &text("has successfully progressed."),
                time,
            );
        } else if moved {
            set_progressing(status, "True", "ReplicaSetUpdated", &text("is progressing."), time);
        } else if self.deadline && self.notice.is_none() {
            set_progressing(
                status,
                "False",
                "ProgressDeadlineExceeded",
                &text("has timed out progressing."),
                time,
            );
        } else if reason.as_deref() == Some("DeploymentPaused") {
            set_progressing(status, "Unknown", "DeploymentResumed", "Deployment is resumed", time);
        }
    }
}

fn set_progressing(status: &mut Value, to: &str, reason: &str, message: &str, time: &str) {
    let new = Condition { kind: "Progressing", status: to, reason, message };
    set_condition(status, &new, time, reason == "ReplicaSetUpdated");
}

pub(super) fn set_available(status: &mut Value, available: bool, time: &str) {
    let new = if available {
        Condition {
            kind: "Available",
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.",
        }
    } else {
        Condition {
            kind: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
        }
    };
    set_condition(status, &new, time, false);
}

/// As the Deployment controller does it: a changed condition goes to the end of the list and carries
/// the time of its update besides that of its transition. With `touch` it also counts as changed
/// when only the time did: progress was made again.
fn set_condition(status: &mut Value, new: &Condition<'_>, time: &str, touch: bool) {
    let old = find(status, new.kind).cloned();
    if let Some(old) = &old
        && !touch
        && old["status"] == new.status
        && old["reason"] == new.reason
    {
        return;
    }
    let since = old
        .filter(|old| old["status"] == new.status)
        .map_or(json!(time), |old| old["lastTransitionTime"].clone());
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let list = status["conditions"].as_array_mut().expect("made above");
    list.retain(|condition| condition["type"] != new.kind);
    list.push(json!({
        "type": new.kind, "status": new.status, "reason": new.reason, "message": new.message,
        "lastUpdateTime": time, "lastTransitionTime": since,
    }));
}

/// When the deadline of the last progress passes, in milliseconds since 1970; nothing when there is
/// none or the roll-out has ended one way or the other.
pub(super) fn deadline(deployment: &Value) -> Option<i64> {
    let condition = find(&deployment["status"], "Progressing")?;
    let ended = ["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"];
    if ended.iter().any(|reason| condition["reason"] == *reason) {
        return None;
    }
    let seconds = deployment["spec"]["progressDeadlineSeconds"].as_i64()?;
    Some(wall_ms(&condition["lastUpdateTime"])? + seconds * 1000)
}

pub(super) fn deadline_passed(state: &State, deployment: &Found) -> bool {
    deadline(&deployment.value).is_some_and(|at| state.clock.wall_ms() > at)
}

pub(super) fn watch_deadline(state: &mut State, deployment: &Found) {
    let Some(live) = state.found(&deployment.resource.id, deployment.key()) else { return };
    if let Some(at) = deadline(&live.value) {
        // One millisecond later it has passed.
        let wait = u64::try_from(at - state.clock.wall_ms() + 1).unwrap_or(1);
        state.after(Kind::Deployment, &live, std::time::Duration::from_millis(wait.max(1)));
    }
}
