//! The settings files of the agents: the hooks are put in and taken out by place, so that not one byte of what
//! somebody else wrote there changes.

mod cut;
mod print;
mod span;

use std::time::Duration;

use serde_json::Value;

use self::print::{Node, Style};
use self::span::Span;
use super::Agent;

/// How long agents are told to wait for a hook.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest settings file that is edited, in bytes.
pub const SETTINGS_BYTES_MAX: usize = 1024 * 1024;

/// Begins every command that is put into settings. Agents go on where a hook is not found, crashes or ends with any
/// other code than 2; this makes 2 of all of them. Every shell reads it the same way.
const GUARD: &str = r#"sh -c '"$@" || { c=$?; test $c = 2 || echo "cascade: the hook ended with $c, so this is blocked" >&2; exit 2; }' cascade "#;

/// What is put into settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hook {
    /// Whose settings.
    pub agent: Agent,
    /// The whole command line.
    command: String,
    /// Claude Code is told to block where the hook fails; versions before 2.1.295 do not know that member.
    on_failure: bool,
}

/// What becomes of a settings file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// It is as it should be.
    Unchanged,
    /// It is to hold this.
    Text(String),
    /// There was no file before the hooks were put in.
    Gone,
}

/// Why a settings file is left alone.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// Larger than [`SETTINGS_BYTES_MAX`].
    #[error("it is longer than {SETTINGS_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON, or JSON with comments.
    #[error("it is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// A member that is not what agents read there.
    #[error("`{0}` in it is not what hooks are kept in")]
    Shape(String),
    /// Hooks are switched off altogether.
    #[error("`disableAllHooks` in it switches every hook off: remove that first")]
    Disabled,
    /// A member that is there twice: nobody knows which one counts.
    #[error("`{0}` is there twice")]
    Twice(String),
}

impl Hook {
    /// The hook of an agent. `words` are program and arguments up to `hook`, as a shell reads them, `flags` what follows
    /// the agent's name.
    #[must_use]
    pub fn new(agent: Agent, words: &[String], flags: &[String], on_failure: bool) -> Self {
        let own = ["hook".to_owned(), agent.name().to_owned()];
        let words: Vec<&str> = words.iter().chain(&own).chain(flags).map(String::as_str).collect();
        let on_failure = on_failure && agent == Agent::ClaudeCode;
        Self { agent, command: format!("{GUARD}{}", words.join(" ")), on_failure }
    }

    /// Puts it into settings; `None` where there is no file.
    ///
    /// # Errors
    /// [`SettingsFault`]; the file is to be left as it is.
    pub fn put_into(&self, text: Option<&str>) -> Result<Edit, SettingsFault> {
        let Some(text) = text else { return Ok(Edit::Text(self.fresh())) };
        check(self.agent, text)?;
        let now: Value = serde_json::from_str(text)?;
        // Whatever is put in then is never asked.
        if now.get("disableAllHooks").and_then(Value::as_bool) == Some(true) {
            return Err(SettingsFault::Disabled);
        }
        let there = cut::handlers(self.agent, text);
        let mut after = if there.is_empty() { text.to_owned() } else { cut::plainly(self.agent, text) };
        for event in events(self.agent) {
            after = self.with(&after, event);
        }
        // All of a hook counts, its matcher and its time as well: what differs in one of them may ask nobody.
        let then: Value = serde_json::from_str(&after)?;
        Ok(if now == then { Edit::Unchanged } else { Edit::Text(after) })
    }

    /// Takes whatever hook of Cascade is there out of settings. `kept` is what was there before it was put in, where
    /// somebody kept it: what only looks alike afterwards (no `hooks`, and an empty one) it tells apart.
    ///
    /// # Errors
    /// [`SettingsFault`]; the file is to be left as it is.
    pub fn take_out(agent: Agent, text: &str, kept: Option<&str>) -> Result<Edit, SettingsFault> {
        check(agent, text)?;
        let Some(hook) = cut::handlers(agent, text).first().and_then(|one| Self::read(agent, one)) else {
            return Ok(Edit::Unchanged);
        };
        if kept.is_none() && text == hook.fresh() {
            return Ok(Edit::Gone);
        }
        let is_before = |candidate: &String| matches!(hook.put_into(Some(candidate)), Ok(Edit::Text(after)) if after == text);
        let kept = kept.map(str::to_owned).into_iter();
        let before = kept.chain(cut::candidates(agent, text)).find(is_before);
        Ok(Edit::Text(before.unwrap_or_else(|| cut::plainly(agent, text))))
    }

    fn read(agent: Agent, handler: &Value) -> Option<Self> {
        let command = handler.get("command")?.as_str()?.to_owned();
        Some(Self { agent, command, on_failure: cut::on_failure(handler) })
    }

    /// Whether a hook of Cascade stands in settings.
    #[must_use]
    pub fn is_in(agent: Agent, text: &str) -> bool {
        check(agent, text).is_ok() && !cut::handlers(agent, text).is_empty()
    }

    /// A file with nothing else in it.
    fn fresh(&self) -> String {
        let events = events(self.agent).iter().map(|event| (*event, Node::Array(vec![self.group(event)])));
        let root = Node::Object(vec![("hooks", Node::Object(events.collect()))]);
        format!("{}\n", root.print(&Style::default(), 0))
    }

    /// With one event's hook.
    fn with(&self, text: &str, event: &str) -> String {
        let style = Style::of(text);
        let group = self.group(event);
        let root = span::root(text);
        let Some(hooks) = span::member(text, root, "hooks") else {
            let node = Node::Object(vec![(event, Node::Array(vec![group]))]);
            return insert(text, root, &style, (1, &style.member("hooks", &node, 1)));
        };
        match span::member(text, hooks, event) {
            None => insert(text, hooks, &style, (2, &style.member(event, &Node::Array(vec![group]), 2))),
            Some(array) => insert(text, array, &style, (3, &group.print(&style, 3))),
        }
    }

    fn group(&self, event: &str) -> Node<'_> {
        let mut handler = vec![("type", Node::Text("command")), ("command", Node::Text(&self.command))];
        if self.agent == Agent::Gemini {
            handler.push(("name", Node::Text("cascade")));
            handler.push(("timeout", Node::Number(TIMEOUT.as_millis())));
        } else {
            handler.push(("timeout", Node::Number(u128::from(TIMEOUT.as_secs()))));
        }
        if self.on_failure && event == "PreToolUse" {
            handler.push(("onFailure", Node::Text("block")));
        }
        Node::Object(vec![("hooks", Node::Array(vec![Node::Object(handler)]))])
    }
}

/// Events that the hook is called for. Without a matcher every tool is one.
const fn events(agent: Agent) -> &'static [&'static str] {
    match agent {
        Agent::ClaudeCode => &["PreToolUse", "PostToolUse", "PostToolUseFailure"],
        Agent::Codex => &["PreToolUse", "PermissionRequest", "PostToolUse"],
        Agent::Gemini => &["BeforeTool", "AfterTool"],
    }
}

/// Whether it is what this module can edit.
fn check(agent: Agent, text: &str) -> Result<(), SettingsFault> {
    if text.len() > SETTINGS_BYTES_MAX {
        return Err(SettingsFault::TooLong);
    }
    let settings: Value = serde_json::from_str(text)?;
    let shape = |name: &str| SettingsFault::Shape(name.to_owned());
    if !settings.is_object() {
        return Err(shape("the whole"));
    }
    span::once(text, span::root(text)).map_err(SettingsFault::Twice)?;
    let Some(hooks) = settings.get("hooks") else { return Ok(()) };
    if !hooks.is_object() {
        return Err(shape("hooks"));
    }
    if let Some(own) = span::member(text, span::root(text), "hooks") {
        span::once(text, own).map_err(SettingsFault::Twice)?;
    }
    let odd = events(agent).iter().find(|event| hooks.get(**event).is_some_and(|groups| !groups.is_array()));
    odd.map_or(Ok(()), |event| Err(shape(event)))
}

/// Adds an item at the end of an object or array.
fn insert(text: &str, container: Span, style: &Style, (depth, item): (usize, &str)) -> String {
    let items = span::items(text, container);
    let line = style.line(depth);
    let (at, added) = match items.last() {
        Some(last) => (last.end, format!(",{line}{item}")),
        // White space that was inside stays behind it, so that it can be told from none when this is taken out.
        None => (container.inside().start, format!("{line}{item}{}", style.line(depth - 1))),
    };
    let (before, after) = text.split_at(at);
    format!("{before}{added}{after}")
}

#[cfg(test)]
mod tests;
