//! Keys and ids that follow from names.

use cascade_receipt::content::Signature;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{KeyId, PrincipalId};
use cascade_receipt::sshsig;
use ed25519_dalek::{Signer as _, SigningKey};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};

fn seed(purpose: &str, name: &str) -> [u8; 32] {
    Digest::of(format!("trial {purpose} {name}").as_bytes()).0
}

/// A key of the chain.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: KeyId,
    secret: SigningKey,
}

impl Key {
    pub(super) fn of(name: &str) -> Self {
        let secret = SigningKey::from_bytes(&seed("key", name));
        Self { id: KeyId::of(name, secret.verifying_key().as_bytes()), secret }
    }

    pub(super) fn public(&self) -> [u8; 32] {
        self.secret.verifying_key().to_bytes()
    }

    pub(super) fn sign(&self, digest: &Digest) -> [u8; 64] {
        self.sign_bytes(&digest.0)
    }

    pub(super) fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.secret.sign(bytes).to_bytes()
    }
}

/// The id of whoever is called so.
pub(super) fn principal(name: &str) -> PrincipalId {
    let [a, b, c, d, e, f, g, h, ..] = seed("principal", name);
    PrincipalId([a, b, c, d, e, f, g, h])
}

fn ssh(name: &str) -> PrivateKey {
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed("person", name)));
    // Without a comment there is nothing that could not be a key.
    PrivateKey::new(pair, "").unwrap_or_else(|_| PrivateKey::from(Ed25519Keypair::from_seed(&[0; 32])))
}

/// The public SSH key of a person.
pub(super) fn ssh_key(name: &str) -> String {
    sshsig::without_comment(ssh(name).public_key()).unwrap_or_default()
}

/// A person's signature.
pub(super) fn sign(name: &str, namespace: &str, text: &str) -> Option<Signature> {
    let signed = SshSig::sign(&ssh(name), namespace, HashAlg::Sha512, text.as_bytes()).ok()?;
    Some(Signature { principal: principal(name), sshsig: signed.to_pem(LineEnding::LF).ok()? })
}
