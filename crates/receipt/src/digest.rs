//! SHA-256 digests and their one spelling: 64 lowercase hex digits.

use alloc::string::String;
use core::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A salted hash (format section 2.2): SHA-256(nonce ‖ bytes).
    ///
    /// Low-entropy values are never hashed without a nonce, because anyone could guess them.
    #[must_use]
    pub fn salted(nonce: &Nonce, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(nonce.0);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// Reads 64 lowercase hex digits; anything else is `None`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    /// The 64 lowercase hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// 32 random bytes that salt a private value. They live in the vault beside the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 32]);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// Without a branch, so that compilers spell many digits at once.
const fn digit(nibble: u8) -> u8 {
    b'0' + nibble + (nibble > 9) as u8 * (b'a' - b'0' - 10)
}

/// Lowercase hex of `bytes`.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push_hex(&mut text, bytes);
    text
}

/// The 64 lowercase hex digits of 32 bytes, without a string.
#[must_use]
pub fn hex_digits(bytes: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

/// Appends lowercase hex of `bytes` to `out`.
pub fn push_hex(out: &mut String, bytes: &[u8]) {
    if let Ok(hash) = <&[u8; 32]>::try_from(bytes) {
        out.push_str(core::str::from_utf8(&hex_digits(hash)).unwrap_or_default());
        return;
    }
    // In pieces on the stack: a digit at a time costs more than the hash it spells.
    let mut piece = [0; 64];
    for chunk in bytes.chunks(piece.len() / 2) {
        let (pairs, _) = piece.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(chunk) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        let written = piece.get(..chunk.len() * 2).unwrap_or_default();
        out.push_str(core::str::from_utf8(written).unwrap_or_default());
    }
}

/// Reads exactly `2 * N` lowercase hex digits. Uppercase is refused: a value has one spelling.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_one_spelling() {
        assert_eq!(from_hex::<2>("00ff"), Some([0, 255]));
        for bad in ["00FF", "00f", "00ff0", "0x00", "", "00fg"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
    }
}
