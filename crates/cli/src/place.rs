//! Where the ledger lives, and opening it.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::Ledger;
use cascade_ledger::LogKey;
use cascade_ledger::OpenError;
use cascade_ledger::Passphrase;
use cascade_ledger::{Home, TenantId};
use cascade_ledger::{OpenAction, Reader};
use cascade_receipt::id::KeyId;
use cascade_runtime::birth::{self, BirthError, Wishes};
use cascade_runtime::process;

use crate::args::Global;
use crate::exit::{self, Failure};
use crate::failures;
use crate::output;
use crate::secret;
use crate::verb::init;

/// Longest passphrase, in bytes.
const PASSPHRASE_BYTES_MAX: u64 = 4096;

/// The home that was asked for, or the platform's data directory.
pub(crate) fn home_dir(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(home) = &global.home {
        return std::path::absolute(home).map_err(Failure::from);
    }
    Ok(data_dir()?.join("cascade"))
}

/// The platform's directory for what programs keep for a user.
pub(crate) fn data_dir() -> Result<PathBuf, Failure> {
    let from_env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(data) = from_env("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
        return Ok(data);
    }
    let Some(user) = from_env("HOME") else {
        return Err(Failure::could_not(anyhow::anyhow!("no home directory is known")).hint("give --home DIR"));
    };
    let data = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    Ok(user.join(data))
}

/// The tenant that was asked for.
pub(crate) fn tenant(global: &Global) -> Result<TenantId, Failure> {
    TenantId::parse(&global.tenant).map_err(|error| Failure { code: exit::USAGE, ..opening(error) })
}

/// Opens the ledger, creating it on first use (and saying so). What a dead process left open is ended and
/// closed first.
pub(crate) fn ledger(global: &Global) -> Result<Ledger, Failure> {
    let home = home_dir(global)?;
    let tenant = tenant(global)?;
    match open(global, &home, &tenant) {
        // Who deleted it does not want it back because somebody has not heard of that.
        Err(OpenError::NoTenant(_)) if Home::open(&home).is_ok_and(|home| home.was_deleted(&tenant)) => {
            return Err(Failure::could_not(anyhow::anyhow!("tenant `{tenant}` was deleted"))
                .hint("`cascade tenant create` founds a new one of that name"));
        }
        Err(OpenError::NoHome(_) | OpenError::NoTenant(_)) => {}
        Err(error) => return Err(opening(error)),
        Ok(ledger) => return Ok(ledger),
    }
    match birth::create(&home, &tenant, &Wishes::default()) {
        Ok(created) => {
            output::say(format_args!("first use: created a ledger at {}", home.display()));
            init::tell(&created);
            Ok(created.ledger)
        }
        // Another process was faster.
        Err(BirthError::Open(OpenError::TenantExists(_))) => open(global, &home, &tenant).map_err(opening),
        Err(error) => Err(creating(error)),
    }
}

/// Opens a ledger that must be there: who answers or takes something back does not found a new one.
pub(crate) fn existing(global: &Global) -> Result<Ledger, Failure> {
    open(global, &home_dir(global)?, &tenant(global)?).map_err(opening)
}

/// The same with the key that signs checkpoints.
pub(crate) fn existing_with_log_key(global: &Global) -> Result<(Ledger, LogKey), Failure> {
    let ledger = existing(global)?;
    Ok((ledger, log_key(global)?))
}

/// Opens a ledger that must exist.
pub(crate) fn open(global: &Global, home: &Path, tenant: &TenantId) -> Result<Ledger, OpenError> {
    opened(global, home, tenant, true)
}

/// The same for whoever works while nobody looks: a passphrase comes from its file, or the ledger stays shut.
pub(crate) fn open_unasked(global: &Global, home: &Path, tenant: &TenantId) -> Result<Ledger, OpenError> {
    opened(global, home, tenant, global.passphrase_file.is_some())
}

fn opened(global: &Global, home: &Path, tenant: &TenantId, may_ask: bool) -> Result<Ledger, OpenError> {
    let sweep = |action: &OpenAction| {
        let id = action.receipt_id;
        match process::sweep(id) {
            Ok(swept) => {
                if swept.ended > 0 {
                    output::say(format_args!("ended {} process(es) left behind by {id}", swept.ended));
                }
                if swept.left > 0 {
                    output::say(format_args!(
                        "{} process(es) of {id} cannot be ended; it stays open",
                        swept.left
                    ));
                }
                swept.left == 0
            }
            Err(error) => {
                output::say(format_args!("couldn't look for processes of {id}: {error}; it stays open"));
                false
            }
        }
    };
    let home = Home::open(home)?;
    let key = global
        .signing_key
        .as_deref()
        .map(|id| KeyId::parse(id).ok_or_else(|| OpenError::KeyInactive(id.to_owned())));
    let key = key.transpose()?;
    let open =
        |passphrase: Option<&Passphrase>| home.open_tenant_as(tenant, key.as_ref(), passphrase, &sweep);
    if may_ask { with_passphrase(global, open) } else { open(None) }
}

/// Tries without a passphrase first, and asks for one if it takes one.
fn with_passphrase<T>(
    global: &Global,
    open: impl Fn(Option<&Passphrase>) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    match open(None) {
        Err(OpenError::PassphraseNeeded) => {
            let passphrase = passphrase(global, "passphrase: ").map_err(|error| {
                output::say(format_args!("{error:#}"));
                OpenError::PassphraseNeeded
            })?;
            open(Some(&Passphrase::new(passphrase)))
        }
        other => other,
    }
}

/// Opens the ledger and the key that signs checkpoints of it.
pub(crate) fn ledger_with_log_key(global: &Global) -> Result<(Ledger, LogKey), Failure> {
    let ledger = ledger(global)?;
    Ok((ledger, log_key(global)?))
}

fn log_key(global: &Global) -> Result<LogKey, Failure> {
    let home = Home::open(&home_dir(global)?).map_err(opening)?;
    let tenant = tenant(global)?;
    with_passphrase(global, |passphrase| home.open_log_key(&tenant, passphrase)).map_err(opening)
}

/// The key that signs checkpoints, for whoever works while nobody looks.
pub(crate) fn log_key_unasked(global: &Global, home: &Path, tenant: &TenantId) -> Result<LogKey, OpenError> {
    let home = Home::open(home)?;
    let open = |passphrase: Option<&Passphrase>| home.open_log_key(tenant, passphrase);
    if global.passphrase_file.is_some() { with_passphrase(global, open) } else { open(None) }
}

/// Where the sign-once guards of this user's chains lie: outside every home, so that a home brought back from
/// a backup does not bring back an old guard.
pub(crate) fn guard_dir() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        Failure::could_not(anyhow::anyhow!("no state directory is known"))
            .hint("set XDG_STATE_HOME; what was signed last is kept there")
    })?;
    Ok(state.join("cascade/guard"))
}

/// Opens the chain for looking only: no key, no write, also on a read-only place.
pub(crate) fn reader(global: &Global) -> Result<Reader, Failure> {
    let tenant = tenant(global)?;
    let home = Home::open(&home_dir(global)?).map_err(opening)?;
    home.open_tenant_read_only(&tenant).map_err(opening)
}

/// The same, or nothing where there is no such home or tenant.
pub(crate) fn reader_if_there(global: &Global) -> Result<Option<Reader>, Failure> {
    let tenant = tenant(global)?;
    let opened = Home::open(&home_dir(global)?).and_then(|home| home.open_tenant_read_only(&tenant));
    match opened {
        Err(OpenError::NoHome(_) | OpenError::NoTenant(_)) => Ok(None),
        other => other.map(Some).map_err(opening),
    }
}

/// The passphrase from the file that was named, or from the terminal.
pub(crate) fn passphrase(global: &Global, prompt: &str) -> anyhow::Result<Vec<u8>> {
    secret_from(global.passphrase_file.as_deref(), prompt)
}

/// A passphrase or PIN from a file, or from the terminal.
pub(crate) fn secret_from(path: Option<&Path>, prompt: &str) -> anyhow::Result<Vec<u8>> {
    if let Some(path) = path {
        let file =
            std::fs::File::open(path).with_context(|| format!("couldn't read `{}`", path.display()))?;
        let mut bytes = Vec::new();
        file.take(PASSPHRASE_BYTES_MAX).read_to_end(&mut bytes)?;
        // Editors end a file with a line feed that nobody thinks of as part of the passphrase.
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        return Ok(bytes);
    }
    anyhow::ensure!(std::io::stderr().is_terminal(), "no terminal to ask for the passphrase");
    Ok(secret::ask(prompt)?.into_bytes())
}

/// A failure to open, with its hint.
pub(crate) fn opening(error: OpenError) -> Failure {
    let hint = match &error {
        OpenError::PassphraseNeeded => Some("run on a terminal, or give --passphrase-file FILE".to_owned()),
        OpenError::WrongPassphrase => {
            Some("try again, or look into the file that --passphrase-file names".to_owned())
        }
        OpenError::Fault(fault) => failures::fault(fault),
        other => other.hint().map(str::to_owned),
    };
    Failure::of(exit::COULD_NOT, anyhow::Error::from(error).context("couldn't open the ledger"), hint)
}

/// A failure to create, with its hint.
pub(crate) fn creating(error: BirthError) -> Failure {
    let hint = match &error {
        BirthError::Open(OpenError::Fault(fault)) | BirthError::Fault(fault) => failures::fault(fault),
        BirthError::Open(open) => open.hint().map(str::to_owned),
        BirthError::Ssh(_) | BirthError::Key { .. } | BirthError::KeyFile { .. } => {
            Some("name a public key with --ssh-key FILE.pub".to_owned())
        }
        BirthError::Policy(_) => None,
    };
    let cause = anyhow::Error::from(error).context("couldn't create the ledger");
    Failure::of(exit::COULD_NOT, cause, hint)
}
