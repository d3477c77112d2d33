//! What is told without a token: whether the service lives, and what outsiders pin and check.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use cascade_ledger::{Fault, Reader};

use super::wire::{ChainOut, Chains};
use super::{Api, Problem};

/// The public keys and the newest checkpoint of each chain that is served here.
///
/// A chain's name says nothing of whose it is.
#[utoipa::path(
    get,
    path = "/v1/chains",
    tag = "public",
    operation_id = "list_chains",
    responses(
        (status = 200, description = "The chains", body = Chains),
        (status = 503, description = "They cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn chains(State(api): State<Arc<Api>>) -> Result<Json<Chains>, Problem> {
    let own = Arc::clone(&api);
    api.blocking(move || Ok(Json(Chains { chains: own.tenants().each(chain)? }))).await
}

fn chain(ledger: &Reader) -> Result<ChainOut, Fault> {
    Ok(ChainOut {
        log_origin: ledger.log_origin().as_str().to_owned(),
        public_key: ledger.public_key_pem(),
        log_key: ledger.log_vkey().ok().map(|key| key.to_string()),
        checkpoint: ledger.newest_checkpoint(false)?.map(|(_, note)| note),
    })
}

/// The newest checkpoint of one chain, as a C2SP signed note.
#[utoipa::path(
    get,
    path = "/v1/chains/{id}/checkpoint",
    tag = "public",
    operation_id = "chain_checkpoint",
    params(("id" = String, Path, description = "The 32 hex digits at the end of the chain's name")),
    responses(
        (status = 200, description = "The note", body = String, content_type = "text/plain; charset=utf-8"),
        (status = "4XX", description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn checkpoint(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let own = Arc::clone(&api);
    api.blocking(move || {
        let found = own.tenants().each(|ledger| {
            let is_named = ledger.log_origin().as_str().rsplit('/').next() == Some(id.as_str());
            if is_named { ledger.newest_checkpoint(false) } else { Ok(None) }
        })?;
        let newest = found.into_iter().flatten().next();
        let (_, note) = newest.ok_or_else(|| Problem::not_found("there is no checkpoint of such a chain"))?;
        Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
    })
    .await
}

/// The process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "service",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain; charset=utf-8")),
)]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Every chain that is served can be read, and takes receipts.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "They can", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "One cannot", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Result<(StatusCode, &'static str), Problem> {
    let own = Arc::clone(&api);
    api.blocking(move || {
        if !own.tenants().has_home() {
            return Err(Problem::internal("the home is not there any more"));
        }
        for tenant in own.tenants().all() {
            tenant.ledger.sound_head()?;
            if !tenant.ledger.is_in_place() {
                return Err(Problem::internal("a chain is not there any more, or is another one now"));
            }
            if tenant.ledger.has_failed() {
                own.tenants().reopen(&tenant);
                return Err(Problem::internal(
                    "a chain takes no receipts: a write failed; it is opened again",
                ));
            }
            if !tenant.has_room() {
                return Err(Problem::internal("a chain takes no receipts: there is no room on its disk"));
            }
            if tenant.ledger.stopped_by()?.is_some() {
                return Err(Problem::internal("a chain takes no receipts"));
            }
        }
        Ok((StatusCode::OK, "ready\n"))
    })
    .await
}
