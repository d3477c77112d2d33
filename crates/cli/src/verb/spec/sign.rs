//! `spec sign`.

use std::path::{Path, PathBuf};

use cascade_ledger::Person;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::sshsig::{self, SshKey};
use cascade_receipt::statement;
use cascade_runtime::facts::Asker;
use cascade_runtime::people::{self, Whom};
use cascade_runtime::process::Enclosure;
use clap::Args;
use ssh_key::{HashAlg, PublicKey, SshSig};

use super::verify::SIGNATURE_BYTES_MAX;
use super::{beside, bytes_of, read};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{GOOD, Painted};
use crate::signer::{self, Signer};
use crate::{admin, failures, outfile, output, place, reasons};

#[derive(Args, Debug)]
pub(super) struct Sign {
    /// The spec, YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Private key to sign with [default: the key that the chain knows you by, from the SSH agent or ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the signature goes [default: beside the spec, as FILE.sig]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(global: &Global, args: &Sign) -> Exit {
    let document = read(&args.file)?;
    is_person(global)?;
    let hash = document.hash();
    let message = statement::spec(&hash);
    let (key, signature) = match &args.key {
        Some(path) => signer::sign_by_file(path, statement::SPEC, message.as_bytes()).map_err(|error| {
            Failure::could_not(error.into())
                .hint("--key takes a private key in the format of OpenSSH, unlocked by its passphrase")
        })?,
        None => by_registered(global, message.as_bytes())?,
    };
    // Never write what a verifier would refuse.
    sshsig::without_comment(&key)
        .and_then(|text| SshKey::accept(&text))
        .and_then(|key| key.verify(statement::SPEC, message.as_bytes(), &signature))
        .map_err(|fault| {
            Failure::could_not(fault.into())
                .hint("sign with an Ed25519 or ECDSA key, or RSA of 2048 bits and more")
        })?;
    let out = args.out.clone().unwrap_or_else(|| beside(&args.file));
    let replaced = replaced(&out, &message, &key)?;
    outfile::write(&out, outfile::PUBLIC, signature.as_bytes())?;
    tell(global, &key, &hash, &out, replaced.as_deref())
}

/// An author is a person: an agent, and whoever works beneath a governed run, signs nothing in a person's name.
fn is_person(global: &Global) -> Result<(), Failure> {
    let env: Vec<_> = std::env::vars_os().collect();
    let marked = people::agent_marker(&env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())))
        .is_some();
    let asked = global.acting_as.as_deref().map(|text| Whom::parse(text, &people::Person::current()));
    let code = match Enclosure::look().objection() {
        Some(code) => code,
        None if marked || matches!(asked, Some(Whom::Agent(_))) => "approval.agent",
        None => return Ok(()),
    };
    Err(Failure::refused(anyhow::anyhow!("{}", reasons::code_text(code)), code).hint(match code {
        "approval.agent" => "a person signs specs, on a terminal of their own",
        other => admin::hint(other),
    }))
}

/// By the key that the chain knows the person by who asks.
fn by_registered(global: &Global, message: &[u8]) -> Result<(PublicKey, String), Failure> {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let person = ledger.person(asker.speaker())?.filter(Person::is_registered);
    let person = person.ok_or_else(|| {
        let code = "identity.unauthenticated";
        Failure::refused(anyhow::anyhow!("the chain knows no key of yours"), code).hint(
            "give --key FILE, or have an administrator run `cascade people add NAME --ssh-key FILE.pub`",
        )
    })?;
    let signature =
        Signer::new(global, None)?.sign(&person.ssh_key, statement::SPEC, message).map_err(|error| {
            let hint = failures::ssh(&error);
            Failure { hint, ..Failure::could_not(error.into()) }
        })?;
    let key = PublicKey::from_openssh(&person.ssh_key).map_err(|error| Failure::could_not(error.into()))?;
    Ok((key, signature))
}

/// What it was that stood at `out`, in words, where something is lost. What is no signature is not touched: it is
/// somebody's file.
fn replaced(out: &Path, message: &str, key: &PublicKey) -> Result<Option<String>, Failure> {
    if !std::fs::metadata(out).is_ok_and(|there| there.is_file()) {
        return Ok(None);
    }
    let bytes = bytes_of(out, SIGNATURE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let Ok(there) = SshSig::from_pem(text.as_ref()) else {
        let what = format!("`{}` is there and is no SSH signature", out.display());
        return Err(Failure::could_not(anyhow::anyhow!(what))
            .hint("move it away, or name another place with --out FILE"));
    };
    let theirs = PublicKey::new(there.public_key().clone(), "");
    let same = sshsig::without_comment(&theirs)
        .and_then(|text| SshKey::accept(&text))
        .and_then(|key| key.verify(statement::SPEC, message.as_bytes(), &text));
    Ok(match same {
        Err(_) => Some("which was not a signature of this spec".to_owned()),
        Ok(()) if theirs.key_data() == key.key_data() => None,
        Ok(()) => {
            Some(format!("which was a signature of this spec by {}", theirs.fingerprint(HashAlg::Sha256)))
        }
    })
}

fn tell(global: &Global, key: &PublicKey, hash: &Digest, out: &Path, replaced: Option<&str>) -> Exit {
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    if let Some(what) = replaced {
        output::say(format_args!("replaced `{}`, {what}", out.display()));
    }
    if global.json {
        output::json(&Value::object([
            ("fingerprint", fingerprint.as_str().into()),
            ("replaced", replaced.is_some().into()),
            ("signature", out.display().to_string().as_str().into()),
            ("spec_hash", hash.to_hex().as_str().into()),
        ]))?;
        return Ok(exit::DONE);
    }
    output::say(format_args!("{} by {fingerprint}", Painted(GOOD, "signed")));
    output::say(format_args!("spec {}", hash.to_hex()));
    output::say(format_args!("signature in `{}`", output::safe(&out.display().to_string())));
    Ok(exit::DONE)
}
