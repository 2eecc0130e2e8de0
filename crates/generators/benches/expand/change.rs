//! One label of one cluster changes among 10,000 sets, of which 10 pick that cluster.

use std::sync::Arc;

use generators::{Incremental, SharedSources};
use model::set::ApplicationSet;
use serde_json::json;

use crate::measure::{Figure, Stopwatch};
use crate::world::{FLEET, GROUPS, Known};

pub(crate) const NAME: &str = "one_label_change";

const SETS: usize = 10_000;
const CLUSTERS: usize = 2_000;
/// Each group of clusters is picked by so many sets.
const AFFECTED: usize = SETS / GROUPS;
/// One change is shorter than what the kernel counts exactly.
const CHANGES: usize = 50;

pub(crate) fn run() -> Result<Figure, String> {
    let sets: Vec<Arc<ApplicationSet>> = (0..SETS).map(set).map(Arc::new).collect();
    let sources = SharedSources { sets: &sets, ..SharedSources::default() };
    let mut known = Known::new(CLUSTERS, 1);
    let mut incremental = Incremental::new();
    let expansion = incremental.update(&sources, &known.world());
    let (count, wanted) = (expansion.applications.len(), SETS * CLUSTERS / GROUPS);
    if count != wanted {
        return Err(format!("{count} applications instead of {wanted}"));
    }
    let mut seconds = 0.0;
    for change in 0..CHANGES {
        let labels = &mut known.clusters[change].metadata.labels;
        labels.insert("tier".to_owned(), "changed".to_owned());
        let stopwatch = Stopwatch::start();
        incremental.update(&sources, &known.world());
        seconds += stopwatch.seconds();
        let evaluated = incremental.evaluated().len();
        if evaluated != AFFECTED {
            return Err(format!("{evaluated} sets were evaluated instead of {AFFECTED}"));
        }
    }
    let value = seconds * 1e3 / CHANGES as f64;
    Ok(Figure { metric: "one_label_change_ms".to_owned(), value, unit: "ms" })
}

fn set(number: usize) -> ApplicationSet {
    let group = format!("group-{}", number % GROUPS);
    let value = json!({
        "metadata": {"name": format!("set-{number:05}")},
        "spec": {
            "generators": [{"clusters": {"selector": {"matchLabels": {"group": group}}}}],
            "template": {
                "metadata": {
                    "name": format!("app-{number:05}-{{{{name}}}}"),
                    "labels": {"tier": "{{metadata.labels.tier}}"},
                },
                "spec": {
                    "source": {"repoURL": FLEET, "path": "apps/{{metadata.labels.env}}"},
                    "destination": {"cluster": "{{name}}", "namespace": "web"},
                },
            },
        },
    });
    serde_json::from_value(value).expect("a set as documents write it")
}
