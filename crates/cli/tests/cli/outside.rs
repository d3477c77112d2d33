//! Software that was not written here looks at what Cascade wrote: OpenSSL at every kind of
//! signature, SQLite at the files, a Python library of C2SP logs at checkpoints and proofs, and a
//! witness by the same people at what is said over the wire.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64ct::{Base64, Encoding as _};
use cascade_receipt::digest::Digest;
use cascade_receipt::merkle::Tree;
use serde_json::{Value, json};

use crate::site::{CASCADE, Site, finish};
use crate::verifiers;
use crate::witness::{Witness, anchor, policy};

/// The interpreter whose pip filled the folder below, as `xtask` chose it.
const PYTHONS: &[&str] = &["/usr/bin/python3", "python3"];

/// Where `cargo xtask test` installs what `outside.txt` beside this file lists.
fn library() -> PathBuf {
    let target = Path::new(CASCADE).parent().unwrap().parent().unwrap();
    let library = target.join("outside");
    assert!(library.join("aics_tlog").is_dir(), "`cargo xtask tools` installs what this test looks with");
    library
}

/// Python with that library and nothing else of the caller's.
pub(crate) fn python(site: &Site) -> Command {
    let library = library();
    let able = |python: &&str| {
        let mut command = site.program(python);
        command.env("PYTHONPATH", &library).args(["-c", "import aics_tlog, aics_witness, prov"]);
        command.output().is_ok_and(|output| output.status.success())
    };
    let mut command = site.program(PYTHONS.iter().copied().find(able).expect("a python3 that imports it"));
    command.env("PYTHONPATH", &library);
    command
}

/// Name and raw key of a vkey, whose type byte must be this one.
fn raw_key(vkey: &str, kind: u8) -> (&str, [u8; 32]) {
    let mut parts = vkey.splitn(3, '+');
    let (name, _) = (parts.next().unwrap(), parts.next().unwrap());
    let bytes = Base64::decode_vec(parts.next().unwrap()).unwrap();
    assert_eq!(bytes[0], kind);
    (name, bytes[1..].try_into().unwrap())
}

/// SubjectPublicKeyInfo of RFC 8410, spelled by hand: our own writer is not to be its own witness.
fn pem(site: &Site, name: &str, raw: [u8; 32]) -> PathBuf {
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let text = Base64::encode_string(&[&head[..], &raw].concat());
    let path = site.path(name);
    std::fs::write(&path, format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")).unwrap();
    path
}

/// What OpenSSL says of an Ed25519 signature, and that it says no once the message is another.
fn openssl(site: &Site, key: &Path, message: &[u8], signature: &[u8]) {
    let (text, sig) = (site.path("message"), site.path("signature"));
    std::fs::write(&sig, signature).unwrap();
    let verify = |message: &[u8]| {
        std::fs::write(&text, message).unwrap();
        let mut command = site.program("openssl");
        command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(key);
        command.arg("-in").arg(&text).arg("-sigfile").arg(&sig);
        finish(command, b"").status.success()
    };
    assert!(verify(message), "openssl refuses what {} signed", key.display());
    let mut other = message.to_vec();
    other[0] ^= 1;
    assert!(!verify(&other));
}

/// The signature lines of a note by name, without the key's id, and the text they are over.
fn note(note: &str) -> (String, Vec<(String, Vec<u8>)>) {
    let (text, lines) = note.split_once("\n\n").unwrap();
    let line = |line: &str| {
        let (name, blob) = line.strip_prefix("\u{2014} ").unwrap().split_once(' ').unwrap();
        (name.to_owned(), Base64::decode_vec(blob).unwrap()[4..].to_vec())
    };
    (format!("{text}\n"), lines.lines().map(line).collect())
}

/// The checkpoint, cosignatures included, that the newest receipt keeps.
fn anchored(site: &Site) -> String {
    let receipt = site.last();
    assert_eq!(receipt.kind(), "anchor");
    receipt.0["content"]["checkpoint"].as_str().unwrap().to_owned()
}

#[test]
fn openssl_accepts_every_signature() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let witness = Witness::start(&site, "w", "127.0.0.1:0");
    let trust = policy(&site, "trust", &[&witness.policy_line], "quorum w.example");
    anchor(&site, &trust).expect(0);
    let (ledger, key) = site.hand_over();
    let ledger = std::fs::read_to_string(ledger).unwrap();
    let mut head = "88a8fbac09ad1ec58dc06c0cbccff9a2a787d5bc9a0ff6958b01d3e6cf06280c".to_owned();
    for line in ledger.lines() {
        let receipt: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| receipt[name].as_str().unwrap();
        let content = line.strip_prefix("{\"content\":").unwrap();
        let content = content.split(",\"ed25519_sig\":").next().unwrap();
        assert_eq!(text("prev_hash"), head);
        let mut digest = site.program("openssl");
        digest.args(["dgst", "-sha256", "-binary"]);
        let hash = finish(digest, format!("{head}|{content}").as_bytes()).expect(0).bytes;
        head = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text("entry_hash"), head);
        openssl(&site, &key, &hash, &Base64::decode_vec(text("ed25519_sig")).unwrap());
    }
    let log = site.run(&["key", "export", "--log"]).expect(0).stdout;
    let (log_name, log_key) = raw_key(log.trim(), 1);
    let vkey = witness.policy_line.split(' ').nth(2).unwrap();
    let (witness_name, witness_key) = raw_key(vkey, 4);
    let (text, lines) = note(&anchored(&site));
    assert_eq!(lines.len(), 2);
    for (name, blob) in lines {
        if name == log_name {
            openssl(&site, &pem(&site, "log.pem", log_key), text.as_bytes(), &blob);
        } else {
            assert_eq!(name, witness_name);
            let (time, signature) = blob.split_at(8);
            let time = u64::from_be_bytes(time.try_into().unwrap());
            let message = format!("cosignature/v1\ntime {time}\n{text}");
            openssl(&site, &pem(&site, "witness.pem", witness_key), message.as_bytes(), signature);
        }
    }
}

#[test]
fn sqlite_finds_the_files_intact() {
    const LOOK: &str = "
import json, sqlite3, sys
answers = []
for path in sys.argv[1:]:
    with sqlite3.connect('file:' + path + '?mode=ro', uri=True) as database:
        ask = lambda sql: [list(row) for row in database.execute(sql)]
        answers.append([ask('PRAGMA integrity_check'), ask('PRAGMA foreign_key_check')])
print(json.dumps(answers))
";
    let site = Site::new();
    for _ in 0..3 {
        site.run(&["run", "--", "echo", "kept"]).expect(0);
    }
    let tenant = site.home().join("tenants/default");
    let mut command = site.program(verifiers::interpreter());
    command.args(["-c", LOOK]).args(["ledger.db", "vault.db"].map(|name| tenant.join(name)));
    assert_eq!(finish(command, b"").expect(0).json(), json!([[[["ok"]], []], [[["ok"]], []]]));
}

/// The library reads checkpoints and cosignatures strictly, builds the tree itself from the receipts
/// of the export, and checks the proofs that ours made.
#[test]
fn a_library_of_others_accepts_checkpoints_and_proofs() {
    const LOOK: &str = include_str!("outside.py");
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let witness = Witness::start(&site, "w", "127.0.0.1:0");
    let trust = policy(&site, "trust", &[&witness.policy_line], "quorum w.example");
    let mut notes = Vec::new();
    for _ in 0..3 {
        anchor(&site, &trust).expect(0);
        notes.push(anchored(&site));
        site.run(&["run", "--", "true"]).expect(0);
    }
    let mut tree = Tree::default();
    let mut entries = Vec::new();
    for receipt in site.receipts() {
        let hash = receipt.0["entry_hash"].as_str().unwrap().to_owned();
        tree.push(&Digest::from_hex(&hash).unwrap());
        entries.push(hash);
    }
    let hex = |path: Option<Vec<Digest>>| path.unwrap().iter().map(Digest::to_hex).collect::<Vec<_>>();
    let mut proofs = Vec::new();
    for size in 1..=tree.size() {
        let inclusions: Vec<_> = (0..size).map(|index| hex(tree.inclusion(index, size))).collect();
        let consistencies: Vec<_> = (1..=size).map(|old| hex(tree.consistency(old, size))).collect();
        proofs.push(json!({ "inclusions": inclusions, "consistencies": consistencies }));
    }
    let question = json!({
        "log": site.run(&["key", "export", "--log"]).expect(0).stdout.trim(),
        "witness": witness.policy_line.split(' ').nth(2).unwrap(),
        "notes": notes,
        "entries": entries,
        "proofs": proofs,
    });
    let mut command = python(&site);
    command.args(["-c", LOOK]);
    let answer = finish(command, question.to_string().as_bytes()).expect(0).json();
    let count = entries.len();
    assert_eq!(answer["proofs"], count * (count + 1), "{answer}");
    assert_eq!(answer["checkpoints"], 3);
}

/// A witness that somebody else wrote cosigns our chain, notices the rollback of it, and is
/// understood in both cases.
#[test]
fn a_witness_of_others_cosigns_and_stops_a_rolled_back_chain() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let (theirs, vkey, url) = Theirs::start(&site);
    let trust = policy(&site, "trust", &[&format!("witness {THEIR_NAME} {vkey} {url}")], &quorum());
    anchor(&site, &trust).expect(0);
    let backup = site.path("backup");
    copy(&site.home(), &backup);
    site.run(&["run", "--", "touch", "evidence"]).expect(0);
    anchor(&site, &trust).expect(0);
    let (ledger, _) = site.hand_over();
    let mut verify = site.program(verifiers::binary());
    verify.arg(&ledger).args(["--json", "--no-memory", "--trust"]).arg(&trust);
    let verdict = finish(verify, b"").expect(0).json();
    assert_eq!(verdict["anchored_through"], 5, "{verdict}");

    std::fs::remove_dir_all(site.home()).unwrap();
    copy(&backup, &site.home());
    std::fs::remove_dir_all(site.path("user/.local/state/cascade/guard")).unwrap();
    let stopped = anchor(&site, &trust).expect(4);
    assert!(stopped.stderr.contains("has cosigned"), "{}", stopped.stderr);
    drop(theirs);
}

const THEIR_NAME: &str = "theirs.example/w1";

fn quorum() -> String {
    format!("quorum {THEIR_NAME}")
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// A running `aics-witness`.
struct Theirs(Child);

impl Theirs {
    /// Starts it for this site's log; gives also its vkey and address.
    fn start(site: &Site) -> (Self, String, String) {
        let config = site.path("theirs/witness.json");
        let ask = |words: &[&str]| {
            let mut command = python(site);
            command.args(["-m", "aics_witness"]).args(words).arg("--config").arg(&config);
            command
        };
        let init = ask(&["init", "--name", THEIR_NAME, "--listen", "127.0.0.1:0"]);
        let vkey = finish(init, b"").expect(0).stdout.trim().to_owned();
        let log = site.run(&["key", "export", "--log"]).expect(0).stdout;
        let (origin, _) = raw_key(log.trim(), 1);
        finish(ask(&["add-log", "--origin", origin, "--vkey", log.trim()]), b"").expect(0);
        let mut child = ask(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            rest.split(' ').next().map(str::to_owned)
        });
        // Its log is read to the end, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), vkey, url.expect("an address"))
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
