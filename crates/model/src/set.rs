//! An application set: generators, a template, and the rules that keep an expansion from harm.

mod policy;
mod template;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::generator::Generator;
use crate::name::SetName;
use crate::selector::Labels;

pub use policy::{
    ApplicationsSync, ElementLimit, IgnoreApplicationDifference, PreservedFields, SetSyncPolicy,
};
pub use template::{Patch, TemplatePatch, overlaid, patch, unknown_field};

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
    /// Patches of what the template gave, element by element.
    #[serde(default, skip_serializing_if = "TemplatePatch::is_empty")]
    pub template_patch: TemplatePatch,
    #[serde(default)]
    pub safety: Safety,
    #[serde(default, skip_serializing_if = "SetSyncPolicy::is_default")]
    pub sync_policy: SetSyncPolicy,
    #[serde(default, skip_serializing_if = "PreservedFields::is_empty")]
    pub preserved_fields: PreservedFields,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_application_differences: Vec<IgnoreApplicationDifference>,
}

impl SetSpec {
    /// What becomes of the objects of a removed application: `safety.onRemoval: orphan` and
    /// `syncPolicy.preserveResourcesOnDeletion: true` say the same, and either is enough.
    #[must_use]
    pub fn on_removal(&self) -> OnRemoval {
        match self.sync_policy.preserve_resources_on_deletion {
            true => OnRemoval::Orphan,
            false => self.safety.on_removal,
        }
    }
}

/// What a set may remove without asking (law L3), and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Safety {
    #[serde(default)]
    pub deletion_budget: DeletionBudget,
    #[serde(default)]
    pub on_removal: OnRemoval,
    /// The most elements that the set may give; absent: what the hub allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_elements: Option<ElementLimit>,
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

    #[test]
    fn policies_and_patches_are_read() {
        let read = |more: Value| {
            let mut spec =
                json!({"generators": [], "template": {"metadata": {"labels": {"a": "x"}}}});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<SetSpec>(spec).map_err(|error| error.to_string())
        };
        let spec = read(json!({
            "templatePatch": {"metadata": {"labels": {"a": null, "b": "y"}}},
            "safety": {"maxElements": 1_000_000},
            "syncPolicy": {"applicationsSync": "create-update", "preserveResourcesOnDeletion": true},
            "preservedFields": {"annotations": ["x"]},
            "ignoreApplicationDifferences": [{"jsonPointers": ["/spec/source/targetRevision"]}],
        }))
        .unwrap();
        assert_eq!(spec.on_removal(), OnRemoval::Orphan);
        assert_eq!(spec.safety.max_elements.map(ElementLimit::get), Some(1_000_000));
        let sync = spec.sync_policy.applications_sync;
        assert!(sync.updates() && !sync.deletes());
        let templates: Vec<_> = spec.templates().map(|(_, template)| template).collect();
        assert_eq!(templates[1], json!({"metadata": {"labels": {"b": "y"}}}));
        let again: SetSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
        for wrong in [
            json!({"templatePatch": "spec: {}"}),
            json!({"templatePatch": [{"patch": []}]}),
            json!({"templatePatch": [{"if": "x", "patch": {}}]}),
            json!({"safety": {"maxElements": 1_000_001}}),
            json!({"safety": {"maxElements": 0}}),
            json!({"syncPolicy": {"applicationsSync": "never"}}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_generators_template_wins_with_whatever_it_says() {
        let base = json!({"a": {"b": true, "c": 1}, "l": [1, 2], "n": "x"});
        let over = json!({"a": {"b": false, "c": 0}, "l": [], "n": null, "new": ""});
        assert_eq!(
            overlaid(&base, &over),
            json!({"a": {"b": false, "c": 0}, "l": [], "n": null, "new": ""})
        );
        let mut patched = base;
        patch(&mut patched, json!({"a": {"b": null}, "l": {"x": {"y": null}}, "n": 3}));
        assert_eq!(patched, json!({"a": {"c": 1}, "l": {"x": {}}, "n": 3}));
    }
}
