mod pins;
mod upstream;

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use cascade_policy::facts::MCP_PREFIX;
use cascade_receipt::decision::Verdict;
use cascade_runtime::facts::{Asker, Command, Input};
use cascade_runtime::identity;
use cascade_runtime::lease::Begun;
use cascade_runtime::people;
use cascade_runtime::policy_store::PolicyInForce;
use cascade_runtime::process::Enclosure;
use cascade_server::mcp::{
    self, ANSWER_TIME_MAX, Ended, Finished, Gateway, Mouths, StartError, Started, Stopper, own,
};
use clap::{Args, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{Painted, tier_style, verdict_style};
use crate::verb::standing;
use crate::{output, place, reasons};

/// Longest name of a server, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The agent that a client is which does not say who it is.
const MODEL: &str = "mcp";
/// Programs that run another one, whose name says more.
const RUNNERS: [&str; 12] =
    ["npx", "uvx", "uv", "pipx", "bunx", "node", "bun", "deno", "python", "python3", "sh", "bash"];

/// Stand between an MCP client and a server, so that every call of a tool is decided and receipted
///
/// Where a client is told to start `SERVER CMD`, tell it to start `cascade mcp -- SERVER CMD` instead. Messages pass as
/// they are; calls of tools, resources and prompts are decided first, and their answers are on record before the client
/// gets them. To policies the server is the program `mcp:NAME`, and each tool a subcommand. A tool is pinned as it was
/// when it was first seen: should it become another one, its calls are denied until an administrator accepts that.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  cascade mcp -- npx -y @modelcontextprotocol/server-filesystem .
  cascade mcp --name github -- github-mcp-server stdio
  cascade mcp list
  cascade mcp pin github create_issue
  cascade mcp upstream add notes http://127.0.0.1:8000/mcp
  cascade mcp serve"
)]
pub(crate) struct Mcp {
    #[command(subcommand)]
    what: Option<What>,
    /// What policies call the server [default: the name of its program]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// How long an answer or an approval is waited for, at most 24h
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = timeout)]
    timeout: Duration,
    /// The server and its arguments; never goes through a shell
    #[arg(last = true, required = true, value_name = "SERVER CMD")]
    command: Vec<OsString>,
}

#[derive(Subcommand, Debug)]
enum What {
    List(pins::List),
    Pin(pins::Pin),
    Serve(Serve),
    Upstream(upstream::Servers),
}

/// Be an MCP server: check, run, verify, log, show, lineage and approvals as tools
///
/// For a client that is to work through Cascade: every call is decided as if its words had been typed. People's answers are
/// no tool.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade mcp serve")]
struct Serve {}

/// What a server can be called in policies.
pub(super) fn name(text: &str) -> Result<String, String> {
    let text = text.strip_prefix(MCP_PREFIX).unwrap_or(text);
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.len() <= NAME_BYTES_MAX && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("at most {NAME_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`, such as github"))
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() || time > ANSWER_TIME_MAX {
        return Err(format!("more than nothing, and at most {}h", ANSWER_TIME_MAX.as_secs() / 3600));
    }
    Ok(time)
}

pub(crate) fn run(global: &Global, args: &Mcp) -> Exit {
    match &args.what {
        Some(What::List(args)) => pins::list(global, args),
        Some(What::Pin(args)) => pins::pin(global, args),
        Some(What::Serve(Serve {})) => serve(global),
        Some(What::Upstream(args)) => upstream::run(global, args),
        None => stand_between(global, args),
    }
}

/// Verbs run beneath this one, in the same home.
fn serve(global: &Global) -> Exit {
    let mut before: Vec<OsString> =
        vec!["--home".into(), place::home_dir(global)?.into(), "--tenant".into(), (&global.tenant).into()];
    // Whoever calls tools is a model, and a model is an agent, whatever its client does not say.
    let as_model = || (!is_agent()).then(|| format!("agent:{MODEL}"));
    if let Some(principal) = global.acting_as.clone().or_else(as_model) {
        before.extend(["--as".into(), principal.into()]);
    }
    own::serve(std::io::stdin(), std::io::stdout(), &before)?;
    Ok(exit::DONE)
}

fn is_agent() -> bool {
    let env: Vec<_> = std::env::vars_os().collect();
    let env = env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    people::agent_marker(&env).is_some() || Enclosure::look().agent().is_some()
}

fn stand_between(global: &Global, args: &Mcp) -> Exit {
    let server = match &args.name {
        Some(name) => name.clone(),
        None => named_after(&args.command)
            .ok_or_else(|| Failure::usage("the server needs a name").hint("give --name NAME"))?,
    };
    let ledger = place::ledger(global)?;
    let command = Command { input: Input::None, ..Command::here(args.command.clone())? };
    let asker = Asker::find(&ledger, &command.env, global.acting_as.as_deref())?;
    let (runtime, policy) = (identity::runtime(&ledger)?, PolicyInForce::default());
    let cwd = command.cwd.clone();
    let serving = match mcp::start(&ledger, &asker, (&runtime, &policy), command).map_err(no_server)? {
        Started::Serving(serving) => serving,
        Started::Refused(begun) => {
            let words = ("the server is not started", "then have the client start it again");
            return refused(&begun, words, || standing::announce(&ledger, begun.receipt.receipt_id));
        }
    };
    let gateway = Gateway {
        ledger: &ledger,
        policy: &policy,
        runtime: &runtime,
        asker: &asker,
        server: format!("{MCP_PREFIX}{server}"),
        cwd,
        timeout: args.timeout,
    };
    let (stopper, heard) = mcp::stopper();
    stop_on_signals(stopper)?;
    let mouths = Mouths {
        input: Box::new(std::io::stdin()),
        output: Box::new(std::io::stdout()),
        // Not Rust's own, whose lock whoever waits for a reader would keep.
        people: Box::new(std::fs::File::from(std::io::stderr().as_fd().try_clone_to_owned()?)),
        line: &|text| output::said(output::safe(text)),
    };
    let Ended { finished, end, heard } = mcp::run(gateway, mouths, heard, *serving)?;
    if !heard {
        // Nobody reads why it ends either; the exit code says it.
        let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stderr(&nowhere).map_err(std::io::Error::from)?;
    }
    match finished {
        Finished::ClientClosed | Finished::Stopped => Ok(exit::DONE),
        Finished::Revoked => {
            output::say("the server may not run any more, and was ended");
            output::hint_line(
                "`cascade doctor` says whether everything is stopped; `cascade show` says what has changed",
            );
            Ok(exit::DENIED)
        }
        Finished::Unrecorded => Err(Failure::could_not(anyhow::anyhow!(
            "nothing more could be put on record, so the server was ended"
        ))
        .hint("`cascade doctor` says what is wrong with the home; then have the client start it again")),
        Finished::ServerEnded => Err(Failure::could_not(anyhow::anyhow!("the server went first ({end})"))
            .hint("what it said for people stands above; try it without `cascade mcp --`")),
        Finished::ServerFloods => Err(Failure::could_not(anyhow::anyhow!(
            "the server sent a line longer than any message and was ended"
        ))
        .hint("report it to whoever makes the server")),
        Finished::ClientFloods => {
            Err(Failure::could_not(anyhow::anyhow!("the client sent a line longer than any message"))
                .hint("report it to whoever makes the client"))
        }
    }
}

/// The first signal ends it in order; another one at once, with the server, which ends with this process.
fn stop_on_signals(stopper: Stopper) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut stopper = Some(stopper);
        for signal in signals.forever() {
            match stopper.take() {
                // It may be writing to a client that does not read, and then hears nothing.
                Some(stopper) => drop(thread::Builder::new().spawn(move || stopper.stop())),
                None => drop(signal_hook::low_level::emulate_default_handler(signal)),
            }
        }
    })?;
    Ok(())
}

fn no_server(error: StartError) -> Failure {
    match error {
        StartError::NoProgram(_) => Failure::could_not(error.into()).hint("check the name and PATH"),
        other => other.into(),
    }
}

fn refused(
    begun: &Begun,
    (not_done, again): (&str, &str),
    announce: impl FnOnce() -> Result<(), Failure>,
) -> Exit {
    let (verdict, tier) = (begun.ruling.decision.verdict, begun.ruling.risk_tier);
    let (shown, tier) = (Painted(verdict_style(verdict), verdict), Painted(tier_style(tier), tier));
    output::say(format_args!("{shown}  {tier}: {not_done}"));
    for reason in &begun.objections {
        output::say(format_args!("  {}", reasons::code_text(&reason.code)));
    }
    for text in reasons::texts(&begun.ruling) {
        output::say(format_args!("  {}", output::safe(&text)));
    }
    let waits = verdict == Verdict::Escalate && begun.objections.is_empty();
    if waits {
        announce()?;
        output::hint_line(again);
    }
    output::say(format_args!("receipt {}", begun.receipt.receipt_id));
    Ok(if waits { exit::WAITING } else { exit::DENIED })
}

/// The name of the program, or of what a runner runs: `server-github` of `npx -y @scope/server-github@1`.
fn named_after(command: &[OsString]) -> Option<String> {
    let stem = |word: &OsString| -> String {
        let path = Path::new(word);
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = name.split('@').next().unwrap_or_default();
        let name = [".py", ".js", ".mjs", ".ts", ".sh"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        name.to_owned()
    };
    let first = stem(command.first()?);
    let runs = || command.iter().skip(1).filter(|word| !word.to_string_lossy().starts_with('-')).map(stem);
    let found =
        if RUNNERS.contains(&first.as_str()) { runs().find(|word| word != "run") } else { Some(first) };
    found.and_then(|found| name(&found).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_after_what_it_is() {
        for (line, expected) in [
            ("github-mcp-server stdio", Some("github-mcp-server")),
            ("npx -y @modelcontextprotocol/server-filesystem@1.2 .", Some("server-filesystem")),
            ("/usr/bin/python3 ./servers/Weather.py", Some("weather")),
            ("uv run notes", Some("notes")),
            ("python3 -", None),
            ("./@", None),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(named_after(&words).as_deref(), expected, "{line}");
        }
        let longest = "a".repeat(NAME_BYTES_MAX);
        assert!(name(&longest).is_ok() && name(&format!("{longest}a")).is_err());
        assert!(name("mcp:github").is_ok_and(|found| found == "github"));
    }
}
