//! A schedule is added, paused, resumed or removed: decided by all gates, as a call of `cascade cron add` and the like,
//! and one receipt, whatever they say.
use std::sync::Arc;

use cascade_kernel::csl::Document;
use cascade_ledger::{Appended, Ledger, Present, PrincipalKind, PrivateItem, Schedule};
use cascade_policy::decide::Ruling;
use cascade_policy::facts::{CronAct, Facts, ScheduleAct};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{self, Body, OfSpec, ScheduleChange, ScheduleChanged};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Digest;

use super::{CronError, Definition, Work};
use crate::consent::{self, Approved};
use crate::facts::{self, Asker};
use crate::own_act::{self, OwnAct};
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
    if let Some(approved) = &approved {
        let action = facts_of(&ledger.present()?, &driver.asker, what)?.action().to_canonical();
        if Digest::salted(&approved.action_nonce, action.as_bytes()) != approved.subject.action_hash {
            return Err(CronError::OtherAction(approved.subject.receipt_id));
        }
    }
    let changing = Changing { ledger, what, approved: approved.as_ref() };
    let (decided, receipt) = own_act::recorded(&changing, ledger, &driver.by())?;
    Ok(Changed { ruling: decided.ruling, receipt })
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

fn facts_of(ledger: &Present<'_>, asker: &Asker, what: &Change<'_>) -> Result<Facts, CronError> {
    let cwd = match what {
        Change::Add(definition, _) => definition.cwd.as_path(),
        _ => std::path::Path::new(""),
    };
    Ok(facts::of_schedule(ledger, asker, what.act(), cwd)?)
}

struct Changing<'a> {
    ledger: &'a Ledger,
    what: &'a Change<'a>,
    approved: Option<&'a Approved>,
}

impl Changing<'_> {
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

impl OwnAct for Changing<'_> {
    type Error = CronError;

    const TASK_TYPE: &'static str = "cron";

    fn approved(&self) -> Option<&Approved> {
        self.approved
    }

    fn facts(&self, present: &Present<'_>, _snapshot: &Snapshot, asker: &Asker) -> Result<Facts, CronError> {
        facts_of(present, asker, self.what)
    }

    fn name(&self, action: &mut content::Action, verdict: Verdict) {
        if verdict == Verdict::Admit {
            action.refs.extend(self.what.schedule().map(Schedule::reference));
            action.spec = self.what.spec();
        }
    }

    fn admitted(&self, action: content::Action, private: &mut Vec<PrivateItem>) -> Result<Body, CronError> {
        let change = self.recorded(private)?;
        Ok(Body::ScheduleChanged(ScheduleChanged { action, change }))
    }
}
