//! Finding places: by the search index, or line by line.

use std::collections::BTreeSet;
use std::ops::Range;

use cascade_ledger::{Order, Outline, Reader, Sought};

use super::filter::words_of;
use crate::exit::Failure;
use crate::failures;
use crate::progress::Progress;
use cascade_runtime::record::Near;
use cascade_runtime::record::Record;

/// Receipts looked at in one step of a walk.
const STEP: u64 = 512;
/// Places asked of the index at once, at least and at most: few where few are wanted.
const PAGE: std::ops::RangeInclusive<usize> = 64..=1_000;

/// What is looked for, and how.
pub(super) struct Search {
    pub(super) sought: Sought,
    pub(super) words: BTreeSet<String>,
    /// Those at the end of the chain, when there are more than the limit.
    pub(super) newest: bool,
    pub(super) limit: usize,
    /// Read every line, and no index.
    pub(super) scan: bool,
}

impl Search {
    /// Places of what fits, the oldest first.
    pub(super) fn places(&self, reader: &Reader) -> Result<Vec<u64>, Failure> {
        let head = reader.sound_head().map_err(failures::damage)?.next_seq;
        let mut found = if self.scan { self.walk(reader, head)? } else { self.ask(reader, head)? };
        found.sort_unstable();
        Ok(found)
    }

    /// Walks from one end until enough fit, so that a long chain costs no more than a short one.
    fn walk(&self, reader: &Reader, head: u64) -> Result<Vec<u64>, Failure> {
        let progress = Progress::new("reading", head);
        let mut left = 0..head;
        let mut found = Vec::new();
        while !left.is_empty() && found.len() < self.limit {
            let step = self.step(&mut left);
            let mut fitting = Vec::new();
            let mut empty = true;
            for line in reader.lines(step) {
                let line = line?;
                empty = false;
                if self.fits(reader, line.seq, &line.text)? {
                    fitting.push(line.seq);
                }
            }
            self.take(fitting, &mut found);
            if empty {
                self.leap(reader, &mut left)?;
            }
            progress.set(head - (left.end - left.start));
        }
        Ok(found)
    }

    /// Cuts the next step off what is left.
    fn step(&self, left: &mut Range<u64>) -> Range<u64> {
        if self.newest {
            let start = left.end.saturating_sub(STEP).max(left.start);
            let step = start..left.end;
            left.end = start;
            step
        } else {
            let end = left.end.min(left.start.saturating_add(STEP));
            let step = left.start..end;
            left.start = end;
            step
        }
    }

    /// Leaps over places at which nothing is stored, however many there are.
    fn leap(&self, reader: &Reader, left: &mut Range<u64>) -> Result<(), Failure> {
        if self.newest {
            let before = reader.stored_before(left.end)?.map_or(left.start, |stored| stored.next_seq);
            left.end = left.end.min(before.max(left.start));
        } else {
            let after = reader.stored_from(left.start)?.map_or(left.end, |stored| stored.first_seq);
            left.start = left.start.max(after.min(left.end));
        }
        Ok(())
    }

    fn take(&self, mut fitting: Vec<u64>, found: &mut Vec<u64>) {
        if self.newest {
            fitting.reverse();
        }
        found.extend(fitting);
        found.truncate(self.limit);
    }

    /// Asks the index page by page, and believes nothing that the chain does not say.
    fn ask(&self, reader: &Reader, head: u64) -> Result<Vec<u64>, Failure> {
        let order = if self.newest { Order::Descending } else { Order::Ascending };
        let mut left = 0..head;
        let mut found = Vec::new();
        let mut near = Near::new(reader);
        while found.len() < self.limit {
            let more = (self.limit - found.len()).clamp(*PAGE.start(), *PAGE.end());
            let bar = Progress::new("indexing", head);
            let page = reader.with_index(&mut |done, all| bar.of(done - done % 256, all), |index| {
                index.search(&self.sought, left.clone(), order, more)
            })?;
            drop(bar);
            let Some(last) = page.last().copied() else { break };
            if self.newest {
                left.end = last;
            } else {
                left.start = last + 1;
            }
            for seq in page {
                let Some(line) = near.line(seq)?.map(str::to_owned) else { continue };
                if found.len() < self.limit && self.fits(reader, seq, &line)? {
                    found.push(seq);
                }
            }
        }
        Ok(found)
    }

    fn fits(&self, reader: &Reader, seq: u64, line: &str) -> Result<bool, Failure> {
        let fits = Outline::read(line, |outline| self.sought.fits(outline));
        if fits != Some(true) || self.words.is_empty() {
            return Ok(fits == Some(true));
        }
        let Some(record) = Record::parse(seq, line) else { return Ok(false) };
        let mut said = BTreeSet::new();
        for text in [record.command(reader)?, record.reason(reader)?].into_iter().flatten() {
            said.extend(words_of(&text));
        }
        Ok(self.words.is_subset(&said))
    }
}
