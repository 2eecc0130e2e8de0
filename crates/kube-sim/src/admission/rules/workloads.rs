//! What workloads must be, and what of them cannot change.

use serde_json::{Value, json};

use super::{each, is_empty, one_of, pods};
use crate::admission::errors::Errors;
use crate::admission::value::text;

/// The selector, the template's labels and its pod: what all workloads have.
fn selector_and_template(errors: &mut Errors, new: &Value, kind: &str) {
    let (selector, template) = (&new["spec"]["selector"], &new["spec"]["template"]);
    if selector.is_null() {
        errors.required("spec.selector");
    } else if is_empty(&selector["matchLabels"]) && is_empty(&selector["matchExpressions"]) {
        let why = format!("empty selector is invalid for {kind}");
        errors.invalid("spec.selector", selector, &why);
    } else if !well_formed(errors, selector) {
        errors.invalid("spec.selector", selector, "invalid label selector");
        pods::spec(errors, "spec.template.spec", &template["spec"]);
        return;
    }
    let labels = &template["metadata"]["labels"];
    // An empty selector was refused above; it says nothing about labels.
    let empty = is_empty(&selector["matchLabels"]) && is_empty(&selector["matchExpressions"]);
    let fits = if selector.is_null() { false } else { empty || matches(selector, labels) };
    if !fits {
        let why = "`selector` does not match template `labels`";
        errors.invalid("spec.template.metadata.labels", labels, why);
    }
    pods::spec(errors, "spec.template.spec", &template["spec"]);
    let policy = &template["spec"]["restartPolicy"];
    one_of(errors, "spec.template.spec.restartPolicy", policy, &["Always"]);
}

fn well_formed(errors: &mut Errors, selector: &Value) -> bool {
    let mut well = true;
    let rules = &selector["matchExpressions"];
    for (field, rule) in each(rules, "spec.selector.matchExpressions") {
        let values = format!("{field}.values");
        match text(&rule["operator"]) {
            "In" | "NotIn" if is_empty(&rule["values"]) => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.required_because(&values, why);
                well = false;
            }
            "Exists" | "DoesNotExist" if !is_empty(&rule["values"]) => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.forbidden(&values, why);
                well = false;
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => {
                let why = "not a valid selector operator";
                errors.invalid(&format!("{field}.operator"), &rule["operator"], why);
                well = false;
            }
        }
    }
    well
}

fn matches(selector: &Value, labels: &Value) -> bool {
    let exact = selector["matchLabels"].as_object();
    let rules = selector["matchExpressions"].as_array();
    exact.into_iter().flatten().all(|(key, value)| labels[key] == *value)
        && rules.into_iter().flatten().all(|rule| {
            let value = &labels[text(&rule["key"])];
            let listed = rule["values"].as_array().is_some_and(|all| all.contains(value));
            match text(&rule["operator"]) {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => !value.is_null(),
                _ => value.is_null(),
            }
        })
}

fn selector_stays(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    if let Some(live) = live {
        let (before, after) = (&live["spec"]["selector"], &new["spec"]["selector"]);
        errors.immutable("spec.selector", before, after);
    }
}

pub(super) fn deployment(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    let spec = &new["spec"];
    errors.not_negative("spec.replicas", &spec["replicas"]);
    selector_and_template(errors, new, "deployment");
    strategy(errors, &spec["strategy"]);
    errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
    errors.not_negative("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"]);
    let deadline = &spec["progressDeadlineSeconds"];
    errors.not_negative("spec.progressDeadlineSeconds", deadline);
    let ready = spec["minReadySeconds"].as_i64().unwrap_or(0).max(0);
    if deadline.as_i64().is_some_and(|seconds| seconds >= 0 && seconds <= ready) {
        let why = "must be greater than minReadySeconds";
        errors.invalid("spec.progressDeadlineSeconds", deadline, why);
    }
    selector_stays(errors, live, new);
}

fn strategy(errors: &mut Errors, strategy: &Value) {
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "Recreate" => {
            if !rolling.is_null() {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden("spec.strategy.rollingUpdate", why);
            }
        }
        "RollingUpdate" => {
            let none = |value: &Value| value == &json!(0) || value == "0%";
            for field in ["maxUnavailable", "maxSurge"] {
                let at = format!("spec.strategy.rollingUpdate.{field}");
                errors.not_negative(&at, &rolling[field]);
            }
            if none(&rolling["maxSurge"]) && none(&rolling["maxUnavailable"]) {
                let at = "spec.strategy.rollingUpdate.maxUnavailable";
                let why = "may not be 0 when `maxSurge` is 0";
                errors.invalid(at, &rolling["maxUnavailable"], why);
            }
        }
        _ => {
            // Go shows its struct here.
            let shown = json!({"Type": strategy["type"], "RollingUpdate": rolling});
            errors.unsupported("spec.strategy", &shown, &["Recreate", "RollingUpdate"]);
        }
    }
}

pub(super) fn replica_set(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    errors.not_negative("spec.replicas", &new["spec"]["replicas"]);
    selector_and_template(errors, new, "deployment");
    selector_stays(errors, live, new);
}

pub(super) fn daemon_set(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    selector_and_template(errors, new, "daemonset");
    let kind = &new["spec"]["updateStrategy"]["type"];
    one_of(errors, "spec.updateStrategy.type", kind, &["RollingUpdate", "OnDelete"]);
    selector_stays(errors, live, new);
}

pub(super) fn stateful_set(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    let spec = &new["spec"];
    let name = &new["metadata"]["name"];
    if live.is_none() && text(name).contains('.') {
        errors.invalid("metadata.name", name, "must not contain dots");
    }
    if !matches!(text(&spec["podManagementPolicy"]), "OrderedReady" | "Parallel") {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.invalid("spec.podManagementPolicy", &spec["podManagementPolicy"], why);
    }
    let update = &spec["updateStrategy"];
    if !matches!(text(&update["type"]), "RollingUpdate" | "OnDelete") {
        let shown = json!({"Type": update["type"], "RollingUpdate": update["rollingUpdate"]});
        let why = "must be 'RollingUpdate' or 'OnDelete'";
        errors.invalid("spec.updateStrategy", &shown, why);
    }
    errors.not_negative("spec.replicas", &spec["replicas"]);
    selector_and_template(errors, new, "statefulset");
    if live.is_some_and(|live| stays(&live["spec"]) != stays(spec)) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
            'template', 'updateStrategy', 'revisionHistoryLimit', \
            'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.forbidden("spec", why);
    }
}

/// Of a StatefulSet's spec what may not change.
fn stays(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            fields.remove(field);
        }
        fields.retain(|_, value| !is_empty(value));
    }
    spec
}

pub(super) fn job(errors: &mut Errors, live: Option<&Value>, new: &Value) {
    let spec = &new["spec"];
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ] {
        errors.not_negative(&format!("spec.{field}"), &spec[field]);
    }
    let (selector, labels) = (&spec["selector"], &spec["template"]["metadata"]["labels"]);
    let generated = || {
        let exact = selector["matchLabels"].as_object();
        exact.is_some_and(|labels| labels.keys().all(|key| key.ends_with("controller-uid")))
            && is_empty(&selector["matchExpressions"])
    };
    if spec["manualSelector"] != true && !generated() {
        errors.invalid("spec.selector", selector, "`selector` not auto-generated");
    }
    if !matches(selector, labels) {
        let why = "`selector` does not match template `labels`";
        errors.invalid("spec.template.metadata.labels", labels, why);
    }
    job_pod(errors, "spec.template.spec", &spec["template"]["spec"]);
    if let Some(live) = live {
        let before = &live["spec"];
        for field in ["completions", "selector", "completionMode"] {
            errors.immutable(&format!("spec.{field}"), &before[field], &spec[field]);
        }
        let (old, new) = (&before["template"], &spec["template"]);
        if before["suspend"] == true && live["status"]["startTime"].is_null() {
            // Where its pods may run can still change before the first of them is made.
            if unscheduled(&old["spec"]) != unscheduled(&new["spec"]) {
                errors.immutable("spec.template.spec", &old["spec"], &new["spec"]);
            }
        } else {
            errors.immutable("spec.template", old, new);
        }
    }
}

/// A pod's spec without what says where it runs.
fn unscheduled(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        for field in ["affinity", "nodeSelector", "tolerations", "schedulingGates"] {
            fields.remove(field);
        }
    }
    spec
}

fn job_pod(errors: &mut Errors, at: &str, spec: &Value) {
    pods::spec(errors, at, spec);
    let field = format!("{at}.restartPolicy");
    match text(&spec["restartPolicy"]) {
        "OnFailure" | "Never" => {}
        // The default of a pod, which nobody asked for.
        "Always" => errors.required_because(&field, "valid values: \"OnFailure\", \"Never\""),
        _ => errors.unsupported(&field, &spec["restartPolicy"], &["OnFailure", "Never"]),
    }
}

pub(super) fn cron_job(errors: &mut Errors, new_name: bool, new: &Value) {
    let spec = &new["spec"];
    let name = &new["metadata"]["name"];
    // A Job's name is this and eleven characters more.
    if new_name && text(name).len() > 52 {
        errors.invalid("metadata.name", name, "must be no more than 52 characters");
    }
    let schedule = text(&spec["schedule"]);
    let fields = schedule.split_whitespace().count();
    if schedule.is_empty() {
        errors.required("spec.schedule");
    } else if !schedule.starts_with('@') && fields != 5 {
        let why = format!("expected exactly 5 fields, found {fields}: [{schedule}]");
        errors.invalid("spec.schedule", &spec["schedule"], &why);
    }
    let policy = &spec["concurrencyPolicy"];
    one_of(errors, "spec.concurrencyPolicy", policy, &["Allow", "Forbid", "Replace"]);
    let template = &spec["jobTemplate"]["spec"]["template"]["spec"];
    job_pod(errors, "spec.jobTemplate.spec.template.spec", template);
}

pub(super) fn autoscaler(errors: &mut Errors, new: &Value) {
    let spec = &new["spec"];
    let (least, most) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64());
    if least < 1 {
        let why = "must be greater than or equal to 1";
        errors.invalid("spec.minReplicas", &spec["minReplicas"], why);
    }
    match most {
        Some(most) if most >= 1 => {
            if most < least {
                let why = "must be greater than or equal to `minReplicas`";
                errors.invalid("spec.maxReplicas", &spec["maxReplicas"], why);
            }
        }
        _ => errors.required_because("spec.maxReplicas", "must be set and greater than 0"),
    }
    for field in ["kind", "name"] {
        if text(&spec["scaleTargetRef"][field]).is_empty() {
            errors.required(&format!("spec.scaleTargetRef.{field}"));
        }
    }
}

pub(super) fn budget(errors: &mut Errors, new: &Value) {
    let spec = &new["spec"];
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        let shown = json!({
            "MinAvailable": spec["minAvailable"], "Selector": spec["selector"],
            "MaxUnavailable": spec["maxUnavailable"], "UnhealthyPodEvictionPolicy": null,
        });
        errors.invalid("spec", &shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        errors.not_negative(&format!("spec.{field}"), &spec[field]);
    }
}
