//! Health of Kubernetes objects, by the rules that Argo CD's users know. Pure.
//!
//! One function per kind, first match wins. A kind without a rule has no health and does not
//! count. Text in a verdict comes from conditions and states, never from a spec.

mod core;
mod workloads;

#[cfg(test)]
mod tests;

use model::status::Health;
use serde_json::Value;

/// What an object's state means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub health: Health,
    /// Why; empty when it is healthy and there is nothing to say.
    pub message: String,
}

impl Verdict {
    fn new(health: Health, message: impl Into<String>) -> Self {
        Self { health, message: message.into() }
    }

    fn healthy() -> Self {
        Self::new(Health::Healthy, "")
    }

    fn progressing(message: impl Into<String>) -> Self {
        Self::new(Health::Progressing, message)
    }

    fn degraded(message: impl Into<String>) -> Self {
        Self::new(Health::Degraded, message)
    }
}

/// Whether objects of this kind have a health, so that a watch has to carry their bodies.
#[must_use]
pub fn has_rule(group: &str, kind: &str) -> bool {
    rule(group, kind).is_some()
}

type Rule = fn(&Value) -> Verdict;

/// The rule of a kind and the versions it understands; empty for any.
fn rule(group: &str, kind: &str) -> Option<(&'static [&'static str], Rule)> {
    Some(match (group, kind) {
        ("apps", "Deployment") => (&["apps/v1"], workloads::deployment),
        ("apps", "StatefulSet") => (&["apps/v1"], workloads::stateful_set),
        ("apps", "DaemonSet") => (&["apps/v1"], workloads::daemon_set),
        ("apps", "ReplicaSet") => (&["apps/v1"], workloads::replica_set),
        ("batch", "Job") => (&["batch/v1"], workloads::job),
        ("batch", "CronJob") => (&[], workloads::cron_job),
        ("", "Pod") => (&["v1"], workloads::pod),
        ("", "PersistentVolumeClaim") => (&["v1"], core::persistent_volume_claim),
        ("", "Service") => (&["v1"], core::service),
        ("networking.k8s.io" | "extensions", "Ingress") => (&[], core::ingress),
        ("apiregistration.k8s.io", "APIService") => {
            (&["apiregistration.k8s.io/v1", "apiregistration.k8s.io/v1beta1"], core::api_service)
        }
        ("autoscaling", "HorizontalPodAutoscaler") => {
            (&["autoscaling/v1", "autoscaling/v2"], core::autoscaler)
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (&[], core::definition),
        ("policy", "PodDisruptionBudget") => (&[], core::disruption_budget),
        ("argoproj.io", "Workflow") => (&[], workloads::workflow),
        _ => return None,
    })
}

/// The health of a live object; `None` for kinds that have none.
#[must_use]
pub fn assess(object: &Value, group: &str, kind: &str) -> Option<Verdict> {
    let (versions, rule) = rule(group, kind)?;
    let version = text(object, "/apiVersion");
    if !versions.is_empty() && !version.is_empty() && !versions.contains(&version) {
        let message = format!("{kind} {version} is not understood; use {}", versions.join(" or "));
        return Some(Verdict::new(Health::Unknown, message));
    }
    Some(rule(object))
}

/// An object with a deletion timestamp, whatever its kind.
#[must_use]
pub fn pending_deletion(finalizers: &[String]) -> Verdict {
    Verdict::progressing(match finalizers {
        [] => "Pending deletion".to_owned(),
        finalizers => format!("Pending deletion, held by {}", finalizers.join(", ")),
    })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A number; absent counts as 0, as in the API's Go types.
fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn optional_number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// Whether the controller has not yet looked at the newest spec.
fn is_unobserved(object: &Value) -> bool {
    number(object, "/metadata/generation") > number(object, "/status/observedGeneration")
}
