//! From facts to decision, with four relevant policies among many.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cascade_policy::decide::decide;
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::json;
use cascade_runtime::hypothesis;

use crate::{per_second, percentile};

/// Microseconds from facts to decision, building the request included.
#[derive(Clone, Copy, Debug)]
pub struct Decide {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
}

/// One permit and three forbids whose scope matches the request and whose conditions look at it.
const RELEVANT: &str = r#"
permit (principal is Person, action == Action::"exec", resource);
forbid (principal, action == Action::"exec", resource == Program::"git") when { context.tier > 2 };
forbid (principal, action, resource == Program::"git") when { context.cwd like "/prod*" };
forbid (principal is Person, action == Action::"exec", resource) unless { context.hour < 24 };
"#;

fn facts() -> Facts {
    let mut facts = hypothesis::shell_line(b"", Some("person"));
    let words = ["git", "commit", "-m", "fix the parser"];
    facts.action.invocation = cascade_policy::facts::Invocation::Cli(words.map(Vec::from).to_vec());
    facts
}

fn snapshot(policies: usize) -> anyhow::Result<Snapshot> {
    let mut text = RELEVANT.to_owned();
    for number in 4..policies {
        let scope = match number % 3 {
            0 => format!("principal in Group::\"g{number}\", action == Action::\"exec\", resource"),
            1 => format!("principal, action == Action::\"exec\", resource == Program::\"p{number}\""),
            _ => format!(
                "principal is Agent in Group::\"g{number}\", action, resource in Family::\"f{number}\""
            ),
        };
        writeln!(text, "forbid ({scope}) when {{ context.tier > 1 }};")?;
    }
    let mut source = SnapshotSource::bundled();
    source.policies = vec![("bench.cedar".to_owned(), text)];
    Snapshot::compile(&source).map_err(|faults| anyhow::anyhow!("{faults:?}"))
}

/// Times `decisions` decisions.
pub(crate) fn time(policies: usize, decisions: usize) -> anyhow::Result<Decide> {
    let (snapshot, facts) = (snapshot(policies)?, facts());
    // Manifests and policies are parsed on first use.
    drop(black_box(decide(&snapshot, &facts)));
    let mut times: Vec<f64> = (0..decisions)
        .map(|_| {
            let started = Instant::now();
            drop(black_box(decide(&snapshot, black_box(&facts))));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let count = u32::try_from(times.len().max(1)).unwrap_or(u32::MAX);
    let mean = times.iter().sum::<f64>() / f64::from(count);
    Ok(Decide { mean, p50: percentile(&times, 50), p99: percentile(&times, 99) })
}

/// Stored facts read back and decided again.
pub(crate) fn replay_per_s(each: Duration) -> anyhow::Result<f64> {
    let snapshot = snapshot(10)?;
    let stored = facts().to_json().to_canonical();
    per_second(each, || {
        let value = json::parse_canonical(stored.as_bytes())?;
        let facts = Facts::from_json(&value)?;
        drop(black_box(decide(&snapshot, &facts)));
        Ok(())
    })
}
