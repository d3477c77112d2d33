//! The lines of a chain, one segment in memory at a time.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, MutexGuard, PoisonError};

use cascade_receipt::id::ReceiptId;

use crate::fault::Fault;
use crate::reader::Reader;
use crate::segment::Segment;

/// One stored receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its place, by its segment; the text carries its own claim.
    pub seq: u64,
    /// The exact text without its LF.
    pub text: String,
}

/// An iterator over stored lines. It ends after the first error.
#[derive(Debug)]
pub struct Lines<'a> {
    reader: &'a Reader,
    seqs: Range<u64>,
    waiting: std::vec::IntoIter<Line>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(reader: &'a Reader, seqs: Range<u64>) -> Self {
        Self { reader, seqs, waiting: Vec::new().into_iter() }
    }

    fn load(&mut self) -> Result<(), Fault> {
        if let Some(end) = self.reader.end()?
            && self.seqs.end > end
        {
            // Of a commit of which a part came later, that part is not there yet.
            self.seqs.end = end.max(self.seqs.start);
            if self.seqs.is_empty() {
                return Ok(());
            }
        }
        let Some(segment) = self.reader.segment_from(self.seqs.start)? else {
            self.seqs.start = self.seqs.end;
            return Ok(());
        };
        let place = self.reader.dir().join("ledger.db");
        let damaged = |what: &str| Fault::damaged(&place, &format!("segment {}: {what}", segment.first_seq));
        let mut lines = Vec::new();
        for (seq, line) in (segment.first_seq..).zip(segment.lines()) {
            if self.seqs.contains(&seq) {
                let text = std::str::from_utf8(line).map_err(|_| damaged("not UTF-8"))?.to_owned();
                lines.push(Line { seq, text });
            }
        }
        let next = segment.first_seq + segment.count;
        if segment.lines().count() as u64 != segment.count || next <= self.seqs.start {
            return Err(damaged("wrong number of lines"));
        }
        self.seqs.start = next;
        self.waiting = lines.into_iter();
        Ok(())
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.waiting.next() {
                return Some(Ok(line));
            }
            if self.seqs.is_empty() {
                return None;
            }
            if let Err(fault) = self.load() {
                self.seqs.start = self.seqs.end;
                return Some(Err(fault));
            }
        }
    }
}

/// The stored bytes of one commit: lines as they lie on the disk, good or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Place of its first receipt.
    pub first_seq: u64,
    /// Place of the first receipt after it.
    pub next_seq: u64,
    /// The lines, each with its LF.
    pub bytes: Vec<u8>,
}

impl Stored {
    fn of(segment: Segment) -> Self {
        let next_seq = segment.first_seq + segment.count.max(1);
        Self { first_seq: segment.first_seq, next_seq, bytes: segment.bytes }
    }
}

/// Receipts whose mentions one process keeps in mind.
const NAMED_MAX: usize = 4096;

/// What a process knows of the receipts that name one.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Everything before this place was gone over.
    through: u64,
    /// The newest one that said enough.
    line: Option<Arc<str>>,
}

impl Reader {
    /// Goes back through the log, from the newest receipt to `from`, over every receipt that names `id`, until `read`
    /// knows enough. No view and no index is asked: whoever edits those changes no answer of this. What this process has
    /// gone over it does not go over again: to one id belongs one `read` and one `from`.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    pub fn newest_naming<T>(
        &self,
        id: ReceiptId,
        from: u64,
        mut read: impl FnMut(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let name = id.to_string();
        let through = self.head()?.next_seq;
        let known = self.named().get(&id).cloned();
        // The commit that holds the last one gone over may have grown by none: its lines are read once more, no harm.
        let since = known.as_ref().map_or(from, |known| known.through);
        let mut before = i64::MAX.cast_unsigned();
        while let Some(segment) = self.ask(|conn| Segment::newest_naming(conn, &name, since, before))? {
            let within = through.saturating_sub(segment.first_seq);
            let lines: Vec<&[u8]> =
                segment.lines().take(usize::try_from(within).unwrap_or(usize::MAX)).collect();
            let texts = lines.iter().rev().filter_map(|line| std::str::from_utf8(line).ok());
            let told = |text: &str| Some((read(text)?, Arc::from(text)));
            if let Some((found, line)) = texts.filter(|text| text.contains(&name)).find_map(told) {
                self.note_named(id, Named { through, line: Some(line) });
                return Ok(Some(found));
            }
            before = segment.first_seq;
        }
        let line = known.and_then(|known| known.line);
        self.note_named(id, Named { through, line: line.clone() });
        Ok(line.and_then(|line| read(&line)))
    }

    fn named(&self) -> MutexGuard<'_, HashMap<ReceiptId, Named>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_named(&self, id: ReceiptId, named: Named) {
        let mut all = self.named();
        if all.len() >= NAMED_MAX {
            all.clear();
        }
        all.insert(id, named);
    }

    /// The commits that hold these places, in order, at most `bytes` and one commit more, for those who judge the bytes
    /// themselves; nothing where there is none.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    pub fn stored(&self, seqs: Range<u64>, bytes: usize) -> Result<Vec<Stored>, Fault> {
        let segments = self.ask(|conn| Segment::of(conn, seqs, bytes))?;
        Ok(segments.into_iter().map(Stored::of).collect())
    }

    /// The last commit that begins before `seq`, for those who go backwards over what is missing.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    pub fn stored_before(&self, seq: u64) -> Result<Option<Stored>, Fault> {
        Ok(self.ask(|conn| Segment::before(conn, seq))?.map(Stored::of))
    }

    /// The commit that holds `seq`, or the first one after it, for those who judge the bytes themselves.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    pub fn stored_from(&self, seq: u64) -> Result<Option<Stored>, Fault> {
        Ok(self.segment_from(seq)?.map(|segment| Stored {
            next_seq: (segment.first_seq + segment.count).max(seq + 1),
            ..Stored::of(segment)
        }))
    }
}
