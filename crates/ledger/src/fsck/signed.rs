//! What was signed and tagged here, against the chain that it stands for.

use cascade_receipt::checkpoint::SignedCheckpoint;
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::json::{self, Value};
use cascade_receipt::reader::Purpose;
use rusqlite::Connection;

use crate::checkpoint::is_signed;
use crate::epoch::EpochKey;
use crate::fault::{Fault, OpenError};
use crate::fsck::FsckReport;
use crate::head::HeadRow;
use crate::keys::Key;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};

impl Reader {
    /// Kept checkpoints, tags of the epoch whose key is here, and key files. For a log that is sound.
    pub(super) fn check_signed(&self, report: &mut FsckReport) -> Result<(), Fault> {
        self.check_notes(report)?;
        self.check_tags(report)?;
        self.check_keys(report)
    }

    fn check_notes(&self, report: &mut FsckReport) -> Result<(), Fault> {
        let kept = self.ask(kept_notes)?;
        let keys = self.log_vkeys()?;
        let mut tree = self.tree()?;
        for (size, note) in &kept {
            let signed = SignedCheckpoint::parse(note.as_bytes()).filter(|_| is_signed(note, &keys));
            let Some(signed) = signed else {
                report.add("checkpoint.note", None, format!("the checkpoint of {size} receipts is not one"));
                continue;
            };
            let checkpoint = signed.checkpoint();
            let here = *size <= tree.size() && checkpoint.size == *size;
            if !here || tree.root_at(*size)? != checkpoint.root {
                let detail = format!("the checkpoint of {size} receipts is of another history");
                report.add("checkpoint.root", size.checked_sub(1), detail);
            }
        }
        let largest = kept.iter().map(|(size, _)| *size).max().unwrap_or(0);
        let anchored = self.newest_anchor()?;
        let anchored = anchored.as_deref().and_then(|note| SignedCheckpoint::parse(note.as_bytes()));
        let anchored = anchored.map_or(0, |signed| signed.checkpoint().size);
        if anchored > largest {
            let detail = format!("a receipt names the checkpoint of {anchored} receipts, which is not kept");
            report.add("checkpoint.missing", None, detail);
        }
        Ok(())
    }

    /// A key that is sealed under a passphrase cannot be looked at here.
    fn check_tags(&self, report: &mut FsckReport) -> Result<(), Fault> {
        let (row, stored) = self.ask(|conn| {
            let _one_moment = conn.unchecked_transaction()?;
            let row = HeadRow::read(conn)?;
            let query = "SELECT key FROM epoch WHERE epoch = ?1";
            Ok((row, conn.query_row(query, [to_sql(row.epoch)], |row| row.get::<_, Vec<u8>>(0))?))
        })?;
        let Some(key) = EpochKey::from_stored(row.epoch, &stored, None) else { return Ok(()) };
        let first = row.head.next_seq.saturating_sub(row.epoch_receipts);
        for line in self.lines(first..row.head.next_seq) {
            let line = line?;
            let tagged = tag_of(&line.text).is_some_and(|(hash, tag)| key.tag(&hash) == tag);
            if !tagged {
                let detail = format!("the tag is not one by the key of epoch e{}", row.epoch);
                report.add("log.tag", Some(line.seq), detail);
                // A key that decayed fails all of them.
                return Ok(());
            }
        }
        Ok(())
    }

    /// A key that is encrypted or on a token cannot be looked at here.
    fn check_keys(&self, report: &mut FsckReport) -> Result<(), Fault> {
        let log = self.active_key(Purpose::Log)?.map(|key| key.key_id);
        for key_id in [Some(self.signing_key_id()?), log].into_iter().flatten() {
            match Key::open(self.dir(), &key_id, None) {
                Ok(_) | Err(OpenError::PassphraseNeeded) => {}
                // Files that are missing or open to others are named elsewhere.
                Err(error @ OpenError::KeyMismatch(_)) => report.add("files.key", None, error.to_string()),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

fn kept_notes(conn: &Connection) -> rusqlite::Result<Vec<(u64, String)>> {
    let mut query = conn.prepare("SELECT size, note FROM checkpoints ORDER BY size")?;
    query.query_map((), |row| Ok((from_sql(row.get(0)?), row.get(1)?)))?.collect()
}

/// Hash and tag of a stored line.
fn tag_of(line: &str) -> Option<(Digest, [u8; 32])> {
    let receipt = json::parse_canonical(line.as_bytes()).ok()?;
    let text = |key| receipt.member(key).and_then(Value::as_str);
    Some((Digest::from_hex(text("entry_hash")?)?, digest::from_hex(text("hmac")?)?))
}
