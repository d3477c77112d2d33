//! Why the gates answered as they did, in words for people and as members of documents.

use cascade_receipt::decision::{GateName, GateOutcome, Reason, Verdict};
use cascade_receipt::json::Value;

use crate::decide::Ruling;

/// The member `limits` of `run`, `shell-check` and `show`.
#[must_use]
pub fn limits(ruling: &Ruling) -> Value {
    Value::Array(ruling.limits.iter().map(|text| text.as_str().into()).collect())
}

/// Reasons without a gate, as codes with their meaning.
#[must_use]
pub fn codes(reasons: &[Reason]) -> Value {
    let item = |reason: &Reason| {
        Value::object([("code", reason.code.as_str().into()), ("text", code_text(&reason.code).into())])
    };
    Value::Array(reasons.iter().map(item).collect())
}

/// The member `reasons` of `run` and `shell-check`.
#[must_use]
pub fn document(ruling: &Ruling) -> Value {
    let item = |(gate, reason): (GateName, &Reason)| {
        let mut members = std::collections::BTreeMap::new();
        members.insert("code".to_owned(), reason.code.as_str().into());
        members.insert("gate".to_owned(), gate.as_str().into());
        members.insert("text".to_owned(), code_text(&reason.code).into());
        if let Some(policy_id) = &reason.policy_id {
            members.insert("policy_id".to_owned(), policy_id.as_str().into());
        }
        Value::Object(members)
    };
    Value::Array(ruling.decision.reasons().map(item).collect())
}

/// One line per reason that decided: what the code means, then who said so. Where something denies, what
/// would merely escalate is left to `show`.
#[must_use]
pub fn texts(ruling: &Ruling) -> Vec<String> {
    let decisive = |gate: GateName| {
        let outcome = ruling.decision.gates.iter().find(|one| one.gate == gate).map(|one| one.outcome);
        ruling.decision.verdict != Verdict::Deny || outcome == Some(GateOutcome::Deny)
    };
    let line = |(gate, reason): (GateName, &Reason)| {
        let by = reason.policy_id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        format!("{gate}: {}{by}", code_text(&reason.code))
    };
    ruling.decision.reasons().filter(|(gate, _)| decisive(*gate)).map(line).collect()
}

/// What a code means; a code that is not in the table stands for itself.
#[must_use]
pub fn code_text(code: &str) -> &str {
    WORDS.iter().find(|(known, _)| *known == code).map_or(code, |(_, text)| text)
}

const WORDS: &[(&str, &str)] = &[
    ("approval.agent", "an agent cannot answer for people"),
    ("approval.beneath_run", "people answer from outside a governed run"),
    ("approval.changed_action", "the action is no longer the one that was approved"),
    ("approval.changed_file", "a file is not the one that was approved"),
    ("approval.changed_words", "the words of the task mean another command now"),
    ("approval.break_glass", "nobody approved it; the glass was broken"),
    ("approval.debtor", "whoever owes a review approves nothing that is held for it"),
    ("approval.denied", "somebody denied it"),
    ("approval.erased", "the action is erased"),
    ("approval.duplicate", "the same person's second approval does not count"),
    ("approval.expired", "the time to approve or to use the approval has run out"),
    ("approval.granted", "as many people as needed have approved"),
    ("approval.group", "an approval is not from a group that may give it"),
    ("approval.ineligible", "an approval is from somebody who may not give it"),
    (
        "approval.hidden_ancestry",
        "the processes above this one are hidden, so nobody knows whether it is a person's",
    ),
    ("approval.missing", "nobody has approved it yet"),
    ("approval.not_eligible", "you are not among those who may answer this"),
    ("approval.other_action", "an approval is for another action"),
    ("approval.repeated", "you have answered already"),
    ("approval.requester", "whoever asks cannot approve"),
    ("approval.stays_denied", "it is denied whoever approves it: a policy would have to change first"),
    ("approval.signature", "the signature does not verify"),
    ("approval.too_few", "more people must approve"),
    ("approval.unsigned", "an approval without a signature does not count here"),
    ("approval.used", "the approval is used up"),
    ("authority.assume", "acting as somebody else needs a grant"),
    ("authority.break_glass", "the authority to do it alone is missing, and the glass was broken"),
    ("authority.delegator", "the person behind the agent is not admitted to the chain"),
    ("authority.grant_broken", "the grant was not given by somebody who could give it"),
    ("authority.grant_expired", "the grant has run out"),
    ("authority.granted", "a grant covers it"),
    ("authority.grant_resource", "there is a grant for the command, but not for what it acts on"),
    ("authority.grant_tier", "the grant does not reach this tier"),
    ("authority.not_held", "nothing that is held can be handed on like this"),
    ("authority.not_yours", "only whose it is or an administrator takes it back"),
    ("authority.no_delegator", "an agent needs a person behind it"),
    ("authority.no_grant", "this needs a grant"),
    ("authority.review_overdue", "you broke the glass, and nobody has reviewed it in time"),
    ("budget.break_glass", "the budget is used up, and the glass was broken"),
    ("budget.exhausted", "the budget is used up"),
    ("budget.no_subject", "a budget counts by subject, and the action names none"),
    ("budget.no_zone", "a budget counts days in a zone that is not known"),
    ("budget.unread", "the counter of a budget was not read"),
    ("cron.absent", "no scheduler looked in time"),
    ("cron.overlap", "what it ran before was not over"),
    ("grade.below", "its answer is below the grade of the layer"),
    ("memory.expired", "what was remembered has expired"),
    ("memory.forgotten", "what was remembered is forgotten"),
    ("memory.other_key", "what was remembered is an answer to something else"),
    ("memory.others", "what is remembered is somebody else's, and not verified"),
    (
        "memory.quarantined",
        "others of the same layer were wrong too often; `cascade memory stats` tells more",
    ),
    ("memory.released", "a person lifted the quarantine"),
    ("memory.revoked", "somebody revoked it"),
    ("memory.shadow_differs", "its layer, asked again, gave a program that does something else"),
    ("memory.spoiled", "the bytes remembered are not those of their receipt"),
    ("memory.unknown", "it was not asked before"),
    ("memory.verifier_failed", "what was remembered did not pass its tests any more"),
    ("layer.asks", "it has to know more first"),
    ("layer.nothing", "it proposed nothing"),
    ("cli.ambiguous", "more than one command could be meant"),
    ("cli.failed", "the command did not end well"),
    ("cli.no_intent", "no worker has a command for these words"),
    ("cli.not_admitted", "the command was not admitted"),
    ("client.gone", "whoever asked left before the end"),
    ("model.cancelled", "the question was cancelled"),
    ("model.cut", "the model's answer was cut off"),
    ("model.empty", "the model said nothing"),
    ("model.failed", "the model's provider failed"),
    ("model.garbage", "what the model sent is no answer"),
    ("model.invented_tool", "the model wants a tool that there is not"),
    ("model.key", "the key for the model is missing or not accepted"),
    ("model.local", "the model could not be asked from here"),
    ("model.no_code", "the model's answer holds no code"),
    ("model.none", "no model is configured"),
    ("model.unchosen", "several models are configured, and none is chosen"),
    ("model.not_admitted", "asking the model was not admitted"),
    ("model.prompt_too_long", "the question is too long for the model"),
    ("model.rate_limited", "the model's provider wants fewer questions"),
    ("model.redirected", "the model's endpoint leads elsewhere"),
    ("model.refused", "the model refused to answer"),
    ("model.rejected", "the model's provider rejects the question"),
    ("model.rounds", "the model wanted tools called to the end"),
    ("model.timed_out", "the model was not done in time"),
    ("model.too_long", "the model's answer is too long"),
    ("model.tools", "the tools cannot be offered to the model"),
    ("model.unreachable", "the model cannot be reached"),
    ("retrieval.nothing", "no known function has these types"),
    ("route.acted", "it was done by an action with receipts of its own"),
    ("route.unanswered", "no layer had an answer"),
    ("run.answered", "its exit code is an answer"),
    ("search.nothing", "no program was found that reproduces the examples"),
    ("smoke.crashed", "the answer ended what ran it"),
    ("smoke.examples", "the answer does not reproduce the examples"),
    ("smoke.failed", "the answer could not be run"),
    ("smoke.memory", "the answer takes too much memory"),
    ("smoke.output", "the answer prints too much"),
    ("smoke.refused", "the answer may not do what it does"),
    ("smoke.syntax", "the answer is no program"),
    ("smoke.tests", "the answer fails your tests"),
    ("smoke.timed_out", "the answer takes too long"),
    ("smoke.unavailable", "nothing on this machine can run the answer"),
    ("spec.unread", "there is no signature with examples to go by"),
    ("template.no_chain", "no template reproduces the examples"),
    ("template.not_covered", "something in the specification is not covered by a template"),
    ("template.overlap", "what fits has too little of the task's words"),
    ("template.too_large", "the specification is too large"),
    ("template.unreadable", "the specification cannot be read"),
    ("task.contradiction", "two examples contradict each other"),
    ("failfast.break_glass", "it is stopped for everyone, and the glass was broken"),
    ("failfast.break_glass_not_a_person", "only people break the glass, under their own name"),
    ("failfast.break_glass_not_eligible", "you are in none of the groups that may break the glass"),
    ("failfast.break_glass_other_action", "the action is no longer the one that the glass was broken for"),
    ("failfast.break_glass_review_overdue", "a review is overdue, and until then nobody breaks the glass"),
    ("failfast.break_glass_undefined", "the policy lets nobody break the glass"),
    ("failfast.break_glass_unreviewed", "too many broken glasses wait for their review"),
    ("failfast.critical", "critical actions are stopped for everyone"),
    ("failfast.forbid", "a policy stops it for everyone"),
    ("failfast.pattern", "matches a destructive pattern"),
    ("identity.marker", "a mark in the environment can only name an agent"),
    ("identity.revoked", "this principal was removed, or what it showed does not count any more"),
    ("identity.unsigned", "nobody signed it with the key of whoever it is said to be"),
    ("identity.unauthenticated", "this user was never admitted to the chain"),
    ("policy.approved", "a policy forbids it, and the approvals lift that"),
    ("policy.break_glass", "a policy forbids it until somebody approves, and the glass was broken"),
    ("policy.escalate", "a policy forbids it until somebody approves"),
    ("policy.evaluation_error", "a policy could not be evaluated, which denies"),
    ("policy.forbid", "a policy forbids it"),
    ("policy.no_command", "no command could be read from it"),
    ("policy.no_permit", "no policy permits it"),
    ("policy.permit", "a policy permits it"),
    ("policy.request", "the policies could not be asked about it"),
    ("revoked.approval", "the approval that it ran on does not suffice any more"),
    ("revoked.authority", "the authority that it ran on is gone"),
    ("revoked.budget", "a budget was used up while it ran"),
    ("revoked.credential", "a credential that it was handed was removed, or is not for it any more"),
    (
        "revoked.failfast",
        "it is stopped for everyone now, or the glass that was broken for it does not hold any more",
    ),
    ("revoked.halted", "the tenant was halted"),
    ("revoked.identity", "whoever asked for it was removed, or the token that was shown ended"),
    ("revoked.policy", "a policy that is in force now forbids it, or none permits it"),
    ("revoked.risk", "it ranks above what may run without approval now"),
    ("revoked.specification", "its specification does not hold any more"),
    ("revoked.standing", "the tenant may not act any more"),
    ("revoked.suspended", "the tenant was suspended"),
    ("revoked.unreadable", "the ledger could not be read, so nobody could say that it may go on"),
    ("revoked.unsettled", "policy or approvals kept changing while it ran"),
    ("revoked.window", "its time window has closed"),
    ("risk.above_threshold", "above what this principal may do without approval"),
    ("review.done", "it is reviewed already"),
    ("review.own", "nobody reviews what they did themselves"),
    ("risk.approved", "above what this principal may do, and approved"),
    ("risk.break_glass", "above what this principal may do, and the glass was broken"),
    ("risk.limit", "longer or deeper than a command may be, or no text"),
    ("risk.unclassified", "it could not be classified"),
    ("attempts", "as many attempts were made as the spec allows"),
    ("cancelled", "somebody ended the run"),
    ("compensation.failed", "a step could not be undone"),
    ("compensation.unknown", "nobody knows whether a step was undone"),
    ("cost", "the spec's budget of money is spent"),
    ("duration", "the run has taken as long as the spec allows"),
    ("outputs", "what the spec promises has no value"),
    ("step.failed", "a step failed"),
    ("step.kind", "this version does not run steps of this kind"),
    ("step.refused", "the gates refused a step"),
    ("tokens", "the spec's budget of tokens is spent"),
    ("specification.approval", "the workflow asks people before it goes on"),
    ("specification.approved", "the workflow asked people, and they approved"),
    ("specification.break_glass", "the workflow would have asked people, and the glass was broken"),
    ("specification.closed", "the workflow has ended"),
    ("specification.starter", "the specification names who may start it, and this is nobody of them"),
    ("specification.missing", "a workflow does nothing without its specification"),
    ("specification.no_step", "the specification has no such step"),
    ("specification.pack", "a pack that the specification requires is not active"),
    ("specification.terms", "the specification asks more groups than a receipt can name"),
    ("specification.tier", "above the highest tier that the specification allows"),
    ("specification.unpinned", "the specification is not the one that the workflow was started with"),
    ("specification.unsigned", "nobody has signed the specification"),
    ("specification.untrusted", "nobody whom the policy trusts has signed the specification"),
    ("specification.worker", "a program would run that the specification does not allow"),
    ("standing.chain", "the chain on disk is damaged"),
    ("standing.halted", "the tenant is halted"),
    ("standing.inactive", "the tenant is suspended"),
    ("standing.pack_missing", "a pack that the tenant's regime needs is not loaded"),
    ("window.approved", "a policy forbids it at this time, and the approvals lift that"),
    ("window.break_glass", "outside its time, and the glass was broken"),
    ("window.closed", "outside the hours when this may happen"),
    ("window.escalate", "a policy forbids it at this time until somebody approves"),
    ("window.forbid", "a policy forbids it at this time"),
    ("window.freeze", "changes are frozen now"),
    ("window.malformed", "a time window could not be read"),
    ("window.no_consent", "the subject has given no consent to this"),
    ("window.no_subject", "a rule is about subjects, and the action names none"),
    ("window.no_zone", "the subject's zone is not known"),
    ("window.quiet", "too soon after a conversation with the subject"),
    ("mcp.client_gone", "the client went before the answer came"),
    ("mcp.name_taken", "a tool of this name would pass for a request of the protocol"),
    ("mcp.no_answer", "what the server sent is no answer to the request"),
    ("mcp.not_kept", "the list of servers could not be written"),
    ("mcp.not_started", "the server could not be started"),
    ("mcp.refused_by_client", "the client answered with an error"),
    ("mcp.refused_by_server", "the server answered with an error"),
    ("mcp.revoked", "it was not admitted any more before the answer came"),
    ("mcp.server_died", "a signal ended the server"),
    ("mcp.server_ended", "the server did not end by itself when its input was closed, and was ended"),
    ("mcp.server_floods", "the server sent a line that is longer than any message"),
    ("mcp.server_gone", "the server went before it answered"),
    ("mcp.server_revoked", "the server may not run any more and was ended"),
    ("mcp.timeout", "the server did not answer in time"),
    ("mcp.tool_failed", "the tool says that it failed"),
    ("mcp.unreachable", "the server could not be reached"),
    ("token.leaked", "somebody else may have the token"),
    ("token.unneeded", "the token is no longer needed"),
    ("tenant.deleted", "the tenant was deleted, and nobody could report its outcome any more"),
    ("lease.expired", "its outcome did not come in time"),
    ("agent.failed", "the agent says that it failed"),
    ("agent.interrupted", "somebody interrupted it"),
    ("agent.not_admitted", "it was performed, and nobody was asked before"),
    ("agent.other_input", "what was performed is not what was admitted"),
    ("agent.refused", "it was performed, and it had been refused or was waiting for people"),
    ("agent.told_late", "its outcome came after it was closed as unknown"),
    ("agent.told_otherwise", "the call has another outcome on record"),
    ("tool.changed", "the tool is not what it was when it was pinned"),
    ("tool.gone", "the tool was pinned, and its server says nothing of it any more"),
    ("tool.not_pinned", "the tool is not pinned: nobody has said that it may be what it is"),
];
