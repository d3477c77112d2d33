//! What each kind adds (format sections 2 and 2.1).

use alloc::string::String;
use alloc::vec::Vec;

use crate::content::{
    Admin, ChangeWord, CronOutcome, GROUPS_MAX, PolicyRef, Ref, Rel, SecretChanged, Signature, StepAt,
    StepCounts, StepRole, TenantChange,
};
use crate::decision::{GateName, GateOutcome, RiskTier, Verdict};
use crate::kind::Kind;
use crate::reader::fields::{self, Fields, missing};
use crate::reader::{Action, ContentFault, EffectStatus, Meaning};
use crate::reader::{keys, people};
use crate::tree::View;

/// What the members say that any kind may carry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Common {
    /// The verdict that stands there and the one that follows from the ten gates.
    decided: Option<(Verdict, Verdict)>,
    runtime: bool,
    /// `layer_hit` is that of memory.
    pub(super) from_memory: bool,
}

/// Checks the named members that any kind may carry, in one pass: most receipts have few of them.
pub(super) fn common(fields: &Fields<'_, '_>) -> Result<Common, ContentFault> {
    let mut common = Common::default();
    for (key, value) in fields.view().members().into_iter().flatten() {
        let fits = match key {
            "duration_us" | "tokens_in" | "tokens_out" | "cost_microusd" | "exit_code" | "signal" => {
                value.uint().is_some()
            }
            "output_hash" | "action_hash" | "facts_hash" => fields::digest(value).is_some(),
            "principal" | "on_behalf_of" => fields::principal(value).is_some(),
            "task_type" => value.text().is_some(),
            "layer_hit" => {
                common.from_memory = value.plain() == Some("L6");
                value.plain().is_some_and(is_layer)
            }
            "risk_tier" => value.plain().and_then(RiskTier::parse).is_some(),
            "classified" | "truncated" => value.bool().is_some(),
            "effect_status" => value.plain().and_then(EffectStatus::parse).is_some(),
            "evidence" => matches!(value.plain(), Some("proposed" | "checked" | "verified")),
            "reasons" => reasons(value).is_some(),
            "draws" => draws(value).is_some(),
            "decision" => {
                common.decided = Some(decision(&Fields::of(value, "decision")?)?);
                true
            }
            "runtime" => {
                common.runtime = true;
                runtime(&Fields::of(value, "runtime")?)?;
                true
            }
            _ => true,
        };
        if !fits {
            return Err(missing(COMMON.into_iter().find(|name| *name == key).unwrap_or("content")));
        }
    }
    Ok(common)
}

/// Names for faults of [`common`].
const COMMON: [&str; 19] = [
    "duration_us",
    "tokens_in",
    "tokens_out",
    "cost_microusd",
    "exit_code",
    "signal",
    "output_hash",
    "action_hash",
    "facts_hash",
    "principal",
    "on_behalf_of",
    "task_type",
    "layer_hit",
    "risk_tier",
    "classified",
    "truncated",
    "effect_status",
    "evidence",
    "draws",
];

/// Reads what `kind` means.
pub(super) fn meaning(
    kind: Kind,
    fields: &Fields<'_, '_>,
    common: Common,
    refs: &[Ref],
) -> Result<Meaning, ContentFault> {
    Ok(match kind {
        Kind::Genesis => genesis(fields)?,
        Kind::DryRun => Meaning::DryRun(action(fields, common)?),
        Kind::Blocked => Meaning::Blocked(action(fields, common)?),
        Kind::TaskStarted => Meaning::Started(action(fields, common)?),
        Kind::ChainStarted => {
            fields.req("spec_hash", fields::digest)?;
            Meaning::ChainStarted(action(fields, common)?)
        }
        Kind::ChainCompleted | Kind::ChainAborted => chain_closed(kind, fields)?,
        Kind::ScheduleChanged => schedule_changed(fields, common)?,
        Kind::CronInvocation => invocation(fields)?,
        Kind::Escalation => escalation(fields, common)?,
        Kind::Approval | Kind::Denial => answer(kind, fields)?,
        Kind::ApprovalRefused => {
            fields.req("principal", fields::principal)?;
            fields.req("reasons", reasons)?;
            Meaning::Other
        }
        Kind::BreakGlass if fields.has("review_due") => {
            fields.req("statement_id", fields::statement_id)?;
            Meaning::GlassBroken {
                action: action(fields, common)?,
                groups: fields.req("groups", groups)?,
                review_due: fields.req("review_due", fields::timestamp)?,
            }
        }
        Kind::Review => {
            fields.req("justified", View::bool)?;
            fields.opt("reason_hash", fields::digest)?;
            fields.req("statement_id", fields::statement_id)?;
            Meaning::Reviewed(fields.req("principal", fields::principal)?)
        }
        Kind::ApprovalExpired => Meaning::Expired,
        Kind::Heartbeat => Meaning::Heartbeat {
            segment: fields.req("segment", View::uint)?,
            bytes: fields.req("bytes", View::uint)?,
            running_hash: fields.req("running_hash", fields::digest)?,
        },
        Kind::TaskCompleted if refs.iter().all(|one| one.rel != Rel::Intent) && common.decided.is_some() => {
            Meaning::Pure(action(fields, common)?)
        }
        Kind::TaskCompleted | Kind::TaskFailed | Kind::TaskRevoked | Kind::TaskUnknown => closing(fields)?,
        Kind::KeyAdded => keys::added(fields, false)?,
        Kind::KeyRotated => keys::added(fields, true)?,
        Kind::KeyRevoked => keys::revoked(fields)?,
        Kind::ToolPinned => tool_pinned(fields, refs)?,
        other => governance(other, fields)?,
    })
}

fn governance(kind: Kind, fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    Ok(match kind {
        Kind::ClockCorrected => Meaning::ClockCorrected {
            from: fields.req("from", fields::timestamp)?,
            to: fields.req("to", fields::timestamp)?,
            recovery_sig: fields.req("recovery_sig", fields::signature)?,
        },
        Kind::Anchor => Meaning::Anchor {
            tst_sha256: fields.opt("tst_sha256", fields::digest)?,
            checkpoint: fields.req("checkpoint", text)?,
            checkpoint_sha256: fields.req("checkpoint_sha256", fields::digest)?,
        },
        Kind::Erasure => Meaning::Erasure(fields.req("erased", |view| list(view, erased))?),
        Kind::Recovery => {
            fields.req("dropped_bytes", View::uint)?;
            fields.req("dropped_sha256", fields::digest)?;
            fields.req("orphans", View::uint)?;
            Meaning::Other
        }
        Kind::PrincipalAdded => Meaning::PrincipalAdded {
            principal: fields.req("principal", fields::principal)?,
            ssh_key: fields.req("ssh_key", text)?,
            groups: fields.req("groups", groups)?,
        },
        Kind::PrincipalRemoved => Meaning::PrincipalRemoved(fields.req("principal", fields::principal)?),
        Kind::Grant => Meaning::Granted(people::given(fields)?),
        Kind::GrantRevoked => people::revoked(fields)?,
        Kind::PolicyActivated => policy_activated(fields)?,
        Kind::PackActivated => pack_activated(fields)?,
        Kind::Halted => {
            stopped(fields)?;
            Meaning::Halted
        }
        Kind::Resumed => {
            stopped(fields)?;
            fields.req("statement_id", fields::statement_id)?;
            Meaning::Resumed
        }
        Kind::SecretChanged => secret_changed(fields)?,
        Kind::TenantChanged => tenant_changed(fields)?,
        Kind::TokenIssued => people::token_issued(fields)?,
        Kind::TokenRevoked => people::token_revoked(fields)?,
        _ => Meaning::Other,
    })
}

fn genesis(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    let keys = fields.object("keys")?;
    let key = |purpose| keys::raw_key(&keys.object(purpose)?);
    Ok(Meaning::Genesis {
        receipt: key("receipt")?,
        log: key("log")?,
        recovery: key("recovery")?,
        admins: fields.req("admins", |view| list(view, admin))?,
    })
}

fn admin(view: View<'_, '_>) -> Option<Admin> {
    Some(Admin {
        principal: fields::principal(view.member("principal")?)?,
        ssh_key: text(view.member("ssh_key")?)?,
    })
}

fn action(fields: &Fields<'_, '_>, common: Common) -> Result<Action, ContentFault> {
    fields.req("task_type", Some)?;
    let (verdict, from_gates) = common.decided.ok_or_else(|| missing("decision"))?;
    if !common.runtime {
        return Err(missing("runtime"));
    }
    Ok(Action {
        principal: fields.req("principal", fields::principal)?,
        on_behalf_of: fields.opt("on_behalf_of", fields::principal)?,
        action_hash: fields.req("action_hash", fields::digest)?,
        facts_hash: fields.req("facts_hash", fields::digest)?,
        risk_tier: fields.req("risk_tier", |view| RiskTier::parse(view.plain()?))?,
        classified: fields.opt("classified", View::bool)?.unwrap_or(true),
        verdict,
        from_gates,
    })
}

fn escalation(fields: &Fields<'_, '_>, common: Common) -> Result<Meaning, ContentFault> {
    Ok(Meaning::Escalation {
        action: action(fields, common)?,
        required: fields.req("required", |view| view.uint().filter(|number| *number > 0))?,
        groups: fields.req("groups", groups)?,
        expires: fields.req("expires", fields::timestamp)?,
        signature_required: fields.req("signature_required", View::bool)?,
    })
}

fn answer(kind: Kind, fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    Ok(Meaning::Answer {
        approve: kind == Kind::Approval,
        principal: fields.req("principal", fields::principal)?,
        action_hash: fields.req("action_hash", fields::digest)?,
        expires: fields.req("expires", fields::timestamp)?,
    })
}

fn chain_closed(kind: Kind, fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    fields.req("spec_hash", fields::digest)?;
    let steps = fields.object("steps")?;
    Ok(Meaning::ChainClosed {
        completed: kind == Kind::ChainCompleted,
        principal: fields.req("principal", fields::principal)?,
        steps: StepCounts {
            completed: steps.req("completed", View::uint)?,
            failed: steps.req("failed", View::uint)?,
            skipped: steps.req("skipped", View::uint)?,
            unknown: steps.req("unknown", View::uint)?,
        },
    })
}

fn schedule_changed(fields: &Fields<'_, '_>, common: Common) -> Result<Meaning, ContentFault> {
    let change = fields.req("change", |view| ChangeWord::parse(view.plain()?))?;
    if change == ChangeWord::Added {
        fields.req("schedule", fields::statement_id)?;
        fields.req("schedule_hash", fields::digest)?;
    }
    Ok(Meaning::ScheduleChanged { action: action(fields, common)?, change })
}

/// Only what runs may have no time at which it was due: somebody wanted it at once.
fn invocation(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    let outcome =
        fields.req("outcome", |view| view.plain().filter(|word| CronOutcome::WORDS.contains(word)))?;
    fields.req("principal", fields::principal)?;
    let runs = outcome == "run";
    let due = if runs {
        fields.opt("due", fields::timestamp)?
    } else {
        Some(fields.req("due", fields::timestamp)?)
    };
    let until = if outcome == "miss" {
        fields.req("count", |view| view.uint().filter(|number| *number > 0))?;
        Some(fields.req("until", fields::timestamp)?)
    } else {
        None
    };
    Ok(Meaning::CronInvocation { runs, due, until })
}

/// `{at, attempt, item, role?}`; tries are counted from 1.
pub(super) fn step(view: View<'_, '_>) -> Option<StepAt> {
    Some(StepAt {
        at: view.member("at")?.uint()?,
        item: view.member("item")?.uint()?,
        attempt: view.member("attempt")?.uint().filter(|attempt| *attempt > 0)?,
        role: match view.member("role") {
            Some(role) => Some(StepRole::parse(role.plain()?)?),
            None => None,
        },
    })
}

fn closing(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    Ok(Meaning::Closing {
        effect_status: fields.opt("effect_status", |view| EffectStatus::parse(view.plain()?))?,
        exit_code: fields.opt("exit_code", View::uint)?,
        signal: fields.opt("signal", View::uint)?,
        output_hash: fields.opt("output_hash", fields::digest)?,
        truncated: fields.opt("truncated", View::bool)?.unwrap_or(false),
    })
}

fn policy_activated(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    let activates = fields.object("activates")?;
    fields.req("statement_id", fields::statement_id)?;
    Ok(Meaning::PolicyActivated {
        activates: PolicyRef {
            version: activates.req("policy_version", text)?,
            hash: activates.req("policy_hash", fields::digest)?,
        },
        principal: fields.req("principal", fields::principal)?,
    })
}

/// A policy is activated by it as well: the one with the pack, or without it.
fn pack_activated(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    let pack = fields.object("pack")?;
    pack.req("active", View::bool)?;
    pack.req("hash", fields::digest)?;
    pack.req("name", text)?;
    policy_activated(fields)
}

fn secret_changed(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    let words = [SecretChanged::SET, SecretChanged::REMOVED];
    fields.req("change", |view| view.plain().filter(|word| words.contains(word)))?;
    fields.req("principal", fields::principal)?;
    fields.req("secret", fields::statement_id)?;
    fields.req("secret_hash", fields::digest)?;
    fields.req("statement_id", fields::statement_id)?;
    Ok(Meaning::SecretChanged)
}

fn tool_pinned(fields: &Fields<'_, '_>, refs: &[Ref]) -> Result<Meaning, ContentFault> {
    fields.req("definition_hash", fields::digest)?;
    fields.req("server", text)?;
    fields.req("statement_id", fields::statement_id)?;
    fields.req("tool", text)?;
    Ok(Meaning::ToolPinned {
        principal: fields.req("principal", fields::principal)?,
        supersedes: refs.iter().any(|one| one.rel == Rel::Supersedes),
    })
}

/// Where it is about another chain, it says where that one ended.
fn tenant_changed(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    stopped(fields)?;
    fields.req("statement_id", fields::statement_id)?;
    fields.opt("private_items", View::uint)?;
    fields.opt("tenant_hash", fields::digest)?;
    let of = if fields.has("of") {
        let ended = fields.object("of")?;
        ended.req("head", fields::digest)?;
        ended.req("root", fields::digest)?;
        ended.req("size", View::uint)?;
        Some(ended.req("log_origin", keys::origin)?)
    } else {
        None
    };
    Ok(Meaning::TenantChanged {
        change: fields.req("change", |view| TenantChange::parse(view.plain()?))?,
        of,
    })
}

/// What `halted` and `resumed` have in common.
fn stopped(fields: &Fields<'_, '_>) -> Result<(), ContentFault> {
    fields.req("principal", fields::principal)?;
    fields.opt("reason_hash", fields::digest).map(|_| ())
}

/// The verdict that stands there and the one that follows from the ten gates.
fn decision(decision: &Fields<'_, '_>) -> Result<(Verdict, Verdict), ContentFault> {
    let verdict = decision.req("verdict", |view| Verdict::parse(view.plain()?))?;
    let gates = decision.req("gates", View::items)?;
    let mut names = GateName::ALL.iter();
    let mut from_gates = Verdict::Admit;
    for view in gates {
        let gate = Fields::of(view, "gates")?;
        let name = gate.req("gate", |view| GateName::parse(view.plain()?))?;
        if names.next() != Some(&name) {
            return Err(missing("gates"));
        }
        from_gates = from_gates.max(match gate.req("outcome", |view| GateOutcome::parse(view.plain()?))? {
            GateOutcome::Pass | GateOutcome::NotApplicable => Verdict::Admit,
            GateOutcome::Escalate => Verdict::Escalate,
            GateOutcome::Deny => Verdict::Deny,
        });
        gate.req("reasons", reasons)?;
    }
    if names.next().is_some() { Err(missing("gates")) } else { Ok((verdict, from_gates)) }
}

/// `[{code, policy_id?, control?}]`.
fn reasons(view: View<'_, '_>) -> Option<()> {
    for item in view.items()? {
        item.member("code")?.text()?;
        for key in ["policy_id", "control"] {
            if let Some(value) = item.member(key) {
                value.text()?;
            }
        }
    }
    Some(())
}

/// `[{budget, actions, of?, tokens?, microusd?}]`.
fn draws(view: View<'_, '_>) -> Option<()> {
    for item in view.items()? {
        item.member("budget")?.text()?;
        item.member("actions")?.uint()?;
        if let Some(of) = item.member("of") {
            fields::principal(of)?;
        }
        for key in ["tokens", "microusd"] {
            if let Some(value) = item.member(key) {
                value.uint()?;
            }
        }
    }
    Some(())
}

fn runtime(runtime: &Fields<'_, '_>) -> Result<(), ContentFault> {
    runtime.req("node", View::text)?;
    runtime.req("version", View::text)?;
    runtime.req("binary_sha256", fields::digest).map(|_| ())
}

pub(super) fn refs(fields: &Fields<'_, '_>) -> Result<Vec<Ref>, ContentFault> {
    let read = |view: View<'_, '_>| {
        Some(Ref {
            rel: Rel::parse(view.member("rel")?.plain()?)?,
            receipt_id: fields::receipt_id(view.member("receipt_id")?)?,
            entry_hash: fields::digest(view.member("entry_hash")?)?,
        })
    };
    Ok(fields.opt("refs", |view| list(view, read))?.unwrap_or_default())
}

pub(super) fn signatures(fields: &Fields<'_, '_>) -> Result<Vec<Signature>, ContentFault> {
    let read = |view: View<'_, '_>| {
        Some(Signature {
            principal: fields::principal(view.member("principal")?)?,
            sshsig: text(view.member("sshsig")?)?,
        })
    };
    Ok(fields.opt("signatures", |view| list(view, read))?.unwrap_or_default())
}

fn erased(view: View<'_, '_>) -> Option<crate::id::ReceiptId> {
    texts(view.member("fields")?)?;
    fields::receipt_id(view.member("receipt_id")?)
}

fn list<'t, 'a: 't, T>(view: View<'t, 'a>, read: impl Fn(View<'t, 'a>) -> Option<T>) -> Option<Vec<T>> {
    view.items()?.map(read).collect()
}

pub(super) fn text(view: View<'_, '_>) -> Option<String> {
    view.text().map(alloc::borrow::Cow::into_owned)
}

pub(super) fn texts(view: View<'_, '_>) -> Option<Vec<String>> {
    list(view, text)
}

/// Each answer to an escalation compares the approver's groups with those that it names.
pub(super) fn groups(view: View<'_, '_>) -> Option<Vec<String>> {
    texts(view).filter(|groups| groups.len() <= GROUPS_MAX)
}

/// "L1" … "L7", "L6.5", "ext:<name>".
fn is_layer(text: &str) -> bool {
    let own = matches!(text, "L1" | "L2" | "L3" | "L4" | "L5" | "L6" | "L6.5" | "L7");
    own || text.strip_prefix("ext:").is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers() {
        for (text, good) in [("L1", true), ("L6.5", true), ("ext:a", true), ("ext:", false), ("L8", false)] {
            assert_eq!(is_layer(text), good, "{text}");
        }
    }
}
