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

/// A receipt with its place and hash, signed or not yet.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) receipt_id: ReceiptId,
    pub(crate) seq: u64,
    pub(crate) timestamp: Timestamp,
    pub(crate) prev_hash: Digest,
    pub(crate) entry_hash: Digest,
    /// The line as far as its content goes; all of it with its LF once it is sealed.
    line: String,
    content_end: usize,
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
        let content_end = line.len();
        let content = line.as_bytes().get(chain::LINE_START.len()..).unwrap_or_default();
        let entry_hash = chain::entry_hash(&prev_hash, content);
        let Envelope { receipt_id, seq, timestamp, .. } = *envelope;
        Self { receipt_id, seq, timestamp, prev_hash, entry_hash, line, content_end, slots }
    }

    /// Its canonical content, until the line is taken.
    pub(crate) fn content(&self) -> &[u8] {
        self.line.as_bytes().get(chain::LINE_START.len()..self.content_end).unwrap_or_default()
    }

    /// How long the whole line is or will be, its LF not counted.
    pub(crate) const fn bytes(&self) -> usize {
        self.content_end + chain::LINE_END_BYTES
    }

    const fn is_sealed(&self) -> bool {
        self.line.len() > self.content_end
    }

    /// Ends the line with tag and signature, unless that was done before. `None` if the library cannot sign.
    pub(crate) fn seal(&mut self, key: &Key, epoch: &EpochKey) -> Option<()> {
        if self.is_sealed() {
            return Some(());
        }
        let seal = Seal {
            receipt_id: self.receipt_id,
            timestamp: self.timestamp,
            prev_hash: self.prev_hash,
            entry_hash: self.entry_hash,
            hmac: epoch.tag(&self.entry_hash),
            signature: key.sign(&self.entry_hash.0)?,
        };
        chain::end_line(&mut self.line, &seal);
        Some(())
    }

    /// The stored line with its LF, once it is sealed. It can be had once.
    pub(crate) fn take_line(&mut self) -> String {
        std::mem::take(&mut self.line)
    }
}

/// Signs what is not signed yet, on several `threads` when there is much of it.
pub(crate) fn all(
    linked: &mut [Linked],
    signers: &[Arc<Signer>],
    epochs: &[Arc<EpochKey>],
    threads: usize,
) -> Result<(), Fault> {
    let seal = |part: &mut [Linked]| -> Option<()> {
        part.iter_mut().try_for_each(|one| {
            one.seal(&signers.get(one.slots.signer)?.key, epochs.get(one.slots.epoch)?.as_ref())
        })
    };
    let open = linked.iter().filter(|one| !one.is_sealed()).count();
    let done = if threads < 2 || open < PARALLEL_FROM {
        seal(linked)
    } else {
        let part = linked.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let (first, rest) = linked.split_at_mut(part.min(linked.len()));
            let others: Vec<_> = rest.chunks_mut(part).map(|part| scope.spawn(move || seal(part))).collect();
            seal(first)?;
            others.into_iter().try_for_each(|other| other.join().ok()?)
        })
    };
    done.ok_or_else(|| Fault::Io {
        place: "keys".to_owned(),
        detail: "the cryptographic library could not sign".to_owned(),
    })
}

/// Asked once: the answer is read from several files.
pub(crate) fn cores() -> usize {
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
        linked.seal(&self.key, &self.epoch)?;
        Some((linked.entry_hash, linked.take_line()))
    }

    /// The bare signature over 32 bytes.
    #[must_use]
    pub fn sign(&self, hash: &Digest) -> Option<[u8; 64]> {
        self.key.sign(&hash.0)
    }
}
