//! Witnesses on loopback: what they cosign, what they refuse, and what a chain does about it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::site::{Done, Site, finish};
use crate::verifiers;

/// A running `cascade witness`.
pub(crate) struct Witness {
    child: Child,
    pub(crate) policy_line: String,
    url: String,
}

impl Witness {
    pub(crate) fn start(site: &Site, name: &str, listen: &str) -> Self {
        let log = site.run(&["key", "export", "--log"]).expect(0).stdout;
        let dir = site.path(name);
        let mut command = site.cascade(&["--json", "witness", dir.to_str().unwrap()]);
        command.args(["--name", &format!("{name}.example"), "--log", log.trim(), "--listen", listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://{}", told["address"].as_str().unwrap());
        Self { child, policy_line: told["policy_line"].as_str().unwrap().to_owned(), url }
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn policy(site: &Site, name: &str, lines: &[&str], quorum: &str) -> PathBuf {
    let path = site.path(name);
    std::fs::write(&path, format!("{}\n{quorum}\n", lines.join("\n"))).unwrap();
    path
}

pub(crate) fn anchor(site: &Site, policy: &Path) -> Done {
    site.run(&["--json", "anchor", "--witnesses", policy.to_str().unwrap()])
}

/// Both verifiers on an export, with this trust; they must agree.
fn verify(site: &Site, trust: &Path) -> Value {
    let (ledger, _) = site.hand_over();
    let mut ours = site.program(verifiers::binary());
    ours.arg(&ledger).args(["--json", "--no-memory", "--trust"]).arg(trust);
    let mut theirs = verifiers::python_command();
    theirs.arg(&ledger).args(["--json", "--trust"]).arg(trust);
    let (ours, theirs) = (finish(ours, b""), finish(theirs, b""));
    assert_eq!(ours.status.code(), theirs.status.code());
    assert_eq!(ours.json()["anchored_through"], theirs.json()["anchored_through"]);
    ours.json()
}

fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

#[test]
fn what_witnesses_cosigned_is_anchored() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let mut a = Witness::start(&site, "a", "127.0.0.1:0");
    let b = Witness::start(&site, "b", "127.0.0.1:0");
    let both =
        policy(&site, "both", &[&a.policy_line, &b.policy_line], "group g all a.example b.example\nquorum g");
    let one =
        policy(&site, "one", &[&a.policy_line, &b.policy_line], "group g any a.example b.example\nquorum g");

    let round = anchor(&site, &both).expect(0).json();
    assert_eq!(round["size"], 3);
    let receipt = site.last();
    assert_eq!(receipt.kind(), "anchor");
    assert_eq!(round["receipt_id"], receipt.0["receipt_id"]);
    site.run(&["run", "--", "true"]).expect(0);
    let verdict = verify(&site, &both);
    assert_eq!((&verdict["valid"], &verdict["anchored_through"]), (&Value::Bool(true), &Value::from(2)));
    anchor(&site, &both).expect(0);
    assert_eq!(verify(&site, &both)["anchored_through"], 5);

    // An idle chain anchors, too: the anchor before is something new.
    anchor(&site, &both).expect(0);
    // One of them is gone: the quorum of both is not met, that of one is.
    let address = a.address().to_owned();
    a.kill();
    let failed = anchor(&site, &both).expect(1);
    assert!(failed.stderr.contains("quorum"), "{}", failed.stderr);
    anchor(&site, &one).expect(0);
    // It comes back, remembers, and catches up.
    let _a = Witness::start(&site, "a", &address);
    anchor(&site, &both).expect(0);
    site.assert_sound();
    // Nobody's witnesses: nothing is anchored, and that is a fault for who asked.
    let stranger = Witness::start(&site, "s", "127.0.0.1:0");
    let strangers = policy(&site, "strangers", &[&stranger.policy_line], "quorum s.example");
    assert_eq!(verify(&site, &strangers)["valid"], false);
}

#[test]
fn a_rolled_back_chain_is_stopped_by_its_witness() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let w = Witness::start(&site, "w", "127.0.0.1:0");
    let trust = policy(&site, "trust", &[&w.policy_line], "quorum w.example");
    anchor(&site, &trust).expect(0);
    let backup = site.path("backup");
    copy(&site.home(), &backup);
    site.run(&["run", "--", "touch", "evidence"]).expect(0);
    anchor(&site, &trust).expect(0);
    let newest = site.path("newest");
    copy(&site.home(), &newest);

    // The guard is lost together with the home, so that only the witness knows.
    std::fs::remove_dir_all(site.home()).unwrap();
    copy(&backup, &site.home());
    std::fs::remove_dir_all(site.path("user/.local/state/cascade/guard")).unwrap();
    let stopped = anchor(&site, &trust).expect(4);
    assert!(stopped.stderr.contains("has cosigned"), "{}", stopped.stderr);
    let refused = site.run(&["run", "--", "touch", "more"]).expect(1);
    assert!(refused.stderr.contains("was stopped"), "{}", refused.stderr);
    assert!(!site.work("more").exists());

    std::fs::remove_dir_all(site.home()).unwrap();
    copy(&newest, &site.home());
    site.run(&["checkpoint", "--new-guard"]).expect(0);
    anchor(&site, &trust).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    site.assert_sound();
}

/// The keys' own holder writes another history: the witness does not cosign it, and keeps the proof.
#[test]
fn a_second_history_convicts_its_log() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let w = Witness::start(&site, "w", "127.0.0.1:0");
    let trust = policy(&site, "trust", &[&w.policy_line], "quorum w.example");
    let young = site.path("young");
    copy(&site.home(), &young);
    site.run(&["run", "--", "touch", "evidence"]).expect(0);
    anchor(&site, &trust).expect(0);

    std::fs::remove_dir_all(site.home()).unwrap();
    copy(&young, &site.home());
    std::fs::remove_dir_all(site.path("user/.local/state/cascade/guard")).unwrap();
    site.run(&["run", "--", "true"]).expect(0);
    let refused = anchor(&site, &trust).expect(4);
    assert!(refused.stderr.contains("another history"), "{}", refused.stderr);
    site.run(&["run", "--", "true"]).expect(1);
    drop(w);
    let dir = site.path("w");
    let kept = site.run(&["--json", "witness", dir.to_str().unwrap(), "--evidence"]).expect(0);
    let kept: Value = serde_json::from_str(kept.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(kept["kind"], "fork");
    let (known, other) = (kept["known"].as_str().unwrap(), kept["other"].as_str().unwrap());
    let lines = |note: &str| note.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(known)[..2], lines(other)[..2], "one log, one size");
    assert_ne!(lines(known)[2], lines(other)[2], "two roots");
    assert!(kept["statement"].as_str().unwrap().starts_with("cascade/evidence/v1\nfork\n"));
}

/// A listener that plays a witness out of its mind.
fn madman(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut request = [0; 65_536];
                drop(stream.read(&mut request));
                drop(stream.write_all(&answer));
                if answer.is_empty() {
                    // Says nothing, and does not hang up either.
                    drop(stream.read(&mut request));
                    drop(stream.read_to_end(&mut Vec::new()));
                }
            });
        }
    });
    url
}

#[test]
fn a_mad_witness_is_named_and_harms_nobody() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let mut w = Witness::start(&site, "w", "127.0.0.1:0");
    let url = w.url.clone();
    w.kill();
    let http = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    };
    let plain = "text/plain";
    let other_line = format!("\u{2014} w.example {}\n", "A".repeat(100));
    for (answer, words) in [
        (b"\x00\xff garbage \r\n\r\n".to_vec(), "no answer"),
        (http("200 OK", plain, "hello"), "not signature lines"),
        (http("200 OK", plain, &other_line), "no line by its key"),
        (http("200 OK", plain, &"x".repeat(200_000)), "no answer"),
        (http("409 Conflict", plain, "5\n"), "refused (409)"),
        (http("409 Conflict", "text/x.tlog.size", "many\n"), "a size that is none"),
        (http("302 Found", plain, "elsewhere"), "refused (302)"),
        (http("500 Oops", plain, "\u{1b}[31mred"), "refused (500)"),
        (Vec::new(), "no answer"),
    ] {
        let line = w.policy_line.replace(&url, &madman(answer));
        let trust = policy(&site, "trust", &[&line], "quorum w.example");
        let done = anchor(&site, &trust).expect(1);
        assert!(done.stdout.contains(words), "{words}: {}", done.stdout);
    }
    // It claims to know a longer history than there is: the chain stops, and goes on when the claim is gone.
    let line = w.policy_line.replace(&url, &madman(http("409 Conflict", "text/x.tlog.size", "4000\n")));
    let trust = policy(&site, "trust", &[&line], "quorum w.example");
    anchor(&site, &trust).expect(4);
    site.run(&["run", "--", "true"]).expect(1);
    // Silence takes nothing back, and neither does nonsense.
    for answer in [Vec::new(), http("500 Oops", plain, "")] {
        let line = w.policy_line.replace(&url, &madman(answer));
        let silent = policy(&site, "silent", &[&line], "quorum w.example");
        let stopped = anchor(&site, &silent).expect(1);
        assert!(stopped.stderr.contains("was stopped on the word of"), "{}", stopped.stderr);
        site.run(&["run", "--", "true"]).expect(1);
    }
    let w = Witness::start(&site, "w", w.address());
    let trust = policy(&site, "trust", &[&w.policy_line], "quorum w.example");
    anchor(&site, &trust).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    site.assert_sound();
}
