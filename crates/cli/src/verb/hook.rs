//! `hook`: what coding agents call before and after their tools, and how it gets into their settings.

mod answering;
mod diff;
mod install;

use std::time::Duration;

use cascade_runtime::lease::{LEASE, LEASE_MAX};
use cascade_server::hook::{ANSWER_TIME_MAX, Agent};
use clap::{Args, Subcommand, ValueEnum};

use crate::args::Global;
use crate::exit::{Exit, Failure};

/// Coding agents: every tool they call is decided before, and its outcome recorded after
///
/// `cascade hook install AGENT` puts it into the agent's settings. docs/hooks.md says what a hook can and cannot enforce.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade hook install claude-code
  cascade hook install codex --scope project --dry-run
  cascade hook remove gemini
  cascade hook claude-code < event.json        what the agent itself calls")]
pub(crate) struct HookArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Answer one event of Claude Code: JSON on stdin, its answer on stdout, exit code 2 where it must stop
    #[command(after_help = "Example:\n  cascade hook claude-code < event.json")]
    ClaudeCode(Answering),
    /// Answer one event of Codex
    #[command(after_help = "Example:\n  cascade hook codex < event.json")]
    Codex(Answering),
    /// Answer one event of Gemini CLI
    #[command(after_help = "Example:\n  cascade hook gemini < event.json")]
    Gemini(Answering),
    /// Put the hooks into an agent's settings; everything else there stays as it is, to the byte
    #[command(after_help = "Examples:
  cascade hook install claude-code
  cascade hook install gemini --scope project --dry-run")]
    Install(Install),
    /// Take the hooks out of an agent's settings again
    #[command(after_help = "Example:\n  cascade hook remove claude-code")]
    Remove(Settings),
}

/// How events are answered.
#[derive(Args, Debug, Clone)]
struct Answering {
    /// Allow what is admitted at once (Claude Code; Codex where it asks for permission), instead of leaving it to the
    /// agent's own rules
    #[arg(long)]
    decide: bool,
    /// Leave what people could approve to whoever sits at the agent (Claude Code): what they let through has no receipt
    /// that admits it, and its outcome is refused
    #[arg(long)]
    ask: bool,
    /// How long the outcome of an admitted call is waited for; then it is closed as unknown
    #[arg(long, value_name = "DURATION", value_parser = lease)]
    lease: Option<Duration>,
    /// Answer within this time, at most 20s, or stop the agent [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = within, hide_short_help = true)]
    within: Option<Duration>,
}

#[derive(Args, Debug)]
struct Install {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    answering: Answering,
    /// For Claude Code before 2.1.295, which does not know `onFailure`
    #[arg(long)]
    no_on_failure: bool,
}

/// Which settings.
#[derive(Args, Debug)]
struct Settings {
    /// The agent
    #[arg(value_enum)]
    agent: AgentName,
    /// Your own settings, or those of the project in this directory
    #[arg(long, value_enum, default_value = "user")]
    scope: Scope,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum AgentName {
    ClaudeCode,
    Codex,
    Gemini,
}

impl From<AgentName> for Agent {
    fn from(name: AgentName) -> Self {
        match name {
            AgentName::ClaudeCode => Self::ClaudeCode,
            AgentName::Codex => Self::Codex,
            AgentName::Gemini => Self::Gemini,
        }
    }
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    User,
    Project,
}

/// A length of time between a second and the longest lease.
fn lease(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(1), LEASE_MAX)
}

fn within(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_millis(1), ANSWER_TIME_MAX)
}

fn bounded(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < least || time > most {
        let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
        return Err(format!("it is between {least} and {most}"));
    }
    Ok(time)
}

impl Answering {
    fn lease(&self) -> Duration {
        self.lease.unwrap_or(LEASE)
    }

    fn within(&self) -> Duration {
        self.within.unwrap_or(ANSWER_TIME_MAX)
    }

    /// The same as words.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.decide.then(|| "--decide".to_owned()));
        words.extend(self.ask.then(|| "--ask".to_owned()));
        let spelled = |time: Duration| humantime::format_duration(time).to_string().replace(' ', "");
        words.extend(self.lease.map(|time| format!("--lease={}", spelled(time))));
        words.extend(self.within.map(|time| format!("--within={}", spelled(time))));
        words
    }
}

pub(crate) fn run(global: &Global, args: &HookArgs) -> Exit {
    match &args.what {
        What::ClaudeCode(args) => answering::run(global, Agent::ClaudeCode, args),
        What::Codex(args) => answering::run(global, Agent::Codex, args),
        What::Gemini(args) => answering::run(global, Agent::Gemini, args),
        What::Install(args) => install::install(global, args),
        What::Remove(args) => install::remove(args),
    }
}

/// Nobody else than the agent asks.
fn alone(global: &Global) -> Result<(), Failure> {
    match &global.acting_as {
        Some(_) => Err(Failure::usage("a hook asks for its agent: --as has no place here")
            .hint("the agent's name follows `hook`")),
        None => Ok(()),
    }
}
