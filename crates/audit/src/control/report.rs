//! What was asked, of what, and what came of it: as JSON, as OSCAL, as a page.

mod html;
mod json;
mod oscal;

use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::Verdict;

use super::{Audit, ControlResult, Controls, Finding, Outcome, Period, View, audit};

/// An audit with everything that it rests on.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked.
    pub controls: Controls,
    /// About which time, and when.
    pub period: Period,
    /// What verification said of the chain.
    pub verdict: Verdict,
    /// What came of it.
    pub audit: Audit,
}

impl Report {
    /// Asks the controls of a view that is closed.
    #[must_use]
    pub fn of(view: &View, controls: Controls, period: Period, verdict: Verdict) -> Self {
        Self { audit: audit(view, &controls, period), controls, period, verdict }
    }

    /// Whether there is nothing that somebody would have to look at.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let fine = |outcome| matches!(outcome, Outcome::Satisfied | Outcome::NotApplicable);
        self.audit.results.iter().all(|result| fine(result.outcome))
    }

    /// The receipts that findings name.
    pub fn evidence(&self) -> impl Iterator<Item = (i64, &str)> {
        let findings = self.audit.results.iter().flat_map(|result| &result.findings);
        findings.flat_map(|one| one.receipts.iter().map(|(seq, id)| (*seq, id.as_str())))
    }

    /// The document of `--json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json::of(self)
    }

    /// OSCAL assessment results.
    #[must_use]
    pub fn to_oscal(&self) -> Value {
        oscal::of(self)
    }

    /// One page without scripts, to be read and printed.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::of(self)
    }

    fn origin(&self) -> &str {
        self.verdict.identity().map_or("", |identity| identity.log_origin.as_str())
    }
}

impl ControlResult {
    /// What it tells, and what that is: what breaks it, or what cannot be said.
    fn told(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        let findings = self.findings.iter().map(|one| ("finding", one));
        findings.chain(self.unprovable.iter().map(|one| ("not_provable", one)))
    }
}

/// A period for people.
pub(crate) fn between(period: Period) -> String {
    let since = if period.since > 0 { when(period.since) } else { "the first receipt".to_owned() };
    format!("{since} to {}", when(period.until))
}

/// A time as receipts have it.
pub(crate) fn when(ms: i64) -> String {
    Timestamp::from_ms(u64::try_from(ms).unwrap_or_default()).to_string()
}
