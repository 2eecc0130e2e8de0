//! JSON text, read by the rules of JSON: `\ud83d\ude80` is one character there, and an error in
//! YAML. What begins like JSON and is not may still be YAML in flow style.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::de::Deserializer;
use serde_json::{Map, Value};

use super::{Limits, MAX_NODES, YamlError, scalar};

/// The documents of a JSON text, one after the other; `None` when it is not JSON.
pub(super) fn read(text: &str, limits: Limits) -> Option<Result<Vec<Value>, YamlError>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let nodes = Cell::new(0);
    let mut documents = Vec::new();
    let mut reader = Deserializer::from_str(text);
    while reader.end().is_err() {
        let document =
            match (Node { nodes: &nodes, floats: limits.floats }).deserialize(&mut reader) {
                Ok(document) => document,
                // Our own refusals; everything else is for the YAML reader to judge.
                Err(error) if error.is_data() => {
                    let message = error.to_string();
                    let message = message.split(" at line ").next().unwrap_or_default();
                    return Some(Err(YamlError::at(error.line(), message)));
                }
                Err(_) => return None,
            };
        if documents.len() == limits.documents {
            let message = format!("at most {} documents are read from one text", limits.documents);
            return Some(Err(YamlError::at(text.lines().count(), message)));
        }
        documents.push(document);
    }
    documents.retain(|document| !document.is_null());
    Some(Ok(documents))
}

/// One value; `nodes` counts those of the whole text.
#[derive(Clone, Copy)]
struct Node<'a> {
    nodes: &'a Cell<usize>,
    floats: bool,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_NODES {
            return Err(D::Error::custom(format!("the text holds more than {MAX_NODES} values")));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        scalar::Scalar::Float(number).into_value(self.floats).map_err(E::custom)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                let key: String = key.chars().take(80).collect();
                let message = format!("the key {key:?} stands twice in one mapping");
                return Err(A::Error::custom(message));
            }
            let value = access.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
