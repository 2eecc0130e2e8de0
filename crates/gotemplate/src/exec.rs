//! Renders a parsed template: what an action, a pipeline, a field and a call mean in Go.
//!
//! Every node costs a step and every byte of output counts, so no template runs or writes for ever.

use std::borrow::Cow;

use gotmpl::parse::{
    BranchNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, SmolStr, TemplateNode,
};

use crate::error::{RenderError, position};
use crate::functions::{self, Function, Param, methods};
use crate::value::{IntType, Items, MAX_NESTING, TooLarge, Value, whole};
use crate::{Template, print};

/// What a lookup of a key that is not there gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// `<no value>`.
    #[default]
    Default,
    /// The zero value of the map's items.
    Zero,
    Error,
}

/// How much a rendering may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nodes visited and function calls, those on much data or of much work counted several times:
    /// a loop of a million turns is a mistake.
    pub steps: u64,
    /// Bytes of output, and of any one value that a function makes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 1_000_000, bytes: 1 << 20 }
    }
}

/// How deep blocks, parentheses and templates that call each other may go. Go's bound is far
/// higher; this one fits the stack of a thread.
const MAX_DEPTH: usize = 150;
/// Bytes that cost a step, made or worked on: a rendering handles at most some tens of megabytes.
const BYTES_OF_STEP: usize = 64;
/// A function takes arguments of so many times the bytes that it may make.
const ARGUMENTS: usize = 16;

/// What went wrong, before it is known where.
pub(crate) type Message = Cow<'static, str>;

/// Why a list of nodes ended early.
enum Stop {
    Failed(Box<RenderError>),
    Break,
    Continue,
}

type Flow<T = ()> = Result<T, Stop>;

struct Run<'a> {
    template: &'a Template,
    variables: Vec<(SmolStr, Value)>,
    out: Vec<u8>,
    steps: u64,
    limits: Limits,
    depth: usize,
}

/// Renders the template's body.
pub(crate) fn execute(
    template: &Template,
    data: &Value,
    limits: &Limits,
) -> Result<Vec<u8>, RenderError> {
    let mut run = Run {
        template,
        variables: vec![("$".into(), data.clone())],
        out: Vec::new(),
        steps: 0,
        limits: *limits,
        depth: 0,
    };
    match run.list(data, &template.body) {
        Ok(()) => Ok(run.out),
        Err(Stop::Failed(error)) => Err(*error),
        Err(Stop::Break | Stop::Continue) => Ok(run.out),
    }
}

impl Run<'_> {
    fn fail(&self, offset: usize, message: impl Into<Message>) -> Stop {
        let source = &self.template.source;
        let offset = self.template.prepared.origin(offset);
        let (line, column) = position(source, offset);
        let rest = source.get(offset..).unwrap_or_default();
        let end = rest.find("}}").unwrap_or(rest.len());
        let expression: String =
            rest[..end].trim_end_matches([' ', '-']).chars().take(80).collect();
        let message = message.into().into_owned();
        Stop::Failed(Box::new(RenderError { line, column, expression, message }))
    }

    fn step(&mut self, offset: usize) -> Flow {
        self.steps(offset, 1)
    }

    fn steps(&mut self, offset: usize, steps: u64) -> Flow {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(self.fail(offset, format!("more than {} steps", self.limits.steps)));
        }
        Ok(())
    }

    /// Counts the steps of working on a value, and refuses one that is too large or too deep.
    fn weigh(&mut self, value: &Value, offset: usize) -> Flow {
        let most = self.limits.bytes.saturating_mul(ARGUMENTS);
        match value.weigh(most) {
            Ok(bytes) => self.steps(offset, steps_of(bytes)),
            Err(TooLarge::Long) => {
                Err(self.fail(offset, format!("a value of more than {most} bytes")))
            }
            Err(TooLarge::Nested) => {
                Err(self.fail(offset, format!("a value nested deeper than {MAX_NESTING}")))
            }
        }
    }

    /// One block, parenthesis or template deeper.
    fn deeper<T>(&mut self, offset: usize, run: impl FnOnce(&mut Self) -> Flow<T>) -> Flow<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("blocks and templates are nested deeper than {MAX_DEPTH}");
            return Err(self.fail(offset, message));
        }
        self.depth += 1;
        let flow = run(self);
        self.depth -= 1;
        flow
    }

    fn write(&mut self, bytes: &[u8], offset: usize) -> Flow {
        if self.out.len() + bytes.len() > self.limits.bytes {
            let limit = self.limits.bytes;
            return Err(self.fail(offset, format!("the text is longer than {limit} bytes")));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn list(&mut self, dot: &Value, list: &ListNode) -> Flow {
        list.nodes.iter().try_for_each(|node| self.node(dot, node))
    }

    fn node(&mut self, dot: &Value, node: &Node) -> Flow {
        match node {
            Node::Text(text) => self.write(text.text.as_bytes(), text.pos.offset),
            Node::Action(action) => {
                self.step(action.pos.offset)?;
                let value = self.pipeline(dot, &action.pipe)?;
                if action.pipe.decl.is_empty() {
                    self.weigh(&value, action.pos.offset)?;
                    self.write(&print::show(&value), action.pos.offset)?;
                }
                Ok(())
            }
            Node::If(branch) => {
                self.deeper(branch.pos.offset, |run| run.branch(dot, branch, false))
            }
            Node::With(branch) => {
                self.deeper(branch.pos.offset, |run| run.branch(dot, branch, true))
            }
            Node::Range(branch) => self.deeper(branch.pos.offset, |run| run.range(dot, branch)),
            Node::Template(call) => {
                self.deeper(call.pos.offset, |run| run.call_template(dot, call))
            }
            Node::Break(_) => Err(Stop::Break),
            Node::Continue(_) => Err(Stop::Continue),
            _ => Ok(()),
        }
    }

    fn branch(&mut self, dot: &Value, branch: &BranchNode, with: bool) -> Flow {
        self.step(branch.pos.offset)?;
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.is_true() {
            self.list(if with { &value } else { dot }, &branch.body)
        } else {
            branch.else_body.as_ref().map_or(Ok(()), |other| self.list(dot, other))
        };
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Value, branch: &BranchNode) -> Flow {
        self.step(branch.pos.offset)?;
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        // What the pipeline declares is set in each turn; without one it is the whole.
        let names = &branch.pipe.decl;
        let turns: Vec<(Value, Value)> = match &value {
            Value::List(list) => list
                .values
                .iter()
                .enumerate()
                .map(|(i, item)| (Value::int(i64::try_from(i).unwrap_or(i64::MAX)), item.clone()))
                .collect(),
            Value::Map(map) => {
                map.entries().into_iter().map(|(key, item)| (Value::String(key), item)).collect()
            }
            Value::Int(count, kind) => {
                if names.len() > 1 {
                    let shown = print::text(&value);
                    return Err(self.fail(
                        branch.pipe.pos.offset,
                        format!("can't use {shown} to iterate over more than one variable"),
                    ));
                }
                return self.count(dot, branch, *count, *kind, mark);
            }
            Value::Missing | Value::Nil => Vec::new(),
            other => {
                let shown = print::text(other);
                let message = format!("range can't iterate over {shown}");
                return Err(self.fail(branch.pipe.pos.offset, message));
            }
        };
        let flow = self.turns(branch, turns.into_iter());
        self.finish_range(dot, branch, flow, mark)
    }

    fn count(
        &mut self,
        dot: &Value,
        branch: &BranchNode,
        count: i64,
        kind: IntType,
        mark: usize,
    ) -> Flow {
        let turns = (0..count).map(|i| (Value::Int(i, kind), Value::Int(i, kind)));
        let flow = self.turns(branch, turns);
        self.finish_range(dot, branch, flow, mark)
    }

    /// Runs the body for each turn; true when there was one.
    fn turns(
        &mut self,
        branch: &BranchNode,
        turns: impl Iterator<Item = (Value, Value)>,
    ) -> Flow<bool> {
        let mut any = false;
        let inside = self.variables.len();
        for (key, item) in turns {
            any = true;
            self.step(branch.pos.offset)?;
            match branch.pipe.decl.as_slice() {
                [] => {}
                [one] => self.assign(one, item.clone(), branch.pos.offset)?,
                [first, second, ..] => {
                    self.assign(first, key, branch.pos.offset)?;
                    self.assign(second, item.clone(), branch.pos.offset)?;
                }
            }
            let flow = self.list(&item, &branch.body);
            self.variables.truncate(inside);
            match flow {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(failed) => return Err(failed),
            }
        }
        Ok(any)
    }

    fn finish_range(
        &mut self,
        dot: &Value,
        branch: &BranchNode,
        flow: Flow<bool>,
        mark: usize,
    ) -> Flow {
        // The variables of the pipeline are still there in the other body.
        let flow = match (flow?, &branch.else_body) {
            (false, Some(other)) => self.list(dot, other),
            _ => Ok(()),
        };
        self.variables.truncate(mark);
        flow
    }

    fn call_template(&mut self, dot: &Value, call: &TemplateNode) -> Flow {
        let template = self.template;
        let offset = call.pos.offset;
        self.step(offset)?;
        let Some(body) = template.defines.get(call.name.as_str()) else {
            return Err(self.fail(offset, format!("template {:?} not defined", call.name.as_str())));
        };
        let value = match &call.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Missing,
        };
        let outside = std::mem::replace(&mut self.variables, vec![("$".into(), value.clone())]);
        let flow = self.list(&value, body);
        self.variables = outside;
        flow
    }

    fn assign(&mut self, name: &SmolStr, value: Value, offset: usize) -> Flow {
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => return Err(self.fail(offset, format!("undefined variable: {name}"))),
        }
        Ok(())
    }

    /// The value of a pipeline; its variables are set. A nil interface ends as no value at all.
    fn pipeline(&mut self, dot: &Value, pipe: &PipeNode) -> Flow<Value> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(match self.command(dot, command, value.take())? {
                Value::Nil => Value::Missing,
                value => value,
            });
        }
        let value = value.unwrap_or(Value::Missing);
        for name in &pipe.decl {
            if pipe.is_assign {
                self.assign(name, value.clone(), pipe.pos.offset)?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Value, command: &CommandNode, last: Option<Value>) -> Flow<Value> {
        let Some((first, rest)) = command.args.split_first() else { return Ok(Value::Missing) };
        let offset = first.pos().offset;
        match first {
            Expr::Identifier(_, name) => return self.call(dot, name, offset, rest, last),
            Expr::Field(_, path) => return self.chain(dot, dot.clone(), path, offset, rest, last),
            Expr::Variable(_, name, path) if !path.is_empty() => {
                let value = self.variable(name, offset)?;
                return self.chain(dot, value, path, offset, rest, last);
            }
            Expr::Chain(_, inner, path) => {
                let value = self.expression(dot, inner)?;
                return self.chain(dot, value, path, offset, rest, last);
            }
            _ => {}
        }
        if !rest.is_empty() || last.is_some() {
            return Err(self.fail(offset, "can't give argument to non-function"));
        }
        if matches!(first, Expr::Nil(_)) {
            return Err(self.fail(offset, "nil is not a command"));
        }
        self.expression(dot, first)
    }

    fn variable(&self, name: &SmolStr, offset: usize) -> Flow<Value> {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        let found = found.map(|(_, value)| value.clone());
        found.ok_or_else(|| self.fail(offset, format!("undefined variable: {name}")))
    }

    /// The value of an expression that stands by itself.
    fn expression(&mut self, dot: &Value, expression: &Expr) -> Flow<Value> {
        let offset = expression.pos().offset;
        match expression {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Nil(_) => Ok(Value::Nil),
            Expr::Bool(_, value) => Ok(Value::Bool(*value)),
            Expr::String(_, text) => Ok(Value::string(&**text)),
            Expr::Number(_, number) => self.constant(*number, offset),
            Expr::Pipe(_, pipe) => {
                let mark = self.variables.len();
                let value = self.deeper(offset, |run| run.pipeline(dot, pipe));
                self.variables.truncate(mark);
                value
            }
            Expr::Field(_, path) => self.chain(dot, dot.clone(), path, offset, &[], None),
            Expr::Variable(_, name, path) => {
                let value = self.variable(name, offset)?;
                self.chain(dot, value, path, offset, &[], None)
            }
            Expr::Chain(_, inner, path) => {
                let value = self.expression(dot, inner)?;
                self.chain(dot, value, path, offset, &[], None)
            }
            Expr::Identifier(_, name) => self.call(dot, name, offset, &[], None),
        }
    }

    fn constant(&self, number: Number, offset: usize) -> Flow<Value> {
        match number {
            Number::Int(value) => Ok(Value::int(value)),
            Number::Float(value) => Ok(Value::Float(value)),
            Number::Uint(value) => Err(self.fail(offset, format!("{value} overflows int"))),
        }
    }

    /// Fields, keys and methods, one after another; arguments belong to the last.
    fn chain(
        &mut self,
        dot: &Value,
        mut value: Value,
        path: &[SmolStr],
        offset: usize,
        rest: &[Expr],
        last: Option<Value>,
    ) -> Flow<Value> {
        let mut arguments = Vec::new();
        for argument in rest {
            arguments.push(self.expression(dot, argument)?);
        }
        arguments.extend(last);
        for (i, name) in path.iter().enumerate() {
            let arguments = if i + 1 == path.len() { arguments.as_slice() } else { &[] };
            value = self
                .field(&value, name, arguments)
                .map_err(|message| self.fail(offset, message))?;
        }
        if path.is_empty() && !arguments.is_empty() {
            return Err(self.fail(offset, "can't give argument to non-function"));
        }
        Ok(value)
    }

    fn field(&self, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Message> {
        let missing = self.template.missing_key;
        if let Some(result) = methods::call(value, name, arguments) {
            return result;
        }
        match value {
            Value::Missing if missing == MissingKey::Error => {
                Err(format!("nil data; no entry for key {name:?}").into())
            }
            Value::Missing => Ok(Value::Missing),
            Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}").into()),
            Value::Certificate(pair) => {
                let Some((_, value)) = pair.fields().into_iter().find(|(field, _)| *field == name)
                else {
                    return Err(unknown_field(name, value));
                };
                if !arguments.is_empty() {
                    return Err(
                        format!("{name} has arguments but cannot be invoked as function").into()
                    );
                }
                Ok(value)
            }
            Value::Map(_) if !arguments.is_empty() => {
                Err(format!("{name} is not a method but has arguments").into())
            }
            Value::Map(map) => match (map.get(name.as_bytes()), missing) {
                (Some(value), _) => Ok(value),
                (None, MissingKey::Default) => Ok(Value::Missing),
                (None, MissingKey::Zero) => Ok(zero(map.items)),
                (None, MissingKey::Error) => {
                    Err(format!("map has no entry for key {name:?}").into())
                }
            },
            other => Err(unknown_field(name, other)),
        }
    }

    fn call(
        &mut self,
        dot: &Value,
        name: &SmolStr,
        offset: usize,
        rest: &[Expr],
        last: Option<Value>,
    ) -> Flow<Value> {
        self.step(offset)?;
        let Some(function) = functions::find(name) else {
            return Err(self.fail(offset, format!("{:?} is not a defined function", name.as_str())));
        };
        let given = rest.len() + usize::from(last.is_some());
        function.check_count(given).map_err(|message| self.fail(offset, message))?;
        if matches!(function.name, "and" | "or") {
            return self.short_circuit(dot, function.name == "or", rest, last);
        }
        let mut arguments = Vec::with_capacity(given);
        for (i, expression) in rest.iter().enumerate() {
            let value = self.argument(dot, function, i, expression)?;
            arguments.push(value);
        }
        if let Some(value) = last {
            let value =
                function.fit(given - 1, value).map_err(|message| self.fail(offset, message))?;
            arguments.push(value);
        }
        if !function.light {
            arguments.iter().try_for_each(|value| self.weigh(value, offset))?;
        }
        let limits = self.limits;
        let call = functions::Call { arguments: &arguments, limits: &limits };
        self.steps(offset, function.cost(&call))?;
        let answer = (function.run)(&call);
        let value = answer.map_err(|message| {
            self.fail(offset, format!("error calling {}: {message}", function.name))
        })?;
        // What is new must be counted, since arguments were counted before it was made.
        match &value {
            Value::String(text) => self.steps(offset, steps_of(text.bytes().len()))?,
            Value::Certificate(_) if !function.light => self.weigh(&value, offset)?,
            Value::List(list) if !function.light => {
                self.steps(offset, steps_of(list.values.len() * 32))?;
            }
            _ => {}
        }
        Ok(value)
    }

    fn argument(
        &mut self,
        dot: &Value,
        function: &Function,
        i: usize,
        expression: &Expr,
    ) -> Flow<Value> {
        let offset = expression.pos().offset;
        // A constant takes the type that is asked for, where it can.
        let value = match (expression, function.param(i)) {
            (Expr::Number(_, Number::Float(value)), Param::Int | Param::Int64) => {
                match whole(*value) {
                    Some(value) => Value::int(value),
                    None => {
                        return Err(self.fail(offset, format!("expected integer; found {value}")));
                    }
                }
            }
            // Only the word itself is a nil list or map; a nil that was computed is not.
            (Expr::Nil(_), Param::Map | Param::List) => Value::Missing,
            (Expr::Number(_, Number::Int(value)), Param::Uint32) => {
                return match u32::try_from(*value) {
                    Ok(_) => Ok(Value::int(*value)),
                    Err(_) => {
                        Err(self.fail(offset, format!("expected unsigned integer; found {value}")))
                    }
                };
            }
            (Expr::Number(_, Number::Int(value)), Param::Float) =>
            {
                #[expect(clippy::cast_precision_loss, reason = "as Go converts a constant")]
                Value::Float(*value as f64)
            }
            _ => self.expression(dot, expression)?,
        };
        function.fit(i, value).map_err(|message| self.fail(offset, message))
    }

    /// `and` and `or` evaluate no further than they must.
    fn short_circuit(
        &mut self,
        dot: &Value,
        wanted: bool,
        rest: &[Expr],
        last: Option<Value>,
    ) -> Flow<Value> {
        let mut value = Value::Missing;
        for expression in rest {
            value = self.expression(dot, expression)?;
            if value.is_true() == wanted {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}

fn unknown_field(name: &str, value: &Value) -> Message {
    format!("can't evaluate field {name} in type {}", value.type_name()).into()
}

fn steps_of(bytes: usize) -> u64 {
    u64::try_from(bytes / BYTES_OF_STEP).unwrap_or(u64::MAX)
}

fn zero(items: Items) -> Value {
    match items {
        Items::String => Value::string(""),
        Items::Int => Value::int(0),
        Items::Any | Items::Lists | Items::Maps => Value::Nil,
    }
}
