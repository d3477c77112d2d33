//! `POST /v1/replay`: past decisions made again. Nothing is written.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cascade_audit::replay::Under;
use cascade_receipt::content::TokenScope;
use cascade_receipt::json::Value;
use cascade_runtime::policy_store;
use cascade_runtime::replay::{self, ReplayError, Told};
use serde::Deserialize;
use utoipa::ToSchema;

use super::actions::read;
use super::{Api, Caller, Credentials, Problem, TenantHeader, Whole, answer, policies};

/// Most receipts of one replay.
pub(crate) const REPLAYED_MAX: u64 = 100_000;

/// Which decisions, and under which policy.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// `current`, or the hash of a policy that was in force. Without it each decision is made under the policy of then.
    #[schema(pattern = "^(current|[0-9a-f]{64})$")]
    against: Option<String>,
    /// Only what was decided since, RFC 3339.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Only what was decided before.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// Make past decisions again: as they were, or under another policy.
///
/// The same document as `cascade replay --json`. At most 100,000 receipts at once: name a time where the chain has more.
#[utoipa::path(
    post,
    path = "/v1/replay",
    tag = "questions",
    request_body = ReplayRequest,
    params(TenantHeader),
    responses(
        (status = 200, description = "What came out", body = Object),
        (status = "4XX", description = "Not replayed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Response, Problem> {
    api.long_work(shown, TokenScope::Read, move |caller| {
        let request: ReplayRequest = read(&body)?;
        caller.may("replay")?;
        let document = replayed(caller, &request)?;
        let told = caller.is_told_words()?;
        let document = if told { document } else { answer::without(document, &["command", "name"]) };
        Ok(answer::document(&document))
    })
    .await
}

fn replayed(caller: &Caller, request: &ReplayRequest) -> Result<Value, Problem> {
    let ledger = &caller.tenant.ledger;
    let seqs = places(caller, request)?;
    let (under, name) = match &request.against {
        Some(word) => {
            let policy = policies::named(caller, word)?;
            let snapshot = policy_store::load(ledger, &policy)?;
            (Under::Candidate(Arc::new(snapshot)), Some((policy.version, policy.hash)))
        }
        None => (Under::Then, None),
    };
    let tally = replay::scan(ledger, seqs.clone(), &under, |_| ()).map_err(|error| match error {
        ReplayError::Ledger(fault) => fault.into(),
        ReplayError::Thread(_) | ReplayError::Lost => {
            Problem::internal("there is no thread left to replay on")
        }
    })?;
    Ok(Told { tally: &tally, seqs, under: name }.document(ledger)?)
}

fn places(caller: &Caller, request: &ReplayRequest) -> Result<Range<u64>, Problem> {
    let ledger = &caller.tenant.ledger;
    let moment = |text: &Option<String>, name| answer::moment(text.as_deref(), name);
    let (since, until) = (moment(&request.since, "since")?, moment(&request.until, "until")?);
    let head = ledger.sound_head()?;
    let start = since.map_or(Ok(0), |since| replay::first_since(ledger, since))?;
    let end = until.map_or(Ok(head.next_seq), |until| replay::first_since(ledger, until))?.max(start);
    if end - start > REPLAYED_MAX {
        let detail =
            format!("these are {} receipts, and at most {REPLAYED_MAX} are replayed at once", end - start);
        return Err(Problem::bad("request.limit", detail));
    }
    Ok(start..end)
}
