//! Which applications go, which wait for a person, and why.

use std::collections::{BTreeMap, BTreeSet};

use model::name::ApplicationName;
use model::problem::{Problem, Reason};
use model::set::DeletionBudget;

use super::wishes::{Wishes, problem};
use super::{FLEET_REPOSITORY, HUB, Origin, PlanInput};
use crate::fleet::state::{
    Evidence, FleetState, InForce, Owner, Parked, Place, Subject, plan_hash,
};

/// What becomes of everything that is in force and not wanted.
#[derive(Debug, Default)]
pub(super) struct Removals {
    /// Each with who and why.
    pub(super) ordered: BTreeMap<Place, Evidence>,
    pub(super) parked: BTreeMap<Owner, (Parked, BTreeSet<Place>)>,
    pub(super) approved: BTreeSet<Owner>,
}

type Eligible<'a> = BTreeMap<&'a Place, (&'a InForce, Evidence)>;

/// One owner's places that nobody wants.
#[derive(Default)]
struct Leaving<'a> {
    /// May go, as far as its own state is concerned.
    eligible: Eligible<'a>,
    /// Waited for approval before.
    waiting: BTreeMap<&'a Place, &'a InForce>,
    /// All names that each generator made, also of what stays. Names count, not places: a
    /// generator whose applications move still makes them.
    made: BTreeMap<usize, BTreeSet<&'a ApplicationName>>,
}

pub(super) fn decide(
    previous: &FleetState,
    input: &PlanInput,
    gone: &BTreeMap<Subject, Evidence>,
    wishes: &mut Wishes,
) -> Removals {
    let mut owners: BTreeMap<&Owner, Leaving<'_>> = BTreeMap::new();
    for (place, entry) in &previous.applications {
        if wishes.wanted.contains_key(place) {
            continue;
        }
        let leaving = owners.entry(&entry.owner).or_default();
        // What the set's policy keeps now waits no longer.
        if entry.parked && !wishes.never_goes(place, entry) {
            leaving.waiting.insert(place, entry);
        }
        if wishes.keeps(place, entry) {
            continue;
        }
        match evidence(input, gone, wishes, place, entry) {
            Some(evidence) => drop(leaving.eligible.insert(place, (entry, evidence))),
            None => wishes.problems.push(unseen(place, entry)),
        }
    }
    for (place, entry) in &previous.applications {
        if let Some(leaving) = owners.get_mut(&entry.owner) {
            leaving.made.entry(entry.generator).or_default().insert(&place.name);
        }
    }
    let mut removals = Removals::default();
    for (owner, leaving) in owners {
        settle(previous, input, wishes, owner, leaving, &mut removals);
    }
    removals
}

/// Who took the application away. Without an answer it stays (law L1).
fn evidence(
    input: &PlanInput,
    gone: &BTreeMap<Subject, Evidence>,
    wishes: &Wishes,
    place: &Place,
    entry: &InForce,
) -> Option<Evidence> {
    let moved = || moved_to(wishes, &entry.owner, place);
    match &entry.owner {
        Owner::Set(set) => match input.owners.get(&entry.owner) {
            Some(given) => Some(by_origin(
                input,
                given.origin,
                match moved() {
                    Some(to) => format!("application set {set} moves it to cluster {}", to.cluster),
                    None => format!("application set {set} no longer makes it"),
                },
            )),
            None => gone.get(&Subject::Set(set.clone())).cloned(),
        },
        Owner::ByHand => {
            gone.get(&Subject::Application(place.name.clone())).cloned().or_else(|| {
                let origin = input.owners.get(&Owner::ByHand)?.origin;
                let to = moved()?;
                Some(by_origin(input, origin, format!("its document moves it to {}", to.cluster)))
            })
        }
    }
}

fn by_origin(input: &PlanInput, origin: Origin, reason: String) -> Evidence {
    match origin {
        Origin::Git => {
            Evidence { actor: FLEET_REPOSITORY.to_owned(), reason, commit: input.commit }
        }
        Origin::Api => Evidence { actor: HUB.to_owned(), reason, commit: None },
    }
}

/// Another place where the same owner wants the application.
fn moved_to<'a>(wishes: &'a Wishes, owner: &Owner, place: &Place) -> Option<&'a Place> {
    let (to, entry) = wishes.wanted_anywhere(&place.name)?;
    (entry.owner == *owner).then_some(to)
}

fn unseen(place: &Place, entry: &InForce) -> Problem {
    let Place { name, cluster } = place;
    let message = format!(
        "{name} stays on {cluster}: the document that made it is not there, and nobody is known \
         to have removed it"
    );
    problem(&entry.owner, &entry.element, Reason::SourceUnavailable, message)
}

/// Orders or parks the removals of one owner.
fn settle(
    previous: &FleetState,
    input: &PlanInput,
    wishes: &Wishes,
    owner: &Owner,
    leaving: Leaving<'_>,
    removals: &mut Removals,
) {
    let reason = objection(previous, input, wishes, owner, &leaving);
    let Leaving { eligible, waiting, .. } = leaving;
    let known = previous.parked.get(owner);
    if reason.is_none() && waiting.is_empty() {
        let ordered = eligible.into_iter().map(|(place, (_, evidence))| (place.clone(), evidence));
        removals.ordered.extend(ordered);
        return;
    }
    let entries = eligible.iter().map(|(place, (entry, _))| (*place, *entry));
    let all: BTreeMap<&Place, &InForce> =
        entries.chain(waiting.iter().map(|(place, entry)| (*place, *entry))).collect();
    let plan = plan_hash(all.iter().map(|(place, entry)| (*place, entry.desired.version())));
    let approval = input.approvals.get(owner).filter(|approval| approval.plan == plan);
    // An approval of what can no longer be judged would be carried out blindly.
    if let Some(approval) = approval.filter(|_| all.len() == eligible.len()) {
        for (place, (_, evidence)) in eligible {
            let actor = approval.actor.clone();
            let reason = match approval.reason.as_str() {
                "" => evidence.reason,
                given => format!("{}; approved: {given}", evidence.reason),
            };
            removals.ordered.insert(place.clone(), Evidence { actor, reason, ..evidence });
        }
        removals.approved.insert(owner.clone());
        return;
    }
    let parked = match known.filter(|known| known.plan == plan) {
        Some(known) => known.clone(),
        None => {
            let earlier = || known.map(|known| known.reason.clone());
            let reason = reason.or_else(earlier).unwrap_or_default();
            Parked { plan, reason }
        }
    };
    let places = all.into_keys().cloned().collect();
    removals.parked.insert(owner.clone(), (parked, places));
}

/// Why these removals need a person (law L3).
fn objection(
    previous: &FleetState,
    input: &PlanInput,
    wishes: &Wishes,
    owner: &Owner,
    leaving: &Leaving<'_>,
) -> Option<String> {
    let (_, evidence) = leaving.eligible.values().next()?;
    let removed = leaving.eligible.len();
    let budget = match (owner, input.owners.get(owner)) {
        (Owner::Set(_), None) => {
            return Some(format!("{}; all of it would be removed ({removed})", evidence.reason));
        }
        (Owner::Set(_), Some(given)) => {
            if let Some((generator, count)) = lost_generator(previous, wishes, leaving) {
                return Some(format!(
                    "everything that spec.generators[{generator}] made would be removed ({count})"
                ));
            }
            given.safety.deletion_budget
        }
        (Owner::ByHand, _) => DeletionBudget::default(),
    };
    let existing = leaving.made.values().flatten().collect::<BTreeSet<_>>().len();
    let allowed = budget.allows(existing);
    (removed > allowed).then(|| {
        format!(
            "{removed} of {existing} applications would be removed; the budget of {budget} allows \
             {allowed}"
        )
    })
}

/// The first generator that would lose every application that it made, and how many these are.
fn lost_generator(
    previous: &FleetState,
    wishes: &Wishes,
    leaving: &Leaving<'_>,
) -> Option<(usize, usize)> {
    let leaves = |name: &ApplicationName| {
        wishes.wanted_anywhere(name).is_none()
            && previous.places(name).all(|(place, _)| leaving.eligible.contains_key(place))
    };
    let mut made = leaving.made.iter();
    let lost = made.find(|(_, names)| names.iter().all(|name| leaves(name)));
    lost.map(|(generator, names)| (*generator, names.len()))
}
