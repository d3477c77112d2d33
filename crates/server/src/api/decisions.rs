//! `POST /v1/decisions`: ask before you act.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use cascade_ledger::{AppendError, Ledger, Surface};
use cascade_policy::decide::Ruling;
use cascade_receipt::content::{RequestTag, TokenScope};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_runtime::lease::{self, Begun, Held, LeaseError, Request, Started};
use cascade_runtime::subject::{self, Named};

use super::wire::{DecisionOut, DecisionRequest, ReasonOut, TermsOut, VerdictOut};
use super::{Api, Caller, Credentials, IdempotencyHeader, Problem, TenantHeader, Whole};

/// Decide, durably, whether an action may be performed.
///
/// The receipt is on disk before the answer leaves. Where `may_perform` is true, perform the action and report its
/// outcome to `/v1/actions/{id}/outcome`; an action whose outcome never comes is closed as unknown. With an
/// `Idempotency-Key` the request can be sent again after a lost answer: the same body gets the same receipt, another one
/// 409.
#[utoipa::path(
    post,
    path = "/v1/decisions",
    tag = "decisions",
    request_body = DecisionRequest,
    params(
        TenantHeader,
        IdempotencyHeader,
    ),
    responses(
        (status = 200, description = "Decided, and on record", body = DecisionOut),
        (status = "4XX", description = "Nothing was decided", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn decide(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Json<DecisionOut>, Problem> {
    let body = Arc::new(body);
    let own = Arc::clone(&body);
    let work = move |caller: &Caller| begun(caller, &own, lease::start);
    let (begun, waiting) = api.work_and_wait(shown, TokenScope::Actions, work).await?;
    let (receipt, tag, began) = match begun {
        Told::Known(out) => return Ok(Json(out)),
        Told::New(Started::Begun(begun), _, began) => {
            return noted(&waiting.caller, &begun, began).map(Json);
        }
        Told::New(Started::Waiting(receipt), tag, began) => (receipt, tag, began),
    };
    // No thread is kept while the receipt is on its way to the disk.
    let receipt = receipt.recorded().await;
    if let Ok(Some(begun)) = &receipt {
        return noted(&waiting.caller, begun, began).map(Json);
    }
    let work = move |caller: &Caller| match receipt {
        Err(error) => unrecorded(caller, tag, error),
        // Governance changed meanwhile.
        Ok(_) => decided(caller, &body),
    };
    waiting.go_on(api, work).await.map(Json)
}

/// What is said of a request.
enum Told<T> {
    /// What was said before.
    Known(DecisionOut),
    /// Something new; with what its receipt is found by, and when it began.
    New(T, Option<RequestTag>, Instant),
}

fn decided(caller: &Caller, body: &[u8]) -> Result<DecisionOut, Problem> {
    let begin = |ledger: &Ledger, request: &Request<'_>| Ok(lease::begin(ledger, request));
    match begun(caller, body, begin)? {
        Told::Known(out) => Ok(out),
        Told::New(Ok(begun), _, began) => noted(caller, &begun, began),
        Told::New(Err(error), tag, _) => unrecorded(caller, tag, error),
    }
}

fn begun<T>(
    caller: &Caller,
    body: &[u8],
    begin: impl FnOnce(&Ledger, &Request<'_>) -> Result<T, LeaseError>,
) -> Result<Told<T>, Problem> {
    let request: DecisionRequest = super::actions::read(body)?;
    let ledger = &caller.tenant.ledger;
    let tag = tagged(caller, body)?;
    if let Some(tag) = &tag
        && let Some(known) = answered(caller, tag)?
    {
        return Ok(Told::Known(known));
    }
    if !request.dry_run {
        let leases = &caller.tenant.share.leases;
        leases.admit(caller.asker.principal_id(), |whose| Ok(ledger.open_lease_count(whose)?))?;
    }
    let held = Held::Lease(request.lease());
    let subject = match &request.subject {
        None => None,
        Some(text) => {
            let named = Named::parse(text).map_err(|fault| Problem::bad("request.subject", fault))?;
            Some(subject::concerned(ledger, &named)?)
        }
    };
    let DecisionRequest { action, dry_run, approval, reason, .. } = request;
    let asked = action.asked()?;
    let began = Instant::now();
    let begun = begin(
        ledger,
        &Request {
            asked: &asked,
            asker: &caller.asker,
            approval: approval.as_deref(),
            dry_run,
            reason: reason.as_deref(),
            subject,
            runtime: &caller.tenant.runtime,
            request: tag,
            held,
            policy: Some(&caller.tenant.policy),
        },
    )?;
    Ok(Told::New(begun, tag, began))
}

/// Nothing is on record of it.
fn unrecorded(caller: &Caller, tag: Option<RequestTag>, error: LeaseError) -> Result<DecisionOut, Problem> {
    match error {
        // The same request, at the same moment, on another thread or in another process.
        LeaseError::Append(AppendError::Repeated { .. }) => {
            let known = tag.map(|tag| answered(caller, &tag)).transpose()?.flatten();
            known.ok_or_else(Problem::busy)
        }
        error => Err(error.into()),
    }
}

/// It is on record.
fn noted(caller: &Caller, begun: &Begun, began: Instant) -> Result<DecisionOut, Problem> {
    caller.tenant.gauges.decided(begun.gates, began.elapsed());
    caller.began([begun.receipt.receipt_id]);
    if begun.objections.is_empty() { Ok(told(begun)) } else { Err(Problem::refused(&begun.objections)) }
}

fn told(begun: &Begun) -> DecisionOut {
    let Ruling { decision, risk_tier, classified, escalation, .. } = &begun.ruling;
    DecisionOut {
        verdict: decision.verdict.into(),
        receipt_id: begun.receipt.receipt_id.to_string(),
        may_perform: begun.open.is_some(),
        risk_tier: risk_tier.as_str().to_owned(),
        classified: *classified,
        reasons: ReasonOut::all(&begun.ruling),
        repeated: false,
        escalation: escalation.as_ref().map(|terms| TermsOut {
            required: terms.required,
            groups: terms.groups.clone(),
            signature_required: terms.signature_required,
        }),
    }
}

/// What the receipt of this request is found by, where it can be sent again.
pub(super) fn tagged(caller: &Caller, body: &[u8]) -> Result<Option<RequestTag>, Problem> {
    let (ledger, sender) = (&caller.tenant.ledger, caller.asker.principal_id());
    Ok(caller.key.as_ref().map(|key| ledger.request_tag(sender, (Surface::Http, key), body)).transpose()?)
}

/// The answer that this request had before; a problem where it asked for something else.
pub(super) fn answered(caller: &Caller, tag: &RequestTag) -> Result<Option<DecisionOut>, Problem> {
    let Some((receipt_id, body)) = caller.tenant.ledger.request(&tag.key)? else { return Ok(None) };
    if body != tag.body {
        return Err(Problem::conflict(
            "request.key_reused",
            "this idempotency key was used for another request",
        ));
    }
    let content = content_of(caller, receipt_id)?;
    Ok(Some(told_of(caller, receipt_id, &content)?))
}

fn content_of(caller: &Caller, id: ReceiptId) -> Result<Value, Problem> {
    let (_, content) = cascade_runtime::consent::find(&caller.tenant.ledger, &id.to_string())?;
    Ok(content)
}

/// What a decision says that is in the chain.
fn told_of(caller: &Caller, id: ReceiptId, content: &Value) -> Result<DecisionOut, Problem> {
    let text = |key: &str| content.member(key).and_then(Value::as_str).unwrap_or_default();
    let decision = content.member("decision");
    let verdict = match decision.and_then(|one| one.member("verdict")?.as_str()) {
        Some("admit") => VerdictOut::Admit,
        Some("escalate") => VerdictOut::Escalate,
        _ => VerdictOut::Deny,
    };
    // Whoever heard nothing is told to go on only while a new request would be heard at all.
    let ledger = &caller.tenant.ledger;
    let now = cascade_runtime::facts::chain_now(ledger)?;
    let open = ledger.open_action(id)?.filter(|open| open.until.is_none_or(|until| until > now));
    let is_open = open.is_some() && ledger.standstill()?.is_none() && !caller.asker.has_ended();
    Ok(DecisionOut {
        verdict,
        receipt_id: id.to_string(),
        // What has ended is not performed again.
        may_perform: is_open && text("kind") == "task_started",
        risk_tier: text("risk_tier").to_owned(),
        classified: content.member("classified").and_then(Value::as_bool).unwrap_or(true),
        reasons: decision.map(reasons).unwrap_or_default(),
        repeated: true,
        escalation: terms(content),
    })
}

fn reasons(decision: &Value) -> Vec<ReasonOut> {
    let gates = decision.member("gates").and_then(Value::as_array).unwrap_or_default();
    let of_gate = |gate: &Value| -> Vec<ReasonOut> {
        let text = |key: &str| gate.member(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !["deny", "escalate"].contains(&text("outcome").as_str()) {
            return Vec::new();
        }
        let reasons = gate.member("reasons").and_then(Value::as_array).unwrap_or_default();
        let one = |reason: &Value| {
            let code = reason.member("code")?.as_str()?.to_owned();
            Some(ReasonOut {
                gate: Some(text("gate")),
                text: cascade_policy::words::code_text(&code).to_owned(),
                policy_id: reason.member("policy_id").and_then(Value::as_str).map(str::to_owned),
                code,
            })
        };
        reasons.iter().filter_map(one).collect()
    };
    gates.iter().flat_map(of_gate).collect()
}

fn terms(content: &Value) -> Option<TermsOut> {
    let groups = content.member("groups")?.as_array()?.iter();
    Some(TermsOut {
        required: u32::try_from(content.member("required")?.as_u64()?).ok()?,
        groups: groups.map(|group| group.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        signature_required: content.member("signature_required")?.as_bool()?,
    })
}

/// The content of a stored line, and the hash that names it.
pub(super) fn line_content(line: &str) -> Option<(Value, Digest)> {
    let receipt = json::parse(line.as_bytes()).ok()?;
    let hash = Digest::from_hex(receipt.member("entry_hash")?.as_str()?)?;
    Some((receipt.member("content")?.clone(), hash))
}
