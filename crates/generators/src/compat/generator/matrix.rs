//! `matrix`: each row of the first child with each row that the second child gives for it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::combine::{Unions, flat_product, overlay};
use super::{Engine, Evaluator, Fault, Level, Params, Row, in_field};
use crate::compat::engine::{Scope, is_missing_key, may_change};

/// The generators whose `values` are rendered before the rest of them.
const WITH_VALUES: [&str; 6] =
    ["clusters", "git", "scmProvider", "clusterDecisionResource", "pullRequest", "plugin"];

/// How many rows of second children are kept in case that they are asked for again.
const MAX_KEPT_ROWS: usize = 20_000;

impl Evaluator<'_> {
    pub(super) fn matrix_rows(&mut self, body: &Value, level: Level) -> Result<Vec<Row>, Fault> {
        let Some([first, second]) = body["generators"].as_array().map(Vec::as_slice) else {
            return Err(Fault::failed("matrix takes exactly two generators"));
        };
        let most = self.most;
        let mut rows = Vec::new();
        let mut unions = Unions::default();
        let changes = may_change(&second.to_string());
        for left in self.child(first, level.below())? {
            let Ok(mut parameters) = left.outcome else {
                rows.push(left);
                continue;
            };
            let inner = self.second(second, level.below(), &mut parameters, changes);
            let inner = match &*inner {
                Ok(inner) => inner,
                // Only this row of the first child has no second: its neighbours go on.
                Err(fault) => {
                    let outcome = Err(fault.clone());
                    rows.push(Row { id: left.id, outcome });
                    continue;
                }
            };
            if rows.len() + inner.len() > most {
                return Err(self.too_many("matrix"));
            }
            for right in inner {
                let id = format!("{} × {}", left.id, right.id);
                let outcome = match &right.outcome {
                    Err(fault) => Err(fault.clone()),
                    Ok(right) => match self.engine {
                        Engine::Fast => flat_product(&parameters, right),
                        // The first child wins.
                        Engine::Go(_) => overlay(right.clone(), &parameters, &mut unions),
                    },
                };
                rows.push(Row { id, outcome });
            }
        }
        Ok(rows)
    }

    /// The rows of the second child with the first one's parameters put into its fields. With
    /// `changes` its texts may change these parameters, and they stay changed.
    fn second(
        &mut self,
        child: &Value,
        level: Level,
        parameters: &mut Params,
        changes: bool,
    ) -> Rc<Result<Vec<Row>, Fault>> {
        let rendered = match parameters.is_empty() {
            true => Ok(child.clone()),
            false => self.interpolated(child, parameters, changes),
        };
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(fault) => {
                let fault = in_field("matrix.generators[1]", fault);
                return Rc::new(Err(fault));
            }
        };
        let key = format!("{level:?} {rendered}");
        if let Some(known) = self.children.get(&key) {
            return Rc::clone(known);
        }
        let rows = Rc::new(self.child(&rendered, level));
        let count = rows.as_ref().as_ref().map_or(1, Vec::len);
        if self.kept_rows + count <= MAX_KEPT_ROWS {
            self.kept_rows += count;
            self.children.insert(key, Rc::clone(&rows));
        }
        rows
    }

    /// All texts of a child rendered, but for its selector. In Go a text of `values` that needs
    /// what the parameters do not have stays as it is, for the child itself to render.
    fn interpolated(
        &self,
        child: &Value,
        parameters: &mut Params,
        changes: bool,
    ) -> Result<Value, Fault> {
        let scope = Scope::new(parameters);
        let Engine::Go(_) = self.engine else {
            let rendered = self.texts.tree(child, &scope)?;
            return Ok(with_selector(rendered, child));
        };
        let mut child_without = child.clone();
        let mut values = Vec::new();
        for kind in WITH_VALUES {
            let Some(body) = child_without[kind].as_object_mut() else { continue };
            let Some(Value::Object(texts)) = body.remove("values") else { continue };
            let early = texts.into_iter().map(|(name, text)| {
                let source = text.as_str().unwrap_or_default();
                match self.strict.render(source, &scope) {
                    Ok(rendered) => Ok((name, Value::String(rendered))),
                    Err(fault) if is_missing_key(&fault) => Ok((name, text)),
                    Err(fault) => Err(in_field(&format!("{kind}.values.{name}"), fault)),
                }
            });
            let early = early.collect::<Result<Map<_, _>, _>>()?;
            values.push((kind, Value::Object(early)));
        }
        let mut rendered = with_selector(self.texts.tree(&child_without, &scope)?, child);
        for (kind, values) in values {
            rendered[kind]["values"] = values;
        }
        let changed = if changes { scope.changed()? } else { None };
        if let Some(changed) = changed {
            *parameters = changed;
        }
        Ok(rendered)
    }
}

fn with_selector(mut rendered: Value, child: &Value) -> Value {
    if let Some(selector) = child.get("selector") {
        rendered["selector"] = selector.clone();
    }
    rendered
}
