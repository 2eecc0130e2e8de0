//! `muster expand`, offline: files and folders in, applications and problems out.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use serde_json::Value;
use tempfile::TempDir;

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

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn sample() -> TempDir {
    folder(&[
        ("set.yaml", SET),
        ("clusters.yaml", CLUSTERS),
        ("fleet/apps/web/x.yaml", ""),
        ("fleet/apps/api/x.yaml", ""),
    ])
}

/// `muster expand` in a folder, without any context file.
fn run(dir: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.arg("expand").args(words).current_dir(dir).env("HOME", dir);
    command.env_remove("MUSTER_CONTEXT").env_remove("XDG_CONFIG_HOME").output().unwrap().into()
}

/// What a person sees: the code, both streams.
fn check(dir: &Path, words: &[&str], expected: &Expect) {
    let Ran { code, out, err } = run(dir, words);
    expected.assert_eq(&format!("{out}{err}exit {code}\n"));
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
                  "message": "line 2: while parsing a node, did not find expected node content",
                  "reason": "InvalidDocument",
                  "set": "bad.yaml"
                },
                {
                  "element": "",
                  "message": "the file cannot be read: Is a directory (os error 21); name the files in it, as in FOLDER/*.yaml",
                  "reason": "InvalidDocument",
                  "set": "fleet"
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
                  "message": "ApplicationSet checkout is not a Cluster; give its file without --clusters",
                  "reason": "InvalidDocument",
                  "set": "set.yaml"
                }
              ]
            }
            error: 10 problems
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
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(words);
        let command = command.current_dir(&fleet).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.env("GIT_CONFIG_SYSTEM", "/dev/null").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "two"]);
    git(&["tag", "v1"]);
    git(&["rm", "-q", "-r", "apps/api"]);
    git(&["commit", "-q", "-m", "one"]);
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
