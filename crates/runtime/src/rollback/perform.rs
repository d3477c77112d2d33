//! Undoes what was planned: one governed action after the other.

use std::convert::Infallible;

use cascade_kernel::action::{Outcome as Report, Record};
use cascade_kernel::rollback::{Fate, Inverse, Undoing, Wanted, Why, plan};
use cascade_policy::decide::Ruling;
use cascade_receipt::content::{Ending, Ref};
use cascade_receipt::decision::Verdict;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::kind::Kind;

use super::inverse::argv_of;
use super::{Item, Rollback, RollbackError};
use crate::consent::{self, Approved, ConsentError};
use crate::facts::Command;
use crate::govern::{self, GovernError, Governed, Request};
use crate::process::{Captured, StreamsPlan};
use crate::workflow::{Driver, State, state};

/// Bytes of output of one undoing that are kept for whoever asks.
pub const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;

/// How to go about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Only the decisions are wanted.
    pub dry_run: bool,
    /// Go on with the others where one cannot be undone.
    pub keep_going: bool,
}

/// What became of the undoing of one action.
#[derive(Debug)]
pub enum Became {
    /// It is undone.
    Done,
    /// The command that undoes it failed, or was ended.
    Failed,
    /// The gates said no.
    Denied,
    /// People must approve this first.
    Waiting(ReceiptId),
    /// Nobody knows.
    Unknown,
    /// Somebody else has undone it meanwhile, or is about to.
    Elsewhere,
    /// Only decided.
    Rehearsed(Verdict),
}

/// One undoing.
#[derive(Debug)]
pub struct Undone {
    /// Which item of the plan.
    pub at: usize,
    /// What became of it.
    pub became: Became,
    /// What the gates said, where they were asked.
    pub ruling: Option<Ruling>,
    /// Its receipts, in order.
    pub receipts: Vec<ReceiptId>,
    /// The exit code of its command.
    pub exit_code: Option<u8>,
    /// What it said on standard error.
    pub stderr: Vec<u8>,
}

/// How far it came.
#[derive(Debug)]
pub struct Rolled {
    /// The plan.
    pub items: Vec<Item>,
    /// What was tried of it.
    pub undone: Vec<Undone>,
    /// Items of the plan that were not tried, as one before could not be undone.
    pub not_tried: usize,
}

impl Undone {
    /// Whether the next may be undone.
    fn is_good(&self) -> bool {
        matches!(self.became, Became::Done | Became::Rehearsed(_))
    }

    const fn alone(at: usize, became: Became) -> Self {
        Self { at, became, ruling: None, receipts: Vec::new(), exit_code: None, stderr: Vec::new() }
    }
}

impl Rollback<'_> {
    /// Plans, and says what there is to see of each action.
    pub(super) fn look(&mut self) -> Result<(), RollbackError> {
        for intent in &self.wanted.intents {
            if let Some(started) = self.log.started(*intent) {
                let outcome = self.inverses.outcome(started)?;
                self.log.correct(*intent, outcome);
            }
        }
        let (log, inverses) = (&self.log, &mut self.inverses);
        let fates = plan(&log.record(), &self.wanted, |one| match log.started(one.intent) {
            Some(started) => inverses.of(one.intent, started),
            None => Ok(Inverse::Nothing),
        })?;
        for (intent, fate) in fates {
            let Some(started) = self.log.started(intent) else { continue };
            self.plan.push(Item {
                intent,
                closer: started.closer.clone(),
                argv: argv_of(self.ledger, intent, started)?,
                chain: started.of.map(|(chain, _)| chain),
                fate,
            });
        }
        Ok(())
    }

    /// Undoes what can be undone, in order, until one cannot be.
    ///
    /// # Errors
    /// [`RollbackError`].
    pub fn perform(
        mut self,
        driver: &Driver,
        how: How,
        tell: &mut dyn FnMut(&Item, &Undone),
    ) -> Result<Rolled, RollbackError> {
        let items = std::mem::take(&mut self.plan);
        let mut undone: Vec<Undone> = Vec::new();
        let mut not_tried = 0;
        let mut stopped = false;
        for (at, item) in items.iter().enumerate() {
            // What was done before it may be what it stands on.
            stopped |= matches!(item.fate, Fate::Left(Why::UndoingUnknown(_) | Why::BeingUndone(_)));
            let (Fate::Undo(undoing), Some(closer)) = (&item.fate, &item.closer) else { continue };
            if stopped && !how.keep_going && !how.dry_run {
                not_tried += 1;
                continue;
            }
            let one = self.undo(at, (item.intent, closer), undoing, (driver, how))?;
            stopped |= !one.is_good();
            tell(item, &one);
            undone.push(one);
        }
        Ok(Rolled { items, undone, not_tried })
    }

    fn undo(
        &mut self,
        at: usize,
        (intent, closer): (ReceiptId, &Ref),
        undoing: &Undoing<Command>,
        (driver, how): (&Driver, How),
    ) -> Result<Undone, RollbackError> {
        self.log.follow(self.ledger)?;
        if !self.is_still_to_be_undone(intent) {
            return Ok(Undone::alone(at, Became::Elsewhere));
        }
        let approved = match self.standing(driver, closer.receipt_id, &undoing.command)? {
            _ if how.dry_run => None,
            Standing::Waits(asked) => return Ok(Undone::alone(at, Became::Waiting(asked))),
            Standing::Approved(approved) => Some(*approved),
            Standing::Nothing => None,
        };
        let request = Request {
            command: undoing.command.clone(),
            asker: driver.asker.clone(),
            dry_run: how.dry_run,
            approved,
            reason: driver.reason.clone(),
            timeout: None,
            streams: StreamsPlan::Capture { cap_bytes: OUTPUT_BYTES_MAX },
            runtime: driver.runtime.clone(),
            task: None,
            step: None,
            takes_back: Some(closer.clone()),
            request: None,
            cron: None,
        };
        match govern::govern(self.ledger, request) {
            Ok(governed) => Ok(told(at, governed)),
            // Somebody used the approval, or took it back.
            Err(GovernError::ApprovalGone(_)) => Ok(Undone::alone(at, Became::Elsewhere)),
            Err(other) => Err(RollbackError::Govern(Box::new(other))),
        }
    }

    /// Whoever runs what was approved for it may have been faster.
    fn is_still_to_be_undone(&self, intent: ReceiptId) -> bool {
        let wanted = Wanted { intents: [intent].into(), ..self.wanted.clone() };
        let fates = plan(&self.log.record(), &wanted, |_| Ok::<_, Infallible>(Inverse::<()>::Nothing));
        fates.is_ok_and(|fates| matches!(fates.as_slice(), [(_, Fate::Nothing)]))
    }

    /// What people have said of undoing it by this very command.
    fn standing(
        &self,
        driver: &Driver,
        closer: ReceiptId,
        command: &Command,
    ) -> Result<Standing, RollbackError> {
        for asked in self.log.asked(closer) {
            let approved = match consent::answered(self.ledger, &asked.to_string()) {
                Ok((approved, _)) => approved,
                Err(ConsentError::Erased(_)) => continue,
                Err(other) => return Err(other.into()),
            };
            let stands = state(self.ledger, &approved)?;
            let against = consent::run_objections(self.ledger, &driver.asker, &approved, command)?;
            let is_other = |code: &str| code.starts_with("approval.changed");
            if against.reasons.iter().any(|reason| is_other(&reason.code)) {
                continue;
            }
            match stands {
                State::Approved if against.reasons.is_empty() => {
                    return Ok(Standing::Approved(Box::new(approved)));
                }
                // A dry run asks nobody.
                State::Open if approved.subject.kind == Kind::Escalation => {
                    return Ok(Standing::Waits(asked));
                }
                _ => {}
            }
        }
        Ok(Standing::Nothing)
    }
}

/// What stands for an undoing that was escalated before. One that was denied is asked about anew.
enum Standing {
    Nothing,
    Waits(ReceiptId),
    Approved(Box<Approved>),
}

fn told(at: usize, governed: Governed) -> Undone {
    let last = governed.receipts.last().map(|receipt| receipt.receipt_id);
    let became = match (governed.outcome, last) {
        (Report::Decided(Record::DryRun), _) => Became::Rehearsed(governed.ruling.decision.verdict),
        (Report::Decided(Record::Escalation), Some(asked)) => Became::Waiting(asked),
        (Report::Decided(_), _) => Became::Denied,
        (Report::Ran(Ending::Completed), _) => Became::Done,
        (Report::Ran(Ending::Failed | Ending::Revoked), _) => Became::Failed,
        (Report::Ran(Ending::Unknown) | Report::ClosedElsewhere, _) => Became::Unknown,
    };
    let exit_code = governed.exit_code();
    let Captured { stderr, .. } = governed.captured.unwrap_or_default();
    Undone {
        at,
        became,
        ruling: Some(governed.ruling),
        receipts: governed.receipts.iter().map(|receipt| receipt.receipt_id).collect(),
        exit_code,
        stderr,
    }
}
