//! Health of what is asked for and provided: volumes, services, autoscalers, definitions. Pure.

use model::status::Health;
use serde_json::Value;

use super::{Verdict, condition, list, text};

pub(super) fn persistent_volume_claim(object: &Value) -> Verdict {
    match text(object, "/status/phase") {
        "Lost" => Verdict::degraded("the volume is lost"),
        "Pending" => Verdict::progressing("waiting for a volume"),
        "Bound" => Verdict::healthy(),
        phase => Verdict::new(Health::Unknown, format!("unknown phase {phase:?}")),
    }
}

pub(super) fn service(object: &Value) -> Verdict {
    match text(object, "/spec/type") {
        "LoadBalancer" => ingress(object),
        _ => Verdict::healthy(),
    }
}

pub(super) fn ingress(object: &Value) -> Verdict {
    match list(object, "/status/loadBalancer/ingress") {
        [] => Verdict::progressing("waiting for a load balancer address"),
        _ => Verdict::healthy(),
    }
}

pub(super) fn api_service(object: &Value) -> Verdict {
    let Some(available) = condition(object, "Available") else {
        return Verdict::progressing("Waiting to be processed");
    };
    match text(available, "/status") {
        "True" => Verdict::healthy(),
        _ => Verdict::progressing(format!(
            "{}: {}",
            text(available, "/reason"),
            text(available, "/message")
        )),
    }
}

/// The pairs of condition and reason that mean that an autoscaler does not work.
const AUTOSCALER_FAILURES: [(&str, &[&str]); 2] = [
    ("AbleToScale", &["FailedGetScale", "FailedUpdateScale"]),
    (
        "ScalingActive",
        &[
            "FailedGetResourceMetric",
            "FailedGetObjectMetric",
            "FailedGetPodsMetric",
            "FailedGetExternalMetric",
            "FailedComputeMetricsReplicas",
            "InvalidSelector",
        ],
    ),
];

pub(super) fn autoscaler(object: &Value) -> Verdict {
    // autoscaling/v1 has no conditions of its own; it carries those of v2 in an annotation.
    let parsed: Vec<Value>;
    let conditions = match text(object, "/apiVersion") {
        "autoscaling/v1" => {
            let annotation =
                text(object, "/metadata/annotations/autoscaling.alpha.kubernetes.io~1conditions");
            parsed = serde_json::from_str(annotation).unwrap_or_default();
            &parsed
        }
        _ => list(object, "/status/conditions"),
    };
    for condition in conditions {
        let (kind, reason) = (text(condition, "/type"), text(condition, "/reason"));
        if AUTOSCALER_FAILURES.iter().any(|(k, reasons)| *k == kind && reasons.contains(&reason)) {
            return Verdict::degraded(text(condition, "/message"));
        }
    }
    let works = |condition: &Value| {
        matches!(text(condition, "/type"), "AbleToScale" | "ScalingLimited")
            && text(condition, "/status") == "True"
    };
    match conditions.iter().any(works) {
        true => Verdict::healthy(),
        false => Verdict::progressing("Waiting to autoscale"),
    }
}

pub(super) fn definition(object: &Value) -> Verdict {
    let is = |kind: &str, status: &str| {
        condition(object, kind).filter(|condition| text(condition, "/status") == status)
    };
    if list(object, "/status/conditions").is_empty() {
        return Verdict::progressing("Waiting for the definition to be established");
    }
    if let Some(condition) = is("Terminating", "True") {
        return Verdict::progressing(text(condition, "/message"));
    }
    for (kind, bad) in [("NamesAccepted", "False"), ("NonStructuralSchema", "True")] {
        if let Some(condition) = is(kind, bad) {
            return Verdict::degraded(text(condition, "/message"));
        }
    }
    if is("Established", "True").is_some() {
        return Verdict::healthy();
    }
    match condition(object, "Established").map(|condition| text(condition, "/reason")) {
        Some("Installing") => Verdict::progressing("the definition is being installed"),
        _ => Verdict::degraded("the definition is not established"),
    }
}

pub(super) fn disruption_budget(object: &Value) -> Verdict {
    let conditions = list(object, "/status/conditions");
    // Too few pods is a state that an operator may want (a drained node); it is not a defect.
    let is_bad = |condition: &&Value| {
        text(condition, "/status") == "False" && text(condition, "/reason") != "InsufficientPods"
    };
    match conditions.iter().find(is_bad) {
        Some(condition) => Verdict::degraded(text(condition, "/reason")),
        None if conditions.is_empty() => Verdict::progressing("Waiting for status"),
        None => Verdict::healthy(),
    }
}
