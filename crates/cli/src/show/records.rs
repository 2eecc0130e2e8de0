//! The records of what was done, newest first.

use model::view::Record;

use super::age::{age, utc};
use super::{Cell, Look, Table};

const COLUMNS: [&str; 7] =
    ["AGE", "ACTOR", "ACTION", "APPLICATION", "CLUSTER", "COMMIT", "MESSAGE"];
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
    let mut row = vec![Cell::plain(age(record.at, look.now)), Cell::plain(&record.actor)];
    row.extend(what(record));
    row.push(Cell::free(&record.message));
    row
}

fn wide(record: &Record) -> Vec<Cell> {
    let mut row = vec![
        Cell::plain(utc(record.at)),
        Cell::plain(record.sequence.to_string()),
        Cell::plain(&record.actor),
    ];
    row.extend(what(record));
    row.extend([Cell::plain(&record.reason), Cell::free(&record.message)]);
    row
}

fn what(record: &Record) -> [Cell; 4] {
    [
        Cell::plain(&record.action),
        Cell::plain(record.application.as_ref().map_or("", |name| name.as_str())),
        Cell::plain(record.cluster.as_ref().map_or("", |name| name.as_str())),
        Cell::plain(record.commit.map(|commit| commit.short()).unwrap_or_default()),
    ]
}
