//! Ed25519 as every verifier of a chain must compute it (format section 1).
//!
//! RFC 8032, cofactorless: S < L, and the encoded R of the signature equals, byte for byte, the
//! encoding of S·B − k·A. OpenSSL, ring, aws-lc and WebCrypto accept the same set. A cofactored or
//! batched equation accepts more and never decides here. Checking that R is not of small order
//! would accept less than those libraries and is not done: only public keys are.

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

use crate::digest::Digest;

/// A public key that may enter a chain, decompressed once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Takes a raw key. Refused are bytes that are no point, points of small order (their
    /// signatures prove nothing) and encodings other than the canonical one.
    #[must_use]
    pub fn accept(raw: &[u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(raw).ok()?;
        // The point is compressed again, because decompression reduces y modulo p.
        let canonical = VerifyingKey::from(key.to_edwards()).to_bytes() == *raw;
        (canonical && !key.is_weak()).then_some(Self(key))
    }

    /// The 32 raw bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether `signature` is this key's over the 32 bytes of `digest`.
    #[must_use]
    pub fn verifies(&self, digest: &Digest, signature: &[u8; 64]) -> bool {
        self.verifies_bytes(&digest.0, signature)
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies_bytes(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify(message, &Signature::from_bytes(signature)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    #[test]
    fn weak_and_odd_keys_are_refused() {
        let p = {
            let mut bytes = [0xff; 32];
            bytes[0] = 0xed;
            bytes[31] = 0x7f;
            bytes
        };
        let with = |first: u8, rest: u8, last: u8| {
            let mut bytes = [rest; 32];
            bytes[0] = first;
            bytes[31] = last;
            bytes
        };
        for weak in [
            with(1, 0, 0),          // identity
            with(1, 0, 0x80),       // identity with the sign of a zero set
            with(0, 0, 0),          // order 4
            with(0xec, 0xff, 0x7f), // order 2
            p,                      // 0, not reduced
            with(0xee, 0xff, 0x7f), // 1, not reduced
            with(2, 0, 0),          // no point
        ] {
            assert!(PublicKey::accept(&weak).is_none(), "{weak:?}");
        }
    }

    #[test]
    fn signature_with_s_plus_l_is_refused() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let digest = Digest::of(b"x");
        let good = key.sign(&digest.0).to_bytes();
        let public = PublicKey::accept(key.verifying_key().as_bytes()).expect("strong key");
        assert!(public.verifies(&digest, &good));
        assert!(!public.verifies(&Digest::of(b"y"), &good));
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut bad = good;
        let mut carry = 0_u16;
        for (byte, add) in bad[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert!(!public.verifies(&digest, &bad));
    }
}
