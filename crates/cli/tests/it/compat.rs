//! Argo CD's own documents through `muster expand`: unchanged in, its Applications out.

use expect_test::expect;

use crate::offline::{check, folder, run};

/// Three clusters as Argo CD keeps them, one of them encoded, and two Secrets of others.
const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata:
  name: one
  labels: { argocd.argoproj.io/secret-type: cluster, env: prod, example.com/zone: a }
  annotations: { owner: team-a }
stringData: { name: prod-eu, server: 'https://prod-eu.example:6443', project: payments }
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    metadata: { name: two, labels: { argocd.argoproj.io/secret-type: cluster, env: prod } }
    data: { name: cHJvZC11cw==, server: aHR0cHM6Ly9wcm9kLXVzLmV4YW1wbGU=, config: c2VjcmV0 }
  - apiVersion: v1
    kind: Secret
    metadata: { name: other, labels: { argocd.argoproj.io/secret-type: repository } }
    stringData: { name: other, server: 'https://other.example' }
  - apiVersion: v1
    kind: Secret
    metadata: { name: three, labels: { argocd.argoproj.io/secret-type: cluster, env: dev } }
    stringData: { name: dev, server: 'https://dev.example' }
";

const FAST: &str = "
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: { name: fast }
spec:
  generators:
    - clusters:
        selector: { matchLabels: { env: prod } }
        values: { tier: '{{metadata.labels.env}}-1' }
  template:
    metadata:
      name: 'app-{{name}}'
      labels: { zone: '{{metadata.labels.example.com/zone}}' }
    spec:
      project: '{{project}}'
      source: { repoURL: 'https://git.example/a.git', path: '{{values.tier}}', targetRevision: HEAD }
      destination: { server: '{{server}}', namespace: default }
";

#[test]
fn key_templates_over_cluster_secrets() {
    let dir = folder(&[("set.yaml", FAST), ("clusters.yaml", SECRETS)]);
    check(
        dir.path(),
        &["set.yaml", "--clusters", "clusters.yaml", "-o", "yaml"],
        &expect![[r#"
        applications:
        - apiVersion: argoproj.io/v1alpha1
          kind: Application
          metadata:
            finalizers:
            - resources-finalizer.argocd.argoproj.io
            labels:
              zone: a
            name: app-prod-eu
            namespace: argocd
          spec:
            destination:
              namespace: default
              server: https://prod-eu.example:6443
            project: payments
            source:
              path: prod-1
              repoURL: https://git.example/a.git
              targetRevision: HEAD
        - apiVersion: argoproj.io/v1alpha1
          kind: Application
          metadata:
            finalizers:
            - resources-finalizer.argocd.argoproj.io
            labels:
              zone: "{{metadata.labels.example.com/zone}}"
            name: app-prod-us
            namespace: argocd
          spec:
            destination:
              namespace: default
              server: https://prod-us.example
            project: ""
            source:
              path: prod-1
              repoURL: https://git.example/a.git
              targetRevision: HEAD
        problems: []
        exit 0
    "#]],
    );
}

const GO: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: { name: go, namespace: team-a }
spec:
  goTemplate: true
  goTemplateOptions: [missingkey=error]
  generators:
    - matrix:
        generators:
          - git:
              repoURL: https://git.example/fleet.git
              revision: HEAD
              files: [{ path: "apps/*.json" }]
          - clusters: { selector: { matchLabels: { env: "{{ .env }}" } } }
  template:
    metadata: { name: '{{ .path.basename }}-{{ .path.filename | trimSuffix ".json" }}-{{ .name }}' }
    spec:
      project: default
      source: { repoURL: https://git.example/fleet.git, path: "{{ .path.path }}", targetRevision: HEAD }
      destination: { name: "{{ .name }}", namespace: "{{ .ns | default \"web\" }}" }
  templatePatch: |
    spec:
      revisionHistoryLimit: {{ .keep }}
  syncPolicy: { preserveResourcesOnDeletion: true }
"#;

#[test]
fn go_templates_over_files_and_the_option_of_their_glob() {
    let dir = folder(&[
        ("set.yaml", GO),
        ("clusters.yaml", SECRETS),
        ("fleet/apps/one.json", r#"{"env": "dev", "ns": "one", "keep": 3}"#),
        ("fleet/apps/deep/two.json", r#"{"env": "prod", "ns": "", "keep": 4}"#),
        ("fleet/apps/deep/bad.json", r#"{"env": "dev", "keep": 5}"#),
    ]);
    let repo = "https://git.example/fleet.git=fleet";
    let words = ["set.yaml", "--clusters", "clusters.yaml", "--repo", repo];
    check(
        dir.path(),
        &[words.as_slice(), &["-o", "yaml"]].concat(),
        &expect![[r#"
        applications:
        - apiVersion: argoproj.io/v1alpha1
          kind: Application
          metadata:
            name: apps-one-dev
            namespace: team-a
          spec:
            destination:
              name: dev
              namespace: one
            project: default
            revisionHistoryLimit: 3
            source:
              path: apps
              repoURL: https://git.example/fleet.git
              targetRevision: HEAD
        - apiVersion: argoproj.io/v1alpha1
          kind: Application
          metadata:
            name: deep-two-prod-eu
            namespace: team-a
          spec:
            destination:
              name: prod-eu
              namespace: web
            project: default
            revisionHistoryLimit: 4
            source:
              path: apps/deep
              repoURL: https://git.example/fleet.git
              targetRevision: HEAD
        - apiVersion: argoproj.io/v1alpha1
          kind: Application
          metadata:
            name: deep-two-prod-us
            namespace: team-a
          spec:
            destination:
              name: prod-us
              namespace: web
            project: default
            revisionHistoryLimit: 4
            source:
              path: apps/deep
              repoURL: https://git.example/fleet.git
              targetRevision: HEAD
        problems:
        - element: git apps/deep/bad.json × clusters dev
          message: "spec.template.spec.destination.namespace: line 1, column 4, at <.ns | default \"web\">: map has no entry for key \"ns\""
          reason: TemplateFailed
          set: go
        error: 1 problem
        exit 1
    "#]],
    );
    let names = ["-o", "name", "--git-files-glob", "doublestar"];
    check(
        dir.path(),
        &[words.as_slice(), &names].concat(),
        &expect![[r#"
        apps-one-dev
        exit 0
    "#]],
    );
    // The address must be written the same way, as in Argo CD.
    let words =
        ["set.yaml", "--clusters", "clusters.yaml", "--repo", "https://git.example/fleet=fleet"];
    let ran = run(dir.path(), &words);
    assert!(ran.code == 1 && ran.out.contains("no folder is given for it"), "{ran:?}");
}

const DECISION: &str = "
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: { name: placed }
spec:
  generators:
    - clusterDecisionResource:
        configMapRef: duck
        name: gold
  template:
    metadata: { name: 'placed-{{name}}' }
    spec:
      project: default
      source: { repoURL: r, path: '{{reason}}' }
      destination: { server: '{{server}}' }
";

const DECISIONS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: { name: duck }
data: { apiVersion: placement.example/v1, kind: placementdecisions, statusListKey: decisions, matchKey: clusterName }
---
apiVersion: placement.example/v1
kind: PlacementDecision
metadata: { name: gold }
status:
  decisions:
    - { clusterName: prod-eu, reason: near }
    - { clusterName: nowhere, reason: far }
";

#[test]
fn decisions_come_from_a_file() {
    let dir = folder(&[
        ("set.yaml", DECISION),
        ("clusters.yaml", SECRETS),
        ("decisions.yaml", DECISIONS),
        ("empty.yaml", ""),
    ]);
    let words = ["set.yaml", "--clusters", "clusters.yaml", "-o", "name", "--decisions"];
    check(
        dir.path(),
        &[words.as_slice(), &["decisions.yaml"]].concat(),
        &expect![[r#"
        placed-prod-eu
        exit 0
    "#]],
    );
    check(
        dir.path(),
        &[words.as_slice(), &["empty.yaml"]].concat(),
        &expect![[r#"
        problem: placed, generators[0]: SourceUnavailable: clusterDecisionResource: unknown ConfigMap "duck"; known: ; `muster expand` takes ConfigMaps with --decisions
        error: 1 problem
        exit 1
    "#]],
    );
}

#[test]
fn a_slip_holds_the_set_and_names_the_nearest() {
    let set = FAST.replace("- clusters:", "- cluster:");
    let dir = folder(&[("set.yaml", &set), ("clusters.yaml", SECRETS)]);
    check(
        dir.path(),
        &["set.yaml", "--clusters", "clusters.yaml", "-o", "name"],
        &expect![[r#"
        problem: set.yaml: InvalidDocument: ApplicationSet fast: spec.generators[0].cluster: unknown generator kind "cluster"; did you mean "clusters"? known: list, clusters, git, scmProvider, clusterDecisionResource, pullRequest, matrix, merge, selector, plugin
        error: 1 problem
        exit 1
    "#]],
    );
}

#[test]
fn a_set_that_would_flap_works_and_is_a_problem() {
    let set = GO.replace("revisionHistoryLimit: {{ .keep }}", "project: x{{ now | date \"1\" }}");
    let dir = folder(&[
        ("set.yaml", &set),
        ("clusters.yaml", SECRETS),
        ("fleet/apps/one.json", r#"{"env": "dev", "ns": "one"}"#),
    ]);
    let repo = "https://git.example/fleet.git=fleet";
    check(
        dir.path(),
        &["set.yaml", "--clusters", "clusters.yaml", "--repo", repo, "-o", "name"],
        &expect![[r#"
            apps-one-dev
            problem: go: Volatile: now: the answer is another one each time, so the applications of this set change with every expansion; write a fixed value
            error: 1 problem
            exit 1
        "#]],
    );
}

#[test]
fn native_sets_know_the_clusters_of_secrets_too() {
    let native = r#"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: { name: native }
spec:
  generators: [{ clusters: { selector: { matchLabels: { env: prod } } } }]
  template:
    metadata: { name: "native-{{name}}", annotations: { server: "{{server}}" } }
    spec: { source: { repoURL: r, path: p }, destination: { cluster: "{{name}}" } }
"#;
    let dir = folder(&[("a.yaml", native), ("b.yaml", FAST), ("clusters.yaml", SECRETS)]);
    let words = ["a.yaml", "b.yaml", "--clusters", "clusters.yaml", "-o", "name"];
    check(
        dir.path(),
        &words,
        &expect![[r#"
        app-prod-eu
        app-prod-us
        native-prod-eu
        native-prod-us
        exit 0
    "#]],
    );
}
