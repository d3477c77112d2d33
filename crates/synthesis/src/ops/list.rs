//! Lists, tuples, dicts and what strings share with them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Answer;
use super::number::{add, int, mul};
use super::text::string;
use crate::limits::{CHARS_MAX, ELEMENTS_MAX};
use crate::value::{Fail, Value};

/// The items of a list or tuple.
pub(crate) fn items(value: &Value) -> Result<&[Value], Fail> {
    match value {
        Value::List(items) | Value::Tuple(items) => Ok(items),
        _ => Err(Fail::Raises),
    }
}

/// What a `for` loop over the value sees.
pub(crate) fn elements(value: &Value) -> Result<Vec<Value>, Fail> {
    match value {
        Value::List(items) | Value::Tuple(items) => Ok(items.to_vec()),
        Value::Str(s) => Ok(s.chars().map(|c| Value::text(c.encode_utf8(&mut [0; 4]))).collect()),
        Value::Dict(entries) => Ok(entries.iter().map(|(key, _)| key.clone()).collect()),
        _ => Err(Fail::Raises),
    }
}

/// A list, if it is not too long.
pub(crate) fn list(items: Vec<Value>) -> Answer {
    if items.len() > ELEMENTS_MAX { Err(Fail::TooBig) } else { Ok(Value::list(items)) }
}

pub(super) fn len(value: &Value) -> Answer {
    let length = match value {
        Value::Str(s) => s.chars().count(),
        Value::Dict(entries) => entries.len(),
        other => items(other)?.len(),
    };
    Ok(count(length))
}

/// A number of things as a value.
pub(crate) fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Adds one by one. CPython from 3.12 on corrects sums of floats, so the last digit may differ there.
pub(super) fn sum(value: &Value) -> Answer {
    items(value)?.iter().try_fold(Value::Int(0), |total, next| add(&total, next))
}

pub(super) fn product(value: &Value) -> Answer {
    items(value)?.iter().try_fold(Value::Int(1), |total, next| mul(&total, next))
}

/// The first of the greatest (or least) of some values.
pub(crate) fn extreme<'v>(mut values: impl Iterator<Item = &'v Value>, wanted: Ordering) -> Answer {
    let first = values.next().ok_or(Fail::Raises)?;
    values.try_fold(first, |best, next| Ok(if next.order(best)? == wanted { next } else { best })).cloned()
}

/// A stable sort by Python's order.
pub(crate) fn sorted(mut values: Vec<Value>, reverse: bool) -> Answer {
    for pair in values.windows(2) {
        if let [a, b] = pair {
            a.order(b)?;
        }
    }
    if keys(&values).is_some() {
        let order = |a: &Value, b: &Value| a.order(b).unwrap_or(Ordering::Equal);
        values.sort_by(|a, b| if reverse { order(b, a) } else { order(a, b) });
        return list(values);
    }
    list(merged(&values, reverse)?)
}

/// Sorts values among which some may have no order, which a sort that cannot fail must not be given: every value was
/// compared to its neighbour, further ones show here.
fn merged(values: &[Value], reverse: bool) -> Result<Vec<Value>, Fail> {
    if values.len() < 2 {
        return Ok(values.to_vec());
    }
    let (low, high) = values.split_at(values.len() / 2);
    let (low, high) = (merged(low, reverse)?, merged(high, reverse)?);
    let mut all = Vec::with_capacity(values.len());
    let (mut low, mut high) = (low.into_iter().peekable(), high.into_iter().peekable());
    while let (Some(a), Some(b)) = (low.peek(), high.peek()) {
        let order = if reverse { a.order(b)?.reverse() } else { a.order(b)? };
        all.extend(if order == Ordering::Greater { high.next() } else { low.next() });
    }
    all.extend(low);
    all.extend(high);
    Ok(all)
}

/// What identifies a value among others of its kind without comparing each to each.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'v> {
    Int(i64),
    Text(&'v str),
}

/// A key for each value when all are integers or all strings; other kinds may be equal across types.
fn keys(values: &[Value]) -> Option<Vec<Key<'_>>> {
    let ints = values.iter().all(|value| matches!(value, Value::Int(_)));
    let texts = values.iter().all(|value| matches!(value, Value::Str(_)));
    let key = |value| match value {
        &Value::Int(i) => Some(Key::Int(i)),
        Value::Str(s) => Some(Key::Text(s)),
        _ => None,
    };
    if ints || texts { values.iter().map(key).collect() } else { None }
}

/// The distinct values with how often each occurs, in order of first appearance.
fn counted(values: &[Value]) -> Result<Vec<(Value, usize)>, Fail> {
    let mut found: Vec<(Value, usize)> = Vec::new();
    if let Some(keys) = keys(values) {
        let mut places = BTreeMap::new();
        for (key, value) in keys.into_iter().zip(values) {
            let place = *places.entry(key).or_insert(found.len());
            match found.get_mut(place) {
                Some((_, times)) => *times += 1,
                None => found.push((value.clone(), 1)),
            }
        }
        return Ok(found);
    }
    for value in values {
        match value {
            Value::List(_) | Value::Dict(_) => return Err(Fail::Raises),
            Value::Float(f) if f.is_nan() => return Err(Fail::Unsupported),
            _ => {}
        }
        if let Some((_, times)) = found.iter_mut().find(|(known, _)| known == value) {
            *times += 1;
        } else if found.len() < 256 {
            found.push((value.clone(), 1));
        } else {
            return Err(Fail::TooBig);
        }
    }
    Ok(found)
}

/// The values without those that came before, in order of first appearance.
pub(crate) fn distinct(values: &[Value]) -> Result<Vec<Value>, Fail> {
    Ok(counted(values)?.into_iter().map(|(value, _)| value).collect())
}

/// The value that occurs most often, the first of several.
pub(crate) fn most_common(values: &[Value]) -> Answer {
    let counted = counted(values)?;
    let most = counted.iter().map(|(_, times)| *times).max();
    counted.into_iter().find(|(_, times)| Some(*times) == most).map(|(value, _)| value).ok_or(Fail::Raises)
}

/// Where `index` points in something of this length; negative ones count from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 { index.checked_add(length)? } else { index };
    (0..length).contains(&index).then(|| usize::try_from(index).ok()).flatten()
}

pub(super) fn index(value: &Value, at: &Value) -> Answer {
    let at = int(at)?;
    match value {
        Value::Str(s) => {
            let length = s.chars().count();
            let c = place(at, length).and_then(|at| s.chars().nth(at)).ok_or(Fail::Raises)?;
            Ok(Value::text(c.encode_utf8(&mut [0; 4])))
        }
        other => {
            let items = items(other)?;
            place(at, items.len()).and_then(|at| items.get(at)).cloned().ok_or(Fail::Raises)
        }
    }
}

/// A bound of a slice, moved into `low..=high` as Python does.
fn bound(given: Option<i64>, length: i64, open: i64, low: i64, high: i64) -> i64 {
    given.map_or(open, |i| if i < 0 { i.saturating_add(length) } else { i }.clamp(low, high))
}

/// The places that `[start:stop:step]` picks, in order.
fn picked(length: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> Result<Vec<usize>, Fail> {
    let length = i64::try_from(length).map_err(|_| Fail::TooBig)?;
    let mut found = Vec::new();
    if step == 0 {
        return Err(Fail::Raises);
    }
    let (mut at, end) = if step > 0 {
        (bound(start, length, 0, 0, length), bound(stop, length, length, 0, length))
    } else {
        (bound(start, length, length - 1, -1, length - 1), bound(stop, length, -1, -1, length - 1))
    };
    while if step > 0 { at < end } else { at > end } {
        found.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    Ok(found)
}

/// `value[start:stop:step]` on strings and lists.
pub(crate) fn slice(value: &Value, start: Option<i64>, stop: Option<i64>, step: i64) -> Answer {
    match value {
        Value::Str(s) => {
            let chars: Vec<char> = s.chars().collect();
            let picked = picked(chars.len(), start, stop, step)?;
            let text: String = picked.into_iter().filter_map(|at| chars.get(at)).collect();
            Ok(Value::text(&text))
        }
        other => {
            let items = items(other)?;
            let picked = picked(items.len(), start, stop, step)?;
            Ok(Value::list(picked.into_iter().filter_map(|at| items.get(at)).cloned().collect()))
        }
    }
}

pub(super) fn contains(value: &Value, item: &Value) -> Answer {
    Ok(Value::Bool(match value {
        Value::Str(s) => s.contains(string(item)?),
        Value::Dict(entries) => entries.iter().any(|(key, _)| key == item),
        other => items(other)?.contains(item),
    }))
}

pub(super) fn how_often(value: &Value, item: &Value) -> Answer {
    if let Value::Str(s) = value {
        let part = string(item)?;
        return Ok(count(if part.is_empty() { s.chars().count() + 1 } else { s.matches(part).count() }));
    }
    Ok(count(items(value)?.iter().filter(|other| *other == item).count()))
}

pub(super) fn position(value: &Value, item: &Value) -> Answer {
    let place = match value {
        Value::Str(s) => s.find(string(item)?).map(|at| s.get(..at).unwrap_or_default().chars().count()),
        other => items(other)?.iter().position(|other| other == item),
    };
    place.map(count).ok_or(Fail::Raises)
}

pub(super) fn concat(a: &Value, b: &Value) -> Answer {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => {
            if a.len() + b.len() > CHARS_MAX {
                return Err(Fail::TooBig);
            }
            Ok(Value::text(&format!("{a}{b}")))
        }
        (Value::List(a), Value::List(b)) => list([a.as_ref(), b.as_ref()].concat()),
        _ => Err(Fail::Raises),
    }
}

pub(super) fn repeat(value: &Value, times: &Value) -> Answer {
    let times = usize::try_from(int(times)?.max(0)).map_err(|_| Fail::TooBig)?;
    match value {
        Value::Str(s) if s.len().saturating_mul(times) <= CHARS_MAX => Ok(Value::text(&s.repeat(times))),
        Value::List(items) if items.len().saturating_mul(times) <= ELEMENTS_MAX => {
            Ok(Value::list(items.iter().cycle().take(items.len() * times).cloned().collect()))
        }
        Value::Str(_) | Value::List(_) => Err(Fail::TooBig),
        _ => Err(Fail::Raises),
    }
}

pub(super) fn range(from: i64, to: i64, step: i64) -> Answer {
    if step == 0 {
        return Err(Fail::Raises);
    }
    let mut found = Vec::new();
    let mut at = from;
    while if step > 0 { at < to } else { at > to } {
        if found.len() >= ELEMENTS_MAX {
            return Err(Fail::TooBig);
        }
        found.push(Value::Int(at));
        at = at.saturating_add(step);
    }
    Ok(Value::list(found))
}

/// A tuple of two.
pub(crate) fn pair(a: Value, b: Value) -> Value {
    Value::Tuple(Arc::from(vec![a, b]))
}

pub(super) fn zip(a: &Value, b: &Value) -> Answer {
    Ok(Value::list(elements(a)?.into_iter().zip(elements(b)?).map(|(x, y)| pair(x, y)).collect()))
}

pub(super) fn enumerate(a: &Value) -> Answer {
    Ok(Value::list(elements(a)?.into_iter().enumerate().map(|(i, x)| pair(count(i), x)).collect()))
}

/// Every way to pick two, in order.
pub(super) fn combinations(a: &Value) -> Answer {
    let all = elements(a)?;
    if all.len() > 64 {
        return Err(Fail::TooBig);
    }
    let mut found = Vec::new();
    for (i, x) in all.iter().enumerate() {
        found.extend(all.iter().skip(i + 1).map(|y| pair(x.clone(), y.clone())));
    }
    list(found)
}

pub(super) fn lookup(dict: &Value, key: &Value) -> Answer {
    let Value::Dict(entries) = dict else { return Err(Fail::Raises) };
    entries.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()).ok_or(Fail::Raises)
}

/// How often each value occurs, in order of first appearance.
pub(crate) fn tally(values: &[Value]) -> Answer {
    Ok(Value::Dict(counted(values)?.into_iter().map(|(key, times)| (key, count(times))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse;

    fn values(text: &str) -> Vec<Value> {
        items(&parse(text).unwrap()).unwrap().to_vec()
    }

    #[test]
    fn what_has_no_order_fails_and_never_panics() {
        // Each value has an order with its neighbours and not with all others.
        let pick = |n: usize| ["['a']", "[1]", "['b', 2]", "[0, 'c']", "[7]"][n * n % 31 % 5];
        for length in (20..200).step_by(3) {
            let mixed: Vec<&str> = (1..length).map(|n| if n % 2 == 0 { "[]" } else { pick(n) }).collect();
            let mixed = values(&format!("[{}]", mixed.join(", ")));
            for reverse in [false, true] {
                assert_eq!(sorted(mixed.clone(), reverse).unwrap_err(), Fail::Raises, "{length}");
            }
        }
        assert_eq!(sorted(values("[1, 'a']"), false).unwrap_err(), Fail::Raises);
    }

    #[test]
    fn sorting_is_stable_either_way() {
        let given = "[2.0, 1, True, 1.0, 2, 0]";
        assert_eq!(sorted(values(given), false).unwrap().repr(), "[0, 1, True, 1.0, 2.0, 2]");
        assert_eq!(sorted(values(given), true).unwrap().repr(), "[2.0, 2, 1, True, 1.0, 0]");
        assert_eq!(sorted(values("['b', 'a']"), true).unwrap().repr(), "['b', 'a']");
    }
}
