//! How a tenant stands, and its end: what is refused, what is rebuilt, and what is left on the disk.

use cascade_ledger::{AppendError, Draft, Home, OpenError, Standstill};
use cascade_receipt::content::{Body, EndedChain, TenantChange, TenantChanged};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{LogOrigin, PrincipalId};

use crate::fixture::{ADMIN, birth, blocked, closed, create, draft, open, started, tenant};

fn changed(change: TenantChange, number: u8, by: PrincipalId, of: Option<EndedChain>) -> Draft {
    draft(Body::TenantChanged(TenantChanged {
        change,
        principal: by,
        reason_hash: None,
        private_items: None,
        of,
        statement_id: [number; 8],
        signatures: Vec::new(),
    }))
}

fn own(change: TenantChange, number: u8) -> Draft {
    changed(change, number, ADMIN, None)
}

#[test]
fn nothing_starts_while_it_is_suspended_and_nothing_follows_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let refused = |draft| ledger.append(draft).unwrap_err();
    let intent = ledger.append(started("before", Vec::new())).unwrap();
    assert_eq!(refused(own(TenantChange::Active, 1)), AppendError::TenantState { state: "active" });
    assert_eq!(refused(own(TenantChange::Deleted, 1)), AppendError::TenantState { state: "active" });

    let mark = ledger.mark().unwrap();
    ledger.append(own(TenantChange::Suspended, 1)).unwrap();
    assert_ne!(ledger.mark().unwrap(), mark, "what runs is not looked at again");
    assert_eq!(ledger.standstill().unwrap(), Some(Standstill::Suspended));
    assert_eq!(refused(started("new", Vec::new())), AppendError::Suspended);
    assert_eq!(refused(own(TenantChange::Suspended, 2)), AppendError::TenantState { state: "suspended" });
    assert_eq!(refused(own(TenantChange::Deleted, 2)), AppendError::InFlight { count: 1 });
    ledger.append(blocked("a denial")).unwrap();
    ledger.append(closed(&intent)).unwrap();
    ledger.append(own(TenantChange::Active, 2)).unwrap();
    let again = ledger.append(started("again", Vec::new())).unwrap();
    ledger.append(closed(&again)).unwrap();

    ledger.append(own(TenantChange::Suspended, 3)).unwrap();
    let last = ledger.append(own(TenantChange::Deleted, 4)).unwrap();
    for late in [blocked("late"), own(TenantChange::Active, 5), started("late", Vec::new())] {
        assert_eq!(refused(late), AppendError::Deleted);
    }
    assert_eq!(ledger.head().unwrap().entry_hash, last.entry_hash);
    ledger.rebuild_views().unwrap();
    assert!(ledger.is_deleted().unwrap() && ledger.is_suspended().unwrap());
    drop(ledger);
    assert_eq!(open(dir.path()).append(blocked("late")).unwrap_err(), AppendError::Deleted);
}

#[test]
fn the_end_of_another_chain_is_recorded_once_and_changes_nothing_here() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let hash = Digest::of(b"theirs");
    let log_origin = LogOrigin::of("test.example", &[7; 16]);
    let ended = EndedChain { log_origin, size: 9, head: hash, root: Digest::of(b"root"), tenant_hash: hash };
    let says = |number| changed(TenantChange::Deleted, number, ADMIN, Some(ended.clone()));
    let mark = ledger.mark().unwrap();
    let told = ledger.append(says(1)).unwrap();
    assert_eq!(
        ledger.append(says(2)).unwrap_err(),
        AppendError::TenantState { state: "recorded as deleted" }
    );
    assert_eq!((ledger.mark().unwrap(), ledger.standstill().unwrap()), (mark, None));
    ledger.rebuild_views().unwrap();
    let known = ledger.ended_tenants().unwrap();
    assert_eq!((known.len(), known[0].receipt_id, &known[0].ended), (1, told.receipt_id, &ended));
    drop(ledger);
    assert!(open(dir.path()).is_suspended().is_ok_and(|suspended| !suspended));
}

#[test]
fn what_was_deleted_is_gone_with_its_recovery_files_and_its_name_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let home_dir = dir.path().join("home");
    drop(create(dir.path()));
    let home = Home::open(&home_dir).unwrap();
    assert_eq!(home.destroy_tenant(&tenant()).unwrap_err(), OpenError::NotDeleted("default".to_owned()));
    let ledger = open(dir.path());
    let origin = ledger.log_origin().clone();
    ledger.append(own(TenantChange::Suspended, 1)).unwrap();
    ledger.append(own(TenantChange::Deleted, 2)).unwrap();

    let recovery = cascade_ledger::RecoveryFiles::in_dir(&home.recovery_dir(&tenant()));
    let (key, master) = (recovery.key, recovery.master);
    std::fs::rename(&master, dir.path().join("moved")).unwrap();
    assert_eq!(
        home.destroy_tenant(&tenant()).unwrap(),
        [master],
        "whoever moved a secret is not reminded of it"
    );
    assert!(!key.exists() && home.was_deleted(&tenant()) && home.tenants().unwrap().is_empty());
    assert_eq!(
        home.open_tenant(&tenant(), None, &|_| true).unwrap_err(),
        OpenError::NoTenant("default".to_owned())
    );
    // Whoever still has it open can say nothing.
    assert_eq!(ledger.append(blocked("late")).unwrap_err(), AppendError::Deleted);

    let (fresh, _) = home.create_tenant(&tenant(), &birth(None)).unwrap();
    assert_ne!(*fresh.log_origin(), origin);
    assert!(!home.was_deleted(&tenant()));
}

#[test]
fn a_removal_that_was_cut_short_is_finished_by_whoever_comes_next() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let tenants = dir.path().join("home/tenants");
    let leaving = tenants.join(".other.0123456789abcdef.deleting");
    std::fs::create_dir_all(leaving.join("keys")).unwrap();
    std::fs::write(leaving.join("keys/receipt.pem"), b"secret").unwrap();
    drop(open(dir.path()));
    assert!(!leaving.exists());
}
