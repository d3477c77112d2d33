//! L7: a language model is asked. The question is an action of its own: decided, its intent durable before anything
//! leaves, its closer durable before the answer does, whatever it cost told there.

mod calling;
mod drafts;
mod judging;
pub mod tools;

use std::collections::VecDeque;
use std::time::Instant;

use cascade_kernel::action::{self, Action, Effect, Event};
use cascade_kernel::route::Acted;
use cascade_ledger::{AppendError, PrivateItem};
use cascade_policy::decide;
use cascade_policy::facts::{AskedModel, Task, TaskKind};
use cascade_receipt::content::{self, Ending, Layer as LayerName, Spent};
use cascade_receipt::decision::{Decision, Reason};
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;

use self::judging::prompt;
use super::perform::{Decided, Performer};
use super::{Answer, Request, Router, TaskError};
use crate::consent::{Approved, Of};
use crate::credentials;
use crate::facts;
use crate::govern::holds_until;
use crate::grants;
use crate::limits;
use crate::model::{self, Model, ModelKey, Prompt};
use crate::run_lock::RunLock;

/// How often a model is asked about one task: once, and once more with what was wrong.
const ROUNDS_MAX: usize = 2;
/// The same where it may have tools called.
const ROUNDS_TOOLS: usize = 8;

/// What became of a question.
struct Told {
    /// What was sent after the first prompt.
    prompts: Vec<String>,
    ending: Ending,
    answer: Option<Answer>,
    spent: Spent,
    reasons: Vec<Reason>,
    duration_us: u64,
}

/// One question on its way.
struct Question<'p, 'a> {
    of: &'p mut Performer<'a>,
    model: Model,
    prompt: Prompt,
    action_nonce: Nonce,
    facts_nonce: Nonce,
    output_nonce: Nonce,
    intent_id: ReceiptId,
    intent: Option<content::Ref>,
    decided: Option<Decided>,
    key: Option<ModelKey>,
    lock: Option<RunLock>,
    told: Option<Told>,
    /// When the gates were asked last.
    reviewed: Instant,
    /// Why it is no longer admitted, and what the gates said then.
    revoked: Vec<Reason>,
    review: Option<(Decision, PrivateItem)>,
    /// Bytes of results that the model was shown.
    fed: usize,
    unprepared: Option<&'static str>,
    refused: Option<AppendError>,
}

impl Performer<'_> {
    /// Says why no model is asked, where none is.
    pub(super) fn lacks_model(&mut self) {
        match self.router.models.unchosen() {
            Some(names) => self.decline(LayerName::L7, "model.unchosen", Some(names)),
            None => self.decline(LayerName::L7, "model.none", None),
        }
    }

    pub(super) fn ask_model(&mut self) -> Result<Acted, TaskError> {
        let Some(model) = self.router.models.pick(None).cloned() else {
            self.lacks_model();
            return Ok(Acted::Passed);
        };
        let prompt = prompt(&self.request.task);
        // What follows an escalation or a dry run inherits its nonce.
        let action_nonce = match approved(self.request) {
            Some(approved) => approved.action_nonce,
            None => cascade_ledger::nonce()?,
        };
        let question = Question {
            model,
            prompt,
            action_nonce,
            facts_nonce: cascade_ledger::nonce()?,
            output_nonce: cascade_ledger::nonce()?,
            intent_id: cascade_ledger::receipt_id()?,
            intent: None,
            decided: None,
            key: None,
            lock: None,
            told: None,
            reviewed: Instant::now(),
            revoked: Vec::new(),
            review: None,
            fed: 0,
            unprepared: None,
            refused: None,
            of: self,
        };
        question.perform()
    }
}

impl Question<'_, '_> {
    fn perform(mut self) -> Result<Acted, TaskError> {
        let (mut action, effects) = Action::submit();
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let event = match effect {
                Effect::Decide => self.decide()?,
                Effect::Append(record) => self.append(record)?,
                Effect::Prepare => self.prepare(),
                Effect::Start => self.start(&mut action)?,
                Effect::Abandon | Effect::Unlock => {
                    self.lock = None;
                    continue;
                }
                // The answer is handed over with the report of the end, which comes in the same step.
                Effect::Release => continue,
                Effect::Report(report) => return self.ended(report),
                Effect::Review | Effect::Revoke | Effect::Kill => {
                    return Err(TaskError::Defect("a question has no process".to_owned()));
                }
            };
            queue.extend(action.step(event).map_err(|defect| TaskError::Defect(defect.to_string()))?);
        }
        Err(TaskError::Defect("the question ended without a report".to_owned()))
    }

    fn decide(&mut self) -> Result<Event, TaskError> {
        if let Some(approved) = approved(self.of.request) {
            let gone = approved.gone(self.of.ledger)?;
            if !gone.is_empty() {
                return Err(TaskError::ApprovalGone(gone));
            }
        }
        let decided = self.look(None)?;
        let (verdict, dry_run) = (decided.ruling.decision.verdict, self.of.request.dry_run);
        self.decided = Some(decided);
        Ok(Event::Decided { verdict, dry_run, breaks_glass: false })
    }

    /// Asks the gates about the question as of now; `own` is its intent, once there is one.
    fn look(&mut self, own: Option<ReceiptId>) -> Result<Decided, TaskError> {
        let of = &mut *self.of;
        let (snapshot, mark) = of.router.policy(of.ledger)?;
        of.asker = of.asker.again(of.ledger)?;
        let task = with_model(&self.model, &self.prompt, &of.request.task);
        let mut facts = facts::of_task(&of.ledger.present()?, &of.asker, task)?;
        facts.dry_run = of.request.dry_run;
        facts.spec = of.spec_facts()?;
        limits::count(of.ledger, &snapshot, &mut facts, own)?;
        if let Some(approved) = approved(of.request) {
            approved.add_to(of.ledger, &mut facts, own)?;
        }
        let ruling = decide::decide(&snapshot, &facts);
        let grants = grants::used(of.ledger, &ruling.decision)?;
        let holds_until = holds_until(&ruling, &facts, &grants, &of.asker);
        Ok(Decided { facts, ruling, grants, holds_until, mark })
    }

    fn rounds(&self) -> usize {
        rounds(&self.of.request.task)
    }

    /// Everything that can fail before the intent: the key, and the lock that tells others that this runs.
    fn prepare(&mut self) -> Event {
        let principal = self.decided.as_ref().map(|decided| decided.facts.principal.clone());
        match principal.map(|principal| credentials::model_key(self.of.ledger, &principal, &self.model)) {
            Some(Ok(key)) => self.key = key,
            _ => {
                self.unprepared = Some("start.no_credential");
                return Event::PrepareFailed;
            }
        }
        match RunLock::take(self.of.ledger, self.intent_id) {
            Ok(lock) => {
                self.lock = Some(lock);
                Event::Prepared
            }
            Err(_) => {
                self.unprepared = Some("start.failed");
                Event::PrepareFailed
            }
        }
    }

    fn ended(self, report: action::Report) -> Result<Acted, TaskError> {
        let outcome = match report {
            action::Report::Outcome(outcome) => outcome,
            action::Report::Fault(action::Fault::Unsettled) => return Err(TaskError::Unsettled),
            action::Report::Fault(action::Fault::Ledger) => {
                return Err(TaskError::Append(self.refused.unwrap_or(AppendError::Stopped)));
            }
        };
        let of = self.of;
        of.acted_on = self.decided.map(|decided| decided.ruling);
        if let Some(told) = &self.told {
            of.tokens += told.spent.tokens_in.unwrap_or_default() + told.spent.tokens_out.unwrap_or_default();
            of.cost_microusd += told.spent.cost_microusd.unwrap_or_default();
        }
        if let Some(code) = self.unprepared {
            of.decline(LayerName::L7, code, None);
        }
        Ok(match outcome {
            action::Outcome::Decided(_) => {
                of.decline(LayerName::L7, "model.not_admitted", None);
                Acted::Stopped
            }
            action::Outcome::Ran(Ending::Completed) => {
                of.declined.retain(|declined| declined.layer != LayerName::L7);
                of.answer = self.told.and_then(|told| told.answer);
                Acted::Answered
            }
            action::Outcome::Ran(_) | action::Outcome::ClosedElsewhere => Acted::Failed,
        })
    }
}

impl Router {
    /// The task with the model that would be asked about it now; `None` without one.
    #[must_use]
    pub fn question(&self, task: &Task) -> Option<Task> {
        let model = self.models.pick(None)?;
        Some(with_model(model, &prompt(task), task))
    }
}

/// What people answered about the question itself.
fn approved(request: &Request) -> Option<&Approved> {
    let standing = request.approved.as_ref()?;
    matches!(standing.of, Of::Question).then_some(&standing.approved)
}

fn rounds(task: &Task) -> usize {
    match task.kind {
        TaskKind::Code => ROUNDS_MAX,
        _ if task.tools.is_empty() => 1,
        _ => ROUNDS_TOOLS,
    }
}

/// The task, and the model with what it can cost at most.
fn with_model(model: &Model, prompt: &Prompt, task: &Task) -> Task {
    let estimate = model::estimate(model, prompt);
    let rounds = u64::try_from(rounds(task)).unwrap_or(1);
    let (tokens_in, tokens_out, microusd) = if task.tools.is_empty() {
        let all = |once: u64| once.saturating_mul(rounds);
        (all(estimate.tokens_in), all(estimate.tokens_out), all(estimate.cost_microusd))
    } else {
        tools::most(model, estimate)
    };
    let endpoint = model.endpoint();
    let asked = AskedModel {
        provider: model.provider().as_str().to_owned(),
        name: model.model().to_owned(),
        host: endpoint.host().to_owned(),
        local: endpoint.is_loopback(),
        tokens: tokens_in.saturating_add(tokens_out),
        microusd,
        request: None,
    };
    Task { model: Some(asked), ..task.clone() }
}

fn undecided() -> TaskError {
    TaskError::Defect("nothing decided".to_owned())
}
