//! A tenant deleted, with proof.

use std::path::PathBuf;

use cascade_ledger::{AppendError, Home, Ledger, TenantId};
use cascade_receipt::json::Value;
use cascade_runtime::admin::AdminError;
use cascade_runtime::facts::Asker;
use cascade_runtime::tenants::{DeleteError, Deleted, Deletion, Recorder};
use clap::Args;

use super::{document, of};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::signer::Signer;
use crate::verb::checkpoint;
use crate::{admin, output, place};

/// The tenant that goes last.
const LAST: &str = "default";

/// Delete a suspended tenant: its chain ends, the proof is written outside, then keys, vault and log are destroyed
///
/// The proof is a directory with every receipt (hashes of what is private, never the bytes), the public keys and the last
/// checkpoint; keep it. The chain of another tenant of this home (`--tenant`, else `default`) records where the deleted one ended.
/// Cut short, it is gone on with by the same command. Copies and backups of the home are not found by this.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade tenant suspend acme --reason 'the contract has ended'
  cascade tenant delete acme --reason 'the contract has ended' --out acme-proof
  cd acme-proof && cascade-verify chain.receipts.jsonl --public-key receipt-key.pem --checkpoint checkpoint")]
pub(super) struct Delete {
    /// The tenant
    id: String,
    /// Why, in your words; kept privately by the tenant that records it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Directory to make for the proof, outside the home
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Private SSH key of the administrator [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(super) fn run(global: &Global, args: &Delete) -> Exit {
    let doomed = of(global, &args.id);
    let (home, tenant) = (place::home_dir(global)?, place::tenant(&doomed)?);
    let home = Home::open(&home).map_err(place::opening)?;
    let recorder = recorder(global, &home, &tenant)?;
    let (ledger, log_key) = place::existing_with_log_key(&doomed)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let ask = |ledger: &Ledger| Asker::find(ledger, &env, global.acting_as.as_deref());
    let asker = ask(&ledger)?;
    let signer = Signer::new(global, args.key.clone())?;
    let deletion = Deletion {
        home: &home,
        tenant: &tenant,
        asker: &asker,
        reason: &args.reason,
        log_key: &log_key,
        guard_dir: &place::guard_dir()?,
        out: &args.out,
        recorder: match &recorder {
            Some(ledger) => Some(Recorder { asker: ask(ledger)?, ledger }),
            None => None,
        },
    };
    let deleted = deletion
        .carry_out(ledger, &mut |public, namespace, payload| signer.sign(public, namespace, payload))
        .map_err(refused)?;
    tell(global, args, &deleted)
}

/// The tenant whose chain says so: the one that was named, else `default`; nobody where this is the only one.
fn recorder(global: &Global, home: &Home, doomed: &TenantId) -> Result<Option<Ledger>, Failure> {
    let mut others = home.tenants().map_err(place::opening)?;
    others.retain(|tenant| tenant != doomed);
    if others.is_empty() {
        return Ok(None);
    }
    if doomed.as_str() == LAST {
        return Err(Failure::could_not(anyhow::anyhow!("tenant `{LAST}` goes last: there are others"))
            .hint("`cascade tenant list` shows them; delete those first"));
    }
    let named = if global.tenant == doomed.as_str() { LAST } else { &global.tenant };
    if !others.iter().any(|tenant| tenant.as_str() == named) {
        return Err(Failure::usage(format_args!("there is no tenant `{named}` whose chain could record it"))
            .hint("name one with --tenant ID"));
    }
    place::existing(&of(global, named)).map(Some)
}

fn tell(global: &Global, args: &Delete, deleted: &Deleted) -> Exit {
    output::say(format_args!(
        "deleted: chain {} ended after {} receipts",
        deleted.log_origin, deleted.proof.receipts
    ));
    output::say(format_args!("proof {}", args.out.display()));
    match &deleted.recorded {
        Some(receipt) => output::say(format_args!("recorded as {receipt}")),
        None => output::say("no other tenant is here to record it: the proof stands alone"),
    }
    for path in &deleted.recovery_elsewhere {
        output::say(format_args!("not found and not destroyed: {}", path.display()));
    }
    output::hint_line(
        "copies and backups of the home still have its keys and private bytes: destroy those as well",
    );
    let mut members = vec![
        ("head", deleted.proof.head.to_hex().into()),
        ("log_origin", deleted.log_origin.as_str().into()),
        ("path", args.out.display().to_string().into()),
        ("receipts", Value::Int(i64::try_from(deleted.proof.receipts).unwrap_or(i64::MAX))),
        (
            "recovery_elsewhere",
            Value::Array(
                deleted.recovery_elsewhere.iter().map(|path| path.display().to_string().into()).collect(),
            ),
        ),
        ("root", deleted.proof.root.to_hex().into()),
    ];
    members.extend(deleted.recorded.map(|receipt| ("receipt_id", receipt.to_string().into())));
    document(global, &members, exit::DONE)
}

fn refused(error: DeleteError) -> Failure {
    match error {
        DeleteError::Admin(AdminError::Append(AppendError::TenantState { .. })) => {
            Failure::could_not(anyhow::anyhow!("only a suspended tenant can be deleted"))
                .hint("first: cascade tenant suspend ID --reason TEXT")
        }
        DeleteError::Admin(AdminError::Append(error @ AppendError::InFlight { .. })) => {
            Failure::could_not(error.into())
                .hint("they end within a second; end what does not, and try again")
        }
        DeleteError::Admin(error) => admin::refused(error),
        DeleteError::Checkpoint(error) => checkpoint::refused(error),
        DeleteError::Export(error) => super::refused(error),
        DeleteError::Destroy(error) => place::opening(error),
        error @ DeleteError::Inside(_) => {
            Failure::usage(error).hint("choose a place outside the home with --out")
        }
    }
}
