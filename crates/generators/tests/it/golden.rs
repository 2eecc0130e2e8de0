//! Each generator, and each kind of bad input, with what a person sees of it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use generators::{Options, Sources, Verdict, World, expand, expand_set, missing, references};
use model::application::Application;
use model::document;
use model::set::ApplicationSet;

use crate::world::{Known, documents, fleet, set, show, show_set};

fn sources<'a>(sets: &'a [ApplicationSet], applications: &'a [Application]) -> Sources<'a> {
    Sources { sets, applications, ..Sources::default() }
}

fn check(set: &model::set::ApplicationSet, world: &Known, expected: &Expect) {
    expected.assert_eq(&show_set(&expand_set(set, &world.world())));
}

/// The first element's parameters, as JSON.
fn parameters(generators: &str) -> String {
    let expansion = expand_set(&set(generators, "x", "eu-1", "."), &fleet().world());
    let element = expansion.elements.first().unwrap();
    serde_json::to_string(&element.parameters).unwrap()
}

const DESIGN: &str = r#"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: { name: checkout }
spec:
  generators:
    - matrix:
        generators:
          - clusters: { selector: { matchLabels: { env: prod } } }
          - git: { repoURL: https://git.example/fleet.git, revision: main, directories: [{ path: apps/* }] }
  template:
    metadata: { name: "{{path.basename}}-{{name}}" }
    spec:
      project: payments
      source: { repoURL: https://git.example/fleet.git, targetRevision: main, path: "{{path}}" }
      destination: { cluster: "{{name}}", namespace: "{{path.basename}}" }
      syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: [CreateNamespace=true] }
  safety: { deletionBudget: 10%, onRemoval: prune }
"#;

#[test]
fn a_matrix_of_clusters_and_directories() {
    let (sets, _) = documents(DESIGN);
    check(
        &sets[0],
        &fleet(),
        &expect![[r#"
        0 clusters eu-1 × git apps/api  →  api-eu-1 on eu-1: apps/api
        0 clusters eu-1 × git apps/web  →  web-eu-1 on eu-1: apps/web
        0 clusters us-1 × git apps/api  →  api-us-1 on us-1: apps/api
        0 clusters us-1 × git apps/web  →  web-us-1 on us-1: apps/web
        complete
    "#]],
    );
    let expansion = expand_set(&sets[0], &fleet().world());
    let Verdict::Ok(application) = &expansion.elements[0].verdict else { unreachable!() };
    let json = serde_json::to_string_pretty(application.native().unwrap()).unwrap();
    expect![[r#"
        {
          "metadata": {
            "name": "api-eu-1"
          },
          "spec": {
            "project": "payments",
            "source": {
              "repoURL": "https://git.example/fleet.git",
              "targetRevision": "main",
              "path": "apps/api"
            },
            "destination": {
              "cluster": "eu-1",
              "namespace": "api"
            },
            "syncPolicy": {
              "automated": {
                "prune": true,
                "selfHeal": true,
                "allowEmpty": false
              },
              "syncOptions": [
                "CreateNamespace=true"
              ]
            }
          }
        }"#]]
    .assert_eq(&json);
}

#[test]
fn list_elements_and_yaml() {
    let generators = "- list: {elements: [{a: x, size: 1000000}, {a: w, size: 2}], elementsYaml: '- {a: z, size: 3}'}";
    check(
        &set(generators, "{{a}}-{{size}}", "eu-1", "{{a}}"),
        &fleet(),
        &expect![[r#"
            0 list[0]  →  x-1000000 on eu-1: x
            0 list[1]  →  w-2 on eu-1: w
            0 list[2]  →  z-3 on eu-1: z
            complete
        "#]],
    );
}

#[test]
fn clusters_by_selector_with_values() {
    let generators = "- clusters:
    selector: {matchExpressions: [{key: region, operator: In, values: [eu]}]}
    values: {full: '{{name}}-{{metadata.labels.env}}', tier: '{{{json (default metadata.labels.tier 9)}}}'}";
    check(
        &set(generators, "{{values.full}}", "{{name}}", "{{values.tier}}"),
        &fleet(),
        &expect![[r#"
            0 clusters dev  →  dev-dev on dev: 9
            0 clusters eu-1  →  eu-1-prod on eu-1: 1
            complete
        "#]],
    );
    expect![[r#"{"metadata":{"annotations":{},"labels":{"env":"dev","region":"eu"}},"name":"dev","nameNormalized":"dev","project":"","server":"https://dev.example"}"#]].assert_eq(&parameters("- clusters: {}"));
}

#[test]
fn directories_with_prefix_and_excludes() {
    let generators = "- git:
    repoURL: https://git.example/fleet.git
    revision: main
    pathParamPrefix: app
    directories: [{path: 'apps/**'}, {path: apps/api, exclude: true}]
    values: {slug: '{{slugify app.path}}'}";
    check(
        &set(generators, "{{values.slug}}", "eu-1", "{{app.path}}"),
        &fleet(),
        &expect![[r#"
        0 git apps/api/base  →  apps-api-base on eu-1: apps/api/base
        0 git apps/web  →  apps-web on eu-1: apps/web
        complete
    "#]],
    );
    expect![[r#"{"app":{"path":{"basename":"base","basenameNormalized":"base","path":"apps/api/base","segments":["apps","api","base"]}},"values":{"slug":"apps-api-base"}}"#]].assert_eq(&parameters(generators));
}

#[test]
fn files_of_parameters() {
    let git = "- git: {repoURL: https://git.example/fleet.git, revision: main, files: [{path: 'envs/**/*.yaml'}, {path: envs/*.json}]}";
    let name = "{{default region \"none\"}}-{{path.filenameNormalized}}";
    check(
        &set(git, name, "eu-1", "{{path}}/{{default replicas 0}}{{default account \"\"}}"),
        &fleet(),
        &expect![[r#"
            0 git envs/empty.json  →  none-empty.json on eu-1: envs/0
            0 git envs/eu/prod.yaml  →  eu-prod.yaml on eu-1: envs/eu/3123456789012
            0 git envs/us/prod.yaml[0]  →  us-prod.yaml on eu-1: envs/us/1
            0 git envs/us/prod.yaml[1]  →  us2-prod.yaml on eu-1: envs/us/2
            complete
        "#]],
    );
    expect![[r#"{"path":{"basename":"envs","basenameNormalized":"envs","filename":"empty.json","filenameNormalized":"empty.json","path":"envs","segments":["envs"]}}"#]].assert_eq(&parameters(git));
}

#[test]
fn a_nested_matrix_sees_everything_around_it() {
    let generators = "- matrix:
    generators:
      - list: {elements: [{repo: 'https://git.example/fleet.git', dir: apps, want: prod}]}
      - matrix:
          generators:
            - clusters:
                selector: {matchLabels: {env: '{{want}}'}}
                values: {from: '{{dir}} on {{name}}'}
            - git: {repoURL: '{{repo}}', revision: main, directories: [{path: '{{dir}}/*'}]}
      - list: {elementsYaml: '- {tenant: \"{{dir}}-1\"}'}
      - list: {elements: [{stage: '{{name}}-a'}, {stage: '{{name}}-b'}]}
  selector: {matchExpressions: [{key: path.basename, operator: NotIn, values: [api]}]}";
    let name = "{{tenant}}-{{path.basename}}-{{stage}}";
    check(
        &set(generators, name, "{{name}}", "{{values.from}}"),
        &fleet(),
        &expect![[r#"
        0 list[0] × clusters eu-1 × git apps/web × list[0] × list[0]  →  apps-1-web-eu-1-a on eu-1: apps on eu-1
        0 list[0] × clusters eu-1 × git apps/web × list[0] × list[1]  →  apps-1-web-eu-1-b on eu-1: apps on eu-1
        0 list[0] × clusters us-1 × git apps/web × list[0] × list[0]  →  apps-1-web-us-1-a on us-1: apps on us-1
        0 list[0] × clusters us-1 × git apps/web × list[0] × list[1]  →  apps-1-web-us-1-b on us-1: apps on us-1
        complete
    "#]],
    );
}

#[test]
fn a_selector_beside_a_generator_sees_flat_text() {
    let generators =
        "- list: {elements: [{name: a, size: 1, t: {open: true}}, {name: b, size: 2}, {name: c, size: 1}]}
  selector: {matchLabels: {size: '1'}, matchExpressions: [{key: t.open, operator: Exists}]}";
    check(
        &set(generators, "{{name}}", "eu-1", "."),
        &fleet(),
        &expect![[r#"
            0 list[0]  →  a on eu-1: .
            complete
        "#]],
    );
}

#[test]
fn nothing_found_is_complete() {
    let generators = "- clusters: {selector: {matchLabels: {env: none}}}
- git: {repoURL: https://git.example/fleet.git, revision: main, directories: [{path: nothing/*}]}
- list: {}
- list: {elementsYaml: '[]'}";
    check(
        &set(generators, "{{name}}", "eu-1", "."),
        &fleet(),
        &expect![[r#"
        complete
    "#]],
    );
}

#[test]
fn repeated_ids_are_numbered() {
    let generators = "- clusters: {selector: {matchLabels: {env: dev}}, values: {v: a}}
- clusters: {selector: {matchLabels: {env: dev}}, values: {v: b}}";
    check(
        &set(generators, "{{name}}-{{values.v}}", "{{name}}", "."),
        &fleet(),
        &expect![[r#"
            0 clusters dev  →  dev-a on dev: .
            1 clusters dev#2  →  dev-b on dev: .
            complete
        "#]],
    );
}

#[test]
fn an_unknown_generator_is_an_error_of_the_document() {
    let text = DESIGN.replace("- git:", "- gti:");
    let (_, errors) = document::read(text.as_bytes());
    let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
    expect![[r#"ApplicationSet checkout: spec.generators[0]: matrix.generators[1]: unknown generator kind "gti"; did you mean "git"? known: list, clusters, git, branches, tags, scmProvider, pullRequest, plugin, clusterDecisionResource, matrix, join, merge"#]].assert_eq(&text.join("\n"));
}

#[test]
fn a_missing_parameter_holds_one_element() {
    let generators = "- list: {elements: [{name: a, path: x}, {name: b}, {path: x}]}";
    check(
        &set(generators, "{{name}}", "eu-1", "{{path}}"),
        &fleet(),
        &expect![[r#"
            0 list[0]  →  a on eu-1: x
            0 list[1]  →  held b
            0 list[2]  →  held
            ! set, list[1]: TemplateFailed: spec.source.path: "{{path}}" (line 1, column 1) needs the parameter path, which is not there; there are: name
            ! set, list[2]: TemplateFailed: metadata.name: "{{name}}" (line 1, column 1) needs the parameter name, which is not there; there are: path
            incomplete
        "#]],
    );
}

#[test]
fn what_is_not_an_application_names_the_field() {
    let document = |fields: &str| {
        format!(
            "apiVersion: muster.dev/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: set}}\nspec:\n  \
             generators: [{{list: {{elements: [{{size: 3, name: a, bad: Not A Name}}]}}}}]\n  \
             template: {{{fields}}}\n"
        )
    };
    let source = "source: {repoURL: r, path: p}";
    let templates = [
        format!("metadata: {{name: a, labels: {{tier: 3}}}}, spec: {{{source}, destination: {{cluster: eu-1}}}}"),
        format!("metadata: {{name: a, labels: {{tier: '{{{{{{json size}}}}}}'}}}}, spec: {{{source}, destination: {{cluster: eu-1}}}}"),
        format!("metadata: {{name: '{{{{bad}}}}'}}, spec: {{{source}, destination: {{cluster: eu-1}}}}"),
        format!("metadata: {{name: a}}, spec: {{{source}, destination: {{cluster: '{{{{bad}}}}'}}}}"),
        format!("metadata: {{name: a}}, spec: {{{source}, destination: {{cluster: eu-2}}}}"),
        format!("metadata: {{name: a}}, spec: {{{source}}}"),
        "metadata: {name: a}, spec: {source: {repoURL: r, path: p, kustomize: {replicas: [{name: web, count: '{{size}}'}]}}, destination: {cluster: eu-1}}".to_owned(),
        "metadata: {name: a}, spec: {source: {repoURL: r, path: '{{#if size}}'}, destination: {cluster: '{{x y}}'}}".to_owned(),
    ];
    let mut text = String::new();
    for template in templates {
        let (sets, _) = documents(&document(&template));
        text.push_str(&show_set(&expand_set(&sets[0], &fleet().world())));
    }
    expect![[r#"
        0 list[0]  →  held a
        ! set, list[0]: InvalidApplication: metadata.labels.tier: invalid type: integer `3`, expected a string; labels and annotations are text: put the value in quotes
        complete
        0 list[0]  →  held a
        ! set, list[0]: InvalidApplication: metadata.labels.tier: invalid type: integer `3`, expected a string; labels and annotations are text: put the value in quotes
        complete
        0 list[0]  →  held
        ! set, list[0]: InvalidApplication: metadata.name: "Not A Name" is not a valid application name: use lower-case letters, digits, '-' and '.', and begin and end each part with a letter or digit
        incomplete
        0 list[0]  →  held a
        ! set, list[0]: InvalidApplication: spec.destination.cluster: "Not A Name" is not a valid cluster name: use lower-case letters, digits, '-' and '.', and begin and end each part with a letter or digit
        complete
        0 list[0]  →  held a
        ! set, list[0]: UnknownCluster: spec.destination.cluster: unknown cluster "eu-2"; did you mean "eu-1"? known: dev, eu-1, us-1; enrol it, or correct the name
        complete
        0 list[0]  →  held a
        ! set, list[0]: InvalidApplication: spec: missing field `destination`
        complete
        0 list[0]  →  held a
        ! set, list[0]: InvalidApplication: spec.source.kustomize.replicas[0].count: invalid type: string "3", expected u32; for a number, a boolean, a list or a map write only {{{json …}}} as the value
        complete
        ! set: TemplateFailed: spec.template.spec.destination.cluster: "{{x y}}" (line 1, column 1) is not a template: unknown helper "x"; known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
        ! set: TemplateFailed: spec.template.spec.source.path: "{{#if size}}" (line 1, column 13) is not a template: it cannot be read; is a tag or a block not closed?
        incomplete
    "#]].assert_eq(&text);
}

#[test]
fn a_typed_value_becomes_a_number() {
    let (sets, _) = documents(
        "apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: set}
spec:
  generators: [{list: {elements: [{size: 3, values: {image: {tag: v1}}}]}}]
  template:
    metadata: {name: a}
    spec:
      source:
        repoURL: r
        path: p
        kustomize: {replicas: [{name: web, count: '{{{json size}}}'}]}
        helm: {valuesObject: '{{{json values}}}', values: '{{{toYaml values}}}'}
      destination: {cluster: eu-1}
",
    );
    let expansion = expand_set(&sets[0], &fleet().world());
    let Verdict::Ok(application) = &expansion.elements[0].verdict else {
        unreachable!("{:?}", expansion.problems)
    };
    expect![[r#"{"repoURL":"r","path":"p","kustomize":{"replicas":[{"name":"web","count":3}]},"helm":{"values":"image:\n  tag: v1","valuesObject":{"image":{"tag":"v1"}},"ignoreMissingValueFiles":false,"skipCrds":false}}"#]].assert_eq(&serde_json::to_string(&application.native().unwrap().spec.source).unwrap());
}

#[test]
fn duplicate_names_hold_each_other() {
    let one = DESIGN.replace("{{path.basename}}-{{name}}", "{{path.basename}}");
    let text = format!(
        "{one}---
apiVersion: muster.dev/v1alpha1
kind: Application
metadata: {{name: api-eu-1}}
spec: {{source: {{repoURL: r, path: p}}, destination: {{cluster: eu-1}}}}
---
apiVersion: muster.dev/v1alpha1
kind: Application
metadata: {{name: alone}}
spec: {{source: {{repoURL: r, path: p}}, destination: {{cluster: eu-1}}}}
---
apiVersion: muster.dev/v1alpha1
kind: Application
metadata: {{name: nowhere}}
spec: {{source: {{repoURL: r, path: p}}, destination: {{cluster: eu-11}}}}
---{}",
        DESIGN.replace("name: checkout", "name: second")
    );
    let (sets, applications) = documents(&text);
    let expansion = expand(&sources(&sets, &applications), &fleet().world());
    expect![[r#"
        alone  ←  by hand 
        api-us-1  ←  second clusters us-1 × git apps/api
        web-eu-1  ←  second clusters eu-1 × git apps/web
        web-us-1  ←  second clusters us-1 × git apps/web
        held api: two applications have the name "api": clusters eu-1 × git apps/api of the set checkout and clusters us-1 × git apps/api of the set checkout; all are held until the names differ
        held api-eu-1: two applications have the name "api-eu-1": clusters eu-1 × git apps/api of the set second and an Application document; all are held until the names differ
        held nowhere: spec.destination.cluster: unknown cluster "eu-11"; did you mean "eu-1"? known: dev, eu-1, us-1; enrol it, or correct the name
        held web: two applications have the name "web": clusters eu-1 × git apps/web of the set checkout and clusters us-1 × git apps/web of the set checkout; all are held until the names differ
        ! Application api-eu-1: DuplicateName: two applications have the name "api-eu-1": an Application document and clusters eu-1 × git apps/api of the set second; all are held until the names differ
        ! Application nowhere: UnknownCluster: spec.destination.cluster: unknown cluster "eu-11"; did you mean "eu-1"? known: dev, eu-1, us-1; enrol it, or correct the name
        ! checkout, clusters eu-1 × git apps/api: DuplicateName: two applications have the name "api": clusters eu-1 × git apps/api of the set checkout and clusters us-1 × git apps/api of the set checkout; all are held until the names differ
        ! checkout, clusters eu-1 × git apps/web: DuplicateName: two applications have the name "web": clusters eu-1 × git apps/web of the set checkout and clusters us-1 × git apps/web of the set checkout; all are held until the names differ
        ! checkout, clusters us-1 × git apps/api: DuplicateName: two applications have the name "api": clusters us-1 × git apps/api of the set checkout and clusters eu-1 × git apps/api of the set checkout; all are held until the names differ
        ! checkout, clusters us-1 × git apps/web: DuplicateName: two applications have the name "web": clusters us-1 × git apps/web of the set checkout and clusters eu-1 × git apps/web of the set checkout; all are held until the names differ
        ! second, clusters eu-1 × git apps/api: DuplicateName: two applications have the name "api-eu-1": clusters eu-1 × git apps/api of the set second and an Application document; all are held until the names differ
    "#]].assert_eq(&show(&expansion));
}

#[test]
fn a_repository_that_is_gone_leaves_its_set_incomplete() {
    let generators = "- git: {repoURL: https://git.example/gone.git, revision: main, directories: [{path: '*'}]}
- list: {elements: [{path: a}]}
- matrix:
    generators:
      - list: {elements: [{repo: fleet, size: 1}, {repo: other, size: 2}]}
      - git: {repoURL: 'https://git.example/{{repo}}.git', revision: main, directories: [{path: apps/w*}]}";
    let set = set(generators, "{{default size 0}}-{{slugify path}}", "eu-1", "{{path}}");
    check(
        &set,
        &fleet(),
        &expect![[r#"
            1 list[0]  →  0-a on eu-1: a
            2 list[0] × git apps/web  →  1-apps-web on eu-1: apps/web
            2 list[1] × git  →  held
            ! set, generators[0]: SourceUnavailable: git: https://git.example/gone.git at main cannot be read: connection refused
            ! set, list[1] × git: SourceUnavailable: https://git.example/other.git at main cannot be read: connection refused
            missing: https://git.example/gone.git at main, https://git.example/other.git at main
            incomplete
        "#]],
    );
    let found: Vec<_> = references(&set).iter().map(ToString::to_string).collect();
    expect!["https://git.example/gone.git at main"].assert_eq(&found.join("\n"));
    let all = expand(&sources(std::slice::from_ref(&set), &[]), &fleet().world());
    assert_eq!(missing(&all), all.sets[0].missing);
}

#[test]
fn without_clusters_destinations_are_not_checked() {
    let generators = "- list: {elements: [{name: a}]}\n- clusters: {}";
    let set = set(generators, "{{name}}", "anywhere", ".");
    expect![[r#"
        a  ←  set list[0]
        ! set, generators[1]: GeneratorFailed: clusters: it is not known here which clusters there are
    "#]].assert_eq(&show(&expand(&sources(&[set], &[]), &World::without_clusters(&fleet()))));
}

#[test]
fn a_bad_file_hides_none_of_the_others() {
    let world = Known::default().with_clusters(&["eu-1"]).with_repository(
        "r",
        &[
            ("a.yaml", "name: a"),
            ("b.yaml", "name: [b"),
            ("c.yaml", "- name: c\n- text\n- {name: d, path: x}"),
            ("e.yaml", "name: e\nname: f"),
            ("g.yaml", "just text"),
        ],
    );
    let generators = "- git: {repoURL: r, revision: main, files: [{path: '*.yaml'}]}";
    check(
        &set(generators, "{{name}}", "eu-1", "{{path}}"),
        &world,
        &expect![[r#"
        0 git a.yaml  →  a on eu-1: .
        0 git b.yaml  →  held
        0 git c.yaml[0]  →  c on eu-1: .
        0 git c.yaml[1]  →  held
        0 git c.yaml[2]  →  held
        0 git e.yaml  →  held
        0 git g.yaml  →  held
        ! set, git b.yaml: GeneratorFailed: b.yaml: line 1: ',' or ']' is expected here
        ! set, git c.yaml[1]: GeneratorFailed: c.yaml: "text" is not a map of parameters, nor a list of maps
        ! set, git c.yaml[2]: GeneratorFailed: c.yaml: the file has the key path, which is the name of a path parameter; rename it, or set pathParamPrefix
        ! set, git e.yaml: GeneratorFailed: e.yaml: line 2: the key "name" stands twice in one mapping
        ! set, git g.yaml: GeneratorFailed: g.yaml: "just text" is not a map of parameters, nor a list of maps
        incomplete
    "#]],
    );
}

#[test]
fn keys_with_two_values_in_a_matrix() {
    let generators = "- matrix:
    generators:
      - clusters: {values: {a: x, b: same}}
      - list: {elements: [{name: other}, {values: {c: z, b: same}}, {values: {a: y}}]}
  selector: {matchLabels: {name: dev}}";
    check(
        &set(generators, "{{name}}", "{{name}}", "{{values.a}}/{{values.c}}"),
        &fleet(),
        &expect![[r#"
            0 clusters dev × list[0]  →  held
            0 clusters dev × list[1]  →  dev on dev: x/z
            0 clusters dev × list[2]  →  held
            0 clusters eu-1 × list[0]  →  held
            0 clusters eu-1 × list[2]  →  held
            0 clusters us-1 × list[0]  →  held
            0 clusters us-1 × list[2]  →  held
            ! set, clusters dev × list[0]: GeneratorFailed: clusters dev and list[0] both give the parameter name, as "dev" and as "other"; give one of the generators an as, or use another name in it
            ! set, clusters dev × list[2]: GeneratorFailed: clusters dev and list[2] both give the parameter values.a, as "x" and as true; give one of the generators an as, or use another name in it
            ! set, clusters eu-1 × list[0]: GeneratorFailed: clusters eu-1 and list[0] both give the parameter name, as "eu-1" and as "other"; give one of the generators an as, or use another name in it
            ! set, clusters eu-1 × list[2]: GeneratorFailed: clusters eu-1 and list[2] both give the parameter values.a, as "x" and as true; give one of the generators an as, or use another name in it
            ! set, clusters us-1 × list[0]: GeneratorFailed: clusters us-1 and list[0] both give the parameter name, as "us-1" and as "other"; give one of the generators an as, or use another name in it
            ! set, clusters us-1 × list[2]: GeneratorFailed: clusters us-1 and list[2] both give the parameter values.a, as "x" and as true; give one of the generators an as, or use another name in it
            incomplete
        "#]],
    );
}

#[test]
fn generators_that_say_too_little() {
    let mut text = String::new();
    for generators in [
        "- git: {repoURL: r}",
        "- git: {repoURL: r, directories: [{path: a}], files: [{path: b}]}",
        "- git: {repoURL: r, directories: [{path: a, exclude: true}]}",
        "- git: {repoURL: 'https://git.example/fleet.git', revision: main, directories: [{path: 'a/[x'}]}",
        "- git: {repoURL: '{{url}}', directories: [{path: a}]}",
        "- matrix: {generators: []}",
        "- matrix: {generators: [{list: {elements: [{a: '{{lowr x}}'}]}}]}",
        "- list: {elementsYaml: 'a: 1'}",
        "- list: {elementsYaml: '- a'}",
    ] {
        let expansion = expand_set(&set(generators, "a", "eu-1", "."), &fleet().world());
        writeln!(text, "{generators}\n{}", show_set(&expansion)).unwrap();
    }
    expect![[r#"
        - git: {repoURL: r}
        ! set, generators[0]: GeneratorFailed: git has neither directories nor files
        incomplete

        - git: {repoURL: r, directories: [{path: a}], files: [{path: b}]}
        ! set, generators[0]: GeneratorFailed: git has both directories and files; write them as two generators
        incomplete

        - git: {repoURL: r, directories: [{path: a, exclude: true}]}
        ! set, generators[0]: GeneratorFailed: git.directories only excludes; add a pattern without exclude
        incomplete

        - git: {repoURL: 'https://git.example/fleet.git', revision: main, directories: [{path: 'a/[x'}]}
        ! set, generators[0]: GeneratorFailed: git: the pattern "a/[x" is not a glob: unclosed character class; missing ']'
        incomplete

        - git: {repoURL: '{{url}}', directories: [{path: a}]}
        ! set, generators[0]: TemplateFailed: git.repoURL: "{{url}}" (line 1, column 1) needs the parameter url, which is not there; there are no parameters here (a generator sees some only inside a matrix)
        incomplete

        - matrix: {generators: []}
        ! set, generators[0]: GeneratorFailed: matrix.generators is empty; a matrix needs one at least
        incomplete

        - matrix: {generators: [{list: {elements: [{a: '{{lowr x}}'}]}}]}
        ! set, generators[0]: TemplateFailed: matrix.generators[0]: list.elements[0].a: "{{lowr x}}" (line 1, column 1) is not a template: unknown helper "lowr"; did you mean "lower"? known: default, required, lower, upper, trim, replace, regexReplace, trunc, indent, slugify, normalize, sha256, join, split, first, last, toYaml, toJson, json, fromYaml, lookup, eq, ne, lt, lte, gt, gte, and, or, not, has, startsWith, endsWith, semverCompare, if, unless, each, with, raw
        incomplete

        - list: {elementsYaml: 'a: 1'}
        ! set, generators[0]: GeneratorFailed: list.elementsYaml is not a list; begin each element with -
        incomplete

        - list: {elementsYaml: '- a'}
        0 list[0]  →  held
        ! set, list[0]: GeneratorFailed: an element of a list is a map of parameters
        incomplete

    "#]].assert_eq(&text);
}

/// A world in which a set may give 10,000 elements.
fn capped(known: Known) -> Known {
    Known { options: Options { max_elements: 10_000, ..Options::default() }, ..known }
}

#[test]
fn the_cap_takes_nothing() {
    let hundred: Vec<String> = (0..101).map(|n| format!("{{a{{}}: {n}}}")).collect();
    let list =
        |key: &str| format!("{{list: {{elements: [{}]}}}}", hundred.join(", ").replace("{}", key));
    let matrix = format!("- matrix: {{generators: [{}, {}]}}", list("x"), list("y"));
    check(
        &set(&matrix, "{{ax}}-{{ay}}", "eu-1", "."),
        &capped(fleet()),
        &expect![[r#"
            ! set, generators[0]: TooManyElements: matrix gives 101 × 101 = 10,201 elements; at most 10,000 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
            incomplete
        "#]],
    );
    let picked = format!("{matrix}\n  selector: {{matchLabels: {{ax: '7'}}}}");
    let expansion =
        expand_set(&set(&picked, "{{ax}}-{{ay}}", "eu-1", "."), &capped(fleet()).world());
    assert_eq!((expansion.elements.len(), expansion.complete), (101, true));
    let twice = format!("{}\n{}", picked, "- list: {elements: [{ax: 1, ay: 2}]}");
    assert_eq!(
        expand_set(&set(&twice, "{{ax}}-{{ay}}", "eu-1", "."), &capped(fleet()).world())
            .elements
            .len(),
        102
    );
    let many: Vec<String> =
        (0..60).map(|n| format!("- clusters: {{values: {{v: '{n}'}}}}")).collect();
    let clusters: Vec<String> = (0..200).map(|n| format!("c{n}")).collect();
    let clusters: Vec<&str> = clusters.iter().map(String::as_str).collect();
    check(
        &set(&many.join("\n"), "{{name}}-{{values.v}}", "{{name}}", "."),
        &capped(Known::default().with_clusters(&clusters)),
        &expect![[r#"
            ! set: TooManyElements: the set gives 12,000 elements; at most 10,000 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
            incomplete
        "#]],
    );
}
