//! What the views keep out of the chain: a receipt that would make the history invalid is refused
//! under the write lock, whatever its writer believed a moment ago.

use cascade_receipt::content::{Body, ChainStarted, Leased, PureTask, Ref, Rel, ScheduleChanged};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::draft::AppendError;
use crate::store::from_sql;
use crate::{
    chain_views, glass_views, grant_views, memory_views, people_views, requests, schedule_views, segment,
    tenant_views, token_views, tool_views, views,
};

type Answer = rusqlite::Result<Option<AppendError>>;

/// Why this body may not follow at `now`; `None` when it may. Refuses one draft alone.
pub(crate) fn refusal(conn: &Connection, receipt_id: ReceiptId, body: &Body, now: Timestamp) -> Answer {
    // The tail that is not indexed yet is looked at by `crate::tail::Tail`.
    if segment::is_indexed(conn, receipt_id)? {
        return Ok(Some(AppendError::IdTaken(receipt_id)));
    }
    if let Some(refused) = of_its_kind(conn, receipt_id, body, now)? {
        return Ok(Some(refused));
    }
    match body {
        Body::Closing(closing) => not_open(conn, &closing.intent, closing.chain.as_ref()),
        Body::Heartbeat(heartbeat) => not_open(conn, &heartbeat.intent, heartbeat.chain.as_ref()),
        Body::DryRun(action) | Body::Blocked(action) => stands_on_erased(conn, &action.refs),
        Body::Escalation(escalation) => stands_on_erased(conn, &escalation.action.refs),
        // Whatever its writer saw, nothing starts once `halted` stands in the chain, or a suspension. Nor does
        // anybody go past the gates then.
        Body::TaskStarted(_)
        | Body::Leased(_)
        | Body::Pure(_)
        | Body::Point(_)
        | Body::ChainStarted(_)
        | Body::ScheduleChanged(_)
        | Body::GlassBroken(_)
            if views::standing(conn)?.standstill().is_some() =>
        {
            Ok(views::standing(conn)?.refuses_start())
        }
        Body::TaskStarted(action)
        | Body::Leased(Leased { action, .. })
        | Body::Point(action)
        | Body::ChainStarted(ChainStarted { action, .. })
        | Body::ScheduleChanged(ScheduleChanged { action, .. })
        | Body::Pure(PureTask { action, .. }) => {
            for one in &action.refs {
                let refused = match one.rel {
                    Rel::Approval => unusable_approval(conn, one, &action.action_hash, now)?,
                    Rel::Escalation | Rel::DryRun => {
                        let subject = Subject::read(conn, one)?;
                        subject.refuses_run(one, &action.action_hash, now)
                    }
                    Rel::Parent => {
                        glass_views::refuses_use(conn, one, &action.action_hash, action.principal)?
                    }
                    Rel::Grant => grant_views::refuses_use(conn, one, action.principal, now)?,
                    Rel::Memory => memory_views::refuses_use(conn, one, now)?,
                    _ => None,
                };
                if refused.is_some() {
                    return Ok(refused);
                }
            }
            Ok(None)
        }
        Body::GlassBroken(broken) => glass_views::refuses_break(conn, broken, now),
        Body::Forgotten(forgotten) => memory_views::refuses_forget(conn, &forgotten.learned),
        Body::Released(released) => memory_views::refuses_release(conn, &released.wrong),
        Body::Reviewed(reviewed) => glass_views::refuses_review(conn, reviewed),
        Body::Answer(answer) => {
            let subject = Subject::read(conn, &answer.subject)?;
            Ok(subject.refuses(&answer.subject, &answer.action_hash, now))
        }
        Body::AnswerExpired(one) if matches!(one.rel, Rel::Escalation | Rel::DryRun) => {
            let subject = one.receipt_id;
            Ok(match Subject::read(conn, one)?.0 {
                None => Some(AppendError::SubjectUnknown { subject }),
                Some(row) => closed(&row.state).map(|state| AppendError::SubjectClosed { subject, state }),
            })
        }
        other => of_people(conn, other, now),
    }
}

/// The same of kinds about people and what they were given.
fn of_people(conn: &Connection, body: &Body, now: Timestamp) -> Answer {
    match body {
        Body::PersonAdded(added) => people_views::refuses_add(conn, added),
        Body::PersonRemoved(removed) => people_views::refuses_remove(conn, removed.principal),
        Body::Granted(granted) => grant_views::refuses_give(conn, granted, now),
        Body::GrantRevoked(revoked) => grant_views::refuses_revoke(conn, revoked),
        Body::TokenIssued(issued) => token_views::refuses_issue(conn, issued),
        Body::TokenRevoked(revoked) => token_views::refuses_revoke(conn, revoked),
        Body::TenantChanged(changed) => tenant_views::refuses(conn, changed),
        Body::ToolPinned(pinned) => tool_views::refuses(conn, pinned),
        _ => Ok(None),
    }
}

/// What workflows, schedules and requests have against it.
fn of_its_kind(conn: &Connection, receipt_id: ReceiptId, body: &Body, now: Timestamp) -> Answer {
    if let Some(refused) = chain_views::refusal(conn, receipt_id, body)? {
        return Ok(Some(refused));
    }
    if let Some(refused) = schedule_views::refusal(conn, body, now)? {
        return Ok(Some(refused));
    }
    requests::refusal(conn, body)
}

/// What follows an intent names the same workflow, or none as well.
fn not_open(conn: &Connection, intent: &Ref, chain: Option<&Ref>) -> Answer {
    let open: bool = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM open_actions WHERE receipt_id = ?1 AND entry_hash = ?2 AND chain IS ?3)",
        )?
        .query_row(
            params![intent.receipt_id.0, intent.entry_hash.0, chain.map(|one| one.receipt_id.0)],
            |row| row.get(0),
        )?;
    Ok((!open).then_some(AppendError::NotOpen { intent: intent.receipt_id }))
}

/// Nothing more is recorded of an erased action: its receipt would bring private bytes back.
fn stands_on_erased(conn: &Connection, refs: &[Ref]) -> Answer {
    for one in refs.iter().filter(|one| matches!(one.rel, Rel::Escalation | Rel::DryRun)) {
        if Subject::read(conn, one)?.0.is_some_and(|row| row.state == "erased") {
            return Ok(Some(AppendError::SubjectClosed { subject: one.receipt_id, state: "erased" }));
        }
    }
    Ok(None)
}

fn unusable_approval(conn: &Connection, one: &Ref, action_hash: &Digest, now: Timestamp) -> Answer {
    let approval = one.receipt_id;
    let row: Option<(bool, i64)> = conn
        .prepare_cached(
            "SELECT used_by IS NOT NULL, expires_ms FROM approvals
             WHERE receipt_id = ?1 AND entry_hash = ?2 AND action_hash = ?3 AND approve = 1",
        )?
        .query_row(params![approval.0, one.entry_hash.0, action_hash.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match row {
        None => Some(AppendError::ApprovalUnknown { approval }),
        Some((true, _)) => Some(AppendError::ApprovalUsed { approval }),
        Some((false, expires)) if from_sql(expires) <= now.ms() => {
            Some(AppendError::ApprovalExpired { approval })
        }
        Some(_) => None,
    })
}

/// An escalation or dry run as the views have it; `None` when there is none of that id and hash.
struct Subject(Option<Row>);

struct Row {
    action_hash: Digest,
    state: String,
    expires: Option<Timestamp>,
}

impl Subject {
    fn read(conn: &Connection, one: &Ref) -> rusqlite::Result<Self> {
        conn.prepare_cached(
            "SELECT action_hash, state, expires_ms FROM subjects WHERE receipt_id = ?1 AND entry_hash = ?2",
        )?
        .query_row(params![one.receipt_id.0, one.entry_hash.0], |row| {
            let expires: Option<i64> = row.get(2)?;
            Ok(Row {
                action_hash: Digest(row.get(0)?),
                state: row.get(1)?,
                expires: expires.map(|ms| Timestamp::from_ms(from_sql(ms))),
            })
        })
        .optional()
        .map(Self)
    }

    /// Whether it can no longer be answered or run.
    fn refuses(&self, one: &Ref, action_hash: &Digest, now: Timestamp) -> Option<AppendError> {
        let subject = one.receipt_id;
        let row = self.0.as_ref().filter(|row| row.action_hash == *action_hash);
        let Some(row) = row else { return Some(AppendError::SubjectUnknown { subject }) };
        if row.expires.is_some_and(|expires| expires <= now) {
            return Some(AppendError::SubjectClosed { subject, state: "expired" });
        }
        closed(&row.state).map(|state| AppendError::SubjectClosed { subject, state })
    }

    /// A run needs more: enough people have approved.
    fn refuses_run(&self, one: &Ref, action_hash: &Digest, now: Timestamp) -> Option<AppendError> {
        let refused = self.refuses(one, action_hash, now);
        let approved = self.0.as_ref().is_some_and(|row| row.state == "approved");
        if refused.is_none() && !approved {
            return Some(AppendError::NotApproved { subject: one.receipt_id });
        }
        refused
    }
}

fn closed(state: &str) -> Option<&'static str> {
    ["used", "denied", "expired", "erased"].into_iter().find(|closed| *closed == state)
}
