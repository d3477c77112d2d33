//! What logs and witnesses say to each other (c2sp.org/tlog-witness), and a witness's judgement.

use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::{Signed, SignedCheckpoint, parse_size};
use crate::digest::Digest;
use crate::merkle::{self, PROOF_HASHES_MAX};
use crate::note::{NOTE_BYTES_MAX, VerifierKey};
use crate::proof::{read_hashes, write_hashes};

/// Longest request in bytes: the note, 45 bytes a hash, and the first line.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 45 * PROOF_HASHES_MAX + 64;

/// A request for a cosignature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddCheckpoint<'a> {
    /// The size that the witness cosigned last, as far as the log knows; 0 if none.
    pub old: u64,
    /// Consistency proof from there to the checkpoint.
    pub path: Vec<Digest>,
    /// The signed checkpoint.
    pub note: &'a str,
}

impl<'a> AddCheckpoint<'a> {
    /// Reads a request; `None` for anything else.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        if body.len() > REQUEST_BYTES_MAX {
            return None;
        }
        let (old, rest) = core::str::from_utf8(body).ok()?.strip_prefix("old ")?.split_once('\n')?;
        let (path, note) = read_hashes(rest)?;
        Some(Self { old: parse_size(old)?, path, note })
    }

    /// The body of the request.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = alloc::format!("old {}\n", self.old);
        write_hashes(&mut text, &self.path);
        text.push('\n');
        text.push_str(self.note);
        text
    }
}

/// What a witness cosigned last for a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Digest,
}

/// Why a witness does not cosign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Not a request, or not a checkpoint in it.
    #[error("not an add-checkpoint request with a checkpoint")]
    Malformed,
    /// Nobody asked this witness to watch that log.
    #[error("unknown log")]
    UnknownOrigin,
    /// Not signed by the log, or badly.
    #[error("the log's signature is missing or does not verify")]
    Signature,
    /// The old size is above the checkpoint's.
    #[error("the old size is above the checkpoint's size")]
    OldAboveSize,
    /// The log believes in another size than the one cosigned last.
    #[error("the checkpoint cosigned last is of size {size}")]
    Conflict {
        /// That size.
        size: u64,
    },
    /// The proof does not show that the log only grew.
    #[error("the checkpoint is not shown to continue the one cosigned last")]
    Proof,
    /// Two checkpoints of one size with different roots: the log lied.
    #[error("another root was cosigned at this size")]
    Fork,
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::OldAboveSize => 400,
            Self::Signature => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } => 409,
            Self::Proof | Self::Fork => 422,
        }
    }
}

/// Whether a witness that knows this may cosign. `keys` are those of the log that the checkpoint names.
///
/// # Errors
/// The refusal.
pub fn judge(
    known: Option<Known>,
    request: &AddCheckpoint<'_>,
    signed: &SignedCheckpoint<'_>,
    keys: &[VerifierKey],
) -> Result<(), Refusal> {
    let checkpoint = signed.checkpoint();
    if keys.is_empty() {
        return Err(Refusal::UnknownOrigin);
    }
    let mut good = false;
    for key in keys {
        match signed.signed_by(key) {
            Signed::Absent => {}
            Signed::Bad => return Err(Refusal::Signature),
            Signed::Good(()) => good = true,
        }
    }
    if !good {
        return Err(Refusal::Signature);
    }
    if request.old > checkpoint.size {
        return Err(Refusal::OldAboveSize);
    }
    let (size, root) = known.map_or((0, Digest([0; 32])), |known| (known.size, known.root));
    // A second root at one size convicts the log, whatever else the request claims.
    if size == checkpoint.size && root != checkpoint.root {
        return Err(Refusal::Fork);
    }
    if request.old != size {
        return Err(Refusal::Conflict { size });
    }
    if merkle::continues(size, &root, checkpoint.size, &checkpoint.root, &request.path) {
        Ok(())
    } else {
        Err(Refusal::Proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::ed25519::PublicKey;
    use crate::merkle::Tree;
    use crate::note::Algorithm;
    use alloc::borrow::ToOwned as _;
    use ed25519_dalek::{Signer as _, SigningKey};

    const ORIGIN: &str = "example.org/t/00000000000000000000000000000000";

    fn key(seed: u8) -> (SigningKey, VerifierKey) {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::accept(signing.verifying_key().as_bytes()).unwrap();
        (signing, VerifierKey::new(ORIGIN, Algorithm::Ed25519, public).unwrap())
    }

    fn tree(size: u64, changed: Option<u64>) -> Tree {
        let mut tree = Tree::default();
        for leaf in 0..size {
            let mark = u64::from(changed == Some(leaf)) << 32;
            tree.push(&Digest::of(&(leaf | mark).to_be_bytes()));
        }
        tree
    }

    fn note(tree: &Tree, size: u64, seed: u8) -> String {
        let text = Checkpoint { origin: ORIGIN.to_owned(), size, root: tree.root(size).unwrap() }.text();
        let (signing, vkey) = key(seed);
        std::format!("{text}\n{}", vkey.line(&signing.sign(text.as_bytes()).to_bytes()))
    }

    /// The rows that other witnesses were measured with.
    #[test]
    fn what_a_witness_answers() {
        let honest = tree(1000, None);
        let forked = tree(1000, Some(3));
        let (_, vkey) = key(1);
        let known = |size: u64| (size > 0).then(|| Known { size, root: honest.root(size).unwrap() });
        let ask = |have: u64, old: u64, tree: &Tree, size: u64, seed: u8| {
            let path = tree.consistency(old.min(size), size).unwrap();
            let note = note(tree, size, seed);
            let body = AddCheckpoint { old, path, note: &note }.to_text();
            let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
            let signed = SignedCheckpoint::parse(request.note.as_bytes()).unwrap();
            let answer = judge(known(have), &request, &signed, core::slice::from_ref(&vkey));
            answer.map_err(Refusal::status)
        };
        for (have, old, size) in [(0, 0, 10), (10, 10, 500), (500, 500, 500), (500, 500, 1000)] {
            assert_eq!(ask(have, old, &honest, size, 1), Ok(()), "honest {old} to {size}");
        }
        assert_eq!(ask(500, 500, &forked, 500, 1), Err(422), "same size, leaf 3 rewritten");
        assert_eq!(ask(500, 500, &forked, 1000, 1), Err(422), "growth with a forked proof");
        assert_eq!(ask(500, 500, &honest, 400, 1), Err(400), "truncated, old above size");
        assert_eq!(ask(500, 10, &honest, 400, 1), Err(409), "truncated");
        assert_eq!(ask(500, 0, &forked, 700, 1), Err(409), "from the beginning, with a fork");
        assert_eq!(ask(500, 500, &honest, 600, 2), Err(403), "another key");
        assert_eq!(ask(500, 400, &forked, 500, 1), Err(422), "a fork is one whatever it claims to be old");
        let note = note(&honest, 1, 1);
        let request = AddCheckpoint { old: 0, path: Vec::new(), note: &note };
        let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
        assert_eq!(judge(None, &request, &signed, &[]), Err(Refusal::UnknownOrigin));
    }

    #[test]
    fn what_is_no_request() {
        let good = AddCheckpoint { old: 7, path: std::vec![Digest([1; 32]); PROOF_HASHES_MAX], note: "x" };
        let text = good.to_text();
        assert_eq!(AddCheckpoint::parse(text.as_bytes()), Some(good));
        let hash = std::format!("{}\n", crate::base64::encode(&[0; 32]));
        for bad in [
            "".to_owned(),
            "old 1".to_owned(),
            "old 1\n".to_owned(),
            "old 01\n\nx".to_owned(),
            "old -1\n\nx".to_owned(),
            "size 1\n\nx".to_owned(),
            "old 1\nAAAA\n\nx".to_owned(),
            std::format!("old 1\n{}\nx", hash.repeat(PROOF_HASHES_MAX + 1)),
            std::format!("old 1\n\n{}", "x".repeat(REQUEST_BYTES_MAX)),
        ] {
            assert!(AddCheckpoint::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(AddCheckpoint::parse(b"old 1\n\n\xff").is_none());
    }
}
