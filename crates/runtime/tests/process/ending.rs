//! Nothing survives: timeouts, left-behind processes, and the death of Cascade at every step.

use std::fs;
use std::time::{Duration, Instant};

use cascade_runtime::process::{TERM_GRACE, sweep};

use crate::kit::{Host, Tests, alive, is_alive, send, supervisor_of, until};

pub(crate) fn tests() -> Tests {
    vec![
        ("timeouts_end_every_kind_of_escape", timeouts_end_every_kind_of_escape),
        ("a_revoked_run_ends_as_quickly_as_it_may", a_revoked_run_ends_as_quickly_as_it_may),
        ("silence_is_vouched_for", silence_is_vouched_for),
        ("a_timed_out_command_may_clean_up", a_timed_out_command_may_clean_up),
        ("left_behind_processes_are_ended", left_behind_processes_are_ended),
        ("killed_before_start_means_never_executed", killed_before_start_means_never_executed),
        ("killed_later_means_nothing_alive_when_the_lock_is_free", killed_later_means_nothing_alive),
        ("killed_supervisor_is_told_and_nothing_survives", killed_supervisor),
        ("a_failed_hook_ends_everything", a_failed_hook_ends_everything),
        ("a_held_lock_is_refused", a_held_lock_is_refused),
        ("sweep_ends_what_carries_the_marker", sweep_ends_what_carries_the_marker),
        ("signals_are_passed_on", signals_are_passed_on),
        ("a_stubborn_command_is_ended_by_the_third_signal", stubborn_command),
    ]
}

/// Scripts whose processes leave the process group, and that announce themselves by the file `up`.
const ESCAPES: [(&str, &str); 5] = [
    ("plain", "sleep 1000 & touch up; wait"),
    ("setsid", "setsid sleep 1000 & setsid sh -c 'sleep 1000' & touch up; wait"),
    ("double fork", "(setsid sh -c '(sleep 1000 & sleep 1000) & exec sleep 1000' &) ; touch up; sleep 1000"),
    (
        "deaf",
        "trap '' TERM HUP INT; (trap '' TERM; setsid sh -c 'while :; do sleep 1000; done' &); touch up; while :; do sleep 1000; done",
    ),
    (
        "respawn",
        "cat > r <<'E'\n#!/bin/sh\ntrap '' TERM\n\"$0\" &\nE\nchmod +x r; setsid ./r; touch up; sleep 1000",
    ),
];

fn timeouts_end_every_kind_of_escape() {
    for (name, script) in ESCAPES {
        let ran = Host::sh(&["timeout_ms=300"], script).run();
        assert_eq!((ran.code(), ran.get("status")), (124, "timed out"), "{name}");
        assert_eq!(alive(ran.id), [0; 0], "{name}");
    }
}

fn a_revoked_run_ends_as_quickly_as_it_may() {
    for (name, script) in ESCAPES {
        // Both ways of keeping output; a deadline that has passed already gives a deaf command no more time.
        for options in [&[][..], &["capture=1000"], &["timeout_ms=400"]] {
            let running = Host::sh(options, script).spawn();
            running.wait_for_file("up");
            fs::write(running.path("revoke"), "").unwrap();
            let ran = running.finish();
            let ended = ran.get("status");
            assert!(
                ended == "no longer admitted" || (ended == "timed out" && options.len() == 1),
                "{name}: {ended}"
            );
            assert_eq!(alive(ran.id), [0; 0], "{name}");
        }
    }
    // What it says at its end leaves as any output does; what it says before waits for the next word.
    let script = "trap 'echo bye; exit 0' TERM; touch up; echo hi; while :; do sleep 0.01; done";
    let running = Host::sh(&[], script).spawn();
    running.wait_for_file("up");
    fs::write(running.path("revoke"), "").unwrap();
    let ran = running.finish();
    assert_eq!((ran.code(), ran.stdout().as_str()), (98, "hi\nbye\n"));
    assert_eq!(ran.framed(1), b"hi\nbye\n");
}

fn silence_is_vouched_for() {
    for options in [&["trust_ms=200"][..], &["trust_ms=200", "capture=1000"]] {
        let running =
            Host::sh(options, "echo hi; touch up; while ! [ -e stop ]; do sleep 0.01; done").spawn();
        running.wait_for_file("up");
        let vouched = || {
            let events = running.text("events");
            events.lines().filter(|line| line.starts_with("segment ")).count()
        };
        until("three heartbeats", || vouched() >= 3);
        fs::write(running.path("stop"), "").unwrap();
        let ran = running.finish();
        assert_eq!((ran.code(), ran.framed(1)), (0, b"hi\n".to_vec()));
    }
}

fn a_timed_out_command_may_clean_up() {
    let script = "trap 'echo bye; touch cleaned; exit 3' TERM; touch up; while :; do sleep 0.01; done";
    let started = Instant::now();
    let ran = Host::sh(&["timeout_ms=500"], script).run();
    assert_eq!((ran.get("status"), ran.stdout().as_str()), ("timed out", "bye\n"));
    assert!(ran.dir.path().join("cleaned").exists());
    assert!(started.elapsed() < TERM_GRACE + Duration::from_secs(20));
}

fn left_behind_processes_are_ended() {
    for (script, survivors) in [
        ("(setsid sleep 1000 &); echo done", "1"),
        (
            "sleep 1000 & (setsid sh -c 'trap \"\" TERM; sleep 1000 & while :; do wait; done' &); echo done",
            "3",
        ),
        ("(setsid sh -c 'sleep 0.05; touch finished' &); echo done", "0"),
    ] {
        let ran = Host::sh(&[], script).run();
        assert_eq!((ran.code(), ran.stdout().as_str()), (0, "done\n"));
        assert_eq!(alive(ran.id), [0; 0], "{script}");
        assert_eq!(ran.get("survivors"), survivors, "{script}");
        assert_eq!(ran.dir.path().join("finished").exists(), survivors == "0");
    }
}

fn killed_before_start_means_never_executed() {
    // At a random moment of the handshake, and when it is complete.
    for round in 0..20 {
        let mut running = Host::sh(&["pause=prepared"], "touch executed").spawn();
        if round == 0 {
            running.wait_for_event("prepared");
            assert!(!running.lock_is_free());
        } else {
            let delay = Instant::now() + Duration::from_millis(round * 2);
            until("the moment", || Instant::now() >= delay);
        }
        running.kill_and_wait_for_lock();
        until("no process left", || running.alive().is_empty());
        assert!(!running.path("executed").exists());
    }
}

fn killed_later_means_nothing_alive() {
    for (name, script) in ESCAPES {
        let mut running = Host::sh(&[], script).spawn();
        running.wait_for_file("up");
        running.kill_and_wait_for_lock();
        assert_eq!(running.alive(), [0; 0], "{name}");
    }
    for pause in ["segment", "ended"] {
        let script = if pause == "segment" { "yes | head -c 20M; sleep 1000" } else { "echo hi" };
        let mut running = Host::sh(&[&format!("pause={pause}")], script).spawn();
        running.wait_for_event(pause);
        assert!(!running.lock_is_free(), "{pause}");
        running.kill_and_wait_for_lock();
        assert_eq!(running.alive(), [0; 0], "{pause}");
    }
}

fn killed_supervisor() {
    for (name, script) in ESCAPES {
        let running = Host::sh(&[], script).spawn();
        running.wait_for_file("up");
        send(supervisor_of(running.child.id()), "KILL");
        let ran = running.finish();
        assert_eq!((ran.code(), ran.get("status")), (99, "supervisor died"), "{name}");
        assert_eq!(alive(ran.id), [0; 0], "{name}");
    }
    // While Cascade still sees to the end of the run, its own hold on the lock counts.
    let running = Host::sh(&["pause=segment"], "echo hi; sleep 1000").spawn();
    running.wait_for_event("segment");
    let supervisor = supervisor_of(running.child.id());
    send(supervisor, "KILL");
    until("the supervisor's death", || !is_alive(supervisor));
    assert!(!running.lock_is_free());
    let mut running = running;
    running.kill_and_wait_for_lock();
    // Both are dead: this is what the sweep is for.
    sweep(running.id).unwrap();
    assert_eq!(running.alive(), [0; 0]);
}

fn a_failed_hook_ends_everything() {
    let ran = Host::sh(&["hook=fails"], "echo hi; (setsid sleep 1000 &); sleep 1000").run();
    assert_eq!(ran.code(), 1);
    assert!(ran.text("events").contains("broken ended the run: disk full"), "{}", ran.text("events"));
    assert!(ran.output.stdout.is_empty(), "nothing may leave");
    assert_eq!(alive(ran.id), [0; 0]);
}

fn a_held_lock_is_refused() {
    let host = Host::sh(&[], "touch executed");
    let lock = fs::File::create(host.dir.path().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let ran = host.run();
    assert!(ran.text("events").contains("refused couldn't prepare the run: its lock is held"));
    assert!(!ran.dir.path().join("executed").exists());
}

fn sweep_ends_what_carries_the_marker() {
    let running = Host::sh(&[], "setsid sleep 1000 & touch up; wait").spawn();
    running.wait_for_file("up");
    until("both processes", || running.alive().len() == 2);
    let swept = sweep(running.id).unwrap();
    assert_eq!((swept.ended >= 2, swept.left), (true, 0), "{swept:?}");
    assert_eq!(running.alive(), [0; 0]);
    assert_eq!(running.finish().get("status"), "ended by signal 9");
    assert_eq!(sweep(cascade_receipt::id::ReceiptId([0xee; 8])).unwrap().ended, 0);
}

fn signals_are_passed_on() {
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        let script = format!("trap 'echo got; exit 40' {signal}; touch up; while :; do sleep 0.01; done");
        let running = Host::sh(&[], &script).spawn();
        running.wait_for_file("up");
        running.signal(signal);
        let ran = running.finish();
        assert_eq!((ran.code(), ran.stdout().as_str()), (40, "got\n"), "{signal}");
        assert_eq!(ran.get("passed"), format!("Some({number})"));
    }
    // What says nothing of ending does not count as being told to end. 16 is SIGSTKFLT, which dash has no name for.
    for signal in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "16", "WINCH", "CONT"] {
        let script =
            format!("trap 'echo got' {signal}; trap 'exit 40' TERM; touch up; while :; do sleep 0.01; done");
        let running = Host::sh(&[], &script).spawn();
        running.wait_for_file("up");
        running.signal(signal);
        until("the signal", || running.text("frames").contains("got"));
        running.signal("TERM");
        let ran = running.finish();
        assert_eq!(
            (ran.code(), ran.stdout().as_str(), ran.get("passed")),
            (40, "got\n", "Some(15)"),
            "{signal}"
        );
    }
    // A command that does not catch one ends by it, and is told from one that was ended by Cascade.
    let ran = {
        let running = Host::sh(&[], "touch up; exec sleep 1000").spawn();
        running.wait_for_file("up");
        running.signal("USR1");
        running.finish()
    };
    assert_eq!((ran.code(), ran.get("status")), (138, "ended by signal 10"));
    let running = Host::sh(&[], "touch up; exec sleep 1000").spawn();
    running.wait_for_file("up");
    running.signal("INT");
    let ran = running.finish();
    assert_eq!((ran.code(), ran.get("status")), (130, "ended by signal 2"));
}

fn stubborn_command() {
    let script = "trap 'echo no' INT; touch up; while :; do sleep 0.01; done";
    let running = Host::sh(&[], script).spawn();
    running.wait_for_file("up");
    for count in 1..=3 {
        running.signal("INT");
        if count < 3 {
            until("the refusal", || running.text("frames").matches("no").count() == count);
        }
    }
    let ran = running.finish();
    assert_eq!((ran.code(), ran.get("status")), (130, "ended after Cascade received signal 2"));
    assert_eq!(alive(ran.id), [0; 0]);
}
