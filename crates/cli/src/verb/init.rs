use std::path::{Path, PathBuf};

use cascade_ledger::{Ledger, OpenError, TenantId};
use cascade_receipt::json::Value;
use cascade_runtime::birth::{self, AdminKey, BirthError, Created, Wishes};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::verb::halt::halted;
use crate::verb::tenant::ACTIVE_HINT;
use crate::{output, place};

/// Create the ledger: keys, first administrator, default policy
///
/// Does nothing when the ledger exists. Other commands do this on first use.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade init
  cascade init --recovery-out /media/usb/cascade --passphrase
  cascade init --ssh-key ~/.ssh/id_ed25519.pub")]
pub(crate) struct Init {
    #[command(flatten)]
    birth: Birth,
}

/// What a new tenant begins with.
#[derive(Args, Debug)]
pub(crate) struct Birth {
    /// Directory for the recovery key and the HMAC master [default: beside the home]
    #[arg(long, value_name = "DIR")]
    recovery_out: Option<PathBuf>,
    /// Encrypt the keys in the home with a passphrase
    #[arg(long)]
    passphrase: bool,
    /// Public SSH key of the first administrator [default: from the agent or ~/.ssh]
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    /// Host or organisation in the chain's public name [default: the host's name]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

pub(crate) fn run(global: &Global, args: &Init) -> Exit {
    let home = place::home_dir(global)?;
    let tenant = place::tenant(global)?;
    match place::open(global, &home, &tenant) {
        Ok(ledger) => return exists(global, &home, &ledger),
        Err(OpenError::NoHome(_) | OpenError::NoTenant(_)) => {}
        Err(error) => return Err(place::opening(error)),
    }
    match create(global, &home, &tenant, &args.birth) {
        // Another process was faster.
        Err(failure) if is_there(&failure) => {
            let ledger = place::open(global, &home, &tenant).map_err(place::opening)?;
            exists(global, &home, &ledger)
        }
        done => done,
    }
}

/// Creates a tenant that is not there.
pub(crate) fn create(global: &Global, home: &Path, tenant: &TenantId, args: &Birth) -> Exit {
    let wishes = Wishes {
        recovery_out: args.recovery_out.clone(),
        passphrase: if args.passphrase { Some(new_passphrase(global)?) } else { None },
        ssh_key: args.ssh_key.clone(),
        host: args.host.clone(),
    };
    let created = birth::create(home, tenant, &wishes).map_err(place::creating)?;
    output::say(format_args!("created a ledger at {}", home.display()));
    tell(&created);
    if global.json {
        output::json(&document(home, &created))?;
    }
    Ok(exit::DONE)
}

fn is_there(failure: &Failure) -> bool {
    let found = failure.cause.downcast_ref::<BirthError>();
    matches!(found, Some(BirthError::Open(OpenError::TenantExists(_))))
}

fn exists(global: &Global, home: &Path, ledger: &Ledger) -> Exit {
    if ledger.is_halted()? {
        return Err(halted(&global.tenant));
    }
    if ledger.is_suspended()? {
        return Err(
            Failure::denied(format_args!("the tenant `{}` is suspended", global.tenant)).hint(ACTIVE_HINT)
        );
    }
    output::say(format_args!("the ledger at {} exists already; nothing was changed", home.display()));
    if global.json {
        output::json(&Value::object([
            ("created", Value::Bool(false)),
            ("home", home.display().to_string().into()),
            ("log_origin", ledger.log_origin().as_str().into()),
        ]))?;
    }
    Ok(exit::DONE)
}

fn new_passphrase(global: &Global) -> Result<cascade_ledger::Passphrase, Failure> {
    let first = place::passphrase(global, "new passphrase: ")?;
    let second = match global.passphrase_file {
        Some(_) => first.clone(),
        None => place::passphrase(global, "the same again: ")?,
    };
    if first != second {
        return Err(Failure::usage("the two passphrases differ"));
    }
    Ok(cascade_ledger::Passphrase::new(first))
}

/// What a person must know about a new ledger.
pub(crate) fn tell(created: &Created) {
    output::say(format_args!("chain {}", created.ledger.log_origin()));
    match &created.admin_key {
        AdminKey::File(path) => {
            output::say(format_args!(
                "first administrator: {} with {}",
                output::safe(&created.person.name),
                path.display()
            ));
        }
        AdminKey::Agent => {
            output::say(format_args!(
                "first administrator: {} with a key of the SSH agent",
                output::safe(&created.person.name)
            ));
        }
        AdminKey::Made(path) => output::say(format_args!(
            "first administrator: {}; no SSH key was found, so one was made: {}",
            output::safe(&created.person.name),
            path.display()
        )),
    }
    output::say(format_args!("recovery key {}", created.recovery.key.display()));
    output::say(format_args!("HMAC master  {}", created.recovery.master.display()));
    output::hint_line(
        "move these two files off this machine: whoever has them can take keys back or check every tag",
    );
}

fn document(home: &Path, created: &Created) -> Value {
    Value::object([
        ("created", Value::Bool(true)),
        ("hmac_master", created.recovery.master.display().to_string().into()),
        ("home", home.display().to_string().into()),
        ("log_origin", created.ledger.log_origin().as_str().into()),
        ("recovery_key", created.recovery.key.display().to_string().into()),
    ])
}
