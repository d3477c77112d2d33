//! What is left of a run whose supervisor was killed.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::Pid;

use super::tree;

/// Look again after this long.
const RESCAN: Duration = Duration::from_millis(20);

/// Ends the children that came to this process when their supervisor died. They are told from its own children by
/// their session: a supervisor starts a new one, and this process never does.
pub(super) fn end() -> u32 {
    let own = rustix::process::getpid();
    let Some(tree::Stat { session, .. }) = tree::Stat::own() else { return 0 };
    let mut ended = std::collections::BTreeSet::new();
    loop {
        let supervisors = super::supervisors().clone();
        let is_orphan = |pid: &Pid| {
            !supervisors.contains(pid) && tree::Stat::read(*pid).is_some_and(|stat| stat.session != session)
        };
        let orphans: Vec<Pid> = tree::children(own).into_iter().filter(is_orphan).collect();
        if orphans.is_empty() {
            return u32::try_from(ended.len()).unwrap_or(u32::MAX);
        }
        let mut dying = Vec::new();
        for orphan in orphans {
            for pid in std::iter::once(orphan).chain(tree::descendants(orphan)) {
                if let Some(pidfd) = tree::end(pid) {
                    ended.insert(pid.as_raw_nonzero());
                    dying.push(pidfd);
                }
            }
            // Collects it if it is dead already.
            _ = rustix::process::waitpid(Some(orphan), rustix::process::WaitOptions::NOHANG);
        }
        if dying.is_empty() {
            // Only such as may not be signalled (sudo): wait for them, but not in a hurry.
            _ = rustix::event::poll(&mut [], Some(&tree::timespec(RESCAN)));
        }
        for pidfd in dying {
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            _ = rustix::event::poll(&mut fds, None);
        }
    }
}
