//! `merge`: the rows of the first child, overlaid with those of the others that have the same keys.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Number, Value};

use super::combine::{Unions, flat_overlay, overlay};
use super::{Engine, Evaluator, Fault, Level, Params, Row, in_field};

impl Evaluator<'_> {
    pub(super) fn merge_rows(&mut self, body: &Value, level: Level) -> Result<Vec<Row>, Fault> {
        let children = body["generators"].as_array().map(Vec::as_slice).unwrap_or_default();
        let keys = body["mergeKeys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let keys: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
        let Some((first, overlays)) = children.split_first() else {
            return Err(Fault::failed("merge takes two or more generators"));
        };
        let mut base = self.child(first, level.below())?;
        unique(&keys, &base, 0)?;
        // Of the base as it was: an overlay makes text of numbers, which would be another key.
        let keys_of = |row: &Row| row.outcome.as_ref().ok().map(|row| key_of(&keys, row));
        let base_keys: Vec<Option<String>> = base.iter().map(keys_of).collect();
        let mut unions = Unions::default();
        for (index, child) in overlays.iter().enumerate() {
            let at = |fault| in_field(&format!("merge.generators[{}]", index + 1), fault);
            let before = std::mem::take(&mut self.partial);
            let rows = self.child(child, level.below());
            let missed = std::mem::replace(&mut self.partial, before);
            let rows = rows.map_err(at)?;
            // Without an overlay the base would be a wrong application, not a missing one.
            if let Some(fault) = missed.into_iter().next() {
                return Err(at(fault));
            }
            let by_key = unique(&keys, &rows, index + 1)?;
            if let Some(Row { id, outcome: Err(fault) }) =
                rows.iter().find(|row| row.outcome.is_err())
            {
                return Err(at(in_field(id, fault.clone())));
            }
            for (row, key) in base.iter_mut().zip(&base_keys) {
                let (Ok(parameters), Some(key)) = (&mut row.outcome, key) else { continue };
                let Some(over) = by_key.get(key) else { continue };
                let Ok(over) = &rows[*over].outcome else { continue };
                row.outcome = match self.engine {
                    Engine::Fast => Ok(flat_overlay(parameters, over)),
                    Engine::Go(_) => overlay(std::mem::take(parameters), over, &mut unions),
                };
            }
        }
        Ok(base)
    }
}

/// The rows by their keys; two with the same keys in one child are an error.
fn unique(
    keys: &BTreeSet<&str>,
    rows: &[Row],
    child: usize,
) -> Result<HashMap<String, usize>, Fault> {
    let mut by_key: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let Ok(parameters) = &row.outcome else { continue };
        let key = key_of(keys, parameters);
        if let Some(other) = by_key.get(&key) {
            return Err(Fault::failed(format!(
                "merge.generators[{child}]: {} and {} are not unique by the mergeKeys: both have \
                 {key:.200}; add a key that tells them apart",
                rows[*other].id, row.id
            )));
        }
        by_key.insert(key, index);
    }
    Ok(by_key)
}

/// The values of the keys as JSON, as Go compares them: an absent one is null.
fn key_of(keys: &BTreeSet<&str>, parameters: &Params) -> String {
    let entries = keys.iter().map(|key| {
        let value = parameters.get(key).map_or(Value::Null, as_floats);
        ((*key).to_owned(), value)
    });
    Value::Object(entries.collect()).to_string()
}

/// A value with every number as Go has it: a 64-bit float, so that 1 and 1.0 are one.
fn as_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().and_then(Number::from_f64);
            Value::Number(float.unwrap_or_else(|| number.clone()))
        }
        Value::Array(items) => items.iter().map(as_floats).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), as_floats(value))).collect())
        }
        other => other.clone(),
    }
}
