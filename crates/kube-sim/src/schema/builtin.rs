//! The types and resources of a real server, read from `types/kubernetes.txt`. Parsed once in a process.
//!
//! The file is text, a line a fact, so that a change of Kubernetes' version can be read as a diff:
//!
//! ```text
//! group apps v1                      the order of discovery: the preferred version first; "-" is no group
//! resource deployments Deployment …  of the group above
//! sub scale Scale of=GROUP/VERSION … of the resource above
//! type api.core.v1.Container atomic  the name in OpenAPI without "io.k8s."
//!   ports [containerPort,protocol]api.core.v1.ContainerPort required merge=containerPort
//! ```
//!
//! A type is a scalar, `any` or a type's name, after `[]` (an atomic list), `[set]`, `[KEYS]`, `{}` (a map),
//! `{atomic}`, or `!` for a struct that is atomic only here. A field may be `required`, `pointer` or
//! `always` (see [`Field`]), have a `default=` in JSON, and a patch strategy: `merge`, `merge=KEY`, `retain`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use super::registry::{Builtin, Resource, ScalePaths, Subresource};
use super::table::{
    Field, ListMerge, Node, Scalar, Strategy, StructNode, Table, TypeHandle, TypeId,
};
use crate::store::ResourceId;

const TEXT: &str = include_str!("../../types/kubernetes.txt");
/// What all names of types begin with.
const PREFIX: &str = "io.k8s.";
const BROKEN: &str = "`cargo xtask kube-types` writes only what this reads";

static BUILTIN: LazyLock<(Arc<Builtin>, Named)> = LazyLock::new(|| parse(TEXT));

/// The types by their OpenAPI names.
type Named = BTreeMap<Box<str>, TypeHandle>;

/// The built-in resources, shared by all that ask.
pub(super) fn builtin() -> Arc<Builtin> {
    Arc::clone(&BUILTIN.0)
}

/// A built-in type by its OpenAPI name, such as `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
#[must_use]
pub fn type_named(name: &str) -> Option<TypeHandle> {
    BUILTIN.1.get(name).cloned()
}

fn parse(text: &str) -> (Arc<Builtin>, Named) {
    let types = Types::parse(text);
    let table = Arc::new(types.table);
    let handle = |id: TypeId| TypeHandle { table: Arc::clone(&table), id };
    let by_name: HashMap<&str, TypeHandle> =
        types.by_name.iter().map(|(name, id)| (*name, handle(*id))).collect();
    let untyped = handle(types.any);
    let builtin = resources(text, |name| by_name.get(name).unwrap_or(&untyped).clone());
    let named = by_name.into_iter().map(|(name, ty)| (format!("{PREFIX}{name}").into(), ty));
    (Arc::new(builtin), named.collect())
}

fn resources(text: &str, type_of: impl Fn(&str) -> TypeHandle) -> Builtin {
    let mut builtin = Builtin::default();
    let mut found: Vec<Resource> = Vec::new();
    let (mut group, mut version) = ("", "");
    for line in text.lines() {
        let mut words = line.split(' ');
        match words.next() {
            Some("group") => {
                group = words.next().filter(|name| *name != "-").unwrap_or_default();
                version = words.next().expect(BROKEN);
                builtin.add_version(group, version);
            }
            Some("resource") => {
                let (plural, kind) = (words.next().expect(BROKEN), words.next().expect(BROKEN));
                let words = Attributes::parse(words);
                found.push(Resource {
                    id: ResourceId::new(group, plural),
                    version: version.into(),
                    kind: kind.into(),
                    list_kind: format!("{kind}List").into(),
                    singular: words.one("singular").into(),
                    short_names: words.many("short"),
                    categories: words.many("categories"),
                    namespaced: words.has("namespaced"),
                    verbs: words.many("verbs"),
                    has_status: false,
                    scale: None,
                    subresources: Vec::new(),
                    printer_columns: Vec::new(),
                    ty: type_of(words.one("type")),
                    custom: false,
                });
            }
            Some("sub") => {
                let (name, kind) = (words.next().expect(BROKEN), words.next().expect(BROKEN));
                let words = Attributes::parse(words);
                let resource = found.last_mut().expect(BROKEN);
                resource.has_status |= name == "status";
                if name == "scale" {
                    resource.scale = Some(scale());
                }
                let of = words.one("of").split_once('/').unwrap_or((group, version));
                resource.subresources.push(Subresource {
                    name: name.into(),
                    group: of.0.into(),
                    version: of.1.into(),
                    kind: kind.into(),
                    verbs: words.many("verbs"),
                    ty: type_of(words.one("type")),
                });
            }
            Some("type") => break, // The types come last.
            _ => {}
        }
    }
    for resource in found {
        builtin.add(resource);
    }
    builtin
}

/// All built-in resources that scale have their numbers here.
fn scale() -> ScalePaths {
    ScalePaths {
        spec_replicas: "spec.replicas".into(),
        status_replicas: "status.replicas".into(),
        selector: Some("spec.selector".into()),
    }
}

/// The words after the positional ones: flags, and `KEY=VALUE,VALUE`.
struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    fn parse(words: impl Iterator<Item = &'a str>) -> Self {
        Self(words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect())
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == key)
    }

    fn one(&self, key: &str) -> &'a str {
        self.0.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    fn many(&self, key: &str) -> Vec<Box<str>> {
        let values = self.one(key).split(',').filter(|value| !value.is_empty());
        values.map(Into::into).collect()
    }
}

/// The types while they are read.
struct Types<'a> {
    table: Table,
    any: TypeId,
    by_name: HashMap<&'a str, TypeId>,
    /// Equal expressions share a node.
    by_expression: HashMap<&'a str, TypeId>,
    /// Copies of structs that are atomic where they are used: the copy's place, the struct's.
    atomic_copies: Vec<(TypeId, TypeId)>,
}

impl<'a> Types<'a> {
    fn parse(text: &'a str) -> Self {
        let mut table = Table::default();
        let any = table.add(Node::Any);
        let mut types = Self {
            table,
            any,
            by_name: HashMap::new(),
            by_expression: HashMap::new(),
            atomic_copies: Vec::new(),
        };
        // First the names, so that a type can refer to one that comes later.
        for line in text.lines().filter_map(|line| line.strip_prefix("type ")) {
            let name = line.split(' ').next().expect(BROKEN);
            let id = types.table.add(Node::Any);
            types.by_name.insert(name, id);
        }
        types.read_fields(text);
        for (copy, original) in std::mem::take(&mut types.atomic_copies) {
            let Node::Struct(node) = types.table.node(original) else { panic!("{BROKEN}") };
            let node = StructNode { atomic: true, ..(**node).clone() };
            types.table.set(copy, Node::Struct(Box::new(node)));
        }
        types
    }

    fn read_fields(&mut self, text: &'a str) {
        let mut current: Option<(TypeId, StructNode)> = None;
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("type ") {
                self.finish(current.take());
                let mut words = line.split(' ');
                let name = words.next().expect(BROKEN);
                let node = StructNode {
                    name: format!("{PREFIX}{name}").into(),
                    atomic: words.next() == Some("atomic"),
                    ..StructNode::default()
                };
                current = Some((self.by_name[name], node));
            } else if let (Some(line), Some((_, node))) = (line.strip_prefix("  "), &mut current) {
                let mut words = line.split(' ');
                let name = words.next().expect(BROKEN);
                let ty = self.expression(words.next().expect(BROKEN));
                node.fields.insert(name.into(), field(ty, &Attributes::parse(words)));
            }
        }
        self.finish(current);
    }

    fn finish(&mut self, done: Option<(TypeId, StructNode)>) {
        if let Some((id, node)) = done {
            self.table.set(id, Node::Struct(Box::new(node)));
        }
    }

    fn expression(&mut self, text: &'a str) -> TypeId {
        if let Some(id) = self.by_name.get(text).or_else(|| self.by_expression.get(text)) {
            return *id;
        }
        let id = if let Some(name) = text.strip_prefix('!') {
            let copy = self.table.add(Node::Any);
            self.atomic_copies.push((copy, self.by_name[name]));
            copy
        } else {
            let node = self.composite(text);
            self.table.add(node)
        };
        self.by_expression.insert(text, id);
        id
    }

    fn composite(&mut self, text: &'a str) -> Node {
        if let Some((merge, item)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let merge = match merge {
                "" => ListMerge::Atomic,
                "set" => ListMerge::Set,
                keys => ListMerge::Map(keys.split(',').map(Into::into).collect()),
            };
            return Node::List { item: self.expression(item), merge };
        }
        if let Some((kind, item)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            return Node::Map { item: self.expression(item), atomic: kind == "atomic" };
        }
        Node::Scalar(match text {
            "string" => Scalar::String,
            "int32" => Scalar::Int32,
            "int64" => Scalar::Integer,
            "number" => Scalar::Number,
            "bool" => Scalar::Boolean,
            "intorstring" => Scalar::IntOrString,
            "quantity" => Scalar::Quantity,
            "bytes" => Scalar::Bytes,
            "time" => Scalar::Time,
            "microtime" => Scalar::MicroTime,
            "any" => return Node::Any,
            other => panic!("{BROKEN}: {other}"),
        })
    }
}

fn field(ty: TypeId, words: &Attributes<'_>) -> Field {
    let default = words.has("default").then(|| words.one("default"));
    let key = words.one("merge");
    Field {
        ty,
        required: words.has("required"),
        nullable: false,
        default: default.map(|json| serde_json::from_str(json).expect(BROKEN)),
        pointer: words.has("pointer"),
        always: words.has("always"),
        strategy: Strategy {
            merge: words.has("merge"),
            retain_keys: words.has("retain"),
            merge_key: (!key.is_empty()).then(|| key.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Registry;

    fn field_of(ty: &TypeHandle, path: &[&str]) -> (Field, TypeHandle) {
        let mut ty = ty.clone();
        let mut found = None;
        for name in path {
            while let Node::List { item, .. } = ty.node() {
                ty = ty.at(*item);
            }
            let Node::Struct(node) = ty.node() else { panic!("{name}: not a struct") };
            let field = node.fields[*name].clone();
            ty = ty.at(field.ty);
            found = Some(field);
        }
        (found.expect("the path has a field"), ty)
    }

    #[test]
    fn a_deployment_is_read_whole() {
        let registry = Registry::builtin();
        let deployment = registry.find("apps", "v1", "deployments").unwrap();
        assert_eq!(deployment.api_version(), "apps/v1");
        assert_eq!(&*deployment.list_kind, "DeploymentList");
        assert!(deployment.namespaced && deployment.has_status && deployment.scale.is_some());
        assert_eq!(*deployment.short_names, ["deploy".into()]);
        let scale = deployment.subresources.iter().find(|sub| &*sub.name == "scale").unwrap();
        assert_eq!((&*scale.group, &*scale.version, &*scale.kind), ("autoscaling", "v1", "Scale"));

        let containers = ["spec", "template", "spec", "containers"];
        let (containers, ty) = field_of(&deployment.ty, &containers);
        assert_eq!(containers.strategy.merge_key.as_deref(), Some("name"));
        let (_, ports) = field_of(&ty, &["ports"]);
        let Node::List { item, merge } = ports.node() else { panic!("not a list") };
        let keys = ["containerPort".into(), "protocol".into()];
        assert_eq!(*merge, ListMerge::Map(keys.into()));
        // The default of a key is in the item's struct.
        let (protocol, _) = field_of(&ports.at(*item), &["protocol"]);
        assert_eq!(protocol.default, Some("TCP".into()));
    }

    #[test]
    fn every_kind_of_node_and_flag_is_there() {
        let registry = Registry::builtin();
        let at = |group: &str, version: &str, plural: &str, path: &[&str]| {
            let (field, ty) = field_of(&registry.find(group, version, plural).unwrap().ty, path);
            (field, ty.node().clone())
        };
        let (replicas, node) = at("apps", "v1", "deployments", &["spec", "replicas"]);
        assert_eq!((replicas.pointer, node), (true, Node::Scalar(Scalar::Int32)));
        let (strategy, _) = at("apps", "v1", "deployments", &["spec", "strategy"]);
        assert!(strategy.always && strategy.strategy.retain_keys);
        let (_, selector) = at("", "v1", "services", &["spec", "selector"]);
        assert!(matches!(selector, Node::Map { atomic: true, .. }));
        let (_, selector) = at("apps", "v1", "deployments", &["spec", "selector"]);
        assert!(matches!(selector, Node::Struct(node) if node.atomic));
        let (_, claim) = at("", "v1", "persistentvolumes", &["spec", "claimRef"]);
        assert!(matches!(claim, Node::Struct(node) if node.atomic));
        let (_, finalizers) = at("", "v1", "configmaps", &["metadata", "finalizers"]);
        assert!(matches!(finalizers, Node::List { merge: ListMerge::Set, .. }));
        let (_, fields) = at("", "v1", "configmaps", &["metadata", "managedFields", "fieldsV1"]);
        assert_eq!(fields, Node::Any);
        let (_, data) = at("", "v1", "secrets", &["data"]);
        assert!(matches!(data, Node::Map { .. }));
    }

    #[test]
    fn resources_are_found_by_kind_and_listed_in_the_order_of_discovery() {
        let registry = Registry::builtin();
        let found = registry.by_kind("networking.k8s.io", "v1", "Ingress").unwrap();
        assert_eq!(found.id.plural(), "ingresses");
        assert!(registry.by_kind("apps", "v2", "Deployment").is_none());
        let groups = registry.groups();
        assert_eq!((&*groups[0].name, &*groups[0].versions), ("", &["v1".into()][..]));
        let scaling = groups.iter().find(|group| &*group.name == "autoscaling").unwrap();
        assert_eq!(*scaling.versions, ["v2".into(), "v1".into()]);
        let id = ResourceId::new("autoscaling", "horizontalpodautoscalers");
        assert_eq!(&*registry.versions(&id).unwrap()[0].version, "v2");
    }

    #[test]
    fn registries_share_what_is_built_in() {
        let (one, two) = (Registry::builtin(), Registry::builtin());
        let ty = |registry: &Registry| registry.find("", "v1", "pods").unwrap().ty.clone();
        assert!(Arc::ptr_eq(&ty(&one).table, &ty(&two).table));
    }
}
