//! The view itself: a chain as tables in memory.

use cascade_receipt::json::{self, Value};
use cascade_receipt::verify::Verdict;
use rusqlite::{Connection, params};

use super::damage::Break;
use super::guard::{Bounds, Meter};
use super::{fill, schema};

/// The time that an audit is about, in milliseconds since 1970, and the moment it is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// The first moment.
    pub since: i64,
    /// The first moment after.
    pub until: i64,
    /// When the audit is made.
    pub now: i64,
}

/// Private bytes of one receipt, checked against its hashes by whoever brings them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Private {
    /// The facts that were decided on.
    pub facts: Value,
    /// The commands of the action, unfolded.
    pub commands: Vec<Command>,
    /// The families that the policy of then counts its programs among.
    pub families: Vec<String>,
}

/// One command of an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// All words, with a space between.
    pub words: String,
    /// The program's name, without its directory.
    pub program: String,
    /// The subcommand, where the program has such.
    pub subcommand: Option<String>,
    /// The tier of this command alone.
    pub risk_tier: Option<String>,
}

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum ViewFault {
    /// A line is no receipt.
    #[error("line {0} is no receipt")]
    Line(u64),
    /// SQLite.
    #[error("the view could not be made: {0}")]
    Sql(#[from] rusqlite::Error),
}

/// A chain as tables in memory.
#[derive(Debug)]
pub struct View {
    pub(super) connection: Connection,
    pub(super) meter: Option<Meter>,
    receipts: u64,
    breaks: Vec<Break>,
    chosen: bool,
}

impl View {
    /// A view without a receipt.
    ///
    /// # Errors
    /// [`ViewFault::Sql`].
    pub fn new() -> Result<Self, ViewFault> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; BEGIN",
        )?;
        connection.execute_batch(schema::TABLES)?;
        connection.set_prepared_statement_cache_capacity(64);
        fill::begin(&connection)?;
        Ok(Self { connection, meter: None, receipts: 0, breaks: Vec::new(), chosen: false })
    }

    /// Takes the next receipt: a line without its LF that was found good.
    ///
    /// # Errors
    /// [`ViewFault`].
    pub fn take(&mut self, line: &[u8], private: Option<&Private>) -> Result<(), ViewFault> {
        let receipt = json::parse(line).map_err(|_| ViewFault::Line(self.receipts))?;
        let content = receipt.member("content").ok_or(ViewFault::Line(self.receipts))?;
        fill::receipt(&self.connection, content, private)?.ok_or(ViewFault::Line(self.receipts))?;
        self.receipts += 1;
        Ok(())
    }

    /// It holds chosen receipts of a chain and not all of them: nothing can be satisfied by what is not seen.
    pub const fn of_chosen(&mut self) {
        self.chosen = true;
    }

    pub(super) const fn is_of_chosen(&self) -> bool {
        self.chosen
    }

    /// Notes where the chain is broken.
    ///
    /// # Errors
    /// [`ViewFault::Sql`].
    pub fn broken(&mut self, breaks: Vec<Break>) -> Result<(), ViewFault> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for one in &breaks {
            self.connection.execute(
                "INSERT INTO breaks VALUES (?1, ?2, ?3, ?4, ?5)",
                params![number(one.line), number(one.seq), one.code.as_str(), one.cause.as_str(), one.detail],
            )?;
        }
        self.breaks = breaks;
        Ok(())
    }

    /// Names of the packs that are declared at its end.
    ///
    /// # Errors
    /// [`ViewFault::Sql`].
    pub fn declared(&self) -> Result<Vec<String>, ViewFault> {
        let mut query = self
            .connection
            .prepare("SELECT DISTINCT name FROM packs WHERE until_seq IS NULL ORDER BY name")?;
        let names = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(names)
    }

    /// For questions of this crate's own.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where the chain is broken.
    #[must_use]
    pub fn breaks(&self) -> &[Break] {
        &self.breaks
    }

    /// Where a receipt stands.
    pub(super) fn found(&self, id: &str) -> Option<(i64, String)> {
        let sql = "SELECT seq FROM receipts WHERE receipt_id = ?1";
        let seq = self.connection.query_row(sql, [id], |row| row.get(0)).ok()?;
        Some((seq, id.to_owned()))
    }

    /// Closes the view: what is in it can be read from now on, and nothing else.
    ///
    /// # Errors
    /// [`ViewFault::Sql`].
    pub fn close(&mut self, verdict: &Verdict, period: Period, bounds: Bounds) -> Result<(), ViewFault> {
        let Period { since, until, now } = period;
        self.connection.execute("INSERT INTO period VALUES (?1, ?2, ?3)", [since, until, now])?;
        let fault = verdict.fault();
        self.connection.execute(
            "INSERT INTO chain VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                verdict.identity().map(|identity| identity.log_origin.as_str()),
                verdict.valid(),
                i64::try_from(self.receipts).unwrap_or(i64::MAX),
                verdict.key_pinned(),
                verdict.anchored_through().and_then(|seq| i64::try_from(seq).ok()),
                fault.map(|fault| fault.code.as_str()),
            ],
        )?;
        // Where lines stand in another order, what a receipt names may have come after it.
        self.connection.execute_batch(
            "UPDATE refs SET target_seq = (SELECT seq FROM receipts WHERE receipt_id = target_id)
             WHERE target_seq IS NULL;
             COMMIT; ANALYZE",
        )?;
        self.meter = Some(Meter::close(&mut self.connection, bounds, self.receipts)?);
        Ok(())
    }

    /// Receipts in it.
    #[must_use]
    pub const fn receipts(&self) -> u64 {
        self.receipts
    }
}

/// The text behind `key`.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.member(key).and_then(Value::as_str)
}
