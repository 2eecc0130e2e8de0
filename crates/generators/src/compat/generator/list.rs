//! `list`: elements that are written down, or come as YAML text.

use model::yaml;
use serde_json::{Map, Value};

use super::{Engine, Fault, Params, Row, in_field};

/// The most bytes of `elementsYaml` after its templates are rendered.
const MAX_BYTES: usize = 16 << 20;

pub(super) fn rows(engine: Engine, body: &Value, most: usize) -> Result<Vec<Row>, Fault> {
    let elements = body["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows: Vec<Row> = Vec::new();
    let row = |index: usize, outcome| Row { id: format!("list[{index}]"), outcome };
    // One more than allowed is enough to be refused.
    for (index, value) in elements.iter().take(most.saturating_add(1)).enumerate() {
        let outcome = element(engine, value);
        rows.push(row(index, outcome));
    }
    let first = elements.len();
    let more = from_yaml(super::text(body, "elementsYaml"))?;
    for (index, value) in more.into_iter().take(most.saturating_add(1)).enumerate() {
        let outcome = match value {
            Value::Object(map) => Ok(map.into()),
            Value::Null => Ok(Params::default()),
            other => Err(not_a_map(&other)),
        };
        rows.push(row(first + index, outcome));
    }
    Ok(rows)
}

fn element(engine: Engine, value: &Value) -> Result<Params, Fault> {
    let map = match value {
        Value::Object(map) => map,
        other => return Err(not_a_map(other)),
    };
    match engine {
        Engine::Go(_) => Ok(map.clone().into()),
        Engine::Fast => flat(map).map(Params::from),
    }
}

/// Without `goTemplate` an element is flat, but for a map of texts named `values`.
fn flat(map: &Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let mut flat = Map::new();
    for (key, value) in map {
        if key != "values" {
            flat.insert(key.clone(), text(key, value)?);
            continue;
        }
        let Value::Object(values) = value else {
            return Err(Fault::failed(format!("values: {value:.40} is not a map of texts")));
        };
        for (name, value) in values {
            let key = format!("values.{name}");
            let value = text(&key, value)?;
            flat.insert(key, value);
        }
    }
    Ok(flat)
}

fn text(key: &str, value: &Value) -> Result<Value, Fault> {
    match value {
        Value::String(_) => Ok(value.clone()),
        other => Err(Fault::failed(format!(
            "{key}: {other:.40} is not text; quote it, or set goTemplate: true"
        ))),
    }
}

fn not_a_map(value: &Value) -> Fault {
    Fault::failed(format!("the element {value:.40} is not a map of parameters"))
}

/// The items of the first document.
fn from_yaml(source: &str) -> Result<Vec<Value>, Fault> {
    match yaml::read_as_go(source.as_bytes(), MAX_BYTES) {
        Ok(Value::Null) => Ok(Vec::new()),
        Ok(Value::Array(items)) => Ok(items),
        Ok(other) => Err(Fault::failed(format!(
            "elementsYaml: {other:.40} is not a list of elements; begin each with '- '"
        ))),
        Err(error) => Err(in_field("elementsYaml", Fault::failed(error.to_string()))),
    }
}
