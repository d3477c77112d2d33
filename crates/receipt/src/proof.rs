//! A proof that a receipt is in a log, as text (c2sp.org/tlog-proof v1), and the lines of hashes
//! that proofs consist of.

use alloc::string::String;
use alloc::vec::Vec;

use crate::base64;
use crate::checkpoint::{SignedCheckpoint, parse_size};
use crate::digest::Digest;
use crate::merkle::{self, PROOF_HASHES_MAX};
use crate::note::NOTE_BYTES_MAX;

/// First line of a proof.
const MAGIC: &str = "c2sp.org/tlog-proof@v1\n";
/// Most bytes of the optional extra data, as base64.
const EXTRA_BYTES_MAX: usize = 65_536;
/// Longest proof in bytes: the note, the extra data, and 45 bytes a hash.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + EXTRA_BYTES_MAX + 45 * PROOF_HASHES_MAX + 256;

/// An inclusion proof with its checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof<'a> {
    /// Position of the receipt.
    pub index: u64,
    /// Audit path, leaf's sibling first.
    pub path: Vec<Digest>,
    /// The checkpoint's note, verbatim.
    pub note: &'a str,
}

impl<'a> Proof<'a> {
    /// Reads a proof; `None` for anything else. Extra data are skipped: nothing authenticates them.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > PROOF_BYTES_MAX {
            return None;
        }
        let rest = core::str::from_utf8(bytes).ok()?.strip_prefix(MAGIC)?;
        let rest = match rest.strip_prefix("extra ") {
            None => rest,
            Some(extra) => {
                let (extra, rest) = extra.split_once('\n')?;
                base64::decode(extra).filter(|_| extra.len() <= EXTRA_BYTES_MAX)?;
                rest
            }
        };
        let (index, rest) = rest.strip_prefix("index ")?.split_once('\n')?;
        let (path, note) = read_hashes(rest)?;
        Some(Self { index: parse_size(index)?, path, note })
    }

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = alloc::format!("{MAGIC}index {}\n", self.index);
        write_hashes(&mut text, &self.path);
        text.push('\n');
        text.push_str(self.note);
        text
    }

    /// Whether the receipt with this hash is in the log that the checkpoint speaks of. Who signed
    /// the checkpoint is another question.
    #[must_use]
    pub fn includes(&self, entry_hash: &Digest) -> bool {
        SignedCheckpoint::parse(self.note.as_bytes()).is_some_and(|signed| {
            let checkpoint = signed.checkpoint();
            let leaf = merkle::leaf(entry_hash);
            merkle::includes(self.index, checkpoint.size, &leaf, &self.path, &checkpoint.root)
        })
    }
}

/// Appends one line of base64 a hash.
pub fn write_hashes(out: &mut String, hashes: &[Digest]) {
    for hash in hashes {
        out.push_str(&base64::encode(&hash.0));
        out.push('\n');
    }
}

/// Reads lines of hashes up to an empty line, at most [`PROOF_HASHES_MAX`]; gives also what follows.
#[must_use]
pub fn read_hashes(text: &str) -> Option<(Vec<Digest>, &str)> {
    let mut hashes = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        if line.is_empty() {
            return Some((hashes, rest));
        }
        if hashes.len() == PROOF_HASHES_MAX {
            return None;
        }
        hashes.push(Digest(base64::decode_array(line)?));
    }
}
