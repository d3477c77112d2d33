//! Chains of up to three typed stages, tried against the examples.
//!
//! No search: which stages may follow a type is worked out once, the description's words say which of them come into
//! question, and the first example's values decide between them. The whole chain is then evaluated on every example.

mod stages;

use super::{Declined, Emitted, OVERLAP_MIN, overlap};
use crate::emit;
use crate::limits::STEPS_MAX;
use crate::ops::{self, Run};
use crate::spec::{Example, Task};
use crate::term::{Form, Scope, Term, evaluate, gather};
use crate::value::{Fail, Value};

use stages::{GRID, Grid, Shape, Stage, Step};

/// Stages of one chain.
const STAGES_MAX: usize = 3;
/// Stages that are tried on the first example: what keeps an answer within its time.
const TRIED_MAX: usize = 512;
/// Programs that are given.
const EMITTED_MAX: usize = 3;
/// Elements of a followed example that chains go through.
const ELEMENTS_MAX: usize = 256;

/// Numbers beyond this are left to the search: their divisors and ranges take time.
const SMALL_MAX: u64 = 100_000;
/// Examples that chains go through stage by stage; what they do not tell apart is one chain.
const FOLLOWED_MAX: usize = 2;

/// Values on their way, how they came about, and what they cost.
#[derive(Clone)]
struct Link {
    /// One for each example that is followed.
    values: Vec<Value>,
    kind: usize,
    term: Term,
    operations: Vec<String>,
    /// Stages that no word of the description called for.
    uncalled: usize,
}

/// Programs that reproduce every example, those first that the description calls for.
pub(super) fn emit(task: &Task) -> Result<Vec<Emitted>, Declined> {
    let mut found = walked(task).found;
    found.sort_by_key(|link| (link.uncalled, link.operations.len()));
    if found.is_empty() {
        return Err(Declined::NoChain);
    }
    let said = format!("{} {}", task.header, task.description);
    let names: Vec<String> = task.parameters.iter().map(|parameter| parameter.name.clone()).collect();
    let emitted = found.into_iter().map(|link| Emitted {
        python: emit::function(&task.name, &names, &task.header, &link.term),
        template: "chain",
        operations: link.operations,
        entry: task.name.clone(),
    });
    let kept: Vec<Emitted> =
        emitted.filter(|emitted| overlap(&said, &emitted.python) >= OVERLAP_MIN).take(EMITTED_MAX).collect();
    if kept.is_empty() { Err(Declined::Overlap) } else { Ok(kept) }
}

/// Goes through all chains of the task, or as many as may be tried.
fn walked(task: &Task) -> Walk<'_> {
    let grid = &*GRID;
    let results: Vec<usize> = task.results().iter().filter_map(|of| grid.kind(of)).collect();
    let mut walk = Walk {
        grid,
        task,
        called: grid.called(&format!("{} {}", task.name.replace('_', " "), task.description)),
        leads: leading(grid, &results),
        results,
        followed: task.examples.get(..FOLLOWED_MAX).unwrap_or(&task.examples),
        tried: 0,
        found: Vec::new(),
    };
    let mut links = walk.starts();
    for stage in 1..=STAGES_MAX {
        links = walk.next(&links, stage);
    }
    walk
}

struct Walk<'a> {
    grid: &'static Grid,
    task: &'a Task,
    called: Vec<bool>,
    results: Vec<usize>,
    /// From which kinds so many stages more can lead to a result.
    leads: Vec<Vec<bool>>,
    followed: &'a [Example],
    tried: usize,
    found: Vec<Link>,
}

impl Walk<'_> {
    /// Every parameter as it is.
    fn starts(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (slot, parameter) in self.task.parameters.iter().enumerate() {
            let Some(kind) = self.grid.kind(&parameter.of) else { continue };
            let given = self.followed.iter().filter_map(|example| example.arguments.get(slot));
            let values: Vec<Value> = given.filter(|value| small(value)).cloned().collect();
            if values.len() == self.followed.len() {
                links.push(Link { values, kind, term: Term::Var(slot), operations: Vec::new(), uncalled: 0 });
            }
        }
        links
    }

    /// One stage more. The first may be any, later ones must be called for by a word.
    fn next(&mut self, links: &[Link], stage: usize) -> Vec<Link> {
        let mut next: Vec<Link> = Vec::new();
        for link in links {
            for step in self.grid.steps(link.kind) {
                let called = self.called.get(step.stage).copied().unwrap_or(false);
                let leads = self.leads.get(STAGES_MAX - stage).and_then(|kinds| kinds.get(step.to)).copied();
                let ready = self.grid.stages.get(step.stage);
                let Some(ready) = ready.filter(|_| leads == Some(true) && (called || stage == 1)) else {
                    continue;
                };
                let slots = if ready.parameter { self.beside(link, step.beside) } else { vec![None] };
                for slot in slots {
                    if self.tried >= TRIED_MAX {
                        return next;
                    }
                    self.tried += 1;
                    self.step(link, step, slot, called, &mut next);
                }
            }
        }
        next
    }

    /// Takes one stage with one parameter beside it.
    fn step(&mut self, link: &Link, step: &Step, slot: Option<usize>, called: bool, next: &mut Vec<Link>) {
        let Some(stage) = self.grid.stages.get(step.stage) else { return };
        let each =
            self.followed.iter().zip(&link.values).map(|(example, value)| {
                applied(stage, value, slot.and_then(|slot| example.arguments.get(slot)))
            });
        let Ok(values) = each.collect::<Result<Vec<Value>, Fail>>() else { return };
        // What no word called for goes no further, and neither does what changed nothing or was there before.
        let known = link.kind == step.to && values == link.values
            || next.iter().any(|known| known.kind == step.to && known.values == values);
        let frames = framed(&values, self.followed);
        let hit = self.results.contains(&step.to) && (frames.is_some() || self.expects(&values));
        if !hit && (!called || known) {
            return;
        }
        let mut operations = link.operations.clone();
        operations.push(named(stage));
        let term = extended(stage, &link.term, slot, self.task.parameters.len());
        let made =
            Link { values, kind: step.to, term, operations, uncalled: link.uncalled + usize::from(!called) };
        if hit {
            self.judge(frames.map_or_else(|| made.clone(), |frame| wrapped(&made, frame)));
        }
        if called && !known {
            next.push(made);
        }
    }

    fn expects(&self, values: &[Value]) -> bool {
        self.followed.iter().zip(values).all(|(example, value)| example.expected == *value)
    }

    /// Parameters of a type that are not in the chain yet.
    fn beside(&self, link: &Link, wanted: Option<usize>) -> Vec<Option<usize>> {
        let uses = link.term.uses();
        let fits = |(slot, parameter): (usize, &crate::spec::Parameter)| {
            let fits = wanted.is_some() && self.grid.kind(&parameter.of) == wanted && uses >> slot & 1 == 0;
            fits.then_some(Some(slot))
        };
        self.task.parameters.iter().enumerate().filter_map(fits).collect()
    }

    /// Keeps a chain that uses every parameter and holds on every example.
    fn judge(&mut self, link: Link) {
        if crate::search::ignored(self.task, &link.term) == 0 && self.holds(&link.term) {
            self.found.push(link);
        }
    }

    fn holds(&self, term: &Term) -> bool {
        self.task.examples.iter().all(|example| {
            evaluate(term, &example.arguments, STEPS_MAX).is_ok_and(|value| value == example.expected)
        })
    }
}

/// The kinds from which so many stages more, 0 to two, lead to a result.
fn leading(grid: &Grid, results: &[usize]) -> Vec<Vec<bool>> {
    let mut levels = vec![(0..grid.kinds()).map(|kind| results.contains(&kind)).collect::<Vec<bool>>()];
    for _ in 1..STAGES_MAX {
        let Some(last) = levels.last() else { break };
        let reaches = |kind: usize| {
            let near = |kind: usize| last.get(kind).copied().unwrap_or(false);
            near(kind) || grid.steps(kind).iter().any(|step| near(step.to))
        };
        levels.push((0..grid.kinds()).map(reaches).collect());
    }
    levels
}

/// Whether a value is short enough to be followed.
fn small(value: &Value) -> bool {
    match value {
        Value::List(items) => items.len() <= ELEMENTS_MAX,
        Value::Str(text) => text.len() <= ELEMENTS_MAX,
        Value::Dict(entries) => entries.len() <= ELEMENTS_MAX,
        Value::Int(i) => i.unsigned_abs() <= SMALL_MAX,
        _ => true,
    }
}

/// What stands before and after the texts in every result, when it is the same everywhere and there is some: a format.
fn framed<'a>(values: &[Value], followed: &'a [Example]) -> Option<(&'a str, &'a str)> {
    let mut found = None;
    for (value, example) in values.iter().zip(followed) {
        let (Value::Str(inner), Value::Str(whole)) = (value, &example.expected) else { return None };
        let at = whole.find(inner.as_ref()).filter(|_| !inner.is_empty() && inner != whole)?;
        let frame = (whole.get(..at)?, whole.get(at + inner.len()..)?);
        if found.is_some_and(|known| known != frame) {
            return None;
        }
        found = Some(frame);
    }
    found
}

/// The chain with a format around it.
fn wrapped(link: &Link, (before, after): (&str, &str)) -> Link {
    let mut made = link.clone();
    if let Some(plus) = ops::named("text_plus") {
        let text = |text: &str| Term::Const(Value::text(text));
        if !before.is_empty() {
            made.term = Term::Call(plus, vec![text(before), made.term]);
        }
        if !after.is_empty() {
            made.term = Term::Call(plus, vec![made.term, text(after)]);
        }
        made.operations.push("format".to_owned());
    }
    made
}

fn named(stage: &Stage) -> String {
    match stage.shape {
        Shape::Apply => stage.op.name.to_owned(),
        Shape::Map => format!("map {}", stage.op.name),
        Shape::Filter => format!("filter {}", stage.op.name),
        Shape::SortBy => format!("sort by {}", stage.op.name),
    }
}

/// What a stage makes of a value.
fn applied(stage: &Stage, value: &Value, beside: Option<&Value>) -> Result<Value, Fail> {
    let Run::Strict(run) = stage.op.run else { return Err(Fail::Unsupported) };
    let beside = stage.literal.as_ref().or(beside);
    let call = |value: &Value| match beside {
        Some(beside) if stage.second => run(&[beside, value]),
        Some(beside) => run(&[value, beside]),
        None => run(&[value]),
    };
    if stage.shape == Shape::Apply {
        return call(value);
    }
    let elements = ops::elements(value)?;
    let element = |at: usize| elements.get(at).ok_or(Fail::Raises);
    let all = |_| Ok(true);
    match stage.shape {
        Shape::Filter => {
            let mut keep = |at| call(element(at)?).map(|value| value.truthy());
            gather(&Form::Map, &elements, &mut keep, &mut |at| element(at).cloned())
        }
        Shape::SortBy => gather(&Form::SortBy, &elements, &mut { all }, &mut |at| call(element(at)?)),
        Shape::Map | Shape::Apply => {
            gather(&Form::Map, &elements, &mut { all }, &mut |at| call(element(at)?))
        }
    }
}

/// The same as a term.
fn extended(stage: &Stage, source: &Term, slot: Option<usize>, parameters: usize) -> Term {
    let beside = stage.literal.clone().map(Term::Const).or(slot.map(Term::Var));
    let call = |value: Term| {
        let arguments = match beside {
            Some(beside) if stage.second => vec![beside, value],
            Some(beside) => vec![value, beside],
            None => vec![value],
        };
        Term::Call(stage.op, arguments)
    };
    let element = Term::Var(parameters);
    let (form, body, filter) = match stage.shape {
        Shape::Apply => return call(source.clone()),
        Shape::Map => (Form::Map, call(element), None),
        Shape::Filter => (Form::Map, element.clone(), Some(call(element))),
        Shape::SortBy => (Form::SortBy, call(element), None),
    };
    Term::Scope(Box::new(Scope { form, source: source.clone(), binders: 1, body, filter }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_stages_are_tried_and_no_more() {
        let task = |said: &str| {
            let calls = "f([4, 1, 3], [2, 9]) == [7201]\nf([5, 8, 8], [7]) == [-96]";
            let text = format!("def f(xs: list[int], ys: list[int]) -> list[int]:\n '{said}'\n{calls}\n");
            Task::parse(&text, None).unwrap()
        };
        assert!((1..TRIED_MAX).contains(&walked(&task("Sort.")).tried));
        let everything = "sort unique first last every running square absolute negate add double digit even odd \
                          positive negative prime join reverse descending between concat rotate increment";
        assert_eq!(walked(&task(everything)).tried, TRIED_MAX);
    }

    #[test]
    fn large_numbers_are_left_to_the_search() {
        let task = |n: u64| {
            let text = format!("def show(n: int) -> str:\n 'As a string.'\nshow({n}) == '{n}'\n");
            Task::parse(&text, None).unwrap()
        };
        assert!(emit(&task(SMALL_MAX)).is_ok());
        assert_eq!(emit(&task(SMALL_MAX + 1)), Err(Declined::NoChain));
    }
}
