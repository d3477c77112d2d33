//! `cron add`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cascade_kernel::csl::Document;
use cascade_kernel::schedule::{CatchUp, Overlap, Rules, Timing, TimingFault};
use cascade_receipt::json::Value;
use cascade_runtime::cron::{self, Change, Definition, Work};
use cascade_runtime::workflow::Sub;
use clap::Args;

use super::change::told;
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::verb::spec::{self, inputs, inputs::Given};
use crate::{failures, output, place};

#[derive(Args, Debug)]
pub(super) struct Add {
    /// What it is called: lower-case letters, digits, `-` and `_`, a letter first
    #[arg(value_name = "NAME")]
    name: String,
    /// When it is due: minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "EXPR")]
    at: String,
    /// By the clock of this time zone
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// What happens with times that no scheduler saw: none of them runs, the latest does, or all do (100 at most)
    #[arg(long, value_name = "POLICY", default_value = "none", value_parser = ["none", "latest", "all"])]
    catch_up: String,
    /// When it is due while it still runs: skip it, queue it, or allow both
    #[arg(long, value_name = "POLICY", default_value = "skip", value_parser = ["skip", "queue", "allow"])]
    overlap: String,
    /// Fire up to this much later than due, the same each time for the same time: `30s`, `5m`, an hour at most
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    jitter: Option<Duration>,
    /// Run this spec, as it is now; its signature stands beside it, as FILE.sig
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    spec: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Add what was approved: the id of its escalation
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
    /// Program and arguments; never goes through a shell
    #[arg(last = true, required_unless_present = "spec", value_name = "CMD")]
    command: Vec<OsString>,
}

pub(super) fn run(global: &Global, args: &Add) -> Exit {
    let rules = rules(args)?;
    if !cron::is_name(&args.name) {
        let told = format!("`{}` is no name for a schedule", output::safe(&args.name));
        return Err(
            Failure::usage(told).hint("at most 64 lower-case letters, digits, `-` and `_`, a letter first")
        );
    }
    let cwd = std::env::current_dir()?;
    if cwd.to_str().is_none() {
        return Err(Failure::usage("the name of this directory is not UTF-8")
            .hint("add it from a directory whose name is"));
    }
    let (work, spec) = work(args)?;
    let definition = Definition { name: args.name.clone(), rules, cwd, work };
    let ledger = place::ledger(global)?;
    let driver = spec::driver(global, &ledger, args.reason.as_ref())?;
    let what = Change::Add(&definition, spec);
    let changed = cron::change(&ledger, &what, &driver, args.approval.as_deref()).map_err(failures::cron)?;
    told(global, (&args.name, changed.receipt.receipt_id), &changed, "added")
}

fn rules(args: &Add) -> Result<Rules, Failure> {
    let timing = Timing::parse(&args.at, &args.zone).map_err(|fault| no_timing(args, &fault))?;
    let (Some(catch_up), Some(overlap)) = (CatchUp::parse(&args.catch_up), Overlap::parse(&args.overlap))
    else {
        return Err(Failure::usage("no such policy").hint("`cascade cron add --help` names them"));
    };
    let jitter_ms = args.jitter.map_or(0, |jitter| u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX));
    Rules::new(timing, catch_up, overlap, jitter_ms).map_err(|fault| {
        Failure::usage(fault).hint("`--overlap queue` or `--overlap allow` goes with `--catch-up all`")
    })
}

/// What is wrong with an expression is told with its line and column, as of a spec.
fn no_timing(args: &Add, fault: &TimingFault) -> Failure {
    let message = output::safe(&fault.message);
    let Some(column) = fault.column else {
        return Failure::usage(message)
            .hint("zones are named as in the IANA database: `Europe/Berlin`, `America/New_York`, `UTC`");
    };
    let place = Value::object([
        ("column", Value::Int(i64::try_from(column).unwrap_or(i64::MAX))),
        ("file", "--at".into()),
        ("line", Value::Int(1)),
        ("message", fault.message.as_str().into()),
    ]);
    let told = format!("`{}` is no schedule\n--at:1:{column}: {message}", output::safe(&args.at));
    Failure {
        faults: vec![place],
        ..Failure::usage(told)
            .hint("minute, hour, day of the month, month, day of the week: '30 4 * * mon-fri'")
    }
}

/// A spec, and those that its steps run.
type Specs = (Arc<Document>, Vec<Sub>);

/// What is to run, and the spec where it is one, with those that its steps run.
fn work(args: &Add) -> Result<(Work, Option<Specs>), Failure> {
    let Some(file) = &args.spec else {
        let words = args.command.iter().map(|word| word.to_str().map(str::to_owned));
        let words: Option<Vec<String>> = words.collect();
        let words = words.ok_or_else(|| {
            Failure::usage("a word of the command is not UTF-8")
                .hint("put it into a script, and schedule that")
        })?;
        return Ok((Work::Command(words), None));
    };
    let document = spec::read(file)?;
    let given = args.given.read(&document)?;
    let inputs = document.inputs(&given).map_err(|faults| inputs::wrong(faults.join("; "), &document))?;
    let work = Work::Spec { spec_hash: document.hash(), inputs, signature: spec::signature(file)? };
    let subs = spec::subs::of(file, &document)?;
    Ok((work, Some((Arc::new(document), subs))))
}
