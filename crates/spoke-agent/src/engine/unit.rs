//! One application: what is wanted, what is known, and which pass comes next. Pure.
//!
//! A unit is never touched by another one's trouble. Its methods take the moment and return what
//! is to be done or told; the engine's loop runs the passes.

mod settle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::application::Automated;
use model::canonical::Digest;
use model::desired::{DesiredApplication, Tombstone, VersionedApplication};
use model::id::CommitId;
use model::manifest::ObjectKey;
use model::name::ApplicationName;
use model::status::{Condition, Incident};
use runtime::backoff::Backoff;

use super::record::{Moment, Record, State};
use super::removal::RemovalRequest;
use super::repair::RepairRequest;
use super::sync::SyncRequest;
use crate::inventory::Inventory;
use crate::inventory::store::{Parts, Stored};
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
