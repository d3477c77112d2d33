//! L7: a language model is asked. The question is an action of its own: decided, its intent durable before anything
//! leaves, its closer durable before the answer does, whatever it cost told there.

use std::collections::VecDeque;
use std::time::Instant;

use cascade_kernel::action::{self, Action, Effect, Event};
use cascade_kernel::route::Acted;
use cascade_ledger::{AppendError, Draft, PrivateItem};
use cascade_policy::decide;
use cascade_policy::facts::{AskedModel, Task, TaskKind};
use cascade_receipt::content::{
    self, Body, Closing, Ending, Evidence, Layer as LayerName, Rel, Routed, Spent,
};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;

use super::drafts::{escalation, frame};
use super::perform::{Decided, Performer};
use super::trial::{self, Trial};
use super::{Answer, TaskError};
use crate::credentials;
use crate::facts;
use crate::govern::{holds_until, reference};
use crate::grants;
use crate::layer::Candidate;
use crate::limits;
use crate::model::code::code;
use crate::model::{
    self, CallLimits, Cancellation, Finish, Model, ModelFault, ModelKey, Phase, Prompt, Reply,
};
use crate::run_lock::RunLock;
use crate::watch;

/// How often a model is asked about one task: once, and once more with what was wrong.
const ROUNDS_MAX: usize = 2;

const CODE: &str = "You write Python. Answer with one fenced block that holds the whole source text of what is asked \
                    for, imports included, and nothing else. No tests, no examples, no printing.";
const ASK: &str = "Answer the question directly and briefly.";

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
    unprepared: Option<&'static str>,
    refused: Option<AppendError>,
}

impl Performer<'_> {
    pub(super) fn ask_model(&mut self) -> Result<Acted, TaskError> {
        let Some(model) = self.router.models.pick(None).cloned() else {
            self.decline(LayerName::L7, "model.none", None);
            return Ok(Acted::Passed);
        };
        let prompt = prompt(&self.request.task);
        let question = Question {
            model,
            prompt,
            action_nonce: cascade_ledger::nonce()?,
            facts_nonce: cascade_ledger::nonce()?,
            output_nonce: cascade_ledger::nonce()?,
            intent_id: cascade_ledger::receipt_id()?,
            intent: None,
            decided: None,
            key: None,
            lock: None,
            told: None,
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
                Effect::Start => self.start(),
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
        let rounds = u64::try_from(self.rounds()).unwrap_or(1);
        let of = &mut *self.of;
        let (snapshot, mark) = of.router.policy(of.ledger)?;
        of.asker = of.asker.again(of.ledger)?;
        let estimate = model::estimate(&self.model, &self.prompt);
        let endpoint = self.model.endpoint();
        let asked = AskedModel {
            provider: self.model.provider().as_str().to_owned(),
            name: self.model.model().to_owned(),
            host: endpoint.host().to_owned(),
            local: endpoint.is_loopback(),
            tokens: estimate.tokens_in.saturating_add(estimate.tokens_out).saturating_mul(rounds),
            microusd: estimate.cost_microusd.saturating_mul(rounds),
        };
        let task = Task { model: Some(asked), ..of.request.task.clone() };
        let mut facts = facts::of_task(of.ledger, &of.asker, task)?;
        let dry_run = of.request.dry_run;
        facts.dry_run = dry_run;
        limits::count(of.ledger, &snapshot, &mut facts, None)?;
        let ruling = decide::decide(&snapshot, &facts);
        let event = Event::Decided { verdict: ruling.decision.verdict, dry_run, breaks_glass: false };
        let grants = grants::used(of.ledger, &ruling.decision)?;
        let holds_until = holds_until(&ruling, &facts, &grants);
        self.decided = Some(Decided { facts, ruling, grants, holds_until, mark });
        Ok(event)
    }

    fn rounds(&self) -> usize {
        if self.of.request.task.kind == TaskKind::Code { ROUNDS_MAX } else { 1 }
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

    /// Asks, runs what comes, and asks once more with what was wrong.
    fn start(&mut self) -> Event {
        let began = Instant::now();
        let mut told = Told {
            prompts: Vec::new(),
            ending: Ending::Failed,
            answer: None,
            spent: Spent { tokens_in: Some(0), tokens_out: Some(0), cost_microusd: Some(0) },
            reasons: Vec::new(),
            duration_us: 0,
        };
        let mut prompt = self.prompt.clone();
        for round in 0..self.rounds() {
            if round > 0 {
                told.prompts.push(prompt.user.clone());
            }
            match self.call(&prompt, &mut told) {
                Err(code) => {
                    if code == "revoked.halted" {
                        told.ending = Ending::Revoked;
                    }
                    told.reasons = vec![Reason::code(code)];
                    break;
                }
                Ok(reply) => match self.judged(&reply) {
                    Ok(answer) => {
                        (told.answer, told.ending) = (Some(answer), Ending::Completed);
                        told.reasons.clear();
                        break;
                    }
                    Err((code, detail)) => {
                        told.reasons = vec![Reason::code(code)];
                        // What was rejected is no answer, and nothing of it leaves.
                        self.of.decline(LayerName::L7, code, None);
                        prompt.user =
                            again(&self.prompt.user, &reply.text, detail.as_deref().unwrap_or(code));
                    }
                },
            }
        }
        told.duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let ending = told.ending;
        self.told = Some(told);
        Event::Ended(ending)
    }

    fn call(&mut self, prompt: &Prompt, told: &mut Told) -> Result<Reply, &'static str> {
        let cancellation = Cancellation::default();
        let limits = CallLimits { cancellation: cancellation.clone(), ..CallLimits::default() };
        let ledger = self.of.ledger;
        // What halts a tenant ends a question within a second, as it ends a command.
        let (reply, halted) = watch::until_halted(
            ledger,
            || cancellation.cancel(),
            || model::call(&self.model, self.key.as_ref(), prompt, &limits, &mut |_| {}),
        );
        let mut add = |tokens_in: u64, tokens_out: u64, cost: u64| {
            let plus = |sum: Option<u64>, more: u64| Some(sum.unwrap_or_default().saturating_add(more));
            told.spent = Spent {
                tokens_in: plus(told.spent.tokens_in, tokens_in),
                tokens_out: plus(told.spent.tokens_out, tokens_out),
                cost_microusd: plus(told.spent.cost_microusd, cost),
            };
        };
        match reply {
            Ok(reply) => {
                add(reply.tokens_in, reply.tokens_out, reply.cost_microusd);
                Ok(reply)
            }
            Err(error) => {
                let silent = matches!(
                    error.fault,
                    ModelFault::TimedOut(Phase::FirstByte | Phase::Between | Phase::Whole)
                        | ModelFault::Cut
                        | ModelFault::Cancelled
                );
                if silent && error.spent.tokens_in == 0 {
                    // The question was taken, and may have been charged.
                    let likely = model::estimate(&self.model, prompt).tokens_in_likely;
                    add(likely, 0, self.model.cost(likely, 0));
                }
                add(error.spent.tokens_in, error.spent.tokens_out, error.spent.cost_microusd);
                if halted {
                    self.of.decline(LayerName::L7, "revoked.halted", None);
                    return Err("revoked.halted");
                }
                let hint = Some(error.fault.hint().to_owned()).filter(|hint| !hint.is_empty());
                self.of.decline(LayerName::L7, error.fault.code(), hint);
                Err(error.fault.code())
            }
        }
    }

    /// What an answer is worth, or why it is not taken.
    fn judged(&self, reply: &Reply) -> Result<Answer, (&'static str, Option<String>)> {
        // The beginning of an answer is none.
        if reply.finish == Finish::Length {
            return Err(("model.cut", Some("the answer was longer than it may be".to_owned())));
        }
        let (text, evidence, smoke) = if self.of.request.task.kind == TaskKind::Code {
            let source = code(&reply.text, &["python", "py", "python3"], looks_like_code)
                .map_err(|error| ("model.no_code", Some(error.to_string())))?;
            let source = source.to_owned();
            let candidate = Candidate { source, entry: None, grade: 0, unseen: 0, question: None };
            let tests = self.of.request.task.tests.as_deref();
            let Trial { evidence, backend, proves, fault, gave, .. } =
                trial::run(&self.of.router.smoke, &self.of.spec, &candidate, tests);
            let evidence = evidence.ok_or((fault.unwrap_or("smoke.failed"), gave))?;
            // Nothing but the tests speaks for it.
            let evidence = if proves { evidence } else { evidence.min(Evidence::Checked) };
            (candidate.source, evidence, backend)
        } else {
            if reply.text.trim().is_empty() {
                return Err(("model.empty", None));
            }
            (reply.text.clone(), Evidence::Proposed, None)
        };
        let grade = match evidence {
            Evidence::Verified => 100,
            Evidence::Checked => 50,
            Evidence::Proposed => 20,
        };
        Ok(Answer { text, layer: LayerName::L7, evidence, grade, smoke, question: None })
    }

    fn append(&mut self, record: action::Record) -> Result<Event, TaskError> {
        let draft = match record {
            action::Record::Closer(ending) => self.closer(ending)?,
            other => self.decision(other)?,
        };
        match self.of.ledger.append(draft) {
            Ok(appended) => {
                if record == action::Record::Intent {
                    self.intent = Some(reference(Rel::Intent, &appended));
                }
                self.of.receipts.push(appended);
                Ok(Event::Durable)
            }
            Err(AppendError::Stale | AppendError::Halted | AppendError::GrantEnded { .. }) => {
                Ok(Event::Stale)
            }
            Err(AppendError::NotOpen { .. }) => Ok(Event::NotOpen),
            Err(error) => {
                self.refused = Some(error);
                Ok(Event::AppendFailed)
            }
        }
    }

    fn decision(&self, record: action::Record) -> Result<Draft, TaskError> {
        let decided = self.decided.as_ref().ok_or_else(|| TaskError::Defect("nothing decided".to_owned()))?;
        let text = |value: cascade_receipt::json::Value| value.to_canonical().into_bytes();
        let action = PrivateItem::new("action_hash", self.action_nonce, text(decided.facts.action()));
        let facts = PrivateItem::new("facts_hash", self.facts_nonce, text(decided.facts.to_json()));
        let is_intent = record == action::Record::Intent;
        let body = content::Action {
            task_type: "model".to_owned(),
            draws: if is_intent { limits::taken(&decided.ruling) } else { Vec::new() },
            refs: decided.grants.clone(),
            ..self.of.action(decided, action.hash, facts.hash)
        };
        let body = match record {
            action::Record::DryRun => Body::DryRun(body),
            action::Record::Blocked => Body::Blocked(body),
            action::Record::Escalation => Body::Escalation(escalation(body, decided)?),
            _ => Body::TaskStarted(body),
        };
        let id = if is_intent { self.intent_id } else { cascade_ledger::receipt_id()? };
        let mut draft = Draft::new(id, body);
        draft.seen = Some(decided.mark);
        draft.private = vec![action, facts];
        if let Some(reason) = &self.of.request.reason {
            let reason = reason.clone().into_bytes();
            draft.private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, reason));
        }
        if is_intent {
            draft.caps = limits::caps(&decided.facts, &decided.ruling);
            draft.holds_until = decided.holds_until;
            // What was sent is the task's own words in a frame that belongs to this version; kept as it was sent.
            let prompt = [self.prompt.system.as_str(), "\n\n", self.prompt.user.as_str()].concat();
            draft.private.push(PrivateItem::new("prompt", cascade_ledger::nonce()?, prompt.into_bytes()));
        }
        Ok(draft)
    }

    fn closer(&self, ending: Ending) -> Result<Draft, TaskError> {
        let intent =
            self.intent.clone().ok_or_else(|| TaskError::Defect("closer without intent".to_owned()))?;
        let told = self.told.as_ref();
        let answer = told.and_then(|told| told.answer.as_ref()).filter(|_| ending == Ending::Completed);
        let output = answer
            .map(|answer| PrivateItem::new("output_hash", self.output_nonce, frame(answer.text.as_bytes())));
        let reasons = match (self.unprepared, told) {
            (Some(code), _) => vec![Reason::code(code)],
            (None, Some(told)) => told.reasons.clone(),
            (None, None) => Vec::new(),
        };
        let body = Body::Closing(Closing {
            ending,
            intent,
            output_hash: output.as_ref().map(|output| output.hash),
            truncated: false,
            exit_code: None,
            signal: None,
            duration_us: told.map(|told| told.duration_us),
            reasons,
            spent: told.map(|told| told.spent).unwrap_or_default(),
            routed: Some(Routed {
                layer: LayerName::L7,
                evidence: answer.map_or(Evidence::Proposed, |answer| answer.evidence),
                grade: answer.map_or(0, |answer| answer.grade),
                smoke: answer.and_then(|answer| answer.smoke.clone()),
                question_hash: None,
                declined: self.of.declined_codes(),
            }),
            review: None,
        });
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private.extend(output);
        for prompt in told.into_iter().flat_map(|told| &told.prompts) {
            let prompt = prompt.clone().into_bytes();
            draft.private.push(PrivateItem::new("prompt", cascade_ledger::nonce()?, prompt));
        }
        Ok(draft)
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
        if let (Some(decided), Some(ours)) = (of.decided.as_mut(), self.decided) {
            decided.ruling = ours.ruling;
        }
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

fn prompt(task: &Task) -> Prompt {
    let mut user = task.text.trim().to_owned();
    if let Some(signature) = &task.signature {
        user.push_str(&format!("\n\nThe function: {signature}"));
    }
    if !task.examples.is_empty() {
        user.push_str("\n\nIt must hold that:");
        for example in &task.examples {
            user.push_str(&format!("\n{example}"));
        }
    }
    if let Some(schema) = &task.schema {
        user.push_str(&format!("\n\nThe schema:\n{schema}"));
    }
    let system = if task.kind == TaskKind::Code { CODE } else { ASK };
    Prompt { system: system.to_owned(), user, tools: Vec::new() }
}

/// The question once more, with the answer that was not taken and why.
fn again(question: &str, answer: &str, why: &str) -> String {
    /// Bytes of an answer that are shown to the model again.
    const SHOWN_MAX: usize = 8 * 1024;
    let end = (0..=answer.len().min(SHOWN_MAX)).rev().find(|at| answer.is_char_boundary(*at)).unwrap_or(0);
    let answer = answer.get(..end).unwrap_or_default();
    format!(
        "{question}\n\nThis answer was wrong:\n{answer}\n\nIt failed so: {why}\nGive the whole corrected source text."
    )
}

fn looks_like_code(text: &str) -> bool {
    let first = text.trim_start();
    ["def ", "import ", "from ", "class ", "@", "async def "].iter().any(|word| first.starts_with(word))
}
