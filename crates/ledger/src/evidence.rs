//! The part of `fsck` that a stranger could do, and what only the owner can add: that every salted hash in
//! the chain has its bytes in the vault.

use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::verify::{Code, Options, Verifier};

use crate::extent::SALTED;
use crate::fault::Fault;
use crate::fsck::FsckReport;
use crate::reader::Reader;
use crate::vault;

impl Reader {
    /// Verifies the stored lines as an outsider would, and looks for what they commit to. Adds to what
    /// [`Reader::fsck`] found on the disk.
    ///
    /// # Errors
    /// [`Fault`] when it could not look. Damage is no error: it is in the report.
    pub fn check_evidence(&self, report: &mut FsckReport) -> Result<(), Fault> {
        let head = self.head()?;
        let mut verifier =
            Verifier::new(Options { pinned: Some(*self.genesis_public_key()), ..Options::default() });
        let mut last_time = None;
        for line in self.lines(0..head.next_seq) {
            let line = match line {
                Ok(line) => line,
                // Named by the pass over the segments already.
                Err(Fault::Damaged { .. }) => return Ok(()),
                Err(other) => return Err(other),
            };
            verifier.line(line.text.as_bytes());
            if let Ok(receipt) = json::parse(line.text.as_bytes()) {
                last_time = receipt.member("timestamp").and_then(Value::as_str).map(str::to_owned);
                self.check_private(line.seq, &receipt, report)?;
            }
        }
        // That a key was taken back says something about the history and nothing about the disk.
        if let Some(fault) = verifier.finish().fault().filter(|fault| fault.code != Code::Disputed) {
            report.add("log.evidence", Some(fault.seq), format!("{}: {}", fault.code.as_str(), fault.detail));
        }
        if last_time.is_some_and(|time| time != head.timestamp.to_string()) {
            report.add("head.timestamp", None, "the head names another time than the newest receipt");
        }
        Ok(())
    }

    fn check_private(&self, seq: u64, receipt: &Value, report: &mut FsckReport) -> Result<(), Fault> {
        let id = receipt.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse);
        let erased = id.map(|id| self.erased_by(id)).transpose()?.flatten();
        for key in SALTED {
            let hash = receipt.member("content").and_then(|content| content.member(key)?.as_str());
            let Some(hash) = hash.and_then(Digest::from_hex) else { continue };
            let there = self.ask_vault(|conn| vault::has_item(conn, &hash))?;
            match erased {
                None if !there => {
                    let detail = format!("the bytes behind `{key}` are not in the vault");
                    report.add("vault.missing", Some(seq), detail);
                }
                Some(by) if there && !by.pending => {
                    let detail =
                        format!("the bytes behind `{key}` are there, though {} erased them", by.receipt_id);
                    report.add("vault.not_erased", Some(seq), detail);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
