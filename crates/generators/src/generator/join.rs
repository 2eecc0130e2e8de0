//! `join`: pairs of items of two generators whose keys are equal.
//!
//! Many may meet many. A key that cannot be made is a fault of its item. While an item of one side
//! has failed, whether one of the other side is without a partner is not known, so that is held.

use std::collections::HashMap;

use model::generator::{JoinGenerator, JoinKind};
use model::selector::LabelSelector;
use serde_json::{Map, Value};

use super::kept::Kept;
use super::{Compiler, Evaluator, Fault, Generator, Item, field_text, grouped, join_ids, own_id};
use crate::application::in_field;
use crate::parameters::{self, Conflict, Parameters};
use crate::template::{Budget, Scope, Text};

/// What stands in an id for the side that is absent.
const NOTHING: &str = "-";
/// What stands there when the key of the other side is not known.
const UNKNOWN: &str = "?";

#[derive(Debug)]
pub(super) struct Template {
    kind: JoinKind,
    left: Side,
    right: Side,
}

#[derive(Debug)]
struct Side {
    name: &'static str,
    is_left: bool,
    generator: Generator,
    keys: Vec<Text>,
}

/// An item with its key.
struct Row {
    id: String,
    scope: Scope,
    key: Vec<Value>,
}

#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    failed: Vec<Item>,
}

impl Template {
    pub(super) fn compile(join: &JoinGenerator, compiler: &mut Compiler) -> Result<Self, Fault> {
        if join.on.is_empty() {
            return Err(Fault::failed("join.on is empty; name what must be equal on both sides"));
        }
        let mut side = |name: &'static str, child, keys: Vec<&String>| {
            let generator = compiler.generator(child, true);
            let generator = generator.map_err(|fault| fault.at(&format!("join.{name}")))?;
            let keys = keys.into_iter().enumerate();
            let keys =
                keys.map(|(index, key)| field_text(&format!("join.on[{index}].{name}"), key));
            Ok(Side {
                name,
                is_left: name == "left",
                generator,
                keys: keys.collect::<Result<_, Fault>>()?,
            })
        };
        Ok(Self {
            kind: join.kind,
            left: side("left", &join.left, join.on.iter().map(|key| &key.left).collect())?,
            right: side("right", &join.right, join.on.iter().map(|key| &key.right).collect())?,
        })
    }

    pub(super) fn pairs(
        &self,
        evaluator: &mut Evaluator<'_>,
        selector: Option<&LabelSelector>,
        outer_id: &str,
        outer: &Scope,
    ) -> Result<Vec<Item>, Fault> {
        let left = self.left.rows(evaluator, outer_id, outer)?;
        let right = self.right.rows(evaluator, outer_id, outer)?;
        let mut by_key: HashMap<&[Value], Vec<usize>> = HashMap::new();
        for (index, row) in right.rows.iter().enumerate() {
            by_key.entry(&row.key).or_default().push(index);
        }
        let keeps_left = self.kind != JoinKind::Inner;
        let nulls_of_right = if keeps_left { skeleton(&right.rows) } else { Map::new() };
        let mut kept = Kept::new(selector, evaluator);
        let mut is_met = vec![false; right.rows.len()];
        let mut keep = |item| {
            let full = |full: super::kept::Full| {
                let pairs: usize =
                    left.rows.iter().map(|row| by_key.get(&row.key[..]).map_or(0, Vec::len)).sum();
                let (left, right) = (grouped(left.rows.len()), grouped(right.rows.len()));
                let pairs = grouped(pairs);
                full.fault(
                    "join",
                    &format!("{pairs} (of {left} on the left, {right} on the right)"),
                )
            };
            kept.push(item).map_err(full)
        };
        for row in &left.rows {
            match by_key.get(&row.key[..]) {
                Some(partners) => {
                    for partner in partners {
                        is_met[*partner] = true;
                        keep(pair(row, &right.rows[*partner], outer_id))?;
                    }
                }
                None if keeps_left => {
                    let id = self.left.half(&row.id, outer_id, NOTHING);
                    keep(alone(id, &row.scope, &nulls_of_right, &right.failed))?;
                }
                None => {}
            }
        }
        if self.kind == JoinKind::Outer {
            let nulls_of_left = skeleton(&left.rows);
            let unmet = right.rows.iter().zip(&is_met).filter(|(_, is_met)| !**is_met);
            for (row, _) in unmet {
                let id = self.right.half(&row.id, outer_id, NOTHING);
                keep(alone(id, &row.scope, &nulls_of_left, &left.failed))?;
            }
        }
        let mut items = kept.items;
        items.extend(left.failed);
        items.extend(right.failed);
        Ok(items)
    }
}

impl Side {
    /// The id of a pair of which only this side is there.
    fn half(&self, id: &str, outer_id: &str, other: &str) -> String {
        let own = own_id(id, outer_id);
        let pair =
            if self.is_left { format!("{own} + {other}") } else { format!("{other} + {own}") };
        join_ids(outer_id, &pair)
    }

    fn rows(
        &self,
        evaluator: &mut Evaluator<'_>,
        outer_id: &str,
        outer: &Scope,
    ) -> Result<Rows, Fault> {
        let at = |fault: Fault| fault.at(&format!("join.{}", self.name));
        let mut rows = Rows::default();
        for Item { id, outcome } in evaluator.items(&self.generator, outer_id, outer).map_err(at)? {
            let row = outcome.and_then(|scope| Ok((self.key(&scope)?, scope)));
            match row {
                Ok((key, scope)) => rows.rows.push(Row { id, scope, key }),
                Err(fault) => {
                    let id = self.half(&id, outer_id, UNKNOWN);
                    rows.failed.push(Item { id, outcome: Err(fault) });
                }
            }
        }
        Ok(rows)
    }

    fn key(&self, scope: &Scope) -> Result<Vec<Value>, Fault> {
        let mut budget = Budget::default();
        let keys = self.keys.iter().enumerate().map(|(index, key)| {
            let field = || format!("join.on[{index}].{}", self.name);
            match key.render(scope, &mut budget).map_err(|error| in_field(&field(), &error))? {
                Value::Null => Err(Fault::failed(format!(
                    "{} is null, which equals nothing; use default in it, or a selector",
                    field()
                ))),
                value => Ok(parameters::comparable(value)),
            }
        });
        keys.collect()
    }
}

fn pair(left: &Row, right: &Row, outer_id: &str) -> Item {
    let right_id = own_id(&right.id, outer_id);
    let id = format!("{} + {right_id}", left.id);
    let mut joined = left.scope.map().clone();
    let outcome = parameters::merge(&mut joined, right.scope.map().clone()).map_err(|conflict| {
        let Conflict { key, left: a, right: b } = conflict;
        Fault::failed(format!(
            "{} and {right_id} both give the parameter {key}, as {a} and as {b}; give one of \
             the generators an as, or use another name in it",
            left.id
        ))
    });
    Item { id, outcome: outcome.map(|()| Scope::new(joined)) }
}

/// An item without a partner: what only the other side has is null.
fn alone(id: String, scope: &Scope, nulls: &Parameters, failed: &[Item]) -> Item {
    if let Some(other) = failed.first() {
        let message =
            format!("whether it has a partner is not known while {} fails; see there", other.id);
        return Item { id, outcome: Err(Fault::failed(message)) };
    }
    let mut parameters = scope.map().clone();
    fill(&mut parameters, nulls);
    Item { id, outcome: Ok(Scope::new(parameters)) }
}

/// All names that the rows have, as maps of maps; a name that is not a map in all of them is null.
fn skeleton(rows: &[Row]) -> Parameters {
    let mut names = Map::new();
    for row in rows {
        absorb(&mut names, row.scope.map());
    }
    names
}

fn absorb(names: &mut Parameters, map: &Parameters) {
    for (key, value) in map {
        match (names.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(map)) => absorb(below, map),
            (Some(known), _) => *known = Value::Null,
            (None, Value::Object(map)) => {
                let mut below = Map::new();
                absorb(&mut below, map);
                names.insert(key.clone(), Value::Object(below));
            }
            (None, _) => {
                names.insert(key.clone(), Value::Null);
            }
        }
    }
}

/// Null for each name that the parameters lack; a map that is lacking is null as a whole.
fn fill(parameters: &mut Parameters, names: &Parameters) {
    for (key, below) in names {
        match (parameters.get_mut(key), below) {
            (None, _) => {
                parameters.insert(key.clone(), Value::Null);
            }
            (Some(Value::Object(map)), Value::Object(below)) => fill(map, below),
            _ => {}
        }
    }
}
