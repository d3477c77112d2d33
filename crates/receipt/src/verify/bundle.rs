//! Verifies a bundle (format section 13): receipts that are not all, each proved by the tree alone.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::bundle::{self, Bundle, BundleFault, Shown, Statement};
use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::ed25519::PublicKey;
use crate::id::ReceiptId;
use crate::json::{self, Value};
use crate::kind::Kind;
use crate::line::Receipt;
use crate::merkle;
use crate::verify::anchors::{self, Quorum};
use crate::verify::code::{Check, Code};
use crate::verify::stamps::{self, Stamp};
use crate::verify::verdict::{Fault, Form, Parts, Verdict};
use crate::verify::{Head, Options, Verifier, check_copies, detail};

/// What later steps need of a receipt that passed.
struct Known {
    seq: u64,
    entry_hash: Digest,
    policy_hash: Digest,
    content: Value,
}

/// A bundle under verification.
struct Case {
    verifier: Verifier,
    known: BTreeMap<ReceiptId, Known>,
    quorum: Option<Quorum>,
    size: u64,
    stamped: Vec<(Stamp, u64)>,
}

/// Verifies a bundle, given whole. Checkpoints and the HMAC master of `options` are not used: a bundle brings
/// its own checkpoint, and its tags need the receipts between.
#[must_use]
pub fn verify_bundle(bytes: &[u8], options: Options) -> Verdict {
    let mut case = Case {
        verifier: Verifier::new(options),
        known: BTreeMap::new(),
        quorum: None,
        size: 0,
        stamped: Vec::new(),
    };
    let fault = case.judge(bytes).err();
    let Case { verifier, known, quorum, size, stamped } = case;
    let asked = |check: &Check| match check {
        Check::Lifecycle | Check::Hmac => false,
        Check::Witness => verifier.options.trust.is_some(),
        // A checkpoint of another size says nothing without the receipts between.
        Check::Memory => {
            let options = &verifier.options;
            options.is_ambiguous() || options.memory.is_some_and(|memory| memory.size == size)
        }
        _ => true,
    };
    Verdict::new(Parts {
        form: Form::Bundle,
        identity: verifier.identity(),
        key_pinned: verifier.options.pinned.is_some(),
        other_genesis: verifier.options.other_genesis,
        not_asked: Check::BUNDLE.iter().filter(|check| !asked(check)).copied().collect(),
        receipts: known.len() as u64,
        head: verifier.head,
        root: None,
        anchored_through: if fault.is_none() { quorum.map(|quorum| quorum.size - 1) } else { None },
        open: Vec::new(),
        open_chains: Vec::new(),
        fault,
        stamped,
    })
}

fn fault(code: Code, seq: u64, detail: &str) -> Fault {
    let detail = if detail.is_empty() { code.meaning() } else { detail };
    Fault { code, seq, detail: detail.to_owned() }
}

impl Case {
    /// The first fault, in the order of the checks.
    fn judge(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let bundle = Bundle::parse(bytes).map_err(|error| {
            let code = match error {
                BundleFault::Size => Code::BundleSize,
                BundleFault::Malformed => Code::BundleMalformed,
                BundleFault::Type => Code::BundleType,
            };
            fault(code, 0, "")
        })?;
        let statement = &bundle.statement;
        // A checkpoint that one of the receipts embeds need not cover the others.
        let stamps = &self.verifier.options.stamps;
        stamps::given([statement.checkpoint.as_bytes()], stamps, &mut self.stamped);
        for (index, shown) in (0..).zip(&statement.receipts) {
            self.receipt(index, &shown.line)?;
        }
        if self.known.is_empty() {
            return Err(fault(Code::Empty, 0, ""));
        }
        if self.verifier.origin.as_deref() != Some(&statement.log_origin) {
            return Err(fault(Code::OriginChanged, 0, "the statement names another chain"));
        }
        self.outside(statement)?;
        self.claims(&bundle)
    }

    /// Checks 1 to 6 on a receipt, as far as they can be made without those between.
    fn receipt(&mut self, index: u64, line: &str) -> Result<(), Fault> {
        let receipt = Receipt::parse(line.as_bytes())
            .map_err(|error| fault(error.into(), index, &alloc::format!("{error}")))?;
        let seq = receipt.content.seq;
        let at = |code| fault(code, seq, &detail(&receipt));
        check_copies(&receipt).map_err(at)?;
        self.place(&receipt).map_err(at)?;
        let verifier = &mut self.verifier;
        verifier.keys.check(&receipt, verifier.options.pinned.as_ref(), None).map_err(at)?;
        verifier.check_origin(&receipt).map_err(at)?;
        // A correction of the clock between may have set the time back; only neighbours are compared.
        if verifier.head.is_none_or(|head| head.seq + 1 == seq) {
            verifier.check_time(&receipt).map_err(at)?;
        }
        verifier.origin.get_or_insert_with(|| receipt.content.log_origin.into());
        verifier.last_time = Some(receipt.timestamp);
        verifier.head = Some(Head { seq, entry_hash: receipt.entry_hash });
        let content = json::parse(receipt.content_text.as_bytes()).map_err(|_| at(Code::Malformed))?;
        let policy_hash = receipt.content.policy_hash;
        let known = Known { seq, entry_hash: receipt.entry_hash, policy_hash, content };
        self.known.insert(receipt.receipt_id, known);
        Ok(())
    }

    /// Check 3: genesis first, then ascending; where two are neighbours, the link between them.
    fn place(&self, receipt: &Receipt<'_>) -> Result<(), Code> {
        let seq = receipt.content.seq;
        let head = self.verifier.head;
        match head {
            None if seq != 0 => return Err(Code::Genesis),
            Some(head) if seq <= head.seq => return Err(Code::Seq),
            Some(head) if seq == head.seq + 1 && receipt.prev_hash != head.entry_hash => {
                return Err(Code::PrevHash);
            }
            None if receipt.prev_hash != crate::chain::GENESIS_PREV => return Err(Code::PrevHash),
            _ => {}
        }
        if receipt.entry_hash != receipt.computed_hash() {
            return Err(Code::EntryHash);
        }
        if (receipt.content.kind == Some(Kind::Genesis)) != head.is_none() {
            return Err(Code::Genesis);
        }
        if self.known.contains_key(&receipt.receipt_id) { Err(Code::ReceiptId) } else { Ok(()) }
    }

    /// The checkpoint, the proofs, the witnesses, the memory.
    fn outside(&mut self, statement: &Statement) -> Result<(), Fault> {
        let signed = SignedCheckpoint::parse(statement.checkpoint.as_bytes())
            .ok_or_else(|| fault(Code::CheckpointMalformed, 0, ""))?;
        let checkpoint = signed.checkpoint();
        if checkpoint.origin != statement.log_origin {
            return Err(fault(Code::CheckpointOrigin, 0, ""));
        }
        if !self.verifier.keys.signed(&signed) {
            return Err(fault(Code::CheckpointSignature, 0, ""));
        }
        self.size = checkpoint.size;
        self.included(&statement.receipts, checkpoint.size, &checkpoint.root)?;
        if let Some(trust) = &self.verifier.options.trust {
            let quorum = anchors::quorum(&signed, &statement.log_origin, trust);
            self.quorum = Some(quorum.map_err(|code| fault(code, checkpoint.size - 1, ""))?);
        }
        let cleared = |since| {
            let early = self.quorum.as_ref().filter(|quorum| quorum.is_before(since));
            early.map_or(0, |quorum| quorum.size)
        };
        if let Some((seq, key_id)) = self.verifier.keys.disputed(cleared) {
            let detail = alloc::format!(
                "key {key_id} was revoked, and no cosigned checkpoint from before covers this receipt"
            );
            return Err(Fault { code: Code::Disputed, seq, detail });
        }
        if self.verifier.options.is_ambiguous() {
            return Err(anchors::other_genesis());
        }
        match self.verifier.options.memory {
            Some(memory) if memory.size == checkpoint.size && memory.root != checkpoint.root => {
                Err(fault(Code::Fork, checkpoint.size - 1, ""))
            }
            _ => Ok(()),
        }
    }

    fn included(&self, receipts: &[Shown], size: u64, root: &Digest) -> Result<(), Fault> {
        // Both are in the order of the chain.
        let mut known: Vec<&Known> = self.known.values().collect();
        known.sort_unstable_by_key(|known| known.seq);
        for (known, shown) in known.into_iter().zip(receipts) {
            let leaf = merkle::leaf(&known.entry_hash);
            if !merkle::includes(known.seq, size, &leaf, &shown.path, root) {
                return Err(fault(Code::InclusionPath, known.seq, ""));
            }
        }
        Ok(())
    }

    /// What the statement itself says: its subjects, who signed it, what it discloses.
    fn claims(&self, bundle: &Bundle) -> Result<(), Fault> {
        let statement = &bundle.statement;
        let shown = |one: &bundle::Subject| {
            self.known.get(&one.receipt_id).is_some_and(|known| known.entry_hash == one.entry_hash)
        };
        if statement.subjects.is_empty() || !statement.subjects.iter().all(shown) {
            return Err(fault(Code::StatementSubject, 0, ""));
        }
        let message = bundle::pre_authentication(&bundle.payload);
        let mut signed = false;
        for (key_id, signature) in &bundle.signatures {
            let Some(key) = self.verifier.keys.signing_key(key_id) else { continue };
            if !PublicKey::verifies_bytes(&key, &message, signature) {
                return Err(fault(Code::StatementSignature, 0, ""));
            }
            signed = true;
        }
        if !signed {
            return Err(fault(Code::StatementSignature, 0, ""));
        }
        for one in &statement.disclosures {
            self.disclosed(one)?;
        }
        self.snapshots(&statement.snapshots)
    }

    fn disclosed(&self, one: &bundle::Disclosure) -> Result<(), Fault> {
        let bad =
            |seq| fault(Code::StatementDisclosure, seq, &alloc::format!("{} {}", one.receipt_id, one.field));
        let known = self.known.get(&one.receipt_id).ok_or_else(|| bad(0))?;
        let hash = known.content.member(&one.field).and_then(Value::as_str).and_then(Digest::from_hex);
        let salted = matches!(one.field.as_str(), "action_hash" | "facts_hash");
        let fits = salted && hash == Some(Digest::salted(&one.nonce, &one.bytes));
        if fits { Ok(()) } else { Err(bad(known.seq)) }
    }

    /// Each is the snapshot of a shown receipt, or a text that such a snapshot names.
    fn snapshots(&self, snapshots: &[Vec<u8>]) -> Result<(), Fault> {
        let policies: BTreeSet<Digest> = self.known.values().map(|known| known.policy_hash).collect();
        let mut named: BTreeSet<String> = BTreeSet::new();
        let hashed: Vec<(Digest, &[u8])> =
            snapshots.iter().map(|bytes| (Digest::of(bytes), bytes.as_slice())).collect();
        for (_, bytes) in hashed.iter().filter(|(hash, _)| policies.contains(hash)) {
            let document = json::parse(bytes).map_err(|_| fault(Code::StatementSnapshot, 0, ""))?;
            collect_strings(&document, &mut named);
        }
        let fits = |hash: &Digest| policies.contains(hash) || named.contains(&hash.to_hex());
        let all = hashed.iter().all(|(hash, _)| fits(hash));
        if all { Ok(()) } else { Err(fault(Code::StatementSnapshot, 0, "")) }
    }
}

fn collect_strings(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Str(text) => drop(into.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect_strings(item, into)),
        Value::Object(members) => members.values().for_each(|item| collect_strings(item, into)),
        Value::Bool(_) | Value::Int(_) => {}
    }
}
