//! The generators of the compat dialect: from an entry of `spec.generators` to sets of parameters.
//!
//! They give what Argo CD 3.5 gives. Where it stops everything at one bad element, that element is
//! held here and its neighbours go on; where it goes on with less than it should have seen, the
//! generator fails here and nothing is removed.

mod clusters;
mod combine;
mod decision;
mod flat;
mod git;
mod glob;
mod list;
mod matrix;
mod merge;
mod plugin;
mod pull_request;
mod scm;
mod selector;
mod shape;
mod tree;

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use model::argo::MAX_ELEMENTS;
use model::problem::Reason;
use model::provider::Request;
use serde_json::{Map, Value};

use super::engine::{Engine, Scope, Texts, may_change};
use super::params::{Kind, Params, Types};
use crate::generator::Fault;
use crate::{RepoReference, World};
pub(crate) use clusters::Clusters;
use selector::{Selector, Values};
use shape::Level;

/// One set of parameters, with a name that people know it by.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) outcome: Result<Params, Fault>,
    /// The `template` of the generator that made it, when that has one.
    pub(crate) template: Option<Rc<Value>>,
}

/// An item that may still be joined with others.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    outcome: Result<Params, Fault>,
}

/// Evaluates the generators of one set; what it has read once it keeps.
pub(crate) struct Evaluator<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) engine: Engine,
    /// The name of the set, which plugins are told.
    pub(crate) set: String,
    /// Whether the template names no project, without which Argo CD reads no repository.
    pub(crate) lacks_project: bool,
    /// The most elements that the set may give.
    pub(crate) most: usize,
    /// The repositories that were asked for and could not be read.
    pub(crate) missing: BTreeSet<RepoReference>,
    pub(crate) requests: BTreeSet<Request>,
    /// Why the items are not all that there may be; then nothing of the set may be removed.
    pub(crate) partial: Vec<Fault>,
    /// The texts of the generators, and the same where a missing key is an error.
    texts: Texts,
    strict: Texts,
    trees: tree::Trees,
    /// The clusters of the world, shared by all sets.
    pub(crate) clusters: Rc<Clusters>,
    /// What a child of a matrix gave for its fields, rendered.
    children: HashMap<String, Rc<Result<Vec<Row>, Fault>>>,
    /// How many rows are kept in `children`.
    kept_rows: usize,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(world: &'a World<'a>, engine: Engine) -> Self {
        Self {
            world,
            engine,
            set: String::new(),
            lacks_project: false,
            most: world.options.max_elements,
            missing: BTreeSet::new(),
            requests: BTreeSet::new(),
            partial: Vec::new(),
            texts: Texts::new(engine),
            strict: Texts::new(engine.strict()),
            trees: tree::Trees::default(),
            clusters: Rc::default(),
            children: HashMap::new(),
            kept_rows: 0,
        }
    }

    /// The items of one entry of `spec.generators`. An entry may hold several generators: then one
    /// that fails is a reason in `partial`, and the others go on.
    pub(crate) fn evaluate(&mut self, entry: &Value) -> Result<Vec<Item>, Fault> {
        let kinds = shape::check(entry, Level::Top)?;
        let selector = post_selector(entry)?;
        let alone = kinds.len() == 1;
        let mut items = Vec::new();
        for kind in kinds {
            let body = &entry[kind];
            let rows = match self.rows(kind, body, Level::Top) {
                Ok(rows) => rows,
                Err(fault) if alone => return Err(fault),
                Err(fault) => {
                    self.miss(fault);
                    continue;
                }
            };
            let template = body.get("template").filter(|template| !template.is_null());
            let template = template.map(|template| Rc::new(template.clone()));
            let rows = selected(rows, selector.as_ref());
            items.extend(rows.into_iter().map(|row| Item {
                id: row.id,
                outcome: row.outcome,
                template: template.clone(),
            }));
            if items.len() > self.most {
                return Err(self.too_many(kind));
            }
        }
        Ok(items)
    }

    /// The rows of a child of a matrix or merge, which has exactly one kind.
    fn child(&mut self, entry: &Value, level: Level) -> Result<Vec<Row>, Fault> {
        let kinds = shape::check(entry, level)?;
        let selector = post_selector(entry)?;
        let rows = match kinds.as_slice() {
            [kind] => self.rows(kind, &entry[*kind], level)?,
            _ => return Err(Fault::failed("a child of a matrix or merge has exactly one kind")),
        };
        Ok(selected(rows, selector.as_ref()))
    }

    fn rows(&mut self, kind: &str, body: &Value, level: Level) -> Result<Vec<Row>, Fault> {
        let rows = match kind {
            "list" => list::rows(self.engine, body, self.most),
            "clusters" => self.cluster_rows(body),
            "git" => self.git_rows(body),
            "clusterDecisionResource" => self.decision_rows(body),
            "scmProvider" => self.scm_rows(body),
            "pullRequest" => self.pull_request_rows(body),
            "plugin" => self.plugin_rows(body),
            "matrix" => self.matrix_rows(body, level),
            "merge" => self.merge_rows(body, level),
            other => Err(Fault::failed(format!("{other} is not a generator"))),
        };
        let rows = rows.map_err(|fault| within(kind, fault))?;
        if rows.len() > self.most {
            return Err(self.too_many(kind));
        }
        Ok(rows)
    }

    /// Remembers that something was not seen.
    fn miss(&mut self, fault: Fault) {
        if !self.partial.contains(&fault) {
            self.partial.push(fault);
        }
    }

    pub(crate) fn too_many(&self, what: &str) -> Fault {
        let most = self.most;
        Fault::new(
            Reason::TooManyElements,
            format!(
                "{what} gives more than {most} elements; narrow it with a selector, divide the set, \
                 or allow more with the annotation {MAX_ELEMENTS}"
            ),
        )
    }

    /// Adds `values`: each is a template over the parameters so far, never over another value. What a
    /// template changes in the parameters stays changed.
    fn with_values(
        &self,
        parameters: Params,
        body: &Value,
        types: &Types,
    ) -> Result<Params, Fault> {
        let Some(values) = body["values"].as_object().filter(|values| !values.is_empty()) else {
            return Ok(parameters);
        };
        let mut rendered = Map::new();
        let mut changed = None;
        {
            let scope = Scope::new(&parameters);
            for (name, source) in values {
                let source = source.as_str().unwrap_or_default();
                let value = self.texts.render(source, &scope);
                let value = value.map_err(|fault| in_field(&format!("values.{name}"), fault))?;
                rendered.insert(name.clone(), Value::String(value));
            }
            if values.values().filter_map(Value::as_str).any(may_change) {
                changed = scope.changed().map_err(|fault| in_field("values", fault))?;
            }
        }
        Ok(match changed {
            None => put_values(self.engine, parameters, rendered, types),
            Some(changed) => {
                let types = types.union(&changed.types);
                put_values(self.engine, changed, rendered, &types)
            }
        })
    }
}

/// The parameters with the values of their generator, in the shape that the language wants. In Go
/// they are a map of strings, which `types` says beside the other types of the generator.
fn put_values(
    engine: Engine,
    parameters: Params,
    values: Map<String, Value>,
    types: &Types,
) -> Params {
    let mut map = parameters.into_map();
    match engine {
        Engine::Fast => {
            let values = values.into_iter().map(|(name, value)| (format!("values.{name}"), value));
            map.extend(values);
        }
        Engine::Go(_) => {
            map.insert("values".to_owned(), Value::Object(values));
        }
    }
    Params::new(map, types.clone())
}

/// The types of a generator without values, and with them.
fn types_of(kinds: &[(&[&str], Kind)]) -> (Types, Types) {
    let mut with_values = kinds.to_vec();
    with_values.push((&["values"], Kind::Strings));
    let plain = if kinds.is_empty() { Types::default() } else { Types::new(kinds) };
    (plain, Types::new(&with_values))
}

fn post_selector(entry: &Value) -> Result<Option<Selector>, Fault> {
    let spec = entry.get("selector").filter(|spec| !spec.is_null());
    spec.map(|spec| Selector::read(spec, "selector", Values::Any)).transpose()
}

/// The rows that a selector takes, and those of which it cannot be told.
fn selected(mut rows: Vec<Row>, selector: Option<&Selector>) -> Vec<Row> {
    if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
        rows.retain(|row| match &row.outcome {
            Ok(parameters) => selector.matches(|key| flat::lookup(parameters, key)),
            Err(_) => true,
        });
    }
    rows
}

/// Names the generator unless the message does.
fn within(kind: &str, fault: Fault) -> Fault {
    if fault.message.starts_with(kind) {
        return fault;
    }
    in_field(kind, fault)
}

fn in_field(field: &str, fault: Fault) -> Fault {
    Fault { message: format!("{field}: {}", fault.message), ..fault }
}

/// A text field of a generator; absent is empty.
fn text<'v>(body: &'v Value, field: &str) -> &'v str {
    body[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
