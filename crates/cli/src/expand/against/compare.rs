//! What changes from one tree to another, and whether a hub would remove so much by itself. Pure.
//!
//! The rules are those of the hub's plan: what is held or unseen is kept (law L2), and the removals
//! of a set have its deletion budget (law L3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::set::DeletionBudget;
use serde_json::Value;

use super::fields::{self, Field};

/// Where an application runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) cluster: String,
    pub(super) name: String,
}

/// Who makes an application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    ByHand,
    Set(String),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    /// The index in the set's generators.
    pub(super) generator: usize,
    pub(super) document: Value,
    /// Of an Application of Argo CD the native form, as far as there is one.
    pub(super) native: Option<Value>,
}

impl Entry {
    /// Where it differs. Of two dialects the native forms are compared: what is another way to
    /// write the same is no change.
    fn differences(&self, newer: &Self) -> Vec<Field> {
        let is_native = |entry: &Self| entry.native.is_none();
        let (old, new) = match (is_native(self), is_native(newer)) {
            (true, true) | (false, false) => (&self.document, &newer.document),
            _ => (
                self.native.as_ref().unwrap_or(&self.document),
                newer.native.as_ref().unwrap_or(&newer.document),
            ),
        };
        fields::between(old, new)
    }
}

/// What a set does to applications in force, and the name of that policy.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) updates: bool,
    pub(super) deletes: bool,
}

/// What is known of a set beside its applications.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Whether it saw all of its input.
    pub(super) complete: bool,
    pub(super) budget: DeletionBudget,
    /// What its policy lets it do to applications that are there.
    pub(super) policy: Policy,
}

/// What a tree comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) entries: BTreeMap<Place, Entry>,
    /// Names whose applications stay as they are, with the reason.
    pub(super) held: BTreeMap<String, String>,
    pub(super) sets: BTreeMap<String, Rules>,
    /// Whether a document could not be read: then it may be any that seems gone.
    pub(super) unreadable: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) owner: Owner,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Added {
        moved_from: Option<String>,
    },
    Changed(Vec<Field>),
    Removed {
        reason: String,
    },
    /// Not made now, or made otherwise, and stays as it is.
    Kept {
        reason: String,
    },
}

/// The removals of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removals {
    pub(super) owner: Owner,
    /// How many it had.
    pub(super) applications: usize,
    pub(super) removed: usize,
    pub(super) allowed: usize,
    /// Why a hub would ask a person first.
    pub(super) objection: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Comparison {
    /// By cluster, then by name.
    pub(super) changes: Vec<Change>,
    pub(super) removals: Vec<Removals>,
    pub(super) unchanged: usize,
}

pub(super) fn compare(before: &State, after: &State) -> Comparison {
    let mut comparison = Comparison::default();
    let mut leaving: BTreeMap<&Owner, BTreeSet<&Place>> = BTreeMap::new();
    let (old_names, new_names) = (Names::of(before), Names::of(after));
    let places: BTreeSet<&Place> = before.entries.keys().chain(after.entries.keys()).collect();
    for place in places {
        let (old, new) = (before.entries.get(place), after.entries.get(place));
        let (owner, kind) = match (old, new) {
            (Some(old), Some(new)) => {
                let fields = old.differences(new);
                if fields.is_empty() {
                    comparison.unchanged += 1;
                    continue;
                }
                let kind = match policy(after, &new.owner).filter(|policy| !policy.updates) {
                    Some(Policy { name, .. }) => {
                        Kind::Kept { reason: format!("the set's policy {name} changes nothing") }
                    }
                    None => Kind::Changed(fields),
                };
                (&new.owner, kind)
            }
            (None, Some(new)) => {
                let moved_from = old_names.elsewhere(place).map(str::to_owned);
                (&new.owner, Kind::Added { moved_from })
            }
            (Some(old), None) => {
                let kind = absent(after, new_names.elsewhere(place), place, &old.owner);
                if matches!(kind, Kind::Removed { .. }) {
                    leaving.entry(&old.owner).or_default().insert(place);
                }
                (&old.owner, kind)
            }
            (None, None) => continue,
        };
        comparison.changes.push(Change { place: place.clone(), owner: owner.clone(), kind });
    }
    let removals = leaving.into_iter();
    let removals =
        removals.map(|(owner, places)| removals_of(before, &new_names, after, owner, &places));
    comparison.removals = removals.collect();
    comparison
}

/// The cluster of each application by its name; names are unique in a fleet.
struct Names<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn of(state: &'a State) -> Self {
        let places = state.entries.keys();
        Self(places.map(|place| (place.name.as_str(), place.cluster.as_str())).collect())
    }

    /// Another cluster where the same application runs.
    fn elsewhere(&self, place: &Place) -> Option<&'a str> {
        self.0.get(place.name.as_str()).copied().filter(|cluster| *cluster != place.cluster)
    }
}

/// What becomes of an application that nothing makes in this place now; `moves` names the cluster
/// where it is made instead.
fn absent(after: &State, moves: Option<&str>, place: &Place, owner: &Owner) -> Kind {
    if let Some(reason) = after.held.get(&place.name) {
        return Kind::Kept { reason: format!("held: {reason}") };
    }
    let known = match owner {
        Owner::ByHand => None,
        Owner::Set(name) => after.sets.get(name),
    };
    let keeps = match (owner, known) {
        (Owner::Set(_), Some(rules)) if !rules.complete => {
            Some("its set does not see all of its input now".to_owned())
        }
        (Owner::Set(_), Some(Rules { policy, .. })) if !policy.deletes => {
            Some(format!("the set's policy {} removes nothing", policy.name))
        }
        (_, None) if after.unreadable && moves.is_none() => {
            Some("a document cannot be read now; it may be the one that makes it".to_owned())
        }
        _ => None,
    };
    if let Some(reason) = keeps {
        return Kind::Kept { reason };
    }
    let reason = match (moves, owner, known) {
        (Some(cluster), ..) => format!("moves to cluster {cluster}"),
        (None, Owner::Set(_), Some(_)) => format!("{owner} no longer makes it"),
        (None, Owner::Set(_), None) => format!("{owner} is gone"),
        (None, Owner::ByHand, _) => "its document is gone".to_owned(),
    };
    Kind::Removed { reason }
}

fn policy<'a>(state: &'a State, owner: &Owner) -> Option<&'a Policy> {
    match owner {
        Owner::ByHand => None,
        Owner::Set(name) => state.sets.get(name).map(|rules| &rules.policy),
    }
}

fn removals_of(
    before: &State,
    new_names: &Names<'_>,
    after: &State,
    owner: &Owner,
    leaving: &BTreeSet<&Place>,
) -> Removals {
    let owned = before.entries.iter().filter(|(_, entry)| entry.owner == *owner);
    let owned: Vec<(&Place, &Entry)> = owned.collect();
    let rules = match owner {
        Owner::ByHand => None,
        Owner::Set(name) => after.sets.get(name),
    };
    let budget = rules.map_or_else(DeletionBudget::default, |rules| rules.budget);
    let (applications, removed) = (owned.len(), leaving.len());
    let is_gone = matches!(owner, Owner::Set(_)) && rules.is_none();
    let allowed = if is_gone { 0 } else { budget.allows(applications) };
    let lost =
        || matches!(owner, Owner::Set(_)).then(|| lost_generator(new_names, &owned, leaving));
    let objection = if is_gone {
        Some(format!("{owner} is gone, and with it all of its applications ({removed})"))
    } else if let Some((generator, count)) = lost().flatten() {
        Some(format!("everything that spec.generators[{generator}] made would go ({count})"))
    } else {
        (removed > allowed).then(|| {
            format!("{removed} of {applications} would go; the budget of {budget} allows {allowed}")
        })
    };
    Removals { owner: owner.clone(), applications, removed, allowed, objection }
}

/// The first generator that would lose every application that it made, and how many these are.
/// Names count, not places: a generator whose applications move still makes them.
fn lost_generator(
    new_names: &Names<'_>,
    owned: &[(&Place, &Entry)],
    leaving: &BTreeSet<&Place>,
) -> Option<(usize, usize)> {
    let mut made: BTreeMap<usize, Vec<&Place>> = BTreeMap::new();
    for (place, entry) in owned {
        made.entry(entry.generator).or_default().push(place);
    }
    let goes =
        |place: &&Place| leaving.contains(place) && !new_names.0.contains_key(place.name.as_str());
    let lost = made.iter().find(|(_, places)| places.iter().all(goes));
    lost.map(|(generator, places)| (*generator, places.len()))
}

impl Comparison {
    /// Whether a hub would ask a person before it removes so much.
    pub(super) fn is_over_budget(&self) -> bool {
        self.removals.iter().any(|removals| removals.objection.is_some())
    }

    pub(super) fn count(&self, wanted: fn(&Kind) -> bool) -> usize {
        self.changes.iter().filter(|change| wanted(&change.kind)).count()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByHand => f.write_str("Application documents"),
            Self::Set(name) => write!(f, "set {name}"),
        }
    }
}
