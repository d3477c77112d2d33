//! Keys: those that belong elsewhere are elsewhere, those that are here are protected, people's can be reached.

use std::path::Path;

use cascade_ledger::{Fault, Reader};
use cascade_receipt::sshsig;
use cascade_runtime::birth::{agent_socket, own_key_dir, ssh_dir};
use cascade_runtime::ssh::{self, Source};

use super::Finding;
use crate::exit::Failure;
use crate::place;

pub(super) fn look(home: &Path, reader: &Reader) -> Result<Vec<Finding>, Failure> {
    let mut findings = recovery(reader);
    findings.extend([passphrase(reader)?, guard(home, reader)?, admin(home, reader)?]);
    Ok(findings)
}

/// Whoever finds both on the machine can take its keys back, and make tags of every epoch.
fn recovery(reader: &Reader) -> Vec<Finding> {
    const CHECK: &str = "keys.recovery";
    let left = reader.recovery_files_left();
    if left.is_empty() {
        return vec![Finding::fine(CHECK, "recovery key and HMAC master are not where they were made")];
    }
    let told = |path: &std::path::PathBuf| {
        let seen = format!("{} is still on this machine", path.display());
        Finding::wrong(CHECK, seen, "move it to a medium that is kept elsewhere")
    };
    left.iter().map(told).collect()
}

fn passphrase(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "keys.passphrase";
    Ok(if reader.is_signing_key_protected()? {
        Finding::fine(CHECK, "the receipt key asks for a passphrase or PIN")
    } else {
        let seen = "who can read the home can sign receipts: its key has no passphrase";
        let next = "`cascade init --passphrase` for a new home, or `cascade key add` on a token";
        Finding::advice(CHECK, seen, next)
    })
}

/// What was signed last, kept where a backup of the home does not bring back an old one.
fn guard(home: &Path, reader: &Reader) -> Result<Finding, Failure> {
    const CHECK: &str = "keys.guard";
    let dir = place::guard_dir()?;
    let shown = dir.display();
    if dir.starts_with(home) {
        let next = "set XDG_STATE_HOME to a place outside of the home";
        return Ok(Finding::wrong(CHECK, format!("the guard lies in the home: {shown}"), next));
    }
    let file = reader.guard_path(&dir);
    let signed = reader.newest_signed()?.is_some();
    if signed && !file.is_file() {
        let seen = format!("checkpoints were signed, and their guard is not in {shown}");
        let next = "put it back from a backup of the state directory, else `cascade checkpoint --new-guard`";
        return Ok(Finding::wrong(CHECK, seen, next));
    }
    let nearest = dir.ancestors().find(|path| path.exists()).unwrap_or(&dir);
    if rustix::fs::access(nearest, rustix::fs::Access::WRITE_OK).is_err() {
        let seen = format!("{shown} can't be written, so no checkpoint can be signed");
        return Ok(Finding::wrong(CHECK, seen, "let this user write there, or set XDG_STATE_HOME"));
    }
    Ok(Finding::fine(CHECK, if signed { "there and writable" } else { "none needed yet; it can be made" }))
}

/// Whether an administrator's signature can be made from here, and where that key is.
fn admin(home: &Path, reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "keys.admin";
    let admins = reader.admins()?;
    let mut reached = ssh::candidates(&ssh_dir().unwrap_or_default(), agent_socket().as_deref());
    reached.extend(ssh::candidates(&own_key_dir(home), None));
    let is_admins = |identity: &&ssh::PublicIdentity| {
        sshsig::without_comment(&identity.key).is_ok_and(|text| admins.iter().any(|(_, key)| *key == text))
    };
    Ok(match reached.iter().find(is_admins).map(|identity| &identity.source) {
        Some(Source::Agent(_)) => Finding::fine(CHECK, "an administrator's key is in the SSH agent"),
        Some(Source::File(path)) if path.starts_with(home) => Finding::advice(
            CHECK,
            format!("the administrator's key lies in the home: {}", path.display()),
            "make one with a passphrase (ssh-keygen), then `cascade people add NAME --admin --ssh-key FILE`",
        ),
        Some(Source::File(path)) => {
            Finding::fine(CHECK, format!("an administrator's key is {}", path.display()))
        }
        None => Finding::advice(
            CHECK,
            "no administrator's key is in the SSH agent or ~/.ssh: nobody can approve or govern from here",
            "`ssh-add` the key that is registered; `cascade people list` shows whose",
        ),
    })
}
