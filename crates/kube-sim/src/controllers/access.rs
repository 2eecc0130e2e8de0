//! How steps read and write: whole objects, through the same functions as requests, as the manager
//! `kube-controller-manager`.
//!
//! A write that is refused is dropped: what changes the situation is an event, and brings the step
//! back.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::queue::{Kind, Step};
use crate::admission;
use crate::admission::names;
use crate::cluster::State;
use crate::merge::Manager;
use crate::objects::{Part, Propagation};
use crate::schema::Resource;
use crate::store::{ObjectKey, ResourceId, Stored};

/// An object as a step works on it.
pub(super) struct Found {
    pub(super) resource: Arc<Resource>,
    pub(super) stored: Arc<Stored>,
    pub(super) value: Value,
}

impl Found {
    pub(super) fn key(&self) -> &ObjectKey {
        &self.stored.key
    }

    pub(super) fn name(&self) -> &str {
        &self.stored.key.name
    }

    pub(super) fn namespace(&self) -> &str {
        &self.stored.key.namespace
    }

    pub(super) fn uid(&self) -> &str {
        &self.stored.uid
    }

    pub(super) fn deleting(&self) -> bool {
        self.stored.deleting
    }

    pub(super) fn generation(&self) -> i64 {
        number(&self.value["metadata"]["generation"])
    }

    /// The reference by which its children name it as their controller.
    pub(super) fn as_owner(&self) -> Value {
        json!({
            "apiVersion": self.resource.api_version(), "kind": self.resource.kind,
            "name": self.name(), "uid": self.uid(), "controller": true,
            "blockOwnerDeletion": true,
        })
    }
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// The uid of the owner that is its controller.
pub(super) fn controller_uid(value: &Value) -> Option<&str> {
    let owners = value["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

/// Some bits that follow from a text: FNV-1a.
pub(super) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// An RFC 3339 time in seconds, as the server writes it.
pub(super) fn rfc3339(wall_ms: i64) -> String {
    let time = jiff::Timestamp::from_second(wall_ms.div_euclid(1000)).unwrap_or_default();
    time.to_string()
}

/// The milliseconds since 1970 of a time that [`rfc3339`] wrote.
pub(super) fn wall_ms(time: &Value) -> Option<i64> {
    let parsed: jiff::Timestamp = time.as_str()?.parse().ok()?;
    Some(parsed.as_millisecond())
}

impl State {
    /// The resource in its preferred version.
    pub(super) fn resource(&self, id: &ResourceId) -> Option<Arc<Resource>> {
        self.registry.versions(id)?.first().cloned()
    }

    pub(super) fn found(&self, id: &ResourceId, key: &ObjectKey) -> Option<Found> {
        let stored = Arc::clone(self.store.get(id, key)?);
        Some(Found { resource: self.resource(id)?, value: stored.value(), stored })
    }

    /// The objects of a resource in a namespace.
    pub(super) fn all(&self, id: &ResourceId, namespace: Option<&str>) -> Vec<Found> {
        let Some(resource) = self.resource(id) else { return Vec::new() };
        let whole = |stored: &Arc<Stored>| Found {
            resource: Arc::clone(&resource),
            value: stored.value(),
            stored: Arc::clone(stored),
        };
        self.store.list(id, namespace, None).map(whole).collect()
    }

    /// The objects of a resource in a namespace that have these labels; the others are not even read.
    pub(super) fn labelled(
        &self,
        id: &ResourceId,
        namespace: &str,
        labels: &Map<String, Value>,
    ) -> Vec<Found> {
        let Some(resource) = self.resource(id) else { return Vec::new() };
        let has = |stored: &Stored| {
            labels.iter().all(|(key, text)| {
                stored.labels.get(key.as_str()).map(|found| &**found) == text.as_str()
            })
        };
        let listed = self.store.list(id, Some(namespace), None).filter(|stored| has(stored));
        let whole = |stored: &Arc<Stored>| Found {
            resource: Arc::clone(&resource),
            value: stored.value(),
            stored: Arc::clone(stored),
        };
        listed.map(whole).collect()
    }

    /// The objects of a resource whose controller this is, in order of name.
    pub(super) fn owned(&self, owner: &Found, id: &ResourceId) -> Vec<Found> {
        let keys = self.controllers.dependents.get(owner.uid());
        keys.into_iter()
            .flatten()
            .filter(|(resource, _)| resource == id)
            .filter_map(|(resource, key)| self.found(resource, key))
            .filter(|child| controller_uid(&child.value) == Some(owner.uid()))
            .collect()
    }

    pub(super) fn time(&self) -> String {
        rfc3339(self.clock.wall_ms())
    }

    fn manager(&self, resource: &Resource, subresource: &str) -> Manager {
        Manager {
            name: "kube-controller-manager".to_owned(),
            subresource: subresource.to_owned(),
            api_version: resource.api_version(),
            time: self.time(),
        }
    }

    /// Makes an object of `value`, which has its metadata and spec. A name that ends in `-` gets
    /// five letters more. Nothing is made in a namespace that is going away.
    pub(super) fn make(&mut self, id: &ResourceId, mut value: Value) -> Option<ObjectKey> {
        let resource = self.resource(id)?;
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if !namespace.is_empty() && self.namespace_ends(&namespace) {
            return None;
        }
        let mut name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if name.ends_with('-') {
            value["metadata"]["generateName"] = json!(name);
            let salt = self.uid();
            name.push_str(&names::suffix(u64::from(hash(&salt)) << 16 | u64::from(hash(&name))));
            value["metadata"]["name"] = json!(name);
        }
        let key = ObjectKey::new(&namespace, &name);
        if self.store.get(id, &key).is_some() {
            return None;
        }
        value["apiVersion"] = json!(resource.api_version());
        value["kind"] = json!(resource.kind);
        admission::default(&resource, &mut value);
        let by = self.manager(&resource, "");
        self.create(&resource, key.clone(), value, &by).ok()?;
        Some(key)
    }

    /// Whether nothing may be made in this namespace: it is absent or on its way out.
    pub(super) fn namespace_ends(&self, namespace: &str) -> bool {
        let key = ObjectKey::new("", namespace);
        self.store.get(&ResourceId::new("", "namespaces"), &key).is_none_or(|found| found.deleting)
    }

    /// Writes the status and the annotations of `value`.
    pub(super) fn write_status(&mut self, found: &Found, value: Value) {
        if value != found.value {
            let by = self.manager(&found.resource, "status");
            self.write(found, value, Part::Status, &by);
        }
    }

    /// Writes all but the status of `value`.
    pub(super) fn write_main(&mut self, found: &Found, value: Value) {
        if value != found.value {
            let by = self.manager(&found.resource, "");
            self.write(found, value, Part::Main, &by);
        }
    }

    fn write(&mut self, found: &Found, value: Value, part: Part, by: &Manager) {
        // The object may have changed since the step began reading; then its event brings the step back.
        let now = self.store.get(&found.resource.id, found.key()).cloned();
        let Some(live) = now.filter(|live| live.revision == found.stored.revision) else { return };
        if let Err(refused) = self.update(&found.resource, &live, value, part, by) {
            tracing::debug!(kind = %found.resource.kind, name = found.name(), message = refused.message, "a step's write was refused");
        }
    }

    /// Deletes an object, and in the background its dependents.
    pub(super) fn discard(&mut self, found: &Found) {
        self.discard_with(found, Propagation::Background);
    }

    pub(super) fn discard_with(&mut self, found: &Found, propagation: Propagation) {
        let live = self.store.get(&found.resource.id, found.key()).cloned();
        if let Some(live) = live.filter(|live| live.uid == found.stored.uid)
            && let Err(refused) = self.delete(&found.resource, &live, propagation)
        {
            tracing::debug!(kind = %found.resource.kind, name = found.name(), message = refused.message, "a step's deletion was refused");
        }
    }

    /// Asks for a step about an object after a time.
    pub(super) fn after(&mut self, kind: Kind, found: &Found, wait: std::time::Duration) {
        let step = Step { kind, resource: found.resource.id.clone(), key: found.key().clone() };
        let at = self.clock.now() + wait;
        self.controllers.queue.add(step, at);
    }

    /// Asks for a step after a time, unless it is already waiting: a write to the object in the
    /// meantime must not put it off or bring it forward.
    pub(super) fn once_after(&mut self, kind: Kind, found: &Found, wait: std::time::Duration) {
        let step = Step { kind, resource: found.resource.id.clone(), key: found.key().clone() };
        if !self.controllers.queue.contains(&step) {
            let at = self.clock.now() + wait;
            self.controllers.queue.add(step, at);
        }
    }
}
