//! What is different in every run: uids, times, versions, suffixes, the case's namespace. Pure.
//!
//! Masks are put on before an answer is laid out, so that its lines do not depend on how long a version is.

use regex::Regex;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::LazyLock;

/// A pattern in texts, and what stands for it in expected answers.
static TEXTS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "{uid}"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "{time}"),
    ]
    .into_iter()
    .map(|(pattern, stands)| (Regex::new(pattern).expect("a constant that is tested"), stands))
    .collect()
});

/// Members whose value is another one in every run.
const MEMBERS: [(&str, &str); 4] = [
    ("resourceVersion", "{rv}"),
    ("pod-template-hash", "{hash}"),
    ("controller-revision-hash", "{hash}"),
    ("batch.kubernetes.io/controller-uid", "{uid}"),
];

/// A member that kube-sim does not have: `storage-version-hash` in its README.
const LEFT_OUT: &str = "storageVersionHash";

/// Longer texts are cut in the middle, so that a mismatch stays readable.
const LONGEST: usize = 1_200;

/// The text without what is different in every run.
pub(crate) fn text(text: &str, namespace: &str) -> String {
    let mut masked = Cow::Borrowed(text);
    for (pattern, stands) in TEXTS.iter() {
        if let Cow::Owned(changed) = pattern.replace_all(&masked, *stands) {
            masked = Cow::Owned(changed);
        }
    }
    masked.replace(namespace, "{ns}")
}

fn cut(text: String) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text;
    }
    let edge = LONGEST / 4;
    let start: String = text.chars().take(edge).collect();
    let end: String = text.chars().skip(count - edge).collect();
    format!("{start} ({} characters) {end}", count - 2 * edge)
}

/// The same for all texts in a value.
pub(crate) fn value(value: &Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => json!(cut(self::text(text, namespace))),
        Value::Array(items) => items.iter().map(|item| self::value(item, namespace)).collect(),
        Value::Object(members) => {
            let shown = members.iter().filter(|(key, _)| *key != LEFT_OUT);
            let masked = shown.map(|(key, inner)| {
                let known = MEMBERS.iter().find(|(name, _)| name == key);
                match known {
                    // An empty version is not masked: that it is empty is a fact.
                    Some((_, stands)) if inner.as_str().is_some_and(|text| !text.is_empty()) => {
                        (key.clone(), json!(stands))
                    }
                    _ => (text(key, namespace), self::value(inner, namespace)),
                }
            });
            Value::Object(masked.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_every_run_is_replaced() {
        let object = json!({"metadata": {"uid": "12345678-1234-4abc-8def-0123456789ab",
            "resourceVersion": "17", "namespace": "case-0001",
            "creationTimestamp": "2026-01-02T03:04:05Z"}, "message": "limit is 3145728"});
        let masked = json!({"metadata": {"uid": "{uid}", "resourceVersion": "{rv}",
            "namespace": "{ns}", "creationTimestamp": "{time}"}, "message": "limit is 3145728"});
        assert_eq!(value(&object, "case-0001"), masked);
        let empty = json!({"resourceVersion": ""});
        assert_eq!(value(&empty, "case-0001"), empty);
    }
}
