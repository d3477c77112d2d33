//! `GET /v1/lineage/{id}`: where a receipt comes from, and what followed from it.

#![expect(unused_qualifications, reason = "the macro that describes a route names traits in full")]

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use cascade_audit::lineage::{self, FOLLOWERS_MAX, Source};
use cascade_receipt::content::TokenScope;
use cascade_receipt::json::Value;
use cascade_runtime::lineage as local;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Api, Caller, Credentials, Problem, TenantHeader, answer};

/// Followers, unless told otherwise.
const FOLLOWERS: usize = 200;

/// Which way.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Way {
    /// What followed from it, instead of what it stands on.
    #[param(value_type = bool, required = false)]
    forward: Option<bool>,
    /// With `forward`: at most so many receipts.
    #[param(value_type = usize, required = false, minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Where a receipt comes from, and whether that is all there.
///
/// The same document as `cascade lineage --json`: the graph, five questions with the receipts that answer them, and
/// continuity: intact, broken, or not provable from what is here.
#[utoipa::path(
    get,
    path = "/v1/lineage/{id}",
    tag = "questions",
    params(
        ("id" = String, Path, description = "The receipt"),
        Way,
        TenantHeader,
    ),
    responses(
        (status = 200, description = "The graph", body = Object),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn lineage(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(id): Path<String>,
    way: Result<Query<Way>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(way) = answer::query(way)?;
    let limit = way.limit.unwrap_or(FOLLOWERS);
    if limit == 0 || limit > FOLLOWERS_MAX {
        return Err(Problem::bad("request.limit", format!("`limit` is 1 to {FOLLOWERS_MAX}")));
    }
    api.work(shown, TokenScope::Read, move |caller| {
        caller.may("lineage")?;
        let forward = way.forward.unwrap_or(false).then_some(limit);
        Ok(answer::document(&traced(caller, &id, forward)?))
    })
    .await
}

fn traced(caller: &Caller, id: &str, forward: Option<usize>) -> Result<Value, Problem> {
    let (id, ledger) = (answer::receipt_id(caller, id)?, &caller.tenant.ledger);
    let question = |source: &mut dyn Source| -> Result<Option<Value>, lineage::Fault> {
        Ok(match forward {
            Some(limit) => {
                lineage::follow(source, id, limit)?.map(|following| lineage::following_json(&following))
            }
            None => lineage::trace(source, id)?.map(|found| lineage::lineage_json(&found)),
        })
    };
    let words = caller.is_told_words()?;
    let told = ledger.with_index(&mut |_, _| (), |index| local::ask(ledger, index, words, question))?;
    let told = told.map_err(|_| Problem::internal("the lineage of that receipt cannot be read now"))?;
    told.ok_or_else(|| Problem::not_found("there is no such receipt"))
}
