//! The generators of the compat dialect: from an entry of `spec.generators` to sets of parameters.

use std::collections::BTreeSet;

use model::provider::Request;
use serde_json::Value;

use super::engine::{Engine, Params};
use crate::generator::Fault;
use crate::{RepoReference, World};

/// One set of parameters, with a name that people know it by.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) outcome: Result<Params, Fault>,
    /// The `template` of the generator that made it, when that has one.
    pub(crate) template: Option<std::rc::Rc<Value>>,
}

/// Evaluates the generators of one set; what it has read once it keeps.
pub(crate) struct Evaluator<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) engine: Engine,
    /// The repositories that were asked for and could not be read.
    pub(crate) missing: BTreeSet<RepoReference>,
    pub(crate) requests: BTreeSet<Request>,
    /// Why the items are not all that there may be; then nothing of the set may be removed.
    pub(crate) partial: Vec<Fault>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(world: &'a World<'a>, engine: Engine) -> Self {
        Self {
            world,
            engine,
            missing: BTreeSet::new(),
            requests: BTreeSet::new(),
            partial: Vec::new(),
        }
    }

    /// The items of one entry of `spec.generators`.
    pub(crate) fn evaluate(&mut self, entry: &Value) -> Result<Vec<Item>, Fault> {
        let _ = entry;
        Err(Fault::failed("the compat dialect is not built yet"))
    }
}
