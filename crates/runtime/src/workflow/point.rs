//! What a workflow does that has no effect on the world: it begins, asks people, lets time pass, is settled. One receipt
//! each: decided, and recorded as what the gates said.

use cascade_kernel::action::DECIDE_ATTEMPTS_MAX;
use cascade_ledger::{AppendError, Appended, Draft, Ledger, PrivateItem};
use cascade_policy::decide::{self, EscalationTerms, Ruling};
use cascade_policy::facts::{Act, Facts, WorkflowAct};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{self, Body, ChainStarted, Escalation, OfSpec, Ref, Rel, StepAt};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Nonce;
use cascade_receipt::time::Timestamp;

use super::load::{Loaded, SUB};
use super::{Driver, WorkflowError};
use crate::consent::Approved;
use crate::facts::{self, Asker};
use crate::govern::{holds_until, is_about_consent};
use crate::grants;
use crate::limits;
use crate::policy_store;

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

struct Decided {
    facts: Facts,
    ruling: Ruling,
    grants: Vec<Ref>,
}

impl Point<'_> {
    /// Decides and records.
    pub(super) fn record(&self, ledger: &Ledger, driver: &Driver) -> Result<Pointed, WorkflowError> {
        let nonce = match self.approved {
            Some(approved) => approved.action_nonce,
            None => cascade_ledger::nonce()?,
        };
        for _ in 0..DECIDE_ATTEMPTS_MAX {
            let (snapshot, mark) = policy_store::in_force(ledger)?;
            let asker = driver.asker.again(ledger)?;
            let decided = self.decide(ledger, &snapshot, &asker)?;
            let mut draft = self.draft(&decided, &asker, driver, nonce)?;
            draft.seen = Some(mark);
            if decided.ruling.decision.verdict == Verdict::Admit && !self.dry_run {
                draft.caps = limits::caps(&decided.facts, &decided.ruling);
                draft.holds_until = holds_until(&decided.ruling, &decided.facts, &decided.grants);
            }
            match ledger.append(draft) {
                Ok(receipt) => return Ok(Pointed { ruling: decided.ruling, receipt }),
                Err(AppendError::Stale | AppendError::Halted) => {}
                Err(error) if is_about_consent(&error) => {}
                Err(error) => return Err(WorkflowError::Append(error)),
            }
        }
        Err(WorkflowError::Unsettled)
    }

    /// The facts of this act now.
    pub(super) fn facts(&self, ledger: &Ledger, asker: &Asker) -> Result<Facts, WorkflowError> {
        let mut facts = facts::of_workflow(ledger, asker, self.act.clone(), &self.run.cwd)?;
        let mut spec = self.run.facts(ledger, true)?;
        spec.approval.clone_from(&self.terms);
        facts.spec = Some(spec);
        facts.dry_run = self.dry_run;
        Ok(facts)
    }

    fn decide(&self, ledger: &Ledger, snapshot: &Snapshot, asker: &Asker) -> Result<Decided, WorkflowError> {
        let mut facts = self.facts(ledger, asker)?;
        limits::count(ledger, snapshot, &mut facts, None)?;
        if let Some(approved) = self.approved {
            approved.add_to(ledger, &mut facts, None)?;
        }
        let ruling = decide::decide(snapshot, &facts);
        let grants = grants::used(ledger, &ruling.decision)?;
        Ok(Decided { facts, ruling, grants })
    }

    fn draft(
        &self,
        decided: &Decided,
        asker: &Asker,
        driver: &Driver,
        nonce: Nonce,
    ) -> Result<Draft, WorkflowError> {
        let verdict = decided.ruling.decision.verdict;
        // Asked anew, it is a matter of its own.
        let is_new_matter = verdict == Verdict::Escalate && self.approved.is_some();
        let nonce = if is_new_matter { cascade_ledger::nonce()? } else { nonce };
        let text = |value: cascade_receipt::json::Value| value.to_canonical().into_bytes();
        let action = PrivateItem::new("action_hash", nonce, text(decided.facts.action()));
        let facts = PrivateItem::new("facts_hash", cascade_ledger::nonce()?, text(decided.facts.to_json()));
        let admitted = verdict == Verdict::Admit && !self.dry_run;
        let stands_on =
            self.approved.filter(|_| !is_new_matter).map(|approved| approved.counted(&decided.facts));
        let is_start = self.act.act == Act::Start;
        let chain = self.run.chain.iter().filter(|_| !is_start).cloned();
        // A run that another one starts names it; its own steps name it itself.
        let parent =
            self.run.caller.iter().filter(|_| is_start).filter_map(|(_, caller)| caller.chain.clone());
        let parent = parent.map(|chain| Ref { rel: Rel::Parent, ..chain });
        let refs = stands_on.into_iter().flatten().chain(decided.grants.iter().cloned()).chain(parent);
        let body = content::Action {
            task_type: "workflow".to_owned(),
            risk_tier: decided.ruling.risk_tier,
            classified: decided.ruling.classified,
            principal: asker.principal_id(),
            on_behalf_of: asker.agent.as_ref().map(|_| asker.person_id),
            action_hash: action.hash,
            facts_hash: facts.hash,
            decision: decided.ruling.decision.clone(),
            refs: refs.chain(chain).chain(self.refs.iter().cloned()).collect(),
            draws: if admitted { limits::taken(&decided.ruling) } else { Vec::new() },
            spec: Some(OfSpec { spec_hash: self.run.spec_hash, step: self.step }),
            runtime: driver.runtime.clone(),
        };
        let body = match verdict {
            _ if self.dry_run => Body::DryRun(body),
            Verdict::Deny => Body::Blocked(body),
            Verdict::Escalate => Body::Escalation(escalation(body, decided)?),
            Verdict::Admit if is_start => {
                Body::ChainStarted(ChainStarted { action: body, signatures: self.run.signatures() })
            }
            Verdict::Admit => Body::Point(body),
        };
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private = vec![action, facts];
        if let Some(reason) = &driver.reason {
            let reason = reason.clone().into_bytes();
            draft.private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, reason));
        }
        if is_start {
            draft.private.extend(self.kept()?);
        }
        Ok(draft)
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

fn escalation(action: content::Action, decided: &Decided) -> Result<Escalation, WorkflowError> {
    let terms = decided.ruling.escalation.as_ref().ok_or(WorkflowError::Unsettled)?;
    Ok(Escalation {
        action,
        required: terms.required,
        groups: terms.groups.clone(),
        expires: Timestamp::from_ms(decided.facts.at.ms().saturating_add(terms.expires_after_ms)),
        signature_required: terms.signature_required,
    })
}
