//! How long to wait before the next try: exponential, capped, with full jitter.
//!
//! Pure: the randomness is passed in. Full jitter (anything from zero to the exponential delay)
//! spreads a crowd that failed at the same moment better than a small jitter does.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// `base`, `base * factor`, `base * factor²`, … never more than `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub base: Duration,
    pub factor: u32,
    pub cap: Duration,
}

impl Backoff {
    #[must_use]
    pub const fn new(base: Duration, factor: u32, cap: Duration) -> Self {
        Self { base, factor, cap }
    }

    /// The longest wait after failed try number `attempt`, counted from 0.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        self.factor
            .checked_pow(attempt)
            .and_then(|power| self.base.checked_mul(power))
            .map_or(self.cap, |delay| delay.min(self.cap))
    }

    /// A wait drawn evenly from zero to `delay(attempt)`.
    pub fn jittered(&self, attempt: u32, rng: &mut (impl Rng + ?Sized)) -> Duration {
        let most = u64::try_from(self.delay(attempt).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(rng.random_range(0..=most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), 2, Duration::from_secs(300));

    #[test]
    fn delays_double_up_to_the_cap_and_never_overflow() {
        let seconds = |attempt| BACKOFF.delay(attempt).as_secs();
        assert_eq!([seconds(0), seconds(1), seconds(8), seconds(9)], [1, 2, 256, 300]);
        assert_eq!([seconds(32), seconds(u32::MAX)], [300, 300]);
    }

    #[test]
    fn a_base_above_the_cap_is_the_cap() {
        let backoff = Backoff::new(Duration::from_secs(9), 2, Duration::from_secs(3));
        assert_eq!(backoff.delay(0), Duration::from_secs(3));
    }

    #[test]
    fn jitter_fills_the_whole_range_and_stays_in_it() {
        let mut rng = SmallRng::seed_from_u64(7);
        let waits: Vec<_> = (0..1_000).map(|_| BACKOFF.jittered(3, &mut rng)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(8)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_secs(1)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_secs(7)));
    }
}
