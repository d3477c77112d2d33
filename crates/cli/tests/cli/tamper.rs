//! What somebody can do to an exported chain, and that it is seen: by both verifiers, with the same
//! check and the same place.

use std::path::Path;
use std::sync::OnceLock;

use cascade_receipt::chain::{self, LINE_BYTES_MAX};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::json;
use cascade_receipt::pem;
use cascade_receipt::verify::Options;

use crate::site::{Site, finish, script};
use crate::verifiers::{self, Verdict};

/// A chain with a run, a run with heartbeats, a denial, a dry run, and an approved run; and another
/// chain of the same shape.
struct Evidence {
    site: Site,
    ledger: Vec<u8>,
    other: Site,
}

impl Evidence {
    fn shared() -> &'static Self {
        static EVIDENCE: OnceLock<Evidence> = OnceLock::new();
        EVIDENCE.get_or_init(|| {
            let (site, ledger) = history();
            let (other, _) = history();
            Self { site, ledger, other }
        })
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.ledger.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// The place of the first receipt of a kind.
    fn seq(&self, kind: &str) -> usize {
        let words = format!("\"kind\":\"{kind}\"");
        self.lines().iter().position(|line| String::from_utf8_lossy(line).contains(&words)).unwrap()
    }

    fn key(&self) -> std::path::PathBuf {
        self.site.path("key.pem")
    }

    fn master(&self) -> std::path::PathBuf {
        self.site.path("home-recovery/default/hmac-master.hex")
    }
}

fn history() -> (Site, Vec<u8>) {
    let site = Site::new();
    script(&site.work("deploy.sh"), "#!/bin/sh\necho deployed\n");
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["run", "--", "sh", "-c", "echo early; sleep 0.2; echo late; exit 7"]).expect(7);
    site.run(&["run", "--", "git", "push", "--force"]).expect(3);
    site.run(&["run", "--dry-run", "--", "terraform", "apply"]).expect(0);
    let asked = site.run(&["--json", "--as", "agent", "run", "--", "./deploy.sh"]).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    site.run(&["--as", "agent", "run", "--approval", id]).expect(0);
    let (ledger, _) = site.hand_over();
    let bytes = std::fs::read(ledger).unwrap();
    (site, bytes)
}

/// What somebody does to the lines; the first is genesis.
type Edit = fn(&Evidence, &mut Vec<Vec<u8>>);

/// Replaces the first `from` in a line that must have it.
fn swap(line: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(line)).unwrap();
    assert!(text.contains(from), "no `{from}` in {text}");
    *line = text.replacen(from, to, 1).into_bytes();
}

/// Changes one character `at` bytes behind `mark`, into another of the same alphabet.
fn nudge(line: &mut [u8], mark: &str, at: usize) {
    let start = line.windows(mark.len()).rposition(|window| window == mark.as_bytes()).unwrap();
    let byte = &mut line[start + mark.len() + at];
    *byte = if *byte == b'0' { b'1' } else { b'0' };
}

/// Computes `entry_hash` again, as somebody without the private key can.
fn rehash(line: &mut Vec<u8>) {
    let value = json::parse(line.trim_ascii_end()).unwrap();
    let member = |key| value.member(key).unwrap();
    let previous = Digest::from_hex(member("prev_hash").as_str().unwrap()).unwrap();
    let hash = chain::entry_hash(&previous, member("content").to_canonical().as_bytes());
    let old = member("entry_hash").as_str().unwrap().to_owned();
    // The last occurrence is the receipt's own; those in refs name earlier receipts.
    swap(
        line,
        &format!("\"entry_hash\":\"{old}\""),
        &format!("\"entry_hash\":\"{}\"", digest::to_hex(&hash.0)),
    );
}

/// Line 4 closes the second run, line 5 is the denial; see [`history`].
const EDITS: &[(&str, &str, u64, Edit)] = &[
    // One byte, in every kind of place.
    ("outer id", "copies.receipt_id", 2, |_, lines| nudge(&mut lines[2], "\"receipt_id\":\"r_", 3)),
    ("outer time", "copies.timestamp", 2, |_, lines| nudge(&mut lines[2], "\"timestamp\":\"", 22)),
    ("previous hash", "chain.prev_hash", 2, |_, lines| nudge(&mut lines[2], "\"prev_hash\":\"", 9)),
    ("entry hash", "chain.entry_hash", 2, |_, lines| nudge(&mut lines[2], "\"entry_hash\":\"", 63)),
    ("signature", "signature.bad", 2, |_, lines| nudge(&mut lines[2], "\"ed25519_sig\":\"", 40)),
    ("signature's padding", "syntax.member", 2, |_, lines| {
        swap(&mut lines[2], "==\",\"entry", "=\",\"entry");
    }),
    ("genesis", "chain.entry_hash", 0, |_, lines| swap(&mut lines[0], "\"default\"", "\"defaulu\"")),
    ("hash in content", "chain.entry_hash", 1, |_, lines| nudge(&mut lines[1], "\"action_hash\":\"", 5)),
    ("verdict", "chain.entry_hash", 1, |_, lines| swap(&mut lines[1], "\"admit\"", "\"deny\"")),
    ("inner id", "copies.receipt_id", 1, |_, lines| nudge_first(&mut lines[1], "\"receipt_id\":\"r_")),
    ("exit code", "chain.entry_hash", 2, |_, lines| {
        swap(&mut lines[2], "\"exit_code\":0", "\"exit_code\":1");
    }),
    ("key of a member", "syntax.member", 2, |_, lines| swap(&mut lines[2], "\"kind\"", "\"kine\"")),
    ("sequence number", "chain.seq", 2, |_, lines| swap(&mut lines[2], "\"seq\":2", "\"seq\":3")),
    ("quote", "syntax.malformed", 2, |_, lines| swap(&mut lines[2], "\"kind\"", "'kind\"")),
    ("brace", "syntax.malformed", 2, |_, lines| swap(&mut lines[2], "{", "[")),
    ("colon", "syntax.malformed", 2, |_, lines| swap(&mut lines[2], "\"kind\":", "\"kind\";")),
    ("line feed", "syntax.malformed", 2, |_, lines| {
        lines[2].pop();
    }),
    ("upper case hex", "syntax.member", 2, |_, lines| {
        let text = String::from_utf8(lines[2].clone()).unwrap();
        let (head, tail) = text.split_once("\"prev_hash\":\"").unwrap();
        lines[2] = format!("{head}\"prev_hash\":\"{}{}", tail[..64].to_uppercase(), &tail[64..]).into_bytes();
    }),
    ("not text", "syntax.unicode", 2, |_, lines| {
        let at = lines[2].windows(14).position(|window| window == b"task_completed").unwrap();
        lines[2][at] = 0xff;
    }),
    ("space", "syntax.not_canonical", 2, |_, lines| swap(&mut lines[2], ":", ": ")),
    ("carriage return", "syntax.not_canonical", 2, |_, lines| swap(&mut lines[2], "}\n", "}\r\n")),
    // Numbers, keys and values that readers take differently.
    ("float", "syntax.float", 2, |_, lines| swap(&mut lines[2], "\"exit_code\":0", "\"exit_code\":0.0")),
    ("exponent", "syntax.float", 2, |_, lines| swap(&mut lines[2], "\"seq\":2", "\"seq\":2e0")),
    ("huge integer", "syntax.int_range", 2, |_, lines| {
        swap(&mut lines[2], "\"seq\":2", "\"seq\":9007199254740992");
    }),
    ("null", "syntax.null", 2, |_, lines| swap(&mut lines[2], "\"exit_code\":0", "\"exit_code\":null")),
    ("duplicate key", "syntax.duplicate_key", 2, |_, lines| {
        swap(&mut lines[2], "\"exit_code\":0", "\"exit_code\":1,\"exit_code\":0");
    }),
    ("duplicate outer key", "syntax.duplicate_key", 2, |_, lines| {
        swap(&mut lines[2], "{\"content\":{", "{\"content\":{},\"content\":{");
    }),
    ("extra member", "syntax.unknown_member", 2, |_, lines| swap(&mut lines[2], "}\n", ",\"z\":1}\n")),
    ("byte order mark", "syntax.malformed", 0, |_, lines| {
        lines[0].splice(0..0, *b"\xef\xbb\xbf").for_each(drop);
    }),
    ("blank line", "syntax.malformed", 2, |_, lines| lines.insert(2, b"\n".to_vec())),
    ("endless line", "syntax.line_length", 2, |_, lines| lines.insert(2, vec![b' '; LINE_BYTES_MAX + 2])),
    // Whole receipts.
    ("insert a copy", "chain.seq", 3, |_, lines| lines.insert(3, lines[2].clone())),
    ("delete", "chain.seq", 5, |_, lines| drop(lines.remove(5))),
    ("delete genesis", "chain.seq", 0, |_, lines| drop(lines.remove(0))),
    ("swap two", "chain.seq", 3, |_, lines| lines.swap(3, 4)),
    ("reverse", "chain.seq", 0, |_, lines| lines.reverse()),
    ("graft from another chain", "chain.prev_hash", 2, |evidence, lines| {
        let theirs = std::fs::read(evidence.other.path("ledger.receipts.jsonl")).unwrap();
        lines[2] = theirs.split_inclusive(|byte| *byte == b'\n').nth(2).unwrap().to_vec();
    }),
    ("another chain", "signature.pinned_key", 0, |evidence, lines| {
        *lines = vec![std::fs::read(evidence.other.path("ledger.receipts.jsonl")).unwrap()];
    }),
    ("hashes made anew, not signed", "signature.bad", 2, |_, lines| {
        swap(&mut lines[2], "\"exit_code\":0", "\"exit_code\":1");
        rehash(&mut lines[2]);
    }),
    // Files that end too early, or are none.
    ("last line feed cut", "syntax.torn", u64::MAX, |_, lines| {
        lines.last_mut().unwrap().pop();
    }),
    ("torn in the middle of a line", "syntax.torn", u64::MAX, |_, lines| {
        lines.last_mut().unwrap().truncate(100);
    }),
    ("empty", "syntax.empty", 0, |_, lines| lines.clear()),
    ("a program", "syntax.unicode", 0, |_, lines| *lines = vec![std::fs::read("/bin/sh").unwrap()]),
    ("a text", "syntax.malformed", 0, |_, lines| *lines = vec![b"Dear auditor,\n".to_vec()]),
    ("other JSON", "syntax.member", 0, |_, lines| *lines = vec![b"{}\n".to_vec()]),
];

fn nudge_first(line: &mut [u8], mark: &str) {
    let start = line.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap();
    let byte = &mut line[start + mark.len()];
    *byte = if *byte == b'0' { b'1' } else { b'0' };
}

#[test]
fn every_edit_is_found_in_its_place() {
    let evidence = Evidence::shared();
    let dir = tempfile::tempdir().unwrap();
    let last = evidence.lines().len() as u64 - 1;
    let untouched =
        verifiers::agreed(&evidence.site.path("ledger.receipts.jsonl"), Some(&evidence.key()), None);
    assert_eq!(untouched, Verdict { fault: None, receipts: last + 1, open: 0 });
    let edited = EDITS.iter().enumerate().map(|(number, (.., edit))| {
        let mut lines = evidence.lines();
        edit(evidence, &mut lines);
        let path = dir.path().join(format!("{number}.receipts.jsonl"));
        std::fs::write(&path, lines.concat()).unwrap();
        path
    });
    let verdicts = verifiers::all_agreed(&edited.collect::<Vec<_>>(), Some(&evidence.key()), None);
    for ((name, code, seq, _), verdict) in EDITS.iter().zip(verdicts) {
        let seq = if *seq == u64::MAX { last } else { *seq };
        assert_eq!(verdict.fault, Some(((*code).to_owned(), seq)), "{name}");
        assert_eq!(verdict.receipts, seq, "{name}");
    }
}

#[test]
fn the_internal_tag_is_for_those_who_hold_the_key() {
    let evidence = Evidence::shared();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edited.receipts.jsonl");
    let mut lines = evidence.lines();
    nudge(&mut lines[3], "\"hmac\":\"", 7);
    std::fs::write(&path, lines.concat()).unwrap();
    let verdict = verifiers::agreed(&path, Some(&evidence.key()), Some(&evidence.master()));
    assert_eq!(verdict.fault, Some(("hmac.tag".to_owned(), 3)));
}

#[test]
fn another_public_key_is_not_this_chains() {
    let evidence = Evidence::shared();
    let theirs = evidence.other.path("key.pem");
    let verdict = verifiers::agreed(&evidence.site.path("ledger.receipts.jsonl"), Some(&theirs), None);
    assert_eq!(verdict.fault, Some(("signature.pinned_key".to_owned(), 0)));
}

/// With both keys there is no byte of a receipt that can be changed unseen.
#[test]
fn no_byte_can_change() {
    let evidence = Evidence::shared();
    let lines = evidence.lines();
    let pinned = pem::read(&std::fs::read_to_string(evidence.key()).unwrap()).unwrap();
    let master = std::fs::read_to_string(evidence.master()).unwrap();
    let options = || Options {
        pinned: Some(pinned),
        hmac_master: Some(digest::from_hex(master.trim_end()).unwrap()),
        ..Options::default()
    };
    let target = evidence.seq("task_completed");
    let before: usize = lines[..target].iter().map(Vec::len).sum();
    for at in 0..lines[target].len() {
        for mask in [0x01, 0x80] {
            let mut bytes = evidence.ledger.clone();
            bytes[before + at] ^= mask;
            let verdict = cascade_verify::verify(&mut bytes.as_slice(), options(), |_| {}).unwrap();
            let fault = verdict.fault().map(|fault| fault.seq);
            assert_eq!(
                fault,
                Some(target as u64),
                "byte {at} of {} ^ {mask}",
                String::from_utf8_lossy(&lines[target])
            );
        }
    }
}

/// Until a checkpoint is held by somebody else, a cleanly cut tail is valid; the verdict must say so.
#[test]
fn a_cut_tail_is_named() {
    let evidence = Evidence::shared();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.receipts.jsonl");
    let lines = evidence.lines();
    for keep in 1..lines.len() {
        std::fs::write(&path, lines[..keep].concat()).unwrap();
        let done = verifiers::rust(&path, Some(&evidence.key()), None).expect(0);
        let named = verifiers::not_proven(&done);
        let tail = format!("tail: the tail after receipt {}", keep - 1);
        assert!(named.iter().any(|line| line.starts_with(&tail)), "{named:?}");
    }
    // Cut between intent and outcome: the intent is stated to be open.
    std::fs::write(&path, lines[..2].concat()).unwrap();
    let verdict = verifiers::agreed(&path, Some(&evidence.key()), None);
    assert_eq!(verdict, Verdict { fault: None, receipts: 2, open: 1 });
    let python = verifiers::not_proven(&verifiers::python(&path, Some(&evidence.key()), None));
    assert!(python.iter().any(|line| line.contains("cut from the end")), "{python:?}");
}

/// Not being able to look is not the same as bad evidence.
#[test]
fn what_cannot_be_read_is_no_verdict() {
    let evidence = Evidence::shared();
    let (key, master) = (evidence.key(), evidence.master());
    let ledger = evidence.site.path("ledger.receipts.jsonl");
    let missing = evidence.site.path("missing");
    let folder = evidence.site.path("user");
    let cases: &[(&Path, &Path, &Path)] = &[
        (&missing, &key, &master),
        (&folder, &key, &master),
        (&ledger, &missing, &master),
        (&ledger, &ledger, &master),
        (&ledger, &master, &master),
        (&ledger, &key, &missing),
        (&ledger, &key, &ledger),
    ];
    for (ledger, key, master) in cases {
        for done in [
            verifiers::rust(ledger, Some(key), Some(master)),
            verifiers::python(ledger, Some(key), Some(master)),
        ] {
            let done = done.expect(1);
            assert_eq!(done.stdout, "");
            assert!(!done.stderr.is_empty());
        }
        let words = [ledger, key, master].map(|path| path.to_str().unwrap().to_owned());
        let args = ["verify", &words[0], "--public-key", &words[1], "--hmac-key", &words[2]];
        evidence.site.run(&args).expect(1);
    }
    finish(evidence.site.cascade(&["verify", "-"]), &evidence.ledger).expect(0);
}

/// What lies on the owner's disk is judged like an export, byte for byte.
#[test]
fn damage_on_the_disk_is_bad_evidence() {
    let site = Site::new();
    for _ in 0..2 {
        site.run(&["run", "--", "true"]).expect(0);
    }
    let database = site.home().join("tenants/default/ledger.db");
    let script = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
(seq, stored), = database.execute('SELECT first_seq, bytes FROM segments WHERE first_seq = 2')
at = stored.index(b'policy_version') + 17
database.execute('UPDATE segments SET bytes = ? WHERE first_seq = 2',
                 (stored[:at] + bytes.fromhex(sys.argv[2]) + stored[at + 1:],))
database.commit()";
    for (byte, code) in [("ff", "syntax.unicode"), ("58", "chain.entry_hash"), ("0a", "syntax.malformed")] {
        let mut patch = std::process::Command::new(verifiers::interpreter());
        patch.args(["-c", script]).arg(&database).arg(byte);
        finish(patch, b"").expect(0);
        let verdict = site.run(&["verify", "--json"]).expect(4).json();
        let failed = verdict["checks"].as_array().unwrap().iter().find(|check| check["outcome"] == "fail");
        let failed = failed.unwrap();
        assert_eq!((failed["code"].as_str(), failed["seq"].as_u64()), (Some(code), Some(2)));
        site.run(&["fsck"]).expect(4);
    }
}
