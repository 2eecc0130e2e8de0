//! From a set's `template` and an element's parameters to an Application document.
//!
//! A template is compiled once: strings without braces and whole trees of them are kept as they are,
//! the rest is walked in the order in which Argo CD walks its own types, so that what `set` changes
//! in one string is seen by those after it.

mod filled;
mod merge;
mod tree;

use model::argo::Document;
use model::argo::schema::APPLICATION;
use model::name::ApplicationName;
use model::problem::Reason;
use serde_json::{Map, Value, json};

pub(super) use merge::merge as merge_templates;

use super::engine::{Engine, Scope, Text};
use super::patch;
use crate::generator::Fault;
use filled::Filler;
use tree::Node;

/// What deletes the resources of an application with it, there and here.
const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// How the applications of one set are made, but for the template itself.
pub(super) struct Common {
    engine: Engine,
    namespace: String,
    preserve_resources: bool,
    patch: Option<Result<Text, Fault>>,
}

impl Common {
    pub(super) fn of_set(engine: Engine, namespace: &str, spec: &Value) -> Self {
        let patch = spec["templatePatch"].as_str();
        Self {
            engine,
            namespace: namespace.to_owned(),
            preserve_resources: spec["syncPolicy"]["preserveResourcesOnDeletion"] == true,
            patch: patch.map(|patch| {
                let text = engine.compile(patch);
                text.map_err(|fault| prefixed("spec.templatePatch: ", fault))
            }),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What is wrong with the patch for all elements.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.patch.as_ref()?.as_ref().err()
    }

    pub(super) fn volatile(&self) -> &[&'static str] {
        match &self.patch {
            Some(Ok(text)) => text.volatile(),
            _ => &[],
        }
    }
}

/// A template of applications, compiled.
pub(super) struct ApplicationTemplate {
    /// As it stands: this is what an element without any parameters gives.
    raw: Value,
    tree: Result<Node, Fault>,
    /// The fast way to the same document, where there is one.
    filler: Option<Filler>,
}

/// An application that could not be rendered.
#[derive(Debug)]
pub(super) struct Unrendered {
    /// `metadata.name`, when it was rendered before the failure.
    pub(super) name: Option<String>,
    pub(super) fault: Fault,
}

impl ApplicationTemplate {
    pub(super) fn compile(common: &Common, template: &Value) -> Self {
        let tree = Node::compile(common.engine, template, &APPLICATION);
        let tree = tree.map_err(|fault| prefixed("spec.template", fault));
        let filler = tree.as_ref().ok().and_then(|tree| Filler::compile(common, tree));
        Self { raw: template.clone(), tree, filler }
    }

    /// What is wrong with the template for all elements.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.tree.as_ref().err()
    }

    pub(super) fn volatile(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        if let Ok(tree) = &self.tree {
            tree.volatile(&mut found);
        }
        found
    }

    /// The name and the document of one element, when all goes well and nothing is special about it;
    /// [`ApplicationTemplate::render`] is for the others, with parameters of which no text was
    /// rendered before.
    pub(super) fn filled(&self, scope: &Scope<'_>) -> Option<(ApplicationName, Document)> {
        self.filler.as_ref()?.fill(scope)
    }

    /// The document of one element: `metadata` and `spec`. `bare` when it has no parameters.
    pub(super) fn render(
        &self,
        common: &Common,
        scope: &Scope<'_>,
        bare: bool,
    ) -> Result<Value, Unrendered> {
        let mut name = None;
        let document = self.document(common, scope, bare, &mut name);
        let document = document.and_then(|document| common.patched(document, scope));
        document.map_err(|fault| Unrendered { name, fault })
    }

    fn document(
        &self,
        common: &Common,
        scope: &Scope<'_>,
        bare: bool,
        name: &mut Option<String>,
    ) -> Result<Value, Fault> {
        if bare {
            let mut document = self.raw.clone();
            tidy(&mut document);
            *name = document["metadata"]["name"].as_str().map(str::to_owned);
            return Ok(document);
        }
        let tree = self.tree.as_ref().map_err(Clone::clone)?;
        let rendered = tree.render_application(scope, name);
        let mut document = rendered.map_err(|fault| prefixed("spec.template", fault))?;
        if !common.preserve_resources {
            add_finalizer(metadata(&mut document));
        }
        Ok(document)
    }
}

impl Common {
    fn patched(&self, mut document: Value, scope: &Scope<'_>) -> Result<Value, Fault> {
        if let Some(patch) = &self.patch {
            let text = patch.as_ref().map_err(Clone::clone)?.render(scope);
            let patched = text.and_then(|text| patch::apply(document, &text));
            document = patched.map_err(|fault| match fault.message.starts_with("spec.") {
                true => fault,
                false => prefixed("spec.templatePatch: ", fault),
            })?;
        }
        let namespace = self.namespace.as_str().into();
        metadata(&mut document).insert("namespace".to_owned(), namespace);
        Ok(document)
    }
}

/// `metadata` of a document; it is made where there is none.
fn metadata(document: &mut Value) -> &mut Map<String, Value> {
    if !document["metadata"].is_object() {
        document["metadata"] = json!({});
    }
    document["metadata"].as_object_mut().expect("it was made one just now")
}

fn add_finalizer(metadata: &mut Map<String, Value>) {
    let finalizers = metadata.get("finalizers").and_then(Value::as_array);
    if finalizers.is_none_or(Vec::is_empty) {
        metadata.insert("finalizers".to_owned(), json!([RESOURCES_FINALIZER]));
    }
}

fn prefixed(prefix: &str, fault: Fault) -> Fault {
    Fault { message: format!("{prefix}{}", fault.message), ..fault }
}

/// Leaves out of a document what says nothing.
pub(super) fn tidy(document: &mut Value) {
    tree::drop_zeros(document, &APPLICATION);
}

/// A fault of what was rendered.
pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Reason::InvalidApplication, message)
}

#[cfg(test)]
mod tests;
