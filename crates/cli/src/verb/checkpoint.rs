use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::{CheckpointError, Stamped};
use cascade_receipt::checkpoint::SignedCheckpoint;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::reguard::{self, ReguardError};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::signer::Signer;
use crate::{admin, output, place};

/// Sign and print a checkpoint of the chain: so many receipts, with this root
///
/// Whoever holds one can find out later whether receipts were cut off or rewritten, with
/// `cascade-verify LEDGER --checkpoint FILE`. It is a C2SP tlog-checkpoint, signed by the log key. What was
/// signed last is kept outside the home; a chain that does not continue it is never signed for.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade checkpoint --out chain.checkpoint
  cascade-verify ledger.receipts.jsonl --checkpoint chain.checkpoint
  cascade checkpoint --tst chain.tst --out chain.note     the newest that is time stamped, and the stamp
  openssl ts -verify -data chain.note -in chain.tst -token_in -CAfile tsa-root.pem
  cascade checkpoint --new-guard            an administrator replaces a lost guard; receipted")]
pub(crate) struct Checkpoint {
    /// File to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Hand over the newest time-stamped checkpoint instead of signing one, and write its time stamp token (RFC 3161) here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_guard", "key"])]
    tst: Option<PathBuf>,
    /// First make a new guard in the place of a lost one
    #[arg(long)]
    new_guard: bool,
    /// Private SSH key of the administrator [default: the agent, or where the public key was found]
    #[arg(long, value_name = "FILE", requires = "new_guard")]
    key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Checkpoint) -> Exit {
    if let Some(path) = &args.tst {
        let stamped = stamped(global, path)?;
        return hand_over(global, args, &stamped.note, Some(&stamped.tst_sha256));
    }
    let (ledger, log_key) = place::ledger_with_log_key(global)?;
    let guard = place::guard_dir()?;
    if args.new_guard {
        let env: Vec<_> = std::env::vars_os().collect();
        let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
        let signer = Signer::new(global, args.key.clone())?;
        let appended = reguard::reguard(&ledger, &asker, &guard, &mut |public, namespace, payload| {
            signer.sign(public, namespace, payload)
        })
        .map_err(|error| match error {
            ReguardError::Admin(error) => {
                admin::on_record(&ledger, &asker, "checkpoint_new_guard", admin::refused(error))
            }
            ReguardError::Guard(error) => refused(error),
            error @ (ReguardError::NothingSigned | ReguardError::Guarded) => {
                Failure::could_not(error.into()).hint("run `cascade checkpoint` without --new-guard")
            }
        })?;
        output::say(format_args!("new guard, receipt {}", appended.receipt_id));
    }
    let note = ledger.sign_checkpoint(&log_key, &guard).map_err(refused)?;
    hand_over(global, args, &note, None)
}

/// The newest checkpoint that the chain names a time stamp for; the stamp goes to the file.
fn stamped(global: &Global, path: &Path) -> Result<Stamped, Failure> {
    let stamped = place::reader(global)?.newest_stamped()?.ok_or_else(|| {
        Failure::could_not(anyhow::anyhow!("no checkpoint of this chain is time stamped"))
            .hint("`cascade anchor --tsa URL` has one stamped")
    })?;
    let Some(token) = &stamped.token else {
        return Err(Failure::could_not(anyhow::anyhow!("the time stamp {} is lost", stamped.tst_sha256))
            .hint("whoever it was handed to still has it; `cascade anchor --tsa URL` makes a new one"));
    };
    std::fs::write(path, token).with_context(|| format!("couldn't write `{}`", path.display()))?;
    Ok(stamped)
}

fn hand_over(global: &Global, args: &Checkpoint, note: &str, tst_sha256: Option<&Digest>) -> Exit {
    if let Some(path) = &args.out {
        std::fs::write(path, note).with_context(|| format!("couldn't write `{}`", path.display()))?;
    }
    let signed = SignedCheckpoint::parse(note.as_bytes()).context("the checkpoint is not one")?;
    let checkpoint = signed.checkpoint();
    if global.json {
        let size = i64::try_from(checkpoint.size).unwrap_or(i64::MAX);
        output::json(&Value::object([
            ("checkpoint", note.into()),
            ("origin", checkpoint.origin.as_str().into()),
            ("root", checkpoint.root.to_hex().into()),
            ("size", Value::Int(size)),
            ("tst_sha256", tst_sha256.map(Digest::to_hex).unwrap_or_default().into()),
        ]))?;
    } else if args.out.is_none() {
        output::bytes(note.as_bytes())?;
    }
    output::say(format_args!("checkpoint of {} receipts", checkpoint.size));
    Ok(exit::DONE)
}

/// A chain that may not be signed for is evidence of a rollback or fork.
pub(crate) fn refused(error: CheckpointError) -> Failure {
    let code = match &error {
        CheckpointError::RolledBack { .. } | CheckpointError::Forked { .. } => exit::EVIDENCE,
        _ => exit::COULD_NOT,
    };
    let hint = error.hint().map(str::to_owned);
    Failure::of(code, anyhow::Error::from(error).context("no checkpoint was signed"), hint)
}
