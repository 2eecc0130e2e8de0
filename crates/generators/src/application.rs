//! The template of a set: a tree whose strings are compiled once, rendered into an application.
//!
//! Parameters go into leaves. The tree keeps its shape whatever they hold: no rendered text is
//! ever parsed as YAML.

mod filled;

use std::cell::RefCell;

use model::application::Application;
use model::name::ApplicationName;
use model::problem::Reason;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::generator::Fault;
use crate::template::{Budget, Scope, TemplateError, Text};
use filled::Filled;

/// A template, compiled.
#[derive(Debug)]
pub(crate) struct ApplicationTemplate {
    root: Node,
    /// `metadata.name` once more, to name an application whose other fields fail.
    name: Option<Node>,
}

/// A part of a document whose strings may be templates.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// No template in it.
    Plain(Value),
    Text {
        field: String,
        text: Text,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Why an application could not be made, and its name when that much is known.
#[derive(Debug, Clone)]
pub(crate) struct Unrendered {
    pub(crate) name: Option<ApplicationName>,
    pub(crate) fault: Fault,
}

/// A template that cannot be used, with the field it stands in.
pub(crate) fn in_field(field: &str, error: &TemplateError) -> Fault {
    Fault::new(Reason::TemplateFailed, format!("{field}: {error}"))
}

impl Node {
    /// Compiles every string below; the errors of all of them are collected.
    pub(crate) fn compile(value: &Value, field: &str, errors: &mut Vec<Fault>) -> Self {
        match value {
            Value::String(source) => match Text::compile(source) {
                Ok(text) if text.is_plain() => Self::Plain(value.clone()),
                Ok(text) => Self::Text { field: field.to_owned(), text },
                Err(error) => {
                    errors.push(in_field(field, &error));
                    Self::Plain(Value::Null)
                }
            },
            Value::Array(items) => {
                let item =
                    |(index, item)| Self::compile(item, &format!("{field}[{index}]"), errors);
                let items: Vec<_> = items.iter().enumerate().map(item).collect();
                if items.iter().all(Self::is_plain) {
                    return Self::Plain(value.clone());
                }
                Self::List(items)
            }
            Value::Object(map) => {
                let dot = if field.is_empty() { "" } else { "." };
                let entry = |(key, value): (&String, &Value)| {
                    (key.clone(), Self::compile(value, &format!("{field}{dot}{key}"), errors))
                };
                let entries: Vec<_> = map.iter().map(entry).collect();
                if entries.iter().all(|(_, node)| node.is_plain()) {
                    return Self::Plain(value.clone());
                }
                Self::Map(entries)
            }
            scalar => Self::Plain(scalar.clone()),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    pub(crate) fn render(&self, scope: &Scope, budget: &mut Budget) -> Result<Value, Fault> {
        match self {
            Self::Plain(value) => Ok(value.clone()),
            Self::Text { field, text } => {
                text.render(scope, budget).map_err(|error| in_field(field, &error))
            }
            Self::List(items) => {
                items.iter().map(|item| item.render(scope, budget)).collect::<Result<_, _>>()
            }
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    map.insert(key.clone(), node.render(scope, budget)?);
                }
                Ok(Value::Object(map))
            }
        }
    }
}

impl ApplicationTemplate {
    /// # Errors
    /// One fault for each string that is not a template.
    pub(crate) fn compile(template: &Value) -> Result<Self, Vec<Fault>> {
        let mut errors = Vec::new();
        let root = Node::compile(template, "", &mut errors);
        let name = template.get("metadata").and_then(|metadata| metadata.get("name"));
        let name = name.map(|name| Node::compile(name, "metadata.name", &mut Vec::new()));
        if errors.is_empty() { Ok(Self { root, name }) } else { Err(errors) }
    }

    /// The application of one element.
    pub(crate) fn render(&self, scope: &Scope) -> Result<Application, Unrendered> {
        let budget = RefCell::new(Budget::default());
        let filled = Filled { node: &self.root, scope, budget: &budget };
        Application::deserialize(filled).or_else(|_| self.render_tree(scope))
    }

    /// The slow way, which knows why there is no application.
    fn render_tree(&self, scope: &Scope) -> Result<Application, Unrendered> {
        let tree = self
            .root
            .render(scope, &mut Budget::default())
            .map_err(|fault| Unrendered { name: self.name(scope), fault })?;
        Application::deserialize(tree)
            .map_err(|_| Unrendered { name: self.name(scope), fault: self.explain(scope) })
    }

    /// The application of one element before anything is read from it.
    pub(crate) fn tree(&self, scope: &Scope, budget: &mut Budget) -> Result<Value, Fault> {
        self.root.render(scope, budget)
    }

    pub(crate) fn name(&self, scope: &Scope) -> Option<ApplicationName> {
        let name = self.name.as_ref()?.render(scope, &mut Budget::default()).ok()?;
        ApplicationName::new(name.as_str()?).ok()
    }

    /// Renders once more, following the path of the field that is wrong. The way without a path is
    /// the faster one, and elements are right far more often than wrong.
    fn explain(&self, scope: &Scope) -> Fault {
        let tree = match self.root.render(scope, &mut Budget::default()) {
            Ok(tree) => tree,
            Err(fault) => return fault,
        };
        let parsed: Result<Application, _> = serde_path_to_error::deserialize(tree);
        let message = match parsed {
            Ok(_) => "the application cannot be read".to_owned(),
            Err(error) => field_message(&error.path().to_string(), &error.inner().to_string()),
        };
        Fault::new(Reason::InvalidApplication, message)
    }
}

/// The tree that a template gave as an application, with the field that is wrong in the message.
pub(crate) fn application(tree: Value) -> Result<Application, Fault> {
    let parsed: Result<Application, _> = serde_path_to_error::deserialize(tree);
    parsed.map_err(|error| {
        let message = field_message(&error.path().to_string(), &error.inner().to_string());
        Fault::new(Reason::InvalidApplication, message)
    })
}

fn field_message(path: &str, message: &str) -> String {
    let hint = if path.starts_with("metadata.labels") || path.starts_with("metadata.annotations") {
        "; labels and annotations are text: put the value in quotes"
    } else if message.starts_with("invalid type: string") {
        "; for a number, a boolean, a list or a map write only {{{json …}}} as the value"
    } else {
        ""
    };
    let at = if path == "." { String::new() } else { format!("{path}: ") };
    format!("{at}{message}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What both ways give: the application, or none.
    fn check(template: &Value, parameters: &Value) -> bool {
        let template = ApplicationTemplate::compile(template).unwrap();
        let scope = Scope::new(parameters.as_object().unwrap().clone());
        let budget = RefCell::new(Budget::default());
        let filled = Filled { node: &template.root, scope: &scope, budget: &budget };
        let fast = Application::deserialize(filled).ok();
        let slow = template.render_tree(&scope).ok();
        assert_eq!(fast, slow);
        fast.is_some()
    }

    #[test]
    fn both_ways_give_one_application() {
        let template = json!({
            "metadata": {"name": "{{n}}", "labels": {"a": "{{n}}", "b": ""}, "annotations": "{{{json map}}}"},
            "spec": {
                "source": {
                    "repoURL": "r",
                    "path": "a/{{n}}",
                    "directory": "{{{json none}}}",
                    "helm": {"valuesObject": {"k": ["{{n}}", 1, "{{{json list}}}"]}, "skipCrds": "{{{json yes}}}"},
                },
                "destination": {"cluster": "{{n}}"},
                "syncPolicy": {"syncOptions": ["{{option}}"], "automated": {"prune": "{{{json yes}}}"}},
                "ignoreDifferences": "{{{json list}}}",
            },
        });
        let mut parameters = json!({
            "n": "x", "map": {"k": "v"}, "none": null, "list": [], "yes": true,
            "option": "Prune=false",
        });
        assert!(check(&template, &parameters));
        for (key, bad) in [
            ("n", json!("A B")),
            ("map", json!({"k": 1})),
            ("none", json!([true])),
            ("list", json!([{"kind": "K", "other": 1}])),
            ("yes", json!("yes")),
            ("option", json!("Prune=maybe")),
        ] {
            let good = std::mem::replace(&mut parameters[key], bad);
            check(&template, &parameters);
            parameters[key] = good;
            parameters.as_object_mut().unwrap().remove(key).unwrap();
            assert!(!check(&template, &parameters), "{key} is not there");
            parameters = json!({
                "n": "x", "map": {"k": "v"}, "none": null, "list": [], "yes": true,
                "option": "Prune=false",
            });
        }
    }

    #[test]
    fn a_struct_that_is_written_as_a_list_is_read_alike() {
        for destination in
            [json!(["{{n}}", "b"]), json!(["{{n}}", "b", "c"]), json!({"{{n}}": "b"})]
        {
            let template = json!({
                "metadata": {"name": "a"},
                "spec": {"source": {"repoURL": "r", "path": "."}, "destination": destination},
            });
            check(&template, &json!({"n": "x"}));
        }
    }
}
