//! The view of what is remembered: which answer stands behind a key, how far it may be used, until when.

use cascade_receipt::content::{MemoryState, Ref};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::Change;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::Entry;

/// Most that [`Reader::memories`] gives.
pub const MEMORIES_MAX: u32 = 10_000;

/// Most wrong hits that [`Reader::wrong_hits`] gives.
pub const WRONG_HITS_MAX: u32 = 1_000;

/// An answer that was remembered and found wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrongHit {
    /// The `memory_forgotten`.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// The `memory_learned`.
    pub learned: ReceiptId,
    /// When it was found.
    pub at: Timestamp,
}

/// An answer that is remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory {
    /// What it is remembered by.
    pub id: [u8; 8],
    /// The newest `memory_learned` of it.
    pub learned: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// The receipt of the answer.
    pub answer: ReceiptId,
    /// Whose task it was.
    pub principal: PrincipalId,
    /// How far it may be used.
    pub state: MemoryState,
    /// Until when.
    pub expires: Timestamp,
    /// The `memory_forgotten`.
    pub forgotten: Option<ReceiptId>,
}

impl Memory {
    /// Whether it may be used at this moment.
    #[must_use]
    pub fn is_alive(&self, at: Timestamp) -> bool {
        self.forgotten.is_none() && at < self.expires
    }
}

/// Makes the view follow one receipt.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Learned(row) => {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO memory VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)",
            )?
            .execute(params![
                row.id,
                entry.receipt_id.0,
                to_sql(entry.seq),
                entry.entry_hash.0,
                row.answer.0,
                row.principal.0,
                row.state.as_str(),
                to_sql(row.expires.ms())
            ])?;
        }
        Change::Forgotten { learned, wrong, at } => {
            conn.prepare_cached("UPDATE memory SET forgotten = ?1 WHERE learned = ?2 AND forgotten IS NULL")?
                .execute(params![entry.receipt_id.0, learned.0])?;
            if *wrong {
                conn.prepare_cached("INSERT INTO wrong_hits VALUES (?1, ?2, ?3, ?4, ?5, NULL)")?.execute(
                    params![
                        entry.receipt_id.0,
                        to_sql(entry.seq),
                        entry.entry_hash.0,
                        learned.0,
                        to_sql(at.ms())
                    ],
                )?;
            }
        }
        Change::Released(wrong) => {
            let mut lift = conn.prepare_cached(
                "UPDATE wrong_hits SET lifted_by = ?1 WHERE receipt_id = ?2 AND lifted_by IS NULL",
            )?;
            for one in wrong {
                lift.execute(params![entry.receipt_id.0, one.0])?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Why an answer may not stand on this: it was forgotten, has expired, or was learned anew.
pub(crate) fn refuses_use(
    conn: &Connection,
    one: &Ref,
    now: Timestamp,
) -> rusqlite::Result<Option<AppendError>> {
    let memory = learned(conn, one.receipt_id)?;
    let alive = memory.is_some_and(|memory| memory.entry_hash == one.entry_hash && memory.is_alive(now));
    Ok((!alive).then_some(AppendError::MemoryGone { memory: one.receipt_id }))
}

/// Why this may not be forgotten: it is already, or never was learned.
pub(crate) fn refuses_forget(conn: &Connection, one: &Ref) -> rusqlite::Result<Option<AppendError>> {
    let memory = learned(conn, one.receipt_id)?;
    let known =
        memory.is_some_and(|memory| memory.entry_hash == one.entry_hash && memory.forgotten.is_none());
    Ok((!known).then_some(AppendError::MemoryGone { memory: one.receipt_id }))
}

/// Why these wrong hits may not be released: one of them is none, or is released already.
pub(crate) fn refuses_release(conn: &Connection, wrong: &[Ref]) -> rusqlite::Result<Option<AppendError>> {
    let mut counted = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM wrong_hits
                        WHERE receipt_id = ?1 AND entry_hash = ?2 AND lifted_by IS NULL)",
    )?;
    for one in wrong {
        if !counted.query_row(params![one.receipt_id.0, one.entry_hash.0], |row| row.get(0))? {
            return Ok(Some(AppendError::MemoryGone { memory: one.receipt_id }));
        }
    }
    Ok(None)
}

const COLUMNS: &str = "id, learned, seq, entry_hash, answer, principal, state, expires_ms, forgotten";

fn learned(conn: &Connection, receipt: ReceiptId) -> rusqlite::Result<Option<Memory>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM memory WHERE learned = ?1"))?
        .query_row([receipt.0], read)
        .optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let state: String = row.get(6)?;
    let forgotten: Option<_> = row.get(8)?;
    Ok(Memory {
        id: row.get(0)?,
        learned: ReceiptId(row.get(1)?),
        seq: from_sql(row.get(2)?),
        entry_hash: Digest(row.get(3)?),
        answer: ReceiptId(row.get(4)?),
        principal: PrincipalId(row.get(5)?),
        state: MemoryState::parse(&state).unwrap_or(MemoryState::Observed),
        expires: Timestamp::from_ms(from_sql(row.get(7)?)),
        forgotten: forgotten.map(ReceiptId),
    })
}

impl Reader {
    /// What is remembered under an id.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn memory(&self, id: [u8; 8]) -> Result<Option<Memory>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!("SELECT {COLUMNS} FROM memory WHERE id = ?1"))?
                .query_row([id], read)
                .optional()
        })
    }

    /// Everything that is remembered of one answer.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn memories_of(&self, answer: ReceiptId) -> Result<Vec<Memory>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM memory WHERE answer = ?1 AND forgotten IS NULL ORDER BY seq"
            ))?
            .query_map([answer.0], read)?
            .collect()
        })
    }

    /// Wrong hits that nobody released, the oldest first; at most the newest [`WRONG_HITS_MAX`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn wrong_hits(&self) -> Result<Vec<WrongHit>, Fault> {
        let newest_first = self.ask(|conn| {
            conn.prepare_cached(
                "SELECT receipt_id, seq, entry_hash, learned, at_ms FROM wrong_hits
                 WHERE lifted_by IS NULL ORDER BY seq DESC LIMIT ?1",
            )?
            .query_map([WRONG_HITS_MAX], |row| {
                Ok(WrongHit {
                    receipt_id: ReceiptId(row.get(0)?),
                    seq: from_sql(row.get(1)?),
                    entry_hash: Digest(row.get(2)?),
                    learned: ReceiptId(row.get(3)?),
                    at: Timestamp::from_ms(from_sql(row.get(4)?)),
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(newest_first.into_iter().rev().collect())
    }

    /// Everything that is or was remembered, the newest first; at most [`MEMORIES_MAX`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn memories(&self) -> Result<Vec<Memory>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!("SELECT {COLUMNS} FROM memory ORDER BY seq DESC LIMIT ?1"))?
                .query_map([MEMORIES_MAX], read)?
                .collect()
        })
    }
}
