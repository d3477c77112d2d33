//! Rights that are given, handed on, taken back and used.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use crate::resources::with_kubectl;
use crate::site::{Done, ended};
use crate::team::Team;

const AGENTS_NEED_GRANTS: &str = "[authority]\ngrant_required = [\"agent\"]\n";

fn id(done: Done) -> String {
    done.expect(0).json()["receipt_id"].as_str().unwrap().to_owned()
}

impl Team {
    fn give(&self, args: &[&str]) -> String {
        id(self.site.run(&[&["--json", "grant", "add"], args].concat()))
    }

    pub(crate) fn user(&self) -> String {
        self.site.set("id", &["-un"]).stdout.trim().to_owned()
    }

    fn states(&self) -> Vec<(String, String)> {
        let text = self.site.run(&["--json", "grant", "list"]).expect(0).stdout;
        let one = |line: &str| {
            let grant: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| grant[key].as_str().unwrap().to_owned();
            (word("receipt_id"), word("state"))
        };
        text.lines().map(one).collect()
    }
}

#[test]
fn acting_as_somebody_needs_a_grant_that_holds() {
    let team = Team::new();
    let bob = team.joins("bob", &[]);
    let user = team.user();
    let run = |who: &str| team.site.run(&["--json", "--as", who, "run", "--", "true"]);
    team.assert_denied(run("bob"), "authority.assume");
    team.assert_denied(run("nobody"), "authority.assume");

    let grant = team.give(&["--to", &user, "--assume", "bob"]);
    run("bob").expect(0);
    assert_eq!(team.last_intent().reference("grant"), Some(grant.as_str()));
    run(&bob).expect(0);
    // It is the person's: not an agent's, and not for anybody else.
    team.assert_denied(team.by_agent(&["--json", "--as", "bob", "run", "--", "true"]), "authority.assume");
    team.assert_denied(run("carol"), "authority.assume");

    team.site.run(&["grant", "revoke", &grant]).expect(0);
    team.assert_denied(run("bob"), "authority.assume");
    team.give(&["--to", &user, "--assume", "bob", "--expires", "1ms"]);
    team.assert_denied(run("bob"), "authority.grant_expired");
    team.give(&["--to", &user, "--assume", "bob", "--up-to", "low"]);
    run("bob").expect(0);
    team.assert_denied(
        team.site.run(&["--json", "--as", "bob", "run", "--", "./deploy.sh", "x"]),
        "authority.grant_tier",
    );
    let states: Vec<String> = team.states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["revoked", "expired", "holds"]);
    team.site.assert_sound();
}

#[test]
fn an_agent_runs_what_it_was_given_and_no_more() {
    let team = Team::with_thresholds(AGENTS_NEED_GRANTS);
    let run = |program: &str| team.by_agent(&["--json", "run", "--", program]);
    team.assert_denied(run("true"), "authority.no_grant");
    // Another agent's, and the same agent's of another person, are not this one's.
    team.joins("bob", &[]);
    team.give(&["--to", "agent:other", "--program", "*"]);
    team.give(&["--to", "agent:claude-code", "--for", "bob", "--program", "*"]);
    team.assert_denied(run("true"), "authority.no_grant");
    let grant = team.give(&["--to", "agent:claude-code", "--command", "true", "--program", "ls"]);
    run("true").expect(0);
    assert_eq!(team.last_intent().reference("grant"), Some(grant.as_str()));
    run("ls").expect(0);
    team.assert_denied(run("id"), "authority.no_grant");
    // Every command of a line needs one.
    team.assert_denied(team.by_agent(&["--json", "run", "--", "env", "true"]), "authority.no_grant");
    team.site.run(&["run", "--", "id"]).expect(0);
    team.site.run(&["grant", "revoke", &grant]).expect(0);
    team.assert_denied(run("true"), "authority.no_grant");
    team.site.assert_sound();
}

#[test]
fn what_is_held_can_be_handed_on_narrower() {
    let team = Team::with_thresholds(AGENTS_NEED_GRANTS);
    team.joins("bob", &[]);
    team.joins("carol", &[]);
    let give = |by: &str, args: &[&str]| team.by(by, &[&["grant", "add"], args].concat());
    let denied = |done: Done| drop(done.expect(3));
    denied(give("bob", &["--to", "carol", "--program", "true"]));
    let first = team.give(&[
        "--to",
        "bob",
        "--program",
        "true",
        "--program",
        "ls",
        "--up-to",
        "MEDIUM",
        "--expires",
        "1h",
        "--delegate",
        "2",
    ]);
    // Neither more commands, nor a higher tier, nor for longer, nor as far.
    denied(give("bob", &["--to", "carol", "--program", "*", "--up-to", "MEDIUM"]));
    denied(give("bob", &["--to", "carol", "--program", "true", "--up-to", "HIGH"]));
    denied(give("bob", &["--to", "carol", "--program", "true", "--up-to", "LOW", "--expires", "2h"]));
    denied(give("bob", &["--to", "carol", "--program", "true", "--up-to", "LOW", "--delegate", "2"]));
    denied(give("bob", &["--to", "carol", "--assume", "bob"]));
    let second =
        id(give("bob", &["--to", "carol", "--program", "true", "--up-to", "LOW", "--delegate", "1"]));
    let user = team.user();
    let to_agent = ["--to", "agent:claude-code", "--for", &user, "--command", "true", "--up-to", "LOW"];
    let third = id(give("carol", &to_agent));

    let run = || team.by_agent(&["--json", "run", "--", "true"]);
    run().expect(0);
    assert_eq!(team.last_intent().reference("grant"), Some(third.as_str()));
    // Only its giver or an administrator takes a grant back; the chain breaks in the middle.
    denied(team.by("carol", &["grant", "revoke", &first]));
    team.by("bob", &["grant", "revoke", &second]).expect(0);
    team.assert_denied(run(), "authority.grant_broken");
    denied(give("carol", &to_agent));
    let states: Vec<_> = team.states();
    let state = |id: &str| states.iter().find(|(one, _)| one == id).unwrap().1.clone();
    assert_eq!(
        (state(&first), state(&second), state(&third)),
        ("holds".into(), "revoked".into(), "broken".into())
    );
    team.site.run(&["grant", "revoke", &second]).expect_failure(1, "no grant that could be taken back");

    // With somebody who leaves goes what he handed on.
    let second =
        id(give("bob", &["--to", "carol", "--program", "true", "--up-to", "LOW", "--delegate", "1"]));
    let third = id(give("carol", &to_agent));
    run().expect(0);
    assert_eq!(team.last_intent().reference("grant"), Some(third.as_str()));
    let shown = team.site.run(&["show", &first]).expect(0).stdout;
    assert!(shown.contains("bob") && shown.contains("\"commands\":[\"true\",\"ls\"]"), "{shown}");
    team.site.run(&["people", "remove", "bob"]).expect(0);
    team.assert_denied(run(), "authority.grant_broken");
    let states = team.states();
    let broken = |id: &str| states.contains(&(id.to_owned(), "broken".to_owned()));
    assert!(broken(&first) && broken(&second) && broken(&third), "{states:?}");
    team.site.assert_sound();
}

/// An agent's run that repeats what it is told, until it is ended. Its grant is used: it runs.
fn running(team: &Team) -> Child {
    let mut command = team.agent(&["run", "--", "cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "here").unwrap();
    let mut back = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut back).unwrap();
    assert_eq!(&back, b"here\n");
    child
}

#[test]
fn what_runs_ends_with_what_it_stands_on() {
    let team = Team::with_thresholds(AGENTS_NEED_GRANTS);
    team.joins("bob", &["admins"]);
    let to_agent = ["--to", "agent:claude-code", "--program", "cat"];
    let assert_ended = |mut child: Child, code: &str| {
        // Input stays open: nothing but the revocation ends it.
        let input = child.stdin.take();
        let done = ended(child, b"").expect(3);
        drop(input);
        let receipts = team.site.receipts();
        let closer = receipts.iter().rfind(|receipt| receipt.kind().starts_with("task_")).unwrap();
        assert_eq!(closer.kind(), "task_revoked", "{}", done.stderr);
        let decision = closer.content("decision").to_string();
        assert!(decision.contains(code), "no {code}: {decision}");
    };

    let grant = team.give(&to_agent);
    let child = running(&team);
    // Another grant changes nothing for what runs.
    team.give(&["--to", "bob", "--program", "cat"]);
    team.site.run(&["grant", "revoke", &grant]).expect(0);
    assert_ended(child, "authority.no_grant");

    // Its giver leaves.
    let user = team.user();
    id(team.by("bob", &[&["grant", "add"], to_agent.as_slice(), &["--for", &user]].concat()));
    let child = running(&team);
    team.site.run(&["people", "remove", "bob"]).expect(0);
    assert_ended(child, "authority.grant_broken");

    // The person behind the agent leaves.
    team.give(&to_agent);
    team.joins("bob", &["admins"]);
    let child = running(&team);
    team.by("bob", &["people", "remove", &user]).expect(0);
    assert_ended(child, "identity.revoked");
    team.site.assert_sound();
}

/// Bounds that are not repeated are the giver's own, and what was too much is named.
#[test]
fn what_is_handed_on_inherits_its_bounds() {
    let team = Team::new();
    team.joins("bob", &[]);
    team.joins("carol", &[]);
    let end = "2036-01-01T00:00:00.000Z";
    let bounds = ["--up-to", "MEDIUM", "--until", end, "--delegate", "2"];
    let words = [&["grant", "add", "--to", "bob", "--program", "git"][..], &bounds].concat();
    let above = team.site.run(&words).expect(0).stdout.trim().to_owned();
    let hand_on = |args: &[&str]| {
        team.by("bob", &[&["grant", "add", "--to", "carol", "--command", "git push"], args].concat())
    };
    let given = hand_on(&[]).expect(0).json();
    assert_eq!(
        (&given["up_to"], &given["expires"], &given["parent"]),
        (&"MEDIUM".into(), &end.into(), &above.as_str().into())
    );
    assert_eq!(given["inherited"], serde_json::json!(["up_to", "expires"]));
    let last = team.site.last();
    assert_eq!((&last.content("scope")["up_to"], last.content("expires")), (&"MEDIUM".into(), &end.into()));
    let given = hand_on(&["--up-to", "LOW"]).expect(0).json();
    assert_eq!((&given["up_to"], &given["inherited"]), (&"LOW".into(), &serde_json::json!(["expires"])));

    let said = team.key("bob");
    let args =
        ["--as", "bob", "grant", "add", "--to", "carol", "--program", "git", "--key", said.to_str().unwrap()];
    let said = team.site.run(&args).expect(0).stderr;
    assert!(
        said.contains(&format!("up to MEDIUM, until {end}, like the grant it is handed on from: {above}")),
        "{said}"
    );

    for (args, words) in [
        (&["--up-to", "HIGH"][..], "your grant reaches MEDIUM"),
        (&["--until", "2036-01-01T00:00:00.001Z"], "ends 2036-01-01"),
        (&["--delegate", "2"], "has 1 level(s) left"),
        (&["--program", "terraform"], "covers all of this"),
    ] {
        let done = hand_on(args).expect(3).json();
        assert!(done["error"]["message"].as_str().unwrap().contains(words), "{args:?}: {done}");
    }
    let nothing = team.by("carol", &["grant", "add", "--to", "bob", "--program", "git"]).expect(3).json();
    assert!(nothing["error"]["message"].as_str().unwrap().contains("no grant that may be handed on"));

    // A grant without bounds is stood on before one that would add some.
    team.site.run(&["grant", "add", "--to", "bob", "--program", "git", "--delegate", "1"]).expect(0);
    let given = hand_on(&[]).expect(0).json();
    assert_eq!((&given["up_to"], &given["inherited"]), (&serde_json::Value::Null, &serde_json::json!([])));
    team.site.assert_sound();
}

#[test]
fn grants_that_make_no_sense_are_refused() {
    let team = Team::new();
    team.joins("bob", &[]);
    let before = team.site.receipts().len();
    let many: Vec<String> = (0..65).flat_map(|n| ["--program".to_owned(), format!("p{n}")]).collect();
    let many: Vec<&str> = ["--to", "bob"].into_iter().chain(many.iter().map(String::as_str)).collect();
    for (args, code) in [
        (vec!["--to", "bob"], 2),
        (vec!["--to", "bob", "--program", "git", "--assume", "bob"], 2),
        (vec!["--to", "bob", "--program", "git  push"], 2),
        (vec!["--to", "bob", "--program", "git", "--up-to", "SOME"], 2),
        (vec!["--to", "bob", "--program", "git", "--delegate", "9"], 2),
        (vec!["--to", "bob", "--program", "git", "--until", "2020-01-01T00:00:00.000Z"], 2),
        (vec!["--to", "bob", "--for", "bob", "--program", "git"], 2),
        (many, 2),
        (vec!["--to", "nobody", "--program", "git"], 1),
        (vec!["--to", "agent:x", "--for", "nobody", "--program", "git"], 1),
        (vec!["--to", "bob", "--assume", "nobody"], 1),
    ] {
        let done = team.site.run(&[&["grant", "add"], args.as_slice()].concat());
        assert_eq!(done.status.code(), Some(code), "{args:?}: {}", done.stderr);
    }
    let genesis = team.site.receipts()[0].id().to_owned();
    team.site.run(&["grant", "revoke", &genesis]).expect_failure(1, "no grant");
    team.site.run(&["grant", "revoke", "r_0000000000000000"]).expect_failure(1, "no receipt");
    assert_eq!(team.site.receipts().len(), before);
    team.by_agent(&["grant", "add", "--to", "bob", "--program", "git"]).expect(3);
    assert_eq!(team.site.last().kind(), "blocked");
    team.site.assert_sound();
}

#[test]
fn a_grant_is_on_what_it_names() {
    let team = Team::with_thresholds(&format!("[risk]\nagent = \"HIGH\"\n{AGENTS_NEED_GRANTS}"));
    team.joins("bob", &[]);
    let user = team.user();
    let give = |by: &str, args: &[&str]| team.by(by, &[&["grant", "add"], args].concat());
    team.site.run(&["grant", "add", "--to", "bob", "--program", "*", "--resource", "clutser:x"]).expect(2);
    team.site.run(&["grant", "add", "--to", "bob", "--assume", "bob", "--resource", "cluster:x"]).expect(2);
    let above = ["--to", "bob", "--program", "kubectl", "--delegate", "2", "--resource", "cluster:dev-*"];
    let above = team.give(&[&above[..], &["--resource", "namespace:a"]].concat());
    let shown = team.site.run(&["grant", "list"]).expect(0).stdout;
    assert!(shown.contains("may run kubectl on cluster:dev-*, namespace:a"), "{shown}");

    // Neither other clusters nor more of them; what is not named is limited as above.
    let to_agent = ["--to", "agent:claude-code", "--for", &user, "--command", "kubectl get"];
    for wider in ["cluster:prod", "cluster:dev*", "cluster:*", "namespace:*"] {
        let done = give("bob", &[&to_agent[..], &["--resource", wider]].concat()).expect(3);
        assert!(done.stdout.contains("--resource is too wide"), "{}", done.stdout);
    }
    let handed = id(give("bob", &[&to_agent[..], &["--resource", "cluster:dev-eu"]].concat()));
    let list = team.site.run(&["--json", "grant", "list"]).expect(0).stdout;
    let list: Vec<serde_json::Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| list.iter().find(|grant| grant["receipt_id"] == id).unwrap()["resources"].to_string();
    assert_eq!(of(&handed), r#"["cluster:dev-eu","namespace:a"]"#);
    assert_eq!(of(&above), r#"["cluster:dev-*","namespace:a"]"#);

    let get = |args: &[&str]| {
        with_kubectl(&team.site, &[&["--json", "run", "--", "kubectl"], args, &["get", "pods"]].concat())
    };
    get(&["--context", "dev-eu", "-n", "a"]).expect(0);
    assert_eq!(team.last_intent().reference("grant"), Some(handed.as_str()));
    for elsewhere in [
        &["--context", "dev-us", "-n", "a"][..],
        &["--context", "dev-eu", "-n", "b"],
        &["--context", "dev-eu"],
        &["-n", "a"],
        &["--context", "dev-eu", "--context", "prod", "-n", "a"],
        &["--context", "dev-eu", "-n", "a", "--kubeconfig", "x"],
    ] {
        team.assert_denied(get(elsewhere), "authority.grant_resource");
    }
    team.assert_denied(
        with_kubectl(&team.site, &["--json", "run", "--", "kubectl", "describe", "pods"]),
        "authority.no_grant",
    );
    team.site.assert_sound();
}
