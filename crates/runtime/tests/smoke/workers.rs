//! The processes themselves: what they hold, how many there are, and what becomes of one that breaks.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cascade_runtime::smoke::{Called, Gates, Options, Smoke, SmokeError, WORKER_ARG, limits};
use rustix::process::{Pid, Signal};

use crate::kit::{AMPLE, Tests, asks, named};

pub(crate) fn tests() -> Tests {
    vec![
        ("a_worker_holds_nothing", a_worker_holds_nothing),
        ("an_idle_worker_that_died_is_replaced", an_idle_worker_that_died_is_replaced),
        ("the_hidden_verb_typed_by_a_person_ends", the_hidden_verb_typed_by_a_person_ends),
        ("warmed_workers_wait", warmed_workers_wait),
        ("terminal_signals_are_not_for_workers", terminal_signals_are_not_for_workers),
        ("a_start_that_takes_too_long", a_start_that_takes_too_long),
        ("a_worker_is_replaced_in_time", a_worker_is_replaced_in_time),
        ("no_worker_outlives_cascade", no_worker_outlives_cascade),
        ("a_worker_killed_from_outside", a_worker_killed_from_outside),
        ("eight_callers_at_once", eight_callers_at_once),
        ("waiting_for_a_worker_counts", waiting_for_a_worker_counts),
        ("no_worker_outlives_its_pool", no_worker_outlives_its_pool),
    ]
}

/// What makes this binary a host.
pub(crate) const HOST: &str = "__host";
const ONE: &str = "def f(x=1):\n    return x\n";
const LOOP: &str = "def f():\n    while True:\n        pass\n";

fn start(gates: Gates, workers: usize) -> Smoke {
    Smoke::start(&Options { gates, workers, ..Options::default() }).unwrap()
}

/// Workers among the children of this process, and the interpreters that they became.
fn workers() -> BTreeSet<i32> {
    workers_of(std::process::id())
}

fn workers_of(process: u32) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut parents = vec![process.to_string()];
    while let Some(parent) = parents.pop() {
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
                let ours = line.split(|byte| *byte == 0).nth(1);
                if ours == Some(WORKER_ARG.as_bytes()) || ours == Some(b"-s") {
                    found.insert(child.parse().unwrap());
                    parents.push(child.to_owned());
                }
            }
        }
    }
    found
}

/// Waits for a condition of other processes; nobody tells when it comes true.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}

/// Whether it examines by itself, and is not on its way to become an interpreter for some other test.
fn is_monty(pid: i32) -> bool {
    let words = ["cascade", WORKER_ARG].map(|word| format!("{word}\0")).concat();
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == words.as_bytes())
}

fn new_worker(before: &BTreeSet<i32>) -> i32 {
    let mut found = None;
    until("a worker", || {
        found = workers().difference(before).copied().find(|pid| is_monty(*pid));
        found.is_some()
    });
    found.unwrap()
}

fn a_worker_holds_nothing() {
    let before = workers();
    // One that stays open when another program is executed, as careless parents have them.
    let careless = rustix::io::dup(fs::File::open("/etc/passwd").unwrap()).unwrap();
    let smoke = start(Gates::Monty, 1);
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
    let pid = new_worker(&before);
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
        assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
        assert!(status.contains("\nCapEff:\t0000000000000000\nCapBnd:"), "{status}");
        assert!(status.contains("\nCapPrm:\t0000000000000000\n"), "{status}");
    }
    assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap().to_str(), Some("/"));
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[26..].split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(["Max file size", "Max processes", "Max core file size"].map(limit), [0; 3]);
    assert_eq!(limit("Max open files"), 3);
    assert!(limit("Max cpu time") < 120);
    assert!(limit("Max address space") < 2 << 30, "{limits}");
    let mut open = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        open.push(fs::read_link(entry.unwrap().path()).unwrap().to_string_lossy().into_owned());
    }
    let own = |target: &&String| {
        target.starts_with("socket:") || target.starts_with("pipe:") || *target == "/dev/null"
    };
    assert_eq!(open.iter().filter(own).count(), open.len(), "{open:?}");
    // Its channel three times over: as standard input, for the examination, and for who watches.
    let sockets: BTreeSet<_> = open.iter().filter(|target| target.starts_with("socket:")).collect();
    assert_eq!((sockets.len(), open.len()), (1, 5), "{open:?}");
    drop(careless);
}

fn an_idle_worker_that_died_is_replaced() {
    let before = workers();
    let smoke = start(Gates::Monty, 1);
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
    let victim = new_worker(&before);
    rustix::process::kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
    until("it to end", || {
        let stat = fs::read_to_string(format!("/proc/{victim}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
    });
    // Its threads let go of the channel one after the other; a job that meets the last of them is told of a crash.
    let checked = match smoke.check(&asks(ONE, "f(5)"), AMPLE) {
        Err(SmokeError::Crashed) => smoke.check(&asks(ONE, "f(5)"), AMPLE).unwrap(),
        other => other.unwrap(),
    };
    assert_eq!(checked.called, [Called::Value("5".to_owned())]);
}

fn warmed_workers_wait() {
    let before = workers();
    let smoke = start(Gates::Both, 1);
    smoke.warm();
    let new = |kind: fn(i32) -> bool| workers().difference(&before).copied().find(|pid| kind(*pid));
    until("both kinds", || new(is_monty).is_some() && new(is_candidate).is_some());
    let first = new(is_monty);
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
    assert_eq!(new(is_monty), first);
}

fn the_hidden_verb_typed_by_a_person_ends() {
    let own = std::env::current_exe().unwrap();
    let mut typed = Command::new(own);
    let mut typed = typed.arg(WORKER_ARG).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut ended = None;
    until("it to end", || {
        ended = typed.try_wait().unwrap();
        ended.is_some()
    });
    assert!(!ended.unwrap().success());
}

fn terminal_signals_are_not_for_workers() {
    let before = workers();
    let smoke = start(Gates::Monty, 1);
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
    let pid = Pid::from_raw(new_worker(&before)).unwrap();
    assert_eq!(rustix::process::getpgid(Some(pid)).unwrap(), pid);
}

/// Starting counts against the limit, too.
fn a_start_that_takes_too_long() {
    let smoke = start(Gates::Monty, 1);
    let started = Instant::now();
    assert_eq!(named(&smoke.check(&asks(ONE, "f()"), Duration::from_micros(50))), "timed out");
    assert!(started.elapsed() < Duration::from_secs(2));
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
}

fn a_worker_is_replaced_in_time() {
    let before = workers();
    let smoke = start(Gates::Monty, 1);
    let job = asks(ONE, "f()");
    smoke.check(&job, AMPLE).unwrap();
    let first = new_worker(&before);
    for _ in 2..limits::JOBS_MAX {
        smoke.check(&job, AMPLE).unwrap();
    }
    assert_eq!(new_worker(&before), first);
    smoke.check(&job, AMPLE).unwrap();
    smoke.check(&job, AMPLE).unwrap();
    assert_ne!(new_worker(&before), first);
}

/// Plays a Cascade in the middle of a check, to be killed there.
pub(crate) fn host(gates: &str) -> ExitCode {
    let gates = if gates == "monty" { Gates::Monty } else { Gates::CPython };
    drop(start(gates, 1).check(&asks(LOOP, "f()"), AMPLE));
    ExitCode::SUCCESS
}

fn no_worker_outlives_cascade() {
    for (gates, kind) in [("monty", is_monty as fn(i32) -> bool), ("cpython", is_candidate)] {
        let own = std::env::current_exe().unwrap();
        let mut host = Command::new(own).args([HOST, gates]).spawn().unwrap();
        let mut found = BTreeSet::new();
        until("a busy worker", || {
            found = workers_of(host.id());
            found.iter().any(|pid| kind(*pid) && ticks(*pid) > 30)
        });
        host.kill().unwrap();
        host.wait().unwrap();
        let started = Instant::now();
        until("its workers to end", || {
            !found.iter().any(|pid| fs::exists(format!("/proc/{pid}/environ")).unwrap_or(false))
        });
        // Not because their own limits ended them.
        assert!(started.elapsed() < AMPLE / 2, "{:?}", started.elapsed());
    }
}

/// Processor time of a process, in hundredths of a second.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(11)?.parse().ok());
    ticks.unwrap_or(0)
}

fn a_worker_killed_from_outside() {
    for gates in [Gates::Monty, Gates::CPython] {
        let before = workers();
        let smoke = start(gates, 1);
        let outcome = std::thread::scope(|scope| {
            let check = scope.spawn(|| smoke.check(&asks(LOOP, "f()"), AMPLE));
            let victim = busy(&before, if gates == Gates::Monty { is_monty } else { is_candidate });
            rustix::process::kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
            check.join().unwrap()
        });
        assert_eq!(named(&outcome), "crashed", "{gates:?}");
        let checked = smoke.check(&asks(ONE, "f(5)"), AMPLE).unwrap();
        assert_eq!(checked.called, [Called::Value("5".to_owned())], "{gates:?}");
    }
}

/// Whether it is the interpreter that runs the source.
fn is_candidate(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains("# The candidate:")
}

/// The process of a kind that burns time: it runs the source.
fn busy(before: &BTreeSet<i32>, kind: fn(i32) -> bool) -> i32 {
    let mut found = None;
    until("a busy worker", || {
        found = workers().difference(before).copied().find(|pid| kind(*pid) && ticks(*pid) > 30);
        found.is_some()
    });
    found.unwrap()
}

fn eight_callers_at_once() {
    for gates in [Gates::Both, Gates::CPython] {
        let before = workers();
        let smoke = start(gates, 3);
        let kind = if gates == Gates::Both { is_monty } else { is_candidate };
        let (most, seen) = mpsc::channel();
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let (smoke, most, before) = (&smoke, most.clone(), &before);
                scope.spawn(move || {
                    for round in 0..6 {
                        let asked = format!("f({caller}) * 100 + {round}");
                        let checked = smoke.check(&asks(ONE, &asked), AMPLE).unwrap();
                        let value = (caller * 100 + round).to_string();
                        assert_eq!(checked.called, [Called::Value(value)], "{gates:?}");
                        let new = workers().difference(before).filter(|pid| kind(**pid)).count();
                        most.send(new).unwrap();
                    }
                });
            }
        });
        drop(most);
        let count = seen.iter().max().unwrap();
        assert!((1..=3).contains(&count), "{gates:?}: {count}");
    }
}

fn waiting_for_a_worker_counts() {
    let smoke = start(Gates::Monty, 1);
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
    std::thread::scope(|scope| {
        let before = Instant::now();
        let busy = scope.spawn(|| smoke.check(&asks(LOOP, "f()"), Duration::from_secs(3)));
        until("the worker to be taken", || before.elapsed() > Duration::from_millis(200));
        let started = Instant::now();
        let waited = smoke.check(&asks(ONE, "f()"), Duration::from_millis(300));
        assert_eq!(named(&waited), "timed out");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(named(&busy.join().unwrap()), "timed out");
    });
    smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
}

fn no_worker_outlives_its_pool() {
    let before = workers();
    for gates in [Gates::Monty, Gates::CPython] {
        let smoke = start(gates, 2);
        smoke.check(&asks(ONE, "f()"), AMPLE).unwrap();
        drop(smoke);
    }
    // Other tests run beside this one only in other processes.
    until("the workers to end", || workers().difference(&before).next().is_none());
}
