//! The view of broken glass: what was done past the gates, by whom, and whether anybody has looked at it.

use cascade_receipt::content::{GlassBroken, Ref, Reviewed, UNREVIEWED_MAX};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::Change;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::people_views;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::Entry;

/// Something done past the gates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glass {
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// The exact action.
    pub action_hash: Digest,
    /// Who answers for it.
    pub principal: PrincipalId,
    /// The SSH key that signed for it: whoever holds it does not review it under another name.
    pub ssh_key: String,
    /// Whose members review it.
    pub groups: Vec<String>,
    /// Until when.
    pub due: Timestamp,
    /// The run that used it.
    pub used_by: Option<ReceiptId>,
    /// The review.
    pub reviewed_by: Option<ReceiptId>,
}

/// Makes the view follow one receipt.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::GlassBroken(row) => {
            let signer = people_views::person(conn, row.principal)?;
            let groups = Value::Array(row.groups.iter().map(|group| Value::from(group.as_str())).collect());
            conn.prepare_cached("INSERT INTO glass VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL)")?
                .execute(params![
                    entry.receipt_id.0,
                    to_sql(entry.seq),
                    entry.entry_hash.0,
                    row.action_hash.0,
                    row.principal.0,
                    signer.map(|person| person.ssh_key).unwrap_or_default(),
                    groups.to_canonical(),
                    to_sql(row.due.ms())
                ])?;
        }
        Change::Reviewed { glass } => {
            conn.prepare_cached(
                "UPDATE glass SET reviewed_by = ?1 WHERE receipt_id = ?2 AND reviewed_by IS NULL",
            )?
            .execute(params![entry.receipt_id.0, glass.0])?;
        }
        _ => {}
    }
    Ok(())
}

/// A run uses what it names; other parents are none of this view's.
pub(crate) fn use_up(conn: &Connection, intent: ReceiptId, named: ReceiptId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE glass SET used_by = ?1 WHERE receipt_id = ?2 AND used_by IS NULL")?
        .execute(params![intent.0, named.0])?;
    Ok(())
}

/// Why a run may not stand on it; a parent of another kind is none of this view's.
pub(crate) fn refuses_use(
    conn: &Connection,
    one: &Ref,
    action_hash: &Digest,
    principal: PrincipalId,
) -> rusqlite::Result<Option<AppendError>> {
    let Some(glass) = glass(conn, one.receipt_id)? else { return Ok(None) };
    let fits = glass.entry_hash == one.entry_hash
        && glass.action_hash == *action_hash
        && glass.principal == principal
        && glass.used_by.is_none();
    Ok((!fits).then_some(AppendError::GlassUsed { glass: one.receipt_id }))
}

/// Why this may not be recorded: nobody signed for it, it would be due already, or too many wait.
pub(crate) fn refuses_break(
    conn: &Connection,
    broken: &GlassBroken,
    now: Timestamp,
) -> rusqlite::Result<Option<AppendError>> {
    if broken.signatures.is_empty() {
        return Ok(Some(AppendError::SignerRefused(broken.action.principal)));
    }
    let waiting: u64 = conn
        .prepare_cached("SELECT count(*) FROM glass WHERE reviewed_by IS NULL")?
        .query_row((), |row| row.get(0).map(from_sql))?;
    let stale = broken.review_due <= now || waiting >= UNREVIEWED_MAX as u64;
    Ok(stale.then_some(AppendError::Stale))
}

/// Why this review does not count.
pub(crate) fn refuses_review(
    conn: &Connection,
    reviewed: &Reviewed,
) -> rusqlite::Result<Option<AppendError>> {
    let one = &reviewed.glass;
    let glass = glass(conn, one.receipt_id)?.filter(|glass| glass.entry_hash == one.entry_hash);
    let Some(glass) = glass.filter(|glass| glass.reviewed_by.is_none()) else {
        return Ok(Some(AppendError::Reviewed { glass: one.receipt_id }));
    };
    let reviewer = people_views::person(conn, reviewed.principal)?;
    let eligible = reviewer.is_some_and(|person| {
        let speaks = person.groups.iter().any(|group| glass.groups.contains(group));
        (person.is_admin() || person.is_registered() && speaks) && person.ssh_key != glass.ssh_key
    });
    let may = eligible && glass.principal != reviewed.principal && !reviewed.signatures.is_empty();
    Ok((!may).then_some(AppendError::SignerRefused(reviewed.principal)))
}

impl Reader {
    /// What was done past the gates under this id.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn glass(&self, id: ReceiptId) -> Result<Option<Glass>, Fault> {
        self.ask(|conn| glass(conn, id))
    }

    /// What was done past the gates and nobody has reviewed, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn unreviewed(&self) -> Result<Vec<Glass>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!("{GLASS} WHERE reviewed_by IS NULL ORDER BY seq"))?
                .query_map((), glass_of)?
                .collect()
        })
    }
}

const GLASS: &str = "SELECT receipt_id, seq, entry_hash, action_hash, principal, ssh_key, groups, due_ms, used_by, \
     reviewed_by FROM glass";

fn glass(conn: &Connection, id: ReceiptId) -> rusqlite::Result<Option<Glass>> {
    conn.prepare_cached(&format!("{GLASS} WHERE receipt_id = ?1"))?.query_row([id.0], glass_of).optional()
}

fn glass_of(row: &Row<'_>) -> rusqlite::Result<Glass> {
    let groups: String = row.get(6)?;
    let groups = json::parse(groups.as_bytes()).ok();
    let groups = groups.as_ref().and_then(Value::as_array).unwrap_or_default();
    Ok(Glass {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        entry_hash: Digest(row.get(2)?),
        action_hash: Digest(row.get(3)?),
        principal: PrincipalId(row.get(4)?),
        groups: groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ssh_key: row.get(5)?,
        due: Timestamp::from_ms(from_sql(row.get(7)?)),
        used_by: row.get::<_, Option<[u8; 8]>>(8)?.map(ReceiptId),
        reviewed_by: row.get::<_, Option<[u8; 8]>>(9)?.map(ReceiptId),
    })
}
