//! Facts of an action nobody asks for yet: what would be decided about a shell line.

use std::os::unix::ffi::OsStrExt as _;

use cascade_policy::facts::{
    Action, Authentication, Delegator, Facts, Invocation, Principal, PrincipalKind, Stdin, Tenant,
};
use cascade_receipt::id::PrincipalId;

use crate::facts;
use crate::people::{Person, Whom};

/// Nobody's id: hypothetical facts enter no chain.
const NOBODY: PrincipalId = PrincipalId([0; 8]);
/// The id of whoever `--as` names and is not the caller.
const SOMEBODY: PrincipalId = PrincipalId([1; 8]);

/// A shell line as an agent of the caller would submit it, or as `whom` says.
#[must_use]
pub fn shell_line(line: &[u8], whom: Option<&str>) -> Facts {
    let person = Person::current();
    let whom = whom.map_or_else(|| Whom::Agent(String::new()), |text| Whom::parse(text, &person));
    let agent = matches!(whom, Whom::Agent(_));
    let principal = Principal {
        id: NOBODY,
        kind: if agent { PrincipalKind::Agent } else { PrincipalKind::Person },
        authentication: if agent { Authentication::EnvironmentMarker } else { Authentication::OsUser },
        alive: true,
        admin: !agent,
        groups: Vec::new(),
    };
    let cwd = std::env::current_dir().unwrap_or_default();
    Facts {
        at: facts::now(),
        tenant: Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() },
        principal,
        on_behalf_of: agent.then(|| Delegator { id: SOMEBODY, groups: Vec::new(), admin: true, alive: true }),
        assumed: matches!(whom, Whom::Other(_)).then_some(SOMEBODY),
        action: Action {
            invocation: Invocation::Shell(line.to_vec()),
            executable: None,
            cwd: cwd.as_os_str().as_bytes().to_vec(),
            env: Vec::new(),
            stdin: Stdin::None,
            script: None,
            resource: None,
        },
        spec: None,
        answers: None,
        approvals: Vec::new(),
        grants: Vec::new(),
        budgets: Vec::new(),
        windows: Vec::new(),
        counters: Vec::new(),
        subject: None,
        dry_run: true,
    }
}
