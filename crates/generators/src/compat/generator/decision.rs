//! `clusterDecisionResource`: the clusters that another controller has chosen, in the status of
//! objects that a ConfigMap describes.

use std::rc::Rc;

use gotemplate::print;
use gotemplate::value::Value as Go;
use model::argo::Unseen;
use model::problem::Reason;
use serde_json::{Map, Value};

use super::clusters::{self, IN_CLUSTER, IN_CLUSTER_SERVER, Known, namesakes};
use super::selector::Selector;
use super::{Engine, Evaluator, Fault, Params, Row, Values, in_field, put_values, text, types_of};
use crate::World;
use crate::generator::decisions::reasons;
use crate::provider::plural::is_plural_of;

/// Where the decisions are, unless the ConfigMap says otherwise.
const STATUS_LIST_KEY: &str = "clusters";

/// What the ConfigMap says.
struct Description<'w> {
    api_version: &'w str,
    /// The plural name of the resource.
    kind: &'w str,
    list_key: &'w str,
    match_key: &'w str,
}

impl<'a> Evaluator<'a> {
    pub(super) fn decision_rows(&mut self, body: &Value) -> Result<Vec<Row>, Fault> {
        let clusters = Rc::clone(&self.clusters);
        let known = clusters::known(&clusters, self.world)?;
        let description = self.description(text(body, "configMapRef"))?;
        let objects = self.objects(body, &description)?;
        if description.match_key.is_empty() {
            return Err(Fault::failed(format!(
                "the ConfigMap {} has no matchKey, so no decision can be matched; name the key of \
                 a decision that holds the name of the cluster",
                text(body, "configMapRef")
            )));
        }
        let mut rows = Vec::new();
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let status = object["status"].as_object().filter(|status| !status.is_empty());
            let Some(status) = status else {
                self.miss(Fault::new(
                    Reason::SourceUnavailable,
                    format!("clusterDecisionResource: {name} has no status yet"),
                ));
                continue;
            };
            let Some(list) = status.get(description.list_key).and_then(Value::as_array) else {
                return Err(Fault::failed(format!(
                    "status.{} of {name} is not a list of decisions; correct statusListKey",
                    description.list_key
                )));
            };
            for (index, decision) in list.iter().enumerate() {
                rows.extend(self.decide(body, &description, known, (name, index), decision));
            }
        }
        Ok(rows)
    }

    fn description(&self, name: &str) -> Result<Description<'a>, Fault> {
        let world: &'a World<'a> = self.world;
        let maps = &world.decisions.config_maps;
        let map = maps.iter().find(|map| map["metadata"]["name"] == *name).ok_or_else(|| {
            let known = maps.iter().filter_map(|map| map["metadata"]["name"].as_str());
            let known: Vec<_> = known.take(20).collect();
            Fault::new(
                Reason::SourceUnavailable,
                format!(
                    "{}; `muster expand` takes ConfigMaps with --decisions",
                    model::suggest::unknown("ConfigMap", name, &known)
                ),
            )
        })?;
        let field = |field: &str| map["data"][field].as_str().unwrap_or_default();
        let (api_version, kind) = (field("apiVersion"), field("kind"));
        if kind.is_empty() || api_version.find('/').is_none_or(|at| at == 0) {
            return Err(Fault::failed(format!(
                "the ConfigMap {name} needs an apiVersion as group/version, and kind, the plural \
                 name of the resource; it has {api_version:?} and {kind:?}"
            )));
        }
        let list_key = match field("statusListKey") {
            "" => STATUS_LIST_KEY,
            key => key,
        };
        Ok(Description { api_version, kind, list_key, match_key: field("matchKey") })
    }

    /// The objects that the generator asks for.
    fn objects(
        &mut self,
        body: &Value,
        description: &Description<'_>,
    ) -> Result<Vec<&'a Value>, Fault> {
        let world: &'a World<'a> = self.world;
        let name = text(body, "name");
        let spec = &body["labelSelector"];
        let asks = !spec["matchLabels"].is_null() || !spec["matchExpressions"].is_null();
        if name.is_empty() != asks {
            return Err(Fault::failed(
                "the definition needs either a name or a labelSelector with matchLabels or \
                 matchExpressions, and not both",
            ));
        }
        let selector = Selector::read(spec, "labelSelector", Values::Labels)?;
        if asks && selector.is_empty() {
            return Err(Fault::failed("labelSelector is empty, which no object matches"));
        }
        let is_chosen = |object: &Value| {
            let (kind, metadata) = (&object["kind"], &object["metadata"]);
            object["apiVersion"] == *description.api_version
                && kind.as_str().is_some_and(|kind| is_plural_of(description.kind, kind))
                && (name.is_empty() || metadata["name"] == *name)
                && selector.matches(|key| metadata["labels"].get(key).and_then(Value::as_str))
        };
        let objects = world.decisions.objects.iter().map(|object| &**object);
        let chosen: Vec<&Value> = objects.filter(|object| is_chosen(object)).collect();
        let concerns = |unseen: &&Unseen| {
            unseen.api_version.as_ref().is_none_or(|version| *version == *description.api_version)
                && unseen.object.as_ref().is_none_or(|object| is_chosen(object))
        };
        let unseen = reasons(world.decisions.unseen.iter().filter(concerns));
        if chosen.is_empty() {
            return Err(Fault::new(
                Reason::SourceUnavailable,
                format!(
                    "no {} of {} was found; {}",
                    description.kind,
                    description.api_version,
                    unseen.unwrap_or_else(|| "check the name or labelSelector".to_owned())
                ),
            ));
        }
        if let Some(reasons) = unseen {
            self.miss(Fault::new(
                Reason::SourceUnavailable,
                format!(
                    "clusterDecisionResource: {reasons}; what is in force and not among these stays"
                ),
            ));
        }
        Ok(chosen)
    }

    /// The row of one decision; none for a cluster that is not known, as for one that has left.
    fn decide(
        &self,
        body: &Value,
        description: &Description<'_>,
        known: &[Known],
        (object, index): (&str, usize),
        decision: &Value,
    ) -> Option<Row> {
        let place = format!("{object}.status.{}[{index}]", description.list_key);
        let id = |name: &str| format!("clusterDecisionResource {name}");
        let Some(entries) = decision.as_object() else {
            let fault = Fault::failed(format!("{place} is not a map"));
            return Some(Row { id: id(&place), outcome: Err(fault) });
        };
        let wanted = shown(entries.get(description.match_key).filter(|value| !value.is_null())?);
        let same: Vec<&Known> = known.iter().filter(|one| one.name == wanted).collect();
        let server = match same.as_slice() {
            // The cluster without a Secret can be chosen as long as none has its address.
            [] if wanted == IN_CLUSTER
                && known.iter().all(|one| server_of(one) != IN_CLUSTER_SERVER) =>
            {
                IN_CLUSTER_SERVER
            }
            [] => return None,
            [one] => server_of(one),
            several => return Some(Row { id: id(&wanted), outcome: Err(namesakes(several)) }),
        };
        let outcome = self.parameters(body, &wanted, server, entries);
        Some(Row { id: id(&wanted), outcome: outcome.map_err(|fault| in_field(&place, fault)) })
    }

    fn parameters(
        &self,
        body: &Value,
        name: &str,
        server: &str,
        entries: &Map<String, Value>,
    ) -> Result<Params, Fault> {
        let mut map = Map::from_iter([
            ("name".to_owned(), Value::from(name)),
            ("server".to_owned(), Value::from(server)),
        ]);
        map.extend(entries.iter().map(|(key, value)| (key.clone(), shown(value).into())));
        let Some(values) = body["values"].as_object().filter(|values| !values.is_empty()) else {
            return Ok(map.into());
        };
        // They are taken as they are: no template is rendered in them.
        if self.engine != Engine::Fast && map.contains_key("values") {
            return Err(Fault::failed(
                "the decision has a key named values, which the generator's values would have to \
                 be put into; rename it, or leave out the generator's",
            ));
        }
        let (_, types) = types_of(&[]);
        Ok(put_values(self.engine, map.into(), values.clone(), &types))
    }
}

/// A value as Go prints it. From an API server whole numbers come as such, and are exact.
fn shown(value: &Value) -> String {
    print::text(&exact(value))
}

fn exact(value: &Value) -> Go {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => Go::int64(number),
            None => Go::from_json(value),
        },
        Value::Array(items) => Go::list(items.iter().map(exact).collect()),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.as_str().into(), exact(value)));
            Go::map(entries.collect())
        }
        value => Go::from_json(value),
    }
}

/// Here Argo CD cuts slashes off the end of an address, and in `clusters` it does not.
fn server_of(cluster: &Known) -> &str {
    cluster.server.trim_end_matches('/')
}
