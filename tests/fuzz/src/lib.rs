//! Fuzz targets: hostile text goes in, and none of the promises may break. `cargo xtask fuzz` searches;
//! the tests here run every input that is kept, so that what was found once stays found.
//!
//! A target is a plain function over bytes. It returns nothing: it panics when a promise is broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use collect::wire::{self, Kind};
use generators::{Repositories, Unavailable, Verdict, World, expand_set};
use gotemplate::{Limits, MissingKey, Template, Value as GoValue};
use model::cluster::Cluster;
use model::document::{self, Resource};
use model::tree::FileTree;
use serde_json::{Value, json};

/// A promise, tried on one input.
pub type Target = fn(&[u8]);

/// By the name of the target, for replaying what is kept.
pub const TARGETS: [(&str, Target); 5] = [
    ("handlebars", handlebars),
    ("fasttemplate", fasttemplate),
    ("gotemplate", gotemplate),
    ("documents", documents),
    ("providers", providers),
];

/// A string of a native set, rendered with the parameters of one cluster.
///
/// Whatever the template says, the neighbour element is there, and the text stays in its field.
pub fn handlebars(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let set = json!({
        "apiVersion": document::API_VERSION,
        "kind": "ApplicationSet",
        "metadata": {"name": "fuzzed"},
        "spec": {
            "generators": [{"list": {"elements": [
                {"n": 1, "text": "a b", "map": {"k": "v", "l": [1, 2]}, "version": "v1.2.3"},
            ]}}],
            "template": {
                "metadata": {"name": "x{{n}}", "annotations": {"fuzzed": text}},
                "spec": {
                    "source": {"repoURL": "https://git.example/a.git", "path": "a"},
                    "destination": {"cluster": "eu-1"},
                },
            },
        },
    });
    let Ok(Resource::ApplicationSet(set)) = document::resource(1, set) else { return };
    let expand = || expand_set(&set, &World::new(&clusters(), &Nothing));
    let expansion = expand();
    assert!(expansion.elements.len() <= 1, "one element gave {}", expansion.elements.len());
    for element in &expansion.elements {
        let Verdict::Ok(application) = &element.verdict else { continue };
        let application = application.native().expect("a native set gives native applications");
        assert_eq!(application.metadata.name.as_str(), "x1");
        assert_eq!(application.spec.source.path, "a");
        let rendered = application.metadata.annotations.get("fuzzed").map_or(0, String::len);
        assert!(rendered <= 1 << 20, "the output is {rendered} bytes");
    }
    let again = expand();
    assert_eq!(format!("{:?}", expansion.problems), format!("{:?}", again.problems), "twice");
}

/// A string of an `argoproj.io` set without `goTemplate`, in its template and in a matrix.
pub fn fasttemplate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let list = |key: &str, value: &str| json!({"list": {"elements": [{(key): value}]}});
    let set = model::argo::ApplicationSet {
        name: "fuzzed".parse().expect("a valid name"),
        namespace: model::argo::DEFAULT_NAMESPACE.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        safety: Default::default(),
        spec: json!({
            "generators": [
                {"list": {"elements": [{"n": "1", "text": "a b"}]}},
                {"matrix": {"generators": [list("n", "2"), list("text", text)]}},
            ],
            "template": {
                "metadata": {"name": "x{{n}}", "annotations": {"fuzzed": text}},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": "https://git.example/a.git", "path": "a"},
                    "destination": {"name": "eu-1"},
                },
            },
        }),
    };
    let clusters = clusters();
    let world = World::new(&clusters, &Nothing);
    let sources = generators::Sources { argo_sets: &[set], ..Default::default() };
    let expansion = generators::expand(&sources, &world);
    for generated in &expansion.applications {
        let name = generated.name().as_str();
        assert!(name == "x1" || name == "x2", "the text has reached the name: {name}");
    }
}

/// A Go template over every kind of value.
pub fn gotemplate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let missing_key = match data.len() % 3 {
        0 => MissingKey::Default,
        1 => MissingKey::Zero,
        _ => MissingKey::Error,
    };
    let Ok(template) = Template::parse(text, missing_key) else { return };
    let values = json!({
        "s": "text", "n": 1e6, "f": 1.5, "t": true, "z": null,
        "m": {"a": "b", "c": {"d": [1.0, "x"]}}, "l": ["a", "b", 3.0],
    });
    // Less than an RSA key costs, so that the search is not spent on primes.
    let limits = Limits { steps: 50_000, ..Limits::default() };
    let rendered = template.render(&GoValue::from_json(&values), &limits);
    if template.volatile().is_empty() {
        let again = template.render(&GoValue::from_json(&values), &limits);
        assert_eq!(format!("{rendered:?}"), format!("{again:?}"), "twice");
    }
}

/// A file of documents of any kind.
pub fn documents(data: &[u8]) {
    let (resources, _) = document::read(data);
    for resource in resources {
        let printed = resource.to_value();
        let text = serde_json::to_vec(&printed).expect("a document is expressible in JSON");
        let (again, errors) = document::read(&text);
        assert_eq!(errors, Vec::new(), "what is printed cannot be read: {printed}");
        assert_eq!(again.iter().map(Resource::to_value).collect::<Vec<Value>>(), [printed]);
    }
}

/// What a service sends; the first byte says what it was asked.
pub fn providers(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(*first) % Kind::ALL.len()];
    let page = wire::parse(kind, body);
    let again = wire::parse(kind, body);
    assert_eq!(page.is_ok(), again.is_ok(), "twice");
    for status in [400, 404] {
        // Only a service that speaks in its own words may say that there is none.
        let absent = wire::absent(kind, status, body);
        assert!(!absent || body.contains(&b'{'), "{kind:?}: {status} without an object");
    }
}

fn clusters() -> [Cluster; 1] {
    let cluster = json!({"metadata": {"name": "eu-1"}});
    [serde_json::from_value(cluster).expect("a valid cluster")]
}

/// A world without repositories.
struct Nothing;

impl Repositories for Nothing {
    fn tree(&self, _: &str, _: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        Err(Unavailable { message: "there is none".to_owned() })
    }
}

/// Runs a target over the files that the command line names.
///
/// # Errors
/// When a file cannot be read.
pub fn replay(target: Target) -> std::io::Result<()> {
    for file in std::env::args_os().skip(1) {
        target(&std::fs::read(file)?);
    }
    Ok(())
}
