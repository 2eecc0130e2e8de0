//! The status of one application, from what its unit knows. Pure.
//!
//! It tells the truth (law L10): what was not seen since the last apply is not called healthy, and
//! what was not compared is not called synced.

use model::status::{ApplicationStatus, Condition, Health, ResourceStatus, SyncStatus, Timestamp};

use super::record::{Live, Record, State, TroubleKind};
use super::unit::Unit;
use crate::health;

/// The most conditions in one status: a namespace that is missing would otherwise give one for
/// each of a thousand objects.
const MAX_CONDITIONS: usize = 20;

/// The status now; `None` for an application that is not mentioned.
pub(super) fn status(unit: &Unit, watch_failures: &[Condition]) -> Option<ApplicationStatus> {
    let desired = unit.desired.as_ref()?;
    let resources: Vec<ResourceStatus> = unit
        .records
        .iter()
        .map(|(key, record)| {
            let (sync, message) = sync_of(record);
            let (health, reason) = health_of(key, record);
            let message = if message.is_empty() { reason } else { message };
            ResourceStatus { object: key.clone(), sync, health, message }
        })
        .collect();
    let current = unit.attempted == Some(desired.version());
    let in_order = resources.iter().all(|resource| resource.sync == SyncStatus::Synced);
    let sync = match () {
        () if unit.blocked.is_some() => SyncStatus::Unknown,
        () if unit.attempted.is_none() => SyncStatus::Unknown,
        () if current && in_order && unit.problems.is_empty() && unit.done.is_some() => {
            SyncStatus::Synced
        }
        () => SyncStatus::OutOfSync,
    };
    let conditions = conditions(unit, watch_failures);
    Some(ApplicationStatus {
        name: unit.name.clone(),
        accepted: desired.version(),
        applied: unit.done.map(|(version, _)| version),
        revision: unit.done.map(|(_, revision)| revision),
        inventory: unit.done.map(|_| unit.inventory_digest()),
        sync,
        health: worst(unit),
        message: message(unit, &resources),
        conditions,
        resources,
        changed_at: Timestamp::default(),
    })
}

fn sync_of(record: &Record) -> (SyncStatus, String) {
    if !record.wanted {
        let message = match &record.state {
            State::Removing(reason) if !reason.is_empty() => reason.clone(),
            _ => "it is no longer in Git".to_owned(),
        };
        return (SyncStatus::OutOfSync, message);
    }
    match &record.trouble.as_ref().map(|trouble| &trouble.kind) {
        Some(TroubleKind::Drifted { .. }) => {
            let message = "fields of it were changed in the cluster".to_owned();
            return (SyncStatus::OutOfSync, message);
        }
        Some(TroubleKind::Missing) => {
            return (SyncStatus::OutOfSync, "it was deleted from the cluster".to_owned());
        }
        Some(TroubleKind::Suspect) | None => {}
    }
    match &record.state {
        State::Applied | State::Recorded => (SyncStatus::Synced, String::new()),
        State::WouldChange => {
            (SyncStatus::OutOfSync, "an apply would change it; sync it by hand".to_owned())
        }
        State::WaitingForKind(message)
        | State::Conflict(message)
        | State::Shared(message)
        | State::Removing(message)
        | State::Failed(message) => (SyncStatus::OutOfSync, message.clone()),
    }
}

/// The health of an object, as far as it has one.
fn health_of(key: &model::manifest::ObjectKey, record: &Record) -> (Option<Health>, String) {
    if matches!(record.state, State::Conflict(_) | State::Shared(_)) && !record.entry.is_applied() {
        // It exists, and is not ours to watch.
        return (Some(Health::Unknown), String::new());
    }
    if record.live == Live::Gone || !record.entry.is_applied() {
        return (Some(Health::Missing), "it does not exist".to_owned());
    }
    match record.current_health() {
        Some(verdict) => (Some(verdict.health), verdict.message.clone()),
        None if health::has_rule(&key.group, &key.kind) => {
            (Some(Health::Progressing), "it was not seen since it was applied".to_owned())
        }
        None => (None, String::new()),
    }
}

fn worst(unit: &Unit) -> Health {
    if unit.done.is_none() && unit.records.values().all(|record| !record.entry.is_applied()) {
        return Health::Missing;
    }
    let wanted = unit.records.iter().filter(|(_, record)| record.wanted);
    wanted.filter_map(|(key, record)| health_of(key, record).0).max().unwrap_or(Health::Healthy)
}

/// The most important sentence.
fn message(unit: &Unit, resources: &[ResourceStatus]) -> String {
    if let Some(blocked) = &unit.blocked {
        return blocked.message.clone();
    }
    if let Some(problem) = unit.problems.first() {
        return problem.clone();
    }
    let out_of_sync = resources.iter().find(|resource| resource.sync != SyncStatus::Synced);
    let unhealthy = || {
        let bad = |health| health != Health::Healthy && health != Health::Suspended;
        resources
            .iter()
            .filter(|resource| resource.health.is_some_and(bad))
            .max_by_key(|resource| resource.health)
    };
    match out_of_sync.or_else(unhealthy) {
        Some(resource) => format!("{}: {}", resource.object, resource.message),
        None => String::new(),
    }
}

fn conditions(unit: &Unit, watch_failures: &[Condition]) -> Vec<Condition> {
    let mut conditions = unit.conditions.clone();
    conditions.extend(unit.blocked.clone());
    conditions.extend(watch_failures.iter().cloned());
    let mut add = |kind: &str, message: String| {
        conditions.push(Condition { kind: kind.to_owned(), message });
    };
    for problem in &unit.problems {
        add("InvalidManifest", problem.clone());
    }
    if unit.damaged {
        let message = "the inventory could not be read; objects that left Git before are not \
                       pruned"
            .to_owned();
        add("InventoryDamaged", message);
    }
    for (key, record) in unit.records.iter().filter(|(_, record)| record.wanted) {
        let kind = match &record.state {
            State::WaitingForKind(_) => "WaitingForKind",
            State::Conflict(_) => "Conflict",
            State::Shared(_) => "SharedResource",
            State::Failed(_) => "ApplyFailed",
            _ => "",
        };
        if let State::WaitingForKind(message)
        | State::Conflict(message)
        | State::Shared(message)
        | State::Failed(message) = &record.state
        {
            add(kind, format!("{key}: {message}"));
        }
        if record.trouble.as_ref().is_some_and(|trouble| trouble.repair.fighting) {
            let message = "others undo every repair; it is repaired every ten minutes";
            add("Fighting", format!("{key}: {message}"));
        }
    }
    conditions.sort_by(|a, b| (&a.kind, &a.message).cmp(&(&b.kind, &b.message)));
    conditions.dedup();
    if conditions.len() > MAX_CONDITIONS {
        let more = conditions.len() - MAX_CONDITIONS;
        conditions.truncate(MAX_CONDITIONS);
        conditions.push(Condition {
            kind: "MoreConditions".to_owned(),
            message: format!("and {more} more; each object's own message has the rest"),
        });
    }
    conditions
}
