use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_policy::name::Name;
use cascade_receipt::json::Value;
use cascade_receipt::verify::ADMIN_GROUP;
use cascade_runtime::facts::Asker;
use cascade_runtime::membership::{self, Joining, MembershipError};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, DIM, Painted};
use crate::signer::Signer;
use crate::verb::grant;
use crate::{admin, output, place};

/// People of the chain: who may approve, give rights and govern
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade people add ada --ssh-key ada.pub --group sre
  cascade people remove ada
  cascade people list")]
pub(crate) struct People {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Add(Add),
    Remove(Remove),
    /// List everybody, those who left included
    #[command(after_help = "Example:
  cascade people list --json")]
    List,
}

/// Register a person, or the same person with other groups or another key
///
/// An administrator signs it. The groups given are all that the person is in from now on. Approvals that were given
/// with another key count no longer.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade people add ada --ssh-key ada.pub --group sre --group security
  cascade people add ada --group sre
  cascade people add root --admin --group sre")]
struct Add {
    /// Login name; another name for somebody who has no account here
    #[arg(value_parser = Name::parse)]
    name: Name,
    /// Public key file (Ed25519, ECDSA, a security key's, or RSA from 2,048 bits) [default: the registered one]
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    /// A group, as policies name it
    #[arg(long = "group", value_name = "GROUP", value_parser = Name::parse)]
    groups: Vec<Name>,
    /// Make the person an administrator of the chain
    #[arg(long)]
    admin: bool,
    /// Private SSH key of the administrator who says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Take a person's registration away
///
/// Approvals that were not used yet, rights that the person gave, and agents that act for the person count for
/// nothing from then on. What happened stays in the chain.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade people remove ada")]
struct Remove {
    /// Name or id
    name: String,
    /// Private SSH key of the administrator who says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &People) -> Exit {
    match &args.what {
        What::Add(args) => add(global, args),
        What::Remove(args) => remove(global, args),
        What::List => list(global),
    }
}

fn add(global: &Global, args: &Add) -> Exit {
    let ssh_key = args.ssh_key.as_deref().map(public_key).transpose()?;
    let mut groups = args.groups.clone();
    if args.admin {
        groups.push(Name::parse(ADMIN_GROUP).map_err(Failure::usage)?);
    }
    let joining = Joining { name: args.name.clone(), ssh_key, groups };
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let (receipt, principal) = membership::add(&ledger, &asker, &joining, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    })
    .map_err(|error| admin::on_record(&ledger, &asker, "people_add", refused(error)))?;
    tell(global, &principal.to_string(), &receipt.receipt_id.to_string())
}

fn remove(global: &Global, args: &Remove) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let (receipt, principal) =
        membership::remove(&ledger, &asker, &args.name, &mut |key, namespace, payload| {
            signer.sign(key, namespace, payload)
        })
        .map_err(|error| admin::on_record(&ledger, &asker, "people_remove", refused(error)))?;
    tell(global, &principal.to_string(), &receipt.receipt_id.to_string())
}

/// A key that must not count is refused before anybody is asked to sign.
fn public_key(path: &Path) -> Result<String, Failure> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("couldn't read `{}`", path.display()))?;
    membership::public_key(&text).map_err(|fault| {
        Failure::could_not(anyhow::anyhow!("`{}`: {fault}", path.display()))
            .hint("make one with `ssh-keygen -t ed25519` and give its .pub file")
    })
}

fn tell(global: &Global, principal: &str, receipt: &str) -> Exit {
    if global.json {
        output::json(&Value::object([("principal", principal.into()), ("receipt_id", receipt.into())]))?;
        return Ok(exit::DONE);
    }
    output::line(principal)?;
    output::say(format_args!("receipt {receipt}"));
    Ok(exit::DONE)
}

fn refused(error: MembershipError) -> Failure {
    match error {
        MembershipError::Admin(error) => admin::refused(error),
        MembershipError::Unknown(_) => {
            Failure::could_not(error.into()).hint("`cascade people list` shows who is")
        }
        MembershipError::LockOut(_) => {
            Failure::could_not(error.into()).hint("`cascade people add NAME --ssh-key FILE.pub --admin`")
        }
        MembershipError::NoKey(_) => Failure::usage(error).hint("give --ssh-key FILE.pub"),
        MembershipError::LooksLike { .. } => Failure::usage(error)
            .hint("choose a name that nobody takes for another, or give the name that is there already"),
        MembershipError::TooManyGroups => Failure::usage(error),
    }
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    for person in reader.people()? {
        let name = grant::name(&reader, person.principal)?;
        let groups = person.groups.join(", ");
        if global.json {
            let groups = person.groups.iter().map(|group| Value::from(group.as_str())).collect();
            output::json(&Value::object([
                ("groups", Value::Array(groups)),
                ("name", name.into()),
                ("principal", person.principal.to_string().into()),
                ("registered", person.is_registered().into()),
                ("ssh_key", person.ssh_key.as_str().into()),
            ]))?;
            continue;
        }
        let (name, groups) = (output::safe(&name), output::safe(&groups));
        let who = if person.is_registered() {
            format!("{}  {groups}", Painted(BOLD, format!("{name:<16}")))
        } else {
            Painted(DIM, format!("{name:<16}  removed")).to_string()
        };
        output::line(format_args!("{}  {who}", person.principal))?;
    }
    Ok(exit::DONE)
}
