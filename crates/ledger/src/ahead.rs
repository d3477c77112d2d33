//! Receipts that are linked and signed while the commit before theirs is on its way to the disk.
//!
//! It is a guess of what the writer will find under the write lock. The writer makes every check all the same
//! and takes a line from here only where it would have written the very same one; anything else (another process
//! was faster, a draft was refused, policy, key or epoch changed) it links and signs itself. So a wrong guess
//! costs time and nothing else, and no line from here leaves the process before it is durable.

use std::sync::Arc;

use cascade_receipt::content::{Body, Envelope, PolicyRef};
use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;

use crate::draft::Draft;
use crate::epoch::EpochKey;
use crate::head::Head;
use crate::seal::{self, Linked, Slots};
use crate::signer::Signer;

/// Longest age of a line from here: a time stamp says when the receipt was written, not when it queued for the disk.
pub(crate) const AGE_MS_MAX: u64 = 1_000;

/// What the next receipt is linked to, if everything before it gets where it should.
#[derive(Clone, Debug)]
pub(crate) struct Footing {
    pub(crate) head: Head,
    pub(crate) policy: PolicyRef,
    pub(crate) signer: Arc<Signer>,
    pub(crate) epoch: Arc<EpochKey>,
    /// How many more receipts the epoch takes.
    pub(crate) epoch_left: u64,
    /// The first millisecond after the epoch.
    pub(crate) epoch_ends_ms: u64,
}

/// A whole line with what it was made from.
#[derive(Debug)]
pub(crate) struct Sealed {
    envelope: Envelope,
    linked: Linked,
}

impl Sealed {
    pub(crate) const fn timestamp(&self) -> Timestamp {
        self.envelope.timestamp
    }

    /// The line, if exactly this one belongs there.
    pub(crate) fn for_place(self, envelope: &Envelope, prev_hash: &Digest) -> Option<Linked> {
        (self.envelope == *envelope && self.linked.prev_hash == *prev_hash).then_some(self.linked)
    }
}

impl Footing {
    /// Links and signs drafts from the first on and stands on the last of them afterwards. Stops before the first
    /// one that cannot be foretold; whoever calls gets as many as there are.
    pub(crate) fn seal(&mut self, drafts: &[&Draft], now_ms: u64, threads: usize) -> Vec<Sealed> {
        let now = Timestamp::from_ms(now_ms);
        if now < self.head.timestamp || now_ms >= self.epoch_ends_ms {
            return Vec::new();
        }
        let most = usize::try_from(self.epoch_left).unwrap_or(usize::MAX);
        let plain = drafts.iter().take(most).take_while(|draft| keeps_footing(draft));
        let mut head = self.head;
        let (envelopes, mut linked): (Vec<_>, Vec<_>) = plain
            .map(|draft| {
                let envelope = Envelope {
                    log_origin: self.signer.log_origin.clone(),
                    seq: head.next_seq,
                    receipt_id: draft.receipt_id,
                    timestamp: now,
                    clock_stepped: false,
                    key_id: self.signer.key.id.clone(),
                    hmac_epoch: self.epoch.epoch,
                    policy: self.policy.clone(),
                };
                let linked = Linked::new(&envelope, &draft.body, head.entry_hash, Slots::default());
                head = Head { next_seq: head.next_seq + 1, entry_hash: linked.entry_hash, timestamp: now };
                (envelope, linked)
            })
            .unzip();
        let (signers, epochs) = ([Arc::clone(&self.signer)], [Arc::clone(&self.epoch)]);
        if seal::all(&mut linked, &signers, &epochs, threads).is_err() {
            // The writer will meet it too, and tells the callers.
            return Vec::new();
        }
        self.epoch_left -= linked.len() as u64;
        self.head = head;
        envelopes.into_iter().zip(linked).map(|(envelope, linked)| Sealed { envelope, linked }).collect()
    }
}

/// Whether the receipt after this one has the same policy and key.
const fn keeps_footing(draft: &Draft) -> bool {
    let changes = matches!(draft.body, Body::PolicyActivated(_) | Body::KeyAdded(_) | Body::KeyRevoked(_));
    !changes && draft.successor.is_none()
}
