//! SIGKILL of Cascade at any moment of a hundred runs.

use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

use crate::aftermath::{Seen, check};
use crate::site::{Site, ended, wait_for};

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
        let mut command = site.cascade(&[json, &["run", "--", "sh", "-c", script, &name]].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let process = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        let moment = pace.mul_f64(3.0 * random.fraction());
        let killer = thread::spawn(move || {
            if !wait_for(&process, moment) {
                // Fails when it ended just now.
                _ = rustix::process::pidfd_send_signal(&process, Signal::KILL);
            }
        });
        let done = ended(child, b"");
        killer.join().unwrap();
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

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        u32::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap()
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        f64::from(self.next()) / f64::from(u32::MAX)
    }
}
