//! How long a certificate of a spoke is valid.

use std::time::Duration;

use model::status::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Long enough for a spoke at the edge to survive the hub's absence without a person: revocation
/// does not wait for the expiry.
const DEFAULT_HOURS: u32 = 30 * 24;
const MAX_HOURS: u32 = 90 * 24;

/// One hour to ninety days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Lifetime {
    hours: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a certificate's lifetime of {hours} hours is not between 1 and {MAX_HOURS}")]
pub struct LifetimeError {
    hours: u32,
}

impl Lifetime {
    pub fn hours(hours: u32) -> Result<Self, LifetimeError> {
        if (1..=MAX_HOURS).contains(&hours) {
            Ok(Self { hours })
        } else {
            Err(LifetimeError { hours })
        }
    }

    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.hours) * 3_600)
    }

    #[must_use]
    pub fn after(self, start: Timestamp) -> Timestamp {
        Timestamp(start.0.saturating_add(i64::from(self.hours) * 3_600_000))
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { hours: DEFAULT_HOURS }
    }
}

impl TryFrom<u32> for Lifetime {
    type Error = LifetimeError;
    fn try_from(hours: u32) -> Result<Self, LifetimeError> {
        Self::hours(hours)
    }
}

impl From<Lifetime> for u32 {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.hours
    }
}
