//! The objects of one cluster: current state, revisions and the recent past for watches. No rules
//! of Kubernetes beyond those of its store live here, and nothing of HTTP.
//!
//! An object is kept as the JSON that clients receive, because that is several times smaller than
//! a tree of values and is shared as it is between the store, its log, snapshots and answers. The
//! log of a resource is bounded and is the only buffer of its watches: a watcher that falls behind
//! it is told that its version is gone, so memory does not grow with slow readers.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

/// A group and a plural name, as in `apps/deployments`; the core group is `/pods`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    #[must_use]
    pub fn new(group: &str, plural: &str) -> Self {
        Self(format!("{group}/{plural}").into())
    }

    #[must_use]
    pub fn group(&self) -> &str {
        self.0.split_once('/').expect("made by new").0
    }

    #[must_use]
    pub fn plural(&self) -> &str {
        self.0.split_once('/').expect("made by new").1
    }
}

/// Ordered as a real list is: by namespace, then by name. A cluster-scoped object has no namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl ObjectKey {
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// One version of one object. Never changed: a write makes a new one.
#[derive(Debug)]
pub struct Stored {
    pub key: ObjectKey,
    pub uid: Box<str>,
    pub revision: u64,
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// The uids of its owners, for garbage collection.
    pub owners: Box<[Box<str>]>,
    /// It has a deletion timestamp and waits for its finalizers.
    pub deleting: bool,
    /// The object as clients receive it.
    pub json: Box<str>,
}

impl Stored {
    /// The object as a tree, to be changed or looked into.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.json).expect("it was written by serde_json")
    }

    fn new(key: ObjectKey, revision: u64, value: &mut Value) -> Self {
        value["metadata"]["resourceVersion"] = Value::String(revision.to_string());
        let metadata = &value["metadata"];
        let labels = metadata["labels"].as_object();
        let text = |value: &Value| value.as_str().unwrap_or_default().into();
        Self {
            key,
            uid: text(&metadata["uid"]),
            revision,
            labels: labels
                .map(|labels| labels.iter().map(|(k, v)| (k.as_str().into(), text(v))).collect())
                .unwrap_or_default(),
            owners: metadata["ownerReferences"]
                .as_array()
                .map(|owners| owners.iter().map(|owner| text(&owner["uid"])).collect())
                .unwrap_or_default(),
            deleting: metadata.get("deletionTimestamp").is_some_and(|at| !at.is_null()),
            json: value.to_string().into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

/// What happened to one object.
#[derive(Debug, Clone)]
pub struct Event {
    pub revision: u64,
    pub change: Change,
    /// The new version; for a deletion the last one, stamped with the deletion's revision.
    pub object: Arc<Stored>,
    /// The version before, by which a watch with a selector knows what left its sight.
    pub previous: Option<Arc<Stored>>,
}

/// How many events a resource remembers. A real server remembers some minutes; a watch that is
/// further behind than this gets 410 and lists anew, in both.
const LOG_EVENTS: usize = 1_024;
/// How many bytes of JSON they may hold in all: large objects that change often must not make a
/// cluster large. A thousand small objects fit.
const LOG_BYTES: usize = 1 << 20;
/// What is remembered however large it is, so that a watcher of large objects can keep up.
const LOG_LEAST: usize = 16;

/// The objects of one resource.
struct Collection {
    objects: BTreeMap<ObjectKey, Arc<Stored>>,
    log: VecDeque<Event>,
    log_bytes: usize,
    /// Events up to this revision are forgotten: a watch must start at it or later.
    forgotten: u64,
    changed: watch::Sender<u64>,
}

impl Collection {
    fn new(forgotten: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            log_bytes: 0,
            forgotten,
            changed: watch::Sender::new(forgotten),
        }
    }

    fn record(&mut self, event: Event) {
        self.log_bytes += event.object.json.len();
        self.changed.send_replace(event.revision);
        self.log.push_back(event);
        while (self.log.len() > LOG_EVENTS || self.log_bytes > LOG_BYTES)
            && self.log.len() > LOG_LEAST
            && let Some(oldest) = self.log.pop_front()
        {
            self.log_bytes -= oldest.object.json.len();
            self.forgotten = oldest.revision;
        }
    }
}

/// The revision that was asked for is no longer remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    pub oldest: u64,
}

/// Everything in one cluster.
pub struct Store {
    collections: BTreeMap<ResourceId, Collection>,
    revision: u64,
    /// The revision with which this store began: nothing older is remembered.
    began: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self { collections: BTreeMap::new(), revision: 1, began: 1 }
    }
}

impl Store {
    /// The revision of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    #[must_use]
    pub fn get(&self, resource: &ResourceId, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.collections.get(resource)?.objects.get(key)
    }

    /// The objects of a resource in order, of one namespace or of all, after `after` if given.
    pub fn list<'a>(
        &'a self,
        resource: &ResourceId,
        namespace: Option<&'a str>,
        after: Option<&ObjectKey>,
    ) -> impl Iterator<Item = &'a Arc<Stored>> + use<'a> {
        let start = match (after, namespace) {
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(namespace)) => Bound::Included(ObjectKey::new(namespace, "")),
            (None, None) => Bound::Unbounded,
        };
        let objects = self.collections.get(resource).map(|collection| &collection.objects);
        objects
            .into_iter()
            .flat_map(move |objects| objects.range((start.clone(), Bound::Unbounded)))
            .map(|(_, stored)| stored)
            .take_while(move |stored| {
                namespace.is_none_or(|namespace| *stored.key.namespace == *namespace)
            })
    }

    /// The objects as they were at a revision that is not from the future.
    ///
    /// # Errors
    /// When what happened since is partly forgotten.
    pub fn list_at(
        &self,
        resource: &ResourceId,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Stored>>, Forgotten> {
        // The oldest change of each object since then knows what it was before.
        let mut before: BTreeMap<&ObjectKey, Option<&Arc<Stored>>> = BTreeMap::new();
        for event in self.events_after(resource, revision)? {
            before.entry(&event.object.key).or_insert(event.previous.as_ref());
        }
        let now = self.list(resource, namespace, None);
        if before.is_empty() {
            return Ok(now.cloned().collect());
        }
        let mut objects: BTreeMap<&ObjectKey, &Arc<Stored>> =
            now.map(|stored| (&stored.key, stored)).collect();
        for (key, previous) in before {
            if namespace.is_some_and(|namespace| *key.namespace != *namespace) {
                continue;
            }
            match previous {
                Some(previous) => objects.insert(key, previous),
                None => objects.remove(key),
            };
        }
        Ok(objects.into_values().cloned().collect())
    }

    /// Drops a resource that is no longer served, with all its objects; its watches end.
    pub fn forget(&mut self, resource: &ResourceId) {
        self.collections.remove(resource);
    }

    /// The resources that have or had objects.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceId> {
        self.collections.keys()
    }

    /// Stores a new version of an object, or a new object, and returns what happened. The
    /// resource version in `value` is set here; everything else must be right already.
    pub fn put(&mut self, resource: &ResourceId, key: ObjectKey, mut value: Value) -> Event {
        self.revision += 1;
        let revision = self.revision;
        let object = Arc::new(Stored::new(key.clone(), revision, &mut value));
        let collection = self.collection(resource);
        let previous = collection.objects.insert(key, Arc::clone(&object));
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        let event = Event { revision, change, object, previous };
        collection.record(event.clone());
        event
    }

    /// Removes an object and returns what happened; `None` when it is not there.
    pub fn remove(&mut self, resource: &ResourceId, key: &ObjectKey) -> Option<Event> {
        let revision = self.revision + 1;
        let collection = self.collections.get_mut(resource)?;
        let previous = collection.objects.remove(key)?;
        self.revision = revision;
        let object = Arc::new(Stored::new(key.clone(), revision, &mut previous.value()));
        let event = Event { revision, change: Change::Deleted, object, previous: Some(previous) };
        collection.record(event.clone());
        Some(event)
    }

    /// The events of a resource after `revision`, oldest first.
    ///
    /// # Errors
    /// When some of them are forgotten.
    pub fn events_after(
        &self,
        resource: &ResourceId,
        revision: u64,
    ) -> Result<impl Iterator<Item = &Event>, Forgotten> {
        let collection = self.collections.get(resource);
        let oldest = collection.map_or(self.began, |collection| collection.forgotten);
        if revision < oldest {
            return Err(Forgotten { oldest });
        }
        let log = collection.map(|collection| &collection.log);
        // Events are in order of revision, so the wanted ones are a tail.
        Ok(log.into_iter().flat_map(move |log| {
            log.iter().skip(log.partition_point(|event| event.revision <= revision))
        }))
    }

    /// Tells of each change of a resource by its revision.
    #[must_use]
    pub fn subscribe(&mut self, resource: &ResourceId) -> watch::Receiver<u64> {
        self.collection(resource).changed.subscribe()
    }

    /// What is remembered of a resource begins now, when it is new: nobody saw it before.
    pub fn begin(&mut self, resource: &ResourceId) {
        let revision = self.revision;
        self.collections.entry(resource.clone()).or_insert_with(|| Collection::new(revision));
    }

    /// Forgets the past up to now, as a compaction of the real store does.
    pub fn compact(&mut self) {
        let revision = self.revision;
        for collection in self.collections.values_mut() {
            collection.log.clear();
            collection.log_bytes = 0;
            collection.forgotten = revision;
        }
        self.began = revision;
    }

    /// A store with the same objects (shared, not copied) and no past.
    #[must_use]
    pub fn fork(&self) -> Self {
        let copy = |collection: &Collection| Collection {
            objects: collection.objects.clone(),
            ..Collection::new(self.revision)
        };
        Self {
            collections: self.collections.iter().map(|(id, c)| (id.clone(), copy(c))).collect(),
            revision: self.revision,
            began: self.revision,
        }
    }

    /// How many objects there are, and the bytes of their JSON.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let objects = self.collections.values().flat_map(|collection| collection.objects.values());
        objects.fold((0, 0), |(count, bytes), object| (count + 1, bytes + object.json.len()))
    }

    fn collection(&mut self, resource: &ResourceId) -> &mut Collection {
        let began = self.began;
        self.collections.entry(resource.clone()).or_insert_with(|| Collection::new(began))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn maps() -> ResourceId {
        ResourceId::new("", "configmaps")
    }

    fn put(store: &mut Store, namespace: &str, name: &str) -> Event {
        let value = json!({"metadata": {"name": name, "namespace": namespace, "uid": name}});
        store.put(&maps(), ObjectKey::new(namespace, name), value)
    }

    fn names<'a>(objects: impl Iterator<Item = &'a Arc<Stored>>) -> Vec<String> {
        objects.map(|stored| format!("{}/{}", stored.key.namespace, stored.key.name)).collect()
    }

    #[test]
    fn a_list_is_ordered_and_can_go_on_after_a_key() {
        let mut store = Store::default();
        for (namespace, name) in [("b", "z"), ("a", "y"), ("a", "x"), ("c", "w")] {
            put(&mut store, namespace, name);
        }
        assert_eq!(names(store.list(&maps(), None, None)), ["a/x", "a/y", "b/z", "c/w"]);
        assert_eq!(names(store.list(&maps(), Some("a"), None)), ["a/x", "a/y"]);
        let after = ObjectKey::new("a", "x");
        assert_eq!(names(store.list(&maps(), None, Some(&after))), ["a/y", "b/z", "c/w"]);
        assert_eq!(names(store.list(&maps(), Some("a"), Some(&after))), ["a/y"]);
        assert_eq!(names(store.list(&ResourceId::new("", "pods"), None, None)), [""; 0]);
    }

    #[test]
    fn the_past_is_bounded_and_says_when_it_is_forgotten() {
        let mut store = Store::default();
        let first = put(&mut store, "a", "x").revision;
        for _ in 0..LOG_EVENTS {
            put(&mut store, "a", "x");
        }
        let oldest = first;
        assert_eq!(store.events_after(&maps(), first).map(Iterator::count), Ok(LOG_EVENTS));
        put(&mut store, "a", "x");
        let gone = store.events_after(&maps(), first).map(Iterator::count);
        assert_eq!(gone, Err(Forgotten { oldest: oldest + 1 }));
        let last = store.revision();
        assert_eq!(store.events_after(&maps(), last).map(Iterator::count), Ok(0));
        assert!(store.events_after(&ResourceId::new("", "pods"), last).is_ok());
    }

    #[test]
    fn a_deletion_has_a_revision_of_its_own() {
        let mut store = Store::default();
        put(&mut store, "a", "x");
        let event = store.remove(&maps(), &ObjectKey::new("a", "x")).expect("it is there");
        assert_eq!((event.change, event.revision), (Change::Deleted, store.revision()));
        assert_eq!(event.object.value()["metadata"]["resourceVersion"], event.revision.to_string());
        assert!(store.remove(&maps(), &ObjectKey::new("a", "x")).is_none());
    }

    #[test]
    fn a_fork_shares_objects_and_goes_its_own_way() {
        let mut store = Store::default();
        put(&mut store, "a", "x");
        let mut fork = store.fork();
        let key = ObjectKey::new("a", "x");
        let same = |a: &Store, b: &Store| {
            let of = |store: &Store| Arc::as_ptr(store.get(&maps(), &key).expect("it is there"));
            of(a) == of(b)
        };
        assert!(same(&store, &fork));
        put(&mut fork, "a", "x");
        assert!(!same(&store, &fork));
        assert_eq!(store.revision() + 1, fork.revision());
    }
}
