//! How many pods each ReplicaSet of a Deployment may have next. Pure.

use serde_json::Value;

use super::access::number;

/// What a Deployment asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) desired: i64,
    pub(super) surge: i64,
    pub(super) unavailable: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) wanted: i64,
    pub(super) available: i64,
}

/// The next sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) new: i64,
    pub(super) old: Vec<i64>,
}

impl Limits {
    pub(super) fn of(spec: &Value) -> Self {
        let desired = number(&spec["replicas"]);
        if desired == 0 || spec["strategy"]["type"] == "Recreate" {
            return Self { desired, surge: 0, unavailable: 0 };
        }
        let rolling = &spec["strategy"]["rollingUpdate"];
        let surge = share(&rolling["maxSurge"], desired, true);
        let mut unavailable = share(&rolling["maxUnavailable"], desired, false).min(desired);
        if surge == 0 && unavailable == 0 {
            // Both rounded to nothing would never move.
            unavailable = 1;
        }
        Self { desired, surge, unavailable }
    }

    /// What the new ReplicaSet grows to while all of them together want `total`.
    pub(super) fn scale_up(&self, new: i64, total: i64) -> i64 {
        let room = (self.desired + self.surge - total).max(0);
        new + room.min((self.desired - new).max(0))
    }

    pub(super) fn plan(&self, new: Size, old: &[Size]) -> Plan {
        let old_total: i64 = old.iter().map(|set| set.wanted).sum();
        let grown = if new.wanted > self.desired {
            self.desired
        } else {
            self.scale_up(new.wanted, new.wanted + old_total)
        };
        let keep = Plan { new: grown, old: old.iter().map(|set| set.wanted).collect() };
        // One direction at a time: the old ones shrink when the new one has grown.
        if grown != new.wanted || old_total == 0 {
            return keep;
        }
        Plan { new: grown, old: self.shrink(new, old) }
    }

    fn shrink(&self, new: Size, old: &[Size]) -> Vec<i64> {
        let minimum = self.desired - self.unavailable;
        let total: i64 = new.wanted + old.iter().map(|set| set.wanted).sum::<i64>();
        // What of the new ones is not up yet may not be taken from the old ones too.
        let mut room = (total - minimum - (new.wanted - new.available)).max(0);
        let mut sizes: Vec<i64> = old.iter().map(|set| set.wanted).collect();
        // Pods that are not available anyway go first.
        for (size, set) in sizes.iter_mut().zip(old) {
            let broken = (set.wanted - set.available).max(0).min(room);
            *size -= broken;
            room -= broken;
        }
        let available: i64 = new.available + old.iter().map(|set| set.available).sum::<i64>();
        let mut room = room.min((available - minimum).max(0));
        for size in &mut sizes {
            let fewer = (*size).min(room);
            *size -= fewer;
            room -= fewer;
        }
        sizes
    }
}

/// A count or a share of `of`, as `maxSurge` and its like are written.
pub(super) fn share(value: &Value, of: i64, up: bool) -> i64 {
    if let Some(percent) = value.as_str().and_then(|text| text.strip_suffix('%')) {
        let part = percent.parse::<i64>().unwrap_or(0).max(0) * of;
        return if up { (part + 99) / 100 } else { part / 100 };
    }
    number(value).max(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn limits(replicas: i64, surge: &str, unavailable: &str) -> Limits {
        let of = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n));
        Limits::of(&json!({"replicas": replicas, "strategy": {
            "rollingUpdate": {"maxSurge": of(surge), "maxUnavailable": of(unavailable)},
        }}))
    }

    #[test]
    fn shares_are_rounded_so_that_a_rollout_moves() {
        let of = |replicas, surge, unavailable| {
            let limits = limits(replicas, surge, unavailable);
            (limits.surge, limits.unavailable)
        };
        assert_eq!(of(2, "25%", "25%"), (1, 0));
        assert_eq!(of(10, "25%", "25%"), (3, 2));
        assert_eq!(of(3, "0", "10%"), (0, 1));
        assert_eq!(of(0, "25%", "25%"), (0, 0));
    }

    #[test]
    fn a_broken_template_stops_at_the_surge() {
        let limits = limits(4, "1", "0");
        let old = Size { wanted: 4, available: 4 };
        let plan = limits.plan(Size { wanted: 0, available: 0 }, &[old]);
        assert_eq!(plan, Plan { new: 1, old: vec![4] });
        let plan = limits.plan(Size { wanted: 1, available: 0 }, &[old]);
        assert_eq!(plan, Plan { new: 1, old: vec![4] });
    }

    proptest! {
        /// With pods that become available, a roll-out ends, and on its way neither goes over the
        /// surge nor takes away what must stay up.
        #[test]
        fn rollouts_end_within_their_limits(
            replicas in 0i64..12, surge in 0i64..4, unavailable in 0i64..4,
            old in proptest::collection::vec(0i64..6, 0..3),
        ) {
            let limits = limits(replicas, &surge.to_string(), &unavailable.to_string());
            let start: i64 = old.iter().sum();
            let mut new = Size { wanted: 0, available: 0 };
            let mut old: Vec<Size> =
                old.iter().map(|n| Size { wanted: *n, available: *n }).collect();
            for _ in 0..200 {
                let before: i64 = new.available + old.iter().map(|s| s.available).sum::<i64>();
                let plan = limits.plan(new, &old);
                let total = plan.new + plan.old.iter().sum::<i64>();
                prop_assert!(total <= (replicas + limits.surge).max(start));
                let up = new.available.min(plan.new)
                    + old.iter().zip(&plan.old).map(|(s, n)| s.available.min(*n)).sum::<i64>();
                prop_assert!(up >= (replicas - limits.unavailable).min(before));
                new = Size { wanted: plan.new, available: plan.new };
                old = plan.old.iter().map(|n| Size { wanted: *n, available: *n }).collect();
            }
            prop_assert_eq!(new.wanted, replicas);
            prop_assert_eq!(old.iter().map(|s| s.wanted).sum::<i64>(), 0);
        }
    }
}
