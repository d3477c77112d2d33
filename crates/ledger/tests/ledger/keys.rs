//! Private keys, passphrases and what leaves the home at birth.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use cascade_ledger::{Home, OpenError, Passphrase, TenantId};

use crate::chain;
use crate::fixture::{birth, blocked, create, no_sweep, open, tenant};

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
