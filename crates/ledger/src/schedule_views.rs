//! The views of schedules: which there are, how far each is dealt with, and what its last invocations came to.
//!
//! `through_ms` is what keeps a schedule from firing twice: whoever appends an invocation moves it on, under the write
//! lock, and an invocation of a time before it is refused. So it does not matter how many schedulers look.

use cascade_receipt::content::{Action, Body};
use cascade_receipt::content::{
    ChangeWord, CronInvocation, CronOutcome, Ref, Rel, ScheduleChange, ScheduleChanged,
};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::Change;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::{self, Entry};

/// How many invocations of a schedule the view keeps, the newest ones.
pub const INVOCATIONS_KEPT: u32 = 64;

/// A schedule that was not removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// The `schedule_changed` that added it.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// The id of its name.
    pub name: [u8; 8],
    /// Salted hash of its definition.
    pub schedule_hash: Digest,
    /// Who added it.
    pub principal: PrincipalId,
    /// It does not fire.
    pub paused: bool,
    /// Up to here it is dealt with.
    pub through: Timestamp,
    /// The place of the last receipt that changed it.
    pub changed_seq: u64,
}

impl Schedule {
    /// How receipts name it.
    #[must_use]
    pub const fn reference(&self) -> Ref {
        Ref { rel: Rel::Cron, receipt_id: self.receipt_id, entry_hash: self.entry_hash }
    }
}

/// What became of a time at which a schedule was due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invocation {
    /// The `cron_invocation`.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// When it was due; nothing where somebody wanted it at once.
    pub due: Option<Timestamp>,
    /// `run`, `skip` or `miss`.
    pub outcome: String,
    /// How often it was missed.
    pub count: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The last receipt of what came of it, and its kind.
    pub action: Option<(ReceiptId, String)>,
}

/// What a receipt changes about a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ScheduleStep {
    Added { name: [u8; 8], schedule_hash: Digest, principal: PrincipalId },
    Paused(ReceiptId),
    Resumed(ReceiptId),
    Removed(ReceiptId),
}

/// An invocation, as the view takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InvocationRow {
    pub(crate) schedule: ReceiptId,
    pub(crate) due: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) outcome: String,
    pub(crate) count: u64,
    pub(crate) at: Timestamp,
}

impl ScheduleStep {
    pub(crate) fn of_body(changed: &ScheduleChanged) -> Option<Self> {
        let ScheduleChanged { action, change } = changed;
        let named = || action.refs.iter().find(|one| one.rel == Rel::Cron).map(|one| one.receipt_id);
        Some(match change {
            ScheduleChange::Added { schedule, schedule_hash } => {
                Self::Added { name: *schedule, schedule_hash: *schedule_hash, principal: action.principal }
            }
            ScheduleChange::Paused => Self::Paused(named()?),
            ScheduleChange::Resumed => Self::Resumed(named()?),
            ScheduleChange::Removed => Self::Removed(named()?),
        })
    }

    pub(crate) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        Some(match ChangeWord::parse(text("change")?)? {
            ChangeWord::Added => Self::Added {
                name: digest::from_hex(text("schedule")?)?,
                schedule_hash: Digest::from_hex(text("schedule_hash")?)?,
                principal: PrincipalId::parse(text("principal")?)?,
            },
            ChangeWord::Paused => Self::Paused(named(content)?),
            ChangeWord::Resumed => Self::Resumed(named(content)?),
            ChangeWord::Removed => Self::Removed(named(content)?),
        })
    }
}

impl InvocationRow {
    pub(crate) fn of_body(fired: &CronInvocation, at: Timestamp) -> Self {
        let (until, count) = match fired.outcome {
            CronOutcome::Miss { until, count, .. } => (Some(until), count),
            CronOutcome::Run | CronOutcome::Skip => (None, 0),
        };
        let outcome = fired.outcome.as_str().to_owned();
        Self { schedule: fired.schedule.receipt_id, due: fired.due, until, outcome, count, at }
    }

    pub(crate) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let time = |key: &str| text(key).map(Timestamp::parse);
        let outcome = text("outcome")?.to_owned();
        let is_miss = outcome == CronOutcome::WORDS[2];
        Some(Self {
            schedule: named(content)?,
            due: match time("due") {
                Some(due) => Some(due?),
                None => None,
            },
            until: if is_miss { Some(time("until")??) } else { None },
            count: if is_miss { content.member("count")?.as_u64()? } else { 0 },
            outcome,
            at: time("timestamp")??,
        })
    }
}

/// What a ref of rel `cron` names in stored content. `refs` of other people's extensions mean what they like.
fn named(content: &Value) -> Option<ReceiptId> {
    let refs = content.member("refs")?.as_array()?;
    let text = |one: &Value, key: &str| one.member(key).and_then(Value::as_str).map(str::to_owned);
    let one = refs.iter().find(|one| text(one, "rel").as_deref() == Some(Rel::Cron.as_str()))?;
    ReceiptId::parse(&text(one, "receipt_id")?)
}

/// The invocation that an action stands on, as its body says.
pub(crate) fn of_body(body: &Body) -> Option<ReceiptId> {
    let named = action_of(body)?.refs.iter().find(|one| one.rel == Rel::Cron);
    named.map(|one| one.receipt_id)
}

/// The same of stored content.
pub(crate) fn of_value(content: &Value) -> Option<ReceiptId> {
    let kind = Kind::parse(content.member("kind")?.as_str()?)?;
    let has_action = matches!(
        kind,
        Kind::DryRun
            | Kind::Blocked
            | Kind::Escalation
            | Kind::BreakGlass
            | Kind::TaskStarted
            | Kind::ChainStarted
            | Kind::TaskCompleted
    );
    if has_action { named(content) } else { None }
}

/// The action of a body that may stand on an invocation.
fn action_of(body: &Body) -> Option<&Action> {
    Some(match body {
        Body::DryRun(action) | Body::Blocked(action) | Body::TaskStarted(action) | Body::Point(action) => {
            action
        }
        Body::Leased(leased) => &leased.action,
        Body::Escalation(escalation) => &escalation.action,
        Body::GlassBroken(broken) => &broken.action,
        Body::Pure(task) => &task.action,
        Body::ChainStarted(started) => &started.action,
        _ => return None,
    })
}

/// Notes what came of an invocation.
pub(crate) fn follow(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    let Some(invocation) = entry.cron else { return Ok(()) };
    let kind = match change {
        Change::Started { .. } => "task_started",
        Change::ChainStarted { .. } => "chain_started",
        Change::Pure { .. } => "task_completed",
        Change::Subject(subject) => subject.kind.as_str(),
        _ => "blocked",
    };
    conn.prepare_cached(
        // What ran stays what came of it.
        "UPDATE invocations SET action = ?1, kind = ?2 WHERE receipt_id = ?3
         AND (kind IS NULL OR kind NOT IN ('task_started', 'chain_started', 'task_completed'))",
    )?
    .execute(params![entry.receipt_id.0, kind, invocation.0])?;
    Ok(())
}

/// Makes the views follow a change of a schedule.
pub(crate) fn change(
    conn: &Connection,
    entry: &Entry,
    step: &ScheduleStep,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let seq = to_sql(entry.seq);
    match step {
        ScheduleStep::Added { name, schedule_hash, principal } => {
            conn.prepare_cached("INSERT INTO schedules VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?2, NULL)")?
                .execute(params![
                    entry.receipt_id.0,
                    seq,
                    entry.entry_hash.0,
                    name,
                    schedule_hash.0,
                    principal.0,
                    to_sql(at.ms())
                ])?;
        }
        ScheduleStep::Paused(id) => {
            conn.prepare_cached("UPDATE schedules SET paused = 1, changed_seq = ?1 WHERE receipt_id = ?2")?
                .execute(params![seq, id.0])?;
        }
        // What was due meanwhile is none of its business any more.
        ScheduleStep::Resumed(id) => {
            conn.prepare_cached(
                "UPDATE schedules SET paused = 0, changed_seq = ?1, through_ms = max(through_ms, ?2)
                 WHERE receipt_id = ?3",
            )?
            .execute(params![seq, to_sql(at.ms()), id.0])?;
        }
        ScheduleStep::Removed(id) => {
            conn.prepare_cached("UPDATE schedules SET removed = ?1, changed_seq = ?2 WHERE receipt_id = ?3")?
                .execute(params![entry.receipt_id.0, seq, id.0])?;
        }
    }
    Ok(())
}

/// Makes the views follow an invocation.
pub(crate) fn fire(conn: &Connection, entry: &Entry, row: &InvocationRow) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO invocations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL)")?
        .execute(params![
            row.schedule.0,
            to_sql(entry.seq),
            entry.receipt_id.0,
            entry.entry_hash.0,
            row.due.map(|due| to_sql(due.ms())),
            row.outcome,
            to_sql(row.count),
            to_sql(row.at.ms())
        ])?;
    conn.prepare_cached(
        "DELETE FROM invocations WHERE schedule = ?1 AND seq <=
         (SELECT seq FROM invocations WHERE schedule = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![row.schedule.0, INVOCATIONS_KEPT])?;
    if let Some(end) = row.until.or(row.due) {
        conn.prepare_cached("UPDATE schedules SET through_ms = ?1 WHERE receipt_id = ?2")?
            .execute(params![to_sql(end.ms()), row.schedule.0])?;
    }
    Ok(())
}

/// Why this may not follow: it would fire twice, for nothing, or change what is not there.
pub(crate) fn refusal(
    conn: &Connection,
    body: &Body,
    now: Timestamp,
) -> rusqlite::Result<Option<AppendError>> {
    match body {
        Body::ScheduleChanged(changed) => refuses_change(conn, changed),
        Body::CronInvocation(fired) => refuses_fire(conn, fired, now),
        other => refuses_use(conn, other),
    }
}

fn refuses_change(conn: &Connection, changed: &ScheduleChanged) -> rusqlite::Result<Option<AppendError>> {
    let mut refs = changed.action.refs.iter().filter(|one| one.rel == Rel::Cron);
    let named = refs.next();
    if let ScheduleChange::Added { schedule, .. } = &changed.change {
        let taken: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM schedules WHERE name = ?1 AND removed IS NULL)")?
            .query_row([schedule], |row| row.get(0))?;
        return Ok(match named {
            Some(one) => Some(AppendError::ScheduleGone { schedule: one.receipt_id }),
            None => taken.then_some(AppendError::ScheduleTaken),
        });
    }
    let schedule = named.map_or(ReceiptId([0; 8]), |one| one.receipt_id);
    let found = named.filter(|_| refs.next().is_none()).map(|one| live(conn, one)).transpose()?.flatten();
    let Some(found) = found else { return Ok(Some(AppendError::ScheduleGone { schedule })) };
    let fits = match changed.change {
        ScheduleChange::Paused => !found.paused,
        ScheduleChange::Resumed => found.paused,
        ScheduleChange::Added { .. } | ScheduleChange::Removed => true,
    };
    let state = if found.paused { "paused" } else { "not paused" };
    Ok((!fits).then_some(AppendError::ScheduleState { schedule, state }))
}

fn refuses_fire(
    conn: &Connection,
    fired: &CronInvocation,
    now: Timestamp,
) -> rusqlite::Result<Option<AppendError>> {
    let schedule = fired.schedule.receipt_id;
    let is_cron = fired.schedule.rel == Rel::Cron;
    let Some(found) = live(conn, &fired.schedule)?.filter(|_| is_cron) else {
        return Ok(Some(AppendError::ScheduleGone { schedule }));
    };
    if found.paused {
        return Ok(Some(AppendError::ScheduleState { schedule, state: "paused" }));
    }
    if fired.outcome == CronOutcome::Run
        && let Some(refused) = views::standing(conn)?.refuses_start()
    {
        return Ok(Some(refused));
    }
    let Some(due) = fired.due else {
        let is_run = fired.outcome == CronOutcome::Run;
        return Ok((!is_run).then_some(AppendError::CronEarly { schedule }));
    };
    let end = match fired.outcome {
        CronOutcome::Miss { until, .. } => until,
        CronOutcome::Run | CronOutcome::Skip => due,
    };
    if due <= found.through {
        return Ok(Some(AppendError::CronHandled { schedule }));
    }
    Ok((end < due || end > now).then_some(AppendError::CronEarly { schedule }))
}

/// Whatever stands on an invocation stands on one that starts something, and one thing alone runs for it.
fn refuses_use(conn: &Connection, body: &Body) -> rusqlite::Result<Option<AppendError>> {
    let runs = matches!(
        body,
        Body::TaskStarted(_) | Body::Leased(_) | Body::Point(_) | Body::Pure(_) | Body::ChainStarted(_)
    );
    let Some(action) = action_of(body) else { return Ok(None) };
    for one in action.refs.iter().filter(|one| one.rel == Rel::Cron) {
        let invocation = one.receipt_id;
        let kind: Option<Option<String>> = conn
            .prepare_cached(
                "SELECT kind FROM invocations
                 WHERE receipt_id = ?1 AND entry_hash = ?2 AND outcome = 'run'",
            )?
            .query_row(params![invocation.0, one.entry_hash.0], |row| row.get(0))
            .optional()?;
        let Some(kind) = kind else { return Ok(Some(AppendError::CronUnknown { invocation })) };
        let ran = ["task_started", "chain_started", "task_completed"];
        if runs && kind.is_some_and(|kind| ran.contains(&kind.as_str())) {
            return Ok(Some(AppendError::CronUsed { invocation }));
        }
    }
    Ok(None)
}

const COLUMNS: &str =
    "receipt_id, seq, entry_hash, name, schedule_hash, principal, paused, through_ms, changed_seq";

fn live(conn: &Connection, one: &Ref) -> rusqlite::Result<Option<Schedule>> {
    let found = conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM schedules WHERE receipt_id = ?1 AND removed IS NULL"
        ))?
        .query_row([one.receipt_id.0], read)
        .optional()?;
    Ok(found.filter(|found| found.entry_hash == one.entry_hash))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    Ok(Schedule {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        entry_hash: Digest(row.get(2)?),
        name: row.get(3)?,
        schedule_hash: Digest(row.get(4)?),
        principal: PrincipalId(row.get(5)?),
        paused: row.get(6)?,
        through: Timestamp::from_ms(from_sql(row.get(7)?)),
        changed_seq: from_sql(row.get(8)?),
    })
}

fn read_invocation(row: &Row<'_>) -> rusqlite::Result<Invocation> {
    let (due, action, kind): (Option<i64>, Option<[u8; 8]>, Option<String>) =
        (row.get(3)?, row.get(7)?, row.get(8)?);
    Ok(Invocation {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        entry_hash: Digest(row.get(2)?),
        due: due.map(|ms| Timestamp::from_ms(from_sql(ms))),
        outcome: row.get(4)?,
        count: from_sql(row.get(5)?),
        at: Timestamp::from_ms(from_sql(row.get(6)?)),
        action: action.map(ReceiptId).zip(kind),
    })
}

impl Reader {
    /// Schedules that were not removed, the oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn schedules(&self) -> Result<Vec<Schedule>, Fault> {
        self.all(&format!("SELECT {COLUMNS} FROM schedules WHERE removed IS NULL ORDER BY seq"), (), read)
    }

    /// The schedule that was added by this receipt, unless it was removed.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn schedule(&self, id: ReceiptId) -> Result<Option<Schedule>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM schedules WHERE receipt_id = ?1 AND removed IS NULL"
            ))?
            .query_row([id.0], read)
            .optional()
        })
    }

    /// The schedule of this name's id, unless it was removed.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn schedule_named(&self, name: [u8; 8]) -> Result<Option<Schedule>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM schedules WHERE name = ?1 AND removed IS NULL"
            ))?
            .query_row([name], read)
            .optional()
        })
    }

    /// The place of the last receipt that changed a schedule; it moves whenever a scheduler must look again.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn schedules_changed(&self) -> Result<Option<u64>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached("SELECT max(changed_seq) FROM schedules")?
                .query_row((), |row| Ok(row.get::<_, Option<i64>>(0)?.map(from_sql)))
        })
    }

    /// What the last invocations of a schedule came to, the newest first; at most [`INVOCATIONS_KEPT`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn invocations(&self, schedule: ReceiptId, most: u32) -> Result<Vec<Invocation>, Fault> {
        self.all(
            "SELECT receipt_id, seq, entry_hash, due_ms, outcome, count, at_ms, action, kind FROM invocations
             WHERE schedule = ?1 ORDER BY seq DESC LIMIT ?2",
            params![schedule.0, most],
            read_invocation,
        )
    }
}
