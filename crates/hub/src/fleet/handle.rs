//! How others speak to the fleet's owner task.

use std::sync::Arc;

use model::canonical::Digest;
use model::id::CommitId;
use model::name::{ApplicationName, ClusterName};
use model::problem::Problem;
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::snapshot::{FleetSnapshot, Shared};
use super::stored::FleetStoreError;

/// Commands that wait for the owner. It takes them between passes of about a second at the most;
/// who finds the queue full waits.
pub(super) const COMMANDS: usize = 64;

/// Why something that was asked for was not done.
#[derive(Debug, Clone, Error)]
pub enum FleetError {
    #[error(transparent)]
    Store(#[from] FleetStoreError),
    /// What was asked for is not possible; trying again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// It was understood and could not be put in force.
    #[error("the fleet stays as it is: {0}")]
    Failed(String),
    #[error("the hub is shutting down")]
    Stopped,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOutcome {
    pub kind: String,
    pub name: String,
    /// `created`, `configured`, `unchanged` or `refused`.
    pub outcome: String,
    pub message: String,
}

/// What is in force after a look at all of Git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshOutcome {
    pub commit: Option<CommitId>,
    pub problems: Vec<Problem>,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, FleetError>>;

/// Who asks, and why.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) actor: String,
    pub(super) reason: String,
}

pub(super) enum Command {
    Apply {
        documents: Vec<u8>,
        by: Person,
        reply: Reply<Vec<ApplyOutcome>>,
    },
    Delete {
        kind: String,
        name: String,
        by: Person,
        reply: Reply<String>,
    },
    Pause {
        application: ApplicationName,
        by: Person,
        reply: Reply<()>,
    },
    Resume {
        application: ApplicationName,
        by: Person,
        reply: Reply<()>,
    },
    Approve {
        name: String,
        plan: String,
        by: Person,
        reply: Reply<()>,
    },
    Refresh {
        reply: Reply<RefreshOutcome>,
    },
    Removed {
        cluster: ClusterName,
        name: ApplicationName,
        version: Digest,
        counts: (u32, u32),
        reply: Reply<()>,
    },
}

/// The way to the owner task; clones lead to the same.
#[derive(Clone)]
pub struct FleetHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) clusters: Arc<Notify>,
    pub(super) snapshot: watch::Receiver<Shared>,
}

impl FleetHandle {
    /// Stores resources; each document succeeds or fails by itself. They are stored when it
    /// returns, and take effect soon after.
    pub async fn apply(
        &self,
        documents: Vec<u8>,
        actor: String,
        reason: String,
    ) -> Result<Vec<ApplyOutcome>, FleetError> {
        let by = Person { actor, reason };
        self.ask(|reply| Command::Apply { documents, by, reply }).await
    }

    /// Takes a stored resource away, and says what follows from it.
    pub async fn delete(
        &self,
        kind: String,
        name: String,
        actor: String,
        reason: String,
    ) -> Result<String, FleetError> {
        let by = Person { actor, reason };
        self.ask(|reply| Command::Delete { kind, name, by, reply }).await
    }

    /// Looks at all of Git now and returns when what follows from it is in force.
    pub async fn refresh(&self) -> Result<RefreshOutcome, FleetError> {
        self.ask(|reply| Command::Refresh { reply }).await
    }

    /// Its spoke reports and changes nothing until it is resumed.
    pub async fn pause(
        &self,
        application: ApplicationName,
        actor: String,
        reason: String,
    ) -> Result<(), FleetError> {
        let by = Person { actor, reason };
        self.ask(|reply| Command::Pause { application, by, reply }).await
    }

    pub async fn resume(
        &self,
        application: ApplicationName,
        actor: String,
        reason: String,
    ) -> Result<(), FleetError> {
        let by = Person { actor, reason };
        self.ask(|reply| Command::Resume { application, by, reply }).await
    }

    /// Lets the parked removals of a set go, when they are still exactly those of `plan`.
    pub async fn approve_set(
        &self,
        set: String,
        plan: String,
        actor: String,
        reason: String,
    ) -> Result<(), FleetError> {
        let by = Person { actor, reason };
        self.ask(|reply| Command::Approve { name: set, plan, by, reply }).await
    }

    /// A spoke has carried a tombstone out. One that is no longer in force is ignored. A failure is
    /// logged; the spoke says it again when it connects.
    pub async fn tombstone_done(
        &self,
        cluster: ClusterName,
        name: ApplicationName,
        version: Digest,
        pruned: u32,
        orphaned: u32,
    ) {
        let counts = (pruned, orphaned);
        let subject = (cluster.clone(), name.clone());
        let done =
            self.ask(|reply| Command::Removed { cluster, name, version, counts, reply }).await;
        if let Err(error) = done {
            let (cluster, name) = subject;
            tracing::warn!(%cluster, %name, %error, "a removal could not be noted");
        }
    }

    /// Clusters joined, left or were labelled: they are read again.
    pub fn clusters_changed(&self) {
        self.clusters.notify_one();
    }

    /// The fleet as it is in force, and its changes.
    #[must_use]
    pub fn snapshot(&self) -> watch::Receiver<Arc<FleetSnapshot>> {
        self.snapshot.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, FleetError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| FleetError::Stopped)?;
        answer.await.map_err(|_| FleetError::Stopped)?
    }
}
