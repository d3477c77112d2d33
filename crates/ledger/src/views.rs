//! Views: what decisions read. One function, [`apply`], makes them from receipts, inside the
//! transaction of the append; [`rebuild`] makes them again from the log.

use cascade_receipt::content::{PolicyRef, Rel, RequestTag};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::ADMIN_GROUP;
use rusqlite::{Connection, params};

use crate::change::{Change, KeyRow, Subject};
use crate::store::{from_sql, to_sql};
use crate::{
    chain_views, glass_views, grant_views, key_views, limit_views, memory_views, people_views, regime_views,
    requests, schedule_views, tenant_views, token_views, tool_views,
};

/// Where a receipt stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) receipt_id: ReceiptId,
    pub(crate) seq: u64,
    pub(crate) entry_hash: Digest,
    /// The run of a workflow that it names.
    pub(crate) chain: Option<ReceiptId>,
    /// The invocation of a schedule that it stands on.
    pub(crate) cron: Option<ReceiptId>,
    /// The request that it answers.
    pub(crate) request: Option<RequestTag>,
}

/// The one row of `standing`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) mark: u64,
    pub(crate) halted: bool,
    pub(crate) suspended: bool,
    /// The chain has ended.
    pub(crate) deleted: bool,
    pub(crate) policy: PolicyRef,
}

/// Reads `standing`.
pub(crate) fn standing(conn: &Connection) -> rusqlite::Result<Standing> {
    conn.prepare_cached("SELECT mark, halted, suspended, deleted, policy_version, policy_hash FROM standing")?
        .query_row((), |row| {
            Ok(Standing {
                mark: from_sql(row.get(0)?),
                halted: row.get(1)?,
                suspended: row.get(2)?,
                deleted: row.get(3)?,
                policy: PolicyRef { version: row.get(4)?, hash: Digest(row.get(5)?) },
            })
        })
}

/// Makes the views follow one receipt.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    if change.moves_mark() {
        conn.prepare_cached("UPDATE standing SET mark = mark + 1")?.execute(())?;
    }
    chain_views::follow(conn, entry)?;
    schedule_views::follow(conn, entry, change)?;
    requests::follow(conn, entry)?;
    match change {
        Change::Genesis { policy, admins, keys } => found(conn, entry, policy, admins, keys),
        Change::Started { principal, action_hash, used, draws, at, until } => {
            limit_views::take(conn, entry.receipt_id, *at, draws)?;
            open(conn, entry, (*principal, action_hash), *until)?;
            use_up(conn, entry.receipt_id, used)
        }
        Change::Pure { used, draws, at } => {
            limit_views::take(conn, entry.receipt_id, *at, draws)?;
            use_up(conn, entry.receipt_id, used)
        }
        Change::ChainStarted { used, draws, at, .. } => {
            limit_views::take(conn, entry.receipt_id, *at, draws)?;
            chain_views::apply(conn, entry, change)?;
            use_up(conn, entry.receipt_id, used)
        }
        Change::Scheduled { step, used, draws, at } => {
            limit_views::take(conn, entry.receipt_id, *at, draws)?;
            schedule_views::change(conn, entry, step, *at)?;
            use_up(conn, entry.receipt_id, used)
        }
        Change::Invoked(row) => schedule_views::fire(conn, entry, row),
        Change::ChainClosed { .. } => chain_views::apply(conn, entry, change),
        Change::Learned(_) | Change::Forgotten { .. } | Change::Released(_) => {
            memory_views::apply(conn, entry, change)
        }
        Change::SubjectFact { fact, at } => limit_views::learn(conn, entry.seq, *at, fact),
        Change::Closed { intent, settlement } => {
            limit_views::settle(conn, *intent, *settlement)?;
            conn.prepare_cached("DELETE FROM open_actions WHERE receipt_id = ?1")?.execute([intent.0])?;
            Ok(())
        }
        Change::Subject(subject) => add_subject(conn, entry, subject),
        Change::Answered { .. } => add_answer(conn, entry, change),
        Change::Expired { subject } => set_state(conn, *subject, "expired"),
        Change::Halt(halted) => set_halted(conn, *halted),
        Change::Secret { .. } => crate::secrets::apply(conn, entry, change),
        Change::PolicyActivated(policy, pack) => {
            regime_views::apply(conn, pack.as_ref())?;
            activate(conn, entry.seq, policy)
        }
        Change::Erased(receipts) => {
            receipts.iter().try_for_each(|receipt| mark_erased(conn, entry, *receipt))
        }
        Change::GlassBroken(_) | Change::Reviewed { .. } => glass_views::apply(conn, entry, change),
        Change::KeyAdded { .. }
        | Change::KeyRevoked { .. }
        | Change::PersonAdded { .. }
        | Change::PersonRemoved { .. }
        | Change::Granted(_)
        | Change::GrantRevoked { .. }
        | Change::TokenIssued(_)
        | Change::TokenRevoked { .. } => admit(conn, entry, change),
        Change::Tenant(row) => tenant_views::apply(conn, entry, row),
        Change::ToolPinned(row) => tool_views::apply(conn, entry, row),
        Change::Nothing => Ok(()),
    }
}

fn set_halted(conn: &Connection, halted: bool) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE standing SET halted = ?1")?.execute([halted])?;
    Ok(())
}

/// Who belongs to the chain, by which keys, with which rights. Each view takes what is its own.
fn admit(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    key_views::apply(conn, entry.seq, change)?;
    people_views::apply(conn, entry.seq, change)?;
    grant_views::apply(conn, entry, change)?;
    token_views::apply(conn, entry, change)
}

fn open(
    conn: &Connection,
    entry: &Entry,
    (principal, action_hash): (PrincipalId, &Digest),
    until: Option<Timestamp>,
) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO open_actions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
        entry.receipt_id.0,
        entry.entry_hash.0,
        to_sql(entry.seq),
        principal.0,
        action_hash.0,
        entry.chain.map(|chain| chain.0),
        until.map(|until| to_sql(until.ms()))
    ])?;
    Ok(())
}

fn add_answer(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    let Change::Answered { subject, principal, action_hash, approve, expires, signed } = change else {
        return Ok(());
    };
    conn.prepare_cached("INSERT INTO approvals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)")?.execute(
        params![
            entry.receipt_id.0,
            to_sql(entry.seq),
            entry.entry_hash.0,
            subject.0,
            action_hash.0,
            principal.0,
            approve,
            to_sql(expires.ms()),
            signed
        ],
    )?;
    if *approve { people_views::settle(conn, *subject) } else { set_state(conn, *subject, "denied") }
}

fn activate(conn: &Connection, seq: u64, policy: &PolicyRef) -> rusqlite::Result<()> {
    conn.execute(
        "UPDATE standing SET policy_version = ?1, policy_hash = ?2",
        params![policy.version, policy.hash.0],
    )?;
    log_policy(conn, seq, policy)
}

/// What a chain begins with.
fn found(
    conn: &Connection,
    entry: &Entry,
    policy: &PolicyRef,
    admins: &[(PrincipalId, String)],
    keys: &[KeyRow],
) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO standing VALUES (0, 0, 0, 0, 0, 0, ?1, ?2)",
        params![policy.version, policy.hash.0],
    )?;
    for (principal, ssh_key) in admins {
        people_views::add(conn, entry.seq, *principal, ssh_key, &[ADMIN_GROUP.to_owned()])?;
    }
    keys.iter().try_for_each(|key| key_views::add(conn, entry.seq, key, None))?;
    log_policy(conn, entry.seq, policy)
}

fn log_policy(conn: &Connection, seq: u64, policy: &PolicyRef) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO policies VALUES (?1, ?2, ?3)",
        params![to_sql(seq), policy.version, policy.hash.0],
    )?;
    Ok(())
}

/// Nothing can be answered about, or run from, what is erased.
fn mark_erased(conn: &Connection, erasure: &Entry, receipt: ReceiptId) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO erased VALUES (?1, ?2)")?
        .execute(params![receipt.0, erasure.receipt_id.0])?;
    set_state(conn, receipt, "erased")
}

fn add_subject(conn: &Connection, entry: &Entry, subject: &Subject) -> rusqlite::Result<()> {
    let groups = Value::Array(subject.groups.iter().map(|group| Value::from(group.as_str())).collect());
    conn.prepare_cached("INSERT INTO subjects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'open')")?
        .execute(params![
            entry.receipt_id.0,
            to_sql(entry.seq),
            subject.kind.as_str(),
            entry.entry_hash.0,
            subject.action_hash.0,
            subject.principal.0,
            subject.required,
            groups.to_canonical(),
            subject.expires.map(|expires| to_sql(expires.ms())),
            subject.signature_required
        ])?;
    Ok(())
}

/// Marks what an intent refers to as used, by whom.
fn use_up(conn: &Connection, intent: ReceiptId, used: &[(Rel, ReceiptId)]) -> rusqlite::Result<()> {
    for (rel, id) in used {
        match rel {
            Rel::Approval => {
                conn.prepare_cached("UPDATE approvals SET used_by = ?1 WHERE receipt_id = ?2")?
                    .execute(params![intent.0, id.0])?;
            }
            Rel::Parent => glass_views::use_up(conn, intent, *id)?,
            _ => set_state(conn, *id, "used")?,
        }
    }
    Ok(())
}

pub(crate) fn set_state(conn: &Connection, subject: ReceiptId, state: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE subjects SET state = ?1 WHERE receipt_id = ?2")?
        .execute(params![state, subject.0])?;
    Ok(())
}
