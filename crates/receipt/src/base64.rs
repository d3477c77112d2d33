//! Base64 of RFC 4648 section 4, padded, with one spelling per value.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};

/// Padded base64 of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Decodes padded base64. Spare bits that are not zero, missing padding and white space are
/// refused by re-encoding, so that no two texts stand for the same bytes.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64::decode_vec(text).ok()?;
    (encode(&bytes) == text).then_some(bytes)
}

/// Decodes a value of exactly `N` bytes.
#[must_use]
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}
