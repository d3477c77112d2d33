//! The stop button, and what else ends a run that was admitted: within a second, receipted, with nothing left alive.

use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use serde_json::Value;

use crate::site::{Done, PATIENCE, Receipt, Site, ended, finish, kinds, script};
use crate::tty::Seat;

/// Promised is one second; a busy machine may take longer, but never so long.
const SOON: Duration = Duration::from_secs(30);
/// How long the shipped program lets a silent run go without a heartbeat.
const TRUST_INTERVAL: Duration = Duration::from_secs(60);

/// Waits for what other processes do, of which nothing tells this one.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        rustix::event::poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 })).unwrap();
    }
}

fn logged(site: &Site, kind: &str) -> Vec<Value> {
    let log = site.run(&["--json", "log", "--all", "--kind", kind]).expect(0).stdout;
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn agent(site: &Site, args: &[&str]) -> Command {
    let mut command = site.cascade(args);
    command.env("CLAUDECODE", "1");
    command
}

fn spawned(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A run of something that repeats its input: what comes back was vouched for after it was sent.
struct Echo {
    child: Child,
    input: Box<dyn Write>,
    back: BufReader<ChildStdout>,
}

impl Echo {
    /// `input` leads to it; its standard input otherwise.
    fn start(command: Command, input: Option<Box<dyn Write>>) -> Self {
        let mut child = spawned(command);
        let input = input.unwrap_or_else(|| Box::new(child.stdin.take().unwrap()));
        let back = BufReader::new(child.stdout.take().unwrap());
        let mut echo = Self { child, input, back };
        echo.says("here");
        echo
    }

    fn says(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
        let mut line = String::new();
        self.back.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word, "it does not run any more");
    }

    fn end(self) -> Done {
        drop(self.input);
        ended(self.child, b"")
    }
}

/// Presses the button; what still runs would make it fail.
fn halt(site: &Site) -> Instant {
    let pressed = Instant::now();
    let document = site.run(&["--json", "halt", "--reason", "enough"]).expect(0).json();
    assert_eq!(document["still_running"], serde_json::json!([]));
    pressed
}

/// The closer of each intent, and the codes it gives.
fn closers(site: &Site) -> Vec<(String, Vec<String>)> {
    let receipts = site.receipts();
    let closes = |receipt: &&Receipt| receipt.reference("intent").is_some() && receipt.kind() != "heartbeat";
    let codes = |receipt: &Receipt| {
        let reasons = receipt.content("reasons").as_array().cloned().unwrap_or_default();
        reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    };
    receipts.iter().filter(closes).map(|receipt| (receipt.kind().to_owned(), codes(receipt))).collect()
}

/// The default policy and one more file of rules.
fn activate(site: &Site, rules: &str) {
    let dir = site.work("policy");
    std::fs::create_dir_all(&dir).unwrap();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/default");
    for file in ["base.cedar", "schema.cedarschema", "thresholds.toml"] {
        std::fs::copy(default.join(file), dir.join(file)).unwrap();
    }
    std::fs::write(dir.join("rules.cedar"), rules).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
}

#[test]
fn halt_ends_every_kind_of_run_within_a_second() {
    let site = Site::new();
    // Deaf, and with a child in a session of its own.
    let deaf = "#!/bin/sh\ntrap '' TERM HUP\nsetsid sleep 600 &\necho here\nwhile :; do sleep 600; done\n";
    script(&site.work("deaf.sh"), deaf);
    let asked = finish(agent(&site, &["--json", "run", "--", "./deaf.sh"]), b"").expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    let plain = spawned(site.cascade(&["run", "--", "sleep", "600"]));
    let json = spawned(site.cascade(&["--json", "run", "--timeout", "1h", "--", "sleep", "600"]));
    let approved = spawned(agent(&site, &["run", "--approval", id]));
    let mut seat = Seat::take(&site, &["run", "--", "sh", "-c", "echo here; sleep 600"]);
    seat.until("here");
    until("four runs", || logged(&site, "task_started").len() == 4);
    until("the deaf one", || !logged(&site, "heartbeat").is_empty());
    let pressed = halt(&site);
    let told = ended(plain, b"").expect(3);
    assert!(told.stderr.contains("the tenant was halted"), "{}", told.stderr);
    assert!(told.stderr.contains("cascade resume"), "how to go on: {}", told.stderr);
    let document = ended(json, b"").expect(3).json();
    assert_eq!(
        (&document["exit_code"], &document["revoked"][0]["code"]),
        (&Value::from(3), &Value::from("revoked.halted"))
    );
    // What it had said is in its receipts, so it is here.
    assert_eq!(ended(approved, b"").expect(3).stdout, "here\n");
    assert_eq!(seat.leave().0, Some(3));
    assert!(pressed.elapsed() < SOON, "{:?}", pressed.elapsed());
    assert_eq!(closers(&site), vec![("task_revoked".to_owned(), vec!["revoked.halted".to_owned()]); 4]);
    site.wait_until_quiet();
    site.assert_sound();
}

#[test]
fn a_policy_that_forbids_it_ends_a_run_and_another_does_not() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut echo = Echo::start(site.cascade(&["run", "--", "cat"]), None);
    let sleeping = spawned(site.cascade(&["run", "--", "sleep", "600"]));
    until("both runs", || logged(&site, "task_started").len() == 2);
    activate(&site, "@id(\"no-tac\") forbid (principal, action, resource == Program::\"tac\");\n");
    echo.says("still here");
    let activated = Instant::now();
    activate(&site, "@id(\"no-sleep\") forbid (principal, action, resource == Program::\"sleep\");\n");
    let told = ended(sleeping, b"").expect(3);
    assert!(activated.elapsed() < SOON, "{:?}", activated.elapsed());
    assert!(told.stderr.contains("a policy that is in force now forbids it"), "{}", told.stderr);
    let last = site.last();
    assert_eq!((last.kind(), last.reasons()), ("task_revoked", vec!["revoked.policy"]));
    let gates = last.content("decision")["gates"].as_array().unwrap();
    assert_eq!(gates[4]["reasons"][0]["policy_id"], "no-sleep", "{gates:?}");
    // What was decided on can be looked at, and erased, like any facts.
    let shown = site.run(&["--json", "show", last.id()]).expect(0).json();
    assert_eq!(shown["private"]["facts"]["action"]["argv"], serde_json::json!(["sleep", "600"]));
    echo.says("to the end");
    echo.end().expect(0);
    site.run(&["erase", last.id()]).expect(0);
    assert!(site.run(&["--json", "show", last.id()]).expect(0).json()["private"].get("facts").is_none());
    site.assert_sound();
}

#[test]
fn an_approval_goes_on_counting_for_the_run_that_used_it() {
    let site = Site::new();
    script(&site.work("one.sh"), "#!/bin/sh\nexec cat pipe\n");
    script(&site.work("two.sh"), "#!/bin/sh\ntrue\n");
    site.set("mkfifo", &["pipe"]);
    let ask = |name: &str, expires: &str| {
        let asked = finish(agent(&site, &["--json", "run", "--", name]), b"").expect(5).json();
        let id = asked["receipt_id"].as_str().unwrap().to_owned();
        site.run(&["approve", &id, "--expires", expires]).expect(0);
        id
    };
    let id = ask("./one.sh", "3s");
    // Opened for both, so that neither side waits for the other.
    let pipe = std::fs::OpenOptions::new().read(true).write(true).open(site.work("pipe")).unwrap();
    let mut echo = Echo::start(agent(&site, &["run", "--approval", &id]), Some(Box::new(pipe)));
    // Each of these changes what decisions read: another use of an approval, and the time that was left for this one.
    let other = ask("./two.sh", "1h");
    finish(agent(&site, &["run", "--approval", &other]), b"").expect(0);
    echo.says("still here");
    let receipts = site.receipts();
    let expires = receipts.iter().find(|receipt| receipt.kind() == "approval").unwrap().content("expires");
    let expires = expires.as_str().unwrap().to_owned();
    until("the approval's end", || {
        finish(site.cascade(&["run", "--dry-run", "--", "true"]), b"").expect(0);
        site.last().content("timestamp").as_str().unwrap() > expires.as_str()
    });
    ask("./two.sh", "1h");
    echo.says("later");
    halt(&site);
    echo.end().expect(3);
    site.assert_sound();
}

#[test]
fn a_halted_tenant_runs_nothing_and_still_answers() {
    let site = Site::new();
    script(&site.work("deploy.sh"), "#!/bin/sh\ntouch deployed\n");
    let asked = finish(agent(&site, &["--json", "run", "--", "./deploy.sh"]), b"").expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    // An agent may stop everything.
    let halted = finish(agent(&site, &["--json", "halt", "--reason", "what did I do"]), b"").expect(0).json();
    let last = site.last();
    assert_eq!((last.kind(), last.id()), ("halted", halted["receipt_id"].as_str().unwrap()));
    assert!(last.content("on_behalf_of").is_string() && last.content("reason_hash").is_string());
    assert!(!last.0.to_string().contains("what did I do"), "words are private");
    // Once is enough.
    assert_eq!(site.run(&["--json", "halt"]).expect(0).json()["already"], true);
    assert_eq!(site.last().id(), last.id());

    let denied = site.run(&["run", "--", "touch", "it"]).expect_failure(3, "the tenant is halted");
    assert!(denied.stderr.contains("cascade resume"), "{}", denied.stderr);
    let blocked = site.last();
    assert_eq!(blocked.kind(), "blocked");
    assert_eq!(blocked.content("decision")["gates"][0]["reasons"][0]["code"], "standing.halted");
    site.run(&["init"]).expect_failure(3, "is halted");
    finish(agent(&site, &["run", "--", "true"]), b"").expect(3);
    site.run(&["run", "--dry-run", "--", "true"]).expect(3);
    assert!(!site.work("it").exists());
    // People decide, read and hand over as ever.
    site.run(&["approve", id]).expect(0);
    finish(agent(&site, &["run", "--approval", id]), b"").expect(3);
    let log = site.run(&["log"]).expect(0).stdout;
    assert!(log.lines().any(|line| line.contains("halted") && line.contains("what did I do")), "{log}");
    let shown = site.run(&["show", last.id()]).expect(0).stdout;
    assert!(shown.contains("reason       what did I do") && shown.contains("claude-code"), "{shown}");
    site.run(&["verify"]).expect(0);
    site.run(&["checkpoint"]).expect(0);

    site.run(&["resume", "--reason", "it was a drill"]).expect(0);
    assert_eq!(site.last().kind(), "resumed");
    assert_eq!(site.run(&["--json", "resume"]).expect(0).json()["already"], true);
    assert_eq!(site.last().kind(), "resumed");
    finish(agent(&site, &["run", "--approval", id]), b"").expect(0);
    assert!(site.work("deployed").exists());
    site.run(&["run", "--", "true"]).expect(0);
    // Words can be erased, and the stop stays on record.
    site.run(&["erase", last.id()]).expect(0);
    let shown = site.run(&["show", last.id()]).expect(0).stdout;
    assert!(shown.starts_with("halted") && !shown.contains("what did I do"), "{shown}");
    site.assert_sound();
}

#[test]
fn only_an_administrator_resumes() {
    let site = Site::new();
    site.run(&["halt"]).expect(0);
    finish(agent(&site, &["resume"]), b"").expect_failure(3, "an agent cannot answer for people");
    finish(agent(&site, &["--as", "person", "resume"]), b"").expect_failure(3, "agent");
    site.run(&["--as", "agent:ci", "resume"]).expect_failure(3, "agent");
    site.run(&["--as", "somebody", "resume"]).expect_failure(3, "");
    let mut beneath = site.cascade(&["resume"]);
    beneath.env("CASCADE_RUN", "r_0000000000000000");
    finish(beneath, b"").expect_failure(3, "from outside a governed run");
    // Another key is none of an administrator's.
    let key = site.path("other");
    site.set("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    site.run(&["resume", "--key", key.to_str().unwrap()]).expect(3);
    let receipts = site.receipts();
    assert_eq!(kinds(&receipts)[..2], ["genesis", "halted"]);
    assert!(kinds(&receipts)[2..].iter().all(|kind| *kind == "blocked") && receipts.len() == 8);
    site.run(&["resume"]).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    site.assert_sound();
}

/// An agent that presses the button beneath its own run is ended by it.
#[test]
fn halt_from_beneath_a_run_ends_that_run() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let line = format!("{} halt --reason mine; sleep 600", crate::site::CASCADE);
    script(&site.work("stop.sh"), &format!("#!/bin/sh\n{line}\n"));
    site.run(&["run", "--", "./stop.sh"]).expect(3);
    let receipts = site.receipts();
    assert!(kinds(&receipts).contains(&"halted"));
    assert_eq!(receipts.last().unwrap().reasons(), ["revoked.halted"]);
    site.wait_until_quiet();
    site.assert_sound();
}

#[test]
fn cascade_killed_while_it_ends_a_run_leaves_it_unknown() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    // The command's answer to being told to end is to kill whoever told it. It starts no process for that: on a busy
    // machine it would be killed itself before.
    let text =
        "#!/bin/sh\ntrap ': > told; read p < pid; kill -KILL $p' TERM\n: > up\nsleep 600 &\nwait\nwait\n";
    script(&site.work("rebel.sh"), text);
    let child = spawned(site.cascade(&["run", "--", "./rebel.sh"]));
    std::fs::write(site.work("pid"), child.id().to_string()).unwrap();
    until("the rebel", || site.work("up").exists());
    let halted = site.run(&["--json", "halt"]).expect(1);
    assert_eq!(halted.json()["still_running"].as_array().unwrap().len(), 1, "nobody has closed it");
    assert!(halted.stderr.contains("still running"), "{}", halted.stderr);
    assert!(ended(child, b"").status.code().is_none(), "killed");
    assert!(site.work("told").exists());
    site.wait_until_quiet();
    site.run(&["run", "--", "true"]).expect(3);
    assert_eq!(closers(&site), [("task_unknown".to_owned(), vec!["run.orphaned".to_owned()])]);
    site.assert_sound();
}

#[test]
fn a_silent_run_leaves_heartbeats() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let started = Instant::now();
    let live = spawned(site.cascade(&["run", "--", "sleep", "600"]));
    let json = spawned(site.cascade(&["--json", "run", "--", "sleep", "600"]));
    until("two heartbeats", || logged(&site, "heartbeat").len() >= 2);
    assert!(started.elapsed() >= TRUST_INTERVAL, "{:?}", started.elapsed());
    halt(&site);
    for child in [live, json] {
        ended(child, b"").expect(3);
    }
    let receipts = site.receipts();
    for heartbeat in receipts.iter().filter(|receipt| receipt.kind() == "heartbeat") {
        assert_eq!(heartbeat.content("bytes").as_u64(), Some(0));
    }
    site.assert_sound();
}
