//! What an agent may not do alone waits for a person, and then runs exactly once and exactly as approved.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use crate::site::{Done, Site, ended, finish, kinds, script};

/// A site with a deploy script that leaves a line each time it runs, ranked above an agent's threshold.
struct Desk {
    site: Site,
}

impl Desk {
    fn new() -> Self {
        let site = Site::new();
        script(&site.work("deploy.sh"), "#!/bin/sh\necho \"deployed $1\" >> deployed\n");
        site.run(&["init"]).expect(0);
        Self { site }
    }

    fn agent(&self, args: &[&str]) -> Command {
        let mut command = self.site.cascade(args);
        command.env("CLAUDECODE", "1");
        command
    }

    fn by_agent(&self, args: &[&str]) -> Done {
        finish(self.agent(args), b"")
    }

    /// Asks as an agent and gives the escalation's id.
    fn ask(&self, what: &str) -> String {
        let done = self.by_agent(&["--json", "run", "--", "./deploy.sh", what]).expect(5);
        let document = done.json();
        assert_eq!(document["verdict"], "escalate");
        document["receipt_id"].as_str().unwrap().to_owned()
    }

    /// What ran so far.
    fn deployed(&self) -> String {
        std::fs::read_to_string(self.site.work("deployed")).unwrap_or_default()
    }

    /// A refusal by a receipt of its own with this reason; nothing ran.
    fn assert_refused(&self, done: Done, reason: &str) {
        let before = self.deployed();
        let id = done.expect(3).json()["receipt_id"].as_str().unwrap().to_owned();
        let last = self.site.last();
        assert_eq!((last.kind(), last.id()), ("approval_refused", id.as_str()));
        assert!(last.reasons().contains(&reason), "{:?}", last.reasons());
        assert_eq!(self.deployed(), before);
    }
}

/// A run of `./deploy.sh` that waits, and the escalation it waits for.
fn waiting(desk: &Desk, what: &str) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let mut command = desk.agent(&["--json", "run", "--wait", "--", "./deploy.sh", what]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let (mut line, mut said) = (String::new(), String::new());
    while !line.contains("cascade approve ") {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "it did not wait: {said}");
        said.push_str(&line);
    }
    assert!(said.contains("waiting for 1 approval(s) of admins, until "), "{said}");
    (child, told, line.trim().rsplit(' ').next().unwrap().to_owned())
}

#[test]
fn a_run_that_waits_goes_on_when_it_is_approved() {
    let desk = Desk::new();
    let (child, _told, id) = waiting(&desk, "one");
    assert_eq!(desk.deployed(), "");
    desk.site.run(&["approve", &id]).expect(0);
    let document = ended(child, b"").expect(0).json();
    assert_eq!(desk.deployed(), "deployed one\n");
    assert_eq!((&document["verdict"], &document["receipts"][0]), (&"admit".into(), &id.as_str().into()));
    let receipts = desk.site.receipts();
    let kinds = kinds(&receipts);
    assert_eq!(kinds, ["genesis", "escalation", "approval", "task_started", "task_completed"]);
    assert_eq!(receipts[3].reference("approval"), Some(receipts[2].id()));
    desk.site.assert_sound();
}

#[test]
fn a_run_that_waits_ends_when_it_is_denied_or_nobody_comes() {
    let desk = Desk::new();
    let (child, mut told, id) = waiting(&desk, "one");
    desk.site.run(&["deny", &id]).expect(0);
    desk.assert_refused(ended(child, b""), "approval.denied");
    told.read_to_string(&mut String::new()).unwrap();

    let late = desk.by_agent(&["run", "--wait", "--timeout", "10ms", "--", "./deploy.sh", "two"]).expect(5);
    assert!(late.stderr.contains("nobody answered in time"), "{}", late.stderr);

    // Ctrl-C ends the wait, and the question stays.
    let (mut child, _told, id) = waiting(&desk, "three");
    desk.site.set("kill", &["-INT", &child.id().to_string()]);
    assert!(!child.wait().unwrap().success());
    desk.site.run(&["approve", &id]).expect(0);
    desk.by_agent(&["run", "--approval", &id]).expect(0);
    assert_eq!(desk.deployed(), "deployed three\n");
    // What needs nobody does not wait.
    desk.site.run(&["run", "--wait", "--", "true"]).expect(0);
    desk.site.assert_sound();
}

#[test]
fn approved_by_a_person_it_runs_once() {
    let desk = Desk::new();
    let id = desk.ask("one");
    assert_eq!(desk.deployed(), "");
    assert_eq!(desk.site.last().kind(), "escalation");
    let waiting = desk.site.run(&["--json", "approvals"]).expect(0).json();
    assert_eq!(waiting["receipt_id"], id.as_str());
    assert_eq!(waiting["command"], "./deploy.sh one");

    // Not yet approved: it goes on waiting.
    desk.by_agent(&["run", "--approval", &id]).expect(5);
    assert_eq!(desk.deployed(), "");
    desk.site.run(&["approve", &id, "--reason", "release 1"]).expect(0);
    let document = desk.by_agent(&["--json", "run", "--approval", &id]).expect(0).json();
    assert_eq!(document["verdict"], "admit");
    assert_eq!(desk.deployed(), "deployed one\n");
    desk.assert_refused(desk.by_agent(&["--json", "run", "--approval", &id]), "approval.used");

    let receipts = desk.site.receipts();
    assert_eq!(
        kinds(&receipts),
        [
            "genesis",
            "escalation",
            "approval_refused",
            "approval",
            "task_started",
            "task_completed",
            "approval_refused"
        ]
    );
    let (escalation, approval, started) = (&receipts[1], &receipts[3], &receipts[4]);
    assert_eq!(started.reference("escalation"), Some(escalation.id()));
    assert_eq!(started.reference("approval"), Some(approval.id()));
    for member in ["action_hash", "principal", "on_behalf_of"] {
        assert_eq!(started.content(member), escalation.content(member), "{member}");
    }
    assert_ne!(approval.content("principal"), escalation.content("principal"));
    assert!(!approval.content("signatures").as_array().unwrap().is_empty());
    desk.site.assert_sound();
}

#[test]
fn an_agent_cannot_answer() {
    let desk = Desk::new();
    let id = desk.ask("one");
    desk.assert_refused(desk.by_agent(&["--json", "approve", &id]), "approval.agent");
    desk.assert_refused(desk.by_agent(&["--json", "deny", &id]), "approval.agent");
    desk.assert_refused(desk.site.run(&["--json", "--as", "agent", "approve", &id]), "approval.agent");
    // Nor by calling itself the person, nor through a governed `cascade approve`.
    let disguised = desk.by_agent(&["--json", "--as", "person", "approve", &id]);
    desk.assert_refused(disguised, "approval.agent");
    let cascade = crate::site::CASCADE;
    let inner = desk.by_agent(&["run", "--", cascade, "approve", &id]);
    assert_ne!(inner.status.code(), Some(0), "{}", inner.stderr);
    assert!(!kinds(&desk.site.receipts()).contains(&"approval"));
    desk.by_agent(&["run", "--approval", &id]).expect(5);
    assert_eq!(desk.deployed(), "");
    desk.site.assert_sound();
}

#[test]
fn a_denial_is_final() {
    let desk = Desk::new();
    let id = desk.ask("one");
    desk.site.run(&["deny", &id, "--reason", "not today"]).expect(0);
    assert_eq!(desk.site.last().kind(), "denial");
    desk.assert_refused(desk.by_agent(&["--json", "run", "--approval", &id]), "approval.denied");
    desk.assert_refused(desk.site.run(&["--json", "approve", &id]), "approval.denied");
    assert_eq!(desk.deployed(), "");
    desk.site.assert_sound();
}

#[test]
fn what_was_approved_is_what_runs() {
    let desk = Desk::new();
    let id = desk.ask("one");
    desk.site.run(&["approve", &id]).expect(0);
    // Other words cannot be slipped in.
    desk.by_agent(&["run", "--approval", &id, "--", "./deploy.sh", "two"]).expect(2);
    // Another principal is another action.
    desk.assert_refused(desk.site.run(&["--json", "run", "--approval", &id]), "approval.changed_action");
    let other = desk.site.run(&["--json", "--as", "agent:other", "run", "--approval", &id]);
    desk.assert_refused(other, "approval.changed_action");
    // So is another program under the same name.
    let original = std::fs::read_to_string(desk.site.work("deploy.sh")).unwrap();
    script(&desk.site.work("deploy.sh"), "#!/bin/sh\necho evil >> deployed\n");
    desk.assert_refused(desk.by_agent(&["--json", "run", "--approval", &id]), "approval.changed_action");
    script(&desk.site.work("deploy.sh"), &original);

    // From another directory, with another PATH, it is still the approved one.
    let elsewhere = desk.site.path("user");
    script(&elsewhere.join("deploy.sh"), "#!/bin/sh\necho elsewhere >> deployed\n");
    let mut command = desk.agent(&["run", "--approval", &id]);
    command.current_dir(&elsewhere).env("PATH", format!("{}:/usr/bin:/bin", elsewhere.display()));
    finish(command, b"").expect(0);
    assert_eq!(desk.deployed(), "deployed one\n");
    desk.site.assert_sound();
}

#[test]
fn a_dry_run_can_be_approved_in_advance() {
    let desk = Desk::new();
    let done = desk.by_agent(&["--json", "run", "--dry-run", "--", "./deploy.sh", "later"]).expect(5);
    let id = done.json()["receipt_id"].as_str().unwrap().to_owned();
    desk.site.run(&["approve", &id, "--expires", "30m"]).expect(0);
    desk.by_agent(&["run", "--approval", &id]).expect(0);
    assert_eq!(desk.deployed(), "deployed later\n");
    desk.assert_refused(desk.by_agent(&["--json", "run", "--approval", &id]), "approval.used");
    let receipts = desk.site.receipts();
    let started = receipts.iter().find(|receipt| receipt.kind() == "task_started").unwrap();
    assert_eq!(started.reference("dry_run"), Some(id.as_str()));
    desk.site.assert_sound();
}

#[test]
fn input_that_will_be_executed_is_part_of_the_action() {
    let desk = Desk::new();
    let asked = finish(desk.agent(&["--json", "run", "--", "sh"]), b"./deploy.sh one\n").expect(5);
    let id = asked.json()["receipt_id"].as_str().unwrap().to_owned();
    desk.site.run(&["approve", &id]).expect(0);
    // What stands on standard input now does not matter: the approved bytes are fed.
    finish(desk.agent(&["run", "--approval", &id]), b"./deploy.sh two\n").expect(0);
    assert_eq!(desk.deployed(), "deployed one\n");
    desk.site.assert_sound();
}

#[test]
fn ids_that_answer_nothing() {
    let desk = Desk::new();
    let genesis = desk.site.last().id().to_owned();
    for (id, words) in [
        ("r_0000000000000000", "no receipt"),
        ("nonsense", "no receipt"),
        (genesis.as_str(), "only an escalation"),
    ] {
        desk.site.run(&["approve", id]).expect_failure(1, words);
        desk.site.run(&["run", "--approval", id]).expect_failure(1, words);
    }
    desk.site.assert_sound();
}
