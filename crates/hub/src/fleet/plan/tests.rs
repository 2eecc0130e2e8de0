//! The usual stories by example; random histories are in `histories`.

mod histories;
mod policies;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use generators::RepoReference;
use model::application::Application;
use model::id::{CommitId, Epoch};
use model::name::{ApplicationName, ClusterName, SetName};
use model::set::{DeletionBudget, OnRemoval, Safety};
use model::status::Timestamp;
use serde_json::json;

use super::*;
use crate::fleet::state::{InForce, Place};

const URL: &str = "https://git.example/apps.git";

fn name(text: &str) -> ApplicationName {
    ApplicationName::new(text).unwrap()
}

fn set(text: &str) -> Owner {
    Owner::Set(SetName::new(text).unwrap())
}

fn place(application: &str, cluster: &str) -> Place {
    Place { name: name(application), cluster: ClusterName::new(cluster).unwrap() }
}

fn commit(number: u8) -> CommitId {
    CommitId::from_bytes([number; 20])
}

fn application(name: &str, cluster: &str, revision: &str) -> Arc<Application> {
    let document = json!({
        "metadata": {"name": name},
        "spec": {
            "source": {"repoURL": URL, "targetRevision": revision, "path": "."},
            "destination": {"cluster": cluster},
        },
    });
    Arc::new(serde_json::from_value(document).unwrap())
}

fn ok(id: &str, name: &str, cluster: &str) -> Element {
    let verdict = Verdict::Ok(application(name, cluster, "main"));
    Element { id: id.to_owned(), generator: 0, verdict, on_removal: None }
}

fn held(id: &str, name: Option<&str>) -> Element {
    let name = name.map(self::name);
    let verdict = Verdict::Held { name, reason: "it broke".to_owned() };
    Element { id: id.to_owned(), generator: 0, verdict, on_removal: None }
}

fn complete(elements: Vec<Element>) -> OwnerInput {
    OwnerInput { complete: true, elements, ..OwnerInput::default() }
}

fn reference(revision: &str) -> RepoReference {
    RepoReference { repo_url: URL.to_owned(), revision: revision.to_owned() }
}

fn resolved(number: u8) -> Resolution {
    Resolution { commit: Some(commit(number)), error: None }
}

fn input(owners: impl IntoIterator<Item = (Owner, OwnerInput)>) -> PlanInput {
    PlanInput {
        owners: owners.into_iter().collect(),
        gone: BTreeMap::new(),
        revisions: BTreeMap::from([(reference("main"), resolved(1))]),
        paused: BTreeSet::new(),
        commit: Some(commit(200)),
        epoch: Epoch { id: 7, counter: 1 },
        now: Timestamp(0),
        approvals: BTreeMap::new(),
    }
}

fn of_set(elements: Vec<Element>) -> PlanInput {
    input([(set("s"), complete(elements))])
}

/// `count` applications of the set `s`, one on each cluster.
fn many(count: usize) -> Vec<Element> {
    (0..count).map(|n| ok(&format!("e{n}"), &format!("a{n}"), &format!("c{n}"))).collect()
}

fn approved(mut input: PlanInput, owner: &Owner, plan: &str) -> PlanInput {
    let (actor, reason) = ("operator/ada".to_owned(), "looked at it".to_owned());
    input.approvals.insert(owner.clone(), Approval { plan: plan.to_owned(), actor, reason });
    input
}

fn gone(mut input: PlanInput, subject: Subject) -> PlanInput {
    let (actor, reason) =
        (FLEET_REPOSITORY.to_owned(), "commit c8 has no such document".to_owned());
    input.gone.insert(subject, Evidence { actor, reason, commit: Some(commit(200)) });
    input
}

/// What is in force, parked and buried, one word each.
fn told(state: &FleetState) -> String {
    let mark = |entry: &InForce| if entry.parked { "?" } else { "" };
    let in_force = state.applications.iter();
    let in_force =
        in_force.map(|(place, entry)| format!("{}@{}{}", place.name, place.cluster, mark(entry)));
    let buried = state.tombstones.keys().map(|place| format!("-{}@{}", place.name, place.cluster));
    in_force.chain(buried).collect::<Vec<_>>().join(" ")
}

fn actions(plan: &Plan) -> Vec<&str> {
    plan.acts.iter().map(|act| act.action.as_str()).collect()
}

#[test]
fn within_the_budget_an_element_that_is_gone_gets_a_tombstone() {
    let before = plan(&FleetState::default(), &of_set(many(3))).state;
    let mut less = of_set(many(2));
    less.owners.get_mut(&set("s")).unwrap().safety.on_removal = OnRemoval::Orphan;
    less.owners.get_mut(&set("s")).unwrap().origin = Origin::Git;
    let after = plan(&before, &less);
    assert_eq!(told(&after.state), "a0@c0 a1@c1 -a2@c2");
    let tombstone = &after.state.tombstones[&place("a2", "c2")].tombstone;
    assert_eq!(tombstone.on_removal, OnRemoval::Orphan);
    assert_eq!((tombstone.actor.as_str(), tombstone.commit), (FLEET_REPOSITORY, Some(commit(200))));
    assert_eq!(tombstone.reason, "application set s no longer makes it");
    assert_eq!(tombstone.version, before.applications[&place("a2", "c2")].desired.version());
    assert_eq!(actions(&after), ["RemovalOrdered"]);
}

#[test]
fn beyond_the_budget_all_removals_wait_and_additions_go_on() {
    let before = plan(&FleetState::default(), &of_set(many(10))).state;
    let mut elements = many(8);
    elements.push(ok("new", "new", "c9"));
    let after = plan(&before, &of_set(elements.clone()));
    let waiting = "a0@c0 a1@c1 a2@c2 a3@c3 a4@c4 a5@c5 a6@c6 a7@c7 a8@c8? a9@c9? new@c9";
    assert_eq!(told(&after.state), waiting);
    let parked = after.state.parked[&set("s")].clone();
    assert_eq!(parked.reason, "2 of 10 applications would be removed; the budget of 10% allows 1");
    // Another plan than the approved one stays parked.
    let other = plan(&after.state, &approved(of_set(many(7)), &set("s"), &parked.plan));
    assert!(other.state.tombstones.is_empty() && other.approved.is_empty());
    // Exactly the approved one goes.
    let done = plan(&after.state, &approved(of_set(elements), &set("s"), &parked.plan));
    assert_eq!(actions(&done), ["RemovalApproved", "RemovalOrdered", "RemovalOrdered"]);
    let tombstone = &done.state.tombstones[&place("a8", "c8")].tombstone;
    assert_eq!(tombstone.actor, "operator/ada");
    assert_eq!(tombstone.reason, "application set s no longer makes it; approved: looked at it");
    assert!(done.state.parked.is_empty());
}

#[test]
fn the_last_application_of_a_generator_never_goes_unasked() {
    let before = plan(&FleetState::default(), &of_set(many(1))).state;
    let after = plan(&before, &of_set(vec![]));
    assert_eq!(told(&after.state), "a0@c0?");
    let reason = &after.state.parked[&set("s")].reason;
    assert_eq!(reason, "everything that spec.generators[0] made would be removed (1)");
    // A rename looks like that too, and does not become smaller by what was added meanwhile.
    let renamed = of_set(vec![ok("e0", "other", "c0")]);
    let after = plan(&before, &renamed);
    assert_eq!(told(&after.state), "a0@c0? other@c0");
    let again = plan(&after.state, &renamed);
    assert_eq!((again.state, again.acts), (after.state, vec![]));
}

#[test]
fn what_was_parked_waits_even_when_it_comes_to_fit_into_the_budget() {
    let before = plan(&FleetState::default(), &of_set(many(10))).state;
    let parked = plan(&before, &of_set(many(8)));
    let fewer = plan(&parked.state, &of_set(many(9)));
    assert!(told(&fewer.state).ends_with("a9@c9?"), "{}", told(&fewer.state));
    assert_ne!(fewer.state.parked[&set("s")].plan, parked.state.parked[&set("s")].plan);
    let back = plan(&fewer.state, &of_set(many(10)));
    assert_eq!(back.state, before);
    assert_eq!(actions(&back), ["RemovalUnparked"]);
}

#[test]
fn an_application_that_moves_is_added_at_once_and_removed_within_the_budget() {
    let before = plan(&FleetState::default(), &of_set(vec![ok("e", "a", "c1")])).state;
    let moved = of_set(vec![ok("e", "a", "c2")]);
    let after = plan(&before, &moved);
    assert_eq!(told(&after.state), "a@c2 -a@c1");
    let reason = &after.state.tombstones[&place("a", "c1")].tombstone.reason;
    assert_eq!(reason, "application set s moves it to cluster c2");
    let home = plan(&after.state, &of_set(vec![ok("e", "a", "c1")]));
    assert_eq!(told(&home.state), "a@c1 -a@c2", "the old tombstone is called off");
    let all = |cluster: &str| -> Vec<_> {
        (0..5).map(|n| ok(&format!("e{n}"), &format!("a{n}"), cluster)).collect()
    };
    let before = plan(&FleetState::default(), &of_set(all("c1"))).state;
    let after = plan(&before, &of_set(all("c2")));
    assert_eq!((after.state.applications.len(), after.state.tombstones.len()), (10, 0));
}

#[test]
fn a_set_that_is_gone_waits_and_one_that_nobody_removed_stays() {
    let before = plan(&FleetState::default(), &of_set(many(2))).state;
    let unseen = plan(&before, &input([]));
    assert_eq!(unseen.state, before);
    assert_eq!(unseen.problems.len(), 2);
    let subject = Subject::Set(SetName::new("s").unwrap());
    let parked = plan(&before, &gone(input([]), subject));
    assert_eq!(told(&parked.state), "a0@c0? a1@c1?");
    // The evidence is remembered, and dropped with the last application.
    let hash = parked.state.parked[&set("s")].plan.clone();
    let done = plan(&parked.state, &approved(input([]), &set("s"), &hash));
    assert_eq!(told(&done.state), "-a0@c0 -a1@c1");
    assert!(done.state.gone.is_empty());
    // A set that comes back has its applications again.
    let back = plan(&parked.state, &of_set(many(2)));
    assert_eq!(back.state, before);
}

#[test]
fn documents_by_hand_go_one_at_a_time() {
    let by_hand = |count: usize| {
        let mut elements = many(count);
        elements.iter_mut().for_each(|element| element.id.clear());
        input([(Owner::ByHand, complete(elements))])
    };
    let subject = |text: &str| Subject::Application(name(text));
    let before = plan(&FleetState::default(), &by_hand(3)).state;
    let unseen = plan(&before, &by_hand(2));
    assert_eq!(unseen.state, before, "absence is no evidence");
    let one = plan(&before, &gone(by_hand(2), subject("a2")));
    assert_eq!(told(&one.state), "a0@c0 a1@c1 -a2@c2");
    let two = gone(gone(by_hand(1), subject("a1")), subject("a2"));
    let two = plan(&before, &two);
    assert_eq!(told(&two.state), "a0@c0 a1@c1? a2@c2?");
}

#[test]
fn an_approval_has_no_effect_while_the_set_cannot_be_read() {
    let before = plan(&FleetState::default(), &of_set(many(5))).state;
    let parked = plan(&before, &of_set(vec![])).state;
    let hash = parked.parked[&set("s")].plan.clone();
    let mut blind = of_set(vec![]);
    blind.owners.get_mut(&set("s")).unwrap().complete = false;
    let after = plan(&parked, &approved(blind, &set("s"), &hash));
    assert_eq!(after.state, parked);
    assert_eq!(actions(&after), Vec::<&str>::new());
}

#[test]
fn a_revision_that_cannot_be_resolved_keeps_the_last_commit() {
    let before = plan(&FleetState::default(), &of_set(many(1))).state;
    let error = Some("the server is on fire".to_owned());
    let mut stale = of_set(many(1));
    stale
        .revisions
        .insert(reference("main"), Resolution { commit: Some(commit(1)), error: error.clone() });
    let after = plan(&before, &stale);
    assert_eq!((&after.state, after.held.len()), (&before, 1));
    let mut lost = of_set(many(2));
    lost.revisions.insert(reference("main"), Resolution { commit: None, error });
    let after = plan(&before, &lost);
    assert_eq!((&after.state, after.held.len()), (&before, 2));
    assert!(after.problems.iter().any(|problem| problem.message.contains("a1 cannot be sent")));
    let mut newer = of_set(many(1));
    newer.revisions.insert(reference("main"), resolved(2));
    let after = plan(&before, &newer);
    assert_eq!(after.acts[0].message, "a0 goes from commit 01010101 to 02020202");
    assert_eq!(after.acts[0].commit, Some(commit(2)));
}

#[test]
fn a_held_element_without_a_name_keeps_the_whole_set() {
    let before = plan(&FleetState::default(), &of_set(many(3))).state;
    let mut elements = many(2);
    elements.push(held("e9", None));
    assert_eq!(plan(&before, &of_set(elements)).state, before);
    let mut elements = many(2);
    elements.push(held("e9", Some("other")));
    assert_eq!(told(&plan(&before, &of_set(elements)).state), "a0@c0 a1@c1 -a2@c2");
    let mut elements = many(2);
    elements.push(held("e2", Some("renamed")));
    assert_eq!(plan(&before, &of_set(elements)).state, before, "its element is held");
    let mut elements = many(2);
    elements.push(held("e9", Some("a2")));
    assert_eq!(plan(&before, &of_set(elements)).state, before, "its name is held");
    let mut other = of_set(many(2));
    other.owners.insert(set("t"), complete(vec![held("e9", Some("a2"))]));
    assert_eq!(plan(&before, &other).state, before, "another set wants the name and fails");
}

#[test]
fn a_pause_reaches_held_and_parked_applications_too() {
    let before = plan(&FleetState::default(), &of_set(many(2))).state;
    let mut paused = of_set(vec![held("e0", Some("a0")), held("e1", Some("a1"))]);
    paused.paused.insert(name("a0"));
    let after = plan(&before, &paused).state;
    let flag =
        |text: &str, at: &str| after.applications[&place(text, at)].desired.application().paused;
    assert_eq!((flag("a0", "c0"), flag("a1", "c1")), (true, false));
}
