//! Time stamp tokens beside a ledger (format section 12.1): which checkpoint each is over. Whether a token is to be
//! believed is found out elsewhere and added to the verdict.

use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::json::Writer;
use crate::time::Timestamp;
use crate::verify::verdict::Outcome;

/// A token as a ledger sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Hash of the token.
    pub token: Digest,
    /// Hash of what it is over.
    pub imprint: Digest,
}

/// What a token is worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeStamp {
    /// Hash of the token.
    pub sha256: Digest,
    /// How many receipts the checkpoint covers that it is over.
    pub size: Option<u64>,
    /// When they existed at the latest, by the authority's clock; only if it passes.
    pub time: Option<Timestamp>,
    /// Whether it counts.
    pub outcome: Outcome,
    /// Why it does not.
    pub fault: Option<StampFault>,
}

/// Why a token does not count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StampFault {
    /// `timestamp.` and a word.
    pub code: &'static str,
    /// What that means, and more, for people.
    pub detail: String,
}

impl TimeStamp {
    pub(super) fn write(&self, out: &mut Writer<'_>) {
        match &self.fault {
            None => out.key("code").null(),
            Some(fault) => out.key("code").str(fault.code),
        }
        out.key("outcome").str(self.outcome.as_str());
        out.key("sha256").hex(&self.sha256.0);
        match self.size {
            None => out.key("size").null(),
            Some(size) => out.key("size").int(size),
        }
        match &self.time {
            None => out.key("time").null(),
            Some(time) => out.key("time").spelled(time),
        }
    }
}

/// Takes over a token that an `anchor` receipt names, if it is over the note that the receipt embeds.
pub(super) fn embedded(note: &str, token: Option<Digest>, asked: &[Stamp], found: &mut Vec<(Stamp, u64)>) {
    let Some(token) = token.filter(|token| asked.iter().any(|stamp| stamp.token == *token)) else { return };
    add(note.as_bytes(), |stamp| stamp.token == token, asked, found);
}

/// Takes over the tokens that are over checkpoints that the reader gave, or that a bundle brings.
pub(super) fn given<'a>(
    notes: impl IntoIterator<Item = &'a [u8]>,
    asked: &[Stamp],
    found: &mut Vec<(Stamp, u64)>,
) {
    if !asked.is_empty() {
        notes.into_iter().for_each(|note| add(note, |_| true, asked, found));
    }
}

/// One entry for each token, however many anchors name it.
fn add(note: &[u8], fits: impl Fn(&Stamp) -> bool, asked: &[Stamp], found: &mut Vec<(Stamp, u64)>) {
    let imprint = Digest::of(note);
    let Some(signed) = SignedCheckpoint::parse(note) else { return };
    for stamp in asked.iter().filter(|stamp| stamp.imprint == imprint && fits(stamp)) {
        if !found.iter().any(|(known, _)| known == stamp) {
            found.push((*stamp, signed.checkpoint().size));
        }
    }
}
