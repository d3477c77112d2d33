//! `/v1/approvals`: what waits for people, and their answers.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cascade_ledger::{Person, Subject, SubjectState};
use cascade_receipt::content::TokenScope;
use cascade_receipt::json;
use cascade_runtime::consent::{self, ConsentError, Replied, Reply};
use cascade_runtime::lease::REASON_BYTES_MAX;
use cascade_runtime::ssh::SshError;
use serde_json::value::RawValue;

use super::actions::read;
use super::wire::{AnswerIn, AnswerOut, AnswerRequest, Pending, PendingOut};
use super::{Api, Caller, Credentials, Problem, TenantHeader, Whole};

/// Most that are listed at once.
pub(crate) const PENDING_MAX: usize = 500;

/// What waits for people, oldest first; at most 500.
#[utoipa::path(
    get,
    path = "/v1/approvals",
    tag = "approvals",
    operation_id = "list_approvals",
    params(TenantHeader),
    responses(
        (status = 200, description = "What waits", body = Pending),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn pending(
    State(api): State<Arc<Api>>,
    shown: Credentials,
) -> Result<Json<Pending>, Problem> {
    api.work(shown, TokenScope::Read, |caller| {
        caller.may("approvals")?;
        let ledger = &caller.tenant.ledger;
        let told = Told::of(caller)?;
        let now = cascade_runtime::facts::chain_now(ledger)?;
        let waiting = ledger.pending_escalations()?;
        let live = waiting.iter().filter(|one| one.expires.is_none_or(|expires| expires > now));
        let approvals = live
            .take(PENDING_MAX)
            .map(|subject| one(caller, subject, (now, told.of_subject(subject))))
            .collect::<Result<_, _>>()?;
        Ok(Json(Pending { approvals }))
    })
    .await
}

/// Whose private words this caller is shown. Nobody answers what they cannot see, and nobody needs to see what they are
/// not asked about.
struct Told {
    everything: bool,
    asked: Option<Person>,
}

impl Told {
    fn of(caller: &Caller) -> Result<Self, Problem> {
        let asks = caller.is_for(TokenScope::Approve) && caller.may("approve").is_ok();
        let asked = if asks { consent::who_answers(&caller.tenant.ledger, &caller.asker)? } else { None };
        Ok(Self { everything: caller.is_told_words()?, asked })
    }

    fn of_subject(&self, subject: &Subject) -> bool {
        self.everything || self.asked.as_ref().is_some_and(|person| consent::is_asked(subject, person))
    }
}

fn one(
    caller: &Caller,
    subject: &Subject,
    (now, told): (cascade_receipt::time::Timestamp, bool),
) -> Result<PendingOut, Problem> {
    let ledger = &caller.tenant.ledger;
    let needed = consent::needed(ledger, subject, now)?;
    let kept = if told { ledger.private(&subject.action_hash)? } else { None };
    let text = kept.and_then(|(_, bytes)| String::from_utf8(bytes).ok());
    let action = text.and_then(|text| RawValue::from_string(text).ok());
    Ok(PendingOut::of(subject, subject.state == SubjectState::Approved && needed.is_met(), action))
}

/// Approve or deny what waits.
///
/// Signed with the SSH key that the chain knows for the person whose token this is. Without `sshsig` the answer is 409
/// `approval.signature`, whose `detail` is the exact statement to sign; sign it, and send the same again with `sshsig` and
/// the `expires` of the statement.
#[utoipa::path(
    post,
    path = "/v1/approvals/{id}",
    tag = "approvals",
    operation_id = "answer_approval",
    request_body = AnswerRequest,
    params(
        ("id" = String, Path, description = "The escalation, or the dry run to be approved in advance"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "It counts", body = AnswerOut),
        (status = "4XX", description = "It does not", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn answer(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(id): Path<String>,
    body: Whole,
) -> Result<Json<AnswerOut>, Problem> {
    api.work(shown, TokenScope::Approve, move |caller| {
        let request: AnswerRequest = read(&body)?;
        let verb = if request.verdict == AnswerIn::Approve { "approve" } else { "deny" };
        caller.may(verb).map_err(|problem| not_let(caller, &id, problem))?;
        answered(caller, id, request).map(Json)
    })
    .await
}

/// An attempt to answer what one may not is as much part of the history as an answer.
fn not_let(caller: &Caller, id: &str, problem: Problem) -> Problem {
    if problem.status() != StatusCode::FORBIDDEN {
        return problem;
    }
    match consent::not_let(&caller.tenant.ledger, &caller.asker, id) {
        Ok(receipt) => problem.of(receipt.receipt_id),
        // Whether there is such a thing is nothing that it is told.
        Err(ConsentError::NotFound(_) | ConsentError::Ambiguous(_)) => problem,
        Err(error) => error.into(),
    }
}

fn answered(caller: &Caller, id: String, request: AnswerRequest) -> Result<AnswerOut, Problem> {
    if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(Problem::bad("request.limit", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    let approve = request.verdict == AnswerIn::Approve;
    let expires = super::answer::moment(request.expires.as_deref(), "expires")?;
    let reply = Reply { id, approve, reason: request.reason, expires_after_ms: None, expires };
    let statement = RefCell::new(None);
    let mut sign = |_: &str, _: &str, payload: &[u8]| match &request.sshsig {
        Some(signature) => Ok(signature.clone()),
        None => {
            statement.replace(Some(String::from_utf8_lossy(payload).into_owned()));
            Err(SshError::NoPrivateKey("approval".to_owned()))
        }
    };
    match consent::reply(&caller.tenant.ledger, &caller.asker, &reply, &mut sign) {
        Ok(Replied::Accepted(receipt)) => Ok(AnswerOut { receipt_id: receipt.receipt_id.to_string() }),
        Ok(Replied::Refused(_, reasons)) => Err(Problem::refused(&reasons)),
        Err(ConsentError::Sign(_)) => {
            let statement = statement.into_inner().unwrap_or_default();
            debug_assert!(json::parse(statement.as_bytes()).is_ok(), "a statement is canonical JSON");
            Err(Problem::conflict("approval.signature", statement))
        }
        Err(error) => Err(error.into()),
    }
}
