//! What a scan has counted. Shares of a log are counted apart and joined in the order of the log, so that the result does
//! not hang on how many did it.

use std::collections::BTreeSet;

use super::turned::{By, EXAMPLES_MAX, Example, Groups};

/// Places that are named one by one.
pub const PLACES_MAX: usize = 100;

/// Places in the log, the first of them by name.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Places {
    /// How many.
    pub count: u64,
    /// The first [`PLACES_MAX`].
    pub first: Vec<u64>,
}

impl Places {
    pub(super) fn add(&mut self, seq: u64) {
        self.count += 1;
        if self.first.len() < PLACES_MAX {
            self.first.push(seq);
        }
    }

    fn add_range(&mut self, seqs: std::ops::Range<u64>) {
        self.count += seqs.end.saturating_sub(seqs.start);
        let room = PLACES_MAX.saturating_sub(self.first.len());
        self.first.extend(seqs.take(room));
    }

    fn extend(&mut self, later: Self) {
        self.count += later.count;
        self.first.extend(later.first);
        self.first.truncate(PLACES_MAX);
    }
}

/// What came of a scan.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Lines looked at.
    pub receipts: u64,
    /// Those with a decision that policy made.
    pub decisions: u64,
    /// Decisions that come out the same: to the byte under the policy of then, in their verdict under another.
    pub matches: u64,
    /// Of the matches under another policy, those with other reasons or another tier.
    pub other_reasons: u64,
    /// Decisions that come out differently, or cannot be made again though nothing was erased.
    pub divergences: u64,
    /// Decisions whose facts were erased, by a receipt that says so.
    pub erased: u64,
    /// Decisions for which the other policy wants to know what nobody noted.
    pub unknown: u64,
    /// Lines that are no receipt.
    pub unreadable: Places,
    /// Places at which nothing is.
    pub gaps: Places,
    /// Receipts of a kind that this version does not know, extensions apart.
    pub unknown_kinds: Places,
    /// Divergences by what made them.
    pub groups: Groups,
    /// The first divergences.
    pub first: Vec<Example>,
    /// What was not noted, and the first decisions that want it.
    pub lacks: BTreeSet<String>,
    /// The first decisions that want what nobody noted.
    pub lacking: Vec<Example>,
}

/// Kinds of what was not noted that are named.
const LACKS_MAX: usize = 100;

impl Tally {
    pub(super) fn turned(
        &mut self,
        keys: impl Iterator<Item = (By, String)>,
        change: &'static str,
        example: Example,
    ) {
        self.divergences += 1;
        for (by, value) in keys {
            self.groups.add(by, value, change, &example);
        }
        if self.first.len() < EXAMPLES_MAX {
            self.first.push(example);
        }
    }

    pub(super) fn lacking(&mut self, what: &BTreeSet<String>, example: Example) {
        self.unknown += 1;
        let room = LACKS_MAX.saturating_sub(self.lacks.len());
        self.lacks.extend(what.iter().take(room).cloned());
        if self.lacking.len() < EXAMPLES_MAX {
            self.lacking.push(example);
        }
    }

    /// Says that nothing is at these places.
    pub fn gap(&mut self, seqs: std::ops::Range<u64>) {
        self.gaps.add_range(seqs);
    }

    /// Takes in what was counted of later receipts.
    pub fn extend(&mut self, later: Self) {
        self.receipts += later.receipts;
        self.decisions += later.decisions;
        self.matches += later.matches;
        self.other_reasons += later.other_reasons;
        self.divergences += later.divergences;
        self.erased += later.erased;
        self.unknown += later.unknown;
        self.unreadable.extend(later.unreadable);
        self.gaps.extend(later.gaps);
        self.unknown_kinds.extend(later.unknown_kinds);
        self.groups.extend(later.groups);
        self.first.extend(later.first);
        self.first.truncate(EXAMPLES_MAX);
        let room = LACKS_MAX.saturating_sub(self.lacks.len());
        self.lacks.extend(later.lacks.into_iter().take(room));
        self.lacking.extend(later.lacking);
        self.lacking.truncate(EXAMPLES_MAX);
    }

    /// Everything that could be decided again came out the same, and nothing was in the way. What was erased stays
    /// erased and is no fault.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.divergences == 0
            && self.unknown == 0
            && self.unreadable.count == 0
            && self.gaps.count == 0
            && self.unknown_kinds.count == 0
    }

    /// Divergences of which the verdict became this: `newly_allowed`, `newly_escalated`, `newly_denied`.
    #[must_use]
    pub fn changed_to(&self, change: &str) -> u64 {
        // Whoever asked stands in every divergence exactly once.
        let groups = self.groups.iter().filter(|(key, _)| key.by == By::Principal && key.change == change);
        groups.map(|(_, group)| group.count).sum()
    }
}
