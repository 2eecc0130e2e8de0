//! Namespaces: what every new one has, and the removal of everything in one that is deleted.

use std::collections::BTreeMap;

use serde_json::json;

use super::access::Found;
use super::conditions::{self, Condition};
use super::queue::Kind;
use crate::cluster::State;
use crate::store::{ObjectKey, ResourceId};

const ABOUT_ROOT_CA: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

pub(super) fn changed(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(namespace) = state.found(id, key) else {
        state.controllers.ending.remove(&*key.name);
        return;
    };
    if namespace.deleting() {
        if !state.controllers.ending.contains_key(namespace.name()) {
            let wait = state.controllers.behaviour.namespace_deleted_after;
            let begins = state.clock.now() + wait;
            state.controllers.ending.insert(namespace.name().into(), begins);
            state.once_after(Kind::NamespaceEmptied, &namespace, wait);
        }
        return;
    }
    state.make(
        &ResourceId::new("", "serviceaccounts"),
        json!({"metadata": {"name": "default", "namespace": namespace.name()}}),
    );
    state.make(
        &ResourceId::new("", "configmaps"),
        json!({
            "metadata": {
                "name": "kube-root-ca.crt", "namespace": namespace.name(),
                "annotations": {"kubernetes.io/description": ABOUT_ROOT_CA},
            },
            "data": {"ca.crt": ""},
        }),
    );
}

/// Deletes what is in the namespace; when nothing is left, lets the namespace go.
pub(super) fn empty(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(namespace) = state.found(id, key).filter(Found::deleting) else { return };
    let resources: Vec<ResourceId> = state
        .registry
        .iter()
        .filter(|(_, versions)| versions.first().is_some_and(|first| first.namespaced))
        .map(|(id, _)| id.clone())
        .collect();
    for resource in &resources {
        for found in state.all(resource, Some(&key.name)) {
            if !found.deleting() {
                state.discard(&found);
            }
        }
    }
    let left = Left::of(state, &resources, &key.name);
    if left.kinds.is_empty() {
        finish(state, &namespace);
    } else {
        report(state, &namespace, &left);
    }
}

/// What is still there.
struct Left {
    kinds: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

impl Left {
    fn of(state: &State, resources: &[ResourceId], namespace: &str) -> Self {
        let mut left = Self { kinds: BTreeMap::new(), finalizers: BTreeMap::new() };
        for resource in resources {
            for found in state.all(resource, Some(namespace)) {
                let kind = match resource.group() {
                    "" => format!("{}.", resource.plural()),
                    group => format!("{}.{group}", resource.plural()),
                };
                *left.kinds.entry(kind).or_default() += 1;
                let finalizers = found.value["metadata"]["finalizers"].as_array();
                for finalizer in finalizers.into_iter().flatten().filter_map(|f| f.as_str()) {
                    *left.finalizers.entry(finalizer.to_owned()).or_default() += 1;
                }
            }
        }
        left
    }
}

fn finish(state: &mut State, namespace: &Found) {
    let mut value = namespace.value.clone();
    value["spec"]["finalizers"] = json!([]);
    state.write_main(namespace, value);
}

fn report(state: &mut State, namespace: &Found, left: &Left) {
    let list = |counts: &BTreeMap<String, usize>, middle: &str| {
        let entries: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name}{middle}{count} resource instances"))
            .collect();
        entries.join(", ")
    };
    let remaining = format!("Some resources are remaining: {}", list(&left.kinds, " has "));
    let held = format!(
        "Some content in the namespace has finalizers remaining: {}",
        list(&left.finalizers, " in ")
    );
    let kept = !left.finalizers.is_empty();
    let mut value = namespace.value.clone();
    let time = state.time();
    for (kind, status, reason, message) in [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain", &remaining),
        (
            "NamespaceFinalizersRemaining",
            if kept { "True" } else { "False" },
            if kept { "SomeFinalizersRemain" } else { "ContentHasNoFinalizers" },
            if kept { &held } else { "All content-preserving finalizers finished" },
        ),
    ] {
        conditions::set(&mut value["status"], &Condition { kind, status, reason, message }, &time);
    }
    state.write_status(namespace, value);
}
