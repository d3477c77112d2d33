//! `cascade cron`: schedules that are added, fire, are skipped and missed, and never fire twice.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::random::Random;
use crate::site::{Done, PATIENCE, Receipt, Site, ended, finish, kinds};
use crate::team::Team;

/// Kills of the short form; `CASCADE_TEST_KILLS` asks for more.
const KILLS: u32 = 6;
const SEED: u64 = 0xC407;

/// Adds a schedule; gives its id.
fn add(site: &Site, args: &[&str]) -> String {
    let done = site.run(&[&["--json", "cron", "add"], args].concat()).expect(0);
    done.json()["schedule"].as_str().unwrap().to_owned()
}

/// A scheduler so many days from now.
fn days_later(site: &Site, days: u32, args: &[&str]) -> Command {
    let mut command = site.ahead(&[&["cron", "run"], args].concat());
    command.env("CASCADE_TEST_DAYS", days.to_string());
    command
}

fn invocations(receipts: &[Receipt]) -> Vec<&Receipt> {
    receipts.iter().filter(|receipt| receipt.kind() == "cron_invocation").collect()
}

/// What became of a schedule, word by word.
fn outcomes(receipts: &[Receipt], schedule: &str) -> Vec<String> {
    let own = invocations(receipts).into_iter().filter(|one| one.reference("cron") == Some(schedule));
    own.map(|one| one.content("outcome").as_str().unwrap().to_owned()).collect()
}

fn lines(site: &Site, file: &str) -> usize {
    std::fs::read_to_string(site.work(file)).map_or(0, |text| text.lines().count())
}

fn json_lines(done: &Done) -> Vec<Value> {
    done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each time at which a schedule was due is dealt with once, and no two things run for one invocation.
fn assert_once(receipts: &[Receipt]) {
    let mut seen = BTreeSet::new();
    for one in invocations(receipts) {
        let due = (one.reference("cron").unwrap().to_owned(), one.content("due").to_string());
        assert!(seen.insert(due.clone()), "{due:?} twice");
    }
    let mut used = BTreeSet::new();
    for intent in receipts.iter().filter(|one| one.kind() == "task_started") {
        if let Some(invocation) = intent.reference("cron") {
            assert!(used.insert(invocation.to_owned()), "{invocation} twice");
        }
    }
}

#[test]
fn what_was_missed_is_caught_up_on_and_strangers_verify_it() {
    let site = Site::new();
    let by = |policy: &str, overlap: &str| {
        let script = format!("echo x >> {policy}");
        let flags = ["--at", "@daily", "--catch-up", policy, "--overlap", overlap];
        add(&site, &[&[policy], &flags[..], &["--", "sh", "-c", &script]].concat())
    };
    let (none, latest, all) = (by("none", "skip"), by("latest", "skip"), by("all", "queue"));
    let none_now = finish(site.cascade(&["--json", "cron", "run", "--once"]), b"").expect(0);
    assert_eq!(none_now.stdout, "", "nothing is due");

    finish(days_later(&site, 3, &["--once"]), b"").expect(0);
    let receipts = site.receipts();
    assert_eq!(outcomes(&receipts, &none), ["miss"]);
    assert_eq!(outcomes(&receipts, &latest), ["miss", "run"]);
    assert_eq!(outcomes(&receipts, &all), ["run", "run", "run"]);
    assert_eq!([lines(&site, "none"), lines(&site, "latest"), lines(&site, "all")], [0, 1, 3]);
    let missed = invocations(&receipts).into_iter().find(|one| one.reference("cron") == Some(&none)).unwrap();
    assert_eq!(
        (missed.content("count"), &missed.content("reasons")[0]["code"]),
        (&json!(3), &json!("cron.absent"))
    );
    // Whoever comes again at that time finds nothing to do.
    finish(days_later(&site, 3, &["--once"]), b"").expect(0);
    assert_eq!(invocations(&site.receipts()).len(), invocations(&receipts).len());
    assert_once(&receipts);
    for intent in receipts.iter().filter(|one| one.kind() == "task_started") {
        assert!(intent.reference("cron").is_some(), "what runs names its invocation");
    }
    site.assert_sound();
}

#[test]
fn two_schedulers_fire_nothing_twice() {
    let site = Site::new();
    for name in ["a", "b", "c"] {
        let script =
            format!("mkdir busy-{name} || echo x >> beside; sleep 0.05; echo x >> {name}; rmdir busy-{name}");
        let flags = ["--at", "@daily", "--catch-up", "all", "--overlap", "queue", "--", "sh", "-c", &script];
        add(&site, &[&[name], &flags[..]].concat());
    }
    // The library that sets the clock is made before both need it.
    finish(site.ahead(&["cron", "list"]), b"").expect(0);
    let start = || {
        let mut command = days_later(&site, 4, &["--once"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both: Vec<Child> = (0..2).map(|_| start()).collect();
    for child in both {
        ended(child, b"").expect(0);
    }
    // What one of them left to the other, it left to nobody.
    finish(days_later(&site, 4, &["--once"]), b"").expect(0);
    let receipts = site.receipts();
    assert_once(&receipts);
    for name in ["a", "b", "c"] {
        let id = find(&site, name);
        let ran = outcomes(&receipts, &id).iter().filter(|outcome| *outcome == "run").count();
        assert_eq!(lines(&site, name), ran, "{name}");
        let missed = outcomes(&receipts, &id).len() - ran;
        assert!(ran + missed >= 1 && ran <= 4, "{name}: {ran} {missed}");
    }
    assert_eq!(lines(&site, "beside"), 0, "one ran beside another of its schedule");
    site.assert_sound();
}

fn find(site: &Site, name: &str) -> String {
    let shown = site.run(&["--json", "cron", "show", name]).expect(0).json();
    shown["schedule"].as_str().unwrap().to_owned()
}

/// Killed at any moment, also between an invocation and its run: nothing fires twice, nothing runs again, and what was
/// never started is told.
#[test]
fn a_killed_scheduler_is_followed_by_one_that_repeats_nothing() {
    let site = Site::new();
    let script = "echo x >> ran";
    let flags = ["--at", "@daily", "--catch-up", "latest", "--", "sh", "-c", script];
    let id = add(&site, &[&["daily"], &flags[..]].concat());
    finish(site.ahead(&["cron", "list"]), b"").expect(0);
    let runs = site.home().join("tenants/default/runs");
    let mut random = Random(SEED);
    let kills = std::env::var("CASCADE_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let deadline = Instant::now() + PATIENCE;
    let (mut round, mut unstarted) = (0, 0);
    while round < kills || (unstarted == 0 && Instant::now() < deadline) {
        round += 1;
        let mut command = days_later(&site, 2 * round, &["--once"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The lock of an invocation is there a moment before the invocation is.
        while std::fs::read_dir(&runs).unwrap().count() == 0 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(u64::try_from(random.below(80)).unwrap()));
        drop(child.kill());
        child.wait().unwrap();
        site.wait_until_quiet();
        // A lock that nobody holds is a file that nobody looks at.
        for file in std::fs::read_dir(&runs).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        site.run(&["run", "--", "true"]).expect(0);
        let receipts = site.receipts();
        assert_once(&receipts);
        let fired = outcomes(&receipts, &id).iter().filter(|outcome| *outcome == "run").count();
        assert!(lines(&site, "ran") <= fired, "something ran that was not fired");
        let shown = site.run(&["--json", "cron", "show", "daily"]).expect(0).json();
        let standing = |one: &&Value| one["standing"] == "never started";
        unstarted = shown["invocations"].as_array().unwrap().iter().filter(standing).count();
    }
    assert!(unstarted > 0, "no kill in {round} came between an invocation and its run");
    let before = lines(&site, "ran");
    finish(days_later(&site, 2 * round, &["--once"]), b"").expect(0);
    assert!(lines(&site, "ran") <= before + 1, "what was never started is not repeated");
    assert_once(&site.receipts());
    site.assert_sound();
}

#[test]
fn schedules_are_listed_paused_resumed_and_removed() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    assert_eq!(site.run(&["--json", "cron", "list"]).expect(0).stdout, "");
    let id = add(
        &site,
        &["nightly", "--at", "30 2 * * *", "--zone", "Europe/Berlin", "--jitter", "5m", "--", "git", "gc"],
    );
    site.run(&["cron", "add", "nightly", "--at", "@daily", "--", "true"])
        .expect_failure(1, "there is a schedule of this name");
    let state = || json_lines(&site.run(&["--json", "cron", "list"]).expect(0)).remove(0);
    let listed = state();
    assert_eq!(
        (&listed["name"], &listed["state"], &listed["zone"], &listed["jitter_ms"], &listed["argv"]),
        (
            &json!("nightly"),
            &json!("active"),
            &json!("Europe/Berlin"),
            &json!(300_000),
            &json!(["git", "gc"])
        )
    );
    let next = json_lines(&site.run(&["--json", "cron", "next", "nightly", "-n", "3"]).expect(0));
    assert_eq!(next.len(), 3);
    assert_eq!(next[0]["due"], listed["next"]);
    let changed = |verb: &str| site.run(&["--json", "cron", verb, "nightly", "--reason", "a test"]);
    assert_eq!(changed("pause").expect(0).json()["verdict"], "admit");
    assert_eq!(state()["state"], "paused");
    changed("pause").expect(1);
    // What was due meanwhile is nobody's.
    finish(days_later(&site, 3, &["--once"]), b"").expect(0);
    changed("resume").expect(0);
    changed("resume").expect(1);
    assert_eq!(outcomes(&site.receipts(), &id), Vec::<String>::new());
    site.run(&["cron", "remove", &id]).expect(0);
    site.run(&["cron", "pause", "nightly"]).expect_failure(1, "there is no schedule `nightly`");
    assert_eq!(site.run(&["--json", "cron", "list"]).expect(0).stdout, "");
    let again = add(&site, &["nightly", "--at", "@daily", "--", "true"]);
    assert_ne!(again, id);
    site.assert_sound();
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let before = site.receipts().len();
    for (at, column) in
        [("61 * * * *", 1), ("0 0 * * fry", 9), ("0 0 30 2 *", 5), ("* * * *", 8), ("@reboot", 1)]
    {
        let refused = site.run(&["--json", "cron", "add", "x", "--at", at, "--", "true"]).expect(2).json();
        let fault = &refused["faults"][0];
        assert_eq!((&fault["line"], &fault["column"]), (&json!(1), &json!(column)), "{at}: {refused}");
    }
    let bad = |flags: &[&str], words: &str| {
        let args = [&["cron", "add"], flags, &["--", "true"]].concat();
        site.run(&args).expect_failure(2, words);
    };
    bad(&["x", "--at", "@daily", "--zone", "Europe/Berln"], "there is no time zone `Europe/Berln`");
    bad(&["x", "--at", "@daily", "--zone", "europe/berlin"], "spelled `Europe/Berlin`");
    bad(&["X y", "--at", "@daily"], "is no name for a schedule");
    bad(&["x", "--at", "@daily", "--jitter", "2h"], "an hour at most");
    bad(&["x", "--at", "@daily", "--catch-up", "all"], "cannot run if it is skipped");
    site.run(&["cron", "run", "nothing"]).expect_failure(1, "there is no schedule `nothing`");
    assert_eq!(site.receipts().len(), before, "nothing is on record that was never asked of the gates");
}

#[test]
fn agents_change_no_schedule() {
    let site = Site::new();
    add(&site, &["nightly", "--at", "@daily", "--", "true"]);
    let by_agent = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CLAUDECODE", "1");
        finish(command, b"")
    };
    for args in [
        &["--json", "cron", "add", "more", "--at", "@daily", "--", "true"][..],
        &["--json", "cron", "pause", "nightly"],
        &["--json", "cron", "remove", "nightly"],
    ] {
        let refused = by_agent(args).expect(3).json();
        assert_eq!(refused["verdict"], "deny", "{refused}");
        assert_eq!(site.last().kind(), "blocked");
        assert_eq!(site.last().content("task_type"), "cron");
    }
    by_agent(&["cron", "list"]).expect(0);
    // A scheduler of its own lets nothing run that a person added, and takes no due time away.
    let mut command = days_later(&site, 3, &["--once"]);
    command.env("CLAUDECODE", "1");
    let done = finish(command, b"").expect(0);
    assert!(done.stderr.contains("it is left alone"), "{}", done.stderr);
    by_agent(&["cron", "run", "nightly"]).expect_failure(3, "was added by somebody else");
    assert_eq!(site.last().content("task_type"), "control.cron_run");
    assert!(invocations(&site.receipts()).is_empty());
    site.assert_sound();
}

/// Nobody gains by a schedule: it runs as whoever added it, by whoever is that.
#[test]
fn somebody_elses_schedule_is_left_alone() {
    let team = Team::with_thresholds("[risk]\nagent = \"HIGH\"\n");
    let site = &team.site;
    let mut command = site.cascade(&[
        "--json",
        "cron",
        "add",
        "agents",
        "--at",
        "@daily",
        "--catch-up",
        "latest",
        "--",
        "touch",
        "made",
    ]);
    command.env("CLAUDECODE", "1");
    finish(command, b"").expect(0);
    let done = finish(days_later(site, 2, &["--once"]), b"").expect(0);
    assert!(done.stderr.contains("it is left alone"), "{}", done.stderr);
    site.run(&["cron", "run", "agents"]).expect_failure(3, "was added by somebody else");
    assert_eq!(site.last().content("task_type"), "control.cron_run");
    assert!(invocations(&site.receipts()).is_empty() && !site.work("made").exists());
    let listed = finish(site.ahead(&["--json", "cron", "list"]), b"").expect(0);
    assert_eq!(listed.json()["state"], "overdue", "nobody is told that it ran");
    // Whoever added it lets it run: what was due was not taken away.
    let mut own = days_later(site, 2, &["--once"]);
    own.env("CLAUDECODE", "1");
    finish(own, b"").expect(0);
    assert!(site.work("made").exists());
    assert_eq!(team.last_intent().reference("cron"), Some(site.last_of("cron_invocation").as_str()));
    site.assert_sound();
}

#[test]
fn what_needs_people_waits_and_the_scheduler_goes_on() {
    let team = Team::with_thresholds("[risk]\nperson = \"MEDIUM\"\n");
    let site = &team.site;
    team.joins("bob", &["admins"]);
    let flags = ["--at", "@daily", "--catch-up", "latest", "--"];
    let plain = [&["cron", "add", "deploy"], &flags[..], &["./deploy.sh", "x"]].concat();
    let asked = site.run(&[&["--json"], &plain[..]].concat()).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    assert_eq!((&asked["verdict"], site.last().kind()), (&json!("escalate"), "escalation"));
    team.by("bob", &["approve", id]).expect(0);
    // Another definition is not what was approved.
    let other = ["cron", "add", "deploy", "--approval", id, "--at", "@hourly", "--", "./deploy.sh", "x"];
    site.run(&other).expect_failure(1, "is not about this change");
    let approved = [&["cron", "add", "deploy", "--approval", id], &flags[..], &["./deploy.sh", "x"]].concat();
    site.run(&approved).expect(0);
    assert_eq!(site.last().reference("escalation"), Some(id));

    let harmless = [&["--json", "cron", "add", "touch"], &flags[..], &["touch", "made"]].concat();
    let asked = site.run(&harmless).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    team.by("bob", &["approve", id]).expect(0);
    site.run(&[&["cron", "add", "touch", "--approval", id], &flags[..], &["touch", "made"]].concat())
        .expect(0);

    let done = finish(days_later(site, 2, &["--once"]), b"").expect(0);
    // The library that sets the clock makes every command one that nobody can classify.
    let receipts = site.receipts();
    let fired: Vec<_> =
        invocations(&receipts).into_iter().filter(|one| one.content("outcome") == "run").collect();
    let waiting: Vec<_> = receipts
        .iter()
        .filter(|one| one.kind() == "escalation")
        .filter_map(|one| one.reference("cron"))
        .collect();
    assert_eq!((fired.len(), waiting.len()), (2, 2), "{}", done.stderr);
    assert!(!site.work("made").exists() && !site.work("deployed").exists());
    let shown = site.run(&["--json", "cron", "show", "deploy"]).expect(0).json();
    assert_eq!(shown["invocations"][0]["standing"], "waits for an approval");
    site.run(&["cron", "run", "touch"]).expect(0);
    assert!(site.work("made").exists());
    site.run(&["cron", "run", "deploy"]).expect(5);
    site.assert_sound();
}

#[test]
fn a_spec_runs_as_it_was_when_it_was_scheduled() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let text = "csl: 1\nname: greet\nversion: \"1\"\ninputs: {who: {type: string}}\nsteps:\n  - {id: a, run: [touch, \"${inputs.who}\"]}\n";
    std::fs::write(site.work("greet.yaml"), text).unwrap();
    site.run(&["spec", "sign", "greet.yaml"]).expect(0);
    let hash = site.run(&["spec", "hash", "greet.yaml"]).expect(0).stdout.trim().to_owned();
    site.run(&["cron", "add", "greet", "--at", "@daily", "--spec", "greet.yaml"])
        .expect_failure(2, "input `who` is missing");
    add(&site, &["greet", "--at", "@daily", "--spec", "greet.yaml", "--input", "who=you"]);
    assert_eq!(site.last().content("spec_hash"), &json!(hash));
    std::fs::remove_file(site.work("greet.yaml")).unwrap();
    std::fs::remove_file(site.work("greet.yaml.sig")).unwrap();
    site.run(&["cron", "run", "greet"]).expect(0);
    assert!(site.work("you").exists());
    let receipts = site.receipts();
    let run = receipts.iter().find(|one| one.kind() == "chain_started").unwrap();
    assert_eq!(run.content("spec_hash"), &json!(hash));
    assert_eq!(run.reference("cron"), Some(site.last_of("cron_invocation").as_str()));
    let invocation = invocations(&receipts)[0];
    assert_eq!(invocation.content("due"), &Value::Null, "nobody waited for it to be due");
    assert_eq!(kinds(&receipts).last(), Some(&"chain_completed"));
    site.assert_sound();
}

#[test]
fn while_the_tenant_is_halted_nothing_fires() {
    let site = Site::new();
    let id = add(&site, &["nightly", "--at", "@daily", "--catch-up", "latest", "--", "touch", "made"]);
    site.run(&["halt", "--reason", "stop"]).expect(0);
    finish(days_later(&site, 1, &["--once"]), b"").expect(0);
    let receipts = site.receipts();
    assert_eq!(outcomes(&receipts, &id), ["skip"]);
    assert_eq!(invocations(&receipts)[0].content("reasons")[0]["code"], "standing.halted");
    assert!(!site.work("made").exists());
    site.run(&["cron", "run", "nightly"]).expect(1);
    site.run(&["resume", "--reason", "on"]).expect(0);
    site.run(&["cron", "run", "nightly"]).expect(0);
    assert!(site.work("made").exists());
    site.assert_sound();
}

#[test]
fn what_is_erased_fires_no_more() {
    let site = Site::new();
    let id = add(&site, &["nightly", "--at", "@daily", "--catch-up", "latest", "--", "touch", "made"]);
    site.run(&["erase", &id]).expect(0);
    assert_eq!(site.run(&["--json", "cron", "list"]).expect(0).json()["state"], "erased");
    let done = finish(days_later(&site, 3, &["--once"]), b"").expect(0);
    assert!(done.stderr.contains("erased or damaged"), "{}", done.stderr);
    site.run(&["cron", "run", "nightly"]).expect_failure(1, "is erased");
    site.run(&["cron", "remove", "nightly"]).expect(0);
    assert!(!site.work("made").exists());
    site.assert_sound();
}

#[test]
fn what_still_runs_elsewhere_is_not_run_beside() {
    let site = Site::new();
    site.set("mkfifo", &["gate"]);
    let id = add(&site, &["slow", "--at", "@daily", "--catch-up", "latest", "--", "cat", "gate"]);
    finish(site.ahead(&["cron", "list"]), b"").expect(0);
    let mut command = site.cascade(&["cron", "run", "slow"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !site.receipts().iter().any(|one| one.kind() == "task_started") {
        assert!(Instant::now() < deadline, "it never started");
    }
    let shown = site.run(&["--json", "cron", "show", "slow"]).expect(0).json();
    assert_eq!(shown["invocations"][0]["standing"], "running");
    finish(days_later(&site, 1, &["--once"]), b"").expect(0);
    std::fs::write(site.work("gate"), "go\n").unwrap();
    ended(child, b"").expect(0);
    let receipts = site.receipts();
    assert_eq!(outcomes(&receipts, &id), ["run", "skip"]);
    assert_eq!(invocations(&receipts)[1].content("reasons")[0]["code"], "cron.overlap");
    site.assert_sound();
}

#[test]
fn a_scheduler_ends_on_a_signal() {
    let site = Site::new();
    add(&site, &["nightly", "--at", "@daily", "--", "true"]);
    let mut child = site.cascade(&["cron", "run"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.contains("looks after 1 schedule"), "{line}");
    // It takes over what others add while it goes on.
    add(&site, &["more", "--at", "@hourly", "--", "true"]);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = String::new();
    while told.read_line(&mut rest).unwrap() > 0 {}
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("stops"), "{rest}");
    site.wait_until_quiet();
}
