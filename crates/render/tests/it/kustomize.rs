//! Kustomizations, by the real kustomize.

use expect_test::expect;
use render::{ErrorClass, Limits, RenderError, Renderer, Request, Tools};
use serde_json::{Value, json};

use crate::tree::{MemoryTree, tree};
use crate::{application, chain, error, facts, have, lines, render, render_with};

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n\
    spec:\n  replicas: 1\n  template:\n    spec:\n      containers: [{name: web, image: \"nginx:1\"}]\n";

fn shop() -> MemoryTree {
    tree([
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", DEPLOYMENT),
        (
            "prod/kustomization.yml",
            "resources:\n- ../base\nnamespace: shop\npatches:\n- path: patch.yaml\n\
             - patch: |-\n    - {op: add, path: /metadata/labels, value: {tier: web}}\n  target: {kind: Deployment}\n\
             configMapGenerator:\n- name: settings\n  files: [settings.txt, other=../shared/other.txt]\n  envs: [vars.env]\n",
        ),
        (
            "prod/patch.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
        ),
        ("prod/settings.txt", "hello"),
        ("prod/vars.env", "A=1\n"),
        ("shared/other.txt", "other"),
        (
            "extra/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n\
            commonAnnotations: {extra: \"true\"}\n",
        ),
        ("patches/more.yaml", "- {op: replace, path: /spec/replicas, value: 5}\n"),
    ])
}

#[test]
fn bases_patches_and_generators_are_built() {
    if !have("kustomize") {
        return;
    }
    expect![[r#"
        {"apiVersion":"v1","data":{"A":"1","other":"other","settings.txt":"hello"},"kind":"ConfigMap","metadata":{"name":"settings-59ctm7m69t","namespace":"shop"}}
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"tier":"web"},"name":"web","namespace":"shop"},"spec":{"replicas":3,"template":{"spec":{"containers":[{"image":"nginx:1","name":"web"}]}}}}
    "#]]
    .assert_eq(&lines(&shop(), &json!({"path": "prod"})));
}

#[test]
fn overrides_are_laid_over() {
    if !have("kustomize") {
        return;
    }
    let source = json!({"path": "base", "kustomize": {
        "namePrefix": "a-", "nameSuffix": "-z", "namespace": "other",
        "images": ["nginx=registry.example:5000/nginx:2"],
        "replicas": [{"name": "web", "count": 2}],
        "commonLabels": {"team": "a"},
        "commonAnnotations": {"note": "x"},
        "components": ["../extra"],
        "patches": [{"patch": "- {op: add, path: /metadata/labels, value: {b: c}}", "target": {"kind": "Deployment"}}],
    }});
    expect![[r#"
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"extra":"true","note":"x"},"labels":{"b":"c","team":"a"},"name":"a-web-z","namespace":"other"},"spec":{"replicas":2,"selector":{"matchLabels":{"team":"a"}},"template":{"metadata":{"annotations":{"extra":"true","note":"x"},"labels":{"team":"a"}},"spec":{"containers":[{"image":"registry.example:5000/nginx:2","name":"web"}]}}}}
    "#]]
    .assert_eq(&lines(&shop(), &source));
    let source = json!({"path": "base", "kustomize": {"patches": [
        {"path": "../patches/more.yaml", "target": {"kind": "Deployment"}},
    ]}});
    assert!(lines(&shop(), &source).contains(r#""replicas":5"#));
}

#[test]
fn builtin_plugins_are_allowed() {
    if !have("kustomize") {
        return;
    }
    let tree = tree([
        (
            "app/kustomization.yaml",
            "resources: [web.yaml]\ngenerators: [plugins/map.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  \
             kind: PrefixTransformer\n  metadata: {name: p}\n  prefix: x-\n  fieldSpecs: [{path: metadata/name}]\n- plugins\n",
        ),
        ("app/web.yaml", DEPLOYMENT),
        (
            "app/plugins/map.yaml",
            "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: m}\nname: m\nfiles: [data/a.txt]\n\
             options: {disableNameSuffixHash: true}\n",
        ),
        ("app/plugins/kustomization.yaml", "resources: [label.yaml]\n"),
        (
            "app/plugins/label.yaml",
            "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\nlabels: {a: b}\n\
             fieldSpecs: [{path: metadata/labels, create: true}]\n",
        ),
        ("app/data/a.txt", "text"),
    ]);
    expect![[r#"
        {"apiVersion":"v1","data":{"a.txt":"text"},"kind":"ConfigMap","metadata":{"labels":{"a":"b"},"name":"x-m"}}
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"a":"b"},"name":"x-web"},"spec":{"replicas":1,"template":{"spec":{"containers":[{"image":"nginx:1","name":"web"}]}}}}
    "#]]
    .assert_eq(&lines(&tree, &json!({"path": "app"})));
}

/// A kustomization in `app`, which must be refused before any tool runs.
fn refusal(kustomization: &str) -> String {
    let tree = tree([
        ("app/kustomization.yaml", kustomization),
        ("app/web.yaml", DEPLOYMENT),
        ("app/exec.yaml", "apiVersion: example.com/v1\nkind: Exec\nmetadata: {name: x}\n"),
        (
            "app/container.yaml",
            "apiVersion: builtin\nkind: PrefixTransformer\nmetadata:\n  name: x\n  annotations:\n    \
             config.kubernetes.io/function: |\n      container: {image: evil}\n",
        ),
        (
            "app/case.yaml",
            "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\nPath: /etc/passwd\n",
        ),
        (
            "app/chart.yaml",
            "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\n",
        ),
        ("app/link.yaml", "-> ../../../etc/passwd"),
        ("app/bare.env", "# a\nA=1\nHOME\n"),
        ("app/two/kustomization.yaml", "{}"),
        ("app/two/Kustomization", "{}"),
        ("app/none/x.yaml", DEPLOYMENT),
    ]);
    // No binary is needed to refuse; the path would fail if it were started.
    let tools = Tools { kustomize: Some("/nonexistent/kustomize".into()), helm: None };
    let scratch = tempfile::tempdir().unwrap();
    let renderer = Renderer::new(tools, Limits::default(), scratch.path().into());
    let application = application(&json!({"path": "app"}));
    let request = Request { application: &application, tree: &tree, cluster: &facts() };
    chain(&renderer.render(&request).unwrap_err())
}

#[test]
fn what_is_remote_runs_or_leaves_is_refused_by_file_and_field() {
    let remote = "it names something outside of the repository, which would change without a \
                  commit; copy it into the repository";
    let check = |kustomization: &str, message: &str| {
        assert_eq!(refusal(kustomization), format!("app/kustomization.yaml, {message}"));
    };
    check("resources: [https://example.com/a.yaml]", &format!("resources[0]: {remote}"));
    check("resources: [web.yaml, github.com/a/b]", &format!("resources[1]: {remote}"));
    check("bases: [\"git@example.com:a/b\"]", &format!("bases[0]: {remote}"));
    check("components: [\"git::https://x/y\"]", &format!("components[0]: {remote}"));
    check("crds: [\"HTTPS://x/y\"]", &format!("crds[0]: {remote}"));
    check("patches: [{path: \"https://x/y\"}]", &format!("patches[0].path: {remote}"));
    check("replacements: [{path: \"https://x/y\"}]", &format!("replacements[0].path: {remote}"));
    check("openapi: {path: \"https://x/y\"}", &format!("openapi.path: {remote}"));
    check(
        "configMapGenerator: [{name: a, files: [\"k=https://x/y\"]}]",
        &format!("configMapGenerator[0].files[0]: {remote}"),
    );
    let absolute =
        "the path \"/etc/passwd\" is absolute; write it relative to the root of the repository";
    check("resources: [/etc/passwd]", &format!("resources[0]: {absolute}"));
    check(
        "secretGenerator: [{name: a, envs: [/etc/passwd]}]",
        &format!("secretGenerator[0].envs[0]: {absolute}"),
    );
    check(
        "configurations: [../../etc/passwd]",
        "configurations[0]: the path \"../../etc/passwd\" leaves the repository",
    );
    check("resources: [gone.yaml]", "resources[0]: app/gone.yaml is not in the repository");
    check(
        "configMapGenerator: [{name: a, envs: [bare.env]}]",
        "configMapGenerator[0].envs[0]: app/bare.env, line 3, has no '='; write KEY=value",
    );
    let helm = "Helm charts inside of a kustomization are not rendered; make the chart an \
                application of its own";
    check(
        "helmCharts: [{name: x, releaseName: --post-renderer=./x.sh}]",
        &format!("helmCharts: {helm}"),
    );
    assert!(refusal("helmcharts: [{name: x}]").contains("helmcharts: unknown field"));
    assert!(
        refusal("configMapGenerator: [{Files: [/etc/passwd]}]").contains("did you mean \"files\"?")
    );
    let plugin = "is not a built-in plugin of kustomize; programs, containers and Helm are not run";
    for field in ["generators", "transformers", "validators"] {
        assert_eq!(
            refusal(&format!("{field}: [exec.yaml]")),
            format!("app/exec.yaml, document 1: Exec {plugin}")
        );
        assert_eq!(
            refusal(&format!("{field}: [chart.yaml]")),
            format!("app/chart.yaml, document 1: HelmChartInflationGenerator {plugin}")
        );
        assert!(refusal(&format!("{field}: [container.yaml]")).ends_with("a container is not run"));
        assert!(
            refusal(&format!("{field}: [case.yaml]")).ends_with("the field \"Path\" is not known")
        );
    }
    assert_eq!(
        refusal("resources: [link.yaml]"),
        "the link app/link.yaml points outside of the repository, or to itself"
    );
    assert_eq!(
        refusal("resources: [two]"),
        "app/two: kustomization.yaml and Kustomization are both there; keep one"
    );
    assert!(refusal("resources: [none]").starts_with("app/none: no kustomization is there"));
}

#[test]
fn a_failure_of_the_tool_is_told_without_secrets() {
    if !have("kustomize") {
        return;
    }
    let tree = tree([
        ("app/kustomization.yaml", "resources: [s.yaml]\npatches: [{path: p.yaml}]\n"),
        (
            "app/s.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: {b: hunter22}}\n",
        ),
        (
            "app/p.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: {b: {c: d}}}\ndata: hunter22\n",
        ),
    ]);
    match render(&tree, &json!({"path": "app"})) {
        Err(error @ RenderError::ToolFailed { .. }) => {
            assert_eq!(error.class(), ErrorClass::User);
            let text = chain(&error);
            assert!(text.starts_with("kustomize failed with exit code 1: "), "{text}");
            assert!(!text.contains("hunter22") && !text.contains("render-"), "{text}");
        }
        other => panic!("kustomize takes no text for data: {other:?}"),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_limited() {
    if !have("kustomize") {
        return;
    }
    // Go needs about 80 MB to start and ends in one of two ways when it gets less.
    for mib in [24, 64] {
        let limits = Limits { memory_bytes: mib << 20, ..Limits::default() };
        let error = render_with(limits, &shop(), &json!({"path": "prod"})).unwrap_err();
        assert!(matches!(error, RenderError::ToolKilled { .. }), "{}", chain(&error));
        assert_eq!(error.class(), ErrorClass::Retry);
    }
}

#[test]
fn time_and_output_are_limited() {
    if !have("kustomize") {
        return;
    }
    let limits = Limits { time: std::time::Duration::from_millis(1), ..Limits::default() };
    let error = render_with(limits, &shop(), &json!({"path": "prod"})).unwrap_err();
    assert_eq!(
        chain(&error),
        "kustomize was stopped after 0 s; make the source smaller or raise the limit"
    );
    assert_eq!(error.class(), ErrorClass::Retry);
    let limits = Limits { output_bytes: 100, ..Limits::default() };
    let error = render_with(limits, &shop(), &json!({"path": "prod"})).unwrap_err();
    assert_eq!(
        chain(&error),
        "kustomize printed more than 100 bytes; the limit is 100 bytes of manifests"
    );
}

#[test]
fn without_the_tool_only_its_applications_fail() {
    let scratch = tempfile::tempdir().unwrap();
    let renderer = Renderer::new(Tools::default(), Limits::default(), scratch.path().into());
    let tree = tree([
        ("k/kustomization.yaml", "{}"),
        ("h/Chart.yaml", "name: h"),
        ("p/a.yaml", DEPLOYMENT),
    ]);
    let render = |source: Value| {
        let application = application(&source);
        renderer.render(&Request { application: &application, tree: &tree, cluster: &facts() })
    };
    for (path, tool) in [("k", "kustomize"), ("h", "helm")] {
        let error = render(json!({"path": path})).unwrap_err();
        assert!(matches!(error, RenderError::ToolMissing { tool: missing, .. } if missing == tool));
        assert!(error.to_string().contains("install it from https://"), "{error}");
    }
    assert_eq!(render(json!({"path": "p"})).unwrap().manifests.len(), 1);
    let source = json!({"path": "p", "kustomize": {"namespace": "x"}});
    assert!(matches!(render(source), Err(RenderError::ToolMissing { .. })));
}

#[test]
fn an_explicit_block_needs_its_files() {
    if !have("kustomize") {
        return;
    }
    let tree = tree([("p/a.yaml", DEPLOYMENT)]);
    assert_eq!(
        error(&tree, &json!({"path": "p", "kustomize": {}})),
        "p: no kustomization is there; it is called kustomization.yaml or kustomization.yml or Kustomization"
    );
}
