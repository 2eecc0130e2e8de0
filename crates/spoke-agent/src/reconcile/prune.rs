//! Which objects may be removed, in which order, and which wait for a person. Pure.
//!
//! Absence is never enough (law L1): an object is removed because a render that succeeded no
//! longer has it, or because a tombstone says so; and only when the live object is still the one
//! that this application made (same uid, our annotation, our field manager).

use std::collections::BTreeSet;

use model::manifest::{ObjectKey, apply_rank};

use super::payload::Class;
use crate::kubernetes::metadata::{Annotations, Observation};

/// Objects that may go in an hour without asking, whatever the size of the application.
const BUDGET_FLOOR: usize = 10;
/// And the share of its inventory, in percent.
const BUDGET_PERCENT: usize = 20;

/// Namespaces that no application may take down.
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// What the policy says, and what happened in the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// A person approved the removals that were parked.
    pub approved: bool,
    /// The render has no object at all, and the policy does not allow that to prune.
    pub empty_render: bool,
    pub allow_empty: bool,
    /// How many objects of this application were pruned within the last hour.
    pub recent: usize,
}

/// What to do about objects that are no longer wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// To be removed, in this order.
    pub remove: Vec<ObjectKey>,
    /// Waiting for a person.
    pub parked: Vec<ObjectKey>,
    /// Why they wait.
    pub reason: String,
}

/// Plans a prune. `stale` are the objects of the inventory that the render no longer has;
/// `inventory` counts all its objects, those just applied included.
#[must_use]
pub fn plan(stale: &[ObjectKey], inventory: usize, policy: Policy) -> Plan {
    let mut plan = Plan::default();
    let mut free: Vec<ObjectKey> = Vec::new();
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    if policy.empty_render && !policy.allow_empty && !stale.is_empty() {
        plan.parked = stale.to_vec();
        plan.reason = format!(
            "the source has no manifests at all, which would remove all {} objects; allow it with \
             syncPolicy.automated.allowEmpty",
            stale.len()
        );
        return plan;
    }
    for key in stale {
        if is_guarded(key) && !policy.approved {
            plan.parked.push(key.clone());
            reasons.insert(format!("a {} is only removed after approval", key.kind));
        } else {
            free.push(key.clone());
        }
    }
    let budget = BUDGET_FLOOR.max(inventory * BUDGET_PERCENT / 100);
    let all = free.len() >= inventory && !policy.allow_empty;
    if !policy.approved && !free.is_empty() && (all || policy.recent + free.len() > budget) {
        reasons.insert(match all {
            true => format!("removing all {inventory} objects of the application needs approval"),
            false => format!(
                "removing {} objects after {} within the last hour needs approval: the budget is \
                 {budget} of {inventory}",
                free.len(),
                policy.recent
            ),
        });
        plan.parked.append(&mut free);
    }
    plan.remove = in_removal_order(free);
    plan.reason = reasons.into_iter().collect::<Vec<_>>().join("; ");
    plan
}

/// The reverse of the apply order.
#[must_use]
pub fn in_removal_order(mut keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
    keys.sort_by_cached_key(|key| std::cmp::Reverse((apply_rank(key), key.clone())));
    keys
}

/// Kinds whose removal takes other objects or data with it.
#[must_use]
pub fn is_guarded(key: &ObjectKey) -> bool {
    takes_others_along(key) || (key.group.is_empty() && key.kind == "PersistentVolumeClaim")
}

/// Kinds that contain other objects: they go only when nothing else of the application is left.
#[must_use]
pub fn takes_others_along(key: &ObjectKey) -> bool {
    (key.group.is_empty() && key.kind == "Namespace")
        || (key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition")
}

/// What to do with one object that the plan removes, after looking at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is already gone.
    Gone,
    /// Remove exactly this one.
    Remove { uid: String },
    /// Removal is under way, held by these finalizers.
    Deleting { finalizers: Vec<String> },
    /// Another application or nobody of ours: forget it.
    NotOurs,
    /// It is ours and stays, for this reason: forget it.
    Protected { reason: String },
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    pub application: &'a str,
    pub manager: &'a str,
    /// The namespace of the agent itself.
    pub agent_namespace: &'a str,
}

/// Judges a live object. `recorded_uid` is empty when the agent stopped between an apply and the
/// note of its answer; then the marks alone decide.
#[must_use]
pub fn judge(
    key: &ObjectKey,
    class: Class,
    recorded_uid: &str,
    live: Option<&Observation>,
    owner: Owner<'_>,
) -> Judgement {
    let Some(live) = live else { return Judgement::Gone };
    if class == Class::Implicit {
        let reason = "the namespace was created on the way and is never pruned".to_owned();
        return Judgement::Protected { reason };
    }
    let same = recorded_uid.is_empty() || recorded_uid == live.uid;
    let ours = live.annotations.application.as_deref() == Some(owner.application)
        && live.own_hash(owner.manager).is_some();
    if !same || !ours {
        return Judgement::NotOurs;
    }
    if live.deleting {
        return Judgement::Deleting { finalizers: live.finalizers.clone() };
    }
    if let Some(reason) = protection(key, &live.annotations, owner.agent_namespace) {
        return Judgement::Protected { reason };
    }
    Judgement::Remove { uid: live.uid.clone() }
}

fn protection(key: &ObjectKey, annotations: &Annotations, agent_namespace: &str) -> Option<String> {
    let is_namespace = key.group.is_empty() && key.kind == "Namespace";
    if is_namespace && (SYSTEM_NAMESPACES.contains(&&*key.name) || key.name == agent_namespace) {
        return Some(format!("the namespace {} is never removed", key.name));
    }
    if annotations.prune.as_deref() == Some("false") {
        return Some("muster.dev/prune is \"false\"".to_owned());
    }
    let options = annotations.sync_options.as_deref().unwrap_or_default();
    if options.split(',').any(|option| option.trim() == "Prune=false") {
        return Some("argocd.argoproj.io/sync-options has Prune=false".to_owned());
    }
    if annotations.resource_policy.as_deref() == Some("keep") {
        return Some("helm.sh/resource-policy is keep".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    fn many(count: usize) -> Vec<ObjectKey> {
        (0..count).map(|index| key("ConfigMap", &format!("c{index}"))).collect()
    }

    fn live(uid: &str, application: &str) -> Observation {
        Observation {
            key: key("ConfigMap", "a"),
            uid: uid.to_owned(),
            resource_version: 1,
            own: vec![(format!("muster:{application}"), 7)],
            deleting: false,
            finalizers: Vec::new(),
            annotations: Annotations {
                application: Some(application.to_owned()),
                ..Annotations::default()
            },
            health: None,
            managed_fields: "[]".into(),
        }
    }

    const WEB: Owner<'_> =
        Owner { application: "web", manager: "muster:web", agent_namespace: "muster" };

    fn judge_live(live: Option<&Observation>) -> Judgement {
        judge(&key("ConfigMap", "a"), Class::Normal, "u", live, WEB)
    }

    #[test]
    fn the_budget_parks_what_exceeds_it() {
        let plan_of = |stale: usize, inventory, recent| {
            let policy = Policy { recent, ..Policy::default() };
            let plan = plan(&many(stale), inventory, policy);
            (plan.remove.len(), plan.parked.len())
        };
        assert_eq!(plan_of(10, 20, 0), (10, 0));
        assert_eq!(plan_of(11, 20, 0), (0, 11));
        assert_eq!(plan_of(5, 20, 6), (0, 5));
        assert_eq!(plan_of(20, 100, 0), (20, 0));
        assert_eq!(plan_of(21, 100, 0), (0, 21));
        // Never all, however few they are.
        assert_eq!(plan_of(3, 3, 0), (0, 3));
    }

    #[test]
    fn an_empty_render_prunes_nothing_unless_allowed() {
        let policy = Policy { empty_render: true, approved: true, ..Policy::default() };
        assert!(plan(&many(3), 3, policy).remove.is_empty());
        let allowed = Policy { allow_empty: true, approved: false, ..policy };
        assert_eq!(plan(&many(3), 3, allowed).remove.len(), 3);
        assert!(plan(&many(11), 11, allowed).remove.is_empty());
    }

    #[test]
    fn what_takes_others_along_waits_for_approval_and_goes_last() {
        let stale = [key("Namespace", "n"), key("ConfigMap", "a"), key("Deployment", "d")];
        let unapproved = plan(&stale, 20, Policy::default());
        assert_eq!(unapproved.parked, [key("Namespace", "n")]);
        assert!(unapproved.reason.contains("only removed after approval"));
        let approved = plan(&stale, 20, Policy { approved: true, ..Policy::default() });
        let kinds: Vec<_> = approved.remove.iter().map(|key| key.kind.as_str()).collect();
        assert_eq!(kinds, ["Deployment", "ConfigMap", "Namespace"]);
    }

    #[test]
    fn only_the_very_object_that_we_made_is_removed() {
        assert_eq!(judge_live(None), Judgement::Gone);
        let ours = live("u", "web");
        assert_eq!(judge_live(Some(&ours)), Judgement::Remove { uid: "u".to_owned() });
        assert_eq!(judge_live(Some(&live("v", "web"))), Judgement::NotOurs);
        assert_eq!(judge_live(Some(&live("u", "other"))), Judgement::NotOurs);
        let mut wiped = live("u", "web");
        wiped.own.clear();
        assert_eq!(judge_live(Some(&wiped)), Judgement::NotOurs);
        let mut held = live("u", "web");
        held.deleting = true;
        held.finalizers = vec!["example.com/hold".to_owned()];
        let finalizers = held.finalizers.clone();
        assert_eq!(judge_live(Some(&held)), Judgement::Deleting { finalizers });
    }

    #[test]
    fn annotations_and_system_namespaces_protect() {
        let protected = |change: fn(&mut Annotations)| {
            let mut ours = live("u", "web");
            change(&mut ours.annotations);
            matches!(judge_live(Some(&ours)), Judgement::Protected { .. })
        };
        assert!(protected(|a| a.prune = Some("false".to_owned())));
        assert!(protected(|a| a.sync_options = Some("Validate=false, Prune=false".to_owned())));
        assert!(protected(|a| a.resource_policy = Some("keep".to_owned())));
        assert!(!protected(|a| a.sync_options = Some("Prune=true".to_owned())));
        for name in ["kube-system", "muster"] {
            let judged =
                judge(&key("Namespace", name), Class::Normal, "u", Some(&live("u", "web")), WEB);
            assert!(matches!(judged, Judgement::Protected { .. }), "{name}");
        }
        let implicit =
            judge(&key("Namespace", "x"), Class::Implicit, "u", Some(&live("u", "web")), WEB);
        assert!(matches!(implicit, Judgement::Protected { .. }));
    }

    proptest! {
        /// Law L3: without approval no plan removes everything or more than the budget.
        #[test]
        fn no_plan_exceeds_the_budget(stale in 0usize..60, kept in 0usize..200, recent in 0usize..40) {
            let inventory = stale + kept;
            let plan = plan(&many(stale), inventory, Policy { recent, ..Policy::default() });
            let budget = 10.max(inventory / 5);
            prop_assert!(plan.remove.is_empty() || plan.remove.len() + recent <= budget);
            prop_assert!(plan.remove.is_empty() || plan.remove.len() < inventory);
            prop_assert_eq!(plan.remove.len() + plan.parked.len(), stale);
            prop_assert_eq!(plan.parked.is_empty(), plan.reason.is_empty());
        }
    }
}
