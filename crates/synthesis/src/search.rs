//! Bottom-up enumeration by cost, one term of each behaviour.
//!
//! A term's behaviour is its values over the examples and some inputs near them. The search grows a `bank::Bank`
//! level by level; comprehensions have banks of their own, over the elements of what they loop over.

mod bank;
mod folds;
mod goal;
mod grow;
mod held;
mod loops;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hints::Hints;
use crate::limits::{KEPT_VALUES_MAX, STEPS_MAX};
use crate::ops::{self, Op};
use crate::outcome::{Candidate, Outcome};
use crate::probes;
use crate::spec::Task;
use crate::term::{Term, evaluate};
use crate::types::{Signature, Type};
use crate::value::{Fingerprint, Value};

use bank::{Bank, Made, Solution};

/// How many values are computed between two questions whether to go on: a term has one for each environment.
pub const ASK_EVERY: usize = 128;
/// The level at which a search ends whatever its budget.
const LEVEL_MAX: u32 = 48;
/// How many levels past the best program are searched for rivals.
const RIVAL_LEVELS: u32 = 2;
/// What a program costs extra for each parameter that it does not look at: signatures are written for a reason.
const IGNORED_COST: u32 = 4;
/// What a program that looks at nothing costs extra.
const CONSTANT_COST: u32 = 10;
/// How many programs are kept.
const CANDIDATES_MAX: usize = 40;

/// How much a search may do. The number of terms makes it repeatable; the question makes it stop in time.
pub struct Budget<'a> {
    /// Terms that are evaluated at most.
    pub terms: u64,
    /// Asked every [`ASK_EVERY`] values; `false` ends the search with what was found.
    pub keep_going: &'a mut dyn FnMut() -> bool,
}

impl std::fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// What programs are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// The language's own operators only.
    Operators,
    /// The operators and the helper library.
    Library,
}

impl Vocabulary {
    fn operators(self) -> impl Iterator<Item = &'static Op> {
        ops::all().filter(move |op| self == Self::Library || op.source.is_empty())
    }
}

/// What all banks of one search share.
struct Context<'a, 'b> {
    operators: Vec<(&'static Op, Signature, u32)>,
    constants: Vec<(Value, Type, u32)>,
    /// Results for loops that find nothing.
    defaults: Vec<Value>,
    universe: BTreeSet<Type>,
    /// The first so many environments of the outermost bank are the examples.
    examples: usize,
    spent: u64,
    /// Values computed since the last question whether to go on.
    unasked: usize,
    kept: usize,
    kept_max: usize,
    stopped: bool,
    budget: &'a mut Budget<'b>,
}

impl<'a, 'b> Context<'a, 'b> {
    fn new(task: &Task, vocabulary: Vocabulary, budget: &'a mut Budget<'b>) -> Self {
        let hints = Hints::new(task);
        let operators = vocabulary
            .operators()
            .filter_map(|op| Some((op, Signature::parse(op.signature)?, hints.cost(op))))
            .collect();
        let mut universe = universe(task);
        let constants: Vec<(Value, Type, u32)> = hints
            .constants(task)
            .into_iter()
            .map(|(value, cost)| {
                let of = constant_type(&value, task);
                (value, of, cost)
            })
            .collect();
        universe.extend(constants.iter().map(|(_, of, _)| of.clone()));
        let absent = |value: &&Value| matches!(value, Value::None | Value::Int(-1)) || !value.truthy();
        let mut defaults: Vec<Value> = Vec::new();
        for expected in task.examples.iter().map(|example| &example.expected).filter(absent) {
            if !defaults.iter().any(|known| known.repr() == expected.repr()) {
                defaults.push(expected.clone());
            }
        }
        let examples = task.examples.len();
        Self {
            operators,
            constants,
            defaults,
            universe,
            examples,
            spent: 0,
            unasked: 0,
            kept: 0,
            kept_max: KEPT_VALUES_MAX,
            stopped: false,
            budget,
        }
    }

    /// Counts one term with so many values; `false` when the search is over.
    fn spend(&mut self, values: usize) -> bool {
        self.spent += 1;
        self.unasked += values;
        if self.spent >= self.budget.terms {
            self.stopped = true;
        }
        if self.unasked >= ASK_EVERY {
            self.unasked = 0;
            self.stopped |= !(self.budget.keep_going)();
        }
        !self.stopped
    }
}

/// An empty list is of the type the results have.
fn constant_type(value: &Value, task: &Task) -> Type {
    let of = Type::of(value);
    task.results()
        .into_iter()
        .find(|result| matches!(value, Value::List(_)) && result.join(&of).is_some())
        .unwrap_or(of.closed())
}

/// The types terms may have: what signature and examples are made of, and a little around it.
fn universe(task: &Task) -> BTreeSet<Type> {
    let mut parts = vec![Type::Int, Type::Bool];
    task.parameters.iter().for_each(|parameter| parameter.of.parts(&mut parts));
    task.results().iter().for_each(|result| result.parts(&mut parts));
    let mut found: BTreeSet<Type> = parts.into_iter().collect();
    if found.contains(&Type::Int) && task.description.contains("digit") {
        found.insert(Type::Str);
    }
    let scalars: Vec<Type> =
        found.iter().filter(|of| matches!(of, Type::Int | Type::Float | Type::Str)).cloned().collect();
    let lists: Vec<Type> = found.iter().filter(|of| matches!(of, Type::List(_))).cloned().collect();
    for scalar in &scalars {
        found.insert(Type::list(scalar.clone()));
        for other in scalars.iter().chain([&Type::Bool]) {
            found.insert(Type::list(Type::Tuple([scalar.clone(), other.clone()].into())));
        }
    }
    for list in &lists {
        found.insert(Type::list(list.clone()));
        found.insert(Type::list(Type::Tuple([Type::Int, list.clone()].into())));
        found.insert(Type::list(Type::Tuple([list.clone(), list.clone()].into())));
    }
    if found.contains(&Type::Str) {
        found.insert(Type::Dict(Type::Str.into(), Type::Int.into()));
    }
    found.insert(Type::Dict(Type::Int.into(), Type::Int.into()));
    found
}

/// The terms that a search has kept. To drop them takes about a sixth of the time that the search took: whoever has
/// promised an answer by a time drops them after the answer, where nobody waits.
#[derive(Clone, Debug)]
pub struct Remains(#[expect(dead_code, reason = "held only to be dropped later")] Arc<Bank>);

/// Finds programs that reproduce every example of the task.
#[must_use]
pub fn search(task: &Task, vocabulary: Vocabulary, budget: &mut Budget<'_>) -> Outcome {
    search_leaving(task, vocabulary, budget).0
}

/// The same, and what is to be dropped when there is time.
#[must_use]
pub fn search_leaving(task: &Task, vocabulary: Vocabulary, budget: &mut Budget<'_>) -> (Outcome, Remains) {
    let probes = probes::derive(task);
    let mut context = Context::new(task, vocabulary, budget);
    let mut found = Found { task, probes: &probes, candidates: Vec::new(), seen: BTreeSet::new() };
    let mut bank = Bank::root(task, &probes);
    bank.goals = goal::of_task(task);
    let mut searched = 0;
    for level in 1..=LEVEL_MAX {
        bank.grow(level, &mut context);
        if !context.stopped {
            searched = level;
        }
        found.collect(&mut bank, context.stopped);
        let enough = found.best().is_some_and(|best| level >= best + RIVAL_LEVELS);
        if context.stopped || enough || found.candidates.len() >= CANDIDATES_MAX {
            break;
        }
    }
    let spent = context.spent;
    let mut candidates = found.candidates;
    candidates.sort_by(|(a, _), (b, _)| {
        (a.cost, a.python.len(), &a.python).cmp(&(b.cost, b.python.len(), &b.python))
    });
    let luck = candidates.first().map(|(best, _)| bank.luck(best.cost, task));
    let held = candidates.first().and_then(|(_, made)| match made {
        Made::LoopedTree => None,
        made => held::out(&bank, matches!(made, Made::Parts { .. })),
    });
    let candidates = candidates.into_iter().map(|(candidate, _)| candidate).collect();
    let outcome = Outcome::new(candidates, (spent, searched), (luck, held), &probes);
    (outcome, Remains(Arc::new(bank)))
}

/// What a search has found so far.
struct Found<'t> {
    task: &'t Task,
    probes: &'t [Vec<Value>],
    candidates: Vec<(Candidate, Made)>,
    seen: BTreeSet<(u64, u64)>,
}

impl Found<'_> {
    fn best(&self) -> Option<u32> {
        self.candidates.iter().map(|(candidate, _)| candidate.cost).min()
    }

    /// Takes what the bank's goals have hit, directly, by decision trees, and part by part. When the search is over
    /// trees get less time.
    fn collect(&mut self, bank: &mut Bank, over: bool) {
        let steps = if over { tree::STEPS_MAX / 10 } else { tree::STEPS_MAX };
        for (term, cost, made) in bank.solutions(0, steps) {
            self.offer(&term, cost, made);
        }
        if bank.goals.len() > 1 {
            let parts: Vec<Vec<Solution>> =
                (1..bank.goals.len()).map(|goal| bank.solved(goal, steps)).collect();
            self.combine(&parts);
        }
    }

    /// Puts the solutions of the parts of a tuple or list together: the best of each, then each one's runner-up.
    fn combine(&mut self, parts: &[Vec<Solution>]) {
        for second in 0..=parts.len() {
            let pick =
                |(at, solved): (usize, &Vec<Solution>)| solved.get(usize::from(at + 1 == second)).cloned();
            let Some(chosen) = parts.iter().enumerate().map(pick).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let cost = chosen.iter().map(|(_, cost, _)| cost).sum::<u32>() + 2;
            let tree = chosen.iter().any(|(_, _, made)| made.tree());
            let terms = chosen.into_iter().map(|(term, _, _)| term).collect();
            let tuple = self.task.examples.iter().all(|example| matches!(example.expected, Value::Tuple(_)));
            let term = if tuple { Term::Tuple(terms) } else { Term::List(terms) };
            self.offer(&term, cost, Made::Parts { tree });
        }
    }

    /// Evaluates a term as a whole and keeps it if it reproduces every example and behaves like none before.
    fn offer(&mut self, term: &Term, cost: u32, made: Made) {
        let right = self.task.examples.iter().all(|example| {
            evaluate(term, &example.arguments, STEPS_MAX).is_ok_and(|value| value == example.expected)
        });
        if !right {
            return;
        }
        let outputs: Vec<Option<Value>> =
            self.probes.iter().map(|probe| evaluate(term, probe, STEPS_MAX).ok()).collect();
        let mut fingerprint = Fingerprint::new();
        outputs
            .iter()
            .for_each(|output| output.as_ref().unwrap_or(&Value::text("raises")).mix(&mut fingerprint));
        if self.seen.insert(fingerprint.key()) {
            let cost = cost + ignored_cost(self.task, term);
            self.candidates.push((Candidate::new(self.task, term, cost, made.tree(), outputs), made));
        }
    }
}

/// What a program costs extra for what it does not look at.
fn ignored_cost(task: &Task, term: &Term) -> u32 {
    if term.uses() == 0 {
        return CONSTANT_COST;
    }
    IGNORED_COST * u32::try_from(ignored(task, term)).unwrap_or(0)
}

/// How many parameters without a default a program does not look at.
pub(crate) fn ignored(task: &Task, term: &Term) -> usize {
    let uses = term.uses();
    let parameters = task.parameters.iter().enumerate();
    parameters.filter(|(slot, parameter)| parameter.default.is_none() && uses >> slot & 1 == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SCOPES_MAX;

    const TASK: &str = "def f(xs: list[int], ys: list[int]) -> int:\nf([4, 1, 3], [2, 9]) == 7201\nf([5, 8], [7, 6, 0]) == -96\n";

    fn grown(task: &Task, kept_max: usize, level: u32) -> (Bank, usize, bool) {
        let probes = probes::derive(task);
        let mut budget = Budget { terms: 100_000, keep_going: &mut || true };
        let mut context = Context::new(task, Vocabulary::Library, &mut budget);
        context.kept_max = kept_max;
        let mut bank = Bank::root(task, &probes);
        bank.goals = goal::of_task(task);
        (1..=level).for_each(|level| bank.grow(level, &mut context));
        (bank, context.kept, context.stopped)
    }

    #[test]
    fn memory_ends_a_search() {
        let task = Task::parse(TASK, None).unwrap();
        let (bank, kept, stopped) = grown(&task, 2_000, 8);
        assert!(stopped);
        assert!(
            (2_000..2_000 + 800).contains(&kept),
            "{kept} values are kept, one term past the limit at most"
        );
        let (_, more, stopped) = grown(&task, KEPT_VALUES_MAX, 8);
        assert!(!stopped && more > kept + 800, "the limit made no difference: {more}");
        drop(bank);
    }

    #[test]
    fn so_many_loops_are_opened_and_no_more() {
        let task = Task::parse(TASK, None).unwrap();
        let (bank, _, _) = grown(&task, KEPT_VALUES_MAX, 6);
        assert_eq!(bank.loops.iter().filter(|looped| looped.fold.is_none()).count(), SCOPES_MAX);
    }
}
