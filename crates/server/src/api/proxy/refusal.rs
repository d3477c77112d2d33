//! Why there is no answer, in the words that the client's own provider would use.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cascade_policy::words;
use cascade_receipt::content::Ending;
use cascade_receipt::decision::{GateName, GateOutcome, Verdict};
use cascade_receipt::id::ReceiptId;
use cascade_runtime::lease::Begun;
use cascade_runtime::model::{Dialect, ModelFault};
use cascade_runtime::relay::Ended;
use serde_json::{Value, json};

use super::super::Problem;
use super::super::wire::ReasonOut;

/// Names the receipt that an answer comes with.
pub(super) static RECEIPT: HeaderName = HeaderName::from_static("cascade-receipt");
/// What the providers' own clients ask before they send a request again.
static SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// No answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
    receipt: Option<ReceiptId>,
    reasons: Vec<ReasonOut>,
    /// Whether the same may be answered when it is asked again soon, and after how many seconds.
    again: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (receipt, reasons, again) = (None, Vec::new(), None);
        Self { status, code: code.into(), message: message.into(), receipt, reasons, again }
    }

    pub(super) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn no_model(name: &str) -> Self {
        let message = format!("no model `{name}` is configured here; /v1/models lists those that are");
        Self::new(StatusCode::NOT_FOUND, "model_not_found", message)
    }

    pub(super) fn other_dialect(name: &str, dialect: Dialect) -> Self {
        let speaks = match dialect {
            Dialect::Chat => "chat completions",
            Dialect::Messages => "Anthropic's messages",
        };
        Self::new(StatusCode::NOT_FOUND, "model_not_found", format!("`{name}` does not speak {speaks}"))
    }

    pub(super) fn too_many_tokens(allowed: u64) -> Self {
        let message = format!(
            "an answer of this model has at most {allowed} tokens here: ask for fewer, or have `max_output_tokens` \
             raised in models.toml"
        );
        Self::bad("request.limit", message)
    }

    pub(super) fn busy() -> Self {
        let message = "too many requests are with models already; try again";
        Self { again: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", message) }
    }

    pub(super) fn of(problem: &Problem) -> Self {
        let (status, code, detail, reasons) = problem.told();
        let passing = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let reasons = reasons.to_vec();
        Self { reasons, again: passing.then_some(1), ..Self::new(status, code, detail) }
    }

    /// The gates did not admit it.
    pub(super) fn undecided(begun: &Begun) -> Self {
        let receipt = begun.receipt.receipt_id;
        let decision = &begun.ruling.decision;
        let said: Vec<String> = words::texts(&begun.ruling);
        let refusal = if decision.verdict == Verdict::Escalate {
            let message = format!(
                "this waits for people: `cascade approve {receipt}`, then send the same request again ({})",
                said.join("; ")
            );
            Self::new(StatusCode::FORBIDDEN, "approval.needed", message)
        } else {
            let denying = || {
                decision.gates.iter().filter(|gate| gate.outcome == GateOutcome::Deny).map(|gate| gate.gate)
            };
            // Nothing else stands against it: it is a matter of waiting, as with a provider's own quota.
            let used_up = denying().all(|gate| gate == GateName::Budget) && denying().next().is_some();
            let (status, code) = if used_up {
                (StatusCode::TOO_MANY_REQUESTS, "budget.exhausted")
            } else {
                (StatusCode::FORBIDDEN, "policy.denied")
            };
            Self::new(status, code, format!("denied: {} (receipt {receipt})", said.join("; ")))
        };
        Self { receipt: Some(receipt), reasons: ReasonOut::all(&begun.ruling), ..refusal }
    }

    /// It was admitted, and no whole answer came.
    pub(super) fn ended(ended: &Ended) -> Self {
        let receipt = ended.closer.receipt_id;
        let refusal = match &ended.fault {
            _ if ended.ending == Ending::Revoked => {
                let why: Vec<&str> = ended.reasons.iter().map(|one| words::code_text(&one.code)).collect();
                Self::new(StatusCode::FORBIDDEN, "revoked", format!("no longer admitted: {}", why.join("; ")))
            }
            Some(fault) => Self::of_fault(fault),
            None => Self::new(StatusCode::BAD_GATEWAY, "model.failed", "no answer came"),
        };
        let reasons = ended.reasons.iter().map(ReasonOut::of_code).collect();
        Self { receipt: Some(receipt), reasons, ..refusal }
    }

    fn of_fault(fault: &ModelFault) -> Self {
        let with = |status| Self::new(status, fault.code(), fault.to_string());
        match fault {
            ModelFault::RateLimited(wait) => {
                let again = wait.map_or(1, |wait| wait.as_secs());
                Self { again: Some(again), ..with(StatusCode::TOO_MANY_REQUESTS) }
            }
            ModelFault::TimedOut(_) => with(StatusCode::GATEWAY_TIMEOUT),
            ModelFault::Rejected { status, .. } => {
                let client = |status: &StatusCode| status.is_client_error();
                let status = StatusCode::from_u16(*status).ok().filter(client);
                with(status.unwrap_or(StatusCode::BAD_GATEWAY))
            }
            // What our key lacks is nothing that the client could mend with its own.
            _ => with(StatusCode::BAD_GATEWAY),
        }
    }

    fn error(&self, dialect: Dialect) -> Value {
        let kind = match dialect {
            Dialect::Chat => self.openai_kind(),
            Dialect::Messages => self.anthropic_kind(),
        };
        let mut error = json!({"type": kind, "code": self.code, "message": self.message});
        if let Value::Object(members) = &mut error {
            if dialect == Dialect::Chat {
                members.insert("param".to_owned(), Value::Null);
            }
            if let Some(receipt) = self.receipt {
                members.insert("receipt_id".to_owned(), receipt.to_string().into());
            }
            if !self.reasons.is_empty() {
                members.insert("reasons".to_owned(), json!(self.reasons));
            }
        }
        match dialect {
            Dialect::Chat => json!({"error": error}),
            Dialect::Messages => json!({"type": "error", "error": error}),
        }
    }

    fn openai_kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 if self.code == "budget.exhausted" => "insufficient_quota",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }

    fn anthropic_kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            503 => "overloaded_error",
            _ => "api_error",
        }
    }

    /// The error at the end of a stream that had begun.
    pub(super) fn event(&self, dialect: Dialect) -> Vec<u8> {
        let name = if dialect == Dialect::Messages { "event: error\n" } else { "" };
        format!("{name}data: {}\n\n", self.error(dialect)).into_bytes()
    }

    pub(super) fn response(&self, dialect: Dialect) -> Response {
        let mut response = (self.status, self.error(dialect).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(receipt) = self.receipt.and_then(|id| HeaderValue::from_str(&id.to_string()).ok()) {
            headers.insert(RECEIPT.clone(), receipt);
        }
        match self.again {
            Some(after) => drop(headers.insert(header::RETRY_AFTER, after.into())),
            // Asked again it is another action, with another receipt and the same end.
            None if self.status.is_client_error() => {
                drop(headers.insert(SHOULD_RETRY.clone(), HeaderValue::from_static("false")));
            }
            None => {}
        }
        response
    }
}
