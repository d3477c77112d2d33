//! The lock of an open intent that no supervisor holds: it tells others that this process is still at it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use cascade_ledger::Reader;
use cascade_receipt::id::ReceiptId;
use rustix::fs::{FlockOperation, OFlags};

/// Held until it is dropped, or this process ends; then whoever opens the chain closes the intent as unknown.
#[derive(Debug)]
pub(crate) struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    /// Takes the lock of an intent that is about to be recorded.
    pub(crate) fn take(reader: &Reader, intent: ReceiptId) -> io::Result<Self> {
        let path = reader.run_lock_path(intent);
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow)
            .open(&path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path, _file: file })
    }
}

impl RunLock {
    /// Whether somebody has the lock of this intent.
    pub(crate) fn is_held(reader: &Reader, intent: ReceiptId) -> bool {
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).custom_flags(no_follow).open(reader.run_lock_path(intent));
        let Ok(file) = opened else { return false };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A file that stays costs a look when the next intent of that id is closed, which never comes.
        drop(std::fs::remove_file(&self.path));
    }
}
