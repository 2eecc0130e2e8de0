//! From a signal to a token that everyone watches.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice: 128 + SIGINT, as shells count.
const IMPATIENT_EXIT: i32 = 130;

/// A token that the first SIGTERM or SIGINT cancels. The second ends the process at once, so that
/// a shutdown that hangs never needs SIGKILL.
///
/// # Panics
/// Outside of a tokio runtime.
#[must_use]
pub fn signals() -> CancellationToken {
    // The two calls fail only for signals that cannot be caught, and these can.
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
    let token = CancellationToken::new();
    let shutdown = token.clone();
    crate::supervise::detached("signals", async move {
        // Both arms are cancel-safe: a signal that is not taken now is taken by the next call.
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let name = next().await;
        tracing::info!(signal = name, "shutting down");
        shutdown.cancel();
        let name = next().await;
        tracing::warn!(signal = name, "told twice: leaving without waiting");
        std::process::exit(IMPATIENT_EXIT);
    });
    token
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn the_first_sigterm_cancels_the_token() {
        let token = signals();
        assert!(!token.is_cancelled());
        let status =
            Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status().unwrap();
        assert!(status.success());
        token.cancelled().await;
    }
}
