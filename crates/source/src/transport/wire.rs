//! Waiting with limits: idle time, total time, bytes and an interrupt, for one connection.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// How long an interrupt may go unnoticed while nothing arrives.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

/// Why a connection gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    #[error("{detail}")]
    Unreachable { detail: String },
    #[error("{detail}")]
    Untrusted { detail: String },
    #[error("{detail}")]
    Refused { detail: String },
    #[error("{detail}")]
    NoRepository { detail: String },
    #[error("the answer is {content_type}")]
    NotGit { content_type: String },
    #[error("redirected to {to}")]
    Redirect { to: String },
    #[error("{detail}")]
    Cut { detail: String },
    #[error("more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("{program}: {detail}")]
    Program { program: &'static str, detail: String },
    #[error("interrupted")]
    Interrupted,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct WireLimits {
    /// The longest silence.
    pub(crate) idle: Duration,
    /// The longest connection.
    pub(crate) total: Duration,
    pub(crate) bytes: u64,
}

/// The waiting side of one connection. Shared by its reader and its writer.
pub(crate) struct Wire {
    /// Taken when dropped, so that a name lookup that hangs does not hold up the caller.
    runtime: Option<Runtime>,
    limits: WireLimits,
    deadline: Instant,
    interrupt: Arc<AtomicBool>,
    received: AtomicU64,
    failure: Mutex<Option<Failure>>,
}

impl Wire {
    pub(crate) fn new(
        limits: WireLimits,
        interrupt: Arc<AtomicBool>,
    ) -> Result<Arc<Self>, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Unreachable { detail: error.to_string() })?;
        Ok(Arc::new(Self {
            runtime: Some(runtime),
            limits,
            deadline: Instant::now() + limits.total,
            interrupt,
            received: AtomicU64::new(0),
            failure: Mutex::new(None),
        }))
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the runtime is taken only by drop")
    }

    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime().enter()
    }

    pub(crate) fn interrupt(&self) -> &AtomicBool {
        &self.interrupt
    }

    /// What went wrong first; later errors are only its consequences.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a failure and makes an I/O error of it, for gix to carry.
    pub(crate) fn fail(&self, failure: Failure) -> io::Error {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| failure.clone());
        io::Error::other(failure)
    }

    /// Runs a future until it is done, the peer was silent for too long, or someone interrupts.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        self.runtime().block_on(async {
            let mut future = pin!(future);
            let idle_until = Instant::now() + self.limits.idle;
            let until = idle_until.min(self.deadline);
            loop {
                if self.interrupt.load(Ordering::Relaxed) {
                    return Err(Failure::Interrupted);
                }
                let tick = until.min(Instant::now() + INTERRUPT_POLL);
                // The future stays pinned over the rounds, so nothing of it is lost.
                match tokio::time::timeout_at(tick, &mut future).await {
                    Ok(value) => return Ok(value),
                    Err(_tick) if Instant::now() >= until => return Err(self.timeout(idle_until)),
                    Err(_tick) => {}
                }
            }
        })
    }

    fn timeout(&self, idle_until: Instant) -> Failure {
        let detail = if idle_until <= self.deadline {
            format!("nothing arrived for {} s", self.limits.idle.as_secs())
        } else {
            format!("it was not done after {} s", self.limits.total.as_secs())
        };
        Failure::Unreachable { detail }
    }

    /// Counts what has arrived against the limit.
    pub(crate) fn received(&self, bytes: usize) -> Result<(), Failure> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.received.fetch_add(bytes, Ordering::Relaxed);
        let limit = self.limits.bytes;
        if before.saturating_add(bytes) > limit { Err(Failure::TooLarge { limit }) } else { Ok(()) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(idle_ms: u64, total_ms: u64) -> (Arc<Wire>, Arc<AtomicBool>) {
        let interrupt = Arc::new(AtomicBool::new(false));
        let (idle, total) = (Duration::from_millis(idle_ms), Duration::from_millis(total_ms));
        let limits = WireLimits { idle, total, bytes: 10 };
        (Wire::new(limits, Arc::clone(&interrupt)).unwrap(), interrupt)
    }

    #[test]
    fn silence_and_length_have_limits() {
        let never = std::future::pending::<()>;
        let error = |idle, total| wire(idle, total).0.wait(never()).unwrap_err().to_string();
        assert_eq!(error(5, 60_000), "nothing arrived for 0 s");
        assert_eq!(error(60_000, 5), "it was not done after 0 s");
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let (wire, interrupt) = wire(60_000, 60_000);
        interrupt.store(true, Ordering::Relaxed);
        assert_eq!(wire.wait(std::future::pending::<()>()), Err(Failure::Interrupted));
    }

    #[test]
    fn bytes_are_counted_and_the_first_failure_is_kept() {
        let (wire, _) = wire(1_000, 1_000);
        assert_eq!(wire.received(10), Ok(()));
        assert_eq!(wire.received(1), Err(Failure::TooLarge { limit: 10 }));
        drop(wire.fail(Failure::Interrupted));
        drop(wire.fail(Failure::TooLarge { limit: 1 }));
        assert_eq!(wire.failure(), Some(Failure::Interrupted));
    }
}
