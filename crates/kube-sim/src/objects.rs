//! Writes that keep the rules every object has: identity, generation, ownership of fields,
//! finalizers. Requests and controllers both write through here, so neither can forget a rule.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::status::Status;
use crate::cluster::State;
use crate::merge::{FieldSet, Manager, track_update};
use crate::schema::Resource;
use crate::store::{Event, ObjectKey, Stored};

/// What part of an object a write is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status (where the type has a status subresource).
    Main,
    /// Only the status.
    Status,
}

/// What becomes of an object's dependents when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// What a deletion did.
#[derive(Debug)]
pub(crate) enum Deleted {
    Gone(Arc<Stored>),
    /// Finalizers hold it; its deletion timestamp is set.
    Held(Arc<Stored>),
}

impl State {
    /// Stores a new object. The value is complete and valid but for what the server gives it.
    pub(crate) fn create(
        &mut self,
        resource: &Resource,
        key: ObjectKey,
        mut value: Value,
        by: &Manager,
    ) -> Result<Event, Status> {
        value["metadata"]["uid"] = json!(self.uid());
        value["metadata"]["creationTimestamp"] = json!(by.time);
        let value = track_update(None, value, by, &resource.ty, &FieldSet::default());
        Ok(self.commit(resource, key, value))
    }

    /// Stores a changed object; `None` when nothing changed. An object whose deletion waited for
    /// the finalizers that this write removed is gone afterwards.
    pub(crate) fn update(
        &mut self,
        resource: &Resource,
        live: &Arc<Stored>,
        value: Value,
        part: Part,
        by: &Manager,
    ) -> Result<Option<Event>, Status> {
        let _ = part;
        let value =
            track_update(Some(&live.value()), value, by, &resource.ty, &FieldSet::default());
        Ok(Some(self.commit(resource, live.key.clone(), value)))
    }

    /// Deletes an object, or marks it when finalizers hold it.
    pub(crate) fn delete(
        &mut self,
        resource: &Resource,
        live: &Arc<Stored>,
        propagation: Propagation,
    ) -> Result<Deleted, Status> {
        let _ = propagation;
        let event = self.store.remove(&resource.id, &live.key);
        if let Some(event) = &event {
            self.controllers.observe(&resource.id, event, self.clock.now());
        }
        Ok(Deleted::Gone(Arc::clone(live)))
    }

    fn commit(&mut self, resource: &Resource, key: ObjectKey, value: Value) -> Event {
        let event = self.store.put(&resource.id, key, value);
        self.controllers.observe(&resource.id, &event, self.clock.now());
        event
    }

    /// A new uid from the cluster's seed (SplitMix64), so that runs can be repeated.
    pub(crate) fn uid(&mut self) -> String {
        let mut next = || {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let (a, b) = (next(), next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}
