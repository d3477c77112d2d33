//! A specification as it was started: loaded by hash, with whoever signed it.

use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use cascade_kernel::csl::{Document, Spec};
use cascade_ledger::{Chain, Fault, Ledger, Person, Reader};
use cascade_policy::facts::{self, Signer, SpecLimits};
use cascade_receipt::content::{Ref, Signature};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::sshsig::SshKey;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::ADMIN_GROUP;

use super::WorkflowError;

/// A signature that verified, and the key that it did with.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    /// Who.
    pub(super) principal: PrincipalId,
    /// The armoured text.
    pub(super) sshsig: String,
    key: String,
}

/// The registered people who signed the specification of this hash with `sshsig`.
///
/// # Errors
/// When the ledger cannot be read.
pub(super) fn signers(reader: &Reader, spec_hash: &Digest, sshsig: &str) -> Result<Vec<Verified>, Fault> {
    let message = statement::spec(spec_hash);
    let signed = |person: &Person| {
        let key = SshKey::accept(&person.ssh_key).ok()?;
        key.verify(statement::SPEC, message.as_bytes(), sshsig).ok()?;
        Some(Verified { principal: person.principal, sshsig: sshsig.to_owned(), key: person.ssh_key.clone() })
    };
    let people = reader.people()?;
    Ok(people.iter().filter(|person| person.is_registered()).filter_map(signed).collect())
}

/// A specification that is run, or about to be.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(super) document: Arc<Document>,
    pub(super) spec: Arc<Spec>,
    pub(super) spec_hash: Digest,
    pub(super) signers: Vec<Verified>,
    pub(super) inputs: Value,
    pub(super) cwd: PathBuf,
    /// The run; none before its start is durable.
    pub(super) chain: Option<Ref>,
    pub(super) started: Timestamp,
}

impl Loaded {
    /// The signatures for the receipt of the start.
    pub(super) fn signatures(&self) -> Vec<Signature> {
        let signature = |one: &Verified| Signature { principal: one.principal, sshsig: one.sshsig.clone() };
        self.signers.iter().map(signature).collect()
    }

    /// What the gates hear of it. Who has left the chain, or has another key, has signed nothing.
    pub(super) fn facts(&self, ledger: &Reader, has_step: bool) -> Result<facts::Spec, Fault> {
        let mut signers = Vec::new();
        for signer in &self.signers {
            let person = ledger.person(signer.principal)?;
            let Some(person) = person.filter(|person| person.is_registered() && person.ssh_key == signer.key)
            else {
                continue;
            };
            let admin = person.is_admin();
            let groups = person.groups.into_iter().filter(|group| group != ADMIN_GROUP).collect();
            signers.push(Signer { principal: signer.principal, groups, admin });
        }
        let open = match &self.chain {
            Some(chain) => ledger.chain(chain.receipt_id)?.is_some_and(|chain| chain.closed.is_none()),
            None => true,
        };
        let constraints = &self.spec.constraints;
        Ok(facts::Spec {
            hash: self.spec_hash,
            signers,
            pinned: self.document.hash() == self.spec_hash,
            has_step,
            open,
            limits: SpecLimits {
                max_tier: constraints.max_tier,
                workers: constraints.workers.clone(),
                packs: constraints.packs.clone(),
                starters: self.spec.starters.clone(),
            },
            approval: None,
        })
    }
}

/// The run that began with this receipt, as it was started.
///
/// # Errors
/// [`WorkflowError`].
pub(super) fn run(ledger: &Ledger, id: ReceiptId) -> Result<(Loaded, Chain), WorkflowError> {
    let chain = ledger.chain(id)?.ok_or(WorkflowError::NotAChain(id))?;
    let damaged = || WorkflowError::Damaged(id);
    let line = ledger.lines(chain.seq..chain.seq + 1).next().transpose()?.ok_or_else(damaged)?;
    let receipt = json::parse(line.text.as_bytes()).map_err(|_| damaged())?;
    let content = receipt.member("content").ok_or_else(damaged)?;
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    let action_hash = text("action_hash").and_then(Digest::from_hex).ok_or_else(damaged)?;
    let started = text("timestamp").and_then(Timestamp::parse).ok_or_else(damaged)?;
    let action = super::record::kept(ledger, &action_hash)?.ok_or(WorkflowError::Erased(id))?;
    let action = json::parse(&action).map_err(|_| damaged())?;
    let inputs =
        action.member("workflow").and_then(|act| act.member("inputs")?.as_str()).ok_or_else(damaged)?;
    let inputs = json::parse(inputs.as_bytes()).map_err(|_| damaged())?;
    let items = ledger.private_of(id)?;
    let spec = items.iter().find(|item| item.field == "spec").ok_or(WorkflowError::Erased(id))?;
    let cwd = cwd_of(&action).ok_or_else(damaged)?;
    let document = Arc::new(Document::read(&spec.bytes).map_err(|_| damaged())?);
    // What lies in the vault is believed as far as it is what was started.
    if document.hash() != chain.spec_hash {
        return Err(damaged());
    }
    let mut verified = Vec::new();
    for signature in content.member("signatures").and_then(Value::as_array).into_iter().flatten() {
        let sshsig = signature.member("sshsig").and_then(Value::as_str).ok_or_else(damaged)?;
        verified.extend(signers(ledger, &chain.spec_hash, sshsig)?);
    }
    verified.dedup_by_key(|one| one.principal);
    let loaded = Loaded {
        spec: Arc::new(document.spec.clone()),
        document,
        spec_hash: chain.spec_hash,
        signers: verified,
        inputs,
        cwd,
        chain: Some(chain.reference()),
        started,
    };
    Ok((loaded, chain))
}

/// The directory that the start was decided for.
fn cwd_of(action: &Value) -> Option<PathBuf> {
    let bytes = match action.member("cwd").and_then(Value::as_str) {
        Some(text) => text.as_bytes().to_vec(),
        None => cascade_receipt::base64::decode(action.member("cwd_b64")?.as_str()?)?,
    };
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}
