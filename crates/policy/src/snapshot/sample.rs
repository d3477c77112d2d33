//! A made-up action, to try a schema on.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;
use cedar_policy::Schema;

use crate::cedar::World;
use crate::facts::{
    Action, Authentication, Delegator, Facts, Invocation, Principal, PrincipalKind, Stdin, Tenant,
};
use crate::worker::{Classification, Classified, Finding};

/// Checks that a schema fits what requests look like, with every optional member and without.
pub(super) fn conform(schema: &Schema) -> Result<(), String> {
    let families = [("sample".to_owned(), BTreeSet::from(["sample".to_owned()]))].into();
    for kind in PrincipalKind::ALL {
        for full in [false, true] {
            World::conform(schema, &facts(kind, full), &classification(), &families)?;
        }
    }
    Ok(())
}

fn facts(kind: PrincipalKind, full: bool) -> Facts {
    let groups = vec!["sample".to_owned()];
    let delegator = Delegator { id: PrincipalId([1; 8]), groups: groups.clone(), admin: true, alive: true };
    Facts {
        at: Timestamp::from_ms(0),
        tenant: Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() },
        principal: Principal {
            id: PrincipalId([2; 8]),
            kind,
            authentication: Authentication::OsUser,
            alive: true,
            admin: true,
            groups,
        },
        on_behalf_of: full.then_some(delegator),
        assumed: None,
        action: Action {
            invocation: Invocation::Cli(vec![b"sample".to_vec()]),
            executable: None,
            cwd: b"/".to_vec(),
            env: Vec::new(),
            stdin: Stdin::None,
            script: None,
            files: Vec::new(),
            resource: full.then(|| "sample".to_owned()),
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

fn classification() -> Classification {
    let sample = || "sample".to_owned();
    let finding = Finding { code: sample(), tier: RiskTier::Low, failfast: false, text: sample() };
    let command = Classified {
        words: vec![sample()],
        program: sample(),
        subcommand: String::new(),
        tier: RiskTier::Low,
        classified: true,
        findings: vec![finding],
    };
    Classification {
        tier: RiskTier::Low,
        classified: true,
        refused: None,
        failfast: Vec::new(),
        commands: vec![command],
        stdin_executes: false,
        obeyed: Vec::new(),
    }
}
