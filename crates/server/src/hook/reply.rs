//! Answers as each agent reads them.
//!
//! Exit code 2 with a text on stderr blocks in all three. Any other code than 0 and 2 lets the call go on, and so does
//! an answer that the agent cannot read: nothing is said here that its reference does not list.

use serde_json::{Value, json};

use super::{Agent, Answer, Event};

/// The exit code that blocks.
pub const BLOCK: u8 = 2;

/// What is written, and how the hook ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// One JSON document, or nothing.
    pub stdout: Option<String>,
    /// A text for the agent.
    pub stderr: Option<String>,
    /// The exit code.
    pub code: u8,
}

/// How an answer is worded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Manner {
    /// What is admitted is allowed at once, past the agent's own questions.
    pub decide: bool,
    /// What people can lift is left to whoever sits at the agent.
    pub ask: bool,
}

impl Reply {
    const fn silent() -> Self {
        Self { stdout: None, stderr: None, code: 0 }
    }

    fn of(document: &Value) -> Self {
        Self { stdout: Some(document.to_string()), ..Self::silent() }
    }
}

/// The answer to an event; `text` says why, for the model to read, and is never empty where something is refused.
#[must_use]
pub fn reply(agent: Agent, event: &Event, answer: &Answer, (text, manner): (&str, Manner)) -> Reply {
    let escalated = matches!(answer, Answer::Refused { escalated: true, .. });
    match (event, answer) {
        (Event::Before(_), Answer::Admitted(_)) => admitted(agent, text, manner),
        (Event::Before(_), Answer::Refused { .. }) => {
            let word = if escalated && manner.ask && agent == Agent::ClaudeCode { "ask" } else { "deny" };
            refused(agent, word, text)
        }
        (Event::Permission(_), Answer::Admitted(_)) if manner.decide => {
            Reply::of(&permission(&json!({ "behavior": "allow" })))
        }
        (Event::Permission(_), Answer::Refused { .. }) => {
            Reply::of(&permission(&json!({ "behavior": "deny", "message": text })))
        }
        (Event::Permission(_), Answer::Admitted(_)) => Reply::silent(),
        // A session that ends, an outcome that is on record: nothing stands against it.
        (_, Answer::Settled(_) | Answer::Nothing) => nothing(agent),
        (Event::After(..) | Event::Other, _) => failed(text),
    }
}

/// Something could not be decided or recorded: the agent is stopped.
#[must_use]
pub fn failed(text: &str) -> Reply {
    Reply { stdout: None, stderr: Some(text.to_owned()), code: BLOCK }
}

fn nothing(agent: Agent) -> Reply {
    match agent {
        Agent::Gemini => Reply::of(&json!({})),
        Agent::ClaudeCode | Agent::Codex => Reply::silent(),
    }
}

fn admitted(agent: Agent, text: &str, manner: Manner) -> Reply {
    match agent {
        Agent::ClaudeCode if manner.decide => Reply::of(&before("allow", text)),
        // Codex takes an `allow` only with a rewritten input. Saying nothing leaves its own rules in force, as with
        // Claude Code.
        Agent::ClaudeCode | Agent::Codex => Reply::silent(),
        Agent::Gemini => Reply::of(&json!({ "decision": "allow" })),
    }
}

fn refused(agent: Agent, word: &str, text: &str) -> Reply {
    match agent {
        Agent::ClaudeCode | Agent::Codex => Reply::of(&before(word, text)),
        Agent::Gemini => Reply::of(&json!({ "decision": word, "reason": text })),
    }
}

fn before(word: &str, text: &str) -> Value {
    json!({ "hookSpecificOutput": {
        "hookEventName": "PreToolUse", "permissionDecision": word, "permissionDecisionReason": text,
    } })
}

fn permission(decision: &Value) -> Value {
    json!({ "hookSpecificOutput": { "hookEventName": "PermissionRequest", "decision": decision } })
}
