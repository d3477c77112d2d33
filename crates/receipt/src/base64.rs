//! Base64 of RFC 4648 section 4, padded, with one spelling per value.

use alloc::string::String;
use alloc::vec::Vec;

use data_encoding::BASE64;

/// Padded base64 of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Appends padded base64 of `bytes` to `out`.
pub fn push(out: &mut String, bytes: &[u8]) {
    BASE64.encode_append(bytes, out);
}

/// Decodes padded base64. Spare bits that are not zero, missing padding and white space are
/// refused by re-encoding, so that no two texts stand for the same bytes.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (encode(&bytes) == text).then_some(bytes)
}

/// Decodes a value of exactly `N` bytes.
#[must_use]
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}
