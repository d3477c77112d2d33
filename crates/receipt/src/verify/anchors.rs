//! Checks 8 to 10: the tree over the receipts against checkpoints, the reader's witnesses and the
//! reader's memory (format sections 9 to 12).

use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::{Signed, SignedCheckpoint};
use crate::digest::Digest;
use crate::merkle::Tree;
use crate::note::VerifierKey;
use crate::time::Timestamp;
use crate::trust::Trust;
use crate::verify::Options;
use crate::verify::code::Code;
use crate::verify::keys::Keys;
use crate::verify::verdict::Fault;

/// What a reader kept of a ledger that it found valid before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// Number of receipts.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

/// What anchors a chain from outside.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    tree: Tree,
    /// Whether there was any checkpoint to check.
    pub(super) asked: bool,
    checkpoint_fault: Option<Fault>,
    witness_fault: Option<Fault>,
    quorums: Vec<Quorum>,
}

/// A checkpoint that the trusted witnesses have cosigned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quorum {
    pub(super) size: u64,
    /// When the quorum was met, in seconds since 1970; unknown when it needs no witness at all.
    time: Option<u64>,
}

impl Quorum {
    /// Whether it was met before `moment`, as far as that is known.
    pub(super) fn is_before(&self, moment: Timestamp) -> bool {
        self.time.is_some_and(|time| time.checked_mul(1000).is_some_and(|ms| ms < moment.ms()))
    }
}

/// Whose checkpoints count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judges<'a> {
    pub(super) origin: &'a str,
    pub(super) keys: &'a Keys,
    pub(super) trust: Option<&'a Trust>,
}

impl Anchors {
    /// Takes over a receipt that passed checks 1 to 7.
    pub(super) fn push(&mut self, entry_hash: &Digest) {
        self.tree.push(entry_hash);
    }

    /// The root over all receipts so far.
    pub(super) fn root(&self) -> Option<Digest> {
        self.tree.root(self.tree.size())
    }

    /// A checkpoint that the `anchor` receipt at `seq` embeds, looked at before that receipt enters the tree.
    pub(super) fn embedded(&mut self, seq: u64, note: &str, judges: Judges<'_>) {
        self.asked = true;
        match self.check(note.as_bytes(), judges) {
            Err((code, _)) => {
                self.checkpoint_fault
                    .get_or_insert_with(|| fault(code, seq, String::from("embedded by an anchor")));
            }
            Ok(signed) => {
                // One that the reader's witnesses do not vouch for does not count, and is no fault.
                if let Some(Ok(quorum)) = judges.trust.map(|trust| quorum(&signed, judges.origin, trust)) {
                    self.add(quorum);
                }
            }
        }
    }

    /// A checkpoint that the reader gave, after the last receipt.
    pub(super) fn given(&mut self, number: usize, note: &[u8], judges: Judges<'_>) {
        self.asked = true;
        let which = || alloc::format!("checkpoint {} of those given", number + 1);
        let signed = match self.check(note, judges) {
            Ok(signed) => signed,
            Err((code, seq)) => {
                self.checkpoint_fault.get_or_insert_with(|| fault(code, seq, which()));
                return;
            }
        };
        let Some(trust) = judges.trust else { return };
        match quorum(&signed, judges.origin, trust) {
            Ok(quorum) => self.add(quorum),
            Err(code) => {
                let seq = signed.checkpoint().size - 1;
                self.witness_fault.get_or_insert_with(|| fault(code, seq, which()));
            }
        }
    }

    /// Check 8 on one checkpoint; on failure also the seq to report for one that the reader gave.
    fn check<'n>(&self, note: &'n [u8], judges: Judges<'_>) -> Result<SignedCheckpoint<'n>, (Code, u64)> {
        let signed = SignedCheckpoint::parse(note).ok_or((Code::CheckpointMalformed, 0))?;
        let checkpoint = signed.checkpoint();
        if checkpoint.origin != judges.origin {
            return Err((Code::CheckpointOrigin, 0));
        }
        if !judges.keys.signed(&signed) {
            return Err((Code::CheckpointSignature, 0));
        }
        match self.tree.root(checkpoint.size) {
            None => Err((Code::CheckpointTruncated, self.tree.size())),
            Some(root) if root != checkpoint.root => Err((Code::CheckpointRoot, checkpoint.size - 1)),
            Some(_) => Ok(signed),
        }
    }

    /// Keeps what no other quorum makes needless: a larger size, or an earlier time.
    fn add(&mut self, new: Quorum) {
        let covers = |a: &Quorum, b: &Quorum| a.size >= b.size && before(a.time, b.time);
        if !self.quorums.iter().any(|known| covers(known, &new)) {
            self.quorums.retain(|known| !covers(&new, known));
            self.quorums.push(new);
        }
    }

    /// How many receipts had been anchored before `since`.
    pub(super) fn cleared(&self, since: Timestamp) -> u64 {
        self.quorums
            .iter()
            .filter(|quorum| quorum.is_before(since))
            .map(|quorum| quorum.size)
            .max()
            .unwrap_or(0)
    }

    /// The last receipt that the trusted witnesses vouch for.
    pub(super) fn anchored_through(&self) -> Option<u64> {
        self.quorums.iter().map(|quorum| quorum.size - 1).max()
    }

    /// The first fault of checks 8, 9 and 10, in this order.
    pub(super) fn fault(&mut self, options: &Options) -> Option<Fault> {
        let trusted = options.trust.is_some();
        let none = || {
            let detail = String::from("no checkpoint, given or embedded, has their quorum");
            (trusted && self.quorums.is_empty()).then(|| fault(Code::WitnessQuorum, 0, detail))
        };
        self.checkpoint_fault
            .take()
            .or_else(|| self.witness_fault.take())
            .or_else(none)
            .or_else(|| options.is_ambiguous().then(other_genesis))
            .or_else(|| self.forgotten(options.memory?))
    }

    fn forgotten(&self, remembered: Remembered) -> Option<Fault> {
        let here = self.tree.size();
        match self.tree.root(remembered.size) {
            None => {
                let detail = alloc::format!("{here} receipts here, {} before", remembered.size);
                Some(fault(Code::OlderThanRemembered, here, detail))
            }
            Some(root) if root != remembered.root => {
                let detail = alloc::format!("the first {} receipts are not those of before", remembered.size);
                Some(fault(Code::Fork, remembered.size - 1, detail))
            }
            Some(_) => None,
        }
    }
}

const fn fault(code: Code, seq: u64, detail: String) -> Fault {
    Fault { code, seq, detail }
}

/// The whole history may have been written anew, from genesis on and under another key.
pub(super) fn other_genesis() -> Fault {
    const DETAIL: &str = "another genesis key is remembered for this origin; \
                          the public key of the one that you mean tells them apart";
    fault(Code::Fork, 0, String::from(DETAIL))
}

/// An unknown time is later than all others.
fn before(a: Option<u64>, b: Option<u64>) -> bool {
    a.unwrap_or(u64::MAX) <= b.unwrap_or(u64::MAX)
}

/// Whether at least one of the keys signed, and no line in the name of one of them is bad.
pub(super) fn signed_by_any<'k>(
    signed: &SignedCheckpoint<'_>,
    keys: impl Iterator<Item = &'k VerifierKey>,
) -> bool {
    let mut good = false;
    for key in keys {
        match signed.signed_by(key) {
            Signed::Absent => {}
            Signed::Bad => return false,
            Signed::Good(()) => good = true,
        }
    }
    good
}

/// Check 9 on one checkpoint that passed check 8.
pub(super) fn quorum(signed: &SignedCheckpoint<'_>, origin: &str, trust: &Trust) -> Result<Quorum, Code> {
    let mut times = Vec::with_capacity(trust.witnesses().len());
    for witness in trust.witnesses() {
        times.push(match signed.cosigned_by(&witness.key) {
            Signed::Absent => None,
            Signed::Bad => return Err(Code::WitnessSignature),
            Signed::Good(time) => Some(time),
        });
    }
    let logs = trust.logs().iter().map(|log| &log.key).filter(|key| key.name() == origin);
    if !trust.logs().is_empty() && !signed_by_any(signed, logs) {
        return Err(Code::WitnessLog);
    }
    let size = signed.checkpoint().size;
    if trust.met(|_| false) {
        return Ok(Quorum { size, time: None });
    }
    let met_at = |time: u64| trust.met(|index| matches!(times.get(index), Some(Some(at)) if *at <= time));
    let mut moments: Vec<u64> = times.iter().flatten().copied().collect();
    moments.sort_unstable();
    let time = moments.into_iter().find(|time| met_at(*time)).ok_or(Code::WitnessQuorum)?;
    Ok(Quorum { size, time: Some(time) })
}
