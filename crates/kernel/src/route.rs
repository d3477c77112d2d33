//! One task on its way through the layers: which is asked next, which answer is taken, when to stop.
//!
//! | status | what is true then | if the process dies here |
//! | --- | --- | --- |
//! | `Submitted` | nothing decided, or an answer is at hand whose decision went stale | nothing left, nothing recorded |
//! | `Recording` | decided; the only receipt is on the way to the disk | recorded or not; no answer left |
//! | `Asking` | a layer looks for an answer; nothing of the world is touched | nothing happened |
//! | `Committing` | an approval is about to be used up by an intent, before a layer acts | nothing happened, or the intent becomes `task_unknown` |
//! | `Acting` | a layer runs an action with receipts of its own | as that action says |
//! | `Settling` | what became of the action is being recorded for the approved task | as that action says; the intent becomes `task_unknown` |
//! | `Answering` | an answer is taken; its receipt is on the way | recorded or not; the answer did not leave |
//! | `Giving up` | no layer has an answer; that is being recorded | an intent without closer becomes `task_unknown` |
//! | `Closed` | the last receipt is durable | nothing to do |
//! | `Broken` | the ledger failed | as the status before |

use alloc::vec;
use alloc::vec::Vec;

use cascade_receipt::content::Evidence;
use cascade_receipt::decision::Verdict;

use crate::action::{DECIDE_ATTEMPTS_MAX, Fault};

/// What the route must know of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// It has an effect on the world, under receipts of its own.
    pub acts: bool,
    /// It costs tokens or money.
    pub spends: bool,
    /// What it answers must have been run.
    pub smoked: bool,
    /// The lowest grade that is taken from it, unless the answer is verified.
    pub admit_min: u8,
}

/// What a layer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// It has an answer.
    Take {
        /// 0–100.
        grade: u8,
        /// What stands behind it.
        evidence: Evidence,
        /// It was run, and did what the task demands of it.
        smoked: bool,
        /// Another program fits as well, and an input is known on which the two differ.
        question: bool,
    },
    /// Not its kind of task, or it found nothing.
    Pass,
    /// Nobody should answer this: the task contradicts itself.
    Refuse,
    /// Nothing can be found before the caller says more.
    Ask,
}

/// How an action of a layer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acted {
    /// Its closer is the task's last receipt.
    Answered,
    /// It ended without an answer that can be taken; its receipts stand.
    Failed,
    /// It was not admitted; `blocked` or `escalation` stands.
    Stopped,
    /// Nothing to do for it; no receipt was written.
    Passed,
}

/// A receipt the route asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// `dry_run`.
    DryRun,
    /// `blocked`.
    Blocked,
    /// `escalation`.
    Escalation,
    /// `task_completed` of a task without an effect on the world.
    Answer,
    /// `task_started` of a task that nobody could answer, or that uses up an approval before a layer acts.
    Intent,
    /// The closer of it.
    Closer,
}

/// An answer that is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// From which slot.
    pub slot: usize,
    /// What stands behind it. Below its layer's grade an answer is proposed, whatever it reproduces.
    pub evidence: Evidence,
}

/// Where a task stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// To be decided; with the answer, if there is one already.
    Submitted(Option<Taken>),
    /// The receipt of a task that goes no further is being made durable.
    Recording(Record),
    /// This slot is being asked.
    Asking(usize),
    /// The intent that uses up what the task stands on is being made durable; then this slot acts.
    Committing(usize),
    /// This slot acts.
    Acting(usize),
    /// What became of it is being made durable as the closer of the task.
    Settling(Outcome),
    /// The receipt of the answer is being made durable.
    Answering(Taken),
    /// That nobody has an answer is being made durable.
    GivingUp(Record),
    /// The end.
    Closed(Outcome),
    /// The end; the ledger failed, or the world never settled.
    Broken(Fault),
}

/// How a task ended, for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Decided only.
    Decided(Record),
    /// An answer; its receipt is durable.
    Answered(Taken),
    /// An action answered, or was stopped, or failed, under receipts of its own.
    Acted(usize, Acted),
    /// Nobody had an answer.
    Unanswered,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The gates answered.
    Decided {
        /// Their verdict.
        verdict: Verdict,
        /// Only the decision is wanted.
        dry_run: bool,
    },
    /// The layer that was asked says this.
    Replied(Reply),
    /// The layer's action ended.
    Ended(Acted),
    /// The receipt asked for last is durable.
    Durable,
    /// It was refused because what the decision saw has changed.
    Stale,
    /// The ledger failed.
    AppendFailed,
}

/// What the runtime is to do, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Ask the gates about the task; answer with [`Event::Decided`].
    Decide,
    /// Ask this slot; answer with [`Event::Replied`].
    Ask(usize),
    /// Let this slot act; answer with [`Event::Ended`].
    Act(usize),
    /// Make a receipt durable; answer with `Durable`, `Stale` or `AppendFailed`.
    Append(Record),
    /// Let the answer leave.
    Release,
    /// Tell the caller.
    Report(Outcome),
    /// Tell the caller that it could not be finished.
    Fault(Fault),
}

/// An event that cannot happen in this status: a defect in the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("event {event:?} cannot happen in status {status:?}")]
pub struct Unexpected {
    /// The status.
    pub status: Status,
    /// The event.
    pub event: Event,
}

/// An answer below the grade of its layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    slot: usize,
    grade: u8,
    question: bool,
}

/// One task's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    slots: Vec<Slot>,
    /// Tokens may be spent although a question to the caller would cost nothing.
    spend: bool,
    status: Status,
    held: Option<Held>,
    attempts: u8,
    /// It stands on approvals. The first receipt of what is done uses them up, and an action of a layer has receipts
    /// about something else.
    bound: bool,
    /// An action of a layer ended without an answer; its receipts stand for the task where no other follows.
    failed: Option<usize>,
}

impl Route {
    /// A new task and its first effect. The slots are asked in this order.
    #[must_use]
    pub fn submit(slots: Vec<Slot>, spend: bool) -> (Self, Vec<Effect>) {
        let status = Status::Submitted(None);
        let route = Self { slots, spend, status, held: None, attempts: 1, bound: false, failed: None };
        (route, vec![Effect::Decide])
    }

    /// The same for a task that people approved: once.
    #[must_use]
    pub fn submit_approved(slots: Vec<Slot>, spend: bool) -> (Self, Vec<Effect>) {
        let (route, effects) = Self::submit(slots, spend);
        (Self { bound: true, ..route }, effects)
    }

    /// Where the task stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`Unexpected`] when the event cannot happen now; the state is unchanged.
    pub fn step(&mut self, event: Event) -> Result<Vec<Effect>, Unexpected> {
        let (status, effects) = match (self.status, event) {
            (Status::Submitted(taken), Event::Decided { verdict, dry_run }) => {
                match (dry_run, verdict, taken) {
                    (true, ..) => recording(Record::DryRun),
                    (false, Verdict::Deny, _) => recording(Record::Blocked),
                    (false, Verdict::Escalate, _) => recording(Record::Escalation),
                    (false, Verdict::Admit, Some(taken)) => answering(taken),
                    (false, Verdict::Admit, None) => self.ask_from(0),
                }
            }
            (Status::Recording(record), Event::Durable) => closed(Outcome::Decided(record), &[]),
            (
                Status::Recording(_) | Status::GivingUp(Record::Intent) | Status::Committing(_),
                Event::Stale,
            ) => self.decide_again(None),
            (Status::Committing(slot), Event::Durable) => (Status::Acting(slot), vec![Effect::Act(slot)]),
            (Status::Settling(outcome), Event::Durable) => closed(outcome, &[]),
            (Status::Asking(slot), Event::Replied(reply)) => self.replied(slot, reply),
            (Status::Acting(slot), Event::Ended(acted)) => self.acted(slot, acted),
            (Status::Answering(taken), Event::Durable) => {
                closed(Outcome::Answered(taken), &[Effect::Release])
            }
            (Status::Answering(taken), Event::Stale) => self.decide_again(Some(taken)),
            (Status::GivingUp(Record::Intent), Event::Durable) => {
                (Status::GivingUp(Record::Closer), vec![Effect::Append(Record::Closer)])
            }
            (Status::GivingUp(_), Event::Durable) => closed(Outcome::Unanswered, &[]),
            (
                Status::Recording(_)
                | Status::Answering(_)
                | Status::GivingUp(_)
                | Status::Committing(_)
                | Status::Settling(_),
                Event::AppendFailed,
            ) => broken(Fault::Ledger),
            (status, event) => return Err(Unexpected { status, event }),
        };
        self.status = status;
        Ok(effects)
    }

    fn replied(&mut self, slot: usize, reply: Reply) -> (Status, Vec<Effect>) {
        let (smoke, least) =
            self.slots.get(slot).map_or((true, u8::MAX), |slot| (slot.smoked, slot.admit_min));
        match reply {
            Reply::Take { smoked: false, .. } if smoke => self.ask_from(slot + 1),
            Reply::Take { evidence: Evidence::Verified, .. } => {
                answering(Taken { slot, evidence: Evidence::Verified })
            }
            Reply::Take { grade, evidence, .. } if grade >= least => answering(Taken { slot, evidence }),
            Reply::Take { grade, question, .. } => {
                if self.held.is_none_or(|held| held.grade < grade) {
                    self.held = Some(Held { slot, grade, question });
                }
                self.ask_from(slot + 1)
            }
            Reply::Pass => self.ask_from(slot + 1),
            Reply::Refuse | Reply::Ask => give_up(),
        }
    }

    fn acted(&mut self, slot: usize, acted: Acted) -> (Status, Vec<Effect>) {
        if self.bound {
            // The approval is used up: whatever another layer has could not stand on it.
            let passed = acted == Acted::Passed;
            let outcome = if passed { Outcome::Unanswered } else { Outcome::Acted(slot, acted) };
            return (Status::Settling(outcome), vec![Effect::Append(Record::Closer)]);
        }
        match acted {
            Acted::Answered | Acted::Stopped => closed(Outcome::Acted(slot, acted), &[]),
            Acted::Failed => {
                self.failed = Some(slot);
                self.ask_from(slot + 1)
            }
            Acted::Passed => self.ask_from(slot + 1),
        }
    }

    /// The first slot from here on. A question that the caller can answer comes before tokens are spent.
    fn ask_from(&self, first: usize) -> (Status, Vec<Effect>) {
        let waits = self.held.is_some_and(|held| held.question) && !self.spend;
        match self.slots.get(first) {
            Some(slot) if !(slot.spends && waits) => {
                if slot.acts && self.bound {
                    (Status::Committing(first), vec![Effect::Append(Record::Intent)])
                } else if slot.acts {
                    (Status::Acting(first), vec![Effect::Act(first)])
                } else {
                    (Status::Asking(first), vec![Effect::Ask(first)])
                }
            }
            _ => self.settle(),
        }
    }

    /// Nobody is left to ask.
    fn settle(&self) -> (Status, Vec<Effect>) {
        match (self.held, self.failed) {
            (Some(held), _) => answering(Taken { slot: held.slot, evidence: Evidence::Proposed }),
            (None, Some(slot)) => closed(Outcome::Acted(slot, Acted::Failed), &[]),
            (None, None) => give_up(),
        }
    }

    fn decide_again(&mut self, taken: Option<Taken>) -> (Status, Vec<Effect>) {
        if self.attempts >= DECIDE_ATTEMPTS_MAX {
            return broken(Fault::Unsettled);
        }
        self.attempts += 1;
        (Status::Submitted(taken), vec![Effect::Decide])
    }
}

fn recording(record: Record) -> (Status, Vec<Effect>) {
    (Status::Recording(record), vec![Effect::Append(record)])
}

fn answering(taken: Taken) -> (Status, Vec<Effect>) {
    (Status::Answering(taken), vec![Effect::Append(Record::Answer)])
}

fn give_up() -> (Status, Vec<Effect>) {
    (Status::GivingUp(Record::Intent), vec![Effect::Append(Record::Intent)])
}

fn closed(outcome: Outcome, first: &[Effect]) -> (Status, Vec<Effect>) {
    (Status::Closed(outcome), [first, &[Effect::Report(outcome)]].concat())
}

fn broken(fault: Fault) -> (Status, Vec<Effect>) {
    (Status::Broken(fault), vec![Effect::Fault(fault)])
}
