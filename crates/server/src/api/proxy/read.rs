//! A request to a model, as far as it is read: which model, whether as a stream, how many tokens. Everything else of it
//! goes on as it came.

use std::fmt;

use axum::http::HeaderMap;
use cascade_runtime::model::{Dialect, Model, Provider, Sent};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::Refusal;

/// Most answers to one request.
const ANSWERS_MAX: u64 = 128;
/// Longest value of a header that is passed on, in bytes.
const HEADER_BYTES_MAX: usize = 1024;

/// A request, taken apart at its first level.
#[derive(Debug)]
pub(super) struct Read {
    dialect: Dialect,
    /// The model, by whatever name the client has for it.
    pub(super) model: String,
    members: Members,
}

/// The members of an object in their order, each once: of two of one name, another reader might believe the other.
#[derive(Debug)]
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                let mut known = std::collections::BTreeSet::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if !known.insert(name.clone()) {
                        return Err(A::Error::custom("a member comes twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Members {
    fn value(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let Some((_, raw)) = self.0.iter().find(|(known, _)| known == name) else { return Ok(None) };
        let value: Value = serde_json::from_str(raw.get()).map_err(|error| malformed(name, &error))?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// A number of tokens or answers.
    fn count(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        let count = value.as_u64().or_else(|| whole(value.as_f64()?)).filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| malformed(name, &"it is no whole number above 0"))
    }

    fn truth(&self, name: &str) -> Result<bool, Refusal> {
        let value = self.value(name)?;
        let truth = value.as_ref().map_or(Some(false), Value::as_bool);
        truth.ok_or_else(|| malformed(name, &"it is neither true nor false"))
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Refusal> {
        let raw = to_raw_value(value).map_err(|error| malformed(name, &error))?;
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
        Ok(())
    }

    fn written(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

impl Read {
    pub(super) fn of(dialect: Dialect, body: &[u8]) -> Result<Self, Refusal> {
        let members: Members = serde_json::from_slice(body)
            .map_err(|error| Refusal::bad("request.malformed", error.to_string()))?;
        let model = members.value("model")?;
        let model = model.as_ref().and_then(Value::as_str).filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| malformed("model", &"it names no model"))?.to_owned();
        // Of what is held against the description, before anybody is told whether there is such a model.
        let messages = members.value("messages")?;
        let messages = messages.as_ref().and_then(Value::as_array).filter(|messages| !messages.is_empty());
        if !messages.is_some_and(|messages| messages.iter().all(Value::is_object)) {
            return Err(malformed("messages", &"it is no list of messages"));
        }
        let read = Self { dialect, model, members };
        read.members.truth("stream")?;
        read.most()?;
        Ok(read)
    }

    /// Most tokens of one answer that the client wants, and how many answers.
    fn most(&self) -> Result<(Option<u64>, u64), Refusal> {
        let most = self.members.count("max_tokens")?;
        if self.dialect == Dialect::Messages {
            return Ok((Some(most.ok_or_else(|| malformed("max_tokens", &"it is missing"))?), 1));
        }
        let answers = self.members.count("n")?.unwrap_or(1);
        if answers > ANSWERS_MAX {
            return Err(malformed("n", &format!("it is more than {ANSWERS_MAX}")));
        }
        Ok((most.max(self.members.count("max_completion_tokens")?), answers))
    }

    /// What is sent to this model, and what people are shown of it.
    pub(super) fn sent(mut self, model: &Model, headers: &HeaderMap) -> Result<(Sent, String), Refusal> {
        let (most, answers) = self.most()?;
        let allowed = u64::from(model.max_output_tokens());
        if most.is_some_and(|most| most > allowed) {
            return Err(Refusal::too_many_tokens(allowed));
        }
        if self.model != model.model() {
            self.members.set("model", &model.model().into())?;
        }
        if most.is_none() {
            // What is not said would be the provider's to choose, and no budget could hold it.
            let name = match model.provider() {
                Provider::OpenAi => "max_completion_tokens",
                _ => "max_tokens",
            };
            self.members.set(name, &allowed.into())?;
        }
        let stream = self.members.truth("stream")?;
        let hides_usage = self.dialect == Dialect::Chat && stream && self.want_usage()?;
        let shown = self.last_words()?;
        let sent = Sent {
            dialect: self.dialect,
            body: self.members.written().into(),
            stream,
            hides_usage,
            version: passed(headers, "anthropic-version")?,
            beta: passed(headers, "anthropic-beta")?,
            tokens_out_max: most.unwrap_or(allowed).saturating_mul(answers),
        };
        Ok((sent, shown))
    }

    /// Has the tokens told at the end of a stream; true where the client itself did not ask for that.
    fn want_usage(&mut self) -> Result<bool, Refusal> {
        let mut options = match self.members.value("stream_options")? {
            None => serde_json::Map::new(),
            Some(Value::Object(options)) => options,
            Some(_) => return Err(malformed("stream_options", &"it is no object")),
        };
        if options.get("include_usage") == Some(&Value::Bool(true)) {
            return Ok(false);
        }
        options.insert("include_usage".to_owned(), true.into());
        self.members.set("stream_options", &Value::Object(options))?;
        Ok(true)
    }

    /// The last words of the user.
    fn last_words(&self) -> Result<String, Refusal> {
        let messages = self.members.value("messages")?.unwrap_or_default();
        let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
        let by_user = |message: &&Value| message.get("role").and_then(Value::as_str) == Some("user");
        let last = messages.iter().rev().find(by_user).and_then(|message| message.get("content"));
        Ok(match last {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                let text = |part: &Value| Some(part.get("text")?.as_str()?.to_owned());
                parts.iter().filter_map(text).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        })
    }
}

/// JSON has one kind of number: `1.0` is as whole as `1`.
fn whole(number: f64) -> Option<u64> {
    let text = (number.fract() == 0.0).then(|| format!("{number:.0}"))?;
    text.parse().ok().filter(|count| *count < 1 << 53)
}

/// A header that means something to the provider.
fn passed(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX);
    let wrong = || Refusal::bad("request.header", format!("`{name}` is too long, or not visible ASCII"));
    text.map(|text| Some(text.to_owned())).ok_or_else(wrong)
}

fn malformed(name: &str, what: &dyn fmt::Display) -> Refusal {
    Refusal::bad("request.malformed", format!("`{name}`: {what}"))
}

#[cfg(test)]
mod tests;
