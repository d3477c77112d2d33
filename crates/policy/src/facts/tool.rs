//! Calls of tools: what a program offers over MCP, what a coding agent has of its own, what the service itself does.

mod paths;

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;

use super::FactsFault;
use super::read::Members;
use crate::worker::{self, Classification, Mention, Registry};

/// Longest name of a server or a tool, in bytes.
pub const TOOL_NAME_BYTES_MAX: usize = 256;
/// Most bytes of the arguments of one call.
pub const TOOL_BYTES_MAX: usize = 1024 * 1024;

/// A longer text of an argument is no path.
const TEXT_BYTES_MAX: usize = 4096;
/// Most texts of one call that are followed as paths; of others only the letters count.
const TEXTS_MAX: usize = 1024;

/// How the names of servers over MCP begin.
pub const MCP_PREFIX: &str = "mcp:";
/// The program whose manifest speaks of every server over MCP that has none of its own.
const EVERY_MCP: &str = "mcp:*";
/// Requests of the protocol that are no calls of tools, as they are decided: their own names. A tool of such a name is not
/// called.
pub const MCP_REQUESTS: [&str; 20] = [
    "completion/complete",
    "elicitation/create",
    "initialize",
    "logging/setLevel",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tools/list",
];
/// Those of them by which a server is read, or reads.
const READING: [&str; 5] =
    ["prompts/get", "resources/read", "sampling/createMessage", "tasks/get", "tasks/result"];
/// The member `kind` of the action.
const TOOL: &str = "tool";

/// A tool is called.
///
/// To policies it is a program, `server`, with the tool as its subcommand: manifests give its tier, grants and
/// Cedar name it, and what no manifest knows ranks HIGH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolCall {
    /// Who offers it: `mcp:github`, `agent:claude-code`, `cascade`.
    pub server: String,
    /// Its name there; of a subcommand of `cascade`, its words.
    pub tool: String,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// What the server says of the tool: SHA-256 of its definition, where servers can say anything at all.
    pub definition: Option<Digest>,
    /// The definition that was pinned.
    pub pinned: Option<Digest>,
}

impl ToolCall {
    /// What it is, for the gates.
    pub(crate) fn classification(&self, registry: &Registry) -> Classification {
        let named = paths::options(&self.server, &self.tool, &self.arguments);
        let options: Vec<&str> = named.iter().flatten().map(String::as_str).collect();
        let classify = |program: &str| {
            let words = std::iter::once(program).chain(self.tool.split(' ')).chain(options.iter().copied());
            let argv: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
            registry.classify_argv(&argv, &[])
        };
        let own = self.program(registry);
        let mut found = classify(own);
        // A manifest that speaks of tools alone says nothing of what every server is asked by every client.
        if !found.classified && own != EVERY_MCP && self.is_common() {
            found = classify(EVERY_MCP);
        }
        if let Some(command) = found.commands.first_mut() {
            command.program.clone_from(&self.server);
            command.subcommand.clone_from(&self.tool);
            command.words = vec![self.server.clone(), self.tool.clone(), self.arguments.clone()];
        }
        // No shell sees it, and no file says what it does.
        found.stdin_executes = false;
        found.obeyed = Vec::new();
        if !self.is_sound() || named.is_none() {
            found.refused = Some(TOOL.to_owned());
        }
        found
    }

    /// The program whose manifest speaks of this server: its own, or the one that speaks of every server over MCP.
    fn program(&self, registry: &Registry) -> &str {
        let known = registry.programs().any(|name| name == self.server);
        if !known && self.server.starts_with(MCP_PREFIX) { EVERY_MCP } else { &self.server }
    }

    /// Whether it is a request of the protocol by which nothing is had of a server but what it offers. What reads more
    /// is for its own manifest to name.
    fn is_common(&self) -> bool {
        let name = self.tool.as_str();
        self.server.starts_with(MCP_PREFIX) && MCP_REQUESTS.contains(&name) && !READING.contains(&name)
    }

    /// The paths that its arguments may name: every text in them may be one.
    pub(crate) fn mentioned(&self) -> BTreeSet<Mention> {
        let mut found = BTreeSet::new();
        let Ok(arguments) = serde_json::from_str(&self.arguments) else { return found };
        let mut left: Vec<serde_json::Value> = vec![arguments];
        let mut texts = 0;
        while let Some(value) = left.pop() {
            match value {
                serde_json::Value::String(word) => {
                    let mention = |path: &str| Mention {
                        path: path.to_owned(),
                        word: word.clone(),
                        pattern: false,
                        whole: false,
                    };
                    texts += 1;
                    if word.len() <= TEXT_BYTES_MAX && texts <= TEXTS_MAX {
                        found.extend(worker::parts(&word).map(mention));
                    }
                    found.insert(mention(""));
                }
                serde_json::Value::Array(items) => left.extend(items),
                serde_json::Value::Object(members) => {
                    left.extend(members.into_iter().map(|(_, value)| value));
                }
                serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
            }
        }
        found
    }

    fn is_sound(&self) -> bool {
        let named = |name: &str| {
            !name.is_empty() && name.len() <= TOOL_NAME_BYTES_MAX && !name.contains(char::is_control)
        };
        named(&self.server) && named(&self.tool) && self.arguments.len() <= TOOL_BYTES_MAX
    }

    /// Why the definition of the tool does not let it be called.
    pub(crate) fn objection(&self) -> Option<&'static str> {
        match (self.definition, self.pinned) {
            (Some(_), None) => Some("tool.not_pinned"),
            (Some(now), Some(pinned)) if now != pinned => Some("tool.changed"),
            (None, Some(_)) => Some("tool.gone"),
            _ => None,
        }
    }

    /// The member `kind` of the action.
    pub(crate) const fn action_kind() -> &'static str {
        TOOL
    }

    /// The member `tool`.
    pub(super) fn add_to(&self, members: &mut BTreeMap<String, Value>) {
        members.insert(TOOL.to_owned(), self.to_json());
    }

    /// What is called.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = BTreeMap::from([
            ("arguments".to_owned(), self.arguments.as_str().into()),
            ("name".to_owned(), self.tool.as_str().into()),
            ("server".to_owned(), self.server.as_str().into()),
        ]);
        for (key, digest) in [("definition", self.definition), ("pinned", self.pinned)] {
            if let Some(digest) = digest {
                members.insert(key.to_owned(), digest.to_hex().into());
            }
        }
        Value::Object(members)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of(TOOL, value)?;
        let found = Self {
            definition: members.optional_parsed("definition", Digest::from_hex)?,
            pinned: members.optional_parsed("pinned", Digest::from_hex)?,
            arguments: members.text("arguments")?.to_owned(),
            tool: members.text("name")?.to_owned(),
            server: members.text("server")?.to_owned(),
        };
        members.end()?;
        Ok(found)
    }
}
