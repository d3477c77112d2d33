//! `spec cancel` and `spec settle`.

use cascade_kernel::workflow::{Place, Role};
use cascade_receipt::decision::Verdict;
use cascade_receipt::json::Value;
use cascade_runtime::workflow;
use clap::Args;

use super::run::{chain_id, driver};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{Painted, verdict_style};
use crate::{failures, output, place, reasons};

#[derive(Args, Debug)]
pub(super) struct Cancel {
    /// The run: the id of its `chain_started`
    #[arg(value_name = "ID")]
    id: String,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Settle {
    /// The run: the id of its `chain_started`
    #[arg(value_name = "ID")]
    id: String,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// Which item of its fan-out, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    item: usize,
    /// It took effect: the run goes on from there
    #[arg(long, required_unless_present = "did_not_happen", conflicts_with = "did_not_happen")]
    happened: bool,
    /// It did not take effect: it is tried again
    #[arg(long)]
    did_not_happen: bool,
    /// How you know, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn cancel(global: &Global, args: &Cancel) -> Exit {
    let ledger = place::ledger(global)?;
    let id = chain_id(&ledger, &args.id)?;
    let driver = driver(global, &ledger, args.reason.as_ref())?;
    let closed = workflow::cancel(&ledger, id, &driver).map_err(failures::workflow)?;
    if global.json {
        output::json(&Value::object([
            ("chain", id.to_string().into()),
            ("outcome", "aborted".into()),
            ("receipt_id", closed.receipt_id.to_string().into()),
        ]))?;
    } else {
        output::say(format_args!("run {id} is ended  receipt {}", closed.receipt_id));
    }
    Ok(exit::DONE)
}

pub(super) fn settle(global: &Global, args: &Settle) -> Exit {
    let ledger = place::ledger(global)?;
    let id = chain_id(&ledger, &args.id)?;
    let driver = driver(global, &ledger, args.reason.as_ref())?;
    let (spec, _) = workflow::spec_of(&ledger, id).map_err(failures::workflow)?;
    let at = spec.steps.iter().position(|step| step.id == args.step);
    let at = at.ok_or_else(|| {
        let known: Vec<&str> = spec.steps.iter().map(|step| step.id.as_str()).collect();
        Failure::usage(format!("there is no step `{}`", args.step))
            .hint(format!("there are {}", known.join(", ")))
    })?;
    let attempt = workflow::last_attempt(&ledger, id, (at, args.item)).map_err(failures::workflow)?;
    let place = Place { step: at, item: args.item, attempt, role: Role::Step };
    let pointed = workflow::settle(&ledger, id, place, args.happened, &driver).map_err(failures::workflow)?;
    let verdict = pointed.ruling.decision.verdict;
    let receipt = pointed.receipt.receipt_id;
    if global.json {
        output::json(&Value::object([
            ("receipt_id", receipt.to_string().into()),
            ("reasons", reasons::document(&pointed.ruling)),
            ("verdict", verdict.as_str().into()),
        ]))?;
    } else {
        output::say(format_args!("{}  receipt {receipt}", Painted(verdict_style(verdict), verdict)));
        for text in reasons::texts(&pointed.ruling) {
            output::say(format_args!("  {}", output::safe(&text)));
        }
        if verdict == Verdict::Admit {
            output::hint_line(format_args!("the run goes on with: cascade spec resume {id}"));
        }
    }
    Ok(match verdict {
        Verdict::Admit => exit::DONE,
        Verdict::Escalate => exit::WAITING,
        Verdict::Deny => exit::DENIED,
    })
}
