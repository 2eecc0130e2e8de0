//! Generators: what stands in `spec.generators`, compiled once and evaluated to items.
//!
//! A generator sees the parameters of those before it in its matrix and gives them on with its
//! own added. One item that fails is an item with a fault; only what keeps a generator from
//! seeing its input at all (its repository, its own fields, the cap) fails the generator.

mod clusters;
mod git;
mod glob;
mod list;
mod matrix;
mod selector;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use model::generator as spec;
use model::problem::Reason;
use model::tree::FileTree;
use serde_json::{Map, Value};

use crate::application::in_field;
use crate::fleet::Fleet;
use crate::parameters::{self, Parameters};
use crate::template::{Budget, Scope, Text};
use crate::{RepoReference, Unavailable, World};

/// Why an element or a generator gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Reason::GeneratorFailed, message)
    }

    fn too_many(what: &str, most: usize) -> Self {
        Self::new(
            Reason::TooManyElements,
            format!(
                "{what} gives more than {most} elements; narrow it with a selector, or \
                 divide the set"
            ),
        )
    }
}

/// One set of parameters, with a name that people know it by.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) outcome: Result<Scope, Fault>,
}

/// What a generator gives by itself, before `values` and the parameters around it are added.
#[derive(Debug, Clone)]
struct Base {
    id: String,
    parameters: Result<Parameters, Fault>,
}

/// The number of a generator and its fields, rendered: what its bases depend on.
type Inputs = (usize, Vec<String>);

/// A generator, compiled.
#[derive(Debug)]
pub(crate) struct Generator {
    /// Its number in the set: the key of what was evaluated before.
    node: usize,
    /// Whether it stands in a matrix and may be evaluated many times.
    nested: bool,
    kind: Kind,
    selector: Option<selector::Template>,
}

#[derive(Debug)]
enum Kind {
    List(list::Template),
    Clusters(clusters::Template),
    Git(git::Template),
    Matrix(Vec<Generator>),
}

/// Compiles the generators of a set; numbers them as it goes.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    nodes: usize,
}

impl Compiler {
    pub(crate) fn compile(&mut self, spec: &spec::Generator) -> Result<Generator, Fault> {
        self.generator(spec, false)
    }

    fn generator(&mut self, spec: &spec::Generator, nested: bool) -> Result<Generator, Fault> {
        self.nodes += 1;
        let node = self.nodes;
        let kind = match &spec.kind {
            spec::GeneratorKind::List(list) => Kind::List(list::Template::compile(list, nested)?),
            spec::GeneratorKind::Clusters(clusters) => {
                Kind::Clusters(clusters::Template::compile(clusters)?)
            }
            spec::GeneratorKind::Git(git) => Kind::Git(git::Template::compile(git)?),
            spec::GeneratorKind::Matrix(matrix) => Kind::Matrix(self.children(matrix)?),
            other => {
                let kind = other.name();
                return Err(Fault::failed(format!("{kind} is not evaluated by this version")));
            }
        };
        let selector = spec.selector.as_ref();
        let selector = selector
            .map(|selector| selector::Template::compile(selector, "selector"))
            .transpose()?;
        Ok(Generator { node, nested, kind, selector })
    }

    fn children(&mut self, matrix: &spec::MatrixGenerator) -> Result<Vec<Generator>, Fault> {
        if matrix.generators.is_empty() {
            return Err(Fault::failed("matrix.generators is empty; a matrix needs one at least"));
        }
        let compiled = matrix.generators.iter().enumerate().map(|(index, child)| {
            let at = |fault: Fault| Fault {
                message: format!("matrix.generators[{index}]: {}", fault.message),
                ..fault
            };
            self.generator(child, true).map_err(at)
        });
        compiled.collect()
    }
}

impl Generator {
    /// The kind, as it is written.
    pub(crate) fn label(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "list",
            Kind::Clusters(_) => "clusters",
            Kind::Git(_) => "git",
            Kind::Matrix(_) => "matrix",
        }
    }
}

/// Evaluates the generators of one set; what it has evaluated or fetched once it keeps.
pub(crate) struct Evaluator<'a> {
    fleet: &'a Fleet<'a>,
    world: &'a World<'a>,
    trees: BTreeMap<RepoReference, Result<Arc<dyn FileTree>, Unavailable>>,
    bases: HashMap<Inputs, Rc<Result<Vec<Base>, Fault>>>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(fleet: &'a Fleet<'a>, world: &'a World<'a>) -> Self {
        Self { fleet, world, trees: BTreeMap::new(), bases: HashMap::new() }
    }

    /// The repositories that were asked for and could not be read.
    pub(crate) fn missing(self) -> BTreeSet<RepoReference> {
        let missing = self.trees.into_iter().filter(|(_, tree)| tree.is_err());
        missing.map(|(reference, _)| reference).collect()
    }

    /// The most elements that this set may give.
    fn most(&self) -> usize {
        self.world.options.max_elements
    }

    /// The items of a generator that stands at the top of a set.
    pub(crate) fn evaluate(&mut self, generator: &Generator) -> Result<Vec<Item>, Fault> {
        self.items(generator, "", &Scope::new(Map::new()))
    }

    fn items(
        &mut self,
        generator: &Generator,
        outer_id: &str,
        outer: &Scope,
    ) -> Result<Vec<Item>, Fault> {
        let mut items = match &generator.kind {
            Kind::Matrix(children) => {
                let selector = rendered(generator.selector.as_ref(), outer)?;
                return matrix::product(self, children, selector.as_ref(), outer_id, outer);
            }
            _ => self.terminal(generator, outer_id, outer)?,
        };
        if let Some(selector) = rendered(generator.selector.as_ref(), outer)? {
            items.retain(|item| match &item.outcome {
                Ok(scope) => selector.matches(&parameters::flatten(scope.map())),
                // Whether it would match is not known, so it is kept and held.
                Err(_) => true,
            });
        }
        if items.len() > self.most() {
            return Err(Fault::too_many(generator.label(), self.most()));
        }
        Ok(items)
    }

    /// The items of a generator that is not a matrix: its own parameters with those around it.
    fn terminal(
        &mut self,
        generator: &Generator,
        outer_id: &str,
        outer: &Scope,
    ) -> Result<Vec<Item>, Fault> {
        let (bases, values) = match &generator.kind {
            Kind::List(list) => (self.list(list, generator, outer)?, None),
            Kind::Clusters(clusters) => {
                (self.clusters(clusters, generator, outer)?, Some(&clusters.values))
            }
            Kind::Git(git) => (self.git(git, generator, outer)?, Some(&git.values)),
            Kind::Matrix(_) => return Err(Fault::failed("a matrix is not a terminal generator")),
        };
        let item = |base: Base| {
            let parameters = base.parameters.and_then(|own| joined(outer, outer_id, &base.id, own));
            let outcome = match values {
                Some(values) => parameters.and_then(|parameters| with_values(parameters, values)),
                None => parameters.map(Scope::new),
            };
            Item { id: join_ids(outer_id, &base.id), outcome }
        };
        Ok(bases.into_iter().map(item).collect())
    }

    /// What `compute` gives for these inputs, computed once when the generator is in a matrix.
    fn once(
        &mut self,
        generator: &Generator,
        inputs: Vec<String>,
        compute: impl FnOnce(&mut Self, &[String]) -> Result<Vec<Base>, Fault>,
    ) -> Result<Vec<Base>, Fault> {
        if !generator.nested {
            return compute(self, &inputs);
        }
        let key = (generator.node, inputs);
        if let Some(known) = self.bases.get(&key) {
            return (**known).clone();
        }
        let bases = Rc::new(compute(self, &key.1));
        self.bases.insert(key, Rc::clone(&bases));
        (*bases).clone()
    }

    fn tree(&mut self, reference: RepoReference) -> Result<Arc<dyn FileTree>, Unavailable> {
        let Self { trees, world, .. } = self;
        let tree = trees.entry(reference).or_insert_with_key(|reference| {
            world.repositories.tree(&reference.repo_url, &reference.revision)
        });
        tree.clone()
    }
}

fn rendered(
    selector: Option<&selector::Template>,
    outer: &Scope,
) -> Result<Option<model::selector::LabelSelector>, Fault> {
    selector.map(|selector| selector.render(outer)).transpose()
}

fn join_ids(outer: &str, own: &str) -> String {
    if outer.is_empty() { own.to_owned() } else { format!("{outer} × {own}") }
}

/// The parameters around an item with the item's own.
fn joined(outer: &Scope, outer_id: &str, id: &str, own: Parameters) -> Result<Parameters, Fault> {
    if outer.map().is_empty() {
        return Ok(own);
    }
    let mut all = outer.map().clone();
    parameters::merge(&mut all, own).map_err(|conflict| {
        let parameters::Conflict { key, left, right } = conflict;
        Fault::failed(format!(
            "{outer_id} and {id} both give the parameter {key}, as {left} and as {right}; use \
             pathParamPrefix, or another name, in one of them"
        ))
    })?;
    Ok(all)
}

/// Adds `values`: each is a template over what is known so far, never over another value.
fn with_values(parameters: Parameters, values: &Values) -> Result<Scope, Fault> {
    let scope = Scope::new(parameters);
    if values.0.is_empty() {
        return Ok(scope);
    }
    let mut budget = Budget::default();
    let mut rendered = Parameters::new();
    for (name, text) in &values.0 {
        let value = text.render(&scope, &mut budget);
        let value = value.map_err(|error| in_field(&format!("values.{name}"), &error))?;
        rendered.insert(name.clone(), value);
    }
    let mut parameters = scope.into_map();
    let more = Parameters::from_iter([("values".to_owned(), Value::Object(rendered))]);
    parameters::merge(&mut parameters, more).map_err(|conflict| {
        let parameters::Conflict { key, left, right } = conflict;
        Fault::failed(format!("{key} is given twice, as {left} and as {right}; rename one of them"))
    })?;
    Ok(Scope::new(parameters))
}

/// The `values` of a generator, compiled.
#[derive(Debug)]
struct Values(Vec<(String, Text)>);

impl Values {
    fn compile(values: &BTreeMap<String, String>, generator: &str) -> Result<Self, Fault> {
        let compile = |(name, source): (&String, &String)| {
            Ok((name.clone(), field_text(&format!("{generator}.values.{name}"), source)?))
        };
        values.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }
}

/// A string field of a generator, compiled.
fn field_text(field: &str, source: &str) -> Result<Text, Fault> {
    Text::compile(source).map_err(|error| in_field(field, &error))
}

fn render_field(field: &str, text: &Text, scope: &Scope) -> Result<String, Fault> {
    if text.is_plain() {
        return Ok(text.source().to_owned());
    }
    text.render_text(scope, &mut Budget::default()).map_err(|error| in_field(field, &error))
}
