//! Conversations with coding agents, event by event, as they speak them.

use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use crate::erase::Holding;
use crate::service::{Server, token};
use crate::site::{Done, PATIENCE, Receipt, Site, ended, finish, script};

/// A site with an agent at work in it.
struct Desk {
    site: Site,
}

impl Desk {
    fn new() -> Self {
        let site = Site::new();
        script(&site.work("deploy.sh"), "#!/bin/sh\necho deployed\n");
        site.run(&["init"]).expect(0);
        Self { site }
    }

    /// A recorded event, in this site's working directory.
    fn event(&self, name: &str) -> Value {
        let path = format!("{}/tests/fixtures/hook/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let work = self.site.path("work");
        serde_json::from_str(&text.replace("/home/me/app", work.to_str().unwrap())).unwrap()
    }

    fn say(&self, args: &[&str], event: &Value) -> Done {
        self.raw(args, event.to_string().as_bytes())
    }

    fn raw(&self, args: &[&str], input: &[u8]) -> Done {
        let mut command = self.site.cascade(&[&["hook"], args].concat());
        // What the agents set for whatever they start: it names the same agent.
        let marks = [("claude-code", "CLAUDECODE"), ("codex", "CODEX_THREAD_ID"), ("gemini", "GEMINI_CLI")];
        command
            .envs(marks.iter().filter(|(agent, _)| args.first() == Some(agent)).map(|(_, mark)| (mark, "1")));
        finish(command, input)
    }

    /// The same event of Claude Code with another id, and what it is answered.
    fn again(&self, event: &Value, id: &str) -> Done {
        let mut event = event.clone();
        event["tool_use_id"] = id.into();
        self.say(&["claude-code"], &event).expect(0)
    }

    fn intent(&self) -> Receipt {
        self.site.receipts().into_iter().rfind(|one| one.kind() == "task_started").unwrap()
    }

    /// What is kept of the newest outcome.
    fn output(&self) -> String {
        let code = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
            b = d.execute(\"select bytes from items where field = 'output_hash' order by id desc\").fetchone()[0]\n\
            sys.stdout.buffer.write(b[5:])";
        let vault = self.site.home().join("tenants/default/vault.db");
        self.site.set("python3", &["-c", code, vault.to_str().unwrap()]).stdout
    }
}

fn silent(done: Done) {
    let done = done.expect(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
}

/// What Claude Code and Codex are told before a call.
fn decision(done: &Done) -> (String, String) {
    let told = &done.json()["hookSpecificOutput"];
    assert_eq!(told["hookEventName"], "PreToolUse");
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    (text("permissionDecision"), text("permissionDecisionReason"))
}

/// The agent stops: exit code 2, a text that says why, nothing that could be taken for an answer.
fn assert_blocked(done: Done, words: &str) {
    let done = done.expect(2);
    assert_eq!(done.stdout, "");
    assert!(done.stderr.contains(words), "no `{words}` in {}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}

#[test]
fn before_and_after_are_one_action() {
    let desk = Desk::new();
    silent(desk.say(&["claude-code"], &desk.event("claude-code/pre-bash")));
    let intent = desk.intent();
    assert_eq!((intent.content("task_type"), intent.content("risk_tier")), (&json!("shell"), &json!("LOW")));
    silent(desk.say(&["claude-code"], &desk.event("claude-code/post-bash")));
    let closer = desk.site.last();
    assert_eq!((closer.kind(), closer.reference("intent")), ("task_completed", Some(intent.id())));
    assert_eq!(closer.content("duration_us"), 41_000);
    let output: Value = serde_json::from_str(&desk.output()).unwrap();
    assert_eq!(output, desk.event("claude-code/post-bash")["tool_response"]);
    // Told again, it is the same outcome; asked again, the same call is not performed twice.
    let count = desk.site.receipts().len();
    silent(desk.say(&["claude-code"], &desk.event("claude-code/post-bash")));
    let told = desk.say(&["claude-code"], &desk.event("claude-code/pre-bash")).expect(0);
    assert_eq!(decision(&told).0, "deny");
    assert_eq!(desk.site.receipts().len(), count);
    // A tool that is no shell.
    silent(desk.say(&["claude-code"], &desk.event("claude-code/pre-write")));
    assert_eq!(desk.intent().content("risk_tier"), "MEDIUM");
    silent(desk.say(&["claude-code"], &desk.event("claude-code/post-write")));
    silent(desk.say(&["claude-code"], &desk.event("claude-code/session-end")));
    // One that fails.
    let mut failing = desk.event("claude-code/post-bash-failure");
    failing["tool_use_id"] = "toolu_02".into();
    silent(desk.again(&desk.event("claude-code/pre-bash"), "toolu_02"));
    silent(desk.say(&["claude-code"], &failing));
    let closer = desk.site.last();
    assert_eq!((closer.kind(), closer.content("exit_code")), ("task_failed", &json!(2)));
    assert_eq!(closer.reasons(), ["agent.failed"]);
    assert!(desk.output().starts_with("Exit code 2\n"));
    desk.site.assert_sound();
}

#[test]
fn an_event_that_comes_twice_is_one_receipt() {
    let desk = Desk::new();
    for name in ["claude-code/pre-bash", "claude-code/pre-bash-denied", "claude-code/pre-bash-escalated"] {
        let first = desk.say(&["claude-code"], &desk.event(name)).expect(0);
        let count = desk.site.receipts().len();
        let second = desk.say(&["claude-code"], &desk.event(name)).expect(0);
        assert_eq!(desk.site.receipts().len(), count, "{name}");
        assert_eq!(first.stdout.is_empty(), second.stdout.is_empty());
    }
    // The id of a call that was something else is no way in.
    let mut other = desk.event("claude-code/pre-bash");
    other["tool_input"]["command"] = "cat /etc/passwd".into();
    assert_blocked(desk.say(&["claude-code"], &other), "the same call was another one");
}

#[test]
fn admitted_is_no_objection_unless_it_decides() {
    let desk = Desk::new();
    let told = desk.say(&["claude-code", "--decide"], &desk.event("claude-code/pre-bash")).expect(0);
    let (word, text) = decision(&told);
    assert_eq!(word, "allow");
    assert!(text.contains(desk.intent().id()), "{text}");
}

#[test]
fn denied_says_why_and_by_which_receipt() {
    let desk = Desk::new();
    let told = desk.say(&["claude-code"], &desk.event("claude-code/pre-bash-denied")).expect(0);
    let (word, text) = decision(&told);
    let last = desk.site.last();
    assert_eq!((word.as_str(), last.kind()), ("deny", "blocked"));
    assert!(text.contains("stopped for everyone") && text.contains(last.id()), "{text}");
    // The agent's own settings, and a tool that no manifest knows, are for people to approve.
    for name in ["claude-code/pre-write-settings", "claude-code/pre-mcp"] {
        let (word, text) = decision(&desk.say(&["claude-code"], &desk.event(name)).expect(0));
        assert_eq!((word.as_str(), desk.site.last().kind()), ("deny", "escalation"), "{name}");
        assert!(text.contains("cascade approve r_"), "{text}");
    }
    let shown = desk.site.run(&["approvals"]).expect(0).stdout;
    assert!(shown.contains("mcp:github create_issue '{"), "{shown}");
    // Halted, nothing is admitted.
    desk.site.run(&["halt", "--reason", "stop"]).expect(0);
    let (word, text) = decision(&desk.again(&desk.event("claude-code/pre-bash"), "toolu_09"));
    assert!(word == "deny" && text.contains("halted"), "{text}");
}

#[test]
fn no_tool_of_a_server_passes_for_a_request_of_the_protocol() {
    let desk = Desk::new();
    let requests = ["resources/read", "prompts/get", "tasks/get", "tasks/result", "sampling/createMessage"];
    for (at, name) in requests.iter().copied().chain(["resources/read note"]).enumerate() {
        let mut event = desk.event("claude-code/pre-mcp");
        event["tool_name"] = format!("mcp__evil__{name}").into();
        let (word, text) = decision(&desk.again(&event, &format!("toolu_{at}")));
        let denied = desk.site.last();
        assert_eq!((word.as_str(), denied.kind()), ("deny", "blocked"), "{name}");
        assert!(text.contains("pass for a request of the protocol") && text.contains(denied.id()), "{text}");
        // Asked again it is the same denial.
        assert_eq!(decision(&desk.again(&event, &format!("toolu_{at}"))), (word, text));
        assert_eq!(desk.site.last().id(), denied.id());
        let mut event = desk.event("gemini/before-mcp");
        event["mcp_context"] = json!({ "server_name": "evil", "tool_name": name });
        let told = desk.say(&["gemini"], &event).expect(0).json();
        assert_eq!((&told["decision"], desk.site.last().kind()), (&json!("deny"), "blocked"), "{name}");
    }
    assert!(desk.site.receipts().iter().all(|one| one.kind() != "task_started"));
    desk.site.assert_sound();
}

#[test]
fn approved_the_same_call_goes_through_once() {
    let desk = Desk::new();
    let event = desk.event("claude-code/pre-bash-escalated");
    let (word, text) = decision(&desk.say(&["claude-code"], &event).expect(0));
    let asked = desk.site.last_of("escalation");
    assert!(word == "deny" && text.contains(&format!("cascade approve {asked}")), "{text}");
    desk.site.run(&["approve", &asked]).expect(0);
    // Another line is another matter.
    let mut other = event.clone();
    other["tool_input"]["command"] = "./deploy.sh staging".into();
    assert_eq!(decision(&desk.again(&other, "toolu_02")).0, "deny");
    silent(desk.again(&event, "toolu_03"));
    let intent = desk.intent();
    assert_eq!(intent.reference("escalation"), Some(asked.as_str()));
    assert_eq!(intent.reference("approval"), Some(desk.site.last_of("approval").as_str()));
    // It is used up.
    assert_eq!(decision(&desk.again(&event, "toolu_04")).0, "deny");
    let mut after = desk.event("claude-code/post-bash");
    after["tool_input"] = event["tool_input"].clone();
    after["tool_use_id"] = "toolu_03".into();
    silent(desk.say(&["claude-code"], &after));
    desk.site.assert_sound();
}

#[test]
fn an_approval_that_has_run_out_is_asked_for_anew() {
    let desk = Desk::new();
    let event = desk.event("claude-code/pre-bash-escalated");
    desk.say(&["claude-code"], &event).expect(0);
    let first = desk.site.last_of("escalation");
    desk.site.run(&["approve", &first, "--expires", "1ms"]).expect(0);
    assert_eq!(decision(&desk.again(&event, "toolu_02")).0, "deny");
    let second = desk.site.last_of("escalation");
    assert_ne!(first, second);
    let told = desk.site.run(&["approve", &second]).expect(0).stderr;
    assert!(told.contains("exactly the same again"), "{told}");
    silent(desk.again(&event, "toolu_03"));
    assert_eq!(desk.intent().reference("escalation"), Some(second.as_str()));
}

#[test]
fn what_was_not_admitted_has_no_outcome() {
    let desk = Desk::new();
    let event = desk.event("claude-code/pre-bash-escalated");
    assert_eq!(decision(&desk.say(&["claude-code", "--ask"], &event).expect(0)).0, "ask");
    let mut after = desk.event("claude-code/post-bash");
    after["tool_input"] = event["tool_input"].clone();
    assert_blocked(desk.say(&["claude-code"], &after), "no receipt admits it");
    // What was done all the same is on record as that.
    let told = desk.site.last();
    assert_eq!(told.kind(), "blocked");
    assert!(told.content("decision").to_string().contains("agent.not_admitted"));
    after["tool_use_id"] = event["tool_use_id"].clone();
    assert_blocked(desk.say(&["claude-code"], &after), "does not admit it");
    // Rewritten on the way by another hook.
    silent(desk.say(&["claude-code"], &desk.event("claude-code/pre-bash")));
    let mut after = desk.event("claude-code/post-bash");
    after["tool_input"]["command"] = "ls /".into();
    silent(desk.say(&["claude-code"], &after));
    assert_eq!(desk.site.last().reasons(), ["agent.other_input"]);
    desk.site.assert_sound();
}

/// The newest receipt is that of an outcome that nothing waited for: its reason, the receipt that it is about, and what
/// was done.
fn assert_apart(desk: &Desk, code: &str, about: Option<&str>, done: &Value) {
    let told = desk.site.last();
    let denied = told.content("decision").to_string().contains(code);
    assert_eq!((told.kind(), denied, told.reference("parent")), ("blocked", true, about), "{code}");
    let shown = desk.site.run(&["--json", "show", told.id()]).expect(0).json();
    let line: Value = serde_json::from_str(shown["private"]["action"]["line"].as_str().unwrap()).unwrap();
    assert_eq!((&line[2], &line[3]), (&done["tool_name"], &done["tool_input"]));
    // The output is kept, and what is signed says which it is.
    let code = "import hashlib, sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
        b = d.execute(\"select bytes from items where field = 'output' order by id desc\").fetchone()[0]\n\
        print(hashlib.sha256(b).hexdigest(), b.decode())";
    let vault = desk.site.home().join("tenants/default/vault.db");
    let kept = desk.site.set("python3", &["-c", code, vault.to_str().unwrap()]).stdout;
    let (hash, output) = kept.trim_end().split_once(' ').unwrap();
    assert_eq!(
        (line[4]["output"].as_str(), line[4]["id"].as_str()),
        (Some(hash), done["tool_use_id"].as_str())
    );
    assert_eq!(serde_json::from_str::<Value>(output).unwrap(), done["tool_response"]);
}

#[test]
fn what_was_done_is_on_record_whether_or_not_anything_waits_for_it() {
    let desk = Desk::new();
    let told = |event: &Value| desk.say(&["claude-code"], event);
    silent(told(&desk.event("claude-code/pre-bash")));
    let intent = desk.intent();
    let after = desk.event("claude-code/post-bash");
    silent(told(&after));
    // The same id, and something else was done.
    let mut input = after.clone();
    input["tool_input"]["command"] = "rm -rf /srv".into();
    let mut output = after.clone();
    output["tool_response"]["stdout"] = "something else".into();
    let mut both = input.clone();
    both["tool_response"] = output["tool_response"].clone();
    for other in [&input, &output, &both] {
        assert_blocked(told(other), "closed with another outcome");
        assert_apart(&desk, "agent.told_otherwise", Some(intent.id()), other);
    }
    let traced = desk.site.run(&["lineage", desk.site.last().id()]).expect(0).stdout;
    assert!(traced.contains("nothing admitted it") && traced.contains("it is about what"), "{traced}");
    assert!(!traced.contains("nothing ran"), "{traced}");
    // Each of them told again is on record already; only the first one is as it should be.
    let count = desk.site.receipts().len();
    silent(told(&after));
    for other in [&input, &output, &both] {
        assert_blocked(told(other), "closed with another outcome");
    }
    assert_eq!(desk.site.receipts().len(), count);
    // Denied, held, never asked about, and done.
    for name in ["pre-bash-denied", "pre-bash-escalated"] {
        let before = desk.event(&format!("claude-code/{name}"));
        told(&before).expect(0);
        let refusal = desk.site.last();
        let mut done = after.clone();
        done["tool_input"] = before["tool_input"].clone();
        done["tool_use_id"] = before["tool_use_id"].clone();
        for _ in 0..2 {
            assert_blocked(told(&done), &format!("though {} does not admit it", refusal.id()));
            assert_apart(&desk, "agent.refused", Some(refusal.id()), &done);
        }
        done["tool_use_id"] = format!("other-{name}").into();
        assert_blocked(told(&done), "no receipt admits it");
        assert_apart(&desk, "agent.not_admitted", None, &done);
    }
    assert_eq!(desk.site.receipts().len(), count + 6);
    desk.site.assert_sound();
}

#[test]
fn an_input_that_was_rewritten_is_on_record_as_it_was_used() {
    let desk = Desk::new();
    let told = |event: &Value| desk.say(&["claude-code"], event);
    silent(told(&desk.event("claude-code/pre-bash")));
    let intent = desk.intent();
    let mut after = desk.event("claude-code/post-bash");
    after["tool_input"]["command"] = "ls /".into();
    silent(told(&after));
    let receipts = desk.site.receipts();
    let (input, closer) = (&receipts[receipts.len() - 2], &receipts[receipts.len() - 1]);
    assert_eq!((closer.kind(), closer.reasons()), ("task_completed", vec!["agent.other_input"]));
    assert_eq!((input.kind(), input.reference("parent")), ("blocked", Some(intent.id())));
    let shown = desk.site.run(&["show", input.id()]).expect(0).stdout;
    assert!(shown.contains("ls /"), "{shown}");
    // Told again it adds nothing; rewritten otherwise it is something else.
    silent(told(&after));
    assert_eq!(desk.site.receipts().len(), receipts.len());
    after["tool_input"]["command"] = "ls /srv".into();
    assert_blocked(told(&after), "closed with another outcome");
    assert_apart(&desk, "agent.told_otherwise", Some(intent.id()), &after);
    desk.site.assert_sound();
}

#[test]
fn codex_is_answered_in_its_own_words() {
    let desk = Desk::new();
    let codex = |name: &str| desk.say(&["codex"], &desk.event(&format!("codex/{name}"))).expect(0);
    silent(codex("pre-bash"));
    let intent = desk.intent();
    // It asks for permission about a call that is admitted: its own rules go on, unless Cascade decides.
    silent(codex("permission-bash"));
    let told = desk.say(&["codex", "--decide"], &desk.event("codex/permission-bash")).expect(0).json();
    let decision_of = |told: &Value| told["hookSpecificOutput"]["decision"].clone();
    assert_eq!(decision_of(&told), json!({ "behavior": "allow" }));
    assert_eq!(desk.intent().id(), intent.id());
    silent(codex("post-bash"));
    assert_eq!(desk.site.last().reference("intent"), Some(intent.id()));
    assert_eq!(desk.output(), "main.rs\nlib.rs\n");
    silent(codex("pre-patch"));
    assert_eq!(desk.intent().content("risk_tier"), "MEDIUM");
    let (word, text) = decision(&codex("pre-patch-hooks"));
    assert!(word == "deny" && !text.is_empty());
    // About a call that nobody asked about before, permission is decided by itself.
    let mut unasked = desk.event("codex/permission-bash");
    unasked["tool_input"]["command"] = "rm -rf /".into();
    let told = decision_of(&desk.say(&["codex"], &unasked).expect(0).json());
    assert_eq!(told["behavior"], "deny");
    assert!(told["message"].as_str().unwrap().contains(desk.site.last().id()), "{told}");
}

#[test]
fn gemini_is_answered_in_its_own_words() {
    let desk = Desk::new();
    let gemini = |name: &str| desk.say(&["gemini"], &desk.event(&format!("gemini/{name}"))).expect(0).json();
    assert_eq!(gemini("before-shell"), json!({ "decision": "allow" }));
    let intent = desk.intent();
    assert_eq!(gemini("after-shell"), json!({}));
    assert_eq!(desk.site.last().reference("intent"), Some(intent.id()));
    assert_eq!(gemini("before-write"), json!({ "decision": "allow" }));
    gemini("after-write");
    assert_eq!((desk.site.last().kind(), desk.site.last().reasons()), ("task_failed", vec!["agent.failed"]));
    let told = gemini("before-mcp");
    assert_eq!(told["decision"], "deny");
    assert!(told["reason"].as_str().unwrap().contains("cascade approve"), "{told}");
    // The same call again is a call of its own, and outcomes go to the oldest that is open.
    let mut again = desk.event("gemini/before-shell");
    again["timestamp"] = "2026-11-20T10:20:00.000Z".into();
    desk.say(&["gemini"], &again).expect(0);
    gemini("after-shell");
    assert_blocked(desk.say(&["gemini"], &desk.event("gemini/after-shell")), "no receipt admits it");
    desk.site.assert_sound();
}

#[test]
fn what_cannot_be_told_apart_is_not_admitted_twice_on_one_receipt() {
    const COUNT: usize = 4;
    let desk = Desk::new();
    let gemini = |event: &Value| desk.say(&["gemini"], event).expect(0).json();
    let mut event = desk.event("gemini/before-shell");
    event["tool_input"]["command"] = "./deploy.sh production".into();
    event["timestamp"] = "2026-11-20T10:14:00.000Z".into();
    assert_eq!(gemini(&event)["decision"], "deny");
    let asked = desk.site.last_of("escalation");
    desk.site.run(&["approve", &asked]).expect(0);
    // All at once, of the same moment: the approval carries one of them.
    event["timestamp"] = "2026-11-20T10:15:00.000Z".into();
    let command = |_| {
        let mut command = desk.site.cascade(&["hook", "gemini"]);
        command.env("GEMINI_CLI", "1");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        child.spawn().unwrap()
    };
    let all: Vec<_> = (0..COUNT).map(command).collect();
    let all: Vec<_> = all.into_iter().map(|child| ended(child, event.to_string().as_bytes())).collect();
    let allowed = all.iter().filter(|done| done.stdout.contains("allow"));
    assert_eq!(allowed.count(), 1, "{:?}", all.iter().map(|done| &done.stdout).collect::<Vec<_>>());
    assert_eq!(gemini(&event)["decision"], "deny");
    let starts = || desk.site.receipts().into_iter().filter(|one| one.kind() == "task_started").count();
    assert_eq!(starts(), 1);
    // What needs no approval is two calls, with a receipt and an outcome for each.
    let (event, after) = (desk.event("gemini/before-shell"), desk.event("gemini/after-shell"));
    for count in [2, 3] {
        assert_eq!((gemini(&event), starts()), (json!({ "decision": "allow" }), count));
    }
    for _ in 0..2 {
        assert_eq!(gemini(&after), json!({}));
        assert_eq!(desk.site.last().kind(), "task_completed");
    }
    assert_blocked(desk.say(&["gemini"], &after), "no receipt admits it");
    desk.site.assert_sound_but_for(1);
}

#[test]
fn whatever_goes_wrong_blocks() {
    let desk = Desk::new();
    let event = desk.event("claude-code/pre-bash");
    let without = |name: &str| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(name);
        event.to_string()
    };
    let with = |name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event.to_string()
    };
    let deep = with("tool_input", json!({}))
        .replace("\"tool_input\":{}", &format!("\"tool_input\":{{\"a\":{}", "[".repeat(100_000)));
    let cases = [
        (String::new(), "is not one of Claude Code's"),
        ("not json".to_owned(), "is not one of Claude Code's"),
        (deep, "nested deeper"),
        (without("hook_event_name"), "missing field"),
        (without("session_id"), "missing field"),
        (without("tool_name"), "missing field"),
        (without("tool_input"), "missing field"),
        (without("tool_use_id"), "`tool_use_id`"),
        (without("cwd"), "missing field"),
        (with("cwd", "app".into()), "not an absolute path"),
        (with("hook_event_name", "PreToolUseX".into()), "no event `PreToolUseX`"),
        (with("tool_input", json!({ "description": "x" })), "without `command`"),
        (with("tool_input", json!("ls")), "is not one of Claude Code's"),
    ];
    for (text, words) in cases {
        for agent in ["claude-code", "codex", "gemini"] {
            let done = desk.raw(&[agent], text.as_bytes());
            if agent == "claude-code" { assert_blocked(done, words) } else { assert_blocked(done, "") }
        }
    }
    assert_blocked(desk.raw(&["claude-code", "--nonsense"], b"{}"), "unexpected argument");
    assert_blocked(desk.raw(&["claude-code", "--lease", "25h"], b"{}"), "between 1s and");
    // Nobody sends anything.
    let mut command = desk.site.cascade(&["hook", "gemini", "--within", "100ms"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    assert_blocked(ended(child, b""), "in time");
    drop(open);
    // Somebody else holds the ledger.
    let held = Holding::new(&desk.site, "ledger.db", "begin immediate");
    assert_blocked(desk.say(&["claude-code", "--within", "1s"], &event), "blocked");
    drop(held);
    // An answer that nobody can read.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = desk.site.cascade(&["hook", "claude-code", "--decide"]);
    let mut child = command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), event.to_string().as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    // There is no ledger, and none is founded.
    std::fs::rename(desk.site.home(), desk.site.path("elsewhere")).unwrap();
    assert_blocked(desk.say(&["claude-code"], &event), "couldn't open the ledger");
    assert!(!desk.site.home().exists());
    let file = desk.site.home();
    std::fs::write(&file, "").unwrap();
    assert_blocked(desk.say(&["claude-code"], &event), "couldn't open the ledger");
}

#[test]
fn a_key_given_over_http_is_none_of_a_hook() {
    let desk = Desk::new();
    let bearer = format!("Bearer {}", token(&desk.site, &["--agent", "claude-code"]));
    let service = Server::start(&desk.site);
    let (before, after) = (desk.event("claude-code/pre-bash"), desk.event("claude-code/post-bash"));
    let key = json!(["hook", "claude-code", before["session_id"], before["tool_use_id"]]).to_string();
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key.as_str())];
    let decide = || {
        let body = json!({ "action": { "kind": "cli", "argv": ["git", "status"] } }).to_string();
        service.send(("POST", "/v1/decisions"), &headers, &body).expect(200)["receipt_id"].clone()
    };
    let theirs = decide();
    // An outcome of nothing does not end what was asked over HTTP.
    assert_blocked(desk.say(&["claude-code"], &after), "no receipt admits it");
    silent(desk.say(&["claude-code"], &before));
    let intent = desk.intent();
    assert_ne!(intent.id(), theirs);
    silent(desk.say(&["claude-code"], &after));
    assert_eq!(desk.site.last().reference("intent"), Some(intent.id()));
    // Over HTTP the key is still what it was.
    assert_eq!(decide(), theirs);
    drop(service);
    desk.site.assert_sound_but_for(1);
}

#[test]
fn many_at_once_are_each_on_record() {
    const COUNT: usize = 8;
    let desk = Desk::new();
    let (before, after) = (desk.event("claude-code/pre-bash"), desk.event("claude-code/post-bash"));
    for event in [before, after] {
        let command = |at: usize| {
            let mut event = event.clone();
            event["tool_use_id"] = format!("toolu_{at}").into();
            let mut command = desk.site.cascade(&["hook", "claude-code"]);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            (child.spawn().unwrap(), event.to_string())
        };
        let all: Vec<_> = (0..COUNT).map(command).collect();
        for (child, event) in all {
            silent(ended(child, event.as_bytes()));
        }
    }
    let receipts = desk.site.receipts();
    let count = |kind: &str| receipts.iter().filter(|one| one.kind() == kind).count();
    assert_eq!((count("task_started"), count("task_completed")), (COUNT, COUNT));
    desk.site.assert_sound();
}

#[test]
fn an_outcome_that_never_comes_is_unknown() {
    let desk = Desk::new();
    silent(desk.say(&["claude-code", "--lease", "1s"], &desk.event("claude-code/pre-bash")));
    let intent = desk.intent();
    // The agent is killed here, and says nothing more. Whoever opens the chain after the lease closes it.
    let since = Instant::now();
    let closed = || desk.site.receipts().iter().any(|one| one.kind() == "task_unknown");
    while !closed() {
        assert!(since.elapsed() < PATIENCE, "it is never closed");
        desk.site.run(&["run", "--dry-run", "--", "true"]).expect(0);
    }
    let receipts = desk.site.receipts();
    let closer = receipts.iter().find(|one| one.kind() == "task_unknown").unwrap();
    assert_eq!((closer.reference("intent"), closer.reasons()), (Some(intent.id()), vec!["lease.expired"]));
    let late = desk.event("claude-code/post-bash");
    assert_blocked(desk.say(&["claude-code"], &late), "closed as unknown");
    assert_apart(&desk, "agent.told_late", Some(intent.id()), &late);
    desk.site.assert_sound();
}
