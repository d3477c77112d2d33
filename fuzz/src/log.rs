//! What logs and witnesses write: notes, checkpoints, cosignatures, proofs, requests and trust policies.

use std::collections::BTreeSet;

use cascade_receipt::base64;
use cascade_receipt::checkpoint::{Checkpoint, Signed, SignedCheckpoint, cosigned_at};
use cascade_receipt::digest::Digest;
use cascade_receipt::merkle::{PROOF_HASHES_MAX, SIZE_MAX, continues};
use cascade_receipt::note::{Algorithm, NOTE_BYTES_MAX, Note, SIGNATURES_MAX, VerifierKey, signatures};
use cascade_receipt::proof::{PROOF_BYTES_MAX, Proof};
use cascade_receipt::trust::{TRUST_BYTES_MAX, TRUST_ITEMS_MAX, Trust};
use cascade_receipt::witness::{AddCheckpoint, Known, REQUEST_BYTES_MAX, judge};

use crate::keys;

fn log_key() -> VerifierKey {
    keys::verifier(keys::ORIGIN, Algorithm::Ed25519, keys::LOG)
}

fn witness_key() -> VerifierKey {
    keys::verifier("w1.example", Algorithm::Cosignature, keys::WITNESS)
}

pub(crate) fn note(bytes: &[u8]) {
    let Some(note) = Note::parse(bytes) else { return assert!(SignedCheckpoint::parse(bytes).is_none()) };
    assert!(bytes.len() <= NOTE_BYTES_MAX && note.text().ends_with('\n'));
    let whole = std::str::from_utf8(bytes).expect("a note is text");
    let lines = whole.strip_prefix(note.text()).and_then(|rest| rest.strip_prefix('\n')).expect("its lines");
    assert!(lines_again(lines));
    let Some(signed) = SignedCheckpoint::parse(bytes) else {
        return assert!(Checkpoint::parse_text(note.text()).is_none());
    };
    let checkpoint = signed.checkpoint();
    assert_eq!(checkpoint.text(), note.text());
    assert!((1..=SIZE_MAX).contains(&checkpoint.size));
    // What verifies does so over this text alone.
    for key in [log_key(), witness_key()] {
        let good = signed.signed_by(&key) == Signed::Good(());
        let cosigned = matches!(signed.cosigned_by(&key), Signed::Good(_));
        if good || cosigned {
            let other = Checkpoint { size: checkpoint.size ^ 1, ..checkpoint.clone() };
            let changed = format!("{}\n{lines}", other.text());
            if let Some(changed) = SignedCheckpoint::parse(changed.as_bytes()) {
                assert_ne!(changed.signed_by(&key), Signed::Good(()));
                assert!(!matches!(changed.cosigned_by(&key), Signed::Good(_)));
            }
        }
    }
}

/// Whether signature lines, read and written again, are the same.
fn lines_again(lines: &str) -> bool {
    let found = signatures(lines).expect("signature lines");
    assert!((1..=SIGNATURES_MAX).contains(&found.len()));
    let write = |line: &cascade_receipt::note::Signature<'_>| {
        format!("\u{2014} {} {}\n", line.name, base64::encode(&[&line.id[..], &line.bytes].concat()))
    };
    found.iter().map(write).collect::<String>() == lines
}

pub(crate) fn cosignatures(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(found) = signatures(text) else { return };
    assert!(lines_again(text));
    let key = witness_key();
    let note = Checkpoint { origin: keys::ORIGIN.to_owned(), size: 1, root: Digest([5; 32]) }.text();
    for line in &found {
        assert!(!line.name.is_empty() && !line.name.contains(['+', ' ', '\n']));
        if let Some(time) = cosigned_at(line, &key, &note) {
            assert_eq!(line.bytes.get(..8), Some(&time.to_be_bytes()[..]));
            assert!(cosigned_at(line, &key, "another text\n").is_none());
            assert!(cosigned_at(line, &log_key(), &note).is_none(), "a log key does not cosign");
        }
    }
}

pub(crate) fn verifier_key(bytes: &[u8]) {
    let Some(key) = std::str::from_utf8(bytes).ok().and_then(VerifierKey::parse) else { return };
    assert_eq!(key.to_string().as_bytes(), bytes);
    // A note can carry what it signs.
    let note = format!("text\n\n{}", key.line(&[0; 64]));
    let note = Note::parse(note.as_bytes()).expect("a note");
    assert_eq!(note.by(&key).count(), 1);
}

pub(crate) fn proof(bytes: &[u8]) {
    let Some(proof) = Proof::parse(bytes) else { return };
    assert!(
        bytes.len() <= PROOF_BYTES_MAX && proof.path.len() <= PROOF_HASHES_MAX && proof.index <= SIZE_MAX
    );
    let text = proof.to_text();
    assert_eq!(Proof::parse(text.as_bytes()).as_ref(), Some(&proof));
    // Extra data are skipped and not written again; everything else is.
    let extra = bytes.windows(7).any(|part| part == b"\nextra ");
    assert!(text.as_bytes() == bytes || extra);
    let entry = Digest([5; 32]);
    if proof.includes(&entry) {
        assert!(!proof.includes(&Digest([6; 32])), "two leaves at one place");
        assert!(SignedCheckpoint::parse(proof.note.as_bytes()).is_some());
    }
}

pub(crate) fn add_checkpoint(bytes: &[u8]) {
    let Some(request) = AddCheckpoint::parse(bytes) else { return };
    assert!(bytes.len() <= REQUEST_BYTES_MAX && request.path.len() <= PROOF_HASHES_MAX);
    assert_eq!(request.to_text().as_bytes(), bytes);
    let Some(signed) = SignedCheckpoint::parse(request.note.as_bytes()) else { return };
    let (key, checkpoint) = (log_key(), signed.checkpoint());
    let fork = Digest([9; 32]);
    for known in [None, Some(Known { size: request.old, root: fork }), Some(Known { size: 3, root: fork })] {
        assert!(judge(known, &request, &signed, &[]).is_err());
        let size = known.map_or(0, |known| known.size);
        if judge(known, &request, &signed, std::slice::from_ref(&key)).is_ok() {
            assert_eq!(signed.signed_by(&key), Signed::Good(()));
            assert!(size == request.old && size <= checkpoint.size);
            let root = known.map_or(fork, |known| known.root);
            assert!(continues(size, &root, checkpoint.size, &checkpoint.root, &request.path));
        }
    }
}

pub(crate) fn trust(bytes: &[u8]) {
    let trust = match Trust::parse(bytes) {
        Ok(trust) => trust,
        Err(fault) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            return assert!((1..=lines).contains(&fault.line) && !fault.what.is_empty());
        }
    };
    assert!(bytes.len() <= TRUST_BYTES_MAX);
    assert!(trust.logs().len() <= TRUST_ITEMS_MAX && trust.witnesses().len() <= TRUST_ITEMS_MAX);
    for (parties, algorithm) in
        [(trust.logs(), Algorithm::Ed25519), (trust.witnesses(), Algorithm::Cosignature)]
    {
        let keys: BTreeSet<&[u8; 32]> = parties.iter().map(|party| party.key.public().raw()).collect();
        assert_eq!(keys.len(), parties.len(), "one key under two names is one witness");
        for party in parties {
            assert_eq!(party.key.algorithm(), algorithm);
            assert_eq!(VerifierKey::parse(&party.key.to_string()).as_ref(), Some(&party.key));
        }
    }
    // One more cosignature never takes a quorum away, and without all of them none is met.
    let count = trust.witnesses().len();
    let met: Vec<bool> = (0..=count).map(|first| trust.met(|index| index < first)).collect();
    assert!(met.is_sorted(), "{met:?}");
    assert!(met.last() == Some(&true), "a quorum that nobody can meet");
    // A comment and an empty line mean nothing.
    let commented = [b"# a comment\n\n".as_slice(), bytes].concat();
    assert!(commented.len() > TRUST_BYTES_MAX || Trust::parse(&commented).as_ref() == Ok(&trust));
}
