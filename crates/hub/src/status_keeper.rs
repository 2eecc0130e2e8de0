//! Keeps what was last known of each cluster over a restart of the hub (law L10).
//!
//! Written at most every 30 seconds, and only for clusters whose status changed: a status is a
//! view, and losing half a minute of it costs nothing, since every spoke reports again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::canonical::Digest;
use model::name::ClusterName;
use runtime::error::chain;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::status::{ClusterStatus, Reported, StatusBoard};
use crate::store::record::{self, Stored};
use crate::store::{Key, MAX_BLOB_BYTES, Prefix, Store, StoreError, Transaction};

const PERIOD: Duration = Duration::from_secs(30);

/// Names the blob that holds a cluster's status.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredStatus {
    blob: Digest,
}

impl Stored for StoredStatus {
    const TAG: &'static str = "status.v1";
}

#[derive(Debug, Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the status of {cluster} has {bytes} bytes, more than is kept")]
    TooLarge { cluster: ClusterName, bytes: usize },
}

/// Publishes what was kept. A status that cannot be read is left out: its spoke reports anew.
pub(crate) fn restore(store: &dyn Store, board: &StatusBoard) -> Result<(), StoreError> {
    for (key, stored) in record::list::<StoredStatus>(store, &prefix())? {
        let Ok(cluster) = ClusterName::new(&key.name()) else { continue };
        let Some(body) = store.blob(&stored.value.blob)? else { continue };
        match serde_json::from_slice::<(ClusterName, ClusterStatus)>(&body) {
            Ok((_, status)) => board.publish(&cluster, status),
            Err(error) => tracing::warn!(%cluster, %error, "a kept status is not readable"),
        }
    }
    Ok(())
}

/// Writes what changed until shutdown, and once more then.
pub(crate) async fn run(store: Arc<dyn Store>, board: StatusBoard, shutdown: CancellationToken) {
    let mut kept = BTreeMap::new();
    while !shutdown.is_cancelled() {
        // Cancel-safe: a sleep and a token lose nothing when dropped.
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = shutdown.cancelled() => {}
        }
        for (cluster, status) in board.all() {
            if kept.get(&cluster).is_some_and(|last| Arc::ptr_eq(last, &status)) {
                continue;
            }
            match keep(store.as_ref(), &cluster, &status).await {
                Ok(()) => drop(kept.insert(cluster, status)),
                Err(error) => tracing::warn!(reason = chain(&error), "a status was not kept"),
            }
        }
    }
}

async fn keep(
    store: &dyn Store,
    cluster: &ClusterName,
    status: &ClusterStatus,
) -> Result<(), KeepError> {
    // With the name, so that no two clusters ever share a blob.
    let body = serde_json::to_vec(&(cluster, summary(status)));
    let body = body.expect("a status is expressible in JSON");
    if body.len() > MAX_BLOB_BYTES {
        return Err(KeepError::TooLarge { cluster: cluster.clone(), bytes: body.len() });
    }
    let key = Key::new(["status", cluster.as_str()]);
    let before = record::get::<StoredStatus>(store, &key)?;
    let blob = store.put_blob(&body)?;
    if before.as_ref().is_some_and(|before| before.value.blob == blob) {
        return Ok(());
    }
    let after = StoredStatus { blob };
    store.transact(Transaction::new().replace(key, before.as_ref(), &after)).await?;
    if let Some(before) = before {
        store.remove_blob(&before.value.blob)?;
    }
    Ok(())
}

/// Without the single objects: they are many, and stale when they are read again.
fn summary(status: &ClusterStatus) -> ClusterStatus {
    let mut summary = status.clone();
    for reported in summary.applications.values_mut() {
        let mut short = Reported::clone(reported);
        short.status.resources.clear();
        *reported = Arc::new(short);
    }
    summary
}

fn prefix() -> Prefix {
    Prefix::new(["status"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use model::status::Timestamp;

    #[tokio::test]
    async fn what_was_known_is_known_again_but_not_as_live() {
        let store = MemoryStore::new();
        let cluster = ClusterName::new("eu-1").unwrap();
        let status = ClusterStatus {
            connected: true,
            last_seen: Some(Timestamp(7)),
            agent_version: "1".into(),
            ..ClusterStatus::default()
        };
        keep(&store, &cluster, &status).await.unwrap();
        keep(&store, &cluster, &ClusterStatus { hold: true, ..status }).await.unwrap();
        let board = StatusBoard::default();
        restore(&store, &board).unwrap();
        let restored = board.get(&cluster);
        assert!(restored.hold && !restored.connected);
        assert_eq!(restored.last_seen, Some(Timestamp(7)));
        assert_eq!(store.blobs().unwrap().len(), 1, "the older blob is gone");
    }
}
