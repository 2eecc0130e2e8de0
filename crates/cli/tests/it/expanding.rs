//! `muster expand`, offline: files and folders in, applications and problems out.

use std::fs;

use expect_test::expect;
use serde_json::Value;
use tempfile::TempDir;

use crate::offline::{check, commit, folder, git, run, write};
use crate::tool::Ran;

const SET: &str = r#"
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
      source: { repoURL: https://git.example/fleet.git, targetRevision: main, path: "{{path}}" }
      destination: { cluster: "{{name}}" }
"#;

const CLUSTERS: &str = "
apiVersion: muster.dev/v1alpha1
kind: Cluster
metadata: { name: eu-1, labels: { env: prod } }
---
apiVersion: muster.dev/v1alpha1
kind: Cluster
metadata: { name: dev, labels: { env: dev } }
";

fn sample() -> TempDir {
    folder(&[
        ("set.yaml", SET),
        ("clusters.yaml", CLUSTERS),
        ("fleet/apps/web/x.yaml", ""),
        ("fleet/apps/api/x.yaml", ""),
    ])
}

fn names(ran: Ran) -> Vec<String> {
    let document: Value = ran.json();
    let applications = document["applications"].as_array().unwrap().iter();
    applications.map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn applications_come_sorted_with_kind_and_version() {
    let dir = sample();
    let words = [
        "set.yaml",
        "--clusters",
        "clusters.yaml",
        "--repo",
        "https://git.example/fleet.git=fleet",
    ];
    check(
        dir.path(),
        &words,
        &expect![[r#"
        {
          "applications": [
            {
              "apiVersion": "muster.dev/v1alpha1",
              "kind": "Application",
              "metadata": {
                "name": "api-eu-1"
              },
              "spec": {
                "destination": {
                  "cluster": "eu-1"
                },
                "project": "default",
                "source": {
                  "path": "apps/api",
                  "repoURL": "https://git.example/fleet.git",
                  "targetRevision": "main"
                }
              }
            },
            {
              "apiVersion": "muster.dev/v1alpha1",
              "kind": "Application",
              "metadata": {
                "name": "web-eu-1"
              },
              "spec": {
                "destination": {
                  "cluster": "eu-1"
                },
                "project": "default",
                "source": {
                  "path": "apps/web",
                  "repoURL": "https://git.example/fleet.git",
                  "targetRevision": "main"
                }
              }
            }
          ],
          "problems": []
        }
        exit 0
    "#]],
    );
    let words = [words.as_slice(), &["-o", "yaml"]].concat();
    check(
        dir.path(),
        &words,
        &expect![[r#"
        applications:
        - apiVersion: muster.dev/v1alpha1
          kind: Application
          metadata:
            name: api-eu-1
          spec:
            destination:
              cluster: eu-1
            project: default
            source:
              path: apps/api
              repoURL: https://git.example/fleet.git
              targetRevision: main
        - apiVersion: muster.dev/v1alpha1
          kind: Application
          metadata:
            name: web-eu-1
          spec:
            destination:
              cluster: eu-1
            project: default
            source:
              path: apps/web
              repoURL: https://git.example/fleet.git
              targetRevision: main
        problems: []
        exit 0
    "#]],
    );
}

#[test]
fn a_mistake_hides_nothing_else() {
    let dir = sample();
    fs::write(
        dir.path().join("more.yaml"),
        "
apiVersion: muster.dev/v1alpha1
kind: Application
metadata: {name: by-hand}
spec: {source: {repoURL: r, path: p}, destination: {cluster: eu-2}}
---
apiVersion: muster.dev/v1alpha1
kind: Aplication
---
apiVersion: muster.dev/v1alpha1
kind: Cluster
metadata: {name: eu-1}
---
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: second}
spec:
  generators:
    - list: {elements: [{name: fine}, {nmae: bad}]}
    - git: {repoURL: https://git.example/other.git, directories: [{path: '*'}]}
    - git: {repoURL: https://git.example/fleet.git, directories: [{path: '*'}]}
  template:
    metadata: {name: '{{name}}'}
    spec: {source: {repoURL: r, path: p}, destination: {cluster: eu-1}}
",
    )
    .unwrap();
    fs::write(dir.path().join("bad.yaml"), "a: [").unwrap();
    check(
        dir.path(),
        &[
            "clusters.yaml",
            "more.yaml",
            "missing.yaml",
            "bad.yaml",
            "fleet",
            "--clusters",
            "set.yaml",
            "--repo",
            "https://git.example/fleet.git=nowhere",
        ],
        &expect![[r#"
            {
              "applications": [
                {
                  "apiVersion": "muster.dev/v1alpha1",
                  "kind": "Application",
                  "metadata": {
                    "name": "fine"
                  },
                  "spec": {
                    "destination": {
                      "cluster": "eu-1"
                    },
                    "project": "default",
                    "source": {
                      "path": "p",
                      "repoURL": "r"
                    }
                  }
                }
              ],
              "problems": [
                {
                  "element": "Application by-hand",
                  "message": "spec.destination.cluster: unknown cluster \"eu-2\"; did you mean \"eu-1\"? known: dev, eu-1; enrol it, or correct the name",
                  "reason": "UnknownCluster",
                  "set": ""
                },
                {
                  "element": "",
                  "message": "line 1: a value is expected here, and there is none",
                  "reason": "InvalidDocument",
                  "set": "bad.yaml"
                },
                {
                  "element": "",
                  "message": "the file cannot be read: No such file or directory (os error 2); correct its name, or make it",
                  "reason": "InvalidDocument",
                  "set": "missing.yaml"
                },
                {
                  "element": "",
                  "message": "Cluster eu-1 stands in clusters.yaml already; that one is used: remove one",
                  "reason": "InvalidDocument",
                  "set": "more.yaml"
                },
                {
                  "element": "",
                  "message": "document 2: unknown kind \"Aplication\"; did you mean \"Application\"? known: ApplicationSet, Application, Cluster",
                  "reason": "InvalidDocument",
                  "set": "more.yaml"
                },
                {
                  "element": "generators[1]",
                  "message": "git: https://git.example/other.git at HEAD cannot be read: no folder is given for it; add --repo https://git.example/other.git=DIR",
                  "reason": "SourceUnavailable",
                  "set": "second"
                },
                {
                  "element": "generators[2]",
                  "message": "git: https://git.example/fleet.git at HEAD cannot be read: nowhere: No such file or directory (os error 2)",
                  "reason": "SourceUnavailable",
                  "set": "second"
                },
                {
                  "element": "list[1]",
                  "message": "metadata.name: \"{{name}}\" (line 1, column 1) needs the parameter name, which is not there; did you mean nmae? there are: nmae",
                  "reason": "TemplateFailed",
                  "set": "second"
                },
                {
                  "element": "",
                  "message": "document 1: ApplicationSet checkout is neither a Cluster nor a Secret of one",
                  "reason": "InvalidDocument",
                  "set": "set.yaml"
                }
              ]
            }
            error: 9 problems
            exit 1
        "#]],
    );
}

#[test]
fn without_clusters_destinations_are_not_checked() {
    let dir = folder(&[(
        "set.yaml",
        "
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: {name: set}
spec:
  generators: [{list: {elements: [{name: b}, {name: a}]}}]
  template:
    metadata: {name: '{{name}}'}
    spec: {source: {repoURL: r, path: p}, destination: {cluster: '{{name}}'}}
",
    )]);
    let ran = run(dir.path(), &["set.yaml"]);
    assert_eq!(
        ran.err,
        "note: no clusters are given, so destinations are not checked; --clusters FILE\n"
    );
    assert_eq!(names(ran), ["a", "b"]);
}

#[test]
fn clusters_as_the_hub_prints_them() {
    let dir = sample();
    let view = |name: &str, env: &str| {
        format!(
            "{{name: {name}, labels: {{env: {env}}}, annotations: {{}}, state: Connected, source: live, \
             hold: false, heldRemovals: [], kubernetesVersion: v1.36.0, agentVersion: 0.1.0, tools: {{}}, \
             applications: 1, synced: 1, healthy: 1}}"
        )
    };
    let list = format!("items:\n- {}\n- {}\n", view("us-1", "prod"), view("dev", "dev"));
    fs::write(dir.path().join("list.yaml"), list).unwrap();
    fs::write(dir.path().join("one.yaml"), view("us-1", "prod")).unwrap();
    for file in ["list.yaml", "one.yaml"] {
        let repo = "https://git.example/fleet.git=fleet";
        let ran = run(dir.path(), &["set.yaml", "--clusters", file, "--repo", repo]);
        assert_eq!(names(ran), ["api-us-1", "web-us-1"], "{file}");
    }
}

#[test]
fn a_work_tree_is_read_at_a_commit() {
    let dir = sample();
    let fleet = dir.path().join("fleet");
    git(&fleet, &["init", "-q", "-b", "main"]);
    git(&fleet, &["add", "."]);
    git(&fleet, &["commit", "-q", "-m", "two"]);
    git(&fleet, &["tag", "v1"]);
    git(&fleet, &["rm", "-q", "-r", "apps/api"]);
    git(&fleet, &["commit", "-q", "-m", "one"]);
    fs::create_dir_all(fleet.join("apps/new")).unwrap();
    let applications = |repo: &str| {
        let repo = format!("https://git.example/fleet.git={repo}");
        let words = ["set.yaml", "--clusters", "clusters.yaml", "--repo", &repo];
        names(run(dir.path(), &words))
    };
    assert_eq!(applications("fleet"), ["web-eu-1"], "what is not committed is not seen");
    assert_eq!(applications("fleet@v1"), ["api-eu-1", "web-eu-1"]);
    let ran = run(
        dir.path(),
        &["set.yaml", "clusters.yaml", "--repo", "https://git.example/fleet.git=fleet@v2"],
    );
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("SourceUnavailable") && ran.out.contains("v2"), "{}", ran.out);
}

#[test]
fn a_folder_inside_a_work_tree_is_read_as_it_is() {
    let dir = sample();
    commit(dir.path());
    write(dir.path(), "fleet/apps/new/.hidden", "");
    let repo = "https://git.example/fleet.git=fleet";
    let words = ["set.yaml", "--clusters", "clusters.yaml", "--repo", repo];
    assert_eq!(names(run(dir.path(), &words)), ["api-eu-1", "new-eu-1", "web-eu-1"]);
    // It has no revisions, and it answers for every one that a set names.
    let set = SET.replace("revision: main", "revision: v1.2.3");
    write(dir.path(), "set.yaml", &set);
    assert_eq!(names(run(dir.path(), &words)).len(), 3);
    let at = [&words[..4], &["https://git.example/fleet.git=fleet@main"]].concat();
    let ran = run(dir.path(), &at);
    assert!(ran.code == 1 && ran.out.contains("is not the top of a Git repository"), "{ran:?}");
}

#[test]
fn a_folder_stands_for_the_documents_in_it() {
    let dir = folder(&[
        ("sets/a.yaml", SET),
        ("sets/deep/clusters.yml", CLUSTERS),
        ("sets/kustomization.yaml", "kind: Kustomization\n"),
        ("sets/rollout.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n"),
        ("sets/chart/templates/x.yaml", "{{- if .Values.x }}\na: [\n"),
        ("sets/broken.yaml", "apiVersion: muster.dev/v1alpha1\nkind: [\n"),
        ("sets/.hidden/a.yaml", "a: ["),
        ("sets/notes.txt", "a: ["),
        ("fleet/apps/web/x.yaml", ""),
    ]);
    let words = ["sets", "--repo", "https://git.example/fleet.git=fleet", "-o", "name"];
    check(
        dir.path(),
        &words,
        &expect![[r#"
        web-eu-1
        problem: sets/broken.yaml: InvalidDocument: line 3: a value is expected here, and there is none
        error: 1 problem
        exit 1
    "#]],
    );
}

#[test]
fn words_that_do_not_fit_are_refused() {
    let dir = sample();
    for words in [
        &["set.yaml", "--git-files-glob", "regex"][..],
        &["set.yaml", "--max-elements", "0"],
        &["set.yaml", "--max-elements", "many"],
        &["set.yaml", "-o", "table"],
        &["set.yaml", "--repo", "fleet"],
        &["set.yaml", "--explain", "a", "--against", "."],
        &["set.yaml", "--explain", "a", "-o", "name"],
        &[],
    ] {
        let ran = run(dir.path(), words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words:?}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{words:?}: {ran:?}");
    }
}

#[test]
fn large_files_and_many_elements_are_problems() {
    let dir = sample();
    write(dir.path(), "large.yaml", &"#".repeat((4 << 20) + 1));
    let repo = "https://git.example/fleet.git=fleet";
    let words = [
        "set.yaml",
        "large.yaml",
        "--clusters",
        "clusters.yaml",
        "--repo",
        repo,
        "--max-elements",
        "1",
        "-o",
        "name",
    ];
    check(
        dir.path(),
        &words,
        &expect![[r#"
            problem: checkout, generators[0]: TooManyElements: matrix: git gives more than 1 elements; at most 1 are allowed: narrow it with a selector, divide the set, or raise safety.maxElements (up to 1,000,000)
            problem: large.yaml: InvalidDocument: the text is 4194305 bytes; at most 4194304 are read
            error: 2 problems
            exit 1
        "#]],
    );
}

#[test]
fn an_application_is_explained() {
    let dir = sample();
    let repo = "https://git.example/fleet.git=fleet";
    let words = ["set.yaml", "--clusters", "clusters.yaml", "--repo", repo, "--explain"];
    check(
        dir.path(),
        &[words.as_slice(), &["web-eu-1"]].concat(),
        &expect![[r#"
            Application:   web-eu-1
            Cluster:       eu-1
            Set:           checkout
            File:          set.yaml
            Generators:
              spec.generators[0].matrix.generators[0].clusters
              spec.generators[0].matrix.generators[1].git
            Element:       clusters eu-1 × git apps/web
            Parameters:
              metadata.annotations     {}
              metadata.labels.env      prod
              name                     eu-1
              nameNormalized           eu-1
              path.basename            web
              path.basenameNormalized  web
              path.path                apps/web
              path.segments            ["apps","web"]
              project                  ""
              server                   ""
            Template:
              line 12, spec.template.metadata.name
                {{path.basename}}-{{name}}
                = web-eu-1
              line 15, spec.template.spec.destination.cluster
                {{name}}
                = eu-1
              line 14, spec.template.spec.source.path
                {{path}}
                = apps/web
            Depends on:
              clusters that match {"matchLabels":{"env":"prod"}}
              the names in apps of https://git.example/fleet.git at main
            exit 0
        "#]],
    );
    check(
        dir.path(),
        &[words.as_slice(), &["web-eu-2"]].concat(),
        &expect![[r#"
        error: nothing makes an application web-eu-2
        hint: did you mean web-eu-1?
        exit 1
    "#]],
    );
    let yaml = [words.as_slice(), &["web-eu-1", "-o", "yaml"]].concat();
    check(
        dir.path(),
        &yaml,
        &expect![[r#"
        application: web-eu-1
        claims:
        - dependsOn:
          - clusters that match {"matchLabels":{"env":"prod"}}
          - the names in apps of https://git.example/fleet.git at main
          element: clusters eu-1 × git apps/web
          fields:
          - line: 12
            path: spec.template.metadata.name
            template: "{{path.basename}}-{{name}}"
            value: web-eu-1
          - line: 15
            path: spec.template.spec.destination.cluster
            template: "{{name}}"
            value: eu-1
          - line: 14
            path: spec.template.spec.source.path
            template: "{{path}}"
            value: apps/web
          file: set.yaml
          generators:
          - spec.generators[0].matrix.generators[0].clusters
          - spec.generators[0].matrix.generators[1].git
          parameters:
            metadata:
              annotations: {}
              labels:
                env: prod
            name: eu-1
            nameNormalized: eu-1
            path:
              basename: web
              basenameNormalized: web
              path: apps/web
              segments:
              - apps
              - web
            project: ""
            server: ""
          result:
            apiVersion: muster.dev/v1alpha1
            kind: Application
            metadata:
              name: web-eu-1
            spec:
              destination:
                cluster: eu-1
              project: default
              source:
                path: apps/web
                repoURL: https://git.example/fleet.git
                targetRevision: main
          set: checkout
        exit 0
    "#]],
    );
}

#[test]
fn what_is_held_is_explained_too() {
    let dir = sample();
    write(dir.path(), "set.yaml", &SET.replace("path: \"{{path}}\"", "path: \"{{values.at}}\""));
    let repo = "https://git.example/fleet.git=fleet";
    write(
        dir.path(),
        "hand.yaml",
        "apiVersion: muster.dev/v1alpha1
kind: Application
metadata: {name: by-hand}
spec: {source: {repoURL: r, path: p}, destination: {cluster: eu-1}}
",
    );
    let words =
        ["set.yaml", "hand.yaml", "--clusters", "clusters.yaml", "--repo", repo, "--explain"];
    check(
        dir.path(),
        &[words.as_slice(), &["web-eu-1"]].concat(),
        &expect![[r#"
            Application:   web-eu-1
            Held:          spec.source.path: "{{values.at}}" (line 1, column 1) needs the parameter values.at, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
            Set:           checkout
            File:          set.yaml
            Generators:
              spec.generators[0].matrix.generators[0].clusters
              spec.generators[0].matrix.generators[1].git
            Element:       clusters eu-1 × git apps/web
            Parameters:
              metadata.annotations     {}
              metadata.labels.env      prod
              name                     eu-1
              nameNormalized           eu-1
              path.basename            web
              path.basenameNormalized  web
              path.path                apps/web
              path.segments            ["apps","web"]
              project                  ""
              server                   ""
            Template:
              line 12, spec.template.metadata.name
                {{path.basename}}-{{name}}
              line 15, spec.template.spec.destination.cluster
                {{name}}
              line 14, spec.template.spec.source.path
                {{values.at}}
            Depends on:
              clusters that match {"matchLabels":{"env":"prod"}}
              the names in apps of https://git.example/fleet.git at main
            exit 0
        "#]],
    );
    check(
        dir.path(),
        &[words.as_slice(), &["by-hand"]].concat(),
        &expect![[r#"
        Application:   by-hand
        Cluster:       eu-1
        Set:           none: it is written by hand
        exit 0
    "#]],
    );
}
