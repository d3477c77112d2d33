//! One attempt of a step: an action like any other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use cascade_kernel::action::{Outcome, Record};
use cascade_kernel::workflow::{Asked, Ended, Place, Rendered, RunCommand};
use cascade_ledger::{Fault, Ledger, Standstill, SubjectState};
use cascade_policy::decide::EscalationTerms;
use cascade_policy::facts::{Act, WorkflowAct};
use cascade_receipt::content::Ending;
use cascade_receipt::decision::Verdict;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::load::Loaded;
use super::point::{Point, Pointed};
use super::record::{TIMED_OUT, result_of};
use super::step::{OfStep, Says, step_at};
use super::{Attempt, Driver, OUTPUT_BYTES_MAX, WorkflowError, http};
use crate::consent::{self, Approved};
use crate::facts::{Command, Input};
use crate::govern::{self, GovernError, Governed};
use crate::process::{Captured, Status, StreamsPlan};
use crate::subject::{self, Concerned, Named};
use crate::task::Router;

/// Whether this is the reason of whatever is refused while the tenant is halted or suspended.
pub(super) fn is_standstill(code: &str) -> bool {
    [Standstill::Halted, Standstill::Suspended].iter().any(|standstill| standstill.code() == code)
}

/// An attempt that is over.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) place: Place,
    pub(super) at: Timestamp,
    pub(super) ended: Ended,
    pub(super) result: BTreeMap<String, Value>,
    pub(super) receipts: Vec<ReceiptId>,
    pub(super) reasons: Vec<String>,
    /// The escalation that waits for people.
    pub(super) asks: Option<ReceiptId>,
}

/// What an earlier try of the same attempt left.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Before {
    /// An escalation.
    pub(super) asked: Option<ReceiptId>,
    /// A run that it started.
    pub(super) called: Option<ReceiptId>,
}

/// What an attempt needs.
#[derive(Clone, Copy)]
pub(super) struct Attempting<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) run: &'a Arc<Loaded>,
    pub(super) driver: &'a Driver,
    /// Who answers its tasks, where it has some.
    pub(super) router: Option<&'a Router>,
}

impl<'a> Attempting<'a> {
    /// Performs it.
    pub(super) fn perform(
        self,
        place: Place,
        what: &Rendered,
        before: Before,
    ) -> Result<Done, WorkflowError> {
        let asked = before.asked;
        match what {
            Rendered::Command(command) => self.command(place, self.command_of(command)?, asked),
            Rendered::Http(call) => {
                let argv = http::argv(call).into_iter().map(OsString::from).collect();
                let input = call.body.clone().map_or(Input::None, |body| Input::Captured(body.into_bytes()));
                let subject = self.concerned(call.subject.as_ref())?;
                let command =
                    Command { argv, cwd: self.run.cwd.clone(), env: environment(&[]), input, subject };
                let mut done = self.command(place, command, asked)?;
                let (is_done, result) = http::result(&call.status, std::mem::take(&mut done.result));
                done.result = result;
                if done.ended == Ended::Completed && !is_done {
                    done.ended = Ended::Failed;
                }
                Ok(done)
            }
            Rendered::Approval(asking) => self.approval(place, asking, asked),
            Rendered::Wait(until) => {
                let text = format!("until {until}");
                self.point(place, (Act::Wait, text), None, None)
            }
            Rendered::Task(text) => self.task(place, text, asked),
            Rendered::Workflow(inputs) => self.workflow(place, inputs, before),
        }
    }

    /// What has done nothing yet.
    pub(super) fn nothing(place: Place, ended: Ended) -> Done {
        Done {
            place,
            at: crate::facts::now(),
            ended,
            result: BTreeMap::new(),
            receipts: Vec::new(),
            reasons: Vec::new(),
            asks: None,
        }
    }

    pub(super) fn router(&self) -> Result<&'a Router, WorkflowError> {
        self.router.ok_or(WorkflowError::Unsettled)
    }

    pub(super) fn command_of(self, command: &RunCommand) -> Result<Command, WorkflowError> {
        let cwd = match &command.cwd {
            Some(cwd) => self.run.cwd.join(cwd),
            None => self.run.cwd.clone(),
        };
        let input = command.stdin.clone().map_or(Input::None, |text| Input::Captured(text.into_bytes()));
        Ok(Command {
            argv: command.argv.iter().map(OsString::from).collect(),
            cwd,
            env: environment(&command.env),
            input,
            subject: self.concerned(command.subject.as_ref())?,
        })
    }

    fn concerned(self, named: Option<&Named>) -> Result<Option<Concerned>, WorkflowError> {
        Ok(named.map(|named| subject::concerned(self.ledger, named)).transpose()?)
    }

    /// Decides a command and records that, without running it.
    pub(super) fn rehearse(self, place: Place, command: &RunCommand) -> Result<Attempt, WorkflowError> {
        let command = self.command_of(command)?;
        let governed = govern::govern(self.ledger, self.request(place, command, None, true));
        let governed = governed.map_err(|error| WorkflowError::Step(Box::new(error)))?;
        let decision = &governed.ruling.decision;
        Ok(Attempt {
            place,
            ended: decision.verdict.as_str(),
            receipt_id: governed.receipts.last().map(|receipt| receipt.receipt_id),
            reasons: decision.reasons().map(|(_, reason)| reason.code.to_string()).collect(),
            exit_code: None,
        })
    }

    fn request(
        self,
        place: Place,
        command: Command,
        approved: Option<Approved>,
        dry_run: bool,
    ) -> govern::Request {
        let step = self.run.spec.steps.get(place.step);
        let timeout = step.and_then(|step| step.timeout_ms).map(Duration::from_millis);
        let of = OfStep {
            run: Arc::clone(self.run),
            at: step_at(place),
            says: Says::Command(command.argv.clone()),
        };
        govern::Request {
            command,
            asker: self.driver.asker.clone(),
            dry_run,
            approved,
            reason: self.driver.reason.clone(),
            timeout,
            streams: StreamsPlan::Capture { cap_bytes: OUTPUT_BYTES_MAX },
            runtime: self.driver.runtime.clone(),
            task: None,
            step: Some(of),
            cron: None,
            takes_back: None,
            request: None,
        }
    }

    fn command(
        self,
        place: Place,
        command: Command,
        asked: Option<ReceiptId>,
    ) -> Result<Done, WorkflowError> {
        let approved = match self.standing(&command, asked)? {
            Standing::Waits(asked) => return Ok(Self::waiting(place, asked)),
            Standing::Denied(asked) => return Ok(Self::denied(place, Some(asked))),
            Standing::Approved(approved) => Some(*approved),
            Standing::Nothing => None,
        };
        match govern::govern(self.ledger, self.request(place, command, approved, false)) {
            Ok(governed) => Ok(governed_done(place, governed)),
            // Somebody used or took back the approval meanwhile: it is asked for anew the next time.
            Err(GovernError::ApprovalGone(reasons)) => {
                let mut done = Self::denied(place, asked);
                done.reasons = reasons.into_iter().map(|reason| reason.code).collect();
                Ok(done)
            }
            Err(GovernError::Append(error)) => Err(WorkflowError::Append(error)),
            Err(GovernError::Started(error)) => match *error {
                GovernError::Append(error) => Err(WorkflowError::Append(error)),
                other => Err(WorkflowError::Step(Box::new(other))),
            },
            Err(other) => Err(WorkflowError::Step(Box::new(other))),
        }
    }

    /// What people have said to an earlier try of this very command.
    fn standing(self, command: &Command, asked: Option<ReceiptId>) -> Result<Standing, WorkflowError> {
        let Some(asked) = asked else { return Ok(Standing::Nothing) };
        let (approved, _) = consent::answered(self.ledger, &asked.to_string())?;
        match state(self.ledger, &approved)? {
            State::Open => return Ok(Standing::Waits(asked)),
            State::Denied => return Ok(Standing::Denied(asked)),
            State::Gone => return Ok(Standing::Nothing),
            State::Approved => {}
        }
        let against = consent::run_objections(self.ledger, &self.driver.asker, &approved, command)?;
        let waits = |code: &str| matches!(code, "approval.missing" | "approval.too_few");
        Ok(if against.reasons.is_empty() {
            Standing::Approved(Box::new(approved))
        } else if against.reasons.iter().all(|reason| waits(&reason.code)) {
            Standing::Waits(asked)
        } else {
            // It is not what was approved any more: people are asked anew.
            Standing::Nothing
        })
    }

    pub(super) fn waiting(place: Place, asked: ReceiptId) -> Done {
        Done { asks: Some(asked), ..Self::nothing(place, Ended::Waiting) }
    }

    pub(super) fn denied(place: Place, asked: Option<ReceiptId>) -> Done {
        let reasons = vec!["approval.denied".to_owned()];
        Done { receipts: asked.into_iter().collect(), reasons, ..Self::nothing(place, Ended::Refused) }
    }

    fn approval(self, place: Place, asking: &Asked, asked: Option<ReceiptId>) -> Result<Done, WorkflowError> {
        let terms = EscalationTerms {
            required: asking.required,
            groups: asking.groups.clone(),
            expires_after_ms: asking.expires_ms,
            signature_required: asking.signature,
        };
        let approved = match asked {
            None => None,
            Some(asked) => {
                let (approved, _) = consent::answered(self.ledger, &asked.to_string())?;
                match state(self.ledger, &approved)? {
                    State::Open => return Ok(Self::waiting(place, asked)),
                    State::Denied => return Ok(Self::denied(place, Some(asked))),
                    State::Gone => None,
                    State::Approved => Some(approved),
                }
            }
        };
        self.point(place, (Act::Approval, asking.text.clone()), Some(terms), approved.as_ref())
    }

    fn point(
        self,
        place: Place,
        (act, text): (Act, String),
        terms: Option<EscalationTerms>,
        approved: Option<&Approved>,
    ) -> Result<Done, WorkflowError> {
        let point = Point {
            run: self.run,
            act: act_of(self.run, act, Some(place.step), text),
            step: Some(step_at(place)),
            terms,
            approved,
            refs: Vec::new(),
            dry_run: false,
        };
        Ok(pointed_done(place, &point.record(self.ledger, self.driver)?))
    }
}

/// What stands for an attempt that was escalated before.
enum Standing {
    Nothing,
    Waits(ReceiptId),
    Denied(ReceiptId),
    Approved(Box<Approved>),
}

/// How a question to people stands.
pub(crate) enum State {
    /// They have not answered, or not enough of them.
    Open,
    /// It may stand on their answers.
    Approved,
    /// One of them has said no.
    Denied,
    /// It was used, or its time is over.
    Gone,
}

/// How what was asked stands now.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) fn state(ledger: &Ledger, approved: &Approved) -> Result<State, Fault> {
    let now = crate::facts::now();
    Ok(match approved.subject.state {
        SubjectState::Denied => State::Denied,
        SubjectState::Used | SubjectState::Erased | SubjectState::Expired => State::Gone,
        _ if approved.subject.expires.is_some_and(|expires| expires <= now) => State::Gone,
        _ if consent::needed(ledger, &approved.subject, now)?.is_met() => State::Approved,
        SubjectState::Open | SubjectState::Approved => State::Open,
    })
}

/// An act of a run.
pub(super) fn act_of(run: &Loaded, act: Act, step: Option<usize>, text: String) -> WorkflowAct {
    let step = step.and_then(|at| run.spec.steps.get(at));
    WorkflowAct {
        act,
        name: run.spec.name.clone(),
        version: run.spec.version.clone(),
        spec_hash: run.spec_hash,
        step: step.map(|step| step.id.clone()),
        text,
        inputs: (act == Act::Start).then(|| run.inputs.to_canonical()),
        caller: run.caller.as_ref().filter(|_| act == Act::Start).map(|(caller, _)| *caller),
    }
}

/// This process's environment with these variables on top.
pub(super) fn environment(own: &[(String, String)]) -> Vec<(OsString, OsString)> {
    let is_own = |name: &OsString| own.iter().any(|(key, _)| name == key.as_str());
    let mut env: Vec<_> = std::env::vars_os().filter(|(name, _)| !is_own(name)).collect();
    env.extend(own.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
    env
}

fn governed_done(place: Place, governed: Governed) -> Done {
    let last = governed.receipts.last();
    let at = last.map_or_else(crate::facts::now, |receipt| receipt.timestamp);
    let asks = (governed.outcome == Outcome::Decided(Record::Escalation))
        .then(|| last.map(|receipt| receipt.receipt_id))
        .flatten();
    let timed_out = matches!(governed.status, Some(Status::TimedOut));
    let ended = match governed.outcome {
        Outcome::Decided(Record::Escalation) => Ended::Waiting,
        // What is stopped for everyone goes on when it may.
        Outcome::Decided(_) if is_halted(&governed) => Ended::Waiting,
        Outcome::Decided(_) => Ended::Refused,
        Outcome::Ran(Ending::Completed) => Ended::Completed,
        Outcome::Ran(Ending::Failed) => Ended::Failed,
        Outcome::Ran(Ending::Revoked) if timed_out => Ended::Failed,
        Outcome::Ran(Ending::Revoked) => Ended::Refused,
        Outcome::Ran(Ending::Unknown) | Outcome::ClosedElsewhere => Ended::Unknown,
    };
    let exit_code = governed.exit_code().map(i64::from);
    let mut reasons: Vec<String> = match ended {
        Ended::Refused | Ended::Waiting => {
            governed.ruling.decision.reasons().map(|(_, reason)| reason.code.to_string()).collect()
        }
        _ => Vec::new(),
    };
    reasons.extend(governed.revoked.iter().map(|reason| reason.code.to_string()));
    reasons.extend(timed_out.then(|| TIMED_OUT.to_owned()));
    let Captured { stdout, stderr } = governed.captured.unwrap_or_default();
    Done {
        place,
        at,
        ended,
        // What did not run has left nothing, not empty texts: a run that goes on sees the same.
        result: match governed.outcome {
            Outcome::Decided(_) => BTreeMap::new(),
            _ => result_of(exit_code, &stdout, &stderr, governed.truncated),
        },
        receipts: governed.receipts.iter().map(|receipt| receipt.receipt_id).collect(),
        reasons,
        asks,
    }
}

fn is_halted(governed: &Governed) -> bool {
    governed.ruling.decision.reasons().any(|(_, reason)| is_standstill(&reason.code))
}

fn pointed_done(place: Place, pointed: &Pointed) -> Done {
    let verdict = pointed.ruling.decision.verdict;
    let id = pointed.receipt.receipt_id;
    let codes = pointed.ruling.decision.reasons().map(|(_, reason)| reason.code.to_string());
    Done {
        place,
        at: pointed.receipt.timestamp,
        ended: match verdict {
            Verdict::Admit => Ended::Completed,
            Verdict::Escalate => Ended::Waiting,
            Verdict::Deny
                if pointed.ruling.decision.reasons().any(|(_, reason)| is_standstill(&reason.code)) =>
            {
                Ended::Waiting
            }
            Verdict::Deny => Ended::Refused,
        },
        result: BTreeMap::new(),
        receipts: vec![id],
        reasons: if verdict == Verdict::Admit { Vec::new() } else { codes.collect() },
        asks: (verdict == Verdict::Escalate).then_some(id),
    }
}
