//! sprig's arithmetic: integers wrap as Go's do, `addf` and its like are exact decimals.

use super::Param::{Any, Float, Int, String as Str};
use super::{Answer, Call, Function, cast, room_for_items};
use crate::exec::Message;
use crate::print;
use crate::value::{Items, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("atoi", &[Str], |call| Ok(Value::int(call.text(0).parse().unwrap_or(0)))),
    Function::new("int", &[Any], |call| Ok(Value::int(cast::int(&call.arguments[0])))),
    Function::new("int64", &[Any], |call| Ok(Value::int64(cast::int(&call.arguments[0])))),
    Function::new("float64", &[Any], |call| Ok(Value::Float(cast::float(&call.arguments[0])))),
    Function::new("toDecimal", &[Any], |call| {
        let text = print::text(&call.arguments[0]);
        Ok(Value::int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
    }),
    Function::new("add1", &[Any], |call| {
        Ok(Value::int64(cast::int(&call.arguments[0]).wrapping_add(1)))
    }),
    Function::new("add", &[], |call| {
        Ok(Value::int64(call.arguments.iter().map(cast::int).fold(0, i64::wrapping_add)))
    })
    .and_more(Any),
    Function::new("sub", &[Any, Any], |call| {
        Ok(Value::int64(pair(call).0.wrapping_sub(pair(call).1)))
    }),
    Function::new("div", &[Any, Any], |call| {
        let (a, b) = pair(call);
        if b == 0 {
            return Err(DIVIDE.into());
        }
        Ok(Value::int64(a.wrapping_div(b)))
    }),
    Function::new("mod", &[Any, Any], |call| {
        let (a, b) = pair(call);
        if b == 0 {
            return Err(DIVIDE.into());
        }
        Ok(Value::int64(a.wrapping_rem(b)))
    }),
    Function::new("mul", &[Any], |call| {
        Ok(Value::int64(call.arguments.iter().map(cast::int).fold(1, i64::wrapping_mul)))
    })
    .and_more(Any),
    Function::new("max", &[Any], largest).and_more(Any),
    Function::new("biggest", &[Any], largest).and_more(Any),
    Function::new("min", &[Any], |call| {
        Ok(Value::int64(call.arguments.iter().map(cast::int).min().unwrap_or(0)))
    })
    .and_more(Any),
    Function::new("maxf", &[Any], |call| Ok(Value::Float(extreme(call, true)))).and_more(Any),
    Function::new("minf", &[Any], |call| Ok(Value::Float(extreme(call, false)))).and_more(Any),
    Function::new("add1f", &[Any], |call| {
        decimal(&[call.arguments[0].clone(), Value::int(1)], '+')
    }),
    Function::new("addf", &[], |call| {
        let mut all = vec![Value::Float(0.0)];
        all.extend_from_slice(call.arguments);
        decimal(&all, '+')
    })
    .and_more(Any),
    Function::new("subf", &[Any], |call| decimal(call.arguments, '-')).and_more(Any),
    Function::new("mulf", &[Any], |call| decimal(call.arguments, '*')).and_more(Any),
    Function::new("divf", &[Any], |call| decimal(call.arguments, '/')).and_more(Any),
    Function::new("ceil", &[Any], |call| Ok(Value::Float(cast::float(&call.arguments[0]).ceil()))),
    Function::new("floor", &[Any], |call| {
        Ok(Value::Float(cast::float(&call.arguments[0]).floor()))
    }),
    Function::new("round", &[Any, Int], round).and_more(Float),
    Function::new("until", &[Int], |call| {
        let count = call.int(0);
        ints(steps(0, count, if count < 0 { -1 } else { 1 })?)
    }),
    Function::new("untilStep", &[Int, Int, Int], |call| {
        ints(steps(call.int(0), call.int(1), call.int(2))?)
    }),
    Function::new("seq", &[], seq).and_more(Int),
];

const DIVIDE: &str = "runtime error: integer divide by zero";

fn pair(call: &Call<'_>) -> (i64, i64) {
    (cast::int(&call.arguments[0]), cast::int(&call.arguments[1]))
}

fn largest(call: &Call<'_>) -> Answer {
    Ok(Value::int64(call.arguments.iter().map(cast::int).max().unwrap_or(0)))
}

fn extreme(call: &Call<'_>, greatest: bool) -> f64 {
    let numbers = call.arguments.iter().map(cast::float);
    let choose = |a: f64, b: f64| {
        // Unlike Rust's, Go's maximum of a number and NaN is NaN.
        if a.is_nan() || b.is_nan() {
            f64::NAN
        } else if greatest {
            a.max(b)
        } else {
            a.min(b)
        }
    };
    numbers.reduce(choose).unwrap_or(0.0)
}

/// Arithmetic on the shortest decimals that mean the numbers.
fn decimal(values: &[Value], operation: char) -> Answer {
    let mut numbers = values.iter().map(|value| Decimal::new(cast::float(value)));
    let mut result = numbers.next().ok_or("it needs a number")??;
    for number in numbers {
        result = result.with(number?, operation)?;
    }
    Ok(Value::Float(result.to_float()))
}

/// `digits * 10^exponent`. A calculation that outgrows 128 bits goes on in floats, which is where
/// its result ends anyway.
enum Decimal {
    Exact { digits: i128, exponent: i32 },
    Float(f64),
}

impl Decimal {
    fn new(value: f64) -> Result<Self, Message> {
        if !value.is_finite() {
            return Err("Cannot create a Decimal from NaN or infinity".into());
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').expect("`e` formatting has an exponent");
        let exponent: i32 = exponent.parse().expect("an exponent is a number");
        let after = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
        let digits = mantissa.replace('.', "").parse().expect("at most 17 digits");
        Ok(Self::Exact { digits, exponent: exponent - i32::try_from(after).expect("at most 17") })
    }

    fn to_float(&self) -> f64 {
        match self {
            Self::Exact { digits, exponent } => {
                format!("{digits}e{exponent}").parse().expect("digits and an exponent are a float")
            }
            Self::Float(value) => *value,
        }
    }

    fn with(&self, other: Self, operation: char) -> Result<Self, Message> {
        if operation == '/' && other.to_float() == 0.0 {
            return Err("decimal division by 0".into());
        }
        if let (Self::Exact { digits: a, exponent: m }, Self::Exact { digits: b, exponent: n }) =
            (self, &other)
            && let Some(exact) = exactly(*a, *m, *b, *n, operation)
        {
            return Ok(exact);
        }
        let (a, b) = (self.to_float(), other.to_float());
        Ok(Self::Float(match operation {
            '+' => a + b,
            '-' => a - b,
            '*' => a * b,
            _ => a / b,
        }))
    }
}

fn exactly(a: i128, m: i32, b: i128, n: i32, operation: char) -> Option<Decimal> {
    let scale =
        |digits: i128, by: i32| digits.checked_mul(10_i128.checked_pow(u32::try_from(by).ok()?)?);
    let exact = |digits, exponent| Decimal::Exact { digits, exponent };
    match operation {
        '*' => Some(exact(a.checked_mul(b)?, m.checked_add(n)?)),
        '/' => {
            // Sixteen places after the point, the last one rounded half away from zero.
            const PLACES: i32 = 16;
            let shift = m - n + PLACES;
            let (a, b) = if shift >= 0 { (scale(a, shift)?, b) } else { (a, scale(b, -shift)?) };
            let (quotient, rest) = (a / b, a % b);
            let up = rest.checked_mul(2)?.abs() >= b.abs();
            let away = if (a < 0) == (b < 0) { 1 } else { -1 };
            Some(exact(if up { quotient + away } else { quotient }, -PLACES))
        }
        _ => {
            let exponent = m.min(n);
            let (a, b) = (scale(a, m - exponent)?, scale(b, n - exponent)?);
            let sum = if operation == '+' { a.checked_add(b)? } else { a.checked_sub(b)? };
            Some(exact(sum, exponent))
        }
    }
}

fn round(call: &Call<'_>) -> Answer {
    let on = if call.arguments.len() > 2 { call.float(2) } else { 0.5 };
    #[expect(clippy::cast_precision_loss, reason = "a number of places")]
    let power = 10_f64.powf(call.int(1) as f64);
    let digit = power * cast::float(&call.arguments[0]);
    let rounded = if digit.fract() >= on { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Message> {
    if (stop < start) != (step < 0) || step == 0 {
        return Ok(Vec::new());
    }
    let count = stop.abs_diff(start).div_ceil(step.unsigned_abs());
    room_for_items(usize::try_from(count).unwrap_or(usize::MAX))?;
    let count = i64::try_from(count).expect("checked against the limit");
    Ok((0..count).map(|i| start + i * step).collect())
}

fn ints(values: Vec<i64>) -> Answer {
    let values = values.into_iter().map(Value::int).collect();
    Ok(Value::list_of(Items::Int, values))
}

fn seq(call: &Call<'_>) -> Answer {
    let (start, step, end) = match call.arguments.len() {
        1 => (1, None, call.int(0)),
        2 => (call.int(0), None, call.int(1)),
        3 => (call.int(0), Some(call.int(1)), call.int(2)),
        _ => return Ok(Value::string("")),
    };
    let direction = if end < start { -1 } else { 1 };
    if direction < 0 && step.is_some_and(|step| step > 0) {
        return Ok(Value::string(""));
    }
    let end = end.checked_add(direction).ok_or("the end overflows int")?;
    let numbers = steps(start, end, step.unwrap_or(direction))?;
    call.room(numbers.len().saturating_mul(2))?;
    let shown: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    Ok(Value::string(shown.join(" ")))
}
