//! The figures of a report, counted in the view.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::json::Value;
use rusqlite::{Connection, Params, Row};

use crate::control::{Period, View, ViewFault};

/// Rows of a table; the figures above it count all.
pub(super) const ROWS_MAX: usize = 20;

const DAY_MS: i64 = 24 * 3_600_000;
/// Bars of the chart, at most.
const BARS_MAX: i64 = 62;

/// How many actions came to what.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    pub(super) asked: u64,
    pub(super) ran: u64,
    pub(super) stopped: u64,
    pub(super) waited: u64,
    pub(super) rehearsed: u64,
}

/// A line of a table: what is counted, and the first and the last receipt of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Counted {
    pub(super) what: String,
    pub(super) counts: Counts,
    pub(super) first: String,
    pub(super) last: String,
}

/// One receipt, told in a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) who: String,
    /// The command, the reason, or the receipt that it answers.
    pub(super) what: String,
}

/// What one person answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Approver {
    pub(super) who: String,
    pub(super) approved: u64,
    pub(super) denied: u64,
    /// From question to answer, in milliseconds, sorted.
    pub(super) waits: Vec<i64>,
    pub(super) last: String,
}

#[derive(Debug)]
pub(super) struct Figures {
    pub(super) all: Counts,
    /// How those that ran ended, by kind of closer; the last are still open.
    pub(super) endings: Vec<(String, u64)>,
    pub(super) bar_days: i64,
    /// Beginning of each bar and what happened in it.
    pub(super) bars: Vec<(i64, Counts)>,
    pub(super) tiers: Vec<Counted>,
    pub(super) programs: Vec<Counted>,
    /// Actions whose command is not at hand.
    pub(super) undisclosed: u64,
    pub(super) principals: Vec<Counted>,
    pub(super) reasons: Vec<Counted>,
    pub(super) stopped: Vec<Told>,
    pub(super) approvers: Vec<Approver>,
    pub(super) unanswered: u64,
    pub(super) answers: Vec<Told>,
    pub(super) governance: Vec<Told>,
    pub(super) erased: u64,
    /// Place and kind of every receipt that is named.
    pub(super) named: BTreeMap<String, (i64, i64, String)>,
}

/// Sums of a group of actions, in the order of [`Counts`].
const SUMS: &str = "count(*), coalesce(sum(ran), 0), coalesce(sum(kind = 'blocked'), 0), \
    coalesce(sum(kind = 'escalation'), 0), coalesce(sum(kind = 'dry_run'), 0)";
/// Actions of the period.
const IN_PERIOD: &str =
    "actions.at >= (SELECT since FROM period) AND actions.at < (SELECT until FROM period)";

impl Figures {
    pub(super) fn of(view: &View, period: Period) -> Result<Self, ViewFault> {
        let ask = Ask(view.connection());
        let (bar_days, bars) = ask.bars(period)?;
        let mut figures = Self {
            all: ask.one(&format!("SELECT {SUMS} FROM actions WHERE {IN_PERIOD}"), |row| counts(row, 0))?,
            endings: ask.rows(
                &format!("SELECT coalesce(closer_kind, ''), count(*) FROM actions WHERE ran AND {IN_PERIOD} GROUP BY 1 ORDER BY 2 DESC"),
                [],
                |row| Ok((row.get(0)?, number(row, 1)?)),
            )?,
            bar_days,
            bars,
            tiers: ask.counted("coalesce(risk_tier, '')", "actions", "1")?,
            programs: ask.counted("program", "actions JOIN (SELECT DISTINCT seq AS of_seq, program FROM commands) ON of_seq = seq", "2 DESC, 1")?,
            undisclosed: ask.one(&format!("SELECT count(*) FROM actions WHERE NOT disclosed AND {IN_PERIOD}"), |row| number(row, 0))?,
            principals: ask.counted("coalesce(principal, '')", "actions", "4 DESC, 2 DESC, 1")?,
            reasons: ask.counted(
                "gate || ': ' || code || coalesce(' (' || policy_id || ')', '')",
                "actions JOIN (SELECT DISTINCT reasons.seq AS of_seq, reasons.gate AS gate, code, policy_id FROM reasons JOIN gates ON gates.seq = reasons.seq AND gates.gate = reasons.gate AND outcome = 'deny') ON of_seq = seq AND kind = 'blocked'",
                "4 DESC, 1",
            )?,
            stopped: ask.told(&format!(
                "SELECT receipt_id, at, kind, coalesce(principal, ''), coalesce((SELECT group_concat(words, '; ') FROM commands WHERE commands.seq = actions.seq), '')
                 FROM actions WHERE kind = 'blocked' AND {IN_PERIOD} ORDER BY seq DESC LIMIT {ROWS_MAX}"
            ))?,
            approvers: ask.approvers()?,
            unanswered: ask.one(
                &format!("SELECT count(*) FROM actions WHERE kind = 'escalation' AND {IN_PERIOD} AND seq NOT IN
                    (SELECT target_seq FROM refs JOIN receipts USING (seq) WHERE rel = 'escalation' AND kind IN ('approval', 'denial') AND target_seq IS NOT NULL)"),
                |row| number(row, 0),
            )?,
            answers: ask.told(&format!(
                "SELECT actions.receipt_id, actions.at, actions.kind, coalesce(actions.principal, ''), coalesce((SELECT target_id FROM refs WHERE refs.seq = actions.seq AND rel IN ('escalation', 'dry_run') LIMIT 1), '')
                 FROM receipts AS actions WHERE kind IN ('approval', 'denial', 'break_glass') AND {IN_PERIOD} ORDER BY seq DESC LIMIT {ROWS_MAX}"
            ))?,
            governance: ask.told(&format!(
                "SELECT receipt_id, at, kind, coalesce(principal, ''), policy_version FROM receipts AS actions
                 WHERE kind IN ('policy_activated', 'pack_activated', 'grant', 'grant_revoked', 'token_issued', 'token_revoked', 'tool_pinned', 'principal_added', 'principal_removed', 'halted', 'resumed', 'tenant_changed',
                    'key_added', 'key_rotated', 'key_revoked', 'erasure', 'recovery', 'clock_corrected') AND {IN_PERIOD} ORDER BY seq DESC LIMIT {ROWS_MAX}"
            ))?,
            erased: ask.one("SELECT count(DISTINCT target_seq) FROM erased", |row| number(row, 0))?,
            named: BTreeMap::new(),
        };
        figures.named = ask.named(&figures.ids())?;
        Ok(figures)
    }

    /// Every receipt that the report names.
    fn ids(&self) -> BTreeSet<String> {
        let tables = [&self.tiers, &self.programs, &self.principals, &self.reasons];
        let counted = tables.into_iter().flatten().flat_map(|one| [one.first.clone(), one.last.clone()]);
        let told = [&self.stopped, &self.answers, &self.governance].into_iter().flatten();
        let told = told.flat_map(|one| [one.id.clone(), one.what.clone()]);
        let approvers = self.approvers.iter().map(|one| one.last.clone());
        counted.chain(told).chain(approvers).filter(|id| id.starts_with("r_")).collect()
    }
}

/// Asks a view.
struct Ask<'a>(&'a Connection);

impl Ask<'_> {
    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ViewFault> {
        let mut query = self.0.prepare_cached(sql)?;
        let rows = query.query_map(params, read)?.collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    fn one<T>(&self, sql: &str, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Result<T, ViewFault> {
        Ok(self.0.query_row(sql, [], read)?)
    }

    fn counted(&self, what: &str, from: &str, order: &str) -> Result<Vec<Counted>, ViewFault> {
        let sql = format!(
            "SELECT {what}, {SUMS}, min(seq) AS first_seq, max(seq) AS last_seq FROM {from} WHERE {IN_PERIOD} GROUP BY 1 ORDER BY {order} LIMIT {ROWS_MAX}"
        );
        let id = "SELECT receipt_id FROM receipts WHERE seq = ";
        let sql = format!("WITH found AS ({sql}) SELECT *, ({id} first_seq), ({id} last_seq) FROM found");
        self.rows(&sql, [], |row| {
            Ok(Counted { what: row.get(0)?, counts: counts(row, 1)?, first: row.get(8)?, last: row.get(9)? })
        })
    }

    fn told(&self, sql: &str) -> Result<Vec<Told>, ViewFault> {
        self.rows(sql, [], |row| {
            Ok(Told {
                id: row.get(0)?,
                at: row.get(1)?,
                kind: row.get(2)?,
                who: row.get(3)?,
                what: row.get(4)?,
            })
        })
    }

    /// As many bars as can be told apart: each is a day, or some days.
    fn bars(&self, period: Period) -> Result<(i64, Vec<(i64, Counts)>), ViewFault> {
        let span = "SELECT min(at), max(at) FROM actions WHERE ";
        let (first, last): (Option<i64>, Option<i64>) =
            self.one(&format!("{span}{IN_PERIOD}"), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(first), Some(last)) = (first, last) else { return Ok((1, Vec::new())) };
        let begins = first.max(period.since).div_euclid(DAY_MS) * DAY_MS;
        let days = ((last - begins) / DAY_MS + BARS_MAX) / BARS_MAX;
        let width = days * DAY_MS;
        let sql = format!("SELECT (at - ?1) / ?2, {SUMS} FROM actions WHERE {IN_PERIOD} GROUP BY 1");
        let found: BTreeMap<i64, Counts> =
            self.rows(&sql, [begins, width], |row| Ok((row.get(0)?, counts(row, 1)?)))?.into_iter().collect();
        let all = (0..=(last - begins) / width)
            .map(|bar| (begins + bar * width, found.get(&bar).copied().unwrap_or_default()));
        Ok((days, all.collect()))
    }

    fn approvers(&self) -> Result<Vec<Approver>, ViewFault> {
        let sql = format!(
            "SELECT coalesce(actions.principal, ''), actions.kind = 'approval', actions.at - asked.at, actions.receipt_id
             FROM receipts AS actions JOIN refs ON refs.seq = actions.seq AND rel IN ('escalation', 'dry_run')
                JOIN receipts AS asked ON asked.seq = target_seq
             WHERE actions.kind IN ('approval', 'denial') AND {IN_PERIOD} ORDER BY actions.seq"
        );
        let mut found: BTreeMap<String, Approver> = BTreeMap::new();
        let answers: Vec<(String, bool, i64, String)> =
            self.rows(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        for (who, approved, wait, id) in answers {
            let one = found.entry(who.clone()).or_insert_with(|| Approver {
                who,
                approved: 0,
                denied: 0,
                waits: Vec::new(),
                last: String::new(),
            });
            *if approved { &mut one.approved } else { &mut one.denied } += 1;
            one.waits.push(wait);
            one.last = id;
        }
        let mut all: Vec<Approver> = found.into_values().collect();
        all.iter_mut().for_each(|one| one.waits.sort_unstable());
        all.sort_by_key(|one| std::cmp::Reverse(one.approved + one.denied));
        Ok(all)
    }

    fn named(&self, ids: &BTreeSet<String>) -> Result<BTreeMap<String, (i64, i64, String)>, ViewFault> {
        let mut query = self.0.prepare_cached("SELECT seq, at, kind FROM receipts WHERE receipt_id = ?1")?;
        let mut found = BTreeMap::new();
        for id in ids {
            let rows = query.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            for row in rows {
                found.insert(id.clone(), row?);
            }
        }
        Ok(found)
    }
}

fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or_default())
}

fn counts(row: &Row<'_>, at: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        asked: number(row, at)?,
        ran: number(row, at + 1)?,
        stopped: number(row, at + 2)?,
        waited: number(row, at + 3)?,
        rehearsed: number(row, at + 4)?,
    })
}

/// The figures for programs.
pub(super) fn document(figures: &Figures, names: &BTreeMap<String, String>) -> Value {
    let count = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let counts = |counts: &Counts| {
        [
            ("asked", count(counts.asked)),
            ("dry_runs", count(counts.rehearsed)),
            ("escalated", count(counts.waited)),
            ("ran", count(counts.ran)),
            ("stopped", count(counts.stopped)),
        ]
    };
    let rows = |rows: &[Counted]| {
        let row = |one: &Counted| {
            let mut members = counts(&one.counts).to_vec();
            members.extend(names.get(&one.what).map(|name| ("name", name.as_str().into())));
            members.push(("first", one.first.as_str().into()));
            members.push(("last", one.last.as_str().into()));
            members.push(("what", one.what.as_str().into()));
            Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        Value::Array(rows.iter().map(row).collect())
    };
    let approver = |one: &Approver| {
        Value::object([
            ("approved", count(one.approved)),
            ("denied", count(one.denied)),
            ("last", one.last.as_str().into()),
            ("median_wait_ms", Value::Int(one.percentile(50))),
            ("principal", one.who.as_str().into()),
        ])
    };
    Value::object([
        ("actions", Value::object(counts(&figures.all))),
        ("approvers", Value::Array(figures.approvers.iter().map(approver).collect())),
        ("erased", count(figures.erased)),
        ("principals", rows(&figures.principals)),
        ("programs", rows(&figures.programs)),
        ("stopped_by", rows(&figures.reasons)),
        ("tiers", rows(&figures.tiers)),
        ("unanswered", count(figures.unanswered)),
        ("undisclosed", count(figures.undisclosed)),
    ])
}

impl Approver {
    /// The wait that so many of a hundred do not pass, in milliseconds.
    pub(super) fn percentile(&self, of_100: usize) -> i64 {
        let at = self.waits.len().saturating_sub(1) * of_100 / 100;
        self.waits.get(at).copied().unwrap_or_default()
    }
}
