//! Laws that hold whatever the input: order is no matter, neighbours are safe, nothing panics.

use generators::{Sources, Verdict, expand, expand_set};
use model::provider::{Answer, Items, PullRequest};
use model::set::ApplicationSet;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::world::{Known, cluster, fleet, set, show, show_set};

/// Texts that would break out of a string, were they ever parsed again.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "a\nb: c",
            "}}",
            "{{name}}",
            "{{{json name}}}",
            "- x",
            "&a *a",
            "*a",
            "<<: *a",
            "'",
            "\"",
            "\\",
            "# x",
            "a: b",
            "{a: b}",
            "[x]",
            "|",
            "> x",
            "!!binary x",
            "%YAML",
            "---",
            "\u{2028}",
            "\u{feff}x",
            "",
            " ",
            "on",
            "null",
            "~",
            "0755",
            "1e9",
            "$1",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
    ]
}

fn label() -> impl Strategy<Value = String> {
    select(vec!["prod", "dev", "eu"]).prop_map(str::to_owned)
}

fn generator() -> impl Strategy<Value = Value> {
    let list = proptest::collection::vec((hostile(), label()), 0..4).prop_map(|elements| {
        let element = |(x, name): (String, String)| json!({"x": x, "item": name});
        json!({"list": {"elements": elements.into_iter().map(element).collect::<Vec<_>>()}})
    });
    let clusters = (proptest::option::of(label()), hostile()).prop_map(|(env, value)| {
        let selector = env.map_or(json!({}), |env| json!({"matchLabels": {"env": env}}));
        json!({"clusters": {"selector": selector, "values": {"v": value}}})
    });
    let patterns =
        vec!["apps/*", "**", "envs/**/*.yaml", "{{x}}", "[", "/", "apps/{{name}}*", "*/*", ""];
    let git = (select(vec!["directories", "files"]), select(patterns), select(vec!["main", "gone", "{{x}}"]))
        .prop_map(|(field, pattern, revision)| {
            json!({"git": {
                "repoURL": "https://git.example/fleet.git", "revision": revision, field: [{"path": pattern}],
            }})
        });
    let yaml = hostile().prop_map(|text| json!({"list": {"elementsYaml": text}}));
    let refs = (select(vec!["branches", "tags"]), hostile(), any::<bool>()).prop_map(
        |(kind, text, named)| {
            let mut generator = json!({kind: {"repoURL": "r", "regex": text}});
            if named {
                generator["as"] = json!("other");
            }
            generator
        },
    );
    let leaf = prop_oneof![3 => list, 3 => clusters, 2 => git, 1 => yaml, 1 => refs];
    let kinds = select(vec!["matrix", "matrix", "join", "outer", "merge"]);
    leaf.prop_recursive(3, 8, 3, move |inner| {
        let children = proptest::collection::vec(inner, 0..4);
        (children, proptest::option::of(label()), kinds.clone()).prop_map(|(generators, item, kind)| {
            let mut generator = match (kind, generators.as_slice()) {
                ("join" | "outer", [left, right, ..]) => json!({"join": {
                    "kind": if kind == "join" { "inner" } else { "outer" }, "left": left, "right": right,
                    "on": [{"left": "{{default item x \"\"}}", "right": "{{default item name \"\"}}"}],
                }}),
                ("merge", _) => {
                    let missing = if generators.len() > 2 { "error" } else { "ignore" };
                    json!({"merge": {"generators": generators, "mergeKeys": ["item"], "missingKey": missing}})
                }
                _ => json!({"matrix": {"generators": generators}}),
            };
            if let Some(item) = item {
                generator["selector"] = json!({"matchLabels": {"item": item}});
            }
            generator
        })
    })
}

fn any_set() -> impl Strategy<Value = ApplicationSet> {
    let text = select(vec![
        "{{name}}-{{item}}",
        "{{item}}",
        "{{name}}",
        "{{x}}",
        "{{path.basename}}-{{name}}",
        "{{slugify (json this)}}",
        "fixed",
        "{{#each metadata.labels}}{{this}}{{/each}}",
        "{{",
        "{{{json this}}}",
        "{{default item name \"n\"}}",
    ]);
    (proptest::collection::vec(generator(), 0..4), text.clone(), text.clone(), text).prop_map(
        |(generators, name, cluster, path)| {
            let value = json!({
                "metadata": {"name": "set"},
                "spec": {"generators": generators, "template": {
                    "metadata": {"name": name},
                    "spec": {"source": {"repoURL": "r", "path": path}, "destination": {"cluster": cluster}},
                }},
            });
            serde_json::from_value(value).unwrap()
        },
    )
}

/// The shape of a tree: its maps, lists and kinds of scalars, without what its strings say.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), shape(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(shape).collect()),
        Value::String(_) => json!(""),
        scalar => scalar.clone(),
    }
}

proptest! {
    #[test]
    fn expansion_is_total_and_the_same_in_any_order(
        sets in proptest::collection::vec(any_set(), 1..3),
        swaps in proptest::collection::vec((any::<Index>(), any::<Index>()), 4),
    ) {
        let mut sets = sets;
        for (index, set) in sets.iter_mut().enumerate() {
            set.metadata.name = format!("set-{index}").parse().unwrap();
        }
        let world = fleet();
        let before = expand(&Sources { sets: &sets, ..Sources::default() }, &world.world());
        let mut shuffled = world.clone();
        for (a, b) in swaps {
            let count = shuffled.clusters.len();
            shuffled.clusters.swap(a.index(count), b.index(count));
            let count = sets.len();
            sets.swap(a.index(count), b.index(count));
        }
        let after = expand(&Sources { sets: &sets, ..Sources::default() }, &shuffled.world());
        prop_assert_eq!(show(&before), show(&after));
        for (before, after) in before.sets.iter().zip(&after.sets) {
            prop_assert_eq!(show_set(before), show_set(after));
        }
    }

    #[test]
    fn no_set_gives_more_than_its_cap(set in any_set(), most in 1_u32..6) {
        let mut set = set;
        set.spec.safety.max_elements = Some(serde_json::from_value(json!(most)).unwrap());
        let expansion = expand_set(&set, &fleet().world());
        prop_assert!(expansion.elements.len() <= most as usize);
        let is_over = expansion.problems.iter().any(|one| one.reason == model::problem::Reason::TooManyElements);
        prop_assert!(!(is_over && expansion.complete), "what is over its cap removes nothing");
    }

    #[test]
    fn names_of_branches_and_pull_requests_stay_in_their_scalar(
        names in proptest::collection::btree_set("\\PC{1,12}|[\\n\"'{}:#&*!-]{1,6}|\\{\\{[a-z]{1,4}\\}\\}", 1..6),
    ) {
        let sha = "0".repeat(40);
        let branches = names.iter().map(|name| (name.clone(), sha.clone())).collect();
        let mut world = fleet();
        let refs = generators::Refs { branches, ..generators::Refs::default() };
        world.refs.insert("r".to_owned(), std::sync::Arc::new(refs));
        let pulls = names.iter().zip(1..).map(|(name, number)| PullRequest {
            number, title: name.clone(), branch: name.clone(), ..PullRequest::default()
        });
        let pulls = Answer { items: Items::PullRequests(pulls.collect()), partial: None };
        let request = json!({"pullRequests": {"provider": {"github": {"owner": "o", "repo": "r"}}}});
        let world = world.with_answer(&request, pulls);
        for (generator, text, name) in [
            (json!({"branches": {"repoURL": "r"}}), "{{ref.name}}", "b-{{trunc (sha256 ref.name) 20}}"),
            (json!({"pullRequest": {"github": {"owner": "o", "repo": "r"}}}), "{{title}}", "p-{{number}}"),
        ] {
            let mut set = set("- list: {}", name, "eu-1", text);
            set.spec.generators = vec![serde_json::from_value(generator).unwrap()];
            set.spec.template["metadata"]["labels"] = json!({"a": text});
            set.spec.template["spec"]["source"]["helm"] = json!({"values": text.replacen("{{", "t: {{json ", 1)});
            let expansion = expand_set(&set, &world.world());
            prop_assert_eq!(expansion.elements.len(), names.len());
            for (element, name) in expansion.elements.iter().zip(&names) {
                let Verdict::Ok(application) = &element.verdict else {
                    return Err(TestCaseError::fail(format!("{:?}", expansion.problems)));
                };
                let application = application.native().unwrap();
                prop_assert_eq!(&application.metadata.labels["a"], name);
                prop_assert_eq!(&application.spec.source.path, name);
                let values = &application.spec.source.helm.as_ref().unwrap().values;
                if let Ok(read) = model::yaml::read_one(values.as_bytes(), 1 << 16) {
                    prop_assert_eq!(read, json!({"t": name}));
                }
            }
        }
    }

    #[test]
    fn ids_are_unique_and_nothing_held_without_a_name_is_complete(set in any_set()) {
        let expansion = expand_set(&set, &fleet().world());
        let ids: std::collections::BTreeSet<_> = expansion.elements.iter().map(|element| &element.id).collect();
        prop_assert_eq!(ids.len(), expansion.elements.len());
        let unnamed = expansion.elements.iter().any(|element| element.verdict.name().is_none());
        prop_assert!(!(unnamed && expansion.complete));
        let held = expansion.elements.iter().filter(|element| matches!(element.verdict, Verdict::Held { .. }));
        prop_assert!(held.count() <= expansion.problems.len(), "each held element has its problem");
    }

    #[test]
    fn a_failing_element_changes_none_of_its_neighbours(
        good in 1_usize..8,
        at in any::<Index>(),
        bad in prop_oneof![
            Just(json!({})), Just(json!({"n": null})), Just(json!({"n": {"a": 1}})), Just(json!({"n": "Not A Name"})),
        ],
    ) {
        let mut elements: Vec<Value> = (0..good).map(|n| json!({"n": n})).collect();
        let make = |elements: &[Value]| {
            let mut set = set("- list: {}", "app-{{n}}", "eu-1", "{{n}}");
            let list = json!({"list": {"elements": elements}});
            set.spec.generators = vec![serde_json::from_value(list).unwrap()];
            set
        };
        let names = |set: &ApplicationSet| -> Vec<_> {
            let expansion = expand_set(set, &fleet().world());
            expansion.elements.into_iter().filter_map(|element| match element.verdict {
                Verdict::Ok(application) => Some(application),
                Verdict::Held { .. } => None,
            }).collect()
        };
        let before = names(&make(&elements));
        elements.insert(at.index(good + 1), bad);
        prop_assert_eq!(before, names(&make(&elements)));
    }

    #[test]
    fn a_hostile_value_never_changes_the_shape(value in hostile(), label in hostile()) {
        let mut set = set("- list: {}", "app", "eu-1", "{{v}}");
        let element = Map::from_iter([("v".to_owned(), json!(value)), ("l".to_owned(), json!(label))]);
        let list = json!({"list": {"elements": [element]}});
        set.spec.generators = vec![serde_json::from_value(list).unwrap()];
        set.spec.template["metadata"]["labels"] = json!({"a": "{{v}}", "b": "x{{{l}}}", "c": "plain"});
        set.spec.template["spec"]["source"]["helm"] = json!({"values": "a: {{json v}}", "valuesObject": {"v": "{{v}}"}});
        let expansion = expand_set(&set, &fleet().world());
        let Verdict::Ok(application) = &expansion.elements[0].verdict else {
            return Err(TestCaseError::fail(format!("{:?}", expansion.problems)));
        };
        let application = application.native().unwrap();
        prop_assert_eq!(&application.spec.source.path, &value);
        prop_assert_eq!(&application.metadata.labels["b"], &format!("x{label}"));
        let mut plain = set.spec.template.clone();
        plain["spec"]["project"] = json!("");
        let rendered = serde_json::to_value(application).unwrap();
        // Defaults are written out as well; what the template says is where the template says it.
        let rendered = shape(&rendered);
        let plain = shape(&plain);
        prop_assert_eq!(&rendered["metadata"], &plain["metadata"]);
        prop_assert_eq!(&rendered["spec"]["destination"], &plain["spec"]["destination"]);
        prop_assert_eq!(&rendered["spec"]["source"]["helm"]["valuesObject"], &plain["spec"]["source"]["helm"]["valuesObject"]);
        // As JSON in YAML text, the value is one scalar again.
        let helm = application.spec.source.helm.as_ref().unwrap();
        if let Ok(read) = model::yaml::read_one(helm.values.as_bytes(), 1 << 20) {
            prop_assert_eq!(read, json!({"a": value}));
        }
    }

    #[test]
    fn a_cluster_more_changes_no_other_element(name in "[a-z]{1,6}") {
        let set = set("- clusters: {}", "app-{{name}}", "{{name}}", ".");
        let before = expand_set(&set, &fleet().world());
        let mut world: Known = fleet();
        prop_assume!(world.clusters.iter().all(|known| known.metadata.name.as_str() != name));
        world.clusters.push(cluster(&name));
        let after = expand_set(&set, &world.world());
        let others = |element: &&generators::Element| element.id != format!("clusters {name}");
        let ids: Vec<_> = after.elements.iter().filter(others).map(|element| &element.id).collect();
        let known: Vec<_> = before.elements.iter().map(|element| &element.id).collect();
        prop_assert_eq!(ids, known);
    }
}
