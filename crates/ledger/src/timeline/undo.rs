//! What each receipt changed in the views, so that it can be undone, and told.
//!
//! Triggers note the row as it was before, whichever statement touches it; so no view can forget to. The notes lie in
//! temporary tables in memory: `n` counts them, `step` is the receipt, `was` says whether there was such a row.

use std::collections::HashSet;

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, Row, params_from_iter};

use super::cells::{RowChange, cells};
use crate::schema::VIEW_TABLES;
use crate::store::{from_sql, to_sql};

/// Bytes of notes that are kept; the older half goes when there are more.
const BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Receipts between two looks at how much there is.
const LOOK_EVERY: u64 = 4_096;

/// What happens to rows.
const EVENTS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// The notes.
#[derive(Debug)]
pub(super) struct Undo {
    tables: Vec<Table>,
    /// Steps before this one are forgotten.
    pub(super) first: u64,
    looked: u64,
    pub(super) look_every: u64,
    pub(super) bytes_max: u64,
}

/// One view.
#[derive(Debug)]
struct Table {
    name: &'static str,
    columns: Vec<String>,
    /// Positions of the key in `columns`.
    key: Vec<usize>,
}

impl Undo {
    /// Makes the tables and triggers beside the views of an empty state.
    pub(super) fn begin(conn: &Connection) -> rusqlite::Result<Self> {
        conn.execute_batch(
            // Otherwise what a `REPLACE` takes away would go unnoticed.
            "PRAGMA recursive_triggers=ON;
             CREATE TEMP TABLE undo_step (step INTEGER NOT NULL);
             INSERT INTO undo_step VALUES (-1);",
        )?;
        let tables = VIEW_TABLES.into_iter().map(|(name, _, _)| Table::read(conn, name));
        let tables: Vec<Table> = tables.collect::<rusqlite::Result<_>>()?;
        for table in &tables {
            conn.execute_batch(&table.create())?;
            conn.execute_batch(&table.triggers())?;
        }
        Ok(Self { tables, first: 0, looked: 0, look_every: LOOK_EVERY, bytes_max: BYTES_MAX })
    }

    /// Undoes every step after `seq`, or every one.
    pub(super) fn back_to(&self, conn: &Connection, seq: Option<u64>) -> rusqlite::Result<()> {
        // Undoing is nothing to be undone.
        set_step(conn, -1)?;
        // No view's row depends on another view's: table by table is as good as step by step.
        let step = seq.map_or(-1, to_sql);
        self.tables.iter().try_for_each(|table| table.back_to(conn, step))
    }

    /// Looks away while the views are replaced as a whole: triggers belong to the tables that go.
    pub(super) fn look_away(&self, conn: &Connection) -> rusqlite::Result<()> {
        for table in &self.tables {
            for event in EVENTS {
                conn.execute_batch(&format!("DROP TRIGGER temp.undo_{}_{event}", table.name))?;
            }
        }
        Ok(())
    }

    /// Begins anew: the state is now the one before the receipt at `next`.
    pub(super) fn begin_at(&mut self, conn: &Connection, next: u64) -> rusqlite::Result<()> {
        for table in &self.tables {
            conn.execute(&format!("DELETE FROM undo_{}", table.name), ())?;
            conn.execute_batch(&table.triggers())?;
        }
        (self.first, self.looked) = (next, next);
        Ok(())
    }

    /// Forgets the older half when there is too much.
    pub(super) fn trim_if_long(&mut self, conn: &Connection, next: u64) -> rusqlite::Result<()> {
        if next < self.looked.saturating_add(self.look_every) {
            return Ok(());
        }
        self.looked = next;
        if bytes(conn)? > self.bytes_max {
            let cut = self.first + (next - self.first) / 2;
            for table in &self.tables {
                conn.execute(&format!("DELETE FROM undo_{} WHERE step < ?1", table.name), [to_sql(cut)])?;
            }
            self.first = cut;
        }
        Ok(())
    }

    /// What the newest step changed, where that is the receipt at `seq`.
    pub(super) fn changes(&self, conn: &Connection, seq: u64) -> rusqlite::Result<Vec<RowChange>> {
        let mut all = Vec::new();
        for table in &self.tables {
            table.changes(conn, to_sql(seq), &mut all)?;
        }
        Ok(all)
    }
}

/// What changes from now on is the work of the receipt at `seq`.
pub(super) fn note_as(conn: &Connection, seq: u64) -> rusqlite::Result<()> {
    set_step(conn, to_sql(seq))
}

fn set_step(conn: &Connection, step: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE undo_step SET step = ?1")?.execute([step])?;
    Ok(())
}

fn bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| -> rusqlite::Result<u64> {
        conn.query_row(&format!("PRAGMA temp.{name}"), (), |row| row.get(0).map(from_sql))
    };
    Ok((pragma("page_count")?.saturating_sub(pragma("freelist_count")?)).saturating_mul(pragma("page_size")?))
}

impl Table {
    fn read(conn: &Connection, name: &'static str) -> rusqlite::Result<Self> {
        let mut query = conn.prepare(&format!("PRAGMA main.table_info({name})"))?;
        let found: Vec<(String, i64)> =
            query.query_map((), |row| Ok((row.get(1)?, row.get(5)?)))?.collect::<rusqlite::Result<_>>()?;
        let key = found.iter().enumerate().filter(|(_, (_, rank))| *rank > 0).map(|(at, _)| at).collect();
        Ok(Self { name, columns: found.into_iter().map(|(name, _)| name).collect(), key })
    }

    fn list(&self, prefix: &str) -> String {
        let names = self.columns.iter().map(|name| format!("{prefix}\"{name}\""));
        names.collect::<Vec<_>>().join(", ")
    }

    fn keys(&self) -> impl Iterator<Item = &String> {
        self.key.iter().filter_map(|at| self.columns.get(*at))
    }

    fn create(&self) -> String {
        format!(
            "CREATE TEMP TABLE undo_{} (n INTEGER PRIMARY KEY, step INTEGER NOT NULL, was INTEGER NOT NULL, {})",
            self.name,
            self.list("")
        )
    }

    fn triggers(&self) -> String {
        let (name, columns) = (self.name, self.list(""));
        let key = self.keys().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
        let new = self.keys().map(|key| format!("NEW.\"{key}\"")).collect::<Vec<_>>().join(", ");
        let old = self.list("OLD.");
        let note = |event: &str, was: u8, columns: &str, values: &str| {
            format!(
                "CREATE TEMP TRIGGER undo_{name}_{event} AFTER {event} ON main.{name}
                 BEGIN INSERT INTO undo_{name} (step, was, {columns})
                       SELECT step, {was}, {values} FROM undo_step WHERE step >= 0; END;"
            )
        };
        let [insert, update, delete] = EVENTS;
        [note(insert, 0, &key, &new), note(update, 1, &columns, &old), note(delete, 1, &columns, &old)]
            .concat()
    }

    /// The notes of the steps after `step`, the newest first.
    fn notes(&self, conn: &Connection, step: i64) -> rusqlite::Result<Vec<Note>> {
        let sql = format!("SELECT step, was, n, {} FROM undo_{} ORDER BY n DESC", self.list(""), self.name);
        let mut query = conn.prepare_cached(&sql)?;
        let mut rows = query.query(())?;
        let mut notes = Vec::new();
        // Notes lie in the order of the steps, so this ends at the first that is too old.
        while let Some(row) = rows.next()?
            && row.get::<_, i64>(0)? > step
        {
            notes.push(Note { was: row.get(1)?, n: row.get(2)?, row: stored(row, 3, self.columns.len())? });
        }
        Ok(notes)
    }

    fn back_to(&self, conn: &Connection, step: i64) -> rusqlite::Result<()> {
        let notes = self.notes(conn, step)?;
        let Some(oldest) = notes.last().map(|note| note.n) else { return Ok(()) };
        let name = self.name;
        for note in &notes {
            if note.was {
                let places = vec!["?"; self.columns.len()].join(", ");
                conn.prepare_cached(&format!("INSERT OR REPLACE INTO main.{name} VALUES ({places})"))?
                    .execute(params_from_iter(&note.row))?;
            } else {
                conn.prepare_cached(&format!("DELETE FROM main.{name} WHERE {}", self.is_key()))?
                    .execute(params_from_iter(self.key_of(&note.row)))?;
            }
        }
        conn.prepare_cached(&format!("DELETE FROM undo_{name} WHERE n >= ?1"))?.execute([oldest])?;
        Ok(())
    }

    fn is_key(&self) -> String {
        self.keys().map(|key| format!("\"{key}\" = ?")).collect::<Vec<_>>().join(" AND ")
    }

    fn key_of<'r>(&self, row: &'r [Stored]) -> Vec<&'r Stored> {
        self.key.iter().filter_map(|at| row.get(*at)).collect()
    }

    fn changes(&self, conn: &Connection, step: i64, all: &mut Vec<RowChange>) -> rusqlite::Result<()> {
        let mut seen = HashSet::new();
        // The oldest note of a row says how it was before the receipt.
        for note in self.notes(conn, step - 1)?.iter().rev() {
            let key = self.key_of(&note.row);
            if !seen.insert(format!("{key:?}")) {
                continue;
            }
            let sql = format!("SELECT {} FROM main.{} WHERE {}", self.list(""), self.name, self.is_key());
            let after = conn
                .prepare_cached(&sql)?
                .query_map(params_from_iter(&key), |row| stored(row, 0, self.columns.len()))?
                .next()
                .transpose()?;
            let before = note.was.then_some(&note.row);
            if before == after.as_ref() {
                continue;
            }
            let named = |row: &Vec<Stored>| cells(self.name, &self.columns, row);
            all.push(RowChange {
                table: self.name,
                key: self.key.clone(),
                before: before.map(named),
                after: after.as_ref().map(named),
            });
        }
        Ok(())
    }
}

/// A row as it was.
struct Note {
    was: bool,
    n: i64,
    row: Vec<Stored>,
}

fn stored(row: &Row<'_>, from: usize, count: usize) -> rusqlite::Result<Vec<Stored>> {
    (from..from + count).map(|column| row.get(column)).collect()
}
