//! What a person or a program is told of a run.

use cascade_kernel::csl::Spec;
use cascade_receipt::digest::Digest;
use cascade_runtime::workflow::{self, Driven, Progress, Standing};

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
        output::json(&workflow::document(spec, hash, driven))?;
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
