//! What the engine knows about one object: what was applied, what was seen, what is wrong. Pure.

use std::time::Duration;

use model::status::Timestamp;

use crate::health::Verdict;
use crate::inventory::{Entry, NO_FIELDS};
use crate::kubernetes::metadata::Observation;
use crate::reconcile::heal::{Heat, Repair};

/// One object of an application. Small: there may be ten thousand.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) entry: Entry,
    /// It is in the inventory, not only in a render that was compared.
    pub(super) owned: bool,
    /// The newest render has it.
    pub(super) wanted: bool,
    pub(super) state: State,
    /// The version that our last apply answered with; older observations mean nothing.
    pub(super) applied: u64,
    pub(super) live: Live,
    /// The number of the listing of its kind in which it was seen last.
    pub(super) listing: u64,
    pub(super) heat: Heat,
    pub(super) trouble: Option<Box<Trouble>>,
    /// An observation made while a pass was running; judged when the pass has ended, because
    /// until then our own writes cannot be told from others'.
    pub(super) waiting: Option<Box<Observation>>,
}

/// How the last attempt to apply it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was attempted since the agent started.
    Recorded,
    Applied,
    /// Syncing is by hand, and an apply would change it.
    WouldChange,
    /// Its kind is not served yet.
    WaitingForKind(String),
    /// Others hold its fields.
    Conflict(String),
    /// Another application of Muster holds it.
    Shared(String),
    Failed(String),
    /// It is no longer wanted and waits for its removal.
    Removing(String),
}

/// The object as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Live {
    Unseen,
    Seen { resource_version: u64, deleting: bool, health: Option<Verdict> },
    Gone,
}

/// A deviation that has not been put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    pub(super) detected: Timestamp,
    pub(super) repair: Repair,
    /// Its incident, once it has been reported.
    pub(super) incident: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// Fields of ours belong to others; the entries say whose.
    Drifted { managed_fields: Box<str> },
    /// It may be gone, or was never seen: look before concluding anything.
    Suspect,
    /// It is gone.
    Missing,
}

/// When something was seen, and a random number for the back-off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Duration,
    pub(super) wall: Timestamp,
    /// Between -1 and 1.
    pub(super) jitter: f32,
}

impl Record {
    pub(super) fn new(entry: Entry) -> Self {
        Self {
            entry,
            owned: true,
            wanted: true,
            state: State::Recorded,
            applied: 0,
            live: Live::Unseen,
            listing: 0,
            heat: Heat::default(),
            trouble: None,
            waiting: None,
        }
    }

    /// Whether an apply of the same payload would change nothing, as far as is known.
    pub(super) fn is_trusted(&self) -> bool {
        let applied = matches!(self.state, State::Applied | State::Recorded);
        self.entry.is_applied() && applied && self.trouble.is_none() && self.live != Live::Gone
    }

    /// The object was seen. Returns whether anything that a status shows has changed.
    pub(super) fn observe(&mut self, seen: &Observation, manager: &str, moment: Moment) -> bool {
        let known = match self.live {
            Live::Seen { resource_version, .. } => resource_version.max(self.applied),
            Live::Unseen | Live::Gone => self.applied,
        };
        if seen.resource_version != 0 && seen.resource_version < known {
            return false;
        }
        let live = Live::Seen {
            resource_version: seen.resource_version,
            deleting: seen.deleting,
            health: seen.health.clone(),
        };
        let before = (health_of(&self.live), self.trouble.is_some());
        self.live = live;
        if self.entry.is_applied() && self.wanted {
            self.judge(seen, manager, moment);
        }
        before != (health_of(&self.live), self.trouble.is_some())
    }

    fn judge(&mut self, seen: &Observation, manager: &str, moment: Moment) {
        if seen.own_hash(manager) == Some(self.entry.own) || self.entry.own == NO_FIELDS {
            // The agent may have stopped between an apply that made the object anew and its note.
            self.entry.uid.clone_from(&seen.uid);
            self.trouble = None;
            return;
        }
        if seen.deleting {
            // What is being deleted is not repaired; when it is gone it is made anew.
            return;
        }
        let kind = TroubleKind::Drifted { managed_fields: seen.managed_fields.clone() };
        match &mut self.trouble {
            Some(trouble) if matches!(trouble.kind, TroubleKind::Drifted { .. }) => {
                trouble.kind = kind;
            }
            _ => self.worry(kind, moment),
        }
    }

    /// It may be gone.
    pub(super) fn suspect(&mut self, moment: Moment) {
        if self.wanted && self.entry.is_applied() && self.trouble.is_none() {
            self.worry(TroubleKind::Suspect, moment);
        }
    }

    /// It was not seen although its kind is watched: look at it in a while, at no cost in heat.
    pub(super) fn look_later(&mut self, at: Duration, wall: Timestamp) {
        if self.trouble.is_none() {
            let repair = Repair { at, fighting: false };
            let kind = TroubleKind::Suspect;
            self.trouble = Some(Box::new(Trouble { kind, detected: wall, repair, incident: None }));
        }
    }

    fn worry(&mut self, kind: TroubleKind, moment: Moment) {
        let repair = self.heat.drifted(moment.now, moment.jitter);
        let (detected, incident) = match &self.trouble {
            Some(earlier) => (earlier.detected, earlier.incident),
            None => (moment.wall, None),
        };
        self.trouble = Some(Box::new(Trouble { kind, detected, repair, incident }));
    }

    /// Our apply succeeded and answered with this.
    pub(super) fn applied(&mut self, entry: Entry, resource_version: u64, now: Duration) {
        self.entry = entry;
        self.owned = true;
        self.wanted = true;
        self.state = State::Applied;
        self.applied = self.applied.max(resource_version);
        if self.trouble.take().is_some() {
            self.heat.repaired(now);
        }
        if self.live == Live::Gone {
            self.live = Live::Unseen;
        }
    }

    /// The health that counts: seen at or after our last apply.
    pub(super) fn current_health(&self) -> Option<&Verdict> {
        match &self.live {
            Live::Seen { resource_version, health, .. }
                if *resource_version >= self.applied || *resource_version == 0 =>
            {
                health.as_ref()
            }
            _ => None,
        }
    }
}

fn health_of(live: &Live) -> Option<Verdict> {
    match live {
        Live::Seen { health, .. } => health.clone(),
        Live::Unseen | Live::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::metadata::Annotations;
    use crate::reconcile::payload::Class;
    use model::manifest::ObjectKey;

    const MANAGER: &str = "muster:web";

    fn moment(seconds: u64) -> Moment {
        let now = Duration::from_secs(seconds);
        Moment { now, wall: Timestamp(1), jitter: 0.0 }
    }

    fn record() -> Record {
        let mut record = Record::new(Entry::new("v1", Class::Normal));
        let entry =
            Entry { uid: "u".to_owned(), desired: 1, own: 7, ..Entry::new("v1", Class::Normal) };
        record.applied(entry, 100, Duration::ZERO);
        record
    }

    fn seen(resource_version: u64, own: Option<u64>) -> Observation {
        Observation {
            key: ObjectKey {
                group: String::new(),
                kind: "ConfigMap".to_owned(),
                namespace: "n".to_owned(),
                name: "a".to_owned(),
            },
            uid: "u".to_owned(),
            resource_version,
            own: own.map(|hash| (MANAGER.to_owned(), hash)).into_iter().collect(),
            deleting: false,
            finalizers: Vec::new(),
            annotations: Annotations::default(),
            health: None,
            managed_fields: "[]".into(),
        }
    }

    #[test]
    fn our_own_apply_and_older_events_are_no_drift() {
        let mut record = record();
        record.observe(&seen(90, Some(6)), MANAGER, moment(0));
        assert!(record.is_trusted(), "an event from before our apply");
        record.observe(&seen(100, Some(7)), MANAGER, moment(0));
        assert!(record.is_trusted(), "the event of our apply");
        record.observe(&seen(101, Some(7)), MANAGER, moment(0));
        assert!(record.is_trusted(), "a status update");
    }

    #[test]
    fn a_foreign_edit_is_a_drift_that_is_repaired_at_once() {
        let mut record = record();
        assert!(record.observe(&seen(101, Some(6)), MANAGER, moment(5)));
        let trouble = record.trouble.clone().unwrap();
        assert_eq!(trouble.repair.at, Duration::from_secs(5));
        assert!(!record.is_trusted());
        // The same drift seen again is one drift.
        record.observe(&seen(102, None), MANAGER, moment(6));
        assert_eq!(record.trouble.as_ref().unwrap().repair.at, Duration::from_secs(5));
        let entry = record.entry.clone();
        record.applied(entry, 103, Duration::from_secs(6));
        assert!(record.is_trusted());
        record.observe(&seen(102, None), MANAGER, moment(6));
        assert!(record.is_trusted(), "the event of the edit that was already undone");
    }

    #[test]
    fn what_is_being_deleted_is_left_alone() {
        let mut record = record();
        let deleting = Observation { deleting: true, ..seen(101, Some(6)) };
        record.observe(&deleting, MANAGER, moment(0));
        assert!(record.trouble.is_none());
        record.suspect(moment(1));
        assert_eq!(record.trouble.unwrap().kind, TroubleKind::Suspect);
    }

    #[test]
    fn health_counts_only_from_our_apply_on() {
        let healthy = Verdict { health: model::status::Health::Healthy, message: String::new() };
        let mut record = record();
        record.observe(
            &Observation { health: Some(healthy), ..seen(101, Some(7)) },
            MANAGER,
            moment(0),
        );
        assert!(record.current_health().is_some());
        let entry = record.entry.clone();
        record.applied(entry, 105, Duration::ZERO);
        assert!(record.current_health().is_none());
    }
}
