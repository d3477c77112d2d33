//! Files whose bytes an action obeys, as they are now: what was approved is then what runs.
//!
//! Looking must not block and must not change anything: only files of bytes are opened, and never through a descriptor of
//! this process (`/dev/stdin`, `/proc/self/fd/3`), which means another file in the process that will run.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use cascade_ledger::{FileStamp, Reader};
use cascade_policy::facts::{Action, Found, ObeyedFile};
use cascade_policy::worker::Obeyed;
use cascade_receipt::digest::Digest;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::facts::{self, Command};
use crate::file_hash;

/// Most bytes of one file.
pub const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes of all files of one action.
pub const FILES_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Hashes of files of fewer bytes are not remembered.
const REMEMBERED_BYTES_MIN: u64 = 1024 * 1024;

/// What stands at the files that `command` obeys. One that no word names and that is not there is left out.
pub(crate) fn look(ledger: &Reader, command: &Command, obeyed: &[Obeyed]) -> Vec<ObeyedFile> {
    let mut paths: Vec<(PathBuf, bool)> =
        obeyed.iter().filter_map(|file| Some((path(command, file)?, file.named))).collect();
    paths.sort_unstable_by(|left, right| (&left.0, !left.1).cmp(&(&right.0, !right.1)));
    paths.dedup_by(|later, first| later.0.as_os_str() == first.0.as_os_str());
    let mut budget = FILES_BYTES_MAX;
    let looked =
        paths.into_iter().map(|(path, named)| (found(Some(ledger), &path, &mut budget), path, named));
    let mut files: Vec<ObeyedFile> = looked
        .filter(|(found, _, named)| *named || *found != Found::Absent)
        .map(|(found, path, _)| ObeyedFile { path: path.into_os_string().into_vec(), found })
        .collect();
    files.sort_unstable();
    files
}

/// Whether the same still stands at each file of an action, its executable included.
pub(crate) fn is_unchanged(ledger: &Reader, action: &Action) -> bool {
    let owned = |path: &Vec<u8>| PathBuf::from(OsString::from_vec(path.clone()));
    let mut budget = FILES_BYTES_MAX;
    let same = |file: &ObeyedFile| found(Some(ledger), &owned(&file.path), &mut budget) == file.found;
    let executable = action.executable.as_ref().is_none_or(|executable| {
        file_hash::of_file(ledger, &owned(&executable.path)) == Some(executable.sha256)
    });
    executable && action.files.iter().all(same)
}

/// How the files of an action differ from those that were approved, the executable included; in words for people.
pub(crate) fn differences(approved: &Action, now: &Action) -> Vec<String> {
    let (then, now) = (listed(approved), listed(now));
    let paths: BTreeSet<&Vec<u8>> = then.keys().chain(now.keys()).copied().collect();
    let told = |path: &Vec<u8>| {
        let what = match (then.get(path), now.get(path)) {
            (then, now) if then == now => return None,
            (_, Some(Found::Absent) | None) => "it is not there any more",
            (Some(Found::Absent) | None, _) => "it was not there",
            (_, Some(Found::Bytes(_) | Found::TooLarge(_))) => "its bytes are others now",
            (_, Some(Found::Unreadable(_))) => "it cannot be read, or was changed",
            (_, Some(Found::Directory | Found::Special)) => "it is no file of bytes now",
        };
        Some(format!("the file {} is not the one that was approved: {what}", String::from_utf8_lossy(path)))
    };
    paths.into_iter().filter_map(told).collect()
}

fn listed(action: &Action) -> BTreeMap<&Vec<u8>, Found> {
    let executable = action.executable.iter().map(|own| (&own.path, Found::Bytes(own.sha256)));
    action.files.iter().map(|file| (&file.path, file.found.clone())).chain(executable).collect()
}

/// The absolute path, as the program will open it: nothing in it is resolved here. None below an unknown home.
fn path(command: &Command, file: &Obeyed) -> Option<PathBuf> {
    if file.searched {
        return command.along_path(&file.path).find(|path| path.is_file());
    }
    let Some(rest) = file.path.strip_prefix('~') else { return Some(command.cwd.join(&file.path)) };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let home = if user.is_empty() {
        command.env.iter().find(|(name, _)| name == "HOME").map(|(_, value)| PathBuf::from(value))
    } else {
        std::fs::read_to_string("/etc/passwd").ok().and_then(|text| home_of(&text, user))
    };
    Some(command.cwd.join(home?).join(below))
}

fn home_of(passwd: &str, user: &str) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(4).map(PathBuf::from)).flatten()
    })
}

/// What stands at `path`; what is read is taken from `budget`. Hashes of long files are kept in `memory`.
fn found(memory: Option<&Reader>, path: &Path, budget: &mut u64) -> Found {
    let seen = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if is_absence(&error) => return Found::Absent,
        // Whether something is there cannot be seen.
        Err(_) => return Found::Unreadable(Digest::of(b"")),
    };
    if seen.is_dir() {
        return Found::Directory;
    }
    if !seen.is_file() {
        return Found::Special;
    }
    if seen.len() > FILE_BYTES_MAX.min(*budget) {
        return Found::TooLarge(stamp(&seen));
    }
    match open(path).and_then(|file| Ok((file.metadata()?, file))) {
        Ok((meta, file)) if meta.is_file() && meta.len() <= FILE_BYTES_MAX.min(*budget) => {
            *budget = budget.saturating_sub(meta.len());
            bytes(memory, &file, &meta)
        }
        // Exchanged since it was looked at.
        Ok(_) => Found::Special,
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Found::Special,
        Err(error) if is_absence(&error) => Found::Absent,
        Err(_) => Found::Unreadable(stamp(&seen)),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens without waiting for a writer and without passing through a descriptor. A system that does not know how to refuse
/// the latter opens what the name says.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Err(Errno::NOSYS | Errno::PERM) => Ok(rustix::fs::open(path, flags, Mode::empty())?.into()),
        opened => Ok(opened?.into()),
    }
}

/// The hash, unless there are more or fewer bytes than the system says, as in `/proc`.
fn bytes(memory: Option<&Reader>, file: &File, meta: &Metadata) -> Found {
    // A short file is hashed sooner than its hash is found.
    let memory = memory.filter(|_| meta.len() >= REMEMBERED_BYTES_MIN);
    if let Some(known) = memory.and_then(|ledger| ledger.cached_hash(&FileStamp::of(meta))) {
        return Found::Bytes(known);
    }
    match hash(file, meta.len()) {
        Ok(Some(digest)) => {
            if let Some(ledger) = memory {
                file_hash::remember(ledger, meta, &digest);
            }
            Found::Bytes(digest)
        }
        Ok(None) => Found::Special,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Found::Special,
        Err(_) => Found::Unreadable(stamp(meta)),
    }
}

/// Reads no more than one byte past `length`.
fn hash(file: &File, length: u64) -> io::Result<Option<Digest>> {
    let (digest, read) = facts::hash_reader(file.take(length.saturating_add(1)))?;
    Ok((read == length).then_some(digest))
}

/// What the system says of a file, and what changes whenever its bytes do: the change time cannot be set.
fn stamp(meta: &Metadata) -> Digest {
    let FileStamp { dev, ino, size, mtime_ns, ctime_ns } = FileStamp::of(meta);
    Digest::of(format!("{dev}:{ino}:{size}:{mtime_ns}:{ctime_ns}").as_bytes())
}

#[cfg(test)]
mod tests;
