//! A schedule is added, paused, resumed or removed: decided by all gates, as a call of `cascade cron add` and the like,
//! and one receipt, whatever they say.
use std::sync::Arc;

use cascade_kernel::action::DECIDE_ATTEMPTS_MAX;
use cascade_kernel::csl::Document;
use cascade_ledger::{AppendError, Appended, Draft, Ledger, PrincipalKind, PrivateItem, Schedule};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::{CronAct, Facts, ScheduleAct};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{self, Body, Escalation, OfSpec, Ref, ScheduleChange, ScheduleChanged};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::{CronError, Definition, Work};
use crate::consent::{self, Approved};
use crate::facts::{self, Asker};
use crate::govern::{holds_until, is_about_consent};
use crate::grants;
use crate::limits;
use crate::policy_store;
use crate::workflow::{Driver, SUB, Sub};

/// What is to change.
#[derive(Debug)]
pub enum Change<'a> {
    /// There is a schedule more; with the specification that it runs, and those that steps of it run.
    Add(&'a Definition, Option<(Arc<Document>, Vec<Sub>)>),
    /// It fires no more until it is resumed. With its name.
    Pause(&'a Schedule, &'a str),
    /// It fires again.
    Resume(&'a Schedule, &'a str),
    /// It is gone.
    Remove(&'a Schedule, &'a str),
}

/// What came of it.
#[derive(Debug)]
pub struct Changed {
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

/// Changes a schedule, if the gates admit it. `approval` names what was approved, where it was escalated.
///
/// # Errors
/// [`CronError`]; a denial is none.
pub fn change(
    ledger: &Ledger,
    what: &Change<'_>,
    driver: &Driver,
    approval: Option<&str>,
) -> Result<Changed, CronError> {
    let approved =
        approval.map(|id| consent::answered(ledger, id)).transpose()?.map(|(approved, _)| approved);
    let nonce = match &approved {
        Some(approved) => approved.action_nonce,
        None => cascade_ledger::nonce()?,
    };
    if let Some(approved) = &approved {
        let action = facts_of(ledger, &driver.asker, what)?.action().to_canonical();
        if Digest::salted(&approved.action_nonce, action.as_bytes()) != approved.subject.action_hash {
            return Err(CronError::OtherAction(approved.subject.receipt_id));
        }
    }
    let changing = Changing { ledger, what, driver, approved: approved.as_ref() };
    for _ in 0..DECIDE_ATTEMPTS_MAX {
        let (snapshot, mark) = policy_store::in_force(ledger)?;
        let asker = driver.asker.again(ledger)?;
        let decided = changing.decide(&snapshot, &asker)?;
        let mut draft = changing.draft(&decided, &asker, nonce)?;
        draft.seen = Some(mark);
        if decided.ruling.decision.verdict == Verdict::Admit {
            draft.caps = limits::caps(&decided.facts, &decided.ruling);
            draft.holds_until = holds_until(&decided.ruling, &decided.facts, &decided.grants);
        }
        match ledger.append(draft) {
            Ok(receipt) => return Ok(Changed { ruling: decided.ruling, receipt }),
            Err(AppendError::Stale | AppendError::Halted) => {}
            Err(error) if is_about_consent(&error) => {}
            Err(error) => return Err(CronError::Append(error)),
        }
    }
    Err(CronError::Unsettled)
}

impl Change<'_> {
    fn act(&self) -> ScheduleAct {
        let (act, name, definition) = match self {
            Self::Add(definition, _) => {
                (CronAct::Add, definition.name.as_str(), Some(definition.to_json().to_canonical()))
            }
            Self::Pause(_, name) => (CronAct::Pause, *name, None),
            Self::Resume(_, name) => (CronAct::Resume, *name, None),
            Self::Remove(_, name) => (CronAct::Remove, *name, None),
        };
        ScheduleAct { act, name: name.to_owned(), definition }
    }

    const fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Add(..) => None,
            Self::Pause(schedule, _) | Self::Resume(schedule, _) | Self::Remove(schedule, _) => {
                Some(schedule)
            }
        }
    }

    /// The specification that is added with it.
    const fn spec(&self) -> Option<OfSpec> {
        match self {
            Self::Add(Definition { work: Work::Spec { spec_hash, .. }, .. }, _) => {
                Some(OfSpec { spec_hash: *spec_hash, step: None })
            }
            _ => None,
        }
    }
}

fn facts_of(ledger: &Ledger, asker: &Asker, what: &Change<'_>) -> Result<Facts, CronError> {
    let cwd = match what {
        Change::Add(definition, _) => definition.cwd.as_path(),
        _ => std::path::Path::new(""),
    };
    Ok(facts::of_schedule(ledger, asker, what.act(), cwd)?)
}

struct Changing<'a> {
    ledger: &'a Ledger,
    what: &'a Change<'a>,
    driver: &'a Driver,
    approved: Option<&'a Approved>,
}

impl Changing<'_> {
    fn decide(&self, snapshot: &Snapshot, asker: &Asker) -> Result<Decided, CronError> {
        let mut facts = facts_of(self.ledger, asker, self.what)?;
        limits::count(self.ledger, snapshot, &mut facts, None)?;
        if let Some(approved) = self.approved {
            approved.add_to(self.ledger, &mut facts, None)?;
        }
        let ruling = decide::decide(snapshot, &facts);
        let grants = grants::used(self.ledger, &ruling.decision)?;
        Ok(Decided { facts, ruling, grants })
    }

    fn draft(&self, decided: &Decided, asker: &Asker, nonce: Nonce) -> Result<Draft, CronError> {
        let verdict = decided.ruling.decision.verdict;
        let admitted = verdict == Verdict::Admit;
        // Asked anew, it is a matter of its own.
        let is_new_matter = verdict == Verdict::Escalate && self.approved.is_some();
        let nonce = if is_new_matter { cascade_ledger::nonce()? } else { nonce };
        let text = |value: Value| value.to_canonical().into_bytes();
        let action = PrivateItem::new("action_hash", nonce, text(decided.facts.action()));
        let facts = PrivateItem::new("facts_hash", cascade_ledger::nonce()?, text(decided.facts.to_json()));
        let stands_on =
            self.approved.filter(|_| !is_new_matter).map(|approved| approved.counted(&decided.facts));
        let schedule = self.what.schedule().filter(|_| admitted).map(Schedule::reference);
        let refs = stands_on.into_iter().flatten().chain(decided.grants.iter().cloned()).chain(schedule);
        let body = content::Action {
            task_type: "cron".to_owned(),
            risk_tier: decided.ruling.risk_tier,
            classified: decided.ruling.classified,
            principal: asker.principal_id(),
            on_behalf_of: asker.agent.as_ref().map(|_| asker.person_id),
            action_hash: action.hash,
            facts_hash: facts.hash,
            decision: decided.ruling.decision.clone(),
            refs: refs.collect(),
            draws: if admitted { limits::taken(&decided.ruling) } else { Vec::new() },
            spec: self.what.spec().filter(|_| admitted),
            runtime: self.driver.runtime.clone(),
        };
        let mut private = vec![action, facts];
        let body = match verdict {
            Verdict::Deny => Body::Blocked(body),
            Verdict::Escalate => Body::Escalation(escalation(body, decided)?),
            Verdict::Admit => {
                let change = self.recorded(&mut private)?;
                Body::ScheduleChanged(ScheduleChanged { action: body, change })
            }
        };
        if let Some(reason) = &self.driver.reason {
            let reason = reason.clone().into_bytes();
            private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, reason));
        }
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private = private;
        Ok(draft)
    }

    /// The change as the receipt has it; what a scheduler needs to know of it goes to `private`.
    fn recorded(&self, private: &mut Vec<PrivateItem>) -> Result<ScheduleChange, CronError> {
        let (definition, spec) = match self.what {
            Change::Pause(..) => return Ok(ScheduleChange::Paused),
            Change::Resume(..) => return Ok(ScheduleChange::Resumed),
            Change::Remove(..) => return Ok(ScheduleChange::Removed),
            Change::Add(definition, spec) => (definition, spec),
        };
        let name = self.ledger.principal_for(PrincipalKind::Schedule, &definition.name)?;
        let text = definition.to_json().to_canonical().into_bytes();
        let item = PrivateItem::new("schedule_hash", cascade_ledger::nonce()?, text);
        let change = ScheduleChange::Added { schedule: name.0, schedule_hash: item.hash };
        private.push(item);
        if let Some((spec, subs)) = spec {
            let spec = spec.canonical().into_bytes();
            private.push(PrivateItem::new("spec", cascade_ledger::nonce()?, spec));
            for sub in subs {
                private.push(PrivateItem::new(SUB, cascade_ledger::nonce()?, sub.to_bytes()));
            }
        }
        Ok(change)
    }
}

fn escalation(action: content::Action, decided: &Decided) -> Result<Escalation, CronError> {
    let terms = decided.ruling.escalation.as_ref().ok_or(CronError::Unsettled)?;
    Ok(Escalation {
        action,
        required: terms.required,
        groups: terms.groups.clone(),
        expires: Timestamp::from_ms(decided.facts.at.ms().saturating_add(terms.expires_after_ms)),
        signature_required: terms.signature_required,
    })
}
