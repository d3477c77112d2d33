//! Sealing: content gets its hash in order, then tag, signature and line, in any order.

use std::sync::{Arc, OnceLock};

use cascade_receipt::chain::{self, Seal};
use cascade_receipt::content::{Body, Content, Envelope};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{KeyId, LogOrigin, ReceiptId};
use cascade_receipt::time::Timestamp;

use crate::epoch::EpochKey;
use crate::fault::Fault;
use crate::keys::Key;
use crate::signer::Signer;

/// From this many receipts on, signing is spread over threads; below, starting them costs more.
pub(crate) const PARALLEL_FROM: usize = 16;

/// Room for most lines, so that they are not moved while they grow.
const LINE_BYTES_USUAL: usize = 2560;

/// A receipt with its place and hash, not yet signed.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) receipt_id: ReceiptId,
    pub(crate) seq: u64,
    pub(crate) timestamp: Timestamp,
    pub(crate) prev_hash: Digest,
    pub(crate) entry_hash: Digest,
    /// The line as far as its content goes.
    line: String,
    pub(crate) slots: Slots,
}

/// Which of the batch's keys are a receipt's.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Slots {
    /// The epoch key that tags it.
    pub(crate) epoch: usize,
    /// The signer that signs it.
    pub(crate) signer: usize,
}

impl Linked {
    /// Writes the canonical content and hashes it onto `prev_hash`.
    pub(crate) fn new(envelope: &Envelope, body: &Body, prev_hash: Digest, slots: Slots) -> Self {
        let mut line = String::with_capacity(LINE_BYTES_USUAL);
        line.push_str(chain::LINE_START);
        Content { envelope, body }.write(&mut line);
        let content = line.as_bytes().get(chain::LINE_START.len()..).unwrap_or_default();
        let entry_hash = chain::entry_hash(&prev_hash, content);
        let Envelope { receipt_id, seq, timestamp, .. } = *envelope;
        Self { receipt_id, seq, timestamp, prev_hash, entry_hash, line, slots }
    }

    /// Its canonical content, until it is sealed.
    pub(crate) fn content(&self) -> &[u8] {
        self.line.as_bytes().get(chain::LINE_START.len()..).unwrap_or_default()
    }

    /// How long the whole line will be, its LF not counted.
    pub(crate) const fn bytes(&self) -> usize {
        self.line.len() + chain::LINE_END_BYTES
    }

    /// The stored line with its LF, which can be had once; `None` if the library cannot sign.
    pub(crate) fn seal(&mut self, key: &Key, epoch: &EpochKey) -> Option<String> {
        let seal = Seal {
            receipt_id: self.receipt_id,
            timestamp: self.timestamp,
            prev_hash: self.prev_hash,
            entry_hash: self.entry_hash,
            hmac: epoch.tag(&self.entry_hash),
            signature: key.sign(&self.entry_hash.0)?,
        };
        let mut line = std::mem::take(&mut self.line);
        chain::end_line(&mut line, &seal);
        Some(line)
    }
}

/// Signs all of `linked`, in parallel when there are many. Order is kept.
pub(crate) fn lines(
    linked: &mut [Linked],
    signers: &[Arc<Signer>],
    epochs: &[EpochKey],
) -> Result<Vec<String>, Fault> {
    let seal = |part: &mut [Linked]| -> Option<Vec<String>> {
        part.iter_mut()
            .map(|one| one.seal(&signers.get(one.slots.signer)?.key, epochs.get(one.slots.epoch)?))
            .collect()
    };
    let threads = if linked.len() < PARALLEL_FROM { 1 } else { cores() };
    let lines = if threads < 2 {
        seal(linked)
    } else {
        let part = linked.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let (first, rest) = linked.split_at_mut(part.min(linked.len()));
            let others: Vec<_> = rest.chunks_mut(part).map(|part| scope.spawn(move || seal(part))).collect();
            let mut lines = seal(first)?;
            for other in others {
                lines.append(&mut other.join().ok()??);
            }
            Some(lines)
        })
    };
    lines.ok_or_else(|| Fault::Io {
        place: "keys".to_owned(),
        detail: "the cryptographic library could not sign".to_owned(),
    })
}

/// Asked once: the answer is read from several files.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The sealing pipeline on its own, with throw-away keys, for measuring it against bare signing.
#[derive(Debug)]
pub struct Sealer {
    key: Key,
    epoch: EpochKey,
}

impl Sealer {
    /// New random keys that belong to no chain.
    ///
    /// # Errors
    /// [`Fault::Random`] when the system gives no random bytes.
    pub fn ephemeral() -> Result<Self, Fault> {
        let epoch = EpochKey::first(&crate::random::bytes()?, &LogOrigin::of("bench", &[0; 16]));
        Ok(Self { key: Key::generate("receipt")?, epoch })
    }

    /// Id of the throw-away key.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.key.id
    }

    /// The throw-away public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.public
    }

    /// Canonical content, hash, tag, signature, line: everything but the disk. `None` if the
    /// library cannot sign.
    #[must_use]
    pub fn seal(&self, envelope: &Envelope, body: &Body, prev_hash: Digest) -> Option<(Digest, String)> {
        let mut linked = Linked::new(envelope, body, prev_hash, Slots::default());
        Some((linked.entry_hash, linked.seal(&self.key, &self.epoch)?))
    }

    /// The bare signature over 32 bytes.
    #[must_use]
    pub fn sign(&self, hash: &Digest) -> Option<[u8; 64]> {
        self.key.sign(&hash.0)
    }
}
