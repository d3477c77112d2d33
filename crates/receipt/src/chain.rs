//! The chain rule (format section 1): what is hashed, and the line that is stored.

use alloc::string::String;

use sha2::{Digest as _, Sha256};

use crate::base64;
use crate::digest::{self, Digest};
use crate::id::ReceiptId;
use crate::json::Spelled as _;
use crate::time::Timestamp;

/// `prev_hash` of the first receipt: SHA-256("WHL_MANAGER_GENESIS").
pub const GENESIS_PREV: Digest = Digest([
    0x88, 0xa8, 0xfb, 0xac, 0x09, 0xad, 0x1e, 0xc5, 0x8d, 0xc0, 0x6c, 0x0c, 0xbc, 0xcf, 0xf9, 0xa2, 0xa7,
    0x87, 0xd5, 0xbc, 0x9a, 0x0f, 0xf6, 0x95, 0x8b, 0x01, 0xd3, 0xe6, 0xcf, 0x06, 0x28, 0x0c,
]);

/// Longest line of a ledger in bytes, its LF not counted.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most receipts in one HMAC epoch (format section 5).
pub const EPOCH_RECEIPTS_MAX: u64 = 10_000;

/// SHA-256(prev_hash as 64 ASCII hex ‖ "|" ‖ JCS(content)).
#[must_use]
pub fn entry_hash(prev: &Digest, content: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(digest::hex_digits(&prev.0));
    hasher.update(b"|");
    hasher.update(content);
    Digest(hasher.finalize().into())
}

/// The parts of a receipt around its content.
#[derive(Clone, Copy, Debug)]
pub struct Seal {
    /// `receipt_id`, equal to the one inside.
    pub receipt_id: ReceiptId,
    /// `timestamp`, equal to the one inside.
    pub timestamp: Timestamp,
    /// `entry_hash` of the receipt before.
    pub prev_hash: Digest,
    /// Hash of this receipt.
    pub entry_hash: Digest,
    /// HMAC-SHA256 over the 32 bytes of `entry_hash`.
    pub hmac: [u8; 32],
    /// Ed25519 over the 32 bytes of `entry_hash`.
    pub signature: [u8; 64],
}

/// What stands in a line before its content.
pub const LINE_START: &str = "{\"content\":";
/// Bytes that [`end_line`] appends, the LF not counted: every part has a fixed length.
pub const LINE_END_BYTES: usize = 412;

/// Appends what stands in a line after its content, its LF included. `out` ends with [`LINE_START`]
/// and the canonical text that was hashed.
pub fn end_line(out: &mut String, seal: &Seal) {
    out.reserve(LINE_END_BYTES + 1);
    out.push_str(",\"ed25519_sig\":\"");
    base64::push(out, &seal.signature);
    out.push_str("\",\"entry_hash\":\"");
    digest::push_hex(out, &seal.entry_hash.0);
    out.push_str("\",\"hmac\":\"");
    digest::push_hex(out, &seal.hmac);
    out.push_str("\",\"prev_hash\":\"");
    digest::push_hex(out, &seal.prev_hash.0);
    out.push_str("\",\"receipt_id\":\"");
    seal.receipt_id.spell(out);
    out.push_str("\",\"timestamp\":\"");
    seal.timestamp.spell(out);
    out.push_str("\"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genesis_value_is_the_published_one() {
        assert_eq!(GENESIS_PREV, Digest::of(b"WHL_MANAGER_GENESIS"));
    }
}
