//! What a break is, and what may have brought it about.

use cascade_receipt::chain::LINE_START;
use cascade_receipt::verify::{Check, Code, Fault};

use super::Wrong;

/// A place where lines do not follow from each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Break {
    /// The line it shows in, from 1.
    pub line: u64,
    /// The seq it shows at: of the damaged receipt, or the first missing one.
    pub seq: u64,
    /// How many receipts it concerns.
    pub count: u64,
    /// What verification calls it.
    pub code: Code,
    /// What may have brought it about.
    pub cause: Cause,
    /// More, for people.
    pub detail: String,
    /// The last good receipt before.
    pub before: Option<String>,
    /// The first good receipt behind.
    pub after: Option<String>,
}

impl Break {
    /// Whether this seq is one of those that are missing.
    pub(super) const fn misses(&self, seq: u64) -> bool {
        self.seq <= seq && seq < self.seq + self.count
    }

    /// Whether what verification found at this position is this break.
    pub(super) const fn covers(&self, position: u64) -> bool {
        self.line == position + 1 || self.misses(position)
    }
}

/// What may have brought a break about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A line was not written to its end, or its bytes never reached the disk.
    TornWrite,
    /// Bytes of a receipt were changed afterwards.
    Edit,
    /// Receipts are gone.
    Deletion,
    /// Receipts stand in another order.
    Reordering,
    /// A receipt stands there twice.
    Repetition,
    /// Somebody without a key of the chain wrote a receipt.
    ForeignKey,
    /// What follows belongs to another history of this chain, as after the restoring of a backup.
    OtherHistory,
    /// Links and signatures are whole, and what the receipts tell could not have happened so.
    Rule,
    /// The chain is whole, and not the one that somebody else has seen.
    Outside,
}

impl Cause {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TornWrite => "torn_write",
            Self::Edit => "edit",
            Self::Deletion => "deletion",
            Self::Reordering => "reordering",
            Self::Repetition => "repetition",
            Self::ForeignKey => "foreign_key",
            Self::OtherHistory => "other_history",
            Self::Rule => "rule",
            Self::Outside => "outside",
        }
    }

    /// The same for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::TornWrite => "torn write",
            Self::Edit => "edit",
            Self::Deletion => "deletion",
            Self::Reordering => "reordering",
            Self::Repetition => "repetition",
            Self::ForeignKey => "foreign key",
            Self::OtherHistory => "other history",
            Self::Rule => "broken rule",
            Self::Outside => "unlike what others have seen",
        }
    }
}

/// What is wrong with bytes that are no receipt.
pub(super) fn of_bytes(line: &[u8], whole: bool, code: Code) -> Wrong {
    let torn = |detail: &str| (code, Cause::TornWrite, detail.to_owned());
    let start = LINE_START.as_bytes();
    if line.is_empty() {
        torn("the line is empty")
    } else if line.contains(&0) {
        torn("there are NUL bytes where a receipt should be")
    } else if !whole {
        (Code::Torn, Cause::TornWrite, "the line has no end".to_owned())
    } else if !line.starts_with(start) {
        torn("the beginning of the receipt is not there")
    } else if line.windows(start.len()).skip(1).any(|part| part == start) {
        torn("the receipt ends in the middle, and the next one begins in its line")
    } else if !line.ends_with(b"}") {
        torn("the receipt ends in the middle")
    } else {
        (code, Cause::Edit, format!("its bytes were changed: {}", code.meaning()))
    }
}

/// What verification found and the walk did not.
pub(super) fn of_fault(fault: &Fault, lines: u64) -> Break {
    let outside =
        matches!(fault.code.check(), Check::Checkpoint | Check::Witness | Check::Memory | Check::Hmac);
    Break {
        line: (fault.seq + 1).min(lines.max(1)),
        seq: fault.seq,
        count: 1,
        code: fault.code,
        cause: if outside { Cause::Outside } else { Cause::Rule },
        detail: fault.code.meaning().to_owned(),
        before: None,
        after: None,
    }
}
