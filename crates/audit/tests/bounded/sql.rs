//! SQL of a pack is a stranger's: what it may not do, and that it ends.

use std::sync::{Mutex, PoisonError};

use cascade_audit::control::{Bounds, Controls, GuardFault, Outcome, Period, View, audit};
use cascade_audit::trial::build;
use cascade_receipt::verify::{Options, Verifier};

const PERIOD: Period = Period { since: 0, until: i64::MAX, now: i64::MAX };
const TIGHT: Bounds = Bounds { steps_base: 2_000_000, steps_each: 0, heap_bytes: 64 * 1024 * 1024 };

/// One query at a time has the memory.
static TURN: Mutex<()> = Mutex::new(());

/// What a control with this query gives on a chain of two receipts.
fn asked(sql: &str) -> (Outcome, Option<GuardFault>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let receipt: toml::Table = toml::from_str("kind = \"blocked\"").unwrap();
    let built = build(&[receipt]).unwrap();
    let mut verifier = Verifier::new(Options::default());
    let mut view = View::new().unwrap();
    for line in &built.lines {
        verifier.line(line.as_bytes());
        view.take(line.as_bytes(), None).unwrap();
    }
    view.close(&verifier.finish(), PERIOD, TIGHT).unwrap();
    let controls = |sql: &str| {
        let text = format!(
            "[[control]]\nid = \"own.x\"\ntitle = \"t\"\ncitation = \"c\"\ncriteria = [\"1\"]\nseverity = \"low\"\n\
             effective_from = \"2020-01-01\"\nevidence = \"e\"\nnext = \"n\"\napplies = \"SELECT NULL AS seq\"\n\
             violations = '''{sql}'''\n"
        );
        Controls::parse("own", &text).unwrap()
    };
    let result = audit(&view, &controls(sql), PERIOD).results.remove(1);
    // Whatever it did, the view is as it was.
    let count = controls("SELECT NULL AS seq, count(*) AS summary FROM receipts");
    let after = audit(&view, &count, PERIOD).results.remove(1);
    assert_eq!(after.findings[0].summary, "2", "{sql}");
    (result.outcome, result.fault)
}

fn refused(sql: &str) {
    let (outcome, fault) = asked(sql);
    assert_eq!(outcome, Outcome::Failed, "{sql}");
    assert!(matches!(fault, Some(GuardFault::Refused(_))), "{sql}: {fault:?}");
}

#[test]
fn it_can_only_read_the_view() {
    for sql in [
        "DELETE FROM receipts",
        "UPDATE receipts SET verdict = 'admit'",
        "INSERT INTO breaks VALUES (1, 1, 'x', 'x', 'x')",
        "DROP TABLE receipts",
        "CREATE TEMP TABLE t (x)",
        "CREATE TABLE t AS SELECT * FROM receipts",
        "PRAGMA query_only = OFF",
        "PRAGMA hard_heap_limit = 0",
        "ATTACH ':memory:' AS other",
        "BEGIN",
        "SELECT load_extension('x') AS seq, 1 AS summary",
        "SELECT name AS seq, sql AS summary FROM sqlite_schema",
        "SELECT name AS seq, 1 AS summary FROM pragma_database_list",
        "SELECT NULL AS seq, count(*) AS summary FROM pragma_database_list",
        "SELECT random() AS seq, 1 AS summary",
        "SELECT 1 AS seq, strftime('%s', 'now') AS summary",
        "SELECT 1 AS seq, current_timestamp AS summary",
        "SELECT NULL AS seq, sqlite_version() AS summary",
        "SELECT NULL AS seq, hex(fts3_tokenizer('simple')) AS summary",
        "DELETE FROM receipts RETURNING seq, kind AS summary",
    ] {
        refused(sql);
    }
}

#[test]
fn it_reads_what_the_view_has() {
    let (outcome, fault) = asked(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10) \
         SELECT receipts.seq AS seq, json_extract(receipts.content, '$.kind') || count(n.x) AS summary \
         FROM receipts, n, json_each('[1]') WHERE receipts.kind = 'genesis' GROUP BY receipts.seq",
    );
    assert_eq!((outcome, fault), (Outcome::Violated, None));
}

#[test]
fn what_does_not_end_is_ended() {
    for sql in [
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT NULL AS seq, count(x) AS summary FROM n",
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 0 AS seq, x AS summary FROM n",
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000) \
         SELECT NULL AS seq, count(*) AS summary FROM n a, n b, n c",
    ] {
        let (outcome, fault) = asked(sql);
        assert_eq!(outcome, Outcome::Failed, "{sql}");
        assert!(matches!(fault, Some(GuardFault::Steps(_))), "{sql}: {fault:?}");
    }
}

/// A row about a receipt that is not there is no row that can be dropped.
#[test]
fn what_names_no_receipt_is_no_answer() {
    let (outcome, fault) = asked("SELECT 999 AS seq, 'broken' AS summary");
    assert_eq!(outcome, Outcome::Failed);
    assert!(matches!(fault, Some(GuardFault::Columns(_))), "{fault:?}");
}

#[test]
fn memory_is_bounded() {
    let big = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000) \
               SELECT NULL AS seq, max(t) AS summary FROM \
               (SELECT x || replace(hex(zeroblobs.z), '0', 'abcdefgh') AS t FROM n, \
               (SELECT printf('%060000d', 0) AS z) AS zeroblobs ORDER BY 1 DESC)";
    let (outcome, fault) = asked(big);
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(fault, Some(GuardFault::Memory));
    // A single value has its bound as well.
    let (_, fault) = asked("SELECT NULL AS seq, printf('%02000000d', 0) AS summary");
    assert!(matches!(fault, Some(GuardFault::Sql(_))), "{fault:?}");
}

#[test]
fn bad_sql_is_no_answer() {
    for sql in [
        "SELECT",
        "SELECT seq FROM receipts",
        "SELECT seq AS summary, seq FROM receipts",
        "SELECT seq, kind AS summary, '' AS also, 1 AS more FROM receipts",
        "SELECT seq, nothing AS summary FROM receipts",
        "SELECT seq, kind AS summary FROM receipts; SELECT 1",
        "SELECT 'x' AS seq, 1 AS summary",
        "",
        "VACUUM INTO 'stolen.db'",
    ] {
        let (outcome, fault) = asked(sql);
        assert_eq!(outcome, Outcome::Failed, "{sql}");
        assert!(matches!(fault, Some(GuardFault::Sql(_) | GuardFault::Columns(_))), "{sql}: {fault:?}");
    }
}
