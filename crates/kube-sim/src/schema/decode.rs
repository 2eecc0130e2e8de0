//! What an object is after a real server has read it: a Go value, whatever was sent.
//!
//! A request's body goes through [`check_types`] (a wrong type is a 400), [`prune`] (unknown fields are
//! dropped, and named for the strict and the warning modes of field validation), [`normalise`] (null and
//! empty values vanish or become zero, as the type says) and [`default`]. All of it is for built-in and
//! custom types alike; of a custom type the wrong values are left for [`super::validate`] to find, but
//! for those in its metadata, which is of a built-in type.

use serde_json::{Map, Value};

use super::quantity;
use super::scalar::{self, Wrong};
use super::table::{Field, Node, Scalar, StructNode, Table, TypeHandle, TypeId};

/// Checks that every value is of its type.
///
/// # Errors
/// What comes after `KIND in version "V" cannot be handled as a KIND: ` in a real server's answer.
pub fn check_types(value: &Value, ty: &TypeHandle) -> Result<(), String> {
    let mut place = Place { table: &ty.table, owner: "", path: Vec::new() };
    place.check(value, ty.id)
}

/// Where the check is: Go tells a field by the struct that has it and by the names on the way to it.
struct Place<'a> {
    table: &'a Table,
    owner: &'a str,
    path: Vec<&'a str>,
}

impl<'a> Place<'a> {
    fn check(&mut self, value: &Value, id: TypeId) -> Result<(), String> {
        if value.is_null() {
            return Ok(());
        }
        match (self.table.node(id), value) {
            (Node::Struct(node), Value::Object(members)) => self.check_members(members, node, id),
            (Node::List { item, .. }, Value::Array(items)) => {
                items.iter().try_for_each(|value| self.check(value, *item))
            }
            (Node::Map { item, .. }, Value::Object(members)) => {
                members.values().try_for_each(|value| self.check(value, *item))
            }
            (Node::Any, _) => Ok(()),
            _ if self.table.is_custom(id) => Ok(()),
            (Node::Scalar(scalar), value) => {
                scalar::check(value, *scalar).map_err(|wrong| match wrong {
                    Wrong::Kind { found, wanted } => self.wrong(&found, wanted),
                    Wrong::Content(message) => message,
                })
            }
            (_, value) => Err(self.wrong(scalar::kind_of(value), &go_name(self.table, id))),
        }
    }

    fn check_members(
        &mut self,
        members: &Map<String, Value>,
        node: &'a StructNode,
        id: TypeId,
    ) -> Result<(), String> {
        let before = self.owner;
        self.owner = last(&node.name);
        for (name, value) in members {
            let Some((name, field)) = node.fields.get_key_value(name.as_str()) else { continue };
            // The decoder of a custom resource reads its metadata alone, so the path begins there.
            let apart = self.table.is_custom(id) && !self.table.is_custom(field.ty);
            let outside = apart.then(|| std::mem::take(&mut self.path));
            if !apart {
                self.path.push(name);
            }
            self.check(value, field.ty)?;
            match outside {
                Some(path) => self.path = path,
                None => drop(self.path.pop()),
            }
        }
        self.owner = before;
        Ok(())
    }

    fn wrong(&self, found: &str, wanted: &str) -> String {
        if self.path.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {wanted}");
        }
        let path = self.path.join(".");
        let owner = self.owner;
        format!(
            "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
        )
    }
}

/// A type as Go writes it, such as `[]v1.Container`.
fn go_name(table: &Table, id: TypeId) -> String {
    match table.node(id) {
        Node::Scalar(Scalar::Boolean) => "bool".to_owned(),
        Node::Scalar(Scalar::Integer) => "int64".to_owned(),
        Node::Scalar(Scalar::Int32) => "int32".to_owned(),
        Node::Scalar(Scalar::Number) => "float64".to_owned(),
        Node::Scalar(Scalar::Bytes) => "[]uint8".to_owned(),
        Node::Scalar(_) => "string".to_owned(),
        Node::Any => "interface {}".to_owned(),
        Node::List { item, .. } => format!("[]{}", go_name(table, *item)),
        Node::Map { item, .. } => format!("map[string]{}", go_name(table, *item)),
        Node::Struct(node) => {
            let package = node.name.len() - last(&node.name).len();
            format!("{}.{}", last(node.name[..package].trim_end_matches('.')), last(&node.name))
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Drops the fields that the type does not know; their paths, such as `spec.containers[0].bogus`.
pub fn prune(value: &mut Value, ty: &TypeHandle) -> Vec<String> {
    let mut pruning = Pruning { table: &ty.table, path: String::new(), dropped: Vec::new() };
    pruning.prune(value, ty.id);
    pruning.dropped
}

struct Pruning<'a> {
    table: &'a Table,
    /// Where it is. One text for the whole object: most objects have nothing to name.
    path: String,
    dropped: Vec<String>,
}

impl Pruning<'_> {
    fn prune(&mut self, value: &mut Value, id: TypeId) {
        let length = self.path.len();
        match (self.table.node(id), value) {
            (Node::Struct(node), Value::Object(members)) => members.retain(|name, value| {
                self.enter(name);
                let known = node.fields.get(name.as_str());
                match known {
                    Some(field) => self.prune(value, field.ty),
                    None if node.preserve_unknown => {}
                    None => self.dropped.push(self.path.clone()),
                }
                self.path.truncate(length);
                known.is_some() || node.preserve_unknown
            }),
            (Node::List { item, .. }, Value::Array(items)) => {
                for (index, value) in items.iter_mut().enumerate() {
                    self.path.push('[');
                    self.path.push_str(&index.to_string());
                    self.path.push(']');
                    self.prune(value, *item);
                    self.path.truncate(length);
                }
            }
            (Node::Map { item, .. }, Value::Object(members)) => {
                for (name, value) in members {
                    self.enter(name);
                    self.prune(value, *item);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }
}

/// Brings values into the form in which a server answers them: quantities and times in canonical form,
/// null and empty values gone or zero, what is always written there. Doing it twice changes nothing.
pub fn normalise(value: &mut Value, ty: &TypeHandle) {
    normalise_at(value, &ty.table, ty.id);
}

fn normalise_at(value: &mut Value, table: &Table, id: TypeId) {
    match (table.node(id), &mut *value) {
        (Node::Struct(node), Value::Object(members)) => normalise_members(members, table, node),
        (Node::List { item, .. }, Value::Array(items)) => {
            for value in items {
                if value.is_null() && !table.is_custom(*item) {
                    *value = zero(table, *item);
                }
                normalise_at(value, table, *item);
            }
        }
        (Node::Map { item, .. }, Value::Object(members)) => {
            normalise_entries(members, table, *item, table.is_custom(id));
        }
        // A custom resource's values are what was sent.
        (Node::Scalar(scalar), value) if !table.is_custom(id) => {
            *value = scalar::normal(value.take(), *scalar);
        }
        _ => {}
    }
}

fn normalise_entries(members: &mut Map<String, Value>, table: &Table, item: TypeId, custom: bool) {
    if custom {
        members.retain(|_, value| !value.is_null() || table.is_nullable(item));
    }
    let amounts = !custom && *table.node(item) == Node::Scalar(Scalar::Quantity);
    for value in members.values_mut() {
        if value.is_null() && !custom {
            // Empty bytes come back from the store as empty text.
            let zero = zero(table, item);
            *value = if zero.is_null() && is_bytes(table, item) { "".into() } else { zero };
        }
        normalise_at(value, table, item);
        // Every map of amounts is one of limits, requests or capacities.
        if let (true, Value::String(text)) = (amounts, &*value)
            && let Some(rounded) = quantity::canonical_milli(text)
        {
            *value = rounded.into();
        }
    }
}

fn is_bytes(table: &Table, id: TypeId) -> bool {
    *table.node(id) == Node::Scalar(Scalar::Bytes)
}

fn normalise_members(members: &mut Map<String, Value>, table: &Table, node: &StructNode) {
    members.retain(|name, value| {
        let Some(field) = node.fields.get(name.as_str()) else { return true };
        if table.is_custom(field.ty) {
            if value.is_null() {
                return field.nullable;
            }
            normalise_at(value, table, field.ty);
            return true;
        }
        normalise_at(value, table, field.ty);
        // An empty `managedFields` is an order to wipe it, which the record of owners obeys.
        let is_order = name == "managedFields" && value.is_array();
        field.always || is_order || !is_empty(value, table, field)
    });
    for (name, field) in node.fields.iter().filter(|(_, field)| field.always) {
        let is_set = |value: &Value| {
            // An empty list comes back from the store as none.
            !value.is_null() && (field.pointer || *value != Value::Array(Vec::new()))
        };
        if !members.get(&**name).is_some_and(is_set) {
            let zero = if field.pointer { Value::Null } else { zero(table, field.ty) };
            members.insert(name.to_string(), zero);
        }
    }
}

/// Whether Go leaves the field out.
fn is_empty(value: &Value, table: &Table, field: &Field) -> bool {
    if value.is_null() {
        return true;
    }
    if field.pointer {
        return false;
    }
    match (table.node(field.ty), value) {
        (_, Value::Array(items)) => items.is_empty(),
        (Node::Map { .. }, Value::Object(members)) => members.is_empty(),
        (Node::Scalar(Scalar::Bytes), Value::String(text)) => text.is_empty(),
        (Node::Any, _) => false,
        (_, value) => *value == zero(table, field.ty),
    }
}

/// What an absent value of a built-in type is.
fn zero(table: &Table, id: TypeId) -> Value {
    match table.node(id) {
        Node::Scalar(scalar) => scalar::zero(*scalar),
        Node::Struct(node) => {
            let fields = node.fields.iter().filter(|(_, field)| field.always);
            let value = |field: &Field| {
                if field.pointer { Value::Null } else { zero(table, field.ty) }
            };
            fields
                .map(|(name, field)| (name.to_string(), value(field)))
                .collect::<Map<_, _>>()
                .into()
        }
        Node::Any | Node::List { .. } | Node::Map { .. } => Value::Null,
    }
}

/// Fills in the defaults that the schema tells, in what is there and in what they bring.
pub fn default(value: &mut Value, ty: &TypeHandle) {
    default_at(value, &ty.table, ty.id);
}

fn default_at(value: &mut Value, table: &Table, id: TypeId) {
    match (table.node(id), value) {
        (Node::Struct(node), Value::Object(members)) => {
            for (name, field) in &node.fields {
                if let Some(default) = &field.default
                    && !members.contains_key(&**name)
                {
                    members.insert(name.to_string(), default.clone());
                }
                if let Some(value) = members.get_mut(&**name) {
                    default_at(value, table, field.ty);
                }
            }
        }
        (Node::List { item, .. }, Value::Array(items)) => {
            items.iter_mut().for_each(|value| default_at(value, table, *item));
        }
        (Node::Map { item, .. }, Value::Object(members)) => {
            members.values_mut().for_each(|value| default_at(value, table, *item));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
