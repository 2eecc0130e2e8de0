//! The units' promises: what makes a pass, and what never does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::application::{Automated, Source, SyncPolicy};
use model::canonical::Digest;
use model::desired::{DesiredApplication, Tombstone, VersionedApplication};
use model::id::{CommitId, Epoch};
use model::manifest::ObjectKey;
use model::name::ApplicationName;
use model::set::OnRemoval;
use model::status::{Health, IncidentOutcome, SyncStatus, Timestamp};
use proptest::prelude::*;

use super::pass::Outcome;
use super::record::Moment;
use super::removal::{RemovalOutcome, Removed};
use super::repair::Repaired;
use super::report::status;
use super::sync::{Blocked, SyncOutcome, SyncRequest};
use super::unit::{Pass, Told, Unit};
use crate::inventory::store::Parts;
use crate::inventory::{Entry, Inventory};
use crate::kubernetes::fields::Taken;
use crate::kubernetes::metadata::{Annotations, Observation};
use crate::reconcile::payload::Class;

const MANAGER: &str = "muster:web";

fn name() -> ApplicationName {
    ApplicationName::new("web").unwrap()
}

fn moment(seconds: u64) -> Moment {
    Moment { now: Duration::from_secs(seconds), wall: Timestamp(1_000), jitter: 0.0 }
}

fn desired(commit: u8, automated: Option<Automated>, paused: bool) -> VersionedApplication {
    let application = DesiredApplication {
        name: name(),
        project: "default".to_owned(),
        set: None,
        source: Source {
            repo_url: "https://git.example/a.git".to_owned(),
            target_revision: String::new(),
            path: "web".to_owned(),
            directory: None,
            kustomize: None,
            helm: None,
        },
        revision: CommitId::from_bytes([commit; 20]),
        namespace: "shop".to_owned(),
        sync_policy: SyncPolicy { automated, ..SyncPolicy::default() },
        ignore_differences: Vec::new(),
        paused,
    };
    VersionedApplication::new(application).unwrap()
}

fn automatic() -> Option<Automated> {
    Some(Automated { enabled: true, prune: true, self_heal: true, allow_empty: false })
}

fn tombstone() -> Tombstone {
    Tombstone {
        name: name(),
        version: Digest::of(b"web"),
        on_removal: OnRemoval::Prune,
        actor: "a".to_owned(),
        reason: "b".to_owned(),
        commit: None,
        epoch: Epoch { id: 1, counter: 1 },
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

fn seen(name: &str, version: u64, own: u64) -> Observation {
    Observation {
        key: key(name),
        uid: "u".to_owned(),
        resource_version: version,
        own: vec![(MANAGER.to_owned(), own)],
        deleting: false,
        finalizers: Vec::new(),
        annotations: Annotations::default(),
        health: None,
        managed_fields: "[]".into(),
    }
}

fn entry() -> Entry {
    Entry { uid: "u".to_owned(), desired: 1, own: 7, ..Entry::new("v1", Class::Normal) }
}

fn sync_of(unit: &mut Unit, now: u64) -> Option<SyncRequest> {
    let due = unit.sync_due()?;
    if due > Duration::from_secs(now) {
        return None;
    }
    match unit.begin_sync(Duration::from_secs(now), BTreeSet::new())? {
        Pass::Sync(request) => Some(*request),
        _ => panic!("not a sync"),
    }
}

/// The outcome of a pass that applied these objects.
fn applied(request: &SyncRequest, names: &[&str]) -> SyncOutcome {
    let objects: BTreeMap<_, _> = names
        .iter()
        .map(|name| {
            let applied =
                Outcome::Applied { seen: Box::new(seen(name, 100, 7)), taken: Vec::new() };
            (key(name), (entry(), applied))
        })
        .collect();
    let entries = objects.iter().map(|(k, (e, _))| (k.clone(), e.clone())).collect();
    SyncOutcome {
        version: request.version,
        compared: request.compare,
        blocked: None,
        objects,
        problems: Vec::new(),
        inventory: Inventory { entries },
        parts: Parts::default(),
        removed: Removed::default(),
        conditions: Vec::new(),
    }
}

/// A unit with one applied object.
fn settled() -> Unit {
    let mut unit = Unit::new(name(), None);
    unit.want(Some(&desired(1, automatic(), false)), None, Duration::ZERO);
    let request = sync_of(&mut unit, 0).unwrap();
    unit.finish_sync(applied(&request, &["a"]), |_| true, moment(1));
    unit
}

#[test]
fn one_version_is_synced_once() {
    let unit = settled();
    assert_eq!(unit.sync_due(), None);
    assert_eq!(unit.repair_due(), None);
    let status = status(&unit, &[]).unwrap();
    assert_eq!((status.sync, status.health), (SyncStatus::Synced, Health::Healthy));
    assert_eq!(status.applied, Some(desired(1, automatic(), false).version()));
    assert_eq!(status.revision, Some(CommitId::from_bytes([1; 20])));
}

#[test]
fn what_is_not_mentioned_stays_as_it_is() {
    let mut unit = settled();
    unit.want(None, None, Duration::from_secs(5));
    assert_eq!(unit.sync_due(), None);
    // Not even its drift is touched: nobody says any more how it should be.
    unit.observe(seen("a", 101, 6), 1, moment(6));
    assert_eq!(unit.repair_due(), None);
    assert_eq!(unit.kinds().count(), 1);
    assert!(status(&unit, &[]).is_none());
}

#[test]
fn a_failed_render_changes_nothing_and_is_tried_again_later() {
    let mut unit = settled();
    unit.want(Some(&desired(2, automatic(), false)), None, Duration::from_secs(10));
    let request = sync_of(&mut unit, 10).unwrap();
    let blocked = Blocked { condition: "RenderFailed", message: "no such path".to_owned() };
    let outcome = SyncOutcome {
        blocked: Some(blocked),
        objects: BTreeMap::new(),
        ..applied(&request, &["a"])
    };
    unit.finish_sync(outcome, |_| true, moment(11));
    assert!(unit.records[&key("a")].wanted);
    let now = status(&unit, &[]).unwrap();
    assert_eq!((now.sync, now.health), (SyncStatus::Unknown, Health::Healthy));
    assert_eq!(now.applied, Some(desired(1, automatic(), false).version()));
    assert_eq!(now.message, "no such path");
    assert_eq!(unit.sync_due(), Some(Duration::from_secs(16)));
    let again = sync_of(&mut unit, 16).unwrap();
    assert_eq!(again.version, desired(2, automatic(), false).version());
}

#[test]
fn a_drift_is_repaired_at_once_and_told() {
    let mut unit = settled();
    unit.observe(seen("a", 100, 7), 1, moment(2));
    assert_eq!(unit.repair_due(), None, "the event of our own apply");
    unit.observe(seen("a", 105, 6), 1, moment(20));
    assert_eq!(unit.repair_due(), Some(Duration::from_secs(20)));
    assert_eq!(status(&unit, &[]).unwrap().sync, SyncStatus::OutOfSync);
    let Some(Pass::Repair(request)) = unit.begin_repair(Duration::from_secs(20)) else {
        panic!("no repair")
    };
    assert!(request.heal);
    // The event of our own repair comes before the end of the pass.
    unit.observe(seen("a", 106, 7), 1, moment(20));
    let taken = Taken {
        fields: vec![".data.x".to_owned()],
        managers: vec!["kubectl-edit".to_owned()],
        applications: Vec::new(),
    };
    let healed = Repaired::Healed { entry: entry(), seen: Box::new(seen("a", 106, 7)), taken };
    let told = unit.finish_repair(BTreeMap::from([(key("a"), healed)]), moment(20));
    let [Told::Incident(incident)] = told.as_slice() else { panic!("one incident") };
    assert_eq!(incident.outcome, IncidentOutcome::Healed);
    assert_eq!(incident.managers, ["kubectl-edit"]);
    assert_eq!(unit.repair_due(), None);
    assert_eq!(status(&unit, &[]).unwrap().sync, SyncStatus::Synced);
}

#[test]
fn an_edit_during_a_pass_is_found_at_its_end() {
    let mut unit = settled();
    unit.refresh(Duration::from_secs(5));
    let request = sync_of(&mut unit, 5).unwrap();
    unit.observe(seen("a", 110, 3), 1, moment(5));
    assert_eq!(unit.repair_due(), None, "one pass at a time");
    let mut outcome = applied(&request, &["a"]);
    outcome.objects.insert(key("a"), (entry(), Outcome::Unchanged));
    unit.finish_sync(outcome, |_| true, moment(6));
    assert_eq!(unit.repair_due(), Some(Duration::from_secs(6)));
}

#[test]
fn without_automation_and_when_paused_a_pass_only_compares() {
    for (automated, paused) in [(None, false), (automatic(), true)] {
        let mut unit = Unit::new(name(), None);
        unit.want(Some(&desired(1, automated.clone(), paused)), None, Duration::ZERO);
        let request = sync_of(&mut unit, 0).unwrap();
        assert!(request.compare && !request.prune && !request.self_heal);
        unit.finish_sync(applied(&request, &[]), |_| true, moment(0));
        unit.sync_by_hand(Duration::from_secs(1));
        let request = sync_of(&mut unit, 1).unwrap();
        // By hand it is applied, but not while it is paused.
        assert_eq!(request.compare, paused);
    }
}

#[test]
fn a_tombstone_removes_what_the_inventory_has_until_it_is_empty() {
    let mut unit = settled();
    let stone = tombstone();
    unit.want(None, Some(&stone), Duration::from_secs(10));
    assert_eq!(unit.sync_due(), Some(Duration::from_secs(10)));
    let Some(Pass::Remove(request)) = unit.begin_sync(Duration::from_secs(10), BTreeSet::new())
    else {
        panic!("no removal")
    };
    assert_eq!(request.inventory.entries.len(), 1);
    let held = RemovalOutcome {
        inventory: request.inventory.clone(),
        parts: Parts::default(),
        removed: Removed { pending: true, ..Removed::default() },
    };
    assert!(unit.finish_removal(held, moment(11)).is_empty());
    assert_eq!(unit.sync_due(), Some(Duration::from_secs(12)));
    assert!(unit.begin_sync(Duration::from_secs(12), BTreeSet::new()).is_some());
    let gone = RemovalOutcome {
        inventory: Inventory::default(),
        parts: Parts::default(),
        removed: Removed { pruned: 1, ..Removed::default() },
    };
    let told = unit.finish_removal(gone, moment(13));
    assert!(matches!(
        told.as_slice(),
        [Told::Removed { version, pruned: 1, orphaned: 0 }] if *version == stone.version
    ));
}

#[test]
fn a_tombstone_loses_against_the_application_itself() {
    let mut unit = settled();
    let wanted = desired(1, automatic(), false);
    unit.want(Some(&wanted), Some(&tombstone()), Duration::from_secs(10));
    assert_eq!(unit.sync_due(), None);
}

#[test]
fn what_a_list_does_not_show_is_looked_at_and_not_believed() {
    use crate::kubernetes::watch::GroupKind;
    let mut unit = settled();
    let kind = GroupKind { group: String::new(), kind: "ConfigMap".to_owned() };
    unit.listed(&kind, 1, 99, moment(2));
    assert_eq!(unit.repair_due(), None, "the list is older than our apply");
    unit.listed(&kind, 1, 200, moment(3));
    assert_eq!(unit.repair_due(), Some(Duration::from_secs(3)));
    // Until somebody has looked, it counts as it was.
    assert_eq!(status(&unit, &[]).unwrap().sync, SyncStatus::Synced);
    assert!(unit.begin_repair(Duration::from_secs(3)).is_some());
    let fine = Repaired::Fine(Box::new(seen("a", 100, 7)));
    assert!(unit.finish_repair(BTreeMap::from([(key("a"), fine)]), moment(3)).is_empty());
    assert_eq!(unit.repair_due(), None);
}

proptest! {
    /// Law L1: whatever is seen, whatever fails, and in whatever order: a unit never removes
    /// anything unless a tombstone is in force, and its records only go with the inventory.
    #[test]
    fn nothing_is_removed_without_a_tombstone(events in proptest::collection::vec(0u8..9, 1..60)) {
        let mut unit = settled();
        let (mut running, mut now): (Option<Pass>, u64) = (None, 10);
        for (index, event) in events.iter().enumerate() {
            now += 3;
            let at = Duration::from_secs(now);
            let version = 100 + index as u64;
            match event {
                0 => unit.want(None, None, at),
                1 => unit.want(Some(&desired(index as u8, automatic(), false)), None, at),
                2 => unit.want(Some(&desired(index as u8, None, index % 2 == 0)), None, at),
                3 => { unit.observe(seen("a", version, 7), 1, moment(now)); }
                4 => { unit.observe(seen("a", version, 3), 1, moment(now)); }
                5 => unit.left(&seen("a", version, 7), moment(now)),
                6 => unit.refresh(at),
                7 if running.is_none() => {
                    running = match unit.sync_due().filter(|due| *due <= at) {
                        Some(_) => unit.begin_sync(at, BTreeSet::new()),
                        None => match unit.repair_due().filter(|due| *due <= at) {
                            Some(_) => unit.begin_repair(at),
                            None => None,
                        },
                    };
                }
                _ => match running.take() {
                    None => {}
                    Some(Pass::Remove(_)) => prop_assert!(false, "a removal without a tombstone"),
                    Some(Pass::Sync(request)) if index % 3 == 0 => {
                        let blocked = Blocked { condition: "RenderFailed", message: "x".to_owned() };
                        let outcome = SyncOutcome {
                            blocked: Some(blocked), objects: BTreeMap::new(),
                            ..applied(&request, &["a"])
                        };
                        unit.finish_sync(outcome, |_| true, moment(now));
                    }
                    Some(Pass::Sync(request)) => {
                        unit.finish_sync(applied(&request, &["a"]), |_| true, moment(now));
                    }
                    Some(Pass::Repair(_)) => unit.finish_panic("x", moment(now)),
                },
            }
            prop_assert_eq!(unit.kinds().count(), 1);
        }
    }
}
