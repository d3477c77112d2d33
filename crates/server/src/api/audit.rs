//! `GET /v1/audit/{pack}`: the chain held against the controls of a pack.

#![expect(unused_qualifications, reason = "the macro that describes a route names traits in full")]

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use cascade_audit::control::{self, Controls, Period};
use cascade_receipt::content::TokenScope;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::audit::{self, AuditError};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Api, Caller, Credentials, Problem, TenantHeader, answer};

/// Most receipts of a chain that is audited for a request; a longer one is audited by `cascade audit`.
pub(crate) const AUDITED_MAX: u64 = 100_000;

/// Which time.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// Only what happened since, RFC 3339.
    #[param(value_type = String, format = DateTime, required = false)]
    since: Option<String>,
    /// Only what happened before.
    #[param(value_type = String, format = DateTime, required = false)]
    until: Option<String>,
}

/// Hold the chain against the controls of a compliance pack.
///
/// The same document as `cascade audit --json`: each control satisfied, violated with the receipts that show it, not
/// applicable, or not provable. The whole chain is verified first; one of more than 100,000 receipts is audited on the
/// command line.
#[utoipa::path(
    get,
    path = "/v1/audit/{pack}",
    tag = "questions",
    params(
        ("pack" = String, Path, description = "A pack that comes with Cascade: `soc2`, `hipaa`, …"),
        Span,
        TenantHeader,
    ),
    responses(
        (status = 200, description = "The report", body = Object),
        (status = "4XX", description = "Not audited", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn audit(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(pack): Path<String>,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(span) = answer::query(span)?;
    api.long_work(shown, TokenScope::Read, move |caller| {
        caller.may("audit")?;
        audited(caller, &pack, &span).map(|report| answer::document(&report))
    })
    .await
}

fn audited(caller: &Caller, pack: &str, span: &Span) -> Result<Value, Problem> {
    let text = control::builtin_text(pack);
    let text =
        text.ok_or_else(|| Problem::not_found("no pack with controls of that name comes with Cascade"))?;
    let controls = Controls::parse(pack, text);
    let controls = controls.map_err(|_| Problem::internal("the controls of this pack cannot be read"))?;
    let period = period(span)?;
    let ledger = &caller.tenant.ledger;
    if ledger.head()?.next_seq > AUDITED_MAX {
        let detail = format!("a chain of more than {AUDITED_MAX} receipts is audited by `cascade audit`");
        return Err(Problem::bad("request.limit", detail));
    }
    let report = audit::report(ledger, controls, period).map_err(|error| match error {
        AuditError::Ledger(fault) => fault.into(),
        AuditError::Read(_) | AuditError::View(_) => Problem::internal("the chain cannot be audited now"),
    })?;
    Ok(report.to_json())
}

fn period(span: &Span) -> Result<Period, Problem> {
    let ms = |time: Timestamp| i64::try_from(time.ms()).unwrap_or(i64::MAX);
    let moment = |text: &Option<String>, name| answer::moment(text.as_deref(), name);
    let now = ms(cascade_runtime::facts::now());
    let since = moment(&span.since, "since")?.map_or(0, ms);
    // What happened this very moment has happened.
    let until = moment(&span.until, "until")?.map_or(now.saturating_add(1), ms);
    if since >= until {
        return Err(Problem::bad("request.time", "the time ends before it begins"));
    }
    Ok(Period { since, until, now })
}
