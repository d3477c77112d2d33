//! Namespaces of its own for the process that becomes an interpreter.

use std::io;

use nix::sched::{CloneFlags, unshare};

/// What is asked for, apart, with the name under which it is missed.
const EACH: &[(CloneFlags, &str)] = &[
    (CloneFlags::CLONE_NEWPID, "pid"),
    (CloneFlags::CLONE_NEWNET, "net"),
    (CloneFlags::CLONE_NEWNS, "mount"),
    (CloneFlags::CLONE_NEWIPC, "ipc"),
];

/// Leaves the namespaces of the caller; of processes, for the children that follow. Returns what was not possible.
pub(in crate::smoke) fn leave() -> Vec<String> {
    let all = EACH.iter().fold(CloneFlags::CLONE_NEWUSER, |all, (flag, _)| all | *flag);
    if unshare(all).is_ok() {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for (flag, name) in EACH.iter().chain([&(CloneFlags::CLONE_NEWUSER, "user")]) {
        if let Err(error) = unshare(*flag) {
            missing.push(format!("namespace: {name} ({})", io::Error::from(error)));
        }
    }
    missing
}
