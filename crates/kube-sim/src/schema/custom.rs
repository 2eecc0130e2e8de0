//! Custom resources: from a CustomResourceDefinition to what a cluster serves.
//!
//! A definition is first judged by [`check_definition`]; [`custom_resources`] makes types of one that
//! was accepted. A node that comes from a schema is marked as custom in its table, because the values of
//! custom resources are kept as they were sent; `metadata` is a copy of the built-in type.

mod definition;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use definition::check_definition;

use super::builtin;
use super::registry::{PrinterColumn, Resource, ScalePaths, Subresource, version_order};
use super::table::{Field, ListMerge, Node, Scalar, StructNode, Table, TypeHandle, TypeId};
use crate::store::ResourceId;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
/// In the order in which discovery shows them.
const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The resource in each version that the definition serves, the preferred one first.
#[must_use]
pub fn custom_resources(definition: &Value) -> Vec<Arc<Resource>> {
    let spec = &definition["spec"];
    let mut versions: Vec<&Value> =
        list(&spec["versions"]).filter(|version| version["served"] == true).collect();
    versions.sort_by_key(|version| version_order(text(&version["name"])));
    versions.into_iter().map(|version| Arc::new(resource(spec, version))).collect()
}

fn resource(spec: &Value, version: &Value) -> Resource {
    let (group, name, names) = (text(&spec["group"]), text(&version["name"]), &spec["names"]);
    let kind = text(&names["kind"]);
    let ty = custom_type(
        &version["schema"]["openAPIV3Schema"],
        &format!("{}.{name}.{kind}", reversed(group)),
    );
    let scale = scale(&version["subresources"]["scale"]);
    let has_status = version["subresources"]["status"].is_object();
    let mut subresources = Vec::new();
    if has_status {
        subresources.push(subresource("status", (group, name, kind), ty.clone()));
    }
    if scale.is_some() {
        let ty = builtin::type_named(SCALE).expect("every Kubernetes has Scale");
        subresources.push(subresource("scale", ("autoscaling", "v1", "Scale"), ty));
    }
    let or = |value: &Value, other: String| match text(value) {
        "" => other.into(),
        text => text.into(),
    };
    Resource {
        id: ResourceId::new(group, text(&names["plural"])),
        version: name.into(),
        kind: kind.into(),
        list_kind: or(&names["listKind"], format!("{kind}List")),
        singular: or(&names["singular"], kind.to_lowercase()),
        short_names: list(&names["shortNames"]).map(|name| text(name).into()).collect(),
        categories: list(&names["categories"]).map(|name| text(name).into()).collect(),
        namespaced: spec["scope"] == "Namespaced",
        verbs: VERBS.map(Into::into).into(),
        has_status,
        scale,
        subresources,
        printer_columns: list(&version["additionalPrinterColumns"]).map(column).collect(),
        ty,
        custom: true,
    }
}

fn subresource(name: &str, of: (&str, &str, &str), ty: TypeHandle) -> Subresource {
    Subresource {
        name: name.into(),
        group: of.0.into(),
        version: of.1.into(),
        kind: of.2.into(),
        verbs: ["get", "patch", "update"].map(Into::into).into(),
        ty,
    }
}

/// The paths without the dot at their beginning.
fn scale(scale: &Value) -> Option<ScalePaths> {
    let path = |key: &str| text(&scale[key]).trim_start_matches('.').into();
    scale.is_object().then(|| ScalePaths {
        spec_replicas: path("specReplicasPath"),
        status_replicas: path("statusReplicasPath"),
        selector: scale["labelSelectorPath"].is_string().then(|| path("labelSelectorPath")),
    })
}

fn column(column: &Value) -> PrinterColumn {
    PrinterColumn {
        name: text(&column["name"]).into(),
        ty: text(&column["type"]).into(),
        format: text(&column["format"]).into(),
        description: text(&column["description"]).into(),
        priority: column["priority"].as_i64().unwrap_or_default(),
        json_path: text(&column["jsonPath"]).into(),
    }
}

/// The type of a structural schema's objects.
fn custom_type(schema: &Value, name: &str) -> TypeHandle {
    let mut maker = Maker { table: Table::default(), meta: TypeId::default() };
    let meta = builtin::type_named(OBJECT_META).expect("every Kubernetes has ObjectMeta");
    maker.meta = copy(&meta, meta.id, &mut maker.table, &mut BTreeMap::new());
    let root = maker.make(schema);
    if let Node::Struct(node) = maker.table.node(root) {
        let mut node = node.clone();
        node.name = name.into();
        maker.add_identity(&mut node);
        maker.table.set(root, Node::Struct(node));
    }
    maker.table.set_validation(without_texts(schema));
    TypeHandle { table: Arc::new(maker.table), id: root }
}

struct Maker {
    table: Table,
    meta: TypeId,
}

impl Maker {
    fn make(&mut self, schema: &Value) -> TypeId {
        let node = self.node(schema);
        let id = self.table.add(node);
        self.table.set_custom(id, schema["nullable"] == true);
        id
    }

    fn node(&mut self, schema: &Value) -> Node {
        let is_set = |key: &str| schema[key] == true;
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        let scalar = match text(&schema["type"]) {
            _ if is_set("x-kubernetes-int-or-string") => Scalar::IntOrString,
            "string" => Scalar::String,
            "integer" => Scalar::Integer,
            "number" => Scalar::Number,
            "boolean" => Scalar::Boolean,
            "array" => {
                let item = self.make(&schema["items"]);
                return Node::List { item, merge: list_merge(schema) };
            }
            _ if schema["additionalProperties"].is_object() => {
                return Node::Map { item: self.make(&schema["additionalProperties"]), atomic };
            }
            "object" if schema["additionalProperties"] == true => {
                return Node::Map { item: self.make(&Value::Null), atomic };
            }
            "object" => return Node::Struct(Box::new(self.members(schema, atomic))),
            _ if schema["properties"].is_object() => {
                return Node::Struct(Box::new(self.members(schema, atomic)));
            }
            _ => return Node::Any,
        };
        Node::Scalar(scalar)
    }

    fn members(&mut self, schema: &Value, atomic: bool) -> StructNode {
        let mut node = StructNode {
            atomic,
            preserve_unknown: schema["x-kubernetes-preserve-unknown-fields"] == true,
            embedded: schema["x-kubernetes-embedded-resource"] == true,
            ..StructNode::default()
        };
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let field = Field {
                ty: self.make(member),
                required: list(&schema["required"]).any(|required| required == name),
                nullable: member["nullable"] == true,
                default: member.get("default").cloned(),
                pointer: true, // An empty value is a value.
                ..Field::default()
            };
            node.fields.insert(name.as_str().into(), field);
        }
        if node.embedded {
            self.add_identity(&mut node);
        }
        node
    }

    /// What every object has, whatever its schema says of it.
    fn add_identity(&mut self, node: &mut StructNode) {
        let field = |ty| Field { ty, pointer: true, ..Field::default() };
        for name in ["apiVersion", "kind"] {
            let ty = self.table.add(Node::Scalar(Scalar::String));
            node.fields.insert(name.into(), field(ty));
        }
        node.fields.insert("metadata".into(), field(self.meta));
    }
}

fn list_merge(schema: &Value) -> ListMerge {
    match text(&schema["x-kubernetes-list-type"]) {
        "set" => ListMerge::Set,
        "map" => ListMerge::Map(
            list(&schema["x-kubernetes-list-map-keys"]).map(|key| text(key).into()).collect(),
        ),
        _ => ListMerge::Atomic,
    }
}

/// Copies a type and all it refers to into another table.
fn copy(
    from: &TypeHandle,
    id: TypeId,
    to: &mut Table,
    done: &mut BTreeMap<TypeId, TypeId>,
) -> TypeId {
    if let Some(copied) = done.get(&id) {
        return *copied;
    }
    let copied = to.add(Node::Any);
    done.insert(id, copied);
    let mut node = from.table.node(id).clone();
    match &mut node {
        Node::List { item, .. } | Node::Map { item, .. } => *item = copy(from, *item, to, done),
        Node::Struct(node) => {
            for field in node.fields.values_mut() {
                field.ty = copy(from, field.ty, to, done);
            }
        }
        Node::Scalar(_) | Node::Any => {}
    }
    to.set(copied, node);
    copied
}

/// The schema as validation needs it: most of a real one is descriptions. A property may have such a
/// name too, and is a schema, not a string.
fn without_texts(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let is_text = |name: &str, value: &Value| {
                matches!(name, "description" | "title") && value.is_string()
            };
            let kept = members.iter().filter(|(name, value)| !is_text(name, value));
            kept.map(|(name, value)| (name.clone(), without_texts(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_texts).collect(),
        other => other.clone(),
    }
}

fn reversed(group: &str) -> String {
    group.rsplit('.').collect::<Vec<_>>().join(".")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests;
