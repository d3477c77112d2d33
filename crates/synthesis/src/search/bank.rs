//! The terms of one scope, by type and cost.

use std::collections::BTreeSet;

use super::Context;
use super::goal::Goal;
use super::loops::Loop;
use super::tree::{self, Tree};
use crate::ops::Op;
use crate::spec::Task;
use crate::term::{Form, Scope, Term};
use crate::types::Type;
use crate::value::{Fingerprint, Value};

/// How a term was made.
#[derive(Debug)]
pub(super) enum Node {
    Var(usize),
    Const(Value),
    Call(&'static Op, Vec<u32>),
    Loop { form: Form, which: usize, body: u32, filter: Option<u32> },
}

/// How a solution was put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// One term.
    Plain,
    /// A decision tree over terms.
    Tree,
    /// A loop whose body is a decision tree.
    LoopedTree,
    /// A tuple or list of solutions, at least one of them a tree where it says so.
    Parts { tree: bool },
}

impl Made {
    pub(super) fn tree(self) -> bool {
        !matches!(self, Self::Plain | Self::Parts { tree: false })
    }
}

/// A solution of a goal with its cost.
pub(super) type Solution = (Term, u32, Made);

/// One term with its behaviour.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) node: Node,
    pub(super) kind: usize,
    pub(super) cost: u32,
    /// One bit for each variable it uses.
    pub(super) uses: u64,
    pub(super) values: Box<[Option<Value>]>,
}

impl Entry {
    pub(super) fn value(&self, environment: usize) -> Option<&Value> {
        self.values.get(environment).and_then(Option::as_ref)
    }
}

/// A variable with its values.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) of: Type,
    pub(super) values: Vec<Option<Value>>,
}

/// An operator at ground types.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) op: &'static Op,
    pub(super) cost: u32,
    pub(super) kinds: Vec<usize>,
    pub(super) result: usize,
}

/// The terms of one scope.
#[derive(Debug, Default)]
pub(super) struct Bank {
    pub(super) variables: Vec<Variable>,
    /// The first variable that this scope binds itself.
    pub(super) bottom: usize,
    pub(super) depth: usize,
    pub(super) width: usize,
    pub(super) entries: Vec<Entry>,
    pub(super) types: Vec<Type>,
    /// Terms by type, then by cost.
    pub(super) levels: Vec<Vec<Vec<u32>>>,
    pub(super) seen: BTreeSet<(u64, u64)>,
    pub(super) instances: Vec<Instance>,
    /// How many types the instances were made for.
    pub(super) instanced: usize,
    pub(super) loops: Vec<Loop>,
    pub(super) goals: Vec<Goal>,
    pub(super) grown: u32,
}

impl Bank {
    /// The outermost scope: the examples are its first environments, the probes the others.
    pub(super) fn root(task: &Task, probes: &[Vec<Value>]) -> Self {
        let rows: Vec<&Vec<Value>> =
            task.examples.iter().map(|example| &example.arguments).chain(probes).collect();
        let variables = task.parameters.iter().enumerate().map(|(at, parameter)| Variable {
            of: parameter.of.clone(),
            values: rows.iter().map(|row| row.get(at).cloned()).collect(),
        });
        Self { variables: variables.collect(), width: rows.len(), ..Self::default() }
    }

    /// The number of a type, given on first sight.
    pub(super) fn kind(&mut self, of: &Type) -> usize {
        if let Some(known) = self.types.iter().position(|known| known == of) {
            return known;
        }
        self.types.push(of.clone());
        self.levels.push(Vec::new());
        self.types.len() - 1
    }

    pub(super) fn entry(&self, at: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// The terms of a type at a cost.
    pub(super) fn at(&self, kind: usize, cost: u32) -> &[u32] {
        let levels = self.levels.get(kind);
        let level = usize::try_from(cost).ok().and_then(|cost| levels?.get(cost));
        level.map_or(&[], Vec::as_slice)
    }

    /// Whether a term depends on what this scope binds.
    pub(super) fn bound(&self, entry: &Entry) -> bool {
        entry.uses >> self.bottom != 0
    }

    /// Keeps a term unless it behaves like one before.
    pub(super) fn insert(&mut self, entry: Entry, context: &mut Context<'_, '_>) {
        let judged = if self.depth == 0 { context.examples } else { self.width };
        if entry.values.iter().take(judged).all(Option::is_none) {
            return;
        }
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(entry.kind as u64);
        for value in &entry.values {
            match value {
                Some(value) => value.mix(&mut fingerprint),
                None => fingerprint.add(0),
            }
        }
        if !self.seen.insert(fingerprint.key()) {
            return;
        }
        context.kept += entry.values.iter().map(|value| value.as_ref().map_or(1, Value::size)).sum::<usize>();
        if context.kept >= context.kept_max {
            context.stopped = true;
        }
        let Ok(at) = u32::try_from(self.entries.len()) else { return };
        if let Some(of) = self.types.get(entry.kind) {
            self.goals.iter_mut().for_each(|goal| goal.judge(at, &entry, of));
        }
        let cost = usize::try_from(entry.cost).unwrap_or(0);
        if let Some(levels) = self.levels.get_mut(entry.kind) {
            if levels.len() <= cost {
                levels.resize(cost + 1, Vec::new());
            }
            if let Some(level) = levels.get_mut(cost) {
                level.push(at);
            }
        }
        self.entries.push(entry);
    }

    /// The tree of a term.
    pub(super) fn term(&self, at: u32) -> Term {
        match self.entry(at).map(|entry| &entry.node) {
            Some(Node::Var(slot)) => Term::Var(*slot),
            Some(Node::Const(value)) => Term::Const(value.clone()),
            Some(Node::Call(op, arguments)) => {
                Term::Call(op, arguments.iter().map(|argument| self.term(*argument)).collect())
            }
            Some(Node::Loop { form, which, body, filter }) => match self.loops.get(*which) {
                Some(looped) => Term::Scope(Box::new(Scope {
                    form: form.clone(),
                    source: self.term(looped.source),
                    binders: looped.binders,
                    body: looped.bank.term(*body),
                    filter: filter.map(|filter| looped.bank.term(filter)),
                })),
                None => Term::Const(Value::None),
            },
            None => Term::Const(Value::None),
        }
    }

    fn grown_tree(&self, tree: &Tree) -> Term {
        match tree {
            Tree::Leaf(at) => self.term(*at),
            Tree::Split(test, yes, no) => {
                Term::If(Box::new([self.term(*test), self.grown_tree(yes), self.grown_tree(no)]))
            }
        }
    }

    /// The best decision tree for a goal, if anything changed since the last one.
    fn tree(&mut self, goal: usize, steps: u64) -> Option<(Term, u32)> {
        let asked = self.goals.get_mut(goal)?;
        if !std::mem::take(&mut asked.changed) {
            return None;
        }
        let (tree, cost) = tree::grow(self.goals.get(goal)?, &self.entries, steps)?;
        Some((self.grown_tree(&tree), cost))
    }

    /// New solutions of a goal: terms that hit it, decision trees, and loops over trees.
    pub(super) fn solutions(&mut self, goal: usize, steps: u64) -> Vec<Solution> {
        let mut found = Vec::new();
        if let Some(asked) = self.goals.get_mut(goal) {
            let new: Vec<u32> = asked.hits.get(asked.taken..).unwrap_or_default().to_vec();
            asked.taken = asked.hits.len();
            for at in new.into_iter().take(60) {
                found.push((self.term(at), self.entry(at).map_or(0, |entry| entry.cost), Made::Plain));
            }
        }
        found.extend(self.tree(goal, steps).map(|(term, cost)| (term, cost, Made::Tree)));
        for which in 0..self.loops.len() {
            let looped = self.looped_tree(which, goal, steps);
            found.extend(looped.map(|(term, cost)| (term, cost, Made::LoopedTree)));
        }
        found
    }

    /// All solutions of a goal so far, cheapest first.
    pub(super) fn solved(&mut self, goal: usize, steps: u64) -> Vec<Solution> {
        let new = self.solutions(goal, steps);
        let Some(asked) = self.goals.get_mut(goal) else { return new };
        asked.solved.extend(new);
        asked.solved.sort_by_key(|(_, cost, _)| *cost);
        asked.solved.truncate(8);
        asked.solved.clone()
    }

    fn looped_tree(&mut self, which: usize, goal: usize, steps: u64) -> Option<(Term, u32)> {
        let looped = self.loops.get_mut(which)?;
        let (_, inner, glued) = *looped.links.iter().find(|(outer, _, _)| *outer == goal)?;
        let (body, cost) = looped.bank.tree(inner, steps)?;
        let (binders, source, total) =
            (looped.binders, looped.source, cost + looped.cost + super::loops::LOOP_COST);
        let scope = Scope { form: Form::Map, source: self.term(source), binders, body, filter: None };
        let map = Term::Scope(Box::new(scope));
        if !glued {
            return Some((map, total));
        }
        let glue = crate::ops::named("glue")?;
        Some((Term::Call(glue, vec![Term::Const(Value::text("")), map]), total + 3))
    }

    /// The expected number of programs that reproduce all examples by luck among those up to a cost.
    pub(super) fn luck(&self, cost: u32, task: &Task) -> f64 {
        let Some(goal) = self.goals.first() else { return 0.0 };
        let kinds = |entry: &&Entry| {
            let of = self.types.get(entry.kind);
            entry.cost <= cost
                && of.is_some_and(|of| goal.types().iter().any(|wanted| wanted.join(of).is_some()))
        };
        let judged: Vec<&Entry> = self.entries.iter().filter(kinds).collect();
        let all = judged.len() as f64;
        let right =
            |at: usize, wanted: &Value| judged.iter().filter(|entry| entry.value(at) == Some(wanted)).count();
        let each = task.examples.iter().enumerate();
        all * each
            .map(|(at, example)| (right(at, &example.expected) as f64 + 1.0) / (all + 2.0))
            .product::<f64>()
    }
}
