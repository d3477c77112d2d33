//! `/v1/specs`: runs of workflows, as the chain knows them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use cascade_receipt::content::TokenScope;
use cascade_runtime::workflow::{self, WorkflowError};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, Caller, Credentials, Problem, TenantHeader, answer};

/// A run that is open.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RunOpenOut {
    /// Its `chain_started`.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    chain: String,
    /// What its specification is called.
    name: String,
    /// Who began it.
    principal: String,
    /// The hash of its specification.
    spec_hash: String,
}

/// The runs that are open.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RunsOpenOut {
    runs: Vec<RunOpenOut>,
}

/// Runs of workflows that are open.
#[utoipa::path(
    get,
    path = "/v1/specs",
    tag = "workflows",
    operation_id = "list_runs",
    params(TenantHeader),
    responses(
        (status = 200, description = "The runs", body = RunsOpenOut),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    shown: Credentials,
) -> Result<Json<RunsOpenOut>, Problem> {
    api.work(shown, TokenScope::Read, |caller| {
        caller.may("spec list")?;
        open(caller).map(Json)
    })
    .await
}

fn open(caller: &Caller) -> Result<RunsOpenOut, Problem> {
    let ledger = &caller.tenant.ledger;
    let one = |chain: &cascade_ledger::Chain| RunOpenOut {
        chain: chain.receipt_id.to_string(),
        name: workflow::name_of(ledger, chain).unwrap_or_default(),
        principal: chain.principal.to_string(),
        spec_hash: chain.spec_hash.to_hex(),
    };
    Ok(RunsOpenOut { runs: ledger.open_chains()?.iter().map(one).collect() })
}

/// One run: its steps, what it waits for, what it gave.
///
/// The same document as `cascade spec show --json`.
#[utoipa::path(
    get,
    path = "/v1/specs/{id}",
    tag = "workflows",
    operation_id = "show_run",
    params(
        ("id" = String, Path, description = "Its `chain_started`"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "The run", body = Object),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    api.work(shown, TokenScope::Read, move |caller| {
        caller.may("spec show")?;
        let (id, ledger) = (answer::receipt_id(caller, &id)?, &caller.tenant.ledger);
        let (spec, hash) = workflow::spec_of(ledger, id).map_err(unseen)?;
        let driven = workflow::look(ledger, id).map_err(unseen)?;
        let document = workflow::document(&spec, &hash, &driven);
        let document =
            if caller.is_told_words()? { document } else { answer::without(document, &["outputs"]) };
        Ok(answer::document(&document))
    })
    .await
}

fn unseen(error: WorkflowError) -> Problem {
    match error {
        WorkflowError::NotAChain(_) => Problem::not_found("this receipt begins no run"),
        WorkflowError::Erased(_) => Problem::not_found("the specification of this run is erased"),
        WorkflowError::Ledger(fault) => fault.into(),
        _ => Problem::internal("this run cannot be read now"),
    }
}
