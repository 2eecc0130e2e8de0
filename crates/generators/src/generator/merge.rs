//! `merge`: the items of the first child, with items of later children laid over those that have
//! the same keys.
//!
//! Many items of the first child may share a key; of a later child only one item may have it, or
//! which one is meant is not known. While an item of a later child has failed, the items that no
//! other of that child meets are held: without it they might run with the wrong parameters.

use std::collections::HashMap;

use model::generator::{MergeGenerator, MissingMergeKey};
use model::selector::LabelSelector;
use model::set::overlaid;
use serde_json::Value;

use super::kept::Kept;
use super::{Compiler, Evaluator, Fault, Generator, Item, field_text, grouped, join_ids, own_id};
use crate::application::in_field;
use crate::parameters;
use crate::template::{Budget, Scope, Text};

#[derive(Debug)]
pub(super) struct Template {
    base: Generator,
    overlays: Vec<Generator>,
    keys: Vec<Key>,
    missing: MissingMergeKey,
}

#[derive(Debug)]
struct Key {
    name: String,
    value: Text,
}

/// The items of one later child, by key.
struct Overlay {
    rows: HashMap<Vec<Value>, Vec<(String, Value)>>,
    failed: Vec<Item>,
}

impl Template {
    pub(super) fn compile(merge: &MergeGenerator, compiler: &mut Compiler) -> Result<Self, Fault> {
        if merge.merge_keys.is_empty() {
            return Err(Fault::failed("merge.mergeKeys is empty; name what must be equal"));
        }
        let mut children = compiler.children("merge", &merge.generators)?.into_iter();
        let (Some(base), overlays) = (children.next(), Vec::from_iter(children)) else {
            return Err(Fault::failed("merge.generators is empty; a merge needs two at least"));
        };
        if overlays.is_empty() {
            return Err(Fault::failed(
                "merge.generators has one entry; a merge needs two at least",
            ));
        }
        let key = |name: &String| {
            if name.is_empty() || name.contains(['{', '}', '(', ')', ' ']) {
                return Err(Fault::failed(format!(
                    "merge.mergeKeys: {name:?} is not the name of a parameter; write name or \
                     values.name"
                )));
            }
            let value = field_text("merge.mergeKeys", &format!("{{{{{{json {name}}}}}}}"))?;
            Ok(Key { name: name.clone(), value })
        };
        let keys = merge.merge_keys.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { base, overlays, keys, missing: merge.missing_key })
    }

    pub(super) fn overlay(
        &self,
        evaluator: &mut Evaluator<'_>,
        selector: Option<&LabelSelector>,
        outer_id: &str,
        outer: &Scope,
    ) -> Result<Vec<Item>, Fault> {
        let at = |fault: Fault, index: usize| fault.at(&format!("merge.generators[{index}]"));
        let base = evaluator.items(&self.base, outer_id, outer).map_err(|fault| at(fault, 0))?;
        let mut overlays = Vec::new();
        for (child, index) in self.overlays.iter().zip(1..) {
            let items =
                evaluator.items(child, outer_id, outer).map_err(|fault| at(fault, index))?;
            overlays.push(self.by_key(items, index, outer_id));
        }
        let count = base.len();
        let mut kept = Kept::new(selector, evaluator);
        for item in base {
            let Item { id, outcome } = item;
            let outcome = outcome.and_then(|scope| self.merged(scope, &overlays));
            kept.push(Item { id, outcome }).map_err(|full| full.fault("merge", &grouped(count)))?;
        }
        let mut items = kept.items;
        items.extend(overlays.into_iter().flat_map(|overlay| overlay.failed));
        Ok(items)
    }

    fn by_key(&self, items: Vec<Item>, index: usize, outer_id: &str) -> Overlay {
        let mut overlay = Overlay { rows: HashMap::new(), failed: Vec::new() };
        for Item { id, outcome } in items {
            match outcome.and_then(|scope| Ok((self.key(&scope)?, scope))) {
                Ok((Some(key), scope)) => {
                    let row = (id, Value::Object(scope.map().clone()));
                    overlay.rows.entry(key).or_default().push(row);
                }
                Ok((None, _)) => {}
                Err(fault) => {
                    let own = format!("merge.generators[{index}] {}", own_id(&id, outer_id));
                    let id = join_ids(outer_id, &own);
                    overlay.failed.push(Item { id, outcome: Err(fault) });
                }
            }
        }
        overlay
    }

    /// The values of the keys; `None` when one is missing and that is no error.
    fn key(&self, scope: &Scope) -> Result<Option<Vec<Value>>, Fault> {
        let mut values = Vec::with_capacity(self.keys.len());
        for Key { name, value } in &self.keys {
            match (value.render(scope, &mut Budget::default()), self.missing) {
                (Ok(Value::Null) | Err(_), MissingMergeKey::Ignore) => return Ok(None),
                (Ok(Value::Null), MissingMergeKey::Error) => {
                    return Err(Fault::failed(format!(
                        "the merge key {name} is null, which equals nothing; give it a value, or \
                         set missingKey: ignore"
                    )));
                }
                (Err(error), MissingMergeKey::Error) => {
                    let fault = in_field(&format!("the merge key {name}"), &error);
                    let message = format!("{}; or set missingKey: ignore", fault.message);
                    return Err(Fault { message, ..fault });
                }
                (Ok(value), _) => values.push(parameters::comparable(value)),
            }
        }
        Ok(Some(values))
    }

    fn merged(&self, scope: Scope, overlays: &[Overlay]) -> Result<Scope, Fault> {
        let Some(key) = self.key(&scope)? else { return Ok(scope) };
        let mut merged: Option<Value> = None;
        for overlay in overlays {
            match (overlay.rows.get(&key).map(Vec::as_slice), overlay.failed.first()) {
                (Some([(_, over)]), _) => {
                    let base = merged.take().unwrap_or_else(|| scope.map().clone().into());
                    merged = Some(overlaid(&base, over));
                }
                (Some([(one, _), (other, _), ..]), _) => {
                    return Err(Fault::failed(format!(
                        "{one} and {other} have the same merge keys, so which of them is meant is \
                         not known; make them differ, or use a join"
                    )));
                }
                (_, Some(failed)) => {
                    return Err(Fault::failed(format!(
                        "whether {} changes it is not known while that fails; see there",
                        failed.id
                    )));
                }
                _ => {}
            }
        }
        Ok(match merged {
            Some(Value::Object(map)) => Scope::new(map),
            _ => scope,
        })
    }
}
