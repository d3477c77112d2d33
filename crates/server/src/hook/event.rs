//! Events as the agents write them. Members that nobody needs here are passed over; agents add some with every version.
//!
//! Sources: the hooks reference of Claude Code (2.1.295 and later), `codex-rs/hooks/src/schema.rs`, and
//! `docs/hooks/reference.md` of Gemini CLI.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Agent, Call, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, Event, HookError, ID_BYTES_MAX, report};

/// What every event has.
#[derive(Deserialize)]
struct Common {
    hook_event_name: String,
}

/// What events about a tool have.
#[derive(Deserialize)]
struct Tool {
    session_id: String,
    cwd: PathBuf,
    tool_name: String,
    tool_input: Map<String, Value>,
    #[serde(default)]
    tool_use_id: Option<String>,
    #[serde(default)]
    turn_id: Option<String>,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    mcp_context: Option<Mcp>,
}

/// Where Gemini CLI has a tool from that is not its own.
#[derive(Deserialize)]
struct Mcp {
    server_name: String,
    tool_name: String,
}

/// How the tools of MCP servers are called: `mcp__SERVER__TOOL`.
const MCP: (&str, &str) = ("mcp__", "__");

/// What is done with an event of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Before,
    Permission,
    After,
    Failure,
    Other,
}

/// Events that are no action.
const OTHERS: &[&str] = &[
    "AfterAgent",
    "AfterModel",
    "BeforeAgent",
    "BeforeModel",
    "BeforeToolSelection",
    "ConfigChange",
    "CwdChanged",
    "FileChanged",
    "InstructionsLoaded",
    "Interrupt",
    "Notification",
    "PermissionDenied",
    "PostCompact",
    "PostToolBatch",
    "PreCompact",
    "PreCompress",
    "SessionEnd",
    "SessionStart",
    "Setup",
    "Stop",
    "StopFailure",
    "SubagentStart",
    "SubagentStop",
    "TaskCompleted",
    "TaskCreated",
    "TeammateIdle",
    "UserPromptExpansion",
    "UserPromptSubmit",
];

/// Reads one event.
///
/// # Errors
/// [`HookError`]: whatever is not understood is refused.
pub fn read(agent: Agent, bytes: &[u8]) -> Result<Event, HookError> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(HookError::TooLong);
    }
    if depth(bytes) > EVENT_DEPTH_MAX {
        return Err(HookError::TooDeep);
    }
    let malformed = |cause| HookError::Malformed { agent: agent.title(), cause };
    let common: Common = serde_json::from_slice(bytes).map_err(malformed)?;
    let name = common.hook_event_name;
    let Some(part) = part(agent, &name) else {
        return Err(HookError::Unknown { agent: agent.title(), name });
    };
    if part == Part::Other {
        return Ok(Event::Other);
    }
    let call = call(agent, part, serde_json::from_slice(bytes).map_err(malformed)?)?;
    Ok(match part {
        Part::Before => Event::Before(call),
        Part::Permission => Event::Permission(call),
        Part::After | Part::Failure | Part::Other => {
            let report = report::read(agent, part == Part::Failure, bytes).map_err(malformed)?;
            Event::After(call, Box::new(report))
        }
    })
}

fn part(agent: Agent, name: &str) -> Option<Part> {
    Some(match (agent, name) {
        (Agent::ClaudeCode | Agent::Codex, "PreToolUse") | (Agent::Gemini, "BeforeTool") => Part::Before,
        (Agent::ClaudeCode | Agent::Codex, "PermissionRequest") => Part::Permission,
        (Agent::ClaudeCode | Agent::Codex, "PostToolUse") | (Agent::Gemini, "AfterTool") => Part::After,
        (Agent::ClaudeCode, "PostToolUseFailure") => Part::Failure,
        (_, name) if OTHERS.contains(&name) => Part::Other,
        _ => return None,
    })
}

fn call(agent: Agent, part: Part, tool: Tool) -> Result<Call, HookError> {
    let sound = |text: &str| !text.is_empty() && text.len() <= ID_BYTES_MAX;
    let named = [("session_id", &tool.session_id), ("tool_name", &tool.tool_name)];
    if let Some((name, _)) = named.into_iter().find(|(_, text)| !sound(text)) {
        return Err(HookError::Member(name));
    }
    if !tool.cwd.is_absolute() {
        return Err(HookError::Cwd);
    }
    // Without an id two calls could be taken for one; only Gemini CLI has none, and tells the time instead.
    let (id, moment) = match (agent, part) {
        (Agent::Gemini, _) => (None, required("timestamp", tool.timestamp)?),
        (_, Part::Permission) => (None, tool.turn_id.unwrap_or_default()),
        _ => (Some(required("tool_use_id", tool.tool_use_id)?), String::new()),
    };
    let mcp = tool.mcp_context.map(|mcp| (mcp.server_name, mcp.tool_name));
    Ok(Call {
        session: tool.session_id,
        id,
        moment,
        mcp: mcp.or_else(|| mcp_of(&tool.tool_name)),
        tool: tool.tool_name,
        input: tool.tool_input,
        cwd: tool.cwd,
    })
}

fn mcp_of(tool: &str) -> Option<(String, String)> {
    let (server, tool) = tool.strip_prefix(MCP.0)?.split_once(MCP.1)?;
    Some((server.to_owned(), tool.to_owned()))
}

fn required(name: &'static str, text: Option<String>) -> Result<String, HookError> {
    text.filter(|text| !text.is_empty() && text.len() <= ID_BYTES_MAX).ok_or(HookError::Member(name))
}

/// How deep brackets are nested, texts aside; of bytes that are no JSON, any number.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(more: &str) -> String {
        format!(
            r#"{{"session_id":"s","cwd":"/srv","hook_event_name":"PreToolUse","tool_name":"Read","tool_use_id":"t"{more}}}"#
        )
    }

    #[test]
    fn an_event_is_so_deep_and_no_deeper() {
        let nested = |levels: usize| {
            event(&format!(r#","tool_input":{{"a":{}{}}}"#, "[".repeat(levels - 2), "]".repeat(levels - 2)))
        };
        assert!(read(Agent::ClaudeCode, nested(EVENT_DEPTH_MAX).as_bytes()).is_ok());
        let past = read(Agent::ClaudeCode, nested(EVENT_DEPTH_MAX + 1).as_bytes());
        assert!(matches!(past, Err(HookError::TooDeep)), "{past:?}");
        // Brackets in a text are no nesting.
        let text = event(&format!(r#","tool_input":{{"a":"\"{}"}}"#, "[".repeat(1000)));
        assert!(read(Agent::ClaudeCode, text.as_bytes()).is_ok());
    }

    #[test]
    fn an_event_is_so_long_and_no_longer() {
        let mut bytes = event(r#","tool_input":{}"#).into_bytes();
        bytes.resize(EVENT_BYTES_MAX, b' ');
        assert!(read(Agent::ClaudeCode, &bytes).is_ok());
        bytes.push(b' ');
        assert!(matches!(read(Agent::ClaudeCode, &bytes), Err(HookError::TooLong)));
    }

    #[test]
    fn an_id_is_so_long_and_no_longer() {
        let with = |length: usize| {
            event(r#","tool_input":{}"#).replace(r#""t""#, &format!(r#""{}""#, "t".repeat(length)))
        };
        assert!(read(Agent::Codex, with(ID_BYTES_MAX).as_bytes()).is_ok());
        for length in [0, ID_BYTES_MAX + 1] {
            let refused = read(Agent::Codex, with(length).as_bytes());
            assert!(matches!(refused, Err(HookError::Member("tool_use_id"))), "{refused:?}");
        }
    }
}
