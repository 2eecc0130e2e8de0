//! Where each cluster's desired state is published. Only clusters whose state changed are woken.
//!
//! The fleet's owner task publishes; sessions subscribe. Nothing is decided here, and the lock is
//! held for a look at a map, never over an await.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::canonical::Digest;
use model::desired::{Tombstone, VersionedApplication, root_digest};
use model::name::{ApplicationName, ClusterName};
use tokio::sync::watch;

/// What one cluster should run, and what it is told to remove. No name is in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDesired {
    pub applications: BTreeMap<ApplicationName, VersionedApplication>,
    pub tombstones: BTreeMap<ApplicationName, Tombstone>,
    /// Over the applications alone, as the spoke computes it.
    pub root: Digest,
}

impl ClusterDesired {
    #[must_use]
    pub fn new(
        applications: BTreeMap<ApplicationName, VersionedApplication>,
        tombstones: BTreeMap<ApplicationName, Tombstone>,
    ) -> Self {
        let versions: BTreeMap<_, _> =
            applications.iter().map(|(name, one)| (name, one.version())).collect();
        let root = root_digest(versions.iter().map(|(name, version)| (*name, version)));
        Self { applications, tombstones, root }
    }
}

impl Default for ClusterDesired {
    fn default() -> Self {
        Self::new(BTreeMap::new(), BTreeMap::new())
    }
}

type Channels = BTreeMap<ClusterName, watch::Sender<Arc<ClusterDesired>>>;

/// Desired states by cluster; clones share them.
#[derive(Debug, Clone, Default)]
pub struct DesiredBoard(Arc<Mutex<Channels>>);

impl DesiredBoard {
    /// The desired state of a cluster and its changes. A cluster that nothing is wanted of, or that
    /// nobody knows, has an empty one.
    #[must_use]
    pub fn subscribe(&self, cluster: &ClusterName) -> watch::Receiver<Arc<ClusterDesired>> {
        channel(&mut self.locked(), cluster).subscribe()
    }

    #[must_use]
    pub fn get(&self, cluster: &ClusterName) -> Arc<ClusterDesired> {
        let found = self.locked().get(cluster).map(|sender| Arc::clone(&sender.borrow()));
        found.unwrap_or_default()
    }

    /// Wakes the subscribers of this cluster when the state is another one. Call it only with what
    /// has been stored.
    pub(super) fn publish(&self, cluster: &ClusterName, desired: ClusterDesired) {
        let mut channels = self.locked();
        channel(&mut channels, cluster).send_if_modified(|current| {
            let changed = **current != desired;
            if changed {
                *current = Arc::new(desired);
            }
            changed
        });
    }

    /// The map holds only senders, so a panic elsewhere cannot leave it half changed.
    fn locked(&self) -> MutexGuard<'_, Channels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn channel<'a>(
    channels: &'a mut Channels,
    cluster: &ClusterName,
) -> &'a watch::Sender<Arc<ClusterDesired>> {
    let empty = || watch::Sender::new(Arc::default());
    channels.entry(cluster.clone()).or_insert_with(empty)
}
