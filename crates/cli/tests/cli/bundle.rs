//! Bundles: made, checked by three verifiers, unpacked, and lied about.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::site::{Done, Site, finish};
use crate::verifiers;

/// The verdict on a bundle, about which the verifiers agree: `valid`, or code and seq.
fn verdict(site: &Site, bundle: &Path, more: &[&str]) -> (String, Option<u64>) {
    let ours = {
        let mut command = site.program(verifiers::binary());
        command.arg(bundle).args(["--json", "--no-memory"]).args(more);
        finish(command, b"")
    };
    let theirs = {
        let mut command = verifiers::python_command();
        command.arg(bundle).arg("--json").args(more);
        finish(command, b"")
    };
    let said = answer(&ours);
    assert_eq!(answer(&theirs), said, "{}", bundle.display());
    let args = ["--json", "verify", bundle.to_str().unwrap(), "--no-memory"];
    assert_eq!(answer(&site.run(&[&args, more].concat())), said);
    said
}

fn answer(done: &Done) -> (String, Option<u64>) {
    let document = done.json();
    let failed =
        document["checks"].as_array().unwrap().iter().find(|check| check["outcome"] == "fail").cloned();
    let valid = failed.is_none();
    assert_eq!((&document["valid"], done.status.code()), (&json!(valid), Some(if valid { 0 } else { 4 })));
    match failed {
        None => ("valid".to_owned(), None),
        Some(check) => (check["code"].as_str().unwrap().to_owned(), check["seq"].as_u64()),
    }
}

/// An approved run among others, before and after a change of keys. Gives the approved run's closer.
fn history(site: &Site) -> String {
    site.run(&["run", "--", "echo", "before"]).expect(0);
    let asked = site.run(&["--json", "--as", "agent:k", "run", "--", "nosuchtool"]).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap().to_owned();
    site.run(&["approve", &id]).expect(0);
    site.run(&["key", "rotate"]).expect(0);
    site.run(&["--as", "agent:k", "run", "--approval", &id]).expect(1);
    let closer = site.last().id().to_owned();
    site.run(&["run", "--", "echo", "after"]).expect(0);
    closer
}

fn create(site: &Site, args: &[&str]) -> PathBuf {
    let path = site.path("x.bundle");
    let out = ["bundle", "create", "--out", path.to_str().unwrap()];
    site.run(&[&out, args].concat()).expect(0);
    path
}

fn statement(bundle: &Path) -> Value {
    let envelope: Value = serde_json::from_slice(&std::fs::read(bundle).unwrap()).unwrap();
    let payload = cascade_receipt::base64::decode(envelope["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn an_action_can_be_handed_over_alone() {
    let site = Site::new();
    let closer = history(&site);
    let (_, key) = site.hand_over();
    let pinned = ["--public-key", key.to_str().unwrap()];
    let bundle = create(&site, &[&closer, "--action", "--disclose", "action_hash", "--replayable"]);
    assert_eq!(verdict(&site, &bundle, &pinned), ("valid".to_owned(), None));
    let said = statement(&bundle);
    let subjects = said["subject"].as_array().unwrap().len();
    // Escalation, approval, intent, closer; genesis and the rotation came along.
    assert_eq!((subjects, said["predicate"]["receipts"].as_array().unwrap().len()), (4, 6));
    let disclosed = std::fs::read_to_string(&bundle).unwrap();
    assert!(!disclosed.contains("echo"), "nothing of others");

    let dir = site.path("unpacked");
    site.run(&["bundle", "unpack", bundle.to_str().unwrap(), "--out", dir.to_str().unwrap()]).expect(0);
    let note = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("key.pem")).unwrap(), std::fs::read_to_string(&key).unwrap());
    let proofs: Vec<_> =
        std::fs::read_dir(dir.join("proofs")).unwrap().map(|one| one.unwrap().path()).collect();
    assert_eq!(proofs.len(), 6);
    for proof in proofs {
        let text = std::fs::read_to_string(&proof).unwrap();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex ") && text.ends_with(&note), "{text}");
    }
    let action = std::fs::read_dir(dir.join("disclosures")).unwrap();
    let action = action
        .map(|one| one.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "action_hash"));
    assert!(std::fs::read_to_string(action.unwrap()).unwrap().contains("nosuchtool"));
    assert!(std::fs::read_dir(dir.join("snapshots")).unwrap().count() > 3);
    site.run(&["bundle", "unpack", bundle.to_str().unwrap(), "--out", dir.to_str().unwrap()])
        .expect_failure(1, "couldn't make");
}

#[test]
fn a_range_stays_valid_when_what_it_left_out_is_erased() {
    let site = Site::new();
    let closer = history(&site);
    let bundle = create(&site, &["--range", "0..6"]);
    assert_eq!(verdict(&site, &bundle, &[]).0, "valid");
    site.run(&["erase", &closer]).expect(0);
    assert_eq!(verdict(&site, &bundle, &[]).0, "valid");
    // A new one still proves the receipts, and cannot disclose what is gone.
    let again = create(&site, &[&closer, "--action"]);
    assert_eq!(verdict(&site, &again, &[]).0, "valid");
    let args = ["bundle", "create", &closer, "--action", "--disclose", "facts_hash"];
    site.run(&args).expect_failure(1, "is erased");
}

#[test]
fn wishes_that_cannot_be_met_are_refused() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    for (args, code, words) in [
        (vec!["bundle", "create"], 2, "required"),
        (vec!["bundle", "create", "r_0000000000000000"], 1, "no receipt"),
        (vec!["bundle", "create", "r_"], 1, ""),
        (vec!["bundle", "create", "--range", "2..9"], 1, "has 3 receipts"),
        (vec!["bundle", "create", "--range", "2..2"], 2, "100..200"),
        (vec!["bundle", "create", "--range", "0..1", "--disclose", "action_hash"], 1, "nothing private"),
        (vec!["bundle", "create", "--range", "0..1", "--disclose", "argv"], 2, "argv"),
        (vec!["bundle", "unpack", "/nowhere.bundle"], 1, "couldn't open"),
    ] {
        let done = site.run(&args).expect(code);
        assert!(done.stderr.contains(words), "{args:?}: {}", done.stderr);
    }
}

#[test]
fn a_changed_bundle_is_found_and_not_unpacked() {
    let site = Site::new();
    let closer = history(&site);
    let bundle = create(&site, &[&closer, "--action", "--disclose", "action_hash"]);
    let whole = std::fs::read(&bundle).unwrap();
    let changed = site.path("changed.bundle");
    let mut found = Vec::new();
    for at in (0..whole.len() - 1).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&changed, bytes).unwrap();
        let (code, _) = verdict(&site, &changed, &[]);
        assert_ne!(code, "valid", "byte {at}");
        found.push(code);
    }
    assert!(found.iter().any(|code| code != "bundle.malformed"), "{found:?}");
    let out = site.path("never");
    let args = ["bundle", "unpack", changed.to_str().unwrap(), "--out", out.to_str().unwrap()];
    site.run(&args).expect_failure(4, "not valid");
    assert!(!out.exists());
}

/// Two gigabytes that begin like a bundle: refused after the first 64 MiB, in bounded memory.
#[test]
fn a_huge_bundle_is_refused_early() {
    let site = Site::new();
    let path = site.path("huge.bundle");
    std::fs::write(&path, "{\"payload\":\"").unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(2 << 30).unwrap();
    let mut command = site.program("sh");
    command.args(["-c", "ulimit -v 1000000; exec \"$@\"", "sh"]).arg(verifiers::binary());
    command.arg(&path).args(["--json", "--no-memory"]);
    assert_eq!(answer(&finish(command, b"")), ("bundle.size".to_owned(), Some(0)));
}

#[test]
fn the_memory_of_a_reader_finds_another_history() {
    let site = Site::new();
    history(&site);
    let ledger = site.path("whole.receipts.jsonl");
    site.run(&["export", "--out", ledger.to_str().unwrap()]).expect(0);
    let memory = site.path("memory");
    let check = |file: &Path| {
        let mut command = site.program(verifiers::binary());
        command.arg(file).args(["--json", "--memory"]).arg(&memory);
        answer(&finish(command, b""))
    };
    let bundle = create(&site, &["--range", "0..2"]);
    assert_eq!(check(&ledger).0, "valid");
    assert_eq!(check(&bundle).0, "valid", "the same size and root");
    let kept = std::fs::read_dir(&memory).unwrap().map(|one| one.unwrap().path());
    let kept = kept.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let mut known: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    known["root"] = json!("00".repeat(32));
    std::fs::write(&kept, known.to_string()).unwrap();
    assert_eq!(check(&bundle).0, "memory.fork");
}
