//! How a call ended, in the words of each agent.

use std::time::Duration;

use cascade_receipt::content::Ending;
use cascade_receipt::decision::Reason;
use cascade_runtime::lease::{Outcome, Output};
use serde::Deserialize;
use serde_json::Value;

use super::{Agent, Report};

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    tool_response: Value,
    /// Claude Code, of a failure: what went wrong.
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    is_interrupt: bool,
    #[serde(default)]
    duration_ms: Option<u64>,
}

/// Claude Code begins the error of a shell so.
const EXIT_CODE: &str = "Exit code ";

pub(super) fn read(agent: Agent, failure: bool, bytes: &[u8]) -> Result<Report, serde_json::Error> {
    let after: After = serde_json::from_slice(bytes)?;
    let response = &after.tool_response;
    let told = |name: &str| response.get(name).unwrap_or(&Value::Null);
    // `interrupted` is Claude Code's of a shell, `isError` that of MCP tools, `error` Gemini CLI's. Codex gives the
    // output of a shell as a text and no exit code with it.
    let interrupted = after.is_interrupt || told("interrupted") == &Value::Bool(true);
    let is_error = told("isError") == &Value::Bool(true) || told("is_error") == &Value::Bool(true);
    let has_error = agent == Agent::Gemini && !told("error").is_null();
    let exit_code = match &after.error {
        Some(error) => exit_code_of(error),
        None => response.get("exit_code").and_then(Value::as_u64).and_then(|code| u8::try_from(code).ok()),
    };
    let failed = failure || interrupted || is_error || has_error || exit_code.is_some_and(|code| code != 0);
    Ok(Report {
        failed,
        exit_code,
        duration: after.duration_ms.map(Duration::from_millis),
        code: match (failed, interrupted) {
            (true, true) => Some("agent.interrupted"),
            (true, false) => Some("agent.failed"),
            (false, _) => None,
        },
        output: after.error.map_or_else(|| bytes_of(response), String::into_bytes),
    })
}

fn exit_code_of(error: &str) -> Option<u8> {
    let digits = error.strip_prefix(EXIT_CODE)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// A text as it is, anything else as JSON.
fn bytes_of(response: &Value) -> Vec<u8> {
    match response {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

pub(super) fn outcome(report: &Report) -> Outcome {
    Outcome {
        exit_code: report.exit_code,
        duration: report.duration,
        output: (!report.output.is_empty()).then(|| Output::of(report.output.clone())),
        reasons: report.code.map(Reason::code).into_iter().collect(),
        ..Outcome::of(if report.failed { Ending::Failed } else { Ending::Completed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_tells_in_its_own_way_that_a_call_failed() {
        let of = |agent, failure, text: &str| {
            let report = read(agent, failure, text.as_bytes()).unwrap();
            (report.failed, report.exit_code, report.code)
        };
        let cases = [
            (
                Agent::ClaudeCode,
                false,
                r#"{"tool_response":{"stdout":"x","interrupted":false}}"#,
                (false, None, None),
            ),
            (
                Agent::ClaudeCode,
                false,
                r#"{"tool_response":{"interrupted":true}}"#,
                (true, None, Some("agent.interrupted")),
            ),
            (
                Agent::ClaudeCode,
                true,
                r#"{"error":"Exit code 101\nno"}"#,
                (true, Some(101), Some("agent.failed")),
            ),
            (Agent::ClaudeCode, true, r#"{"error":"Exit code 999"}"#, (true, None, Some("agent.failed"))),
            (
                Agent::ClaudeCode,
                true,
                r#"{"error":"gone","is_interrupt":true}"#,
                (true, None, Some("agent.interrupted")),
            ),
            (Agent::Codex, false, r#"{"tool_response":"Exit code 7"}"#, (false, None, None)),
            (
                Agent::Codex,
                false,
                r#"{"tool_response":{"content":[],"isError":true}}"#,
                (true, None, Some("agent.failed")),
            ),
            (
                Agent::Gemini,
                false,
                r#"{"tool_response":{"llmContent":"x","error":{"message":"no"}}}"#,
                (true, None, Some("agent.failed")),
            ),
            (Agent::Gemini, false, r#"{"tool_response":{"llmContent":"x"}}"#, (false, None, None)),
        ];
        for (agent, failure, text, expected) in cases {
            assert_eq!(of(agent, failure, text), expected, "{text}");
        }
    }
}
