//! Emitted table modules against SQLite: what the row check admits the database takes, with values as parameters only.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use cascade_synthesis::templates::{Declined, Spec, emit};

const PEOPLE: &str = "CREATE TABLE IF NOT EXISTS \"people\" (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a counter
    name VARCHAR(10) NOT NULL UNIQUE,
    born DATE,
    seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    balance NUMERIC(6, 2) NOT NULL DEFAULT 0,
    height REAL,
    active BOOLEAN NOT NULL,
    photo BLOB,
    \"order\" SMALLINT DEFAULT -1,
    CONSTRAINT one UNIQUE (name, born)
);";

/// Runs a script after the module; it ends with an assertion or prints `ok`.
fn python(module: &str, script: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the emitted text is Python: CPython says what it does")]
    let mut python = Command::new("python3")
        .args(["-W", "error", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("{module}\n\n{script}\nprint('ok')\n");
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
}

fn module(text: &str) -> String {
    emit(&Spec::Table(text)).unwrap().remove(0).python
}

#[test]
fn rows_are_checked_and_go_through_a_database() {
    let script = "
import sqlite3
D = datetime.date
good = {'name': 'Ann', 'born': D(2000, 2, 29), 'balance': decimal.Decimal('1234.50'), 'height': 1.7, 'active': True,
        'photo': b'xy', 'order': -5, 'seen': datetime.datetime(2024, 1, 2, 3, 4)}
assert validate_row(good) == []
spoil = {'name': [None, 5, 'x' * 11], 'born': ['2000-01-01', datetime.datetime(2000, 1, 1)], 'seen': [None, D(2000, 1, 1)],
         'balance': [1.5, True, decimal.Decimal('0.001'), decimal.Decimal('10000'), decimal.Decimal('NaN')],
         'height': ['1', float('inf'), True], 'active': [1, None], 'photo': ['xy'], 'order': [32768, -32769, True, 1.0],
         'id': [None, 'x'], 'nobody': [1]}
for name, values in spoil.items():
    for value in values:
        wrong = validate_row({**good, name: value})
        assert len(wrong) == 1 and wrong[0].startswith(name + ': '), (name, value, wrong)
for name, value in {'name': 'x' * 10, 'balance': decimal.Decimal('9999.99'), 'order': 32767, 'born': None, 'height': 2}.items():
    assert validate_row({**good, name: value}) == [], name
assert validate_row({'name': 'B', 'active': False}) == []
assert sorted(validate_row({})) == ['active: is missing', 'name: is missing']
base = sqlite3.connect(':memory:')
base.execute(SQL)
base.execute(*insert(good))
evil = \"x'); DROP--\"
base.execute(*insert({'name': evil[:10], 'active': False}))
statement, parameters = insert({'name': evil[:10], 'active': False})
assert evil[:10] not in statement and parameters == (evil[:10], False)
rows = base.execute(*select({'name': evil[:10]})).fetchall()
assert len(rows) == 1 and rows[0][8] == -1
assert len(base.execute(*select()).fetchall()) == 2
assert len(base.execute(*select({'born': None})).fetchall()) == 1
base.execute(*update({'height': 1.8, 'born': D(2001, 1, 1)}, {'name': 'Ann'}))
assert base.execute(*select({'height': 1.8})).fetchone()[2] == '2001-01-01'
assert base.execute(*select({'name': evil[:10]})).fetchone()[5] is None
for wrong in [lambda: update({}, {'id': 1}), lambda: update({'name': 'x'}, {}), lambda: update({'name': None}, {'id': 1}),
              lambda: select({'name\" OR 1=1 --': 1}), lambda: insert({'name': 5}), lambda: update({'x': 1}, {'id': 1})]:
    try:
        wrong()
    except ValueError:
        continue
    raise AssertionError('was taken')
";
    let sql = format!("SQL = '''{PEOPLE}'''\n{script}");
    assert_eq!(python(&module(PEOPLE), &sql), "ok\n");
}

#[test]
fn csv_is_read_and_what_is_wrong_names_its_line() {
    let script = "
rows, errors = parse_csv('name,active,born,balance,order\\r\\nAnn,true,2000-02-29,12.50,7\\r\\n\"B, \"\"C\"\"\",0,,1,\\r\\n')
assert errors == [], errors
assert rows[0] == {'name': 'Ann', 'active': True, 'born': datetime.date(2000, 2, 29), 'balance': decimal.Decimal('12.50'), 'order': 7}
assert rows[1]['name'] == 'B, \"C\"' and rows[1]['born'] is None and rows[1]['order'] is None
rows, errors = parse_csv('name,active\\nAnn,perhaps\\n\\nToo long a name,true\\nBob\\n,false\\nEve,false\\n')
assert [row['name'] for row in rows] == ['Eve']
assert [error.split(': ')[:2] for error in errors] == [
    ['line 2', 'active'], ['line 4', 'name'], ['line 5', 'has 1 fields, the header has 2'], ['line 6', 'name']], errors
assert parse_csv('name,age\\nAnn,3\\n') == ([], ['line 1: age: is no column of the table'])
assert parse_csv('name,name\\nAnn,3\\n') == ([], ['line 1: name: comes twice'])
assert parse_csv('') == ([], [])
assert parse_csv('name,active,order\\nAnn,true,1_0\\nBob,true,99999999999999999999999\\n')[0] == []
assert parse_csv('name,active\\n\"Ann,true\\n')[0] == []
";
    assert_eq!(python(&module(PEOPLE), script), "ok\n");
}

#[test]
fn json_describes_the_same_tables() {
    let text = r#"{"table": "t", "columns": [
        {"name": "k", "type": "bigint", "nullable": false}, {"name": "v", "type": "varchar(3)"},
        {"name": "n", "type": "serial"}, {"name": "d", "type": "int", "nullable": false, "default": 4}]}"#;
    let sql = "CREATE TABLE t (k BIGINT NOT NULL, v VARCHAR(3), n SERIAL, d INT NOT NULL DEFAULT 4)";
    assert_eq!(module(text), module(sql));
}

#[test]
fn what_is_not_covered_is_refused_by_its_name() {
    for (sql, wanted) in [
        ("CREATE TABLE t (a INT CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t (a INT, CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t (a INT REFERENCES u(b))", "REFERENCES"),
        ("CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u(b))", "FOREIGN"),
        ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t (a TEXT COLLATE NOCASE)", "COLLATE"),
        ("CREATE TABLE t (a UUID)", "type UUID"),
        ("CREATE TABLE t (a INT(3))", "type INT"),
        ("CREATE TABLE t (a NUMERIC(2, 3))", "type NUMERIC"),
        ("CREATE TABLE t (a INT DEFAULT (1 + 1))", "DEFAULT with an expression"),
        ("CREATE TABLE t (a INT DEFAULT nextval)", "DEFAULT with an expression"),
        ("CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY)", "GENERATED"),
        ("CREATE TABLE t (a INT) WITHOUT ROWID", "WITHOUT"),
        (r#"{"table": "t", "columns": [{"name": "a", "type": "int", "check": "a > 0"}]}"#, "check"),
        (r#"{"table": "t", "columns": [], "indexes": []}"#, "indexes"),
    ] {
        match emit(&Spec::Table(sql)) {
            Err(Declined::Keyword { keyword, .. }) => assert_eq!(keyword, wanted, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_table_is_refused() {
    for text in [
        "",
        "SELECT 1",
        "CREATE TABLE t",
        "CREATE TABLE t ()",
        "CREATE TABLE t (a INT, a TEXT)",
        "CREATE TABLE t (a INT, A INT)",
        "CREATE TABLE t (a INT; DROP TABLE u)",
        "CREATE TABLE t (a INT, PRIMARY KEY (b))",
        "CREATE TABLE t (\"a\"\"b\" INT)",
        "CREATE TABLE t ('a' INT)",
        "CREATE TABLE t (a INT,)",
        "CREATE TABLE \"t (a INT)",
        "{",
        r#"{"table": "t", "columns": []}"#,
        "CREATE TABLE t (a VARCHAR(99999999999))",
    ] {
        assert!(emit(&Spec::Table(text)).is_err(), "{text}");
    }
    let wide = |count: usize| {
        let columns: Vec<String> = (0..count).map(|at| format!("c{at} INT")).collect();
        emit(&Spec::Table(&format!("CREATE TABLE t ({})", columns.join(", "))))
    };
    assert!(wide(256).is_ok());
    assert!(matches!(wide(257), Err(Declined::TooLarge { most: 256, .. })));
    let named = |chars: usize| emit(&Spec::Table(&format!("CREATE TABLE t ({} INT)", "n".repeat(chars))));
    assert!(named(128).is_ok());
    assert!(named(129).is_err());
}
