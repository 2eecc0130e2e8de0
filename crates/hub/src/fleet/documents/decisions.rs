//! What `clusterDecisionResource` generators look at, from among the documents of others: ConfigMaps
//! that describe a kind of object, and the objects of such kinds that carry a status.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::argo::{self, Decisions};
use serde_json::Value;

/// The most objects with a status, and their size together: a decision lists clusters, and a fleet
/// has few decisions. Beyond that none is taken, so that their generators are held.
const MAX_OBJECTS: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Collector {
    config_maps: Vec<Value>,
    /// Whether they are decisions is known when all ConfigMaps are.
    objects: Vec<Value>,
    bytes: usize,
}

impl Collector {
    pub(super) fn consider(&mut self, index: usize, document: Value) {
        let describes = || {
            let keys = ["apiVersion", "kind"];
            keys.into_iter()
                .all(|key| document.get("data").and_then(|data| data.get(key)).is_some())
        };
        let is_config_map = document["apiVersion"] == "v1" && document["kind"] == "ConfigMap";
        let wanted = match is_config_map {
            true => describes(),
            false => document.get("status").is_some_and(Value::is_object),
        };
        if !wanted || self.is_full() {
            return;
        }
        // Whatever else is wrong with a document of others is for others to find.
        let Ok(document) = argo::decision_document(index, document) else { return };
        self.bytes += size(&document);
        if is_config_map { &mut self.config_maps } else { &mut self.objects }.push(document);
    }

    fn is_full(&self) -> bool {
        self.objects.len() + self.config_maps.len() >= MAX_OBJECTS || self.bytes > MAX_BYTES
    }

    /// The decisions, or why none is taken.
    pub(super) fn finish(self) -> (Decisions, Option<String>) {
        let full = self.is_full();
        let Self { config_maps, mut objects, .. } = self;
        let version = |map: &Value| map["data"]["apiVersion"].as_str().map(str::to_owned);
        let versions: BTreeSet<_> = config_maps.iter().filter_map(version).collect();
        if full && !config_maps.is_empty() {
            let message = format!(
                "more than {MAX_OBJECTS} objects with a status, or {MAX_BYTES} bytes of them; no \
                 clusterDecisionResource can be read: name a directory of their own"
            );
            return (Decisions::default(), Some(message));
        }
        objects.retain(|object| {
            object["apiVersion"].as_str().is_some_and(|version| versions.contains(version))
        });
        let objects = objects.into_iter().map(Arc::new).collect();
        (Decisions { objects, config_maps, unseen: Vec::new() }, None)
    }
}

/// About what a value takes in memory.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 32 + text.len(),
        Value::Array(items) => 32 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => {
            32 + map.iter().map(|(key, one)| key.len() + size(one)).sum::<usize>()
        }
        _ => 32,
    }
}
