//! SIGKILL at every step of one run: before each system call by which Cascade, its supervisor or the
//! command changes anything or tells another process something.

use std::collections::BTreeMap;
use std::path::Path;

use crate::aftermath::{Seen, check};
use crate::site::{CASCADE, Done, Site, finish};

/// Writing, making durable, locking, starting, ordering and reporting.
const CALLS: &[&str] = &[
    "pwrite64",
    "fsync",
    "fdatasync",
    "flock",
    "clone3",
    "execve",
    "sendmsg",
    "sendto",
    "recvmsg",
    "unlink",
];

/// One run whose effect is a file.
fn traced(site: &Site, name: &str, options: &[&str]) -> Done {
    let mut command = site.program("strace");
    // Not --seccomp-bpf: with it strace 6.1 injects errors but no signals.
    command.args(["--follow-forks", "--quiet=all"]).args(options);
    command.arg(format!("--trace={}", CALLS.join(",")));
    command.args([CASCADE, "run", "--", "sh", "-c", "touch effect-$0; echo $0", name]);
    finish(command, b"")
}

/// How often each call is made by the thread that makes it most: strace counts for each thread alone.
fn counts(trace: &Path) -> BTreeMap<&'static str, usize> {
    let text = std::fs::read_to_string(trace).unwrap();
    let mut made: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some(call) = CALLS.iter().find(|call| rest.trim_start().starts_with(&format!("{call}("))) {
            *made.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), count) in made {
        let entry: &mut usize = most.entry(call).or_default();
        *entry = count.max(*entry);
    }
    most
}

#[test]
fn killed_before_every_step() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let trace = site.path("trace");
    let whole = traced(&site, "whole", &[&format!("--output={}", trace.display())]).expect(0);
    let mut seen = vec![Seen::new("whole".to_owned(), &whole, true)];
    let counts = counts(&trace);
    for call in ["pwrite64", "flock", "execve", "sendmsg"] {
        assert!(counts.contains_key(call), "{call} is no longer how it is done: {counts:?}");
    }
    assert!(counts.contains_key("fsync") || counts.contains_key("fdatasync"), "{counts:?}");
    for (call, count) in counts {
        for nth in 1..=count {
            let name = format!("{call}-{nth}");
            let inject = format!("--inject={call}:signal=KILL:when={nth}");
            let done = traced(&site, &name, &["--output=/dev/null", &inject]);
            seen.push(Seen::new(name, &done, true));
            site.run(&["log", "--limit", "1"]).expect(0);
            site.wait_until_quiet();
            // Each time the next one opens the chain and closes what is open.
            site.run(&["run", "--", "true"]).expect(0);
        }
    }
    let told = check(&site, &seen);
    assert!(told.no_intent > 5 && told.unknown > 5 && told.closed > 1, "{told:?}");
}
