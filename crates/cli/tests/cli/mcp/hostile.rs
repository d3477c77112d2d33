//! Servers that lie, flood, hang, die, or do not listen: what each can do is bounded, and nothing stays open.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::{asked, fixture, of_kind, python};
use crate::approved::activate;
use crate::full::{self, Room};
use crate::site::{Done, PATIENCE, Site, ended};

/// A client that says what it likes.
struct Bare {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Bare {
    fn start(site: &Site, way: &str, more: &[&str]) -> Self {
        let server = fixture("hostile.py");
        let mut words = vec!["mcp", "--name", "h"];
        words.extend(more);
        words.extend(["--", python(site), &server, way]);
        Self::of(site.cascade(&words))
    }

    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut bare = Self { child, to, from };
        bare.say(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"capabilities": {}}}));
        assert_eq!(bare.hear()["id"], 0);
        bare
    }

    fn say(&mut self, message: &Value) {
        self.write(message.to_string().as_bytes());
    }

    fn write(&mut self, line: &[u8]) {
        let to = self.to.as_mut().unwrap();
        to.write_all(line).and_then(|()| to.write_all(b"\n")).unwrap();
    }

    fn call(&mut self, id: u32) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {"n": id}}}));
    }

    fn hear(&mut self) -> Value {
        self.hear_line().0
    }

    /// What it hears, and how many bytes that took.
    fn hear_line(&mut self) -> (Value, usize) {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        (message, line.len())
    }

    /// Closes the input, and waits for the end.
    fn end(mut self) -> Done {
        self.to = None;
        let mut rest = Vec::new();
        self.from.read_to_end(&mut rest).unwrap();
        let mut done = ended(self.child, b"");
        done.stdout = String::from_utf8_lossy(&rest).into_owned();
        done
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn an_answer_reaches_the_request_that_it_is_to_and_no_other() {
    let site = Site::new();
    let mut client = Bare::start(&site, "lies", &[]);
    for id in 1..4 {
        client.call(id);
        let answer = client.hear();
        assert_eq!((&answer["id"], text(&answer)), (&json!(id), format!("answer to {id}").as_str()));
    }
    // Of the client as well: nothing is called by stealth, twice under one id, or in a way that is read two ways.
    client.say(&json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "t"}}));
    client.write(br#"[{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}]"#);
    assert_eq!(client.hear()["error"]["code"], -32700);
    client.write(br#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"t","name":"u"}}"#);
    assert_eq!(client.hear()["error"]["code"], -32602);
    client.write(br#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"resources/read"}}"#);
    assert_eq!(client.hear()["error"]["code"], -32602);
    let done = client.end().expect(0);
    assert_eq!(done.stdout, "", "an answer that nobody asked for");
    assert_eq!(done.stderr.matches("what it was not asked, or twice").count(), 1, "{}", done.stderr);
    let receipts = site.receipts();
    assert_eq!(asked(&site, &receipts, "t").len(), 3);
    // The calls, `initialize`, the list of tools, and the server itself.
    assert_eq!(of_kind(&receipts, "task_completed").len(), 6);
    site.assert_sound();
}

#[test]
fn a_server_that_dies_floods_or_hangs_leaves_nothing_open() {
    for (way, kind, code) in [
        ("dies", "task_unknown", 1),
        ("floods", "task_unknown", 1),
        ("hangs", "task_unknown", 0),
        ("deaf", "task_completed", 0),
    ] {
        let site = Site::new();
        let began = Instant::now();
        let mut client = Bare::start(&site, way, &["--timeout", "2s"]);
        client.call(1);
        let mut answer = client.hear();
        if way == "dies" {
            // The last words of a server are words too.
            assert_eq!(answer["params"]["data"], "last words");
            answer = client.hear();
        }
        assert_eq!(answer["id"], 1);
        assert_eq!(answer.get("error").is_some(), way != "deaf", "{way} {answer}");
        let done = client.end().expect(code);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        assert!(began.elapsed() < PATIENCE);
        site.wait_until_quiet();
        let receipts = site.receipts();
        let call = asked(&site, &receipts, "t")[0];
        let closer = receipts.iter().find(|one| one.reference("intent") == Some(call.id())).unwrap();
        assert_eq!(closer.kind(), kind, "{way}");
        // How the server ended is on record too.
        let server = of_kind(&receipts, "task_started")[0];
        assert!(receipts.iter().any(|one| one.reference("intent") == Some(server.id())), "{way}");
        site.assert_sound();
    }
}

#[test]
fn so_many_requests_are_in_flight_and_no_more() {
    let site = Site::new();
    let mut client = Bare::start(&site, "hangs", &[]);
    // Until the server has said what it offers, calls wait and are not begun.
    client.say(&json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"}));
    assert!(client.hear()["result"]["tools"].is_array());
    for id in 1..=256 {
        client.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t"}}));
    }
    client.call(1);
    assert_eq!(client.hear()["error"]["message"], "the id is that of a request in flight");
    client.call(257);
    let answer = client.hear();
    assert_eq!(
        (&answer["id"], &answer["error"]["message"]),
        (&json!(257), &json!("too many requests are in flight"))
    );
    client.end().expect(0);
    site.wait_until_quiet();
    assert_eq!(of_kind(&site.receipts(), "task_unknown").len(), 256);
    site.assert_sound();

    // The other way round: the client is asked so much and no more.
    let site = Site::new();
    let mut client = Bare::start(&site, "asks", &["--timeout", "4s"]);
    client.call(1);
    let mut asked = 0;
    let answer = loop {
        let message = client.hear();
        if message["method"] != "roots/list" {
            break message;
        }
        asked += 1;
    };
    assert_eq!((asked, text(&answer)), (256, "asked"));
    // What it does not answer in time is closed, and the server told.
    let deadline = Instant::now() + PATIENCE;
    while of_kind(&site.receipts(), "task_unknown").len() < 256 {
        assert!(Instant::now() < deadline);
    }
    client.end().expect(0);
    site.assert_sound();
}

#[test]
fn a_gateway_that_is_killed_takes_its_server_with_it_and_the_call_is_closed_as_unknown() {
    let site = Site::new();
    let mut client = Bare::start(&site, "hangs", &[]);
    client.call(1);
    let deadline = Instant::now() + PATIENCE;
    // The server, `initialize`, the list of its tools, the call.
    while of_kind(&site.receipts(), "task_started").len() < 4 {
        assert!(Instant::now() < deadline);
    }
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    site.wait_until_quiet();
    site.run(&["run", "--", "true"]).expect(0);
    let receipts = site.receipts();
    assert_eq!(of_kind(&receipts, "task_unknown").len(), 2);
    site.assert_sound();
}

#[test]
fn what_a_server_notifies_is_on_record_before_anybody_hears_it() {
    let site = Site::new();
    let mut client = Bare::start(&site, "tells", &[]);
    client.call(1);
    let ((progress, first), (message, second), answer) =
        (client.hear_line(), client.hear_line(), client.hear());
    assert_eq!(
        (&progress["method"], &progress["params"]["progress"]),
        (&json!("notifications/progress"), &json!(0.5))
    );
    assert_eq!((&message["params"]["data"], text(&answer)), (&json!("half way"), "whole"));
    // A member that nobody looks at is handed to nobody.
    assert!([&progress, &message, &answer].iter().all(|one| one.get("aside").is_none()));
    let receipts = site.receipts();
    let server = of_kind(&receipts, "task_started")[0];
    let beats = of_kind(&receipts, "heartbeat");
    assert!(!beats.is_empty() && beats.iter().all(|one| one.reference("intent") == Some(server.id())));
    // Two lines, as they were handed on.
    assert_eq!(beats.last().unwrap().content("bytes"), &json!(first + second));
    client.end().expect(0);
    let closer = site.receipts().pop().unwrap();
    assert_eq!(closer.reference("intent"), Some(server.id()));
    assert_eq!(closer.content("output_hash"), beats.last().unwrap().content("running_hash"));
    site.assert_sound();
}

#[test]
fn what_a_server_says_to_people_is_on_record_before_they_read_it() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut client = Bare::start(&site, "mutters", &[]);
    client.call(1);
    assert_eq!(text(&client.hear()), "two");
    let mut people = BufReader::new(client.child.stderr.take().unwrap());
    let mut first = String::new();
    people.read_line(&mut first).unwrap();
    assert_eq!(first, "one\n");
    let receipts = site.receipts();
    let server = of_kind(&receipts, "task_started")[0];
    let beats = of_kind(&receipts, "heartbeat");
    assert_eq!(beats.last().unwrap().reference("intent"), Some(server.id()));
    assert_eq!(beats.last().unwrap().content("bytes"), &json!(first.len()));
    // With the input closed it ends with a fault of its own, which its last words explain.
    client.end().expect(0);
    let mut rest = String::new();
    people.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "last words\n");
    let closer = site.receipts().pop().unwrap();
    assert_eq!((closer.kind(), closer.reference("intent")), ("task_failed", Some(server.id())));
    assert_eq!(closer.content("exit_code"), &json!(1));
    let words = |text: &str| (2, text.to_owned());
    assert_eq!(site.kept_output(&closer), [words("one\n"), words("last words\n")]);
    site.assert_sound();
}

#[test]
fn a_server_that_talks_without_end_to_people_who_do_not_read_is_bounded() {
    let site = Site::new();
    let mut client = Bare::start(&site, "drones", &[]);
    client.call(1);
    assert_eq!(text(&client.hear()), "first");
    // It takes more than any pipe, and nobody reads: what is asked meanwhile is answered all the same.
    let deadline = Instant::now() + PATIENCE;
    let said = |site: &Site| {
        let receipts = site.receipts();
        of_kind(&receipts, "heartbeat").last().and_then(|beat| beat.content("bytes").as_u64()).unwrap_or(0)
    };
    while said(&site) < 64 << 20 {
        assert!(Instant::now() < deadline);
    }
    client.write(b"[]");
    assert_eq!(client.hear()["error"]["code"], -32700);
    site.run(&["halt", "--reason", "stop"]).expect(0);
    drop(client.to.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(3));
    site.run(&["resume", "--reason", "go"]).expect(0);
    site.assert_sound();
}

#[test]
fn a_request_that_nobody_knows_is_decided_like_a_tool_that_nobody_knows() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for admitted in [true, false] {
        if !admitted {
            let rule = "@id(\"no\") forbid (principal, action, resource == Program::\"mcp:h\") \
                        when { context.subcommand like \"request *\" };\n";
            activate(&site, rule);
        }
        let before = site.receipts().len();
        let mut client = Bare::start(&site, "lies", &[]);
        client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "x/forget", "params": {"all": true}}));
        let answer = client.hear();
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/x/forget"}));
        client.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
        assert_eq!(client.hear(), json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
        let receipts = site.receipts().split_off(before);
        let own = ["request x/forget", "request notifications/x/forget"];
        let own = own.map(|name| asked(&site, &receipts, name));
        if admitted {
            assert_eq!(text(&answer), "x/forget");
            assert!(own.iter().all(|one| one.len() == 1 && one[0].content("risk_tier") == "HIGH"), "{own:?}");
        } else {
            assert_eq!(answer["error"]["code"], -32001);
            assert!(own.iter().all(Vec::is_empty));
            assert_eq!(of_kind(&receipts, "blocked").len(), 2);
        }
        client.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "a b"}));
        assert_eq!(client.hear()["error"]["code"], -32602);
        client.end().expect(0);
    }
    site.assert_sound();
}

#[test]
fn a_server_does_not_fill_the_chain_with_what_it_is_refused() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    activate(
        &site,
        "@id(\"no\") forbid (principal, action, resource == Program::\"mcp:h\") \
         when { context.subcommand like \"request x/beg\" };\n",
    );
    let mut client = Bare::start(&site, "begs", &[]);
    let began = Instant::now();
    client.call(1);
    assert_eq!(text(&client.hear()), "begged");
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let blocked = of_kind(&site.receipts(), "blocked").len();
    // Twenty at once, twenty a second, and the one that was too many.
    assert!((20..=21 + 20 * seconds).contains(&blocked), "{blocked} in {seconds} s");
    let done = client.end().expect(0);
    let told = done.stderr.matches("the server asks the client too much").count();
    assert_eq!(told, usize::from(blocked < 200), "{}", done.stderr);
    site.assert_sound();
}

#[test]
fn a_gateway_that_can_record_nothing_more_ends_its_server() {
    let site = Site::new();
    let server = fixture("hostile.py");
    let words = ["mcp", "--name", "h", "--", python(&site), server.as_str(), "mutters"];
    let mut client = Bare::of(full::unheeding(&site, &words));
    client.call(1);
    assert_eq!(text(&client.hear()), "two");
    full::set(&client.child, Room::None);
    client.call(2);
    let answer = client.hear();
    assert_eq!((&answer["id"], answer.get("result")), (&json!(2), None), "{answer}");
    let done = client.end().expect_failure(1, "nothing more could be put on record");
    assert_eq!(done.stdout, "", "left without a receipt");
    assert!(!done.stderr.contains("last words"), "{}", done.stderr);
    site.wait_until_quiet();
    site.run(&["run", "--", "true"]).expect(0);
    let receipts = site.receipts();
    let server = of_kind(&receipts, "task_started")[0];
    let closer = receipts.iter().find(|one| one.kind() == "task_unknown").unwrap();
    assert_eq!(closer.reference("intent"), Some(server.id()));
    site.assert_sound();
}

#[test]
fn a_server_does_not_outlive_what_admitted_it() {
    let site = Site::new();
    let mut client = Bare::start(&site, "hangs", &[]);
    client.call(1);
    let deadline = Instant::now() + PATIENCE;
    while asked(&site, &site.receipts(), "t").is_empty() {
        assert!(Instant::now() < deadline);
    }
    // It waits until everything has ended, and says so.
    site.run(&["halt", "--reason", "stop"]).expect(0);
    let said = client.hear();
    assert_eq!((&said["id"], said.get("result")), (&json!(1), None), "{said}");
    client.end().expect(3);
    let receipts = site.receipts();
    let closed = |intent: &str| receipts.iter().find(|one| one.reference("intent") == Some(intent)).unwrap();
    let server = closed(of_kind(&receipts, "task_started")[0].id());
    assert_eq!((server.kind(), server.reasons()), ("task_revoked", vec!["revoked.halted"]));
    assert_eq!(closed(asked(&site, &receipts, "t")[0].id()).kind(), "task_unknown");
    site.run(&["resume", "--reason", "go"]).expect(0);
    site.assert_sound();
}

#[test]
fn nobody_is_waited_for_who_does_not_read() {
    let site = Site::new();
    let mut client = Bare::start(&site, "chatters", &[]);
    client.call(1);
    let deadline = Instant::now() + PATIENCE;
    while !site.work("said").exists() {
        assert!(Instant::now() < deadline);
    }
    // It waits until everything has ended, and says so.
    site.run(&["halt", "--reason", "stop"]).expect(0);
    assert_eq!(client.child.wait().unwrap().code(), Some(3));
    site.run(&["resume", "--reason", "go"]).expect(0);
    site.assert_sound();
}

#[test]
fn a_server_that_forgets_to_say_its_tools_is_asked_again() {
    let site = Site::new();
    let mut client = Bare::start(&site, "forgets", &["--timeout", "1s"]);
    client.call(1);
    // That it asks whether somebody is there is told to nobody.
    assert_eq!(client.hear()["error"]["message"], "the server did not answer in time");
    client.call(2);
    // This way says nothing to calls: what matters is that the second one got there.
    assert_eq!(client.hear()["error"]["message"], "the server did not answer in time");
    client.end().expect(0);
    let receipts = site.receipts();
    assert_eq!(["tools/list", "t"].map(|name| asked(&site, &receipts, name).len()), [2, 1]);
    site.assert_sound();
}
