//! What people see, put together from what is wanted and what was reported. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::name::ClusterName;
use model::status::{Condition, Health, SyncStatus};
use model::view::{ApplicationView, ClusterView, SetView, StatusSource};

use crate::enrol::ClusterRecord;
use crate::fleet::{ApplicationEntry, FleetSnapshot, SetEntry};
use crate::status::{ClusterStatus, Reported};

/// Everything that views are made of, as it is now.
pub(crate) struct World {
    pub(crate) fleet: Arc<FleetSnapshot>,
    pub(crate) clusters: Vec<ClusterRecord>,
    pub(crate) statuses: BTreeMap<ClusterName, Arc<ClusterStatus>>,
}

impl World {
    pub(crate) fn clusters(&self) -> Vec<ClusterView> {
        self.clusters.iter().map(|known| self.cluster(known)).collect()
    }

    pub(crate) fn applications(&self, detail: bool) -> Vec<ApplicationView> {
        self.fleet.applications.iter().map(|entry| self.application(entry, detail)).collect()
    }

    pub(crate) fn sets(&self) -> Vec<SetView> {
        self.fleet.sets.iter().map(|entry| self.set(entry)).collect()
    }

    fn status(&self, cluster: &ClusterName) -> Arc<ClusterStatus> {
        self.statuses.get(cluster).cloned().unwrap_or_default()
    }

    fn cluster(&self, known: &ClusterRecord) -> ClusterView {
        let status = self.status(&known.name);
        let entries = self.fleet.applications.iter().filter(|entry| entry.cluster == known.name);
        let applications: Vec<_> = entries.map(|entry| self.application(entry, false)).collect();
        let count = |test: fn(&ApplicationView) -> bool| {
            live(&applications).filter(|view| test(view)).count()
        };
        let state =
            match (known.is_revoked(), known.is_pending(), status.connected, status.last_seen) {
                (true, ..) => "Revoked",
                (_, true, ..) => "Pending",
                (_, _, true, _) => "Connected",
                (_, _, _, Some(_)) => "Disconnected",
                _ => "NeverSeen",
            };
        // With what documents add to it.
        let merged = self.fleet.clusters.get(&known.name).map(|cluster| &cluster.metadata);
        let labels = merged.map_or(&known.labels, |metadata| &metadata.labels);
        let annotations = merged.map_or(&known.annotations, |metadata| &metadata.annotations);
        ClusterView {
            name: known.name.clone(),
            labels: labels.clone(),
            annotations: annotations.clone(),
            state: state.to_owned(),
            source: source(&status),
            last_seen: status.last_seen,
            hold: status.hold,
            held_removals: status.held_removals.clone(),
            kubernetes_version: status.kubernetes_version.clone(),
            agent_version: status.agent_version.clone(),
            tools: status.tools.clone(),
            applications: applications.len(),
            synced: count(|view| view.sync == SyncStatus::Synced),
            healthy: count(|view| view.health == Health::Healthy),
            certificate_expires: known.certificate_expires(),
            decisions: status.decisions.clone(),
        }
    }

    fn application(&self, entry: &ApplicationEntry, detail: bool) -> ApplicationView {
        let status = self.status(&entry.cluster);
        let desired = entry.desired.application();
        let reported = status.applications.get(&desired.name).map(Arc::as_ref);
        let (sync, message) = verdict(entry, &status, reported);
        let mut conditions =
            reported.map(|reported| reported.status.conditions.clone()).unwrap_or_default();
        conditions.extend(rejection(entry, &status));
        let incidents = status.incidents.iter().rev();
        let incidents = incidents.filter(|incident| incident.application == desired.name);
        ApplicationView {
            name: desired.name.clone(),
            cluster: entry.cluster.clone(),
            set: desired.set.clone(),
            project: desired.project.clone(),
            repo_url: desired.source.repo_url.clone(),
            path: desired.source.path.clone(),
            target_revision: desired.source.target_revision.clone(),
            namespace: desired.namespace.clone(),
            revision: desired.revision,
            version: entry.desired.version(),
            accepted: reported.map(|reported| reported.status.accepted),
            applied: reported.and_then(|reported| reported.status.applied),
            applied_revision: reported.and_then(|reported| reported.status.revision),
            sync,
            health: reported.map_or(Health::Unknown, |reported| reported.status.health),
            message,
            conditions,
            paused: desired.paused,
            removal: entry.removal.clone(),
            source: if reported.is_some() { source(&status) } else { StatusSource::NeverSeen },
            reported_at: reported.map(|reported| reported.at),
            resources: reported
                .filter(|_| detail)
                .map(|reported| reported.status.resources.clone())
                .unwrap_or_default(),
            incidents: if detail { incidents.take(20).cloned().collect() } else { Vec::new() },
        }
    }

    fn set(&self, entry: &SetEntry) -> SetView {
        let entries = self.fleet.applications.iter();
        let entries =
            entries.filter(|one| one.desired.application().set.as_ref() == Some(&entry.name));
        let applications: Vec<_> = entries.map(|entry| self.application(entry, false)).collect();
        let synced = live(&applications).filter(|view| view.sync == SyncStatus::Synced);
        let healthy = live(&applications).filter(|view| view.health == Health::Healthy);
        SetView {
            name: entry.name.clone(),
            origin: entry.origin.clone(),
            commit: entry.commit,
            applications: applications.len(),
            synced: synced.count(),
            healthy: healthy.count(),
            held: entry.held.clone(),
            parked: entry.parked.clone(),
            problems: entry.problems.clone(),
        }
    }
}

/// Only what is known now counts as synced or healthy (law L10).
fn live(views: &[ApplicationView]) -> impl Iterator<Item = &ApplicationView> {
    views.iter().filter(|view| view.source == StatusSource::Live)
}

fn source(status: &ClusterStatus) -> StatusSource {
    match (status.connected, status.last_seen) {
        (true, _) => StatusSource::Live,
        (false, Some(_)) => StatusSource::LastKnown,
        (false, None) => StatusSource::NeverSeen,
    }
}

/// What is reported of an older version says nothing about the wanted one (law L10).
fn verdict(
    entry: &ApplicationEntry,
    status: &ClusterStatus,
    reported: Option<&Reported>,
) -> (SyncStatus, String) {
    let Some(Reported { status: reported, .. }) = reported else {
        let why = if status.connected {
            "not reported yet"
        } else if status.last_seen.is_some() {
            "the spoke is disconnected and has not reported it"
        } else {
            "the spoke has never connected"
        };
        return (SyncStatus::Unknown, why.to_owned());
    };
    let wanted = entry.desired.version();
    if reported.applied == Some(wanted) || reported.accepted == wanted {
        return (reported.sync, reported.message.clone());
    }
    let why = if status.connected {
        "the spoke has not taken the wanted version yet".to_owned()
    } else {
        "the spoke is disconnected; it runs an older version".to_owned()
    };
    (SyncStatus::OutOfSync, why)
}

fn rejection(entry: &ApplicationEntry, status: &ClusterStatus) -> Option<Condition> {
    let rejection = status.rejected.get(entry.desired.name())?;
    (rejection.version == entry.desired.version()).then(|| Condition {
        kind: "Refused".to_owned(),
        message: format!("{}: {}", rejection.code, rejection.message),
    })
}
