//! The migration of the repository on a real PostgreSQL: applied, denied, failed, taken back, killed and gone on with.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::json;

use crate::postgres::Postgres;
use crate::stage::{Stage, undone};

const UP: &str = "alter table customer add column email text;\nupdate customer set email = lower(name) || '@example.org';\n";
const APPLIED: &str = "applied=select exists (select from information_schema.columns where table_name = 'customer' and column_name = 'email')";

/// A shop with two customers, and a migration that gives them addresses.
fn shop(up: &str) -> (Postgres, Stage) {
    let base = Postgres::start();
    base.ask("postgres", "create database shop");
    base.ask("shop", "create table customer (id int primary key, name text not null)");
    base.ask("shop", "insert into customer values (1, 'Ada'), (2, 'Bob')");
    let mut stage = Stage::new("migrate");
    for (name, value) in base.env() {
        stage.set_env(name, value);
    }
    std::fs::write(stage.site().work("up.sql"), up).unwrap();
    std::fs::write(stage.site().work("down.sql"), "alter table customer drop column email;\n").unwrap();
    let check = "check=select count(*) = 0 from customer where email is null";
    stage.give(&["database=shop", "up=up.sql", "down=down.sql", APPLIED, check]);
    (base, stage)
}

fn columns(base: &Postgres) -> String {
    base.ask(
        "shop",
        "select string_agg(column_name, ' ' order by ordinal_position) from information_schema.columns where table_name = 'customer'",
    )
}

#[test]
fn a_database_is_migrated_once_another_person_agrees() {
    let (base, stage) = shop(UP);
    let chain = stage.run_to_question();
    assert_eq!(columns(&base), "id name");
    stage.ada("approve");
    let told = stage.resume(&chain).expect(0).json();
    assert_eq!(told["outputs"], json!({"database": "shop"}));
    assert_eq!(base.ask("shop", "select email from customer where id = 1"), "ada@example.org");
    // The dump is one that can be restored from, of the time before.
    let dump = format!("shop-{chain}.dump");
    let listed = stage.site().set("pg_restore", &["--list", &dump]).stdout;
    assert!(listed.contains("TABLE DATA public customer"), "{listed}");
    stage.site().assert_sound();
}

#[test]
fn a_migration_that_is_denied_or_fails_changes_nothing() {
    let (base, stage) = shop(&format!("{UP}insert into nowhere values (1);\n"));
    let chain = stage.run_to_question();
    stage.ada("deny");
    stage.resume(&chain).expect(3);
    assert_eq!(columns(&base), "id name");
    let chain = stage.run_to_question();
    stage.ada("approve");
    let told = stage.resume(&chain).expect(1).json();
    assert_eq!((&told["reasons"], undone(&told)), (&json!(["step.failed"]), vec![]));
    assert_eq!(columns(&base), "id name", "it is one transaction");
    stage.site().assert_sound();
}

#[test]
fn a_migration_is_taken_back_when_the_check_afterwards_fails() {
    let (base, stage) = shop("alter table customer add column email text;\n");
    let chain = stage.run_to_question();
    stage.ada("approve");
    let told = stage.resume(&chain).expect(1).json();
    assert_eq!((&told["reasons"], undone(&told)), (&json!(["step.failed"]), vec!["migrate"]));
    assert_eq!(columns(&base), "id name");
    // The file that would take it back is not there any more: the end says so.
    let chain = stage.run_to_question();
    std::fs::remove_file(stage.site().work("down.sql")).unwrap();
    stage.ada("approve");
    let told = stage.resume(&chain).expect(1).json();
    assert_eq!(told["reasons"], json!(["step.failed", "compensation.failed"]));
    assert_eq!(columns(&base), "id name email");
    stage.site().assert_sound();
}

/// Sessions of the shop that wait for a lock.
fn waiting(base: &Postgres) -> bool {
    base.ask(
        "postgres",
        "select count(*) from pg_stat_activity where datname = 'shop' and wait_event_type = 'Lock'",
    ) != "0"
}

#[test]
fn a_migration_killed_in_the_middle_is_run_once_more() {
    let (base, stage) = shop(UP);
    let chain = stage.run_to_question();
    stage.ada("approve");
    // Somebody else holds the table, so that the migration waits in the middle.
    let mut other = base.client("shop").spawn().unwrap();
    let mut says = other.stdin.take().unwrap();
    writeln!(says, "begin; lock table customer in access share mode; select 'held';").unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    stage.kill_resumed_when(&chain, || waiting(&base));
    drop(says);
    other.wait().unwrap();
    let told = stage.resume(&chain).expect(0).json();
    assert_eq!(told["outcome"], "completed");
    assert_eq!(base.ask("shop", "select email from customer where id = 2"), "bob@example.org");
    let receipts = stage.site().receipts();
    let asked = receipts.iter().filter(|one| one.content("step")["role"] == "reconciler").count();
    assert_eq!(asked, 2, "an intent and its end");
    stage.site().assert_sound();
}
