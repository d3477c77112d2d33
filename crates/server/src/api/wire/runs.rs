//! Commands that the service runs.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DecisionOut, ReasonOut, VerdictOut, whole};

/// A command that the service is to run.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunRequest {
    /// Program and arguments; never through a shell.
    #[schema(min_items = 1, max_items = 4096)]
    pub(crate) argv: Option<Vec<String>>,
    /// Where it runs: an absolute path; `/` if absent.
    pub(crate) cwd: Option<String>,
    /// Its variables, beside `PATH`, `HOME`, `USER`, `LANG` and `TZ` of the service. They are set by `env`, and decided on
    /// as its words.
    pub(crate) env: Option<BTreeMap<String, String>>,
    /// Its standard input; none if absent.
    pub(crate) stdin: Option<String>,
    /// It is ended after so many seconds; 300 if absent.
    #[schema(minimum = 1, maximum = 3600)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) timeout_seconds: Option<u32>,
    /// Only the decision is wanted.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Run exactly what was approved: the id of the escalation, dry run or approval.
    pub(crate) approval: Option<String>,
    /// Why, in the caller's words; kept privately.
    #[schema(max_length = 16384)]
    pub(crate) reason: Option<String>,
    /// Whom it concerns outside, with a debt or case: `customer-17/loan-3`.
    #[schema(max_length = 200, pattern = r"^[^/\x00-\x1f\x7f-\x9f]+(/[^\x00-\x1f\x7f-\x9f]+)?$")]
    pub(crate) subject: Option<String>,
}

/// What became of it; its receipts are durable.
#[derive(Serialize, ToSchema, Default, Debug)]
pub(crate) struct RunOut {
    /// `admit`, `escalate` or `deny`.
    pub(crate) verdict: VerdictOut,
    /// The last receipt of it.
    pub(crate) receipt_id: String,
    /// All of them, in order.
    pub(crate) receipts: Vec<String>,
    /// `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`.
    pub(crate) risk_tier: String,
    /// Why the gates did not simply pass.
    pub(crate) reasons: Vec<ReasonOut>,
    /// How it ended, where it was admitted: `exited`, `signaled`, `interrupted`, `timed_out`, `revoked`, `not_started`,
    /// `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
    /// Its exit code, where it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<u8>,
    /// What it wrote, where that is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stdout: Option<String>,
    /// The same in base64, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stdout_b64: Option<String>,
    /// What it complained of, where that is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stderr: Option<String>,
    /// The same in base64, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stderr_b64: Option<String>,
    /// It wrote more than is answered.
    pub(crate) truncated: bool,
    /// This answers a request that was answered before, under the same idempotency key; nothing ran again. See
    /// `/v1/actions/{id}` for where the action stands.
    pub(crate) repeated: bool,
}

impl RunOut {
    /// What is known of a request that was answered before.
    pub(crate) fn repeated(known: DecisionOut) -> Self {
        Self {
            verdict: known.verdict,
            receipts: vec![known.receipt_id.clone()],
            receipt_id: known.receipt_id,
            risk_tier: known.risk_tier,
            reasons: known.reasons,
            repeated: true,
            ..Self::default()
        }
    }

    /// Puts the output in.
    pub(crate) fn write(&mut self, stdout: &[u8], stderr: &[u8]) {
        let told = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(Base64::encode_string(bytes))),
        };
        (self.stdout, self.stdout_b64) = told(stdout);
        (self.stderr, self.stderr_b64) = told(stderr);
    }
}
