//! Whether an apply may take fields from their managers. Pure.
//!
//! The first apply of anything goes without force, so that a field that somebody else holds is
//! found and named. What belongs to another application of Muster is never taken.

use serde_json::{Value, json};

use crate::kubernetes::answer::ConflictCause;
use crate::kubernetes::fields;
use crate::kubernetes::metadata::Observation;

/// What is known about the object and the wish of the people behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// An earlier apply of this application succeeded on it.
    pub owned: bool,
    /// The application undoes what others change.
    pub self_heal: bool,
    /// The manifest says `muster.dev/adopt: "true"`.
    pub adopt: bool,
    /// A person ordered this sync.
    pub by_hand: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Apply again, and take the fields.
    Force,
    /// Another application of Muster holds them: leave the object alone.
    Shared { applications: Vec<String> },
    /// Leave the fields, and say who holds which.
    Report,
}

#[must_use]
pub fn resolve(causes: &[ConflictCause], standing: Standing) -> Resolution {
    let mut applications: Vec<String> = causes
        .iter()
        .filter_map(|cause| fields::application_of(&cause.manager))
        .map(str::to_owned)
        .collect();
    applications.sort_unstable();
    applications.dedup();
    if !applications.is_empty() {
        return Resolution::Shared { applications };
    }
    match standing.adopt || standing.by_hand || (standing.owned && standing.self_heal) {
        true => Resolution::Force,
        false => Resolution::Report,
    }
}

/// Managers whose fields a client-side `kubectl apply` left behind. They would stay co-owned, and
/// a field that leaves Git, or was never there, would stay in the cluster.
const LEFT_BEHIND: [&str; 2] = ["kubectl-client-side-apply", "before-first-apply"];

/// The JSON patch that completes an adoption: what such managers own becomes `manager`'s, so that
/// the next apply removes what the manifest does not have. `None` when there is nothing to take
/// over. It holds only for the version that was seen.
#[must_use]
pub fn adoption(seen: &Observation, manager: &str) -> Option<Value> {
    let mut entries: Vec<Value> = serde_json::from_str(&seen.managed_fields).ok()?;
    let text = |entry: &Value, name: &str| -> String {
        entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_left = |entry: &Value| {
        LEFT_BEHIND.contains(&text(entry, "manager").as_str())
            && text(entry, "operation") == "Update"
            && text(entry, "subresource").is_empty()
    };
    let left: Vec<Value> = entries.iter().filter(|entry| is_left(entry)).cloned().collect();
    if left.is_empty() {
        return None;
    }
    entries.retain(|entry| !is_left(entry));
    let ours = entries
        .iter_mut()
        .find(|entry| text(entry, "manager") == manager && text(entry, "operation") == "Apply")?;
    for entry in left {
        unite(ours.get_mut("fieldsV1")?, entry.get("fieldsV1").unwrap_or(&Value::Null));
    }
    Some(json!([
        {"op": "test", "path": "/metadata/resourceVersion",
            "value": seen.resource_version.to_string()},
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
    ]))
}

/// The union of two field sets.
fn unite(ours: &mut Value, theirs: &Value) {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else { return };
    for (field, below) in theirs {
        unite(ours.entry(field.clone()).or_insert_with(|| json!({})), below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::metadata::observe;

    #[test]
    fn an_adoption_takes_over_what_kubectl_apply_left() {
        let object = json!({"metadata": {"name": "a", "resourceVersion": "7", "managedFields": [
            {"manager": "muster:web", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "kubectl-client-side-apply", "operation": "Update",
                "fieldsV1": {"f:data": {".": {}, "f:b": {}}}},
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {}},
        ]}});
        let seen = observe("", "ConfigMap", &object.to_string(), false).unwrap();
        let patch = adoption(&seen, "muster:web").unwrap();
        assert_eq!(patch[0]["value"], "7");
        let entries = patch[1]["value"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["fieldsV1"], json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        let mut clean = object;
        clean["metadata"]["managedFields"].as_array_mut().unwrap().remove(1);
        let seen = observe("", "ConfigMap", &clean.to_string(), false).unwrap();
        assert_eq!(adoption(&seen, "muster:web"), None);
    }

    const STRANGER: Standing =
        Standing { owned: false, self_heal: true, adopt: false, by_hand: false };

    fn cause(manager: &str) -> ConflictCause {
        ConflictCause {
            manager: manager.to_owned(),
            subresource: String::new(),
            field: ".spec.replicas".to_owned(),
        }
    }

    #[test]
    fn a_stranger_is_only_adopted_when_asked() {
        let causes = [cause("kubectl-client-side-apply")];
        assert_eq!(resolve(&causes, STRANGER), Resolution::Report);
        assert_eq!(resolve(&causes, Standing { adopt: true, ..STRANGER }), Resolution::Force);
        assert_eq!(resolve(&causes, Standing { by_hand: true, ..STRANGER }), Resolution::Force);
    }

    #[test]
    fn what_is_ours_is_taken_back_only_with_self_heal() {
        let causes = [cause("kubectl-edit")];
        let owned = Standing { owned: true, ..STRANGER };
        assert_eq!(resolve(&causes, owned), Resolution::Force);
        assert_eq!(resolve(&causes, Standing { self_heal: false, ..owned }), Resolution::Report);
    }

    #[test]
    fn another_application_is_never_robbed_not_even_by_hand() {
        let causes = [cause("kubectl-edit"), cause("muster:other"), cause("muster:other")];
        let all = Standing { owned: true, self_heal: true, adopt: true, by_hand: true };
        let shared = Resolution::Shared { applications: vec!["other".to_owned()] };
        assert_eq!(resolve(&causes, all), shared);
    }
}
