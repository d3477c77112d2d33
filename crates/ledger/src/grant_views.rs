//! The view of a chain's grants: who gave what to whom, and whether it still holds.

use cascade_receipt::content::{DELEGATION_MAX, GrantRevoked, Granted, Ref, Right, Scope};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::{Change, GrantRow};
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::people_views;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::Entry;

/// A grant of authority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// Who gave it.
    pub principal: PrincipalId,
    /// Who holds it.
    pub to: PrincipalId,
    /// For whom the holder must act.
    pub on_behalf_of: Option<PrincipalId>,
    /// The grant it was handed on from.
    pub parent: Option<ReceiptId>,
    /// What it gives.
    pub scope: Scope,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// How many levels further it may be handed on.
    pub delegate: u64,
    /// What took it back.
    pub revoked_by: Option<ReceiptId>,
    /// Whoever gave it may still give it, and nothing above it was taken back; its holder, and the person it is bound
    /// to, did not leave.
    pub unbroken: bool,
}

impl Grant {
    /// Whether it can be used at this moment.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.revoked_by.is_none() && self.unbroken && self.expires.is_none_or(|expires| expires > at)
    }
}

/// Makes the view follow one receipt.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Granted(row) => add(conn, entry, row),
        Change::GrantRevoked { grant } => {
            conn.prepare_cached(
                "UPDATE grants SET revoked_by = ?1 WHERE receipt_id = ?2 AND revoked_by IS NULL",
            )?
            .execute(params![entry.receipt_id.0, grant.0])?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn add(conn: &Connection, entry: &Entry, row: &GrantRow) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO grants VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL)")?
        .execute(params![
            entry.receipt_id.0,
            to_sql(entry.seq),
            entry.entry_hash.0,
            row.principal.0,
            row.to.0,
            row.on_behalf_of.map(|owner| owner.0),
            row.parent.map(|parent| parent.0),
            row.scope,
            row.expires.map(|at| to_sql(at.ms())),
            to_sql(row.delegate)
        ])?;
    Ok(())
}

/// Why a run may not stand on this grant.
pub(crate) fn refuses_use(
    conn: &Connection,
    one: &Ref,
    holder: PrincipalId,
    now: Timestamp,
) -> rusqlite::Result<Option<AppendError>> {
    let held = grant(conn, one.receipt_id)?
        .filter(|grant| grant.entry_hash == one.entry_hash && grant.to == holder && grant.holds(now));
    Ok(held.is_none().then_some(AppendError::GrantEnded { grant: one.receipt_id }))
}

/// Why this may not be given.
pub(crate) fn refuses_give(
    conn: &Connection,
    granted: &Granted,
    now: Timestamp,
) -> rusqlite::Result<Option<AppendError>> {
    let Some(parent) = &granted.parent else {
        let giver = people_views::person(conn, granted.principal)?;
        let may = giver.is_some_and(|giver| giver.is_admin());
        return Ok((!may).then_some(AppendError::SignerRefused(granted.principal)));
    };
    if let Some(refused) = refuses_use(conn, parent, granted.principal, now)? {
        return Ok(Some(refused));
    }
    let above = grant(conn, parent.receipt_id)?;
    let fits = above.is_some_and(|above| {
        let ends = above.expires.is_none_or(|end| granted.expires.is_some_and(|wished| wished <= end));
        ends && granted.delegate < above.delegate && above.scope.holds(&granted.scope)
    });
    Ok((!fits).then_some(AppendError::GrantWider { grant: parent.receipt_id }))
}

/// Why this cannot be taken back.
pub(crate) fn refuses_revoke(
    conn: &Connection,
    revoked: &GrantRevoked,
) -> rusqlite::Result<Option<AppendError>> {
    let one = &revoked.grant;
    let held = grant(conn, one.receipt_id)?
        .filter(|grant| grant.entry_hash == one.entry_hash && grant.revoked_by.is_none());
    let Some(held) = held else { return Ok(Some(AppendError::GrantEnded { grant: one.receipt_id })) };
    let says = people_views::person(conn, revoked.principal)?;
    let may = held.principal == revoked.principal || says.is_some_and(|says| says.is_admin());
    Ok((!may).then_some(AppendError::SignerRefused(revoked.principal)))
}

fn grant(conn: &Connection, id: ReceiptId) -> rusqlite::Result<Option<Grant>> {
    let found = conn
        .prepare_cached(&format!("{GRANTS} WHERE receipt_id = ?1"))?
        .query_row([id.0], grant_of)
        .optional()?;
    found.map(|found| settled(conn, found)).transpose()
}

fn grants(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<Grant>> {
    let mut query = conn.prepare_cached(&format!("{GRANTS} {tail} ORDER BY seq"))?;
    let found: Vec<Grant> = query.query_map(params, grant_of)?.collect::<Result<_, _>>()?;
    found.into_iter().map(|found| settled(conn, found)).collect()
}

/// Looks up the holder, and the way to the administrator who gave it first.
fn settled(conn: &Connection, mut grant: Grant) -> rusqlite::Result<Grant> {
    // An agent is nobody who could leave.
    let holder = people_views::person(conn, grant.to)?;
    grant.unbroken = holder.is_none_or(|holder| holder.is_registered()) && is_unbroken(conn, &grant)?;
    Ok(grant)
}

fn is_unbroken(conn: &Connection, grant: &Grant) -> rusqlite::Result<bool> {
    let mut at = grant.clone();
    for _ in 0..=DELEGATION_MAX {
        if let Some(owner) = at.on_behalf_of
            && !people_views::is_registered(conn, owner)?
        {
            return Ok(false);
        }
        let giver = people_views::person(conn, at.principal)?;
        let Some(parent) = at.parent else {
            return Ok(giver.is_some_and(|giver| giver.is_admin()));
        };
        let above = conn
            .prepare_cached(&format!("{GRANTS} WHERE receipt_id = ?1"))?
            .query_row([parent.0], grant_of)
            .optional()?;
        let Some(above) = above else { return Ok(false) };
        if !giver.is_some_and(|giver| giver.is_registered()) || above.revoked_by.is_some() {
            return Ok(false);
        }
        at = above;
    }
    Ok(false)
}

const GRANTS: &str = "SELECT receipt_id, seq, entry_hash, principal, holder, on_behalf_of, parent, scope, expires_ms, \
                      delegate, revoked_by FROM grants";

fn grant_of(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let scope: String = row.get(7)?;
    let scope = json::parse_canonical(scope.as_bytes()).ok().and_then(|value| Scope::of_value(&value));
    Ok(Grant {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        entry_hash: Digest(row.get(2)?),
        principal: PrincipalId(row.get(3)?),
        to: PrincipalId(row.get(4)?),
        on_behalf_of: row.get::<_, Option<[u8; 8]>>(5)?.map(PrincipalId),
        parent: row.get::<_, Option<[u8; 8]>>(6)?.map(ReceiptId),
        // What cannot be read gives nothing.
        scope: scope.unwrap_or(Scope {
            right: Right::Commands(Vec::new()),
            resources: Vec::new(),
            up_to: None,
        }),
        expires: row.get::<_, Option<i64>>(8)?.map(|ms| Timestamp::from_ms(from_sql(ms))),
        delegate: from_sql(row.get(9)?),
        revoked_by: row.get::<_, Option<[u8; 8]>>(10)?.map(ReceiptId),
        unbroken: false,
    })
}

impl Reader {
    /// What a principal holds, oldest first; what was revoked or has run out included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn grants_of(&self, holder: PrincipalId) -> Result<Vec<Grant>, Fault> {
        self.ask(|conn| grants(conn, "WHERE holder = ?1", [holder.0]))
    }

    /// Every grant of the chain, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn grants(&self) -> Result<Vec<Grant>, Fault> {
        self.ask(|conn| grants(conn, "", ()))
    }

    /// One grant.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn grant(&self, id: ReceiptId) -> Result<Option<Grant>, Fault> {
        self.ask(|conn| grant(conn, id))
    }
}
