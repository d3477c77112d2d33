//! Where a chain is broken, and by what: the lines are walked a second time, past the fault that verification stops at.
//!
//! A receipt counts as good here when its hash fits its content, a key of the chain has signed it, and it follows the last
//! good one; what lies between two good ones is the break. Before the place where verification stopped its word is
//! taken for the signatures, and only the links are made again.

mod cause;
mod keys;

use std::collections::BTreeSet;

use cascade_receipt::chain::{GENESIS_PREV, entry_hash};
use cascade_receipt::digest::Digest;
use cascade_receipt::line::Receipt;
use cascade_receipt::verify::{Code, Fault};

pub use cause::{Break, Cause};
use keys::Keys;

/// Most breaks that are told apart. A file with more is another file.
pub const BREAKS_MAX: usize = 1_000;
/// Most missing receipts whose turning up later is noticed.
const MISSING_MAX: u64 = 100_000;

/// Walks the lines of a chain.
#[derive(Debug)]
pub struct Walk {
    keys: Keys,
    /// Signatures of earlier lines are known to be good.
    trusted: u64,
    line: u64,
    last: Option<Good>,
    /// Breaks since the last good receipt, each of them a line.
    between: u64,
    missing: BTreeSet<u64>,
    /// A break whose line nobody signed, and its hash: one that follows it would vouch for it.
    unsigned: Option<(usize, Digest)>,
    breaks: Vec<Break>,
    stopped: bool,
}

#[derive(Clone, Debug)]
struct Good {
    seq: u64,
    hash: Digest,
    id: String,
}

/// What is wrong with a line.
type Wrong = (Code, Cause, String);

impl Walk {
    /// Begins with the first line. Verification has found the first `trusted` receipts good.
    #[must_use]
    pub fn new(trusted: u64) -> Self {
        Self {
            keys: Keys::default(),
            trusted,
            line: 0,
            last: None,
            between: 0,
            missing: BTreeSet::new(),
            unsigned: None,
            breaks: Vec::new(),
            stopped: false,
        }
    }

    /// Takes the next line without its LF; true where it is a good receipt. `whole` is false for a last line without LF.
    pub fn take(&mut self, line: &[u8], whole: bool) -> bool {
        if self.stopped {
            return false;
        }
        self.line += 1;
        let receipt = match Receipt::parse(line) {
            Ok(receipt) if whole => receipt,
            Ok(_) => return self.bad(None, (Code::Torn, Cause::TornWrite, "the line has no end".to_owned())),
            Err(fault) => {
                let wrong = cause::of_bytes(line, whole, fault.into());
                return self.bad(None, wrong);
            }
        };
        let hash = receipt.computed_hash();
        match self.wrong(&receipt, hash) {
            Some(wrong) => {
                let unsigned = wrong.1 == Cause::ForeignKey;
                let known = self.bad(Some(&receipt), wrong);
                self.unsigned = unsigned.then(|| (self.breaks.len().saturating_sub(1), receipt.entry_hash));
                known
            }
            None => self.follow(&receipt),
        }
    }

    /// The first of a line's faults that lies in the line itself.
    fn wrong(&self, receipt: &Receipt<'_>, hash: Digest) -> Option<Wrong> {
        let content = &receipt.content;
        if self.line <= self.trusted && hash == receipt.entry_hash {
            return None;
        }
        let signed = |digest: &Digest| self.keys.signed(receipt, digest);
        if hash == receipt.entry_hash && signed(&hash) {
            let id = receipt.receipt_id == content.receipt_id;
            let code = if id { Code::CopyTimestamp } else { Code::CopyReceiptId };
            let copies = id && receipt.timestamp == content.timestamp;
            return (!copies)
                .then(|| (code, Cause::Edit, "a copy outside of what is signed was changed".to_owned()));
        }
        if signed(&receipt.entry_hash) {
            let link = self.last.as_ref().map_or(GENESIS_PREV, |last| last.hash);
            let was_linked = entry_hash(&link, receipt.content_text.as_bytes()) == receipt.entry_hash;
            let (code, what) =
                if was_linked { (Code::PrevHash, "prev_hash") } else { (Code::EntryHash, "its content") };
            return Some((code, Cause::Edit, format!("{what} was changed after it was signed")));
        }
        if signed(&hash) {
            let what = "entry_hash was changed after it was signed".to_owned();
            return Some((Code::EntryHash, Cause::Edit, what));
        }
        if hash != receipt.entry_hash {
            let what = "its content was changed, and its signature fits neither hash".to_owned();
            return Some((Code::EntryHash, Cause::Edit, what));
        }
        let (code, what) = if self.keys.knows(content.key_id) {
            (Code::SignatureBad, format!("the key {} that it names has not signed it", content.key_id))
        } else {
            (Code::UnknownKey, format!("{} is no key of this chain", content.key_id))
        };
        Some((code, Cause::ForeignKey, what))
    }

    /// A line that is good in itself: whether it is in its place.
    fn follow(&mut self, receipt: &Receipt<'_>) -> bool {
        let (next, link) = self.last.as_ref().map_or((0, GENESIS_PREV), |last| (last.seq + 1, last.hash));
        let seq = receipt.content.seq;
        if seq < next {
            return self.late(receipt, next);
        }
        if let Some((at, hash)) = self.unsigned.take()
            && receipt.prev_hash == hash
            && let Some(one) = self.breaks.get_mut(at)
        {
            // The chain goes on from it, so it was there, signed: its signature was changed.
            one.cause = Cause::Edit;
            one.detail = "its signature was changed; the next receipt follows it".to_owned();
        }
        let lost = seq - next;
        if lost > self.between {
            self.deletion(receipt, next + self.between, lost - self.between);
        } else if lost == 0 && receipt.prev_hash != link {
            let what = format!("it follows another receipt than the one at seq {}", next.saturating_sub(1));
            return self.bad(Some(receipt), (Code::PrevHash, Cause::OtherHistory, what));
        } else if lost == 0 && self.between > 0 {
            self.nothing_lost();
        }
        self.good(receipt);
        true
    }

    fn good(&mut self, receipt: &Receipt<'_>) {
        self.keys.take_over(receipt);
        let id = receipt.receipt_id.to_string();
        for one in self.breaks.iter_mut().rev().take_while(|one| one.after.is_none()) {
            one.after = Some(id.clone());
        }
        self.last = Some(Good { seq: receipt.content.seq, hash: receipt.entry_hash, id });
        self.between = 0;
    }

    /// A receipt that stands behind one of a higher seq.
    fn late(&mut self, receipt: &Receipt<'_>, next: u64) -> bool {
        let seq = receipt.content.seq;
        if self.missing.remove(&seq) {
            let gap = self.breaks.iter_mut().find(|one| one.cause == Cause::Deletion && one.misses(seq));
            if let Some(gap) = gap {
                gap.cause = Cause::Reordering;
                gap.detail = format!("{}; seq {seq} stands in line {}", gap.detail, self.line);
            }
            return true;
        }
        let what = format!("seq {seq} was there before; the next one is {next}");
        self.bad(Some(receipt), (Code::Seq, Cause::Repetition, what));
        // It takes no place: what comes next follows the receipt before.
        self.between = self.between.saturating_sub(1);
        false
    }

    fn deletion(&mut self, receipt: &Receipt<'_>, from: u64, count: u64) {
        self.missing.extend((from..from + count).take(usize::try_from(MISSING_MAX).unwrap_or(usize::MAX)));
        let detail = if count == 1 {
            format!("the receipt of seq {from} is missing")
        } else {
            format!("{count} receipts are missing, seq {from} to {}", from + count - 1)
        };
        let before = self.last.as_ref().map(|last| last.id.clone());
        let code = if receipt.content.seq == from { Code::PrevHash } else { Code::Seq };
        let one = Break {
            line: self.line,
            seq: from,
            count,
            code,
            cause: Cause::Deletion,
            detail,
            before,
            after: None,
        };
        self.add(one);
    }

    /// The receipts on both sides of damaged lines follow each other.
    fn nothing_lost(&mut self) {
        let since = self.last.as_ref().map(|last| &last.id);
        for one in
            self.breaks.iter_mut().rev().take_while(|one| one.after.is_none() && one.before.as_ref() == since)
        {
            one.detail.push_str("; the receipts before and behind follow each other, so none is lost");
        }
    }

    /// Notes a line that is no good receipt. Gives false, which is what such a line is.
    fn bad(&mut self, receipt: Option<&Receipt<'_>>, (code, cause, detail): Wrong) -> bool {
        let next = self.last.as_ref().map_or(0, |last| last.seq + 1) + self.between;
        let seq = receipt.map_or(next, |receipt| receipt.content.seq);
        let before = self.last.as_ref().map(|last| last.id.clone());
        self.between += 1;
        self.add(Break { line: self.line, seq, count: 1, code, cause, detail, before, after: None });
        // Without genesis there are no keys, and nothing behind it can be told from a forgery.
        self.stopped |= self.keys.is_empty();
        false
    }

    fn add(&mut self, one: Break) {
        self.breaks.push(one);
        self.stopped |= self.breaks.len() >= BREAKS_MAX;
    }

    /// The end of the input, and what verification said. `total` is how many receipts there should be, where that is
    /// known.
    #[must_use]
    pub fn finish(mut self, fault: Option<&Fault>, total: Option<u64>) -> Vec<Break> {
        let next = self.last.as_ref().map_or(0, |last| last.seq + 1) + self.between;
        let before = self.last.as_ref().map(|last| last.id.clone());
        if let Some(total) = total.filter(|total| *total > next && !self.stopped) {
            let count = total - next;
            let detail =
                format!("the head counts {total} receipts, and {count} of them are missing at the end");
            let (line, code, cause) = (self.line + 1, Code::Seq, Cause::Deletion);
            self.add(Break { line, seq: next, count, code, cause, detail, before, after: None });
        } else if let Some(fault) = fault
            && !self.breaks.iter().any(|one| one.covers(fault.seq))
        {
            self.breaks.push(cause::of_fault(fault, self.line));
            self.breaks.sort_by_key(|one| one.line);
        }
        self.breaks
    }
}
