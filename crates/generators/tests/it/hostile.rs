//! Input that means harm or is broken: each is a problem of its element, and its neighbours go on.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use generators::{Sources, expand, expand_set};
use model::argo;
use model::document::Resource;
use model::problem::Reason;

use crate::world::{Known, set, show_set};

fn bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let list = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{list}]").unwrap();
    }
    text
}

fn world() -> Known {
    let deep = format!("v: {}{}", "[".repeat(5000), "]".repeat(5000));
    let large = format!("v: {}", "x".repeat(10 << 20));
    Known::default().with_clusters(&["eu-1"]).with_repository(
        "r",
        &[
            ("a.yaml", "v: 1"),
            ("bomb.yaml", &bomb()),
            ("deep.yaml", &deep),
            ("large.yaml", &large),
            ("nul.yaml", "v: a\0b"),
            ("torn.yaml", "v: {a: ["),
            ("two.yaml", "v: 1\n---\nv: 2"),
            ("z.yaml", "v: 2"),
        ],
    )
}

fn check(generators: &str, name: &str, path: &str, expected: &Expect) {
    let set = set(generators, name, "eu-1", path);
    expected.assert_eq(&show_set(&expand_set(&set, &world().world())));
}

#[test]
fn files_that_explode_hurt_nobody_else() {
    let generators = "- git: {repoURL: r, revision: main, files: [{path: '*.yaml'}]}";
    check(
        generators,
        "app-{{v}}",
        "{{path}}",
        &expect![[r#"
        0 git a.yaml  →  app-1 on eu-1: .
        0 git bomb.yaml  →  held
        0 git deep.yaml  →  held
        0 git large.yaml  →  held
        0 git nul.yaml  →  held
        0 git torn.yaml  →  held
        0 git two.yaml  →  held
        0 git z.yaml  →  app-2 on eu-1: .
        ! set, git bomb.yaml: GeneratorFailed: bomb.yaml: line 5: anchors and aliases make this text grow by more than 8 MiB; write the values out
        ! set, git deep.yaml: GeneratorFailed: deep.yaml: line 1: nested deeper than 128 levels
        ! set, git large.yaml: GeneratorFailed: large.yaml is 10485763 bytes; at most 1048576 are read
        ! set, git nul.yaml: GeneratorFailed: nul.yaml: line 1: the control character 0x00 is not allowed
        ! set, git torn.yaml: GeneratorFailed: torn.yaml: line 1: a value is expected here, and there is none
        ! set, git two.yaml: GeneratorFailed: two.yaml: line 2: at most 1 documents are read from one text
        incomplete
    "#]],
    );
}

#[test]
fn yaml_that_explodes_in_a_matrix_fails_one_item() {
    let bomb = bomb().replace('\n', "\\n");
    let generators = format!(
        "- matrix:
    generators:
      - list: {{elements: [{{v: '- {{w: 1}}'}}, {{v: \"{bomb}\"}}, {{v: '- {{w: 2}}'}}, {{v: '- x'}}]}}
      - list: {{elementsYaml: '{{{{{{v}}}}}}'}}"
    );
    check(
        &generators,
        "app-{{w}}",
        ".",
        &expect![[r#"
            0 list[0] × list[0]  →  app-1 on eu-1: .
            0 list[1] × list  →  held
            0 list[2] × list[0]  →  app-2 on eu-1: .
            0 list[3] × list[0]  →  held
            ! set, list[1] × list: GeneratorFailed: list.elementsYaml is not YAML: line 5: anchors and aliases make this text grow by more than 8 MiB; write the values out
            ! set, list[3] × list[0]: GeneratorFailed: an element of a list is a map of parameters
            incomplete
        "#]],
    );
}

#[test]
fn values_never_see_each_other() {
    let generators = "- clusters:
    values: {a: '{{values.b}}', b: '{{values.a}}'}
- clusters:
    values: {a: 'x', b: '{{{{raw}}}}{{values.a}}{{{{/raw}}}}'}";
    check(
        generators,
        "{{name}}",
        "{{values.b}}",
        &expect![[r#"
        0 clusters eu-1  →  held
        1 clusters eu-1#2  →  eu-1 on eu-1: {{values.a}}
        ! set, clusters eu-1: TemplateFailed: values.a: "{{values.b}}" (line 1, column 1) needs the parameter values.b, which is not there; there are: name, nameNormalized, project, server
        incomplete
    "#]],
    );
}

#[test]
fn output_and_steps_are_bounded() {
    let items = vec!["x"; 400].join(", ");
    let generators = format!("- list: {{elements: [{{k: a, l: [{items}]}}, {{k: b, l: []}}]}}");
    let loops = "{{#each l}}{{#each ../l}}{{#each ../../l}}x{{/each}}{{/each}}{{/each}}.";
    check(
        &generators,
        "{{k}}",
        loops,
        &expect![[r#"
            0 list[0]  →  held a
            0 list[1]  →  b on eu-1: .
            ! set, list[0]: TemplateFailed: spec.source.path: "{{#each l}}{{#each ../l}}{{#each ../../l}}x{{/each}}{{/each}}{{/each}}." (line 1, column 43) failed: the templates of one application take at most 100000 steps; loop over less
            complete
        "#]],
    );
    let grow = "{{#each l}}{{toJson ../l}}{{toJson ../l}}{{toJson ../l}}{{toJson ../l}}{{/each}}.";
    check(
        &generators,
        "{{k}}",
        grow,
        &expect![[r#"
            0 list[0]  →  held a
            0 list[1]  →  b on eu-1: .
            ! set, list[0]: TemplateFailed: spec.source.path: "{{toJson ../l}}" (line 1, column 42) failed: the templates of one application give at most 1048576 bytes; keep large text in the repository
            complete
        "#]],
    );
}

#[test]
fn names_that_are_none() {
    let long = "x".repeat(300);
    let generators = format!(
        "- list: {{elements: [{{v: ok}}, {{v: ''}}, {{v: '../x'}}, {{v: 'A b'}}, {{v: {long}}}, {{v: \"a\\nb\"}}, {{v: '-'}}, {{v: also.ok}}]}}"
    );
    let set = set(&generators, "{{v}}", "eu-1", ".");
    let expansion = expand_set(&set, &world().world());
    let ok = expansion.elements.iter().filter(|one| one.verdict.name().is_some());
    let ok: Vec<_> = ok.map(|one| one.id.as_str()).collect();
    assert_eq!(ok, ["list[0]", "list[7]"]);
    assert_eq!((expansion.problems.len(), expansion.complete), (6, false));
}

#[test]
fn a_product_beyond_counting_stops_at_the_cap() {
    let list: Vec<String> = (0..200).map(|n| format!("{{KEY: {n}}}")).collect();
    let list = format!("{{list: {{elements: [{}]}}}}", list.join(", "));
    let children: Vec<String> = (0..8).map(|n| list.replace("KEY", &format!("k{n}"))).collect();
    let flat = format!("- matrix: {{generators: [{}]}}", children.join(", "));
    check(
        &flat,
        "x",
        ".",
        &expect![[r#"
        ! set, generators[0]: TooManyElements: matrix gives 200 × 200 × 200 × 200 × 200 × 200 × 200 × 200 = 2,560,000,000,000,000,000 elements; at most 50,000 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
        incomplete
    "#]],
    );
    let nested = children.iter().rev().fold(String::new(), |inner, child| match inner.as_str() {
        "" => child.clone(),
        inner => format!("{{matrix: {{generators: [{child}, {inner}]}}}}"),
    });
    check(
        &format!("- {nested}"),
        "x",
        ".",
        &expect![[r#"
        ! set, generators[0]: TooManyElements: matrix gives 200 × 40,000 = 8,000,000 elements; at most 50,000 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
        incomplete
    "#]],
    );
}

#[test]
fn an_annotation_of_a_compat_set_sets_its_cap() {
    let elements = |count: usize| {
        let elements = (0..count).map(|number| format!("{{id: 'e{number}'}}"));
        format!("{{list: {{elements: [{}]}}}}", elements.collect::<Vec<_>>().join(", "))
    };
    let count = |most: usize, generators: &[usize]| {
        let generators: Vec<_> = generators.iter().map(|count| elements(*count)).collect();
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n\
             metadata: {{name: set, annotations: {{muster.dev/max-elements: '{most}'}}}}\n\
             spec:\n  generators: [{}]\n  template: {{metadata: {{name: '{{{{id}}}}'}}, spec: {{}}}}\n",
            generators.join(", ")
        );
        let (resources, errors) = model::document::read(text.as_bytes());
        assert_eq!(errors, []);
        let Resource::Argo(resource) = &resources[0] else { panic!("{resources:?}") };
        let argo::Resource::ApplicationSet(set) = &**resource else { panic!("{resource:?}") };
        let sources = Sources { argo_sets: &[(**set).clone()], ..Sources::default() };
        let expansion = expand(&sources, &world().world());
        let told = expansion.problems.iter().map(|problem| problem.reason);
        let over = told.filter(|reason| *reason == Reason::TooManyElements).count();
        (expansion.sets[0].elements.len(), over, expansion.sets[0].complete)
    };
    assert_eq!(count(5, &[5]), (5, 0, true));
    assert_eq!(count(5, &[6]), (0, 1, false));
    assert_eq!(count(5, &[3, 3]), (0, 1, false));
}
