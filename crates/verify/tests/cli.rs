//! `cascade-verify` as its users meet it.
#![expect(clippy::expect_used, reason = "a panic here is a failed test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cascade_receipt::verify::{Options, Verifier};
use cascade_receipt::{digest, pem};

/// A vector's headers and ledger.
fn vector(name: &str) -> (Vec<(String, String)>, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../vectors/{name}.vector"));
    let bytes = std::fs::read(path).expect("the vector");
    let end = bytes.windows(2).position(|window| window == b"\n\n").expect("an empty line");
    let (head, body) = bytes.split_at(end);
    let headers = String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    (headers, body.strip_prefix(b"\n\n").expect("the empty line").to_vec())
}

fn header(headers: &[(String, String)], name: &str) -> String {
    headers.iter().find(|(key, _)| key == name).expect("the header").1.clone()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

fn run(arguments: &[&Path], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cascade-verify"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A verifier that has seen enough closes its end early.
    drop(child.stdin.take().expect("a pipe").write_all(stdin));
    child.wait_with_output().expect("it ends")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

#[test]
fn a_good_ledger_with_its_key() {
    let place = Place::new();
    let (headers, ledger) = vector("valid-hmac");
    let key = digest::from_hex(&header(&headers, "key")).expect("a key");
    let file = place.file("a.receipts.jsonl", &ledger);
    let key = place.file("key.pem", pem::write(&key));
    let master = place.file("master", format!("{}\n", header(&headers, "hmac")));
    let flags = ["--json", "--public-key", "--hmac-key"].map(Path::new);
    let output = run(&[&file, flags[0], flags[1], &key, flags[2], &master], b"");
    assert_eq!(output.status.code(), Some(0));
    let verdict = json(&output);
    assert_eq!(verdict["valid"], true);
    assert_eq!(verdict["key_pinned"], true);
    assert_eq!(verdict["receipts"], 7);
    assert_eq!(verdict["head"]["seq"], 6);
    assert_eq!(verdict["anchored_through"], serde_json::Value::Null);
    let outcomes: Vec<_> = verdict["checks"].as_array().expect("checks").iter().collect();
    assert_eq!(outcomes.len(), 11);
    assert_eq!(outcomes[0]["check"], "syntax");
    assert_eq!(outcomes[7]["outcome"], "not_asked");
    assert_eq!(outcomes[10]["outcome"], "pass");
}

#[test]
fn bad_evidence_from_a_pipe() {
    let (headers, ledger) = vector("chain-entry_hash");
    let output = run(&["-", "--json"].map(Path::new), &ledger);
    assert_eq!(output.status.code(), Some(4));
    let verdict = json(&output);
    let chain = &verdict["checks"][2];
    assert_eq!(chain["outcome"], "fail");
    assert_eq!(chain["code"], header(&headers, "expect"));
    assert_eq!(chain["seq"].to_string(), header(&headers, "seq"));
    assert_eq!(verdict["checks"][3]["outcome"], "not_reached");
    let output = run(&[Path::new("-")], &ledger);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("INVALID at receipt 1: entry_hash"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour outside a terminal");
}

#[test]
fn what_cannot_be_looked_at_is_no_bad_evidence() {
    let place = Place::new();
    let (_, ledger) = vector("valid-genesis");
    let file = place.file("a.receipts.jsonl", ledger);
    let no_key = place.file("key.pem", "hello");
    let flag = Path::new("--public-key");
    for (arguments, code, words) in [
        (vec![Path::new("/nowhere/at/all")], 1, "cannot open"),
        (vec![place.0.path()], 1, "cannot verify"),
        (vec![&file, flag, Path::new("/nowhere")], 1, "couldn't read"),
        (vec![&file, flag, place.0.path()], 1, "no regular file"),
        (vec![&file, flag, &no_key], 1, "no `BEGIN PUBLIC KEY` block"),
        (vec![&file, Path::new("--trust"), &no_key], 1, "line 1: not a `log`"),
        (vec![&file, Path::new("--checkpoint")], 2, "a value is required"),
        (vec![&file, Path::new("--frobnicate")], 2, "unexpected argument"),
        (vec![], 2, "required"),
    ] {
        let output = run(&arguments, b"");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

/// Batches and threads must not change an answer.
#[test]
fn threads_agree_with_one_pass() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let mut seen = 0;
    for entry in std::fs::read_dir(place).expect("vectors") {
        let path = entry.expect("an entry").path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".vector")) else {
            continue;
        };
        let (_, ledger) = vector(name);
        if cascade_receipt::bundle::begins(&ledger) {
            continue;
        }
        let mut plain = Verifier::new(Options::default());
        plain.feed(&ledger);
        let mut source = ledger.as_slice();
        let threaded = cascade_verify::verify(&mut source, Options::default(), |_| {}).expect("reads");
        assert_eq!(threaded.to_json(), plain.finish().to_json(), "{name}");
        seen += 1;
    }
    assert!(seen > 60);
}
