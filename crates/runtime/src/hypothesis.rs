//! Facts of an action nobody asks for yet: what would be decided about a shell line or a command.

use std::os::unix::ffi::OsStrExt as _;

use cascade_ledger::{Fault, PrincipalKind as NameKind, Reader};
use cascade_policy::facts::{
    Action, Authentication, Delegator, Facts, Invocation, Principal, PrincipalKind, Stdin, Tenant,
};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::id::PrincipalId;

use crate::facts::{self, Command};
use crate::own_home;
use crate::people::{Person, Whom};

/// Nobody's id: hypothetical facts enter no chain.
const NOBODY: PrincipalId = PrincipalId([0; 8]);
/// The id of whoever `--as` names and is not the caller.
const SOMEBODY: PrincipalId = PrincipalId([1; 8]);

/// Lets the line be one of this chain: how its tenant stands, and who the caller is in it, and which words lead into its home. What only a real action
/// has (grants, approvals) stays out.
///
/// # Errors
/// When the ledger cannot be read.
pub fn within(ledger: &Reader, snapshot: &Snapshot, facts: &mut Facts) -> Result<(), Fault> {
    facts.tenant = facts::tenant(&ledger.present()?)?;
    facts.action.home = own_home::look(ledger, snapshot.registry(), &facts.action, &[]);
    let name = Person::current().name;
    let own =
        ledger.names()?.into_iter().find(|(_, known)| known.kind == NameKind::Person && known.name == name);
    let entry = own.map(|(id, _)| ledger.person(id)).transpose()?.flatten();
    let groups = entry.as_ref().map(facts::groups_beside_admins).unwrap_or_default();
    let admin = entry.as_ref().is_some_and(cascade_ledger::Person::is_admin);
    match &mut facts.on_behalf_of {
        Some(person) => (person.groups, person.admin) = (groups, admin),
        None if facts.assumed.is_none() => (facts.principal.groups, facts.principal.admin) = (groups, admin),
        None => {}
    }
    Ok(())
}

/// A command as an agent of the caller would submit it, or as `whom` says. The files that it names are not looked at.
#[must_use]
pub fn command(snapshot: &Snapshot, command: &Command, whom: Option<&str>) -> Facts {
    let mut facts = of_action(Invocation::Cli(command.argv_bytes()), whom);
    facts.action.cwd = command.cwd.as_os_str().as_bytes().to_vec();
    facts.action.env = command.governing_env(snapshot);
    facts.action.stdin = command.input.fact();
    facts.action.script = command.script();
    facts
}

/// A shell line as an agent of the caller would submit it, or as `whom` says.
#[must_use]
pub fn shell_line(line: &[u8], whom: Option<&str>) -> Facts {
    of_action(Invocation::Shell(line.to_vec()), whom)
}

fn of_action(invocation: Invocation, whom: Option<&str>) -> Facts {
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
            invocation,
            executable: None,
            cwd: cwd.as_os_str().as_bytes().to_vec(),
            env: Vec::new(),
            stdin: Stdin::None,
            script: None,
            files: Vec::new(),
            defaults: Vec::new(),
            home: Vec::new(),
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
        break_glass: None,
        unreviewed: Vec::new(),
        dry_run: false,
    }
}
