//! Calls a language model, within limits.
//!
//! The call is honest about what it cost and bounded in everything that the other side decides: bytes, silence, time,
//! retries. Whether it may be made, and what of it is recorded, is decided by whoever calls.
//!
//! Crate `genai` knows what the providers' messages look like. It reaches nothing by itself: its requests end in a
//! `passage` inside this process, which alone knows the key, speaks to the one configured endpoint, and hands back only
//! what it has checked.

mod ask;
mod attempts;
pub mod code;
mod config;
mod estimate;
mod fault;
mod frames;
mod passage;
mod provider;
mod relay;
mod request;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use cascade_ledger::SecretValue;
use cascade_policy::credential::endpoint::Endpoint;
use serde_json::Value;

pub use config::{ConfigFault, FILE, MODELS_MAX, Model, Models};
pub use estimate::{Estimate, estimate, estimate_of};
pub use fault::{ModelError, ModelFault, Phase, Spent};
pub use provider::Provider;
pub use relay::{Dialect, RESPONSE_BYTES_MAX, Relayed, Sent, relay};
pub(crate) use upstream::tls as trusting;

/// Most bytes of a prompt, its tools included.
pub const PROMPT_BYTES_MAX: usize = 1024 * 1024;
/// Most tools that are offered.
pub const TOOLS_MAX: usize = 64;
/// Most calls of tools in one answer.
pub const TOOL_CALLS_MAX: usize = 64;
/// Most bytes of an answer, whatever a caller allows.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is asked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Prompt {
    /// What the model is told about its task, apart from the question.
    pub system: String,
    /// The question.
    pub user: String,
    /// What it may ask to have called.
    pub tools: Vec<ToolSpec>,
    /// What was called for this question already, and what that gave.
    pub turns: Vec<Turn>,
    /// Calls of tools that there are not are handed over; the caller answers them. Otherwise they are a fault.
    pub takes_invented: bool,
}

/// A round of calls, and what each gave.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Turn {
    /// What the model said beside them.
    pub text: String,
    /// What it wanted called.
    pub calls: Vec<ToolCall>,
    /// What that gave, in the order of the calls.
    pub results: Vec<String>,
}

impl Turn {
    fn bytes(&self) -> usize {
        let call = |call: &ToolCall| call.id.len() + call.name.len() + call.arguments.to_string().len();
        let results = self.results.iter().map(String::len).sum::<usize>();
        self.text.len() + self.calls.iter().map(call).sum::<usize>() + results
    }
}

impl Prompt {
    /// Bytes of everything that is sent of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tool = |tool: &ToolSpec| tool.name.len() + tool.description.len() + tool.schema.to_string().len();
        let turns = self.turns.iter().map(Turn::bytes).sum::<usize>();
        self.system.len() + self.user.len() + self.tools.iter().map(tool).sum::<usize>() + turns
    }
}

/// A tool that is offered.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

/// A tool that the model wants called. Nothing has been called: that is an action of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolCall {
    /// The provider's name for this call.
    pub id: String,
    /// The tool, one of those that were offered.
    pub name: String,
    /// Its arguments; a string where they are not JSON.
    pub arguments: Value,
}

/// Why the answer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finish {
    /// The model had nothing to add.
    Stop,
    /// It reached `max_output_tokens`: the answer is cut.
    Length,
    /// It wants tools called.
    Tools,
    /// Something else, in the provider's words.
    Other(String),
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// The tools it wants called.
    pub tool_calls: Vec<ToolCall>,
    /// Tokens of the prompt.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// Whether the provider told the tokens; otherwise they are estimated from the bytes.
    pub tokens_counted: bool,
    /// What that costs by the configured prices, in millionths of a dollar, rounded up.
    pub cost_microusd: u64,
    /// The model's name as it was asked for.
    pub model: String,
    /// Why it ended.
    pub finish: Finish,
    /// How often it was asked.
    pub attempts: u32,
    /// How long it took, waits between attempts included.
    pub duration_us: u64,
}

/// How much the other side may take.
#[derive(Clone, Debug)]
pub struct CallLimits {
    /// Most bytes of text and arguments.
    pub bytes: usize,
    /// Longest time for everything, retries included.
    pub deadline: Duration,
    /// Longest wait from the connection to the first byte of an answer.
    pub first_byte: Duration,
    /// Longest silence within an answer.
    pub between: Duration,
    /// Ends the call from another thread.
    pub cancellation: Cancellation,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            bytes: 256 * 1024,
            deadline: Duration::from_secs(120),
            first_byte: Duration::from_secs(60),
            between: Duration::from_secs(30),
            cancellation: Cancellation::default(),
        }
    }
}

/// Ends calls that were given a clone of it.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<tokio::sync::watch::Sender<bool>>);

impl Cancellation {
    /// Ends them, now and from now on.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    async fn wait(&self) {
        // The sender is `self`, so it is there for as long as this waits.
        drop(self.0.subscribe().wait_for(|cancelled| *cancelled).await);
    }
}

/// A key, and the only endpoint that it may be sent to. Made by [`crate::credentials::model_key`].
#[derive(Clone, Debug)]
pub struct ModelKey {
    pub(crate) endpoint: Endpoint,
    pub(crate) value: SecretValue,
}

/// Asks a model. `on_text` gets the answer's text as it comes; what it got of a call that fails is no answer.
///
/// Blocks, and must not be called where an async task runs (`spawn_blocking` is the place).
///
/// # Errors
/// [`ModelError`], with what was spent until then.
pub fn call(
    model: &Model,
    key: Option<&ModelKey>,
    prompt: &Prompt,
    limits: &CallLimits,
    on_text: &mut dyn FnMut(&str),
) -> Result<Reply, ModelError> {
    attempts::run(model, key, prompt, limits, on_text)
}

#[cfg(test)]
mod tests;
