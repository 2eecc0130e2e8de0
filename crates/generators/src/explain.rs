//! Why an application is there: its set, generator, element, parameters, template and inputs.
//!
//! For `muster expand --explain`. It expands once more what it explains, so it is not for hot paths.

use std::rc::Rc;

use model::name::{ApplicationName, SetName};
use serde_json::{Map, Value};

use crate::dependencies::{Dependency, Record, Recorded};
use crate::expand::{Expansion, Sources, expand, written_element};
use crate::set::{Element, Generated, Verdict, expand_set};
use crate::{World, compat};

/// One claim to a name.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// `None` when a person wrote the application.
    pub set: Option<SetName>,
    /// Where the generators stand in the set that made the element, without their insides:
    /// `spec.generators[0].matrix.generators[1].git`. One for each child of a matrix.
    pub generators: Vec<String>,
    /// The element's id; empty when a person wrote it.
    pub element: String,
    pub verdict: Verdict,
    pub parameters: Map<String, Value>,
    /// What the element was made from. Other elements of its generator may depend on more.
    pub depends_on: Vec<Dependency>,
    /// The fields of the template that hold templates, and what they came to.
    pub fields: Vec<TemplateField>,
}

/// One string of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateField {
    /// `spec.template.metadata.name`, or `spec.generators[0].list.template.…`.
    pub path: String,
    pub template: String,
    /// What stands there in the application; `None` when the element is held, or when something
    /// else stands there, such as what a patch says.
    pub value: Option<Value>,
}

/// Explains every claim to a name: more than one hold each other. Empty when there is none.
#[must_use]
pub fn explain(
    sources: &Sources<'_>,
    world: &World<'_>,
    name: &ApplicationName,
) -> Vec<Explanation> {
    let expansion = expand(sources, world);
    let mut found = Vec::new();
    for (index, set) in expansion.sets.iter().enumerate() {
        // Sets of one name, of both dialects or in two files, come in the order of the sources.
        let earlier = expansion.sets[..index].iter().filter(|one| one.set == set.set).count();
        let Some(source) = SetSource::find(sources, &set.set, earlier) else { continue };
        let claims = set.elements.iter().filter(|element| element.verdict.name() == Some(name));
        found.extend(claims.map(|element| source.explain(element, &set.set, world)));
    }
    found.extend(written(sources, &expansion, name));
    found
}

/// Those that persons wrote.
fn written(
    sources: &Sources<'_>,
    expansion: &Expansion,
    name: &ApplicationName,
) -> Vec<Explanation> {
    let native = sources.applications.iter().filter(|one| one.metadata.name == *name);
    let native = native.map(|one| Generated::Native(std::sync::Arc::new(one.clone())));
    let argo = sources.argo_applications.iter().filter(|one| one.name == *name);
    let argo = argo.map(|one| Generated::Argo(std::sync::Arc::new(one.clone())));
    let element = written_element(name);
    let held = expansion.problems.iter().find(|one| one.set.is_empty() && one.element == element);
    let held = held.map(|problem| problem.message.clone());
    let explanation = |application| Explanation {
        set: None,
        generators: Vec::new(),
        element: String::new(),
        verdict: match &held {
            Some(reason) => Verdict::Held { name: Some(name.clone()), reason: reason.clone() },
            None => Verdict::Ok(application),
        },
        parameters: Map::new(),
        depends_on: Vec::new(),
        fields: Vec::new(),
    };
    native.chain(argo).map(explanation).collect()
}

/// A set as its document has it.
enum SetSource<'a> {
    Native(&'a model::set::ApplicationSet),
    Argo(&'a model::argo::ApplicationSet),
}

impl<'a> SetSource<'a> {
    fn find(sources: &Sources<'a>, name: &SetName, nth: usize) -> Option<Self> {
        let native = sources.sets.iter().filter(|set| set.metadata.name == *name);
        let argo = sources.argo_sets.iter().filter(|set| set.name == *name);
        native.map(Self::Native).chain(argo.map(Self::Argo)).nth(nth)
    }

    fn explain(&self, element: &Element, set: &SetName, world: &World<'_>) -> Explanation {
        let spec = self.spec();
        let generator = &spec["generators"][element.generator];
        let at = format!("spec.generators[{}]", element.generator);
        let mut generators = Vec::new();
        leaves(generator, &at, &mut generators);
        Explanation {
            set: Some(set.clone()),
            generators,
            element: element.id.clone(),
            verdict: element.verdict.clone(),
            parameters: element.parameters.to_map(),
            depends_on: self.dependencies(element, world),
            fields: fields(&spec, generator, &at, &element.verdict),
        }
    }

    fn spec(&self) -> Value {
        match self {
            Self::Native(set) => {
                serde_json::to_value(&set.spec).expect("sets are expressible in JSON")
            }
            Self::Argo(set) => set.spec.clone(),
        }
    }

    /// What the generator of an element has looked at, without the files of other elements.
    fn dependencies(&self, element: &Element, world: &World<'_>) -> Vec<Dependency> {
        let record = Record::default();
        let recorded = Recorded::new(world, &record);
        match self {
            Self::Native(set) => {
                let mut set = (*set).clone();
                let mut generators = std::mem::take(&mut set.spec.generators).into_iter();
                set.spec.generators.extend(generators.nth(element.generator));
                let _seen = expand_set(&set, &recorded.world());
            }
            Self::Argo(set) => {
                let mut set = (*set).clone();
                let generator = set.spec["generators"][element.generator].take();
                set.spec["generators"] = Value::Array(vec![generator]);
                let _seen = compat::expand_set(&set, &Rc::default(), &recorded.world());
            }
        }
        let mut all = record.finish().list();
        all.retain(|dependency| match dependency {
            Dependency::File { path, .. } => names_path(&element.id, path.as_str()),
            _ => true,
        });
        all
    }
}

/// Whether a file is one of those that an element's id names: ids are made of paths.
fn names_path(id: &str, path: &str) -> bool {
    id.split(" × ").any(|part| {
        let rest = part.strip_prefix("git ").and_then(|part| part.strip_prefix(path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '#']))
    })
}

/// The generators without children below this one.
fn leaves(generator: &Value, at: &str, found: &mut Vec<String>) {
    let kinds = generator.as_object().into_iter().flatten();
    for (kind, inside) in kinds.filter(|(_, inside)| inside.is_object()) {
        if kind == "selector" {
            continue;
        }
        let below = children(inside);
        if below.is_empty() {
            found.push(format!("{at}.{kind}"));
        }
        for (place, child) in below {
            leaves(child, &format!("{at}.{kind}.{place}"), found);
        }
    }
}

/// The generators that stand in a generator, each with its place.
fn children(inside: &Value) -> Vec<(String, &Value)> {
    let listed = inside.get("generators").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.enumerate().map(|(index, one)| (format!("generators[{index}]"), one));
    let sides = ["left", "right"].into_iter();
    let sides = sides.filter_map(|side| Some((side.to_owned(), inside.get(side)?)));
    listed.chain(sides.filter(|(_, one)| one.is_object())).collect()
}

/// The templates of a set that this element went through; those of its generator stand over the
/// set's.
fn fields(spec: &Value, generator: &Value, at: &str, verdict: &Verdict) -> Vec<TemplateField> {
    let document = match verdict {
        Verdict::Ok(Generated::Native(application)) => serde_json::to_value(&**application).ok(),
        Verdict::Ok(Generated::Argo(application)) => Some(application.document.to_value()),
        Verdict::Held { .. } => None,
    };
    let mut walk = Walk { document: document.as_ref(), found: Vec::new() };
    let overrides = templates(generator, at);
    for (path, template) in &overrides {
        walk.template(template, path, &mut Vec::new(), &[]);
    }
    let over: Vec<&Value> = overrides.iter().map(|(_, template)| *template).collect();
    walk.template(&spec["template"], "spec.template", &mut Vec::new(), &over);
    // Where a patch puts its strings is not told: it may be text, or a list of operations.
    let mut patches = Walk { document: None, found: walk.found };
    match &spec["templatePatch"] {
        Value::String(text) => {
            let (path, template) = ("spec.templatePatch".to_owned(), text.clone());
            patches.found.push(TemplateField { path, template, value: None });
        }
        patch => patches.template(patch, "spec.templatePatch", &mut Vec::new(), &[]),
    }
    patches.found
}

/// The `template` fields of a generator and of those below it, with their paths.
fn templates<'a>(generator: &'a Value, at: &str) -> Vec<(String, &'a Value)> {
    let mut found = Vec::new();
    for (kind, inside) in generator.as_object().into_iter().flatten() {
        if let Some(template) = inside.get("template") {
            found.push((format!("{at}.{kind}.template"), template));
        }
        for (place, child) in children(inside) {
            found.extend(templates(child, &format!("{at}.{kind}.{place}")));
        }
    }
    found
}

struct Walk<'a> {
    document: Option<&'a Value>,
    found: Vec<TemplateField>,
}

/// One step from the top of a template to a string.
#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Key(key) => value.get(key),
            Self::Index(index) => value.get(index),
        }
    }
}

fn at<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| step.of(value))
}

fn is_name(steps: &[Step]) -> bool {
    matches!(steps, [Step::Key(a), Step::Key(b)] if a == "metadata" && b == "name")
}

impl Walk<'_> {
    fn template(&mut self, value: &Value, path: &str, steps: &mut Vec<Step>, over: &[&Value]) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    steps.push(Step::Key(key.clone()));
                    self.template(value, &format!("{path}.{key}"), steps, over);
                    steps.pop();
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    steps.push(Step::Index(index));
                    self.template(value, &format!("{path}[{index}]"), steps, over);
                    steps.pop();
                }
            }
            Value::String(text) if text.contains("{{") || (is_name(steps) && !text.is_empty()) => {
                let stands = |one: &&Value| at(one, steps).is_some_and(|one| *one != "");
                if over.iter().any(stands) {
                    return;
                }
                let value = self.document.and_then(|document| at(document, steps)).cloned();
                self.found.push(TemplateField {
                    path: path.to_owned(),
                    template: text.clone(),
                    value,
                });
            }
            _ => {}
        }
    }
}
