//! `clusters`: the clusters that the set's world knows, seen as Argo CD sees cluster Secrets.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use model::argo::ClusterSecret;
use model::cluster::Cluster;
use model::problem::Reason;
use model::selector::{LabelSelector, Labels};
use serde_json::{Map, Value};

use super::selector::Selector;
use super::{Engine, Evaluator, Fault, Kind, Params, Row, Types, Values, types_of};
use crate::World;
use crate::template::normalize;

/// The label by which Argo CD finds cluster Secrets; every one has it.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";
const CLUSTER: &str = "cluster";
/// The cluster that Argo CD runs in, which is there without a Secret.
pub(super) const IN_CLUSTER: &str = "in-cluster";
pub(super) const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";

/// The clusters of a world, as all sets of one expansion see them. They are copied and sorted when
/// the first set asks for them: with thousands of sets and clusters, each for itself takes minutes.
#[derive(Debug, Default)]
pub(crate) struct Clusters(OnceCell<Box<[Known]>>);

/// A cluster Secret, or a cluster of the fleet seen as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) server: String,
    project: String,
    labels: Labels,
    annotations: Labels,
}

impl Known {
    fn of_fleet(cluster: &Cluster) -> Self {
        let mut labels = cluster.metadata.labels.clone();
        labels.insert(SECRET_TYPE.to_owned(), CLUSTER.to_owned());
        Self {
            name: cluster.metadata.name.to_string(),
            server: crate::address(cluster).into_owned(),
            project: cluster.spec.project.clone(),
            labels,
            annotations: cluster.metadata.annotations.clone(),
        }
    }
}

impl Clusters {
    /// By name; `None` when it is not known which there are.
    pub(super) fn of(&self, world: &World<'_>) -> Option<&[Known]> {
        let clusters = world.clusters?;
        Some(self.0.get_or_init(|| Self::read(clusters, world.cluster_secrets)))
    }

    fn read(clusters: &[Cluster], secrets: &[ClusterSecret]) -> Box<[Known]> {
        let secrets = secrets.iter();
        // A document that says the same of a cluster as its Secret is not a second cluster.
        let of_secrets: HashSet<(&str, &str)> =
            secrets.clone().map(|secret| (secret.name.as_str(), secret.server.as_str())).collect();
        let is_other = |cluster: &&Cluster| {
            let key = (cluster.metadata.name.as_str(), cluster.spec.server.as_str());
            !of_secrets.contains(&key)
        };
        let documents = clusters.iter().filter(is_other).map(Known::of_fleet);
        let secrets = secrets.map(|secret| Known {
            name: secret.name.clone(),
            server: secret.server.clone(),
            project: secret.project.clone(),
            labels: secret.labels.clone().unwrap_or_default(),
            annotations: secret.annotations.clone().unwrap_or_default(),
        });
        let mut known: Vec<_> = secrets.chain(documents).collect();
        known.sort_by(|a, b| {
            let by_name = a.name.cmp(&b.name).then_with(|| a.server.cmp(&b.server));
            by_name.then_with(|| a.labels.cmp(&b.labels))
        });
        known.into()
    }
}

/// The clusters of a world, when it is known which there are.
pub(super) fn known<'c>(clusters: &'c Clusters, world: &World<'_>) -> Result<&'c [Known], Fault> {
    clusters.of(world).ok_or_else(|| {
        Fault::new(
            Reason::SourceUnavailable,
            "it is not known which clusters there are; `muster expand` takes them with --clusters",
        )
    })
}

impl Evaluator<'_> {
    pub(super) fn cluster_rows(&mut self, body: &Value) -> Result<Vec<Row>, Fault> {
        let mut selector = body["selector"].clone();
        // The label that finds Secrets is set over one of the same name.
        if let Some(labels) = selector["matchLabels"].as_object_mut() {
            labels.remove(SECRET_TYPE);
        }
        let asks = |field: &str| match &body["selector"][field] {
            Value::Object(entries) => !entries.is_empty(),
            Value::Array(entries) => !entries.is_empty(),
            _ => false,
        };
        let with_local = !asks("matchLabels") && !asks("matchExpressions");
        self.note(&selector);
        let selector = Selector::read(&selector, "selector", Values::Labels)?;
        let clusters = Rc::clone(&self.clusters);
        let known = known(&clusters, self.world)?;
        let chosen: Vec<&Known> = known
            .iter()
            .filter(|one| selector.matches(|key| one.labels.get(key).map(String::as_str)))
            .collect();
        let types = types_of_engine(self.engine);
        let mut rows = Vec::with_capacity(chosen.len() + 1);
        // Namesakes lie side by side.
        for same in chosen.chunk_by(|a, b| a.name == b.name) {
            let outcome = match same {
                [one] => self.with_values(parameters(self.engine, one, &types.0), body, &types.1),
                several => Err(namesakes(several)),
            };
            rows.push(Row { id: format!("clusters {}", same[0].name), outcome });
        }
        if with_local && !chosen.iter().any(|one| one.server == IN_CLUSTER_SERVER) {
            let outcome = self.with_values(local(), body, &types.1);
            rows.push(Row { id: format!("clusters {IN_CLUSTER}"), outcome });
        }
        if body["flatList"] == Value::Bool(true) {
            return Ok(vec![flat_list(self.engine, rows)]);
        }
        Ok(rows)
    }
}

impl Evaluator<'_> {
    /// Says which clusters matter, in terms of the labels that they have outside of this dialect.
    fn note(&self, selector: &Value) {
        match serde_json::from_value::<LabelSelector>(selector.clone()) {
            Ok(selector) if selector.match_expressions.iter().all(|one| one.key != SECRET_TYPE) => {
                self.world.note_clusters(&selector);
            }
            _ => self.world.note_all_clusters(),
        }
    }
}

fn types_of_engine(engine: Engine) -> (Types, Types) {
    match engine {
        Engine::Fast => (Types::default(), Types::default()),
        Engine::Go(_) => types_of(&[
            (&["metadata", "labels"], Kind::Strings),
            (&["metadata", "annotations"], Kind::Strings),
        ]),
    }
}

/// The fault of clusters that share a name: there only one of them would be seen.
pub(super) fn namesakes(several: &[&Known]) -> Fault {
    let name = &several[0].name;
    let servers: Vec<_> = several.iter().take(5).map(|one| one.server.as_str()).collect();
    Fault::new(
        Reason::DuplicateName,
        format!(
            "{} clusters have the name {name:?}: {}; rename all but one",
            several.len(),
            servers.join(", ")
        ),
    )
}

fn parameters(engine: Engine, cluster: &Known, types: &Types) -> Params {
    let mut map =
        basic(&cluster.name, &normalize(&cluster.name), &cluster.server, &cluster.project);
    let both = [("labels", &cluster.labels), ("annotations", &cluster.annotations)];
    match engine {
        Engine::Fast => {
            for (field, entries) in both {
                let entries = entries.iter();
                map.extend(entries.map(|(key, value)| {
                    (format!("metadata.{field}.{key}"), Value::from(value.as_str()))
                }));
            }
        }
        Engine::Go(_) => {
            let present = both.into_iter().filter(|(_, entries)| !entries.is_empty());
            let metadata = present.map(|(field, entries)| (field.to_owned(), texts(entries)));
            map.insert("metadata".to_owned(), Value::Object(metadata.collect()));
        }
    }
    Params::new(map, types.clone())
}

/// The cluster without a Secret has no metadata at all.
fn local() -> Params {
    Params::new(basic(IN_CLUSTER, IN_CLUSTER, IN_CLUSTER_SERVER, ""), Types::default())
}

fn basic(name: &str, normalized: &str, server: &str, project: &str) -> Map<String, Value> {
    Map::from_iter([
        ("name".to_owned(), name.into()),
        ("nameNormalized".to_owned(), normalized.into()),
        ("server".to_owned(), server.into()),
        ("project".to_owned(), project.into()),
    ])
}

fn texts(entries: &BTreeMap<String, String>) -> Value {
    let texts = entries.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    Value::Object(texts.collect())
}

/// One row with all clusters in a list. A list that lacks one would be a wrong list, so one that
/// failed fails it.
fn flat_list(engine: Engine, rows: Vec<Row>) -> Row {
    let list: Result<Vec<Value>, Fault> = rows
        .into_iter()
        .map(|row| row.outcome.map(|parameters| Value::Object(parameters.into_map())))
        .collect();
    let mut kinds: Vec<(&[&str], Kind)> = vec![(&["clusters"], Kind::Maps)];
    if engine != Engine::Fast {
        kinds.extend([
            (&["clusters", "*", "metadata", "labels"] as &[&str], Kind::Strings),
            (&["clusters", "*", "metadata", "annotations"], Kind::Strings),
            (&["clusters", "*", "values"], Kind::Strings),
        ]);
    }
    let outcome = list.map(|list| {
        let map = Map::from_iter([("clusters".to_owned(), Value::Array(list))]);
        Params::new(map, Types::new(&kinds))
    });
    Row { id: "clusters".to_owned(), outcome }
}
