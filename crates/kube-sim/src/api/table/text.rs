//! The pieces that cells are made of: ages, labels, selectors, shortened lists.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(super) const NONE: &str = "<none>";
pub(super) const UNSET: &str = "<unset>";
pub(super) const UNKNOWN: &str = "<unknown>";

/// The text of a value, or nothing.
pub(super) fn str(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn str_or<'a>(value: &'a Value, otherwise: &'a str) -> &'a str {
    match str(value) {
        "" => otherwise,
        text => text,
    }
}

pub(super) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// How many entries an object has.
pub(super) fn len(value: &Value) -> usize {
    value.as_object().map_or(0, Map::len)
}

pub(super) fn name(object: &Value) -> &str {
    str(&object["metadata"]["name"])
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// A condition whose status is `True`.
pub(super) fn is_true(object: &Value, condition: &str) -> bool {
    list(&object["status"]["conditions"])
        .iter()
        .any(|shown| shown["type"] == condition && shown["status"] == "True")
}

/// Milliseconds since 1970 of an RFC 3339 time.
pub(super) fn time_ms(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// How long ago a time was, `<unknown>` if there is none.
pub(super) fn since(value: &Value, now_ms: i64) -> String {
    time_ms(value).map_or(UNKNOWN.to_owned(), |then| human(now_ms - then))
}

/// The age of an object.
pub(super) fn age(object: &Value, now_ms: i64) -> Value {
    json!(since(&object["metadata"]["creationTimestamp"], now_ms))
}

/// A duration as kubectl shows it: two units while the larger is small, then one.
pub(super) fn human(milliseconds: i64) -> String {
    let seconds = milliseconds / 1_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let days = hours / 24;
    let two = |large: i64, unit: char, small: i64, lesser: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{lesser}"),
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, 'd', hours % 24, 'h'),
        _ if days < 2 * 365 => format!("{days}d"),
        _ if days < 8 * 365 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

/// `a=1,b=2`, or `<none>`.
pub(super) fn labels(value: &Value) -> String {
    or_none(entries(value).map(|(key, value)| format!("{key}={}", str(value))).collect())
}

/// A label selector in one line, by key; `<none>` when it is empty or absent.
pub(super) fn selector(value: &Value) -> String {
    let mut parts: Vec<(String, String)> = entries(&value["matchLabels"])
        .map(|(key, value)| (key.clone(), format!("{key}={}", str(value))))
        .collect();
    for expression in list(&value["matchExpressions"]) {
        let key = str(&expression["key"]);
        let mut values: Vec<_> = list(&expression["values"]).iter().map(str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match str(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key.to_owned(), text));
    }
    parts.sort();
    or_none(parts.into_iter().map(|(_, text)| text).collect())
}

/// Joined with commas, or `<none>`.
pub(super) fn or_none(parts: Vec<String>) -> String {
    if parts.is_empty() { NONE.to_owned() } else { parts.join(",") }
}

/// The first `max` joined with commas, and how many more there are; `empty` when there are none.
pub(super) fn shortened(parts: &[String], max: usize, empty: &str, separator: &str) -> String {
    match parts.len() {
        0 => empty.to_owned(),
        count if count > max => {
            format!("{} + {} more...", parts[..max].join(separator), count - max)
        }
        _ => parts.join(separator),
    }
}

/// The addresses of a load balancer's status.
pub(super) fn load_balancer(object: &Value) -> Vec<String> {
    list(&object["status"]["loadBalancer"]["ingress"])
        .iter()
        .map(|ingress| str_or(&ingress["ip"], str(&ingress["hostname"])).to_owned())
        .filter(|address| !address.is_empty())
        .collect()
}

/// A number or a text, as in `minAvailable`.
pub(super) fn int_or_string(value: &Value, otherwise: &str) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => otherwise.to_owned(),
    }
}
