//! Why there is no answer, and what was spent nevertheless.

use std::time::Duration;

/// Tokens and time of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Tokens of prompts that a provider took.
    pub tokens_in: u64,
    /// Tokens of what came of an answer.
    pub tokens_out: u64,
    /// Whether the provider told the tokens.
    pub tokens_counted: bool,
    /// What that costs by the configured prices, in millionths of a dollar, rounded up.
    pub cost_microusd: u64,
    /// How often it was asked.
    pub attempts: u32,
    /// How long it took.
    pub duration_us: u64,
}

/// A call without an answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct ModelError {
    /// Why.
    pub fault: ModelFault,
    /// What it cost. A failed call counts too.
    pub spent: Spent,
}

/// What took too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The connection.
    Connect,
    /// The first byte of an answer.
    FirstByte,
    /// A byte after another.
    Between,
    /// All of it.
    Whole,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ModelFault {
    /// Something took longer than its limit.
    #[error("the model was not done in time: {}", phase(*.0))]
    TimedOut(Phase),
    /// Cancelled by the caller.
    #[error("the call was cancelled")]
    Cancelled,
    /// The model or its provider will not answer that, for safety's sake.
    #[error("the model refused to answer")]
    Refused,
    /// The key is missing or not accepted.
    #[error("the provider does not accept the key (HTTP {0})")]
    Unauthorized(u16),
    /// The configuration names a secret, and no key was handed over.
    #[error("the model wants a key and was given none")]
    NoKey,
    /// The key is for another endpoint.
    #[error("the key is not for {0}")]
    KeyElsewhere(String),
    /// Too many requests.
    #[error("the provider wants fewer requests{}", wait(*.0))]
    RateLimited(Option<Duration>),
    /// The provider has a fault of its own.
    #[error("the provider failed (HTTP {0})")]
    Failed(u16),
    /// The provider says that the request is wrong.
    #[error("the provider rejects the request (HTTP {status}): {words}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The first words of its answer.
        words: String,
    },
    /// It sends us elsewhere, which is never followed.
    #[error("the endpoint redirects (HTTP {0})")]
    Redirected(u16),
    /// No connection.
    #[error("the endpoint cannot be reached: {0}")]
    Unreachable(String),
    /// What came is no answer.
    #[error("the answer is garbage: {0}")]
    Garbage(&'static str),
    /// It told of an error in the middle of its answer.
    #[error("the provider broke off: {0}")]
    Broke(String),
    /// The answer ended before its end.
    #[error("the answer was cut off")]
    Cut,
    /// More bytes than are allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(u64),
    /// The prompt is too long to be sent.
    #[error("the prompt has {0} bytes, more than {max}", max = super::PROMPT_BYTES_MAX)]
    PromptTooLong(usize),
    /// Too many tools, or two of one name, or one that cannot be named.
    #[error("the tools cannot be offered: {0}")]
    Tools(&'static str),
    /// It wants a tool called that was not offered.
    #[error("the model invented the tool `{0}`")]
    InventedTool(String),
    /// This machine could not even try.
    #[error("the call could not be made: {0}")]
    Local(String),
}

impl ModelFault {
    /// The words of the provider or its model in it, which somebody may read.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Rejected { words, .. } | Self::Broke(words) | Self::InventedTool(words) => Some(words),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "raise `timeout_s` in models.toml, or ask for less",
            Self::Cancelled => "",
            Self::Refused => "ask differently; the same question will be refused again",
            Self::Unauthorized(_) | Self::NoKey => {
                "`cascade secret set NAME --for-model ENDPOINT`, and `secret = \"NAME\"` in models.toml"
            }
            Self::KeyElsewhere(_) => "`cascade secret list` shows the endpoints that a key is for",
            Self::RateLimited(_) => "wait, or use another model",
            Self::Failed(_) | Self::Broke(_) | Self::Cut => "try again later, or use another model",
            Self::Rejected { .. } => "check `model` and `endpoint` in models.toml",
            Self::Redirected(_) => "set `endpoint` to where the provider really is",
            Self::Unreachable(_) => "check `endpoint` in models.toml, and that its server runs",
            Self::Garbage(_) => "check `provider` and `endpoint` in models.toml",
            Self::TooLong(_) => "lower `max_output_tokens`, or allow more bytes",
            Self::PromptTooLong(_) => "ask for less at once",
            Self::Tools(_) => {
                "offer fewer tools, each with a name of its own of letters, digits, `_` and `-`"
            }
            Self::InventedTool(_) => "use a model that can call tools, or offer none",
            Self::Local(_) => "check the limits on open files and sockets",
        }
    }

    /// The code in receipts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "model.timed_out",
            Self::Cancelled => "model.cancelled",
            Self::Refused => "model.refused",
            Self::Unauthorized(_) | Self::NoKey | Self::KeyElsewhere(_) => "model.key",
            Self::RateLimited(_) => "model.rate_limited",
            Self::Failed(_) | Self::Broke(_) => "model.failed",
            Self::Rejected { .. } => "model.rejected",
            Self::Redirected(_) => "model.redirected",
            Self::Unreachable(_) => "model.unreachable",
            Self::Garbage(_) => "model.garbage",
            Self::Cut => "model.cut",
            Self::TooLong(_) => "model.too_long",
            Self::PromptTooLong(_) => "model.prompt_too_long",
            Self::Tools(_) => "model.tools",
            Self::InventedTool(_) => "model.invented_tool",
            Self::Local(_) => "model.local",
        }
    }

    /// Whether asking again soon may help. Each of these comes before an answer, so nothing can have been charged and no
    /// text was handed on.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::RateLimited(_) | Self::Failed(_) | Self::Unreachable(_) | Self::TimedOut(Phase::Connect)
        )
    }
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "no connection",
        Phase::FirstByte => "no first byte",
        Phase::Between => "silence within the answer",
        Phase::Whole => "the time for all of it is over",
    }
}

fn wait(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!(", again in {} s", after.as_secs()))
}
