//! `cascade spec run`: signed workflows run under the gates, receipted, broken off and gone on with.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::random::Random;
use crate::site::{Done, Receipt, Site, finish, killed, kinds};

/// Kills of the short form; `CASCADE_TEST_KILLS` asks for more.
const KILLS: u32 = 8;
const SEED: u64 = 0x5EC5;

/// A spec of these steps beside its signature.
pub(crate) fn signed(site: &Site, name: &str, head: &str, steps: &str) {
    let text = format!("csl: 1\nname: {name}\nversion: \"1\"\n{head}steps:\n{steps}");
    std::fs::write(site.work(&format!("{name}.yaml")), text).unwrap();
    if !site.home().exists() {
        site.run(&["init"]).expect(0);
    }
    site.run(&["spec", "sign", &format!("{name}.yaml")]).expect(0);
}

pub(crate) fn by_agent(site: &Site, args: &[&str]) -> Done {
    let mut command = site.cascade(args);
    command.env("CLAUDECODE", "1");
    finish(command, b"")
}

pub(crate) fn run(site: &Site, name: &str, code: i32) -> Value {
    site.run(&["--json", "spec", "run", &format!("{name}.yaml")]).expect(code).json()
}

/// Status of each step's last attempt, by its name.
pub(crate) fn statuses(told: &Value) -> BTreeMap<String, String> {
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = told["steps"].as_array().unwrap().iter();
    steps.map(|step| (text(step, "role") + &text(step, "id"), text(step, "status"))).collect()
}

pub(crate) fn ids<'a>(receipts: &'a [Receipt], kind: &str) -> Vec<&'a str> {
    receipts.iter().filter(|receipt| receipt.kind() == kind).map(Receipt::id).collect()
}

#[test]
fn a_signed_run_leaves_a_chain_that_strangers_verify() {
    let site = Site::new();
    let steps = "  - {id: hello, run: [echo, \"hello ${inputs.who}\"]}\n  - {id: each, needs: [hello], foreach: inputs.hosts, run: [touch, \"f-${item}\"]}\n  - {id: more, needs: [each], run: [cat], stdin: \"${steps.hello.stdout} ${steps.each.items.size()}\"}\noutputs: {said: \"${steps.more.stdout}\"}\n";
    let head = "inputs: {who: {type: string}, hosts: {type: list<string>, default: [a, b]}}\nconstraints: {workers: [echo, touch, cat], max_tier: MEDIUM}\n";
    signed(&site, "first", head, steps);
    // What a value holds stays one word.
    let told =
        site.run(&["--json", "spec", "run", "first.yaml", "--input", "who=you; rm -rf ."]).expect(0).json();
    assert_eq!(told["outcome"], "completed");
    assert_eq!(told["outputs"], json!({"said": "hello you; rm -rf . 2"}));
    let again = site.run(&["--json", "spec", "show", told["chain"].as_str().unwrap()]).expect(0).json();
    assert_eq!((&again["outcome"], &again["outputs"]), (&told["outcome"], &told["outputs"]));
    let hash = site.run(&["spec", "hash", "first.yaml"]).expect(0).stdout.trim().to_owned();
    let receipts = site.receipts();
    let start = receipts.iter().find(|receipt| receipt.kind() == "chain_started").unwrap();
    assert_eq!(start.content("signatures").as_array().unwrap().len(), 1);
    for receipt in receipts.iter().filter(|receipt| receipt.kind() != "genesis") {
        assert_eq!(receipt.content("spec_hash"), &json!(hash), "{}", receipt.kind());
        if receipt.kind() != "chain_started" {
            assert_eq!(receipt.reference("chain"), Some(start.id()), "{}", receipt.kind());
        }
    }
    assert_eq!(kinds(&receipts).last(), Some(&"chain_completed"));
    site.assert_sound();
    site.run(&["spec", "run", "first.yaml"]).expect_failure(2, "input `who` is missing");
}

#[test]
fn what_nobody_trusted_has_signed_does_not_run() {
    let site = Site::new();
    signed(&site, "one", "constraints: {max_tier: LOW}\n", "  - {id: a, run: [touch, made]}\n");
    let (file, sig) = (site.work("one.yaml"), site.work("one.yaml.sig"));
    let (text, good) = (std::fs::read_to_string(&file).unwrap(), std::fs::read(&sig).unwrap());
    let refused = |said: &str| {
        let told = run(&site, "one", 3);
        assert_eq!((&told["outcome"], &told["verdict"]), (&json!("blocked"), &json!("deny")));
        assert_eq!(told["decision_reasons"][0]["code"], said, "{told}");
        let last = site.last();
        assert_eq!(last.kind(), "blocked");
        let gates = last.content("decision")["gates"].as_array().unwrap().clone();
        let own = gates.iter().find(|gate| gate["gate"] == "specification").unwrap();
        assert_eq!(own["outcome"], "deny");
        assert!(!site.work("made").exists());
    };
    // One byte changed after signing, a step put in, a constraint widened.
    for (from, to) in [
        ("[touch, made]", "[touch, mad3]"),
        ("steps:\n", "steps:\n  - {id: b, run: [touch, more]}\n"),
        ("max_tier: LOW", "max_tier: HIGH"),
    ] {
        std::fs::write(&file, text.replace(from, to)).unwrap();
        refused("specification.unsigned");
    }
    std::fs::write(&file, &text).unwrap();
    std::fs::remove_file(&sig).unwrap();
    refused("specification.unsigned");
    // Somebody who belongs to the chain, but not to those whose specs may run.
    site.set("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "other"]);
    site.run(&["people", "add", "other", "--ssh-key", "other.pub", "--group", "ops"]).expect(0);
    site.run(&["spec", "sign", "one.yaml", "--key", "other"]).expect(0);
    refused("specification.untrusted");
    std::fs::write(&sig, good).unwrap();
    run(&site, "one", 0);
    assert!(site.work("made").exists());
    site.assert_sound();
}

#[test]
fn a_spec_says_who_may_start_it() {
    let site = Site::new();
    let steps = "  - {id: a, run: [touch, made]}\n";
    signed(&site, "theirs", "authority: {groups: [release]}\n", steps);
    let told = run(&site, "theirs", 3);
    assert_eq!(told["decision_reasons"][0]["code"], "specification.starter");
    assert!(!site.work("made").exists());
    signed(&site, "ours", "authority: {groups: [admins]}\n", steps);
    run(&site, "ours", 0);
    std::fs::remove_file(site.work("made")).unwrap();
    assert_eq!(
        by_agent(&site, &["--json", "spec", "run", "ours.yaml"]).expect(0).json()["outcome"],
        "completed"
    );
    site.assert_sound();
}

#[test]
fn a_step_past_the_constraints_is_refused_by_its_own_gate() {
    let site = Site::new();
    signed(
        &site,
        "low",
        "constraints: {workers: [echo]}\n",
        "  - {id: a, run: [echo, x]}\n  - {id: b, needs: [a], run: [touch, made]}\n",
    );
    let told = run(&site, "low", 3);
    assert_eq!((&told["outcome"], &told["reasons"]), (&json!("aborted"), &json!(["step.refused"])));
    assert_eq!(told["steps"][1]["reasons"], json!(["specification.worker"]));
    assert!(!site.work("made").exists());
    let receipts = site.receipts();
    assert_eq!(ids(&receipts, "blocked").len(), 1);
    site.assert_sound();
}

#[test]
fn what_was_done_is_undone_when_a_step_fails() {
    let site = Site::new();
    let steps = "  - {id: one, run: [touch, u1], compensate: {run: [sh, -c, \"rm u1; echo one >> undone\"]}}\n  - {id: two, needs: [one], run: [touch, u2], compensate: {run: [sh, -c, \"rm u2; echo two >> undone\"]}}\n  - {id: bad, needs: [two], run: [\"false\"], retry: {attempts: 2, backoff: 10ms}}\n  - {id: never, needs: [bad], run: [touch, made]}\n";
    signed(&site, "undo", "", steps);
    let told = run(&site, "undo", 1);
    assert_eq!((&told["outcome"], &told["reasons"]), (&json!("aborted"), &json!(["step.failed"])));
    assert_eq!(told["counts"], json!({"completed": 2, "failed": 1, "skipped": 0, "unknown": 0}));
    assert_eq!(std::fs::read_to_string(site.work("undone")).unwrap(), "two\none\n");
    assert!(!site.work("u1").exists() && !site.work("made").exists());
    let receipts = site.receipts();
    let roles: Vec<&Value> = receipts.iter().map(|receipt| &receipt.content("step")["role"]).collect();
    assert_eq!(
        roles.iter().filter(|role| **role == &json!("compensation")).count(),
        4,
        "two intents and their ends"
    );
    assert_eq!(kinds(&receipts).last(), Some(&"chain_aborted"));
    site.assert_sound();
}

#[test]
fn a_run_waits_for_people_and_goes_on_once_they_agree() {
    let site = Site::new();
    let steps = "  - {id: one, run: [echo, hi]}\n  - {id: ask, needs: [one], approval: {text: \"ship ${steps.one.stdout}?\", groups: [admins]}}\n  - {id: two, needs: [ask], run: [touch, shipped]}\n  - {id: beside, run: [touch, beside]}\n";
    signed(&site, "ask", "", steps);
    let told = by_agent(&site, &["--json", "spec", "run", "ask.yaml"]).expect(5).json();
    let chain = told["chain"].as_str().unwrap().to_owned();
    assert_eq!(statuses(&told)["ask"], "waiting");
    assert!(site.work("beside").exists() && !site.work("shipped").exists());
    let asked =
        told["steps"].as_array().unwrap().iter().find(|step| step["id"] == "ask").unwrap()["receipt_id"]
            .as_str()
            .unwrap()
            .to_owned();
    let shown = site.run(&["approvals"]).expect(0).stdout;
    assert!(shown.contains("spec ask 1: approval `ask`: ship hi?"), "{shown}");
    // Asked again, it is the same question.
    by_agent(&site, &["spec", "resume", &chain]).expect(5);
    assert_eq!(ids(&site.receipts(), "escalation"), [asked.as_str()]);
    site.run(&["approve", &asked]).expect(0);
    let told = by_agent(&site, &["--json", "spec", "resume", &chain]).expect(0).json();
    assert_eq!(told["outcome"], "completed");
    assert!(site.work("shipped").exists());
    by_agent(&site, &["spec", "resume", &chain]).expect_failure(1, "has ended");
    site.assert_sound();
}

#[test]
fn a_run_that_somebody_denied_is_over() {
    let site = Site::new();
    let steps = "  - {id: ask, approval: {text: \"well?\", groups: [admins]}}\n  - {id: two, needs: [ask], run: [touch, shipped]}\n";
    signed(&site, "ask", "", steps);
    let told = by_agent(&site, &["--json", "spec", "run", "ask.yaml"]).expect(5).json();
    let asked = told["steps"][0]["receipt_id"].as_str().unwrap().to_owned();
    site.run(&["deny", &asked]).expect(0);
    let told =
        by_agent(&site, &["--json", "spec", "resume", told["chain"].as_str().unwrap()]).expect(3).json();
    assert_eq!((&told["outcome"], &told["reasons"]), (&json!("aborted"), &json!(["step.refused"])));
    assert!(!site.work("shipped").exists());
    site.assert_sound();
}

#[test]
fn a_cancelled_run_ends_what_runs() {
    let site = Site::new();
    signed(
        &site,
        "long",
        "",
        "  - {id: a, run: [sh, -c, \"touch begun; exec sleep 600\"]}\n  - {id: b, needs: [a], run: [touch, made]}\n",
    );
    let child = site
        .cascade(&["--json", "spec", "run", "long.yaml"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let since = Instant::now();
    while !site.work("begun").exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "it never begins");
        std::thread::yield_now();
    }
    let runs = site.run(&["--json", "spec", "list"]).expect(0).json();
    let chain = runs["runs"][0]["chain"].as_str().unwrap().to_owned();
    site.run(&["spec", "resume", &chain]).expect_failure(1, "is being driven by another process");
    site.run(&["spec", "cancel", &chain, "--reason", "enough"]).expect(0);
    let told = crate::site::ended(child, b"").expect(3).json();
    assert_eq!((&told["outcome"], &told["reasons"]), (&json!("aborted"), &json!(["cancelled"])));
    let receipts = site.receipts();
    assert_eq!(ids(&receipts, "task_revoked").len(), 1, "{:?}", kinds(&receipts));
    assert!(!site.work("made").exists());
    site.run(&["spec", "cancel", &chain]).expect_failure(1, "has ended");
    site.assert_sound();
}

#[test]
fn an_unknown_outcome_waits_for_a_reconciler_or_a_person() {
    let site = Site::new();
    let steps = "  - {id: a, run: [sh, -c, \"echo a >> done; test -e stay || exec sleep 600\"]}\n  - {id: b, needs: [a], run: [touch, made]}\n";
    signed(&site, "gap", "", steps);
    let chain = killed_at(&site, &["spec", "run", "gap.yaml"], "done");
    site.wait_until_quiet();
    let told = site.run(&["--json", "spec", "resume", &chain]).expect(5).json();
    assert_eq!(told["unknown"], json!([{"id": "a", "item": 0}]));
    std::fs::write(site.work("stay"), "").unwrap();
    site.run(&["spec", "settle", &chain, "b", "--happened"])
        .expect_failure(1, "the outcome of that attempt is known");
    site.run(&["spec", "settle", &chain, "a", "--did-not-happen"]).expect(0);
    site.run(&["spec", "resume", &chain]).expect(0);
    assert_eq!(
        std::fs::read_to_string(site.work("done")).unwrap(),
        "a\na\n",
        "tried again, because somebody said so"
    );
    site.assert_sound();
}

/// A server that answers one request after the other with these codes, and tells what it was asked.
pub(crate) fn server(codes: Vec<u16>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for code in codes {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
            let whole = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes);
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length = head
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                (body.len() >= length.unwrap_or(0_usize)).then(|| text.clone().into_owned())
            };
            let text = loop {
                let count = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..count]);
                if let Some(text) = whole(&bytes) {
                    break text;
                }
                assert!(count > 0, "the request ended early");
            };
            asked.push(text);
            let answer = r#"{"id": 7}"#;
            let length = answer.len();
            write!(
                stream,
                "HTTP/1.1 {code} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
            )
            .unwrap();
        }
        asked
    });
    (port, served)
}

#[test]
fn an_http_call_is_a_governed_command_and_carries_its_key() {
    let site = Site::new();
    let (port, served) = server(vec![500, 201]);
    let steps = format!(
        "  - {{id: call, http: {{method: POST, url: \"http://127.0.0.1:{port}/${{inputs.name}}\", headers: {{idempotency-key: \"${{run.key}}\"}}, body: \"x=1\", status: [201]}}, retry: {{attempts: 2, backoff: 10ms}}}}\n  - {{id: use, needs: [call], run: [echo, \"${{steps.call.json.id}}\", \"${{steps.call.code}}\"]}}\noutputs: {{said: \"${{steps.use.stdout}}\"}}\n"
    );
    signed(&site, "call", "inputs: {name: {type: string, default: orders}}\n", &steps);
    let told = run(&site, "call", 0);
    assert_eq!(told["outputs"], json!({"said": "7 201"}));
    let asked = served.join().unwrap();
    let key = |text: &String| {
        text.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).unwrap()
    };
    assert_eq!(asked.len(), 2);
    assert_eq!(key(&asked[0]), key(&asked[1]), "a second try is no second wish");
    assert!(asked[1].starts_with("POST /orders ") && asked[1].ends_with("x=1"), "{}", asked[1]);
    site.assert_sound();
}

#[test]
fn a_rehearsal_decides_what_can_be_known_and_runs_nothing() {
    let site = Site::new();
    signed(
        &site,
        "dry",
        "",
        "  - {id: a, run: [touch, made]}\n  - {id: b, needs: [a], run: [echo, \"${steps.a.stdout}\"]}\n  - {id: c, run: [git, push, --force]}\n",
    );
    let told = site.run(&["--json", "spec", "run", "--dry-run", "dry.yaml"]).expect(3).json();
    assert_eq!(told["outcome"], "dry_run");
    assert_eq!(
        statuses(&told),
        BTreeMap::from(
            [("a", "admit"), ("b", "at run time"), ("c", "deny")]
                .map(|(id, status)| (id.to_owned(), status.to_owned()))
        )
    );
    assert!(!site.work("made").exists());
    let receipts = site.receipts();
    assert_eq!(kinds(&receipts), ["genesis", "dry_run", "dry_run", "dry_run"]);
    site.assert_sound();
}

/// Kills the driver once `file` is there, and gives the id of its run.
pub(crate) fn killed_at(site: &Site, args: &[&str], file: &str) -> String {
    let child = site.cascade(args).stderr(std::process::Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while !site.work(file).exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "it never begins");
        std::thread::yield_now();
    }
    _ = rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::KILL,
    );
    crate::site::ended(child, b"");
    let runs = site.run(&["--json", "spec", "list"]).expect(0).json();
    runs["runs"][0]["chain"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_dead_driver_left_running_is_not_started_again() {
    let site = Site::new();
    // It ignores TERM, so that ending it takes a while, and resume comes meanwhile. `done` is there once it has said so.
    let steps = "  - {id: a, run: [sh, -c, \"trap '' TERM; echo x >> said; ln -s said done; while :; do sleep 0.1; done\"]}\n";
    signed(&site, "slow", "", steps);
    for _ in 0..3 {
        let chain = killed_at(&site, &["spec", "run", "slow.yaml"], "done");
        let told = site.run(&["--json", "spec", "resume", &chain]).expect(5).json();
        assert_eq!(told["unknown"], json!([{"id": "a", "item": 0}]));
        assert_eq!(std::fs::read_to_string(site.work("done")).unwrap(), "x\n");
        site.run(&["spec", "cancel", &chain]).expect(0);
        for name in ["done", "said"] {
            std::fs::remove_file(site.work(name)).unwrap();
        }
    }
    site.assert_sound();
}

#[test]
fn what_a_server_said_is_known_after_a_crash() {
    let site = Site::new();
    let (port, served) = server(vec![500]);
    let steps = format!(
        "  - {{id: call, http: {{url: \"http://127.0.0.1:{port}/\"}}, on_failure: continue}}\n  - {{id: hold, needs: [call], run: [sh, -c, \"touch held; test -e go || exec sleep 600\"]}}\n  - {{id: no_use, needs: [hold], when: steps.call.ok, run: [touch, made]}}\n  - {{id: say, needs: [no_use], run: [echo, \"${{steps.call.code}}\", \"${{steps.call.status}}\"]}}\noutputs: {{said: \"${{steps.say.stdout}}\"}}\n"
    );
    signed(&site, "call", "", &steps);
    let chain = killed_at(&site, &["spec", "run", "call.yaml"], "held");
    served.join().unwrap();
    site.run(&["spec", "resume", &chain]).expect(5);
    std::fs::write(site.work("go"), "").unwrap();
    site.run(&["spec", "settle", &chain, "hold", "--did-not-happen"]).expect(0);
    let told = site.run(&["--json", "spec", "resume", &chain]).expect(0).json();
    assert_eq!(told["outputs"], json!({"said": "500 failed"}));
    assert!(!site.work("made").exists());
    site.assert_sound();
}

#[test]
fn questions_to_people_take_no_place_and_denials_are_remembered() {
    let site = Site::new();
    let steps = "  - {id: ask, approval: {text: \"well?\", groups: [admins]}, on_failure: continue}\n  - {id: b, needs: [ask], run: [touch, b]}\n  - {id: again, needs: [b], approval: {text: \"now?\", groups: [admins]}}\n  - {id: held, run: [rm, -rf, d]}\n  - {id: beside, run: [touch, beside]}\n";
    signed(&site, "one", "constraints: {max_parallel: 1}\n", steps);
    std::fs::create_dir(site.work("d")).unwrap();
    let told = by_agent(&site, &["--json", "spec", "run", "one.yaml"]).expect(5).json();
    let chain = told["chain"].as_str().unwrap().to_owned();
    assert!(site.work("beside").exists());
    let asked = |told: &Value, id: &str| {
        let steps = told["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["id"] == id && step["status"] == "waiting");
        step.unwrap()["receipt_id"].as_str().unwrap().to_owned()
    };
    // What a step of a run was approved for is no command of its own.
    let held = asked(&told, "held");
    site.run(&["approve", &held]).expect(0);
    by_agent(&site, &["run", "--approval", &held]).expect_failure(1, "is about a workflow");
    site.run(&["deny", &asked(&told, "ask")]).expect(0);
    let told = by_agent(&site, &["--json", "spec", "resume", &chain]).expect(5).json();
    assert!(site.work("b").exists() && !site.work("d").exists());
    site.run(&["approve", &asked(&told, "again")]).expect(0);
    by_agent(&site, &["spec", "resume", &chain]).expect(0);
    site.assert_sound();
}

#[test]
fn a_run_goes_on_only_with_what_was_recorded() {
    let site = Site::new();
    let steps = "  - {id: a, run: [echo, good]}\n  - {id: hold, needs: [a], run: [sh, -c, \"touch held; test -e go || exec sleep 600\"]}\n  - {id: b, needs: [hold], run: [touch, \"${steps.a.stdout}\"]}\n";
    signed(&site, "keep", "", steps);
    let sql = |database: &str, text: &str| {
        let file = site.home().join("tenants/default").join(database);
        let run = "import sqlite3, sys\nbase = sqlite3.connect(sys.argv[1])\nbase.execute(sys.argv[2])\nbase.commit()";
        site.set("python3", &["-c", run, file.to_str().unwrap(), text]);
    };
    // Frames: one byte for the stream, four for the length, the text.
    let rewrite = |from: &str, to: &str| {
        let hex = |word: &str| word.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let frame = |word: &str| format!("X'0100000005{}0a'", hex(word));
        format!("UPDATE items SET bytes = {} WHERE bytes = {}", frame(to), frame(from))
    };
    let chain = killed_at(&site, &["spec", "run", "keep.yaml"], "held");
    site.run(&["spec", "resume", &chain]).expect(5);
    std::fs::write(site.work("go"), "").unwrap();
    // A refused settling is nothing that became of the step.
    let mut agent = site.cascade(&["spec", "settle", &chain, "hold", "--did-not-happen"]);
    agent.env("CLAUDECODE", "1");
    finish(agent, b"").expect(3);
    site.run(&["spec", "settle", &chain, "hold", "--did-not-happen"]).expect(0);
    // Somebody edits what the step said.
    sql("vault.db", &rewrite("good", "evil"));
    site.run(&["spec", "resume", &chain]).expect_failure(1, "was changed after it was recorded");
    sql("vault.db", &rewrite("evil", "good"));
    // A view that has lost receipts does not bring anything back.
    sql("ledger.db", "DELETE FROM chain_receipts");
    site.run(&["spec", "resume", &chain]).expect(0);
    let receipts = site.receipts();
    assert_eq!(ids(&receipts, "task_started").len(), 4, "a, hold, hold again, b: {:?}", kinds(&receipts));
    assert!(site.work("good").exists() && !site.work("evil").exists());
}

#[test]
fn what_undoes_waits_for_people_and_for_the_end_of_a_halt() {
    let site = Site::new();
    std::fs::create_dir(site.work("d")).unwrap();
    let steps = "  - {id: a, run: [touch, made], compensate: {run: [rm, -rf, d]}}\n  - {id: b, needs: [a], run: [\"false\"]}\n";
    signed(&site, "back", "", steps);
    let told = by_agent(&site, &["--json", "spec", "run", "back.yaml"]).expect(5).json();
    assert_eq!((&told["outcome"], statuses(&told)["compensationa"].as_str()), (&json!("waiting"), "waiting"));
    let chain = told["chain"].as_str().unwrap().to_owned();
    let asked = site.last_of("escalation");
    site.run(&["halt", "--reason", "look first"]).expect(0);
    site.run(&["approve", &asked]).expect(0);
    by_agent(&site, &["spec", "resume", &chain]).expect(5);
    assert!(site.work("d").exists());
    site.run(&["resume", "--reason", "go on"]).expect(0);
    let told = by_agent(&site, &["--json", "spec", "resume", &chain]).expect(1).json();
    assert_eq!((&told["outcome"], &told["reasons"]), (&json!("aborted"), &json!(["step.failed"])));
    assert!(!site.work("d").exists());
    site.assert_sound();
}

/// SIGKILL at random moments of a workflow of thirty steps in parallel branches: every run comes to the same end, every
/// effect happened once or was reported unknown and settled by looking.
#[test]
fn a_run_killed_at_any_moment_comes_to_the_same_end() {
    let kills = std::env::var("CASCADE_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let mut steps = String::new();
    for at in 0..30 {
        // Five branches; every second step can be asked whether it took effect.
        let needs = if at < 5 { String::new() } else { format!(", needs: [s{}]", at - 5) };
        let asks = if at % 2 == 0 {
            format!(", reconcile: {{run: [grep, -qx, s{at}, effects]}}")
        } else {
            String::new()
        };
        steps
            .push_str(&format!("  - {{id: s{at}, run: [sh, -c, \"echo s{at} >> effects\"]{needs}{asks}}}\n"));
    }
    let site = Site::new();
    signed(&site, "thirty", "", &steps);
    let effects = site.work("effects");
    let start = Instant::now();
    run(&site, "thirty", 0);
    let whole = start.elapsed();
    let mut random = Random(SEED);
    let (mut unknown, mut resumed) = (0, 0);
    for kill in 0..kills {
        std::fs::write(&effects, "").unwrap();
        killed(site.cascade(&["spec", "run", "thirty.yaml"]), whole.mul_f64(random.fraction()));
        site.wait_until_quiet();
        let runs = site.run(&["--json", "spec", "list"]).expect(0).json();
        let Some(chain) = runs["runs"][0]["chain"].as_str() else { continue };
        resumed += 1;
        loop {
            let done = site.run(&["--json", "spec", "resume", chain]);
            let told = done.json();
            if told["outcome"] == "completed" {
                break;
            }
            let open = told["unknown"].as_array().cloned().unwrap_or_default();
            assert!(!open.is_empty(), "kill {kill}: {told}");
            for one in open {
                let id = one["id"].as_str().unwrap();
                let text = std::fs::read_to_string(&effects).unwrap();
                let said =
                    if text.lines().any(|line| line == id) { "--happened" } else { "--did-not-happen" };
                site.run(&["spec", "settle", chain, id, said]).expect(0);
                unknown += 1;
            }
        }
        let text = std::fs::read_to_string(&effects).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        let once = lines.len();
        lines.dedup();
        assert_eq!((once, lines.len()), (30, 30), "kill {kill}: {text}");
    }
    assert!(resumed > 0, "no kill met a run; {unknown} outcomes were settled by looking");
    site.assert_sound();
}
