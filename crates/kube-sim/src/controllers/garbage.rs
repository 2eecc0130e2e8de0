//! What becomes of dependents: removed in the background when their owners are gone, before their
//! owner when it was deleted in the foreground, and let go when it was deleted as an orphan's parent.

use std::sync::Arc;

use serde_json::{Value, json};

use super::access::Found;
use crate::cluster::State;
use crate::objects::Propagation;
use crate::store::{ObjectKey, ResourceId, Stored};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// An object whose owners may be gone: without any of them left it is deleted; otherwise it only
/// loses the references to those that are gone.
pub(super) fn orphaned(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(found) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    let Some(owners) = found.value["metadata"]["ownerReferences"].as_array() else { return };
    if owners.is_empty() {
        return;
    }
    let (kept, gone): (Vec<Value>, Vec<Value>) =
        owners.iter().cloned().partition(|owner| owner_lives(state, &found, owner));
    if gone.is_empty() {
        return;
    }
    if kept.is_empty() {
        state.discard(&found);
        return;
    }
    let mut value = found.value.clone();
    value["metadata"]["ownerReferences"] = json!(kept);
    state.write_main(&found, value);
}

fn owner_lives(state: &State, dependent: &Found, owner: &Value) -> bool {
    let Some(stored) = owner_of(state, dependent, owner) else {
        // A kind that is not served: nothing is known about the owner, so nothing is deleted.
        return !served(state, owner);
    };
    // An owner that waits for its dependents in the foreground counts as gone for those it waits for.
    let waits = stored.deleting && has_finalizer(&stored.value(), FOREGROUND);
    !waits
}

fn served(state: &State, owner: &Value) -> bool {
    resource_of(state, owner).is_some()
}

fn resource_of(state: &State, owner: &Value) -> Option<(ResourceId, bool)> {
    let version = owner["apiVersion"].as_str()?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let kind = owner["kind"].as_str()?;
    state.registry.iter().find_map(|(id, versions)| {
        let first = versions.first()?;
        (id.group() == group && *first.kind == *kind).then(|| (id.clone(), first.namespaced))
    })
}

fn owner_of(state: &State, dependent: &Found, owner: &Value) -> Option<Arc<Stored>> {
    let (id, namespaced) = resource_of(state, owner)?;
    let namespace = if namespaced { dependent.namespace() } else { "" };
    let key = ObjectKey::new(namespace, owner["name"].as_str()?);
    let stored = state.store.get(&id, &key)?;
    (Some(&*stored.uid) == owner["uid"].as_str()).then(|| Arc::clone(stored))
}

fn has_finalizer(value: &Value, name: &str) -> bool {
    let finalizers = value["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|list| list.iter().any(|held| held == name))
}

/// An object with `foregroundDeletion` or `orphan`: lifts the finalizer when its dependents are
/// dealt with.
pub(super) fn owner(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(found) = state.found(id, key).filter(Found::deleting) else { return };
    if has_finalizer(&found.value, ORPHAN) {
        release(state, &found);
        without_finalizer(state, &found, ORPHAN);
    } else if has_finalizer(&found.value, FOREGROUND) && !dependents_remain(state, &found) {
        without_finalizer(state, &found, FOREGROUND);
    }
}

fn dependents(state: &State, owner: &Found) -> Vec<Found> {
    let keys = state.controllers.dependents.get(owner.uid());
    keys.into_iter().flatten().filter_map(|(id, key)| state.found(id, key)).collect()
}

/// Deletes the dependents, and says whether some that block are still there.
fn dependents_remain(state: &mut State, owner: &Found) -> bool {
    let blocks = |found: &Found| {
        let owners = found.value["metadata"]["ownerReferences"].as_array();
        owners.is_some_and(|list| {
            list.iter().any(|o| o["uid"] == owner.uid() && o["blockOwnerDeletion"] == true)
        })
    };
    for dependent in dependents(state, owner) {
        if dependent.deleting() {
            continue;
        }
        let has_other_owner =
            dependent.value["metadata"]["ownerReferences"].as_array().is_some_and(|list| {
                list.iter().any(|o| o["uid"] != owner.uid() && owner_lives(state, &dependent, o))
            });
        if has_other_owner {
            let (id, key) = (dependent.resource.id.clone(), dependent.key().clone());
            orphaned(state, &id, &key);
            continue;
        }
        state.discard_with(&dependent, Propagation::Foreground);
    }
    dependents(state, owner).iter().any(blocks)
}

fn release(state: &mut State, owner: &Found) {
    for dependent in dependents(state, owner) {
        let mut value = dependent.value.clone();
        if let Some(owners) = value["metadata"]["ownerReferences"].as_array_mut() {
            owners.retain(|reference| reference["uid"] != owner.uid());
            if owners.is_empty()
                && let Some(metadata) = value["metadata"].as_object_mut()
            {
                metadata.remove("ownerReferences");
            }
        }
        state.write_main(&dependent, value);
    }
}

/// Removes one finalizer of the object as it is now.
pub(super) fn without_finalizer(state: &mut State, found: &Found, name: &str) {
    let Some(found) = state.found(&found.resource.id, found.key()) else { return };
    let mut value = found.value.clone();
    if let Some(finalizers) = value["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|held| held != name);
        if finalizers.is_empty()
            && let Some(metadata) = value["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
        }
    }
    state.write_main(&found, value);
}
