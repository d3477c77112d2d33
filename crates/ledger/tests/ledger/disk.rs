//! Full, read-only and unreadable disks, real ones.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cascade_ledger::{AppendError, Fault, Home, OpenError};

use rustix::process::{Resource, Rlimit};

use crate::fixture::{birth, blocked, blocked_with, create, no_sweep, open, tenant};
use crate::{chain, child};

/// The words that run a program after `script`, in a mount name space of its own and as root there;
/// `$0` is the program. `None` where the system allows no such name space.
fn in_own_mounts(script: &'static str) -> Option<Vec<&'static str>> {
    let mut words = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let mut probe = Command::new("unshare");
    probe.args(&words[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
    let allowed = probe.status().is_ok_and(|status| status.success());
    words.extend(["sh", "-ec", script]);
    allowed.then_some(words)
}

/// Words that run a program as somebody to whom permissions matter.
fn as_somebody() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        &[]
    }
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=2m tmpfs \"$CASCADE_TEST_DIR\"; exec \"$0\" \"$@\"";
    // Without a small disk, files that may not grow stand in for it.
    let limited = || vec!["sh", "-ec", "trap '' XFSZ; ulimit -S -f 1000; exec \"$0\" \"$@\""];
    match in_own_mounts(script) {
        Some(words) => child::run("full disk", dir.path(), &words),
        None => child::run("files that may not grow", dir.path(), &limited()),
    };
}

pub(crate) fn on_a_full_disk(dir: &Path) {
    let is_full = |fault: &Fault| matches!(fault, Fault::Full { .. });
    for with_private in [true, false] {
        std::fs::write(dir.join("ballast"), vec![1; 300 * 1024]).unwrap();
        fill(dir, with_private, is_full, || std::fs::remove_file(dir.join("ballast")).unwrap());
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

pub(crate) fn with_files_that_may_not_grow(dir: &Path) {
    let limit = rustix::process::getrlimit(Resource::Fsize);
    let grow = || {
        rustix::process::setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    };
    fill(dir, true, |fault| matches!(fault, Fault::Io { .. }), grow);
}

/// Appends until it fails, makes room, and sees that nothing that was answered is lost.
fn fill(dir: &Path, with_private: bool, expected: impl Fn(&Fault) -> bool, make_room: impl Fn()) {
    let ledger = create(dir);
    let mut answered = 0;
    let error = loop {
        let draft = if with_private { blocked_with("action", vec![7; 40_000]).0 } else { blocked("action") };
        match ledger.append(draft) {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
    };
    let (AppendError::NotRecorded(fault) | AppendError::Unsettled(fault)) = &error else {
        panic!("{error:?}");
    };
    assert!(expected(fault), "{fault:?}");
    assert_eq!(error.hint(), fault.hint());
    assert_eq!(ledger.append(blocked("after")), Err(AppendError::Stopped));
    drop(ledger);

    make_room();
    let ledger = open(dir);
    let there = chain::check(&ledger).len() - 1;
    let unsettled = usize::from(matches!(error, AppendError::Unsettled(_)));
    assert!(there >= answered && there <= answered + unsettled, "{there} of {answered}");
    ledger.append(blocked("space again")).unwrap();
    chain::check(&ledger);
}

#[test]
fn a_read_only_disk_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let script = "mount --bind \"$CASCADE_TEST_DIR\" \"$CASCADE_TEST_DIR\"; \
                  mount -o remount,ro,bind \"$CASCADE_TEST_DIR\"; exec \"$0\" \"$@\"";
    let Some(words) = in_own_mounts(script) else {
        // Without a read-only disk, a home that may be read and not written stands in for it.
        let opened = Command::new("chmod").args(["-R", "a+rX,a-w"]).arg(dir.path()).status().unwrap();
        assert!(opened.success());
        assert_eq!(child::run("may only read", dir.path(), as_somebody()), ["read 1"]);
        let closed = Command::new("chmod").args(["-R", "u+w"]).arg(dir.path()).status().unwrap();
        assert!(closed.success());
        return;
    };
    assert_eq!(child::run("read only", dir.path(), &words), ["read 1"]);

    // A log of pending frames left by a killed process is read too. Without the file beside it that
    // SQLite needs for that, it is refused with a reason and never skipped.
    let ledger = open(dir.path());
    ledger.append(blocked("ends the epoch, which folds the log")).unwrap();
    ledger.append(blocked("only in the log")).unwrap();
    let copy = dir.path().join("copy");
    let copied = Command::new("cp").args(["-a", "home", "copy"]).current_dir(&dir).status().unwrap();
    assert!(copied.success());
    drop(ledger);
    std::fs::remove_dir_all(dir.path().join("home")).unwrap();
    std::fs::rename(&copy, dir.path().join("home")).unwrap();
    assert_eq!(child::run("read only", dir.path(), &words), ["read 3"]);
    std::fs::remove_file(dir.path().join("home/tenants/default/ledger.db-shm")).unwrap();
    assert_eq!(child::run("read only", dir.path(), &words), ["log unreadable"]);
    assert_eq!(chain::check(&open(dir.path())).len(), 3);
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

pub(crate) fn that_may_only_read(dir: &Path) {
    let home = Home::open(&dir.join("home")).unwrap();
    let error = home.open_tenant(&tenant(), None, &no_sweep).unwrap_err();
    assert!(matches!(error, OpenError::Fault(Fault::Denied { .. })), "{error:?}");
    let reader = home.open_tenant_read_only(&tenant()).unwrap();
    child::say(&format!("read {}", reader.lines(0..u64::MAX).map(Result::unwrap).count()));
}

#[test]
fn a_home_that_may_not_be_read_says_so() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let nothing = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(dir.path().join("home"), nothing).unwrap();
    assert_eq!(child::run("look", dir.path(), as_somebody()), ["denied"]);
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
