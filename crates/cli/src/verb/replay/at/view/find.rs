//! The next receipt that is meant.

use std::ops::ControlFlow;

use cascade_ledger::{Found, Reader};
use cascade_receipt::content::Rel;

use super::super::look;
use crate::exit::Failure;
use cascade_runtime::record::Record;

/// Receipts that are read at once on the way back.
const STEP: u64 = 512;

/// Which way to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Forward,
    Back,
}

/// The receipt of this id or place; or the next one after `at` of a kind that begins so, from the first on where there is
/// none behind.
pub(super) fn text(reader: &Reader, text: &str, at: u64, end: u64) -> Result<Option<u64>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(seq) = text.parse::<u64>() {
        return Ok(Some(seq).filter(|seq| *seq < end));
    }
    if let Found::One(_, seq, _) = reader.find(text)? {
        return Ok(Some(seq));
    }
    // A quote would end the text that is looked for.
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(None);
    }
    let begins = format!("\"kind\":\"{}", text.to_ascii_lowercase());
    let is_meant = |line: &str| {
        line.contains(&begins)
            && Record::parse(0, line)
                .is_some_and(|record| record.text("kind").starts_with(&text.to_ascii_lowercase()))
    };
    match forward(reader, at + 1, end, &is_meant)? {
        Some(seq) => Ok(Some(seq)),
        None => forward(reader, 0, at + 1, &is_meant),
    }
}

/// The next receipt of the same run, or else of the same action, as that at `at`.
pub(super) fn same(reader: &Reader, at: u64, end: u64, way: Way) -> Result<Option<u64>, Failure> {
    let Some(record) = look::record(reader, at)? else { return Ok(None) };
    let keys = keys(&record);
    let is_meant = |line: &str| keys.iter().any(|key| line.contains(key.as_str()));
    match way {
        Way::Forward => forward(reader, at + 1, end, &is_meant),
        Way::Back => back(reader, at, &is_meant),
    }
}

/// What every receipt of the run holds; or, of an action, each of its receipts one of these.
fn keys(record: &Record) -> Vec<String> {
    let refs = record.refs();
    if record.text("kind") == "chain_started" {
        return vec![record.text("receipt_id").to_owned()];
    }
    if let Some((_, chain)) = refs.iter().find(|(rel, _)| *rel == Rel::Chain.as_str()) {
        return vec![(*chain).to_owned()];
    }
    let same = [Rel::Intent, Rel::DryRun, Rel::Escalation, Rel::Approval].map(Rel::as_str);
    let named = refs.iter().filter(|(rel, _)| same.contains(rel)).map(|(_, id)| (*id).to_owned());
    let own = [record.text("receipt_id"), record.text("action_hash")];
    let own = own.into_iter().filter(|key| !key.is_empty()).map(str::to_owned);
    named.chain(own).collect()
}

fn forward(
    reader: &Reader,
    from: u64,
    end: u64,
    is_meant: &dyn Fn(&str) -> bool,
) -> Result<Option<u64>, Failure> {
    let mut from = from;
    while from < end {
        let to = end.min(from.saturating_add(STEP));
        if let ControlFlow::Break(seq) = span(reader, from..to, is_meant)? {
            return Ok(Some(seq));
        }
        from = to;
    }
    Ok(None)
}

fn back(reader: &Reader, before: u64, is_meant: &dyn Fn(&str) -> bool) -> Result<Option<u64>, Failure> {
    let mut end = before;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut last = None;
        for line in reader.lines(start..end) {
            // Behind damage others may be meant: what is before it in the span was seen.
            let Ok(line) = line else { break };
            if is_meant(&line.text) {
                last = Some(line.seq);
            }
        }
        if last.is_some() {
            return Ok(last);
        }
        end = start;
    }
    Ok(None)
}

/// The first that is meant among these.
fn span(
    reader: &Reader,
    seqs: std::ops::Range<u64>,
    is_meant: &dyn Fn(&str) -> bool,
) -> Result<ControlFlow<u64>, Failure> {
    for line in reader.lines(seqs) {
        let line = line?;
        if is_meant(&line.text) {
            return Ok(ControlFlow::Break(line.seq));
        }
    }
    Ok(ControlFlow::Continue(()))
}
