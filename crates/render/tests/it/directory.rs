//! Plain directories.

use expect_test::expect;
use render::{ErrorClass, Limits};
use serde_json::json;

use crate::tree::tree;
use crate::{chain, error, lines, render, render_with};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn config(name: &str) -> String {
    CONFIG.replace("{name: a}", &format!("{{name: {name}}}"))
}

#[test]
fn manifests_come_in_apply_order_and_lists_are_flattened() {
    let tree = tree([
        ("app/z.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"),
        (
            "app/a.yml",
            "# two\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {on: \"on\"}\n",
        ),
        (
            "app/list.json",
            r#"{"apiVersion":"v1","kind":"List","items":[
                {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}]}"#,
        ),
        ("app/README.md", "not a manifest"),
        ("app/values.yaml", "# +argocd:skip-file-rendering\na: 1\n"),
        ("app/below/deep.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: deep}\n"),
    ]);
    expect![[r#"
        {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}
        {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}
        {"apiVersion":"v1","data":{"true":"on"},"kind":"ConfigMap","metadata":{"name":"c"}}
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}}
    "#]]
    .assert_eq(&lines(&tree, &json!({"path": "app"})));
}

#[test]
fn globs_choose_files_as_in_argo_cd() {
    let (a, b, c) = (config("a"), config("b"), config("c"));
    let tree = tree([
        ("app/a.yaml", a.as_str()),
        ("app/sub/b.yaml", b.as_str()),
        ("app/sub/c.yml", c.as_str()),
    ]);
    let names = |directory: serde_json::Value| -> String {
        let source = json!({"path": "./app/", "directory": directory});
        let rendered = render(&tree, &source).unwrap();
        rendered.manifests.iter().map(|manifest| manifest.key().name.as_str()).collect()
    };
    assert_eq!(names(json!({})), "a");
    assert_eq!(names(json!({"recurse": true})), "abc");
    assert_eq!(names(json!({"recurse": true, "include": "*.yaml"})), "ab");
    assert_eq!(names(json!({"recurse": true, "include": "{a.yaml,sub/c*}"})), "ac");
    assert_eq!(names(json!({"recurse": true, "exclude": "sub/*"})), "a");
    assert_eq!(names(json!({"recurse": true, "include": "sub/**", "exclude": "**/c.yml"})), "b");
    assert_eq!(
        error(&tree, &json!({"path": "app", "directory": {"include": "{a"}})),
        "source.directory.include: \"{a\" is not a glob: unclosed alternate group; missing '}' \
         (maybe escape '{' with '[{]'?)"
    );
}

#[test]
fn mistakes_name_the_file_and_the_document() {
    let check = |files: &[(&str, &str)], message: &str| {
        let error = render(&tree(files.iter().copied()), &json!({"path": "app"})).unwrap_err();
        assert_eq!(chain(&error), message);
        assert_eq!(error.class(), ErrorClass::User);
    };
    check(
        &[("app/a.yaml", CONFIG), ("app/b.yaml", &format!("---\n{}---\n{CONFIG}", config("x")))],
        "ConfigMap a stands both in app/a.yaml, document 1 and in app/b.yaml, document 2; an \
         application has each object once",
    );
    check(
        &[("app/a.yaml", &format!("{CONFIG}---\nreplicas: 3\n"))],
        "app/a.yaml, document 2: a manifest has no apiVersion, or it is not text",
    );
    check(
        &[("app/a.yaml", "a: 1\na: 2\n")],
        "app/a.yaml cannot be read as YAML: line 2: the key \"a\" stands twice in one mapping",
    );
    check(&[("other/a.yaml", CONFIG)], "app is not in the repository");
    check(
        &[("app/a.yaml", "-> ../../etc/passwd")],
        "the link app/a.yaml points outside of the repository, or to itself",
    );
    for path in ["../app", "/app", "app/../.."] {
        let message = error(&tree([("app/a.yaml", CONFIG)]), &json!({"path": path}));
        assert!(message.starts_with("source.path is not a path in the repository: "), "{message}");
    }
    assert_eq!(
        error(
            &tree([("app/a.yaml", CONFIG)]),
            &json!({"path": "app", "helm": {}, "directory": {}})
        ),
        "source: helm and directory are set together; keep one"
    );
}

#[test]
fn links_inside_are_followed() {
    let tree = tree([("app/a.yaml", "-> ../shared/a.yaml"), ("shared/a.yaml", CONFIG)]);
    assert_eq!(render(&tree, &json!({"path": "app"})).unwrap().manifests.len(), 1);
}

#[test]
fn the_limits_hold() {
    let many: Vec<_> =
        (0..20).map(|n| (format!("app/{n}.yaml"), config(&format!("n{n}")))).collect();
    let tree = tree(many.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let check = |limits: Limits, message: &str| {
        let error = render_with(limits, &tree, &json!({"path": "app"})).unwrap_err();
        assert_eq!(chain(&error), message);
    };
    check(
        Limits { tree_files: 5, ..Limits::default() },
        "the directory app brings the application to 6 files; the limit is 5 files",
    );
    check(
        Limits { documents: 10, ..Limits::default() },
        "the application has more than 10 objects; the limit is 10 objects of one application",
    );
    let error = render_with(
        Limits { output_bytes: 300, ..Limits::default() },
        &tree,
        &json!({"path": "app"}),
    );
    assert!(chain(&error.unwrap_err()).contains("the limit is 300 bytes"));
}

#[test]
fn one_object_has_the_size_that_etcd_takes() {
    let large = format!("{CONFIG}data:\n  x: {}\n", "x".repeat(1_572_864));
    let message = error(&tree([("app/a.yaml", large.as_str())]), &json!({"path": "app"}));
    assert_eq!(
        message,
        "ConfigMap a (app/a.yaml, document 1) has 1572942 bytes; the limit is 1572864 bytes"
    );
}
