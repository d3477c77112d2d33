//! Gate 5: the policies permit every command of the action.
//!
//! Forbids are heard at the gate they name, this one unless they say otherwise. Here stands the
//! rest: that each command has a permit, and that nothing failed to evaluate.

use cascade_receipt::decision::{GateName, GateOutcome, Reason};

use super::Answer;
use crate::cedar::{Judgement, Trouble};

pub(super) fn answer(judgement: &Judgement) -> Answer {
    let mut answer = Answer::pass();
    for trouble in &judgement.troubles {
        match trouble {
            // A policy that errs is skipped by the evaluator. Had it been a forbid, skipping it
            // would allow.
            Trouble::Evaluation(policy_id) => answer.deny_by("policy.evaluation_error", policy_id),
            Trouble::Request => answer.deny("policy.request"),
            Trouble::NoCommand => answer.deny("policy.no_command"),
            Trouble::NoPermit => answer.deny("policy.no_permit"),
        }
    }
    // A permit explains a pass only.
    if answer.reasons.is_empty() && judgement.forbids.iter().all(|forbid| forbid.gate != GateName::Policy) {
        for permit in &judgement.permits {
            answer.add(GateOutcome::Pass, Reason::of("policy.permit", permit));
        }
    }
    answer
}
