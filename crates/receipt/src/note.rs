//! C2SP signed notes (c2sp.org/signed-note v1.0.0), as far as checkpoints need them (format section 10).

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::base64;
use crate::digest;
use crate::ed25519::PublicKey;

/// Longest note, signatures included, in bytes.
pub const NOTE_BYTES_MAX: usize = 65_536;
/// Most signature lines.
pub const SIGNATURES_MAX: usize = 64;
/// Begins a signature line: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// What a key signs, which is part of its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// Type 0x01: Ed25519 over the text. Log keys.
    Ed25519,
    /// Type 0x04: Ed25519 over a time and the text (c2sp.org/tlog-cosignature). Witness keys.
    Cosignature,
}

impl Algorithm {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// A key that signs notes, in its *vkey* spelling `name+hash+base64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    public: PublicKey,
}

impl VerifierKey {
    /// A key by its parts; `None` if a note could not carry the name.
    #[must_use]
    pub fn new(name: &str, algorithm: Algorithm, public: PublicKey) -> Option<Self> {
        is_name(name).then(|| Self { name: name.to_owned(), algorithm, public })
    }

    /// Reads a vkey of type 0x01 or 0x04. Weak and oddly encoded public keys are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = base64::decode(key)?;
        let (algorithm, raw) = key.split_first()?;
        let algorithm = match algorithm {
            0x01 => Algorithm::Ed25519,
            0x04 => Algorithm::Cosignature,
            _ => return None,
        };
        let key = Self::new(name, algorithm, PublicKey::accept(raw.try_into().ok()?)?)?;
        (digest::from_hex::<4>(id)? == key.id()).then_some(key)
    }

    /// The name in signature lines.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// SHA-256(name ‖ LF ‖ type ‖ public key), the first 4 bytes.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', self.algorithm.byte()]);
        hasher.update(self.public.raw());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        [a, b, c, d]
    }

    /// The line that carries `signature`, its LF included.
    #[must_use]
    pub fn line(&self, signature: &[u8]) -> String {
        let bytes = [&self.id(), signature].concat();
        alloc::format!("{DASH}{} {}\n", self.name, base64::encode(&bytes))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = Vec::from([self.algorithm.byte()]);
        key.extend_from_slice(self.public.raw());
        f.write_str(&self.name)?;
        f.write_char('+')?;
        f.write_str(&digest::to_hex(&self.id()))?;
        f.write_char('+')?;
        f.write_str(&base64::encode(&key))
    }
}

/// A note, parsed. No signature has been looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<Signature<'a>>,
}

/// One signature line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature<'a> {
    /// Whose.
    pub name: &'a str,
    /// Which of the keys of that name.
    pub id: [u8; 4],
    /// What follows the id.
    pub bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note; `None` for anything else.
    #[must_use]
    pub fn parse(note: &'a [u8]) -> Option<Self> {
        if note.len() > NOTE_BYTES_MAX {
            return None;
        }
        let note = core::str::from_utf8(note).ok()?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return None;
        }
        let end = note.rfind("\n\n")? + 1;
        let (text, rest) = note.split_at(end);
        let signatures = signatures(rest.strip_prefix('\n')?)?;
        Some(Self { text, signatures })
    }

    /// The signed text, its last LF included.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Its signature lines.
    #[must_use]
    pub fn lines(&self) -> &[Signature<'a>] {
        &self.signatures
    }

    /// The signature lines by `key`'s name and id.
    pub fn by<'s>(&'s self, key: &'s VerifierKey) -> impl Iterator<Item = &'s Signature<'a>> {
        let id = key.id();
        self.signatures.iter().filter(move |line| line.name == key.name && line.id == id)
    }
}

/// Reads one or more signature lines, each with its LF.
#[must_use]
pub fn signatures(lines: &str) -> Option<Vec<Signature<'_>>> {
    let mut found = Vec::new();
    for line in lines.strip_suffix('\n')?.split('\n') {
        let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = base64::decode(bytes)?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        if !is_name(name) || bytes.is_empty() || found.len() == SIGNATURES_MAX {
            return None;
        }
        found.push(Signature { name, id: *id, bytes: bytes.to_vec() });
    }
    Some(found)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c != '+' && !c.is_whitespace() && !c.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{self, Checkpoint, Signed, SignedCheckpoint};
    use crate::digest::Digest;
    use crate::proof::Proof;
    use ed25519_dalek::{Signer as _, SigningKey};
    use std::string::ToString as _;

    fn keys(seed: u8, name: &str, algorithm: Algorithm) -> (SigningKey, VerifierKey) {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::accept(signing.verifying_key().as_bytes()).expect("strong");
        (signing, VerifierKey::new(name, algorithm, public).expect("a name"))
    }

    /// The example key and note of Go's golang.org/x/mod/sumdb/note documentation.
    #[test]
    fn known_note() {
        let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
            .expect("a key");
        assert_eq!(key.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = std::format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        let note = Note::parse(note.as_bytes()).expect("a note");
        assert_eq!(note.text(), text);
        let line = note.by(&key).next().expect("its line");
        let signature: &[u8; 64] = line.bytes.as_slice().try_into().unwrap();
        assert!(key.public().verifies_bytes(text.as_bytes(), signature));
    }

    #[test]
    fn what_is_no_note() {
        let line = "\u{2014} a AAAAAAE=\n";
        let note = |text: &str| Note::parse(text.as_bytes()).is_some();
        assert!(note(&std::format!("x\n\n{line}")));
        assert!(note(&std::format!("x\n\n{}", line.repeat(SIGNATURES_MAX))));
        for bad in [
            std::format!("x\n\n{}", line.repeat(SIGNATURES_MAX + 1)),
            std::format!("x\n\n{}", line.trim_end()),
            std::format!("x\n{line}"),
            std::format!("x\r\n\n{line}"),
            std::format!("x\n\n{line}\n"),
            "x\n\n\n".to_owned(),
            "x\n\n".to_owned(),
            "x\n\n- a AAAAAAE=\n".to_owned(),
            "x\n\n\u{2014} a+b AAAAAAE=\n".to_owned(),
            "x\n\n\u{2014} a\u{a0}b AAAAAAE=\n".to_owned(),
            "x\n\n\u{2014} a AAAAAA==\n".to_owned(),
            "x\n\n\u{2014} a AAAAAAF=\n".to_owned(),
            std::format!("{}\n\n{line}", "x".repeat(NOTE_BYTES_MAX)),
        ] {
            assert!(!note(&bad), "{bad:?}");
        }
        assert!(Note::parse(b"\xff\n\n").is_none());
        for bad in [
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann",
            "",
        ] {
            assert!(VerifierKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn checkpoints_and_cosignatures() {
        let origin = "example.org/t/00000000000000000000000000000000";
        let (log, log_key) = keys(1, origin, Algorithm::Ed25519);
        let (witness, witness_key) = keys(2, "w.example", Algorithm::Cosignature);
        let entry = Digest([5; 32]);
        let root = crate::merkle::leaf(&entry);
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 1, root };
        let text = checkpoint.text();
        let sign = |time: u64| {
            let signature = witness.sign(&checkpoint::cosignature_message(time, &text)).to_bytes();
            witness_key.line(&checkpoint::cosignature(time, &signature))
        };
        let head = std::format!("{text}\n{}", log_key.line(&log.sign(text.as_bytes()).to_bytes()));
        let note = std::format!("{head}{}{}", sign(1_700_000_009), sign(1_700_000_000));
        let signed = SignedCheckpoint::parse(note.as_bytes()).expect("a checkpoint");
        assert_eq!(signed.checkpoint(), &checkpoint);
        assert_eq!(signed.signed_by(&log_key), Signed::Good(()));
        assert_eq!(signed.cosigned_by(&witness_key), Signed::Good(1_700_000_000));
        let (_, other) = keys(3, origin, Algorithm::Ed25519);
        assert_eq!(signed.signed_by(&other), Signed::Absent);

        let changed = note.replacen("\n1\n", "\n2\n", 1);
        let changed = SignedCheckpoint::parse(changed.as_bytes()).expect("still a checkpoint");
        assert_eq!(changed.signed_by(&log_key), Signed::Bad);
        assert_eq!(changed.cosigned_by(&witness_key), Signed::Bad);
        for bad in ["01", "0", "-1", "9007199254740992", "1 ", ""] {
            let bad = note.replacen("\n1\n", &std::format!("\n{bad}\n"), 1);
            assert!(SignedCheckpoint::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let extended = head.replacen("\n\n", "\nextension\n\n", 1);
        assert!(SignedCheckpoint::parse(extended.as_bytes()).is_none());

        let proof = Proof { index: 0, path: Vec::new(), note: &note };
        let written = proof.to_text();
        assert_eq!(Proof::parse(written.as_bytes()), Some(proof.clone()));
        assert!(proof.includes(&entry) && !proof.includes(&root));
        let with_extra = written.replacen("index", "extra AAAA\nindex", 1);
        assert_eq!(Proof::parse(with_extra.as_bytes()), Some(proof));
        let hashes = std::format!("{}\n", base64::encode(&[0; 32])).repeat(64);
        let long = written.replacen("index 0\n", &std::format!("index 0\n{hashes}"), 1);
        assert!(Proof::parse(long.as_bytes()).is_none(), "64 hashes are too many");
        assert!(Proof::parse(written.replacen("index 0", "index 00", 1).as_bytes()).is_none());
    }
}
