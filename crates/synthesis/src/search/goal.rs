//! What a bank is asked for: values its terms should have.

use std::collections::BTreeMap;

use super::bank::{Entry, Solution};
use crate::spec::Task;
use crate::types::Type;
use crate::value::Value;

/// Environments one goal may judge: one bit each.
const JUDGED_MAX: usize = 128;

/// Values wanted in some environments, and the terms that have some or all of them.
#[derive(Debug)]
pub(super) struct Goal {
    types: Vec<Type>,
    wanted: Vec<(usize, Value)>,
    /// Every bit that counts.
    pub(super) full: u128,
    /// Terms that have all the values, cheapest first.
    pub(super) hits: Vec<u32>,
    /// The cheapest term for each set of environments it is right in.
    pub(super) covers: BTreeMap<u128, u32>,
    /// The cheapest test for each set of environments it is true in.
    pub(super) tests: BTreeMap<u128, u32>,
    /// Whether anything changed since trees were last built.
    pub(super) changed: bool,
    /// How many hits were taken already.
    pub(super) taken: usize,
    /// Solutions given so far, for goals that are parts of a larger one.
    pub(super) solved: Vec<Solution>,
}

impl Goal {
    /// `None` when there is nothing to judge or more than there are bits.
    pub(super) fn new(types: Vec<Type>, wanted: Vec<(usize, Value)>) -> Option<Self> {
        if wanted.is_empty() || wanted.len() > JUDGED_MAX {
            return None;
        }
        let full = u128::MAX >> (JUDGED_MAX - wanted.len());
        Some(Self {
            types,
            wanted,
            full,
            hits: Vec::new(),
            covers: BTreeMap::new(),
            tests: BTreeMap::new(),
            changed: false,
            taken: 0,
            solved: Vec::new(),
        })
    }

    pub(super) fn types(&self) -> &[Type] {
        &self.types
    }

    pub(super) fn wanted(&self) -> &[(usize, Value)] {
        &self.wanted
    }

    fn accepts(&self, of: &Type) -> bool {
        self.types.iter().any(|wanted| wanted.join(of).is_some())
    }

    /// Looks at a new term.
    pub(super) fn judge(&mut self, at: u32, entry: &Entry, of: &Type) {
        if *of == Type::Bool {
            let truth = |(env, _): &(usize, Value)| entry.value(*env).map(Value::truthy);
            if let Some(mask) = self.mask(truth)
                && mask != 0
                && mask != self.full
                && !self.tests.contains_key(&mask)
            {
                self.tests.insert(mask, at);
                self.changed = true;
            }
        }
        if self.accepts(of) {
            let right = |(env, wanted): &(usize, Value)| Some(entry.value(*env) == Some(wanted));
            let mask = self.mask(right).unwrap_or(0);
            if mask == self.full {
                self.hits.push(at);
            }
            if mask != 0 && !self.covers.contains_key(&mask) {
                self.covers.insert(mask, at);
                self.changed = true;
            }
        }
    }

    fn mask(&self, holds: impl Fn(&(usize, Value)) -> Option<bool>) -> Option<u128> {
        let mut mask = 0;
        for (bit, wanted) in self.wanted.iter().enumerate() {
            mask |= u128::from(holds(wanted)?) << bit;
        }
        Some(mask)
    }
}

/// The goal of a task first; then, when every result has the same two to four parts, one goal for each part.
pub(super) fn of_task(task: &Task) -> Vec<Goal> {
    let whole = task.examples.iter().map(|example| example.expected.clone()).enumerate().collect();
    let mut goals: Vec<Goal> = Goal::new(task.results(), whole).into_iter().collect();
    let parts: Option<Vec<&[Value]>> = task
        .examples
        .iter()
        .map(|example| match &example.expected {
            Value::Tuple(parts) | Value::List(parts) => Some(parts.as_ref()),
            _ => None,
        })
        .collect();
    let Some(parts) = parts else { return goals };
    let width = parts.first().map_or(0, |parts| parts.len());
    let tuples = task.examples.iter().all(|example| matches!(example.expected, Value::Tuple(_)));
    let listed =
        parts.len() > 1 && task.examples.iter().all(|example| matches!(example.expected, Value::List(_)));
    if !(2..=4).contains(&width) || parts.iter().any(|parts| parts.len() != width) || !(tuples || listed) {
        return goals;
    }
    for at in 0..width {
        let wanted: Vec<(usize, Value)> =
            parts.iter().filter_map(|parts| parts.get(at)).cloned().enumerate().collect();
        let mut types: Vec<Type> = Vec::new();
        for (_, value) in &wanted {
            let of = Type::of(value).closed();
            if !types.iter().any(|known| known.join(&of).is_some()) {
                types.push(of);
            }
        }
        goals.extend(Goal::new(types, wanted));
    }
    goals
}
