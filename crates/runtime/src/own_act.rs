//! What Cascade does itself and is one receipt, whatever the gates say: decided, and recorded as what they said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_kernel::action::DECIDE_ATTEMPTS_MAX;
use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger, Mark, Present, PrivateItem};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::{Facts, Principal};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{self, Body, Ref, RequestTag, Runtime};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;

use crate::consent::Approved;
use crate::facts::Asker;
use crate::govern::drafts::escalation;
use crate::govern::{holds_until, is_about_consent};
use crate::grants;
use crate::limits;
use crate::policy_store::{self, PolicyInForce, StoreError};

/// Who has it done, and by which program.
pub(crate) struct By<'a> {
    pub(crate) asker: &'a Asker,
    /// Why, in the asker's words.
    pub(crate) reason: Option<&'a str>,
    pub(crate) runtime: &'a Runtime,
    /// The policy in force, where somebody keeps it loaded.
    pub(crate) policy: Option<&'a PolicyInForce>,
}

/// One act, as whoever does it describes it.
pub(crate) trait OwnAct {
    /// Why it cannot be done.
    type Error: From<Fault> + From<StoreError> + From<Unrecorded>;

    /// The word in receipts.
    const TASK_TYPE: &'static str;

    /// What it stands on, where it was approved.
    fn approved(&self) -> Option<&Approved>;

    /// Only the decision is wanted.
    fn dry_run(&self) -> bool {
        false
    }

    /// The word of this one in receipts.
    fn task_type(&self) -> &'static str {
        Self::TASK_TYPE
    }

    /// What the receipt of it is called.
    fn receipt_id(&self, _verdict: Verdict) -> Result<ReceiptId, Fault> {
        cascade_ledger::receipt_id()
    }

    /// The request that asked for it, where its sender may send it again.
    fn request(&self) -> Option<RequestTag> {
        None
    }

    /// Everything a decision about it may depend on.
    fn facts(&self, present: &Present<'_>, snapshot: &Snapshot, asker: &Asker) -> Result<Facts, Self::Error>;

    /// Private bytes that stay with the receipt of it, whatever the gates say.
    fn kept(&self) -> Option<(&'static str, Vec<u8>)> {
        None
    }

    /// Says in the receipt what it is about.
    fn name(&self, action: &mut content::Action, verdict: Verdict);

    /// The receipt of it, once it is admitted.
    fn admitted(&self, action: content::Action, private: &mut Vec<PrivateItem>) -> Result<Body, Self::Error>;
}

/// Why nothing was recorded.
#[derive(Debug)]
pub(crate) enum Unrecorded {
    /// Governance kept changing while it was decided.
    Unsettled,
    /// The receipt could not be made durable.
    Append(AppendError),
}

struct Decided {
    facts: Facts,
    ruling: Ruling,
    grants: Vec<Ref>,
    gates: Duration,
}

/// What was decided.
#[derive(Debug)]
pub(crate) struct Drafted {
    pub(crate) ruling: Ruling,
    /// How long the gates took, the last time they were asked.
    pub(crate) gates: Duration,
    /// The governance that was decided under.
    pub(crate) mark: Mark,
    /// When time alone ends what the decision stands on.
    pub(crate) holds_until: Option<Timestamp>,
    /// Who it was decided for.
    pub(crate) principal: Principal,
}

/// Decides it and records that, durably; again where governance changes between the two.
pub(crate) fn recorded<A: OwnAct>(
    act: &A,
    ledger: &Ledger,
    by: &By<'_>,
) -> Result<(Drafted, Appended), A::Error> {
    let nonce = nonce(act)?;
    for _ in 0..DECIDE_ATTEMPTS_MAX {
        let (draft, drafted) = drafted(act, &ledger.present()?, (by, nonce))?;
        match ledger.append(draft) {
            Ok(receipt) => return Ok((drafted, receipt)),
            Err(error) if is_outdated(&error) => {}
            Err(error) => return Err(Unrecorded::Append(error).into()),
        }
    }
    Err(Unrecorded::Unsettled.into())
}

/// What the action is hashed with: as it was approved, where it was.
pub(crate) fn nonce<A: OwnAct>(act: &A) -> Result<Nonce, Fault> {
    act.approved().map_or_else(cascade_ledger::nonce, |approved| Ok(approved.action_nonce))
}

/// Whether it has to be decided again, because governance changed since.
pub(crate) const fn is_outdated(error: &AppendError) -> bool {
    matches!(error, AppendError::Stale | AppendError::Halted | AppendError::Suspended)
        || is_about_consent(error)
}

/// Decides it as things stand.
pub(crate) fn drafted<A: OwnAct>(
    act: &A,
    present: &Present<'_>,
    (by, nonce): (&By<'_>, Nonce),
) -> Result<(Draft, Drafted), A::Error> {
    let (snapshot, mark) = match by.policy {
        Some(kept) => kept.look(present)?,
        None => {
            let (policy, mark) = present.policy_in_force();
            (Arc::new(policy_store::load(present, policy)?), mark)
        }
    };
    let asker = by.asker.at(present)?;
    let decided = decided(act, present, &snapshot, &asker)?;
    let mut draft = draft(act, &decided, &asker, (by, nonce))?;
    draft.seen = Some(mark);
    if decided.ruling.decision.verdict == Verdict::Admit && !act.dry_run() {
        draft.caps = limits::caps(&decided.facts, &decided.ruling);
        draft.holds_until = holds_until(&decided.ruling, &decided.facts, &decided.grants, &asker);
    }
    let holds_until = draft.holds_until;
    let Decided { facts, ruling, gates, .. } = decided;
    Ok((draft, Drafted { ruling, gates, mark, holds_until, principal: facts.principal }))
}

fn decided<A: OwnAct>(
    act: &A,
    present: &Present<'_>,
    snapshot: &Snapshot,
    asker: &Asker,
) -> Result<Decided, A::Error> {
    let mut facts = act.facts(present, snapshot, asker)?;
    limits::count(present, snapshot, &mut facts, None)?;
    if let Some(approved) = act.approved() {
        approved.add_to(present, &mut facts, None)?;
    }
    let asked = Instant::now();
    let ruling = decide::decide(snapshot, &facts);
    let gates = asked.elapsed();
    let grants = grants::used(present, &ruling.decision)?;
    Ok(Decided { facts, ruling, grants, gates })
}

fn draft<A: OwnAct>(
    act: &A,
    decided: &Decided,
    asker: &Asker,
    (by, nonce): (&By<'_>, Nonce),
) -> Result<Draft, A::Error> {
    let verdict = decided.ruling.decision.verdict;
    // Asked anew, it is a matter of its own.
    let is_new_matter = verdict == Verdict::Escalate && act.approved().is_some();
    let nonce = if is_new_matter { cascade_ledger::nonce()? } else { nonce };
    let text = |value: cascade_receipt::json::Value| value.to_canonical().into_bytes();
    let action = PrivateItem::new("action_hash", nonce, text(decided.facts.action()));
    let facts = PrivateItem::new("facts_hash", cascade_ledger::nonce()?, text(decided.facts.to_json()));
    let stands_on =
        act.approved().filter(|_| !is_new_matter).map(|approved| approved.counted(&decided.facts));
    let takes = verdict == Verdict::Admit && !act.dry_run();
    let mut body = content::Action {
        task_type: act.task_type().to_owned(),
        risk_tier: decided.ruling.risk_tier,
        classified: decided.ruling.classified,
        request: act.request(),
        principal: asker.principal_id(),
        on_behalf_of: asker.agent.as_ref().map(|_| asker.person_id),
        action_hash: action.hash,
        facts_hash: facts.hash,
        decision: decided.ruling.decision.clone(),
        refs: stands_on.into_iter().flatten().chain(decided.grants.iter().cloned()).collect(),
        draws: if takes { limits::taken(&decided.ruling) } else { Vec::new() },
        spec: None,
        runtime: by.runtime.clone(),
    };
    act.name(&mut body, verdict);
    let mut private = vec![action, facts];
    if let Some((field, bytes)) = act.kept() {
        private.push(PrivateItem::new(field, cascade_ledger::nonce()?, bytes));
    }
    let body = match verdict {
        _ if act.dry_run() => Body::DryRun(body),
        Verdict::Deny => Body::Blocked(body),
        Verdict::Escalate => {
            let terms = decided.ruling.escalation.as_ref().ok_or(Unrecorded::Unsettled)?;
            Body::Escalation(escalation(body, terms, decided.facts.at))
        }
        Verdict::Admit => act.admitted(body, &mut private)?,
    };
    let mut draft = Draft::new(act.receipt_id(verdict)?, body);
    if let Some(reason) = by.reason {
        let reason = reason.as_bytes().to_vec();
        private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, reason));
    }
    draft.private = private;
    Ok(draft)
}
