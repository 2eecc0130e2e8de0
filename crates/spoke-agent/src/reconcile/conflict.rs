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

/// Managers whose fields a client-side `kubectl apply` left behind: with our apply they would
/// stay co-owned, and a field that leaves Git would stay in the cluster.
const LEFT_BEHIND: [&str; 2] = ["kubectl-client-side-apply", "before-first-apply"];

/// The JSON patch that completes an adoption: it drops what such managers left, and the copy of
/// the manifest that `kubectl apply` keeps. `None` when there is nothing to drop. It holds only
/// for the version that was seen.
#[must_use]
pub fn adoption(seen: &Observation) -> Option<Value> {
    let entries: Vec<Value> = serde_json::from_str(&seen.managed_fields).ok()?;
    let kept: Vec<&Value> = entries
        .iter()
        .filter(|entry| {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            !(LEFT_BEHIND.contains(&text("manager"))
                && text("operation") == "Update"
                && text("subresource").is_empty())
        })
        .collect();
    if kept.len() == entries.len() && !seen.annotations.last_applied {
        return None;
    }
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion",
            "value": seen.resource_version.to_string()}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": kept}),
    ];
    if seen.annotations.last_applied {
        let path = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
        patch.push(json!({"op": "remove", "path": path}));
    }
    Some(Value::from(patch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::metadata::observe;

    #[test]
    fn an_adoption_drops_what_kubectl_apply_left() {
        let object = json!({"metadata": {"name": "a", "resourceVersion": "7",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "managedFields": [
            {"manager": "muster:web", "operation": "Apply", "fieldsV1": {"f:data": {}}},
            {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {}},
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {}},
        ]}});
        let seen = observe("", "ConfigMap", &object.to_string(), false).unwrap();
        let patch = adoption(&seen).unwrap();
        assert_eq!(patch[0]["value"], "7");
        assert_eq!(patch[1]["value"].as_array().unwrap().len(), 2);
        assert_eq!(patch[2]["op"], "remove");
        let mut clean = object;
        clean["metadata"]["annotations"] = json!({});
        clean["metadata"]["managedFields"].as_array_mut().unwrap().remove(1);
        let seen = observe("", "ConfigMap", &clean.to_string(), false).unwrap();
        assert_eq!(adoption(&seen), None);
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
