//! Which processes read a database and so keep old pages in its write-ahead log.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::store::beside;

/// How often the table of locks is read before it counts as naming nobody: on a busy machine lines come and go while
/// it is being read, and one can be missed.
const LOOKS_MAX: u32 = 5;
/// Characters of a command line that are told.
const COMMAND_CHARS_MAX: usize = 200;
/// The bytes of the shared index that readers lock (SQLite's file format, section on WAL locks).
const READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// A process that has a file open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// Those that hold a read lock, where the system tells; else those that have the database open. Processes of
/// other users may stay unnamed.
pub(crate) fn of(database: &Path) -> Vec<Holder> {
    let own = std::process::id();
    let named = |pid: u32| Holder { pid, command: command(pid) };
    let open = |pid: &u32| has_open(*pid, database);
    let look = |_| -> Option<Vec<u32>> {
        let mut reading = readers(&beside(database, "-shm"));
        reading.retain(|pid| *pid != own && open(pid));
        (!reading.is_empty()).then_some(reading)
    };
    let mut reading = (0..LOOKS_MAX).find_map(look).unwrap_or_default();
    if reading.is_empty() {
        reading = processes().into_iter().filter(|pid| *pid != own).filter(open).collect();
    }
    reading.sort_unstable();
    reading.dedup();
    reading.into_iter().map(named).collect()
}

/// Lines of `/proc/locks` read `1: POSIX  ADVISORY  READ 1234 08:01:5678 123 123`. The file is only read there: to
/// open it and close it again would drop the locks that this process itself holds on it.
fn readers(shared: &Path) -> Vec<u32> {
    let Ok(inode) = std::fs::metadata(shared).map(|meta| meta.ino().to_string()) else { return Vec::new() };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().filter_map(|line| reader(line, &inode)).collect()
}

fn reader(line: &str, inode: &str) -> Option<u32> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "READ").skip(1);
    let pid = words.next()?.parse().ok()?;
    let (_, file) = words.next()?.rsplit_once(':')?;
    let start: u64 = words.next()?.parse().ok()?;
    (file == inode && READ_LOCKS.contains(&start)).then_some(pid)
}

fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process has the database, or a file that SQLite keeps beside it, open.
fn has_open(pid: u32, database: &Path) -> bool {
    let files = ["", "-wal", "-shm"].map(|suffix| beside(database, suffix));
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|file| files.contains(&file))
}

fn command(pid: u32) -> String {
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let bytes = match read("cmdline") {
        empty if empty.is_empty() => read("comm"),
        line => line,
    };
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    text.trim_end().chars().take(COMMAND_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_lock_table() {
        for (line, pid) in [
            ("1: POSIX  ADVISORY  READ 1234 08:01:5678 123 123", Some(1234)),
            ("1: POSIX  ADVISORY  READ 1234 08:01:5678 127 127", Some(1234)),
            // The lock that every connection holds says nothing about reading.
            ("2: POSIX  ADVISORY  READ 1234 08:01:5678 128 128", None),
            ("3: POSIX  ADVISORY  WRITE 1234 08:01:5678 123 123", None),
            ("4: POSIX  ADVISORY  READ 1234 08:01:5679 123 123", None),
            ("5: -> POSIX  ADVISORY  READ 99 08:01:5678 124 124", Some(99)),
            ("6: OFDLCK ADVISORY  READ -1 08:01:5678 123 123", None),
            ("", None),
        ] {
            assert_eq!(reader(line, "5678"), pid, "{line}");
        }
    }
}
