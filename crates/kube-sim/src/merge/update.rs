//! Who owns what after a create, update or patch: the writer owns what it changed.

use serde_json::{Map, Value};

use super::Manager;
use super::apply::NEVER_OWNED;
use super::fieldset::FieldSet;
use super::managed::{Entry, Managed, Operation, Owner, take_json};
use super::walk::difference;
use crate::schema::TypeHandle;

pub(super) fn track_update(
    live: Option<&Value>,
    mut new: Value,
    manager: &Manager,
    ty: &TypeHandle,
    reset: &FieldSet,
) -> Value {
    let sent = take_json(&mut new);
    let mut managed =
        if manager.subresource.is_empty() { sent_or_live(sent, live) } else { of_live(live) };
    // Whoever wiped the ownership of an object does not begin to own it by the next update.
    if managed.is_empty() && live.is_some() {
        return new;
    }
    let changes = difference(&ty.table, ty.node(), live, &new).without(reset);
    let taken = changes.modified.union(&changes.added);
    managed.subtract(&taken);
    managed.subtract(&changes.removed);
    let owned = taken.difference(&NEVER_OWNED);
    if !owned.is_empty() {
        let owner = Owner::new(manager, Operation::Update);
        let mut entry =
            managed.remove(&owner).unwrap_or_else(|| Entry::new(owner, FieldSet::default()));
        entry.replace(entry.set().union(&owned));
        entry.stamp(manager);
        managed.entries.push(entry);
    }
    managed.cap();
    managed.put(&mut new);
    new
}

fn of_live(live: Option<&Value>) -> Managed {
    let managed = live.map(|live| live["metadata"]["managedFields"].clone());
    managed.and_then(Managed::read).unwrap_or_default()
}

/// A client may rewrite the ownership, or wipe it with `[]` or `[{}]`; one that does not know of it
/// leaves it as it is, and so does one that sends what cannot be read.
fn sent_or_live(sent: Option<Value>, live: Option<&Value>) -> Managed {
    let is_wiped = match &sent {
        Some(Value::Array(entries)) => match entries.as_slice() {
            [] => true,
            [entry] => entry.as_object().is_some_and(Map::is_empty),
            _ => false,
        },
        _ => false,
    };
    if is_wiped {
        return Managed::default();
    }
    match sent.and_then(Managed::read) {
        Some(managed) if !managed.is_empty() => managed,
        _ => of_live(live),
    }
}
