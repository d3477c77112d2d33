//! The view of tools whose definitions are pinned: what each server's tools were when somebody last said that they may
//! be what they are.

use cascade_receipt::content::{Ref, Rel, ToolPinned};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::ToolRow;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::people_views;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::Entry;

/// A pinned tool as the chain knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PinnedTool {
    /// Who offers it: `mcp:github`.
    pub server: String,
    /// Its name there.
    pub tool: String,
    /// SHA-256 of the definition that counts.
    pub definition: Digest,
    /// The newest `tool_pinned`.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// Who saw it first, or accepted what it has become.
    pub principal: PrincipalId,
}

impl PinnedTool {
    /// The receipt, for another one that takes its place.
    #[must_use]
    pub const fn reference(&self) -> Ref {
        Ref { rel: Rel::Supersedes, receipt_id: self.receipt_id, entry_hash: self.entry_hash }
    }
}

/// Makes the view follow one receipt. What a foreign history says without taking the place of what stands there changes
/// nothing: the first one counts.
pub(crate) fn apply(conn: &Connection, entry: &Entry, row: &ToolRow) -> rusqlite::Result<()> {
    let values = params![
        row.server,
        row.tool,
        row.definition.0,
        entry.receipt_id.0,
        to_sql(entry.seq),
        entry.entry_hash.0,
        row.principal.0,
    ];
    match row.supersedes {
        None => conn
            .prepare_cached("INSERT OR IGNORE INTO tools VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(values),
        Some(_) => conn
            .prepare_cached(
                "UPDATE tools SET definition = ?3, receipt_id = ?4, seq = ?5, entry_hash = ?6, principal = ?7 \
                 WHERE server = ?1 AND tool = ?2",
            )?
            .execute(values),
    }
    .map(|_| ())
}

/// Why this tool may not be pinned so: a second time only by an administrator, and in the place of what stands there.
pub(crate) fn refuses(conn: &Connection, pinned: &ToolPinned) -> rusqlite::Result<Option<AppendError>> {
    let stands = tool(conn, &pinned.server, &pinned.tool)?;
    let fits = match (&stands, &pinned.supersedes) {
        (None, None) => true,
        (Some(one), Some(by)) => one.receipt_id == by.receipt_id && one.entry_hash == by.entry_hash,
        _ => false,
    };
    if !fits {
        return Ok(Some(AppendError::ToolTaken));
    }
    let says = people_views::person(conn, pinned.principal)?;
    let may = stands.is_none() || says.is_some_and(|says| says.is_admin());
    Ok((!may).then_some(AppendError::SignerRefused(pinned.principal)))
}

fn tool(conn: &Connection, server: &str, tool: &str) -> rusqlite::Result<Option<PinnedTool>> {
    conn.prepare_cached(&format!("{TOOLS} WHERE server = ?1 AND tool = ?2"))?
        .query_row([server, tool], tool_of)
        .optional()
}

const TOOLS: &str = "SELECT server, tool, definition, receipt_id, seq, entry_hash, principal FROM tools";

fn tool_of(row: &Row<'_>) -> rusqlite::Result<PinnedTool> {
    Ok(PinnedTool {
        server: row.get(0)?,
        tool: row.get(1)?,
        definition: Digest(row.get(2)?),
        receipt_id: ReceiptId(row.get(3)?),
        seq: from_sql(row.get(4)?),
        entry_hash: Digest(row.get(5)?),
        principal: PrincipalId(row.get(6)?),
    })
}

impl Reader {
    /// How a tool is pinned; `None` where nobody has seen it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn pinned_tool(&self, server: &str, name: &str) -> Result<Option<PinnedTool>, Fault> {
        self.ask(|conn| tool(conn, server, name))
    }

    /// Every pinned tool, by server and name.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn pinned_tools(&self) -> Result<Vec<PinnedTool>, Fault> {
        self.ask(|conn| {
            let mut query = conn.prepare_cached(&format!("{TOOLS} ORDER BY server, tool"))?;
            query.query_map((), tool_of)?.collect()
        })
    }
}
