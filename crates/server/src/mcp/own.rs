//! The verbs of this program as tools, over standard input and output.
//!
//! Each call runs the verb as a program of its own, so that whoever calls is decided as whoever types. Answers of people
//! are no tool: what waits for them is only listed.

use std::ffi::OsString;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use cascade_runtime::own_program::{self, Said};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::lines::{self, Event, From};
use super::wire::{self, Id, Message};

/// Calls that are worked on at once.
pub const CALLS_MAX: usize = 16;
/// JSON-RPC: there is no such method.
const METHOD: i32 = -32601;
/// The newest revision with sessions, and the one without.
const WITH_SESSIONS: [&str; 2] = ["2025-11-25", "2025-06-18"];
const MODERN: &str = "2026-07-28";
/// The verdicts of a run that did not run.
const REFUSALS: [i32; 2] = [3, 5];

/// One tool.
struct Verb {
    name: &'static str,
    text: &'static str,
    /// It changes nothing.
    reads: bool,
    /// Each argument with its type and what it is.
    takes: &'static [Takes],
}

struct Takes {
    name: &'static str,
    kind: Kind,
    text: &'static str,
    required: bool,
    /// The flag before it; none for what stands at the end, after `--`.
    flag: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Words,
}

const fn takes(name: &'static str, text: &'static str, flag: Option<&'static str>) -> Takes {
    Takes { name, kind: Kind::Text, text, required: flag.is_none(), flag }
}

const VERBS: &[Verb] = &[
    Verb {
        name: "check",
        text: "How a shell line would be decided; nothing is run or recorded",
        reads: true,
        takes: &[takes("line", "the line", None)],
    },
    Verb {
        name: "run",
        text: "Runs one command once it is decided; the output comes with its receipts",
        reads: false,
        takes: &[
            Takes {
                name: "argv",
                kind: Kind::Words,
                text: "program and arguments; no shell",
                required: true,
                flag: None,
            },
            takes("reason", "why", Some("--reason")),
            takes("timeout", "such as 90s", Some("--timeout")),
        ],
    },
    Verb { name: "verify", text: "Whether the chain is whole and authentic", reads: true, takes: &[] },
    Verb {
        name: "log",
        text: "The newest receipts",
        reads: true,
        takes: &[takes("limit", "how many", Some("--limit"))],
    },
    Verb {
        name: "show",
        text: "One receipt",
        reads: true,
        takes: &[takes("id", "such as r_0123456789abcdef", None)],
    },
    Verb {
        name: "lineage",
        text: "Where a receipt comes from",
        reads: true,
        takes: &[takes("id", "such as r_0123456789abcdef", None)],
    },
    Verb { name: "approvals", text: "What waits for people", reads: true, takes: &[] },
];

impl Verb {
    fn definition(&self) -> Value {
        let kind = |one: &Takes| match one.kind {
            Kind::Text => json!({"type": "string", "description": one.text}),
            Kind::Words => {
                json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "description": one.text})
            }
        };
        let properties: Map<String, Value> =
            self.takes.iter().map(|one| (one.name.to_owned(), kind(one))).collect();
        let required: Vec<&str> = self.takes.iter().filter(|one| one.required).map(|one| one.name).collect();
        json!({
            "name": self.name,
            "description": self.text,
            "inputSchema": {"type": "object", "properties": properties, "required": required,
                "additionalProperties": false},
            "annotations": {"readOnlyHint": self.reads, "openWorldHint": !self.reads},
        })
    }

    /// The command line of a call.
    fn words(&self, given: &Map<String, Value>) -> Result<Vec<OsString>, String> {
        if let Some(other) = given.keys().find(|key| self.takes.iter().all(|one| one.name != *key)) {
            return Err(format!("`{}` takes no `{other}`", self.name));
        }
        let verb = if self.name == "check" { "shell-check" } else { self.name };
        let (mut words, mut last) = (vec!["--json".to_owned(), verb.to_owned()], Vec::new());
        for one in self.takes {
            let Some(value) = given.get(one.name) else {
                if one.required {
                    return Err(format!("`{}` needs `{}`", self.name, one.name));
                }
                continue;
            };
            let texts = one.texts(value).ok_or_else(|| format!("`{}` is not of its type", one.name))?;
            match one.flag {
                Some(flag) => words.extend(texts.into_iter().map(|text| format!("{flag}={text}"))),
                None => last = texts,
            }
        }
        if !last.is_empty() {
            words.push("--".to_owned());
            words.extend(last);
        }
        Ok(words.into_iter().map(OsString::from).collect())
    }
}

impl Takes {
    fn texts(&self, value: &Value) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().filter(|text| !text.contains('\0')).map(str::to_owned);
        match self.kind {
            Kind::Text => Some(vec![text(value)?]),
            Kind::Words => value.as_array().filter(|all| !all.is_empty())?.iter().map(text).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hello {
    protocol_version: String,
}

/// Answers until nothing more is asked.
///
/// # Errors
/// The client does not read any more.
pub fn serve(input: impl Read, output: impl Write + Send, before: &[OsString]) -> io::Result<()> {
    let (output, busy) = (Mutex::new(output), AtomicUsize::new(0));
    let tell = |line: &[u8]| {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(line)?;
        output.write_all(b"\n")?;
        output.flush()
    };
    let mut input = BufReader::new(input);
    thread::scope(|scope| {
        while let Some(event) = lines::next(From::Client, &mut input) {
            let Event::Line(_, line) = event else { break };
            match Message::of(&line) {
                Ok(Message::Request(id, method, params)) if method == "tools/call" => {
                    let (verb, words) = match call(params) {
                        Ok(found) => found,
                        Err(text) => {
                            tell(&wire::error(Some(&id), wire::PARAMS, &text))?;
                            continue;
                        }
                    };
                    if busy.fetch_add(1, Ordering::AcqRel) >= CALLS_MAX {
                        busy.fetch_sub(1, Ordering::AcqRel);
                        tell(&wire::error(Some(&id), wire::NO_ANSWER, "too many calls at once"))?;
                        continue;
                    }
                    let words: Vec<OsString> = before.iter().cloned().chain(words).collect();
                    let (tell, busy) = (&tell, &busy);
                    scope.spawn(move || {
                        let said = own_program::run(&words);
                        busy.fetch_sub(1, Ordering::AcqRel);
                        // Whoever does not read any more is noticed at the next line.
                        drop(tell(&answer(&id, verb, said)));
                    });
                }
                Ok(Message::Request(id, method, params)) => tell(&known(&id, &method, params))?,
                // Nothing is asked of the client, and nothing that it notes changes anything.
                Ok(Message::Notification(..) | Message::Answer(..)) => {}
                Err((code, text)) => tell(&wire::error(None, code, text))?,
            }
        }
        Ok(())
    })
}

/// Answers that need no work.
fn known(id: &Id, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let about = json!({"name": "cascade", "version": env!("CARGO_PKG_VERSION")});
    let answer = match method {
        "initialize" => {
            let asked = params.and_then(wire::object::<Hello>).map(|hello| hello.protocol_version);
            let newest = WITH_SESSIONS.first().copied().unwrap_or_default();
            let version =
                WITH_SESSIONS.into_iter().find(|one| asked.as_deref() == Some(one)).unwrap_or(newest);
            json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about})
        }
        "server/discover" => {
            let versions: Vec<&str> = [MODERN].into_iter().chain(WITH_SESSIONS).collect();
            json!({"resultType": "complete", "supportedVersions": versions, "capabilities": {"tools": {}},
                "serverInfo": about, "ttlMs": 0, "cacheScope": "private"})
        }
        "ping" => json!({}),
        "tools/list" => {
            let tools: Vec<Value> = VERBS.iter().map(Verb::definition).collect();
            json!({"resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private"})
        }
        _ => return wire::error(Some(id), METHOD, "there is no such method"),
    };
    wire::result(id, &answer)
}

fn call(params: Option<&RawValue>) -> Result<(&'static str, Vec<OsString>), String> {
    let call = params.and_then(wire::object::<Call>).ok_or("the call cannot be read")?;
    let verb = VERBS.iter().find(|verb| verb.name == call.name).ok_or("there is no such tool")?;
    Ok((verb.name, verb.words(&call.arguments)?))
}

fn answer(id: &Id, verb: &str, said: io::Result<Said>) -> Vec<u8> {
    let said = match said {
        Ok(said) => said,
        Err(error) => {
            return wire::error(Some(id), wire::NO_ANSWER, &format!("couldn't run `{verb}`: {error}"));
        }
    };
    let mut text = String::from_utf8_lossy(&said.answer).into_owned();
    if text.is_empty() {
        text = String::from_utf8_lossy(&said.told).into_owned();
    }
    if said.truncated {
        text.push_str("\n(cut)");
    }
    // How a command of others ended is its own; its verdict is not.
    let failed = match (verb, said.code) {
        (_, Some(0)) => false,
        ("check", Some(code)) => !REFUSALS.contains(&code),
        _ => true,
    };
    wire::result(
        id,
        &json!({"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": failed}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_becomes_a_command_line_and_nothing_slips_in() {
        let words = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            call(Some(&raw)).map(|(_, words)| {
                words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
            })
        };
        for (text, expected) in [
            (
                r#"{"name":"run","arguments":{"argv":["git","--help"],"reason":"--home=/x"}}"#,
                Ok("--json run --reason=--home=/x -- git --help"),
            ),
            (
                r#"{"name":"check","arguments":{"line":"--as person"}}"#,
                Ok("--json shell-check -- --as person"),
            ),
            (r#"{"name":"verify"}"#, Ok("--json verify")),
            (r#"{"name":"show","arguments":{}}"#, Err("`show` needs `id`")),
            (r#"{"name":"verify","arguments":{"home":"/x"}}"#, Err("`verify` takes no `home`")),
            (r#"{"name":"run","arguments":{"argv":[]}}"#, Err("`argv` is not of its type")),
            (r#"{"name":"approve","arguments":{"id":"r_1"}}"#, Err("there is no such tool")),
        ] {
            assert_eq!(
                words(text).as_deref(),
                expected.map_err(str::to_owned).as_ref().map(|text| *text),
                "{text}"
            );
        }
    }
}
