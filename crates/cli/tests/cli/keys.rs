//! Keys of a chain: put in another's place, added, taken back; in files and on a token.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::site::{Site, ended, finish, kinds};
use crate::verifiers;

fn keys(site: &Site) -> Vec<Value> {
    let listed = site.run(&["--json", "key", "list"]).expect(0).stdout;
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ids of the keys of a purpose in this state.
fn ids(site: &Site, purpose: &str, state: &str) -> Vec<String> {
    let wanted = |key: &&Value| key["purpose"] == purpose && key["state"] == state;
    keys(site).iter().filter(wanted).map(|key| key["key_id"].as_str().unwrap().to_owned()).collect()
}

fn recovery(site: &Site) -> String {
    site.path("home-recovery/default/recovery.pem").to_str().unwrap().to_owned()
}

/// What the verifiers say of the chain, with the key of genesis pinned.
fn verdict(site: &Site) -> Option<(String, u64)> {
    let (ledger, key) = site.hand_over();
    verifiers::agreed(&ledger, Some(&key), None).fault
}

fn signers(site: &Site) -> Vec<String> {
    site.receipts().iter().map(|one| one.content("key_id").as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_rotation_is_signed_by_the_old_key_and_the_rest_by_the_new() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let old = ids(&site, "receipt", "active").pop().unwrap();
    let new = site.run(&["key", "rotate"]).expect(0).stdout.trim().to_owned();
    site.run(&["run", "--", "true"]).expect(0);
    assert_eq!(ids(&site, "receipt", "retired"), [old.as_str()]);
    assert_eq!(ids(&site, "receipt", "active"), [new.as_str()]);
    assert_eq!(signers(&site), [&old, &old, &old, &old, &new, &new].map(String::as_str));
    let rotated = &site.receipts()[3];
    assert_eq!((rotated.kind(), rotated.content("retires")), ("key_rotated", &Value::from(old.as_str())));
    // What an outsider pins stays the key of genesis.
    assert_eq!(verdict(&site), None);
    site.assert_sound();
}

#[test]
fn a_run_that_was_on_its_way_is_closed_by_the_new_key() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut command = site.cascade(&["run", "--", "sh", "-c", "echo on; read line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let new = site.run(&["key", "rotate"]).expect(0).stdout.trim().to_owned();
    ended(child, b"\n").expect(0);
    assert_eq!(site.last().kind(), "task_completed");
    assert_eq!(signers(&site).last(), Some(&new));
    assert_eq!(verdict(&site), None);
    site.assert_sound();
}

#[test]
fn two_keys_sign_side_by_side() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let first = ids(&site, "receipt", "active").pop().unwrap();
    let second = site.run(&["key", "add"]).expect(0).stdout.trim().to_owned();
    site.run(&["--signing-key", &second, "run", "--", "true"]).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    assert_eq!(signers(&site), [&first, &first, &second, &second, &first, &first].map(String::as_str));
    assert_eq!(verdict(&site), None);
    for unusable in ["receipt+00000000", &ids(&site, "log", "active")[0], "nonsense"] {
        site.run(&["--signing-key", unusable, "run", "--", "true"]).expect_failure(1, "may not sign");
    }
    site.assert_sound();
}

#[test]
fn log_and_recovery_keys_change_with_the_recovery_key_alone() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["key", "rotate", "--for", "log"]).expect_failure(1, "recovery key");
    let wrong = site.home().join("tenants/default/keys/receipt.pem");
    let args = ["key", "rotate", "--for", "log", "--recovery-key", wrong.to_str().unwrap()];
    site.run(&args).expect_failure(1, "recovery key");
    let before = site.run(&["key", "export", "--log"]).expect(0).stdout;
    let old = site.run(&["checkpoint"]).expect(0).stdout;
    site.run(&["key", "rotate", "--for", "log", "--recovery-key", &recovery(&site)]).expect(0);
    assert!(site.run(&["key", "export", "--log"]).expect(0).stdout != before);
    let new = site.run(&["checkpoint"]).expect(0).stdout;
    let ledger = site.path("whole.receipts.jsonl");
    site.run(&["export", "--out", ledger.to_str().unwrap()]).expect(0);
    for (name, note) in [("old", old), ("new", new)] {
        let path = site.path(name);
        std::fs::write(&path, note).unwrap();
        let args = ["verify", ledger.to_str().unwrap(), "--checkpoint", path.to_str().unwrap()];
        site.run(&args).expect(0);
    }
    // A new recovery key works as the old one does, and may not come to lie in the home.
    let inside = site.home().join("rec");
    let rotate = ["key", "rotate", "--for", "recovery", "--recovery-key", &recovery(&site), "--recovery-out"];
    site.run(&[rotate.as_slice(), &[inside.to_str().unwrap()]].concat()).expect_failure(2, "inside the home");
    let outside = site.path("rec");
    site.run(&[rotate.as_slice(), &[outside.to_str().unwrap()]].concat()).expect(0);
    let key = outside.join("recovery.pem");
    site.run(&["key", "rotate", "--for", "log", "--recovery-key", key.to_str().unwrap()]).expect(0);
    assert_eq!(verdict(&site), None);
    site.assert_sound();
}

#[test]
fn a_key_that_is_taken_back_disputes_what_it_signed() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let stolen = ids(&site, "receipt", "active").pop().unwrap();
    let since = site.receipts()[1].content("timestamp").as_str().unwrap().to_owned();
    // A thief with the receipt key has another in its place, and one beside it.
    let heir = site.run(&["key", "rotate"]).expect(0).stdout.trim().to_owned();
    let revoke = |key: &str, since: &str, recovery: &str| {
        site.run(&["key", "revoke", key, "--recovery-key", recovery, "--since", since])
    };
    revoke("receipt+00000000", &since, &recovery(&site)).expect_failure(1, "no key");
    revoke(&stolen, "2999-01-01T00:00:00.000Z", &recovery(&site)).expect_failure(2, "future");
    revoke(&stolen, "yesterday", &recovery(&site)).expect_failure(2, "no time");
    let own = site.home().join(format!("tenants/default/keys/{heir}.pem"));
    revoke(&stolen, &since, own.to_str().unwrap()).expect_failure(1, "recovery key");
    let before = site.receipts().len();
    let new = revoke(&stolen, &since, &recovery(&site)).expect(0).stdout.trim().to_owned();
    // Both fell, and the replacement signs the very receipt that says so.
    assert_eq!(ids(&site, "receipt", "revoked"), [stolen.clone(), heir]);
    assert_eq!(ids(&site, "receipt", "active"), [new.as_str()]);
    assert_eq!(signers(&site)[before], new);
    site.run(&["run", "--", "true"]).expect(0);
    assert_eq!(verdict(&site), Some(("signature.disputed".to_owned(), 0)));
    // That is a verdict on the history and no damage of the disk.
    site.run(&["fsck"]).expect(0);
    revoke(&stolen, &since, &recovery(&site)).expect_failure(1, "no key");
}

#[test]
fn an_agent_and_a_stranger_change_no_keys() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for who in ["agent:k", "somebody"] {
        for what in ["rotate", "add"] {
            site.run(&["--as", who, "key", what]).expect_failure(3, "");
        }
    }
    assert_eq!(kinds(&site.receipts()), ["genesis", "blocked", "blocked", "blocked", "blocked"]);
    let made = std::fs::read_dir(site.home().join("tenants/default/keys")).unwrap().count();
    assert_eq!(made, 2, "a refusal leaves no key behind");
}

#[test]
fn keys_under_a_passphrase_stay_under_it() {
    let site = Site::new();
    let secret = site.path("passphrase");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let with = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CASCADE_PASSPHRASE_FILE", &secret);
        finish(command, b"")
    };
    with(&["init", "--passphrase"]).expect(0);
    let new = with(&["key", "rotate"]).expect(0).stdout.trim().to_owned();
    let file = site.home().join(format!("tenants/default/keys/{new}.pem"));
    assert!(std::fs::read_to_string(file).unwrap().contains("ENCRYPTED"));
    // The epoch key is sealed under the new key now.
    with(&["run", "--", "true"]).expect(0);
    site.run(&["run", "--", "true"]).expect_failure(1, "passphrase");
    let second = with(&["key", "add"]).expect(0).stdout.trim().to_owned();
    with(&["--signing-key", &second, "run", "--", "true"]).expect(0);
    with(&["run", "--", "true"]).expect(0);
    assert_eq!(verdict(&site), None);
}

/// A SoftHSM token of this test alone.
struct Token {
    config: PathBuf,
    module: PathBuf,
}

impl Token {
    fn new(site: &Site) -> Self {
        let dir = site.path("tokens");
        std::fs::create_dir(&dir).unwrap();
        let config = site.path("softhsm2.conf");
        std::fs::write(&config, format!("directories.tokendir = {}\n", dir.display())).unwrap();
        let places =
            ["/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm"];
        let module =
            places.iter().map(|place| Path::new(place).join("libsofthsm2.so")).find(|path| path.is_file());
        let made = Command::new("softhsm2-util")
            .env("SOFTHSM2_CONF", &config)
            .args(["--init-token", "--free", "--label", "cascade", "--pin", "1234", "--so-pin", "12345678"])
            .output()
            .expect("this test needs softhsm2-util");
        assert!(made.status.success(), "{made:?}");
        Self { config, module: module.expect("this test needs libsofthsm2.so") }
    }
}

#[test]
fn a_token_signs_and_keeps_its_key() {
    let site = Site::new();
    let token = Token::new(&site);
    let pin = |text: &str| {
        let path = site.path(&format!("pin-{text}"));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let with = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("SOFTHSM2_CONF", &token.config);
        finish(command, b"")
    };
    let (right, wrong) = (pin("1234"), pin("9999"));
    let module = token.module.to_str().unwrap();
    with(&["run", "--", "true"]).expect(0);
    let rotate = |label: &str, pin: &str| {
        with(&["key", "rotate", "--module", module, "--token", label, "--pin-file", pin])
    };
    rotate("other", &right).expect_failure(1, "no such token");
    rotate("cascade", &wrong).expect_failure(1, "wrong passphrase");
    with(&["key", "rotate", "--module", "/nowhere.so", "--token", "t", "--pin-file", &right]).expect(1);
    let key = rotate("cascade", &right).expect(0).stdout.trim().to_owned();
    let keys = site.home().join("tenants/default/keys");
    assert!(!keys.join(format!("{key}.pem")).exists(), "the private half is on the token alone");
    with(&["run", "--", "true"]).expect_failure(1, "passphrase");
    with(&["--passphrase-file", &wrong, "run", "--", "true"]).expect_failure(1, "wrong passphrase");
    for _ in 0..3 {
        with(&["--passphrase-file", &right, "run", "--", "true"]).expect(0);
    }
    assert_eq!(signers(&site).last(), Some(&key));
    assert_eq!(verdict(&site), None);
    site.run(&["fsck"]).expect(0);
    // Without the token nothing is signed, and nothing is lost.
    let before = site.receipts().len();
    std::fs::remove_dir_all(site.path("tokens")).unwrap();
    std::fs::create_dir(site.path("tokens")).unwrap();
    with(&["--passphrase-file", &right, "run", "--", "true"]).expect_failure(1, "token");
    assert_eq!(site.receipts().len(), before);
    assert_eq!(verdict(&site), None);
}
