//! Several processes on one home, and processes that are killed.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;

use cascade_ledger::{AppendError, Home, OpenError, PrincipalKind, TenantId};

use crate::fixture::{birth, blocked, closed, create, no_sweep, open, started, tenant};
use crate::{chain, child};

#[test]
fn eight_processes_create_at_once_and_one_wins() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let mut children: Vec<_> = (0..8).map(|_| child::spawn("create", dir.path(), &[])).collect();
        let mut said: Vec<_> = children.iter_mut().flat_map(child::heard).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success(), "{said:?}");
        }
        said.sort();
        assert_eq!(said[0], "created");
        assert_eq!(said[1..], vec!["opened"; 7]);
        // Genesis and one receipt of each process.
        assert_eq!(chain::check(&open(dir.path())).len(), 9);
        let left: Vec<_> = std::fs::read_dir(dir.path().join("home/tenants")).unwrap().collect();
        assert_eq!(left.len(), 2, "the tenant and its creation lock");
    }
}

#[test]
fn a_chain_that_ended_well_is_looked_at_again_after_any_commit_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let looks = Cell::new(0);
    let sound = |finds: bool| {
        let look = || {
            looks.set(looks.get() + 1);
            Ok(finds)
        };
        (ledger.present().unwrap().is_sound(look).unwrap(), looks.get())
    };
    assert_eq!(sound(true), (true, 1));
    assert_eq!(sound(false), (true, 1), "nothing was committed since");
    ledger.append(blocked("own")).unwrap();
    assert_eq!(sound(true), (true, 2));
    let mut other = child::spawn("append", dir.path(), &[]);
    assert!(!child::heard(&mut other).is_empty());
    assert!(other.wait().unwrap().success());
    assert_eq!(sound(true), (true, 3));
    // Not by way of the ledger, and without a receipt: the head stays where it was.
    let by_hand = rusqlite::Connection::open(dir.path().join("home/tenants/default/ledger.db")).unwrap();
    by_hand.execute("UPDATE segments SET bytes = x'00' WHERE first_seq = 0", ()).unwrap();
    assert_eq!(sound(false), (false, 4));
    assert_eq!(sound(false), (false, 5), "what is not sound is never kept");
    assert_eq!(sound(true), (true, 6));
}

#[test]
fn what_is_kept_of_a_chain_is_of_the_state_that_it_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let admin = ledger.admins().unwrap()[0].0;
    let first = ledger.present().unwrap();
    assert!(first.person(admin).unwrap().unwrap().is_registered());
    assert!(!first.is_halted());
    let mut other = child::spawn("append", dir.path(), &[]);
    assert!(!child::heard(&mut other).is_empty());
    assert!(other.wait().unwrap().success());
    assert_eq!(ledger.present().unwrap().head(), ledger.head().unwrap());
    assert_ne!(first.head(), ledger.head().unwrap(), "what somebody holds stays what it was");
    let by_hand = rusqlite::Connection::open(dir.path().join("home/tenants/default/ledger.db")).unwrap();
    for (change, is) in [
        ("UPDATE people SET removed_seq = 7", (false, false)),
        ("UPDATE standing SET halted = 1", (false, true)),
        ("UPDATE people SET removed_seq = NULL", (true, true)),
    ] {
        by_hand.execute(change, ()).unwrap();
        for _ in 0..2 {
            let present = ledger.present().unwrap();
            let registered = present.person(admin).unwrap().unwrap().is_registered();
            assert_eq!((registered, present.is_halted()), is, "{change}");
        }
    }
}

pub(crate) fn create_or_open(dir: &Path) {
    let home = Home::open_or_create(&dir.join("home")).unwrap();
    let ledger = match home.create_tenant(&tenant(), &birth(None)) {
        Ok((ledger, _)) => {
            child::say("created");
            ledger
        }
        Err(OpenError::TenantExists(_)) => {
            child::say("opened");
            home.open_tenant(&tenant(), None, &no_sweep).unwrap()
        }
        Err(other) => panic!("{other}"),
    };
    ledger.append(blocked("hello")).unwrap();
}

#[test]
fn eight_processes_append_a_hundred_each_into_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let mut children: Vec<_> = (0..8).map(|_| child::spawn("append", dir.path(), &[])).collect();
    let said: Vec<_> = children.iter_mut().flat_map(child::heard).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let receipts = chain::check(&open(dir.path()));
    assert_eq!(receipts.len(), 801);
    assert_eq!(said.iter().collect::<HashSet<_>>().len(), 800);
    assert_eq!(ids(&receipts).len(), 801);
}

pub(crate) fn append_hundred(dir: &Path) {
    let ledger = open(dir);
    for index in 0..100 {
        let appended = ledger.append(blocked(&format!("action {index}"))).unwrap();
        child::say(&appended.receipt_id.to_string());
    }
}

#[test]
fn what_was_answered_outlives_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(dir.path()));
    let mut answered = HashSet::new();
    for round in 0..6 {
        let mut process = child::spawn("append for ever", dir.path(), &[]);
        let mut heard = child::lines(&mut process);
        answered.extend(heard.by_ref().take(40 + 17 * round));
        process.kill().unwrap();
        answered.extend(heard);
        process.wait().unwrap();
        let ledger = open(dir.path());
        assert_eq!(ledger.open_actions().unwrap(), []);
        let ids = ids(&chain::check(&ledger));
        let lost: Vec<_> = answered.difference(&ids).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}

pub(crate) fn append_for_ever(dir: &Path) {
    let ledger = open(dir);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let intent = ledger.append(started("run", Vec::new())).unwrap();
                    child::say(&intent.receipt_id.to_string());
                    let outcome = ledger.append(closed(&intent)).unwrap();
                    child::say(&outcome.receipt_id.to_string());
                }
            });
        }
    });
}

#[test]
fn a_name_gets_one_id_whoever_asks() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let mut children: Vec<_> = (0..6).map(|_| child::spawn("name", dir.path(), &[])).collect();
    let said: HashSet<_> = children.iter_mut().flat_map(child::heard).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(said.len(), 20);
    let agent = ledger.principal_for(PrincipalKind::Agent, "user 3").unwrap();
    assert!(!said.contains(&agent.to_string()), "an agent of the same name is someone else");
    assert_eq!(ledger.name(agent).unwrap().unwrap().name, "user 3");
    assert_eq!(ledger.names().unwrap().len(), 22);
}

pub(crate) fn name(dir: &Path) {
    let ledger = open(dir);
    for index in 0..20 {
        let id = ledger.principal_for(PrincipalKind::Person, &format!("user {index}")).unwrap();
        child::say(&id.to_string());
    }
}

#[test]
fn tenants_share_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(dir.path());
    let home = Home::open(&dir.path().join("home")).unwrap();
    let other = TenantId::parse("other").unwrap();
    let (second, _) = home.create_tenant(&other, &birth(None)).unwrap();
    let intent = first.append(started("run", Vec::new())).unwrap();
    assert_eq!(second.append(closed(&intent)), Err(AppendError::NotOpen { intent: intent.receipt_id }));
    assert_ne!(first.log_origin(), second.log_origin());
    assert_eq!((chain::check(&first).len(), chain::check(&second).len()), (2, 1));
    // The whole of one tenant can go away under a working other.
    std::fs::remove_dir_all(home.tenant_dir(&other)).unwrap();
    first.append(closed(&intent)).unwrap();
    assert_eq!(home.tenants().unwrap(), [tenant()]);
}

fn ids(receipts: &[cascade_receipt::json::Value]) -> HashSet<String> {
    receipts.iter().map(|one| one.member("receipt_id").unwrap().as_str().unwrap().to_owned()).collect()
}
