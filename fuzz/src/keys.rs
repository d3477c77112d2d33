//! The keys of the vectors. Their seeds are public, so that an input can be signed after it was changed.

use std::sync::OnceLock;

use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::note::{Algorithm, VerifierKey};
use ed25519_dalek::SigningKey;

/// The chain's name in every vector.
pub(crate) const ORIGIN: &str = "vectors.example/t/a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
/// The seed of the first receipt key.
pub(crate) const RECEIPT: u8 = 1;
/// The seed of the key that takes its place where bundles are made.
pub(crate) const ROTATED: u8 = 11;
/// The seed of the first log key.
pub(crate) const LOG: u8 = 2;
/// The seed of the first witness.
pub(crate) const WITNESS: u8 = 51;

/// The key of a seed.
pub(crate) fn secret(seed: u8) -> &'static SigningKey {
    static KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| (0..=255).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect());
    &keys[usize::from(seed)]
}

/// Its public half, under a name.
pub(crate) fn verifier(name: &str, algorithm: Algorithm, seed: u8) -> VerifierKey {
    let public = PublicKey::accept(secret(seed).verifying_key().as_bytes()).expect("a strong key");
    VerifierKey::new(name, algorithm, public).expect("a name for notes")
}
