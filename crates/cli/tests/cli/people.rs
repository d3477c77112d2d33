//! People join, approve together and leave.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::site::{Site, finish, kinds};
use crate::team::Team;

const TWO_OF_THREE: &str = "[escalation]\ngroups = [\"security\", \"sre\"]\nrequired = 2\n";

/// Bob and Dave run things, Carol looks at security.
fn three() -> Team {
    let team = Team::with_thresholds(TWO_OF_THREE);
    team.joins("bob", &["sre"]);
    team.joins("carol", &["security"]);
    team.joins("dave", &["sre"]);
    team
}

#[test]
fn enough_people_of_every_group_must_approve() {
    let team = three();
    let id = team.ask("one");
    let run = |code| team.by_agent(&["--json", "run", "--approval", &id]).expect(code);
    let said = team.site.run(&["approvals"]).expect(0).stdout;
    assert!(said.contains("2 more must approve; nobody yet of security, sre"), "{said}");

    // An administrator is in neither group, and Bob is one person however often he says it.
    team.assert_refused(team.site.run(&["--json", "approve", &id]), "approval.not_eligible");
    team.by("bob", &["approve", &id]).expect(0);
    team.assert_refused(team.by("bob", &["approve", &id]), "approval.repeated");
    assert_eq!(run(5).json()["reasons"][0]["code"], "approval.too_few");
    let said = team.site.run(&["approvals"]).expect(0).stdout;
    let words = "approved by bob; 1 more must approve; nobody yet of security; may approve: ";
    assert!(said.contains(words), "{said}");
    let document = team.site.run(&["--json", "approvals"]).expect(0).json();
    assert_eq!(
        (&document["people_missing"], &document["groups_missing"][0]),
        (&1.into(), &"security".into())
    );
    let mut eligible: Vec<_> = document["eligible_names"].as_array().unwrap().iter().collect();
    eligible.sort_by_key(|name| name.to_string());
    assert_eq!(eligible, ["carol", "dave"]);

    // Two of one group are two people, and the other group is not heard.
    team.by("dave", &["approve", &id]).expect(0);
    run(5);
    assert_eq!(team.deployed(), "");
    team.by("carol", &["approve", &id]).expect(0);
    run(0);
    assert_eq!(team.deployed(), "deployed one\n");
    let refs = team.last_intent().content("refs").as_array().unwrap().len();
    assert_eq!(refs, 4, "the escalation and three approvals");
    team.site.assert_sound();
}

/// Two of one group are people enough, and still not all who are asked.
#[test]
fn a_group_that_has_not_answered_is_named() {
    let team = three();
    let id = team.ask("one");
    team.by("bob", &["approve", &id]).expect(0);
    team.by("dave", &["approve", &id]).expect(0);
    let said = team.site.run(&["approvals"]).expect(0).stdout;
    let words = "1 more must approve; nobody yet of security; may approve: carol";
    assert!(said.contains(words) && said.contains("waiting"), "{said}");
    let document = team.site.run(&["--json", "approvals"]).expect(0).json();
    assert_eq!((&document["people_missing"], &document["state"]), (&1.into(), &"waiting".into()));
    assert_eq!(document["eligible_names"], serde_json::json!(["carol"]));
    team.by("carol", &["approve", &id]).expect(0);
    let document = team.site.run(&["--json", "approvals"]).expect(0).json();
    assert_eq!((&document["people_missing"], &document["state"]), (&0.into(), &"approved".into()));
}

/// Until it is used, an approval can be taken back: by a denial, which is for good.
#[test]
fn who_has_approved_may_still_deny() {
    let team = three();
    let id = team.ask("one");
    team.by("bob", &["approve", &id]).expect(0);
    team.by("carol", &["approve", &id]).expect(0);
    team.by("bob", &["deny", &id, "--reason", "too soon"]).expect(0);
    assert_eq!(team.site.last().kind(), "denial");
    let refused = team.by_agent(&["--json", "run", "--approval", &id]);
    team.assert_refused(refused, "approval.denied");
    team.assert_refused(team.by("bob", &["approve", &id]), "approval.repeated");
    team.assert_refused(team.by("dave", &["approve", &id]), "approval.denied");
    team.assert_refused(team.by("bob", &["deny", &id]), "approval.repeated");
    assert_eq!(team.deployed(), "");

    let id = team.ask("two");
    team.by("bob", &["approve", &id]).expect(0);
    team.by("carol", &["approve", &id]).expect(0);
    team.by_agent(&["run", "--approval", &id]).expect(0);
    team.assert_refused(team.by("bob", &["deny", &id]), "approval.used");
    assert_eq!(team.deployed(), "deployed two\n");
    team.site.assert_sound();
}

#[test]
fn answers_that_are_not_the_persons_own_are_refused() {
    let team = three();
    let id = team.ask("one");
    // Bob's name, Carol's key; somebody's name that nobody has; an agent with Bob's key.
    team.assert_refused(team.signed("bob", "carol", &["approve", &id]), "approval.signature");
    team.assert_refused(team.signed("nobody", "bob", &["approve", &id]), "approval.not_eligible");
    let bob = team.key("bob");
    let agent = team.by_agent(&["--json", "--as", "bob", "approve", &id, "--key", bob.to_str().unwrap()]);
    team.assert_refused(agent, "approval.agent");
    // What Bob approved is not what he approved.
    team.by("bob", &["approve", &id]).expect(0);
    team.by("carol", &["approve", &id]).expect(0);
    let other = team.site.run(&["--json", "--as", "agent:other", "run", "--approval", &id]);
    team.assert_refused(other, "approval.changed_action");
    assert_eq!(team.deployed(), "");
    assert!(!kinds(&team.site.receipts()).contains(&"task_started"));
    team.site.assert_sound();
}

#[test]
fn whoever_asks_under_whatever_name_does_not_approve() {
    let team = Team::with_thresholds("[risk]\nperson = \"LOW\"\n");
    let user = team.site.set("id", &["-un"]).stdout.trim().to_owned();
    let asked = team.site.run(&["--json", "run", "--", "./deploy.sh", "one"]).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    team.assert_refused(team.site.run(&["--json", "approve", id]), "approval.requester");
    // Bob's name is the one it was asked in.
    team.site
        .run(&["people", "add", "bob", "--admin", "--ssh-key", team.public("bob").to_str().unwrap()])
        .expect(0);
    team.by("bob", &["approve", id]).expect(0);
    team.site.run(&["grant", "add", "--to", &user, "--assume", "bob"]).expect(0);
    let asked = team.site.run(&["--json", "--as", "bob", "run", "--", "./deploy.sh", "two"]).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    team.assert_refused(team.by("bob", &["approve", id]), "approval.requester");
    team.assert_refused(team.site.run(&["--json", "approve", id]), "approval.requester");
    assert_eq!(team.deployed(), "");
    team.site.assert_sound();
}

#[test]
fn a_dry_run_is_approved_by_those_whom_the_policy_would_ask() {
    let team = three();
    let dry = team.by_agent(&["--json", "run", "--dry-run", "--", "./deploy.sh", "one"]).expect(5).json();
    let id = dry["receipt_id"].as_str().unwrap();
    team.assert_refused(team.site.run(&["--json", "approve", id]), "approval.not_eligible");
    team.by("bob", &["approve", id]).expect(0);
    // One is not enough for the gates, which ask anew.
    team.by_agent(&["run", "--approval", id]).expect(5);
    assert_eq!(team.deployed(), "");
    team.site.assert_sound();
}

#[test]
fn an_approval_that_runs_out_counts_no_longer() {
    let team = three();
    let id = team.ask("one");
    team.by("bob", &["approve", &id, "--expires", "1ms"]).expect(0);
    team.by("carol", &["approve", &id]).expect(0);
    let waits = team.by_agent(&["--json", "run", "--approval", &id]).expect(5).json();
    assert_eq!(waits["reasons"][0]["code"], "approval.too_few");
    // Whose approval counts no longer may approve again.
    team.by("bob", &["approve", &id]).expect(0);
    team.by_agent(&["run", "--approval", &id]).expect(0);
    assert_eq!(team.deployed(), "deployed one\n");
    let intent = team.last_intent();
    assert_eq!(intent.content("refs").as_array().unwrap().len(), 3, "what ran out is not stood upon");
    team.site.assert_sound();
}

#[test]
fn who_is_removed_between_approval_and_use_counts_no_longer() {
    let team = three();
    let id = team.ask("one");
    team.by("bob", &["approve", &id]).expect(0);
    team.by("carol", &["approve", &id]).expect(0);
    team.site.run(&["people", "remove", "bob"]).expect(0);
    let run = |code| team.by_agent(&["--json", "run", "--approval", &id]).expect(code);
    assert_eq!(run(5).json()["reasons"][0]["code"], "approval.too_few");
    team.assert_refused(team.by("bob", &["approve", &id]), "approval.not_eligible");
    // Coming back brings no old answer back; a new one counts, as long as the person is in the group.
    team.joins("bob", &["sre"]);
    run(5);
    team.by("bob", &["approve", &id]).expect(0);
    team.site.run(&["people", "add", "bob", "--group", "security"]).expect(0);
    run(5);
    team.site.run(&["people", "add", "bob", "--group", "sre"]).expect(0);
    run(0);
    assert_eq!(team.deployed(), "deployed one\n");
    team.site.assert_sound();
}

#[test]
fn a_run_that_waits_goes_on_with_the_last_approval_that_is_needed() {
    let team = three();
    let mut command = team.agent(&["--json", "run", "--wait", "--", "./deploy.sh", "one"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let hint = told.find(|line| line.as_ref().unwrap().contains("cascade approve ")).unwrap().unwrap();
    let id = hint.trim().rsplit(' ').next().unwrap();
    team.by("bob", &["approve", id]).expect(0);
    team.by("dave", &["approve", id]).expect(0);
    assert_eq!(team.deployed(), "");
    team.by("carol", &["approve", id]).expect(0);
    crate::site::ended(child, b"").expect(0);
    assert_eq!(team.deployed(), "deployed one\n");
    team.site.assert_sound();
}

/// An agent of OpenSSH with some keys; it ends with the test.
struct SshAgent {
    process: Child,
    socket: String,
}

impl SshAgent {
    fn of(site: &Site) -> Self {
        let socket = site.path("agent.sock").to_str().unwrap().to_owned();
        let mut command = site.program("ssh-agent");
        let mut process = command.args(["-D", "-a", &socket]).stdout(Stdio::piped()).spawn().unwrap();
        // It tells its socket once that is there.
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self { process, socket }
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn keys_may_stay_in_the_ssh_agent() {
    let team = three();
    let agent = SshAgent::of(&team.site);
    let with_agent = |program: &str, args: &[&str]| {
        let mut command = team.site.program(program);
        command.args(args).env("SSH_AUTH_SOCK", &agent.socket);
        finish(command, b"")
    };
    for name in ["bob", "carol"] {
        with_agent("ssh-add", &["-q", team.key(name).to_str().unwrap()]).expect(0);
        std::fs::remove_file(team.key(name)).unwrap();
    }
    let id = team.ask("one");
    let cascade = crate::site::CASCADE;
    with_agent(cascade, &["--as", "bob", "approve", &id]).expect(0);
    let nobodys = with_agent(cascade, &["--as", "dave", "approve", &id]);
    nobodys.expect_failure(1, "no private key");
    with_agent(cascade, &["--as", "carol", "approve", &id]).expect(0);
    team.by_agent(&["run", "--approval", &id]).expect(0);
    team.site.assert_sound();
}

#[test]
fn keys_that_prove_nothing_do_not_enter() {
    let team = Team::new();
    let path = |name: &str| team.site.path(name).to_str().unwrap().to_owned();
    let set = |args: &[&str]| drop(team.site.set("ssh-keygen", args));
    set(&["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", &path("weak")]);
    set(&["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", &path("rsa")]);
    set(&["-q", "-t", "ecdsa", "-N", "", "-f", &path("curve")]);
    set(&["-q", "-s", &path("rsa"), "-I", "id", "-n", "x", &path("curve.pub")]);
    std::fs::write(path("dsa.pub"), "ssh-dss AAAAB3NzaC1kc3MAAACBAP\n").unwrap();
    std::fs::write(path("private.pub"), std::fs::read(path("rsa")).unwrap()).unwrap();
    let before = team.site.receipts().len();
    for (file, words) in [
        ("weak.pub", "too weak"),
        ("dsa.pub", "SSH"),
        ("curve-cert.pub", "SSH"),
        ("private.pub", "SSH public key"),
        ("missing.pub", "couldn't read"),
    ] {
        let refused = team.site.run(&["people", "add", "eve", "--ssh-key", &path(file)]).expect(1);
        assert!(refused.stderr.contains(words), "{file}: {}", refused.stderr);
    }
    team.site.run(&["people", "add", "eve"]).expect_failure(2, "no SSH key");
    for bad in ["agent", "agent:x", "a b", ""] {
        team.site.run(&["people", "add", bad, "--ssh-key", &path("rsa.pub")]).expect(2);
    }
    assert_eq!(team.site.receipts().len(), before);
    for (name, file) in [("eve", "rsa.pub"), ("mallory", "curve.pub")] {
        team.site.run(&["people", "add", name, "--ssh-key", &path(file)]).expect(0);
    }
    // One key under two names would be one person who counts as two.
    let twice = team.site.run(&["people", "add", "trent", "--ssh-key", &path("rsa.pub")]).expect(1);
    assert!(twice.stderr.contains("belongs to"), "{}", twice.stderr);
    team.site.assert_sound();
}

#[test]
fn administrators_govern_and_nobody_else() {
    let team = Team::new();
    team.joins("bob", &["sre"]);
    let carol = team.key("carol").with_extension("pub");
    let carol = carol.to_str().unwrap();
    let by_bob = team.by("bob", &["people", "add", "carol", "--ssh-key", carol]).expect(3);
    assert!(by_bob.stderr.contains("administrator"), "{}", by_bob.stderr);
    team.by("bob", &["people", "remove", "bob"]).expect(3);
    team.by_agent(&["people", "add", "carol", "--ssh-key", carol]).expect(3);
    let user = team.site.set("id", &["-un"]).stdout.trim().to_owned();
    // The last administrator stays one.
    team.site.run(&["people", "remove", &user]).expect_failure(1, "last administrator");
    team.site.run(&["people", "add", &user, "--group", "sre"]).expect_failure(1, "last administrator");
    team.site.run(&["people", "remove", "nobody"]).expect_failure(1, "nobody called");

    // Bob becomes one, and says so with his own key; then the first may leave, and nothing runs for him any more.
    team.site.run(&["people", "add", "bob", "--admin", "--group", "sre"]).expect(0);
    let listed = team.site.run(&["people", "list"]).expect(0).stdout;
    assert!(listed.contains("bob") && listed.contains("admins, sre"), "{listed}");
    team.by("bob", &["people", "add", "carol", "--ssh-key", carol]).expect(0);
    team.site.run(&["run", "--", "true"]).expect(0);
    team.by("bob", &["people", "remove", &user]).expect(0);
    team.assert_denied(team.site.run(&["--json", "run", "--", "true"]), "identity.revoked");
    team.assert_denied(team.by_agent(&["--json", "run", "--", "true"]), "authority.delegator");
    team.site.run(&["people", "add", "dave", "--ssh-key", carol]).expect(3);
    let listed = team.site.run(&["people", "list"]).expect(0).stdout;
    assert!(listed.contains("removed"), "{listed}");
    team.site.assert_sound();
}

#[test]
fn a_policy_sees_the_groups_of_whoever_asks_and_of_the_person_behind_an_agent() {
    let team = Team::new();
    let dir = team.site.path("policy");
    std::fs::create_dir(&dir).unwrap();
    let cedar = "permit (principal in Group::\"sre\", action, resource);\n\
                 permit (principal is Agent, action, resource) when { context has on_behalf_of && context.on_behalf_of in Group::\"sre\" };\n";
    std::fs::write(dir.join("groups.cedar"), cedar).unwrap();
    team.site.run(&["policy", "activate", dir.to_str().unwrap()]).expect(0);
    team.assert_denied(team.site.run(&["--json", "run", "--", "true"]), "policy.no_permit");
    team.assert_denied(team.by_agent(&["--json", "run", "--", "true"]), "policy.no_permit");
    let user = team.site.set("id", &["-un"]).stdout.trim().to_owned();
    team.site.run(&["people", "add", &user, "--admin", "--group", "sre"]).expect(0);
    team.site.run(&["run", "--", "true"]).expect(0);
    team.by_agent(&["run", "--", "true"]).expect(0);
    team.site.run(&["people", "add", &user, "--admin"]).expect(0);
    team.assert_denied(team.by_agent(&["--json", "run", "--", "true"]), "policy.no_permit");
    team.site.assert_sound();
}
