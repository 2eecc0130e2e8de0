//! `muster expand --against`: two trees, what changes between them, and the gate's verdict.

use std::fs;
use std::path::Path;

use expect_test::expect;
use serde_json::Value;
use tempfile::TempDir;

use crate::offline::{check, commit, folder, git, run, write};

const CLUSTERS: &str = "
apiVersion: muster.dev/v1alpha1
kind: Cluster
metadata: { name: eu-1, labels: { env: prod } }
---
apiVersion: muster.dev/v1alpha1
kind: Cluster
metadata: { name: us-1, labels: { env: prod } }
";

const WEB: &str = r#"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: { name: web }
spec:
  generators:
    - matrix:
        generators:
          - clusters: {}
          - git: { repoURL: https://git.example/fleet.git, directories: [{ path: apps/* }] }
  template:
    metadata: { name: "{{path.basename}}-{{name}}" }
    spec:
      source: { repoURL: https://git.example/fleet.git, targetRevision: v1, path: "{{path}}" }
      destination: { cluster: "{{name}}" }
"#;

const TOOLS: &str = r#"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: { name: tools }
spec:
  generators:
    - list: { elements: [{ name: eu-1 }, { name: us-1 }] }
  template:
    metadata: { name: "tools-{{name}}" }
    spec: { source: { repoURL: r, path: tools }, destination: { cluster: "{{name}}" } }
"#;

/// A repository at `main`, and a second work tree of it in `change`, as a pipeline has them.
fn repository() -> TempDir {
    let dir = folder(&[
        ("main/clusters.yaml", CLUSTERS),
        ("main/sets/web.yaml", WEB),
        ("main/sets/more/tools.yaml", TOOLS),
        ("main/sets/kustomization.yaml", "kind: Kustomization\nresources: [web.yaml]\n"),
        ("main/apps/api/x.yaml", ""),
        ("main/apps/shop/x.yaml", ""),
        ("main/apps/site/x.yaml", ""),
    ]);
    commit(&dir.path().join("main"));
    git(&dir.path().join("main"), &["worktree", "add", "-q", "-b", "change", "../change"]);
    dir
}

fn change(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("change")
}

const WORDS: [&str; 6] =
    ["sets", "clusters.yaml", "--repo", "https://git.example/fleet.git=.", "--against", "../main"];

#[test]
fn nothing_changes() {
    let dir = repository();
    check(
        &change(&dir),
        &WORDS,
        &expect![[r#"
        0 added, 0 changed, 0 removed, 8 unchanged.
        exit 0
    "#]],
    );
}

#[test]
fn additions_changes_and_a_few_removals_pass() {
    let dir = repository();
    let here = change(&dir);
    write(&here, "sets/web.yaml", &WEB.replace("targetRevision: v1", "targetRevision: v2"));
    write(&here, "sets/more/tools.yaml", &TOOLS.replace(", { name: us-1 }", ""));
    write(&here, "apps/new/x.yaml", "");
    commit_all(&here);
    check(
        &here,
        &WORDS,
        &expect![[r#"
        Cluster eu-1:
          ~ api-eu-1  (set web)
              spec.source.targetRevision: "v1" -> "v2"
          + new-eu-1  (set web)
          ~ shop-eu-1  (set web)
              spec.source.targetRevision: "v1" -> "v2"
          ~ site-eu-1  (set web)
              spec.source.targetRevision: "v1" -> "v2"

        Cluster us-1:
          ~ api-us-1  (set web)
              spec.source.targetRevision: "v1" -> "v2"
          + new-us-1  (set web)
          ~ shop-us-1  (set web)
              spec.source.targetRevision: "v1" -> "v2"
          ~ site-us-1  (set web)
              spec.source.targetRevision: "v1" -> "v2"
          - tools-us-1  (set tools no longer makes it)

        2 added, 6 changed, 1 removed, 1 unchanged.
        exit 0
    "#]],
    );
    let ran = run(&here, &[WORDS.as_slice(), &["-o", "json"]].concat());
    let document: Value = ran.json();
    expect![[r#"{"added":2,"changed":6,"kept":0,"removed":1,"unchanged":1}"#]]
        .assert_eq(&document["counts"].to_string());
    expect![[r#"
        {
          "application": "site-eu-1",
          "change": "Changed",
          "cluster": "eu-1",
          "fields": [
            {
              "after": "v2",
              "before": "v1",
              "path": "spec.source.targetRevision"
            }
          ],
          "set": "web"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&document["changes"][3]).unwrap());
    expect![[r#"[{"allowed":1,"applications":2,"overBudget":false,"reason":"","removed":1,"set":"tools"}]"#]].assert_eq(&document["removals"].to_string());
}

fn commit_all(dir: &Path) {
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "a change"]);
}

#[test]
fn removals_over_the_budget_exit_with_two() {
    let dir = repository();
    let here = change(&dir);
    fs::remove_dir_all(here.join("apps/api")).unwrap();
    commit_all(&here);
    check(
        &here,
        &WORDS,
        &expect![[r#"
        Cluster eu-1:
          - api-eu-1  (set web no longer makes it)

        Cluster us-1:
          - api-us-1  (set web no longer makes it)

        0 added, 0 changed, 2 removed, 6 unchanged.
        Over budget:
          set web: 2 of 6 would go; the budget of 10% allows 1
        error: 2 applications would be removed, more than a budget allows: set web
        hint: a hub parks them until a person approves; remove them in smaller steps, or raise spec.safety.deletionBudget
        exit 2
    "#]],
    );
    // The same with a budget that allows it.
    let budget = WEB.to_owned() + "  safety: { deletionBudget: 50% }\n";
    write(&here, "sets/web.yaml", &budget);
    assert_eq!(run(&here, &WORDS).code, 0);
}

#[test]
fn a_set_that_is_gone_is_seen_however_files_are_named() {
    let dir = repository();
    let here = change(&dir);
    fs::remove_file(here.join("sets/more/tools.yaml")).unwrap();
    check(
        &here,
        &WORDS,
        &expect![[r#"
            Cluster eu-1:
              - tools-eu-1  (set tools is gone)

            Cluster us-1:
              - tools-us-1  (set tools is gone)

            0 added, 0 changed, 2 removed, 6 unchanged.
            Over budget:
              set tools is gone, and with it all of its applications (2)
            error: 2 applications would be removed, more than a budget allows: set tools
            hint: a hub parks them until a person approves; remove them in smaller steps, or raise spec.safety.deletionBudget
            exit 2
        "#]],
    );
    // What `sets/more/*.yaml` leaves when another file is there: the shell does not see the old one.
    write(&here, "sets/more/other.yaml", "");
    let words = ["sets/more/other.yaml", "--clusters", "clusters.yaml", "--against", "../main"];
    let ran = run(&here, &words);
    assert!(ran.out.contains("set tools is gone") && ran.code == 2, "{ran:?}");
    let words = ["sets/more/tools.yaml", "--clusters", "clusters.yaml", "--against", "../main"];
    let ran = run(&here, &words);
    assert!(ran.out.contains("set tools is gone") && ran.code == 2, "{ran:?}");
}

#[test]
fn what_fails_here_is_kept_and_a_problem() {
    let dir = repository();
    let here = change(&dir);
    write(&here, "sets/web.yaml", &WEB.replace("{{path}}", "{{paht}}"));
    write(&here, "sets/more/tools.yaml", "a: [muster.dev/");
    check(
        &here,
        &WORDS,
        &expect![[r#"
            Cluster eu-1:
              = api-eu-1  (kept; held: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server)
              = shop-eu-1  (kept; held: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server)
              = site-eu-1  (kept; held: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server)
              = tools-eu-1  (kept; a document cannot be read now; it may be the one that makes it)

            Cluster us-1:
              = api-us-1  (kept; held: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server)
              = shop-us-1  (kept; held: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server)
              = site-us-1  (kept; held: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server)
              = tools-us-1  (kept; a document cannot be read now; it may be the one that makes it)

            0 added, 0 changed, 0 removed, 8 kept as they are, 0 unchanged.
            Problems:
              sets/more/tools.yaml: InvalidDocument: line 1: ',' or ']' is expected here
              web, clusters eu-1 × git apps/api: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters eu-1 × git apps/shop: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters eu-1 × git apps/site: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters us-1 × git apps/api: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters us-1 × git apps/shop: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters us-1 × git apps/site: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
            error: 7 problems
            exit 1
        "#]],
    );
}

#[test]
fn what_failed_there_does_not_fail_the_gate() {
    let dir = repository();
    let main = dir.path().join("main");
    write(&main, "sets/web.yaml", &WEB.replace("{{path}}", "{{paht}}"));
    check(
        &change(&dir),
        &WORDS,
        &expect![[r#"
            Cluster eu-1:
              + api-eu-1  (set web)
              + shop-eu-1  (set web)
              + site-eu-1  (set web)

            Cluster us-1:
              + api-us-1  (set web)
              + shop-us-1  (set web)
              + site-us-1  (set web)

            6 added, 0 changed, 0 removed, 2 unchanged.
            Problems in ../main:
              web, clusters eu-1 × git apps/api: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters eu-1 × git apps/shop: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters eu-1 × git apps/site: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters us-1 × git apps/api: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters us-1 × git apps/shop: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
              web, clusters us-1 × git apps/site: TemplateFailed: spec.source.path: "{{paht}}" (line 1, column 1) needs the parameter paht, which is not there; there are: metadata.labels.env, name, nameNormalized, path.basename, path.basenameNormalized, path.path, path.segments.0, path.segments.1, project, server
            warning: ../main has problems, so not all that it makes is known: removals may be missing
            exit 0
        "#]],
    );
}

#[test]
fn files_outside_are_the_same_for_both_sides() {
    let dir = repository();
    let here = change(&dir);
    write(dir.path(), "fleet.yaml", CLUSTERS);
    write(&here, "only-here.yaml", CLUSTERS);
    let words = [
        "sets/more",
        "--clusters",
        "../fleet.yaml",
        "--decisions",
        "only-here.yaml",
        "--against",
        "../main",
    ];
    check(
        &here,
        &words,
        &expect![[r#"
        0 added, 0 changed, 0 removed, 2 unchanged.
        note: ../fleet.yaml is the same for both sides
        note: only-here.yaml is the same for both sides
        exit 0
    "#]],
    );
}

#[test]
fn a_wrong_folder_is_told() {
    let dir = repository();
    let here = change(&dir);
    check(
        &here,
        &["sets", "--against", "../mian"],
        &expect![[r#"
        error: cannot read ../mian: No such file or directory (os error 2)
        exit 1
    "#]],
    );
    check(
        &here,
        &["../main/sets", "--against", "../main"],
        &expect![[r#"
        error: ../main/sets is not below this folder, so --against cannot find it
        hint: `muster help`, or --help after any command
        exit 2
    "#]],
    );
    check(
        &here,
        &["-", "--against", "../main"],
        &expect![[r#"
        error: - is not below this folder, so --against cannot find it
        hint: `muster help`, or --help after any command
        exit 2
    "#]],
    );
    write(dir.path(), "empty/x", "");
    check(
        &here,
        &["sets/more", "--against", "../empty"],
        &expect![[r#"
        Cluster eu-1:
          + tools-eu-1  (set tools)

        Cluster us-1:
          + tools-us-1  (set tools)

        2 added, 0 changed, 0 removed, 0 unchanged.
        warning: none of the files is in the other folder: everything is new
        exit 0
    "#]],
    );
}

#[test]
fn a_set_that_moves_to_the_other_dialect_changes_nothing() {
    let argo = "
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: { name: tools }
spec:
  generators: [{ list: { elements: [{ name: eu-1 }, { name: us-1 }] } }]
  syncPolicy: { preserveResourcesOnDeletion: true }
  template:
    metadata: { name: 'tools-{{name}}' }
    spec: { project: default, source: { repoURL: r, path: tools }, destination: { name: '{{name}}' } }
";
    let dir = folder(&[
        ("then/sets/tools.yaml", argo),
        ("now/sets/tools.yaml", TOOLS),
        ("now/clusters.yaml", CLUSTERS),
    ]);
    let words = ["sets", "--clusters", "clusters.yaml", "--against", "../then"];
    check(
        &dir.path().join("now"),
        &words,
        &expect![[r#"
        0 added, 0 changed, 0 removed, 2 unchanged.
        note: clusters.yaml is the same for both sides
        exit 0
    "#]],
    );
}

#[test]
fn branches_are_those_of_the_work_tree() {
    let dir = folder(&[("fleet/x", "")]);
    let fleet = dir.path().join("fleet");
    commit(&fleet);
    git(&fleet, &["branch", "feature/a"]);
    git(&fleet, &["tag", "-a", "v1.2.0", "-m", "x"]);
    git(&fleet, &["tag", "v2.0.0"]);
    let set = r#"
apiVersion: muster.dev/v1alpha1
kind: ApplicationSet
metadata: { name: refs }
spec:
  generators:
    - branches: { repoURL: r }
    - tags: { repoURL: r, semver: "<2" }
  template:
    metadata: { name: "{{slugify ref.name}}" }
    spec: { source: { repoURL: r, path: p }, destination: { cluster: eu-1 } }
"#;
    write(dir.path(), "set.yaml", set);
    write(dir.path(), "clusters.yaml", CLUSTERS);
    let words = ["set.yaml", "clusters.yaml", "-o", "name", "--repo", "r=fleet"];
    check(
        dir.path(),
        &words,
        &expect![[r#"
        feature-a
        main
        v1-2-0
        exit 0
    "#]],
    );
    // A pipeline's clone has the branches of its origin only.
    git(dir.path(), &["clone", "-q", "fleet", "clone"]);
    let words = ["set.yaml", "clusters.yaml", "-o", "name", "--repo", "r=clone"];
    check(
        dir.path(),
        &words,
        &expect![[r#"
        feature-a
        main
        v1-2-0
        exit 0
    "#]],
    );
    let words = ["set.yaml", "clusters.yaml", "-o", "name", "--repo", "r=."];
    check(
        dir.path(),
        &words,
        &expect![[r#"
        problem: refs, generators[0]: SourceUnavailable: branches: the branches of r cannot be read: .: is not the top of a Git repository, so it has no branches
        problem: refs, generators[1]: SourceUnavailable: tags: the tags of r cannot be read: .: is not the top of a Git repository, so it has no branches
        error: 2 problems
        exit 1
    "#]],
    );
}
