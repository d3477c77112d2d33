//! Finding and ending processes: the descendants of a process, or all that carry a run's marker.
//!
//! A process group is not enough (daemons leave it), so the supervisor is a subreaper: whoever loses its parent
//! becomes its child, and the tree below it is the whole run. Process ids are reused, so a signal goes through a
//! pidfd, and only after the start time was seen unchanged with the pidfd already open.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use cascade_receipt::id::ReceiptId;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

/// The environment variable that every process of a run carries, with the receipt id of its intent.
pub const MARKER: &str = "CASCADE_RUN";
/// How long a swept process is waited for after SIGKILL.
const SWEEP_WAIT: Duration = Duration::from_secs(5);
/// Sweeps repeat until one finds nothing; a process that forks faster than this many rounds is reported as left.
const SWEEP_ROUNDS_MAX: u32 = 1000;

/// What a [`sweep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were ended.
    pub ended: u32,
    /// Processes that carry the marker and are still there, because they may not be signalled or do not die.
    pub left: u32,
}

/// Ends every process that carries the marker of `receipt_id`, except the calling one.
///
/// Call this before an orphaned intent is closed as `task_unknown`, so that the closer never describes something
/// that still runs. A process that cleared its environment is not found here; the supervisor, which goes by
/// descent, ends those.
///
/// # Errors
/// When /proc cannot be read.
pub fn sweep(receipt_id: ReceiptId) -> io::Result<Swept> {
    let marker = format!("{MARKER}={receipt_id}").into_bytes();
    let mut ended = BTreeSet::new();
    let mut left = 0;
    for _ in 0..SWEEP_ROUNDS_MAX {
        let mut waiting = Vec::new();
        left = 0;
        for pid in marked(&marker)? {
            match end(pid) {
                Some(pidfd) => waiting.push((pid, pidfd)),
                None if is_alive(pid) => left += 1,
                None => {}
            }
        }
        if waiting.is_empty() {
            break;
        }
        let deadline = Instant::now() + SWEEP_WAIT;
        for (pid, pidfd) in waiting {
            if wait_gone(&pidfd, deadline)? {
                ended.insert(pid.as_raw_nonzero());
            } else {
                left += 1;
            }
        }
        if left > 0 {
            break;
        }
    }
    Ok(Swept { ended: u32::try_from(ended.len()).unwrap_or(u32::MAX), left })
}

fn marked(marker: &[u8]) -> io::Result<Vec<Pid>> {
    let own = rustix::process::getpid();
    let mut found = Vec::new();
    for pid in all()? {
        // Unreadable means another user's process, or one that is already gone.
        let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        if pid != own && environ.split(|byte| *byte == 0).any(|entry| entry == marker) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn wait_gone(pidfd: &OwnedFd, deadline: Instant) -> io::Result<bool> {
    let timeout = timespec(deadline.saturating_duration_since(Instant::now()));
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    super::wire::retry(|| rustix::event::poll(&mut fds, Some(&timeout))).map(|ready| ready > 0)
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// What /proc/PID/stat says about a process.
///
/// A parent, group or session is 0 when its leader is outside this PID namespace, as in many a container. The safe
/// wrappers of `getsid` and `getpgrp` do not stand that; this does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    state: u8,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) start_ticks: u64,
}

impl Stat {
    pub(super) fn own() -> Option<Self> {
        Self::read(rustix::process::getpid())
    }

    pub(super) fn read(pid: Pid) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command name may hold blanks and parentheses, so fields are counted from the last parenthesis.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let after = line.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(line.get(after + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(15)?.parse().ok()?;
        Some(Self { state, parent, group, session, start_ticks })
    }

    fn is_dead(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

pub(super) fn is_alive(pid: Pid) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.is_dead())
}

/// Sends SIGKILL; the descriptor tells when the process is gone. `None`: it was gone, or it may not be signalled.
pub(super) fn end(pid: Pid) -> Option<OwnedFd> {
    signal(pid, Signal::KILL)
}

pub(super) fn signal(pid: Pid, signal: Signal) -> Option<OwnedFd> {
    let before = Stat::read(pid).filter(|stat| !stat.is_dead())?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let after = Stat::read(pid)?;
    if before.start_ticks != after.start_ticks {
        return None;
    }
    rustix::process::pidfd_send_signal(&pidfd, signal).ok()?;
    Some(pidfd)
}

/// The living descendants of `root`, parents before children, without `root`.
///
/// A snapshot: forks may have happened meanwhile, so callers repeat until nothing is left.
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = children(root);
    while !next.is_empty() {
        let mut below = Vec::new();
        for pid in next {
            if seen.insert(pid.as_raw_nonzero()) {
                below.extend(children(pid));
                if is_alive(pid) {
                    found.push(pid);
                }
            }
        }
        next = below;
    }
    found
}

/// The direct children of `parent`, dead ones that nobody waited for included.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    match listed_children(parent) {
        Ok(children) => children,
        // Kernels without CONFIG_PROC_CHILDREN: look at everyone's parent.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_alive(parent) => scanned_children(parent),
        Err(_) => Vec::new(),
    }
}

fn listed_children(parent: Pid) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{parent}/task"))? {
        let list = fs::read_to_string(task?.path().join("children"))?;
        found.extend(list.split_ascii_whitespace().filter_map(parse_pid));
    }
    Ok(found)
}

fn scanned_children(parent: Pid) -> Vec<Pid> {
    let wanted = parent.as_raw_nonzero().get();
    let all = all().unwrap_or_default();
    all.into_iter().filter(|pid| Stat::read(*pid).is_some_and(|stat| stat.parent == wanted)).collect()
}

fn all() -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        found.extend(entry?.file_name().to_str().and_then(parse_pid));
    }
    Ok(found)
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_fields_count_from_the_last_parenthesis() {
        let line = b"12 (a) R 9 (x)) S 7 8 9 0 -1 1 2 3 4 5 6 7 8 9 10 11 12 0 4711 99";
        let expected = Stat { state: b'S', parent: 7, group: 8, session: 9, start_ticks: 4711 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse(b"12 (a"), None);
        assert_eq!(Stat::parse(b"12 (a) S 7"), None);
        let own = Stat::own().unwrap();
        assert!(own.start_ticks > 0 && !own.is_dead());
    }
}
