//! Waiting for a condition, with a limit and a reason.
//!
//! The harness looks at other programs from outside: it can only ask again. This is the one place that does.

use anyhow::{Result, bail};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Short against what is waited for, long against the cost of one question.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `condition` until it answers `Some`; an error ends the wait at once.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("no {what} after {} s", limit.as_secs());
        }
        sleep(PAUSE).await;
    }
}
