//! YAML as Kubernetes reads it, into JSON values, within bounds.
//!
//! Every text from outside comes through here: fleet resources, manifests, kustomizations, Helm
//! values. `tokens` and `events` read it as libyaml does, on whose rules kubectl, Helm and Argo CD
//! rest; what a plain scalar means is decided in `scalar`, after YAML 1.1 as sigs.k8s.io/yaml has it
//! (`on` is true, `0755` is 493). JSON text is read by serde_json, since JSON has escapes that YAML
//! lacks. `oracle/` asks Go what it reads; its answers are in `yaml/answers.jsonl`.
//!
//! Where Kubernetes' own readers disagree or lose data, the text is refused: a key that stands
//! twice, a merge key that would overrule a key written before it, a NUL byte.

mod events;
mod json;
mod scalar;
#[cfg(test)]
mod tests;
mod tokens;

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};
use thiserror::Error;

use events::Parser;
use scalar::Scalar;
pub(crate) use scalar::float_text;

/// The deepest nesting, also after aliases are expanded. Kubernetes objects stay below 40; deeper
/// values would also be dropped recursively.
const MAX_DEPTH: usize = 128;
/// The most values in one text. 32 MiB of rendered manifests hold about a million.
const MAX_NODES: usize = 2_000_000;
/// What aliases may add to a text, in bytes of memory as `cost` counts them. Charts share a few
/// kilobytes by alias; nine nested lists of nine aliases would need gigabytes.
const MAX_ALIAS_BYTES: usize = 8 << 20;
/// What one value costs beside its text.
const NODE_BYTES: usize = 64;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What a text may cost before it is refused. Depth, values and aliases have fixed bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole text, checked before anything is parsed.
    pub bytes: usize,
    /// Documents in the text, empty ones not counted.
    pub documents: usize,
    floats: bool,
}

impl Limits {
    #[must_use]
    pub const fn new(bytes: usize, documents: usize) -> Self {
        Self { bytes, documents, floats: false }
    }

    /// Whole numbers that are written as floats stay floats, for those who will want them as text:
    /// there `1e6` is `1e+06`. [`without_floats`] makes integers of what remains.
    #[must_use]
    pub const fn with_floats(self) -> Self {
        Self { floats: true, ..self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum YamlError {
    /// Nothing was parsed, so there is no line.
    #[error("the text is {bytes} bytes; at most {limit} are read")]
    TooLarge { bytes: usize, limit: usize },
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
}

impl YamlError {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self::Syntax { line, message: message.into() }
    }
}

/// Reads all documents; empty ones are left out.
///
/// # Errors
/// When the text is not YAML, is over a limit, or would be read differently by others.
pub fn read(text: &[u8], limits: Limits) -> Result<Vec<Value>, YamlError> {
    let text = checked_text(text, limits.bytes)?;
    if let Some(read) = json::read(text, limits) {
        return read;
    }
    parse(text, limits, Reading::Safe)
}

/// Reads the first document as sigs.k8s.io/yaml reads it into a tree, its bad habits included: of a
/// key that stands twice the last one counts, `<<` overrules the keys above it, what follows the
/// first document is not looked at, and JSON is read as YAML. No document is null.
///
/// # Errors
/// When the text is not YAML, or is over a limit.
pub fn read_as_go(text: &[u8], bytes: usize) -> Result<Value, YamlError> {
    let text = checked_text(text, bytes)?;
    let limits = Limits::new(bytes, 1).with_floats();
    let read = parse(text, limits, Reading::AsGo)?;
    Ok(read.into_iter().next().map_or(Value::Null, without_floats))
}

/// The tree with integers for the whole numbers that [`Limits::with_floats`] left as floats, but for
/// -0.0, which is `-0` in Go's templates.
#[must_use]
pub fn without_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => scalar::number_value(float).unwrap_or_default(),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(without_floats).collect(),
        Value::Object(entries) => {
            entries.into_iter().map(|(key, value)| (key, without_floats(value))).collect()
        }
        other => other,
    }
}

/// What to do where readers disagree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reading {
    /// Refuse the text.
    #[default]
    Safe,
    /// Do as Go's library; only the first document is read.
    AsGo,
}

fn parse(text: &str, limits: Limits, reading: Reading) -> Result<Vec<Value>, YamlError> {
    let mut documents = Documents { done: Vec::new(), limit: limits.documents };
    let builder = Builder { reading, floats: limits.floats, ..Builder::default() };
    Parser::new(text, builder, &mut documents).run()?;
    Ok(documents.done)
}

/// Reads a text of exactly one document of at most `bytes` bytes; an empty text is null.
///
/// # Errors
/// As [`read`], and when there is a second document.
pub fn read_one(text: &[u8], bytes: usize) -> Result<Value, YamlError> {
    Ok(read(text, Limits::new(bytes, 1))?.pop().unwrap_or(Value::Null))
}

/// UTF-8 without a byte order mark and without control characters, of bounded length.
fn checked_text(text: &[u8], limit: usize) -> Result<&str, YamlError> {
    if text.len() > limit {
        return Err(YamlError::TooLarge { bytes: text.len(), limit });
    }
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let line_of = |end: usize| 1 + text[..end].iter().filter(|byte| **byte == b'\n').count();
    // A NUL ends the text for the scanner: what follows it would be lost without a word.
    let control = |byte: &u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127);
    if let Some(position) = text.iter().position(control) {
        let message = format!("the control character 0x{:02x} is not allowed", text[position]);
        return Err(YamlError::at(line_of(position), message));
    }
    std::str::from_utf8(text)
        .map_err(|error| YamlError::at(line_of(error.valid_up_to()), "the text is not UTF-8"))
}

/// The documents read so far.
struct Documents {
    done: Vec<Value>,
    limit: usize,
}

impl Documents {
    fn push(&mut self, document: Option<Value>, line: usize) -> Result<(), YamlError> {
        let Some(document) = document.filter(|document| !document.is_null()) else {
            return Ok(());
        };
        if self.done.len() == self.limit {
            let message = format!("at most {} documents are read from one text", self.limit);
            return Err(YamlError::at(line, message));
        }
        self.done.push(document);
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Collection {
    List,
    Mapping,
}

/// A collection whose end has not come yet.
enum Open {
    List(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// What `<<` brought; keys of the mapping itself win.
        merged: Option<Map<String, Value>>,
    },
}

enum Key {
    Named(String),
    Merge,
}

/// Puts the values of one document together.
#[derive(Default)]
struct Builder {
    reading: Reading,
    floats: bool,
    open: Vec<(Open, Option<String>)>,
    root: Option<Value>,
    document_line: usize,
    /// `None` for what is not complete.
    anchors: HashMap<String, Option<Anchored>>,
    nodes: usize,
    alias_bytes: usize,
}

struct Anchored {
    value: Value,
    cost: Cost,
}

/// What a value takes when it is copied.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Builder {
    fn start_document(&mut self, line: usize) {
        self.document_line = line;
        self.open.clear();
        self.anchors.clear();
        self.root = None;
    }

    fn scalar(
        &mut self,
        text: String,
        plain: bool,
        anchor: Option<String>,
        tag: Option<&str>,
        line: usize,
    ) -> Result<(), YamlError> {
        self.count(1, line)?;
        if text == "<<" && self.awaits_key() && scalar::is_merge(plain, tag) {
            return self.set_key(Key::Merge, line);
        }
        let scalar = scalar::resolve(Cow::Owned(text), plain, tag);
        let scalar = scalar.map_err(|message| YamlError::at(line, message))?;
        if self.awaits_key() {
            if anchor.is_some() {
                // An infinite number can be a key, and nothing else.
                let value = scalar.clone().into_value(self.floats).unwrap_or_default();
                self.remember(anchor, &value, line)?;
            }
            let key = scalar.into_key().map_err(|message| YamlError::at(line, message))?;
            return self.set_key(Key::Named(key), line);
        }
        let value =
            scalar.into_value(self.floats).map_err(|message| YamlError::at(line, message))?;
        self.remember(anchor, &value, line)?;
        self.place(value, line)
    }

    fn alias(&mut self, name: &str, line: usize) -> Result<(), YamlError> {
        let Anchored { value, cost } = match self.anchors.get(name) {
            Some(Some(anchored)) => anchored,
            Some(None) => {
                return Err(YamlError::at(line, "the alias stands inside of the value it names"));
            }
            None => {
                let name: String = name.chars().take(80).collect();
                let message = format!("nothing before *{name} has the anchor &{name}");
                return Err(YamlError::at(line, message));
            }
        };
        if self.open.len() + cost.depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let (cost, value) = (*cost, value.clone());
        self.count(cost.nodes, line)?;
        self.charge(cost, line)?;
        if self.awaits_key() {
            let scalar = Scalar::of_value(value);
            let key = scalar.and_then(Scalar::into_key);
            return self.set_key(Key::Named(key.map_err(|m| YamlError::at(line, m))?), line);
        }
        self.place(value, line)
    }

    fn open(
        &mut self,
        kind: Collection,
        anchor: Option<String>,
        line: usize,
    ) -> Result<(), YamlError> {
        self.count(1, line)?;
        if self.awaits_key() {
            return Err(YamlError::at(line, "a mapping or a list cannot be a key"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(line));
        }
        let open = match kind {
            Collection::List => Open::List(Vec::new()),
            Collection::Mapping => Open::Mapping { map: Map::new(), key: None, merged: None },
        };
        if let Some(name) = &anchor {
            self.anchors.insert(name.clone(), None);
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn close(&mut self, line: usize) -> Result<(), YamlError> {
        let Some((open, anchor)) = self.open.pop() else { return Ok(()) };
        let value = match open {
            Open::List(items) => Value::Array(items),
            Open::Mapping { mut map, merged, .. } => {
                for (key, value) in merged.into_iter().flatten() {
                    map.entry(key).or_insert(value);
                }
                Value::Object(map)
            }
        };
        // An anchor of the same name within this value came later than its own.
        let is_last = |name: &String| matches!(self.anchors.get(name), Some(None));
        let anchor = anchor.filter(is_last);
        self.remember(anchor, &value, line)?;
        self.place(value, line)
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some((Open::Mapping { key: None, .. }, _)))
    }

    fn set_key(&mut self, new: Key, line: usize) -> Result<(), YamlError> {
        let Some((Open::Mapping { map, key, merged }, _)) = self.open.last_mut() else {
            return Ok(());
        };
        let twice = match &new {
            Key::Merge => merged.is_some().then_some("<<"),
            Key::Named(name) => map.contains_key(name).then_some(name.as_str()),
        };
        match twice {
            Some(name) if self.reading == Reading::Safe => return Err(duplicate_key(name, line)),
            _ => *key = Some(new),
        }
        Ok(())
    }

    fn place(&mut self, value: Value, line: usize) -> Result<(), YamlError> {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Open::List(items), _)) => items.push(value),
            Some((Open::Mapping { map, key, merged }, _)) => match key.take() {
                Some(Key::Named(name)) => {
                    map.insert(name, value);
                }
                Some(Key::Merge) if self.reading == Reading::AsGo => {
                    map.extend(parts_of_merge(value, line)?);
                }
                Some(Key::Merge) => *merged = Some(merge(value, map, line)?),
                // Every value of a mapping follows its key.
                None => return Err(YamlError::at(line, "a value without a key")),
            },
        }
        Ok(())
    }

    /// Keeps a value that has an anchor, for its aliases.
    fn remember(
        &mut self,
        anchor: Option<String>,
        value: &Value,
        line: usize,
    ) -> Result<(), YamlError> {
        let Some(name) = anchor else { return Ok(()) };
        let cost = cost(value);
        self.charge(cost, line)?;
        self.anchors.insert(name, Some(Anchored { value: value.clone(), cost }));
        Ok(())
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("the text holds more than {MAX_NODES} values");
            return Err(YamlError::at(line, message));
        }
        Ok(())
    }

    fn charge(&mut self, cost: Cost, line: usize) -> Result<(), YamlError> {
        self.alias_bytes += cost.bytes;
        if self.alias_bytes > MAX_ALIAS_BYTES {
            let message = format!(
                "anchors and aliases make this text grow by more than {} MiB; write the values out",
                MAX_ALIAS_BYTES >> 20
            );
            return Err(YamlError::at(line, message));
        }
        Ok(())
    }
}

/// The keys that `<<` brings, none of which may be written already.
fn merge(
    value: Value,
    written: &Map<String, Value>,
    line: usize,
) -> Result<Map<String, Value>, YamlError> {
    let merged = parts_of_merge(value, line)?;
    // Helm and kubectl let the merge win here, kustomize the key: nobody should have to know.
    if let Some(key) = merged.keys().find(|key| written.contains_key(*key)) {
        let message = format!("`<<` brings the key {key:?} that stands above it; put `<<` first");
        return Err(YamlError::at(line, message));
    }
    Ok(merged)
}

/// The keys of a mapping, or of a list of mappings of which the first wins.
fn parts_of_merge(value: Value, line: usize) -> Result<Map<String, Value>, YamlError> {
    let parts = match value {
        Value::Array(parts) => parts,
        part => vec![part],
    };
    let mut merged = Map::new();
    for part in parts {
        let Value::Object(part) = part else {
            return Err(YamlError::at(line, "`<<` takes a mapping or a list of mappings"));
        };
        for (key, value) in part {
            merged.entry(key).or_insert(value);
        }
    }
    Ok(merged)
}

fn cost(value: &Value) -> Cost {
    let mut sum = Cost { nodes: 1, bytes: NODE_BYTES, depth: 0 };
    let mut add = |key: usize, child: Cost| {
        sum.nodes += child.nodes;
        sum.bytes += key + child.bytes;
        sum.depth = sum.depth.max(child.depth + 1);
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| add(0, cost(item))),
        Value::Object(map) => map.iter().for_each(|(key, item)| add(key.len(), cost(item))),
        Value::String(text) => sum.bytes += text.len(),
        _ => {}
    }
    sum
}

fn too_deep(line: usize) -> YamlError {
    YamlError::at(line, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn duplicate_key(name: &str, line: usize) -> YamlError {
    let name: String = name.chars().take(80).collect();
    YamlError::at(line, format!("the key {name:?} stands twice in one mapping"))
}
