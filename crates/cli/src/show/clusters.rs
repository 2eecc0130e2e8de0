//! Clusters as a table and in full.

use model::selector::Labels;
use model::view::{ClusterView, DecisionsView, StatusSource};

use super::age::{age, remaining, utc, utc_and_age};
use super::{Cell, Look, Sheet, Table, Tone, count};

const COLUMNS: [&str; 7] = ["NAME", "STATE", "APPS", "SYNCED", "HEALTHY", "VERSION", "SEEN"];
const WIDE: [&str; 4] = ["AGENT", "HELD", "CERTIFICATE", "LABELS"];

pub(crate) fn table(views: &[ClusterView], look: Look) -> Table {
    let wide = if look.wide { WIDE.as_slice() } else { &[] };
    let mut table = Table::new(&[COLUMNS.as_slice(), wide].concat());
    for view in views {
        let mut row = vec![
            Cell::plain(&view.name),
            state(view),
            Cell::plain(view.applications.to_string()),
            share(view.synced, view),
            share(view.healthy, view),
            Cell::plain(&view.kubernetes_version),
            Cell::plain(seen(view, look)),
        ];
        if look.wide {
            let expires = view.certificate_expires.map(|then| remaining(then, look.now));
            row.extend([
                Cell::plain(&view.agent_version),
                Cell::alarm(view.held_removals.len()),
                Cell::plain(expires.unwrap_or_default()),
                Cell::plain(pairs(&view.labels)),
            ]);
        }
        table.row(row);
    }
    table
}

fn state(view: &ClusterView) -> Cell {
    let tone = match (view.state.as_str(), view.hold) {
        ("Connected", false) => Tone::Good,
        ("Connected", true) | ("Pending", _) => Tone::Warning,
        ("Disconnected" | "Revoked", _) => Tone::Bad,
        _ => Tone::Faint,
    };
    Cell::new(format!("{}{}", view.state, if view.hold { ",Hold" } else { "" }), tone)
}

/// How many are synced or healthy; `Unknown` when the spoke does not stand behind it now.
fn share(number: usize, view: &ClusterView) -> Cell {
    let tone = if number == view.applications { Tone::Good } else { Tone::Warning };
    match view.source {
        StatusSource::Live => Cell::new(number.to_string(), tone),
        _ => Cell::new("Unknown", Tone::Faint),
    }
}

fn seen(view: &ClusterView, look: Look) -> String {
    match (view.source, view.last_seen) {
        (StatusSource::Live, _) => "now".to_owned(),
        (StatusSource::LastKnown, Some(then)) => format!("{} ago", age(then, look.now)),
        (StatusSource::LastKnown, None) => String::new(),
        (StatusSource::NeverSeen, _) => "never".to_owned(),
    }
}

fn pairs(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Everything about one cluster.
pub(crate) fn sheet(view: &ClusterView, look: Look) -> String {
    let mut sheet = Sheet::default();
    sheet.field("Name", &view.name);
    sheet.field("State", &view.state);
    sheet.field(
        "Seen",
        match (view.source, view.last_seen) {
            (StatusSource::Live, _) => "now, connected".to_owned(),
            (_, Some(then)) => utc_and_age(then, look.now),
            (_, None) => "never".to_owned(),
        },
    );
    sheet.field("Applications", applications(view));
    sheet.field("Kubernetes", &view.kubernetes_version);
    sheet.field("Agent", &view.agent_version);
    sheet.field(
        "Certificate",
        view.certificate_expires.map_or_else(String::new, |then| {
            format!("valid until {} ({})", utc(then), remaining(then, look.now))
        }),
    );
    if let Some(DecisionsView { at, objects, problems }) = &view.decisions {
        let told =
            format!("{}, reported {}", count(*objects, "object"), utc_and_age(*at, look.now));
        sheet.field("Decisions", &told);
        if !problems.is_empty() {
            sheet.section("Decisions that cannot be seen");
            problems.iter().for_each(|problem| sheet.line(problem));
        }
    }
    section("Labels", &view.labels, &mut sheet);
    section("Annotations", &view.annotations, &mut sheet);
    section("Tools", &view.tools, &mut sheet);
    if view.hold {
        hold(view, &mut sheet);
    }
    sheet.finish()
}

fn applications(view: &ClusterView) -> String {
    let verdict = format!("{} synced, {} healthy", view.synced, view.healthy);
    match view.source {
        StatusSource::Live => format!("{} ({verdict})", view.applications),
        StatusSource::LastKnown => {
            format!("{} (Unknown; last known {verdict})", view.applications)
        }
        StatusSource::NeverSeen => {
            format!("{} (Unknown; never reported)", view.applications)
        }
    }
}

fn section(label: &str, pairs: &Labels, sheet: &mut Sheet) {
    if pairs.is_empty() {
        return;
    }
    sheet.section(label);
    for (key, value) in pairs {
        sheet.line(format!("{key}={value}"));
    }
}

fn hold(view: &ClusterView, sheet: &mut Sheet) {
    sheet.section("Hold");
    sheet.line("the hub's store is new to this spoke: it applies changes and removes nothing");
    sheet.line(format!("{} held back", count(view.held_removals.len(), "removal")));
    for name in &view.held_removals {
        sheet.line(format!("- {name}"));
    }
    let command = format!("muster approve cluster {}", view.name);
    sheet.command("when what the hub wants is right, let them go on", &command);
}
