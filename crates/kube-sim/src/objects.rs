//! Writes that keep the rules every object has: identity, generation, ownership of fields,
//! finalizers. Requests and controllers both write through here, so neither can forget a rule.
//!
//! Each write is first prepared (a value that could be stored, or a refusal) and then committed; a
//! dry run stops in between.

mod meta;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admission;
use crate::api::status::{Cause, Status};
use crate::cluster::State;
use crate::merge::{FieldSet, Manager, is_no_op, track_update};
use crate::schema::{self, Resource};
use crate::store::{Change, Event, ObjectKey, ResourceId, Stored};

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

/// What keeps an object from being removed.
pub(crate) enum Hold {
    None,
    /// It waits for its finalizers already, and nothing about it changes.
    Already,
    /// The object as the deletion leaves it.
    New(Box<Value>),
}

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl State {
    /// Stores a new object. The value is complete and valid but for what the server gives it.
    pub(crate) fn create(
        &mut self,
        resource: &Resource,
        key: ObjectKey,
        value: Value,
        by: &Manager,
    ) -> Result<Event, Status> {
        let value = self.prepare_create(resource, &key, value, Some(by))?;
        Ok(self.commit(resource, key, value))
    }

    /// Stores a changed object; `None` when nothing changed. An object whose deletion waited for
    /// the finalizers that this write removed is gone afterwards: the event then says so.
    pub(crate) fn update(
        &mut self,
        resource: &Resource,
        live: &Arc<Stored>,
        value: Value,
        part: Part,
        by: &Manager,
    ) -> Result<Option<Event>, Status> {
        let prepared = self.prepare_update(resource, &live.value(), value, part, Some(by))?;
        Ok(prepared.map(|value| self.commit_update(resource, live, value)))
    }

    /// Deletes an object, or marks it when finalizers hold it.
    pub(crate) fn delete(
        &mut self,
        resource: &Resource,
        live: &Arc<Stored>,
        propagation: Propagation,
    ) -> Result<Deleted, Status> {
        match self.prepare_delete(&resource.id, live, propagation) {
            Hold::None => {
                self.remove(&resource.id, live);
                Ok(Deleted::Gone(Arc::clone(live)))
            }
            Hold::Already => Ok(Deleted::Held(Arc::clone(live))),
            Hold::New(value) => {
                let event = self.commit(resource, live.key.clone(), *value);
                Ok(Deleted::Held(event.object))
            }
        }
    }

    /// The new object as it would be stored. `by` is nobody when its fields are tracked already, as
    /// after a server-side apply.
    pub(crate) fn prepare_create(
        &mut self,
        resource: &Resource,
        key: &ObjectKey,
        mut value: Value,
        by: Option<&Manager>,
    ) -> Result<Value, Status> {
        self.check_namespace(resource, key)?;
        let now = self.now_text();
        let uid = self.uid();
        let metadata = meta::of(&mut value);
        for field in
            ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"]
        {
            metadata.remove(field);
        }
        metadata.insert("name".to_owned(), json!(&*key.name));
        if resource.namespaced {
            metadata.insert("namespace".to_owned(), json!(&*key.namespace));
        } else {
            metadata.remove("namespace");
        }
        metadata.insert("creationTimestamp".to_owned(), json!(now));
        metadata.insert("uid".to_owned(), json!(uid));
        if has_generation(resource) {
            metadata.insert("generation".to_owned(), json!(1));
        }
        if resource.has_status && !keeps_status_at_creation(&resource.id) {
            remove(&mut value, "status");
            // A new namespace is active and a new pod is pending, whatever the client says.
            crate::admission::default(resource, &mut value);
        }
        self.complete(resource, None, &mut value);
        if let Some(by) = by {
            value = tracked(None, value, by, resource, Part::Main);
        }
        validate_type(resource, &value)?;
        meta::validate(resource, None, &value)?;
        admission::validate(resource, None, &value, Part::Main)?;
        if self.store.get(&resource.id, key).is_some() {
            return Err(Status::already_exists(&resource.id, &key.name));
        }
        Ok(value)
    }

    /// The changed object as it would be stored; `None` when nothing would change.
    pub(crate) fn prepare_update(
        &mut self,
        resource: &Resource,
        live: &Value,
        mut value: Value,
        part: Part,
        by: Option<&Manager>,
    ) -> Result<Option<Value>, Status> {
        meta::keep_identity(live, &mut value);
        match part {
            Part::Status => value = with_status_of(resource, live, value),
            Part::Main if resource.has_status => match live.get("status") {
                Some(status) => value["status"] = status.clone(),
                None => remove(&mut value, "status"),
            },
            Part::Main => {}
        }
        self.complete(resource, Some(live), &mut value);
        if let Some(by) = by {
            value = tracked(Some(live), value, by, resource, part);
        }
        validate_type(resource, &value)?;
        meta::validate(resource, Some(live), &value)?;
        admission::validate(resource, Some(live), &value, part)?;
        if part == Part::Main && has_generation(resource) && differs_in_spec(resource, live, &value)
        {
            let generation = live["metadata"]["generation"].as_i64().unwrap_or_default();
            value["metadata"]["generation"] = json!(generation + 1);
        }
        Ok(if is_no_op(live, &mut value) { None } else { Some(value) })
    }

    /// Stores what [`State::prepare_update`] returned.
    pub(crate) fn commit_update(
        &mut self,
        resource: &Resource,
        live: &Arc<Stored>,
        value: Value,
    ) -> Event {
        if meta::is_finished(&resource.id, &value) {
            return self.remove(&resource.id, live);
        }
        self.commit(resource, live.key.clone(), value)
    }

    /// Whether a deletion removes the object, or how it leaves it.
    pub(crate) fn prepare_delete(
        &self,
        resource: &ResourceId,
        live: &Arc<Stored>,
        propagation: Propagation,
    ) -> Hold {
        let mut value = live.value();
        let mut finalizers: Vec<_> = meta::finalizers(&value).map(str::to_owned).collect();
        let before = finalizers.clone();
        finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
            Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
        }
        if finalizers.is_empty() && !meta::is_held_by_spec(resource, &value) {
            return Hold::None;
        }
        if live.deleting && finalizers == before {
            return Hold::Already;
        }
        let generation = value["metadata"]["generation"].as_i64();
        let now = self.now_text();
        let metadata = meta::of(&mut value);
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), json!(finalizers));
        }
        if !live.deleting {
            metadata.insert("deletionTimestamp".to_owned(), json!(now));
            if !is_namespaces(resource) {
                metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
            }
            if let Some(generation) = generation {
                metadata.insert("generation".to_owned(), json!(generation + 1));
            }
        }
        if is_namespaces(resource) {
            value["status"]["phase"] = json!("Terminating");
        }
        Hold::New(Box::new(value))
    }

    pub(crate) fn commit(&mut self, resource: &Resource, key: ObjectKey, value: Value) -> Event {
        let event = self.store.put(&resource.id, key, value);
        self.controllers.observe(&resource.id, &event, self.clock.now());
        event
    }

    fn remove(&mut self, resource: &ResourceId, live: &Arc<Stored>) -> Event {
        let event = self.store.remove(resource, &live.key).unwrap_or_else(|| Event {
            revision: self.store.revision(),
            change: Change::Deleted,
            object: Arc::clone(live),
            previous: None,
        });
        self.controllers.observe(resource, &event, self.clock.now());
        event
    }

    /// Fills in what follows from the type, the server's rules and the cluster.
    fn complete(&self, resource: &Resource, live: Option<&Value>, value: &mut Value) {
        let stored = self.registry.versions(&resource.id).and_then(<[_]>::first);
        value["apiVersion"] =
            json!(stored.map_or(resource.api_version(), |first| first.api_version()));
        value["kind"] = json!(&*resource.kind);
        schema::normalise(value, &resource.ty);
        meta::tidy(value);
        schema::default(value, &resource.ty);
        admission::default(resource, value);
        admission::complete(self, resource, live, value);
        schema::normalise(value, &resource.ty);
    }

    /// Nothing is created in a namespace that is not there or is being deleted.
    fn check_namespace(&self, resource: &Resource, key: &ObjectKey) -> Result<(), Status> {
        if !resource.namespaced {
            return Ok(());
        }
        let namespaces = ResourceId::new("", "namespaces");
        let Some(found) = self.store.get(&namespaces, &ObjectKey::new("", &key.namespace)) else {
            return Err(Status::not_found(&namespaces, &key.namespace));
        };
        if !found.deleting {
            return Ok(());
        }
        let namespace = &key.namespace;
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let cause = Cause::new(
            "NamespaceTerminating",
            "metadata.namespace",
            format!("namespace {namespace} is being terminated"),
        );
        let status = Status::forbidden(&resource.id, &key.name, &why);
        Err(Status { causes: vec![cause], ..status })
    }

    /// The time of day as objects hold it: RFC 3339, in seconds.
    pub(crate) fn now_text(&self) -> String {
        time_text(self.clock.wall_ms())
    }

    /// The next number of the cluster's seed (SplitMix64), so that runs can be repeated.
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A new uid from the cluster's seed.
    pub(crate) fn uid(&mut self) -> String {
        let (a, b) = (self.next_random(), self.next_random());
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

/// Milliseconds since 1970 as RFC 3339, in seconds.
pub(crate) fn time_text(wall_ms: i64) -> String {
    let time = jiff::Timestamp::from_second(wall_ms.div_euclid(1_000)).unwrap_or_default();
    time.to_string()
}

/// Holds a custom resource against its schema.
fn validate_type(resource: &Resource, value: &Value) -> Result<(), Status> {
    let causes = schema::validate(value, &resource.ty);
    if causes.is_empty() {
        return Ok(());
    }
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    Err(Status::invalid(resource.id.group(), &resource.kind, name, causes))
}

fn is_namespaces(resource: &ResourceId) -> bool {
    resource.group().is_empty() && resource.plural() == "namespaces"
}

/// A kubelet registers its node with the status it sees; all other kinds begin without one.
fn keeps_status_at_creation(resource: &ResourceId) -> bool {
    resource.group().is_empty() && resource.plural() == "nodes"
}

/// Whether the server counts changes of the spec.
fn has_generation(resource: &Resource) -> bool {
    match (resource.id.group(), resource.id.plural()) {
        ("", plural) => matches!(plural, "pods" | "replicationcontrollers" | "podtemplates"),
        ("apps" | "networking.k8s.io" | "policy" | "discovery.k8s.io", plural) => {
            plural != "controllerrevisions"
        }
        ("batch" | "admissionregistration.k8s.io" | "apiextensions.k8s.io", _) => true,
        ("scheduling.k8s.io" | "flowcontrol.apiserver.k8s.io" | "resource.k8s.io", _) => true,
        _ => resource.custom,
    }
}

/// Whether anything but the metadata (and the status, where it is a part of its own) differs.
fn differs_in_spec(resource: &Resource, live: &Value, value: &Value) -> bool {
    let counts = |key: &str| key != "metadata" && !(resource.has_status && key == "status");
    let keys = |value: &Value| -> Vec<String> {
        let object = value.as_object().into_iter().flatten();
        object.map(|(key, _)| key.clone()).filter(|key| counts(key)).collect()
    };
    let (before, after) = (keys(live), keys(value));
    before.len() != after.len() || after.iter().any(|key| live.get(key) != value.get(key))
}

/// The live object with the status of `value`, and what else a write of the status may change.
fn with_status_of(resource: &Resource, live: &Value, mut value: Value) -> Value {
    let mut object = live.clone();
    match value.get_mut("status").map(Value::take) {
        Some(status) if !status.is_null() => object["status"] = status,
        _ => remove(&mut object, "status"),
    }
    let managed = value["metadata"]["managedFields"].take();
    if !resource.custom {
        let labels = live["metadata"]["labels"].clone();
        object["metadata"] = value["metadata"].take();
        if status_keeps_labels(&resource.id) {
            object["metadata"]["labels"] = labels;
        }
    }
    object["metadata"]["managedFields"] = managed;
    meta::tidy(&mut object);
    object
}

/// Of the built-in kinds only this one has labels that a write of its status leaves alone.
fn status_keeps_labels(resource: &ResourceId) -> bool {
    resource.group() == "apps" && resource.plural() == "deployments"
}

/// The fields that a write of this part does not change, and so does not own.
pub(crate) fn reset_fields(resource: &Resource, part: Part) -> FieldSet {
    match part {
        // What a namespace's spec holds is the server's.
        Part::Main if is_namespaces(&resource.id) => FieldSet::of(["spec", "status"]),
        Part::Main if resource.has_status => FieldSet::of(["status"]),
        Part::Main => FieldSet::of([]),
        Part::Status if resource.custom => FieldSet::of(["metadata", "spec"]),
        Part::Status if status_keeps_labels(&resource.id) => {
            FieldSet::of(["spec", "metadata.labels"])
        }
        Part::Status => FieldSet::of(["spec"]),
    }
}

fn tracked(
    live: Option<&Value>,
    value: Value,
    by: &Manager,
    resource: &Resource,
    part: Part,
) -> Value {
    let reset = reset_fields(resource, part);
    meta::tidied(track_update(live, value, by, &resource.ty, &reset))
}

fn remove(value: &mut Value, key: &str) {
    if let Some(object) = value.as_object_mut() {
        object.remove(key);
    }
}
