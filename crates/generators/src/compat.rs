//! The compat dialect: `argoproj.io` sets, expanded as Argo CD 3.5 expands them, oddities included,
//! as far as laws L1 to L3 allow.
//!
//! Where Argo CD stops a whole set at one bad element, that element is held and its neighbours go on.

mod engine;
mod generator;
mod params;
mod patch;
mod render;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use model::argo::{Application, ApplicationSet};
use model::name::ApplicationName;
use model::problem::Reason;
use model::set::ElementLimit;
use serde_json::Value;

use crate::World;
use crate::generator::Fault;
use crate::layers::Layers;
use crate::set::{Element, Generated, SetExpansion, Verdict};
use engine::{Engine, Params, Scope};
pub(crate) use generator::Clusters;
use generator::{Evaluator, Item};
use render::{ApplicationTemplate, Common, Unrendered};

/// Expands one set. Total: whatever is wrong is in the result.
pub(crate) fn expand_set(
    set: &ApplicationSet,
    clusters: &Rc<Clusters>,
    world: &World<'_>,
) -> SetExpansion {
    let mut expansion = SetExpansion::new(&set.name);
    match Engine::of_spec(&set.spec) {
        Ok(engine) => expand_with(engine, set, clusters, world, &mut expansion),
        Err(fault) => expansion.incomplete("", fault),
    }
    expansion.number_repeated_ids();
    expansion.problems.sort();
    expansion
}

fn expand_with(
    engine: Engine,
    set: &ApplicationSet,
    clusters: &Rc<Clusters>,
    world: &World<'_>,
    expansion: &mut SetExpansion,
) {
    let common = Common::of_set(engine, &set.namespace, &set.spec);
    let mut templates = Templates::new(&common, &set.spec["template"]);
    let mut evaluator = Evaluator::new(world, engine);
    evaluator.clusters = Rc::clone(clusters);
    evaluator.set = set.name.to_string();
    evaluator.most = set.safety.max_elements.map_or(evaluator.most, ElementLimit::get);
    let project = &set.spec["template"]["spec"]["project"];
    evaluator.lacks_project = project.as_str().unwrap_or_default().is_empty();
    let entries = set.spec["generators"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        match evaluator.evaluate(entry) {
            Ok(items) => {
                for item in items {
                    let template = templates.of(&common, item.template.as_ref());
                    let (element, fault) = element(item, index, &template, &common);
                    expansion.add(element, fault);
                }
            }
            Err(fault) => expansion.incomplete(&format!("generators[{index}]"), fault),
        }
    }
    for fault in std::mem::take(&mut evaluator.partial) {
        expansion.incomplete("", fault);
    }
    expansion.missing = std::mem::take(&mut evaluator.missing);
    expansion.requests = std::mem::take(&mut evaluator.requests);
    for fault in templates.faults(&common) {
        expansion.incomplete("", fault);
    }
    if expansion.elements.len() > evaluator.most {
        expansion.too_many(evaluator.too_many("the set"));
    }
    let mut volatile = templates.volatile(&common);
    volatile_in(engine, &set.spec["generators"], &mut volatile);
    if !volatile.is_empty() {
        expansion.problem("", flaps(&volatile));
    }
}

/// The set's template and those that its generators make of it, each compiled once.
struct Templates {
    base: Value,
    of_set: Rc<ApplicationTemplate>,
    own: Vec<(Rc<Value>, Rc<ApplicationTemplate>)>,
}

impl Templates {
    fn new(common: &Common, base: &Value) -> Self {
        let of_set = Rc::new(ApplicationTemplate::compile(common, base));
        Self { base: base.clone(), of_set, own: Vec::new() }
    }

    fn of(&mut self, common: &Common, own: Option<&Rc<Value>>) -> Rc<ApplicationTemplate> {
        let Some(own) = own else {
            return Rc::clone(&self.of_set);
        };
        if let Some((_, known)) = self.own.iter().find(|(known, _)| Rc::ptr_eq(known, own)) {
            return Rc::clone(known);
        }
        let merged = render::merge_templates(own, &self.base);
        let template = Rc::new(ApplicationTemplate::compile(common, &merged));
        self.own.push((Rc::clone(own), Rc::clone(&template)));
        template
    }

    fn all(&self) -> impl Iterator<Item = &ApplicationTemplate> {
        std::iter::once(&*self.of_set).chain(self.own.iter().map(|(_, template)| &**template))
    }

    /// What keeps every element from being rendered is told once.
    fn faults(&self, common: &Common) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for fault in self.all().filter_map(ApplicationTemplate::fault).chain(common.fault()) {
            if !faults.contains(fault) {
                faults.push(fault.clone());
            }
        }
        faults
    }

    fn volatile(&self, common: &Common) -> BTreeSet<&'static str> {
        let of_templates = self.all().flat_map(ApplicationTemplate::volatile);
        of_templates.chain(common.volatile().iter().copied()).collect()
    }
}

/// The functions in the texts of generators that answer differently each time.
fn volatile_in(engine: Engine, value: &Value, found: &mut BTreeSet<&'static str>) {
    match value {
        Value::String(text) => {
            if let Ok(text) = engine.compile(text) {
                found.extend(text.volatile());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| volatile_in(engine, item, found)),
        Value::Object(entries) => {
            entries.values().for_each(|value| volatile_in(engine, value, found));
        }
        _ => {}
    }
}

fn flaps(functions: &BTreeSet<&'static str>) -> Fault {
    let names: Vec<&str> = functions.iter().copied().collect();
    let names = names.join(", ");
    Fault::new(
        Reason::Volatile,
        format!(
            "{names}: the answer is another one each time, so the applications of this set change \
             with every expansion; write a fixed value"
        ),
    )
}

/// One element, rendered. A fault that all elements share is told by the set.
fn element(
    item: Item,
    generator: usize,
    template: &ApplicationTemplate,
    common: &Common,
) -> (Element, Option<Fault>) {
    let Item { id, outcome, .. } = item;
    let params = match outcome {
        Ok(params) => params,
        Err(fault) => {
            let verdict = Verdict::Held { name: None, reason: fault.message.clone() };
            return (
                Element { id, generator, verdict, parameters: Layers::default() },
                Some(fault),
            );
        }
    };
    let (verdict, fault) = match application(&params, template, common) {
        Ok(application) => (Verdict::Ok(Generated::Argo(Arc::new(application))), None),
        Err(Unrendered { name, fault }) => {
            let name = name.and_then(|name| ApplicationName::new(&name).ok());
            let shared = [template.fault(), common.fault()].contains(&Some(&fault));
            let verdict = Verdict::Held { name, reason: fault.message.clone() };
            (verdict, (!shared).then_some(fault))
        }
    };
    (Element { id, generator, verdict, parameters: params.into_layers() }, fault)
}

fn application(
    params: &Params,
    template: &ApplicationTemplate,
    common: &Common,
) -> Result<Application, Unrendered> {
    let bare = params.is_empty();
    if !bare && let Some((name, document)) = template.filled(&Scope::new(params)) {
        return Ok(Application { name, namespace: common.namespace().to_owned(), document });
    }
    let document = template.render(common, &Scope::new(params), bare)?;
    let metadata = &document["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text("name"), text("namespace"));
    match ApplicationName::new(&name) {
        Ok(name) => Ok(Application { name, namespace, document: document.into() }),
        Err(error) => {
            let fault = render::invalid(format!("metadata.name: {error}"));
            Err(Unrendered { name: None, fault })
        }
    }
}
