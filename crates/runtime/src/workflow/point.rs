//! What a workflow does that has no effect on the world: it begins, asks people, lets time pass, is settled. One receipt
//! each: decided, and recorded as what the gates said.

use cascade_ledger::{Appended, Ledger, Present, PrivateItem};
use cascade_policy::decide::{EscalationTerms, Ruling};
use cascade_policy::facts::{Act, Facts, WorkflowAct};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{self, Body, ChainStarted, OfSpec, Ref, Rel, StepAt};
use cascade_receipt::decision::Verdict;

use super::load::{Loaded, SUB};
use super::{Driver, WorkflowError};
use crate::consent::Approved;
use crate::facts::{self, Asker};
use crate::own_act::{self, OwnAct};

/// One act.
pub(super) struct Point<'a> {
    pub(super) run: &'a Loaded,
    pub(super) act: WorkflowAct,
    pub(super) step: Option<StepAt>,
    /// Whom an approval point asks.
    pub(super) terms: Option<EscalationTerms>,
    /// What it stands on, where it was approved.
    pub(super) approved: Option<&'a Approved>,
    /// What it is about beside the run.
    pub(super) refs: Vec<Ref>,
    pub(super) dry_run: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Pointed {
    /// What the gates said.
    pub ruling: Ruling,
    /// The one receipt.
    pub receipt: Appended,
}

impl Point<'_> {
    /// Decides and records.
    pub(super) fn record(&self, ledger: &Ledger, driver: &Driver) -> Result<Pointed, WorkflowError> {
        let (decided, receipt) = own_act::recorded(self, ledger, &driver.by())?;
        Ok(Pointed { ruling: decided.ruling, receipt })
    }

    /// Everything a decision about it may depend on.
    pub(super) fn look(&self, ledger: &Present<'_>, asker: &Asker) -> Result<Facts, WorkflowError> {
        let mut facts = facts::of_workflow(ledger, asker, self.act.clone(), &self.run.cwd)?;
        let mut spec = self.run.facts(ledger, true)?;
        spec.approval.clone_from(&self.terms);
        facts.spec = Some(spec);
        facts.dry_run = self.dry_run;
        Ok(facts)
    }

    fn is_start(&self) -> bool {
        self.act.act == Act::Start
    }

    /// What a run needs to go on in another process, beside its action.
    fn kept(&self) -> Result<Vec<PrivateItem>, WorkflowError> {
        let spec = self.run.document.canonical().into_bytes();
        let mut items = vec![PrivateItem::new("spec", cascade_ledger::nonce()?, spec)];
        for sub in &self.run.subs {
            items.push(PrivateItem::new(SUB, cascade_ledger::nonce()?, sub.to_bytes()));
        }
        Ok(items)
    }
}

impl OwnAct for Point<'_> {
    type Error = WorkflowError;

    const TASK_TYPE: &'static str = "workflow";

    fn approved(&self) -> Option<&Approved> {
        self.approved
    }

    fn dry_run(&self) -> bool {
        self.dry_run
    }

    fn facts(
        &self,
        present: &Present<'_>,
        _snapshot: &Snapshot,
        asker: &Asker,
    ) -> Result<Facts, WorkflowError> {
        self.look(present, asker)
    }

    fn name(&self, action: &mut content::Action, _: Verdict) {
        action.spec = Some(OfSpec { spec_hash: self.run.spec_hash, step: self.step });
        // A run that another one starts names that one; its own steps name it.
        let belongs = if self.is_start() {
            let caller = self.run.caller.as_ref().and_then(|(_, caller)| caller.chain.clone());
            caller.map(|chain| Ref { rel: Rel::Parent, ..chain })
        } else {
            self.run.chain.clone()
        };
        action.refs.extend(belongs);
        action.refs.extend(self.refs.iter().cloned());
    }

    fn admitted(
        &self,
        action: content::Action,
        private: &mut Vec<PrivateItem>,
    ) -> Result<Body, WorkflowError> {
        if !self.is_start() {
            return Ok(Body::Point(action));
        }
        private.extend(self.kept()?);
        Ok(Body::ChainStarted(ChainStarted { action, signatures: self.run.signatures() }))
    }
}
