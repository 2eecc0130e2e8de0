//! Server-side apply: merge, prune, conflicts and ownership.

use std::sync::LazyLock;

use serde_json::Value;

use super::fieldset::FieldSet;
use super::last_applied::KUBECTL;
use super::managed::{Entry, Managed, Operation, Owner};
use super::shape::EMPTY;
use super::walk::{Difference, difference, fields_of, merge, remove, with_named_fields};
use super::{ApplyError, Conflict, Manager, check, last_applied, unchanged};
use crate::schema::{Node, Table, TypeHandle, normalise};

/// Fields that identify an object or that the server sets: nobody owns them.
pub(super) static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of([
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    ])
});

/// Who is credited with what an object had before anything was recorded.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

pub(super) fn apply(
    live: Option<&Value>,
    patch: &Value,
    manager: &Manager,
    force: bool,
    ty: &TypeHandle,
    reset: &FieldSet,
) -> Result<Value, ApplyError> {
    let metadata = &patch["metadata"];
    if metadata["managedFields"].is_array() {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let (table, node) = (&*ty.table, ty.node());
    let misfits = check::check(table, node, patch);
    if !misfits.is_empty() {
        return Err(ApplyError::Typed(format!(
            "failed to create typed patch object ({}): {}",
            identity(patch),
            check::print(&misfits)
        )));
    }
    let applied = fields_of(table, node, patch).recursive_difference(reset);
    let mut merged = merge(table, node, live.unwrap_or(&EMPTY), patch);
    let managed = Managed::take(&mut merged);
    let run = Run { table, node, ty, live, manager, reset };
    run.apply(merged, managed, applied, patch, force)
}

struct Run<'a> {
    table: &'a Table,
    node: &'a Node,
    ty: &'a TypeHandle,
    live: Option<&'a Value>,
    manager: &'a Manager,
    reset: &'a FieldSet,
}

impl Run<'_> {
    fn apply(
        &self,
        mut new: Value,
        mut managed: Managed,
        applied: FieldSet,
        patch: &Value,
        force: bool,
    ) -> Result<Value, ApplyError> {
        if managed.is_empty() {
            managed.entries.extend(self.before_first_apply());
        }
        let owner = Owner::new(self.manager, Operation::Apply);
        let last = managed.remove(&owner);
        if let Some(last) = &last {
            self.prune(&mut new, last.set(), &applied, &managed);
        }
        // Ownership follows what the merge changed; what only the server changes is no conflict.
        let changes = difference(self.table, self.node, self.live, &new).without(self.reset);
        let Difference { removed, modified, added } = changes;
        let taken = modified.union(&added);
        if !force {
            self.refuse_conflicts(&managed, &taken)?;
        }
        managed.subtract(&taken);
        managed.subtract(&removed);
        let owned = applied.difference(&NEVER_OWNED);
        let is_changed = self.live.is_none_or(|live| !unchanged(live, &new));
        if !owned.is_empty() {
            let mut entry = last.unwrap_or_else(|| Entry::new(owner.clone(), FieldSet::default()));
            entry.owner = owner;
            entry.replace(owned);
            if is_changed {
                entry.stamp(self.manager);
            }
            managed.entries.push(entry);
        }
        normalise(&mut new, self.ty);
        if self.manager.name == KUBECTL {
            last_applied::renew(&mut new, patch);
        }
        managed.put(&mut new);
        Ok(new)
    }

    /// An object whose owners are not recorded belongs to nobody in particular.
    fn before_first_apply(&self) -> Option<Entry> {
        let live = self.live?;
        let manager = Manager { name: BEFORE_FIRST_APPLY.to_owned(), ..self.manager.clone() };
        let fields = difference(self.table, self.node, None, live).without(self.reset);
        let fields = fields.added.union(&fields.modified).difference(&NEVER_OWNED);
        let mut entry = Entry::new(Owner::new(&manager, Operation::Update), fields);
        entry.stamp(&manager);
        (!entry.set().is_empty()).then_some(entry)
    }

    /// Removes what we applied the last time, do not apply now, and nobody else owns.
    fn prune(&self, merged: &mut Value, last: &FieldSet, applied: &FieldSet, others: &Managed) {
        // Everything that is applied again is owned and stays; usually that is everything.
        if last.difference(applied).is_empty() {
            return;
        }
        let named = |set: &FieldSet| with_named_fields(self.table, self.node, set);
        let fields = |value: &Value| named(&fields_of(self.table, self.node, value));
        let owned =
            others.entries.iter().fold(applied.clone(), |owned, entry| owned.union(entry.set()));
        let last = named(last);
        let all = fields(merged);
        // First all that was ours goes; then all that was below it and is owned comes back; then
        // all that was below it and was never ours comes back.
        let mut without_ours = merged.clone();
        remove(self.table, self.node, &mut without_ours, &last);
        let gone = all.difference(&fields(&without_ours).union(&named(&owned)));
        let mut with_owned = merged.clone();
        remove(self.table, self.node, &mut with_owned, &gone);
        let gone = all.difference(&fields(&with_owned)).intersection(&last);
        remove(self.table, self.node, merged, &gone);
    }

    fn refuse_conflicts(&self, managed: &Managed, taken: &FieldSet) -> Result<(), ApplyError> {
        if taken.is_empty() {
            return Ok(());
        }
        let mut owners: Vec<(&Owner, FieldSet)> = managed
            .entries
            .iter()
            .map(|entry| (&entry.owner, entry.set().intersection(taken)))
            .filter(|(_, fields)| !fields.is_empty())
            .collect();
        if let (false, KUBECTL, Some(live)) =
            (owners.is_empty(), self.manager.name.as_str(), self.live)
            && let Some(allowed) =
                last_applied::unchanged_since(self.table, self.node, live, self.manager)
        {
            for (_, fields) in &mut owners {
                *fields = fields.difference(&allowed);
            }
        }
        owners.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        let conflicts: Vec<Conflict> = owners
            .into_iter()
            .flat_map(|(owner, fields)| {
                let message = format!("conflict with {}", owner.describe());
                fields
                    .paths()
                    .into_iter()
                    .map(move |field| Conflict { message: message.clone(), field })
            })
            .collect();
        if conflicts.is_empty() { Ok(()) } else { Err(ApplyError::Conflicts(conflicts)) }
    }
}

/// An object as errors name it: `namespace/name; group/version, Kind=Kind`, as far as it says so.
fn identity(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let api_version = text(&object["apiVersion"]);
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!(
        "{}/{}; {slash}{api_version}, Kind={}",
        text(&metadata["namespace"]),
        text(&metadata["name"]),
        text(&object["kind"])
    )
}
