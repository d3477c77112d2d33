//! `cascade log`: what is looked for is found, by the index as without it, and nothing private stays in the index.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::site::{Done, Site, finish};
use crate::team::Team;
use crate::verifiers;

/// A chain with a bit of everything: runs that end well and badly, denials, an approval, an agent, reasons.
fn history() -> Team {
    let team = Team::new();
    team.joins("ada", &["admins"]);
    let site = &team.site;
    site.run(&["run", "--reason", "Nightly Backup of the ledger", "--", "true"]).expect(0);
    site.run(&["run", "--", "sh", "-c", "exit 7"]).expect(7);
    for branch in ["main", "dev"] {
        site.run(&[
            "run",
            "--reason",
            "=HYPERLINK(\"x\"), \"now\"",
            "--",
            "git",
            "push",
            "--force",
            "origin",
            branch,
        ])
        .expect(3);
    }
    let question = team.ask("x");
    team.by("ada", &["approve", &question]).expect(0);
    team.by_agent(&["run", "--approval", &question]).expect(0);
    team
}

fn lines(done: Done) -> Vec<Value> {
    done.expect(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log(team: &Team, args: &[&str]) -> Vec<Value> {
    lines(team.site.run(&[&["--json", "log"], args].concat()))
}

fn ids(found: &[Value]) -> Vec<&str> {
    found.iter().map(|one| one["receipt_id"].as_str().unwrap()).collect()
}

fn kinds(found: &[Value]) -> Vec<&str> {
    found.iter().map(|one| one["kind"].as_str().unwrap()).collect()
}

#[test]
fn every_filter_finds_by_the_index_what_reading_every_line_finds() {
    let team = history();
    let all = log(&team, &["--limit", "1000"]);
    let policy = all[0]["policy_hash"].as_str().unwrap()[..12].to_owned();
    let day = &all[0]["timestamp"].as_str().unwrap()[..10];
    let moment = all[5]["timestamp"].as_str().unwrap();
    let mut finding = BTreeSet::new();
    for filter in [
        "--kind blocked --kind approval",
        "--verdict deny",
        "--tier high",
        "--since 1h",
        &format!("--since {day}"),
        &format!("--until {day}"),
        &format!("--since {moment}"),
        &format!("--until {moment}"),
        "--principal ada",
        "--principal agent:claude-code",
        "--code failfast",
        "--code failfast.critical",
        "--gate failfast",
        "--gate window",
        &format!("--policy {policy}"),
        "--exit 7",
        "--exit 0 --principal agent:claude-code",
        "--spec 0",
        "--about backup",
        "--about main --kind blocked",
    ] {
        for more in ["--limit 1000", "--limit 2", "--limit 2 --oldest-first"] {
            let words: Vec<&str> = filter.split(' ').chain(more.split(' ')).collect();
            let found = log(&team, &words);
            let scanned = log(&team, &[&words[..], &["--scan"]].concat());
            assert_eq!(ids(&found), ids(&scanned), "{words:?}");
            if !found.is_empty() {
                finding.insert(filter.to_owned());
            }
            assert!(found.iter().map(|one| one["seq"].as_u64().unwrap()).is_sorted());
        }
    }
    assert_eq!(finding.len(), 16, "{finding:?}");
    team.site.assert_sound();
}

#[test]
fn filters_mean_what_they_say() {
    let team = history();
    assert_eq!(kinds(&log(&team, &["--code", "failfast"])), ["blocked", "blocked"]);
    assert_eq!(kinds(&log(&team, &["--exit", "7"])), ["task_failed"]);
    let ada = log(&team, &["--principal", "ada"]);
    assert_eq!(kinds(&ada), ["principal_added", "approval"]);
    assert_eq!(ids(&ada), ids(&log(&team, &["--principal", ada[1]["principal"].as_str().unwrap()])));
    // Words of commands and of reasons, whatever their case, all of them, and whole.
    assert_eq!(kinds(&log(&team, &["--about", "LEDGER nightly"])), ["task_started"]);
    assert_eq!(log(&team, &["--about", "main FORCE"]).len(), 1);
    assert_eq!(log(&team, &["--about", "night"]).len(), 0);
    assert_eq!(log(&team, &["--about", "nightly force"]).len(), 0);
    // The newest, and the oldest.
    let newest = log(&team, &["--kind", "blocked", "-n", "1"]);
    let oldest = log(&team, &["--kind", "blocked", "-n", "1", "--oldest-first"]);
    assert!(newest[0]["command"].as_str().unwrap().ends_with("dev"));
    assert!(oldest[0]["command"].as_str().unwrap().ends_with("main"));
}

#[test]
fn a_filter_that_cannot_be_meant_is_refused_with_a_hint() {
    let team = history();
    let site = &team.site;
    site.run(&["log", "--principal", "nobody"]).expect_failure(1, "nobody called `nobody`");
    site.run(&["log", "--chain", "r_0000000000000000"]).expect_failure(1, "no receipt");
    let blocked = site.last_of("blocked");
    site.run(&["log", "--chain", &blocked]).expect_failure(1, "no run of a workflow");
    for (args, words) in [
        (&["--since", "yesterday"][..], "2026-11-26"),
        (&["--gate", "door"], "failfast"),
        (&["--code", "A B"], "failfast.pattern"),
        (&["--spec", "xyz"], "hex"),
        (&["--exit", "256"], "0..=255"),
        (&["--about", "***"], "no word in it"),
        (&["--about", ""], "no word in it"),
        (&["--csv", "--json"], "cannot be used with"),
    ] {
        let done = site.run(&[&["log"], args].concat()).expect(2);
        assert!(done.stderr.contains(words), "{args:?}: {}", done.stderr);
    }
}

#[test]
fn tables_and_lines_go_to_files_whole() {
    let team = history();
    let csv = team.site.run(&["log", "--kind", "blocked", "--csv"]).expect(0).stdout;
    let (head, rows) = csv.split_once("\r\n").unwrap();
    assert!(head.starts_with("seq,timestamp,receipt_id,kind,verdict,"));
    assert_eq!(rows.matches("\r\n").count(), 2);
    // A formula in a reason is a text in the table.
    assert_eq!(rows.matches("\"'=HYPERLINK(\"\"x\"\"), \"\"now\"\"\"\r\n").count(), 2, "{rows}");

    let (table, all) = (team.site.path("out.csv"), team.site.path("out.jsonl"));
    team.site.run(&["log", "--kind", "blocked", "--csv", "--out", table.to_str().unwrap()]).expect(0);
    assert_eq!(std::fs::read_to_string(&table).unwrap(), csv);
    team.site.run(&["log", "--all", "--out", all.to_str().unwrap()]).expect(0);
    let exported = std::fs::read_to_string(&all).unwrap();
    assert_eq!(exported.lines().count(), team.site.receipts().len(), "a file holds all, not the newest 30");
    let first: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "genesis");
}

#[test]
fn what_is_erased_is_found_no_more_and_the_index_never_held_it() {
    let team = history();
    let before = log(&team, &["--about", "nightly", "--kind", "task_started"]);
    team.site.run(&["erase", ids(&before)[0]]).expect(0);
    assert_eq!(log(&team, &["--about", "nightly"]).len(), 0);
    let index = std::fs::read(team.site.home().join("tenants/default/index.db")).unwrap();
    for private in ["nightly", "Nightly", "HYPERLINK", "deploy", "ada", "claude", "force"] {
        let held = index.windows(private.len()).any(|part| part == private.as_bytes());
        assert!(!held, "{private} stands in the index");
    }
}

#[test]
fn an_index_that_lies_shows_nothing_that_is_not_so() {
    let team = history();
    let expected = log(&team, &["--verdict", "deny"]);
    let index = team.site.home().join("tenants/default/index.db");
    let edit = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('UPDATE receipts SET verdict=2'); c.commit()";
    team.site.set("python3", &["-c", edit, index.to_str().unwrap()]);
    assert_eq!(log(&team, &["--verdict", "deny"]), expected);
    std::fs::write(&index, "no index").unwrap();
    assert_eq!(log(&team, &["--verdict", "deny"]), expected);
    team.site.assert_sound();
}

/// A gap of 10^11 places, in the middle and at the end, is passed at once or refused.
#[test]
fn a_gap_is_passed_and_a_head_beyond_what_is_stored_is_refused() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for word in ["one", "two"] {
        site.run(&["run", "--", "echo", word]).expect(0);
    }
    let database = site.home().join("tenants/default/ledger.db");
    let alter = |sql: &str| {
        let script = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute(sys.argv[2])
database.commit()";
        let mut patch = std::process::Command::new(verifiers::interpreter());
        patch.args(["-c", script]).arg(&database).arg(sql);
        finish(patch, b"").expect(0);
    };
    alter(
        "UPDATE segments SET first_seq = first_seq + 100000000000 WHERE first_seq = (SELECT max(first_seq) FROM segments)",
    );
    alter("UPDATE head SET next_seq = next_seq + 100000000000");
    for order in [&["log", "-n", "50"][..], &["log", "-n", "50", "--oldest-first"]] {
        site.run(order).expect(0);
    }
    alter("UPDATE head SET next_seq = next_seq + 100000000000");
    let done = site.run(&["log", "-n", "5"]);
    assert!(done.stderr.contains("fsck"), "{}", done.stderr);
}
