//! An application set: generators, a template, and the rules that keep an expansion from harm.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::generator::Generator;
use crate::name::SetName;
use crate::selector::Labels;

/// An `ApplicationSet` document in the native dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSet {
    pub metadata: SetMetadata,
    pub spec: SetSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetMetadata {
    pub name: SetName,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSpec {
    pub generators: Vec<Generator>,
    /// An `Application` without `apiVersion` and `kind`, whose strings are templates. It stays a
    /// tree: parameters go into its leaves and can never change its shape.
    pub template: Value,
    #[serde(default)]
    pub safety: Safety,
}

/// What a set may remove without asking (law L3), and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Safety {
    #[serde(default)]
    pub deletion_budget: DeletionBudget,
    #[serde(default)]
    pub on_removal: OnRemoval,
}

/// How many of its applications an expansion may remove at once: a number or a percentage.
///
/// The default is 10 %, and one is always allowed: a budget of a percentage never rounds to none.
/// All of what a generator made is never within the budget, whatever the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum DeletionBudget {
    Count(usize),
    Percent(u8),
}

impl Default for DeletionBudget {
    fn default() -> Self {
        Self::Percent(10)
    }
}

impl DeletionBudget {
    /// The largest number of removals allowed for a set that has `existing` applications.
    #[must_use]
    pub fn allows(self, existing: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (existing * usize::from(percent) / 100).max(1),
        }
    }
}

impl fmt::Display for DeletionBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl TryFrom<Value> for DeletionBudget {
    type Error = String;

    fn try_from(raw: Value) -> Result<Self, String> {
        let wrong = || format!("{raw} is not a deletion budget; write a number, or 0% to 100%");
        if let Some(count) = raw.as_u64() {
            return usize::try_from(count).map(Self::Count).map_err(|_| wrong());
        }
        let percent = raw.as_str().and_then(|text| text.strip_suffix('%'));
        let percent = percent.and_then(|digits| digits.parse().ok()).filter(|p| *p <= 100);
        percent.map(Self::Percent).ok_or_else(wrong)
    }
}

impl From<DeletionBudget> for Value {
    fn from(budget: DeletionBudget) -> Self {
        match budget {
            DeletionBudget::Count(count) => Self::from(count),
            percent @ DeletionBudget::Percent(_) => Self::from(percent.to_string()),
        }
    }
}

/// What becomes of an application's objects when the application is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnRemoval {
    /// Delete what the inventory lists.
    #[default]
    Prune,
    /// Leave the objects and forget them.
    Orphan,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_percentage_allows_at_least_one() {
        let allowed = |raw: Value, existing| {
            serde_json::from_value::<DeletionBudget>(raw).unwrap().allows(existing)
        };
        assert_eq!(allowed(json!("10%"), 3), 1);
        assert_eq!(allowed(json!("10%"), 25), 2);
        assert_eq!(allowed(json!(0), 25), 0);
        assert!(serde_json::from_value::<DeletionBudget>(json!("110%")).is_err());
    }
}
