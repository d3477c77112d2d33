//! `/v1/schedules`: what runs by the clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use cascade_ledger::{INVOCATIONS_KEPT, Schedule};
use cascade_receipt::content::TokenScope;
use cascade_receipt::json::Value;
use cascade_runtime::cron::{self, Change, CronError, Look};
use cascade_runtime::facts;
use cascade_runtime::lease::REASON_BYTES_MAX;
use cascade_runtime::model::Models;
use cascade_runtime::workflow::Driver;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actions::read;
use super::wire::{ReasonOut, VerdictOut};
use super::{Api, Caller, Credentials, Problem, TenantHeader, Whole, answer};

/// Members of a schedule that receipts show anyway, or that are about its time.
const PUBLIC: [&str; 5] = ["next", "principal", "schedule", "state", "through"];

/// A change of a schedule.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleRequest {
    /// `pause`, `resume` or `remove`.
    change: ChangeIn,
    /// Do what was approved: the id of its escalation.
    approval: Option<String>,
    /// Why, in the caller's words; kept privately.
    #[schema(max_length = 16384)]
    reason: Option<String>,
}

/// What is to change.
#[derive(Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeIn {
    /// It fires no more until it is resumed.
    Pause,
    /// It fires again.
    Resume,
    /// It is gone.
    Remove,
}

/// What came of a change; its receipt is durable.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ScheduleOut {
    /// `admit`, `escalate` or `deny`.
    verdict: VerdictOut,
    /// The receipt that says so.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    receipt_id: String,
    /// Why the gates did not simply pass.
    reasons: Vec<ReasonOut>,
}

/// Schedules, and when they are due next.
///
/// Each as `cascade cron list --json` has it.
#[utoipa::path(
    get,
    path = "/v1/schedules",
    tag = "workflows",
    operation_id = "list_schedules",
    params(TenantHeader),
    responses(
        (status = 200, description = "The schedules", body = Object),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn list(State(api): State<Arc<Api>>, shown: Credentials) -> Result<Response, Problem> {
    api.work(shown, TokenScope::Read, |caller| {
        caller.may("cron list")?;
        let (ledger, now) = (&caller.tenant.ledger, facts::now());
        let all = ledger.schedules()?.into_iter();
        let told = caller.is_told_words()?;
        let all = all.map(|schedule| Ok(Value::Object(members(&Look::at(ledger, schedule, now)?, told))));
        let all = all.collect::<Result<Vec<_>, cascade_ledger::Fault>>()?;
        Ok(answer::document(&Value::object([("schedules", Value::Array(all))])))
    })
    .await
}

/// One schedule, and what became of its last invocations.
///
/// The same document as `cascade cron show --json`.
#[utoipa::path(
    get,
    path = "/v1/schedules/{id}",
    tag = "workflows",
    operation_id = "show_schedule",
    params(
        ("id" = String, Path, description = "The receipt that added it"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "The schedule", body = Object),
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
        caller.may("cron show")?;
        let (ledger, schedule) = (&caller.tenant.ledger, named(caller, &id)?);
        let invocations = ledger.invocations(schedule.receipt_id, INVOCATIONS_KEPT)?;
        let mut members = members(&Look::at(ledger, schedule, facts::now())?, caller.is_told_words()?);
        let all = invocations.iter().map(|one| cron::invocation(ledger, one)).collect();
        members.insert("invocations".to_owned(), Value::Array(all));
        Ok(answer::document(&Value::Object(members)))
    })
    .await
}

/// What is public of a schedule; what it is called and runs only for whoever is told private words.
fn members(look: &Look, told: bool) -> BTreeMap<String, Value> {
    let mut members = look.members();
    if !told {
        members.retain(|key, _| PUBLIC.contains(&key.as_str()));
    }
    members
}

/// Pause, resume or remove a schedule; what runs goes on.
///
/// Decided by all gates, and on record whatever they say.
#[utoipa::path(
    post,
    path = "/v1/schedules/{id}",
    tag = "workflows",
    operation_id = "change_schedule",
    request_body = ScheduleRequest,
    params(
        ("id" = String, Path, description = "The receipt that added it"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "Decided, and on record", body = ScheduleOut),
        (status = "4XX", description = "Nothing changed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(id): Path<String>,
    body: Whole,
) -> Result<Json<ScheduleOut>, Problem> {
    api.work(shown, TokenScope::Actions, move |caller| {
        let request: ScheduleRequest = read(&body)?;
        changed(caller, &id, request).map(Json)
    })
    .await
}

fn changed(caller: &Caller, id: &str, request: ScheduleRequest) -> Result<ScheduleOut, Problem> {
    if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(Problem::bad("request.limit", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    let (ledger, schedule) = (&caller.tenant.ledger, named(caller, id)?);
    let name = cron::name_of(ledger, &schedule)?;
    let what = match request.change {
        ChangeIn::Pause => Change::Pause(&schedule, &name),
        ChangeIn::Resume => Change::Resume(&schedule, &name),
        ChangeIn::Remove => Change::Remove(&schedule, &name),
    };
    let driver = Driver {
        asker: caller.asker.clone(),
        reason: request.reason,
        runtime: caller.tenant.runtime.clone(),
        models: Models::default(),
    };
    let changed = cron::change(ledger, &what, &driver, request.approval.as_deref()).map_err(unchanged)?;
    Ok(ScheduleOut {
        verdict: changed.ruling.decision.verdict.into(),
        receipt_id: changed.receipt.receipt_id.to_string(),
        reasons: ReasonOut::all(&changed.ruling),
    })
}

fn named(caller: &Caller, id: &str) -> Result<Schedule, Problem> {
    let found = cron::find(&caller.tenant.ledger, id)?;
    found.ok_or_else(|| Problem::not_found("there is no such schedule"))
}

/// What the ledger cannot do now is no fault of the request.
fn unchanged(error: CronError) -> Problem {
    match error {
        CronError::Ledger(fault) => fault.into(),
        CronError::Policy(error) => error.into(),
        CronError::Consent(error) => error.into(),
        CronError::Append(error) => error.into(),
        CronError::Unsettled => Problem::busy(),
        other => Problem::conflict("schedule.unchanged", other.to_string()),
    }
}
