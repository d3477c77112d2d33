//! What loses its parents comes to this process as a child: it is buried when it is dead, and ended at the end.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitOptions};

use super::tree;

/// How long the adopted may take to obey SIGTERM before SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long their end is waited for after SIGKILL. What does not die (a dead disk) is left to the system.
const ENDING_MAX: Duration = Duration::from_secs(5);
/// While ending: look again after this long even when nobody reported a death.
const RESCAN: Duration = Duration::from_millis(20);

/// The children that this process has started itself and waits for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Started(Arc<Mutex<BTreeSet<i32>>>);

impl Started {
    /// Starts one. Nobody looks for the adopted between its start and its entry here.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut own = self.own();
        let child = command.spawn()?;
        own.insert(Pid::from_child(&child).as_raw_nonzero().get());
        Ok(child)
    }

    /// It was waited for, or is not any more.
    pub(crate) fn forget(&self, child: &Child) {
        self.own().remove(&Pid::from_child(child).as_raw_nonzero().get());
    }

    fn own(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This process as the parent of whoever below it loses its own.
#[derive(Debug)]
pub(crate) struct Adopted {
    started: Started,
    deaths: UnixStream,
}

impl Adopted {
    /// From now on orphans come here. Its descriptor is readable when somebody may have died.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn collect(started: Started) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (deaths, sender) = UnixStream::pair()?;
        deaths.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, sender)?;
        Ok(Self { started, deaths })
    }

    /// Buries the dead, and gives those that live.
    pub(crate) fn bury(&self) -> Vec<Pid> {
        let mut told = [0; 64];
        while io::Read::read(&mut &self.deaths, &mut told).is_ok_and(|count| count == told.len()) {}
        let own = self.started.own();
        let mut orphans = tree::children(rustix::process::getpid());
        orphans.retain(|pid| !own.contains(&pid.as_raw_nonzero().get()));
        for orphan in &orphans {
            // Nothing for those that live.
            _ = rustix::process::waitpid(Some(*orphan), WaitOptions::NOHANG);
        }
        orphans.retain(|pid| tree::is_alive(*pid));
        orphans
    }

    /// Ends the adopted and everything below them, but not what this process has started itself: asks first, and waits
    /// for [`TERM_GRACE`].
    pub(crate) fn end(&self) {
        let begun = Instant::now();
        let mut asked = BTreeSet::new();
        loop {
            let orphans = self.bury();
            let elapsed = begun.elapsed();
            if orphans.is_empty() || elapsed > TERM_GRACE + ENDING_MAX {
                return;
            }
            for orphan in orphans {
                if elapsed < TERM_GRACE {
                    // Their own children are theirs to end: an interrupted run closes its action.
                    if asked.insert(orphan.as_raw_nonzero()) {
                        drop(tree::signal(orphan, Signal::TERM));
                    }
                    continue;
                }
                for pid in std::iter::once(orphan).chain(tree::descendants(orphan)) {
                    drop(tree::end(pid));
                }
            }
            let mut fds = [PollFd::new(&self.deaths, PollFlags::IN)];
            // An interruption only brings the next look forward.
            _ = rustix::event::poll(&mut fds, Some(&tree::timespec(RESCAN)));
        }
    }
}

impl AsFd for Adopted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.deaths.as_fd()
    }
}
