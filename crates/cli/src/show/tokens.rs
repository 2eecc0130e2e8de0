//! Join tokens as a table. The tokens themselves are known to nobody.

use model::view::TokenView;

use super::age::{age, remaining};
use super::{Cell, Look, Table, Tone};

const COLUMNS: [&str; 6] = ["ID", "CLUSTER", "STATE", "USES", "EXPIRES", "AGE"];
const WIDE: [&str; 2] = ["REUSABLE", "APPROVAL"];

pub(crate) fn table(views: &[TokenView], look: Look) -> Table {
    let wide = if look.wide { WIDE.as_slice() } else { &[] };
    let mut table = Table::new(&[COLUMNS.as_slice(), wide].concat());
    for view in views {
        let mut row = vec![
            Cell::plain(&view.id),
            Cell::plain(view.cluster.as_ref().map_or("", |name| name.as_str())),
            state(view),
            Cell::plain(view.uses.to_string()),
            Cell::plain(remaining(view.expires_at, look.now)),
            Cell::plain(age(view.created_at, look.now)),
        ];
        if look.wide {
            row.extend([
                Cell::plain(if view.reusable { "yes" } else { "no" }),
                Cell::plain(if view.manual_approval { "manual" } else { "automatic" }),
            ]);
        }
        table.row(row);
    }
    table
}

fn state(view: &TokenView) -> Cell {
    let tone = match view.state.as_str() {
        "Unused" => Tone::Good,
        "Used" => Tone::Plain,
        _ => Tone::Faint,
    };
    Cell::new(&view.state, tone)
}
