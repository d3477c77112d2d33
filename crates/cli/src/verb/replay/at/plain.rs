//! The place told once, as text or as one document, and the receipts on the way to it.

use std::collections::BTreeMap;

use cascade_ledger::{Reader, Timeline};
use cascade_receipt::json::Value;

use super::look::{self, Look};
use super::sheet::{self, Section, members, number};
use super::{change, receipt, state};
use crate::exit::Failure;
use crate::output::{self, BOLD, DIM, Painted};
use crate::verb::show;

/// Characters of a command.
const COMMAND_CHARS: usize = 60;

/// A receipt that was passed.
pub(super) struct Passed {
    seq: u64,
    receipt_id: String,
    kind: String,
    timestamp: String,
    command: String,
    changed: Section,
}

/// The receipt where the timeline is, and what it changed.
pub(super) fn passed(reader: &Reader, timeline: &Timeline<'_>) -> Result<Passed, Failure> {
    let look = Look::at(reader, timeline)?;
    let record = &look.record;
    Ok(Passed {
        seq: record.seq,
        receipt_id: record.text("receipt_id").to_owned(),
        kind: record.text("kind").to_owned(),
        timestamp: record.text("timestamp").to_owned(),
        command: look::command(reader, record)?.unwrap_or_default(),
        changed: change::section(&look)?,
    })
}

pub(super) fn print(look: &Look<'_>, passed: &[Passed]) -> Result<(), Failure> {
    for one in passed {
        let command = output::shortened(&one.command, COMMAND_CHARS);
        output::line(format_args!(
            "{}  seq {:<6} {:<18} {command}  {}",
            Painted(DIM, &one.timestamp),
            one.seq,
            Painted(BOLD, &one.kind),
            Painted(DIM, &one.receipt_id)
        ))?;
        for line in one.changed.lines() {
            let cells: Vec<&str> = line.iter().map(|cell| cell.text.as_str()).collect();
            output::line(format_args!("    {}", cells.join("  ").trim_end()))?;
        }
    }
    if !passed.is_empty() {
        output::line("")?;
    }
    let record = &look.record;
    let head = format!("as of {}, seq {}", record.text("receipt_id"), record.seq);
    output::line(Painted(BOLD, head))?;
    let mut sections = vec![receipt::section(look)?, receipt::decision(look)?, change::section(look)?];
    sections.extend(state::all(look)?);
    for section in &sections {
        output::line("")?;
        sheet::print(section)?;
    }
    Ok(())
}

pub(super) fn document(look: &Look<'_>, passed: &[Passed]) -> Result<Value, Failure> {
    let record = &look.record;
    let mut all = BTreeMap::from([
        (
            "as_of",
            place(record.seq, record.text("receipt_id"), record.text("kind"), record.text("timestamp")),
        ),
        ("changed", change::section(look)?.document()),
        ("decision", receipt::decision(look)?.document()),
        ("private", show::private(look.now, record)?),
        ("receipt", record.receipt.clone()),
        ("state", state::document(&state::all(look)?)),
    ]);
    if let Some(by) = record.erased_by(look.now)? {
        all.insert("erased_by", by.receipt_id.to_string().into());
    }
    if !passed.is_empty() {
        let one = |one: &Passed| {
            members([
                ("as_of", place(one.seq, &one.receipt_id, &one.kind, &one.timestamp)),
                ("changed", one.changed.document()),
                ("command", one.command.as_str().into()),
            ])
        };
        all.insert("passed", Value::Array(passed.iter().map(one).collect()));
    }
    if let Some(broken) = look.timeline.broken() {
        let parts = [
            ("code", Value::from(broken.code)),
            ("detail", broken.detail.as_str().into()),
            ("seq", number(broken.seq.unwrap_or_default())),
        ];
        all.insert("broken", members(parts));
    }
    Ok(members(all))
}

fn place(seq: u64, receipt_id: &str, kind: &str, timestamp: &str) -> Value {
    members([
        ("kind", kind.into()),
        ("receipt_id", receipt_id.into()),
        ("seq", number(seq)),
        ("timestamp", timestamp.into()),
    ])
}
