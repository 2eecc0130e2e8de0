//! Laws of sets of fields and of merging, for any objects.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Desk;
use crate::merge::path::PathElement;
use crate::merge::{FieldSet, json_merge_patch};

/// Any element of few names, so that sets meet.
fn element() -> impl Strategy<Value = PathElement> {
    let scalar = prop_oneof![
        "[ab]".prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    prop_oneof![
        "[abc]".prop_map(|name| PathElement::field(&name)),
        scalar.clone().prop_map(PathElement::Item),
        (0..3i64).prop_map(PathElement::Index),
        proptest::collection::btree_map("[kn]", scalar, 1..3).prop_map(|keys| {
            PathElement::key(keys.into_iter().map(|(key, value)| (key.into(), value)).collect())
        }),
    ]
}

fn field_set() -> impl Strategy<Value = FieldSet> {
    let path = proptest::collection::vec(element(), 1..4);
    proptest::collection::vec(path, 0..8).prop_map(|paths| {
        let one = |mut path: Vec<PathElement>| {
            let mut set = FieldSet::default();
            set.add(path.pop().unwrap(), true, FieldSet::default());
            path.into_iter().rev().fold(set, |below, element| {
                let mut set = FieldSet::default();
                set.add(element, false, below);
                set
            })
        };
        paths.into_iter().map(one).fold(FieldSet::default(), |all, one| all.union(&one))
    })
}

fn texts(keys: &'static str) -> impl Strategy<Value = Value> {
    let entries = proptest::collection::btree_map(keys, "[12]", 0..4);
    entries.prop_map(|entries| {
        Value::Object(entries.into_iter().map(|(key, value)| (key, value.into())).collect())
    })
}

/// Items of a list that merges by name.
fn named(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[cde]", value, 0..4).prop_map(|items| {
        let item = |(name, mut item): (String, Value)| {
            item["name"] = name.into();
            item
        };
        items.into_iter().map(item).collect()
    })
}

/// What somebody might apply to a Deployment: keyed lists in keyed lists, sets, maps, atomic parts.
fn applied() -> impl Strategy<Value = Value> {
    let env = named("[12]".prop_map(|value| json!({"value": value})));
    let container = (env, proptest::option::of("[ij]"), proptest::collection::vec("[xy]", 0..3));
    let container = container.prop_map(|(env, image, args)| {
        let mut container = json!({"env": env, "args": args});
        if let Some(image) = image {
            container["image"] = image.into();
        }
        container
    });
    let finalizers = proptest::collection::btree_set("e\\.x/[abc]", 0..3);
    let replicas = proptest::option::of(1..3i32);
    (texts("[lmn]"), finalizers, replicas, texts("[pq]"), named(container)).prop_map(
        |(labels, finalizers, replicas, selector, containers)| {
            let pod = json!({"containers": containers, "nodeSelector": selector});
            let mut spec = json!({"template": {"spec": pod}});
            if let Some(replicas) = replicas {
                spec["replicas"] = replicas.into();
            }
            json!({"metadata": {"labels": labels, "finalizers": finalizers}, "spec": spec})
        },
    )
}

/// Whether the live value still says all that was applied.
fn holds(live: Option<&Value>, applied: &Value) -> bool {
    match applied {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| holds(live.and_then(|live| live.get(name)), value))
        }
        Value::Array(items) => {
            let live = live.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            items.iter().all(|item| match item.get("name") {
                Some(name) => {
                    holds(live.iter().find(|there| there.get("name") == Some(name)), item)
                }
                None => live.contains(item),
            })
        }
        value => live == Some(value),
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Enough to meet every kind of field in every role, and still seconds in a debug build.
const CASES: u32 = 48;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_field_set_is_read_as_it_was_written(set in field_set()) {
        prop_assert_eq!(FieldSet::from_json(&set.to_json()).unwrap(), set);
    }

    #[test]
    fn field_sets_are_sets(a in field_set(), b in field_set(), c in field_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.union(&b).difference(&b), a.difference(&b));
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert!(a.difference(&a).is_empty());
        // What is below a member goes too, so less is left; and leaves are members.
        let rest = a.recursive_difference(&b);
        prop_assert!(rest.difference(&a.difference(&b)).is_empty());
        prop_assert!(a.leaves().difference(&a).is_empty());
    }

    #[test]
    fn an_apply_is_idempotent(before in applied(), body in applied()) {
        let mut desk = Desk::deployment();
        desk.apply("before", before);
        desk.apply("one", body.clone());
        prop_assert!(holds(desk.live.as_ref(), &body));
        let live = desk.live.clone();
        prop_assert!(!desk.apply("one", body.clone()));
        prop_assert_eq!(desk.try_apply("one", body, false), Ok(false));
        prop_assert_eq!(live, desk.live);
    }

    #[test]
    fn who_applies_nothing_takes_nothing_from_others(
        first in applied(),
        second in applied(),
        third in applied(),
    ) {
        let mut desk = Desk::deployment();
        desk.apply("one", first.clone());
        desk.apply("two", second.clone());
        desk.apply("one", third);
        // The last word on what both named is now the first manager's: say it again.
        desk.apply("two", second.clone());
        desk.apply("one", json!({}));
        prop_assert!(holds(desk.live.as_ref(), &second), "{}", desk.shown());
        prop_assert!(!desk.owners().contains("one"));
        // Alone again, the other removes all that is left.
        desk.apply("two", json!({}));
        prop_assert_eq!(desk.owners(), "");
    }

    #[test]
    fn an_update_that_changes_nothing_is_seen(first in applied(), second in applied()) {
        let mut desk = Desk::deployment();
        desk.apply("one", first);
        desk.apply("two", second);
        let is_changed = desk.update("three", |_| {});
        prop_assert!(!is_changed);
    }

    #[test]
    fn after_an_update_nobody_owns_what_is_gone(
        first in applied(),
        second in applied(),
        last in applied(),
    ) {
        let mut desk = Desk::deployment();
        desk.apply("one", first);
        desk.update("human", |live| live["spec"] = second["spec"].clone());
        desk.update("human", |live| {
            live["spec"] = last["spec"].clone();
            live["metadata"]["labels"] = json!({});
        });
        let owned = desk.owners();
        for name in ["c", "d", "e"] {
            let path = format!(".spec.template.spec.containers[name={name:?}].name");
            let live = desk.live.as_ref().unwrap();
            let containers = &live["spec"]["template"]["spec"]["containers"];
            let is_there = containers.as_array().is_some_and(|items| {
                items.iter().any(|item| item["name"] == *name)
            });
            prop_assert!(is_there || !owned.contains(&path), "{path} in {owned}");
        }
        prop_assert!(!owned.contains(".metadata.labels."));
    }

    #[test]
    fn a_merge_patch_is_idempotent(live in json_value(), patch in json_value()) {
        if let Ok(once) = json_merge_patch(&live, &patch) {
            prop_assert_eq!(json_merge_patch(&once, &patch).unwrap(), once);
        }
    }
}
