//! Inputs near the examples, so that programs that differ elsewhere stay apart.

use crate::limits::ELEMENTS_MAX;
use crate::spec::Task;
use crate::value::Value;

/// How many inputs are derived.
pub(crate) const PROBES: usize = 8;
/// How many where two programs are compared once and for all.
pub const PROBES_WIDE: usize = 24;

/// Inputs derived from the examples, the same every time, none of them an example's.
pub(crate) fn derive(task: &Task) -> Vec<Vec<Value>> {
    near(task, PROBES, |round| round)
}

/// More of them: every example is changed in every way.
#[must_use]
pub fn derive_wide(task: &Task) -> Vec<Vec<Value>> {
    let examples = task.examples.len().max(1);
    near(task, PROBES_WIDE, |round| round / examples + round % examples)
}

fn near(task: &Task, most: usize, way: impl Fn(usize) -> usize) -> Vec<Vec<Value>> {
    let mut found: Vec<Vec<Value>> = Vec::new();
    for round in 0..most * 4 {
        let Some(example) = task.examples.get(round % task.examples.len().max(1)) else { break };
        let mut at = way(round);
        let probe: Vec<Value> = example
            .arguments
            .iter()
            .map(|value| {
                at += 1;
                mutated(value, at)
            })
            .collect();
        let known = |other: &Vec<Value>| other.iter().zip(&probe).all(|(a, b)| a.repr() == b.repr());
        if !found.iter().any(known) && !task.examples.iter().any(|example| known(&example.arguments)) {
            found.push(probe);
        }
        if found.len() == most {
            break;
        }
    }
    found
}

fn mutated(value: &Value, round: usize) -> Value {
    match value {
        Value::None => Value::None,
        Value::Bool(b) => Value::Bool(*b != round.is_multiple_of(2)),
        Value::Int(i) => Value::Int(match round % 5 {
            0 => i.saturating_add(1),
            1 => i.saturating_mul(2),
            2 => (i - i.signum()).max(i64::MIN + 1),
            3 => i.saturating_add(3),
            _ => i.saturating_mul(3).saturating_add(1),
        }),
        Value::Float(f) => Value::Float(match round % 3 {
            0 => f + 1.25,
            1 => -f,
            _ => f * 2.0,
        }),
        Value::Str(s) => text(s, round),
        Value::List(items) => Value::list(sequence(items, round)),
        Value::Tuple(items) => Value::Tuple(items.iter().map(|item| mutated(item, round)).collect()),
        Value::Dict(entries) => Value::Dict(
            entries.iter().skip(round % 2).map(|(key, value)| (key.clone(), mutated(value, round))).collect(),
        ),
    }
}

fn text(s: &str, round: usize) -> Value {
    let mut chars: Vec<char> = s.chars().collect();
    let flip = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    match round % 6 {
        0 => chars.reverse(),
        1 => {
            chars = chars.iter().enumerate().map(|(at, c)| if at % 2 == 0 { flip(*c) } else { *c }).collect();
        }
        2 => chars = chars.iter().chain(&chars).copied().take(256).collect(),
        3 => drop(chars.drain(..chars.len().min(1))),
        4 => {
            let half = chars.len() / 2;
            chars.rotate_left(half);
            chars.pop();
        }
        _ => {
            let last = chars.last().copied().unwrap_or('a');
            chars.insert(0, last);
        }
    }
    Value::text(&chars.into_iter().collect::<String>())
}

fn sequence(items: &[Value], round: usize) -> Vec<Value> {
    let mut items = items.to_vec();
    match round % 6 {
        0 => items.reverse(),
        1 => items = items.iter().enumerate().map(|(at, item)| mutated(item, round + at)).collect(),
        2 => {
            let again: Vec<Value> = items.iter().enumerate().map(|(at, item)| mutated(item, at)).collect();
            items.extend(again);
            items.truncate(ELEMENTS_MAX.min(24));
        }
        3 => drop(items.drain(..items.len().min(1))),
        4 => {
            let half = items.len() / 2;
            items.rotate_left(half);
            items.pop();
        }
        _ => {
            let first = items.first().cloned();
            items.extend(first);
        }
    }
    items
}
