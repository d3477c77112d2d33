//! `POST /v1/tasks`: a task in words, answered by the lowest layer that can.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cascade_policy::facts::{TASK_BYTES_MAX, TASK_EXAMPLES_MAX, Task, TaskKind};
use cascade_receipt::content::{Layer, TokenScope};
use cascade_runtime::task::{self, Request, TaskError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::actions::read;
use super::{Api, Caller, Credentials, Problem, TenantHeader, Whole, answer};

/// A task.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskRequest {
    /// What is wanted, in words.
    #[serde(default)]
    text: String,
    /// `code`, `cli` or `ask`; found out if absent.
    #[schema(pattern = "^(code|cli|ask)$")]
    kind: Option<String>,
    /// The function that is wanted: `f(xs: list[int]) -> int`.
    signature: Option<String>,
    /// Calls and their results: `f([1, 2]) == 3`.
    #[serde(default)]
    examples: Vec<String>,
    /// Python with tests of the function.
    tests: Option<String>,
    /// JSON Schema, or `CREATE TABLE`.
    schema: Option<String>,
    /// No layer above this one is asked: `L1` … `L7`.
    #[schema(pattern = "^L([1-7]|6\\.5)$")]
    max_layer: Option<String>,
    /// Only the decision is wanted.
    #[serde(default)]
    dry_run: bool,
    /// Tokens may be spent although a question to the caller would cost nothing.
    #[serde(default)]
    spend: bool,
    /// Why, in the caller's words; kept privately.
    #[schema(max_length = 16384)]
    reason: Option<String>,
}

/// Answer a task by the lowest layer that can.
///
/// The same document as `cascade task --json`: the answer with its evidence, the layer, the receipts, and why each lower
/// layer declined. A task that is a command is not run here: `/v1/actions` is for that.
#[utoipa::path(
    post,
    path = "/v1/tasks",
    tag = "tasks",
    operation_id = "answer_task",
    request_body = TaskRequest,
    params(TenantHeader),
    responses(
        (status = 200, description = "What came of it, on record", body = Object),
        (status = "4XX", description = "Nothing was asked", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn ask(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Response, Problem> {
    let own = Arc::clone(&api);
    api.run_work(shown, TokenScope::Actions, move |caller| {
        let request: TaskRequest = read(&body)?;
        if caller.key.is_some() {
            return Err(Problem::bad(
                "request.idempotency_key",
                "tasks are not answered by key: sent again, it is asked again",
            ));
        }
        asked(&own, caller, request)
    })
    .await
}

fn asked(api: &Api, caller: &Caller, request: TaskRequest) -> Result<Response, Problem> {
    let kind = match request.kind.as_deref() {
        None => None,
        Some(word) => Some(TaskKind::parse(word).ok_or_else(|| malformed("`kind` is code, cli or ask"))?),
    };
    let max_layer = match request.max_layer.as_deref().map(Layer::parse) {
        None => Layer::L7,
        Some(None | Some(Layer::Ext(_))) => return Err(malformed("`max_layer` is one of L1 … L6, L6.5, L7")),
        Some(Some(layer)) => layer,
    };
    let ledger = &caller.tenant.ledger;
    let mut task = Task {
        kind: TaskKind::Ask,
        text: request.text,
        signature: request.signature,
        examples: request.examples,
        tests: request.tests,
        schema: request.schema,
        max_layer: max_layer.to_string(),
        tools: Vec::new(),
        model: None,
    };
    if task.examples.len() > TASK_EXAMPLES_MAX || task.bytes() > TASK_BYTES_MAX {
        let detail = format!("a task has at most {TASK_BYTES_MAX} bytes and {TASK_EXAMPLES_MAX} examples");
        return Err(Problem::bad("request.limit", detail));
    }
    let router = api.router()?;
    task.kind = kind.map_or_else(|| router.kind_of(ledger, &task), Ok)?;
    if task.kind == TaskKind::Cli && !request.dry_run {
        return Err(Problem::not_here(
            "this task is a command; have it run by `/v1/actions`, or run it where you are",
        ));
    }
    let asked = Request {
        task,
        approved: None,
        asker: caller.asker.clone(),
        dry_run: request.dry_run,
        spend: request.spend,
        reason: request.reason,
        runtime: caller.tenant.runtime.clone(),
        step: None,
    };
    let tasked = router.answer(ledger, &asked)?;
    caller.began(tasked.receipts.iter().map(|receipt| receipt.receipt_id));
    Ok(answer::json(task::document(&tasked).to_string()))
}

fn malformed(detail: &str) -> Problem {
    Problem::bad("request.malformed", detail)
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Policy(error) => error.into(),
            TaskError::Ledger(fault) => fault.into(),
            TaskError::Govern(error) => error.into(),
            TaskError::Append(error) => error.into(),
            TaskError::ApprovalGone(reasons) => Self::refused(&reasons),
            TaskError::Unsettled | TaskError::Outdated => Self::busy(),
            TaskError::Lock(_) | TaskError::Look(_) | TaskError::Defect(_) => {
                Self::internal("the task could not be worked on")
            }
        }
    }
}
