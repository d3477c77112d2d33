//! HMAC epochs (format section 5): a key that walks forward and cannot be walked back.
//!
//! How keys follow from each other is [`cascade_receipt::epoch`]. The master never stays in the home,
//! and the key of a past epoch is overwritten in the transaction that first uses the next one, so a
//! host taken later cannot forge earlier tags.
//!
//! When a passphrase protects the receipt key, the epoch key is stored sealed with AES-256-GCM
//! under a key derived from the receipt key: 12 bytes nonce ‖ 32 bytes ciphertext ‖ 16 bytes tag,
//! with the epoch number as associated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use cascade_receipt::digest::Digest;
use cascade_receipt::epoch;
use cascade_receipt::id::LogOrigin;
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::random;

/// Longest life of an epoch after its first receipt, in milliseconds.
pub(crate) const EPOCH_MS_MAX: u64 = 15 * 60 * 1000;

/// The key of one epoch.
#[derive(Debug)]
pub(crate) struct EpochKey {
    pub(crate) epoch: u64,
    key: epoch::EpochKey,
}

impl EpochKey {
    /// K0 of a chain.
    pub(crate) fn first(master: &[u8; 32], log_origin: &LogOrigin) -> Self {
        Self { epoch: 0, key: epoch::EpochKey::first(master, log_origin) }
    }

    /// The key of the next epoch.
    pub(crate) fn ratchet(&self) -> Self {
        Self { epoch: self.epoch + 1, key: self.key.next() }
    }

    /// The tag over an entry hash.
    pub(crate) fn tag(&self, entry_hash: &Digest) -> [u8; 32] {
        self.key.tag(entry_hash)
    }

    /// What is stored: the bare key, or sealed under `wrap`.
    pub(crate) fn to_stored(&self, wrap: Option<&[u8; 32]>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut bytes = Zeroizing::new(self.key.raw().to_vec());
        let Some(wrap) = wrap else { return Ok(bytes) };
        let nonce = random::bytes::<NONCE_LEN>()?;
        let key = UnboundKey::new(&AES_256_GCM, wrap).map(LessSafeKey::new).map_err(|_| Fault::Random)?;
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.epoch.to_be_bytes()),
                &mut bytes,
            )
            .map_err(|_| Fault::Random)?;
        Ok(Zeroizing::new([nonce.as_slice(), &bytes, tag.as_ref()].concat()))
    }

    /// Reads what was stored; `None` when it is damaged or sealed under another key.
    pub(crate) fn from_stored(epoch: u64, stored: &[u8], wrap: Option<&[u8; 32]>) -> Option<Self> {
        let plain = match wrap {
            None => Zeroizing::new(stored.to_vec()),
            Some(wrap) => {
                let (nonce, sealed) = stored.split_first_chunk::<NONCE_LEN>()?;
                let mut sealed = Zeroizing::new(sealed.to_vec());
                let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, wrap).ok()?);
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let plain = key.open_in_place(nonce, Aad::from(epoch.to_be_bytes()), &mut sealed).ok()?;
                Zeroizing::new(plain.to_vec())
            }
        };
        let raw = Zeroizing::new(<[u8; 32]>::try_from(plain.as_slice()).ok()?);
        Some(Self { epoch, key: epoch::EpochKey::from_raw(*raw) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_key_opens_only_with_its_own_wrap_and_epoch() {
        let key = EpochKey::first(&[7; 32], &LogOrigin::of("host", &[0; 16])).ratchet();
        let sealed = key.to_stored(Some(&[1; 32])).unwrap();
        let again = EpochKey::from_stored(1, &sealed, Some(&[1; 32])).unwrap();
        assert_eq!(again.tag(&Digest([3; 32])), key.tag(&Digest([3; 32])));
        assert!(EpochKey::from_stored(2, &sealed, Some(&[1; 32])).is_none());
        assert!(EpochKey::from_stored(1, &sealed, Some(&[2; 32])).is_none());
        assert!(EpochKey::from_stored(1, &sealed, None).is_none());
        let plain = key.to_stored(None).unwrap();
        assert_eq!(
            EpochKey::from_stored(1, &plain, None).unwrap().tag(&Digest([3; 32])),
            key.tag(&Digest([3; 32]))
        );
    }
}
