//! New keys, and keys taken back.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::{Ledger, NewKeyPlace, Passphrase, RecoveryFiles, RecoveryKey, TokenPlace};
use cascade_receipt::json::Value;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;
use cascade_runtime::facts::Asker;
use cascade_runtime::keys::{self, Changed, KeyError, Reason};
use clap::{Args, ValueEnum};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::signer::Signer;
use crate::{admin, output, place};

/// What a key is for
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum For {
    /// Receipts
    Receipt,
    /// Checkpoints
    Log,
    /// Taking other keys back
    Recovery,
}

impl For {
    const fn purpose(self) -> Purpose {
        match self {
            Self::Receipt => Purpose::Receipt,
            Self::Log => Purpose::Log,
            Self::Recovery => Purpose::Recovery,
        }
    }
}

/// Where the private half of the new key goes
#[derive(Args, Debug)]
struct Home {
    /// Make it on a PKCS#11 token with this module (a shared library); it never leaves the token
    #[arg(long, value_name = "LIBRARY", requires = "token")]
    module: Option<PathBuf>,
    /// Label of the token
    #[arg(long, value_name = "LABEL", requires = "module")]
    token: Option<String>,
    /// File with the token's user PIN; later commands take it as their passphrase
    #[arg(long, value_name = "FILE", requires = "token")]
    pin_file: Option<PathBuf>,
    /// Directory for a new recovery key, outside the home
    #[arg(long, value_name = "DIR")]
    recovery_out: Option<PathBuf>,
}

/// Put a new key in the place of the one that signs
///
/// A receipt key is retired by the receipt that brings the new one; an administrator signs it. Log and recovery
/// keys change with the recovery key alone; the old ones stay known until `key revoke` takes them back.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade key rotate
  cascade key rotate --module /usr/lib/softhsm/libsofthsm2.so --token prod --pin-file pin
  cascade key rotate --for log --recovery-key /media/offline/recovery.pem")]
pub(super) struct Rotate {
    /// Which key
    #[arg(long = "for", value_enum, default_value = "receipt")]
    purpose: For,
    #[command(flatten)]
    home: Home,
    /// The recovery key, brought from where it is kept offline
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
    /// Private SSH key of the administrator [default: the agent, or where the public key was found]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Add a second receipt key beside the one that signs
///
/// A chain may have several active receipt keys, one for each node; `--signing-key ID` names the one to use.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade key add
  cascade --signing-key receipt+0123abcd run -- true")]
pub(super) struct Add {
    #[command(flatten)]
    home: Home,
    /// Private SSH key of the administrator [default: the agent, or where the public key was found]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Take a key back with the recovery key
///
/// Receipts that the key signed are disputed from then on, unless a checkpoint that was cosigned before
/// --since covers them. Receipt keys that were added under it since then fall with it. A key that this home
/// needs is replaced at once.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade key revoke receipt+0123abcd --recovery-key /media/offline/recovery.pem --since 2026-11-20T00:00:00.000Z")]
pub(super) struct Revoke {
    /// The key, as `cascade key list` shows it
    key_id: String,
    /// The recovery key, brought from where it is kept offline
    #[arg(long, value_name = "FILE")]
    recovery_key: PathBuf,
    /// Since when somebody else may have used it (RFC 3339 UTC)
    #[arg(long, value_name = "TIME")]
    since: String,
    /// Why, as a word
    #[arg(long, default_value = "compromised", value_parser = ["compromised", "lost", "retired"])]
    reason: String,
    #[command(flatten)]
    home: Home,
}

pub(super) fn rotate(global: &Global, args: &Rotate) -> Exit {
    let ledger = place::ledger(global)?;
    let recovery = args.recovery_key.as_deref().map(|path| recovery_key(&ledger, path)).transpose()?;
    let how = (args.purpose.purpose(), true);
    let key = args.key.clone();
    let changed = bring(global, &ledger, how, &args.home, recovery.as_ref(), key)?;
    tell(global, &changed)
}

pub(super) fn add(global: &Global, args: &Add) -> Exit {
    let ledger = place::ledger(global)?;
    let how = (Purpose::Receipt, false);
    let changed = bring(global, &ledger, how, &args.home, None, args.key.clone())?;
    tell(global, &changed)
}

pub(super) fn revoke(global: &Global, args: &Revoke) -> Exit {
    let since = Timestamp::parse(&args.since).ok_or_else(|| {
        Failure::usage(format_args!("`{}` is no time", args.since))
            .hint("write it like 2026-11-20T00:00:00.000Z")
    })?;
    let ledger = place::ledger(global)?;
    let recovery = recovery_key(&ledger, &args.recovery_key)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let purpose = ledger.keys()?.into_iter().find(|key| key.key_id.as_str() == args.key_id);
    let purpose = purpose.map_or(Purpose::Receipt, |key| key.purpose);
    let reason = Reason { code: args.reason.clone(), since };
    let changed = at(&ledger, purpose, &args.home, |place| {
        keys::revoke(&ledger, &asker, &args.key_id, reason, place, &recovery)
            .map_err(|error| admin::on_record(&ledger, &asker, "key_revoke", refused(error)))
    })?;
    tell(global, &changed)
}

fn bring(
    global: &Global,
    ledger: &Ledger,
    how: (Purpose, bool),
    home: &Home,
    recovery: Option<&RecoveryKey>,
    key: Option<PathBuf>,
) -> Result<Changed, Failure> {
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(ledger, &env, global.acting_as.as_deref())?;
    let act = if how.1 { "key_rotate" } else { "key_add" };
    let signer = Signer::new(global, key)?;
    let mut sign = |public: &str, namespace: &str, payload: &[u8]| signer.sign(public, namespace, payload);
    at(ledger, how.0, home, |place| {
        keys::add(ledger, &asker, how, place, recovery, &mut sign)
            .map_err(|error| admin::on_record(ledger, &asker, act, refused(error)))
    })
}

/// Calls `make` with the place that the flags name.
fn at(
    ledger: &Ledger,
    purpose: Purpose,
    home: &Home,
    make: impl FnOnce(NewKeyPlace<'_>) -> Result<Changed, Failure>,
) -> Result<Changed, Failure> {
    if purpose == Purpose::Recovery {
        let dir = home.recovery_out.as_ref().ok_or_else(|| {
            Failure::usage("a new recovery key needs a place outside the home")
                .hint("give --recovery-out DIR, best on a medium that you take away")
        })?;
        let dir = std::path::absolute(dir)?;
        if dir.starts_with(ledger.dir().ancestors().nth(2).unwrap_or_else(|| ledger.dir())) {
            return Err(Failure::usage(format_args!("`{}` lies inside the home", dir.display()))
                .hint("choose a place that a thief of the home does not get too"));
        }
        std::fs::create_dir_all(&dir).with_context(|| format!("couldn't create `{}`", dir.display()))?;
        return make(NewKeyPlace::Outside(&RecoveryFiles::in_dir(&dir).key));
    }
    let (Some(module), Some(label)) = (&home.module, &home.token) else { return make(NewKeyPlace::Home) };
    let token = TokenPlace { module: module.clone(), label: label.clone() };
    let pin = Passphrase::new(place::secret_from(home.pin_file.as_deref(), "PIN of the token: ")?);
    make(NewKeyPlace::Token(&token, &pin))
}

fn recovery_key(ledger: &Ledger, path: &Path) -> Result<RecoveryKey, Failure> {
    RecoveryKey::load(ledger, path, None).map_err(|error| {
        let hint = "the recovery key is the file recovery.pem that `cascade init` wrote";
        Failure::could_not(anyhow::Error::from(error).context("couldn't use the recovery key")).hint(hint)
    })
}

fn tell(global: &Global, changed: &Changed) -> Exit {
    let id = changed.key_id.as_ref().map(ToString::to_string);
    if global.json {
        let mut members = vec![("receipt_id", Value::from(changed.appended.receipt_id.to_string()))];
        members.extend(id.map(|id| ("key_id", Value::from(id))));
        let object = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        output::json(&Value::Object(object))?;
        return Ok(exit::DONE);
    }
    if let Some(id) = id {
        output::line(format_args!("{id}"))?;
    }
    output::say(format_args!("receipt {}", changed.appended.receipt_id));
    Ok(exit::DONE)
}

fn refused(error: KeyError) -> Failure {
    match error {
        KeyError::Admin(error) => admin::refused(error),
        KeyError::Key(error) => place::opening(error),
        KeyError::Unknown(_) => Failure::could_not(error.into()).hint("`cascade key list` shows the keys"),
        KeyError::RecoveryNeeded(_) => Failure::could_not(error.into()).hint("give --recovery-key FILE"),
        KeyError::Since => {
            Failure::usage(error).hint("give the earliest moment at which it may have been stolen")
        }
    }
}
