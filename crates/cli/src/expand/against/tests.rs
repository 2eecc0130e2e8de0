//! What counts as a removal, what is kept, and when the budget objects.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use model::set::DeletionBudget;
use serde_json::json;

use super::compare::{Entry, Kind, Owner, Place, Policy, Rules, State, compare};

fn rules(policy: &str) -> Rules {
    let (updates, deletes) = (policy != "create-only", policy == "sync");
    let policy = Policy { name: policy.to_owned(), updates, deletes };
    Rules { complete: true, budget: DeletionBudget::default(), policy }
}

/// `set/generator name@cluster=document`, a line for each; `set!` for one that is incomplete.
fn state(lines: &[&str]) -> State {
    let mut state = State::default();
    for line in lines {
        let (set, rest) = line.split_once('/').unwrap();
        let (generator, rest) = rest.split_once(' ').unwrap();
        let complete = !set.ends_with('!');
        let set = set.trim_end_matches('!');
        let owner = if set.is_empty() { Owner::ByHand } else { Owner::Set(set.to_owned()) };
        if !set.is_empty() {
            state.sets.insert(set.to_owned(), Rules { complete, ..rules("sync") });
        }
        let Some((name, rest)) = rest.split_once('@') else { continue };
        let (cluster, document) = rest.split_once('=').unwrap_or((rest, ""));
        let place = Place { cluster: cluster.to_owned(), name: name.to_owned() };
        let generator = generator.parse().unwrap();
        state.entries.insert(
            place,
            Entry { owner, generator, document: json!({"a": document}), native: None },
        );
    }
    state
}

fn check(before: &State, after: &State, expected: &Expect) {
    let comparison = compare(before, after);
    let mut text = String::new();
    for change in &comparison.changes {
        let Place { cluster, name } = &change.place;
        let what = match &change.kind {
            Kind::Added { moved_from: None } => "added".to_owned(),
            Kind::Added { moved_from: Some(from) } => format!("added, from {from}"),
            Kind::Changed(fields) => format!("changed {}", fields[0].path),
            Kind::Removed { reason } => format!("removed: {reason}"),
            Kind::Kept { reason } => format!("kept: {reason}"),
        };
        writeln!(text, "{name}@{cluster} {what}").unwrap();
    }
    for removals in &comparison.removals {
        let objection = removals.objection.as_deref().unwrap_or("fine");
        let (removed, of) = (removals.removed, removals.applications);
        writeln!(text, "{}: {removed} of {of}: {objection}", removals.owner).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn what_is_within_the_budget_is_fine() {
    check(
        &state(&["s/0 a@eu=1", "s/0 b@eu", "s/0 c@us", "/0 h@eu"]),
        &state(&["s/0 a@eu=2", "s/0 b@eu", "s/0 d@us", "/0 h@eu"]),
        &expect![[r#"
            a@eu changed a
            c@us removed: set s no longer makes it
            d@us added
            set s: 1 of 3: fine
        "#]],
    );
}

#[test]
fn more_than_the_budget_and_all_of_a_generator_are_not() {
    check(
        &state(&["s/0 a@eu", "s/0 b@eu", "s/0 c@us", "t/0 x@eu", "t/1 y@eu", "t/0 z@eu"]),
        &state(&["s/0 a@eu", "t/0 x@eu", "t/0 z@eu"]),
        &expect![[r#"
            b@eu removed: set s no longer makes it
            y@eu removed: set t no longer makes it
            c@us removed: set s no longer makes it
            set s: 2 of 3: 2 of 3 would go; the budget of 10% allows 1
            set t: 1 of 3: everything that spec.generators[1] made would go (1)
        "#]],
    );
}

#[test]
fn a_set_that_is_gone_is_over_any_budget() {
    let before = state(&["s/0 a@eu", "/0 h@eu", "/0 i@eu"]);
    check(
        &before,
        &state(&["/0 i@eu"]),
        &expect![[r#"
            a@eu removed: set s is gone
            h@eu removed: its document is gone
            Application documents: 1 of 2: fine
            set s: 1 of 1: set s is gone, and with it all of its applications (1)
        "#]],
    );
    let unreadable = State { unreadable: true, ..state(&["/0 i@eu"]) };
    check(
        &before,
        &unreadable,
        &expect![[r#"
            a@eu kept: a document cannot be read now; it may be the one that makes it
            h@eu kept: a document cannot be read now; it may be the one that makes it
        "#]],
    );
}

#[test]
fn what_is_held_or_unseen_is_kept() {
    let mut after = state(&["s/0 a@eu", "t!/0 -", "p/0 z@eu=2"]);
    after.held.insert("b".to_owned(), "no parameter".to_owned());
    after.sets.insert("p".to_owned(), rules("create-only"));
    check(
        &state(&["s/0 a@eu", "s/0 b@eu", "t/0 x@eu", "p/0 y@eu", "p/0 z@eu=1"]),
        &after,
        &expect![[r#"
            b@eu kept: held: no parameter
            x@eu kept: its set does not see all of its input now
            y@eu kept: the set's policy create-only removes nothing
            z@eu kept: the set's policy create-only changes nothing
        "#]],
    );
}

#[test]
fn a_move_leaves_one_cluster_and_its_generator_still_makes_it() {
    check(
        &state(&["s/0 a@eu"]),
        &state(&["s/0 a@us"]),
        &expect![[r#"
            a@eu removed: moves to cluster us
            a@us added, from eu
            set s: 1 of 1: fine
        "#]],
    );
    check(&state(&["s/0 a@eu"]), &state(&["t/0 a@eu"]), &expect![""]);
}
