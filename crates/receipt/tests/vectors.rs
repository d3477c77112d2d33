//! The golden vectors in `vectors/`: every file is run, every code has one, and the checked-in bytes
//! are what the generator makes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the input is checked in; a panic here is a failed test"
)]
#![expect(clippy::disallowed_methods, reason = "only the library is pure; tests read files")]

#[path = "../examples/vectors/anchors.rs"]
mod anchors;
#[path = "../examples/vectors/bundles.rs"]
mod bundles;
#[path = "../examples/vectors/bytes.rs"]
mod bytes;
#[path = "../examples/vectors/case.rs"]
mod case;
#[path = "../examples/vectors/chain.rs"]
mod chain;
#[path = "../examples/vectors/glass.rs"]
mod glass;
#[path = "../examples/vectors/grants.rs"]
mod grants;
#[path = "../examples/vectors/halt.rs"]
mod halt;
#[path = "../examples/vectors/keys.rs"]
mod keys;
#[path = "../examples/vectors/limits.rs"]
mod limits;
#[path = "../examples/vectors/packs.rs"]
mod packs;
#[path = "../examples/vectors/people.rs"]
mod people;
#[path = "../examples/vectors/remembered.rs"]
mod remembered;
#[path = "../examples/vectors/runs.rs"]
mod runs;
#[path = "../examples/vectors/schedules.rs"]
mod schedules;
#[path = "../examples/vectors/secret.rs"]
mod secret;
#[path = "../examples/vectors/ssh.rs"]
mod ssh;
#[path = "../examples/vectors/tenants.rs"]
mod tenants;
#[path = "../examples/vectors/tokens.rs"]
mod tokens;
#[path = "../examples/vectors/tools.rs"]
mod tools;
#[path = "../examples/vectors/valid.rs"]
mod valid;
#[path = "../examples/vectors/workflows.rs"]
mod workflows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cascade_receipt::base64;
use cascade_receipt::bundle;
use cascade_receipt::chain::EPOCH_RECEIPTS_MAX;
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::trust::Trust;
use cascade_receipt::verify::{
    Code, Options, Prepared, REVOCATIONS_MAX, Remembered, Verdict, Verifier, verify_bundle,
};

fn root(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

struct Vector {
    headers: BTreeMap<String, String>,
    checkpoints: Vec<Vec<u8>>,
    ledger: Vec<u8>,
}

fn vectors() -> BTreeMap<String, Vector> {
    let mut vectors = BTreeMap::new();
    for entry in std::fs::read_dir(root("vectors")).expect("vectors/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "vector") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            vectors.insert(name, read(&std::fs::read(&path).expect("readable")));
        }
    }
    vectors
}

fn read(bytes: &[u8]) -> Vector {
    let end = bytes.windows(2).position(|window| window == b"\n\n").expect("an empty line");
    let head = std::str::from_utf8(&bytes[..end]).expect("headers are text");
    let mut headers = BTreeMap::new();
    let mut checkpoints = Vec::new();
    for line in head.lines() {
        let (name, value) = line.split_once(": ").expect("`name: value`");
        if name == "checkpoint" {
            checkpoints.push(base64::decode(value).expect("base64"));
        } else {
            assert!(headers.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
        }
    }
    Vector { headers, checkpoints, ledger: bytes[end + 2..].to_vec() }
}

impl Vector {
    fn options(&self) -> Options {
        let raw = |name: &str| self.headers.get(name).map(|text| digest::from_hex(text).expect("hex"));
        let trust = self.headers.get("trust").map(|text| base64::decode(text).expect("base64"));
        let memory = self.headers.get("memory").map(|text| {
            let (size, root) = text.split_once(' ').expect("two words");
            Remembered { size: size.parse().expect("a size"), root: Digest::from_hex(root).expect("hex") }
        });
        Options {
            pinned: raw("key"),
            checkpoints: self.checkpoints.clone(),
            stamps: Vec::new(),
            trust: trust.map(|policy| Trust::parse(&policy).expect("a policy")),
            memory,
            other_genesis: self.headers.contains_key("other_genesis"),
            hmac_master: raw("hmac"),
        }
    }

    fn verify(&self, chunk: usize) -> Verdict {
        if bundle::begins(&self.ledger) {
            return verify_bundle(&self.ledger, self.options());
        }
        let mut verifier = Verifier::new(self.options());
        self.ledger.chunks(chunk).for_each(|bytes| verifier.feed(bytes));
        verifier.finish()
    }

    /// Lines prepared with the keys known after the first, as several threads do it.
    fn verify_prepared(&self) -> Verdict {
        if bundle::begins(&self.ledger) {
            return verify_bundle(&self.ledger, self.options());
        }
        let mut verifier = Verifier::new(self.options());
        let whole = self.ledger.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = self.ledger[..whole].split_inclusive(|byte| *byte == b'\n');
        for (index, line) in lines.enumerate() {
            let line = &line[..line.len() - 1];
            let keys = verifier.keys();
            match index {
                0 => verifier.line(line),
                _ => verifier.accept(Prepared::new(line, &keys)),
            }
        }
        verifier.feed(&self.ledger[whole..]);
        verifier.finish()
    }
}

fn answer(verdict: &Verdict) -> String {
    match verdict.fault() {
        None => "valid".to_owned(),
        Some(fault) => format!("{} at {}", fault.code.as_str(), fault.seq),
    }
}

#[test]
fn a_long_line_is_told_alike_however_it_is_cut() {
    let line = [vec![b'a'; 70_000], vec![b'\n']].concat();
    let told = |piece: usize| {
        let mut verifier = Verifier::new(Options::default());
        line.chunks(piece).for_each(|piece| verifier.feed(piece));
        verifier.finish().to_json()
    };
    assert_eq!(told(line.len()), told(1000));
}

#[test]
fn every_vector_gives_what_it_says() {
    let vectors = vectors();
    assert!(vectors.len() >= 60, "only {} vectors", vectors.len());
    let mut wrong = Vec::new();
    for (name, vector) in &vectors {
        let expect = &vector.headers["expect"];
        let want = match vector.headers.get("seq") {
            None => expect.clone(),
            Some(seq) => format!("{expect} at {seq}"),
        };
        let verdicts = [vector.verify(usize::MAX), vector.verify(7), vector.verify_prepared()];
        for verdict in &verdicts {
            if answer(verdict) != want {
                wrong.push(format!("{name}: {} instead of {want}", answer(verdict)));
            }
            let anchored = verdict.anchored_through().map(|through| through.to_string());
            if anchored.as_ref() != vector.headers.get("anchored_through") {
                wrong.push(format!("{name}: anchored through {anchored:?}"));
            }
            let open: Vec<String> = verdict.open_chains().map(|open| open.seq.to_string()).collect();
            let listed = vector.headers.get("open_chains").map_or("", String::as_str);
            if verdict.valid() && open.join(" ") != listed {
                wrong.push(format!("{name}: open workflows {open:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_vector() {
    let mut expected: BTreeSet<String> =
        vectors().values().map(|vector| vector.headers["expect"].clone()).collect();
    expected.remove("valid");
    // Ten thousand receipts are too many for a file; the test below builds them.
    expected.insert(Code::EpochFull.as_str().to_owned());
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(expected, codes);
}

#[test]
fn an_epoch_ends_after_ten_thousand_receipts() {
    let mut chain = chain::Chain::founded(&[]);
    while chain.seq() < EPOCH_RECEIPTS_MAX {
        chain.add_kind("x_a", &[]);
    }
    let verify = |chain: &chain::Chain| {
        let mut verifier = Verifier::new(Options::default());
        verifier.feed(&chain.bytes());
        answer(&verifier.finish())
    };
    assert_eq!(verify(&chain), "valid");
    let mut next = chain.clone();
    next.step_epoch();
    next.add_kind("x_a", &[]);
    assert_eq!(verify(&next), "valid");
    chain.add_kind("x_a", &[]);
    assert_eq!(verify(&chain), "lifecycle.epoch_full at 10000");
}

#[test]
fn a_chain_takes_a_key_back_so_many_times() {
    let mut chain = chain::Chain::founded(&[]);
    let mut revoked = chain.log.id.clone();
    for number in 0..=REVOCATIONS_MAX {
        let next = chain::Key::numbered("log", usize::try_from(number).expect("small"));
        limits::replace(&mut chain, &revoked, &next);
        revoked = next.id;
    }
    let verify = |lines: &[String]| {
        let mut verifier = Verifier::new(Options::default());
        verifier.feed(lines.concat().as_bytes());
        answer(&verifier.finish())
    };
    let at_the_limit = chain.lines.len() - 1;
    assert_eq!(verify(&chain.lines[..at_the_limit]), "valid");
    assert_eq!(verify(&chain.lines), format!("signature.keys_max at {}", REVOCATIONS_MAX + 1));
}

#[test]
fn files_are_what_the_generator_makes() {
    let mut stale: BTreeSet<String> = vectors().into_keys().map(|name| format!("{name}.vector")).collect();
    for case in case::all() {
        let name = case.file_name();
        let stored = std::fs::read(root("vectors").join(&name)).unwrap_or_default();
        assert!(
            stored == case.to_bytes(),
            "{name} differs: run `cargo run -p cascade-receipt --example vectors`"
        );
        stale.remove(&name);
    }
    assert!(stale.is_empty(), "no generator for {stale:?}");
}

#[test]
fn the_document_lists_exactly_the_codes() {
    let document = std::fs::read_to_string(root("docs/format.md")).expect("docs/format.md");
    let listed: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(code, _)| code)
        .filter(|code| {
            Code::ALL.iter().any(|known| code.starts_with(&format!("{}.", known.check().as_str())))
        })
        .collect();
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, codes);
}

#[test]
fn what_is_no_bundle_by_its_first_bytes_is_none_for_whoever_asks() {
    let good = &vectors()["valid-bundle-begins"].ledger;
    assert!(verify_bundle(good, Options::default()).valid());
    let late = [b" ".as_slice(), good].concat();
    assert!(!bundle::begins(&late));
    assert_eq!(answer(&verify_bundle(&late, Options::default())), "bundle.malformed at 0");
}

#[test]
fn every_changed_or_lost_byte_is_found() {
    let mut vector = vectors().remove("valid-two-approvers").expect("the vector");
    // With the master, so that the tags count too.
    vector.headers.insert("hmac".to_owned(), digest::to_hex(&chain::MASTER));
    assert_eq!(answer(&vector.verify(usize::MAX)), "valid");
    let whole = vector.ledger.clone();
    for at in (0..whole.len()).step_by(19) {
        for bit in [0x01, 0x20, 0x80] {
            vector.ledger = whole.clone();
            vector.ledger[at] ^= bit;
            assert!(!vector.verify(usize::MAX).valid(), "bit {bit:#x} of byte {at}");
        }
        vector.ledger = whole.clone();
        vector.ledger.remove(at);
        assert!(!vector.verify(usize::MAX).valid(), "byte {at} removed");
        vector.ledger = whole[..at].to_vec();
        let clean = at > 0 && whole[at - 1] == b'\n';
        assert_eq!(vector.verify(usize::MAX).valid(), clean, "cut at {at}");
    }
}

#[test]
fn a_cut_tail_is_named_as_not_proven() {
    let vector = &vectors()["valid-open-intent"];
    let verdict = vector.verify(usize::MAX);
    assert!(verdict.not_proven().iter().any(|line| line.contains("the tail after receipt 3")));
    let open: Vec<_> = verdict.open().map(|open| open.seq).collect();
    assert_eq!(open, [1]);
    assert!(verdict.key_pinned());
    let unpinned =
        Vector { headers: BTreeMap::new(), checkpoints: Vec::new(), ledger: vector.ledger.clone() }
            .verify(usize::MAX);
    assert!(unpinned.valid() && !unpinned.key_pinned());
    let tags = |verdict: &Verdict| verdict.not_proven().iter().any(|line| line.starts_with("tags: "));
    assert!(tags(&unpinned));
    let mut headers = BTreeMap::new();
    headers.insert("hmac".to_owned(), digest::to_hex(&chain::MASTER));
    let with_master = Vector { headers, checkpoints: Vec::new(), ledger: vector.ledger.clone() };
    assert!(!tags(&with_master.verify(usize::MAX)));
    assert!(unpinned.not_proven()[0].starts_with("origin: "));
}
