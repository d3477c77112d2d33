//! Numbers across types, without losing a digit.

use std::cmp::Ordering;

use super::{Fail, Value};

/// The largest integer up to which every integer is a float exactly.
const EXACT: i64 = 1 << 53;

/// The float that equals `i`, where there is one for certain.
///
/// # Errors
/// [`Fail::Unsupported`] past 2^53, where Python rounds in ways that differ between operations.
pub fn exact_float(i: i64) -> Result<f64, Fail> {
    if (-EXACT..=EXACT).contains(&i) { Ok(i as f64) } else { Err(Fail::Unsupported) }
}

/// The integer that a float without fraction stands for.
///
/// # Errors
/// [`Fail::Raises`] for infinities and NaN, [`Fail::TooBig`] beyond 2^62.
pub fn float_to_int(f: f64) -> Result<i64, Fail> {
    if !f.is_finite() {
        return Err(Fail::Raises);
    }
    if f.abs() > 4.0e18 {
        return Err(Fail::TooBig);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked; the fraction is meant to go")]
    let whole = f as i64;
    Ok(whole)
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Int(i) => Some(*i),
        _ => None,
    }
}

/// Whether two numbers are equal; false when either is no number.
#[must_use]
pub fn same_number(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(x), Value::Float(y)) => x == y,
        _ => order(a, b) == Ok(Ordering::Equal),
    }
}

fn order_mixed(i: i64, f: f64) -> Result<Ordering, Fail> {
    if f.is_nan() {
        return Err(Fail::Unsupported);
    }
    if f.abs() > 4.0e18 {
        return if f.is_infinite() || f.abs() > 1.0e19 {
            Ok(if f > 0.0 { Ordering::Less } else { Ordering::Greater })
        } else {
            Err(Fail::Unsupported)
        };
    }
    let whole = float_to_int(f)?;
    Ok(i.cmp(&whole).then_with(|| 0.0_f64.total_cmp(&(f.fract() + 0.0))))
}

pub(super) fn order(a: &Value, b: &Value) -> Result<Ordering, Fail> {
    match (a, b) {
        (Value::Float(x), Value::Float(y)) => x.partial_cmp(y).ok_or(Fail::Unsupported),
        (Value::Float(x), other) => {
            let i = integer(other).ok_or(Fail::Raises)?;
            Ok(order_mixed(i, *x)?.reverse())
        }
        (one, Value::Float(y)) => order_mixed(integer(one).ok_or(Fail::Raises)?, *y),
        _ => Ok(integer(a).ok_or(Fail::Raises)?.cmp(&integer(b).ok_or(Fail::Raises)?)),
    }
}
