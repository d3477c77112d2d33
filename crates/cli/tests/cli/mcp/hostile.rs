//! Servers that lie, flood, hang, die, or do not listen: what each can do is bounded, and nothing stays open.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::{fixture, of_kind, python};
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
        let mut command = site.cascade(&words);
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
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
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
    assert_eq!(of_kind(&receipts, "task_completed").len(), 4);
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
        let answer = client.hear();
        assert_eq!(answer["id"], 1);
        assert_eq!(answer.get("error").is_some(), way != "deaf", "{way} {answer}");
        let done = client.end().expect(code);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        assert!(began.elapsed() < PATIENCE);
        site.wait_until_quiet();
        let receipts = site.receipts();
        let call = of_kind(&receipts, "task_started")[1];
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
    let mut client = Bare::start(&site, "asks", &[]);
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
    client.end().expect(0);
    site.assert_sound();
}

#[test]
fn a_gateway_that_is_killed_takes_its_server_with_it_and_the_call_is_closed_as_unknown() {
    let site = Site::new();
    let mut client = Bare::start(&site, "hangs", &[]);
    client.call(1);
    let deadline = Instant::now() + PATIENCE;
    while of_kind(&site.receipts(), "task_started").len() < 2 {
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
