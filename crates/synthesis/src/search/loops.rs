//! Loops: banks over the elements of what is looped over, and what is made of their terms.

use std::ops::Range;

use super::Context;
use super::bank::{Bank, Entry, Node, Variable};
use super::goal::Goal;
use crate::limits::{BINDERS_MAX, SCOPE_DEPTH_MAX, SCOPE_ENVIRONMENTS_MAX, SCOPES_MAX};
use crate::ops;
use crate::term::{Form, bind, gather};
use crate::types::Type;
use crate::value::Value;

/// What a loop costs besides source and body.
pub(super) const LOOP_COST: u32 = 2;

/// One source with the bank of its elements.
#[derive(Debug)]
pub(super) struct Loop {
    /// The term that is looped over.
    pub(super) source: u32,
    /// What that term costs.
    pub(super) cost: u32,
    /// Variables an element is taken apart into.
    pub(super) binders: usize,
    pub(super) bank: Bank,
    /// Goals of the outer bank that have one here: outer, inner, whether results are joined to a string.
    pub(super) links: Vec<(usize, usize, bool)>,
    /// The type of the total, for folds.
    pub(super) fold: Option<Type>,
    /// The inner environments of each outer one.
    spans: Vec<Option<Range<usize>>>,
    elements: Vec<Value>,
    /// The type of an element.
    of: Type,
}

impl Bank {
    /// Opens loops over the new lists and strings of a level.
    pub(super) fn spawn(&mut self, level: u32, context: &Context<'_, '_>) {
        if self.depth >= SCOPE_DEPTH_MAX {
            return;
        }
        let limit = if self.depth == 0 { SCOPES_MAX } else { SCOPES_MAX / 4 };
        let mut sources = Vec::new();
        for (kind, of) in self.types.iter().enumerate() {
            if let Type::List(element) = of {
                sources.extend(self.at(kind, level).iter().map(|at| (*at, element.as_ref().clone())));
            } else if *of == Type::Str {
                sources.extend(self.at(kind, level).iter().map(|at| (*at, Type::Str)));
            }
        }
        sources.sort_by_key(|(at, _)| *at);
        for (at, of) in sources {
            if self.loops.iter().filter(|looped| looped.fold.is_none()).count() >= limit {
                return;
            }
            if self.entry(at).is_some_and(|entry| entry.uses != 0) {
                let folds = self.open_folds(at, level, &of, context);
                let opened = self.open(at, level, of, context);
                self.loops.extend(opened);
                self.loops.extend(folds);
            }
        }
    }

    fn open(&self, source: u32, cost: u32, of: Type, context: &Context<'_, '_>) -> Option<Loop> {
        let entry = self.entry(source)?;
        let parts = taken_apart(&of);
        let binders = parts.len();
        let (mut spans, mut elements) = (Vec::new(), Vec::new());
        for environment in 0..self.width {
            let found = entry.value(environment).map(ops::elements).and_then(Result::ok);
            let fits = found.filter(|found| elements.len() + found.len() <= SCOPE_ENVIRONMENTS_MAX);
            if fits.is_none() && self.depth == 0 && environment < context.examples {
                return None;
            }
            spans.push(fits.map(|found| {
                let from = elements.len();
                elements.extend(found);
                from..elements.len()
            }));
        }
        // A loop that never runs more than once in any environment is no loop.
        if spans.iter().flatten().all(|span| span.len() < 2) {
            return None;
        }
        let mut bank = Self {
            bottom: self.variables.len(),
            depth: self.depth + 1,
            width: elements.len(),
            variables: self.variables.iter().map(|variable| repeated(variable, &spans)).collect(),
            ..Self::default()
        };
        bank.variables.extend(bound(parts, &elements)?);
        let mut looped =
            Loop { source, cost, binders, bank, links: Vec::new(), fold: None, spans, elements, of };
        if self.depth == 0 {
            looped.link(&self.goals);
        }
        Some(looped)
    }

    /// What loops give at this level.
    pub(super) fn loops_at(&mut self, level: u32, context: &mut Context<'_, '_>) {
        for which in 0..self.loops.len() {
            let Some(looped) = self.loops.get_mut(which) else { break };
            let Some(inner) = level.checked_sub(looped.cost + LOOP_COST) else { continue };
            for below in looped.bank.grown + 1..=inner {
                looped.bank.grow(below, context);
            }
            if context.stopped {
                return;
            }
            for (form, body) in looped.forms(inner) {
                self.take(which, level, form, (body, None), context);
                if context.stopped {
                    return;
                }
            }
            self.filtered(which, level, inner, context);
        }
    }

    /// Loops with a filter, test by test: all pairs at once would be too many to hold.
    fn filtered(&mut self, which: usize, level: u32, inner: u32, context: &mut Context<'_, '_>) {
        for price in 1..inner {
            let Some(looped) = self.loops.get(which).filter(|looped| looped.fold.is_none()) else { return };
            let tests = looped.tests(price);
            let bodies = if tests.is_empty() { Vec::new() } else { looped.bodies(inner - price) };
            for test in tests {
                for body in bodies.iter().copied() {
                    self.take(which, level, Form::Map, (body, Some(test)), context);
                    for at in 0..context.defaults.len() {
                        let Some(default) = context.defaults.get(at).cloned() else { break };
                        self.take(which, level, Form::First(default), (body, Some(test)), context);
                    }
                    if context.stopped {
                        return;
                    }
                }
            }
        }
    }

    fn take(
        &mut self,
        which: usize,
        level: u32,
        form: Form,
        (body, filter): (u32, Option<u32>),
        context: &mut Context<'_, '_>,
    ) {
        let Some(looped) = self.loops.get(which) else { return };
        let Some((of, inside)) = looped.result(&form, body, filter) else { return };
        if !context.universe.contains(&of) || !context.spend(self.width) {
            return;
        }
        let values: Box<[Option<Value>]> = if looped.fold.is_some() {
            self.folded(looped, &form, body)
        } else {
            (0..self.width).map(|environment| looped.value(environment, &form, body, filter)).collect()
        };
        let outside = self.entry(looped.source).map_or(0, |source| source.uses);
        let uses = outside | (inside & ((1 << looped.bank.bottom) - 1));
        let kind = self.kind(&of);
        let node = Node::Loop { form, which, body, filter };
        self.insert(Entry { node, kind, cost: level, uses, values }, context);
    }
}

/// A variable of the outer scope as the elements see it.
pub(super) fn repeated(variable: &Variable, spans: &[Option<Range<usize>>]) -> Variable {
    let mut values = Vec::new();
    for (value, span) in variable.values.iter().zip(spans) {
        values.extend(std::iter::repeat_n(value.clone(), span.as_ref().map_or(0, Range::len)));
    }
    Variable { of: variable.of.clone(), values }
}

/// The types an element is taken apart into: small tuples are, everything else stays whole.
fn taken_apart(of: &Type) -> Vec<Type> {
    match of {
        Type::Tuple(parts) if (2..=BINDERS_MAX).contains(&parts.len()) => parts.to_vec(),
        other => vec![other.clone()],
    }
}

/// The variables that an element is taken apart into.
fn bound(types: Vec<Type>, elements: &[Value]) -> Option<Vec<Variable>> {
    let binders = types.len();
    let mut variables: Vec<Variable> =
        types.into_iter().map(|of| Variable { of, values: Vec::new() }).collect();
    for element in elements {
        for (variable, part) in variables.iter_mut().zip(bind(element, binders).ok()?) {
            variable.values.push(Some(part));
        }
    }
    Some(variables)
}

impl Loop {
    /// A fold: its bank binds the element and the total.
    pub(super) fn fold(source: u32, cost: u32, bank: Bank, total: Type) -> Self {
        let (links, spans, elements) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, cost, binders: 1, bank, links, fold: Some(total.clone()), spans, elements, of: total }
    }

    /// Goals that a loop can reach element by element: results as long as what is looped over.
    fn link(&mut self, goals: &[Goal]) {
        for (outer, goal) in goals.iter().enumerate() {
            let mut wanted = Vec::new();
            let mut glued = false;
            let fits = goal.wanted().iter().all(|(environment, value)| {
                glued = matches!(value, Value::Str(_));
                let span = self.spans.get(*environment).and_then(Option::as_ref);
                let parts = match value {
                    Value::List(_) | Value::Str(_) => ops::elements(value).ok(),
                    _ => None,
                };
                match (span, parts) {
                    (Some(span), Some(parts)) if span.len() == parts.len() => {
                        wanted.extend(span.clone().zip(parts));
                        true
                    }
                    _ => false,
                }
            });
            let types = goal.types().iter().filter_map(|of| match of {
                Type::List(of) => Some(of.as_ref().clone()),
                Type::Str => Some(Type::Str),
                _ => None,
            });
            let inner = Goal::new(types.collect(), wanted).filter(|_| fits);
            if let Some(inner) = inner {
                self.links.push((outer, self.bank.goals.len(), glued));
                self.bank.goals.push(inner);
            }
        }
    }

    /// What can be made of the inner terms of a cost without a filter.
    fn forms(&self, inner: u32) -> Vec<(Form, u32)> {
        if let Some(total) = &self.fold {
            return self.fold_forms(total, inner);
        }
        let mut found = Vec::new();
        let bank = &self.bank;
        for (kind, of) in bank.types.iter().enumerate() {
            for at in bank.at(kind, inner).iter().copied().filter(|at| self.free(*at)) {
                let plain = bank.entry(at).is_some_and(|entry| matches!(entry.node, Node::Var(_)));
                if *of == Type::Bool {
                    found.extend([Form::Count, Form::All, Form::Any].map(|form| (form, at)));
                } else if !(plain && self.binders == 1) {
                    found.push((Form::Map, at));
                    if self.binders == 1 && !matches!(of, Type::List(_) | Type::Dict(..)) {
                        found.extend([Form::SortBy, Form::MaxBy, Form::MinBy].map(|form| (form, at)));
                    }
                }
            }
        }
        found
    }

    fn free(&self, at: u32) -> bool {
        self.bank.entry(at).is_some_and(|entry| self.bank.bound(entry))
    }

    /// Tests of a cost that depend on the element.
    fn tests(&self, cost: u32) -> Vec<u32> {
        let kind = self.bank.types.iter().position(|of| *of == Type::Bool);
        let all = kind.map_or(&[] as &[u32], |kind| self.bank.at(kind, cost));
        all.iter().copied().filter(|at| self.free(*at)).collect()
    }

    /// Terms of a cost that depend on the element and are no tests.
    fn bodies(&self, cost: u32) -> Vec<u32> {
        let kinds = self.bank.types.iter().enumerate().filter(|(_, of)| **of != Type::Bool);
        let all = kinds.flat_map(|(kind, _)| self.bank.at(kind, cost).iter().copied());
        all.filter(|at| self.free(*at)).collect()
    }

    /// The type of what a form gives, and the variables its parts use.
    fn result(&self, form: &Form, body: u32, filter: Option<u32>) -> Option<(Type, u64)> {
        let entry = self.bank.entry(body)?;
        let of = self.bank.types.get(entry.kind)?;
        let inside =
            entry.uses | filter.and_then(|filter| self.bank.entry(filter)).map_or(0, |entry| entry.uses);
        let result = match form {
            Form::Map => Type::list(of.clone()),
            Form::Count => Type::Int,
            Form::All | Form::Any => Type::Bool,
            Form::SortBy => Type::list(self.of.clone()),
            Form::MaxBy | Form::MinBy => self.of.clone(),
            Form::First(_) => of.clone(),
            Form::Fold(_) => of.clone(),
        };
        Some((result, inside))
    }

    fn value(&self, environment: usize, form: &Form, body: u32, filter: Option<u32>) -> Option<Value> {
        let span = self.spans.get(environment)?.clone()?;
        let from = span.start;
        let elements = self.elements.get(span)?;
        let body = self.bank.entry(body)?;
        let filter = match filter {
            Some(filter) => Some(self.bank.entry(filter)?),
            None => None,
        };
        let raises = crate::value::Fail::Raises;
        let mut keep = |at: usize| match filter {
            Some(filter) => filter.value(from + at).map(Value::truthy).ok_or(raises),
            None => Ok(true),
        };
        gather(form, elements, &mut keep, &mut |at| body.value(from + at).cloned().ok_or(raises)).ok()
    }
}
