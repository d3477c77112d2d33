//! The seeds and what was ever found, replayed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cascade_fuzz::TARGETS;
use cascade_receipt::bundle::{envelope, pre_authentication};
use cascade_receipt::checkpoint::{Signed, SignedCheckpoint};
use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::id::KeyId;
use cascade_receipt::note::{Algorithm, VerifierKey};
use cascade_receipt::proof::Proof;
use cascade_receipt::sshsig::SshKey;
use cascade_receipt::verify::{Options, Verifier, verify_bundle};
use cascade_receipt::witness::{AddCheckpoint, judge};
use ed25519_dalek::{Signer as _, SigningKey};

/// Bytes of all seeds together: they are read by people and cloned by everybody.
const CORPUS_BYTES_MAX: u64 = 384 * 1024;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_seed_keeps_every_promise() {
    for target in TARGETS {
        let seeds = entries(&corpus().join(target.name));
        assert!(!seeds.is_empty(), "{} has no seed", target.name);
        for seed in seeds {
            println!("{}", seed.display());
            (target.run)(&std::fs::read(seed).expect("readable"));
        }
    }
}

#[test]
fn inputs_of_no_shape_are_survived() {
    for target in TARGETS {
        let long = vec![b'a'; 70_000];
        let deep = [vec![b'['; 40_000], vec![b'('; 40_000]].concat();
        for input in [&b""[..], b"\n", b"\0", b"\xff\xfe", b"{}", b"\n\n\n", &long, &deep] {
            (target.run)(input);
        }
    }
}

/// A target that throws every input away keeps its promises, too: the seeds get as far as a signature.
#[test]
fn seeds_verify() {
    let read = |path: &str| std::fs::read(corpus().join(path)).expect("readable");
    let key = |name, algorithm, seed| {
        let raw = SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
        VerifierKey::new(name, algorithm, PublicKey::accept(&raw).expect("strong")).expect("a name")
    };
    let note = read("note/cosigned");
    let signed = SignedCheckpoint::parse(&note).expect("a checkpoint");
    let origin = signed.checkpoint().origin.clone();
    let log = key(&origin, Algorithm::Ed25519, 2);
    assert_eq!(signed.signed_by(&log), Signed::Good(()));
    let witness = key("w1.example", Algorithm::Cosignature, 51);
    assert!(matches!(signed.cosigned_by(&witness), Signed::Good(_)));
    let body = read("add_checkpoint/from-0");
    let request = AddCheckpoint::parse(&body).expect("a request");
    let signed = SignedCheckpoint::parse(request.note.as_bytes()).expect("a checkpoint");
    assert_eq!(judge(None, &request, &signed, &[log]), Ok(()));
    assert!(Proof::parse(&read("proof/plain")).expect("a proof").includes(&Digest([5; 32])));
    let text = String::from_utf8(read("sshsig/good")).expect("text");
    let [key, message, armour] = text.splitn(3, "\n\n").collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let key = SshKey::accept(key).expect("a key");
    assert_eq!(key.verify("cascade-approval@v1", message.as_bytes(), armour), Ok(()));
    let mut verifier = Verifier::new(Options::default());
    verifier.feed(&read("ledger/valid-genesis"));
    assert!(verifier.finish().valid());
    assert!(verify_bundle(&read("bundle/valid-bundle"), Options::default()).valid());
    let payload = read("bundle_resigned/valid-bundle");
    let newest = SigningKey::from_bytes(&[11; 32]);
    let id = KeyId::of("receipt", newest.verifying_key().as_bytes());
    let signature = newest.sign(&pre_authentication(&payload)).to_bytes();
    assert!(verify_bundle(envelope(&payload, &id, &signature).as_bytes(), Options::default()).valid());
}

#[test]
fn the_corpus_is_small_and_every_folder_has_a_target() {
    let folders: BTreeSet<String> = entries(&corpus())
        .iter()
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(folders, names);
    let files = entries(&corpus()).into_iter().flat_map(|folder| entries(&folder));
    let bytes: u64 = files.map(|file| file.metadata().expect("a file").len()).sum();
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}
