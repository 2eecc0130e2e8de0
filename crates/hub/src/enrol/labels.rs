//! What may be a label: the rules of Kubernetes, so that selectors mean the same everywhere.

use model::selector::Labels;
use thiserror::Error;

const MAX_NAME: usize = 63;
const MAX_PREFIX: usize = 253;
/// Labels of one cluster; its record must stay far below the store's limit.
const MAX_LABELS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    #[error(
        "{key:?} is not a label's key: up to {MAX_NAME} letters, digits, '-', '_' and '.', \
         optionally after a DNS name and '/'"
    )]
    Key { key: String },
    #[error(
        "{value:?} cannot be the value of label {key}: at most {MAX_NAME} letters, digits, '-', '_' \
         and '.', beginning and ending with a letter or digit"
    )]
    Value { key: String, value: String },
    #[error("a cluster has at most {MAX_LABELS} labels")]
    TooMany,
}

pub(super) fn check(labels: &Labels) -> Result<(), LabelError> {
    if labels.len() > MAX_LABELS {
        return Err(LabelError::TooMany);
    }
    for (key, value) in labels {
        if !is_key(key) {
            return Err(LabelError::Key { key: key.clone() });
        }
        if !value.is_empty() && !is_word(value) {
            return Err(LabelError::Value { key: key.clone(), value: value.clone() });
        }
    }
    Ok(())
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_word(key),
        Some((prefix, name)) => {
            let lower = prefix.bytes().all(|byte| !byte.is_ascii_uppercase() && byte != b'_');
            lower && prefix.len() <= MAX_PREFIX && prefix.split('.').all(is_word) && is_word(name)
        }
    }
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= MAX_NAME && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_rules_of_kubernetes() {
        let check = |key: &str, value: &str| {
            check(&Labels::from([(key.to_owned(), value.to_owned())])).is_ok()
        };
        assert!(
            check("env", "prod") && check("env", "") && check("app.kubernetes.io/name", "A_b.c")
        );
        assert!(check("Zone-1", "x") && check(&"k".repeat(63), &"v".repeat(63)));
        for key in ["", "-a", "a/", "/a", "a/b/c", "A.com/b", "a b", "é", &"k".repeat(64)] {
            assert!(!check(key, "x"), "{key}");
        }
        for value in ["-a", "a-", "a b", "a/b", "é", &"v".repeat(64)] {
            assert!(!check("key", value), "{value}");
        }
    }
}
