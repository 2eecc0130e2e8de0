//! `clusterDecisionResource`: the clusters that objects of some kind name in their status.

use model::argo::Unseen;
use model::generator::DecisionsGenerator;
use model::problem::Reason;
use model::selector::Labels;
use model::suggest;
use serde_json::{Map, Value};

use super::selector;
use super::{Base, Evaluator, Fault, Generator, Values, field_text, render_field};
use crate::parameters::{self, Conflict};
use crate::provider::plural::is_plural_of;
use crate::template::{Scope, Text};

pub(super) const LABEL: &str = "clusterDecisionResource";
/// The list in the status, unless the ConfigMap says otherwise.
const DEFAULT_LIST: &str = "clusters";
const FIELDS: [&str; 4] = ["apiVersion", "kind", "statusListKey", "matchKey"];

#[derive(Debug)]
pub(super) struct Template {
    config_map: Text,
    object: Picked,
    pub(super) values: Values,
}

#[derive(Debug)]
enum Picked {
    Named(Text),
    Selected(selector::Template),
}

/// Which objects hold decisions, and where in them: what a ConfigMap says.
struct Description {
    api_version: String,
    kind: String,
    list: String,
    key: String,
}

impl Template {
    pub(super) fn compile(decisions: &DecisionsGenerator) -> Result<Self, Fault> {
        let object = match (decisions.name.as_str(), &decisions.label_selector) {
            ("", Some(selector)) => Picked::Selected(selector::Template::compile(
                selector,
                "clusterDecisionResource.labelSelector",
            )?),
            (name, None) if !name.is_empty() => {
                Picked::Named(field_text("clusterDecisionResource.name", name)?)
            }
            _ => {
                let rule = "clusterDecisionResource needs either name or labelSelector, not both";
                return Err(Fault::failed(rule));
            }
        };
        let map = &decisions.config_map_ref;
        Ok(Self {
            config_map: field_text("clusterDecisionResource.configMapRef", map)?,
            object,
            values: Values::compile(&decisions.values, LABEL)?,
        })
    }
}

impl Evaluator<'_> {
    pub(super) fn decisions(
        &mut self,
        decisions: &Template,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        let map =
            render_field("clusterDecisionResource.configMapRef", &decisions.config_map, outer)?;
        let wanted = match &decisions.object {
            Picked::Named(name) => {
                Wanted::Named(render_field("clusterDecisionResource.name", name, outer)?)
            }
            Picked::Selected(selector) => Wanted::Selected(selector.render(outer)?),
        };
        self.world.note_decisions();
        self.once(generator, vec![map, wanted.to_string()], |evaluator, inputs| {
            let description = evaluator.description(&inputs[0])?;
            let mut bases = Vec::new();
            let unseen = evaluator.unseen(&description, &wanted);
            for object in evaluator.objects(&description, &wanted)? {
                for decision in description.decisions(object)? {
                    bases.push(evaluator.decide(&description, decision)?);
                }
            }
            if let Some(reasons) = unseen {
                let message = format!("{reasons}; what is in force and not among these stays");
                bases.push(Base::new(&format!("{LABEL} (the rest)"), Err(unavailable(message))));
            }
            Ok(bases)
        })
    }

    fn description(&self, name: &str) -> Result<Description, Fault> {
        let maps = &self.world.decisions.config_maps;
        let named: Vec<&Value> =
            maps.iter().filter(|map| map["metadata"]["name"] == name).collect();
        let data = match named.as_slice() {
            [map] => map["data"].as_object(),
            [] => {
                let known = maps.iter().filter_map(|map| map["metadata"]["name"].as_str());
                let known: Vec<&str> = known.collect();
                return Err(unavailable(suggest::unknown("ConfigMap", name, &known)));
            }
            _ => {
                return Err(Fault::failed(format!(
                    "{LABEL}: there are {} ConfigMaps {name:?}; give them names of their own",
                    named.len()
                )));
            }
        };
        let text = |key: &str| data.and_then(|data| data.get(key)).and_then(Value::as_str);
        let need = |key: &str| match text(key) {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            _ => Err(Fault::failed(format!(
                "{LABEL}: the ConfigMap {name:?} has no {key}; it names {}",
                FIELDS.join(", ")
            ))),
        };
        Ok(Description {
            api_version: need("apiVersion")?,
            kind: need("kind")?,
            list: text("statusListKey").unwrap_or(DEFAULT_LIST).to_owned(),
            key: need("matchKey")?,
        })
    }

    fn objects(&self, of: &Description, wanted: &Wanted) -> Result<Vec<&Value>, Fault> {
        let objects = self.world.decisions.objects.iter().map(|object| &**object);
        let mut found: Vec<_> = objects.filter(|object| of.describes(object, wanted)).collect();
        if found.is_empty() {
            let mut message = format!("no {} of {} {wanted} is known", of.kind, of.api_version);
            if let Some(reasons) = self.unseen(of, wanted) {
                message = format!("{message}: {reasons}");
            }
            return Err(unavailable(message));
        }
        found.sort_by_key(|object| name_of(object));
        Ok(found)
    }

    /// Why there may be more than can be seen.
    fn unseen(&self, of: &Description, wanted: &Wanted) -> Option<String> {
        let concerns = |unseen: &&Unseen| {
            unseen.api_version.as_ref().is_none_or(|version| *version == of.api_version)
                && unseen.object.as_ref().is_none_or(|object| of.describes(object, wanted))
        };
        reasons(self.world.decisions.unseen.iter().filter(concerns))
    }

    fn decide(&self, of: &Description, decision: &Map<String, Value>) -> Result<Base, Fault> {
        let Some(name) = decision.get(&of.key).and_then(Value::as_str) else {
            return Err(Fault::failed(format!(
                "{LABEL}: a decision has no text {:?}, by which clusters are found; correct matchKey",
                of.key
            )));
        };
        let id = format!("{LABEL} {name}");
        self.world.note_cluster(name);
        let mut clusters = self.fleet.clusters().ok_or_else(|| {
            Fault::failed(format!("{LABEL}: it is not known here which clusters there are"))
        })?;
        let Some(cluster) = clusters.find(|cluster| cluster.metadata.name.as_str() == name) else {
            let message = format!("{LABEL}: the cluster {name:?} is not known; enrol it");
            return Ok(Base::new(&id, Err(Fault::new(Reason::UnknownCluster, message))));
        };
        let mut own = crate::fleet::parameters(cluster);
        let merged = parameters::merge(&mut own, decision.clone()).map_err(|conflict| {
            let Conflict { key, left, right } = conflict;
            Fault::failed(format!(
                "{LABEL}: the cluster and the decision both give {key}, as {left} and as {right}"
            ))
        });
        Ok(Base::new(&id, merged.map(|()| own)))
    }
}

enum Wanted {
    Named(String),
    Selected(model::selector::LabelSelector),
}

impl Wanted {
    fn picks(&self, object: &Value) -> bool {
        match self {
            Self::Named(name) => object["metadata"]["name"] == name.as_str(),
            Self::Selected(selector) => {
                let labels = object["metadata"]["labels"].as_object();
                let label = |(key, value): (&String, &Value)| {
                    Some((key.clone(), value.as_str()?.to_owned()))
                };
                let labels: Labels = labels.into_iter().flatten().filter_map(label).collect();
                selector.matches(&labels)
            }
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => write!(f, "{name:?}"),
            Self::Selected(selector) => {
                let text = serde_json::to_string(selector).expect("selectors are JSON");
                write!(f, "with labels {text}")
            }
        }
    }
}

/// Some of the reasons, and how many there are besides.
pub(crate) fn reasons<'a>(unseen: impl Iterator<Item = &'a Unseen>) -> Option<String> {
    const SHOWN: usize = 3;
    let mut all: Vec<&str> = unseen.map(|unseen| unseen.reason.as_str()).collect();
    all.dedup();
    let rest = all.len().saturating_sub(SHOWN);
    let text = all.get(..SHOWN).unwrap_or(&all).join("; ");
    match rest {
        _ if all.is_empty() => None,
        0 => Some(text),
        rest => Some(format!("{text}; and {rest} more")),
    }
}

impl Description {
    /// Whether an object is one of those that are wanted.
    fn describes(&self, object: &Value, wanted: &Wanted) -> bool {
        let kind = object["kind"].as_str().unwrap_or_default();
        object["apiVersion"] == self.api_version.as_str()
            && is_plural_of(&self.kind.to_lowercase(), kind)
            && wanted.picks(object)
    }

    /// The decisions of an object. One that has not decided yet is not one that chose nothing.
    fn decisions<'a>(&self, object: &'a Value) -> Result<Vec<&'a Map<String, Value>>, Fault> {
        let (name, list) = (name_of(object), &self.list);
        let Some(items) = object["status"].get(list).and_then(Value::as_array) else {
            return Err(unavailable(format!("{name} has no list status.{list} yet")));
        };
        let map = |item: &'a Value| {
            item.as_object().ok_or_else(|| {
                Fault::failed(format!("{LABEL}: status.{list} of {name} is not a list of maps"))
            })
        };
        items.iter().map(map).collect()
    }
}

fn unavailable(message: String) -> Fault {
    Fault::new(Reason::SourceUnavailable, format!("{LABEL}: {message}"))
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
