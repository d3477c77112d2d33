//! Damage on disk, one kind per row, and the finding that names it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cascade_ledger::{Home, VERSION};
use rusqlite::Connection;

use crate::fixture::{
    ADMIN, activation, answer, blocked, blocked_with, closed, create, escalation, open, started, tenant,
};

/// A chain with something in every view, closed.
fn grown(dir: &Path) {
    let ledger = create(dir);
    ledger.append(blocked_with("private", vec![7; 100]).0).unwrap();
    let intent = ledger.append(started("done", Vec::new())).unwrap();
    ledger.append(closed(&intent)).unwrap();
    let asked = ledger.append(escalation("push", 1)).unwrap();
    ledger.append(answer("push", &asked, true, ADMIN)).unwrap();
    ledger.append(activation(b"{\"policies\":\"new\"}", "new/1")).unwrap();
    for index in 0..80 {
        ledger.append(blocked(&format!("filler {index}"))).unwrap();
    }
    ledger.append(started("open", Vec::new())).unwrap();
    let log_key = Home::open(&dir.join("home")).unwrap().open_log_key(&tenant(), None).unwrap();
    ledger.sign_checkpoint(&log_key, &dir.join("guard")).unwrap();
}

fn codes(dir: &Path) -> Vec<&'static str> {
    let home = Home::open(&dir.join("home")).unwrap();
    let (mut last, mut all) = (0, 0);
    let report = home.fsck(&tenant(), &mut |done, of| (last, all) = (done, of)).unwrap();
    assert!(last <= all, "{last} of {all}");
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

/// Runs SQL on a database of a fresh copy and expects exactly these findings, in order.
fn check(original: &Path, database: &str, sql: &str, expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let copied =
        std::process::Command::new("cp").arg("-a").arg(original.join("home")).arg(dir.path()).status();
    assert!(copied.unwrap().success());
    let conn = Connection::open(dir.path().join("home/tenants/default").join(database)).unwrap();
    conn.execute_batch(sql).unwrap();
    drop(conn);
    assert_eq!(codes(dir.path()), expected, "{sql}");
}

/// Views that say something else than the log does.
const VIEWS: &[(&str, &[&str])] = &[
    ("UPDATE standing SET mark = mark + 1", &["views.standing"]),
    ("UPDATE standing SET halted = 1", &["views.standing"]),
    ("UPDATE standing SET suspended = 1", &["views.standing"]),
    ("INSERT INTO ended VALUES ('h/t/00', x'01', 1, 1, x'02', x'03', x'04')", &["views.ended"]),
    ("DELETE FROM open_actions", &["views.open_actions"]),
    ("UPDATE subjects SET state = 'used'", &["views.subjects"]),
    ("UPDATE approvals SET expires_ms = expires_ms + 1", &["views.approvals"]),
    ("UPDATE policies SET version = 'other'", &["views.policies"]),
    ("INSERT INTO regimes VALUES ('soc2', x'01')", &["views.regimes"]),
    (
        "INSERT INTO people VALUES (x'0102030405060708', 1, 1, 'ssh-ed25519 mine', '[\"admins\"]', NULL)",
        &["views.people"],
    ),
    ("UPDATE people SET removed_seq = 1", &["views.people"]),
    (
        "INSERT INTO grants VALUES (x'01', 1, x'02', x'03', x'04', NULL, NULL, '{}', NULL, 0, NULL)",
        &["views.grants"],
    ),
    ("INSERT INTO budgets VALUES ('calls', x'', 0, x'01', 1, 0, 0)", &["views.budgets"]),
    ("INSERT INTO known VALUES (x'01', 1)", &["views.known"]),
    ("INSERT INTO zones VALUES (x'01', 'UTC')", &["views.zones"]),
    ("INSERT INTO consents VALUES (x'01', 'calls', 1, 0)", &["views.consents"]),
    ("INSERT INTO conversations VALUES (x'01', x'', 0)", &["views.conversations"]),
];

#[test]
fn every_view_that_differs_has_its_finding() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    for (sql, expected) in VIEWS {
        check(dir.path(), "ledger.db", sql, expected);
    }
}

#[test]
fn every_kind_of_damage_has_its_finding() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    assert_eq!(codes(dir.path()), Vec::<&str>::new());
    let edit = |seq: u64, from: &str, to: &str| {
        format!(
            "UPDATE segments SET bytes = CAST(replace(CAST(bytes AS TEXT), '{from}', '{to}') AS BLOB)
             WHERE first_seq = {seq}"
        )
    };
    // The chain covers what a receipt says, the checksum its tag and signature.
    check(dir.path(), "ledger.db", &edit(5, "==\"", "A=\""), &["log.segment_sum"]);
    check(dir.path(), "ledger.db", &edit(2, "\"LOW\"", "\"TOP\""), &["log.hash"]);
    check(dir.path(), "ledger.db", &edit(2, "\"seq\":2", "\"seq\":3"), &["log.hash", "log.seq"]);
    check(
        dir.path(),
        "ledger.db",
        &edit(2, "\"hmac\":\"", "\"hmac\": \""),
        &["log.segment_sum", "log.syntax"],
    );
    // A receipt that falls between two segments is missed by all that follow from it.
    let fallen = [
        "log.segment_count",
        "log.link",
        "head.tree",
        "head.epoch",
        "views.standing",
        "views.subjects",
        "views.approvals",
    ];
    for (sql, expected) in [
        ("UPDATE segments SET ends_sha256 = zeroblob(32) WHERE first_seq = 4", &["log.segment_sum"][..]),
        ("UPDATE segments SET count = 2 WHERE first_seq = 4", &fallen),
        ("DELETE FROM segments WHERE first_seq = 7", &["log.gap", "head.tree", "head.epoch"]),
        (
            "DELETE FROM segments WHERE first_seq = 87",
            &["head.seq", "head.hash", "head.tree", "head.epoch", "views.open_actions"],
        ),
        ("UPDATE head SET entry_hash = zeroblob(32)", &["head.hash"]),
        ("UPDATE head SET next_seq = next_seq + 1", &["head.seq"]),
        ("UPDATE head SET timestamp_ms = timestamp_ms + 1", &["head.hash"]),
        ("UPDATE head SET epoch_receipts = 1", &["head.epoch"]),
        ("UPDATE head SET tree_size = tree_size + 1", &["head.tree"]),
        ("UPDATE head SET tree_peaks = zeroblob(length(tree_peaks))", &["head.tree"]),
        ("DELETE FROM epoch", &["head.epoch"]),
        ("DELETE FROM ids WHERE seq = 3", &["index.count"]),
        ("UPDATE ids SET seq = 9 WHERE seq = 3", &["index.entry"]),
    ] {
        check(dir.path(), "ledger.db", sql, expected);
    }
    for (sql, expected) in [
        ("UPDATE items SET bytes = zeroblob(100)", "vault.item"),
        ("UPDATE items SET nonce = zeroblob(32)", "vault.item"),
        ("UPDATE blobs SET bytes = x'00' WHERE id = 1", "vault.blob"),
        ("DELETE FROM blobs WHERE id = 2", "vault.snapshot"),
    ] {
        check(dir.path(), "vault.db", sql, &[expected]);
    }
}

#[test]
fn what_was_signed_is_of_this_chain() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    for (sql, expected) in [
        ("UPDATE epoch SET key = zeroblob(32)", "log.tag"),
        ("UPDATE checkpoints SET note = substr(note, 1, 30)", "checkpoint.note"),
        (
            "UPDATE checkpoints SET note = replace(note, char(10) || '88', char(10) || '87')",
            "checkpoint.note",
        ),
        ("UPDATE checkpoints SET size = size - 1", "checkpoint.root"),
    ] {
        check(dir.path(), "ledger.db", sql, &[expected]);
    }
}

#[test]
fn files_and_modes_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let home = dir.path().join("home");
    let own = home.join("tenants/default");
    std::fs::rename(own.join("keys/log.pem"), own.join("keys/away")).unwrap();
    std::fs::write(home.join("VERSION"), format!("{VERSION} \n")).unwrap();
    assert_eq!(codes(dir.path()), ["files.version", "files.missing"]);
    std::fs::rename(own.join("keys/away"), own.join("keys/log.pem")).unwrap();
    std::fs::write(home.join("VERSION"), format!("{VERSION}\n")).unwrap();
    std::fs::rename(own.join("keys/receipt.pem"), own.join("keys/away")).unwrap();
    std::fs::copy(own.join("keys/log.pem"), own.join("keys/receipt.pem")).unwrap();
    assert_eq!(codes(dir.path()), ["files.key"]);
    std::fs::rename(own.join("keys/away"), own.join("keys/receipt.pem")).unwrap();
    for database in ["ledger.db", "vault.db"] {
        std::fs::rename(own.join(database), own.join("keys/away")).unwrap();
        assert_eq!(codes(dir.path()), ["files.missing"]);
        std::fs::rename(own.join("keys/away"), own.join(database)).unwrap();
    }
    let mode = |path: &str, mode: u32| {
        std::fs::set_permissions(own.join(path), Permissions::from_mode(mode)).unwrap();
    };
    for (path, good, bad) in
        [("ledger.db", 0o600, 0o644), ("keys/log.pem", 0o600, 0o640), ("runs", 0o700, 0o755)]
    {
        mode(path, bad);
        assert_eq!(codes(dir.path()), ["files.mode"], "{path}");
        mode(path, good);
    }
}

#[test]
fn torn_pages_are_damage_and_not_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    for database in ["ledger.db", "vault.db"] {
        let path = dir.path().join("home/tenants/default").join(database);
        // Pages that still stand in the log would hide those of the file.
        Connection::open(&path)
            .unwrap()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
            .unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut found = 0;
        for page in 0..whole.len() / 4096 {
            let mut torn = whole.clone();
            torn[page * 4096..][..512].fill(0xa5);
            std::fs::write(&path, &torn).unwrap();
            let home = Home::open(&dir.path().join("home")).unwrap();
            let report = home.fsck(&tenant(), &mut |_, _| ()).unwrap();
            found += usize::from(!report.is_clean());
        }
        assert_eq!(found, whole.len() / 4096, "{database}");
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(codes(dir.path()), Vec::<&str>::new());
}

#[test]
fn views_come_back_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let conn = Connection::open(dir.path().join("home/tenants/default/ledger.db")).unwrap();
    conn.execute_batch(
        "DELETE FROM approvals; DELETE FROM subjects; UPDATE standing SET mark = 99, policy_version = 'x'",
    )
    .unwrap();
    drop(conn);
    assert_eq!(codes(dir.path()), ["views.standing", "views.subjects", "views.approvals"]);
    // Opening would close the intent that nobody owns; its lock is held here.
    let reader = Home::open(&dir.path().join("home")).unwrap().open_tenant_read_only(&tenant()).unwrap();
    let lock =
        std::fs::File::create(reader.run_lock_path(reader.open_actions().unwrap()[0].receipt_id)).unwrap();
    std::fs::set_permissions(reader.dir().join("runs"), Permissions::from_mode(0o700)).unwrap();
    lock.set_permissions(Permissions::from_mode(0o600)).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    drop(reader);
    let ledger = open(dir.path());
    ledger.rebuild_views().unwrap();
    assert_eq!(ledger.policy_in_force().unwrap().0.version, "new/1");
    drop(ledger);
    assert_eq!(codes(dir.path()), Vec::<&str>::new());
}

#[test]
fn views_of_an_earlier_meaning_are_made_again_by_whoever_writes() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let conn = Connection::open(dir.path().join("home/tenants/default/ledger.db")).unwrap();
    let version =
        |conn: &Connection| conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    let known = version(&conn).unwrap();
    conn.execute_batch("UPDATE people SET groups = '[]'; PRAGMA user_version = 0").unwrap();
    assert_eq!(codes(dir.path()), ["views.people"]);
    drop(open(dir.path()));
    assert_eq!((codes(dir.path()), version(&conn).unwrap()), (Vec::<&str>::new(), known));
}

/// A head that was edited would make the next receipt an invalid one: nothing is appended to it.
#[test]
fn an_edited_head_takes_no_receipts() {
    for sql in [
        "UPDATE head SET timestamp_ms = timestamp_ms - 1000",
        "UPDATE head SET entry_hash = zeroblob(32)",
        "UPDATE head SET next_seq = next_seq - 1",
        "UPDATE head SET tree_size = tree_size - 1",
        "DELETE FROM segments WHERE first_seq = (SELECT max(first_seq) FROM segments)",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = create(dir.path());
        ledger.append(blocked("one")).unwrap();
        ledger.append(blocked("two")).unwrap();
        drop(ledger);
        let path = dir.path().join("home/tenants/default/ledger.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let count = || -> i64 {
            let conn = Connection::open(&path).unwrap();
            conn.query_row("SELECT count(*) FROM segments", (), |row| row.get(0)).unwrap()
        };
        let before = count();
        let ledger = open(dir.path());
        assert!(ledger.append(blocked("three")).is_err(), "{sql}");
        drop(ledger);
        assert_eq!(count(), before, "{sql}");
        assert!(!codes(dir.path()).is_empty(), "{sql}");
    }
}
