//! One set: its generators evaluated, its template rendered for each element.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::application::Application;
use model::argo;
use model::name::{ApplicationName, SetName};
use model::problem::{Problem, Reason};
use model::provider::Request;
use model::set::ApplicationSet;
use serde_json::{Map, Value};

use crate::application::ApplicationTemplate;
use crate::fleet::Fleet;
use crate::generator::{Compiler, Evaluator, Fault, Generator, Item};
use crate::{RepoReference, World};

/// What a set gives: an element for each parameter set, each with its own verdict.
#[derive(Debug, Clone)]
pub struct SetExpansion {
    pub set: SetName,
    /// In the order of the generators; within one, in the order of what it lists, by name or path.
    pub elements: Vec<Element>,
    pub problems: Vec<Problem>,
    /// Whether the generators saw all of their input. When not, the caller removes nothing of this
    /// set: what is absent may only be unseen (law L2).
    pub complete: bool,
    /// The repositories that were asked for and could not be read. Fetch them and expand again:
    /// this is how templated references inside a matrix, which [`crate::references`] cannot know,
    /// come to be read.
    pub missing: BTreeSet<RepoReference>,
    /// What services were asked, or are to be asked, for this set.
    pub requests: BTreeSet<Request>,
}

/// One parameter set and what became of it.
#[derive(Debug, Clone)]
pub struct Element {
    /// A name for people, unique in the set and the same as long as the element is: `list[0]`,
    /// `clusters eu-1`, `git apps/web × clusters eu-1`. A repeated one has `#2` behind it.
    pub id: String,
    /// The index in `spec.generators`.
    pub generator: usize,
    pub verdict: Verdict,
    /// Empty when the element failed before it had its parameters.
    pub parameters: Map<String, Value>,
}

/// An application as its dialect writes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Generated {
    Native(Arc<Application>),
    Argo(Arc<argo::Application>),
}

impl Generated {
    #[must_use]
    pub fn native(&self) -> Option<&Arc<Application>> {
        match self {
            Self::Native(application) => Some(application),
            Self::Argo(_) => None,
        }
    }

    #[must_use]
    pub fn name(&self) -> &ApplicationName {
        match self {
            Self::Native(application) => &application.metadata.name,
            Self::Argo(application) => &application.name,
        }
    }
}

/// Whether an element gives an application.
#[derive(Debug, Clone)]
pub enum Verdict {
    Ok(Generated),
    /// The last good application of this element, if any, stays as it is.
    Held {
        /// When it could still be told.
        name: Option<ApplicationName>,
        reason: String,
    },
}

impl Verdict {
    /// The name of the application, as far as it is known.
    #[must_use]
    pub fn name(&self) -> Option<&ApplicationName> {
        match self {
            Self::Ok(application) => Some(application.name()),
            Self::Held { name, .. } => name.as_ref(),
        }
    }
}

/// Expands one set against a snapshot of the world. Total: whatever is wrong is in the result.
///
/// Names are checked for duplicates by [`crate::expand`], which sees all sets.
#[must_use]
pub fn expand_set(set: &ApplicationSet, world: &World<'_>) -> SetExpansion {
    expand_in(set, &Fleet::new(world), world)
}

pub(crate) fn expand_in(
    set: &ApplicationSet,
    fleet: &Fleet<'_>,
    world: &World<'_>,
) -> SetExpansion {
    let mut expansion = SetExpansion::new(&set.metadata.name);
    match ApplicationTemplate::compile(&set.spec.template) {
        Ok(template) => expand_generators(&mut expansion, set, &template, fleet, world),
        Err(faults) => {
            for Fault { reason, message } in faults {
                let message = format!("spec.template.{message}");
                expansion.incomplete("", Fault::new(reason, message));
            }
        }
    }
    expansion.number_repeated_ids();
    expansion.problems.sort();
    expansion
}

fn expand_generators(
    expansion: &mut SetExpansion,
    set: &ApplicationSet,
    template: &ApplicationTemplate,
    fleet: &Fleet<'_>,
    world: &World<'_>,
) {
    let mut evaluator = Evaluator::new(fleet, world);
    let mut compiler = Compiler::default();
    for (index, spec) in set.spec.generators.iter().enumerate() {
        let items = compiler.compile(spec).and_then(|generator: Generator| {
            let items = evaluator.evaluate(&generator);
            items.map_err(|fault| in_generator(generator.label(), fault))
        });
        match items {
            Ok(items) => {
                let elements = items.into_iter().map(|item| element(item, index, template, fleet));
                elements.for_each(|(element, fault)| expansion.add(element, fault));
            }
            Err(fault) => expansion.incomplete(&format!("generators[{index}]"), fault),
        }
    }
    expansion.missing = evaluator.missing();
    expansion.cap(world.options.max_elements);
}

/// Repeats the kind only where the message does not begin with it.
fn in_generator(label: &str, fault: Fault) -> Fault {
    if fault.message.starts_with(label) {
        return fault;
    }
    Fault { message: format!("{label}: {}", fault.message), ..fault }
}

fn element(
    item: Item,
    generator: usize,
    template: &ApplicationTemplate,
    fleet: &Fleet<'_>,
) -> (Element, Option<Fault>) {
    let Item { id, outcome } = item;
    let held = |name, fault: &Fault| Verdict::Held { name, reason: fault.message.clone() };
    let scope = match outcome {
        Ok(scope) => scope,
        Err(fault) => {
            let verdict = held(None, &fault);
            return (Element { id, generator, verdict, parameters: Map::new() }, Some(fault));
        }
    };
    let (verdict, fault) = match template.render(&scope) {
        Ok(application) if fleet.accepts(&application.spec.destination.cluster) => {
            (Verdict::Ok(Generated::Native(Arc::new(application))), None)
        }
        Ok(application) => {
            let message = fleet.refusal(&application.spec.destination.cluster);
            let fault = Fault::new(Reason::UnknownCluster, message);
            (held(Some(application.metadata.name), &fault), Some(fault))
        }
        Err(unrendered) => (held(unrendered.name, &unrendered.fault), Some(unrendered.fault)),
    };
    (Element { id, generator, verdict, parameters: scope.into_map() }, fault)
}

impl SetExpansion {
    pub(crate) fn new(set: &SetName) -> Self {
        Self {
            set: set.clone(),
            elements: Vec::new(),
            problems: Vec::new(),
            complete: true,
            missing: BTreeSet::new(),
            requests: BTreeSet::new(),
        }
    }

    /// Some elements are as good as others, so of too many none is taken: the last good ones stay.
    pub(crate) fn cap(&mut self, most: usize) {
        let count = self.elements.len();
        if count > most {
            self.elements.clear();
            self.problems.clear();
            let message = format!(
                "the set gives {count} elements; at most {most} are allowed: narrow its \
                 generators, or divide it"
            );
            self.incomplete("", Fault::new(Reason::TooManyElements, message));
        }
    }

    pub(crate) fn add(&mut self, element: Element, fault: Option<Fault>) {
        if let Some(fault) = fault {
            if element.verdict.name().is_none() {
                self.complete = false;
            }
            self.problem(&element.id, fault);
        }
        self.elements.push(element);
    }

    pub(crate) fn incomplete(&mut self, element: &str, fault: Fault) {
        self.complete = false;
        self.problem(element, fault);
    }

    pub(crate) fn problem(&mut self, element: &str, fault: Fault) {
        let (set, element) = (self.set.to_string(), element.to_owned());
        self.problems.push(Problem { set, element, reason: fault.reason, message: fault.message });
    }

    pub(crate) fn number_repeated_ids(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for element in &mut self.elements {
            let count = seen.entry(element.id.clone()).or_default();
            *count += 1;
            if *count > 1 {
                element.id = format!("{}#{count}", element.id);
            }
        }
    }
}
