//! The home: there, private, on a disk that keeps what it is given, with room.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cascade_runtime::machine::{FileSystem, Keeping};

use super::{Finding, counted};
use crate::again::quoted;

/// Files and directories of a home whose modes are looked at; tiles of old receipts, which are public, come last.
const ENTRIES_MAX: usize = 20_000;
/// With less room than this a busy chain may stand still within the hour.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Each action needs a lock file while it runs.
const FREE_FILES_MIN: u64 = 1000;

pub(super) fn look(dir: &Path, is_there: bool) -> Vec<Finding> {
    let shown = dir.display();
    if !is_there {
        let seen = format!("there is no ledger at {shown}");
        let mut findings = vec![Finding::wrong("home", seen, "`cascade init` makes it")];
        // Where it would lie.
        let above = dir.ancestors().find(|path| path.is_dir());
        findings.extend(above.into_iter().flat_map(disk));
        return findings;
    }
    let mut findings = vec![Finding::fine("home", format!("{shown}"))];
    findings.push(modes(dir));
    findings.extend(disk(dir));
    findings
}

/// What others may read or somebody else owns.
fn modes(dir: &Path) -> Finding {
    const CHECK: &str = "home.private";
    let own = rustix::process::geteuid().as_raw();
    let (mut open, mut looked) = (vec![dir.to_owned()], 0_usize);
    let (mut exposed, mut strange) = (Vec::new(), Vec::new());
    while let Some(path) = open.pop() {
        if looked == ENTRIES_MAX {
            break;
        }
        looked += 1;
        // What vanishes meanwhile was a lock or a log of the database.
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.uid() != own {
            strange.push(path.clone());
        }
        // A public key is for everybody.
        let public = path.extension().is_some_and(|end| end == "pub");
        if !found.is_symlink() && !public && found.mode() & 0o077 != 0 {
            exposed.push(path.clone());
        }
        if found.is_dir() {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
    if let Some(first) = strange.first() {
        let seen = format!("{} of another user: {}", count(&strange), first.display());
        return Finding::wrong(CHECK, seen, format!("chown -R {own} {}", quoted(dir.as_os_str())));
    }
    if let Some(first) = exposed.first() {
        let seen = format!("{} open to others: {}", count(&exposed), first.display());
        return Finding::wrong(CHECK, seen, format!("chmod -R go= {}", quoted(dir.as_os_str())));
    }
    let rest = if open.is_empty() { "" } else { ", and more that was not looked at" };
    Finding::fine(CHECK, format!("{looked} files and directories are this user's alone{rest}"))
}

fn count(paths: &[PathBuf]) -> String {
    counted(u64::try_from(paths.len()).unwrap_or(u64::MAX), "file")
}

fn disk(path: &Path) -> Vec<Finding> {
    match FileSystem::of(path) {
        Ok(found) => vec![keeping(&found), room(&found)],
        Err(error) => {
            let seen = format!("couldn't look at the file system of {}: {error}", path.display());
            vec![Finding::wrong("home.filesystem", seen, "look at who may read it")]
        }
    }
}

fn keeping(found: &FileSystem) -> Finding {
    const CHECK: &str = "home.filesystem";
    const MOVE: &str = "put the home on a disk: --home DIR, or CASCADE_HOME";
    let name = &found.name;
    if found.read_only {
        let next = "mount it writable: nothing can be recorded, so nothing can be run";
        return Finding::wrong(CHECK, format!("{name} is mounted read-only"), next);
    }
    match found.keeping {
        Keeping::Durable => Finding::fine(CHECK, format!("{name} keeps what it is told to keep")),
        Keeping::Memory => {
            Finding::wrong(CHECK, format!("{name} is memory: receipts are gone with the power"), MOVE)
        }
        Keeping::Remote => Finding::wrong(
            CHECK,
            format!("{name} is another machine's: neither its locks nor its durability can be relied on"),
            MOVE,
        ),
        Keeping::Layered => Finding::advice(
            CHECK,
            format!("{name} passes bytes on: receipts last as long as what lies below it"),
            "in a container, keep the home on a volume",
        ),
    }
}

fn room(found: &FileSystem) -> Finding {
    const CHECK: &str = "home.space";
    let mib = found.free_bytes >> 20;
    if found.free_bytes < FREE_BYTES_MIN {
        return Finding::wrong(
            CHECK,
            format!("{mib} MiB are left"),
            "free some space: without it nothing runs",
        );
    }
    if let Some(files) = found.free_files.filter(|files| *files < FREE_FILES_MIN) {
        let seen = format!("{files} more files can be made");
        return Finding::wrong(CHECK, seen, "remove files elsewhere on that disk");
    }
    Finding::fine(CHECK, format!("{mib} MiB are left"))
}

#[cfg(test)]
mod tests {
    use super::super::Standing;
    use super::*;

    fn disk_of(keeping: Keeping, free_bytes: u64, free_files: Option<u64>) -> FileSystem {
        FileSystem { name: "x".to_owned(), keeping, free_bytes, free_files, read_only: false }
    }

    #[test]
    fn room_at_the_limit_and_below() {
        for (bytes, files, standing) in [
            (FREE_BYTES_MIN, Some(FREE_FILES_MIN), Standing::Fine),
            (FREE_BYTES_MIN, None, Standing::Fine),
            (FREE_BYTES_MIN - 1, None, Standing::Wrong),
            (FREE_BYTES_MIN, Some(FREE_FILES_MIN - 1), Standing::Wrong),
        ] {
            assert_eq!(
                room(&disk_of(Keeping::Durable, bytes, files)).standing,
                standing,
                "{bytes} {files:?}"
            );
        }
    }

    #[test]
    fn file_systems_that_do_not_keep() {
        for (kind, standing) in [
            (Keeping::Durable, Standing::Fine),
            (Keeping::Layered, Standing::Advice),
            (Keeping::Memory, Standing::Wrong),
            (Keeping::Remote, Standing::Wrong),
        ] {
            assert_eq!(keeping(&disk_of(kind, FREE_BYTES_MIN, None)).standing, standing, "{kind:?}");
        }
        let read_only = FileSystem { read_only: true, ..disk_of(Keeping::Durable, FREE_BYTES_MIN, None) };
        assert_eq!(keeping(&read_only).standing, Standing::Wrong);
    }
}
