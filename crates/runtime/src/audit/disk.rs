//! A chain on disk, as the bytes of an export.

use std::io::Read;

use cascade_ledger::Reader;

/// What lies on the disk, as the bytes of an export. Damage is for the verifier to judge.
#[derive(Debug)]
pub struct Disk<'a> {
    reader: &'a Reader,
    next_seq: u64,
    total: u64,
    rest: Vec<u8>,
    at: usize,
}

impl<'a> Disk<'a> {
    /// The first `total` receipts.
    #[must_use]
    pub const fn of(reader: &'a Reader, total: u64) -> Self {
        Self { reader, next_seq: 0, total, rest: Vec::new(), at: 0 }
    }
}

impl Read for Disk<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.rest.len() {
            if self.next_seq >= self.total {
                return Ok(0);
            }
            let stored = self.reader.stored_from(self.next_seq).map_err(std::io::Error::other)?;
            let Some(stored) = stored else { return Ok(0) };
            (self.next_seq, self.rest, self.at) = (stored.next_seq, stored.bytes, 0);
        }
        let mut rest = self.rest.get(self.at..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
