//! What is handed to an outsider (format section 13), put together from the chain, its tree and the vault.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::bundle::{self, BUNDLE_BYTES_MAX, Disclosure, RECEIPTS_MAX, Shown, Statement, Subject};
use cascade_receipt::checkpoint::SignedCheckpoint;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};

use crate::extent::{Part, SALTED};
use crate::fault::{Fault, OpenError};
use crate::ledger::Ledger;
use crate::reader::Reader;
use crate::signer::Signer;

/// What a bundle is to hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Places of the receipts that it is about.
    pub seqs: BTreeSet<u64>,
    /// Members of their content whose private bytes are disclosed.
    pub disclose: BTreeSet<String>,
    /// Whether the facts and policies of its decisions come along, so that they can be made again.
    pub replayable: bool,
}

/// Why there is no bundle.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BundleError {
    /// Disk, file system or SQLite.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] OpenError),
    /// More than a bundle holds.
    #[error("a bundle holds at most {RECEIPTS_MAX} receipts and {BUNDLE_BYTES_MAX} bytes")]
    Size,
    /// The checkpoint covers fewer receipts.
    #[error("the checkpoint does not cover receipt {0}")]
    NotCovered(u64),
    /// No receipt has such a salted hash, or the word is not one.
    #[error("nothing private is known as `{0}` here")]
    NothingPrivate(String),
    /// The bytes to disclose are gone.
    #[error("`{field}` of {receipt_id} is erased")]
    Erased {
        /// The receipt.
        receipt_id: String,
        /// The member.
        field: String,
    },
}

impl Reader {
    /// Places of all receipts of the action that the one at `seq` belongs to; of another receipt its own.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn action_of(&self, seq: u64) -> Result<Vec<u64>, Fault> {
        let Some(part) = self.part_at(seq)?.filter(Part::is_of_an_action) else { return Ok(vec![seq]) };
        let extent = self.extent(seq, part, &mut |_, _| ())?;
        let mut seqs = Vec::new();
        for part in &extent.parts {
            seqs.extend(self.seq_of(part.receipt_id)?);
        }
        Ok(seqs)
    }

    /// Places of all receipts of the run of a workflow that the one at `seq` belongs to, of the runs that steps of it
    /// have started, and of the answers that people gave to them; of another receipt its own.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn runs_of(&self, seq: u64) -> Result<BTreeSet<u64>, Fault> {
        let mut seqs = BTreeSet::from([seq]);
        let Some(line) = self.lines(seq..seq + 1).next().transpose()? else { return Ok(seqs) };
        let Some(start) = belongs(&line.text) else { return Ok(seqs) };
        // Everything of a run names its start, a run that a step has started names its own; answers name what was asked.
        let mut names = BTreeSet::from([start]);
        let first = self.seq_of(start)?.unwrap_or(seq);
        for line in self.lines(first..self.head()?.next_seq) {
            let line = line?;
            let Some(said) = Said::of(&line.text) else { continue };
            let is_of = said.refs.iter().any(|(rel, id)| match rel.as_str() {
                "chain" | "parent" | "escalation" | "dry_run" | "approval" => names.contains(id),
                _ => false,
            });
            if !is_of && said.id != start {
                continue;
            }
            seqs.insert(line.seq);
            if matches!(said.kind.as_str(), "chain_started" | "escalation" | "approval" | "denial") {
                names.insert(said.id);
            }
        }
        Ok(seqs)
    }

    /// The smallest size of a checkpoint that a bundle of these receipts can stand on.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn covering(&self, seqs: &BTreeSet<u64>) -> Result<u64, Fault> {
        let last = self.key_receipts()?.into_iter().chain(seqs.iter().copied()).max();
        Ok(last.unwrap_or(0) + 1)
    }
}

impl Ledger {
    /// A bundle about `wanted`, standing on the checkpoint `note`, signed by the key that the home signs with.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn bundle(&self, wanted: &Wanted, note: &str) -> Result<String, BundleError> {
        let size = SignedCheckpoint::parse(note.as_bytes()).map_or(0, |signed| signed.checkpoint().size);
        let mut seqs = wanted.seqs.clone();
        seqs.extend(self.key_receipts()?);
        if let Some(late) = seqs.last().filter(|seq| **seq >= size) {
            return Err(BundleError::NotCovered(*late));
        }
        if seqs.len() > RECEIPTS_MAX {
            return Err(BundleError::Size);
        }
        let mut packing = Packing::default();
        let mut tree = self.tree()?;
        for seq in seqs {
            let Some(line) = self.lines(seq..seq + 1).next().transpose()? else {
                return Err(BundleError::NotCovered(seq));
            };
            let damaged =
                || Fault::damaged(&self.dir().join("ledger.db"), &format!("receipt {seq} cannot be read"));
            let receipt = json::parse(line.text.as_bytes()).map_err(|_| damaged())?;
            let hash = receipt.member("entry_hash").and_then(Value::as_str).and_then(Digest::from_hex);
            let hash = hash.ok_or_else(damaged)?;
            let path = tree.inclusion(seq, &hash, size)?;
            if wanted.seqs.contains(&seq) {
                let part = Part::of_line(line.text.as_bytes()).ok_or_else(damaged)?;
                packing.subjects.push(Subject { receipt_id: part.receipt_id, entry_hash: hash });
                self.disclose(wanted, &part, &mut packing)?;
                if wanted.replayable {
                    self.add_policy(&receipt, &mut packing)?;
                }
            }
            packing.receipts.push(Shown { line: line.text, path });
        }
        let unknown = wanted.disclose.iter().find(|field| !packing.disclosed.contains(*field));
        if let Some(field) = unknown {
            return Err(BundleError::NothingPrivate(field.clone()));
        }
        let statement = Statement {
            log_origin: self.log_origin().as_str().to_owned(),
            subjects: packing.subjects,
            receipts: packing.receipts,
            checkpoint: note.to_owned(),
            disclosures: packing.disclosures,
            snapshots: packing.snapshots.into_values().collect(),
            not_proven: bundle::NOT_PROVEN.iter().map(|line| (*line).to_owned()).collect(),
        };
        self.signed(&statement)
    }

    fn signed(&self, statement: &Statement) -> Result<String, BundleError> {
        let payload = statement.to_json();
        let signer = Signer::load(self, None, self.passphrase())?;
        let message = bundle::pre_authentication(payload.as_bytes());
        let signature = signer.key.sign(&message).ok_or(Fault::Random)?;
        let text = bundle::envelope(payload.as_bytes(), &signer.key.id, &signature);
        if text.len() > BUNDLE_BYTES_MAX { Err(BundleError::Size) } else { Ok(text) }
    }

    fn disclose(&self, wanted: &Wanted, part: &Part, packing: &mut Packing) -> Result<(), BundleError> {
        for (field, hash) in &part.hashes {
            let asked = wanted.disclose.contains(*field);
            // Decisions are made again from facts, which are bound to the action that the receipt commits to.
            if !asked && !wanted.replayable {
                continue;
            }
            let Some((nonce, bytes)) = self.private(hash)? else {
                // What is erased cannot be replayed, and whoever tries is told.
                if !asked {
                    continue;
                }
                let receipt_id = part.receipt_id.to_string();
                return Err(BundleError::Erased { receipt_id, field: (*field).to_owned() });
            };
            packing.disclosed.insert((*field).to_owned());
            let receipt_id = part.receipt_id;
            packing.disclosures.push(Disclosure { receipt_id, field: (*field).to_owned(), nonce, bytes });
        }
        Ok(())
    }

    /// The snapshot that a receipt was decided under, and every text that it names by hash.
    fn add_policy(&self, receipt: &Value, packing: &mut Packing) -> Result<(), BundleError> {
        let content = receipt.member("content");
        let hash =
            content.and_then(|content| content.member("policy_hash")?.as_str()).and_then(Digest::from_hex);
        let Some(hash) = hash.filter(|hash| !packing.snapshots.contains_key(hash)) else { return Ok(()) };
        let Some(document) = self.blob(&hash)? else { return Ok(()) };
        let mut named = Vec::new();
        if let Ok(value) = json::parse(&document) {
            hashes(&value, &mut named);
        }
        packing.snapshots.insert(hash, document);
        for hash in named {
            if let Some(text) = self.blob(&hash)? {
                packing.snapshots.insert(hash, text);
            }
        }
        Ok(())
    }
}

/// A bundle under way.
#[derive(Default)]
struct Packing {
    subjects: Vec<Subject>,
    receipts: Vec<Shown>,
    disclosures: Vec<Disclosure>,
    disclosed: BTreeSet<String>,
    snapshots: BTreeMap<Digest, Vec<u8>>,
}

fn hashes(value: &Value, into: &mut Vec<Digest>) {
    match value {
        Value::Str(text) => into.extend(Digest::from_hex(text)),
        Value::Array(items) => items.iter().for_each(|item| hashes(item, into)),
        Value::Object(members) => members.values().for_each(|item| hashes(item, into)),
        Value::Bool(_) | Value::Int(_) => {}
    }
}

/// The members of content whose private bytes a bundle can disclose.
#[must_use]
pub const fn disclosable() -> [&'static str; 2] {
    SALTED
}

/// What a receipt says of itself and others.
struct Said {
    id: ReceiptId,
    kind: String,
    refs: Vec<(String, ReceiptId)>,
}

impl Said {
    fn of(line: &str) -> Option<Self> {
        let receipt = json::parse(line.as_bytes()).ok()?;
        let content = receipt.member("content")?;
        let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
        let named = |one: &Value| {
            let id = one.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse)?;
            Some((one.member("rel")?.as_str()?.to_owned(), id))
        };
        Some(Self {
            id: content.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse)?,
            kind: content.member("kind")?.as_str()?.to_owned(),
            refs: refs.iter().filter_map(named).collect(),
        })
    }
}

/// The start of the run that a receipt belongs to.
fn belongs(line: &str) -> Option<ReceiptId> {
    let said = Said::of(line)?;
    let chain = said.refs.iter().find(|(rel, _)| rel == "chain").map(|(_, id)| *id);
    chain.or_else(|| (said.kind == "chain_started").then_some(said.id))
}
