//! The walks over typed objects that server-side apply is made of: the fields of an object, the
//! merge of two, the difference of two, and the removal of fields.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::fieldset::FieldSet;
use super::path::{PathElement, same};
use super::shape::{EMPTY, Form, child, form, is_atomic, item_element, list};
use crate::schema::{Node, Table};

/// The fields that an applied object names: its scalars, atomic parts, list items and map keys.
/// The items are named, which a [check](super::check) of the object saw to.
pub(super) fn fields_of(table: &Table, node: &Node, value: &Value) -> FieldSet {
    members(table, node, value).1
}

/// Whether the value is a member by itself, and the members below it.
fn members(table: &Table, node: &Node, value: &Value) -> (bool, FieldSet) {
    let form = form(node, Some(value));
    let mut set = FieldSet::default();
    if form == Form::Scalar || is_atomic(node, form) {
        return (true, set);
    }
    match (form, value) {
        (Form::List, Value::Array(items)) => {
            let (item, merge) = list(table, node);
            let named: Vec<_> = items
                .iter()
                .filter_map(|value| Some((item_element(table, item, merge, value).ok()?, value)))
                .collect();
            let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
            for (element, _) in &named {
                if !seen.insert(element) {
                    twice.insert(element);
                }
            }
            for (element, value) in &named {
                let below = if twice.contains(element) {
                    FieldSet::default()
                } else {
                    members(table, item, value).1
                };
                set.add(element.clone(), true, below);
            }
        }
        (Form::Fields, Value::Object(fields)) => {
            for (name, value) in fields {
                let child = child(table, node, name);
                let (member, below) = members(table, child.node, value);
                let hollow = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                set.add(PathElement::field(name), member || hollow || child.field.is_none(), below);
            }
        }
        _ => {}
    }
    (false, set)
}

/// The set with those declared fields as members that have members below them: a set of `a.b.c`
/// then also has `a`, if `a` is declared and not a key of a map.
pub(super) fn with_named_fields(table: &Table, node: &Node, set: &FieldSet) -> FieldSet {
    let mut named = FieldSet::default();
    for inner in set.nodes() {
        let (below, declared) = match &inner.element {
            PathElement::Field(name) => {
                let child = child(table, node, name);
                (child.node, child.field.is_some())
            }
            _ => (list(table, node).0, false),
        };
        let member = inner.member || (declared && !inner.below.is_empty());
        named.add(inner.element.clone(), member, with_named_fields(table, below, &inner.below));
    }
    named
}

/// The left object with the right one merged into it.
pub(super) fn merge(table: &Table, node: &Node, left: &Value, right: &Value) -> Value {
    let form = form(node, Some(right));
    if form == Form::Scalar || is_atomic(node, form) {
        return right.clone();
    }
    match form {
        Form::List => {
            let (left, items) = (items(left), items(right));
            if left.is_empty() && items.is_empty() {
                return right.clone();
            }
            merge_lists(table, node, left, items).unwrap_or_else(|_| right.clone())
        }
        _ => {
            let (Some(left), fields) = (left.as_object(), right.as_object()) else {
                return right.clone();
            };
            let Some(fields) = fields else {
                return if left.is_empty() { right.clone() } else { Value::Object(left.clone()) };
            };
            let mut merged = Map::new();
            for (name, value) in left {
                let value = match fields.get(name) {
                    Some(new) => merge(table, child(table, node, name).node, value, new),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            for (name, value) in fields.iter().filter(|(name, _)| !left.contains_key(*name)) {
                merged.insert(name.clone(), value.clone());
            }
            Value::Object(merged)
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Items that both lists have are merged and stand in the order of the right list; an item that
/// only the left list has keeps its place among its left neighbours.
fn merge_lists(
    table: &Table,
    node: &Node,
    left: &[Value],
    right: &[Value],
) -> Result<Value, String> {
    let (item, merge_type) = list(table, node);
    let name = |items: &[Value]| -> Result<Vec<PathElement>, String> {
        items.iter().map(|value| item_element(table, item, merge_type, value)).collect()
    };
    let (left_names, right_names) = (name(left)?, name(right)?);
    // An item that the live list has twice is replaced by the new one, not merged with it.
    let mut in_left: BTreeMap<&PathElement, Option<&Value>> = BTreeMap::new();
    for (name, value) in left_names.iter().zip(left) {
        in_left.entry(name).and_modify(|value| *value = None).or_insert(Some(value));
    }
    let in_right: BTreeSet<&PathElement> = right_names.iter().collect();
    let take = |at: usize| match in_left.get(&right_names[at]) {
        Some(Some(live)) => merge(table, item, live, &right[at]),
        _ => right[at].clone(),
    };

    let mut shared = right_names.iter().filter(|name| in_left.contains_key(name));
    let mut next_shared = shared.next();
    let mut merged = Vec::with_capacity(left.len().max(right.len()));
    let mut done: BTreeSet<&PathElement> = BTreeSet::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() {
            if left_names[l] == right_names[r] {
                done.insert(&right_names[r]);
                merged.push(take(r));
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            let is_next = next_shared.is_none_or(|next| *next == left_names[l]);
            if in_right.contains(&left_names[l]) && !is_next {
                l += 1;
                continue;
            }
        }
        if l < left.len() {
            if !in_right.contains(&left_names[l]) {
                merged.push(left[l].clone());
                l += 1;
                continue;
            }
            if done.contains(&left_names[l]) {
                l += 1;
            }
        }
        if r < right.len() {
            done.insert(&right_names[r]);
            merged.push(take(r));
            if next_shared == Some(&right_names[r]) {
                next_shared = shared.next();
            }
            r += 1;
        }
    }
    Ok(Value::Array(merged))
}

/// What is different between two objects.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) removed: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) added: FieldSet,
}

impl Difference {
    /// Without what is at or below these fields.
    pub(super) fn without(mut self, fields: &FieldSet) -> Self {
        if !fields.is_empty() {
            for set in [&mut self.removed, &mut self.modified, &mut self.added] {
                if !set.is_empty() {
                    *set = set.recursive_difference(fields);
                }
            }
        }
        self
    }

    fn add(&mut self, element: &PathElement, here: Here, below: Self) {
        self.removed.add(element.clone(), here.removed, below.removed);
        self.modified.add(element.clone(), here.modified, below.modified);
        self.added.add(element.clone(), here.added, below.added);
    }
}

/// What happened to a value as a whole.
#[derive(Debug, Clone, Copy, Default)]
struct Here {
    removed: bool,
    modified: bool,
    added: bool,
}

/// What a write changed. `None` is an object that was not there.
pub(super) fn difference(
    table: &Table,
    node: &Node,
    left: Option<&Value>,
    right: &Value,
) -> Difference {
    let found = Differ { table }.value(node, Some(left.unwrap_or(&EMPTY)), Some(right)).1;
    // The record of owners is no field: it is compared by those who keep it.
    found.without(&MANAGED_FIELDS)
}

static MANAGED_FIELDS: LazyLock<FieldSet> =
    LazyLock::new(|| FieldSet::of(["metadata.managedFields"]));

struct Differ<'t> {
    table: &'t Table,
}

impl Differ<'_> {
    fn value(
        &self,
        node: &Node,
        left: Option<&Value>,
        right: Option<&Value>,
    ) -> (Here, Difference) {
        let mut below = Difference::default();
        if left == right {
            return (Here::default(), below);
        }
        let presence = Here { removed: right.is_none(), added: left.is_none(), ..Here::default() };
        let leaf = || Here {
            modified: left.zip(right).is_some_and(|(left, right)| !same(left, right)),
            ..presence
        };
        let (left_form, right_form) = (form(node, left), form(node, right));
        if left.is_some() && right.is_some() && left_form != right_form {
            // An untyped value became one of another form: both forms are looked at.
            let (here, mut below) = self.with_form(node, left_form, left, right, leaf());
            let (there, more) = self.with_form(node, right_form, left, right, leaf());
            below.removed = below.removed.union(&more.removed);
            below.modified = below.modified.union(&more.modified);
            below.added = below.added.union(&more.added);
            let modified = here.modified || there.modified;
            return (Here { modified, ..presence }, below);
        }
        let form = if right.is_none() { left_form } else { right_form };
        let here;
        (here, below) = self.with_form(node, form, left, right, leaf());
        (Here { removed: presence.removed, added: presence.added, ..here }, below)
    }

    /// `leaf` is what to answer if there is nothing to look into.
    fn with_form(
        &self,
        node: &Node,
        form: Form,
        left: Option<&Value>,
        right: Option<&Value>,
        leaf: Here,
    ) -> (Here, Difference) {
        if form == Form::Scalar || is_atomic(node, form) {
            return (leaf, Difference::default());
        }
        if form == Form::List {
            let (left, right) = (left.map_or(&[][..], items), right.map_or(&[][..], items));
            if left.is_empty() && right.is_empty() {
                return (leaf, Difference::default());
            }
            return (Here::default(), self.lists(node, left, right));
        }
        let (left, right) = (left.and_then(Value::as_object), right.and_then(Value::as_object));
        if left.is_none_or(Map::is_empty) && right.is_none_or(Map::is_empty) {
            return (leaf, Difference::default());
        }
        (Here::default(), self.fields(node, left, right))
    }

    fn fields(
        &self,
        node: &Node,
        left: Option<&Map<String, Value>>,
        right: Option<&Map<String, Value>>,
    ) -> Difference {
        let mut below = Difference::default();
        let names = left.into_iter().flatten().map(|(name, _)| name);
        let added = right.into_iter().flatten().map(|(name, _)| name);
        let added = added.filter(|name| left.is_none_or(|left| !left.contains_key(*name)));
        for name in names.chain(added) {
            let (before, after) =
                (left.map(|left| left.get(name)), right.map(|right| right.get(name)));
            if before == after {
                continue;
            }
            let child = child(self.table, node, name);
            // A parent that is there has what its type always has.
            let absent = child.when_absent(self.table);
            let before = before.and_then(|value| value.or(absent));
            let after = after.and_then(|value| value.or(absent));
            let (here, inner) = self.value(child.node, before, after);
            below.add(&PathElement::field(name), here, inner);
        }
        below
    }

    fn lists(&self, node: &Node, left: &[Value], right: &[Value]) -> Difference {
        let (item, merge) = list(self.table, node);
        let mut pairs: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        let name = |value| item_element(self.table, item, merge, value).ok();
        for value in left {
            let Some(name) = name(value) else { continue };
            pairs.entry(name).or_default().0.push(value);
        }
        for value in right {
            let Some(name) = name(value) else { continue };
            pairs.entry(name).or_default().1.push(value);
        }
        let mut out = Difference::default();
        for (element, (left, right)) in pairs {
            let (first, second) = (left.first().copied(), right.first().copied());
            let (here, below) = match (left.len(), right.len()) {
                (0 | 1, 0 | 1) => self.value(item, first, second),
                // Items that stand twice are compared as if they were one atomic value.
                (2.., 2..) => {
                    (Here { modified: left != right, ..Here::default() }, Difference::default())
                }
                (2.., _) => {
                    let (here, below) = match second {
                        Some(_) => self.value(item, None, second),
                        None => (Here::default(), Difference::default()),
                    };
                    (Here { removed: true, ..here }, below)
                }
                (_, _) => {
                    let (here, below) = match first {
                        Some(_) => self.value(item, first, None),
                        None => (Here::default(), Difference::default()),
                    };
                    (Here { added: true, ..here }, below)
                }
            };
            out.add(&element, here, below);
        }
        out
    }
}

/// Removes fields. A list or map of which nothing is left becomes null, as in the real server.
pub(super) fn remove(table: &Table, node: &Node, value: &mut Value, set: &FieldSet) {
    let form = form(node, Some(value));
    let left = match (form, &mut *value) {
        (Form::Scalar, _) => return,
        (form, _) if is_atomic(node, form) => 0,
        (Form::List, Value::Array(items)) => {
            let (item, merge) = list(table, node);
            items.retain_mut(|value| {
                let element = item_element(table, item, merge, value).ok();
                element.is_none_or(|element| keep(table, item, value, set, &element))
            });
            items.len()
        }
        (Form::Fields, Value::Object(fields)) => {
            fields.retain(|name, value| {
                let child = child(table, node, name);
                keep(table, child.node, value, set, &PathElement::field(name))
            });
            fields.len()
        }
        _ => 0,
    };
    if left == 0 {
        *value = Value::Null;
    }
}

/// Removes from a part what the set has below it, unless the part itself is to go.
fn keep(
    table: &Table,
    node: &Node,
    value: &mut Value,
    set: &FieldSet,
    element: &PathElement,
) -> bool {
    let Some(found) = set.get(element) else { return true };
    if !found.member {
        remove(table, node, value, &found.below);
    }
    !found.member
}
