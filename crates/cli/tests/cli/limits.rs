//! Budgets, freezes, contact hours and consent through the real binary, with counters from the log.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::site::{Done, Site, ended, finish, kinds, script};

pub(crate) const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/default");

/// A site whose policy is the default one with these limits.
pub(crate) fn limited(limits: &str) -> Site {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.set("cp", &["-r", DEFAULT, "policy"]);
    std::fs::write(site.work("policy/limits.toml"), limits).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    site
}

fn codes(done: &Done) -> Vec<String> {
    let document = done.json();
    let reasons = document["reasons"].as_array().unwrap();
    let code = |reason: &serde_json::Value| {
        format!("{}({})", reason["code"].as_str().unwrap(), reason["policy_id"].as_str().unwrap_or_default())
    };
    reasons.iter().map(code).collect()
}

#[test]
fn a_budget_ends_at_its_limit_and_says_when_it_is_free() {
    let site = limited(
        "[[budget]]\nname = \"echoes\"\ncommands = [\"echo\", \"nosuchprog\"]\nrolling = \"30d\"\nactions = 2\n",
    );
    // Neither a rehearsal nor a program that is not there uses anything up.
    site.run(&["run", "--dry-run", "--", "echo", "a"]).expect(0);
    for _ in 0..3 {
        site.run(&["run", "--", "nosuchprog"]).expect(1);
    }
    site.run(&["run", "--", "echo", "one"]).expect(0);
    site.run(&["run", "--", "sh", "-c", "false; echo two"]).expect(0);
    let denied = site.run(&["run", "--", "echo", "three"]).expect(3);
    assert_eq!(denied.stdout, "");
    let words = "budget echoes: 2 of 2 actions used, free again at 2";
    assert!(denied.stderr.contains(words), "{}", denied.stderr);
    let last = site.last();
    let budget = &last.content("decision")["gates"][8];
    assert_eq!(
        (last.kind(), &budget["gate"], &budget["outcome"]),
        ("blocked", &"budget".into(), &"deny".into())
    );
    let shown = site.run(&["show", last.id()]).expect(0).stdout;
    assert!(shown.contains(words) && shown.contains("(echoes)"), "{shown}");

    let denied = site.run(&["--json", "run", "--", "echo", "three"]).expect(3);
    assert!(codes(&denied).contains(&"budget.exhausted(echoes)".to_owned()), "{:?}", codes(&denied));
    assert!(denied.json()["limits"][0].as_str().unwrap().starts_with(words));
    assert!(site.run(&["shell-check", "--as", "person", "--", "echo x"]).expect(3).stdout.contains(words));
    site.run(&["run", "--", "true"]).expect(0);

    let receipts = site.receipts();
    let intents: Vec<_> = receipts.iter().filter(|one| one.kind() == "task_started").collect();
    assert_eq!(intents[0].content("draws")[0]["budget"], "echoes");
    assert!(intents.last().unwrap().content("draws").is_null());
    site.assert_sound();
    // A higher limit finds the counter where it was.
    std::fs::write(
        site.work("policy/limits.toml"),
        "[[budget]]\nname = \"echoes\"\ncommands = [\"echo\"]\nrolling = \"30d\"\nactions = 3\n",
    )
    .unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    site.run(&["run", "--", "echo", "three"]).expect(0);
    site.run(&["run", "--", "echo", "four"]).expect(3);
}

#[test]
fn eight_processes_at_once_take_no_more_than_there_is() {
    const PROCESSES: usize = 8;
    const LEFT: usize = 3;
    let site = limited(&format!("[[budget]]\nname = \"few\"\nrolling = \"30d\"\nactions = {LEFT}\n"));
    let codes: Vec<i32> = thread::scope(|scope| {
        let run = || {
            let mut command = site.cascade(&["run", "--", "true"]);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            ended(child, b"").status.code().unwrap_or(-1)
        };
        let threads: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ran = codes.iter().filter(|code| **code == 0).count();
    assert_eq!((ran, codes.iter().filter(|code| **code == 3).count()), (LEFT, PROCESSES - LEFT), "{codes:?}");
    let receipts = site.receipts();
    assert_eq!(receipts.iter().filter(|one| one.kind() == "task_started").count(), LEFT);
    assert_eq!(receipts.iter().filter(|one| one.kind() == "blocked").count(), PROCESSES - LEFT);
    site.assert_sound();
}

#[test]
fn people_lift_what_names_their_group_and_nothing_else() {
    let site = limited(
        "[[budget]]\nname = \"one\"\ncommands = [\"true\"]\nrolling = \"30d\"\nactions = 1\nescalate = \"admins\"\n\
         [[window]]\nname = \"frozen\"\ncommands = [\"uname\"]\nfreeze = { from = \"2020-01-01T00:00\", to = \"2099-01-01T00:00\" }\n",
    );
    let agent = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CLAUDECODE", "1");
        finish(command, b"")
    };
    agent(&["run", "--", "true"]).expect(0);
    let waits = agent(&["--json", "run", "--", "true"]).expect(5);
    assert_eq!(codes(&waits).last().unwrap(), "budget.exhausted(one)");
    let id = waits.json()["receipt_id"].as_str().unwrap().to_owned();
    site.run(&["approve", &id]).expect(0);
    agent(&["run", "--approval", &id]).expect(0);
    assert_eq!(site.receipts().iter().filter(|one| one.kind() == "task_completed").count(), 2);
    let frozen = site.run(&["run", "--", "uname"]).expect(3);
    assert!(
        frozen.stderr.contains("window frozen: not before 2099-01-01T00:00:00.000Z"),
        "{}",
        frozen.stderr
    );
    site.assert_sound();
}

/// The zone of whole hours in which it is now about `hour` o'clock.
pub(crate) fn zone_at(hour: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let utc = i64::try_from(now / 3600 % 24).unwrap();
    let ahead = (hour - utc + 12).rem_euclid(24) - 12;
    // The names count westwards.
    format!("Etc/GMT{}{}", if ahead > 0 { '-' } else { '+' }, ahead.abs())
}

#[test]
fn a_subject_is_called_by_day_with_consent_and_not_after_a_conversation() {
    let site = limited(
        "[[budget]]\nname = \"calls\"\ncommands = [\"dial\"]\nper = \"matter\"\nrolling = \"7d\"\nzone = \"subject\"\nactions = 7\n\
         [[window]]\nname = \"day\"\ncommands = [\"dial\"]\nzone = \"subject\"\nhours = { from = \"08:00\", to = \"21:00\" }\n\
         [[window]]\nname = \"agreed\"\ncommands = [\"dial\"]\nconsent = \"calls\"\n\
         [[window]]\nname = \"week\"\ncommands = [\"dial\"]\nafter_conversation = \"7d\"\nper = \"matter\"\n",
    );
    script(&site.work("dial"), "#!/bin/sh\necho ring\n");
    let dial = |whom: &str| site.run(&["--json", "run", "--subject", whom, "--", "./dial"]);
    let refused = |done: Done, code: &str| {
        let done = done.expect(3);
        assert!(codes(&done).contains(&code.to_owned()), "{code}: {:?}", codes(&done));
    };
    let (day, night) = (zone_at(12), zone_at(3));

    refused(site.run(&["--json", "run", "--", "./dial"]), "window.no_subject(day)");
    refused(dial("wilhelmina/mortgage"), "window.no_zone(day)");
    site.run(&["subject", "zone", "wilhelmina", &night]).expect(0);
    site.run(&["subject", "consent", "wilhelmina", "--scope", "calls"]).expect(0);
    refused(dial("wilhelmina/mortgage"), "window.closed(day)");
    site.run(&["subject", "zone", "wilhelmina", &day]).expect(0);
    refused(dial("wilhelmina"), "budget.no_subject(calls)");
    for _ in 0..7 {
        dial("wilhelmina/mortgage").expect(0);
    }
    refused(dial("wilhelmina/mortgage"), "budget.exhausted(calls)");
    // Another debt has calls of its own.
    dial("wilhelmina/card").expect(0);
    site.run(&["subject", "conversation", "wilhelmina/card"]).expect(0);
    refused(dial("wilhelmina/card"), "window.quiet(week)");
    dial("wilhelmina/lease").expect(0);
    site.run(&["subject", "consent", "wilhelmina", "--scope", "calls", "--revoke"]).expect(0);
    refused(dial("wilhelmina/lease"), "window.no_consent(agreed)");
    refused(dial("bob/mortgage"), "window.no_consent(agreed)");

    let shown = site.run(&["--json", "subject", "show", "wilhelmina"]).expect(0).json();
    assert_eq!((&shown["zone"], &shown["consents"][0]["given"]), (&day.into(), &false.into()));
    let receipts = site.receipts();
    let kinds = kinds(&receipts);
    let count = |kind: &str| kinds.iter().filter(|one| **one == kind).count();
    assert_eq!((count("x_subject_zone"), count("x_consent"), count("x_conversation")), (2, 2, 1));
    let export = site.run(&["export"]).expect(0).stdout;
    assert!(!export.contains("wilhelmina") && !export.contains("mortgage"), "a name left the vault");
    site.assert_sound();
}

#[test]
fn only_a_person_opens_a_way_to_a_subject() {
    let site = limited("[[window]]\nname = \"agreed\"\ncommands = [\"true\"]\nconsent = \"calls\"\n");
    let agent = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CLAUDECODE", "1");
        finish(command, b"")
    };
    agent(&["subject", "consent", "wilhelmina", "--scope", "calls"]).expect_failure(3, "an agent");
    agent(&["subject", "zone", "wilhelmina", "UTC"]).expect_failure(3, "an agent");
    agent(&["subject", "consent", "wilhelmina", "--scope", "calls", "--revoke"]).expect(0);
    agent(&["subject", "conversation", "wilhelmina"]).expect(0);
    site.run(&["subject", "zone", "wilhelmina", "Europe/Atlantis"]).expect_failure(2, "no time zone");
    site.run(&["subject", "zone", "wilhelmina/mortgage", "UTC"]).expect_failure(2, "about a matter");
    site.run(&["subject", "show", "bob"]).expect_failure(1, "no subject");
    for bad in ["", "/loan", "wilhelmina/", &"a".repeat(201)] {
        site.run(&["run", "--subject", bad, "--", "true"]).expect(2);
    }
    site.run(&["run", "--subject", &"a".repeat(200), "--", "true"]).expect(3);
    site.assert_sound();
}

#[test]
fn what_runs_ends_when_consent_is_taken_back_and_not_for_what_it_took_or_said_itself() {
    let site = limited(
        "[[budget]]\nname = \"last\"\ncommands = [\"cat\"]\nrolling = \"30d\"\nactions = 1\n\
         [[window]]\nname = \"agreed\"\ncommands = [\"cat\"]\nconsent = \"calls\"\n\
         [[window]]\nname = \"week\"\ncommands = [\"cat\"]\nafter_conversation = \"7d\"\n",
    );
    site.run(&["subject", "zone", "ada", "UTC"]).expect(0);
    site.run(&["subject", "consent", "ada", "--scope", "calls"]).expect(0);
    let mut command = site.cascade(&["run", "--subject", "ada", "--", "cat"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let (mut input, mut back) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut says = |word: &str| {
        writeln!(input, "{word}").unwrap();
        let mut line = String::new();
        back.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word, "it does not run any more");
    };
    says("here");
    // It took the last unit itself, and what is said meanwhile is the call itself.
    site.run(&["subject", "conversation", "ada"]).expect(0);
    says("still here");
    site.run(&["subject", "consent", "ada", "--scope", "calls", "--revoke"]).expect(0);
    ended(child, b"").expect(3);
    let last = site.last();
    let reasons = last.content("reasons").as_array().unwrap();
    assert_eq!((last.kind(), &reasons[0]["code"]), ("task_revoked", &"revoked.window".into()));
    site.run(&["run", "--subject", "ada", "--", "cat"]).expect(3);
    site.assert_sound();
}
