//! `metadata.managedFields`: who owns which fields, read from and written to the object.

use serde_json::{Map, Value, json};

use super::Manager;
use super::fieldset::FieldSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who owns a set of fields. The version of an Apply is not part of who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Owner {
    pub(super) fn new(manager: &Manager, operation: Operation) -> Self {
        let name = if manager.name.is_empty() { "unknown" } else { &manager.name };
        Self {
            name: name.to_owned(),
            operation,
            api_version: manager.api_version.clone(),
            subresource: manager.subresource.clone(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As conflicts name it.
    pub(super) fn describe(&self) -> String {
        let subresource = match self.subresource.as_str() {
            "" => String::new(),
            name => format!(" with subresource {name:?}"),
        };
        let version = match self.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(" using {}", self.api_version),
        };
        format!("{:?}{subresource}{version}", self.name)
    }

    /// The order in which conflicts are listed.
    pub(super) fn order(&self) -> (&str, &str, &str, &str) {
        let version = match self.operation {
            Operation::Apply => "",
            Operation::Update => &self.api_version,
        };
        (&self.name, self.operation.as_str(), version, &self.subresource)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    pub(super) time: Option<String>,
    set: FieldSet,
    /// The `fieldsV1` that `set` was read from; what did not change is written as it was.
    read_from: Option<Value>,
}

impl Entry {
    pub(super) fn new(owner: Owner, set: FieldSet) -> Self {
        Self { owner, time: None, set, read_from: None }
    }

    pub(super) fn set(&self) -> &FieldSet {
        &self.set
    }

    /// Notes when the owner wrote. The real server forgets it for writes through `scale`.
    pub(super) fn stamp(&mut self, manager: &Manager) {
        let is_scale = manager.subresource == "scale";
        self.time = (!is_scale).then(|| manager.time.clone());
    }

    pub(super) fn replace(&mut self, set: FieldSet) {
        if set != self.set {
            self.set = set;
            self.read_from = None;
        }
    }

    fn read(json: Value) -> Option<Self> {
        let Value::Object(mut json) = json else { return None };
        let mut text = |name: &str| match json.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        let owner = Owner {
            name: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
        };
        let (time, fields_type) = (text("time"), text("fieldsType"));
        if owner.api_version.is_empty() || fields_type != "FieldsV1" {
            return None;
        }
        let fields = match json.remove("fieldsV1") {
            None | Some(Value::Null) => json!({}),
            Some(fields) => fields,
        };
        let set = FieldSet::from_json(&fields).ok()?;
        Some(Self { owner, time: (!time.is_empty()).then_some(time), set, read_from: Some(fields) })
    }

    fn write(self) -> Value {
        let mut json = Map::new();
        let mut text = |name: &str, text: String| {
            if !text.is_empty() {
                json.insert(name.to_owned(), Value::String(text));
            }
        };
        text("manager", self.owner.name);
        text("operation", self.owner.operation.as_str().to_owned());
        text("apiVersion", self.owner.api_version);
        text("time", self.time.unwrap_or_default());
        text("fieldsType", "FieldsV1".to_owned());
        text("subresource", self.owner.subresource);
        let fields = self.read_from.unwrap_or_else(|| self.set.to_json());
        json.insert("fieldsV1".to_owned(), fields);
        Value::Object(json)
    }
}

/// The owners of an object's fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Managed {
    pub(super) entries: Vec<Entry>,
}

impl Managed {
    /// Reads `metadata.managedFields`; `None` when it is not valid.
    pub(super) fn read(json: Value) -> Option<Self> {
        let Value::Array(entries) = json else { return Some(Self::default()) };
        let entries: Option<Vec<Entry>> = entries.into_iter().map(Entry::read).collect();
        Some(Self { entries: entries? })
    }

    /// Takes `metadata.managedFields` out of an object. What cannot be read owns nothing.
    pub(super) fn take(object: &mut Value) -> Self {
        take_json(object).and_then(Self::read).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn remove(&mut self, owner: &Owner) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.owner.is(owner))?;
        Some(self.entries.swap_remove(at))
    }

    /// Takes fields away from everyone; who owns nothing afterwards is gone.
    pub(super) fn subtract(&mut self, fields: &FieldSet) {
        if !fields.is_empty() {
            for entry in &mut self.entries {
                entry.replace(entry.set.difference(fields));
            }
        }
        self.entries.retain(|entry| !entry.set.is_empty());
    }

    /// Merges the oldest Update entries of each version into one, so that the list stays short.
    pub(super) fn cap(&mut self) {
        let is_update = |entry: &Entry| entry.owner.operation == Operation::Update;
        let mut updates = self.entries.iter().filter(|entry| is_update(entry)).count();
        if updates <= MAX_UPDATE_ENTRIES {
            return;
        }
        self.sort();
        let (updated, mut kept): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.entries).into_iter().partition(is_update);
        // The first entry of a version is merged only when a second one is.
        let mut buckets: Vec<Entry> = Vec::new();
        for entry in updated {
            let bucket = buckets
                .iter_mut()
                .find(|bucket| bucket.owner.api_version == entry.owner.api_version);
            match bucket {
                _ if updates <= MAX_UPDATE_ENTRIES => kept.push(entry),
                None => buckets.push(entry),
                Some(bucket) => {
                    bucket.owner.name = ANCIENT_CHANGES.to_owned();
                    bucket.owner.subresource = String::new();
                    bucket.replace(bucket.set.union(&entry.set));
                    bucket.time = entry.time;
                    updates -= 1;
                }
            }
        }
        kept.extend(buckets);
        self.entries = kept;
    }

    fn sort(&mut self) {
        fn key(entry: &Entry) -> (Operation, Option<&str>, &str, &str, &str) {
            let Owner { name, operation, api_version, subresource } = &entry.owner;
            (*operation, entry.time.as_deref(), name, api_version, subresource)
        }
        self.entries.sort_by(|a, b| key(a).cmp(&key(b)));
    }

    /// Writes `metadata.managedFields` in the real server's order, or removes it.
    pub(super) fn put(mut self, object: &mut Value) {
        if self.entries.is_empty() {
            take_json(object);
            return;
        }
        self.sort();
        let entries = self.entries.into_iter().map(Entry::write).collect();
        object["metadata"]["managedFields"] = Value::Array(entries);
    }
}

/// More Update entries than this are merged: their fields are many and old ones tell little.
const MAX_UPDATE_ENTRIES: usize = 10;

/// The name under which old Update entries are merged.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// Takes `metadata.managedFields` out of an object as it is.
pub(super) fn take_json(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}
