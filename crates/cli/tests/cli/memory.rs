//! What a verifier remembers shows rollbacks and second histories, without any witness.

use std::path::Path;

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

#[test]
fn a_memory_that_cannot_be_used_is_said() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let ledger = exported(&site, "ledger.receipts.jsonl");
    verify(&site, &ledger, &[]).expect(0);
    let state = site.path("user/.local/state/cascade/verify");
    let file = std::fs::read_dir(&state).unwrap().flatten().map(|entry| entry.path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
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
