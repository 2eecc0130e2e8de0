//! Puts a decision into words and into the next state: one record for each act.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::desired::{DesiredApplication, Tombstone};
use model::id::CommitId;
use model::name::ApplicationName;

use super::removals::Removals;
use super::wishes::Wishes;
use super::{HUB, Plan, PlanInput};
use crate::fleet::state::{Buried, Evidence, FleetState, InForce, Owner, Parked, Place, Subject};
use crate::ledger::NewRecord;

/// The names that a message lists; `muster describe` has all of them.
const NAMED: usize = 10;
/// A tombstone stays below one kilobyte, so that a message to a spoke holds thousands of them.
const MAX_REASON_BYTES: usize = 400;

/// `current` is `previous` with the pauses of `input`.
pub(super) fn issue(
    previous: &FleetState,
    current: FleetState,
    input: &PlanInput,
    gone: BTreeMap<Subject, Evidence>,
    wishes: Wishes,
    removals: Removals,
) -> Plan {
    let mut decree = Decree { input, state: current, acts: Vec::new() };
    decree.record_approvals(previous, &removals);
    for (place, evidence) in removals.ordered {
        decree.bury(place, evidence);
    }
    for (place, entry) in wishes.wanted {
        decree.want(previous, place, entry);
    }
    decree.park(previous, removals.parked, &removals.approved);
    decree.state.gone = still_gone(gone, &decree.state);
    let mut problems = wishes.problems;
    problems.sort();
    problems.dedup();
    let Decree { state, acts, .. } = decree;
    Plan { state, acts, held: wishes.held, problems, approved: removals.approved }
}

struct Decree<'a> {
    input: &'a PlanInput,
    state: FleetState,
    acts: Vec<NewRecord>,
}

impl Decree<'_> {
    fn act(&mut self, actor: &str, action: &str, message: String) -> &mut NewRecord {
        self.acts.push(NewRecord {
            at: self.input.now,
            actor: actor.to_owned(),
            action: action.to_owned(),
            application: None,
            cluster: None,
            commit: self.input.commit,
            message,
            reason: String::new(),
        });
        self.acts.last_mut().expect("one was pushed")
    }

    fn act_on(
        &mut self,
        actor: &str,
        action: &str,
        place: &Place,
        message: String,
    ) -> &mut NewRecord {
        let record = self.act(actor, action, message);
        record.application = Some(place.name.clone());
        record.cluster = Some(place.cluster.clone());
        record
    }

    fn record_approvals(&mut self, previous: &FleetState, removals: &Removals) {
        for owner in &removals.approved {
            let Some(approval) = self.input.approvals.get(owner) else { continue };
            let of_owner = |place: &&Place| {
                previous.applications.get(place).is_some_and(|entry| entry.owner == *owner)
            };
            let names = removals.ordered.keys().filter(of_owner).map(|place| &place.name);
            let plan = &approval.plan;
            let message = format!("{owner}: the removals of plan {plan} go on: {}", listed(names));
            self.act(&approval.actor, "RemovalApproved", message)
                .reason
                .clone_from(&approval.reason);
        }
    }

    /// The only way out of the desired state (law L1).
    fn bury(&mut self, place: Place, evidence: Evidence) {
        let Some(entry) = self.state.applications.remove(&place) else { return };
        let Evidence { actor, mut reason, commit } = evidence;
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        let message = format!("{} is removed from {}: {reason}", place.name, place.cluster);
        self.act_on(&actor, "RemovalOrdered", &place, message).commit = commit;
        let tombstone = Tombstone {
            name: place.name.clone(),
            version: entry.desired.version(),
            on_removal: entry.on_removal,
            actor,
            reason,
            commit,
            epoch: self.input.epoch,
        };
        let (owner, desired) = (entry.owner.clone(), entry.desired.clone());
        self.state.tombstones.insert(place, Arc::new(Buried { owner, tombstone, desired }));
    }

    fn want(&mut self, previous: &FleetState, place: Place, entry: Arc<InForce>) {
        let revived = self.state.tombstones.remove(&place).is_some();
        let application = entry.desired.application();
        let message = match previous.applications.get(&place) {
            None => Some(("ApplicationAdded", added(&entry, revived))),
            Some(known) if known.desired.version() == entry.desired.version() => None,
            Some(known) => changes(known.desired.application(), application)
                .map(|message| ("ApplicationChanged", message)),
        };
        if let Some((action, message)) = message {
            self.act_on(HUB, action, &place, message).commit = Some(application.revision);
        }
        self.state.applications.insert(place, entry);
    }

    /// Marks what waits, and says what has begun or ceased to wait.
    fn park(
        &mut self,
        previous: &FleetState,
        parked: BTreeMap<Owner, (Parked, BTreeSet<Place>)>,
        approved: &BTreeSet<Owner>,
    ) {
        for owner in previous.parked.keys() {
            if !parked.contains_key(owner) && !approved.contains(owner) {
                let message = format!("{owner}: no removal waits any more");
                self.act(HUB, "RemovalUnparked", message);
            }
        }
        let places: BTreeSet<&Place> = parked.values().flat_map(|(_, places)| places).collect();
        for (place, entry) in &mut self.state.applications {
            let waits = places.contains(place);
            if entry.parked != waits {
                *entry = Arc::new(InForce { parked: waits, ..(**entry).clone() });
            }
        }
        let mut next = BTreeMap::new();
        for (owner, (parked, places)) in parked {
            if previous.parked.get(&owner).is_none_or(|known| known.plan != parked.plan) {
                let names = listed(places.iter().map(|place| &place.name));
                let Parked { plan, reason } = &parked;
                let message = format!("{owner}: plan {plan} waits for approval: {reason}: {names}");
                self.act(HUB, "RemovalParked", message);
            }
            next.insert(owner, parked);
        }
        self.state.parked = next;
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a ApplicationName>) -> String {
    let mut names: Vec<_> = names.map(ApplicationName::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

fn added(entry: &InForce, revived: bool) -> String {
    let application = entry.desired.application();
    let made = match (&entry.owner, entry.element.as_str()) {
        (Owner::ByHand, _) => "written by hand".to_owned(),
        (owner, "") => format!("made by {owner}"),
        (owner, element) => format!("made by {owner}, {element}"),
    };
    let revived = if revived { "; its removal is called off" } else { "" };
    format!("{} at commit {}, {made}{revived}", application.name, application.revision.short())
}

/// What differs, in words. A pause is not told here: the person who asked for it has a record.
fn changes(before: &DesiredApplication, after: &DesiredApplication) -> Option<String> {
    let name = &after.name;
    let short = |commit: CommitId| commit.short();
    let (from, to) = (short(before.revision), short(after.revision));
    let same_but_revision = |one: &DesiredApplication| DesiredApplication {
        revision: after.revision,
        paused: after.paused,
        ..one.clone()
    };
    match (before.revision == after.revision, same_but_revision(before) == *after) {
        (true, true) => None,
        (false, true) => Some(format!("{name} goes from commit {from} to {to}")),
        (true, false) => Some(format!("{name} has another specification, at commit {to}")),
        (false, false) => {
            Some(format!("{name} has another specification, and goes from commit {from} to {to}"))
        }
    }
}

/// Evidence is kept while something in force depends on it.
fn still_gone(
    mut gone: BTreeMap<Subject, Evidence>,
    state: &FleetState,
) -> BTreeMap<Subject, Evidence> {
    if gone.is_empty() {
        return gone;
    }
    let subject = |(place, entry): (&Place, &Arc<InForce>)| match &entry.owner {
        Owner::Set(name) => Subject::Set(name.clone()),
        Owner::ByHand => Subject::Application(place.name.clone()),
    };
    let needed: BTreeSet<_> = state.applications.iter().map(subject).collect();
    gone.retain(|subject, _| needed.contains(subject));
    gone
}
