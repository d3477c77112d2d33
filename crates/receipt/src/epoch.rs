//! HMAC keys (format section 5): derived once from the master, then ratcheted forward, so that
//! whoever takes a host later cannot forge the tags of earlier epochs.

use core::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::digest::Digest;
use crate::id::LogOrigin;

const INFO: &[u8] = b"cascade/hmac/v1\n";
const RATCHET: &[u8] = b"cascade/hmac-ratchet/v1";

/// The key of one epoch. What can be computed from the key alone is, once.
#[derive(Clone)]
pub struct EpochKey {
    raw: [u8; 32],
    mac: Hmac<Sha256>,
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(..)")
    }
}

impl EpochKey {
    /// K0 = HKDF-SHA256(master, empty salt, "cascade/hmac/v1\n" ‖ log_origin, 32 bytes).
    #[must_use]
    pub fn first(master: &[u8; 32], origin: &LogOrigin) -> Self {
        let mut key = [0; 32];
        let expanded = Hkdf::<Sha256>::new(None, master)
            .expand_multi_info(&[INFO, origin.as_str().as_bytes()], &mut key);
        // 32 bytes are far below HKDF's limit of 255 blocks, its only error.
        debug_assert!(expanded.is_ok());
        Self::from_raw(key)
    }

    /// The raw key of an epoch, as a writer keeps it.
    #[must_use]
    pub fn from_raw(raw: [u8; 32]) -> Self {
        // A key shorter than the block is padded with zeros (RFC 2104).
        let mut block = [0; 64];
        block.iter_mut().zip(raw).for_each(|(to, from)| *to = from);
        Self { raw, mac: Hmac::new(&block.into()) }
    }

    /// The raw key, for the writer's safe keeping.
    #[must_use]
    pub const fn raw(&self) -> &[u8; 32] {
        &self.raw
    }

    /// K(e+1) = HMAC-SHA256(K(e), "cascade/hmac-ratchet/v1").
    #[must_use]
    pub fn next(&self) -> Self {
        Self::from_raw(self.mac(RATCHET))
    }

    /// The tag of a receipt: HMAC-SHA256(key, the 32 bytes of entry_hash).
    #[must_use]
    pub fn tag(&self, entry_hash: &Digest) -> [u8; 32] {
        self.mac(&entry_hash.0)
    }

    fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}
