//! What `doctor` says of a set-up, and that it leaves it as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::site::{Site, finish, script};

/// How a check stands; the worst of them, where there are several of that name.
fn standing<'a>(document: &'a Value, check: &str) -> &'a str {
    let all = document["checks"].as_array().unwrap().iter().filter(|one| one["check"] == check);
    let all: Vec<&str> = all.map(|one| one["standing"].as_str().unwrap()).collect();
    let worst = ["wrong", "advice", "fine"].into_iter().find(|word| all.contains(word));
    worst.unwrap_or_else(|| panic!("no check `{check}` in {document}"))
}

fn examined(site: &Site) -> Value {
    site.run(&["--json", "doctor"]).expect(0).json()
}

/// Every file below with its mode and the hash of its bytes; but for the table of locks that every reader of a database
/// takes part in.
fn everything(dir: &Path) -> Vec<(PathBuf, u32, u64)> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut all = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let found = std::fs::symlink_metadata(&path).unwrap();
        let mut hasher = DefaultHasher::new();
        if found.is_file() && !path.to_str().unwrap().ends_with("-shm") {
            std::fs::read(&path).unwrap().hash(&mut hasher);
        }
        if found.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.push((path, found.permissions().mode(), hasher.finish()));
    }
    all.sort();
    all
}

#[test]
fn a_home_that_is_not_there_is_not_made() {
    let site = Site::new();
    let before = everything(&site.path("."));
    let found = examined(&site);
    assert_eq!(standing(&found, "home"), "wrong");
    assert_eq!(found["sound"], false);
    site.run(&["doctor", "--check"]).expect(6);
    assert!(!site.home().exists());
    assert_eq!(everything(&site.path(".")), before);
}

#[test]
fn a_new_home_is_told_what_it_lacks_and_nothing_is_written() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let before = everything(&site.path("."));
    let done = site.run(&["doctor", "--all"]).expect(0);
    assert_eq!(everything(&site.path(".")), before, "it wrote something");
    assert!(done.stdout.lines().all(|line| line.contains("  ")), "{}", done.stdout);
    let found = examined(&site);
    for (check, expected) in [
        ("home", "fine"),
        ("home.private", "fine"),
        ("chain.end", "fine"),
        ("chain.halted", "fine"),
        ("chain.stopped", "fine"),
        ("chain.open", "fine"),
        ("chain.anchored", "advice"),
        ("chain.clock", "fine"),
        ("keys.recovery", "wrong"),
        ("keys.passphrase", "advice"),
        ("keys.guard", "fine"),
        // There was no SSH key, so one was made in the home.
        ("keys.admin", "advice"),
        ("policy", "fine"),
        ("policy.pack", "fine"),
        ("path.known", "fine"),
        ("kernel.subreaper", "fine"),
        ("kernel.ancestry", "fine"),
        ("shims", "advice"),
    ] {
        assert_eq!(standing(&found, check), expected, "{check}: {found}");
    }
    // Each of the two is told until it is gone.
    for name in ["recovery.pem", "hmac-master.hex"] {
        assert_eq!(standing(&examined(&site), "keys.recovery"), "wrong");
        std::fs::remove_file(site.path("home-recovery/default").join(name)).unwrap();
    }
    assert_eq!(standing(&examined(&site), "keys.recovery"), "fine");
}

#[test]
fn what_is_wrong_is_found() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let file = site.home().join("tenants/default/ledger.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(standing(&examined(&site), "home.private"), "wrong");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(standing(&examined(&site), "home.private"), "fine");

    site.run(&["checkpoint"]).expect(0);
    assert_eq!(standing(&examined(&site), "keys.guard"), "fine");
    std::fs::remove_dir_all(site.path("user/.local/state/cascade/guard")).unwrap();
    assert_eq!(standing(&examined(&site), "keys.guard"), "wrong");

    site.run(&["halt", "--reason", "test"]).expect(0);
    let halted = site.run(&["doctor", "--check"]).expect(6);
    assert!(
        halted.stdout.contains("chain.halted") && halted.stdout.contains("cascade resume"),
        "{}",
        halted.stdout
    );
}

#[test]
fn a_clock_that_went_back_is_told() {
    let site = Site::new();
    finish(site.ahead(&["init"]), b"").expect(0);
    assert_eq!(standing(&examined(&site), "chain.clock"), "wrong");
}

/// The chain of a home whose process was killed in the middle of a run.
#[test]
fn what_a_dead_process_left_open_is_told() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let began = site.work("began");
    script(&site.work("slow.sh"), "#!/bin/sh\n: > began\nexec sleep 600\n");
    let mut child = site.cascade(&["run", "--", "sh", "slow.sh"]).spawn().unwrap();
    while !began.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    assert_eq!(standing(&examined(&site), "chain.open"), "fine", "it runs");
    child.kill().unwrap();
    child.wait().unwrap();
    site.wait_until_quiet();
    let found = examined(&site);
    assert_eq!(standing(&found, "chain.open"), "wrong", "{found}");
    site.run(&["run", "--", "true"]).expect(0);
    assert_eq!(standing(&examined(&site), "chain.open"), "fine");
}

#[test]
fn one_that_cannot_be_looked_at_is_no_sound_one() {
    let site = Site::new();
    std::fs::create_dir(site.home()).unwrap();
    std::fs::write(site.home().join("VERSION"), "999\n").unwrap();
    site.run(&["doctor"]).expect_failure(1, "couldn't open the ledger");
}
