use std::path::PathBuf;
use std::time::Duration;

use cascade_ledger::{Reader, Token as Held};
use cascade_policy::name::{self, NameFault};
use cascade_receipt::content::TokenScope;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::tokens::{self, Issued, Issuing, TokenError, TokenState, Withdrawal};
use clap::{Args, Subcommand};

use crate::args::{Global, principal};
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted, Style};
use crate::signer::Signer;
use crate::verb::grant;
use crate::{admin, output, place};

/// Bearer tokens: who is known over a network, what for, and until when
///
/// Whoever shows a token is taken for the one whose it is. The chain keeps the hash of its secret and nothing more.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade token issue --for ada --expires 8h
  cascade token issue --agent ci --scope actions
  cascade token list
  cascade token revoke t_0123456789abcdef")]
pub(crate) struct Tokens {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Issue(Issue),
    /// List every token, those that ended included; never a secret. Bindings (`cascade identity`) are among them
    #[command(after_help = "Example:
  cascade token list --json")]
    List,
    Revoke(Revoke),
}

/// Issue a token, and show it this once; signed by an administrator
///
/// It narrows what its holder may do and widens nothing. Scopes: `read` (receipts, lineage, audit, events), `actions`
/// (decisions, outcomes, tasks, runs of specs), `approve` (answers), `admin` (policies, tenants, tokens, grants, halt),
/// `proxy` (calls of language models), `mcp` (tools). An agent's token is never for answers or administration.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade token issue > token
  cascade token issue --for ada --scope read --expires 8h
  cascade token issue --agent ci --for ada --scope actions --scope mcp --expires 90d")]
struct Issue {
    /// Whose it is, or with --agent the person the agent acts for [default: you]
    #[arg(long = "for", value_name = "PERSON", value_parser = principal)]
    owner: Option<String>,
    /// The agent that shows it
    #[arg(long, value_name = "NAME", value_parser = agent)]
    agent: Option<String>,
    /// What it may be used for; may be repeated [default: actions, read]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<TokenScope>,
    /// For how long, at most 366 days
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = humantime::parse_duration)]
    expires: Duration,
    /// Private SSH key of the administrator who says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Take a token back: your own, or as an administrator anybody's
///
/// What runs on it is ended.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade token revoke t_0123456789abcdef
  cascade token revoke t_01234 --leaked")]
struct Revoke {
    /// The token's id, which is no secret; the beginning is enough
    id: String,
    /// Somebody else may have it: the receipt says so
    #[arg(long)]
    leaked: bool,
    /// Private SSH key of whoever says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(super) fn scope(text: &str) -> Result<TokenScope, String> {
    TokenScope::parse(text).ok_or_else(|| {
        let words: Vec<&str> = TokenScope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("one of {}", words.join(", "))
    })
}

/// `agent:ci` is how others verbs name it, and means the same.
pub(super) fn agent(text: &str) -> Result<String, NameFault> {
    let name = text.strip_prefix(name::AGENT_PREFIX).unwrap_or(text);
    name::check_agent(name).map(|()| name.to_owned())
}

pub(crate) fn run(global: &Global, args: &Tokens) -> Exit {
    match &args.what {
        What::Issue(args) => issue(global, args),
        What::List => list(global),
        What::Revoke(args) => revoke(global, args),
    }
}

fn issue(global: &Global, args: &Issue) -> Exit {
    let default = if args.scopes.is_empty() { tokens::SCOPES_DEFAULT.as_slice() } else { &[] };
    let issuing = Issuing {
        owner: args.owner.clone(),
        agent: args.agent.clone(),
        scopes: [args.scopes.as_slice(), default].concat(),
        lasts_ms: u64::try_from(args.expires.as_millis()).unwrap_or(u64::MAX),
    };
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let issued = tokens::issue(&ledger, &asker, &issuing, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    })
    .map_err(|error| admin::on_record(&ledger, &asker, "token_issue", refused(error)))?;
    tell(global, &ledger, &issued)
}

fn tell(global: &Global, reader: &Reader, issued: &Issued) -> Exit {
    let (token, receipt) = (&issued.token, issued.appended.receipt_id.to_string());
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    if global.json {
        let mut members = vec![
            ("expires", token.expires.to_string().into()),
            ("principal", token.principal.to_string().into()),
            ("receipt_id", receipt.into()),
            ("scopes", Value::Array(scopes.into_iter().map(Value::from).collect())),
            ("to", token.to.to_string().into()),
            ("token", issued.text.reveal().as_str().into()),
            ("token_id", token.token_id.to_string().into()),
        ];
        members.extend(token.on_behalf_of.map(|owner| ("on_behalf_of", owner.to_string().into())));
        output::json(&object(members))?;
        return Ok(exit::DONE);
    }
    output::line(issued.text.reveal().as_str())?;
    output::say(format_args!(
        "{} of {}, for {}, until {}; receipt {receipt}",
        token.token_id,
        output::safe(&grant::name(reader, token.to)?),
        scopes.join(", "),
        token.expires
    ));
    output::say("it is shown this once and kept nowhere");
    Ok(exit::DONE)
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    for (token, state) in tokens::list(&reader)? {
        if global.json {
            output::json(&document(&reader, &token, state)?)?;
            continue;
        }
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        output::line(format_args!(
            "{}  {}  {}  for {}, until {}; issued by {}",
            token.token_id,
            Painted(style(state), format!("{:<7}", state.as_str())),
            Painted(BOLD, output::safe(&grant::name(&reader, token.to)?)),
            scopes.join(", "),
            token.expires,
            output::safe(&grant::name(&reader, token.principal)?)
        ))?;
    }
    Ok(exit::DONE)
}

pub(super) const fn style(state: TokenState) -> Style {
    match state {
        TokenState::Holds => GOOD,
        TokenState::Broken => BAD,
        TokenState::Expired => CARE,
        TokenState::Revoked => DIM,
    }
}

pub(super) fn document(reader: &Reader, token: &Held, state: TokenState) -> Result<Value, Failure> {
    let scopes = token.scopes.iter().map(|scope| Value::from(scope.as_str())).collect();
    let mut members = vec![
        ("agent", token.agent().into()),
        ("expires", token.expires.to_string().into()),
        ("issued_by", grant::name(reader, token.principal)?.into()),
        ("principal", token.principal.to_string().into()),
        ("receipt_id", token.receipt_id.to_string().into()),
        ("scopes", Value::Array(scopes)),
        ("state", state.as_str().into()),
        ("to", token.to.to_string().into()),
        ("to_name", grant::name(reader, token.to)?.into()),
        ("token_id", token.token_id.to_string().into()),
    ];
    members.extend(token.on_behalf_of.map(|owner| ("on_behalf_of", owner.to_string().into())));
    members.extend(token.revoked.map(|by| ("revoked_by", by.to_string().into())));
    Ok(object(members))
}

fn object(members: Vec<(&str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn revoke(global: &Global, args: &Revoke) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let why = if args.leaked { Withdrawal::Leaked } else { Withdrawal::Unneeded };
    let mut sign = |key: &str, namespace: &str, payload: &[u8]| signer.sign(key, namespace, payload);
    let (receipt, token_id) = tokens::revoke(&ledger, &asker, &args.id, why, Some(&mut sign))
        .map_err(|error| admin::on_record(&ledger, &asker, "token_revoke", refused(error)))?;
    let id = receipt.receipt_id.to_string();
    if global.json {
        output::json(&object(vec![("receipt_id", id.into()), ("token_id", token_id.to_string().into())]))?;
        return Ok(exit::DONE);
    }
    output::say(format_args!("{token_id} counts no more; receipt {id}"));
    Ok(exit::DONE)
}

pub(super) fn refused(error: TokenError) -> Failure {
    match error {
        TokenError::Admin(error) => admin::refused(error),
        TokenError::NotYours => Failure::refused(error, "authority.not_yours")
            .hint("`cascade token list` shows whose it is; an administrator takes any token back"),
        TokenError::Unknown(_) => {
            Failure::could_not(error.into()).hint("`cascade people list` shows who is registered")
        }
        TokenError::NotAToken(_) => {
            Failure::could_not(error.into()).hint("`cascade token list` shows the tokens by their ids")
        }
        TokenError::Ambiguous(_) => Failure::usage(error).hint("give more of its id"),
        TokenError::TooMany => {
            Failure::could_not(error.into()).hint("revoke some with `cascade token revoke ID`")
        }
        TokenError::AgentScope(_) => {
            Failure::usage(error).hint("issue it to the person, without --agent, or leave the scope out")
        }
        TokenError::Past | TokenError::TooLong => {
            Failure::usage(error).hint("give --expires a time such as 8h or 90d")
        }
        TokenError::NoScope => Failure::usage(error).hint("give --scope read, or leave it out"),
        TokenError::AgentName { .. } => Failure::usage(error).hint("such as --agent ci"),
    }
}
