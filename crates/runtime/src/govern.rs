//! Takes one action through its life: performs the kernel's effects in the order given and answers
//! each with an event. What must precede what is decided in `cascade_kernel::action`, not here.

pub(crate) mod closing;
pub(crate) mod drafts;
mod ended;
mod glass;
pub(crate) mod running;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::time::{Duration, Instant};

use cascade_kernel::action::{
    Action, Effect, Event, Fault as KernelFault, Outcome, Record, Report, Unexpected,
};
use cascade_ledger::Fault;
use cascade_ledger::Ledger;
use cascade_ledger::Mark;
use cascade_ledger::{About, AppendError, Appended, PrivateItem};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::{self as policy_facts, Facts, Grant};
use cascade_policy::snapshot::BreakGlassTerms;
use cascade_receipt::content::{Ending, Ref, Rel, RequestTag, Routed, Runtime};
use cascade_receipt::decision::{Decision, Reason};
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use self::glass::Breaking;
use crate::admin::AdminError;
use crate::consent::{Approved, Sign};
use crate::credentials::{self, BrokerError, Brokered};
use crate::facts::{self, Asker, Command, LookError};
use crate::grants;
use crate::limits;
use crate::obeyed;
use crate::policy_store::{self, StoreError};
use crate::process::{
    self, Captured, Guard, Pending, Plan, Prepared, RunError, Segment, Status, StdinPlan, StreamsPlan,
    TRUST_INTERVAL,
};
use crate::workflow::OfStep;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// Who asks.
    pub asker: Asker,
    /// Only the decision is wanted.
    pub dry_run: bool,
    /// The approval this run stands on.
    pub approved: Option<Approved>,
    /// Why, in the asker's words; kept in the vault.
    pub reason: Option<String>,
    /// The run is ended after this long.
    pub timeout: Option<Duration>,
    /// Where output goes.
    pub streams: StreamsPlan,
    /// Which program writes the receipts.
    pub runtime: Runtime,
    /// The task in words that it is run for.
    pub task: Option<OfTask>,
    /// The step of a workflow that it is.
    pub step: Option<OfStep>,
    /// The invocation of a schedule that it runs for.
    pub cron: Option<Ref>,
    /// The closer of the action that it undoes.
    pub takes_back: Option<Ref>,
    /// The request that asks, where its sender may send it again.
    pub request: Option<RequestTag>,
}

/// A task in words that a command is run for.
#[derive(Clone, Debug)]
pub struct OfTask {
    /// Which layer of the router it is, and what is known of its answer.
    pub routed: Routed,
    /// What was asked; kept in the vault.
    pub task: Value,
    /// Exit codes besides 0 that are an answer to it.
    pub answers: Vec<u8>,
}

/// How it went.
#[derive(Debug)]
pub struct Governed {
    /// The end of the action.
    pub outcome: Outcome,
    /// What the gates said.
    pub ruling: Ruling,
    /// Every receipt of this action, in order.
    pub receipts: Vec<Appended>,
    /// How the command ended, when it ran.
    pub status: Option<Status>,
    /// Its output, when it was captured and may leave.
    pub captured: Option<Captured>,
    /// Whether output was dropped because of the cap.
    pub truncated: bool,
    /// Processes that outlived the command and were ended.
    pub survivors_ended: u32,
    /// The `break_glass` that was written for it.
    pub glass: Option<ReceiptId>,
    /// Why the run was no longer admitted while it ran.
    pub revoked: Vec<Reason>,
    /// Why output, which the receipts commit to, could not be written any more. A reader's going away is no reason.
    pub output_error: Option<io::Error>,
}

/// Why an action has no end. Whatever had started is ended; no output left that no receipt commits to.
#[derive(Debug, thiserror::Error)]
pub enum GovernError {
    /// The world could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// A receipt could not be made durable.
    #[error("couldn't record the action: {0}")]
    Append(AppendError),
    /// Who answers for going past the gates could not be put down.
    #[error(transparent)]
    Glass(#[from] AdminError),
    /// Governance kept changing while the action was being decided.
    #[error("policy or approvals kept changing while the action was decided")]
    Unsettled,
    /// The run was broken off.
    #[error(transparent)]
    Run(RunError),
    /// Another run used the approval, or somebody took it back, in the meantime.
    #[error("the approval is gone: {}", .0.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>().join(", "))]
    ApprovalGone(Vec<Reason>),
    /// The order to execute was given, and then something failed. Every process of the run is ended.
    #[error("the command was started, but what became of it could not be recorded: {0}")]
    Started(Box<Self>),
    /// Somebody answered for going past the gates, and then nothing ran.
    #[error("the glass was broken ({glass}), and then nothing ran: {below}")]
    GlassWasted {
        /// The `break_glass`, which waits for its review all the same.
        glass: ReceiptId,
        /// Why.
        below: Box<Self>,
    },
    /// A defect in Cascade.
    #[error("internal defect: {0}")]
    Defect(String),
}

impl From<Unexpected> for GovernError {
    fn from(defect: Unexpected) -> Self {
        Self::Defect(defect.to_string())
    }
}

/// Governs one action.
///
/// # Errors
/// See [`GovernError`].
pub fn govern(ledger: &Ledger, request: Request) -> Result<Governed, GovernError> {
    perform(Performer::new(ledger, request)?)
}

/// Governs one action that the asker answers for, past the gates where it must be: `sign` signs for that person.
///
/// # Errors
/// See [`GovernError`].
pub fn govern_past_gates(ledger: &Ledger, request: Request, sign: Sign<'_>) -> Result<Governed, GovernError> {
    let mut performer = Performer::new(ledger, request)?;
    performer.breaking = Some(Breaking { sign, broken: None });
    perform(performer)
}

fn perform(mut performer: Performer<'_>) -> Result<Governed, GovernError> {
    let (mut action, effects) = Action::submit();
    let reported = performer.perform_all(&mut action, effects);
    let started = performer.started;
    let glass = performer.breaking.as_ref().and_then(|breaking| Some(breaking.broken.as_ref()?.receipt_id));
    let governed = reported.and_then(|report| performer.finish(report));
    governed.map_err(|error| match glass {
        _ if started => GovernError::Started(Box::new(error)),
        Some(glass) => GovernError::GlassWasted { glass, below: Box::new(error) },
        None => error,
    })
}

/// What a decision was made of; replaced when the action is decided again.
struct Decided {
    facts: Facts,
    about: Option<About>,
    /// The first moment at which a window may answer otherwise.
    holds_until: Option<Timestamp>,
    ruling: Ruling,
    /// The grants that it stands on.
    grants: Vec<Ref>,
    /// Who reviews it, where it goes past the gates.
    review: Option<BreakGlassTerms>,
    mark: Mark,
}

/// What is left of a run when nothing of it is alive.
struct Run {
    status: Status,
    duration_us: u64,
    output_hash: Option<Digest>,
    truncated: bool,
    survivors_ended: u32,
}

impl Run {
    /// A command whose program is not there, or may not be executed.
    fn not_started(command: &Command) -> Self {
        let program = command.argv.first().map(|word| command.cwd.join(word));
        let present = program.is_some_and(|path| path.is_file());
        let kind = if present { io::ErrorKind::PermissionDenied } else { io::ErrorKind::NotFound };
        Self {
            status: Status::CouldNotStart(kind.into()),
            duration_us: 0,
            output_hash: None,
            truncated: false,
            survivors_ended: 0,
        }
    }
}

struct Performer<'a> {
    ledger: &'a Ledger,
    request: Request,
    /// The asker answers for it, past the gates where it must be.
    breaking: Option<Breaking<'a>>,
    action_nonce: Nonce,
    facts_nonce: Nonce,
    output_nonce: Nonce,
    decided: Option<Decided>,
    prepared: Option<Prepared>,
    intent_id: ReceiptId,
    intent: Option<Ref>,
    /// Whether the order to execute was given.
    started: bool,
    /// When the gates were asked last.
    reviewed: Instant,
    /// Why the run is no longer admitted, and what the gates said then.
    revoked: Vec<Reason>,
    review: Option<(Decision, PrivateItem)>,
    ended: Option<Run>,
    pending: Option<Pending>,
    guard: Option<Guard>,
    captured: Option<Captured>,
    receipts: Vec<Appended>,
    output_error: Option<io::Error>,
    append_error: Option<AppendError>,
    draft_error: Option<GovernError>,
    prepare_error: Option<process::PrepareError>,
    /// A credential that the action was to be handed could not be opened.
    uncredentialed: bool,
    /// What was decided on is not what would have been started.
    changed: bool,
}

impl<'a> Performer<'a> {
    fn new(ledger: &'a Ledger, request: Request) -> Result<Self, GovernError> {
        // What follows an escalation or a dry run inherits its nonce, so that all carry the same
        // action_hash (format section 2.2).
        let action_nonce = match &request.approved {
            Some(approved) => approved.action_nonce,
            None => cascade_ledger::nonce()?,
        };
        Ok(Self {
            ledger,
            request,
            breaking: None,
            action_nonce,
            facts_nonce: cascade_ledger::nonce()?,
            output_nonce: cascade_ledger::nonce()?,
            decided: None,
            prepared: None,
            intent_id: cascade_ledger::receipt_id()?,
            intent: None,
            started: false,
            reviewed: Instant::now(),
            revoked: Vec::new(),
            review: None,
            ended: None,
            pending: None,
            guard: None,
            captured: None,
            receipts: Vec::new(),
            output_error: None,
            append_error: None,
            draft_error: None,
            prepare_error: None,
            uncredentialed: false,
            changed: false,
        })
    }

    /// Performs effects until the action reports its end.
    fn perform_all(&mut self, action: &mut Action, effects: Vec<Effect>) -> Result<Report, GovernError> {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let event = match effect {
                Effect::Decide => Some(self.decide()?),
                Effect::Append(record) => Some(self.append(record, None)),
                Effect::Prepare => Some(self.prepare()),
                Effect::Abandon => {
                    self.prepared = None;
                    None
                }
                Effect::Start => Some(self.start(action)?),
                Effect::Review | Effect::Revoke => return Err(not_running()),
                Effect::Release => {
                    self.release();
                    None
                }
                // Ending the run is what letting go of its guard does.
                Effect::Kill | Effect::Unlock => {
                    self.unlock();
                    None
                }
                Effect::Report(report) => return Ok(report),
            };
            if let Some(event) = event {
                queue.extend(action.step(event)?);
            }
        }
        Err(GovernError::Defect("the action ended without a report".to_owned()))
    }

    fn decide(&mut self) -> Result<Event, GovernError> {
        // The mark comes from the same look as the policy: whatever changes after it makes the receipt
        // stale, never unseen.
        let (snapshot, mark) = policy_store::in_force(self.ledger)?;
        // Decided again, it may be by somebody who has left a group meanwhile.
        self.request.asker = self.request.asker.again(self.ledger)?;
        self.request.command.capture_if_executed(&snapshot, &self.request.asker)?;
        let about = self.about()?;
        let mut facts =
            facts::look(&self.ledger.present()?, &snapshot, &self.request.asker, &self.request.command)?;
        facts.dry_run = self.request.dry_run;
        facts.spec = self.of_specification()?;
        limits::count(self.ledger, &snapshot, &mut facts, None)?;
        if let Some(approved) = &self.request.approved {
            let gone = approved.gone(self.ledger)?;
            if !gone.is_empty() {
                return Err(GovernError::ApprovalGone(gone));
            }
            approved.add_to(self.ledger, &mut facts, None)?;
        }
        facts.break_glass = self.break_glass(&facts)?;
        let ruling = decide::decide(&snapshot, &facts);
        let event = Event::Decided {
            verdict: ruling.decision.verdict,
            dry_run: self.request.dry_run,
            breaks_glass: ruling.glass_broken && !self.is_glass_broken(),
        };
        let review = snapshot.thresholds().break_glass.clone();
        let grants = grants::used(self.ledger, &ruling.decision)?;
        let holds_until = holds_until(&ruling, &facts, &grants, &self.request.asker);
        self.decided = Some(Decided { facts, about, holds_until, ruling, grants, review, mark });
        Ok(event)
    }

    /// What the gates hear of the specification that it belongs to.
    fn of_specification(&self) -> Result<Option<policy_facts::Spec>, Fault> {
        let argv = &self.request.command.argv;
        let task = self.request.task.as_ref().map(|of| &of.task);
        self.request.step.as_ref().map(|step| step.facts(self.ledger, argv, task)).transpose()
    }

    /// The credentials that the decision names. They stay in this process until the intent is durable.
    fn brokered(&self) -> Result<Vec<Brokered>, BrokerError> {
        let facts = self.decided.as_ref().map(|decided| &decided.facts);
        facts.map_or(Ok(Vec::new()), |facts| credentials::hand_out(self.ledger, facts))
    }

    /// How much is known of whom the action concerns.
    fn about(&self) -> Result<Option<About>, Fault> {
        self.request.command.subject.map(|concerned| self.ledger.about(concerned.subject)).transpose()
    }

    fn prepare(&mut self) -> Event {
        let Ok(brokered) = self.brokered() else {
            let error = io::Error::other("a credential that it is to be handed cannot be opened");
            self.ended =
                Some(Run { status: Status::CouldNotStart(error), ..Run::not_started(&self.request.command) });
            self.uncredentialed = true;
            return Event::PrepareFailed;
        };
        let command = &self.request.command;
        // The file that was decided on, never one that is looked up again: what has appeared since then was not
        // decided. A program that was not there is an admitted action that could not start.
        let decided = self.decided.as_ref().and_then(|decided| decided.facts.action.executable.as_ref());
        let Some(executable) = decided.map(|executable| OsString::from_vec(executable.path.clone())) else {
            self.ended = Some(Run::not_started(command));
            return Event::PrepareFailed;
        };
        let plan = Plan {
            receipt_id: self.intent_id,
            agent: self.request.asker.agent.as_ref().map(|(name, _)| name.clone()),
            lock_path: self.ledger.run_lock_path(self.intent_id),
            executable: executable.into(),
            argv: command.argv.clone(),
            env: command.env.clone(),
            brokered,
            cwd: command.cwd.clone(),
            stdin: stdin_plan(&command.input),
            streams: self.request.streams,
            timeout: self.request.timeout,
            trust_interval: TRUST_INTERVAL,
            output_nonce: self.output_nonce,
            foreground: true,
        };
        match process::prepare(plan) {
            Ok(prepared) => {
                self.prepared = Some(prepared);
                Event::Prepared
            }
            Err(error) => {
                self.prepare_error = Some(error);
                Event::PrepareFailed
            }
        }
    }

    /// Whether the program and the files that the decision was about are still the same. They are looked at before the
    /// intent, so that a change is decided anew, and before the start, so that the time in which one is missed is short.
    fn is_unchanged(&self) -> bool {
        self.decided.as_ref().is_some_and(|decided| obeyed::is_unchanged(self.ledger, &decided.facts.action))
    }

    fn append(&mut self, record: Record, segment: Option<&Segment<'_>>) -> Event {
        if record == Record::Intent && self.prepared.is_some() && !self.is_unchanged() {
            return Event::Stale;
        }
        let drafted = match record {
            Record::DryRun | Record::Blocked | Record::Escalation | Record::BreakGlass | Record::Intent => {
                self.decision_draft(record)
            }
            Record::Heartbeat => self.heartbeat_draft(segment),
            Record::Closer(ending) => self.closer_draft(ending),
        };
        let appended = match drafted {
            Ok(draft) => self.ledger.append(draft),
            Err(GovernError::Ledger(fault)) => Err(AppendError::NotRecorded(fault)),
            Err(error) => {
                self.draft_error = Some(error);
                return Event::AppendFailed;
            }
        };
        match appended {
            Ok(appended) => {
                if let (Record::BreakGlass, Some(breaking)) = (record, &mut self.breaking) {
                    breaking.broken = Some(reference(Rel::Parent, &appended));
                }
                if record == Record::Intent {
                    self.intent = Some(reference(Rel::Intent, &appended));
                }
                self.receipts.push(appended);
                Event::Durable
            }
            Err(AppendError::Stale | AppendError::Halted | AppendError::Suspended) => Event::Stale,
            Err(AppendError::NotOpen { intent }) => {
                self.append_error = Some(AppendError::NotOpen { intent });
                Event::NotOpen
            }
            // Somebody used or changed the approval or grant in between: the gates look again.
            Err(error) if is_about_consent(&error) => Event::Stale,
            Err(error) => {
                self.append_error = Some(error);
                Event::AppendFailed
            }
        }
    }

    fn release(&mut self) {
        match self.pending.take().map(Pending::release) {
            Some(Ok(captured)) => self.captured = Some(captured),
            Some(Err(error)) => drop(self.output_error.get_or_insert(error)),
            None => {}
        }
    }

    /// Lets the lock go and removes its file: from here on nobody asks whether this run lives.
    fn unlock(&mut self) {
        if self.guard.take().is_some() {
            // A file that stays costs a look when the next intent of that id is closed, which never comes.
            drop(std::fs::remove_file(self.ledger.run_lock_path(self.intent_id)));
        }
    }

    fn append_failure(&mut self) -> GovernError {
        let refused = |error: Option<AppendError>| GovernError::Append(error.unwrap_or(AppendError::Stopped));
        self.draft_error.take().unwrap_or_else(|| refused(self.append_error.take()))
    }

    fn finish(mut self, report: Report) -> Result<Governed, GovernError> {
        let outcome = match report {
            Report::Outcome(outcome) => outcome,
            Report::Fault(KernelFault::Unsettled) => return Err(GovernError::Unsettled),
            Report::Fault(KernelFault::Ledger) => return Err(self.append_failure()),
        };
        let decided = self.decided.ok_or_else(undecided)?;
        let capturing = matches!(self.request.streams, StreamsPlan::Capture { .. });
        let survivors_ended = self.ended.as_ref().map_or(0, |ended| ended.survivors_ended);
        let truncated = self.ended.as_ref().is_some_and(|ended| ended.truncated);
        Ok(Governed {
            outcome,
            ruling: decided.ruling,
            receipts: self.receipts,
            status: self.ended.map(|ended| ended.status),
            captured: self.captured.filter(|_| capturing),
            truncated,
            survivors_ended,
            glass: self.breaking.and_then(|breaking| Some(breaking.broken?.receipt_id)),
            revoked: self.revoked,
            output_error: self.output_error,
        })
    }
}

/// The first moment at which a window, the end of a grant or of a token, or a review that is due may change the answer.
pub(crate) fn holds_until(
    ruling: &Ruling,
    facts: &Facts,
    grants: &[Ref],
    asker: &Asker,
) -> Option<Timestamp> {
    let used = |grant: &&Grant| grants.iter().any(|one| one.receipt_id == grant.receipt_id);
    let ends = facts.grants.iter().filter(used).filter_map(|grant| grant.expires);
    let due = facts.own_unreviewed().map(|one| one.due).filter(|due| *due > facts.at);
    ends.chain(due).chain(ruling.holds_until).chain(asker.until()).min()
}

fn not_running() -> GovernError {
    GovernError::Defect("nothing runs".to_owned())
}

fn undecided() -> GovernError {
    GovernError::Defect("nothing decided".to_owned())
}

fn stdin_plan(input: &facts::Input) -> StdinPlan {
    match input {
        facts::Input::None => StdinPlan::Null,
        facts::Input::Terminal | facts::Input::Stream => StdinPlan::Inherit,
        facts::Input::Captured(bytes) => StdinPlan::Bytes(bytes.clone()),
    }
}

const fn ending_of(status: &Status) -> Ending {
    match status {
        Status::Exited(0) => Ending::Completed,
        Status::Exited(_) | Status::Signaled(_) | Status::CouldNotStart(_) => Ending::Failed,
        Status::TimedOut | Status::Revoked | Status::Interrupted(_) => Ending::Revoked,
        Status::Lost => Ending::Unknown,
    }
}

pub(crate) const fn is_about_consent(error: &AppendError) -> bool {
    matches!(
        error,
        AppendError::ApprovalUnknown { .. }
            | AppendError::ApprovalUsed { .. }
            | AppendError::ApprovalExpired { .. }
            | AppendError::SubjectUnknown { .. }
            | AppendError::SubjectClosed { .. }
            | AppendError::NotApproved { .. }
            | AppendError::GrantEnded { .. }
            | AppendError::GlassUsed { .. }
    )
}

pub(crate) fn reference(rel: Rel, appended: &Appended) -> Ref {
    Ref { rel, receipt_id: appended.receipt_id, entry_hash: appended.entry_hash }
}
