//! Bundles (format section 13).

use cascade_receipt::bundle::{self, Disclosure, PREDICATE_TYPE, Shown, Statement, Subject};
use cascade_receipt::content::{Body, Ending, PolicyRef};
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::merkle::Tree;
use cascade_receipt::verify::Code;
use ed25519_dalek::Signer as _;

use crate::anchors::{cosigned, trust};
use crate::case::Case;
use crate::chain::{Chain, Key};
use crate::keys::{revoke, rotate};
use crate::runs::{closing, started};

const POLICY: &[u8] =
    br#"{"engine":"vectors","policies":"b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"}"#;
/// Its SHA-256 stands in [`POLICY`].
const NAMED: &[u8] = b"foo\n";
const NONCE: Nonce = Nonce([0x5a; 32]);
const ACTION: &[u8] = br#"{"argv":["deploy"]}"#;
/// The second in which all chains begin.
const BEGIN: u64 = 1_767_323_045;

/// Genesis, a run whose action can be disclosed (1, 2), a rotation (3), a run by the new key (4, 5), and two more.
fn chain() -> Chain {
    let mut chain = Chain::new();
    chain.policy = PolicyRef { version: "default-1".into(), hash: Digest::of(POLICY) };
    let genesis = chain.genesis(&[]);
    chain.add(&genesis);
    let mut first = started("first", &[]);
    if let Body::TaskStarted(action) = &mut first {
        action.action_hash = Digest::salted(&NONCE, ACTION);
    }
    let intent = chain.add(&first);
    chain.add(&closing(Ending::Completed, &intent));
    rotate(&mut chain, &Key::of("receipt", 11));
    let intent = chain.add(&started("second", &[]));
    chain.add(&closing(Ending::Completed, &intent));
    chain.add(&started("third", &[]));
    chain.add(&started("fourth", &[]));
    chain
}

fn shown(chain: &Chain, seq: u64, size: u64) -> Shown {
    let mut tree = Tree::default();
    chain.hashes.iter().for_each(|hash| tree.push(hash));
    let line = &chain.lines[usize::try_from(seq).expect("small")];
    Shown { line: line.trim_end().to_owned(), path: tree.inclusion(seq, size).expect("so many receipts") }
}

fn subject(chain: &Chain, seq: u64) -> Subject {
    let at = usize::try_from(seq).expect("small");
    let receipt = json::parse(chain.lines[at].trim_end().as_bytes()).expect("a receipt");
    let id = receipt.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse);
    Subject { receipt_id: id.expect("an id"), entry_hash: chain.hashes[at] }
}

/// A statement about `seqs`, with genesis and the rotation, on a checkpoint of `size`.
fn statement(chain: &Chain, seqs: &[u64], size: u64) -> Statement {
    let mut all: Vec<u64> =
        seqs.iter().copied().chain([0, 3].into_iter().filter(|seq| *seq < size)).collect();
    all.sort_unstable();
    all.dedup();
    Statement {
        log_origin: chain.origin.as_str().to_owned(),
        subjects: seqs.iter().map(|seq| subject(chain, *seq)).collect(),
        receipts: all.into_iter().map(|seq| shown(chain, seq, size)).collect(),
        checkpoint: cosigned(chain, size, &[(1, BEGIN), (2, BEGIN)]),
        disclosures: Vec::new(),
        snapshots: Vec::new(),
        not_proven: bundle::NOT_PROVEN.iter().map(|line| (*line).to_owned()).collect(),
    }
}

fn sealed(payload: &str, key: &Key) -> Vec<u8> {
    let signature = key.secret.sign(&bundle::pre_authentication(payload.as_bytes())).to_bytes();
    bundle::envelope(payload.as_bytes(), &key.id, &signature).into_bytes()
}

fn packed(chain: &Chain, statement: &Statement) -> Vec<u8> {
    sealed(&statement.to_json(), &chain.signer)
}

fn disclosure(chain: &Chain) -> Disclosure {
    Disclosure {
        receipt_id: subject(chain, 1).receipt_id,
        field: "action_hash".to_owned(),
        nonce: NONCE,
        bytes: ACTION.to_vec(),
    }
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let chain = chain();
    valid(&chain, out);
    parts(&chain, out);
    receipts(&chain, out);
    outside(&chain, out);
    ambiguous(&chain, out);
    disputed(&chain, out);
    claims(&chain, out);
}

fn valid(chain: &Chain, out: &mut Vec<Case>) {
    let mut keep = |name: &str, comment, statement: &Statement, with: &dyn Fn(Case) -> Case| {
        out.push(with(Case::valid_bytes(name, comment, packed(chain, statement)).pinned(&chain.receipt)));
    };
    let plain = &|case| case;
    keep("bundle", "one receipt, with genesis and the change of keys", &statement(chain, &[4], 8), plain);
    keep("bundle-all", "every receipt", &statement(chain, &[0, 1, 2, 3, 4, 5, 6, 7], 8), plain);
    keep("bundle-witnessed", "the checkpoint is cosigned", &statement(chain, &[4, 5], 7), &|case| {
        case.trust(&trust()).anchored(6)
    });
    keep("bundle-memory", "a ledger of another size is remembered", &statement(chain, &[4], 8), &|case| {
        case.memory(7, &Digest::of(b"any"))
    });
    let mut full = statement(chain, &[1, 2], 8);
    full.disclosures.push(disclosure(chain));
    full.snapshots = vec![NAMED.to_vec(), POLICY.to_vec()];
    keep("bundle-disclosed", "an action, a policy and a text that it names", &full, plain);
    let text = String::from_utf8(packed(chain, &statement(chain, &[6], 8))).expect("text");
    let spelled = text.replace(",\"payloadType\":", " ,\n\t\"More\" : [ true ] , \"payloadType\" : ");
    out.push(Case::valid_bytes("bundle-spelled", "white space and a member more", format!(" {spelled}")));
    begins(&text, out);
}

/// What tells a bundle from a ledger stands in the first 256 bytes.
fn begins(bundle: &str, out: &mut Vec<Case>) {
    let after = |spaces: usize| [" ".repeat(spaces).as_str(), bundle].concat();
    let at_the_end = bundle::LOOK_BYTES - "{\"payload\"".len();
    out.push(Case::valid_bytes("bundle-begins", "its first member ends at byte 256", after(at_the_end)));
    let late = Case::fault(Code::Key, 0, "it begins a byte too late and is a ledger", after(at_the_end + 1));
    out.push(late.named("bundle-late"));
    for (name, text) in [("before", format!("\u{c}{bundle}")), ("inside", bundle.replacen('{', "{\u{c}", 1))]
    {
        let name = format!("form-feed-{name}");
        out.push(Case::fault(Code::Malformed, 0, "a form feed is no white space", text).named(&name));
    }
}

/// What a bundle with another text in the place of one in its payload is.
fn changed(chain: &Chain, from: &str, to: &str) -> Vec<u8> {
    let payload = statement(chain, &[4], 8).to_json();
    assert!(payload.contains(from), "{from}");
    sealed(&payload.replacen(from, to, 1), &chain.signer)
}

fn parts(chain: &Chain, out: &mut Vec<Case>) {
    let mut keep = |code, name: &str, comment, bytes: Vec<u8>| {
        out.push(Case::fault(code, 0, comment, bytes).named(name));
    };
    let good = packed(chain, &statement(chain, &[4], 8));
    let text = String::from_utf8(good.clone()).expect("text");
    keep(Code::BundleMalformed, "cut", "cut off", good[..good.len() / 2].to_vec());
    keep(
        Code::BundleMalformed,
        "twice",
        "a member twice",
        text.replace("\"signatures\":", "\"payloadType\":\"x\",\"signatures\":").into(),
    );
    keep(
        Code::BundleMalformed,
        "base64",
        "no padding",
        text.replacen("{\"payload\":\"", "{\"payload\":\"A", 1).into(),
    );
    keep(
        Code::BundleMalformed,
        "predicate",
        "a member of the predicate is missing",
        changed(chain, "\"snapshots\"", "\"snapshot\""),
    );
    keep(
        Code::BundleMalformed,
        "subject",
        "a subject whose name is no receipt id",
        changed(chain, "\"name\":\"r_", "\"name\":\"s_"),
    );
    for (name, payload) in
        [("array", "[]"), ("number", "3"), ("text", "\"a\""), ("truth", "true"), ("empty", "")]
    {
        let name = format!("payload-{name}");
        keep(Code::BundleMalformed, &name, "a payload that is no object", sealed(payload, &chain.signer));
    }
    let path = statement(chain, &[4], 8).receipts[0].path.len();
    let hash = "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",".repeat(65 - path);
    keep(
        Code::BundleMalformed,
        "path",
        "a path of 65 hashes",
        changed(chain, "\"path\":[", &format!("\"path\":[{hash}")),
    );
    keep(
        Code::BundleType,
        "payload",
        "another payload type",
        text.replace("vnd.in-toto+json", "json").into(),
    );
    keep(Code::BundleType, "statement", "another statement", changed(chain, "Statement/v1", "Statement/v2"));
    keep(
        Code::BundleType,
        "predicate",
        "another predicate",
        changed(chain, PREDICATE_TYPE, "urn:cascade:bundle:v2"),
    );
    let one =
        text.split_once("\"signatures\":[").and_then(|(_, rest)| rest.split_once(']')).expect("signatures").0;
    let many = vec![one; 17].join(",");
    keep(Code::BundleSize, "signatures", "17 signatures", text.replace(one, &many).into());
}

fn receipts(chain: &Chain, out: &mut Vec<Case>) {
    let mut keep = |code, seq, name: &str, comment, change: &dyn Fn(&mut Statement)| {
        let mut statement = statement(chain, &[4, 5, 7], 8);
        change(&mut statement);
        let case = Case::fault(code, seq, comment, packed(chain, &statement)).pinned(&chain.receipt);
        out.push(case.named(&format!("bundle-{name}")));
    };
    keep(Code::Empty, 0, "none", "no receipt at all", &|one| one.receipts.clear());
    keep(Code::Malformed, 2, "line", "a line is torn", &|one| {
        one.receipts[2].line.pop();
    });
    keep(Code::CopyReceiptId, 4, "copy", "an outer id is another", &|one| {
        let line = &mut one.receipts[2].line;
        let at = line.rfind("\"r_").expect("an id") + 3;
        let digit = if line.as_bytes()[at] == b'0' { "1" } else { "0" };
        line.replace_range(at..=at, digit);
    });
    keep(Code::Genesis, 3, "headless", "genesis is missing", &|one| drop(one.receipts.remove(0)));
    keep(Code::Seq, 4, "order", "two receipts in the wrong order", &|one| one.receipts.swap(2, 3));
    keep(Code::Seq, 7, "twice", "a receipt twice", &|one| one.receipts.push(one.receipts[4].clone()));
    keep(Code::PrevHash, 5, "neighbour", "a neighbour of another history", &|one| {
        let mut other = chain.clone();
        other.lines.truncate(5);
        other.hashes.truncate(5);
        other.head = Digest::of(b"another history");
        other.add(&started("another", &[]));
        one.receipts[3].line = other.lines[5].trim_end().to_owned();
    });
    keep(Code::EntryHash, 7, "content", "a receipt was edited", &|one| {
        one.receipts[4].line = one.receipts[4].line.replace("\"verdict\":\"admit\"", "\"verdict\":\"deny\"");
    });
    keep(Code::UnknownKey, 4, "key", "the receipt that brought the key is left out", &|one| {
        drop(one.receipts.remove(1));
    });
    keep(Code::OriginChanged, 0, "origin", "the statement names another chain", &|one| {
        one.log_origin = one.log_origin.replace("vectors", "others");
    });
    let stranger = Case::fault(
        Code::PinnedKey,
        0,
        "the key given is not that of genesis",
        packed(chain, &statement(chain, &[4], 8)),
    );
    out.push(stranger.pinned(&Key::of("receipt", 99)).named("bundle"));
}

fn outside(chain: &Chain, out: &mut Vec<Case>) {
    let mut keep = |code, seq, name: &str, comment, statement: &Statement, with: &dyn Fn(Case) -> Case| {
        let case = Case::fault(code, seq, comment, packed(chain, statement)).pinned(&chain.receipt);
        out.push(with(case.named(name)));
    };
    let plain = &|case| case;
    let good = statement(chain, &[4, 5], 8);
    let with = |change: &dyn Fn(&mut Statement)| {
        let mut one = good.clone();
        change(&mut one);
        one
    };
    let note = |change: &dyn Fn(&str) -> String| with(&|one| one.checkpoint = change(&one.checkpoint));
    keep(Code::CheckpointMalformed, 0, "bundle", "no note", &note(&|_| "none".into()), plain);
    keep(
        Code::CheckpointOrigin,
        0,
        "bundle",
        "another chain's",
        &note(&|note| note.replacen("vectors", "others", 1)),
        plain,
    );
    keep(
        Code::CheckpointSignature,
        0,
        "bundle",
        "another size than was signed",
        &note(&|note| note.replacen("\n8\n", "\n9\n", 1)),
        plain,
    );
    keep(
        Code::InclusionPath,
        4,
        "hash",
        "a hash of the path is another",
        &with(&|one| one.receipts[2].path[1] = Digest::of(b"x")),
        plain,
    );
    keep(
        Code::InclusionPath,
        0,
        "short",
        "a path is too short",
        &with(&|one| {
            one.receipts[0].path.pop();
        }),
        plain,
    );
    keep(
        Code::InclusionPath,
        5,
        "long",
        "a path is too long",
        &with(&|one| one.receipts[3].path.push(Digest::of(b"x"))),
        plain,
    );
    keep(
        Code::InclusionPath,
        0,
        "later",
        "the checkpoint is of another size than the paths",
        &with(&|one| one.checkpoint = cosigned(chain, 4, &[])),
        plain,
    );
    let lonely = with(&|one| one.checkpoint = cosigned(chain, 8, &[(3, BEGIN)]));
    keep(Code::WitnessQuorum, 7, "bundle", "one witness of two", &lonely, &|case| case.trust(&trust()));
    keep(Code::Fork, 7, "bundle", "another root was remembered at this size", &good, &|case| {
        case.memory(8, &Digest::of(b"another"))
    });
}

fn ambiguous(chain: &Chain, out: &mut Vec<Case>) {
    let comment = "a chain of this name with another genesis key is remembered, and no key is given";
    let case = Case::fault(Code::Fork, 0, comment, packed(chain, &statement(chain, &[4, 5], 8)));
    out.push(case.named("bundle-genesis").other_genesis());
}

fn disputed(chain: &Chain, out: &mut Vec<Case>) {
    let mut stolen = chain.clone();
    let (thief, replacement) = (stolen.signer.clone(), Key::of("receipt", 15));
    stolen.signer = replacement.clone();
    revoke(&mut stolen, &thief.id, Some(&replacement));
    let mut one = statement(&stolen, &[4], 9);
    one.receipts.push(shown(&stolen, 8, 9));
    one.checkpoint = cosigned(&stolen, 9, &[]);
    let case = Case::fault(Code::Disputed, 4, "the key that signed was taken back", packed(&stolen, &one));
    out.push(case.named("bundle"));
}

fn claims(chain: &Chain, out: &mut Vec<Case>) {
    let mut keep = |code, seq, name: &str, comment, change: &dyn Fn(&mut Statement)| {
        let mut one = statement(chain, &[1, 4], 8);
        one.disclosures.push(disclosure(chain));
        change(&mut one);
        out.push(Case::fault(code, seq, comment, packed(chain, &one)).named(name));
    };
    keep(Code::StatementSubject, 0, "none", "about nothing", &|one| one.subjects.clear());
    keep(Code::StatementSubject, 0, "hash", "a subject with another hash", &|one| {
        one.subjects[1].entry_hash = Digest::of(b"x");
    });
    keep(Code::StatementSubject, 0, "absent", "a subject that is not there", &|one| {
        one.subjects.push(subject(chain, 6));
    });
    keep(Code::StatementDisclosure, 1, "bytes", "other bytes", &|one| one.disclosures[0].bytes.push(b' '));
    keep(Code::StatementDisclosure, 1, "nonce", "another nonce", &|one| {
        one.disclosures[0].nonce = Nonce([0; 32]);
    });
    keep(Code::StatementDisclosure, 1, "field", "a member that is no salted hash", &|one| {
        one.disclosures[0].field = "policy_hash".into();
    });
    keep(Code::StatementDisclosure, 0, "absent", "a receipt that is not there", &|one| {
        one.disclosures[0].receipt_id = subject(chain, 7).receipt_id;
    });
    keep(Code::StatementSnapshot, 0, "foreign", "no receipt was decided under it", &|one| {
        one.snapshots.push(b"{}".to_vec());
    });
    keep(Code::StatementSnapshot, 0, "unnamed", "a text without the snapshot that names it", &|one| {
        one.snapshots.push(NAMED.to_vec());
    });
    let payload = statement(chain, &[4], 8).to_json();
    let mut sign = |name: &str, comment, bytes: Vec<u8>| {
        out.push(Case::fault(Code::StatementSignature, 0, comment, bytes).named(name));
    };
    sign("retired", "signed by a key that was retired", sealed(&payload, &chain.receipt));
    sign("log", "signed by the log key", sealed(&payload, &chain.log));
    sign(
        "unknown",
        "signed by a key that the chain does not know",
        sealed(&payload, &Key::of("receipt", 99)),
    );
    let forger = Key { id: chain.signer.id.clone(), secret: Key::of("receipt", 99).secret };
    sign("bad", "signed by another in the key's name", sealed(&payload, &forger));
    let text = String::from_utf8(sealed(&payload, &chain.signer)).expect("text");
    let at = text.find("\"signatures\":[").expect("signatures");
    sign("none", "not signed", format!("{}\"signatures\":[]}}\n", &text[..at]).into_bytes());
}
