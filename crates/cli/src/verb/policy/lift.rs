//! What would have to be different for an action to be admitted, in words.

use cascade_policy::decide::Ruling;
use cascade_receipt::decision::{GateOutcome, Reason, Verdict};

/// One sentence for each thing that stands in the way; none for what was admitted.
pub(super) fn sentences(ruling: &Ruling, id: &str) -> Vec<String> {
    let verdict = ruling.decision.verdict;
    let wanted = match verdict {
        Verdict::Admit => return Vec::new(),
        Verdict::Escalate => GateOutcome::Escalate,
        Verdict::Deny => GateOutcome::Deny,
    };
    let gates = ruling.decision.gates.iter().filter(|gate| gate.outcome == wanted);
    let mut all: Vec<String> = Vec::new();
    for sentence in gates.flat_map(|gate| &gate.reasons).filter_map(sentence) {
        if !all.contains(&sentence) {
            all.push(sentence);
        }
    }
    if let Some(terms) = &ruling.escalation {
        let people =
            if terms.required == 1 { "one person".to_owned() } else { format!("{} people", terms.required) };
        all.insert(0, format!("approval by {people} of {}: `cascade approve {id}`", terms.groups.join(", ")));
    }
    if verdict == Verdict::Deny && all.len() > 1 {
        all.insert(0, "all of these:".to_owned());
    }
    all
}

/// `None` for reasons that an approval answers, as the first sentence says it.
fn sentence(reason: &Reason) -> Option<String> {
    let id = reason.policy_id.as_deref().unwrap_or_default();
    Some(match reason.code.as_str() {
        "standing.halted" => "the end of the halt: `cascade resume --reason TEXT`".to_owned(),
        "standing.inactive" => {
            "the end of the suspension: `cascade tenant resume ID --reason TEXT`".to_owned()
        }
        "standing.chain" => "a chain that is whole on the disk: `cascade fsck` says what is not".to_owned(),
        "standing.pack_missing" => format!("a policy that holds the pack `{id}`"),
        "identity.unauthenticated" | "identity.marker" | "identity.revoked" => {
            "a principal that the chain knows and that is authenticated".to_owned()
        }
        "authority.no_delegator" | "authority.delegator" => {
            "a person of the chain behind the agent".to_owned()
        }
        "authority.assume" | "authority.no_grant" | "authority.grant_expired" | "authority.grant_broken" => {
            "a grant in force that covers it".to_owned()
        }
        "specification.unsigned"
        | "specification.untrusted"
        | "specification.unpinned"
        | "specification.no_step"
        | "specification.missing" => {
            "a specification with this step, as its run was started, signed by one of [specs] authors"
                .to_owned()
        }
        "specification.closed" => "a new run of the workflow".to_owned(),
        "specification.tier" | "specification.worker" => {
            "a step within the constraints of its specification, or one signed with wider ones".to_owned()
        }
        "specification.pack" => format!("the pack `{id}`: `cascade pack activate {id}`"),
        "specification.terms" => "an approval point that asks fewer groups".to_owned(),
        "policy.no_permit" => "a permit that covers each of its commands".to_owned(),
        "policy.no_command" => "a command that can be taken apart".to_owned(),
        "policy.evaluation_error" => format!("a policy `{id}` that can be evaluated"),
        "policy.request" => "facts that do not contradict each other".to_owned(),
        "failfast.critical" | "failfast.pattern" => {
            "nothing lifts it: use a command that can be undone".to_owned()
        }
        "failfast.forbid" => format!("nothing lifts it while the policy `{id}` stands"),
        "risk.limit" => "a shorter or simpler command".to_owned(),
        "approval.denied" => "a new request: somebody denied this one".to_owned(),
        "budget.exhausted" => format!("the next period of the budget `{id}`, or a larger one"),
        "window.freeze" => "the end of the freeze".to_owned(),
        "window.closed" => "an opening window".to_owned(),
        "window.malformed" => "a window that ends after it begins".to_owned(),
        code if code.ends_with(".forbid") => {
            format!("a policy without `{id}`, or with another condition or @escalate on it")
        }
        _ => return None,
    })
}
