//! Helpers about lists.

use std::cmp::Ordering;

use crate::ops::{Args, add, at, div, int, items, list, sorted};
use crate::value::{Fail, Value};

type Answer = Result<Value, Fail>;

fn running(args: Args<'_>, step: impl Fn(&Value, &Value) -> Answer) -> Answer {
    let mut found: Vec<Value> = Vec::new();
    for next in items(at(args, 0)?)? {
        let value = found.last().map_or_else(|| Ok(next.clone()), |last| step(last, next))?;
        found.push(value);
    }
    Ok(Value::list(found))
}

pub(super) const RUNNING_SUM: &str = "def running_sum(xs):
    return [sum(xs[:end]) for end in range(1, len(xs) + 1)]
";

pub(super) fn running_sum(args: Args<'_>) -> Answer {
    // `sum` starts at the integer zero, which turns a first -0.0 into 0.0.
    let first = |value: Value| add(&Value::Int(0), &value);
    let Value::List(found) = running(args, add)? else { return Err(Fail::Raises) };
    Ok(Value::list(found.iter().cloned().map(first).collect::<Result<_, _>>()?))
}

pub(super) const RUNNING_MAX: &str = "def running_max(xs):
    return [max(xs[:end]) for end in range(1, len(xs) + 1)]
";

pub(super) fn running_max(args: Args<'_>) -> Answer {
    running(args, |last, next| {
        Ok(if next.order(last)? == Ordering::Greater { next.clone() } else { last.clone() })
    })
}

pub(super) const RUNNING_MIN: &str = "def running_min(xs):
    return [min(xs[:end]) for end in range(1, len(xs) + 1)]
";

pub(super) fn running_min(args: Args<'_>) -> Answer {
    running(args, |last, next| {
        Ok(if next.order(last)? == Ordering::Less { next.clone() } else { last.clone() })
    })
}

pub(super) const WINDOWS: &str = "def windows(xs, size):
    return [xs[start:start + size] for start in range(len(xs) - size + 1)]
";

pub(super) fn windows(args: Args<'_>) -> Answer {
    let xs = items(at(args, 0)?)?;
    let size = usize::try_from(int(at(args, 1)?)?).ok().filter(|size| *size > 0).ok_or(Fail::Unsupported)?;
    if xs.len().saturating_mul(size) > 20_000 {
        return Err(Fail::TooBig);
    }
    list(xs.windows(size).map(|part| Value::list(part.to_vec())).collect())
}

pub(super) const SUBLISTS: &str = "def sublists(xs):
    return [xs[start:end] for start in range(len(xs)) for end in range(start + 1, len(xs) + 1)]
";

pub(super) fn sublists(args: Args<'_>) -> Answer {
    let xs = items(at(args, 0)?)?;
    if xs.len() > 40 {
        return Err(Fail::TooBig);
    }
    let mut found = Vec::new();
    for start in 0..xs.len() {
        for end in start + 1..=xs.len() {
            found.extend(xs.get(start..end).map(|part| Value::list(part.to_vec())));
        }
    }
    list(found)
}

pub(super) const CHUNKS: &str = "def chunks(xs, size):
    return [xs[start:start + size] for start in range(0, len(xs), size)]
";

pub(super) fn chunks(args: Args<'_>) -> Answer {
    let size = usize::try_from(int(at(args, 1)?)?).ok().filter(|size| *size > 0).ok_or(Fail::Unsupported)?;
    list(items(at(args, 0)?)?.chunks(size).map(|part| Value::list(part.to_vec())).collect())
}

pub(super) const ROTATED: &str = "def rotated(xs, places):
    places = places % len(xs) if xs else 0
    return xs[places:] + xs[:places]
";

pub(super) fn rotated(args: Args<'_>) -> Answer {
    let mut xs = items(at(args, 0)?)?.to_vec();
    let places = int(at(args, 1)?)?;
    if let Ok(length) = i64::try_from(xs.len())
        && length > 0
    {
        xs.rotate_left(usize::try_from(places.rem_euclid(length)).unwrap_or(0));
    }
    Ok(Value::list(xs))
}

pub(super) const TRANSPOSED: &str = "def transposed(rows):
    return [list(column) for column in zip(*rows)]
";

pub(super) fn transposed(args: Args<'_>) -> Answer {
    let rows: Vec<&[Value]> = items(at(args, 0)?)?.iter().map(items).collect::<Result<_, _>>()?;
    let width = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let column = |at: usize| Value::list(rows.iter().filter_map(|row| row.get(at)).cloned().collect());
    Ok(Value::list((0..width).map(column).collect()))
}

pub(super) const MEAN: &str = "def mean(xs):
    return sum(xs) / len(xs)
";

pub(super) fn mean(args: Args<'_>) -> Answer {
    let xs = items(at(args, 0)?)?;
    let total = xs.iter().try_fold(Value::Int(0), |total, x| add(&total, x))?;
    div(&total, &Value::Int(i64::try_from(xs.len()).map_err(|_| Fail::TooBig)?))
}

pub(super) const MEDIAN: &str = "def median(xs):
    xs, middle = sorted(xs), len(xs) // 2
    return xs[middle] if len(xs) % 2 else (xs[middle - 1] + xs[middle]) / 2
";

pub(super) fn median(args: Args<'_>) -> Answer {
    let xs = sorted(items(at(args, 0)?)?.to_vec(), false)?;
    let xs = items(&xs)?;
    let middle = xs.get(xs.len() / 2).ok_or(Fail::Raises)?;
    if xs.len() % 2 == 1 {
        return Ok(middle.clone());
    }
    let before = xs.get(xs.len() / 2 - 1).ok_or(Fail::Raises)?;
    div(&add(before, middle)?, &Value::Int(2))
}

pub(super) const MOST_COMMON: &str = "def most_common(xs):
    return max(dict.fromkeys(xs), key=xs.count)
";

pub(super) fn most_common(args: Args<'_>) -> Answer {
    crate::ops::most_common(items(at(args, 0)?)?)
}

pub(super) const INTERLEAVED: &str = "def interleaved(xs, ys):
    return [item for pair in zip(xs, ys) for item in pair]
";

pub(super) fn interleaved(args: Args<'_>) -> Answer {
    let (xs, ys) = (items(at(args, 0)?)?, items(at(args, 1)?)?);
    list(xs.iter().zip(ys).flat_map(|(x, y)| [x.clone(), y.clone()]).collect())
}

pub(super) const SEPARATED: &str = "def separated(xs, between):
    return [item for x in xs for item in (between, x)][1:]
";

pub(super) fn separated(args: Args<'_>) -> Answer {
    let between = at(args, 1)?;
    list(items(at(args, 0)?)?.iter().flat_map(|x| [between.clone(), x.clone()]).skip(1).collect())
}

pub(super) const IS_INCREASING: &str = "def is_increasing(xs):
    return all(a <= b for a, b in zip(xs, xs[1:]))
";

pub(super) fn is_increasing(args: Args<'_>) -> Answer {
    let xs = items(at(args, 0)?)?;
    for (a, b) in xs.iter().zip(xs.iter().skip(1)) {
        if a.order(b)? == Ordering::Greater {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

pub(super) const PREFIXES: &str = "def prefixes(xs):
    return [xs[:end] for end in range(1, len(xs) + 1)]
";

pub(super) fn prefixes(args: Args<'_>) -> Answer {
    let xs = items(at(args, 0)?)?;
    if xs.len() > 200 {
        return Err(Fail::TooBig);
    }
    list((1..=xs.len()).map(|end| Value::list(xs.iter().take(end).cloned().collect())).collect())
}

pub(super) const FLATTENED: &str = "def flattened(parts):
    return [item for part in parts for item in part]
";

pub(super) fn flattened(args: Args<'_>) -> Answer {
    let mut found = Vec::new();
    for part in items(at(args, 0)?)? {
        found.extend_from_slice(items(part)?);
        if found.len() > crate::limits::ELEMENTS_MAX {
            return Err(Fail::TooBig);
        }
    }
    Ok(Value::list(found))
}
