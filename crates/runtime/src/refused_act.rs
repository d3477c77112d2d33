//! Acts that govern the chain and were refused. The attempt is the event that an audit looks for, so it is a receipt
//! like that of any other action that was blocked.

use std::io;

use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger, PrivateItem};
use cascade_receipt::content::{self, Body, CONTROL_PREFIX, Ref, RequestTag};
use cascade_receipt::decision::{Decision, Gate, GateName, GateOutcome, Reason, RiskTier};
use cascade_receipt::json::Value;

use crate::facts::{self, Asker};
use crate::identity;

/// What was tried.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// One word: `grant_add`.
    pub name: &'a str,
    /// What was typed; private.
    pub line: &'a str,
}

/// What its receipt says besides.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// The request that it answers, where its sender may send it again.
    pub request: Option<RequestTag>,
    /// The receipt that it is about.
    pub about: Option<Ref>,
    /// What came out of what was done all the same; kept in the vault, and bound by a hash of it in the line.
    pub output: Option<Vec<u8>>,
}

/// Why the refusal is not on record. The act was refused all the same.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The running binary could not be named.
    #[error("it was refused, and the refusal couldn't be recorded: {0}")]
    Runtime(#[from] io::Error),
    /// The ledger could not be read.
    #[error("it was refused, and the refusal couldn't be recorded: {0}")]
    Ledger(#[from] Fault),
    /// The ledger could not be written.
    #[error("it was refused, and the refusal couldn't be recorded: {0}")]
    Append(#[from] AppendError),
}

/// Leaves a `blocked` receipt under whoever asks. Whose name was given is not proven, so it stands in the facts alone.
///
/// # Errors
/// [`RecordError`].
pub fn record(ledger: &Ledger, asker: &Asker, act: &Act<'_>, code: &str) -> Result<Appended, RecordError> {
    record_with(ledger, asker, (act, code), Besides::default())
}

/// The same, and more with it.
///
/// # Errors
/// [`RecordError`].
pub fn record_with(
    ledger: &Ledger,
    asker: &Asker,
    (act, code): (&Act<'_>, &str),
    besides: Besides,
) -> Result<Appended, RecordError> {
    let principal = asker.principal_id();
    let action = Value::object([
        ("kind", "control".into()),
        ("line", act.line.into()),
        ("principal", principal.to_string().into()),
    ]);
    let facts = Value::object([
        ("_type", "cascade/control/v1".into()),
        ("as", asker.speaker().to_string().into()),
        ("at", facts::chain_now(ledger)?.to_string().into()),
        ("beneath", asker.enclosure.objection().unwrap_or_default().into()),
        ("principal", principal.to_string().into()),
        ("registered", asker.is_registered().into()),
    ]);
    let item = |field, value: &Value| {
        let nonce = cascade_ledger::nonce()?;
        Ok::<_, Fault>(PrivateItem::new(field, nonce, value.to_canonical().into_bytes()))
    };
    let (action, facts) = (item("action_hash", &action)?, item("facts_hash", &facts)?);
    let body = content::Action {
        task_type: format!("{CONTROL_PREFIX}{}", act.name),
        risk_tier: RiskTier::High,
        classified: true,
        request: besides.request,
        principal,
        on_behalf_of: asker.agent.as_ref().map(|_| asker.person_id),
        action_hash: action.hash,
        facts_hash: facts.hash,
        decision: denied(code),
        refs: besides.about.into_iter().collect(),
        draws: Vec::new(),
        spec: None,
        runtime: identity::runtime(ledger)?,
    };
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Blocked(body));
    draft.private = vec![action, facts];
    if let Some(output) = besides.output {
        draft.private.push(PrivateItem::new("output", cascade_ledger::nonce()?, output));
    }
    Ok(ledger.append(draft)?)
}

/// Of the ten gates two are about who may govern; the others were not asked.
fn denied(code: &str) -> Decision {
    let proof = code.starts_with("identity.") || code == "approval.signature";
    let denies = if proof { GateName::Identity } else { GateName::Authority };
    let gate = |gate: GateName| {
        let (outcome, reasons) = if gate == denies {
            (GateOutcome::Deny, vec![Reason::code(code)])
        } else {
            (GateOutcome::NotApplicable, Vec::new())
        };
        Gate { gate, outcome, reasons }
    };
    Decision::from_gates(GateName::ALL.iter().copied().map(gate).collect())
}
