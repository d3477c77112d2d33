//! What clients of language models say and hear, as far as it is described: the rest is their providers'.

#![expect(dead_code, reason = "described here, and passed on as it came")]

use serde_json::Value;
use utoipa::ToSchema;

/// A request in the words of OpenAI's chat completions. Members that are not named here go on as they are.
#[derive(ToSchema)]
#[schema(as = ChatRequest)]
pub(crate) struct ChatIn {
    /// A model that is configured here, by its name here or its provider's.
    #[schema(min_length = 1)]
    model: String,
    /// The conversation.
    #[schema(value_type = Vec<Object>, min_items = 1)]
    messages: Vec<Value>,
    /// Whether the answer comes as a stream.
    stream: Option<bool>,
    /// Most tokens of an answer.
    #[schema(minimum = 1, maximum = 9007199254740991_u64)]
    max_completion_tokens: Option<u64>,
    /// The same, by its older name.
    #[schema(minimum = 1, maximum = 9007199254740991_u64)]
    max_tokens: Option<u64>,
    /// How many answers.
    #[schema(minimum = 1, maximum = 128)]
    n: Option<u64>,
}

/// A request in the words of Anthropic's messages. Members that are not named here go on as they are.
#[derive(ToSchema)]
#[schema(as = MessagesRequest)]
pub(crate) struct MessagesIn {
    /// A model that is configured here, by its name here or its provider's.
    #[schema(min_length = 1)]
    model: String,
    /// The conversation.
    #[schema(value_type = Vec<Object>, min_items = 1)]
    messages: Vec<Value>,
    /// Most tokens of the answer.
    #[schema(minimum = 1, maximum = 9007199254740991_u64)]
    max_tokens: u64,
    /// Whether the answer comes as a stream.
    stream: Option<bool>,
}

/// Whatever the provider says.
#[derive(ToSchema)]
#[schema(as = ProviderAnswer)]
pub(crate) struct Anything {}

/// An error in OpenAI's shape.
#[derive(ToSchema)]
pub(crate) struct ChatError {
    /// What went wrong.
    error: ProviderFault,
}

/// An error in Anthropic's shape.
#[derive(ToSchema)]
pub(crate) struct MessagesError {
    /// Always `error`.
    #[schema(rename = "type")]
    kind: String,
    /// What went wrong.
    error: ProviderFault,
}

/// What went wrong.
#[derive(ToSchema)]
pub(crate) struct ProviderFault {
    /// The provider's word for it.
    #[schema(rename = "type")]
    kind: String,
    /// Stable: `policy.denied`, `approval.needed`, `budget.exhausted`, `model_not_found` …
    code: String,
    /// For people.
    message: String,
    /// The receipt that says so.
    receipt_id: Option<String>,
}
