//! What a set may do to applications that exist.

use model::set::ApplicationsSync;

use super::*;

fn with_policy(elements: Vec<Element>, policy: ApplicationsSync) -> PlanInput {
    input([(set("s"), OwnerInput { policy, ..complete(elements) })])
}

fn on(id: &str, name: &str, cluster: &str, revision: &str) -> Element {
    let verdict = Verdict::Ok(application(name, cluster, revision));
    Element { verdict, ..ok(id, name, cluster) }
}

#[test]
fn a_policy_that_removes_nothing_keeps_what_is_no_longer_made() {
    for policy in [ApplicationsSync::CreateOnly, ApplicationsSync::CreateUpdate] {
        let before = plan(&FleetState::default(), &of_set(many(3))).state;
        let after = plan(&before, &with_policy(Vec::new(), policy));
        assert_eq!(told(&after.state), "a0@c0 a1@c1 a2@c2");
        assert_eq!(actions(&after), Vec::<&str>::new());
        assert_eq!(after.held.len(), 3);
        assert!(after.held[0].reason.contains("removes nothing"), "{:?}", after.held[0]);
        assert_eq!(plan(&after.state, &with_policy(Vec::new(), policy)).state, after.state);
    }
    // The set's own removal is another matter: a person or a commit has asked for it.
    let before = plan(&FleetState::default(), &of_set(many(3))).state;
    let removed = gone(input([]), Subject::Set(SetName::new("s").unwrap()));
    assert_eq!(told(&plan(&before, &removed).state), "a0@c0? a1@c1? a2@c2?");
}

#[test]
fn a_policy_that_removes_nothing_lets_applications_move() {
    let before = plan(&FleetState::default(), &of_set(many(2))).state;
    let moved = vec![ok("e0", "a0", "c0"), ok("e1", "a1", "c9")];
    let after = plan(&before, &with_policy(moved, ApplicationsSync::CreateUpdate));
    assert_eq!(told(&after.state), "a0@c0 a1@c9 -a1@c1");
}

#[test]
fn what_waits_for_approval_waits_no_longer_once_the_policy_keeps_it() {
    let before = plan(&FleetState::default(), &of_set(many(3))).state;
    let parked = plan(&before, &of_set(Vec::new())).state;
    assert_eq!(told(&parked), "a0@c0? a1@c1? a2@c2?");
    let after = plan(&parked, &with_policy(Vec::new(), ApplicationsSync::CreateUpdate));
    assert_eq!(told(&after.state), "a0@c0 a1@c1 a2@c2");
    assert_eq!(actions(&after), ["RemovalUnparked"]);
}

#[test]
fn a_policy_that_updates_nothing_keeps_applications_as_they_were_made() {
    for policy in [ApplicationsSync::CreateOnly, ApplicationsSync::CreateDelete] {
        let before = plan(&FleetState::default(), &of_set(many(1))).state;
        let changed = vec![on("e0", "a0", "c9", "next"), ok("e1", "new", "c1")];
        let mut changed = with_policy(changed, policy);
        changed.revisions.insert(reference("main"), resolved(2));
        let after = plan(&before, &changed);
        // Neither its cluster nor its branch changes; the branch itself goes on.
        assert_eq!(told(&after.state), "a0@c0 new@c1");
        let kept = after.state.applications[&place("a0", "c0")].desired.application();
        assert_eq!((kept.source.target_revision.as_str(), kept.revision), ("main", commit(2)));
        assert_eq!(actions(&after), ["ApplicationChanged", "ApplicationAdded"]);
        assert_eq!(plan(&after.state, &changed).acts, []);
    }
}

#[test]
fn create_delete_removes_within_the_budget() {
    let before = plan(&FleetState::default(), &of_set(many(3))).state;
    let after = plan(&before, &with_policy(many(2), ApplicationsSync::CreateDelete));
    assert_eq!(told(&after.state), "a0@c0 a1@c1 -a2@c2");
}

#[test]
fn an_element_can_say_what_becomes_of_its_objects() {
    let says = |on_removal, element| Element { on_removal: Some(on_removal), ..element };
    let elements = |number| -> Vec<Element> {
        let all = many(3).into_iter().enumerate().map(|(index, element)| match index {
            0 => says(OnRemoval::Orphan, element),
            _ => says(OnRemoval::Prune, element),
        });
        all.rev().take(number).collect()
    };
    let of = |elements| {
        let given = OwnerInput { on_removal_by_element: true, ..complete(elements) };
        input([(set("s"), given)])
    };
    let before = plan(&FleetState::default(), &of(elements(3))).state;
    let after = plan(&before, &of(elements(2))).state;
    assert_eq!(told(&after), "a1@c1 a2@c2 -a0@c0");
    let removal = |state: &FleetState, name, cluster| {
        state.tombstones[&place(name, cluster)].tombstone.on_removal
    };
    assert_eq!(removal(&after, "a0", "c0"), OnRemoval::Orphan);
    let last = plan(&after, &of(elements(1))).state;
    assert_eq!(removal(&last, "a1", "c1"), OnRemoval::Prune);
    // Held now: it keeps what it was last told, until its owner says it for all.
    let mut held_now = of(vec![held("e0", Some("a0"))]);
    let first = plan(&before, &held_now).state;
    assert_eq!(first.applications[&place("a0", "c0")].on_removal, OnRemoval::Orphan);
    held_now = of(vec![held("e1", Some("a1"))]);
    let given = held_now.owners.get_mut(&set("s")).unwrap();
    given.on_removal_by_element = false;
    given.safety.on_removal = OnRemoval::Orphan;
    let all = plan(&before, &held_now).state;
    assert_eq!(all.applications[&place("a1", "c1")].on_removal, OnRemoval::Orphan);
}
