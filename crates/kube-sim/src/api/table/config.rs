//! The rest of the core group: configuration, namespaces, quotas, and events.

use serde_json::{Value, json};

use super::Printer;
use super::text::{age, entries, int, len, since, str, str_or};

pub(super) const EVENTS: Printer = Printer {
    columns: &[
        "Last Seen",
        "Type",
        "Reason",
        "Object",
        "Subobject*",
        "Source*",
        "Message",
        "First Seen*",
        "Count*",
    ],
    cells: event,
    name_last: true,
};

pub(super) fn printer(plural: &str) -> Option<Printer> {
    Some(match plural {
        "configmaps" => Printer::new(&["Data", "Age"], |object, now_ms| {
            vec![json!(len(&object["data"]) + len(&object["binaryData"])), age(object, now_ms)]
        }),
        "secrets" => Printer::new(&["Type", "Data", "Age"], |object, now_ms| {
            vec![json!(str(&object["type"])), json!(len(&object["data"])), age(object, now_ms)]
        }),
        "serviceaccounts" => Printer::new(&["Age"], |object, now_ms| vec![age(object, now_ms)]),
        "namespaces" => Printer::new(&["Status", "Age"], |object, now_ms| {
            vec![json!(str(&object["status"]["phase"])), age(object, now_ms)]
        }),
        "resourcequotas" => Printer::new(&["Request", "Limit", "Age"], quota),
        _ => return None,
    })
}

fn quota(object: &Value, now_ms: i64) -> Vec<Value> {
    let (hard, used) = (&object["status"]["hard"], &object["status"]["used"]);
    let part = |limits: bool| {
        let of = entries(hard).filter(|(key, _)| key.starts_with("limits") == limits);
        let text =
            of.map(|(key, hard)| format!("{key}: {}/{}", str_or(&used[key], "0"), str(hard)));
        json!(text.collect::<Vec<_>>().join(", "))
    };
    vec![part(false), part(true), age(object, now_ms)]
}

/// An event of either group: `events.k8s.io` calls the old fields `deprecated`.
fn event(object: &Value, now_ms: i64) -> Vec<Value> {
    let field = |old: &str, new: &str| match &object[old] {
        Value::Null => &object[new],
        value => value,
    };
    let seen = |value: &Value| match value {
        Value::Null => since(&object["eventTime"], now_ms),
        at => since(at, now_ms),
    };
    let first = seen(field("firstTimestamp", "deprecatedFirstTimestamp"));
    let series = &object["series"];
    let last = match field("lastTimestamp", "deprecatedLastTimestamp") {
        _ if series.is_object() => since(&series["lastObservedTime"], now_ms),
        Value::Null => first.clone(),
        at => since(at, now_ms),
    };
    let count = match int(field("count", "deprecatedCount")) {
        _ if series.is_object() => int(&series["count"]),
        0 => 1,
        count => count,
    };
    let about = field("involvedObject", "regarding");
    let target = match str(&about["name"]) {
        "" => str(&about["kind"]).to_lowercase(),
        name => format!("{}/{name}", str(&about["kind"]).to_lowercase()),
    };
    let message = str(field("message", "note")).trim();
    vec![
        json!(last),
        json!(str(&object["type"])),
        json!(str(&object["reason"])),
        json!(target),
        json!(str(&about["fieldPath"])),
        json!(source(object, field("source", "deprecatedSource"))),
        json!(message),
        json!(first),
        json!(count),
    ]
}

fn source(object: &Value, source: &Value) -> String {
    let reporting = str_or(&object["reportingComponent"], str(&object["reportingController"]));
    let component = str_or(&source["component"], reporting);
    match str_or(&source["host"], str(&object["reportingInstance"])) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    }
}
