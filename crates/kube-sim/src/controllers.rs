//! What makes workloads ready: controllers as steps that become due. Synchronous; they run under the
//! cluster's lock and write through the same functions as requests do.
//!
//! A step is asked for by what was written ([`Controllers::observe`]) or by time. It reads all it
//! needs anew, decides, and writes only when something changes, so that an idle cluster has nothing
//! queued. What a controller waits for in time (a pod that starts, a deadline) is a step in the
//! queue, never a sleeping task.

mod access;
mod budget;
mod claim;
mod conditions;
mod daemon_set;
mod definition;
mod deployment;
mod events;
mod garbage;
mod job;
mod namespace;
mod pod;
mod podless;
mod queue;
mod replica_set;
mod revisions;
mod rollout;
mod service;
mod stateful_set;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::cluster::State;
use crate::store::{Change, Event, ObjectKey, ResourceId, Store, Stored};
use queue::{Kind, Queue, Step};

/// How workloads behave.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// From a workload's change to its pods being ready.
    pub ready_after: Duration,
    /// From a definition's creation to its kind being served.
    pub crd_established_after: Duration,
    /// From the deletion of a namespace to the removal of its contents.
    pub namespace_deleted_after: Duration,
    /// Pods whose image contains one of these never start: `ImagePullBackOff`.
    pub bad_images: Vec<String>,
    /// Pods whose image contains one of these start and end again: `CrashLoopBackOff`.
    pub crashing_images: Vec<String>,
    /// Whether ReplicaSets and Pods are made, or workloads become ready without them: a large fleet
    /// of them in one process is not about pods.
    pub pods: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: Duration::from_millis(300),
            crd_established_after: Duration::from_millis(30),
            namespace_deleted_after: Duration::from_secs(5),
            bad_images: vec!["does-not-exist".to_owned(), "nonexistent".to_owned()],
            crashing_images: vec!["crash".to_owned()],
            pods: true,
        }
    }
}

type Place = (ResourceId, ObjectKey);

/// The queue of steps, and what the controllers remember.
pub(crate) struct Controllers {
    pub(crate) behaviour: Behaviour,
    queue: Queue,
    /// The objects that name an owner, by its uid.
    dependents: BTreeMap<Box<str>, BTreeSet<Place>>,
    /// Objects in deletion that wait for their dependents, by uid.
    held: BTreeMap<Box<str>, Place>,
    /// Namespaces in deletion and when their contents are removed: what disappears in them after
    /// that may be the last.
    ending: BTreeMap<Box<str>, Duration>,
    /// The Events that were made, oldest first.
    told: VecDeque<ObjectKey>,
    /// How many addresses were given to pods.
    addresses: u32,
}

impl Controllers {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            queue: Queue::default(),
            dependents: BTreeMap::new(),
            held: BTreeMap::new(),
            ending: BTreeMap::new(),
            told: VecDeque::new(),
            addresses: 0,
        }
    }

    /// Takes over the objects of a store, as if each had just been made.
    pub(crate) fn adopt(&mut self, store: &Store, now: Duration) {
        for resource in store.resources() {
            for object in store.list(resource, None, None) {
                let object = std::sync::Arc::clone(object);
                let (revision, change) = (object.revision, Change::Added);
                let event = Event { revision, change, object, previous: None };
                self.observe(resource, &event, now);
            }
        }
    }

    /// Called after every write, whoever made it; queues the steps that follow from it.
    pub(crate) fn observe(&mut self, resource: &ResourceId, event: &Event, now: Duration) {
        self.index(resource, event);
        self.collect(resource, event, now);
        let object = &*event.object;
        let mut ask = |kind: Kind, resource: &ResourceId, key: &ObjectKey| {
            let step = Step { kind, resource: resource.clone(), key: key.clone() };
            self.queue.add(step, now);
        };
        let namespace_key = ObjectKey::new(&object.key.namespace, "");
        match (resource.group(), resource.plural()) {
            ("apps", "deployments") => ask(Kind::Deployment, resource, &object.key),
            ("apps", "statefulsets") => ask(Kind::StatefulSet, resource, &object.key),
            ("apps", "daemonsets") => ask(Kind::DaemonSet, resource, &object.key),
            ("batch", "jobs") => ask(Kind::Job, resource, &object.key),
            ("apps", "replicasets") => {
                ask(Kind::ReplicaSet, resource, &object.key);
                if let Some((kind, owner, key)) = controller_step(object) {
                    ask(kind, &owner, &key);
                }
            }
            ("", "pods") => self.pod_changed(resource, event, now),
            ("", "services") => {
                ask(Kind::Outside, resource, &object.key);
                ask(Kind::Endpoints, resource, &namespace_key);
            }
            ("networking.k8s.io", "ingresses") => ask(Kind::Outside, resource, &object.key),
            ("policy", "poddisruptionbudgets") => ask(Kind::Budgets, resource, &namespace_key),
            ("autoscaling", "horizontalpodautoscalers") => {
                ask(Kind::Autoscaler, resource, &object.key);
            }
            ("", "persistentvolumeclaims") => ask(Kind::Claim, resource, &object.key),
            ("", "nodes") => {
                let all = ResourceId::new("apps", "daemonsets");
                ask(Kind::DaemonSets, &all, &ObjectKey::new("", ""));
            }
            ("", "namespaces") => ask(Kind::Namespace, resource, &object.key),
            ("apiextensions.k8s.io", "customresourcedefinitions") => {
                ask(Kind::Definition, resource, &object.key);
            }
            _ => {}
        }
    }

    /// When the next step is due, as the clock's `now`.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    fn pod_changed(&mut self, resource: &ResourceId, event: &Event, now: Duration) {
        let object = &*event.object;
        let mut ask = |kind: Kind, resource: &ResourceId, key: &ObjectKey| {
            let step = Step { kind, resource: resource.clone(), key: key.clone() };
            self.queue.add(step, now);
        };
        if let Some((kind, owner, key)) = controller_step(object) {
            ask(kind, &owner, &key);
        }
        let all = ObjectKey::new(&object.key.namespace, "");
        ask(Kind::Endpoints, &ResourceId::new("", "services"), &all);
        ask(Kind::Budgets, &ResourceId::new("policy", "poddisruptionbudgets"), &all);
        if event.change == Change::Deleted {
            // The next pod of this name starts from the beginning.
            let progress = Kind::PodProgress;
            let key = object.key.clone();
            self.queue.remove(&Step { kind: progress, resource: resource.clone(), key });
            self.claims_freed(object, now);
        } else {
            ask(Kind::Pod, resource, &object.key);
        }
    }

    /// A claim in deletion waits for the last pod that uses it.
    fn claims_freed(&mut self, pod: &Stored, now: Duration) {
        if !pod.json.contains("\"claimName\"") {
            return;
        }
        let value = pod.value();
        for volume in value["spec"]["volumes"].as_array().into_iter().flatten() {
            if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
                let resource = ResourceId::new("", "persistentvolumeclaims");
                let key = ObjectKey::new(&pod.key.namespace, claim);
                self.queue.add(Step { kind: Kind::Claim, resource, key }, now);
            }
        }
    }

    /// Keeps `dependents` and `held` as the objects say.
    fn index(&mut self, resource: &ResourceId, event: &Event) {
        let place = || (resource.clone(), event.object.key.clone());
        let before = event.previous.as_deref().map_or(&[][..], |previous| &*previous.owners);
        let gone = event.change == Change::Deleted;
        let after = if gone { &[][..] } else { &*event.object.owners };
        for owner in before.iter().filter(|owner| !after.contains(owner)) {
            if let Some(places) = self.dependents.get_mut(owner) {
                places.remove(&place());
                if places.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        for owner in after {
            self.dependents.entry(owner.clone()).or_default().insert(place());
        }
        let object = &*event.object;
        let waits = object.deleting
            && (object.json.contains("\"foregroundDeletion\"")
                || object.json.contains("\"orphan\""));
        if gone || !waits {
            self.held.remove(&object.uid);
        } else {
            self.held.insert(object.uid.clone(), place());
        }
    }

    /// Queues what the garbage collector and the end of a namespace want to know.
    fn collect(&mut self, resource: &ResourceId, event: &Event, now: Duration) {
        let object = &*event.object;
        let mut ask = |kind: Kind, (resource, key): Place| {
            self.queue.add(Step { kind, resource, key }, now);
        };
        let gone = event.change == Change::Deleted;
        if let Some(place) = self.held.get(&object.uid) {
            ask(Kind::Owner, place.clone());
        }
        let owners = event.previous.as_deref().map_or(&object.owners, |previous| &previous.owners);
        for owner in owners {
            if let Some(place) = self.held.get(owner) {
                ask(Kind::Owner, place.clone());
            }
        }
        if gone {
            for place in self.dependents.get(&object.uid).into_iter().flatten() {
                ask(Kind::Orphaned, place.clone());
            }
        } else if !object.owners.is_empty() && event.previous.is_none() {
            ask(Kind::Orphaned, (resource.clone(), object.key.clone()));
        }
        if gone && self.ending.get(&*object.key.namespace).is_some_and(|begins| *begins <= now) {
            let key = ObjectKey::new("", &object.key.namespace);
            ask(Kind::NamespaceEmptied, (ResourceId::new("", "namespaces"), key));
        }
        if gone && resource.group().contains('.') {
            // A definition in deletion waits for the last of its objects.
            let name = format!("{}.{}", resource.plural(), resource.group());
            let definitions = ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions");
            ask(Kind::Definition, (definitions, ObjectKey::new("", &name)));
        }
    }
}

/// The step of the controller that owns an object.
fn controller_step(object: &Stored) -> Option<(Kind, ResourceId, ObjectKey)> {
    if object.owners.is_empty() {
        return None;
    }
    let value = object.value();
    let owners = value["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let (kind, group, plural) = match owner["kind"].as_str()? {
        "Deployment" => (Kind::Deployment, "apps", "deployments"),
        "ReplicaSet" => (Kind::ReplicaSet, "apps", "replicasets"),
        "StatefulSet" => (Kind::StatefulSet, "apps", "statefulsets"),
        "DaemonSet" => (Kind::DaemonSet, "apps", "daemonsets"),
        "Job" => (Kind::Job, "batch", "jobs"),
        _ => return None,
    };
    let key = ObjectKey::new(&object.key.namespace, owner["name"].as_str()?);
    Some((kind, ResourceId::new(group, plural), key))
}

/// More steps than this in one go would hold the lock too long; the rest is due at once again.
const STEPS_PER_RUN: usize = 10_000;

/// Runs the steps that are due.
pub(crate) fn run_due(state: &mut State) {
    for _ in 0..STEPS_PER_RUN {
        let now = state.clock.now();
        let Some(step) = state.controllers.queue.pop(now) else { return };
        run(state, &step);
    }
}

fn run(state: &mut State, step: &Step) {
    let Step { kind, resource: id, key } = step;
    match kind {
        Kind::Deployment => deployment::sync(state, id, key),
        Kind::ReplicaSet => replica_set::sync(state, id, key),
        Kind::StatefulSet => stateful_set::sync(state, id, key),
        Kind::DaemonSet => daemon_set::sync(state, id, key),
        Kind::DaemonSets => daemon_set::sync_all(state, id),
        Kind::Job => job::sync(state, id, key),
        Kind::JobEnded => job::ended(state, id, key),
        Kind::Pod => pod::changed(state, id, key),
        Kind::PodProgress => pod::progress(state, id, key),
        Kind::Claim => claim::changed(state, id, key),
        Kind::ClaimBound => claim::bind(state, id, key),
        Kind::Outside => service::outside(state, id, key),
        Kind::OutsideGiven => service::give_address(state, id, key),
        Kind::Endpoints => service::endpoints(state, &key.namespace),
        Kind::Budgets => budget::sync(state, &key.namespace),
        Kind::Autoscaler => budget::autoscaler(state, id, key),
        Kind::Namespace => namespace::changed(state, id, key),
        Kind::NamespaceEmptied => namespace::empty(state, id, key),
        Kind::Definition => definition::changed(state, id, key),
        Kind::DefinitionEstablished => definition::establish(state, id, key),
        Kind::Podless => podless::ready(state, id, key),
        Kind::Orphaned => garbage::orphaned(state, id, key),
        Kind::Owner => garbage::owner(state, id, key),
    }
}

/// Whether a pod's template names an image that contains one of these.
fn any_image(pod_spec: &Value, parts: &[String]) -> bool {
    ["initContainers", "containers"].iter().any(|list| {
        pod_spec[*list].as_array().into_iter().flatten().any(|container| {
            let image = container["image"].as_str().unwrap_or_default();
            parts.iter().any(|part| image.contains(part.as_str()))
        })
    })
}

#[cfg(test)]
mod tests;
