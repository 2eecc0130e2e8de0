//! All state of the engine, owned by its one loop: the units, the watches, and what is due.
//!
//! Its methods are synchronous; they start tasks, and never wait.

mod telling;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use model::canonical::Digest;
use model::manifest::ObjectKey;
use model::name::ApplicationName;
use model::status::{Health, SyncStatus, Timestamp};
use rand::RngExt as _;
use runtime::clock::Clock;
use runtime::supervise::{Supervisor, TaskHandle};
use tokio::sync::mpsc;

use super::agenda::Agenda;
use super::pass::Means;
use super::record::Moment;
use super::removal::{self, RemovalOutcome};
use super::repair::{self, RepairOutcome};
use super::sync::{self, SyncOutcome};
use super::unit::{Pass, Unit};
use super::{DesiredSet, EngineCommand, Report};
use crate::health;
use crate::inventory::store::Stored;
use crate::kubernetes::metadata::{Observation, PART_OF_LABEL};
use crate::kubernetes::watch::{self, Event as WatchEvent, GroupKind, Target};

/// Status reports of one application are at least this far apart, unless it has just become
/// healthy and synced, or degraded.
const REPORT_PAUSE: Duration = Duration::from_millis(200);
/// Applications with more objects wait for the pause before it is known whether there is news.
const LARGE: usize = 100;
/// How soon a report is tried again when the session has no room for it.
const REPORT_RETRY: Duration = Duration::from_millis(100);
/// A watch that fails this often in a row is told to those who need it.
const WATCH_FAILURES_TOLD: u32 = 3;

/// The end of a pass, from its task.
pub(super) struct PassEnd {
    name: ApplicationName,
    slot: Slot,
    outcome: Ended,
}

enum Ended {
    Sync(Box<SyncOutcome>),
    Repair(RepairOutcome),
    Removal(Box<RemovalOutcome>),
    Panicked(String),
}

/// What the engine's own tasks send to its loop.
pub(super) enum Notice {
    Pass(PassEnd),
    /// The kinds of the cluster were read anew, as far as it answered.
    Discovered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Sync,
    Repair,
}

struct Watch {
    task: TaskHandle,
    /// The number of the present listing.
    listing: u64,
    /// A first list is complete, so that what was not seen is not there.
    listed: bool,
    failures: u32,
    failure: Option<String>,
}

/// What was reported of an application, and when.
struct Reported {
    at: Duration,
    digest: Digest,
    edge: (SyncStatus, Health),
}

pub(super) struct Engine {
    means: Means,
    clock: Clock,
    supervisor: Supervisor,
    watch_tx: mpsc::Sender<(Arc<GroupKind>, WatchEvent)>,
    notices: mpsc::Sender<Notice>,
    units: BTreeMap<ApplicationName, Unit>,
    /// The hash of an object's key → the applications that have it; two only when they share an
    /// implicit namespace or dispute an object.
    owners: HashMap<u64, Vec<ApplicationName>>,
    watches: BTreeMap<GroupKind, Watch>,
    /// The hashes of the kinds that were found to need a watch.
    watched: HashSet<u64>,
    syncs: Agenda,
    repairs: Agenda,
    reports: Agenda,
    running_syncs: usize,
    running_repairs: usize,
    reported: HashMap<ApplicationName, Reported>,
    /// Tombstones that were fulfilled and are still in the desired set.
    removed: BTreeMap<ApplicationName, Digest>,
    outgoing: VecDeque<Report>,
    dropped: u64,
    incidents: u64,
    /// Objects came or went since the watches were adjusted.
    kinds_changed: bool,
}

impl Engine {
    pub(super) fn new(
        means: Means,
        clock: Clock,
        supervisor: Supervisor,
        watch_tx: mpsc::Sender<(Arc<GroupKind>, WatchEvent)>,
        notices: mpsc::Sender<Notice>,
        stored: BTreeMap<ApplicationName, Stored>,
    ) -> Self {
        let units: BTreeMap<_, _> = stored
            .into_iter()
            .map(|(name, stored)| (name.clone(), Unit::new(name, Some(stored))))
            .collect();
        let mut engine = Self {
            means,
            clock,
            supervisor,
            watch_tx,
            notices,
            units,
            owners: HashMap::new(),
            watches: BTreeMap::new(),
            watched: HashSet::new(),
            syncs: Agenda::default(),
            repairs: Agenda::default(),
            reports: Agenda::default(),
            running_syncs: 0,
            running_repairs: 0,
            reported: HashMap::new(),
            removed: BTreeMap::new(),
            outgoing: VecDeque::new(),
            dropped: 0,
            incidents: 0,
            kinds_changed: true,
        };
        let names: Vec<_> = engine.units.keys().cloned().collect();
        for name in &names {
            engine.index(name);
        }
        engine
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            wall: Timestamp(self.clock.wall_ms()),
            jitter: rand::rng().random_range(-1.0..=1.0),
        }
    }

    /// Takes over a desired set. What it does not mention stays as it is (law L1).
    pub(super) fn want(&mut self, desired: &DesiredSet) {
        let now = self.clock.now();
        for name in desired.applications.keys() {
            if !self.units.contains_key(name) {
                self.units.insert(name.clone(), Unit::new(name.clone(), None));
            }
        }
        self.removed.retain(|name, version| {
            desired.removals.get(name).is_some_and(|tombstone| tombstone.version == *version)
        });
        for (name, tombstone) in &desired.removals {
            let wanted = desired.applications.contains_key(name);
            if !wanted && !self.units.contains_key(name) && !self.removed.contains_key(name) {
                // It was removed before, or never came here: there is nothing left to do.
                self.removed.insert(name.clone(), tombstone.version);
                self.outgoing.push_back(Report::Removed {
                    name: name.clone(),
                    version: tombstone.version,
                    pruned: 0,
                    orphaned: 0,
                });
            }
        }
        let names: Vec<_> = self.units.keys().cloned().collect();
        for name in names {
            if let Some(unit) = self.units.get_mut(&name) {
                unit.want(desired.applications.get(&name), desired.removals.get(&name), now);
            }
            self.schedule(&name);
        }
    }

    pub(super) fn command(&mut self, command: &EngineCommand) {
        let now = self.clock.now();
        let name = match command {
            EngineCommand::Refresh => return self.discover(),
            EngineCommand::Sync { application } | EngineCommand::ApprovePrune { application } => {
                application
            }
        };
        let Some(unit) = self.units.get_mut(name) else {
            tracing::warn!(application = %name, ?command, "a command for an unknown application");
            return;
        };
        match command {
            EngineCommand::ApprovePrune { .. } => unit.approve_prune(now),
            EngineCommand::Sync { .. } | EngineCommand::Refresh => unit.sync_by_hand(now),
        }
        self.schedule(name);
    }

    /// Reads the kinds anew; when that is done all applications are rendered again.
    fn discover(&self) {
        let (means, tx) = (self.means.clone(), self.notices.clone());
        self.supervisor.spawn("discovery", async move {
            if let Err(refusal) = means.refresh().await {
                tracing::warn!(reason = %refusal, "the kinds of the cluster were not read anew");
            }
            // The receiver is gone only when the process is stopping.
            let _stopping = tx.send(Notice::Discovered).await;
        });
    }

    pub(super) fn discovered(&mut self) {
        let now = self.clock.now();
        let names: Vec<_> = self.units.keys().cloned().collect();
        for name in names {
            if let Some(unit) = self.units.get_mut(&name) {
                unit.refresh(now);
            }
            self.schedule(&name);
        }
    }

    /// An event of a watch.
    pub(super) fn seen(&mut self, kind: &Arc<GroupKind>, event: WatchEvent) {
        let moment = self.moment();
        let Some(watch) = self.watches.get_mut(&**kind) else { return };
        match event {
            WatchEvent::Listing => watch.listing += 1,
            WatchEvent::Seen(seen) => {
                watch.failures = 0;
                let listing = watch.listing;
                self.observed(*seen, listing, moment);
            }
            WatchEvent::Left(seen) => {
                for name in self.owners_of(&seen.key) {
                    if let Some(unit) = self.units.get_mut(&name) {
                        unit.left(&seen, moment);
                    }
                    self.schedule(&name);
                }
            }
            WatchEvent::Listed { resource_version } => {
                watch.failures = 0;
                watch.failure = None;
                watch.listed = true;
                let listing = watch.listing;
                let names: Vec<_> = self.units.keys().cloned().collect();
                for name in names {
                    if let Some(unit) = self.units.get_mut(&name) {
                        unit.listed(kind, listing, resource_version, moment);
                    }
                    self.schedule(&name);
                }
            }
            WatchEvent::Watching => {}
            WatchEvent::Failed(refusal) => {
                watch.failures += 1;
                watch.failure = Some(refusal.message.clone());
                tracing::warn!(kind = kind.kind, group = kind.group, reason = %refusal, "a watch failed");
                if watch.failures == WATCH_FAILURES_TOLD {
                    self.everybody_of(kind);
                }
            }
        }
    }

    /// Those who have objects of a kind show it in their status.
    fn everybody_of(&mut self, kind: &GroupKind) {
        let has = |unit: &Unit| {
            unit.kinds().any(|(key, _)| key.kind == kind.kind && key.group == kind.group)
        };
        let names: Vec<_> =
            self.units.iter().filter(|(_, unit)| has(unit)).map(|(name, _)| name.clone()).collect();
        for name in names {
            if let Some(unit) = self.units.get_mut(&name) {
                unit.changed = true;
            }
            self.schedule(&name);
        }
    }

    fn observed(&mut self, seen: Observation, listing: u64, moment: Moment) {
        let established = seen.key.kind == "CustomResourceDefinition"
            && seen.health.as_ref().is_some_and(|verdict| verdict.health == Health::Healthy);
        let mut names = self.owners_of(&seen.key);
        if names.is_empty() {
            // A pass may be making it at this moment.
            let name = seen.annotations.application.as_deref().and_then(|name| name.parse().ok());
            names.extend(name.filter(|name| {
                self.units.get(name).is_some_and(|unit| unit.busy && unit.knows(&seen))
            }));
        }
        let last = names.len().saturating_sub(1);
        let mut seen = Some(seen);
        for (index, name) in names.iter().enumerate() {
            let observation = if index == last { seen.take() } else { seen.clone() };
            if let (Some(unit), Some(observation)) = (self.units.get_mut(name), observation) {
                unit.observe(observation, listing, moment);
            }
            self.schedule(name);
        }
        if established {
            self.kinds_arrived(moment.now);
        }
    }

    fn kinds_arrived(&mut self, now: Duration) {
        let names: Vec<_> = self.units.keys().cloned().collect();
        for name in names {
            if let Some(unit) = self.units.get_mut(&name) {
                unit.kinds_changed(now);
            }
            self.schedule(&name);
        }
    }

    fn owners_of(&self, key: &ObjectKey) -> Vec<ApplicationName> {
        self.owners.get(&hash(key)).cloned().unwrap_or_default()
    }

    /// Notes which objects an application has.
    fn index(&mut self, name: &ApplicationName) {
        let Some(unit) = self.units.get(name) else { return };
        for (key, _) in unit.kinds() {
            let owners = self.owners.entry(hash(key)).or_default();
            if !owners.contains(name) {
                owners.push(name.clone());
                self.kinds_changed |= !self.watched.contains(&hash_kind(&key.group, &key.kind));
            }
        }
    }

    fn unindex(&mut self, name: &ApplicationName, gone: &BTreeSet<u64>) {
        for hash in gone {
            if let Some(owners) = self.owners.get_mut(hash) {
                owners.retain(|owner| owner != name);
                if owners.is_empty() {
                    self.owners.remove(hash);
                }
            }
        }
        self.kinds_changed |= !gone.is_empty();
    }

    /// A pass has ended.
    pub(super) fn pass_ended(&mut self, end: PassEnd) {
        let moment = self.moment();
        match end.slot {
            Slot::Sync => self.running_syncs -= 1,
            Slot::Repair => self.running_repairs -= 1,
        }
        let name = end.name;
        let Some(unit) = self.units.get_mut(&name) else { return };
        let before: BTreeSet<u64> = unit.kinds().map(|(key, _)| hash(key)).collect();
        let watches = &self.watches;
        let watched = |key: &ObjectKey| {
            let kind = GroupKind { group: key.group.clone(), kind: key.kind.clone() };
            watches.get(&kind).is_some_and(|watch| watch.listed)
        };
        let told = match end.outcome {
            Ended::Sync(outcome) => unit.finish_sync(*outcome, watched, moment),
            Ended::Repair(outcome) => unit.finish_repair(outcome, moment),
            Ended::Removal(outcome) => unit.finish_removal(*outcome, moment),
            Ended::Panicked(message) => {
                unit.finish_panic(&message, moment);
                Vec::new()
            }
        };
        let after: BTreeSet<u64> = unit.kinds().map(|(key, _)| hash(key)).collect();
        let gone: BTreeSet<u64> = before.difference(&after).copied().collect();
        self.unindex(&name, &gone);
        self.index(&name);
        for told in told {
            self.tell(&name, told);
        }
        self.schedule(&name);
    }

    /// Puts an application on the agendas.
    fn schedule(&mut self, name: &ApplicationName) {
        let unit = self.units.get(name);
        self.syncs.set(name, unit.and_then(Unit::sync_due));
        self.repairs.set(name, unit.and_then(Unit::repair_due));
        let changed = unit.is_some_and(|unit| unit.changed && unit.desired.is_some());
        // A large status is not composed for every event, only to find that it can wait.
        let large = unit.is_some_and(|unit| unit.records.len() > LARGE);
        let at = changed.then(|| match self.reported.get(name) {
            Some(reported) if large => reported.at + REPORT_PAUSE,
            _ => self.clock.now(),
        });
        self.reports.set(name, at);
    }

    /// When there is something to do without an event.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let slots = self.means.config.concurrency.max(1);
        let syncs = if self.running_syncs < slots { self.syncs.next() } else { None };
        let repairs = if self.running_repairs < slots { self.repairs.next() } else { None };
        let stuck = (!self.outgoing.is_empty()).then(|| self.clock.now() + REPORT_RETRY);
        [syncs, repairs, self.reports.next(), stuck].into_iter().flatten().min()
    }

    /// Starts the passes that are due, and the watches that are needed.
    pub(super) fn work(&mut self) {
        if self.kinds_changed {
            self.kinds_changed = false;
            self.adjust_watches();
        }
        let slots = self.means.config.concurrency.max(1);
        let now = self.clock.now();
        while self.running_repairs < slots {
            let Some(name) = self.repairs.pop_due(now) else { break };
            let pass = self.units.get_mut(&name).and_then(|unit| unit.begin_repair(now));
            self.start(&name, pass, Slot::Repair);
        }
        while self.running_syncs < slots {
            let Some(name) = self.syncs.pop_due(now) else { break };
            let used = self.used_namespaces(&name);
            let pass = self.units.get_mut(&name).and_then(|unit| unit.begin_sync(now, used));
            self.start(&name, pass, Slot::Sync);
        }
    }

    /// Of the namespaces that an application has as objects: those where others have objects.
    fn used_namespaces(&self, name: &ApplicationName) -> BTreeSet<String> {
        let own = self.units.get(name).map(Unit::own_namespaces).unwrap_or_default();
        own.into_iter()
            .filter(|namespace| {
                self.units
                    .iter()
                    .any(|(other, unit)| other != name && unit.has_objects_in(namespace))
            })
            .map(str::to_owned)
            .collect()
    }

    fn start(&mut self, name: &ApplicationName, pass: Option<Pass>, slot: Slot) {
        self.schedule(name);
        let Some(pass) = pass else {
            // Nothing to do after all: until the next event, or the loop would spin.
            match slot {
                Slot::Sync => self.syncs.set(name, None),
                Slot::Repair => self.repairs.set(name, None),
            }
            return;
        };
        match slot {
            Slot::Sync => self.running_syncs += 1,
            Slot::Repair => self.running_repairs += 1,
        }
        let (means, tx) = (self.means.clone(), self.notices.clone());
        let task_name = format!("{} {name}", label(&pass));
        let name = name.clone();
        self.supervisor.spawn(task_name, async move {
            let work = Box::pin(run_pass(means, pass));
            let outcome = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(outcome) => outcome,
                Err(panic) => Ended::Panicked(panic_text(&*panic)),
            };
            // The receiver is gone only when the process is stopping.
            let _stopping = tx.send(Notice::Pass(PassEnd { name, slot, outcome })).await;
        });
    }

    /// One watch for each kind in the inventories, none for others.
    fn adjust_watches(&mut self) {
        let mut needed: BTreeMap<GroupKind, &str> = BTreeMap::new();
        for unit in self.units.values() {
            for (key, api_version) in unit.kinds() {
                let known = needed.keys().any(|k| k.kind == key.kind && k.group == key.group);
                if !known {
                    let kind = GroupKind { group: key.group.clone(), kind: key.kind.clone() };
                    needed.insert(kind, api_version);
                }
            }
        }
        self.watches.retain(|kind, watch| {
            let keep = needed.contains_key(kind);
            if !keep {
                watch.task.abort();
            }
            keep
        });
        self.watched = needed.keys().map(|kind| hash_kind(&kind.group, &kind.kind)).collect();
        let kinds = self.means.discovery.kinds();
        for (kind, api_version) in needed {
            let running = self.watches.get(&kind).is_some_and(|watch| !watch.task.is_finished());
            if running {
                continue;
            }
            // A kind that is not served has no objects to watch; the next pass looks again.
            let Some(resource) = kinds.find_any(api_version, &kind.kind) else {
                self.watched.remove(&hash_kind(&kind.group, &kind.kind));
                continue;
            };
            let target = Target {
                resource: resource.clone(),
                namespace: String::new(),
                selector: format!("{PART_OF_LABEL}={}", self.means.config.inventory_id),
                full: health::has_rule(&kind.group, &kind.kind),
                page_size: self.means.config.watch_page_size.max(1),
            };
            let work = watch::run(self.means.cluster.clone(), target, self.watch_tx.clone());
            let shutdown = self.supervisor.token();
            let task = self.supervisor.spawn(format!("watch {}", kind.kind), async move {
                // It only reads: there is nothing to finish.
                shutdown.run_until_cancelled(work).await;
            });
            let watch = Watch { task, listing: 0, listed: false, failures: 0, failure: None };
            self.watches.insert(kind, watch);
        }
    }
}

async fn run_pass(means: Means, pass: Pass) -> Ended {
    match pass {
        Pass::Sync(request) => Ended::Sync(Box::new(sync::run(means, *request).await)),
        Pass::Repair(request) => Ended::Repair(repair::run(means, *request).await),
        Pass::Remove(request) => Ended::Removal(Box::new(removal::run(means, *request).await)),
    }
}

fn label(pass: &Pass) -> &'static str {
    match pass {
        Pass::Sync(_) => "sync",
        Pass::Repair(_) => "repair",
        Pass::Remove(_) => "remove",
    }
}

fn hash(key: &ObjectKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn hash_kind(group: &str, kind: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (group, kind).hash(&mut hasher);
    hasher.finish()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
