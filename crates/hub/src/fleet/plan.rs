//! Decides what is in force next: what is added, changed, held, parked and removed. Pure.
//!
//! The laws as rules (named tests in `plan/tests.rs`):
//! - An application goes only through a tombstone (L1), and only when its set was read completely
//!   and does not hold it, or when its document was taken away by somebody (L2).
//! - Removals beyond the budget of their owner are parked whole until a person approves exactly
//!   them (L3). What was parked once never goes without approval.
//! - A set whose `applicationsSync` does not remove keeps what it no longer makes; one that does not
//!   update keeps what it made as it was made, and only its revision goes on.
//! - What is not in force is never removed, so an empty state makes no tombstone (L4).
//! - The same input again changes nothing and is no act (L9).

mod decree;
mod removals;
mod wishes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use generators::RepoReference;
use model::application::Application;
use model::desired::VersionedApplication;
use model::id::{CommitId, Epoch};
use model::name::{ApplicationName, SetName};
use model::problem::Problem;
use model::set::{ApplicationsSync, OnRemoval, Safety};
use model::status::Timestamp;

use super::state::{Evidence, FleetState, InForce, Owner, Subject};
use crate::ledger::NewRecord;

/// Who is named when the fleet repository asked for something.
pub const FLEET_REPOSITORY: &str = "fleet repository";
/// Who is named when no person and no commit asked for something.
pub const HUB: &str = "hub";

/// Everything that a plan looks at, as of one moment.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The sets whose documents are there (or held at their last good state), and the applications
    /// written by hand.
    pub owners: BTreeMap<Owner, OwnerInput>,
    /// What was taken away since the last plan.
    pub gone: BTreeMap<Subject, Evidence>,
    /// What each revision was resolved to; one that is not here has not been looked at yet.
    pub revisions: BTreeMap<RepoReference, Resolution>,
    pub paused: BTreeSet<ApplicationName>,
    /// The newest commit of the fleet repository that was read.
    pub commit: Option<CommitId>,
    pub epoch: Epoch,
    /// For the records; no decision depends on it.
    pub now: Timestamp,
    /// What persons approve now. One that names another plan has no effect.
    pub approvals: BTreeMap<Owner, Approval>,
}

/// What an owner gives.
#[derive(Debug, Clone, Default)]
pub struct OwnerInput {
    pub origin: Origin,
    pub safety: Safety,
    /// What it may do to applications that exist.
    pub policy: ApplicationsSync,
    /// Each element says for itself what becomes of its objects, and `safety.on_removal` is only
    /// for those that do not. What is in force keeps what it was last told.
    pub on_removal_by_element: bool,
    /// False when something could not be read: then nothing of this owner is removed.
    pub complete: bool,
    pub elements: Vec<Element>,
}

/// Where the document of a set comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    Git,
    #[default]
    Api,
}

#[derive(Debug, Clone)]
pub struct Element {
    pub id: String,
    pub generator: usize,
    pub verdict: Verdict,
    /// What becomes of its objects, when that is not for its owner to say.
    pub on_removal: Option<OnRemoval>,
}

#[derive(Debug, Clone)]
pub enum Verdict {
    Ok(Arc<Application>),
    /// Its last good application stays; without a name nothing of the owner is removed.
    Held {
        name: Option<ApplicationName>,
        reason: String,
    },
}

/// What a revision names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Now, or when it could last be read.
    pub commit: Option<CommitId>,
    /// Why it cannot be read now.
    pub error: Option<String>,
}

/// A person's word that exactly this plan may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub plan: String,
    pub actor: String,
    pub reason: String,
}

/// An element whose last good result stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub owner: Owner,
    pub element: String,
    pub application: Option<ApplicationName>,
    pub reason: String,
}

/// What is in force next, and what people are told.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub state: FleetState,
    pub acts: Vec<NewRecord>,
    pub held: Vec<Held>,
    pub problems: Vec<Problem>,
    /// The owners whose approval took effect.
    pub approved: BTreeSet<Owner>,
}

/// Decides from what is in force and from what is wanted.
#[must_use]
pub fn plan(previous: &FleetState, input: &PlanInput) -> Plan {
    let current = current(previous, input);
    let gone = evidence(previous, input);
    let mut wishes = wishes::gather(&current, input);
    let removals = removals::decide(&current, input, &gone, &mut wishes);
    decree::issue(previous, current, input, gone, wishes, removals)
}

/// What is in force, with what needs no expansion brought up to date: pauses, and what becomes of
/// the objects. It holds also for applications that are held or parked.
fn current(previous: &FleetState, input: &PlanInput) -> FleetState {
    let mut current = previous.clone();
    for (place, entry) in &mut current.applications {
        let paused = input.paused.contains(&place.name);
        let given = input.owners.get(&entry.owner);
        let of_owner = given.filter(|given| !given.on_removal_by_element);
        let on_removal = of_owner.map_or(entry.on_removal, |given| given.safety.on_removal);
        if entry.desired.application().paused == paused && entry.on_removal == on_removal {
            continue;
        }
        let mut application = (**entry.desired.application()).clone();
        application.paused = paused;
        // `false` and `true` differ by a byte: one at the very limit of the size stays as it is.
        let desired = VersionedApplication::new(application);
        let desired = desired.unwrap_or_else(|_| entry.desired.clone());
        *entry = Arc::new(InForce { desired, on_removal, ..(**entry).clone() });
    }
    current
}

/// What is known to be taken away: a resource that is there again is not.
fn evidence(previous: &FleetState, input: &PlanInput) -> BTreeMap<Subject, Evidence> {
    let mut gone = previous.gone.clone();
    gone.extend(input.gone.clone());
    let by_hand = input.owners.get(&Owner::ByHand);
    let names = by_hand.into_iter().flat_map(|owner| &owner.elements);
    let names: BTreeSet<_> = names.filter_map(|element| element.verdict.name()).collect();
    gone.retain(|subject, _| match subject {
        Subject::Set(name) => !input.has_set(name),
        Subject::Application(name) => !names.contains(name),
    });
    gone
}

impl PlanInput {
    fn has_set(&self, name: &SetName) -> bool {
        self.owners.contains_key(&Owner::Set(name.clone()))
    }
}

impl Verdict {
    fn name(&self) -> Option<&ApplicationName> {
        match self {
            Self::Ok(application) => Some(&application.metadata.name),
            Self::Held { name, .. } => name.as_ref(),
        }
    }
}
