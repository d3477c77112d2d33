//! What is said when something goes wrong: what it was, once, and what really helps.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use crate::site::{Site, finish};

fn odd(site: &Site, args: &[&str]) -> Command {
    let mut command = site.cascade(args);
    command.arg(OsStr::from_bytes(b"\xff"));
    command
}

#[test]
fn hints_lead_on() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    std::fs::write(site.work("notes"), "no program").unwrap();
    for (args, code, words, hint) in [
        (&["show", "r_bad"][..], 1, "no receipt", "`cascade log`"),
        (&["approve", "r_bad"], 1, "no receipt", "`cascade approvals`"),
        (&["--tenant", "other", "log"], 1, "no tenant", "`cascade --tenant other init`"),
        (&["run", "--", "no-such-program"], 1, "`no-such-program`: there is no such program", "PATH"),
        (&["run", "--", "./notes"], 1, "`./notes`: it is no file that may be executed", "chmod"),
    ] {
        let done = site.run(args).expect_failure(code, words);
        let hints = done.stderr.split("hint: ").nth(1).unwrap();
        assert!(hints.contains(hint), "{args:?}: no `{hint}` in {hints}");
    }
    let long = "x".repeat(1_200_000);
    let words: Vec<&str> =
        long.as_bytes().chunks(100_000).map(|word| std::str::from_utf8(word).unwrap()).collect();
    let done =
        site.run(&[&["run", "--", "printf"], &words[..]].concat()).expect_failure(3, "longer or deeper");
    assert!(done.stderr.contains("shorter arguments"), "{}", done.stderr);
    let done = finish(odd(&site, &["shell-check", "--"]), b"").expect(3);
    assert!(done.stdout.contains("or no text"), "{}", done.stdout);
    site.assert_sound();
}

/// No cause is told twice, whatever the layers put around it.
#[test]
fn causes_are_told_once() {
    let site = Site::new();
    let asked = site.run(&["--json", "--as", "agent", "run", "--", "./deploy"]).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.set("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "other"]);
    for key in ["other.pub", "missing"] {
        let done = site.run(&["approve", id, "--key", key]).expect_failure(1, "couldn't sign");
        let error = done.stderr.lines().find(|line| line.contains("error: ")).unwrap();
        let mut parts: Vec<&str> = error.split(": ").collect();
        parts.sort_unstable();
        assert!(parts.windows(2).all(|pair| pair[0] != pair[1]), "{error}");
    }
    // A key that is another person's is a forgery, and is on record.
    let forged = site.run(&["approve", id, "--key", "other"]).expect(3);
    assert!(forged.stderr.contains("the signature does not verify"), "{}", forged.stderr);
    site.run(&["approve", id]).expect(0);
}

#[test]
fn wrong_usage_is_a_document_too() {
    let site = Site::new();
    for args in [
        &["--json", "run"][..],
        &["log", "--limit", "-1", "--json"],
        &["--json", "nonsense"],
        &["--json", "run", "--timeout", "soon", "--", "true"],
        &["--json", "--tenant", "../other", "log"],
    ] {
        let done = site.run(args).expect(2);
        let error = &done.json()["error"];
        assert_eq!(error["exit_code"], 2, "{args:?}");
        assert!(!error["message"].as_str().unwrap().is_empty() && error["hint"].is_string(), "{error}");
        assert!(!done.stderr.is_empty());
    }
    // What stands behind `--` is the command's.
    assert_eq!(site.run(&["run", "--nonsense", "--", "x", "--json"]).expect(2).stdout, "");
    assert!(site.run(&["--json", "--help"]).expect(0).stdout.contains("Usage"));
}

/// An approval lifts an escalation and never a denial; whoever approves one is told.
#[test]
fn what_stays_denied_is_not_approved() {
    let site = Site::new();
    let dry = |who: &str| {
        let args = ["--json", "--as", who, "run", "--dry-run", "--", "git", "push", "--force"];
        site.run(&args).expect(3).json()["receipt_id"].as_str().unwrap().to_owned()
    };
    let id = dry("agent");
    let refused = site.run(&["approve", &id]).expect(3);
    assert!(refused.stderr.contains("denied whoever approves it"), "{}", refused.stderr);
    assert!(site.last().reasons().contains(&"approval.stays_denied"));
    site.run(&["deny", &id]).expect(0);
    site.assert_sound();
}

#[test]
fn the_way_to_the_passphrase_is_not_handed_down() {
    let site = Site::new();
    let secret = site.path("passphrase");
    std::fs::write(&secret, "open sesame\n").unwrap();
    let mut init = site.cascade(&["init", "--passphrase"]);
    init.env("CASCADE_PASSPHRASE_FILE", &secret);
    finish(init, b"").expect(0);
    let mut command = site.cascade(&["run", "--", "env"]);
    command.env("CASCADE_PASSPHRASE_FILE", &secret);
    let seen = finish(command, b"").expect(0).stdout;
    assert!(!seen.contains("PASSPHRASE"), "{seen}");
    assert!(seen.contains("CASCADE_HOME=") && seen.contains("CASCADE_RUN="), "{seen}");
}

#[test]
fn a_memory_that_cannot_be_read() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    std::fs::write(site.work("memory"), "a file").unwrap();
    let done = site.run(&["verify", "--memory", "memory"]).expect(1);
    assert!(
        done.stderr.contains("couldn't read the memory") && done.stderr.contains("--no-memory"),
        "{}",
        done.stderr
    );
    site.run(&["verify", "--no-memory"]).expect(0);
}
