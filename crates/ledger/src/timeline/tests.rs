//! Wherever one comes from, a moment is what a build from the first receipt gives. The chains are the valid ones of
//! `vectors/`: between them they hold every kind of receipt.

use std::path::Path;

use cascade_receipt::content::PolicyRef;
use cascade_receipt::id::LogOrigin;
use rusqlite::types::Value as Stored;
use tempfile::TempDir;

use super::*;
use crate::birth::Birth;
use crate::change::Change;
use crate::home::{Home, TenantId};
use crate::reader::Found;
use crate::schema::VIEW_TABLES;
use crate::segment::Segment;
use crate::store::{Access, to_sql};

/// Jumps in a chain; beyond it they come to nothing new.
const JUMPS_MAX: u64 = 50;

type Dump = Vec<Vec<Vec<Stored>>>;
type Edit<'a> = &'a dyn Fn(&mut Vec<String>);

/// The lines of every valid chain that begins with its genesis.
fn chains() -> Vec<(String, Vec<String>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let mut chains = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("valid-") || name.starts_with("valid-bundle") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("{\"content\":"))
            .map(|line| format!("{line}\n"))
            .collect();
        if lines.first().is_some_and(|line| line.contains("\"kind\":\"genesis\"")) {
            chains.push((name, lines));
        }
    }
    chains.sort();
    assert!(chains.len() > 30, "{} chains", chains.len());
    chains
}

fn origin_of(line: &str) -> LogOrigin {
    let receipt = json::parse(line.trim_end().as_bytes()).unwrap();
    let origin = receipt.member("content").unwrap().member("log_origin").unwrap();
    LogOrigin::parse(origin.as_str().unwrap()).unwrap()
}

/// A tenant whose log is these lines, in commits of `apart`.
fn tenant(lines: &[String], apart: usize) -> (TempDir, Reader) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_or_create(&dir.path().join("home")).unwrap();
    let birth = Birth {
        host: "test",
        admins: Vec::new(),
        names: Vec::new(),
        policy: PolicyRef { version: "1".to_owned(), hash: Digest::of(b"{}") },
        blobs: vec![(Digest::of(b"{}"), b"{}".to_vec())],
        recovery_out: None,
        passphrase: None,
        now: Timestamp::from_ms(0),
    };
    let (ledger, _) = home.create_tenant(&TenantId::parse("default").unwrap(), &birth).unwrap();
    let place = ledger.dir().to_owned();
    drop(ledger);
    let log = Database::open(&place.join("ledger.db"), Access::ReadWrite).unwrap();
    log.conn.execute_batch("DELETE FROM segments; DELETE FROM ids;").unwrap();
    for (index, chunk) in lines.chunks(apart).enumerate() {
        Segment::insert(&log.conn, (index * apart) as u64, chunk).unwrap();
    }
    log.conn.execute("UPDATE chain SET log_origin = ?1", [origin_of(&lines[0]).as_str()]).unwrap();
    set_next(&log.conn, lines.len());
    drop(log);
    let reader = Reader::open(&place, Access::ReadOnly).unwrap();
    (dir, reader)
}

fn set_next(conn: &Connection, next: usize) {
    conn.execute("UPDATE head SET next_seq = ?1, indexed_through = 0", [to_sql(next as u64)]).unwrap();
}

fn dump(conn: &Connection) -> Dump {
    let table = |(name, key, _): (&str, &str, &str)| {
        let mut query = conn.prepare(&format!("SELECT * FROM main.{name} ORDER BY {key}")).unwrap();
        let columns = query.column_count();
        let rows = query.query_map((), |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
        rows.map(Result::unwrap).collect()
    };
    VIEW_TABLES.into_iter().map(table).collect()
}

fn dump_of(timeline: &Timeline<'_>) -> Dump {
    timeline.moment.ask(|conn| Ok(dump(conn))).unwrap()
}

/// Every state of a chain, as plain rebuilding gives it.
fn states(lines: &[String]) -> Vec<Dump> {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(VIEWS).unwrap();
    let state = |(seq, line): (usize, &String)| {
        let receipt = json::parse(line.trim_end().as_bytes()).unwrap();
        let mut report = FsckReport::default();
        let origin = origin_of(line);
        let read = walk::read(seq as u64, &receipt, None, origin.as_str(), &mut report).unwrap();
        views::apply(&conn, &read.entry, &read.change).unwrap();
        dump(&conn)
    };
    lines.iter().enumerate().map(state).collect()
}

/// Forwards, backwards, and by jumps of every length.
fn ways(count: u64) -> Vec<u64> {
    let mut ways: Vec<u64> = (0..count).chain((0..count).rev()).collect();
    // Of all distances, in both directions.
    ways.extend((0..JUMPS_MAX.min(3 * count)).map(|step| (step * step * 7 + step * 3) % count));
    ways
}

#[test]
fn every_way_to_a_moment_gives_its_state() {
    let bounds = [(1, 3, u64::MAX), (4, 2, 0), (7, 1_000, u64::MAX)];
    for ((name, lines), bounds) in chains().into_iter().zip(bounds.into_iter().cycle()) {
        let (apart, snapshots_apart, undo_bytes) = bounds;
        let states = states(&lines);
        let (_dir, reader) = tenant(&lines, apart);
        let mut timeline = reader.timeline().unwrap();
        timeline.snapshots.apart = snapshots_apart;
        (timeline.undo.look_every, timeline.undo.bytes_max) = (1, undo_bytes);
        for seq in ways(lines.len() as u64) {
            timeline.go_to(seq, &mut |_, _| ()).unwrap();
            assert_eq!(timeline.broken(), None, "{name}");
            assert_eq!(timeline.seq(), Some(seq));
            let want = states.get(usize::try_from(seq).unwrap()).unwrap();
            assert!(dump_of(&timeline) == *want, "{name} {bounds:?}: the state at {seq} is another one");
            assert_eq!(timeline.moment().head().unwrap().next_seq, seq + 1);
        }
    }
}

/// A reader of a moment gives no receipt that came later, also of a commit of which a part was there.
#[test]
fn a_moment_knows_nothing_of_what_came_later() {
    let (_, lines) = chains().into_iter().max_by_key(|(_, lines)| lines.len()).unwrap();
    let (_dir, reader) = tenant(&lines, 4);
    let id = |line: &str| segment::line_id(line.trim_end().as_bytes()).unwrap();
    let mut timeline = reader.timeline().unwrap();
    for seq in ways(lines.len() as u64) {
        timeline.go_to(seq, &mut |_, _| ()).unwrap();
        let moment = timeline.moment();
        assert_eq!(moment.lines(0..u64::MAX).count() as u64, seq + 1);
        let place = usize::try_from(seq).unwrap();
        let own = moment.find(&id(&lines[place]).to_string()).unwrap();
        assert!(matches!(own, Found::One(_, at, _) if at == seq), "{own:?}");
        let named = |line: &str| {
            let found = moment.newest_naming(id(line), 0, |text| Some(text.to_owned())).unwrap();
            found.map(|text| text == line.trim_end())
        };
        assert_eq!(named(&lines[place]), Some(true), "no line names its own receipt");
        if let Some(later) = lines.get(place + 1) {
            assert_eq!(moment.find(&id(later).to_string()).unwrap(), Found::Nothing);
            assert_eq!(named(later), None);
        }
    }
}

/// What is told of a receipt is the difference between the state before it and after.
#[test]
fn the_changes_of_a_receipt_are_those_of_its_rows() {
    let mut tables = std::collections::BTreeSet::new();
    for (name, lines) in chains() {
        let states = states(&lines);
        let (_dir, reader) = tenant(&lines, 3);
        let mut timeline = reader.timeline().unwrap();
        timeline.snapshots.apart = 2;
        for seq in (0..lines.len()).rev() {
            timeline.go_to(seq as u64, &mut |_, _| ()).unwrap();
            let changes = timeline.changes().unwrap();
            let empty = vec![Vec::new(); VIEW_TABLES.len()];
            let before = seq.checked_sub(1).map_or(&empty, |before| &states[before]);
            let differing = |(from, to): (&Vec<Vec<Stored>>, &Vec<Vec<Stored>>)| {
                let gone = from.iter().filter(|row| !to.contains(row)).count();
                let come = to.iter().filter(|row| !from.contains(row)).count();
                (gone, come)
            };
            let rows: (usize, usize) = before
                .iter()
                .zip(&states[seq])
                .map(differing)
                .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
            let told = (
                changes.iter().filter(|change| change.before.is_some()).count(),
                changes.iter().filter(|change| change.after.is_some()).count(),
            );
            assert_eq!(told, rows, "{name} {seq}: {changes:?}");
            tables.extend(changes.iter().map(|change| change.table));
        }
    }
    let missing: Vec<_> =
        VIEW_TABLES.iter().map(|(name, _, _)| *name).filter(|name| !tables.contains(name)).collect();
    assert!(missing.is_empty(), "no vector changes {missing:?}");
}

/// Snapshots and notes stay within their bounds, and what they lose costs time only.
#[test]
fn memory_is_bounded() {
    let (_, lines) = chains().into_iter().max_by_key(|(_, lines)| lines.len()).unwrap();
    let (_dir, reader) = tenant(&lines, 1);
    let mut timeline = reader.timeline().unwrap();
    timeline.snapshots.apart = 1;
    let one = timeline.snapshots.before(0).map(|_| {
        timeline.moment.move_to(|database| Ok(database.conn.serialize(rusqlite::MAIN_DB).unwrap().len()))
    });
    timeline.snapshots.bytes_max = one.unwrap().unwrap() * 4;
    (timeline.undo.look_every, timeline.undo.bytes_max) = (1, 0);
    timeline.go_to(u64::MAX, &mut |_, _| ()).unwrap();
    assert!(timeline.snapshots.apart > 1, "nothing was thinned out");
    assert_eq!(timeline.snapshots.before(0), Some(0), "the first stays");
    assert!(timeline.undo.first > 0, "nothing was forgotten");
    let states = states(&lines);
    timeline.go_to(1, &mut |_, _| ()).unwrap();
    assert!(dump_of(&timeline) == states[1]);
}

/// A line that does not follow ends what is known, wherever one comes from; the state before it is right.
#[test]
fn behind_a_break_nothing_is_known() {
    let (_, lines) = chains().into_iter().max_by_key(|(_, lines)| lines.len()).unwrap();
    let states = states(&lines);
    let at = lines.len() / 2;
    let edits: [(&str, Edit<'_>); 5] = [
        ("log.syntax", &|lines| lines[at] = "{\n".to_owned()),
        ("log.hash", &|lines| lines[at] = lines[at].replacen("\"kind\":\"", "\"kind\":\"x_", 1)),
        ("log.link", &|lines| {
            lines.remove(at);
        }),
        ("log.link", &|lines| lines.swap(at, at + 1)),
        ("log.gap", &|lines| lines.truncate(at)),
    ];
    for (code, edit) in edits {
        let mut damaged = lines.clone();
        edit(&mut damaged);
        for apart in [1, 5] {
            let (dir, reader) = tenant(&damaged, apart);
            let log = reader.dir().join("ledger.db");
            set_next(&Database::open(&log, Access::ReadWrite).unwrap().conn, lines.len());
            let mut timeline = reader.timeline().unwrap();
            timeline.go_to(u64::MAX, &mut |_, _| ()).unwrap();
            let found = timeline.broken().unwrap();
            assert_eq!((found.code, found.seq), (code, Some(at as u64)), "{found:?}");
            assert_eq!(timeline.seq(), Some(at as u64 - 1));
            assert!(dump_of(&timeline) == states[at - 1], "{code}");
            timeline.go_to(0, &mut |_, _| ()).unwrap();
            assert!(dump_of(&timeline) == states[0]);
            drop(dir);
        }
    }
}

/// A receipt that the views refuse leaves no half of itself.
#[test]
fn a_receipt_that_cannot_follow_changes_nothing() {
    let (_, lines) = chains()
        .into_iter()
        .find(|(_, lines)| lines.iter().any(|line| line.contains("\"kind\":\"task_started\"")))
        .unwrap();
    let (_dir, reader) = tenant(&lines, 1);
    let started = lines.iter().position(|line| line.contains("\"kind\":\"task_started\"")).unwrap() as u64;
    let mut timeline = reader.timeline().unwrap();
    timeline.go_to(started - 1, &mut |_, _| ()).unwrap();
    let receipt = json::parse(lines[usize::try_from(started).unwrap()].trim_end().as_bytes()).unwrap();
    let Some(Change::Started { action_hash, principal, .. }) =
        Change::of_value(receipt.member("content").unwrap())
    else {
        panic!("an intent")
    };
    let id = receipt.member("receipt_id").unwrap().as_str().unwrap();
    let id = cascade_receipt::id::ReceiptId::parse(id).unwrap();
    // As if the same intent were open already.
    timeline
        .moment
        .move_to(|database| {
            let row = rusqlite::params![id.0, [0_u8; 32], 0, principal.0, action_hash.0];
            Ok(database
                .conn
                .execute("INSERT INTO open_actions VALUES (?1, ?2, ?3, ?4, ?5, NULL, NULL)", row)
                .unwrap())
        })
        .unwrap();
    let before = dump_of(&timeline);
    timeline.go_to(started, &mut |_, _| ()).unwrap();
    assert_eq!(timeline.broken().map(|found| found.code), Some("views.apply"));
    assert!(dump_of(&timeline) == before);
}
