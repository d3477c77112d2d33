//! What a person or a program is told of a run.

use std::collections::BTreeMap;

use cascade_kernel::csl::Spec;
use cascade_kernel::workflow::Role;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_runtime::workflow::{Attempt, Driven, Progress, Standing};

use super::run::{name_of, waiting};
use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{BAD, CARE, DIM, GOOD, Painted, Style};
use crate::verb::shell_check;
use crate::{output, reasons};
use cascade_receipt::id::ReceiptId;

/// Tells a person how a run goes, on stderr.
pub(super) struct Teller<'a> {
    spec: &'a Spec,
    quiet: bool,
    /// The run, once it has begun.
    pub(super) begun: Option<ReceiptId>,
}

impl<'a> Teller<'a> {
    pub(super) const fn new(global: &Global, spec: &'a Spec) -> Self {
        Self { spec, quiet: global.json, begun: None }
    }

    pub(super) fn hear(&mut self, progress: Progress) {
        if let Progress::Begun(id) = progress {
            self.begun = Some(id);
        }
        if self.quiet {
            return;
        }
        match progress {
            Progress::Begun(id) => output::say(format_args!("run {id}")),
            Progress::Starts(_) => {}
            Progress::Ended(attempt) => {
                let receipt = attempt.receipt_id.map(|id| id.to_string()).unwrap_or_default();
                output::say(format_args!(
                    "{:<11} {}  {}",
                    Painted(style_of(attempt.ended), attempt.ended),
                    output::safe(&name_of(self.spec, &attempt)),
                    Painted(DIM, receipt)
                ));
                for reason in &attempt.reasons {
                    output::say(format_args!("  {}", output::safe(reasons::code_text(reason))));
                }
            }
        }
    }
}

fn style_of(ended: &str) -> Style {
    match ended {
        "completed" | "admit" => GOOD,
        "waiting" | "escalate" | "unknown" => CARE,
        "skipped" | "at run time" => DIM,
        _ => BAD,
    }
}

const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Blocked => "blocked",
        Standing::Escalated => "escalated",
        Standing::Rehearsed => "dry_run",
        Standing::Completed => "completed",
        Standing::Aborted => "aborted",
        Standing::Waits => "waiting",
    }
}

fn code(driven: &Driven) -> u8 {
    let refused = |code: &String| matches!(code.as_str(), "step.refused" | "cancelled");
    match driven.standing {
        Standing::Completed => exit::DONE,
        Standing::Escalated | Standing::Waits => exit::WAITING,
        Standing::Blocked => exit::DENIED,
        Standing::Aborted if driven.reasons.iter().any(refused) => exit::DENIED,
        Standing::Aborted => exit::COULD_NOT,
        Standing::Rehearsed => {
            let own = driven.ruling.as_ref().map(|ruling| shell_check::code(ruling.decision.verdict));
            let steps = driven.attempts.iter().map(|attempt| match attempt.ended {
                "deny" => exit::DENIED,
                "escalate" => exit::WAITING,
                _ => exit::DONE,
            });
            let all: Vec<u8> = own.into_iter().chain(steps).collect();
            if all.contains(&exit::DENIED) {
                exit::DENIED
            } else {
                all.into_iter().max().unwrap_or(exit::DONE)
            }
        }
    }
}

pub(super) fn told(global: &Global, spec: &Spec, hash: &Digest, driven: &Driven) -> Exit {
    if global.json {
        output::json(&document(spec, hash, driven))?;
    } else {
        people(spec, driven)?;
    }
    Ok(code(driven))
}

fn people(spec: &Spec, driven: &Driven) -> std::io::Result<()> {
    if let (Some(ruling), Standing::Blocked | Standing::Escalated | Standing::Rehearsed) =
        (&driven.ruling, driven.standing)
    {
        let verdict = ruling.decision.verdict;
        output::say(format_args!(
            "{} {}: {}",
            spec.name,
            output::safe(&spec.version),
            Painted(output::verdict_style(verdict), verdict)
        ));
        for text in reasons::texts(ruling) {
            output::say(format_args!("  {}", output::safe(&text)));
        }
    }
    for (name, value) in &driven.outputs {
        output::line(format_args!("{name}={}", output::safe(value)))?;
    }
    let last = driven.receipts.last().map(|id| id.to_string()).unwrap_or_default();
    match driven.standing {
        Standing::Completed => output::say(format_args!("{}  receipt {last}", Painted(GOOD, "completed"))),
        Standing::Aborted => {
            let why: Vec<&str> = driven.reasons.iter().map(|code| reasons::code_text(code)).collect();
            output::say(format_args!("{}: {}  receipt {last}", Painted(BAD, "aborted"), why.join("; ")));
        }
        Standing::Escalated => {
            output::say(format_args!("receipt {last}"));
            output::hint_line(format_args!("somebody eligible runs: cascade approve {last}"));
        }
        Standing::Blocked | Standing::Rehearsed => output::say(format_args!("receipt {last}")),
        Standing::Waits => waits(spec, driven),
    }
    Ok(())
}

fn waits(spec: &Spec, driven: &Driven) {
    let chain = driven.chain.map(|id| id.to_string()).unwrap_or_default();
    output::say(format_args!("{}  run {chain}", Painted(CARE, "waiting")));
    for id in waiting(driven).filter_map(|attempt| attempt.receipt_id) {
        output::hint_line(format_args!("somebody eligible runs: cascade approve {id}"));
    }
    for place in &driven.unknown {
        let id = spec.steps.get(place.step).map_or("?", |step| step.id.as_str());
        let item = if place.item > 0 { format!(" --item {}", place.item) } else { String::new() };
        output::say(format_args!("nobody knows what became of `{id}`{item}"));
        output::hint_line(format_args!(
            "look, then say: cascade spec settle {chain} {id}{item} --happened, or --did-not-happen"
        ));
    }
    output::hint_line(format_args!("then: cascade spec resume {chain}"));
}

fn document(spec: &Spec, hash: &Digest, driven: &Driven) -> Value {
    let texts = |all: &[String]| Value::Array(all.iter().map(|one| one.as_str().into()).collect());
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let mut members = BTreeMap::from([
        ("outcome".to_owned(), word(driven.standing).into()),
        ("name".to_owned(), spec.name.as_str().into()),
        ("version".to_owned(), spec.version.as_str().into()),
        ("spec_hash".to_owned(), hash.to_hex().into()),
        ("reasons".to_owned(), texts(&driven.reasons)),
        (
            "receipts".to_owned(),
            Value::Array(driven.receipts.iter().map(|id| id.to_string().into()).collect()),
        ),
        ("steps".to_owned(), Value::Array(driven.attempts.iter().map(|one| attempt(spec, one)).collect())),
        (
            "outputs".to_owned(),
            Value::Object(
                driven.outputs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
            ),
        ),
        (
            "counts".to_owned(),
            Value::object([
                ("completed", number(driven.count.completed)),
                ("failed", number(driven.count.failed)),
                ("skipped", number(driven.count.skipped)),
                ("unknown", number(driven.count.unknown)),
            ]),
        ),
    ]);
    if let Some(id) = driven.receipts.last() {
        members.insert("receipt_id".to_owned(), id.to_string().into());
    }
    if let Some(id) = driven.chain {
        members.insert("chain".to_owned(), id.to_string().into());
    }
    if let Some(ruling) = &driven.ruling {
        members.insert("verdict".to_owned(), ruling.decision.verdict.as_str().into());
        members.insert("decision_reasons".to_owned(), reasons::document(ruling));
    }
    let unknown = driven.unknown.iter().map(|place| {
        let id = spec.steps.get(place.step).map_or("?", |step| step.id.as_str());
        Value::object([("id", id.into()), ("item", number(u64::try_from(place.item).unwrap_or(u64::MAX)))])
    });
    members.insert("unknown".to_owned(), Value::Array(unknown.collect()));
    Value::Object(members)
}

fn attempt(spec: &Spec, attempt: &Attempt) -> Value {
    let place = attempt.place;
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let id = spec.steps.get(place.step).map_or("?", |step| step.id.as_str());
    let mut members = BTreeMap::from([
        ("id".to_owned(), id.into()),
        ("item".to_owned(), number(place.item)),
        ("attempt".to_owned(), Value::Int(i64::from(place.attempt))),
        ("status".to_owned(), attempt.ended.into()),
        (
            "reasons".to_owned(),
            Value::Array(attempt.reasons.iter().map(|code| code.as_str().into()).collect()),
        ),
    ]);
    let role = match place.role {
        Role::Step => None,
        Role::Compensation => Some("compensation"),
        Role::Reconciler => Some("reconciler"),
    };
    if let Some(role) = role {
        members.insert("role".to_owned(), role.into());
    }
    if let Some(id) = attempt.receipt_id {
        members.insert("receipt_id".to_owned(), id.to_string().into());
    }
    if let Some(code) = attempt.exit_code {
        members.insert("exit_code".to_owned(), Value::Int(code));
    }
    Value::Object(members)
}
