//! One set: its generators evaluated, its template rendered for each element.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::application::Application;
use model::argo;
use model::generator::Generator as Spec;
use model::name::{ApplicationName, SetName};
use model::problem::{Problem, Reason};
use model::provider::Request;
use model::set::{ApplicationSet, overlaid};

use crate::application::ApplicationTemplate;
use crate::fleet::Fleet;
use crate::generator::{Compiler, Evaluator, Fault, Generator, Item, Wanted, grouped};
use crate::layers::Layers;
use crate::patch::Patches;
use crate::{RepoReference, World};

/// The generators whose elements are counted one by one when they are too many together.
const MAX_COUNTS_SHOWN: usize = 8;

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
    pub parameters: Layers,
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
    expand_again(set, &Previous::default(), fleet, world)
}

/// What a set gave before. Elements whose parameters are the same are not rendered again.
#[derive(Debug, Default)]
pub(crate) struct Previous<'a> {
    elements: HashMap<&'a str, &'a Element>,
}

impl<'a> Previous<'a> {
    /// Of the same document, before its names were compared with those of other sets.
    pub(crate) fn of(expansion: &'a SetExpansion) -> Self {
        let elements = expansion.elements.iter();
        Self { elements: elements.map(|element| (element.id.as_str(), element)).collect() }
    }

    /// What the element gave, if it gave an application: that follows from its generator's template
    /// and its parameters.
    fn application(
        &self,
        id: &str,
        generator: usize,
        parameters: &Layers,
    ) -> Option<Arc<Application>> {
        let element = self.elements.get(id)?;
        let Verdict::Ok(Generated::Native(application)) = &element.verdict else { return None };
        let is_same = element.generator == generator && element.parameters == *parameters;
        is_same.then(|| Arc::clone(application))
    }
}

/// As [`expand_in`], in a world that may have changed.
pub(crate) fn expand_again(
    set: &ApplicationSet,
    previous: &Previous<'_>,
    fleet: &Fleet<'_>,
    world: &World<'_>,
) -> SetExpansion {
    let mut expansion = SetExpansion::new(&set.metadata.name);
    let prefixed = |prefix: &str, faults: Vec<Fault>| -> Vec<Fault> {
        faults
            .into_iter()
            .map(|Fault { reason, message }| Fault::new(reason, format!("{prefix}{message}")))
            .collect()
    };
    let template = ApplicationTemplate::compile(&set.spec.template)
        .map_err(|faults| prefixed("spec.template.", faults));
    let patches =
        Patches::compile(&set.spec.template_patch).map_err(|faults| prefixed("spec.", faults));
    match (template, patches) {
        (Ok(template), Ok(patches)) => {
            Expander { set, previous, fleet, world, template, patches }.expand(&mut expansion);
        }
        (template, patches) => {
            let faults = [template.err(), patches.err()].into_iter().flatten().flatten();
            faults.for_each(|fault| expansion.incomplete("", fault));
        }
    }
    expansion.number_repeated_ids();
    expansion.problems.sort();
    expansion
}

/// One set with what is compiled of it.
struct Expander<'a> {
    set: &'a ApplicationSet,
    previous: &'a Previous<'a>,
    fleet: &'a Fleet<'a>,
    world: &'a World<'a>,
    template: ApplicationTemplate,
    patches: Patches,
}

impl Expander<'_> {
    fn expand(&self, expansion: &mut SetExpansion) {
        let Self { set, fleet, world, .. } = self;
        let limit = set.spec.safety.max_elements;
        let most = limit.map_or(world.options.max_elements, |limit| limit.get());
        let mut evaluator = Evaluator::new(set.metadata.name.as_str(), fleet, world, most);
        let mut compiler = Compiler::default();
        let mut counts = Vec::new();
        for (index, spec) in set.spec.generators.iter().enumerate() {
            let over = match self.template_of(spec) {
                Ok(over) => over,
                Err(faults) => {
                    let place = format!("generators[{index}]");
                    faults.into_iter().for_each(|fault| expansion.incomplete(&place, fault));
                    continue;
                }
            };
            let template = over.as_ref().unwrap_or(&self.template);
            let items = compiler.compile(spec).and_then(|generator: Generator| {
                let items = evaluator.evaluate(&generator);
                items.map_err(|fault| in_generator(generator.label(), fault))
            });
            match items {
                Ok(items) => {
                    counts.push(items.len());
                    // What goes over the cap is counted and not kept.
                    if counts.iter().sum::<usize>() <= most {
                        for item in items {
                            let (element, fault) = self.element(item, index, template);
                            expansion.add(element, fault);
                        }
                    }
                }
                Err(fault) => expansion.incomplete(&format!("generators[{index}]"), fault),
            }
        }
        let Wanted { missing, requests } = evaluator.wanted();
        expansion.missing = missing;
        expansion.requests = requests;
        expansion.cap_counts(&counts, most);
    }

    /// The set's template with the generator's own laid over it.
    fn template_of(&self, spec: &Spec) -> Result<Option<ApplicationTemplate>, Vec<Fault>> {
        let Some(over) = &spec.template else { return Ok(None) };
        let template = overlaid(&self.set.spec.template, over);
        let place = format!("{}.template.", spec.kind.name());
        ApplicationTemplate::compile(&template).map(Some).map_err(|faults| {
            let at = |Fault { reason, message }| Fault::new(reason, format!("{place}{message}"));
            faults.into_iter().map(at).collect()
        })
    }
}

/// Repeats the kind only where the message does not begin with it.
fn in_generator(label: &str, fault: Fault) -> Fault {
    if fault.message.starts_with(label) {
        return fault;
    }
    Fault { message: format!("{label}: {}", fault.message), ..fault }
}

impl Expander<'_> {
    fn element(
        &self,
        item: Item,
        generator: usize,
        template: &ApplicationTemplate,
    ) -> (Element, Option<Fault>) {
        let Item { id, outcome } = item;
        let held = |name, fault: &Fault| Verdict::Held { name, reason: fault.message.clone() };
        let scope = match outcome {
            Ok(scope) => scope,
            Err(fault) => {
                let verdict = held(None, &fault);
                let parameters = Layers::default();
                return (Element { id, generator, verdict, parameters }, Some(fault));
            }
        };
        let rendered = match self.previous.application(&id, generator, scope.layers()) {
            Some(known) => Ok(known),
            None => self.patches.render(template, &scope).map(Arc::new),
        };
        let (verdict, fault) = match rendered {
            Ok(application) if self.fleet.accepts(&application.spec.destination.cluster) => {
                (Verdict::Ok(Generated::Native(application)), None)
            }
            Ok(application) => {
                let message = self.fleet.refusal(&application.spec.destination.cluster);
                let fault = Fault::new(Reason::UnknownCluster, message);
                (held(Some(application.metadata.name.clone()), &fault), Some(fault))
            }
            Err(unrendered) => (held(unrendered.name, &unrendered.fault), Some(unrendered.fault)),
        };
        (Element { id, generator, verdict, parameters: scope.into_layers() }, fault)
    }
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
    pub(crate) fn too_many(&mut self, fault: Fault) {
        self.elements.clear();
        self.problems.clear();
        self.incomplete("", fault);
    }

    /// Takes none of too many elements; `counts` are those of each generator.
    pub(crate) fn cap_counts(&mut self, counts: &[usize], most: usize) {
        let count = counts.iter().sum::<usize>();
        if count <= most {
            return;
        }
        let what = match counts.len() {
            2..=MAX_COUNTS_SHOWN => {
                let counts: Vec<String> = counts.iter().map(|count| grouped(*count)).collect();
                format!("the set gives {} = {} elements", counts.join(" + "), grouped(count))
            }
            _ => format!("the set gives {} elements", grouped(count)),
        };
        self.too_many(Fault::over_cap(&what, most));
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
        let mut ids = HashSet::with_capacity(self.elements.len());
        if self.elements.iter().all(|element| ids.insert(element.id.as_str())) {
            return;
        }
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
