//! What people see of the fleet's intent. Pure; `views` joins it with what the spokes report.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::cluster::Cluster;
use model::desired::VersionedApplication;
use model::id::CommitId;
use model::name::{ClusterName, SetName};
use model::problem::Problem;
use model::view::{HeldView, ParkedView};

use super::documents::{Documents, Kind};
use super::plan::{Held, Origin, Plan};
use super::state::{BY_HAND, FleetState, Owner};

/// The fleet as it is in force.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FleetSnapshot {
    /// The commit of the fleet repository.
    pub commit: Option<CommitId>,
    /// By name; while an application moves, its new place comes first.
    pub applications: Vec<ApplicationEntry>,
    /// By name. [`BY_HAND`] is among them while removals of applications written by hand wait.
    pub sets: Vec<SetEntry>,
    /// All clusters that may be targeted, with labels and annotations from everywhere.
    pub clusters: BTreeMap<ClusterName, Cluster>,
    pub problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationEntry {
    pub cluster: ClusterName,
    pub desired: VersionedApplication,
    /// The removal that is under way or waits, in words; empty when there is none.
    pub removal: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SetEntry {
    pub name: SetName,
    /// `git` or `api`; `removed` while applications of a set without a document remain.
    pub origin: String,
    pub commit: Option<CommitId>,
    pub held: Vec<HeldView>,
    pub parked: Option<ParkedView>,
    pub problems: Vec<String>,
}

/// Puts together what a plan decided and why.
pub(super) fn of(
    documents: &Documents,
    plan: &Plan,
    clusters: BTreeMap<ClusterName, Cluster>,
    mut problems: Vec<Problem>,
) -> FleetSnapshot {
    problems.extend(plan.problems.iter().cloned());
    problems.sort();
    problems.dedup();
    let state = &plan.state;
    let mut origins: BTreeMap<SetName, (&str, Option<CommitId>)> = BTreeMap::new();
    for (key, origin, _) in
        documents.in_force().filter(|(key, ..)| key.kind == Kind::ApplicationSet)
    {
        let Ok(name) = SetName::new(&key.name) else { continue };
        let told = match origin {
            Origin::Git => ("git", documents.commit),
            Origin::Api => ("api", None),
        };
        origins.insert(name, told);
    }
    let owners = state.applications.values().map(|entry| &entry.owner).chain(state.parked.keys());
    for owner in owners {
        if let Some(name) = pseudo_set(state, owner) {
            origins.entry(name).or_insert(("removed", None));
        }
    }
    let by_owner = grouped(&plan.held);
    let sets = origins
        .into_iter()
        .map(|(name, (origin, commit))| SetEntry {
            held: by_owner.get(name.as_str()).cloned().unwrap_or_default(),
            parked: parked(state, &name),
            problems: problems
                .iter()
                .filter(|problem| problem.set == name.as_str())
                .map(told)
                .collect(),
            name,
            origin: origin.to_owned(),
            commit,
        })
        .collect();
    let applications = applications(state);
    FleetSnapshot { commit: documents.commit, applications, sets, clusters, problems }
}

/// The set under whose name an owner is shown, if it is.
fn pseudo_set(state: &FleetState, owner: &Owner) -> Option<SetName> {
    match owner {
        Owner::Set(name) => Some(name.clone()),
        Owner::ByHand if state.parked.contains_key(owner) => SetName::new(BY_HAND).ok(),
        Owner::ByHand => None,
    }
}

fn owner_of(name: &SetName) -> Owner {
    if name.as_str() == BY_HAND { Owner::ByHand } else { Owner::Set(name.clone()) }
}

fn parked(state: &FleetState, name: &SetName) -> Option<ParkedView> {
    let owner = owner_of(name);
    let parked = state.parked.get(&owner)?;
    let waiting =
        state.applications.iter().filter(|(_, entry)| entry.parked && entry.owner == owner);
    Some(ParkedView {
        plan: parked.plan.clone(),
        applications: waiting.map(|(place, _)| place.name.clone()).collect(),
        reason: parked.reason.clone(),
    })
}

fn grouped(held: &[Held]) -> BTreeMap<&str, Vec<HeldView>> {
    let mut by_owner: BTreeMap<&str, Vec<HeldView>> = BTreeMap::new();
    for Held { owner, element, application, reason } in held {
        by_owner.entry(owner.name()).or_default().push(HeldView {
            element: element.clone(),
            application: application.clone(),
            reason: reason.clone(),
        });
    }
    by_owner
}

fn told(problem: &Problem) -> String {
    match problem.element.as_str() {
        "" => format!("{}: {}", problem.reason, problem.message),
        element => format!("{element}: {}: {}", problem.reason, problem.message),
    }
}

fn applications(state: &FleetState) -> Vec<ApplicationEntry> {
    let in_force = state.applications.iter().map(|(place, entry)| {
        let removal = match state.parked.get(&entry.owner).filter(|_| entry.parked) {
            Some(parked) => {
                format!("waits for approval of plan {}: {}", parked.plan, parked.reason)
            }
            None => String::new(),
        };
        (
            place,
            ApplicationEntry {
                cluster: place.cluster.clone(),
                desired: entry.desired.clone(),
                removal,
            },
        )
    });
    let buried = state.tombstones.iter().map(|(place, buried)| {
        let tombstone = &buried.tombstone;
        let removal = format!("ordered by {}: {}", tombstone.actor, tombstone.reason);
        let (cluster, desired) = (place.cluster.clone(), buried.desired.clone());
        (place, ApplicationEntry { cluster, desired, removal })
    });
    let mut all: Vec<_> = in_force.chain(buried).collect();
    all.sort_by_key(|(place, entry)| (&place.name, !entry.removal.is_empty(), &place.cluster));
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// Shared by all who look.
pub(super) type Shared = Arc<FleetSnapshot>;
