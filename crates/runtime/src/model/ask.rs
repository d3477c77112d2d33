//! One attempt, through `genai`.

use std::cell::Cell;
use std::path::Path;

use futures_util::StreamExt as _;
use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, StopReason, StreamEnd, Tool, ToolCall as Called,
    ToolResponse,
};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use serde_json::Value;

use super::{Finish, Model, ModelFault, Prompt, Provider, ToolCall};

/// What an attempt gave.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) tool_calls: Vec<ToolCall>,
    /// Tokens of prompt and answer, where the provider told both.
    pub(super) usage: Option<(u64, u64)>,
    pub(super) finish: Finish,
}

/// How far an attempt came.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes of text, thoughts and arguments.
    pub(super) bytes: Cell<u64>,
}

/// Asks by way of the passage at `address`. Errors of the library are told in our own words: its own would hold the
/// prompt.
pub(super) async fn ask(
    (model, prompt): (&Model, &Prompt),
    address: &str,
    bytes_max: usize,
    progress: &Progress,
    on_text: &mut dyn FnMut(&str),
) -> Result<Answer, ModelFault> {
    let client = client(address)?;
    let options = options(model);
    let asked = client.exec_chat_stream(target(model), request(prompt), Some(&options)).await;
    let mut stream = asked.map_err(|error| unasked(&error))?.stream;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        let arrived = match event.map_err(|error| unread(&error))? {
            ChatStreamEvent::Chunk(chunk) => {
                text.push_str(&chunk.content);
                bounded(progress, chunk.content.len(), bytes_max)?;
                on_text(&chunk.content);
                0
            }
            ChatStreamEvent::ReasoningChunk(chunk) | ChatStreamEvent::ThoughtSignatureChunk(chunk) => {
                chunk.content.len()
            }
            // Arguments come as far as they are, again and again.
            ChatStreamEvent::ToolCallChunk(chunk) => {
                let length = arguments_bytes(&chunk.tool_call.fn_arguments);
                if length > bytes_max {
                    return Err(ModelFault::TooLong(bytes_max as u64));
                }
                0
            }
            ChatStreamEvent::End(end) => return answer((model, prompt), text, end, bytes_max, progress),
            ChatStreamEvent::Start | ChatStreamEvent::Heartbeat => 0,
        };
        bounded(progress, arrived, bytes_max)?;
    }
    Err(ModelFault::Cut)
}

fn bounded(progress: &Progress, more: usize, bytes_max: usize) -> Result<(), ModelFault> {
    let bytes = progress.bytes.get().saturating_add(more as u64);
    progress.bytes.set(bytes);
    if bytes > bytes_max as u64 { Err(ModelFault::TooLong(bytes_max as u64)) } else { Ok(()) }
}

fn arguments_bytes(arguments: &Value) -> usize {
    arguments.as_str().map_or_else(|| arguments.to_string().len(), str::len)
}

fn client(address: &str) -> Result<Client, ModelFault> {
    let local = |error: String| ModelFault::Local(error);
    let inner = reqwest::Client::builder()
        .unix_socket(Path::new(address))
        .no_proxy()
        .no_gzip()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| local(error.to_string()))?;
    Client::builder().with_reqwest(inner).build().map_err(|error| local(error.to_string()))
}

/// The adapter is named, never guessed; what stands for the key is replaced in the passage, and none is looked for in
/// the environment.
fn target(model: &Model) -> ServiceTarget {
    ServiceTarget {
        endpoint: Endpoint::from_owned(format!("http://model.invalid{}", model.path)),
        auth: AuthData::from_single("none"),
        model: ModelIden::new(model.provider.adapter(), model.model.as_str()),
    }
}

fn options(model: &Model) -> ChatOptions {
    let mut options = ChatOptions::default()
        .with_max_tokens(model.max_output_tokens)
        .with_capture_usage(true)
        .with_capture_tool_calls(true);
    options.temperature = model.temperature;
    options.seed = model.seed;
    options
}

fn request(prompt: &Prompt) -> ChatRequest {
    let mut messages = vec![ChatMessage::user(prompt.user.as_str())];
    prompt.turns.iter().for_each(|turn| add_turn(&mut messages, turn));
    let mut request = ChatRequest::new(messages);
    if !prompt.system.is_empty() {
        request = request.with_system(prompt.system.as_str());
    }
    if prompt.tools.is_empty() {
        return request;
    }
    let tool = |spec: &super::ToolSpec| {
        Tool::new(spec.name.as_str())
            .with_description(spec.description.as_str())
            .with_schema(spec.schema.clone())
    };
    request.with_tools(prompt.tools.iter().map(tool).collect::<Vec<_>>())
}

/// What the model wanted called, and what it gave, each under the provider's name for the call.
fn add_turn(messages: &mut Vec<ChatMessage>, turn: &super::Turn) {
    if !turn.text.is_empty() {
        messages.push(ChatMessage::assistant(turn.text.as_str()));
    }
    let call = |call: &ToolCall| Called {
        call_id: call.id.clone(),
        fn_name: call.name.clone(),
        fn_arguments: call.arguments.clone(),
        thought_signatures: None,
    };
    let calls: Vec<Called> = turn.calls.iter().map(call).collect();
    let results = calls.iter().zip(&turn.results);
    let results: Vec<_> =
        results.map(|(call, result)| ToolResponse::from_tool_call(call, result.as_str())).collect();
    messages.push(ChatMessage::from(calls));
    messages.extend(results.into_iter().map(ChatMessage::from));
}

fn answer(
    (model, prompt): (&Model, &Prompt),
    text: String,
    end: StreamEnd,
    bytes_max: usize,
    progress: &Progress,
) -> Result<Answer, ModelFault> {
    let usage = end.captured_usage.as_ref().and_then(|usage| {
        let count = |tokens: Option<i32>| u64::try_from(tokens?).ok();
        Some((count(usage.prompt_tokens)?, count(usage.completion_tokens)?))
    });
    let finish = match end.captured_stop_reason.as_ref() {
        Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => Finish::Stop,
        Some(StopReason::MaxTokens(_)) => Finish::Length,
        Some(StopReason::ToolCall(_)) => Finish::Tools,
        Some(StopReason::ContentFilter(_)) => return Err(ModelFault::Refused),
        Some(StopReason::Other(words)) => Finish::Other(super::frames::words(words)),
        // Their streams have no end but this; the library makes one up.
        None if matches!(model.provider, Provider::Gemini | Provider::Ollama | Provider::OpenAiResponses) => {
            return Err(ModelFault::Cut);
        }
        None => Finish::Other("not said".to_owned()),
    };
    let called = end.captured_into_tool_calls().unwrap_or_default();
    let bytes = called.iter().map(|call| arguments_bytes(&call.fn_arguments)).sum();
    bounded(progress, bytes, bytes_max)?;
    if called.len() > super::TOOL_CALLS_MAX {
        return Err(ModelFault::Garbage("more than 64 calls of tools"));
    }
    let tool_calls = called.into_iter().map(|call| offered(prompt, call)).collect::<Result<_, _>>()?;
    Ok(Answer { text, tool_calls, usage, finish })
}

fn offered(prompt: &Prompt, call: Called) -> Result<ToolCall, ModelFault> {
    if prompt.takes_invented || prompt.tools.iter().any(|tool| tool.name == call.fn_name) {
        return Ok(ToolCall { id: call.call_id, name: call.fn_name, arguments: call.fn_arguments });
    }
    Err(ModelFault::InventedTool(super::frames::words(&call.fn_name)))
}

/// The library did not even ask.
fn unasked(error: &genai::Error) -> ModelFault {
    ModelFault::Local(match error {
        genai::Error::AdapterNotSupported { .. } => "the provider cannot be asked for that".to_owned(),
        _ => "the library cannot put the request together".to_owned(),
    })
}

fn unread(error: &genai::Error) -> ModelFault {
    match error {
        genai::Error::ChatResponse { body, .. } => ModelFault::Broke(super::frames::said(body)),
        _ => ModelFault::Garbage("it is not what the provider's streams look like"),
    }
}
