//! `/v1/receipts`: what happened, each line as it stands in the chain.

#![expect(unused_qualifications, reason = "the macro that describes a route names traits in full")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use cascade_ledger::Found;
use cascade_receipt::content::TokenScope;
use cascade_receipt::id::ReceiptId;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::wire::Receipts;
use super::{Api, Caller, Credentials, Problem, TenantHeader, answer};

/// Most receipts of one page.
pub(crate) const PAGE_MAX: u64 = 500;
/// Receipts of a page, unless told otherwise.
const PAGE: u64 = 50;
/// Bytes of a page, beyond which it ends early.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Which page.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Where the page before ended: its `next_cursor`. Without it the page begins with the oldest, or `from`.
    #[param(pattern = "^s[0-9]{1,16}$", value_type = String, required = false)]
    cursor: Option<String>,
    /// The first receipt of interest, by its place in the chain; not looked at beside a cursor.
    #[param(value_type = u64, required = false, maximum = 9007199254740991_u64)]
    from: Option<u64>,
    /// At most so many.
    #[param(value_type = u64, required = false, minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// What happened, oldest first.
#[utoipa::path(
    get,
    path = "/v1/receipts",
    tag = "receipts",
    operation_id = "list_receipts",
    params(Paging, TenantHeader),
    responses(
        (status = 200, description = "A page", body = Receipts),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    paging: Result<Query<Paging>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Receipts>, Problem> {
    let Query(paging) = answer::query(paging)?;
    api.work(shown, TokenScope::Read, move |caller| {
        caller.may("log")?;
        page(caller, &paging).map(Json)
    })
    .await
}

fn page(caller: &Caller, paging: &Paging) -> Result<Receipts, Problem> {
    let limit = paging.limit.unwrap_or(PAGE);
    if limit == 0 || limit > PAGE_MAX {
        return Err(Problem::bad("request.limit", format!("`limit` is 1 to {PAGE_MAX}")));
    }
    let from = match &paging.cursor {
        Some(cursor) => place(cursor)?,
        None => paging.from.unwrap_or(0),
    };
    let ledger = &caller.tenant.ledger;
    let end = ledger.head()?.next_seq;
    let mut receipts = Vec::new();
    let (mut next, mut bytes) = (from.min(end), 0);
    for line in ledger.lines(next..end.min(next.saturating_add(limit))) {
        let line = line?;
        bytes += line.text.len();
        next = line.seq.saturating_add(1);
        receipts.push(RawValue::from_string(line.text).map_err(|_| Problem::internal("a line is no JSON"))?);
        if bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    // The chain grows: what is at its end now is the beginning of what comes.
    Ok(Receipts { receipts, next_cursor: (next < end).then(|| format!("s{next}")) })
}

fn place(cursor: &str) -> Result<u64, Problem> {
    let digits = cursor.strip_prefix('s').filter(|digits| digits.len() <= 16);
    let digits =
        digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let place = digits.and_then(|digits| digits.parse().ok());
    place.ok_or_else(|| {
        Problem::bad("request.cursor", "this is no cursor of ours: give `next_cursor` as it came")
    })
}

/// One receipt, exactly as it stands in the chain.
#[utoipa::path(
    get,
    path = "/v1/receipts/{id}",
    tag = "receipts",
    operation_id = "show_receipt",
    params(
        ("id" = String, Path, description = "Its id"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "The receipt", body = Object),
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
        caller.may("show")?;
        let missing = || Problem::not_found("there is no such receipt");
        let id = ReceiptId::parse(&id).ok_or_else(missing)?;
        match caller.tenant.ledger.find(&id.to_string())? {
            Found::One(_, _, line) => {
                Ok(([(header::CONTENT_TYPE, "application/json")], line).into_response())
            }
            Found::Nothing | Found::Several => Err(missing()),
        }
    })
    .await
}
