//! Nothing in a session types into its terminal what somebody else will run when it has ended.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// What puts bytes where the terminal's reader takes them for typed: `TIOCSTI`, and the selection of a Linux console.
const TYPES: [u64; 2] = [0x5412, 0x541c];

/// Takes it from this process and everything that it will start; the calls fail with EPERM. Programs of another
/// architecture than this one's are ended by the kernel.
pub(super) fn forbid() -> io::Result<()> {
    let rule = |request: &u64| {
        // The kernel looks at these 32 bits alone, whatever stands above them.
        let condition = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *request);
        SeccompRule::new(vec![condition.map_err(io::Error::other)?]).map_err(io::Error::other)
    };
    let rules: Vec<SeccompRule> = TYPES.iter().map(rule).collect::<io::Result<_>>()?;
    let rules = BTreeMap::from([(libc::SYS_ioctl, rules)]);
    let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}
