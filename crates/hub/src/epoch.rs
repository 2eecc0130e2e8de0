//! The epoch of this start of the hub (law L4): made with the store, counted at each start.

use model::id::Epoch;
use serde::{Deserialize, Serialize};

use crate::store::record::{self, Stored};
use crate::store::{Key, Store, StoreError, Transaction};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEpoch {
    id: u64,
    counter: u64,
}

impl Stored for StoredEpoch {
    const TAG: &'static str = "epoch.v1";
}

/// Begins the next epoch. Durable when it returns, so that no two starts ever speak in one.
pub async fn begin(store: &dyn Store) -> Result<Epoch, StoreError> {
    let key = Key::new(["epoch"]);
    let read = record::get::<StoredEpoch>(store, &key)?;
    let next = match &read {
        Some(last) => StoredEpoch { id: last.value.id, counter: last.value.counter + 1 },
        None => StoredEpoch { id: rand::random(), counter: 1 },
    };
    let epoch = Epoch { id: next.id, counter: next.counter };
    store.transact(Transaction::new().replace(key, read.as_ref(), &next)).await?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_start_continues_its_store_and_no_other() {
        let store = MemoryStore::default();
        let first = begin(&store).await.unwrap();
        let second = begin(&store).await.unwrap();
        assert!(second.continues(first) && !first.continues(second));
        let other = begin(&MemoryStore::default()).await.unwrap();
        assert!(!other.continues(second));
    }
}
