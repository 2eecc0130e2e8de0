//! Jobs: pods until enough of them succeeded or too many failed. CronJobs are kept, never run.

use std::time::Duration;

use serde_json::{Value, json};

use super::access::{Found, number, wall_ms};
use super::conditions::is_true;
use super::queue::Kind;
use super::replica_set::{create_pod, ended as ended_pod, is_ready};
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

const COMPONENT: &str = "job-controller";
/// A failed pod is replaced after 10 s, 20 s, 40 s and so on, at most six minutes.
const BACK_OFF: Duration = Duration::from_secs(10);
const MAX_BACK_OFF: Duration = Duration::from_secs(360);

/// The pods of a Job by what became of them.
struct Tally {
    pods: Vec<Found>,
    active: i64,
    ready: i64,
    succeeded: i64,
    failed: i64,
    /// How often containers were started again in place.
    restarts: i64,
    /// When the last pod failed, in milliseconds since 1970.
    last_failure: Option<i64>,
}

impl Tally {
    fn none() -> Self {
        Self {
            pods: Vec::new(),
            active: 0,
            ready: 0,
            succeeded: 0,
            failed: 0,
            restarts: 0,
            last_failure: None,
        }
    }

    fn of(state: &State, job: &Found) -> Self {
        let pods = state.owned(job, &ResourceId::new("", "pods"));
        let phase = |pod: &Found| pod.value["status"]["phase"].as_str().unwrap_or("").to_owned();
        let count = |test: &dyn Fn(&Found) -> bool| {
            i64::try_from(pods.iter().filter(|pod| test(pod)).count()).unwrap_or(i64::MAX)
        };
        let active =
            |pod: &Found| !pod.deleting() && !matches!(phase(pod).as_str(), "Succeeded" | "Failed");
        let ended_at = |pod: &Found| {
            let status = &pod.value["status"]["containerStatuses"][0];
            wall_ms(&status["state"]["terminated"]["finishedAt"])
        };
        let restarts =
            |pod: &Found| number(&pod.value["status"]["containerStatuses"][0]["restartCount"]);
        Self {
            active: count(&active),
            ready: count(&|pod| active(pod) && is_ready(&pod.value)),
            succeeded: count(&|pod| phase(pod) == "Succeeded"),
            failed: count(&|pod| phase(pod) == "Failed"),
            restarts: pods.iter().map(restarts).sum(),
            last_failure: pods.iter().filter(|p| phase(p) == "Failed").filter_map(ended_at).max(),
            pods,
        }
    }
}

fn finished(job: &Value) -> bool {
    is_true(&job["status"], "Complete") || is_true(&job["status"], "Failed")
}

pub(super) fn sync(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(job) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if finished(&job.value) {
        remove_when_old(state, &job);
        return;
    }
    if !state.controllers.behaviour.pods {
        podless(state, &job);
        return;
    }
    let tally = Tally::of(state, &job);
    let mut value = job.value.clone();
    if job.value["spec"]["suspend"] == true {
        stop(state, &tally);
        suspended(state, &job, value);
        return;
    }
    if value["status"]["startTime"].is_null() {
        value["status"]["startTime"] = json!(state.time());
    }
    match verdict(state, &value, &tally) {
        Some((reason, message)) => fail(state, &job, value, &tally, reason, message),
        None if tally.succeeded >= wanted(&value, &tally) => succeed(state, &job, value, &tally),
        None => {
            let made = replace(state, &job, &tally);
            let active = tally.active + made;
            set_counts(&mut value, active, &tally);
            state.write_status(&job, value);
            watch_deadline(state, &job);
        }
    }
}

/// How many pods must succeed; of a work queue, whatever number there was when the last ended.
fn wanted(job: &Value, tally: &Tally) -> i64 {
    match job["spec"]["completions"].as_i64() {
        Some(completions) => completions,
        None if tally.succeeded > 0 && tally.active == 0 => tally.succeeded,
        None => i64::MAX,
    }
}

fn verdict(state: &State, job: &Value, tally: &Tally) -> Option<(&'static str, &'static str)> {
    let limit = number(&job["spec"]["backoffLimit"]);
    let restarted = job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
        && tally.restarts > 0
        && tally.restarts >= limit;
    if tally.failed > limit || restarted {
        return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    let deadline = deadline(job)?;
    (state.clock.wall_ms() >= deadline)
        .then_some(("DeadlineExceeded", "Job was active longer than specified deadline"))
}

fn deadline(job: &Value) -> Option<i64> {
    let seconds = job["spec"]["activeDeadlineSeconds"].as_i64()?;
    Some(wall_ms(&job["status"]["startTime"])? + seconds * 1000)
}

fn watch_deadline(state: &mut State, job: &Found) {
    let Some(live) = state.found(&job.resource.id, job.key()) else { return };
    if let Some(at) = deadline(&live.value) {
        let wait = u64::try_from(at - state.clock.wall_ms()).unwrap_or(0);
        state.after(Kind::Job, &live, Duration::from_millis(wait));
    }
}

/// Makes the pods that are missing, and says how many; after a failure only when the back-off has
/// passed.
fn replace(state: &mut State, job: &Found, tally: &Tally) -> i64 {
    let spec = &job.value["spec"];
    let parallel = number(&spec["parallelism"]);
    let left = match spec["completions"].as_i64() {
        Some(completions) => (completions - tally.succeeded).max(0),
        None if tally.succeeded > 0 => tally.active,
        None => i64::MAX,
    };
    let missing = parallel.min(left) - tally.active;
    if missing <= 0 {
        let extra = usize::try_from(-missing).unwrap_or(0);
        for pod in tally.pods.iter().filter(|pod| !ended_pod(&pod.value)).take(extra) {
            state.discard(pod);
        }
        return 0;
    }
    if let Some(last) = tally.last_failure {
        let doubled = u32::try_from(tally.failed - 1).unwrap_or(0).min(10);
        let wait = (BACK_OFF * 2u32.pow(doubled)).min(MAX_BACK_OFF);
        let until = last + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        if until > state.clock.wall_ms() {
            let rest = u64::try_from(until - state.clock.wall_ms()).unwrap_or(0);
            state.after(Kind::Job, job, Duration::from_millis(rest));
            return 0;
        }
    }
    let made = (0..missing).filter_map(|_| create_pod(state, job, COMPONENT, |_| {})).count();
    i64::try_from(made).unwrap_or(0)
}

fn set_counts(job: &mut Value, active: i64, tally: &Tally) {
    let status = &mut job["status"];
    status["ready"] = json!(tally.ready);
    status["terminating"] = json!(0);
    status["uncountedTerminatedPods"] = json!({});
    for (field, count) in
        [("active", active), ("succeeded", tally.succeeded), ("failed", tally.failed)]
    {
        if count > 0 {
            status[field] = json!(count);
        } else if let Some(fields) = status.as_object_mut() {
            fields.remove(field);
        }
    }
}

/// Two conditions: that it is decided, and that all pods have ended.
fn conclude(state: &State, job: &mut Value, kinds: [&str; 2], reason: &str, message: &str) {
    let time = state.time();
    let mut conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|condition| condition["type"] != "Suspended");
    for kind in kinds {
        conditions.push(json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": time, "lastTransitionTime": time,
        }));
    }
    job["status"]["conditions"] = json!(conditions);
}

fn succeed(state: &mut State, job: &Found, mut value: Value, tally: &Tally) {
    stop(state, tally);
    set_counts(&mut value, 0, tally);
    value["status"]["completionTime"] = json!(state.time());
    let message = "Reached expected number of succeeded pods";
    conclude(state, &mut value, ["SuccessCriteriaMet", "Complete"], "CompletionsReached", message);
    state.write_status(job, value);
    state.tell(job, COMPONENT, "Completed", "Job completed");
}

fn fail(
    state: &mut State,
    job: &Found,
    mut value: Value,
    tally: &Tally,
    reason: &str,
    message: &str,
) {
    // The pods that were still active count as failed.
    let failed =
        Tally { failed: tally.failed + tally.active, ready: 0, pods: Vec::new(), ..*tally };
    stop(state, tally);
    set_counts(&mut value, 0, &failed);
    conclude(state, &mut value, ["FailureTarget", "Failed"], reason, message);
    state.write_status(job, value);
    state.tell(job, COMPONENT, reason, message);
}

/// Deletes the pods that have not ended.
fn stop(state: &mut State, tally: &Tally) {
    for pod in tally.pods.iter().filter(|pod| !ended_pod(&pod.value)) {
        state.discard(pod);
    }
}

fn suspended(state: &mut State, job: &Found, mut value: Value) {
    let time = state.time();
    let condition = super::conditions::Condition {
        kind: "Suspended",
        status: "True",
        reason: "JobSuspended",
        message: "Job suspended",
    };
    if super::conditions::set(&mut value["status"], &condition, &time) {
        for condition in value["status"]["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastProbeTime"] = json!(time);
        }
    }
    set_counts(&mut value, 0, &Tally::none());
    if let Some(status) = value["status"].as_object_mut() {
        status.remove("startTime");
    }
    state.write_status(job, value);
}

/// Without pods a Job succeeds after `ready_after`; one with a bad or crashing image stays active.
fn podless(state: &mut State, job: &Found) {
    let mut value = job.value.clone();
    let spec = &value["spec"]["template"]["spec"];
    let behaviour = &state.controllers.behaviour;
    let fails = super::any_image(spec, &behaviour.bad_images)
        || super::any_image(spec, &behaviour.crashing_images);
    let wait = behaviour.ready_after;
    if value["spec"]["suspend"] == true {
        suspended(state, job, value);
    } else if value["status"]["startTime"].is_null() {
        value["status"]["startTime"] = json!(state.time());
        set_counts(&mut value, 1, &Tally::none());
        state.write_status(job, value);
    } else if !fails {
        state.once_after(Kind::JobEnded, job, wait);
    }
}

/// The time of a Job without pods has passed.
pub(super) fn ended(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(job) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if finished(&job.value) || job.value["spec"]["suspend"] == true {
        return;
    }
    let succeeded = number(&job.value["spec"]["completions"]).max(1);
    let tally = Tally { succeeded, ..Tally::none() };
    succeed(state, &job, job.value.clone(), &tally);
}

/// `ttlSecondsAfterFinished`.
fn remove_when_old(state: &mut State, job: &Found) {
    let Some(seconds) = job.value["spec"]["ttlSecondsAfterFinished"].as_i64() else { return };
    let conditions = job.value["status"]["conditions"].as_array();
    let ended = conditions.into_iter().flatten().filter_map(|c| wall_ms(&c["lastTransitionTime"]));
    let at = ended.max().unwrap_or(0) + seconds * 1000;
    let left = at - state.clock.wall_ms();
    if left <= 0 {
        state.discard(job);
    } else {
        state.after(Kind::Job, job, Duration::from_millis(u64::try_from(left).unwrap_or(0)));
    }
}
