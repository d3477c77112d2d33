//! Checks jobs from standard input, one JSON object a line, and writes one result line each.
//!
//! A job: `source`, `calls`, `tests`, `entry`, `limit_ms`. With a number as first argument each job is checked so many
//! times, and the times stand in `us`; a second one, `monty` or `cpython`, leaves one interpreter.

#![expect(clippy::print_stdout, reason = "a tool for the terminal")]

use std::io::BufRead as _;
use std::process::ExitCode;
use std::time::Duration;

use cascade_runtime::smoke::{
    Called, Checked, Gates, Job, Options, Smoke, SmokeError, Tested, WORKER_ARG, worker_main,
};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let first = words.next();
    if first.as_deref() == Some(WORKER_ARG) {
        return worker_main();
    }
    let times = first.and_then(|word| word.parse().ok()).unwrap_or(1);
    match run(times) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", json!({ "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn run(times: usize) -> Result<(), Box<dyn std::error::Error>> {
    let gates = match std::env::args().nth(2).as_deref() {
        None => Gates::Both,
        Some("monty") => Gates::Monty,
        Some(_) => Gates::CPython,
    };
    let smoke = Smoke::start(&Options { gates, ..Options::default() })?;
    for line in std::io::stdin().lock().lines() {
        let value: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let calls = value.get("calls").and_then(Value::as_array).into_iter().flatten();
        let job = Job {
            source: text("source").unwrap_or_default(),
            calls: calls.filter_map(|call| call.as_str().map(str::to_owned)).collect(),
            tests: text("tests"),
            entry: text("entry"),
        };
        let limit = Duration::from_millis(value.get("limit_ms").and_then(Value::as_u64).unwrap_or(5000));
        let mut us = Vec::new();
        for round in 0..times {
            let outcome = smoke.check(&job, limit);
            us.extend(outcome.as_ref().ok().map(|checked| checked.wall_us));
            if round + 1 == times {
                println!("{}", told(value.get("id"), &outcome, &us));
            }
        }
    }
    Ok(())
}

fn told(id: Option<&Value>, outcome: &Result<Checked, SmokeError>, us: &[u64]) -> Value {
    match outcome {
        Err(error) => json!({ "id": id, "error": error.to_string() }),
        Ok(checked) => {
            let called = checked.called.iter().map(|called| match called {
                Called::Value(text) => json!({ "value": text }),
                Called::Raised(text) => json!({ "raised": text }),
            });
            let tested = checked.tested.as_ref().map(|tested| match tested {
                Tested::Passed => "passed",
                Tested::Failed(why) => why,
            });
            let (called, missing) = (called.collect::<Vec<_>>(), &checked.backend.missing);
            let backend = checked.backend.to_string();
            json!({ "id": id, "called": called, "tested": tested, "backend": backend, "missing": missing, "us": us })
        }
    }
}
