//! Servers on other machines that the service stands in front of.

use std::path::PathBuf;
use std::time::Duration;

use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::lease::Begun;
use cascade_runtime::upstream::{Change, KeepError, Kept, Upstream, UpstreamFault, Upstreams, keep};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, Painted};
use crate::{output, place};

/// Servers that `cascade serve` stands in front of at /v1/mcp
///
/// Where they are stands in upstreams.toml in the tenant's directory; no request names a place. Adding and removing one is
/// decided and on record like any other action. Tools, prompts and resources are governed as behind `cascade mcp -- CMD`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade mcp upstream add notes http://127.0.0.1:8000/mcp
  cascade mcp upstream list")]
pub(super) struct Servers {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Add(Add),
    List(List),
    Remove(Remove),
}

/// Add a server, or put another one in its place
///
/// A header may end in `secret:NAME`: the credential is sent to this server and nowhere else, for whoever it is for
/// (`cascade secret set NAME --for-model ORIGIN`).
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade mcp upstream add notes http://127.0.0.1:8000/mcp
  cascade secret set github --for-model https://mcp.example.com < token
  cascade mcp upstream add github https://mcp.example.com/mcp --header 'Authorization=Bearer secret:github'")]
struct Add {
    /// What it is called: policies name it `mcp:NAME`
    name: String,
    /// Where it is: https, or http to this machine alone
    url: String,
    /// Header of every request: a value, or `secret:NAME`
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Certificates (PEM) that are trusted instead of the built-in roots
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long an answer is waited for, at most 1h [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

/// List the servers; never the value of a credential
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade mcp upstream list --json")]
struct List {}

/// Remove a server; what its tools are pinned as stays
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade mcp upstream remove notes")]
struct Remove {
    /// What it is called
    name: String,
}

fn header(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "NAME=VALUE, such as `Authorization=Bearer secret:github`".to_owned())
}

pub(super) fn run(global: &Global, args: &Servers) -> Exit {
    match &args.what {
        What::List(List {}) => list(global),
        What::Add(args) => {
            let upstream = upstream(args).map_err(faulty)?;
            change(global, Change::Add(Box::new(upstream)), &args.name, "added")
        }
        What::Remove(Remove { name }) => change(global, Change::Remove(name.clone()), name, "removed"),
    }
}

fn upstream(args: &Add) -> Result<Upstream, UpstreamFault> {
    let mut upstream = Upstream::new(&args.name, &args.url)?;
    for (name, value) in &args.headers {
        upstream = upstream.with_header(name, value)?;
    }
    upstream.with_ca_file(args.ca_file.clone())?.with_timeout(args.timeout.map(|time| time.as_secs()))
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let all = Upstreams::load(reader.dir()).map_err(faulty)?;
    for one in all.all() {
        let headers: Vec<String> = one.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        if global.json {
            output::json(&Value::object([
                ("headers", Value::Array(headers.into_iter().map(Into::into).collect())),
                ("name", one.name().into()),
                ("timeout_s", Value::Int(i64::try_from(one.timeout().as_secs()).unwrap_or(i64::MAX))),
                ("url", one.url().into()),
            ]))?;
            continue;
        }
        output::line(format_args!(
            "{}  {}",
            Painted(BOLD, output::safe(one.name())),
            output::safe(one.url())
        ))?;
        for header in headers {
            output::line(format_args!("  {}", output::safe(&header)))?;
        }
    }
    Ok(exit::DONE)
}

fn change(global: &Global, change: Change, name: &str, done: &str) -> Exit {
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let (runtime, cwd) = (identity::runtime(&ledger)?, std::env::current_dir()?);
    match keep(&ledger, (&asker, &runtime), change, cwd).map_err(refused)? {
        Kept::Done(begun) => told(global, name, done, &begun),
        Kept::Refused(begun) => super::refused(&begun, ("nothing was changed", "then say it again"), || {
            super::standing::announce(&ledger, begun.receipt.receipt_id)
        }),
    }
}

fn told(global: &Global, name: &str, done: &str, begun: &Begun) -> Exit {
    let id = begun.receipt.receipt_id.to_string();
    if global.json {
        output::json(&Value::object([("name", name.into()), ("receipt_id", id.into())]))?;
        return Ok(exit::DONE);
    }
    output::say(format_args!("{} is {done}; receipt {id}", output::safe(name)));
    Ok(exit::DONE)
}

fn faulty(fault: UpstreamFault) -> Failure {
    let hint = fault.hint();
    Failure::usage(fault).hint(hint)
}

fn refused(error: KeepError) -> Failure {
    match error {
        KeepError::Fault(fault) => faulty(fault),
        KeepError::Unknown(_) => {
            Failure::could_not(error.into()).hint("`cascade mcp upstream list` shows those there are")
        }
        KeepError::Lease(error) => error.into(),
        KeepError::Write(..) => {
            Failure::could_not(error.into()).hint("look at the disk and who may write there")
        }
    }
}
