//! May this principal take this action now?

use cascade_receipt::decision::{Decision, RiskTier, Verdict};

use crate::facts::{Action, Facts, Invocation, Stdin};
use crate::gate::{self, Case};
use crate::snapshot::Snapshot;
use crate::worker::{Classification, Registry};

/// Stack, in bytes, that a caller gives to [`decide`], [`Snapshot::compile`] and
/// [`Snapshot::load`].
///
/// Parsing and evaluating policies recurse, and the evaluator answers differently when little stack
/// remains. Limits on policies keep every call within this size, so that a decision depends on
/// snapshot and facts alone. The crate starts no threads: who decides on a thread of its own spawns
/// it with this size; the main thread and default threads have at least as much.
pub const STACK_BYTES: usize = 2 * 1024 * 1024;

/// What people are asked for.
///
/// Met by approvals of at least `required` distinct people, each a member of at least one of
/// `groups`, every one of `groups` represented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EscalationTerms {
    /// Number of people.
    pub required: u32,
    /// Groups by name, sorted.
    pub groups: Vec<String>,
    /// How long the escalation stays open, in milliseconds.
    pub expires_after_ms: u64,
    /// Approvals must carry a verified signature.
    pub signature_required: bool,
}

/// A decision and what explains it.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Ten gates and the verdict, as the receipt holds them.
    pub decision: Decision,
    /// The tier the gates judged; at least that of `classification`.
    pub risk_tier: RiskTier,
    /// False where some part of the action could not be understood.
    pub classified: bool,
    /// How the command was taken apart.
    pub classification: Classification,
    /// Present exactly when the verdict is escalate.
    pub escalation: Option<EscalationTerms>,
}

/// Decides. Total and deterministic: what cannot be evaluated is denied, and a denial is an answer,
/// not an error.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn decide(snapshot: &Snapshot, facts: &Facts) -> Ruling {
    let classification = classify(snapshot.registry(), &facts.action);
    let (risk_tier, classified) = assess(&classification, facts.action.stdin);
    let judgement = snapshot.engine().judge(facts, &classification);
    let case = Case {
        facts,
        thresholds: snapshot.thresholds(),
        packs: snapshot.packs(),
        classification: &classification,
        tier: risk_tier,
        classified,
        judgement: &judgement,
    };
    let (gates, terms) = gate::evaluate(&case);
    let decision = Decision::from_gates(gates);
    let escalation = if decision.verdict == Verdict::Escalate { terms } else { None };
    Ruling { decision, risk_tier, classified, classification, escalation }
}

fn classify(registry: &Registry, action: &Action) -> Classification {
    match &action.invocation {
        Invocation::Cli(argv) if argv.is_empty() => refusal("empty"),
        Invocation::Cli(argv) => registry.classify_argv(argv, &action.env),
        Invocation::Shell(line) => match str::from_utf8(line) {
            Ok(line) => registry.classify_line(line, &action.env),
            Err(_) => refusal("encoding"),
        },
    }
}

/// The classification of something that no parser was allowed to see.
fn refusal(limit: &str) -> Classification {
    Classification {
        tier: RiskTier::High,
        classified: false,
        refused: Some(limit.to_owned()),
        failfast: Vec::new(),
        commands: Vec::new(),
        stdin_executes: false,
    }
}

/// A program that executes its standard input does something that nobody has classified, unless
/// there is no input.
fn assess(classification: &Classification, stdin: Stdin) -> (RiskTier, bool) {
    let unseen = classification.stdin_executes && stdin != Stdin::None;
    let classified = classification.classified && classification.refused.is_none() && !unseen;
    let floor = if classified { RiskTier::Low } else { RiskTier::High };
    (classification.tier.max(floor), classified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_executed_unseen_is_not_classified() {
        let low = Classification { tier: RiskTier::Low, classified: true, refused: None, ..refusal("none") };
        let reads = Classification { stdin_executes: true, ..low.clone() };
        let digest = cascade_receipt::digest::Digest([0; 32]);
        for stdin in [Stdin::Terminal, Stdin::Stream, Stdin::Captured(digest)] {
            assert_eq!(assess(&low, stdin), (RiskTier::Low, true));
            assert_eq!(assess(&reads, stdin), (RiskTier::High, false));
        }
        assert_eq!(assess(&reads, Stdin::None), (RiskTier::Low, true));
    }
}
