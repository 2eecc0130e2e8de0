//! What the end of a pass means for its unit. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use model::desired::VersionedApplication;
use model::manifest::ObjectKey;
use model::status::{Condition, Incident, IncidentOutcome};

use super::{NEVER, REMOVAL_RETRY, REPAIR_RETRY, RETRY, Told, Totals, UNSEEN, Unit};
use crate::engine::pass::Outcome;
use crate::engine::record::{Live, Moment, Record, State, TroubleKind};
use crate::engine::removal::{RemovalOutcome, Removed};
use crate::engine::repair::{RepairOutcome, Repaired};
use crate::engine::sync::SyncOutcome;
use crate::health;
use crate::inventory::{Entry, Inventory};
use crate::kubernetes::fields::Taken;
use crate::reconcile::payload::Class;

impl Unit {
    /// A sync pass has ended.
    pub(in crate::engine) fn finish_sync(
        &mut self,
        outcome: SyncOutcome,
        watched: impl Fn(&ObjectKey) -> bool,
        moment: Moment,
    ) -> Vec<Told> {
        let now = moment.now;
        self.attempted = Some(outcome.version);
        self.parts = outcome.parts;
        self.problems = outcome.problems;
        self.conditions = outcome.conditions;
        self.conditions.extend(outcome.removed.conditions);
        let untouched = outcome.blocked.is_some() && outcome.objects.is_empty();
        let mut told = Vec::new();
        let mut troubled = !self.problems.is_empty() || outcome.removed.pending;
        let mut patience = Duration::ZERO;
        if untouched {
            troubled = true;
        } else {
            self.retain(&outcome.objects, &outcome.inventory);
            let all = outcome.objects.values().all(|(_, result)| result.is_done());
            for (key, (entry, result)) in outcome.objects {
                troubled |= !result.is_done() && !matches!(result, Outcome::WouldChange);
                if let Outcome::Failed { retry_after: Some(wait), .. } = &result {
                    patience = patience.max(*wait);
                }
                let owned = outcome.inventory.entries.contains_key(&key);
                told.extend(self.settle(key, entry, result, owned, moment));
            }
            let stale = self.records.values().any(|record| !record.wanted);
            let in_order = all && self.problems.is_empty() && outcome.blocked.is_none();
            if in_order && !(outcome.compared && stale) {
                self.done = self
                    .desired
                    .as_ref()
                    .map(|desired| (outcome.version, desired.application().revision));
                // A newer version may have arrived meanwhile; its commit is not this one's.
                if self.desired.as_ref().map(VersionedApplication::version) != Some(outcome.version)
                {
                    self.done = None;
                }
            }
            if outcome.removed.pruned > 0 {
                self.pruned.push_back((now, outcome.removed.pruned));
            }
            self.by_hand = false;
            self.approved &= !all;
            self.damaged &= !all;
        }
        self.blocked = outcome.blocked.map(|blocked| {
            troubled = true;
            Condition { kind: blocked.condition.to_owned(), message: blocked.message }
        });
        self.look_for_unseen(watched, moment);
        self.retry(troubled, patience, now);
        self.ended(moment);
        told
    }

    /// Records of objects that are neither wanted nor in the inventory any more go.
    fn retain(&mut self, wanted: &BTreeMap<ObjectKey, (Entry, Outcome)>, inventory: &Inventory) {
        self.records.retain(|key, record| {
            record.wanted = wanted.contains_key(key);
            if !record.wanted {
                record.trouble = None;
                record.state = State::Removing(String::new());
            }
            record.wanted || inventory.entries.contains_key(key)
        });
    }

    fn settle(
        &mut self,
        key: ObjectKey,
        entry: Entry,
        result: Outcome,
        owned: bool,
        moment: Moment,
    ) -> Option<Told> {
        let name = self.name.clone();
        let was_ours = self.records.get(&key).is_some_and(|record| record.entry.is_applied());
        let record = self.records.entry(key.clone()).or_insert_with(|| Record::new(entry.clone()));
        record.owned = owned;
        let state = match result {
            Outcome::Unchanged => State::Applied,
            Outcome::Applied { seen, taken } => {
                let trouble = record.trouble.take();
                let fighting = trouble.as_ref().is_some_and(|trouble| trouble.repair.fighting);
                let was_bad =
                    trouble.as_ref().is_some_and(|trouble| trouble.kind != TroubleKind::Suspect);
                let detected = trouble.as_ref().map_or(moment.wall, |trouble| trouble.detected);
                let id = trouble.as_ref().and_then(|trouble| trouble.incident);
                record.trouble = trouble;
                record.applied(entry, seen.resource_version, moment.now);
                if !was_ours || (taken.is_empty() && !was_bad && id.is_none()) {
                    return None;
                }
                return Some(Told::Incident(Incident {
                    id: id.unwrap_or(0),
                    application: name,
                    object: key,
                    fields: taken.iter().map(|cause| cause.field.clone()).collect(),
                    managers: managers_of(&taken),
                    detected_at: detected,
                    healed_at: Some(moment.wall),
                    outcome: healed_outcome(fighting),
                }));
            }
            Outcome::WouldChange => State::WouldChange,
            Outcome::WaitingForKind(message) => State::WaitingForKind(message),
            Outcome::Conflict(message) => State::Conflict(message),
            Outcome::Shared(message) => State::Shared(message),
            Outcome::Failed { message, .. } => State::Failed(message),
        };
        record.state = state;
        record.wanted = true;
        None
    }

    /// Objects that a running watch should have shown, and did not: an apply that changed nothing
    /// gives no event.
    fn look_for_unseen(&mut self, watched: impl Fn(&ObjectKey) -> bool, moment: Moment) {
        for (key, record) in &mut self.records {
            let has_health = health::has_rule(&key.group, &key.kind);
            let unseen = record.current_health().is_none() && record.waiting.is_none();
            let applied = record.wanted && record.state == State::Applied;
            if has_health && unseen && applied && watched(key) {
                record.look_later(moment.now + UNSEEN, moment.wall);
            }
        }
    }

    fn retry(&mut self, troubled: bool, patience: Duration, now: Duration) {
        if !troubled {
            self.failures = 0;
            return;
        }
        let delay = RETRY.delay(self.failures).max(patience);
        self.failures = self.failures.saturating_add(1);
        let at = now + delay;
        self.sync_at = Some(self.sync_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// A pass is over: what was seen meanwhile is judged now.
    fn ended(&mut self, moment: Moment) {
        self.busy = false;
        self.changed = true;
        let strangers = std::mem::take(&mut self.strangers);
        for (key, seen) in strangers {
            if let Some(record) = self.records.get_mut(&key) {
                record.waiting.get_or_insert_with(|| Box::new(seen));
            }
        }
        for record in self.records.values_mut() {
            if let Some(seen) = record.waiting.take() {
                let manager = match record.entry.class {
                    Class::Normal => &self.managers[0],
                    Class::Implicit => &self.managers[1],
                };
                record.observe(&seen, manager, moment);
            }
        }
    }

    /// A repair pass has ended.
    pub(in crate::engine) fn finish_repair(
        &mut self,
        outcome: RepairOutcome,
        moment: Moment,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        for (key, repaired) in outcome {
            told.extend(self.settle_repair(key, repaired, moment));
        }
        self.ended(moment);
        told
    }

    fn settle_repair(
        &mut self,
        key: ObjectKey,
        repaired: Repaired,
        moment: Moment,
    ) -> Option<Told> {
        let record = self.records.get_mut(&key)?;
        let class = record.entry.class;
        let trouble = record.trouble.clone();
        let detected = trouble.as_ref().map_or(moment.wall, |trouble| trouble.detected);
        let earlier = trouble.as_ref().and_then(|trouble| trouble.incident);
        let fighting = trouble.as_ref().is_some_and(|trouble| trouble.repair.fighting);
        let incident = |taken: Taken, healed: bool, outcome: IncidentOutcome| {
            Told::Incident(Incident {
                id: earlier.unwrap_or(0),
                application: self.name.clone(),
                object: key.clone(),
                fields: taken.fields,
                managers: taken.managers,
                detected_at: detected,
                healed_at: healed.then_some(moment.wall),
                outcome,
            })
        };
        let set = |record: &mut Record, kind: TroubleKind, at: Duration| {
            if let Some(trouble) = &mut record.trouble {
                trouble.kind = kind;
                trouble.repair.at = at;
            }
        };
        match repaired {
            Repaired::Fine(seen) => {
                record.trouble = None;
                if record.waiting.is_none() {
                    record.waiting = Some(seen);
                }
                None
            }
            Repaired::Healed { entry, seen, taken } => {
                let was_missing = record.entry.uid != entry.uid;
                let false_alarm = taken.fields.is_empty() && !was_missing;
                record.applied(entry, seen.resource_version, moment.now);
                if was_missing {
                    // The new uid has to reach the inventory: it guards a later removal.
                    let soon = moment.now + Duration::from_secs(1);
                    self.sync_at = Some(self.sync_at.map_or(soon, |at| at.min(soon)));
                }
                (!false_alarm).then(|| incident(taken, true, healed_outcome(fighting)))
            }
            Repaired::Drifted { taken, managed_fields } => {
                set(record, TroubleKind::Drifted { managed_fields }, NEVER);
                let known = earlier.is_some() || taken.fields.is_empty();
                (!known).then(|| incident(taken, false, IncidentOutcome::Reported))
            }
            Repaired::Gone => {
                record.live = Live::Gone;
                set(record, TroubleKind::Missing, NEVER);
                let known = earlier.is_some();
                (!known).then(|| incident(Taken::default(), false, IncidentOutcome::Reported))
            }
            Repaired::Failed { outcome } => {
                let again = moment.now + REPAIR_RETRY;
                if let Some(trouble) = &mut record.trouble {
                    trouble.repair.at = again;
                }
                record.state = match outcome {
                    Outcome::Shared(message) => State::Shared(message),
                    Outcome::Conflict(message) => State::Conflict(message),
                    Outcome::WaitingForKind(message) => State::WaitingForKind(message),
                    Outcome::Failed { message, .. } => State::Failed(message),
                    Outcome::Unchanged | Outcome::Applied { .. } | Outcome::WouldChange => {
                        State::Applied
                    }
                };
                let manager = self.managers[usize::from(class == Class::Implicit)].clone();
                let taken = match trouble.map(|trouble| trouble.kind) {
                    Some(TroubleKind::Drifted { managed_fields }) => {
                        others(&managed_fields, &manager)
                    }
                    _ => Taken::default(),
                };
                (earlier.is_none()).then(|| incident(taken, false, IncidentOutcome::Failed))
            }
            Repaired::NeedsSync => {
                if let Some(trouble) = &mut record.trouble {
                    trouble.repair.at = moment.now + REPAIR_RETRY;
                }
                self.sync_at = Some(moment.now);
                None
            }
        }
    }

    /// Remembers under which id an incident was told, so that its repair closes the same one.
    pub(in crate::engine) fn told(&mut self, incident: &Incident) {
        if let Some(trouble) =
            self.records.get_mut(&incident.object).and_then(|record| record.trouble.as_mut())
        {
            trouble.incident = Some(incident.id);
        }
    }

    /// A removal pass has ended.
    pub(in crate::engine) fn finish_removal(
        &mut self,
        outcome: RemovalOutcome,
        moment: Moment,
    ) -> Vec<Told> {
        let RemovalOutcome { inventory, parts, removed } = outcome;
        let Removed { pruned, orphaned, conditions, pending } = removed;
        self.parts = parts;
        self.records.retain(|key, _| inventory.entries.contains_key(key));
        for record in self.records.values_mut() {
            record.wanted = false;
            record.state = State::Removing(String::new());
        }
        self.removal.pruned += pruned;
        self.removal.orphaned += orphaned;
        self.conditions = conditions;
        self.attempted = None;
        self.done = None;
        self.ended(moment);
        if pending || !self.records.is_empty() {
            let at = moment.now + REMOVAL_RETRY.delay(self.failures);
            self.failures = self.failures.saturating_add(1);
            self.sync_at = Some(self.sync_at.map_or(at, |earlier| earlier.min(at)));
            return Vec::new();
        }
        // The tombstone may have been taken back while the pass ran: then there is nothing to tell.
        let Some(tombstone) = &self.tombstone else { return Vec::new() };
        let Totals { pruned, orphaned } = self.removal;
        vec![Told::Removed { version: tombstone.version, pruned, orphaned }]
    }

    /// A pass panicked: its application is tried again later, the others never noticed.
    pub(in crate::engine) fn finish_panic(&mut self, message: &str, moment: Moment) {
        self.blocked = Some(Condition {
            kind: "InternalError".to_owned(),
            message: format!("a defect of the agent: {message}"),
        });
        for record in self.records.values_mut() {
            if let Some(trouble) = &mut record.trouble {
                trouble.repair.at = trouble.repair.at.max(moment.now + REPAIR_RETRY);
            }
        }
        self.retry(true, Duration::ZERO, moment.now);
        self.ended(moment);
    }
}

fn healed_outcome(fighting: bool) -> IncidentOutcome {
    if fighting { IncidentOutcome::Fighting } else { IncidentOutcome::Healed }
}

fn managers_of(causes: &[crate::kubernetes::answer::ConflictCause]) -> Vec<String> {
    let mut managers: Vec<String> = causes
        .iter()
        .map(|cause| match cause.subresource.as_str() {
            "" => cause.manager.clone(),
            subresource => format!("{} ({subresource})", cause.manager),
        })
        .collect();
    managers.sort_unstable();
    managers.dedup();
    managers
}

/// Who else has a hand in an object, when it is not known which of our fields they took.
fn others(managed_fields: &str, manager: &str) -> Taken {
    let entries = crate::kubernetes::fields::parse(managed_fields);
    let mut managers: Vec<String> = entries
        .iter()
        .filter(|entry| entry.manager != manager && entry.subresource != "status")
        .map(|entry| entry.manager.clone())
        .collect();
    managers.sort_unstable();
    managers.dedup();
    Taken { managers, ..Taken::default() }
}
