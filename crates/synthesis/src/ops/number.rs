//! Arithmetic with Python's signs, roundings and types.

use std::cmp::Ordering;

use super::Answer;
use crate::value::{Fail, Value, exact_float, float_to_int};

/// An integer; booleans count as 0 and 1, as in Python.
pub(crate) fn int(value: &Value) -> Result<i64, Fail> {
    match value {
        Value::Int(i) => Ok(*i),
        Value::Bool(b) => Ok(i64::from(*b)),
        _ => Err(Fail::Raises),
    }
}

pub(super) fn float(value: &Value) -> Result<f64, Fail> {
    match value {
        Value::Float(f) => Ok(*f),
        other => exact_float(int(other)?),
    }
}

/// A float that is a number; Python raises or differs where it would not be.
pub(super) fn finite(f: f64) -> Answer {
    if f.is_finite() { Ok(Value::Float(f)) } else { Err(Fail::Unsupported) }
}

fn arithmetic(a: &Value, b: &Value, whole: fn(i64, i64) -> Option<i64>, real: fn(f64, f64) -> f64) -> Answer {
    if matches!(a, Value::Float(_)) || matches!(b, Value::Float(_)) {
        return finite(real(float(a)?, float(b)?));
    }
    whole(int(a)?, int(b)?).map(Value::Int).ok_or(Fail::TooBig)
}

/// `a + b` on numbers.
pub(crate) fn add(a: &Value, b: &Value) -> Answer {
    arithmetic(a, b, i64::checked_add, |x, y| x + y)
}

pub(super) fn sub(a: &Value, b: &Value) -> Answer {
    arithmetic(a, b, i64::checked_sub, |x, y| x - y)
}

pub(super) fn mul(a: &Value, b: &Value) -> Answer {
    arithmetic(a, b, i64::checked_mul, |x, y| x * y)
}

pub(crate) fn div(a: &Value, b: &Value) -> Answer {
    let (x, y) = (float(a)?, float(b)?);
    if y == 0.0 { Err(Fail::Raises) } else { finite(x / y) }
}

/// `a // b` and `a % b` together: the quotient goes down, the remainder has the divisor's sign.
fn divide(a: i64, b: i64) -> Result<(i64, i64), Fail> {
    if b == 0 {
        return Err(Fail::Raises);
    }
    let (quotient, rest) = (a.checked_div(b).ok_or(Fail::TooBig)?, a.checked_rem(b).ok_or(Fail::TooBig)?);
    if rest != 0 && (rest < 0) != (b < 0) { Ok((quotient - 1, rest + b)) } else { Ok((quotient, rest)) }
}

fn divide_floats(a: f64, b: f64) -> Result<(f64, f64), Fail> {
    if b == 0.0 {
        return Err(Fail::Raises);
    }
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (b < 0.0) != (rest < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return Ok((0.0_f64.copysign(a / b), rest));
    }
    let down = quotient.floor();
    Ok((if quotient - down > 0.5 { down + 1.0 } else { down }, rest))
}

pub(super) fn floor_div(a: &Value, b: &Value) -> Answer {
    if matches!(a, Value::Float(_)) || matches!(b, Value::Float(_)) {
        return finite(divide_floats(float(a)?, float(b)?)?.0);
    }
    Ok(Value::Int(divide(int(a)?, int(b)?)?.0))
}

pub(super) fn modulo(a: &Value, b: &Value) -> Answer {
    if matches!(a, Value::Float(_)) || matches!(b, Value::Float(_)) {
        return finite(divide_floats(float(a)?, float(b)?)?.1);
    }
    Ok(Value::Int(divide(int(a)?, int(b)?)?.1))
}

pub(super) fn pow(a: &Value, b: &Value) -> Answer {
    let exponent = u32::try_from(int(b)?).map_err(|_| Fail::Unsupported)?;
    int(a)?.checked_pow(exponent).map(Value::Int).ok_or(Fail::TooBig)
}

pub(super) fn abs(a: &Value) -> Answer {
    match a {
        Value::Float(f) => Ok(Value::Float(f.abs())),
        other => int(other)?.checked_abs().map(Value::Int).ok_or(Fail::TooBig),
    }
}

/// `round(x)`: halves go to the even neighbour.
pub(super) fn round(a: &Value) -> Answer {
    match a {
        Value::Float(f) => float_to_int(f.round_ties_even()).map(Value::Int),
        other => Ok(Value::Int(int(other)?)),
    }
}

/// `round(x, n)`: rounds the exact decimal expansion, which is what formatting does too.
pub(super) fn round_to(a: &Value, digits: &Value) -> Answer {
    let Value::Float(f) = a else { return Err(Fail::Unsupported) };
    let digits = usize::try_from(int(digits)?).map_err(|_| Fail::Unsupported)?;
    if digits > 15 {
        return Err(Fail::Unsupported);
    }
    format!("{f:.digits$}").parse().map(Value::Float).map_err(|_| Fail::Unsupported)
}

pub(super) fn whole(a: &Value, to: fn(f64) -> f64) -> Answer {
    match a {
        Value::Float(f) => float_to_int(to(*f)).map(Value::Int),
        other => Ok(Value::Int(int(other)?)),
    }
}

pub(super) fn root(a: &Value) -> Answer {
    let f = float(a)?;
    if f < 0.0 { Err(Fail::Unsupported) } else { finite(f.sqrt()) }
}

/// Whether the order of two values is the wanted one.
pub(crate) fn compare(a: &Value, b: &Value, wanted: fn(Ordering) -> bool) -> Answer {
    a.order(b).map(|order| Value::Bool(wanted(order)))
}
