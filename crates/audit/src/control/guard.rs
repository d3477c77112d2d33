//! What SQL of a pack may do: read the view, and end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode};

/// How often the steps of a statement are counted.
const STEPS_EACH: i32 = 1_000;
/// Longest text or row of a statement, in bytes.
const VALUE_BYTES_MAX: i32 = 1024 * 1024;
/// Longest statement, in bytes.
const STATEMENT_BYTES_MAX: i32 = 64 * 1024;

/// Functions whose answer hangs on the moment or on chance, or that reach outside.
const REFUSED: [&str; 22] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "fts3_tokenizer",
    "julianday",
    "load_extension",
    "random",
    "randomblob",
    "sqlite_compileoption_get",
    "sqlite_compileoption_used",
    "sqlite_log",
    "sqlite_offset",
    "sqlite_source_id",
    "sqlite_version",
    "strftime",
    "time",
    "timediff",
    "total_changes",
    "unixepoch",
    "zeroblob",
];

/// How much the SQL of one control may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Steps of SQLite's machine that any statement may take.
    pub steps_base: u64,
    /// How many more for each receipt of the view.
    pub steps_each: u64,
    /// Most memory that SQLite may hold in this process, view included. It can only be lowered.
    pub heap_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { steps_base: 10_000_000, steps_each: 2_000, heap_bytes: 4 * 1024 * 1024 * 1024 }
    }
}

/// Why a statement gave no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GuardFault {
    /// It wanted something else than to read the view.
    #[error("it may only read the view: {0}")]
    Refused(String),
    /// It went on for too long.
    #[error("it took more than {0} steps; a loop, or a join without a condition")]
    Steps(u64),
    /// It wanted too much memory.
    #[error("it wanted more memory than it may have")]
    Memory,
    /// It is no statement that SQLite understands, or fails.
    #[error("{0}")]
    Sql(String),
    /// It has other columns than a control must have.
    #[error("{0}")]
    Columns(&'static str),
}

/// Counts the steps of the statement that runs.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    left: Arc<AtomicU64>,
    out: Arc<AtomicBool>,
    most: u64,
}

impl Meter {
    /// Closes the connection to everything but reading what is in it now, counting steps from now on.
    pub(super) fn close(
        connection: &mut Connection,
        bounds: Bounds,
        receipts: u64,
    ) -> rusqlite::Result<Self> {
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX),
            (Limit::SQLITE_LIMIT_COLUMN, 100),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            connection.set_limit(limit, most)?;
        }
        let heap = i64::try_from(bounds.heap_bytes).unwrap_or(i64::MAX);
        connection.pragma_update(None, "hard_heap_limit", heap)?;
        let tables = tables(connection)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.authorizer(Some(move |context: AuthContext<'_>| allowed(&context, &tables)))?;
        let most = bounds.steps_base.saturating_add(bounds.steps_each.saturating_mul(receipts));
        let meter = Self { left: Arc::new(AtomicU64::new(most)), out: Arc::default(), most };
        let counter = meter.clone();
        connection.progress_handler(STEPS_EACH, Some(move || counter.is_over()))?;
        Ok(meter)
    }

    fn is_over(&self) -> bool {
        let each = u64::from(STEPS_EACH.unsigned_abs());
        let over = self.left.fetch_sub(each, Ordering::Relaxed) <= each;
        if over {
            // Whoever goes on after that begins with nothing, and does not wrap around.
            self.left.store(0, Ordering::Relaxed);
            self.out.store(true, Ordering::Relaxed);
        }
        over
    }

    /// A new statement begins.
    pub(super) fn restart(&self) {
        self.left.store(self.most, Ordering::Relaxed);
        self.out.store(false, Ordering::Relaxed);
    }

    /// What an error of the statement means.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> GuardFault {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if self.out.load(Ordering::Relaxed) => {
                GuardFault::Steps(self.most)
            }
            Some(ErrorCode::OutOfMemory) => GuardFault::Memory,
            Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
                GuardFault::Refused(error.to_string())
            }
            // Of a function SQLite says so in words alone.
            _ if error.to_string().contains("not authorized") => GuardFault::Refused(error.to_string()),
            _ => GuardFault::Sql(error.to_string()),
        }
    }
}

/// The tables of the view, and what reads JSON.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")?;
    let mut tables: BTreeSet<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    tables.extend(["json_each", "json_tree"].map(str::to_owned));
    Ok(tables)
}

fn allowed(context: &AuthContext<'_>, tables: &BTreeSet<String>) -> Authorization {
    let fine = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        // Rows that are only counted have no column; they may be those of a name that the statement gives itself.
        AuthAction::Read { column_name: "", .. } => true,
        AuthAction::Read { table_name, .. } => tables.contains(table_name),
        AuthAction::Function { function_name } => {
            !REFUSED.contains(&function_name.to_ascii_lowercase().as_str())
        }
        _ => false,
    };
    if fine { Authorization::Allow } else { Authorization::Deny }
}
