//! Homes of other versions, clocks that step back, and what a first look finds.

use cascade_ledger::{FileStamp, Home, OpenError, TenantId, VERSION};
use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;

use crate::chain;
use crate::fixture::{birth, blocked, create, no_sweep, tenant};

#[test]
fn a_home_of_another_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let home = dir.path().join("home");
    std::fs::write(home.join("VERSION"), format!("{}\n", VERSION + 1)).unwrap();
    for error in [Home::open(&home).unwrap_err(), Home::open_or_create(&home).unwrap_err()] {
        assert_eq!(error, OpenError::Newer { found: VERSION + 1, known: VERSION });
        assert!(error.hint().is_some());
    }
    std::fs::write(home.join("VERSION"), "1\n").unwrap();
    assert_eq!(Home::open(&home).unwrap_err(), OpenError::Older { found: 1, known: VERSION });
    std::fs::write(home.join("VERSION"), "one\n").unwrap();
    assert!(matches!(Home::open(&home), Err(OpenError::NotAHome(_))));
}

#[test]
fn a_directory_of_other_things_does_not_become_a_home() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(Home::open_or_create(dir.path()), Err(OpenError::NotAHome(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(matches!(Home::open(&dir.path().join("nowhere")), Err(OpenError::NoHome(_))));
    let home = Home::open_or_create(&dir.path().join("empty")).unwrap();
    let nobody = TenantId::parse("nobody").unwrap();
    assert!(matches!(home.open_tenant(&nobody, None, &no_sweep), Err(OpenError::NoTenant(_))));
    assert!(matches!(home.open_tenant_read_only(&nobody), Err(OpenError::NoTenant(_))));
}

#[test]
fn a_clock_set_back_repeats_the_last_time() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_or_create(&dir.path().join("home")).unwrap();
    let mut early = birth(None);
    early.now = Timestamp::parse("2999-01-01T00:00:00.000Z").unwrap();
    let (ledger, _) = home.create_tenant(&tenant(), &early).unwrap();
    for _ in 0..2 {
        let appended = ledger.append(blocked("later, by its place")).unwrap();
        assert_eq!(appended.timestamp, early.now);
        assert!(appended.line.contains("\"clock\":\"stepped\""));
    }
    chain::check(&ledger);
}

#[test]
fn a_snapshot_that_is_missing_makes_no_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_or_create(&dir.path().join("home")).unwrap();
    let mut bare = birth(None);
    bare.blobs.clear();
    assert_eq!(home.create_tenant(&tenant(), &bare).unwrap_err(), OpenError::SnapshotMissing);
    assert_eq!(home.tenants().unwrap(), []);
}

#[test]
fn a_hash_is_remembered_for_one_state_of_a_file_and_the_cache_may_vanish() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let stamp = FileStamp::of(&std::fs::metadata(dir.path()).unwrap());
    let hash = Digest::of(b"program");
    assert_eq!(ledger.cached_hash(&stamp), None);
    ledger.cache_hash(&stamp, &hash);
    assert_eq!(ledger.cached_hash(&stamp), Some(hash));
    for other in [
        FileStamp { size: stamp.size + 1, ..stamp },
        FileStamp { ino: stamp.ino + 1, ..stamp },
        FileStamp { dev: stamp.dev + 1, ..stamp },
        FileStamp { mtime_ns: stamp.mtime_ns + 1, ..stamp },
        FileStamp { ctime_ns: stamp.ctime_ns + 1, ..stamp },
    ] {
        assert_eq!(ledger.cached_hash(&other), None, "{other:?}");
    }
    std::fs::write(ledger.dir().join("cache.db"), "not a database at all, and long enough").unwrap();
    assert_eq!(ledger.cached_hash(&stamp), None);
    ledger.cache_hash(&stamp, &hash);
    assert_eq!(ledger.cached_hash(&stamp), Some(hash));
    chain::check(&ledger);
}
