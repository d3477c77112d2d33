//! `/v1/actions/{id}`: what became of an action that the caller performs.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use base64ct::{Base64, Encoding as _};
use cascade_receipt::content::{Ending, Spent, TokenScope};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_runtime::lease::{self, LeaseError, Open, Outcome, Output};
use serde::de::DeserializeOwned;

use super::wire::{ActionOut, EndingIn, OutcomeOut, OutcomeRequest};
use super::{Api, Caller, Credentials, Problem, TenantHeader, Whole};

/// Most that a counter of tokens, time or money can say: integers beyond it differ from one JSON library to the next.
const COUNT_MAX: u64 = (1 << 53) - 1;

/// Report how an action ended.
///
/// Only whoever asked for it may. The receipt is on disk before the answer leaves. Reporting the same ending again gives
/// the same receipt; another one 409.
#[utoipa::path(
    post,
    path = "/v1/actions/{id}/outcome",
    tag = "decisions",
    operation_id = "report_outcome",
    request_body = OutcomeRequest,
    params(
        ("id" = String, Path, description = "The receipt of the decision"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "On record", body = OutcomeOut),
        (status = "4XX", description = "Not recorded", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn report(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(id): Path<String>,
    body: Whole,
) -> Result<Json<OutcomeOut>, Problem> {
    api.work_though_suspended(shown, TokenScope::Actions, move |caller| {
        let request: OutcomeRequest = read(&body)?;
        settled(caller, own(caller, &id)?, request).map(Json)
    })
    .await
}

/// Where an action stands.
#[utoipa::path(
    get,
    path = "/v1/actions/{id}",
    tag = "decisions",
    operation_id = "show_action",
    params(
        ("id" = String, Path, description = "The receipt of the decision"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "Where it stands", body = ActionOut),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(id): Path<String>,
) -> Result<Json<ActionOut>, Problem> {
    api.work_though_suspended(shown, TokenScope::Actions, move |caller| {
        let id = own(caller, &id)?;
        let ledger = &caller.tenant.ledger;
        if let Some(open) = ledger.open_action(id)? {
            let expires = open.until.map(|until| until.to_string());
            return Ok(Json(ActionOut {
                receipt_id: id.to_string(),
                state: "open".to_owned(),
                closed_by: None,
                expires,
            }));
        }
        let closer = lease::closer(&caller.tenant.ledger, id)?;
        let state = match &closer {
            Some((_, content)) => state_of(content),
            None => {
                content(caller, id)?.member("kind").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
        };
        let closed_by = closer.map(|(by, _)| by.to_string());
        Ok(Json(ActionOut { receipt_id: id.to_string(), state, closed_by, expires: None }))
    })
    .await
}

/// Reads a body strictly; what is wrong with it is told by place.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // The reader ends at 128 levels by itself.
    serde_json::from_slice(body).map_err(|error| Problem::bad("request.malformed", error.to_string()))
}

/// An action of this caller. Of another one's nothing is said, not even that it is there.
fn own(caller: &Caller, id: &str) -> Result<ReceiptId, Problem> {
    let missing = || Problem::not_found("there is no such action of yours");
    let id = ReceiptId::parse(id).ok_or_else(missing)?;
    let content = content(caller, id)?;
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    let principal = text("principal").and_then(PrincipalId::parse);
    let decided = content.member("decision").is_some() && principal == Some(caller.asker.principal_id());
    decided.then_some(id).ok_or_else(missing)
}

fn content(caller: &Caller, id: ReceiptId) -> Result<Value, Problem> {
    let found = cascade_runtime::consent::find(&caller.tenant.ledger, &id.to_string());
    Ok(found.map_err(|_| Problem::not_found("there is no such action of yours"))?.1)
}

fn settled(caller: &Caller, intent: ReceiptId, request: OutcomeRequest) -> Result<OutcomeOut, Problem> {
    let outcome = outcome(request)?;
    let told = |receipt_id: ReceiptId, repeated| OutcomeOut {
        receipt_id: receipt_id.to_string(),
        intent: intent.to_string(),
        repeated,
    };
    let ledger = &caller.tenant.ledger;
    let settled = match Open::find(ledger, intent)? {
        Some(open) => lease::settle(ledger, open, &outcome),
        None => Err(LeaseError::NotOpen(intent)),
    };
    match settled {
        Ok(receipt) => Ok(told(receipt.receipt_id, false)),
        Err(LeaseError::NotOpen(_)) => {
            // Whoever lost an answer sends the same again; whoever tells something else is not told that it is on record.
            match lease::closer(ledger, intent)? {
                Some((by, content)) if lease::is_told(ledger, intent, &content, &outcome)? => {
                    Ok(told(by, true))
                }
                _ => Err(Problem::conflict(
                    "action.not_open",
                    "the action has another outcome, or was never started",
                )),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn outcome(request: OutcomeRequest) -> Result<Outcome, Problem> {
    let counts = [request.duration_us, request.tokens_in, request.tokens_out, request.cost_microusd];
    if counts.into_iter().flatten().any(|count| count > COUNT_MAX) {
        return Err(Problem::bad("request.limit", "a count is at most 9007199254740991"));
    }
    let output = match (request.output, request.output_b64) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad("request.malformed", "give `output` or `output_b64`, not both"));
        }
        (Some(text), None) => Some(Output::of(text.into_bytes())),
        (None, Some(text)) => {
            let bytes = Base64::decode_vec(&text).map_err(|_| {
                Problem::bad("request.malformed", "`output_b64` is no base64 (RFC 4648, padded)")
            })?;
            Some(Output::of(bytes))
        }
        (None, None) => None,
    };
    let ending = match request.ending {
        EndingIn::Completed => Ending::Completed,
        EndingIn::Failed => Ending::Failed,
    };
    if ending == Ending::Completed && request.exit_code.is_some_and(|code| code != 0) {
        return Err(Problem::bad(
            "request.malformed",
            "what ends with another exit code than 0 has `failed`",
        ));
    }
    Ok(Outcome {
        exit_code: request.exit_code,
        duration: request.duration_us.map(Duration::from_micros),
        output,
        spent: Spent {
            tokens_in: request.tokens_in,
            tokens_out: request.tokens_out,
            cost_microusd: request.cost_microusd,
        },
        ..Outcome::of(ending)
    })
}

fn state_of(closer: &Value) -> String {
    let kind = closer.member("kind").and_then(Value::as_str).unwrap_or_default();
    kind.strip_prefix("task_").unwrap_or(kind).to_owned()
}
