//! Conditions in a status: set by type, with the time of the last change kept as long as the status
//! is the same. Pure.

use serde_json::{Value, json};

pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

pub(super) fn find<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

pub(super) fn is_true(status: &Value, kind: &str) -> bool {
    find(status, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Sets a condition in place, or appends it. Returns whether something but a time changed.
pub(super) fn set(status: &mut Value, condition: &Condition<'_>, time: &str) -> bool {
    let mut new = json!({
        "type": condition.kind, "status": condition.status, "lastTransitionTime": time,
    });
    for (key, text) in [("reason", condition.reason), ("message", condition.message)] {
        if !text.is_empty() {
            new[key] = json!(text);
        }
    }
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let list = status["conditions"].as_array_mut().expect("made above");
    let Some(old) = list.iter_mut().find(|old| old["type"] == condition.kind) else {
        list.push(new);
        return true;
    };
    let same = |key: &str, new: &Value| old.get(key) == new.get(key);
    if same("status", &new) && same("reason", &new) && same("message", &new) {
        return false;
    }
    if old["status"] == new["status"] {
        new["lastTransitionTime"] = old["lastTransitionTime"].clone();
    }
    *old = new;
    true
}
