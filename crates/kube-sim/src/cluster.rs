//! One simulated cluster: its state behind one lock, and the doors to it.
//!
//! The lock is a plain mutex held for one synchronous step, never over an await: a request or a due
//! controller step is microseconds, and a task per cluster would cost more than it saves when a
//! thousand clusters share a process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::clock::Clock;
use tokio::sync::Notify;

use crate::controllers::{Behaviour, Controllers};
use crate::schema::Registry;
use crate::store::Store;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub groups: Vec<String>,
}

impl User {
    /// Who may do everything.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            name: "kubernetes-admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
        }
    }

    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
        }
    }
}

/// How to make a cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// Uids and other random values follow from it: equal seeds and equal requests, equal objects.
    pub seed: u64,
    pub clock: Clock,
    /// How workloads behave, and after what delays.
    pub behaviour: Behaviour,
}

/// A simulated cluster. Clones are the same cluster.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told when a controller step became due earlier than before.
    work: Notify,
}

/// Everything that a request or a controller step may look at and change.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) controllers: Controllers,
    pub(crate) clock: Clock,
    /// The state of the generator of uids.
    pub(crate) random: u64,
}

/// The objects of a cluster at one moment, shared by every cluster that is made from it.
#[derive(Clone)]
pub struct Snapshot {
    store: Arc<Store>,
    registry: Registry,
}

impl Cluster {
    /// An empty cluster: the namespaces and roles that a new cluster has, and nothing else.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let _ = options;
        todo!()
    }

    /// A cluster that begins with the objects of a snapshot, and with a kube-system of its own uid.
    #[must_use]
    pub fn from_snapshot(options: Options, snapshot: &Snapshot) -> Self {
        let _ = (options, &snapshot.store, &snapshot.registry);
        todo!()
    }

    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot { store: Arc::new(state.store.fork()), registry: state.registry.clone() }
    }

    /// Runs the controller steps that are due now, and says in what time the next one is.
    pub fn tick(&self) -> Option<Duration> {
        self.state().tick()
    }

    /// Runs controller steps when they become due, for ever. Spawn it under a supervisor; a test
    /// with a manual clock calls [`Cluster::tick`] instead.
    pub async fn drive(self) {
        loop {
            let work = self.0.work.notified();
            match self.tick() {
                // Both are cancel-safe; a lost notification is found by the next tick.
                Some(wait) => {
                    tokio::select! { () = work => {}, () = tokio::time::sleep(wait) => {} }
                }
                None => work.await,
            }
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tick(&mut self) -> Option<Duration> {
        todo!()
    }
}
