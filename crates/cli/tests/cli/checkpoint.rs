//! Checkpoints: what they show to a stranger, and that no second history is ever signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::{Done, Site, finish};
use crate::verifiers;

/// A stranger's verifier, who remembers nothing.
fn verify(site: &Site, ledger: &Path, checkpoint: &Path) -> Done {
    let mut command = site.program(verifiers::binary());
    command.arg(ledger).args(["--json", "--no-memory", "--checkpoint"]).arg(checkpoint);
    let ours = finish(command, b"");
    let mut theirs = verifiers::python_command();
    theirs.arg(ledger).args(["--json", "--checkpoint"]).arg(checkpoint);
    let theirs = finish(theirs, b"");
    assert_eq!((ours.status.code(), code(&ours)), (theirs.status.code(), code(&theirs)));
    ours
}

fn code(done: &Done) -> String {
    let checks = done.json()["checks"].clone();
    let failed = checks.as_array().unwrap().iter().find(|check| check["outcome"] == "fail").cloned();
    failed.map_or_else(|| "valid".to_owned(), |check| check["code"].as_str().unwrap().to_owned())
}

fn export(site: &Site, name: &str) -> PathBuf {
    let path = site.path(name);
    site.run(&["export", "--out", path.to_str().unwrap()]).expect(0);
    path
}

fn checkpoint(site: &Site, name: &str) -> PathBuf {
    let path = site.path(name);
    site.run(&["checkpoint", "--out", path.to_str().unwrap()]).expect(0);
    path
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

fn restore(site: &Site, backup: &Path) {
    std::fs::remove_dir_all(site.home()).unwrap();
    copy(backup, &site.home());
}

#[test]
fn a_checkpoint_covers_what_was_there() {
    let site = Site::new();
    for _ in 0..3 {
        site.run(&["run", "--", "true"]).expect(0);
    }
    let first = checkpoint(&site, "first.checkpoint");
    let again = checkpoint(&site, "again.checkpoint");
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(again).unwrap(), "the same tree, the same note");
    site.run(&["run", "--", "true"]).expect(0);
    let second = checkpoint(&site, "second.checkpoint");
    let ledger = export(&site, "whole.receipts.jsonl");
    for covered in [&first, &second] {
        assert_eq!(code(&verify(&site, &ledger, covered).expect(0)), "valid");
    }
    let text = std::fs::read_to_string(&ledger).unwrap();
    let cut: String = text.split_inclusive('\n').take(8).collect();
    let path = site.path("cut.receipts.jsonl");
    std::fs::write(&path, cut).unwrap();
    assert_eq!(code(&verify(&site, &path, &first).expect(0)), "valid");
    assert_eq!(code(&verify(&site, &path, &second).expect(4)), "checkpoint.truncated");

    let told = site.run(&["checkpoint", "--json"]).expect(0).json();
    assert_eq!(told["size"], 9);
    assert_eq!(told["checkpoint"].as_str().unwrap(), std::fs::read_to_string(&second).unwrap());
    let key = site.run(&["fsck"]).expect(0);
    assert!(key.stderr.contains("clean") || key.stdout.contains("clean"));
}

/// More than a tile of receipts; tiles lost, torn or of another chain are made again.
#[test]
fn tiles_may_be_lost_or_wrong() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let script = "i=0; while [ $i -lt 130 ]; do \"$0\" run --dry-run -- true 2>/dev/null >/dev/null & \
                  i=$((i+1)); [ $((i%8)) -eq 0 ] && wait; done; wait";
    for _ in 0..2 {
        site.set("sh", &["-c", script, crate::site::CASCADE]);
    }
    let tile = site.home().join("tenants/default/tiles/tile/0/000");
    let first = checkpoint(&site, "first.checkpoint");
    assert_eq!(std::fs::metadata(&tile).unwrap().len(), 256 * 32);
    let ledger = export(&site, "whole.receipts.jsonl");
    assert_eq!(code(&verify(&site, &ledger, &first).expect(0)), "valid");
    let good = std::fs::read(&tile).unwrap();
    let above = site.home().join("tenants/default/tiles/tile/1/000.p/1");
    for damage in [vec![], good[..100].to_vec(), vec![7; 256 * 32]] {
        std::fs::write(&tile, &damage).unwrap();
        // With the hash above it the tile is not even read; without it the damage shows.
        std::fs::remove_file(&above).unwrap();
        site.run(&["run", "--dry-run", "--", "true"]).expect(0);
        checkpoint(&site, "next.checkpoint");
        assert!(std::fs::read(&tile).unwrap() == good, "the tile was made again");
    }
    let ledger = export(&site, "whole.receipts.jsonl");
    assert_eq!(code(&verify(&site, &ledger, &site.path("next.checkpoint")).expect(0)), "valid");
}

#[test]
fn a_rolled_back_or_regrown_chain_is_not_signed_for() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let backup = site.path("backup");
    copy(&site.home(), &backup);
    site.run(&["run", "--", "touch", "evidence"]).expect(0);
    checkpoint(&site, "signed.checkpoint");
    let newest = site.path("newest");
    copy(&site.home(), &newest);

    restore(&site, &backup);
    let refused = site.run(&["checkpoint"]).expect(4);
    assert!(refused.stderr.contains("older copy"), "{}", refused.stderr);
    for _ in 0..2 {
        site.run(&["run", "--", "true"]).expect(0);
    }
    let refused = site.run(&["checkpoint"]).expect(4);
    assert!(refused.stderr.contains("another history"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
    // What was signed before convicts the regrown chain.
    let ledger = export(&site, "regrown.receipts.jsonl");
    assert_eq!(code(&verify(&site, &ledger, &site.path("signed.checkpoint")).expect(4)), "checkpoint.root");

    restore(&site, &newest);
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["checkpoint"]).expect(0);
}

/// What decayed in the table of checkpoints is signed again, not handed out.
#[test]
fn a_note_that_decayed_is_not_handed_out() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let first = checkpoint(&site, "first.checkpoint");
    let good = std::fs::read_to_string(&first).unwrap();
    let database = site.home().join("tenants/default/ledger.db");
    let code = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); \
                d.execute('update checkpoints set note = substr(note, 1, length(note) - 9) || ?', ('AAAAAAA=\\n',)); d.commit()";
    site.set("python3", &["-c", code, database.to_str().unwrap()]);
    let found = site.run(&["fsck"]).expect(4);
    assert!(found.stdout.contains("checkpoint.note"), "{}", found.stdout);
    let again = checkpoint(&site, "again.checkpoint");
    assert_eq!(std::fs::read_to_string(again).unwrap(), good, "the same tree, signed again");
    site.run(&["fsck"]).expect(0);
}

/// Receipts that are lost at the end leave a shorter chain that is valid: the head knows better.
#[test]
fn what_the_head_counts_must_be_there() {
    let site = Site::new();
    for _ in 0..3 {
        site.run(&["run", "--", "true"]).expect(0);
    }
    let database = site.home().join("tenants/default/ledger.db");
    let kept = site.path("kept");
    copy(&site.home(), &kept);
    for damage in [
        "delete from segments where first_seq > 4",
        "delete from segments where first_seq = 3",
        "update head set next_seq = next_seq - 1",
    ] {
        let code = format!(
            "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('{damage}'); d.commit()"
        );
        site.set("python3", &["-c", &code, database.to_str().unwrap()]);
        let out = site.path("out.receipts.jsonl");
        for args in [&["verify", "--no-memory"][..], &["export"], &["export", "--out", out.to_str().unwrap()]]
        {
            site.run(args).expect(4);
        }
        assert!(!out.exists(), "{damage}: half a ledger was written");
        restore(&site, &kept);
    }
    site.assert_sound();
}

#[test]
fn a_lost_guard_is_replaced_by_an_administrator() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let nothing = site.run(&["checkpoint", "--new-guard"]).expect(1);
    assert!(nothing.stderr.contains("no checkpoint was signed yet"), "{}", nothing.stderr);
    checkpoint(&site, "first.checkpoint");
    let guard = site.path("user/.local/state/cascade/guard");
    let file = std::fs::read_dir(&guard).unwrap().flatten().map(|entry| entry.path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let needless = site.run(&["checkpoint", "--new-guard"]).expect(1);
    assert!(needless.stderr.contains("nothing is wrong with it"), "{}", needless.stderr);
    assert_eq!(site.receipts().len(), 3, "a receipt of what did not happen");
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, &text[..20]).unwrap();
    let damaged = site.run(&["checkpoint"]).expect(1);
    assert!(damaged.stderr.contains("--new-guard"), "{}", damaged.stderr);
    site.run(&["checkpoint", "--new-guard"]).expect(0);
    site.run(&["checkpoint"]).expect(0);
    std::fs::remove_file(&file).unwrap();
    let refused = site.run(&["checkpoint"]).expect(1);
    assert!(refused.stderr.contains("--new-guard"), "{}", refused.stderr);
    site.run(&["--as", "agent:x", "checkpoint", "--new-guard"]).expect(3);
    site.run(&["checkpoint"]).expect(1);
    site.run(&["checkpoint", "--new-guard"]).expect(0);
    let receipt = site.last();
    assert_eq!(receipt.0["content"]["kind"], "recovery");
    assert_eq!(receipt.0["content"]["guard"]["size"], 4);
    site.run(&["checkpoint"]).expect(0);
    site.assert_sound();
}
