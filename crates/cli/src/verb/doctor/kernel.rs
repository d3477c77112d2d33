//! What this kernel can take away from processes, and what is weaker where it cannot.

use cascade_runtime::machine::{self, Power};

use super::Finding;

/// Below this level commands beneath `cascade shell` may signal what lies outside of it, and emitted code the network.
const LANDLOCK_WHOLE: u32 = 6;

pub(super) fn look() -> Vec<Finding> {
    Power::ALL.into_iter().map(one).collect()
}

fn one(power: Power) -> Finding {
    let (check, without, next) = told(power);
    if !power.is_there() {
        return Finding::advice(check, without, next);
    }
    match (power, machine::landlock_level()) {
        (Power::Landlock, Some(level)) if level < LANDLOCK_WHOLE => {
            let seen = format!("level {level} of {LANDLOCK_WHOLE}: {}", missing(level));
            Finding::advice(check, seen, "Linux 6.12 or newer has all of it")
        }
        _ => Finding::fine(check, "available"),
    }
}

/// The check, what is weaker without it, and how it is had.
const fn told(power: Power) -> (&'static str, &'static str, &'static str) {
    match power {
        Power::Landlock => (
            "kernel.landlock",
            "none: emitted code can't be kept from files, so the smoke gate refuses what needs that, and `cascade shell` does not start",
            "Linux 5.13 or newer, with `landlock` in the `lsm=` list of the boot line",
        ),
        Power::Seccomp => {
            ("kernel.seccomp", "none: emitted code is not run", "a kernel with CONFIG_SECCOMP_FILTER")
        }
        Power::UserNamespaces => (
            "kernel.namespaces",
            "none for this user: emitted code shares the network and the process table, as far as Landlock leaves them",
            "sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0",
        ),
        Power::Subreaper => (
            "kernel.subreaper",
            "none: what a run starts can leave its tree and outlive it",
            "Linux 3.4 or newer",
        ),
        Power::CgroupV2 => (
            "kernel.cgroup",
            "cgroup v2 is not mounted: services that run Cascade can't be limited as a whole",
            "boot with systemd.unified_cgroup_hierarchy=1",
        ),
        Power::Ancestry => (
            "kernel.ancestry",
            "the processes above are hidden: everybody counts as an agent, and nobody approves from here",
            "mount /proc without hidepid, or for a group that this user is in; /dev must have `full`",
        ),
    }
}

const fn missing(level: u32) -> &'static str {
    match level {
        5 => "signals and abstract sockets stay",
        4 => "devices, signals and abstract sockets stay",
        3 => "network, devices, signals and abstract sockets stay",
        _ => "moving and truncating files, network, devices, signals and abstract sockets stay",
    }
}
