//! The records of what was done, newest first.

use model::view::Record;

use super::age::{age, utc};
use super::{Cell, Look, Table};

/// The message names what the record is about, so that a narrow line has one column for both.
const COLUMNS: [&str; 5] = ["AGE", "ACTOR", "ACTION", "COMMIT", "MESSAGE"];
const WIDE: [&str; 9] = [
    "TIME",
    "SEQUENCE",
    "ACTOR",
    "ACTION",
    "APPLICATION",
    "CLUSTER",
    "COMMIT",
    "REASON",
    "MESSAGE",
];

pub(crate) fn table(records: &[Record], look: Look) -> Table {
    let mut table = Table::new(if look.wide { WIDE.as_slice() } else { &COLUMNS });
    for record in records {
        table.row(if look.wide { wide(record) } else { narrow(record, look) });
    }
    table
}

fn narrow(record: &Record, look: Look) -> Vec<Cell> {
    vec![
        Cell::plain(age(record.at, look.now)),
        Cell::plain(&record.actor),
        Cell::plain(&record.action),
        commit(record),
        Cell::free(named_message(record)),
    ]
}

/// The message, after the application or the cluster when it does not name it.
fn named_message(record: &Record) -> String {
    let application = record.application.as_ref().map(ToString::to_string);
    let subject = application.or_else(|| record.cluster.as_ref().map(ToString::to_string));
    match subject.filter(|subject| !record.message.contains(subject.as_str())) {
        Some(subject) => format!("{subject}: {}", record.message),
        None => record.message.clone(),
    }
}

fn wide(record: &Record) -> Vec<Cell> {
    vec![
        Cell::plain(utc(record.at)),
        Cell::plain(record.sequence),
        Cell::plain(&record.actor),
        Cell::plain(&record.action),
        Cell::plain(record.application.as_ref().map_or("", |name| name.as_str())),
        Cell::plain(record.cluster.as_ref().map_or("", |name| name.as_str())),
        commit(record),
        Cell::plain(&record.reason),
        Cell::free(&record.message),
    ]
}

fn commit(record: &Record) -> Cell {
    Cell::plain(record.commit.map(|commit| commit.short()).unwrap_or_default())
}
