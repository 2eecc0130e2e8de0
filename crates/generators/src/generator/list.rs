//! `list`: elements written into the set, and more of them as YAML text.

use model::generator::ListGenerator;
use model::problem::Reason;
use model::yaml;
use serde_json::Value;

use super::{Base, Evaluator, Fault, Generator, field_text, render_field};
use crate::application::Node;
use crate::template::{Budget, Scope, Text};

/// The most bytes of `elementsYaml`, rendered.
const MAX_YAML_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Template {
    elements: Vec<Node>,
    elements_yaml: Text,
}

impl Template {
    /// In a matrix the strings of elements are templates; elsewhere there is nothing for them to
    /// see, and they are what they are.
    pub(super) fn compile(list: &ListGenerator, nested: bool) -> Result<Self, Fault> {
        let mut faults = Vec::new();
        let elements = list.elements.iter().enumerate().map(|(index, element)| {
            let element = Value::Object(element.clone());
            match nested {
                true => Node::compile(&element, &format!("list.elements[{index}]"), &mut faults),
                false => Node::Plain(element),
            }
        });
        let elements = elements.collect();
        if let Some(fault) = faults.into_iter().next() {
            return Err(fault);
        }
        Ok(Self { elements, elements_yaml: field_text("list.elementsYaml", &list.elements_yaml)? })
    }
}

impl Evaluator<'_> {
    pub(super) fn list(
        &mut self,
        list: &Template,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        let mut bases: Vec<Base> = Vec::with_capacity(list.elements.len());
        for (index, element) in list.elements.iter().enumerate() {
            let value = element.render(outer, &mut Budget::default());
            bases.push(base(index, value));
        }
        if !list.elements_yaml.source().is_empty() {
            let text = render_field("list.elementsYaml", &list.elements_yaml, outer)?;
            let start = list.elements.len();
            let read =
                |evaluator: &mut Self, inputs: &[String]| read(&inputs[0], start, evaluator.most());
            bases.extend(self.once(generator, vec![text], read)?);
        }
        Ok(bases)
    }
}

fn base(index: usize, value: Result<Value, Fault>) -> Base {
    let parameters = value.and_then(|value| match value {
        Value::Object(map) => Ok(map),
        _ => Err(Fault::failed("an element of a list is a map of parameters")),
    });
    Base::new(&format!("list[{index}]"), parameters)
}

fn read(text: &str, start: usize, most: usize) -> Result<Vec<Base>, Fault> {
    let value = yaml::read_one(text.as_bytes(), MAX_YAML_BYTES).map_err(|error| {
        Fault::new(Reason::GeneratorFailed, format!("list.elementsYaml is not YAML: {error}"))
    })?;
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) if items.len() > most => Err(Fault::too_many("elementsYaml", most)),
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            Ok(items.map(|(index, item)| base(start + index, Ok(item))).collect())
        }
        _ => Err(Fault::failed("list.elementsYaml is not a list; begin each element with -")),
    }
}
