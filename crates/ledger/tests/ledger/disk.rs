//! Full, read-only and unreadable disks, real ones.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use cascade_ledger::{AppendError, Fault, Home, OpenError, PrivateItem, nonce};

use crate::fixture::{birth, blocked, create, no_sweep, open, tenant};
use crate::{chain, child};

/// `sh -c` in a mount name space of its own, as root there; `$0` is the program that follows.
fn in_own_mounts(script: &'static str) -> Vec<&'static str> {
    let mut words = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words.extend(["sh", "-ec", script]);
    words
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=2m tmpfs \"$CASCADE_TEST_DIR\"; exec \"$0\" \"$@\"";
    child::run("full disk", dir.path(), &in_own_mounts(script));
}

pub(crate) fn on_a_full_disk(dir: &Path) {
    for with_private in [true, false] {
        std::fs::write(dir.join("ballast"), vec![1; 300 * 1024]).unwrap();
        let ledger = create(dir);
        let mut answered = 0;
        let error = loop {
            let mut draft = blocked("action");
            if with_private {
                draft.private.push(PrivateItem::new("facts_hash", nonce().unwrap(), vec![7; 40_000]));
            }
            match ledger.append(draft) {
                Ok(_) => answered += 1,
                Err(error) => break error,
            }
        };
        let (AppendError::NotRecorded(fault) | AppendError::Unsettled(fault)) = &error else {
            panic!("{error:?}");
        };
        assert!(matches!(fault, Fault::Full { .. }), "{fault:?}");
        assert!(error.hint().is_some());
        assert_eq!(ledger.append(blocked("after")), Err(AppendError::Stopped));
        drop(ledger);

        std::fs::remove_file(dir.join("ballast")).unwrap();
        let ledger = open(dir);
        let there = chain::check(&ledger).len() - 1;
        let unsettled = usize::from(matches!(error, AppendError::Unsettled(_)));
        assert!(there >= answered && there <= answered + unsettled, "{there} of {answered}");
        ledger.append(blocked("space again")).unwrap();
        chain::check(&ledger);
        drop(ledger);
        for name in ["home", "home-recovery"] {
            std::fs::remove_dir_all(dir.join(name)).unwrap();
        }
    }
    // No room for a birth: nothing of it stays but an empty home.
    std::fs::write(dir.join("ballast"), vec![1; 1_990 * 1024]).unwrap();
    let home = Home::open_or_create(&dir.join("home")).unwrap();
    let error = home.create_tenant(&tenant(), &birth(None)).unwrap_err();
    assert!(matches!(error, OpenError::Fault(Fault::Full { .. })), "{error:?}");
    assert_eq!(home.tenants().unwrap(), []);
    std::fs::remove_file(dir.join("ballast")).unwrap();
    let (ledger, recovery) = home.create_tenant(&tenant(), &birth(None)).unwrap();
    assert!(recovery.key.exists() && recovery.master.exists());
    chain::check(&ledger);
}

#[test]
fn a_read_only_disk_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let script = "mount --bind \"$CASCADE_TEST_DIR\" \"$CASCADE_TEST_DIR\"; \
                  mount -o remount,ro,bind \"$CASCADE_TEST_DIR\"; exec \"$0\" \"$@\"";
    assert_eq!(child::run("read only", dir.path(), &in_own_mounts(script)), ["read 1"]);

    // With a log of pending frames left by a killed process, it is read, or refused with a reason;
    // it is never skipped.
    let ledger = open(dir.path());
    ledger.append(blocked("only in the log so far")).unwrap();
    let copy = dir.path().join("copy");
    let copied = Command::new("cp").args(["-a", "home", "copy"]).current_dir(&dir).status().unwrap();
    assert!(copied.success());
    drop(ledger);
    std::fs::remove_file(copy.join("tenants/default/ledger.db-shm")).unwrap();
    std::fs::remove_dir_all(dir.path().join("home")).unwrap();
    std::fs::rename(&copy, dir.path().join("home")).unwrap();
    let said = child::run("read only", dir.path(), &in_own_mounts(script));
    assert!(said == ["read 2"] || said == ["log unreadable"], "{said:?}");
    assert_eq!(chain::check(&open(dir.path())).len(), 2);
}

pub(crate) fn on_a_read_only_disk(dir: &Path) {
    let home = Home::open(&dir.join("home")).unwrap();
    let error = home.open_tenant(&tenant(), None, &no_sweep).unwrap_err();
    assert!(matches!(error, OpenError::Fault(Fault::ReadOnly { .. })), "{error:?}");
    match home.open_tenant_read_only(&tenant()) {
        Ok(reader) => child::say(&format!("read {}", chain::check(&reader).len())),
        Err(OpenError::Fault(Fault::WalUnreadable { .. })) => child::say("log unreadable"),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_home_that_may_not_be_read_says_so() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    // Root may read anything, so root looks as somebody else.
    let somebody: &[&str] = if rustix::process::geteuid().is_root() {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        let nothing = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(dir.path().join("home"), nothing).unwrap();
        &[]
    };
    assert_eq!(child::run("look", dir.path(), somebody), ["denied"]);
}

pub(crate) fn look(dir: &Path) {
    match Home::open(&dir.join("home")) {
        Err(OpenError::Fault(fault @ Fault::Denied { .. })) => {
            assert!(fault.hint().is_some());
            child::say("denied");
        }
        other => panic!("{other:?}"),
    }
}
