//! Ids of the receipts that the search index does not hold yet, so that no id is taken twice, and each is found.

use std::collections::HashMap;

use cascade_receipt::id::ReceiptId;
use rusqlite::Connection;

use crate::head::HeadRow;
use crate::segment::{Segment, line_id};

/// Every id from `from` to `through`. Kept by one writer or reader; other processes' receipts are read in.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    from: u64,
    through: u64,
    ids: HashMap<ReceiptId, u64>,
}

impl Tail {
    /// Reads in what was written since, by whomever. Bounded: the index takes over
    /// ([`crate::segment::index_if_due`]).
    pub(crate) fn follow(&mut self, conn: &Connection, row: &HeadRow) -> rusqlite::Result<()> {
        if self.from < row.indexed_through {
            // What the index holds by now is looked up there.
            self.ids.clear();
            self.from = row.indexed_through;
            self.through = row.indexed_through;
        }
        while self.through < row.head.next_seq {
            let Some(segment) = Segment::at_or_after(conn, self.through)? else { break };
            let lines = (segment.first_seq..).zip(segment.lines());
            self.ids.extend(lines.filter_map(|(seq, line)| Some((line_id(line)?, seq))));
            self.through = segment.first_seq + segment.count;
        }
        Ok(())
    }

    /// Adds the next receipt, once it has its place.
    pub(crate) fn push(&mut self, id: ReceiptId, seq: u64) {
        self.ids.insert(id, seq);
        self.through = seq + 1;
    }

    /// All of them with their places, in the order of the ids.
    pub(crate) fn sorted(&self) -> Vec<(ReceiptId, u64)> {
        let mut all: Vec<_> = self.ids.iter().map(|(id, seq)| (*id, *seq)).collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn place_of(&self, id: ReceiptId) -> Option<u64> {
        self.ids.get(&id).copied()
    }

    pub(crate) fn contains(&self, id: ReceiptId) -> bool {
        self.ids.contains_key(&id)
    }
}
