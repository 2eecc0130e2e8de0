//! How many requests a host may be sent, and when a service wants to be left alone. Pure: the time
//! is passed in.

use std::time::Duration;

/// Requests that may be sent now; they come back evenly, never more than `capacity`.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    capacity: u32,
    /// The time after which one more request is allowed.
    each: Duration,
    left: u32,
    /// Up to when `left` has been counted.
    counted: Duration,
}

impl Bucket {
    pub(crate) fn new(requests: u32, per: Duration, now: Duration) -> Self {
        let capacity = requests.max(1);
        Self { capacity, each: per / capacity, left: capacity, counted: now }
    }

    /// Takes one request.
    ///
    /// # Errors
    /// The time until there is one again.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.left > 0 {
            self.left -= 1;
            return Ok(());
        }
        Err((self.counted + self.each).saturating_sub(now))
    }

    /// A request that cost the service nothing.
    pub(crate) fn give_back(&mut self) {
        self.left = self.capacity.min(self.left + 1);
    }

    fn refill(&mut self, now: Duration) {
        if self.each.is_zero() {
            self.left = self.capacity;
            return;
        }
        let gained = now.saturating_sub(self.counted).as_nanos() / self.each.as_nanos();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        if gained >= self.capacity - self.left {
            self.left = self.capacity;
            self.counted = now;
        } else {
            self.left += gained;
            self.counted += self.each * gained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_spent_comes_back_evenly_and_does_not_pile_up() {
        let mut bucket = Bucket::new(3, 30 * SECOND, Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        }
        assert_eq!(bucket.take(Duration::ZERO), Err(10 * SECOND));
        assert_eq!(bucket.take(4 * SECOND), Err(6 * SECOND));
        assert_eq!(bucket.take(10 * SECOND), Ok(()));
        assert_eq!(bucket.take(19 * SECOND), Err(SECOND));
        for _ in 0..3 {
            assert_eq!(bucket.take(9_000 * SECOND), Ok(()));
        }
        assert!(bucket.take(9_000 * SECOND).is_err());
    }

    #[test]
    fn a_request_that_is_given_back_can_be_taken_again() {
        let mut bucket = Bucket::new(1, SECOND, Duration::ZERO);
        assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        bucket.give_back();
        bucket.give_back();
        assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        assert!(bucket.take(Duration::ZERO).is_err());
    }

    #[test]
    fn a_long_sleep_overflows_nothing() {
        let mut bucket = Bucket::new(u32::MAX, Duration::from_nanos(1), Duration::ZERO);
        assert_eq!(bucket.take(Duration::MAX), Ok(()));
    }
}
