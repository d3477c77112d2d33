//! Single lines of the local chain, without reading the same commit again and again.

use cascade_ledger::{Fault, Reader};

/// Reads lines by their places; keeps the commit that the last one was in.
#[derive(Debug)]
pub struct Near<'a> {
    reader: &'a Reader,
    first: u64,
    next: u64,
    bytes: Vec<u8>,
    /// Where each line of the commit begins.
    starts: Vec<usize>,
}

impl<'a> Near<'a> {
    /// Nothing read yet.
    #[must_use]
    pub const fn new(reader: &'a Reader) -> Self {
        Self { reader, first: 0, next: 0, bytes: Vec::new(), starts: Vec::new() }
    }

    /// The line at `seq`; `None` where there is none that is text.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn line(&mut self, seq: u64) -> Result<Option<&str>, Fault> {
        if !(self.first..self.next).contains(&seq) {
            let Some(stored) = self.reader.stored_from(seq)? else { return Ok(None) };
            (self.first, self.next) = (stored.first_seq, stored.next_seq);
            self.bytes = stored.bytes;
            let ends =
                self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
            self.starts = std::iter::once(0).chain(ends).collect();
        }
        let Some(place) = seq.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
            return Ok(None);
        };
        let bounds = self.starts.get(place).zip(self.starts.get(place + 1));
        let line = bounds.and_then(|(start, end)| self.bytes.get(*start..end.saturating_sub(1)));
        Ok(line.and_then(|line| std::str::from_utf8(line).ok()))
    }
}
