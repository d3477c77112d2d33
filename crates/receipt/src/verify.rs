//! Checks a chain as a stranger would (format section 3): from its bytes alone, in one pass, with
//! an answer that says which check failed first, where, and what a good answer does not prove.
//!
//! ```
//! use cascade_receipt::verify::{Options, Verifier};
//!
//! let mut verifier = Verifier::new(Options::default());
//! verifier.feed(b"no ledger at all\n");
//! let verdict = verifier.finish();
//! assert!(!verdict.valid());
//! assert_eq!(verdict.fault().map(|fault| fault.code.as_str()), Some("syntax.malformed"));
//! ```

mod anchors;
mod approvals;
mod bundle;
mod code;
mod glass;
mod grants;
mod keys;
mod lifecycle;
mod people;
mod remembered;
pub mod report;
mod schedules;
mod stamps;
mod standing;
mod verdict;
mod workflows;

use alloc::string::String;
use alloc::vec::Vec;

use crate::chain::{GENESIS_PREV, LINE_BYTES_MAX};
use crate::digest::Digest;
use crate::epoch::EpochKey;
use crate::id::LogOrigin;
use crate::kind::Kind;
use crate::line::{LineFault, Receipt};
use crate::reader::Meaning;
use crate::time::Timestamp;
use crate::trust::Trust;

pub use anchors::Remembered;
use anchors::{Anchors, Judges};
pub use bundle::verify_bundle;
pub use code::{Check, Code};
pub use keys::REVOCATIONS_MAX;
use keys::{Keys, Precheck, Signers};
use lifecycle::Lifecycle;
pub use lifecycle::OpenIntent;
pub use people::ADMIN_GROUP;
pub use stamps::{Stamp, StampFault, TimeStamp};
pub use verdict::{CheckResult, Fault, Head, Open, Outcome, Verdict};

/// What the reader brings along.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The raw public key that `genesis` must name as its receipt key.
    pub pinned: Option<[u8; 32]>,
    /// Notes of checkpoints that the ledger must fit, for check 8.
    pub checkpoints: Vec<Vec<u8>>,
    /// What time stamp tokens are over; the verdict says which checkpoint that is.
    pub stamps: Vec<Stamp>,
    /// Whose cosignatures count, for check 9.
    pub trust: Option<Trust>,
    /// What is known from an earlier time, for check 10.
    pub memory: Option<Remembered>,
    /// A chain of the same name with another genesis key is known from an earlier time.
    pub other_genesis: bool,
    /// The HMAC master, for check 11.
    pub hmac_master: Option<[u8; 32]>,
}

impl Options {
    /// Whether two chains claim one name and the reader did not say which of them he means.
    const fn is_ambiguous(&self) -> bool {
        self.other_genesis && self.pinned.is_none()
    }
}

/// Which chain it is: one memory per such pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The chain's name.
    pub log_origin: String,
    /// The raw receipt key of genesis.
    pub genesis_key: [u8; 32],
}

/// Reads a ledger line by line and keeps what later receipts depend on.
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    partial: Vec<u8>,
    receipts: u64,
    head: Option<Head>,
    origin: Option<String>,
    last_time: Option<Timestamp>,
    keys: Keys,
    lifecycle: Lifecycle,
    anchors: Anchors,
    stamped: Vec<(Stamp, u64)>,
    epoch: Option<(u64, EpochKey)>,
    fault: Option<Fault>,
    hmac_fault: Option<Fault>,
}

/// The keys known at some moment, for [`Prepared::new`].
#[derive(Clone, Debug)]
pub struct KeySnapshot(Signers);

/// A line read, hashed and its signature checked ahead of its turn, which other threads may do.
///
/// Preparing needs nothing of the receipts before except a snapshot of keys, and only saves work:
/// [`Verifier::accept`] gives the same verdict whichever snapshot was used.
#[derive(Debug)]
pub struct Prepared<'a> {
    receipt: Result<Receipt<'a>, LineFault>,
    computed: Digest,
    ahead: Option<Precheck>,
}

impl<'a> Prepared<'a> {
    /// Prepares a line without its LF.
    #[must_use]
    pub fn new(line: &'a [u8], keys: &KeySnapshot) -> Self {
        let receipt = Receipt::parse(line);
        let computed = receipt.as_ref().map_or(GENESIS_PREV, Receipt::computed_hash);
        let ahead = receipt.as_ref().ok().and_then(|receipt| keys.0.precheck(receipt, computed));
        Self { receipt, computed, ahead }
    }

    fn plain(line: &'a [u8]) -> Self {
        Self::new(line, &KeySnapshot(Signers::default()))
    }
}

impl Verifier {
    /// Begins at the first byte of a ledger.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            partial: Vec::new(),
            receipts: 0,
            head: None,
            origin: None,
            last_time: None,
            keys: Keys::default(),
            lifecycle: Lifecycle::default(),
            anchors: Anchors::default(),
            stamped: Vec::new(),
            epoch: None,
            fault: None,
            hmac_fault: None,
        }
    }

    /// Takes the next bytes, cut anywhere. After a fault the rest is ignored.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.stopped() {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
            let (line, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            if self.partial.is_empty() {
                self.line(line);
            } else {
                let mut whole = core::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole);
            }
        }
        if !self.stopped() {
            self.partial.extend_from_slice(rest);
            // What never ends must not fill the memory.
            if self.partial.len() > LINE_BYTES_MAX {
                self.stop(Code::LineLength, alloc::format!("{}", LineFault::Length));
            }
        }
    }

    /// Takes one line without its LF.
    pub fn line(&mut self, line: &[u8]) {
        self.accept(Prepared::plain(line));
    }

    /// Takes one prepared line, in its turn.
    pub fn accept(&mut self, prepared: Prepared<'_>) {
        if self.stopped() {
            return;
        }
        let Prepared { receipt, computed, ahead } = prepared;
        let receipt = match receipt {
            Ok(receipt) => receipt,
            Err(fault) => return self.stop(fault.into(), alloc::format!("{fault}")),
        };
        if let Err(code) = self.check(&receipt, computed, ahead) {
            return self.stop(code, detail(&receipt));
        }
        self.check_hmac(&receipt);
        self.anchor(&receipt);
        self.origin.get_or_insert_with(|| receipt.content.log_origin.into());
        self.last_time = Some(receipt.timestamp);
        self.head = Some(Head { seq: self.receipts, entry_hash: receipt.entry_hash });
        self.receipts += 1;
    }

    /// The keys known so far.
    #[must_use]
    pub fn keys(&self) -> KeySnapshot {
        KeySnapshot(self.keys.signers())
    }

    /// Which chain it is, once genesis was read.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        Some(Identity { log_origin: self.origin.clone()?, genesis_key: self.keys.genesis_key()? })
    }

    /// Brings along what is known of this chain from an earlier time.
    pub const fn remember(&mut self, memory: Remembered) {
        self.options.memory = Some(memory);
    }

    /// Brings along that a chain of this name with another genesis key is known from an earlier time.
    pub const fn remember_other_genesis(&mut self) {
        self.options.other_genesis = true;
    }

    /// Receipts found good so far.
    #[must_use]
    pub const fn receipts(&self) -> u64 {
        self.receipts
    }

    /// Whether a fault was found; further input changes nothing.
    #[must_use]
    pub const fn stopped(&self) -> bool {
        self.fault.is_some()
    }

    /// The end of the input.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        if !self.stopped() && !self.partial.is_empty() {
            self.stop(Code::Torn, String::new());
        }
        if !self.stopped() && self.receipts == 0 {
            self.stop(Code::Empty, String::new());
        }
        if !self.stopped() {
            self.look_outside();
        }
        let identity = self.identity();
        let given = self.options.checkpoints.iter().map(Vec::as_slice);
        stamps::given(given, &self.options.stamps, &mut self.stamped);
        Verdict::new(verdict::Parts {
            form: verdict::Form::Ledger,
            identity,
            key_pinned: self.options.pinned.is_some(),
            other_genesis: self.options.other_genesis,
            not_asked: self.not_asked(),
            receipts: self.receipts,
            head: self.head,
            root: self.anchors.root(),
            anchored_through: if self.fault.is_none() { self.anchors.anchored_through() } else { None },
            open: self.lifecycle.open(),
            open_chains: self.lifecycle.open_chains(),
            fault: self.fault,
            stamped: self.stamped,
        })
    }

    fn not_asked(&self) -> Vec<Check> {
        let asked = |check: &Check| match check {
            Check::Checkpoint => self.anchors.asked || !self.options.checkpoints.is_empty(),
            Check::Witness => self.options.trust.is_some(),
            Check::Memory => self.options.memory.is_some() || self.options.is_ambiguous(),
            Check::Hmac => self.options.hmac_master.is_some(),
            _ => true,
        };
        Check::LEDGER.iter().filter(|check| !asked(check)).copied().collect()
    }

    /// What is checked once, after the last receipt: disputes and checks 8 to 11.
    fn look_outside(&mut self) {
        let judges = Judges {
            origin: self.origin.as_deref().unwrap_or_default(),
            keys: &self.keys,
            trust: self.options.trust.as_ref(),
        };
        for (number, note) in self.options.checkpoints.iter().enumerate() {
            self.anchors.given(number, note, judges);
        }
        if let Some((seq, key_id)) = self.keys.disputed(|since| self.anchors.cleared(since)) {
            let detail = alloc::format!(
                "key {key_id} was revoked, and no cosigned checkpoint from before covers this receipt"
            );
            self.fault = Some(Fault { code: Code::Disputed, seq, detail });
            return;
        }
        let outside = self.anchors.fault(&self.options);
        self.fault = outside.or_else(|| self.hmac_fault.take());
    }

    /// Looks at the checkpoint that an anchor embeds, then takes the receipt into the tree.
    fn anchor(&mut self, receipt: &Receipt<'_>) {
        if let Meaning::Anchor { checkpoint, tst_sha256, .. } = &receipt.content.meaning {
            stamps::embedded(checkpoint, *tst_sha256, &self.options.stamps, &mut self.stamped);
            let judges = Judges {
                origin: receipt.content.log_origin,
                keys: &self.keys,
                trust: self.options.trust.as_ref(),
            };
            self.anchors.embedded(self.receipts, checkpoint, judges);
        }
        self.anchors.push(&receipt.entry_hash);
    }

    fn stop(&mut self, code: Code, detail: String) {
        let detail = if detail.is_empty() { code.meaning().into() } else { detail };
        self.fault = Some(Fault { code, seq: self.receipts, detail });
    }

    /// Checks 2 to 7 on one receipt.
    fn check(
        &mut self,
        receipt: &Receipt<'_>,
        computed: Digest,
        ahead: Option<Precheck>,
    ) -> Result<(), Code> {
        check_copies(receipt)?;
        self.check_chain(receipt, computed)?;
        self.keys.check(receipt, self.options.pinned.as_ref(), ahead)?;
        self.check_origin(receipt)?;
        self.check_time(receipt)?;
        self.lifecycle.check(receipt)
    }

    fn check_chain(&self, receipt: &Receipt<'_>, computed: Digest) -> Result<(), Code> {
        if receipt.content.seq != self.receipts {
            return Err(Code::Seq);
        }
        if receipt.prev_hash != self.head.map_or(GENESIS_PREV, |head| head.entry_hash) {
            return Err(Code::PrevHash);
        }
        if receipt.entry_hash != computed {
            return Err(Code::EntryHash);
        }
        if (receipt.content.kind == Some(Kind::Genesis)) != (self.receipts == 0) {
            return Err(Code::Genesis);
        }
        if self.lifecycle.knows(receipt.receipt_id) { Err(Code::ReceiptId) } else { Ok(()) }
    }

    fn check_origin(&self, receipt: &Receipt<'_>) -> Result<(), Code> {
        let origin = receipt.content.log_origin;
        if self.origin.as_deref().is_some_and(|first| first != origin) {
            return Err(Code::OriginChanged);
        }
        let fits = match &receipt.content.meaning {
            Meaning::KeyAdded { key, .. } => key.log_origin == origin,
            Meaning::KeyRevoked(revocation) => {
                let new = revocation.replacement.as_ref();
                revocation.log_origin == origin && new.is_none_or(|key| key.log_origin == origin)
            }
            _ => true,
        };
        if fits { Ok(()) } else { Err(Code::OriginKey) }
    }

    fn check_time(&self, receipt: &Receipt<'_>) -> Result<(), Code> {
        let (now, last) = (receipt.timestamp, self.last_time);
        if let Meaning::ClockCorrected { from, to, .. } = &receipt.content.meaning {
            return if Some(*from) == last && *to == now { Ok(()) } else { Err(Code::Correction) };
        }
        if last.is_some_and(|last| now < last) {
            return Err(Code::Backwards);
        }
        if receipt.content.clock_stepped && last != Some(now) { Err(Code::Stepped) } else { Ok(()) }
    }

    /// Check 11. Its first fault counts only if the checks before it pass to the end.
    fn check_hmac(&mut self, receipt: &Receipt<'_>) {
        let Some(master) = &self.options.hmac_master else { return };
        let Some(origin) = LogOrigin::parse(receipt.content.log_origin) else { return };
        let epoch = receipt.content.hmac_epoch;
        let key = match self.epoch.take() {
            None => EpochKey::first(master, &origin),
            // Check 7 has seen to it that the epoch stays or steps by one.
            Some((at, key)) if at == epoch => key,
            Some((_, key)) => key.next(),
        };
        if key.tag(&receipt.entry_hash) != receipt.hmac {
            let detail = detail(receipt);
            self.hmac_fault.get_or_insert(Fault { code: Code::HmacTag, seq: self.receipts, detail });
        }
        self.epoch = Some((epoch, key));
    }
}

fn check_copies(receipt: &Receipt<'_>) -> Result<(), Code> {
    if receipt.receipt_id != receipt.content.receipt_id {
        return Err(Code::CopyReceiptId);
    }
    if receipt.timestamp == receipt.content.timestamp { Ok(()) } else { Err(Code::CopyTimestamp) }
}

fn detail(receipt: &Receipt<'_>) -> String {
    let kind = receipt.content.kind.map_or("extension", Kind::as_str);
    alloc::format!("{} ({kind})", receipt.receipt_id)
}
