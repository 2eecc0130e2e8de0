//! Charts, by the real helm.

use expect_test::expect;
use render::{ErrorClass, Limits, RenderError, Renderer, Request};
use serde_json::{Value, json};

use crate::tree::{MemoryTree, tree};
use crate::{application, chain, error, facts, have, lines, render, tools};

const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  \
    namespace: {{ .Release.Namespace }}\ndata:\n  kube: {{ .Capabilities.KubeVersion.Version | quote }}\n  \
    apps: {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" | quote }}\n  \
    widgets: {{ .Capabilities.APIVersions.Has \"example.com/v1\" | quote }}\n  \
    who: {{ printf \"%v %v %v %v %v %v\" .Values.chart .Values.file .Values.text .Values.object .Values.set .Values.list | quote }}\n  \
    lookup: {{ lookup \"v1\" \"Secret\" \"kube-system\" \"x\" | toJson | quote }}\n";

fn hook(name: &str, event: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations:\n    helm.sh/hook: {event}\n"
    )
}

fn chart() -> MemoryTree {
    let hooks = [("before", "pre-install"), ("check", "test"), ("bye", "post-delete")]
        .map(|(name, event)| hook(name, event))
        .join("---\n");
    tree([
        ("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        (
            "charts/web/values.yaml",
            "chart: chart\nfile: chart\ntext: chart\nobject: chart\nset: chart\nlist: []\n",
        ),
        ("charts/web/templates/map.yaml", TEMPLATE),
        ("charts/web/templates/hooks.yaml", &hooks),
        ("charts/web/templates/NOTES.txt", "thanks"),
        (
            "charts/web/crds/widget.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: widgets.example.com}\n",
        ),
        ("charts/web/prod,eu.yaml", "file: file\ntext: file\nobject: file\nset: file\n"),
        ("values/all.yaml", "text: second\n"),
    ])
}

#[test]
fn a_chart_is_rendered_with_the_facts_of_the_cluster() {
    if !have("helm") {
        return;
    }
    expect![[r#"
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"}}
        {"apiVersion":"v1","data":{"apps":"true","kube":"v1.36.3","lookup":"{}","who":"chart chart chart chart chart []","widgets":"false"},"kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}}
        {"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"helm.sh/hook":"pre-install"},"name":"before"}}
    "#]]
    .assert_eq(&lines(&chart(), &json!({"path": "charts/web"})));
}

#[test]
fn later_values_win_and_options_reach_helm() {
    if !have("helm") {
        return;
    }
    let source = json!({"path": "charts/web", "helm": {
        "releaseName": "other",
        "valueFiles": ["prod,eu.yaml", "/values/all.yaml", "../gone.yaml"],
        "ignoreMissingValueFiles": true,
        "values": "object: text\nset: text\n",
        "valuesObject": {"object": "object", "set": "object"},
        "parameters": [
            {"name": "set", "value": "a,b"},
            {"name": "list", "value": "{x,y}"},
        ],
        "skipCrds": true,
        "kubeVersion": "1.30.0",
        "apiVersions": ["example.com/v1"],
    }});
    expect![[r#"
        {"apiVersion":"v1","data":{"apps":"false","kube":"v1.30.0","lookup":"{}","who":"chart file second object a,b [x y]","widgets":"true"},"kind":"ConfigMap","metadata":{"name":"other","namespace":"shop"}}
        {"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"helm.sh/hook":"pre-install"},"name":"before"}}
    "#]]
    .assert_eq(&lines(&chart(), &source));
}

#[test]
fn dependencies_are_vendored_or_in_the_repository() {
    if !have("helm") {
        return;
    }
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n";
    let dependencies = "dependencies:\n- {name: near, version: 1.0.0, repository: file://../near}\n\
        - {name: kept, version: 1.0.0, repository: https://charts.example}\n";
    let chart = format!("apiVersion: v2\nname: web\nversion: 1.0.0\n{dependencies}");
    let files = [
        ("web/Chart.yaml", chart.as_str()),
        ("web/templates/map.yaml", map),
        ("near/Chart.yaml", "apiVersion: v2\nname: near\nversion: 1.0.0\n"),
        ("near/templates/map.yaml", map),
        ("web/charts/kept/Chart.yaml", "apiVersion: v2\nname: kept\nversion: 1.0.0\n"),
        ("web/charts/kept/templates/map.yaml", map),
    ];
    expect![[r#"
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kept"}}
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"near"}}
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web"}}
    "#]]
    .assert_eq(&lines(&tree(files), &json!({"path": "web"})));
    assert_eq!(
        error(&tree(files[..4].iter().copied()), &json!({"path": "web"})),
        "web/Chart.yaml, dependency \"kept\": it is not in web/charts; run `helm dependency update \
         web` and commit what it puts there, since nothing is fetched while rendering"
    );
    let circle = tree([
        (
            "a/Chart.yaml",
            "name: a\nversion: 1.0.0\ndependencies: [{name: b, repository: \"file://../b\"}]\n",
        ),
        (
            "b/Chart.yaml",
            "name: b\nversion: 1.0.0\ndependencies: [{name: a, repository: \"file://../a\"}]\n",
        ),
    ]);
    assert!(
        error(&circle, &json!({"path": "a"})).ends_with("charts depend on each other in a circle")
    );
}

#[test]
fn mistakes_are_told_before_helm_runs() {
    if !have("helm") {
        return;
    }
    let check = |helm: Value, message: &str| {
        let error = render(&chart(), &json!({"path": "charts/web", "helm": helm})).unwrap_err();
        assert_eq!(chain(&error), message);
        assert_eq!(error.class(), ErrorClass::User);
    };
    check(
        json!({"releaseName": "--post-renderer=./x"}),
        "source.helm.releaseName: \"--post-renderer=./x\" begins with '-' or holds a control character",
    );
    check(
        json!({"valueFiles": ["gone.yaml"]}),
        "source.helm.valueFiles[0]: charts/web/gone.yaml is not in the repository",
    );
    check(
        json!({"valueFiles": ["../../../etc/passwd"]}),
        "source.helm.valueFiles[0] is not a path in the repository: the path \
         \"../../../etc/passwd\" leaves the repository",
    );
    check(
        json!({"valueFiles": ["https://example.com/values.yaml"]}),
        "source.helm.valueFiles[0]: \"https://example.com/values.yaml\" is not a file of this \
         repository; copy it into it",
    );
    check(
        json!({"parameters": [{"name": "a=b", "value": "c"}]}),
        "source.helm.parameters[0].name: \"a=b\" is not the path of one value",
    );
    assert_eq!(
        error(&tree([("p/a.yaml", "")]), &json!({"path": "p", "helm": {}})),
        "p: no Chart.yaml is there, so it is not a Helm chart"
    );
}

#[test]
fn a_failing_chart_is_told_without_secrets() {
    if !have("helm") {
        return;
    }
    let tree = tree([
        ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("web/values.yaml", "db: {}\n"),
        (
            "web/templates/a.yaml",
            "a: {{ range .Values.db.password }}{{ end }}{{ fail .Values.apiKey }}\n",
        ),
    ]);
    let source = json!({"path": "web", "helm": {
        "values": "db:\n  password: hunter22\n",
        "parameters": [{"name": "apiKey", "value": "sesame99"}],
    }});
    let error = render(&tree, &source).unwrap_err();
    let text = chain(&error);
    assert!(matches!(error, RenderError::ToolFailed { .. }), "{text}");
    assert!(text.contains("web/templates/a.yaml"), "{text}");
    assert!(!text.contains("hunter22") && !text.contains("sesame99"), "{text}");
}

#[test]
fn names_are_not_resolved_from_a_chart() {
    if !have("helm") {
        return;
    }
    let tree = tree([
        ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        (
            "web/templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  \
             host: {{ getHostByName \"localhost\" | quote }}\n  file: {{ .Files.Get \"/etc/passwd\" | quote }}\n  \
             env: {{ \"$HOME\" | quote }}\n",
        ),
    ]);
    expect![[r#"
        {"apiVersion":"v1","data":{"env":"$HOME","file":"","host":""},"kind":"ConfigMap","metadata":{"name":"a"}}
    "#]]
    .assert_eq(&lines(&tree, &json!({"path": "web"})));
}

#[test]
fn the_cache_key_follows_what_the_result_depends_on() {
    let scratch = tempfile::tempdir().unwrap();
    let renderer = Renderer::new(tools().clone(), Limits::default(), scratch.path().into());
    let chart = chart();
    let plain = tree([("p/a.yaml", "")]);
    let key = |source: &Value, tree: &MemoryTree, change: bool| {
        let mut facts = facts();
        if change {
            facts.api_versions.push("example.com/v1".to_owned());
        }
        let application = application(source);
        renderer.cache_key(&Request { application: &application, tree, cluster: &facts }).unwrap()
    };
    let helm = json!({"path": "charts/web"});
    assert_eq!(key(&helm, &chart, false), key(&helm, &chart, false));
    assert_ne!(key(&helm, &chart, false), key(&helm, &chart, true));
    let directory = json!({"path": "p"});
    assert_eq!(key(&directory, &plain, false), key(&directory, &plain, true));
    let other = json!({"path": "p", "directory": {"recurse": true}});
    assert_ne!(key(&directory, &plain, false), key(&other, &plain, false));
}
