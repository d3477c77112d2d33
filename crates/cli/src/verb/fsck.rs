use cascade_receipt::json::Value;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{BAD, GOOD, Painted};
use crate::progress::Progress;
use crate::{again, output, place};

/// Prove what is on disk: databases, lines, views, vault, keys
///
/// `verify` checks the evidence as a stranger would; `fsck` also checks what only the owner can see.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade fsck
  cascade fsck --json")]
pub(crate) struct Fsck {}

pub(crate) fn run(global: &Global, _: &Fsck) -> Exit {
    let tenant = place::tenant(global)?;
    let home = cascade_ledger::Home::open(&place::home_dir(global)?).map_err(place::opening)?;
    let progress = Progress::new("checking", 0);
    let mut report =
        home.fsck(&tenant, &mut |done, total| progress.of(done, total)).map_err(place::opening)?;
    // What is on the disk may be whole and still be no evidence.
    if report.is_clean() {
        home.open_tenant_read_only(&tenant).map_err(place::opening)?.check_evidence(&mut report)?;
    }
    drop(progress);
    let pending = match home.open_tenant_read_only(&tenant) {
        Ok(reader) => reader.pending_erasures().unwrap_or_default(),
        // Named among the findings.
        Err(_) => Vec::new(),
    };
    let clean = report.findings.is_empty();
    if global.json {
        let findings = report.findings.iter().map(|finding| {
            Value::object([("code", finding.code.into()), ("detail", finding.detail.as_str().into())])
        });
        let pending = pending.iter().map(|id| id.to_string().into());
        output::json(&Value::object([
            ("clean", clean.into()),
            ("erasures_pending", Value::Array(pending.collect())),
            ("findings", Value::Array(findings.collect())),
            ("receipts", Value::Int(i64::try_from(report.receipts).unwrap_or(i64::MAX))),
        ]))?;
        return Ok(if clean { exit::DONE } else { exit::EVIDENCE });
    }
    for id in &pending {
        let next = again::runnable(&format!("`cascade erase {id}`"));
        output::say(format_args!("the erasure {id} is pending; {next} carries it on"));
    }
    if clean {
        output::line(format_args!(
            "{}: {} receipts, nothing damaged",
            Painted(GOOD, "clean"),
            report.receipts
        ))?;
    } else {
        output::line(format_args!("{}: {} finding(s)", Painted(BAD, "damaged"), report.findings.len()))?;
        for finding in &report.findings {
            output::line(format_args!("  {}  {}", finding.code, output::safe(&finding.detail)))?;
        }
        output::hint_line(
            "keep a copy of the whole home before anything else; `cascade export` still gives what can be read",
        );
    }
    Ok(if clean { exit::DONE } else { exit::EVIDENCE })
}
