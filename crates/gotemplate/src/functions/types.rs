//! What a value is, and which of several is used.

use super::Param::{Any, Bool, String as Str};
use super::{Answer, Call, Function, cast};
use crate::value::Value;

/// What a constant such as `1+2i` is read as: a call with its two parts, which no template can
/// write, for its name is no word of the language.
pub(crate) const COMPLEX: &str = "complex\u{2071}";
/// The same for a text with bytes by their numbers, such as `"\xff"`, in base 64.
pub(crate) const BYTES: &str = "bytes\u{2071}";
/// And for the smallest integer, whose number without its sign the parser takes for too large.
pub(crate) const LEAST: &str = "least\u{2071}";

/// What constants are read as.
pub(super) fn constant(name: &str) -> Option<&'static Function> {
    CONSTANTS.iter().find(|function| function.name == name)
}

static CONSTANTS: [Function; 3] = [
    Function::new(COMPLEX, &[Str, Str], complex),
    Function::new(BYTES, &[Str], |call| {
        Ok(Value::string(super::encoding::from_base64(call.bytes(0)).unwrap_or_default()))
    }),
    Function::new(LEAST, &[], |_| Ok(Value::int(i64::MIN))),
];

fn complex(call: &Call<'_>) -> Answer {
    match (cast::parse_float(&call.text(0)), cast::parse_float(&call.text(1))) {
        (Some(real), Some(imaginary)) => Ok(Value::Complex(real, imaginary)),
        _ => Err("bad number syntax".into()),
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[Any], |call| Ok(Value::string(&*call.arguments[0].type_name())))
        .light(),
    Function::new("typeIs", &[Str, Any], |call| {
        Ok(Value::Bool(call.text(0) == call.arguments[1].type_name()))
    })
    .light(),
    Function::new("typeIsLike", &[Str, Any], |call| {
        let name = call.arguments[1].type_name();
        Ok(Value::Bool(call.text(0) == name || format!("*{}", call.text(0)) == name))
    })
    .light(),
    Function::new("kindOf", &[Any], |call| Ok(Value::string(call.arguments[0].kind().name())))
        .light(),
    Function::new("kindIs", &[Str, Any], |call| {
        Ok(Value::Bool(call.text(0) == call.arguments[1].kind().name()))
    })
    .light(),
    Function::new("deepEqual", &[Any, Any], |call| {
        Ok(Value::Bool(call.arguments[0].deep_equal(&call.arguments[1])))
    }),
    Function::new("default", &[Any], |call| {
        let given = call.arguments.get(1).filter(|given| given.is_true());
        Ok(given.unwrap_or(&call.arguments[0]).clone())
    })
    .light()
    .and_more(Any),
    Function::new("empty", &[Any], |call| Ok(Value::Bool(!call.arguments[0].is_true()))).light(),
    Function::new("coalesce", &[], |call| {
        let found = call.arguments.iter().find(|value| value.is_true());
        Ok(found.cloned().unwrap_or(Value::Nil))
    })
    .light()
    .and_more(Any),
    Function::new("all", &[], |call| Ok(Value::Bool(call.arguments.iter().all(Value::is_true))))
        .light()
        .and_more(Any),
    Function::new("any", &[], |call| Ok(Value::Bool(call.arguments.iter().any(Value::is_true))))
        .light()
        .and_more(Any),
    Function::new("ternary", &[Any, Any, Bool], |call| {
        let chosen = usize::from(!matches!(call.arguments[2], Value::Bool(true)));
        Ok(call.arguments[chosen].clone())
    })
    .light(),
];
