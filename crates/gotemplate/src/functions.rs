//! The functions that a template may call: Go's own, sprig's without those that look at the machine,
//! and five of the ApplicationSet controller's. One file per family; this one says how they are
//! declared and how arguments are fitted to parameters.

mod builtin;
pub(crate) mod cast;
mod certificates;
pub(crate) mod dates;
mod encoding;
mod lists;
mod maps;
pub(crate) mod methods;
mod numbers;
mod paths;
mod random;
pub mod regex;
mod secrets;
mod slug;
mod strings;
pub(crate) mod types;
mod urls;
pub mod versions;
mod yaml;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::exec::{Limits, Message};
use crate::value::{IntType, Items, Value};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    Any,
    String,
    Int,
    Int64,
    Float,
    Bool,
    /// `map[string]interface {}`.
    Map,
    Time,
    /// `[]interface {}`.
    List,
    /// `sprig.certificate`.
    Certificate,
    /// `uint32`: only a constant of the template can be one.
    Uint32,
}

impl Param {
    fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::String => "string",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
            Self::Time => "time.Time",
            Self::List => "[]interface {}",
            Self::Certificate => "sprig.certificate",
            Self::Uint32 => "uint32",
        }
    }

    fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::String, Value::String(_))
            | (Self::Int, Value::Int(_, IntType::Int))
            | (Self::Int64, Value::Int(_, IntType::Int64))
            | (Self::Float, Value::Float(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Time, Value::Time(_))
            | (Self::Certificate, Value::Certificate(_)) => true,
            (Self::List, Value::List(list)) => list.items == Items::Any,
            (Self::Map, Value::Map(map)) => map.items == Items::Any,
            _ => false,
        }
    }
}

/// A call: its arguments fit the parameters.
pub(crate) struct Call<'a> {
    pub(crate) arguments: &'a [Value],
    pub(crate) limits: &'a Limits,
}

pub(crate) type Answer = Result<Value, Message>;

/// What a call costs.
#[derive(Clone, Copy)]
enum Cost {
    Steps(u64),
    /// By what is asked for.
    Of(fn(&Call<'_>) -> u64),
}

/// A function of the language.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    /// What the arguments after `params` must be; `None` when there are none.
    pub(crate) rest: Option<Param>,
    /// Its answer differs from one rendering to the next.
    pub(crate) volatile: bool,
    /// It looks at no more than the top of its arguments, so their size costs nothing.
    pub(crate) light: bool,
    /// Steps that a call costs beside those for its arguments.
    cost: Cost,
    pub(crate) run: fn(&Call<'_>) -> Answer,
}

impl Function {
    const fn new(
        name: &'static str,
        params: &'static [Param],
        run: fn(&Call<'_>) -> Answer,
    ) -> Self {
        Self { name, params, rest: None, volatile: false, light: false, cost: Cost::Steps(0), run }
    }

    const fn and_more(mut self, rest: Param) -> Self {
        self.rest = Some(rest);
        self
    }

    const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    const fn light(mut self) -> Self {
        self.light = true;
        self
    }

    const fn costs(mut self, steps: u64) -> Self {
        self.cost = Cost::Steps(steps);
        self
    }

    const fn costs_by(mut self, steps: fn(&Call<'_>) -> u64) -> Self {
        self.cost = Cost::Of(steps);
        self
    }

    pub(crate) fn cost(&self, call: &Call<'_>) -> u64 {
        match self.cost {
            Cost::Steps(steps) => steps,
            Cost::Of(steps) => steps(call),
        }
    }

    pub(crate) fn param(&self, i: usize) -> Param {
        self.params.get(i).copied().or(self.rest).unwrap_or(Param::Any)
    }

    pub(crate) fn check_count(&self, given: usize) -> Result<(), Message> {
        let wanted = self.params.len();
        match self.rest {
            None if given != wanted => {
                Err(format!("wrong number of args for {}: want {wanted} got {given}", self.name)
                    .into())
            }
            Some(_) if given < wanted => Err(format!(
                "wrong number of args for {}: want at least {wanted} got {given}",
                self.name
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// The value as this parameter takes it.
    pub(crate) fn fit(&self, i: usize, value: Value) -> Result<Value, Message> {
        let param = self.param(i);
        match (param, value) {
            (Param::Any, Value::Missing) => Ok(Value::Nil),
            (param, value) if param.takes(&value) => Ok(value),
            // A nil map: it has no entries.
            (Param::Map, Value::Missing) => Ok(Value::Map(crate::value::Map::nil())),
            (Param::List, Value::Missing) => Ok(Value::nil_list(Items::Any)),
            (param, Value::Missing) => {
                Err(format!("invalid value; expected {}", param.name()).into())
            }
            (param, Value::Nil) => {
                Err(format!("wrong type for value; expected {}; got interface {{}}", param.name())
                    .into())
            }
            (param, value) => Err(format!(
                "wrong type for value; expected {}; got {}",
                param.name(),
                value.type_name()
            )
            .into()),
        }
    }
}

/// The most items that a function may make: a list of a million is a mistake.
const MAX_ITEMS: usize = 1_000_000;

impl Call<'_> {
    /// The text of a string argument.
    fn text(&self, i: usize) -> std::borrow::Cow<'_, str> {
        match &self.arguments[i] {
            Value::String(text) => text.text(),
            other => crate::print::text(other).into(),
        }
    }

    fn bytes(&self, i: usize) -> &[u8] {
        match &self.arguments[i] {
            Value::String(text) => text.bytes(),
            _ => &[],
        }
    }

    fn int(&self, i: usize) -> i64 {
        match self.arguments[i] {
            Value::Int(value, _) => value,
            _ => 0,
        }
    }

    fn float(&self, i: usize) -> f64 {
        match self.arguments[i] {
            Value::Float(value) => value,
            _ => 0.0,
        }
    }

    fn map(&self, i: usize) -> &crate::value::Map {
        match &self.arguments[i] {
            Value::Map(map) => map,
            _ => unreachable!("the parameter takes maps only"),
        }
    }

    fn list(&self, i: usize) -> &[Value] {
        match &self.arguments[i] {
            Value::List(list) => &list.values,
            _ => unreachable!("the parameter takes lists only"),
        }
    }

    /// Refuses to make more bytes than the limit.
    fn room(&self, bytes: usize) -> Result<(), Message> {
        if bytes > self.limits.bytes {
            return Err(format!("its text would be longer than {} bytes", self.limits.bytes).into());
        }
        Ok(())
    }
}

fn room_for_items(items: usize) -> Result<(), Message> {
    if items > MAX_ITEMS {
        return Err(format!("its list would have more than {MAX_ITEMS} items").into());
    }
    Ok(())
}

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    // Later families win: sprig's `slice` takes the place of Go's.
    let families: [&'static [Function]; 16] = [
        builtin::FUNCTIONS,
        strings::FUNCTIONS,
        numbers::FUNCTIONS,
        lists::FUNCTIONS,
        maps::FUNCTIONS,
        types::FUNCTIONS,
        encoding::FUNCTIONS,
        dates::FUNCTIONS,
        regex::FUNCTIONS,
        paths::FUNCTIONS,
        urls::FUNCTIONS,
        versions::FUNCTIONS,
        random::FUNCTIONS,
        secrets::FUNCTIONS,
        certificates::FUNCTIONS,
        yaml::FUNCTIONS,
    ];
    let all = families.into_iter().flatten().chain(slug::FUNCTIONS);
    all.map(|function| (function.name, function)).collect()
});

/// The function with this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.get(name).copied().or_else(|| types::constant(name))
}

/// The names of all functions, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = FUNCTIONS.keys().copied().collect();
    names.sort_unstable();
    names
}
