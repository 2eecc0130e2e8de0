//! One simulated cluster: its state behind one lock, and the doors to it.
//!
//! The lock is a plain mutex held for one synchronous step, never over an await: a request or a due
//! controller step is microseconds, and a task per cluster would cost more than it saves when a
//! thousand clusters share a process.

mod bootstrap;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use runtime::clock::Clock;
use tokio::sync::{Notify, watch};

use crate::api;
use crate::api::Body;
use crate::api::faults::{Fault, Rule, Rules};
use crate::controllers::{Behaviour, Controllers, run_due};
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
    /// Changed when all open watches are to end.
    cut: watch::Sender<u64>,
    open_watches: Arc<AtomicUsize>,
}

/// Everything that a request or a controller step may look at and change.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) controllers: Controllers,
    pub(crate) clock: Clock,
    /// The state of the generator of uids.
    pub(crate) random: u64,
    requests: BTreeMap<&'static str, u64>,
    faults: Rules,
}

/// The objects of a cluster at one moment, shared by every cluster that is made from it.
#[derive(Clone)]
pub struct Snapshot {
    store: Arc<Store>,
    registry: Registry,
}

/// What a cluster has done and holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// By verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub requests: BTreeMap<&'static str, u64>,
    pub open_watches: usize,
    pub objects: usize,
    /// Of the objects' JSON; what they share with a snapshot counts too.
    pub bytes: usize,
    pub revision: u64,
}

impl Cluster {
    /// An empty cluster: the namespaces and roles that a new cluster has, and nothing else.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let cluster = Self::with(options, Store::default(), Registry::builtin());
        bootstrap::fill(&mut cluster.state());
        cluster
    }

    /// A cluster that begins with the objects of a snapshot, and with a kube-system of its own uid.
    #[must_use]
    pub fn from_snapshot(options: Options, snapshot: &Snapshot) -> Self {
        let cluster = Self::with(options, snapshot.store.fork(), snapshot.registry.clone());
        let mut state = cluster.state();
        bootstrap::make_own(&mut state);
        let now = state.clock.now();
        let State { controllers, store, .. } = &mut *state;
        controllers.adopt(store, now);
        drop(state);
        cluster
    }

    fn with(options: Options, store: Store, registry: Registry) -> Self {
        let Options { seed, clock, behaviour } = options;
        let state = State {
            store,
            registry,
            controllers: Controllers::new(behaviour),
            clock,
            random: seed,
            requests: BTreeMap::new(),
            faults: Rules::default(),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            work: Notify::new(),
            cut: watch::Sender::new(0),
            open_watches: Arc::default(),
        }))
    }

    /// Its objects now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot { store: Arc::new(state.store.fork()), registry: state.registry.clone() }
    }

    /// The API as `user`, for `kube::Client::new` or a server.
    #[must_use]
    pub fn service(&self, user: User) -> Service {
        Service { cluster: self.clone(), user }
    }

    /// Whose token of a service account this is.
    #[must_use]
    pub fn authenticate(&self, token: &str) -> Option<User> {
        api::authenticate(&self.state(), token)
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.state();
        let (objects, bytes) = state.store.size();
        Stats {
            requests: state.requests.clone(),
            open_watches: self.0.open_watches.load(Ordering::Relaxed),
            objects,
            bytes,
            revision: state.store.revision(),
        }
    }

    /// Makes the requests that a rule names go wrong.
    pub fn inject(&self, rule: Rule) {
        self.state().faults.add(rule);
    }

    /// Forgets all rules that were injected.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Ends all open watches, as a proxy or a restart of the server does.
    pub fn cut_watches(&self) {
        self.0.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Forgets the past, as a compaction of the real store does: watches and pages from before get
    /// 410.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Looks at the objects past every API, as of one moment. For tests and simulators.
    pub fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.state().store)
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

    /// Wakes [`Cluster::drive`]: a step is due sooner than it knows.
    pub(crate) fn wake(&self) {
        self.0.work.notify_one();
    }

    /// Counts a request, and says what is to go wrong with it.
    pub(crate) fn count(&self, verb: &'static str, resource: &str) -> Option<Fault> {
        let mut state = self.state();
        *state.requests.entry(verb).or_default() += 1;
        state.faults.hit(verb, resource)
    }

    /// The name of the request that was counted last: its number, so that nothing random is used up.
    pub(crate) fn audit_id(&self) -> String {
        let number: u64 = self.state().requests.values().sum();
        format!("00000000-0000-4000-8000-{number:012x}")
    }

    pub(crate) fn cuts(&self) -> watch::Receiver<u64> {
        self.0.cut.subscribe()
    }

    pub(crate) fn open_watch(&self) -> OpenWatch {
        self.0.open_watches.fetch_add(1, Ordering::Relaxed);
        OpenWatch(Arc::clone(&self.0.open_watches))
    }
}

/// Counted as open until it is dropped.
pub(crate) struct OpenWatch(Arc<AtomicUsize>);

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    fn tick(&mut self) -> Option<Duration> {
        run_due(self);
        let now = self.clock.now();
        self.controllers.next_due().map(|due| due.saturating_sub(now))
    }
}

/// A cluster's API as one user, for `tower` and hyper.
#[derive(Clone)]
pub struct Service {
    cluster: Cluster,
    user: User,
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { cluster, user } = self.clone();
        Box::pin(async move { Ok(api::handle(cluster, user, request).await) })
    }
}
