//! Joins, merges, matrices in matrices, templates of generators, patches: what a person sees.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use generators::{Verdict, expand_set};
use model::document;
use model::set::ApplicationSet;

use crate::world::{documents, fleet, set, show_set};

fn check(generators: &str, name: &str, path: &str, expected: &Expect) {
    let set = set(generators, name, "eu-1", path);
    expected.assert_eq(&show_set(&expand_set(&set, &fleet().world())));
}

fn parameters(generators: &str) -> String {
    let expansion = expand_set(&set(generators, "x", "eu-1", "."), &fleet().world());
    let lines = expansion.elements.iter().map(|element| {
        format!("{}: {}", element.id, serde_json::to_string(&element.parameters).unwrap())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn document_errors(text: &str) -> String {
    let (_, errors) = document::read(text.as_bytes());
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const JOIN: &str = "- join:
    kind: KIND
    left: {list: {elements: [{nm: a, site: eu}, {nm: b, site: us}, {nm: c, site: eu}, {nm: d, site: mars}]}}
    right: {list: {elements: [{zone: eu, tier: 1}, {zone: us, tier: 2}, {zone: us, tier: 3}, {zone: ap, tier: 4}]}}
    on: [{left: '{{site}}', right: '{{zone}}'}]";

#[test]
fn a_join_pairs_what_has_one_key() {
    let path = "{{default nm \"-\"}}/{{default zone \"-\"}}";
    let name = "{{default nm \"x\"}}-{{default tier 0}}";
    let inner = JOIN.replace("KIND", "inner");
    check(
        &inner,
        name,
        path,
        &expect![[r#"
        0 list[0] + list[0]  →  a-1 on eu-1: a/eu
        0 list[1] + list[1]  →  b-2 on eu-1: b/us
        0 list[1] + list[2]  →  b-3 on eu-1: b/us
        0 list[2] + list[0]  →  c-1 on eu-1: c/eu
        complete
    "#]],
    );
    let left = JOIN.replace("KIND", "left");
    check(
        &left,
        name,
        path,
        &expect![[r#"
        0 list[0] + list[0]  →  a-1 on eu-1: a/eu
        0 list[1] + list[1]  →  b-2 on eu-1: b/us
        0 list[1] + list[2]  →  b-3 on eu-1: b/us
        0 list[2] + list[0]  →  c-1 on eu-1: c/eu
        0 list[3] + -  →  d-0 on eu-1: d/-
        complete
    "#]],
    );
    let outer = JOIN.replace("KIND", "outer");
    check(
        &outer,
        name,
        path,
        &expect![[r#"
        0 list[0] + list[0]  →  a-1 on eu-1: a/eu
        0 list[1] + list[1]  →  b-2 on eu-1: b/us
        0 list[1] + list[2]  →  b-3 on eu-1: b/us
        0 list[2] + list[0]  →  c-1 on eu-1: c/eu
        0 list[3] + -  →  d-0 on eu-1: d/-
        0 - + list[3]  →  x-4 on eu-1: -/ap
        complete
    "#]],
    );
    expect![[r#"
        list[0] + list[0]: {"nm":"a","site":"eu","tier":1,"zone":"eu"}
        list[1] + list[1]: {"nm":"b","site":"us","tier":2,"zone":"us"}
        list[1] + list[2]: {"nm":"b","site":"us","tier":3,"zone":"us"}
        list[2] + list[0]: {"nm":"c","site":"eu","tier":1,"zone":"eu"}
        list[3] + -: {"nm":"d","site":"mars","tier":null,"zone":null}
        - + list[3]: {"nm":null,"site":null,"tier":4,"zone":"ap"}"#]]
    .assert_eq(&parameters(&outer));
    let picked = format!(
        "{outer}\n  selector: {{matchExpressions: [{{key: zone, operator: DoesNotExist}}]}}"
    );
    check(
        &picked,
        name,
        path,
        &expect![[r#"
        0 list[3] + -  →  d-0 on eu-1: d/-
        complete
    "#]],
    );
}

#[test]
fn absent_maps_are_null_and_half_maps_are_filled() {
    let join = "- join:
    kind: left
    left: {list: {elements: [{id: a, m: {x: 1}}, {id: b, m: {x: 2}}]}}
    right: {list: {elements: [{id: a, m: {w: 1}, only: {z: [1]}}]}}
    on: [id]";
    expect![[r#"
        list[0] + list[0]: {"id":"a","m":{"w":1,"x":1},"only":{"z":[1]}}
        list[1] + -: {"id":"b","m":{"w":null,"x":2},"only":null}"#]]
    .assert_eq(&parameters(join));
}

#[test]
fn keys_of_a_join_are_values() {
    let join = |on: &str| {
        format!(
            "- join:
    left: {{list: {{elements: [{{a: 1}}, {{a: '1'}}, {{a: null}}, {{}}]}}}}
    right: {{list: {{elements: [{{b: 1.0}}]}}}}
    on: [{{left: '{on}', right: '{}'}}]",
            on.replace('a', "b").replace("bson", "json").replace("jbon", "json")
        )
    };
    check(
        &join("{{{json a}}}"),
        "{{default a 0}}",
        ".",
        &expect![[r#"
            0 list[0] + list[0]  →  1 on eu-1: .
            0 list[2] + ?  →  held
            0 list[3] + ?  →  held
            ! set, list[2] + ?: GeneratorFailed: join.on[0].left is null, which equals nothing; use default in it, or a selector
            ! set, list[3] + ?: TemplateFailed: join.on[0].left: "{{{json a}}}" (line 1, column 1) needs the parameter a, which is not there; there are no parameters here (a generator sees some only inside a matrix)
            incomplete
        "#]],
    );
    check(
        &join("{{a}}"),
        "{{default a 0}}",
        ".",
        &expect![[r#"
            0 list[0] + list[0]  →  1 on eu-1: .
            0 list[1] + list[0]  →  1 on eu-1: .
            0 list[2] + ?  →  held
            0 list[3] + ?  →  held
            ! set, list[2] + ?: TemplateFailed: join.on[0].left: "{{a}}" (line 1, column 1) failed: a is null, which is not text; give it a value, or use default
            ! set, list[3] + ?: TemplateFailed: join.on[0].left: "{{a}}" (line 1, column 1) needs the parameter a, which is not there; there are no parameters here (a generator sees some only inside a matrix)
            incomplete
        "#]],
    );
}

#[test]
fn clusters_joined_with_files_in_a_matrix() {
    let generators = "- matrix:
    generators:
      - list: {elements: [{env: prod, dir: envs}]}
      - join:
          left: {clusters: {selector: {matchLabels: {env: '{{env}}'}}}}
          right: {git: {repoURL: https://git.example/fleet.git, revision: main, files: [{path: '{{dir}}/*/*.yaml'}]}}
          on: [{left: '{{metadata.labels.region}}', right: '{{region}}'}]
      - list: {elements: [{stage: '{{name}}-{{replicas}}'}]}";
    let set = set(generators, "{{stage}}", "{{name}}", "{{path}}");
    expect![[r#"
        0 list[0] × clusters eu-1 + git envs/eu/prod.yaml × list[0]  →  eu-1-3 on eu-1: envs/eu
        0 list[0] × clusters us-1 + git envs/us/prod.yaml[0] × list[0]  →  us-1-1 on us-1: envs/us
        complete
    "#]]
    .assert_eq(&show_set(&expand_set(&set, &fleet().world())));
}

#[test]
fn a_failing_item_holds_what_it_might_have_met() {
    let join = "- join:
    kind: outer
    left: {list: {elements: [{id: a}, {id: b}]}}
    right: {list: {elements: [{id: a, r: 1}, {r: 2}]}}
    on: [id]";
    check(
        join,
        "{{id}}",
        "{{default r 0}}",
        &expect![[r#"
            0 list[0] + list[0]  →  a on eu-1: 1
            0 list[1] + -  →  held
            0 ? + list[1]  →  held
            ! set, ? + list[1]: TemplateFailed: join.on[0].right: "{{id}}" (line 1, column 1) needs the parameter id, which is not there; there are: r
            ! set, list[1] + -: GeneratorFailed: whether it has a partner is not known while ? + list[1] fails; see there
            incomplete
        "#]],
    );
    let merge = "- merge:
    mergeKeys: [id]
    generators:
      - list: {elements: [{id: a, r: 0}, {id: b, r: 0}]}
      - list: {elements: [{id: a, r: 1}, {r: 2}]}";
    check(
        merge,
        "{{id}}",
        "{{r}}",
        &expect![[r#"
            0 list[0]  →  a on eu-1: 1
            0 list[1]  →  held
            0 merge.generators[1] list[1]  →  held
            ! set, list[1]: GeneratorFailed: whether merge.generators[1] list[1] changes it is not known while that fails; see there
            ! set, merge.generators[1] list[1]: TemplateFailed: the merge key id: "{{{json id}}}" (line 1, column 1) needs the parameter id, which is not there; there are: r; or set missingKey: ignore
            incomplete
        "#]],
    );
}

#[test]
fn sides_that_give_one_key_two_values() {
    let join = "- join:
    left: {list: {elements: [{id: a, v: 1}, {id: b, v: 2}]}}
    right: {list: {elements: [{id: a, v: 1}, {id: b, v: 3}]}}
    on: [id]";
    check(
        join,
        "{{id}}",
        "{{v}}",
        &expect![[r#"
            0 list[0] + list[0]  →  a on eu-1: 1
            0 list[1] + list[1]  →  held
            ! set, list[1] + list[1]: GeneratorFailed: list[1] and list[1] both give the parameter v, as 2 and as 3; give one of the generators an as, or use another name in it
            incomplete
        "#]],
    );
}

#[test]
fn a_merge_lays_later_over_earlier() {
    let merge = "- merge:
    mergeKeys: [id, at.zone]
    generators:
      - list: {elements: [{id: a, at: {zone: 1}, v: {x: 1, w: 1}, flag: true}, {id: b, at: {zone: 1}, v: {}, flag: true}, {id: a, at: {zone: 1}, v: {x: 9}, flag: true}]}
      - list: {elements: [{id: a, at: {zone: 1.0}, v: {x: 2}, flag: false}, {id: z, at: {zone: 1}}]}
      - list: {elements: [{id: a, at: {zone: 1}, v: {z: 0, w: null}, l: []}]}";
    expect![[r#"
        list[0]: {"at":{"zone":1},"flag":false,"id":"a","l":[],"v":{"w":null,"x":2,"z":0}}
        list[1]: {"at":{"zone":1},"flag":true,"id":"b","v":{}}
        list[2]: {"at":{"zone":1},"flag":false,"id":"a","l":[],"v":{"w":null,"x":2,"z":0}}"#]]
    .assert_eq(&parameters(merge));
}

#[test]
fn merge_keys_that_are_missing_or_met_twice() {
    let merge = |missing: &str| {
        format!(
            "- merge:
    mergeKeys: [id]
    missingKey: {missing}
    generators:
      - list: {{elements: [{{id: a, v: 0}}, {{v: 0, nm: none}}, {{id: b, v: 0}}, {{id: null, v: 0, nm: nil}}, {{id: c, v: 0}}]}}
      - list: {{elements: [{{id: b, v: 1}}, {{id: b, v: 2}}]}}
      - list: {{elements: [{{id: c, v: 3}}]}}"
        )
    };
    let name = "{{default id nm}}";
    check(
        &merge("error"),
        name,
        "{{v}}",
        &expect![[r#"
            0 list[0]  →  a on eu-1: 0
            0 list[1]  →  held
            0 list[2]  →  held
            0 list[3]  →  held
            0 list[4]  →  c on eu-1: 3
            ! set, list[1]: TemplateFailed: the merge key id: "{{{json id}}}" (line 1, column 1) needs the parameter id, which is not there; there are: nm, v; or set missingKey: ignore
            ! set, list[2]: GeneratorFailed: list[0] and list[1] have the same merge keys, so which of them is meant is not known; make them differ, or use a join
            ! set, list[3]: GeneratorFailed: the merge key id is null, which equals nothing; give it a value, or set missingKey: ignore
            incomplete
        "#]],
    );
    check(
        &merge("ignore"),
        name,
        "{{v}}",
        &expect![[r#"
        0 list[0]  →  a on eu-1: 0
        0 list[1]  →  none on eu-1: 0
        0 list[2]  →  held
        0 list[3]  →  nil on eu-1: 0
        0 list[4]  →  c on eu-1: 3
        ! set, list[2]: GeneratorFailed: list[0] and list[1] have the same merge keys, so which of them is meant is not known; make them differ, or use a join
        incomplete
    "#]],
    );
}

#[test]
fn matrices_in_matrices_see_everything_outside() {
    let generators = "- matrix:
    generators:
      - list: {elements: [{a: 1}, {a: 2}]}
      - matrix:
          generators:
            - list: {elements: [{b: '{{a}}0'}]}
            - matrix:
                generators:
                  - list: {elements: [{c: '{{a}}{{b}}'}, {c: skip}]}
                    selector: {matchLabels: {c: '{{a}}{{b}}'}}
                  - merge:
                      mergeKeys: [k]
                      generators:
                        - list: {elements: [{k: x, v: '{{c}}'}, {k: y, v: '{{c}}'}]}
                        - list: {elements: [{k: y, v: 'over {{a}}'}]}
                  - matrix:
                      generators:
                        - list: {elementsYaml: '- {d: \"{{a}}-{{b}}-{{c}}-{{k}}\"}'}
                        - clusters: {selector: {matchLabels: {env: dev}}, values: {all: '{{a}}{{b}}{{c}}{{d}}{{v}}'}}";
    check(
        generators,
        "{{d}}",
        "{{values.all}}",
        &expect![[r#"
        0 list[0] × list[0] × list[0] × list[0] × list[0] × clusters dev  →  1-10-110-x on eu-1: 1101101-10-110-x110
        0 list[0] × list[0] × list[0] × list[1] × list[0] × clusters dev  →  1-10-110-true on eu-1: 1101101-10-110-trueover 1
        0 list[1] × list[0] × list[0] × list[0] × list[0] × clusters dev  →  2-20-220-x on eu-1: 2202202-20-220-x220
        0 list[1] × list[0] × list[0] × list[1] × list[0] × clusters dev  →  2-20-220-true on eu-1: 2202202-20-220-trueover 2
        complete
    "#]],
    );
}

#[test]
fn selectors_on_every_level() {
    let generators = "- join:
    left: {list: {elements: [{id: a, nm: 1}, {id: b, nm: 1}]}, selector: {matchLabels: {id: a}}}
    right: {list: {elements: [{id: a, m: 1}, {id: a, m: 2}]}, selector: {matchLabels: {m: '2'}}}
    on: [id]
  selector: {matchLabels: {nm: '1'}}
- merge:
    mergeKeys: [id]
    generators:
      - {list: {elements: [{id: a, m: 1}, {id: b, m: 1}, {id: c, m: 1}]}, selector: {matchExpressions: [{key: id, operator: NotIn, values: [c]}]}}
      - {list: {elements: [{id: a, m: 2}, {id: b, m: 3}]}, selector: {matchLabels: {m: '3'}}}
  selector: {matchLabels: {m: '3'}}";
    check(
        generators,
        "{{id}}",
        "{{m}}",
        &expect![[r#"
        0 list[0] + list[1]  →  a on eu-1: 2
        1 list[1]  →  b on eu-1: 3
        complete
    "#]],
    );
}

#[test]
fn combinations_that_cannot_be_used() {
    let mut text = String::new();
    for generators in [
        "- join: {left: {list: {}}, right: {list: {}}, on: []}",
        "- join: {left: {list: {}}, right: {git: {repoURL: r}}, on: [a]}",
        "- join: {left: {list: {}}, right: {list: {}}, on: [{left: '{{lowr a}}', right: b}]}",
        "- join: {left: {git: {repoURL: r, directories: [{path: a}]}}, right: {list: {}}, on: [a]}",
        "- merge: {mergeKeys: [a], generators: []}",
        "- merge: {mergeKeys: [a], generators: [{list: {}}]}",
        "- merge: {mergeKeys: [], generators: [{list: {}}, {list: {}}]}",
        "- merge: {mergeKeys: ['{{a}}'], generators: [{list: {}}, {list: {}}]}",
        "- merge: {mergeKeys: [a], generators: [{list: {}}, {git: {repoURL: r, directories: [{path: a}]}}]}",
    ] {
        let expansion = expand_set(&set(generators, "a", "eu-1", "."), &fleet().world());
        writeln!(text, "{generators}\n{}", show_set(&expansion).trim_end()).unwrap();
    }
    expect![[r#"
        - join: {left: {list: {}}, right: {list: {}}, on: []}
        ! set, generators[0]: GeneratorFailed: join.on is empty; name what must be equal on both sides
        incomplete
        - join: {left: {list: {}}, right: {git: {repoURL: r}}, on: [a]}
        ! set, generators[0]: GeneratorFailed: join.right: git has neither directories nor files
        incomplete
        - join: {left: {list: {}}, right: {list: {}}, on: [{left: '{{lowr a}}', right: b}]}
        ! set, generators[0]: TemplateFailed: join.on[0].left: "{{lowr a}}" (line 1, column 1) is not a template: unknown helper "lowr"; did you mean "lower"? known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
        incomplete
        - join: {left: {git: {repoURL: r, directories: [{path: a}]}}, right: {list: {}}, on: [a]}
        ! set, generators[0]: SourceUnavailable: join.left: r at HEAD cannot be read: connection refused
        missing: r at HEAD
        incomplete
        - merge: {mergeKeys: [a], generators: []}
        ! set, generators[0]: GeneratorFailed: merge.generators is empty; a merge needs two at least
        incomplete
        - merge: {mergeKeys: [a], generators: [{list: {}}]}
        ! set, generators[0]: GeneratorFailed: merge.generators has one entry; a merge needs two at least
        incomplete
        - merge: {mergeKeys: [], generators: [{list: {}}, {list: {}}]}
        ! set, generators[0]: GeneratorFailed: merge.mergeKeys is empty; name what must be equal
        incomplete
        - merge: {mergeKeys: ['{{a}}'], generators: [{list: {}}, {list: {}}]}
        ! set, generators[0]: GeneratorFailed: merge.mergeKeys: "{{a}}" is not the name of a parameter; write name or values.name
        incomplete
        - merge: {mergeKeys: [a], generators: [{list: {}}, {git: {repoURL: r, directories: [{path: a}]}}]}
        ! set, generators[0]: SourceUnavailable: merge.generators[1]: r at HEAD cannot be read: connection refused
        missing: r at HEAD
        incomplete
    "#]].assert_eq(&text);
}

#[test]
fn caps_tell_the_factors() {
    let list = |key: &str, count: usize| {
        let items: Vec<String> = (0..count).map(|n| format!("{{{key}: {n}}}")).collect();
        format!("{{list: {{elements: [{}]}}}}", items.join(", "))
    };
    let shown = |generators: &str, limit: Option<u32>| {
        let mut set = set(generators, "{{a}}-{{b}}", "eu-1", ".");
        set.spec.safety.max_elements =
            limit.map(|limit| serde_json::from_value(limit.into()).unwrap());
        let expansion = expand_set(&set, &fleet().world());
        let problems: Vec<_> = expansion.problems.iter().map(ToString::to_string).collect();
        format!("{} elements; {}", expansion.elements.len(), problems.join("\n"))
    };
    let matrix = format!("- matrix: {{generators: [{}, {}]}}", list("a", 300), list("b", 200));
    let join = format!(
        "- join: {{left: {}, right: {}, on: [{{left: x, right: x}}]}}",
        list("a", 20),
        list("b", 30)
    );
    let merge =
        format!("- merge: {{mergeKeys: [a], generators: [{}, {}]}}", list("a", 20), list("a", 30));
    let uneven = "- matrix: {generators: [{list: {elements: [{a: 1, s: x}, {a: 2, s: y}]}}, {list: {elements: [{s: x, b: 1}, {s: x, b: 2}, {s: y, b: 3}]}, selector: {matchLabels: {s: '{{s}}'}}}, {list: {elements: [{}, {}]}}]}";
    let lines = [
        shown(&matrix, None),
        shown(&matrix, Some(60_000)),
        shown(&join, Some(599)),
        shown(&join, Some(600)),
        shown(&merge, Some(19)),
        shown(uneven, Some(3)),
        shown(&list("a", 5).replacen('{', "- {", 1), Some(4)),
    ];
    expect![[r#"
        0 elements; set, generators[0]: TooManyElements: matrix gives 300 × 200 = 60,000 elements; at most 50,000 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
        60000 elements; 
        0 elements; set, generators[0]: TooManyElements: join gives 600 (of 20 on the left, 30 on the right) elements; at most 599 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
        600 elements; 
        0 elements; set, generators[0]: TooManyElements: merge.generators[0]: list gives more than 19 elements; at most 19 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
        0 elements; set, generators[0]: TooManyElements: matrix gives 2 × 3 × 2 = 12 elements; at most 3 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
        0 elements; set, generators[0]: TooManyElements: list gives more than 4 elements; at most 4 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)"#]].assert_eq(&lines.join("\n"));
}

const TEMPLATES: &str = "
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: set}
spec:
  generators:
    - list:
        elements: [{nm: a, canary: true}, {nm: b, canary: false}]
        template:
          metadata: {labels: {from: list, wave: ''}}
          spec: {syncPolicy: {automated: {prune: false}}, source: {path: over}}
    - list: {elements: [{nm: c, canary: true}]}
  template:
    metadata: {name: 'app-{{nm}}', labels: {team: x, wave: '1'}}
    spec:
      source: {repoURL: r, path: '{{nm}}', helm: {valueFiles: [a.yaml, b.yaml]}}
      destination: {cluster: eu-1}
      syncPolicy: {automated: {prune: true, selfHeal: true}}
  templatePatch:
    - when: '{{canary}}'
      patch:
        metadata: {labels: {canary: 'yes, {{nm}}', team: null}}
        spec: {source: {helm: {valueFiles: ['{{nm}}.yaml']}}}
";

#[test]
fn templates_of_generators_and_patches() {
    let (sets, _) = documents(TEMPLATES);
    let expansion = expand_set(&sets[0], &fleet().world());
    let mut text = String::new();
    for element in &expansion.elements {
        let Verdict::Ok(application) = &element.verdict else {
            unreachable!("{:?}", expansion.problems)
        };
        text.push_str(&serde_json::to_string(application.native().unwrap()).unwrap());
        text.push('\n');
    }
    expect![[r#"
        {"metadata":{"name":"app-a","labels":{"canary":"yes, a","from":"list","wave":""}},"spec":{"project":"default","source":{"repoURL":"r","path":"over","helm":{"valueFiles":["a.yaml"],"ignoreMissingValueFiles":false,"skipCrds":false}},"destination":{"cluster":"eu-1"},"syncPolicy":{"automated":{"prune":false,"selfHeal":true,"allowEmpty":false}}}}
        {"metadata":{"name":"app-b","labels":{"from":"list","team":"x","wave":""}},"spec":{"project":"default","source":{"repoURL":"r","path":"over","helm":{"valueFiles":["a.yaml","b.yaml"],"ignoreMissingValueFiles":false,"skipCrds":false}},"destination":{"cluster":"eu-1"},"syncPolicy":{"automated":{"prune":false,"selfHeal":true,"allowEmpty":false}}}}
        {"metadata":{"name":"app-c","labels":{"canary":"yes, c","wave":"1"}},"spec":{"project":"default","source":{"repoURL":"r","path":"c","helm":{"valueFiles":["c.yaml"],"ignoreMissingValueFiles":false,"skipCrds":false}},"destination":{"cluster":"eu-1"},"syncPolicy":{"automated":{"prune":true,"selfHeal":true,"allowEmpty":false}}}}
    "#]].assert_eq(&text);
}

#[test]
fn patches_that_fail_hold_their_element() {
    let patched = |patch: &str| {
        let start = TEMPLATES.find("  templatePatch:").unwrap();
        let text = format!("{}  templatePatch: {patch}\n", &TEMPLATES[..start]);
        let (sets, _): (Vec<ApplicationSet>, _) = documents(&text);
        show_set(&expand_set(&sets[0], &fleet().world()))
    };
    let text = [
        "[{when: '{{nm}}', patch: {}}]",
        "[{when: '{{missing}}', patch: {}}]",
        "{metadata: {labels: {x: '{{missing}}'}}}",
        "{metadata: {name: '{{missing}}'}}",
        "{metadata: {name: '{{nm}}-new'}, spec: {source: {path: null}}}",
        "{metadata: {name: '{{nm}}-new'}}",
        "[{when: '{{#if}}', patch: {spec: {project: '{{x y}}'}}}]",
    ]
    .map(patched);
    expect![[r#"
        0 list[0]  →  held app-a
        0 list[1]  →  held app-b
        1 list[0]#2  →  held app-c
        ! set, list[0]: GeneratorFailed: templatePatch[0].when gives "a", which is neither true nor false; use a test such as eq
        ! set, list[0]: GeneratorFailed: templatePatch[0].when gives "c", which is neither true nor false; use a test such as eq
        ! set, list[1]: GeneratorFailed: templatePatch[0].when gives "b", which is neither true nor false; use a test such as eq
        complete

        0 list[0]  →  held app-a
        0 list[1]  →  held app-b
        1 list[0]#2  →  held app-c
        ! set, list[0]: TemplateFailed: templatePatch[0].when: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        ! set, list[0]: TemplateFailed: templatePatch[0].when: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        ! set, list[1]: TemplateFailed: templatePatch[0].when: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        complete

        0 list[0]  →  held app-a
        0 list[1]  →  held app-b
        1 list[0]#2  →  held app-c
        ! set, list[0]: TemplateFailed: templatePatch.metadata.labels.x: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        ! set, list[0]: TemplateFailed: templatePatch.metadata.labels.x: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        ! set, list[1]: TemplateFailed: templatePatch.metadata.labels.x: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        complete

        0 list[0]  →  held
        0 list[1]  →  held
        1 list[0]#2  →  held
        ! set, list[0]: TemplateFailed: templatePatch.metadata.name: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        ! set, list[0]: TemplateFailed: templatePatch.metadata.name: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        ! set, list[1]: TemplateFailed: templatePatch.metadata.name: "{{missing}}" (line 1, column 1) needs the parameter missing, which is not there; there are: canary, nm
        incomplete

        0 list[0]  →  held a-new
        0 list[1]  →  held b-new
        1 list[0]#2  →  held c-new
        ! set, list[0]: InvalidApplication: spec.source: missing field `path`
        ! set, list[0]: InvalidApplication: spec.source: missing field `path`
        ! set, list[1]: InvalidApplication: spec.source: missing field `path`
        complete

        0 list[0]  →  a-new on eu-1: over
        0 list[1]  →  b-new on eu-1: over
        1 list[0]#2  →  c-new on eu-1: c
        complete

        ! set: TemplateFailed: spec.templatePatch[0].spec.project: "{{x y}}" (line 1, column 1) is not a template: unknown helper "x"; known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
        ! set: TemplateFailed: spec.templatePatch[0].when: "{{#if}}" (line 1, column 8) is not a template: it cannot be read; is a tag or a block not closed?
        incomplete
    "#]].assert_eq(&text.join("\n"));
}

#[test]
fn unknown_fields_are_errors_of_the_document() {
    let lines =
        [
            document_errors(&TEMPLATES.replace("valueFiles: [a", "valuesFiles: [a")),
            document_errors(&TEMPLATES.replace("source: {path: over}", "sources: {path: over}")),
            document_errors(&TEMPLATES.replace("canary: 'yes", "x: 1}, label: {canary: 'yes")),
            document_errors(&TEMPLATES.replace("templatePatch:", "templatePatches:")),
            document_errors(&TEMPLATES.replace("when:", "if:")),
            document_errors(&TEMPLATES.replace(
                "  template:\n    meta",
                "  safety: {maxElement: 3}\n  template:\n    meta",
            )),
            document_errors(
                &TEMPLATES
                    .replace("  template:\n    meta", "  goTemplate: true\n  template:\n    meta"),
            ),
        ];
    expect![[r#"
        ApplicationSet set: spec.template.spec.source.helm.valuesFiles: unknown field `valuesFiles`, expected one of `releaseName`, `valueFiles`, `values`, `valuesObject`, `parameters`, `ignoreMissingValueFiles`, `skipCrds`, `kubeVersion`, `apiVersions`; did you mean `valueFiles`?
        ApplicationSet set: spec.generators[0].list.template.spec.sources: unknown field `sources`, expected one of `project`, `source`, `destination`, `syncPolicy`, `ignoreDifferences`, `info`; did you mean `source`?
        ApplicationSet set: spec.templatePatch.metadata.label: unknown field `label`, expected one of `name`, `labels`, `annotations`; did you mean `labels`?
        ApplicationSet set: spec.templatePatches: unknown field `templatePatches`, expected one of `generators`, `template`, `templatePatch`, `safety`, `syncPolicy`, `preservedFields`, `ignoreApplicationDifferences`; did you mean `templatePatch`?
        ApplicationSet set: spec.templatePatch: [0].if: unknown field `if`, expected `when` or `patch`
        ApplicationSet set: spec.safety.maxElement: unknown field `maxElement`, expected one of `deletionBudget`, `onRemoval`, `maxElements`; did you mean `maxElements`?
        ApplicationSet set: spec.goTemplate: unknown field `goTemplate`, expected one of `generators`, `template`, `templatePatch`, `safety`, `syncPolicy`, `preservedFields`, `ignoreApplicationDifferences`; did you mean `template`?"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_flat_list_of_clusters() {
    expect![[r#"
        clusters: {"clusters":[{"metadata":{"annotations":{},"labels":{"env":"dev","region":"eu"}},"name":"dev","nameNormalized":"dev","project":"","server":"https://dev.example","values":{"a":"on dev"}}]}
        clusters#2: {"clusters":[]}"#]].assert_eq(&parameters(
        "- clusters: {flatList: true, selector: {matchLabels: {env: dev}}, values: {a: 'on {{name}}'}}
- clusters: {flatList: true, selector: {matchLabels: {env: none}}}",
    ));
    let text = "{{#each clusters}}{{name}}{{#unless @last}},{{/unless}}{{/each}}";
    check(
        "- clusters: {flatList: true}",
        "all",
        text,
        &expect![[r#"
        0 clusters  →  all on eu-1: dev,eu-1,us-1
        complete
    "#]],
    );
    let failing = "- clusters: {flatList: true, values: {t: '{{metadata.labels.tier}}'}}";
    check(
        failing,
        "all",
        "x",
        &expect![[r#"
            0 clusters  →  held
            ! set, clusters: TemplateFailed: values.t: "{{metadata.labels.tier}}" (line 1, column 1) needs the parameter metadata.labels.tier, which is not there; did you mean metadata.labels.env? there are: metadata.labels.env, metadata.labels.region, name, nameNormalized, project, server
            incomplete
        "#]],
    );
}

#[test]
fn the_guide_shows_what_is_read() {
    let guide = include_str!("../../../../docs/guide/templates.md");
    let blocks = guide.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut generators = 0;
    for block in blocks {
        if block.starts_with("apiVersion") {
            assert_eq!(document_errors(block), "");
        }
        if block.starts_with("- ") {
            let value = model::yaml::read_one(block.as_bytes(), 1 << 16).unwrap();
            let read: Vec<model::generator::Generator> = serde_json::from_value(value).unwrap();
            generators += read.len();
        }
        if block.starts_with("templatePatch") {
            let value = model::yaml::read_one(block.as_bytes(), 1 << 16).unwrap();
            let patch: model::set::TemplatePatch =
                serde_json::from_value(value["templatePatch"].clone()).unwrap();
            assert!(!patch.is_empty());
        }
    }
    assert!(generators >= 3);
}
