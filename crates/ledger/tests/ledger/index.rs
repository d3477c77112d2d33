//! The search index: whatever becomes of its file, the answers are those of the log.

use std::path::{Path, PathBuf};

use cascade_ledger::{Fault, Home, Index, Ledger, Order, Outline, PAGE_MAX, Reader, Sought};
use cascade_receipt::content::{Action, Body, Rel};
use cascade_receipt::decision::{Decision, GateName, GateOutcome, Reason, RiskTier, Verdict};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use rusqlite::Connection;

use crate::fixture::{
    PERSON, action, blocked, closed, create, draft, escalation, reference, started, tenant,
};

fn denied(name: &str, tier: RiskTier, code: &str) -> Body {
    let mut action = action(name);
    let mut gates = action.decision.gates.clone();
    gates[6].outcome = GateOutcome::Deny;
    gates[6].reasons = vec![Reason::code(code)];
    action.decision = Decision::from_gates(gates);
    Body::Blocked(Action { risk_tier: tier, on_behalf_of: Some(PrincipalId([9; 8])), ..action })
}

/// A few receipts of many sorts.
fn fill(ledger: &Ledger) {
    for number in 0..20 {
        let name = format!("action {number}");
        let intent = ledger.append(started(&name, Vec::new())).unwrap();
        ledger.append(closed(&intent)).unwrap();
        ledger.append(draft(denied(&name, RiskTier::High, "failfast.pattern"))).unwrap();
        ledger.append(draft(denied(&name, RiskTier::Critical, "failfast.critical"))).unwrap();
        ledger.append(escalation(&name, 1)).unwrap();
    }
}

fn all_sought() -> Vec<Sought> {
    let all = Sought::default;
    vec![
        all(),
        Sought { kinds: vec!["blocked".into(), "genesis".into()], ..all() },
        Sought { other_kinds: vec!["blocked".into()], ..all() },
        Sought { verdict: Some(Verdict::Deny), ..all() },
        Sought { tier: Some(RiskTier::High), ..all() },
        Sought { principals: Some(vec![PrincipalId([9; 8])]), ..all() },
        Sought { principals: Some(Vec::new()), ..all() },
        Sought {
            kinds: vec!["blocked".into(), "task_started".into(), "halted".into()],
            principals: Some(vec![PERSON, PrincipalId([9; 8])]),
            tier: Some(RiskTier::Critical),
            ..all()
        },
        Sought { kinds: vec!["task_completed".into()], exit_code: Some(0), ..all() },
        Sought { code: Some("failfast".into()), ..all() },
        Sought { code: Some("failfast.critical".into()), ..all() },
        Sought { code: Some("failfast.crit".into()), ..all() },
        Sought { gate: Some(GateName::Failfast), tier: Some(RiskTier::Critical), ..all() },
        Sought { gate: Some(GateName::Window), ..all() },
        Sought { exit_code: Some(0), ..all() },
        Sought { policy: Some("0".into()), ..all() },
        Sought { key_id: Some("receipt+00000000".into()), ..all() },
    ]
}

fn lines(reader: &Reader) -> Vec<(u64, ReceiptId, String)> {
    let read = |line: cascade_ledger::Line| {
        let receipt = json::parse(line.text.as_bytes()).unwrap();
        let id = receipt.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse).unwrap();
        (line.seq, id, line.text)
    };
    reader.lines(0..u64::MAX).map(|line| read(line.unwrap())).collect()
}

/// Holds the index against the log, sort by sort and reference by reference.
#[track_caller]
fn assert_agrees(reader: &Reader) {
    reader.with_index(&mut |_, _| (), |index| agree(reader, index)).unwrap();
}

#[track_caller]
fn agree(reader: &Reader, index: &Index) -> Result<(), Fault> {
    let lines = lines(reader);
    for sought in all_sought() {
        let fits = |(seq, _, text): &(u64, ReceiptId, String)| {
            Outline::read(text, |outline| sought.fits(outline)).unwrap().then_some(*seq)
        };
        let expected: Vec<u64> = lines.iter().filter_map(fits).collect();
        let found = index.search(&sought, 0..u64::MAX >> 1, Order::Ascending, PAGE_MAX)?;
        assert_eq!(found, expected, "{sought:?}");
        let newest = index.search(&sought, 0..u64::MAX >> 1, Order::Descending, 3)?;
        assert_eq!(newest, expected.iter().rev().take(3).copied().collect::<Vec<_>>(), "{sought:?}");
    }
    for (seq, id, _) in &lines {
        assert_eq!(index.place_of(*id)?, Some(*seq), "{id}");
        let naming = format!("\"receipt_id\":\"{id}\",\"rel\":\"intent\"");
        let expected: Vec<u64> =
            lines.iter().filter(|line| line.2.contains(&naming)).map(|line| line.0).collect();
        assert_eq!(index.referring(*id, &[Some(Rel::Intent)], &Sought::default(), 0, 10)?, expected, "{id}");
    }
    Ok(())
}

fn file(ledger: &Ledger) -> PathBuf {
    ledger.dir().join("index.db")
}

fn alter(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn it_says_what_the_log_says_and_keeps_up() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    assert_agrees(&ledger);
    fill(&ledger);
    assert_agrees(&ledger);
    ledger.append(blocked("one more")).unwrap();
    assert_agrees(&ledger);
    assert_eq!(
        std::fs::metadata(file(&ledger)).unwrap().permissions(),
        std::os::unix::fs::PermissionsExt::from_mode(0o100_600)
    );
}

/// What is rare and what is common is looked up in different ways.
#[test]
fn it_says_so_of_many_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    let tickets: Vec<_> =
        (0..2_100).map(|number| ledger.submit(blocked(&format!("many {number}")))).collect();
    tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
    let lines = lines(&ledger);
    let agrees = |index: &Index| {
        for sought in all_sought() {
            let expected: Vec<u64> = lines
                .iter()
                .filter(|line| Outline::read(&line.2, |outline| sought.fits(outline)).unwrap())
                .map(|line| line.0)
                .collect();
            assert_eq!(index.search(&sought, 0..5_000, Order::Ascending, PAGE_MAX)?, expected, "{sought:?}");
            let some: Vec<u64> =
                expected.iter().filter(|seq| (50..90).contains(*seq)).take(7).copied().collect();
            assert_eq!(index.search(&sought, 50..90, Order::Ascending, 7)?, some, "{sought:?}");
        }
        Ok(())
    };
    ledger.with_index(&mut |_, _| (), agrees).unwrap();
}

#[test]
fn an_append_does_not_touch_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    assert!(!file(&ledger).exists());
    assert_agrees(&ledger);
    let before = std::fs::read(file(&ledger)).unwrap();
    fill(&ledger);
    assert_eq!(std::fs::read(file(&ledger)).unwrap(), before);
}

#[test]
fn one_that_is_damaged_missing_or_of_something_else_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    assert_agrees(&ledger);
    let (path, good) = (file(&ledger), std::fs::read(file(&ledger)).unwrap());
    let other = tempfile::tempdir().unwrap();
    let theirs = create(other.path());
    fill(&theirs);
    assert_agrees(&theirs);

    std::fs::remove_file(&path).unwrap();
    assert_agrees(&ledger);
    for bytes in [
        b"not a database at all, and long enough to be taken for one".to_vec(),
        good[..good.len() / 2].to_vec(),
        vec![0; 8192],
        [&good[..4096], &vec![0x5a; good.len() - 4096]].concat(),
        std::fs::read(file(&theirs)).unwrap(),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_agrees(&ledger);
    }
    for sql in [
        "UPDATE about SET version = version + 1; DELETE FROM receipts",
        "UPDATE about SET entry_hash = zeroblob(32); DELETE FROM receipts",
        "UPDATE about SET indexed_through = indexed_through + 1; DELETE FROM receipts",
        "UPDATE about SET genesis_public_key = zeroblob(32); DELETE FROM receipts",
        "DELETE FROM about; DELETE FROM receipts",
        "DROP TABLE receipts",
        "DROP TABLE about; CREATE TABLE about (id INTEGER)",
        "PRAGMA journal_mode=WAL; DROP TABLE refs",
    ] {
        alter(&path, sql);
        assert_agrees(&ledger);
    }
}

#[test]
fn where_it_cannot_be_written_the_answers_come_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    std::fs::create_dir(ledger.dir().join("index.lock")).unwrap();
    assert_agrees(&ledger);
    assert!(!file(&ledger).exists());
    std::fs::remove_dir(ledger.dir().join("index.lock")).unwrap();
    std::fs::create_dir(file(&ledger)).unwrap();
    assert_agrees(&ledger);
}

#[test]
fn an_edited_one_hides_receipts_from_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    assert_agrees(&ledger);
    alter(&file(&ledger), "DELETE FROM receipts WHERE seq > 5");
    let fresh = ledger.fresh_index(&mut |_, _| ()).unwrap();
    agree(&ledger, &fresh).unwrap();
}

#[test]
fn several_make_it_and_ask_it_at_once_while_others_append() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    let home = Home::open(&dir.path().join("home")).unwrap();
    let sought = Sought { kinds: vec!["blocked".into()], ..Sought::default() };
    let count = |reader: &Reader| {
        let search = |index: &Index| index.search(&sought, 0..u64::MAX >> 1, Order::Ascending, PAGE_MAX);
        reader.with_index(&mut |_, _| (), search).unwrap().len()
    };
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let reader = home.open_tenant_read_only(&tenant()).unwrap();
                let mut before = 40;
                for round in 0..15 {
                    let now = count(&reader);
                    assert!(now >= before, "{now} after {before}");
                    before = now;
                    if round % 5 == 0 {
                        std::fs::write(reader.dir().join("index.db"), "gone").unwrap();
                    }
                }
            });
        }
        scope.spawn(|| (0..30).for_each(|_| drop(ledger.append(blocked("more")).unwrap())));
    });
    assert_eq!(count(&ledger), 70);
    assert_agrees(&ledger);
}

#[test]
fn references_say_how_and_from_where_on() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let first = ledger.append(escalation("a", 1)).unwrap();
    let intents: Vec<u64> = (0..3)
        .map(|_| ledger.append(started("b", vec![reference(Rel::Parent, &first)])).unwrap().seq)
        .collect();
    let (first, any): (_, [Option<Rel>; 0]) = (first.receipt_id, []);
    let asked = |rels: &[Option<Rel>], from, limit| {
        ledger
            .with_index(&mut |_, _| (), |index| index.referring(first, rels, &Sought::default(), from, limit))
            .unwrap()
    };
    assert_eq!(asked(&any, 0, 10), intents);
    assert_eq!(asked(&[Some(Rel::Parent), Some(Rel::Chain)], 0, 2), intents[..2]);
    assert_eq!(asked(&any, intents[1], 10), intents[1..]);
    assert_eq!(asked(&[Some(Rel::Intent)], 0, 10), [0; 0]);
}

/// What was damaged when it was indexed is found once it is mended.
#[test]
fn a_line_that_could_not_be_read_is_looked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger);
    let path = ledger.dir().join("ledger.db");
    let whole = Connection::open(&path).unwrap();
    let (first, bytes): (i64, Vec<u8>) = whole
        .query_row("SELECT first_seq, bytes FROM segments WHERE first_seq = 5", (), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let set = |bytes: &[u8]| {
        let sql = "UPDATE segments SET bytes = ?2 WHERE first_seq = ?1";
        whole.execute(sql, rusqlite::params![first, bytes]).unwrap();
    };
    let all = || -> Vec<u64> {
        let all = Sought::default();
        let ask = |index: &Index| index.search(&all, 0..1_000, Order::Ascending, PAGE_MAX);
        ledger.with_index(&mut |_, _| (), ask).unwrap()
    };
    let mut bad = bytes.clone();
    bad[3] = 0xff;
    set(&bad);
    assert!(!all().contains(&5));
    // As long as it is damaged what is there is taken, and not made again and again.
    let at = std::fs::metadata(file(&ledger)).unwrap().modified().unwrap();
    assert!(!all().contains(&5));
    assert_eq!(std::fs::metadata(file(&ledger)).unwrap().modified().unwrap(), at);
    set(&bytes);
    assert!(all().contains(&5));
    assert_agrees(&ledger);
}

#[test]
fn those_that_refer_to_one_are_told_by_their_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let intent = ledger.append(started("one", Vec::new())).unwrap();
    ledger.append(closed(&intent)).unwrap();
    let ask = |sought: &Sought| {
        ledger
            .with_index(&mut |_, _| (), |index| index.referring(intent.receipt_id, &[], sought, 0, 9))
            .unwrap()
    };
    let closers = Sought { kinds: vec!["task_completed".into()], ..Sought::default() };
    assert_eq!((ask(&closers), ask(&Sought::default())), (vec![intent.seq + 1], vec![intent.seq + 1]));
    let none = Sought { other_kinds: vec!["task_completed".into()], ..Sought::default() };
    assert!(ask(&none).is_empty());
}
