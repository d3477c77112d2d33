//! SIGKILL of Cascade at any moment of a hundred runs.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::aftermath::{Seen, check};
use crate::random::Random;
use crate::site::{Site, killed};

const RUNS: u32 = 100;
/// How often the time that a short run takes on this machine is taken again: kills must hit runs, not
/// the start-up of a process on a busy machine.
const PACE_EVERY: u32 = 10;
/// The moments and scripts follow from it.
const SEED: u64 = 0x00C0_FFEE;

/// What runs: short and long, silent and loud, with children that stay behind, leave the session with an
/// empty environment, flood, or ignore signals. `$0` is the run's name.
const SCRIPTS: &[&str] = &[
    "touch effect-$0; echo $0",
    "touch effect-$0; echo $0; ./sleep 60 & echo more; ./sleep 0.1; echo end",
    "(setsid env -i \"$PWD/sleep\" 60 >/dev/null 2>&1 &); touch effect-$0; echo $0 >&2; ./sleep 0.2",
    "touch effect-$0; while :; do echo $0; done",
    "touch effect-$0; trap '' TERM INT HUP; echo $0; ./sleep 60",
    "touch effect-$0; exit 3",
];

#[test]
fn killed_at_any_moment() {
    let site = Site::new();
    symlink("/bin/sleep", site.work("sleep")).unwrap();
    site.run(&["init"]).expect(0);
    let mut random = Random(SEED);
    let mut seen = Vec::new();
    let mut pace = Duration::ZERO;
    for run in 0..RUNS {
        if run % PACE_EVERY == 0 {
            let start = Instant::now();
            site.run(&["run", "--", "true"]).expect(0);
            pace = start.elapsed();
        }
        let script = SCRIPTS[random.below(SCRIPTS.len())];
        let name = format!("run-{run}");
        let json: &[&str] = if random.below(4) == 0 { &["--json"] } else { &[] };
        let command = site.cascade(&[json, &["run", "--", "sh", "-c", script, &name]].concat());
        let done = killed(command, pace.mul_f64(3.0 * random.fraction()));
        seen.push(Seen::new(name, &done, json.is_empty()));
        // The chain can be read at once, whatever the dead process left.
        site.run(&["log", "--limit", "1"]).expect(0);
    }
    site.wait_until_quiet();
    // Whoever opens the chain next closes what is open.
    site.run(&["run", "--", "true"]).expect(0);
    let told = check(&site, &seen);
    assert!(told.unknown > 10 && told.closed > 10, "kills came only early or only late: {told:?}");
    assert!(told.no_intent > 0, "no kill came before the intent: {told:?}");
}
