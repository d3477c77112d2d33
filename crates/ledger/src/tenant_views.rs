//! How the tenant stands, and which other chains this one saw end.

use cascade_receipt::content::{EndedChain, TenantChange, TenantChanged};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{LogOrigin, ReceiptId};
use rusqlite::{Connection, params};

use crate::change::TenantRow;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::{self, Entry, Standing};

/// Why nothing starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standstill {
    /// Somebody pressed the stop button.
    Halted,
    /// An administrator suspended the tenant, or deleted it.
    Suspended,
}

impl Standstill {
    /// The reason that the gates give.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Halted => "standing.halted",
            Self::Suspended => "standing.inactive",
        }
    }
}

/// A chain that was deleted, as this one recorded it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndedTenant {
    /// The `tenant_changed` of this chain that says so.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// How that chain ended.
    pub ended: EndedChain,
}

impl Standing {
    /// What is in the way of whatever would start.
    pub(crate) const fn standstill(&self) -> Option<Standstill> {
        if self.halted {
            Some(Standstill::Halted)
        } else if self.suspended || self.deleted {
            Some(Standstill::Suspended)
        } else {
            None
        }
    }

    /// The same as an answer to a draft.
    pub(crate) const fn refuses_start(&self) -> Option<AppendError> {
        match self.standstill() {
            None => None,
            Some(Standstill::Halted) => Some(AppendError::Halted),
            Some(Standstill::Suspended) => Some(AppendError::Suspended),
        }
    }
}

pub(crate) fn apply(conn: &Connection, entry: &Entry, row: &TenantRow) -> rusqlite::Result<()> {
    match row {
        TenantRow::Own(change) => conn.execute(
            "UPDATE standing SET suspended = ?1, deleted = ?2, turned_seq = ?3",
            params![*change != TenantChange::Active, *change == TenantChange::Deleted, to_sql(entry.seq)],
        ),
        // What a foreign history says twice counts once.
        TenantRow::Other(ended) => conn.execute(
            "INSERT OR IGNORE INTO ended VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                ended.log_origin.as_str(),
                entry.receipt_id.0,
                to_sql(entry.seq),
                to_sql(ended.size),
                ended.head.0,
                ended.root.0,
                ended.tenant_hash.0
            ],
        ),
    }
    .map(|_| ())
}

/// Why the tenant cannot become that: it is so already, is not suspended, or has something in flight.
pub(crate) fn refuses(conn: &Connection, changed: &TenantChanged) -> rusqlite::Result<Option<AppendError>> {
    if let Some(of) = &changed.of {
        let known = "SELECT EXISTS (SELECT 1 FROM ended WHERE log_origin = ?1)";
        let known: bool = conn.query_row(known, [of.log_origin.as_str()], |row| row.get(0))?;
        return Ok(known.then_some(AppendError::TenantState { state: "recorded as deleted" }));
    }
    let suspended = views::standing(conn)?.suspended;
    let state = if suspended { "suspended" } else { "active" };
    let fits = suspended == (changed.change != TenantChange::Suspended);
    if !fits {
        return Ok(Some(AppendError::TenantState { state }));
    }
    if changed.change != TenantChange::Deleted {
        return Ok(None);
    }
    let open: i64 = conn.query_row("SELECT count(*) FROM open_actions", (), |row| row.get(0))?;
    Ok((open > 0).then_some(AppendError::InFlight { count: from_sql(open) }))
}

impl Reader {
    /// Why nothing starts; `None` where things may.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn standstill(&self) -> Result<Option<Standstill>, Fault> {
        self.ask(views::standing).map(|standing| standing.standstill())
    }

    /// Whether an administrator suspended the tenant.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn is_suspended(&self) -> Result<bool, Fault> {
        self.ask(views::standing).map(|standing| standing.suspended)
    }

    /// Whether the chain has ended: nothing can follow.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn is_deleted(&self) -> Result<bool, Fault> {
        self.ask(views::standing).map(|standing| standing.deleted)
    }

    /// The place of the newest receipt that changed how this tenant stands; 0 where there is none.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn turned_seq(&self) -> Result<u64, Fault> {
        self.ask(|conn| conn.query_row("SELECT turned_seq FROM standing", (), |row| row.get(0))).map(from_sql)
    }

    /// How many private items the vault holds that were not erased.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn private_items(&self) -> Result<u64, Fault> {
        self.ask_vault(|conn| {
            conn.query_row("SELECT count(*) FROM items WHERE nonce <> zeroblob(32)", (), |row| row.get(0))
        })
        .map(from_sql)
    }

    /// Other chains whose end this one recorded, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn ended_tenants(&self) -> Result<Vec<EndedTenant>, Fault> {
        self.ask(|conn| {
            let mut query = conn.prepare_cached(
                "SELECT log_origin, receipt_id, seq, size, head, root, tenant_hash FROM ended ORDER BY seq",
            )?;
            let rows = query.query_map((), |row| {
                let Some(log_origin) = LogOrigin::parse(&row.get::<_, String>(0)?) else { return Ok(None) };
                Ok(Some(EndedTenant {
                    receipt_id: ReceiptId(row.get(1)?),
                    seq: from_sql(row.get(2)?),
                    ended: EndedChain {
                        log_origin,
                        size: from_sql(row.get(3)?),
                        head: Digest(row.get(4)?),
                        root: Digest(row.get(5)?),
                        tenant_hash: Digest(row.get(6)?),
                    },
                }))
            })?;
            rows.filter_map(Result::transpose).collect()
        })
    }
}
