//! `components.schemas`: the types of some resources and all that they refer to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::schema::{Field, ListMerge, Node, Resource, Scalar, StructNode, TypeHandle};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";

/// All schemas that the resources need, by name.
pub(super) fn schemas(resources: &[&Resource]) -> Value {
    let mut writer = Writer::default();
    for resource in resources {
        let name = kind_name(resource);
        let mut schema = writer.definition(&resource.ty);
        add_kind(&mut schema, resource.id.group(), &resource.version, &resource.kind);
        writer.written.insert(name, schema);
        for sub in &resource.subresources {
            if let Node::Struct(node) = sub.ty.node()
                && !node.name.is_empty()
            {
                writer.refer(&node.name, &sub.ty);
                if let Some(schema) = writer.written.get_mut(&*node.name) {
                    add_kind(schema, &sub.group, &sub.version, &sub.kind);
                }
            }
        }
    }
    writer.written.into_iter().collect::<Map<_, _>>().into()
}

/// The name of a kind's schema: of a custom resource the group backwards, as in
/// `com.example.v1.Widget`.
pub(super) fn kind_name(resource: &Resource) -> String {
    if let Node::Struct(node) = resource.ty.node()
        && !node.name.is_empty()
        && !resource.custom
    {
        return node.name.to_string();
    }
    let mut parts: Vec<&str> = resource.id.group().split('.').collect();
    parts.reverse();
    format!("{}.{}.{}", parts.join("."), resource.version, resource.kind)
}

fn add_kind(schema: &mut Value, group: &str, version: &str, kind: &str) {
    let entry = json!({"group": group, "version": version, "kind": kind});
    match schema["x-kubernetes-group-version-kind"].as_array_mut() {
        Some(kinds) if kinds.contains(&entry) => {}
        Some(kinds) => kinds.push(entry),
        None => schema["x-kubernetes-group-version-kind"] = json!([entry]),
    }
}

#[derive(Default)]
struct Writer {
    written: BTreeMap<String, Value>,
}

impl Writer {
    /// A reference to a named schema, which is written if it is new.
    fn refer(&mut self, name: &str, ty: &TypeHandle) -> Value {
        if !self.written.contains_key(name) {
            // It may refer to itself: its place is taken before its fields are written.
            self.written.insert(name.to_owned(), Value::Null);
            let schema = self.definition(ty);
            self.written.insert(name.to_owned(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn well_known(&mut self, name: &str, schema: Value) -> Value {
        self.written.entry(name.to_owned()).or_insert(schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// A schema where the type is used: a reference when it has a name.
    fn usage(&mut self, ty: &TypeHandle) -> Value {
        match ty.node() {
            Node::Struct(node) if !node.name.is_empty() => self.refer(&node.name, ty),
            Node::Scalar(Scalar::Quantity) => {
                let schema = json!({"oneOf": [{"type": "string"}, {"type": "number"}]});
                self.well_known(QUANTITY, schema)
            }
            Node::Scalar(Scalar::IntOrString) => {
                let schema = json!({
                    "oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string",
                });
                self.well_known(INT_OR_STRING, schema)
            }
            Node::Scalar(Scalar::Time) => {
                let schema = json!({"type": "string", "format": "date-time"});
                self.well_known(&format!("{META}.Time"), schema)
            }
            Node::Scalar(Scalar::MicroTime) => {
                let schema = json!({"type": "string", "format": "date-time"});
                self.well_known(&format!("{META}.MicroTime"), schema)
            }
            _ => self.definition(ty),
        }
    }

    fn definition(&mut self, ty: &TypeHandle) -> Value {
        match ty.node() {
            Node::Scalar(scalar) => scalar_schema(*scalar),
            Node::Any => json!({"type": "object"}),
            Node::List { item, merge } => {
                let mut schema = json!({"type": "array", "items": self.usage(&ty.at(*item))});
                let list_type = match merge {
                    ListMerge::Atomic => "atomic",
                    ListMerge::Set => "set",
                    ListMerge::Map(keys) => {
                        schema["x-kubernetes-list-map-keys"] = json!(keys);
                        "map"
                    }
                };
                schema["x-kubernetes-list-type"] = json!(list_type);
                schema
            }
            Node::Map { item, atomic } => {
                let item = self.usage(&ty.at(*item));
                let mut schema = json!({"type": "object", "additionalProperties": item});
                if *atomic {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            Node::Struct(node) => self.structure(ty, node),
        }
    }

    fn structure(&mut self, ty: &TypeHandle, node: &StructNode) -> Value {
        let mut schema = json!({"type": "object"});
        let fields = node.fields.iter();
        let properties: Map<_, _> = fields
            .map(|(name, field)| (name.to_string(), self.property(&ty.at(field.ty), field)))
            .collect();
        if !properties.is_empty() {
            schema["properties"] = properties.into();
        }
        let required = node.fields.iter().filter(|(_, field)| field.required);
        let required: Vec<_> = required.map(|(name, _)| name).collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if node.atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        if node.preserve_unknown {
            schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
        }
        if node.embedded {
            schema["x-kubernetes-embedded-resource"] = json!(true);
        }
        schema
    }

    fn property(&mut self, ty: &TypeHandle, field: &Field) -> Value {
        let mut schema = self.usage(ty);
        // Beside a reference nothing else may stand.
        if schema.get("$ref").is_some() {
            schema = json!({"allOf": [schema]});
        }
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        if field.nullable {
            schema["nullable"] = json!(true);
        }
        let strategy = match (field.strategy.merge, field.strategy.retain_keys) {
            (true, true) => "merge,retainKeys",
            (true, false) => "merge",
            (false, true) => "retainKeys",
            (false, false) => return schema,
        };
        schema["x-kubernetes-patch-strategy"] = json!(strategy);
        if let Some(key) = &field.strategy.merge_key {
            schema["x-kubernetes-patch-merge-key"] = json!(key);
        }
        schema
    }
}

fn scalar_schema(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => json!({"type": "string"}),
        Scalar::Integer => json!({"type": "integer"}),
        Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
        Scalar::Number => json!({"type": "number"}),
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::IntOrString => json!({"x-kubernetes-int-or-string": true}),
        Scalar::Quantity => json!({"type": "string"}),
        Scalar::Bytes => json!({"type": "string", "format": "byte"}),
        Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
    }
}
