//! Commands that wait for a spoke: stored until it says that they are done, each done once.

use std::sync::Arc;

use model::id::Epoch;
use model::name::{ApplicationName, ClusterName};
use proto::session::Command;
use serde::{Deserialize, Serialize};

use crate::store::record::{self, Stored};
use crate::store::{Key, Prefix, Store, StoreError, Transaction};

/// The most commands that wait for one cluster. People give them one at a time; a cluster that is
/// away for a month must not pile up more.
const MAX_PENDING: usize = 1_000;

/// The commands of all clusters.
#[derive(Clone)]
pub struct CommandQueue(Arc<dyn Store>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum StoredCommand {
    Sync { application: ApplicationName },
    ApprovePrune { application: ApplicationName },
    ConfirmRemovals { epoch: Epoch },
    Refresh {},
}

impl Stored for StoredCommand {
    const TAG: &'static str = "command.v1";
}

impl From<&Command> for StoredCommand {
    fn from(command: &Command) -> Self {
        match command.clone() {
            Command::Sync { application } => Self::Sync { application },
            Command::ApprovePrune { application } => Self::ApprovePrune { application },
            Command::ConfirmRemovals { epoch } => Self::ConfirmRemovals { epoch },
            Command::Refresh => Self::Refresh {},
        }
    }
}

impl From<StoredCommand> for Command {
    fn from(command: StoredCommand) -> Self {
        match command {
            StoredCommand::Sync { application } => Self::Sync { application },
            StoredCommand::ApprovePrune { application } => Self::ApprovePrune { application },
            StoredCommand::ConfirmRemovals { epoch } => Self::ConfirmRemovals { epoch },
            StoredCommand::Refresh {} => Self::Refresh,
        }
    }
}

impl CommandQueue {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// What waits for a cluster, oldest first.
    pub fn pending(&self, cluster: &ClusterName) -> Result<Vec<(String, Command)>, StoreError> {
        let stored = record::list::<StoredCommand>(self.0.as_ref(), &prefix(cluster))?;
        let pending = stored.into_iter().take(MAX_PENDING);
        Ok(pending.map(|(key, command)| (key.name(), command.value.into())).collect())
    }

    /// Stores a command and returns its id. The ids of one cluster sort by age.
    pub async fn push(
        &self,
        cluster: &ClusterName,
        command: &Command,
    ) -> Result<String, StoreError> {
        // The store's revision grows for ever; the random part keeps two of one moment apart.
        let id = format!("{:020}-{:08x}", self.0.state().revision.0, rand::random::<u32>());
        let write = record::put(key(cluster, &id), &StoredCommand::from(command));
        self.0.transact(Transaction::new().write(write)).await?;
        Ok(id)
    }

    /// The spoke has done it.
    pub async fn done(&self, cluster: &ClusterName, id: &str) -> Result<(), StoreError> {
        self.0.transact(Transaction::new().delete(key(cluster, id))).await.map(drop)
    }
}

fn prefix(cluster: &ClusterName) -> Prefix {
    Prefix::new(["command", cluster.as_str()])
}

fn key(cluster: &ClusterName, id: &str) -> Key {
    Key::new(["command", cluster.as_str(), id])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_command_waits_until_it_is_done() {
        let queue = CommandQueue::new(Arc::new(MemoryStore::default()));
        let cluster = ClusterName::new("eu-1").unwrap();
        let epoch = Epoch { id: 1, counter: 2 };
        let first = queue.push(&cluster, &Command::Refresh).await.unwrap();
        let second = queue.push(&cluster, &Command::ConfirmRemovals { epoch }).await.unwrap();
        let pending = queue.pending(&cluster).unwrap();
        assert_eq!(
            pending,
            [
                (first.clone(), Command::Refresh),
                (second.clone(), Command::ConfirmRemovals { epoch })
            ]
        );
        queue.done(&cluster, &first).await.unwrap();
        assert_eq!(queue.pending(&cluster).unwrap().len(), 1);
        let other = ClusterName::new("eu-2").unwrap();
        assert!(queue.pending(&other).unwrap().is_empty());
    }
}
