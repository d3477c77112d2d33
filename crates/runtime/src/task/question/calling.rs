//! A question while the model answers: the gates are asked again whenever what they saw has changed.

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cascade_kernel::action::{Action, Effect, Event, Status};
use cascade_ledger::PrivateItem;
use cascade_receipt::content::{Ending, Layer as LayerName, Spent};
use cascade_receipt::decision::{Reason, Verdict};

use super::judging::again;
use super::{Question, Told, undecided};
use crate::credentials;
use crate::facts;
use crate::govern::holds_until;
use crate::govern::running::revocations;
use crate::model::{self, CallLimits, Cancellation, ModelError, ModelFault, Phase, Prompt, Reply};
use crate::process::TRUST_INTERVAL;
use crate::task::TaskError;

/// The reason of a question whose model wanted tools called to the end.
const ROUNDS_UP: &str = "model.rounds";
/// How often is looked whether the question may go on.
const LOOK: Duration = Duration::from_millis(100);

impl Told {
    fn new() -> Self {
        Self {
            prompts: Vec::new(),
            ending: Ending::Failed,
            answer: None,
            spent: Spent { tokens_in: Some(0), tokens_out: Some(0), cost_microusd: Some(0) },
            reasons: Vec::new(),
            duration_us: 0,
        }
    }

    fn add(&mut self, tokens_in: u64, tokens_out: u64, cost: u64) {
        let plus = |sum: Option<u64>, more: u64| Some(sum.unwrap_or_default().saturating_add(more));
        self.spent = Spent {
            tokens_in: plus(self.spent.tokens_in, tokens_in),
            tokens_out: plus(self.spent.tokens_out, tokens_out),
            cost_microusd: plus(self.spent.cost_microusd, cost),
        };
    }
}

impl Question<'_, '_> {
    /// Asks, runs what comes, and asks once more with what was wrong.
    pub(super) fn start(&mut self, action: &mut Action) -> Result<Event, TaskError> {
        let began = Instant::now();
        self.reviewed = began;
        let mut told = Told::new();
        let mut prompt = self.prompt.clone();
        for round in 1..=self.rounds() {
            if round > 1 && prompt.tools.is_empty() {
                told.prompts.push(prompt.user.clone());
            }
            let reply = match self.call(action, &prompt, &mut told)? {
                Ok(reply) => reply,
                Err(code) => {
                    told.reasons = vec![Reason::code(code)];
                    break;
                }
            };
            if !reply.tool_calls.is_empty() {
                if round == self.rounds() {
                    told.reasons = vec![Reason::code(ROUNDS_UP)];
                    self.of.decline(LayerName::L7, ROUNDS_UP, None);
                    break;
                }
                let turn = self.called(reply.text, reply.tool_calls, &mut |own| own.goes_on(action))?;
                told.prompts.extend(turn.results.iter().cloned());
                prompt.turns.push(turn);
                continue;
            }
            match self.judged(&reply) {
                Ok(answer) => {
                    (told.answer, told.ending) = (Some(answer), Ending::Completed);
                    told.reasons.clear();
                    break;
                }
                Err((code, detail)) => {
                    told.reasons = vec![Reason::code(code)];
                    // What was rejected is no answer, and nothing of it leaves.
                    self.of.decline(LayerName::L7, code, None);
                    prompt.user = again(&self.prompt.user, &reply.text, detail.as_deref().unwrap_or(code));
                }
            }
        }
        if !self.goes_on(action)? {
            (told.answer, told.ending) = (None, Ending::Revoked);
            told.reasons.clone_from(&self.revoked);
            for reason in self.revoked.clone() {
                self.of.decline(LayerName::L7, &reason.code, None);
            }
        }
        told.duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let ending = told.ending;
        self.told = Some(told);
        Ok(Event::Ended(ending))
    }

    fn call(
        &mut self,
        action: &mut Action,
        prompt: &Prompt,
        told: &mut Told,
    ) -> Result<Result<Reply, &'static str>, TaskError> {
        if !self.goes_on(action)? {
            return Ok(Err("model.cancelled"));
        }
        let error = match self.watched(action, prompt)? {
            Ok(reply) => {
                told.add(reply.tokens_in, reply.tokens_out, reply.cost_microusd);
                return Ok(Ok(reply));
            }
            Err(error) => error,
        };
        let silent = matches!(
            error.fault,
            ModelFault::TimedOut(Phase::FirstByte | Phase::Between | Phase::Whole)
                | ModelFault::Cut
                | ModelFault::Cancelled
        );
        if silent && error.spent.tokens_in == 0 {
            // The question was taken, and may have been charged.
            let likely = model::estimate(&self.model, prompt).tokens_in_likely;
            told.add(likely, 0, self.model.cost(likely, 0));
        }
        told.add(error.spent.tokens_in, error.spent.tokens_out, error.spent.cost_microusd);
        if self.revoked.is_empty() {
            let hint = Some(error.fault.hint().to_owned()).filter(|hint| !hint.is_empty());
            self.of.decline(LayerName::L7, error.fault.code(), hint);
        }
        Ok(Err(error.fault.code()))
    }

    /// The call itself, cancelled as soon as the gates no longer admit it.
    fn watched(
        &mut self,
        action: &mut Action,
        prompt: &Prompt,
    ) -> Result<Result<Reply, ModelError>, TaskError> {
        let cancellation = Cancellation::default();
        let limits = CallLimits { cancellation: cancellation.clone(), ..CallLimits::default() };
        let (model, key) = (self.model.clone(), self.key.clone());
        let (done, waiting) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let calling = scope.spawn(move || {
                let _done = done;
                model::call(&model, key.as_ref(), prompt, &limits, &mut |_| {})
            });
            let mut looked = Ok(true);
            while waiting.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                looked = self.goes_on(action);
                if !matches!(looked, Ok(true)) {
                    cancellation.cancel();
                    break;
                }
            }
            let given =
                calling.join().map_err(|_| TaskError::Defect("a call of a model panicked".to_owned()));
            looked.and(given)
        })
    }

    /// Whether the gates still admit the question; they are asked where what they saw has changed.
    fn goes_on(&mut self, action: &mut Action) -> Result<bool, TaskError> {
        if action.status() != Status::Running {
            return Ok(false);
        }
        if !self.is_review_due() {
            return Ok(true);
        }
        let stepped = |defect: cascade_kernel::action::Unexpected| TaskError::Defect(defect.to_string());
        let mut queue = VecDeque::from(action.step(Event::ReviewDue).map_err(stepped)?);
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Review => queue.extend(action.step(self.review()).map_err(stepped)?),
                Effect::Revoke => {}
                other => return Err(TaskError::Defect(format!("a review of a question wants {other:?}"))),
            }
        }
        Ok(action.status() == Status::Running)
    }

    /// Time alone can end what a decision stood on: a grant, a window.
    fn is_review_due(&self) -> bool {
        let Some(decided) = &self.decided else { return true };
        // A mark that cannot be read is none that was seen.
        self.reviewed.elapsed() >= TRUST_INTERVAL
            || self.of.ledger.mark().ok() != Some(decided.mark)
            || decided.holds_until.is_some_and(|until| facts::now() >= until)
    }

    /// What cannot be asked again is no longer admitted.
    fn review(&mut self) -> Event {
        self.ask_again().unwrap_or_else(|_| {
            self.revoked = vec![Reason::code("revoked.unreadable")];
            Event::ReviewFailed
        })
    }

    fn ask_again(&mut self) -> Result<Event, TaskError> {
        let now = self.look(Some(self.intent_id))?;
        if credentials::model_key(self.of.ledger, &now.facts.principal, &self.model).is_err() {
            self.revoked = vec![Reason::code("revoked.credential")];
            return Ok(Event::ReviewFailed);
        }
        let decided = self.decided.as_mut().ok_or_else(undecided)?;
        let decision = now.ruling.decision.clone();
        let verdict = decision.verdict;
        self.reviewed = Instant::now();
        if verdict == Verdict::Admit {
            // It stands on the grants that its intent names.
            decided.holds_until = holds_until(&now.ruling, &now.facts, &decided.grants, &self.of.asker);
            decided.mark = now.mark;
        } else {
            let facts = now.facts.to_json().to_canonical().into_bytes();
            self.revoked = revocations(&decision);
            let facts = PrivateItem::new("facts_hash", cascade_ledger::nonce()?, facts);
            self.review = Some((decision, facts));
        }
        Ok(Event::Decided { verdict, dry_run: false, breaks_glass: false })
    }
}
