//! Application sets as a table and in full.

use model::view::{HeldView, ParkedView, SetView};

use super::{Cell, Look, Sheet, Table, Tone, count};

const COLUMNS: [&str; 7] = ["NAME", "APPS", "SYNCED", "HEALTHY", "HELD", "PARKED", "ORIGIN"];
const WIDE: [&str; 1] = ["MESSAGE"];

pub(crate) fn table(views: &[SetView], look: Look) -> Table {
    let wide = if look.wide { WIDE.as_slice() } else { &[] };
    let mut table = Table::new(&[COLUMNS.as_slice(), wide].concat());
    for view in views {
        let mut row = vec![
            Cell::plain(&view.name),
            Cell::plain(view.applications.to_string()),
            share(view.synced, view),
            share(view.healthy, view),
            Cell::alarm(view.held.len()),
            Cell::alarm(parked(view)),
            Cell::plain(origin(view, "@")),
        ];
        if look.wide {
            row.push(Cell::free(remarks(view).join("; ")));
        }
        table.row(row);
    }
    table
}

fn share(number: usize, view: &SetView) -> Cell {
    let tone = if number == view.applications { Tone::Good } else { Tone::Warning };
    Cell::new(number.to_string(), tone)
}

fn parked(view: &SetView) -> usize {
    view.parked.as_ref().map_or(0, |parked| parked.applications.len())
}

fn origin(view: &SetView, at: &str) -> String {
    let commit = view.commit.map(|commit| format!("{at}{}", commit.short()));
    format!("{}{}", view.origin, commit.unwrap_or_default())
}

fn remarks(view: &SetView) -> Vec<String> {
    let parked = view.parked.iter().map(|parked| parked.reason.clone());
    let held = view.held.iter().map(|held| format!("{}: {}", held.element, held.reason));
    parked.chain(view.problems.iter().cloned()).chain(held).collect()
}

/// Everything about one set.
pub(crate) fn sheet(view: &SetView, look: Look) -> String {
    let mut sheet = Sheet::default();
    sheet.field("Name", &view.name);
    sheet.field("Origin", origin(view, " at "));
    let SetView { applications, synced, healthy, .. } = view;
    sheet.field("Applications", format!("{applications} ({synced} synced, {healthy} healthy)"));
    if !view.problems.is_empty() {
        sheet.section("Problems");
        view.problems.iter().for_each(|problem| sheet.line(problem));
    }
    sheet.table("Held", &held(&view.held), look);
    if let Some(parked) = &view.parked {
        describe_parked(view, parked, &mut sheet);
    }
    sheet.finish()
}

/// Elements that could not be read anew; their last good result stays in force.
fn held(held: &[HeldView]) -> Table {
    let mut table = Table::new(&["ELEMENT", "APPLICATION", "REASON"]);
    for HeldView { element, application, reason } in held {
        table.row(vec![
            Cell::plain(element),
            Cell::plain(application.as_ref().map_or("", |name| name.as_str())),
            Cell::free(reason),
        ]);
    }
    table
}

fn describe_parked(view: &SetView, parked: &ParkedView, sheet: &mut Sheet) {
    sheet.section("Parked");
    let removals = count(parked.applications.len(), "removal");
    sheet.line(format!("{removals}: {}", parked.reason));
    for name in &parked.applications {
        sheet.line(format!("- {name}"));
    }
    let command = format!("muster approve applicationset {} --plan {}", view.name, parked.plan);
    sheet.command("to remove exactly these", &command);
}
