//! Checkpoints, witnesses and memory (checks `checkpoint`, `witness`, `memory`).

use cascade_receipt::checkpoint::{self, Checkpoint};
use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::merkle::Tree;
use cascade_receipt::note::{Algorithm, VerifierKey};
use cascade_receipt::verify::Code;
use ed25519_dalek::Signer as _;

use crate::case::Case;
use crate::chain::{Chain, Key, Made};
use crate::keys::{add_with_recovery, revoke, rotate};
use crate::runs::{running, started};

/// 2026-01-02T03:04:05Z, the second in which all chains begin, so that it lies before every
/// `compromised_since` of these vectors.
const BEFORE: u64 = 1_767_323_045;
/// A second later.
const AFTER: u64 = BEFORE + 1;

/// A witness.
struct Witness {
    key: Key,
    vkey: VerifierKey,
}

impl Witness {
    fn new(number: u8) -> Self {
        let key = Key::of("witness", 50 + number);
        let vkey = vkey(&format!("w{number}.example"), Algorithm::Cosignature, &key);
        Self { key, vkey }
    }

    /// The line with which it cosigns the text of a note.
    fn line(&self, text: &str, time: u64) -> String {
        let signature = self.key.secret.sign(&checkpoint::cosignature_message(time, text)).to_bytes();
        self.vkey.line(&checkpoint::cosignature(time, &signature))
    }
}

fn vkey(name: &str, algorithm: Algorithm, key: &Key) -> VerifierKey {
    let public = PublicKey::accept(&key.public()).expect("a strong key");
    VerifierKey::new(name, algorithm, public).expect("a name")
}

fn log_vkey(chain: &Chain, key: &Key) -> VerifierKey {
    vkey(chain.origin.as_str(), Algorithm::Ed25519, key)
}

fn root(chain: &Chain, size: u64) -> Digest {
    let mut tree = Tree::default();
    chain.hashes.iter().for_each(|hash| tree.push(hash));
    tree.root(size).expect("so many receipts")
}

/// The text of the checkpoint at `size`.
fn text(chain: &Chain, size: u64) -> String {
    Checkpoint { origin: chain.origin.as_str().to_owned(), size, root: root(chain, size) }.text()
}

/// A note over `text` signed by a log key.
fn note(chain: &Chain, key: &Key, text: &str) -> String {
    let signature = key.secret.sign(text.as_bytes()).to_bytes();
    format!("{text}\n{}", log_vkey(chain, key).line(&signature))
}

/// The checkpoint at `size`, cosigned by these witnesses at these times.
pub(crate) fn cosigned(chain: &Chain, size: u64, witnesses: &[(u8, u64)]) -> String {
    let text = text(chain, size);
    let mut note = note(chain, &chain.log, &text);
    for (number, time) in witnesses {
        note.push_str(&Witness::new(*number).line(&text, *time));
    }
    note
}

/// Two of three witnesses.
pub(crate) fn trust() -> String {
    let lines: String = (1..=3).map(|n| format!("witness w{n} {}\n", Witness::new(n).vkey)).collect();
    format!("{lines}group quorum 2 w1 w2 w3\nquorum quorum\n")
}

pub(crate) fn anchor(chain: &mut Chain, note: &str) -> Made {
    let hash = Digest::of(note.as_bytes()).to_hex();
    chain.add_kind("anchor", &[("checkpoint", note.into()), ("checkpoint_sha256", hash.into())])
}

/// Genesis and so many runs without an outcome.
fn chain(runs: u64) -> Chain {
    let mut chain = Chain::founded(&[]);
    for number in 0..runs {
        chain.add(&started(&format!("run {number}"), &[]));
    }
    chain
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    valid(out);
    cleared(out);
    checkpoints(out);
    embedded(out);
    witnesses(out);
    memory(out);
}

fn valid(out: &mut Vec<Case>) {
    let mut keep = |name: &str, comment, case: &Chain, with: &dyn Fn(Case) -> Case| {
        out.push(with(Case::valid(name, comment, case)));
    };
    let plain = chain(6);
    keep("checkpoint", "checkpoints at every size, all given", &plain, &|case| {
        (1..=7).fold(case, |case, size| case.checkpoint(&cosigned(&plain, size, &[])))
    });
    keep("cosigned", "two of three witnesses cosigned five of seven receipts", &plain, &|case| {
        case.checkpoint(&cosigned(&plain, 5, &[(3, AFTER), (1, BEFORE)])).trust(&trust()).anchored(4)
    });
    keep("cosigned-unknown", "lines by unknown keys, one under a witness's name", &plain, &|case| {
        let note = cosigned(&plain, 7, &[(1, BEFORE), (2, BEFORE), (9, BEFORE)]);
        let stranger = vkey("w1.example", Algorithm::Cosignature, &Key::of("stranger", 77));
        case.checkpoint(&format!("{note}{}", stranger.line(&[7; 72]))).trust(&trust()).anchored(6)
    });
    keep("trust-names-the-log", "the policy pins the log key, beside others", &plain, &|case| {
        let other = vkey("other.example", Algorithm::Ed25519, &Key::of("other", 78));
        let trust =
            format!("log {}\nlog {other} https://other.example/\n{}", log_vkey(&plain, &plain.log), trust());
        case.checkpoint(&cosigned(&plain, 7, &[(1, BEFORE), (2, BEFORE)])).trust(&trust).anchored(6)
    });
    keep("quorum-none", "the reader trusts the log alone", &plain, &|case| {
        case.checkpoint(&cosigned(&plain, 3, &[])).trust("quorum none\n").anchored(2)
    });
    keep("groups", "nested groups, a comment, tabs", &plain, &|case| {
        let [a, b, c] = [1, 2, 3].map(|n| Witness::new(n).vkey);
        let trust = format!(
            "# comment\n\n\twitness a {a} https://w1.example/\nwitness b {b}\nwitness c {c}\n\
             group ab any a b\ngroup all all ab c\nquorum all\n"
        );
        case.checkpoint(&cosigned(&plain, 7, &[(2, BEFORE), (3, BEFORE)])).trust(&trust).anchored(6)
    });
    let mut anchored = chain(3);
    let first = cosigned(&anchored, 4, &[(1, BEFORE), (2, BEFORE)]);
    anchor(&mut anchored, &first);
    let second = cosigned(&anchored, 5, &[(2, BEFORE)]);
    anchor(&mut anchored, &second);
    anchored.add(&started("after", &[]));
    keep("anchors", "of two embedded checkpoints one met the quorum", &anchored, &|case| {
        case.trust(&trust()).anchored(3)
    });
    keep("anchors-untrusted", "without a trust policy nothing is anchored", &anchored, &|case| case);
    let mut forged = chain(3);
    let text = text(&forged, 4);
    let bad = note(&forged, &forged.log, &text) + &Witness::new(1).vkey.line(&[9; 72]);
    anchor(&mut forged, &bad);
    keep(
        "anchor-forged-cosignature",
        "an embedded checkpoint with a forged line does not count",
        &forged,
        &|case| {
            case.checkpoint(&cosigned(&forged, 2, &[(1, BEFORE), (3, BEFORE)])).trust(&trust()).anchored(1)
        },
    );
    let mut renewed = chain(1);
    let new = Key::of("log", 60);
    add_with_recovery(&mut renewed, &new, "log");
    let old = renewed.log.id.clone();
    revoke(&mut renewed, &old, None);
    let head = self::text(&renewed, 4);
    keep(
        "checkpoint-log-keys",
        "checkpoints by a new log key and by one that was taken back",
        &renewed,
        &|case| case.checkpoint(&note(&renewed, &new, &head)).checkpoint(&cosigned(&renewed, 2, &[])),
    );
    let plain_root = root(&plain, 4);
    keep("memory", "what was seen before is the beginning", &plain, &|case| case.memory(4, &plain_root));
    let whole = root(&plain, 7);
    keep("memory-same", "nothing new since", &plain, &|case| case.memory(7, &whole));
}

/// A chain whose genesis key was stolen after three receipts and taken back.
fn stolen() -> Chain {
    let mut chain = chain(2);
    let (lost, replacement) = (chain.signer.clone(), Key::of("receipt", 61));
    chain.signer = replacement.clone();
    revoke(&mut chain, &lost.id, Some(&replacement));
    chain.add(&started("after", &[]));
    chain
}

fn cleared(out: &mut Vec<Case>) {
    let chain = stolen();
    let early = [(1, BEFORE), (2, BEFORE), (3, AFTER)];
    out.push(
        Case::valid("key-revoked-cosigned", "all receipts of the lost key were cosigned before", &chain)
            .checkpoint(&cosigned(&chain, 3, &early))
            .trust(&trust())
            .anchored(2),
    );
    let mut disputed = |name: &str, seq: u64, comment, note: String, trust: &str| {
        let case = Case::fault(Code::Disputed, seq, comment, chain.bytes()).named(name);
        out.push(case.checkpoint(&note).trust(trust));
    };
    disputed("tail", 2, "one receipt came after the cosigned ones", cosigned(&chain, 2, &early), &trust());
    disputed(
        "late",
        0,
        "the second cosignature is not from before the theft",
        cosigned(&chain, 3, &[(1, BEFORE), (2, AFTER)]),
        &trust(),
    );
    disputed("quorum-none", 0, "nobody vouches for the time", cosigned(&chain, 3, &early), "quorum none\n");

    let mut twice = Chain::founded(&[]);
    rotate(&mut twice, &Key::of("receipt", 62));
    twice.add(&started("by the second", &[]));
    let second = twice.signer.clone();
    let replacement = Key::of("receipt", 63);
    twice.signer = replacement.clone();
    revoke(&mut twice, &second.id, Some(&replacement));
    out.push(
        Case::fault(Code::Disputed, 2, "only the second key fell", twice.bytes())
            .named("second")
            .checkpoint(&cosigned(&twice, 2, &early))
            .trust(&trust()),
    );
}

fn checkpoints(out: &mut Vec<Case>) {
    let chain = chain(4);
    let good = cosigned(&chain, 5, &[]);
    let mut fault = |code, seq, name: &str, comment, note: &str| {
        let case = Case::fault(code, seq, comment, chain.bytes()).checkpoint(note);
        out.push(if name.is_empty() { case } else { case.named(name) });
    };
    let malformed = Code::CheckpointMalformed;
    fault(malformed, 0, "", "no signature line", &text(&chain, 5));
    fault(malformed, 0, "extension", "a fourth line", &good.replacen("\n\n", "\nmore\n\n", 1));
    fault(malformed, 0, "zeros", "a size with a leading zero", &good.replacen("\n5\n", "\n05\n", 1));
    fault(malformed, 0, "torn", "the last line feed is missing", good.trim_end());
    fault(
        malformed,
        0,
        "space",
        "white space in a key name",
        &good.replacen("\u{2014} v", "\u{2014} \u{2003}v", 1),
    );
    fault(malformed, 0, "many", "65 signature lines", &many(&good, 65));

    let elsewhere = text(&chain, 5).replacen("vectors", "elsewhere", 1);
    let foreign = note(&chain, &chain.log, &elsewhere);
    fault(Code::CheckpointOrigin, 0, "", "of another log", &foreign);

    let other = note(&chain, &Key::of("log", 64), &text(&chain, 5));
    fault(Code::CheckpointSignature, 0, "", "by a key that is not in the chain", &other);
    let receipt = note(&chain, &chain.receipt, &text(&chain, 5));
    fault(Code::CheckpointSignature, 0, "receipt-key", "by the receipt key", &receipt);
    let double = format!("{good}{}", log_vkey(&chain, &chain.log).line(&[1; 64]));
    fault(Code::CheckpointSignature, 0, "second", "a second line of the log key is bad", &double);
    let changed = good.replacen("\n5\n", "\n4\n", 1);
    fault(Code::CheckpointSignature, 0, "changed", "the size was changed", &changed);

    let mut longer = chain.clone();
    longer.add(&started("cut off", &[]));
    fault(Code::CheckpointTruncated, 5, "", "the last receipt was cut off", &cosigned(&longer, 6, &[]));
    let mut rewritten = Chain::founded(&[]);
    for number in 0..4 {
        rewritten.add(&started(&format!("another run {number}"), &[]));
    }
    fault(Code::CheckpointRoot, 3, "", "another history by the same keys", &cosigned(&rewritten, 4, &[]));
    let first = Case::fault(Code::CheckpointTruncated, 5, "the first of two bad ones counts", chain.bytes());
    out.push(first.named("first").checkpoint(&cosigned(&longer, 6, &[])).checkpoint(&cosigned(
        &rewritten,
        4,
        &[],
    )));
    let same = Case::valid("checkpoint-many-lines", "64 signature lines are allowed", &chain);
    out.push(same.checkpoint(&many(&good, 64)));
}

/// The note with lines of strangers up to `lines` signature lines.
fn many(note: &str, lines: usize) -> String {
    let strangers: String = (1..lines).map(|_| "\u{2014} stranger AAAAAAE=\n").collect();
    format!("{note}{strangers}")
}

fn embedded(out: &mut Vec<Case>) {
    let fault = |code, seq, comment, chain: &Chain| Case::fault(code, seq, comment, chain.bytes());
    let with = |note: &dyn Fn(&Chain) -> String| {
        let mut chain = chain(2);
        let note = note(&chain);
        anchor(&mut chain, &note);
        chain.add(&started("after", &[]));
        chain
    };
    let bad = with(&|_| "no note at all".to_owned());
    out.push(fault(Code::CheckpointMalformed, 3, "an anchor embeds something else", &bad).named("anchor"));
    let future = with(&|chain| {
        let text =
            Checkpoint { origin: chain.origin.as_str().to_owned(), size: 5, root: Digest([0; 32]) }.text();
        note(chain, &chain.log, &text)
    });
    out.push(
        fault(Code::CheckpointTruncated, 3, "an anchor covers receipts that come after it", &future)
            .named("anchor"),
    );
    let other = with(&|_| cosigned(&chain(1), 2, &[]));
    out.push(Case::valid("anchor-same-history", "an anchor from a shorter copy of the chain", &other));
    let mut fork = Chain::founded(&[]);
    fork.add(&started("other", &[]));
    let forked = with(&|_| cosigned(&fork, 2, &[]));
    out.push(fault(Code::CheckpointRoot, 3, "an anchor of another history", &forked).named("anchor"));
    let mut lines = forked.bytes();
    lines.pop();
    out.push(
        Case::fault(Code::Torn, 4, "a bad anchor, but a torn line comes first", lines)
            .named("after-bad-anchor"),
    );
    let (mut late, _) = running();
    let key = Key::of("log", 65);
    let early = note(&late, &key, &text(&late, 1));
    anchor(&mut late, &early);
    add_with_recovery(&mut late, &key, "log");
    out.push(
        fault(Code::CheckpointSignature, 2, "an anchor by a log key that only comes later", &late)
            .named("anchor"),
    );
}

fn witnesses(out: &mut Vec<Case>) {
    let chain = chain(4);
    let mut fault = |code, seq, name: &str, comment, note: Option<&str>, trust: &str| {
        let case = Case::fault(code, seq, comment, chain.bytes()).trust(trust);
        let case = note.into_iter().fold(case, Case::checkpoint);
        out.push(if name.is_empty() { case } else { case.named(name) });
    };
    let two = [(1, BEFORE), (2, BEFORE)];
    let forged = cosigned(&chain, 5, &two) + &Witness::new(3).vkey.line(&[3; 72]);
    fault(Code::WitnessSignature, 4, "", "a third witness's line is forged", Some(&forged), &trust());
    let short = cosigned(&chain, 5, &two) + &Witness::new(3).vkey.line(&[3; 64]);
    fault(Code::WitnessSignature, 4, "length", "a witness's line without a time", Some(&short), &trust());
    let moved = {
        let good = cosigned(&chain, 5, &two);
        let line = Witness::new(3).line(&text(&chain, 4), BEFORE);
        format!("{good}{line}")
    };
    fault(Code::WitnessSignature, 4, "moved", "a cosignature of another checkpoint", Some(&moved), &trust());

    let good = cosigned(&chain, 5, &two);
    let logs = |key: &Key| format!("log {}\n{}", log_vkey(&chain, key), trust());
    fault(
        Code::WitnessLog,
        4,
        "",
        "the reader pins another log key",
        Some(&good),
        &logs(&Key::of("log", 66)),
    );
    let other = vkey("other.example", Algorithm::Ed25519, &chain.log);
    let elsewhere = format!("log {other}\n{}", trust());
    fault(Code::WitnessLog, 4, "origin", "the reader names another log", Some(&good), &elsewhere);

    let one = cosigned(&chain, 5, &[(1, BEFORE), (1, AFTER)]);
    fault(Code::WitnessQuorum, 4, "", "one of three witnesses, twice", Some(&one), &trust());
    fault(Code::WitnessQuorum, 0, "none", "there is no checkpoint at all", None, &trust());
    let both = Case::fault(Code::WitnessQuorum, 4, "one of two given ones is not cosigned", chain.bytes());
    out.push(
        both.named("one-of-two").checkpoint(&cosigned(&chain, 3, &two)).checkpoint(&one).trust(&trust()),
    );

    let mut lonely = self::chain(2);
    let note = cosigned(&lonely, 3, &[(2, BEFORE)]);
    anchor(&mut lonely, &note);
    let comment = "the only anchor is cosigned by one of three";
    out.push(Case::fault(Code::WitnessQuorum, 0, comment, lonely.bytes()).named("anchor").trust(&trust()));
}

fn memory(out: &mut Vec<Case>) {
    let chain = chain(4);
    let older = Case::fault(Code::OlderThanRemembered, 5, "six receipts were seen before", chain.bytes());
    out.push(older.memory(6, &Digest([7; 32])));
    let fork = Case::fault(Code::Fork, 3, "the fourth receipt is another than before", chain.bytes());
    out.push(fork.memory(4, &Digest([7; 32])));
    let comment = "a chain of this name with another genesis key is remembered, and no key is given";
    out.push(Case::fault(Code::Fork, 0, comment, chain.bytes()).named("genesis").other_genesis());
    let pinned = Case::valid("memory-genesis", "the key that is given says which is meant", &chain);
    out.push(pinned.other_genesis());
}
