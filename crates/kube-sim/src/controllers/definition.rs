//! CustomResourceDefinitions: their kinds are served after a delay, and with a definition go its
//! objects.

use serde_json::{Value, json};

use super::access::Found;
use super::conditions::{self, Condition, is_true};
use super::garbage::without_finalizer;
use super::queue::Kind;
use crate::cluster::State;
use crate::schema::custom_resources;
use crate::store::{ObjectKey, ResourceId};

const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The resource that a definition is named after.
fn resource_of(key: &ObjectKey) -> Option<ResourceId> {
    let (plural, group) = key.name.split_once('.')?;
    Some(ResourceId::new(group, plural))
}

pub(super) fn changed(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(definition) = state.found(id, key) else {
        if let Some(resource) = resource_of(key)
            && state.registry.versions(&resource).is_some_and(|all| all.iter().any(|r| r.custom))
        {
            state.registry.remove_custom(&resource);
        }
        return;
    };
    if definition.deleting() {
        remove_objects(state, &definition);
    } else if is_true(&definition.value["status"], "Established") {
        serve(state, &definition);
        store_version(state, &definition);
    } else {
        let wait = state.controllers.behaviour.crd_established_after;
        state.once_after(Kind::DefinitionEstablished, &definition, wait);
    }
}

/// The names are accepted, and the kind is served from now on.
pub(super) fn establish(state: &mut State, id: &ResourceId, key: &ObjectKey) {
    let Some(definition) = state.found(id, key).filter(|found| !found.deleting()) else { return };
    if !protected(&definition.value) {
        let mut value = definition.value.clone();
        let mut finalizers =
            value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.push(json!(CLEANUP));
        value["metadata"]["finalizers"] = json!(finalizers);
        state.write_main(&definition, value);
    }
    let Some(definition) = state.found(id, key) else { return };
    serve(state, &definition);
    let mut value = definition.value.clone();
    let names = &definition.value["spec"]["names"];
    value["status"]["acceptedNames"] = names.clone();
    let time = state.time();
    for (kind, reason, message) in [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ] {
        let condition = Condition { kind, status: "True", reason, message };
        conditions::set(&mut value["status"], &condition, &time);
    }
    state.write_status(&definition, value);
}

fn protected(value: &Value) -> bool {
    let finalizers = value["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|list| list.iter().any(|held| held == CLEANUP))
}

fn serve(state: &mut State, definition: &Found) {
    let spec = &definition.value["spec"];
    let group = spec["group"].as_str().unwrap_or_default();
    let plural = spec["names"]["plural"].as_str().unwrap_or_default();
    let versions = custom_resources(&definition.value);
    let id = ResourceId::new(group, plural);
    state.store.begin(&id);
    state.registry.set_custom(id, versions);
}

/// A new storage version joins those that objects may be stored in.
fn store_version(state: &mut State, definition: &Found) {
    let versions = definition.value["spec"]["versions"].as_array();
    let Some(storage) = versions.into_iter().flatten().find(|v| v["storage"] == true) else {
        return;
    };
    let mut value = definition.value.clone();
    let mut stored = value["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    if !stored.contains(&storage["name"]) {
        stored.push(storage["name"].clone());
        value["status"]["storedVersions"] = json!(stored);
        state.write_status(definition, value);
    }
}

fn remove_objects(state: &mut State, definition: &Found) {
    if !protected(&definition.value) {
        return;
    }
    let Some(resource) = resource_of(definition.key()) else { return };
    for found in state.all(&resource, None) {
        if !found.deleting() {
            state.discard(&found);
        }
    }
    if state.store.list(&resource, None, None).next().is_none() {
        without_finalizer(state, definition, CLEANUP);
    }
}
