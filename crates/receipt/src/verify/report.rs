//! A verdict as text for people.

use alloc::string::String;
use core::fmt::Write as _;

use crate::verify::verdict::{Outcome, Verdict};

/// The verdict in a few lines, without colour codes. The first line begins with `valid` or
/// `INVALID`, so that a caller can colour that word.
#[must_use]
pub fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let written = write(&mut out, verdict);
    debug_assert!(written.is_ok());
    out
}

fn write(out: &mut String, verdict: &Verdict) -> core::fmt::Result {
    let receipts = verdict.receipts();
    let bad = verdict.timestamps().iter().find_map(|stamp| stamp.fault.as_ref());
    match (verdict.fault(), bad) {
        (None, Some(bad)) => writeln!(out, "INVALID time stamp: {} ({})", bad.detail, bad.code)?,
        (None, None) if verdict.of_bundle() => {
            writeln!(out, "valid: a bundle of {receipts} receipts, every proof and signature checked")?;
        }
        (None, None) => writeln!(out, "valid: {receipts} receipts, every link and signature checked")?,
        (Some(fault), _) => writeln!(
            out,
            "INVALID at receipt {}: {} ({}; {})",
            fault.seq,
            fault.code.meaning(),
            fault.code.as_str(),
            fault.detail
        )?,
    }
    if let Some(head) = verdict.head() {
        let word = match (verdict.valid(), verdict.of_bundle()) {
            (true, false) => "head",
            (true, true) => "last",
            (false, _) => "read up to",
        };
        writeln!(out, "  {word}  receipt {} {}", head.seq, head.entry_hash)?;
    }
    let pinned = if verdict.key_pinned() { "the one given" } else { "the chain's own (none was given)" };
    writeln!(out, "  key  {pinned}")?;
    if let Some(through) = verdict.anchored_through() {
        writeln!(out, "  anchored  through receipt {through}")?;
    }
    for stamp in verdict.timestamps() {
        let which = stamp.sha256;
        match (&stamp.fault, stamp.size, stamp.time) {
            (None, Some(size), Some(time)) => {
                writeln!(out, "  time stamp  {size} receipts existed before {time} (token {which})")?;
            }
            (Some(fault), ..) => {
                writeln!(
                    out,
                    "  time stamp  does not count: {} ({}; token {which})",
                    fault.detail, fault.code
                )?;
            }
            _ => writeln!(out, "  time stamp  not reached (token {which})")?,
        }
    }
    out.push_str("  checks ");
    for result in verdict.checks() {
        let mark = match result.outcome {
            Outcome::Pass => "ok",
            Outcome::Fail => "FAIL",
            Outcome::NotReached => "not reached",
            Outcome::NotAsked => continue,
        };
        write!(out, " {} {mark},", result.check.as_str())?;
    }
    if out.ends_with(',') {
        out.truncate(out.len() - 1);
    }
    out.push('\n');
    write_open(out, verdict)?;
    out.push_str("not proven\n");
    for line in verdict.not_proven() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// What has begun and not ended.
fn write_open(out: &mut String, verdict: &Verdict) -> core::fmt::Result {
    for open in verdict.open() {
        writeln!(out, "  open  {} (receipt {}): started, no outcome yet", open.receipt_id, open.seq)?;
    }
    for open in verdict.open_chains() {
        writeln!(out, "  open  {} (receipt {}): a workflow, not ended yet", open.receipt_id, open.seq)?;
    }
    Ok(())
}
