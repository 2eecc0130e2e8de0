//! Steps that become due, in order of time and then of asking. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::{ObjectKey, ResourceId};

/// What a step is about. A step looks at everything anew, so asking for it twice is asking once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    /// Every DaemonSet: the nodes changed.
    DaemonSets,
    Job,
    /// A Job without pods has run.
    JobEnded,
    /// A pod that was written: it may want a node or a next step.
    Pod,
    /// A pod's next step in time: started, failed to start, ended.
    PodProgress,
    Claim,
    ClaimBound,
    /// A Service or an Ingress that may want an address from outside.
    Outside,
    OutsideGiven,
    /// The EndpointSlices of a namespace.
    Endpoints,
    /// The disruption budgets of a namespace.
    Budgets,
    Autoscaler,
    Namespace,
    NamespaceEmptied,
    Definition,
    DefinitionEstablished,
    /// A workload without pods becomes ready.
    Podless,
    /// An object whose owners may be gone.
    Orphaned,
    /// An object that is held until its dependents are dealt with.
    Owner,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) resource: ResourceId,
    pub(super) key: ObjectKey,
}

#[derive(Default)]
pub(super) struct Queue {
    order: BTreeMap<(Duration, u64), Step>,
    due: BTreeMap<Step, (Duration, u64)>,
    sequence: u64,
}

impl Queue {
    /// Asks for a step; one that is already asked for happens at the earlier of both times.
    pub(super) fn add(&mut self, step: Step, at: Duration) {
        if let Some(place) = self.due.get(&step) {
            if place.0 <= at {
                return;
            }
            self.order.remove(place);
        }
        self.sequence += 1;
        let place = (at, self.sequence);
        self.order.insert(place, step.clone());
        self.due.insert(step, place);
    }

    pub(super) fn remove(&mut self, step: &Step) {
        if let Some(place) = self.due.remove(step) {
            self.order.remove(&place);
        }
    }

    pub(super) fn contains(&self, step: &Step) -> bool {
        self.due.contains_key(step)
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.order.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first step that is due at `now`.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Step> {
        if self.next_due()? > now {
            return None;
        }
        let (_, step) = self.order.pop_first()?;
        self.due.remove(&step);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Step {
        Step {
            kind: Kind::Pod,
            resource: ResourceId::new("", "pods"),
            key: ObjectKey::new("a", name),
        }
    }

    #[test]
    fn a_step_is_queued_once_at_its_earliest_time() {
        let mut queue = Queue::default();
        let at = Duration::from_secs;
        queue.add(step("late"), at(5));
        queue.add(step("first"), at(3));
        queue.add(step("late"), at(3));
        queue.add(step("first"), at(9));
        queue.add(step("never"), at(1));
        queue.remove(&step("never"));
        assert_eq!(queue.pop(at(2)), None);
        assert_eq!(queue.next_due(), Some(at(3)));
        assert_eq!(queue.pop(at(3)), Some(step("first")));
        assert!(queue.contains(&step("late")));
        assert_eq!(queue.pop(at(3)), Some(step("late")));
        assert_eq!((queue.pop(at(99)), queue.next_due()), (None, None));
    }
}
