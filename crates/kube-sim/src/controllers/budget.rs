//! The small statuses: PodDisruptionBudgets count their pods, HorizontalPodAutoscalers say that the
//! present size is right. Nothing is measured, so nothing is ever scaled.

use serde_json::{Value, json};

use super::access::{Found, number};
use super::conditions::{self, Condition};
use super::replica_set::{ended, is_ready};
use super::rollout::share;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

pub(super) fn sync(state: &mut State, namespace: &str) {
    let id = ResourceId::new("policy", "poddisruptionbudgets");
    let budgets = state.all(&id, Some(namespace));
    for budget in budgets.iter().filter(|budget| !budget.deleting()) {
        let selector = &budget.value["spec"]["selector"];
        let exact = selector["matchLabels"].as_object().cloned().unwrap_or_default();
        let mut selected = state.labelled(&ResourceId::new("", "pods"), namespace, &exact);
        selected
            .retain(|pod| !pod.deleting() && !ended(&pod.value) && selects(selector, &pod.value));
        count(state, budget, &selected);
    }
}

fn count(state: &mut State, budget: &Found, pods: &[Found]) {
    let all = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let healthy = pods.iter().filter(|pod| is_ready(&pod.value)).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let spec = &budget.value["spec"];
    let desired = if spec["maxUnavailable"].is_null() {
        share(&spec["minAvailable"], all, true)
    } else {
        (all - share(&spec["maxUnavailable"], all, true)).max(0)
    };
    let allowed = if all == 0 { 0 } else { (healthy - desired).max(0) };
    let mut value = budget.value.clone();
    let conditions = value["status"]["conditions"].clone();
    value["status"] = json!({
        "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
        "expectedPods": all, "observedGeneration": budget.generation(),
    });
    if conditions.is_array() {
        value["status"]["conditions"] = conditions;
    }
    let (status, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let time = state.time();
    let condition = Condition { kind: "DisruptionAllowed", status, reason, message: "" };
    conditions::set(&mut value["status"], &condition, &time);
    for condition in value["status"]["conditions"].as_array_mut().into_iter().flatten() {
        condition["message"] = json!("");
        condition["observedGeneration"] = json!(budget.generation());
    }
    state.write_status(budget, value);
}

/// A label selector; without any requirement it selects all.
fn selects(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let exact = selector["matchLabels"].as_object();
    let rules = selector["matchExpressions"].as_array();
    exact.into_iter().flatten().all(|(key, text)| labels[key] == *text)
        && rules.into_iter().flatten().all(|rule| {
            let value = &labels[rule["key"].as_str().unwrap_or_default()];
            let listed = rule["values"].as_array().is_some_and(|values| values.contains(value));
            match rule["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => !value.is_null(),
                Some("DoesNotExist") => value.is_null(),
                _ => false,
            }
        })
}

pub(super) fn autoscaler(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(scaler) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    let target = &scaler.value["spec"]["scaleTargetRef"];
    let group = target["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |v| v.0);
    let plural = format!("{}s", target["kind"].as_str().unwrap_or_default().to_lowercase());
    let at = ObjectKey::new(scaler.namespace(), target["name"].as_str().unwrap_or_default());
    let size = state
        .found(&ResourceId::new(group, &plural), &at)
        .map(|target| number(&target.value["spec"]["replicas"]));
    let mut value = scaler.value.clone();
    let time = state.time();
    let status = &mut value["status"];
    let mut say = |kind, to, reason, message: &str| {
        conditions::set(status, &Condition { kind, status: to, reason, message }, &time);
    };
    match size {
        Some(size) => {
            say("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size");
            say(
                "ScalingActive",
                "True",
                "ValidMetricFound",
                "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)",
            );
            say(
                "ScalingLimited",
                "False",
                "DesiredWithinRange",
                "the desired count is within the acceptable range",
            );
            status["currentReplicas"] = json!(size);
            status["desiredReplicas"] = json!(size);
        }
        None => {
            let message = format!(
                "the HPA controller was unable to get the target's current scale: {plural}.{group} \"{}\" not found",
                at.name
            );
            say("AbleToScale", "False", "FailedGetScale", &message);
        }
    }
    state.write_status(&scaler, value);
}
