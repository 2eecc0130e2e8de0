//! Applications as a table and in full.

use model::canonical::Digest;
use model::id::CommitId;
use model::status::{Health, Incident, IncidentOutcome, ResourceStatus, SyncStatus, Timestamp};
use model::view::{ApplicationView, StatusSource};

use super::age::{age, of_verdict, utc_and_age};
use super::{Cell, Look, Sheet, Table, Tone, one_line};

const COLUMNS: [&str; 6] = ["NAME", "CLUSTER", "SYNC", "HEALTH", "REVISION", "AGE"];
const WIDE: [&str; 5] = ["SET", "PATH", "TARGET", "VERSION", "MESSAGE"];

/// The condition under which removals of objects wait for a person.
const PRUNE_PARKED: &str = "PruneParked";

pub(crate) fn table(views: &[ApplicationView], look: Look) -> Table {
    let wide = if look.wide { WIDE.as_slice() } else { &[] };
    let mut table = Table::new(&[COLUMNS.as_slice(), wide].concat());
    for view in views {
        let mut row = vec![
            Cell::plain(&view.name),
            Cell::plain(&view.cluster),
            sync(view),
            health(view),
            Cell::plain(commit(view.applied_revision)),
            Cell::plain(of_verdict(view.source, view.reported_at, look.now)),
        ];
        if look.wide {
            row.extend([
                Cell::plain(view.set.as_ref().map_or("", |set| set.as_str())),
                Cell::plain(&view.path),
                Cell::plain(&view.target_revision),
                Cell::plain(view.version.short()),
                Cell::free(remarks(view).join("; ")),
            ]);
        }
        table.row(row);
    }
    table
}

/// The verdict that may be shown as true now (law L10).
pub(crate) fn live_sync(view: &ApplicationView) -> SyncStatus {
    if view.source == StatusSource::Live { view.sync } else { SyncStatus::Unknown }
}

/// As [`live_sync`].
pub(crate) fn live_health(view: &ApplicationView) -> Health {
    if view.source == StatusSource::Live { view.health } else { Health::Unknown }
}

fn sync(view: &ApplicationView) -> Cell {
    let sync = live_sync(view);
    Cell::new(sync.to_string(), sync_tone(sync))
}

fn health(view: &ApplicationView) -> Cell {
    let health = live_health(view);
    Cell::new(health.to_string(), health_tone(health))
}

fn sync_tone(sync: SyncStatus) -> Tone {
    match sync {
        SyncStatus::Synced => Tone::Good,
        SyncStatus::OutOfSync => Tone::Warning,
        SyncStatus::Unknown => Tone::Faint,
    }
}

fn health_tone(health: Health) -> Tone {
    match health {
        Health::Healthy => Tone::Good,
        Health::Suspended | Health::Progressing | Health::Missing => Tone::Warning,
        Health::Degraded => Tone::Bad,
        Health::Unknown => Tone::Faint,
    }
}

fn commit(commit: Option<CommitId>) -> String {
    commit.map(|commit| commit.short()).unwrap_or_default()
}

/// Why it is not simply synced and healthy, most important first.
pub(crate) fn remarks(view: &ApplicationView) -> Vec<String> {
    let mut remarks = Vec::new();
    if !view.removal.is_empty() {
        remarks.push(format!("removal: {}", view.removal));
    }
    if view.source == StatusSource::LastKnown {
        remarks.push(format!("last known {}, {}", view.sync, view.health));
    }
    if view.paused {
        remarks.push("paused".to_owned());
    }
    if view.applied.is_some_and(|applied| applied != view.version) {
        remarks.push(format!("wants {}", view.revision.short()));
    }
    if !view.message.is_empty() {
        remarks.push(view.message.clone());
    }
    remarks.extend(view.conditions.iter().map(|condition| condition.kind.clone()));
    remarks
}

/// Everything about one application.
pub(crate) fn sheet(view: &ApplicationView, look: Look) -> String {
    let mut sheet = Sheet::default();
    sheet.field("Name", &view.name);
    sheet.field("Cluster", &view.cluster);
    sheet.field("Set", view.set.as_ref().map_or("", |set| set.as_str()));
    sheet.field("Project", &view.project);
    sheet.field("Repository", &view.repo_url);
    sheet.field("Path", &view.path);
    sheet.field("Target", &view.target_revision);
    sheet.field("Namespace", &view.namespace);
    sheet.painted("Sync", &verdict(view, view.sync.to_string(), sync_tone(view.sync), look));
    sheet
        .painted("Health", &verdict(view, view.health.to_string(), health_tone(view.health), look));
    sheet.field("Reported", reported(view, look.now));
    sheet.field("Desired", level(Some(view.version), Some(view.revision), view));
    sheet.field("Accepted", level(view.accepted, None, view));
    sheet.field("Applied", level(view.applied, view.applied_revision, view));
    sheet
        .field("Paused", if view.paused { "yes: changes are reported, not applied" } else { "no" });
    if !view.removal.is_empty() {
        sheet.field("Removal", &view.removal);
    }
    if !view.message.is_empty() {
        sheet.field("Message", &view.message);
    }
    conditions(view, &mut sheet);
    sheet.table("Resources", &resources(&view.resources), look);
    incidents(view, look, &mut sheet);
    sheet.finish()
}

/// A live verdict in its colour; any other as `Unknown`, with what it was.
fn verdict(view: &ApplicationView, text: String, tone: Tone, look: Look) -> String {
    match view.source {
        StatusSource::Live => tone.paint(&text, look.colour),
        StatusSource::LastKnown => {
            let when = view.reported_at.map(|then| format!(", {} ago", age(then, look.now)));
            format!("Unknown (last known {text}{})", when.unwrap_or_default())
        }
        StatusSource::NeverSeen => "Unknown (never reported)".to_owned(),
    }
}

fn reported(view: &ApplicationView, now: Timestamp) -> String {
    let when = view.reported_at.map(|then| utc_and_age(then, now)).unwrap_or_default();
    match view.source {
        StatusSource::Live => format!("{when}, live"),
        StatusSource::LastKnown => format!("{when}, the spoke is not connected"),
        StatusSource::NeverSeen => "never".to_owned(),
    }
}

/// One of the three levels: the version, its commit, and whether it is the desired one.
fn level(version: Option<Digest>, commit: Option<CommitId>, view: &ApplicationView) -> String {
    let Some(version) = version else { return "nothing yet".to_owned() };
    let behind = if version == view.version { "" } else { ", not the desired one" };
    match commit {
        Some(commit) => format!("{commit}, version {}{behind}", version.short()),
        None => format!("version {}{behind}", version.short()),
    }
}

fn conditions(view: &ApplicationView, sheet: &mut Sheet) {
    if view.conditions.is_empty() {
        return;
    }
    sheet.section("Conditions");
    for condition in &view.conditions {
        sheet.line(format!("{}: {}", condition.kind, condition.message));
    }
    if view.conditions.iter().any(|condition| condition.kind == PRUNE_PARKED) {
        let command = format!("muster approve application {}", view.name);
        sheet.command("to let the removals go on", &command);
    }
}

fn resources(resources: &[ResourceStatus]) -> Table {
    let mut table = Table::new(&["KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH", "MESSAGE"]);
    for ResourceStatus { object, sync, health, message } in resources {
        let group = if object.group.is_empty() { "" } else { "." };
        table.row(vec![
            Cell::plain(format!("{}{group}{}", object.kind, object.group)),
            Cell::plain(&object.namespace),
            Cell::plain(&object.name),
            Cell::new(sync.to_string(), sync_tone(*sync)),
            health.map_or_else(
                || Cell::plain(""),
                |health| Cell::new(health.to_string(), health_tone(health)),
            ),
            Cell::free(message),
        ]);
    }
    table
}

/// Two lines for each: what was done, and who had changed which fields.
fn incidents(view: &ApplicationView, look: Look, sheet: &mut Sheet) {
    if view.incidents.is_empty() {
        return;
    }
    sheet.section("Incidents");
    for incident in &view.incidents {
        let when = age(incident.detected_at, look.now);
        let what = one_line(&format!("{}, {when} ago", incident.object));
        sheet.painted_line(&format!("{what}: {}", outcome(incident, look)));
        let (by, fields) = (incident.managers.join(", "), incident.fields.join(", "));
        sheet.line_below(format!("changed by {by}: {fields}"));
    }
}

/// What was done, and how long the drift stood.
fn outcome(incident: &Incident, look: Look) -> String {
    let stood = incident.healed_at.map(|healed| (healed.0 - incident.detected_at.0).max(0));
    let stood = stood.map(|ms| format!(" in {}.{:02}s", ms / 1_000, ms % 1_000 / 10));
    let tone = match incident.outcome {
        IncidentOutcome::Healed => Tone::Good,
        IncidentOutcome::Reported | IncidentOutcome::Fighting => Tone::Warning,
        IncidentOutcome::Failed => Tone::Bad,
    };
    let text = format!("{:?}{}", incident.outcome, stood.unwrap_or_default());
    tone.paint(&text, look.colour)
}
