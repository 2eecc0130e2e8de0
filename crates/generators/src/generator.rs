//! Generators: what stands in `spec.generators`, compiled once and evaluated to items.
//!
//! A generator sees the parameters of those before it in its matrix and gives them on with its
//! own added. One item that fails is an item with a fault; only what keeps a generator from
//! seeing its input at all (its repository, its own fields, the cap) fails the generator. What a
//! service could not tell in full ends with an item that is a fault too: whoever combines items
//! knows by it that there may be more.

mod clusters;
pub(crate) mod decisions;
mod git;
mod glob;
mod join;
mod kept;
mod list;
mod matrix;
mod merge;
mod refs;
mod selector;
mod services;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use model::generator as spec;
use model::problem::Reason;
use model::provider::Request;
use model::tree::FileTree;
use serde_json::{Map, Value};

use crate::application::in_field;
use crate::fleet::Fleet;
use crate::parameters::{self, Parameters};
use crate::template::{Budget, Scope, Text};
use crate::{Refs, RepoReference, Unavailable, World};

/// The most bytes that the parameters of one element may have when a service or a plugin gave them.
const MAX_ELEMENT_BYTES: usize = 1 << 20;

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
        Self::over_cap(&format!("{what} gives more than {} elements", grouped(most)), most)
    }

    /// `what` says who gives how many.
    pub(crate) fn over_cap(what: &str, most: usize) -> Self {
        Self::new(
            Reason::TooManyElements,
            format!(
                "{what}; at most {} are allowed: narrow it with a selector, divide the set, or \
                 raise safety.maxElements (up to {})",
                grouped(most),
                grouped(model::set::ElementLimit::MOST as usize),
            ),
        )
    }

    fn at(self, place: &str) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
    id: Rc<str>,
    /// Shared by all elements that it is in.
    parameters: Result<Arc<Parameters>, Fault>,
}

impl Base {
    fn new(id: &str, parameters: Result<Parameters, Fault>) -> Self {
        Self { id: id.into(), parameters: parameters.map(Arc::new) }
    }
}

/// The number of a generator and its fields, rendered: what its bases depend on.
type Inputs = (usize, Vec<String>);

/// A generator, compiled.
#[derive(Debug)]
pub(crate) struct Generator {
    /// Its number in the set: the key of what was evaluated before.
    node: usize,
    /// Whether it stands in another generator and may be evaluated many times.
    nested: bool,
    kind: Kind,
    /// The key that its own parameters stand below; empty for none.
    alias: String,
    selector: Option<selector::Template>,
}

#[derive(Debug)]
enum Kind {
    List(list::Template),
    Clusters(clusters::Template),
    Git(git::Template),
    Refs(refs::Template),
    Scm(services::Scm),
    PullRequests(services::PullRequests),
    Plugin(services::Plugin),
    Decisions(decisions::Template),
    Matrix(Vec<Generator>),
    Join(Box<join::Template>),
    Merge(Box<merge::Template>),
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
            spec::GeneratorKind::Branches(refs) => {
                Kind::Refs(refs::Template::compile(refs, refs::RefKind::Branch)?)
            }
            spec::GeneratorKind::Tags(refs) => {
                Kind::Refs(refs::Template::compile(refs, refs::RefKind::Tag)?)
            }
            spec::GeneratorKind::ScmProvider(scm) => Kind::Scm(services::Scm::compile(scm)?),
            spec::GeneratorKind::PullRequest(requests) => {
                Kind::PullRequests(services::PullRequests::compile(requests)?)
            }
            spec::GeneratorKind::Plugin(plugin) => Kind::Plugin(services::Plugin::compile(plugin)?),
            spec::GeneratorKind::Decisions(decisions) => {
                Kind::Decisions(decisions::Template::compile(decisions)?)
            }
            spec::GeneratorKind::Matrix(matrix) => {
                if matrix.generators.is_empty() {
                    let rule = "matrix.generators is empty; a matrix needs one at least";
                    return Err(Fault::failed(rule));
                }
                Kind::Matrix(self.children("matrix", &matrix.generators)?)
            }
            spec::GeneratorKind::Join(join) => {
                Kind::Join(Box::new(join::Template::compile(join, self)?))
            }
            spec::GeneratorKind::Merge(merge) => {
                Kind::Merge(Box::new(merge::Template::compile(merge, self)?))
            }
        };
        let selector = spec.selector.as_ref();
        let selector = selector
            .map(|selector| selector::Template::compile(selector, "selector"))
            .transpose()?;
        Ok(Generator { node, nested, kind, alias: spec.alias.clone(), selector })
    }

    fn children(
        &mut self,
        kind: &str,
        children: &[spec::Generator],
    ) -> Result<Vec<Generator>, Fault> {
        let compiled = children.iter().enumerate().map(|(index, child)| {
            let at = |fault: Fault| fault.at(&format!("{kind}.generators[{index}]"));
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
            Kind::Refs(refs) => refs.label(),
            Kind::Scm(_) => services::SCM,
            Kind::PullRequests(_) => services::PULL_REQUESTS,
            Kind::Plugin(_) => services::PLUGIN,
            Kind::Decisions(_) => decisions::LABEL,
            Kind::Matrix(_) => "matrix",
            Kind::Join(_) => "join",
            Kind::Merge(_) => "merge",
        }
    }

    /// What is added to the parameters of each of its items.
    fn values(&self) -> Option<&Values> {
        match &self.kind {
            Kind::Clusters(clusters) => clusters.item_values(),
            Kind::Git(git) => Some(&git.values),
            Kind::Refs(refs) => Some(&refs.values),
            Kind::Scm(scm) => Some(&scm.values),
            Kind::PullRequests(requests) => Some(&requests.values),
            Kind::Plugin(plugin) => Some(&plugin.values),
            Kind::Decisions(decisions) => Some(&decisions.values),
            Kind::List(_) | Kind::Matrix(_) | Kind::Join(_) | Kind::Merge(_) => None,
        }
    }
}

/// Evaluates the generators of one set; what it has evaluated or fetched once it keeps.
pub(crate) struct Evaluator<'a> {
    fleet: &'a Fleet<'a>,
    world: &'a World<'a>,
    /// The name of the set.
    set: &'a str,
    trees: BTreeMap<RepoReference, Result<Arc<dyn FileTree>, Unavailable>>,
    refs: BTreeMap<String, Result<Arc<Refs>, Unavailable>>,
    requests: BTreeSet<Request>,
    bases: HashMap<Inputs, Rc<Result<Vec<Base>, Fault>>>,
    most: usize,
    /// The combinations that all products of the set have looked at.
    looked_at: Rc<Cell<usize>>,
}

/// What an evaluation wanted from outside.
pub(crate) struct Wanted {
    /// The repositories that were asked for and could not be read.
    pub(crate) missing: BTreeSet<RepoReference>,
    pub(crate) requests: BTreeSet<Request>,
}

impl<'a> Evaluator<'a> {
    /// `most` is the number of elements that the set may give.
    pub(crate) fn new(
        set: &'a str,
        fleet: &'a Fleet<'a>,
        world: &'a World<'a>,
        most: usize,
    ) -> Self {
        Self {
            fleet,
            world,
            set,
            trees: BTreeMap::new(),
            refs: BTreeMap::new(),
            requests: BTreeSet::new(),
            bases: HashMap::new(),
            most,
            looked_at: Rc::default(),
        }
    }

    pub(crate) fn wanted(self) -> Wanted {
        let trees = self.trees.into_iter().filter(|(_, tree)| tree.is_err());
        let refs = self.refs.into_iter().filter(|(_, refs)| refs.is_err());
        // A repository that can be read at its default branch has branches and tags as well.
        let refs = refs.map(|(repo_url, _)| RepoReference { repo_url, revision: String::new() });
        let missing = trees.map(|(reference, _)| reference).chain(refs).collect();
        Wanted { missing, requests: self.requests }
    }

    /// The most elements that this set may give.
    fn most(&self) -> usize {
        self.most
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
        let selector = rendered(generator.selector.as_ref(), outer)?;
        let selector = selector.as_ref();
        match &generator.kind {
            Kind::Matrix(children) => {
                return matrix::product(self, children, selector, outer_id, outer);
            }
            Kind::Join(join) => return join.pairs(self, selector, outer_id, outer),
            Kind::Merge(merge) => return merge.overlay(self, selector, outer_id, outer),
            _ => {}
        }
        let mut items = self.terminal(generator, outer_id, outer)?;
        if let Some(selector) = selector {
            items.retain(|item| kept::is_picked(item, Some(selector)));
        }
        if items.len() > self.most() {
            return Err(Fault::too_many(generator.label(), self.most()));
        }
        Ok(items)
    }

    /// The items of a generator that has no children: its own parameters with those around it.
    fn terminal(
        &mut self,
        generator: &Generator,
        outer_id: &str,
        outer: &Scope,
    ) -> Result<Vec<Item>, Fault> {
        let bases = match &generator.kind {
            Kind::List(list) => self.list(list, generator, outer)?,
            Kind::Clusters(clusters) => self.clusters(clusters, generator, outer)?,
            Kind::Git(git) => self.git(git, generator, outer)?,
            Kind::Refs(refs) => self.refs(refs, generator, outer)?,
            Kind::Scm(scm) => self.scm(scm, generator, outer)?,
            Kind::PullRequests(requests) => self.pull_requests(requests, generator, outer)?,
            Kind::Plugin(plugin) => self.plugin(plugin, generator, outer)?,
            Kind::Decisions(decisions) => self.decisions(decisions, generator, outer)?,
            Kind::Matrix(_) | Kind::Join(_) | Kind::Merge(_) => Vec::new(),
        };
        let values = generator.values();
        let item = |base: Base| {
            let own = base.parameters.map(|own| below(&generator.alias, own));
            let joined = own.and_then(|own| joined(outer, outer_id, &base.id, &own));
            let outcome = match values {
                Some(values) => {
                    joined.and_then(|scope| with_values(scope, values, &generator.alias))
                }
                None => joined,
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

/// The id of an item without that of the items around it.
fn own_id<'a>(id: &'a str, outer: &str) -> &'a str {
    let rest = id.strip_prefix(outer).filter(|_| !outer.is_empty());
    rest.and_then(|rest| rest.strip_prefix(" × ")).unwrap_or(id)
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
fn joined(outer: &Scope, outer_id: &str, id: &str, own: &Arc<Parameters>) -> Result<Scope, Fault> {
    let all = outer.layers().with(own).map_err(|conflict| {
        let parameters::Conflict { key, left, right } = conflict;
        Fault::failed(format!(
            "{outer_id} and {id} both give the parameter {key}, as {left} and as {right}; give \
             one of the generators an as, or use another name in it"
        ))
    })?;
    Ok(Scope::of(all))
}

/// The parameters as a map below a key, or as they are when the key is empty.
fn below(key: &str, own: Arc<Parameters>) -> Arc<Parameters> {
    if key.is_empty() {
        return own;
    }
    let own = Arc::unwrap_or_clone(own);
    Arc::new(Parameters::from_iter([(key.to_owned(), own.into())]))
}

/// Adds `values`: each is a template over what is known so far, never over another value.
fn with_values(scope: Scope, values: &Values, alias: &str) -> Result<Scope, Fault> {
    if values.0.is_empty() {
        return Ok(scope);
    }
    let rendered = values.render(&scope)?;
    let more = Parameters::from_iter([("values".to_owned(), Value::Object(rendered))]);
    let all = scope.layers().with(&below(alias, Arc::new(more))).map_err(|conflict| {
        let parameters::Conflict { key, left, right } = conflict;
        Fault::failed(format!("{key} is given twice, as {left} and as {right}; rename one of them"))
    })?;
    Ok(Scope::of(all))
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

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn render(&self, scope: &Scope) -> Result<Parameters, Fault> {
        let mut budget = Budget::default();
        let mut rendered = Parameters::new();
        for (name, text) in &self.0 {
            let value = text.render(scope, &mut budget);
            let value = value.map_err(|error| in_field(&format!("values.{name}"), &error))?;
            rendered.insert(name.clone(), value);
        }
        Ok(rendered)
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
