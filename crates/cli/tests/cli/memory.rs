//! What a verifier remembers shows rollbacks and second histories, without any witness.

use std::path::Path;

use cascade_receipt::digest::Digest;

use crate::site::{CASCADE, Done, Site, finish};
use crate::verifiers;

/// `cascade-verify` with the memory of its user.
fn verify(site: &Site, ledger: &Path, flags: &[&str]) -> Done {
    let mut command = site.program(verifiers::binary());
    command.arg(ledger).arg("--json").args(flags);
    finish(command, b"")
}

fn code(done: &Done) -> String {
    let checks = done.json()["checks"].clone();
    let failed = checks.as_array().unwrap().iter().find(|check| check["outcome"] == "fail").cloned();
    failed.map_or_else(|| "valid".to_owned(), |check| check["code"].as_str().unwrap().to_owned())
}

fn exported(site: &Site, name: &str) -> std::path::PathBuf {
    let path = site.path(name);
    site.run(&["export", "--out", path.to_str().unwrap()]).expect(0);
    path
}

#[test]
fn a_shorter_history_than_before_is_no_evidence() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let early = exported(&site, "early.receipts.jsonl");
    assert_eq!(code(&verify(&site, &early, &[]).expect(0)), "valid");
    site.run(&["run", "--", "true"]).expect(0);
    let late = exported(&site, "late.receipts.jsonl");
    assert_eq!(code(&verify(&site, &late, &[]).expect(0)), "valid");
    assert_eq!(code(&verify(&site, &late, &[]).expect(0)), "valid");
    assert_eq!(code(&verify(&site, &early, &[]).expect(4)), "memory.older_than_remembered");
    // A one-off neither looks nor remembers; another memory knows nothing yet.
    assert_eq!(code(&verify(&site, &early, &["--no-memory"]).expect(0)), "valid");
    let elsewhere = site.path("elsewhere");
    let flags = ["--memory", elsewhere.to_str().unwrap()];
    assert_eq!(code(&verify(&site, &early, &flags).expect(0)), "valid");
    assert_eq!(code(&verify(&site, &late, &[]).expect(0)), "valid");
}

#[test]
fn a_restored_backup_that_grew_again_is_a_fork() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let backup = site.path("backup");
    site.set("cp", &["-a", site.home().to_str().unwrap(), backup.to_str().unwrap()]);
    site.run(&["run", "--", "touch", "evidence"]).expect(0);
    site.run(&["verify"]).expect(0);
    std::fs::remove_dir_all(site.home()).unwrap();
    std::fs::rename(&backup, site.home()).unwrap();
    let local = site.run(&["verify", "--json"]).expect(4);
    assert_eq!(code(&local), "memory.older_than_remembered");
    for _ in 0..2 {
        site.run(&["run", "--", "true"]).expect(0);
    }
    assert_eq!(code(&site.run(&["verify", "--json"]).expect(4)), "memory.fork");
    // The same memory serves both programs.
    let ledger = exported(&site, "ledger.receipts.jsonl");
    assert_eq!(code(&verify(&site, &ledger, &[]).expect(4)), "memory.fork");
}

/// The one file of the memory.
fn remembered(site: &Site) -> std::path::PathBuf {
    let state = site.path("user/.local/state/cascade/verify");
    let mut files = std::fs::read_dir(state).unwrap().flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|end| end == "json")).unwrap()
}

/// Another chain of the same name is remembered, as if this one had been written anew from genesis on.
fn another_genesis(site: &Site) -> std::path::PathBuf {
    let file = remembered(site);
    let mut known: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let key = "5b".repeat(32);
    known["genesis_key"] = key.as_str().into();
    let name = Digest::of(format!("{}\n{key}", known["log_origin"].as_str().unwrap()).as_bytes());
    let path = file.with_file_name(format!("{name}.json"));
    std::fs::write(&path, known.to_string()).unwrap();
    path
}

#[test]
fn a_history_written_anew_under_another_genesis_key_is_a_fork() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let ledger = exported(&site, "ledger.receipts.jsonl");
    let key = site.path("key.pem");
    std::fs::write(&key, site.run(&["key", "export", "--public"]).expect(0).stdout).unwrap();
    let pinned = ["--public-key", key.to_str().unwrap()];
    verify(&site, &ledger, &[]).expect(0);
    let other = another_genesis(&site);
    // Whether this one was seen before or not, two chains claim one name.
    for own in [true, false] {
        if !own {
            std::fs::remove_file(remembered_but(&site, &other)).unwrap();
        }
        let done = verify(&site, &ledger, &[]).expect(4);
        assert_eq!(code(&done), "memory.fork", "own: {own}");
        assert_eq!(code(&site.run(&["verify", "--json"]).expect(4)), "memory.fork");
    }
    let done = verify(&site, &ledger, &pinned).expect(0);
    assert_eq!(code(&done), "valid");
    let said =
        |done: &Done| verifiers::not_proven(done).iter().any(|line| line.starts_with("memory: another"));
    assert!(said(&done), "{}", done.stdout);
    // It was remembered beside the other: from here on both need their key.
    assert_eq!(code(&verify(&site, &ledger, &[]).expect(4)), "memory.fork");
    std::fs::remove_file(other).unwrap();
    let done = verify(&site, &ledger, &[]).expect(0);
    assert!(!said(&done), "{}", done.stdout);
}

/// The file of the memory beside another.
fn remembered_but(site: &Site, other: &Path) -> std::path::PathBuf {
    let state = site.path("user/.local/state/cascade/verify");
    let mut files = std::fs::read_dir(state).unwrap().flatten().map(|entry| entry.path());
    files.find(|path| path != other && path.extension().is_some_and(|end| end == "json")).unwrap()
}

#[test]
fn a_memory_is_a_small_regular_file() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let ledger = exported(&site, "ledger.receipts.jsonl");
    verify(&site, &ledger, &[]).expect(0);
    let file = remembered(&site);
    let text = std::fs::read_to_string(&file).unwrap();
    // Three gigabytes that take no room on the disk.
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(3 << 30).unwrap();
    let done = verify(&site, &ledger, &[]).expect(1);
    assert!(done.stderr.contains("is damaged") && done.stderr.contains("--no-memory"), "{}", done.stderr);
    for place in [file.clone(), file.with_file_name("lock")] {
        std::fs::write(&file, &text).unwrap();
        site.run(&["run", "--", "true"]).expect(0);
        let longer = exported(&site, "longer.receipts.jsonl");
        std::fs::remove_file(&place).unwrap();
        site.set("mkfifo", &[place.to_str().unwrap()]);
        let done = verify(&site, &longer, &[]);
        assert!(done.stderr.contains("no regular file"), "{}", done.stderr);
        // What cannot be read is no verdict; what cannot be written leaves the verdict as it is.
        let wanted = if place == file { 1 } else { 0 };
        done.expect(wanted);
        std::fs::remove_file(&place).unwrap();
    }
}

#[test]
fn a_memory_that_cannot_be_used_is_said() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let ledger = exported(&site, "ledger.receipts.jsonl");
    verify(&site, &ledger, &[]).expect(0);
    let file = remembered(&site);
    let text = std::fs::read_to_string(&file).unwrap();
    for damage in ["", "{}", &text[1..], &text.replace("size", "Size"), &text.replace("/t/", "/u/")] {
        std::fs::write(&file, damage).unwrap();
        let done = verify(&site, &ledger, &[]).expect(1);
        assert!(done.stderr.contains("is damaged"), "{}", done.stderr);
    }
    // A place that cannot be written: the verdict stands, the reader is told.
    std::fs::remove_file(&file).unwrap();
    let blocked = site.path("blocked");
    std::fs::write(&blocked, "a file").unwrap();
    let inside = blocked.join("memory");
    let done = verify(&site, &ledger, &["--memory", inside.to_str().unwrap()]);
    assert!(done.stderr.contains("memory"), "{}", done.stderr);
    let mut both = site.program(CASCADE);
    both.args(["verify", "--no-memory", "--memory", "x"]);
    finish(both, b"").expect(2);
}
