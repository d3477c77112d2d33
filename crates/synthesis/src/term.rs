//! Programs as typed trees, and what they evaluate to.

use std::sync::Arc;

use crate::limits::{ELEMENTS_MAX, TERM_DEPTH_MAX};
use crate::ops::{self, Op, Run};
use crate::value::{Fail, Value};

/// A program's body. Variables are numbered: parameters first, then what comprehensions bind, outside in.
#[derive(Clone, Debug)]
pub enum Term {
    /// A parameter or a bound variable.
    Var(usize),
    /// A literal.
    Const(Value),
    /// An operator or helper on its arguments.
    Call(&'static Op, Vec<Self>),
    /// `then if condition else otherwise`
    If(Box<[Self; 3]>),
    /// A comprehension or something like it.
    Scope(Box<Scope>),
    /// `(a, b)`
    Tuple(Vec<Self>),
    /// `[a, b]`
    List(Vec<Self>),
}

/// One loop over a source.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What is made of the elements.
    pub form: Form,
    /// What is looped over.
    pub source: Term,
    /// How many variables an element is taken apart into, at least one.
    pub binders: usize,
    /// What is computed for each element.
    pub body: Term,
    /// Which elements count.
    pub filter: Option<Term>,
}

/// What a loop gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// `[body for … if filter]`
    Map,
    /// `sum(1 for … if body)`
    Count,
    /// `all(body for …)`
    All,
    /// `any(body for …)`
    Any,
    /// `sorted(source, key=lambda …: body)`
    SortBy,
    /// `max(source, key=lambda …: body)`
    MaxBy,
    /// `min(source, key=lambda …: body)`
    MinBy,
    /// `next((body for … if filter), default)`
    First(Value),
    /// `functools.reduce(lambda total, x: body, source, start)`; binds the total after the element.
    Fold(Value),
}

/// Evaluates a term for the values of its parameters, within a number of steps.
///
/// # Errors
/// The [`Fail`] that Python, the limits or the budget give.
pub fn evaluate(term: &Term, parameters: &[Value], steps: u64) -> Result<Value, Fail> {
    let mut run = Evaluation { variables: parameters.to_vec(), steps, depth: 0 };
    run.term(term)
}

struct Evaluation {
    variables: Vec<Value>,
    steps: u64,
    depth: usize,
}

impl Evaluation {
    fn term(&mut self, term: &Term) -> Result<Value, Fail> {
        self.steps = self.steps.checked_sub(1).ok_or(Fail::Steps)?;
        if self.depth >= TERM_DEPTH_MAX {
            return Err(Fail::Steps);
        }
        self.depth += 1;
        let value = self.inner(term);
        self.depth -= 1;
        value
    }

    fn inner(&mut self, term: &Term) -> Result<Value, Fail> {
        match term {
            Term::Var(slot) => self.variables.get(*slot).cloned().ok_or(Fail::Raises),
            Term::Const(value) => Ok(value.clone()),
            Term::Call(op, arguments) => self.call(op, arguments),
            Term::If(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                if self.term(condition)?.truthy() { self.term(then) } else { self.term(otherwise) }
            }
            Term::Scope(scope) => self.scope(scope),
            Term::Tuple(parts) => {
                let parts: Result<Vec<Value>, Fail> = parts.iter().map(|part| self.term(part)).collect();
                Ok(Value::Tuple(Arc::from(parts?)))
            }
            Term::List(parts) => {
                let parts: Result<Vec<Value>, Fail> = parts.iter().map(|part| self.term(part)).collect();
                Ok(Value::list(parts?))
            }
        }
    }

    fn call(&mut self, op: &'static Op, arguments: &[Term]) -> Result<Value, Fail> {
        let stop = match op.run {
            Run::And => Some(false),
            Run::Or => Some(true),
            Run::Strict(_) => None,
        };
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.term(argument)?;
            if stop == Some(value.truthy()) {
                return Ok(value);
            }
            values.push(value);
        }
        match op.run {
            Run::Strict(run) => {
                let borrowed: Vec<&Value> = values.iter().collect();
                run(&borrowed)
            }
            Run::And | Run::Or => values.pop().ok_or(Fail::Raises),
        }
    }

    fn scope(&mut self, scope: &Scope) -> Result<Value, Fail> {
        let elements = ops::elements(&self.term(&scope.source)?)?;
        let bottom = self.variables.len();
        if let Form::Fold(start) = &scope.form {
            elements.iter().try_fold(start.clone(), |total, element| {
                let mut bound = vec![element.clone(), total];
                self.with(bottom, &mut bound, &scope.body)
            })
        } else {
            let this = std::cell::RefCell::new(self);
            let look = |term: &Term, at: usize| {
                let mut bound = bind(elements.get(at).ok_or(Fail::Raises)?, scope.binders)?;
                this.borrow_mut().with(bottom, &mut bound, term)
            };
            let mut keep = |at: usize| match &scope.filter {
                Some(filter) => look(filter, at).map(|value| value.truthy()),
                None => Ok(true),
            };
            gather(&scope.form, &elements, &mut keep, &mut |at| look(&scope.body, at))
        }
    }

    fn with(&mut self, bottom: usize, bound: &mut Vec<Value>, term: &Term) -> Result<Value, Fail> {
        self.variables.append(bound);
        let value = self.term(term);
        self.variables.truncate(bottom);
        value
    }
}

/// An element taken apart into as many variables.
pub(crate) fn bind(element: &Value, binders: usize) -> Result<Vec<Value>, Fail> {
    if binders == 1 {
        return Ok(vec![element.clone()]);
    }
    let parts = ops::items(element)?;
    if parts.len() == binders { Ok(parts.to_vec()) } else { Err(Fail::Raises) }
}

/// What a loop gives, from what is known of each element. The search and the evaluator share it, so that
/// what is enumerated is what is evaluated. Folds are not loops over independent elements and not here.
pub(crate) fn gather(
    form: &Form,
    elements: &[Value],
    keep: &mut dyn FnMut(usize) -> Result<bool, Fail>,
    body: &mut dyn FnMut(usize) -> Result<Value, Fail>,
) -> Result<Value, Fail> {
    let mut found = Vec::new();
    let mut kept = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        if !keep(at)? {
            continue;
        }
        let value = body(at)?;
        match form {
            Form::All if !value.truthy() => return Ok(Value::Bool(false)),
            Form::Any if value.truthy() => return Ok(Value::Bool(true)),
            Form::First(_) => return Ok(value),
            Form::Count if !value.truthy() => {}
            _ => found.push(value),
        }
        kept.push(element);
    }
    match form {
        Form::Map if found.len() > ELEMENTS_MAX => Err(Fail::TooBig),
        Form::Map => Ok(Value::list(found)),
        Form::Count => Ok(ops::count(found.len())),
        Form::All => Ok(Value::Bool(true)),
        Form::Any => Ok(Value::Bool(false)),
        Form::First(default) => Ok(default.clone()),
        Form::SortBy => sort_by(&kept, &found),
        Form::MaxBy => extreme_by(&kept, &found, std::cmp::Ordering::Greater),
        Form::MinBy => extreme_by(&kept, &found, std::cmp::Ordering::Less),
        Form::Fold(_) => Err(Fail::Unsupported),
    }
}

fn sort_by(elements: &[&Value], keys: &[Value]) -> Result<Value, Fail> {
    let mut pairs: Vec<(&Value, &&Value)> = keys.iter().zip(elements).collect();
    ops::sorted(keys.to_vec(), false)?;
    pairs.sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(std::cmp::Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, element)| (*element).clone()).collect()))
}

fn extreme_by(elements: &[&Value], keys: &[Value], wanted: std::cmp::Ordering) -> Result<Value, Fail> {
    let best = ops::extreme(keys.iter(), wanted)?;
    let place = keys.iter().position(|key| *key == best).ok_or(Fail::Raises)?;
    elements.get(place).map(|element| (*element).clone()).ok_or(Fail::Raises)
}

impl Term {
    /// One bit for each variable the term uses.
    #[must_use]
    pub fn uses(&self) -> u64 {
        let all = |parts: &[Self]| parts.iter().fold(0, |uses, part| uses | part.uses());
        match self {
            Self::Var(slot) => 1 << (slot % 64),
            Self::Const(_) => 0,
            Self::Call(_, parts) | Self::Tuple(parts) | Self::List(parts) => all(parts),
            Self::If(parts) => all(parts.as_ref()),
            Self::Scope(scope) => {
                scope.source.uses() | scope.body.uses() | scope.filter.as_ref().map_or(0, Self::uses)
            }
        }
    }
}
