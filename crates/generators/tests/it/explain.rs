//! Why an application is there, as `muster expand --explain` tells it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use generators::{Sources, Verdict, explain};

use crate::world::{Known, documents, fleet};

fn check(text: &str, world: &Known, name: &str, expected: &Expect) {
    let (sets, applications) = documents(text);
    let sources = Sources { sets: &sets, applications: &applications, ..Sources::default() };
    let mut out = String::new();
    for one in explain(&sources, &world.world(), &name.parse().unwrap()) {
        let set = one.set.map_or_else(|| "by hand".to_owned(), |set| format!("set {set}"));
        writeln!(out, "{set}: {}", one.element).unwrap();
        if let Verdict::Held { reason, .. } = &one.verdict {
            writeln!(out, "  held: {reason}").unwrap();
        }
        for generator in &one.generators {
            writeln!(out, "  made by {generator}").unwrap();
        }
        for key in one.parameters.keys() {
            writeln!(out, "  parameter {key}").unwrap();
        }
        for dependency in &one.depends_on {
            writeln!(out, "  depends on {dependency}").unwrap();
        }
        for field in &one.fields {
            let value = field.value.as_ref().map(ToString::to_string).unwrap_or_default();
            writeln!(out, "  {}: {} → {value}", field.path, field.template).unwrap();
        }
    }
    expected.assert_eq(&out);
}

const MATRIX: &str = r"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: regions}
spec:
  generators:
  - list: {elements: [{name: x}]}
  - matrix:
      generators:
      - git:
          repoURL: https://git.example/fleet.git
          revision: main
          files: [{path: envs/**/*.yaml}]
      - clusters: {selector: {matchLabels: {region: '{{region}}', env: prod}}}
  template:
    metadata: {name: 'app-{{name}}'}
    spec:
      source: {repoURL: r, path: '{{path}}'}
      destination: {cluster: '{{name}}'}
";

#[test]
fn an_element_of_a_matrix_names_its_children_and_its_own_file() {
    check(
        MATRIX,
        &fleet(),
        "app-eu-1",
        &expect![[r#"
            set regions: git envs/eu/prod.yaml × clusters eu-1
              made by spec.generators[1].matrix.generators[0].git
              made by spec.generators[1].matrix.generators[1].clusters
              parameter account
              parameter metadata
              parameter name
              parameter nameNormalized
              parameter path
              parameter project
              parameter region
              parameter replicas
              parameter server
              depends on clusters that match {"matchLabels":{"env":"prod","region":"eu"}}
              depends on clusters that match {"matchLabels":{"env":"prod","region":"us"}}
              depends on clusters that match {"matchLabels":{"env":"prod","region":"us2"}}
              depends on the names in envs of https://git.example/fleet.git at main
              depends on the names in envs/eu of https://git.example/fleet.git at main
              depends on the names in envs/us of https://git.example/fleet.git at main
              depends on envs/eu/prod.yaml of https://git.example/fleet.git at main
              spec.template.metadata.name: app-{{name}} → "app-eu-1"
              spec.template.spec.destination.cluster: {{name}} → "eu-1"
              spec.template.spec.source.path: {{path}} → "envs/eu"
        "#]],
    );
}

#[test]
fn every_claim_to_a_name_is_told() {
    let by_hand = "---\napiVersion: muster.dev/v1alpha1\nkind: Application\nmetadata: {name: app-x}\nspec: {source: {repoURL: r, path: p}, destination: {cluster: eu-1}}\n";
    check(
        &format!("{MATRIX}{by_hand}"),
        &fleet(),
        "app-x",
        &expect![[r#"
            set regions: list[0]
              held: spec.source.path: "{{path}}" (line 1, column 1) needs the parameter path, which is not there; there are: name
              made by spec.generators[0].list
              parameter name
              spec.template.metadata.name: app-{{name}} → 
              spec.template.spec.destination.cluster: {{name}} → 
              spec.template.spec.source.path: {{path}} → 
            by hand: 
              held: two applications have the name "app-x": an Application document and list[0] of the set regions; all are held until the names differ
        "#]],
    );
    check(MATRIX, &fleet(), "nothing", &expect![[""]]);
}
