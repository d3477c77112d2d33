//! An action while its command runs: heartbeats, and the gates asked again whenever what they saw has changed.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use cascade_kernel::action::{Action, Effect, Event, Status as Stage};
use cascade_ledger::{PrivateItem, Standstill};
use cascade_policy::decide;
use cascade_receipt::content::Ending;
use cascade_receipt::decision::{Decision, GateName, GateOutcome, Reason, Verdict};

use super::{GovernError, Performer, Run, ending_of, holds_until, undecided};
use crate::credentials;
use crate::facts;
use crate::limits;
use crate::policy_store;
use crate::process::{Answer, HookError, Question, Segment, Status, TRUST_INTERVAL};

impl Performer<'_> {
    pub(super) fn start(&mut self, action: &mut Action) -> Result<Event, GovernError> {
        let prepared =
            self.prepared.take().ok_or_else(|| GovernError::Defect("nothing prepared".to_owned()))?;
        if !self.is_unchanged() {
            return Ok(self.not_started());
        }
        self.started = true;
        let mut broken = None;
        let ended = prepared.start(&mut |question: &Question<'_>| {
            self.answer(action, question).map_err(|error| {
                broken = Some(error);
                HookError::from("no more output may leave")
            })
        });
        let ended = match (ended, broken) {
            (_, Some(error)) => return Err(error),
            (Err(error), None) => return Err(GovernError::Run(error)),
            (Ok(ended), None) => ended,
        };
        let ending = ending_of(&ended.status);
        self.ended = Some(Run {
            status: ended.status,
            duration_us: ended.duration_us,
            output_hash: Some(ended.output_hash),
            truncated: ended.truncated,
            survivors_ended: ended.survivors_ended,
        });
        self.output_error = ended.output_error;
        self.pending = Some(ended.pending);
        self.guard = Some(ended.guard);
        Ok(Event::Ended(ending))
    }

    /// The intent stands, and it names other bytes than those that would run now.
    fn not_started(&mut self) -> Event {
        let error =
            io::Error::other("the program, or a file that it obeys, was changed after it was decided");
        self.ended =
            Some(Run { status: Status::CouldNotStart(error), ..Run::not_started(&self.request.command) });
        self.changed = true;
        Event::Ended(Ending::Failed)
    }

    /// Whether the run may go on. A heartbeat is durable before its segment leaves. An error ends the run with
    /// nothing released.
    fn answer(&mut self, action: &mut Action, question: &Question<'_>) -> Result<Answer, GovernError> {
        if action.status() == Stage::Running
            && self.is_review_due()
            && self.drive(action, Event::ReviewDue, None)? == Answer::End
        {
            return Ok(Answer::End);
        }
        match question {
            Question::Trust => Ok(Answer::GoOn),
            Question::Segment(segment) => self.drive(action, Event::SegmentReady, Some(segment)),
        }
    }

    /// Time alone can end what a decision stood on: a grant, a window.
    fn is_review_due(&self) -> bool {
        let Some(decided) = &self.decided else { return true };
        // A mark that cannot be read is none that was seen.
        self.reviewed.elapsed() >= TRUST_INTERVAL
            || self.ledger.mark().ok() != Some(decided.mark)
            || self.about().ok() != Some(decided.about)
            || decided.holds_until.is_some_and(|until| facts::now() >= until)
    }

    /// Performs what one event brings about while the command runs.
    fn drive(
        &mut self,
        action: &mut Action,
        event: Event,
        segment: Option<&Segment<'_>>,
    ) -> Result<Answer, GovernError> {
        let mut queue = VecDeque::from(action.step(event)?);
        let mut answer = Answer::GoOn;
        while let Some(effect) = queue.pop_front() {
            let event = match effect {
                Effect::Append(record) => self.append(record, segment),
                Effect::Review => self.review(),
                Effect::Revoke => {
                    if self.revoked.is_empty() {
                        self.revoked.push(Reason::code("revoked.unsettled"));
                    }
                    answer = Answer::End;
                    continue;
                }
                Effect::Release => continue,
                _ => return Err(self.append_failure()),
            };
            queue.extend(action.step(event)?);
        }
        Ok(answer)
    }

    /// What cannot be asked again is no longer admitted.
    fn review(&mut self) -> Event {
        self.ask_again().unwrap_or_else(|_| {
            self.revoked = vec![Reason::code("revoked.unreadable")];
            Event::ReviewFailed
        })
    }

    /// Asks the gates about the same action under today's policy and facts.
    fn ask_again(&mut self) -> Result<Event, GovernError> {
        // As in the first decision, the mark is from before the facts.
        let (snapshot, mark) = policy_store::in_force(self.ledger)?;
        let about = self.about()?;
        let asker = self.request.asker.again(self.ledger)?;
        let mut facts = facts::look(&self.ledger.present()?, &snapshot, &asker, &self.request.command)?;
        let decided = self.decided.as_mut().ok_or_else(undecided)?;
        if !credentials::still_brokered(&decided.facts.action.env, &facts.action.env) {
            self.revoked = vec![Reason::code("revoked.credential")];
            return Ok(Event::ReviewFailed);
        }
        facts.action = decided.facts.action.clone();
        if let (Some(now), Some(then)) = (&mut facts.subject, &decided.facts.subject) {
            // What is said while a call runs is that call.
            (now.conversed, now.conversed_matter) = (then.conversed, then.conversed_matter);
        }
        limits::count(self.ledger, &snapshot, &mut facts, Some(self.intent_id))?;
        if let Some(approved) = &self.request.approved {
            approved.add_to(self.ledger, &mut facts, Some(self.intent_id))?;
        }
        facts.break_glass = self.break_glass(&facts)?;
        facts.spec = self.of_specification()?;
        let ruling = decide::decide(&snapshot, &facts);
        let decided = self.decided.as_mut().ok_or_else(undecided)?;
        // A run stands on the grants that its intent names.
        let holds_until = holds_until(&ruling, &facts, &decided.grants, &asker);
        let decision = ruling.decision;
        let verdict = decision.verdict;
        self.reviewed = Instant::now();
        if verdict == Verdict::Admit {
            (decided.mark, decided.about, decided.holds_until) = (mark, about, holds_until);
        } else {
            let nonce = cascade_ledger::nonce()?;
            let item = PrivateItem::new("facts_hash", nonce, facts.to_json().to_canonical().into_bytes());
            self.revoked = revocations(&decision);
            self.review = Some((decision, item));
        }
        Ok(Event::Decided { verdict, dry_run: false, breaks_glass: false })
    }
}

/// A code for each gate that no longer passes: `revoked.halted`, `revoked.suspended`, or `revoked.` and its name.
pub(crate) fn revocations(decision: &Decision) -> Vec<Reason> {
    let against = if decision.verdict == Verdict::Deny { GateOutcome::Deny } else { GateOutcome::Escalate };
    let gates = decision.gates.iter().filter(|gate| gate.outcome == against);
    gates
        .map(|gate| {
            let says = |code: &str| gate.reasons.iter().any(|reason| reason.code == code);
            let word = match gate.gate {
                GateName::Standing if says(Standstill::Halted.code()) => "halted",
                GateName::Standing if says(Standstill::Suspended.code()) => "suspended",
                other => other.as_str(),
            };
            Reason::code(&format!("revoked.{word}"))
        })
        .collect()
}
