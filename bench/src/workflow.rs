//! A run of a workflow without what it runs: what its machine takes for a step beside the step's own receipts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use cascade_kernel::csl::Document;
use cascade_kernel::workflow::{Effect, Ended, Event, Workflow};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

/// Two steps, one of them a fan-out over the inputs; results are named by the other.
const SPEC: &str = "csl: 1
name: fan-out
version: \"1\"
inputs: {names: {type: list<string>}}
constraints: {max_parallel: 64}
steps:
  - {id: each, foreach: inputs.names, run: [echo, \"${item}\", \"${index}\", \"${run.id}\"]}
  - {id: sum, needs: [each], run: [echo, \"${steps.each.items.size()}\"]}
";

/// Microseconds per step of a fan-out over `items`, each completed as soon as it starts.
pub(crate) fn us_per_step(items: u32) -> anyhow::Result<f64> {
    let document = Document::read(SPEC.as_bytes())?;
    let names = (0..items).map(|number| Value::from(format!("name-{number}").as_str()));
    let inputs = Value::object([("names", Value::Array(names.collect()))]);
    let at = Timestamp::from_ms(1_800_000_000_000);
    let result = BTreeMap::from([
        ("exit_code".to_owned(), Value::Int(0)),
        ("stdout".to_owned(), "some words of output".into()),
        ("stderr".to_owned(), "".into()),
    ]);
    let start = Instant::now();
    let (mut machine, effects) = Workflow::begin(Arc::new(document.spec), &inputs, "r_0123456789abcdef", at);
    let mut queue = std::collections::VecDeque::from(effects);
    let mut finished = false;
    while let Some(effect) = queue.pop_front() {
        match effect {
            Effect::Start { place, .. } => {
                let ended = Event::Ended { place, at, ended: Ended::Completed, result: result.clone() };
                queue.extend(machine.step(ended)?);
            }
            Effect::Finish(end) => finished = end.completed,
        }
    }
    let took = start.elapsed();
    finished.then_some(()).context("the run did not complete")?;
    Ok(took.as_secs_f64() * 1e6 / f64::from(items.saturating_add(1)))
}
