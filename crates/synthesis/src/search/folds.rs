//! Folds: bodies over an element and the total so far.
//!
//! The total of a step is not known before the body is, so bodies are told apart on sampled totals and each fold
//! is then evaluated as a whole.

use super::Context;
use super::bank::{Bank, Variable};
use super::loops::{Loop, repeated};
use crate::limits::{SCOPE_ENVIRONMENTS_MAX, STEPS_MAX};
use crate::ops;
use crate::term::{Form, Scope, Term, evaluate};
use crate::types::Type;
use crate::value::{Value, parse};

/// What a fold costs besides a loop: a loop that needs no total is easier to read.
pub(super) const FOLD_COST: u32 = 2;
/// What a source may cost.
const SOURCE_COST_MAX: u32 = 3;
/// Folds of one search.
const FOLDS_MAX: usize = 4;
/// Totals a body is tried on, by type; the first ones are also where folds start.
const TOTALS: &[(Type, usize, &[&str])] = &[
    (Type::Int, 2, &["0", "1", "5", "-2"]),
    (Type::Float, 1, &["0.0", "1.5", "-4.25"]),
    (Type::Str, 1, &["''", "'ab'", "'c'"]),
];

fn totals(of: &Type) -> (usize, Vec<Value>) {
    let row = TOTALS.iter().find(|(known, _, _)| known == of);
    let values =
        row.map(|(_, starts, texts)| (*starts, texts.iter().filter_map(|text| parse(text).ok()).collect()));
    values.unwrap_or_default()
}

impl Bank {
    /// Folds over a new source, one for each type a result may have.
    pub(super) fn open_folds(
        &self,
        source: u32,
        cost: u32,
        of: &Type,
        context: &Context<'_, '_>,
    ) -> Vec<Loop> {
        let open = self.loops.iter().filter(|looped| looped.fold.is_some()).count();
        if self.depth > 0 || cost > SOURCE_COST_MAX || open >= FOLDS_MAX || matches!(of, Type::Tuple(_)) {
            return Vec::new();
        }
        let wanted = self.goals.first().map_or(&[] as &[Type], |goal| goal.types());
        let results = wanted.iter().filter(|of| context.universe.contains(*of));
        results.filter_map(|total| self.open_fold(source, cost, of, total)).collect()
    }

    fn open_fold(&self, source: u32, cost: u32, of: &Type, total: &Type) -> Option<Loop> {
        let entry = self.entry(source)?;
        let (_, samples) = totals(total);
        let (mut spans, mut elements, mut sampled) = (Vec::new(), Vec::new(), Vec::new());
        for environment in 0..self.width {
            let found = entry.value(environment).map(ops::elements).and_then(Result::ok).unwrap_or_default();
            let from = elements.len();
            if from + found.len() * samples.len() <= SCOPE_ENVIRONMENTS_MAX {
                for element in found {
                    for sample in &samples {
                        elements.push(Some(element.clone()));
                        sampled.push(Some(sample.clone()));
                    }
                }
            }
            spans.push(Some(from..elements.len()));
        }
        if elements.is_empty() {
            return None;
        }
        let mut bank = Self {
            bottom: self.variables.len(),
            depth: crate::limits::SCOPE_DEPTH_MAX,
            width: elements.len(),
            variables: self.variables.iter().map(|variable| repeated(variable, &spans)).collect(),
            ..Self::default()
        };
        bank.variables.push(Variable { of: of.clone(), values: elements });
        bank.variables.push(Variable { of: total.clone(), values: sampled });
        Some(Loop::fold(source, cost + FOLD_COST, bank, total.clone()))
    }

    /// The value of a fold in every environment.
    pub(super) fn folded(&self, looped: &Loop, form: &Form, body: u32) -> Box<[Option<Value>]> {
        let scope = Scope {
            form: form.clone(),
            source: self.term(looped.source),
            binders: 1,
            body: looped.bank.term(body),
            filter: None,
        };
        let term = Term::Scope(Box::new(scope));
        let value = |environment: usize| {
            let variables = self.variables.iter();
            let arguments: Option<Vec<Value>> =
                variables.map(|variable| variable.values.get(environment).cloned().flatten()).collect();
            evaluate(&term, &arguments?, STEPS_MAX).ok()
        };
        (0..self.width).map(value).collect()
    }
}

impl Loop {
    /// Bodies at a cost that use the element and the total, from each start.
    pub(super) fn fold_forms(&self, total: &Type, inner: u32) -> Vec<(Form, u32)> {
        let bank = &self.bank;
        let Some(kind) = bank.types.iter().position(|of| of == total) else { return Vec::new() };
        let (starts, samples) = totals(total);
        let both = 0b11 << bank.bottom;
        let whole = |at: &u32| bank.entry(*at).is_some_and(|entry| entry.uses & both == both);
        let bodies = bank.at(kind, inner).iter().copied().filter(whole);
        bodies
            .flat_map(|body| samples.iter().take(starts).map(move |start| (Form::Fold(start.clone()), body)))
            .collect()
    }
}
