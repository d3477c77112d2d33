//! Checkpoints of trial chains, cosigned by witnesses that have a name and nothing else.

use cascade_receipt::checkpoint::{self, Checkpoint};
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::merkle::Tree;
use cascade_receipt::note::{Algorithm, VerifierKey};

use super::build::Chain;
use super::keys::Key;

/// A note over everything so far, signed by the log key and cosigned by these witnesses.
pub(super) fn note(chain: &Chain, witnesses: &[&str]) -> Option<String> {
    let [_, log, _] = &chain.founding;
    let mut tree = Tree::default();
    chain.hashes.iter().for_each(|hash| tree.push(hash));
    let size = chain.seq();
    let origin = chain.origin.as_str().to_owned();
    let text = Checkpoint { root: tree.root(size)?, size, origin }.text();
    let line = vkey(chain.origin.as_str(), Algorithm::Ed25519, log)?.line(&log.sign_bytes(text.as_bytes()));
    let mut note = format!("{text}\n{line}");
    let seconds = chain.now_ms / 1_000;
    for name in witnesses {
        let key = Key::of(name);
        let signature = key.sign_bytes(&checkpoint::cosignature_message(seconds, &text));
        let line = vkey(&format!("{name}.invalid"), Algorithm::Cosignature, &key)?;
        note.push_str(&line.line(&checkpoint::cosignature(seconds, &signature)));
    }
    Some(note)
}

fn vkey(name: &str, algorithm: Algorithm, key: &Key) -> Option<VerifierKey> {
    VerifierKey::new(name, algorithm, PublicKey::accept(&key.public())?)
}
