//! A made-up action, to try a schema on.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;
use cedar_policy::Schema;

use crate::cedar::{Book, World, declared};
use crate::facts::{
    Action, Authentication, Delegator, Facts, Invocation, Principal, PrincipalKind, Stdin, Subject, Tenant,
};
use crate::resource::{Resource, ResourceKind};
use crate::worker::{Classification, Classified, Finding};

/// Checks that a schema fits what requests look like, with every optional member and without.
pub(super) fn conform(schema: &Schema) -> Result<(), String> {
    let families = [("sample".to_owned(), BTreeSet::from(["sample".to_owned()]))].into();
    let book = Book { families, ..Book::default() };
    let declared = declared(schema);
    for kind in PrincipalKind::ALL {
        for full in [false, true] {
            World::conform(schema, declared, &facts(kind, full), &classification(), &book)?;
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
            defaults: Vec::new(),
            home: Vec::new(),
            resource: full.then(|| "sample".to_owned()),
        },
        spec: None,
        answers: None,
        approvals: Vec::new(),
        grants: Vec::new(),
        budgets: Vec::new(),
        windows: Vec::new(),
        counters: Vec::new(),
        subject: full.then(|| Subject {
            id: PrincipalId([3; 8]),
            matter: None,
            zone: None,
            consents: Vec::new(),
            conversed: None,
            conversed_matter: None,
        }),
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
        resources: ResourceKind::ALL.map(Resource::unknown).to_vec(),
        sought: Vec::new(),
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
