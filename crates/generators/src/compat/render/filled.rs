//! The fast way from a template to a document: the texts are rendered one behind the other, and what
//! is around them is shared by all elements of the set.
//!
//! It is for templates whose keys are fixed and that no patch changes. It gives what
//! [`super::ApplicationTemplate::render`] would give, or nothing: then that is asked.

use std::rc::Rc;
use std::sync::Arc;

use model::argo::{Document, Entry, Skeleton, Texts};
use model::name::ApplicationName;
use serde_json::{Value, json};

use super::tree::{Node, says_something};
use super::{Common, RESOURCES_FINALIZER};
use crate::compat::engine::{Scope, Text};

pub(super) struct Filler {
    skeleton: Arc<Skeleton>,
    /// In the order in which they are rendered, which matters to those that change parameters.
    texts: Vec<Rc<Text>>,
    /// The number of the text that is the name.
    name: usize,
}

impl Filler {
    /// `None` where the fast way is not possible.
    pub(super) fn compile(common: &Common, tree: &Node) -> Option<Self> {
        let (Node::Fields(parts), None) = (tree, &common.patch) else { return None };
        let mut texts = Vec::new();
        let mut entries = Vec::new();
        let mut name = None;
        for (field, node) in parts {
            let mut value = skeleton(node, &mut texts)?;
            if *field == "metadata" {
                let Skeleton::Map(metadata) = &mut value else { return None };
                name = metadata.iter().find(|entry| entry.key == "name").map(text_number);
                complete(common, metadata);
            }
            entries.push(Entry { key: (*field).to_owned(), value, optional: false });
        }
        Some(Self { skeleton: Arc::new(Skeleton::Map(entries)), texts, name: name?? })
    }

    pub(super) fn fill(&self, scope: &Scope<'_>) -> Option<(ApplicationName, Document)> {
        let mut joined = String::with_capacity(32 * self.texts.len());
        let mut ends = Vec::with_capacity(self.texts.len());
        for text in &self.texts {
            text.render_into(scope, &mut joined).ok()?;
            ends.push(joined.len());
        }
        let texts = Texts::new(joined, &ends)?;
        let name = ApplicationName::new(texts.get(self.name)).ok()?;
        Some((name, Document::filled(&self.skeleton, texts)))
    }
}

fn text_number(entry: &Entry) -> Option<usize> {
    match entry.value {
        Skeleton::Text(number) => Some(number),
        _ => None,
    }
}

/// Adds what every Application of the set has, whatever the template says of it.
fn complete(common: &Common, metadata: &mut Vec<Entry>) {
    let fixed = |key: &str, value| Entry {
        key: key.to_owned(),
        value: Skeleton::Fixed(value),
        optional: false,
    };
    metadata.retain(|entry| entry.key != "namespace");
    metadata.push(fixed("namespace", common.namespace.as_str().into()));
    let has_finalizers = metadata.iter().any(|entry| entry.key == "finalizers");
    if !common.preserve_resources && !has_finalizers {
        metadata.push(fixed("finalizers", json!([RESOURCES_FINALIZER])));
    }
}

/// `None` where a key is a template.
fn skeleton(node: &Node, texts: &mut Vec<Rc<Text>>) -> Option<Skeleton> {
    Some(match node {
        Node::Fixed(value) => Skeleton::Fixed(value.clone()),
        Node::Text(text) => {
            texts.push(Rc::clone(text));
            Skeleton::Text(texts.len() - 1)
        }
        Node::List(nodes) => {
            Skeleton::List(nodes.iter().map(|node| skeleton(node, texts)).collect::<Option<_>>()?)
        }
        Node::Map(nodes) => {
            let entry = |(name, key, node): &(Text, String, Node)| {
                let value = skeleton(node, texts)?;
                let is_fixed = matches!(name, Text::Plain(_));
                is_fixed.then(|| Entry { key: key.clone(), value, optional: false })
            };
            Skeleton::Map(nodes.iter().map(entry).collect::<Option<_>>()?)
        }
        Node::Fields(fields) => Skeleton::Map(entries(fields, texts)?),
    })
}

fn entries(fields: &[(&'static str, Node)], texts: &mut Vec<Rc<Text>>) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, node) in fields {
        let empty = match node {
            Node::Fixed(value) if !says_something(name, value) => continue,
            Node::Text(_) => Value::from(""),
            Node::Map(_) | Node::Fields(_) => json!({}),
            // What is fixed was judged just now, and a list with a template in it is not empty.
            Node::Fixed(_) | Node::List(_) => json!([0]),
        };
        let optional = !says_something(name, &empty);
        entries.push(Entry { key: (*name).to_owned(), value: skeleton(node, texts)?, optional });
    }
    Some(entries)
}
