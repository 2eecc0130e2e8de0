//! How the walks over objects see a type: as one value, a list or fields. It decides what an
//! untyped value is by looking at it, and what path element names an item of a list.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::path::PathElement;
use crate::schema::{Field, ListMerge, Node, Scalar, Table};

/// The type of what has no type.
pub(super) static ANY: Node = Node::Any;

/// What an absent part is compared with where the real server always has a (possibly empty) part.
pub(super) static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// The form that a value of a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Scalar,
    List,
    Fields,
}

/// The form of this value; an untyped null or absent value may become fields.
pub(super) fn form(node: &Node, value: Option<&Value>) -> Form {
    match (node, value) {
        (Node::Scalar(_), _) => Form::Scalar,
        (Node::List { .. }, _) | (Node::Any, Some(Value::Array(_))) => Form::List,
        (Node::Map { .. } | Node::Struct(_), _)
        | (Node::Any, None | Some(Value::Object(_) | Value::Null)) => Form::Fields,
        (Node::Any, Some(_)) => Form::Scalar,
    }
}

/// Whether a list or map of this type is owned and replaced as a whole. Untyped lists are.
pub(super) fn is_atomic(node: &Node, form: Form) -> bool {
    match node {
        Node::List { merge, .. } => *merge == ListMerge::Atomic,
        Node::Map { atomic, .. } => *atomic,
        Node::Struct(node) => node.atomic,
        Node::Any => form == Form::List,
        Node::Scalar(_) => false,
    }
}

/// A field's or key's type, seen from its parent.
#[derive(Clone, Copy)]
pub(super) struct Child<'t> {
    pub(super) node: &'t Node,
    /// The declaration, unless it is a key of a map or an undeclared field.
    pub(super) field: Option<&'t Field>,
}

impl Child<'_> {
    /// What the real server's typed object holds where this field is absent in JSON: a struct by
    /// value is there and empty, and what is always written is there and null. Custom resources
    /// are untyped there.
    pub(super) fn when_absent(&self, table: &Table) -> Option<&'static Value> {
        let field = self.field.filter(|field| !table.is_custom(field.ty))?;
        match self.node {
            Node::Struct(_) if !field.pointer => Some(&*EMPTY),
            Node::Scalar(_) => None,
            _ => field.always.then_some(&Value::Null),
        }
    }

    /// What counts for a key that an item of a list does not say.
    fn key_default(&self) -> Option<Cow<'_, Value>> {
        let field = self.field?;
        if let Some(default) = &field.default {
            return Some(Cow::Borrowed(default));
        }
        // The published schema gives these fields a default of zero.
        match self.node {
            Node::Scalar(Scalar::String) if field.always && !field.pointer => {
                Some(Cow::Owned(Value::String(String::new())))
            }
            Node::Scalar(Scalar::Int32 | Scalar::Integer) if field.always && !field.pointer => {
                Some(Cow::Owned(Value::from(0)))
            }
            _ => None,
        }
    }
}

/// The type below a field or key; `None` when it is not declared.
pub(super) fn declared<'t>(table: &'t Table, node: &'t Node, name: &str) -> Option<Child<'t>> {
    match node {
        Node::Struct(node) => match node.fields.get(name) {
            Some(field) => Some(Child { node: table.node(field.ty), field: Some(field) }),
            None => node.preserve_unknown.then_some(Child { node: &ANY, field: None }),
        },
        Node::Map { item, .. } => Some(Child { node: table.node(*item), field: None }),
        _ => Some(Child { node: &ANY, field: None }),
    }
}

/// As [`declared`], with what is not declared taken as untyped.
pub(super) fn child<'t>(table: &'t Table, node: &'t Node, name: &str) -> Child<'t> {
    declared(table, node, name).unwrap_or(Child { node: &ANY, field: None })
}

/// The items' type and how the lists merge; an untyped list is atomic.
pub(super) fn list<'t>(table: &'t Table, node: &'t Node) -> (&'t Node, &'t ListMerge) {
    match node {
        Node::List { item, merge } => (table.node(*item), merge),
        _ => (&ANY, &ListMerge::Atomic),
    }
}

/// The path element that names an item of a set or keyed list.
///
/// # Errors
/// When the item cannot be named, as the real server says it.
pub(super) fn item_element(
    table: &Table,
    item: &Node,
    merge: &ListMerge,
    value: &Value,
) -> Result<PathElement, String> {
    match merge {
        ListMerge::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListMerge::Set => match value {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => {
                Err("not supported: associative list with lists as elements".to_owned())
            }
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null"
                    .to_owned())
            }
            scalar => Ok(PathElement::Item(scalar.clone())),
        },
        ListMerge::Map(keys) => keyed_element(table, item, keys, value),
    }
}

fn keyed_element(
    table: &Table,
    item: &Node,
    keys: &[Box<str>],
    value: &Value,
) -> Result<PathElement, String> {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let named = keys.iter().filter_map(|key| {
        let value = match fields.get(&**key) {
            Some(value) => value.clone(),
            None => child(table, item, key).key_default()?.into_owned(),
        };
        Some((key.clone(), value))
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        let quoted: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and \
             doesn't have default values for any key fields)",
            quoted.join(" ")
        ));
    }
    Ok(PathElement::key(named))
}
