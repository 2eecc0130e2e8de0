//! Types as a table of nodes that refer to each other by index, so that recursive types need no
//! care and a type costs a few bytes. Pure; it knows no resource and no request.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// A node of a [`Table`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    String,
    Integer,
    /// An integer of 32 bits.
    Int32,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
    /// A resource quantity: compared by amount and written in canonical form.
    Quantity,
    /// Base64 text, `format: byte`.
    Bytes,
    /// An RFC 3339 time, `format: date-time`.
    Time,
    /// A time with six digits for the microseconds.
    MicroTime,
}

/// How two lists become one in server-side apply (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListMerge {
    Atomic,
    Set,
    /// By the values of these keys; a key's default counts where an item does not say it.
    Map(Box<[Box<str>]>),
}

/// How a field is patched by a strategic merge patch (`x-kubernetes-patch-strategy`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strategy {
    pub merge: bool,
    pub retain_keys: bool,
    /// `x-kubernetes-patch-merge-key` of a list of objects.
    pub merge_key: Option<Box<str>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Field {
    pub ty: TypeId,
    pub required: bool,
    pub nullable: bool,
    /// Filled in where the field is absent. The default of a list's key is here too, in the struct
    /// of its items, such as `TCP` for the `protocol` of a port.
    pub default: Option<Value>,
    /// Of a built-in type: a zero value differs from an absent one, and is kept.
    pub pointer: bool,
    /// Of a built-in type: written also when absent, as zero, `{}` or null.
    pub always: bool,
    pub strategy: Strategy,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct StructNode {
    /// The name in the OpenAPI document, such as `io.k8s.api.apps.v1.Deployment`; may be empty.
    pub name: Box<str>,
    pub fields: BTreeMap<Box<str>, Field>,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
    /// `x-kubernetes-preserve-unknown-fields`: unknown fields stay, and merge as untyped values.
    pub preserve_unknown: bool,
    /// `x-kubernetes-embedded-resource`: it has apiVersion, kind and metadata of its own.
    pub embedded: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Scalar(Scalar),
    /// Anything: objects merge by key and lists are atomic, as for a schemaless field.
    Any,
    List {
        item: TypeId,
        merge: ListMerge,
    },
    Map {
        item: TypeId,
        atomic: bool,
    },
    Struct(Box<StructNode>),
}

/// Types that refer to each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    nodes: Vec<Node>,
    /// Of a custom type: whether a map's value may be null, for the nodes that its definition made.
    /// Its other nodes are copies of built-in ones.
    custom: BTreeMap<TypeId, bool>,
    /// The structural schema that values of a custom type are judged by.
    validation: Option<Value>,
}

impl Table {
    /// Adds a node; its references may be to nodes that come later (see [`Table::set`]).
    pub fn add(&mut self, node: Node) -> TypeId {
        let id = TypeId(u32::try_from(self.nodes.len()).expect("far fewer types than 2^32"));
        self.nodes.push(node);
        id
    }

    /// Replaces a node that was added as a placeholder for a recursive type.
    pub fn set(&mut self, id: TypeId, node: Node) {
        self.nodes[id.0 as usize] = node;
    }

    #[must_use]
    pub fn node(&self, id: TypeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Says that the node is from a custom resource's definition: its values are kept as they are.
    pub fn set_custom(&mut self, id: TypeId, nullable: bool) {
        self.custom.insert(id, nullable);
    }

    #[must_use]
    pub fn is_custom(&self, id: TypeId) -> bool {
        self.custom.contains_key(&id)
    }

    pub fn set_validation(&mut self, schema: Value) {
        self.validation = Some(schema);
    }

    #[must_use]
    pub fn validation(&self) -> Option<&Value> {
        self.validation.as_ref()
    }

    /// Whether null is a value of this custom type.
    #[must_use]
    pub fn is_nullable(&self, id: TypeId) -> bool {
        self.custom.get(&id).is_some_and(|nullable| *nullable)
    }
}

/// A type with the table it lives in. Clones are cheap.
#[derive(Debug, Clone)]
pub struct TypeHandle {
    pub table: Arc<Table>,
    pub id: TypeId,
}

impl TypeHandle {
    #[must_use]
    pub fn node(&self) -> &Node {
        self.table.node(self.id)
    }

    /// The type of a node of the same table.
    #[must_use]
    pub fn at(&self, id: TypeId) -> Self {
        Self { table: Arc::clone(&self.table), id }
    }
}
