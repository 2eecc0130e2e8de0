//! Renders small repositories, with the real kustomize and helm where they are found.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod directory;
mod helm;
mod kustomize;
mod tree;

use std::path::PathBuf;
use std::sync::OnceLock;

use model::application::Source;
use model::canonical;
use model::desired::DesiredApplication;
use render::{ClusterFacts, Limits, RenderError, Rendered, Renderer, Request, Tools};
use serde_json::{Value, json};

use tree::MemoryTree;

/// An application whose source is `source`, in the namespace `shop`.
fn application(source: &Value) -> DesiredApplication {
    let mut source = source.clone();
    source["repoURL"] = "https://git.example/fleet.git".into();
    let source: Source = serde_json::from_value(source).unwrap();
    serde_json::from_value(json!({
        "name": "web",
        "project": "default",
        "source": source,
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "namespace": "shop",
    }))
    .unwrap()
}

fn facts() -> ClusterFacts {
    ClusterFacts {
        kube_version: "v1.36.3".to_owned(),
        api_versions: vec!["apps/v1".to_owned(), "apps/v1/Deployment".to_owned(), "v1".to_owned()],
    }
}

/// The tools of this machine: in `MUSTER_TOOLS_DIR`, the cache of `cargo xtask tools`, or `PATH`.
fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        let cache = cache.map(|cache| cache.join("muster/tools"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = variable("MUSTER_TOOLS_DIR").into_iter().chain(cache);
        let places: Vec<_> = places.chain(std::env::split_paths(&path)).collect();
        Tools::find(std::env::join_paths(places).ok().as_deref())
    })
}

/// Whether a test that needs a tool can run; says so when it cannot.
fn have(tool: &str) -> bool {
    let tools = tools();
    let found = match tool {
        "helm" => tools.helm.is_some(),
        _ => tools.kustomize.is_some(),
    };
    if !found {
        eprintln!("{tool} is not installed: this test did not run; `cargo xtask tools` builds it");
    }
    found
}

fn render_with(limits: Limits, tree: &MemoryTree, source: &Value) -> Result<Rendered, RenderError> {
    let scratch = tempfile::tempdir().unwrap();
    let renderer = Renderer::new(tools().clone(), limits, scratch.path().join("scratch"));
    let application = application(source);
    let result = renderer.render(&Request { application: &application, tree, cluster: &facts() });
    let left = std::fs::read_dir(scratch.path().join("scratch")).into_iter().flatten().count();
    assert_eq!(left, 0, "the scratch directory is empty after each run");
    result
}

fn render(tree: &MemoryTree, source: &Value) -> Result<Rendered, RenderError> {
    render_with(Limits::default(), tree, source)
}

/// The rendered objects, one canonical line each.
fn lines(tree: &MemoryTree, source: &Value) -> String {
    let rendered = match render(tree, source) {
        Ok(rendered) => rendered,
        Err(error) => return format!("{}\n", chain(&error)),
    };
    let again = render(tree, source).expect("what rendered once renders again");
    assert_eq!(rendered, again, "the same input gives the same manifests and digest");
    let line = |manifest: &model::manifest::Manifest| {
        String::from_utf8(canonical::of(manifest.body())).unwrap() + "\n"
    };
    rendered.manifests.iter().map(line).collect()
}

/// The error and what is beneath it.
fn chain(error: &RenderError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn error(tree: &MemoryTree, source: &Value) -> String {
    chain(&render(tree, source).expect_err("it is refused"))
}
