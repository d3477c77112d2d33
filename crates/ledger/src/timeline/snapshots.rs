//! Whole states at intervals, to build upon where a long way back leads past what can be undone.

use rusqlite::MAIN_DB;

use crate::fault::Fault;
use crate::store::Database;

/// Receipts between two snapshots of a chain that leaves room for more.
const APART_MIN: u64 = 8_192;
/// Bytes that all snapshots together may take.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Snapshots, the oldest first. The first is the state before the first receipt and stays.
#[derive(Debug)]
pub(super) struct Snapshots {
    taken: Vec<Snapshot>,
    pub(super) apart: u64,
    pub(super) bytes_max: usize,
}

#[derive(Debug)]
struct Snapshot {
    next: u64,
    bytes: Vec<u8>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { taken: Vec::new(), apart: APART_MIN, bytes_max: BYTES_MAX }
    }
}

impl Snapshots {
    /// The nearest snapshot that has not seen the receipt at `seq`.
    pub(super) fn before(&self, seq: u64) -> Option<u64> {
        self.taken.iter().rev().map(|taken| taken.next).find(|next| *next <= seq)
    }

    /// Takes one where the last is far enough behind. What grows too large is thinned out, and from then on taken at
    /// twice the interval.
    pub(super) fn take_if_due(&mut self, database: &mut Database, next: u64) -> Result<(), Fault> {
        if self.taken.last().is_some_and(|last| next < last.next.saturating_add(self.apart)) {
            return Ok(());
        }
        let bytes = database.conn.serialize(MAIN_DB).map(|data| data.to_vec());
        let bytes = database.at(bytes)?;
        self.taken.push(Snapshot { next, bytes });
        while self.taken.len() > 1 && self.bytes() > self.bytes_max {
            let mut index = 0;
            self.taken.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.apart = self.apart.saturating_mul(2);
            if self.taken.len() == 2 && self.bytes() > self.bytes_max {
                self.taken.truncate(1);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.taken.iter().map(|taken| taken.bytes.len()).sum()
    }

    /// Puts the snapshot taken before the receipt at `next` in the place of the state.
    pub(super) fn restore(&self, database: &mut Database, next: u64) -> Result<(), Fault> {
        let Some(taken) = self.taken.iter().find(|taken| taken.next == next) else {
            return Err(Fault::damaged(&database.path, "the snapshot is gone"));
        };
        database.conn.flush_prepared_statement_cache();
        let bytes = taken.bytes.as_slice();
        let restored = database.conn.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false);
        database.at(restored)
    }
}
