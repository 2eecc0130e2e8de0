//! Who is woken by which key. Wake-ups coalesce: a watcher learns that, never what, has changed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::{Key, Prefix, Revision};

/// Wakes its owner after changes. One value is held per watch, whatever happens, so a slow owner
/// costs nothing.
#[derive(Debug)]
pub struct Watch(watch::Receiver<Revision>);

impl Watch {
    /// Waits for a change since the last call, or since the watch was made. The revision is that of
    /// the newest change; none when the store was closed. Cancel-safe.
    pub async fn changed(&mut self) -> Option<Revision> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }
}

/// The watches of one store.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    by_prefix: HashMap<String, watch::Sender<Revision>>,
    /// At this size the abandoned ones are dropped; twice what was left the last time.
    sweep_at: usize,
}

impl Watchers {
    pub(super) fn subscribe(&self, prefix: &Prefix) -> Watch {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if registry.by_prefix.len() >= registry.sweep_at {
            registry.by_prefix.retain(|_, sender| sender.receiver_count() > 0);
            registry.sweep_at = (registry.by_prefix.len() * 2).max(64);
        }
        let sender = registry
            .by_prefix
            .entry(prefix.as_str().to_owned())
            .or_insert_with(|| watch::Sender::new(Revision::default()));
        Watch(sender.subscribe())
    }

    /// Call it when the change can be read.
    pub(super) fn notify<'a>(&self, keys: impl IntoIterator<Item = &'a Key>, revision: Revision) {
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if registry.by_prefix.is_empty() {
            return;
        }
        for key in keys {
            for prefix in prefixes(key.as_str()) {
                if let Some(sender) = registry.by_prefix.get(prefix) {
                    sender.send_replace(revision);
                }
            }
        }
    }

    /// Ends every watch.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_prefix.clear();
    }
}

/// Everything that covers a key: all, each path above it, the key itself.
fn prefixes(key: &str) -> impl Iterator<Item = &str> {
    let paths = key.match_indices('/').map(|(at, _)| &key[..=at]);
    [""].into_iter().chain(paths).chain([key])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_wakes_all_that_cover_it() {
        let found: Vec<_> = prefixes("a/b/c").collect();
        assert_eq!(found, ["", "a/", "a/b/", "a/b/c"]);
    }

    #[test]
    fn abandoned_watches_are_forgotten() {
        let watchers = Watchers::default();
        for index in 0..1_000 {
            watchers.subscribe(&Prefix::new([format!("session-{index}")]));
        }
        assert!(watchers.0.lock().unwrap().by_prefix.len() <= 64);
    }
}
