//! Selectors whose values are templates over the parameters around them.

use model::selector::{LabelExpression, LabelOperator, LabelSelector};

use super::{Fault, field_text, render_field};
use crate::template::{Scope, Text};

/// A selector, compiled. Its keys are never templates.
#[derive(Debug)]
pub(crate) enum Template {
    Fixed(LabelSelector),
    Templated { labels: Vec<(String, Leaf)>, expressions: Vec<(LabelExpression, Vec<Leaf>)> },
}

#[derive(Debug)]
pub(crate) struct Leaf {
    field: String,
    text: Text,
}

impl Template {
    pub(super) fn compile(selector: &LabelSelector, field: &str) -> Result<Self, Fault> {
        let mut labels = Vec::new();
        for (key, value) in &selector.match_labels {
            labels.push((key.clone(), leaf(format!("{field}.matchLabels.{key}"), value)?));
        }
        let mut expressions = Vec::new();
        for (index, expression) in selector.match_expressions.iter().enumerate() {
            let at = |position| format!("{field}.matchExpressions[{index}].values[{position}]");
            let leaves = values(expression).iter().enumerate();
            let leaves = leaves.map(|(position, value)| leaf(at(position), value));
            expressions.push((expression.clone(), leaves.collect::<Result<Vec<_>, _>>()?));
        }
        let in_labels = labels.iter().map(|(_, leaf)| leaf);
        let in_expressions = expressions.iter().flat_map(|(_, leaves)| leaves);
        if in_labels.chain(in_expressions).all(|leaf| leaf.text.is_plain()) {
            return Ok(Self::Fixed(selector.clone()));
        }
        Ok(Self::Templated { labels, expressions })
    }

    pub(super) fn render(&self, scope: &Scope) -> Result<LabelSelector, Fault> {
        let (labels, expressions) = match self {
            Self::Fixed(selector) => return Ok(selector.clone()),
            Self::Templated { labels, expressions } => (labels, expressions),
        };
        let mut selector = LabelSelector::default();
        for (key, leaf) in labels {
            selector.match_labels.insert(key.clone(), leaf.render(scope)?);
        }
        for (expression, leaves) in expressions {
            let values = leaves.iter().map(|leaf| leaf.render(scope));
            let operator = with_values(&expression.operator, values.collect::<Result<_, _>>()?);
            let key = expression.key.clone();
            selector.match_expressions.push(LabelExpression { key, operator });
        }
        Ok(selector)
    }
}

impl Leaf {
    fn render(&self, scope: &Scope) -> Result<String, Fault> {
        render_field(&self.field, &self.text, scope)
    }
}

fn leaf(field: String, source: &str) -> Result<Leaf, Fault> {
    let text = field_text(&field, source)?;
    Ok(Leaf { field, text })
}

fn values(expression: &LabelExpression) -> &[String] {
    match &expression.operator {
        LabelOperator::In(values) | LabelOperator::NotIn(values) => values,
        LabelOperator::Exists | LabelOperator::DoesNotExist => &[],
    }
}

fn with_values(operator: &LabelOperator, values: Vec<String>) -> LabelOperator {
    match operator {
        LabelOperator::In(_) => LabelOperator::In(values),
        LabelOperator::NotIn(_) => LabelOperator::NotIn(values),
        LabelOperator::Exists => LabelOperator::Exists,
        LabelOperator::DoesNotExist => LabelOperator::DoesNotExist,
    }
}
