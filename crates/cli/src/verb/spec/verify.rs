//! `spec verify`.

use std::path::{Path, PathBuf};

use cascade_ledger::Person;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::sshsig::{self, SshFault, SshKey};
use cascade_receipt::statement;
use clap::Args;
use ssh_key::{HashAlg, PublicKey, SshSig};

use super::{beside, bytes_of, read};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output;
use crate::output::{BAD, DIM, GOOD, Painted};
use crate::verb::shell_check;

/// Longest signature that is read.
pub(super) const SIGNATURE_BYTES_MAX: usize = 64 * 1024;

#[derive(Args, Debug)]
pub(super) struct Verify {
    /// The spec, YAML or JSON; its signature stands beside it, as FILE.sig
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The author's public SSH key, which must have made the signature [default: one whom this chain trusts]
    #[arg(long, value_name = "PUB")]
    author_key: Option<PathBuf>,
}

/// What there is to say of a signature.
struct Finding {
    /// `valid`, or what is wrong.
    code: &'static str,
    fingerprint: Option<String>,
    author: Option<Author>,
}

/// Somebody whom the chain knows by the key of a signature.
pub(crate) struct Author {
    pub(crate) principal: PrincipalId,
    /// What the vault calls them.
    pub(crate) name: Option<String>,
    /// Whether a spec of theirs may run.
    pub(crate) trusted: bool,
}

const VALID: &str = "valid";

/// What each code means, and what to do about it.
const WORDS: &[(&str, &str, &str)] = &[
    ("specification.unsigned", "there is no signature beside it", "`cascade spec sign FILE` makes one"),
    ("specification.malformed", "what stands beside it is no SSH signature", "have its author sign it again"),
    (
        "specification.namespace",
        "the signature was made for another purpose",
        "have its author run `cascade spec sign FILE`",
    ),
    (
        "specification.hash",
        "the signature is not over SHA-512",
        "have its author run `cascade spec sign FILE`",
    ),
    (
        "specification.weak",
        "a key of this kind does not count",
        "sign with an Ed25519 or ECDSA key, or RSA of 2048 bits and more",
    ),
    ("specification.presence", "nobody touched the security key", "have its author sign it again"),
    (
        "specification.other_key",
        "another key than the author's has signed it",
        "ask the author which key it was; --author-key takes its public half",
    ),
    (
        "specification.changed",
        "the signature is not of this content: it was changed after it was signed",
        "look at what was changed, then have its author sign it again",
    ),
    (
        "specification.stranger",
        "nobody in this chain has the key that signed it",
        "name the author's public key with --author-key, or register the author: `cascade people add`",
    ),
    (
        "specification.untrusted",
        "its author is not one whose specs may run here",
        "have an author sign it whom the policy trusts",
    ),
];

pub(super) fn run(global: &Global, args: &Verify) -> Exit {
    let document = read(&args.file)?;
    let author = args.author_key.as_deref().map(public_key).transpose()?;
    let hash = document.hash();
    let finding = find(global, &args.file, &hash, author.as_ref())?;
    let valid = finding.code == VALID;
    let (name, version) = (&document.spec.name, &document.spec.version);
    if global.json {
        let mut members = vec![
            ("code", finding.code.into()),
            ("name", name.as_str().into()),
            ("spec_hash", hash.to_hex().as_str().into()),
            ("valid", valid.into()),
            ("version", version.as_str().into()),
        ];
        members.extend(signer(&finding).map(|signer| ("signer", signer)));
        let members = members.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value));
        output::json(&Value::Object(members.collect()))?;
    } else {
        let word = if valid { Painted(GOOD, "valid") } else { Painted(BAD, "invalid") };
        output::line(format_args!(
            "{word}  {name} {}  {}",
            output::safe(version),
            Painted(DIM, hash.to_hex())
        ))?;
        if let Some(fingerprint) = &finding.fingerprint {
            let author = finding.author.as_ref();
            let who = author.map_or_else(String::new, |author| {
                author.name.clone().unwrap_or_else(|| author.principal.to_string()) + " "
            });
            output::line(format_args!("  signed by {}{fingerprint}", output::safe(&who)))?;
        }
    }
    if let Some((_, text, hint)) = WORDS.iter().find(|(code, ..)| *code == finding.code) {
        output::say(text);
        output::hint_line(hint.replace("FILE", &output::safe(&args.file.display().to_string())));
    }
    Ok(if valid { exit::DONE } else { exit::EVIDENCE })
}

fn signer(finding: &Finding) -> Option<Value> {
    let mut members = vec![("fingerprint", Value::from(finding.fingerprint.as_deref()?))];
    members.extend(finding.author.as_ref().map(|author| ("principal", author.principal.to_string().into())));
    Some(Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// One key in the form of an OpenSSH public key file.
fn public_key(file: &Path) -> Result<SshKey, Failure> {
    let failed = |cause: anyhow::Error| {
        Failure::could_not(cause.context(format!("couldn't use `{}`", file.display())))
            .hint("--author-key takes a public key file such as id_ed25519.pub")
    };
    let bytes = bytes_of(file, SIGNATURE_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| failed(error.into()))?;
    let key = PublicKey::from_openssh(text.trim()).map_err(|error| failed(error.into()))?;
    let text = sshsig::without_comment(&key).map_err(|fault| failed(fault.into()))?;
    SshKey::accept(&text).map_err(|fault| failed(fault.into()))
}

fn find(global: &Global, file: &Path, hash: &Digest, author: Option<&SshKey>) -> Result<Finding, Failure> {
    let mut finding = Finding { code: VALID, fingerprint: None, author: None };
    let place = beside(file);
    if !place.try_exists()? {
        return Ok(Finding { code: "specification.unsigned", ..finding });
    }
    let bytes = bytes_of(&place, SIGNATURE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let Ok(signature) = SshSig::from_pem(text.as_ref()) else {
        return Ok(Finding { code: "specification.malformed", ..finding });
    };
    let public = PublicKey::new(signature.public_key().clone(), "");
    finding.fingerprint = Some(public.fingerprint(HashAlg::Sha256).to_string());
    let message = statement::spec(hash);
    let public = match sshsig::without_comment(&public) {
        Ok(public) => public,
        Err(fault) => return Ok(Finding { code: code_of(fault), ..finding }),
    };
    let own = SshKey::accept(&public);
    let verified = match author {
        Some(author) => author.verify(statement::SPEC, message.as_bytes(), &text),
        None => own.and_then(|key| key.verify(statement::SPEC, message.as_bytes(), &text)),
    };
    if let Err(fault) = verified {
        return Ok(Finding { code: code_of(fault), ..finding });
    }
    if author.is_some() {
        return Ok(finding);
    }
    finding.author = trusted_author(global, &public)?;
    finding.code = match &finding.author {
        Some(author) if author.trusted => VALID,
        Some(_) => "specification.untrusted",
        None => "specification.stranger",
    };
    Ok(finding)
}

/// Whoever has this key in the chain, and whether the policy in force lets specs of theirs run: `[specs] authors`.
pub(crate) fn trusted_author(global: &Global, public: &str) -> Result<Option<Author>, Failure> {
    let (snapshot, reader) = shell_check::snapshot(global)?;
    let Some(reader) = reader else { return Ok(None) };
    let authors = &snapshot.thresholds().authors;
    let trusted = |person: &Person| person.groups.iter().any(|group| authors.contains(group));
    let mut people = reader.people()?;
    people.retain(|person| person.is_registered() && person.ssh_key == public);
    // One key may be several people's; it is enough that one of them is trusted.
    people.sort_by_key(|person| !trusted(person));
    let Some(person) = people.first() else { return Ok(None) };
    let name = reader.name(person.principal)?.map(|name| name.name);
    Ok(Some(Author { principal: person.principal, name, trusted: trusted(person) }))
}

const fn code_of(fault: SshFault) -> &'static str {
    match fault {
        SshFault::Key | SshFault::Algorithm | SshFault::Weak => "specification.weak",
        SshFault::Malformed => "specification.malformed",
        SshFault::Namespace => "specification.namespace",
        SshFault::Hash => "specification.hash",
        SshFault::OtherKey => "specification.other_key",
        SshFault::Presence => "specification.presence",
        SshFault::Bad => "specification.changed",
    }
}
