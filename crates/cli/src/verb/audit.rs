//! `cascade audit`: a chain held against the controls of a pack.

pub(in crate::verb) mod chosen;
mod evidence;
pub(in crate::verb) mod source;
mod text;

use std::path::PathBuf;

use cascade_audit::control::{Bounds, Period, Report};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_verify::inputs::Inputs;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{outfile, output, when};

/// Hold the chain against the controls of a compliance pack
///
/// Each control is satisfied, violated with the receipts that show it, not applicable, or not provable from this chain.
/// The chain is verified first; a damaged one is audited before and behind the break. What a control asks, and what it
/// takes as evidence, stands in `controls.toml` of the pack.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade audit --pack soc2
  cascade audit --pack soc2 --since 2026-01-01 --until 2026-04-01 --json
  cascade audit --pack ./acme --check
  cascade audit --pack soc2 --html --out soc2.html --bundle evidence.bundle
  cascade audit --pack soc2 --file ledger.receipts.jsonl --public-key key.pem

Exit codes: 0 audited, 1 could not; with --check 6 unless every control that applies is satisfied and the chain is
whole.")]
pub(crate) struct AuditArgs {
    /// A pack that comes with Cascade, or the directory of one of your own
    #[arg(long, value_name = "PACK")]
    pack: String,
    /// Only what happened from here on: 2026-01-01, or a time as receipts have it [default: all]
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    since: Option<Timestamp>,
    /// Only what happened before [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    until: Option<Timestamp>,
    /// Audit this exported ledger or bundle, with nothing private but what a bundle discloses [default: the local chain, with its vault]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// One HTML page, to be read and printed
    #[arg(long, conflicts_with = "oscal")]
    html: bool,
    /// OSCAL assessment results
    #[arg(long)]
    oscal: bool,
    /// File for the report, JSON unless --html or --oscal [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Put the receipts of all findings, with the actions they belong to, into a bundle for an outsider
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    bundle: Option<PathBuf>,
    /// Exit with 6 unless every control that applies is satisfied and the chain is whole
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    inputs: Inputs,
}

pub(crate) fn run(global: &Global, args: &AuditArgs) -> Exit {
    let controls = chosen::controls(&args.pack)?;
    let period = period(args.since, args.until)?;
    let source = source::Source::open(global, args.file.as_deref())?;
    let verdict = source.verdict(&args.inputs)?;
    let mut view = source.view(&verdict)?;
    view.close(&verdict, period, Bounds::default())?;
    let report = Report::of(&view, controls, period, verdict);
    if let Some(text) = written(global, args, &report) {
        match &args.out {
            Some(path) => outfile::write(path, outfile::OWN, text.as_bytes())?,
            None if args.html => output::bytes(text.as_bytes())?,
            None => output::json_text(text.trim_end())?,
        }
    } else {
        text::tell(&report)?;
    }
    if let Some(path) = &args.bundle {
        evidence::bundle(global, &report, path)?;
    }
    Ok(if args.check && !report.is_clean() { exit::FINDINGS } else { exit::DONE })
}

/// The report as a file for others; `None` where people read it here.
fn written(global: &Global, args: &AuditArgs, report: &Report) -> Option<String> {
    let line = |value: &Value| format!("{}\n", value.to_canonical());
    match (args.html, args.oscal) {
        (true, _) => Some(report.to_html()),
        (_, true) => Some(line(&report.to_oscal())),
        _ => (global.json || args.out.is_some()).then(|| line(&report.to_json())),
    }
}

/// The time that is asked about.
pub(in crate::verb) fn period(since: Option<Timestamp>, until: Option<Timestamp>) -> Result<Period, Failure> {
    let ms = |time: Timestamp| i64::try_from(time.ms()).unwrap_or(i64::MAX);
    let now = ms(cascade_runtime::facts::now());
    let since = since.map_or(0, ms);
    // What happened this very moment has happened.
    let until = until.map_or(now + 1, ms);
    if since >= until {
        return Err(Failure::usage("the period ends before it begins"));
    }
    Ok(Period { since, until, now })
}
