//! One line of an exported ledger, read strictly (format section 1).

use crate::base64;
use crate::chain::{self, LINE_BYTES_MAX};
use crate::digest::{self, Digest};
use crate::id::ReceiptId;
use crate::json::JsonFault;
use crate::reader::{Content, ContentFault};
use crate::time::Timestamp;
use crate::tree::{self, Tree, View};

/// Why a line is no receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineFault {
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("line is longer than {LINE_BYTES_MAX} bytes")]
    Length,
    /// Not canonical JSON.
    #[error("{0}")]
    Json(JsonFault),
    /// A member beside the seven.
    #[error("a receipt has exactly seven members; this one has another")]
    UnknownMember,
    /// One of the seven, or a member of content.
    #[error("{0}")]
    Content(ContentFault),
}

impl From<ContentFault> for LineFault {
    fn from(fault: ContentFault) -> Self {
        Self::Content(fault)
    }
}

/// A receipt as it stands in a line. Nothing is verified yet.
#[derive(Clone, Debug)]
pub struct Receipt<'a> {
    /// The exact bytes that are hashed.
    pub content_text: &'a str,
    /// Typed content.
    pub content: Content<'a>,
    /// The copy outside.
    pub receipt_id: ReceiptId,
    /// The copy outside.
    pub timestamp: Timestamp,
    /// `prev_hash`.
    pub prev_hash: Digest,
    /// `entry_hash` as claimed.
    pub entry_hash: Digest,
    /// `hmac`.
    pub hmac: [u8; 32],
    /// `ed25519_sig`.
    pub signature: [u8; 64],
}

impl<'a> Receipt<'a> {
    /// Reads a line without its LF.
    ///
    /// # Errors
    /// The first fault: length, JSON, the outer members, then content in the order of
    /// [`Content::read`].
    pub fn parse(line: &'a [u8]) -> Result<Self, LineFault> {
        if line.len() > LINE_BYTES_MAX {
            return Err(LineFault::Length);
        }
        let text = core::str::from_utf8(line).map_err(|_| LineFault::Json(JsonFault::Unicode))?;
        let parsed = Tree::parse(text).ok_or_else(|| LineFault::Json(tree::fault(line)))?;
        let root = parsed.root();
        let outer = Outer::read(root)?;
        Ok(Self {
            content_text: outer.content.raw(),
            content: Content::read(outer.content)?,
            receipt_id: want("receipt_id", outer.receipt_id.and_then(ReceiptId::parse))?,
            timestamp: want("timestamp", outer.timestamp.and_then(Timestamp::parse))?,
            prev_hash: want("prev_hash", outer.prev_hash.and_then(Digest::from_hex))?,
            entry_hash: want("entry_hash", outer.entry_hash.and_then(Digest::from_hex))?,
            hmac: want("hmac", outer.hmac.and_then(digest::from_hex))?,
            signature: want("ed25519_sig", outer.signature.and_then(base64::decode_array))?,
        })
    }

    /// The hash that the content and `prev_hash` really give.
    #[must_use]
    pub fn computed_hash(&self) -> Digest {
        chain::entry_hash(&self.prev_hash, self.content_text.as_bytes())
    }
}

struct Outer<'t, 'a> {
    content: View<'t, 'a>,
    signature: Option<&'a str>,
    entry_hash: Option<&'a str>,
    hmac: Option<&'a str>,
    prev_hash: Option<&'a str>,
    receipt_id: Option<&'a str>,
    timestamp: Option<&'a str>,
}

impl<'t, 'a> Outer<'t, 'a> {
    fn read(root: View<'t, 'a>) -> Result<Self, LineFault> {
        let mut content = None;
        let [mut signature, mut entry_hash, mut hmac, mut prev_hash, mut receipt_id, mut timestamp] =
            [None; 6];
        for (key, value) in want("receipt", root.members())? {
            match key {
                "content" => content = Some(value),
                "ed25519_sig" => signature = value.plain(),
                "entry_hash" => entry_hash = value.plain(),
                "hmac" => hmac = value.plain(),
                "prev_hash" => prev_hash = value.plain(),
                "receipt_id" => receipt_id = value.plain(),
                "timestamp" => timestamp = value.plain(),
                _ => return Err(LineFault::UnknownMember),
            }
        }
        let content = want("content", content)?;
        Ok(Self { content, signature, entry_hash, hmac, prev_hash, receipt_id, timestamp })
    }
}

fn want<T>(member: &'static str, value: Option<T>) -> Result<T, LineFault> {
    value.ok_or(LineFault::Content(ContentFault::Member(member)))
}
