//! One application: what is wanted, what is known, and which pass comes next. Pure.
//!
//! A unit is never touched by another one's trouble. Its methods take the moment and return what
//! is to be done or told; the engine's loop runs the passes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::application::Automated;
use model::canonical::Digest;
use model::desired::{DesiredApplication, Tombstone, VersionedApplication};
use model::id::CommitId;
use model::manifest::ObjectKey;
use model::name::ApplicationName;
use model::status::{Condition, Incident, IncidentOutcome};
use runtime::backoff::Backoff;

use super::pass::Outcome;
use super::record::{Live, Moment, Record, State, TroubleKind};
use super::removal::{RemovalOutcome, RemovalRequest, Removed};
use super::repair::{RepairOutcome, RepairRequest, Repaired};
use super::sync::{SyncOutcome, SyncRequest};
use crate::health;
use crate::inventory::store::{Parts, Stored};
use crate::inventory::{Entry, Inventory};
use crate::kubernetes::fields::Taken;
use crate::kubernetes::metadata::Observation;
use crate::kubernetes::watch::GroupKind;
use crate::reconcile::heal::Heat;
use crate::reconcile::payload::Class;
use crate::reconcile::prune::Policy;

/// Retries of an application that is not in order, always with the newest desired state.
const RETRY: Backoff = Backoff::new(Duration::from_secs(5), 2, Duration::from_secs(180));
/// Removals look again sooner: what holds an object is often gone in a second.
const REMOVAL_RETRY: Backoff = Backoff::new(Duration::from_secs(1), 2, Duration::from_secs(60));
/// Repairs of objects that cannot be repaired at the moment.
const REPAIR_RETRY: Duration = Duration::from_secs(30);
/// The most objects in one repair pass: a bound on its memory.
const REPAIRS_AT_ONCE: usize = 32;
/// The window of the prune budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(3600);
/// How long an object with a health may stay unseen before it is looked at.
const UNSEEN: Duration = Duration::from_millis(1500);
/// Never, for a repair that waits for somebody else.
const NEVER: Duration = Duration::MAX;

pub(super) struct Unit {
    pub(super) name: ApplicationName,
    managers: [String; 2],
    pub(super) desired: Option<VersionedApplication>,
    tombstone: Option<Tombstone>,
    pub(super) records: BTreeMap<ObjectKey, Record>,
    /// Seen while a pass was running, and not known yet: the pass may be making them.
    strangers: BTreeMap<ObjectKey, Observation>,
    parts: Parts,
    pub(super) damaged: bool,
    pub(super) busy: bool,
    /// The version whose objects were all applied.
    pub(super) done: Option<(Digest, CommitId)>,
    /// The version of the last sync pass.
    pub(super) attempted: Option<Digest>,
    sync_at: Option<Duration>,
    failures: u32,
    by_hand: bool,
    refresh: bool,
    approved: bool,
    pruned: VecDeque<(Duration, usize)>,
    /// Why the last pass was blocked.
    pub(super) blocked: Option<Condition>,
    pub(super) problems: Vec<String>,
    pub(super) conditions: Vec<Condition>,
    removal: Totals,
    /// Something that a status shows may have changed.
    pub(super) changed: bool,
}

/// What a removal has done so far, over all its passes.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    pruned: usize,
    orphaned: usize,
}

/// The next piece of work.
pub(super) enum Pass {
    Sync(Box<SyncRequest>),
    Repair(Box<RepairRequest>),
    Remove(Box<RemovalRequest>),
}

/// Something to tell besides the status.
pub(super) enum Told {
    Incident(Incident),
    /// The tombstone of this version is fulfilled, and the unit has nothing left.
    Removed {
        version: Digest,
        pruned: usize,
        orphaned: usize,
    },
}

impl Unit {
    pub(super) fn new(name: ApplicationName, stored: Option<Stored>) -> Self {
        let (inventory, parts, damaged) = match stored {
            None => (Inventory::default(), Parts::default(), false),
            Some(Stored { inventory: Ok(inventory), parts }) => (inventory, parts, false),
            Some(Stored { inventory: Err(_), parts }) => (Inventory::default(), parts, true),
        };
        let records =
            inventory.entries.into_iter().map(|(key, entry)| (key, Record::new(entry))).collect();
        let managers = managers(&name);
        Self {
            name,
            managers,
            desired: None,
            tombstone: None,
            records,
            strangers: BTreeMap::new(),
            parts,
            damaged,
            busy: false,
            done: None,
            attempted: None,
            sync_at: None,
            failures: 0,
            by_hand: false,
            refresh: false,
            approved: false,
            pruned: VecDeque::new(),
            blocked: None,
            problems: Vec::new(),
            conditions: Vec::new(),
            removal: Totals::default(),
            changed: true,
        }
    }

    /// What the hub wants of it now. Neither means: not mentioned, so nothing changes (law L1).
    pub(super) fn want(
        &mut self,
        desired: Option<&VersionedApplication>,
        tombstone: Option<&Tombstone>,
        now: Duration,
    ) {
        let tombstone = if desired.is_some() { None } else { tombstone };
        if self.tombstone.as_ref() != tombstone {
            self.tombstone = tombstone.cloned();
            self.removal = Totals::default();
            self.failures = 0;
            self.sync_at = tombstone.map(|_| now);
        }
        let version = desired.map(VersionedApplication::version);
        if self.desired.as_ref().map(VersionedApplication::version) != version {
            self.changed = true;
            self.failures = 0;
            // Whoever fought the old version may agree with the new one.
            self.records.values_mut().for_each(|record| record.heat = Heat::default());
            if version.is_some() {
                self.sync_at = Some(now);
            }
        }
        self.desired = desired.cloned();
    }

    pub(super) fn sync_by_hand(&mut self, now: Duration) {
        self.by_hand = true;
        self.refresh = true;
        self.sync_at = Some(now);
    }

    pub(super) fn refresh(&mut self, now: Duration) {
        self.refresh = true;
        self.sync_at = Some(now);
    }

    pub(super) fn approve_prune(&mut self, now: Duration) {
        self.approved = true;
        self.sync_at = Some(now);
    }

    /// A definition has arrived: objects that waited for their kind are tried again.
    pub(super) fn kinds_changed(&mut self, now: Duration) {
        let waits = |record: &Record| matches!(record.state, State::WaitingForKind(_));
        if self.records.values().any(waits) {
            self.sync_at = Some(now);
        }
    }

    fn application(&self) -> Option<&Arc<DesiredApplication>> {
        self.desired.as_ref().map(VersionedApplication::application)
    }

    fn automation(&self) -> Option<&Automated> {
        let application = self.application()?;
        application.sync_policy.automation().filter(|_| !application.paused)
    }

    fn heals(&self) -> bool {
        self.automation().is_some_and(|automated| automated.self_heal)
    }

    /// The manager whose fields an object carries.
    fn manager_of(&self, class: Class) -> &str {
        match class {
            Class::Normal => &self.managers[0],
            Class::Implicit => &self.managers[1],
        }
    }

    /// When the next sync or removal is due.
    pub(super) fn sync_due(&self) -> Option<Duration> {
        if self.busy || (self.desired.is_none() && self.tombstone.is_none()) {
            return None;
        }
        self.sync_at
    }

    /// When the next repair is due. Before the first sync the desired objects are not known.
    pub(super) fn repair_due(&self) -> Option<Duration> {
        if self.busy || self.desired.is_none() || self.attempted.is_none() {
            return None;
        }
        let troubles = self.records.values().filter(|record| record.wanted);
        troubles
            .filter_map(|record| Some(record.trouble.as_ref()?.repair.at))
            .min()
            .filter(|at| *at != NEVER)
    }

    /// Namespaces that this application would remove with itself.
    pub(super) fn own_namespaces(&self) -> BTreeSet<&str> {
        self.records
            .iter()
            .filter(|(key, record)| {
                key.group.is_empty()
                    && key.kind == "Namespace"
                    && record.entry.class == Class::Normal
            })
            .map(|(key, _)| key.name.as_str())
            .collect()
    }

    pub(super) fn has_objects_in(&self, namespace: &str) -> bool {
        self.records.keys().any(|key| key.namespace == namespace)
    }

    fn inventory(&self) -> Inventory {
        let owned = self.records.iter().filter(|(_, record)| record.owned);
        Inventory { entries: owned.map(|(k, r)| (k.clone(), r.entry.clone())).collect() }
    }

    pub(super) fn inventory_digest(&self) -> Digest {
        self.inventory().digest()
    }

    /// Begins the sync or removal that is due.
    pub(super) fn begin_sync(
        &mut self,
        now: Duration,
        used_namespaces: BTreeSet<String>,
    ) -> Option<Pass> {
        self.sync_at = None;
        let pass = match (&self.desired, &self.tombstone) {
            (Some(desired), _) => {
                let desired = desired.clone();
                Pass::Sync(Box::new(self.sync_request(&desired, now, used_namespaces)))
            }
            (None, Some(tombstone)) => Pass::Remove(Box::new(RemovalRequest {
                name: self.name.clone(),
                tombstone: tombstone.clone(),
                inventory: self.inventory(),
                parts: self.parts.clone(),
                used_namespaces,
            })),
            (None, None) => return None,
        };
        self.busy = true;
        Some(pass)
    }

    fn sync_request(
        &mut self,
        desired: &VersionedApplication,
        now: Duration,
        used_namespaces: BTreeSet<String>,
    ) -> SyncRequest {
        let application = Arc::clone(desired.application());
        let automation = self.automation().cloned();
        let by_hand = self.by_hand && !application.paused;
        while self.pruned.front().is_some_and(|(at, _)| *at + BUDGET_WINDOW <= now) {
            self.pruned.pop_front();
        }
        let known = self
            .records
            .iter()
            .filter(|(_, record)| record.owned)
            .map(|(key, record)| (key.clone(), (record.entry.clone(), record.is_trusted())))
            .collect();
        let policy = Policy {
            approved: self.approved,
            empty_render: false,
            allow_empty: automation.as_ref().is_some_and(|automated| automated.allow_empty),
            recent: self.pruned.iter().map(|(_, count)| count).sum(),
        };
        let request = SyncRequest {
            version: desired.version(),
            compare: automation.is_none() && !by_hand,
            self_heal: automation.as_ref().is_some_and(|automated| automated.self_heal),
            by_hand,
            refresh: self.refresh,
            prune: by_hand || automation.as_ref().is_some_and(|automated| automated.prune),
            policy,
            known,
            parts: self.parts.clone(),
            used_namespaces,
            application,
        };
        self.refresh = false;
        request
    }

    /// Begins the repairs that are due.
    pub(super) fn begin_repair(&mut self, now: Duration) -> Option<Pass> {
        let application = Arc::clone(self.application()?);
        let version = self.attempted?;
        let objects: BTreeMap<_, _> = self
            .records
            .iter()
            .filter(|(_, record)| record.wanted)
            .filter_map(|(key, record)| Some((key, record, record.trouble.as_ref()?)))
            .filter(|(_, _, trouble)| trouble.repair.at <= now)
            .take(REPAIRS_AT_ONCE)
            .map(|(key, record, trouble)| {
                (key.clone(), (record.entry.clone(), trouble.kind.clone()))
            })
            .collect();
        if objects.is_empty() {
            return None;
        }
        self.busy = true;
        let heal = self.heals();
        Some(Pass::Repair(Box::new(RepairRequest { application, version, heal, objects })))
    }

    /// An object was seen. Returns false when nobody knows it.
    pub(super) fn observe(&mut self, seen: Observation, listing: u64, moment: Moment) -> bool {
        let Some(record) = self.records.get_mut(&seen.key) else {
            if self.busy {
                self.strangers.insert(seen.key.clone(), seen);
            }
            return false;
        };
        record.listing = listing;
        if self.busy {
            record.waiting = Some(Box::new(seen));
            return true;
        }
        let manager = match record.entry.class {
            Class::Normal => &self.managers[0],
            Class::Implicit => &self.managers[1],
        };
        self.changed |= record.observe(&seen, manager, moment);
        true
    }

    /// A watch says that an object was deleted, or no longer carries our label.
    pub(super) fn left(&mut self, seen: &Observation, moment: Moment) {
        let Some(record) = self.records.get_mut(&seen.key) else {
            self.strangers.remove(&seen.key);
            return;
        };
        if seen.resource_version >= record.applied || seen.resource_version == 0 {
            record.waiting = None;
            record.suspect(moment);
        }
        // A removal that waits for it goes on at once.
        if (!record.wanted || self.tombstone.is_some()) && self.sync_at.is_some() {
            self.sync_at = Some(moment.now);
        }
    }

    /// The list of a kind is complete: what was not in it may be gone.
    pub(super) fn listed(
        &mut self,
        kind: &GroupKind,
        listing: u64,
        resource_version: u64,
        moment: Moment,
    ) {
        for (key, record) in &mut self.records {
            let of_kind = key.kind == kind.kind && key.group == kind.group;
            if of_kind && record.listing < listing && record.applied <= resource_version {
                record.suspect(moment);
            }
        }
    }

    /// A sync pass has ended.
    pub(super) fn finish_sync(
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
    pub(super) fn finish_repair(&mut self, outcome: RepairOutcome, moment: Moment) -> Vec<Told> {
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
    pub(super) fn told(&mut self, incident: &Incident) {
        if let Some(trouble) =
            self.records.get_mut(&incident.object).and_then(|record| record.trouble.as_mut())
        {
            trouble.incident = Some(incident.id);
        }
    }

    /// A removal pass has ended.
    pub(super) fn finish_removal(&mut self, outcome: RemovalOutcome, moment: Moment) -> Vec<Told> {
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
    pub(super) fn finish_panic(&mut self, message: &str, moment: Moment) {
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

    /// The kinds of its objects, with the version they were written in.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&ObjectKey, &str)> {
        self.records
            .iter()
            .filter(|(_, record)| record.owned)
            .map(|(key, record)| (key, record.entry.api_version.as_str()))
    }

    /// Whether the marks on a live object are this application's.
    pub(super) fn knows(&self, seen: &Observation) -> bool {
        seen.own_hash(self.manager_of(Class::Normal)).is_some()
    }
}

fn managers(name: &ApplicationName) -> [String; 2] {
    use crate::kubernetes::fields::{MANAGER_PREFIX, NAMESPACE_MANAGER_PREFIX, manager_name};
    [MANAGER_PREFIX, NAMESPACE_MANAGER_PREFIX].map(|prefix| manager_name(prefix, name.as_str()))
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
