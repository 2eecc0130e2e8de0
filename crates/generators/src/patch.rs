//! `templatePatch`: JSON merge patches over what the template gave for an element.
//!
//! A patch is a tree whose strings are templates, as the template is; no text is parsed as YAML.

use model::application::Application;
use model::name::ApplicationName;
use model::set::{Patch, TemplatePatch, patch};
use serde_json::Value;

use crate::application::{self, ApplicationTemplate, Node, Unrendered, in_field};
use crate::generator::Fault;
use crate::template::{Budget, Scope, Text};

/// The patches of a set, compiled.
#[derive(Debug, Default)]
pub(crate) struct Patches(Vec<Compiled>);

#[derive(Debug)]
struct Compiled {
    /// Where it stands, for messages.
    field: String,
    when: Option<Text>,
    tree: Node,
    /// Whether it may change the name of the application.
    names: bool,
}

impl Patches {
    /// # Errors
    /// One fault for each string that is not a template.
    pub(crate) fn compile(patches: &TemplatePatch) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut compiled = Vec::new();
        for (index, Patch { when, patch }) in patches.0.iter().enumerate() {
            let field = match patches.0.len() {
                1 if when.is_empty() => "templatePatch".to_owned(),
                _ => format!("templatePatch[{index}]"),
            };
            let condition = match when.as_str() {
                "" => None,
                when => match Text::compile(when) {
                    Ok(text) => Some(text),
                    Err(error) => {
                        faults.push(in_field(&format!("{field}.when"), &error));
                        None
                    }
                },
            };
            let names = match patch.get("metadata") {
                Some(Value::Object(metadata)) => metadata.contains_key("name"),
                Some(_) => true,
                None => false,
            };
            let tree = Node::compile(patch, &field, &mut faults);
            compiled.push(Compiled { field, when: condition, tree, names });
        }
        if faults.is_empty() { Ok(Self(compiled)) } else { Err(faults) }
    }

    /// The application of one element, patched.
    pub(crate) fn render(
        &self,
        template: &ApplicationTemplate,
        scope: &Scope,
    ) -> Result<Application, Unrendered> {
        if self.0.is_empty() {
            return template.render(scope);
        }
        let tree = self.tree(template, scope).map_err(|fault| {
            // A name that a patch might have changed is not known: what runs under it stays.
            let may_change = self.0.iter().any(|patch| patch.names);
            let name = (!may_change).then(|| template.name(scope)).flatten();
            Unrendered { name, fault }
        })?;
        let name = tree["metadata"]["name"].as_str();
        let name = name.and_then(|name| ApplicationName::new(name).ok());
        application::application(tree).map_err(|fault| Unrendered { name, fault })
    }

    fn tree(&self, template: &ApplicationTemplate, scope: &Scope) -> Result<Value, Fault> {
        let mut budget = Budget::default();
        let mut tree = template.tree(scope, &mut budget)?;
        for Compiled { field, when, tree: with, .. } in &self.0 {
            if is_wanted(field, when.as_ref(), scope, &mut budget)? {
                patch(&mut tree, with.render(scope, &mut budget)?);
            }
        }
        Ok(tree)
    }
}

fn is_wanted(
    field: &str,
    when: Option<&Text>,
    scope: &Scope,
    budget: &mut Budget,
) -> Result<bool, Fault> {
    let Some(when) = when else { return Ok(true) };
    let field = format!("{field}.when");
    let value = when.render(scope, budget).map_err(|error| in_field(&field, &error))?;
    match &value {
        Value::Bool(wanted) => Ok(*wanted),
        Value::String(text) if text.trim() == "true" => Ok(true),
        Value::String(text) if matches!(text.trim(), "false" | "") => Ok(false),
        other => Err(Fault::failed(format!(
            "{field} gives {other:.60}, which is neither true nor false; use a test such as eq"
        ))),
    }
}
