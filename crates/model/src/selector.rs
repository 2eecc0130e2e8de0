//! Label selectors with the meaning Kubernetes gives them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// Selects by labels; an empty selector selects everything. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: Labels,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelExpression>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawExpression", into = "RawExpression")]
pub struct LabelExpression {
    pub key: String,
    pub operator: LabelOperator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelOperator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpression {
    key: String,
    operator: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

impl TryFrom<RawExpression> for LabelExpression {
    type Error = String;

    fn try_from(raw: RawExpression) -> Result<Self, String> {
        let RawExpression { key, operator, values } = raw;
        let operator = match (operator.as_str(), values.is_empty()) {
            ("In", false) => LabelOperator::In(values),
            ("NotIn", false) => LabelOperator::NotIn(values),
            ("Exists", true) => LabelOperator::Exists,
            ("DoesNotExist", true) => LabelOperator::DoesNotExist,
            ("In" | "NotIn", true) => return Err(format!("{operator} on {key:?} needs values")),
            ("Exists" | "DoesNotExist", false) => {
                return Err(format!("{operator} on {key:?} takes no values"));
            }
            _ => {
                let known = ["In", "NotIn", "Exists", "DoesNotExist"];
                return Err(crate::suggest::unknown("operator", &operator, &known));
            }
        };
        Ok(Self { key, operator })
    }
}

impl From<LabelExpression> for RawExpression {
    fn from(expression: LabelExpression) -> Self {
        let (operator, values) = match expression.operator {
            LabelOperator::In(values) => ("In", values),
            LabelOperator::NotIn(values) => ("NotIn", values),
            LabelOperator::Exists => ("Exists", Vec::new()),
            LabelOperator::DoesNotExist => ("DoesNotExist", Vec::new()),
        };
        Self { key: expression.key, operator: operator.to_owned(), values }
    }
}

impl LabelSelector {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let equal = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        equal && self.match_expressions.iter().all(|expression| expression.matches(labels))
    }
}

impl LabelExpression {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            LabelOperator::In(values) => value.is_some_and(|value| values.contains(value)),
            LabelOperator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selects(selector: serde_json::Value, labels: &[(&str, &str)]) -> bool {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        selector.matches(&labels)
    }

    #[test]
    fn operators_mean_what_kubernetes_means() {
        let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "env", "operator": operator, "values": values}]});
        let prod = [("env", "prod")];
        assert!(selects(json!({}), &prod));
        assert!(selects(json!({"matchLabels": {"env": "prod"}}), &prod));
        assert!(selects(expression("In", &["prod", "dev"]), &prod));
        assert!(!selects(expression("NotIn", &["prod"]), &prod));
        assert!(selects(expression("NotIn", &["prod"]), &[]), "a missing label is not in the list");
        assert!(selects(expression("DoesNotExist", &[]), &[]));
    }

    #[test]
    fn a_wrong_operator_is_an_error_with_the_known_ones() {
        let raw = json!({"matchExpressions": [{"key": "env", "operator": "in", "values": ["a"]}]});
        let error = serde_json::from_value::<LabelSelector>(raw).unwrap_err().to_string();
        assert!(error.contains("did you mean \"In\""), "{error}");
    }
}
