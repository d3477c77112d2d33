//! Checkpoints (c2sp.org/tlog-checkpoint) and the cosignatures of witnesses on them
//! (c2sp.org/tlog-cosignature); format sections 10 and 11.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use crate::base64;
use crate::digest::Digest;
use crate::merkle::SIZE_MAX;
use crate::note::{Algorithm, Note, Signature, VerifierKey};

/// Bytes of a cosignature after the key's id: a time and an Ed25519 signature.
pub const COSIGNATURE_BYTES: usize = 72;

/// What a log says about itself: so many receipts, with this root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of receipts covered, at least 1.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The three lines that are signed.
    #[must_use]
    pub fn text(&self) -> String {
        alloc::format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(&self.root.0))
    }

    /// Reads exactly three lines. Extension lines are refused: nothing audits them.
    #[must_use]
    pub fn parse_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if lines.next().is_some() || origin.is_empty() {
            return None;
        }
        let size = parse_size(size).filter(|size| *size > 0)?;
        Some(Self { origin: origin.to_owned(), size, root: Digest(base64::decode_array(root)?) })
    }
}

/// A size as decimal digits without leading zeros, at most [`SIZE_MAX`].
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|size| plain && *size <= SIZE_MAX)
}

/// How a note stands to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed<T = ()> {
    /// No line is by this key.
    Absent,
    /// A line by this key does not verify, so the note is to be refused.
    Bad,
    /// It signed.
    Good(T),
}

/// A checkpoint with its signature lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedCheckpoint<'a> {
    note: Note<'a>,
    checkpoint: Checkpoint,
}

impl<'a> SignedCheckpoint<'a> {
    /// Reads a checkpoint note; no signature is looked at.
    #[must_use]
    pub fn parse(note: &'a [u8]) -> Option<Self> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse_text(note.text())?;
        Some(Self { note, checkpoint })
    }

    /// What it says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    #[must_use]
    pub const fn note(&self) -> &Note<'a> {
        &self.note
    }

    /// Whether the log key signed it.
    #[must_use]
    pub fn signed_by(&self, key: &VerifierKey) -> Signed {
        let text = self.note.text().as_bytes();
        let verifies = |line: &Signature<'_>| {
            let signature: Option<&[u8; 64]> = line.bytes.as_slice().try_into().ok();
            signature.is_some_and(|signature| key.public().verifies_bytes(text, signature))
        };
        let mut lines = self.note.by(key).map(verifies).peekable();
        if lines.peek().is_none() {
            return Signed::Absent;
        }
        if lines.all(|good| good) { Signed::Good(()) } else { Signed::Bad }
    }

    /// Whether the witness cosigned it, and when by its clock, in seconds since 1970; of several the earliest.
    #[must_use]
    pub fn cosigned_by(&self, key: &VerifierKey) -> Signed<u64> {
        let mut earliest = None;
        for line in self.note.by(key) {
            let Some(time) = cosigned_at(line, key, self.note.text()) else { return Signed::Bad };
            earliest = Some(earliest.map_or(time, |known: u64| known.min(time)));
        }
        earliest.map_or(Signed::Absent, Signed::Good)
    }
}

/// The time of a cosignature over `text`, if it verifies.
#[must_use]
pub fn cosigned_at(line: &Signature<'_>, key: &VerifierKey, text: &str) -> Option<u64> {
    let (time, signature) = line.bytes.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    let signature: &[u8; 64] = signature.try_into().ok()?;
    let message = cosignature_message(time, text);
    let fits = key.algorithm() == Algorithm::Cosignature;
    (fits && key.public().verifies_bytes(&message, signature)).then_some(time)
}

/// What a witness signs: its time, in seconds since 1970, and the text of the note.
#[must_use]
pub fn cosignature_message(time: u64, text: &str) -> Vec<u8> {
    alloc::format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// The bytes of a cosignature after the key's id.
#[must_use]
pub fn cosignature(time: u64, signature: &[u8; 64]) -> Vec<u8> {
    [time.to_be_bytes().as_slice(), signature].concat()
}
