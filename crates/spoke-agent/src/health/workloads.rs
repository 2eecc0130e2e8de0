//! Health of what runs: Deployments, sets, Pods, Jobs. Pure.

use model::status::Health;
use serde_json::Value;

use super::{Verdict, condition, flag, is_unobserved, list, number, optional_number, text};

pub(super) fn deployment(object: &Value) -> Verdict {
    if flag(object, "/spec/paused") {
        return Verdict::new(Health::Suspended, "Deployment is paused");
    }
    if is_unobserved(object) {
        return Verdict::progressing("Waiting for rollout to finish: the new spec is not observed");
    }
    if let Some(progressing) = condition(object, "Progressing")
        && text(progressing, "/reason") == "ProgressDeadlineExceeded"
    {
        let name = text(object, "/metadata/name");
        return Verdict::degraded(format!("Deployment {name:?} exceeded its progress deadline"));
    }
    let updated = number(object, "/status/updatedReplicas");
    let replicas = number(object, "/status/replicas");
    let available = number(object, "/status/availableReplicas");
    match optional_number(object, "/spec/replicas") {
        Some(wanted) if updated < wanted => Verdict::progressing(format!(
            "Waiting for rollout to finish: {updated} of {wanted} new replicas updated"
        )),
        _ if replicas > updated => Verdict::progressing(format!(
            "Waiting for rollout to finish: {} old replicas pending termination",
            replicas - updated
        )),
        _ if available < updated => Verdict::progressing(format!(
            "Waiting for rollout to finish: {available} of {updated} updated replicas available"
        )),
        _ => Verdict::healthy(),
    }
}

pub(super) fn stateful_set(object: &Value) -> Verdict {
    if number(object, "/status/observedGeneration") == 0 || is_unobserved(object) {
        return Verdict::progressing("Waiting for the StatefulSet's spec to be observed");
    }
    let wanted = optional_number(object, "/spec/replicas");
    let ready = number(object, "/status/readyReplicas");
    if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
        return Verdict::progressing(format!("Waiting for {} pods to be ready", wanted - ready));
    }
    let strategy = text(object, "/spec/updateStrategy/type");
    if strategy == "RollingUpdate" && object.pointer("/spec/updateStrategy/rollingUpdate").is_some()
    {
        let partition = optional_number(object, "/spec/updateStrategy/rollingUpdate/partition");
        let updated = number(object, "/status/updatedReplicas");
        return match (wanted, partition) {
            (Some(wanted), Some(partition)) if updated < wanted - partition => {
                Verdict::progressing(format!(
                    "Waiting for partitioned rollout to finish: {updated} of {} new pods updated",
                    wanted - partition
                ))
            }
            _ => Verdict::healthy(),
        };
    }
    let update = text(object, "/status/updateRevision");
    if strategy != "OnDelete" && update != text(object, "/status/currentRevision") {
        return Verdict::progressing(format!("Waiting for rolling update to revision {update}"));
    }
    Verdict::healthy()
}

pub(super) fn daemon_set(object: &Value) -> Verdict {
    if is_unobserved(object) {
        return Verdict::progressing("Waiting for rollout to finish: the new spec is not observed");
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Verdict::healthy();
    }
    let desired = number(object, "/status/desiredNumberScheduled");
    let updated = number(object, "/status/updatedNumberScheduled");
    let available = number(object, "/status/numberAvailable");
    if updated < desired {
        return Verdict::progressing(format!(
            "Waiting for rollout to finish: {updated} of {desired} new pods updated"
        ));
    }
    if available < desired {
        return Verdict::progressing(format!(
            "Waiting for rollout to finish: {available} of {desired} updated pods available"
        ));
    }
    Verdict::healthy()
}

pub(super) fn replica_set(object: &Value) -> Verdict {
    if is_unobserved(object) {
        return Verdict::progressing("Waiting for the ReplicaSet's spec to be observed");
    }
    if let Some(failure) = condition(object, "ReplicaFailure")
        && text(failure, "/status") == "True"
    {
        return Verdict::degraded(text(failure, "/message"));
    }
    let available = number(object, "/status/availableReplicas");
    match optional_number(object, "/spec/replicas") {
        Some(wanted) if available < wanted => {
            Verdict::progressing(format!("{available} of {wanted} replicas available"))
        }
        _ => Verdict::healthy(),
    }
}

pub(super) fn job(object: &Value) -> Verdict {
    let of = |kind| condition(object, kind);
    if let Some(failed) = of("Failed") {
        return Verdict::degraded(text(failed, "/message"));
    }
    match (of("Suspended"), of("Complete")) {
        (Some(suspended), _) if text(suspended, "/status") == "True" => {
            Verdict::new(Health::Suspended, text(suspended, "/message"))
        }
        (None, None) => Verdict::progressing("The Job is running"),
        _ => Verdict::healthy(),
    }
}

pub(super) fn cron_job(object: &Value) -> Verdict {
    if flag(object, "/spec/suspend") {
        return Verdict::new(Health::Suspended, "CronJob is suspended");
    }
    if object.pointer("/status").is_none() {
        return Verdict::progressing("Waiting for the CronJob to be observed");
    }
    let (scheduled, succeeded) =
        (text(object, "/status/lastScheduleTime"), text(object, "/status/lastSuccessfulTime"));
    // Both are RFC 3339 in UTC with whole seconds, so text order is time order.
    let last_failed = !scheduled.is_empty()
        && !succeeded.is_empty()
        && list(object, "/status/active").is_empty()
        && succeeded < scheduled;
    if last_failed {
        return Verdict::degraded("The last run did not complete successfully");
    }
    Verdict::healthy()
}

pub(super) fn workflow(object: &Value) -> Verdict {
    let message = text(object, "/status/message");
    match text(object, "/status/phase") {
        "" | "Pending" | "Running" => Verdict::progressing(message),
        "Succeeded" => Verdict::healthy(),
        "Failed" | "Error" => Verdict::degraded(message),
        phase => Verdict::new(Health::Unknown, format!("unknown phase {phase:?}")),
    }
}

pub(super) fn pod(object: &Value) -> Verdict {
    let statuses = list(object, "/status/containerStatuses");
    let runs_always = text(object, "/spec/restartPolicy") == "Always"
        || object.pointer("/metadata/annotations").is_some_and(|a| {
            a.get("argocd.argoproj.io/ignore-restart-policy") == Some(&"true".into())
        });
    if runs_always {
        let stuck = waiting_errors(statuses);
        if !stuck.is_empty() {
            return Verdict::degraded(stuck.join(", "));
        }
    }
    match text(object, "/status/phase") {
        "Pending" => Verdict::progressing(text(object, "/status/message")),
        "Succeeded" => Verdict::healthy(),
        "Failed" => Verdict::degraded(failure(object, statuses)),
        "Running" if runs_always => running(object, statuses),
        "Running" => Verdict::progressing(text(object, "/status/message")),
        phase => Verdict::new(Health::Unknown, format!("unknown pod phase {phase:?}")),
    }
}

/// Containers that wait for a reason that does not pass by itself.
fn waiting_errors(statuses: &[Value]) -> Vec<String> {
    let is_error = |reason: &str| {
        reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
    };
    statuses
        .iter()
        .filter(|status| is_error(text(status, "/state/waiting/reason")))
        .map(|status| match text(status, "/state/waiting/message") {
            "" => text(status, "/state/waiting/reason").to_owned(),
            message => message.to_owned(),
        })
        .collect()
}

fn running(object: &Value, statuses: &[Value]) -> Verdict {
    if condition(object, "Ready").is_some_and(|ready| text(ready, "/status") == "True") {
        return Verdict::healthy();
    }
    let restarted = |status: &&Value| status.pointer("/lastState/terminated").is_some();
    match statuses.iter().find(restarted) {
        Some(status) => {
            Verdict::degraded(format!("container {:?} was restarted", text(status, "/name")))
        }
        None => Verdict::progressing(text(object, "/status/message")),
    }
}

fn failure(object: &Value, statuses: &[Value]) -> String {
    let message = text(object, "/status/message");
    if !message.is_empty() {
        return message.to_owned();
    }
    for status in list(object, "/status/initContainerStatuses").iter().chain(statuses) {
        let Some(terminated) = status.pointer("/state/terminated") else { continue };
        if !text(terminated, "/message").is_empty() {
            return text(terminated, "/message").to_owned();
        }
        if text(terminated, "/reason") == "OOMKilled" {
            return "OOMKilled".to_owned();
        }
        let code = number(terminated, "/exitCode");
        if code != 0 {
            return format!("container {:?} failed with exit code {code}", text(status, "/name"));
        }
    }
    String::new()
}
