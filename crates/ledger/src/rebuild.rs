//! Views dropped and made again from the log.

use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::merkle::Frontier;

use crate::chain_views;
use crate::change::Change;
use crate::fault::Fault;
use crate::frontier;
use crate::ledger::Ledger;
use crate::requests;
use crate::schedule_views;
use crate::schema::{VIEW_TABLES, VIEWS, VIEWS_VERSION};
use crate::segment::Segment;
use crate::views::{self, Entry};

impl Ledger {
    /// Makes the views again where they were made by a program for which they meant something else.
    pub(crate) fn renew_views(&self) -> Result<(), Fault> {
        let made: i64 = self.ask(|conn| conn.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if made < VIEWS_VERSION { self.rebuild_views() } else { Ok(()) }
    }

    /// Drops every view and makes it again from the log, in one transaction; appends of all
    /// processes wait meanwhile. The log itself is not touched.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when the log holds something that is no receipt; the views then stay as
    /// they were.
    pub fn rebuild_views(&self) -> Result<(), Fault> {
        self.with_ledger(|database| {
            let tx = database.begin()?;
            for (table, _, _) in VIEW_TABLES {
                database.at(tx.execute_batch(&format!("DROP TABLE IF EXISTS {table}")))?;
            }
            database.at(tx.execute_batch(VIEWS))?;
            let mut next = 0;
            let mut tree = Frontier::default();
            while let Some(segment) = database.at(Segment::at_or_after(&tx, next))? {
                for (seq, line) in (segment.first_seq..).zip(segment.lines()) {
                    let (entry, change) = read(seq, line).ok_or_else(|| {
                        Fault::damaged(&database.path, &format!("receipt {seq} cannot be read"))
                    })?;
                    database.at(views::apply(&tx, &entry, &change))?;
                    tree.push(&entry.entry_hash);
                }
                next = segment.first_seq + segment.count.max(1);
            }
            database.at(frontier::write(&tx, &tree))?;
            database.at(tx.pragma_update(None, "user_version", VIEWS_VERSION))?;
            database.at(tx.commit())
        })
    }
}

fn read(seq: u64, line: &[u8]) -> Option<(Entry, Change)> {
    let receipt = json::parse_canonical(line).ok()?;
    let text = |key: &str| receipt.member(key).and_then(Value::as_str);
    let receipt_id = ReceiptId::parse(text("receipt_id")?)?;
    let entry_hash = Digest::from_hex(text("entry_hash")?)?;
    let content = receipt.member("content")?;
    let (chain, cron) = (chain_views::of_value(content), schedule_views::of_value(content));
    let request = requests::of_value(content);
    let entry = Entry { receipt_id, seq, entry_hash, chain, cron, request };
    Some((entry, Change::of_value(content)?))
}
