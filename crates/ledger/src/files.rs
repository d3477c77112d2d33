//! Files and directories of a home: private from the first moment, durable when a function returns.
//!
//! The order of a durable new file is: create with mode 0600, write, fsync the file, fsync the
//! directory. A rename is durable once the parent directory is synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::fault::{At as _, Fault};

/// Mode of every file.
pub(crate) const FILE_MODE: u32 = 0o600;
/// Mode of every directory.
pub(crate) const DIR_MODE: u32 = 0o700;

/// Creates a directory of mode 0700 and its missing parents, durably; an existing one is left as it is.
pub(crate) fn make_dirs(dir: &Path) -> Result<(), Fault> {
    if dir.is_dir() {
        return Ok(());
    }
    // The empty path is where the process is.
    let parent =
        dir.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    if let Some(parent) = parent {
        make_dirs(parent)?;
    }
    match DirBuilder::new().mode(DIR_MODE).create(dir) {
        // Another process was faster, and may not have come to the next line yet.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        other => other.at(dir)?,
    }
    parent.map_or(Ok(()), sync_dir)
}

/// Creates a new file of mode 0600 with these bytes and syncs it. Fails if the name is taken.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).at(path)?;
    file.write_all(bytes).at(path)?;
    file.sync_all().at(path)
}

/// Writes so many bytes durably to a file without a name. A file system that has none of these says nothing.
pub(crate) fn probe(dir: &Path, bytes: usize) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mut file: File = match rustix::fs::open(dir, flags, Mode::from_raw_mode(FILE_MODE)) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => return Ok(()),
        opened => opened.at(dir)?.into(),
    };
    file.write_all(&vec![0; bytes]).at(dir)?;
    file.sync_data().at(dir)
}

/// Like [`write_new`], by way of `fresh`, which lies beside: under its own name the file is whole or not there.
pub(crate) fn write_new_whole(path: &Path, fresh: &Path, bytes: &[u8]) -> Result<(), Fault> {
    write_new(fresh, bytes)?;
    match rustix::fs::renameat_with(CWD, fresh, CWD, path, RenameFlags::NOREPLACE) {
        // Some file systems of removable media cannot refuse to replace; nothing was there a moment ago.
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(fresh, path).at(path),
        other => other.at(path),
    }
}

/// Replaces a file so that after a power cut it is the old one or the new one. Whoever may write it at the
/// same time holds a lock.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Fault::io(&fresh, &error)),
        _ => {}
    }
    write_new(&fresh, bytes)?;
    std::fs::rename(&fresh, path).at(path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Syncs a directory, so that names made or renamed in it outlast a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Fault> {
    File::open(dir).at(dir)?.sync_all().at(dir)
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> Result<u32, Fault> {
    Ok(std::fs::symlink_metadata(path).at(path)?.mode() & 0o7777)
}

/// Opens or creates a lock file of mode 0600. The file's bytes mean nothing; its `flock` does.
pub(crate) fn lock_file(path: &Path) -> Result<File, Fault> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path).at(path)
}

/// Opens a lock file if it is there.
pub(crate) fn open_lock(path: &Path) -> Result<Option<File>, Fault> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::io(path, &error)),
    }
}

/// Takes the lock unless another process holds it.
pub(crate) fn try_lock(file: &File) -> rustix::io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(other) => Err(other),
    }
}
