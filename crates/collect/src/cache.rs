//! Things by key, with a bound: what was not used for longest goes first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Cache<K, V> {
    most: usize,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    weight: usize,
    /// Counts uses; an entry's number says when it was used last.
    tick: u64,
}

struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Holds entries of `most` weight together.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { entries: HashMap::new(), weight: 0, tick: 0 }) }
    }

    pub(crate) fn get_or_insert(&self, key: &K, weight: usize, make: impl FnOnce() -> V) -> V {
        let mut state = self.lock();
        state.tick += 1;
        let tick = state.tick;
        if let Some(entry) = state.entries.get_mut(key) {
            entry.used = tick;
            return entry.value.clone();
        }
        let value = make();
        state.entries.insert(key.clone(), Entry { value: value.clone(), weight, used: tick });
        state.weight += weight;
        state.shrink(self.most, tick);
        value
    }

    /// An entry weighs something else now.
    pub(crate) fn weigh(&self, key: &K, weight: usize) {
        let mut state = self.lock();
        let tick = state.tick;
        if let Some(entry) = state.entries.get_mut(key) {
            let before = std::mem::replace(&mut entry.weight, weight);
            state.weight = state.weight - before + weight;
        }
        state.shrink(self.most, tick);
    }

    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.entries.clear();
        state.weight = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone, V> State<K, V> {
    /// Drops the least used entries until a tenth of the room is free, so that this is rare; never
    /// the one that is in use now.
    fn shrink(&mut self, most: usize, now: u64) {
        if self.weight <= most {
            return;
        }
        let mut by_use: Vec<_> =
            self.entries.iter().map(|(key, entry)| (entry.used, key.clone())).collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        for (used, key) in by_use {
            if self.weight <= most - most / 10 || used == now {
                return;
            }
            if let Some(entry) = self.entries.remove(&key) {
                self.weight -= entry.weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_goes_first_and_the_current_one_stays() {
        let cache = Cache::new(30);
        for key in ["a", "b", "c"] {
            assert_eq!(cache.get_or_insert(&key, 10, || key.to_owned()), key);
        }
        cache.get_or_insert(&"a", 10, || unreachable!());
        cache.get_or_insert(&"d", 10, || "d".to_owned());
        let kept = |key| cache.lock().entries.contains_key(key);
        assert!(kept(&"a") && kept(&"d") && !kept(&"b"));
        cache.weigh(&"d", 1_000);
        assert!(kept(&"d") && !kept(&"a"));
        assert_eq!(cache.lock().weight, 1_000);
    }
}
