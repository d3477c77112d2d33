//! Time stamp tokens beside the chain: `timestamps/<SHA-256>.tst`, each as the authority sent it.
//!
//! They are public and can be checked by anybody, so this directory is trusted for nothing: a file whose bytes do not hash to
//! its name is as good as lost. The receipt that names a token is appended after the token is durable.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};

use crate::fault::{At as _, Fault};
use crate::files;
use crate::ledger::Ledger;
use crate::reader::Reader;

/// Longest file that is read as a token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// Receipts looked at in one step backwards.
const STEP: u64 = 512;

/// A checkpoint with its time stamp.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// The note that was stamped.
    pub note: String,
    /// Hash of the token.
    pub tst_sha256: Digest,
    /// The token; `None` when the file was lost.
    pub token: Option<Vec<u8>>,
}

impl Ledger {
    /// Keeps a token for good, before a receipt names it. Dies this process before that, an unnamed file stays.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn keep_timestamp(&self, token: &[u8]) -> Result<Digest, Fault> {
        let sha256 = Digest::of(token);
        let path = self.timestamp_path(&sha256);
        files::make_dirs(path.parent().unwrap_or(self.dir()))?;
        files::sync_dir(self.dir())?;
        files::replace(&path, token)?;
        Ok(sha256)
    }
}

impl Reader {
    fn timestamp_path(&self, sha256: &Digest) -> PathBuf {
        self.dir().join("timestamps").join(format!("{sha256}.tst"))
    }

    /// The token with this hash, if it is there as it was.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    pub fn timestamp(&self, sha256: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        let path = self.timestamp_path(sha256);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.at(&path)?,
        };
        let mut bytes = Vec::new();
        file.take(TOKEN_BYTES_MAX).read_to_end(&mut bytes).at(&path)?;
        Ok((Digest::of(&bytes) == *sha256).then_some(bytes))
    }

    /// The newest checkpoint that the chain itself names a time stamp for.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn newest_stamped(&self) -> Result<Option<Stamped>, Fault> {
        let Some((note, tst_sha256)) = self.newest(stamped)? else { return Ok(None) };
        let token = self.timestamp(&tst_sha256)?;
        Ok(Some(Stamped { note, tst_sha256, token }))
    }

    /// The note that the newest `anchor` receipt keeps.
    pub(crate) fn newest_anchor(&self) -> Result<Option<String>, Fault> {
        self.newest(anchored)
    }

    /// The newest receipt that `read` finds something in.
    fn newest<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
        let mut end = self.head()?.next_seq;
        while end > 0 {
            let start = end.saturating_sub(STEP);
            let mut newest = None;
            for line in self.lines(start..end) {
                newest = read(&line?.text).or(newest);
            }
            if newest.is_some() {
                return Ok(newest);
            }
            end = start;
        }
        Ok(None)
    }
}

/// The checkpoint of an `anchor`.
fn anchored(line: &str) -> Option<String> {
    let receipt =
        line.contains("\"kind\":\"anchor\"").then(|| json::parse_canonical(line.as_bytes()).ok())??;
    let content = receipt.member("content").filter(|content| text(content, "kind") == Some("anchor"))?;
    Some(text(content, "checkpoint")?.to_owned())
}

/// What an `anchor` with a time stamp says.
fn stamped(line: &str) -> Option<(String, Digest)> {
    // Parsing every line of a long chain would take its time.
    let receipt = line.contains("\"tst_sha256\":").then(|| json::parse_canonical(line.as_bytes()).ok())??;
    let content = receipt.member("content").filter(|content| text(content, "kind") == Some("anchor"))?;
    Some((text(content, "checkpoint")?.to_owned(), Digest::from_hex(text(content, "tst_sha256")?)?))
}

fn text<'a>(content: &'a Value, key: &str) -> Option<&'a str> {
    content.member(key).and_then(Value::as_str)
}
