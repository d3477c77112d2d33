//! `cascade lineage`: scripted stories, told right by the real binary, forwards and back, to owners and to strangers.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use rustix::event::Timespec;
use serde_json::Value;

use crate::outside;
use crate::site::{Site, ended, finish};
use crate::task::{SUM, asked};
use crate::team::Team;
use crate::verifiers;

/// What is told of a receipt.
struct Told(Value);

impl Told {
    fn of(site: &Site, id: &str, more: &[&str]) -> Self {
        Self(site.run(&[&["--json", "lineage", id], more].concat()).expect(0).json())
    }

    #[track_caller]
    fn is(self, verdict: &str) -> Self {
        assert_eq!(self.0["continuity"]["verdict"], verdict, "{:#}", self.0["continuity"]);
        self
    }

    /// A case of continuity, with these receipts among those that say so.
    #[track_caller]
    fn case(self, code: &str, receipts: &[&str]) -> Self {
        let cases = self.0["continuity"]["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["code"] == code);
        let case = case.unwrap_or_else(|| panic!("no {code} in {cases:#?}"));
        for id in receipts {
            assert!(case["receipts"].as_array().unwrap().contains(&Value::from(*id)), "no {id}: {case}");
        }
        self
    }

    /// A sentence of an answer that has these words and names this receipt.
    #[track_caller]
    fn says(self, question: &str, words: &str, receipt: &str) -> Self {
        let answers = self.0["answers"].as_array().unwrap();
        let answer = answers.iter().find(|answer| answer["question"] == question).unwrap();
        let says = |one: &Value| {
            one["text"].as_str().unwrap().contains(words)
                && one["receipts"].as_array().unwrap().contains(&Value::from(receipt))
        };
        assert!(
            answer["sentences"].as_array().unwrap().iter().any(says),
            "no `{words}`, {receipt}: {answer:#}"
        );
        self
    }

    #[track_caller]
    fn shows(self, receipts: &[&str]) -> Self {
        let nodes = self.0["nodes"].as_array().unwrap();
        for id in receipts {
            assert!(nodes.iter().any(|node| node["receipt_id"] == *id), "{id} is not in {nodes:#?}");
        }
        self
    }
}

fn give(team: &Team, args: &[&str]) -> String {
    let done = team.site.run(&[&["--json", "grant", "add"], args].concat()).expect(0);
    done.json()["receipt_id"].as_str().unwrap().to_owned()
}

/// Puts a policy in force; the same one again where it was before.
fn activate(site: &Site, name: &str, thresholds: &str) -> String {
    let dir = site.path(name);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("all.cedar"), "permit (principal, action, resource);\n").unwrap();
    std::fs::write(dir.join("thresholds.toml"), thresholds).unwrap();
    site.run(&["policy", "activate", dir.to_str().unwrap()]).expect(0);
    site.last().id().to_owned()
}

fn followed(site: &Site, id: &str, more: &[&str]) -> Vec<String> {
    let document = site.run(&[&["--json", "lineage", id, "--forward"], more].concat()).expect(0).json();
    let all = document["followers"].as_array().unwrap().iter();
    all.map(|one| one["receipt_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn approved_by_somebody_who_was_removed_since() {
    let team = Team::new();
    let site = &team.site;
    team.joins("ada", &["admins"]);
    let joined = site.last_of("principal_added");
    let question = team.ask("x");
    team.by("ada", &["approve", &question]).expect(0);
    team.by_agent(&["run", "--approval", &question]).expect(0);
    site.run(&["people", "remove", "ada"]).expect(0);
    let [approval, start, closer, removal] =
        ["approval", "task_started", "task_completed", "principal_removed"].map(|kind| site.last_of(kind));
    for from in [&question, &approval, &start, &closer] {
        Told::of(site, from, &[])
            .is("intact")
            .case("approval.since_removed", &[&approval, &removal])
            .case("anchor.none", &[&closer])
            .says("why", "`./deploy.sh x`", &start)
            .says("why", "asked before", &question)
            .says("authorised", "ada approved it with a signature", &approval)
            .says("authorised", "ada was removed", &removal)
            .says("policy", "the verdict is admit, at HIGH", &start)
            .says("trust", "ended as `task_completed`, exit 0", &closer)
            .shows(&[&question, &approval, &start, &closer]);
    }
    // Forwards: what she did, and what came of it; what came of the approval.
    assert_eq!(followed(site, &joined, &[]), [approval.as_str(), &start, &closer, &removal]);
    assert_eq!(followed(site, &approval, &[]), [start.as_str(), &closer]);
    assert_eq!(followed(site, &joined, &["--limit", "1"]).len(), 1);
    site.run(&["lineage", &joined, "--forward", "--limit", "0"]).expect(2);
    site.run(&["lineage", &closer, "--check"]).expect(0);
    let text = site.run(&["lineage", &closer[..8]]).expect(0).stdout;
    assert!(text.contains("who authorised it?\n  ada approved it") && text.contains(": intact"), "{text}");
    // The index on the disk is believed no more than the chain.
    Told::of(site, &closer, &["--scan"]).is("intact").case("approval.since_removed", &[&removal]);
    site.run(&["lineage", "r_0000000000000000"]).expect_failure(1, "no receipt");
    site.assert_sound();
}

#[test]
fn remembered_under_an_older_policy() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let older = activate(&site, "one", "");
    let ask = || asked(&site, "the sum of a list", &SUM).expect(0).json();
    assert_ne!(ask()["layer"], "L6");
    // What was learned under a policy is used under that policy alone: here it is in force again, after another one.
    activate(&site, "other", "[authority]\ngrant_required = [\"agent\"]\n");
    let activation = activate(&site, "one", "");
    let hit = ask();
    assert_eq!(hit["layer"], "L6", "{hit}");
    let hit = hit["receipt_id"].as_str().unwrap();
    let receipts = site.receipts();
    let learned =
        receipts.iter().find(|one| one.id() == hit).unwrap().reference("memory").unwrap().to_owned();
    let origin =
        receipts.iter().find(|one| one.id() == learned).unwrap().reference("parent").unwrap().to_owned();
    Told::of(&site, hit, &[])
        .is("intact")
        .case("memory.older_policy", &[&older, &origin, &learned, &activation, hit])
        .says("why", "the answer was remembered", &learned)
        .says("why", "it was given first", &origin)
        .says("policy", "put it in force", &activation)
        .says("trust", "decision and outcome are one receipt", hit)
        .shows(&[&learned, &origin, &older, &activation]);
    assert!(followed(&site, &learned, &[]).contains(&hit.to_owned()));
    let of_policy = followed(&site, &activation, &[]);
    assert!(of_policy.contains(&hit.to_owned()) && !of_policy.contains(&origin));
    site.assert_sound();
}

#[test]
fn a_delegated_agent() {
    let team = Team::with_thresholds("[authority]\ngrant_required = [\"agent\"]\n");
    let site = &team.site;
    team.joins("bob", &[]);
    let first = give(&team, &["--to", "bob", "--program", "true", "--program", "ls", "--delegate", "1"]);
    let user = site.set("id", &["-un"]).stdout.trim().to_owned();
    let to = ["grant", "add", "--to", "agent:claude-code", "--for", &user, "--program", "true"];
    let second = team.by("bob", &to).expect(0).json()["receipt_id"].as_str().unwrap().to_owned();
    team.by_agent(&["run", "--", "true"]).expect(0);
    let (start, closer) = (site.last_of("task_started"), site.last_of("task_completed"));
    Told::of(site, &closer, &[])
        .is("intact")
        .says("why", &format!("on behalf of {user} asked for `true`"), &start)
        .says("authorised", &format!("bob granted it to claude-code for {user}: to run true"), &second)
        .says("authorised", "had given that right to bob: to run true, ls", &first)
        .shows(&[&first, &second, &start]);
    assert_eq!(followed(site, &first, &[]), [second.as_str(), &start, &closer]);
    team.by("bob", &["grant", "revoke", &second]).expect(0);
    let revoked = site.last_of("grant_revoked");
    Told::of(site, &start, &[]).is("intact").case("grant.since_revoked", &[&second, &revoked]).says(
        "authorised",
        "bob took that grant back",
        &revoked,
    );
    site.assert_sound();
}

#[test]
fn a_scheduled_run_of_a_signed_spec() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let text = "csl: 1\nname: greet\nversion: \"1\"\nsteps:\n  - {id: a, run: [touch, made]}\n  - {id: b, needs: [a], run: [ls, made]}\n";
    std::fs::write(site.work("greet.yaml"), text).unwrap();
    site.run(&["spec", "sign", "greet.yaml"]).expect(0);
    site.run(&["cron", "add", "greet", "--at", "@daily", "--spec", "greet.yaml"]).expect(0);
    site.run(&["cron", "run", "greet"]).expect(0);
    let [schedule, invocation, run, step, end] =
        ["schedule_changed", "cron_invocation", "chain_started", "task_started", "chain_completed"]
            .map(|kind| site.last_of(kind));
    let user = site.set("id", &["-un"]).stdout.trim().to_owned();
    Told::of(&site, &step, &[])
        .is("intact")
        .says("why", "it is step 1 of a run", &run)
        .says("why", "a schedule let that run begin", &invocation)
        .says("why", "the schedule was added by", &schedule)
        .says("authorised", &format!("{user} signed the spec"), &run)
        .says("authorised", "of the schedule: nobody had to", &schedule)
        .shows(&[&schedule, &invocation, &run, &step]);
    Told::of(&site, &end, &[]).is("intact").says("trust", "ended as `chain_completed`", &end);
    let after = followed(&site, &schedule, &[]);
    for id in [&invocation, &run, &step, &end] {
        assert!(after.contains(id), "{id} is not in {after:?}");
    }
    // What a run left is found by its id as well.
    let log = site.run(&["--json", "log", "--chain", &run]).expect(0).stdout;
    assert_eq!(
        log.lines().count(),
        site.receipts().iter().filter(|one| one.reference("chain") == Some(&run)).count() + 1
    );
    site.assert_sound();
}

#[test]
fn revoked_while_it_ran() {
    let team = Team::with_thresholds("[authority]\ngrant_required = [\"agent\"]\n");
    let site = &team.site;
    let grant = give(&team, &["--to", "agent:claude-code", "--program", "cat"]);
    let mut command = team.agent(&["run", "--", "cat"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "here").unwrap();
    let mut back = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut back).unwrap();
    site.run(&["grant", "revoke", &grant]).expect(0);
    let input = child.stdin.take();
    ended(child, b"").expect(3);
    drop(input);
    let [revoked, start, closer] =
        ["grant_revoked", "task_started", "task_revoked"].map(|kind| site.last_of(kind));
    Told::of(site, &start, &[])
        .is("intact")
        .case("grant.revoked_while_running", &[&start, &revoked, &closer])
        .says("trust", "the gates were asked again and it was ended", &closer)
        .says("trust", "heartbeats while it ran", &site.last_of("heartbeat"))
        .says("authorised", "took that grant back", &revoked);
    site.assert_sound();
}

#[test]
fn what_still_runs_cannot_be_proven_whole() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut command = site.cascade(&["run", "--", "cat"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "here").unwrap();
    let mut back = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut back).unwrap();
    let start = site.last_of("task_started");
    Told::of(&site, &start, &[]).is("not provable here").case("intent.without_closer", &[&start]);
    site.run(&["lineage", &start, "--check"]).expect(6);
    ended(child, b"").expect(0);
    Told::of(&site, &start, &[]).is("intact");
}

#[test]
fn a_policy_that_changed_while_a_silent_command_ran() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut command = site.cascade(&["run", "--", "cat"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "here").unwrap();
    let mut back = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut back).unwrap();
    let activation = activate(&site, "other", "");
    // Longer than the time in which a command may end by itself before the gates are asked again.
    rustix::event::poll(&mut [], Some(&Timespec { tv_sec: 1, tv_nsec: 500_000_000 })).unwrap();
    ended(child, b"").expect(0);
    let (start, closer) = (site.last_of("task_started"), site.last_of("task_completed"));
    Told::of(&site, &start, &[])
        .is("not provable here")
        .case("policy.changed_while_running", &[&start, &activation, &closer]);
}

#[test]
fn erased_bytes_are_said_and_damage_is_found() {
    let team = Team::new();
    let site = &team.site;
    team.joins("ada", &["admins"]);
    let question = team.ask("x");
    site.run(&["run", "--", "true"]).expect(0);
    let between = site.last_of("task_completed");
    team.by("ada", &["approve", &question]).expect(0);
    team.by_agent(&["run", "--approval", &question]).expect(0);
    let closer = site.last_of("task_completed");
    site.run(&["erase", &closer]).expect(0);
    let erasure = site.last_of("erasure");
    Told::of(site, &closer, &[]).is("intact").case("private.erased", &[&erasure]);

    let database = site.home().join("tenants/default/ledger.db");
    let script = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for seq, stored in database.execute('SELECT first_seq, bytes FROM segments').fetchall():
    if b'\"receipt_id\":\"' + sys.argv[2].encode() + b'\",\"timestamp\"' in stored and b'duration_us' in stored:
        at = stored.index(b'duration_us') + 13
        database.execute('UPDATE segments SET bytes = ? WHERE first_seq = ?', (stored[:at] + b'9' + stored[at + 1:], seq))
database.commit()";
    let mut patch = std::process::Command::new(verifiers::interpreter());
    patch.args(["-c", script]).arg(&database).arg(&between);
    finish(patch, b"").expect(0);
    // The damaged one is no part of this action; it stands between its question and its end.
    Told::of(site, &closer, &[]).is("broken").case("chain.damaged", &[&question, &closer]);
    site.run(&["lineage", &closer, "--check"]).expect(6);
}

#[test]
fn strangers_are_told_the_same_as_far_as_they_were_handed_it() {
    let team = Team::new();
    let site = &team.site;
    team.joins("ada", &["admins"]);
    let question = team.ask("x");
    team.by("ada", &["approve", &question]).expect(0);
    team.by_agent(&["run", "--approval", &question]).expect(0);
    let [approval, start, closer] =
        ["approval", "task_started", "task_completed"].map(|kind| site.last_of(kind));
    let (ledger, key) = site.hand_over();
    let (ledger, key) = (ledger.to_str().unwrap(), key.to_str().unwrap());
    let stranger = Site::new();
    let of = |file: &str| Told::of(&stranger, &closer[..10], &["--file", file, "--public-key", key]);
    let (own, theirs) = (Told::of(site, &closer, &[]), of(ledger));
    for part in ["continuity", "edges", "missing", "heartbeats"] {
        assert_eq!(own.0[part], theirs.0[part], "{part}");
    }
    theirs.is("intact").says("authorised", "approved it", &approval);

    let bundle = site.path("some.bundle");
    let bundle = bundle.to_str().unwrap();
    site.run(&["bundle", "create", &question, &approval, &start, &closer, "--out", bundle]).expect(0);
    of(bundle).is("not provable here").case("here.partial", &[&start]).shows(&[&question, &approval, &start]);
    let forward = ["--json", "lineage", &approval, "--forward", "--file", ledger];
    let after = stranger.run(&forward).expect(0).json();
    assert_eq!(after["followers"].as_array().unwrap().len(), 2);

    let text = std::fs::read_to_string(ledger).unwrap();
    let bad = site.path("bad.receipts.jsonl");
    std::fs::write(&bad, text.replacen("\"exit_code\":0", "\"exit_code\":1", 1)).unwrap();
    let args = ["lineage", &closer, "--file", bad.to_str().unwrap()];
    stranger.run(&args).expect_failure(4, "not valid");
    stranger.run(&["lineage", "r_0000000000000000", "--file", ledger]).expect_failure(1, "no receipt");
}

/// What stands in commands of others acts in none of the forms, and a library of W3C PROV reads that form.
#[test]
fn the_forms_are_read_by_other_programs() {
    let site = Site::new();
    let nasty = "x\"] --> y[\"<b>\n}; \\ & `z` \u{1b}[31m %% \u{202e}";
    site.run(&["run", "--", "echo", nasty]).expect(0);
    let closer = site.last_of("task_completed");
    let form = |form: &str| site.run(&["lineage", &closer, form]).expect(0).stdout;
    let mermaid = form("--mermaid");
    assert!(
        mermaid.starts_with("flowchart TB\n") && !mermaid.contains("<b>\n") && !mermaid.contains('\u{1b}')
    );
    assert_eq!(mermaid.matches("-->").count(), 2, "{mermaid}");
    let dot = form("--dot");
    assert!(dot.ends_with("}\n") && !dot.contains('\u{1b}'), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 2, "{dot}");
    site.run(&["lineage", &closer, "--dot", "--prov"]).expect(2);

    let read = "
import json, sys
import prov.model
text = sys.stdin.read()
document = prov.model.ProvDocument.deserialize(content=text, format='json')
again = prov.model.ProvDocument.deserialize(content=document.serialize(format='json'), format='json')
assert document == again
document.get_provn()
(label,) = [str(value) for one in document.get_records(prov.model.ProvActivity) for _, value in one.extra_attributes]
print(len(document.get_records()), label)
";
    let mut python = outside::python(&site);
    python.args(["-c", read]);
    let done = finish(python, form("--prov").as_bytes()).expect(0);
    let label = form("--prov");
    let label: Value = serde_json::from_str(&label).unwrap();
    let label = label["activity"].as_object().unwrap().values().next().unwrap()["prov:label"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(done.stdout.trim_end(), format!("10 {label}").trim_end());
}

/// Whoever writes other words into the vault is not believed: they do not give the hash in the receipt.
#[test]
fn private_bytes_that_were_altered_are_shown_nowhere() {
    let team = Team::new();
    let site = &team.site;
    site.run(&["run", "--", "echo", "harmless"]).expect(0);
    let closer = site.last_of("task_completed");
    let start = site.last_of("task_started");
    let script = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for row, stored in database.execute('SELECT id, bytes FROM items').fetchall():
    if b'harmless' in stored:
        database.execute('UPDATE items SET bytes = ? WHERE id = ?', (stored.replace(b'harmless', b'horrible'), row))
database.commit()";
    let mut patch = std::process::Command::new(verifiers::interpreter());
    patch.args(["-c", script]).arg(site.home().join("tenants/default/vault.db"));
    finish(patch, b"").expect(0);
    Told::of(site, &closer, &[]).is("not provable here").case("private.altered", &[&start]);
    for args in
        [&["lineage", &start][..], &["show", &start], &["--json", "show", &start], &["log", "-n", "3"]]
    {
        let done = site.run(args).expect(0);
        assert!(!done.stdout.contains("horrible"), "{args:?}: {}", done.stdout);
        assert!(done.stdout.contains("altered in the vault"), "{args:?}: {}", done.stdout);
    }
}

/// Of what a bundle does not hold nothing is said, and nothing is broken.
#[test]
fn a_bundle_says_nothing_of_what_it_does_not_hold() {
    let team = Team::new();
    let site = &team.site;
    team.joins("ada", &["admins"]);
    let question = team.ask("x");
    team.by("ada", &["approve", &question]).expect(0);
    team.by_agent(&["run", "--approval", &question]).expect(0);
    let bundle = site.path("one.bundle");
    let bundle = bundle.to_str().unwrap();
    site.run(&["bundle", "create", &question, "--out", bundle]).expect(0);
    let told = site.run(&["lineage", &question, "--file", bundle]).expect(0).stdout;
    assert!(told.contains("not provable here") && told.contains("here.partial"), "{told}");
    for wrong in ["nothing ran", "since the chain began", "intact:", "nobody"] {
        assert!(!told.contains(wrong), "`{wrong}` in {told}");
    }
    let forward = site.run(&["lineage", &question, "--forward", "--file", bundle]).expect(0).stdout;
    assert!(forward.contains("not every later receipt is here"), "{forward}");
}
