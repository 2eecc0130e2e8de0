//! What is in force in the whole fleet: the nouns that a plan reads and makes anew.
//!
//! Values without behaviour beyond lookups; `plan` decides, `stored` keeps them. Entries are shared
//! between one state and the next, so that a plan costs what it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::canonical::Digest;
use model::desired::{Tombstone, VersionedApplication};
use model::id::CommitId;
use model::name::{ApplicationName, ClusterName, SetName};
use model::set::OnRemoval;

use super::board::ClusterDesired;

/// The name under which the applications written by hand are shown and approved when removals of
/// them wait. No set may have it.
pub const BY_HAND: &str = "hand-written";

/// Who makes an application, and so whose budget its removal counts in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Set(SetName),
    /// All applications written by hand together.
    ByHand,
}

impl Owner {
    #[must_use]
    pub fn set(&self) -> Option<&SetName> {
        match self {
            Self::Set(name) => Some(name),
            Self::ByHand => None,
        }
    }

    #[must_use]
    pub fn of(set: Option<SetName>) -> Self {
        set.map_or(Self::ByHand, Self::Set)
    }

    /// The name that people use for it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.set().map_or(BY_HAND, SetName::as_str)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(name) => write!(f, "application set {name}"),
            Self::ByHand => f.write_str("the applications written by hand"),
        }
    }
}

/// An application on a cluster. While an application moves, it has two places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub name: ApplicationName,
    pub cluster: ClusterName,
}

impl Place {
    /// The least place that an application of this name can have: no cluster name is empty or
    /// begins with less than a digit.
    pub(super) fn first_of(name: &ApplicationName) -> Self {
        let cluster = ClusterName::new("0").expect("a digit is a cluster name");
        Self { name: name.clone(), cluster }
    }
}

/// An application that its cluster should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    pub owner: Owner,
    /// The element that made it, as its generator names it; empty when written by hand.
    pub element: String,
    /// The index of the generator in its set.
    pub generator: usize,
    /// What becomes of its objects, as of the last time that its set was read.
    pub on_removal: OnRemoval,
    pub desired: VersionedApplication,
    /// Its removal waits for approval. Left only by approval, or when it is wanted again.
    pub parked: bool,
}

/// An application that its cluster is told to remove, until the spoke says that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    pub owner: Owner,
    pub tombstone: Tombstone,
    /// What was in force, for people to look at.
    pub desired: VersionedApplication,
}

/// Removals of one owner that wait for a person. Which ones is marked on the applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Names exactly these removals; an approval quotes it.
    pub plan: String,
    pub reason: String,
}

/// A resource whose absence is a fact and not a failure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Set(SetName),
    Application(ApplicationName),
}

/// Who took a resource away, and how (law L1: only this removes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub actor: String,
    pub reason: String,
    /// The commit of the fleet repository without it, when it was in the fleet repository.
    pub commit: Option<CommitId>,
}

/// Everything that is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetState {
    pub applications: BTreeMap<Place, Arc<InForce>>,
    /// No place is here and in `applications`.
    pub tombstones: BTreeMap<Place, Arc<Buried>>,
    pub parked: BTreeMap<Owner, Parked>,
    /// Resources that were taken away while applications of theirs are still in force.
    pub gone: BTreeMap<Subject, Evidence>,
}

impl FleetState {
    /// The places of an application, wherever it is in force.
    pub fn places<'a>(
        &'a self,
        name: &'a ApplicationName,
    ) -> impl Iterator<Item = (&'a Place, &'a Arc<InForce>)> {
        let same_name = move |(place, _): &(&Place, &Arc<InForce>)| place.name == *name;
        self.applications.range(Place::first_of(name)..).take_while(same_name)
    }

    /// The desired state of each of these clusters.
    #[must_use]
    pub fn desired(
        &self,
        clusters: &BTreeSet<ClusterName>,
    ) -> BTreeMap<ClusterName, ClusterDesired> {
        let mut parts: BTreeMap<_, _> = clusters
            .iter()
            .map(|name| (name.clone(), (BTreeMap::new(), BTreeMap::new())))
            .collect();
        for (place, entry) in &self.applications {
            if let Some((applications, _)) = parts.get_mut(&place.cluster) {
                applications.insert(place.name.clone(), entry.desired.clone());
            }
        }
        for (place, buried) in &self.tombstones {
            if let Some((_, tombstones)) = parts.get_mut(&place.cluster) {
                tombstones.insert(place.name.clone(), buried.tombstone.clone());
            }
        }
        let cluster = |(name, (applications, tombstones))| {
            (name, ClusterDesired::new(applications, tombstones))
        };
        parts.into_iter().map(cluster).collect()
    }

    /// All clusters that run something or are told to remove something.
    #[must_use]
    pub fn clusters(&self) -> BTreeSet<ClusterName> {
        let places = self.applications.keys().chain(self.tombstones.keys());
        places.map(|place| place.cluster.clone()).collect()
    }

    /// The clusters that another state wants something else of.
    #[must_use]
    pub fn touched(&self, next: &Self) -> BTreeSet<ClusterName> {
        let mut touched = BTreeSet::new();
        changed(&self.applications, &next.applications, |place, before, after| {
            let version = |entry: Option<&Arc<InForce>>| entry.map(|entry| entry.desired.version());
            if version(before) != version(after) {
                touched.insert(place.cluster.clone());
            }
        });
        changed(&self.tombstones, &next.tombstones, |place, before, after| {
            let tombstone = |one: Option<&Arc<Buried>>| one.map(|one| one.tombstone.clone());
            if tombstone(before) != tombstone(after) {
                touched.insert(place.cluster.clone());
            }
        });
        touched
    }
}

/// Calls `visit` for each key whose shared values differ between two maps. Values that both share
/// are not looked into.
pub(super) fn changed<K: Ord, V: PartialEq>(
    before: &BTreeMap<K, Arc<V>>,
    after: &BTreeMap<K, Arc<V>>,
    mut visit: impl FnMut(&K, Option<&Arc<V>>, Option<&Arc<V>>),
) {
    for (key, old) in before {
        match after.get(key) {
            Some(new) if Arc::ptr_eq(old, new) || old == new => {}
            new => visit(key, Some(old), new),
        }
    }
    for (key, new) in after {
        if !before.contains_key(key) {
            visit(key, None, Some(new));
        }
    }
}

/// The name of a set of removals: short, and another one whenever a name, place or version differs.
#[must_use]
pub fn plan_hash<'a>(removals: impl IntoIterator<Item = (&'a Place, Digest)>) -> String {
    let sorted: BTreeMap<_, _> = removals.into_iter().collect();
    let line = |(place, version): (&Place, Digest)| {
        format!("{} {} {version}\n", place.name, place.cluster)
    };
    let text: String = sorted.into_iter().map(line).collect();
    Digest::of(text.as_bytes()).short()
}
