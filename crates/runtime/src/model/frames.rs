//! What comes on the wire, taken apart and checked before anybody else reads it.
//!
//! A stream is lines: server-sent events, or one JSON document a line. Each document is parsed, looked at and written
//! again, so that the library behind sees what was checked and nothing else. Pure.

use serde_json::Value;

use super::{ModelFault, TOOL_CALLS_MAX};

/// Longest line, and longest document of an event, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Longest name of an event in bytes.
const EVENT_BYTES_MAX: usize = 64;
/// Most characters that are kept of a provider's words.
pub(super) const WORDS_CHARS_MAX: usize = 200;

/// How documents follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `text/event-stream`.
    Events,
    /// `application/x-ndjson`.
    Lines,
}

/// A stream that is being taken apart.
#[derive(Debug)]
pub(super) struct Frames {
    form: Form,
    line: Vec<u8>,
    after_cr: bool,
    event: Option<String>,
    data: Option<String>,
}

impl Frames {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, line: Vec::new(), after_cr: false, event: None, data: None }
    }

    /// Takes what came; appends to `out` what of it is whole and checked, up to a fault if there is one.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ModelFault> {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.line_end(out)?,
                _ if self.line.len() >= LINE_BYTES_MAX => {
                    return Err(ModelFault::Garbage("a line has more than 1 MiB"));
                }
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// Takes the end.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ModelFault> {
        if !self.line.is_empty() {
            self.line_end(out)?;
        }
        self.event_end(out)
    }

    fn line_end(&mut self, out: &mut Vec<u8>) -> Result<(), ModelFault> {
        let line = String::from_utf8(std::mem::take(&mut self.line))
            .map_err(|_| ModelFault::Garbage("it is no UTF-8 text"))?;
        let line = line.trim_start_matches('\u{feff}');
        match self.form {
            Form::Lines if line.trim().is_empty() => Ok(()),
            Form::Lines => {
                out.extend_from_slice(document(line)?.as_bytes());
                out.push(b'\n');
                Ok(())
            }
            Form::Events if line.is_empty() => self.event_end(out),
            Form::Events => self.field(line),
        }
    }

    fn field(&mut self, line: &str) -> Result<(), ModelFault> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                let data = self.data.get_or_insert_default();
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(value);
                if data.len() > LINE_BYTES_MAX {
                    return Err(ModelFault::Garbage("an event has more than 1 MiB"));
                }
            }
            "event" if value.len() > EVENT_BYTES_MAX => {
                return Err(ModelFault::Garbage("an event has a name of more than 64 bytes"));
            }
            "event" => self.event = Some(value.trim().to_owned()),
            // A comment (`: ping`), which keeps the connection open, or a field that means nothing here.
            "" | "id" | "retry" => {}
            _ => return Err(ModelFault::Garbage("it is no stream of events")),
        }
        Ok(())
    }

    fn event_end(&mut self, out: &mut Vec<u8>) -> Result<(), ModelFault> {
        let event = self.event.take();
        let Some(data) = self.data.take() else { return Ok(()) };
        let data = data.trim();
        let checked = if data == "[DONE]" || data.is_empty() { data.to_owned() } else { document(data)? };
        if let Some(event) = event {
            out.extend_from_slice(format!("event: {event}\n").as_bytes());
        }
        out.extend_from_slice(format!("data: {checked}\n\n").as_bytes());
        Ok(())
    }
}

fn document(text: &str) -> Result<String, ModelFault> {
    let value: Value =
        serde_json::from_str(text).map_err(|_| ModelFault::Garbage("a document in it is no JSON"))?;
    check(&value)?;
    Ok(value.to_string())
}

fn check(value: &Value) -> Result<(), ModelFault> {
    if !value.is_object() {
        return Err(ModelFault::Garbage("a document in it is no object"));
    }
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let error = if kind == "response.failed" { value.pointer("/response/error") } else { value.get("error") };
    if let Some(error) = error.filter(|error| !error.is_null()) {
        return Err(ModelFault::Broke(said(error)));
    }
    let text = |path| value.pointer(path).and_then(Value::as_str);
    let filtered = text("/response/incomplete_details/reason") == Some("content_filter");
    if filtered || kind.starts_with("response.refusal") || text("/promptFeedback/blockReason").is_some() {
        return Err(ModelFault::Refused);
    }
    let choices = value.get("choices").and_then(Value::as_array).into_iter().flatten();
    for delta in choices.filter_map(|choice| choice.get("delta")) {
        if delta.get("refusal").and_then(Value::as_str).is_some_and(|words| !words.is_empty()) {
            return Err(ModelFault::Refused);
        }
        let calls = delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        // The library makes room for as many calls as the highest index says.
        let high = |index: &Value| index.as_u64().is_none_or(|index| index >= TOOL_CALLS_MAX as u64);
        if calls.filter_map(|call| call.get("index")).any(high) {
            return Err(ModelFault::Garbage("more than 64 calls of tools"));
        }
    }
    Ok(())
}

/// What an error says, in as many characters as a message may have.
pub(super) fn said(error: &Value) -> String {
    let text = error.get("message").and_then(Value::as_str).or(error.as_str());
    words(text.or(error.get("error").and_then(Value::as_str)).unwrap_or("no reason given"))
}

/// The beginning of a stranger's words, without what a terminal would obey.
pub(super) fn words(text: &str) -> String {
    text.chars().filter(|c| !crate::witness::is_unseen(*c)).take(WORDS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
