//! The laws as named properties over random histories.

use proptest::prelude::*;

use super::*;
use crate::fleet::state::plan_hash;

#[derive(Debug, Clone)]
struct Step {
    sets: Vec<SetStep>,
    by_hand: Vec<Option<ElementStep>>,
    hand_gone: u8,
    main: u8,
    next: u8,
    paused: u8,
    approve: u8,
}

#[derive(Debug, Clone)]
struct SetStep {
    presence: u8,
    complete: bool,
    budget: DeletionBudget,
    elements: Vec<Option<ElementStep>>,
}

#[derive(Debug, Clone)]
struct ElementStep {
    cluster: u8,
    verdict: u8,
    next: bool,
    renamed: bool,
}

fn element_step() -> impl Strategy<Value = Option<ElementStep>> {
    let one = (0_u8..40, 0_u8..40, prop::bool::weighted(0.2), prop::bool::weighted(0.05));
    let one = one.prop_map(|(cluster, verdict, next, renamed)| ElementStep {
        // Mostly at home.
        cluster: cluster.saturating_sub(36),
        verdict,
        next,
        renamed,
    });
    prop::option::weighted(0.9, one)
}

fn step() -> impl Strategy<Value = Step> {
    let budget = prop_oneof![
        4 => Just(DeletionBudget::default()),
        1 => (0_usize..4).prop_map(DeletionBudget::Count),
        1 => Just(DeletionBudget::Percent(50)),
    ];
    let elements = prop::collection::vec(element_step(), 6);
    let set = (0_u8..20, prop::bool::weighted(0.85), budget, elements);
    let set = set.prop_map(|(presence, complete, budget, elements)| SetStep {
        presence,
        complete,
        budget,
        elements,
    });
    let by_hand = prop::collection::vec(element_step(), 4);
    let sets = prop::collection::vec(set, 2);
    (sets, by_hand, any::<u8>(), 0_u8..10, 0_u8..10, any::<u8>(), 0_u8..4).prop_map(
        |(sets, by_hand, hand_gone, main, next, paused, approve)| Step {
            sets,
            by_hand,
            hand_gone,
            main,
            next,
            paused: paused & paused >> 4,
            approve,
        },
    )
}

fn elements(owner: &str, steps: &[Option<ElementStep>]) -> Vec<Element> {
    let element = |(index, step): (usize, &Option<ElementStep>)| {
        let step = step.as_ref()?;
        let suffix = if step.renamed { "x" } else { "" };
        let text = format!("{owner}-{index}{suffix}");
        let cluster = format!("c{}", (index + usize::from(step.cluster)) % 5);
        let verdict = match step.verdict {
            0 => Verdict::Held { name: None, reason: "no name".to_owned() },
            1 | 2 => Verdict::Held { name: Some(name(&text)), reason: "held".to_owned() },
            3 => {
                let other = name(&format!("{owner}-{}", (index + 1) % steps.len()));
                Verdict::Held { name: Some(other), reason: "held, of another element".to_owned() }
            }
            _ => Verdict::Ok(application(&text, &cluster, if step.next { "next" } else { "main" })),
        };
        Some(Element { id: format!("e{index}"), generator: index % 2, verdict, on_removal: None })
    };
    steps.iter().enumerate().filter_map(element).collect()
}

fn resolution(step: u8) -> Option<Resolution> {
    let error = || Some("unreachable".to_owned());
    match step {
        0 => None,
        1 => Some(Resolution { commit: None, error: error() }),
        2 => Some(Resolution { commit: Some(commit(3)), error: error() }),
        number => Some(resolved(number)),
    }
}

fn step_input(step: &Step, previous: &FleetState) -> PlanInput {
    let mut input = input([]);
    input.revisions.clear();
    for (revision, number) in [("main", step.main), ("next", step.next)] {
        input.revisions.extend(resolution(number).map(|one| (reference(revision), one)));
    }
    for (index, given) in step.sets.iter().enumerate() {
        let text = format!("s{index}");
        let SetStep { presence, complete, budget, elements: steps } = given;
        match presence {
            0 => {
                let subject = Subject::Set(SetName::new(&text).unwrap());
                input = gone(input, subject);
            }
            1 => {}
            _ => {
                let safety = Safety { deletion_budget: *budget, ..Safety::default() };
                let (complete, elements) = (*complete, elements(&text, steps));
                let given = OwnerInput {
                    origin: Origin::Git,
                    safety,
                    complete,
                    elements,
                    ..OwnerInput::default()
                };
                input.owners.insert(set(&text), given);
            }
        }
    }
    let mut by_hand = elements("h", &step.by_hand);
    for element in &mut by_hand {
        element.id.clear();
        element.generator = 0;
    }
    for (index, one) in step.by_hand.iter().enumerate() {
        if one.is_none() && step.hand_gone & 1 << index != 0 {
            input = gone(input, Subject::Application(name(&format!("h-{index}"))));
        }
    }
    input.owners.insert(Owner::ByHand, complete(by_hand));
    for bit in 0..8 {
        if step.paused & 1 << bit != 0 {
            input.paused.insert(name(&format!("s0-{bit}")));
        }
    }
    if step.approve == 0 {
        for (owner, parked) in previous.parked.clone() {
            input = approved(input, &owner, &parked.plan);
        }
    } else if step.approve == 1 {
        for owner in previous.parked.keys() {
            input = approved(input, owner, "000000000000");
        }
    }
    input
}

/// The places that were in force and are not.
fn removed<'a>(before: &'a FleetState, after: &FleetState) -> Vec<(&'a Place, &'a Arc<InForce>)> {
    let in_force = |place: &Place| after.applications.contains_key(place);
    before.applications.iter().filter(|(place, _)| !in_force(place)).collect()
}

fn wanted(input: &PlanInput) -> BTreeMap<Place, Owner> {
    let mut all = BTreeMap::new();
    for (owner, given) in &input.owners {
        for element in &given.elements {
            if let Verdict::Ok(application) = &element.verdict {
                let name = application.metadata.name.clone();
                let cluster = application.spec.destination.cluster.clone();
                all.insert(Place { name, cluster }, owner.clone());
            }
        }
    }
    all
}

fn unresolved(input: &PlanInput, application: &Application) -> bool {
    let source = &application.spec.source;
    let known = input.revisions.get(&reference(&source.target_revision));
    known.is_none_or(|resolution| resolution.commit.is_none())
}

fn law_1_only_tombstones_remove(before: &FleetState, plan: &Plan) {
    for (place, entry) in removed(before, &plan.state) {
        let buried = plan.state.tombstones.get(place).expect("a removal leaves a tombstone");
        assert_eq!(buried.tombstone.name, place.name);
        assert_eq!(buried.owner, entry.owner);
        assert!(!buried.tombstone.actor.is_empty() && !buried.tombstone.reason.is_empty());
        let ordered = plan.acts.iter().filter(|act| act.action == "RemovalOrdered");
        assert!(ordered.into_iter().any(|act| act.application.as_ref() == Some(&place.name)));
    }
    for place in plan.state.tombstones.keys() {
        assert!(!plan.state.applications.contains_key(place), "{place:?} is in force and buried");
        let known =
            before.applications.contains_key(place) || before.tombstones.contains_key(place);
        assert!(known, "a tombstone for {place:?}, which was never in force");
    }
    // A tombstone that was not carried out goes only when the application is back.
    for place in before.tombstones.keys() {
        let kept = plan.state.tombstones.contains_key(place);
        assert!(kept || plan.state.applications.contains_key(place));
    }
}

fn law_2_failure_never_shrinks(before: &FleetState, input: &PlanInput, plan: &Plan) {
    for (place, entry) in removed(before, &plan.state) {
        match (&entry.owner, input.owners.get(&entry.owner)) {
            (Owner::Set(name), None) => {
                let subject = Subject::Set(name.clone());
                let known = before.gone.contains_key(&subject) || input.gone.contains_key(&subject);
                assert!(known, "{name} was removed by nobody");
            }
            (owner, given) => {
                let given = given.expect("by hand is always there");
                assert!(given.complete, "{owner} was not complete");
                for element in &given.elements {
                    let Verdict::Held { name, .. } = &element.verdict else { continue };
                    let name = name.as_ref().expect("a held element without a name keeps all");
                    assert_ne!(*name, place.name, "a held application was removed");
                    assert!(element.id.is_empty() || element.id != entry.element);
                }
            }
        }
        if entry.owner == Owner::ByHand {
            let subject = Subject::Application(place.name.clone());
            let known = before.gone.contains_key(&subject) || input.gone.contains_key(&subject);
            let moved = wanted(input).keys().any(|to| to.name == place.name);
            assert!(known || moved, "{} was removed by nobody", place.name);
        }
        for element in input.owners.values().flat_map(|given| &given.elements) {
            let Verdict::Ok(application) = &element.verdict else {
                assert_ne!(element.verdict.name(), Some(&place.name), "held by another owner");
                continue;
            };
            let same = application.metadata.name == place.name;
            assert!(!same || !unresolved(input, application), "an unresolved one was removed");
        }
    }
}

fn law_3_deletions_have_a_budget(before: &FleetState, input: &PlanInput, plan: &Plan) {
    let removed = removed(before, &plan.state);
    let owners: BTreeSet<_> = removed.iter().map(|(_, entry)| &entry.owner).collect();
    for owner in owners {
        let mine: Vec<_> = removed.iter().filter(|(_, entry)| entry.owner == *owner).collect();
        let approval = input.approvals.get(owner);
        let parked = before.parked.get(owner);
        if plan.approved.contains(owner) {
            assert_eq!(Some(&approval.unwrap().plan), parked.map(|parked| &parked.plan));
            let waited: BTreeSet<_> = before
                .applications
                .iter()
                .filter(|(_, entry)| entry.parked && entry.owner == *owner)
                .map(|(place, _)| place)
                .collect();
            assert_eq!(mine.iter().map(|(place, _)| *place).collect::<BTreeSet<_>>(), waited);
            continue;
        }
        assert!(mine.iter().all(|(_, entry)| !entry.parked), "a parked removal went unasked");
        let all: Vec<_> =
            before.applications.iter().filter(|(_, entry)| entry.owner == *owner).collect();
        let names = |some: &[&(&Place, &Arc<InForce>)]| -> BTreeSet<ApplicationName> {
            some.iter().map(|(place, _)| place.name.clone()).collect()
        };
        let existing = names(&all.iter().collect::<Vec<_>>()).len();
        let budget = input.owners.get(owner).map(|given| given.safety.deletion_budget);
        let budget = budget.expect("a whole set goes only by approval");
        assert!(mine.len() <= budget.allows(existing), "beyond the budget of {owner}");
        if *owner == Owner::ByHand {
            continue;
        }
        let still = wanted(input);
        for generator in 0..2 {
            let made: Vec<_> =
                all.iter().filter(|(_, entry)| entry.generator == generator).collect();
            let lost = |name: &ApplicationName| {
                let in_force = plan.state.places(name).next().is_some();
                !in_force && !still.keys().any(|place| place.name == *name)
            };
            let made = names(&made);
            assert!(
                made.is_empty() || !made.iter().all(lost),
                "{owner} lost generator {generator}"
            );
        }
    }
}

fn law_7_and_2_every_good_element_is_in_force(input: &PlanInput, plan: &Plan) {
    for given in input.owners.values() {
        for element in &given.elements {
            let Verdict::Ok(application) = &element.verdict else { continue };
            if unresolved(input, application) {
                continue;
            }
            let cluster = application.spec.destination.cluster.clone();
            let place = Place { name: application.metadata.name.clone(), cluster };
            let entry = plan.state.applications.get(&place).expect("a good element is in force");
            let desired = entry.desired.application();
            let source = &application.spec.source;
            let resolution = &input.revisions[&reference(&source.target_revision)];
            assert_eq!(Some(desired.revision), resolution.commit);
            assert_eq!(desired.source, *source);
            assert!(!entry.parked);
        }
    }
    for (place, entry) in &plan.state.applications {
        assert_eq!(entry.desired.application().paused, input.paused.contains(&place.name));
        assert_eq!(entry.desired.application().set.as_ref(), entry.owner.set());
    }
}

fn law_9_the_same_input_again_changes_nothing(input: &PlanInput, first: &Plan) {
    let again = plan(&first.state, input);
    assert_eq!(again.state, first.state);
    assert_eq!(again.acts, []);
    assert_eq!((&again.held, &again.problems), (&first.held, &first.problems));
}

fn parked_plans_name_what_is_marked(plan: &Plan) {
    for (owner, parked) in &plan.state.parked {
        let marked = plan
            .state
            .applications
            .iter()
            .filter(|(_, entry)| entry.parked && entry.owner == *owner);
        let versions = marked.map(|(place, entry)| (place, entry.desired.version()));
        assert_eq!(plan_hash(versions), parked.plan);
        assert!(!parked.reason.is_empty());
    }
    for entry in plan.state.applications.values().filter(|entry| entry.parked) {
        assert!(plan.state.parked.contains_key(&entry.owner));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_laws_hold_over_every_history(steps in prop::collection::vec(step(), 1..10)) {
        let mut state = FleetState::default();
        for step in &steps {
            let input = step_input(step, &state);
            let next = plan(&state, &input);
            law_1_only_tombstones_remove(&state, &next);
            law_2_failure_never_shrinks(&state, &input, &next);
            law_3_deletions_have_a_budget(&state, &input, &next);
            law_7_and_2_every_good_element_is_in_force(&input, &next);
            parked_plans_name_what_is_marked(&next);
            law_9_the_same_input_again_changes_nothing(&input, &next);
            state = next.state;
        }
    }

    #[test]
    fn law_4_a_fresh_store_makes_no_tombstone(step in step()) {
        let fresh = FleetState::default();
        let first = plan(&fresh, &step_input(&step, &fresh));
        prop_assert!(first.state.tombstones.is_empty());
        prop_assert!(first.state.parked.is_empty());
    }

    #[test]
    fn faults_alone_never_remove(steps in prop::collection::vec(step(), 1..10)) {
        // Every element is there in every step, at home; only verdicts and sources fail.
        let mut state = FleetState::default();
        for step in &steps {
            let mut step = step.clone();
            let home = |one: &mut Option<ElementStep>| {
                let verdict = one.as_ref().map_or(0, |one| one.verdict);
                let next = one.as_ref().is_some_and(|one| one.next);
                *one = Some(ElementStep { cluster: 0, verdict, next, renamed: false });
            };
            step.by_hand.iter_mut().for_each(home);
            for set in &mut step.sets {
                set.presence = set.presence.max(1);
                set.elements.iter_mut().for_each(home);
            }
            let next = plan(&state, &step_input(&step, &state));
            prop_assert_eq!(removed(&state, &next.state), vec![]);
            prop_assert!(next.state.parked.is_empty());
            state = next.state;
        }
    }
}
