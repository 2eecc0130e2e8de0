//! `clusters`: one element for each cluster that the selector picks, by name.

use model::generator::ClustersGenerator;
use serde_json::Value;

use super::selector;
use super::{Base, Evaluator, Fault, Generator, Values};
use crate::parameters::Parameters;
use crate::template::Scope;

#[derive(Debug)]
pub(super) struct Template {
    selector: selector::Template,
    values: Values,
    flat: bool,
}

impl Template {
    pub(super) fn compile(clusters: &ClustersGenerator) -> Result<Self, Fault> {
        Ok(Self {
            selector: selector::Template::compile(&clusters.selector, "clusters.selector")?,
            values: Values::compile(&clusters.values, "clusters")?,
            flat: clusters.flat_list,
        })
    }

    /// The clusters of a flat list have their values already.
    pub(super) fn item_values(&self) -> Option<&Values> {
        (!self.flat).then_some(&self.values)
    }
}

impl Evaluator<'_> {
    pub(super) fn clusters(
        &mut self,
        clusters: &Template,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        let selector = clusters.selector.render(outer)?;
        let key = serde_json::to_value(&selector).expect("selectors are expressible in JSON");
        self.world.note_clusters(&selector);
        let bases = self.once(generator, vec![Value::to_string(&key)], |evaluator, _| {
            let clusters = evaluator.fleet.clusters().ok_or_else(|| {
                Fault::failed("clusters: it is not known here which clusters there are")
            })?;
            let picked = clusters.filter(|cluster| selector.matches(&cluster.metadata.labels));
            Ok(picked.map(base).collect())
        })?;
        if clusters.flat {
            return Ok(vec![flat(bases, clusters, outer)]);
        }
        Ok(bases)
    }
}

/// All clusters as one list, each with its values.
fn flat(bases: Vec<Base>, clusters: &Template, outer: &Scope) -> Base {
    let with_values = |base: Base| -> Result<Value, Fault> {
        let shared = base.parameters?;
        let mut own = Parameters::clone(&shared);
        if !clusters.values.is_empty() {
            let scope = super::joined(outer, "what is around it", &base.id, &shared)?;
            own.insert("values".to_owned(), clusters.values.render(&scope)?.into());
        }
        Ok(Value::Object(own))
    };
    let list: Result<Vec<Value>, Fault> = bases.into_iter().map(with_values).collect();
    let parameters =
        list.map(|list| Parameters::from_iter([("clusters".to_owned(), Value::Array(list))]));
    Base::new("clusters", parameters)
}

fn base(cluster: &model::cluster::Cluster) -> Base {
    let name = cluster.metadata.name.as_str();
    Base::new(&format!("clusters {name}"), Ok(crate::fleet::parameters(cluster)))
}
