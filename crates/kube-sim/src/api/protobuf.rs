//! Bodies in protobuf, which Kubernetes' own typed clients send: `kubectl create` and `auth can-i` do
//! and take no other form for an answer. They are turned into the JSON that the rest knows; answers
//! are always JSON, which these clients accept.
//!
//! The types are those of the table; the numbers of their fields are in `types/protobuf.txt`. What
//! is not there (definitions of custom resources, lists) is not understood.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::schema::builtin::type_named;
use crate::schema::{Field, Node, Registry, Scalar, StructNode, TypeHandle};

const TEXT: &str = include_str!("../../types/protobuf.txt");
/// What the names of all types begin with.
const PREFIX: &str = "io.k8s.";
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
const MAGIC: &[u8] = b"k8s\0";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// The path of numbers to a field: more than one where JSON has the fields of a message in line.
type Path = Vec<u32>;

/// By type, the names of the fields.
static FIELDS: LazyLock<HashMap<&str, BTreeMap<Path, &str>>> = LazyLock::new(|| {
    let lines = TEXT.lines().filter(|line| !line.starts_with('#'));
    let read = lines.filter_map(|line| {
        let (name, fields) = line.split_once(' ')?;
        let fields = fields.split(' ').filter_map(|field| {
            let (name, path) = field.split_once('=')?;
            let path: Result<Path, _> = path.split('.').map(str::parse).collect();
            Some((path.ok()?, name))
        });
        Some((name, fields.collect()))
    });
    read.collect()
});

/// The object in a body, as JSON; `None` when the body is broken or its kind is not known.
pub(crate) fn decode(registry: &Registry, body: &[u8]) -> Option<Value> {
    let (mut api_version, mut kind, mut raw) = ("", "", &b""[..]);
    for (number, wire) in Message(body.strip_prefix(MAGIC)?) {
        match (number, wire?) {
            (1, Wire::Bytes(meta)) => {
                for (number, wire) in Message(meta) {
                    match (number, wire?) {
                        (1, Wire::Bytes(text)) => api_version = std::str::from_utf8(text).ok()?,
                        (2, Wire::Bytes(text)) => kind = std::str::from_utf8(text).ok()?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let ty = type_of(registry, api_version, kind)?;
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    let Node::Struct(node) = ty.node() else { return None };
    structure(&ty, node, raw, &[], &mut object)?;
    Some(Value::Object(object))
}

/// A kind of a resource or of a subresource.
fn type_of(registry: &Registry, api_version: &str, kind: &str) -> Option<TypeHandle> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if kind == "DeleteOptions" {
        return type_named(DELETE_OPTIONS);
    }
    if let Some(resource) = registry.by_kind(group, version, kind) {
        return Some(resource.ty.clone());
    }
    let resources = registry.iter().flat_map(|(_, versions)| versions);
    let mut subresources = resources.flat_map(|resource| &resource.subresources);
    let found =
        subresources.find(|sub| (&*sub.group, &*sub.version, &*sub.kind) == (group, version, kind));
    found.map(|sub| sub.ty.clone())
}

fn structure(
    ty: &TypeHandle,
    node: &StructNode,
    bytes: &[u8],
    at: &[u32],
    object: &mut Map<String, Value>,
) -> Option<()> {
    let fields = FIELDS.get(node.name.strip_prefix(PREFIX)?)?;
    for (number, wire) in Message(bytes) {
        let wire = wire?;
        let path: Path = at.iter().copied().chain([number]).collect();
        if let Some(name) = fields.get(&path) {
            let field = node.fields.get(*name)?;
            put(object, name, field, &ty.at(field.ty), wire)?;
        } else if let Wire::Bytes(inner) = wire
            && fields.keys().any(|known| known.len() > path.len() && known.starts_with(&path))
        {
            structure(ty, node, inner, &path, object)?;
        }
    }
    Some(())
}

/// Adds what one entry of a message says of a field. A zero that Go would leave out of JSON is left
/// out here too.
fn put(
    object: &mut Map<String, Value>,
    name: &str,
    field: &Field,
    ty: &TypeHandle,
    wire: Wire<'_>,
) -> Option<()> {
    match ty.node() {
        Node::List { item, .. } => {
            let item = value(&ty.at(*item), wire)?;
            let list = object.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut()?.push(item);
        }
        Node::Map { item, .. } => {
            let Wire::Bytes(entry) = wire else { return None };
            let (mut key, mut held) = (String::new(), None);
            for (number, wire) in Message(entry) {
                match (number, wire?) {
                    (1, Wire::Bytes(text)) => key = String::from_utf8(text.to_vec()).ok()?,
                    (2, wire) => held = Some(value(&ty.at(*item), wire)?),
                    _ => {}
                }
            }
            let map = object.entry(name).or_insert_with(|| json!({}));
            map.as_object_mut()?.insert(key, held.unwrap_or_else(|| json!("")));
        }
        _ => {
            let value = value(ty, wire)?;
            if field.pointer || !is_zero(&value) {
                object.insert(name.to_owned(), value);
            }
        }
    }
    Some(())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn value(ty: &TypeHandle, wire: Wire<'_>) -> Option<Value> {
    Some(match (ty.node(), wire) {
        (Node::Scalar(scalar), wire) => return scalar_value(*scalar, wire),
        (Node::Struct(node), Wire::Bytes(bytes)) => {
            let mut object = Map::new();
            structure(ty, node, bytes, &[], &mut object)?;
            Value::Object(object)
        }
        // JSON as it is, in a message of its own.
        (Node::Any, Wire::Bytes(bytes)) => match first(bytes)? {
            Some(Wire::Bytes(raw)) => serde_json::from_slice(raw).ok()?,
            _ => Value::Null,
        },
        // A list in a map is in a message of its own.
        (Node::List { item, .. }, Wire::Bytes(bytes)) => {
            let items = Message(bytes).map(|(_, wire)| value(&ty.at(*item), wire?));
            Value::Array(items.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn scalar_value(scalar: Scalar, wire: Wire<'_>) -> Option<Value> {
    Some(match (scalar, wire) {
        (Scalar::String, Wire::Bytes(bytes)) => json!(std::str::from_utf8(bytes).ok()?),
        (Scalar::Integer | Scalar::Int32, Wire::Varint(number)) => json!(number.cast_signed()),
        (Scalar::Boolean, Wire::Varint(number)) => json!(number != 0),
        (Scalar::Number, Wire::Fixed64(bits)) => json!(f64::from_bits(bits)),
        (Scalar::Bytes, Wire::Bytes(bytes)) => json!(STANDARD.encode(bytes)),
        (Scalar::Quantity, Wire::Bytes(bytes)) => match first(bytes)? {
            Some(Wire::Bytes(text)) => json!(std::str::from_utf8(text).ok()?),
            _ => json!("0"),
        },
        (Scalar::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(bytes)) => time(bytes, scalar)?,
        _ => return None,
    })
}

/// The first entry of a message, if it has one.
fn first(bytes: &[u8]) -> Option<Option<Wire<'_>>> {
    match Message(bytes).next() {
        None => Some(None),
        Some((_, wire)) => wire.map(Some),
    }
}

fn int_or_string(bytes: &[u8]) -> Option<Value> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    for (field, wire) in Message(bytes) {
        match (field, wire?) {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            (2, Wire::Varint(value)) => number = value.cast_signed(),
            (3, Wire::Bytes(value)) => text = std::str::from_utf8(value).ok()?,
            _ => {}
        }
    }
    Some(if is_text { json!(text) } else { json!(number) })
}

/// A time that was never set is an empty message.
fn time(bytes: &[u8], scalar: Scalar) -> Option<Value> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    for (field, wire) in Message(bytes) {
        match (field, wire?) {
            (1, Wire::Varint(value)) => seconds = value.cast_signed(),
            (2, Wire::Varint(value)) => nanos = i32::try_from(value.cast_signed()).ok()?,
            _ => {}
        }
    }
    if bytes.is_empty() {
        return Some(Value::Null);
    }
    let at = Timestamp::new(seconds, nanos).ok()?;
    Some(json!(if scalar == Scalar::MicroTime { format!("{at:.6}") } else { at.to_string() }))
}

/// One entry of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// The entries of a message with their numbers; the last one is `None` where it is broken.
struct Message<'a>(&'a [u8]);

impl<'a> Iterator for Message<'a> {
    type Item = (u32, Option<Wire<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_none() {
            self.0 = &[];
        }
        Some(entry.map_or((0, None), |(number, wire)| (number, Some(wire))))
    }
}

impl<'a> Message<'a> {
    fn entry(&mut self) -> Option<(u32, Wire<'a>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            _ => return None,
        };
        Some((number, wire))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}
