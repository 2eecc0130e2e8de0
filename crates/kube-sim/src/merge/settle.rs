//! What a null becomes when an object is decoded: a field is not set, a key of a map has the empty
//! value of its type.

use serde_json::{Value, json};

use super::shape::{Child, child};
use crate::schema::{Node, Scalar, Table};

/// Puts what the real server's decoding makes of nulls in their place.
pub(super) fn settle(table: &Table, node: &Node, value: &mut Value) {
    match value {
        Value::Array(items) => {
            if let Node::List { item, .. } = node {
                let item = table.node(*item);
                items.iter_mut().for_each(|value| settle(table, item, value));
            }
        }
        Value::Object(fields) if *node != Node::Any => fields.retain(|name, value| {
            let child = child(table, node, name);
            if value.is_null() {
                return settle_null(node, &child, value);
            }
            settle(table, child.node, value);
            true
        }),
        _ => {}
    }
}

/// Whether the field stays.
fn settle_null(parent: &Node, child: &Child<'_>, value: &mut Value) -> bool {
    let Some(field) = child.field else {
        if matches!(parent, Node::Map { .. }) {
            *value = zero(child.node);
        }
        return true;
    };
    if field.always && !field.pointer {
        *value = match child.node {
            Node::Struct(_) => json!({}),
            node => zero(node),
        };
    }
    field.always || field.nullable
}

/// The empty value of a scalar; null for what is held by reference.
fn zero(node: &Node) -> Value {
    match node {
        Node::Scalar(Scalar::String | Scalar::Bytes) => json!(""),
        Node::Scalar(Scalar::Quantity) => json!("0"),
        Node::Scalar(Scalar::Integer | Scalar::Int32 | Scalar::Number) => json!(0),
        Node::Scalar(Scalar::Boolean) => json!(false),
        _ => Value::Null,
    }
}
