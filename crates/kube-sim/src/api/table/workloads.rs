//! What makes pods: Deployments and their like, Jobs, autoscalers.

use serde_json::{Value, json};

use super::Printer;
use super::text::{
    NONE, UNKNOWN, UNSET, age, human, int, is_deleting, is_true, labels, list, selector, shortened,
    since, str, str_or, time_ms,
};

pub(super) fn printer(plural: &str) -> Option<Printer> {
    Some(match plural {
        "deployments" => Printer::new(
            &["Ready", "Up-to-date", "Available", "Age", "Containers*", "Images*", "Selector*"],
            deployment,
        ),
        "replicasets" | "replicationcontrollers" => Printer::new(
            &[
                "Desired:integer",
                "Current:integer",
                "Ready:integer",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            replica_set,
        ),
        "statefulsets" => Printer::new(&["Ready", "Age", "Containers*", "Images*"], stateful_set),
        "daemonsets" => Printer::new(
            &[
                "Desired:integer",
                "Current:integer",
                "Ready:integer",
                "Up-to-date:integer",
                "Available:integer",
                "Node Selector",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            daemon_set,
        ),
        "jobs" => Printer::new(
            &["Status", "Completions", "Duration", "Age", "Containers*", "Images*", "Selector*"],
            job,
        ),
        "cronjobs" => Printer::new(
            &[
                "Schedule",
                "Timezone",
                "Suspend:boolean",
                "Active:integer",
                "Last Schedule",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            cron_job,
        ),
        "horizontalpodautoscalers" => Printer::new(
            &["Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"],
            autoscaler,
        ),
        "controllerrevisions" => Printer::new(&["Controller", "Revision", "Age"], revision),
        _ => return None,
    })
}

/// The names and the images of the containers of a pod template.
fn containers(template: &Value) -> [Value; 2] {
    let of = |key: &str| {
        let containers = list(&template["spec"]["containers"]).iter();
        json!(containers.map(|container| str(&container[key])).collect::<Vec<_>>().join(","))
    };
    [of("name"), of("image")]
}

fn deployment(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(&spec["template"]);
    vec![
        json!(format!("{}/{}", int(&status["readyReplicas"]), int(&spec["replicas"]))),
        json!(int(&status["updatedReplicas"])),
        json!(int(&status["availableReplicas"])),
        age(object, now_ms),
        names,
        images,
        json!(selector(&spec["selector"])),
    ]
}

fn replica_set(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(&spec["template"]);
    // A ReplicationController selects by labels alone.
    let selected = match spec["selector"].as_object() {
        Some(map) if map.values().all(Value::is_string) => labels(&spec["selector"]),
        _ => selector(&spec["selector"]),
    };
    vec![
        json!(int(&spec["replicas"])),
        json!(int(&status["replicas"])),
        json!(int(&status["readyReplicas"])),
        age(object, now_ms),
        names,
        images,
        json!(selected),
    ]
}

fn stateful_set(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(&spec["template"]);
    let ready = format!("{}/{}", int(&status["readyReplicas"]), int(&spec["replicas"]));
    vec![json!(ready), age(object, now_ms), names, images]
}

fn daemon_set(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(&spec["template"]);
    vec![
        json!(int(&status["desiredNumberScheduled"])),
        json!(int(&status["currentNumberScheduled"])),
        json!(int(&status["numberReady"])),
        json!(int(&status["updatedNumberScheduled"])),
        json!(int(&status["numberAvailable"])),
        json!(labels(&spec["template"]["spec"]["nodeSelector"])),
        age(object, now_ms),
        names,
        images,
        json!(selector(&spec["selector"])),
    ]
}

fn job(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(&spec["template"]);
    let word = ["Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"]
        .into_iter()
        .find(|condition| is_true(object, condition));
    let word = match word {
        Some(word @ ("Complete" | "Failed")) => word,
        _ if is_deleting(object) => "Terminating",
        word => word.unwrap_or("Running"),
    };
    let succeeded = int(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), int(&spec["parallelism"])) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let duration = time_ms(&status["startTime"])
        .map(|start| human(time_ms(&status["completionTime"]).unwrap_or(now_ms) - start));
    vec![
        json!(word),
        json!(completions),
        json!(duration.unwrap_or_default()),
        age(object, now_ms),
        names,
        images,
        json!(selector(&spec["selector"])),
    ]
}

fn cron_job(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(&spec["jobTemplate"]["spec"]["template"]);
    let last = match &status["lastScheduleTime"] {
        Value::Null => NONE.to_owned(),
        at => since(at, now_ms),
    };
    let suspend = spec["suspend"].as_bool().map_or(UNSET, |on| if on { "True" } else { "False" });
    vec![
        json!(str(&spec["schedule"])),
        json!(str_or(&spec["timeZone"], NONE)),
        json!(suspend),
        json!(list(&status["active"]).len()),
        json!(last),
        age(object, now_ms),
        names,
        images,
        json!(selector(&spec["jobTemplate"]["spec"]["selector"])),
    ]
}

fn autoscaler(object: &Value, now_ms: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    let current = list(&status["currentMetrics"]);
    let metrics = list(&spec["metrics"]).iter().enumerate();
    let metrics: Vec<String> = metrics
        .map(|(index, metric)| metric_text(metric, current.get(index).unwrap_or(&Value::Null)))
        .collect();
    let minimum = spec["minReplicas"].as_i64().map_or(UNSET.to_owned(), |n| n.to_string());
    vec![
        json!(format!("{}/{}", str(&target["kind"]), str(&target["name"]))),
        json!(shortened(&metrics, 2, NONE, ", ")),
        json!(minimum),
        json!(int(&spec["maxReplicas"])),
        json!(int(&status["currentReplicas"])),
        age(object, now_ms),
    ]
}

/// `cpu: 30%/60%`: what is and what is wished, for the source that the metric is about.
fn metric_text(metric: &Value, current: &Value) -> String {
    let source = match str(&metric["type"]) {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        other => return format!("{UNKNOWN} {other}"),
    };
    let (wish, is) = (&metric[source]["target"], &current[source]["current"]);
    let value = |key: &str| {
        let (wished, actual) = (&wish[key], &is[key]);
        let unit = if key == "averageUtilization" { "%" } else { "" };
        let text = |value: &Value| match value {
            Value::Null => UNKNOWN.to_owned(),
            Value::String(text) => text.clone(),
            other => format!("{other}{unit}"),
        };
        wished
            .is_null()
            .then_some(())
            .map_or_else(|| Some(format!("{}/{}", text(actual), text(wished))), |()| None)
    };
    let shown = ["averageValue", "averageUtilization", "value"].into_iter().find_map(value);
    let shown = shown.unwrap_or_else(|| format!("{UNKNOWN}/{UNKNOWN}"));
    match source {
        "resource" | "containerResource" => {
            format!("{}: {shown}", str(&metric[source]["name"]))
        }
        _ => shown,
    }
}

fn revision(object: &Value, now_ms: i64) -> Vec<Value> {
    let owners = list(&object["metadata"]["ownerReferences"]).iter();
    let owner = owners.clone().find(|owner| owner["controller"] == true);
    let controller = owner.map_or(NONE.to_owned(), |owner| {
        let kind = str(&owner["kind"]).to_lowercase();
        let group = str(&owner["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
        let dot = if group.is_empty() { "" } else { "." };
        format!("{kind}{dot}{group}/{}", str(&owner["name"]))
    });
    vec![json!(controller), json!(int(&object["revision"])), age(object, now_ms)]
}
