//! Tenants of a home as wholes.

mod delete;
mod list;

use std::path::PathBuf;

use cascade_ledger::{Home, OpenAction};
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::halt;
use cascade_runtime::tenants::{self, Contents, ExportError, Turn};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, GOOD, Painted};
use crate::signer::Signer;
use crate::verb::checkpoint;
use crate::verb::init::{self, Birth};
use crate::{admin, failures, output, place};

/// How to go on after a suspension.
pub(crate) const ACTIVE_HINT: &str = "`cascade log --kind tenant_changed` says who suspended it; an administrator runs `cascade tenant resume ID --reason TEXT`";

/// Tenants of this home: create, suspend, hand over, delete with proof
///
/// Each has its own directory, keys, chain, people and policies. Those of a deleted tenant are destroyed; what proves that
/// it was deleted lies outside before that.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade tenant create acme
  cascade tenant list
  cascade tenant suspend acme --reason 'the contract has ended'
  cascade tenant export acme --out acme-2026
  cascade tenant delete acme --reason 'the contract has ended' --out acme-proof")]
pub(crate) struct TenantArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Create(Create),
    /// List the tenants, how each stands, and those that were deleted
    #[command(after_help = "Example:
  cascade tenant list --json")]
    List,
    Suspend(Suspend),
    Resume(Resume),
    Export(Export),
    Delete(delete::Delete),
}

/// Create a tenant: keys, first administrator, default policy
///
/// Like `cascade --tenant ID init`, and refuses one that is there. One that was deleted can be created again; that is a new chain.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade tenant create acme
  cascade tenant create acme --ssh-key ada.pub --recovery-out /media/usb/acme")]
struct Create {
    /// Its name: lower-case letters, digits and dashes
    id: String,
    #[command(flatten)]
    birth: Birth,
}

/// Suspend a tenant: what runs is ended, nothing starts until an administrator resumes it
///
/// Only an administrator of the tenant may, and signs it. Reading, verifying and exporting go on. What others perform under
/// a lease is not ended, and may still be reported.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade tenant suspend acme --reason 'the contract has ended'")]
struct Suspend {
    /// The tenant
    id: String,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Private SSH key of the administrator [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Let a suspended tenant go on
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade tenant resume acme --reason 'the contract goes on'")]
struct Resume {
    /// The tenant
    id: String,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Private SSH key of the administrator [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Hand a tenant over: receipts, public keys, a checkpoint and the policies, in a new directory with a manifest
///
/// An outsider checks it with `cascade-verify`. Never in it: private keys and credentials.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade tenant export acme --out acme-2026
  cascade tenant export acme --out acme-2026 --private
  cd acme-2026 && cascade-verify chain.receipts.jsonl --public-key receipt-key.pem --checkpoint checkpoint")]
struct Export {
    /// The tenant
    id: String,
    /// Directory to make; one that is there is never overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also private bytes and names: commands, outputs, reasons, in the clear
    #[arg(long)]
    private: bool,
}

pub(crate) fn run(global: &Global, args: &TenantArgs) -> Exit {
    match &args.what {
        What::Create(args) => create(global, args),
        What::List => list::list(global),
        What::Suspend(args) => turn(&of(global, &args.id), (true, &args.reason), args.key.clone()),
        What::Resume(args) => turn(&of(global, &args.id), (false, &args.reason), args.key.clone()),
        What::Export(args) => export(&of(global, &args.id), args),
        What::Delete(args) => delete::run(global, args),
    }
}

/// What was typed, about this tenant.
fn of(global: &Global, id: &str) -> Global {
    Global { tenant: id.to_owned(), ..global.clone() }
}

fn create(global: &Global, args: &Create) -> Exit {
    let global = of(global, &args.id);
    let (home, tenant) = (place::home_dir(&global)?, place::tenant(&global)?);
    if Home::open(&home).is_ok_and(|home| home.tenant_dir(&tenant).exists()) {
        return Err(Failure::could_not(anyhow::anyhow!("tenant `{tenant}` exists already"))
            .hint("`cascade tenant list` shows the tenants of this home"));
    }
    init::create(&global, &home, &tenant, &args.birth)
}

fn turn(global: &Global, (suspend, reason): (bool, &str), key: Option<PathBuf>) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, key)?;
    let mut sign = |public: &str, namespace: &str, payload: &[u8]| signer.sign(public, namespace, payload);
    let says = Turn { reason, drawn: None };
    let (name, turned) = if suspend {
        ("tenant_suspend", tenants::suspend(&ledger, &asker, says, &mut sign))
    } else {
        ("tenant_resume", tenants::resume(&ledger, &asker, says, &mut sign))
    };
    let turned = turned.map_err(|error| admin::on_record(&ledger, &asker, name, admin::refused(error)))?;
    let word = if suspend { Painted(BAD, "suspended") } else { Painted(GOOD, "active") };
    let Some(receipt) = turned else {
        output::say(format_args!("{word} already"));
        return document(global, &[("already", true.into()), ("suspended", suspend.into())], exit::DONE);
    };
    output::say(format_args!("{word}: receipt {}", receipt.receipt_id));
    let mut members = vec![
        ("already", false.into()),
        ("receipt_id", receipt.receipt_id.to_string().into()),
        ("suspended", suspend.into()),
    ];
    if !suspend {
        return document(global, &members, exit::DONE);
    }
    let (leased, running): (Vec<_>, Vec<_>) =
        ledger.open_actions()?.into_iter().partition(|action| action.until.is_some());
    if !leased.is_empty() {
        output::say(format_args!("{} action(s) that others perform are not ended by this", leased.len()));
    }
    let left = halt::settled(&ledger, &running)?;
    for action in &left {
        output::say(format_args!("{}: {}", Painted(BAD, "still running"), action.receipt_id));
    }
    let ids = |actions: &[OpenAction]| {
        Value::Array(actions.iter().map(|action| action.receipt_id.to_string().into()).collect())
    };
    members.push(("still_running", ids(&left)));
    document(global, &members, if left.is_empty() { exit::DONE } else { exit::COULD_NOT })
}

fn export(global: &Global, args: &Export) -> Exit {
    let (ledger, log_key) = place::existing_with_log_key(global)?;
    let note = ledger.sign_checkpoint(&log_key, &place::guard_dir()?).map_err(checkpoint::refused)?;
    let contents = Contents { policies: true, private: args.private };
    let handed = tenants::export(&ledger, &note, contents, &args.out, false).map_err(refused)?;
    output::say(format_args!("handed over {} receipts in {} files", handed.receipts, handed.files));
    if args.private {
        output::say("private bytes are among them, in the clear");
    }
    let members = [
        ("files", Value::Int(i64::try_from(handed.files).unwrap_or(i64::MAX))),
        ("head", handed.head.to_hex().into()),
        ("path", args.out.display().to_string().into()),
        ("receipts", Value::Int(i64::try_from(handed.receipts).unwrap_or(i64::MAX))),
        ("root", handed.root.to_hex().into()),
    ];
    document(global, &members, exit::DONE)
}

fn refused(error: ExportError) -> Failure {
    let hint = match &error {
        ExportError::Exists(_) => Some("give the name of a directory that is not there".to_owned()),
        ExportError::Ledger(fault) => failures::fault(fault),
        ExportError::Damaged(_) => Some("`cascade fsck` says what is damaged".to_owned()),
        ExportError::Inside(_) => Some("choose a place outside the home with --out".to_owned()),
        ExportError::Io { .. } => Some("choose another place with --out".to_owned()),
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

fn document(global: &Global, members: &[(&str, Value)], code: u8) -> Exit {
    if global.json {
        let members = members.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        output::json(&Value::Object(members.collect()))?;
    }
    Ok(code)
}
