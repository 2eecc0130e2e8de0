//! Label selectors: those behind a generator, which look at its parameters, and those that choose
//! cluster Secrets or decision objects. Both have Kubernetes' rules for keys; only the second have
//! them for values too.

use model::suggest;
use serde_json::Value;

use crate::generator::Fault;

/// The longest name part of a key, and the longest value of a label.
const MAX_NAME: usize = 63;
/// The longest prefix of a key.
const MAX_PREFIX: usize = 253;
const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

/// A selector, checked. All its requirements must hold.
#[derive(Debug, Default)]
pub(super) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// Which values a selector may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Whatever parameters may be: addresses, texts with blanks.
    Any,
    /// What a label may have.
    Labels,
}

impl Selector {
    /// Reads a selector; `field` names it in messages.
    pub(super) fn read(spec: &Value, field: &str, allowed: Values) -> Result<Self, Fault> {
        let mut selector = Self::default();
        if let Some(labels) = spec["matchLabels"].as_object() {
            for (key, value) in labels {
                let field = format!("{field}.matchLabels");
                let values = vec![text(value, &format!("{field}.{key}"))?];
                selector.add(key, "In", values, &field, allowed)?;
            }
        }
        let expressions = spec["matchExpressions"].as_array().map(Vec::as_slice);
        for (index, expression) in expressions.unwrap_or_default().iter().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            let key = text(&expression["key"], &format!("{field}.key"))?;
            let operator = text(&expression["operator"], &format!("{field}.operator"))?;
            let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            let values = values.iter().map(|value| text(value, &format!("{field}.values")));
            selector.add(&key, &operator, values.collect::<Result<_, _>>()?, &field, allowed)?;
        }
        Ok(selector)
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether all requirements hold; `value` gives the text that a key has.
    pub(super) fn matches<T: AsRef<str>>(&self, value: impl Fn(&str) -> Option<T>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = value(&requirement.key);
            let is_one_of = |values: &[String]| {
                value.as_ref().map(|value| values.iter().any(|one| one == value.as_ref()))
            };
            match &requirement.operator {
                Operator::In(values) => is_one_of(values).unwrap_or(false),
                Operator::NotIn(values) => !is_one_of(values).unwrap_or(false),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    fn add(
        &mut self,
        key: &str,
        operator: &str,
        values: Vec<String>,
        field: &str,
        allowed: Values,
    ) -> Result<(), Fault> {
        let refused = |why: String| Fault::failed(format!("{field}: {why}"));
        check_key(key).map_err(refused)?;
        if allowed == Values::Labels {
            values.iter().try_for_each(|value| check_value(value)).map_err(refused)?;
        }
        let operator = match (operator, values.is_empty()) {
            ("In", false) => Operator::In(values),
            ("NotIn", false) => Operator::NotIn(values),
            ("Exists", true) => Operator::Exists,
            ("DoesNotExist", true) => Operator::DoesNotExist,
            ("In" | "NotIn", true) => {
                return Err(refused(format!("{operator} on {key:?} needs values")));
            }
            ("Exists" | "DoesNotExist", false) => {
                return Err(refused(format!("{operator} on {key:?} takes no values")));
            }
            _ => return Err(refused(suggest::unknown("operator", operator, &OPERATORS))),
        };
        self.requirements.push(Requirement { key: key.to_owned(), operator });
        Ok(())
    }
}

/// A text field; null and absent are empty.
fn text(value: &Value, field: &str) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        other => Err(Fault::failed(format!("{field}: {other:.40} is not text; quote it"))),
    }
}

/// A Kubernetes qualified name: a name, and a DNS name before a slash if there is one.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_good = is_name(name) && prefix.is_none_or(is_dns_name);
    if is_good {
        return Ok(());
    }
    Err(format!(
        "{key:?} cannot be a key: it must be at most {MAX_NAME} letters, digits, '-', '_' or '.', \
         with a letter or digit at both ends, after at most one 'dns.name/'"
    ))
}

fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    let shown: String = value.chars().take(80).collect();
    Err(format!(
        "{shown:?} cannot be the value of a label: it must be at most {MAX_NAME} letters, digits, \
         '-', '_' or '.', with a letter or digit at both ends"
    ))
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= MAX_NAME
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        ends(bytes.first())
            && ends(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    name.len() <= MAX_PREFIX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selects(spec: &Value, allowed: Values, labels: &[(&str, &str)]) -> Result<bool, String> {
        let selector = Selector::read(spec, "selector", allowed).map_err(|fault| fault.message)?;
        let value = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, v)| *v);
        Ok(selector.matches(value))
    }

    #[test]
    fn operators_mean_what_kubernetes_means() {
        let one = |operator: &str, values: Value| {
            let expression = json!({"key": "env", "operator": operator, "values": values});
            json!({"matchExpressions": [expression]})
        };
        let prod = [("env", "prod")];
        let any = |spec: Value, labels: &[_]| selects(&spec, Values::Any, labels).unwrap();
        assert!(any(json!({}), &prod));
        assert!(any(json!({"matchLabels": {"env": "prod"}}), &prod));
        assert!(
            !any(json!({"matchLabels": {"env": ""}}), &[]),
            "an absent key is not an empty one"
        );
        assert!(any(one("In", json!(["a", "prod"])), &prod));
        assert!(!any(one("NotIn", json!(["prod"])), &prod));
        assert!(any(one("NotIn", json!(["prod"])), &[]));
        assert!(any(one("Exists", json!([])), &prod));
        assert!(any(one("DoesNotExist", json!(null)), &[]));
    }

    #[test]
    fn keys_are_always_checked_and_values_only_of_labels() {
        let by_key = |key: &str| {
            selects(&json!({"matchLabels": {key: "x"}}), Values::Any, &[]).map_err(|_| key.len())
        };
        for key in ["a", "a.b", "values.a_b", "example.com/a", "A/b".trim_start_matches("A/")] {
            assert_eq!(by_key(key), Ok(false), "{key}");
        }
        for key in ["", "path[0]", "a/b/c", "/a", "a/", "A.com/x", "-a", "a b", &"x".repeat(64)] {
            assert_eq!(by_key(key), Err(key.len()), "{key}");
        }
        let url = json!({"matchLabels": {"server": "https://a.test:6443"}});
        assert_eq!(selects(&url, Values::Any, &[("server", "https://a.test:6443")]), Ok(true));
        assert!(selects(&url, Values::Labels, &[]).unwrap_err().contains("value of a label"));
    }

    #[test]
    fn a_wrong_operator_is_named() {
        let wrong = |operator: &str, values: Value| {
            let expression = json!({"key": "a", "operator": operator, "values": values});
            let spec = json!({"matchExpressions": [expression]});
            selects(&spec, Values::Any, &[]).unwrap_err()
        };
        assert!(wrong("in", json!(["x"])).contains("did you mean \"In\""));
        assert!(wrong("In", json!([])).contains("needs values"));
        assert!(wrong("Exists", json!(["x"])).contains("takes no values"));
    }
}
