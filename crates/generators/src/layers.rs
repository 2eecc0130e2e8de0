//! The parameters of an element in layers: one for each generator that gave some.
//!
//! A matrix of 1,000 clusters × 100 directories has 1,100 sets of parameters, not 100,000: its
//! elements share them. A layer hides nothing; a key that two generators give is joined when the
//! upper layer is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::parameters::{self, Conflict};

/// One element's parameters, shared with its neighbours.
#[derive(Debug, Clone, Default)]
pub struct Layers(Option<Arc<Layer>>);

#[derive(Debug)]
struct Layer {
    /// What stands here is the whole value of its key.
    own: Arc<Map<String, Value>>,
    outer: Layers,
}

impl Layers {
    /// The value of a key at the top.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut layers = self;
        while let Some(layer) = &layers.0 {
            if let Some(value) = layer.own.get(key) {
                return Some(value);
            }
            layers = &layer.outer;
        }
        None
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter_layers().all(|layer| layer.own.is_empty())
    }

    /// All of them as one map of its own.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        self.entries().into_iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// All of them, sorted by key.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<&String, &Value> {
        let mut entries = BTreeMap::new();
        for (key, value) in self.iter_layers().flat_map(|layer| &*layer.own) {
            entries.entry(key).or_insert(value);
        }
        entries
    }

    /// The only layer, when there is no more than one.
    pub(crate) fn single(&self) -> Option<&Arc<Map<String, Value>>> {
        let layer = self.0.as_deref()?;
        layer.outer.is_empty().then_some(&layer.own)
    }

    /// As [`Layers::with`], with all layers of another element.
    pub(crate) fn with_all(&self, other: &Self) -> Result<Self, Conflict> {
        let layers: Vec<_> = other.iter_layers().map(|layer| &layer.own).collect();
        layers.into_iter().rev().try_fold(self.clone(), |all, own| all.with(own))
    }

    /// Whether a key is in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let mut keys = other.iter_layers().flat_map(|layer| layer.own.keys());
        keys.any(|key| self.get(key).is_some())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter_layers().flat_map(|layer| layer.own.values())
    }

    /// With another generator's parameters. Maps that meet are joined; anything else that meets
    /// must be equal.
    pub(crate) fn with(&self, own: &Arc<Map<String, Value>>) -> Result<Self, Conflict> {
        if !self.is_empty() && own.keys().any(|key| self.get(key).is_some()) {
            return self.joined_with(own);
        }
        Ok(self.below(Arc::clone(own)))
    }

    fn joined_with(&self, own: &Map<String, Value>) -> Result<Self, Conflict> {
        let mut joined = Map::new();
        for (key, value) in own {
            let mut one = Map::new();
            if let Some(outer) = self.get(key) {
                one.insert(key.clone(), outer.clone());
            }
            parameters::merge(&mut one, Map::from_iter([(key.clone(), value.clone())]))?;
            joined.append(&mut one);
        }
        Ok(self.below(Arc::new(joined)))
    }

    fn below(&self, own: Arc<Map<String, Value>>) -> Self {
        let outer = if self.is_empty() { Self::default() } else { self.clone() };
        Self(Some(Arc::new(Layer { own, outer })))
    }

    /// From the innermost outwards.
    fn iter_layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::successors(self.0.as_deref(), |layer| layer.outer.0.as_deref())
    }
}

impl From<Map<String, Value>> for Layers {
    fn from(own: Map<String, Value>) -> Self {
        if own.is_empty() { Self::default() } else { Self::default().below(Arc::new(own)) }
    }
}

impl PartialEq for Layers {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Layer, &Layer)| Arc::ptr_eq(&a.own, &b.own) || a.own == b.own;
        let mut both = self.iter_layers().zip(other.iter_layers());
        let same_layers = self.iter_layers().count() == other.iter_layers().count();
        // Most comparisons are between what one generator gave twice.
        same_layers && both.all(same) || self.entries() == other.entries()
    }
}

impl Serialize for Layers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Arc<Map<String, Value>> {
        Arc::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn layers_are_the_map_that_joining_would_make() {
        let outer = Layers::from(Map::clone(&map(json!({"name": "eu", "values": {"a": 1}}))));
        let inner = outer.with(&map(json!({"path": {"path": "x"}, "name": "eu"}))).unwrap();
        let inner = inner.with(&map(json!({"values": {"b": 2}}))).unwrap();
        let joined = json!({"name": "eu", "path": {"path": "x"}, "values": {"a": 1, "b": 2}});
        assert_eq!(Value::Object(inner.to_map()), joined);
        assert_eq!(inner.get("values"), joined.get("values"));
        assert_eq!(inner.get("other"), None);
        assert_eq!(serde_json::to_value(&inner).unwrap(), joined);
        assert_eq!(Value::Object(outer.to_map()), json!({"name": "eu", "values": {"a": 1}}));
    }

    #[test]
    fn two_values_of_one_key_are_a_conflict() {
        let outer = Layers::from(Map::clone(&map(json!({"values": {"a": 1}}))));
        let conflict = outer.with(&map(json!({"b": 1, "values": {"a": 2}}))).unwrap_err();
        assert_eq!((conflict.key.as_str(), conflict.left.as_str()), ("values.a", "1"));
    }
}
