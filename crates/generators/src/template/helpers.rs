//! The helpers that templates may call, and how they are called. What they do is in `functions`.
//!
//! Every helper is deterministic. A missing parameter is an error in each of them but those that
//! exist to handle it.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, Renderable, ScopedJson, no_escape,
};
use serde_json::Value;

use super::check::{PRINT, STEP};
use super::{compare, functions};

/// How a helper may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `{{name …}}` and `(name …)`.
    Value,
    /// `{{#name …}}…{{/name}}` only.
    Block,
    /// Both: a test.
    Test,
}

/// One helper.
#[derive(Debug, Clone, Copy)]
struct Entry {
    name: &'static str,
    form: Form,
    /// None for a block of the library's own.
    function: Option<Function>,
}

/// An argument: how it is written when it is a name, and its value unless it is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) value: Option<&'a Value>,
}

/// `Ok(None)` is a value that is not there, for `default` and its like to handle.
pub(super) type Call = fn(&[Argument<'_>]) -> Result<Option<Value>, String>;

#[derive(Debug, Clone, Copy)]
struct Function {
    name: &'static str,
    /// Its arguments, as errors show them.
    usage: &'static str,
    least: usize,
    most: usize,
    /// Whether arguments may be missing.
    lenient: bool,
    is_test: bool,
    call: Call,
}

const MANY: usize = 64;

const fn strict(
    name: &'static str,
    arguments: &'static str,
    (least, most): (usize, usize),
    call: Call,
) -> Entry {
    entry(name, arguments, (least, most), false, Form::Value, call)
}

const fn test(
    name: &'static str,
    arguments: &'static str,
    (least, most): (usize, usize),
    lenient: bool,
    call: Call,
) -> Entry {
    entry(name, arguments, (least, most), lenient, Form::Test, call)
}

const fn entry(
    name: &'static str,
    usage: &'static str,
    (least, most): (usize, usize),
    lenient: bool,
    form: Form,
    call: Call,
) -> Entry {
    let is_test = matches!(form, Form::Test);
    let function = Some(Function { name, usage, least, most, lenient, is_test, call });
    Entry { name, form, function }
}

const fn block(name: &'static str) -> Entry {
    Entry { name, form: Form::Block, function: None }
}

/// All helpers. `docs/guide/templates.md` describes each of them; a test compares.
const TABLE: [Entry; 39] = [
    entry("default", "value… fallback", (2, MANY), true, Form::Value, functions::default),
    entry("required", "value message", (2, 2), true, Form::Value, functions::required),
    strict("lower", "text", (1, 1), functions::lower),
    strict("upper", "text", (1, 1), functions::upper),
    strict("trim", "text", (1, 1), functions::trim),
    strict("replace", "text from to", (3, 3), functions::replace),
    strict("regexReplace", "text pattern to", (3, 3), functions::regex_replace),
    strict("trunc", "text length", (2, 2), functions::trunc),
    strict("indent", "text width", (2, 2), functions::indent),
    strict("slugify", "text [length]", (1, 2), functions::slugify),
    strict("normalize", "text", (1, 1), functions::normalize_helper),
    strict("sha256", "text", (1, 1), functions::sha256),
    strict("join", "list separator", (2, 2), functions::join),
    strict("split", "text separator", (2, 2), functions::split),
    strict("first", "list", (1, 1), functions::first),
    strict("last", "list", (1, 1), functions::last),
    strict("toYaml", "value", (1, 1), functions::to_yaml),
    strict("toJson", "value", (1, 1), functions::to_json),
    strict("json", "value", (1, 1), functions::to_json),
    strict("fromYaml", "text", (1, 1), functions::from_yaml),
    entry("lookup", "map key", (2, 2), false, Form::Value, functions::lookup),
    test("eq", "a b", (2, 2), false, compare::eq),
    test("ne", "a b", (2, 2), false, compare::ne),
    test("lt", "a b", (2, 2), false, compare::lt),
    test("lte", "a b", (2, 2), false, compare::lte),
    test("gt", "a b", (2, 2), false, compare::gt),
    test("gte", "a b", (2, 2), false, compare::gte),
    test("and", "a b…", (2, MANY), true, compare::and),
    test("or", "a b…", (2, MANY), true, compare::or),
    test("not", "a", (1, 1), true, compare::not),
    test("has", "list item", (2, 2), false, compare::has),
    test("startsWith", "text prefix", (2, 2), false, compare::starts_with),
    test("endsWith", "text suffix", (2, 2), false, compare::ends_with),
    test("semverCompare", "constraint version", (2, 2), false, compare::semver_compare),
    block("if"),
    block("unless"),
    block("each"),
    block("with"),
    block("raw"),
];

pub(super) fn form(name: &str) -> Option<Form> {
    TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.form)
}

pub(super) fn names() -> Vec<&'static str> {
    TABLE.iter().map(|entry| entry.name).collect()
}

/// The library with our helpers: strict, without HTML escapes, files, partials or logging.
pub(super) fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(no_escape);
    registry.unregister_helper("log");
    registry.unregister_helper("len");
    for function in TABLE.iter().filter_map(|entry| entry.function) {
        registry.register_helper(function.name, Box::new(function));
    }
    registry.register_helper(PRINT, Box::new(Printer));
    registry.register_helper(STEP, Box::new(Step));
    registry
}

fn other(message: String) -> RenderError {
    RenderErrorReason::Other(message).into()
}

impl Function {
    fn evaluate(&self, helper: &Helper<'_>) -> Result<Option<Value>, RenderError> {
        let Self { name, usage, .. } = self;
        if let Some(hash) = helper.hash().keys().next() {
            return Err(other(format!("{name} takes no argument {hash}=; write {name} {usage}")));
        }
        let arguments: Vec<_> = helper
            .params()
            .iter()
            .map(|param| Argument {
                name: param.relative_path().map(String::as_str),
                value: (!param.is_value_missing()).then(|| param.value()),
            })
            .collect();
        if arguments.len() < self.least || arguments.len() > self.most {
            return Err(other(format!("{name} takes other arguments; write {name} {usage}")));
        }
        let missing = arguments.iter().position(|argument| argument.value.is_none());
        if let Some(position) = missing.filter(|_| !self.lenient) {
            return Err(match helper.params()[position].relative_path() {
                Some(path) => RenderError::strict_error(Some(path)),
                None => other(format!("argument {} of {name} is not there", position + 1)),
            });
        }
        (self.call)(&arguments).map_err(|message| other(format!("{name}: {message}")))
    }
}

impl HelperDef for Function {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        Ok(self.evaluate(helper)?.map_or(ScopedJson::Missing, ScopedJson::Derived))
    }

    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let Some(value) = self.evaluate(helper)? else {
            let written: Vec<_> = helper.params().iter().map(written).collect();
            return Err(other(format!("{} {} is not there", self.name, written.join(" "))));
        };
        if !(self.is_test && helper.is_block()) {
            return print(self.name, &value, out);
        }
        let branch = if value == Value::Bool(true) { helper.template() } else { helper.inverse() };
        branch.map_or(Ok(()), |branch| branch.render(registry, context, render, out))
    }
}

/// An argument as its author wrote it, near enough.
fn written(param: &handlebars::PathAndJson<'_>) -> String {
    param.relative_path().cloned().unwrap_or_else(|| param.value().to_string())
}

fn print(name: &str, value: &Value, out: &mut dyn Output) -> HelperResult {
    let text = functions::text(value).map_err(|message| other(format!("{name} {message}")))?;
    Ok(out.write(&text)?)
}

/// Prints the one value it is given.
struct Printer;

impl HelperDef for Printer {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let param = helper.param(0).ok_or_else(|| other("there is nothing to print".to_owned()))?;
        if param.is_value_missing() {
            return Err(RenderError::strict_error(param.relative_path()));
        }
        print(param.relative_path().map_or("the value", String::as_str), param.value(), out)
    }
}

/// Writes nothing, which the budget counts.
struct Step;

impl HelperDef for Step {
    fn call<'reg: 'rc, 'rc>(
        &self,
        _: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        Ok(out.write("")?)
    }
}
