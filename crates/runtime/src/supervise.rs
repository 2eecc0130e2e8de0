//! Tasks with a name, a span and someone who waits for them. The only place that spawns.
//!
//! A [`Supervisor`] is a cheap handle on one set of tasks under one shutdown token. A panic in a
//! task is logged and counted, never lost; an essential task that ends early takes the token (and
//! so the process) down with a reason. It must not know what the tasks do.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use thiserror::Error;
use tokio::task::{AbortHandle, JoinError};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How long `join` waits for aborted tasks to be dropped. An abort takes effect at the next await,
/// so a task still there after this time is stuck in synchronous code.
const ABORT_GRACE: Duration = Duration::from_millis(500);

type Name = Cow<'static, str>;

/// A set of tasks that end with one token.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    shutdown: CancellationToken,
    tracker: TaskTracker,
    panics: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    /// The abort handle is set right after the task was spawned, so it may be missing for a moment.
    running: BTreeMap<u64, (Name, Option<AbortHandle>)>,
    failure: Option<String>,
}

/// How a task's future ended.
enum End {
    Returned,
    Panicked(String),
}

impl Supervisor {
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            shutdown,
            tracker: TaskTracker::new(),
            panics: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// Cancelled when everything must stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }

    /// Runs a task that may end at any time; its panic is logged and counted.
    pub fn spawn(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        self.start(name.into(), future, false)
    }

    /// Runs a task without which the process has no purpose: when it ends or panics before the
    /// shutdown, the token is cancelled and the reason kept for [`Supervisor::failure`].
    pub fn spawn_essential(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        self.start(name.into(), future, true)
    }

    /// Why the first essential task ended before its time.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.state().failure.clone()
    }

    /// How many tasks have panicked since the start.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// The names of the tasks that run now.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.0.state().running.values().map(|(name, _)| name.to_string()).collect()
    }

    /// Cancels the token, gives the tasks `grace` to end, aborts the others and names them.
    pub async fn join(self, grace: Duration) -> Vec<String> {
        self.0.shutdown.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(grace, self.0.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let abandoned = self.0.abort_all();
        if tokio::time::timeout(ABORT_GRACE, self.0.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = ?self.running(), "tasks do not yield and were left behind");
        }
        abandoned
    }

    fn start(
        &self,
        name: Name,
        future: impl Future<Output = ()> + Send + 'static,
        essential: bool,
    ) -> TaskHandle {
        let id = self.0.register(name.clone());
        let inner = Arc::clone(&self.0);
        let task_name = name.clone();
        let span = tracing::info_span!("task", name = %name);
        let done = CancellationToken::new();
        let registration =
            Registration { inner: Arc::clone(&self.0), id, _done: done.clone().drop_guard() };
        let task = async move {
            let end = catch(future).await;
            inner.ended(&task_name, end, essential);
            drop(registration);
        };
        let abort = spawn(self.0.tracker.track_future(task.instrument(span)));
        if let Some((_, handle)) = self.0.state().running.get_mut(&id) {
            *handle = Some(abort.clone());
        }
        TaskHandle { name, abort, done }
    }
}

impl Inner {
    /// A poisoned lock still holds a valid list: nothing panics between its changes.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, name: Name) -> u64 {
        let mut state = self.state();
        state.next_id += 1;
        let id = state.next_id;
        state.running.insert(id, (name, None));
        id
    }

    fn ended(&self, name: &str, end: End, essential: bool) {
        if let End::Panicked(message) = &end {
            self.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(task = name, panic = %message, "a task panicked");
        }
        if !essential || self.shutdown.is_cancelled() {
            return;
        }
        let reason = match end {
            End::Returned => format!("the task {name} ended before the shutdown"),
            End::Panicked(message) => format!("the task {name} panicked: {message}"),
        };
        tracing::error!(task = name, %reason, "an essential task is gone: shutting down");
        self.state().failure.get_or_insert(reason);
        self.shutdown.cancel();
    }

    fn abort_all(&self) -> Vec<String> {
        // The lock is free again before the first abort: dropping a task takes it.
        let running: Vec<_> = self.state().running.values().cloned().collect();
        for (_, abort) in &running {
            if let Some(abort) = abort {
                abort.abort();
            }
        }
        running.into_iter().map(|(name, _)| name.into_owned()).collect()
    }
}

/// Takes the task off the list when its future is dropped, also after an abort.
struct Registration {
    inner: Arc<Inner>,
    id: u64,
    /// Dropped after `drop` has run: who waits for the end finds the list up to date.
    _done: DropGuard,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.inner.state().running.remove(&self.id);
    }
}

/// One spawned task. Dropping the handle leaves the task running.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    name: Name,
    abort: AbortHandle,
    done: CancellationToken,
}

impl TaskHandle {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the task at its next await. Prefer a token of its own where it has state to finish.
    pub fn abort(&self) {
        self.abort.abort();
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.abort.is_finished()
    }

    /// Waits until the task has returned, panicked or was aborted.
    pub async fn finished(&self) {
        self.done.cancelled().await;
    }
}

async fn catch(future: impl Future<Output = ()>) -> End {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(()) => End::Returned,
        Err(payload) => End::Panicked(panic_message(payload.as_ref())),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(future).abort_handle()
}

/// For plumbing of this crate that lives as long as the process.
pub(crate) fn detached(name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    spawn(future.instrument(tracing::info_span!("task", name)));
}

/// Work on the blocking pool that gave no result.
#[derive(Debug, Error)]
pub enum BlockingError {
    #[error("the work {name} panicked: {message}")]
    Panicked { name: String, message: String },
    #[error("the work {name} was cancelled because the process is shutting down")]
    Cancelled { name: String },
}

/// Runs synchronous work that blocks (Git, files, processes) on tokio's blocking pool. It cannot
/// be aborted: pass the work a flag when it may take long.
pub async fn blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    let span = tracing::info_span!("blocking", name);
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .map_err(|error| blocking_error(name, error))
}

fn blocking_error(name: &str, error: JoinError) -> BlockingError {
    let name = name.to_owned();
    match error.try_into_panic() {
        Ok(payload) => BlockingError::Panicked { name, message: panic_message(payload.as_ref()) },
        Err(_cancelled) => BlockingError::Cancelled { name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(CancellationToken::new())
    }

    #[tokio::test]
    async fn a_panic_is_counted_and_stops_nobody() {
        let supervisor = supervisor();
        let task = supervisor.spawn("bad", async { panic!("boom") });
        task.finished().await;
        assert_eq!((supervisor.panics(), supervisor.failure()), (1, None));
        assert!(!supervisor.token().is_cancelled());
        assert_eq!(supervisor.running(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_essential_task_that_ends_takes_the_token_down_with_a_reason() {
        let supervisor = supervisor();
        supervisor.spawn_essential("loop", async {});
        supervisor.token().cancelled().await;
        let expected = "the task loop ended before the shutdown";
        assert_eq!(supervisor.failure().as_deref(), Some(expected));
    }

    #[tokio::test]
    async fn an_essential_panic_is_the_reason_and_the_first_reason_stays() {
        let supervisor = supervisor();
        let token = supervisor.token();
        supervisor.spawn_essential("loop", async { panic!("boom {}", 7) });
        token.cancelled().await;
        let late = supervisor.spawn_essential("late", async {});
        late.finished().await;
        assert_eq!(supervisor.failure().as_deref(), Some("the task loop panicked: boom 7"));
    }

    #[tokio::test]
    async fn an_end_after_the_shutdown_is_no_failure() {
        let supervisor = supervisor();
        let token = supervisor.token();
        supervisor.spawn_essential("loop", async move { token.cancelled().await });
        assert_eq!(supervisor.clone().join(Duration::from_secs(5)).await, Vec::<String>::new());
        assert_eq!(supervisor.failure(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn join_names_what_it_abandons_and_drops_it() {
        let supervisor = supervisor();
        let token = supervisor.token();
        supervisor.spawn("good", async move { token.cancelled().await });
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        supervisor.spawn("stubborn", async move {
            std::future::pending::<()>().await;
            drop(inside);
        });
        let abandoned = supervisor.clone().join(Duration::from_secs(1)).await;
        assert_eq!(abandoned, ["stubborn"]);
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(supervisor.running(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_aborted_task_is_finished_and_off_the_list() {
        let supervisor = supervisor();
        let task = supervisor.spawn("waiting", std::future::pending());
        assert_eq!((task.name(), supervisor.running()), ("waiting", vec!["waiting".to_owned()]));
        task.abort();
        task.finished().await;
        assert_eq!(supervisor.running(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn blocking_work_gives_its_result_or_its_panic() {
        assert_eq!(blocking("sum", || 1 + 1).await.unwrap(), 2);
        let error = blocking("bad", || -> u8 { panic!("boom") }).await.unwrap_err();
        assert_eq!(error.to_string(), "the work bad panicked: boom");
    }
}
