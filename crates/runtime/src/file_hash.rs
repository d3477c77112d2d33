//! SHA-256 of executables, remembered by what the file system says of the file.
//!
//! The memory is a hint against hashing a hundred megabytes before every `terraform plan`. It is keyed
//! by device, inode, size, modification and change time; the change time cannot be set by the file's
//! owner, so replaced bytes are seen. Do not believe it across a clock that was set back: the entry is
//! ignored when the file changed within the last two seconds before it was hashed.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use cascade_ledger::{FileStamp, Reader};
use cascade_receipt::digest::Digest;

use crate::facts;

/// A file changed this recently may change again within the same time stamp.
const SETTLED_AFTER_S: i64 = 2;

/// The hash of the file's bytes; `None` when it cannot be read (then no hash stands in the facts, and
/// an approval of this action cannot be bound to the file).
#[must_use]
pub fn of_file(ledger: &Reader, path: &Path) -> Option<Digest> {
    // Opening a pipe would wait for somebody to write.
    let file = if path.is_file() { File::open(path).ok()? } else { return None };
    let meta = file.metadata().ok()?;
    let stamp = FileStamp::of(&meta);
    if let Some(known) = ledger.cached_hash(&stamp) {
        return Some(known);
    }
    let (hash, _) = facts::hash_reader(&file).ok()?;
    remember(ledger, &meta, &hash);
    Some(hash)
}

/// Remembers the hash of a file that has been left alone long enough.
pub(crate) fn remember(ledger: &Reader, meta: &Metadata, hash: &Digest) {
    let now_s = i64::try_from(facts::now().ms() / 1000).unwrap_or(i64::MAX);
    if meta.ctime().saturating_add(SETTLED_AFTER_S) < now_s {
        ledger.cache_hash(&FileStamp::of(meta), hash);
    }
}
