//! The audit for people.

use cascade_audit::control::{ControlResult, Outcome, Report};
use cascade_receipt::time::Timestamp;

use crate::exit::Failure;
use crate::output::{self, BAD, CARE, DIM, GOOD, Painted, Style, safe};

/// Findings of one control that are told; all are in `--json`.
const TOLD_MAX: usize = 20;

pub(super) fn tell(report: &Report) -> Result<(), Failure> {
    let (pack, verdict) = (&report.controls.pack, &report.verdict);
    let until = when(report.period.until - 1);
    let since =
        if report.period.since > 0 { format!("from {} ", when(report.period.since)) } else { String::new() };
    output::line(format_args!("{pack}: {} receipts, {since}to {until}", verdict.receipts()))?;
    for result in &report.audit.results {
        let (word, style) = word(result.outcome);
        let criteria = result.control.criteria.join(", ");
        output::line(format_args!(
            "  {:<14} {:<28} {:<18} {}",
            Painted(style, word),
            safe(&result.control.id),
            safe(&criteria),
            safe(&result.control.title)
        ))?;
    }
    for result in &report.audit.results {
        details(result)?;
    }
    output::line(format_args!("\n{}", Painted(DIM, "what this chain does not prove")))?;
    for one in verdict.not_proven() {
        output::line(format_args!("  {}", safe(&one)))?;
    }
    Ok(())
}

fn when(ms: i64) -> Timestamp {
    Timestamp::from_ms(u64::try_from(ms).unwrap_or_default())
}

const fn word(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Satisfied => ("satisfied", GOOD),
        Outcome::NotApplicable => ("not applicable", DIM),
        Outcome::NotProvable => ("not provable", CARE),
        Outcome::Violated => ("violated", BAD),
        Outcome::Failed => ("failed to run", BAD),
    }
}

/// What was found, what cannot be said, and what somebody does next.
fn details(result: &ControlResult) -> Result<(), Failure> {
    let control = &result.control;
    if let Some(fault) = &result.fault {
        output::line(format_args!("\n{} gave no answer: {}", safe(&control.id), safe(&fault.to_string())))?;
    }
    for (what, all) in [("violated", &result.findings), ("not provable", &result.unprovable)] {
        if all.is_empty() {
            continue;
        }
        let count = if result.more { format!("{} or more", all.len()) } else { all.len().to_string() };
        output::line(format_args!(
            "\n{} {what}, {count}, severity {}",
            safe(&control.id),
            control.severity.as_str()
        ))?;
        for one in all.iter().take(TOLD_MAX) {
            let ids: Vec<&str> = one.receipts.iter().map(|(_, id)| id.as_str()).collect();
            output::line(format_args!("  {}  {}", safe(&one.summary), ids.join(" ")))?;
        }
        if all.len() > TOLD_MAX {
            output::line(format_args!("  and {} more: --json", all.len() - TOLD_MAX))?;
        }
        output::line(format_args!("  next: {}", safe(&control.next)))?;
    }
    Ok(())
}
