//! `clusters`: one element for each cluster that the selector picks, by name.

use model::generator::ClustersGenerator;
use serde_json::Value;

use super::selector;
use super::{Base, Evaluator, Fault, Generator, Values};
use crate::template::Scope;

#[derive(Debug)]
pub(super) struct Template {
    selector: selector::Template,
    pub(super) values: Values,
}

impl Template {
    pub(super) fn compile(clusters: &ClustersGenerator) -> Result<Self, Fault> {
        Ok(Self {
            selector: selector::Template::compile(&clusters.selector, "clusters.selector")?,
            values: Values::compile(&clusters.values, "clusters")?,
        })
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
        self.once(generator, vec![Value::to_string(&key)], |evaluator, _| {
            let clusters = evaluator.fleet.clusters().ok_or_else(|| {
                Fault::failed("clusters: it is not known here which clusters there are")
            })?;
            let picked = clusters.filter(|cluster| selector.matches(&cluster.metadata.labels));
            Ok(picked.map(base).collect())
        })
    }
}

fn base(cluster: &model::cluster::Cluster) -> Base {
    let name = cluster.metadata.name.as_str();
    Base { id: format!("clusters {name}"), parameters: Ok(crate::fleet::parameters(cluster)) }
}
