//! The receipt keys of a chain, as far as it was walked.

use std::collections::BTreeMap;

use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::line::Receipt;
use cascade_receipt::reader::{Meaning, RawKey};

/// Keys that good receipts have named. When each of them might sign is for verification to say.
#[derive(Default, Debug)]
pub(super) struct Keys(BTreeMap<String, PublicKey>);

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn knows(&self, key_id: &str) -> bool {
        self.0.contains_key(key_id)
    }

    /// Whether the key that a receipt names has signed `digest`. Genesis names its own.
    pub(super) fn signed(&self, receipt: &Receipt<'_>, digest: &Digest) -> bool {
        let own = match &receipt.content.meaning {
            Meaning::Genesis { receipt: key, .. } => PublicKey::accept(&key.public_key),
            _ => None,
        };
        let key = self.0.get(receipt.content.key_id).copied().or(own);
        key.is_some_and(|key| key.verifies(digest, &receipt.signature))
    }

    /// Takes over what a good receipt says of keys.
    pub(super) fn take_over(&mut self, receipt: &Receipt<'_>) {
        match &receipt.content.meaning {
            Meaning::Genesis { receipt: key, .. } => self.add(key),
            Meaning::KeyAdded { key, .. } => self.add(&key.key),
            Meaning::KeyRevoked(revocation) => {
                // What it signs from here on is somebody else's word.
                self.0.remove(&revocation.key_id);
                revocation.replacement.iter().for_each(|key| self.add(&key.key));
            }
            _ => {}
        }
    }

    fn add(&mut self, key: &RawKey) {
        if let Some(public) = PublicKey::accept(&key.public_key) {
            self.0.insert(key.key_id.clone(), public);
        }
    }
}
