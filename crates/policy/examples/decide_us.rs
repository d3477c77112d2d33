//! How long a decision takes, from facts to ruling, in microseconds: four relevant policies among
//! 10, 100 and 1,000 with every pack active. Prints one line for each, and what classification alone costs.
//!
//! `cargo run --release -p cascade-policy --example decide_us`
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::disallowed_methods, reason = "it measures time, it does not decide by it")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use cascade_policy::decide::decide;
use cascade_policy::facts::{
    Action, Authentication, Facts, Invocation, Principal, PrincipalKind, Stdin, Tenant,
};
use cascade_policy::pack;
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

const ROUNDS: usize = 20_000;

/// One permit and three forbids that match the scope of the request and look at its context.
const RELEVANT: &str = r#"
permit (principal is Person, action == Action::"exec", resource);
forbid (principal, action == Action::"exec", resource == Program::"git") when { context.tier > 2 };
forbid (principal in Group::"dev", action, resource == Program::"git") when { context.cwd like "/prod*" };
forbid (principal, action == Action::"exec", resource in Family::"vcs") unless { context.hour < 23 };
"#;

fn snapshot(policies: usize) -> Result<Snapshot, String> {
    let mut text = RELEVANT.to_owned();
    for number in 4..policies {
        let line = match number % 3 {
            0 => format!("(principal in Group::\"g{number}\", action == Action::\"exec\", resource)"),
            1 => format!("(principal, action == Action::\"exec\", resource == Program::\"p{number}\")"),
            _ => format!(
                "(principal is Agent in Group::\"g{number}\", action, resource in Family::\"f{number}\")"
            ),
        };
        writeln!(text, "forbid {line} when {{ context.tier > 1 }};").map_err(|error| error.to_string())?;
    }
    let mut source = SnapshotSource::bundled();
    source.policies = vec![("bench.cedar".to_owned(), text)];
    source.thresholds.families.insert("vcs".to_owned(), ["git".to_owned()].into());
    for (name, text) in pack::builtin_texts() {
        let families = pack::builtin(name).map(|pack| pack.manifest.families).unwrap_or_default();
        let programs = |family: String| (family, ["regulated".to_owned()].into());
        source.thresholds.families.extend(families.into_iter().map(programs));
        source.packs.push(((*name).to_owned(), text.clone()));
    }
    let compiled = Snapshot::compile(&source).map_err(|faults| format!("{faults:?}"))?;
    // The way of a process that starts: nothing is parsed yet.
    let blobs: Vec<_> = source.blobs().collect();
    let blob =
        |hash: &_| blobs.iter().find(|(other, _)| other == hash).map(|(_, text)| text.as_bytes().to_vec());
    let start = Instant::now();
    let loaded = Snapshot::load(compiled.document(), blob).map_err(|fault| fault.to_string())?;
    println!("{policies} policies: loaded in {} us", start.elapsed().as_micros());
    Ok(loaded)
}

fn facts() -> Facts {
    Facts {
        at: Timestamp::from_ms(1_767_614_400_000),
        tenant: Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() },
        principal: Principal {
            id: PrincipalId([1; 8]),
            kind: PrincipalKind::Person,
            authentication: Authentication::OsUser,
            alive: true,
            admin: false,
            groups: vec!["dev".to_owned(), "oncall".to_owned()],
        },
        on_behalf_of: None,
        assumed: None,
        action: Action {
            invocation: Invocation::Cli(["git", "commit", "-m", "fix the parser"].map(Vec::from).to_vec()),
            executable: None,
            cwd: b"/home/ada/work".to_vec(),
            env: vec![(b"PATH".to_vec(), b"/usr/local/bin:/usr/bin:/bin".to_vec())],
            stdin: Stdin::Terminal,
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

/// Nanoseconds of each round, sorted.
fn measure(mut work: impl FnMut()) -> Vec<u128> {
    work();
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos()
        })
        .collect();
    rounds.sort_unstable();
    rounds
}

fn report(name: &str, rounds: &[u128]) {
    let us = |ns: u128| format!("{}.{:02}", ns / 1000, ns % 1000 / 10);
    let count = u128::try_from(rounds.len()).unwrap_or(1).max(1);
    let mean = rounds.iter().sum::<u128>() / count;
    let at = |part: usize| rounds.get(rounds.len() * part / 100).copied().unwrap_or_default();
    println!("{name}: mean {} p50 {} p99 {} us", us(mean), us(at(50)), us(at(99)));
}

fn main() -> Result<(), String> {
    let facts = facts();
    for policies in [10, 100, 1000] {
        let snapshot = snapshot(policies)?;
        let start = Instant::now();
        let first = decide(&snapshot, &facts);
        println!("  first decision {} us, {}", start.elapsed().as_micros(), first.decision.verdict);
        report("  decide", &measure(|| drop(black_box(decide(&snapshot, black_box(&facts))))));
        let Invocation::Cli(argv) = &facts.action.invocation else { continue };
        let classify = || snapshot.registry().classify_argv(black_box(argv), &facts.action.env);
        report("  classify", &measure(|| drop(black_box(classify()))));
    }
    Ok(())
}
