//! Runs of workflows that have no end yet, where each of their steps stands, and what starts by itself.

use cascade_kernel::csl::Spec;
use cascade_kernel::workflow::Role;
use cascade_ledger::{Chain, OpenAction};
use cascade_receipt::json::Value;
use cascade_runtime::cron;
use cascade_runtime::workflow::{self, Attempt, Driven, WorkflowError};

use super::super::look::{self, Look, short};
use super::super::sheet::{Cell, Row, Section, Tone, cell, dim, members, number, plain};
use crate::exit::Failure;
use crate::failures;

pub(super) fn runs(look: &Look<'_>) -> Result<Section, Failure> {
    let open = look.moment.open_actions()?;
    let mut rows = Vec::new();
    for chain in look.moment.open_chains()? {
        run(look, &chain, &open, &mut rows)?;
    }
    Ok(Section::list("runs", "runs of workflows that are open", "no run is open", rows))
}

fn run(look: &Look<'_>, chain: &Chain, open: &[OpenAction], rows: &mut Vec<Row>) -> Result<(), Failure> {
    let id = chain.receipt_id;
    let who = look.name(chain.principal)?;
    let known = match workflow::spec_of(look.moment, id) {
        Ok((spec, _)) => Some((spec, workflow::look(look.moment, id).map_err(failures::workflow)?)),
        Err(WorkflowError::Erased(_)) => None,
        Err(other) => return Err(failures::workflow(other)),
    };
    let name = known.as_ref().map_or_else(
        || cascade_runtime::record::ERASED.to_owned(),
        |(spec, _)| format!("{} {}", spec.name, spec.version),
    );
    let steps = match &known {
        Some((spec, driven)) => steps(look, chain, spec, driven, open)?,
        None => Vec::new(),
    };
    let document = members([
        ("chain", id.to_string().into()),
        ("name", name.as_str().into()),
        ("principal", chain.principal.to_string().into()),
        ("principal_name", who.as_str().into()),
        ("spec_hash", chain.spec_hash.to_hex().into()),
        ("steps", Value::Array(steps.iter().map(Step::document).collect())),
    ]);
    let cells = vec![plain(id.to_string()), cell(Tone::Bold, name), plain(who), short(&chain.spec_hash)];
    rows.push(Row::new(document, cells));
    rows.extend(steps.iter().map(|step| Row::told(step.cells())));
    Ok(())
}

/// Where a step, or one item of it, stands.
struct Step {
    id: String,
    state: &'static str,
    item: u64,
    attempt: u64,
    receipt_id: Option<String>,
}

impl Step {
    fn document(&self) -> Value {
        let mut parts = vec![
            ("attempt", number(self.attempt)),
            ("id", self.id.as_str().into()),
            ("item", number(self.item)),
            ("state", self.state.into()),
        ];
        parts.extend(self.receipt_id.as_deref().map(|id| ("receipt_id", Value::from(id))));
        members(parts)
    }

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.state {
            "completed" | "undone" => Tone::Good,
            "running" | "undoing" | "waiting" | "unknown" => Tone::Care,
            "not begun" => Tone::Dim,
            _ => Tone::Bad,
        };
        let item = if self.item > 0 { format!("[{}]", self.item) } else { String::new() };
        let attempt = if self.attempt > 1 { format!("attempt {}", self.attempt) } else { String::new() };
        let receipt = self.receipt_id.clone().unwrap_or_default();
        vec![plain(format!("  {}{item}", self.id)), cell(tone, self.state), plain(attempt), dim(receipt)]
    }
}

/// Every step of the spec in its order; of one that was tried, each attempt that says something of today.
fn steps(
    look: &Look<'_>,
    chain: &Chain,
    spec: &Spec,
    driven: &Driven,
    open: &[OpenAction],
) -> Result<Vec<Step>, Failure> {
    let running = running(look, chain, open)?;
    let mut all = Vec::new();
    for (at, step) in spec.steps.iter().enumerate() {
        let before = all.len();
        let tried = driven.attempts.iter().filter(|attempt| attempt.place.step == at);
        all.extend(tried.map(|attempt| ended(&step.id, attempt)));
        let runs = running.iter().filter(|runs| usize::try_from(runs.at) == Ok(at));
        all.extend(runs.map(|runs| Step {
            id: step.id.clone(),
            state: if runs.undoes { "undoing" } else { "running" },
            item: runs.item,
            attempt: runs.attempt,
            receipt_id: Some(runs.receipt_id.clone()),
        }));
        if all.len() == before {
            let id = step.id.clone();
            all.push(Step { id, state: "not begun", item: 0, attempt: 0, receipt_id: None });
        }
    }
    Ok(all)
}

fn ended(id: &str, attempt: &Attempt) -> Step {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Step {
        id: id.to_owned(),
        state: match (attempt.place.role, attempt.ended) {
            (Role::Compensation, "completed") => "undone",
            (_, ended) => ended,
        },
        item: number(attempt.place.item),
        attempt: u64::from(attempt.place.attempt),
        receipt_id: attempt.receipt_id.map(|id| id.to_string()),
    }
}

/// An attempt that has begun and has no end.
struct Running {
    at: u64,
    item: u64,
    attempt: u64,
    undoes: bool,
    receipt_id: String,
}

fn running(look: &Look<'_>, chain: &Chain, open: &[OpenAction]) -> Result<Vec<Running>, Failure> {
    let own = chain.receipt_id.to_string();
    let mut all = Vec::new();
    for action in open {
        let Some(record) = look::record(look.now, action.seq)? else { continue };
        let Some(step) = record.content("step") else { continue };
        if !record.refs().contains(&("chain", own.as_str())) {
            continue;
        }
        let number = |key: &str| step.member(key).and_then(Value::as_u64).unwrap_or_default();
        all.push(Running {
            at: number("at"),
            item: number("item"),
            attempt: number("attempt"),
            undoes: step.member("role").and_then(Value::as_str) == Some("compensation"),
            receipt_id: action.receipt_id.to_string(),
        });
    }
    Ok(all)
}

pub(super) fn schedules(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for schedule in look.moment.schedules()? {
        let stands = cron::Look::at(look.moment, schedule, look.at)?;
        let tone = match stands.state {
            "active" => Tone::Good,
            "paused" => Tone::Dim,
            "overdue" => Tone::Care,
            _ => Tone::Bad,
        };
        let next = stands.next.map_or_else(|| "never".to_owned(), |next| next.to_string());
        let cells =
            vec![cell(Tone::Bold, &stands.name), cell(tone, stands.state), dim(format!("next {next}"))];
        rows.push(Row::new(Value::Object(stands.members()), cells));
    }
    Ok(Section::list("schedules", "schedules", "none", rows))
}
