//! `/v1/checkpoints` and `/v1/bundles`: what outsiders are handed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use cascade_ledger::{BundleError, Ledger, Wanted};
use cascade_receipt::bundle::RECEIPTS_MAX;
use cascade_receipt::content::TokenScope;
use serde::Deserialize;
use utoipa::ToSchema;

use super::actions::read;
use super::{Api, Caller, Credentials, Problem, TenantHeader, Whole, answer};
use crate::tenants::Unsigned;

/// What a bundle is to hold.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct BundleRequest {
    /// Ids of the receipts that it is about.
    #[schema(min_items = 1, max_items = 1000)]
    receipts: Vec<String>,
    /// With everything of the actions that they belong to.
    #[serde(default)]
    action: bool,
    /// With everything of the runs of workflows that they belong to.
    #[serde(default)]
    run: bool,
    /// Members of content whose private bytes are disclosed: `action_hash`, `facts_hash` …
    #[serde(default)]
    #[schema(max_items = 8)]
    disclose: Vec<String>,
    /// With the facts and policies of its decisions, so that they can be made again.
    #[serde(default)]
    replayable: bool,
}

/// Ids in one request for a bundle.
pub(crate) const NAMED_MAX: usize = 1000;
/// How often a bundle is begun again because the chain got another key meanwhile.
const AGAIN_MAX: u32 = 5;

/// The newest checkpoint of this tenant's chain, as a C2SP signed note.
#[utoipa::path(
    get,
    path = "/v1/checkpoints",
    tag = "receipts",
    operation_id = "newest_checkpoint",
    params(TenantHeader),
    responses(
        (status = 200, description = "The note", body = String, content_type = "text/plain; charset=utf-8"),
        (status = "4XX", description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn newest(State(api): State<Arc<Api>>, shown: Credentials) -> Result<Response, Problem> {
    api.work(shown, TokenScope::Read, |caller| {
        caller.may("export")?;
        let newest = caller.tenant.ledger.newest_checkpoint(false)?;
        let missing = || Problem::not_found("no checkpoint of this chain was signed yet; `POST` signs one");
        newest.map(|(_, text)| note(text)).ok_or_else(missing)
    })
    .await
}

/// Sign a checkpoint of the chain as it is now.
///
/// The same chain gives the same note again, with the cosignatures that it has got since.
#[utoipa::path(
    post,
    path = "/v1/checkpoints",
    tag = "receipts",
    operation_id = "sign_checkpoint",
    params(TenantHeader),
    responses(
        (status = 200, description = "The note", body = String, content_type = "text/plain; charset=utf-8"),
        (status = "4XX", description = "None was signed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be signed now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn sign(State(api): State<Arc<Api>>, shown: Credentials) -> Result<Response, Problem> {
    let own = Arc::clone(&api);
    api.work(shown, TokenScope::Admin, move |caller| {
        caller.may_act("checkpoint")?;
        Ok(note(own.tenants().checkpoint(&caller.tenant)?))
    })
    .await
}

fn note(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Put receipts into a bundle for an outsider, with proofs that they are in the chain.
///
/// The same as `cascade bundle create`; `cascade-verify` checks it with a public key alone. A checkpoint is signed where
/// none covers them yet.
#[utoipa::path(
    post,
    path = "/v1/bundles",
    tag = "receipts",
    operation_id = "create_bundle",
    request_body = BundleRequest,
    params(TenantHeader),
    responses(
        (status = 200, description = "The bundle", body = Object),
        (status = "4XX", description = "None was made", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be made now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn bundle(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Response, Problem> {
    let own = Arc::clone(&api);
    api.long_work(shown, TokenScope::Admin, move |caller| {
        let request: BundleRequest = read(&body)?;
        caller.may_act("bundle create")?;
        let wanted = wanted(caller, &request)?;
        Ok(answer::json(made(&own, caller, &wanted)?))
    })
    .await
}

fn wanted(caller: &Caller, request: &BundleRequest) -> Result<Wanted, Problem> {
    let discloses = !request.disclose.is_empty() || request.replayable;
    if discloses && !caller.is_told_words()? {
        let detail = "the policy in force does not let you disclose private words: leave `disclose` and `replayable` out";
        return Err(Problem::forbidden(detail, Vec::new()));
    }
    if request.receipts.is_empty() || request.receipts.len() > NAMED_MAX {
        return Err(Problem::bad("request.limit", format!("a bundle is about 1 to {NAMED_MAX} receipts")));
    }
    let ledger = &caller.tenant.ledger;
    let mut seqs = BTreeSet::new();
    for id in &request.receipts {
        let (_, seq) = answer::place(caller, id)?;
        if request.action {
            seqs.extend(ledger.action_of(seq)?);
        }
        if request.run {
            seqs.extend(ledger.runs_of(seq)?);
        }
        seqs.insert(seq);
        if seqs.len() > RECEIPTS_MAX {
            return Err(refused(BundleError::Size));
        }
    }
    let disclose = request.disclose.iter().cloned().collect();
    Ok(Wanted { seqs, disclose, replayable: request.replayable })
}

fn made(api: &Api, caller: &Caller, wanted: &Wanted) -> Result<String, Problem> {
    let ledger = &caller.tenant.ledger;
    let mut tries = AGAIN_MAX;
    loop {
        let note = standing(api, caller, wanted)?;
        match ledger.bundle(wanted, &note) {
            // A key came meanwhile, which the reader needs, too.
            Err(BundleError::NotCovered(_)) if tries > 0 => tries -= 1,
            other => return other.map_err(refused),
        }
    }
}

/// The checkpoint that a bundle stands on: one that witnesses have cosigned, if there is one.
fn standing(api: &Api, caller: &Caller, wanted: &Wanted) -> Result<String, Problem> {
    let ledger: &Ledger = &caller.tenant.ledger;
    let size = ledger.covering(&wanted.seqs)?;
    for cosigned in [true, false] {
        if let Some((_, note)) = ledger.newest_checkpoint(cosigned)?.filter(|(at, _)| *at >= size) {
            return Ok(note);
        }
    }
    Ok(api.tenants().checkpoint(&caller.tenant)?)
}

fn refused(error: BundleError) -> Problem {
    match error {
        BundleError::Fault(fault) => fault.into(),
        BundleError::Key(_) | BundleError::NotCovered(_) => Problem::internal("no bundle can be signed now"),
        BundleError::Size => Problem::bad("request.limit", error.to_string()),
        BundleError::NothingPrivate(_) => Problem::bad("request.malformed", error.to_string()),
        BundleError::Erased { .. } => Problem::conflict("erased", error.to_string()),
    }
}

impl From<Unsigned> for Problem {
    fn from(_: Unsigned) -> Self {
        Self::internal("no checkpoint can be signed now; `cascade checkpoint` says more")
    }
}
