//! Which sessions are open: one per cluster, the newest wins.
//!
//! Indexed by cluster, so that nothing is ever fanned out under a lock and a slow spoke slows
//! nobody else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::id::Term;
use model::name::ClusterName;
use proto::session::{Command, Parting};
use tokio::sync::{mpsc, watch};

/// Commands on their way into one session. People give them; a session takes them at once.
const COMMANDS: usize = 64;

/// A command with the id under which it is done only once.
pub(crate) type Numbered = (String, Command);

#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    last_term: u64,
    open: BTreeMap<ClusterName, Open>,
}

#[derive(Debug)]
struct Open {
    term: Term,
    commands: mpsc::Sender<Numbered>,
    /// Set once, with the reason for which the session must end.
    end: watch::Sender<Option<Parting>>,
}

/// What a session holds while it is open; closing it takes it off the registry.
#[derive(Debug)]
pub(crate) struct Ticket {
    registry: Registry,
    cluster: ClusterName,
    pub(crate) term: Term,
    pub(crate) commands: mpsc::Receiver<Numbered>,
    pub(crate) end: watch::Receiver<Option<Parting>>,
}

impl Registry {
    /// Opens a session with a new term. An older one of the same cluster is told to go.
    pub(crate) fn open(&self, cluster: &ClusterName) -> Ticket {
        let (commands_tx, commands) = mpsc::channel(COMMANDS);
        let (end_tx, end) = watch::channel(None);
        let mut inner = self.locked();
        inner.last_term += 1;
        let term = Term(inner.last_term);
        let open = Open { term, commands: commands_tx, end: end_tx };
        if let Some(older) = inner.open.insert(cluster.clone(), open) {
            older.end.send_replace(Some(Parting {
                code: "Superseded".into(),
                message: "another session of this cluster was opened".into(),
                // Two live processes with one identity would otherwise take turns every second.
                retry_after_ms: 15_000,
            }));
        }
        drop(inner);
        Ticket { registry: self.clone(), cluster: cluster.clone(), term, commands, end }
    }

    /// Hands a command to the session of a cluster. Returns whether there is one that took it.
    pub(crate) fn command(&self, cluster: &ClusterName, command: Numbered) -> bool {
        let inner = self.locked();
        inner.open.get(cluster).is_some_and(|open| open.commands.try_send(command).is_ok())
    }

    /// Ends the session of a cluster, when there is one.
    pub(crate) fn close(&self, cluster: &ClusterName, parting: Parting) {
        if let Some(open) = self.locked().open.get(cluster) {
            open.end.send_replace(Some(parting));
        }
    }

    /// The map is whole after every statement, so a panic elsewhere cannot have broken it.
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.registry.locked();
        // A late good-bye of an old session must not take its successor off.
        if inner.open.get(&self.cluster).is_some_and(|open| open.term == self.term) {
            inner.open.remove(&self.cluster);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_session_wins_and_survives_the_end_of_the_older() {
        let registry = Registry::default();
        let cluster = ClusterName::new("eu-1").unwrap();
        let older = registry.open(&cluster);
        let newer = registry.open(&cluster);
        assert!(newer.term > older.term);
        assert_eq!(older.end.borrow().as_ref().unwrap().code, "Superseded");
        drop(older);
        assert!(registry.command(&cluster, ("1".into(), Command::Refresh)));
        drop(newer);
        assert!(!registry.command(&cluster, ("2".into(), Command::Refresh)));
    }
}
