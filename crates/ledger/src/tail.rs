//! Ids of the receipts that the search index does not hold yet, so that no id is taken twice.

use std::collections::HashSet;

use cascade_receipt::id::ReceiptId;
use rusqlite::Connection;

use crate::head::HeadRow;
use crate::segment::{Segment, line_id};

/// Every id from `from` to `through`. Kept by one writer; other processes' receipts are read in.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    from: u64,
    through: u64,
    ids: HashSet<ReceiptId>,
}

impl Tail {
    /// Reads in what was written since, by whomever. Bounded: the index takes over after
    /// [`crate::segment::UNINDEXED_RECEIPTS_MAX`] receipts.
    pub(crate) fn follow(&mut self, conn: &Connection, row: &HeadRow) -> rusqlite::Result<()> {
        if self.from < row.indexed_through {
            // What the index holds by now is looked up there.
            self.ids.clear();
            self.from = row.indexed_through;
            self.through = row.indexed_through;
        }
        while self.through < row.head.next_seq {
            let Some(segment) = Segment::at_or_after(conn, self.through)? else { break };
            self.ids.extend(segment.lines().filter_map(line_id));
            self.through = segment.first_seq + segment.count;
        }
        Ok(())
    }

    /// Adds the next receipt, once it has its place.
    pub(crate) fn push(&mut self, id: ReceiptId) {
        self.ids.insert(id);
        self.through += 1;
    }

    pub(crate) fn contains(&self, id: ReceiptId) -> bool {
        self.ids.contains(&id)
    }
}
