//! Private keys, passphrases and what leaves the home at birth.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use cascade_ledger::{AppendError, Home, NewKeyPlace, OpenError, Passphrase, RecoveryKey, TenantId};
use cascade_receipt::content::{KeyAdded, RevocationStatement};
use cascade_receipt::id::KeyId;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;

use crate::chain;
use crate::fixture::{PERSON, birth, blocked, create, no_sweep, open, tenant};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec())
}

#[test]
fn a_passphrase_is_needed_and_only_the_right_one_opens() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_or_create(&dir.path().join("home")).unwrap();
    let (right, wrong) = (passphrase("correct horse"), passphrase("wrong"));
    let (ledger, recovery) = home.create_tenant(&tenant(), &birth(Some(&right))).unwrap();
    ledger.append(blocked("one")).unwrap();
    drop(ledger);
    let open = |passphrase| home.open_tenant(&tenant(), passphrase, &no_sweep);
    assert_eq!(open(None).unwrap_err(), OpenError::PassphraseNeeded);
    assert_eq!(open(Some(&wrong)).unwrap_err(), OpenError::WrongPassphrase);
    // The sealed epoch key is read again, after the ratchet that the first append made.
    let ledger = open(Some(&right)).unwrap();
    ledger.append(blocked("two")).unwrap();
    let receipts = chain::check(&ledger);
    let master = std::fs::read_to_string(recovery.master).unwrap();
    chain::check_tags(&receipts, &master, ledger.log_origin().as_str());
    let epochs: Vec<_> = receipts
        .iter()
        .map(|one| one.member("content").unwrap().member("hmac_key_id").unwrap().as_str().unwrap())
        .collect();
    assert_eq!(epochs, ["e0", "e1", "e1"], "genesis of the fixture is years old");
    // Looking needs no key.
    assert_eq!(chain::check(&home.open_tenant_read_only(&tenant()).unwrap()).len(), 3);
}

#[test]
fn openssl_reads_both_forms_of_the_keys() {
    let secret = passphrase("correct horse");
    for passphrase in [None, Some(&secret)] {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open_or_create(&dir.path().join("home")).unwrap();
        let (ledger, recovery) = home.create_tenant(&tenant(), &birth(passphrase)).unwrap();
        let public = |path: &Path| {
            let output = Command::new("openssl")
                .args(["pkey", "-pubout", "-passin", "pass:correct horse", "-in"])
                .arg(path)
                .output()
                .expect("this test needs the openssl program");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let keys = ledger.dir().join("keys");
        assert_eq!(public(&keys.join("receipt.pem")), ledger.public_key_pem());
        let log = public(&keys.join("log.pem"));
        assert!(log != ledger.public_key_pem() && public(&recovery.key) != log);
        let encrypted = std::fs::read_to_string(keys.join("log.pem")).unwrap().contains("ENCRYPTED");
        assert_eq!(encrypted, passphrase.is_some());
    }
}

#[test]
fn an_exposed_or_foreign_key_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = create(dir.path()).dir().join("keys/receipt.pem");
    let home = Home::open(&dir.path().join("home")).unwrap();
    let open = || home.open_tenant(&tenant(), None, &no_sweep).unwrap_err();
    for mode in [0o640, 0o604, 0o610] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(open(), OpenError::KeyExposed { path: path.clone(), mode });
    }
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::fs::copy(path.with_file_name("log.pem"), &path).unwrap();
    assert_eq!(open(), OpenError::KeyMismatch(path.clone()));
    std::fs::write(&path, "no key").unwrap();
    assert_eq!(open(), OpenError::KeyMismatch(path));
}

#[test]
fn a_chain_has_so_many_log_keys_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_or_create(&dir.path().join("home")).unwrap();
    let (ledger, recovery) = home.create_tenant(&tenant(), &birth(None)).unwrap();
    let recovery = RecoveryKey::load(&ledger, &recovery.key, None).unwrap();
    let add = || {
        let new = ledger.make_key(Purpose::Log, NewKeyPlace::Home).unwrap();
        let key = new.object().clone();
        let recovery_sig = Some(recovery.sign(&key.digest().0).unwrap());
        let added = KeyAdded { key, retires: None, principal: PERSON, recovery_sig, signatures: Vec::new() };
        ledger.append(ledger.key_draft(new, added).unwrap())
    };
    let revoke = |key_id: &KeyId, replace: bool| {
        let new = replace.then(|| ledger.make_key(Purpose::Log, NewKeyPlace::Home).unwrap());
        let statement = RevocationStatement {
            log_origin: ledger.log_origin().clone(),
            key_id: key_id.clone(),
            reason_code: "lost".to_owned(),
            compromised_since: Timestamp::from_ms(0),
            replacement: new.as_ref().map(|new| new.object().clone()),
        };
        ledger.append(ledger.revocation_draft(statement, new, &recovery).unwrap())
    };
    for _ in 1..Purpose::Log.active_max() {
        add().unwrap();
    }
    let full = AppendError::TooManyKeys { purpose: "log", most: 16 };
    assert_eq!(add().unwrap_err(), full);
    // One that is replaced when it is taken back makes room for the other; one that is gone makes room for one more.
    let key = |at: usize| ledger.keys().unwrap()[at].key_id.clone();
    let first = ledger.keys().unwrap().iter().position(|key| key.purpose == Purpose::Log).unwrap();
    revoke(&key(first), true).unwrap();
    assert_eq!(add().unwrap_err(), full);
    let last = ledger.keys().unwrap().len() - 1;
    revoke(&key(last), false).unwrap();
    add().unwrap();
    assert_eq!(add().unwrap_err(), full);
    chain::check(&ledger);
}

#[test]
fn a_key_that_falls_twice_keeps_both_receipts_in_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_or_create(&dir.path().join("home")).unwrap();
    let (ledger, recovery) = home.create_tenant(&tenant(), &birth(None)).unwrap();
    let recovery = RecoveryKey::load(&ledger, &recovery.key, None).unwrap();
    let first = ledger.signing_key_id().unwrap();
    let new = ledger.make_key(Purpose::Receipt, NewKeyPlace::Home).unwrap();
    let second = new.object().key_id.clone();
    let added = KeyAdded {
        key: new.object().clone(),
        retires: None,
        principal: PERSON,
        recovery_sig: None,
        signatures: Vec::new(),
    };
    ledger.append(ledger.key_draft(new, added).unwrap()).unwrap();
    let mut taken_back = Vec::new();
    for (key_id, needed) in [(second, false), (first, true)] {
        let new = needed.then(|| ledger.make_key(Purpose::Receipt, NewKeyPlace::Home).unwrap());
        let statement = RevocationStatement {
            log_origin: ledger.log_origin().clone(),
            key_id,
            reason_code: "lost".to_owned(),
            compromised_since: Timestamp::from_ms(0),
            replacement: new.as_ref().map(|new| new.object().clone()),
        };
        let draft = ledger.revocation_draft(statement, new, &recovery).unwrap();
        taken_back.push(ledger.append(draft).unwrap().seq);
    }
    // A bundle shows every receipt that changed keys; without the first revocation its keys would be others.
    assert_eq!(ledger.key_receipts().unwrap(), [0, 1, taken_back[0], taken_back[1]]);
}

#[test]
fn nothing_secret_is_readable_by_others_and_recovery_stays_outside() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    ledger.append(blocked("one")).unwrap();
    let mut seen = 0;
    for root in ["home", "home-recovery"] {
        for path in tree(&dir.path().join(root)) {
            let metadata = path.symlink_metadata().unwrap();
            assert_eq!(metadata.mode() & 0o077, 0, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen}");
    let home = Home::open(&dir.path().join("home")).unwrap();
    let recovery = std::fs::read(dir.path().join("home-recovery/default/hmac-master.hex")).unwrap();
    for path in tree(home.path()).iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(64).any(|part| part == &recovery[..64]), "{}", path.display());
    }

    let second = TenantId::parse("second").unwrap();
    let out = |path: PathBuf| {
        let mut birth = birth(None);
        birth.recovery_out = Some(path);
        home.create_tenant(&second, &birth).map(|(_, recovery)| recovery)
    };
    let taken = dir.path().join("home-recovery/default");
    assert_eq!(out(taken.clone()).unwrap_err(), OpenError::RecoveryExists(taken.join("recovery.pem")));
    let inside = home.path().join("recovery");
    assert_eq!(out(inside.clone()).unwrap_err(), OpenError::RecoveryInside(inside));
    std::os::unix::fs::symlink(home.path(), dir.path().join("link")).unwrap();
    let linked = dir.path().join("link/recovery");
    assert_eq!(out(linked.clone()).unwrap_err(), OpenError::RecoveryInside(linked));
    assert_eq!(home.tenants().unwrap(), [tenant()]);
    let elsewhere = out(dir.path().join("elsewhere")).unwrap();
    let reader = home.open_tenant_read_only(&second).unwrap();
    assert_eq!(reader.recovery_files_left(), [elsewhere.key.clone(), elsewhere.master.clone()]);
    std::fs::remove_file(elsewhere.key).unwrap();
    std::fs::write(&elsewhere.master, "another one").unwrap();
    assert_eq!(reader.recovery_files_left(), Vec::<PathBuf>::new());
}

#[test]
fn a_birth_that_died_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    // The state just before the rename: everything built, recovery files written and claimed.
    let tenants = dir.path().join("home/tenants");
    drop(ledger);
    std::fs::rename(tenants.join("default"), tenants.join(".default.creating")).unwrap();
    let home = Home::open(&dir.path().join("home")).unwrap();
    assert_eq!(home.tenants().unwrap(), []);
    let error = home.open_tenant(&tenant(), None, &no_sweep).unwrap_err();
    assert_eq!(error, OpenError::NoTenant("default".to_owned()));
    let (ledger, _) = home.create_tenant(&tenant(), &birth(None)).unwrap();
    chain::check(&ledger);
    drop(ledger);
    chain::check(&open(dir.path()));
}

fn tree(root: &Path) -> Vec<PathBuf> {
    let mut paths = vec![root.to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    paths
}
