//! `cascade rollback`: what was done is undone, the last first, under the gates, and never twice.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::runs::{by_agent, run, signed};
use crate::site::{Receipt, Site, ended, finish};
use crate::tty::Seat;

/// A spec of these steps, signed and run to this end; gives its run.
fn run_spec(site: &Site, name: &str, steps: &str, code: i32) -> String {
    signed(site, name, "", steps);
    run(site, name, code)["chain"].as_str().unwrap().to_owned()
}

/// Governs a command and gives its closer.
fn done(site: &Site, argv: &[&str]) -> String {
    site.run(&[&["run", "--"], argv].concat()).expect(0);
    site.last().id().to_owned()
}

fn rollback(site: &Site, args: &[&str], code: i32) -> Value {
    site.run(&[&["--json", "rollback"], args].concat()).expect(code).json()
}

/// What was planned for each command, and what became of it.
fn fates(told: &Value) -> Vec<(String, String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let items = told["plan"].as_array().unwrap().iter();
    items
        .map(|item| {
            let how = match text(item, "fate").as_str() {
                "undo" => words(&item["undo"]),
                "left" => text(item, "reason"),
                fate => fate.to_owned(),
            };
            (text(item, "command"), how, text(item, "became"))
        })
        .collect()
}

fn words(argv: &Value) -> String {
    argv.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn triples(all: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    all.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

fn repository(site: &Site) {
    site.set("git", &["init", "-q", "-b", "main", "."]);
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    site.set("git", &[&who[..], &["commit", "-q", "--allow-empty", "-m", "one"]].concat());
}

#[test]
fn a_directory_that_was_made_is_removed_and_the_receipts_say_so() {
    let site = Site::new();
    let made = done(&site, &["mkdir", "d"]);
    let before = site.receipts().len();
    // Nobody is there to be asked.
    site.run(&["rollback", &made]).expect(2);
    site.run(&["rollback", &made, "--plan"]).expect(0);
    assert!(site.work("d").is_dir());
    assert_eq!(site.receipts().len(), before, "a plan leaves nothing");
    let told = rollback(&site, &[&made, "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir d", "rmdir -- d", "undone")]));
    assert!(!site.work("d").exists());
    let receipts = site.receipts();
    let [.., intent, closer] = receipts.as_slice() else { panic!() };
    assert_eq!((intent.kind(), closer.kind()), ("task_started", "task_completed"));
    assert_eq!(intent.reference("supersedes"), Some(made.as_str()));
    // It is not done a second time, though the directory is there again.
    std::fs::create_dir(site.work("d")).unwrap();
    let told = rollback(&site, &[&made, "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir d", "undone", "")]));
    assert_eq!(told["plan"][0]["by"], closer.id());
    let said = site.run(&["rollback", &made]).expect(0);
    assert!(said.stderr.contains("there is nothing to undo"), "{}", said.stderr);
    assert!(site.work("d").is_dir());
    site.assert_sound();
}

#[test]
fn everything_since_is_undone_the_last_first() {
    let site = Site::new();
    repository(&site);
    done(&site, &["mkdir", "old"]);
    let moment = || site.last().content("timestamp").as_str().unwrap().to_owned();
    let before = moment();
    done(&site, &["true"]);
    let since = moment();
    assert!(since > before);
    for argv in [
        &["mkdir", "a"][..],
        &["mkdir", "a/b"],
        &["git", "branch", "topic"],
        &["git", "tag", "v1"],
        &["mv", "-nT", "a/b", "a/c"],
        &["ls", "a"],
        &["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "x"],
    ] {
        done(&site, argv);
    }
    site.run(&["run", "--", "mkdir", "a"]).expect(1);
    let told = rollback(&site, &["--since", &since, "--yes"], 1);
    let expected = [
        ("mkdir a", "failed", ""),
        ("git -c user.name=A -c user.email=a@b.c commit -q --allow-empty -m x", "no_inverse", ""),
        ("ls a", "nothing", ""),
        ("mv -nT a/b a/c", "mv -nT -- a/c a/b", "undone"),
        ("git tag v1", "git tag -d -- v1", "undone"),
        ("git branch topic", "git branch -d -- topic", "undone"),
        ("mkdir a/b", "rmdir -- a/b", "undone"),
        ("mkdir a", "rmdir -- a", "undone"),
    ];
    let found = fates(&told);
    assert_eq!(found[..expected.len()], triples(&expected), "{told}");
    assert!(!site.work("a").exists());
    assert_eq!(site.set("git", &["branch", "--format=%(refname:short)"]).stdout, "main\n");
    // What undid something is no deed of its own.
    let told = rollback(&site, &["--since", "1h", "--plan"], 0);
    assert!(fates(&told).iter().all(|(command, ..)| !command.starts_with("rmdir")), "{told}");
    assert!(site.work("old").exists());
    site.assert_sound();
}

#[test]
fn what_stands_there_now_is_not_lost() {
    let site = Site::new();
    done(&site, &["mkdir", "a"]);
    let late = done(&site, &["mkdir", "b"]);
    std::fs::write(site.work("b/kept"), "x").unwrap();
    let failed = site.run(&["rollback", "--since", "1h", "--yes"]).expect(1);
    assert!(failed.stderr.contains("not empty"), "{}", failed.stderr);
    assert!(failed.stderr.contains("1 action(s) were not tried"), "{}", failed.stderr);
    assert!(site.work("b/kept").exists() && site.work("a").exists(), "it stops at the first that fails");
    let told = rollback(&site, &["--since", "1h", "--yes", "--keep-going"], 1);
    let expected = [("mkdir b", "rmdir -- b", "failed"), ("mkdir a", "rmdir -- a", "undone")];
    assert_eq!(fates(&told), triples(&expected));
    std::fs::remove_file(site.work("b/kept")).unwrap();
    let told = rollback(&site, &[&late, "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir b", "rmdir -- b", "undone")]));
    site.assert_sound();
}

#[test]
fn an_inverse_that_hangs_on_how_it_was_before_wants_a_word() {
    let site = Site::new();
    std::fs::write(site.work("x"), "x").unwrap();
    let moved = done(&site, &["mv", "x", "y"]);
    let told = rollback(&site, &[&moved, "--yes"], 1);
    assert_eq!(fates(&told), triples(&[("mv x y", "assumes", "")]));
    let told = rollback(&site, &[&moved, "--yes", "--assume"], 0);
    assert_eq!(told["plan"][0]["assumes"], "the new name was free before");
    assert!(site.work("x").exists() && !site.work("y").exists());
    site.run(&["run", "--", "false"]).expect(1);
    let asked = site.run(&["rollback", site.last().id(), "--yes"]).expect(0);
    assert!(asked.stdout.contains("it changed nothing"), "{}", asked.stdout);
    let policy = site.receipts()[0].id().to_owned();
    site.run(&["rollback", &policy, "--yes"]).expect_failure(1, "nothing ran under");
    site.assert_sound();
}

#[test]
fn only_what_is_named_redoes_what_was_undone() {
    let site = Site::new();
    let made = done(&site, &["mkdir", "d"]);
    rollback(&site, &[&made, "--yes"], 0);
    let undo = site.last().id().to_owned();
    let told = rollback(&site, &["--since", "1h", "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir d", "undone", "")]));
    let told = rollback(&site, &[&undo, "--yes", "--assume"], 0);
    assert_eq!(fates(&told), triples(&[("rmdir -- d", "mkdir -- d", "undone")]));
    assert!(site.work("d").is_dir());
    // It is there again, and can be undone again.
    let told = rollback(&site, &[&made, "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir d", "rmdir -- d", "undone")]));
    site.assert_sound();
}

#[test]
fn a_dry_run_decides_each_and_runs_none() {
    let site = Site::new();
    let first = done(&site, &["mkdir", "a"]);
    done(&site, &["mkdir", "b"]);
    let told = rollback(&site, &["--since", "1h", "--dry-run"], 0);
    let expected = [("mkdir b", "rmdir -- b", "admit"), ("mkdir a", "rmdir -- a", "admit")];
    assert_eq!(fates(&told), triples(&expected));
    let last = site.last();
    assert_eq!((last.kind(), last.reference("supersedes")), ("dry_run", Some(first.as_str())));
    assert!(site.work("a").exists() && site.work("b").exists());
    site.assert_sound();
}

#[test]
fn variables_that_say_what_was_changed_say_what_is_undone() {
    let site = Site::new();
    repository(&site);
    std::fs::create_dir(site.work("other")).unwrap();
    site.set("git", &["clone", "-q", ".", "other/clone"]);
    site.set("git", &["branch", "topic"]);
    let mut command = site.cascade(&["run", "--", "git", "branch", "topic"]);
    command.env("GIT_DIR", site.work("other/clone/.git"));
    finish(command, b"").expect(0);
    let id = site.last().id().to_owned();
    rollback(&site, &[&id, "--yes"], 0);
    let branches = |dir: &str| site.set("git", &["-C", dir, "branch", "--format=%(refname:short)"]).stdout;
    assert_eq!((branches("."), branches("other/clone")), ("main\ntopic\n".to_owned(), "main\n".to_owned()));
    site.assert_sound();
}

#[test]
fn a_run_is_undone_by_its_steps_words_and_by_manifests() {
    let site = Site::new();
    let steps = "  - {id: name, run: [echo, made]}\n  - {id: dir, needs: [name], run: [mkdir, \"${steps.name.stdout}\"]}\n  - {id: each, needs: [dir], foreach: '[\"x\", \"y\"]', run: [touch, \"made/${item}\"], compensate: {run: [rm, \"${steps.name.stdout}/${item}\"]}}\n  - {id: sent, needs: [each], run: [touch, sent]}\n";
    let chain = run_spec(&site, "whole", steps, 0);
    let told = rollback(&site, &[&chain, "--yes"], 1);
    let found = fates(&told);
    assert_eq!(found[0], ("touch sent".to_owned(), "no_inverse".to_owned(), String::new()));
    let mut items = found[1..3].to_vec();
    items.sort();
    let expected = [("touch made/x", "rm made/x", "undone"), ("touch made/y", "rm made/y", "undone")];
    assert_eq!(items, triples(&expected));
    assert_eq!(
        found[3..],
        triples(&[("mkdir made", "rmdir -- made", "undone"), ("echo made", "nothing", "")])
    );
    assert_eq!(told["plan"][1]["source"], "step");
    assert!(!site.work("made").exists());
    let receipts = site.receipts();
    let undoings = receipts.iter().filter(|receipt| receipt.reference("supersedes").is_some());
    for receipt in undoings {
        assert_eq!(receipt.reference("chain"), None, "the run is over; this is another matter");
    }
    // By any receipt of its end, too.
    let end = site.last_of("chain_completed");
    let told = rollback(&site, &[&end, "--plan"], 0);
    assert!(fates(&told).iter().all(|(_, how, _)| how != "undo"), "{told}");
    site.assert_sound();
}

#[test]
fn what_a_run_has_undone_itself_stays_undone() {
    let site = Site::new();
    let steps = "  - {id: a, run: [mkdir, a], compensate: {run: [rmdir, a]}}\n  - {id: b, needs: [a], run: [mkdir, b]}\n  - {id: c, needs: [b], run: [\"false\"]}\n";
    let chain = run_spec(&site, "broken", steps, 1);
    assert!(!site.work("a").exists() && site.work("b").exists());
    std::fs::create_dir(site.work("a")).unwrap();
    let told = rollback(&site, &[&chain, "--yes"], 0);
    let expected = [("false", "nothing", ""), ("mkdir b", "rmdir -- b", "undone"), ("mkdir a", "undone", "")];
    assert_eq!(fates(&told), triples(&expected));
    assert!(site.work("a").exists());
    std::fs::remove_dir(site.work("a")).unwrap();
    // What undid it can be undone in turn, by name; then it is there again.
    let receipts = site.receipts();
    let is_it =
        |one: &&Receipt| one.kind() == "task_completed" && one.content("step")["role"] == "compensation";
    let compensation = receipts.iter().find(is_it).unwrap().id();
    let told = rollback(&site, &[compensation, "--yes", "--assume"], 0);
    assert_eq!(fates(&told), triples(&[("rmdir a", "mkdir -- a", "undone")]));
    let told = rollback(&site, &[&chain, "--yes"], 0);
    assert_eq!(fates(&told)[2], ("mkdir a".to_owned(), "rmdir a".to_owned(), "undone".to_owned()));
    site.assert_sound();
}

#[test]
fn a_run_that_goes_on_is_not_undone() {
    let site = Site::new();
    let steps = "  - {id: a, run: [mkdir, a]}\n  - {id: ask, needs: [a], approval: {text: \"well?\", groups: [admins]}}\n";
    let chain = run_spec(&site, "open", steps, 5);
    site.run(&["rollback", &chain, "--yes"]).expect_failure(1, "has not ended");
    let told = rollback(&site, &["--since", "1h", "--yes"], 1);
    assert_eq!(fates(&told), triples(&[("mkdir a", "open_run", "")]));
    site.run(&["spec", "cancel", &chain]).expect(0);
    let told = rollback(&site, &[&chain, "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir a", "rmdir -- a", "undone")]));
    site.assert_sound();
}

#[test]
fn an_undoing_waits_for_people_and_goes_on_with_their_approval() {
    let site = Site::new();
    let steps = "  - {id: low, run: [mkdir, low]}\n  - {id: d, needs: [low], run: [mkdir, d], compensate: {run: [rm, -rf, d]}}\n";
    let chain = run_spec(&site, "held", steps, 0);
    let args = ["--json", "rollback", &chain, "--yes"];
    let told = by_agent(&site, &args).expect(5).json();
    assert_eq!(fates(&told)[0].2, "waiting");
    assert_eq!(fates(&told)[1].2, "", "it stops there");
    let asked = told["plan"][0]["asked"].as_str().unwrap().to_owned();
    let before = site.receipts().len();
    by_agent(&site, &args).expect(5);
    assert_eq!(site.receipts().len(), before, "nobody is asked twice");
    site.run(&["approve", &asked]).expect(0);
    let told = by_agent(&site, &args).expect(0).json();
    let expected = [("mkdir d", "rm -rf d", "undone"), ("mkdir low", "rmdir -- low", "undone")];
    assert_eq!(fates(&told), triples(&expected));
    let receipts = site.receipts();
    let stands_on = |receipt: &&Receipt| receipt.reference("escalation") == Some(&asked);
    let intent = receipts.iter().filter(stands_on).find(|receipt| receipt.kind() == "task_started").unwrap();
    assert!(intent.reference("approval").is_some() && intent.reference("supersedes").is_some());
    site.assert_sound();
}

#[test]
fn what_was_approved_and_run_by_hand_counts_as_undone() {
    let site = Site::new();
    let steps = "  - {id: d, run: [mkdir, d], compensate: {run: [rm, -rf, d]}}\n";
    let chain = run_spec(&site, "hand", steps, 0);
    let told = by_agent(&site, &["--json", "rollback", &chain, "--yes"]).expect(5).json();
    let asked = told["plan"][0]["asked"].as_str().unwrap().to_owned();
    site.run(&["approve", &asked]).expect(0);
    by_agent(&site, &["run", "--approval", &asked]).expect(0);
    assert!(!site.work("d").exists());
    std::fs::create_dir(site.work("d")).unwrap();
    let told = rollback(&site, &[&chain, "--yes"], 0);
    assert_eq!(fates(&told), triples(&[("mkdir d", "undone", "")]));
    site.assert_sound();
}

/// A rollback of `chain` that is killed while it undoes.
fn killed_while_undoing(site: &Site, chain: &str) {
    let mut command = site.cascade(&["rollback", chain, "--yes"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_begun(site);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::KILL)
        .unwrap();
    ended(child, b"");
}

/// Waits until the undoing has said its word: the shell makes the file before it writes into it.
fn wait_until_begun(site: &Site) {
    let since = Instant::now();
    while std::fs::read(site.work("undoing")).unwrap_or_default() != b"x\n" {
        assert!(since.elapsed() < Duration::from_secs(60), "it never begins");
        std::thread::yield_now();
    }
}

const HELD: &str = "  - {id: first, run: [mkdir, first]}\n  - {id: held, needs: [first], run: [mkdir, held], compensate: {run: [sh, -c, \"echo x >> undoing; test -e go || exec sleep 600; rmdir held\"]}}\n  - {id: last, needs: [held], run: [mkdir, last]}\n";

#[test]
fn a_rollback_that_was_killed_goes_on_and_undoes_nothing_twice() {
    let site = Site::new();
    let chain = run_spec(&site, "kill", HELD, 0);
    killed_while_undoing(&site, &chain);
    assert!(!site.work("last").exists() && site.work("held").exists());
    std::fs::create_dir(site.work("last")).unwrap();
    let told = rollback(&site, &[&chain, "--yes"], 1);
    let found = fates(&told);
    assert_eq!(found[0].1, "undone");
    assert_eq!(found[1].1, "undoing_unknown");
    assert_eq!(found[2], ("mkdir first".to_owned(), "rmdir -- first".to_owned(), String::new()));
    assert_eq!(std::fs::read_to_string(site.work("undoing")).unwrap(), "x\n", "it was not begun again");
    std::fs::write(site.work("go"), "").unwrap();
    let told = rollback(&site, &[&chain, "--yes", "--retry"], 0);
    let became: Vec<&str> =
        told["plan"].as_array().unwrap().iter().filter_map(|item| item["became"].as_str()).collect();
    assert_eq!(became, ["undone", "undone"]);
    assert!(!site.work("held").exists() && !site.work("first").exists() && site.work("last").exists());
    site.assert_sound();
}

#[test]
fn two_rollbacks_do_not_meet() {
    let site = Site::new();
    let chain = run_spec(&site, "two", HELD, 0);
    let mut command = site.cascade(&["rollback", &chain, "--yes"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_begun(&site);
    site.run(&["rollback", &chain, "--yes"]).expect_failure(1, "another rollback of this chain is under way");
    site.run(&["run", "--", "true"]).expect(0);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::KILL)
        .unwrap();
    ended(child, b"");
    site.wait_until_quiet();
    site.run(&["run", "--", "true"]).expect(0);
    site.assert_sound();
}

#[test]
fn what_is_erased_or_unknown_is_left() {
    let site = Site::new();
    let made = done(&site, &["mkdir", "d"]);
    site.run(&["erase", &made]).expect(0);
    let told = rollback(&site, &[&made, "--yes"], 1);
    assert_eq!(told["plan"][0]["reason"], json!("erased"));
    assert_eq!(told["plan"][0]["command"], "(erased)");
    let chain = run_spec(&site, "gone", "  - {id: e, run: [mkdir, e], compensate: {run: [rmdir, e]}}\n", 0);
    site.run(&["erase", &chain]).expect(0);
    let told = rollback(&site, &[&chain, "--yes"], 1);
    assert_eq!(told["plan"][0]["reason"], json!("erased"));
    assert!(site.work("d").exists() && site.work("e").exists());
    site.assert_sound();
}

#[test]
fn on_a_terminal_the_person_is_asked() {
    let site = Site::new();
    let made = done(&site, &["mkdir", "d"]);
    let mut seat = Seat::take(&site, &["rollback", &made]);
    seat.until("undo 1 action(s)?").keys("n\r");
    let (code, screen) = seat.leave();
    assert_eq!(code, Some(1), "{screen}");
    assert!(site.work("d").exists() && screen.contains("rmdir -- d"), "{screen}");
    let mut seat = Seat::take(&site, &["rollback", &made]);
    seat.until("undo 1 action(s)?").keys("y\r");
    let (code, screen) = seat.leave();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!site.work("d").exists());
    site.assert_sound();
}

#[test]
fn runs_that_steps_have_started_are_undone_with_theirs() {
    let site = Site::new();
    let inner = "  - {id: d, run: [mkdir, d]}\n  - {id: e, needs: [d], run: [mkdir, d/e], compensate: {run: [rm, -r, d/e]}}\n";
    signed(&site, "inner", "", inner);
    let hash = site.run(&["spec", "hash", "inner.yaml"]).expect(0).stdout.trim().to_owned();
    let outer = |more: &str| {
        let call = format!("workflow: {{file: inner.yaml, spec_hash: \"{hash}\"}}");
        format!("  - {{id: top, run: [mkdir, top]}}\n  - {{id: call, needs: [top], {call}{more}}}\n")
    };
    let chain = run_spec(&site, "outer", &outer(""), 0);
    let told = rollback(&site, &[&chain, "--yes"], 0);
    let expected = [
        ("mkdir d/e", "rm -r d/e", "undone"),
        ("mkdir d", "rmdir -- d", "undone"),
        ("mkdir top", "rmdir -- top", "undone"),
    ];
    assert_eq!(fates(&told), triples(&expected));
    // Whoever undoes all of it at once does not undo its parts.
    let chain = run_spec(&site, "whole", &outer(", compensate: {run: [rm, -rf, d]}"), 0);
    let told = rollback(&site, &[&chain, "--yes"], 1);
    let left = |(_, how, _): &(String, String, String)| how == "no_inverse";
    assert!(fates(&told)[..2].iter().all(left), "{told}");
    assert!(site.work("d/e").exists() && !site.work("top").exists());
    site.assert_sound();
}
