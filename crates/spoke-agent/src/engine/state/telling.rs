//! What the engine tells the session: statuses, incidents, removals; and what happens when nobody
//! takes them. Nothing here waits.

use model::canonical::{self, Digest};
use model::name::ApplicationName;
use model::status::{Condition, Health, SyncStatus, Timestamp};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{Engine, REPORT_PAUSE, REPORT_RETRY, Reported, WATCH_FAILURES_TOLD};
use crate::engine::unit::{Told, Unit};
use crate::engine::{Report, report};

/// Incidents that wait for room; beyond it the oldest are dropped and counted.
const MAX_WAITING_REPORTS: usize = 4_096;

impl Engine {
    pub(super) fn tell(&mut self, name: &ApplicationName, told: Told) {
        match told {
            Told::Incident(mut incident) => {
                if incident.id == 0 {
                    incident.id = self.incident_id();
                }
                if let Some(unit) = self.units.get_mut(name) {
                    unit.told(&incident);
                }
                tracing::info!(
                    application = %name, object = %incident.object, fields = ?incident.fields,
                    managers = ?incident.managers, outcome = ?incident.outcome, "drift"
                );
                self.push(Report::Incident(incident));
            }
            Told::Removed { version, pruned, orphaned } => {
                tracing::info!(application = %name, pruned, orphaned, "removed");
                self.removed.insert(name.clone(), version);
                self.units.remove(name);
                self.reported.remove(name);
                self.push(Report::Removed { name: name.clone(), version, pruned, orphaned });
            }
        }
    }

    /// Unique on this spoke over its restarts, and exact in JSON: milliseconds and a counter.
    fn incident_id(&mut self) -> u64 {
        let millis = u64::try_from(self.clock.wall_ms()).unwrap_or(0);
        self.incidents = (self.incidents + 1).max(millis << 12);
        self.incidents
    }

    fn push(&mut self, report: Report) {
        if self.outgoing.len() >= MAX_WAITING_REPORTS {
            let oldest = self.outgoing.iter().position(|r| matches!(r, Report::Incident(_)));
            if let Some(oldest) = oldest {
                self.outgoing.remove(oldest);
                self.dropped += 1;
                tracing::warn!(dropped = self.dropped, "incidents were dropped: nobody takes them");
            }
        }
        self.outgoing.push_back(report);
    }

    /// Sends what there is to tell, as far as the session has room.
    pub(in crate::engine) fn report(&mut self, reports: &mpsc::Sender<Report>) {
        while let Some(report) = self.outgoing.pop_front() {
            if let Err(TrySendError::Full(report)) = reports.try_send(report) {
                self.outgoing.push_front(report);
                break;
            }
        }
        let now = self.clock.now();
        while let Some(name) = self.reports.pop_due(now) {
            if !self.report_status(&name, reports) {
                self.reports.set(&name, Some(now + REPORT_RETRY));
                return;
            }
        }
    }

    /// Returns false when there is no room.
    fn report_status(&mut self, name: &ApplicationName, reports: &mpsc::Sender<Report>) -> bool {
        let Some(unit) = self.units.get(name) else { return true };
        let failures = self.watch_failures(unit);
        let Some(mut status) = report::status(unit, &failures) else { return true };
        let digest = Digest::of(&canonical::of(&status));
        let edge = (status.sync, status.health);
        let now = self.clock.now();
        if let Some(reported) = self.reported.get(name) {
            let is_edge = edge != reported.edge
                && (edge == (SyncStatus::Synced, Health::Healthy) || edge.1 == Health::Degraded);
            if reported.digest != digest && !is_edge && now < reported.at + REPORT_PAUSE {
                self.reports.set(name, Some(reported.at + REPORT_PAUSE));
                return true;
            }
        }
        let news = self.reported.get(name).is_none_or(|reported| reported.digest != digest);
        if news {
            status.changed_at = Timestamp(self.clock.wall_ms());
            if let Err(TrySendError::Full(_)) = reports.try_send(Report::Status(status)) {
                return false;
            }
            self.reported.insert(name.clone(), Reported { at: now, digest, edge });
        }
        if let Some(unit) = self.units.get_mut(name) {
            unit.changed = false;
        }
        true
    }

    fn watch_failures(&self, unit: &Unit) -> Vec<Condition> {
        if self.watches.values().all(|watch| watch.failures < WATCH_FAILURES_TOLD) {
            return Vec::new();
        }
        let bad = self.watches.iter().filter(|(kind, watch)| {
            watch.failures >= WATCH_FAILURES_TOLD
                && unit.kinds().any(|(key, _)| key.kind == kind.kind && key.group == kind.group)
        });
        bad.map(|(kind, watch)| Condition {
            kind: "WatchFailed".to_owned(),
            message: format!(
                "{} objects cannot be watched, so their drift and health are not seen: {}",
                kind.kind,
                watch.failure.as_deref().unwrap_or_default()
            ),
        })
        .collect()
    }
}
