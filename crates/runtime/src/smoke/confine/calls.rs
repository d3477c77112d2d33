//! The system calls that are left, as lists of what is allowed.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// For an interpreter that is part of this program: memory, its channel, waiting, ending. Everything else fails with
/// EPERM; the C library asks for more on its own (how many processors there are) and lives without.
const COMPUTE: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// What CPython needs besides, to start and to import: reading files (Landlock says which) and looking at itself. It is
/// started by `execve`, which stays: Landlock leaves one program to execute, under the same restrictions.
const INTERPRET: &[i64] = &[
    libc::SYS_clock_getres,
    libc::SYS_dup,
    libc::SYS_execve,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_ioctl,
    libc::SYS_lseek,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_readlinkat,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

/// Leaves [`COMPUTE`] and [`INTERPRET`]; anything else fails with EPERM.
pub(in crate::smoke) fn only_interpret() -> io::Result<()> {
    let rules: Rules = COMPUTE.iter().chain(INTERPRET).map(|call| (*call, Vec::new())).collect();
    apply(rules)
}

/// Leaves [`COMPUTE`] to every thread of this process, and memory that cannot be executed.
pub(in crate::smoke) fn only_compute() -> io::Result<()> {
    let mut rules: Rules = COMPUTE.iter().map(|call| (*call, Vec::new())).collect();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![without_exec(2)?]);
    }
    apply(rules)
}

/// The call is allowed while the protection asked for does not include execution.
fn without_exec(argument: u8) -> io::Result<SeccompRule> {
    let exec = u64::from(libc::PROT_EXEC.unsigned_abs());
    let compare = SeccompCmpOp::MaskedEq(exec);
    let condition =
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, 0).map_err(io::Error::other)?;
    SeccompRule::new(vec![condition]).map_err(io::Error::other)
}

fn apply(rules: Rules) -> io::Result<()> {
    let otherwise = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter =
        SeccompFilter::new(rules, otherwise, SeccompAction::Allow, arch).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)
}
