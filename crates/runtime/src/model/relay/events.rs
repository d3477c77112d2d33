//! An answer that is handed on as it came: looked through event by event, for its end, its tokens and what must not
//! leave. Pure.

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;

use super::super::ModelFault;
use super::super::frames::{self, LINE_BYTES_MAX};
use super::{Dialect, Sent};

/// Bytes of an event beside its data.
const AROUND_BYTES_MAX: usize = 4 * 1024;
/// Most that a count can say: integers beyond it differ from one JSON library to the next.
const COUNT_MAX: u64 = (1 << 53) - 1;
/// Longest name of a model that is kept, in characters.
const NAME_CHARS_MAX: usize = frames::WORDS_CHARS_MAX;

/// What an answer says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Told {
    /// Tokens of the request.
    pub(super) tokens_in: Option<u64>,
    /// Tokens of the answer.
    pub(super) tokens_out: Option<u64>,
    /// The model.
    pub(super) model: Option<String>,
    /// The provider's mark of the end came.
    pub(super) ended: bool,
    /// Tokens of the request: given anew, put into a cache, taken out of it.
    parts: [u64; 3],
}

/// What is read of a document; the rest is only held to be JSON.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    model: Option<Value>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<serde::de::IgnoredAny>>,
    #[serde(default, rename = "type")]
    kind: Option<Value>,
    /// The beginning of one of Anthropic's streams.
    #[serde(default)]
    message: Option<Value>,
}

impl Document {
    fn read(text: &[u8]) -> Result<Self, ModelFault> {
        let read: Self = serde_json::from_slice(text).map_err(|_| {
            ModelFault::Garbage("a document in it is not what the provider's answers look like")
        })?;
        match read.error.as_ref().filter(|error| !error.is_null()) {
            Some(error) => Err(ModelFault::Broke(frames::said(error))),
            None => Ok(read),
        }
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.as_ref().and_then(Value::as_str) == Some(kind)
    }

    fn add_to(&self, dialect: Dialect, told: &mut Told) {
        if let Some(message) = &self.message {
            told.take(dialect, message.get("model"), message.get("usage"));
        }
        told.take(dialect, self.model.as_ref(), self.usage.as_ref());
    }
}

impl Told {
    fn take(&mut self, dialect: Dialect, model: Option<&Value>, usage: Option<&Value>) {
        if let Some(model) = model.and_then(Value::as_str).filter(|model| !model.is_empty()) {
            self.model.get_or_insert_with(|| frames::words(model).chars().take(NAME_CHARS_MAX).collect());
        }
        let Some(usage) = usage else { return };
        let count = |key: &str| usage.get(key).and_then(Value::as_u64).map(|count| count.min(COUNT_MAX));
        match dialect {
            Dialect::Chat => {
                self.tokens_in = count("prompt_tokens").or(self.tokens_in);
                self.tokens_out = count("completion_tokens").or(self.tokens_out);
            }
            Dialect::Messages => {
                let keys = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
                for (part, key) in self.parts.iter_mut().zip(keys) {
                    if let Some(tokens) = count(key) {
                        *part = tokens;
                        self.tokens_in = Some(0);
                    }
                }
                let all = self.parts.iter().fold(0, |sum: u64, part| sum.saturating_add(*part));
                self.tokens_in = self.tokens_in.map(|_| all.min(COUNT_MAX));
                self.tokens_out = count("output_tokens").or(self.tokens_out);
            }
        }
    }
}

/// A stream of events that is looked through.
#[derive(Debug)]
pub(super) struct Events<'a> {
    dialect: Dialect,
    hides_usage: bool,
    /// What must not be in it.
    key: Option<&'a [u8]>,
    line: Vec<u8>,
    /// The event so far, as it came.
    raw: Vec<u8>,
    data: Option<String>,
}

impl<'a> Events<'a> {
    pub(super) const fn new(sent: &Sent, key: Option<&'a [u8]>) -> Self {
        let (dialect, hides_usage) = (sent.dialect, sent.hides_usage);
        Self { dialect, hides_usage, key, line: Vec::new(), raw: Vec::new(), data: None }
    }

    /// Takes what came; appends to `out` the events that are whole and may be handed on, up to a fault if there is one.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        told: &mut Told,
        out: &mut Vec<u8>,
    ) -> Result<(), ModelFault> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What follows the end means nothing, and is not handed on.
            if told.ended {
                return Ok(());
            }
            if self.line.len().saturating_add(piece.len()) > LINE_BYTES_MAX {
                return Err(ModelFault::Garbage("a line has more than 1 MiB"));
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.line_end(told, out)?;
            }
        }
        Ok(())
    }

    fn line_end(&mut self, told: &mut Told, out: &mut Vec<u8>) -> Result<(), ModelFault> {
        let line = std::mem::take(&mut self.line);
        self.raw.extend_from_slice(&line);
        if self.raw.len() > LINE_BYTES_MAX.saturating_add(AROUND_BYTES_MAX) {
            return Err(ModelFault::Garbage("an event has more than 1 MiB"));
        }
        let text = str::from_utf8(&line).map_err(|_| ModelFault::Garbage("it is no UTF-8 text"))?;
        let text = text.trim_end_matches('\n');
        let text = text.strip_suffix('\r').unwrap_or(text);
        // Some readers take it for the end of a line: they would see events that nobody looked at here.
        if text.contains('\r') {
            return Err(ModelFault::Garbage("a line has an end within it"));
        }
        if text.is_empty() {
            return self.event_end(told, out);
        }
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "data" => {
                let data = self.data.get_or_insert_default();
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(value.strip_prefix(' ').unwrap_or(value));
                Ok(())
            }
            "" | "event" | "id" | "retry" => Ok(()),
            _ => Err(ModelFault::Garbage("it is no stream of events")),
        }
    }

    fn event_end(&mut self, told: &mut Told, out: &mut Vec<u8>) -> Result<(), ModelFault> {
        let raw = std::mem::take(&mut self.raw);
        without(self.key, &raw)?;
        let is_for_caller = match self.data.take() {
            None => true,
            Some(data) if data.trim().is_empty() => true,
            Some(data) if data.trim() == "[DONE]" => {
                told.ended = self.dialect == Dialect::Chat;
                true
            }
            Some(data) => self.document(&data, told)?,
        };
        if is_for_caller {
            out.extend_from_slice(&raw);
        }
        Ok(())
    }

    /// Whether the caller is to see it.
    fn document(&self, text: &str, told: &mut Told) -> Result<bool, ModelFault> {
        let document = Document::read(text.as_bytes())?;
        document.add_to(self.dialect, told);
        if self.dialect == Dialect::Messages {
            told.ended = document.is("message_stop");
            return Ok(true);
        }
        let only_counts = document.choices.is_none_or(|choices| choices.is_empty())
            && document.usage.is_some_and(|usage| !usage.is_null());
        Ok(!(self.hides_usage && only_counts))
    }
}

/// Looks through an answer that is no stream.
pub(super) fn whole(
    dialect: Dialect,
    bytes: &[u8],
    key: Option<&[u8]>,
    told: &mut Told,
) -> Result<(), ModelFault> {
    without(key, bytes)?;
    let document = Document::read(bytes)?;
    document.add_to(dialect, told);
    told.ended = match dialect {
        Dialect::Chat => document.choices.is_some_and(|choices| !choices.is_empty()),
        Dialect::Messages => document.is("message"),
    };
    if told.ended {
        Ok(())
    } else {
        Err(ModelFault::Garbage("it is not what the provider's answers look like"))
    }
}

/// Our key never reaches a caller, whatever the provider repeats.
fn without(key: Option<&[u8]>, bytes: &[u8]) -> Result<(), ModelFault> {
    match key.filter(|key| !key.is_empty() && memmem::find(bytes, key).is_some()) {
        Some(_) => Err(ModelFault::Garbage("it repeats the key")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
