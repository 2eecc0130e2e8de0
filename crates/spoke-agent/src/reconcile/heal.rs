//! When an object that drifted may be repaired. Pure; time and jitter are passed in.
//!
//! Every drift adds one to the object's heat. The heat cools by the minutes that a repair held,
//! not by the minutes that a repair waited: who undoes every repair at once heats the object by
//! one each time, and a person who edits once in a while, or twice in a row, never waits.

use std::time::Duration;

/// Seconds to wait at each whole degree of heat: 2·3ⁿ.
const DELAYS: [u64; 6] = [0, 2, 6, 18, 54, 162];
/// Repairs in a row after which two controllers are fighting, not correcting a slip.
pub const FIGHT_HEAT: f32 = 5.0;
/// How often a fight is repaired at most.
const FIGHT_DELAY: Duration = Duration::from_secs(600);

/// How often one object drifted of late.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Heat {
    heat: f32,
    /// When the last repair was made, by the engine's monotonic clock.
    repaired: Option<Duration>,
}

/// What to do about a drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// When, by the engine's monotonic clock.
    pub at: Duration,
    /// Others undo it again and again: repair slowly, and say so.
    pub fighting: bool,
}

impl Heat {
    /// A drift was seen. `jitter` is between -1 and 1 and moves the delay by up to a fifth.
    pub fn drifted(&mut self, now: Duration, jitter: f32) -> Repair {
        let quiet =
            self.repaired.map_or(f32::INFINITY, |at| now.saturating_sub(at).as_secs_f32() / 60.0);
        let cooled = if quiet.is_finite() { self.heat * (-quiet).exp() } else { 0.0 };
        self.heat = cooled + 1.0;
        let fighting = cooled.round() >= FIGHT_HEAT;
        let delay = match fighting {
            true => FIGHT_DELAY,
            false => Duration::from_secs(DELAYS[rank(cooled).min(DELAYS.len() - 1)]),
        };
        Repair { at: now + delay.mul_f32(1.0 + jitter.clamp(-1.0, 1.0) / 5.0), fighting }
    }

    /// The object was put right, or was wanted otherwise from now on.
    pub fn repaired(&mut self, now: Duration) {
        self.repaired = Some(now);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a heat is between 0 and a few dozen"
)]
fn rank(heat: f32) -> usize {
    heat.floor().clamp(0.0, 100.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_undoes_every_repair_at_once_waits_ever_longer_and_is_named() {
        let (mut heat, mut now, mut delays) = (Heat::default(), Duration::ZERO, Vec::new());
        for _ in 0..7 {
            let repair = heat.drifted(now, 0.0);
            delays.push(((repair.at - now).as_secs(), repair.fighting));
            now = repair.at;
            heat.repaired(now);
            now += Duration::from_millis(20);
        }
        let expected =
            [(0, false), (0, false), (2, false), (6, false), (18, false), (600, true), (600, true)];
        assert_eq!(delays, expected);
    }

    #[test]
    fn an_edit_every_few_minutes_is_undone_at_once() {
        let (mut heat, mut now) = (Heat::default(), Duration::ZERO);
        for _ in 0..20 {
            assert_eq!(heat.drifted(now, 1.0).at, now);
            heat.repaired(now);
            now += Duration::from_secs(150);
        }
    }

    proptest! {
        /// A repair never comes early, and never later than a fight allows.
        #[test]
        fn delays_are_bounded(gaps in proptest::collection::vec(0u64..400, 1..40), jitter in -1f32..1.0) {
            let (mut heat, mut now) = (Heat::default(), Duration::ZERO);
            for gap in gaps {
                let repair = heat.drifted(now, jitter);
                prop_assert!(repair.at >= now);
                prop_assert!(repair.at - now <= Duration::from_secs(721));
                now = repair.at;
                heat.repaired(now);
                now += Duration::from_secs(gap);
            }
        }
    }
}
