//! Several processes on one home at once.

use std::process::Stdio;
use std::thread;

use crate::site::{Site, ended};

const PROCESSES: usize = 8;
const RUNS_EACH: usize = 15;

/// The home does not exist yet, so its creation is part of the race.
#[test]
fn eight_processes_make_one_gapless_chain() {
    let site = Site::new();
    thread::scope(|scope| {
        for _ in 0..PROCESSES {
            scope.spawn(|| {
                for _ in 0..RUNS_EACH {
                    let mut command = site.cascade(&["run", "--", "true"]);
                    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                    ended(child, b"").expect(0);
                }
            });
        }
    });
    let receipts = site.receipts();
    assert_eq!(receipts.len(), 1 + PROCESSES * RUNS_EACH * 2);
    let seqs: Vec<u64> = receipts.iter().map(|receipt| receipt.content("seq").as_u64().unwrap()).collect();
    assert!(seqs.iter().copied().eq(0..seqs.len() as u64));
    let count = |kind| receipts.iter().filter(|receipt| receipt.kind() == kind).count();
    assert_eq!(count("task_started"), PROCESSES * RUNS_EACH);
    assert_eq!(count("task_completed"), PROCESSES * RUNS_EACH);
    site.assert_sound();
}
