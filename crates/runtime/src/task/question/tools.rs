//! Tools that a model is offered: it may have commands run. Each is an action of its own, decided by all gates as an
//! agent's, whoever asked; what it gave goes back to the model.

use std::ffi::OsString;
use std::time::Duration;

use cascade_kernel::action::{Outcome, Record};
use cascade_policy::facts::Task;
use serde_json::{Value, json};

use super::{Question, ROUNDS_TOOLS};
use crate::facts::{Command, Input};
use crate::govern::{self, GovernError, Governed, govern};
use crate::model::{Estimate, Model, ToolCall, ToolSpec, Turn};
use crate::process::{Captured, StreamsPlan};
use crate::task::{Called, TaskError};

/// The one tool that there is.
pub const COMMAND: &str = "command";
/// Most calls that are done in one round; the others are answered that there were too many.
const CALLS_MAX: usize = 8;
/// Bytes of each stream of a command that the model is shown.
const SHOWN_BYTES_MAX: usize = 2 * 1024;
/// Bytes that all rounds of one question are shown of results.
const FED_BYTES_MAX: usize = 64 * 1024;
/// What is shown instead of a result past that.
const NO_ROOM: &str = "too much was shown";
/// Tokens that stand around one call and its result at the most.
const AROUND_TOKENS: u64 = 64;
/// Longest argv, in words and in bytes.
const ARGV_WORDS_MAX: usize = 256;
const ARGV_BYTES_MAX: usize = 64 * 1024;
/// Most output of one command that is kept.
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;
/// Longest time of one command.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) const SYSTEM: &str =
    " You may have commands run with the tool `command`, at most eight rounds; then answer in words.";

/// What the task offers.
pub(super) fn offered(task: &Task) -> Vec<ToolSpec> {
    let schema = json!({
        "type": "object",
        "properties": {"argv": {
            "type": "array", "items": {"type": "string"}, "minItems": 1,
            "description": "program and arguments; no shell reads them",
        }},
        "required": ["argv"],
    });
    let description = "Runs a command in the caller's directory, if policy admits it, and gives its output.";
    let spec = |name: &String| ToolSpec {
        name: name.clone(),
        description: description.to_owned(),
        schema: schema.clone(),
    };
    task.tools.iter().map(spec).collect()
}

/// What all rounds can cost at most: every one is sent all that came before.
pub(super) fn most(model: &Model, once: Estimate) -> (u64, u64, u64) {
    let rounds = u64::try_from(ROUNDS_TOOLS).unwrap_or(u64::MAX);
    let calls = rounds.saturating_mul(u64::try_from(crate::model::TOOL_CALLS_MAX).unwrap_or(u64::MAX));
    let before = u64::try_from(FED_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(rounds.saturating_mul(once.tokens_out))
        .saturating_add(calls.saturating_mul(AROUND_TOKENS));
    let tokens_in = rounds.saturating_mul(once.tokens_in.saturating_add(before));
    let tokens_out = rounds.saturating_mul(once.tokens_out);
    (tokens_in, tokens_out, model.cost(tokens_in, tokens_out))
}

impl Question<'_, '_> {
    /// Does what a model wants called. `on` says before each whether the question is still admitted.
    pub(super) fn called(
        &mut self,
        text: String,
        calls: Vec<ToolCall>,
        on: &mut dyn FnMut(&mut Self) -> Result<bool, TaskError>,
    ) -> Result<Turn, TaskError> {
        let mut results = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let result = if at >= CALLS_MAX {
                refused(&format!("only {CALLS_MAX} calls are done in one round"))
            } else if call.name != COMMAND {
                self.of.invented += 1;
                refused(&format!("there is no such tool; there is `{COMMAND}`"))
            } else if !on(self)? {
                refused("the question is no longer admitted")
            } else {
                self.command(&call.arguments)?
            };
            let result = result.to_string();
            let left = FED_BYTES_MAX.saturating_sub(self.fed);
            if result.len() > left {
                results.push(NO_ROOM.to_owned());
                continue;
            }
            self.fed += result.len();
            results.push(result);
        }
        Ok(Turn { text, calls, results })
    }

    fn command(&mut self, arguments: &Value) -> Result<Value, TaskError> {
        let Some(argv) = argv_of(arguments) else {
            return Ok(refused("the arguments are {\"argv\": [\"program\", \"argument\"]}"));
        };
        let mut command = Command::here(argv.iter().map(OsString::from).collect())?;
        command.input = Input::None;
        let request = govern::Request {
            command,
            asker: self.of.asker.behind_model(self.of.ledger)?,
            dry_run: false,
            approved: None,
            reason: Some(format!("a model asked for it in {}", self.intent_id)),
            timeout: Some(TIMEOUT),
            streams: StreamsPlan::Capture { cap_bytes: OUTPUT_BYTES_MAX },
            runtime: self.of.request.runtime.clone(),
            task: None,
            step: None,
            cron: None,
            takes_back: None,
            request: None,
        };
        match govern(self.of.ledger, request) {
            Ok(governed) => Ok(self.take_over(argv, governed)),
            Err(GovernError::Look(error)) => Ok(refused(&error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// What the model is told, and the caller.
    fn take_over(&mut self, argv: Vec<String>, governed: Governed) -> Value {
        let verdict = governed.ruling.decision.verdict;
        let exit_code = governed.exit_code();
        let last = governed.receipts.last().map(|receipt| receipt.receipt_id);
        self.of.receipts.extend(governed.receipts);
        self.of.calls.extend(last.map(|receipt_id| Called { argv, verdict, exit_code, receipt_id }));
        let waits = governed.outcome == Outcome::Decided(Record::Escalation);
        if matches!(governed.outcome, Outcome::Decided(_)) {
            let why: Vec<&str> =
                governed.ruling.decision.reasons().map(|(_, reason)| reason.code.as_str()).collect();
            let what = if waits { "it waits for a person's approval" } else { "it is denied" };
            return json!({"error": what, "reasons": why, "verdict": verdict.as_str()});
        }
        let Captured { stdout, stderr } = governed.captured.unwrap_or_default();
        let ((stdout, cut), (stderr, cut_too)) = (shown(&stdout), shown(&stderr));
        let truncated = cut || cut_too || governed.truncated;
        json!({"exit_code": exit_code, "stdout": stdout, "stderr": stderr, "truncated": truncated})
    }
}

fn refused(why: &str) -> Value {
    json!({"error": why})
}

/// `None` for what is no argv.
fn argv_of(arguments: &Value) -> Option<Vec<String>> {
    let read;
    // Some providers hand arguments over as a text.
    let arguments = match arguments.as_str() {
        Some(text) => {
            read = serde_json::from_str::<Value>(text).ok()?;
            &read
        }
        None => arguments,
    };
    let members = arguments.as_object().filter(|members| members.len() == 1)?;
    let words = members.get("argv")?.as_array().filter(|words| words.len() <= ARGV_WORDS_MAX)?;
    let argv: Vec<String> =
        words.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    let whole = argv.iter().map(String::len).sum::<usize>() <= ARGV_BYTES_MAX;
    let named = argv.first().is_some_and(|program| !program.is_empty());
    (whole && named && !argv.iter().any(|word| word.contains('\0'))).then_some(argv)
}

/// The beginning of an output as text, and whether something of it is missing.
fn shown(bytes: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(bytes);
    let end = (0..=text.len().min(SHOWN_BYTES_MAX)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    (text.get(..end).unwrap_or_default().to_owned(), end < text.len())
}
