//! Compiles a template and refuses, before anything is rendered, what the dialect does not have.
//!
//! Two rewrites make the library's templates ours: a bare name becomes a call of our own printer
//! (so that a parameter may be called like a helper, and a map is never printed as `[object]`),
//! and each turn of a loop begins with a step that the budget counts.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement, TemplateMapping};
use handlebars::{Template, TemplateError, TemplateErrorReason};
use model::suggest;

use super::helpers::{self, Form};

/// The printer that bare names are given to; no template can write this name.
pub(super) const PRINT: &str = "(print)";
/// The step that stands at the head of a loop.
pub(super) const STEP: &str = "(step)";

/// The longest template, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// The most tags in one template: the parser takes time proportional to tags times bytes.
const MAX_TAGS: usize = 1000;
/// The deepest nesting of blocks, brackets and `else`: parser and renderer recurse.
const MAX_NESTING: usize = 32;

/// Why a text is no template, and where.
pub(super) struct Refusal {
    pub(super) message: String,
    /// Line and column of the tag that is wrong.
    pub(super) tag: Option<(usize, usize)>,
    /// Where the parser stopped, which may be far behind what is wrong.
    pub(super) at: Option<(usize, usize)>,
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self { message, tag: None, at: None }
    }
}

pub(super) fn compile(source: &str) -> Result<Template, Refusal> {
    check_bounds(source)?;
    let mut template = Template::compile(source).map_err(|error| syntax(&error))?;
    check_template(&mut template)?;
    Ok(template)
}

/// The parser lists all that it could have read; where it stopped says more.
fn syntax(error: &TemplateError) -> Refusal {
    let message = match error.reason() {
        TemplateErrorReason::InvalidSyntax(_) => {
            "it cannot be read; is a tag or a block not closed?".to_owned()
        }
        reason => reason.to_string(),
    };
    Refusal { message, tag: None, at: error.pos() }
}

fn check_bounds(source: &str) -> Result<(), String> {
    if source.len() > MAX_BYTES {
        return Err(format!("it is {} bytes long; at most {MAX_BYTES} are read", source.len()));
    }
    let tags = source.matches("{{").count();
    if tags > MAX_TAGS {
        return Err(format!("it has {tags} tags; at most {MAX_TAGS} are read"));
    }
    if brackets(source) > MAX_NESTING || blocks(source) > MAX_NESTING {
        return Err(format!("it is nested deeper than {MAX_NESTING} levels"));
    }
    Ok(())
}

/// The deepest nesting of brackets. Round ones are counted in tags as in text: where a tag ends is
/// only known after parsing.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The deepest nesting of blocks; a chained `else` nests as well.
fn blocks(source: &str) -> usize {
    let (mut open, mut deepest) = (Vec::new(), 0);
    let mut depth = 0_usize;
    for tag in source.split("{{").skip(1) {
        let tag = tag.trim_start_matches(|c: char| c == '{' || c == '~' || c.is_whitespace());
        if tag.starts_with('#') {
            open.push(1_usize);
            depth += 1;
        } else if tag.starts_with("else") || tag.starts_with('^') {
            *open.last_mut().unwrap_or(&mut 0) += 1;
            depth += 1;
        } else if tag.starts_with('/') {
            depth -= open.pop().unwrap_or(0).min(depth);
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn check_template(template: &mut Template) -> Result<(), Refusal> {
    let Template { elements, mapping, .. } = template;
    for (index, element) in elements.iter_mut().enumerate() {
        check_element(element).map_err(|refusal| Refusal {
            // The innermost block says it best.
            tag: refusal.tag.or_else(|| mapping.get(index).map(|at| (at.0, at.1))),
            ..refusal
        })?;
    }
    Ok(())
}

fn check_element(element: &mut TemplateElement) -> Result<(), Refusal> {
    match element {
        TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
        TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
            check_expression(call).map_err(Refusal::from)
        }
        TemplateElement::HelperBlock(block) => check_block(block),
        _ => Err(Refusal::from(
            "partials (>) and decorators (*) are not part of templates here".to_owned(),
        )),
    }
}

fn check_expression(call: &mut HelperTemplate) -> Result<(), String> {
    if call.params.is_empty() && call.hash.is_empty() {
        let name = std::mem::replace(&mut call.name, Parameter::Name(PRINT.to_owned()));
        call.params.push(name);
    } else {
        check_name(&call.name, Form::Value)?;
    }
    check_arguments(call)
}

fn check_block(block: &mut HelperTemplate) -> Result<(), Refusal> {
    let name = check_name(&block.name, Form::Block)?;
    check_arguments(block)?;
    if let Some(template) = &mut block.template {
        check_template(template)?;
        if name == "each" {
            let (element, at) = step();
            template.elements.insert(0, element);
            template.mapping.insert(0, at);
        }
    }
    block.inverse.as_mut().map_or(Ok(()), check_template)
}

/// The step, with the place that the library keeps for each element.
fn step() -> (TemplateElement, TemplateMapping) {
    let mut template = Template::compile("{{step}}").expect("a name is a template");
    let mut element = template.elements.remove(0);
    if let TemplateElement::Expression(call) = &mut element {
        call.name = Parameter::Name(STEP.to_owned());
    }
    (element, template.mapping.remove(0))
}

fn check_arguments(call: &mut HelperTemplate) -> Result<(), String> {
    call.params.iter_mut().chain(call.hash.values_mut()).try_for_each(check_argument)
}

fn check_argument(argument: &mut Parameter) -> Result<(), String> {
    let Parameter::Subexpression(expression) = argument else { return Ok(()) };
    let TemplateElement::Expression(call) = expression.element.as_mut() else { return Ok(()) };
    if call.params.is_empty() && call.hash.is_empty() {
        let name = call.name.as_name().unwrap_or("…");
        return Err(format!("({name}) calls nothing; write {name} without the brackets"));
    }
    check_name(&call.name, Form::Value)?;
    check_arguments(call)
}

/// The name of a helper that exists and can stand in this place.
fn check_name(name: &Parameter, form: Form) -> Result<String, String> {
    let name = name.as_name().ok_or("the name of a helper cannot be computed")?;
    match (helpers::form(name), form) {
        (None, _) => Err(suggest::unknown("helper", name, &helpers::names())),
        (Some(Form::Value), Form::Block) => {
            Err(format!("{name} gives a value; write {{{{{name} …}}}} without #"))
        }
        (Some(Form::Block), Form::Value) => {
            Err(format!("{name} is a block; write {{{{#{name} …}}}} and {{{{/{name}}}}}"))
        }
        _ => Ok(name.to_owned()),
    }
}
