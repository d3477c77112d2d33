//! Takes every right away from the process that will run emitted code, and says what the kernel could not take.

use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::limits::CPU_SECONDS_MAX;

pub(super) mod calls;
pub(super) mod namespaces;

/// Closes whatever was inherited besides the three streams.
///
/// Nobody here owns those descriptors; Rust's own are opened later.
pub(super) fn close_inherited() -> io::Result<()> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // Fails only for the directory that was just read, which is closed already.
        _ = nix::unistd::close(number);
    }
    Ok(())
}

/// No privileges, none by exec either, no core file, no tracing by others of the same user.
pub(super) fn no_privileges() -> io::Result<()> {
    // Without it, the user with number 0 has all of them again after an exec. Others may not, and need not.
    _ = rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT);
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    limit(Resource::Core, 0)
}

/// Memory, processor time, files, processes.
pub(super) fn resources(memory_bytes: usize, files: u64) -> io::Result<()> {
    limit(Resource::As, u64::try_from(memory_bytes).map_err(io::Error::other)?)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nproc, 0)?;
    limit(Resource::Nofile, files)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// What the process has mapped already.
pub(super) fn mapped_bytes() -> io::Result<usize> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse::<usize>().ok());
    let bytes = pages.and_then(|pages| pages.checked_mul(rustix::param::page_size()));
    bytes.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What Landlock is asked for, best first, and what is missing where an older kernel only gives a later one.
const LEVELS: &[(ABI, &[&str])] = &[
    (ABI::V6, &[]),
    (ABI::V5, &["landlock: signals and abstract sockets (Linux 6.12)"]),
    (ABI::V4, &["landlock: devices, signals and abstract sockets (Linux 6.12)"]),
    (ABI::V3, &["landlock: network, devices, signals and abstract sockets (Linux 6.12)"]),
    (
        ABI::V1,
        &[
            "landlock: moving and truncating files, network, devices, signals and abstract sockets (Linux 6.12)",
        ],
    ),
];

/// Refuses the file system and the network, but for reading what lies beneath these directories, and reading and
/// executing these files. Returns what this kernel cannot refuse.
///
/// # Errors
/// When it has no Landlock.
pub(super) fn landlock(readable: &[PathBuf]) -> io::Result<Vec<String>> {
    for (abi, missing) in LEVELS {
        if let Ok(()) = restrict(*abi, readable) {
            return Ok(missing.iter().map(|text| (*text).to_owned()).collect());
        }
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, NO_LANDLOCK))
}

/// What is missing where the kernel has no Landlock.
pub(super) const NO_LANDLOCK: &str = "landlock: file system and network (Linux 5.13, in the lsm list)";

fn restrict(abi: ABI, readable: &[PathBuf]) -> Result<(), RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut created = ruleset.create()?;
    for path in readable {
        // One that is not there needs no rule.
        let Ok(file) = PathFd::new(path) else { continue };
        let also = if path.is_dir() { AccessFs::ReadDir } else { AccessFs::Execute };
        let access = AccessFs::ReadFile | also;
        created = created.add_rule(PathBeneath::new(file, access))?;
    }
    let status = created.restrict_self()?;
    debug_assert_eq!(status.ruleset, RulesetStatus::FullyEnforced, "hard requirements are met or an error");
    Ok(())
}
