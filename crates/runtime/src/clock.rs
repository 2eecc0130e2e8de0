//! The time of day and the time since start, from the system or from a test.
//!
//! The only place that asks the operating system for the time. Durations are measured with `now`,
//! which never goes back; `wall_ms` is for records and certificates and may jump.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock; clones show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// tokio's instant is the system's, except in a test that pauses tokio's time. The time of day
    /// is wrong by `offset_ms`: zero, except where a wrong clock is simulated.
    System {
        origin: tokio::time::Instant,
        offset_ms: i64,
    },
    Manual(Arc<Mutex<Manual>>),
}

#[derive(Clone, Copy)]
struct Manual {
    elapsed: Duration,
    wall_ms: i64,
}

impl Clock {
    #[must_use]
    pub fn system() -> Self {
        Self::skewed(0)
    }

    /// The system's clock with a time of day that is wrong by `offset_ms`, as on a machine that
    /// nobody set. For simulations; durations are right.
    #[must_use]
    pub fn skewed(offset_ms: i64) -> Self {
        Self(Source::System { origin: tokio::time::Instant::now(), offset_ms })
    }

    /// A clock that stands still at `wall_ms` until it is advanced.
    #[must_use]
    pub fn manual(wall_ms: i64) -> (Self, ManualClock) {
        let state = Arc::new(Mutex::new(Manual { elapsed: Duration::ZERO, wall_ms }));
        (Self(Source::Manual(Arc::clone(&state))), ManualClock(state))
    }

    /// The time since the clock was made; never goes back.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System { origin, .. } => origin.elapsed(),
            Source::Manual(state) => read(state).elapsed,
        }
    }

    /// Milliseconds since 1970 in UTC, as the machine believes.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is given")]
    pub fn wall_ms(&self) -> i64 {
        match self.0 {
            Source::System { offset_ms, .. } => {
                signed_ms(SystemTime::now()).saturating_add(offset_ms)
            }
            Source::Manual(ref state) => read(state).wall_ms,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System { .. } => "Clock::system",
            Source::Manual(_) => "Clock::manual",
        })
    }
}

/// Moves a manual clock.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Manual>>);

impl ManualClock {
    /// Both times go on by `duration`.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.elapsed += duration;
        state.wall_ms = state.wall_ms.saturating_add(whole_ms(duration));
    }

    /// The time of day jumps, as after a correction by an operator; the elapsed time does not.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall_ms = wall_ms;
    }
}

fn read(state: &Mutex<Manual>) -> Manual {
    *state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signed_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole_ms(after),
        Err(before) => -whole_ms(before.duration()),
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, hand) = Clock::manual(1_000);
        let copy = clock.clone();
        assert_eq!((clock.now(), clock.wall_ms()), (Duration::ZERO, 1_000));
        hand.advance(Duration::from_millis(1_500));
        assert_eq!((copy.now(), copy.wall_ms()), (Duration::from_millis(1_500), 2_500));
        hand.set_wall_ms(7);
        assert_eq!((copy.now(), copy.wall_ms()), (Duration::from_millis(1_500), 7));
    }

    #[test]
    fn the_system_clock_does_not_go_back_and_knows_the_century() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(clock.wall_ms() > 1_700_000_000_000);
        let wrong = Clock::skewed(3_600_000);
        assert!(wrong.wall_ms() >= clock.wall_ms() + 3_590_000);
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(signed_ms(UNIX_EPOCH - Duration::from_secs(2)), -2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_follows_paused_time() {
        let clock = Clock::system();
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(clock.now(), Duration::from_secs(9));
    }
}
