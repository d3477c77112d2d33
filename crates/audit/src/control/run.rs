//! Controls asked of a view.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _};

use super::damage::{BREAKS_MAX, Break};
use super::guard::{GuardFault, Meter};
use super::rule::{Control, Controls, Severity};
use super::view::{Period, View};

/// Most findings of one control, and most reasons why it cannot be answered; what is beyond is counted as there.
pub const FINDINGS_MAX: usize = 10_000;
/// Most receipts that one finding names.
const RECEIPTS_MAX: usize = 100;
/// Longest summary, in characters; beyond it is cut.
const SUMMARY_CHARS_MAX: usize = 500;

/// How a control came out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// It looked at something, all of that can be answered, and nothing breaks it.
    Satisfied,
    /// There is nothing that it looks at.
    NotApplicable,
    /// Nothing breaks it as far as this chain can tell, which is not all that it asks.
    NotProvable,
    /// Something breaks it.
    Violated,
    /// Its SQL gave no answer, so nobody knows.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Satisfied, Self::NotApplicable, Self::NotProvable, Self::Violated, Self::Failed];

    /// The word in JSON and in tests of controls.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::NotApplicable => "not_applicable",
            Self::NotProvable => "not_provable",
            Self::Violated => "violated",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Something that breaks a control, or that keeps it from being answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The receipts it is about, the first one first.
    pub receipts: Vec<(i64, String)>,
    /// What it is.
    pub summary: String,
    /// Where the chain is broken, where that is what was found.
    pub broken: Option<Break>,
}

/// What one control gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlResult {
    /// The control.
    pub control: Control,
    /// How it came out.
    pub outcome: Outcome,
    /// Rows of what it looks at, in the period.
    pub looked_at: u64,
    /// What breaks it.
    pub findings: Vec<Finding>,
    /// What this chain cannot answer.
    pub unprovable: Vec<Finding>,
    /// There are more of either than were kept.
    pub more: bool,
    /// Why it gave no answer.
    pub fault: Option<GuardFault>,
}

/// All controls of a pack, asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// First that of the chain itself, then those of the pack in their order.
    pub results: Vec<ControlResult>,
}

impl Audit {
    /// Findings of all controls, by where their receipts stand, each with its control.
    #[must_use]
    pub fn findings(&self) -> Vec<(&Control, &Finding)> {
        let all = self.results.iter();
        let mut findings: Vec<_> =
            all.flat_map(|result| result.findings.iter().map(|one| (&result.control, one))).collect();
        findings.sort_by_key(|(control, one)| {
            (one.receipts.first().map(|(seq, _)| *seq), std::cmp::Reverse(control.severity))
        });
        findings
    }

    /// The worst of what came out.
    #[must_use]
    pub fn worst(&self) -> Outcome {
        self.results.iter().map(|result| result.outcome).max().unwrap_or(Outcome::NotApplicable)
    }

    /// How much the heaviest violation weighs.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let violated = self.results.iter().filter(|result| result.outcome == Outcome::Violated);
        violated.map(|result| result.control.severity).max()
    }
}

/// Asks every control.
#[must_use]
pub fn audit(view: &View, controls: &Controls, period: Period) -> Audit {
    let Some(meter) = &view.meter else { return Audit { results: Vec::new() } };
    let asker = Asker { connection: &view.connection, meter, partial: partial(view) };
    let mut results = vec![of_chain(view, controls)];
    results.extend(controls.controls.iter().map(|control| asker.ask(control, period)));
    Audit { results }
}

/// A break is told wherever it is: what lies in the period cannot be judged without what leads there.
fn of_chain(view: &View, controls: &Controls) -> ControlResult {
    let found = |one: &Break| {
        let place = format!("line {}, seq {}", one.line, one.seq);
        let receipts = [&one.before, &one.after].into_iter().flatten().filter_map(|id| view.found(id));
        Finding {
            receipts: receipts.collect(),
            summary: format!("{} at {place}: {}", one.cause.text(), one.detail),
            broken: Some(one.clone()),
        }
    };
    let findings: Vec<Finding> = view.breaks().iter().map(found).collect();
    ControlResult {
        control: Control::of_chain(&controls.chain_break),
        outcome: match (findings.is_empty(), view.is_of_chosen()) {
            (false, _) => Outcome::Violated,
            (true, true) => Outcome::NotProvable,
            (true, false) => Outcome::Satisfied,
        },
        looked_at: view.receipts(),
        more: findings.len() >= BREAKS_MAX,
        findings,
        unprovable: view.is_of_chosen().then(rest).into_iter().collect(),
        fault: None,
    }
}

struct Asker<'v> {
    connection: &'v Connection,
    meter: &'v Meter,
    /// Why what is not seen here may be there all the same.
    partial: Option<Finding>,
}

/// Where the receipt of a row stands.
enum Standing {
    /// In the time that counts; nothing where the row is about no receipt.
    Counts(Vec<(i64, String)>),
    /// Before or after it.
    Outside,
    /// There is none.
    Nowhere,
}

/// What a query gave within the time that counts.
#[derive(Default)]
struct Rows {
    count: u64,
    kept: Vec<Finding>,
}

impl Asker<'_> {
    fn ask(&self, control: &Control, period: Period) -> ControlResult {
        let (from, until) = control.effective_ms();
        let window = (period.since.max(from), period.until.min(until));
        let mut result = ControlResult {
            control: control.clone(),
            outcome: Outcome::Failed,
            looked_at: 0,
            findings: Vec::new(),
            unprovable: Vec::new(),
            more: false,
            fault: None,
        };
        match self.answers(control, window, &mut result) {
            Ok(()) => {
                result.unprovable.extend(self.partial.clone());
                result.outcome = outcome(&result, self.partial.is_some());
            }
            Err(fault) => result.fault = Some(fault),
        }
        result
    }

    fn answers(
        &self,
        control: &Control,
        window: (i64, i64),
        into: &mut ControlResult,
    ) -> Result<(), GuardFault> {
        into.looked_at = self.rows(&control.applies, window, 1)?.count;
        for (sql, kept) in
            [(&control.violations, &mut into.findings), (&control.unprovable, &mut into.unprovable)]
        {
            let Some(sql) = sql else { continue };
            let rows = self.rows(sql, window, 2)?;
            into.more |= rows.count > rows.kept.len() as u64;
            *kept = rows.kept;
        }
        Ok(())
    }

    /// The rows of a query that count. Its columns are `seq`, `summary` and, where it names more receipts, `also`.
    fn rows(&self, sql: &str, window: (i64, i64), columns: usize) -> Result<Rows, GuardFault> {
        self.meter.restart();
        let fault = |error: &rusqlite::Error| self.meter.fault(error);
        let mut statement = self.connection.prepare(sql).map_err(|error| fault(&error))?;
        let width = statement.column_count();
        let wanted = ["seq", "summary", "also"];
        let named = statement.column_names().zip(wanted).all(|(is, want)| is == want);
        if width < columns || width > wanted.len() || !named {
            return Err(GuardFault::Columns("its columns must be seq, summary and, if it needs it, also"));
        }
        let mut found = Rows::default();
        let mut rows = statement.query([]).map_err(|error| fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| fault(&error))? {
            let seq: Option<i64> = row.get(0).map_err(|error| fault(&error))?;
            let mut receipts = match self.standing(seq, window).map_err(|error| fault(&error))? {
                Standing::Counts(receipts) => receipts,
                Standing::Outside => continue,
                // Dropped, it would make a violation into nothing.
                Standing::Nowhere => {
                    return Err(GuardFault::Columns("it names a seq at which no receipt is"));
                }
            };
            found.count += 1;
            if columns == 1 || found.kept.len() == FINDINGS_MAX {
                continue;
            }
            let cell = |at| if at < width { row.get_ref(at).map(words) } else { Ok(String::new()) };
            let summary = cell(1).map_err(|error| fault(&error))?;
            let also = cell(2).map_err(|error| fault(&error))?;
            receipts.extend(self.also(&also, &receipts).map_err(|error| fault(&error))?);
            found.kept.push(Finding {
                receipts,
                summary: summary.chars().take(SUMMARY_CHARS_MAX).collect(),
                broken: None,
            });
        }
        Ok(found)
    }

    /// Where a row stands. What is about no receipt always counts.
    fn standing(&self, seq: Option<i64>, (since, until): (i64, i64)) -> rusqlite::Result<Standing> {
        let Some(seq) = seq else {
            return Ok(if since < until { Standing::Counts(Vec::new()) } else { Standing::Outside });
        };
        let mut find =
            self.connection.prepare_cached("SELECT at, receipt_id FROM receipts WHERE seq = ?1")?;
        let found = find.query_row([seq], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional()?;
        Ok(match found {
            Some((at, id)) if since <= at && at < until => Standing::Counts(vec![(seq, id)]),
            Some(_) => Standing::Outside,
            None => Standing::Nowhere,
        })
    }

    /// Further receipts, from their seqs with commas between.
    fn also(&self, text: &str, known: &[(i64, String)]) -> rusqlite::Result<Vec<(i64, String)>> {
        let seqs: BTreeSet<i64> = text.split(',').filter_map(|seq| seq.trim().parse().ok()).collect();
        let mut also = Vec::new();
        for seq in seqs.into_iter().filter(|seq| !known.iter().any(|(is, _)| is == seq)).take(RECEIPTS_MAX) {
            if let Standing::Counts(receipts) = self.standing(Some(seq), (i64::MIN, i64::MAX))? {
                also.extend(receipts);
            }
        }
        Ok(also)
    }
}

/// Why chosen receipts satisfy nothing.
fn rest() -> Finding {
    let summary = "these are chosen receipts; what the others of the chain show is not here".to_owned();
    Finding { receipts: Vec::new(), summary, broken: None }
}

/// Where a chain is broken, or not all of it is here, silence says nothing.
fn partial(view: &View) -> Option<Finding> {
    let of_break = |one: &Break| Finding {
        receipts: Vec::new(),
        summary: format!(
            "the chain is broken at line {}, seq {}; what stood there is not known",
            one.line, one.seq
        ),
        broken: Some(one.clone()),
    };
    if view.is_of_chosen() { Some(rest()) } else { view.breaks().first().map(of_break) }
}

fn outcome(result: &ControlResult, partial: bool) -> Outcome {
    if !result.findings.is_empty() {
        Outcome::Violated
    } else if result.looked_at == 0 && !partial {
        Outcome::NotApplicable
    } else if !result.unprovable.is_empty() || result.control.violations.is_none() {
        Outcome::NotProvable
    } else {
        Outcome::Satisfied
    }
}

fn words(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Null | ValueRef::Blob(_) => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
    }
}
