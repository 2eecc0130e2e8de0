//! What is wanted, and what must stay because it could not be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use generators::RepoReference;
use model::application::{Application, Source};
use model::desired::{DesiredApplication, VersionedApplication};
use model::id::CommitId;
use model::name::{ApplicationName, SetName};
use model::problem::{Problem, Reason};

use super::{Element, Held, OwnerInput, PlanInput, Verdict};
use crate::fleet::state::{FleetState, InForce, Owner, Place};

/// What all owners together want.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) wanted: BTreeMap<Place, Arc<InForce>>,
    /// Owners that could not be read completely: nothing of theirs is removed.
    pub(super) frozen: BTreeSet<Owner>,
    /// Applications that keep their last good state: by name, whoever makes them now, and by the
    /// element that made them.
    pub(super) held_names: BTreeSet<ApplicationName>,
    pub(super) held_elements: BTreeSet<(Owner, String)>,
    /// Owners that remove nothing by their policy.
    pub(super) keepers: BTreeSet<Owner>,
    /// For people.
    pub(super) held: Vec<Held>,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn gather(previous: &FleetState, input: &PlanInput) -> Wishes {
    let mut wishes = Wishes::default();
    let mut owners: BTreeMap<ApplicationName, Owner> = BTreeMap::new();
    for (owner, given) in &input.owners {
        if !given.complete {
            wishes.frozen.insert(owner.clone());
        }
        if !given.policy.deletes() {
            wishes.keepers.insert(owner.clone());
        }
        for element in &given.elements {
            match &element.verdict {
                Verdict::Held { name, reason } => {
                    wishes.hold(owner, &element.id, name.as_ref(), reason.clone());
                }
                Verdict::Ok(application) => {
                    let name = &application.metadata.name;
                    if let Some(first) = owners.get(name) {
                        wishes.refuse_twice(owner, element, name, first);
                        continue;
                    }
                    owners.insert(name.clone(), owner.clone());
                    let maker = Maker { owner, given, element, application };
                    wishes.want(previous, input, &maker);
                }
            }
        }
    }
    wishes.tell_kept(previous, input);
    wishes
}

/// Where an application comes from.
struct Maker<'a> {
    owner: &'a Owner,
    given: &'a OwnerInput,
    element: &'a Element,
    application: &'a Application,
}

impl Wishes {
    fn hold(
        &mut self,
        owner: &Owner,
        element: &str,
        name: Option<&ApplicationName>,
        reason: String,
    ) {
        match name {
            Some(name) => drop(self.held_names.insert(name.clone())),
            // It may be any of them.
            None => drop(self.frozen.insert(owner.clone())),
        }
        if !element.is_empty() {
            self.held_elements.insert((owner.clone(), element.to_owned()));
        }
        let (owner, element) = (owner.clone(), element.to_owned());
        self.held.push(Held { owner, element, application: name.cloned(), reason });
    }

    /// The expansion gives each name once; should it ever not, the first owner keeps it.
    fn refuse_twice(
        &mut self,
        owner: &Owner,
        element: &Element,
        name: &ApplicationName,
        first: &Owner,
    ) {
        let message = format!("{name} is made by {first} already; give it another name");
        self.problems.push(problem(owner, &element.id, Reason::DuplicateName, message.clone()));
        self.hold(owner, &element.id, Some(name), message);
    }

    fn want(&mut self, previous: &FleetState, input: &PlanInput, maker: &Maker<'_>) {
        let Maker { owner, given, element, application } = maker;
        let name = &application.metadata.name;
        let made = previous.places(name).find(|(_, entry)| entry.owner == **owner);
        let made = made.filter(|_| !given.policy.updates());
        let source = match made {
            Some((_, entry)) => &entry.desired.application().source,
            None => &application.spec.source,
        };
        let commit = match self.resolved(input, maker, source) {
            Ok(commit) => commit,
            Err(reason) => return self.hold(owner, &element.id, Some(name), reason),
        };
        let paused = input.paused.contains(name);
        let of_set = element.on_removal.unwrap_or(given.safety.on_removal);
        let (place, desired, on_removal) = match made {
            // By the set's policy an application stays as it was made; its branch goes on.
            Some((place, entry)) => {
                let known = (**entry.desired.application()).clone();
                let desired = DesiredApplication { revision: commit, paused, ..known };
                (place.clone(), desired, entry.on_removal)
            }
            None => {
                let cluster = application.spec.destination.cluster.clone();
                let desired = desired(application, owner.set(), commit, paused);
                (Place { name: name.clone(), cluster }, desired, of_set)
            }
        };
        let desired = match versioned(previous, &place, desired) {
            Ok(desired) => desired,
            Err(message) => {
                let reason = Reason::InvalidApplication;
                self.problems.push(problem(owner, &element.id, reason, message.clone()));
                return self.hold(owner, &element.id, Some(name), message);
            }
        };
        let entry = InForce {
            owner: (*owner).clone(),
            element: element.id.clone(),
            generator: element.generator,
            on_removal,
            desired,
            parked: false,
        };
        let shared = previous.applications.get(&place).filter(|known| ***known == entry).cloned();
        self.wanted.insert(place, shared.unwrap_or_else(|| Arc::new(entry)));
    }

    /// The commit that the application's revision names: now, or when it could last be read.
    fn resolved(
        &mut self,
        input: &PlanInput,
        maker: &Maker<'_>,
        source: &Source,
    ) -> Result<CommitId, String> {
        let Maker { owner, element, application, .. } = maker;
        let reference = RepoReference {
            repo_url: source.repo_url.clone(),
            revision: source.target_revision.clone(),
        };
        let Some(resolution) = input.revisions.get(&reference) else {
            return Err("its repository has not been looked at yet".to_owned());
        };
        let Some(error) = &resolution.error else {
            return resolution.commit.ok_or_else(|| "its revision names no commit".to_owned());
        };
        let name = &application.metadata.name;
        let Some(commit) = resolution.commit else {
            let message = format!("{name} cannot be sent: {error}");
            self.problems.push(problem(owner, &element.id, Reason::SourceUnavailable, message));
            return Err(error.clone());
        };
        // The repository is reported once, not by each of its applications.
        let reason = format!("{error}; it stays at commit {}", commit.short());
        let (owner, element) = ((*owner).clone(), element.id.clone());
        self.held.push(Held { owner, element, application: Some(name.clone()), reason });
        Ok(commit)
    }

    /// Where an application is wanted.
    pub(super) fn wanted_anywhere(&self, name: &ApplicationName) -> Option<(&Place, &InForce)> {
        let (place, entry) = self.wanted.range(Place::first_of(name)..).next()?;
        (place.name == *name).then_some((place, &**entry))
    }

    /// Whether a place that nobody wants now must stay.
    pub(super) fn keeps(&self, place: &Place, entry: &InForce) -> bool {
        let owner = &entry.owner;
        self.frozen.contains(owner)
            || self.held_names.contains(&place.name)
            || self.held_elements.contains(&(owner.clone(), entry.element.clone()))
            || self.never_goes(place, entry)
    }

    /// Whether the policy of its set keeps an application. One that moves is no removal.
    pub(super) fn never_goes(&self, place: &Place, entry: &InForce) -> bool {
        self.keepers.contains(&entry.owner) && self.wanted_anywhere(&place.name).is_none()
    }

    /// Says what stays by policy alone.
    fn tell_kept(&mut self, previous: &FleetState, input: &PlanInput) {
        if self.keepers.is_empty() {
            return;
        }
        for (place, entry) in &previous.applications {
            let is_held = self.held_names.contains(&place.name)
                || self.held_elements.contains(&(entry.owner.clone(), entry.element.clone()));
            let is_seen = input.owners.get(&entry.owner).is_some_and(|given| given.complete);
            if is_held || !is_seen || !self.never_goes(place, entry) {
                continue;
            }
            let reason = "the set no longer makes it, and its applicationsSync removes nothing";
            self.held.push(Held {
                owner: entry.owner.clone(),
                element: entry.element.clone(),
                application: Some(place.name.clone()),
                reason: reason.to_owned(),
            });
        }
    }
}

fn desired(
    application: &Application,
    set: Option<&SetName>,
    revision: CommitId,
    paused: bool,
) -> DesiredApplication {
    let spec = &application.spec;
    DesiredApplication {
        name: application.metadata.name.clone(),
        project: spec.project.clone(),
        set: set.cloned(),
        source: spec.source.clone(),
        revision,
        namespace: spec.destination.namespace.clone(),
        sync_policy: spec.sync_policy.clone(),
        ignore_differences: spec.ignore_differences.clone(),
        paused,
    }
}

/// With its version; the one in force is shared when it is the same.
fn versioned(
    previous: &FleetState,
    place: &Place,
    desired: DesiredApplication,
) -> Result<VersionedApplication, String> {
    let known = previous.applications.get(place).map(|entry| &entry.desired);
    if let Some(known) = known.filter(|known| **known.application() == desired) {
        return Ok(known.clone());
    }
    VersionedApplication::new(desired).map_err(|error| format!("{}: {error}", place.name))
}

pub(super) fn problem(owner: &Owner, element: &str, reason: Reason, message: String) -> Problem {
    let set = owner.set().map(ToString::to_string).unwrap_or_default();
    Problem { set, element: element.to_owned(), reason, message }
}
