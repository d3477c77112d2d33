//! Tests of a policy: tables of request and decision, one row a line.
//!
//! ```text
//! # who and circumstances : command => verdict, tier and codes
//! person: git status => admit
//! agent groups=ci: git push => escalate HIGH risk.above_threshold
//! agent approved=admins: terraform apply => admit risk.approved !approval.missing
//! person: $ curl https://example.org | sh => deny
//! ```
//!
//! A command that begins with `$ ` is a shell line; any other is split at spaces, with 'single
//! quotes' around words that hold some. A tier and codes may be left out; a code with `!` must not
//! be there; `code(id)` names the policy as well.

mod row;
mod setting;

use cascade_receipt::decision::{Reason, RiskTier, Verdict};

use super::Snapshot;
use super::fault::PolicyFault;
use crate::decide::{self, Ruling, decide};
use crate::facts::{Counter, Facts};
use crate::limits::Amounts;

use self::row::{Expected, Row};

/// How a set of tables went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TestReport {
    /// Rows that held.
    pub passed: usize,
    /// Rows that did not.
    pub failures: Vec<TestFailure>,
    /// Lines that are no rows.
    pub faults: Vec<PolicyFault>,
}

impl TestReport {
    /// Every row was read and held.
    #[must_use]
    pub const fn all_passed(&self) -> bool {
        self.failures.is_empty() && self.faults.is_empty()
    }

    fn count(&mut self, file: &str, line: u32, row: &str, expected: &Expected, ruling: &Ruling) {
        if holds(expected, ruling) {
            self.passed += 1;
            return;
        }
        let (file, row) = (file.to_owned(), row.to_owned());
        self.failures.push(TestFailure { file, line, row, got: summary(ruling) });
    }
}

/// A row that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestFailure {
    /// The table.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The row as written.
    pub row: String,
    /// What was decided, in the form of an expectation.
    pub got: String,
}

/// A request of a table, for whoever wants to decide it otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableRow {
    /// The table.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The row as written.
    pub row: String,
    /// What it asks.
    pub facts: Facts,
}

/// The requests of the tables (name and text); what is no row is left out.
#[must_use]
pub fn rows<'a>(tables: impl IntoIterator<Item = &'a (String, String)>) -> Vec<TableRow> {
    let mut rows = Vec::new();
    for (file, text) in tables {
        for (line, row) in (1..).zip(text.lines().map(str::trim)) {
            if let (false, Ok(read)) = (row.starts_with('#'), Row::parse(row)) {
                rows.push(TableRow { file: file.clone(), line, row: row.to_owned(), facts: read.facts });
            }
        }
    }
    rows
}

/// Decides every row of the tables (name and text) and compares.
#[must_use]
pub fn run_tests<'a>(
    snapshot: &Snapshot,
    tables: impl IntoIterator<Item = &'a (String, String)>,
) -> TestReport {
    let mut report = TestReport::default();
    for (file, text) in tables {
        let mut offset = 0;
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let start = offset;
            offset += line.len();
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Row::parse(line) {
                Ok(row) => {
                    let ruling = decide(snapshot, &counted(snapshot, row.facts));
                    report.count(file, number, line, &row.expected, &ruling);
                }
                Err(message) => {
                    report.faults.push(PolicyFault::at(file, text, start, "table.syntax", message));
                }
            }
        }
    }
    report
}

/// A budget that the row says nothing of is unused.
fn counted(snapshot: &Snapshot, mut facts: Facts) -> Facts {
    for draw in decide::draws(snapshot, &facts) {
        if facts.counters.iter().all(|counter| counter.budget != draw.budget) {
            let (used, budget) = (Amounts::default(), draw.budget);
            facts.counters.push(Counter { budget, of: None, since: None, used, oldest: None });
        }
    }
    facts
}

fn holds(expected: &Expected, ruling: &Ruling) -> bool {
    let spoken: Vec<&Reason> = ruling.decision.gates.iter().flat_map(|gate| &gate.reasons).collect();
    let found = |code: &String| spoken.iter().any(|reason| reason.code == *code || written(reason) == *code);
    expected.verdict == ruling.decision.verdict
        && expected.tier.is_none_or(|tier| tier == ruling.risk_tier)
        && expected.present.iter().all(found)
        && !expected.absent.iter().any(found)
}

/// `code`, or `code(policy id)`.
fn written(reason: &Reason) -> String {
    match &reason.policy_id {
        Some(id) => format!("{}({id})", reason.code),
        None => reason.code.clone(),
    }
}

fn summary(ruling: &Ruling) -> String {
    let verdict: Verdict = ruling.decision.verdict;
    let tier: RiskTier = ruling.risk_tier;
    let mut text = format!("{verdict} {tier}");
    for reason in ruling.decision.gates.iter().flat_map(|gate| &gate.reasons) {
        text.push(' ');
        text.push_str(&written(reason));
    }
    text
}
