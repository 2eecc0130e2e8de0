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
    let empty = match (parent, child.node) {
        (Node::Map { .. }, Node::Scalar(Scalar::String | Scalar::Bytes)) => json!(""),
        (Node::Map { .. }, Node::Scalar(Scalar::Quantity)) => json!("0"),
        (Node::Map { .. }, Node::Scalar(Scalar::Integer | Scalar::Int32 | Scalar::Number)) => {
            json!(0)
        }
        (Node::Map { .. }, Node::Scalar(Scalar::Boolean)) => json!(false),
        _ if child.is_by_value() => json!({}),
        _ => return child.field.is_none_or(|field| field.nullable),
    };
    *value = empty;
    true
}
