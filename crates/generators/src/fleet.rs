//! The clusters of the world, sorted and indexed once for all sets.

use std::collections::HashSet;
use std::rc::Rc;

use model::cluster::Cluster;
use model::name::ClusterName;
use model::suggest;
use serde_json::{Map, Value};

use crate::World;
use crate::compat::Clusters;
use crate::template::normalize;

/// The most clusters whose names are compared with a name that is unknown, and shown beside it.
const MAX_COMPARED: usize = 200;
const MAX_SHOWN: usize = 10;

/// The clusters by name, in their order.
pub(crate) struct Fleet<'a> {
    clusters: Vec<&'a Cluster>,
    names: HashSet<&'a str>,
    /// Whether it is known which clusters there are. When not, any name may be one.
    is_known: bool,
    /// As sets of the compat dialect see the clusters.
    pub(crate) compat: Rc<Clusters>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(world: &World<'a>) -> Self {
        let Some(clusters) = world.clusters else {
            return Self {
                clusters: Vec::new(),
                names: HashSet::new(),
                is_known: false,
                compat: Rc::default(),
            };
        };
        let mut sorted: Vec<&Cluster> = clusters.iter().collect();
        // Names are unique in a hub. Where they are not, the order still follows from the content.
        sorted.sort_by(|a, b| key(a).cmp(&key(b)));
        let names = sorted.iter().map(|cluster| cluster.metadata.name.as_str()).collect();
        Self { clusters: sorted, names, is_known: true, compat: Rc::default() }
    }

    /// The clusters by name; `None` when it is not known which there are.
    pub(crate) fn clusters(&self) -> Option<impl Iterator<Item = &'a Cluster>> {
        self.is_known.then(|| self.clusters.iter().copied())
    }

    pub(crate) fn accepts(&self, name: &ClusterName) -> bool {
        !self.is_known || self.names.contains(name.as_str())
    }

    /// The message for a destination that is none of the clusters.
    pub(crate) fn refusal(&self, name: &ClusterName) -> String {
        let names = self.clusters.iter().map(|cluster| cluster.metadata.name.as_str());
        let known = match self.clusters.len() {
            0 => "no cluster is known".to_owned(),
            1..=MAX_SHOWN => format!("known: {}", names.clone().collect::<Vec<_>>().join(", ")),
            count => format!("{count} others are known"),
        };
        let near = suggest::nearest(name.as_str(), names.take(MAX_COMPARED));
        let hint = near.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        format!(
            "spec.destination.cluster: unknown cluster {:?}; {hint}{known}; enrol it, or correct \
             the name",
            name.as_str()
        )
    }
}

/// Everything of a cluster, by name first.
pub(crate) fn key(cluster: &Cluster) -> impl Ord + '_ {
    let (metadata, spec) = (&cluster.metadata, &cluster.spec);
    (&metadata.name, &metadata.labels, &metadata.annotations, &spec.server, &spec.project)
}

/// What the `clusters` generator gives for a cluster. Every key is always there.
pub(crate) fn parameters(cluster: &Cluster) -> Map<String, Value> {
    let name = cluster.metadata.name.as_str();
    let text = |(key, value): (&String, &String)| (key.clone(), Value::from(value.as_str()));
    let labels: Map<_, _> = cluster.metadata.labels.iter().map(text).collect();
    let annotations: Map<_, _> = cluster.metadata.annotations.iter().map(text).collect();
    let metadata = Map::from_iter([
        ("labels".to_owned(), Value::Object(labels)),
        ("annotations".to_owned(), Value::Object(annotations)),
    ]);
    Map::from_iter([
        ("name".to_owned(), name.into()),
        ("nameNormalized".to_owned(), normalize(name).into()),
        ("server".to_owned(), cluster.spec.server.as_str().into()),
        ("project".to_owned(), cluster.spec.project.as_str().into()),
        ("metadata".to_owned(), Value::Object(metadata)),
    ])
}
