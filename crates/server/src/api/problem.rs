//! Errors as `application/problem+json` (RFC 9457), each with a stable code.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cascade_ledger::{AppendError, Fault, OpenError};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent::ConsentError;
use cascade_runtime::govern::GovernError;
use cascade_runtime::lease::LeaseError;
use cascade_runtime::policy_store::StoreError;
use cascade_runtime::refused_act::RecordError;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::ReasonOut;
use crate::tenants::TenantError;

/// What went wrong. `code` is stable; `detail` is for people.
#[derive(Serialize, ToSchema, Debug)]
#[schema(title = "Problem")]
pub(crate) struct Problem {
    /// Always `about:blank`: the code says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Which problem: `auth.missing`, `request.malformed`, `action.not_open` …
    code: &'static str,
    /// For people.
    detail: String,
    /// Why the gates do not let it be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<ReasonOut>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let (kind, reasons) = ("about:blank", Vec::new());
        Self { kind, title, status: status.as_u16(), code, detail: detail.into(), reasons }
    }

    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The policy does not let this caller do this.
    pub(crate) fn forbidden(detail: impl Into<String>, reasons: Vec<ReasonOut>) -> Self {
        Self { reasons, ..Self::new(StatusCode::FORBIDDEN, "policy.denied", detail) }
    }

    /// Whether it tells somebody that nobody knows them.
    pub(crate) fn is_of_somebody_unknown(&self) -> bool {
        matches!(self.code, "auth.unknown" | "auth.too_many")
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is on record of it.
    pub(crate) fn of(mut self, receipt: ReceiptId) -> Self {
        self.detail.push_str(&format!("; that is on record as {receipt}"));
        self
    }

    /// An answer of a person that does not count.
    pub(crate) fn refused(reasons: &[Reason]) -> Self {
        let reasons = reasons.iter().map(ReasonOut::of_code).collect();
        Self { reasons, ..Self::conflict("approval.refused", "the answer does not count; that is on record") }
    }

    /// What this service was not started for.
    pub(crate) fn not_here(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_performed_here", detail)
    }

    pub(crate) fn unauthorized(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// Nothing begins for this tenant.
    pub(crate) fn suspended() -> Self {
        Self::new(StatusCode::FORBIDDEN, "tenant.suspended", "the tenant is suspended")
    }

    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too much is asked for at once; try again")
    }

    /// The tenant asks faster than it may. Within a second there is room again.
    pub(crate) fn too_fast(per_s: u32) -> Self {
        let detail = format!("this tenant may ask {per_s} times in a second");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant.too_fast", detail)
    }

    /// The tenant has begun more than it has reported.
    pub(crate) fn too_many_open(most: u32, of_one: bool) -> Self {
        let whose = if of_one { "yours" } else { "this tenant" };
        let detail = format!(
            "{most} admitted actions of {whose} wait for their outcome; report some, or let them run out"
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant.too_many_open", detail)
    }

    /// What the disk said is the operator's business.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// What it says, for whoever says it in other words.
    pub(crate) fn told(&self) -> (StatusCode, &'static str, &str, &[ReasonOut]) {
        let status = self.status();
        (status, self.code, &self.detail, &self.reasons)
    }

    pub(crate) fn no_route() -> Self {
        Self::not_found("there is no such route; see /v1/docs")
    }

    pub(crate) fn no_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this route has no such method; see /v1/docs")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Fault> for Problem {
    fn from(_: Fault) -> Self {
        Self::internal("the ledger cannot be read now; `cascade fsck` says more")
    }
}

impl From<StoreError> for Problem {
    fn from(_: StoreError) -> Self {
        Self::internal("the policy in force cannot be loaded; nothing is decided without it")
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        match error {
            // Whether there is such a tenant is nothing that a stranger is told.
            TenantError::Open(OpenError::NoTenant(_)) => {
                Self::unauthorized("auth.unknown", "this token does not hold here")
            }
            _ => Self::internal("the ledger cannot be opened now; `cascade doctor` says more"),
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NotOpen { .. } => Self::conflict("action.not_open", error.to_string()),
            AppendError::Halted => Self::new(StatusCode::FORBIDDEN, "halted", error.to_string()),
            AppendError::Suspended => Self::suspended(),
            AppendError::NotRecorded(_) | AppendError::Stopped => {
                Self::internal("nothing could be recorded, so nothing was done; `cascade doctor` says more")
            }
            AppendError::Unsettled(_) => Self::internal(
                "whether it was recorded cannot be said, so nothing was done; `cascade doctor` says more",
            ),
            other => Self::conflict("refused", other.to_string()),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Append(error) => error.into(),
            RecordError::Ledger(fault) => fault.into(),
            RecordError::Runtime(_) => Self::internal("it was refused, and that could not be recorded"),
        }
    }
}

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::NotFound(_) | ConsentError::Ambiguous(_) => Self::not_found(error.to_string()),
            ConsentError::Ledger(fault) => fault.into(),
            ConsentError::Policy(fault) => fault.into(),
            ConsentError::Append(error) => error.into(),
            other => Self::conflict("approval.unusable", other.to_string()),
        }
    }
}

impl From<GovernError> for Problem {
    fn from(error: GovernError) -> Self {
        match error {
            GovernError::Policy(error) => error.into(),
            GovernError::Ledger(fault) => fault.into(),
            GovernError::Append(error) => error.into(),
            GovernError::ApprovalGone(reasons) => Self::refused(&reasons),
            GovernError::Unsettled => Self::busy(),
            GovernError::Started(_) => Self::internal(
                "the command was started, and what became of it could not be recorded; look before you ask again",
            ),
            other => Self::conflict("action.not_run", other.to_string()),
        }
    }
}

impl From<LeaseError> for Problem {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::ReasonTooLong | LeaseError::LeaseLength => {
                Self::bad("request.limit", error.to_string())
            }
            LeaseError::OtherAction(_) => Self::conflict("approval.other_action", error.to_string()),
            LeaseError::NotOpen(_) => Self::conflict("action.not_open", error.to_string()),
            LeaseError::Consent(error) => error.into(),
            LeaseError::Policy(error) => error.into(),
            LeaseError::Ledger(fault) => fault.into(),
            LeaseError::Append(error) => error.into(),
            LeaseError::Unsettled => Self::busy(),
            LeaseError::Look(_) | LeaseError::Lock(_) | LeaseError::Damaged(_) => {
                Self::internal("the action cannot be looked at now")
            }
        }
    }
}
