//! Intents that nobody owns any more.

use std::cell::RefCell;
use std::io::Read as _;
use std::path::Path;

use cascade_ledger::{Home, Ledger, OpenAction};
use rustix::fs::FlockOperation;

use crate::fixture::{create, started, tenant};
use crate::{chain, child};

fn open_counting(dir: &Path) -> (Ledger, Vec<OpenAction>) {
    let swept = RefCell::new(Vec::new());
    let sweep = |action: &OpenAction| {
        swept.borrow_mut().push(action.clone());
        true
    };
    let ledger = Home::open(&dir.join("home")).unwrap().open_tenant(&tenant(), None, &sweep).unwrap();
    (ledger, swept.into_inner())
}

#[test]
fn what_cannot_be_ended_keeps_its_intent_open() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let intent = ledger.append(started("stubborn", Vec::new())).unwrap();
    drop(ledger);
    let home = Home::open(&dir.path().join("home")).unwrap();
    let ledger = home.open_tenant(&tenant(), None, &|_| false).unwrap();
    let open: Vec<_> = ledger.open_actions().unwrap().iter().map(|action| action.receipt_id).collect();
    assert_eq!(open, [intent.receipt_id]);
}

#[test]
fn a_held_lock_keeps_its_action_and_a_free_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let [held, free, missing] =
        ["held", "free", "missing"].map(|name| ledger.append(started(name, Vec::new())).unwrap());
    std::fs::write(ledger.run_lock_path(free.receipt_id), b"").unwrap();
    let mut holder = child::spawn("hold a lock", &ledger.run_lock_path(held.receipt_id), &[]);
    assert_eq!(child::lines(&mut holder).next().as_deref(), Some("held"));
    drop(ledger);

    let (ledger, swept) = open_counting(dir.path());
    let ids: Vec<_> = swept.iter().map(|action| action.receipt_id).collect();
    assert_eq!(ids, [free.receipt_id, missing.receipt_id]);
    let open: Vec<_> = ledger.open_actions().unwrap().iter().map(|action| action.receipt_id).collect();
    assert_eq!(open, [held.receipt_id]);
    assert!(!ledger.run_lock_path(free.receipt_id).exists());
    drop(ledger);

    holder.kill().unwrap();
    holder.wait().unwrap();
    let (ledger, swept) = open_counting(dir.path());
    assert_eq!(swept.len(), 1);
    assert_eq!(ledger.open_actions().unwrap(), []);
    let receipts = chain::check(&ledger);
    let kinds: Vec<_> = receipts
        .iter()
        .map(|one| one.member("content").unwrap().member("kind").unwrap().as_str().unwrap())
        .collect();
    assert_eq!(kinds[4..], ["task_unknown"; 3]);
}

pub(crate) fn hold_lock(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    rustix::fs::flock(&file, FlockOperation::LockExclusive).unwrap();
    child::say("held");
    // Until the parent kills this process; its end of the pipe stays open till then.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn two_openers_write_one_closer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    for index in 0..20 {
        ledger.append(started(&format!("run {index}"), Vec::new())).unwrap();
    }
    drop(ledger);
    let mut children: Vec<_> = (0..4).map(|_| child::spawn("close orphans", dir.path(), &[])).collect();
    for child in &mut children {
        child::heard(child);
        assert!(child.wait().unwrap().success());
    }
    let (ledger, swept) = open_counting(dir.path());
    assert_eq!(swept, []);
    assert_eq!(chain::check(&ledger).len(), 41);
}

pub(crate) fn open_and_close(dir: &Path) {
    drop(open_counting(dir));
}
