use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cascade_ledger::{Grant as Held, Reader};
use cascade_receipt::content::{Granted, Right};
use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::facts::{self, Asker};
use cascade_runtime::grants::{self, Command, Giving, GrantError, Limit};
use clap::{Args, Subcommand};

use crate::args::{Global, principal};
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, CARE, DIM, GOOD, Painted};
use crate::signer::Signer;
use crate::{admin, failures, output, place};

/// Rights that people and agents were given, until when, and by whom
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade grant add --to agent:ci --command 'git push' --up-to MEDIUM --expires 8h
  cascade grant revoke r_0123456789abcdef
  cascade grant list")]
pub(crate) struct Grant {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Add(Add),
    Revoke(Revoke),
    /// List every grant, those that ended included
    #[command(after_help = "Example:
  cascade grant list --json")]
    List,
}

/// Give a right, or hand on one that you hold
///
/// An administrator gives rights; whoever holds one that may be handed on gives no more than that, for no longer and
/// one level less. Without --up-to, --until or --expires it has the bounds of the grant that it is handed on from. With
/// a giver who leaves ends what was given.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade grant add --to agent:ci --command 'git push' --program kubectl --expires 8h
  cascade grant add --to ada --assume bob --until 2026-12-31T00:00:00.000Z
  cascade grant add --to ada --program '*' --up-to MEDIUM --delegate 1
  cascade grant add --to agent:ci --for ada --command 'terraform plan'")]
struct Add {
    /// Who gets it: a person's name or id, or agent:NAME
    #[arg(long, value_name = "WHO", value_parser = principal)]
    to: String,
    /// The person an agent acts for [default: you]
    #[arg(long = "for", value_name = "OWNER", value_parser = principal)]
    owner: Option<String>,
    /// A program and its subcommand: `git push`
    #[arg(long = "command", value_name = "WORDS", value_parser = Command::parse)]
    commands: Vec<Command>,
    /// A program with all its subcommands; `*` for all programs
    #[arg(long = "program", value_name = "PROGRAM", value_parser = Command::parse)]
    programs: Vec<Command>,
    /// On what the commands may act: `cluster:dev-*`; `*` stands for any text
    #[arg(long = "resource", value_name = "KIND:NAME", value_parser = Limit::parse, conflicts_with = "assume")]
    resources: Vec<Limit>,
    /// To be taken for this person with --as
    #[arg(long, value_name = "PERSON", value_parser = principal, conflicts_with_all = ["commands", "programs"])]
    assume: Option<String>,
    /// The highest tier it reaches
    #[arg(long, value_name = "TIER", value_parser = tier)]
    up_to: Option<RiskTier>,
    /// Until when (RFC 3339 UTC)
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "expires")]
    until: Option<Timestamp>,
    /// For how long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// How many levels further it may be handed on
    #[arg(long, value_name = "LEVELS", default_value = "0", value_parser = grants::levels)]
    delegate: u64,
    /// Private SSH key of the giver [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Take a right back, and what was handed on of it
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade grant revoke r_0123456789abcdef")]
struct Revoke {
    /// The grant; the beginning of its id is enough
    id: String,
    /// Private SSH key of the giver or an administrator [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

fn tier(text: &str) -> Result<RiskTier, String> {
    RiskTier::parse(&text.to_uppercase()).ok_or_else(|| "LOW, MEDIUM, HIGH or CRITICAL".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write it like 2026-12-31T00:00:00.000Z".to_owned())
}

pub(crate) fn run(global: &Global, args: &Grant) -> Exit {
    match &args.what {
        What::Add(args) => add(global, args),
        What::Revoke(args) => revoke(global, args),
        What::List => list(global),
    }
}

fn add(global: &Global, args: &Add) -> Exit {
    let commands: Vec<Command> = args.commands.iter().chain(&args.programs).cloned().collect();
    if commands.is_empty() && args.assume.is_none() {
        return Err(Failure::usage("nothing is given").hint("give --command, --program or --assume"));
    }
    if grants::is_too_long(commands.len()) {
        return Err(Failure::usage("more commands than one grant may name").hint("give several grants"));
    }
    if grants::is_too_narrow(args.resources.len()) {
        return Err(
            Failure::usage("more resources than one grant may name").hint("use `*`, or give several grants")
        );
    }
    let ledger = place::ledger(global)?;
    let lasts_ms = args.expires.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let giving = Giving {
        to: args.to.clone(),
        owner: args.owner.clone(),
        commands,
        assume: args.assume.clone(),
        resources: args.resources.clone(),
        up_to: args.up_to,
        until: args.until,
        lasts_ms,
        delegate: args.delegate,
    };
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let (receipt, granted) = grants::give(&ledger, &asker, &giving, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    })
    .map_err(|error| admin::on_record(&ledger, &asker, "grant_add", refused(error)))?;
    let id = receipt.receipt_id.to_string();
    let inherited = inherited(&giving, &granted);
    if global.json {
        let mut members = BTreeMap::from([
            ("principal", granted.principal.to_string().into()),
            ("receipt_id", id.into()),
            ("to", granted.to.to_string().into()),
        ]);
        members.extend(granted.scope.up_to.map(|tier| ("up_to", Value::from(tier.as_str()))));
        members.extend(granted.expires.map(|time| ("expires", Value::from(time.to_string()))));
        members.extend(granted.parent.map(|above| ("parent", Value::from(above.receipt_id.to_string()))));
        let names = inherited.iter().map(|(name, _)| Value::from(*name)).collect();
        members.insert("inherited", Value::Array(names));
        output::json(&Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ))?;
        return Ok(exit::DONE);
    }
    output::line(&id)?;
    if let Some(above) = granted.parent.as_ref().filter(|_| !inherited.is_empty()) {
        let bounds: Vec<&str> = inherited.iter().map(|(_, words)| words.as_str()).collect();
        output::say(format_args!(
            "{}, like the grant it is handed on from: {}",
            bounds.join(", "),
            above.receipt_id
        ));
    }
    Ok(exit::DONE)
}

/// Bounds that were not given and come from the grant above, by member and in words.
fn inherited(giving: &Giving, granted: &Granted) -> Vec<(&'static str, String)> {
    let mut bounds = Vec::new();
    if let Some(tier) = granted.scope.up_to.filter(|_| giving.up_to.is_none()) {
        bounds.push(("up_to", format!("up to {tier}")));
    }
    let has_end = giving.until.is_some() || giving.lasts_ms.is_some();
    if let Some(end) = granted.expires.filter(|_| !has_end) {
        bounds.push(("expires", format!("until {end}")));
    }
    bounds
}

fn revoke(global: &Global, args: &Revoke) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let receipt = grants::revoke(&ledger, &asker, &args.id, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    })
    .map_err(|error| admin::on_record(&ledger, &asker, "grant_revoke", refused(error)))?;
    let id = receipt.receipt_id.to_string();
    if global.json {
        output::json(&Value::object([("receipt_id", id.into())]))?;
        return Ok(exit::DONE);
    }
    output::say(format_args!("receipt {id}"));
    Ok(exit::DONE)
}

/// Where to look for what one may give.
const HELD_HINT: &str = "`cascade grant list` shows what you hold; an administrator gives rights";

fn refused(error: GrantError) -> Failure {
    match error {
        GrantError::Admin(error) => admin::refused(error),
        GrantError::Find(error) => failures::finding(error),
        GrantError::NotHeld(_) => Failure::refused(error, "authority.not_held").hint(HELD_HINT),
        GrantError::NotYours => Failure::refused(error, "authority.not_yours").hint(HELD_HINT),
        GrantError::NotAnAgent(_) | GrantError::Past => Failure::usage(error),
        GrantError::Unknown(_) => {
            Failure::could_not(error.into()).hint("`cascade people list` shows who is registered")
        }
        GrantError::TooMany(_) => Failure::could_not(error.into()).hint("revoke some, or name more in one"),
        GrantError::NotAGrant(_) => {
            Failure::could_not(error.into()).hint("`cascade grant list` shows the grants")
        }
    }
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let now = facts::chain_now(&reader)?;
    for grant in reader.grants()? {
        let state = state(&grant, now);
        if global.json {
            output::json(&document(&reader, &grant, state)?)?;
            continue;
        }
        let style = match state {
            "holds" => GOOD,
            "broken" => BAD,
            "expired" => CARE,
            _ => DIM,
        };
        let up_to = grant.scope.up_to.map(|tier| format!(", up to {tier}")).unwrap_or_default();
        let until = grant.expires.map(|time| format!(", until {time}")).unwrap_or_default();
        let levels =
            if grant.delegate > 0 { format!(", to hand on {}", grant.delegate) } else { String::new() };
        output::line(format_args!(
            "{}  {}  {} may {}{up_to}{until}{levels}; given by {}",
            grant.receipt_id,
            Painted(style, format!("{state:<7}")),
            output::safe(&name(&reader, grant.to)?),
            output::safe(&what(&reader, &grant)?),
            output::safe(&name(&reader, grant.principal)?)
        ))?;
    }
    Ok(exit::DONE)
}

pub(super) fn state(grant: &Held, now: Timestamp) -> &'static str {
    if grant.revoked_by.is_some() {
        "revoked"
    } else if !grant.unbroken {
        "broken"
    } else if grant.holds(now) {
        "holds"
    } else {
        "expired"
    }
}

pub(super) fn what(reader: &Reader, grant: &Held) -> Result<String, Failure> {
    Ok(match &grant.scope.right {
        Right::Commands(commands) if grant.scope.resources.is_empty() => {
            format!("run {}", commands.join(", "))
        }
        Right::Commands(commands) => {
            format!("run {} on {}", commands.join(", "), output::safe(&grant.scope.resources.join(", ")))
        }
        Right::Assume(principal) => format!("act as {}", name(reader, *principal)?),
    })
}

pub(super) fn document(reader: &Reader, grant: &Held, state: &str) -> Result<Value, Failure> {
    let mut members = vec![
        ("delegate", Value::Int(i64::try_from(grant.delegate).unwrap_or(i64::MAX))),
        ("given_by", name(reader, grant.principal)?.into()),
        ("principal", grant.principal.to_string().into()),
        ("receipt_id", grant.receipt_id.to_string().into()),
        ("state", state.into()),
        ("to", grant.to.to_string().into()),
        ("to_name", name(reader, grant.to)?.into()),
    ];
    match &grant.scope.right {
        Right::Commands(commands) => {
            let commands = commands.iter().map(|command| Value::from(command.as_str())).collect();
            members.push(("commands", Value::Array(commands)));
        }
        Right::Assume(principal) => members.push(("assume", principal.to_string().into())),
    }
    if !grant.scope.resources.is_empty() {
        let resources = grant.scope.resources.iter().map(|one| Value::from(one.as_str())).collect();
        members.push(("resources", Value::Array(resources)));
    }
    members.extend(grant.scope.up_to.map(|tier| ("up_to", Value::from(tier.as_str()))));
    members.extend(grant.expires.map(|time| ("expires", Value::from(time.to_string()))));
    members.extend(grant.parent.map(|parent| ("parent", Value::from(parent.to_string()))));
    members.extend(grant.revoked_by.map(|by| ("revoked_by", Value::from(by.to_string()))));
    Ok(Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

pub(super) fn name(reader: &Reader, principal: PrincipalId) -> Result<String, Failure> {
    Ok(reader.name(principal)?.map_or_else(|| principal.to_string(), |name| name.name))
}
