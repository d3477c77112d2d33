//! What this machine offers, looked at without changing anything: what kind of file system a path lies on, the space
//! that is left there, and what the kernel can take away from a process.

use std::fs;
use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetError, Scope,
};

/// What becomes of bytes that a file system was told to keep (`fsync`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeping {
    /// They are on a disk of this machine, as far as that disk tells the truth.
    Durable,
    /// They are memory, and gone with the power.
    Memory,
    /// They are kept by another machine, whose word is all there is; locks may not hold either.
    Remote,
    /// They go where something else says: the layer of a container, or a program.
    Layered,
}

/// The file system that a path lies on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSystem {
    /// Its name where it is one of note, else its number as `statfs` gives it.
    pub name: String,
    /// What it makes of `fsync`.
    pub keeping: Keeping,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Files that may still be made; `None` where there is no such limit.
    pub free_files: Option<u64>,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// Numbers of `statfs(2)` (linux/magic.h).
const OF_NOTE: &[(u32, &str, Keeping)] = &[
    (0x0102_1994, "tmpfs", Keeping::Memory),
    (0x8584_58f6, "ramfs", Keeping::Memory),
    (0x6969, "nfs", Keeping::Remote),
    (0xff53_4d42, "cifs", Keeping::Remote),
    (0xfe53_4d42, "smb2", Keeping::Remote),
    (0x517b, "smb", Keeping::Remote),
    (0x0102_1997, "9p", Keeping::Remote),
    (0x00c3_6400, "ceph", Keeping::Remote),
    (0x6573_5546, "fuse", Keeping::Layered),
    (0x794c_7630, "overlay", Keeping::Layered),
    (0xef53, "ext4", Keeping::Durable),
    (0x5846_5342, "xfs", Keeping::Durable),
    (0x9123_683e, "btrfs", Keeping::Durable),
    (0x2fc1_2fc1, "zfs", Keeping::Durable),
    (0xf2f5_2010, "f2fs", Keeping::Durable),
];

impl FileSystem {
    /// Looks at the file system of a path that exists.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        // The type is as wide as the platform's word, the numbers are 32 bits.
        let kind = u32::try_from(rustix::fs::statfs(path)?.f_type & 0xffff_ffff).unwrap_or_default();
        let room = rustix::fs::statvfs(path)?;
        let known = OF_NOTE.iter().find(|(number, ..)| *number == kind);
        Ok(Self {
            name: known.map_or_else(|| format!("{kind:#x}"), |(_, name, _)| (*name).to_owned()),
            keeping: known.map_or(Keeping::Durable, |(_, _, keeping)| *keeping),
            free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
            // Some give out files as they come, and say 0 of 0.
            free_files: (room.f_files > 0).then_some(room.f_favail),
            read_only: room.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }
}

/// What a kernel can do that Cascade makes use of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// Refuses files and the network to a process: what emitted code runs in, and `cascade shell`.
    Landlock,
    /// Refuses system calls to a process.
    Seccomp,
    /// Namespaces of its own for a process, without privileges.
    UserNamespaces,
    /// Orphans of a run stay beneath its supervisor.
    Subreaper,
    /// Groups of processes with limits.
    CgroupV2,
    /// The processes above this one can be looked at.
    Ancestry,
}

impl Power {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Landlock,
        Self::Seccomp,
        Self::UserNamespaces,
        Self::Subreaper,
        Self::CgroupV2,
        Self::Ancestry,
    ];

    /// Whether this kernel has it for this user, as far as can be told without using it.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Self::Landlock => landlock_level().is_some(),
            Self::Seccomp => fs::metadata("/proc/sys/kernel/seccomp/actions_avail").is_ok(),
            Self::UserNamespaces => {
                let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
                number("/proc/sys/user/max_user_namespaces").is_some_and(|most| most > 0)
                    // Debian's switch, and Ubuntu's; elsewhere there are none.
                    && number("/proc/sys/kernel/unprivileged_userns_clone") != Some(0)
                    && number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") != Some(1)
            }
            Self::Subreaper => rustix::process::child_subreaper().is_ok(),
            Self::CgroupV2 => fs::metadata("/sys/fs/cgroup/cgroup.controllers").is_ok(),
            Self::Ancestry => crate::process::Enclosure::look() != crate::process::Enclosure::Hidden,
        }
    }
}

/// The levels that are told apart, best first.
const LEVELS: &[(ABI, u32)] =
    &[(ABI::V6, 6), (ABI::V5, 5), (ABI::V4, 4), (ABI::V3, 3), (ABI::V2, 2), (ABI::V1, 1)];

/// The newest interface of Landlock that this kernel has, of those that are used here (6 at most); `None` without any.
/// Rules are made to find out, and dropped: nothing is restricted.
#[must_use]
pub fn landlock_level() -> Option<u32> {
    let has = |abi: ABI| -> Result<(), RulesetError> {
        let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
        if abi >= ABI::V4 {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
        }
        if abi >= ABI::V6 {
            ruleset = ruleset.scope(Scope::from_all(abi))?;
        }
        ruleset.create().map(drop)
    };
    LEVELS.iter().find(|(abi, _)| has(*abi).is_ok()).map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_disks() {
        let shared = Path::new("/dev/shm");
        if shared.is_dir() {
            let found = FileSystem::of(shared).unwrap();
            assert_eq!((found.name.as_str(), found.keeping), ("tmpfs", Keeping::Memory));
        }
        assert!(FileSystem::of(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn looking_takes_nothing_away() {
        let before = fs::read_to_string("/proc/self/status").unwrap();
        for power in Power::ALL {
            assert_eq!(power.is_there(), power.is_there());
        }
        let rights = |status: &str| -> Vec<String> {
            let kept =
                |line: &&str| ["NoNewPrivs", "Seccomp", "CapEff"].iter().any(|key| line.starts_with(key));
            status.lines().filter(kept).map(str::to_owned).collect()
        };
        assert_eq!(rights(&before), rights(&fs::read_to_string("/proc/self/status").unwrap()));
    }
}
