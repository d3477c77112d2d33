use std::collections::BTreeMap;

use cascade_policy::decide::decide;
use cascade_policy::snapshot::{ENGINE, LoadFault, Snapshot, SnapshotSource};
use cascade_receipt::digest::Digest;

use crate::facts::plain;
use crate::packs::own;
use crate::setting::bundled_and;

fn stored(source: &SnapshotSource) -> BTreeMap<Digest, Vec<u8>> {
    source.blobs().map(|(hash, text)| (hash, text.as_bytes().to_vec())).collect()
}

#[test]
fn a_loaded_snapshot_is_the_compiled_one() {
    let mut source = bundled_and("more.cedar", include_str!("policy/base.cedar"));
    source.packs.push(("own".to_owned(), own()));
    let compiled = Snapshot::compile(&source).unwrap();
    let blobs = stored(&source);
    let loaded = Snapshot::load(compiled.document(), |hash| blobs.get(hash).cloned()).unwrap();
    assert_eq!(loaded.policy_hash(), compiled.policy_hash());
    assert_eq!(loaded.policy_hash(), Digest::of(loaded.document()));
    assert_eq!(loaded.thresholds(), compiled.thresholds());
    assert_eq!(loaded.packs(), compiled.packs());
    assert_eq!(loaded.compiled_for(), ENGINE);
    for command in [&b"git status"[..], b"anyctl --hard", b"opsctl", b"errctl", b"storectl --audited"] {
        let facts = plain(command);
        assert_eq!(decide(&loaded, &facts).decision, decide(&compiled, &facts).decision);
    }
}

#[test]
fn texts_that_are_missing_or_changed_are_refused() {
    let mut source = SnapshotSource::bundled();
    source.manifests.push(("own".to_owned(), OWN.to_owned()));
    let document = Snapshot::compile(&source).unwrap().document().to_vec();
    let kind = |fault| match fault {
        LoadFault::Missing { kind, name, .. } => ("missing", kind, name),
        LoadFault::Changed { kind, name } => ("changed", kind, name),
        other => panic!("{other}"),
    };
    let missing = Snapshot::load(&document, |_| None).unwrap_err();
    assert_eq!(kind(missing), ("missing", "manifest", "own".to_owned()));
    let changed = Snapshot::load(&document, |_| Some(b"other".to_vec())).unwrap_err();
    assert_eq!(kind(changed), ("changed", "manifest", "own".to_owned()));
}

#[test]
fn a_document_that_is_not_one_is_refused() {
    for document in [&b""[..], b"{", b"[]", b"{}", br#"{"engine":"x","policies":[{}]}"#, b"\xff"] {
        assert!(Snapshot::load(document, |_| None).is_err(), "{document:?}");
    }
}

#[test]
fn a_stored_policy_that_no_longer_parses_denies() {
    let source = SnapshotSource::bundled();
    let compiled = Snapshot::compile(&source).unwrap();
    let document = String::from_utf8(compiled.document().to_vec()).unwrap();
    let broken = document.replace("principal is Person, action", "principal is Person action");
    assert_ne!(broken, document);
    let blobs = stored(&source);
    let loaded = Snapshot::load(broken.as_bytes(), |hash| blobs.get(hash).cloned()).unwrap();
    assert_ne!(loaded.policy_hash(), compiled.policy_hash());
    for _ in 0..2 {
        let ruling = decide(&loaded, &plain(b"anyctl"));
        let codes: Vec<&str> = ruling.decision.reasons().map(|(_, reason)| reason.code.as_str()).collect();
        assert_eq!(codes, ["policy.evaluation_error", "policy.no_permit"]);
    }
}

const OWN: &str = "programs = \"own\"\n[[worker]]\nnames = \"own\"\nown = { tier = \"LOW\" }\n";

#[test]
fn the_hash_follows_every_part() {
    let small = || {
        let mut source = SnapshotSource::bundled();
        // One that needs no other: the tests of most call each other's programs.
        source.manifests = vec![("own".to_owned(), OWN.to_owned())];
        source
    };
    let base = Snapshot::compile(&small()).unwrap().policy_hash();
    let changes: [fn(&mut SnapshotSource); 5] = [
        |source| source.policies[0].1.push_str("\n@id(\"x\") forbid (principal, action, resource);"),
        |source| source.schema.push_str("\nentity Extra;"),
        |source| source.manifests[0].1.push_str("\n# note\n"),
        |source| source.thresholds.escalation.required = 2,
        |source| source.packs.push(("own".to_owned(), own())),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut source = small();
        change(&mut source);
        assert_ne!(Snapshot::compile(&source).unwrap().policy_hash(), base, "change {number}");
    }
}
