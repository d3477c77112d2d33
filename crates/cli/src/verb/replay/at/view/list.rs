//! The receipts around the place, a line each.

use std::collections::BTreeMap;

use cascade_ledger::Reader;

use super::super::look;
use super::super::sheet::{Cell, Tone, cell, dim, plain};
use crate::exit::Failure;

/// Lines that are kept.
const KEPT_MAX: usize = 2_048;

/// Lines that were read, and where the window begins.
#[derive(Default)]
pub(super) struct List {
    lines: BTreeMap<u64, Vec<Cell>>,
    top: u64,
}

impl List {
    /// The lines of a window of `height` rows in which the place is seen, with their places.
    pub(super) fn window(
        &mut self,
        reader: &Reader,
        at: u64,
        end: u64,
        height: u64,
    ) -> Vec<(u64, Vec<Cell>)> {
        if at < self.top {
            self.top = at;
        } else if at >= self.top.saturating_add(height) {
            self.top = at.saturating_sub(height.saturating_sub(1));
        }
        self.top = self.top.min(end.saturating_sub(height));
        if self.lines.len() > KEPT_MAX {
            self.lines.clear();
        }
        let places = self.top..end.min(self.top.saturating_add(height));
        places.map(|seq| (seq, self.line(reader, seq))).collect()
    }

    fn line(&mut self, reader: &Reader, seq: u64) -> Vec<Cell> {
        if let Some(line) = self.lines.get(&seq) {
            return line.clone();
        }
        let line = read(reader, seq).unwrap_or_else(|_| vec![cell(Tone::Bad, "(unreadable)")]);
        self.lines.insert(seq, line.clone());
        line
    }
}

fn read(reader: &Reader, seq: u64) -> Result<Vec<Cell>, Failure> {
    let Some(record) = look::record(reader, seq)? else { return Ok(vec![cell(Tone::Bad, "(unreadable)")]) };
    let tone = match record.verdict() {
        "deny" => Tone::Bad,
        "escalate" => Tone::Care,
        "admit" => Tone::Good,
        _ => Tone::Plain,
    };
    let command = look::command(reader, &record)?;
    let about = match command {
        Some(command) => plain(command),
        None => dim(record.refs().first().map(|(rel, id)| format!("{rel} {id}")).unwrap_or_default()),
    };
    Ok(vec![cell(tone, format!("{:<16}", record.text("kind"))), about])
}
