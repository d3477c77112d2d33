//! One action, from the moment it is submitted until its last receipt is durable.
//!
//! | status | what is true then | if the process dies here |
//! | --- | --- | --- |
//! | `Submitted` | nothing decided | nothing happened, nothing recorded |
//! | `Recording` | decided; its only receipt is on the way to the disk | recorded or not; nothing ran |
//! | `Breaking` | somebody answers for going past the gates; the receipt of it is on the way to the disk | nothing ran; a recorded one waits for its review |
//! | `Preparing` | admitted; a supervisor is taking its lock | nothing ran; the supervisor ends itself |
//! | `Intending` | lock held; the intent is on the way to the disk | nothing ran; a recorded intent becomes `task_unknown` |
//! | `Running` | intent durable; the command runs | the supervisor ends the tree; `task_unknown` |
//! | `Beating` | output waits for its heartbeat | as above; the waiting output was never released |
//! | `Reviewing` | the command runs, and the gates are asked again | as above |
//! | `Revoking` | no longer admitted; everything of the run is being ended | as above |
//! | `Closing` | the command has ended; its closer is on the way | as above, or the closer stands |
//! | `Closed` | the last receipt is durable | nothing to do |
//! | `Broken` | the ledger or the machine failed | as the status before |

use alloc::vec;
use alloc::vec::Vec;

use cascade_receipt::content::Ending;
use cascade_receipt::decision::Verdict;

/// How often an action is decided again because the policy or an approval changed between the
/// decision and its receipt. Past this the action is given up, undone and unrecorded; one that runs
/// is revoked.
pub const DECIDE_ATTEMPTS_MAX: u8 = 8;

/// Where an action stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Facts are known, nothing is decided.
    Submitted,
    /// The one receipt of an action that does not run is being made durable.
    Recording(Record),
    /// That somebody goes past the gates is being made durable, before anything else is done.
    Breaking,
    /// A supervisor is being started and takes its lock.
    Preparing,
    /// The intent is being made durable. `prepared` is false when no supervisor could be started:
    /// the admitted action is then recorded as one that could not start.
    Intending {
        /// A supervisor holds the lock.
        prepared: bool,
    },
    /// The command runs.
    Running,
    /// A heartbeat is being made durable.
    Beating {
        /// The run is being ended; what it still writes is released like any output.
        revoking: bool,
    },
    /// The command runs, and the gates are asked whether it still may.
    Reviewing {
        /// A heartbeat waits for their answer.
        beating: bool,
    },
    /// The gates no longer admit it: everything of the run is being ended.
    Revoking,
    /// The closer is being made durable.
    Closing(Ending),
    /// The end; the last receipt is durable.
    Closed(Outcome),
    /// The end; the ledger or the machine failed.
    Broken(Fault),
}

/// A receipt the kernel asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// `dry_run`.
    DryRun,
    /// `blocked`.
    Blocked,
    /// `escalation`.
    Escalation,
    /// `break_glass`.
    BreakGlass,
    /// `task_started`.
    Intent,
    /// `heartbeat`.
    Heartbeat,
    /// A closer.
    Closer(Ending),
}

/// How an action ended, for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Decided only; nothing ran.
    Decided(Record),
    /// Ran, and its closer is ours.
    Ran(Ending),
    /// Ran, but another process closed it as `task_unknown` first; its output is withheld.
    ClosedElsewhere,
}

/// Why an action ended without its last receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The ledger did not take a receipt.
    Ledger,
    /// The world changed [`DECIDE_ATTEMPTS_MAX`] times in a row.
    Unsettled,
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
        /// It is admitted because somebody answers for it, which no receipt says yet.
        breaks_glass: bool,
    },
    /// The receipt asked for last is durable.
    Durable,
    /// The receipt was refused because what the decision saw has changed.
    Stale,
    /// The closer was refused because the intent is closed already.
    NotOpen,
    /// The ledger failed.
    AppendFailed,
    /// The supervisor lives and holds its lock.
    Prepared,
    /// No supervisor could be started.
    PrepareFailed,
    /// Output waits to be released, or silence to be vouched for.
    SegmentReady,
    /// What the decision saw has changed, or is too long ago.
    ReviewDue,
    /// The gates could not be asked again.
    ReviewFailed,
    /// The command ended; everything it started is gone.
    Ended(Ending),
}

impl Event {
    /// One of each shape, for tables that must be complete.
    pub const EACH: [Self; 18] = [
        Self::Decided { verdict: Verdict::Admit, dry_run: false, breaks_glass: false },
        Self::Decided { verdict: Verdict::Admit, dry_run: false, breaks_glass: true },
        Self::Decided { verdict: Verdict::Escalate, dry_run: false, breaks_glass: false },
        Self::Decided { verdict: Verdict::Deny, dry_run: false, breaks_glass: false },
        Self::Decided { verdict: Verdict::Admit, dry_run: true, breaks_glass: false },
        Self::Durable,
        Self::Stale,
        Self::NotOpen,
        Self::AppendFailed,
        Self::Prepared,
        Self::PrepareFailed,
        Self::SegmentReady,
        Self::ReviewDue,
        Self::ReviewFailed,
        Self::Ended(Ending::Completed),
        Self::Ended(Ending::Failed),
        Self::Ended(Ending::Revoked),
        Self::Ended(Ending::Unknown),
    ];
}

/// What the runtime is to do, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Ask the gates; answer with [`Event::Decided`].
    Decide,
    /// Make a receipt durable; answer with `Durable`, `Stale`, `NotOpen` or `AppendFailed`.
    Append(Record),
    /// Start a supervisor; answer with `Prepared` or `PrepareFailed`.
    Prepare,
    /// End the supervisor before anything ran.
    Abandon,
    /// Let the supervisor execute the command; answer with `SegmentReady` and `Ended`.
    Start,
    /// Ask the gates about the action that runs; answer with [`Event::Decided`] or `ReviewFailed`.
    Review,
    /// Let the supervisor end the command and everything it started; answer with `Ended`.
    Revoke,
    /// End everything the command started; no output leaves.
    Kill,
    /// Let the output leave that the last durable receipt commits to.
    Release,
    /// Let the run's lock go.
    Unlock,
    /// Tell the caller.
    Report(Report),
}

/// What the caller is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// The action is over.
    Outcome(Outcome),
    /// It could not be finished.
    Fault(Fault),
}

/// One action's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Action {
    status: Status,
    attempts: u8,
}

/// An event that cannot happen in this status: a defect in the caller, never caused by input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("event {event:?} cannot happen in status {status:?}")]
pub struct Unexpected {
    /// The status.
    pub status: Status,
    /// The event.
    pub event: Event,
}

impl Action {
    /// A new action and its first effect.
    #[must_use]
    pub fn submit() -> (Self, Vec<Effect>) {
        (Self { status: Status::Submitted, attempts: 1 }, vec![Effect::Decide])
    }

    /// Where the action stands.
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
            (
                Status::Submitted,
                Event::Decided { verdict: Verdict::Admit, dry_run: false, breaks_glass: true },
            ) => (Status::Breaking, vec![Effect::Append(Record::BreakGlass)]),
            (Status::Submitted, Event::Decided { verdict, dry_run, .. }) => decided(verdict, dry_run),
            (Status::Breaking, Event::Durable) => (Status::Preparing, vec![Effect::Prepare]),
            (Status::Breaking, Event::Stale) => self.decide_again(&[]),
            (Status::Breaking, Event::AppendFailed) => broken(Fault::Ledger, &[]),
            (Status::Recording(record), Event::Durable) => closed(Outcome::Decided(record), &[]),
            (Status::Recording(_), Event::Stale) => self.decide_again(&[]),
            (Status::Recording(_), Event::AppendFailed) => broken(Fault::Ledger, &[]),
            (Status::Preparing, Event::Prepared) => intend(true),
            (Status::Preparing, Event::PrepareFailed) => intend(false),
            (Status::Intending { prepared: true }, Event::Durable) => {
                self.attempts = 1;
                (Status::Running, vec![Effect::Start])
            }
            (Status::Intending { prepared: false }, Event::Durable) => close(Ending::Failed),
            (Status::Intending { prepared }, Event::Stale) => self.decide_again(abandon(prepared)),
            (Status::Intending { prepared }, Event::AppendFailed) => broken(Fault::Ledger, abandon(prepared)),
            (Status::Running, Event::SegmentReady) => beat(false),
            (Status::Running, Event::ReviewDue) => review(false),
            // One that is being revoked may have ended by itself a moment before.
            (Status::Running | Status::Revoking, Event::Ended(ending)) => close(ending),
            (
                Status::Reviewing { beating },
                Event::Decided { verdict: Verdict::Admit, dry_run: false, breaks_glass: false },
            ) => {
                if beating {
                    beat(false)
                } else {
                    (Status::Running, vec![])
                }
            }
            (Status::Reviewing { .. }, Event::Decided { dry_run: false, .. } | Event::ReviewFailed) => {
                revoke()
            }
            (Status::Revoking, Event::SegmentReady) => beat(true),
            (Status::Beating { revoking }, Event::Durable) => {
                self.attempts = 1;
                (if revoking { Status::Revoking } else { Status::Running }, vec![Effect::Release])
            }
            // What the last decision saw has changed: no more output leaves before the next one.
            (Status::Beating { revoking: false }, Event::Stale) => {
                self.attempts += 1;
                if self.attempts > DECIDE_ATTEMPTS_MAX { revoke() } else { review(true) }
            }
            // The intent was closed behind our back, or the ledger failed: nothing more may leave.
            (Status::Beating { .. }, Event::AppendFailed) => {
                broken(Fault::Ledger, &[Effect::Kill, Effect::Unlock])
            }
            (Status::Beating { .. }, Event::NotOpen) => {
                closed(Outcome::ClosedElsewhere, &[Effect::Kill, Effect::Unlock])
            }
            (Status::Closing(ending), Event::Durable) => {
                closed(Outcome::Ran(ending), &[Effect::Release, Effect::Unlock])
            }
            (Status::Closing(_), Event::NotOpen) => closed(Outcome::ClosedElsewhere, &[Effect::Unlock]),
            (Status::Closing(_), Event::AppendFailed) => broken(Fault::Ledger, &[Effect::Unlock]),
            (status, event) => return Err(Unexpected { status, event }),
        };
        self.attempts += u8::from(status == Status::Submitted);
        self.status = status;
        Ok(effects)
    }

    fn decide_again(self, first: &[Effect]) -> (Status, Vec<Effect>) {
        if self.attempts >= DECIDE_ATTEMPTS_MAX {
            return broken(Fault::Unsettled, first);
        }
        (Status::Submitted, [first, &[Effect::Decide]].concat())
    }
}

fn decided(verdict: Verdict, dry_run: bool) -> (Status, Vec<Effect>) {
    let record = match (dry_run, verdict) {
        (true, _) => Record::DryRun,
        (false, Verdict::Deny) => Record::Blocked,
        (false, Verdict::Escalate) => Record::Escalation,
        (false, Verdict::Admit) => return (Status::Preparing, vec![Effect::Prepare]),
    };
    (Status::Recording(record), vec![Effect::Append(record)])
}

fn intend(prepared: bool) -> (Status, Vec<Effect>) {
    (Status::Intending { prepared }, vec![Effect::Append(Record::Intent)])
}

fn beat(revoking: bool) -> (Status, Vec<Effect>) {
    (Status::Beating { revoking }, vec![Effect::Append(Record::Heartbeat)])
}

fn review(beating: bool) -> (Status, Vec<Effect>) {
    (Status::Reviewing { beating }, vec![Effect::Review])
}

fn revoke() -> (Status, Vec<Effect>) {
    (Status::Revoking, vec![Effect::Revoke])
}

fn close(ending: Ending) -> (Status, Vec<Effect>) {
    (Status::Closing(ending), vec![Effect::Append(Record::Closer(ending))])
}

const fn abandon(prepared: bool) -> &'static [Effect] {
    if prepared { &[Effect::Abandon] } else { &[] }
}

fn closed(outcome: Outcome, first: &[Effect]) -> (Status, Vec<Effect>) {
    (Status::Closed(outcome), [first, &[Effect::Report(Report::Outcome(outcome))]].concat())
}

fn broken(fault: Fault, first: &[Effect]) -> (Status, Vec<Effect>) {
    (Status::Broken(fault), [first, &[Effect::Report(Report::Fault(fault))]].concat())
}
