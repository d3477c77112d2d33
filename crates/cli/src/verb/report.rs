//! `cascade report`: one page about what was governed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use cascade_audit::control::{self, Bounds, Period, View};
use cascade_audit::replay::{Tally, Under};
use cascade_audit::report::{Drift, Given, Report};
use cascade_ledger::Reader;
use cascade_receipt::time::Timestamp;
use cascade_runtime::{policy_store, replay};
use cascade_verify::inputs::Inputs;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::progress::Progress;
use crate::verb::audit::{self, source::Source};
use crate::{failures, outfile, output, place, when};

/// One page for people who were not there: what ran, what was stopped, who approved, what drifted, what is not provable
///
/// The chain is verified, its decisions are made again, and the controls of the declared packs are asked. The page has no
/// scripts, loads nothing, prints well, and names the receipts behind its figures.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade report --out report.html
  cascade report --since 2026-10-01 --until 2026-11-01 --out october.html
  cascade report --pack soc2 --file ledger.receipts.jsonl --public-key key.pem --out report.html
  cascade report --since 7d --json")]
pub(crate) struct ReportArgs {
    /// Only what happened since: a moment, a date, or how long ago (`30d`) [default: all]
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    since: Option<Timestamp>,
    /// Only what happened before [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    until: Option<Timestamp>,
    /// Ask the controls of this pack as well; may be repeated [default: the packs that the tenant has declared]
    #[arg(long, value_name = "PACK")]
    pack: Vec<String>,
    /// Report on this exported ledger, with nothing private [default: the local chain, with its vault]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Do not make decisions again
    #[arg(long)]
    no_replay: bool,
    /// File for the page [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
}

pub(crate) fn run(global: &Global, args: &ReportArgs) -> Exit {
    if args.out.is_none() && !global.json && std::io::stdout().is_terminal() {
        return Err(Failure::usage("the page is for a browser: name a file with --out report.html"));
    }
    let period = audit::period(args.since, args.until)?;
    let source = Source::open(global, args.file.as_deref())?;
    let verdict = source.verdict(&args.inputs)?;
    let mut view = source.view(&verdict)?;
    view.close(&verdict, period, Bounds::default())?;
    let audits = audits(args, &view, period, &verdict)?;
    let reader = args.file.is_none().then(|| place::reader(global)).transpose()?;
    let names = reader.as_ref().map(names).transpose()?.unwrap_or_default();
    let drift =
        reader.as_ref().filter(|_| !args.no_replay).map(|reader| drift(reader, period)).transpose()?;
    let drift = drift.as_ref().map(|(then, now, policy)| Drift { then, now, policy });
    let given = Given { period, verdict: &verdict, names: &names, drift, audits: &audits };
    let report = Report::of(&view, given)?;
    if let Some(path) = &args.out {
        outfile::write(path, outfile::OWN, report.to_html().as_bytes())?;
        output::say(format_args!("wrote {}", path.display()));
    }
    if global.json {
        output::json(&report.to_json())?;
    } else if args.out.is_none() {
        output::bytes(report.to_html().as_bytes())?;
    }
    Ok(exit::DONE)
}

/// The controls of the packs that were asked for, or else of those declared that have any.
fn audits(
    args: &ReportArgs,
    view: &View,
    period: Period,
    verdict: &cascade_receipt::verify::Verdict,
) -> Result<Vec<control::Report>, Failure> {
    let declared: BTreeSet<String> = view.declared()?.into_iter().collect();
    let known = |name: &&String| control::builtin_text(name).is_some();
    let names: Vec<String> = if args.pack.is_empty() {
        declared.iter().filter(known).cloned().collect()
    } else {
        args.pack.clone()
    };
    let asked = |name: &String| {
        Ok(control::Report::of(view, audit::chosen::controls(name)?, period, verdict.clone()))
    };
    names.iter().map(asked).collect()
}

fn names(reader: &Reader) -> Result<BTreeMap<String, String>, Failure> {
    Ok(reader.names()?.into_iter().map(|(id, name)| (id.to_string(), name.name)).collect())
}

/// The decisions of the period under the policy of then, and under the one in force and what that is called.
fn drift(reader: &Reader, period: Period) -> Result<(Tally, Tally, String), Failure> {
    let moment = |ms: i64| Timestamp::from_ms(u64::try_from(ms).unwrap_or_default());
    let start = replay::first_since(reader, moment(period.since))?;
    let end = replay::first_since(reader, moment(period.until))?.max(start);
    let policy = reader.policy_in_force()?.0;
    let current = Arc::new(policy_store::load(reader, &policy)?);
    let progress = Progress::new("deciding again", (end - start) * 2);
    let scan = |under: &Under, done: u64| {
        replay::scan(reader, start..end, under, |own| progress.set(done + own)).map_err(failures::replay)
    };
    let then = scan(&Under::Then, 0)?;
    Ok((then, scan(&Under::Candidate(current), end - start)?, policy.version))
}
