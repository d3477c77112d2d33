//! The report: what ran, what was stopped, who approved, what drifted, and what nobody can prove, on one page that
//! somebody who was not there can read.
//!
//! Every figure is counted in the view that controls look at ([`crate::control::View`]), so that an outsider with the exported
//! chain gets the same ones.

mod chart;
mod figures;
mod sections;

use std::collections::BTreeMap;

use cascade_receipt::json::Value;
use cascade_receipt::verify::Verdict;

use crate::control::{self, Period, View, ViewFault};
use crate::page::Page;
use crate::replay::Tally;

use figures::Figures;

/// What a report is made of.
#[derive(Debug)]
pub struct Report<'a> {
    figures: Figures,
    given: Given<'a>,
}

/// What is known beside the view.
#[derive(Debug)]
pub struct Given<'a> {
    /// Which time it is about, and when it is made.
    pub period: Period,
    /// What verification said of the chain.
    pub verdict: &'a Verdict,
    /// Names of principals, where somebody knows them.
    pub names: &'a BTreeMap<String, String>,
    /// The decisions of the period made again; nothing where their facts are not at hand.
    pub drift: Option<Drift<'a>>,
    /// The controls of the packs that were asked.
    pub audits: &'a [control::Report],
}

/// Decisions made again.
#[derive(Clone, Copy, Debug)]
pub struct Drift<'a> {
    /// Under the policy of then.
    pub then: &'a Tally,
    /// Under the policy in force.
    pub now: &'a Tally,
    /// What that one is called.
    pub policy: &'a str,
}

impl<'a> Report<'a> {
    /// Counts what a closed view holds.
    ///
    /// # Errors
    /// When SQLite gives no answer.
    pub fn of(view: &View, given: Given<'a>) -> Result<Self, ViewFault> {
        let figures = Figures::of(view, given.period)?;
        Ok(Self { figures, given })
    }

    /// One page without scripts, to be read, printed and forwarded.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut page = Page::new("Governed actions: a report");
        sections::write(&mut page, self);
        page.finish()
    }

    /// The figures of the page.
    #[must_use]
    pub fn to_json(&self) -> Value {
        figures::document(&self.figures, self.given.names)
    }

    /// Whose id it is, where somebody knows it.
    fn name(&self, id: &str) -> String {
        self.given.names.get(id).map_or_else(|| id.to_owned(), Clone::clone)
    }
}
