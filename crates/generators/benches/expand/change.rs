//! One label of one cluster changes among 10,000 sets, of which 10 pick that cluster: in each dialect.

use std::sync::Arc;

use generators::{Incremental, SharedSources};
use model::argo;
use model::set::ApplicationSet;
use serde_json::{Value, json};

use crate::measure::{Figure, Stopwatch};
use crate::sets::{Dialect, argo_set};
use crate::world::{FLEET, GROUPS, Known};

/// By the names of their metrics, without the unit.
pub(crate) const CASES: [(&str, Dialect); 3] = [
    ("one_label_change", Dialect::Native),
    ("one_label_change_fasttemplate", Dialect::FastTemplate),
    ("one_label_change_gotemplate", Dialect::GoTemplate),
];

const SETS: usize = 10_000;
const CLUSTERS: usize = 2_000;
/// Each group of clusters is picked by so many sets.
const AFFECTED: usize = SETS / GROUPS;
/// One change is shorter than what the kernel counts exactly.
const CHANGES: usize = 50;

/// The sets of one dialect.
enum Sets {
    Native(Vec<Arc<ApplicationSet>>),
    Argo(Vec<Arc<argo::ApplicationSet>>),
}

impl Sets {
    fn new(dialect: Dialect) -> Self {
        let specs = (0..SETS).map(|number| (format!("set-{number:05}"), spec(dialect, number)));
        if dialect.is_native() {
            let set = |(name, spec): (String, Value)| {
                let value = json!({"metadata": {"name": name}, "spec": spec});
                let set = serde_json::from_value(value).expect("a set as documents write it");
                Arc::new(set)
            };
            return Self::Native(specs.map(set).collect());
        }
        Self::Argo(specs.map(|(name, spec)| Arc::new(argo_set(&name, dialect, spec))).collect())
    }

    fn sources(&self) -> SharedSources<'_> {
        match self {
            Self::Native(sets) => SharedSources { sets, ..SharedSources::default() },
            Self::Argo(argo_sets) => SharedSources { argo_sets, ..SharedSources::default() },
        }
    }
}

pub(crate) fn run(name: &str, dialect: Dialect) -> Result<Figure, String> {
    let sets = Sets::new(dialect);
    let mut known = Known::new(CLUSTERS, 1);
    let mut incremental = Incremental::new();
    let expansion = incremental.update(&sets.sources(), &known.world());
    if let Some(problem) = expansion.problems.first() {
        return Err(format!("{name}: {problem}"));
    }
    let (count, wanted) = (expansion.applications.len(), SETS * CLUSTERS / GROUPS);
    if count != wanted {
        return Err(format!("{count} applications instead of {wanted}"));
    }
    let mut seconds = 0.0;
    for change in 0..CHANGES {
        let labels = &mut known.clusters[change].metadata.labels;
        labels.insert("tier".to_owned(), "changed".to_owned());
        let stopwatch = Stopwatch::start();
        incremental.update(&sets.sources(), &known.world());
        seconds += stopwatch.seconds();
        let evaluated = incremental.evaluated().len();
        if evaluated != AFFECTED {
            return Err(format!("{evaluated} sets were evaluated instead of {AFFECTED}"));
        }
    }
    let value = seconds * 1e3 / CHANGES as f64;
    Ok(Figure { metric: format!("{name}_ms"), value, unit: "ms" })
}

fn spec(dialect: Dialect, number: usize) -> Value {
    let group = format!("group-{}", number % GROUPS);
    let tag = |path: &str| match dialect {
        Dialect::Native | Dialect::NativeHelpers | Dialect::FastTemplate => {
            format!("{{{{{path}}}}}")
        }
        Dialect::GoTemplate | Dialect::GoFunctions => format!("{{{{.{path}}}}}"),
    };
    let (name, env) = (tag("name"), tag("metadata.labels.env"));
    let mut spec = json!({
        "generators": [{"clusters": {"selector": {"matchLabels": {"group": group}}}}],
        "template": {
            "metadata": {
                "name": format!("app-{number:05}-{name}"),
                "labels": {"tier": tag("metadata.labels.tier")},
            },
            "spec": {
                "source": {"repoURL": FLEET, "path": format!("apps/{env}")},
                "destination": {"namespace": "web"},
            },
        },
    });
    if dialect.is_native() {
        spec["template"]["spec"]["destination"]["cluster"] = name.into();
    } else {
        spec["template"]["spec"]["project"] = "default".into();
        spec["template"]["spec"]["destination"]["name"] = name.into();
    }
    spec
}
