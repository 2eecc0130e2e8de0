//! Ctrl-C, SIGTERM and a terminal that goes away.
//!
//! The first one asks everything to stop; the second leaves at once, and still leaves no folder
//! behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::clock::Clock;
use runtime::supervise::Supervisor;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::DemoError;
use super::folder::Folder;
use super::screen::Screen;

/// As a shell reports a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// A second signal in this time is no second Ctrl-C: a wrapper such as `timeout` passes on what the
/// terminal has sent to all of its group already.
const ECHO: Duration = Duration::from_millis(300);

#[derive(Clone)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    hurry: Arc<Mutex<Hurry>>,
}

/// What the second signal still has to do and say.
#[derive(Default)]
struct Hurry {
    folder: Option<Folder>,
    last_words: String,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen(supervisor: &Supervisor, screen: Screen) -> Result<Self, DemoError> {
        let listen = |kind| {
            signal(kind).map_err(|error| DemoError::Setup {
                what: "cannot listen for signals",
                reason: error.to_string(),
            })
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hangup = listen(SignalKind::hangup())?;
        let this = Self { token: CancellationToken::new(), hurry: Arc::default() };
        let told = this.clone();
        supervisor.spawn("signals", async move {
            // All arms are cancel-safe: a signal that is not taken now is taken by the next call.
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => (),
                    _ = terminate.recv() => (),
                    _ = hangup.recv() => (),
                }
            };
            next().await;
            told.token.cancel();
            let clock = Clock::system();
            next().await;
            while clock.now() < ECHO {
                next().await;
            }
            told.leave(screen);
        });
        Ok(this)
    }

    pub(crate) async fn interrupted(&self) {
        self.token.cancelled().await;
    }

    /// Whether there was a signal, or will be one in this time.
    pub(crate) async fn comes_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.token.cancelled()).await.is_ok()
    }

    /// What must be gone even when there is no time.
    pub(crate) fn holds(&self, folder: Folder) {
        self.hurry().folder = Some(folder);
    }

    /// What a person must know who does not wait for the end.
    pub(crate) fn last_words(&self, text: String) {
        self.hurry().last_words = text;
    }

    fn hurry(&self) -> std::sync::MutexGuard<'_, Hurry> {
        self.hurry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, screen: Screen) -> ! {
        let Hurry { folder, last_words } = std::mem::take(&mut *self.hurry());
        if !last_words.is_empty() {
            screen.lines(&last_words);
        }
        if let Some(Err(error)) = folder.map(|folder| folder.remove()) {
            screen.line(&runtime::error::chain(&error));
        }
        std::process::exit(i32::from(INTERRUPTED));
    }
}
