//! Hooks of coding agents: one event of an agent comes in as JSON, is decided and put on record, and is answered in
//! that agent's own words.
//!
//! The agent performs the action, not Cascade. Before it does, the intent is durable (`task_started`, with a lease);
//! afterwards the agent tells how it ended, and that closes the intent. What never gets told is closed as
//! `task_unknown` when the lease runs out. What is told and ends no intent is on record by itself.

mod asking;
mod event;
mod reply;
mod report;
pub mod settings;
mod telling;

use std::path::PathBuf;
use std::time::Duration;

use cascade_policy::decide::Ruling;
use cascade_receipt::decision::Reason;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::lease::{LeaseError, Outcome};
use serde_json::{Map, Value};

pub use asking::{Ask, answer};
pub use event::read;
pub use reply::{BLOCK, Manner, Reply, failed, reply};

/// Most bytes of one event. An agent that reports more gets a refusal, and what it reported on ends as unknown.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How deep an event may be nested.
pub const EVENT_DEPTH_MAX: usize = 64;
/// Longest session, call or tool id, in bytes.
pub const ID_BYTES_MAX: usize = 256;
/// Longest time for one answer, well below what agents wait for a hook ([`settings::TIMEOUT`]): an agent that has given
/// up waiting goes on as if nothing had objected.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// A coding agent whose hooks are understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agent {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Agent {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// Who it is, to policies and in receipts: the same as where the environment of its commands tells.
    #[must_use]
    pub const fn principal(self) -> &'static str {
        match self {
            Self::ClaudeCode => "agent:claude-code",
            Self::Codex => "agent:codex",
            Self::Gemini => "agent:gemini-cli",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
        }
    }

    /// Tools whose input is a line for a shell.
    const fn shells(self) -> &'static [&'static str] {
        match self {
            Self::ClaudeCode => &["Bash"],
            Self::Codex => &["Bash", "shell", "local_shell", "exec_command", "shell_command"],
            Self::Gemini => &["run_shell_command"],
        }
    }
}

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A tool is about to be called.
    Before(Call),
    /// The agent asks whether it may do what its own rules do not allow by themselves.
    Permission(Call),
    /// A tool was called.
    After(Call, Box<Report>),
    /// Something that is no action: a session begins or ends, a person says something.
    Other,
}

/// A call of a tool.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// The agent's session.
    pub session: String,
    /// What is the same before and after the call, and different for every call; Gemini CLI has nothing of that kind.
    pub id: Option<String>,
    /// What makes two events about the same call one request where there is no id: time or turn.
    pub moment: String,
    /// The tool.
    pub tool: String,
    /// The MCP server that offers it, and its name there.
    pub mcp: Option<(String, String)>,
    /// Its input.
    pub input: Map<String, Value>,
    /// Where the agent works.
    pub cwd: PathBuf,
}

/// How a call ended, as the agent tells it.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// It failed.
    pub failed: bool,
    /// The exit code, where there is one.
    pub exit_code: Option<u8>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// Why, as a code.
    pub code: Option<&'static str>,
    /// What came out of it.
    pub output: Vec<u8>,
}

/// What became of an event.
#[derive(Debug)]
pub enum Answer {
    /// The action may be performed; its intent is durable.
    Admitted(ReceiptId),
    /// It may not.
    Refused {
        /// The receipt that says so.
        receipt: ReceiptId,
        /// People can lift that.
        escalated: bool,
        /// Why.
        why: Why,
    },
    /// Its outcome is on record.
    Settled(ReceiptId),
    /// There was nothing to decide.
    Nothing,
}

/// Why something may not be performed.
#[derive(Debug)]
pub enum Why {
    /// What the gates said now.
    Ruling(Box<Ruling>),
    /// What they said when the same event came first, or why an approval does not carry it, as codes.
    Codes(Vec<Reason>),
    /// It was admitted once and is closed: a call is performed once.
    Performed,
}

/// Why an event has no answer. The agent is told to stop.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// More than [`EVENT_BYTES_MAX`].
    #[error("the event is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    /// Nested deeper than [`EVENT_DEPTH_MAX`].
    #[error("the event is nested deeper than {EVENT_DEPTH_MAX} levels")]
    TooDeep,
    /// No such event of this agent: not JSON, or a member is missing or of another type.
    #[error("the event is not one of {agent}'s: {cause}")]
    Malformed {
        /// The agent.
        agent: &'static str,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// An event of a name that this version does not know.
    #[error("{agent} has no event `{name}` that is known here")]
    Unknown {
        /// The agent.
        agent: &'static str,
        /// The name.
        name: String,
    },
    /// A member that is empty, or longer than [`ID_BYTES_MAX`].
    #[error("`{0}` of the event is empty or too long")]
    Member(&'static str),
    /// The working directory is not a whole path.
    #[error("`cwd` of the event is not an absolute path")]
    Cwd,
    /// A shell is to be called without a line.
    #[error("a shell is called without `command`")]
    NoCommand,
    /// The same call was asked about before, and was another one then.
    #[error("the same call was another one when {0} was written")]
    OtherCall(ReceiptId),
    /// A call was performed that nobody admitted.
    #[error("the call was performed, and no receipt admits it; {0} says so")]
    NotAdmitted(ReceiptId),
    /// A call was performed that the gates refused.
    #[error("the call was performed though {call} does not admit it; {told} says so")]
    Refused {
        /// What refused it.
        call: ReceiptId,
        /// What says that it was performed.
        told: ReceiptId,
    },
    /// The outcome came after the lease had run out.
    #[error("{call} was closed as unknown before its outcome came; {told} holds it")]
    TooLate {
        /// The intent.
        call: ReceiptId,
        /// What holds the outcome.
        told: ReceiptId,
    },
    /// A second outcome of one call, and not the same one.
    #[error("{call} is closed with another outcome; {told} holds this one")]
    Otherwise {
        /// The intent.
        call: ReceiptId,
        /// What holds the outcome.
        told: ReceiptId,
    },
    /// An outcome of one of those kinds that could not be put on record.
    #[error("the call was performed, and nothing that is open waits for its outcome: {0}")]
    Unrecorded(cascade_runtime::refused_act::RecordError),
    /// A call that nobody may make, and that could not be put on record.
    #[error("no tool of a server can be called by this name: {0}")]
    NotRefused(cascade_runtime::refused_act::RecordError),
    /// Nothing could be decided or recorded.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] cascade_ledger::Fault),
    /// The running binary could not be hashed.
    #[error("couldn't hash the running binary: {0}")]
    Runtime(std::io::Error),
}

impl HookError {
    /// Whether a receipt says what is wrong, and what came out of it.
    #[must_use]
    pub const fn is_on_record(&self) -> bool {
        matches!(
            self,
            Self::NotAdmitted(_) | Self::Refused { .. } | Self::TooLate { .. } | Self::Otherwise { .. }
        )
    }
}

impl Report {
    /// The same for the ledger.
    fn outcome(&self) -> Outcome {
        report::outcome(self)
    }
}
