//! A specification as it was started: loaded by hash, with whoever signed it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use cascade_kernel::csl::{Document, Spec};
use cascade_ledger::{Chain, Fault, Person, Reader};
use cascade_policy::facts::{self, Caller, FactsFault, Signer, SpecLimits};
use cascade_receipt::content::{Ref, Signature};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::sshsig::SshKey;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::ADMIN_GROUP;

use super::WorkflowError;

/// The private item that holds a specification which a step runs.
pub(crate) const SUB: &str = "sub_spec";

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
    /// The specifications that steps of it run, theirs included.
    pub(super) subs: Vec<Arc<Sub>>,
    /// The step of another run that it is started for, and that run.
    pub(super) caller: Option<(Caller, Arc<Self>)>,
}

/// A specification that a step runs.
#[derive(Clone, Debug)]
pub struct Sub {
    /// What it says.
    pub document: Arc<Document>,
    /// The armoured SSHSIG over its hash, where there is one.
    pub signature: Option<String>,
}

impl Sub {
    /// How it is kept with the start of a run.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut members = BTreeMap::from([("spec".to_owned(), self.document.canonical().into())]);
        members.extend(self.signature.as_ref().map(|text| ("signature".to_owned(), text.as_str().into())));
        Value::Object(members).to_canonical().into_bytes()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let spec = value.member("spec").and_then(Value::as_str)?;
        let signature = value.member("signature").and_then(Value::as_str).map(str::to_owned);
        Some(Self { document: Arc::new(Document::read(spec.as_bytes()).ok()?), signature })
    }
}

impl Loaded {
    /// The specification of this hash, in hex.
    pub(super) fn sub(&self, spec_hash: &str) -> Option<&Arc<Sub>> {
        self.subs.iter().find(|sub| sub.document.hash().to_hex() == spec_hash)
    }

    /// Whether nothing of it, or of a run that it belongs to, has ended.
    fn is_open(&self, ledger: &Reader) -> Result<bool, Fault> {
        if let Some(chain) = &self.chain
            && ledger.chain(chain.receipt_id)?.is_none_or(|chain| chain.closed.is_some())
        {
            return Ok(false);
        }
        self.caller.as_ref().map_or(Ok(true), |(_, caller)| caller.is_open(ledger))
    }

    /// How far its steps may go: no further than the run that it belongs to.
    fn limits(&self) -> SpecLimits {
        let constraints = &self.spec.constraints;
        let mut limits = SpecLimits {
            max_tier: constraints.max_tier,
            workers: constraints.workers.clone(),
            packs: constraints.packs.clone(),
            starters: self.spec.starters.clone(),
        };
        if let Some((_, caller)) = &self.caller {
            let outer = caller.limits();
            limits.max_tier = limits.max_tier.into_iter().chain(outer.max_tier).min();
            limits.workers = match (limits.workers, outer.workers) {
                (Some(own), Some(outer)) => Some(own.into_iter().filter(|one| outer.contains(one)).collect()),
                (own, outer) => own.or(outer),
            };
            limits.packs.extend(outer.packs);
            limits.packs.sort_unstable();
            limits.packs.dedup();
        }
        limits
    }

    /// The signatures for the receipt of the start.
    pub(super) fn signatures(&self) -> Vec<Signature> {
        let signature = |one: &Verified| Signature { principal: one.principal, sshsig: one.sshsig.clone() };
        self.signers.iter().map(signature).collect()
    }

    /// What the gates hear of it. Who has left the chain, or has another key, has signed nothing.
    pub(super) fn facts(&self, ledger: &Reader, has_step: bool) -> Result<facts::Spec, Fault> {
        let (signers, mut callers) = (self.signed_by(ledger)?, Vec::new());
        let mut outer = self.caller.as_ref();
        while let Some((_, run)) = outer {
            callers.push(run.signed_by(ledger)?);
            outer = run.caller.as_ref();
        }
        let open = self.is_open(ledger)?;
        Ok(facts::Spec {
            hash: self.spec_hash,
            signers,
            callers,
            pinned: self.document.hash() == self.spec_hash,
            has_step,
            open,
            limits: self.limits(),
            approval: None,
        })
    }

    /// Who has signed it and is still whom they were then.
    fn signed_by(&self, ledger: &Reader) -> Result<Vec<Signer>, Fault> {
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
        Ok(signers)
    }

    /// What its machine keeps to: its own constraints, and those of the runs that it belongs to.
    pub(super) fn held(&self) -> Arc<Spec> {
        let Some((_, caller)) = &self.caller else { return Arc::clone(&self.spec) };
        let outer = caller.held();
        let elapsed_ms = self.started.ms().saturating_sub(caller.started.ms());
        let mut spec = self.spec.as_ref().clone();
        spec.constraints.hold_to(&outer.constraints, elapsed_ms);
        Arc::new(spec)
    }
}

/// The run that began with this receipt, as it was started.
///
/// # Errors
/// [`WorkflowError`].
pub(super) fn run(ledger: &Reader, id: ReceiptId) -> Result<(Loaded, Chain), WorkflowError> {
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
    let subs = items.iter().filter(|item| item.field == SUB);
    let subs = subs.map(|item| Sub::read(&item.bytes).map(Arc::new).ok_or_else(damaged));
    let caller = match caller_of(&action).map_err(|_| damaged())? {
        // A run is started by one that has begun before it: this ends.
        Some(caller) => {
            let (run, before) = run(ledger, caller.run)?;
            if before.seq >= chain.seq {
                return Err(damaged());
            }
            Some((caller, Arc::new(run)))
        }
        None => None,
    };
    let loaded = Loaded {
        spec: Arc::new(document.spec.clone()),
        document,
        spec_hash: chain.spec_hash,
        signers: verified,
        inputs,
        cwd,
        chain: Some(chain.reference()),
        started,
        subs: subs.collect::<Result<_, _>>()?,
        caller,
    };
    Ok((loaded, chain))
}

/// The step that the run was started for.
fn caller_of(action: &Value) -> Result<Option<Caller>, FactsFault> {
    let caller = action.member("workflow").and_then(|act| act.member("caller"));
    caller.map(Caller::read).transpose()
}

/// The directory that the start was decided for.
fn cwd_of(action: &Value) -> Option<PathBuf> {
    let bytes = match action.member("cwd").and_then(Value::as_str) {
        Some(text) => text.as_bytes().to_vec(),
        None => cascade_receipt::base64::decode(action.member("cwd_b64")?.as_str()?)?,
    };
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}
